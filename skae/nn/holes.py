r"""Rows of which some cells are not observed, NaN, as a linear Gaussian model sees them.

.. math:: x = W z + b + A c + \epsilon, \quad z \sim N(0, I), \quad \epsilon \sim N(0, \Psi)

Given the observed cells o of a row, with :math:`y = x - b - A c`,

.. math:: p(z \mid x_o) = N(C\, W_o^T \Psi_o^{-1} y_o,\; C), \quad
          C = (I + W_o^T \Psi_o^{-1} W_o)^{-1}

The linear posterior mean of a row whose missing cells are filled by their means is the posterior
mean given the observed ones: an encoder that starts at the first starts at the second.
"""

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .distributions import Gaussian, Mixture, Spread, SpreadGaussian


class Given(NamedTuple):
    """What is known of rows from their observed cells.

    `mean` (batch, k) is that of z, whose covariance is L L^T with `factor` L, (batch, k, k), lower
    triangular; `log_density` (batch,) is that of the observed cells.
    """

    mean: Tensor
    factor: Tensor
    log_density: Tensor

    @property
    def covariance(self) -> Tensor:
        """The covariance of z, (batch, k, k)."""
        return self.factor @ self.factor.mT


def condition(y: Tensor, observed: Tensor, loadings: Tensor, noise: Tensor) -> Given:
    """Return what a linear Gaussian model says of rows about its mean.

    Parameters
    ----------
    y : tensor of shape (batch, n_features)
        In double precision, 0 where nothing is observed.
    observed : tensor of bool, of the same shape
    loadings : tensor of shape (k, n_features)
        The transpose of W.
    noise : tensor of shape (n_features,)
        The diagonal of Psi.
    """
    k, seen = len(loadings), observed.to(y)
    identity = torch.eye(k, dtype=y.dtype, device=y.device)
    # With z in reverse order the inverse of the precision's factor is that of the covariance.
    root = cholesky(identity + information(seen, loadings.flip(0), noise))
    factor = torch.linalg.solve_triangular(root, identity, upper=False).mT.flip(-1, -2)
    slope = (y / noise) @ loadings.T
    white = (slope[:, None, :] @ factor)[:, 0]
    mean = (factor @ white[:, :, None])[:, :, 0]
    squares = (y.square() / noise).sum(dim=1) - white.square().sum(dim=1)
    logs = 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(dim=1) + seen @ noise.log()
    constant = math.log(2 * math.pi) * seen.sum(dim=1)
    return Given(mean, factor, -(squares + logs + constant) / 2)


def cholesky(matrices: Tensor) -> Tensor:
    """Return the Cholesky factors, NaN where there is none: models on the way may be absurd."""
    roots, info = torch.linalg.cholesky_ex(matrices)
    return torch.where(info[..., None, None] == 0, roots, torch.nan)


def information(seen: Tensor, loadings: Tensor, noise: Tensor) -> Tensor:
    """Return what observed cells tell of z, W_o^T Psi_o^-1 W_o, (batch, k, k)."""
    k, d = loadings.shape
    of_cells = (loadings / noise).T[:, :, None] * loadings.T[:, None, :]
    return (seen @ of_cells.reshape(d, k * k)).reshape(-1, k, k)


class LinearGaussian(nn.Module):
    """The linear Gaussian model of the training rows, by which rows with holes are completed.

    Parameters
    ----------
    loadings : tensor of shape (k, n_features)
        Turned so that the posterior of a whole row is diagonal.
    noise : tensor of shape (n_features,)
    mean : tensor of shape (n_features,)
    slopes : tensor of shape (n_features, n_conditions) or None
    """

    repeatable = True
    loadings: Tensor
    noise: Tensor
    mean: Tensor
    slopes: Tensor | None

    def __init__(
        self, loadings: Tensor, noise: Tensor, mean: Tensor, slopes: Tensor | None = None
    ) -> None:
        super().__init__()
        parts = {"loadings": loadings, "noise": noise, "mean": mean, "slopes": slopes}
        for name, value in parts.items():
            self.register_buffer(name, value, persistent=False)  # the estimator keeps them

    def complete(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Given]:
        """Return rows, their missing cells the means given the others, and what is known of z."""
        observed = ~x.isnan()
        centre = self.mean.double()
        if self.slopes is not None and c is not None:
            centre = centre + c.double() @ self.slopes.double().T
        y = torch.where(observed, x.double() - centre, 0.0)
        loadings, noise = self.loadings.double(), self.noise.double()
        given = condition(y, observed, loadings, noise)
        return torch.where(observed, x, (centre + given.mean @ loadings).to(x)), given

    def spread(self, given: Given) -> Tensor:
        """Return the factor of z's covariance relative to the deviations of a whole row.

        Parameters
        ----------
        given : Given

        Returns
        -------
        spread : tensor of shape (batch, k, k)
            Lower triangular, the identity for a whole row.
        """
        loadings, noise = self.loadings.double(), self.noise.double()
        whole = information(torch.ones_like(noise)[None], loadings, noise)[0].diagonal()
        return (1 + whole).sqrt()[:, None] * given.factor


