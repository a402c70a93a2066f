"""Steps again and again: taken eagerly once, written down, compiled, and run many in one call."""

import threading
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, fx

from .tracing import OnlyTensors, Program, Recorder, tensors_in

# Steps of one shape from which on a program pays: writing one down costs 10 to 120 ms.
WORTH = 100

N_PROGRAMS = 256  # compiled ones kept in the process
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}  # of the first replay
PLAIN = (bool, int, float, str)  # settings that are compared by value, others by identity
HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_post_accumulate_grad_hooks",
)

_written_down: dict = {}  # by the source of a program, for every fit in the process
_lock = threading.Lock()


class Written(NamedTuple):
    """A step that has been written down, and many in a row; see `looped`."""

    step: Callable
    run: Callable


def looped(step):
    """Return the function that takes one step after the other, each with Adam's move.

    Parameters
    ----------
    step : callable
        ``step(inputs, kept)`` computes a gradient in place and returns the values of the terms.

    Returns
    -------
    run : callable
        With the inputs of each step, what is kept, the learning rate of each step, a
        `FusedAdam`, the part of the parameters that decays and how fast relative to the rate.
    """

    def run(
        inputs: list[list[Tensor]],
        kept: list[Tensor],
        rates: list[float],
        adam: list[Tensor],
        constants: list[float],
        decoupled: bool,
        maximize: bool,
        decayed: Tensor,
        alpha: float,
    ):
        p, g, mean, square, n_steps = [adam[0]], [adam[1]], [adam[2]], [adam[3]], [adam[4]]
        beta1, beta2, decay, eps = constants[0], constants[1], constants[2], constants[3]
        none: list[Tensor] = []
        values: list[Tensor] = []
        for i in range(len(rates)):
            values.append(step(inputs[i], kept))
            n_steps[0].add_(1)
            if decoupled:  # as AdamW
                p[0].mul_(1 - rates[i] * decay)
            torch._fused_adam_(
                p,
                g,
                mean,
                square,
                none,
                n_steps,
                lr=rates[i],
                beta1=beta1,
                beta2=beta2,
                weight_decay=0.0 if decoupled else decay,
                eps=eps,
                amsgrad=False,
                maximize=maximize,
            )
            if alpha > 0:
                decayed.mul_(max(0.0, 1 - rates[i] * alpha))
        return torch.stack(values)

    return run


def compiled(program, inputs):
    """Return the program as functions; running it once on `inputs` may be part of it.

    TorchScript's interpreter costs half of Python's time for each operation, and does without
    Python from the first step of a run to its last.
    """
    source = program.graph.python_code("self").src
    with _lock:
        written = _written_down.pop(source, None)
    if written is None:
        forward = fx.GraphModule({}, program.graph).forward

        def plain(inputs, kept):
            return forward(*inputs, *kept)

        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                step = torch.jit.trace(plain, (inputs, program.kept), check_trace=False)
                written = Written(step, torch.jit.script(looped(step)))
        except Exception:  # whatever it may be: the same in Python
            written = Written(plain, looped(plain))
    with _lock:
        _written_down[source] = written  # at the end: the one used last
        if len(_written_down) > N_PROGRAMS:
            del _written_down[next(iter(_written_down))]
    return written


