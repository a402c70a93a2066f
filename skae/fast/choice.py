"""Which steps are repeated, and by what."""

import collections
import functools

import torch

from .. import _ranks
from .._torch import BATCH_NORMS, missing
from ..exceptions import FallbackWarning, warn
from ..nn.repeatable import has_foreign_code
from . import repeater

if not missing():  # what repeats steps cannot even be imported otherwise
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
    norms = any(isinstance(m, BATCH_NORMS) for m in step.module.modules())
    if has_foreign_code(step.module) or closure or norms:
        return None
    n_times = collections.Counter(sizes)
    frequent = {size for size, n in n_times.items() if n * n_epochs >= repeater.FEWEST_REPETITIONS}
    device = step.flat.device.type
    if missing():
        if frequent and device in ("cpu", "cuda"):
            _tell_of(missing())
        return None
    if device == "cuda" and _ranks.is_shared():  # a graph has the optimizer in it
        return None
    kind = {"cpu": Replay, "cuda": Graphs}.get(device)
    return None if kind is None else kind(step, frequent)


@functools.cache
def _tell_of(parts):
    """Warn, once in the process, that steps are ordinary ones."""
    warn(
        f"torch {torch.__version__} lacks {', '.join(parts)}, which repeated steps need: all "
        "steps are ordinary ones, and training takes longer, with the same result to rounding. A "
        "newer skae may know this version of torch.",
        FallbackWarning,
    )
