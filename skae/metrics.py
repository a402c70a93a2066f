"""How well a transformer gives back its data: metrics and scorers for any `inverse_transform`.

They work on scikit-learn's transformers (PCA, NMF, a Pipeline of them, ...) as on skae's own, and
measure in the units of the X they are given.
"""

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from ._sklearn import check_sample_weight

__all__ = [
    "explained_variance",
    "explained_variance_scorer",
    "mean_squared_reconstruction_error",
    "neg_mean_squared_reconstruction_error_scorer",
]


def _residuals(estimator, X, sample_weight):
    """Return X, X minus its reconstruction, and normalised weights, (n_samples, 1)."""
    if not hasattr(estimator, "inverse_transform"):
        raise TypeError(
            f"estimator must have inverse_transform. Got {type(estimator).__name__} instead."
        )
    X_hat = estimator.inverse_transform(estimator.transform(X))
    X, X_hat = (
        check_array(A.toarray() if sparse.issparse(A) else A, dtype=np.float64) for A in (X, X_hat)
    )
    weights = check_sample_weight(sample_weight, X, dtype=np.float64)
    return X, X - X_hat, weights[:, None] / weights.sum()


def mean_squared_reconstruction_error(estimator, X, *, sample_weight=None):
    """Return the mean squared difference between X and its reconstruction.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``

    X : {array-like, sparse matrix} of shape (n_samples, n_features)

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


def explained_variance(estimator, X, *, sample_weight=None):
    r"""Return the share of the variance of X that the reconstruction explains.

    .. math:: 1 - \sum_i |x_i - \hat x_i|^2 / \sum_i |x_i - \bar x|^2

    with the mean of the X given. For PCA and its training data it is the sum of
    ``explained_variance_ratio_``.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``

    X : {array-like, sparse matrix} of shape (n_samples, n_features)

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
    left = (weights * residual**2).sum()
    total = (weights * (X - (weights * X).sum(axis=0)) ** 2).sum()
    return float(1 - left / total) if total else float(left == 0)


def neg_mean_squared_reconstruction_error_scorer(estimator, X, y=None, sample_weight=None):
    """Scorer of `mean_squared_reconstruction_error`: ``GridSearchCV(..., scoring=this)``.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``

    X : {array-like, sparse matrix} of shape (n_samples, n_features)

    y : Ignored

    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    score : float
        Minus the error: higher is better.
    """
    return -mean_squared_reconstruction_error(estimator, X, sample_weight=sample_weight)


def explained_variance_scorer(estimator, X, y=None, sample_weight=None):
    """Scorer of `explained_variance`: ``GridSearchCV(..., scoring=this)``.

    Parameters
    ----------
    estimator : fitted transformer with ``inverse_transform``

    X : {array-like, sparse matrix} of shape (n_samples, n_features)

    y : Ignored

    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    score : float
        Higher is better.
    """
    return explained_variance(estimator, X, sample_weight=sample_weight)
