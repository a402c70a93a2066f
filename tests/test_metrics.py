"""Metrics and scorers, on scikit-learn's transformers and ours."""

import re

import numpy as np
import pytest
from estimators import DEFAULTS, fitted
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import NMF, PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae import Autoencoder, Imputer, metrics
from skae.display import ErrorDisplay
from skae.metrics import maximum_mean_discrepancy, maximum_mean_discrepancy_null

X = load_iris().data


def test_of_pca_they_are_what_pca_says():
    pca = PCA(2).fit(X)
    share = pca.explained_variance_ratio_.sum()
    np.testing.assert_allclose(metrics.explained_variance(pca, X), share)
    left = PCA().fit(X).explained_variance_[2:].sum() * 149 / 150 / 4
    np.testing.assert_allclose(metrics.mean_squared_reconstruction_error(pca, X), left)


@pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)
def test_of_ours_they_are_what_the_methods_say(estimator):
    ae = clone(estimator).fit(X)
    error = ae.reconstruction_error(X)
    np.testing.assert_allclose(
        metrics.mean_squared_reconstruction_error(ae, X), error.mean() / X.shape[1]
    )
    share = 1 - error.sum() / np.square(X - X.mean(axis=0)).sum()
    np.testing.assert_allclose(metrics.explained_variance(ae, X), share, rtol=1e-9)


@pytest.mark.parametrize(
    "transformer",
    [
        MinMaxScaler(),
        NMF(2, max_iter=500),
        make_pipeline(StandardScaler(), PCA(2)),
        make_pipeline(StandardScaler(), Autoencoder(2, max_iter=2, random_state=0)),
    ],
)
def test_any_transformer(transformer):
    fitted = transformer.fit(X)
    residual = X - fitted.inverse_transform(fitted.transform(X))
    error = metrics.mean_squared_reconstruction_error(fitted, X)
    np.testing.assert_allclose(error, (residual**2).mean())
    share = metrics.explained_variance(fitted, X)
    np.testing.assert_allclose(share, 1 - error / X.var(axis=0).mean())


def test_weights_are_repetitions():
    pca = PCA(1).fit(X)
    weights = np.arange(150)
    repeated = np.repeat(X, weights, axis=0)
    for metric in (metrics.explained_variance, metrics.mean_squared_reconstruction_error):
        np.testing.assert_allclose(metric(pca, X, sample_weight=weights), metric(pca, repeated))


def test_sparse_input():
    ae = Autoencoder(2, max_iter=1, random_state=0).fit(X)
    np.testing.assert_allclose(
        metrics.explained_variance(ae, sparse.csr_matrix(X)), metrics.explained_variance(ae, X)
    )


def test_constant_data():
    same = np.ones((5, 3))
    assert metrics.explained_variance(PCA(1).fit(same), same) == 1
    assert metrics.explained_variance(PCA(1).fit(same), same + 1) in (0, 1)


class Half:
    """A transformer that gives back half of what it is given."""

    def transform(self, X):
        return X

    def inverse_transform(self, Z):
        return Z / 2


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300])
def test_the_explained_variance_of_data_whose_squares_are_out_of_range(scale):
    expected = metrics.explained_variance(Half(), X)
    np.testing.assert_allclose(metrics.explained_variance(Half(), X * scale), expected)


def test_columns_that_are_constant_but_for_rounding():
    same = np.full((37, 3), 0.1)
    assert metrics.explained_variance(Half(), same) == 0
    assert metrics.explained_variance(PCA(1).fit(np.ones((5, 3))), np.ones((5, 3))) == 1
    rounded = np.where(np.arange(37)[:, None] % 3, 0.3, 0.1 + 0.2) * np.ones(3)
    assert metrics.explained_variance(Half(), rounded) == 0


def test_rows_without_weight_do_not_count():
    weights = np.r_[np.ones(150), 0]
    found = metrics.explained_variance(Half(), np.r_[X, [[1e200] * 4]], sample_weight=weights)
    np.testing.assert_allclose(found, metrics.explained_variance(Half(), X))
    with pytest.raises(ValueError, match="non-zero"):
        metrics.explained_variance(Half(), X, sample_weight=np.zeros(150))


