"""The start of a density model: the linear Gaussian model at its maximum likelihood, the prior."""

import numpy as np
import torch

from .. import _ranks
from ..data.moments import N_DENSE, principal_components, scatter
from ..data.sources import rows_that_count
from ..data.tables import chunks_of, share
from ..nn import linear_gaussian
from ..nn.holes import LinearGaussian
from ..training.randomness import global_generator_for
from .choices import has_linear_path
from .corrupted_start import learns_from_corrupted, start_from_corrupted
from .holes import Filled, fit_linear_model
from .noise import noise_of, noise_rule
from .start import start_mean_of

# A component of a learned prior starts at the mean of a row and its nearest among some: what a
# file holds is then no row.
N_ROWS_OF_PRIORS, N_NEAR = 1000, 5


def start_corruption(estimator, rows, weights):
    """Let salt and pepper know the range of each column, in rows that have weight."""
    rows = rows_that_count(rows, weights)
    filled = Filled(rows, start_mean_of(estimator)) if estimator._has_holes else rows
    module, spans = estimator.module_, (filled.span(span) for span in chunks_of(rows))
    module.corruption.start(module.split(x)[0] for x in spans)


def start_linear_model(estimator, rows, weights):
    """Learn the linear Gaussian model of the rows, and start the networks there if they may.

    Parameters
    ----------
    estimator : VAE
    rows : RowsOnDevice or RowsOnHost
        Of the training, in the network's units; conditions beside them.
    weights : tensor of shape (n_samples,) or None
    """
    if estimator._has_holes:
        start_with_holes(estimator, rows, weights)
        return
    is_gaussian = estimator.likelihood == "gaussian"
    learn = start_at_linear_gaussian if is_gaussian else learn_linear_model
    learn(estimator, rows, weights)


def start_at_linear_gaussian(estimator, rows, weights):
    """Set the noise variance, and with a linear path the networks, to the linear optimum.

    Parameters
    ----------
    estimator : VAE
    rows : RowsOnDevice or RowsOnHost
        Of the training, in the network's units; conditions beside them.
    weights : tensor of shape (n_samples,) or None
    """
    part, mean, slopes = estimator._linear_part(rows, weights)
    noise, *linear_map = _solve_linear_case(estimator, part, weights, mean)
    keep_linear_model(estimator, linear_map[0], noise, mean, slopes)
    if learns_from_corrupted(estimator):
        clean = noise, linear_map, mean, slopes
        noise, linear_map = start_from_corrupted(estimator, rows, weights, *clean)
        keep_linear_model(estimator, linear_map[0], noise, mean, slopes)
    estimator.module_.start_noise(noise)
    if estimator.ordered:
        estimator.module_.start_prefixes(linear_map[0], noise)
    if has_linear_path(estimator):
        estimator.module_.start_posterior(*linear_map, mean, slopes)


def start_with_holes(estimator, rows, weights):
    """Do what `start_at_linear_gaussian` does from rows of which cells are missing.

    Parameters
    ----------
    estimator : VAE
    rows : RowsOnDevice or RowsOnHost
        Of the training, in the network's units, with NaN; conditions beside them.
    weights : tensor of shape (n_samples,) or None
    """
    module, known = estimator.module_, noise_of(estimator)
    model = fit_linear_model(
        rows,
        weights,
        start_mean_of(estimator),
        estimator._n_features_out,
        *noise_rule(estimator, known),
        estimator.net_.generators["initialisation"],
    )
    linear_map = linear_gaussian.posterior(model.loadings, model.noise)
    slopes = model.slopes if model.slopes.shape[1] else None
    keep_linear_model(estimator, linear_map[0], model.noise, model.mean, slopes)
    if estimator.likelihood != "gaussian":
        return
    noise = model.noise if module.log_noise.dim() else model.noise.mean()
    if estimator.covariance_type == "identity":
        noise, *linear_map = linear_gaussian.unit_posterior(*_components_of(model), noise)
    if learns_from_corrupted(estimator):
        clean = noise, linear_map, model.mean, slopes
        noise, linear_map = start_from_corrupted(estimator, rows, weights, *clean)
        keep_linear_model(estimator, linear_map[0], noise, model.mean, slopes)
    module.start_noise(noise)
    if has_linear_path(estimator):
        module.start_posterior(*linear_map, model.mean, slopes)


def _components_of(model):
    """Return principal components, their variances and the rest, of probabilistic PCA."""
    (k, d), noise = model.loadings.shape, model.noise.mean()
    turned, _, _ = linear_gaussian.posterior(model.loadings, noise)
    lengths = turned.norm(dim=1)
    components = turned / torch.where(lengths > 0, lengths, 1.0)[:, None]
    return components, lengths.square() + noise, float((d - k) * noise)


