"""Weighted statistics of tables and of their principal directions.

They take one pass over the rows each, and are accumulated in double precision.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

from .. import _ranks
from .tables import chunk_to_tensor, chunks_of

EMPTY = 1e-12  # share of the weight that rounding leaves of a column without numbers
# Variance that rows in single precision may have by rounding alone, per feature, as a share of the
# largest. Summed in double precision it was 50 times less (wide, low-rank and one-hot rows).
ROUNDING = float(np.finfo(np.float32).eps) ** 2
N_DENSE = 2048  # features up to which a covariance is formed whole


class Moments(NamedTuple):
    """What the columns of a table are like, as float64 arrays of shape (n_columns,).

    `deviation` is the standard deviation, and 0 where a column is constant; `noise` is what
    rounding has left of one there, and 0 elsewhere. `farthest` is the largest distance of a row
    from the mean, `largest` the largest magnitude; both of all rows, whatever their weights.
    Cells that are NaN do not count; `missing` is the weight of those of each column, as a share
    of all, and a column without any other is 0.
    """

    mean: np.ndarray
    deviation: np.ndarray
    noise: np.ndarray
    farthest: np.ndarray
    largest: np.ndarray
    missing: np.ndarray


def weighted_moments(X, weights=None):
    """Return the `Moments` of a table whose rows have weights, by default equal ones."""
    weights = np.ones(X.shape[0]) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore"):  # that is `check_magnitude`
        mean, low, high, observed = _weighted_mean_and_range(X, weights)
        farthest = np.maximum(high - mean, mean - low)
        # In units near the data no square leaves the range; powers of two round nothing.
        unit = np.ldexp(1.0, np.frexp(farthest)[1] - 1)
        deviation = unit * np.sqrt(_weighted_variance(X, weights, mean, unit, observed))
    constant = is_constant(deviation, mean, _ranks.total(np.count_nonzero(weights)))
    return Moments(
        mean,
        deviation=np.where(constant, 0.0, deviation),
        noise=np.where(constant, deviation, 0.0),
        farthest=farthest,
        largest=np.maximum(np.abs(low), np.abs(high)),
        missing=1 - observed / _ranks.total(weights.sum()),
    )


def _weighted_variance(X, weights, mean, unit, observed):
    """Return the variance of each column about its mean, in squares of a unit for each.

    `observed` is the weight of what is observed of it.
    """
    if sparse.issparse(X):
        parts = mean_variance_axis(_in_units(X, unit), axis=0, weights=weights)
        return _joined_variance(*parts, weights.sum(), mean / unit)
    squares = np.zeros(X.shape[1])
    for rows in chunks_of(X):
        x = chunk_to_tensor(X, rows).numpy()
        centred = np.where(np.isnan(x), 0.0, (x - mean) / unit)
        squares += weights[rows] @ np.square(centred, out=centred)
    return _ranks.total(squares) / np.where(observed > 0, observed, 1.0)


def _joined_variance(mean, variance, sum_of_weights, mean_of_all):
    """Return the variance of the rows of all ranks, from mean and variance on this one."""
    if not _ranks.is_shared():
        return variance
    squares = sum_of_weights * (variance + np.square(mean - mean_of_all))
    squares, sum_of_weights = _ranks.total(squares, sum_of_weights)
    return squares / sum_of_weights


def _in_units(X, unit):
    """Return a CSR matrix in double precision, each column divided by its unit."""
    data = X.data / np.broadcast_to(unit, X.shape[1])[X.indices]
    return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)


def _weighted_mean_and_range(X, weights):
    """Return mean, minimum and maximum of each column, and the weight of what is observed of it.

    Of a constant one the first three are the same.
    """
    observed = np.full(X.shape[1], weights.sum())
    if sparse.issparse(X):
        low, high = (ends.astype(np.float64) for ends in min_max_axis(X, axis=0))
        return _mean_and_range(X.T @ weights, low, high, observed)
    total = np.zeros(X.shape[1])
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    for rows in chunks_of(X):
        x, w = chunk_to_tensor(X, rows).numpy(), weights[rows]
        low, high = np.fmin(low, x.min(axis=0)), np.fmax(high, x.max(axis=0))
        missing = np.isnan(x)
        if missing.any():
            low, high = np.fmin(low, np.fmin.reduce(x)), np.fmax(high, np.fmax.reduce(x))
            observed -= w @ missing
            x = np.where(missing, 0.0, x)
        total += w @ x
    return _mean_and_range(total, low, high, observed)


def _mean_and_range(total, low, high, observed):
    """Return what `_weighted_mean_and_range` does; of a column without numbers zeros."""
    total, observed = _ranks.total(total, observed)
    low, high = _ranks.smallest(low), _ranks.largest(high)
    low, high = (np.where(low > high, 0.0, ends) for ends in (low, high))
    is_empty = observed <= EMPTY * observed.max()
    observed = np.where(is_empty, 0.0, observed)
    mean = total / np.where(is_empty, 1.0, observed)
    return np.clip(mean, low, high), low, high, observed


def is_constant(deviation, mean, n_samples):
    """Return which columns do not vary by more than the rounding of n_samples numbers explains.

    The bound of Chan, Golub and LeVeque 1983, as in scikit-learn's `StandardScaler`
    (``var <= n * eps * var + (n * mean * eps) ** 2``), but with roots in place of squares.
    """
    rounding = n_samples * np.finfo(np.float64).eps
    return deviation * math.sqrt(max(0.0, 1 - rounding)) <= rounding * np.abs(mean)


def root_mean_square(values):
    """Return the root of the mean square of numbers whose squares may be out of range."""
    unit = np.ldexp(1.0, np.frexp(np.abs(values).max())[1] - 1)
    return unit * np.sqrt(np.square(values / unit).mean())


def row_norms(x):
    """Return the length of each row in double precision, whatever the size of its numbers."""
    x = x.double()
    largest = x.abs().amax(dim=1, keepdim=True)
    unit = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    return (x / unit).square().sum(dim=1).sqrt() * unit[:, 0]


def principal_components(rows, weights, mean, n_components, generator, n_iter=7, n_dense=N_DENSE):
    """Return the leading principal directions of the rows in the network's units.

    Up to `n_dense` features by the eigenvectors of the covariance, above that by randomised
    subspace iteration (Halko, Martinsson and Tropp 2011). The sign of a component is such that
    its largest entry is positive. Components beyond the numerical rank of the rows, whose variance
    may be rounding, are zero.

    Parameters
    ----------
    rows : RowsOnDevice or RowsOnHost
    weights : tensor of shape (n_samples,) or None
    mean : tensor of shape (n_features,)
        Of the rows, in the network's units.
    n_components : int
    generator : torch.Generator
        Starts the subspace iteration.

    Returns
    -------
    components : tensor of shape (n_components, n_features), float64, on the CPU
    variances : tensor of shape (n_components,), float64, on the CPU
        Of the rows along each component.
    residual : float
        The variance that the components leave, summed over features.
    """
    d = rows.shape[1]
    k = min(n_components, d, _ranks.total(len(rows)))

    if d <= n_dense:
        covariance, total = scatter(rows, weights, mean, None)
        values, vectors = torch.linalg.eigh(covariance)
    else:
        Q = _ranks.from_rank(torch.randn(d, k + 10, generator=generator, dtype=torch.float64))
        for _ in range(n_iter):
            Q, _ = torch.linalg.qr(Q)
            image, total = scatter(rows, weights, mean, Q)
            Q_before, Q = Q, image
        values, vectors = torch.linalg.eigh(Q_before.T @ Q)
        vectors = Q_before @ vectors

    k = min(k, int((values > ROUNDING * d * values[-1]).sum()))  # the numerical rank
    leading = vectors[:, len(values) - k :].flip(1).T  # (k, d)
    signs = torch.sign(leading.gather(1, leading.abs().argmax(dim=1, keepdim=True)))
    components = torch.zeros(n_components, d, dtype=torch.float64)
    components[:k] = leading * signs
    variances = torch.zeros(n_components, dtype=torch.float64)
    variances[:k] = values[len(values) - k :].flip(0)
    return components, variances, max(float(total - variances.sum()), 0.0)


def scatter(rows, weights, mean, Q):
    """Return C Q (C for Q None) and trace C for the weighted covariance C of the rows.

    In double precision, on the CPU; `rows`, `weights` and `mean` as in `principal_components`.
    """
    if Q is not None and rows.is_sparse:
        return _scatter_of_sparse(rows, weights, mean, Q)
    d = rows.shape[1]
    image = torch.zeros(d, d if Q is None else Q.shape[1], dtype=torch.float64)
    trace = torch.zeros((), dtype=torch.float64)
    sum_of_weights = 0.0
    for span in chunks_of(rows):
        x = rows.span(span).double()
        x = x - mean.to(x)
        wx = x if weights is None else x * weights[span, None]
        moment = wx.T @ (x if Q is None else x @ Q.to(x))
        image += moment.cpu()
        trace += (wx * x).sum().cpu()
        sum_of_weights += len(x) if weights is None else float(weights[span].double().sum())
    image, trace, sum_of_weights = _ranks.total(image, trace, sum_of_weights)
    return image / sum_of_weights, trace / sum_of_weights


def _scatter_of_sparse(rows, weights, mean, Q):
    """Return what `scatter` does, by products with a sparse matrix; none is made dense."""
    X, units, n = rows.X, rows.units, rows.shape[0]
    scale = np.broadcast_to(units.scale.numpy(), X.shape[1])
    centre = units.shift.numpy() / scale + mean.double().numpy()
    A, Q = _in_units(X, scale), Q.double().numpy()
    w = np.ones(n) if weights is None else weights.double().cpu().numpy()
    projected = A @ Q - centre @ Q
    image = A.T @ (w[:, None] * projected) - np.outer(centre, w @ projected)
    squares = A.multiply(A).sum(axis=1).A1 - 2 * (A @ centre) + centre @ centre
    image, trace, sum_of_weights = _ranks.total(image, w @ squares, w.sum())
    return torch.from_numpy(image) / sum_of_weights, torch.tensor(trace / sum_of_weights)
