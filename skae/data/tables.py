"""Tables: arrays, CSR matrices and what is put together of them, read some rows at a time.

A table has a `shape`, a `dtype` and rows, ``table[rows]``, as an array or as a CSR matrix. What is
put together of tables is one too, and reads nothing before its rows are asked for.
"""

import math

import numpy as np
import torch
from scipy import sparse

# Rows converted, decoded or summed at a time: what a cache holds, but no fewer than a training
# step may have, and no more than help.
CELLS, LEAST_CHUNK, CHUNK = 2**18, 256, 4096


class SomeRows:
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


class SomeColumns:
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


class Bytes:
    """A table of whole numbers from 0 to 255, as pixels are, single precision when it is read.

    Parameters
    ----------
    X : ndarray of uint8 of shape (n_samples, n_features)
    """

    dtype = np.dtype(np.float32)

    def __init__(self, X):
        self.X, self.shape = X, X.shape
        self.nbytes = self.dtype.itemsize * X.size

    def __getitem__(self, rows):
        return self.X[rows].astype(self.dtype)

    def __len__(self):
        return len(self.X)

    def __array__(self, dtype=None, copy=None):
        return self.X.astype(dtype or self.dtype)


class SideBySide:
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


def _to_dense(chunk):
    return chunk.toarray() if sparse.issparse(chunk) else chunk


def to_tensor(chunk):
    """Return rows, an array or a CSR matrix, as a dense tensor of the same precision."""
    return share(np.ascontiguousarray(_to_dense(chunk)))


def chunk_to_tensor(X, rows):
    """Return the chosen rows of a table as a dense tensor of the same precision."""
    return to_tensor(X[rows])


def share(array):
    """Return a tensor on an array's memory, copied nowhere; the memory may be read-only.

    All ways from arrays of users and of fitted models to tensors come through here. Such a tensor
    is only read: what is written to is a copy.
    """
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


def has_nan(table):
    """Whether a table holds NaN."""
    return any(np.isnan(to_tensor(table[rows]).numpy()).any() for rows in chunks_of(table))


def distinct_rows(X):
    """Return the numbers of rows of an array that differ by more than rounding, in their order.

    Of rows that are the same to rounding there is the first.
    """
    farthest = np.abs(X - X.mean(axis=0)).max()
    cell = max(1e-6 * farthest, 100 * np.finfo(X.dtype).eps * np.abs(X).max()) or 1.0
    _, first = np.unique(np.round(X / cell), axis=0, return_index=True)
    return np.sort(first)
