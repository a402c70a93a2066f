"""The parts of torch that are not public, in one place.

The public entrances of TorchScript warn that it is deprecated. To keep that from users means to
change the filters of the whole process for a moment, and other threads lose their warnings in it.
"""

import torch.jit

# Where an upgrade has moved them, the public ones.
script = getattr(torch.jit._script, "_script_impl", torch.jit.script)
trace = getattr(torch.jit._trace, "_trace_impl", torch.jit.trace)

__all__ = ["is_torchscript_enabled", "script", "trace"]


def is_torchscript_enabled():
    """Return what the environment says in ``PYTORCH_JIT``."""
    return bool(torch.jit._state._enabled)
