"""How well a transformer gives back its data: of scikit-learn's (PCA, NMF, a Pipeline) or ours.

Both are in the units of the X that is given.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_array

from ..data.columns import check_has_no_dates
from ..data.inputs import to_array
from ..data.weights import check_weights
from ..estimator.wrapped import check_has

Array = NDArray[np.float64]


def rows_and_reconstructions(estimator: Any, X: Any) -> tuple[Array, Array]:
    """Return rows and what the estimator makes of them, two arrays of one shape."""
    check_has(estimator, "inverse_transform")
    X = to_array(X)
    check_has_no_dates(X, "X")
    X_hat = estimator.inverse_transform(estimator.transform(X))
    X, X_hat = (
        check_array(A.toarray() if sparse.issparse(A) else A, dtype=np.float64) for A in (X, X_hat)
    )
    if X_hat.shape != X.shape:  # numpy would repeat a single row or column
        raise ValueError(
            f"inverse_transform must return rows of the shape of X, {X.shape}. That of "
            f"{type(estimator).__name__} returns {X_hat.shape}."
        )
    return X, X_hat


def _residuals(estimator: Any, X: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
    """Return X and X minus its reconstruction where rows count, and their shares, (n, 1)."""
    X, X_hat = rows_and_reconstructions(estimator, X)
    weights = check_weights(sample_weight, X)
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    counts = weights != 0  # the other rows may be anything
    weights = weights[counts, None] / weights.sum()
    return X[counts], X[counts] - X_hat[counts], weights


def mean_squared_reconstruction_error(
    estimator: Any, X: Any, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean squared difference between X and its reconstruction.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``
        Of skae, of scikit-learn, or a pipeline.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows, held-out ones as a rule.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    error : float
        Mean over rows and features, in the squared units of X.

    Raises
    ------
    TypeError
        If the estimator has no ``inverse_transform``.
    ValueError
        If ``inverse_transform`` returns an array of another shape than X.

    See Also
    --------
    explained_variance : Relative to the variance of X.
    neg_mean_squared_reconstruction_error_scorer : For searches.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import mean_squared_reconstruction_error
    >>> X, _ = load_iris(return_X_y=True)
    >>> round(mean_squared_reconstruction_error(PCA(2).fit(X), X), 4)
    0.0253
    """
    _, residual, weights = _residuals(estimator, X, sample_weight)
    return float((weights * residual**2).sum() / residual.shape[1])


def explained_variance(estimator: Any, X: Any, *, sample_weight: ArrayLike | None = None) -> float:
    r"""Return the share of the variance of X that the reconstruction explains.

    .. math:: 1 - \sum_i |x_i - \hat x_i|^2 / \sum_i |x_i - \bar x|^2

    with the mean of the X given. For PCA and its training data it is the sum of
    ``explained_variance_ratio_``.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``
        Of skae, of scikit-learn, or a pipeline.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows, held-out ones as a rule.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    share : float
        1 is perfect; constant data give 1 if reproduced exactly, else 0.

    Raises
    ------
    TypeError
        If the estimator has no ``inverse_transform``.
    ValueError
        If ``inverse_transform`` returns an array of another shape than X.

    See Also
    --------
    mean_squared_reconstruction_error : In the squared units of X.
    explained_variance_scorer : For searches.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import explained_variance
    >>> X, _ = load_iris(return_X_y=True)
    >>> round(explained_variance(PCA(2).fit(X), X), 4)
    0.9777
    """
    X, residual, weights = _residuals(estimator, X, sample_weight)
    # The mean of a constant column is its value, whatever the rounding of the sum.
    mean = np.clip((weights * X).sum(axis=0), X.min(axis=0), X.max(axis=0))
    unit = np.abs(X).max() or 1.0  # so that no square leaves the range
    left, total = (np.linalg.norm(A / unit, axis=1) for A in (residual, X - mean))
    return explained_share(left, total, weights[:, 0], X.shape[1])


def explained_share(left: Array, total: Array, weights: Array, magnitude: float) -> float:
    """Return 1 minus the ratio of weighted sums of squares; see `explained_variance`.

    Parameters
    ----------
    left, total : ndarray of shape (n_samples,)
        Distances of rows from their reconstructions and from the mean.
    weights : ndarray of shape (n_samples,)
    magnitude : float
        Size of the rows that were subtracted from each other: what their rounding leaves is 0.
    """
    counts = weights != 0
    left, total, weights = left[counts], total[counts], weights[counts]
    unit = total.max(initial=0.0)  # so that no square leaves the range
    if unit <= 4 * np.finfo(np.float64).eps * magnitude:
        return float(left.max(initial=0.0) <= unit)
    with np.errstate(over="ignore"):  # a ratio beyond double precision is infinite
        share_left = weights @ np.square(left / unit) / (weights @ np.square(total / unit))
    return float(1 - share_left)


def neg_mean_squared_reconstruction_error_scorer(
    estimator: Any, X: Any, y: Any = None, sample_weight: ArrayLike | None = None
) -> float:
    """Scorer of `mean_squared_reconstruction_error`: ``GridSearchCV(..., scoring=this)``.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``
        Of skae, of scikit-learn, or a pipeline.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows, held-out ones as a rule.

    y : Ignored
        Present for scikit-learn's convention.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    score : float
        Minus the error: higher is better.

    See Also
    --------
    mean_squared_reconstruction_error : What it is the negative of.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import cross_val_score
    >>> from skae.metrics import neg_mean_squared_reconstruction_error_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> cross_val_score(PCA(2), X, scoring=neg_mean_squared_reconstruction_error_scorer).shape
    (5,)
    """
    return -mean_squared_reconstruction_error(estimator, X, sample_weight=sample_weight)


def explained_variance_scorer(
    estimator: Any, X: Any, y: Any = None, sample_weight: ArrayLike | None = None
) -> float:
    """Scorer of `explained_variance`: ``GridSearchCV(..., scoring=this)``.

    The name ``scoring="explained_variance"`` is scikit-learn's metric of predictions, which
    transformers do not make: scoring fails with it.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``
        Of skae, of scikit-learn, or a pipeline.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows, held-out ones as a rule.

    y : Ignored
        Present for scikit-learn's convention.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    score : float
        Higher is better.

    See Also
    --------
    explained_variance : What it returns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import cross_val_score
    >>> from skae.metrics import explained_variance_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> cross_val_score(PCA(2), X, scoring=explained_variance_scorer).shape
    (5,)
    """
    return explained_variance(estimator, X, sample_weight=sample_weight)
