"""What the imputer is given, checked: numbers, and which of them are missing."""

import numpy as np
from sklearn.utils.validation import validate_data

from ..data.columns import advise_on_columns, columns_without_numbers
from ..data.inputs import check_is_real_table, to_array

FLOATS = [np.float64, np.float32]


def check_rows(imputer, X, reset, **options):
    """Return X as floats, and what of it is observed.

    Parameters
    ----------
    imputer : Imputer
    X : table of shape (n_samples, n_features)
    reset : bool
        Whether the number and the names of the features are learnt or compared.
    **options : dict
        As in scikit-learn's `validate_data`.
    """
    X = to_array(X)
    check_is_real_table(X, "X")
    by_nan = bool(np.isnan(imputer.missing_values))
    options["ensure_all_finite"] = "allow-nan" if by_nan else True
    try:
        X = validate_data(imputer, X, dtype=FLOATS, reset=reset, **options)
    except (TypeError, ValueError) as error:
        if entries := columns_without_numbers(X):
            kind = TypeError if isinstance(error, TypeError) else ValueError
            advice = advise_on_columns(entries)
            raise kind(f"{str(error).rstrip('.')}. {advice}") from error
        raise
    X = X.astype(X.dtype.newbyteorder("="), copy=False)
    return X, ~np.isnan(X) if by_nan else imputer.missing_values != X
