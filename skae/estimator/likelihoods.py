"""The score of a model that is a density of the data."""

from ..data.weights import weighted_mean


class ScoresLikelihood:
    """Part of an estimator whose `score_samples` are log-densities of rows, or bounds of them."""

    def score(self, X, y=None, sample_weight=None):
        """Return the mean of `score_samples`: the larger, the better the model.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the mean.

        Returns
        -------
        score : float
            In nats per row, in the units of X; compare with ``PCA.score``.
        """
        return weighted_mean(self.score_samples(X), sample_weight)
