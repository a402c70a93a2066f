"""The display of codes over the prior from which new codes are drawn."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter
from sklearn.utils import check_array, check_scalar

from .._sklearn import safe_indexing
from ..data.inputs import to_array
from ..estimator.wrapped import where_inside
from ..training.randomness import draw_seed
from .axes import make_room, new_axes
from .codes import LatentDisplay, check_pair
from .pictures import to_dense

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_BINS = 150  # along each side, for the density of the prior
SMOOTHING = 2.5  # bins
SHARES = (0.99, 0.9, 0.5)
SHADES = ("0.93", "0.85", "0.76")


class PriorDisplay:
    """Codes of all rows together, the aggregated posterior, over the prior.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes. The prior is
    drawn in grey: the smallest regions that hold 50, 90 and 99 % of its draws. Where it has mass
    and the codes have none, a draw of the prior becomes a row that is like no other; rows outside
    of it are hardly ever drawn. Of codes of one number it is a histogram, and the prior a line.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
        Codes.
    Z_prior : ndarray of shape (n_draws, n_components)
        Draws from the prior.
    y : array-like of shape (n_samples,) or None, default=None
        Classes (up to 20 different values, or strings) or numbers.
    components : tuple of two int, default=(0, 1)
        Which two.
    estimator_name : str, default=None
        For the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    LatentDisplay : Codes alone, of any transformer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import VAE
    >>> from skae.display import PriorDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> vae = VAE(2, max_iter=20, random_state=0).fit(X)
    >>> display = PriorDisplay.from_estimator(vae, X, y, random_state=0)
    >>> display.Z.shape, display.Z_prior.shape
    ((150, 2), (50000, 2))
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        Z: ArrayLike,
        Z_prior: ArrayLike,
        y: ArrayLike | None = None,
        *,
        components: tuple[int, int] = (0, 1),
        estimator_name: str | None = None,
    ) -> None:
        self.Z = Z
        self.Z_prior = Z_prior
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
        condition: ArrayLike | None = None,
        components: tuple[int, int] = (0, 1),
        n_draws: int = 50000,
        random_state: int | np.random.RandomState | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> PriorDisplay:
        """Draw the codes that a fitted estimator gives to X over draws of its prior.

        Parameters
        ----------
        estimator : fitted estimator with ``sample_prior``
            With ``posterior``, too, the code of a row is a draw of q(z | x); else what
            ``transform`` returns.
        X : array-like of shape (n_samples, n_features)
            Rows whose codes are drawn.
        y : array-like of shape (n_samples,) or None, default=None
            Colours of the points: classes or numbers.
        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Of the rows, for an estimator that has been fitted with one. The prior is then the
            mean of p(z | c) over rows.
        components : tuple of two int, default=(0, 1)
            Which two numbers of the code.
        n_draws : int, default=50000
            Number of draws from the prior, about.
        random_state : int, RandomState instance or None, default=None
            Determines the draws. None takes the seed of the estimator's fit.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.scatter`` (``ax.hist`` for codes of one number).

        Returns
        -------
        display : PriorDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``sample_prior``.
        ValueError
            If `y` has not one value for each row, or `components` are not two of the code's.
        """
        _check_has_prior(estimator)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        given = {} if condition is None else {"condition": condition}
        Z = _draw_codes(estimator, X, given, random_state)
        given, n_each = _conditions_of(estimator, X, given, n_draws, len(Z))
        Z_prior = estimator.sample_prior(n_each, random_state=random_state, **given)
        name = type(estimator).__name__
        display = cls(Z, Z_prior, y, components=components, estimator_name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> PriorDisplay:
        """Draw the codes over the prior.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.scatter`` (``ax.hist`` for codes of one number).

        Returns
        -------
        display : PriorDisplay
            Itself.
        """
        Z, Z_prior = (check_array(getattr(self, n), input_name=n) for n in ("Z", "Z_prior"))
        if Z_prior.shape[1] != Z.shape[1]:
            raise ValueError(
                f"Z_prior must have the {Z.shape[1]} columns of Z. Got {Z_prior.shape[1]} instead."
            )
        self.ax_, self.figure_ = new_axes(ax)
        draw = self._draw_line if Z.shape[1] == 1 else self._draw_regions
        draw(Z, Z_prior, kwargs)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if ax is None:
            make_room(self.figure_)
        return self

    def _draw_regions(self, Z, Z_prior, kwargs):
        pair = check_pair(self.components, Z.shape[1])
        middles, density = _density(Z_prior[:, pair], _limits(Z_prior[:, pair]))
        levels = [*region_levels(density), 1.01 * density.max()]
        self.ax_.contourf(*middles, density.T, levels=levels, colors=SHADES, zorder=0)
        LatentDisplay(Z, self.y, components=self.components).plot(ax=self.ax_, **kwargs)
        self.ax_.set_aspect("equal", "datalim")

    def _draw_line(self, Z, Z_prior, kwargs):
        edges = np.histogram_bin_edges(np.concatenate([Z, _limits(Z_prior).T]), bins=40)
        display = LatentDisplay(Z, self.y).plot(ax=self.ax_, **{"bins": edges, **kwargs})
        (middles,), density = _density(Z_prior, _limits(Z_prior))
        density *= len(Z) * (edges[1] - edges[0]) / (middles[1] - middles[0]) / density.sum()
        display.ax_.plot(middles, density, color="black", linewidth=1.2, label="prior")
        display.ax_.legend(frameon=False)


# Where codes and draws come from


def _has_prior(step):
    return hasattr(step, "sample_prior")


def _check_has_prior(estimator):
    if not _has_prior(estimator):
        raise TypeError(
            "estimator must have sample_prior, as VAE has. Got "
            f"{type(estimator).__name__} instead.{where_inside(estimator, _has_prior)}"
        )


def _draw_codes(estimator, X, given, random_state):
    """Return a draw of q(z | x) for each row, or the codes of a model without it."""
    if not hasattr(estimator, "posterior"):
        return to_dense(estimator.transform(X, **given))
    means, covariances = estimator.posterior(X, **given)
    seed = estimator._seed if random_state is None else draw_seed(random_state)
    noise = np.random.RandomState(seed).standard_normal(means.shape)
    return means + np.einsum("nij,nj->ni", np.linalg.cholesky(covariances), noise)


def _conditions_of(estimator, X, given, n_draws, n_rows):
    """Return what `sample_prior` is given, and how many codes for each condition."""
    columns = getattr(getattr(estimator, "_condition", None), "columns", None)
    if columns is not None:
        table = X if hasattr(X, "columns") else to_dense(to_array(X))
        given = {"condition": safe_indexing(table, columns[1], axis=1)}
    return given, max(1, n_draws // n_rows) if given else n_draws


# The density of draws


def _limits(Z):
    """Return where nearly all of the draws lie, with a margin, (n_components, 2)."""
    low, high = np.quantile(Z, [0.0005, 0.9995], axis=0)
    margin = 0.1 * (high - low) + 1e-9
    return np.column_stack([low - margin, high + margin])


def _density(Z, limits):
    """Return the middles of bins in each direction, and the smoothed counts in them."""
    counts, edges = np.histogramdd(Z, bins=N_BINS, range=limits)
    middles = [(e[1:] + e[:-1]) / 2 for e in edges]
    return middles, gaussian_filter(counts, SMOOTHING, mode="constant")


def region_levels(density, shares=SHARES):
    """Return the densities at the borders of the smallest regions that hold these shares.

    Parameters
    ----------
    density : ndarray
        On an even grid.
    shares : sequence of float, default=(0.99, 0.9, 0.5)
    """
    largest_first = np.sort(density, axis=None)[::-1]
    held = largest_first.cumsum() / largest_first.sum()
    return [largest_first[np.searchsorted(held, share)] for share in shares]
