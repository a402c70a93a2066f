"""Sparse matrices are read without their zeros, with the results of the same rows in an array."""

import numpy as np
import pytest
import torch
from scipy import sparse

from skae import Autoencoder, ConditionalVAE
from skae.data import sparse_rows
from skae.data.moments import scatter, weighted_moments
from skae.data.sources import RowsOnHost, make_source
from skae.data.tables import to_tensor
from skae.data.units import Units

D = 1200
S = sparse.random(300, D, density=0.01, format="csr", random_state=0, dtype=np.float64)
S.data[:] += 1.0
WEIGHTS = np.random.default_rng(0).uniform(size=300)
CPU = torch.device("cpu")


@pytest.mark.parametrize("weights", [None, WEIGHTS, (WEIGHTS > 0.3) * 1.0])
@pytest.mark.parametrize("factor", [1.0, 1e160, 1e-160])
def test_moments_are_those_of_the_array(weights, factor):
    of_sparse, of_array = (
        weighted_moments(X, weights) for X in (S * factor, S.toarray() * factor)
    )
    for found, expected in zip(of_sparse, of_array, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14 * factor)


def test_constant_columns_are_constant():
    X = sparse.csr_matrix(np.column_stack([np.full(50, 0.1), np.zeros(50), np.arange(50) % 2]))
    np.testing.assert_array_equal(weighted_moments(X).deviation > 0, [False, False, True])


@pytest.mark.parametrize("scale", [0.5, np.random.default_rng(1).uniform(0.5, 2, D)])
@pytest.mark.parametrize("weights", [None, torch.from_numpy(WEIGHTS)])
def test_scatter_is_that_of_the_array(scale, weights):
    units = Units(np.linspace(-1, 1, D), scale)
    mean, Q = torch.linspace(0, 0.1, D).double(), torch.randn(D, 5, dtype=torch.float64)
    rows = make_source(S, units, torch.float64, CPU)
    assert isinstance(rows, RowsOnHost)
    dense = make_source(S.toarray(), units, torch.float64, CPU)
    for found, expected in zip(
        scatter(rows, weights, mean, Q), scatter(dense, weights, mean, Q), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def with_memory(matrix):
    return sparse_rows.remember(to_tensor(matrix), matrix)


@pytest.fixture
def entered():
    units = Units(np.linspace(-1, 1, D), np.linspace(0.5, 2, D))
    return units.enter(with_memory(S[:60]), torch.float64)


@torch.no_grad()
def test_products_are_those_of_dense_rows(entered):
    weight, bias = torch.randn(7, D).double(), torch.randn(7).double()
    assert sparse_rows.origin_of(entered) is not None
    found = sparse_rows.linear(entered, weight, bias)
    torch.testing.assert_close(found, entered.clone() @ weight.T + bias, rtol=1e-12, atol=1e-10)


@torch.no_grad()
def test_rows_that_were_written_into_are_what_they_are(entered):
    entered.add_(1.0)
    assert sparse_rows.origin_of(entered) is None
    assert sparse_rows.origin_of(entered.clone()) is None


def test_gradients_are_torch_s_own(entered):
    weight = torch.randn(7, D, dtype=torch.float64, requires_grad=True)
    sparse_rows.linear(entered, weight).sum().backward()
    torch.testing.assert_close(weight.grad, entered.sum(0).expand(7, D))


def test_filled_or_narrow_rows_are_dense():
    assert sparse_rows.origin_of(with_memory(S[:9, :100])) is None
    filled = sparse.csr_matrix(np.ones((9, D)))
    assert sparse_rows.origin_of(with_memory(filled)) is None


def test_codes_are_those_of_the_array():
    X = S.astype(np.float32)
    model = Autoencoder(3, max_iter=2, random_state=0).fit(X)
    of_array = model.transform(X.toarray())
    np.testing.assert_allclose(model.transform(X), of_array, rtol=1e-4, atol=1e-4)
    assert model.score(X) == pytest.approx(model.score(X.toarray()), abs=1e-5)


def test_a_start_is_that_of_the_array():
    """Above the number of features up to which a covariance is formed."""
    X = sparse.random(200, 2500, density=0.01, format="csr", random_state=0, dtype=np.float32)
    models = [Autoencoder(3, max_iter=1, random_state=0).fit(Y) for Y in (X, X.toarray())]
    losses = [model.loss_curve_[0] for model in models]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_what_a_condition_leaves_of_many_features_is_no_sparse_matrix():
    X = np.random.default_rng(0).normal(size=(60, 2100)).astype(np.float32)
    options = {"hidden_layer_sizes": 8, "max_iter": 1, "random_state": 0}
    model = ConditionalVAE(2, **options).fit(X, condition=np.arange(60) % 3)
    assert np.isfinite(model.score(X, condition=np.arange(60) % 3))


def test_hooks_on_the_linear_path_are_called():
    X = np.random.default_rng(0).normal(size=(60, 4))
    model, calls = Autoencoder(2, max_iter=1, random_state=0).fit(X.astype(np.float32)), []
    model.module_.encoder.path.register_forward_hook(lambda *args: calls.append(args))
    model.transform(X.astype(np.float32))
    assert len(calls) == 1
