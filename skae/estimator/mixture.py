"""Gaussian mixtures of codes, for models that have no prior to draw from."""

import numpy as np
from sklearn.mixture import GaussianMixture

from ..data.tables import distinct_rows
from ..training.randomness import make_random_state

SIZES = (1, 2, 5, 10, 20)
MAX_ITER = 1000  # of scikit-learn's 100 some codes want more, which no user can do anything about


def fit_mixture(codes, seed):
    """Fit scikit-learn's Gaussian mixture to codes, its size chosen by the BIC.

    Where codes are few, or the same again and again, the mixture is small: a component needs
    n_components + 1 codes that differ, and stands for as many rows or more.

    Parameters
    ----------
    codes : ndarray of shape (n_codes, n_components)
    seed : int

    Returns
    -------
    mixture : dict of ndarray
        ``weights``, ``means`` and ``covariances``.
    """
    Z, least = codes.astype(np.float64), codes.shape[1] + 1
    n_different = len(distinct_rows(codes))
    noise = 1e-10 * max(1.0, np.abs(Z).max())
    fitted = [
        GaussianMixture(
            size,
            reg_covar=max(1e-6 * Z.var(axis=0).mean(), noise**2),
            max_iter=MAX_ITER,
            random_state=make_random_state(seed, "sample"),
        ).fit(Z)
        for size in SIZES
        if size == 1 or size * least <= n_different
    ]
    candidates = [m for m in fitted if len(m.weights_) == 1 or m.weights_.min() * len(Z) >= least]
    best = min(candidates, key=lambda mixture: mixture.bic(Z))
    return {"weights": best.weights_, "means": best.means_, "covariances": best.covariances_}


def draw_from_mixture(mixture, n_samples, random_state):
    """Return draws, (n_samples, n_components), in random order."""
    counts = random_state.multinomial(n_samples, mixture["weights"])
    parts = zip(mixture["means"], mixture["covariances"], counts, strict=True)
    Z = np.vstack([random_state.multivariate_normal(m, c, int(n)) for m, c, n in parts])
    random_state.shuffle(Z)
    return Z
