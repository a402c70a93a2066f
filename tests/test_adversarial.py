"""The adversarial autoencoder: its priors, its two players, and codes that match the prior."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import train_test_split

from skae import AdversarialAutoencoder, Autoencoder
from skae.display import PriorDisplay
from skae.metrics import maximum_mean_discrepancy, maximum_mean_discrepancy_null
from skae.models.adversarial import (
    SLOPE_PENALTY_PER_COMPONENT,
    MixturePrior,
    draw_standard,
    spread_directions,
)

X = load_iris().data


def fitted(n_components=2, **settings):
    return AdversarialAutoencoder(
        n_components, **{"max_iter": 3, "random_state": 0, **settings}
    ).fit(X)


def uniform(n_samples, n_components, generator):
    """Draw from a square, as numpy would: what comes back need not be a tensor."""
    return np.asarray(torch.rand(n_samples, n_components, generator=generator) - 0.5)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# The priors


@pytest.mark.parametrize("n_components", [1, 2, 3, 8])
@pytest.mark.parametrize("n_prior_components", [2, 3, 10])
def test_moments_of_the_mixture(n_components, n_prior_components):
    prior = MixturePrior(n_prior_components, n_components)
    Z = prior(50000, n_components, generator()).double().numpy()
    assert Z.shape == (50000, n_components)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose((Z**2).sum(axis=1).mean(), n_components, rtol=0.02)
    nearest = ((Z[:, None] - prior.means) ** 2).sum(axis=2).argmin(axis=1)
    share = np.bincount(nearest, minlength=n_prior_components) / 50000
    np.testing.assert_allclose(share, 1 / n_prior_components, atol=0.015)


def test_the_ring_has_the_covariance_of_the_standard_prior():
    """By symmetry; its petals are long along the radius and thin across it."""
    prior = MixturePrior(10, 2)
    Z = prior(100000, 2, generator()).double().numpy()
    np.testing.assert_allclose(np.cov(Z.T), np.eye(2), atol=0.02)
    nearest = ((Z[:, None] - prior.means) ** 2).sum(axis=2).argmin(axis=1)
    petal = Z[nearest == 0] - prior.means[0]  # the first mean lies on the first axis
    np.testing.assert_allclose(petal.std(axis=0), [prior.along, prior.across], rtol=0.05)
    assert prior.along > 4 * prior.across


def test_directions_are_spread():
    square = spread_directions(4, 2)
    np.testing.assert_allclose(square, [[1, 0], [0, 1], [-1, 0], [0, -1]], atol=1e-12)
    tetrahedron = spread_directions(4, 3)
    np.testing.assert_allclose(tetrahedron @ tetrahedron.T, 4 / 3 * np.eye(4) - 1 / 3, atol=0.02)


def test_the_standard_prior_is_standard():
    Z = draw_standard(50000, 3, generator()).numpy()
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(Z.T), np.eye(3), atol=0.03)


@pytest.mark.gpu
def test_a_prior_that_draws_on_another_device_is_told_where():
    with pytest.raises(ValueError, match=r"device=generator\.device"):
        AdversarialAutoencoder(prior=uniform, device="cuda").fit(X)


@pytest.mark.cpu
@pytest.mark.parametrize("prior", ["standard", "mixture", uniform])
def test_sample_is_the_decoded_prior(prior):
    aae = fitted(prior=prior)
    Z = aae.sample_prior(500, random_state=3)
    assert Z.shape == (500, 2)
    assert Z.dtype == np.float64
    np.testing.assert_array_equal(
        aae.sample(500, codes="prior", random_state=3), aae.inverse_transform(Z)
    )
    truth = {"standard": draw_standard, "mixture": MixturePrior(10, 2)}.get(prior, prior)
    np.testing.assert_allclose(
        np.abs(Z).mean(), np.abs(np.asarray(truth(5000, 2, generator()))).mean(), rtol=0.1
    )


# The two players


def terms_of(module, n=20):
    x = torch.randn(n, 4, generator=generator(1))
    draws = module.draw(n, {"dropout": generator(2), "noise": generator(3)})
    return module(x, *draws)


def gradients(module, term):
    """Return the largest entry of the gradient of one term, by part of the module."""
    module.zero_grad()
    terms_of(module)[term].sum().backward()
    parts = {"encoder": module.encoder, "decoder": module.decoder, "judge": module.discriminator}
    return {
        name: max(0.0 if p.grad is None else float(p.grad.abs().max()) for p in part.parameters())
        for name, part in parts.items()
    }


@pytest.mark.cpu
@pytest.mark.parametrize("encoder_type", ["deterministic", "gaussian"])
@pytest.mark.parametrize(
    ("term", "moved"),
    [
        ("reconstruction", {"encoder", "decoder"}),
        ("adversarial", {"encoder"}),
        ("discriminator", {"judge"}),
        ("slope", {"judge"}),
    ],
)
def test_each_player_is_hidden_from_the_other_s_term(encoder_type, term, moved):
    module = fitted(encoder_type=encoder_type).module_
    size = gradients(module, term)
    assert {name for name, largest in size.items() if largest > 0} == moved


@pytest.mark.cpu
def test_the_terms_are_what_they_are_said_to_be():
    aae = fitted(adversarial_weight=3.0)
    module = aae.module_
    x = torch.randn(20, 4, generator=generator(1))
    draws = module.draw(20, {"dropout": generator(2), "noise": generator(3)})
    terms = module(x, *draws)
    z, prior_draws = module.encode(x), draws[2]
    real, fake = (torch.sigmoid(module.discriminator(c))[:, 0] for c in (prior_draws, z))
    torch.testing.assert_close(terms["adversarial"], -3 * fake.log())
    torch.testing.assert_close(terms["discriminator"], -(real.log() + (1 - fake).log()) / 2)


@pytest.mark.cpu
def test_the_slope_is_that_of_the_discriminator():
    module = fitted(2, dtype="float64").module_
    points = torch.randn(2, 6, 2, dtype=torch.float64, generator=generator())
    slopes = torch.autograd.functional.jacobian(
        lambda z: module.log_odds(z.reshape(12, 2)).sum(), points
    )
    terms = module.discriminator_terms(*points)
    squared = slopes.square().sum(dim=(0, 2))
    torch.testing.assert_close(terms["slope"], SLOPE_PENALTY_PER_COMPONENT * squared)


class UnfusedAdam(torch.optim.Adam):
    """Rounds every number alike; the fused one has another way with the last few of its buffer."""


def test_without_weight_it_is_the_autoencoder_bit_for_bit():
    shared = dict(linear_path=False, dropout=0.1, max_iter=5, random_state=0)
    shared["optimizer"] = UnfusedAdam
    plain = Autoencoder(2, **shared).fit(X)
    free = AdversarialAutoencoder(2, adversarial_weight=0.0, **shared).fit(X)
    assert [row["train_reconstruction"] for row in free.history_] == plain.loss_curve_
    np.testing.assert_array_equal(free.reconstruct(X), plain.reconstruct(X))
    assert "train_adversarial" not in free.history_[-1]


@pytest.mark.cpu
def test_a_bystander_tells_the_plain_codes_from_the_prior():
    """Without weight the verdict is that of a classifier: right about codes and about draws."""
    aae = fitted(adversarial_weight=0.0, linear_path=False, max_iter=40)
    on_codes = aae.prior_log_odds(X)
    assert on_codes.shape == (150,)
    with torch.no_grad():
        on_draws = aae.module_.log_odds(torch.from_numpy(aae.sample_prior(150)).float())
    assert np.median(on_codes) < 0 < float(on_draws.median())
    assert aae.history_[-1]["train_discriminator"] < 0.8 * np.log(2)


# Codes that match the prior


@pytest.fixture(scope="module")
def digits():
    return train_test_split(load_digits().data, test_size=500, random_state=0)


@pytest.fixture(scope="module", params=["standard", "mixture"])
def model(request, digits):
    return AdversarialAutoencoder(prior=request.param, max_iter=100, random_state=0).fit(digits[0])


@pytest.fixture(scope="module")
def plain(digits):
    return Autoencoder(linear_path=False, max_iter=100, random_state=0).fit(digits[0])


def whitened(plain, X_train, X):
    codes = plain.transform(X_train)
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(codes.T))).T
    return (plain.transform(X) - codes.mean(axis=0)) @ whiten


@pytest.mark.slow
def test_held_out_codes_match_the_prior(model, plain, digits):
    """As well as a short training does it; tests/benchmarks/adversarial_codes.py has the rest.

    Whitened codes of the plain autoencoder are close to Gaussian on digits, and far from a ring.
    """
    bandwidths = [0.25, 0.5, 1.0, 2.0]
    first, second = (model.sample_prior(500, random_state=seed) for seed in (1, 2))
    chance = np.quantile(
        maximum_mean_discrepancy_null(first, second, bandwidths=bandwidths, random_state=0), 0.95
    )
    ours, raw, white = (
        maximum_mean_discrepancy(Z, first, bandwidths=bandwidths)
        for Z in (
            model.transform(digits[1]),
            plain.transform(digits[1]),
            whitened(plain, *digits),
        )
    )
    assert ours < min(5 * chance, 0.5 * raw)  # which have the prior's variance, too
    if model.prior == "mixture":
        assert ours < white


def test_nothing_collapses(model, plain, digits):
    """Every petal of the flower is used, both numbers vary, and the digits come back."""
    Z = model.transform(digits[1])
    assert (np.abs(Z.std(axis=0) - 1) < 0.25).all()
    if model.prior == "mixture":
        nearest = ((Z[:, None] - MixturePrior(10, 2).means) ** 2).sum(axis=2).argmin(axis=1)
        assert np.bincount(nearest, minlength=10).min() > 15
    error = model.reconstruction_error(digits[1]).mean()
    assert error < 1.2 * plain.reconstruction_error(digits[1]).mean()


def test_the_verdict_is_near_chance_where_codes_match(model, digits):
    log_odds = model.prior_log_odds(digits[1])
    assert abs(log_odds.mean()) < 0.6
    chance = np.log(2)
    assert 0.75 * chance < model.history_[-1]["train_discriminator"] < 1.1 * chance


# Encoders, priors and networks of the user's


@pytest.mark.cpu
def test_the_code_of_a_gaussian_encoder_is_its_mean():
    aae = fitted(encoder_type="gaussian", dtype="float64", max_iter=20)
    module = aae.module_
    x = torch.from_numpy((X - aae.mean_) / aae.scale_)
    q = module.q_z(x)
    mean, deviation = q.mean, q.scale
    np.testing.assert_allclose(aae.transform(X), mean.detach().numpy())
    assert (deviation > 0).all()
    drawn = module.draw(150, {"dropout": generator(), "noise": generator()})
    assert drawn[-1].shape == (150, 2)


def test_an_encoder_of_the_user_s_gives_means_and_log_scales():
    aae = fitted(encoder=torch.nn.Linear, encoder_type="gaussian")
    assert aae.module_.encoder.out_features == 4
    assert aae.transform(X).shape == (150, 2)


@pytest.mark.slow
def test_a_callable_prior_gives_the_codes_its_shape():
    aae = fitted(1, prior=uniform, max_iter=60)
    Z = aae.transform(X)
    assert (np.abs(Z) < 0.65).mean() > 0.95
    assert 0.15 < Z.std() < 0.4  # of the uniform: 0.29


def test_a_linear_path_starts_at_whitened_components():
    """And training does not fall back to it: what reconstructs better is not what matches."""
    from sklearn.decomposition import PCA

    aae = AdversarialAutoencoder(
        linear_path=True, learning_rate_init=1e-12, max_iter=1, dtype="float64", random_state=0
    ).fit(X)
    Z = PCA(2, whiten=True).fit_transform(X) * np.sqrt(150 / 149)
    np.testing.assert_allclose(np.abs(aae.transform(X)), np.abs(Z), atol=1e-5)
    np.testing.assert_allclose(aae.score(X), PCA(2).fit(X).explained_variance_ratio_.sum())


def test_validation_records_every_term():
    aae = fitted(early_stopping=True)
    for name in ("reconstruction", "adversarial", "discriminator", "slope"):
        assert np.isfinite(aae.history_[-1][f"valid_{name}"])


def test_weight_decay_leaves_the_discriminator_alone():
    """It is the encoder's and decoder's alone: the second of two equal steps shows it."""
    module = fitted().module_
    exempt = {id(p) for p in module.undecayed_parameters()}
    assert {id(p) for p in module.discriminator.parameters()} <= exempt
    assert not {id(layer.weight) for layer in module.encoder.layers} & exempt


def test_a_pickle_knows_its_prior():
    import pickle

    aae = fitted(prior="mixture", n_prior_components=3)
    copy = pickle.loads(pickle.dumps(aae))
    np.testing.assert_array_equal(copy.sample(9), aae.sample(9))
    np.testing.assert_array_equal(copy.prior_log_odds(X), aae.prior_log_odds(X))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prior": "cauchy"}, "prior"),
        (
            {"prior": lambda n, k, g: torch.zeros(n, k + 1)},
            r"Asked for \(3, 2\) .* shape \(3, 3\)",
        ),
        ({"prior": lambda n, k, g: torch.full((n, k), float("nan"))}, "finite"),
        ({"n_prior_components": 1}, "n_prior_components"),
        ({"encoder_type": "universal"}, "encoder_type"),
        ({"adversarial_weight": -1}, "adversarial_weight"),
        ({"discriminator_layer_sizes": (8, 0)}, "discriminator_layer_sizes"),
        ({"encoder_type": "gaussian", "tied_weights": True}, "tied_weights"),
        ({"encoder_type": "gaussian", "code_activation": "tanh"}, "code_activation"),
    ],
)
def test_bad_parameters(settings, words):
    aae = clone(AdversarialAutoencoder(**settings))
    with pytest.raises(ValueError, match=words):
        aae.fit(X)
    assert not hasattr(aae, "net_")


def test_the_prior_of_codes_without_a_distribution():
    aae = AdversarialAutoencoder(2, max_iter=1, random_state=0).fit(X)
    display = PriorDisplay.from_estimator(aae, X, n_draws=50, ax=Figure().subplots())
    np.testing.assert_array_equal(display.Z, aae.transform(X))
    assert display.Z_prior.shape == (50, 2)
    assert display.ax_.get_title() == "AdversarialAutoencoder"
