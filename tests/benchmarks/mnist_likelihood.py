"""Likelihood of MNIST under a VAE and an IWAE (Burda, Grosse and Salakhutdinov, 2016).

The paper's network, 784-200-200-50 with tanh, on images binarised afresh every epoch; negative
test log-likelihood by importance sampling. Published after 3280 epochs with batches of 20: VAE
86.76, IWAE k=5 85.54, k=50 84.78. ``--full`` runs that protocol (meant for a GPU); the default is
short.

Run it as ``python tests/benchmarks/mnist_likelihood.py [--data mnist.npz] [--epochs 50]``.
"""

import argparse
import time

import numpy as np
from mnist import load

from skae import VAE


def binarise(X, rng):
    return (rng.random(X.shape, dtype=np.float32) < X).astype(np.float32)


def learning_rates(full, epochs):
    """The paper's steps, 0.001 * 10^(-i/7) for 3^i epochs each; a cosine for a short run."""
    if full:
        return [1e-3 * 10 ** (-i / 7) for i in range(8) for _ in range(3**i)]
    return [2e-3 * 0.5 * (1 + np.cos(np.pi * t / epochs)) for t in range(epochs)]


def fit(X, k, rates, batch_size, seed):
    rng = np.random.default_rng(seed)
    vae = VAE(
        50,
        likelihood="bernoulli",
        warm_up=0.0,
        hidden_layer_sizes=(200, 200),
        activation="tanh",
        n_mc_samples=k,
        importance_weighted=k > 1,
        batch_size=batch_size,
        random_state=seed,
    )
    for rate in rates:
        vae.set_params(learning_rate_init=rate).partial_fit(binarise(X, rng))
    return vae


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=None)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--draws", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--test-draws", type=int, default=1000)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()

    X_train, _, X_test, _ = load(arguments.data)
    n_rows, n_draws = arguments.test_rows, arguments.test_draws
    batch_size = arguments.batch_size
    if arguments.full:
        n_rows, n_draws, batch_size = len(X_test), 5000, 20
    X_test = binarise(X_test[:n_rows], np.random.default_rng(1))

    print(
        f"| model | -ELBO | NLL, {n_draws} draws, {n_rows} rows | active units | fit s | score s |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for k in arguments.draws:
        start = time.perf_counter()
        vae = fit(X_train, k, learning_rates(arguments.full, arguments.epochs), batch_size, seed=0)
        fitted = time.perf_counter()
        bounds = [-vae.score_samples(X_test, n).mean() for n in (1, 10, 100, n_draws)]
        scored = time.perf_counter()
        assert bounds == sorted(bounds, reverse=True), "more draws must tighten the bound"
        elbo = -vae.elbo_decomposition(X_test[:1000])["elbo"]
        print(
            f"| {'VAE' if k == 1 else f'IWAE k={k}'} | {elbo:.2f} | {bounds[-1]:.2f} | "
            f"{vae.active_units_.sum()} | {fitted - start:.0f} | {scored - fitted:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