class Replay:
    """The steps of a module, by their number of rows: taken eagerly once, then replayed.

    Parameters
    ----------
    module : nn.Module
        Its trainable parameters have a ``grad`` that stays where it is.
    take : callable
        ``take(batch, draws)`` returns a dict: the loss, and names and values of its terms.
    """

    def __init__(self, module, take):
        self.module, self.take = module, take
        self._state, self._programs = (), {}

    def begin_epoch(self):
        """Forget what was written down if the module is no longer the same."""
        state = _state_of(self.module)
        if not _is_same(state, self._state):
            self._state, self._programs = state, {}
        self._is_watched = torch.is_anomaly_enabled() or _is_hooked(self.module)

    def knows(self, n_rows):
        """Whether steps of so many rows can be replayed."""
        return not self._is_watched and self._programs.get(n_rows) is not None

    def step(self, batch, draws):
        """Compute the gradient of a step in place; return names and values of its terms.

        The first of its kind is written down. None, and nothing computed, where a step must be
        an eager one.
        """
        n_rows, inputs = len(batch[0]), tensors_in((batch, draws))
        if self._is_watched:
            return None
        if n_rows not in self._programs:
            self._programs[n_rows] = None
            return self._write_down(n_rows, batch, draws, inputs)
        if self._programs[n_rows] is None:
            return None
        names, written, kept = self._programs[n_rows]
        with torch.inference_mode():
            return {"names": names, "values": written.step(inputs, kept)}

    def run(self, batches, draws, rates, adam, decayed, alpha):
        """Take a step for each of some batches of one size, which must be known.

        Returns
        -------
        names : list of str
        values : tensor of shape (n_batches, n_terms)
        """
        inputs = [tensors_in(both) for both in zip(batches, draws, strict=True)]
        names, written, kept = self._programs[len(batches[0][0])]
        with torch.inference_mode():
            return names, written.run(inputs, kept, rates, *adam, decayed, alpha)

    def _write_down(self, n_rows, batch, draws, inputs):
        """Take an eager step; keep its program if that gives the same result."""
        parameters = list(self.module.parameters())
        trainable = [p for p in parameters if p.requires_grad]
        buffers = list(self.module.buffers())
        before = [buffer.clone() for buffer in buffers]
        try:
            with Recorder() as recorder, OnlyTensors():
                step = self.take(batch, draws)
                gradient = torch.autograd.grad(step["loss"], trainable, allow_unused=True)
        except Exception:  # nobody's fault, or one that the eager step will show
            _copy(before, buffers)
            return None
        for p in parameters:
            if p.grad is not None:
                p.grad.zero_()  # for good, where the step does not reach
        parts = [(g, p.grad) for g, p in zip(gradient, trainable, strict=True) if g is not None]
        after = [buffer.clone() for buffer in buffers]
        try:
            program = Program(
                recorder.calls, inputs, [*parameters, *buffers], parameters, parts, step["values"]
            )
            _copy(before, buffers)
            written = compiled(program, inputs)
            _copy(before, buffers)
            again = written.step(inputs, program.kept)
            pairs = [*parts, (step["values"], again), *zip(after, buffers, strict=True)]
            if all(_is_close(a, b) for a, b in pairs):
                self._programs[n_rows] = step["names"], written, program.kept
        except Exception:  # whatever is out of the ordinary stays eager
            pass
        _copy(after, buffers)
        for computed, wanted in parts:
            wanted.copy_(computed)
        return step


def _copy(sources, targets):
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)


def _is_close(a, b):
    if not a.is_floating_point() or not a.numel():
        return torch.equal(a, b)
    return bool((a - b).abs().max() <= TOLERANCE.get(a.dtype, 0.0) * a.abs().max())


def _state_of(module):
    """Return what a program takes for granted: switches, settings, where memory lies."""
    state = [torch.is_autocast_enabled("cpu")]
    for part in module.modules():
        for value in vars(part).values():
            value = list(value.values()) if isinstance(value, dict) else value
            state += value if isinstance(value, (list, tuple)) else [value]
        for tensor in (*part._parameters.values(), *part._buffers.values()):
            if tensor is not None:
                state += [tensor, tensor.data_ptr(), tensor.requires_grad]
    return state


def _is_same(state, other):
    return len(state) == len(other) and all(
        a is b or (type(a) is type(b) and isinstance(a, PLAIN) and a == b)
        for a, b in zip(state, other, strict=True)
    )


def _is_hooked(module):
    """Whether somebody else's code runs in a step, which a replay would leave out."""
    tables = [
        getattr(part, name, None)
        for part in (*module.modules(), *module.parameters())
        for name in HOOKS
    ]
    return any(tables) or torch.nn.modules.module._has_any_global_hook()
