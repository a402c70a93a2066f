"""The noise of a Gaussian likelihood: what ``noise_variance="auto"`` comes to.

A variance of each column fits better, but a row that is unlike the others then has a far lower
density. The choice is made before training, by the held-out likelihood of the linear model.
"""

import math
from typing import NamedTuple

import numpy as np
import torch

from .. import _ranks
from ..data.moments import N_DENSE, scatter
from ..data.regression import Residuals
from ..data.sources import ChosenRows
from ..nn.linear_gaussian import (
    LEAST_NOISE,
    expected_log_density,
    factor_analysis,
    probabilistic_pca_of,
)
from ..training.randomness import make_generator
from .halves import FEWEST_ROWS, halves_of, rows_with_weight
from .holes import ROUGHLY, expect, fit_linear_model
from .persistence import with_attributes
from .start import start_mean_of

# Floors of noise per feature, relative to the shared one. The lower ones are for columns that are
# tied to each other, such as a width, a height and an area. They have to gain `LEAST_GAIN` nats of
# a row, because networks learn little beside so little noise.
FLOORS, FLOORS_OF_TIES, LEAST_GAIN = (1e-3, 1e-2, 1e-1), (1e-5, 1e-7, 1e-9, 0.0), 0.1
LEAST_OF_TIES = 1e-12  # as in scikit-learn's FactorAnalysis
# Parts of the rows, each held out once: a few rows may decide what a single part is like. Of more
# than `N_WIDE` columns factor analysis takes long, and the parts are two.
N_PARTS, N_PARTS_WIDE, N_WIDE = 4, 2, 128
FACTORS = (2.0, 5.0, 10.0)  # of the shared one, where a few rows with holes left too little
# Rows are too few for a code where a half has fewer of them for each of its numbers, and a linear
# model leaves more of the other half, relative to its own: the noise would be far too small.
ROWS_PER_NUMBER, OVERFITTED = 5, 2.0


class Noise(NamedTuple):
    """What is known of the noise before training, in the network's units.

    Parameters
    ----------
    kind : {"shared", "per_feature"}
    least : float
        What a learned variance stays above.
    constant : ndarray of bool of shape (n_features,) or None
        Columns without noise to be learned: they do not vary; None: there are none.
    n_rows : int
        That have shown it.
    """

    kind: str
    least: float
    constant: object = None
    n_rows: int = 0


def noise_of(estimator):
    """Return the `Noise` of an estimator, as its parameter says or as it was chosen."""
    if estimator.noise_variance == "auto":
        return Noise(**estimator._noise)
    kind = estimator.noise_variance if estimator.noise_variance == "per_feature" else "shared"
    return Noise(kind, LEAST_NOISE if isinstance(estimator.noise_variance, str) else 0.0)


def noise_options(estimator, n_features):
    """Return what a module's constructor is given of the noise of p(x | z), by name."""
    known, is_learned = noise_of(estimator), isinstance(estimator.noise_variance, str)
    varies = known.kind == "per_feature" or (not is_learned and np.ndim(estimator.scale_) > 0)
    constants = None
    if known.constant is not None:
        mean = start_mean_of(estimator)
        constants = mean.where(torch.from_numpy(known.constant), math.nan)
    return {
        "noise_shape": (n_features,) if varies else (),
        "learn_noise": is_learned,
        "least_noise": known.least,
        "constants": constants,
        "n_rows": known.n_rows,
    }


def noise_rule(estimator, known):
    """Return what makes noise variances of what a linear model leaves, and a floor.

    Parameters
    ----------
    estimator : VAE
    known : Noise

    Returns
    -------
    to_noise : callable
        Of the sums of squares that each column leaves, and of their weights; (n_features,).
    least : float
        What the variances are at least.
    """
    d, variance = len(estimator.mean_), estimator.noise_variance
    if not isinstance(variance, str):
        fixed = torch.as_tensor(variance / np.square(estimator.scale_), dtype=torch.float64)
        return lambda left, counts: fixed.expand(d), 0.0
    if known.kind == "per_feature" and estimator.covariance_type != "identity":
        return lambda left, counts: _each(left, counts).clamp_min(known.least), known.least
    varies = torch.ones(d, dtype=torch.bool)
    if known.constant is not None and not known.constant.all():
        varies = torch.from_numpy(~known.constant)

    def shared(left, counts):
        return (left[varies].sum() / counts[varies].sum()).clamp_min(known.least).expand(d)

    return shared, known.least


def _each(left, counts):
    """Return the mean square of each column; of one without numbers in these rows it is 1."""
    return torch.where(counts > 0, left / counts, 1.0)


def choose_noise(estimator, rows, weights):
    """Return the `Noise` of ``noise_variance="auto"``.

    Parameters
    ----------
    estimator : VAE
        With its units.
    rows : RowsOnDevice or RowsOnHost
        Of the training, in the network's units.
    weights : tensor of shape (n_samples,) or None
    """
    index = rows_with_weight(rows, weights)
    varies = torch.from_numpy(estimator._variance > 0)
    constant = None if bool(varies.all()) else (~varies).numpy()
    n_rows = _ranks.total(len(index))
    too_few = n_rows < FEWEST_ROWS or _ranks.smallest(len(index)) < 2
    too_little = too_few or not bool(varies.any())
    if too_little or len(varies) > N_DENSE or estimator.covariance_type == "identity":
        return Noise("shared", LEAST_NOISE, constant, n_rows)
    if estimator._has_holes:
        halves = halves_of(estimator, rows, weights, index)
        kind, least = _choose_with_holes(estimator, *halves, constant)
        return Noise(kind, least, constant, n_rows)
    parts = _covariances_of_parts(estimator, rows, weights, index, varies)
    d, k, floor = int(varies.sum()), estimator._n_features_out, LEAST_OF_TIES
    if n_rows // 2 < ROWS_PER_NUMBER * k < ROWS_PER_NUMBER * d:
        middle = len(parts) // 2
        floor = _floor_of_few_rows(_pooled(parts[:middle]), _pooled(parts[middle:]), k)
    kind, least = _choose(parts, k, floor)
    return Noise(kind, least, constant, n_rows)


