"""The size of an ordered code that is asked for by what it shall explain, or left to the data."""

import math
from numbers import Integral, Real

import numpy as np
import torch

from .._sklearn import Interval, StrOptions
from ..data.moments import N_DENSE, principal_components
from ..data.tables import chunks_of
from ..exceptions import ParameterWarning, warn
from .choices import has_own_networks, n_components_of
from .explained import explained_by_prefixes
from .preparation import to_rows
from .ranks import check_is_alone
from .start import start_mean_of

# What n_components may be where a class has `ordered`.
SIZES = [
    Interval(Integral, 1, None, closed="left"),
    Interval(Real, 0, 1, closed="neither"),
    StrOptions({"auto"}),
]

N_ROWS_AT_ONCE = 128  # for each there is a Jacobian
MOST = 64  # candidates of "auto"
MOST_WIDE = 512  # numbers up to which PCA is asked, where features are too many for all
ROWS_PER_CANDIDATE = 5  # at least, or the last ones are noise

ONE_BY_ONE = "rows are looked at one by one, and each rank has but its own"


def is_share(n_components):
    """Whether it is a share of the variance, as PCA takes one."""
    return isinstance(n_components, Real) and not isinstance(n_components, Integral)


def is_chosen(estimator):
    """Whether the data decide on the size of the code."""
    return estimator.ordered and (
        is_share(estimator.n_components) or estimator.n_components == "auto"
    )


def has_unseen_rows(estimator):
    """Whether training does without some rows, by which the size is chosen."""
    return is_chosen(estimator) and estimator.n_components == "auto"


def check_size(estimator):
    """Refuse models whose size cannot be left to the data."""
    if not is_chosen(estimator):
        return
    asked = f"n_components={estimator.n_components!r}"
    others = "find it on some of the rows, and give it as an int"
    check_is_alone(estimator, asked, f"{ONE_BY_ONE}; {others}")
    if not has_own_networks(estimator):
        raise ValueError(
            f"{asked} needs built-in networks, whose layers can be cut to the size that is found. "
            "Got networks of your own beside it: give the size of the code as an int."
        )
    if estimator.n_components == "auto" and _lacks_likelihood(estimator):
        raise ValueError(
            f"{asked} needs likelihood='gaussian': there is no telling what codes cost where the "
            "noise has no variance. Give the size of the code as an int, or take VAE."
        )


def _lacks_likelihood(estimator):
    """Whether the errors of the model are no log-likelihood of Gaussian noise."""
    return estimator.likelihood != "gaussian" and not estimator._is_density


