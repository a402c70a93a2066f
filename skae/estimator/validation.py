"""What an estimator is given, checked: parameters, rows, weights, codes, the ends of a line.

What is refused is refused with advice, as far as the estimator knows any.
"""

from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data.columns import check_has_no_dates, columns_without_numbers
from ..data.inputs import (
    check_codes_not_deeper,
    check_is_real_table,
    shape_of,
    to_array,
)
from ..data.names import check_names, names_of, row_to_frame
from ..data.tables import Bytes
from ..data.weights import check_weights
from ..exceptions import ParameterWarning, warn
from ..training.callbacks import is_callback
from .choices import has_own_networks, hidden_layer_sizes_of, reach_of, reaches_everything
from .prefixes import is_ordered

FLOATS = [np.float64, np.float32]
ADVICE_ON_BYTES = " Pixels from 0 to 255 are in range as X / np.float32(255)."
KINDS = [*FLOATS, np.uint8]  # others become the first


def check_training_data(estimator, X, sample_weight, reset, min_samples):
    """Return X and its weights, checked; None are weights that are all the same.

    Parameters
    ----------
    estimator : BaseCoder
    X : table of shape (n_samples, n_features)
    sample_weight : array-like of shape (n_samples,), float or None
    reset : bool
        Whether the number and the names of the features are learnt or compared.
    min_samples : int
        How many rows there must be.
    """
    estimator._check_parameters()
    X = check_rows(estimator, X, reset=reset, ensure_min_samples=min_samples)
    if sparse.issparse(X) and np.isnan(X.data).any():
        raise ValueError(
            "X is sparse and contains NaN. Missing values are taken in dense arrays alone: "
            "X.toarray() makes one of it."
        )
    if sample_weight is None:
        return X, None
    weights = check_weights(sample_weight, X)
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return X, weights


def check_rows(estimator, X, reset, **options):
    """Return rows of X in a precision and an order of bytes that torch knows.

    What holds whole numbers from 0 to 255 stays so until a batch is made of it.

    Parameters
    ----------
    estimator : BaseCoder
    X : table of shape (n_samples, n_features)
    reset : bool
        Whether the number and the names of the features are learnt or compared.
    **options : dict
        As in scikit-learn's `validate_data`; ``ensure_min_samples`` is there in `fit` alone.
    """
    X = to_array(X)
    check_is_real_table(X, "X")
    if estimator._takes_holes:
        options = {"ensure_all_finite": "allow-nan"} | options
    try:
        X = validate_data(estimator, X, dtype=KINDS, accept_sparse="csr", reset=reset, **options)
    except (TypeError, ValueError) as error:
        advice = _advise(estimator, X, reset, is_fit="ensure_min_samples" in options)
        if "NaN" in str(error) and getattr(estimator, "ordered", False):
            advice = "With ordered=True rows must be whole: skae.Imputer fills them."
        if advice:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{str(error).rstrip('.')}. {advice}") from error
        raise
    if X.dtype == np.uint8:
        return X.astype(np.float32) if sparse.issparse(X) else Bytes(X)
    return X.astype(X.dtype.newbyteorder("="), copy=False)  # torch knows no other


def _advise(estimator, X, reset, is_fit):
    """Return what may be done about a table that was refused, as far as we know."""
    if entries := columns_without_numbers(X):
        return estimator._advise_on_columns(entries)
    shape = shape_of(X)
    if reset and is_fit and len(shape) == 2 and shape[0] == 1:
        return (
            "fit, and the first call of partial_fit, learn mean and scale from their rows, and "
            "need two of them at least; later calls of partial_fit take one."
        )
    if reset or len(shape) != 2 or shape[1] == estimator.n_features_in_:
        return ""
    if is_fit:
        return (
            "warm_start and partial_fit go on with the model that an earlier fit has built: "
            "fit a clone of the estimator to other columns."
        )
    if shape[1] == estimator._n_features_out:
        return "Codes go through inverse_transform."
    return ""


def check_codes(estimator, X):
    """Return codes for `inverse_transform`, checked."""
    check_is_fitted(estimator)
    X, n_components = to_array(X), estimator._n_features_out
    check_codes_not_deeper(X, n_components)
    Z = check_array(X, dtype=FLOATS, accept_sparse="csr", input_name="X", estimator=estimator)
    if Z.shape[1] > n_components or (Z.shape[1] < n_components and not is_ordered(estimator)):
        first = ", or the first of them" if is_ordered(estimator) else ""
        raise ValueError(
            f"X has {Z.shape[1]} features, but {type(estimator).__name__}.inverse_transform is "
            f"expecting {n_components} features as input{first}: codes, as transform returns "
            "them. Rows of data go through reconstruct."
        )
    return Z


