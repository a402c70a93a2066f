"""The denoising autoencoder: known optima, the score of a density, its Markov chain."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split

from skae import Autoencoder, DenoisingAutoencoder
from skae.display import VectorFieldDisplay
from skae.exceptions import ParameterWarning
from skae.models import denoising_level
from skae.models.denoising import wiener_filter
from skae.nn.corruption import mask, salt_and_pepper, swap

MEANS = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
STD = 0.7


def mixture(n, seed=0):
    rng = np.random.default_rng(seed)
    return MEANS[rng.integers(3, size=n)] + STD * rng.normal(size=(n, 2))


def smoothed(x, s):
    """Return density and score of the mixture with noise of variance s^2 added."""
    variance = STD**2 + s**2
    offsets = MEANS - x[:, None]  # (n, 3, 2)
    weights = np.exp(-(offsets**2).sum(axis=2) / (2 * variance)) / (2 * np.pi * variance) / 3
    density = weights.sum(axis=1)
    return density, (weights[:, :, None] * offsets).sum(axis=1) / density[:, None] / variance


@pytest.fixture(scope="module")
def of_a_mixture():
    X = mixture(3000)
    return DenoisingAutoencoder(corruption_level=0.3, random_state=0).fit(X)


def test_without_noise_it_is_the_autoencoder_bit_for_bit():
    X = load_iris().data
    for settings in ({}, {"dropout": 0.2}, {"linear_path": False, "early_stopping": True}):
        plain = Autoencoder(3, max_iter=10, random_state=0, **settings).fit(X)
        for corruption in ("gaussian", "masking", "salt_and_pepper", "swap"):
            denoising = DenoisingAutoencoder(
                3,
                corruption=corruption,
                corruption_level=0.0,
                max_iter=10,
                random_state=0,
                **settings,
            ).fit(X)
            assert denoising.loss_curve_ == plain.loss_curve_
            np.testing.assert_array_equal(denoising.transform(X), plain.transform(X))


@pytest.mark.cpu
@pytest.mark.parametrize("linear_path", [True, False])
@pytest.mark.parametrize("scaling", ["global", "standard"])
@pytest.mark.parametrize("units", ["scale", "data"])
def test_the_linear_case_is_the_wiener_filter(linear_path, scaling, units):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 6)) @ rng.normal(size=(6, 6)) + 3
    ae = DenoisingAutoencoder(
        corruption_level=0.4 if units == "scale" else 0.4 * X.std(),
        corruption_units=units,
        scaling=scaling,
        hidden_layer_sizes=(),
        linear_path=linear_path,
        learning_rate_init=0.01 if not linear_path else 0.002,
        max_iter=150,
        tol=0,
        random_state=0,
    ).fit(X)
    m, S = X.mean(axis=0), np.cov(X.T, bias=True)
    noise = np.diag(np.broadcast_to(ae.corruption_scale_**2, 6))
    wiener = S @ np.linalg.inv(S + noise)
    origin = ae.reconstruct(m[None])
    linear = (ae.reconstruct(np.eye(6) + m) - origin).T
    assert np.linalg.norm(linear - wiener) < 0.02 * np.linalg.norm(wiener)
    np.testing.assert_allclose(origin[0], m, atol=0.02 * X.std())


def test_the_score_of_a_mixture_of_gaussians(of_a_mixture):
    s = of_a_mixture.corruption_scale_
    grid = np.stack(np.meshgrid(np.linspace(-6, 6, 60), np.linspace(-3, 7, 60)), -1).reshape(-1, 2)
    density, truth = smoothed(grid, s)
    found = of_a_mixture.score_field(grid)
    cosine = (found * truth).sum(axis=1) / np.linalg.norm(found, axis=1)
    cosine /= np.linalg.norm(truth, axis=1)
    assert np.average(cosine, weights=density) > 0.95
    error = ((found - truth) ** 2).sum(axis=1)
    assert np.average(error, weights=density) < 0.15 * np.average(
        (truth**2).sum(axis=1), weights=density
    )


def test_the_score_vanishes_at_modes(of_a_mixture):
    assert (np.linalg.norm(of_a_mixture.score_field(MEANS), axis=1) < 0.4).all()


def test_the_chain_covers_every_mode(of_a_mixture):
    S = of_a_mixture.sample(600, random_state=1)
    nearest = ((S[:, None] - MEANS) ** 2).sum(axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=3) / 600
    assert shares.min() > 0.2
    distance = np.sqrt(((S - MEANS[nearest]) ** 2).sum(axis=1))
    assert np.median(distance) < 2 * STD
    more = of_a_mixture.sample(5, n_steps=1, random_state=1)
    assert np.abs(more - of_a_mixture.sample(5, n_steps=2, random_state=1)).max() > 0


def test_the_start_of_the_chain_is_gaussian_with_the_moments_of_restored_rows(of_a_mixture):
    rows = of_a_mixture.inverse_transform(of_a_mixture._codes)
    restored = of_a_mixture._get_code_distribution()
    start = of_a_mixture._draw_start(restored, 20000, np.random.RandomState(0))
    np.testing.assert_allclose(start.mean(axis=0), rows.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(start.T), np.cov(rows.T), atol=0.3)


@pytest.mark.parametrize(
    "relative",
    [0.3, pytest.param(0.2, marks=pytest.mark.slow), pytest.param(0.5, marks=pytest.mark.slow)],
)
def test_noisy_digits_are_restored_better_than_by_the_wiener_filter(relative):
    X = load_digits().data
    train, test = train_test_split(X, test_size=1 / 3, random_state=0)
    s = relative * 16
    noisy = test + s * np.random.default_rng(0).normal(size=test.shape)
    m, S = train.mean(axis=0), np.cov(train.T, bias=True)
    wiener = m + (noisy - m) @ (S @ np.linalg.inv(S + s**2 * np.eye(64))).T
    scale = np.sqrt(train.var(axis=0).mean())
    ae = DenoisingAutoencoder(corruption_level=s / scale, random_state=0).fit(train)
    error = ((ae.reconstruct(noisy) - test) ** 2).mean()
    assert error < 0.85 * ((wiener - test) ** 2).mean()


def test_what_corruptions_do():
    generator = torch.Generator().manual_seed(0)
    x = torch.arange(4000.0).reshape(1000, 4) + 1
    u, v = torch.rand((2, 1000, 4), generator=generator)
    for level in (0.0, 0.3, 1.0):
        masked = mask(x, level, u)
        assert abs(float((masked == 0).float().mean()) - level) < 0.03
        low, high = x.amin(dim=0), x.amax(dim=0)
        salted = salt_and_pepper(x, level, u, v, low, high)
        hit = (salted != x).float().mean()
        assert abs(float(hit) - level) < 0.03
        assert set(salted[salted != x].tolist()) <= {*low.tolist(), *high.tolist()}
        swapped = swap(x, level, u, v, x)
        assert abs(float((swapped != x).float().mean()) - level) < 0.03
        assert torch.equal(swapped % 4, x % 4)  # every feature stays in its column


def test_noise_is_fresh_at_every_step():
    class Spy(torch.nn.Linear):
        seen = []

        def forward(self, x):
            if self.training:
                self.seen.append(x.detach().clone())
            return super().forward(x)

    X = load_iris().data
    DenoisingAutoencoder(2, encoder=Spy, batch_size=150, max_iter=2, random_state=0).fit(X)
    first, second = (torch.sort(x[:, 0])[0] for x in Spy.seen[-2:])
    assert not torch.equal(first, second)


def test_the_level_is_relative_to_the_scale():
    X = load_iris().data
    for scaling in ("global", "standard"):
        ae = DenoisingAutoencoder(corruption_level=0.3, scaling=scaling, max_iter=1).fit(X)
        np.testing.assert_allclose(ae.corruption_scale_, 0.3 * ae.scale_)


def test_a_score_needs_gaussian_noise():
    X = load_iris().data
    assert not hasattr(DenoisingAutoencoder(corruption="masking"), "score_field")
    with pytest.raises(AttributeError, match="score_field"):
        _ = DenoisingAutoencoder(corruption="swap").score_field
    silent = DenoisingAutoencoder(corruption_level=0.0, max_iter=1).fit(X)
    with pytest.raises(ValueError, match="corruption_level > 0"):
        silent.score_field(X)


def test_levels_that_are_no_probabilities():
    ae = DenoisingAutoencoder(corruption="masking", corruption_level=1.5)
    with pytest.raises(ValueError, match="corruption_level is a probability"):
        ae.fit(load_iris().data)
    with pytest.raises(ValueError, match="n_steps"):
        clone(ae).set_params(corruption_level=0.5, max_iter=1).fit(load_iris().data).sample(
            n_steps=0
        )


def test_bernoulli_digits():
    X = (load_digits().data[:300] > 8).astype(float)
    ae = DenoisingAutoencoder(
        16, likelihood="bernoulli", corruption="masking", max_iter=20, random_state=0
    ).fit(X)
    S = ae.sample(4, n_steps=5)
    assert S.min() >= 0
    assert S.max() <= 1


def test_swapping_needs_only_the_values_of_each_feature():
    X = mixture(500)
    ae = DenoisingAutoencoder(corruption="swap", max_iter=4, random_state=0).fit(X)
    ae.forget_rows()
    values = ae._code_distribution["values"]
    restored = ae.reconstruct(X)
    levels = [0.105, 0.505, 0.905]
    np.testing.assert_allclose(
        np.quantile(values, levels, axis=0), np.quantile(restored, levels, axis=0), atol=0.1
    )


def test_no_training_row_is_kept():
    X = load_iris().data
    ae = DenoisingAutoencoder(random_state=0, max_iter=3).fit(X)

    def arrays(tree):
        if isinstance(tree, dict):
            return [a for value in tree.values() for a in arrays(value)]
        return [tree] if isinstance(tree, np.ndarray) else []

    for array in arrays(ae.__getstate__()):
        if array.ndim == 2 and array.shape[1] == 4:
            assert not (array[:, None] == X).all(axis=2).any()


def test_a_score_field_goes_by_the_fitted_model():
    X = load_iris().data
    ae = DenoisingAutoencoder(max_iter=2, random_state=0).fit(X)
    field, rows = ae.score_field(X), ae.sample(4)
    ae.set_params(corruption="masking", corruption_level=0.9, output_activation="sigmoid")
    np.testing.assert_array_equal(ae.score_field(X), field)
    np.testing.assert_array_equal(ae.sample(4), rows)
    masked = DenoisingAutoencoder(corruption="masking", max_iter=2).fit(X)
    assert not hasattr(masked.set_params(corruption="gaussian"), "score_field")


# The level in the units of X


def test_a_level_in_the_units_of_x_is_the_same_model_bit_for_bit():
    X = load_iris().data
    in_data = DenoisingAutoencoder(
        corruption_level=0.4, corruption_units="data", max_iter=5, random_state=0
    ).fit(X)
    level = 0.4 / in_data.scale_
    in_scale = DenoisingAutoencoder(corruption_level=level, max_iter=5, random_state=0).fit(X)
    assert in_data.loss_curve_ == in_scale.loss_curve_
    np.testing.assert_array_equal(in_data.reconstruct(X), in_scale.reconstruct(X))
    np.testing.assert_array_equal(in_data.sample(3), in_scale.sample(3))
    assert in_data.corruption_scale_ == in_data.corruption_level_ == 0.4
    assert in_scale.corruption_level_ == level
    np.testing.assert_allclose(in_data.score_field(X), in_scale.score_field(X), rtol=1e-12)


def test_in_the_units_of_x_the_noise_is_the_same_in_all_features():
    X = load_iris().data * [1, 10, 100, 1000]
    ae = DenoisingAutoencoder(corruption_level=2, corruption_units="data", scaling="standard")
    ae.set_params(max_iter=1).fit(X)
    np.testing.assert_allclose(ae.module_.corruption.level.cpu() * ae.scale_, 2, rtol=1e-6)
    assert ae.corruption_scale_ == 2


def test_without_noise_units_do_not_matter():
    X, options = load_iris().data, {"max_iter": 3, "random_state": 0}
    plain = Autoencoder(4, **options).fit(X)
    silent = DenoisingAutoencoder(corruption_level=0, corruption_units="data", **options).fit(X)
    assert silent.loss_curve_ == plain.loss_curve_


@pytest.mark.parametrize("units", ["scale", "data"])
def test_a_model_with_a_level_for_each_feature_goes_on_and_outlives_a_pickle(units):
    X = load_iris().data
    ae = DenoisingAutoencoder(corruption_units=units, scaling="standard", max_iter=3)
    ae.set_params(random_state=0, warm_start=True).fit(X)
    copy = pickle.loads(pickle.dumps(ae))
    for model in (ae, copy):
        model.fit(X)
    np.testing.assert_array_equal(ae.sample(3), copy.sample(3))
    np.testing.assert_array_equal(ae.reconstruct(X), copy.reconstruct(X))


@pytest.mark.cpu
def test_the_units_may_change_before_a_fit_goes_on():
    X = load_iris().data
    ae = DenoisingAutoencoder(scaling="standard", max_iter=2, warm_start=True).fit(X)
    ae.set_params(corruption_units="data", corruption_level=0.2)
    assert ae.corruption_level_ == 0.3
    np.testing.assert_allclose(ae.corruption_scale_, 0.3 * ae.scale_)
    assert ae.fit(X).corruption_scale_ == 0.2
    np.testing.assert_allclose(ae.module_.corruption.level * ae.scale_, 0.2, rtol=1e-6)


def test_files_of_before_have_their_level_in_units_of_the_scale():
    ae = DenoisingAutoencoder(max_iter=1, random_state=0).fit(load_iris().data)
    state = ae.__getstate__()
    for name in ("corruption_units", "_noise_level"):
        del state[name]
    del state["_fitted_params"]["corruption_units"]
    old = DenoisingAutoencoder.__new__(DenoisingAutoencoder)
    old.__setstate__(state)
    assert old.corruption_level_ == 0.3
    assert old.corruption_scale_ == 0.3 * old.scale_


def test_the_filter_of_noise_that_differs_between_features():
    rng = np.random.default_rng(0)
    A, s = torch.from_numpy(rng.normal(size=(3, 5))), torch.tensor([0.1, 1, 2, 3, 0.5]).double()
    S, N = A.T @ A, torch.diag(s**2)
    variances, vectors = torch.linalg.eigh(S)
    P = vectors.T
    P[:2] = 0  # as components beyond the rank of the data are given
    found = wiener_filter(P, variances.clamp_min(0), s).T @ P
    K = P[2:].T @ torch.linalg.inv(P[2:] @ (S + N) @ P[2:].T) @ P[2:]
    np.testing.assert_allclose(found, S @ K, atol=1e-9)
    equal = torch.full((5,), 0.7).double()
    of_one = wiener_filter(P, variances.clamp_min(0), 0.7)
    np.testing.assert_allclose(wiener_filter(P, variances.clamp_min(0), equal), of_one, atol=1e-7)


def test_a_level_beyond_all_numbers():
    X = 1e-100 * load_iris().data
    ae = DenoisingAutoencoder(corruption_units="data", max_iter=1)
    for scaling in ("global", "standard"):
        with pytest.raises(ValueError, match=r"level=0.3 is .*e\+\d+ in units of scale_"):
            ae.set_params(scaling=scaling).fit(X)
    ae.set_params(corruption_level=1e-101).fit(X)
    assert np.isfinite(ae.reconstruct(X)).all()


# The level from the data


def of_low_rank(n, d, k, seed=0):
    """Return rows on a random plane of k dimensions."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) @ (rng.normal(size=(k, d)) * np.linspace(1, 0.3, k)[:, None])


