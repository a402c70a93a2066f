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

from ..training.optimizers import fused_adam, move
from .record import tensors_in
from .repeater import Repeater, agree, gradient_of

DRAWN = ("dropout", "noise", "corruption")  # the purposes of the generators of a step
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
    net : Engine
    batch : tuple
        x, (n_rows, n_features), and weights, (n_rows,) or None.
    adam : FusedAdam
    """

    def __init__(self, net, batch, adam):
        self.net, self.adam = net, adam
        x, weights = batch
        self.batch = torch.empty_like(x), None if weights is None else torch.empty_like(weights)
        self.rate = torch.zeros((), dtype=torch.float32, device=x.device)
        self.names, self.graph = None, None
        self.settings = settings_of(net, adam)
        self.trainable = [p for p in net.module_.parameters() if p.requires_grad]

    def load(self, batch, rate):
        """Put a batch and its learning rate in their places."""
        for mine, given in zip(self.batch, batch, strict=True):
            if mine is not None:
                mine.copy_(given, non_blocking=True)
        self.rate.fill_(rate)

    def take(self):
        """Take the step; return the values of the terms."""
        net = self.net
        step = net.loss_terms(self.batch, net.draw(len(self.batch[0])))
        gradient = gradient_of(step["loss"], self.trainable)
        net.flat_grad_.zero_()  # for good, where parameters are frozen
        torch._foreach_copy_([p.grad for p in self.trainable], list(gradient))
        with torch.no_grad():
            move(*self.adam, self.rate)
            if net.alpha:
                net.decayed_.mul_((1 - self.rate * net.alpha).clamp_min(0))
        self.names = step["names"]
        return step["values"]

    def results(self, values):
        """Return copies of terms, and of gradients and buffers, after a step."""
        tensors = *(p.grad for p in self.trainable), *self.net.module_.buffers()
        return values.clone(), [tensor.clone() for tensor in tensors]

    def capture(self, make_graph, stream):
        """Write the step down without taking it."""
        self.graph = make_graph(self.take, [self.net.generators[p] for p in DRAWN], stream)


def settings_of(net, adam):
    """Return what a step takes for granted of its optimizer: places in memory, and numbers."""
    places = [tensor.data_ptr() for tensor in tensors_in(adam.tensors)]
    return [*places, *adam.constants, adam.decoupled, adam.maximize, net.alpha]


class Graphs(Repeater):
    """The steps of a net on CUDA, by their number of rows, as graphs.

    The first step of a size is an eager one, the second the one to be captured, taken on a
    stream of its own; the third is taken eagerly and by the graph, which is replayed from the
    fourth on if both agree. Only Adam and AdamW can be part of a graph; with other optimizers, and
    where a step waits for the device, steps are eager.
    """

    make_graph, aside = staticmethod(CudaGraph), staticmethod(aside)

    def __init__(self, net, frequent):
        super().__init__(net, frequent)
        self.stream = stream_on(net.flat_.device)
        self.steps = {}  # None: seen once
        self.n_captured = 0

    def forget(self):
        """Drop the graphs, and with them their memory on the device."""
        self.steps = {}

    def take(self, batches):
        """Take steps for one or more of the first of these batches, which are of one size."""
        n_rows = len(batches[0][0])
        adam = fused_adam(self.net.optimizer_) if self.may_repeat(n_rows) else None
        if adam is None or n_rows not in self.steps:
            self.steps.setdefault(n_rows)
            return self.eager(batches[0])
        step = self.steps[n_rows]
        if step is None or step.settings != settings_of(self.net, adam):
            return self._prepare(batches[0], adam)
        if step.graph is None:
            if self._give_up_if_refused(lambda: step.capture(self.make_graph, self.stream)):
                return self.eager(batches[0])
            self.n_captured += 1
            return self._prove(step, batches[0])
        return step.names, self._replay(step, batches)

    def _prove(self, step, batch):
        """Take a step, and keep its graph if that does the same."""
        names, rates, values = step.names, self.net.rates(1), []
        step.load(batch, *rates)
        found = self._results_of_the_graph(step)
        if self._give_up_if_refused(lambda: values.append(self.aside(step.take, self.stream))):
            return self.eager(batch)
        self.net.advance(rates)
        agrees = step.names == names and agree(step.results(*values), found)
        if not (self.is_unchanged() and agrees):
            self.give_up(len(batch[0]))
        return step.names, values[0][None]

    def _results_of_the_graph(self, step):
        """Return terms, and gradients and buffers, after a step that leaves no trace."""
        memory = tensors_in(step.adam.tensors[2:])  # of the optimizer
        lasting = [self.net.flat_, *memory, *self.net.module_.buffers()]
        before = [tensor.clone() for tensor in lasting]
        generators = {purpose: self.net.generators[purpose].get_state() for purpose in DRAWN}
        step.graph.replay()
        found = step.results(step.graph.result)
        for tensor, value in zip(lasting, before, strict=True):
            tensor.copy_(value)
        for purpose, state in generators.items():
            self.net.generators[purpose].set_state(state)
        return found

    def _prepare(self, batch, adam):
        """Take the first static step of a size, or an eager one where that is impossible."""
        step = StaticStep(self.net, batch, adam)
        rates = self.net.rates(1)
        step.load(batch, *rates)
        values = []
        if self._give_up_if_refused(lambda: values.append(self.aside(step.take, self.stream))):
            return self.eager(batch)
        self.net.advance(rates)
        if self.is_unchanged():
            self.steps[len(batch[0])] = step
        return step.names, values[0][None]

    def _give_up_if_refused(self, attempt):
        """Return whether CUDA refused, in which case all is as before and steps stay eager."""
        net = self.net
        generators = {purpose: net.generators[purpose].get_state() for purpose in DRAWN}
        buffers = [buffer.clone() for buffer in net.module_.buffers()]
        try:
            attempt()
        except RuntimeError:  # it waits for the device
            for purpose, state in generators.items():  # new ones: a capture may hold the old
                net.generators[purpose] = torch.Generator(net.generators[purpose].device)
                net.generators[purpose].set_state(state)
            for buffer, before in zip(net.module_.buffers(), buffers, strict=True):
                buffer.copy_(before)
            self.frequent, self.steps = set(), {}
            return True
        return False

    def _replay(self, step, batches):
        values, rates = [], self.net.rates(len(batches))
        self.net.advance(rates)
        for batch, rate in zip(batches, rates, strict=True):
            step.load(batch, rate)
            step.graph.replay()
            values.append(step.graph.result.clone())
        return torch.stack(values)
