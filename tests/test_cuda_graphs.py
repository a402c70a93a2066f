"""Steps as CUDA graphs: a stand-in runs the function again; the real ones need CUDA."""

from unittest import mock

import numpy as np
import pytest
import torch
from estimators import all_estimators, has_engine
from sklearn.base import clone
from skorch.callbacks import Callback
from test_repeated_steps import (
    HALVING,
    WEIGHTS,
    Bare,
    Held,
    Timed,
    X,
    assert_equal_models,
    assert_equal_training,
    lying,
    trained,
)
from torch import fx, nn

from skae import VAE, Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from skae.fast import choice, cuda, repeater
from skae.nn.autoencoder import AutoencoderModule
from skae.training import engine


class Rerun:
    """What a graph is to its user: nothing runs when it is captured, everything at each replay."""

    def __init__(self, function, generators, stream):
        self.function = function

    def replay(self):
        self.result = self.function()


class Reruns(cuda.Graphs):
    make_graph, aside = Rerun, staticmethod(lambda function, stream: function())


class Refusal(Reruns):
    """Finds in the middle of a step, after its draws, that it waits for the device."""

    @staticmethod
    def aside(function, stream):
        with mock.patch.object(torch.autograd, "grad", refuse):
            return function()


def refuse(*args, **kwargs):
    raise RuntimeError("called a synchronizing CUDA operation")


@pytest.fixture
def fit(monkeypatch):
    """Return a function that fits with a repeater of our choice, None being the eager path."""

    def fit_with(kind, estimator, sample_weight=None):
        monkeypatch.setattr(repeater, "FEWEST_REPETITIONS", 10**9 if kind is None else 0)
        if kind is not None:
            monkeypatch.setattr(choice, "Replay", kind)
        return clone(estimator).fit(X, sample_weight=sample_weight)

    return fit_with


def n_graphs(estimator):
    return getattr(estimator.net_._repeater, "n_captured", 0)


def can_be_captured(estimator):
    return estimator.optimizer == "adam" and not estimator.net_.module_.draws_globally


@pytest.mark.cpu
@all_estimators(only=has_engine)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_static_steps_are_eager_steps(estimator, weights, fit):
    """A gradient between fixed places, the learning rate in a tensor: the same numbers."""
    static, eager = [fit(kind, estimator, weights) for kind in (Reruns, None)]
    assert n_graphs(static) == (2 if can_be_captured(eager) else 0)
    assert_equal_models(static, eager, rtol=1e-4)


@pytest.mark.cpu
@pytest.mark.parametrize(
    "estimator",
    [
        VAE(warm_up=0.5, prior="mixture", max_iter=8),
        SparseAutoencoder(24, n_nonzero_coefs=1, max_iter=8, dtype="float64"),
        Autoencoder(dropout=0.3, alpha=0.2, callbacks=[HALVING], max_iter=8),
        Autoencoder(optimizer=torch.optim.AdamW, learning_rate="linear", max_iter=8),
    ],
    ids=["warm-up", "revival", "decay and halving", "adamw"],
)
def test_what_changes_between_epochs_is_seen(estimator, fit):
    estimator.set_params(random_state=1)
    static, eager = [fit(kind, estimator) for kind in (Reruns, None)]
    assert n_graphs(static) == 2
    assert_equal_models(static, eager, rtol=1e-3)


class OwnNoise(AutoencoderModule):
    """Draws from the generator that is of variants alone."""

    repeatable = True

    def draw(self, n_rows, generators):
        e = self.draw_normal((n_rows, 2), generators["own"])
        return *super().draw(n_rows, generators), e

    def terms(self, x, z, p, e):
        return super().terms(x, z + 0.1 * e, self.decode_parameters(z + 0.1 * e))


class Noisy(Autoencoder):
    _module_class = OwnNoise


@pytest.mark.cpu
def test_a_variant_s_own_draws_are_those_of_eager_steps(fit):
    static, eager = [fit(kind, Noisy(2, max_iter=4, random_state=0)) for kind in (Reruns, None)]
    assert n_graphs(static) == 2
    assert_equal_models(static, eager)


@pytest.mark.cpu
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_other_optimizers_take_eager_steps(optimizer, fit):
    ae = Autoencoder(optimizer=optimizer, learning_rate_init=1e-3, max_iter=3, random_state=0)
    static, eager = [fit(kind, ae) for kind in (Reruns, None)]
    assert n_graphs(static) == 0
    assert_equal_models(static, eager)


