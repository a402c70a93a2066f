"""``max_iter="auto"``: a budget in steps. What it comes to depends on rows and batches alone."""

import copy
import inspect
import math
import pickle
import re

import numpy as np
import pytest
from estimators import DEFAULTS, has_engine
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV
from skorch.callbacks import Callback

from skae import GLGAE, VAE, AdversarialAutoencoder, Autoencoder, SparseAutoencoder
from skae.estimator import choices
from skae.estimator.choices import batch_size_for, n_epochs_for
from skae.exceptions import DeadUnitsWarning, StartKeptWarning

CLASSES = {name: type(e) for name, e in DEFAULTS.items() if has_engine(e)}
every_class = pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
pytestmark = [
    pytest.mark.filterwarnings("ignore::skae.exceptions." + name)
    for name in ("StartKeptWarning", "CollapseWarning", "DeadUnitsWarning", "ParameterWarning")
]

X = np.random.RandomState(0).normal(size=(200, 4)) @ np.random.RandomState(1).normal(size=(4, 4))


@pytest.fixture
def small(monkeypatch):
    """Budgets that are used up quickly: 200 rows in batches of 20 are 10 steps, and 4 epochs."""
    for name, value in {"STEPS": 40, "FEWEST_EPOCHS": 2, "MOST_EPOCHS": 8}.items():
        monkeypatch.setattr(choices, name, value)


def make(cls, **params):
    given = {"batch_size": 20, "random_state": 0, "hidden_layer_sizes": (4,), **params}
    return cls(**given)


def times(cls, n_epochs):
    """Return how many epochs a class takes where `Autoencoder` takes `n_epochs`."""
    return math.ceil(cls._epochs_factor * n_epochs)


# What it comes to


@every_class
def test_auto_is_the_default(cls):
    assert inspect.signature(cls).parameters["max_iter"].default == "auto"
    assert cls().max_iter == "auto"


def test_maps_have_a_meaning_of_their_own():
    assert GLGAE().max_iter is None


@every_class
@pytest.mark.parametrize("batch_size", ["auto", 1, 100])
def test_epochs_fall_with_the_rows_within_bounds(cls, batch_size):
    ae = cls(batch_size=batch_size)
    n_epochs = [n_epochs_for(ae, n) for n in (2, 10**2, 10**4, 10**5, 10**6, 10**9)]
    assert n_epochs == sorted(n_epochs, reverse=True)
    assert n_epochs[0] == times(cls, choices.MOST_EPOCHS)
    assert n_epochs[-1] == times(cls, choices.FEWEST_EPOCHS)
    assert {type(n) for n in n_epochs} == {int}


@pytest.mark.parametrize("n", [2, 50, 1000, 30_000, 100_000, 10**6])
@pytest.mark.parametrize("batch_size", ["auto", 7, 256, 5000])
def test_steps_are_bounded(n, batch_size):
    ae = Autoencoder(batch_size=batch_size)
    n_batches = math.ceil(n / batch_size_for(ae, n))
    n_epochs, fewest = n_epochs_for(ae, n), choices.FEWEST_EPOCHS
    assert n_epochs == fewest or (n_epochs - 1) * n_batches < choices.STEPS
    assert n_epochs == choices.MOST_EPOCHS or n_epochs * n_batches >= choices.STEPS


@every_class
def test_a_class_takes_a_multiple(cls):
    for n in (100, 10**5, 10**7):
        assert n_epochs_for(cls(), n) == times(cls, n_epochs_for(Autoencoder(), n))


def test_a_larger_batch_gives_more_epochs():
    n = choices.STEPS * 100 // choices.FEWEST_EPOCHS
    epochs = [n_epochs_for(Autoencoder(batch_size=b), n) for b in (100, 200, 400)]
    assert epochs == sorted(set(epochs))


@every_class
def test_a_number_is_taken_as_it_is(cls):
    for n_epochs in (1, 7, 12345):
        assert n_epochs_for(cls(max_iter=n_epochs), 10**6) == n_epochs


def test_a_game_has_twice_as_many():
    assert times(AdversarialAutoencoder, 100) == 200


@pytest.mark.parametrize("value", [0, None, "Auto", 2.5])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match=r"'max_iter' .*'auto'.* Got"):
        Autoencoder(max_iter=value).fit(X)


# What a fit makes of it


@every_class
@pytest.mark.parametrize(
    "others", [{}, {"early_stopping": True}, {"learning_rate": "linear"}, {"warm_up": 0.5}]
)
def test_a_fit_is_the_one_with_that_number(small, cls, others):
    """The learning rate's course, warm-up and revival go by it: all is the same."""
    if not others.keys() <= cls().get_params().keys():
        pytest.skip("a parameter of others")
    n_epochs = times(cls, 4)
    auto = make(cls, **others).fit(X)
    given = make(cls, max_iter=n_epochs, **others).fit(X)
    assert auto.n_iter_ == given.n_iter_ == n_epochs
    assert auto.loss_curve_ == given.loss_curve_
    np.testing.assert_array_equal(dense(auto.transform(X)), dense(given.transform(X)))
    assert auto.max_iter == "auto"


def dense(Z):
    return Z.toarray() if hasattr(Z, "toarray") else Z


@every_class
def test_fewer_rows_take_more_epochs(small, cls):
    fits = [make(cls).fit(rows) for rows in (X[:60], X, np.tile(X, (10, 1)))]
    assert [ae.n_iter_ for ae in fits] == [times(cls, n) for n in (8, 4, 2)]