def white_noise(X, deviation, seed=1):
    return deviation * np.random.default_rng(seed).normal(size=X.shape)


def found_in(X, weights=None, **params):
    """Return the level that is found, and the warnings on the way."""
    ae = DenoisingAutoencoder(corruption_level="auto", corruption_units="data", max_iter=1)
    ae.set_params(random_state=0, **params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ParameterWarning)
        ae.fit(X, sample_weight=weights)
    words = [str(w.message) for w in caught if w.category is ParameterWarning]
    return ae, [message for message in words if "'auto'" in message]


def test_the_median_of_white_noise():
    # 2.858 times the median is the threshold of a square matrix, 4 / sqrt(3) times the noise's.
    assert denoising_level.median_of_noise(1.0) == pytest.approx(16 / 3 / 2.858**2, rel=1e-3)
    assert denoising_level.median_of_noise(1e-6) == pytest.approx(1, abs=1e-5)
    x = np.random.default_rng(0).normal(size=(300, 900))
    median = np.median(np.linalg.eigvalsh(x @ x.T / 900))
    assert denoising_level.median_of_noise(1 / 3) == pytest.approx(median, rel=0.01)


SHAPES = [(1000, 5, 2), (1000, 20, 15), (300, 10, 3), (500, 50, 10), (60, 100, 5), (100, 500, 10)]


