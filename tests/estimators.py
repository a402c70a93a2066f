"""The estimators that the common tests run over: every public one, small, and main variants."""

import functools
import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from torch import nn

from skae import (
    GLGAE,
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.estimator.base import BaseAutoencoder
from skae.estimator.recipes import BaseRecipe
from skae.networks import Conv

EPOCHS = {"max_iter": 4, "random_state": 0}
QUICK = {**EPOCHS, "batch_size": 50}  # three steps an epoch of iris, in place of ten


class SmallEncoder(nn.Sequential):
    """A network with layers that need care: batch normalisation and torch's own dropout."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Linear(n_in, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, n_out)
        )


class SmallDecoder(nn.Sequential):
    """The mirror of `SmallEncoder`."""

    def __init__(self, n_in, n_out):
        super().__init__(nn.Linear(n_in, 8), nn.ReLU(), nn.Linear(8, n_out))


class RowConv(Conv):
    """Convolutions over images of one row, as long as the rows of any data."""

    def __init__(self, image_shape=(1, 1), *, channels=(4, 6), n_blocks=0, activation="silu"):
        super().__init__(image_shape, channels=channels, n_blocks=n_blocks, activation=activation)

    def _plan_for(self, n_features, linear_path):
        return self._plan(linear_path)._replace(image_shape=(1, n_features, 1))


def jitter(x):
    """Corrupt with torch's global generator, as a user would."""
    return x + 0.1 * torch.randn_like(x)


def uniform(n_samples, n_components, generator):
    """Draw from a prior with torch's global generator, as a user would."""
    return 3**0.5 * (2 * torch.rand(n_samples, n_components) - 1)


def code_size(estimator):
    """Return the size of the code of a fitted estimator."""
    return len(estimator.get_feature_names_out())


def has_engine(estimator):
    """Whether gradients train it: it has networks, a loss curve, epochs and a warm start."""
    return isinstance(estimator, BaseAutoencoder)


def from_chance(estimator):
    """Return a copy that does not start at PCA, where there is a choice."""
    textbook = {"linear_path": False} if has_engine(estimator) else {}
    return clone(estimator).set_params(**textbook)


def is_generative(estimator):
    """Whether it is a density of the data, with noise in its samples; its score is log p(x)."""
    return "observation_noise" in inspect.signature(estimator.sample).parameters


# One of each public class: a new estimator is one line here.
DEFAULTS = {
    "AdversarialAutoencoder": AdversarialAutoencoder(**QUICK),
    "Autoencoder": Autoencoder(**QUICK),
    "ConditionalVAE": ConditionalVAE(**QUICK),
    "ContractiveAutoencoder": ContractiveAutoencoder(**QUICK),
    "DenoisingAutoencoder": DenoisingAutoencoder(**QUICK),
    "GLGAE": GLGAE(**EPOCHS),
    "SparseAutoencoder": SparseAutoencoder(**QUICK),
    "VAE": VAE(**QUICK),
}

# The variants that scikit-learn's checks and every kind of data run over, besides the defaults:
# one for each path through the code.
MAIN = {
    "linear": Autoencoder(hidden_layer_sizes=(), linear_path=False, **QUICK),
    "tied": Autoencoder(tied_weights=True, code_activation="sigmoid", **QUICK),
    "ordered": Autoencoder(3, ordered=True, **QUICK),
    "early stopping": Autoencoder(early_stopping=True, **QUICK),
    "own networks": Autoencoder(encoder=SmallEncoder, decoder=SmallDecoder, **QUICK),
    "masking": DenoisingAutoencoder(3, corruption="masking", **QUICK),
    "l1": SparseAutoencoder(sparsity="l1", penalty=0.1, **QUICK),
    "contractive deep": ContractiveAutoencoder(3, hidden_layer_sizes=(8,), **QUICK),
    "online map": GLGAE(n_nodes=20, solver="online", batch_size=40, **EPOCHS),
    "convolutional": Autoencoder(encoder=RowConv(n_blocks=1), **QUICK),
    "convolutional vae": VAE(3, encoder=RowConv(), **QUICK),
    "convolutional with a condition": ConditionalVAE(encoder=RowConv(), **QUICK),
    "full vamp": VAE(
        3, covariance_type="full", prior="vamp", noise_variance="per_feature", **QUICK
    ),
}

OTHERS = {
    "deep": Autoencoder(3, hidden_layer_sizes=(16, 8), activation="gelu", **QUICK),
    "textbook": Autoencoder(linear_path=False, activation="tanh", **QUICK),
    "regularised": Autoencoder(alpha=0.1, dropout=0.2, **QUICK),
    "standardised": Autoencoder(
        scaling="standard", optimizer="sgd", learning_rate_init=1e-3, **QUICK
    ),
    "unscaled": Autoencoder(scaling=None, learning_rate="constant", **QUICK),
    "double": Autoencoder(dtype="float64", **QUICK),
    "lbfgs": Autoencoder(
        optimizer=functools.partial(torch.optim.LBFGS, line_search_fn="strong_wolfe"),
        learning_rate_init=1.0,
        batch_size=1000,
        **EPOCHS,
    ),
    "salt and pepper": DenoisingAutoencoder(corruption="salt_and_pepper", **QUICK),
    "swap": DenoisingAutoencoder(corruption="swap", early_stopping=True, **QUICK),
    "own corruption": DenoisingAutoencoder(corruption=jitter, linear_path=False, **QUICK),
    "noise in units of x": DenoisingAutoencoder(
        corruption_units="data", scaling="standard", **QUICK
    ),
    "noise of x": DenoisingAutoencoder(3, corruption_level="auto", **QUICK),
    "kl": SparseAutoencoder(9, sparsity="kl", tied_weights=True, **QUICK),
    "batch top k": SparseAutoencoder(sparsity="batch_topk", hidden_layer_sizes=(7,), **QUICK),
    "jumprelu": SparseAutoencoder(sparsity="jumprelu", penalty=0.1, **QUICK),
    "wide": SparseAutoencoder(300, n_nonzero_coefs=2, **QUICK),
    "contractive estimate": ContractiveAutoencoder(
        3, hidden_layer_sizes=(8,), penalty_estimate="stochastic", dropout=0.1, **QUICK
    ),
    "map": GLGAE(objective="bound", dtype="float64", **EPOCHS),
    "unbounded map": GLGAE(1, objective="likelihood", constrain=False, n_nodes=8, **EPOCHS),
    "clustered map": GLGAE(4, n_nodes=20, **EPOCHS),
    "importance weighted": VAE(
        importance_weighted=True, n_mc_samples=3, prior="mixture", linear_path=False, **QUICK
    ),
    "denoising vae": VAE(
        corruption="gaussian", early_stopping=True, covariance_type="identity", **QUICK
    ),
    "mixture prior": AdversarialAutoencoder(
        3, prior="mixture", encoder_type="gaussian", dropout=0.1, **QUICK
    ),
    "own prior": AdversarialAutoencoder(prior=uniform, linear_path=True, **QUICK),
    "ordered vae": VAE(3, ordered=True, covariance_type="full", **QUICK),
    "ordered restorer": DenoisingAutoencoder(3, ordered=True, early_stopping=True, **QUICK),
    "beyond the rank": DenoisingAutoencoder(6, **QUICK),
    "own template": Autoencoder(3, encoder=nn.Linear(4, 3), **QUICK),
}

VARIANTS = {**MAIN, **OTHERS}


def _parametrize(named, exclude, only):
    chosen = {name: e for name, e in named.items() if name not in exclude and only(e)}
    return pytest.mark.parametrize("estimator", chosen.values(), ids=chosen)


def main_estimators(exclude=(), only=lambda estimator: True):
    """Parametrise a test over every estimator and the main variants."""
    return _parametrize({**DEFAULTS, **MAIN}, exclude, only)


def all_estimators(exclude=(), only=lambda estimator: True):
    """Parametrise a test over every estimator and variant."""
    return _parametrize({**DEFAULTS, **VARIANTS}, exclude, only)


@functools.cache
def fitted(estimator):
    """Return a copy of one of the estimators above fitted to iris, the same each time: to read."""
    return clone(estimator).fit(load_iris().data)


def same_state(a, b):
    """Whether two estimators hold the same, bit for bit, in containers of the same types."""
    return type(a) is type(b) and _is_same(a.__getstate__(), b.__getstate__())


def _is_same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_is_same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_is_same, a, b))
    if isinstance(a, np.ndarray):
        if [a.dtype, a.shape, a.flags.c_contiguous] != [b.dtype, b.shape, b.flags.c_contiguous]:
            return False
        return a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
    if isinstance(a, functools.partial):
        return _is_same([a.func, a.args, a.keywords], [b.func, b.args, b.keywords])
    if isinstance(a, nn.Module | BaseRecipe):
        return repr(a) == repr(b)
    return type(a) is type(b) and (a == b or a != a)
