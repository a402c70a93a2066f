"""Rows for fits on many processes: what each is to read, for ``distributed=True``."""

import os
from numbers import Integral
from typing import Any

import numpy as np
from torch import distributed

__all__ = ["shard"]


def shard(
    source: Any,
    *,
    rank: int | None = None,
    n_ranks: int | None = None,
) -> Any:
    """Return the rows that one process of many is to train on, with ``distributed=True``.

    Parameters
    ----------
    source : array-like, path-like or list of path-like
        A table, such as a :class:`numpy.memmap`; a file of one, with the ending ``.npy``; or files
        of tables with as many columns each. Of a table or a file it is rows ``rank::n_ranks``, of
        files it is all rows of files ``rank::n_ranks``.

    rank, n_ranks : int, default=None
        Number of the process, from 0 to ``n_ranks - 1``, and the number of processes. None takes
        both from torch.distributed's process group; without a group there is a single process.

    Returns
    -------
    X : array-like of shape (n_rows, n_features)
        A view of a table, or of a file that stays on the disk until its rows are read; rows of
        several files are read at once.

    Raises
    ------
    ValueError
        If `rank` is not between 0 and ``n_ranks - 1``, or if there are fewer files than processes.

    See Also
    --------
    numpy.memmap : Tables on the disk.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.distributed import shard
    >>> shard(np.arange(5), rank=1, n_ranks=2)
    array([1, 3])
    """
    chosen = slice(*_place(rank, n_ranks))
    if isinstance(source, (str, os.PathLike)):
        return np.load(source, mmap_mode="r")[chosen]
    if not _are_files(source):
        return source[chosen] if hasattr(source, "shape") else np.asarray(source)[chosen]
    tables = [np.load(path, mmap_mode="r") for path in source[chosen]]
    if not tables:
        raise ValueError(
            f"source must be at least as many files as there are ranks, {chosen.step}. Got "
            f"{len(source)}, and none is left for rank {chosen.start}: use fewer ranks, or one "
            "file for all of them."
        )
    return tables[0] if len(tables) == 1 else np.concatenate(tables)


def _place(rank: int | None, n_ranks: int | None) -> tuple[int, None, int]:
    """Return where to start, where to end and in what steps to go."""
    is_one = not (distributed.is_available() and distributed.is_initialized())
    if rank is None:
        rank = 0 if is_one else distributed.get_rank()
    if n_ranks is None:
        n_ranks = 1 if is_one else distributed.get_world_size()
    if not isinstance(n_ranks, Integral) or n_ranks < 1:
        raise ValueError(f"n_ranks must be an int of at least 1. Got {n_ranks!r} instead.")
    if not isinstance(rank, Integral) or not 0 <= rank < n_ranks:
        raise ValueError(
            f"rank must be an int from 0 to n_ranks - 1, with n_ranks={n_ranks}. Got {rank!r} "
            "instead: the first process has rank 0."
        )
    return int(rank), None, int(n_ranks)


def _are_files(source: Any) -> bool:
    is_list = isinstance(source, (list, tuple)) and len(source) > 0
    return is_list and all(isinstance(path, (str, os.PathLike)) for path in source)