@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
@pytest.mark.parametrize("deviation", [0.03, 0.5])
def test_white_noise_on_a_plane_is_found(n, d, k, deviation):
    X = of_low_rank(n, d, k) + 5
    ae, warned = found_in(X + white_noise(X, deviation))
    assert ae.corruption_level_ == pytest.approx(deviation, rel=0.05)
    assert warned == []


def test_nothing_but_noise():
    X = white_noise(np.zeros((500, 30)), 3.0)
    assert found_in(X)[0].corruption_level_ == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("deviation", [1, 2, 4])
def test_the_noise_of_digits_is_found(deviation):
    X = load_digits().data
    ae, warned = found_in(X + white_noise(X, deviation))
    assert ae.corruption_level_ == pytest.approx(deviation, rel=0.05)
    assert warned == []
    few, _ = found_in((X + white_noise(X, deviation))[:300])
    assert few.corruption_level_ == pytest.approx(deviation, rel=0.15)


def test_the_noise_may_be_the_same_in_units_of_the_scale():
    X = of_low_rank(1000, 12, 3)
    X = X / X.std(axis=0)
    units = np.logspace(-3, 3, 12)
    X = (X + white_noise(X, 0.4)) * units
    ae, warned = found_in(X, corruption_units="scale", scaling="standard")
    np.testing.assert_allclose(ae.corruption_scale_, 0.4 * units, rtol=0.06)
    assert warned == []


