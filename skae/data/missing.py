"""pandas' NA among objects, which numpy cannot convert to a number: NaN takes its place."""

import sys

import numpy as np


def without_na(X):
    """Return a table or a column with NaN in the place of pandas' NA among objects.

    What holds none, and what is no array, list or DataFrame, is returned as it is.
    """
    pandas = sys.modules.get("pandas")  # without it there is no NA, and no need to wait for it
    if pandas is None:
        return X
    if isinstance(X, pandas.DataFrame):
        return _replace_in_frame(X)
    if isinstance(X, (list, tuple)) and any(map(_has_na, X)):
        return _replace(np.array(X, dtype=object))
    if isinstance(X, (np.ndarray, pandas.Series)) and X.dtype == object:
        return _replace(np.asarray(X))
    return X


def _replace_in_frame(frame):
    for j in np.flatnonzero([getattr(dtype, "kind", "") == "O" for dtype in frame.dtypes]):
        column = frame.iloc[:, j].to_numpy()
        if _has_na(column):
            frame = frame.copy(deep=False)
            frame.isetitem(j, _replace(column))
    return frame


def _replace(array):
    missing = np.array([is_na(entry) for entry in array.flat], dtype=bool)
    return np.where(missing.reshape(array.shape), np.nan, array) if missing.any() else array


def _has_na(row):
    """Whether an entry, or the entries of a row, are NA."""
    if isinstance(row, np.ndarray):
        return row.dtype == object and any(map(is_na, row.flat))
    return any(map(is_na, row)) if isinstance(row, (list, tuple)) else is_na(row)


def is_na(entry):
    """Whether an entry is pandas' NA, which compares with nothing."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and entry is pandas.NA
