"""The engine: skorch's `NeuralNet`, fed with whole batches and asked for named loss terms.

What it asks of a module stands in `nn.module`.
"""

import collections
import copy
import itertools
import math
from contextlib import contextmanager, nullcontext

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, LRScheduler
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..fast import repeater
from ..fast.cpu import Replay
from ..fast.cuda import Graphs
from ..nn.repeatable import has_foreign_code
from .callbacks import (
    Table,
    check_is_recorded,
    check_validation_is_there,
    tell_number_of_batches,
)
from .interrupts import is_on_purpose, is_second
from .optimizers import ELEMENTWISE, FUSED, OPTIMIZERS, make_optimizer
from .randomness import global_generator_for
from .threads import reconsider_threads

RUN_STEPS = 64  # steps taken in one call, where that is possible
RUN_BYTES = 2**20  # and rows gathered at once for them

MOST_RESCUES = 3  # times that training goes on after a loss that is not finite

PER_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")

# Learning rate at a share t of the training, relative to its initial value.
SCHEDULES = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: 0.5 * (1.0 + math.cos(math.pi * t)),
}


def weighted_mean(term, weights):
    """Return sum(w l) / sum(w); a scalar term is returned as it is."""
    if term.dim() == 0:
        return term
    if weights is None:
        return term.mean()
    return (weights * term).sum() / weights.sum().clamp_min(torch.finfo(term.dtype).tiny)


class WeightedMeans(nn.Module):
    """skorch's criterion: named terms and sample weights in, one number per term out."""

    def forward(self, terms, weights):
        """Return each term's mean over the rows of the batch; their sum is the loss."""
        return [weighted_mean(term, weights) for term in terms.values()]


