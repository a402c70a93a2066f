"""What each constructor parameter is to a model that exists: part of it, of its training, neither.

`warm_start` and `partial_fit` go on with the model that an earlier fit has built. What shapes that
model cannot change under way, what steers its training can.
"""

from numbers import Integral, Real

import numpy as np
import torch

from ._sklearn import StrOptions

# Names mean the same in every class that has them.
SHAPING = frozenset(
    {
        "n_components",
        "hidden_layer_sizes",
        "activation",
        "code_activation",
        "output_activation",
        "likelihood",
        "linear_path",
        "tied_weights",
        "encoder",
        "decoder",
        "scaling",
        "dtype",
        "corruption",  # it has learnt the range of the data
        "sparsity",
        "unit_norm",
        "covariance_type",
        "prior",
        "n_prior_components",
        "noise_variance",
        "conditional_prior",
        "condition_features",
        "encoder_type",
        "discriminator_layer_sizes",
        "n_nodes",
        "objective",
        "spacing",
        "null_weight",
        "constrain",
        "node_layout",
    }
)

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
        "penalty_estimate",
        "n_nonzero_coefs",
        "rho",
        "revive",
        "beta",
        "warm_up",
        "free_bits",
        "n_mc_samples",
        "importance_weighted",
        "adversarial_weight",
        "ridge",
        "solver",
        "forgetting",
        "n_encode_iter",
        "max_encode_iter",
    }
)

# They say how a call goes about it, or what it returns.
NEITHER = frozenset({"warm_start", "verbose", "sparse_output"})


def explain_parameters(estimator):
    """Refuse what users of other libraries may expect a parameter to take, in words of its own."""
    params = estimator.get_params(deep=False)
    _explain_share_of_variance(estimator, params["n_components"])
    if isinstance(params.get("optimizer"), torch.optim.Optimizer):
        kind = type(params["optimizer"]).__name__
        raise ValueError(
            f"optimizer must be a name or a class. Got an instance of {kind} instead, which works "
            f"on other parameters than those of the model: pass the class, {kind}, or "
            f"functools.partial({kind}, ...) with settings."
        )
    for name in ("encoder", "decoder"):
        given = params.get(name)
        if isinstance(given, (list, tuple)):
            raise ValueError(
                f"{name} must be a network: an nn.Module, its class, or a function that makes it. "
                f"Got a {type(given).__name__} instead: nn.Sequential(*layers) makes a network of "
                "layers."
            )


def _explain_share_of_variance(estimator, n_components):
    is_number = isinstance(n_components, Real) and not isinstance(n_components, Integral)
    if not is_number or not 0 < n_components < 1:
        return
    allowed = estimator._parameter_constraints["n_components"]
    auto = " or 'auto'" if any(isinstance(kind, StrOptions) for kind in allowed) else ""
    raise ValueError(
        f"n_components must be an int of at least 1{auto}. Got "
        f"{n_components!r} instead: a share of the variance, which PCA takes, is not supported. "
        f"PCA({n_components!r}).fit(X).n_components_ is the number of components with which PCA "
        "reaches it."
    )


def is_same(a, b):
    """Whether two values of a parameter mean the same; a list is as good as a tuple."""
    if a is b:
        return True
    a, b = (np.atleast_1d(np.asarray(value, dtype=object)) for value in (a, b))
    return np.array_equal(a, b)


def check_shape_is_kept(estimator, fitted_params):
    """Refuse to go on with a model whose shape is no longer the one asked for.

    Parameters
    ----------
    estimator : estimator
    fitted_params : dict
        Its parameters when the model was built.
    """
    for name in sorted(SHAPING & set(fitted_params)):
        then, now = fitted_params[name], getattr(estimator, name)
        if not is_same(then, now):
            raise ValueError(
                f"warm_start and partial_fit go on with the model that an earlier fit has built, "
                f"with {name}={then!r}; now it is {name}={now!r}. Set it back, or fit a clone of "
                "the estimator."
            )
