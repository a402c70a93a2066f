"""What the imputer says of a fit that is not quite what was asked for."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..exceptions import ParameterWarning, warn
from .choice import FEWEST_CELLS


def tell_of_empty_columns(imputer):
    """Warn of columns of which nothing was observed."""
    empty = np.flatnonzero(imputer._columns.empty)
    if not len(empty):
        return
    names = getattr(imputer, "feature_names_in_", np.arange(imputer.n_features_in_))[empty]
    done = "Their missing cells become 0" if imputer.keep_empty_features else "They are left out"
    warn(
        f"Columns without any observed value: {', '.join(map(str, names))}. {done}; "
        f"keep_empty_features={not imputer.keep_empty_features} is the other choice.",
        ParameterWarning,
    )


def tell_of_what_is_given_up(imputer, model):
    """Warn of what was cut short, was not used, or could not be chosen."""
    if model.is_cut_short:
        warn(
            f"Expectation maximisation has not converged in max_iter={imputer.max_iter} steps. "
            "Raise max_iter or tol, or take a larger ridge.",
            ConvergenceWarning,
        )
    if imputer.estimator is not None and imputer.estimator_ is None and model.could_choose:
        warn(
            f"On hidden cells the estimator was not better than the Gaussian by two standard "
            f"errors (gain_={imputer.gain_:.3g}, z_={imputer.z_:.3g}): the Gaussian is used. "
            "estimator=None tries a mixture of Gaussians.",
            ParameterWarning,
        )
    if not model.could_choose:
        warn(
            f"Fewer than {FEWEST_CELLS} observed cells could be hidden to choose by, so what "
            f"is 'auto' was not chosen: n_components={imputer.n_components_}, "
            f"ridge={imputer.ridge_:g} are taken. Give them as numbers, or a larger "
            "validation_fraction.",
            ParameterWarning,
        )
