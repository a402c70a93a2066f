"""Steps on a GPU: captured once in a CUDA graph, noise and optimizer included, then replayed.

An eager step of a small network leaves the GPU idle while Python prepares the next operation. A
graph is launched as a whole; between two of them the host copies a batch, sets the learning rate
and copies the values of the terms, none of which waits for the device.
"""

import functools
import os
import threading
import warnings
from contextlib import contextmanager

import torch

from .._torch import foreach_copy_
from ..training.optimizers import fused_adam, move
from ..training.randomness import DRAWN
from ..training.step import factor_of
from .record import tensors_in
from .repeater import Repeater, agree, gradient_of

_capturing = threading.Lock()  # one capture at a time in the process


def _renew_lock():
    """Replace the lock in a forked process: a thread that it does not have may have held it."""
    global _capturing
    _capturing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class CudaGraph:
    """A function without arguments as a CUDA graph.

    Parameters
    ----------
    function : callable
        Launches work on the stream's device; what it returns stays where it is.
    generators : list of torch.Generator
        Those that it may draw from: their state advances with every replay.
    stream : torch.cuda.Stream
        On which it has been called before.
    """

    def __init__(self, function, generators, stream):
        self.graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self.graph.register_generator_state(generator)
        # Other threads may go on using the device.
        capture = torch.cuda.graph(self.graph, stream=stream, capture_error_mode="thread_local")
        with _capturing, capture:
            self.result = function()

    def replay(self):
        """Run the function again, on the memory it ran on when it was captured."""
        with torch.cuda.device(self.result.device):
            self.graph.replay()


def aside(function, stream):
    """Call a function on another stream, and raise RuntimeError if it waits for the device.

    One that does could not be captured.
    """
    current = torch.cuda.current_stream(stream.device)
    stream.wait_stream(current)
    with _capturing, _no_waiting(), torch.cuda.stream(stream):
        result = function()
    current.wait_stream(stream)
    return result


@contextmanager
def _no_waiting():
    mode = torch.cuda.get_sync_debug_mode()
    try:
        _hear_of_prototype()
        torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


@functools.cache
def _hear_of_prototype():
    """Let torch say, the one time that it does, that this mode is a prototype."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("error")


@functools.cache
def stream_on(device):
    """Return the one stream for all captures on a device: cuBLAS keeps a workspace for each."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None


class StaticStep:
    """A whole step of one size between fixed places: batch and rate in, values of terms out.

    Parameters
    ----------
    step : Step
    batch : tuple
        x, (n_rows, n_features), and weights, (n_rows,) or None.
    adam : FusedAdam
    """

    def __init__(self, step, batch, adam):
        self.step, self.adam = step, adam
        x, weights = batch
        self.batch = torch.empty_like(x), None if weights is None else torch.empty_like(weights)
        self.rates = [torch.zeros((), dtype=torch.float32, device=x.device) for _ in adam.tensors]
        self.names, self.graph = None, None
        self.settings = settings_of(step, adam)
        self.trainable = step.trainable()

    def load(self, batch, rates):
        """Put a batch and the learning rates of its step in their places."""
        for mine, given in zip(self.batch, batch, strict=True):
            if mine is not None:
                mine.copy_(given, non_blocking=True)
        for mine, rate in zip(self.rates, rates, strict=True):
            mine.fill_(rate)

    def take(self):
        """Take the step; return the values of the terms."""
        step = self.step
        results = step.loss_terms(self.batch, step.draw(len(self.batch[0])))
        gradient = gradient_of(results["loss"], self.trainable)
        step.flat_gradient.zero_()  # for good, where parameters are frozen
        foreach_copy_([p.grad for p in self.trainable], list(gradient))
        with torch.no_grad():
            for block, rate in zip(self.adam.tensors, self.rates, strict=True):
                move(block, *self.adam[1:], rate)
            if step.alpha:
                decay = step.alpha / factor_of(step.optimizer.param_groups[0])
                step.decayed.mul_((1 - self.rates[0] * decay).clamp_min(0))
        self.names = results["names"]
        return results["values"]

    def results(self, values):
        """Return copies of terms, and of gradients and buffers, after a step."""
        tensors = *(p.grad for p in self.trainable), *self.step.module.buffers()
        return values.clone(), [tensor.clone() for tensor in tensors]

    def capture(self, make_graph, stream):
        """Write the step down without taking it."""
        self.graph = make_graph(self.take, [self.step.generators[p] for p in DRAWN], stream)


