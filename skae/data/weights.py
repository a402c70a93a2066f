"""Sample weights, of a size that single precision holds: only their ratios matter."""

import numpy as np

from .._sklearn import check_sample_weight
from .inputs import to_array

LARGEST_EXPONENT = 60  # of two, of the largest weight as it is taken


def check_weights(sample_weight, X):
    """Return the weight of each row in double precision, none negative; None is one for each.

    Weights out of all proportion to 1 are divided by a power of two, which changes no digit.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
    X : table of shape (n_samples, n_features)
    """
    given, options = to_array(sample_weight), {"dtype": np.float64, "ensure_non_negative": True}
    weights = check_sample_weight(given, X, **options)
    _, exponent = np.frexp(np.abs(weights).max(initial=0.0))
    if abs(exponent) <= LARGEST_EXPONENT:
        return weights
    return np.ldexp(weights, -exponent)


def weighted_mean(values, sample_weight):
    """Return the mean of one value for each row; the weights are checked, None is one for each."""
    weights = check_weights(sample_weight, values[:, None])
    return float(np.average(values, weights=weights))
