"""Ctrl-C: said, kept, and raised the second time."""

import linecache
import math
import signal
import warnings

import numpy as np
import pytest
from estimators import has_engine, main_estimators
from keyboard import Press, ctrl_c_as_usual
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping

from skae import GLGAE, Autoencoder
from skae.exceptions import InterruptionWarning
from skae.training import interrupts

X = load_iris().data


class Stop(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def ctrl_c(monkeypatch):
    """Python's own handler, whatever runs the tests has set; and nobody has pressed it yet."""
    monkeypatch.setattr(interrupts, "_last", -math.inf)
    with ctrl_c_as_usual():
        yield


@main_estimators(only=has_engine)
def test_the_epochs_done_are_kept_and_named(estimator):
    ae = clone(estimator).set_params(max_iter=7, batch_size=20, callbacks=[Press()])
    with pytest.warns(InterruptionWarning, match="after 2 of 7 epochs"):
        ae.fit(X)
    assert ae.n_iter_ == len(ae.loss_curve_) == 2
    assert np.isfinite(ae.transform(X)).all()


@main_estimators(only=has_engine)
def test_a_callback_that_ends_the_training_is_not_ctrl_c(estimator):
    ae = clone(estimator).set_params(max_iter=7, callbacks=[Stop()])
    with warnings.catch_warnings():
        warnings.simplefilter("error", InterruptionWarning)
        ae.fit(X)
    assert ae.n_iter_ == 2


def test_early_stopping_of_skorch_is_not_ctrl_c():
    stop = EarlyStopping("train_loss", patience=1, threshold=10.0, threshold_mode="abs")
    with warnings.catch_warnings():
        warnings.simplefilter("error", InterruptionWarning)
        ae = Autoencoder(max_iter=50, callbacks=[stop], random_state=0).fit(X)
    assert ae.n_iter_ < 50


def test_before_the_end_of_the_first_epoch():
    with pytest.warns(InterruptionWarning, match="after 0 of 5 epochs"):
        ae = Autoencoder(max_iter=5, callbacks=[Press(1)], random_state=0).fit(X)
    assert ae.n_iter_ == 0
    assert np.isfinite(ae.transform(X)).all()


def test_epochs_are_those_of_this_fit():
    ae = Autoencoder(max_iter=5, warm_start=True, random_state=0).fit(X)
    with pytest.warns(InterruptionWarning, match="after 2 of 5 epochs"):
        ae.set_params(callbacks=[Press(8)]).fit(X)
    assert ae.n_iter_ == 7


def test_the_line_of_the_user_is_named():
    model = make_pipeline(StandardScaler(), Autoencoder(max_iter=5, callbacks=[Press()]))
    with pytest.warns(InterruptionWarning) as caught:
        model.fit(X)
    (warning,) = caught
    assert warning.filename == __file__
    assert linecache.getline(__file__, warning.lineno).strip() == "model.fit(X)"


def search():
    ae = Autoencoder(max_iter=5, callbacks=[Press()], random_state=0)
    return GridSearchCV(ae, {"n_components": [1, 2]}, cv=2, refit=False)


def test_the_second_within_two_seconds_stops_a_search():
    with pytest.warns(InterruptionWarning), pytest.raises(KeyboardInterrupt):
        search().fit(X)


def test_later_ones_end_a_fit_each(monkeypatch):
    clock = iter(range(0, 100, 3))
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: next(clock))
    with pytest.warns(InterruptionWarning) as caught:
        search().fit(X)
    assert len(caught) == 4


def test_the_second_leaves_the_estimator_as_it_was():
    ae = Autoencoder(max_iter=5, random_state=0).fit(X)
    codes = ae.transform(X)
    with pytest.warns(InterruptionWarning):
        clone(ae).set_params(callbacks=[Press()]).fit(X)
    with pytest.raises(KeyboardInterrupt):
        ae.set_params(n_components=1, callbacks=[Press()]).fit(X)
    np.testing.assert_array_equal(ae.transform(X), codes)


def test_a_map_raises_the_first(monkeypatch):
    """GLGAE has no epochs to stop between: a fit takes seconds, and is whole or none."""
    monkeypatch.setattr(GLGAE, "_report", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        GLGAE().fit(X)
