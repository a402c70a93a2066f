"""The fast path: it gives what the eager path gives, or steps aside."""

import functools
import itertools
import pickle
import random

import numpy as np
import pytest
import torch
from estimators import all_estimators, has_engine
from sklearn.base import clone
from sklearn.datasets import load_iris
from skorch.callbacks import Callback, Freezer, LRScheduler
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.optim.optimizer import register_optimizer_step_post_hook

from skae import VAE, Autoencoder, ContractiveAutoencoder, SparseAutoencoder
from skae.data.batches import Batches
from skae.data.sources import RowsOnDevice
from skae.fast import cpu, record, repeater
from skae.fast.choice import make_repeater
from skae.fast.simplify import Simplifier
from skae.nn.autoencoder import AutoencoderModule
from skae.nn.module import BaseModule
from skae.nn.networks import MLP
from skae.training.engine import Engine
from skae.training.optimizers import fused_adam
from skae.training.randomness import make_generators

pytestmark = pytest.mark.cpu

PATHS = ("fast", "eager")
X = load_iris().data[::2][:70]  # batches of 16 and a short one of 6
WEIGHTS = np.random.default_rng(0).uniform(0.5, 2, len(X))


@pytest.fixture
def on(monkeypatch):
    """Return a function that fits on one of the paths, whatever the number of steps."""

    def fit(path, estimator, sample_weight=None, X=X):
        monkeypatch.setattr(repeater, "FEWEST_REPETITIONS", {"eager": 10**9, "fast": 0}[path])
        return estimator.fit(X, sample_weight=sample_weight)

    return fit


def programs(estimator):
    """Return what the last fit wrote down: a program for each shape, or None where it failed."""
    repeater = estimator.net_._repeater
    return [] if repeater is None else list(repeater.programs.values())


def is_replayed(estimator):
    return bool(programs(estimator)) and None not in programs(estimator)


def assert_equal_models(fast, eager, rtol=1e-4):
    """Same losses, weights, buffers, optimizer state and generators, to rounding."""
    np.testing.assert_allclose(fast.loss_curve_, eager.loss_curve_, rtol=rtol)
    if eager.validation_loss_curve_ is not None:
        np.testing.assert_allclose(
            fast.validation_loss_curve_, eager.validation_loss_curve_, rtol=rtol
        )
    states = fast.net_.state(), eager.net_.state()
    for key in ("weights", "generators"):
        for name, value in states[1][key].items():
            torch.testing.assert_close(states[0][key][name], value, rtol=rtol, atol=1e-5)
    assert states[0]["optimizer_name"] == states[1]["optimizer_name"]
    moments = [record.tensors_in(state["optimizer"]["state"]) for state in states]
    for a, b in zip(*moments, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=1e-5 * float(b.abs().max() + 1))


# Their modules run code of the user, or their optimizer calls the step itself.
EAGER = {"lbfgs", "own networks", "own corruption", "own prior"}


@all_estimators(only=has_engine)
def test_both_paths_are_equal(estimator, on, request):
    name = request.node.callspec.id
    fast = on("fast", clone(estimator), WEIGHTS)
    eager = on("eager", clone(estimator), WEIGHTS)
    assert is_replayed(fast) == (name not in EAGER)
    assert not programs(eager)
    rtol = 1e-9 if estimator.dtype == "float64" else 1e-4
    assert_equal_models(fast, eager, 0 if name in EAGER else rtol)


CHANGING = {
    "warm-up": VAE(warm_up=0.5, prior="mixture", max_iter=12),
    "revival": SparseAutoencoder(24, sparsity="topk", n_nonzero_coefs=1, max_iter=12),
    "threshold": SparseAutoencoder(9, sparsity="batch_topk", n_nonzero_coefs=2, max_iter=12),
    "early stopping": ContractiveAutoencoder(
        3, hidden_layer_sizes=(8,), early_stopping=True, max_iter=12
    ),
    "decay": Autoencoder(dropout=0.3, alpha=0.2, dtype="float64", max_iter=12),
}


