"""What each constructor parameter is to a model that exists: part of it, of its training, neither.

`warm_start` and `partial_fit` go on with the model that an earlier fit has built. What shapes that
model cannot change under way, what steers its training can. Of a parameter that a subclass adds
nothing is known here, and it is taken for one that shapes the model, which can never go wrong
unnoticed; a subclass names those that steer training in ``_training_parameters``, and says in
``_needs`` what it takes for them to have an effect. So do the methods of this package, where a
parameter is theirs alone.
"""

import inspect
from numbers import Integral, Real

import numpy as np
import torch
from skorch.callbacks import LRScheduler

from .._keywords import did_you_mean
from .._sklearn import StrOptions
from ..exceptions import ParameterWarning, warn
from .choices import has_hidden_layers, has_linear_path, reaches_everything
from .needs import Need, needs_value
from .recipes import is_recipe_class, recipe_of
from .subclassing import default_parameters
from .values import is_same

# Names mean the same in every class that has them. All others shape the model.
TRAINING = frozenset(
    {
        "alpha",
        "dropout",
        "optimizer",
        "learning_rate_init",
        "learning_rate",
        "batch_size",
        "max_iter",
        "tol",
        "n_iter_no_change",
        "early_stopping",
        "validation_fraction",
        "callbacks",
        "device",
        "random_state",
        "corruption_level",
        "penalty",
        "beta",
        "warm_up",
        "free_bits",
        "n_mc_samples",
        "importance_weighted",
    }
)

# They say how a call goes about it, or what it returns.
NEITHER = frozenset({"warm_start", "verbose", "sparse_output", "distributed"})


def explain_parameters(estimator):
    """Refuse what users of other libraries may expect a parameter to take, in words of its own."""
    params = estimator.get_params(deep=False)
    _explain_share_of_variance(estimator, params.get("n_components"))
    if isinstance(params.get("optimizer"), torch.optim.Optimizer):
        kind = type(params["optimizer"]).__name__
        raise ValueError(
            f"optimizer must be a name or a class. Got an instance of {kind} instead, which works "
            f"on other parameters than those of the model: pass the class, {kind}, or "
            f"functools.partial({kind}, ...) with settings."
        )
    rate, warm_up = params.get("learning_rate"), params.get("warm_up")
    if isinstance(rate, Real):
        raise ValueError(
            "learning_rate is the name of a schedule: 'constant', 'cosine' or 'linear'. "
            f"Got {rate!r} instead: the number is learning_rate_init."
        )
    if isinstance(warm_up, Real) and warm_up >= 1:
        raise ValueError(
            "warm_up must be at least 0 and below 1, a share of the epochs. "
            f"Got {warm_up!r} instead; for {warm_up!r} epochs pass {warm_up!r} / max_iter, with a "
            "number for max_iter."
        )
    for name in ("encoder", "decoder"):
        given = params.get(name)
        if is_recipe_class(given):
            raise TypeError(
                f"{name} must be an instance of a recipe, {given.__name__}(...). Got the class "
                f"{given.__name__} instead."
            )
        if isinstance(given, (list, tuple)):
            raise ValueError(
                f"{name} must be a network: an nn.Module, its class, or a function that makes it. "
                f"Got a {type(given).__name__} instead: nn.Sequential(*layers) makes a network of "
                "layers."
            )


def _explain_share_of_variance(estimator, n_components):
    orders = "ordered" in estimator.get_params(deep=False)
    if orders and estimator.ordered:
        return
    default = default_parameters(type(estimator)).get("n_components")
    if orders and isinstance(n_components, str) and n_components == "auto" != default:
        raise ValueError(
            "n_components='auto' needs ordered=True, where rows that training has not seen tell "
            "how many numbers of the code they are worth. Got ordered=False beside it: set "
            "ordered=True, or n_components to an int."
        )
    is_number = isinstance(n_components, Real) and not isinstance(n_components, Integral)
    if not is_number or not 0 < n_components < 1:
        return
    if orders:
        raise ValueError(
            f"n_components={n_components!r}, a share of the variance as PCA takes one, needs "
            "ordered=True, where each prefix of the code is one of its own. Got ordered=False "
            f"beside it: set ordered=True, or n_components to an int; PCA({n_components!r})"
            ".fit(X).n_components_ is how many PCA needs."
        )
    allowed = estimator._parameter_constraints["n_components"]
    auto = " or 'auto'" if any(isinstance(kind, StrOptions) for kind in allowed) else ""
    raise ValueError(
        f"n_components must be an int of at least 1{auto}. Got "
        f"{n_components!r} instead: a share of the variance, which PCA takes, is not supported. "
        f"PCA({n_components!r}).fit(X).n_components_ is the number of components with which PCA "
        "reaches it."
    )


