"""What stands for a network among an estimator's parameters and can be searched, as it is one."""

from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator


class BaseRecipe(BaseEstimator, ABC):
    """Base class of recipes: what networks to build, as parameters.

    A recipe is given as ``encoder``, and ``decoder=None`` is then its mirror, or as ``decoder``.
    Its parameters are stored in ``__init__`` and nothing else, as in every estimator. What it
    builds is a `nn.network.BaseNetwork`, with a linear path where it is asked for.
    """

    @abstractmethod
    def make_encoder(self, n_features, n_out, *, n_conditions=0, linear_path=False, generator):
        """Return a network from rows, with a condition beside them, to what the code is made of.

        Parameters
        ----------
        n_features : int
            Columns of a row.
        n_out : int
            Number of outputs.
        n_conditions : int, default=0
            Columns of the condition, after those of the row.
        linear_path : bool, default=False
            Whether the network has one.
        generator : torch.Generator or None
            Draws the initial weights.
        """

    @abstractmethod
    def make_decoder(self, n_in, n_features, *, linear_path=False, generator):
        """Return a network from codes, with a condition beside them, to rows; see `make_encoder`.

        Parameters
        ----------
        n_in : int
            Columns of code and condition together.
        n_features : int
            Columns of a row.
        linear_path : bool, default=False
            Whether the network has one.
        generator : torch.Generator or None
            Draws the initial weights.
        """


def recipe_of(estimator, name):
    """Return the recipe of "encoder" or "decoder", or None; one of the encoder serves both."""
    given = getattr(estimator, name)
    if given is None and name == "decoder":
        given = estimator.encoder
    return given if isinstance(given, BaseRecipe) else None


def is_recipe_class(given):
    """Whether a class of recipes was given, where an instance is meant."""
    return isinstance(given, type) and issubclass(given, BaseRecipe)
