"""Activation functions by name: what they reach, and where they take a given value."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def identity(x: Tensor) -> Tensor:
    """Return the argument."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": identity,
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "logistic": torch.sigmoid,  # MLPRegressor's name
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
}

# Where an activation takes a given value, away from its ends: the start of an output's bias.
INVERSES: dict[str, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys(("sigmoid", "logistic"), lambda y: torch.logit(y, eps=0.01)),
    "tanh": lambda y: torch.atanh(y.clamp(-0.99, 0.99)),
    "softplus": lambda y: y.clamp_min(0.01) + (-(-y.clamp_min(0.01)).expm1()).log(),
}

# The values that an activation can reach, where that excludes data: a network with such an
# output never reproduces anything else.
RANGES = {
    "relu": (0.0, math.inf),
    "tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "logistic": (0.0, 1.0),
    "elu": (-1.0, math.inf),
    "gelu": (-0.17, math.inf),
    "silu": (-0.279, math.inf),
    "softplus": (0.0, math.inf),
}
