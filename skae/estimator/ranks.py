"""A fit of several ranks: what all must have in common, and that all end with one model."""

import pickle
from numbers import Number

import numpy as np
from scipy import sparse

from .. import _ranks
from ..data.conditions import describe_condition
from ..data.names import describe_names
from .persistence import to_arrays, to_tensors
from .tasks import CALLBACKS, DURING_FIT

PLAIN = (Number, str, bool, type(None))
OWN = ("callbacks", "device", "verbose")  # parameters that may differ

# What follows from the rest of a state, or lies on a device of the rank's own.
DERIVED = ("net_", "device_", "_fitted_params", CALLBACKS, *DURING_FIT)


WHOLE_BATCH = "it looks at a batch as a whole, and each rank has one of its own"


def check_is_alone(estimator, asked, why):
    """Refuse what a fit of several ranks cannot do.

    Parameters
    ----------
    estimator : BaseCoder
    asked : str
        What was asked for, as in ``"sparsity='kl'"``.
    why : str
        Why it is not there, and what is in its place.
    """
    if getattr(estimator, "distributed", False):
        raise ValueError(f"{asked} needs distributed=False: {why}.")


def check_is_alike(estimator, X, resume, condition=None):
    """Refuse a fit whose ranks differ in parameters or in the form of what they are given.

    They would wait for each other in vain, or train on columns that do not belong together.

    Parameters
    ----------
    estimator : BaseCoder
    X : table of shape (n_samples, n_features)
        Checked.
    resume : bool
        Whether there is a fitted model to go on with.
    condition : array-like or None
        As the user has given it.
    """
    if not _ranks.is_shared():
        return
    mine = _describe(estimator, X, resume, condition)
    for number, others in enumerate(_ranks.gather(mine)):
        for name in mine | others:
            if mine.get(name) != others.get(name):
                raise ValueError(
                    f"All ranks of a fit with distributed=True must have the same {name}. Got "
                    f"{mine.get(name)!r} on rank {_ranks.rank()} and {others.get(name)!r} on rank "
                    f"{number}."
                )


def _describe(estimator, X, resume, condition):
    """Return what all ranks must have in common, by the words for it."""
    params = estimator.get_params(deep=False).items()
    return {
        "class": type(estimator).__name__,
        "number of columns of X": X.shape[1],
        "kind of table X": "a CSR matrix" if sparse.issparse(X) else "an array",
        "precision of X": X.dtype.name,
        "fitted before": resume,
        **describe_names("X", getattr(estimator, "feature_names_in_", [])),
        **describe_condition(condition),
        **{name: _to_plain(value) for name, value in params if name not in OWN},
    }


def _to_plain(value):
    """Return a parameter as numbers and text; of an object, the name of its class."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_to_plain(item) for item in value]
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def end_alike(estimator):
    """Give each rank what the first has learnt, bit for bit, in place of its own.

    Weights are the same already; streams of random numbers, times in the history and running
    statistics of layers are not. The first takes a copy like the others: pickles tell apart what
    is one object and what is two equal ones.
    """
    if not _ranks.is_shared():
        return
    is_first, net = _ranks.rank() == 0, getattr(estimator, "net_", None)
    pickled = is_first and pickle.dumps((_learnt(estimator), _trained(net)))
    learnt, trained = pickle.loads(_ranks.from_rank(pickled))
    vars(estimator).update(learnt)
    if net is not None:
        net.history.clear()
        trained = to_tensors(trained)
        net.load_state(trained)
        net.optimizer_.load_state_dict(trained["optimizer"])  # with the rates of the last step


def _learnt(estimator):
    left_out = {*DERIVED, *estimator.get_params(deep=False)}
    return {name: value for name, value in vars(estimator).items() if name not in left_out}


def _trained(net):
    return None if net is None else to_arrays(net.state())
