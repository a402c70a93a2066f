"""Displays in scikit-learn's convention: losses, reconstructions, codes, what these explain."""

from .codes import LatentDisplay
from .dictionaries import DictionaryDisplay
from .loadings import LoadingsDisplay
from .losses import LossCurveDisplay
from .manifolds import ManifoldDisplay
from .reconstructions import ReconstructionDisplay
from .scree import ScreeDisplay

__all__ = [
    "DictionaryDisplay",
    "LatentDisplay",
    "LoadingsDisplay",
    "LossCurveDisplay",
    "ManifoldDisplay",
    "ReconstructionDisplay",
    "ScreeDisplay",
]
