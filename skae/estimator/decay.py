"""How much the network beside a linear path may learn: as much as unseen rows gain by."""

from .. import _ranks
from ..data.batches import Batches
from ..data.tables import chunk_size
from .choices import (
    MEDIUM,
    STRONG,
    WEAK,
    batch_size_for,
    has_hidden_layers,
    has_linear_path,
)
from .halves import FEWEST_ROWS, halves_of, rows_with_weight
from .persistence import with_attributes

MOST_ROWS = 10000  # above which a network of usual size learns too little of the noise to be tried
ENOUGH_ROWS = 500  # of which one half says what the other half is like
FEWEST_EPOCHS = 30  # below which half of them say too little


def alpha_for(estimator, batches, resume, one_pass):
    """Return the weight decay of a training; None after an interrupt.

    Parameters
    ----------
    estimator : BaseAutoencoder
    batches : Batches
        Those of the training.
    resume : bool
        Whether it goes on from another.
    one_pass : bool
        Whether it is a call of `partial_fit`.
    """
    if estimator.alpha != "auto":
        return estimator.alpha
    if one_pass:
        return 0.0
    return estimator.alpha_ if resume else choose_alpha(estimator, batches)


def choose_alpha(estimator, batches):
    """Return the weight decay of ``alpha="auto"`` for a first training; None after an interrupt.

    The network is tried on half of the rows, for half of the epochs, with two decays. What lowers
    the loss of the other half most, below that of the linear start, is taken; where nothing does,
    the decay is strong.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With its networks at their start.
    batches : Batches
        Those of the training.
    """
    rows, weights = batches.rows, batches.weights
    index = rows_with_weight(rows, weights, batches.index)
    n_rows = _ranks.total(len(index))
    given = _without_trial(estimator, n_rows, _ranks.smallest(len(index)))
    if given is not None:
        return given
    halves = halves_of(estimator, rows, weights, index)
    folds = [halves, halves[::-1]] if n_rows <= ENOUGH_ROWS else [halves]
    gains = {STRONG: 0.0}
    for alpha in (MEDIUM, WEAK):
        found = [_gain(estimator, *fold, alpha) for fold in folds]
        if None in found:
            return None
        gains[alpha] = sum(found)
    return max(gains, key=gains.get)


def _without_trial(estimator, n_rows, n_least):
    """Return the decay where there is no trial, else None; `n_least` of the rows are on a rank."""
    if not (has_linear_path(estimator) and has_hidden_layers(estimator)):
        return 0.0
    if not estimator._tries_decays:
        return MEDIUM if n_rows <= MOST_ROWS else WEAK * MOST_ROWS / n_rows
    if estimator._n_epochs < FEWEST_EPOCHS or n_rows < FEWEST_ROWS or n_least < 2:
        return WEAK
    return WEAK * MOST_ROWS / n_rows if n_rows > MOST_ROWS else None


def _gain(estimator, learnt, held_out, alpha):
    """Return by how much training on some rows lowers the loss of others; None if interrupted."""
    short = {"_n_epochs": max(1, estimator._n_epochs // 2), "n_iter_no_change": None}
    quiet = {"callbacks": None, "verbose": 0, "early_stopping": False}
    trial = with_attributes(estimator, **short, **quiet)
    net = trial.net_ = trial._build_engine()
    net.alpha = 2 * alpha  # half of the rows need about twice as much
    trial._start_networks(*learnt)
    size = batch_size_for(trial, len(learnt[0]))
    before = _loss(net, held_out)
    batches = Batches(*learnt, size, generator=net.generators["shuffling"])
    net.train(batches, n_epochs=trial._n_epochs)
    return before - _loss(net, held_out) if net.n_finished_ is None else None


def _loss(net, part):
    """Return the monitored loss over rows with weights."""
    batches = Batches(*part, chunk_size(part[0].shape[1]))
    return net.monitored_loss(net.evaluate(batches))
