"""What a density model says of rows: bounds of their log-likelihood, and what these consist of."""

import math

import numpy as np
import torch

from ..nn.distributions import Gaussian, is_diagonal
from ..nn.score_draws import RowDraws
from ..training.randomness import make_generator
from ..training.torch_settings import torch_as_usual
from .inference import iter_batches, map_rows

SCORE_ROWS, SCORE_CELLS = 2**14, 2**18  # decoded at a time while bounds are computed, at most
PAIRS = 2**22  # numbers held at a time while every code meets every posterior


def posterior_of(estimator, X, dtype=None, of_scores=False):
    """Return q(z | x) of all rows, on the CPU, by default in the precision of X.

    With `of_scores` it is what codes are drawn from for scores.
    """

    def parameters(module, x):
        find = module.proposal if of_scores else module.q_z
        q = find(*module.split(estimator._units.enter(x, x.dtype)))
        parts = [q.mean, q.log_scale.expand_as(q.mean)]
        return torch.cat(parts if q.lower is None else [*parts, q.lower.flatten(-2)], dim=-1)

    # Rows with holes have a triangle, and so have all if one has.
    k = estimator._n_features_out
    found = [v for _, v in iter_batches(estimator, X, dtype or X.dtype, parameters)]
    width = max(part.shape[1] for part in found)
    wide = np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in found])
    mean, log_scale, lower = torch.from_numpy(wide).split([k, k, width - 2 * k], dim=-1)
    return Gaussian(mean, log_scale, lower.unflatten(-1, (k, k)) if width > 2 * k else None)


def bound_of(estimator, X, n_draws):
    """Return the importance-weighted bound of log p(x) of each row, in the user's units."""
    draws = make_draws(estimator, n_draws, X.shape[1])

    def bound_part(module, x):
        size = max(1, min(SCORE_ROWS // len(x), SCORE_CELLS // x.numel()))
        noise = draws.split(draws.hash(x), size)
        return module.importance_bound(estimator._units.enter(x, x.dtype), noise)

    def bound(module, x):
        parts = x.split(max(1, SCORE_CELLS // x.shape[1]))
        bounds = torch.cat([bound_part(module, part) for part in parts])
        return bounds - log_volume(estimator, module, module.split(x)[0])

    return map_rows(estimator, X, X.dtype, bound)


def predictive_of(estimator, X, n_draws):
    """Return logarithms of weights, (n, K), and means, (n, K, d), of x given what is observed."""
    draws = make_draws(estimator, n_draws, X.shape[1])

    def weighted_means(module, x):
        entered, noise = estimator._units.enter(x, x.dtype), draws.split(draws.hash(x), n_draws)
        ((log_w, p_x),) = module.weighted_draws(entered, noise)
        means = estimator._units.leave(p_x.mean).double()
        return torch.cat([log_w[..., None], means], dim=-1).transpose(0, 1)

    found = map_rows(estimator, X, X.dtype, weighted_means)
    return found[..., 0], found[..., 1:]


def make_draws(estimator, n_draws, n_columns):
    """Return the draws of rows, which follow from the row and the seed alone."""
    generator, k = make_generator(estimator._seed, "score"), estimator._n_features_out
    with torch_as_usual():
        return RowDraws(n_draws, k, n_columns, estimator._units, generator, estimator.device_)


def log_volume(estimator, module, x):
    """Return the logarithm of the volume, in the units of X, of one unit of the network.

    Of rows x, (batch, n_features), with holes it is that of what is observed of each, (batch,).
    """
    if not estimator._shifted:
        return 0.0
    logs = np.log(np.broadcast_to(estimator.scale_, estimator.mean_.shape))
    if not module.takes_holes:
        return float(logs.sum())
    observed = ~x.isnan()
    return observed.double() @ torch.from_numpy(logs).to(observed.device)


def decompose_bound(estimator, X):
    """Return the terms of the evidence lower bound, averaged over rows, by name.

    All come from the same draws, so that what is equal in theory is equal to rounding.
    """
    draws = make_draws(estimator, 1, X.shape[1])
    noise = torch.from_numpy(
        map_rows(estimator, X, np.float64, lambda _, x: next(draws.split(draws.hash(x), 1))[0])
    )
    q = posterior_of(estimator, X, np.float64, of_scores=True)
    z = q.draw(noise)

    def log_densities(module, x, z):
        x, c = module.split(estimator._units.enter(x, x.dtype))
        p_z = module.p_z(c)
        exact = (
            module.q_z(x, c).kl(p_z).sum(-1)
            if is_diagonal(p_z)
            else x.new_full((len(x),), math.nan)
        )
        log_p_x = module.log_p_x(module.p_x(z, c), x) - log_volume(estimator, module, x)
        return torch.stack([log_p_x, p_z.log_prob(z), exact], dim=1)

    log_p_x, log_p_z, kl = map_rows(estimator, X, np.float64, log_densities, z).T
    log_q_given_x = q.log_prob_of_draw(noise).numpy()
    log_q = _log_aggregated(q, z).numpy()
    terms = {
        "reconstruction": log_p_x,
        "kl": log_q_given_x - log_p_z,
        "conditional_entropy": -log_q_given_x,
        "cross_entropy": -log_p_z,
        "mutual_information": log_q_given_x - log_q,
        "marginal_kl": log_q - log_p_z,
        "elbo": log_p_x - log_q_given_x + log_p_z,
        "kl_closed_form": kl,
    }
    return {name: float(values.mean()) for name, values in terms.items()}


def _log_aggregated(q, z):
    """Return log q(z) under the mixture of all posteriors, a few rows of z at a time."""
    n, k = q.mean.shape
    numbers = n * k * (1 if q.lower is None else k)
    size = max(1, PAIRS // numbers)
    parts = [q.log_prob(rows[:, None]).logsumexp(1) for rows in z.split(size)]
    return torch.cat(parts) - math.log(n)
