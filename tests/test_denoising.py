"""The denoising autoencoder: known optima, the score of a density, its Markov chain."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import train_test_split

from skae import Autoencoder, DenoisingAutoencoder
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


@pytest.mark.parametrize("linear_path", [True, False])
@pytest.mark.parametrize("scaling", ["global", "standard"])
def test_the_linear_case_is_the_wiener_filter(linear_path, scaling):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 6)) @ rng.normal(size=(6, 6)) + 3
    ae = DenoisingAutoencoder(
        corruption_level=0.4,
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


@pytest.mark.parametrize("relative", [0.2, 0.3, 0.5])
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
