"""Steps on the CPU: taken eagerly once, written down, compiled, and run many in one call."""

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, fx

from .. import _ranks
from .._torch import is_torchscript_enabled, script, storage_of, trace
from ..training.optimizers import fused_adam, move
from ..training.threads import others_inside
from .pattern import Pattern, Unknown, remember
from .record import OnlyTensors, Program, Recorder, tensors_in
from .repeater import Repeater, agree, gradient_of
from .simplify import Simplifier

N_PROGRAMS = 256  # compiled ones kept in the process

_written_down: dict = {}  # by the source of a program, for every fit in the process
_made: dict = {}  # by the pattern of a record, how a program was made from one like it
_lock = threading.Lock()
_may_compile = True


def _look_before_fork():
    global _others_at_fork
    _others_at_fork = others_inside()


def _start_afresh():
    """In a process forked while another thread was at work, do without TorchScript.

    That thread may have held our lock, or one of TorchScript's own, and nobody will release it.
    """
    global _lock, _written_down, _may_compile
    _lock = threading.Lock()
    if _others_at_fork:
        _written_down, _may_compile = {}, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_look_before_fork, after_in_child=_start_afresh)


class Written(NamedTuple):
    """A step that has been written down, and many in a row; see `looped`."""

    step: Callable
    run: Callable


def looped(step, move=move):
    """Return the function that takes one step after the other, each with Adam's move.

    Parameters
    ----------
    step : callable
        ``step(inputs, kept)`` computes a gradient in place and returns the values of the terms.
    move : callable
        `optimizers.move`, or what TorchScript has made of it.

    Returns
    -------
    run : callable
        With the inputs of each step, what is kept, the learning rates of each step, a
        `FusedAdam`, the part of the parameters that decays, and what each step leaves of it, or
        nothing.
    """

    def run(
        inputs: list[list[Tensor]],
        kept: list[Tensor],
        rates: list[list[float]],
        adam: list[list[list[Tensor]]],
        constants: list[float],
        decoupled: bool,
        maximize: bool,
        decayed: Tensor,
        shrinkage: list[float],
    ):
        values: list[Tensor] = []
        for i in range(len(rates)):
            values.append(step(inputs[i], kept))
            for j in range(len(adam)):
                move(adam[j], constants, decoupled, maximize, rates[i][j])
            if len(shrinkage) > 0:
                decayed.mul_(shrinkage[i])
        return torch.stack(values)

    return run


def compiled(program, inputs):
    """Return the program as functions; running it once on `inputs` may be part of it.

    TorchScript's interpreter costs half of Python's time for each operation, and does without
    Python from the first step of a run to its last.
    """
    with _lock:
        written = _written_down.get(program.source) or _compile(program, inputs)
        _use(_written_down, program.source, written)
    return written


def _use(table, key, value):
    """Put an entry at the end of a table; drop the one that was used longest ago."""
    table.pop(key, None)
    table[key] = value
    if len(table) > N_PROGRAMS:
        del table[next(iter(table))]


def written_down(calls, inputs, *others):
    """Return a recorded step as functions, and the tensors to be kept for them.

    Parameters
    ----------
    calls, inputs, *others
        As of `Program`, without the simplifier.
    """
    try:
        pattern = Pattern(calls, inputs, *others)
    except Unknown:
        pattern = None
    written, made = (None, None) if pattern is None else _look_up(pattern.key)
    if written is not None:
        return written, made.find_kept(pattern.tensors)
    program = Program(calls, inputs, *others, Simplifier)
    written = compiled(program, inputs)
    made = pattern and remember(program.source, program.kept, pattern.tensors)
    if made is not None:
        with _lock:
            _use(_made, pattern.key, made)
    return written, program.kept


def _look_up(key):
    """Return the functions of a pattern and how their program was made, None where not known."""
    with _lock:
        made = _made.get(key)
        written = None if made is None else _written_down.get(made.source)
        if written is not None:
            _use(_made, key, made)
            _use(_written_down, made.source, written)
    return written, made


def _compile(program, inputs):
    forward = fx.GraphModule({}, program.graph).forward

    def plain(inputs, kept):
        return forward(*inputs, *kept)

    if not (_may_compile and is_torchscript_enabled()):
        return Written(plain, looped(plain))
    try:
        with torch.no_grad():
            step = trace(plain, (inputs, program.kept), check_trace=False)
            return Written(step, script(looped(step, script(move))))
    except Exception:  # whatever it may be: the same in Python
        return Written(plain, looped(plain))


