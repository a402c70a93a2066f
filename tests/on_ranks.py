"""What the processes of `test_distributed` do, two of them at a time; each writes what it found.

``python tests/on_ranks.py folder seconds scenario ...``: for each scenario two ranks meet in a
folder of that name, and wait so many seconds for each other. They are forked from a process that
has imported all, which takes longer than most of what they do.
"""

import hashlib
import os
import pickle
import signal
import sys
import time
import traceback
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from estimators import DEFAULTS, SmallDecoder, SmallEncoder
from keyboard import ctrl_c_as_usual
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from skorch.callbacks import Callback
from torch import distributed

from skae import (
    GLGAE,
    VAE,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    SparseAutoencoder,
)
from skae.nn.autoencoder import AutoencoderModule
from skae.training import interrupts

X = load_digits().data[:240] / 16
W = np.random.default_rng(0).uniform(0.2, 2.0, len(X))
LABELS = np.arange(len(X)) % 5
PARTS = (slice(0, 90), slice(90, 240))  # no shards of one size

# One batch, no noise and double precision: two ranks do what one process does.
EXACT = {
    "batch_size": 240,
    "max_iter": 5,
    "linear_path": False,
    "dtype": "float64",
    "alpha": 0.0,
    "random_state": 0,
}
SAME = {
    "no noise": Autoencoder(3, **EXACT),
    "weight decay, SGD": Autoencoder(3, optimizer="sgd", **{**EXACT, "alpha": 0.1}),
    "LBFGS": Autoencoder(
        3, optimizer=torch.optim.LBFGS, learning_rate_init=0.1, **{**EXACT, "max_iter": 2}
    ),
    "contractive": ContractiveAutoencoder(80, **EXACT),
    "l1": SparseAutoencoder(20, sparsity="l1", penalty=0.1, revive=False, **EXACT),
}
# A start alone: what it is made of comes from all rows.
START = {**EXACT, "max_iter": 1, "learning_rate_init": 1e-13, "linear_path": "auto"}
STARTS = {
    "PCA": Autoencoder(3, **START),
    "PCA, many features": Autoencoder(3, **START),  # as if there were: see `few_are_many`
    "standard": Autoencoder(3, **{**START, "scaling": "standard"}),
    "shared noise": VAE(3, noise_variance="shared", **START),
    "noise per feature": VAE(3, noise_variance="per_feature", **START),
}
QUICK = {name: clone(e).set_params(max_iter=4) for name, e in DEFAULTS.items()}
QUICK |= {
    "stopped early": Autoencoder(2, early_stopping=True, n_iter_no_change=1, tol=0.5, alpha=0.1),
    "ordered": Autoencoder(3, ordered=True, max_iter=4),
    "vamp": VAE(2, prior="vamp", n_prior_components=3, dropout=0.1, max_iter=4),
    "own networks": Autoencoder(2, encoder=SmallEncoder, decoder=SmallDecoder, max_iter=4),
    "k-means": GLGAE(4, n_nodes=9, max_iter=3),
    "tried": VAE(2, max_iter=30, batch_size=200, hidden_layer_sizes=(8,)),
}
QUICK = {name: e.set_params(random_state=0) for name, e in QUICK.items()}


def of_rank(rank, *arrays):
    return [None if array is None else array[PARTS[rank]] for array in arrays]


def fit(estimator, rank=None, weighted=True):
    """Fit to all rows, or together with other ranks to those of one."""
    name = type(estimator).__name__
    x, w, labels = (X, W, LABELS) if rank is None else of_rank(rank, X, W, LABELS)
    given = {"condition": labels} if name == "ConditionalVAE" else {}
    estimator = clone(estimator)
    if rank is not None:
        estimator.set_params(distributed=True)
    return estimator.fit(x, sample_weight=w if weighted else None, **given)


