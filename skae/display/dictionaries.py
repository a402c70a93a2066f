"""The display of the atoms of a linear decoder."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ..estimator.wrapped import where_inside
from .axes import make_room, new_axes, size_in_inches
from .inputs import check_images
from .pictures import check_image_shape, draw, relative_to_largest

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class DictionaryDisplay:
    """The rows of `components_` as images, each on its own scale around zero.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Zero is white, or the middle grey of colour images.

    Parameters
    ----------
    images : ndarray of shape (n_components, height, width) or (n_components, height, width, 3)
        The atoms, in the order in which they are drawn.
    n_columns : int, default=16
        Number of images in a row of the picture.
    estimator_name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage

    See Also
    --------
    ManifoldDisplay : Images decoded from a grid of codes.
    LoadingsDisplay : What each number says, where features are no pixels.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import DictionaryDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = DictionaryDisplay.from_estimator(PCA(32).fit(X))
    >>> display.images.shape
    (32, 8, 8)
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self, images: np.ndarray, *, n_columns: int = 16, estimator_name: str | None = None
    ) -> None:
        self.images = images
        self.n_columns = n_columns
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_columns: int = 16,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> DictionaryDisplay:
        """Draw the dictionary of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator with ``components_``
            `SparseAutoencoder`, PCA, NMF, dictionary learning, ...
        image_shape : tuple (height, width) or (height, width, 3), default=None
            None for grey squares.
        n_columns : int, default=16
            Number of images in a row of the picture.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : DictionaryDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``components_``.
        ValueError
            If the images have another number of features than ``components_`` has, or if
            `image_shape` is not given and that is not a square.
        """
        atoms = _get_atoms(estimator)
        shape = check_image_shape(image_shape, atoms.shape[1], "the rows of components_")
        images = atoms.reshape(-1, *shape)
        display = cls(images, n_columns=n_columns, estimator_name=type(estimator).__name__)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> DictionaryDisplay:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : DictionaryDisplay
            This one, with `ax_` and `figure_`.
        """
        check_scalar(self.n_columns, "n_columns", Integral, min_val=1)
        images = check_images(self.images, "images", "n_components")
        n_columns = min(self.n_columns, len(images))
        n_rows = -(-len(images) // n_columns)
        scaled = relative_to_largest(images)
        grid = np.full((n_rows * n_columns, *scaled.shape[1:]), np.nan)
        grid[: len(scaled)] = scaled
        grid = grid.reshape(n_rows, n_columns, *scaled.shape[1:])
        self.ax_, self.figure_ = new_axes(ax, size_in_inches(grid, 0.5))
        self.image_ = draw(self.ax_, grid, low=-1, high=1, cmap="RdBu_r", options=kwargs)
        self.ax_.set_axis_off()
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if ax is None:
            make_room(self.figure_)
        return self


def _get_atoms(estimator):
    def has_atoms(step):
        return hasattr(step, "components_")

    check_is_fitted(estimator)
    if not has_atoms(estimator):
        raise TypeError(
            "estimator must have components_, the atoms of a linear decoder. Got "
            f"{type(estimator).__name__} instead.{where_inside(estimator, has_atoms)}"
        )
    return np.asarray(estimator.components_)
