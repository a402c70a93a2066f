"""Sources of batches: rows in the network's units, on the device or copied to it in parts.

Both kinds have a `shape`, a `device`, `is_sparse`, ``take(index)`` for rows by their numbers and
``span(rows)`` for a slice of them; what these return is a tensor in memory of its own.
"""

import math

import numpy as np
import torch
from scipy import sparse

from .sparse_rows import remember
from .tables import Bytes, SideBySide, SomeColumns, chunk_to_tensor, chunks_of, share, to_tensor

ZERO_COPY_BYTES = 2**24  # below this a scaled copy is cheaper than scaling every batch
HOST_BYTES = 2**28  # file-backed data above this are read batch by batch


class RowsOnDevice:
    """Rows that lie on the device as one tensor.

    Parameters
    ----------
    data : tensor of shape (n_samples, n_features)
    units : Units or None
        Applied to each batch; None: `data` are in the network's units already.
    """

    def __init__(self, data, units, dtype):
        self.data, self.units, self.dtype = data, units, dtype

    is_sparse = False

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


class RowsOnHost:
    """Rows that stay where they are, CSR or on disk, and are copied batch by batch.

    Parameters
    ----------
    X : ndarray, CSR or another table of shape (n_samples, n_features)
    units : Units
    """

    def __init__(self, X, units, dtype, device):
        self.X, self.units, self.dtype, self.device = X, units, dtype, device
        self.shape = X.shape
        self.is_sparse = sparse.issparse(X) and not units.is_far  # where centring costs no digits

    def __len__(self):
        return self.X.shape[0]

    def take(self, index):
        """Return the rows named by a tensor of row numbers."""
        return self.span(index.cpu().numpy())

    def span(self, rows):
        """Return a slice of rows."""
        chunk = self.X[rows]
        x = remember(to_tensor(chunk), chunk)
        return self.units.enter(x, self.dtype).to(self.device)


class ChosenRows:
    """Some rows of another source.

    Parameters
    ----------
    rows : RowsOnDevice or RowsOnHost
    index : tensor of int64
        Their numbers.
    """

    def __init__(self, rows, index):
        self.rows, self.index = rows, index
        self.device, self.shape = rows.device, (len(index), rows.shape[1])
        self.is_sparse = False

    def __len__(self):
        return len(self.index)

    def take(self, index):
        """Return the rows named by a tensor of row numbers."""
        return self.rows.take(self.index[index])

    def span(self, rows):
        """Return a slice of rows."""
        return self.rows.take(self.index[rows])


def rows_that_count(rows, weights):
    """Return the source of those rows of another that have weight."""
    return rows if weights is None else ChosenRows(rows, weights.nonzero()[:, 0])


def make_source(X, units, dtype, device):
    """Return the source of batches that suits X: where it lies, its size and its precision."""
    if _is_shareable(X, units, dtype, device):
        return RowsOnDevice(share(X), units, dtype)
    if _stays_on_host(X, dtype, device):
        return RowsOnHost(X, units, dtype, device)
    data = torch.empty(X.shape, dtype=dtype, device=device)
    for rows in chunks_of(X):
        data[rows] = units.enter(chunk_to_tensor(X, rows), dtype)
    return RowsOnDevice(data, None, dtype)


def _is_shareable(X, units, dtype, device):
    """Whether torch can use the memory of X, and scaling every batch is cheaper than a copy."""
    plain = isinstance(X, np.ndarray) and X.flags.c_contiguous and not units.is_far
    return plain and device.type == "cpu" and _is_large(X, dtype)


def _is_large(X, dtype):
    """Whether a copy of X, of the same precision, would cost more than it saves."""
    same = torch.from_numpy(np.empty(0, X.dtype)).dtype == dtype
    return same and X.nbytes >= ZERO_COPY_BYTES


def _stays_on_host(X, dtype, device):
    """Whether X is read batch by batch."""
    parts = (X.left, X.right) if isinstance(X, SideBySide) else (X,)
    if isinstance(X, (SideBySide, Bytes)) and device.type == "cpu" and _is_large(X, dtype):
        return True
    return _overflows(X, device) or any(map(_is_read_in_parts, parts))


def _is_read_in_parts(X):
    """Whether X, or what it is read from, is CSR or a large file."""
    X = X.X if isinstance(X, (SomeColumns, Bytes)) else X
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