def describe(model, path):
    """Return all that is to be compared of a model: its files and what it has learnt."""
    model.save(path)
    found = {"file": hashlib.md5(Path(path).read_bytes()).hexdigest(), "scale": model.scale_}
    found |= {"pickle": hashlib.md5(pickle.dumps(model)).hexdigest(), "mean": model.mean_}
    found["noise"] = getattr(model, "noise_variance_", None)
    if hasattr(model, "net_"):
        found |= {"losses": model.loss_curve_, "epochs": model.n_iter_}
        found["weights"] = [p.detach().numpy() for p in model.module_.parameters()]
    return found


class few_are_many:
    """Let a covariance be too large already for a few features."""

    def __enter__(self):
        from skae.data import moments

        self.moments, self.defaults = moments, moments.principal_components.__defaults__
        moments.principal_components.__defaults__ = (7, 4)

    def __exit__(self, *error):
        self.moments.principal_components.__defaults__ = self.defaults


# Scenarios: what they yield is (name, what was found)


def models(rank, folder):
    path = folder / f"model{rank}"
    for name, estimator in {**SAME, **STARTS, **QUICK}.items():
        if name == "PCA, many features":
            with few_are_many():
                yield name, describe(fit(estimator, rank), path)
        else:
            yield name, describe(fit(estimator, rank), path)
    yield "holes", describe(fit_with_holes(rank), path)
    yield "CSR", describe(fit_sparse(rank), path)
    yield "replayed", describe(fit(REPLAYED, rank), path)
    yield "ordinary", describe(fit(clone(REPLAYED).set_params(callbacks=[Watch()]), rank), path)
    yield "again", describe(refit(rank), path)
    yield "stream", describe(stream(rank), path)
    ae = Autoencoder(2, max_iter=2, random_state=0, distributed=True)
    ae.set_params(callbacks=[Look()]).fit(X[PARTS[rank]])
    yield "draws", SEEN
    yield "alone meanwhile", describe(fit(Autoencoder(2, max_iter=2, random_state=0)), path)


REPLAYED = Autoencoder(2, max_iter=12, batch_size=16, dropout=0.2, alpha=0.1, random_state=0)


class Watch(Callback):
    """Has a hook for each batch, so that all steps are ordinary ones."""

    def on_batch_end(self, net, **kwargs):
        pass


SEEN = {}


class Look(Callback):
    def on_train_begin(self, net, **kwargs):
        for purpose, generator in net.generators.items():
            SEEN[purpose] = hashlib.md5(generator.get_state().numpy()).hexdigest()


def fit_with_holes(rank):
    """Fit to rows of which one rank has holes."""
    ae = VAE(3, noise_variance="shared", **{**START, "distributed": rank is not None})
    holes = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    holes[PARTS[0]] = X[PARTS[0]]
    x, w = (holes, W) if rank is None else of_rank(rank, holes, W)
    return ae.fit(x, sample_weight=w)


def fit_sparse(rank):
    ae = Autoencoder(3, **{**START, "distributed": rank is not None})
    x, w = (X, W) if rank is None else of_rank(rank, X, W)
    return ae.fit(sparse.csr_matrix(x), sample_weight=w)


def refit(rank):
    ae = Autoencoder(2, warm_start=True, max_iter=2, random_state=0, distributed=True)
    return ae.fit(X[PARTS[rank]]).fit(X[PARTS[rank]])


def stream(rank):
    ae = VAE(2, random_state=0, distributed=True)
    for part in np.array_split(X[PARTS[rank]], 3):
        ae.partial_fit(part)
    return ae


class WholeBatch(AutoencoderModule):
    def forward(self, x, *draws):
        return {**super().forward(x, *draws), "spread": self.encode(x).std()}


class OfWholeBatches(Autoencoder):
    _module_class = WholeBatch


