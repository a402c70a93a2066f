"""The display of codes as points, and which two of their numbers are drawn."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import assert_all_finite, check_array, column_or_1d

from ..estimator.wrapped import check_has
from .axes import import_pyplot, make_room, new_axes
from .pictures import to_dense

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_LEGEND = 20  # classes in a column


class LatentDisplay:
    """The first two numbers of the code of each row, coloured by class or by value.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
        Codes; of more than two components the chosen two are drawn, of one its histogram.
    y : array-like of shape (n_samples,) or None, default=None
        Classes (up to 20 different values, or strings) or numbers.
    components : tuple of two int, default=(0, 1)
        Which two.
    estimator_name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    ManifoldDisplay : What decodes from each place.
    ReconstructionDisplay : Rows and what the code keeps of them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import LatentDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LatentDisplay.from_estimator(PCA(2).fit(X), X, y)
    >>> display.ax_.get_title()
    'PCA'
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        Z: ArrayLike,
        y: ArrayLike | None = None,
        *,
        components: tuple[int, int] = (0, 1),
        estimator_name: str | None = None,
    ) -> None:
        self.Z = Z
        self.y = y
        self.components = components
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        components: tuple[int, int] = (0, 1),
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> LatentDisplay:
        """Draw the codes that a fitted transformer gives to X.

        Parameters
        ----------
        estimator : fitted transformer
            With ``transform``: of skae, of scikit-learn, or a pipeline.
        X : array-like of shape (n_samples, n_features)
            Rows whose codes are drawn.
        y : array-like of shape (n_samples,) or None, default=None
            Colours of the points: classes or numbers.
        components : tuple of two int, default=(0, 1)
            Which two numbers of the code.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.scatter`` (``ax.hist`` for codes of one number).

        Returns
        -------
        display : LatentDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``transform``.
        ValueError
            If `y` has not one value for each row, or `components` are not two of the code's.
        """
        own = " LatentDisplay(Z, y).plot() draws codes that you have."
        check_has(estimator, "transform", own)
        Z = to_dense(estimator.transform(X))
        name = type(estimator).__name__
        display = cls(Z, y, components=components, estimator_name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> LatentDisplay:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.scatter`` (``ax.hist`` for codes of one number).

        Returns
        -------
        display : LatentDisplay
            This one, with `ax_` and `figure_`.
        """
        Z = check_array(self.Z, input_name="Z")
        y = None if self.y is None else _check_values(self.y, len(Z))
        n_components = Z.shape[1]
        if n_components > 1 or not np.array_equal(self.components, (0, 1)):  # one has a histogram
            check_pair(self.components, n_components)
        self.ax_, self.figure_ = new_axes(ax)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        (self._plot_histogram if n_components == 1 else self._plot_points)(Z, y, kwargs)
        if ax is None:
            make_room(self.figure_)
        return self

    def _plot_points(self, Z, y, kwargs):
        i, j = self.components
        self.ax_.set(xlabel=f"code {i}", ylabel=f"code {j}")
        points = Z[:, i], Z[:, j]
        if y is None or _are_numbers(y):
            scatter = self.ax_.scatter(*points, c=y, **{"s": 6, "linewidths": 0, **kwargs})
            if y is not None:
                self.figure_.colorbar(scatter, ax=self.ax_)
            return
        for label, color in _class_colors(y):
            style = {"s": 6, "color": color, "linewidths": 0, "label": label, **kwargs}
            self.ax_.scatter(points[0][y == label], points[1][y == label], **style)
        self._legend(markerscale=3, handletextpad=0.1)

    def _plot_histogram(self, Z, y, kwargs):
        self.ax_.set(xlabel="code 0", ylabel="rows")
        numbers = Z[:, 0]
        if y is None or _are_numbers(y):
            self.ax_.hist(numbers, **{"bins": 40, **kwargs})
            return
        labels, colors = zip(*_class_colors(y), strict=True)
        values = [numbers[y == label] for label in labels]
        style = {"bins": 40, "stacked": True, "color": colors, "label": labels, **kwargs}
        self.ax_.hist(values, **style)
        self._legend()

    def _legend(self, **options):
        self.ax_.legend(
            frameon=False,
            loc="center left",
            bbox_to_anchor=(1, 0.5),
            ncols=-(-len(self.ax_.get_legend_handles_labels()[1]) // LONGEST_LEGEND),
            **options,
        )


def _check_values(y, n_rows):
    y = column_or_1d(y)
    if len(y) != n_rows:
        raise ValueError(
            f"y must have one value for each of the {n_rows} rows. Got {len(y)} values instead."
        )
    assert_all_finite(y, input_name="y")
    try:
        np.unique(y)
    except TypeError as error:  # as None and text have no order
        kinds = ", ".join(sorted({type(value).__name__ for value in y}))
        raise ValueError(
            f"y must hold classes of one type. Got values of the types {kinds}: "
            "np.asarray(y).astype(str) makes strings of them."
        ) from error
    return y


def check_pair(components, n_components, kind="codes"):
    """Return which two numbers of a code of so many, or which two of the features, are drawn."""
    if n_components < 2:
        needed = "codes of two numbers at least. Got codes of one."
        if kind == "features":
            needed = "two features at least. Got one."
        raise ValueError(f"components={components!r} needs {needed}")
    pair = list(components) if isinstance(components, (tuple, list, np.ndarray)) else []
    is_pair = len(pair) == 2 and all(isinstance(k, Integral) for k in pair)
    if not is_pair or pair[0] == pair[1] or not all(0 <= k < n_components for k in pair):
        most = "" if n_components == np.inf else f" to {n_components - 1}"
        raise ValueError(
            f"components must be two different integers from 0{most}. Got {components!r} instead."
        )
    return pair


def _are_numbers(y):
    return np.issubdtype(y.dtype, np.number) and len(np.unique(y)) > 20


def _class_colors(y):
    """Return (label, colour) pairs."""
    labels = np.unique(y)
    n = len(labels)
    map_ = import_pyplot().get_cmap("tab10" if n <= 10 else "tab20" if n <= 20 else "turbo")
    return [(label, map_(k if n <= 20 else k / (n - 1))) for k, label in enumerate(labels)]
