"""The display of what codes on a grid are decoded to."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from ..estimator.wrapped import check_has
from .axes import make_room, new_axes, size_in_inches
from .codes import check_pair
from .inputs import check_axes, check_images
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


class ManifoldDisplay:
    """Images decoded from a grid over two numbers of the code, each where its code lies.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_columns, height, width) or \
            (n_rows, n_columns, height, width, 3)
        The first row holds the images of the highest second number.
    centers : tuple of ndarray, of shapes (n_columns,) and (n_rows,)
        The numbers of the code, from left to right and from bottom to top, evenly spaced.
    value_range : tuple (low, high) or None, default=None
        The values from which and to which it is drawn; None for those of the images, as
        `ReconstructionDisplay` finds them.
    components : tuple of two int, default=(0, 1)
        Which two.
    cmap : str or None, default=None
        The shades of grey images; None for those in which `ReconstructionDisplay` draws them.
    estimator_name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage

    See Also
    --------
    LatentDisplay : Where the rows lie.
    ReconstructionDisplay : Single rows and what becomes of them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import ManifoldDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = ManifoldDisplay.from_estimator(PCA(2).fit(X), X, n_images=10)
    >>> display.images.shape
    (9, 10, 8, 8)
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        images: np.ndarray,
        centers: tuple[np.ndarray, np.ndarray],
        *,
        value_range: tuple[float, float] | None = None,
        components: tuple[int, int] = (0, 1),
        cmap: Any = None,
        estimator_name: str | None = None,
    ) -> None:
        self.images = images
        self.centers = centers
        self.value_range = value_range
        self.components = components
        self.cmap = cmap
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        components: tuple[int, int] = (0, 1),
        limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
        n_images: int = 16,
        image_shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> ManifoldDisplay:
        """Decode a grid of codes with a fitted transformer.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``
            Of skae, of scikit-learn, or a pipeline.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, 3)
            Its codes say where the grid lies, and what the grid does not vary is as in their mean.
            Scale and shades are those of `ReconstructionDisplay` for X.
        components : tuple of two int, default=(0, 1)
            Which two numbers of the code vary.
        limits : tuple ((left, right), (bottom, top)) or None, default=None
            The codes of the outermost images. None takes the 2 % and 98 % quantiles of the codes
            of X.
        n_images : int, default=16
            Number of images along the longer side. The other side has as many as keep both axes
            on the same scale.
        image_shape : tuple (height, width) or (height, width, 3), default=None
            None for the shape of the images in X or, where X has two dimensions, that of the
            network (see `skae.networks.Conv`), or grey squares.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : ManifoldDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``inverse_transform``.
        ValueError
            If `components` are not two of the code's, or the images have another number of
            features than X has.
        """
        check_scalar(n_images, "n_images", Integral, min_val=2)
        check_has(estimator, "inverse_transform")
        X, image_shape = to_rows(X, image_shape)
        image_shape = known_shape(image_shape, estimator)
        Z, pixels = to_dense(estimator.transform(X)), to_dense(X)
        shape = check_image_shape(image_shape, pixels.shape[1])
        pair = check_pair(components, Z.shape[1])
        if limits is None:
            limits = np.quantile(Z[:, pair], [0.02, 0.98], axis=0).T
        check_limits(limits)
        centers = _even_grid(limits, n_images, (shape[1] + 1, shape[0] + 1))
        across, up = np.meshgrid(centers[0], centers[1][::-1])
        codes = np.repeat(Z.mean(axis=0, keepdims=True), across.size, axis=0)
        codes[:, pair] = np.column_stack([across.ravel(), up.ravel()])
        images = to_dense(estimator.inverse_transform(codes)).reshape(*across.shape, *shape)
        display = cls(
            images,
            centers,
            value_range=value_range(pixels, is_coloured=len(shape) == 3),
            components=components,
            cmap=grey_map(pixels),
            estimator_name=type(estimator).__name__,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ManifoldDisplay:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : ManifoldDisplay
            This one, with `ax_` and `figure_`.
        """
        images = check_images(self.images, "images", "n_rows", "n_columns")
        height, width = images.shape[2:4]
        centers = check_axes(self.centers, "centers", *images.shape[1::-1])
        i, j = check_pair(self.components, np.inf)
        self.ax_, self.figure_ = new_axes(ax, size_in_inches(images, 0.4))
        extent = []
        for values, n_pixels in zip(centers, (width, height), strict=True):
            margin = (values[1] - values[0]) * n_pixels / (2 * n_pixels + 2)
            extent += [values[0] - margin, values[-1] + margin]
        low, high = self.value_range or value_range(images, images.ndim == 5)
        shades = {"low": low, "high": high, "cmap": self.cmap or grey_map(images)}
        self.image_ = draw(self.ax_, images, **shades, options=kwargs, extent=extent)
        self.ax_.set(xlabel=f"code {i}", ylabel=f"code {j}")
        self.ax_.spines[:].set_visible(False)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if ax is None:
            make_room(self.figure_)
        return self


def check_limits(limits):
    """Refuse what is not a lower and an upper bound for each of two axes."""
    if np.shape(limits) != (2, 2) or not np.all(np.diff(limits) >= 0):
        raise ValueError(
            "limits must be ((left, right), (bottom, top)), the lower one first. Got "
            f"{limits!r} instead."
        )


def _even_grid(limits, n_images, sizes):
    """Return values along both axes, steps in proportion to sizes, around the limits' middle."""
    spans = [high - low for low, high in limits]
    span = max(span / size for span, size in zip(spans, sizes, strict=True))
    step = span / (n_images - 1) or 1.0  # codes that are all the same
    values = []
    for (low, high), span, size in zip(limits, spans, sizes, strict=True):
        n = max(2, round(span / (step * size)) + 1)
        values.append((low + high) / 2 + step * size * (np.arange(n) - (n - 1) / 2))
    return tuple(values)
