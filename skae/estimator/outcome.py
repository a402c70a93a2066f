"""Judges a finished training: keeps the better weights, and warns."""

import math

import numpy as np
import torch

from .. import _ranks
from ..data.batches import Batches
from ..data.tables import chunk_size
from ..exceptions import DivergenceWarning, InterruptionWarning, StartKeptWarning, warn
from .choices import STRONG
from .recipes import recipe_of
from .size import is_chosen
from .start import start_mean_of

DIVERGED = 10  # times the loss at the start, or the variance of the data: beyond it all is lost
N_FEW_ROWS = 256  # rows by which that is judged
NOTHING_LEFT = 1e-3  # share of the variance below which a start leaves nothing to gain


def losses_over(estimator, rows, weights):
    """Return the losses over all rows by which the end of a training is compared with its start.

    By what they are called: the monitored loss, and that of the whole code where it is ordered.
    Where the size of the code is chosen after the training, the whole code is not the model's.
    """
    net, batches = estimator.net_, Batches(rows, weights, chunk_size(rows.shape[1]))
    losses = {"training": net.monitored_loss(net.evaluate(batches))}
    if estimator.ordered and not is_chosen(estimator):
        with net.module_.nested.whole_code():
            losses["whole code's training"] = net.monitored_loss(net.evaluate(batches))
    return losses


