"""Ctrl-C: the first ends a training, which keeps what it has; a second soon after ends all."""

import dis
import math
import time

SOON = 2.0  # seconds

_last = -math.inf


def is_second():
    """Note an interrupt; return whether there was another shortly before, in any fit."""
    global _last
    before, _last = _last, time.monotonic()
    return _last - before < SOON


def is_on_purpose(interrupt):
    """Return whether a KeyboardInterrupt comes from a ``raise``, as skorch's callbacks stop.

    A signal makes Python raise it between two instructions.
    """
    place = interrupt.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    return place.tb_frame.f_code.co_code[place.tb_lasti] == dis.opmap["RAISE_VARARGS"]
