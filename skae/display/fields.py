"""The display of where a model moves points: towards the data, where it has learned them."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_scalar

from ..data.inputs import to_array
from ..estimator.wrapped import check_has
from ..metrics.reconstructions import rows_and_reconstructions
from .axes import make_room, new_axes
from .codes import check_pair
from .inputs import check_axes, check_names, check_shape
from .manifolds import check_limits
from .pictures import to_dense

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINENESS = 5  # points of the shaded grid for each arrow
N_LEVELS = 11
MARGIN = 0.1  # of the range of the points, on each side
MOST_POINTS = 1000  # of the data that are drawn


class VectorFieldDisplay:
    """Arrows over a plane of two features, or of two numbers of the code.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes. Arrows point
    where the model moves a point. Colour says how far, by the decimal logarithm of the length in
    the plane; arrows themselves grow with it up to a bound, to be seen where it is small.

    Parameters
    ----------
    grid : tuple of ndarray, of shapes (n_columns,) and (n_rows,)
        The places, from left to right and from bottom to top.
    field : ndarray of shape (n_rows, n_columns, 2)
        The arrow of each point of the grid.
    points : ndarray of shape (n_samples, 2) or None, default=None
        Rows or codes in the plane; of more than 1000, as many are drawn.
    names : tuple of two str, default=("x0", "x1")
        Of the axes.
    estimator_name : str, default=None
        For the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    arrows_ : matplotlib Quiver
    shades_ : matplotlib QuadContourSet

    See Also
    --------
    ManifoldDisplay : What codes on a grid decode to.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import Autoencoder
    >>> from skae.display import VectorFieldDisplay
    >>> X = load_iris().data[:, 2:]
    >>> ae = Autoencoder(1, max_iter=20, random_state=0).fit(X)
    >>> display = VectorFieldDisplay.from_estimator(ae, X, n_arrows=10)
    >>> display.field.shape
    (50, 50, 2)
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        grid: tuple[np.ndarray, np.ndarray],
        field: np.ndarray,
        points: np.ndarray | None = None,
        *,
        names: tuple[str, str] = ("x0", "x1"),
        estimator_name: str | None = None,
    ) -> None:
        self.grid = grid
        self.field = field
        self.points = points
        self.names = names
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        plane: str = "features",
        components: tuple[int, int] = (0, 1),
        limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
        n_arrows: int = 20,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> VectorFieldDisplay:
        """Draw where a fitted model moves the points of a plane.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``
            With ``score_field``, the field of features is that: the gradient of the log density
            of the data, smoothed by the noise.
        X : array-like of shape (n_samples, n_features)
            Rows, drawn as points. What the plane does not vary is as in their mean.
        plane : {"features", "codes"}, default="features"
            "features": r(x) - x, from a row to its reconstruction. "codes": f(g(z)) - z, from
            a code to that of the row which it is decoded to; codes of data stay in their place.
        components : tuple of two int, default=(0, 1)
            Which two features, or numbers of the code.
        limits : tuple ((left, right), (bottom, top)) or None, default=None
            The plane. None takes the range of X, or of its codes, and a tenth more on each side.
        n_arrows : int, default=20
            Number of arrows in each direction.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.quiver``.

        Returns
        -------
        display : VectorFieldDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``inverse_transform``.
        ValueError
            If `plane` is another, or `components` are not two of the features or of the code's.
        """
        if plane not in ("features", "codes"):
            raise ValueError(f"plane must be 'features' or 'codes'. Got {plane!r} instead.")
        check_has(estimator, "inverse_transform")
        check_scalar(n_arrows, "n_arrows", Integral, min_val=2)
        of_codes = plane == "codes"
        rows = to_dense(estimator.transform(X) if of_codes else to_array(X))
        rows = check_array(rows, input_name="X")
        pair = check_pair(components, rows.shape[1], plane)
        grid = _make_grid(limits, rows[:, pair], FINENESS * n_arrows)
        places = _places(grid, pair, rows.mean(axis=0))
        moved = _move_codes(estimator, places) if of_codes else _move_rows(estimator, places, X)
        field = moved[:, pair].reshape(len(grid[1]), len(grid[0]), 2)
        names = _names(estimator, pair, of_codes)
        name = type(estimator).__name__
        display = cls(grid, field, rows[:, pair], names=names, estimator_name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> VectorFieldDisplay:
        """Draw shades, points and arrows.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.quiver``.

        Returns
        -------
        display : VectorFieldDisplay
            Itself.
        """
        field = check_shape(self.field, "field", ("n_rows", "n_columns", 2))
        grid = check_axes(self.grid, "grid", *field.shape[1::-1])
        across, up = check_names(self.names, "names", 2, "axes")
        points = np.empty((0, 2)) if self.points is None else self.points
        points = check_shape(points, "points", ("n_samples", 2), may_be_empty=True)
        self.ax_, self.figure_ = new_axes(ax)
        strength = np.linalg.norm(field, axis=2)
        self._draw_shades(grid, strength)
        self.ax_.scatter(*_some(points).T, s=3, color="0.35", linewidths=0)
        self._draw_arrows(grid, field, strength, kwargs)
        self.ax_.set(xlabel=across, ylabel=up, xlim=grid[0][[0, -1]], ylim=grid[1][[0, -1]])
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if ax is None:
            make_room(self.figure_)
        return self

    def _draw_shades(self, grid, strength):
        seen = np.log10(np.maximum(strength, np.finfo(float).tiny))
        low, high = np.quantile(seen, [0.02, 0.98])
        levels = np.linspace(min(low, high - 1e-3), high, N_LEVELS)
        self.shades_ = self.ax_.contourf(*grid, seen, levels=levels, cmap="GnBu", extend="both")
        bar = self.figure_.colorbar(self.shades_, ax=self.ax_, format="%.1f")
        bar.set_label("log10 of the length")

    def _draw_arrows(self, grid, field, strength, kwargs):
        step = slice(FINENESS // 2, None, FINENESS)
        bound = np.median(strength) or 1.0
        arrows = field[step, step] / (strength[step, step, None] + bound)
        style = {"color": "#D55E00", "width": 0.003, **kwargs}
        across, up = (values[step] for values in grid)
        self.arrows_ = self.ax_.quiver(across, up, arrows[..., 0], arrows[..., 1], **style)


def _move_rows(estimator, rows, X):
    """Return where rows are moved; estimators are given a DataFrame where X is one."""
    table = type(X)(rows, columns=X.columns) if hasattr(X, "iloc") else rows
    if hasattr(estimator, "score_field"):
        return estimator.score_field(table)
    rows, moved = rows_and_reconstructions(estimator, table)
    return moved - rows


def _move_codes(estimator, Z):
    return to_dense(estimator.transform(estimator.inverse_transform(Z))) - Z


def _make_grid(limits, points, n):
    """Return n values along each axis, from limit to limit or a little beyond the points."""
    if limits is None:
        low, high = points.min(axis=0), points.max(axis=0)
        margin = MARGIN * (high - low)
        limits = np.column_stack([low - margin, high + margin])
    check_limits(limits)
    across, up = (np.linspace(low, high, n) for low, high in limits)
    return across, up


def _places(grid, pair, middle):
    """Return the points of the plane, row by row from below, (n_points, n_numbers)."""
    across, up = np.meshgrid(*grid)
    places = np.repeat(middle[None], across.size, axis=0)
    places[:, pair] = np.column_stack([across.ravel(), up.ravel()])
    return places


def _names(estimator, pair, of_codes):
    if of_codes:
        return tuple(f"code {k}" for k in pair)
    known = getattr(estimator, "feature_names_in_", None)
    return tuple(f"x{k}" if known is None else str(known[k]) for k in pair)


def _some(points):
    if len(points) <= MOST_POINTS:
        return points
    return points[np.random.RandomState(0).permutation(len(points))[:MOST_POINTS]]
