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

from .distributions import Gaussian, Mixture


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

    def widen(self, q: Gaussian, given: Given, has_holes: Tensor) -> Gaussian:
        """Return q(z | x) of rows with holes, given that of their completion.

        It has the covariance of the linear model given the observed cells, its rows and columns
        multiplied by what the network makes of the standard deviations of a whole row.

        Parameters
        ----------
        q : Gaussian
        given : Given
        has_holes : tensor of bool of shape (batch, 1)
            Which rows have any; the others' is left as it is.
        """
        loadings, noise = self.loadings.double(), self.noise.double()
        whole = information(torch.ones_like(noise)[None], loadings, noise)[0].diagonal()
        factor = given.factor
        log_ratio = (0.5 * whole.log1p()).to(q.mean) + q.log_scale
        log_scale = log_ratio + factor.diagonal(dim1=-2, dim2=-1).log().to(q.mean)
        lower = log_ratio.exp()[..., None] * factor.tril(-1).to(q.mean)
        lower = torch.where(has_holes[..., None], lower, 0.0)
        return Gaussian(
            q.mean,
            torch.where(has_holes, log_scale, q.log_scale),
            lower if q.lower is None else lower + q.lower,
        )


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

    def q_of_observed(self, x, c=None, masks=()):
        """Return q(z | x_o, c) of the cells o that are not NaN; without any it is p(z | c)."""
        missing = x.isnan()
        completed, given = self.linear.complete(x, c)
        completed = completed.clamp(0, 1) if self.is_bernoulli else completed
        q, p_z = self.q_of_whole(completed, c, masks), self.p_z(c)
        if self.starts_linear:
            q = self.linear.widen(q, given, missing.any(-1, keepdim=True))
        p_z = p_z.matched if isinstance(p_z, Mixture) else p_z
        return q.replaced(missing.all(-1, keepdim=True), p_z)

    def log_p_x(self, p_x, x):
        """Return log p(x_o | z) of the cells o that are not NaN."""
        if not self.takes_holes:
            return p_x.log_prob(x)
        observed = ~x.isnan()
        cells = p_x.log_prob_of_cells(torch.where(observed, x, 0.0))
        return torch.where(observed, cells, 0.0).sum(-1)