@pytest.mark.parametrize(
    "scorer",
    [metrics.explained_variance_scorer, metrics.neg_mean_squared_reconstruction_error_scorer],
)
@pytest.mark.parametrize("model", [PCA(), Autoencoder(max_iter=2, random_state=0)])
def test_scorers_in_a_grid_search(scorer, model):
    search = GridSearchCV(model, {"n_components": [1, 3]}, cv=3, scoring=scorer).fit(X)
    assert search.best_params_ == {"n_components": 3}


def test_what_cannot_go_back_is_refused():
    with pytest.raises(TypeError, match=r"inverse_transform\. Got LinearRegression"):
        metrics.explained_variance(LinearRegression(), X)


class Returns:
    """A transformer whose way back returns an array of some shape."""

    def __init__(self, shape):
        self.shape = shape

    def transform(self, X):
        return np.zeros((len(X), 1))

    def inverse_transform(self, Z):
        return np.zeros(self.shape)


@pytest.mark.parametrize("shape", [(150, 1), (1, 4), (150, 5), (149, 4)])
@pytest.mark.parametrize(
    "measure",
    [
        metrics.explained_variance,
        metrics.mean_squared_reconstruction_error,
        metrics.explained_variance_scorer,
        metrics.neg_mean_squared_reconstruction_error_scorer,
        ErrorDisplay.from_estimator,
    ],
)
def test_reconstructions_of_another_shape_are_refused(shape, measure):
    """numpy would repeat the one column or the one row."""
    with pytest.raises(ValueError, match=re.escape(f"(150, 4). That of Returns returns {shape}")):
        measure(Returns(shape), X)


def test_filled_rows_of_another_number_are_refused():
    class One(Returns):
        def transform(self, X):
            return np.zeros((1, 4))

    with pytest.raises(ValueError, match="transform returns 1 rows of 150"):
        metrics.imputation_score(One(None), X)


# Two samples


