"""How the cost of a fit grows with rows and with epochs.

    python tests/benchmarks/scaling.py [--largest 1000000] [--estimators Autoencoder VAE]

20 features, default networks, two epochs, batches of 256 rows, so that a step is the same work at
every size; the process's CPU time on one thread. What grows linearly keeps its time for a row and
an epoch, apart from what is paid once: the trace of a step, the mixture of codes.
"""

import argparse
import time

import numpy as np
import torch

import skae

N_FEATURES = 20


def make_data(n):
    """Return rows around a curved surface, in float32."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n, 5)).astype(np.float32)
    X = np.tanh(Z @ rng.normal(size=(5, N_FEATURES)).astype(np.float32))
    X += 0.1 * rng.standard_normal(X.shape, dtype=np.float32)
    return X


def seconds(function, *args):
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=10**6)
    parser.add_argument(
        "--estimators", nargs="+", default=["Autoencoder", "VAE", "SparseAutoencoder", "GLGAE"]
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = [n for n in (10**3, 10**4, 10**5, 10**6) if n <= options.largest]
    for name in options.estimators:

        def make(epochs, name=name):
            settings = {"batch_size": 256, "max_iter": epochs, "random_state": 0}
            return getattr(skae, name)(**settings)

        make(2).fit(make_data(1000))
        print(f"\n{name}\n{'rows':>9}{'epochs':>8}{'fit, s':>9}{'us per row-epoch':>18}")
        for n, epochs in [(n, 2) for n in sizes] + [(1000, e) for e in (20, 200, 1000)]:
            time_of_fit = seconds(make(epochs).fit, make_data(n))
            print(
                f"{n:>9}{epochs:>8}{time_of_fit:>9.2f}{1e6 * time_of_fit / n / epochs:>18.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
