"""When two values of a parameter mean the same."""

import numpy as np
from sklearn.base import BaseEstimator


def is_same(a, b):
    """Whether two values of a parameter mean the same; a list is as good as a tuple."""
    if a is b:
        return True
    if isinstance(a, BaseEstimator) and type(a) is type(b):
        a, b = a.get_params(deep=False), b.get_params(deep=False)
        return all(is_same(a[name], b[name]) for name in a)
    a, b = (np.atleast_1d(np.asarray(value, dtype=object)) for value in (a, b))
    return np.array_equal(a, b)