@pytest.mark.parametrize("scaling", ["global", "standard", None])
@pytest.mark.parametrize("units", ["scale", "data"])
def test_what_is_found_does_not_depend_on_how_it_is_told(scaling, units):
    """Where all features have one scale."""
    X = of_low_rank(800, 10, 2, seed=3)
    X = X / X.std(axis=0)
    ae, _ = found_in(X + white_noise(X, 0.3), scaling=scaling, corruption_units=units)
    np.testing.assert_allclose(ae.corruption_scale_, 0.3, rtol=0.05)


def test_the_model_learns_with_what_is_found():
    X = load_digits().data[:300]
    X = X + white_noise(X, 4)
    ae, _ = found_in(X, max_iter=3)
    told = clone(ae).set_params(corruption_level=ae.corruption_level_).fit(X)
    assert ae.loss_curve_ == told.loss_curve_
    np.testing.assert_array_equal(ae.reconstruct(X), told.reconstruct(X))
    np.testing.assert_array_equal(ae.sample(3), told.sample(3))
    np.testing.assert_array_equal(ae.score_field(X), told.score_field(X))


def test_rows_of_any_kind_tell_the_same():
    X = of_low_rank(200, 8, 2)
    X = X + white_noise(X, 0.2)
    wanted = found_in(X)[0].corruption_level_
    of_sparse = found_in(sparse.csr_matrix(X))[0].corruption_level_  # summed in another order
    assert of_sparse == pytest.approx(wanted, rel=1e-12)
    assert found_in(np.asfortranarray(X))[0].corruption_level_ == wanted
    assert found_in(X.astype(np.float32))[0].corruption_level_ == pytest.approx(wanted, rel=1e-5)
    for factor in (2.0**-300, 2.0**300):
        assert found_in(factor * X)[0].corruption_level_ == pytest.approx(factor * wanted)
    assert found_in(X + 1e6)[0].corruption_level_ == pytest.approx(wanted, rel=1e-4)


