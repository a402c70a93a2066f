"""Threads: one for small steps, more while they get their cores, the user's setting afterwards."""

import contextlib
import itertools
import linecache
import os
import subprocess
import sys
import textwrap
from concurrent import futures

import pytest
import torch
from sklearn.datasets import load_iris
from skorch.callbacks import Callback

from skae import Autoencoder
from skae.training import threads
from skae.training.threads import SMALL_WORK, Governor, reconsider_threads, threads_for


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


class CountThreads(Callback):
    seen: set = set()  # the engine works with a copy of the callback

    def on_epoch_end(self, net, **kwargs):
        self.seen.add(torch.get_num_threads())


def test_a_batch_is_no_larger_than_the_data(user):
    """The work of a step counts the rows that there are, whatever `batch_size` would allow."""
    CountThreads.seen.clear()
    Autoencoder(batch_size=10**6, callbacks=[CountThreads()], max_iter=2).fit(load_iris().data)
    assert CountThreads.seen == {1}


def test_a_small_fit_in_a_new_thread_has_one_thread_to_the_end(user):
    """torch sets the number of a new thread at its first large operation, unless asked before."""
    large, elsewhere = torch.ones(10**6), futures.ThreadPoolExecutor(1)
    elsewhere.submit(torch.get_num_threads).result()

    def number_after_an_operation():
        with threads_for(1):
            elsewhere.submit(torch.set_num_threads, 3).result()  # as a fit there does on leaving
            large.add(1)
            return torch.get_num_threads()

    with elsewhere, threads_for(1):
        assert in_a_thread(number_after_an_operation) == 1


# Interrupts


def interrupt_at(k, function):
    """Call a function, interrupted before the k-th line that it runs in `threads`; say whether."""
    lines = itertools.count(1)

    def trace(frame, event, arg):
        if frame.f_code.co_filename != threads.__file__:
            return None
        if event == "line" and not is_lock(frame) and next(lines) == k:
            raise KeyboardInterrupt
        return trace

    def is_lock(frame):  # Python lets no signal in between the body of a `with` and its end
        return "_lock:" in linecache.getline(threads.__file__, frame.f_lineno)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("work", [1, SMALL_WORK])
def test_an_interrupt_at_any_line_leaves_the_user_s_setting(user, work):
    def fit():
        with threads_for(work), threads_for(1):
            pass

    for k in itertools.count(1):
        was_interrupted = interrupt_at(k, fit)
        assert torch.get_num_threads() == 3, k
        assert number_inside(SMALL_WORK) == 3, k
        if not was_interrupted:
            break
    assert k > 30


# Forks

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORKS = """
    import os, signal, threading, time, warnings
    import torch
    from sklearn.datasets import load_iris
    from skae import Autoencoder
    from skae.fast import cpu, cuda
    from skae.training import randomness, threads

    warnings.simplefilter("ignore")
    torch.set_num_threads(2)
    X = load_iris().data

    def code_of_child(function):
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)  # kills it
            try:
                code = int(bool(function()))
            except BaseException:
                code = 2
            os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def fit():
        sizes = (8, 8, 8, 8, 8, 8)  # several layers: compiling takes the longest
        return Autoencoder(hidden_layer_sizes=sizes, max_iter=13, random_state=0).fit(X)

    def forked_fit():
        return code_of_child(lambda: abs(fit().loss_curve_[-1] / loss - 1) >= 1e-4)

    loss = fit().loss_curve_[-1]  # all that a fit imports is there now
"""

HELD = """
    def hold(is_held, may_go_on):
        locks = threads._lock, cpu._lock, threads._governor._lock, cuda._capturing
        with locks[0], locks[1], locks[2], locks[3], randomness._global_generator_lock:
            is_held.set()
            may_go_on.wait()

    events = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=events)
    holder.start()
    events[0].wait()
    cpu._written_down.clear()
    code = forked_fit()
    events[1].set()
    holder.join()
    print([code])
"""

TRAINING = """
    stop, compiling, n_fits = threading.Event(), threading.Event(), 0
    compile_program = cpu._compile

    def announced(*args):
        compiling.set()
        return compile_program(*args)

    cpu._compile = announced

    def train():
        global n_fits
        while not stop.is_set():
            n_fits += 1
            cpu._written_down.clear()
            fit()

    trainer = threading.Thread(target=train)
    trainer.start()
    codes = []
    for i in range(8):
        if i % 2:
            compiling.clear()
            compiling.wait()
        codes.append(forked_fit())
    before = n_fits
    while n_fits < before + 2:
        time.sleep(0.01)
    stop.set()
    trainer.join()
    fit()
    print(codes)
"""


USED = """
    import pickle, sys
    import numpy as np
    from sklearn.base import clone
    sys.path.insert(0, TESTS)
    from estimators import DEFAULTS

    X = np.random.default_rng(0).standard_normal((32, 400)).astype("f")  # torch shares its work
    METHODS = ("transform", "reconstruct", "score", "score_samples", "responsibilities",
               "posterior", "elbo_decomposition", "score_field", "fit", "partial_fit")

    def use(model):
        model.sample(64)
        model.inverse_transform(model.transform(X))
        pickle.loads(pickle.dumps(model))
        for name in METHODS:
            getattr(model, name, len)(X)

    codes = {}
    for name in NAMES or DEFAULTS:
        model = clone(DEFAULTS[name]).set_params(max_iter=1).fit(X)
        use(model)
        codes[name] = code_of_child(lambda: use(model))
    print({name for name, code in codes.items() if code})
"""


def printed_by(script):
    command = [sys.executable, "-c", textwrap.dedent(FORKS) + textwrap.dedent(script)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr
    return run.stdout


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_torch_has_one_thread_in_a_forked_process(user):
    """The others do not exist there: an operation that waits for them never ends."""
    found = []
    for work in (None, 1, SMALL_WORK):  # outside of any work, and while small and large steps run
        child_says = os.pipe()
        with contextlib.nullcontext() if work is None else threads_for(work):
            child = os.fork()
        if not child:
            os.write(child_says[1], bytes([torch.get_num_threads(), number_inside(SMALL_WORK)]))
            os._exit(0)
        os.waitpid(child, 0)
        found.append(list(os.read(child_says[0], 2)))
        assert torch.get_num_threads() == 3
    assert found == [[1, 1]] * 3


@pytest.mark.parametrize(
    "names",
    [["GLGAE"], pytest.param(None, marks=pytest.mark.slow)],
    ids=["map", "all estimators"],
)
@needs_fork
def test_a_model_works_on_in_a_forked_process(names):
    script = textwrap.dedent(USED).replace("TESTS", repr(os.path.dirname(__file__)))
    assert printed_by(script.replace("NAMES", repr(names))) == "set()\n"


@pytest.mark.slow
@needs_fork
def test_locks_held_at_a_fork_are_free_in_the_child():
    assert printed_by(HELD) == "[0]\n"


@pytest.mark.slow
@needs_fork
def test_a_process_forked_while_another_thread_trains_can_train():
    assert printed_by(TRAINING) == f"{[0] * 8}\n"
