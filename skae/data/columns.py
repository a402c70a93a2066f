"""Columns of tables that hold something other than numbers, and advice on them."""

import datetime
import reprlib

import numpy as np

from .missing import is_na

NUMERIC = tuple("biufc")  # kinds of dtypes
DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
N_SHOWN = 3  # columns in a message


def columns_without_numbers(table):
    """Return the name of each column that holds something other than numbers, and what it holds.

    Text that `float` reads is a number here, and so is a missing value, but for missing dates.

    Parameters
    ----------
    table : array-like of shape (n_samples, n_columns)

    Returns
    -------
    entries : list of (name, entry)
        The name in a DataFrame, otherwise the number of the column; the first such entry of it.
    """
    found = [(name, _first_without_number(column)) for name, column in _columns_of(table)]
    return [(name, entry) for name, entry in found if entry is not None]


def _columns_of(table):
    """Yield the name of each column, as an array, whose dtype is not a number's."""
    if hasattr(table, "columns") and hasattr(table, "dtypes"):  # of pandas, of polars, ...
        for j, (name, dtype) in enumerate(zip(table.columns, table.dtypes, strict=True)):
            if getattr(dtype, "kind", None) not in NUMERIC:
                column = table.iloc[:, j] if hasattr(table, "iloc") else table[name]
                yield name, np.asarray(column)
        return
    table = _list_to_array(table) if isinstance(table, (list, tuple)) else table
    if isinstance(table, np.ndarray) and table.ndim == 2 and table.dtype.kind not in NUMERIC:
        yield from enumerate(table.T)


def _list_to_array(table):
    try:
        array = np.asarray(table)
    except (TypeError, ValueError):  # of dates beside numbers, of rows of several lengths
        array = None
    if array is not None and array.dtype.kind in NUMERIC:
        return array
    try:
        return np.asarray(table, dtype=object)
    except ValueError:
        return None


def _first_without_number(column):
    kind = column.dtype.kind
    if not len(column) or (kind in NUMERIC and column.ndim == 1):
        return None
    if kind != "O":  # text, even of digits: it is no number to scikit-learn; dates, structures
        return column[0]
    return next((entry for entry in column if not _is_number(entry)), None)


def _is_number(entry):
    if entry is None or is_na(entry):
        return True
    if isinstance(entry, (*DATES, list, np.ndarray)):  # of nanoseconds, and of one number
        return False
    try:
        float(entry)
    except (TypeError, ValueError):
        return False
    return True


def is_text(entry):
    """Whether an entry is text."""
    return isinstance(entry, (str, bytes))


def describe_columns(entries):
    """Return ``column 'sex' holds 'm'``, for the first few of `columns_without_numbers`."""
    shown = [f"column {_plain(name)!r} holds {_shown(entry)}" for name, entry in entries]
    more = len(shown) - N_SHOWN
    return ", ".join(shown[:N_SHOWN]) + (f" and {more} more are like it" if more > 0 else "")


def _shown(entry):
    if isinstance(entry, DATES):
        return str(entry)
    return repr(_plain(entry)) if is_text(entry) else reprlib.repr(_plain(entry))


def _plain(entry):
    """Return Python's own number or string for numpy's, whose ``repr`` names its type."""
    return entry.item() if isinstance(entry, np.generic) else entry


def advise_on_columns(entries):
    """Return what to do about columns of X that hold something other than numbers."""
    advice = [f"X must hold numbers, and {describe_columns(entries)}."]
    if any(is_text(entry) for _, entry in entries):
        advice.append(f"Encode labels in a step before this one: {how_to_encode(entries)}.")
    else:
        advice.append("Leave it out, or make numbers of it in a step before this one.")
    return " ".join(advice)


def how_to_encode(entries):
    """Return the code that makes numbers of the columns of text, those beside them kept."""
    names = [_plain(name) for name, entry in entries if is_text(entry)]
    return (
        f"ColumnTransformer([('labels', OneHotEncoder(sparse_output=False), {names})], "
        "remainder='passthrough')"
    )


def check_has_no_dates(table, name):
    """Refuse columns of dates and durations: scikit-learn would take some for large numbers."""
    dates = [found for found in columns_without_numbers(table) if isinstance(found[1], DATES)]
    if dates:
        raise ValueError(
            f"{name} must hold numbers, and {describe_columns(dates)}. Make numbers of dates and "
            "durations in a step before this one, for instance days since a first date: "
            "(dates - first) / np.timedelta64(1, 'D')."
        )
