"""The autoencoder's mathematics: its linear case, its start at PCA, its likelihoods."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

from skae import Autoencoder
from skae.data import sources
from skae.estimator.split import validation_rows
from skae.metrics import explained_variance


def factors(link, n=600, d=40, k=5, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    signal = link(rng.normal(size=(n, k)) @ rng.normal(size=(k, d)))
    return signal + noise * signal.std() * rng.normal(size=signal.shape)


DATA = {
    "digits": (load_digits().data, (2, 10)),
    "breast_cancer": (load_breast_cancer().data, (2, 5)),
    "wine": (load_wine().data, (2, 5)),
    "diabetes": (load_diabetes(scaled=False).data, (2, 5)),
    "iris": (load_iris().data, (1, 2)),
    "linear": (factors(lambda x: x), (2, 5)),
    "tanh": (factors(np.tanh), (2, 5)),
}

CASES = [
    pytest.param(X, k, scaled, id=f"{name}-{k}-{'scaled' if scaled else 'raw'}")
    for name, (X, sizes) in DATA.items()
    for k in sizes
    for scaled in (False, True)
]


class Interrupt(Callback):
    """Stand for a user who presses Ctrl-C in the second batch."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history[-1]["batches"]) == 2:
            raise KeyboardInterrupt


# The linear case


@pytest.mark.cpu
@pytest.mark.parametrize("tied", [False, True])
def test_a_linear_autoencoder_finds_the_principal_subspace(tied):
    rng = np.random.default_rng(0)
    X = (
        rng.normal(size=(800, 12))
        * [9, 7, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1]
        @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    )
    X += 5
    ae = Autoencoder(
        3,
        hidden_layer_sizes=(),
        linear_path=False,
        tied_weights=tied,
        learning_rate_init=0.01,
        max_iter=200,
        tol=0,
        random_state=0,
    ).fit(X)
    pca = PCA(3).fit(X)
    least = 1 - pca.explained_variance_ratio_.sum()
    assert 1 - ae.score(X) <= 1.01 * least
    decoder = ae.inverse_transform(np.eye(3)) - ae.inverse_transform(np.zeros((1, 3)))
    assert subspace_angles(decoder.T, pca.components_.T).max() < 0.05
    if tied:
        A = next(ae.module_.encoder.parameters()).detach().numpy()
        np.testing.assert_allclose(A @ A.T, np.eye(3), atol=0.02)
        np.testing.assert_allclose(ae.transform(X), (X - ae.mean_) / ae.scale_ @ A.T, atol=1e-1)


# The start at PCA


@pytest.mark.filterwarnings("ignore:The loss became NaN")  # one of the settings provokes it
@pytest.mark.parametrize(("X", "k", "scaled"), CASES)
def test_never_worse_than_pca_on_the_training_data(X, k, scaled):
    train, _ = train_test_split(X, test_size=0.3, random_state=0)
    if scaled:
        train = StandardScaler().fit_transform(train)
    for settings in (
        {"max_iter": 4},
        {"max_iter": 1},
        {"callbacks": [Interrupt()]},
        {"max_iter": 2, "learning_rate_init": 10.0},
        {"max_iter": 4, "early_stopping": True},
        {"max_iter": 1, "hidden_layer_sizes": ()},
    ):
        with np.errstate(all="ignore"):
            ae = Autoencoder(k, random_state=0, **settings).fit(train)
        seen = np.delete(train, rows_set_aside(ae, len(train)), axis=0)
        least = PCA(k, svd_solver="full").fit(seen).explained_variance_ratio_.sum() - 1e-6
        assert ae.score(seen) >= least, settings


def rows_set_aside(estimator, n_samples):
    """Return the numbers of the validation rows, which are none of training."""
    found = validation_rows(estimator, n_samples, None)
    return [] if found is None else found


