"""The display of the explained variance against the number of components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ..data.inputs import to_array
from ..estimator.explained import explained_by_prefixes
from ..estimator.wrapped import where_inside
from .axes import make_room, new_axes
from .inputs import check_curves
from .losses import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ScreeDisplay:
    """Explained variance against the number of components, a curve for each model.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    train_shares : dict of str to ndarray of shape (n_components,)
        What the first 1, 2, ... components of each model explain of the training rows.
    held_out_shares : dict of str to ndarray of shape (n_components,), default=None
        The same of other rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    See Also
    --------
    LoadingsDisplay : What each number says of each feature.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import Autoencoder
    >>> from skae.display import ScreeDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> ae = Autoencoder(8, ordered=True, max_iter=5, random_state=0).fit(X[:1200])
    >>> models = {"ordered": ae, "PCA": PCA(8).fit(X[:1200])}
    >>> display = ScreeDisplay.from_estimator(models, X[1200:])
    >>> display.held_out_shares["PCA"].shape
    (8,)
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        train_shares: Mapping[str, np.ndarray],
        held_out_shares: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.train_shares = train_shares
        self.held_out_shares = held_out_shares

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike | None = None, *, ax: Axes | None = None, **kwargs: Any
    ) -> ScreeDisplay:
        """Draw what the first components of fitted models explain.

        Parameters
        ----------
        estimator : fitted PCA, or autoencoder with ``ordered=True``, or dict of them by name
            A curve for each.
        X : array-like of shape (n_samples, n_features) or None, default=None
            Held-out rows, for a second, dashed curve of each model.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : ScreeDisplay

        Raises
        ------
        TypeError
            If an estimator has no ``explained_variance_ratio_``; or, with X, a linear model no
            ``mean_``.
        """
        named = estimator if isinstance(estimator, dict) else {type(estimator).__name__: estimator}
        if not named:
            raise ValueError("estimator must hold at least one model. Got {} instead.")
        for model in named.values():
            _check_is_ordered(model)
        train = {name: np.cumsum(m.explained_variance_ratio_) for name, m in named.items()}
        held_out = None
        if X is not None:
            held_out = {name: _held_out_shares(model, X) for name, model in named.items()}
        return cls(train, held_out).plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ScreeDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : ScreeDisplay
            This one, with `ax_` and `figure_`.
        """
        train = check_curves(self.train_shares, "train_shares", "n_components")
        kinds = [("training", train, "-")]
        if self.held_out_shares is not None:
            kinds.append(("held out", _check_held_out(self.held_out_shares, train), "--"))
        self.ax_, self.figure_ = new_axes(ax)
        self.lines_ = []
        for i, name in enumerate(train):
            for kind, shares, linestyle in kinds:
                style = {"color": COLORS[i % len(COLORS)], "linestyle": linestyle, "marker": "."}
                label = f"{name}, {kind}" if len(kinds) > 1 else name
                sizes, options = np.arange(1, len(shares[name]) + 1), {"label": label, **style}
                self.lines_ += self.ax_.plot(sizes, shares[name], **{**options, **kwargs})
        self.ax_.set(xlabel="Number of components", ylabel="Share of the variance explained")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend(frameon=False)
        if ax is None:
            make_room(self.figure_)
        return self


def _check_held_out(shares, train):
    """Return the curves of held-out rows, one for each of the training rows."""
    curves = check_curves(shares, "held_out_shares", "n_components")
    if set(curves) != set(train):
        raise ValueError(
            f"held_out_shares must have the names of train_shares, {list(train)}. Got "
            f"{list(curves)} instead."
        )
    return curves


def _is_ordered(model):
    return hasattr(model, "explained_variance_ratio_")


def _check_is_ordered(model):
    check_is_fitted(model)
    if not _is_ordered(model):
        raise TypeError(
            "estimator must have explained_variance_ratio_, as PCA has, and autoencoders of skae "
            f"with ordered=True. Got {type(model).__name__} without it instead."
            f"{where_inside(model, _is_ordered)}"
        )


def _held_out_shares(model, X):
    """Return what the first 1, 2, ... components explain of rows that have another mean."""
    if hasattr(model, "module_"):
        return explained_by_prefixes(model, model._check_X(X))
    if not hasattr(model, "mean_"):
        raise TypeError(
            "A curve of held-out rows needs components_ of centred rows and their mean_, as PCA "
            f"has. Got {type(model).__name__} without mean_ instead: leave X out."
        )
    X = check_array(to_array(X), dtype=np.float64, input_name="X")
    if X.shape[1] != len(model.mean_):
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(model).__name__} is expecting "
            f"{len(model.mean_)} features as input."
        )
    centred = X - model.mean_
    along = centred @ model.components_.T
    return np.cumsum(np.square(along).sum(axis=0)) / (np.square(centred).sum() or 1.0)
