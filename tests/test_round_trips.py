"""Every way into a file and back gives the same estimator, bit for bit, fitted or not."""

import copy
import io
import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
from estimators import DEFAULTS, QUICK, VARIANTS, RowConv, all_estimators, fitted, same_state
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skae import Autoencoder, Imputer

X = load_iris().data


def through_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def through_skops(estimator):
    skops = pytest.importorskip("skops.io")
    written = skops.dumps(estimator)
    return skops.loads(written, trusted=skops.get_untrusted_types(data=written))


WAYS = {
    "pickle": lambda e: pickle.loads(pickle.dumps(e)),
    "joblib": through_joblib,
    "cloudpickle": lambda e: pickle.loads(cloudpickle.dumps(e)),
    "skops": through_skops,
}
every_way = pytest.mark.parametrize("way", WAYS)


def has_an_instance(estimator):
    return any(isinstance(p, nn.Module) for p in estimator.get_params(deep=False).values())


def can_go(estimator, way):
    return way != "skops" or not has_an_instance(estimator)


@every_way
@all_estimators()
def test_nothing_is_lost_or_changed(estimator, way):
    """All that an estimator does follows from its state, which is compared to the last bit."""
    if can_go(estimator, way) and (way in ("pickle", "skops") or estimator in DEFAULTS.values()):
        assert same_state(WAYS[way](clone(estimator)), estimator)
        assert same_state(WAYS[way](fitted(estimator)), fitted(estimator))


SAME = {
    "fitted again": lambda e: clone(e).fit(X),
    "refitted": lambda e: copy.deepcopy(e).fit(X),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": WAYS["pickle"],
    "joblib": through_joblib,
}


@pytest.mark.parametrize("way", SAME)
@all_estimators(only=lambda estimator: not has_an_instance(estimator))  # torch's own hash differs
def test_equal_models_have_the_same_hash(estimator, way):
    model = clone(estimator).fit(X)  # that of other tests may have learnt what samples are like
    assert joblib.hash(SAME[way](model)) == joblib.hash(model)


@pytest.mark.parametrize("way", SAME)
def test_equal_pipelines_and_imputers_have_the_same_hash(way):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(ordered=True, **QUICK))
    for model in (pipeline.fit(X), Imputer(random_state=0).fit(X)):
        assert joblib.hash(SAME[way](model)) == joblib.hash(model)


@pytest.mark.parametrize("name", DEFAULTS)
def test_equal_models_are_equal_files(name, tmp_path):
    pytest.importorskip("safetensors")
    for file, model in (("one", clone(DEFAULTS[name])), ("two", clone(DEFAULTS[name]))):
        model.fit(X).save(tmp_path / file)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_durations_are_of_the_fit_itself_and_a_copy_goes_on_without():
    model = Autoencoder(2, warm_start=True, verbose=2, **QUICK).fit(X)
    other = pickle.loads(pickle.dumps(model))
    assert all(row["dur"] > 0 for row in model.history_)
    for name in ("train_loss", "epoch"):
        assert other.history_[:, name] == model.history_[:, name]
    assert "dur" not in other.history_[-1]
    assert len(model.fit(X).history_[:, "dur"]) == 8  # in one process all are kept
    assert other.fit(X).history_[-1]["dur"] > 0
    assert joblib.hash(other) == joblib.hash(model)


@every_way
def test_a_pipeline_goes_along(way):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(2, max_iter=2, random_state=0)).fit(X)
    again = WAYS[way](pipeline)
    np.testing.assert_array_equal(again.transform(X), pipeline.transform(X))
    assert not hasattr(WAYS[way](clone(pipeline))[-1], "mean_")


OWN = {  # what a user has written or chosen, and vouches for
    "own networks": {"estimators.SmallEncoder", "estimators.SmallDecoder"},
    "own corruption": {"estimators.jitter"},
    "own prior": {"estimators.uniform"},
    "lbfgs": {"functools.partial", "torch.optim.lbfgs.LBFGS"},
    **dict.fromkeys(
        (name for name, e in VARIANTS.items() if isinstance(getattr(e, "encoder", None), RowConv)),
        frozenset({"estimators.RowConv"}),
    ),
}


@pytest.mark.parametrize(
    "name", [n for n, e in {**DEFAULTS, **VARIANTS}.items() if can_go(e, "skops")]
)
def test_skops_need_trust_nothing_but_the_class(name):
    skops = pytest.importorskip("skops.io")
    estimator = fitted({**DEFAULTS, **VARIANTS}[name])
    trusted = {f"skae.{type(estimator).__name__}"} | OWN.get(name, set())
    assert set(skops.get_untrusted_types(data=skops.dumps(estimator))) == trusted


def test_skops_is_told_of_networks_that_it_cannot_write():
    skops = pytest.importorskip("skops.io")
    given = Autoencoder(3, encoder=nn.Linear(4, 3))
    with pytest.raises(TypeError, match="skops writes no networks, and encoder is one, a Linear"):
        skops.dumps(make_pipeline(StandardScaler(), given))
    assert isinstance(pickle.loads(pickle.dumps(given)).encoder, nn.Linear)
