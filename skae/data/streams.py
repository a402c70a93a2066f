"""What is kept of a stream of rows, whose rows themselves are not kept: codes, and a watch."""

import numpy as np
import torch
from scipy import sparse
from scipy.special import gammaincinv

from ..exceptions import StreamWarning, warn
from .tables import chunks_of

N_STORED_CODES = 10000  # training codes kept for `sample`

# A code outlives this many later rows on average: the encoder moves on, and old codes go stale
# (tests/benchmarks/streams.py).
HORIZON = 2000

# Chosen by tests/benchmarks/stream_starts.py.
FAR = 2.5  # mean square of a row in units of the first call, where that of its own rows is 1
RECENT = 100  # rows over which it is judged how many are far
FEWEST = 10  # rows that are judged
ODDS = 1e-4  # of first rows that vary less by chance than they are taken to do


def start_watch(n_rows, weights):
    """Return the state of `keep_watch` after a first call of so many rows.

    What few rows tell of the variance is allowed for: that of n normal numbers, of one dimension
    at worst, is hardly ever below some share of the truth.

    Parameters
    ----------
    n_rows : int
    weights : ndarray of shape (n_rows,) or None
    """
    n = n_rows if weights is None else weights.sum() ** 2 / np.square(weights).sum()
    least = 2 * gammaincinv(max(n - 1, 1e-3) / 2, ODDS) / n
    return float(max(FAR, 1 / max(least, 1e-12))), 0.0, 0.0


def keep_watch(state, rows, weights, n_features):
    """Warn, once, where the rows of a stream are no longer like those of its first call.

    Rows are judged one by one, and what counts is how many are far: heavy tails put a few rows
    anywhere.

    Parameters
    ----------
    state : tuple of float
        The mean square above which a row is far, the number of recent rows and that of far ones.
        Empty once there has been a warning, or where nothing is known of the first call.
    rows : RowsOnDevice or RowsOnHost
        In the network's units, the features first.
    weights : tensor of shape (n_samples,) or None
        Rows without weight do not count.
    n_features : int

    Returns
    -------
    state : tuple of float
        For the next call.
    """
    if not state:
        return ()
    limit, n_seen, n_far = state
    spans = (rows.span(s)[:, :n_features].double() for s in chunks_of(rows))
    sizes = torch.cat([x.square().nanmean(dim=1) for x in spans]).cpu().numpy()
    sizes = sizes if weights is None else sizes[weights.cpu().numpy() > 0]
    kept = (1 - 1 / RECENT) ** len(sizes)
    n_seen = float(kept * n_seen + len(sizes))
    n_far = float(kept * n_far + np.count_nonzero(sizes > limit))
    if n_seen < FEWEST or n_far <= n_seen / 2:
        return limit, n_seen, n_far
    warn(
        "Most of the recent rows are far from those of the first call, which has fixed mean_, "
        "scale_ and the start: in its units their mean square is above "
        f"{limit:.3g}, that of its own rows is 1. Shuffle the stream, give the first call more "
        "rows, put a StandardScaler fitted beforehand in front, or fit afresh.",
        StreamWarning,
    )
    return ()


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
