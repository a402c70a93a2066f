"""Dense rows that remember the sparse matrix they were made of, for products that skip zeros.

The memory is an attribute of the tensor: what any operation makes of it has none, and is dense.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional as F

# From here on a product with zeros skipped is faster than with all of them
# (tests/benchmarks/sparse_text.py).
MOST_FILLED, FEWEST_COLUMNS = 0.02, 1024


class Origin(NamedTuple):
    """What rows were made of: ``matrix - shift``, as long as nobody has written into them."""

    matrix: sparse.csr_matrix
    shift: torch.Tensor | None
    version: int | None


def _version_of(x):
    """Return how often a tensor was written into; in inference mode torch does not count."""
    return None if x.is_inference() else x._version


def remember(x, matrix, shift=None):
    """Return dense rows with the memory of the matrix they are made of, where that is worth it."""
    if not sparse.issparse(matrix):
        return x
    n_rows, n_columns = matrix.shape
    if n_columns >= FEWEST_COLUMNS and matrix.nnz <= MOST_FILLED * n_rows * n_columns:
        x.origin = Origin(matrix, shift, _version_of(x))
    return x


def origin_of(x):
    """Return the `Origin` of rows, None where they have none or are no longer what they were."""
    origin = getattr(x, "origin", None)
    return None if origin is None or origin.version != _version_of(x) else origin


def pass_on(x, entered, shift, scale):
    """Return rows in other units, ``(x - shift) / scale``, with the memory that x has."""
    origin = origin_of(x)
    if origin is None or origin.shift is not None or entered.device.type != "cpu":
        return entered
    columns = origin.matrix.indices
    factors = 1 / np.broadcast_to(scale.numpy(), origin.matrix.shape[1])
    data = (origin.matrix.data * factors[columns]).astype(entered.numpy().dtype)
    parts = (data, columns, origin.matrix.indptr)
    return remember(entered, sparse.csr_matrix(parts, origin.matrix.shape), shift / scale)


def skips_zeros(x):
    """Whether products with rows are made of what they were: no gradient is wanted."""
    return not torch.is_grad_enabled() and origin_of(x) is not None


def linear(x, weight, bias=None):
    """Return ``x @ weight.T + bias`` for rows of which much is zero, (n_rows, n_out).

    Where nothing is known of the rows, or a gradient is wanted, it is torch's own.
    """
    if not skips_zeros(x):
        return F.linear(x, weight, bias)
    origin = origin_of(x)
    product = torch.from_numpy(origin.matrix @ weight.numpy().T)
    if origin.shift is not None:
        product -= weight @ origin.shift.to(weight).expand(weight.shape[1])
    return product if bias is None else product.add_(bias)