def test_columns_without_noise_are_left_out():
    X = of_low_rank(600, 30, 4)
    X = X + white_noise(X, 0.5)
    more = np.c_[X, np.full((600, 40), 0.1), X[:, :5], X[:, 5:10] + X[:, 10:15]]
    ae, warned = found_in(more)
    assert ae.corruption_level_ == pytest.approx(0.5, rel=0.2)
    assert warned == []
    constant, _ = found_in(more[:, :70])
    assert constant.corruption_level_ == pytest.approx(found_in(X)[0].corruption_level_)


def test_weights_count_for_the_noise():
    X = of_low_rank(600, 20, 3)
    noise = white_noise(X, 1) * np.where(np.arange(600) < 300, 0.2, 2.0)[:, None]
    first = (np.arange(600) < 300).astype(float)
    ae, _ = found_in(X + noise, first)
    assert ae.corruption_level_ == pytest.approx(0.2, rel=0.05)
    alone, _ = found_in((X + noise)[:300], np.ones(300))
    assert ae.corruption_level_ == pytest.approx(alone.corruption_level_, rel=1e-9)
    light, _ = found_in(X + noise, np.maximum(first, 1e-9))
    assert light.corruption_level_ == pytest.approx(0.2, rel=0.1)
    for shape in ((600, 20, 3), (100, 300, 5)):
        X = of_low_rank(*shape)
        weights = np.random.default_rng(2).uniform(size=len(X))
        ae, _ = found_in(X + white_noise(X, 0.2), weights)
        assert ae.corruption_level_ == pytest.approx(0.2, rel=0.05)
        without, _ = found_in(X + white_noise(X, 0.2))
        same, _ = found_in(X + white_noise(X, 0.2), 7.0 * np.ones(len(X)))
        assert same.corruption_level_ == pytest.approx(without.corruption_level_, rel=1e-9)


