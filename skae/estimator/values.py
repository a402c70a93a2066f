"""When two values of a parameter mean the same."""

import numpy as np


def is_same(a, b):
    """Whether two values of a parameter mean the same; a list is as good as a tuple."""
    if a is b:
        return True
    a, b = (np.atleast_1d(np.asarray(value, dtype=object)) for value in (a, b))
    return np.array_equal(a, b)
