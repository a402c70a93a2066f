"""The parts of scikit-learn that are not public, in one place.

An upgrade of scikit-learn that moves one of them breaks this file and no other.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils._param_validation import StrOptions as _StrOptions
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _get_feature_names as get_feature_names

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What gives estimators `set_callbacks`, from scikit-learn 1.9 on."""

    def with_callbacks(method):
        """Return the method: there are no callbacks to take down."""
        return method


class StrOptions(_StrOptions):
    __doc__ = _StrOptions.__doc__

    def __str__(self):
        """Return the words in alphabetical order: the same error each time."""
        words = ", ".join(map(repr, sorted(self.options)))
        return f"a str among {{{words}}}"


__all__ = [
    "BaseSearchCV",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "get_feature_names",
    "parse_version",
    "safe_indexing",
    "with_callbacks",
]
