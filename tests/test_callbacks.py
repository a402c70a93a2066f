"""scikit-learn's callbacks, from 1.9 on: they see epochs, score, stop, and stay out of files."""

import importlib.util
import pickle
import sys

import numpy as np
import pytest
import skops.io
from estimators import DEFAULTS, fitted, same_state
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import Autoencoder, ConditionalVAE
from skae.metrics import explained_variance_scorer

callback = pytest.importorskip("sklearn.callback")

X, y = load_iris(return_X_y=True)
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


class Log:
    """What a callback is told; it asks to stop at the end of an epoch, if at all."""

    def __init__(self, stop_after=None):
        self.stop_after, self.seen, self.models = stop_after, [], []

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.seen.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.seen.append(f"end {context.task_name}")
        return self.seen.count("end epoch") == self.stop_after

    @property
    def n_epochs(self):
        return self.seen.count("end epoch")


class Models(Log):
    """One that wants a fitted model each time."""

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.models.append((context.task_name, fitted_estimator))


def assert_is_whole(seen):
    epochs = [word for word in seen if "epoch" in word]
    assert epochs == ["begin epoch", "end epoch"] * (len(epochs) // 2)
    assert [word for word in seen if "epoch" not in word] == [
        "setup",
        "begin fit",
        "end fit",
        "teardown",
    ]


@every_class
def test_epochs_are_tasks_and_the_fit_is_the_same(estimator):
    log = Log()
    model = clone(estimator).set_callbacks(log).fit(X)
    assert_is_whole(log.seen)
    assert log.n_epochs == model.n_iter_ == 4
    np.testing.assert_array_equal(model.transform(X), fitted(estimator).transform(X))


@every_class
def test_one_that_says_stop_stops(estimator):
    log = Log(stop_after=2)
    model = clone(estimator).set_callbacks(log).fit(X)
    assert_is_whole(log.seen)
    assert model.n_iter_ == 2
    assert np.isfinite(model.transform(X)).all()


@every_class
def test_a_model_of_each_epoch_is_made_when_asked_for(estimator):
    log = Models()
    model = clone(estimator).set_callbacks(log).fit(X)
    names = [name for name, _ in log.models]
    assert names == ["epoch"] * 4 + ["fit"]
    scores = [made.score(X) for _, made in log.models]
    assert np.isfinite(scores).all()
    assert scores[-1] == model.score(X)
    for name, made in log.models:
        assert made is not model, name
        assert made.transform(X).shape == model.transform(X).shape


@every_class
def test_they_stay_out_of_files(estimator, tmp_path):
    pytest.importorskip("safetensors")
    model = clone(estimator).set_callbacks(Log()).fit(X)
    copy = pickle.loads(pickle.dumps(model))
    assert same_state(copy, model)
    assert not hasattr(copy, "_skl_callbacks")
    assert skops.io.get_untrusted_types(data=skops.io.dumps(model)) == [
        f"skae.{type(model).__name__}"
    ]
    model.save(tmp_path / "model")
    assert same_state(skae.load(tmp_path / "model"), model)
    clone(estimator).set_callbacks(Log()).save(tmp_path / "model")
    assert not hasattr(skae.load(tmp_path / "model"), "_skl_callbacks")


def test_a_clone_on_its_way_to_a_process_keeps_them():
    sent = pickle.loads(pickle.dumps(Autoencoder().set_callbacks(Log())))
    assert len(sent._skl_callbacks) == 1


def test_a_fit_that_fails_takes_them_down():
    log = Log()
    model = Autoencoder(max_iter=3, early_stopping=True, validation_fraction=0.999)
    with pytest.raises(ValueError, match="leaves"):
        model.set_callbacks(log).fit(X)
    log.on_fit_task_begin = lambda estimator, context: 1 / 0
    with pytest.raises(ZeroDivisionError):
        Autoencoder(max_iter=3).set_callbacks(log).fit(X)
    assert log.seen == ["setup", "teardown"]


def test_early_stopping_ends_the_epoch_too():
    log = Log()
    model = Autoencoder(max_iter=50, tol=10.0, n_iter_no_change=2, random_state=0)
    model.set_callbacks(log).fit(X)
    assert_is_whole(log.seen)
    assert log.n_epochs == model.n_iter_ < 50


def test_partial_fit_is_no_task():
    log = Log()
    Autoencoder(random_state=0).set_callbacks(log).partial_fit(X)
    assert log.seen == []


def test_a_condition_is_metadata():
    log = Models()
    model = ConditionalVAE(2, max_iter=2, random_state=0).set_callbacks(log)
    model.fit(X, condition=y)
    assert np.isfinite([m.score(X, condition=y) for _, m in log.models]).all()


def test_progress_and_scores_of_a_pipeline_in_a_search(capsys):
    pytest.importorskip("rich")
    monitor = callback.ScoringMonitor(scoring={"share": explained_variance_scorer})
    ae = Autoencoder(max_iter=3, random_state=0).set_callbacks(monitor)
    pipeline = Pipeline([("scale", StandardScaler()), ("ae", ae)])
    search = GridSearchCV(pipeline, {"ae__n_components": [1, 2]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "Autoencoder - fit" in capsys.readouterr().out
    (log,) = monitor.get_logs(select="all")
    scored = log.data_as_pandas
    assert (scored["task_name"] == "epoch").sum() == 3 * (2 * 2 + 1)  # candidates, splits, refit
    assert scored["share"].between(0.5, 1).all()


def test_before_scikit_learn_1_9(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.find_spec("skae._sklearn")
    room = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(room)
    assert not hasattr(room.CallbackSupportMixin, "set_callbacks")
    assert room.with_callbacks(len) is len


@pytest.mark.parametrize("attribute", ["_skl_callbacks", "_callback_fit_ctx", "_tasks"])
def test_nothing_is_left_behind(attribute):
    model = Autoencoder(max_iter=1, random_state=0).set_callbacks(Log()).fit(X)
    model.set_callbacks()
    assert attribute not in vars(model)
