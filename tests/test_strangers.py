"""Networks that users bring: nothing is taken for granted, and what cannot work says so."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from torch import nn
from torch.nn.utils import parametrizations

from skae import (
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.nn.networks import MLP

X = load_iris().data.astype(np.float32)
QUICK = {"max_iter": 2, "batch_size": 50, "random_state": 0}

ESTIMATORS = {
    "Autoencoder": Autoencoder(4, code_activation="sigmoid", **QUICK),
    "VAE": VAE(4, prior="mixture", noise_variance=0.1, **QUICK),
    "vamp": VAE(4, prior="vamp", covariance_type="identity", **QUICK),
    "Sparse": SparseAutoencoder(4, n_nonzero_coefs=1, **QUICK),
    "Denoising": DenoisingAutoencoder(4, **QUICK),
    "Contractive": ContractiveAutoencoder(4, tied_weights=False, **QUICK),
    "Adversarial": AdversarialAutoencoder(4, encoder_type="gaussian", **QUICK),
    "Conditional": ConditionalVAE(4, **QUICK),
}

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)


def with_networks(estimator, network):
    return clone(estimator).set_params(encoder=network, decoder=network)


class Layers(nn.Module):
    """Has the attributes of an `MLP`, and means other things by them."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.net = nn.Linear(n_in, n_out)
        self.layers, self.path, self.unit_norm, self.dropout = 3, "/", True, 0.5

    def start_bias(self):
        raise AssertionError("called")

    start_linear = undecayed_parameters = draw_masks = first_weight = start_bias

    def forward(self, x):
        return self.net(x)


class InPlace(nn.Sequential):
    """Changes its input."""

    def __init__(self, n_in, n_out):
        super().__init__(nn.ReLU(inplace=True), nn.Linear(n_in, n_out))


class Doubling(nn.Linear):
    """Returns another precision than it was given."""

    def forward(self, x):
        return super().forward(x).double()


def lazy(n_in, n_out):
    return nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(n_out))


def weight_norm(n_in, n_out):
    return parametrizations.weight_norm(nn.Linear(n_in, n_out))


def spectral_norm(n_in, n_out):
    return parametrizations.spectral_norm(nn.Linear(n_in, n_out))


def two_precisions(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 3), nn.Linear(3, n_out, dtype=torch.float64))


def perceptron(n_in, n_out):
    return MLP(n_in, (5,), n_out, dropout=0.2, linear_path=True)


STRANGERS = [
    Layers,
    InPlace,
    Doubling,
    lazy,
    weight_norm,
    spectral_norm,
    two_precisions,
    perceptron,
]


@every_estimator
@pytest.mark.parametrize("network", STRANGERS)
def test_strangers_work(estimator, network):
    model = with_networks(estimator, network).fit(X)
    Z = model.transform(X)
    assert np.isfinite(model.inverse_transform(Z)).all()
    assert np.isfinite(model.sample(3)).all()
    assert np.isfinite(model.score(X))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.transform(X), Z, rtol=1e-5, atol=1e-6)


# What happens to a network before it is trained


def started(estimator, **networks):
    """Return the module of an estimator as its training starts."""
    still = clone(estimator).set_params(learning_rate_init=1e-30, alpha=0.0, max_iter=1)
    return still.set_params(**networks).fit(X).module_


def perceptron_for(estimator, name):
    """Return a perceptron of skae's own, as a user might bring it."""
    k, outputs = 4, {"vamp": 4, "VAE": 8, "Conditional": 8, "Adversarial": 8}
    (kind,) = [key for key, value in ESTIMATORS.items() if value is estimator]
    sizes = (4, outputs.get(kind, k)) if name == "encoder" else (k, 4)
    generator = torch.Generator().manual_seed(3)
    return MLP(sizes[0], (6,), sizes[1], generator=generator)


@pytest.mark.cpu
@pytest.mark.filterwarnings("ignore::skae.exceptions.CollapseWarning")  # nothing is trained
@every_estimator
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_pretrained_network_starts_as_it_is(estimator, name):
    """No bias is set, no half of a layer is silenced, no atom is scaled."""
    template = perceptron_for(estimator, name)
    nn.init.ones_(template.layers[-1].bias)
    module = started(estimator, **{name: template})
    found = getattr(module, name)
    for mine, given in zip(found.parameters(), template.parameters(), strict=True):
        torch.testing.assert_close(mine, given)
    assert not getattr(found, "unit_norm", False)


@pytest.mark.cpu
def test_the_dropout_of_a_perceptron_that_is_given_drops():
    module = started(ESTIMATORS["Autoencoder"], encoder=perceptron).train()
    generators = {"dropout": torch.Generator().manual_seed(0)}
    masks, _ = module.draw(7, generators)
    assert [tuple(mask.shape) for mask in masks] == [(7, 5)]