@pytest.mark.cpu
@pytest.mark.parametrize(
    "estimator",
    [
        DenoisingAutoencoder(),
        SparseAutoencoder(9, sparsity="batch_topk", n_nonzero_coefs=2),
        VAE(dropout=0.2),
    ],
)
def test_what_waits_for_the_device_takes_eager_steps(estimator, fit):
    """All that the attempt drew and changed is put back."""
    estimator.set_params(max_iter=4, random_state=0)
    static, eager = [fit(kind, estimator) for kind in (Refusal, None)]
    assert n_graphs(static) == 0
    assert_equal_models(static, eager)


@pytest.mark.cpu
@pytest.mark.parametrize("kind", [Held, Bare, Timed])
def test_graphs_go_by_promises_and_look_again(kind, monkeypatch):
    monkeypatch.setattr(choice, "Replay", Reruns)
    stranger, eager = [trained(kind, path, monkeypatch) for path in ("fast", "eager")]
    assert stranger._repeater is None
    assert_equal_training(stranger, eager)
    liar = trained(lying(kind), "fast", monkeypatch, n_epochs=6)
    assert liar._repeater.n_captured == 2  # one of each size, and never again
    assert liar._repeater.frequent == set()


class Restart(Callback):
    """Give the optimizer new memory in the middle."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 4:
            net._initialize_optimizer()


@pytest.mark.cpu
def test_graphs_are_dropped_with_the_memory_they_use(fit):
    ae = Autoencoder(max_iter=8, callbacks=[Restart()], random_state=0)
    static, eager = [fit(kind, ae) for kind in (Reruns, None)]
    assert n_graphs(static) == 4  # of two sizes, twice
    assert_equal_models(static, eager)


def to_meta(value):
    return value.to("meta") if torch.is_tensor(value) else value


@all_estimators(only=has_engine)
def test_a_step_stays_on_its_device(estimator):
    """On the meta device: no number is read back, no tensor comes from elsewhere."""
    model = clone(estimator).fit(X)
    if not can_be_captured(model):
        pytest.skip("it runs code of the user")
    module = model.module_.train()
    draws = fx.node.map_aggregate(model.net_.step_.draw(len(X)), to_meta)
    x = torch.empty(len(X), model._n_inputs, device="meta", dtype=model.net_.flat_.dtype)
    terms = module.to("meta")(x, *draws)
    sum(term.mean() for term in terms.values()).backward()
    trainable = [p for p in module.parameters() if p.grad is not None]
    assert trainable
    assert all(p.grad.is_meta for p in trainable)


@pytest.mark.gpu
@all_estimators(only=has_engine)
def test_graphs_equal_the_eager_path_on_cuda(estimator, fit):
    estimator = clone(estimator).set_params(device="cuda")
    graph, eager = [fit(kind, estimator) for kind in (choice.Replay, None)]
    assert n_graphs(graph) == (2 if can_be_captured(eager) else 0)
    assert_equal_models(graph, eager, rtol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("estimator", [Autoencoder(), VAE(), SparseAutoencoder()])
def test_no_step_waits_for_the_device(estimator, monkeypatch):
    """From the fourth epoch on; the mean of the losses is read when an epoch has ended."""
    monkeypatch.setattr(repeater, "FEWEST_REPETITIONS", 0)
    in_runs = engine.Engine._in_runs

    def watched(self, batches):
        if len(self.history) > 3:
            torch.cuda.set_sync_debug_mode("error")
        try:
            yield from in_runs(self, batches)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(engine.Engine, "_in_runs", watched)
    data = np.tile(X, (20, 1)).astype(np.float32)
    model = clone(estimator).set_params(device="cuda", max_iter=6, random_state=0).fit(data)
    assert n_graphs(model) == 2
    assert len(model.loss_curve_) == 6


def test_the_meta_device_shows_what_would_wait():
    """What the test above relies on."""
    layer = nn.Linear(4, 3, device="meta")
    x = torch.empty(5, 4, device="meta")
    with pytest.raises(RuntimeError):
        layer(x).sum().item()
    with pytest.raises(RuntimeError):
        layer(x) + torch.ones(5, 3)