def settings_of(step, adam):
    """Return what a step takes for granted of its optimizer: places in memory, and numbers."""
    places = [tensor.data_ptr() for tensor in tensors_in(adam.tensors)]
    return [*places, *adam.constants, adam.decoupled, adam.maximize, step.alpha]


class Graphs(Repeater):
    """The steps of a training on CUDA, by their number of rows, as graphs.

    The first step of a size is an eager one, the second the one to be captured, taken on a
    stream of its own; the third is taken eagerly and by the graph, which is replayed from the
    fourth on if both agree. Only Adam and AdamW can be part of a graph; with other optimizers, and
    where a step waits for the device, steps are eager.
    """

    make_graph, aside = staticmethod(CudaGraph), staticmethod(aside)

    def __init__(self, step, frequent):
        super().__init__(step, frequent)
        self.stream = stream_on(step.flat.device)
        self.static = {}  # None: seen once
        self.n_captured = 0

    def forget(self):
        """Drop the graphs, and with them their memory on the device."""
        self.static = {}

    end = forget

    def take(self, batches):
        """Take steps for one or more of the first of these batches, which are of one size."""
        n_rows = len(batches[0][0])
        adam = fused_adam(self.step.optimizer) if self.may_repeat(n_rows) else None
        if adam is None or n_rows not in self.static:
            self.static.setdefault(n_rows)
            return self.eager(batches[0])
        static = self.static[n_rows]
        if static is None or static.settings != settings_of(self.step, adam):
            return self._prepare(batches[0], adam)
        if static.graph is None:
            if self._give_up_if_refused(lambda: static.capture(self.make_graph, self.stream)):
                return self.eager(batches[0])
            self.n_captured += 1
            return self._prove(static, batches[0])
        return static.names, self._replay(static, batches)

    def _prove(self, static, batch):
        """Take a step, and keep its graph if that does the same."""
        names, rates, values = static.names, self.step.rates(1), []
        static.load(batch, *rates)
        found = self._results_of_the_graph(static)
        if self._give_up_if_refused(lambda: values.append(self.aside(static.take, self.stream))):
            return self.eager(batch)
        self.step.advance(rates)
        agrees = static.names == names and agree(static.results(*values), found)
        if not (self.is_unchanged() and agrees):
            self.give_up(len(batch[0]))
        return static.names, values[0][None]

    def _results_of_the_graph(self, static):
        """Return terms, and gradients and buffers, after a step that leaves no trace."""
        memory = tensors_in([block[2:] for block in static.adam.tensors])  # of the optimizer
        lasting = [self.step.flat, *memory, *self.step.module.buffers()]
        before = [tensor.clone() for tensor in lasting]
        generators = {purpose: self.step.generators[purpose].get_state() for purpose in DRAWN}
        static.graph.replay()
        found = static.results(static.graph.result)
        for tensor, value in zip(lasting, before, strict=True):
            tensor.copy_(value)
        for purpose, state in generators.items():
            self.step.generators[purpose].set_state(state)
        return found

    def _prepare(self, batch, adam):
        """Take the first static step of a size, or an eager one where that is impossible."""
        static = StaticStep(self.step, batch, adam)
        rates = self.step.rates(1)
        static.load(batch, *rates)
        values = []
        if self._give_up_if_refused(lambda: values.append(self.aside(static.take, self.stream))):
            return self.eager(batch)
        self.step.advance(rates)
        if self.is_unchanged():
            self.static[len(batch[0])] = static
        return static.names, values[0][None]

    def _give_up_if_refused(self, attempt):
        """Return whether CUDA refused, in which case all is as before and steps stay eager."""
        own, module = self.step.generators, self.step.module
        generators = {purpose: own[purpose].get_state() for purpose in DRAWN}
        buffers = [buffer.clone() for buffer in module.buffers()]
        try:
            attempt()
        except RuntimeError:  # it waits for the device
            for purpose, state in generators.items():  # new ones: a capture may hold the old
                own[purpose] = torch.Generator(own[purpose].device)
                own[purpose].set_state(state)
            for buffer, before in zip(module.buffers(), buffers, strict=True):
                buffer.copy_(before)
            self.frequent, self.static = set(), {}
            return True
        return False

    def _replay(self, static, batches):
        values, rates = [], self.step.rates(len(batches))
        self.step.advance(rates)
        for batch, rates_of_step in zip(batches, rates, strict=True):
            static.load(batch, rates_of_step)
            static.graph.replay()
            values.append(static.graph.result.clone())
        return torch.stack(values)
