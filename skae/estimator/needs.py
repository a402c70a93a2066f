"""What it takes for parameters to have an effect, as classes say it of theirs."""

from collections.abc import Callable
from typing import NamedTuple


class Need(NamedTuple):
    """What it takes for a parameter to have an effect.

    Parameters
    ----------
    parameters : tuple of str
        The parameter, then others that `is_met` reads; a class without one of them has no such
        need.
    words : str
        What it needs, as in ``"prior='mixture'"``.
    is_met : callable
        Whether an estimator has it.
    """

    parameters: tuple
    words: str
    is_met: Callable


def needs_value(name, other, *values):
    """Return the need of a parameter for one of some values of another.

    Parameters
    ----------
    name : str
        The parameter.
    other : str
        What it depends on.
    *values
        With which of its values the parameter has an effect.

    Returns
    -------
    need : Need
        ``needs_value("rho", "sparsity", "kl")`` says "rho needs sparsity='kl'".
    """
    *most, last = (repr(value) for value in values)
    listed = f"{', '.join(most)} or {last}" if most else last
    return Need((name, other), f"{other}={listed}", lambda e: getattr(e, other) in values)
