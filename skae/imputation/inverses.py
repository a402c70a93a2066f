"""Inverses and log-determinants of many small positive definite matrices at once."""

import math

import numpy as np

LARGEST_SWEPT = 16  # rows of a matrix, up to which sweeping all at once beats LAPACK one by one
CELLS = 2**16  # numbers swept at a time: what a cache holds


def invert(matrices):
    """Return the inverses and the logarithms of the determinants.

    Parameters
    ----------
    matrices : ndarray of shape (..., m, m)
        Positive definite.

    Returns
    -------
    inverses : ndarray of shape (..., m, m)
    log_determinants : ndarray of shape (...)
    """
    *batch, m, _ = matrices.shape
    if m > LARGEST_SWEPT:
        return np.linalg.inv(matrices), log_determinant(matrices)
    flat = matrices.reshape(math.prod(batch), m, m)
    inverses, logs = np.empty_like(flat), np.empty(len(flat))
    size = max(1, CELLS // max(1, m * m))
    for start in range(0, len(flat), size):
        some = slice(start, start + size)
        swept, logs[some] = _sweep(np.array(flat[some].transpose(1, 2, 0), order="C"))
        inverses[some] = swept.transpose(2, 0, 1)
    return inverses.reshape(*batch, m, m), logs.reshape(batch)


def log_determinant(matrices):
    """Return the logarithms of the determinants of positive definite matrices."""
    diagonals = np.diagonal(np.linalg.cholesky(matrices), axis1=-2, axis2=-1)
    return 2 * np.log(diagonals).sum(axis=-1)


def _sweep(A):
    """Return inverses and log-determinants of matrices A[:, :, i], by Gauss and Jordan, in place.

    Positive definite matrices need no pivots: each is the variance that the columns before leave.
    """
    logs, product = np.zeros(A.shape[2]), np.empty_like(A)
    for j in range(len(A)):
        pivot, column = A[j, j].copy(), A[:, j].copy()
        logs += np.log(pivot)
        share = column / pivot
        np.multiply(share[:, None], column[None], out=product)
        A -= product
        A[:, j] = A[j] = share
        A[j, j] = -1 / pivot
    return np.negative(A, out=A), logs
