"""Ordered codes: what each number of the code explains, and rows from the first of them."""

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.metaestimators import available_if

from .inference import iter_batches
from .loadings import jacobian_of
from .shared_arguments import SHARED_ARGUMENTS
from .subclassing import complete_method_docstrings


def _has_loadings_of(estimator):
    if not estimator._has_loadings:
        raise AttributeError(
            f"{type(estimator).__name__} has no loadings: they depend on the condition."
        )
    return True


class OrderedCodes:
    """Part of an estimator whose codes may be ordered by what their numbers explain.

    Attributes
    ----------
    n_components_ : int
        Size of the code.

    explained_variance_ratio_ : ndarray of shape (`n_components_`,)
        What each further number of an ordered code adds to the share of the variance that is
        explained, over the rows of the last call of `fit` or `partial_fit`; the sum is
        ``skae.metrics.explained_variance`` of these rows.

    feature_explained_variance_ratio_ : ndarray of shape (`n_components_`, n_features)
        What each further number of an ordered code adds to the explained share of each feature's
        variance.

    loadings_ : ndarray of shape (`n_components_`, n_features)
        By how much each number of the code changes with each feature, with its sign: the mean of
        dz/dx over at most 1000 training rows, fewer where the code is wide. In units of the code
        per unit of X.

    loading_magnitudes_ : ndarray of shape (`n_components_`, n_features)
        The mean of ``|dz/dx|`` over the same rows: a feature whose influence changes its sign has
        a loading near 0, and a magnitude that is not.
    """

    _has_loadings = True

    @property
    def n_components_(self):
        return self._n_features_out

    @available_if(_has_loadings_of)
    def loadings(self, X):
        """Return by how much the code of each row changes with each feature, dz/dx.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        J : ndarray of shape (n_samples, n_components, n_features)
            In units of the code per unit of X.
        """
        return jacobian_of(self, self._check_X(X))


complete_method_docstrings(OrderedCodes, SHARED_ARGUMENTS)


def is_ordered(estimator):
    """Whether the fitted model has an ordered code, whatever is set now."""
    return estimator._fitted_params.get("ordered", False)


def fill_up(estimator, Z):
    """Return codes with what training puts in the place of the numbers that they lack.

    That is 0 in the network's units.

    Parameters
    ----------
    estimator : BaseAutoencoder
    Z : {ndarray, CSR matrix} of shape (n_samples, n_numbers)
    """
    n_samples, n_numbers = Z.shape
    if n_numbers == estimator._n_features_out:
        return Z
    Z = Z.toarray() if sparse.issparse(Z) else Z
    zero = np.zeros(estimator._n_features_out)
    if estimator._code_units is not None:
        zero = estimator._code_units.enter(torch.from_numpy(zero), torch.float64).numpy()
    rest = np.broadcast_to(zero[n_numbers:].astype(Z.dtype), (n_samples, len(zero) - n_numbers))
    return np.hstack([Z, rest])


def learn_shares(estimator, X, weights):
    """Set what each number of the code adds to the explained variance of rows.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    X : table of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    """
    adds, total = _explained(estimator, X, weights)
    whole = total.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios, by_feature = adds.sum(axis=1) / whole, adds / total
    estimator.explained_variance_ratio_ = np.where(whole > 0, ratios, 0.0)
    estimator.feature_explained_variance_ratio_ = np.where(total > 0, by_feature, 0.0)


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
    n = X.shape[0]
    shares = np.full(n, 1 / n) if weights is None else weights / weights.sum()
    mean = torch.from_numpy(estimator.mean_).to(estimator.device_)

    def squares(module, x, w):
        """Return those of the rows, and of what each prefix leaves of them."""
        z = module.encode(estimator._units.enter(x, x.dtype))
        x, w = x.double(), w.double()
        found = [w @ (x - mean).square()]
        for kept in module.nested.kept:
            left = x - estimator._units.leave(module.decode(z * kept)).double()
            found.append(w @ left.square())
        return torch.stack(found)

    parts = iter_batches(estimator, X, X.dtype, squares, torch.from_numpy(shares))
    total, *left = sum(values for _, values in parts)
    return -np.diff([total, *left], axis=0), total
