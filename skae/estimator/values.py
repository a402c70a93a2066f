"""Values of parameters: when two mean the same, and Python's numbers in place of numpy's."""

from contextlib import contextmanager

import numpy as np
from sklearn.base import BaseEstimator

from ..data.inputs import plain


def is_same(a, b):
    """Whether two values of a parameter mean the same; a list is as good as a tuple."""
    if a is b:
        return True
    if isinstance(a, BaseEstimator) and type(a) is type(b):
        a, b = a.get_params(deep=False), b.get_params(deep=False)
        return all(is_same(a[name], b[name]) for name in a)
    a, b = (np.atleast_1d(np.asarray(value, dtype=object)) for value in (a, b))
    return np.array_equal(a, b)


@contextmanager
def plain_parameters(estimator, names):
    """Let parameters be Python's numbers and text for a while; a fit changes none of them."""
    given = {name: vars(estimator)[name] for name in names if name in vars(estimator)}
    vars(estimator).update({name: plain(value) for name, value in given.items()})
    try:
        yield
    finally:
        vars(estimator).update(given)