@pytest.mark.parametrize(
    "estimator",
    CHANGING.values(),
    ids=CHANGING,
)
def test_what_changes_between_steps_is_seen(estimator, on):
    """Buffers that callbacks fill, units that are revived, thresholds, rates, masks."""
    fast, eager = [on(path, clone(estimator).set_params(random_state=1)) for path in PATHS]
    assert is_replayed(fast)
    assert_equal_models(fast, eager, rtol=1e-3)
    if isinstance(estimator, SparseAutoencoder) and estimator.sparsity == "topk":
        assert max(row["n_dead_units"] for row in eager.history_) > 0  # some were revived


@pytest.mark.parametrize("estimator", [Autoencoder(), VAE(), SparseAutoencoder()])
def test_paths_may_change_between_fits(estimator, on):
    """A warm start after pickling goes on the same from either path, on either path."""
    estimator = clone(estimator).set_params(warm_start=True, max_iter=3, random_state=0)
    models = []
    for first, then in (
        ("eager", "eager"),
        ("fast", "eager"),
        ("eager", "fast"),
        ("fast", "fast"),
    ):
        model = pickle.loads(pickle.dumps(on(first, clone(estimator))))
        models.append(on(then, model))
    for model in models[1:]:
        assert_equal_models(model, models[0])


HALVING = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5)


@pytest.mark.parametrize(
    "optimizer",
    [
        functools.partial(torch.optim.AdamW, weight_decay=0.1, betas=(0.8, 0.95)),
        functools.partial(torch.optim.Adam, amsgrad=True),
        functools.partial(torch.optim.Adam, fused=False),
        functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        torch.optim.Adafactor,
        "rmsprop",
    ],
    ids=["adamw", "amsgrad", "foreach", "sgd", "adafactor", "rmsprop"],
)
@pytest.mark.parametrize("callbacks", [None, [HALVING]])
def test_optimizers_and_schedules(optimizer, callbacks, on):
    settings = dict(learning_rate_init=1e-3, max_iter=5, random_state=0)
    ae = Autoencoder(optimizer=optimizer, callbacks=callbacks, **settings)
    fast, eager = [on(path, clone(ae)) for path in PATHS]
    assert is_replayed(fast)
    assert_equal_models(fast, eager)


def quadratic(inputs, kept):
    """Put the gradient of |p - x|^2 / 2 in its place."""
    (x,), (p, grad) = inputs, kept
    grad.copy_(p - x)
    return ((p - x).square().sum() / 2)[None]


@pytest.mark.parametrize(
    "settings", [{}, {"weight_decay": 0.1}, {"maximize": True, "betas": (0.5, 0.7), "eps": 1e-3}]
)
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_run_moves_as_the_optimizer_does(kind, settings, is_compiled):
    """Several steps in one call, each at its rate, end where torch's own steps end."""
    generator = torch.Generator().manual_seed(0)
    start, *targets = torch.randn(6, 7, generator=generator)
    rates = [0.1, 0.05, 0.2, 0.01]
    p, q = [nn.Parameter(start.clone()) for _ in range(2)]
    optimizers = [kind([parameter], lr=0.1, fused=True, **settings) for parameter in (p, q)]
    values = []
    for optimizer, parameter in zip(optimizers, (p, q), strict=True):
        parameter.grad = parameter.detach() - targets[0]
        assert fused_adam(optimizer) is None  # it has no state yet
        optimizer.step()
    for target, rate in zip(targets[1:], rates, strict=True):
        optimizers[0].param_groups[0]["lr"] = rate
        values.append(quadratic([target], [p.detach(), p.grad]))
        optimizers[0].step()
        with torch.no_grad():
            p[:3] *= 1 - 0.5 * rate

    adam = fused_adam(optimizers[1])
    inputs, kept = [[target] for target in targets[1:]], [q.detach(), q.grad]
    run = cpu.looped(quadratic)
    if is_compiled:
        step = torch.jit.trace(quadratic, (inputs[0], [torch.zeros(7), torch.zeros(7)]))
        run = torch.jit.script(cpu.looped(step))
    of_steps, shrinkage = [[rate] for rate in rates], [1 - 0.5 * rate for rate in rates]
    found = run(inputs, kept, of_steps, *adam, q.detach()[:3], shrinkage)
    torch.testing.assert_close(found, torch.stack(values))
    torch.testing.assert_close(p, q)
    assert optimizers[1].state[q]["step"] == 5


