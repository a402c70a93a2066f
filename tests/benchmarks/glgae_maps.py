"""Maps of digits in two dimensions: GLGAE, PCA, k-means, an autoencoder, a SOM and a GTM.

    python -m pip install minisom ugtm
    python tests/benchmarks/glgae_maps.py [--splits 5] [--data mnist.npz --epochs 20]

Digits / 16, 1297 training and 500 test rows. FVU is the share of variance that the reconstruction
leaves; trust is trustworthiness with 10 neighbours; kNN the accuracy of 5 neighbours among the
training codes. "s" is wall time, "cpu" the time that the process computed. With --data the speed
on MNIST is measured as well; --splits 0 leaves the table out.
"""

import argparse
import time

import numpy as np
from mnist import load
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import GLGAE, Autoencoder


class Cells:
    """k-means: the code of a row is where PCA puts the centre of its cell."""

    def __init__(self, n_cells):
        self.kmeans = KMeans(n_cells, n_init=1, random_state=0)

    def fit(self, X):
        self.kmeans.fit(X)
        self.places = PCA(2).fit(X).transform(self.kmeans.cluster_centers_)
        return self

    def transform(self, X):
        return self.places[self.kmeans.predict(X)]

    def reconstruct(self, X):
        return self.kmeans.cluster_centers_[self.kmeans.predict(X)]


class SelfOrganisingMap:
    """MiniSom: the code of a row is the place of its winner on the grid."""

    def __init__(self, side, sigma, n_epochs):
        self.side, self.sigma, self.n_epochs = side, sigma, n_epochs

    def fit(self, X):
        from minisom import MiniSom

        self.som = MiniSom(self.side, self.side, X.shape[1], sigma=self.sigma, random_seed=0)
        self.som.pca_weights_init(X)
        self.som.train(X, self.n_epochs, use_epochs=True)
        return self

    def transform(self, X):
        return np.array([self.som.winner(x) for x in X], dtype=float)

    def reconstruct(self, X):
        return self.som.quantization(X)


class TopographicMap:
    """ugtm: the code of a row is its posterior mean, decoded by the radial basis functions."""

    def __init__(self, side, rbf_side, width, regul):
        self.settings = {"k": side, "m": rbf_side, "s": width, "regul": regul, "niter": 100}

    def fit(self, X):
        from ugtm import eGTM

        self.gtm = eGTM(**self.settings).fit(X)
        return self

    def transform(self, X):
        return self.gtm.transform(X)

    def reconstruct(self, X):
        from ugtm.ugtm_core import createPhiMatrix

        start, Z = self.gtm.initialModel, self.transform(X)
        phi = createPhiMatrix(Z, start.matM, len(Z), start.n_rbf_centers, start.rbfWidth)
        return phi @ self.gtm.optimizedModel.matW.T


class Projection(PCA):
    """PCA with `reconstruct`."""

    def reconstruct(self, X):
        return self.inverse_transform(self.transform(X))


MAPS = {
    "PCA": lambda: Projection(2),
    "k-means, 100 cells": lambda: Cells(100),
    "reconstruction": lambda: GLGAE(),
    "bound": lambda: GLGAE(objective="bound"),
    "likelihood": lambda: GLGAE(objective="likelihood"),
    "likelihood, spacing 1": lambda: GLGAE(objective="likelihood", spacing=1),
    "reconstruction, online": lambda: GLGAE(solver="online", random_state=0),
    "reconstruction, online, 400 x .75": lambda: GLGAE(
        n_nodes=400, spacing=0.75, solver="online", random_state=0
    ),
    "bound, online": lambda: GLGAE(objective="bound", solver="online", random_state=0),
    "Autoencoder": lambda: Autoencoder(2, random_state=0),
    "Autoencoder, textbook": lambda: Autoencoder(
        2, linear_path=False, alpha=0.0, activation="silu", random_state=0
    ),
    "MiniSom 10 x 10, sigma 1": lambda: SelfOrganisingMap(10, 1.0, 20),
    "MiniSom 10 x 10, sigma 2": lambda: SelfOrganisingMap(10, 2.0, 20),
    "ugtm 10 x 10, rbf 6 x 6": lambda: TopographicMap(10, 6, 0.3, 0.1),
    "ugtm 20 x 20, rbf 10 x 10": lambda: TopographicMap(20, 10, 0.3, 0.1),
}


