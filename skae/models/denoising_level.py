"""What `corruption_level="auto"` comes to: the standard deviation of the noise in the rows.

Noise that is the same in all directions has eigenvalues that spread around its variance by the law
of Marchenko and Pastur. A signal of fewer dimensions adds a few that are larger.
"""

import math

import numpy as np
import torch

from .. import _ranks
from ..data.moments import N_DENSE, scatter, weighted_moments
from ..data.sources import RowsOnHost
from ..data.tables import SomeColumns, SomeRows, chunk_size
from ..data.units import SQUARABLE, Units, root_mean_square
from ..exceptions import ParameterWarning, warn
from ..training.randomness import make_random_state
from ..training.threads import threads_for

N_ROWS = 10_000  # that are looked at; more change the third digit
FEWEST = 3  # directions; of two, none is known to be without signal
FLOOR = 0.01  # of the spread of the data: less noise keeps no model from copying
UNKNOWN = 0.3  # of the spread: the constructor's default
WHAT_TO_DO = (
    "Pass a number: the standard deviation of the noise in the units of X, with "
    "corruption_units='data', or divided by scale_."
)


def check_is_gaussian(corruption):
    """Refuse to take the level from the data for a corruption that has no standard deviation."""
    if corruption == "gaussian":
        return
    advice = "leave it out" if callable(corruption) else "pass the probability, a number"
    raise ValueError(
        "corruption_level='auto' is the standard deviation of Gaussian noise, and needs "
        f"corruption='gaussian'. Got corruption={corruption!r} beside it: {advice}."
    )


def check_size(level, scaled, dtype):
    """Refuse a level, given as the user's and in the network's units, beyond all squares."""
    largest = float(torch.as_tensor(scaled, dtype=torch.float64).max())
    if largest > SQUARABLE[dtype]:
        raise ValueError(
            f"corruption_level={level!r} is {largest:.1e} in units of scale_; the square of that "
            f"is too large for {dtype}. Pass the standard deviation of the noise that is added."
        )


def estimate_level(estimator, X, weights):
    """Return the standard deviation of the noise in X, and warn where that is a guess.

    It is taken to be the same in all features in the units that the level is in.

    Parameters
    ----------
    estimator : DenoisingAutoencoder
        With its `scale_`.
    X : table of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    level : float
        Above 0, in `corruption_units`.
    """
    unit, is_scaled = estimator.scale_, estimator.corruption_units == "scale"
    if not is_scaled:
        unit = root_mean_square(np.atleast_1d(unit))
    random_state = make_random_state(estimator._seed, "initialisation")
    table, features = _choose(X, weights, random_state)
    n, d = table.shape
    with threads_for(min(n, chunk_size(d)) * d * d):
        covariance = _covariance_of(table, np.broadcast_to(unit, X.shape[1])[features])
        level = _level_of(covariance, _ranks.total(n))
    return float(level if is_scaled else level * unit)


def _level_of(covariance, n_samples):
    """Return the level, given the covariance of the rows in the units that it is in."""
    spread = math.sqrt(covariance.diagonal().mean()) or 1.0
    variance = noise_variance(covariance, n_samples)
    if variance is None:
        _warn("and rows that differ in one or two directions do not show it", UNKNOWN)
        return UNKNOWN * spread
    share = math.sqrt(variance) / spread
    if share < FLOOR:
        _warn(f"and finds hardly any, {share:.1g} of the features' spread", FLOOR)
    return max(share, FLOOR) * spread


def _warn(cause, share):
    warn(
        f"corruption_level='auto' goes by the noise in X, {cause}. The standard deviation of the "
        f"noise is taken to be {share:g} times that of the features. {WHAT_TO_DO}",
        ParameterWarning,
    )


def _choose(X, weights, random_state):
    """Return some rows and features, and the numbers of these features.

    Rows are drawn by their weights, as many as these are worth: noise in rows that are weighted
    has other eigenvalues.
    """
    n_rows, n_features = X.shape
    most = N_ROWS // _ranks.n_ranks()
    rows, n_worth, p = np.arange(n_rows), n_rows, None
    if weights is not None:
        rows = np.flatnonzero(weights)
        p = weights[rows] / weights.sum()
        n_worth = min(len(rows), round(1 / np.square(p).sum()))
    if min(n_worth, most) < n_rows:
        rows = random_state.choice(rows, min(n_worth, most), replace=False, p=p)
        X = SomeRows(X, np.sort(rows))
    features = np.sort(_ranks.from_rank(random_state.permutation(n_features))[:N_DENSE])
    return X if len(features) == n_features else SomeColumns(X, features), features


def _covariance_of(table, unit):
    """Return the covariance of rows, divided by `unit`, in double precision."""
    units, dtype = Units(weighted_moments(table).mean, unit), torch.float64
    rows = RowsOnHost(table, units, dtype, torch.device("cpu"))
    covariance, _ = scatter(rows, None, torch.zeros(table.shape[1], dtype=dtype), None)
    return covariance


def noise_variance(covariance, n_samples):
    """Return the variance of noise that is the same in all features, given their covariance.

    It is that of Gavish and Donoho 2014, by the median eigenvalue, taken again of those alone
    that such noise can have, until it can have all of them: a signal of many dimensions, or one
    that fades slowly, raises the median of all.

    Columns that are constant have no noise, nor have those that follow from others, as long as
    they are few.

    Parameters
    ----------
    covariance : tensor of shape (n_features, n_features)
        Around the mean of the rows, divided by `n_samples`.
    n_samples : int

    Returns
    -------
    variance : float or None
        None where there are too few eigenvalues to say; 0 where most of them are.
    """
    varies = _is_more_than_rounding(covariance.diagonal())
    values = torch.linalg.eigvalsh(covariance[varies][:, varies])
    n_features, degrees = len(values), n_samples - 1
    found = values[_is_more_than_rounding(values)].flip(0).numpy()
    if len(found) < min(n_features, degrees) / 2:
        return 0.0
    if len(found) < FEWEST:
        return None
    return _variance_of_bulk(found * n_samples, max(degrees, n_features))


def _is_more_than_rounding(variances):
    eps = torch.finfo(variances.dtype).eps
    return variances > len(variances) * eps * variances.max() if len(variances) else variances > 0


def _variance_of_bulk(values, longer):
    """Return the variance of the entries of a table, given its squared singular values, falling.

    Parameters
    ----------
    values : ndarray of shape (shorter,)
        A few of them, at the front, may be those of a signal.
    longer : float
        The length of the table's longer side.
    """
    n_signals = 0
    while True:
        # What is left beside n signals is a smaller table.
        sides = np.array([len(values), longer]) - n_signals
        median = np.median(values[n_signals:])
        variance = median / (sides[1] * median_of_noise(sides[0] / sides[1]))
        largest = variance * np.sqrt(sides).sum() ** 2
        n_larger = np.count_nonzero(values > largest)
        if n_larger <= n_signals:
            return variance
        n_signals = n_larger


def median_of_noise(ratio, n_points=2000):
    """Return the median of the law of Marchenko and Pastur, for a ratio of sides of at most 1.

    It is that of the eigenvalues of x x^T / n, x of shape (ratio n, n) with entries from N(0, 1).
    """
    angles = (np.arange(n_points) + 0.5) * math.pi / n_points
    values = 1 + ratio - 2 * math.sqrt(ratio) * np.cos(angles)
    density = np.sin(angles) ** 2 / values
    mass = np.cumsum(density) - density / 2  # up to the middle of each step
    return float(np.interp(density.sum() / 2, mass, values))
