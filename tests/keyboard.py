"""Ctrl-C, pressed by a callback."""

import signal
from contextlib import contextmanager

from skorch.callbacks import Callback


class Press(Callback):
    """Press Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch=3):
        self.epoch = epoch

    def on_batch_end(self, net, training, **kwargs):
        if len(net.history) == self.epoch and training and len(net.history[-1]["batches"]) == 2:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def ctrl_c_as_usual():
    """Use Python's own handler, whatever runs the tests has set."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
