"""Memory that may not be written to, as pandas, joblib and maps of files hand it out.

torch has no read-only tensors: it warns of undefined behaviour, and a write to a mapped file ends
the process. What is computed is the same as from memory that may be written to.
"""

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from estimators import DEFAULTS, all_estimators, fitted
from sklearn.base import clone
from sklearn.datasets import load_iris

from skae import GLGAE, AdversarialAutoencoder, ConditionalVAE, Imputer
from skae.metrics import explained_variance

X = load_iris().data
w = np.random.default_rng(0).uniform(0.5, 2, len(X))

pytestmark = pytest.mark.filterwarnings("error:The given NumPy array is not writ")


@pytest.fixture(autouse=True)
def every_time():
    """torch warns once in a process."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


def _read_only(array, folder):
    array = array.copy()
    array.flags.writeable = False
    return array


def _pandas(array, folder):
    table = (pd.Series if array.ndim == 1 else pd.DataFrame)(_read_only(array, folder))
    assert not table.to_numpy().flags.writeable or array.ndim == 2
    return table


def _mapped(array, folder):
    file = folder / f"{len([*folder.iterdir()])}.npy"
    np.save(file, array)
    return np.load(file, mmap_mode="r")


KINDS = pytest.mark.parametrize("make", [_read_only, _pandas, _mapped])


def same(found, expected):
    np.testing.assert_array_equal(np.asarray(found), expected)


@KINDS
@all_estimators(exclude=["lbfgs"])  # diverges with these weights
def test_rows_weights_and_codes(estimator, make, tmp_path):
    rows, weights, first, last = (make(a, tmp_path) for a in (X, w, X[0], X[-1]))
    models = clone(estimator), clone(estimator)
    model, expected = (
        m.fit(table, sample_weight=v)
        for m, table, v in zip(models, (rows, X), (weights, w), strict=True)
    )
    Z = expected.transform(X)
    same(model.transform(rows), Z)
    same(model.score_samples(rows), expected.score_samples(X))
    same(model.score(rows, sample_weight=weights), expected.score(X, sample_weight=w))
    same(model.inverse_transform(make(Z, tmp_path)), expected.inverse_transform(Z))
    same(model.interpolate(first, last), expected.interpolate(X[0], X[-1]))
    same(model.sample(3), expected.sample(3))
    if not getattr(estimator, "early_stopping", False):
        model.partial_fit(rows, sample_weight=weights)
        same(model.transform(rows), expected.partial_fit(X, sample_weight=w).transform(X))


@KINDS
@pytest.mark.parametrize("condition", [w[:, None], np.arange(150) % 3], ids=["numbers", "labels"])
def test_conditions(condition, make, tmp_path):
    given = make(condition, tmp_path)
    model, expected = (
        ConditionalVAE(2, max_iter=2, random_state=0).fit(X, condition=c)
        for c in (given, condition)
    )
    Z = expected.transform(X, condition=condition)
    same(model.transform(X, condition=given), Z)
    same(
        model.inverse_transform(make(Z, tmp_path), condition=given),
        expected.inverse_transform(Z, condition=condition),
    )
    same(model.sample(2, condition=given[:5]), expected.sample(2, condition=condition[:5]))
    model.partial_fit(X, condition=given)


@KINDS
def test_places_of_nodes(make, tmp_path):
    places = np.random.default_rng(0).standard_normal((20, 2))
    models = [GLGAE(node_layout=p, max_iter=2).fit(X) for p in (make(places, tmp_path), places)]
    # pandas holds columns together, and products of other orders round otherwise.
    np.testing.assert_allclose(models[0].transform(X), models[1].transform(X), atol=1e-12)


@KINDS
def test_draws_of_a_prior(make, tmp_path):
    pool = make(np.random.default_rng(0).standard_normal((200, 2)).astype("f"), tmp_path)

    def prior(n_samples, n_components, generator):
        return np.asarray(pool)[:n_samples]

    AdversarialAutoencoder(2, prior=prior, max_iter=2, random_state=0).fit(X).sample_prior(3)


@KINDS
def test_imputer_and_metrics(make, tmp_path):
    rows = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    given, weights = make(rows, tmp_path), make(w, tmp_path)
    models = (
        Imputer(2, random_state=0).fit(given, sample_weight=weights),
        Imputer(2, random_state=0),
    )
    same(models[0].transform(given), models[1].fit(rows, sample_weight=w).transform(rows))
    model = fitted(DEFAULTS["VAE"])
    found = explained_variance(model, make(X, tmp_path), sample_weight=weights)
    assert found == explained_variance(model, X, sample_weight=w)


@all_estimators(only=lambda e: not callable(getattr(e, "corruption", None)))
def test_a_model_whose_arrays_lie_in_a_file(estimator, tmp_path):
    joblib.dump(fitted(estimator), tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    model, expected = (joblib.load(tmp_path / "model", mmap_mode=mode) for mode in ("r", None))
    for name in ("transform", "reconstruct", "score_samples", "score"):
        same(getattr(model, name)(X), getattr(expected, name)(X))
    same(model.sample(3), expected.sample(3))
    same(model.interpolate(X[0], X[1]), expected.interpolate(X[0], X[1]))
    if not getattr(estimator, "early_stopping", False):
        same(model.partial_fit(X).transform(X), expected.partial_fit(X).transform(X))
    assert (tmp_path / "model").read_bytes() == content


def test_a_large_table_that_may_be_written_to_is_not_copied():
    from skae.data.tables import share

    table = np.zeros((4, 3))
    assert share(table).data_ptr() == table.ctypes.data
