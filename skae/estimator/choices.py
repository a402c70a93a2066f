"""What parameters come to that say "auto" or stand for another."""

import math
from numbers import Integral

from .. import _ranks
from ..nn.activations import RANGES
from .recipes import BaseRecipe, recipe_of

EVERYTHING = (-math.inf, math.inf)

# The decays that alpha="auto" tries: WEAK and MEDIUM first, STRONGER where networks overfit or
# memorise outliers. STRONG leaves hardly more than the linear path or, without one, a constant.
WEAK, MEDIUM, STRONGER, STRONG = 0.1, 1.0, (3.0, 10.0), 30.0

# What max_iter="auto" comes to. Few rows are few steps an epoch, and many rows need no 100 epochs.
STEPS = 8000
FEWEST_EPOCHS, MOST_EPOCHS = 10, 100
# Each row teaches one prefix at a time: first numbers that leave PCA's need longer to find better.
ORDERED_FACTOR = 3


def hidden_layer_sizes_of(estimator):
    """Return a list, of one layer too."""
    sizes = estimator.hidden_layer_sizes
    return [to_int(size) for size in ([sizes] if isinstance(sizes, Integral) else sizes)]


def to_int(size):
    """Return Python's integer for numpy's, whose products may overflow; all else as it is."""
    return int(size) if isinstance(size, Integral) else size


def has_hidden_layers(estimator):
    """Whether networks that are built here have more than one layer."""
    return bool(hidden_layer_sizes_of(estimator)) or recipe_of(estimator, "decoder") is not None


def has_own_networks(estimator):
    """Whether encoder and decoder are both built here, from a recipe or as perceptrons."""
    given = estimator.encoder, estimator.decoder
    return all(network is None or isinstance(network, BaseRecipe) for network in given)


def n_components_of(estimator, n_features):
    """Return the size of the code."""
    if estimator.n_components == "auto":
        return estimator._components_per_feature * n_features
    return to_int(estimator.n_components)


def has_linear_path(estimator):
    """Whether the networks have a linear path."""
    if estimator.linear_path != "auto":
        return estimator.linear_path
    return estimator._linear_path_by_default()


def batch_size_for(estimator, n_samples):
    """Return the number of rows of a training step, `n_samples` and it those of one rank."""
    if estimator.batch_size == "auto":
        of_all = min(256, max(16, _ranks.total(n_samples) // 16))
        return math.ceil(of_all / _ranks.n_ranks())
    return to_int(estimator.batch_size)


def n_epochs_for(estimator, n_samples):
    """Return the number of epochs of a fit, at most; `n_samples` counts validation rows too."""
    if estimator.max_iter != "auto":
        return to_int(estimator.max_iter)
    n_batches = _ranks.largest(math.ceil(n_samples / batch_size_for(estimator, n_samples)))
    n_epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(STEPS / n_batches)))
    factor = ORDERED_FACTOR if estimator.ordered else 1
    return math.ceil(factor * estimator._epochs_factor * n_epochs)


def reach_of(estimator):
    """Return the range of the data that the model can produce, and the parameter's name."""
    if estimator.likelihood == "bernoulli":
        return (0.0, 1.0), "likelihood='bernoulli'"
    bounds = RANGES.get(estimator.output_activation, EVERYTHING)
    return bounds, f"output_activation={estimator.output_activation!r}"


def reaches_everything(estimator):
    """Whether the model can produce all numbers."""
    return reach_of(estimator)[0] == EVERYTHING


def is_scaled(estimator):
    """Whether the networks see the data in units of their own."""
    return estimator.scaling is not None and reaches_everything(estimator)
