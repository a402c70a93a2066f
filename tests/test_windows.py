"""New codes from manifold Parzen windows."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import shuffle

from skae import VAE, AdversarialAutoencoder, Autoencoder, ConditionalVAE, DenoisingAutoencoder
from skae.estimator import windows
from skae.estimator.windows import draw_from_windows

X, y = shuffle(*load_digits(return_X_y=True), random_state=0)  # as writers come one by one


def draw(codes, n, seed=0):
    return draw_from_windows(codes, n, np.random.RandomState(seed))


def test_draws_have_the_moments_of_the_codes():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(2000, 3)) @ np.diag([3, 1, 0.5]) + [0, 5, 0]
    Z = draw(codes, 20000)
    np.testing.assert_allclose(Z.mean(axis=0), codes.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(Z.std(axis=0), codes.std(axis=0), rtol=0.05)


def test_draws_stay_on_what_the_codes_lie_on():
    t = np.random.default_rng(0).uniform(0, 2 * np.pi, 1000)
    Z = draw(np.column_stack([np.cos(t), np.sin(t)]), 1000)
    assert np.abs(np.hypot(*Z.T) - 1).mean() < 0.005


def test_draws_are_not_the_codes():
    codes = np.random.default_rng(0).normal(size=(500, 4))
    Z = draw(codes, 500)
    nearest = NearestNeighbors(n_neighbors=2).fit(codes)
    apart = nearest.kneighbors(codes)[0][:, 1].mean()
    assert nearest.kneighbors(Z, n_neighbors=1)[0].mean() > 0.5 * apart


@pytest.mark.parametrize("n_codes", [1, 2, 3, 20])
def test_a_few_codes_or_the_same_again(n_codes):
    assert draw(np.ones((n_codes, 2)), 5).tolist() == np.ones((5, 2)).tolist()
    assert np.isfinite(draw(np.arange(2.0 * n_codes).reshape(-1, 2), 5)).all()


def test_many_draws_are_made_in_parts(monkeypatch):
    codes = np.random.default_rng(0).normal(size=(50, 3))
    whole = draw(codes, 100)
    monkeypatch.setattr(windows, "N_NUMBERS", 100)
    np.testing.assert_allclose(draw(codes, 100), whole, rtol=1e-12)


def told_apart(A, B):
    """Return how often the nearest neighbour is of the same kind: 1/2 where nothing differs."""
    Z, kind = np.vstack([A, B]), np.repeat([0, 1], [len(A), len(B)])
    nearest = NearestNeighbors(n_neighbors=2).fit(Z).kneighbors(Z, return_distance=False)[:, 1]
    return (kind[nearest] == kind).mean()


@pytest.mark.parametrize(
    ("estimator", "other"),
    [
        (Autoencoder(10, max_iter=25), None),
        pytest.param(VAE(10, max_iter=25), {"codes": "prior"}, marks=pytest.mark.slow),
        pytest.param(AdversarialAutoencoder(10), {"codes": "prior"}, marks=pytest.mark.slow),
        (DenoisingAutoencoder(max_iter=25), {"codes": "chain"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_samples_are_like_unseen_rows(estimator, other):
    model = estimator.set_params(random_state=0).fit(X[:1000])
    unseen = X[1000:]
    found = told_apart(unseen, model.sample(len(unseen)))
    assert found < 0.75
    if other:
        assert found < told_apart(unseen, model.sample(len(unseen), **other)) - 0.05


def test_samples_of_a_label_are_like_its_rows():
    model = ConditionalVAE(10, max_iter=25, random_state=0).fit(X[:1000], condition=y[:1000])
    unseen = X[1000:]
    labels, counts = np.unique(y[1000:], return_counts=True)
    drawn = model.sample(counts.max(), condition=labels, random_state=0)
    S = np.vstack([s[:n] for s, n in zip(np.split(drawn, 10), counts, strict=True)])
    assert told_apart(unseen, S) < 0.75


def test_codes_of_labels_go_with_their_labels():
    model = ConditionalVAE(3, max_iter=3, random_state=0).fit(X[:300], condition=y[:300])
    model.partial_fit(X[300:500], condition=y[300:500])
    codes = model._codes
    assert set(codes[:, -1]) == set(range(10))
    np.testing.assert_array_equal(codes[-200:, -1], y[300:500])
    wanted = model.transform(X[300:500], condition=y[300:500])
    np.testing.assert_allclose(codes[-200:, :-1], wanted, atol=1e-5)


def test_a_label_of_two_rows_is_drawn_from_the_prior():
    labels = np.where(np.arange(50) < 2, 1, 0)
    model = ConditionalVAE(2, max_iter=3, random_state=0).fit(X[:50], condition=labels)
    prior = model.sample(5, condition=1, codes="prior")
    np.testing.assert_array_equal(model.sample(5, condition=1), prior)
    assert (model.sample(5, condition=0) != model.sample(5, condition=0, codes="prior")).any()


@pytest.mark.parametrize("estimator", [VAE, AdversarialAutoencoder, DenoisingAutoencoder])
def test_other_words_for_codes_are_refused(estimator):
    model = estimator(2, max_iter=2, random_state=0).fit(X[:100])
    with pytest.raises(ValueError, match="codes must be 'fitted'"):
        model.sample(2, codes="posterior")


def test_a_chain_is_asked_for_by_its_length():
    model = DenoisingAutoencoder(max_iter=2, random_state=0).fit(X[:100])
    chain = model.sample(3, codes="chain", n_steps=4)
    np.testing.assert_array_equal(model.sample(3, n_steps=4), chain)
    with pytest.raises(ValueError, match="length of the Markov chain"):
        model.sample(3, codes="fitted", n_steps=4)
