"""Rows of X on their way into a network: units, and two sources of batches.

This file, `codec` and `base` are the only ones in which arrays meet tensors.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse

# Rows converted, decoded or summed at a time: what a cache holds, but no fewer than a training
# step may have, and no more than help.
CELLS, LEAST_CHUNK, CHUNK = 2**18, 256, 4096
ZERO_COPY_BYTES = 2**24  # below this a scaled copy is cheaper than scaling every batch
N_DENSE = 2048  # features up to which a covariance is formed whole
HOST_BYTES = 2**28  # file-backed data above this are read batch by batch
# Numbers up to here, and down to its reciprocal, whose squares may be summed over a large table.
SQUARABLE = {"float32": 1e17, "float64": 1e140}
EXTREME = 1e30  # scales beyond it, or its reciprocal, are too near the ends of single precision


class Units:
    """The affine map between the user's units and the network's: (x - shift) / scale.

    Parameters
    ----------
    shift : ndarray of shape (n_features,) or None
        None: the two units are the same.
    scale : float or ndarray of shape (n_features,)
    """

    def __init__(self, shift=None, scale=1.0):
        self.is_identity = shift is None
        self.shift = torch.as_tensor(
            0.0 if shift is None else shift, dtype=torch.float64, device="cpu"
        )
        self.scale = torch.as_tensor(scale, dtype=torch.float64, device="cpu")
        # Far from the origin, single precision would lose the data in its own offset.
        far = self.shift.abs() > 1024 * self.scale
        extreme = (self.scale > EXTREME) | (self.scale < 1 / EXTREME)
        self.is_far = bool(far.any() or extreme.any())
        self._cast = {}

    def _constants(self, x):
        key = (x.dtype, x.device)
        if key not in self._cast:
            self._cast[key] = (self.shift.to(x.device, x.dtype), self.scale.to(x.device, x.dtype))
        return self._cast[key]

    def enter(self, x, dtype):
        """Return the tensor x in the network's units and precision, in memory of its own.

        Networks of users may write into what they are given, and x may be the user's array.
        """
        if self.is_identity:
            return x.to(dtype, copy=True)
        if self.is_far:
            x = x.double()
        shift, scale = self._constants(x)
        return (x - shift).div_(scale).to(dtype)

    def leave(self, x):
        """Return the tensor x, in the network's units, in the user's."""
        if self.is_identity:
            return x
        if self.is_far:
            shift, scale = self._constants(x.double())
            return torch.addcmul(shift, x.double(), scale).to(x.dtype)
        shift, scale = self._constants(x)
        return torch.addcmul(shift, x, scale)


class Chosen:
    """Some rows of a table, read when they are asked for.

    Parameters
    ----------
    X : ndarray, CSR or another table
    index : ndarray of int
    """

    def __init__(self, X, index):
        self.X, self.index = X, index
        self.shape, self.dtype = (len(index), *X.shape[1:]), X.dtype

    def __getitem__(self, rows):
        return self.X[self.index[rows]]


def tell_apart(X):
    """Return the numbers of rows of an array that differ by more than rounding, in their order.

    Of rows that are the same to rounding there is the first.
    """
    farthest = np.abs(X - X.mean(axis=0)).max()
    cell = max(1e-6 * farthest, 100 * np.finfo(X.dtype).eps * np.abs(X).max()) or 1.0
    _, first = np.unique(np.round(X / cell), axis=0, return_index=True)
    return np.sort(first)


class Beside:
    """Two tables side by side, joined when rows are asked for.

    Parameters
    ----------
    left, right : ndarray, CSR or another table
        Of the same number of rows and of the same precision.
    """

    def __init__(self, left, right):
        self.left, self.right = left, right
        self.shape = (left.shape[0], left.shape[1] + right.shape[1])
        self.dtype, self.nbytes = left.dtype, left.dtype.itemsize * math.prod(self.shape)

    def __getitem__(self, rows):
        return np.hstack([_to_dense(self.left[rows]), _to_dense(self.right[rows])])


class Columns:
    """Some columns of a table, read when rows are asked for.

    Parameters
    ----------
    X : ndarray or CSR
    index : ndarray of int
    """

    def __init__(self, X, index):
        self.X, self.index = X, index
        self.shape, self.dtype = (X.shape[0], len(index)), X.dtype

    def __getitem__(self, rows):
        return _to_dense(self.X[rows])[:, self.index]


def _to_dense(chunk):
    return chunk.toarray() if sparse.issparse(chunk) else chunk


def chunk_to_tensor(X, rows):
    """Return the chosen rows of a table as a dense tensor of the same precision."""
    return share(np.ascontiguousarray(_to_dense(X[rows])))


def share(array):
    """Return a tensor on an array's memory, which may be read-only: nobody may write to it."""
    return torch.from_numpy(array if array.flags.writeable else np.asarray(_Writeable(array)))


