"""Threads: one for small steps, more while they get their cores, the user's setting afterwards."""

import itertools
from concurrent import futures

import pytest
import torch

from skae import threads
from skae.threads import SMALL_WORK, Governor, reconsider_threads, threads_for


class Machine:
    """A clock, and how busy the threads of this process have been kept."""

    def __init__(self):
        self.wall = self.cpu = 0.0
        self.fastest, self.n_probes = 2, 0

    def pass_time(self, seconds, busy_threads=1.0):
        self.wall += seconds
        self.cpu += seconds * busy_threads

    def fastest_number(self, most):
        self.n_probes += 1
        return min(self.fastest, most)


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(threads.time, "perf_counter", lambda: machine.wall)
    monkeypatch.setattr(threads.time, "process_time", lambda: machine.cpu)
    monkeypatch.setattr(threads, "fastest_number", machine.fastest_number)
    return machine


def test_threads_that_get_their_cores_are_kept(machine):
    governor = Governor()
    for _ in range(20):
        assert governor.number(2) == 2
        machine.pass_time(1.0, busy_threads=1.95)
    assert machine.n_probes == 1


def test_threads_that_wait_are_given_up_and_tried_again_ever_more_rarely(machine):
    governor, tried = Governor(), []
    for _ in range(1000):
        n = governor.number(2)
        if n == 2:
            tried.append(machine.wall)
        machine.pass_time(0.1, busy_threads=1.0)
    gaps = [round(b - a, 3) for a, b in itertools.pairwise(tried) if b - a > 0.15]
    assert gaps[0] == pytest.approx(1.1, abs=0.2)
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(threads.LONGEST_REST, abs=0.3)
    assert len(tried) < 50


def test_more_threads_come_back_when_the_machine_is_idle_again(machine):
    governor = Governor()
    machine.fastest = 1
    assert governor.number(2) == 1
    machine.fastest = 2
    assert governor.number(2) == 1  # not asked yet
    machine.pass_time(1.5)
    assert governor.number(2) == 2


def test_a_limit_that_changes_is_not_probed_again_and_again(machine):
    """Short fits beside a long one come and go; each takes a share of the threads."""
    governor = Governor()
    machine.fastest = 4
    for _ in range(10):
        assert [governor.number(most) for most in (2, 4, 1, 3)] == [2, 4, 1, 3]
    assert machine.n_probes == 2
    governor, machine.fastest = Governor(), 1
    for _ in range(10):
        assert [governor.number(most) for most in (2, 4)] == [1, 1]
    assert machine.n_probes == 3


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({1: 1.0, 2: 0.6, 4: 0.4}, 4),
        ({1: 1.0, 2: 0.6, 4: 5.0}, 2),
        ({1: 1.0, 2: 0.9, 4: 0.85}, 1),
        ({1: 1.0, 2: 30.0, 4: 90.0}, 1),
    ],
)
def test_the_fastest_number(times, expected, monkeypatch):
    monkeypatch.setattr(threads, "_seconds", lambda a, n: times[n])
    assert threads.fastest_number(4) == expected


@pytest.fixture
def user(monkeypatch):
    """Let the user allow three threads, and the machine have room for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    monkeypatch.setattr(threads, "_governor", Governor())
    monkeypatch.setattr(threads, "fastest_number", lambda most: most)
    yield
    torch.set_num_threads(before)


def test_only_large_steps_get_them(user):
    with threads_for(SMALL_WORK - 1):
        reconsider_threads()
        assert torch.get_num_threads() == 1
    with threads_for(SMALL_WORK):
        assert torch.get_num_threads() == 3
        with threads_for(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 3
    reconsider_threads()
    assert torch.get_num_threads() == 3


def test_the_user_s_setting_comes_back_after_an_error(user):
    with pytest.raises(KeyError), threads_for(SMALL_WORK):
        raise KeyError
    assert torch.get_num_threads() == 3


def in_a_thread(function):
    """Return what a function returns in a thread that is new to torch."""
    with futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def number_inside(work):
    with threads_for(work):
        return torch.get_num_threads()


def test_fits_of_one_process_share_them(user):
    with threads_for(SMALL_WORK):
        assert torch.get_num_threads() == 3
        assert in_a_thread(lambda: number_inside(SMALL_WORK)) == 1  # half of three
        with threads_for(SMALL_WORK):
            assert torch.get_num_threads() == 3  # the same fit


def test_a_thread_that_begins_during_a_fit_knows_the_user_s_setting(user):
    with threads_for(1):
        assert in_a_thread(lambda: number_inside(SMALL_WORK)) == 3
        assert in_a_thread(lambda: (number_inside(1), torch.get_num_threads())[1]) == 3
    assert torch.get_num_threads() == 3
