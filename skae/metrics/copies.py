"""The share of drawn rows that are nearer to training rows than to held-out ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from sklearn.utils import Bunch, check_array, check_random_state

from ..data.columns import columns_without_numbers, describe_columns, how_to_encode, is_text
from ..data.inputs import to_array

Array = NDArray[np.float64]

CLOSEST = 0.01  # share of the draws that is judged by itself


def copy_share(
    X_new: Any,
    X_train: Any,
    X_test: Any,
    *,
    random_state: int | np.random.RandomState | None = 0,
) -> Bunch:
    r"""Return the share of new rows that are nearer to a training row than to a held-out row.

    With as many rows of both kinds and a model that has learnt the distribution it is 0.5 in
    expectation, however near new rows are to real ones; copies of training rows raise it. Of two
    rows at the same distance each counts half.

    Parameters
    ----------
    X_new : array-like of shape (n_new, n_features)
        Rows drawn from a model, as its `sample` returns them.

    X_train : array-like of shape (n_train, n_features)
        The rows that the model was fitted to.

    X_test : array-like of shape (n_test, n_features)
        Rows of the same origin that the model has not seen, chosen at random.

    random_state : int, RandomState instance or None, default=0
        Determines which rows of the larger of `X_train` and `X_test` are left out: as many are
        used of both.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        Like a dictionary, with these entries as attributes.

        share : float
            Share of the new rows that are nearer to a training row: 0.5 is fair, and near 1 they
            are copies. Between the two the model fits training rows more closely than other rows.
        standard_error : float
            Standard deviation of `share` if chance had decided which rows are training rows and
            which are held out.
        closest_share : float
            The same share, of the one percent of new rows that lie nearest to a row of either
            kind. A few copies among many draws raise it first.
        closest_standard_error : float
            Standard deviation of `closest_share`.
        train_matches : float
            Share of the new rows that equal a training row.
        test_matches : float
            Share of the new rows that equal a held-out row: what is fair for `train_matches`.

    Raises
    ------
    ValueError
        If the numbers of columns differ, or a table is empty or holds text, NaN or infinity.

    See Also
    --------
    maximum_mean_discrepancy : Whether new rows follow the distribution of real ones.

    Notes
    -----
    A share of 0.5 is no guarantee of privacy: single rows hardly count in a mean.

    Distances are Euclidean, in the units of the rows: divide columns with units of their own by
    their standard deviations first. Copies of training rows that are left out do not show: hold
    out as many rows as you train on where you can.

    The standard error takes the new rows as they are. Where :math:`c_i` is the number of new rows
    to which row i of the 2 m rows is the nearest, and n their sum, it is that of a sum of all
    :math:`c_i` over a random half of the rows,
    :math:`\frac12 \sqrt{(2 m \sum_i c_i^2 / n^2 - 1) / (2 m - 1)}`. A few rows to which many are
    near make it large.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import copy_share
    >>> X_train, X_test, X_new = np.random.default_rng(0).normal(size=(3, 500, 4))
    >>> fair = copy_share(X_new, X_train, X_test)
    >>> bool(abs(fair.share - 0.5) < 3 * fair.standard_error)
    True
    >>> copies = copy_share(X_train + 0.01 * X_new, X_train, X_test)
    >>> bool(copies.share > 0.95)
    True
    """
    X_new, X_train, X_test = _check_rows(X_new=X_new, X_train=X_train, X_test=X_test)
    m = min(len(X_train), len(X_test))
    random = check_random_state(random_state)
    (to_train, of_train), (to_test, of_test) = (
        KDTree(_some_of(X, m, random)).query(X_new) for X in (X_train, X_test)
    )
    votes = np.where(to_train == to_test, 0.5, to_train < to_test)
    nearest = np.minimum(to_train, to_test)
    is_closest = nearest <= np.sort(nearest)[int(np.ceil(CLOSEST * len(X_new))) - 1]
    share, error = _share(votes, of_train, of_test, m)
    closest_share, closest_error = _share(
        votes[is_closest], of_train[is_closest], of_test[is_closest], m
    )
    return Bunch(
        share=share,
        standard_error=error,
        closest_share=closest_share,
        closest_standard_error=closest_error,
        train_matches=float((to_train == 0).mean()),
        test_matches=float((to_test == 0).mean()),
    )


def _check_rows(**tables: Any) -> list[Array]:
    """Return tables of as many columns, divided by a number that keeps squares in range."""
    arrays = [_check_numbers(to_array(X), name) for name, X in tables.items()]
    widths = [X.shape[1] for X in arrays]
    if len(set(widths)) > 1:
        raise ValueError(
            "X_new, X_train and X_test must have as many columns. Got "
            f"{widths[0]}, {widths[1]} and {widths[2]} instead."
        )
    largest = max(float(np.abs(X).max()) for X in arrays)
    return [X / np.ldexp(1.0, np.frexp(largest)[1] - 1) for X in arrays]


def _check_numbers(X: Any, name: str) -> Array:
    """Return a table in double precision; name the columns that hold text."""
    try:
        return check_array(X, dtype=np.float64, input_name=name)
    except ValueError as error:
        if entries := [found for found in columns_without_numbers(X) if is_text(found[1])]:
            raise ValueError(
                f"{name} must hold numbers, but {describe_columns(entries)}. Fit encoder = "
                f"{how_to_encode(entries)} to X_train, and pass encoder.transform(...) of all "
                "three tables."
            ) from error
        raise


def _some_of(X: Array, m: int, random: np.random.RandomState) -> Array:
    """Return m rows, at random where there are more."""
    return X if len(X) == m else X[random.permutation(len(X))[:m]]


def _share(votes: Array, of_train: Any, of_test: Any, m: int) -> tuple[float, float]:
    """Return the mean vote, and its standard deviation over random halves of the 2 m rows."""
    n = len(votes)
    counts = np.bincount(of_train, votes, m), np.bincount(of_test, 1 - votes, m)
    spread = 2 * m * np.square(counts).sum() / n**2 - 1
    return float(votes.mean()), 0.5 * float(np.sqrt(max(0.0, spread) / (2 * m - 1)))
