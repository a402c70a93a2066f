"""Summed squared error per MNIST test image of a 30-number code (Hinton, Salakhutdinov 2006).

    python tests/benchmarks/mnist_reconstruction.py --data mnist.npz [--epochs 40]

Pixels are in [0, 1]; without --data they are downloaded. Published: PCA 13.87, the deep
autoencoder 784-1000-500-250-30 3.00.
"""

import argparse
import time

from mnist import load, summed_squared_error
from sklearn.decomposition import PCA

from skae import Autoencoder


def report(name, model, X_test, seconds):
    """Print the error per image and the time of the fit."""
    error = summed_squared_error(model, X_test)
    print(f"{name:<40}{error:8.3f}{seconds:9.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    X_train, _, X_test, _ = load(args.data)
    models = {
        "PCA": PCA(30, random_state=0),
        "Autoencoder, defaults, 10 epochs": Autoencoder(30, max_iter=10, random_state=0),
        f"784-1000-500-250-30, {args.epochs} epochs": Autoencoder(
            30,
            hidden_layer_sizes=(1000, 500, 250),
            learning_rate_init=1e-3,
            max_iter=args.epochs,
            random_state=0,
            verbose=args.verbose,
        ),
    }
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(X_train)
        report(name, model, X_test, time.perf_counter() - start)


if __name__ == "__main__":
    main()
