"""What skae warns of: a class for each cause, under the classes of scikit-learn and Python.

``warnings.simplefilter("ignore", DeadUnitsWarning)`` silences one of them; ``"error"`` in place of
``"ignore"`` makes it stop the program. Two classes are errors: of files, and of fits on several
processes.
"""

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "CollapseWarning",
    "DeadUnitsWarning",
    "DivergenceWarning",
    "FallbackWarning",
    "InterruptionWarning",
    "ModelFileError",
    "ParameterWarning",
    "RankError",
    "StartKeptWarning",
    "StreamWarning",
    "VersionWarning",
]


class DivergenceWarning(ConvergenceWarning):
    """The loss became NaN, infinite or absurdly large, and weights of before were put back."""


class FallbackWarning(UserWarning):
    """Training is slower than it could be, as this version of torch lacks what speeds it up."""


class InterruptionWarning(ConvergenceWarning):
    """Ctrl-C ended the training; the model is what the epochs so far have made of it."""


class StartKeptWarning(ConvergenceWarning):
    """Training, or a trial on unseen rows, was no better than the linear start, which is kept."""


class CollapseWarning(ConvergenceWarning):
    """The decoder ignores nearly all components of the code: posterior collapse."""


class DeadUnitsWarning(UserWarning):
    """Many units of a sparse code are active for no training row."""


class ParameterWarning(UserWarning):
    """Parameters, or parameters and data, that do not do together what their names say."""


class StreamWarning(UserWarning):
    """Rows given to `partial_fit` are far outside of what its first call has seen."""


class VersionWarning(UserWarning):
    """A file was written by a newer version of skae."""


class ModelFileError(ValueError):
    """A file is damaged or foreign, or does not go with what is handed in beside it."""


class RankError(RuntimeError):
    """Another process of a fit with ``distributed=True`` has failed, or does not answer."""


# Frames that stand between a line of the user's and ours.
_BETWEEN = {"contextlib", "joblib", "pickle", "skae", "sklearn", "skorch", "threading", "torch"}


def warn(message: str, category: type[Warning]) -> None:
    """Warn, and name the line of the user's program that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
