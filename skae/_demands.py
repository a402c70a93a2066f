"""What laws are made of: demands, which name what was expected and what came where they fail.

They are no ``assert``, which python -O leaves out, and need no test framework.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[Any]


def dense(array: Any) -> Array:
    return np.asarray(array.toarray() if sparse.issparse(array) else array)


def demand(holds: Any, expected: str, found: Any) -> None:
    if not holds:
        raise AssertionError(f"Expected {expected}. Got {found}.")


def demand_close(
    found: Any, wanted: Any, what: str, rtol: float = 1e-7, atol: float = 0.0
) -> None:
    """Compare numbers, NaN with NaN; `what` is what is found and what it should be equal to."""
    found, wanted = dense(found), dense(wanted)
    demand(found.shape == wanted.shape, f"{what}, of shape {wanted.shape}", found.shape)
    close = np.isclose(found, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if not close.all():
        worst = np.unravel_index(np.argmin(close), close.shape)
        n_bad, place = int((~close).sum()), f" at {tuple(map(int, worst))}" if worst else ""
        expected = f"{what}: {wanted[worst]!s}{place}"
        demand(False, expected, f"{found[worst]!s}; {n_bad} of {close.size} numbers differ")


def demand_equal(found: Any, wanted: Any, what: str) -> None:
    demand_close(found, wanted, what, rtol=0)


def demand_near(found: Any, wanted: Any, what: str, rtol: float) -> None:
    """Compare with a tolerance relative to the largest number."""
    demand_close(found, wanted, what, rtol=0, atol=rtol * np.abs(dense(wanted)).max())


def demand_same_outputs(found: dict[str, Array], wanted: dict[str, Array], what: str) -> None:
    for name, array in wanted.items():
        demand_equal(found[name], array, f"{name} {what}")


def demand_different(one: Any, other: Any, what: str) -> None:
    demand(np.abs(dense(one) - dense(other)).max() > 0, what, "the same, bit for bit")


def demand_finite(array: Any, what: str) -> None:
    array = dense(array)
    n_bad = int((~np.isfinite(array)).sum())
    demand(n_bad == 0, f"finite numbers from {what}", f"{n_bad} of {array.size} that are not")


def demand_error(
    words: str, call: Callable[..., Any], *args: Any, kind: type[Exception] = ValueError, **kw: Any
) -> None:
    """Demand an error of a kind, in whose message the regular expression `words` is found."""
    expected = f"a {kind.__name__} from {call.__name__}, with the words {words!r}"
    try:
        call(*args, **kw)
    except kind as error:
        demand(re.search(words, str(error)), expected, f"the words {str(error)!r}")
    else:
        demand(False, expected, "no error")


def demand_array(array: Any, shape: tuple[int, ...], dtype: Any, method: str) -> None:
    array = array if sparse.issparse(array) else np.asarray(array)
    wanted = f"an array of shape {shape} and dtype {np.dtype(dtype)} from {method}"
    fits = array.shape == shape and array.dtype == dtype
    demand(fits, wanted, f"shape {array.shape} and dtype {array.dtype}")
