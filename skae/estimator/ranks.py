"""A fit of several ranks: what all must have in common, and that all end with one model."""

import pickle
from numbers import Number

from .. import _ranks
from .persistence import to_arrays, to_tensors
from .tasks import CALLBACKS, DURING_FIT

PLAIN = (Number, str, bool, type(None))
OWN = ("random_state", "device", "verbose")  # parameters that may differ: the first rank's seed

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


def check_is_alike(estimator, X, resume):
    """Refuse a fit whose ranks are not of one mind: they would wait for each other in vain."""
    if not _ranks.is_shared():
        return
    params = estimator.get_params(deep=False).items()
    mine = {name: p for name, p in params if isinstance(p, PLAIN) and name not in OWN}
    mine |= {"class": type(estimator).__name__, "number of columns of X": X.shape[1]}
    mine |= {"precision of X": X.dtype.name, "fitted before": resume}
    for number, others in enumerate(_ranks.gather(mine)):
        for name in sorted(mine.keys() | others.keys()):
            if mine.get(name) != others.get(name):
                raise ValueError(
                    f"All ranks of a fit with distributed=True must have the same {name}. Got "
                    f"{mine.get(name)!r} on rank {_ranks.rank()} and {others.get(name)!r} on rank "
                    f"{number}."
                )


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