def _covariances_of_parts(estimator, rows, weights, index, varies):
    """Return for each part of the rows a covariance of varying columns, and the part's weight.

    The covariance is of what a linear model's code has to explain.
    """
    _, mean, slopes = estimator._linear_part(rows, weights)
    n_parts = N_PARTS if len(varies) <= N_WIDE else N_PARTS_WIDE
    n_parts = min(n_parts, 2 * (_ranks.smallest(len(index)) // 2))  # none is empty
    order = torch.randperm(len(index), generator=make_generator(estimator._seed, "trial"))
    found = []
    for part in index[order].tensor_split(n_parts):
        chosen = part.sort()[0].to(rows.device)
        some, w = ChosenRows(rows, chosen), None if weights is None else weights[chosen]
        some = some if slopes is None else Residuals(some, slopes)
        covariance, _ = scatter(some, w, mean, None)
        total = _ranks.total(float(len(chosen) if w is None else w.double().sum()))
        found.append((covariance[varies][:, varies], total))
    return found


def _pooled(parts):
    """Return the covariance of the rows of some parts."""
    return sum(w * covariance for covariance, w in parts) / sum(w for _, w in parts)


def _choose(parts, n_components, floor):
    """Return the noise that explains each part of the rows best, learnt from the others.

    Parameters
    ----------
    parts : list of (covariance, weight)
    n_components : int
    floor : float
        What noise variances are at least.

    Returns
    -------
    kind : {"shared", "per_feature"}
    least : float
    """
    _, of_all = probabilistic_pca_of(_pooled(parts), n_components)
    floors = [max(floor, share * float(of_all)) for share in FLOORS + FLOORS_OF_TIES]
    values = 0.0
    for i, (held_out, weight) in enumerate(parts):
        learnt = _pooled(parts[:i] + parts[i + 1 :])
        values = values + weight * _held_out(learnt, held_out, n_components, floor, floors)
    values = values / sum(weight for _, weight in parts)
    values[1 + len(FLOORS) :] -= LEAST_GAIN
    best = int(values.nan_to_num(nan=-math.inf).argmax())
    return ("per_feature", floors[best - 1]) if best else ("shared", max(floor, LEAST_NOISE))


def _held_out(learnt, held_out, n_components, floor, floors):
    """Return log densities of a covariance: with shared noise, and with noise above each floor."""
    loadings, shared = probabilistic_pca_of(learnt, n_components)
    values = [expected_log_density(held_out, loadings, shared.clamp_min(floor))]
    loadings, noise = factor_analysis(learnt, n_components, floor)
    values += [expected_log_density(held_out, loadings, noise.clamp_min(f)) for f in floors]
    return torch.tensor(values, dtype=torch.float64)


def _choose_with_holes(estimator, learnt, held_out, constant):
    """Return the noise that explains what is observed of some rows best, learnt from others."""
    k, mean = estimator._n_features_out, start_mean_of(estimator)
    found, best = None, -math.inf
    for kind in ("shared", "per_feature"):
        as_given = with_attributes(estimator, noise_variance=kind)
        rule = noise_rule(as_given, Noise(kind, LEAST_NOISE, constant))
        generator = make_generator(estimator._seed, "trial")
        model = fit_linear_model(*learnt, mean, k, *rule, generator, ROUGHLY)
        if kind == "shared":
            of_all = float(model.noise[0])
        floors = FLOORS if kind == "per_feature" else (0.0, *FACTORS)
        for least in (max(LEAST_NOISE, share * of_all) for share in floors):
            moments = expect(*held_out, model._replace(noise=model.noise.clamp_min(least)))
            if moments.mean_log_density > best:
                best, found = moments.mean_log_density, (kind, least)
    return found


def _floor_of_few_rows(learnt, held_out, n_components):
    """Return what the noise stays above where rows are few for a code of so many numbers.

    It lies half-way, in logarithms, between what all rows leave of themselves and what half of
    them leaves of the other half.
    """
    _, vectors = torch.linalg.eigh(learnt)
    seen, unseen = (_left_by(vectors[:, -n_components:], part) for part in (learnt, held_out))
    if unseen <= OVERFITTED * seen:
        return LEAST_OF_TIES
    _, of_all = probabilistic_pca_of((learnt + held_out) / 2, n_components)
    return max(LEAST_OF_TIES, math.sqrt(unseen * float(of_all)))


def _left_by(components, covariance):
    """Return the mean variance along directions other than these, (n_features, n_components)."""
    explained = (components.T @ covariance @ components).trace()
    d, k = components.shape
    return max(0.0, float(covariance.trace() - explained)) / (d - k)
