"""Noise that the data choose: a variance for all columns or for each, and constant columns."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.utils import shuffle

from skae import VAE, Autoencoder, ConditionalVAE
from skae.exceptions import ParameterWarning
from skae.nn import linear_gaussian
from skae.nn.distributions import SPIKE, SpikedGaussian

QUICK = {"max_iter": 3, "random_state": 0}


def factors(noise, n=300, seed=0):
    """Return rows of two factors and noise with a standard deviation for each of ten columns."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, 10)) + noise * rng.normal(size=(n, 10))


def test_the_log_density_of_a_covariance_is_that_of_its_rows():
    X = factors(0.5)
    pca = PCA(2).fit(X)
    centred = torch.from_numpy(X - X.mean(axis=0))
    covariance = centred.T @ centred / (len(X) - 1)  # as scikit-learn's
    loadings, noise = linear_gaussian.probabilistic_pca_of(covariance, 2)
    ours = linear_gaussian.expected_log_density(centred.T @ centred / len(X), loadings, noise)
    assert ours == pytest.approx(pca.score(X), abs=1e-6)


def test_equal_noise_is_shared_and_unequal_noise_is_not():
    equal, unequal = factors(0.5, n=60), factors(np.geomspace(0.05, 2, 10))
    assert VAE(**QUICK).fit(equal)._noise["kind"] == "shared"
    vae = VAE(**QUICK).fit(unequal)
    assert vae._noise["kind"] == "per_feature"
    fa = FactorAnalysis(2).fit(unequal)
    ratios = np.log(vae.noise_variance_ / fa.noise_variance_)
    assert np.abs(ratios[3:]).max() < 0.5


@pytest.mark.parametrize("kind", ["shared", "per_feature"])
def test_the_noise_given_is_the_noise_chosen_bit_for_bit(kind):
    X = factors(0.5, n=60) if kind == "shared" else factors(np.geomspace(0.3, 1, 10), n=400)
    chosen = VAE(**QUICK).fit(X)
    assert chosen._noise["kind"] == kind
    if kind == "shared":
        given = VAE(noise_variance=kind, scaling="global", **QUICK).fit(X)
        np.testing.assert_array_equal(chosen.transform(X), given.transform(X))


def test_a_spiked_gaussian_is_a_density_and_draws_the_constant():
    constant = torch.tensor([True, False])
    p = SpikedGaussian(torch.tensor([2.0, 0.0]), torch.tensor(0.0), constant, n_rows=98)
    grid = np.unique(
        np.concatenate(
            [2 + SPIKE * np.linspace(-9, 9, 4001), 2 + np.sinh(np.linspace(-12, 12, 20001))]
        )
    )
    x = torch.stack([torch.from_numpy(grid), torch.zeros(len(grid), dtype=torch.float64)], dim=1)
    density = np.exp(p.log_prob(x).numpy() - stats.norm.logpdf(0))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)
    beyond = np.abs(grid - 2) > 0.1
    assert np.trapezoid(np.where(beyond, density, 0), grid) == pytest.approx(
        0.01 * 0.9366, rel=0.02
    )
    S = p.sample((50,), torch.Generator().manual_seed(0))
    assert (S[:, 0] == 2).all()
    assert S[:, 1].std() > 0.5


@pytest.mark.parametrize("estimator", [VAE, ConditionalVAE])
def test_a_row_that_differs_in_a_constant_column_costs_some_nats(estimator):
    X, y = load_digits(return_X_y=True)
    given = {"condition": y} if estimator is ConditionalVAE else {}
    vae = estimator(5, **QUICK).fit(X, **given)
    constant = np.flatnonzero(X.std(axis=0) == 0)
    before = vae.score_samples(X[:50], **{k: v[:50] for k, v in given.items()})
    other = X[:50].copy()
    for value in (1, 16, 1000):
        other[:, constant[0]] = value
        cost = before - vae.score_samples(other, **{k: v[:50] for k, v in given.items()})
        assert (cost > math.log(len(X))).all()
        if value <= 16:
            assert (cost < 50).all()
    assert (vae.reconstruct(X, **given)[:, constant] == 0).all()
    assert (vae.sample(5, **({"condition": 3} if given else {}))[:, constant] == 0).all()
    assert vae.noise_variance_.shape == (64,)


def test_columns_that_are_constant_in_other_units():
    X = factors(0.5)
    X = np.column_stack([X, np.full(len(X), 7.0)])
    for scaling in ("global", "standard", "auto"):
        vae = VAE(scaling=scaling, **QUICK).fit(X)
        np.testing.assert_allclose(vae.reconstruct(X)[:, 10], 7, rtol=1e-6)
        assert np.isfinite(vae.score(X))
    bounded = VAE(output_activation="sigmoid", **QUICK).fit((X - X.min(0)) / (np.ptp(X, 0) + 1))
    assert np.isfinite(bounded.score(X * 0 + 0.3))