class Batches:
    """Batches of rows, as ``(x, weights)``; in a fresh order each time if there is a generator.

    A last batch of a single row joins the one before it: statistics of one row do not exist.

    Parameters
    ----------
    rows : ResidentRows or HostRows
    weights : tensor of shape (n_samples,) or None
    batch_size : int
    index : tensor of int64 or None
        Which rows to use; None for all.
    generator : torch.Generator or None
        Shuffles; None: the rows' own order.
    """

    def __init__(self, rows, weights, batch_size, index=None, generator=None):
        self.rows, self.weights, self.index = rows, weights, index
        self.batch_size, self.generator = batch_size, generator

    def __len__(self):
        return len(self.rows) if self.index is None else len(self.index)

    def _spans(self):
        n, size = len(self), self.batch_size
        edges = list(range(0, n, size)) + [n]
        if len(edges) > 2 and edges[-1] - edges[-2] == 1 and size > 1:
            del edges[-2]
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    @property
    def sizes(self):
        """Number of rows of each batch of one pass."""
        return [span.stop - span.start for span in self._spans()]

    def _order(self):
        if self.generator is None:
            return self.index
        device = self.rows.device
        order = torch.randperm(len(self), generator=self.generator, device=device)
        return order if self.index is None else self.index[order]

    def __iter__(self):
        order = self._order()
        for span in self._spans():
            yield self._gather(order, span)

    def runs(self):
        """Yield lists of consecutive batches of one size, each list gathered in one go."""
        order = self._order()
        n_together = self._n_together()
        for size, spans in itertools.groupby(self._spans(), lambda span: span.stop - span.start):
            while run := list(itertools.islice(spans, n_together)):
                x, w = self._gather(order, slice(run[0].start, run[-1].stop))
                weights = [None] * len(run) if w is None else w.split(size)
                yield list(zip(x.split(size), weights, strict=True))

    def _n_together(self):
        batch_bytes = self.batch_size * self.rows.span(slice(0, 1)).nbytes
        return min(RUN_STEPS, max(1, RUN_BYTES // batch_bytes))

    def _gather(self, order, span):
        if order is None:
            return self.rows.span(span), None if self.weights is None else self.weights[span]
        index = order[span]
        return self.rows.take(index), None if self.weights is None else self.weights[index]


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
        if again or not is_finite(self.begun_with_):
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
        net.optimizer_.state.clear()

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


class Engine(NeuralNet):
    """skorch's `NeuralNet` around a module that returns named loss terms.

    Batches are slices of tensors that lie on the device already; losses are read back once an
    epoch. All trainable parameters are views of one flat buffer, those with weight decay first,
    and one optimizer works on it.

    Parameters
    ----------
    module : BaseModule
        On its device and in its precision.
    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or a subclass of torch.optim.Optimizer
    lr : float
        Initial learning rate.
    schedule : str
        A key of `SCHEDULES`.
    alpha : float
        Decoupled weight decay.
    generators : dict of torch.Generator
        One for each purpose, see `randomness`.
    convergence : Convergence or None
    callbacks : list
        skorch callbacks of the user; they are the caller's to copy.
    max_epochs, verbose, device
        As in skorch.
    """

    def __init__(
        self,
        module,
        criterion=WeightedMeans,
        *,
        optimizer="adam",
        lr=1e-3,
        schedule="constant",
        alpha=0.0,
        generators=None,
        convergence=None,
        callbacks=None,
        max_epochs=100,
        verbose=0,
        device="cpu",
        **kwargs,
    ):
        self.schedule = schedule
        self.alpha = alpha
        self.generators = generators
        self.convergence = convergence
        super().__init__(
            module,
            criterion,
            optimizer=OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer,
            lr=lr,
            callbacks=callbacks,
            max_epochs=max_epochs,
            verbose=verbose,
            device=device,
            train_split=None,
            **kwargs,
        )

    # What skorch asks for while it initialises itself

    @property
    def _default_callbacks(self):
        callbacks = [("epoch_timer", EpochTimer())]
        if self.convergence is not None:
            callbacks.append(("convergence", self.convergence))
        if self.verbose:
            callbacks.append(("print_log", Table()))
        return callbacks

    def initialize_module(self):
        super().initialize_module()
        self._flatten_parameters()
        self._twins = {}
        return self

    def _flatten_parameters(self):
        """Lay the trainable parameters side by side in one buffer, decayed ones first."""
        trainable = [p for p in self.module_.parameters() if p.requires_grad]
        if not trainable:
            raise ValueError(
                "There is nothing to train: encoder and decoder must have a parameter with "
                "requires_grad=True between them. Both are frozen, or have no parameters."
            )
        exempt = {id(p) for p in self.module_.undecayed_parameters()}
        decayed = [p.dim() > 1 and id(p) not in exempt for p in trainable]
        parameters = [p for p, d in zip(trainable, decayed, strict=True) if d]
        self.n_decayed_ = sum(p.numel() for p in parameters)
        parameters += [p for p, d in zip(trainable, decayed, strict=True) if not d]

        flat = torch.cat([p.detach().reshape(-1) for p in parameters])
        grad = torch.zeros_like(flat)
        offset = 0
        for p in parameters:
            part = slice(offset, offset + p.numel())
            p.data, p.grad = flat[part].view_as(p), grad[part].view_as(p)
            offset += p.numel()
        self.flat_, self.flat_grad_ = flat, grad
        self.decayed_ = flat[: self.n_decayed_]

    def initialize_optimizer(self, triggered_directly=None):
        kind = getattr(self.optimizer, "func", self.optimizer)  # of a functools.partial
        if isinstance(kind, type) and issubclass(kind, ELEMENTWISE):
            flat = nn.Parameter(self.flat_)  # a second name for the same memory
            flat.grad = self.flat_grad_
            parameters = [flat]
        else:
            parameters = [p for p in self.module_.parameters() if p.requires_grad]
        options = self.get_params_for("optimizer")
        chosen = {*options, *getattr(self.optimizer, "keywords", {})}
        if kind in FUSED and not chosen & {"fused", "foreach"}:
            options["fused"] = True
        self.optimizer_ = make_optimizer(self.optimizer, parameters, self.lr, options)
        return self

    # What is learnt, as a whole

    def state(self):
        """Return all that a later `train` depends on, as tensors, numbers and strings."""
        return {
            "weights": self.weights(),
            "optimizer": copy.deepcopy(self.optimizer_.state_dict()),
            "optimizer_name": type(self.optimizer_).__name__,
            "batch_size": self.batch_size,
            "history": [dict(row) for row in self.history],
            "generators": {name: g.get_state() for name, g in self.generators.items()},
        }

    def load_state(self, state):
        """Go on from where `state` was taken; an optimizer of another kind starts afresh."""
        self.set_weights(state["weights"])
        self.batch_size = state.get("batch_size", self.batch_size)  # older files have none
        self.history.extend(dict(row) for row in state["history"])
        for name, generator_state in state["generators"].items():
            if generator_state.numel() == self.generators[name].get_state().numel():
                self.generators[name].set_state(generator_state)
        if state["optimizer_name"] == type(self.optimizer_).__name__:
            self.optimizer_.load_state_dict(state["optimizer"])
            for group in self.optimizer_.param_groups:
                group["lr"] = self.lr
        return self

    def weights(self):
        """Return a copy of everything that the module has learnt."""
        return {name: value.clone() for name, value in self.module_.state_dict().items()}

    def set_weights(self, weights):
        """Put back what `weights` returned, in place."""
        self.module_.load_state_dict(weights)

    def snapshot(self):
        """Return what a step may change in the module, as a list of tensors."""
        return [self.flat_.clone(), *(buffer.clone() for buffer in self.module_.buffers())]

    @torch.no_grad()
    def put_back(self, snapshot):
        """Give the module the numbers of a `snapshot`."""
        for mine, its in zip((self.flat_, *self.module_.buffers()), snapshot, strict=True):
            mine.copy_(its)

    def lower_rate(self):
        """Go on with a tenth of the learning rate."""
        self.lr /= 10
        for group in self.optimizer_.param_groups:
            group["lr"] /= 10

    def twin_in(self, dtype):
        """Return a copy of the module in another precision, the same one each time.

        To make it takes longer than to encode a row; to copy the numbers does not.
        """
        with torch.inference_mode(False), torch.no_grad():
            twin = self._twins.get(dtype)
            if twin is None:
                twin = copy.deepcopy(self.module_).to(dtype)
                if not has_foreign_code(self.module_):  # it may keep more than tensors
                    self._twins[dtype] = twin
            for mine, its in zip(_tensors_of(self.module_), _tensors_of(twin), strict=True):
                its.copy_(mine)
        return twin

    def forget(self, parameter, index):
        """Erase what the optimizer remembers of some entries of a parameter."""
        part = slice(parameter.storage_offset(), parameter.storage_offset() + parameter.numel())
        for owner, state in self.optimizer_.state.items():
            for value in state.values():
                if not torch.is_tensor(value) or value.shape != owner.shape:
                    continue
                if owner is parameter:
                    value[index] = 0
                elif owner.shape == self.flat_.shape:
                    value[part].view_as(parameter)[index] = 0

    # Training

    def train(self, batches, valid_batches=None, n_epochs=None):
        """Run `n_epochs` epochs, or fewer if a callback or an interrupt ends them.

        After an interrupt `n_finished_` says how many they were, otherwise it is None.
        """
        n_before, self.n_finished_ = len(self.history), None
        self.n_epochs_ = epochs = self.max_epochs if n_epochs is None else n_epochs
        callbacks = [callback for _, callback in self.callbacks_]
        check_validation_is_there(callbacks, valid_batches is not None)
        self.batch_size = batches.batch_size
        valid_sizes = [] if valid_batches is None else valid_batches.sizes
        tell_number_of_batches(callbacks, len(batches.sizes) + len(valid_sizes))
        self._per_batch_callbacks = any(_has_batch_hook(callback) for callback in callbacks)
        # A scheduler that the user brings takes the place of ours.
        own_schedule = not any(isinstance(callback, LRScheduler) for callback in callbacks)
        self._step, self._n_steps = 0, epochs * len(batches.sizes) if own_schedule else 0
        self._repeater = self._make_repeater(batches.sizes, epochs)
        self._best = {prefix: self._best_loss(prefix) for prefix in ("train", "valid")}

        self.notify("on_train_begin", X=batches, y=None)
        try:
            self.fit_loop((batches, valid_batches), epochs=epochs)
        except KeyboardInterrupt as interrupt:
            self._drop_unfinished_epoch(valid_batches is not None)
            if not isinstance(interrupt, Converged):
                if is_second():
                    raise
                self.n_finished_ = len(self.history) - n_before
        finally:
            if isinstance(self._repeater, Graphs):
                self._repeater.forget()  # what they hold of the device's memory
        self.notify("on_train_end", X=batches, y=None)
        self._set_training(False)
        return self

    def notify(self, method_name, **arguments):
        """Call the callbacks in turn, each at the end of an epoch only with what it goes by.

        One that raises KeyboardInterrupt ends the training.
        """
        try:
            getattr(self, method_name)(self, **arguments)
            for _, callback in self.callbacks_:
                if method_name == "on_epoch_end":
                    check_is_recorded(callback, self.history[-1])
                getattr(callback, method_name)(self, **arguments)
        except KeyboardInterrupt as interrupt:
            if is_on_purpose(interrupt):
                raise Converged from interrupt
            raise

    def get_split_datasets(self, X, y=None, **fit_params):
        return X

    def get_iterator(self, dataset, training=False):
        return dataset

    def _drop_unfinished_epoch(self, is_validated):
        wanted = {"train_loss", "valid_loss"} if is_validated else {"train_loss"}
        if self.history and not wanted <= set(self.history[-1]):
            del self.history[-1]

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Pass once over the batches; losses stay on the device until the end."""
        if iterator is None:
            return
        self._set_training(training)
        if not training:
            self._evaluation_generator = self._fresh_evaluation_generator()
        if training and self._repeater is not None:
            parts = self._in_runs(iterator)
        else:
            parts = self._one_by_one(iterator, training, prefix, step_fn)
        names, values, sizes = zip(*parts, strict=True)
        if not self._per_batch_callbacks:
            self.history.new_batch()  # skorch's Checkpoint reads the last batch of an epoch
        self._record_epoch(prefix, names[0], torch.cat(values), [*itertools.chain(*sizes)])

    def _one_by_one(self, batches, training, prefix, step_fn):
        """Yield names and values of the terms, (1, n_terms), and size of each batch in a list."""
        for batch in batches:
            reconsider_threads()
            if self._per_batch_callbacks:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            yield step["names"], step["values"][None], [_size(batch)]
            if self._per_batch_callbacks:
                self.history.record_batch(f"{prefix}_loss", step["loss"].item())
                self.history.record_batch(f"{prefix}_batch_size", len(batch[0]))
                self.notify("on_batch_end", batch=batch, training=training, **step)

    def _in_runs(self, batches):
        """Yield names and values of the terms, (n_steps, n_terms), and sizes of batches."""
        self._repeater.begin_epoch()
        for run in batches.runs():
            reconsider_threads()
            while run:
                names, values = self._repeater.take(run)
                taken, run = run[: len(values)], run[len(values) :]
                yield names, values, [_size(batch) for batch in taken]

    def _record_epoch(self, prefix, names, values, sizes):
        if torch.is_tensor(sizes[0]):
            sizes = torch.stack(sizes).double()
        else:
            sizes = torch.tensor(sizes, dtype=torch.float64, device=values.device)
        means = ((sizes @ values.double()) / sizes.sum()).tolist()
        for name, mean in zip(names, means, strict=True):
            self.history.record(f"{prefix}_{name}", mean)
        loss = sum(means)
        best = self._best.get(prefix, math.inf)
        self._best[prefix] = min(best, loss)
        self.history.record(f"{prefix}_loss", loss)
        self.history.record(f"{prefix}_loss_best", loss < best)
        self.history.record(f"{prefix}_batch_count", len(values))

    def _best_loss(self, prefix):
        """Return the lowest loss of the history so far."""
        losses = [row.get(f"{prefix}_loss", math.inf) for row in self.history]
        return min((loss for loss in losses if not math.isnan(loss)), default=math.inf)

    def monitored_loss(self, terms, prefix=""):
        """Return what stopping and best weights watch, from loss terms or a row of the history."""
        return sum(terms[prefix + name] for name in self.module_.monitored)

    def train_step(self, batch, gradient=None, **fit_params):
        """Draw the step's noise, compute the gradient, let the optimizer take its step.

        `gradient`, if given, is tried first: ``gradient(batch, draws)`` computes it in place and
        returns names and values of the terms, or None.
        """
        self.advance(self.rates(1))
        n_rows, generator = len(batch[0]), self.generators["dropout"]
        with global_generator_for(self.module_, generator), batch_norm_for(self.module_, n_rows):
            draws = self.draw(n_rows)
            step = None if gradient is None else gradient(batch, draws)
            if step is None:
                step = self._eager_step(batch, draws)
            else:
                self.optimizer_.step()
            self._decay_weights()
        return step

    def _make_repeater(self, sizes, epochs):
        """Return what repeats steps, None where they are not the same operations each time."""
        closure = isinstance(self.optimizer_, torch.optim.LBFGS)
        norms = any(isinstance(m, _BatchNorm) for m in self.module_.modules())
        if has_foreign_code(self.module_) or closure or norms or self._per_batch_callbacks:
            return None
        n_times = collections.Counter(sizes)
        frequent = {size for size, n in n_times.items() if n * epochs >= repeater.WORTH}
        kind = {"cpu": Replay, "cuda": Graphs}.get(self.flat_.device.type)
        return None if kind is None else kind(self, frequent)

    def _eager_step(self, batch, draws):
        steps = []

        def closure():
            self.flat_grad_.zero_()
            step = self.loss_terms(batch, draws)
            step["loss"].backward()
            if self._per_batch_callbacks:
                self.notify(
                    "on_grad_computed",
                    named_parameters=list(self.module_.named_parameters()),
                    batch=batch,
                    training=True,
                )
            steps.append(step)
            return step["loss"]

        if isinstance(self.optimizer_, torch.optim.LBFGS):
            self.optimizer_.step(closure)
        else:
            closure()
            self.optimizer_.step()
        return steps[0]

    def validation_step(self, batch, **fit_params):
        """Return the loss terms of a batch, always under the same noise."""
        generator = self._evaluation_generator
        generators = dict.fromkeys(self.generators, generator)
        with torch.no_grad(), global_generator_for(self.module_, generator):
            return self.loss_terms(batch, self.draw(len(batch[0]), generators))

    def evaluate(self, batches):
        """Return the loss terms over all rows, with the module in evaluation mode."""
        self._set_training(False)
        self._evaluation_generator = self._fresh_evaluation_generator()
        total, size = {}, 0.0
        for batch in batches:
            x, weights = batch
            n = len(x) if weights is None else float(weights.sum())
            step = self.validation_step(batch)
            for name, value in zip(step["names"], step["values"], strict=True):
                total[name] = total.get(name, 0.0) + n * float(value)
            size += n
        terms = {name: value / size for name, value in total.items()}
        return {**terms, "loss": sum(terms.values())}

    def draw(self, n_rows, generators=None):
        """Return the random inputs of one step."""
        return self.module_.draw(n_rows, generators or self.generators)

    def loss_terms(self, batch, draws):
        """Return the loss, names and values of its terms, and the terms of each row."""
        x, weights = batch
        torch.clear_autocast_cache()  # of weights as they were in the last step
        y_pred = self.module_(x, *draws)
        terms = self.criterion_(y_pred, weights)
        return {
            "loss": sum(terms),
            "names": list(y_pred),
            "values": torch.stack([term.detach() for term in terms]),
            "y_pred": y_pred,
        }

    def _has_schedule(self):
        return self._n_steps and self.schedule != "constant"

    def rates(self, n_steps):
        """Return the learning rates of the next steps."""
        if not self._has_schedule():
            return [self.optimizer_.param_groups[0]["lr"]] * n_steps
        schedule, steps = SCHEDULES[self.schedule], range(self._step, self._step + n_steps)
        return [self.lr * schedule(step / self._n_steps) for step in steps]

    def advance(self, rates):
        """Count steps that had these rates; the last is the optimizer's from now on."""
        self._step += len(rates)
        if self._has_schedule():
            for group in self.optimizer_.param_groups:
                group["lr"] = rates[-1]

    def _decay_weights(self):
        if self.alpha:
            rate = self.optimizer_.param_groups[0]["lr"]
            self.decayed_.mul_(max(0.0, 1 - rate * self.alpha))

    def _fresh_evaluation_generator(self):
        generator = self.generators["evaluation"]
        return generator.manual_seed(generator.initial_seed())


@contextmanager
def _running_statistics(module):
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    for layer in layers:
        layer.eval()
    yield
    for layer in layers:
        layer.train()


def batch_norm_for(module, n_rows):
    """Let batch normalisation use its running statistics where one row is all there is."""
    return _running_statistics(module) if n_rows == 1 else nullcontext()


def _tensors_of(module):
    return itertools.chain(module.parameters(), module.buffers())


def _size(batch):
    """Return what a batch counts in the mean of an epoch."""
    x, weights = batch
    return len(x) if weights is None else weights.sum()


def _has_batch_hook(callback):
    idle = [getattr(Callback, hook) for hook in PER_BATCH_HOOKS]
    if getattr(callback, "step_every", None) == "epoch":
        idle.append(LRScheduler.on_batch_end)  # does nothing then
    return any(getattr(type(callback), hook, None) not in idle for hook in PER_BATCH_HOOKS)
