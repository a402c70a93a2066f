"""Codes of training rows that `GLGAE` keeps, and that `sample` moves a little and decodes."""

import numpy as np
from sklearn.exceptions import NotFittedError

from ..data.streams import N_STORED_CODES, join_stream
from ..training.randomness import make_random_state

JITTER = 0.2  # of the codes that are moved, in units of the kernel's width


def choose_codes(estimator, weights, streaming):
    """Return codes to keep, with their weights in the last column.

    Parameters
    ----------
    estimator : GLGAE
        With the codes of its last rows in `embedding_`, and those kept before in ``_codes``.
    weights : ndarray of shape (n_samples,)
        Of the last rows.
    streaming : bool
        Whether the codes kept before are of rows of the same stream.
    """
    codes, n = np.column_stack([estimator._embedding, weights]), len(estimator._embedding)
    random_state = make_random_state(estimator._seed, "sample", estimator.n_iter_)
    if streaming or n > N_STORED_CODES:
        codes = codes[random_state.permutation(n)[:N_STORED_CODES]]
    if streaming and estimator._codes is not None:
        codes, _ = join_stream(estimator._codes, codes, n, N_STORED_CODES, random_state)
    return codes


def move_codes(estimator, n_samples, random_state):
    """Return codes of training rows, each moved a little."""
    if estimator._codes is None:
        raise NotFittedError(
            "sample moves codes of training rows, which forget_rows has dropped. Draw before "
            "that, or fit again; objective='bound' and 'likelihood' need no codes, unless "
            "with observation_noise=False."
        )
    codes, weights = estimator._codes[:, :-1], estimator._codes[:, -1]
    chosen = random_state.choice(len(weights), n_samples, p=weights / weights.sum())
    Z = codes[chosen].astype(np.float64)
    Z += JITTER * random_state.standard_normal(Z.shape)
    if estimator._fitted_params["constrain"]:
        Z = Z.clip(estimator.nodes_latent_.min(axis=0), estimator.nodes_latent_.max(axis=0))
    return Z