@pytest.mark.filterwarnings("ignore:The loss became NaN")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [3, 60])
def test_the_start_is_pca(k, weighted):
    """After a training that is refused, codes and reconstructions are the principal ones.

    Codes are whitened, over all rows.
    """
    X = load_digits().data[:200].astype(np.float64)
    weights = np.random.default_rng(0).integers(0, 3, 200) if weighted else np.ones(200, int)
    rows = np.repeat(X, weights, axis=0)
    pca = PCA(k, svd_solver="full").fit(rows)
    ae = Autoencoder(k, max_iter=1, learning_rate_init=100.0, dtype="float64", random_state=0)
    ae.fit(X, sample_weight=weights)
    np.testing.assert_allclose(ae.mean_, pca.mean_)
    seen = X[weights > 0]  # in directions that these do not have, neither model knows anything
    principal = pca.inverse_transform(pca.transform(seen))
    np.testing.assert_allclose(ae.reconstruct(seen), principal, atol=1e-6)
    shared = min(k, 20)
    np.testing.assert_allclose(
        np.abs(ae.transform(seen))[:, :shared],
        np.abs(pca.transform(seen) / pca.transform(rows).std(axis=0))[:, :shared],
        atol=1e-6,
    )


@pytest.mark.filterwarnings("ignore:The loss became NaN")
def test_the_start_with_many_features_is_pca_too():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 6)) * [9, 8, 7, 6, 5, 4] @ rng.normal(size=(6, 3000))
    X += 0.1 * rng.normal(size=X.shape)
    ae = Autoencoder(4, max_iter=1, learning_rate_init=100.0, random_state=0).fit(X)
    share = PCA(4, svd_solver="full").fit(X).explained_variance_ratio_.sum()
    assert ae.score(X) >= share - 1e-6


def test_far_above_pca_where_the_data_are_curved():
    train, test = train_test_split(load_digits().data, test_size=0.3, random_state=0)
    pca = PCA(2).fit(train)
    assert explained_variance(pca, test) < 0.29
    assert Autoencoder(2, random_state=0).fit(train).score(test) >= 0.45


# Likelihoods, activations, networks


def test_bernoulli():
    X = (load_digits().data[:500] / 16 > 0.5).astype(float)
    ae = Autoencoder(8, likelihood="bernoulli", max_iter=30, random_state=0).fit(X)
    X_hat = ae.reconstruct(X).clip(1e-9, 1 - 1e-9)
    np.testing.assert_allclose(X_hat, ae.reconstruct(X), atol=2e-9)
    assert ae.score(X) > PCA(8).fit(X).explained_variance_ratio_.sum()
    entropy = -(X * np.log(X_hat) + (1 - X) * np.log1p(-X_hat)).sum(axis=1).mean()
    np.testing.assert_allclose(entropy, ae.loss_curve_[-1], rtol=0.1)
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\]"):
        ae.fit(X - 1)
    with pytest.raises(ValueError, match="leave output_activation at 'identity'"):
        ae.set_params(output_activation="sigmoid").fit(X)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus"])
def test_a_bounded_output_refuses_data_out_of_its_reach(activation):
    X = load_iris().data
    with pytest.raises(ValueError, match=f"output_activation='{activation}' needs X in"):
        Autoencoder(output_activation=activation).fit(X - X.mean(axis=0) * 2)
    unit = (X - X.min()) / (X.max() - X.min())
    ae = Autoencoder(output_activation=activation, max_iter=60, random_state=0).fit(unit)
    assert ae.score(unit) > 0.8
    assert ae.reconstruct(unit).min() >= 0 or activation == "tanh"


def test_tied_weights_are_one():
    ae = Autoencoder(3, tied_weights=True, hidden_layer_sizes=(7,), max_iter=2).fit(
        load_iris().data
    )
    shapes = sorted(tuple(p.shape) for p in ae.module_.parameters())
    assert shapes == [(3,), (3, 7), (4,), (7,), (7,), (7, 4)]


def test_one_hidden_layer_may_be_a_number():
    X = load_iris().data
    one, many = (
        Autoencoder(hidden_layer_sizes=sizes, max_iter=2, random_state=0).fit(X).transform(X)
        for sizes in (7, (7,))
    )
    np.testing.assert_array_equal(one, many)


