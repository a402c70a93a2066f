"""Steps that are repeated without their Python code: what that takes for granted, and watches."""

from abc import ABC, abstractmethod

import torch

from .._torch import is_hooked, tensors_of
from ..nn.repeatable import PLAIN, is_repeatable

# With fewer steps of one size it does not pay to prepare their repetition, which costs 10 to
# 120 ms.
FEWEST_REPETITIONS = 100

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}  # between a step and its repetition


class Repeater(ABC):
    """The steps of a training, of which those that come often are repeated without Python.

    What is prepared from one step of a size is compared with another one, on other rows and other
    draws, before it takes the place of any: that finds what a promise has left out.

    Parameters
    ----------
    step : Step
    frequent : set of int
        Numbers of rows of the batches that come often.
    """

    def __init__(self, step, frequent):
        self.step, self.frequent = step, frequent
        self._state = ()

    def begin_epoch(self):
        """Forget what was prepared if the module is no longer the same."""
        state = state_of(self.step.module)
        if not _is_same(state, self._state):
            self._state = state
            self._is_repeatable = is_repeatable(self.step.module)
            self.forget()
        self._is_watched = torch.is_anomaly_enabled() or is_hooked(self.step.module)

    def is_unchanged(self):
        """Whether the module is what it was; if a step has changed it, none is repeated again.

        Numbers that a module counts up, or a buffer that it replaces, would be those of one step.
        """
        if not _is_same(state_of(self.step.module), self._state):
            self.frequent = set()
        return bool(self.frequent)

    @abstractmethod
    def forget(self):
        """Drop what was prepared."""

    def end(self):  # noqa: B027
        """Let go of what would hold memory of a device, as training has ended."""

    @abstractmethod
    def take(self, batches):
        """Take steps for one or more of the first of these batches, which are of one size.

        Returns
        -------
        names : list of str
        values : tensor of shape (n_steps, n_terms)
        """

    def may_repeat(self, n_rows):
        """Whether steps of this size should be prepared."""
        return n_rows in self.frequent and self._is_repeatable and not self._is_watched

    def give_up(self, n_rows):
        """Take ordinary steps of this size for good."""
        self.frequent = self.frequent - {n_rows}

    def eager(self, batch, gradient=None):
        """Take an ordinary step, or one whose gradient comes from elsewhere."""
        results = self.step.take(batch, gradient=gradient)
        return results["names"], results["values"][None]

    def idle(self, batch, names, values):
        """Take a step for a batch without weight, whose gradient nobody needs."""

        def gradient(batch, draws):
            self.step.flat_gradient.zero_()
            return {"names": names, "values": torch.zeros_like(values)}

        self.step.take(batch, gradient=gradient)


def gradient_of(loss, parameters):
    """Return the gradient for each parameter, zeros where the loss does not reach it."""
    return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)


def state_of(module):
    """Return what a program takes for granted: switches, settings, where memory lies."""
    state = [torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")]
    for part in module.modules():
        state.append(type(part))
        for value in vars(part).values():
            value = list(value.values()) if isinstance(value, dict) else value
            state += value if isinstance(value, (list, tuple)) else [value]
        for tensor in tensors_of(part):
            state += [tensor, tensor.data_ptr(), tensor.requires_grad]
    return state


def agree(results, others):
    """Whether two computations of a step, values of terms and a list of tensors, are the same.

    Each term by itself: the largest would hide what happens to the others.
    """
    (terms, tensors), (other_terms, other_tensors) = results, others
    if not terms.isfinite().all():
        return False  # there is nothing to be seen
    rtol = TOLERANCE.get(terms.dtype, 0.0)
    atol = 1e-3 * rtol * float(terms.abs().max())
    same_terms = torch.allclose(terms, other_terms, rtol=rtol, atol=atol)
    return same_terms and all(map(_is_close, tensors, other_tensors))


def _is_close(a, b):
    if not a.is_floating_point() or not a.numel():
        return torch.equal(a, b)
    return bool((a - b).abs().max() <= TOLERANCE.get(a.dtype, 0.0) * a.abs().max())


def _is_same(state, other):
    return len(state) == len(other) and all(
        a is b or (type(a) is type(b) and isinstance(a, PLAIN) and a == b)
        for a, b in zip(state, other, strict=True)
    )
