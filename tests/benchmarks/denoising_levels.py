"""How well `corruption_level="auto"` finds the noise in a table, and what to do with it.

    python tests/benchmarks/denoising_levels.py --found
    python tests/benchmarks/denoising_levels.py --restored

The first prints what is found, as a share of the truth, beside the plain median of Gavish and
Donoho; for data as they are, as a share of their scale. The second is about digits of which there
are none without noise: the squared error of a pixel of held-out digits, restored by models that
were fitted to noisy ones, with several levels.
"""

import argparse
import math
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import DenoisingAutoencoder
from skae.exceptions import ParameterWarning, StartKeptWarning
from skae.models.denoising_level import median_of_noise

SEEDS = range(3)
# Rows, features, dimensions of the signal.
SHAPES = [
    (1000, 5, 2),
    (1000, 20, 15),
    (500, 50, 10),
    (500, 50, 40),
    (50, 20, 5),
    (50, 100, 5),
    (100, 500, 10),
    (200, 200, 5),
]
ROWS_OF_DIGITS = (1797, 600, 100)
CLEAN = (load_digits, load_iris, load_wine, load_breast_cancer, load_diabetes)


def of_low_rank(n, d, k, seed):
    """Return rows on a plane; each dimension has a share in all features."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(k, d)) * np.linspace(1, 0.3, k)[:, None]
    return 3 * rng.normal(size=(n, k)) @ loadings / math.sqrt(k)


def find(X):
    """Return what is found in X, in its units."""
    ae = DenoisingAutoencoder(
        4, corruption_level="auto", corruption_units="data", max_iter=1, random_state=0
    )
    with warnings.catch_warnings():
        for kind in (ParameterWarning, StartKeptWarning):  # the fit is not what this is about
            warnings.simplefilter("ignore", kind)
        return ae.fit(X).corruption_level_


def plain_median(X):
    """Return the noise by the median singular value of all."""
    n, d = len(X) - 1, X.shape[1]
    values = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)[: min(n, d)]
    ratio = min(n, d) / max(n, d)
    return np.median(values) / math.sqrt(max(n, d) * median_of_noise(ratio))


def tell(name, makes, deviation):
    """Print a line: mean and standard deviation of what is found, over the truth."""
    tables = [make(seed) for seed, make in enumerate(makes)]
    noisy = [
        X + deviation * np.random.default_rng(100 + seed).normal(size=X.shape)
        for seed, X in enumerate(tables)
    ]
    found = [[method(X) / deviation for X in noisy] for method in (find, plain_median)]
    shown = "".join(f"{np.mean(f):8.3f} +- {np.std(f):.3f}" for f in found)
    print(f"{name:<44}{shown}", flush=True)


def tell_of_all():
    """Print what is found in all tables."""
    print(f"{'':<44}{'found':>8}{'plain median':>25}")
    for n, d, k in SHAPES:
        makes = [lambda seed, n=n, d=d, k=k: of_low_rank(n, d, k, seed)] * len(SEEDS)
        tell(f"{n} rows, {d} features, rank {k}, noise 1", makes, 1.0)
    digits = load_digits().data
    for deviation in (1, 2, 4, 8):
        for n in ROWS_OF_DIGITS:
            makes = [lambda seed, n=n: np.random.default_rng(seed).permutation(digits)[:n]] * len(
                SEEDS
            )
            tell(f"{n} digits, noise {deviation}", makes, deviation)
    for load in CLEAN:
        X = load().data
        for name, rows in (("", X), (", scaled", StandardScaler().fit_transform(X))):
            share = find(rows) / np.sqrt(rows.var(axis=0).mean())
            print(f"{load.__name__[5:] + name:<44}{share:8.3f} of the scale", flush=True)


def restore():
    """Print how well held-out digits are restored where all are noisy."""
    train, test = train_test_split(load_digits().data, test_size=1 / 3, random_state=0)
    for deviation in (2, 4, 6):
        print(f"noise {deviation}: squared error as it is {deviation**2}")
        levels = {f"{f} times the noise": f * deviation for f in (0.5, 1.5, 2, 3)}
        for name, level in {"clean rows": deviation, "auto": "auto", **levels}.items():
            errors = [
                error_of(train, test, deviation, level, seed, name == "clean rows")
                for seed in SEEDS
            ]
            print(f"    {name:<24}{np.mean(errors):7.2f} +- {np.std(errors):.2f}", flush=True)


def error_of(train, test, deviation, level, seed, clean):
    """Return the squared error of a pixel, restored by a model of clean or of noisy rows."""
    rng = np.random.default_rng(seed)
    noisy, unseen = (X + deviation * rng.normal(size=X.shape) for X in (train, test))
    ae = DenoisingAutoencoder(
        corruption_level=level, corruption_units="data", random_state=seed
    ).fit(train if clean else noisy)
    return ((ae.reconstruct(unseen) - test) ** 2).mean()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--found", action="store_true")
    parser.add_argument("--restored", action="store_true")
    chosen = parser.parse_args()
    if chosen.found or not chosen.restored:
        tell_of_all()
    if chosen.restored:
        restore()
