"""Loadings: what a number of the code says of each feature."""

import numpy as np
import torch

from .. import _ranks
from ..data.tables import SomeRows, share
from ..training.randomness import make_random_state
from .inference import iter_batches, map_rows

MOST_ROWS = 1000  # over which means are taken; fewer where a code is wide
MOST_CELLS = 2**20  # numbers of all their Jacobians


def jacobian_of(estimator, X):
    """Return dz/dx at each row, (n_samples, n_components, n_features), per unit of X."""
    return map_rows(estimator, X, X.dtype, lambda module, x: _jacobian(estimator, module, x))


def learn_loadings(estimator, X, weights):
    """Set the mean of dz/dx, and of its magnitude, over some training rows.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    X : table of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    """
    size = estimator._n_features_out * X.shape[1]
    most = max(1, min(MOST_ROWS, MOST_CELLS // size) // _ranks.n_ranks())
    counts = np.arange(X.shape[0]) if weights is None else np.flatnonzero(weights)
    order = make_random_state(estimator._seed, "sample").permutation(counts)
    chosen = np.sort(order[:most])
    w = np.ones(len(chosen)) if weights is None else weights[chosen]

    def means(module, x, w):
        J, w = _jacobian(estimator, module, x).double(), w.double()
        return torch.stack([torch.einsum("i,ijk->jk", w, part) for part in (J, J.abs())])

    shares = torch.from_numpy(w / _ranks.total(w.sum()))
    parts = iter_batches(estimator, SomeRows(X, chosen), X.dtype, means, shares)
    estimator.loadings_, estimator.loading_magnitudes_ = _ranks.total(
        sum(values for _, values in parts)
    )


def _jacobian(estimator, module, x):
    """Return dz/dx of a batch by one backward pass for each number of the code.

    NaN where a network of the user's has no derivative.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = estimator._units.enter(x.clone(), x.dtype)
        if getattr(module, "takes_holes", False):  # the slope is that of the completed row
            x = module.complete(x)
        x = x.requires_grad_()
        z = module.encode(x)
        if not z.requires_grad:
            return x.new_full((len(x), z.shape[1], x.shape[1]), torch.nan)
        rows = [torch.autograd.grad(total, x, retain_graph=True)[0] for total in z.sum(0)]
        J = torch.stack(rows, dim=1) / share(np.asarray(estimator.scale_)).to(x)
        if estimator._code_units is not None:
            J = J / estimator._code_units.scale.to(x)[:, None]
        return J.detach()
