"""Sparse codes: top-k against L1 on MNIST, and against dictionary learning on digits.

    python tests/benchmarks/sparse_codes.py --data mnist.npz [--rows 10000] [--epochs 15]

Errors are per test image, summed over pixels in [0, 1]; "l1" is shown along its penalty, to be
read at equal activity.
"""

import argparse
import time

from mnist import load, summed_squared_error
from sklearn.datasets import load_digits
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.model_selection import train_test_split

from skae import SparseAutoencoder


def activity(model, X):
    """Return the mean number of active units of a row."""
    return (model.transform(X) != 0).sum(axis=1).mean()


def on_mnist(args):
    """Print errors of top-k at 8, 16, 32 and 64 active units, and of L1 along its penalty."""
    X_train, _, X_test, _ = load(args.data)
    X_train = X_train[: args.rows]
    settings = {"n_components": 1024, "max_iter": args.epochs, "random_state": 0}
    models = {f"top-{k}": {"n_nonzero_coefs": k} for k in (8, 16, 32, 64)}
    for penalty in (1, 3, 10, 30):
        models[f"l1, {penalty}"] = {"sparsity": "l1", "penalty": penalty}
    print(f"\n{'MNIST':<12}{'active':>8}{'error':>9}{'dead':>8}{'fit s':>8}")
    for name, chosen in models.items():
        start = time.perf_counter()
        model = SparseAutoencoder(**chosen, **settings).fit(X_train)
        seconds = time.perf_counter() - start
        print(
            f"{name:<12}{activity(model, X_test):>8.1f}{summed_squared_error(model, X_test):>9.2f}"
            f"{model.n_dead_units_ / 1024:>8.1%}{seconds:>8.0f}",
            flush=True,
        )


def on_digits():
    """Print errors and times beside scikit-learn's dictionary learning."""
    train, test = train_test_split(load_digits().data / 16, test_size=1 / 3, random_state=0)
    print(f"\n{'digits':<24}{'active':>8}{'error':>9}{'fit s':>8}{'transform s':>13}")
    for n_active in (3, 6, 12):
        models = {
            "SparseAutoencoder": SparseAutoencoder(
                128, n_nonzero_coefs=n_active, max_iter=100, random_state=0
            ),
            "MiniBatchDictionary...": MiniBatchDictionaryLearning(
                128,
                transform_algorithm="omp",
                transform_n_nonzero_coefs=n_active,
                random_state=0,
            ),
        }
        mean = train.mean(axis=0)
        for name, model in models.items():
            centre = mean if name.startswith("Mini") else 0.0
            start = time.perf_counter()
            model.fit(train - centre)
            fitted = time.perf_counter()
            Z = model.transform(test - centre)
            done = time.perf_counter()
            X_hat = (
                Z @ model.components_ if name.startswith("Mini") else model.inverse_transform(Z)
            )
            error = ((test - centre - X_hat) ** 2).sum(axis=1).mean()
            print(
                f"{name:<24}{(Z != 0).sum(axis=1).mean():>8.1f}{error:>9.3f}"
                f"{fitted - start:>8.1f}{done - fitted:>13.3f}",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data")
    parser.add_argument("--rows", type=int, default=10000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--digits-only", action="store_true")
    args = parser.parse_args()
    on_digits()
    if not args.digits_only:
        on_mnist(args)


if __name__ == "__main__":
    main()
