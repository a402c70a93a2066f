"""Rows regressed on their conditions, and what that leaves of them."""

import torch

from .. import _ranks
from .moments import N_DENSE
from .tables import chunks_of


class Residuals:
    """Rows of x - A c: what the conditions leave to the code of a linear model.

    Parameters
    ----------
    rows : RowsOnDevice or RowsOnHost
        x and c side by side.
    slopes : tensor of shape (n_features, n_conditions)
        A.
    """

    is_sparse = False

    def __init__(self, rows, slopes):
        self.rows, self.slopes = rows, slopes

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self):
        """Numbers of rows and of columns of x."""
        return len(self.rows), len(self.slopes)

    def span(self, rows):
        """Return a slice of rows."""
        xc, n_features = self.rows.span(rows), len(self.slopes)
        return xc[:, :n_features] - xc[:, n_features:] @ self.slopes.T.to(xc)


def regress(rows, weights, mean):
    """Return slopes A and intercept of the weighted least squares of x on c, in one pass.

    Where conditions are too many for their covariance, slopes are 0.

    Parameters
    ----------
    rows : RowsOnDevice or RowsOnHost
        x and c side by side.
    weights : tensor of shape (n_samples,) or None
    mean : tensor of shape (n_features,)
        Of x.
    """
    n_features, n_conditions = len(mean), rows.shape[1] - len(mean)
    if n_conditions > N_DENSE:
        return torch.zeros(n_features, n_conditions, dtype=torch.float64), mean
    moments, total = 0.0, 0.0
    for span in chunks_of(rows):
        xc = rows.span(span).double()
        xc1 = torch.cat([xc, torch.ones_like(xc[:, :1])], dim=1)
        w = xc.new_ones(len(xc)) if weights is None else weights[span].double()
        moments = moments + (w[:, None] * xc1[:, n_features:]).T @ xc1
        total = total + w.sum()
    moments, total = _ranks.total(moments, total)
    moments = (moments / total).cpu()
    cross, square = moments[:, :n_features], moments[:, n_features:]
    # One-hot labels add up to the constant: the least-norm solution, by a little ridge.
    ridge = 1e-6 * torch.eye(len(square), dtype=square.dtype)
    solution = torch.linalg.solve(square + ridge, cross).T
    return solution[:, :-1], solution[:, -1]
