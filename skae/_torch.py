"""The parts of torch that are not public, in one place, so that an upgrade breaks none other.

What repeats the steps of a training needs nearly all of `PARTS`: it asks `missing` first, and
where one is gone steps are ordinary ones. Other parts have a public substitute here.

The public entrances of TorchScript warn that it is deprecated. To keep that from users means to
change the filters of the whole process for a moment, and other threads lose their warnings in it.
"""

import functools
import importlib
import operator

import torch
from torch import nn

__all__ = [
    "BATCH_NORMS",
    "DispatchMode",
    "arguments_of",
    "aten",
    "default_store",
    "foreach_copy_",
    "fused_adam_",
    "has_legacy_norm",
    "is_constructed",
    "is_hooked",
    "is_replaced",
    "is_torchscript_enabled",
    "missing",
    "place_of",
    "script",
    "step_hooks",
    "storage_of",
    "tensors_of",
    "timeout_of",
    "trace",
]


def _find(path, default=None):
    """Return what a path like ``"torch.optim:Adam.step"`` leads to, or the default."""
    module, _, name = path.partition(":")
    try:
        return operator.attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError):
        return default


# Where repeated steps would not work without them: functions and classes, ...
PATHS = (
    "torch:_fused_adam_",
    "torch:_foreach_copy_",
    "torch.utils._python_dispatch:TorchDispatchMode",
    "torch.optim.optimizer:_global_optimizer_pre_hooks",
    "torch.optim.optimizer:_global_optimizer_post_hooks",
    "torch.nn.modules.module:_has_any_global_hook",
    "torch:Tag.nondeterministic_seeded",
    "torch:Tag.data_dependent_output",
    "torch:Tag.dynamic_output_shape",
)
# ... operators, ...
OPERATORS = (
    *("add.Scalar", "add.Tensor", "copy_.default", "div.Scalar", "div.Tensor", "dot.default"),
    *("expand.default", "full_like.default", "index.Tensor", "mean.default", "mean.dim"),
    *("mm.default", "mul.Scalar", "mul.Tensor", "mv.default", "neg.default", "new_full.default"),
    *("new_ones.default", "new_zeros.default", "ones_like.default", "pow.Tensor_Scalar"),
    *("rsub.Scalar", "stack.default", "sub.Scalar", "sub.Tensor", "sum.dim_IntList"),
    *("unsqueeze.default", "view.default", "zeros_like.default"),
)
# ... and attributes.
MODULE_TABLES = ("_parameters", "_buffers")
MODULE_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
TENSOR_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
STEP_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


def _make_optimizer():
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))])


ATTRIBUTES = {
    **{f"Module.{name}": (nn.Module, name) for name in (*MODULE_TABLES, *MODULE_HOOKS)},
    **{f"Parameter.{name}": (nn.Parameter, name) for name in TENSOR_HOOKS},
    **{f"Optimizer.{name}": (_make_optimizer, name) for name in STEP_HOOKS},
    "UntypedStorage._cdata": (lambda: torch.zeros(1).untyped_storage(), "_cdata"),
    "OpOverload._schema": (lambda: _find("torch:ops.aten.add.Tensor"), "_schema"),
    "OpOverload.tags": (lambda: _find("torch:ops.aten.add.Tensor"), "tags"),
}

# How to see whether a part is there, by its name.
PARTS = {
    **{path: functools.partial(_find, path) for path in PATHS},
    **{f"aten.{name}": functools.partial(_find, f"torch:ops.aten.{name}") for name in OPERATORS},
    **{
        name: lambda make=make, attribute=attribute: hasattr(make(), attribute) or None
        for name, (make, attribute) in ATTRIBUTES.items()
    },
}


@functools.cache
def missing():
    """Return the names of the parts that this version of torch does not have."""
    return tuple(name for name, look in PARTS.items() if look() is None)


