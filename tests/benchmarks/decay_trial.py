"""Judges the trial of alpha="auto" on held-out rows: mistakes, memorised outliers, cost.

    python tests/benchmarks/decay_trial.py --half tune --models ae
    python tests/benchmarks/decay_trial.py --half report --seeds 0 1 2 --mnist mnist.npz
    python tests/benchmarks/decay_trial.py --outliers --seeds 0 1 2
    python tests/benchmarks/decay_trial.py --time --seeds 0 1 2

**Mistakes.** Each set is split, 70 % of the rows to fit. `alpha="auto"` and fixed decays are
fitted with the same seed, and their losses on the other 30 % are compared with that of
``alpha=30``, which keeps the model at its linear start. A loss is a share of the variance
(Autoencoder, and DenoisingAutoencoder for clean rows from noisy ones) or nats (VAE, divided by
20).

- "Held though better": the trial has chosen 30, and a smaller decay is better by more than 0.005.
- "Not held though worse": the trial has chosen a smaller decay, and its model is worse than the
  start by more than 0.005.
- "Regret": the loss above that of the best decay.

All three are counted by the mean and by the median over held-out rows, which a few far rows do not
decide.

**Outliers** (`--outliers`): 600 curved rows of which the first 1, 3, 10 or 30 are replaced by
outliers; the AUROC of the reconstruction error of training rows, beside that of PCA.

**Cost** (`--time`): seconds of CPU time of a fit with `alpha="auto"` over those of one with the
decay that it has chosen, on one thread, interleaved, the median of `--repeats`.

The halves are those of data_sets.py: choose by `--half tune`, report `--half report`. Every result
is printed.
"""

import argparse
import time
import warnings
from typing import NamedTuple

import numpy as np
import torch
from data_sets import HALVES, half_of, load, names_at_hand
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skae import VAE, Autoencoder, DenoisingAutoencoder

MODELS = {"ae": Autoencoder, "vae": VAE, "dae": DenoisingAutoencoder}
DECAYS = (0.1, 1.0, 3.0, 10.0, 30.0)
HELD = 30.0  # the decay that keeps a model at its start
TOLERANCE = 0.005
NATS = 20.0  # that count as much as all of the variance
NOISE = 0.3  # of `dae`, in units of the standard deviation over all features
TIMED = {"digits": 8, "breast cancer": 5, "wine": 3, "diabetes": 3, "mnist": 20}


class Judgement(NamedTuple):
    """What a chosen decay has cost, in shares of the variance."""

    regret: float
    held_though_better: bool
    not_held_though_worse: bool


def judge(losses, chosen, summary=np.mean):
    """Judge a decay by held-out losses.

    Parameters
    ----------
    losses : dict of float to ndarray of shape (n_rows,)
        Loss of each held-out row by decay, `HELD` and `chosen` among them; rows are paired.
    chosen : float
    summary : callable, default=np.mean
        Of the differences between rows.
    """
    gains = {alpha: float(summary(losses[HELD] - loss)) for alpha, loss in losses.items()}
    best = max(gains.values())
    held = chosen == HELD
    return Judgement(
        best - gains[chosen], held and best > TOLERANCE, not held and gains[chosen] < -TOLERANCE
    )


