"""The way from one row to another, along a straight line between their codes."""

import numpy as np
import pandas as pd
import pytest
from estimators import DEFAULTS
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from skae import ConditionalVAE, SparseAutoencoder

X = load_iris().data
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


@every_class
def test_numbers_of_steps_and_precisions(estimator):
    ae = clone(estimator).fit(X)
    assert ae.interpolate(X[0], X[1]).shape == (10, 4)
    assert ae.interpolate(X[0], X[1], 2).shape == (2, 4)
    assert ae.interpolate(X[0].astype(np.float32), X[1].astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(ae.interpolate(X[7], X[7], 3), ae.reconstruct(X[[7, 7, 7]]))


@every_class
def test_rows_of_every_kind(estimator):
    ae = clone(estimator).fit(X)
    path = ae.interpolate(X[0], X[100])
    frame = pd.DataFrame(X, columns=list("abcd"))
    rows = sparse.csr_matrix(X)
    for x0, x1 in [
        (X[0].tolist(), X[100].tolist()),
        (X[:1], X[100:101]),
        (frame.iloc[0], frame.iloc[100]),
        (rows[0], rows[100]),
    ]:
        np.testing.assert_allclose(ae.interpolate(x0, x1), path, atol=1e-6)
    named = clone(estimator).set_output(transform="pandas").fit(frame)
    np.testing.assert_array_equal(named.interpolate(frame.iloc[0], frame.iloc[100]), path)


@every_class
def test_errors_in_words(estimator):
    ae = clone(estimator)
    with pytest.raises(NotFittedError):
        ae.interpolate(X[0], X[1])
    ae.fit(X)
    with pytest.raises(ValueError, match="x0 has 3 features, but .* is expecting 4 features"):
        ae.interpolate(X[0, :3], X[1])
    with pytest.raises(ValueError, match="x1 has 8 features, but .* is expecting 4 features"):
        ae.interpolate(X[0], X[1:3])
    with pytest.raises(ValueError, match="n_steps == 1, must be >= 2"):
        ae.interpolate(X[0], X[1], n_steps=1)
    with pytest.raises(TypeError, match="n_steps must be an instance of int"):
        ae.interpolate(X[0], X[1], n_steps=2.5)
    with pytest.raises(ValueError, match="Input x1 contains NaN"):
        ae.interpolate(X[0], np.where(X[1] == X[1, 0], np.nan, X[1]))


def test_sparse_codes_are_no_obstacle():
    ae = SparseAutoencoder(max_iter=3, random_state=0).fit(X)
    path = ae.interpolate(X[0], X[100])
    ae.set_params(sparse_output=True)
    np.testing.assert_array_equal(ae.interpolate(X[0], X[100]), path)
    # With a linear decoder the way is straight among the rows too.
    share = np.linspace(0, 1, 10)[:, None]
    np.testing.assert_allclose(path, (1 - share) * path[0] + share * path[-1])


def test_a_condition_goes_along():
    labels = load_iris().target
    cvae = ConditionalVAE(max_iter=3, random_state=0).fit(X, condition=labels)
    path = cvae.interpolate(X[0], X[1], 3, condition=0)
    ends = cvae.reconstruct(X[:2], condition=[0, 0])
    np.testing.assert_allclose(path[[0, -1]], ends)
