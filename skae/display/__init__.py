"""Displays in scikit-learn's convention: losses, reconstructions, codes."""

from .manifolds import *  # noqa: F403
from .manifolds import __all__ as __all__
