"""The engine: its losses, its callbacks, its buffer."""

import copy
import functools
import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)

from skae import Autoencoder
from skae.data import batches as batches_module
from skae.data.batches import Batches
from skae.data.sources import RowsOnDevice
from skae.training.optimizers import EPS
from skae.training.randomness import make_generator
from skae.training.step import WARM_UP

X = load_iris().data


def batches(n, size, generator=None, index=None):
    rows = RowsOnDevice(torch.arange(float(n))[:, None], None, torch.float32)
    return Batches(rows, None, size, index, generator)


@pytest.mark.parametrize(("n", "size"), [(10, 3), (10, 10), (10, 100), (7, 3), (5, 1), (2, 1)])
def test_batches_hold_every_row_once(n, size):
    for generator in (None, torch.Generator()):
        seen = [x[:, 0] for x, _ in batches(n, size, generator)]
        assert sorted(torch.cat(seen).tolist()) == list(range(n))
        assert [len(x) for x in seen] == batches(n, size).sizes
    if size > 1:
        assert min(len(x) for x in seen) > 1


@pytest.mark.parametrize("limit", [1, 3, 64])
@pytest.mark.parametrize("weights", [None, torch.arange(11.0)])
def test_runs_are_the_same_batches(limit, weights, monkeypatch):
    """Gathered together, they are what single batches are, and never of two sizes."""
    monkeypatch.setattr(batches_module, "RUN_STEPS", limit)
    both = [batches(11, 2, torch.Generator().manual_seed(0)) for _ in range(2)]
    for b in both:
        b.weights = weights
    runs = list(both[0].runs())
    for (x, w), (x_alone, w_alone) in zip(itertools.chain(*runs), both[1], strict=True):
        torch.testing.assert_close(x, x_alone)
        assert (w is None) if weights is None else torch.equal(w, w_alone)
    assert max(map(len, runs)) == min(limit, 4)  # four pairs, and the last three together
    assert all(len({len(x) for x, _ in run}) == 1 for run in runs)


def test_a_run_holds_few_bytes(monkeypatch):
    monkeypatch.setattr(batches_module, "RUN_BYTES", 4 * 2 * 3)  # three batches of two numbers
    assert [len(run) for run in batches(12, 2).runs()] == [3, 3]


