"""A start that is kept: first steps, step sizes, codes of unit variance."""

import warnings

import numpy as np
import pytest
import torch
from estimators import DEFAULTS
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback

from skae import (
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.data.batches import Batches
from skae.metrics import explained_variance
from skae.nn.network import FULL_RATE_INPUTS
from skae.nn.networks import MLP
from skae.training.step import STEPS_OF_WARM_UP, WARM_UP

DIGITS = load_digits().data
SETS = {
    "digits": DIGITS[:600],
    "few digits": DIGITS[:20],
    "wine": load_wine().data,  # one column has nearly all of the variance
    "breast cancer": load_breast_cancer().data,
    "swiss roll": make_swiss_roll(300, random_state=0)[0],
}
FREE = [Autoencoder, DenoisingAutoencoder]


class AfterOneEpoch(Callback):
    """Write down the loss over the training rows after an epoch, and stop."""

    losses = []

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        rows = dataset_train.rows
        AfterOneEpoch.losses.append(net.evaluate(Batches(rows, None, len(rows)))["loss"])
        raise KeyboardInterrupt


# The first steps


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("widths", [(16,), (1024,), (128, 64), (256, 256, 256)])
def test_an_epoch_does_not_throw_the_start_away(name, widths):
    X = SETS[name]
    Autoencoder(
        hidden_layer_sizes=widths, alpha=0.1, callbacks=[AfterOneEpoch()], random_state=0
    ).fit(X)
    variance = np.var(X, axis=0).sum()
    start = 1 - PCA(2).fit(X).explained_variance_ratio_.sum()
    in_shares = np.var(X, axis=0).mean() / variance  # losses are in units of the mean variance
    assert AfterOneEpoch.losses.pop() * in_shares <= 1.05 * start + 0.001


def test_layers_with_many_inputs_move_less():
    n = 2 * FULL_RATE_INPUTS
    network = MLP(n, (n,), 3, linear_path=True)
    sizes = network.step_sizes()
    assert sizes[network.layers[0].weight] == sizes[network.layers[1].weight] == 0.5
    assert sizes[network.path.weight] == 0.5
    assert set(MLP(5, (FULL_RATE_INPUTS,), 3).step_sizes().values()) == {1.0}


def test_without_a_start_to_keep_layers_of_a_bernoulli_model_move_as_others():
    X = (DIGITS[:100] > 7).astype(float)
    net = VAE(2, likelihood="bernoulli", hidden_layer_sizes=(300,), max_iter=1).fit(X).net_
    assert {block.factor for block in net.step_.blocks} == {1.0}


def test_blocks_cover_all_parameters_in_their_order():
    X = np.random.default_rng(0).normal(size=(40, 5))
    net = Autoencoder(hidden_layer_sizes=(300, 200), max_iter=1).fit(X).net_
    blocks = net.step_.blocks
    assert [b.part.start for b in blocks] == [0, *(b.part.stop for b in blocks[:-1])]
    assert blocks[-1].part.stop == net.flat_.numel()
    factors = {1.0, FULL_RATE_INPUTS / 300, FULL_RATE_INPUTS / 200}
    assert {b.factor for b in blocks} == factors
    for group, block in zip(net.optimizer_.param_groups, blocks, strict=True):
        assert group["params"][0].data_ptr() == net.flat_[block.part].data_ptr()
        assert group["factor"] == block.factor


@pytest.mark.cpu
def test_a_first_step_of_adam_has_the_length_of_its_block():
    """Whatever the gradient, every weight moves by the rate, times what its layer is given."""
    X = np.random.default_rng(0).normal(size=(40, 5))
    settings = dict(hidden_layer_sizes=(256,), linear_path=False, random_state=0, max_iter=1)
    settings |= dict(learning_rate="constant", batch_size=40, alpha=0, dtype="float64")
    after = Autoencoder(**settings).fit(X).module_.decoder
    before = Autoencoder(**settings, learning_rate_init=1e-30).fit(X).module_.decoder
    with torch.no_grad():
        moved = (after.layers[1].weight - before.layers[1].weight).abs()
    rate = 0.005 / STEPS_OF_WARM_UP * FULL_RATE_INPUTS / 256
    np.testing.assert_allclose(moved.median(), rate, rtol=1e-2)


def test_the_rate_rises_before_it_falls():
    net = Autoencoder(max_iter=100, alpha=0, random_state=0).fit(SETS["wine"]).net_
    net.step_.begin(1000)
    rates = [rate for (rate, *_) in net.step_.rates(1000)]
    highest = int(np.argmax(rates))
    assert highest == pytest.approx(WARM_UP * 1000, abs=2)
    assert np.all(np.diff(rates[:highest]) > 0)
    assert np.all(np.diff(rates[highest:]) < 0)
    assert max(rates) == pytest.approx(net.lr, rel=0.02)


# Codes


@pytest.mark.parametrize("kind", FREE)
@pytest.mark.parametrize("settings", [{}, {"hidden_layer_sizes": ()}, {"linear_path": False}])
def test_codes_have_unit_variance(kind, settings):
    model = kind(3, max_iter=5, random_state=0, **settings).fit(SETS["wine"])
    Z = model.transform(SETS["wine"])
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(Z.std(axis=0), 1, rtol=1e-3)


@pytest.mark.parametrize("kind", FREE)
def test_the_scale_of_codes_changes_no_reconstruction(kind, monkeypatch):
    settings = dict(n_components=3, max_iter=5, random_state=0)
    X = SETS["digits"]
    model = kind(**settings).fit(X)
    monkeypatch.setattr("skae.estimator.base.learn_code_units", lambda *args: None)
    plain = kind(**settings).fit(X)
    assert np.abs(plain.transform(X).std(axis=0) - 1).max() > 1e-3
    np.testing.assert_allclose(model.reconstruct(X), plain.reconstruct(X), atol=1e-3)


def test_weights_count_in_the_variance_of_codes():
    X, weights = SETS["wine"], np.r_[np.ones(90), np.zeros(88)]
    Z = Autoencoder(max_iter=5, random_state=0).fit(X, sample_weight=weights).transform(X[:90])
    np.testing.assert_allclose(Z.std(axis=0), 1, rtol=1e-3)


def test_numbers_that_do_not_vary_are_left_as_they_are():
    X = np.random.default_rng(0).normal(size=(50, 1)) * np.ones(4)
    settings = dict(hidden_layer_sizes=(), learning_rate_init=1e-12, random_state=0)
    model = Autoencoder(3, **settings).fit(X)
    Z = model.transform(X)
    np.testing.assert_allclose(Z.std(axis=0), [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(model.reconstruct(X), X, atol=1e-3)


def test_codes_whose_scale_means_something_keep_it():
    """Atoms of unit norm fix it, and so does a code between 0 and 1."""
    X = SETS["digits"]
    for model in (
        SparseAutoencoder(20, max_iter=3, random_state=0),
        Autoencoder(3, code_activation="sigmoid", max_iter=3, random_state=0),
        VAE(3, max_iter=3, random_state=0),
    ):
        assert not np.allclose(model.fit(X).transform(X).std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("n_components", [2, 8])
def test_logistic_regression_converges_on_codes(n_components):
    X, y = load_digits(return_X_y=True)
    Z = Autoencoder(n_components, max_iter=20, random_state=0).fit_transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression().fit(Z, y)


# Components beyond the rank of the training rows


def flat(rng):
    """Rows of rank 2 in ten columns."""
    plane = rng.normal(size=(2, 10))
    return rng.normal(size=(160, 2)) @ plane, 2


def wide(rng):
    """Fewer rows than columns."""
    return rng.normal(size=(160, 300)), 39


def one_hot(rng):
    """Two categories, of five and of four values; the last unseen rows are of unknown values."""
    codes = [np.eye(n)[np.r_[np.arange(n), rng.integers(n, size=160 - n)]] for n in (5, 4)]
    X = np.hstack(codes)
    X[150:] = 0
    return X, 7


def twins(rng):
    """Every column twice, and in the last unseen rows they differ."""
    X = np.repeat(rng.normal(size=(160, 6)) * [5, 3, 2, 1, 0.5, 0.1], 2, axis=1)
    X[150:, ::2] += 1
    return X, 6


RANKS = {make.__name__: make for make in (flat, wide, one_hot, twins)}
EPOCHS = {"max_iter": 8, "alpha": 0.1, "batch_size": 20, "hidden_layer_sizes": (16,)}
BEYOND = {
    "plain": Autoencoder(**EPOCHS),
    "trial": Autoencoder(max_iter=30, batch_size=20, hidden_layer_sizes=(16,)),
    "ordered": Autoencoder(ordered=True, **EPOCHS),
    "double": Autoencoder(dtype="float64", **EPOCHS),
    "linear": Autoencoder(**{**EPOCHS, "hidden_layer_sizes": ()}),
    "deep": Autoencoder(**{**EPOCHS, "hidden_layer_sizes": (16, 8)}),
    "unscaled": Autoencoder(scaling=None, **EPOCHS),
    "stopping": Autoencoder(early_stopping=True, **EPOCHS),
    "denoising": DenoisingAutoencoder(**EPOCHS),
    "masking": DenoisingAutoencoder(corruption="masking", ordered=True, **EPOCHS),
    "noise of each": DenoisingAutoencoder(
        corruption_units="data", scaling="standard", corruption_level=0.1, **EPOCHS
    ),
}
BOUNDED = {
    "tied": Autoencoder(linear_path=True, tied_weights=True, **EPOCHS),
    "sparse": SparseAutoencoder(linear_path=True, code_activation="identity", **EPOCHS),
    "contractive": ContractiveAutoencoder(
        linear_path=True, tied_weights=False, code_activation="identity", **EPOCHS
    ),
    "adversarial": AdversarialAutoencoder(linear_path=True, **EPOCHS),
    "gaussian": AdversarialAutoencoder(linear_path=True, encoder_type="gaussian", **EPOCHS),
    "vae": VAE(**EPOCHS),
}


def fit_beyond(model, make, seed, n_more=3, **params):
    """Return a model of more components than the rank, that rank, training and unseen rows."""
    X, rank = make(np.random.default_rng(seed))
    seen, unseen = X[:40], X[40:]
    params = {"n_components": rank + n_more, "random_state": seed, **params}
    return clone(model).set_params(**params).fit(seen), rank, seen, unseen


THREE = ("plain", "ordered", "denoising")
SEEDS = [(name, seed) for name in BEYOND for seed in range(3 if name in THREE else 1)]


@pytest.mark.parametrize("make", RANKS.values(), ids=RANKS)
@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_components_beyond_the_rank_are_zero(name, seed, make):
    model = BEYOND[name]
    fitted, rank, seen, unseen = fit_beyond(model, make, seed)
    for rows in (seen, unseen, unseen.astype("float32"), csr_matrix(unseen)):
        np.testing.assert_array_equal(fitted.transform(rows)[:, rank:], 0)
    Z = fitted.transform(unseen)
    assert np.abs(Z).max() < 100
    X_hat = fitted.reconstruct(unseen)  # in double precision, as these rows are
    np.testing.assert_allclose(fitted.inverse_transform(Z), X_hat, atol=1e-9)
    narrow = fit_beyond(model, make, seed, n_more=0)[0]
    variance = np.square(seen - seen.mean(axis=0)).sum(axis=1).mean()
    allowed = 1.1 * narrow.reconstruction_error(unseen).mean() + 1e-3 * variance
    assert fitted.reconstruction_error(unseen).mean() <= allowed


@pytest.mark.parametrize(("name", "seed"), list(zip(THREE, [3, 4, 5], strict=True)))
def test_the_rank_is_that_of_rows_with_weight_in_every_container(name, seed):
    X, rank = wide(np.random.default_rng(seed))
    counts = np.r_[np.ones(40), np.zeros(120)]
    for rows in (X, X.astype("float32"), csr_matrix(X), X.tolist()):
        fitted = clone(BEYOND[name]).set_params(n_components=rank + 6, random_state=seed)
        for _ in range(2):  # the second fit goes on from the first
            Z = fitted.fit(rows, sample_weight=counts).transform(X)
            np.testing.assert_array_equal(Z[:, rank:], 0)
            assert Z[:40, :rank].any(axis=0).all()
            assert np.abs(Z).max() < 100
            fitted.set_params(warm_start=True)


def test_components_beyond_the_rank_of_wide_tables_are_zero():
    """Above 2048 features components are found by subspace iteration, of CSR without a copy."""
    X = np.random.default_rng(0).normal(size=(60, 2100))
    for rows in (X, csr_matrix(X)):
        model = Autoencoder(34, max_iter=2, hidden_layer_sizes=(8,), random_state=0).fit(rows[:30])
        np.testing.assert_array_equal(model.transform(rows)[:, 29:], 0)
        assert np.abs(model.transform(rows)).max() < 100


def test_a_component_is_kept_for_later_rows_of_a_stream():
    """Later calls of partial_fit may bring more than the rank of the first one."""
    X, _ = wide(np.random.default_rng(0))
    model = Autoencoder(12, hidden_layer_sizes=(16,), random_state=0).partial_fit(X[:5])
    assert np.abs(model.transform(X)).max() < 100
    for _ in range(20):
        model.partial_fit(X)
    assert np.abs(model.transform(X)).max() < 100
    assert (model.transform(X).std(axis=0) > 0).all()
    model.set_params(warm_start=True, max_iter=5).fit(X[:40])
    assert np.abs(model.transform(X)).max() < 100


def test_what_is_beyond_the_rank_changes_no_row():
    fitted, rank, _, unseen = fit_beyond(BEYOND["plain"], flat, seed=0)
    Z = fitted.transform(unseen)
    Z[:, rank:] = 5.0
    np.testing.assert_allclose(fitted.inverse_transform(Z), fitted.reconstruct(unseen), atol=1e-9)


def test_small_components_are_no_rounding():
    """Down to 1e-5 of the largest, in single precision, beside a large mean."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)) * 10.0 ** -np.arange(6) + 3
    model = Autoencoder(6, hidden_layer_sizes=(), random_state=0).fit(X)
    np.testing.assert_allclose(model.transform(X).std(axis=0), 1, rtol=0.05)
    left = np.square(X - model.reconstruct(X)).sum(axis=0)
    assert left.max() < 1e-12 * np.square(X - X.mean(axis=0)).sum()


@pytest.mark.parametrize("make", RANKS.values(), ids=RANKS)
@pytest.mark.parametrize("model", BOUNDED.values(), ids=BOUNDED)
def test_codes_of_unseen_rows_beyond_the_rank_are_bounded(model, make):
    fitted, _, seen, unseen = fit_beyond(model, make, seed=0)
    assert np.abs(fitted.transform(unseen)).max() < 100 * np.abs(fitted.transform(seen)).max()


# Precision


@pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)
def test_copies_in_two_precisions_train_to_the_same_model(estimator):
    """Gradients that are rounding noise are no steps."""
    train, test = train_test_split(DIGITS[:700], random_state=0)
    model = clone(estimator).set_params(max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        single, double = (clone(model).fit(train.astype(t)) for t in ("float32", "float64"))
    a, b = (explained_variance(m, test) for m in (single, double))
    # Of eight seeds the worst is 0.0043: at the start some gradients are rounding alone, up to
    # 8e-7, which is not quite nothing beside the 1e-6 that Adam divides by.
    assert abs(a - b) < 0.009
    if hasattr(single, "loss_curve_"):
        np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=0.01)
