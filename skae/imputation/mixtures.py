"""Mixtures of Gaussians, and the Gaussians of the missing cells of a row given the others.

With the precision P of a component and a row whose cells m are missing, x_m given the others is
Gaussian with the covariance C = P_mm^-1 and the mean mu_m - C P_mo (x_o - mu_o), and the observed
cells have the covariance whose determinant is |S| |P_mm|. Nothing but the block of the missing
cells is inverted.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from .inverses import invert, log_determinant


class Mixture(NamedTuple):
    """Weights (K,), means (K, d) and covariances (K, d, d); a Gaussian has K = 1."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def n_components(self):
        """The number K of components."""
        return len(self.weights)


class Given(NamedTuple):
    """What the components say of a block of rows, given the observed cells.

    `log_joint` is log pi_k p(x_o | k), (K, n); `deviations` are those of the filled rows from the
    means, (K, n, d); `covariances` those of the missing cells of each pattern, (K, p, m, m).
    """

    log_joint: np.ndarray
    deviations: np.ndarray
    covariances: np.ndarray

    @property
    def log_density(self):
        """Log p(x_o), (n,)."""
        return logsumexp(self.log_joint, axis=0)

    @property
    def responsibilities(self):
        """p(k | x_o), (K, n)."""
        return np.exp(self.log_joint - self.log_density)


class Conditioner:
    """A mixture made ready to be asked about many blocks.

    Parameters
    ----------
    mixture : Mixture
    """

    def __init__(self, mixture):
        self.mixture = mixture
        self._precisions = np.linalg.inv(mixture.covariances)
        with np.errstate(divide="ignore"):  # a component that has lost all its rows
            log_weights = np.log(mixture.weights)
        self._log_scales = log_weights - log_determinant(mixture.covariances) / 2

    def given(self, X, observed, block):
        """Return what is `Given` for a block.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Zero where nothing is observed.
        observed : ndarray of bool, of the same shape
        block : Block
        """
        seen = observed[block.rows]
        deviations = (X[block.rows] - self.mixture.means[:, None]) * seen
        slopes = deviations @ self._precisions
        squares = np.einsum("knd,knd->kn", deviations, slopes)
        covariances, logs = invert(self._blocks_of_precision(block))
        if block.columns.shape[1]:
            missing = np.broadcast_to(block.columns[block.pattern], (len(squares), *seen.shape[:1],
                                      block.columns.shape[1]))  # fmt: skip
            slopes = np.take_along_axis(slopes, missing, axis=2)
            steps = _times(covariances, block.pattern, slopes)
            squares -= np.einsum("knm,knm->kn", steps, slopes)
            np.put_along_axis(deviations, missing, -steps, axis=2)
        constant = seen.sum(axis=1) * np.log(2 * np.pi)
        log_joint = self._log_scales[:, None] - (constant + logs[:, block.pattern] + squares) / 2
        return Given(log_joint, deviations, covariances)

    def answer(self, table, block):
        """Return shares, means and covariances of the missing cells, and log p of the others.

        Of shapes (K, n), (K, n, m), (K, p, m, m) and (n,).
        """
        given = self.given(table.X, table.observed, block)
        shape = *given.log_joint.shape, block.columns.shape[1]
        cells = np.broadcast_to(block.columns[block.pattern], shape)
        means = given.deviations + self.mixture.means[:, None]
        return (
            given.responsibilities,
            np.take_along_axis(means, cells, axis=2),
            given.covariances,
            given.log_density,
        )

    def _blocks_of_precision(self, block):
        rows, columns = block.columns[:, :, None], block.columns[:, None, :]
        return self._precisions[:, rows, columns]


def _times(matrices, pattern, vectors):
    """Return the product of each row's vector with the matrix of its pattern."""
    if matrices.shape[1] != vectors.shape[1]:
        matrices = matrices[:, pattern]
    return np.einsum("knij,knj->kni", matrices, vectors)
