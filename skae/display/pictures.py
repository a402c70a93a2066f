"""Rows of numbers as pictures: what shape they have, in what shades and how they are put together.

A shape is (height, width) of a grey picture or (height, width, 3) of a coloured one.
"""

import math
from numbers import Integral

import numpy as np
from scipy import sparse

from ..exceptions import ParameterWarning, warn

PAPER = 1 / 4  # share of the pixels that are blank, at least, where something is drawn in ink
CLEARLY_ABOVE_ONE = 2  # colours go to 255, not to 1 and a little


def to_dense(X):
    """Return a table or a sparse matrix as an array."""
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def to_rows(X, image_shape, name="X"):
    """Return X as the table that estimators take, and the shape of the images in it.

    Parameters
    ----------
    X : table of shape (n_samples, n_features) or array of images
    image_shape : tuple or None
        As the user has given it; None takes it from X, where X says it.
    name : str, default="X"
        What X is called.
    """
    shape = np.shape(X)
    if len(shape) not in (2, 3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise ValueError(
            f"{name} must have the shape (n_samples, n_features), or for images (n_samples, "
            f"height, width) or (n_samples, height, width, 3). Got {shape} instead."
        )
    if shape[0] == 0:
        raise ValueError(f"{name} must have at least one row.")
    if len(shape) == 2:
        return X, image_shape
    X = np.asarray(X).reshape(shape[0], -1)
    if image_shape is None:
        return X, shape[1:]
    n_features = X.shape[1]
    if check_image_shape(image_shape, n_features) != check_image_shape(shape[1:], n_features):
        raise ValueError(
            f"image_shape={image_shape} is not the shape of the images in {name}, {shape[1:]}. "
            "Leave it out."
        )
    return X, image_shape


def known_shape(image_shape, *estimators):
    """Return the shape of images as it is given, or as a network knows it, or None.

    Parameters
    ----------
    image_shape : tuple or None
        As the user has given it.
    *estimators : estimators
        Or pipelines of them.
    """
    if image_shape is not None:
        return image_shape
    steps = [s for e in estimators for _, s in getattr(e, "steps", [("", e)])]
    recipes = [getattr(step, name, None) for step in steps for name in ("encoder", "decoder")]
    return next((r.image_shape for r in recipes if hasattr(r, "image_shape")), None)


def check_image_shape(image_shape, n_features, rows="the rows of X"):
    """Return the shape of the images that rows stand for: None is that of grey squares."""
    if image_shape is None:
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(f"{n_features} features make no square image: pass image_shape.")
        return side, side
    is_shape = isinstance(image_shape, (tuple, list)) and len(image_shape) in (2, 3)
    if is_shape:
        is_shape = all(isinstance(size, Integral) and size > 0 for size in image_shape)
    if not is_shape or (len(image_shape) == 3 and image_shape[2] not in (1, 3)):
        raise ValueError(
            "image_shape must be a tuple of positive integers, (height, width) or, for colours, "
            f"(height, width, 3). Got {image_shape!r} instead."
        )
    n_numbers, what = math.prod(image_shape), "pixels" if len(image_shape) == 2 else "numbers"
    if n_numbers != n_features:
        raise ValueError(
            f"image_shape={tuple(image_shape)} has {n_numbers} {what}, but {rows} have "
            f"{n_features} features."
        )
    return tuple(image_shape[:2] if image_shape[2:] == (1,) else image_shape)


def value_range(X, is_coloured):
    """Return the values that are drawn darkest and lightest (of ink: lightest and darkest)."""
    low, high = float(np.nanmin(X)), float(np.nanmax(X))
    if is_coloured and low >= 0:
        if high <= 1:
            return 0.0, 1.0
        if CLEARLY_ABOVE_ONE < high <= 255:
            return 0.0, 255.0
    return low, high


def relative_to_largest(parts):
    """Return each of several arrays divided by its largest magnitude, zeros as they are."""
    largest = np.abs(parts).max(axis=tuple(range(1, np.ndim(parts))), keepdims=True)
    return parts / np.where(largest > 0, largest, 1)


def grey_map(X):
    """Return the name of the colour map in which pictures look as they should.

    A photograph's large numbers are light, those of a digit are ink on paper. Paper has exactly
    one value, the lowest, and most of the pixels have it; pixels of a photograph rarely agree.
    """
    blank, full = (np.mean(extreme == X) for extreme in (np.nanmin(X), np.nanmax(X)))
    return "gray_r" if blank > max(PAPER, full) else "gray"


def draw(ax, images, *, low, high, cmap, options, **place):
    """Draw images side by side, clipped to low and high; `options` are the user's."""
    picture = _tile(images)
    style = {"cmap": cmap, "vmin": low, "vmax": high, **place, **options}
    if picture.ndim == 3:
        for name in {"cmap", "norm"} & set(options):
            warn(
                f"{name} is for grey images and has no effect on coloured ones.", ParameterWarning
            )
        picture = _to_colors(picture, style.pop("vmin"), style.pop("vmax"))
    return ax.imshow(picture, **style)


def _to_colors(picture, low, high):
    """Return the picture between 0 and 1, white where there is none."""
    low = np.nanmin(picture) if low is None else low
    high = np.nanmax(picture) if high is None else high
    return np.nan_to_num(np.clip((picture - low) / ((high - low) or 1), 0, 1), nan=1.0)


def _tile(images):
    """Return one picture of an array (rows, columns, height, width, ...), a pixel between images.

    What no image covers is NaN.
    """
    n_rows, n_columns, height, width, *channels = images.shape
    size = n_rows * (height + 1) - 1, n_columns * (width + 1) - 1
    picture = np.full((*size, *channels), np.nan)
    for i, j in np.ndindex(n_rows, n_columns):
        top, left = i * (height + 1), j * (width + 1)
        picture[top : top + height, left : left + width] = images[i, j]
    return picture
