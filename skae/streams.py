"""What is kept of the codes of a stream of rows, whose rows themselves are not kept."""

import numpy as np
from scipy import sparse

N_STORED_CODES = 10000  # training codes kept for `sample`

# A code outlives this many later rows on average: the encoder moves on, and old codes go stale
# (tests/benchmarks/streams.py).
HORIZON = 2000


def join_stream(kept, new, n_rows, n_most, random_state):
    """Return a sample of a stream in which recent rows count more (Aggarwal 2006).

    Parameters
    ----------
    kept : {ndarray, sparse matrix} of shape (n_kept, n_components)
        What this function returned before.
    new : {ndarray, sparse matrix} of shape (n_new, n_components)
        The codes of the latest rows, or of some of them.
    n_rows : int
        How many rows these stand for.
    n_most : int
        How many codes are kept at most.
    random_state : RandomState

    Returns
    -------
    codes : {ndarray, sparse matrix} of shape (n_codes, n_components)
    n_kept : int
        How many of them are old; they stand first.
    """
    survives = random_state.random_sample(kept.shape[0]) < (1 - 1 / HORIZON) ** n_rows
    old = np.flatnonzero(survives)
    room = max(n_most - new.shape[0], 0)
    if len(old) > room:
        old = np.sort(random_state.permutation(old)[:room])
    stack = sparse.vstack if sparse.issparse(new) else np.concatenate
    return stack([kept[old], new]), len(old)


def moments_of(codes):
    """Return the moments of codes, (n_codes, n_components).

    Returns
    -------
    moments : dict
        Number of codes ``n``, their ``mean`` and ``covariance``, and the ``share`` in them of what
        was there before, here none.
    """
    Z = codes.astype(np.float64)
    mean = Z.mean(axis=0)
    covariance = (Z - mean).T @ (Z - mean) / len(Z)
    return {"n": float(len(Z)), "mean": mean, "covariance": covariance, "share": 0.0}


def join_moments(kept, new, n_rows, n_most):
    """Return the moments of what `join_stream` would keep of codes, on average.

    Parameters
    ----------
    kept, new : dict
        As `moments_of` or this function has returned them.
    n_rows, n_most : int
        As in `join_stream`.

    Returns
    -------
    moments : dict
    """
    n_old = min(kept["n"] * (1 - 1 / HORIZON) ** n_rows, max(n_most - new["n"], 0.0))
    share = n_old / (n_old + new["n"])
    means = np.stack([kept["mean"], new["mean"]])
    apart = np.outer(means[0] - means[1], means[0] - means[1])
    within = share * kept["covariance"] + (1 - share) * new["covariance"]
    return {
        "n": n_old + new["n"],
        "mean": share * means[0] + (1 - share) * means[1],
        "covariance": within + share * (1 - share) * apart,
        "share": share,
    }
