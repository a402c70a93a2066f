"""How much two samples differ."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, check_random_state, check_scalar

from ..data.columns import check_has_no_dates
from ..data.inputs import to_array

Array = NDArray[np.float64]


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
        If a sample has fewer than two rows, their numbers of columns differ, a bandwidth is not
        positive, or there is none.

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

    Raises
    ------
    ValueError
        As `maximum_mean_discrepancy`, and if `n_permutations` is less than 1.

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
    check_scalar(n_permutations, "n_permutations", Integral, min_val=1)
    kernel, n = _pooled_kernel(X, Y, bandwidths)
    keys = check_random_state(random_state).random_sample((n_permutations, len(kernel)))
    order = keys.argsort(axis=1)
    return _unbiased_mmd(kernel, (order < n).T)


def _pooled_kernel(X: Any, Y: Any, bandwidths: str | ArrayLike) -> tuple[Array, int]:
    """Return the kernel between all rows, its diagonal zero, and the number of rows of X."""
    for A, name in ((X, "X"), (Y, "Y")):
        check_has_no_dates(A, name)
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
    kernel = np.mean(
        [np.exp(-squared / (2 * (s / unit) ** 2)) for s in _check_bandwidths(bandwidths)], axis=0
    )
    np.fill_diagonal(kernel, 0.0)
    return kernel, len(X)


def _check_bandwidths(bandwidths: str | ArrayLike) -> Array:
    """Return bandwidths as an array, at least one."""
    try:
        values = np.atleast_1d(np.asarray(bandwidths, dtype=np.float64))
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not values.size or not (values > 0).all():
        raise ValueError(
            "bandwidths must be positive numbers, at least one, or 'median'. Got "
            f"{bandwidths!r} instead."
        )
    return values


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