def test_rows_for_validation_count(small):
    plain, validated = (make(Autoencoder, early_stopping=on).fit(X) for on in (False, True))
    assert plain.n_iter_ == validated.n_iter_ == 4


def test_training_ends_before_where_nothing_is_gained(small):
    ae = make(Autoencoder, tol=0.9, n_iter_no_change=2).fit(X)
    assert ae.n_iter_ == 3


class Rates(Callback):
    seen = []

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(net.n_epochs_)


def test_callbacks_and_the_table_know_the_number(small, capsys):
    make(Autoencoder, callbacks=[Rates()], verbose=1).fit(X)
    assert Rates.seen == [4] * 4
    assert re.search(r"\b4/4\b", capsys.readouterr().out)


# Going on


@every_class
def test_each_fit_has_the_budget_anew(small, cls):
    ae = make(cls, warm_start=True).fit(X)
    assert ae.fit(X).n_iter_ == 2 * times(cls, 4)
    assert ae.fit(X[:60]).n_iter_ == 2 * times(cls, 4) + times(cls, 8)


@every_class
def test_partial_fit_is_one_pass(small, cls):
    ae = make(cls)
    for n_passes in (1, 2, 3):
        assert ae.partial_fit(X).n_iter_ == n_passes


def test_a_warm_up_in_a_stream_keeps_its_length(small):
    vae = make(VAE, warm_up=0.5).partial_fit(X)
    for chunk in (X[:20], np.tile(X, (10, 1))):
        assert vae.partial_fit(chunk)._n_unjudged_epochs() == 2
    assert vae.set_params(max_iter=10).partial_fit(X)._n_unjudged_epochs() == 5


@every_class
def test_a_copy_goes_on_as_the_original(small, cls):
    ae = make(cls, warm_start=True).fit(X)
    twin = pickle.loads(pickle.dumps(ae.set_params(max_iter=3))).set_params(max_iter="auto")
    ae.set_params(max_iter="auto")
    np.testing.assert_array_equal(dense(twin.transform(X)), dense(ae.transform(X)))
    assert twin.fit(X).loss_curve_ == ae.fit(X).loss_curve_
    assert twin.partial_fit(X).loss_curve_ == ae.partial_fit(X).loss_curve_


@every_class
def test_files_of_before_tell_their_number(cls):
    ae = make(cls, max_iter=3).fit(X)
    state = copy.deepcopy(ae.__getstate__())
    del state["_n_epochs"]  # max_iter said it
    old = cls.__new__(cls)
    old.__setstate__(state)
    np.testing.assert_array_equal(dense(old.transform(X)), dense(ae.transform(X)))
    assert old.partial_fit(X).n_iter_ == 4


def test_a_fit_that_fails_leaves_the_number(small):
    class Fail(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError

    vae = make(VAE, warm_up=0.5, warm_start=True).fit(X)
    vae.set_params(max_iter=100, callbacks=[Fail()])
    with pytest.raises(RuntimeError):
        vae.fit(X)
    assert vae._n_unjudged_epochs() == 2


# Around


def test_halving_searches_over_epochs(small):
    search = HalvingGridSearchCV(
        make(Autoencoder),
        {"n_components": [1, 2, 3]},
        resource="max_iter",
        min_resources=1,
        max_resources=3,
        cv=2,
        random_state=0,
    ).fit(X)
    assert search.best_estimator_.max_iter == search.best_estimator_.n_iter_ == 3


def test_a_variant_reads_the_number(small):
    lengths = []

    class Variant(Autoencoder):
        _epochs_factor = 1.5

        def _n_unjudged_epochs(self):
            lengths.append(self._n_epochs)
            return self._n_epochs // 2

    class Fixed(Autoencoder):
        _fixed_parameters = ("max_iter",)

        def __init__(self, n_components=2, **others):
            super().__init__(n_components, max_iter=3, **others)

    assert make(Variant).fit(X).n_iter_ == 6
    assert make(Variant, max_iter=5).fit(X).n_iter_ == 5
    assert lengths == [6, 5]
    assert make(Fixed).fit(X).n_iter_ == 3


def test_a_start_that_is_kept_names_the_number(small):
    with pytest.warns(StartKeptWarning, match="Try a max_iter above 4,"):
        make(Autoencoder, learning_rate_init=0.3).fit(X)


def test_dead_units_name_the_number(small):
    with pytest.warns(DeadUnitsWarning, match="or a max_iter above 4"):
        make(SparseAutoencoder, n_components=80, n_nonzero_coefs=1, revive=False).fit(X)


def test_a_warm_up_in_epochs_is_told_how(small):
    with pytest.raises(ValueError, match="a share of the epochs. .* a number for max_iter"):
        VAE(warm_up=5).fit(X)


@every_class
def test_help_says_what_it_comes_to(cls):
    doc = cls.__doc__
    assert 'max_iter : int or "auto", default="auto"\n' in doc
    if cls._epochs_factor == 1:
        numbers = (choices.STEPS, choices.FEWEST_EPOCHS, choices.MOST_EPOCHS)
        assert all(str(number) in doc for number in numbers)


@every_class
def test_clones_are_auto(small, cls):
    assert clone(make(cls).fit(X)).max_iter == "auto"
