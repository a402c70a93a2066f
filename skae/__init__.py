"""Autoencoders as scikit-learn estimators, trained with torch.

The names below are loaded at first use, so that ``import skae`` costs nothing and torch is
imported only by those who fit.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import display, distributed, exceptions, extending, metrics, networks, testing
    from . import onnx as onnx
    from .comparison import compare
    from .files import load
    from .imputation.estimator import Imputer
    from .models.adversarial import AdversarialAutoencoder
    from .models.autoencoder import Autoencoder
    from .models.conditional import ConditionalVAE
    from .models.contractive import ContractiveAutoencoder
    from .models.denoising import DenoisingAutoencoder
    from .models.glgae import GLGAE
    from .models.sparse import SparseAutoencoder
    from .models.vae import VAE

__version__ = "0.1.0"

_HOMES = {
    "AdversarialAutoencoder": ".models.adversarial",
    "Autoencoder": ".models.autoencoder",
    "ConditionalVAE": ".models.conditional",
    "ContractiveAutoencoder": ".models.contractive",
    "DenoisingAutoencoder": ".models.denoising",
    "GLGAE": ".models.glgae",
    "SparseAutoencoder": ".models.sparse",
    "VAE": ".models.vae",
}
_BESIDE = {"Imputer": ".imputation.estimator"}  # no autoencoder: neither code nor network
_FUNCTIONS = {"compare": ".comparison", "load": ".files"}
_ROOMS = (
    *("display", "distributed", "exceptions", "extending", "metrics", "networks", "onnx"),
    "testing",
)

# `onnx` is none of them: without its extra, ``from skae import *`` must work.
__all__ = [
    "GLGAE",
    "VAE",
    "AdversarialAutoencoder",
    "Autoencoder",
    "ConditionalVAE",
    "ContractiveAutoencoder",
    "DenoisingAutoencoder",
    "Imputer",
    "SparseAutoencoder",
    "compare",
    "display",
    "distributed",
    "exceptions",
    "extending",
    "load",
    "metrics",
    "networks",
    "testing",
]


def __getattr__(name):
    homes = {**_HOMES, **_BESIDE, **_FUNCTIONS}
    if name in homes:
        return getattr(import_module(homes[name], __name__), name)
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name == "__test__":  # where doctest looks for what a module does not define itself
        return {public: __getattr__(public) for public in (*_HOMES, *_BESIDE)}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
