"""The display of loadings: what each number of a code says of the features."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ..estimator.wrapped import where_inside
from .axes import make_room, new_axes
from .inputs import check_names, check_shape
from .pictures import relative_to_largest

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LoadingsDisplay:
    """Loadings as a heat map or bars, a row for each component, of the features that matter most.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes. Each component
    is drawn on its own scale around zero, which is white, or a line.

    Parameters
    ----------
    loadings : ndarray of shape (n_components, n_features)
        What each number of the code says of each feature.
    feature_names : list of str
        A name for each feature.
    n_top : int, default=20
        How many features are drawn, at most: those with the largest loadings, relative to the
        largest of the component, in the order of X.
    kind : {"heatmap", "bars"}, default="heatmap"
        Colours, or bars, which show sizes better and take more room.
    estimator_name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage or None
        None for bars.
    bars_ : list of matplotlib BarContainer
        Of each component; empty for a heat map.
    features_ : ndarray of int
        The columns that are drawn.

    See Also
    --------
    ScreeDisplay : How much each number explains.
    DictionaryDisplay : The same as images.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import Autoencoder
    >>> from skae.display import LoadingsDisplay
    >>> X = load_wine(as_frame=True).data
    >>> ae = Autoencoder(3, scaling="standard", max_iter=5, random_state=0).fit(X)
    >>> display = LoadingsDisplay.from_estimator(ae, n_top=5)
    >>> len(display.features_)
    5
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        loadings: np.ndarray,
        feature_names: Sequence[str],
        *,
        n_top: int = 20,
        kind: str = "heatmap",
        estimator_name: str | None = None,
    ) -> None:
        self.loadings = loadings
        self.feature_names = feature_names
        self.n_top = n_top
        self.kind = kind
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        feature_names: Sequence[str] | None = None,
        n_top: int = 20,
        kind: str = "heatmap",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> LoadingsDisplay:
        """Draw the loadings of a fitted model, as they are, per unit of each feature.

        Parameters
        ----------
        estimator : fitted autoencoder with ``loadings_``, or PCA
            PCA has its ``components_`` drawn.
        feature_names : list of str or None, default=None
            None for those that the model has seen, or x0, x1, ...
        n_top : int, default=20
            How many features are drawn, at most.
        kind : {"heatmap", "bars"}, default="heatmap"
            Colours, or bars, which show sizes better and take more room.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow`` or ``ax.bar``.

        Returns
        -------
        display : LoadingsDisplay

        Raises
        ------
        TypeError
            If the estimator has neither ``loadings_`` nor ``components_``.
        ValueError
            If there is not a name for each feature, or of another kind.
        """
        loadings = _get_loadings(estimator)
        if feature_names is None:
            names = [f"x{i}" for i in range(loadings.shape[1])]
            feature_names = list(getattr(estimator, "feature_names_in_", names))
        name = type(estimator).__name__
        display = cls(loadings, feature_names, n_top=n_top, kind=kind, estimator_name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> LoadingsDisplay:
        """Draw the heat map, or the bars.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow`` or ``ax.bar``.

        Returns
        -------
        display : LoadingsDisplay
            This one, with `ax_` and `figure_`.
        """
        check_scalar(self.n_top, "n_top", Integral, min_val=1)
        _check_kind(self.kind)
        loadings = check_shape(self.loadings, "loadings", ("n_components", "n_features"))
        names = check_names(self.feature_names, "feature_names", loadings.shape[1], "features")
        relative = relative_to_largest(loadings)
        strongest = np.argsort(-np.abs(relative).max(axis=0), kind="stable")
        self.features_ = np.sort(strongest[: self.n_top])
        n_components, n_features = len(relative), len(self.features_)
        height = 0.35 if self.kind == "heatmap" else 0.7
        self.ax_, self.figure_ = new_axes(ax, (0.35 * n_features, height * n_components))
        draw = self._draw_heatmap if self.kind == "heatmap" else self._draw_bars
        self.image_, self.bars_ = draw(relative[:, self.features_], kwargs)
        self.ax_.set_xticks(
            range(n_features), [str(names[i]) for i in self.features_], rotation=90
        )
        self.ax_.set_yticks(range(n_components), [str(i + 1) for i in range(n_components)])
        self.ax_.set_ylabel("Component")
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if ax is None:
            make_room(self.figure_)
        return self

    def _draw_heatmap(
        self, relative: np.ndarray, options: dict[str, Any]
    ) -> tuple[Any, list[Any]]:
        style = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1, "aspect": "auto"}
        return self.ax_.imshow(relative, **{**style, **options}), []

    def _draw_bars(self, relative: np.ndarray, options: dict[str, Any]) -> tuple[Any, list[Any]]:
        """Draw each component around a line of its own, the first one at the top."""
        places, bars = np.arange(relative.shape[1]), []
        for i, row in enumerate(relative):
            colours = np.where(row > 0, "#b2182b", "#2166ac")  # the ends of the heat map
            style = {"bottom": i, "color": colours, **options}
            bars.append(self.ax_.bar(places, -0.45 * row, **style))
            self.ax_.axhline(i, color="0.7", linewidth=0.8, zorder=0)
        self.ax_.set_ylim(len(relative) - 0.5, -0.5)
        self.ax_.set_xlim(-0.6, len(places) - 0.4)
        return None, bars


def _check_kind(kind):
    if kind not in ("heatmap", "bars"):
        raise ValueError(f"kind must be 'heatmap' or 'bars'. Got {kind!r} instead.")


def _has_loadings(step):
    return hasattr(step, "loadings_") or hasattr(step, "components_")


def _get_loadings(estimator):
    """Return loadings of an autoencoder or the components of another model."""
    check_is_fitted(estimator)
    if not _has_loadings(estimator):
        raise TypeError(
            "estimator must have loadings_, as Autoencoder has, or components_, as PCA has. Got "
            f"{type(estimator).__name__} instead.{where_inside(estimator, _has_loadings)}"
        )
    found = getattr(estimator, "loadings_", None)
    return np.asarray(estimator.components_ if found is None else found)
