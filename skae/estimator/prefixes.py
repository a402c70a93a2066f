"""Codes that are the first numbers of an ordered one: who may give them, and what they lack."""

import numpy as np
import torch
from scipy import sparse


def is_ordered(estimator):
    """Whether the fitted model has an ordered code, whatever is set now."""
    return estimator._fitted_params.get("ordered", False)


def fill_up(estimator, Z):
    """Return codes with what training puts in the place of the numbers that they lack.

    That is 0 in the network's units.

    Parameters
    ----------
    estimator : BaseAutoencoder
    Z : {ndarray, CSR matrix} of shape (n_samples, n_numbers)
    """
    n_samples, n_numbers = Z.shape
    if n_numbers == estimator._n_features_out:
        return Z
    Z = Z.toarray() if sparse.issparse(Z) else Z
    zero = np.zeros(estimator._n_features_out)
    if estimator._code_units is not None:
        zero = estimator._code_units.enter(torch.from_numpy(zero), torch.float64).numpy()
    rest = np.broadcast_to(zero[n_numbers:].astype(Z.dtype), (n_samples, len(zero) - n_numbers))
    return np.hstack([Z, rest])
