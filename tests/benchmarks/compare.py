"""PCA and autoencoders on the same folds of digits and wine: the tables of `skae.compare`.

Five folds, estimators with their defaults. Digits in their units, without the three pixels that
never change; wine standardised. `GLGAE` has a map of two dimensions. For each metric mean ±
standard error, and below the difference from PCA with a code of the same size.

    python tests/benchmarks/compare.py
"""

from time import perf_counter

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import GLGAE, VAE, Autoencoder, compare

MODELS = {"PCA": PCA, "Autoencoder": Autoencoder, "VAE": VAE, "GLGAE": GLGAE}
MAPS = {"GLGAE"}  # of two dimensions
METRICS = {
    "explained_variance": 3,
    "score": 2,
    "trustworthiness": 3,
    "accuracy_linear": 3,
    "accuracy_neighbors": 3,
    "fit_time": 2,
    "transform_time": 4,
}


def digits():
    X, y = load_digits(return_X_y=True)
    return X[:, X.std(axis=0) > 0], y


def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def cells(table, k, suffix=""):
    for metric, n_digits in METRICS.items():
        mean, error = (np.asarray(table[f"{metric}{suffix}{s}"])[k] for s in ("", "_se"))
        sign = "+" if suffix else ""
        yield "" if np.isnan(mean) else f"{mean:{sign}.{n_digits}f}±{error:.{n_digits}f}"


def report(name, X, y, size):
    models = {m: cls(size) for m, cls in MODELS.items() if size == 2 or m not in MAPS}
    start = perf_counter()
    table = compare(models, X, y, random_state=0)
    print(f"\n{name}, {size} numbers, in {perf_counter() - start:.0f} seconds\n")
    print("|", " | ".join(["", *METRICS]), "|")
    print("|---" * (len(METRICS) + 1) + "|")
    for k, method in enumerate(models):
        print(f"| {method} |", " | ".join(cells(table, k)), "|")
        if k:
            print("| less PCA |", " | ".join(cells(table, k, "_difference")), "|", flush=True)


def main():
    for name, load in {"digits": digits, "wine": wine}.items():
        for size in (2, 8):
            report(name, *load(), size)


if __name__ == "__main__":
    main()