def advise_on_words(estimator):
    """Return which words were probably meant where a parameter is none of those that it may be."""
    meant = {}
    for name, kinds in estimator._parameter_constraints.items():
        known = [word for kind in kinds if isinstance(kind, StrOptions) for word in kind.options]
        value = getattr(estimator, name, None)
        if known and isinstance(value, str) and value not in known:
            meant[name] = did_you_mean(value, known)
    words = [f"{name}={word!r}" for name, word in meant.items() if word]
    return f"Did you mean {', '.join(words)}?" if words else ""


# Of parameters of several classes; only of estimators that have all that a line is about.
NEEDS = (
    Need(
        ("n_prior_components", "prior"),
        "a mixture as prior",
        lambda e: e.prior in ("mixture", "vamp"),
    ),
    Need(
        ("corruption_level", "corruption"),
        "one of the named corruptions",
        lambda e: isinstance(e.corruption, str),
    ),
    needs_value("noise_variance", "likelihood", "gaussian"),
    *(
        needs_value(name, "conditional_prior", "learned", "standard")
        for name in ("beta", "warm_up", "free_bits")
    ),
    *(
        Need((name, "encoder"), "hidden layers of a built-in perceptron", lambda e: _has_units(e))
        for name in ("activation", "dropout")
    ),
    Need(
        ("hidden_layer_sizes", "encoder"),
        "a built-in perceptron as encoder or decoder",
        lambda e: _has_perceptron(e),
    ),
    Need(
        ("alpha", "linear_path"),
        "hidden layers, or linear_path=False",
        lambda e: e.alpha == 0 or has_hidden_layers(e) or not has_linear_path(e),
    ),
    Need(
        ("scaling", "likelihood"),
        "likelihood='gaussian' and an output_activation that reaches all numbers",
        lambda e: e.scaling is None or reaches_everything(e),
    ),
    Need(
        ("learning_rate", "callbacks"),
        "callbacks without a scheduler",
        lambda e: not any(_is_scheduler(callback) for callback in e.callbacks or []),
    ),
    Need(
        ("validation_fraction", "early_stopping"),
        "early_stopping=True",
        lambda e: e.early_stopping or (e.ordered and e.n_components == "auto"),
    ),
    Need(
        ("tol", "n_iter_no_change"),
        "a number for n_iter_no_change",
        lambda e: e.n_iter_no_change is not None,
    ),
)


def _has_perceptron(estimator):
    """Whether a network is built to the parameters: encoder, decoder or that of a prior."""
    is_mirror = recipe_of(estimator, "decoder") is not None
    own = estimator.encoder is not None and (estimator.decoder is not None or is_mirror)
    return not own or getattr(estimator, "conditional_prior", None) == "learned"


def _has_units(estimator):
    return _has_perceptron(estimator) and np.size(estimator.hidden_layer_sizes) > 0


def _is_scheduler(callback):
    """Whether a callback of the user's, which may come with a name, sets the learning rate."""
    return isinstance(callback[1] if isinstance(callback, tuple) else callback, LRScheduler)


def warn_of_ignored(estimator):
    """Warn of parameters that somebody has set and that have no effect, and say what they need.

    What stands at its default was set by nobody. scikit-learn says
    nothing in such cases, in favour of grids; but in a grid these are fits done twice, and Python
    shows equal warnings of one line once.
    """
    signature = inspect.signature(type(estimator).__init__).parameters
    found = []
    for need in (*_said_by(type(estimator), "_needs"), *NEEDS):
        name = need.parameters[0]
        if name not in signature or not all(hasattr(estimator, n) for n in need.parameters):
            continue
        value = getattr(estimator, name)
        if not is_same(value, signature[name].default) and not need.is_met(estimator):
            found.append(f"{name}={value!r} needs {need.words}")
    if found:
        warn(f"Some parameters have no effect here: {'; '.join(found)}.", ParameterWarning)


def changeable_parameters(cls):
    """Return the parameters that do not shape the model, by the tables or by what a class says."""
    return TRAINING.union(NEITHER, _said_by(cls, "_training_parameters"))


def _said_by(cls, name):
    """Return all that a class and its parents name under an attribute."""
    return [item for parent in cls.__mro__ for item in vars(parent).get(name, ())]


def check_shape_is_kept(estimator, fitted_params):
    """Refuse to go on with a model whose shape is no longer the one asked for.

    Parameters
    ----------
    estimator : estimator
    fitted_params : dict
        Its parameters when the model was built.
    """
    for name in sorted(set(fitted_params) - changeable_parameters(type(estimator))):
        then, now = fitted_params[name], getattr(estimator, name)
        if not is_same(then, now):
            raise ValueError(
                f"warm_start and partial_fit go on with the model that an earlier fit has built, "
                f"with {name}={then!r}; now it is {name}={now!r}. Set it back, or fit a clone of "
                "the estimator."
            )
