"""How well data are given back or holes filled, how usual rows are, how two samples differ.

The first work on scikit-learn's transformers (PCA, NMF, a Pipeline of them, ...) as on skae's own,
and measure in the units of the X they are given.

In searches and cross-validation pass scorers as objects, ``scoring=explained_variance_scorer``, or
no `scoring` at all, for the estimator's own score. Scikit-learn's metrics by name, such as
``scoring="explained_variance"``, compare `y` with what an estimator predicts. Transformers have no
`predict`: the search warns that scoring failed, and all scores are NaN.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, check_random_state, check_scalar

from .data.inputs import to_array
from .data.weights import check_weights
from .estimator.wrapped import check_has

__all__ = [
    "explained_variance",
    "explained_variance_scorer",
    "imputation_score",
    "imputation_scorer",
    "maximum_mean_discrepancy",
    "maximum_mean_discrepancy_null",
    "mean_squared_reconstruction_error",
    "neg_mean_squared_reconstruction_error_scorer",
    "score_percentiles",
]

Array = NDArray[np.float64]


def _residuals(estimator: Any, X: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
    """Return X and X minus its reconstruction where rows count, and their shares, (n, 1)."""
    check_has(estimator, "inverse_transform")
    X = to_array(X)
    X_hat = estimator.inverse_transform(estimator.transform(X))
    X, X_hat = (
        check_array(A.toarray() if sparse.issparse(A) else A, dtype=np.float64) for A in (X, X_hat)
    )
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
    values = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")
    observed = ~np.isnan(values) & (values != missing_values)
    hidden = _hide(observed, fraction, random_state)
    filled = estimator.transform(_like(np.where(hidden, missing_values, values), X))
    filled = check_array(filled, dtype=np.float64, ensure_all_finite="allow-nan")
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


def score_percentiles(
    estimator: Any,
    X: Any,
    *,
    n_draws: int = 200,
    random_state: int | np.random.RandomState | None = 0,
) -> Array:
    """Return how usual rows are among those that a density draws, whatever is observed of them.

    The log-likelihood of a row falls or rises with the number of its observed cells, so that
    those of rows with different missing values do not compare. Rows drawn from the model, with
    the same cells hidden, say what is usual for these: the result is the share of them that is
    less likely.

    Parameters
    ----------
    estimator : fitted density
        With `sample` and `score_samples`, a :class:`~skae.VAE` say.

    X : array-like of shape (n_samples, n_features)
        Rows with or without NaN.

    n_draws : int, default=200
        Number of rows that are drawn. Each is scored once for each pattern of missing values.

    random_state : int, RandomState instance or None, default=0
        Determines the draws.

    Returns
    -------
    shares : ndarray of shape (n_samples,)
        Between 0 and 1, uniform for rows that follow the model; 1/2 for an empty row.

    Raises
    ------
    TypeError
        If the estimator has no `sample` or no `score_samples`.

    See Also
    --------
    skae.VAE.score_samples : Log-likelihoods of what is observed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skae import VAE
    >>> from skae.metrics import score_percentiles
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAE(2, max_iter=20, random_state=0).fit(X)
    >>> rows = np.array([[5.8, np.nan, 3.8, 1.2], [5.8, np.nan, 3.8, 9.0]])
    >>> score_percentiles(vae, rows) > 0.01
    array([ True, False])
    """
    for name in ("sample", "score_samples"):
        check_has(estimator, name)
    check_scalar(n_draws, "n_draws", Integral, min_val=1)
    X = check_array(to_array(X), ensure_all_finite="allow-nan", input_name="X")
    scores = estimator.score_samples(X)
    drawn = estimator.sample(n_draws, random_state=random_state)
    patterns, place = np.unique(np.isnan(X), axis=0, return_inverse=True)
    shares = np.empty(len(X))
    for i, missing in enumerate(patterns):
        rows = np.flatnonzero(place.ravel() == i)
        usual = np.sort(estimator.score_samples(np.where(missing, np.nan, drawn)))
        below, up_to = (np.searchsorted(usual, scores[rows], side) for side in ("left", "right"))
        shares[rows] = (below + up_to + 1) / (2 * (n_draws + 1))
    return shares


def maximum_mean_discrepancy(X: Any, Y: Any, *, bandwidths: str | ArrayLike = "median") -> float:
    r"""Return the unbiased estimate of the squared maximum mean discrepancy of two samples.

    .. math:: E\,k(x, x') + E\,k(y, y') - 2 E\,k(x, y), \qquad
              k(x, y) = \frac{1}{|S|} \sum_{s \in S} \exp\left(-\frac{|x - y|^2}{2 s^2}\right)

    with the mean over pairs of different rows [1]_. It is zero in expectation where both samples
    come from one distribution, and may then be negative; `maximum_mean_discrepancy_null` says how
    large it is by chance.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        One sample.

    Y : array-like of shape (n_samples_Y, n_features)
        The other.

    bandwidths : "median" or array-like of float, default="median"
        S, in the units of X and Y; "median": half, once and twice the median distance between rows
        of X and Y together.

    Returns
    -------
    mmd : float
        Near 0 where the two come from one distribution, larger the more they differ.

    Raises
    ------
    ValueError
        If a sample has fewer than two rows, their numbers of columns differ, or a bandwidth is not
        positive.

    See Also
    --------
    maximum_mean_discrepancy_null : How large it is by chance.

    References
    ----------
    .. [1] A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample test",
       JMLR 13, 2012, equation 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import maximum_mean_discrepancy
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(2, 200, 2))
    >>> bool(abs(maximum_mean_discrepancy(X, Y)) < 0.01)
    True
    >>> bool(maximum_mean_discrepancy(X, Y + 1) > 0.1)
    True
    """
    kernel, n = _pooled_kernel(X, Y, bandwidths)
    return float(_unbiased_mmd(kernel, (np.arange(len(kernel)) < n)[:, None])[0])


def maximum_mean_discrepancy_null(
    X: Any,
    Y: Any,
    *,
    bandwidths: str | ArrayLike = "median",
    n_permutations: int = 1000,
    random_state: int | np.random.RandomState | None = None,
) -> Array:
    """Return what `maximum_mean_discrepancy` is where the rows are dealt out to X and Y by chance.

    Two samples differ at the level of 5 % where their discrepancy exceeds
    ``np.quantile(null, 0.95)``.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        One sample.

    Y : array-like of shape (n_samples_Y, n_features)
        The other.

    bandwidths : "median" or array-like of float, default="median"
        As in `maximum_mean_discrepancy`.

    n_permutations : int, default=1000
        Number of times that the rows are dealt out.

    random_state : int, RandomState instance or None, default=None
        Determines how they are.

    Returns
    -------
    null : ndarray of shape (n_permutations,)
        The discrepancy of each permutation.

    See Also
    --------
    maximum_mean_discrepancy : The discrepancy of the rows as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import maximum_mean_discrepancy, maximum_mean_discrepancy_null
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 200, 2))
    >>> null = maximum_mean_discrepancy_null(X, Y, random_state=0)
    >>> bool(maximum_mean_discrepancy(X, Y) < np.quantile(null, 0.95))
    True
    """
    kernel, n = _pooled_kernel(X, Y, bandwidths)
    keys = check_random_state(random_state).random_sample((n_permutations, len(kernel)))
    order = keys.argsort(axis=1)
    return _unbiased_mmd(kernel, (order < n).T)


def _pooled_kernel(X: Any, Y: Any, bandwidths: str | ArrayLike) -> tuple[Array, int]:
    """Return the kernel between all rows, its diagonal zero, and the number of rows of X."""
    X, Y = (
        check_array(to_array(A), dtype=np.float64, ensure_min_samples=2, input_name=name)
        for A, name in ((X, "X"), (Y, "Y"))
    )
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"X and Y must have as many columns. Got {X.shape[1]} and {Y.shape[1]} instead."
        )
    squared, unit = _squared_distances(np.concatenate([X, Y]))
    if isinstance(bandwidths, str) and bandwidths == "median":
        median = np.sqrt(np.median(squared[np.triu_indices_from(squared, 1)])) or 1.0
        bandwidths = median * unit * np.array([0.5, 1.0, 2.0])
    bandwidths = np.atleast_1d(np.asarray(bandwidths, dtype=np.float64))
    if not (bandwidths > 0).all():
        raise ValueError(f"bandwidths must be positive. Got {bandwidths} instead.")
    kernel = np.mean([np.exp(-squared / (2 * (s / unit) ** 2)) for s in bandwidths], axis=0)
    np.fill_diagonal(kernel, 0.0)
    return kernel, len(X)


def _squared_distances(X: Array) -> tuple[Array, float]:
    """Return the squared distances between rows over the square of a unit, and that unit."""
    # They are computed as |x|^2 + |y|^2 - 2 x y, which an offset would leave no digits of.
    X = X - np.clip(X.mean(axis=0), X.min(axis=0), X.max(axis=0))
    unit = float(np.ldexp(1.0, np.frexp(np.abs(X).max())[1]))
    return euclidean_distances(X / unit, squared=True), unit


def _unbiased_mmd(kernel: Array, in_X: NDArray[np.bool_]) -> Array:
    """Return the estimate for each column of `in_X`, which says what rows belong to X."""
    in_X = in_X.astype(np.float64)
    n = in_X[:, 0].sum()
    m = len(kernel) - n
    with_X = kernel @ in_X
    within_X, across = (in_X * with_X).sum(axis=0), ((1 - in_X) * with_X).sum(axis=0)
    within_Y = kernel.sum() - within_X - 2 * across
    return within_X / (n * (n - 1)) + within_Y / (m * (m - 1)) - 2 * across / (n * m)