def timed(function, *args):
    """Return what the function returns, wall seconds and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*args)
    return result, time.perf_counter() - wall, time.process_time() - cpu


def fvu(model, X):
    """Return the share of the variance of X that the reconstruction leaves."""
    return ((X - model.reconstruct(X)) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum()


def measure(model, X_train, X_test, y_train, y_test):
    """Return the row of the table."""
    model, wall, cpu = timed(model.fit, X_train)
    Z_train, Z_test = model.transform(X_train), model.transform(X_test)
    neighbours = KNeighborsClassifier(5).fit(Z_train, y_train)
    return [
        fvu(model, X_train),
        fvu(model, X_test),
        trustworthiness(X_train, Z_train, n_neighbors=10),
        trustworthiness(X_test, Z_test, n_neighbors=10),
        neighbours.score(Z_test, y_test),
        wall,
        cpu,
    ]


def on_digits(n_splits):
    """Print the table, mean and standard deviation over splits."""
    X, y = load_digits(return_X_y=True)
    names = ("FVU train", "FVU test", "trust train", "trust test", "kNN test", "fit s", "cpu")
    print(f"{'':<34}" + "".join(f"{name:>14}" for name in names))
    for name, make in MAPS.items():
        rows = []
        for seed in range(n_splits):
            split = train_test_split(X / 16, y, test_size=500, random_state=seed, stratify=y)
            rows.append(measure(make(), *split))
        mean, sd = np.mean(rows, axis=0), np.std(rows, axis=0)
        cells = [f"{m:.3f}±{s:.3f}" for m, s in zip(mean[:5], sd[:5], strict=True)]
        cells += [f"{m:.2f}" for m in mean[5:]]
        print(f"{name:<34}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


def speed():
    """Print the times that the documentation names."""
    X = load_digits().data[:1297] / 16
    _, wall, cpu = timed(GLGAE().fit, X)
    print(f"\nfit, digits, 100 nodes: {wall:.2f} s, cpu {cpu:.2f}")
    many = np.tile(X, (8, 1))[:10000] + np.random.default_rng(0).normal(0, 0.02, (10000, 64))
    for dtype in (np.float32, np.float64):
        for objective in ("reconstruction", "bound", "likelihood"):
            model = GLGAE(n_nodes=400, objective=objective, max_iter=5).fit(X)
            _, wall, cpu = timed(model.transform, many.astype(dtype))
            print(
                f"transform, 10000 rows, 400 nodes, {objective}, {np.dtype(dtype)}: "
                f"{wall:.2f} s, cpu {cpu:.2f}",
                flush=True,
            )


def on_mnist(path, n_epochs):
    """Print errors and times of 400 nodes, online."""
    X_train, y_train, X_test, y_test = load(path)
    for objective, spacing in [("reconstruction", 0.75), ("bound", 2.0)]:
        model = GLGAE(
            n_nodes=400,
            objective=objective,
            spacing=spacing,
            solver="online",
            max_iter=n_epochs,
            random_state=0,
        )
        _, wall, cpu = timed(model.fit, X_train)
        Z, wall_codes, cpu_codes = timed(model.transform, X_test)
        accuracy = KNeighborsClassifier(5).fit(model.embedding_, y_train).score(Z, y_test)
        print(
            f"MNIST, {objective}, {model.n_iter_} epochs: {wall:.0f} s, cpu {cpu:.0f}; transform "
            f"10000 {wall_codes:.1f} s, cpu {cpu_codes:.1f}; FVU test {fvu(model, X_test):.3f}, "
            f"kNN {accuracy:.3f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--data")
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    if args.splits:
        on_digits(args.splits)
    speed()
    if args.data:
        on_mnist(args.data, args.epochs)


if __name__ == "__main__":
    main()
