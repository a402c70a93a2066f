"""What a class says of its parameters, checked when it is made: a typo would have no effect."""

import difflib

from .needs import Need
from .subclassing import parameters_of


def check_declarations(cls):
    """Refuse names that no constructor of a class knows, and needs that are none."""
    said = vars(cls)
    for place in ("_fixed_parameters", "_training_parameters"):
        if isinstance(said.get(place), str):
            raise TypeError(
                f"{place} of {cls.__name__} must be a tuple of names. Got {said[place]!r} "
                f"instead: with a comma it is one, ({said[place]!r},)."
            )
        _check_names(cls, place, said.get(place, ()))
    _check_names(cls, "_parameter_constraints", said.get("_parameter_constraints", {}))
    _check_needs(cls, said.get("_needs", ()))


def _check_needs(cls, needs):
    is_tuple = isinstance(needs, (tuple, list)) and not isinstance(needs, Need)
    if not is_tuple or not all(isinstance(need, Need) for need in needs):
        came = "one of them" if isinstance(needs, Need) else repr(needs)
        raise TypeError(
            f"_needs of {cls.__name__} must be a tuple of Need, as needs_value returns it. Got "
            f"{came} instead; a tuple of one has a comma: (needs_value(...),)."
        )
    for need in needs:
        if isinstance(need.parameters, str):
            raise TypeError(
                f"_needs of {cls.__name__} has a Need of {need.parameters!r}, which must be a "
                f"tuple of names: ({need.parameters!r},)."
            )
        _check_names(cls, "_needs", need.parameters[:1])


def _check_names(cls, place, names):
    """Refuse a name that is none of a parameter, of the class or of one that it comes from."""
    makers = [vars(parent)["__init__"] for parent in cls.__mro__ if "__init__" in vars(parent)]
    known = {name for maker in makers for name in parameters_of(maker)}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            advice = f"did you mean {close[0]!r}?" if close else "add it, or take it out."
            raise TypeError(
                f"{place} of {cls.__name__} must name parameters of its constructor, or of its "
                f"parents'. Got {name!r}, which none of them has: {advice}"
            )