REFUSED = {
    "batch_topk": SparseAutoencoder(sparsity="batch_topk"),
    "kl": SparseAutoencoder(sparsity="kl"),
    "free_bits": VAE(free_bits=0.1),
    "a size that is looked for": Autoencoder(0.9, ordered=True),
    "online": GLGAE(solver="online"),
    "a term of a batch": OfWholeBatches(),
}


class At(Callback):
    """Do something at the end of an epoch, on some ranks."""

    def __init__(self, epoch, ranks, what):
        self.epoch, self.ranks, self.what = epoch, ranks, what

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and distributed.get_rank() in self.ranks:
            self.what()


def fail():
    raise OSError("no space left on device")


def stop():
    raise KeyboardInterrupt


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def attempt(rank, change=lambda x: x, condition=None, **params):
    """Return how a fit ends: epochs, or the kind of an error and its words; and the seconds."""
    interrupts._last, start = -np.inf, time.monotonic()
    kind, rows = ConditionalVAE if condition else Autoencoder, X[PARTS[rank]].copy()
    ae = kind(2, max_iter=6, alpha=0.1, random_state=0, distributed=True)
    distributed.barrier()
    try:
        given = {"condition": condition(rows)} if condition else {}
        ae.set_params(**params).fit(change(rows), **given)
        return "epochs", ae.n_iter_, time.monotonic() - start
    except BaseException as error:
        return type(error).__name__, str(error), time.monotonic() - start


def named(names):
    return lambda x: pd.DataFrame(x[:, : len(names)], columns=list(names))


def on_both(rows):
    return rows


def digits_of(x):
    return x[:, 2].astype(int)


LAYERS = [{"hidden_layer_sizes": sizes} for sizes in ([8], (9,))]
# What differs between two ranks: the words for it; for each rank a function of its rows, its
# parameters, and a function of its rows that makes a condition.
AS_IS, NONE = (on_both, on_both), ({}, {})
UNLIKE = {
    "columns": ("number of columns of X", (on_both, lambda x: x[:, 1:]), NONE, None),
    "CSR": ("kind of table X", (sparse.csr_matrix, on_both), NONE, None),
    "precision": ("precision of X", (np.float32, on_both), NONE, None),
    "order": ("name of column 1 of X", (named("abc"), named("acb")), NONE, None),
    "names": ("name of column 2 of X", (named("abc"), named("abd")), NONE, None),
    "no names": ("name of column 0 of X", (named("abc"), lambda x: x[:, :3]), NONE, None),
    "epochs": ("max_iter", AS_IS, ({"max_iter": 3}, {"max_iter": 4}), None),
    "seeds": ("random_state", AS_IS, ({"random_state": 0}, {"random_state": 1}), None),
    "no seed": ("random_state", AS_IS, ({"random_state": 0}, {"random_state": None}), None),
    "layers": ("hidden_layer_sizes", AS_IS, LAYERS, None),
    "networks": ("encoder", AS_IS, ({}, {"encoder": SmallEncoder}), None),
    "no condition": ("kind of condition", AS_IS, NONE, (lambda x: None, digits_of)),
    "labels": ("kind of condition", AS_IS, NONE, (digits_of, lambda x: x[:, :2])),
    "text": ("kind of condition", AS_IS, NONE, (digits_of, lambda x: digits_of(x).astype(str))),
    "columns of the condition": (
        "number of columns of condition",
        AS_IS,
        NONE,
        (lambda x: x[:, :2], lambda x: x[:, :3]),
    ),
    "order of the condition": (
        "name of column 0 of condition",
        AS_IS,
        NONE,
        (named("ab"), named("ba")),
    ),
}


def unlike(rank, folder):
    for name, (_, changes, params, conditions) in UNLIKE.items():
        yield name, attempt(rank, changes[rank], conditions and conditions[rank], **params[rank])
    same = {"random_state": np.int64(0), "hidden_layer_sizes": ((8,), [8])[rank]}
    yield "alike", attempt(rank, named("abc"), named("ab"), **same)


