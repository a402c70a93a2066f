"""Steps on a GPU: captured once in a CUDA graph, noise and optimizer included, then replayed.

An eager step of a small network leaves the GPU idle while Python prepares the next operation. A
graph is launched as a whole; between two of them the host copies a batch, sets the learning rate
and copies the values of the terms, none of which waits for the device.
"""

import threading

import torch

from .optimizers import fused_adam, move
from .repeating import Repeater
from .tracing import tensors_in

_capturing = threading.Lock()  # one capture at a time in the process


class CudaGraph:
    """A function without arguments as a CUDA graph.

    Parameters
    ----------
    function : callable
        Launches work on the current device; what it returns stays where it is.
    generators : list of torch.Generator
        Those that it may draw from: their state advances with every replay.
    """

    def __init__(self, function, generators):
        self.graph = torch.cuda.CUDAGraph()
        for generator in generators:
            self.graph.register_generator_state(generator)
        before = torch.cuda.current_stream()
        try:
            # Other threads may go on using the device.
            with _capturing, torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
                self.result = function()
        finally:
            torch.cuda.set_stream(before)  # which a capture that fails does not restore

    def replay(self):
        """Run the function again, on the memory it ran on when it was captured."""
        self.graph.replay()


def aside(function):
    """Call a function on a stream of its own, as it must have been before it is captured."""
    stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        result = function()
    current.wait_stream(stream)
    return result


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
        gradient = torch.autograd.grad(step["loss"], self.trainable, allow_unused=True)
        reached = [
            (p.grad, g) for p, g in zip(self.trainable, gradient, strict=True) if g is not None
        ]
        net.flat_grad_.zero_()
        torch._foreach_copy_(*map(list, zip(*reached, strict=True)))
        with torch.no_grad():
            move(*self.adam, self.rate)
            if net.alpha:
                net.decayed_.mul_((1 - self.rate * net.alpha).clamp_min(0))
        self.names = step["names"]
        return step["values"]

    def capture(self, make_graph):
        """Write the step down without taking it."""
        generators = [g for g in self.net.generators.values() if g.device.type == "cuda"]
        self.graph = make_graph(self.take, generators)


class Graphs(Repeater):
    """The steps of a net on CUDA, by their number of rows, as graphs.

    The first step of a size is an eager one, the second the one to be captured, taken on a
    stream of its own; from the third on the graph is replayed. Only Adam and AdamW can be part
    of a graph; with other optimizers, and where the capture fails, steps are eager.
    """

    make_graph, aside = staticmethod(CudaGraph), staticmethod(aside)

    def __init__(self, net, frequent):
        super().__init__(net, frequent)
        self.steps = {}  # None: seen once

    def forget(self):
        """Drop what was prepared."""
        self.steps = {}

    def state(self):
        """Return everything that a graph takes for granted: its optimizer's memory as well."""
        adam = fused_adam(self.net.optimizer_)
        if adam is None:
            return super().state()
        settings = [*adam.constants, adam.decoupled, adam.maximize, self.net.alpha]
        return super().state() + [t.data_ptr() for t in tensors_in(adam.tensors)] + settings

    def take(self, batches):
        n_rows = len(batches[0][0])
        adam = fused_adam(self.net.optimizer_) if self.may_repeat(n_rows) else None
        if adam is None or n_rows not in self.steps:
            self.steps.setdefault(n_rows)
            return self.eager(batches[0])
        if self.steps[n_rows] is None:
            self.steps[n_rows] = step = StaticStep(self.net, batches[0], adam)
            step.load(batches[0], *self.net.next_rates(1))
            values = self.aside(step.take)
            return step.names, values[None]
        step = self.steps[n_rows]
        if step.graph is None and not self._capture(step):
            self.frequent = self.frequent - {n_rows}
            return self.eager(batches[0])
        return step.names, self._replay(step, batches)

    def _capture(self, step):
        """Return whether the step could be captured."""
        try:
            step.capture(self.make_graph)
        except RuntimeError:  # an operation that waits for the device
            return False
        return True

    def _replay(self, step, batches):
        values = []
        for batch, rate in zip(batches, self.net.next_rates(len(batches)), strict=True):
            step.load(batch, rate)
            step.graph.replay()
            values.append(step.graph.result.clone())
        return torch.stack(values)
