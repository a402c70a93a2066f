"""Settings of torch for the time of a computation, whatever the user has set."""

from contextlib import contextmanager, nullcontext

import torch


@contextmanager
def torch_as_usual():
    """Compute with gradients and on the CPU by default, whatever is set outside.

    A fit needs both under the user's ``no_grad``, ``inference_mode`` or ``set_default_device``.
    """
    # Entering a device costs a little in every operation: only where another one is set.
    usual = torch.get_default_device().type == "cpu"
    device = nullcontext() if usual else torch.device("cpu")
    with device, torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def without_denormals():
    """Round numbers below the normal range to zero, in this thread.

    Weights under strong decay become that small, and processors compute with them several times
    more slowly.
    """
    was_on = _flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_on)


def _flushes_denormals():
    """Whether this thread rounds them to zero already, which torch has no function for."""
    return not bool(torch.tensor(1e-39, dtype=torch.float32, device="cpu") * 0.5)
