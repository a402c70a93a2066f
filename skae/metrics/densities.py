"""How usual a density finds rows, whatever is observed of them."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_scalar

from ..data.columns import check_has_no_dates
from ..data.inputs import to_array
from ..estimator.wrapped import check_has

Array = NDArray[np.float64]


def score_percentiles(
    estimator: Any,
    X: Any,
    *,
    n_draws: int = 200,
    random_state: int | np.random.RandomState | None = 0,
) -> Array:
    """Return how usual rows are among those that a density draws, whatever is observed of them.

    The log-likelihood of a row falls or rises with the number of its observed cells, so that
    those of rows with different missing values do not compare. Rows drawn from the model, with
    the same cells hidden, say what is usual for these: the result is the share of them that is
    less likely.

    Parameters
    ----------
    estimator : fitted density
        With `sample` and `score_samples`, a :class:`~skae.VAE` say.

    X : array-like of shape (n_samples, n_features)
        Rows with or without NaN.

    n_draws : int, default=200
        Number of rows that are drawn. Each is scored once for each pattern of missing values.

    random_state : int, RandomState instance or None, default=0
        Determines the draws.

    Returns
    -------
    shares : ndarray of shape (n_samples,)
        Between 0 and 1, uniform for rows that follow the model; 1/2 for an empty row.

    Raises
    ------
    TypeError
        If the estimator has no `sample` or no `score_samples`.

    See Also
    --------
    skae.VAE.score_samples : Log-likelihoods of what is observed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skae import VAE
    >>> from skae.metrics import score_percentiles
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAE(2, max_iter=20, random_state=0).fit(X)
    >>> rows = np.array([[5.8, np.nan, 3.8, 1.2], [5.8, np.nan, 3.8, 9.0]])
    >>> score_percentiles(vae, rows) > 0.01
    array([ True, False])
    """
    for name in ("sample", "score_samples"):
        check_has(estimator, name)
    check_scalar(n_draws, "n_draws", Integral, min_val=1)
    check_has_no_dates(X, "X")
    X = check_array(to_array(X), ensure_all_finite="allow-nan", input_name="X")
    scores = estimator.score_samples(X)
    drawn = estimator.sample(n_draws, random_state=random_state)
    patterns, place = np.unique(np.isnan(X), axis=0, return_inverse=True)
    shares = np.empty(len(X))
    for i, missing in enumerate(patterns):
        rows = np.flatnonzero(place.ravel() == i)
        usual = np.sort(estimator.score_samples(np.where(missing, np.nan, drawn)))
        below, up_to = (np.searchsorted(usual, scores[rows], side) for side in ("left", "right"))
        shares[rows] = (below + up_to + 1) / (2 * (n_draws + 1))
    return shares
