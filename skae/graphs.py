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

    One that does could not be captured, and a capture that fails leaves the generators unusable.
    """
    mode = torch.cuda.get_sync_debug_mode()
    current = torch.cuda.current_stream(stream.device)
    stream.wait_stream(current)
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.cuda.stream(stream):
            return function()
    finally:
        torch.cuda.set_sync_debug_mode(mode)
        current.wait_stream(stream)


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

    def capture(self, make_graph, stream):
        """Write the step down without taking it."""
        generators = [g for g in self.net.generators.values() if g.device.type == "cuda"]
        self.graph = make_graph(self.take, generators, stream)


def settings_of(net, adam):
    """Return what a step takes for granted of its optimizer: places in memory, and numbers."""
    places = [tensor.data_ptr() for tensor in tensors_in(adam.tensors)]
    return [*places, *adam.constants, adam.decoupled, adam.maximize, net.alpha]


class Graphs(Repeater):
    """The steps of a net on CUDA, by their number of rows, as graphs.

    The first step of a size is an eager one, the second the one to be captured, taken on a
    stream of its own; from the third on the graph is replayed. Only Adam and AdamW can be part
    of a graph; with other optimizers, and where a step waits for the device, steps are eager.
    """

    make_graph, aside = staticmethod(CudaGraph), staticmethod(aside)

    def __init__(self, net, frequent):
        super().__init__(net, frequent)
        device = net.flat_.device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
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
            step.capture(self.make_graph, self.stream)
            self.n_captured += 1
        return step.names, self._replay(step, batches)

    def _prepare(self, batch, adam):
        """Take the first static step of a size, or an eager one where that is impossible."""
        step = StaticStep(self.net, batch, adam)
        rates = self.net.rates(1)
        step.load(batch, *rates)
        try:
            values = self.aside(step.take, self.stream)
        except RuntimeError:  # it waits for the device
            self.frequent = self.frequent - {len(batch[0])}
            return self.eager(batch)
        self.net.advance(rates)
        self.steps[len(batch[0])] = step
        return step.names, values[None]

    def _replay(self, step, batches):
        values, rates = [], self.net.rates(len(batches))
        self.net.advance(rates)
        for batch, rate in zip(batches, rates, strict=True):
            step.load(batch, rate)
            step.graph.replay()
            values.append(step.graph.result.clone())
        return torch.stack(values)
