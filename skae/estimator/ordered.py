"""Codes whose numbers may be ordered, as users see them: what each explains, and loadings."""

from sklearn.utils.metaestimators import available_if

from .absent import Absent, explain_shares
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

    validation_explained_variance_ratio_ : ndarray of shape (`n_components_`,) or None
        The same over the validation rows of ``early_stopping=True`` or ``n_components="auto"``,
        which training has not seen; None where there are none, and after `partial_fit`.

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

    _has_loadings, _takes_condition = True, False

    validation_explained_variance_ratio_ = Absent(explain_shares)
    feature_explained_variance_ratio_ = Absent(explain_shares)

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
