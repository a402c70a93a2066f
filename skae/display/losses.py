"""The display of losses by epoch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..estimator.wrapped import where_inside
from .axes import make_room, new_axes
from .inputs import check_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours told apart by colour-blind readers too (Okabe and Ito 2008), then matplotlib's own.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


class LossCurveDisplay:
    """Training and validation loss by epoch.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    train_loss : array-like of shape (n_epochs,)
        Mean loss of a training row, epoch by epoch.
    validation_loss : array-like of shape (n_epochs,) or None, default=None
        The same of the rows set aside by `early_stopping`.
    terms : dict of str to array-like, default=None
        The parts of the training loss, drawn where there is more than one.
    estimator_name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    See Also
    --------
    ScreeDisplay : What the codes explain in the end.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import Autoencoder
    >>> from skae.display import LossCurveDisplay
    >>> ae = Autoencoder(max_iter=5, random_state=0).fit(load_iris().data)
    >>> display = LossCurveDisplay.from_estimator(ae)
    >>> display.ax_.get_xlabel()
    'Epoch'
    """

    __module__ = "skae.display"  # where it is imported from

    def __init__(
        self,
        train_loss: Sequence[float] | np.ndarray,
        validation_loss: Sequence[float] | np.ndarray | None = None,
        *,
        terms: Mapping[str, Sequence[float] | np.ndarray] | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.train_loss = train_loss
        self.validation_loss = validation_loss
        self.terms = terms
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Axes | None = None, **kwargs: Any
    ) -> LossCurveDisplay:
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : fitted autoencoder of skae
            One that is trained by epochs, as all are but `GLGAE`.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        TypeError
            If the estimator is no autoencoder of skae: a pipeline, a search, a `GLGAE`, PCA.
        """
        _check_has_losses(estimator)
        check_is_fitted(estimator)
        history = estimator.history_
        names = [n[6:] for n in history[-1] if n.startswith("train_")] if len(history) else []
        names = [n for n in names if n not in ("loss", "loss_best", "batch_count")]
        display = cls(
            estimator.loss_curve_,
            estimator.validation_loss_curve_,
            terms={name: [row[f"train_{name}"] for row in history] for name in names},
            estimator_name=type(estimator).__name__,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> LossCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : LossCurveDisplay
            This one, with `ax_` and `figure_`.
        """
        curves = self._curves()
        self.ax_, self.figure_ = new_axes(ax)
        self.lines_ = []
        for label, values, style in curves:
            epochs = np.arange(1, len(values) + 1)
            self.lines_ += self.ax_.plot(epochs, values, **{"label": label, **style, **kwargs})
        self.ax_.set(xlabel="Epoch", ylabel="Loss per row (scaled units)")
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if len(curves) > 1:
            self.ax_.legend(frameon=False)
        if ax is None:
            make_room(self.figure_)
        return self

    def _curves(self):
        """Return the name, the losses and the style of each curve."""
        given = [("train_loss", "training", self.train_loss, {"color": COLORS[0]})]
        if self.validation_loss is not None:
            given.append(
                ("validation_loss", "validation", self.validation_loss, {"color": COLORS[1]})
            )
        if self.terms and len(self.terms) > 1:
            for color, (name, values) in zip(itertools.cycle(COLORS[2:]), self.terms.items()):
                style = {"color": color, "linestyle": "--"}
                given.append((f"terms[{name!r}]", name, values, style))
        return [
            (label, check_shape(values, name, ("n_epochs",), may_be_empty=True), style)
            for name, label, values, style in given
        ]


def _has_losses(estimator):
    """Whether its class keeps losses of training and validation, fitted or not."""
    return hasattr(type(estimator), "validation_loss_curve_")


def _check_has_losses(estimator):
    if _has_losses(estimator):
        return
    advice = where_inside(estimator, _has_losses)
    if hasattr(estimator, "objective_history_"):
        advice = " Its objective after each pass is in objective_history_."
    raise TypeError(
        "estimator must have a loss for each epoch, as skae's autoencoders have. Got "
        f"{type(estimator).__name__} instead.{advice}"
    )
