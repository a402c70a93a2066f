"""The trial of alpha="auto" on held-out rows: what it chooses, and what it leaves alone."""

import math
import re
import signal
import warnings

import numpy as np
import pytest
import torch
from keyboard import ctrl_c_as_usual
from scipy.special import expit
from scipy.stats import trim_mean
from sklearn.datasets import load_wine, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback
from torch import nn

from skae import (
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.estimator import decay, held_out
from skae.exceptions import InterruptionWarning, StartKeptWarning
from skae.metrics import explained_variance
from skae.training import interrupts

KINDS = [Autoencoder, DenoisingAutoencoder, VAE]
WINE = load_wine().data
SWISS_ROLL = make_swiss_roll(300, random_state=0)[0]


def curved_rows(n_samples, seed):
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(n_samples, 3)) @ rng.normal(size=(3, 10)))


def rare_bits(seed):
    """Return 1000 rows of zeros and a few ones, whose log odds are linear in five factors."""
    rng = np.random.default_rng(seed)
    odds = -4 + rng.normal(size=(1000, 5)) @ rng.normal(size=(5, 200))
    return (rng.random(odds.shape) < expit(odds)).astype(float)


def cross_entropy(X, P):
    P = np.clip(P, 1e-6, 1 - 1e-6)
    return -(X * np.log(P) + (1 - X) * np.log(1 - P)).sum(axis=1).mean()


# What it chooses


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("n_outliers", [1, 3, 10, 30])
def test_outliers_among_the_training_rows_are_not_memorised(n_outliers, seed):
    X, rng = curved_rows(600, seed), np.random.default_rng(100 + seed)
    X[:n_outliers] = 6 * rng.normal(size=(n_outliers, 10))
    is_outlier = np.arange(600) < n_outliers
    pca = PCA(3).fit(X)
    linear = np.square(X - pca.inverse_transform(pca.transform(X))).sum(axis=1)
    ae = Autoencoder(3, random_state=seed).fit(X)
    area = roc_auc_score(is_outlier, ae.reconstruction_error(X))
    assert area >= roc_auc_score(is_outlier, linear) - 0.02
    # and it is more than PCA for the others
    assert np.median(ae.reconstruction_error(X)[~is_outlier]) < np.median(linear[~is_outlier])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rare_bits_are_predicted_better_than_by_the_means_of_columns(seed):
    X = rare_bits(seed)
    train, test = X[:500], X[500:]
    ae = Autoencoder(5, likelihood="bernoulli", random_state=seed).fit(train)
    means = np.broadcast_to(np.clip(train.mean(axis=0), 1 / 500, 1), test.shape)
    assert cross_entropy(test, ae.reconstruct(test)) <= 1.02 * cross_entropy(test, means)


class OwnEncoder(nn.Sequential):
    def __init__(self, n_in, n_out):
        super().__init__(nn.Linear(n_in, 64), nn.ReLU(), nn.Linear(64, n_out))


WITHOUT_LINEAR_PATH = {
    "bernoulli": Autoencoder(4, likelihood="bernoulli"),
    "bounded": Autoencoder(4, output_activation="sigmoid"),
    "own networks": Autoencoder(4, encoder=OwnEncoder, decoder=OwnEncoder),
    "tied": Autoencoder(4, tied_weights=True),
    "no path": DenoisingAutoencoder(4, linear_path=False),
    "sparse": SparseAutoencoder(4),
    "sparse, deep": SparseAutoencoder(4, hidden_layer_sizes=(64,)),
    "contractive": ContractiveAutoencoder(4),
    "adversarial": AdversarialAutoencoder(4),
    "VAE": VAE(4, likelihood="bernoulli"),
    "conditional": ConditionalVAE(4, likelihood="bernoulli"),
}


@pytest.mark.parametrize("name", WITHOUT_LINEAR_PATH)
def test_without_a_linear_path_noise_is_not_learnt(name):
    """Of independent columns the mean is all that can be known of unseen rows."""
    X = np.random.default_rng(0).uniform(size=(300, 20))
    train, test = X[:100], X[100:]
    model = WITHOUT_LINEAR_PATH[name].set_params(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train)
    of_means = np.square(test - train.mean(axis=0)).sum(axis=1).mean()
    assert model.reconstruction_error(test).mean() <= 1.1 * of_means


