"""Every rule gives the same numbers, and the operation that it is meant to give."""

import pytest
import torch

from skae.fast import cpu, record
from skae.fast.simplify import Simplifier

aten = torch.ops.aten


def written_down(step, *inputs):
    """Return the program of a function of tensors."""
    with record.Recorder() as recorder:
        result = step(*inputs)
    return record.Program(recorder.calls, list(inputs), [], [], [], result, Simplifier)


def operations(step, *inputs):
    """Return the operators of a function's program, after checking what the program computes."""
    program = written_down(step, *inputs)
    functions = cpu.compiled(program, list(inputs))
    for scale in (1.0, -0.3):
        scaled = [scale * x for x in inputs]
        torch.testing.assert_close(functions.step(scaled, program.kept), step(*scaled))
    return [node.target for node in program.graph.nodes if node.op == "call_function"]


X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
MUL, ADD, SUB, DIV = (getattr(aten, name).Tensor for name in ("mul", "add", "sub", "div"))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda x: (2 * x + 1) / 3 - 1, [MUL, ADD, DIV, SUB]),
        (lambda x: 1 - x, [SUB]),
        (lambda x: 2 * (3 * (x * 4)), [MUL]),
        (lambda x: -(2 * x), [MUL]),
        (lambda x: torch.ones(5, 3) * x + 0, []),
        (lambda x: (x - torch.zeros(3)) / 1, []),
        (lambda x: 0 - x, [SUB]),
        (lambda x: 1 / (x + 3), [ADD, aten.reciprocal.default]),
        (lambda x: x.pow(1), []),
        (lambda x: x.exp() + x.exp(), [aten.exp.default, ADD]),
        (lambda x: x.sum(1), [aten.mv.default]),
        (lambda x: x.sum(0, keepdim=True), [aten.mm.default]),
        (lambda x: x.sum(0), [aten.sum.dim_IntList]),
        (lambda x: x[None].sum(0), [aten.unsqueeze.default, aten.view.default]),
        (lambda x: x.sum(1).mean(), [aten.mv.default, aten.dot.default]),
        (lambda x: torch.stack([x]), [aten.unsqueeze.default]),
        (lambda x: x * x.sum().expand(5, 3), [aten.sum.default, MUL]),
    ],
)
def test_rules(step, expected):
    assert operations(step, X) == expected


def test_a_number_keeps_the_precision_of_the_tensor():
    for dtype in (torch.float32, torch.float64):
        x = X.to(dtype)
        program = written_down(lambda x: x * 0.1, x)
        (tenth,) = program.kept
        assert tenth.dtype == dtype
        assert tenth.item() == torch.tensor(0.1, dtype=dtype).item()
    assert operations(lambda x: torch.arange(3) * 0.5 + x, X) == [ADD]


def test_what_is_changed_in_place_is_left_alone():
    """A product with one is a copy, and it matters here."""

    def step(x):
        y = x * 1.0
        y.add_(1)
        return x + y

    assert MUL in operations(step, X)


def test_other_operations_are_passed_on():
    simplifier = Simplifier(lambda tensor: False, lambda tensor: tensor)
    operation = aten.argmax.default, (X,), {}
    assert simplifier.simplify(*operation, X.argmax()) == operation
