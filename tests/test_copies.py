"""`copy_share`: known answers for copies, fresh draws, reconstructions, ties and duplicates."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from skae import Autoencoder
from skae.metrics import copy_share


def three_samples(n_new=200, n_train=100, n_test=100, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, n_features)) for n in (n_new, n_train, n_test)]


def is_flagged(found):
    """Whether the page on drawing rows would call these draws copies."""
    return any(
        getattr(found, share) > 0.5 + 3 * getattr(found, error)
        for share, error in (
            ("share", "standard_error"),
            ("closest_share", "closest_standard_error"),
        )
    )


def test_it_is_its_definition():
    new, train, test = three_samples(n_new=30, n_train=12, n_test=12)

    def distance(row, rows):
        return min(((row - other) ** 2).sum() for other in rows)

    expected = np.mean([distance(row, train) < distance(row, test) for row in new])
    assert copy_share(new, train, test).share == expected


def test_the_standard_error_is_that_over_all_ways_to_choose_training_rows():
    new, train, test = three_samples(n_new=20, n_train=4, n_test=4)
    rows = np.concatenate([train, test])
    halves = [np.isin(np.arange(8), half) for half in combinations(range(8), 4)]
    found = [copy_share(new, rows[half], rows[~half]) for half in halves]
    for share, error in (("share", "standard_error"), ("closest_share", "closest_standard_error")):
        shares = [f[share] for f in found]
        np.testing.assert_allclose(np.mean(shares), 0.5)
        np.testing.assert_allclose([f[error] for f in found], np.std(shares))


@pytest.mark.parametrize("noise", [0, 1e-6])
def test_copies_are_nearer_to_training_rows(noise):
    new, train, test = three_samples(n_new=100)
    found = copy_share(train + noise * new, train, test)
    assert (found.share, found.closest_share) == (1, 1)
    assert (found.train_matches, found.test_matches) == (not noise, 0)
    assert is_flagged(found)


@pytest.mark.parametrize("n_features", [2, 40])  # in 40 dimensions a few rows are near to many
def test_of_fresh_draws_half_are_nearer_to_training_rows(n_features):
    """Shares less 1/2, in standard errors, have mean 0 and deviation 1, here of 100 samples."""
    found = [copy_share(*three_samples(n_features=n_features, seed=seed)) for seed in range(100)]
    for share, error in (("share", "standard_error"), ("closest_share", "closest_standard_error")):
        z = np.array([(f[share] - 0.5) / f[error] for f in found])
        assert abs(z.mean()) < 3 / 10
        assert abs(z.std() - 1) < 3 / 200**0.5  # the deviation of a deviation of 100 numbers
    # 3 standard errors are passed by 0.3 % of shares, two of each; by 3 of 100 hardly ever.
    assert sum(map(is_flagged, found)) < 4


def test_fresh_draws_of_another_distribution_are_no_copies():
    new, train, test = three_samples()
    for rows in (new + 2, 3 * new, 0.1 * new, np.round(new)):
        assert not is_flagged(copy_share(rows, train, test))


def test_a_few_copies_show_among_the_closest():
    new, train, test = three_samples(n_new=2000, n_train=500, n_test=500, n_features=8)
    new[:20] = train[:20] + 1e-3 * new[:20]  # one percent
    found = copy_share(new, train, test)
    assert found.share < 0.5 + 3 * found.standard_error
    assert found.closest_share == 1
    assert is_flagged(found)


MODELS = {
    "PCA": lambda X: PCA(16).fit(X),
    "Autoencoder": lambda X: Autoencoder(16, max_iter=3, random_state=0).fit(X),
}


@pytest.mark.parametrize("name", MODELS)
def test_reconstructions_of_held_out_rows_are_no_copies(name):
    """They are nearer to training rows than held-out rows are, as all smooth rows."""
    X = np.random.default_rng(0).permutation(load_digits().data)
    train, test, others = X[:600], X[600:1200], X[1200:]
    model = MODELS[name](train)
    for rows in (test, others):
        found = copy_share(model.inverse_transform(model.transform(rows)), train, test)
        assert not is_flagged(found)
        assert found.train_matches == 0
    assert is_flagged(copy_share(model.inverse_transform(model.transform(train)), train, test))


def test_draws_of_a_mixture_with_a_component_for_each_row_are_copies():
    X = np.random.default_rng(0).permutation(load_iris().data)
    train, test = X[:50], X[50:100]
    mixture = GaussianMixture(50, means_init=train, covariance_type="spherical", random_state=0)
    assert is_flagged(copy_share(mixture.fit(train).sample(500)[0], train, test))
    mixture = GaussianMixture(2, random_state=0).fit(train)
    assert not is_flagged(copy_share(mixture.sample(500)[0], train, test))


def test_rows_at_the_same_distance_count_half():
    train, test = np.array([[-1.0, 0.0]]), np.array([[1.0, 0.0]])
    assert copy_share([[0.0, 0.0], [0.0, 5.0]], train, test).share == 0.5
    assert copy_share([[0.0, 0.0], [-0.1, 5.0]], train, test).share == 0.75
    new, train, _ = three_samples()
    found = copy_share(np.vstack([train, new]), train, train)
    assert (found.share, found.closest_share) == (0.5, 0.5)
    assert found.train_matches == found.test_matches == 1 / 3


def test_duplicates():
    """Values that many rows share are matched by draws, in both kinds of rows alike."""
    rng = np.random.default_rng(0)
    new, train, test = rng.integers(3, size=(3, 200, 2)).astype(float)
    found = copy_share(new, train, test)
    assert found.train_matches == found.test_matches == 1  # all nine rows occur in both
    assert found.share == 0.5
    new, train, test = rng.integers(3, size=(3, 200, 6)).astype(float)
    found = copy_share(new, train, test)
    assert 0 < found.train_matches < 1
    assert abs(found.train_matches - found.test_matches) < 4 * (2 * 0.25 / 200) ** 0.5
    assert not is_flagged(found)
    again = copy_share(np.repeat(new, 3, axis=0), train, test)
    assert (again.share, again.train_matches) == (found.share, found.train_matches)


def test_as_many_rows_are_used_of_both_kinds():
    new, train, test = three_samples(n_train=300, n_test=80)
    chosen = train[np.random.RandomState(5).permutation(300)[:80]]
    found = copy_share(new, train, test, random_state=5)
    assert found == copy_share(new, chosen, test)
    other = copy_share(new, test, train, random_state=5)
    np.testing.assert_allclose(other.share, 1 - found.share)
    assert copy_share(new, train, test) == copy_share(new, train, test)
    assert copy_share(new, train, test) != copy_share(new, train, test, random_state=1)
    shares = [copy_share(new, train, test, random_state=seed).share for seed in range(10)]
    assert abs(np.mean(shares) - 0.5) < 3 * found.standard_error
    one = copy_share(new[:1], train[:1], test)
    assert (one.standard_error, one.closest_standard_error) == (0.5, 0.5)


def test_the_kinds_may_be_exchanged_and_rows_shuffled():
    new, train, test = three_samples()
    found, other = copy_share(new, train, test), copy_share(new, test, train)
    np.testing.assert_allclose(other.share, 1 - found.share)
    np.testing.assert_allclose(other.closest_share, 1 - found.closest_share)
    np.testing.assert_allclose(other.standard_error, found.standard_error)
    shuffled = copy_share(new[::-1], train[::-1], test[::-1])
    for name, value in found.items():
        np.testing.assert_allclose(shuffled[name], value)


def test_units_and_origin_do_not_matter():
    samples = three_samples()
    found = copy_share(*samples)
    for scale in (1e-300, 1e-200, 1e200, 1e307):
        assert copy_share(*(scale * A for A in samples)).share == found.share
    assert copy_share(*(A + 1e6 for A in samples)).share == found.share
    assert copy_share(*np.zeros((3, 20, 2))).share == 0.5


@pytest.mark.parametrize("kind", [pd.DataFrame, torch.tensor, np.ndarray.tolist, np.float32])
def test_kinds_of_tables(kind):
    samples = [A.astype("float32") for A in three_samples()]
    assert copy_share(*map(kind, samples)) == copy_share(*samples)


X = load_iris().data
MISTAKES = {
    "columns": (
        (X, X, X[:, :2]),
        r"X_new, X_train and X_test must have as many columns.* 4, 4 and 2",
    ),
    "NaN": ((X, np.where(X == X[0, 0], np.nan, X), X), "Input X_train contains NaN"),
    "infinity": ((X * np.inf, X, X), "Input X_new contains infinity"),
    "empty": ((X, X, X[:0]), r"Found array with 0 sample\(s\)"),
    "one row": ((X[0], X, X), "Expected 2D array"),
    "text": (
        (X, pd.DataFrame({"a": X[:, 0], "kind": "red"}), X),
        r"X_train must hold numbers, but .*'kind'.*'red'.*OneHotEncoder.*all three tables",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    tables, words = MISTAKES[name]
    with pytest.raises(ValueError, match=words):
        copy_share(*tables)


def test_sparse_tables_are_refused():
    with pytest.raises(TypeError, match="Sparse data was passed for X_train"):
        copy_share(X, sparse.csr_array(X), X)
