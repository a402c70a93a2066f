"""Which steps are repeated, and by what."""

import collections

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ..nn.repeatable import has_foreign_code
from . import repeater
from .cpu import Replay
from .cuda import Graphs


def make_repeater(step, sizes, n_epochs):
    """Return what repeats steps, None where they are not the same operations each time.

    Parameters
    ----------
    step : Step
    sizes : list of int
        Number of rows of each batch of an epoch.
    n_epochs : int

    Returns
    -------
    repeater : Repeater or None
    """
    closure = isinstance(step.optimizer, torch.optim.LBFGS)
    norms = any(isinstance(m, _BatchNorm) for m in step.module.modules())
    if has_foreign_code(step.module) or closure or norms:
        return None
    n_times = collections.Counter(sizes)
    frequent = {size for size, n in n_times.items() if n * n_epochs >= repeater.WORTH}
    kind = {"cpu": Replay, "cuda": Graphs}.get(step.flat.device.type)
    return None if kind is None else kind(step, frequent)