def n_candidates(estimator, X, weights):
    """Return the size of the code that is trained; where it is to be chosen, the largest.

    Parameters
    ----------
    estimator : BaseAutoencoder
        That knows the units of X.
    X : table of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    """
    n, d = X.shape
    if not is_chosen(estimator):
        return n_components_of(estimator, d)
    if estimator.n_components == "auto":
        return min(MOST, d, max(1, n // ROWS_PER_CANDIDATE))
    return _n_of_pca(estimator, *to_rows(estimator, X, weights))


def _n_of_pca(estimator, rows, weights):
    """Return how many components explain the share of the variance that is asked for."""
    d, mean = rows.shape[1], start_mean_of(estimator)
    most = min(len(rows), d if d <= N_DENSE else MOST_WIDE)
    generator = torch.Generator().manual_seed(estimator._seed)
    components, variances, _ = principal_components(rows, weights, mean, most, generator)
    squared_scale = np.broadcast_to(np.square(estimator.scale_), d)
    explained = variances.numpy() * (components.square().numpy() @ squared_scale)
    total = estimator._variance.sum()
    return min(most, 1 + int(np.sum(np.cumsum(explained) < estimator.n_components * total)))


def keep_chosen_size(estimator, X, rows, weights, validation):
    """Choose the size of a trained code, and leave the model as if that had been asked for.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Trained.
    X : table of shape (n_samples, n_features)
    rows : RowsOnDevice or RowsOnHost
        X in the network's units.
    weights : tensor of shape (n_samples,) or None
    validation : Batches or None
        Rows that training has not seen, where "auto" needs them.
    """
    if estimator.n_components == "auto":
        size = _within_one_standard_error(
            *_validation_losses(estimator, rows, weights, validation)
        )
    else:
        on_host = None if weights is None else weights.cpu().double().numpy()
        size = _smallest_with_share(estimator, explained_by_prefixes(estimator, X, on_host))
    if size < estimator._n_features_out:
        shorten(estimator, size)


def _smallest_with_share(estimator, shares):
    """Return how many numbers explain the share that is asked for, with a warning if none do."""
    enough = shares >= estimator.n_components
    if not enough.any():
        warn(
            f"No prefix of the code explains n_components={estimator.n_components!r} of the "
            f"variance of the training rows; all {len(shares)} numbers explain {shares[-1]:.6g}. "
            "Try more epochs by max_iter, or give the size of the code as an int.",
            ParameterWarning,
        )
    return int(enough.argmax()) + 1 if enough.any() else len(shares)


def _within_one_standard_error(losses, weights):
    """Return the smallest size whose mean loss is within a standard error of the lowest.

    (Breiman et al. 1984, "Classification and regression trees", section 3.4.3.)

    Parameters
    ----------
    losses : ndarray of shape (n_rows, n_sizes)
    weights : ndarray of shape (n_rows,)
    """
    shares = weights / weights.sum()
    means = shares @ losses
    best = int(np.argmin(means))
    variance = shares @ np.square(losses[:, best] - means[best])
    error = math.sqrt(variance * np.square(shares).sum())
    return int(np.argmax(means <= means[best] + error)) + 1


def _validation_losses(estimator, rows, weights, validation):
    """Return the loss of each validation row with each prefix, (n_rows, n_sizes), and weights."""
    module, net = estimator.module_.eval(), estimator.net_
    generators = {name: net._fresh_evaluation_generator() for name in net.generators}
    learnt = _moments_of_training(module, rows, weights)
    losses, counts = [], []
    for x, w in validation:
        with torch.inference_mode():
            losses += [
                module.losses_of_prefixes(part, generators, *learnt).double().cpu()
                for part in x.split(N_ROWS_AT_ONCE)
            ]
        counts.append(torch.ones(len(x)) if w is None else w.cpu())
    return torch.cat(losses).numpy(), torch.cat(counts).double().numpy()


@torch.inference_mode()
def _moments_of_training(module, rows, weights):
    """Return mean and deviation of the codes, and the mean squared error that prefixes leave."""
    total, parts = 0.0, []
    for span in chunks_of(rows):
        x = rows.span(span)
        z = module.encode(x)
        w = x.new_ones(len(x)) if weights is None else weights[span]
        left = [w @ (module.decode(z * kept) - x).square().sum(1) for kept in module.nested.kept]
        parts.append(torch.stack([w @ z, w @ z.square(), torch.stack(left)]).double())
        total += float(w.double().sum())
    mean, square, left = sum(parts) / total
    return mean, (square - mean.square()).clamp_min(0).sqrt(), left


@torch.no_grad()
def shorten(estimator, size):
    """Keep the first numbers of an ordered code, as if the model had been made with these alone.

    What the optimizer remembers is of weights that are gone; it starts afresh.
    """
    before, history = estimator.module_, estimator.net_.history
    state = estimator.net_.state()
    estimator._n_features_out = size
    estimator.net_ = net = estimator._build_engine()
    net.set_weights(before.weights_of_prefix(size))
    for name, generator_state in state["generators"].items():
        net.generators[name].set_state(generator_state)
    net.history.extend(history)
    net.batch_size = state["batch_size"]
    net._set_training(False)
