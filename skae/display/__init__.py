"""Displays in scikit-learn's convention: losses, reconstructions, codes, what these are worth."""

from .codes import LatentDisplay
from .comparisons import CompareDisplay
from .dictionaries import DictionaryDisplay
from .errors import ErrorDisplay
from .fields import VectorFieldDisplay
from .loadings import LoadingsDisplay
from .losses import LossCurveDisplay
from .manifolds import ManifoldDisplay
from .priors import PriorDisplay
from .reconstructions import ReconstructionDisplay
from .scree import ScreeDisplay

__all__ = [
    "CompareDisplay",
    "DictionaryDisplay",
    "ErrorDisplay",
    "LatentDisplay",
    "LoadingsDisplay",
    "LossCurveDisplay",
    "ManifoldDisplay",
    "PriorDisplay",
    "ReconstructionDisplay",
    "ScreeDisplay",
    "VectorFieldDisplay",
]