def check_ends(estimator, x0, x1, n_steps):
    """Return two rows, checked; a row may come without names where `fit` saw some."""
    check_is_fitted(estimator)
    check_scalar(n_steps, "n_steps", Integral, min_val=2)
    ends = []
    for name, x in (("x0", x0), ("x1", x1)):
        x = row_to_frame(x)
        row = np.ravel(x.toarray() if sparse.issparse(x) else to_array(x))[None]
        check_has_no_dates(x if hasattr(x, "columns") else row, name)
        if row.shape[1] != estimator.n_features_in_:
            raise ValueError(
                f"{name} has {row.shape[1]} features, but {type(estimator).__name__} is expecting "
                f"{estimator.n_features_in_} features as input."
            )
        found, known = names_of(x), getattr(estimator, "feature_names_in_", None)
        if found is not None and known is not None:
            check_names(found, list(known), name)
        ends.append(check_array(row, dtype=FLOATS, input_name=name))
    return np.vstack(ends)


def warn_of_targets(X, y):
    """Warn where y is a table like X and yet another, as clean rows beside noisy ones are."""
    if y is None or y is X or len(shape_of(y)) != 2 or shape_of(y) != shape_of(X):
        return
    if _differ(X, y):
        warn(
            "y is ignored, and it looks like targets for the rows of X. Autoencoders learn to "
            "give X back: fit on the rows that shall come out. DenoisingAutoencoder adds the "
            "noise itself.",
            ParameterWarning,
        )


def _differ(X, y):
    """Whether two tables of one shape hold other entries; a sparse one is not made dense."""
    if sparse.issparse(X) and sparse.issparse(y):
        return (y != X).nnz > 0
    try:
        X, y = (A.toarray() if sparse.issparse(A) else np.asarray(to_array(A)) for A in (X, y))
    except ValueError:  # of rows of several lengths: no targets, and nothing that is ignored errs
        return False
    return not np.array_equal(X, y)


def check_combinations(estimator):
    """Refuse parameters of the networks that contradict each other."""
    if estimator.tied_weights and not (estimator.encoder is None and estimator.decoder is None):
        raise ValueError(
            "tied_weights=True is for built-in perceptrons, with encoder=None and decoder=None. "
            "Got other networks beside it: leave them out, or set tied_weights=False."
        )
    if estimator.linear_path is True and not has_own_networks(estimator):
        raise ValueError(
            "linear_path=True is for built-in networks, with encoder=None and decoder=None. "
            "Got networks of your own beside it: leave them out, or linear_path at 'auto'."
        )
    if estimator.likelihood == "bernoulli" and estimator.output_activation != "identity":
        raise ValueError(
            "likelihood='bernoulli' has its own output, a sigmoid: leave output_activation at "
            f"'identity'. Got {estimator.output_activation!r} beside it."
        )
    for given in estimator.callbacks or []:
        if not is_callback(given):
            raise ValueError(f"callbacks must be a list of skorch callbacks. Got {given!r} in it.")
    for size in hidden_layer_sizes_of(estimator):
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(
                "hidden_layer_sizes must contain integers of at least 1. "
                f"Got {estimator.hidden_layer_sizes!r} instead."
            )


def check_columns_are_seen(estimator, missing):
    """Refuse columns of which nothing is observed.

    Parameters
    ----------
    estimator : BaseAutoencoder
    missing : ndarray of shape (n_columns,)
        Share of each column that is not.
    """
    empty = np.flatnonzero(missing == 1)
    if not len(empty):
        return
    names = getattr(estimator, "feature_names_in_", [])
    names = names if len(names) == len(missing) else range(len(missing))
    which = [repr(names[j]) for j in empty]
    raise ValueError(
        f"X has columns of nothing but NaN, in rows that have weight: {', '.join(which[:5])}"
        f"{', ...' * (len(which) > 5)}. Nothing can be learned of them: leave them out."
    )


def check_reach(estimator, X):
    """Refuse data that the likelihood or the output activation cannot produce."""
    if reaches_everything(estimator):
        return
    (low, high), name = reach_of(estimator)
    values = X.data if sparse.issparse(X) else X.X if isinstance(X, Bytes) else X
    if not values.size:
        return
    least, most = (end.reduce(values, axis=None) for end in (np.fmin, np.fmax))  # NaN apart
    if least < low or most > high:
        is_bytes = least >= 0 and most == 255
        raise ValueError(
            f"{name} needs X in [{low:g}, {high:g}]. Got values from {least:g} to "
            f"{most:g}. Scale X, by MinMaxScaler say, or take likelihood='gaussian' "
            "and output_activation='identity', which reach all numbers."
            f"{ADVICE_ON_BYTES * bool(is_bytes)}"
        )