def failures(rank, folder):
    for name, estimator in REFUSED.items():
        try:
            clone(estimator).set_params(distributed=True, max_iter=1).fit(X[PARTS[rank]])
            yield name, ("nothing", "", 0)
        except ValueError as error:
            yield name, ("ValueError", str(error), 0)
    yield "NaN on one", attempt(rank, lambda x: np.where(rank and x > 0.9, np.nan, x))
    yield "error on one", attempt(rank, callbacks=[At(3, [1], fail)])
    yield "stopped by one", attempt(rank, callbacks=[At(3, [1], stop)])
    yield "Ctrl-C", attempt(rank, callbacks=[At(3, [0, 1], press_ctrl_c)])
    yield "Ctrl-C on one", attempt(rank, callbacks=[At(3, [1], press_ctrl_c)])
    # Losses of one rank alone that are not finite: all go back, and go on.
    blow_up = {"learning_rate_init": 1e6, "linear_path": False}
    yield "divergence", attempt(rank, lambda x: x * 1e3 if rank else x, **blow_up)
    yield "after all that", attempt(rank)
    yield "killed", attempt(rank, callbacks=[At(3, [1], die)])


N_RANKS = {"three": 3}  # of a scenario; two of any other


def three(rank, folder):
    """Be one of three ranks, of which the second is killed in the end."""
    ae = clone(SAME["no noise"]).set_params(distributed=True)
    yield "no noise", describe(ae.fit(X[rank::3], sample_weight=W[rank::3]), folder / f"m{rank}")
    try:
        ae.set_params(callbacks=[At(3, [1], die)]).fit(X[rank::3])
    except RuntimeError as error:
        yield "killed", (type(error).__name__, str(error))


def waiting(rank, folder):
    yield "a first one", attempt(rank)
    yield "stuck", attempt(rank, callbacks=[At(3, [1], lambda: time.sleep(12))])


def scores(rank, folder):
    """Yield the score on held-out rows of models from several seeds."""
    for name, estimator in DEFAULTS.items():
        yield name, [held_out_score(estimator, seed, rank) for seed in range(N_SEEDS)]


N_SEEDS = 6


def held_out_score(estimator, seed, rank=None):
    Z, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(Z))
    train, test = order[:1000], order[1000:]
    mine = train if rank is None else train[rank::2]
    given = [{"condition": y[rows]} for rows in (mine, test)]
    if type(estimator).__name__ != "ConditionalVAE":
        given = [{}, {}]
    model = clone(estimator).set_params(random_state=seed, max_iter=15)
    if hasattr(model, "alpha"):
        model.set_params(alpha=0.1, batch_size=50 if rank is None else 25)
    if rank is not None:
        model.set_params(distributed=True)
    return model.fit(Z[mine] / 16, **given[0]).score(Z[test] / 16, **given[1])


def take_part(scenario, folder, rank, seconds):
    """Be a rank."""
    warnings.simplefilter("ignore")
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet",
        rank=rank,
        world_size=N_RANKS.get(scenario, 2),
        timeout=timedelta(seconds=seconds),
    )
    found = {}
    with ctrl_c_as_usual():
        for name, value in globals()[scenario](rank, folder):
            found[name] = value
            (folder / f"found{rank}").write_bytes(pickle.dumps(found))
    distributed.destroy_process_group()


def fork(scenario, folder, rank, seconds):
    """Return the number of a new process that is a rank."""
    process = os.fork()
    if process:
        return process
    try:
        take_part(scenario, folder, rank, seconds)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main(folder, seconds, *scenarios):
    for scenario in scenarios:
        place = Path(folder, scenario)
        place.mkdir()
        n_ranks = N_RANKS.get(scenario, 2)
        ranks = [fork(scenario, place, rank, int(seconds)) for rank in range(n_ranks)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in ranks]
        (place / "codes").write_bytes(pickle.dumps(codes))


if __name__ == "__main__":
    main(*sys.argv[1:])
