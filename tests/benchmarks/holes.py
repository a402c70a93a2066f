"""VAE of rows with holes: what it says of unseen rows, beside factor analysis of the same cells.

    python tests/benchmarks/holes.py [--half report] [--splits 2] [--components 5] [--share 0.3]

A share of all cells is hidden at random. Rows are split in halves, and the log density of the
observed cells of unseen rows, in nats of a row and in standard deviations of the columns, is that
of `VAE` with the default networks, and of `VAE` without hidden layers, which is probabilistic PCA
or factor analysis with missing values, whichever is the better by ``noise_variance="auto"``. Sets
are those of imputation.py.

    python tests/benchmarks/holes.py --epochs 100

This prints instead how much longer an epoch takes with a fifth of the cells missing: the median of
so many epochs, the least of three fits, with and without missing values in turn.
"""

import argparse
import time
import warnings

import numpy as np
from data_sets import HALVES, make_factors
from imputation import NAMES_OF, at_random, keep_some, table
from sklearn import datasets

from skae import VAE


def models(n_components, seed):
    """Return models by their names."""
    return {
        "linear": VAE(n_components, hidden_layer_sizes=(), random_state=seed),
        "default": VAE(n_components, random_state=seed),
    }


def compare(X, n_components, share, seed):
    """Return the mean log density of unseen rows and the seconds of a fit, for each model."""
    rng = np.random.default_rng(seed)
    holes, _ = keep_some(X, at_random(X, share, rng))
    order = rng.permutation(len(X))
    train, test = (holes[part] for part in np.array_split(order, 2))
    seen = ~np.isnan(train).all(axis=0)
    scores = {}
    for name, model in models(n_components, seed).items():
        start = time.perf_counter()
        model.fit(train[:, seen])
        scores[name] = model.score(test[:, seen]), time.perf_counter() - start
    return scores


TIMED = {
    "digits": (lambda: datasets.load_digits().data, 8),
    "breast cancer": (lambda: datasets.load_breast_cancer().data, 8),
    "wine": (lambda: datasets.load_wine().data, 5),
    "diabetes": (lambda: datasets.load_diabetes(scaled=False).data, 4),
    "linear factors": (lambda: make_factors(np.positive, 2000, 30, 10), 10),
}


def time_epochs(n_epochs):
    """Print the milliseconds of an epoch with and without missing values, and their ratio."""
    for name, (load, k) in TIMED.items():
        X = load()
        holes = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
        model = VAE(k, alpha=0.1, max_iter=n_epochs, random_state=0)
        spent = {"whole": [], "missing": []}
        for _ in range(3):
            for rows, kind in ((X, "whole"), (holes, "missing")):
                spent[kind].append(np.median(model.fit(rows).history_[:, "dur"]))
        whole, missing = (1e3 * min(times) for times in spent.values())
        print(f"{name:<16}{whole:8.2f} ms{missing:8.2f} ms{missing / whole:7.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", choices=HALVES, default="report")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--components", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.epochs:
        time_epochs(args.epochs)
        return
    for name in NAMES_OF[args.half]:
        X = table(name)
        k = min(args.components, X.shape[1] - 1)
        found = [compare(X, k, args.share, seed) for seed in range(args.splits)]
        linear, default = (np.mean([f[m] for f in found], axis=0) for m in ("linear", "default"))
        gains = [f["default"][0] - f["linear"][0] for f in found]
        print(
            f"{name:<22}{X.shape!s:>12}{linear[0]:9.3f}{default[0]:9.3f}{np.mean(gains):+9.3f}"
            f"  least {min(gains):+.3f}{linear[1]:7.1f} s{default[1]:7.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
