"""The estimators that the common tests run over: every public one, small, and main variants."""

import pytest
import torch
from torch import nn

from skae import Autoencoder

QUICK = {"max_iter": 4, "random_state": 0}


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


# One of each public class: a new estimator is one line here.
DEFAULTS = {
    "Autoencoder": Autoencoder(**QUICK),
}

VARIANTS = {
    "linear": Autoencoder(hidden_layer_sizes=(), linear_path=False, **QUICK),
    "deep": Autoencoder(3, hidden_layer_sizes=(16, 8), activation="gelu", **QUICK),
    "textbook": Autoencoder(linear_path=False, activation="tanh", **QUICK),
    "tied": Autoencoder(tied_weights=True, code_activation="sigmoid", **QUICK),
    "regularised": Autoencoder(alpha=0.1, dropout=0.2, **QUICK),
    "early stopping": Autoencoder(early_stopping=True, **QUICK),
    "standardised": Autoencoder(scaling="standard", optimizer="sgd", **QUICK),
    "unscaled": Autoencoder(scaling=None, learning_rate="constant", **QUICK),
    "double": Autoencoder(dtype="float64", **QUICK),
    "lbfgs": Autoencoder(
        optimizer=torch.optim.LBFGS, learning_rate_init=0.1, batch_size=1000, **QUICK
    ),
    "own networks": Autoencoder(encoder=SmallEncoder, decoder=SmallDecoder, **QUICK),
    "own template": Autoencoder(3, encoder=nn.Linear(4, 3), **QUICK),
}


def all_estimators(exclude=()):
    """Parametrise a test over every estimator and variant."""
    named = {**DEFAULTS, **VARIANTS}
    return pytest.mark.parametrize(
        "estimator", [pytest.param(e, id=name) for name, e in named.items() if name not in exclude]
    )
