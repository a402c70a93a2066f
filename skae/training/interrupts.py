"""Ctrl-C: the first ends a training, which keeps what it has; a second soon after ends all."""

import dis
import math
import signal
import threading
import time
from contextlib import contextmanager

from .. import _ranks

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


# Several ranks stop at the same step or not at all: a signal only says that it is wanted.

_wanted = False


class Agreed(KeyboardInterrupt):
    """Raised in the same step on all ranks, after Ctrl-C on one of them."""


def is_wanted():
    """Whether Ctrl-C is waiting for the next step of all ranks."""
    return _wanted


@contextmanager
def agreed_interrupts():
    """Let the first Ctrl-C wait for the other ranks; a second one ends this rank at once.

    A handler of the user's own stays, and so does that of a fit in a thread.
    """
    global _wanted
    is_main = threading.current_thread() is threading.main_thread()
    if not (_ranks.is_shared() and is_main) or not _is_usual():
        yield
        return
    _wanted = False
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _wanted = False


def _is_usual():
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _note(number, frame):
    global _wanted
    if _wanted:
        raise KeyboardInterrupt
    _wanted = True
