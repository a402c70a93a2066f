"""The protocol between estimator, engine and module: every hook, in the order that it states."""

import inspect
import re

import numpy as np
import pytest
import torch
from estimators import all_estimators, has_engine
from sklearn.base import clone
from sklearn.datasets import load_iris
from torch import nn

from skae.data.batches import Batches
from skae.data.sources import RowsOnDevice
from skae.nn.module import BaseModule
from skae.training.engine import Engine
from skae.training.randomness import make_generators

X = load_iris().data
HOOKS = {
    "undecayed_parameters": "u",
    "step_sizes": "w",
    "start_output": "o",
    "start_noise": "n",
    "start_linear": "l",
    "start_posterior": "p",
    "draw": "d",
    "forward": "f",
    "encode": "e",
    "decode": "c",
    "reconstruct": "r",
    "split": "s",
}
PURPOSES = set(make_generators(0))


def recorded(module, calls):
    """Write down which hooks of a module are called from outside, with what, and what they give.

    A method that is replaced is a promise broken: no step is repeated.
    """
    depth = 0

    def watched(name, hook):
        def call(*args):
            nonlocal depth
            depth += 1
            try:
                result = hook(*args)
            finally:
                depth -= 1
            if not depth:
                calls.append((name, args, result, module.training))
            return result

        return call

    for name in HOOKS:
        setattr(module, name, watched(name, getattr(module, name)))
    return module


def calls_of_a_fit(estimator, monkeypatch):
    """Return the calls of a fit, and a function for those of the methods that follow it."""
    calls, make = [], type(estimator)._make_module
    kind = type(estimator)
    monkeypatch.setattr(kind, "_make_module", lambda *args: recorded(make(*args), calls))
    data = X.astype(estimator.dtype)  # in another precision a copy of the module would answer
    model = clone(estimator).fit(data)
    n = len(calls)
    model.reconstruct(data)
    model.inverse_transform(model.transform(data))
    return model, calls[:n], calls[n:]


def written(calls):
    return "".join(HOOKS[name] for name, *_ in calls)


@all_estimators(only=has_engine)
def test_hooks_are_called_in_the_order_of_the_protocol(estimator, monkeypatch):
    """One group of the expression for each number in the docstring."""
    _, calls, later = calls_of_a_fit(estimator, monkeypatch)
    order = "(uw)(os?n?[lp]?e*)((df)+)((df+|e|c)+)((df)*r?)([ec]*)"
    assert re.fullmatch(order, written(calls)), written(calls)
    assert set(written(later)) <= set("ecrs")
    assert len(re.findall(r"^ *\d\. ", BaseModule.__doc__, re.MULTILINE)) == 6


@all_estimators(only=has_engine)
def test_hooks_get_and_return_what_the_protocol_says(estimator, monkeypatch):
    model, calls, later = calls_of_a_fit(estimator, monkeypatch)
    module, k, width = model.module_, model._n_features_out, model._n_inputs
    parameters = {id(p) for p in module.parameters()}
    for name, args, result, is_training in calls + later:
        if name == "undecayed_parameters":
            assert {id(p) for p in result} <= parameters
        elif name == "step_sizes":
            assert {id(p) for p in result} <= parameters
            assert all(0 < size <= 1 for size in result.values())
        elif name == "draw":
            assert isinstance(result, tuple)
            assert set(args[1]) == PURPOSES
        elif name == "forward":
            assert all(term.shape in ((), (len(args[0]),)) for term in result.values())
            assert set(module.monitored) <= {*result, "loss"}
        elif name == "encode":
            assert args[0].shape[1] == width
            assert result.shape == (len(args[0]), k)
        elif name in ("decode", "reconstruct"):
            assert result.shape == (len(args[0]), X.shape[1])
        elif name.startswith("start"):
            assert result is None
            assert all(t.dtype == torch.float64 for t in args if torch.is_tensor(t))
            shapes = {"start_output": [4], "start_linear": [k, 4]}
            assert list(args[0].shape) == shapes.get(name, list(args[0].shape))
        assert is_training is False or name not in ("encode", "decode", "reconstruct")


def test_every_hook_is_in_the_list():
    """Public methods of the protocol; what a class says of itself is no call."""
    methods = {n for n, value in vars(BaseModule).items() if inspect.isfunction(value)}
    assert methods == {*HOOKS, "draw_normal"}  # which is called by `draw`, not from outside
    listed = re.findall(r"`(\w+)`", BaseModule.__doc__)
    assert methods <= set(listed)


class Mean(BaseModule):
    """The least that the engine can train."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return {"distance": (x - self.mean).square().sum(dim=1)}


def test_a_module_needs_no_more_than_forward():
    net = Engine(Mean(), lr=0.1, generators=make_generators(0)).initialize()
    batches = Batches(RowsOnDevice(torch.from_numpy(X), None, torch.float32), None, 150)
    net.train(batches, n_epochs=300)
    np.testing.assert_allclose(net.module_.mean.detach(), X.mean(axis=0), atol=1e-3)
    assert net.evaluate(batches).keys() == {"distance", "loss"}


@pytest.mark.parametrize("hook", ["forward", "encode", "decode", "start_linear"])
def test_what_has_no_default_says_so(hook):
    wanted = inspect.signature(getattr(BaseModule, hook)).parameters
    args = [torch.zeros(1, 1) for name in wanted if name not in ("self", "draws")]
    with pytest.raises(NotImplementedError):
        getattr(BaseModule(), hook)(*args)


def test_defaults():
    module = BaseModule()
    x = torch.zeros(2, 3)
    assert module.split(x) == (x, None)
    assert module.draw(5, {}) == ()
    assert module.undecayed_parameters() == []
    assert module.step_sizes() == {}
    assert module.start_output(x[0]) is None
    assert module.start_noise(x[0, 0]) is None
    assert not module.draws_globally
    assert not module.repeatable
    assert module.monitored == ("loss",)