def bare_loop(ae, X, n_epochs):
    """The textbook loop, written from the documentation: same weights, same order, same losses."""
    x = torch.from_numpy((X - ae.mean_) / ae.scale_).float()
    fresh = copy.deepcopy(ae)
    generator = make_generator(ae._seed, "initialisation")
    module = fresh._make_module(X.shape[1], generator)
    shuffling = make_generator(ae._seed, "shuffling")
    optimizer = torch.optim.Adam(module.parameters(), lr=ae.learning_rate_init, eps=EPS)
    size = max(16, len(x) // 16)
    n_steps, step, losses = n_epochs * -(-len(x) // size), 0, []
    for _ in range(n_epochs):
        order, total = torch.randperm(len(x), generator=shuffling), 0.0
        for start in range(0, len(x), size):
            batch = x[order[start : start + size]]
            for group in optimizer.param_groups:
                rise = min(1, (step + 1) / round(WARM_UP * n_steps))
                share = rise * (1 + np.cos(np.pi * step / n_steps)) / 2
                group["lr"] = ae.learning_rate_init * share
            optimizer.zero_grad()
            error = (module.decoder(module.encoder(batch)) - batch).square().sum(dim=1)
            error.mean().backward()
            optimizer.step()
            total += error.sum().item()
            step += 1
        losses.append(total / len(x))
    return losses


@pytest.mark.cpu
@pytest.mark.parametrize("hidden_layer_sizes", [(), (16,), (16, 8)])
def test_losses_equal_a_bare_torch_loop_s(hidden_layer_sizes):
    data = load_digits().data[:203]
    ae = Autoencoder(
        2,
        hidden_layer_sizes=hidden_layer_sizes,
        linear_path=False,
        max_iter=5,
        random_state=3,
    ).fit(data)
    np.testing.assert_allclose(ae.loss_curve_, bare_loop(ae, data, 5), rtol=1e-5)


class Recorder(Callback):
    """Keep what each hook is given."""

    def __init__(self):
        self.epochs = []
        self.n_batches = 0
        self.gradients = []

    def on_epoch_end(self, net, **kwargs):
        self.epochs.append(net.history[-1]["train_loss"])

    def on_batch_end(self, net, batch, loss, training, **kwargs):
        self.n_batches += training

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.gradients.append(sum(float(p.grad.norm()) for _, p in named_parameters))


def test_callbacks_are_copied_and_called():
    recorder = Recorder()
    ae = Autoencoder(max_iter=3, batch_size=50, callbacks=[recorder], random_state=0).fit(X)
    assert recorder.epochs == []
    (mine,) = [c for _, c in ae.net_.callbacks_ if isinstance(c, Recorder)]
    assert mine.epochs == ae.loss_curve_
    assert mine.n_batches == 9
    assert min(mine.gradients) > 0


def test_watching_changes_nothing():
    plain = Autoencoder(max_iter=3, random_state=0).fit(X)
    watched = Autoencoder(max_iter=3, callbacks=[("r", Recorder())], random_state=0).fit(X)
    assert watched.loss_curve_ == plain.loss_curve_
    assert watched.history_[0]["batches"][0]["train_batch_size"] == 16


def test_skorch_early_stopping():
    stop = EarlyStopping(patience=2, monitor="train_loss", threshold=0.5, load_best=True)
    ae = Autoencoder(max_iter=50, callbacks=[stop], random_state=0).fit(X)
    assert ae.n_iter_ < 50


def test_skorch_checkpoint(tmp_path):
    checkpoint = Checkpoint(dirname=str(tmp_path), monitor="train_loss_best", f_pickle=None)
    ae = Autoencoder(max_iter=5, callbacks=[checkpoint], random_state=0).fit(X)
    saved = torch.load(tmp_path / "params.pt")
    assert set(saved) == set(ae.module_.state_dict())
    ae.net_.load_params(checkpoint=checkpoint)


def test_skorch_checkpoint_of_the_validation_loss(tmp_path):
    checkpoint = Checkpoint(dirname=str(tmp_path), f_pickle=None)  # watches valid_loss_best
    Autoencoder(max_iter=5, early_stopping=True, callbacks=[checkpoint], random_state=0).fit(X)
    assert (tmp_path / "params.pt").exists()


def test_skorch_learning_rate_scheduler_takes_the_schedule_s_place():
    scheduler = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    ae = Autoencoder(max_iter=3, callbacks=[scheduler], random_state=0).fit(X)
    rates = [row["event_lr"] for row in ae.history_]
    np.testing.assert_allclose(rates, ae.learning_rate_init * 0.5 ** np.arange(3))


def test_skorch_gradient_clipping():
    recorder = Recorder()
    clip = GradientNormClipping(1e-3)
    ae = Autoencoder(max_iter=2, callbacks=[clip, recorder], random_state=0).fit(X)
    (mine,) = [c for _, c in ae.net_.callbacks_ if isinstance(c, Recorder)]
    n_parameters = len(list(ae.module_.parameters()))
    assert max(mine.gradients) <= 1e-3 * n_parameters


def test_skorch_epoch_scoring():
    def spread(net, batches, y=None):
        return float(torch.cat([net.module_.encode(x).detach() for x, _ in batches]).std())

    scoring = EpochScoring(spread, name="spread", on_train=True, use_caching=False)
    ae = Autoencoder(max_iter=2, callbacks=[scoring], random_state=0).fit(X)
    assert all(row["spread"] > 0 for row in ae.history_)


def test_parameters_are_views_of_one_buffer():
    ae = Autoencoder(max_iter=1, alpha=0.1).fit(X)
    net = ae.net_
    parameters = list(ae.module_.parameters())
    assert net.flat_.numel() == sum(p.numel() for p in parameters)
    start, end = net.flat_.data_ptr(), net.flat_.data_ptr() + 4 * net.flat_.numel()
    assert all(start <= p.data_ptr() < end for p in parameters)
    decayed = [p for p in parameters if p.data_ptr() < start + 4 * net.step_.n_decayed]
    layers = [*ae.module_.encoder.layers, *ae.module_.decoder.layers]
    assert {id(p) for p in decayed} == {id(layer.weight) for layer in layers}


def test_weight_decay_is_decoupled():
    """Without a gradient the weights shrink by the product of 1 - rate * alpha, biases do not."""
    ae = Autoencoder(
        linear_path=False, alpha=0.5, max_iter=1, optimizer="sgd", learning_rate_init=1e-30
    )
    ae.fit(X)
    module, net = ae.module_, ae.net_
    net.lr, net.schedule = 0.1, "constant"
    for group in net.optimizer_.param_groups:
        group["lr"] = 0.1
    net.step_.flat_gradient.zero_()
    before = module.encoder.layers[0].weight.clone()
    (left,) = net.step_.shrinkage([[0.1]])
    net.step_.decayed.mul_(left)
    torch.testing.assert_close(module.encoder.layers[0].weight, before * 0.95)


@pytest.mark.parametrize(
    "optimizer",
    [
        torch.optim.AdamW,
        functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        torch.optim.Adafactor,
        "rmsprop",
    ],
)
def test_optimizers_of_the_user(optimizer):
    settings = dict(learning_rate_init=1e-3, max_iter=10, random_state=0, linear_path=False)
    ae = Autoencoder(optimizer=optimizer, **settings).fit(X)
    assert ae.loss_curve_[-1] < ae.loss_curve_[0]


@pytest.mark.parametrize("choice", ["fused", "foreach"])
def test_how_an_optimizer_works_is_the_user_s_choice(choice):
    chosen = functools.partial(torch.optim.Adam, **{choice: choice != "fused"})
    (group,) = Autoencoder(optimizer=chosen, max_iter=1).fit(X).net_.optimizer_.param_groups
    assert not group["fused"]
    (group,) = Autoencoder(max_iter=1).fit(X).net_.optimizer_.param_groups
    assert group["fused"]


def test_rates_of_groups_stay_apart():
    def two_groups(parameters, lr):
        first, *others = parameters
        return torch.optim.Adafactor([{"params": [first], "lr": 0.0}, {"params": others}], lr=lr)

    ae = Autoencoder(optimizer=two_groups, learning_rate="constant", max_iter=2, random_state=0)
    groups = ae.fit(X).net_.optimizer_.param_groups
    assert [group["lr"] for group in groups] == [0.0, ae.learning_rate_init]


def test_the_twin_in_another_precision_follows_the_module():
    ae = Autoencoder(max_iter=1, random_state=0).fit(X.astype(np.float32))
    with torch.inference_mode():
        ae.transform(X)
    before = ae.transform(X)
    ae.partial_fit(X.astype(np.float32))
    after = ae.transform(X)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, ae.transform(X.astype(np.float32)), atol=1e-5)
    assert after.dtype == np.float64


def test_a_flat_optimizer_equals_one_of_many_matrices():
    class Separate(torch.optim.Adam):
        """Not known to be elementwise: receives the parameters one by one."""

    Separate.__name__ = "Separate"
    settings = dict(max_iter=5, random_state=0, linear_path=False)
    flat = Autoencoder(**settings).fit(X)
    separate = Autoencoder(
        optimizer=lambda parameters, lr: Separate(parameters, lr=lr, eps=EPS), **settings
    ).fit(X)
    assert len(separate.net_.optimizer_.param_groups[0]["params"]) == len(
        list(flat.module_.parameters())
    )
    np.testing.assert_allclose(flat.loss_curve_, separate.loss_curve_, rtol=1e-5)


def test_tol_ends_training_and_n_iter_no_change_waits():
    ae = Autoencoder(tol=0.9, n_iter_no_change=3, max_iter=50, random_state=0).fit(X)
    assert ae.n_iter_ == 4


def test_early_stopping_keeps_the_best_epoch():
    ae = Autoencoder(
        3, early_stopping=True, max_iter=30, linear_path=False, random_state=0, tol=0
    ).fit(X)
    net = ae.net_
    order = torch.randperm(150, generator=make_generator(ae._seed, "split"))
    valid = X[order[:15].numpy()]
    error = ae.reconstruction_error(valid).mean() / ae.scale_**2
    np.testing.assert_allclose(error, min(ae.validation_loss_curve_), rtol=1e-4)
    assert net.convergence.best_ <= min(ae.validation_loss_curve_)


def test_verbose_prints_a_table(capsys):
    Autoencoder(max_iter=2, verbose=1).fit(X)
    assert "train_loss" in capsys.readouterr().out


def test_dropout_acts_in_training_only():
    ae = Autoencoder(dropout=0.5, max_iter=3, random_state=0).fit(X)
    plain = Autoencoder(max_iter=3, random_state=0).fit(X)
    assert ae.loss_curve_ != plain.loss_curve_
    np.testing.assert_array_equal(ae.transform(X), ae.transform(X))
