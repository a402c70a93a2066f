"""A step like one that was written down before is not written down again, and no other passes."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from skae import VAE, Autoencoder, SparseAutoencoder
from skae.fast import cpu, pattern, record, repeater

pytestmark = pytest.mark.cpu

X = load_iris().data[:64]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    """Begin with empty tables, repeat all steps; return the list of programs that were made."""
    made = []

    class Counted(record.Program):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(cpu, "Program", Counted)
    monkeypatch.setattr(cpu, "_written_down", {})
    monkeypatch.setattr(cpu, "_made", {})
    monkeypatch.setattr(repeater, "FEWEST_REPETITIONS", 0)
    return made


def recorded(step, inputs, lasting=()):
    """Return what is handed to `written_down` of a function of inputs and lasting tensors."""
    with record.Recorder() as recorder:
        result = step(*inputs, *lasting)
    return recorder.calls, list(inputs), list(lasting), [], [], result


def key_of(step, *inputs):
    return pattern.Pattern(*recorded(step, inputs)).key


def numbers(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


PAIRS = {
    "operation": (lambda x, y: x + y, lambda x, y: x - y),
    "number": (lambda x, y: x * 2.0, lambda x, y: x * 2.5),
    "type of a number": (lambda x, y: x.add(1), lambda x, y: x.add(1.0)),
    "truth": (lambda x, y: x.add(1), lambda x, y: x.add(True)),
    "sign of zero": (lambda x, y: x.clamp(-0.0), lambda x, y: x.clamp(0.0)),
    "argument": (lambda x, y: x - y, lambda x, y: y - x),
    "one tensor twice": (lambda x, y: x + y, lambda x, y: x + x),
    "precision": (lambda x, y: x.double(), lambda x, y: x.half()),
    "way through memory": (lambda x, y: x.t() @ x, lambda x, y: x @ x),
    "offset": (lambda x, y: x[0] * 2, lambda x, y: x[1] * 2),
    "result": (lambda x, y: (x.exp(), x.sin())[0], lambda x, y: (x.exp(), x.sin())[1]),
    "keyword": (lambda x, y: x.add(y, alpha=2), lambda x, y: x.add(y, alpha=3)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_other_steps_have_other_patterns(pair):
    inputs = numbers(0, 3, 3), numbers(1, 3, 3)
    keys = [key_of(step, *inputs) for step in pair]
    assert keys[0] != keys[1]
    assert keys == [key_of(step, *(2 * x for x in inputs)) for step in pair]


def test_shapes_precisions_and_roles_are_part_of_a_pattern():
    x = numbers(0, 3, 3)
    for other in (numbers(0, 4, 3), x.double(), x.t()):
        assert key_of(torch.exp, x) != key_of(torch.exp, other)
    as_input, as_buffer = recorded(torch.exp, [x]), recorded(torch.exp, [], [x])
    assert pattern.Pattern(*as_input).key != pattern.Pattern(*as_buffer).key


STEPS = {
    "constants of the step": lambda x, w: x * (torch.eye(3) * 2 + 1) @ w,
    "constants of the simplifier": lambda x, w: (3 * (2 * x @ w)).sum(1).mean()[None],
    "views": lambda x, w: x @ w.t()[1:].t() + w[0, :2],
    "memory that is written into": lambda x, w: torch.zeros(3).add_(x[0]) + w.sum(),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_program_made_before_works_on_the_tensors_of_now(step, nothing_known):
    for seed in range(3):
        x, w = numbers(seed, 3, 3), numbers(seed + 10, 3, 3)
        functions, kept = cpu.written_down(*recorded(step, [x], [w]))
        x = numbers(seed + 20, 3, 3)
        w += 1
        torch.testing.assert_close(functions.step([x], kept), step(x, w))
    assert len(nothing_known) == 1


@pytest.mark.parametrize("estimator", [Autoencoder, SparseAutoencoder])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fits_are_the_same_bit_for_bit(estimator, dtype, nothing_known):
    models = [estimator(max_iter=4, random_state=0, dtype=dtype).fit(X) for _ in range(2)]
    n_made = len(nothing_known)
    assert n_made == len(models[0].net_._repeater.programs) > 0
    cpu._made.clear()
    models.append(estimator(max_iter=4, random_state=0, dtype=dtype).fit(X))
    assert len(nothing_known) == 2 * n_made
    for model in models[1:]:
        assert model.loss_curve_ == models[0].loss_curve_
        np.testing.assert_array_equal(model.transform(X), models[0].transform(X))


SETTINGS = {
    "activation": (Autoencoder(), Autoencoder(activation="tanh")),
    "free bits": (VAE(free_bits=0.1), VAE(free_bits=0.2)),
    "penalty": tuple(SparseAutoencoder(sparsity="l1", penalty=p) for p in (0.1, 0.2)),
}


@pytest.mark.parametrize("pair", SETTINGS.values(), ids=SETTINGS)
def test_another_setting_is_written_down(pair, nothing_known):
    n_made = []
    for estimator in pair:
        estimator.set_params(max_iter=2, random_state=0).fit(X)
        n_made.append(len(nothing_known))
    assert n_made[1] == 2 * n_made[0] > 0


@pytest.mark.parametrize(
    "call", [("mine.op.default", (1,), {}, None), ("aten.op.default", (object(),), {}, None)]
)
def test_an_operation_that_is_not_torchs_has_no_pattern(call):
    with pytest.raises(pattern.Unknown):
        pattern.Pattern([call])


def test_what_has_no_pattern_is_written_down_each_time(nothing_known, monkeypatch):
    def refuse(*args):
        raise pattern.Unknown

    monkeypatch.setattr(cpu, "Pattern", refuse)
    for _ in range(2):
        cpu.written_down(*recorded(torch.exp, [torch.ones(3)]))
    assert len(nothing_known) == 2


def test_large_constants_are_not_held(nothing_known):
    n = pattern.CONSTANT_BYTES // 4 + 1
    for _ in range(2):
        cpu.written_down(*recorded(lambda x: x.mean()[None], [numbers(0, n)]))
    assert len(nothing_known) == 2
    assert not cpu._made


def test_what_is_remembered_is_limited(monkeypatch):
    monkeypatch.setattr(cpu, "N_PROGRAMS", 2)
    for n in (3, 4, 5):
        cpu.written_down(*recorded(torch.exp, [torch.ones(n)]))
    assert len(cpu._made) == 2