def sizes_for(X):
    """Return two code sizes that leave something to compress."""
    n_train, n_features = int(0.7 * X.shape[0]), X.shape[1]
    wanted = dict.fromkeys((2, min(n_features // 4, 50), 1))
    return sorted([k for k in wanted if 0 < k < min(n_train, n_features)][:2])


def losses_of(model, train, test):
    """Return the loss of each held-out row, comparable between sets."""
    if isinstance(model, VAE):
        return -model.score_samples(test) / NATS
    variance = train.var(axis=0).sum()
    if isinstance(model, DenoisingAutoencoder):
        noise = np.random.default_rng(0).normal(size=test.shape)
        noisy = test + NOISE * np.sqrt(train.var(axis=0).mean()) * noise
        return np.square(model.reconstruct(noisy) - test).sum(axis=1) / variance
    return model.reconstruction_error(test) / variance


def judge_set(kind, name, k, seed, mnist):
    """Return the chosen decay, and its judgement by mean and by median."""
    train, test = train_test_split(load(name, mnist), test_size=0.3, random_state=seed)
    chosen = MODELS[kind](k, random_state=seed).fit(train)
    losses = {
        alpha: losses_of(MODELS[kind](k, alpha=alpha, random_state=seed).fit(train), train, test)
        for alpha in DECAYS
    }
    losses[chosen.alpha_] = losses_of(chosen, train, test)
    return chosen.alpha_, *(judge(losses, chosen.alpha_, s) for s in (np.mean, np.median))


def report_mistakes(args):
    """Print every judgement, then what they come to."""
    names = [n for n in names_at_hand(args.mnist) if args.half in ("both", half_of(n))]
    names = args.only or names
    for kind in args.models:
        found = []
        for name in names:
            for k in sizes_for(load(name, args.mnist)):
                for seed in args.seeds:
                    alpha, *both = judge_set(kind, name, k, seed, args.mnist)
                    found.append(both)
                    print(f"  {kind:<4}{name:<22}k={k:<4}seed {seed} alpha_={alpha:<6g}", end="")
                    print(" ".join(describe(judgement) for judgement in both), flush=True)
        for summary, judgements in zip(("mean", "median"), zip(*found, strict=True), strict=True):
            regrets, held, worse = (np.array(column) for column in zip(*judgements, strict=True))
            print(
                f"{kind}, by the {summary} of rows, {len(found)} fits: held though better "
                f"{held.sum()}, not held though worse {worse.sum()}, regret "
                f"{regrets.mean():.4f} (largest {regrets.max():.4f})"
            )


def describe(judgement):
    """Return a judgement in a few words."""
    mark = "held!" if judgement.held_though_better else ""
    mark = "worse!" if judgement.not_held_though_worse else mark
    return f"{judgement.regret:8.4f} {mark:<6}"


# Outliers


def rows_with_outliers(n_outliers, seed):
    """Return 600 curved rows, the first of them replaced by outliers, and which these are."""
    rng = np.random.default_rng(seed)
    X = np.tanh(rng.normal(size=(600, 3)) @ rng.normal(size=(3, 10)))
    X[:n_outliers] = 6 * rng.normal(size=(n_outliers, 10))
    return X, np.arange(600) < n_outliers


def report_outliers(args):
    """Print the AUROC of the errors of training rows, of an autoencoder and of PCA."""
    for n_outliers in (1, 3, 10, 30):
        for seed in args.seeds:
            X, is_outlier = rows_with_outliers(n_outliers, seed)
            pca, ae = PCA(3).fit(X), Autoencoder(3, random_state=seed).fit(X)
            linear = np.square(X - pca.inverse_transform(pca.transform(X))).sum(axis=1)
            error = ae.reconstruction_error(X)
            print(
                f"  {n_outliers:>2} outliers, seed {seed}: AUROC "
                f"{roc_auc_score(is_outlier, error):.3f}, PCA "
                f"{roc_auc_score(is_outlier, linear):.3f}; median error of the others "
                f"{np.median(error[~is_outlier]):.4f}, PCA {np.median(linear[~is_outlier]):.4f}; "
                f"alpha_={ae.alpha_:g}",
                flush=True,
            )


# Cost


def seconds_of(model, X):
    """Return the CPU seconds of a fit."""
    start = time.process_time()
    model.fit(X)
    return time.process_time() - start


def report_time(args):
    """Print the time of a fit with the trial over one without it."""
    ratios = []
    for kind in args.models:
        for name, k in TIMED.items():
            if name == "mnist" and args.mnist is None:
                continue
            X = load(name, args.mnist)
            for seed in args.seeds:
                tried = MODELS[kind](k, random_state=seed)
                told = MODELS[kind](k, random_state=seed, alpha=tried.fit(X).alpha_).fit(X)
                pairs = [(seconds_of(tried, X), seconds_of(told, X)) for _ in range(args.repeats)]
                with_trial, without = np.median(pairs, axis=0)
                ratios.append(with_trial / without)
                print(
                    f"  {kind:<4}{name:<22}k={k:<4}seed {seed} alpha_={told.alpha:<6g}"
                    f"{with_trial:8.2f} s {without:8.2f} s {ratios[-1]:6.2f}",
                    flush=True,
                )
    print(f"mean {np.mean(ratios):.2f}, largest {np.max(ratios):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", choices=[*HALVES, "both"], default="tune")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["ae"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--only", nargs="+", metavar="SET")
    parser.add_argument("--outliers", action="store_true")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--mnist", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    report = report_outliers if args.outliers else report_time if args.time else report_mistakes
    report(args)


if __name__ == "__main__":
    main()