def test_listeners_hear_every_step():
    p = nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    optimizer = torch.optim.Adam([p], fused=True)
    optimizer.step()
    assert fused_adam(optimizer) is not None
    torch.optim.lr_scheduler.StepLR(optimizer, step_size=2)
    assert fused_adam(optimizer) is not None
    everywhere = register_optimizer_step_post_hook(lambda *args: None)
    assert fused_adam(optimizer) is None
    everywhere.remove()
    assert fused_adam(optimizer) is not None
    optimizer.register_step_post_hook(lambda *args: None)
    assert fused_adam(optimizer) is None


# What is written down, and when


class Counting(AutoencoderModule):
    repeatable = True
    n_calls = 0

    def forward(self, *batch):
        Counting.n_calls += 1
        return super().forward(*batch)


def with_module(module_class, **settings):
    """Return an autoencoder whose objective is a class of the user."""

    class Mine(Autoencoder):
        def _make_module(self, n_features, generator):
            networks = self._make_networks(n_features, generator)
            return module_class(*networks, **self._module_options())

    return Mine(max_iter=4, random_state=0, linear_path=False, **settings)


def test_a_shape_is_run_twice_and_then_replayed(on):
    Counting.n_calls = 0
    fast = on("fast", with_module(Counting))
    assert len(programs(fast)) == 2
    n_looks = 2  # at the loss before and after training
    assert Counting.n_calls == 4 + n_looks
    assert_equal_models(fast, on("eager", with_module(Counting)))


def test_a_program_is_written_down_where_it_pays():
    """Decided by the number of steps alone: the short batches come once an epoch."""
    few = with_module(AutoencoderModule).fit(X)
    assert not programs(few)
    n_epochs = repeater.FEWEST_REPETITIONS // 4
    many = with_module(AutoencoderModule).set_params(max_iter=n_epochs).fit(X)
    assert len(programs(many)) == 1


def test_compiled_programs_are_shared_between_fits(on):
    first, second = [on("fast", with_module(AutoencoderModule)) for _ in range(2)]
    written = [[functions for _, functions, _ in programs(ae)] for ae in (first, second)]
    assert written[0] == written[1]
    wider = on("fast", with_module(AutoencoderModule, hidden_layer_sizes=(5,)))
    assert not {id(functions) for _, functions, _ in programs(wider)} & set(map(id, written[0]))


class Branching(AutoencoderModule):
    """Looks at the numbers before it decides what to do."""

    repeatable = True

    def forward(self, *batch):
        terms = super().forward(*batch)
        if terms["reconstruction"].mean() > 2:
            terms["extra"] = terms["reconstruction"] * 0.5
        else:
            terms["extra"] = terms["reconstruction"] * 0.1
        return terms


class Peeking(AutoencoderModule):
    """Decides by numbers that it reads past torch."""

    repeatable = True

    def forward(self, *batch):
        (error,) = super().forward(*batch).values()
        return {"reconstruction": error * (1.5 if error.detach().numpy().mean() > 2 else 1.0)}


class Selecting(AutoencoderModule):
    """How many rows it takes depends on them."""

    repeatable = True

    def forward(self, x, *masks):
        (error,) = super().forward(x, *masks).values()
        return {"reconstruction": error, "far": error[error > error.mean()].mean()}


