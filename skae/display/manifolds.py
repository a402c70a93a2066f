"""Displays in scikit-learn's convention: losses, reconstructions, codes."""

from numbers import Integral

import numpy as np
from sklearn.utils import assert_all_finite, check_array, check_scalar, column_or_1d
from sklearn.utils.validation import check_is_fitted

from ..estimator.wrapped import check_has, where_inside
from .pictures import check_image_shape, draw, grey_map, to_dense, to_rows, value_range

__all__ = [
    "DictionaryDisplay",
    "LatentDisplay",
    "LossCurveDisplay",
    "ManifoldDisplay",
    "ReconstructionDisplay",
]

# Colours told apart by colour-blind readers too (Okabe and Ito 2008), then matplotlib's own.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

MARGIN = 0.4  # inches around a figure of ours, half on each side
CELL = 0.75  # inches that an image is wide or high at most
LINE = 0.2  # inches that an image is high at least, for the name at its side
LONGEST = 40  # inches that a row of images is long at most
LONGEST_LEGEND = 20  # classes in a column


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Displays need matplotlib, which is not installed: pip install "skae[plot]".'
        ) from error
    return plt


def _axes(ax, size=(5.2, 3.9)):
    """Return the axes to draw on and their figure; for None new ones, of this size in inches."""
    if ax is None:
        figure, ax = _pyplot().subplots(figsize=size, layout="none")
        figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    return ax, ax.figure


def _make_room(figure):
    """Make a figure of ours, all axes until now, so large that it holds the text around them."""
    from matplotlib.transforms import Bbox

    ax = figure.axes[0]
    around = Bbox.union([a.get_tightbbox(for_layout_only=True) for a in figure.axes])
    inner = Bbox.union([a.bbox for a in figure.axes])
    # No layout makes room for these in the direction in which they are written.
    across = [text.get_window_extent().width for text in (ax.title, ax.xaxis.label)]
    upwards = ax.yaxis.label.get_window_extent().height
    size = np.maximum(figure.bbox.size, (max(across), upwards))
    before, after = inner.min - around.min, around.max - inner.max
    before, size, after = (pixels / figure.dpi for pixels in (before, size, after))
    total = before + size + after + MARGIN
    figure.set_size_inches(total)
    # The layout starts from here; an image that does not fill its place would mislead it.
    (left, bottom), (right, top) = before + MARGIN / 2, before + size + MARGIN / 2
    (w, h) = total
    figure.subplots_adjust(left=left / w, bottom=bottom / h, right=right / w, top=top / h)
    figure.set_layout_engine("tight")


class LossCurveDisplay:
    """Training and validation loss by epoch.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    train_loss : array-like of shape (n_epochs,)
    validation_loss : array-like of shape (n_epochs,) or None, default=None
    terms : dict of str to array-like, default=None
        The parts of the training loss, drawn where there is more than one.
    estimator_name : str, default=None

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

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

    def __init__(self, train_loss, validation_loss=None, *, terms=None, estimator_name=None):
        self.train_loss = train_loss
        self.validation_loss = validation_loss
        self.terms = terms
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : fitted autoencoder of skae
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

    def plot(self, ax=None, **kwargs):
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
        """
        self.ax_, self.figure_ = _axes(ax)
        curves = [("training", self.train_loss, {"color": COLORS[0]})]
        if self.validation_loss is not None:
            curves.append(("validation", self.validation_loss, {"color": COLORS[1]}))
        if self.terms and len(self.terms) > 1:
            for color, (name, values) in zip(COLORS[2:], self.terms.items(), strict=False):
                curves.append((name, values, {"color": color, "linestyle": "--"}))
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
            _make_room(self.figure_)
        return self


def _check_has_losses(estimator):
    from ..estimator.base import BaseAutoencoder
    from ..models.glgae import GLGAE

    def has_losses(step):
        return isinstance(step, BaseAutoencoder)

    if has_losses(estimator):
        return
    advice = where_inside(estimator, has_losses)
    if isinstance(estimator, GLGAE):
        advice = " Its objective after each pass is in objective_history_."
    raise TypeError(
        "estimator must have a loss for each epoch, as skae's autoencoders have. Got "
        f"{type(estimator).__name__} instead.{advice}"
    )