def test_contradictions_are_refused():
    X = load_iris().data
    for settings, words in [
        ({"tied_weights": True, "encoder": torch.nn.Linear}, "tied_weights=True is for built-in"),
        ({"linear_path": True, "decoder": torch.nn.Linear}, "linear_path=True is for built-in"),
        ({"encoder": torch.nn.Linear(4, 5)}, "encoder must take rows of 4 .* 2 numbers"),
        (
            {"decoder": lambda n_in, n_out: torch.nn.Linear(n_in, 3)},
            "decoder must take rows of 2 .* 4 numbers, the features",
        ),
    ]:
        with pytest.raises(ValueError, match=words):
            Autoencoder(**settings).fit(X)
    with pytest.raises(TypeError, match="encoder must make a network, an nn.Module"):
        Autoencoder(encoder=lambda n_in, n_out: "network").fit(X)


def test_a_template_is_copied():
    template = torch.nn.Linear(4, 2)
    before = template.weight.detach().clone()
    Autoencoder(encoder=template, max_iter=2).fit(load_iris().data)
    assert torch.equal(template.weight, before)


@pytest.mark.parametrize("scaling", ["global", "standard", None])
def test_units(scaling):
    X = load_wine().data
    ae = Autoencoder(2, scaling=scaling, max_iter=2, random_state=0).fit(X)
    expected = {"global": np.sqrt(X.var(axis=0).mean()), "standard": X.std(axis=0), None: 1.0}
    np.testing.assert_allclose(ae.scale_, expected[scaling])
    np.testing.assert_allclose(ae.mean_, X.mean(axis=0))


def test_the_model_does_not_depend_on_the_units():
    """Scaling and shifting the data scales and shifts what comes back, and nothing else."""
    X = load_iris().data
    ae = Autoencoder(2, linear_path=False, max_iter=20, dtype="float64", random_state=0)
    Z, X_hat = ae.fit(X).transform(X), ae.reconstruct(X)
    moved = X * 1024 + 512
    np.testing.assert_allclose(ae.fit(moved).transform(moved), Z, atol=1e-5)
    np.testing.assert_allclose(ae.reconstruct(moved), X_hat * 1024 + 512, rtol=1e-5)


def test_weights_are_repetitions():
    X = load_iris().data
    weights = np.random.default_rng(0).integers(0, 3, 150)
    settings = dict(
        linear_path=False, dtype="float64", batch_size=10000, max_iter=20, random_state=0
    )
    weighted = Autoencoder(**settings).fit(X, sample_weight=weights)
    repeated = Autoencoder(**settings).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-8)


def test_nan_ends_training_with_a_warning_and_finite_weights():
    X = load_iris().data
    ae = Autoencoder(
        linear_path=False,
        optimizer="sgd",
        learning_rate_init=1e12,  # a thousandth of it is still too much
        learning_rate="constant",
        activation="identity",
        random_state=0,
    )
    with pytest.warns(UserWarning, match="training stopped"):
        ae.fit(X)
    assert np.isfinite(ae.reconstruct(X)).all()
    ae.set_params(learning_rate_init=1e-3).partial_fit(X)
    assert np.isfinite(ae.loss_curve_[-1])
    assert np.isfinite(ae.reconstruct(X)).all()


def test_a_missing_matplotlib_is_named(monkeypatch):
    import sys

    from skae.display import LossCurveDisplay

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"skae\[plot\]"):
        LossCurveDisplay([1.0]).plot()


def hasty_encoder(n_in, n_out):
    """Return a network that overwrites what it is given."""
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(n_in, n_out))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", [None, "global"])
def test_a_network_that_writes_into_its_input_spares_the_user_s(dtype, scaling, monkeypatch):
    monkeypatch.setattr(sources, "ZERO_COPY_BYTES", 0)
    data = load_iris().data.astype(dtype) - 3
    kept = data.copy()
    settings = {"encoder": hasty_encoder, "scaling": scaling, "early_stopping": True}
    ae = Autoencoder(2, max_iter=2, random_state=0, **settings).fit(data)
    read_only = data.view()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(ae.transform(read_only), ae.transform(data))
    ae.score(data)
    np.testing.assert_array_equal(data, kept)
