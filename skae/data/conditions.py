"""What is given as a condition: class labels, columns of numbers, or some of the columns of X."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d

from .. import _ranks
from ..exceptions import ParameterWarning, warn
from .columns import columns_without_numbers, describe_columns, how_to_encode, is_text
from .inputs import check_is_real_table, shape_of, to_array
from .missing import without_na
from .moments import weighted_moments
from .names import check_names, describe_names, names_of, row_to_frame
from .tables import SideBySide, SomeColumns, has_nan
from .units import Units, to_scale

LARGEST_CONDITION = 10.0  # numbers that the networks are shown stay within plus and minus this


@dataclass
class Condition:
    """What a model has learnt of its condition.

    Parameters
    ----------
    kind : {"none", "labels", "numbers", "columns"}
        Whether there is one, and whether it is given beside X or among its columns.
    n_numbers : int
        How many numbers stand for it: one for each label, else as many as are given.
    classes : ndarray or None
        The labels, sorted.
    features : array-like or None
        How the user has named columns of X.
    columns : tuple of ndarray or None
        The numbers of the columns of X that are modelled, and of those that are the condition.
    names : list of str or None
        Of the columns of numbers, where they have some.
    mean, scale : ndarray of shape (n_numbers,) or None
        What the networks see is the numbers less `mean`, divided by `scale`; None without any.
    """

    kind: str = "none"
    n_numbers: int = 0
    classes: np.ndarray | None = None
    features: Any = None
    columns: tuple | None = None
    names: list | None = None
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def units(self):
        """The units of the condition, the user's and the network's."""
        return Units() if self.mean is None else Units(self.mean, self.scale)

    def enter(self, c):
        """Return conditions, a tensor, in the network's units."""
        return self.units.enter(c, c.dtype)

    def learn_units(self, C, weights):
        """Learn mean and scale of numbers; ones and zeros, which stand for labels, stay so."""
        if self.kind == "none":
            return
        self.mean, self.scale = np.zeros(self.n_numbers), np.ones(self.n_numbers)
        if self.kind in ("numbers", "columns"):
            moments = weighted_moments(C, weights)
            # A column that is hardly ever different would be blown up by its small deviation.
            least = moments.farthest / LARGEST_CONDITION
            self.mean, self.scale = moments.mean, to_scale(moments, per_feature=True)
            self.scale = np.maximum(self.scale, least)

    def beside(self, X, given):
        """Return the table of rows and conditions side by side, X itself without a condition."""
        if self.kind == "columns":
            if given is not None:
                raise ValueError(
                    "condition is given beside condition_features, which have it in X already. "
                    "Leave one of them out."
                )
            modelled, conditions = (SomeColumns(X, index) for index in self.columns)
            if has_nan(conditions):
                raise ValueError(
                    f"X contains NaN in condition_features={self.features!r}. Columns that are "
                    "modelled may have holes, a condition must be known: fill it first, or leave "
                    "these rows out."
                )
            return SideBySide(modelled, conditions)
        C = self.encode(given, X.shape[0], X.dtype)
        return SideBySide(X, C) if C.shape[1] else X

    def beside_all(self, X, given):
        """Return rows and one condition of all of them side by side, and that condition."""
        if self.kind == "columns":
            return self.beside(X, given), X[:1, self.columns[1]]
        row = row_to_frame(given)
        if row is not None and len(shape_of(row)) < 2:
            row = [to_array(row)]
        C = self.encode(row, 1, X.dtype)
        return SideBySide(X, np.repeat(C, len(X), axis=0)) if C.shape[1] else X, C

    def encode(self, given, n, dtype):
        """Return the condition of n rows as numbers, (n, n_numbers), checked."""
        given = to_array(given)
        if (given is None) != (self.kind == "none"):
            said = (
                "without a condition, and one was given: condition= was not passed to fit, which "
                "ignores y. Fit with condition=, or leave it out here."
                if self.kind == "none"
                else f"with a condition, and none was given: pass condition=, {self._wanted()}."
            )
            raise ValueError(f"This model was fitted {said}")
        if self.kind == "none":
            return np.empty((n, 0), dtype)
        check_is_for_rows(given)
        if self.kind == "labels":
            C = self._encode_labels(given).astype(dtype)
        else:
            C = check_numbers(given, dtype, self.n_numbers)
            check_names(names_of(given), self.names, "condition")
        if len(C) != n:
            raise ValueError(f"condition has {len(C)} rows, but there are {n} of X.")
        return C

    def encode_any(self, given, dtype):
        """Return a label, labels or rows of numbers as numbers; no condition is one row."""
        given = to_array(given)
        if given is not None and shape_of(given) == ():
            given = [given]
        if given is not None and len(given) == 0:
            raise ValueError("condition must hold at least one label or row of numbers. Got none.")
        return self.encode(given, 1 if given is None else len(given), dtype)

    def _encode_labels(self, given):
        labels, classes = check_labels(given), self.classes
        unseen = np.setdiff1d(labels, classes)
        if len(unseen):
            seen = f"{_listed(classes[:10])}{', ...' * (len(classes) > 10)}"
            raise ValueError(
                f"condition holds labels that fit did not see: [{_listed(unseen)}]. It saw {seen}."
            )
        return np.eye(len(classes))[np.searchsorted(classes, labels)]

    def warn_of_single_rows(self, n):
        """Warn where most of n training rows can hardly share their label with another."""
        if self.kind == "labels" and 2 * self.n_numbers > n:
            warn(
                "condition is one-dimensional, which means class labels, and holds "
                f"{self.n_numbers} different labels in {n} rows: nothing can be learnt of a label "
                "from a single row. Pass numbers as a column, "
                "np.asarray(condition).reshape(-1, 1), and join labels that belong together.",
                ParameterWarning,
            )

    def _wanted(self):
        """Return what a condition of this model looks like, in words."""
        if self.kind == "labels":
            return f"labels such as {_listed(self.classes[:5])}"
        if self.kind == "columns":
            return f"an array of the values of condition_features={self.features!r}"
        return f"an array with {self.n_numbers} columns of numbers"

    def fill_in(self, x, c):
        """Return a batch of modelled columns in the layout of X, with the condition c."""
        if self.kind != "columns":
            return x
        modelled, conditions = self.columns
        out = x.new_empty(len(x), len(modelled) + len(conditions))
        out[:, modelled], out[:, conditions] = x, c.to(x)
        return out