class Outcome:
    """The judgement on a training: made before it, asked after it.

    It goes back to weights of before where the training has diverged, and to the linear start
    where it has not improved it, and warns.

    Parameters
    ----------
    estimator : BaseAutoencoder
        About to train.
    rows : RowsOnDevice or RowsOnHost
        Those of the training, in the network's units.
    weights : tensor of shape (n_samples,) or None
    start : tuple (weights of the networks, losses) or None
        The linear start, with its `losses_over` the rows, where it may be kept.
    """

    def __init__(self, estimator, rows, weights, start):
        self.estimator, self.net, self.start = estimator, estimator.net_, start
        self.rows, self.weights = rows, weights
        self.loss_before = self._loss_of_few()
        self.validation_loss_before = self.net.convergence.best_
        self.n_epochs_before = len(self.net.history)

    def settle(self, n_epochs):
        """Leave the better weights, after so many epochs were to be trained, and warn."""
        self._look_for_divergence()
        self.net.convergence.forget()
        losses = self._keep_the_better() if self.start is not None else None
        if self._warn_of_divergence() or not self._is_whole(n_epochs):
            return
        if self.estimator.alpha == "auto" and self.estimator.alpha_ == STRONG:
            self._warn_of_restraint()
        elif losses:
            self._warn_of_the_start(*losses)

    def _is_whole(self, n_epochs):
        """Whether no interrupt has ended it, and no callback: these have reasons of their own."""
        n_trained = len(self.net.history) - self.n_epochs_before
        return n_trained == n_epochs or self.net.convergence.is_out_of_patience()

    # Divergence

    def _loss_of_few(self):
        """Return the monitored loss over the first rows that have weight, for a quick look."""
        return self.net.monitored_loss(self.net.evaluate([self._take_few()]))

    def _take_few(self):
        """Return the first rows that have weight, and their weights."""
        rows, weights = self.rows, self.weights
        index = torch.arange(len(rows)) if weights is None else weights.cpu().nonzero()[:, 0]
        index = index[:N_FEW_ROWS].to(rows.device)
        return rows.take(index), None if weights is None else weights[index]

    def _look_for_divergence(self):
        """Go back where training, or its last step, has led nowhere.

        The loss of a step is known before it is taken; of the last one nobody has seen the end.
        """
        convergence, has_start = self.net.convergence, self.start is not None
        limit, last = self._largest_loss(), self._loss_of_few()
        if last <= limit and math.isfinite(last):
            return
        convergence.go_back(self.net, convergence.proven_)
        is_good = self._loss_of_few() <= limit
        if not is_good and not has_start:
            convergence.go_back(self.net, convergence.start_)
        # A linear start that training has not improved is kept anyway, and is no accident.
        convergence.diverged_ |= is_good or not has_start or not math.isfinite(last)

    def _largest_loss(self):
        deviation = np.sqrt(self.estimator._variance) / self.estimator.scale_
        variance = float(np.square(deviation).sum())
        return DIVERGED * max(abs(self.loss_before), variance) if variance else math.inf

    def _warn_of_divergence(self):
        """Warn of losses that were out of bounds; return whether there was something to say."""
        convergence = self.net.convergence
        if convergence.diverged_:
            how = "training stopped, and the weights of the last good epoch were kept"
        elif convergence.n_rescues_:
            how = (
                "training went on from the weights of the last good epoch at a tenth of the "
                f"learning rate, {convergence.n_rescues_} times (`rescued` in history_)"
            )
        else:
            return False
        more = "" if np.ndim(self.estimator.scale_) else " or scaling='standard'"
        warn(
            "The loss became NaN, infinite or absurdly large with learning_rate_init="
            f"{self.estimator.learning_rate_init:g}; {how}. The model works, but may be poor: try "
            f"a smaller learning_rate_init{more}.",
            DivergenceWarning,
        )
        return True

    # The start

    def _keep_the_better(self):
        """Put the start back where training has not improved it.

        Then return what the losses are of, that of the end, and the start's.
        """
        start_weights, start_losses = self.start
        convergence, before = self.net.convergence, self.validation_loss_before
        if convergence.keep_best and convergence.best_ == before:  # its weights are here
            curve = self.estimator.validation_loss_curve_
            return "validation", min(curve, default=math.nan), before
        for kind, loss in losses_over(self.estimator, self.rows, self.weights).items():
            if not loss <= start_losses[kind]:  # a NaN is not better either
                self.net.set_weights(start_weights)
                return kind, loss, start_losses[kind]
        return None

    def _warn_of_the_start(self, kind, end, start):
        """Say that training was of no use, where it could have been."""
        name, is_optimal = self.estimator._describe_start()
        if is_optimal or self._is_nothing_left():
            return
        n_epochs, allowed = self.estimator.n_iter_, self.estimator._n_epochs
        is_recipe = recipe_of(self.estimator, "decoder") is not None
        smaller = "a smaller encoder" if is_recipe else "smaller hidden_layer_sizes"
        epochs = "1 epoch" if n_epochs == 1 else f"{n_epochs} epochs"
        warn(
            f"Training has not improved on its start, {name}, which was kept: after {epochs} the "
            f"{kind} loss was {end:.6g}, the start's is {start:.6g}. Try a "
            f"max_iter above {allowed}, a smaller learning_rate_init or {smaller}.",
            StartKeptWarning,
        )

    def _warn_of_restraint(self):
        """Warn that the networks were held back, because they gained nothing on held-out rows."""
        name, _ = self.estimator._describe_start()
        if self._is_nothing_left():
            return
        warn(
            f"On held-out rows the networks did no better than {name}, or they memorised "
            f"outliers, so the model stays close to {name} (alpha_={STRONG:g}), which is enough "
            "for such data. More rows or another n_components may change it; a number for alpha, "
            "such as 0.1, trains without this trial.",
            StartKeptWarning,
        )

    @torch.no_grad()
    def _is_nothing_left(self):
        """Whether the networks as they are reproduce nearly all of the data."""
        x, _ = self._take_few()
        modelled = x[:, : len(self.estimator.mean_)].double()
        left = (self.net.module_.reconstruct(x).double() - modelled).square().nansum()
        total = (modelled - start_mean_of(self.estimator).to(x)).square().nansum()
        left, total = _ranks.total(left, total)
        return left <= NOTHING_LEFT * total


def warn_of_interruption(net):
    """Warn where Ctrl-C has ended the training of an engine."""
    n_finished, n_epochs = net.n_finished_, net.n_epochs_
    if n_finished is None:
        return
    if n_epochs is None:
        what = (
            f"The trial of alpha='auto' was interrupted after {n_finished} epochs, and the model "
            "is the network that was trained on half of the rows, or its start if that is better."
        )
    else:
        what = (
            f"The training was interrupted after {n_finished} of {n_epochs} epochs, and the "
            "model is what they have made of it."
        )
    warn(
        f"{what} Interrupt twice within two seconds to stop the whole program, a grid search say.",
        InterruptionWarning,
    )
