"""Fitted estimators as files: arrays, strings and numbers, and the version that wrote them."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import clone

from .. import __version__
from .._sklearn import parse_version
from ..data.streams import moments_of
from ..data.tables import share
from ..exceptions import VersionWarning, warn
from ..training.torch_settings import torch_as_usual
from .recipes import BaseRecipe
from .subclassing import NO_DEFAULT, default_parameters
from .tasks import DURING_FIT

VERSION = "_skae_version"  # its key in a state


def read_state(estimator, state):
    """Let an estimator take over a state; one of a newer version is announced, or refused."""
    state = dict(state)
    version = state.pop(VERSION, "0")
    is_newer = parse_version(version) > parse_version(__version__)
    advice = f"Install skae {version} to be sure of it."
    if is_newer:
        warn(
            f"This {type(estimator).__name__} was written by skae {version}, and is read by skae "
            f"{__version__}, which may not know all of it. {advice}",
            VersionWarning,
        )
    try:
        with torch_as_usual():
            estimator._restore(state)
    except Exception as error:
        if not is_newer:
            raise
        raise ValueError(
            f"skae {__version__} cannot read what skae {version} wrote. {advice}"
        ) from error


def refuse_instances(estimator):
    """Refuse parameters that are networks, which skops cannot write; classes it can."""
    for name, value in estimator.get_params(deep=False).items():
        if isinstance(value, torch.nn.Module):
            kind = type(value).__name__
            raise TypeError(
                f"skops writes no networks, and {name} is one, a {kind}. Give {name} a class or a "
                "function of a module, which is called with the numbers of inputs and outputs; "
                "or pickle the estimator."
            )


def complete_old_state(state, keeps_codes):
    """Add to a state what files did not hold.

    These are epochs and weight decay of a fit, as long as parameters and the number of rows said
    them, and what is known of codes, as long as all models kept those of training rows.

    Parameters
    ----------
    state : dict
        Changed in place.
    keeps_codes : bool
        Whether the class still does.
    """
    params = state.get("_fitted_params", {})
    if "max_iter" in params:
        state.setdefault("_n_epochs", params["max_iter"])
        alpha = params.get("alpha", "auto")
        state.setdefault("alpha_", 0.1 if alpha == "auto" else alpha)
    if "_sample_dtype" in state:
        state["_X_dtype"] = state.pop("_sample_dtype")
    if "_X_dtype" not in state and "_codes" in state:
        codes = state["_codes"] if keeps_codes else state.pop("_codes")
        state["_X_dtype"], state["_code_distribution"] = codes.dtype.name, None
        if not keeps_codes:
            state["_code_moments"] = moments_of(codes)
        state.pop("_code_mixture", None)
    if "_X_dtype" in state and not keeps_codes:  # fitted while a prior was all to draw from
        state.setdefault("_codes", None)
        state.setdefault("_code_distribution", None)


def complete_old_condition(state):
    """Join in a state what files held of a condition while each part was an attribute."""
    if "_condition_kind" not in state:
        return
    kind, columns = state.pop("_condition_kind"), state.pop("_columns", None)
    state["_condition"] = {
        "kind": kind,
        "n_numbers": state["_n_conditions"],
        "classes": state.get("condition_classes_"),
        "columns": columns if kind == "columns" else None,
        "features": state["condition_features"] if kind == "columns" else None,
        "mean": state.pop("_condition_mean"),
        "scale": state.pop("_condition_scale"),
    }


def defaults_of(estimator):
    """Return the defaults of all parameters that have one."""
    defaults = default_parameters(type(estimator))
    return {name: value for name, value in defaults.items() if value is not NO_DEFAULT}


def parameters_to_go_by(estimator):
    """Return the parameters of now, which a fit keeps to go by them whatever is set later.

    Those are included that a subclass has fixed.
    """
    names = default_parameters(type(estimator))
    there = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    there.pop("callbacks", None)
    # A recipe that is changed later does not change the model.
    return {name: clone(p) if isinstance(p, BaseRecipe) else p for name, p in there.items()}


def with_fitted_params(estimator):
    """Return this estimator with the parameters of its last fit, whatever was set since."""
    return with_attributes(estimator, **estimator._fitted_params)


def with_attributes(estimator, **others):
    """Return an estimator that shares the attributes of another but for some."""
    shared = object.__new__(type(estimator))
    shared.__dict__.update(estimator.__dict__, **others)
    return shared


def without_codes(estimator):
    """Return an estimator that shares the attributes of another but for codes of training rows.

    There is no ``_forget_codes`` where none are kept.
    """
    shared = with_attributes(estimator)
    if hasattr(shared, "_forget_codes"):
        shared._forget_codes()
    return shared


@contextmanager
def as_it_was_on_failure(estimator):
    """Undo what a fit has changed if it ends in an error or an interrupt."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        left = {name: value for name, value in vars(estimator).items() if name in DURING_FIT}
        vars(estimator).clear()
        vars(estimator).update({**before, **left})
        raise


def to_arrays(tree):
    """Return nested dicts and lists with arrays of their own in place of tensors."""
    return _map_leaves(tree, torch.Tensor, lambda tensor: tensor.detach().cpu().numpy().copy())


def to_tensors(tree):
    """Return nested dicts and lists with tensors in place of arrays, which training writes to."""
    return _map_leaves(tree, np.ndarray, lambda array: share(np.require(array, None, "W")))


def _map_leaves(tree, kind, function):
    """Apply `function` to every leaf of a type in nested dicts and lists."""
    if isinstance(tree, dict):
        return {key: _map_leaves(value, kind, function) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_map_leaves(value, kind, function) for value in tree)
    return function(tree) if isinstance(tree, kind) else tree