class _Writeable:
    """The memory of a read-only array, without the flag of which torch would warn."""

    def __init__(self, array):
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}
        self._owner = array


def chunk_size(n_columns, n_cells=CELLS):
    """Return how many rows of a table are read at a time."""
    return min(max(LEAST_CHUNK, n_cells // n_columns), CHUNK)


def iter_chunks(n_rows, size):
    """Yield slices that cover `n_rows` rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def chunks_of(table):
    """Yield slices that cover the rows of a table, or of a source of batches."""
    return iter_chunks(table.shape[0], chunk_size(table.shape[1]))


class ResidentRows:
    """Rows that lie on the device as one tensor.

    Parameters
    ----------
    data : tensor of shape (n_samples, n_features)
    units : Units or None
        Applied to each batch; None: `data` are in the network's units already.
    """

    def __init__(self, data, units, dtype):
        self.data, self.units, self.dtype = data, units, dtype

    def __len__(self):
        return len(self.data)

    @property
    def shape(self):
        """Numbers of rows and columns."""
        return tuple(self.data.shape)

    @property
    def device(self):
        """The device that batches lie on."""
        return self.data.device

    def take(self, index):
        """Return the rows named by a tensor of row numbers."""
        x = self.data.index_select(0, index)
        return x if self.units is None else self.units.enter(x, self.dtype)

    def span(self, rows):
        """Return a slice of rows, in memory of its own."""
        x = self.data[rows]
        return x.clone() if self.units is None else self.units.enter(x, self.dtype)


class HostRows:
    """Rows that stay where they are, CSR or on disk, and are copied batch by batch.

    Parameters
    ----------
    X : ndarray, CSR or another table of shape (n_samples, n_features)
    units : Units
    """

    def __init__(self, X, units, dtype, device):
        self.X, self.units, self.dtype, self.device = X, units, dtype, device
        self.shape = X.shape

    def __len__(self):
        return self.X.shape[0]

    def take(self, index):
        """Return the rows named by a tensor of row numbers."""
        return self.span(index.cpu().numpy())

    def span(self, rows):
        """Return a slice of rows."""
        return self.units.enter(chunk_to_tensor(self.X, rows), self.dtype).to(self.device)


def make_rows(X, units, dtype, device):
    """Return the source of batches that suits X: where it lies, its size and its precision."""
    if _is_shareable(X, units, dtype, device):
        return ResidentRows(share(X), units, dtype)
    if _stays(X, dtype, device):
        return HostRows(X, units, dtype, device)
    data = torch.empty(X.shape, dtype=dtype, device=device)
    for rows in chunks_of(X):
        data[rows] = units.enter(chunk_to_tensor(X, rows), dtype)
    return ResidentRows(data, None, dtype)


def _is_shareable(X, units, dtype, device):
    """Whether torch can use the memory of X, and scaling every batch is cheaper than a copy."""
    plain = isinstance(X, np.ndarray) and X.flags.c_contiguous and not units.is_far
    return plain and device.type == "cpu" and _is_large(X, dtype)


def _is_large(X, dtype):
    """Whether a copy of X, of the same precision, would cost more than it saves."""
    same = torch.from_numpy(np.empty(0, X.dtype)).dtype == dtype
    return same and X.nbytes >= ZERO_COPY_BYTES


def _stays(X, dtype, device):
    """Whether X is read batch by batch."""
    if isinstance(X, Beside):
        on_host = device.type == "cpu" and _is_large(X, dtype)
        return on_host or _overflows(X, device) or any(map(_is_far_away, (X.left, X.right)))
    return _is_far_away(X) or _overflows(X, device)


def _is_far_away(X):
    """Whether X, or what it is read from, is CSR or a large file."""
    X = X.X if isinstance(X, Columns) else X
    return sparse.issparse(X) or (_is_on_disk(X) and X.nbytes >= HOST_BYTES)


def _is_on_disk(X):
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return False


def _overflows(X, device):
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return math.prod(X.shape) * 4 > free // 2


# Weighted statistics, one pass over the rows each, accumulated in double precision.


class Moments(NamedTuple):
    """What the columns of a table are like, as float64 arrays of shape (n_columns,).

    `deviation` is the standard deviation, and 0 where a column is constant; `noise` is what
    rounding has left of one there, and 0 elsewhere. `farthest` is the largest distance of a row
    from the mean, `largest` the largest magnitude; both of all rows, whatever their weights.
    """

    mean: np.ndarray
    deviation: np.ndarray
    noise: np.ndarray
    farthest: np.ndarray
    largest: np.ndarray


def weighted_moments(X, weights=None):
    """Return the `Moments` of a table whose rows have weights, by default equal ones."""
    weights = np.ones(X.shape[0]) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore"):  # that is `check_magnitude`
        mean, low, high = _weighted_mean_and_range(X, weights)
        farthest = np.maximum(high - mean, mean - low)
        # In units near the data no square leaves the range; powers of two round nothing.
        unit = np.ldexp(1.0, np.frexp(farthest)[1] - 1)
        squares = np.zeros(X.shape[1])
        for rows in chunks_of(X):
            centred = (chunk_to_tensor(X, rows).numpy() - mean) / unit
            squares += weights[rows] @ np.square(centred, out=centred)
        deviation = unit * np.sqrt(squares / weights.sum())
    constant = is_constant(deviation, mean, np.count_nonzero(weights))
    return Moments(
        mean,
        deviation=np.where(constant, 0.0, deviation),
        noise=np.where(constant, deviation, 0.0),
        farthest=farthest,
        largest=np.maximum(np.abs(low), np.abs(high)),
    )


def _weighted_mean_and_range(X, weights):
    """Return mean, minimum and maximum of each column; of a constant one all are the same."""
    total = np.zeros(X.shape[1])
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    for rows in chunks_of(X):
        x = chunk_to_tensor(X, rows).numpy()
        total += weights[rows] @ x
        low, high = np.minimum(low, x.min(axis=0)), np.maximum(high, x.max(axis=0))
    return np.clip(total / weights.sum(), low, high), low, high


def is_constant(deviation, mean, n_samples):
    """Return which columns do not vary by more than the rounding of n_samples numbers explains.

    The bound of Chan, Golub and LeVeque 1983, as in scikit-learn's `StandardScaler`
    (``var <= n * eps * var + (n * mean * eps) ** 2``), but with roots in place of squares.
    """
    rounding = n_samples * np.finfo(np.float64).eps
    return deviation * math.sqrt(max(0.0, 1 - rounding)) <= rounding * np.abs(mean)


def to_scale(moments, per_feature=False):
    """Return what centred data are divided by, a number or one for each column.

    It is 1 where nothing varies; but no noise of rounding is larger than 1 after it.
    """
    deviation, noise = moments.deviation, moments.noise
    if not per_feature:
        deviation, noise = root_mean_square(deviation), noise.max()
    scale = np.maximum(np.where(deviation > 0, deviation, 1.0), noise)
    return scale if per_feature else float(scale)


def root_mean_square(values):
    """Return the root of the mean square of numbers whose squares may be out of range."""
    unit = np.ldexp(1.0, np.frexp(np.abs(values).max())[1] - 1)
    return unit * np.sqrt(np.square(values / unit).mean())


def check_magnitude(moments, scale, dtype):
    """Refuse data whose squares are out of the range of the numbers they are summed in.

    Parameters
    ----------
    moments : Moments
        Of X.
    scale : float, ndarray of shape (n_features,) or None
        What the networks see X divided by; None: X as it is.
    dtype : {"float32", "float64"}
        Precision of the training.
    """
    spread = root_mean_square(moments.deviation)
    _check_square(spread, "X varies by about", "float64")
    if scale is None:
        _check_square(spread, "scaling is off, and X varies by about", dtype)
        _check_square(max(1.0, moments.largest.max()), "scaling is off, and X reaches", dtype)
        return
    reach = max(1.0, (moments.farthest / scale).max())
    _check_square(reach, "X has rows whose distance from the rest, divided by scale_, is", dtype)


def _check_square(size, what, dtype):
    """Refuse a number whose square, added up over a table, is out of range; 0 is fine."""
    limit = SQUARABLE[dtype]
    if size == 0 or 1 / limit <= size <= limit:
        return
    raise ValueError(
        f"{what} {size:.1e}; the square of that is too {'small' if size < 1 else 'large'} for "
        f"{dtype}. Rescale X first, so that it varies by about 1."
    )


def principal_components(rows, weights, mean, n_components, generator, n_iter=7, n_dense=N_DENSE):
    """Return the leading principal directions of the rows in the network's units.

    Up to `n_dense` features by the eigenvectors of the covariance, above that by randomised
    subspace iteration (Halko, Martinsson and Tropp 2011). The sign of a component is such that
    its largest entry is positive. Directions that the rows cannot have, beyond
    min(n_samples, n_features), are zero.

    Parameters
    ----------
    rows : ResidentRows or HostRows
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
    k = min(n_components, d, len(rows))

    if d <= n_dense:
        covariance, total = scatter(rows, weights, mean, None)
        values, vectors = torch.linalg.eigh(covariance)
    else:
        Q = torch.randn(d, k + 10, generator=generator, dtype=torch.float64)
        for _ in range(n_iter):
            Q, _ = torch.linalg.qr(Q)
            image, total = scatter(rows, weights, mean, Q)
            Q_before, Q = Q, image
        values, vectors = torch.linalg.eigh(Q_before.T @ Q)
        vectors = Q_before @ vectors

    leading = vectors[:, -k:].flip(1).T  # (k, d)
    signs = torch.sign(leading.gather(1, leading.abs().argmax(dim=1, keepdim=True)))
    components = torch.zeros(n_components, d, dtype=torch.float64)
    components[:k] = leading * signs
    variances = torch.zeros(n_components, dtype=torch.float64)
    variances[:k] = values[-k:].flip(0).clamp_min(0)
    return components, variances, max(float(total - variances.sum()), 0.0)


def scatter(rows, weights, mean, Q):
    """Return C Q (C for Q None) and trace C for the weighted covariance C of the rows.

    In double precision, on the CPU; `rows`, `weights` and `mean` as in `principal_components`.
    """
    d = rows.shape[1]
    image = torch.zeros(d, d if Q is None else Q.shape[1], dtype=torch.float64)
    trace = torch.zeros((), dtype=torch.float64)
    sum_of_weights = 0.0
    for span in chunks_of(rows):
        x = rows.span(span)
        x = x - mean.to(x)
        wx = x if weights is None else x * weights[span, None]
        moment = wx.T @ (x if Q is None else x @ Q.to(x))
        image += moment.cpu()
        trace += (wx * x).sum(dtype=torch.float64).cpu()
        sum_of_weights += len(x) if weights is None else float(weights[span].double().sum())
    return image / sum_of_weights, trace / sum_of_weights
