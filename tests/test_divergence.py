"""Losses that are not finite: good weights are kept, and training goes on more slowly."""

import numpy as np
import pytest
import torch
from estimators import all_estimators, has_engine
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import Autoencoder

X = load_iris().data


class Poison(Callback):
    """Make the weights NaN at the beginning of given epochs."""

    def __init__(self, *epochs):
        self.epochs = epochs

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) in self.epochs:
            with torch.no_grad():
                net.flat_.fill_(float("nan"))


def textbook(**params):
    return Autoencoder(linear_path=False, random_state=0, **params)


def test_the_weights_of_the_last_good_epoch_are_kept():
    good = textbook(max_iter=30, learning_rate="constant").fit(X)
    ae = textbook(max_iter=31, learning_rate="constant", callbacks=[Poison(31)])
    with pytest.warns(ConvergenceWarning, match="last good epoch"):
        ae.fit(X)
    np.testing.assert_array_equal(ae.transform(X), good.transform(X))


def test_training_goes_on_at_a_tenth_of_the_rate():
    ae = textbook(max_iter=10, learning_rate="constant", callbacks=[Poison(3, 6)])
    with pytest.warns(ConvergenceWarning, match="2 times"):
        ae.fit(X)
    assert [i for i, row in enumerate(ae.history_) if row.get("rescued")] == [2, 5]
    assert ae.net_.lr == pytest.approx(0.005 / 100)
    finite = [loss for loss in ae.loss_curve_ if np.isfinite(loss)]
    assert len(finite) == 8
    assert finite[-1] < finite[0]


def test_after_three_times_it_stops():
    ae = textbook(max_iter=50, callbacks=[Poison(*range(4, 50))])
    with pytest.warns(ConvergenceWarning, match="training stopped"):
        ae.fit(X)
    assert ae.n_iter_ == 7
    # Two bad epochs in a row: what they began with is no longer trusted, but what came before.
    good = textbook(max_iter=50, callbacks=[StopAfter(2)]).fit(X)
    np.testing.assert_array_equal(ae.transform(X), good.transform(X))


class StopAfter(Callback):
    def __init__(self, n):
        self.n = n

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n:
            raise KeyboardInterrupt


@pytest.mark.parametrize("bad", [float("nan"), 1e12])
def test_the_last_step_is_looked_at_too(bad):
    """Its loss is computed before it is taken."""

    class Last(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if len(net.history) == 5 and net.step_.n_taken == net.step_.n_planned:
                with torch.no_grad():
                    net.flat_.mul_(bad)

    ae = textbook(max_iter=5, callbacks=[Last()])
    with pytest.warns(ConvergenceWarning, match="last good epoch"):
        ae.fit(X)
    assert np.isfinite(ae.loss_curve_).all()
    assert ae.score(X) > 0.5


@all_estimators(exclude=["lbfgs"], only=has_engine)
def test_every_model_survives(estimator):
    ae = clone(estimator).set_params(max_iter=5, callbacks=[Poison(3)])
    with pytest.warns(ConvergenceWarning, match="became NaN"):
        ae.fit(X)
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.score(X))
    assert ae.n_iter_ == len(ae.loss_curve_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@all_estimators(exclude=["lbfgs"], only=has_engine)
@pytest.mark.parametrize("rate", [1e3, 1e10])
def test_an_absurd_rate_ends_in_finite_numbers(estimator, rate):
    ae = clone(estimator).set_params(learning_rate_init=rate, max_iter=6).fit(X)
    assert np.isfinite(ae.transform(X)).all()
    assert np.isfinite(ae.reconstruct(X)).all()
    assert ae.score(X) > -1e8


def test_partial_fit_keeps_what_it_had():
    ae = textbook().partial_fit(X)
    before = ae.transform(X)
    with pytest.warns(ConvergenceWarning):
        ae.set_params(callbacks=[Poison(2)]).partial_fit(X)
    np.testing.assert_array_equal(ae.transform(X), before)
    ae.set_params(callbacks=None).partial_fit(X)
    assert np.isfinite(ae.loss_curve_[-1])


def test_a_quiet_fit_says_nothing(recwarn):
    for data in (X, np.full((20, 4), 7.0), np.repeat(X[:1], 9, axis=0)):
        textbook(max_iter=5).fit(data)
        Autoencoder(max_iter=5, random_state=0).fit(data)
    assert [w for w in recwarn if issubclass(w.category, ConvergenceWarning)] == []
