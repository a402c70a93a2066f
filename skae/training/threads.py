"""How many threads torch may use while a model is trained or applied.

Threads that share an operation wait for each other by spinning. If something else runs on one of
their cores they wait for each other most of the time: a step that gains a third from a second
thread on an idle machine takes thirty times as long beside another fit. Whether more threads help
therefore cannot be known beforehand; it is measured now and then.
"""

import os
import threading
import time
from contextlib import contextmanager

import torch

# Multiply-adds of one step (rows x parameters) below which a second thread costs more than it
# brings, and results stay bit-equal whatever the machine (tests/benchmarks/threads.py).
SMALL_WORK = 2**23

PROBE_SIZE = 384  # of the square matrices whose product is timed
N_PROBES = 6  # products, together longer than a scheduler's slice
WORTHWHILE = 0.8  # of one thread's time
LOOK_EVERY = 0.3  # seconds
BUSY = 0.8  # share of its time that a thread runs where nothing else wants its core
LONGEST_REST = 16.0  # seconds

_lock = threading.Lock()
_inside: dict = {}  # by thread, whether its work is large
_users_setting = 1  # for threads that meet torch for the first time while another fits
_mine = threading.local()
_is_forked = False


@contextmanager
def threads_for(work):
    """Run small steps on one thread, large ones on as many as help, at most the user's setting.

    torch keeps a number for each thread of Python, and a new one takes the number that was set
    last, which may be ours. So the thread that enters while no other is inside shows what the
    user has set, and each restores its own number on leaving.
    """
    outer = getattr(_mine, "is_large", None)
    try:
        try:
            if outer is None:
                _enter(work >= SMALL_WORK)
            _mine.is_large = work >= SMALL_WORK
            torch.set_num_threads(1)
            reconsider_threads()
            yield
        finally:
            _leave(outer)
    finally:  # an interrupt may have cut the first one short
        _leave(outer)


def _enter(is_large):
    global _users_setting
    # Asked first: else torch sets the number, perhaps to another thread's, at the first operation
    # that could be shared, and so after us.
    number = torch.get_num_threads()
    with _lock:
        is_new = _inside and not hasattr(_mine, "users_setting")
        _mine.users_setting = _users_setting if is_new else number
        if not _inside:
            _users_setting = _mine.users_setting
            _governor.look()
        _inside[threading.get_ident()] = is_large


def _leave(outer):
    """Return to the work around, or out of the outermost; once more changes nothing."""
    _mine.is_large = outer
    if outer is not None:
        torch.set_num_threads(1)
        reconsider_threads()
    elif threading.get_ident() in _inside:
        with _lock:
            torch.set_num_threads(_mine.users_setting)
            del _inside[threading.get_ident()]


def reconsider_threads():
    """Between two large steps, adapt to what else runs on the machine; else do nothing."""
    if getattr(_mine, "is_large", None) and not _is_forked:
        share = _mine.users_setting // max(1, sum(_inside.values()))
        torch.set_num_threads(_governor.number(max(1, share)))


def others_inside():
    """Whether another thread of Python is training or applying a model."""
    return bool(_inside.keys() - {threading.get_ident()})


def _start_afresh():
    """Forget, in a forked process, the threads that it does not have.

    One of them may have held the lock. The threads that share torch's operations do not exist
    there either, and an operation that waits for them never ends. All of torch therefore runs on
    one thread in the child: networks are built, copied and pickled outside `threads_for` as well.
    """
    global _lock, _inside, _governor, _is_forked, _users_setting
    me = threading.get_ident()
    _inside = {me: _inside[me]} if me in _inside else {}
    _lock, _governor, _is_forked = threading.Lock(), Governor(), True
    _users_setting = _mine.users_setting = 1
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


class Governor:
    """Chooses between one thread and more.

    More are taken where a probe shows that they are faster. They are given up as soon as they do
    not get their cores, and after that tried again in intervals that double.
    """

    def __init__(self):
        self.best, self.given, self.probed = 1, 1, 1
        self.resume, self.rest = 0.0, 1.0
        self._lock = threading.Lock()
        self.look()

    def look(self):
        """Begin to watch how busy the threads are."""
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def number(self, most):
        """Return the number of threads for the next step, at most `most`."""
        with self._lock:
            now = time.perf_counter()
            if self.given > 1 and now - self.wall >= LOOK_EVERY:
                share = (time.process_time() - self.cpu) / (now - self.wall) / self.given
                self._judge(self.best if share >= BUSY else 1)
            elif (self.best == 1 or self.probed < most) and most > 1 and now >= self.resume:
                self.probed = most
                self._judge(fastest_number(most))
            self.given = min(self.best, most)
            return self.given

    def _judge(self, best):
        if best > 1 and self.best > 1:  # they have been busy
            self.rest = 1.0
        if best == 1:
            self.resume = time.perf_counter() + self.rest
            self.rest = min(2 * self.rest, LONGEST_REST)
        self.best = best
        self.look()


_governor = Governor()


def fastest_number(most):
    """Return how many threads multiply matrices fastest at present: one, unless more do better."""
    a = torch.ones(PROBE_SIZE, PROBE_SIZE)
    times = {n: _seconds(a, n) for n in _halves(most)}
    best = min(times, key=times.get)
    return best if times[best] < WORTHWHILE * times[1] else 1


def _halves(n):
    """Return n, n // 2, ..., 1."""
    return [n >> i for i in range(n.bit_length())]


def _seconds(a, n_threads):
    torch.set_num_threads(n_threads)
    start = time.perf_counter()
    for _ in range(N_PROBES):
        a @ a
    return time.perf_counter() - start
