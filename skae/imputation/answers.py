"""What fitted mixtures say of the missing cells of rows: means, deviations, quantiles, draws.

They answer together, each with its share: the Gaussian, and the mixtures that lead away from it.
The shares are the same for all rows, so the mean of the answer is the blend of their means, and
draws, quantiles and deviations are those of one distribution, which has that mean.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from .densities import Density
from .holes import Holes
from .mixtures import Conditioner, Mixture

N_HALVINGS = 50  # of the interval that holds a quantile


class Member(NamedTuple):
    """A mixture, or a density with a code, and its share in the answer."""

    share: float
    mixture: Mixture | Density


class Table(NamedTuple):
    """Rows in the units of the model, (n, d), zero where missing, and what is observed."""

    X: np.ndarray
    observed: np.ndarray


class Answer(NamedTuple):
    """What K components say of the m missing cells of a block of n rows in p patterns.

    `weights` are their probabilities, (K, n); `means` (K, n, m); `covariances` (K, p, m, m);
    `pattern` (n,) is the pattern of each row; `log_density` (n,) that of the observed cells.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    pattern: np.ndarray
    log_density: np.ndarray

    @property
    def mean(self):
        """Mean of each cell, (n, m)."""
        return np.einsum("kn,knm->nm", self.weights, self.means)

    @property
    def scales(self):
        """Standard deviation of each cell under each component, (K, n, m)."""
        variances = np.diagonal(self.covariances, axis1=2, axis2=3)
        return np.sqrt(variances)[:, self.pattern]

    @property
    def deviation(self):
        """Standard deviation of each cell, (n, m)."""
        squares = self.scales**2 + (self.means - self.mean) ** 2
        return np.sqrt(np.einsum("kn,knm->nm", self.weights, squares))


def fill(members, table):
    """Return the rows, their missing cells replaced by the means given the others."""
    filled = table.X.copy()
    for cells, answer in _ask(members, table):
        filled[cells] = answer.mean
    return filled


def deviations(members, table):
    """Return the standard deviations of the missing cells, zero where observed."""
    result = np.zeros_like(table.X)
    for cells, answer in _ask(members, table):
        result[cells] = answer.deviation
    return result


def quantiles(members, table, levels):
    """Return quantiles of the missing cells, (n_levels, n, d); observed ones are as they are."""
    result = np.repeat(table.X[None], len(levels), axis=0)
    for cells, answer in _ask(members, table):
        for rows, level in zip(result, levels, strict=True):
            rows[cells] = _quantile(answer, level)
    return result


def log_densities(members, table):
    """Return log p of the observed cells of each row, (n,); 0 for a row without any."""
    result = np.zeros(len(table.X))
    for (rows, _), answer in _ask(members, table):
        result[rows[:, 0]] = answer.log_density
    return np.where(table.observed.any(axis=1), result, 0.0)


def draw(members, table, n_draws, random):
    """Return rows with missing cells drawn given the others, (n_draws, n, d).

    A component is drawn by its probability given what is observed, then the cells from its
    Gaussian.

    Parameters
    ----------
    members : list of Member
    table : Table
    n_draws : int
    random : RandomState
    """
    result = np.repeat(table.X[None], n_draws, axis=0)
    for cells, answer in _ask(members, table):
        roots = np.linalg.cholesky(answer.covariances)
        for rows in result:
            rows[cells] = _draw_cells(answer, roots, random)
    return result


def _draw_cells(answer, roots, random):
    _, n, m = answer.means.shape
    below = answer.weights.cumsum(axis=0) < random.random_sample(n)
    k = np.minimum(below.sum(axis=0), len(below) - 1)
    noise = np.einsum("nij,nj->ni", roots[k, answer.pattern], random.standard_normal((n, m)))
    return answer.means[k, np.arange(n)] + noise


def _ask(members, table):
    """Yield the indices of the missing cells of a block of rows, and the `Answer` to them."""
    asked = [(member.share, _to_ask(member.mixture)) for member in members]
    n_components = sum(member.mixture.n_components for member in members)
    for block in Holes(table.observed).blocks(n_components):
        parts = [who.answer(table, block) for _, who in asked]
        weights, means, covariances, logs = zip(*parts, strict=True)
        weights = [share * w for (share, _), w in zip(asked, weights, strict=True)]
        logs = [np.log(share) + log for (share, _), log in zip(asked, logs, strict=True)]
        yield (
            (block.rows[:, None], block.columns[block.pattern]),
            Answer(
                *map(np.concatenate, (weights, means, covariances)),
                block.pattern,
                logsumexp(logs, axis=0),
            ),
        )


def _to_ask(mixture):
    """Return what answers for a mixture; a density with a code does so itself."""
    return Conditioner(mixture) if isinstance(mixture, Mixture) else mixture


def _quantile(answer, level):
    """Return the quantile of each cell by halving an interval that holds it, (n, m)."""
    means, scales, weights = answer.means, answer.scales, answer.weights[:, :, None]
    ends = means + ndtri(level) * scales  # the quantiles of the components hold that of them all
    if len(means) == 1:
        return ends[0]
    low, high = ends.min(axis=0), ends.max(axis=0)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        is_below = (weights * ndtr((middle - means) / scales)).sum(axis=0) < level
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2
