"""The display of images above their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..estimator.wrapped import check_has
from .axes import make_room, new_axes, size_in_inches
from .inputs import check_images, check_names
from .pictures import (
    check_image_shape,
    draw,
    grey_map,
    known_shape,
    to_dense,
    to_rows,
    value_range,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ReconstructionDisplay:
    """Images above their reconstructions, one row of pictures for each transformer.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    All rows have the scale of the first one, and what lies outside of it is clipped. Grey images
    are drawn from the lowest to the highest value, colour images from 0 to 1 or, where a value is
    above 2, from 0 to 255; those with other values, standardised ones for instance, as grey ones.

    Grey images are drawn as ink on paper (``cmap="gray_r"``) where more than a quarter of the
    pixels of the first row have exactly the lowest value, and fewer the highest; else as
    photographs (``"gray"``). That is a guess: digits with noise, or centred pixel by pixel, have
    no paper, and underexposed photographs have some. Pass ``cmap`` where it is wrong.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_images, height, width) or \
            (n_rows, n_images, height, width, 3)
        The first row decides on scale and shades: the clean images, or else the input.
    row_names : list of str
        What stands at the left of each row.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage

    See Also
    --------
    ManifoldDisplay : Images decoded from a grid of codes.
    DictionaryDisplay : The atoms that images are made of.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(5).fit(X)
    >>> display = ReconstructionDisplay.from_estimator({"PCA": pca}, X[:8])
    >>> display.row_names
    ['input', 'PCA']

    Noisy images beside what they were, and what becomes of them:

    >>> import numpy as np
    >>> noisy = X[:8] + np.random.default_rng(0).normal(scale=4, size=(8, 64))
    >>> display = ReconstructionDisplay.from_estimator({"PCA": pca}, noisy, X_clean=X[:8])
    >>> display.row_names
    ['clean', 'input', 'PCA']
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(self, images: np.ndarray, row_names: Sequence[str]) -> None:
        self.images = images
        self.row_names = row_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        X_clean: ArrayLike | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> ReconstructionDisplay:
        """Draw rows of X as images, and as the estimator gives them back.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``, or dict of them by name
            A row of pictures for each.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, 3)
            The images to draw, one a row. Transformers are given rows of all their numbers.
        X_clean : array-like of the shape of X or None, default=None
            What X was before noise or damage, drawn above it.
        image_shape : tuple (height, width) or (height, width, 3), default=None
            None for the shape of the images in X or, where X has two dimensions, that of the
            network (see `skae.networks.Conv`), or grey squares.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``: ``cmap``, ``vmin`` and ``vmax`` in place of what is described
            above.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        TypeError
            If an estimator has no ``inverse_transform``.
        ValueError
            If the images have another number of features than X has, or if `image_shape` is not
            given and that is not a square.
        """
        named = estimator if isinstance(estimator, dict) else {type(estimator).__name__: estimator}
        if not named:
            raise ValueError("estimator must hold at least one transformer. Got {} instead.")
        for model in named.values():
            check_has(model, "inverse_transform")
        X, image_shape = to_rows(X, image_shape)
        image_shape = known_shape(image_shape, *named.values())
        rows = {} if X_clean is None else {"clean": _clean_rows(X_clean, X, image_shape)}
        rows["input"] = to_dense(X)
        shape = rows["input"].shape
        restored = {name: _reconstruct(name, model, X, shape) for name, model in named.items()}
        images = np.stack([*rows.values(), *restored.values()])
        images = images.reshape(*images.shape[:2], *check_image_shape(image_shape, shape[1]))
        return cls(images, [*rows, *restored]).plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ReconstructionDisplay:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : ReconstructionDisplay
            This one, with `ax_` and `figure_`.
        """
        images = check_images(self.images, "images", "n_rows", "n_images")
        n_rows, _n_images, height, *_ = images.shape
        names = check_names(self.row_names, "row_names", n_rows, "rows of images")
        self.ax_, self.figure_ = new_axes(ax, size_in_inches(images))
        low, high = value_range(images[0], is_coloured=images.ndim == 5)
        shades = {"low": low, "high": high, "cmap": grey_map(images[0])}
        self.image_ = draw(self.ax_, images, **shades, options=kwargs)
        middles = np.arange(n_rows) * (height + 1) + (height - 1) / 2
        self.ax_.set_yticks(middles, names)
        self.ax_.set_xticks([])
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        if ax is None:
            make_room(self.figure_)
        return self


def _clean_rows(X_clean, X, image_shape):
    clean, _ = to_rows(X_clean, image_shape, "X_clean")
    if np.shape(clean) != np.shape(X):
        raise ValueError(
            "X_clean must hold the images of X, as many and as large: rows of the shape "
            f"{np.shape(X)}. Got {np.shape(clean)} instead."
        )
    return to_dense(clean)


def _reconstruct(name, model, X, shape):
    X_hat = to_dense(model.inverse_transform(model.transform(X)))
    if X_hat.shape != shape:
        raise ValueError(
            f"{name} must give back rows like those of X, of the shape {shape}. Got {X_hat.shape} "
            "instead."
        )
    return X_hat
