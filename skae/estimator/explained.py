"""What each number of an ordered code explains of the rows."""

import numpy as np
import torch

from .. import _ranks
from ..data.tables import SomeRows, share
from .inference import iter_batches


def learn_shares(estimator, X, weights, unseen=None):
    """Set what each number of the code adds to the explained variance of rows.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    X : table of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    unseen : ndarray of int or None
        The numbers of the validation rows, which have shares of their own.
    """
    adds, total = _explained(estimator, X, weights)
    whole = total.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios, by_feature = adds.sum(axis=1) / whole, adds / total
    estimator.explained_variance_ratio_ = np.where(whole > 0, ratios, 0.0)
    estimator.feature_explained_variance_ratio_ = np.where(total > 0, by_feature, 0.0)
    estimator.validation_explained_variance_ratio_ = None
    if unseen is not None:
        of_unseen = None if weights is None else weights[unseen]
        prefixes = explained_by_prefixes(estimator, SomeRows(X, unseen), of_unseen)
        estimator.validation_explained_variance_ratio_ = np.diff(prefixes, prepend=0)


def forget_shares(estimator):
    """Drop what an earlier fit has set, which may have been one with an ordered code."""
    for kind in ("", "feature_", "validation_"):
        vars(estimator).pop(f"{kind}explained_variance_ratio_", None)


def explained_by_prefixes(estimator, X, weights=None):
    """Return the share of the variance of X that the first 1, 2, ... numbers explain.

    Of shape (n_components,); zeros where X does not vary.
    """
    adds, total = _explained(estimator, X, weights)
    return np.cumsum(adds.sum(axis=1)) / (total.sum() or 1.0)


def _explained(estimator, X, weights):
    """Return the squares that each number adds, (n_components, n_features), and those of X.

    Both are weighted means over the rows, in the squared units of X.
    """
    weights = np.ones(X.shape[0]) if weights is None else weights
    shares = weights / _ranks.total(weights.sum())
    mean = share(estimator.mean_).to(estimator.device_)

    def squares(module, x, w):
        """Return those of the rows, and of what each prefix leaves of them."""
        z = module.encode(estimator._units.enter(x, x.dtype))
        x, w = x.double(), w.double()
        found = [w @ (x - mean).square()]
        for kept in module.nested.kept:
            left = x - estimator._units.leave(module.decode(z * kept)).double()
            found.append(w @ left.square())
        return torch.stack(found)

    parts = iter_batches(estimator, X, X.dtype, squares, share(shares))
    total, *left = _ranks.total(sum(values for _, values in parts))
    return -np.diff([total, *left], axis=0), total
