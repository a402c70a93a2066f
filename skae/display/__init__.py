"""Displays in scikit-learn's convention: losses, reconstructions, codes."""

from .codes import LatentDisplay
from .dictionaries import DictionaryDisplay
from .losses import LossCurveDisplay
from .manifolds import ManifoldDisplay
from .reconstructions import ReconstructionDisplay

__all__ = [
    "DictionaryDisplay",
    "LatentDisplay",
    "LossCurveDisplay",
    "ManifoldDisplay",
    "ReconstructionDisplay",
]
