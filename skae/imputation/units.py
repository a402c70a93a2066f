"""Columns in units of their own: what is observed has mean 0 and variance 1."""

from typing import NamedTuple

import numpy as np


class Columns(NamedTuple):
    """What was learned of the columns of a table; all of shape (n_features,).

    `exponents` are powers of two near the largest magnitudes, so that no square leaves the range;
    `means` and `scales` are in these. `empty` columns had no observed cell, and `constant` ones
    have no scale.
    """

    exponents: np.ndarray
    means: np.ndarray
    scales: np.ndarray
    empty: np.ndarray
    constant: np.ndarray

    @property
    def modelled(self):
        """Columns that vary: which."""
        return ~(self.empty | self.constant)

    @property
    def log_units(self):
        """Logarithms of the units of the modelled columns, in those of X."""
        return np.log(self.scales[self.modelled]) + self.exponents[self.modelled] * np.log(2)

    def enter(self, X, observed):
        """Return the modelled columns in units, (n_samples, n_modelled); 0 where missing."""
        which = self.modelled
        X = np.where(observed, X, 0.0)[:, which]
        scaled = np.ldexp(X, -self.exponents[which])
        return (scaled - self.means[which]) / self.scales[which] * observed[:, which]

    def leave(self, Z):
        """Return modelled columns in the units of X."""
        which = self.modelled
        return np.ldexp(self.means[which] + self.scales[which] * Z, self.exponents[which])

    def leave_deviations(self, Z):
        """Return deviations of modelled columns in the units of X."""
        return np.ldexp(self.scales[self.modelled] * Z, self.exponents[self.modelled])

    @property
    def centres(self):
        """Means in the units of X; 0 for empty columns."""
        return np.ldexp(self.means, self.exponents)


def learn_columns(X, observed, weights):
    """Return the `Columns` of a table, from the observed cells of weighted rows."""
    empty = ~observed.any(axis=0)
    X = np.where(observed, X, 0.0).astype(np.float64, copy=False)
    _, exponents = np.frexp(np.abs(X).max(axis=0))
    X = np.ldexp(X, -exponents)
    shares = np.where(observed, weights[:, None], 0.0)
    shares /= np.where(empty, 1.0, shares.sum(axis=0))
    low, high = (np.where(empty, 0.0, ends) for ends in _ends(X, observed))
    means = np.clip((shares * X).sum(axis=0), low, high)
    scales = np.sqrt((shares * (X - means) ** 2).sum(axis=0))
    noise = len(X) * np.finfo(np.float64).eps * np.abs(means)
    constant = ~empty & (scales <= noise)
    scales = np.where(constant | empty, 1.0, scales)
    return Columns(exponents, means, scales, empty, constant)


def _ends(X, observed):
    """Return the smallest and the largest observed number of each column."""
    return (
        np.where(observed, X, np.inf).min(axis=0),
        np.where(observed, X, -np.inf).max(axis=0),
    )
