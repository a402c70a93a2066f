r"""The start of a density model whose encoder sees corrupted rows.

With u the code that the linear model gives to a corrupted row, and B the slopes of clean rows
on u, the means of q that are best for a noise :math:`\Psi` are those of the linear model for B u,

.. math:: (I + W^T \Psi^{-1} W)^{-1} W^T \Psi^{-1} B u,

and :math:`\Psi` is what they leave of clean rows: far more than the linear model leaves where
columns have no noise of their own, as a total of others that no longer add up to it.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from .. import _ranks
from ..data.tables import chunks_of
from ..nn import linear_gaussian
from ..training.randomness import global_generator_for, make_generator
from .noise import noise_of, noise_rule

N_STEPS = 30  # of noise and posterior in turn, from the same moments
RIDGE = 1e-9  # of the mean square of a code


class Moments(NamedTuple):
    """Means over rows x, about the mean of the linear model, and codes u of corrupted rows.

    `cross` (n_features, k) is E[x u^T], `square` (k, k) is E[u u^T], `variances` (n_features,)
    are E[x^2]. Missing cells count as completed.
    """

    cross: Tensor
    square: Tensor
    variances: Tensor


def learns_from_corrupted(estimator):
    """Whether the noise variance is learned from rows that are corrupted."""
    is_learned = estimator.likelihood == "gaussian" and isinstance(estimator.noise_variance, str)
    kind = estimator.corruption
    return is_learned and kind is not None and (callable(kind) or estimator.corruption_level > 0)


def start_from_corrupted(estimator, rows, weights, noise, linear_map, mean, slopes=None):
    """Return the noise variance, and the linear map, where the encoder sees corrupted rows.

    Parameters
    ----------
    estimator : VAE
    rows : RowsOnDevice or RowsOnHost
        Of the training, in the network's units; conditions beside them.
    weights : tensor of shape (n_samples,) or None
    noise : tensor of shape () or (n_features,)
        That of clean rows.
    linear_map : sequence of three tensors
        Loadings, gain and variances of the posterior of clean rows.
    mean, slopes : tensors
        Those of the linear model.
    """
    loadings, gain, _ = linear_map
    moments = _moments_of(estimator, rows, weights, gain, mean, slopes)
    of_codes = _slopes_on_codes(moments)
    to_noise, _ = noise_rule(estimator, noise_of(estimator))
    counts, has_shared = torch.ones_like(moments.variances), not estimator.module_.log_noise.dim()
    solve = linear_gaussian.posterior
    if estimator.covariance_type == "identity":
        solve = partial(linear_gaussian.unit_posterior_at, before=noise)
    for _ in range(N_STEPS):
        W, found, variances = solve(loadings, noise=noise)
        H = found @ of_codes
        left = to_noise(_left(moments, W, H, variances), counts)
        noise = left.mean() if has_shared else left
    return noise, (W, H @ gain, variances)


def _slopes_on_codes(moments):
    """Return the slopes of rows on the codes of corrupted ones, (n_features, k)."""
    square, k = moments.square, len(moments.square)
    ridge = RIDGE * square.trace() / k + torch.finfo().tiny  # of codes that are 0, too
    return torch.linalg.solve(square + ridge * torch.eye(k), moments.cross.T).T


def _left(moments, loadings, codes, variances):
    """Return what is left of each column by means of q, `codes` of u, and its variances."""
    found = loadings.T @ codes  # of u
    explained = 2 * moments.cross - found @ moments.square
    left = moments.variances - (found * explained).sum(dim=1)
    return left.clamp_min(0) + variances @ loadings.square()


@torch.no_grad()
def _moments_of(estimator, rows, weights, gain, mean, slopes):
    """Return the `Moments` of rows, and of codes that a linear map makes of them, corrupted."""
    module, sums = estimator.module_, [0.0] * 4
    generator = make_generator(estimator._seed, "corruption", estimator.device_)
    for span in chunks_of(rows):
        x, c = module.split(rows.span(span))
        with global_generator_for(module, generator):
            seen = module.corruption(x, module.corruption.draw(len(x), generator))
        seen = torch.where(x.isnan(), x, seen)
        centre = mean if slopes is None else mean + c.double().cpu() @ slopes.T
        x, seen = (_complete(module, part, c) - centre for part in (x, seen))
        w = torch.ones(len(x)) if weights is None else weights[span].cpu()
        u, w = seen @ gain.T, w.double()[:, None]
        parts = (w * x).T @ u, (w * u).T @ u, (w * x * x).sum(dim=0), w.sum()
        sums = [part + total for part, total in zip(parts, sums, strict=True)]
    cross, square, variances, total = _ranks.total(*sums)
    return Moments(cross / total, square / total, variances / total)


def _complete(module, x, c):
    """Return rows without missing cells, in double precision."""
    if module.takes_holes:
        beside = x if c is None else torch.cat([x, c], dim=1)
        x, _ = module.split(module.complete(beside))
    return x.double().cpu()
