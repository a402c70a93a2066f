"""Rows through a fitted model, batch by batch."""

import numpy as np
import torch
from sklearn.utils import assert_all_finite

from ..data.sparse_rows import remember
from ..data.tables import chunk_size, iter_chunks, share, to_tensor
from ..training.threads import reconsider_threads, threads_for
from ..training.torch_settings import torch_as_usual

INFERENCE_CELLS = 2**19  # of the table or its output, held at a time by a fitted model


def map_rows(estimator, X, dtype, function, *others):
    """Return ``function(module, x)`` over batches x of X, as one array.

    Parameters
    ----------
    estimator : BaseCoder
        Fitted; its ``_module_in(dtype)`` is the module.
    X : table of shape (n_samples, n_columns)
        As the estimator's methods make it of what they are given.
    dtype : numpy dtype
        Precision in which it is computed.
    function : callable
        Of the module and of a tensor of rows.
    *others : tensor of shape (n_samples, ...)
        Handed to the function after x, batch by batch.

    Returns
    -------
    out : ndarray of shape (n_samples, ...)
        What the function returns for all rows, one batch after the other.
    """
    out = None
    for rows, values in iter_batches(estimator, X, dtype, function, *others):
        if out is None:
            out = np.empty((X.shape[0], *values.shape[1:]), values.dtype)
        out[rows] = values
    return out


def iter_batches(estimator, X, dtype, function, *others):
    """Yield the rows of each batch, as a slice, and what `map_rows` puts there."""
    precision = share(np.empty(0, dtype)).dtype
    with torch_as_usual():
        module = estimator._module_in(precision)
    width = max(X.shape[1], estimator.n_features_in_, estimator._n_features_out)
    size = chunk_size(width, INFERENCE_CELLS)
    with threads_for(min(X.shape[0], size) * estimator._work_per_row()):
        for rows in iter_chunks(X.shape[0], size):
            reconsider_threads()
            chunk = X[rows]
            x = remember(to_tensor(chunk), chunk)
            able = module
            if not x.sum().isfinite():  # in one pass with the rest, while a cache holds x
                able = _module_for_holes(estimator, module, x.numpy())
            with torch_as_usual(), torch.inference_mode():
                x = x.to(estimator.device_, precision)
                values = function(able, x, *(other[rows].to(x) for other in others))
            yield rows, values.cpu().numpy()


def _module_for_holes(estimator, module, x):
    """Return a module for rows whose sum is not finite; refuse what none takes."""
    takes_holes, name = estimator._takes_holes, type(estimator).__name__
    assert_all_finite(x, estimator_name=name, input_name="X", allow_nan=takes_holes)
    return module.taking_holes() if takes_holes and np.isnan(x).any() else module