def test_of_a_large_table_a_part_is_looked_at(monkeypatch):
    X = of_low_rank(900, 80, 3)
    X = X + white_noise(X, 0.3)
    whole = found_in(X)[0].corruption_level_
    seen, noise_variance = [], denoising_level.noise_variance

    def spy(covariance, n_samples):
        seen.append((n_samples, len(covariance)))
        return noise_variance(covariance, n_samples)

    monkeypatch.setattr(denoising_level, "noise_variance", spy)
    monkeypatch.setattr(denoising_level, "N_ROWS", 400)
    monkeypatch.setattr(denoising_level, "N_DENSE", 50)
    for rows in (X, sparse.csr_matrix(X)):
        for weights in (None, np.random.default_rng(0).uniform(size=900)):
            part = found_in(rows, weights, scaling="standard", corruption_units="data")[0]
            assert part.corruption_level_ == pytest.approx(whole, rel=0.05)
    assert seen == [(400, 50)] * 4


CLEAN = {"digits": load_digits, "wine": load_wine, "cancer": load_breast_cancer, "iris": load_iris}


@pytest.mark.parametrize("scaling", ["global", "standard"])
@pytest.mark.parametrize("name", CLEAN)
def test_of_clean_data_there_is_a_level_all_the_same(name, scaling):
    X = CLEAN[name]().data
    ae, warned = found_in(X, corruption_units="scale", scaling=scaling)
    assert 0.0099 < ae.corruption_level_ < 1
    assert (ae.corruption_level_ == pytest.approx(0.01)) == (len(warned) == 1)


def test_where_there_is_no_noise_the_level_is_small_and_a_warning():
    for X in (of_low_rank(300, 20, 3), np.outer(np.arange(9.0), [1, 2, 3])):
        ae, (message,) = found_in(X)
        assert ae.corruption_level_ == pytest.approx(0.01 * ae.scale_)
    assert "hardly any" in message
    assert "0.01 times that of the features" in message
    assert "Pass a number" in message
    assert "corruption_units='data'" in message