class Outside(AutoencoderModule):
    """Uses a tensor that is no part of the module, and that changes."""

    repeatable = True

    def forward(self, x, *masks):
        (error,) = super().forward(x, *masks).values()
        factor = torch.from_numpy(np.array(error.shape[0] / 10.0, dtype=np.float32))
        return {"reconstruction": error * factor}


class Drawing(AutoencoderModule):
    """Draws from torch's global generator and does not say so."""

    repeatable = True

    def forward(self, x, *masks):
        return super().forward(x + 0.1 * torch.randn_like(x), *masks)


class Exporting(AutoencoderModule):
    """Decides by numbers that it hands to another library."""

    repeatable = True

    def forward(self, *batch):
        (error,) = super().forward(*batch).values()
        return {"reconstruction": error * (1.5 if np.from_dlpack(error.detach())[0] > 2 else 1.0)}


class Warming(AutoencoderModule):
    """Counts its steps, and weighs the loss by them."""

    repeatable = True
    n = 0

    def forward(self, *batch):
        self.n += 1
        (error,) = super().forward(*batch).values()
        return {"reconstruction": error * min(1.0, self.n / 10)}


class Averaging(AutoencoderModule):
    """Puts another tensor in the place of a buffer in every step."""

    repeatable = True

    def __init__(self, *networks, **options):
        super().__init__(*networks, **options)
        self.register_buffer("average", torch.ones(()))

    def forward(self, *batch):
        (error,) = super().forward(*batch).values()
        self.average = 0.5 * self.average + 0.5 * error.mean().detach()
        return {"reconstruction": error / self.average}


UNREPEATABLE = [Branching, Peeking, Exporting, Selecting, Outside, Drawing, Warming, Averaging]


@pytest.mark.parametrize("module_class", UNREPEATABLE)
def test_what_cannot_be_repeated_is_run_eagerly(module_class, on):
    models = []
    for path in PATHS:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            models.append(on(path, with_module(module_class)))
    assert set(programs(models[0])) <= {None}
    assert_equal_models(*models)


class Clock:
    """What a module may hold: no tensor, no number, yet it changes with every step."""

    n = 0

    def tick(self):
        self.n += 1
        return self.n / 100


class Held(AutoencoderModule):
    """Weighs a penalty by a count in an object that it holds."""

    def __init__(self, *networks, **options):
        super().__init__(*networks, **options)
        self.clock = Clock()

    def forward(self, x, *masks):
        penalty = self.encode(x).square().sum(dim=1)
        return {**super().forward(x, *masks), "kl": self.clock.tick() * penalty}


class Bare(BaseModule):
    """No autoencoder, with one inside."""

    def __init__(self, *networks, **options):
        super().__init__()
        self.inner, self.clock = AutoencoderModule(*networks, **options), Clock()

    def forward(self, x):
        (error,) = self.inner(x).values()
        return {"reconstruction": self.clock.tick() * error}


class NumpyNoise(AutoencoderModule):
    def forward(self, x, *masks):
        return super().forward(x + float(np.random.normal()), *masks)


class PythonNoise(AutoencoderModule):
    def forward(self, x, *masks):
        return super().forward(x * (1 + random.random()), *masks)


class Timed(AutoencoderModule):
    times = itertools.cycle(range(7))  # what `time.time` would be, but the same for both paths

    def forward(self, x, *masks):
        return super().forward(x * (1 + next(self.times)), *masks)


def counted(*networks, **options):
    """Return a module that counts in a closure."""
    clock = Clock()

    class Counted(AutoencoderModule):
        def encode(self, x, masks=()):
            return super().encode(x, masks) * (1 + clock.tick())

    return Counted(*networks, **options)


def patched(*networks, **options):
    """Return a module of ours with a method of its own."""
    module, clock = AutoencoderModule(*networks, **options), Clock()
    encode = module.encode
    module.encode = lambda x, masks=(): encode(x, masks) * (1 + clock.tick())
    return module


