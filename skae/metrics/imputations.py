"""How well an imputer fills cells that are hidden for it."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_random_state, check_scalar

from ..data.columns import check_has_no_dates
from ..data.inputs import to_array
from ..data.weights import check_weights
from ..estimator.wrapped import check_has

Array = NDArray[np.float64]


def imputation_score(
    estimator: Any,
    X: Any,
    *,
    fraction: float = 0.1,
    missing_values: float = np.nan,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> float:
    r"""Return how well an imputer fills cells that are hidden for it.

    Some of the observed cells of X are hidden from `transform`. The score is the share of their
    variance that is filled in,

    .. math:: 1 - \frac{\sum_{ij} (\hat x_{ij} - x_{ij})^2 / s_j^2}
                       {\sum_{ij} (x_{ij} - m_j)^2 / s_j^2}

    where m and s are mean and standard deviation of what is left of a column of X, so that all
    columns count alike.

    Parameters
    ----------
    estimator : fitted imputer
        :class:`~skae.Imputer`, one of scikit-learn's, or a pipeline that returns the columns of X
        first, in their order.

    X : array-like of shape (n_samples, n_features)
        Rows with or without missing values, held-out ones as a rule.

    fraction : float, default=0.1
        Share of the observed cells that is hidden, at random.

    missing_values : float, default=np.nan
        What stands for a missing value.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    random_state : int, RandomState instance or None, default=0
        Determines which cells are hidden: the same ones for all imputers, unless it is None.

    Returns
    -------
    score : float
        1 is perfect, 0 is what the means would do. NaN where nothing is hidden that varies.

    Raises
    ------
    TypeError
        If the estimator has no ``transform``.
    ValueError
        If `fraction` is not between 0 and 1, or ``transform`` leaves out columns.

    See Also
    --------
    imputation_scorer : For searches.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.impute import SimpleImputer
    >>> from skae import Imputer
    >>> from skae.metrics import imputation_score
    >>> X, _ = load_iris(return_X_y=True)
    >>> imputer = Imputer(random_state=0).fit(X[::2])
    >>> bool(imputation_score(imputer, X[1::2]) > 0.7)
    True
    >>> bool(abs(imputation_score(SimpleImputer().fit(X[::2]), X[1::2])) < 0.1)
    True
    """
    check_has(estimator, "transform")
    X = to_array(X)
    check_has_no_dates(X, "X")
    values = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")
    observed = ~np.isnan(values) & (values != missing_values)
    hidden = _hide(observed, fraction, random_state)
    filled = estimator.transform(_like(np.where(hidden, missing_values, values), X))
    filled = check_array(filled, dtype=np.float64, ensure_all_finite="allow-nan")
    if len(filled) != len(values):
        raise ValueError(f"transform returns {len(filled)} rows of {len(values)}.")
    if filled.shape[1] < values.shape[1]:
        raise ValueError(
            f"transform returns {filled.shape[1]} columns of {values.shape[1]}, and which is not "
            "known. Columns without any observed value are kept by keep_empty_features=True."
        )
    weights = check_weights(sample_weight, values)[:, None] * hidden
    left = np.where(observed & ~hidden, values, np.nan)
    return _share_filled(values, filled[:, : values.shape[1]], left, weights)


def _hide(observed: Any, fraction: float, random_state: Any) -> Any:
    """Return which observed cells are hidden, at least one."""
    check_scalar(fraction, "fraction", Real, min_val=0, max_val=1, include_boundaries="neither")
    rows, columns = np.nonzero(observed)
    order = check_random_state(random_state).permutation(len(rows))
    chosen = order[: max(1, round(fraction * len(rows)))]
    hidden = np.zeros(observed.shape, dtype=bool)
    hidden[rows[chosen], columns[chosen]] = True
    return hidden


def _like(values: Array, X: Any) -> Any:
    """Return values as a DataFrame where X is one: its names are asked for."""
    if hasattr(X, "iloc"):
        return type(X)(values, index=X.index, columns=X.columns)
    if hasattr(X, "columns"):
        return type(X)(values, schema=list(X.columns))
    return values


def _share_filled(values: Array, filled: Array, left: Array, weights: Array) -> float:
    """Return 1 minus the ratio of squared errors in cells with weights, column by column."""
    counts = (~np.isnan(left)).sum(axis=0) > 1
    left, weights = left[:, counts], weights[:, counts]
    mean, scale = np.nanmean(left, axis=0), np.nanstd(left, axis=0)
    varies = scale > 0
    weights = weights[:, varies]
    known = weights > 0
    values, filled = (A[:, counts][:, varies] for A in (values, filled))
    mean, scale = mean[varies], scale[varies]
    error, total = (
        (weights * np.square(np.where(known, (A - values) / scale, 0.0))).sum()
        for A in (filled, np.broadcast_to(mean, values.shape))
    )
    return float(1 - error / total) if total > 0 else float("nan")


def imputation_scorer(
    estimator: Any, X: Any, y: Any = None, sample_weight: ArrayLike | None = None
) -> float:
    """Scorer of `imputation_score`: ``GridSearchCV(..., scoring=this)``.

    Parameters
    ----------
    estimator : fitted imputer
        Of skae, of scikit-learn, or a pipeline; what is missing is NaN.

    X : array-like of shape (n_samples, n_features)
        Rows with or without missing values, held-out ones as a rule.

    y : Ignored
        Present for scikit-learn's convention.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    score : float
        Higher is better. The same cells are hidden for all candidates of a search.

    See Also
    --------
    imputation_score : What it returns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.impute import KNNImputer
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skae.metrics import imputation_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> search = GridSearchCV(KNNImputer(), {"n_neighbors": [1, 10]}, scoring=imputation_scorer)
    >>> search.fit(X).best_params_
    {'n_neighbors': 10}
    """
    return imputation_score(estimator, X, sample_weight=sample_weight)
