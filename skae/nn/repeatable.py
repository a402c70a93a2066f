"""Which modules do the same operations in each step: by their authors' word, or as torch's."""

from torch import nn

PLAIN = (bool, int, float, str)  # settings that are compared by value, others by identity

# Layers of torch whose result depends on input, parameters and buffers alone, and that change
# nothing. Dropout draws, batch normalisation counts.
STATELESS = {
    nn.Linear,
    nn.Bilinear,
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.ParameterList,
    nn.ParameterDict,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.Conv1d,
    nn.Conv2d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.LogSigmoid,
    nn.LogSoftmax,
    nn.Mish,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.SELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softmax,
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
}

# What Python itself writes into a class.
BOOKKEEPING = {
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__qualname__",
    "__static_attributes__",
}


def is_repeatable(module):
    """Whether a step of the module is the same operations each time, by its authors' word.

    Each part must be a layer of torch that is known, or of a class that says ``repeatable = True``
    in its own body: what it returns is a function of its inputs, parameters and buffers. The word
    of a class stands for what it inherits, not for who inherits from it, unless that adds no code.
    """
    return all(_promises(type(part)) and not _is_patched(part) for part in module.modules())


def has_foreign_code(module):
    """Whether there is code in a `Module` of which nothing is known."""
    return module.draws_globally or not is_repeatable(module)


def _promises(kind):
    if "repeatable" in vars(kind):
        return vars(kind)["repeatable"] is True
    return kind in STATELESS or (not _has_code(kind) and all(map(_promises, kind.__bases__)))


def _has_code(kind):
    """Whether a class holds more than plain values."""
    return not all(
        name in BOOKKEEPING or value is None or isinstance(value, PLAIN)
        for name, value in vars(kind).items()
    )


def _is_patched(part):
    """Whether a method of this one object has been replaced."""
    return any(callable(value) and hasattr(type(part), name) for name, value in vars(part).items())
