"""Compares networks by the losses of held-out rows, and finds memorised outliers.

A few rows far away may decide the mean of all losses: comparisons therefore use trimmed means.
Only these rows show whether networks memorise what they are trained on, so they are examined
separately.
"""

from typing import NamedTuple

import numpy as np

# Chosen on the tuning half of tests/benchmarks/data_sets.py; decay_trial.py measures what they do.
TRIMMED = 0.05  # share of the rows at either end that a comparison leaves out
# FAR: a row is an outlier if its held-out loss is FAR times as far above the median as the upper
# quartile is. Networks memorise outliers if both of these hold: among training rows, the AUROC of
# outliers by their loss is below LEAST_AREA; and training lowers the loss of held-out outliers,
# relative to its size, by less than LEAST_PART of what it does for other rows.
FAR, LEAST_AREA, LEAST_PART = 15.0, 0.98, 0.35


class Tried(NamedTuple):
    """Losses of rows beside networks trained with one decay, each NaN where it is not known.

    Parameters
    ----------
    alpha : float
        The decay.
    weights : ndarray of shape (n_rows,)
        Of the rows.
    plain : ndarray of shape (n_rows,)
        Of rows held out, with the plain model.
    held_out : ndarray of shape (n_rows,)
        Of rows held out, with the networks.
    learnt : ndarray of shape (n_rows,)
        Of rows that the networks were trained on.
    """

    alpha: float
    weights: np.ndarray
    plain: np.ndarray
    held_out: np.ndarray
    learnt: np.ndarray

    @property
    def gains(self):
        """By how much the networks lower the loss of each row held out."""
        return self.plain - self.held_out

    @property
    def n_errors(self):
        """The trimmed mean of the gains, in standard errors."""
        return self._in_errors(self.gains)

    def lead(self, other):
        """Return the trimmed mean of what the loss is below another's, in standard errors."""
        return self._in_errors(other.held_out - self.held_out)

    def _in_errors(self, gains):
        if not np.isfinite(gains).any():  # training has diverged
            return -np.inf
        error = standard_error(gains)
        return trimmed_mean(gains, self.weights) / error if error else 0.0

    def is_better_for_all(self, other):
        """Whether the loss of all rows together is below another's."""
        return trimmed_mean(other.held_out - self.held_out, self.weights, 0.0) > 0


def distances_of_outliers(tried):
    """Return how far rows are above the median loss where they are outliers, else 0, (n_rows,).

    An outlier is a row that, held out, neither the plain model nor the networks reproduce.
    """
    loss = np.fmin(tried.plain, tried.held_out)
    median, quartile = np.nanquantile(loss, [0.5, 0.75])
    return np.where(loss > median + FAR * (quartile - median), loss - median, 0.0)


def memorises(tried, distances):
    """Whether networks reproduce outliers that they were trained on, and hardly any others.

    Parameters
    ----------
    tried : Tried
    distances : ndarray of shape (n_rows,)
        As `distances_of_outliers` returns them.
    """
    if area_under_roc(tried.learnt, distances) >= LEAST_AREA:
        return False
    is_outlier = distances > 0
    return relative_gain(tried, is_outlier) < LEAST_PART * relative_gain(tried, ~is_outlier)


def area_under_roc(losses, distances):
    """Return the share of the other rows with a smaller loss, a mean over outliers.

    Outliers count by their distance; without any, 1 is returned.
    """
    is_known = ~np.isnan(losses)
    outliers = (distances > 0) & is_known
    if not outliers.any():
        return 1.0
    others = np.sort(losses[(distances == 0) & is_known])
    shares = np.searchsorted(others, losses[outliers]) / max(1, len(others))
    return np.average(shares, weights=distances[outliers])


def relative_gain(tried, part):
    """Return the gain over some rows, relative to the size of their loss with the plain model."""
    part = part & ~np.isnan(tried.gains)
    size = np.abs(tried.plain[part]) @ tried.weights[part]
    return float(tried.gains[part] @ tried.weights[part] / size) if size > 0 else 0.0


def trimmed_mean(values, weights, trimmed=TRIMMED):
    """Return the weighted mean without a share of the smallest and of the largest values.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN where there is none.
    weights : ndarray of shape (n,)
    trimmed : float
        The share, by weight, at either end.
    """
    is_there = np.isfinite(values)
    order = np.argsort(values[is_there], kind="stable")
    values, weights = values[is_there][order], weights[is_there][order]
    reached = np.clip(np.cumsum(weights) / weights.sum(), trimmed, 1 - trimmed)
    return float(np.diff(reached, prepend=trimmed) @ values / (1 - 2 * trimmed))


def standard_error(values):
    """Return the standard error of a trimmed mean, whose ends count as their last value."""
    values = values[np.isfinite(values)]
    bounds = np.quantile(values, [TRIMMED, 1 - TRIMMED])
    return float(np.clip(values, *bounds).std() / np.sqrt(len(values)))
