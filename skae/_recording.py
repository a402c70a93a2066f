"""Warnings of fits that are done for the user, many times over: each is said once, with a name.

Warnings are only put off. What a filter of the user's ignores is not recorded, and what it makes
an error is one.
"""

import re
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .exceptions import warn


class Heard(NamedTuple):
    """A warning that was issued."""

    category: type[Warning]
    text: str

    @property
    def gist(self) -> tuple[type[Warning], str]:
        """What is the same in fits of other rows."""
        return self.category, re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", self.text)


@contextmanager
def recorded() -> Iterator[list[Heard]]:
    """Collect the warnings that are issued in the block, in the list that it is given.

    Beside the main thread nothing is collected: threads share the filters, and which of them is
    the last to put these back is chance. Warnings are then shown as they come.
    """
    heard: list[Heard] = []
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    with warnings.catch_warnings(record=True) as issued:
        yield heard
    heard += [Heard(w.category, str(w.message)) for w in issued]


def repeat(name: str, fits: Iterable[list[Heard]]) -> None:
    """Issue what fits have warned of, in the words of the first, and how many did.

    Parameters
    ----------
    name : str
        Whose fits they are.
    fits : iterable of list of Heard
    """
    fits = list(fits)
    firsts: dict[tuple[type[Warning], str], Heard] = {}
    for heard in reversed(fits):
        firsts.update({warning.gist: warning for warning in reversed(heard)})
    counts = Counter(gist for heard in fits for gist in {w.gist for w in heard})
    for gist, first in reversed(firsts.items()):
        warn(f"{name}, in {counts[gist]} of {len(fits)} fits: {first.text}", first.category)
