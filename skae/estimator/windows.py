r"""New codes beside those of training rows: manifold Parzen windows.

Around each code there is a Gaussian with the covariance of its nearest neighbours, so that draws
spread along what the codes lie on and not across it (Vincent and Bengio, NIPS 2002). Its centre is
half-way between the code and the neighbours' mean: around the code itself draws would vary more
than the codes do, around the mean less.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Chosen by tests/benchmarks/samples.py: with 10 draws decode nearer to training rows than unseen
# rows do, with 20 they are told from those more easily.
N_NEIGHBOURS = 15
FEWEST_CODES = 3  # one and two neighbours, or there is no covariance
N_NUMBERS = 2**22  # of neighbours that are held at a time


def draw_from_windows(codes, n_samples, random_state):
    """Return draws from the windows of codes.

    Parameters
    ----------
    codes : ndarray of shape (n_codes, n_components)
    n_samples : int
    random_state : RandomState

    Returns
    -------
    Z : ndarray of shape (n_samples, n_components), of float64
    """
    codes = codes.astype(np.float64)
    chosen = random_state.randint(len(codes), size=n_samples)
    if len(codes) < FEWEST_CODES:
        return codes[chosen]
    n_neighbours = min(N_NEIGHBOURS, len(codes) - 1)
    noise = random_state.standard_normal((n_samples, n_neighbours)) / np.sqrt(n_neighbours - 1)
    search = NearestNeighbors(n_neighbors=n_neighbours + 1).fit(codes)
    n_at_once = max(1, N_NUMBERS // (n_neighbours * codes.shape[1]))
    parts = range(0, n_samples, n_at_once)
    return np.vstack(
        [_draw(codes, search, chosen[i : i + n_at_once], noise[i : i + n_at_once]) for i in parts]
    )


def _draw(codes, search, chosen, noise):
    """Return a draw from the window of each chosen code."""
    near = codes[search.kneighbors(codes[chosen], return_distance=False)[:, 1:]]
    middle = near.mean(axis=1)
    spread = np.einsum("ni,nik->nk", noise, near - middle[:, None])
    return 0.5 * (codes[chosen] + middle) + spread