NO_TELLING = {
    "one feature": np.arange(40.0)[:, None],
    "two features": mixture(100),
    "two rows": np.random.default_rng(0).normal(size=(2, 30)),
    "a plane": of_low_rank(30, 3, 2),
    "constant": np.full((20, 4), 0.1),
}


@pytest.mark.parametrize("name", NO_TELLING)
@pytest.mark.parametrize("units", ["scale", "data"])
def test_where_noise_cannot_be_told_the_level_is_the_default_and_a_warning(name, units):
    ae, (message,) = found_in(NO_TELLING[name], corruption_units=units)
    assert "one or two directions do not show it" in message
    assert "0.3 times that of the features" in message
    assert "Pass a number" in message
    np.testing.assert_allclose(ae.corruption_scale_, 0.3 * ae.scale_)


def test_a_stream_keeps_the_level_of_its_first_call():
    X = load_digits().data
    X = X + white_noise(X, 4)
    ae = DenoisingAutoencoder(corruption_level="auto", corruption_units="data", random_state=0)
    assert not hasattr(ae, "corruption_level_")
    first = ae.partial_fit(X[:900]).corruption_level_
    assert first == pytest.approx(4, rel=0.06)
    ae.partial_fit(2 * X[900:])
    assert ae.corruption_level_ == ae.module_.corruption.level * ae.scale_ == first


def test_a_level_that_was_found_is_kept_until_it_is_asked_for_again():
    X = of_low_rank(300, 12, 2)
    X = X + white_noise(X, 0.4)
    ae = DenoisingAutoencoder(corruption_level="auto", max_iter=1, random_state=0, warm_start=True)
    level = ae.fit(X).corruption_level_
    assert type(level) is float
    assert level * ae.scale_ == pytest.approx(0.4, rel=0.06)
    copy = pickle.loads(pickle.dumps(ae))
    for model in (ae, copy, clone(ae)):
        assert model.fit(X).corruption_level_ == model.module_.corruption.level == level
    np.testing.assert_array_equal(copy.reconstruct(X), ae.reconstruct(X))
    ae.set_params(corruption_level=0.7)
    assert ae.corruption_level_ == level
    assert ae.fit(X).corruption_level_ == ae.module_.corruption.level == 0.7
    ae.set_params(corruption_level="auto").fit(X)
    assert ae.corruption_level_ == level
    ae.set_params(corruption_units="data").fit(X)
    assert ae.corruption_level_ == ae.corruption_scale_ == pytest.approx(level * ae.scale_)
    before = ae.corruption_level_
    afresh = ae.set_params(warm_start=False).fit(3 * X)
    assert afresh.corruption_level_ == pytest.approx(3 * before)


def test_only_gaussian_noise_is_found():
    X = load_iris().data
    for corruption in ("masking", "salt_and_pepper", "swap"):
        ae = DenoisingAutoencoder(corruption=corruption, corruption_level="auto")
        with pytest.raises(ValueError, match="needs corruption='gaussian'.* pass the probability"):
            ae.fit(X)
    with pytest.raises(ValueError, match="needs corruption='gaussian'.* leave it out"):
        DenoisingAutoencoder(corruption=torch.tanh, corruption_level="auto").fit(X)


def test_noisy_rows_are_restored_to_what_lies_between():
    X = load_digits().data
    train, test = train_test_split(X, test_size=1 / 3, random_state=0)
    noisy, unseen = train + white_noise(train, 4), test + white_noise(test, 4, seed=2)
    ae, _ = found_in(noisy, max_iter=30)
    assert ((ae.reconstruct(unseen) - test) ** 2).mean() < 0.5 * ((unseen - test) ** 2).mean()


def test_arrows_of_a_denoiser_are_its_score():
    rows = load_iris().data[:, 2:]
    model = DenoisingAutoencoder(1, max_iter=2, random_state=0).fit(rows)
    display = VectorFieldDisplay.from_estimator(model, rows, n_arrows=3, ax=Figure().subplots())
    corner = [[display.grid[0][0], display.grid[1][-1]]]
    np.testing.assert_allclose(display.field[-1, 0], model.score_field(corner)[0])