def linear_data(n_samples=400):
    """Return draws of a Gaussian: there is nothing that a network could find."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, 20)) @ rng.normal(size=(20, 20))


def test_where_there_is_nothing_to_find_the_decay_is_strong_and_said():
    train, test = train_test_split(linear_data(), random_state=0)
    with pytest.warns(StartKeptWarning, match="alpha_=30"):
        model = Autoencoder(5, random_state=0).fit(train)
    assert model.alpha_ == decay.STRONG
    assert model.score(test) > explained_variance(PCA(5).fit(train), test) - 0.005


def test_where_there_is_something_the_decay_is_weak():
    train, test = train_test_split(SWISS_ROLL, random_state=0)
    model = Autoencoder(1, random_state=0).fit(train)
    assert model.alpha_ in (decay.WEAK, decay.MEDIUM)
    assert model.score(test) > explained_variance(PCA(1).fit(train), test) + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_far_away_does_not_decide(kind):
    """One row that no network can reproduce, and that owns the sum of all losses."""
    X = curved_rows(400, 0)
    far = np.vstack([X, [[1000.0] * 10]])
    settings = dict(n_components=3, random_state=0, scaling=None)
    assert kind(**settings).fit(X).alpha_ < decay.STRONG
    assert kind(**settings).fit(far, sample_weight=np.r_[np.ones(400), 1e-9]).alpha_ < decay.STRONG


@pytest.mark.parametrize("seed", range(4))
def test_few_rows_are_halved_more_than_once(seed):
    """One half of 100 linear rows in 30 columns is unlike the other by chance."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 30)) + rng.normal(size=(300, 30))
    train, test = X[:100], X[100:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StartKeptWarning)
        model = Autoencoder(1, random_state=seed).fit(train)
    assert model.score(test) > 1 - pca_left(train, test) - 0.02


def pca_left(train, test):
    pca = PCA(1).fit(train)
    left = test - pca.inverse_transform(pca.transform(test))
    return np.square(left).sum() / np.square(test - train.mean(axis=0)).sum()


# Its parts


def test_a_trimmed_mean_of_equal_weights_is_scipys():
    values = np.random.default_rng(0).normal(size=200)
    expected = trim_mean(values, held_out.TRIMMED)
    assert held_out.trimmed_mean(values, np.ones(200)) == pytest.approx(expected)
    there = np.r_[values, np.full(50, np.nan)]
    assert held_out.trimmed_mean(there, np.ones(250)) == pytest.approx(expected)


def test_a_weight_is_a_number_of_copies():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=30), rng.integers(0, 4, size=30)
    copies = np.repeat(values, weights)
    assert held_out.trimmed_mean(values, weights.astype(float)) == pytest.approx(
        held_out.trimmed_mean(copies, np.ones(len(copies)))
    )


def test_the_area_is_scikit_learns():
    rng = np.random.default_rng(0)
    losses, is_outlier = rng.normal(size=60), np.arange(60) < 7
    expected = roc_auc_score(is_outlier, losses)
    assert held_out.area_under_roc(losses, is_outlier.astype(float)) == pytest.approx(expected)
    assert held_out.area_under_roc(losses, np.zeros(60)) == 1


def test_a_standard_error_of_normal_rows_is_the_usual_one():
    values = np.random.default_rng(0).normal(size=4000)
    # A normal distribution cut at its 5 % quantiles has a standard deviation of 0.91.
    assert held_out.standard_error(values) == pytest.approx(0.91 / math.sqrt(4000), rel=0.05)


def losses_of(outliers_learnt, gain_of_outliers):
    """Return losses of 100 rows, of which networks halve 95, and what they make of the rest."""
    plain = np.r_[np.full(5, 100.0), np.linspace(1, 2, 95)]
    held = np.r_[np.full(5, 100.0 * (1 - gain_of_outliers)), plain[5:] / 2]
    learnt = np.r_[np.full(5, outliers_learnt), plain[5:] / 2]
    return held_out.Tried(1.0, np.ones(100), plain, held, learnt)


@pytest.mark.parametrize(
    ("outliers_learnt", "gain_of_outliers", "expected"),
    [
        (50.0, 0.0, False),  # large errors where they were trained on: nothing is memorised
        (0.1, 0.0, True),
        (0.1, 0.5, False),  # as much as others gain: something is known of such rows
        (0.1, -1.0, True),
    ],
)
def test_memorised_is_what_is_reproduced_where_it_was_seen_alone(
    outliers_learnt, gain_of_outliers, expected
):
    tried = losses_of(outliers_learnt, gain_of_outliers)
    distances = held_out.distances_of_outliers(tried)
    assert (distances > 0).sum() == 5
    assert held_out.memorises(tried, distances) == expected


# What it leaves alone


@pytest.mark.parametrize("kind", KINDS)
def test_the_trial_leaves_no_trace_but_its_result(kind):
    """A fit is the one that is told the decay, bit for bit."""
    settings, X = dict(n_components=1, max_iter=30, random_state=0), SWISS_ROLL
    tried = kind(**settings).fit(X)
    told = kind(**settings, alpha=tried.alpha_).fit(X)
    np.testing.assert_array_equal(tried.transform(X), told.transform(X))
    assert tried.loss_curve_ == told.loss_curve_


