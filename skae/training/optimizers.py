"""Optimizers: by name, what one flat vector is the same to, and Adam without its ceremony."""

import functools
from typing import NamedTuple

import torch

from .._torch import fused_adam_, is_replaced, step_hooks

# Of Adam: what gradients are divided by at least. They are sums over features of numbers of unit
# variance; at torch's 1e-8 their rounding errors, where there is nothing else, become whole steps.
EPS = 1e-6

OPTIMIZERS = {
    "adam": functools.partial(torch.optim.Adam, eps=EPS),
    # The engine decays weights, decoupled as AdamW does it: there is one decay, `alpha`.
    "adamw": functools.partial(torch.optim.AdamW, eps=EPS, weight_decay=0.0),
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}

# Optimizers that treat every number by itself, so that one flat vector is the same to them as
# many matrices. Any other receives the parameters one by one.
ELEMENTWISE = (
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.SGD,
    torch.optim.ASGD,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.LBFGS,
)
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


def make_optimizer(factory, parameters, lr, options):
    """Return a new optimizer from a class or a function of the user's."""
    wanted = "optimizer must make a torch optimizer when it is called as optimizer(parameters, lr"
    try:
        optimizer = factory(parameters, lr=lr, **options)
    except Exception as error:
        raise ValueError(f"{wanted}={lr:g}). It raised {type(error).__name__}: {error}") from error
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"{wanted}={lr:g}). Got {type(optimizer).__name__} instead.")
    return optimizer


class FusedAdam(NamedTuple):
    """What the kernels of Adam and AdamW take beside the learning rate."""

    # For each block lists of one tensor: the parameters, their gradient, the mean of that and of
    # its square, nothing (for AMSGrad), the number of steps.
    tensors: list
    constants: list  # beta1, beta2, weight_decay, eps
    decoupled: bool  # AdamW's weight decay
    maximize: bool


def fused_adam(optimizer):
    """Return what does the work of ``optimizer.step`` from now on, None where that is more.

    For Adam and AdamW on vectors it is their kernel alone: on small networks the checks around
    it take as long as the gradient.
    """
    kinds = {torch.optim.Adam: False, torch.optim.AdamW: True}
    if type(optimizer) not in kinds or not optimizer.state:
        return None
    first, *others = optimizer.param_groups
    alike = all(_settings(group) == _settings(first) for group in others)
    own_scale = [getattr(optimizer, name, None) for name in ("grad_scale", "found_inf")]
    others_act = any(step_hooks(optimizer)) or any(own_scale) or is_replaced(optimizer)
    if others_act or not alike or first["amsgrad"] or not first["fused"]:
        return None
    parameters = [group["params"] for group in optimizer.param_groups]
    if not all(len(some) == 1 and optimizer.state.get(some[0]) for some in parameters):
        return None
    tensors = [_tensors_of(p, optimizer.state[p]) for (p,) in parameters]
    constants = [*first["betas"], first["weight_decay"], first["eps"]]
    decoupled = kinds[type(optimizer)] or bool(first.get("decoupled_weight_decay"))
    return FusedAdam(tensors, [float(c) for c in constants], decoupled, bool(first["maximize"]))


def _settings(group):
    """Return all that the groups of an optimizer have in common."""
    own = ("params", "lr", "initial_lr", "factor")
    return {name: value for name, value in group.items() if name not in own}


def _tensors_of(p, state):
    of_state = [[state["exp_avg"]], [state["exp_avg_sq"]], [], [state["step"]]]
    return [[p.detach()], [p.grad], *of_state]


def move(
    block: list[list[torch.Tensor]],
    constants: list[float],
    decoupled: bool,
    maximize: bool,
    rate: float,
):
    """Move a block of parameters as Adam or AdamW, with the parts of a `FusedAdam`.

    TorchScript compiles it for a number; called from Python, the rate may also be a tensor. The
    lists must come from outside: TorchScript thinks that what is done to new ones has no effect.
    """
    p, gradient, mean, square, nothing, n_steps = block
    weight_decay = constants[2]
    n_steps[0].add_(1)
    if decoupled:
        p[0].mul_(1 - rate * weight_decay)
        weight_decay = 0.0
    fused_adam_(
        p,
        gradient,
        mean,
        square,
        nothing,
        n_steps,
        lr=rate,
        beta1=constants[0],
        beta2=constants[1],
        weight_decay=weight_decay,
        eps=constants[3],
        amsgrad=False,
        maximize=maximize,
    )
