"""Recipes of networks, for the parameters ``encoder`` and ``decoder`` of all estimators."""

import math
from numbers import Integral

from ._keywords import explains_unknown_keywords
from ._sklearn import Interval, StrOptions
from .data.inputs import plain
from .estimator.recipes import BaseRecipe
from .nn.activations import ACTIVATIONS
from .nn.convolutions import ConvDecoder, ConvEncoder, Plan

__all__ = ["Conv"]


class Conv(BaseRecipe):
    """Convolutional networks of images, as ``encoder=Conv((28, 28))``.

    X stays a table, a row for each image: ``images.reshape(len(images), -1)``. With
    ``decoder=None`` the decoder is the encoder's mirror. As with perceptrons there is a linear
    path beside both networks, which start at PCA's solution, unless the estimator's
    ``linear_path`` is off.

    The encoder halves height and width at each level by a 3 x 3 convolution with stride 2; the
    decoder doubles them by 4 x 4 transposed convolutions with stride 2. Residual blocks of two
    3 x 3 convolutions stand between. There is no normalisation: each row is encoded by itself.

    Parameters
    ----------
    image_shape : tuple of int
        Height and width, or height, width and channels, as they lie in a raveled image.

    channels : tuple of int, default=(32, 64)
        Channels of each level.

    n_blocks : int, default=0
        Number of residual blocks at each level.

    activation : str, default="silu"
        Function between convolutions: "relu", "tanh", "sigmoid", "logistic", "leaky_relu", "elu",
        "gelu", "silu", "softplus" or "identity".

    See Also
    --------
    skae.Autoencoder : Takes it as ``encoder``, as all estimators with networks do.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.networks import Conv
    >>> X, _ = load_digits(return_X_y=True)
    >>> conv = Conv((8, 8))
    >>> ae = Autoencoder(8, encoder=conv, max_iter=5, random_state=0).fit(X)
    >>> ae.transform(X).shape
    (1797, 8)
    """

    _parameter_constraints = {
        "image_shape": [tuple, list],
        "channels": [tuple, list, Interval(Integral, 1, None, closed="left")],
        "n_blocks": [Interval(Integral, 0, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    @explains_unknown_keywords
    def __init__(self, image_shape, *, channels=(32, 64), n_blocks=0, activation="silu"):
        self.image_shape = image_shape
        self.channels = channels
        self.n_blocks = n_blocks
        self.activation = activation

    def __call__(self, n_in, n_out):
        """Return a network alone: an encoder, or a decoder where only the outputs are an image.

        Parameters
        ----------
        n_in : int
            Number of inputs.
        n_out : int
            Number of outputs.

        Returns
        -------
        network : torch.nn.Module
            With initial weights from torch's global generator.
        """
        if n_out == self._plan().n_pixels != n_in:
            return self.make_decoder(n_in, n_out, generator=None)
        return self.make_encoder(n_in, n_out, generator=None)

    def make_encoder(self, n_features, n_out, *, n_conditions=0, linear_path=False, generator):
        """Return an encoder, from images to what the code is made of.

        Parameters
        ----------
        n_features : int
            Numbers of an image.
        n_out : int
            Number of outputs.
        n_conditions : int, default=0
            Columns of a condition, after those of the image.
        linear_path : bool, default=False
            Whether there is one beside it.
        generator : torch.Generator or None
            Draws the initial weights; None for torch's global one.

        Returns
        -------
        network : torch.nn.Module
            On the CPU, in single precision.

        Raises
        ------
        ValueError
            If an image of `image_shape` has another number of numbers.
        """
        plan = self._plan_for(n_features, linear_path)
        return ConvEncoder(plan, n_out, n_conditions=n_conditions, generator=generator)

    def make_decoder(self, n_in, n_features, *, linear_path=False, generator):
        """Return a decoder, from codes to images.

        Parameters
        ----------
        n_in : int
            Columns of code and condition together.
        n_features : int
            Numbers of an image.
        linear_path : bool, default=False
            Whether there is one beside it.
        generator : torch.Generator or None
            Draws the initial weights; None for torch's global one.

        Returns
        -------
        network : torch.nn.Module
            On the CPU, in single precision.

        Raises
        ------
        ValueError
            If an image of `image_shape` has another number of numbers.
        """
        return ConvDecoder(self._plan_for(n_features, linear_path), n_in, generator=generator)

    def _plan(self, linear_path=False):
        self._validate_params()
        channels = plain([self.channels] if isinstance(self.channels, Integral) else self.channels)
        shape = plain(tuple(self.image_shape))
        _check_counts(
            "image_shape", shape, range(2, 4), "(height, width) or (height, width, channels)"
        )
        _check_counts("channels", channels, range(1, 100), "the channels of each level")
        height, width, depth = (*shape, 1)[:3]
        return Plan(
            (height, width, depth), tuple(channels), self.n_blocks, self.activation, linear_path
        )

    def _plan_for(self, n_features, linear_path):
        plan = self._plan(linear_path)
        if plan.n_pixels != n_features:
            shape = tuple(self.image_shape)
            raise ValueError(
                f"image_shape={shape} is that of rows with {plan.n_pixels} numbers. Got rows with "
                f"{n_features}{_advise(n_features)}."
            )
        return plan


def _check_counts(name, given, lengths, meaning):
    """Refuse what is no tuple of positive integers of an allowed length."""
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in given)
    if len(given) not in lengths or not whole:
        raise ValueError(
            f"{name} must be {meaning}, integers of at least 1. Got {given!r} instead."
        )


def _advise(n_features):
    """Return which image shape rows may be of."""
    for depth in (1, 3):
        side = math.isqrt(n_features // depth)
        if side**2 * depth == n_features:
            return f", such as images of {(side, side) if depth == 1 else (side, side, depth)}"
    return ""
