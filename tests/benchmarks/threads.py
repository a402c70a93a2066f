"""From which size of a step on a second thread helps, and what two fits at once cost.

    python tests/benchmarks/threads.py [--pairs-only]

`SMALL_WORK` in `skae/training/threads.py` comes from the first table: multiply-adds of one step
(rows x parameters), and the time of a fit on all threads relative to one. The second table is the
time of two processes that fit at once, relative to one alone: 1 where each has a core of its own,
2 where they share one.
"""

import argparse
import os
import subprocess
import sys
import time

import numpy as np
import torch

import skae.training.threads
from skae import GLGAE, Autoencoder

# batch, features, hidden units
SHAPES = [
    (64, 20, 32),
    (64, 64, 128),
    (256, 64, 128),
    (256, 64, 512),
    (256, 784, 128),
    (256, 784, 512),
]
FITS = {
    "784 features": lambda: (make_data(12800, 784), make_autoencoder(256, 256, 3)),
    "64 features": lambda: (make_data(12800, 64), make_autoencoder(256, 256, 8)),
    "a map": lambda: (make_data(1000, 64), GLGAE(max_iter=20)),
}


def make_data(n_rows, n_features):
    return np.random.default_rng(0).normal(size=(n_rows, n_features)).astype(np.float32)


def make_autoencoder(batch_size, width, max_iter):
    settings = {"batch_size": batch_size, "hidden_layer_sizes": width, "max_iter": max_iter}
    return Autoencoder(8, linear_path=False, **settings)


class Fixed:
    """In place of the governor: always the same number of threads."""

    def __init__(self, n):
        self.n = n

    def look(self):
        pass

    def number(self, most):
        return self.n


def seconds(X, batch_size, width, n_threads):
    """Return the time of a fit, and its rows x parameters per step."""
    skae.training.threads._governor = Fixed(n_threads)
    ae = make_autoencoder(batch_size, width, 2)
    start = time.perf_counter()
    ae.fit(X)
    return time.perf_counter() - start, batch_size * ae.net_.flat_.numel()


def sizes():
    """Print the time on all threads relative to one, by the size of a step."""
    torch.set_num_threads(os.cpu_count())
    skae.training.threads.SMALL_WORK = 0
    print(f"{'batch':>6}{'features':>9}{'width':>6}{'work':>12}{'all / one':>11}")
    for batch_size, n_features, width in SHAPES:
        X, ratios = make_data(10000, n_features), []
        for _ in range(5):
            one, work = seconds(X, batch_size, width, 1)
            several, _ = seconds(X, batch_size, width, os.cpu_count())
            ratios.append(several / one)
        print(
            f"{batch_size:>6}{n_features:>9}{width:>6}{work:>12,}{np.median(ratios[1:]):>11.2f}",
            flush=True,
        )


def serve(name):
    """Fit once to warm up, once when told to; print how long that took."""
    X, model = FITS[name]()
    model.fit(X[:1000])
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    model.fit(X)
    print(time.perf_counter() - start, flush=True)


def time_at_once(name, n_fits):
    """Return the longest time of some fits that start together."""
    command = [sys.executable, __file__, "--serve", name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(n_fits)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return max(float(process.communicate()[0]) for process in processes)


def pairs():
    """Print the time of two fits at once relative to one alone."""
    for name in FITS:
        alone, both = (min(time_at_once(name, n) for _ in range(2)) for n in (1, 2))
        print(f"{name:<14} alone {alone:.2f} s, two at once {both:.2f} s ({both / alone:.2f})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", choices=list(FITS))
    parser.add_argument("--pairs-only", action="store_true")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    if not arguments.pairs_only:
        sizes()
    pairs()


if __name__ == "__main__":
    main()
