"""Which cells of which rows are missing: rows sorted by pattern, in blocks of a bounded size."""

from typing import NamedTuple

import numpy as np

CELLS = 2**20  # numbers that the matrices of a block have, at most


class Block(NamedTuple):
    """Rows that lack as many cells each.

    `rows` are their numbers, (n,); `columns` those of the cells that each pattern lacks, (p, m);
    `pattern` is the place of the pattern of each row among these, (n,), in ascending order.
    """

    rows: np.ndarray
    columns: np.ndarray
    pattern: np.ndarray


class Holes:
    """The patterns of a table.

    Parameters
    ----------
    observed : ndarray of bool, of shape (n_samples, n_features)
    """

    def __init__(self, observed):
        self.observed = observed
        _, pattern = np.unique(_as_bytes(observed), return_inverse=True)
        self._pattern = pattern.ravel()
        self._n_missing = (~observed).sum(axis=1)
        self._order = np.lexsort([self._pattern, self._n_missing])

    def blocks(self, n_components=1):
        """Yield the `Block` of all rows; those of a block and their matrices fit in memory.

        Parameters
        ----------
        n_components : int
            How many matrices there are for each row.
        """
        n_missing = self._n_missing[self._order]
        ends = np.flatnonzero(np.diff(n_missing, append=-1)) + 1
        start = 0
        for end in ends:
            cells = n_missing[start] ** 2 + 4 * self.observed.shape[1] + 1
            size = max(1, CELLS // int(n_components * cells))
            for first in range(start, end, size):
                yield self._block(self._order[first : min(first + size, end)])
            start = end

    def _block(self, rows):
        _, first, pattern = np.unique(self._pattern[rows], return_index=True, return_inverse=True)
        missing = ~self.observed[rows[first]]
        columns = np.nonzero(missing)[1].reshape(len(first), -1)
        return Block(rows, columns, pattern.ravel())


def _as_bytes(observed):
    """Return one item for each row, the same for the same pattern."""
    packed = np.packbits(observed, axis=1)
    if not packed.size:
        return np.zeros(len(observed))
    return np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
