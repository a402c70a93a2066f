"""Metrics and scorers, on scikit-learn's transformers and ours."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.decomposition import NMF, PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae import Autoencoder, metrics

X = load_iris().data


def test_of_pca_they_are_what_pca_says():
    pca = PCA(2).fit(X)
    share = pca.explained_variance_ratio_.sum()
    np.testing.assert_allclose(metrics.explained_variance(pca, X), share)
    left = PCA().fit(X).explained_variance_[2:].sum() * 149 / 150 / 4
    np.testing.assert_allclose(metrics.mean_squared_reconstruction_error(pca, X), left)


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