class ReconstructionDisplay:
    """Images above their reconstructions, one row of pictures for each transformer.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    All rows have the scale of the first one, and what lies outside of it is clipped. Grey images
    are drawn from the lowest to the highest value, colour images from 0 to 1 or, where a value is
    above 2, from 0 to 255; those with other values, standardised ones for instance, as grey ones.

    Grey images are drawn as ink on paper (``cmap="gray_r"``) where more than a quarter of the
    pixels of the first row have exactly the lowest value, and fewer the highest; else as
    photographs (``"gray"``). That is a guess: digits with noise, or centred pixel by pixel, have
    no paper, and underexposed photographs have some. Pass ``cmap`` where it is wrong.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_images, height, width) or \
            (n_rows, n_images, height, width, 3)
        The first row decides on scale and shades: the clean images, or else the input.
    row_names : list of str
        What stands at the left of each row.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.display import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(5).fit(X)
    >>> display = ReconstructionDisplay.from_estimator({"PCA": pca}, X[:8])
    >>> display.row_names
    ['input', 'PCA']

    Noisy images beside what they were, and what becomes of them:

    >>> import numpy as np
    >>> noisy = X[:8] + np.random.default_rng(0).normal(scale=4, size=(8, 64))
    >>> display = ReconstructionDisplay.from_estimator({"PCA": pca}, noisy, X_clean=X[:8])
    >>> display.row_names
    ['clean', 'input', 'PCA']
    """

    def __init__(self, images, row_names):
        self.images = images
        self.row_names = row_names

    @classmethod
    def from_estimator(cls, estimator, X, *, X_clean=None, image_shape=None, ax=None, **kwargs):
        """Draw rows of X as images, and as the estimator gives them back.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``, or dict of them by name
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or \
                (n_samples, height, width, 3)
            The images to draw, one a row. Transformers are given rows of all their numbers.
        X_clean : array-like of the shape of X or None, default=None
            What X was before noise or damage, drawn above it.
        image_shape : tuple (height, width) or (height, width, 3), default=None
            None for the shape of the images in X or, where X has two dimensions, for grey squares.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``: ``cmap``, ``vmin`` and ``vmax`` in place of what is described
            above.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        TypeError
            If an estimator has no ``inverse_transform``.
        ValueError
            If the images have another number of features than X has, or if `image_shape` is not
            given and that is not a square.
        """
        named = estimator if isinstance(estimator, dict) else {type(estimator).__name__: estimator}
        if not named:
            raise ValueError("estimator must hold at least one transformer. Got {} instead.")
        for model in named.values():
            check_has(model, "inverse_transform")
        X, image_shape = to_rows(X, image_shape)
        rows = {} if X_clean is None else {"clean": _clean_rows(X_clean, X, image_shape)}
        rows["input"] = to_dense(X)
        shape = rows["input"].shape
        restored = {name: _reconstruct(name, model, X, shape) for name, model in named.items()}
        images = np.stack([*rows.values(), *restored.values()])
        images = images.reshape(*images.shape[:2], *check_image_shape(image_shape, shape[1]))
        return cls(images, [*rows, *restored]).plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : ReconstructionDisplay
        """
        n_rows, _n_images, height, *_ = self.images.shape
        self.ax_, self.figure_ = _axes(ax, _size(self.images))
        low, high = value_range(self.images[0], is_coloured=self.images.ndim == 5)
        shades = {"low": low, "high": high, "cmap": grey_map(self.images[0])}
        self.image_ = draw(self.ax_, self.images, **shades, options=kwargs)
        middles = np.arange(n_rows) * (height + 1) + (height - 1) / 2
        self.ax_.set_yticks(middles, self.row_names)
        self.ax_.set_xticks([])
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        if ax is None:
            _make_room(self.figure_)
        return self


def _clean_rows(X_clean, X, image_shape):
    clean, _ = to_rows(X_clean, image_shape, "X_clean")
    if np.shape(clean) != np.shape(X):
        raise ValueError(
            "X_clean must hold the images of X, as many and as large: rows of the shape "
            f"{np.shape(X)}. Got {np.shape(clean)} instead."
        )
    return to_dense(clean)


def _reconstruct(name, model, X, shape):
    X_hat = to_dense(model.inverse_transform(model.transform(X)))
    if X_hat.shape != shape:
        raise ValueError(
            f"{name} must give back rows like those of X, of the shape {shape}. Got {X_hat.shape} "
            "instead."
        )
    return X_hat


def _size(images, cell=CELL):
    """Return the width and height in inches of images side by side, (rows, columns, ...)."""
    n_rows, n_columns, height, width, *_ = images.shape
    pixels = np.array([n_columns * (width + 1), n_rows * (height + 1)])
    per_pixel = max(cell / (max(height, width) + 1), LINE / (height + 1))
    return pixels * min(per_pixel, LONGEST / pixels.max())


class DictionaryDisplay:
    """The rows of `components_` as images, each on its own scale around zero.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Zero is white, or the middle grey of colour images.

    Parameters
    ----------
    images : ndarray of shape (n_components, height, width) or (n_components, height, width, 3)
    n_columns : int, default=16
    estimator_name : str, default=None

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage

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

    def __init__(self, images, *, n_columns=16, estimator_name=None):
        self.images = images
        self.n_columns = n_columns
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(cls, estimator, *, image_shape=None, n_columns=16, ax=None, **kwargs):
        """Draw the dictionary of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator with ``components_``
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

    def plot(self, ax=None, **kwargs):
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
        """
        check_scalar(self.n_columns, "n_columns", Integral, min_val=1)
        n_columns = min(self.n_columns, len(self.images))
        n_rows = -(-len(self.images) // n_columns)
        largest = np.abs(self.images).max(axis=tuple(range(1, self.images.ndim)), keepdims=True)
        scaled = self.images / np.where(largest > 0, largest, 1)
        grid = np.full((n_rows * n_columns, *scaled.shape[1:]), np.nan)
        grid[: len(scaled)] = scaled
        grid = grid.reshape(n_rows, n_columns, *scaled.shape[1:])
        self.ax_, self.figure_ = _axes(ax, _size(grid, 0.5))
        self.image_ = draw(self.ax_, grid, low=-1, high=1, cmap="RdBu_r", options=kwargs)
        self.ax_.set_axis_off()
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if ax is None:
            _make_room(self.figure_)
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

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

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

    def __init__(self, Z, y=None, *, components=(0, 1), estimator_name=None):
        self.Z = Z
        self.y = y
        self.components = components
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, components=(0, 1), ax=None, **kwargs):
        """Draw the codes that a fitted transformer gives to X.

        Parameters
        ----------
        estimator : fitted transformer
        X : array-like of shape (n_samples, n_features)
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

    def plot(self, ax=None, **kwargs):
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
        """
        Z = check_array(self.Z, input_name="Z")
        y = None if self.y is None else _check_values(self.y, len(Z))
        n_components = Z.shape[1]
        if n_components > 1 or not np.array_equal(self.components, (0, 1)):  # one has a histogram
            _check_pair(self.components, n_components)
        self.ax_, self.figure_ = _axes(ax)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        (self._plot_histogram if n_components == 1 else self._plot_points)(Z, y, kwargs)
        if ax is None:
            _make_room(self.figure_)
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
    return y


