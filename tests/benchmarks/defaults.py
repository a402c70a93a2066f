"""How the defaults were chosen: held-out explained variance against PCA's, over many data sets.

    python tests/benchmarks/defaults.py                 # the defaults, one row per data set
    python tests/benchmarks/defaults.py --search        # every setting below, one row each

Each figure is the mean over three random splits, 70 % for training. "worst" is the smallest
difference to PCA over data sets and code sizes, "gain" the mean difference, "misses" counts the
differences below -0.002, and "seconds" is the time of all fits on one thread.
"""

import argparse
import time

import numpy as np
from joblib import Parallel, delayed
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder

SIZES = {
    "digits": (2, 10, 30),
    "breast_cancer": (2, 5, 10),
    "wine": (2, 5),
    "diabetes": (2, 5),
    "iris": (1, 2),
    "linear factors": (2, 5, 8),
    "tanh factors": (2, 5),
    "swiss roll": (1, 2),
}

SETTINGS = {
    "default": {},
    "lr 0.001": {"learning_rate_init": 1e-3},
    "lr 0.005": {"learning_rate_init": 5e-3},
    "constant": {"learning_rate": "constant"},
    "(64,)": {"hidden_layer_sizes": (64,)},
    "(256,)": {"hidden_layer_sizes": (256,)},
    "(128, 64)": {"hidden_layer_sizes": (128, 64)},
    "tanh": {"activation": "tanh"},
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "200 epochs": {"max_iter": 200},
    "50 epochs": {"max_iter": 50},
    "alpha 0.1": {"alpha": 0.1},
    "alpha 1": {"alpha": 1.0},
    "alpha 3": {"alpha": 3.0},
    "dropout 0.1": {"dropout": 0.1},
    "early stopping": {"early_stopping": True},
    "validated": {"early_stopping": True, "n_iter_no_change": 1000},
    "validated 0.2": {
        "early_stopping": True,
        "n_iter_no_change": 1000,
        "validation_fraction": 0.2,
    },
    "batch 32": {"batch_size": 32},
    "batch 128": {"batch_size": 128},
    "standard": {"scaling": "standard"},
    "no linear path": {"linear_path": False},
}


def make_factors(link, n_samples=600, n_features=40, n_factors=5, noise=0.3, seed=0):
    """Return rows that are `link` of a linear map of a few factors, plus noise."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n_samples, n_factors))
    signal = link(Z @ rng.normal(size=(n_factors, n_features)))
    return signal + noise * signal.std() * rng.normal(size=signal.shape)


def load(name):
    """Return a data set by its name, raw."""
    if name.endswith("factors"):
        return make_factors(np.tanh if name.startswith("tanh") else lambda x: x)
    if name == "swiss roll":
        return datasets.make_swiss_roll(1000, random_state=0)[0]
    if name == "diabetes":
        return datasets.load_diabetes(scaled=False).data
    return getattr(datasets, f"load_{name}")().data


def compare(name, scaled, n_components, params, n_splits=3):
    """Return means over splits: PCA's and the autoencoder's held-out share, seconds, train gap."""
    X = load(name)
    rows = []
    for split in range(n_splits):
        train, test = train_test_split(X, test_size=0.3, random_state=split)
        if scaled:
            scaler = StandardScaler().fit(train)
            train, test = scaler.transform(train), scaler.transform(test)
        pca = PCA(n_components).fit(train)
        start = time.perf_counter()
        ae = Autoencoder(n_components, random_state=split, **params).fit(train)
        seconds = time.perf_counter() - start
        total = ((test - pca.mean_) ** 2).sum()
        residual = ((test - pca.inverse_transform(pca.transform(test))) ** 2).sum()
        gap = ae.score(train) - pca.explained_variance_ratio_.sum()
        rows.append((1 - residual / total, ae.score(test), seconds, gap))
    return np.mean(rows, axis=0)


def cases():
    """Yield every data set, raw and standardised, with its code sizes."""
    for name, sizes in SIZES.items():
        for scaled in (False, True):
            for n_components in sizes:
                yield name, scaled, n_components


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--only", nargs="*", help="names of settings")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()

    chosen = args.only or (SETTINGS if args.search else ["default"])
    all_cases = list(cases())
    print(f"{'setting':<16}{'worst':>9}{'gain':>9}{'misses':>8}{'seconds':>9}", flush=True)
    for setting in chosen:
        results = Parallel(n_jobs=args.jobs)(
            delayed(compare)(*case, SETTINGS[setting]) for case in all_cases
        )
        pca, ae, seconds, _ = np.transpose(results)
        difference = ae - pca
        print(
            f"{setting:<16}{difference.min():>9.4f}{difference.mean():>9.4f}"
            f"{(difference < -0.002).sum():>8}{seconds.sum():>9.1f}",
            flush=True,
        )
        if not args.search:
            for (name, scaled, k), row in zip(all_cases, results, strict=True):
                kind = "standardised" if scaled else "raw"
                print(f"  {name:<16}{kind:<14}{k:>3}  PCA {row[0]:.4f}  {row[1] - row[0]:+.4f}")


if __name__ == "__main__":
    main()
