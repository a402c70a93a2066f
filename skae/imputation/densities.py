"""A density with a code, a variational autoencoder, in the place of a mixture of Gaussians.

Given the observed cells of a row it is a mixture, too: of the Gaussians of codes that are drawn
from the posterior, with their importance weights.
"""

import numpy as np
from sklearn.base import clone

N_DRAWS = 100  # of the code of a row


class Density:
    """A fitted density that answers as a `Conditioner` does.

    Parameters
    ----------
    estimator : estimator
        With `posterior_predictive` and `score_samples`; fitted to rows in the units of the model.
    """

    n_components = N_DRAWS

    def __init__(self, estimator):
        self.estimator = estimator

    def answer(self, table, block):
        """Return shares, means and covariances of the missing cells, and log p of the others."""
        X = np.where(table.observed[block.rows], table.X[block.rows], np.nan)
        weights, means, variances = self.estimator.posterior_predictive(X, N_DRAWS)
        n, m = len(block.rows), block.columns.shape[1]
        cells = np.broadcast_to(block.columns[block.pattern], (N_DRAWS, n, m))
        of_cells = np.take_along_axis(means.transpose(1, 0, 2), cells, axis=2)
        covariances = variances[block.columns][:, :, None] * np.eye(m)
        return (
            weights.T,
            of_cells,
            np.broadcast_to(covariances, (N_DRAWS, *covariances.shape)),
            self.estimator.score_samples(X, N_DRAWS),
        )


def fit_density(estimator, rows, random):
    """Return a `Density`: a clone of an estimator, fitted to rows whose missing cells are NaN.

    Parameters
    ----------
    estimator : estimator
    rows : Rows
    random : RandomState
        Its seed, where it has none.
    """
    model = clone(estimator)
    if model.get_params().get("random_state", 0) is None:
        model.set_params(random_state=random.randint(2**31 - 1))
    X = np.where(rows.holes.observed, rows.X, np.nan)
    return Density(model.fit(X, sample_weight=rows.weights))