def two_samples(n=40, m=30, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + shift


def test_the_discrepancy_is_its_definition():
    A, B = two_samples()
    widths = [0.5, 2.0]

    def mean_kernel(P, Q, same):
        total = sum(
            np.exp(-((p - q) ** 2).sum() / (2 * s**2))
            for s in widths
            for i, p in enumerate(P)
            for j, q in enumerate(Q)
            if not (same and i == j)
        )
        return total / (len(widths) * len(P) * (len(Q) - same))

    expected = mean_kernel(A, A, 1) + mean_kernel(B, B, 1) - 2 * mean_kernel(A, B, 0)
    found = metrics.maximum_mean_discrepancy(A, B, bandwidths=widths)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(
        metrics.maximum_mean_discrepancy(B, A, bandwidths=widths), expected, rtol=1e-9
    )


def test_the_discrepancy_of_two_gaussians():
    """Unbiased: its mean over samples is the closed form, zero for equal ones.

    For N(a, I) and N(b, I) in d dimensions E k(x, y) = (s^2 / (s^2 + 2))^(d / 2)
    exp(-|a - b|^2 / (2 (s^2 + 2))).
    """
    for shift in (0.0, 0.5):
        values = [
            metrics.maximum_mean_discrepancy(*two_samples(shift=shift, seed=seed), bandwidths=1.0)
            for seed in range(300)
        ]
        expected = 2 * (1 / 3) ** 1.5 * (1 - np.exp(-3 * shift**2 / 6))
        error = np.std(values) / 300**0.5
        assert abs(np.mean(values) - expected) < 4 * error


def test_the_discrepancy_does_not_depend_on_units_and_origin():
    A, B = two_samples(shift=0.5)
    expected = metrics.maximum_mean_discrepancy(A, B)
    for scale in (1e-300, 1e-200, 1e200, 1e300):
        found = metrics.maximum_mean_discrepancy(scale * A, scale * B)
        np.testing.assert_allclose(found, expected)
        found = metrics.maximum_mean_discrepancy(scale * A, scale * B, bandwidths=scale)
        np.testing.assert_allclose(found, metrics.maximum_mean_discrepancy(A, B, bandwidths=1.0))
    np.testing.assert_allclose(
        metrics.maximum_mean_discrepancy(A + 1e8, B + 1e8), expected, rtol=1e-5
    )
    assert metrics.maximum_mean_discrepancy(*np.full((2, 37, 3), 0.1)) == 0


def test_the_null_distribution():
    """Centred, blind to the difference between the samples, and of the right level."""
    null = metrics.maximum_mean_discrepancy_null(*two_samples(), random_state=0)
    assert null.shape == (1000,)
    assert abs(null.mean()) < 4 * null.std() / 1000**0.5
    again = metrics.maximum_mean_discrepancy_null(*two_samples(), random_state=0)
    np.testing.assert_array_equal(null, again)

    def rejects(seed, shift):
        A, B = two_samples(shift=shift, seed=seed)
        null = metrics.maximum_mean_discrepancy_null(A, B, n_permutations=100, random_state=seed)
        return metrics.maximum_mean_discrepancy(A, B) > np.quantile(null, 0.95)

    assert np.mean([rejects(seed, 0.0) for seed in range(200)]) < 0.11
    assert np.mean([rejects(seed, 1.0) for seed in range(20)]) == 1


@pytest.mark.parametrize(
    ("A", "B", "bandwidths", "words"),
    [
        (X, X[:, :2], "median", "as many columns. Got 4 and 2"),
        (X[:1], X, "median", "minimum of 2"),
        (X, X, [1.0, 0.0], "bandwidths must be positive"),
        (np.where(X == X[0, 0], np.nan, X), X, "median", "X contains NaN"),
    ],
)
def test_samples_that_cannot_be_compared(A, B, bandwidths, words):
    with pytest.raises(ValueError, match=words):
        metrics.maximum_mean_discrepancy(A, B, bandwidths=bandwidths)


@pytest.mark.parametrize(
    "bandwidths", [[], (), np.empty(0), [1.0, np.nan], 0, -1, None, "mean", [[1, 2]]]
)
@pytest.mark.parametrize("function", [maximum_mean_discrepancy, maximum_mean_discrepancy_null])
def test_bandwidths_are_positive_numbers_at_least_one(function, bandwidths):
    with pytest.raises(ValueError, match="bandwidths must be positive numbers, at least one"):
        function(X, X[::2], bandwidths=bandwidths)


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_there_is_a_permutation_at_least(n, error):
    with pytest.raises(error, match="n_permutations"):
        maximum_mean_discrepancy_null(X, X[::2], n_permutations=n)


SCORES = {
    "explained_variance": lambda w: metrics.explained_variance(PCA(2).fit(X), X, sample_weight=w),
    "mean_squared_reconstruction_error": lambda w: metrics.mean_squared_reconstruction_error(
        PCA(2).fit(X), X, sample_weight=w
    ),
    "explained_variance_scorer": lambda w: metrics.explained_variance_scorer(
        PCA(2).fit(X), X, None, w
    ),
    "imputation_score": lambda w: metrics.imputation_score(Imputer(1).fit(X), X, sample_weight=w),
    "Imputer.score": lambda w: Imputer(1).fit(X).score(X, sample_weight=w),
    **{
        f"{name}.score": lambda w, e=e: fitted(e).score(X, sample_weight=w)
        for name, e in DEFAULTS.items()
    },
}


@pytest.mark.parametrize("name", SCORES)
def test_weights_of_scores_are_not_negative(name):
    one, opposite = np.ones(len(X)), np.zeros(len(X))
    one[0], opposite[:2] = -1, (1, -1)  # whose sum is zero
    for weights in (one, -np.ones(len(X)), opposite):
        with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
            SCORES[name](weights)
