"""What contractive codes of several widths explain of held-out rows, beside PCA's codes.

`ContractiveAutoencoder` with its defaults, and with a hidden layer of 64 units; 70 % of the rows
for training, one split. Digits in their units, the others standardised. With ``--tangents``, how
well `tangent_directions` are the tangents of bent surfaces in ten dimensions, by the penalty: the
share of the true plane that is in theirs, PCA's of the twenty nearest rows beside it.

    python tests/benchmarks/contractive_codes.py [--tangents]
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skae import ContractiveAutoencoder
from skae.metrics import explained_variance

SHARES = [1 / 4, 1 / 2, 3 / 4, 1, 2]  # of the number of features


def bent_surface(bend, n=1500, n_features=10, noise=0.02, seed=0):
    """Return rows near a bent plane, and an orthonormal basis of its tangents at each."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(-1, 1, (2, n))
    zero, one = np.zeros(n), np.ones(n)
    surface = np.column_stack([u, v, bend * u**2, bend * u * v])
    along_u = np.column_stack([one, zero, 2 * bend * u, bend * v])
    along_v = np.column_stack([zero, one, zero, bend * u])
    turn = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0][:4]
    tangents = np.linalg.qr(np.stack([along_u @ turn, along_v @ turn], axis=2))[0]
    return surface @ turn + noise * rng.normal(size=(n, n_features)), tangents


def overlap(directions, tangents):
    """Return the share of planes, (n, n_features, 2), that is in others, (n, 2, n_features)."""
    return np.square(directions @ tangents).sum(axis=(1, 2)).mean() / 2


def of_neighbours(X):
    """Return two principal directions of the nearest rows of each."""
    near = X[NearestNeighbors(n_neighbors=20).fit(X).kneighbors(X, return_distance=False)]
    return np.linalg.svd(near - near.mean(axis=1, keepdims=True))[2][:, :2]


def tangents():
    penalties = (0.1, 1.0, 10.0, 100.0)
    print("| bend |", *[f"penalty {p:g} |" for p in penalties], "neighbours |")
    for bend in (0.3, 0.6, 1.2):
        shares = []
        for seed in range(3):
            X, true = bent_surface(bend, seed=seed)
            models = [ContractiveAutoencoder(penalty=p, random_state=seed) for p in penalties]
            found = [model.fit(X).tangent_directions(X, n_directions=2)[0] for model in models]
            shares.append([overlap(d, true) for d in [*found, of_neighbours(X)]])
        print(f"| {bend} |", *[f"{share:.3f} |" for share in np.mean(shares, axis=0)], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tangents", action="store_true")
    warnings.simplefilter("ignore")
    if parser.parse_args().tangents:
        tangents()
        return
    print("| `n_components` / features | a quarter | a half | three quarters | the same | twice |")
    print("|---|---|---|---|---|---|")
    for name, load in [
        ("digits", load_digits),
        ("breast cancer, scaled", load_breast_cancer),
        ("wine, scaled", load_wine),
    ]:
        X, X_test = train_test_split(load().data, test_size=0.3, random_state=0)
        if name != "digits":
            scaler = StandardScaler().fit(X)
            X, X_test = scaler.transform(X), scaler.transform(X_test)
        cells = []
        for share in SHARES:
            k = round(share * X.shape[1])
            plain, deep = (
                explained_variance(
                    ContractiveAutoencoder(k, hidden_layer_sizes=h, random_state=0).fit(X), X_test
                )
                for h in ((), (64,))
            )
            pca = explained_variance(PCA(min(k, *X.shape)).fit(X), X_test)
            cells.append(f"{plain:.2f} ({deep:.2f}), PCA {pca:.2f}")
        print("| " + " | ".join([name, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
