"""The display of how far rows are from a model, and of a threshold for those too far from it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from ..estimator.wrapped import check_has
from ..metrics.reconstructions import rows_and_reconstructions
from .axes import make_room, new_axes
from .inputs import check_curves
from .losses import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HELD_OUT = "held out"
LONG_TAIL = 20  # times the median that the largest error is, for what follows from that
N_BARS = 40
AXIS = {
    "reconstruction_error": "Reconstruction error: sum of squares",
    "score_samples": "Minus score_samples",
}


class ErrorDisplay:
    """Errors of rows, and a threshold above which a row is flagged.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes. The threshold
    is a quantile of rows that the model has not seen: those of its training rows are too small.
    The bars of each kind of rows add up to 1. Where some errors are more than 20 times the median
    the scale is logarithmic, or for scores the last bar stands for all beyond it.

    Parameters
    ----------
    errors : dict of str to array-like of shape (n_samples,)
        By kind of rows; one of them is "held out".
    quantile : float, default=0.95
        Share of the rows held out that are not flagged.
    response_method : {"reconstruction_error", "score_samples"}, default="reconstruction_error"
        What the errors are.
    estimator_name : str, default=None
        For the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    threshold_ : float
    flagged_ : dict of str to float
        Share of rows above the threshold, by kind.

    See Also
    --------
    ReconstructionDisplay : Rows and what a model makes of them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import ErrorDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(16).fit(X[:1200])
    >>> display = ErrorDisplay.from_estimator(pca, X[1200:], X_new=X[1200:, ::-1])
    >>> {kind: round(share, 2) for kind, share in display.flagged_.items()}
    {'held out': 0.05, 'new': 0.42}
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        errors: Mapping[str, ArrayLike],
        *,
        quantile: float = 0.95,
        response_method: str = "reconstruction_error",
        estimator_name: str | None = None,
    ) -> None:
        self.errors = errors
        self.quantile = quantile
        self.response_method = response_method
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        X_train: ArrayLike | None = None,
        X_new: ArrayLike | None = None,
        quantile: float = 0.95,
        response_method: str = "reconstruction_error",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> ErrorDisplay:
        """Draw the errors of rows under a fitted model.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``, or with ``score_samples``
            A `Pipeline` too.
        X : array-like of shape (n_samples, n_features)
            Rows held out from the fit; they say where the threshold is.
        X_train : array-like of shape (n_training_samples, n_features) or None, default=None
            Rows that it was fitted to, to see how much they are favoured.
        X_new : array-like of shape (n_new_samples, n_features) or None, default=None
            Rows to be judged.
        quantile : float, default=0.95
            Share of X that is not flagged.
        response_method : {"reconstruction_error", "score_samples"}, default="reconstruction_error"
            The squared distance of a row from its reconstruction, or minus what `score_samples`
            returns, of a `VAE` or of PCA minus a log-likelihood.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.hist``.

        Returns
        -------
        display : ErrorDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``inverse_transform`` or, if asked, no ``score_samples``.
        ValueError
            If `response_method` is another, or `quantile` does not lie between 0 and 1.
        """
        if response_method not in AXIS:
            raise ValueError(
                f"response_method must be one of {list(AXIS)}. Got {response_method!r} instead."
            )
        rows = {"training": X_train, HELD_OUT: X, "new": X_new}
        errors = {
            kind: _errors_of(estimator, part, response_method)
            for kind, part in rows.items()
            if part is not None
        }
        display = cls(
            errors,
            quantile=quantile,
            response_method=response_method,
            estimator_name=type(estimator).__name__,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> ErrorDisplay:
        """Draw the histograms and the threshold.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.hist``.

        Returns
        -------
        display : ErrorDisplay
            Itself.
        """
        check_scalar(self.quantile, "quantile", Real, min_val=0, max_val=1)
        errors = _check_errors(self.errors)
        self.threshold_ = float(np.quantile(errors[HELD_OUT], self.quantile))
        self.flagged_ = {k: float((e > self.threshold_).mean()) for k, e in errors.items()}
        self.ax_, self.figure_ = new_axes(ax)
        self._draw_bars(errors, kwargs)
        words = f"threshold: {self.quantile:.3g} of {HELD_OUT}"
        self.ax_.axvline(self.threshold_, color="0.3", linestyle="--", label=words)
        xlabel = AXIS.get(self.response_method, self.response_method)
        self.ax_.set(xlabel=xlabel, ylabel="Share of rows")
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        self.ax_.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        if ax is None:
            make_room(self.figure_)
        return self

    def _draw_bars(self, errors, kwargs):
        edges, scale = _bins(np.concatenate(list(errors.values())), self.response_method)
        self.ax_.set_xscale(scale)
        for color, (kind, values) in zip(itertools.cycle(COLORS), errors.items(), strict=False):
            style = {"bins": edges, "weights": np.full(len(values), 1 / len(values))}
            style |= {"histtype": "stepfilled", "alpha": 0.5, "color": color}
            label = f"{kind}, {self.flagged_[kind]:.1%} above"
            inside = np.clip(values, edges[0], edges[-1])
            self.ax_.hist(inside, **{**style, "label": label, **kwargs})


def _check_errors(given):
    """Return errors by kind, those of rows held out among them."""
    errors = check_curves(given, "errors", "n_samples")
    if HELD_OUT not in errors:
        raise ValueError(
            f"errors must have the entry {HELD_OUT!r}, of which the threshold is a quantile. Got "
            f"{list(errors)} instead."
        )
    for kind, values in errors.items():
        if np.isnan(values).any():
            raise ValueError(
                f"errors[{kind!r}] contains NaN in {np.isnan(values).sum()} of {len(values)} "
                "rows. Leave these rows out."
            )
    return errors


def _bins(errors, response_method):
    """Return the edges of bars for errors of all kinds, and the scale of the axis."""
    low, high = errors.min(), errors.max()
    has_ratios = response_method == "reconstruction_error" and low > 0
    if has_ratios and high > LONG_TAIL * np.median(errors):
        return np.geomspace(low, high, N_BARS + 1), "log"
    if high - low > LONG_TAIL * (np.median(errors) - low):
        high = np.quantile(errors, 0.98)
    return np.linspace(low, high + (high == low), N_BARS + 1), "linear"


def _errors_of(estimator, X, response_method):
    if response_method == "score_samples":
        check_has(estimator, "score_samples")
        return -np.asarray(estimator.score_samples(X))
    X, X_hat = rows_and_reconstructions(estimator, X)
    return np.square(X - X_hat).sum(axis=1)
