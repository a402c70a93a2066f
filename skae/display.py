"""Displays in scikit-learn's convention: losses, reconstructions, codes."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "DictionaryDisplay",
    "LatentDisplay",
    "LossCurveDisplay",
    "ManifoldDisplay",
    "ReconstructionDisplay",
]

# Colours told apart by colour-blind readers too (Okabe and Ito 2008), then matplotlib's own.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Displays need matplotlib, which is not installed: pip install "skae[plot]".'
        ) from error
    return plt


def _axes(ax, **options):
    """Return the axes to draw on and their figure; new ones for None."""
    if ax is None:
        _, ax = _pyplot().subplots(**options)
    return ax, ax.figure


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
        estimator : fitted skae estimator
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : LossCurveDisplay
        """
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
        return self


class ReconstructionDisplay:
    """Images above their reconstructions, one row of pictures for each transformer.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_images, height, width)
        The first row holds the originals.
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
    >>> display = ReconstructionDisplay.from_estimator({"PCA": PCA(5).fit(X)}, X[:8])
    >>> display.row_names
    ['original', 'PCA']
    """

    def __init__(self, images, row_names):
        self.images = images
        self.row_names = row_names

    @classmethod
    def from_estimator(cls, estimator, X, *, image_shape=None, ax=None, **kwargs):
        """Draw rows of X as images, and as the estimator gives them back.

        Parameters
        ----------
        estimator : fitted transformer with ``inverse_transform``, or dict of them by name
        X : array-like of shape (n_samples, n_features)
            The images to draw, one a row.
        image_shape : tuple (height, width) or None, default=None
            None for square images.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ValueError
            If `image_shape` is not given and the number of features is not a square.
        """
        named = estimator if isinstance(estimator, dict) else {type(estimator).__name__: estimator}
        rows = [np.asarray(X)]
        rows += [np.asarray(e.inverse_transform(e.transform(X))) for e in named.values()]
        shape = _image_shape(rows[0].shape[1], image_shape)
        images = np.stack(rows).reshape(len(rows), -1, *shape)
        return cls(images, ["original", *named]).plot(ax=ax, **kwargs)

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
        n_rows, n_images, height, _width = self.images.shape
        self.ax_, self.figure_ = _axes(ax, figsize=(0.7 * n_images + 1.2, 0.8 * n_rows))
        low, high = self.images[0].min(), self.images[0].max()
        style = {"cmap": "gray_r", "vmin": low, "vmax": high, **kwargs}
        self.image_ = self.ax_.imshow(_tile(self.images, background=np.nan), **style)
        self.ax_.set_yticks(np.arange(n_rows) * (height + 1) + height / 2, self.row_names)
        self.ax_.set_xticks([])
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        return self


def _image_shape(n_features, image_shape):
    if image_shape is not None:
        return image_shape
    side = int(np.sqrt(n_features))
    if side * side != n_features:
        raise ValueError(f"{n_features} features make no square image: pass image_shape.")
    return side, side


def _tile(images, background):
    """Return one picture of a (rows, columns, height, width) array, a pixel between images."""
    n_rows, n_columns, height, width = images.shape
    picture = np.full((n_rows * (height + 1) - 1, n_columns * (width + 1) - 1), background)
    for i, j in np.ndindex(n_rows, n_columns):
        top, left = i * (height + 1), j * (width + 1)
        picture[top : top + height, left : left + width] = images[i, j]
    return picture


