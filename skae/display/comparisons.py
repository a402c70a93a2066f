"""The display of a comparison: a metric of each method against the size of the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..comparison import compare
from .axes import make_room, new_axes
from .losses import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORDS = {
    "explained_variance": "Share of the variance explained",
    "score": "Score",
    "trustworthiness": "Trustworthiness",
    "accuracy_linear": "Accuracy of a logistic regression",
    "accuracy_neighbors": "Accuracy of 5 nearest neighbours",
    "r2_linear": "R² of a ridge regression",
    "r2_neighbors": "R² of 5 nearest neighbours",
    "fit_time": "Seconds to fit",
    "transform_time": "Seconds to transform",
}
WIDE = 8  # times as large as the smallest code: sizes are then drawn on a logarithmic scale


class CompareDisplay:
    """A metric against the size of the code, a line for each method, with standard errors.

    Create it with :meth:`from_comparison` or :meth:`from_estimators`; the parameters are stored as
    attributes. The x axis is logarithmic where the largest code is 8 times the smallest.

    Parameters
    ----------
    comparison : DataFrame or dict of str to array-like
        As `skae.compare` returns it.
    metric : str, default="explained_variance"
        One of its columns that has a standard error. "..._difference" shows what each method has
        more than the first one at the same size.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib ErrorbarContainer
        By method.

    See Also
    --------
    skae.compare : The table.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from skae.display import CompareDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> models = {"PCA": PCA(), "scaled": make_pipeline(MinMaxScaler(), PCA())}
    >>> display = CompareDisplay.from_estimators(models, X, n_components=[2, 4, 8], random_state=0)
    >>> display.ax_.get_ylabel()
    'Share of the variance explained'
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self, comparison: Mapping[str, ArrayLike], *, metric: str = "explained_variance"
    ) -> None:
        self.comparison = comparison
        self.metric = metric

    @classmethod
    def from_comparison(
        cls,
        comparison: Mapping[str, ArrayLike],
        *,
        metric: str = "explained_variance",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> CompareDisplay:
        """Draw what `skae.compare` has returned.

        Parameters
        ----------
        comparison : DataFrame or dict of str to array-like
            As `skae.compare` returns it.
        metric : str, default="explained_variance"
            One of its columns that has a standard error.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.errorbar``.

        Returns
        -------
        display : CompareDisplay

        Raises
        ------
        ValueError
            If the comparison has not this metric.
        """
        return cls(comparison, metric=metric).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any] | Iterable[tuple[str, Any]],
        X: Any,
        y: ArrayLike | None = None,
        *,
        n_components: Sequence[Any] | None = None,
        metric: str = "explained_variance",
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> CompareDisplay:
        """Compare transformers by one metric, and draw it.

        Parameters
        ----------
        estimators : list of (str, transformer) or dict of str to transformer
            What is compared; the first is the reference.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Whatever the estimators take.
        y : array-like of shape (n_samples,) or None, default=None
            Classes or numbers, to be told from the codes.
        n_components : list or None, default=None
            Sizes of the code, as in `skae.compare`.
        metric : str, default="explained_variance"
            A metric of `skae.compare`, or one of its columns that has a standard error.
        cv : int, cross-validation generator or iterable, default=5
            A number of folds, or how to split.
        n_jobs : int or None, default=None
            Number of fits at once.
        random_state : int, RandomState instance or None, default=None
            Determines the folds and the seeds of estimators.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.errorbar``.

        Returns
        -------
        display : CompareDisplay
        """
        options = {"n_components": n_components, "cv": cv, "random_state": random_state}
        measured = str(metric).removesuffix("_difference")
        table = compare(estimators, X, y, metrics=[measured], n_jobs=n_jobs, **options)
        return cls.from_comparison(table, metric=metric, ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> CompareDisplay:
        """Draw the lines.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.errorbar``.

        Returns
        -------
        display : CompareDisplay
            Itself.
        """
        table, metric = self.comparison, self.metric
        _check_metric(table, metric)
        methods, sizes, means, errors = (
            np.asarray(table[name]) for name in ("method", "code_size", metric, f"{metric}_se")
        )
        self.ax_, self.figure_ = new_axes(ax)
        self.lines_ = {}
        for k, method in enumerate(dict.fromkeys(methods.tolist())):
            rows = np.flatnonzero(methods == method)
            rows = rows[np.argsort(sizes[rows], kind="stable")]
            style = {"color": COLORS[k % len(COLORS)], "marker": "o", "markersize": 4}
            style |= {"capsize": 3, "label": method, **kwargs}
            self.lines_[method] = self.ax_.errorbar(
                sizes[rows], means[rows], yerr=errors[rows], **style
            )
        self._label(np.unique(sizes))
        if ax is None:
            make_room(self.figure_)
        return self

    def _label(self, sizes):
        kind = self.metric.removesuffix("_difference")
        words = WORDS.get(kind, kind)
        if kind != self.metric:
            words = f"{words},\nless that of the first method"
            self.ax_.axhline(0, color="0.7", linewidth=1, zorder=0)
        if sizes[-1] >= WIDE * sizes[0]:
            self.ax_.set_xscale("log", base=2)
        self.ax_.set_xticks(sizes, [f"{size:g}" for size in sizes])
        self.ax_.set_xticks([], minor=True)
        self.ax_.set(xlabel="Size of the code", ylabel=words)
        self.ax_.legend(frameon=False)


def _check_metric(table, metric):
    missing = [name for name in ("method", "code_size") if name not in table]
    if missing or not len(table["method"]):
        raise ValueError(
            "comparison must be a table as skae.compare returns it, with at least one row. Got "
            f"{type(table).__name__} {f'without {missing}' if missing else 'without rows'}."
        )
    drawn = [name for name in table if f"{name}_se" in table]
    if metric not in drawn:
        raise ValueError(f"metric must be one of {drawn}, of this comparison. Got {metric!r}.")