class Watched(nn.Module):
    """Notes in which mode it is run, and draws."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.net, self.modes = nn.Linear(n_in, n_out), []

    def forward(self, x):
        self.modes.append((self.training, torch.is_grad_enabled()))
        return self.net(x + torch.rand_like(x))


def test_a_prior_starts_from_codes_in_evaluation_mode_and_from_the_seed():
    vae = VAE(2, prior="mixture", encoder=Watched, **QUICK)
    vae.set_params(learning_rate_init=1e-30, max_iter=1)
    before = torch.get_rng_state()
    models = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        models.append(clone(vae).fit(X))
    torch.set_rng_state(before)
    for model in models:
        trained = model.module_.encoder.modes.index((True, True))
        looks = 2  # at the output, in both modes
        assert set(model.module_.encoder.modes[looks:trained]) == {(False, False)}
    means = [model.module_.prior.means for model in models]
    assert torch.equal(*means)


@pytest.mark.parametrize("scaling", ["global", None])
@every_estimator
def test_a_network_that_changes_its_input_does_not_change_the_data(estimator, scaling):
    """The same as one that works on a copy of its own."""
    estimator = clone(estimator).set_params(scaling=scaling)
    given = X.copy()
    fits = [with_networks(estimator, network).fit(given) for network in (InPlace, Careful)]
    curves = [model.loss_curve_ for model in fits]
    np.testing.assert_allclose(*curves, rtol=1e-5)
    np.testing.assert_allclose(*[model.transform(given) for model in fits], rtol=1e-4, atol=1e-5)
    assert np.array_equal(given, X)


class Careful(nn.Sequential):
    """`InPlace`, without changing its input."""

    def __init__(self, n_in, n_out):
        super().__init__(nn.ReLU(), nn.Linear(n_in, n_out))


# What cannot work


class Tuple(nn.Linear):
    def forward(self, x):
        return super().forward(x), None


class Whole(nn.Linear):
    def forward(self, x):
        return super().forward(x).long()


class Stateful(nn.Linear):
    def get_extra_state(self):
        return {"epochs": 1}

    def set_extra_state(self, state):
        pass


def complex_network(n_in, n_out):
    return nn.Linear(n_in, n_out, dtype=torch.complex64)


def on_meta(n_in, n_out):
    return nn.Linear(n_in, n_out, device="meta")


def hooked(n_in, n_out):
    return torch.nn.utils.spectral_norm(nn.Linear(n_in, n_out))


def failing(n_in, n_out):
    raise RuntimeError("out of ideas")


def too_wide(n_in, n_out):
    return nn.Linear(n_in + 1, n_out)


REFUSED = [
    (Tuple, TypeError, "return a tensor. Given 2 rows it returned tuple"),
    (Whole, ValueError, "return floating-point numbers. Got torch.int64"),
    (Stateful, ValueError, "keep nothing but tensors in its state_dict"),
    (complex_network, ValueError, "have real parameters"),
    (on_meta, ValueError, "have its parameters in memory.*'meta'"),
    (hooked, ValueError, "not use torch.nn.utils.weight_norm.*parametrizations"),
    (failing, ValueError, "make a network .*RuntimeError: out of ideas"),
    (nn.Conv1d, ValueError, "make a network .*kernel_size"),
    (too_wide, ValueError, "take rows of .*RuntimeError"),
]


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize(("network", "error", "words"), REFUSED)
def test_what_cannot_work_names_the_parameter(network, error, words, name):
    with pytest.raises(error, match=f"^{name} must {words}"):
        clone(ESTIMATORS["Autoencoder"]).set_params(**{name: network}).fit(X)


def frozen(n_in, n_out):
    return nn.Linear(n_in, n_out).requires_grad_(False)


def same(n_in, n_out):
    return nn.Identity()


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@every_estimator
def test_half_of_a_model_may_be_frozen(estimator, name):
    module = clone(estimator).set_params(**{name: frozen}).fit(X).module_
    assert not any(p.requires_grad for p in getattr(module, name).parameters())
    assert any(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("network", [frozen, same])
def test_something_must_be_there_to_train(network):
    with pytest.raises(ValueError, match="encoder and decoder must have a parameter"):
        with_networks(ESTIMATORS["Autoencoder"], network).fit(X)


def test_the_noise_of_a_frozen_vae_is_learned():
    vae = with_networks(VAE(4, **QUICK), frozen).set_params(max_iter=30).fit(X)
    assert vae.loss_curve_[-1] < vae.loss_curve_[0]
    with pytest.raises(ValueError, match="encoder and decoder must have a parameter"):
        with_networks(VAE(4, noise_variance=0.1, **QUICK), frozen).fit(X)


def test_a_factory_makes_new_networks():
    """Two fits would train one network, and each undo what the other has learnt."""
    only = nn.Linear(4, 4)
    ae = Autoencoder(4, encoder=lambda n_in, n_out: only, **QUICK).fit(X)
    with pytest.raises(ValueError, match="encoder must make a new network each time"):
        clone(ae).fit(X)
    assert np.isfinite(clone(ae).set_params(encoder=only).fit(X).score(X))


class Transposed(nn.Module):
    """A decoder that the user has tied to an encoder."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, z):
        return z @ self.encoder.weight


def test_networks_may_share_parameters():
    encoder = nn.Linear(4, 2)
    nn.init.eye_(encoder.weight)
    ae = Autoencoder(
        2, encoder=lambda i, o: encoder, decoder=lambda i, o: Transposed(encoder), **QUICK
    ).set_params(max_iter=100)
    module = ae.fit(X).module_
    assert module.decoder.encoder is module.encoder
    assert ae.score(X) > 0.8


def test_whitened_codes_have_no_tied_decoder():
    aae = AdversarialAutoencoder(tied_weights=True, linear_path=True, **QUICK)
    with pytest.raises(ValueError, match="linear_path=True needs tied_weights=False"):
        aae.fit(X)
    assert np.isfinite(aae.set_params(linear_path="auto").fit(X).score(X))
