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
