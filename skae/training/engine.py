"""The engine: skorch's `NeuralNet`, fed with whole batches and asked for named loss terms.

What it asks of a module stands in `nn.module`, what it does with a batch in `step`.
"""

import copy
import itertools
import math
from collections import OrderedDict

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, LRScheduler

from .. import _ranks
from ..nn.repeatable import has_foreign_code
from .callbacks import (
    EpochLine,
    Table,
    check_is_recorded,
    check_validation_is_there,
    has_batch_hook,
    tell_number_of_batches,
)
from .convergence import Converged
from .criterion import WeightedMeans
from .interrupts import Agreed, agreed_interrupts, is_on_purpose, is_second
from .optimizers import ELEMENTWISE, FUSED, OPTIMIZERS, make_optimizer
from .progress import is_terminal
from .randomness import part_ways
from .step import STEPS_OF_WARM_UP, Step, factor_of, weight_of
from .threads import reconsider_threads
from .torch_settings import without_denormals


class Engine(NeuralNet):
    """skorch's `NeuralNet` around a module that returns named loss terms.

    Batches are slices of tensors that lie on the device already; losses are read back once an
    epoch. All trainable parameters are views of one flat buffer, see `Step`, and one optimizer
    works on it.

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
    make_repeater : callable or None
        Called with the step, the sizes of the batches and the number of epochs, returns what takes
        steps without their Python code, or None; see `fast.choice`.
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
        make_repeater=None,
        max_epochs=100,
        verbose=0,
        device="cpu",
        **kwargs,
    ):
        self.schedule = schedule
        self.alpha = alpha
        self.generators = generators
        self.convergence = convergence
        self.make_repeater = make_repeater
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
            one_line = int(self.verbose) == 1 and is_terminal()
            callbacks.append(("print_log", EpochLine() if one_line else Table()))
        return callbacks

    def initialize_module(self):
        super().initialize_module()
        self.step_ = Step(self.module_, self.generators)
        self.flat_, self._twins, self.n_finished_ = self.step_.flat, {}, None
        return self

    def initialize_optimizer(self, triggered_directly=None):
        kind = getattr(self.optimizer, "func", self.optimizer)  # of a functools.partial
        if isinstance(kind, type) and issubclass(kind, torch.optim.LBFGS):
            parameters = [self.step_.named_anew(slice(None))]
        elif isinstance(kind, type) and issubclass(kind, ELEMENTWISE):
            parameters = self.step_.groups(self.lr)
        else:
            parameters = self.step_.trainable()
        options = self.get_params_for("optimizer")
        chosen = {*options, *getattr(self.optimizer, "keywords", {})}
        if kind in FUSED and not chosen & {"fused", "foreach"}:
            options["fused"] = True
        self.optimizer_ = make_optimizer(self.optimizer, parameters, self.lr, options)
        self._update_step()
        return self

    def _update_step(self):
        """Tell the step what is set on the engine, which callbacks may do at any time."""
        step = self.step_
        step.criterion, step.optimizer = self.criterion_, self.optimizer_
        step.lr, step.schedule, step.alpha = self.lr, self.schedule, self.alpha

    # What is learnt, as a whole

    def state(self):
        """Return all that a later `train` depends on, as tensors, numbers and strings.

        The rate of the last step is not part of it: each training begins with its own.
        """
        optimizer = copy.deepcopy(self.optimizer_.state_dict())
        for group in optimizer["param_groups"]:
            group["lr"] = factor_of(group)
        return {
            "weights": self.weights(),
            "optimizer": optimizer,
            "optimizer_name": type(self.optimizer_).__name__,
            "n_remembered": self.step_.n_remembered,
            "batch_size": self.batch_size,
            "history": [dict(row) for row in self.history],
            "generators": {name: g.get_state() for name, g in self.generators.items()},
        }

    def load_state(self, state):
        """Go on from where `state` was taken; an optimizer of another kind starts afresh.

        So does one of a file whose parameters were laid out in another way.
        """
        self.set_weights(state["weights"])
        self.batch_size = state.get("batch_size", self.batch_size)  # older files have none
        self.history.extend(dict(row) for row in state["history"])
        for name, generator_state in state["generators"].items():
            if generator_state.numel() == self.generators[name].get_state().numel():
                self.generators[name].set_state(generator_state)
        same_kind = state["optimizer_name"] == type(self.optimizer_).__name__
        if same_kind and _layout(state["optimizer"]) == _layout(self.optimizer_.state_dict()):
            self.optimizer_.load_state_dict(state["optimizer"])
            # Of older files it is not known: enough of them.
            self.step_.n_remembered = state.get("n_remembered", STEPS_OF_WARM_UP)
            for group in self.optimizer_.param_groups:
                group["lr"] = self.lr * factor_of(group)
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
                twin = copy.deepcopy(self.module_, _empty_tables(self.module_)).to(dtype)
                if not has_foreign_code(self.module_):  # it may keep more than tensors
                    self._twins[dtype] = twin
            for mine, its in zip(_tensors_of(self.module_), _tensors_of(twin), strict=True):
                its.copy_(mine)
        return twin

    def forget(self, parameter, index):
        """Erase what the optimizer remembers of some entries of a parameter."""
        for owner, state in self.optimizer_.state.items():
            start = parameter.storage_offset() - owner.storage_offset()
            part = slice(start, start + parameter.numel())
            for value in state.values():
                if not torch.is_tensor(value) or value.shape != owner.shape:
                    continue
                if owner is parameter:
                    value[index] = 0
                elif owner.dim() == 1 and 0 <= start < part.stop <= owner.numel():
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
        # A rank that has run out of rows takes part without any until the others have.
        n_steps = _ranks.largest(len(batches.sizes))
        self._n_idle, self._stops = n_steps - len(batches.sizes), None
        tell_number_of_batches(callbacks, n_steps + len(valid_sizes))
        self._per_batch_callbacks = any(has_batch_hook(callback) for callback in callbacks)
        # A scheduler that the user brings takes the place of ours.
        own_schedule = not any(isinstance(callback, LRScheduler) for callback in callbacks)
        self.step_.begin(epochs * n_steps if own_schedule else 0)
        part_ways(self.generators, _ranks.rank())
        self._repeater = None
        if self.make_repeater is not None and not self._per_batch_callbacks:
            self._update_step()
            self._repeater = self.make_repeater(self.step_, batches.sizes, epochs)
        self._best = {prefix: self._best_loss(prefix) for prefix in ("train", "valid")}

        self.notify("on_train_begin", X=batches, y=None)
        try:
            with agreed_interrupts(), without_denormals():
                kept = self._with_kept(batches, epochs)
                self.fit_loop((kept, valid_batches), epochs=epochs)
        except KeyboardInterrupt as interrupt:
            if _ranks.is_shared() and not isinstance(interrupt, (Converged, Agreed)):
                raise  # of this rank alone
            self._drop_unfinished_epoch(valid_batches is not None)
            if not isinstance(interrupt, Converged):
                if is_second():
                    raise
                self.n_finished_ = len(self.history) - n_before
        finally:
            if self._repeater is not None:
                self._repeater.end()
        self.notify("on_train_end", X=batches, y=None)
        self._set_training(False)
        return self

    @torch.no_grad()
    def _with_kept(self, batches, n_epochs):
        """Return batches with what the module keeps of each row for the length of a training.

        Callbacks that see batches, and code that is not of this package, are given plain rows.
        """
        n_kept = getattr(self.module_, "n_kept", 0)
        if not n_kept or n_epochs < 2 or self._per_batch_callbacks:
            return batches
        if has_foreign_code(self.module_):
            return batches
        return batches.widened(n_kept, self.module_.kept_of)

    def notify(self, method_name, **arguments):
        """Call the callbacks in turn, each at the end of an epoch only with what it goes by.

        One that raises KeyboardInterrupt ends the training; where there are other ranks, at the
        end of the epoch.
        """
        stops = None
        try:
            getattr(self, method_name)(self, **arguments)
            for _, callback in self.callbacks_:
                if method_name == "on_epoch_end":
                    check_is_recorded(callback, self.history[-1])
                getattr(callback, method_name)(self, **arguments)
        except KeyboardInterrupt as interrupt:
            if not is_on_purpose(interrupt):
                raise
            stops = interrupt
        if _ranks.is_shared():
            self._stops = self._stops or stops
            may_stop = method_name == "on_epoch_end" and _ranks.any_rank(bool(self._stops))
            stops = may_stop and (self._stops or Agreed())
        if stops:
            raise Converged from stops

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
        idle = batches.without_weight(self._n_idle) if training else ()
        for batch in itertools.chain(batches, idle):
            reconsider_threads()
            if self._per_batch_callbacks:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            yield step["names"], step["values"][None], [weight_of(batch)]
            if self._per_batch_callbacks:
                self.history.record_batch(f"{prefix}_loss", step["loss"].item())
                self.history.record_batch(f"{prefix}_batch_size", len(batch[0]))
                self.notify("on_batch_end", batch=batch, training=training, **step)

    def _in_runs(self, batches):
        """Yield names and values of the terms, (n_steps, n_terms), and sizes of batches."""
        self._update_step()
        self._repeater.begin_epoch()
        for run in batches.runs():
            reconsider_threads()
            while run:
                names, values = self._repeater.take(run)
                taken, run = run[: len(values)], run[len(values) :]
                yield names, values, [weight_of(batch) for batch in taken]
        for batch in batches.without_weight(self._n_idle):
            self._repeater.idle(batch, names, values[0])

    def _record_epoch(self, prefix, names, values, sizes):
        if torch.is_tensor(sizes[-1]):
            sizes = torch.stack([torch.as_tensor(size).to(values) for size in sizes]).double()
        else:
            sizes = torch.tensor(sizes, dtype=torch.float64, device=values.device)
        sums, size = _ranks.total(sizes @ values.double(), sizes.sum())
        means = (sums / size).tolist()
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

    def train_step(self, batch, **fit_params):
        """Take a step, and tell the callbacks of its gradient; return its loss terms."""
        self._update_step()
        tell = self._tell_of_gradient if self._per_batch_callbacks else None
        return self.step_.take(batch, on_gradient=tell)

    def _tell_of_gradient(self, batch):
        parameters = list(self.module_.named_parameters())
        self.notify("on_grad_computed", named_parameters=parameters, batch=batch, training=True)

    def validation_step(self, batch, **fit_params):
        """Return the loss terms of a batch, always under the same noise."""
        return self.step_.evaluate(batch, self._evaluation_generator)

    def evaluate(self, batches):
        """Return the loss terms over all rows, with the module in evaluation mode."""
        self._set_training(False)
        self._evaluation_generator = self._fresh_evaluation_generator()
        sums, size = 0.0, 0.0
        for batch in batches:
            n, step = float(weight_of(batch)), self.validation_step(batch)
            sums = sums + n * step["values"].double().cpu()
            size += n
        sums, size = _ranks.total(sums, size)
        terms = dict(zip(step["names"], (sums / size).tolist(), strict=True))
        return {**terms, "loss": sum(terms.values())}

    def evaluate_rows(self, batches):
        """Return the monitored loss of each row, (n_rows,), with the module in evaluation mode."""
        self._set_training(False)
        self._evaluation_generator = self._fresh_evaluation_generator()
        losses = []
        for batch in batches:
            terms = self.validation_step(batch)["y_pred"]
            loss = self.monitored_loss({**terms, "loss": sum(terms.values())})
            losses.append(loss.double().expand(len(batch[0])).cpu())
        return torch.cat(losses).numpy()

    def _fresh_evaluation_generator(self):
        generator = self.generators["evaluation"]
        return generator.manual_seed(generator.initial_seed())


def _tensors_of(module):
    return itertools.chain(module.parameters(), module.buffers())


def _layout(optimizer_state):
    """Return learning rates, relative to the step's, and numbers of parameters of the groups."""
    return [(factor_of(g), len(g["params"])) for g in optimizer_state["param_groups"]]


def _empty_tables(module):
    """Return copies of the empty tables of a module's parts, as `copy.deepcopy` takes them.

    Each part has a dozen of them, for hooks, and to copy one takes as long as to copy a tensor.
    """
    tables = [table for part in module.modules() for table in vars(part).values()]
    return {id(t): type(t)() for t in tables if type(t) in (dict, OrderedDict) and not t}
