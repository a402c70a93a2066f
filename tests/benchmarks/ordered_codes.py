"""What the prefixes of one ordered code explain, beside PCA's and models of their own.

One `Autoencoder` with ``ordered=True`` is fitted to 70 % of the rows, PCA to the same rows, and,
for each size 1, 2, 4, 8, a plain `Autoencoder`. For each size the shares of explained variance
on the training rows and on the others are printed, means over splits; then what is asked of them:
the worst of a prefix against PCA's, the whole code against the plain model of its size, and which
part of the separate models' lead over PCA, where it is above 0.02 on held-out rows, the prefixes
have.

    python tests/benchmarks/ordered_codes.py --half report --mnist mnist.npz
    python tests/benchmarks/ordered_codes.py --half tune --set skae.nn.nested_dropout:WHOLE=0.5

Settings were chosen on the sets of the half for tuning; the others are for reporting only.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from data_sets import load, make_factors, make_heavy_tails
from defaults import overridden, parse_params
from sklearn.datasets import make_s_curve, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder, DenoisingAutoencoder
from skae.metrics import explained_variance

MODELS = {"ae": Autoencoder, "vae": VAE, "dae": DenoisingAutoencoder}
LEAD = 0.02  # of a separate model over PCA, from which on it counts


def embed(X, n_features, noise, seed=0):
    """Return rows turned into more dimensions, with noise in all of them."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
    return X @ basis[: X.shape[1]] + noise * rng.normal(size=(len(X), n_features))


def rolled():
    return make_swiss_roll(1000, random_state=0)[0]


def standardised(name):
    return StandardScaler().fit_transform(load(name))


# Rows and size of the code.
TUNE = {
    "diabetes": lambda mnist: (standardised("diabetes"), 8),
    "ellipses": lambda mnist: (load("ellipses"), 16),
    "s curve in 10": lambda mnist: (embed(make_s_curve(1000, random_state=0)[0], 10, 0.05), 8),
    "tanh of 3 factors": lambda mnist: (make_factors(np.tanh, 600, 20, 3, seed=1), 8),
}
REPORT = {
    "digits": lambda mnist: (load("digits"), 16),
    "mnist": lambda mnist: (load("mnist", mnist, finals=True)[:5000], 16),
    "breast cancer": lambda mnist: (standardised("breast cancer"), 8),
    "wine": lambda mnist: (standardised("wine"), 8),
    "swiss roll in 10": lambda mnist: (embed(rolled(), 10, 0.3), 8),
    "tanh of 5 factors": lambda mnist: (make_factors(np.tanh), 8),
    "heavy tails": lambda mnist: (make_heavy_tails(), 8),
}


def shares_of_prefixes(model, X):
    """Return the share of the variance of X that the first 1, 2, ... numbers explain."""
    Z = model.transform(X)
    total = np.square(X - X.mean(axis=0)).sum()
    sizes = range(1, Z.shape[1] + 1)
    left = [np.square(X - model.inverse_transform(Z[:, :j])).sum() for j in sizes]
    return 1 - np.array(left) / total


def pca_shares(train, X, k):
    pca = PCA(k, random_state=0).fit(train)
    scores, total = pca.transform(X), np.square(X - X.mean(axis=0)).sum()
    means = pca.mean_
    left = [
        np.square(X - means - scores[:, :j] @ pca.components_[:j]).sum() for j in range(1, k + 1)
    ]
    return 1 - np.array(left) / total


def powers(k):
    return [2**i for i in range(k.bit_length()) if 2**i <= k]


def measure(X, k, split, args):
    """Return shares (3 models, training and held-out, k), NaN where there is none; and times."""
    train, test = train_test_split(X, test_size=0.3, random_state=split)
    make = MODELS[args.model]
    start = time.perf_counter()
    model = make(k, ordered=True, random_state=split, **args.params).fit(train)
    times = [time.perf_counter() - start, 0.0]
    found = np.full((3, 2, k), np.nan)
    for i, rows in enumerate((train, test)):
        found[0, i], found[1, i] = shares_of_prefixes(model, rows), pca_shares(train, rows, k)
    for size in () if args.alone else powers(k):
        start = time.perf_counter()
        plain = make(size, random_state=split, **args.params).fit(train)
        times[1] += time.perf_counter() - start
        found[2, :, size - 1] = [explained_variance(plain, rows) for rows in (train, test)]
    return found, times


def report(name, found, times):
    """Print what the means over splits come to."""
    (train, test), (pca, pca_test), (_, plain) = found
    at = np.array(powers(len(test))) - 1
    lead = plain[at] - pca_test[at]
    counts = lead > LEAD
    got = (test[at] - pca_test[at])[counts].sum() / lead[counts].sum() if counts.any() else np.nan
    print(f"{name}: sizes {', '.join(map(str, at + 1))}")
    for row, shares in (("ordered", test), ("PCA", pca_test), ("separate", plain)):
        print(f"  {row:<10}" + " ".join(f"{s:.3f}" for s in shares[at]))
    print(
        f"  prefix - PCA, worst: training {(train - pca).min():+.4f}, held-out "
        f"{(test - pca_test).min():+.4f}; whole - separate {test[-1] - plain[-1]:+.4f}; "
        f"part of the lead {got:.2f}; mean {np.mean(test - pca_test):.4f}; "
        f"{times[0]:.1f} s, grid {times[1]:.1f} s",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", choices=["tune", "report"], default="report")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--model", choices=MODELS, default="ae")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--set", default="", help="parameters, and constants module:NAME=value")
    parser.add_argument("--alone", action="store_true", help="without the separate models")
    parser.add_argument("--mnist", help="an .npz file with x_train")
    args = parser.parse_args()
    args.params, constants = parse_params(args.set)
    torch.set_num_threads(1)
    sets = TUNE if args.half == "tune" else REPORT
    for name in args.only or sets:
        if name == "mnist" and args.mnist is None:
            print("mnist is left out: it needs --mnist FILE")
            continue
        X, k = sets[name](args.mnist)
        with warnings.catch_warnings(), overridden(constants):
            warnings.simplefilter("ignore")
            parts = [measure(X, k, split, args) for split in range(args.splits)]
        found, times = (np.mean([p[i] for p in parts], axis=0) for i in (0, 1))
        report(name, found, times)


if __name__ == "__main__":
    main()
