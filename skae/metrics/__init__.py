"""Measures of reconstructions, filled values, densities and drawn rows.

Those of reconstructions and of filled values work on scikit-learn's transformers (PCA, NMF, a
Pipeline of them, ...) as on skae's own, and measure in the units of the X they are given.

In searches and cross-validation pass scorers as objects, ``scoring=explained_variance_scorer``, or
no `scoring` at all, for the estimator's own score. Scikit-learn's metrics by name, such as
``scoring="explained_variance"``, compare `y` with what an estimator predicts. Transformers have no
`predict`: the search warns that scoring failed, and all scores are NaN.
"""

from .copies import copy_share
from .densities import score_percentiles
from .discrepancies import maximum_mean_discrepancy, maximum_mean_discrepancy_null
from .imputations import imputation_score, imputation_scorer
from .reconstructions import (
    explained_variance,
    explained_variance_scorer,
    mean_squared_reconstruction_error,
    neg_mean_squared_reconstruction_error_scorer,
)

__all__ = [
    "copy_share",
    "explained_variance",
    "explained_variance_scorer",
    "imputation_score",
    "imputation_scorer",
    "maximum_mean_discrepancy",
    "maximum_mean_discrepancy_null",
    "mean_squared_reconstruction_error",
    "neg_mean_squared_reconstruction_error_scorer",
    "score_percentiles",
]

for _name in __all__:  # pickles of scorers, and pages, do not depend on files inside
    globals()[_name].__module__ = __name__