aten = torch.ops.aten
fused_adam_ = _find("torch:_fused_adam_")
foreach_copy_ = _find("torch:_foreach_copy_")
DispatchMode = _find("torch.utils._python_dispatch:TorchDispatchMode")

_global_step_hooks = (
    _find("torch.optim.optimizer:_global_optimizer_pre_hooks"),
    _find("torch.optim.optimizer:_global_optimizer_post_hooks"),
)
_has_any_global_hook = _find("torch.nn.modules.module:_has_any_global_hook")

# Where an upgrade has moved them, the public ones.
script = _find("torch.jit._script:_script_impl", _find("torch.jit:script"))
trace = _find("torch.jit._trace:_trace_impl", _find("torch.jit:trace"))
_is_jit_enabled = _find("torch.jit._state:_enabled", True)

_PUBLIC_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
BATCH_NORMS = _find("torch.nn.modules.batchnorm:_BatchNorm", _PUBLIC_BATCH_NORMS)
_LEGACY_NORMS = (
    _find("torch.nn.utils.weight_norm:WeightNorm", ()),
    _find("torch.nn.utils.spectral_norm:SpectralNorm", ()),
)


def is_torchscript_enabled():
    """Return what the environment says in ``PYTORCH_JIT``."""
    return script is not None and trace is not None and bool(_is_jit_enabled)


def is_hooked(module):
    """Whether somebody else's code runs in a step, which a repetition would leave out."""
    tables = [
        getattr(part, name, None)
        for parts, names in ((module.modules(), MODULE_HOOKS), (module.parameters(), TENSOR_HOOKS))
        for part in parts
        for name in names
    ]
    return any(tables) or _has_any_global_hook()


def step_hooks(optimizer):
    """Return the tables of what is called before and after each step of an optimizer."""
    return [*(getattr(optimizer, name) for name in STEP_HOOKS), *_global_step_hooks]


def is_replaced(optimizer):
    """Whether ``step`` of this one optimizer is somebody's own.

    A learning rate scheduler puts a wrapper around it which notes that it was called.
    """
    return "step" in vars(optimizer) and not hasattr(optimizer.step, "_wrapped_by_lr_sched")


def tensors_of(part):
    """Return the parameters and buffers of a module, without those of its parts."""
    tables = [vars(part)[name].values() for name in MODULE_TABLES]
    return [tensor for table in tables for tensor in table if tensor is not None]


def is_constructed(module):
    """Whether a module has called ``super().__init__()``."""
    return all(name in vars(module) for name in MODULE_TABLES if name in vars(nn.Module()))


def has_legacy_norm(module):
    """Whether a layer has a weight norm or spectral norm of the kind that cannot be copied."""
    hooks = [h for part in module.modules() for h in _hooks_before(part)]
    return any(isinstance(hook, _LEGACY_NORMS) for hook in hooks)


def _hooks_before(part):
    return getattr(part, "_forward_pre_hooks", {}).values()


def storage_of(tensor):
    """Return what names the memory that a tensor lies in."""
    return tensor.untyped_storage()._cdata


def place_of(tensor):
    """Return what makes two tensors the same value."""
    offset = tensor.storage_offset()
    return storage_of(tensor), offset, tensor.shape, tensor.stride(), tensor.dtype


def arguments_of(func):
    """Return the declared arguments of an operator."""
    return func._schema.arguments


# Of torch.distributed: without them a fit of several processes waits as long as torch does by
# default, and hears that another one has failed, but not why.


def default_store():
    """Return what the processes of a group keep words for each other in; None where unknown."""
    get = _find("torch.distributed.distributed_c10d:_get_default_store")
    return None if get is None else get()


def timeout_of(group):
    """Return how long the processes of a group wait for each other; None where unknown."""
    for device in ("cpu", "cuda"):
        try:
            return group._get_backend(torch.device(device)).options._timeout
        except (AttributeError, RuntimeError):  # of a backend for the other
            continue
    return None