def test_the_trial_asks_neither_callbacks_nor_rows_without_weight():
    X = SWISS_ROLL
    seen = np.r_[np.ones(150), np.zeros(150)]
    far = np.where(seen[:, None] > 0, X, 1e6)
    settings = dict(n_components=1, max_iter=30, random_state=0)
    epochs = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            epochs.append(1)

    counted = Autoencoder(**settings, callbacks=[Count()]).fit(X, sample_weight=seen)
    assert len(epochs) == 30  # copies are called once an epoch
    assert len(counted.history_) == 30
    assert counted.alpha_ == Autoencoder(**settings).fit(far, sample_weight=seen).alpha_


@pytest.mark.parametrize("n_seen", [2, 7, 12])
def test_few_rows_with_weight_among_many_are_few_rows(n_seen):
    weights = np.r_[np.ones(n_seen), np.zeros(178 - n_seen)]
    few = Autoencoder(1, max_iter=30, random_state=0).fit(WINE[:n_seen])
    assert (
        Autoencoder(1, max_iter=30, random_state=0).fit(WINE, sample_weight=weights).alpha_
        == few.alpha_
    )


@pytest.mark.parametrize(
    ("settings", "alpha"),
    [
        ({"alpha": 0.7}, 0.7),
        ({"linear_path": False, "max_iter": 3}, 0.0),
        ({"encoder": OwnEncoder, "max_iter": 3}, 0.0),
        ({"hidden_layer_sizes": ()}, 0.0),
        ({"max_iter": 3}, decay.WEAK),
    ],
)
def test_decays_without_a_trial(settings, alpha, monkeypatch):
    monkeypatch.setattr(decay, "Trial", None)
    assert Autoencoder(random_state=0, **settings).fit(WINE).alpha_ == alpha


def test_a_fit_that_goes_on_keeps_its_decay(monkeypatch):
    model = Autoencoder(1, max_iter=30, warm_start=True, random_state=0).fit(SWISS_ROLL)
    monkeypatch.setattr(decay, "Trial", None)
    before = model.alpha_
    assert model.fit(SWISS_ROLL).alpha_ == before


@pytest.mark.parametrize("by_user", [False, True])
def test_numbers_below_the_normal_range_are_zero_in_training_alone(by_user):
    tiny, seen = torch.tensor(1e-39), []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(float(tiny * 0.5))

    if not torch.set_flush_denormal(by_user):
        pytest.skip("this processor has no such mode")
    try:
        Autoencoder(2, max_iter=1, callbacks=[Look()], random_state=0).fit(WINE)
        assert seen == [0.0]
        assert (float(tiny * 0.5) == 0) == by_user
    finally:
        torch.set_flush_denormal(False)


# What it tells, and its end


def test_verbose_names_the_decays_that_are_tried(capsys):
    Autoencoder(2, max_iter=30, verbose=1, random_state=0).fit(curved_rows(100, 0))
    tried = re.findall(r"^Trying weight decay (\S+) on half of the rows", capsys.readouterr().out)
    assert tried == ["1"]


@pytest.fixture
def ctrl_c_in_the_trial(monkeypatch):
    """Press Ctrl-C in the given step of the trial; count the steps after it."""
    monkeypatch.setattr(interrupts, "_last", -math.inf)
    train, counts = decay.Trial._train, []

    def press_at(epoch):
        def pressing(trial, net, *others):
            counts.append(0)
            of_engine = net.get_iterator

            def get_iterator(batches, training=False):
                counts[-1] += 1
                if counts[-1] == epoch:
                    signal.raise_signal(signal.SIGINT)
                return of_engine(batches, training)

            net.get_iterator = get_iterator
            train(trial, net, *others)

        monkeypatch.setattr(decay.Trial, "_train", pressing)
        return counts

    with ctrl_c_as_usual():
        yield press_at


@pytest.mark.filterwarnings("ignore::skae.exceptions.CollapseWarning")  # after one epoch
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["auto", False])
def test_ctrl_c_ends_the_trial_and_the_fit_at_once(kind, path, ctrl_c_in_the_trial):
    X, counts = curved_rows(300, 0), ctrl_c_in_the_trial(1)
    model = kind(3, linear_path=path, random_state=0)
    with pytest.warns(InterruptionWarning, match="trial of alpha='auto' was interrupted"):
        model.fit(X)
    assert counts == [1]
    assert np.isfinite(model.transform(X)).all()
    if path == "auto" and kind is Autoencoder:
        assert model.score(X) >= PCA(3).fit(X).explained_variance_ratio_.sum() - 1e-6