def patched_inside(*networks, **options):
    """Return a module of ours with a layer that has a method of its own."""
    module, clock = AutoencoderModule(*networks, **options), Clock()
    forward = module.decoder.layers[-1].forward
    module.decoder.layers[-1].forward = lambda x: forward(x) * (1 + clock.tick())
    return module


def trained(make_module, path, monkeypatch, n_epochs=6):
    """Return an engine that has trained a module, with no estimator around it."""
    monkeypatch.setattr(repeater, "FEWEST_REPETITIONS", {"eager": 10**9, "fast": 0}[path])
    generators = make_generators(0)
    networks = [
        MLP(4, (6,), 2, generator=generators["initialisation"]),
        MLP(2, (6,), 4, generator=generators["initialisation"]),
    ]
    np.random.seed(0)
    random.seed(0)
    Timed.times = itertools.cycle(range(7))
    options = {"lr": 0.01, "generators": generators, "make_repeater": make_repeater}
    net = Engine(make_module(*networks), **options).initialize()
    rows = torch.as_tensor(X, dtype=torch.float32)
    rows = RowsOnDevice(rows - rows.mean(dim=0), None, torch.float32)
    return net.train(Batches(rows, None, 16, generator=generators["shuffling"]), None, n_epochs)


def assert_equal_training(fast, eager):
    for name in ("train_loss", "train_reconstruction"):
        np.testing.assert_allclose(fast.history[:, name], eager.history[:, name], rtol=1e-4)
    torch.testing.assert_close(fast.flat_, eager.flat_, rtol=1e-4, atol=1e-5)


STRANGERS = [Held, Bare, NumpyNoise, PythonNoise, Timed, counted, patched, patched_inside]


@pytest.mark.parametrize("make_module", STRANGERS)
def test_nothing_is_assumed_of_strangers(make_module, monkeypatch):
    fast, eager = [trained(make_module, path, monkeypatch) for path in PATHS]
    assert fast._repeater is None
    assert_equal_training(fast, eager)


def lying(kind):
    """Return a class that promises what it does not keep."""
    return type(kind.__name__, (kind,), {"repeatable": True})


@pytest.mark.parametrize("kind", [Held, Bare, NumpyNoise, PythonNoise, Timed])
def test_a_broken_promise_is_found_at_the_second_step(kind, monkeypatch):
    fast, eager = [trained(lying(kind), path, monkeypatch) for path in PATHS]
    assert set(fast._repeater.programs.values()) == {None}
    assert fast._repeater.frequent == set()  # for good
    assert_equal_training(fast, eager)


def test_a_small_term_is_not_hidden_by_a_large_one(monkeypatch):
    class Faint(Held):
        repeatable = True

        def forward(self, x, *masks):
            terms = super().forward(x, *masks)
            return {**terms, "kl": 0.1 * terms["kl"], "large": 10 + terms["kl"].detach() * 0}

    fast, eager = [trained(Faint, path, monkeypatch) for path in PATHS]
    assert set(fast._repeater.programs.values()) == {None}
    assert_equal_training(fast, eager)


class Documented(AutoencoderModule):
    """A subclass that adds a docstring and a number."""

    factor = 2.0


class Pure(nn.Module):
    """A network of a user who has read the guide."""

    repeatable = True

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_in, 5), nn.Tanh(), nn.Linear(5, n_out))

    def forward(self, x):
        return self.layers(x).sin()


class Heir(Pure):
    """Says nothing of the code that it adds."""

    def forward(self, x):
        return super().forward(x).cos()


class Property(AutoencoderModule):
    monitored = property(lambda self: ("loss",))


class Nested(AutoencoderModule):
    class likelihood:
        pass


class Vouched(AutoencoderModule, Clock):
    """Its second parent says nothing."""


