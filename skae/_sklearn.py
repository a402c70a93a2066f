"""The parts of scikit-learn that are not public, in one place.

An upgrade of scikit-learn that moves one of them breaks this file and no other.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "BaseSearchCV",
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "parse_version",
]