def _listed(labels):
    is_dates = labels.dtype.kind in "Mm"
    return ", ".join(map(str if is_dates else repr, labels if is_dates else labels.tolist()))


def learn_condition(given, features, names, n_features):
    """Return the `Condition` that a fit is given, beside X or as names of its columns.

    Where it is given none there is a `ParameterWarning`.

    Parameters
    ----------
    given : array-like or None
    features : array-like of int, str or bool, or None
        Columns of X.
    names : list of str
        Of all columns of X, empty where they have none.
    n_features : int
    """
    given = to_array(given)
    if features is not None:
        columns = find_columns(features, names, n_features)
        their = [names[j] for j in columns[1]] if names else None
        n = len(columns[1])
        return Condition("columns", n, features=features, columns=columns, names=their)
    if given is None:
        warn(
            "No condition was given, and this ConditionalVAE is a plain VAE; y is ignored. Pass "
            "condition= to fit, or name columns of X in condition_features; VAE is the plain "
            "model by its own name.",
            ParameterWarning,
        )
        return Condition()
    check_is_for_rows(given)
    if len(shape_of(given)) == 1:
        classes = np.unique(np.concatenate(_ranks.gather(np.unique(check_labels(given)))))
        return Condition("labels", len(classes), classes=classes)
    return Condition("numbers", check_numbers(given).shape[1], names=names_of(given))


def describe_condition(given):
    """Return the form of a condition, by the words for its parts, for ranks to compare."""
    given = to_array(given)
    if given is None:
        return {"kind of condition": None}
    shape = shape_of(given)
    if len(shape) == 1:
        is_text = any(isinstance(label, (str, bytes)) for label in given)
        return {"kind of condition": "labels of text" if is_text else "labels"}
    names = describe_names("condition", names_of(given) or [])
    columns = {"number of columns of condition": shape[1]}
    return {"kind of condition": "numbers", **columns, **names}


def find_columns(features, names, n_features):
    """Return the numbers of the columns that are not among `features`, and of those that are."""
    wanted = np.asarray(features)
    if wanted.dtype.kind in "OUS":
        missing = [str(name) for name in wanted if name not in names]
        if missing:
            known = f"are {names}" if names else "have no names: give their numbers instead"
            raise ValueError(
                f"condition_features={features!r} must be columns of X. "
                f"Got {', '.join(missing)} there, but the columns of X {known}."
            )
        wanted = np.array([names.index(name) for name in wanted])
    try:
        conditions = np.arange(n_features)[wanted]
    except IndexError as error:
        raise ValueError(
            f"condition_features={features!r} must be columns of X, which has "
            f"{n_features} features, numbered from 0 to {n_features - 1}."
        ) from error
    others = np.setdiff1d(np.arange(n_features), conditions)
    if not len(conditions) or not len(others):
        raise ValueError(
            "condition_features must name some columns of X, and not all. Got "
            f"{features!r} of {n_features}."
        )
    return others, conditions


def check_is_for_rows(condition):
    """Refuse a single value where each row of X has a condition of its own."""
    if shape_of(condition) == ():
        raise ValueError(
            "condition must hold a label, or a row of numbers, for each row of X. Got the single "
            f"value {reprlib.repr(condition)} instead: a label that all rows share is "
            "np.full(len(X), label)."
        )


def check_labels(condition):
    """Return one-dimensional labels; refuse numbers that are no labels, and missing values."""
    shape = shape_of(condition)
    if len(shape) > 1 and shape[1:] != (1,):
        raise ValueError(
            "condition must be one-dimensional, which means class labels, as in `fit`. Got the "
            f"shape {shape} instead."
        )
    labels = without_na(column_or_1d(condition))
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
    except (TypeError, ValueError) as error:
        if entries := columns_without_numbers(condition):
            raise ValueError(_explain_labels(entries, shape[1])) from error
        raise
    if n_columns is not None and numbers.shape[1] != n_columns:
        raise ValueError(
            f"condition has {numbers.shape[1]} columns, but {n_columns} were seen by `fit`."
        )
    return numbers


def _explain_labels(entries, n_columns):
    found = f"condition is two-dimensional, which means numbers, but {describe_columns(entries)}."
    if not any(is_text(entry) for _, entry in entries):
        return f"{found} Leave it out, or make numbers of it."
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
