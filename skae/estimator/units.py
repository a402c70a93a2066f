"""The units in which networks see the rows: what they are divided by, learnt from the data."""

import numpy as np

from ..data.moments import root_mean_square, weighted_moments
from ..data.units import check_magnitude, middle_deviation, to_scale
from ..exceptions import ParameterWarning, warn
from .choices import is_scaled
from .validation import check_columns_are_seen

# Deviations of columns: from where on scaling="auto" is "standard", and "global" a mistake.
SMALL, MIXED_UNITS = 0.1, 100


def learn_units(estimator, X, weights):
    """Set mean and scale of the rows, and refuse those whose squares are out of range.

    Parameters
    ----------
    estimator : BaseAutoencoder
    X : table of shape (n_samples, n_features)
        The columns that are modelled.
    weights : ndarray of shape (n_samples,) or None
    """
    moments, scaled = weighted_moments(X, weights), is_scaled(estimator)
    check_columns_are_seen(estimator, moments.missing)
    per_feature = scaled and scales_columns(estimator, moments.deviation)
    scale = to_scale(moments, per_feature) if scaled else None
    if estimator.likelihood != "bernoulli":  # which squares nothing
        check_magnitude(moments, scale, estimator.dtype)
    estimator.mean_, estimator.scale_ = moments.mean, 1.0 if scale is None else scale
    estimator._variance = np.square(moments.deviation)
    estimator._shifted = scaled


def scales_columns(estimator, deviation):
    """Whether each column is divided by its own standard deviation; warn of mixed units.

    Parameters
    ----------
    estimator : BaseAutoencoder
    deviation : ndarray of shape (n_features,)
        Standard deviation of each column, 0 where it is constant.
    """
    middle = middle_deviation(deviation)
    if estimator.scaling == "global" and MIXED_UNITS * middle < deviation.max():
        warn(
            "Half of the columns of X vary less than a hundredth as much as one of them, "
            "and with scaling='global' the model sees little but that one. Set "
            "scaling='standard' where columns have units of their own.",
            ParameterWarning,
        )
    if estimator.scaling == "auto":
        return middle < SMALL * root_mean_square(deviation)
    return estimator.scaling == "standard"
