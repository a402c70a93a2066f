"""How many threads torch may use while a model is trained or applied."""

import threading
from contextlib import contextmanager

import torch

# Multiply-adds of one step (rows x parameters) below which a second thread costs more than it
# brings, and results stay bit-equal whatever the machine (tests/benchmarks/threads.py).
SMALL_WORK = 2**23

_lock = threading.Lock()
_running = 0
_users_setting = 1


@contextmanager
def threads_for(work):
    """Run small steps on one thread and large ones on as many as the user allows.

    The first to enter notes the user's setting and every one restores it on leaving, so that
    fits running side by side cannot take each other's limit for the user's.
    """
    global _running, _users_setting
    with _lock:
        if _running == 0:
            _users_setting = torch.get_num_threads()
        _running += 1
        torch.set_num_threads(1 if work < SMALL_WORK else _users_setting)
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            torch.set_num_threads(_users_setting)