class DictionaryDisplay:
    """The rows of `components_` as images, each on its own scale around zero.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_components, height, width)
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
        image_shape : tuple (height, width) or None, default=None
            None for square images.
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
        ValueError
            If `image_shape` is not given and the number of features is not a square.
        """
        atoms = np.asarray(estimator.components_)
        images = atoms.reshape(-1, *_image_shape(atoms.shape[1], image_shape))
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
        n_rows = -(-len(self.images) // self.n_columns)
        size = (0.5 * self.n_columns, 0.5 * n_rows + 0.3)
        self.ax_, self.figure_ = _axes(ax, figsize=size)
        largest = np.abs(self.images).max(axis=(1, 2), keepdims=True)
        scaled = self.images / np.where(largest > 0, largest, 1)
        grid = np.full((n_rows * self.n_columns, *scaled.shape[1:]), np.nan)
        grid[: len(scaled)] = scaled
        picture = _tile(grid.reshape(n_rows, -1, *scaled.shape[1:]), background=np.nan)
        style = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1, **kwargs}
        self.image_ = self.ax_.imshow(picture, **style)
        self.ax_.set_axis_off()
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        return self


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
        """
        Z = np.asarray(estimator.transform(X))
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
        self.ax_, self.figure_ = _axes(ax)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        y = None if self.y is None else np.asarray(self.y)
        if self.Z.shape[1] == 1:
            return self._plot_histogram(y, kwargs)
        i, j = self.components
        self.ax_.set(xlabel=f"code {i}", ylabel=f"code {j}")
        points = self.Z[:, i], self.Z[:, j]
        if y is None or _are_numbers(y):
            scatter = self.ax_.scatter(*points, c=y, **{"s": 6, "linewidths": 0, **kwargs})
            if y is not None:
                self.figure_.colorbar(scatter, ax=self.ax_)
            return self
        for label, color in _class_colors(y):
            style = {"s": 6, "color": color, "linewidths": 0, "label": label, **kwargs}
            self.ax_.scatter(points[0][y == label], points[1][y == label], **style)
        self._legend()
        return self

    def _plot_histogram(self, y, kwargs):
        self.ax_.set(xlabel="code 0", ylabel="rows")
        if y is None or _are_numbers(y):
            self.ax_.hist(self.Z[:, 0], **{"bins": 40, **kwargs})
            return self
        labels, colors = zip(*_class_colors(y), strict=True)
        values = [self.Z[y == label, 0] for label in labels]
        style = {"bins": 40, "stacked": True, "color": colors, "label": labels, **kwargs}
        self.ax_.hist(values, **style)
        self._legend()
        return self

    def _legend(self):
        self.ax_.legend(
            frameon=False,
            markerscale=3,
            loc="center left",
            bbox_to_anchor=(1, 0.5),
            handletextpad=0.1,
        )


class ManifoldDisplay:
    """Images decoded from a grid over two numbers of the code, each where its code lies.

    Create it with :meth:`from_estimator`; the parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n_rows, n_columns, height, width)
        The first row holds the images of the highest second number.
    centers : tuple of ndarray, of shapes (n_columns,) and (n_rows,)
        The numbers of the code, from left to right and from bottom to top, evenly spaced.
    value_range : tuple (low, high) or None, default=None
        What is drawn white and black; None for the extremes of the images.
    components : tuple of two int, default=(0, 1)
        Which two.
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
        self, images, centers, *, value_range=None, components=(0, 1), estimator_name=None
    ):
        self.images = images
        self.centers = centers
        self.value_range = value_range
        self.components = components
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
        X : array-like of shape (n_samples, n_features)
            Its codes say where the grid lies, and what the grid does not vary is as in their mean.
            Black and white are its extremes.
        components : tuple of two int, default=(0, 1)
            Which two numbers of the code vary.
        limits : tuple ((left, right), (bottom, top)) or None, default=None
            The codes of the outermost images. None takes the 2 % and 98 % quantiles of the codes
            of X.
        n_images : int, default=16
            Number of images along the longer side. The other side has as many as keep both axes
            on the same scale.
        image_shape : tuple (height, width) or None, default=None
            None for square images.
        ax : matplotlib Axes or None, default=None
            None draws on new axes.
        **kwargs : dict
            Passed to ``ax.imshow``.

        Returns
        -------
        display : ManifoldDisplay
        """
        check_scalar(n_images, "n_images", Integral, min_val=2)
        Z, pair = np.asarray(estimator.transform(X)), list(components)
        if limits is None:
            limits = np.quantile(Z[:, pair], [0.02, 0.98], axis=0).T
        height, width = _image_shape(np.shape(X)[1], image_shape)
        centers = _even_grid(limits, n_images, (width + 1, height + 1))
        across, up = np.meshgrid(centers[0], centers[1][::-1])
        codes = np.repeat(Z.mean(axis=0, keepdims=True), across.size, axis=0)
        codes[:, pair] = np.column_stack([across.ravel(), up.ravel()])
        images = np.asarray(estimator.inverse_transform(codes))
        images = images.reshape(*across.shape, height, width)
        display = cls(
            images,
            centers,
            value_range=(np.min(X), np.max(X)),
            components=components,
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
        n_rows, n_columns, height, width = self.images.shape
        self.ax_, self.figure_ = _axes(ax, figsize=(0.4 * n_columns + 0.8, 0.4 * n_rows + 0.8))
        extent = []
        for values, n_pixels in zip(self.centers, (width, height), strict=True):
            margin = (values[1] - values[0]) * n_pixels / (2 * n_pixels + 2)
            extent += [values[0] - margin, values[-1] + margin]
        low, high = self.value_range or (None, None)
        style = {"cmap": "gray_r", "vmin": low, "vmax": high, "extent": extent, **kwargs}
        self.image_ = self.ax_.imshow(_tile(self.images, background=np.nan), **style)
        i, j = self.components
        self.ax_.set(xlabel=f"code {i}", ylabel=f"code {j}")
        self.ax_.spines[:].set_visible(False)
        if self.estimator_name:
            self.ax_.set_title(self.estimator_name)
        return self


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
    map_ = _pyplot().get_cmap("tab10" if len(labels) <= 10 else "tab20")
    return [(label, map_(k % map_.N)) for k, label in enumerate(labels)]