def _check_pair(components, n_components):
    """Return which two numbers of a code of so many are drawn."""
    if n_components < 2:
        raise ValueError(
            f"components={components!r} needs codes of two numbers at least. Got codes of one."
        )
    pair = list(components) if isinstance(components, (tuple, list, np.ndarray)) else []
    is_pair = len(pair) == 2 and all(isinstance(k, Integral) for k in pair)
    if not is_pair or pair[0] == pair[1] or not all(0 <= k < n_components for k in pair):
        raise ValueError(
            f"components must be two different integers from 0 to {n_components - 1}. Got "
            f"{components!r} instead."
        )
    return pair


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

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage

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

    def __init__(
        self,
        images,
        centers,
        *,
        value_range=None,
        components=(0, 1),
        cmap=None,
        estimator_name=None,
    ):
        self.images = images
        self.centers = centers
        self.value_range = value_range
        self.components = components
        self.cmap = cmap
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        components=(0, 1),
        limits=None,
        n_images=16,
        image_shape=None,
        ax=None,
        **kwargs,
    ):
        """Decode a grid of codes with a fitted transformer.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``
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
            None for the shape of the images in X or, where X has two dimensions, for grey squares.
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
        Z, pixels = to_dense(estimator.transform(X)), to_dense(X)
        shape = check_image_shape(image_shape, pixels.shape[1])
        pair = _check_pair(components, Z.shape[1])
        if limits is None:
            limits = np.quantile(Z[:, pair], [0.02, 0.98], axis=0).T
        _check_limits(limits)
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

    def plot(self, ax=None, **kwargs):
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
        """
        height, width = self.images.shape[2:4]
        self.ax_, self.figure_ = _axes(ax, _size(self.images, 0.4))
        extent = []
        for values, n_pixels in zip(self.centers, (width, height), strict=True):
            margin = (values[1] - values[0]) * n_pixels / (2 * n_pixels + 2)
            extent += [values[0] - margin, values[-1] + margin]
        low, high = self.value_range or value_range(self.images, self.images.ndim == 5)
        shades = {"low": low, "high": high, "cmap": self.cmap or grey_map(self.images)}
        self.image_ = draw(self.ax_, self.images, **shades, options=kwargs, extent=extent)
        i, j = self.components
        self.ax_.set(xlabel=f"code {i}", ylabel=f"code {j}")
        self.ax_.spines[:].set_visible(False)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        if ax is None:
            _make_room(self.figure_)
        return self


def _check_limits(limits):
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


def _are_numbers(y):
    return np.issubdtype(y.dtype, np.number) and len(np.unique(y)) > 20


def _class_colors(y):
    """Return (label, colour) pairs."""
    labels = np.unique(y)
    n = len(labels)
    map_ = _pyplot().get_cmap("tab10" if n <= 10 else "tab20" if n <= 20 else "turbo")
    return [(label, map_(k if n <= 20 else k / (n - 1))) for k, label in enumerate(labels)]