def without(**attributes):
    """Return a network that would keep its promise, and attributes over its methods."""
    network = Pure(4, 2)
    vars(network).update(attributes)
    return network


MODULES = [
    (AutoencoderModule(Pure(4, 2), nn.Linear(2, 4)), True),
    (Documented(MLP(4, (3,), 2), MLP(2, (3,), 4)), True),
    (nn.Sequential(nn.Linear(4, 2), nn.GELU()), True),
    (AutoencoderModule(Heir(4, 2), Pure(2, 4)), False),
    (Property(Pure(4, 2), Pure(2, 4)), False),
    (Nested(Pure(4, 2), Pure(2, 4)), False),
    (Vouched(Pure(4, 2), Pure(2, 4)), False),
    (without(forward=torch.sin), False),
    (nn.Sequential(nn.Linear(4, 2), nn.Dropout()), False),
    (nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2)), False),
    (weight_norm(nn.Linear(4, 2)), False),
]


@pytest.mark.parametrize(("module", "expected"), MODULES)
def test_who_promises(module, expected):
    assert repeater.is_repeatable(module) == expected


@pytest.mark.parametrize("path", ["encoder", "decoder"])
def test_a_network_of_the_user_may_promise(path, on):
    """It is replayed, and no lock is taken for what it would draw."""
    ae = Autoencoder(max_iter=4, random_state=0, dropout=0.1).set_params(**{path: Pure})
    fast, eager = [on(p, clone(ae)) for p in PATHS]
    assert is_replayed(fast)
    assert not fast.module_.draws_globally
    assert_equal_models(fast, eager)
    heir = on("fast", clone(ae).set_params(**{path: Heir}))
    assert heir.module_.draws_globally
    assert not programs(heir)


