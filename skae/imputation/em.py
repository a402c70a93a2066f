"""Expectation maximisation with missing values: one Gaussian, and mixtures of them.

Dempster, Laird and Rubin 1977; for mixtures Ghahramani and Jordan 1994. The expected moments of a
row are those of its filled cells, plus the covariance of the missing ones.
"""

from typing import NamedTuple

import numpy as np

from .inverses import log_determinant
from .mixtures import Conditioner, Mixture


class Rows(NamedTuple):
    """Rows to learn from: X (n, d), zero where nothing is observed; `Holes`; weights (n,)."""

    X: np.ndarray
    holes: object
    weights: np.ndarray


class Pull(NamedTuple):
    """What covariances are drawn to; the prior of which they are the most probable ones.

    `ridge` is added to the variances; beside the rows of each component there are `strength` more,
    spread by the covariance `target`.
    """

    ridge: float = 0.0
    strength: float = 0.0
    target: np.ndarray | float = 0.0


class Fitted(NamedTuple):
    """The end of a course of steps; `objectives` are those before each of them, in nats."""

    mixture: Mixture
    objectives: list
    converged: bool


class Moments:
    """Sums over rows of the expected moments under each component.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        What the moments are taken about.
    """

    def __init__(self, means):
        self._means = means
        n_components, d = means.shape
        self.count = np.zeros(n_components)
        self.first = np.zeros((n_components, d))
        self.second = np.zeros((n_components, d, d))
        self.log_likelihood = 0.0

    def add(self, block, given, shares):
        """Add a block whose rows belong to the components by these shares, (K, n)."""
        weighted = shares[:, :, None] * given.deviations
        self.count += shares.sum(axis=1)
        self.first += weighted.sum(axis=1)
        self.second += weighted.swapaxes(1, 2) @ given.deviations
        if block.columns.shape[1]:
            self._add_covariances(block, given, shares)

    def _add_covariances(self, block, given, shares):
        d = self.first.shape[1]
        place = (block.columns[:, :, None] * d + block.columns[:, None, :]).ravel()
        starts = np.flatnonzero(np.diff(block.pattern, prepend=-1))
        of_patterns = np.add.reduceat(shares, starts, axis=1)
        spread = of_patterns[:, :, None, None] * given.covariances
        for k, cells in enumerate(spread):
            self.second[k] += np.bincount(place, cells.ravel(), d * d).reshape(d, d)

    def pool(self, ridge):
        """Return the covariance of rows about the mean of their component, with a ridge."""
        _, scatter = self._centre()
        return scatter.sum(axis=0) / self.count.sum() + ridge * np.eye(scatter.shape[1])

    def maximise(self, pull):
        """Return the mixture of these moments, its covariances drawn to the target."""
        shift, scatter = self._centre()
        scatter += pull.strength * pull.target
        covariances = scatter / (self._count + pull.strength)[:, None, None]
        covariances = (covariances + covariances.swapaxes(1, 2)) / 2
        covariances += pull.ridge * np.eye(shift.shape[1])
        return Mixture(self.count / self.count.sum(), self._means + shift, covariances)

    @property
    def _count(self):
        return np.maximum(self.count, np.finfo(float).tiny)  # a component may lose all its rows

    def _centre(self):
        """Return mean deviations, (K, d), and sums of squares about the means, (K, d, d)."""
        shift = self.first / self._count[:, None]
        between = shift[:, :, None] * shift[:, None, :]
        return shift, self.second - self._count[:, None, None] * between


def expect(rows, mixture, shares=None):
    """Return the expected `Moments` of all rows.

    Parameters
    ----------
    rows : Rows
    mixture : Mixture
    shares : ndarray of shape (K, n) or None
        To which component each row belongs; None asks the mixture. A Gaussian may be asked for
        several: its moments are then dealt out.
    """
    n_components = mixture.n_components if shares is None else len(shares)
    conditioner = Conditioner(mixture)
    moments = Moments(np.broadcast_to(mixture.means, (n_components, mixture.means.shape[1])))
    for block in rows.holes.blocks(n_components):
        given = conditioner.given(rows.X, rows.holes.observed, block)
        weights = rows.weights[block.rows]
        of_block = given.responsibilities if shares is None else shares[:, block.rows]
        moments.log_likelihood += weights @ given.log_density
        moments.add(block, given, weights * of_block)
    return moments


def run(rows, mixture, pull, max_iter, tol):
    """Return what steps of expectation and maximisation make of a mixture.

    Parameters
    ----------
    rows : Rows
    mixture : Mixture
    pull : Pull
    max_iter : int
        Number of steps at most.
    tol : float
        A step that raises the objective by less, in nats per observed cell, is the last.
    """
    n_cells = max(1.0, rows.weights @ rows.holes.observed.sum(axis=1))
    objectives = []
    for _ in range(max_iter):
        moments = expect(rows, mixture)
        objectives.append(moments.log_likelihood + _log_prior(mixture, pull, rows.weights.sum()))
        mixture = moments.maximise(pull)
        if len(objectives) > 1 and objectives[-1] - objectives[-2] < tol * n_cells:
            return Fitted(mixture, objectives, True)
    return Fitted(mixture, objectives, False)


def _log_prior(mixture, pull, n_rows):
    """Return the logarithm of the prior of the covariances, up to a constant."""
    precisions = np.linalg.inv(mixture.covariances)
    traces = np.trace(precisions, axis1=1, axis2=2)
    penalty = pull.ridge * (traces @ (n_rows * mixture.weights + pull.strength))
    if pull.strength:
        logs = log_determinant(mixture.covariances).sum()
        penalty += pull.strength * (logs + (precisions * pull.target).sum())
    return -penalty / 2
