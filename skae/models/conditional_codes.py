"""Codes given a condition: those of training rows with their labels, and new ones."""

import numpy as np
import torch

from .. import _ranks
from ..data.streams import N_STORED_CODES
from ..data.tables import chunk_to_tensor, chunks_of
from ..estimator.choices import hidden_layer_sizes_of
from ..estimator.evidence import posterior_of
from ..estimator.sampling import choose_rows
from ..estimator.windows import FEWEST_CODES, draw_from_windows
from ..nn.networks import MLP
from ..nn.priors import ConditionalPrior, FittedPrior, StandardPrior
from ..training.randomness import make_random_state

LEAST_SPREAD = 1e-6  # of a number of the code, as a share of the variance of all

# The prior p(z | c)


def make_prior(estimator, generator):
    """Return the prior of the module, with initial weights drawn from `generator`."""
    k, n_conditions = estimator._n_features_out, estimator._n_conditions
    if estimator.conditional_prior == "none":
        return FittedPrior(k)
    if estimator.conditional_prior == "standard" or not n_conditions:
        return StandardPrior(k)
    network = MLP(
        n_conditions,
        hidden_layer_sizes_of(estimator),
        2 * k,
        activation=estimator.activation,
        generator=generator,
    )
    return ConditionalPrior(network, k)


def fit_prior(estimator, X, streaming):
    """Fit the Gaussian that stands for a prior, where there is none.

    Parameters
    ----------
    estimator : ConditionalVAE
        That knows the moments of its codes.
    X : table of shape (n_samples, n_columns)
        Rows and conditions side by side.
    streaming : bool
        Whether the rows go on a stream.
    """
    moments, prior = estimator._code_moments, estimator.module_.prior
    prior.fit(moments["mean"], _above_zero(moments["covariance"]))
    rows = choose_rows(X, N_STORED_CODES, estimator._seed)
    covariances = posterior_of(estimator, rows, of_scores=True).covariance.double()
    within, n_rows = _ranks.total(covariances.sum(0), len(covariances))
    within = (within / n_rows).numpy()
    if streaming:
        within = moments["share"] * estimator._within + (1 - moments["share"]) * within
    estimator._within = within
    prior.fit(moments["mean"], _above_zero(within + moments["covariance"]))


def _above_zero(covariance):
    """Return a covariance with an inverse: numbers of the code may not vary."""
    return covariance + LEAST_SPREAD * (np.trace(covariance) or 1.0) * np.eye(len(covariance))


def draw_from_prior(p_z, n_rows, generator):
    """Return a code for each row of the condition, whether or not the prior asks for it."""
    return p_z.sample(() if p_z.mean.dim() == 2 else (n_rows,), generator)


# The codes of training rows, with the number of the label in the last column


def with_labels(codes, X, n_features):
    """Return codes with the labels that stand, as ones and zeros, behind the features of X."""
    labels = [chunk_to_tensor(X, rows)[:, n_features:].argmax(1) for rows in chunks_of(X)]
    return np.column_stack([codes, torch.cat(labels).numpy()]).astype(codes.dtype)


def draw_like_kept(estimator, C, n_samples, seed):
    """Return codes like those of rows with each label; None where a label has too few.

    Parameters
    ----------
    estimator : ConditionalVAE
        With codes of training rows.
    C : ndarray of shape (n_conditions, n_numbers)
        Labels as ones and zeros.
    n_samples : int
        Number of codes for each.
    seed : int
    """
    random_state, codes = make_random_state(seed, "sample"), estimator._codes
    kept = [codes] * len(C)
    if estimator._condition.kind == "labels":
        kept = [codes[codes[:, -1] == label, :-1] for label in C.argmax(axis=1)]
    if min(map(len, kept)) < FEWEST_CODES:  # draws would be the codes of single rows
        return None
    drawn = [draw_from_windows(part, n_samples, random_state) for part in kept]
    return np.concatenate(drawn).astype(estimator._X_dtype)
