"""Tables as users give them: tensors become arrays, and what holds no numbers is refused."""

import math
import sys

import numpy as np

from .columns import check_has_no_dates
from .missing import without_na


def to_array(X):
    """Return a tensor as an array, a list of tensors as one of arrays, pd.NA among objects as NaN.

    All else is returned as it is.
    """
    return without_na(_without_tensors(X))


def _without_tensors(X):
    torch = sys.modules.get("torch")  # without it there are no tensors, and no need to wait for it
    if torch is None:
        return X
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu().resolve_conj().resolve_neg()
        numpy_s = (torch.float64, torch.float32, torch.float16)
        is_foreign = X.is_floating_point() and X.dtype not in numpy_s  # bfloat16 and shorter ones
        return (X.float() if is_foreign else X).numpy()
    if isinstance(X, (list, tuple)) and any(isinstance(x, torch.Tensor) for x in X):
        return [_without_tensors(x) for x in X]
    return X


def shape_of(X):
    """Return the shape of an array-like; a list's is that of its first row, nothing is copied."""
    if isinstance(X, (list, tuple)):
        return (len(X), *shape_of(X[0])) if len(X) else (0,)
    shape = getattr(X, "shape", None)  # of a table that need not become an array for it
    return np.asarray(X).shape if shape is None else tuple(shape)


def plain(value):
    """Return numpy's numbers and text, in lists and tuples too, as Python's.

    A short integer would overflow in products, and a short float round them.
    """
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def check_is_real_table(X, name):
    """Refuse None, complex numbers, dates, and more than two dimensions, such as images."""
    if X is None:
        raise ValueError(f"{name} must be a table of numbers, a row for each sample. Got None.")
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has the dtype {dtype}. Real and imaginary parts "
            f"side by side, np.hstack([{name}.real, {name}.imag]), are a table of real numbers."
        )
    shape = shape_of(X)
    if len(shape) > 2:
        flat = (shape[0], math.prod(shape[1:]))
        is_list = isinstance(X, (list, tuple))
        array = f"np.asarray({name})" if is_list else name
        is_images = name == "X" and len(shape) in (3, 4)
        networks = f" Networks see images again by encoder=skae.networks.Conv({shape[1:]})."
        raise ValueError(
            f"{name} must have two dimensions, a row for each sample. Got {len(shape)} "
            f"dimensions, the shape {shape}, instead: {array}.reshape(len({name}), -1) "
            f"makes it {flat}.{networks * is_images}"
        )
    check_has_no_dates(X, name)


def check_bool(value, name):
    """Refuse what is neither True nor False: text such as "no" would count as True."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False. Got {value!r} instead.")


def check_codes_not_deeper(Z, n_components):
    """Refuse codes of more than two dimensions, and dates."""
    shape = shape_of(Z)
    if len(shape) > 2:
        raise ValueError(
            f"X, which holds codes here, must have two dimensions, a row for each code of "
            f"{n_components} numbers. Got the shape {shape} instead."
        )
    check_has_no_dates(Z, "X")