class Completion(NamedTuple):
    """What the linear model makes of rows with missing cells, in the network's precision.

    `rows` (batch, n_features) have their missing cells filled; the factor of `spread` is what
    `LinearGaussian.spread` returns; None where q(z | x) does not start at the linear posterior.
    """

    rows: Tensor
    spread: Spread | None = None

    def widened(self, q: Gaussian) -> Gaussian:
        """Return q(z | x_o), given q(z | x) of the filled rows.

        It has the covariance of the linear model given the observed cells, its rows and columns
        multiplied by what the network makes of the standard deviations of a whole row.
        """
        if self.spread is None:
            return q
        wide = SpreadGaussian(q.mean, q.log_scale, self.spread)
        if q.lower is None:
            return wide
        lower = q.lower + wide.deviation[..., None] * self.spread.factor.tril(-1)
        return Gaussian(q.mean, wide.log_scale, lower)


class TakesHoles:
    """Part of a density's module whose rows may have NaN, for what is not observed.

    The module has `q_of_whole`, `p_z` and `split`, and sets `linear`, the `LinearGaussian` by
    which rows are completed.
    """

    takes_holes = False  # while it is, NaN is looked for
    starts_linear = False  # whether q(z | x) starts at the posterior of `linear`

    def taking_holes(self):
        """Return this module, with all that it has, as one whose rows may have holes."""
        if self.linear is None:
            raise ValueError(
                "X contains NaN, and this model was fitted by a version of skae that took none: "
                "fit it again."
            )
        other = copy.copy(self)
        other.takes_holes = True
        return other

    def complete(self, x):
        """Return rows whose missing cells are their means given the others."""
        row, c = self.split(x)
        completed, _ = self.linear.complete(row, c)
        return completed if c is None else torch.cat([completed, c], dim=-1)

    def completion(self, x, c=None):
        """Return the `Completion` of rows; nothing is spread of an empty one."""
        missing = x.isnan()
        rows, given = self.linear.complete(x, c)
        rows = rows.clamp(0, 1) if self.is_bernoulli else rows
        if not self.starts_linear:
            return Completion(rows)
        has_some = (missing.any(-1) & ~missing.all(-1))[:, None, None]
        identity = torch.eye(given.mean.shape[1], dtype=x.dtype, device=x.device)
        factor = torch.where(has_some, self.linear.spread(given).to(x), identity)
        return Completion(rows, Spread.of(factor))

    def q_of_observed(self, x, c=None, masks=(), completion=None):
        """Return q(z | x_o, c) of the cells o that are not NaN; without any it is p(z | c).

        The `Completion` of the rows is computed where it is not given.
        """
        completion = self.completion(x, c) if completion is None else completion
        q, p_z = self.q_of_whole(completion.rows, c, masks), self.p_z(c)
        p_z = p_z.matched if isinstance(p_z, Mixture) else p_z
        return completion.widened(q.replaced(x.isnan().all(-1, keepdim=True), p_z))

    # What is the same in every epoch of a training, because the linear model is

    @property
    def n_kept(self):
        """Number of columns that `kept_of` returns, 0 where a completion is not kept."""
        if not self.takes_holes or self.corruption is not None:
            return 0
        k, d = self.linear.loadings.shape
        return d + (k * k + 2 * k) * self.starts_linear

    def kept_of(self, x):
        """Return the completion of rows as columns that a training keeps beside them."""
        rows, spread = self.completion(*self.split(x))
        return torch.cat([part.flatten(1) for part in (rows, *(spread or ()))], dim=1)

    def without_kept(self, x):
        """Return rows, and the completion that is kept beside them, or None."""
        k, d = self.linear.loadings.shape
        n_columns = d + self.n_conditions
        if x.shape[-1] == n_columns:
            return x, None
        if not self.starts_linear:
            return x[:, :n_columns], Completion(x[:, n_columns:])
        x, rows, factor, *others = x.split([n_columns, d, k * k, k, k], dim=-1)
        return x, Completion(rows, Spread(factor.unflatten(-1, (k, k)), *others))

    def log_p_x(self, p_x, x):
        """Return log p(x_o | z) of the cells o that are not NaN."""
        if not self.takes_holes:
            return p_x.log_prob(x)
        observed = ~x.isnan()
        cells = p_x.log_prob_of_cells(torch.where(observed, x, 0.0))
        return torch.where(observed, cells, 0.0).sum(-1)
