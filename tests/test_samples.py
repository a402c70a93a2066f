"""New rows: of few rows and of repeated ones, without words that mean nothing; arrays always."""

import ast
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from estimators import DEFAULTS, QUICK, VARIANTS, all_estimators
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

import skae
from skae import GLGAE, ConditionalVAE, exceptions
from skae.data.tables import distinct_rows
from skae.estimator.mixture import fit_mixture

X = load_iris().data
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)

FEW = {
    "two rows": X[[0, 100]],
    "three rows": X[[0, 60, 120]],
    "ten rows, all the same": np.repeat(X[:1], 10, axis=0),
    "hundred rows, three of them different": np.tile(X[[0, 60, 120]], (34, 1))[:100],
    "a row twice": X[[*range(20), 19]],
    "rows that differ by rounding": X[:1] * (1 + 1e-16 * np.arange(-10, 10)[:, None]),
}
MORE = {
    "no prior": ConditionalVAE(conditional_prior="none", **QUICK),
    "clustered map of two numbers": GLGAE(node_layout="kmeans", n_nodes=30, **QUICK),
}


def fit_quietly(estimator, X):
    """Fit under the user's filters, but for what skae itself has to say of such data."""
    with warnings.catch_warnings():
        for name in exceptions.__all__:
            warnings.simplefilter("ignore", getattr(exceptions, name))
        return clone(estimator).fit(X)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("data", FEW.values(), ids=FEW)
@pytest.mark.parametrize(
    "estimator",
    [*DEFAULTS.values(), *VARIANTS.values(), *MORE.values()],
    ids=[*DEFAULTS, *VARIANTS, *MORE],
)
def test_samples_of_few_rows_are_finite_and_silent(estimator, data):
    if estimator.get_params().get("early_stopping") and len(data) < 4:
        pytest.skip("two rows for training and one for validation are needed")
    ae = fit_quietly(estimator, data)
    assert np.isfinite(ae.sample(20)).all()
    assert np.isfinite(ae.score(data))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("k", [1, 2, 64])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e6])
@pytest.mark.parametrize("n_different", [1, 2, 5, 60])
def test_mixtures_of_few_different_codes(k, scale, n_different):
    rng = np.random.default_rng(0)
    Z = scale * (3 + rng.normal(size=(n_different, k)))[rng.integers(n_different, size=200)]
    Z = (Z * (1 + 1e-7 * rng.normal(size=Z.shape))).astype(np.float32)  # as networks round
    mixture = fit_mixture(Z, 0)
    size = len(mixture["weights"])
    assert size == 1 or size * (k + 1) <= n_different
    assert all(np.isfinite(values).all() for values in mixture.values())


def test_rows_that_rounding_tells_apart():
    assert distinct_rows(np.zeros((5, 2))).tolist() == [0]
    assert distinct_rows(np.array([[1.0, 2], [1, 2 + 1e-15], [3, 4], [1, 2]])).tolist() == [0, 2]
    assert len(distinct_rows(X.astype(np.float32))) == len(np.unique(X, axis=0))


def test_few_rows_are_the_centres_themselves():
    """The solution of k-means is known: each row that there is, in its place."""
    data = np.tile(X[[0, 60, 120]], (10, 1))
    model = GLGAE(4, n_nodes=8, max_iter=1, random_state=0)
    rows = (data - data.mean(axis=0)) / np.sqrt(data.var(axis=0).mean())
    from skae.models.glgae_layouts import _cluster_centres

    centres = _cluster_centres(rows, np.ones(30), 8, np.random.RandomState(0))
    assert centres.shape == (8, 4)
    assert len(np.unique(centres, axis=0)) == 3
    np.testing.assert_allclose(np.unique(centres, axis=0), np.unique(rows, axis=0))
    weighty = _cluster_centres(rows, (np.arange(30) % 3 > 0) * 1.0, 8, np.random.RandomState(0))
    assert len(np.unique(weighty, axis=0)) == 2  # rows without weight are no centres
    assert clone(model).fit(data).n_nodes_ == 8


def test_enough_rows_are_clustered_as_ever():
    from skae.models.glgae_layouts import _cluster_centres

    weights = np.arange(150) % 4.0
    mine = _cluster_centres(X, weights, 20, np.random.RandomState(0))
    theirs = KMeans(20, n_init=1, random_state=np.random.RandomState(0))
    np.testing.assert_array_equal(mine, theirs.fit(X, sample_weight=weights).cluster_centers_)


# Warnings of others are not for us to silence: filters belong to all threads


@all_estimators()
def test_no_filter_of_warnings_is_touched(estimator, monkeypatch):
    entered = []
    enter = warnings.catch_warnings.__enter__

    def watched(self):
        entered.append(sys._getframe(1).f_globals["__name__"].split(".")[0])
        return enter(self)

    monkeypatch.setattr(warnings.catch_warnings, "__enter__", watched)
    ae = clone(estimator).fit(X)
    ae.sample(3)
    ae.score(X)
    assert "skae" not in entered


def test_no_file_but_one_knows_of_filters():
    """cuda.py lets torch say once per process what it says once; testing.py runs tests.

    _onnx_models.py calls torch's exporter, which has much to say, in a call of its own. And
    _recording.py puts off what the fits of a comparison say, to say it once.
    """
    names = {"catch_warnings", "filterwarnings", "simplefilter"}
    found = {
        path.name
        for path in Path(skae.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in names
    }
    assert found == {"_onnx_models.py", "_recording.py", "cuda.py", "testing.py"}


# scikit-learn's `set_output` is about `transform` alone


@every_class
def test_new_rows_are_arrays_whatever_set_output_asks_for(estimator):
    """As those of GaussianMixture and KernelDensity, and what `inverse_transform` returns."""
    frame = pd.DataFrame(X, columns=list("abcd"))
    ae = clone(estimator).set_output(transform="pandas").fit(frame)
    assert isinstance(ae.transform(frame), pd.DataFrame)
    for rows in (
        ae.sample(3),
        ae.inverse_transform(ae.transform(frame).to_numpy()),
        ae.reconstruct(frame),
        ae.interpolate(X[0], X[1]),
        *([ae.sample_prior(3)] if hasattr(ae, "sample_prior") else []),
    ):
        assert type(rows) is np.ndarray


@every_class
def test_the_docstring_of_sample_says_so(estimator):
    assert "an array whatever `set_output` asks for" in type(estimator).sample.__doc__