def learn_linear_model(estimator, rows, weights):
    """Learn the model by which holes are filled of rows that are whole, and no Gaussian's.

    Parameters
    ----------
    estimator, rows, weights
        As in `start_at_linear_gaussian`.
    """
    part, mean, slopes = estimator._linear_part(rows, weights)
    generator = torch.Generator().manual_seed(estimator._seed)
    pca = principal_components(part, weights, mean, estimator._n_features_out, generator)
    loadings, noise = linear_gaussian.probabilistic_pca(*pca)
    keep_linear_model(estimator, loadings, noise, mean, slopes)


def keep_linear_model(estimator, loadings, noise, mean, slopes):
    """Keep the model by which rows with holes are completed, and hand it to the module."""
    parts = {"loadings": loadings, "noise": noise.expand(len(mean)), "mean": mean}
    if slopes is not None:
        parts["slopes"] = slopes
    estimator._linear = {
        name: part.double().cpu().contiguous().numpy() for name, part in parts.items()
    }
    module = estimator.module_
    like = next(module.parameters())
    module.linear = linear_model_of(estimator).to(like)


def linear_model_of(estimator):
    """Return the model by which rows with holes are completed; None where none is known yet."""
    if estimator._linear is None:
        return None
    parts = {name: share(part) for name, part in estimator._linear.items()}
    parts["loadings"] = parts["loadings"][: estimator._n_features_out]  # of an ordered code
    return LinearGaussian(**parts)


def _solve_linear_case(estimator, rows, weights, mean):
    """Return the noise variance, the loadings, and gain and variances of the posterior."""
    k, is_identity = estimator._n_features_out, estimator.covariance_type == "identity"
    known = noise_of(estimator)
    if known.kind == "per_feature" and not is_identity and len(mean) <= N_DENSE:
        covariance, _ = scatter(rows, weights, mean, None)
        loadings, noise = linear_gaussian.factor_analysis(covariance, k, known.least)
        return noise, *linear_gaussian.posterior(loadings, noise)
    generator = estimator.net_.generators["initialisation"]
    pca = principal_components(rows, weights, mean, k, generator)
    noise = _given_noise(estimator, pca, known)
    if is_identity:
        return linear_gaussian.unit_posterior(*pca, noise)
    loadings, noise = linear_gaussian.probabilistic_pca(*pca, noise)
    return noise, *linear_gaussian.posterior(loadings, noise)


def _given_noise(estimator, pca, known):
    """Return a noise variance in the network's units that is not to be found there, or None.

    It is the user's, or where columns are constant that of the others alone, or the least where
    rows are too few to tell.
    """
    variance = estimator.noise_variance
    if not isinstance(variance, str):
        return torch.as_tensor(variance / np.square(estimator.scale_), dtype=torch.float64)
    is_bounded = known.least > linear_gaussian.LEAST_NOISE
    if estimator.covariance_type == "identity" or (known.constant is None and not is_bounded):
        return None
    components, variances, residual = pca
    if known.constant is not None:
        components = components[:, ~torch.from_numpy(known.constant)]
    _, noise = linear_gaussian.probabilistic_pca(components, variances, residual)
    return noise.clamp_min(known.least)


def start_prior(estimator, rows, weights, n_prior_components):
    """Let a learned prior start at what the module makes of means of neighbouring rows.

    Rows without weight are left out.
    """
    generators, rows = estimator.net_.generators, rows_that_count(rows, weights)
    order = torch.randperm(len(rows), generator=generators["initialisation"])[:N_ROWS_OF_PRIORS]
    some = rows.take(order.to(rows.device))
    if estimator._has_holes:
        some = estimator.module_.complete(some)
    chosen = torch.randint(
        len(some), (n_prior_components,), generator=generators["initialisation"]
    )
    means = _ranks.from_rank(_means_of_neighbours(some[chosen.to(some.device)], some))
    module = estimator.module_.eval()
    with global_generator_for(module, generators["noise"]):
        module.prior.start(module, means)


def _means_of_neighbours(points, rows):
    """Return the mean of the nearest rows of each point, (n_points, n_features).

    Of rows that are equally far there are all, so that rounding decides nothing.
    """
    distances = torch.cdist(points, rows, compute_mode="donot_use_mm_for_euclid_dist")
    farthest = distances.kthvalue(min(N_NEAR, len(rows)), dim=1, keepdim=True)[0]
    near = (distances <= 1.0001 * farthest).to(rows.dtype)
    return near @ rows / near.sum(dim=1, keepdim=True)