def test_mixed_units_are_scaled_by_column_and_equal_ones_are_not():
    wine, digits = load_wine().data, load_digits().data
    assert np.ndim(VAE(**QUICK).fit(wine).scale_) == 1
    assert np.ndim(VAE(**QUICK).fit(digits).scale_) == 0
    assert np.ndim(Autoencoder(scaling="auto", **QUICK).fit(wine).scale_) == 1


def test_mixed_units_under_one_scale_are_said():
    with pytest.warns(ParameterWarning, match="scaling='standard'"):
        Autoencoder(**QUICK).fit(load_wine().data)


@pytest.mark.filterwarnings("ignore:Half of the columns")
def test_default_densities_of_tables_hold_on_unseen_rows():
    X = shuffle(load_wine().data, random_state=0)
    settings = itertools.product(("global", "standard"), ("shared", "per_feature"))
    estimators = [VAE(5, scaling=scaling, noise_variance=n, **QUICK) for scaling, n in settings]
    others = [estimator.fit(X[:120]).score(X[120:]) for estimator in estimators]
    assert VAE(5, **QUICK).fit(X[:120]).score(X[120:]) > max(others) - 2


# Columns that are tied to each other


def sums_and_differences(noise, seed):
    """Return 800 rows of 13 columns and of 14 sums or differences of these, with some noise."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(800, 13)) @ rng.normal(size=(13, 13))
    ties = np.zeros((13, 14))
    for tie in ties.T:
        tie[rng.choice(13, 3, replace=False)] = rng.choice([-1, 1], 3)
    return np.hstack([base, base @ ties + noise * rng.normal(size=(800, 14))])


def measured_objects(seed):
    """Return 1400 rows of extents, areas and shares, with long tails and a pair of indicators."""
    rng = np.random.default_rng(seed)
    left, top = rng.uniform(0, 1500, 1400), np.exp(rng.normal(14, 1, 1400))
    width, height = np.ceil(np.exp(rng.normal(2.5, 1, (2, 1400))))
    kind, filled, light = rng.random((3, 1400))
    columns = [left, left + width, top, top + height, width * height * filled, filled, light]
    columns += [kind < 0.4, kind >= 0.4, np.log(width), np.log(height), width * height * light]
    return np.column_stack(columns)


TIED = {
    "1e-5": lambda seed: sums_and_differences(1e-5, seed),
    "1e-3": lambda seed: sums_and_differences(1e-3, seed),
    "0.1": lambda seed: sums_and_differences(0.1, seed),
    "unequal": lambda seed: sums_and_differences(np.geomspace(1e-4, 0.1, 14), seed),
    "measured": measured_objects,
}


@pytest.mark.parametrize("estimator", [VAE, ConditionalVAE])
@pytest.mark.parametrize("table", TIED)
@pytest.mark.parametrize("seed", range(3))
def test_tied_columns_have_as_little_noise_as_in_factor_analysis(table, seed, estimator):
    """Unseen rows are within a nat of the better of factor analysis and noise per feature."""
    X = TIED[table](seed)
    train, unseen = np.array_split((X - X.mean(axis=0)) / X.std(axis=0), 2)
    k = X.shape[1] // 2
    condition = np.random.default_rng(seed).normal(size=(len(X), 1))  # says nothing of the row
    train_given, given = ({}, {})
    if estimator is ConditionalVAE:
        train_given, given = ({"condition": c} for c in np.array_split(condition, 2))
    linear = {"hidden_layer_sizes": (), "learning_rate_init": 1e-12, "max_iter": 1}
    model = estimator(k, random_state=0, **linear)
    others = [FactorAnalysis(k).fit(train).score(unseen)]
    per_feature = clone(model).set_params(noise_variance="per_feature")
    others.append(per_feature.fit(train, **train_given).score(unseen, **given))
    assert model.fit(train, **train_given).score(unseen, **given) > max(others) - 1


# Few rows


@pytest.mark.parametrize(("n_samples", "n_features", "k"), [(60, 200, 20), (40, 60, 15)])
def test_noise_of_few_rows_is_not_that_of_the_fit_alone(n_samples, n_features, k):
    """Of many columns a long code leaves hardly anything; new rows are not like that."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(5, n_features))
    X = rng.normal(size=(3 * n_samples, 5)) @ W + rng.normal(size=(3 * n_samples, n_features))
    train, unseen = X[:n_samples], X[n_samples:]
    scores = {
        kind: VAE(k, noise_variance=kind, random_state=0).fit(train).score(unseen)
        for kind in ("auto", "shared", "per_feature")
    }
    assert scores["auto"] > max(scores["shared"], scores["per_feature"]) + 0.1 * n_features


def test_noise_of_many_rows_has_no_floor_to_speak_of():
    X = load_digits().data + np.random.default_rng(0).uniform(size=(1797, 64))
    assert VAE(16, max_iter=1, random_state=0).fit(X[:1200])._noise["least"] < 0.02
