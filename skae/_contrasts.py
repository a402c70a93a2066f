"""What cross-validation says of several estimators: means, differences, and how sure they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def standard_error(values: Array, test_share: float) -> Array:
    r"""Return the standard error of a mean over folds, whose training rows overlap.

    .. math:: \sqrt{\left(\frac1J + \frac{n_{test}}{n_{train}}\right) s^2}

    with the variance :math:`s^2` between J folds (Nadeau and Bengio 2003): without the second
    term folds would count as independent, which they are not.

    Parameters
    ----------
    values : ndarray of shape (n_estimators, n_folds)
    test_share : float
        Rows held out over rows fitted to.

    Returns
    -------
    error : ndarray of shape (n_estimators,)
        NaN where there is one fold.
    """
    n_folds = values.shape[1]
    if n_folds == 1:
        return np.full(len(values), np.nan)
    return np.sqrt(1 / n_folds + test_share) * values.std(axis=1, ddof=1)


def contrast(
    name: str, values: Array, references: Sequence[int], test_share: float, same: Any = True
) -> dict[str, Array]:
    """Return the columns of a metric: mean and difference, and the standard errors of both.

    Parameters
    ----------
    name : str
        Of the metric.
    values : ndarray of shape (n_estimators, n_folds)
    references : sequence of int
        Which estimator each is compared with, on the same folds.
    test_share : float
    same : bool or ndarray of bool of shape (n_estimators,), default=True
        Whether the two mean the same; the difference is NaN where not.
    """
    differences = np.where(np.reshape(same, (-1, 1)), values - values[list(references)], np.nan)
    return {
        name: values.mean(axis=1),
        f"{name}_se": standard_error(values, test_share),
        f"{name}_difference": differences.mean(axis=1),
        f"{name}_difference_se": standard_error(differences, test_share),
    }


def as_table(columns: Mapping[str, Any], index: str | None = None) -> Any:
    """Return a DataFrame where pandas is installed, else a dict of arrays.

    Parameters
    ----------
    columns : dict of str to sequence
    index : str or None, default=None
        The column that names the rows of the DataFrame.
    """
    try:
        import pandas as pd
    except ImportError:
        return {name: np.asarray(values) for name, values in columns.items()}
    table = pd.DataFrame(columns)
    return table if index is None else table.set_index(index)