class Patch(Callback):
    """Put a method over one of the module's in the middle of the training."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            encode, clock = net.module_.encode, Clock()
            net.module_.encode = lambda x, masks=(): encode(x, masks) * (1 + clock.tick())


def test_a_promise_ends_where_a_method_is_replaced(on):
    ae = with_module(AutoencoderModule, callbacks=[Patch()]).set_params(max_iter=6)
    fast, eager = [on(path, clone(ae), X=X.astype(np.float32)) for path in PATHS]
    assert not programs(fast)
    assert_equal_models(fast, eager)


class Reaching(AutoencoderModule):
    """Uses a parameter in short batches only."""

    repeatable = True

    def __init__(self, *networks, **options):
        super().__init__(*networks, **options)
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x, *masks):
        return super().forward(x + self.shift if len(x) < 10 else x, *masks)


class Refilling(AutoencoderModule):
    """Draws into the same memory in every step."""

    repeatable = True
    memory = torch.empty(len(X), 4)

    def draw(self, n_rows, generators):
        return self.memory[:n_rows].normal_(generator=generators["noise"]), ()

    def forward(self, x, noise, masks):
        return super().forward(x + 0.5 * noise)


@pytest.mark.parametrize("module_class", [Reaching, Refilling])
def test_sizes_and_draws_do_not_mix(module_class, on):
    fast, eager = [on(path, with_module(module_class)) for path in PATHS]
    assert is_replayed(fast)
    assert_equal_models(fast, eager)


class Scaled(AutoencoderModule):
    """A number of the module scales the loss, and a list of hooks may be called."""

    repeatable = True
    factor = 1.0

    def forward(self, *batch):
        return {name: self.factor * term for name, term in super().forward(*batch).items()}


class Turn(Callback):
    """Change a setting of the module while it is trained."""

    def on_epoch_begin(self, net, **kwargs):
        net.module_.factor = 1.0 + len(net.history)


class Look(Callback):
    """Watch a layer from the third epoch on."""

    def initialize(self):
        self.n_seen = 0
        return self

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            net.module_.decoder.register_forward_hook(self.count)

    def count(self, *args):
        self.n_seen += 1


class Thaw(Callback):
    """Let a frozen layer learn from the third epoch on."""

    def on_epoch_begin(self, net, **kwargs):
        frozen = len(net.history) < 3
        net.module_.encoder.layers[0].weight.requires_grad_(not frozen)


@pytest.mark.parametrize("callback", [Turn(), Look(), Thaw(), Freezer("encoder.layers.0.*")])
def test_what_callbacks_do_to_the_module_is_seen(callback, on):
    fast, eager = [on(path, with_module(Scaled, callbacks=[callback])) for path in PATHS]
    assert_equal_models(fast, eager)
    if isinstance(callback, Look):
        (mine,) = [c for _, c in fast.net_.callbacks_ if isinstance(c, Look)]
        assert mine.n_seen == 2 * 5 + 1  # the look at the end
    else:
        assert is_replayed(fast)


def test_a_callback_for_each_batch_means_the_eager_path(on):
    class Watch(Callback):
        def on_batch_end(self, net, **kwargs):
            pass

    assert on("fast", Autoencoder(max_iter=2, callbacks=[Watch()])).net_._repeater is None


def test_anomalies_are_looked_for_on_the_eager_path(on):
    with torch.autograd.detect_anomaly(check_nan=False):
        watched = on("fast", with_module(AutoencoderModule))
    assert not programs(watched)


def test_without_torchscript_the_program_runs_in_python(on, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("gone")

    monkeypatch.setattr(torch.jit, "trace", refuse)
    monkeypatch.setattr(cpu, "_written_down", {})
    fast = on("fast", with_module(AutoencoderModule))
    assert is_replayed(fast)
    assert_equal_models(fast, on("eager", with_module(AutoencoderModule)))


def test_the_programs_kept_are_limited(on, monkeypatch):
    monkeypatch.setattr(cpu, "_written_down", {})
    monkeypatch.setattr(cpu, "N_PROGRAMS", 2)
    for n_layers in range(3):
        on("fast", with_module(AutoencoderModule, hidden_layer_sizes=[5] * n_layers))
    assert len(cpu._written_down) == 2


def program_of(step, x, *lasting):
    """Return the program of a function of one input."""
    with record.Recorder() as recorder:
        result = step(x)
    return record.Program(recorder.calls, [x], lasting, [], [], result, Simplifier)


def names_of(program):
    return [node.target for node in program.graph.nodes if node.op == "call_function"]


def test_views_that_change_nothing_vanish():
    w = torch.randn(3, 4)
    program = program_of(lambda x: x.t().t().view(2, 3).detach() @ w.t().t(), torch.randn(2, 3), w)
    assert names_of(program) == [torch.ops.aten.mm.default]


def test_constants_are_computed_once():
    program = program_of(lambda x: x * (torch.eye(3) * 2 + 1), torch.randn(3, 3))
    assert names_of(program) == [torch.ops.aten.mul.Tensor]
    torch.testing.assert_close(program.kept, [torch.eye(3) * 2 + 1])


def test_memory_that_is_written_into_is_no_constant():
    def step(x):
        y = torch.zeros(3)
        y[1:] = x[1:]
        return y + y.sum()

    x = torch.tensor([1.0, 2.0, 3.0])
    program = program_of(step, x)
    written = cpu.compiled(program, [x])
    for x in (torch.ones(3), torch.tensor([5.0, 6.0, 7.0])):
        torch.testing.assert_close(written.step([x], program.kept), step(x))


def test_an_input_is_not_written_into():
    with pytest.raises(record.Untraceable, match="in place"):
        program_of(lambda x: x.add_(1), torch.randn(3))


def test_batches_of_one_row(on):
    """A single row is a shape like any other, where batches hold one row each."""
    settings = dict(batch_size=1, max_iter=2, random_state=0)
    fast, eager = [on(path, Autoencoder(**settings), X=X[:7]) for path in PATHS]
    assert len(programs(fast)) == 1
    assert_equal_models(fast, eager)
