"""What the user has set in torch, while we compute."""

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
