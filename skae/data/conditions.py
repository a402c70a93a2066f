"""What is given as a condition, checked: class labels, or columns of numbers."""

import numpy as np
from sklearn.utils import check_array, column_or_1d

from .inputs import (
    check_is_real_table,
    describe_columns,
    how_to_encode,
    shape_of,
    text_columns,
)


def check_labels(condition):
    """Return one-dimensional labels; refuse numbers that are no labels, and missing values."""
    shape = shape_of(condition)
    if len(shape) > 1 and shape[1:] != (1,):
        raise ValueError(
            "condition must be one-dimensional, which means class labels, as in `fit`. Got the "
            f"shape {shape} instead."
        )
    labels = column_or_1d(condition)
    # numpy makes strings of all in a list in which there is one.
    given = condition if isinstance(condition, (list, tuple)) else labels
    missing = [i for i, label in enumerate(given) if label is None or label != label]
    if missing:
        raise ValueError(
            f"condition contains missing labels (None or NaN): {len(missing)} of {len(given)}, "
            f"the first in row {missing[0]}. Leave these rows out, or give them a label."
        )
    if labels.dtype.kind in "OUS":
        _check_one_type(given)
    if labels.dtype.kind == "f" and (labels % 1 != 0).any():
        raise ValueError(
            "condition is one-dimensional, which means class labels, but holds fractions. "
            "Pass numbers as a column: np.asarray(condition).reshape(-1, 1)."
        )
    return labels


def _check_one_type(labels):
    """Refuse strings beside anything else."""
    text = next((label for label in labels if isinstance(label, (str, bytes))), None)
    other = next((label for label in labels if not isinstance(label, (str, bytes))), None)
    if text is not None and other is not None:
        raise ValueError(
            "condition is one-dimensional, which means class labels of one type. Got "
            f"{text!r} ({type(text).__name__}) and {other!r} ({type(other).__name__}). Make them "
            "strings, np.asarray(condition).astype(str); labels and numbers of one row are "
            "columns, of which OneHotEncoder and ColumnTransformer make numbers."
        )


def check_numbers(condition, dtype="numeric", n_columns=None):
    """Return two-dimensional numbers; name the columns that hold labels.

    Parameters
    ----------
    condition : array-like of shape (n_samples, n_columns)
    dtype : numpy dtype or "numeric"
    n_columns : int or None
        How many columns `fit` has seen; None in `fit`.
    """
    check_is_real_table(condition, "condition")
    shape = shape_of(condition)
    if len(shape) < 2:
        raise ValueError(
            f"condition must be two-dimensional, numbers in {n_columns} columns as in `fit`. Got "
            f"the shape {shape} instead."
        )
    try:
        with np.errstate(over="ignore"):  # what does not fit the precision is refused
            numbers = check_array(condition, dtype=dtype, input_name="condition")
    except ValueError as error:
        if entries := text_columns(condition):
            raise ValueError(_explain_labels(entries, shape[1])) from error
        raise
    if n_columns is not None and numbers.shape[1] != n_columns:
        raise ValueError(
            f"condition has {numbers.shape[1]} columns, but {n_columns} were seen by `fit`."
        )
    return numbers


def _explain_labels(entries, n_columns):
    found = f"condition is two-dimensional, which means numbers, but {describe_columns(entries)}."
    encoder = how_to_encode(entries)
    if n_columns > 1:
        return (
            f"{found} Make numbers of it by encoder = {encoder}: pass "
            "encoder.fit_transform(condition) to fit, and encoder.transform(condition) later."
        )
    return (
        f"{found} Pass labels in one dimension, np.ravel(condition), or as the numbers that "
        "OneHotEncoder or ColumnTransformer make of them."
    )