class Replay(Repeater):
    """The steps of a training on the CPU.

    The first of each size is written down, the second is taken both ways and compared, the
    others are replayed.
    """

    def __init__(self, step, frequent):
        super().__init__(step, frequent)
        self.forget()

    def forget(self):
        self.programs, self.proven = {}, set()

    def take(self, batches):
        n_rows = len(batches[0][0])
        if not self.may_repeat(n_rows):
            return self.eager(batches[0])
        if n_rows not in self.programs:
            return self.eager(batches[0], self._write_down)
        if self.programs[n_rows] is None:
            return self.eager(batches[0])
        if n_rows not in self.proven:
            return self.eager(batches[0], self._prove)
        adam = fused_adam(self.step.optimizer)
        if adam is None:
            return self.eager(batches[0], self._gradient)
        if _ranks.is_shared():
            return self._take_with_others(batches[0], adam)
        return self._run(batches, adam)

    def _run(self, batches, adam):
        """Take a step for each batch, in one call."""
        names, written, kept = self.programs[len(batches[0][0])]
        rates = self.step.rates(len(batches))
        self.step.advance(rates)
        draws = self._draw(batches)
        inputs = [tensors_in(batch) + drawn for batch, drawn in zip(batches, draws, strict=True)]
        with torch.inference_mode():
            shrinkage = self.step.shrinkage(rates) if self.step.alpha else []
            return names, written.run(inputs, kept, rates, *adam, self.step.decayed, shrinkage)

    def _take_with_others(self, batch, adam):
        """Take a step of all ranks, which meet between gradient and move."""
        step, rates = self.step, self.step.rates(1)
        step.advance(rates)
        results = self._gradient(batch, step.draw(len(batch[0])))
        step.combine(batch, results["values"].sum())
        with torch.inference_mode():
            for block, rate in zip(adam.tensors, rates[0], strict=True):
                move(block, *adam[1:], rate)
            if step.alpha:
                step.decayed.mul_(*step.shrinkage(rates))
        return results["names"], results["values"][None]

    def _draw(self, batches):
        """Return the random inputs of several steps, a list of tensors for each."""
        n_rows = len(batches[0][0])
        first = tensors_in(self.step.draw(n_rows))
        if not first:
            return [first] * len(batches)
        draws, refilled = [[t.clone() for t in first]], set(map(storage_of, first))
        for _ in batches[1:]:
            drawn = tensors_in(self.step.draw(n_rows))
            draws.append([t.clone() if storage_of(t) in refilled else t for t in drawn])
        return draws

    def _gradient(self, batch, draws):
        """Compute the gradient of a known step; return names and values of its terms."""
        names, written, kept = self.programs[len(batch[0])]
        with torch.inference_mode():
            values = written.step(tensors_in((batch, draws)), kept)
        return {"names": names, "values": values}

    def _prove(self, batch, draws):
        """Compute the gradient of a step; drop the program if that gives another one."""
        n_rows, names = len(batch[0]), self.programs[len(batch[0])][0]
        found = self._results_of_the_program(batch, draws)
        results = self.step.loss_terms(batch, draws)
        trainable = self.step.trainable()
        gradient = gradient_of(results["loss"], trainable)
        wanted = results["values"], [*gradient, *self.step.module.buffers()]
        if self.is_unchanged() and results["names"] == names and found and agree(wanted, found):
            self.proven.add(n_rows)
        else:
            self.programs[n_rows] = None
            self.give_up(n_rows)
        _copy(gradient, [p.grad for p in trainable])
        return results

    def _results_of_the_program(self, batch, draws):
        """Return terms, and gradients and buffers, after a step that leaves no trace, or None."""
        buffers = list(self.step.module.buffers())
        before = [buffer.clone() for buffer in buffers]
        try:
            values = self._gradient(batch, draws)["values"]
            gradient = [p.grad.clone() for p in self.step.trainable()]
            return values, [*gradient, *(buffer.clone() for buffer in buffers)]
        except Exception:  # whatever is out of the ordinary stays eager
            return None
        finally:
            _copy(before, buffers)

    def _write_down(self, batch, draws):
        """Compute the gradient of a step, and write it down where that is possible."""
        n_rows, inputs = len(batch[0]), tensors_in((batch, draws))
        self.programs[n_rows] = None
        parameters = list(self.step.module.parameters())
        trainable = [p for p in parameters if p.requires_grad]
        buffers = list(self.step.module.buffers())
        before = [buffer.clone() for buffer in buffers]
        try:
            with Recorder() as recorder, OnlyTensors():
                results = self.step.loss_terms(batch, draws)
                gradient = gradient_of(results["loss"], trainable)
        except Exception:  # it cannot be recorded; an error of the step itself comes up again
            _copy(before, buffers)
            return None
        self.step.flat_gradient.zero_()  # that of frozen parameters is never written again
        parts = [(g, p.grad) for g, p in zip(gradient, trainable, strict=True)]
        after = [buffer.clone() for buffer in buffers]
        try:
            lasting, values = [*parameters, *buffers], results["values"]
            _copy(before, buffers)
            functions = written_down(recorder.calls, inputs, lasting, parameters, parts, values)
            if self.is_unchanged():
                self.programs[n_rows] = results["names"], *functions
        except Exception:  # whatever is out of the ordinary stays eager
            pass
        _copy(after, buffers)
        for computed, wanted in parts:
            wanted.copy_(computed)
        return results


def _copy(sources, targets):
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
