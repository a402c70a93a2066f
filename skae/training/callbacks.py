"""skorch's callbacks around the engine: the table of `verbose`, and what others need be told."""

from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LRScheduler,
    PrintLog,
    ProgressBar,
)
from torch.optim.lr_scheduler import ReduceLROnPlateau

from .progress import Line, is_terminal, step_of, write

PER_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class Table(PrintLog):
    """skorch's table: epochs with their total, colours on a terminal only."""

    def __init__(self):
        super().__init__(sink=write)

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        epochs = net.n_epochs_
        self.last_ = len(net.history) + epochs if epochs > 1 else None

    def format_row(self, row, key, color):
        if key == "epoch":
            return step_of(row[key], self.last_)
        # Without the note that it is the best so far, a number has no colour.
        return super().format_row(row if is_terminal() else {key: row[key]}, key, color)

    def _yield_keys_formatted(self, row):
        # tabulate makes a column wider than its name by two, and by more as numbers grow.
        width = len(step_of(self.last_, self.last_)) - 2 if self.last_ else 0
        for key, formatted in super()._yield_keys_formatted(row):
            yield key.rjust(width) if key == "epoch" else key, formatted


class EpochLine(Callback):
    """One line on a terminal, with the epoch, losses and the time that is left."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        epochs = net.n_epochs_
        self.last_ = len(net.history) + epochs if epochs > 1 else None
        self.line_ = Line(epochs)

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        losses = [f"{k} {row[k]:.5g}" for k in ("train_loss", "valid_loss") if k in row]
        self.line_.show("   ".join([f"epoch {step_of(row['epoch'], self.last_)}", *losses]))

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.line_.end()


def monitored_key(callback):
    """Return the entry of the history that a callback goes by, None where there is none."""
    if not (_is_on_plateau(callback) or isinstance(callback, (Checkpoint, EarlyStopping))):
        return None
    return callback.monitor if isinstance(callback.monitor, str) else None


def _is_on_plateau(callback):
    if not isinstance(callback, LRScheduler):
        return False
    policy = callback.policy
    is_class = isinstance(policy, type) and issubclass(policy, ReduceLROnPlateau)
    return is_class or policy == ReduceLROnPlateau.__name__


def check_validation_is_there(callbacks, is_validated):
    """Refuse, before any training, callbacks that watch validation rows which do not exist.

    Callbacks of the user's own may write into the history what they like.
    """
    ours = all(type(c).__module__.split(".")[0] in ("skorch", "skae") for c in callbacks)
    if is_validated or not ours:
        return
    for callback in callbacks:
        key = monitored_key(callback)
        if key is not None and key.startswith("valid_"):
            raise ValueError(_describe_missing_validation(callback, key))


def check_is_recorded(callback, row):
    """Refuse a callback that goes by what the last row of the history does not hold."""
    key = monitored_key(callback)
    if key is None or key in row or getattr(callback, "step_every", "epoch") != "epoch":
        return
    if key in ("valid_loss", "valid_loss_best"):
        raise ValueError(_describe_missing_validation(callback, key))
    known = sorted(name for name in row if name != "batches")
    raise ValueError(
        f"{_describe(callback, key)}, which the history does not hold when it is its turn. "
        f"Got {known} there."
    )


def _describe(callback, key):
    return f"{type(callback).__name__} among the callbacks monitors {key!r}"


def _describe_missing_validation(callback, key):
    return (
        f"{_describe(callback, key)}, which exists with early_stopping=True only: without it "
        f"there are no validation rows. Set early_stopping=True, or give it "
        f"monitor={key.replace('valid_', 'train_', 1)!r}."
    )


def tell_number_of_batches(callbacks, n_batches):
    """Tell progress bars how many batches an epoch has.

    They divide the number of rows by the batch size; validation has batches of another size, and a
    last row by itself joins the batch before it.
    """
    for callback in callbacks:
        if isinstance(callback, ProgressBar) and callback.batches_per_epoch == "auto":
            callback.batches_per_epoch = n_batches


def is_callback(given):
    """Whether skorch can call it: a callback, its class, or either with a name."""
    if isinstance(given, (tuple, list)) and len(given) == 2:
        given = given[1]
    kind = given if isinstance(given, type) else type(given)
    return issubclass(kind, Callback)


def has_batch_hook(callback):
    """Whether a callback is to be called for each batch."""
    idle = [getattr(Callback, hook) for hook in PER_BATCH_HOOKS]
    if getattr(callback, "step_every", None) == "epoch":
        idle.append(LRScheduler.on_batch_end)  # does nothing then
    return any(getattr(type(callback), hook, None) not in idle for hook in PER_BATCH_HOOKS)


class WarmUp(Callback):
    """Let the weight of the KL rise along a line over the first epochs of the history."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        net.module_.warmth.fill_(min(1.0, len(net.history) / self.n_epochs))

    def on_train_end(self, net, X=None, y=None, **kwargs):
        net.module_.warmth.fill_(1.0)
