"""What displays are given as arrays, checked before anything is drawn."""

from collections.abc import Mapping

import numpy as np


def check_shape(values, name, sizes, may_be_empty=False):
    """Return values as an array of numbers with a given shape.

    Parameters
    ----------
    values : array-like
    name : str
        What they are called.
    sizes : tuple of int or str
        The shape; a word stands for any size.
    may_be_empty : bool, default=False
        Whether a size may be 0.
    """
    words = f"{name} must be an array of numbers with the shape {_describe(sizes)}"
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{words}. Got a {type(values).__name__}: {error}.") from error
    fits = array.ndim == len(sizes) and all(
        isinstance(wanted, str) or wanted == size
        for wanted, size in zip(sizes, array.shape, strict=True)
    )
    if not fits or (array.size == 0 and not may_be_empty):
        least = "" if may_be_empty else ", where each size is at least 1"
        raise ValueError(f"{words}{least}. Got the shape {array.shape} instead.")
    return array


def _describe(sizes):
    return f"({', '.join(map(str, sizes))}{',' * (len(sizes) == 1)})"


def check_images(images, name, *places):
    """Return images, grey or coloured, as an array; `places` are the words for its first sizes."""
    is_coloured = np.ndim(images) == len(places) + 3
    return check_shape(images, name, (*places, "height", "width", *[3] * is_coloured))


def check_axes(axes, name, n_columns, n_rows):
    """Return the places of columns and rows, two of each at least, as two arrays."""
    pair = list(axes) if isinstance(axes, (tuple, list, np.ndarray)) else []
    if len(pair) != 2 or min(n_columns, n_rows) < 2:
        raise ValueError(
            f"{name} must be two arrays, of the places of the columns and of the rows, at least "
            f"two of each. Got {axes!r}, for {n_columns} columns and {n_rows} rows."
        )
    return (
        check_shape(pair[0], f"{name}[0]", (n_columns,)),
        check_shape(pair[1], f"{name}[1]", (n_rows,)),
    )


def check_curves(curves, name, size):
    """Return one-dimensional arrays by name, at least one.

    Parameters
    ----------
    curves : dict of str to array-like of shape (size,)
    name : str
        What the dict is called.
    size : str
        The word for the size of each.
    """
    if not isinstance(curves, Mapping) or not curves:
        got = "{}" if isinstance(curves, Mapping) else type(curves).__name__
        raise ValueError(
            f"{name} must be a dict of arrays by name, at least one. Got {got} instead."
        )
    return {
        key: check_shape(values, f"{name}[{key!r}]", (size,)) for key, values in curves.items()
    }


def check_names(names, name, n, of):
    """Return a list of n names."""
    found = [] if names is None else list(names)
    if len(found) != n:
        raise ValueError(
            f"{name} must hold a name for each of {n} {of}. Got {len(found)} instead."
        )
    return found
