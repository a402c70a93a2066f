"""When training ends, which weights remain, and what follows a loss that is not finite."""

import math

from skorch.callbacks import Callback

from .. import _ranks

MOST_RESCUES = 3  # times that training goes on after a loss that is not finite


class Converged(KeyboardInterrupt):
    """Raised by a callback to end the training, as skorch's own callbacks do."""


class Convergence(Callback):
    """Stop when the loss has stopped falling, keep the best weights, survive a NaN.

    After an epoch whose loss is not finite, training goes on from the weights of the last good
    epoch at a tenth of the learning rate, `MOST_RESCUES` times at most; the history says so in
    ``rescued``.

    Parameters
    ----------
    monitor : str
        ``"train"`` or ``"valid"``.
    tol : float
        An epoch counts as progress if it lowers the loss by more than this share of it.
    patience : int or None
        Number of epochs without progress that end the training; None for never.
    keep_best : bool
        Whether the weights of the best epoch are the ones that remain.
    n_unjudged : int, default=0
        Number of epochs, counted over the whole history, that are neither compared nor kept:
        their objective is not the final one.
    """

    def __init__(self, monitor, tol, patience, keep_best, n_unjudged=0):
        self.monitor, self.tol, self.patience = monitor, tol, patience
        self.keep_best, self.n_unjudged = keep_best, n_unjudged

    def initialize(self):
        self.best_, self.best_state_, self.n_waited_ = math.inf, None, 0
        self.n_rescues_, self.diverged_ = 0, False
        return self

    def start(self, net, loss):
        """Make the weights as they stand the first candidate."""
        self.best_, self.best_state_ = loss, net.weights()

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.n_waited_, self.n_rescues_, self.diverged_ = 0, 0, False
        # The loss of an epoch vouches for the weights that it began with, not for its last step.
        self.start_ = self.proven_ = self.begun_with_ = net.snapshot()

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        loss = net.monitored_loss(net.history[-1], f"{self.monitor}_")
        if not (math.isfinite(loss) and math.isfinite(net.history[-1]["train_loss"])):
            self._rescue(net)
            return
        self.proven_, self.begun_with_ = self.begun_with_, net.snapshot()
        if len(net.history) <= self.n_unjudged:
            return
        improved = self.best_ - loss > (self.tol * abs(self.best_) if self.best_ < math.inf else 0)
        self.n_waited_ = 0 if improved else self.n_waited_ + 1
        if loss < self.best_:
            self.best_ = loss
            if self.keep_best:
                self.best_state_ = net.weights()
        if self.patience and self.n_waited_ >= self.patience:
            raise Converged

    def _rescue(self, net):
        """Go back to good weights, with a smaller rate; give up after a few times."""
        again = len(net.history) > 1 and net.history[-2].get("rescued", False)
        if again or _ranks.any_rank(not is_finite(self.begun_with_)):
            self.begun_with_ = self.proven_
        self.n_rescues_ += 1
        net.history.record("rescued", True)
        self.go_back(net, self.begun_with_)
        if self.n_rescues_ > MOST_RESCUES:
            self.diverged_ = True
            raise Converged
        net.lower_rate()

    def go_back(self, net, snapshot):
        """Put back weights that are known to be good, and forget the steps since."""
        net.put_back(snapshot)
        net.step_.forget()

    def on_train_end(self, net, X=None, y=None, **kwargs):
        if self.keep_best and self.best_state_ is not None:
            net.set_weights(self.best_state_)

    def is_out_of_patience(self):
        """Whether it was this callback that ended the training, for want of progress."""
        return bool(self.patience) and self.n_waited_ >= self.patience

    def forget(self):
        """Drop the weights of training, once it is known which are kept."""
        self.start_ = self.proven_ = self.begun_with_ = self.best_state_ = None


def is_finite(tensors):
    """Whether all numbers in a list of tensors are finite."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
