"""What variants of one's own are made of, in one place to import from; see ``docs/extending.md``.

Nothing is defined here. Modules (`BaseModule`, `AutoencoderModule`, `VAEModule`, networks `MLP`),
estimators (`BaseAutoencoder`, `SamplesFromPrior`, `SamplesFromCodes`), and what their methods are
written with.
"""

from ._sklearn import Interval, StrOptions
from .estimator.base import BaseAutoencoder
from .estimator.inference import map_rows
from .estimator.needs import Need, needs_value
from .estimator.networks import make_network
from .estimator.sampling import SamplesFromCodes, SamplesFromPrior, seed_for_samples
from .nn.autoencoder import AutoencoderModule
from .nn.module import BaseModule
from .nn.networks import MLP
from .nn.variational import VAEModule
from .training.randomness import make_generator, make_random_state

__all__ = [
    "MLP",
    "AutoencoderModule",
    "BaseAutoencoder",
    "BaseModule",
    "Interval",
    "Need",
    "SamplesFromCodes",
    "SamplesFromPrior",
    "StrOptions",
    "VAEModule",
    "make_generator",
    "make_network",
    "make_random_state",
    "map_rows",
    "needs_value",
    "seed_for_samples",
]
