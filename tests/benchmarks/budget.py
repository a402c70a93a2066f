"""What ``max_iter="auto"`` saves on many rows, and what it costs: against 100 epochs.

    python tests/benchmarks/budget.py [--rows 200000] [--steps 4000 8000 16000]

Rows are tanh factors with noise, 30 columns; a twentieth of them is held out. "share" is the
explained variance of those, "seconds" the time of the fit.
"""

import argparse
import time

import numpy as np
from data_sets import make_factors
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.estimator import choices


def report(name, max_iter, train, test):
    start = time.perf_counter()
    model = Autoencoder(5, max_iter=max_iter, random_state=0).fit(train)
    seconds = time.perf_counter() - start
    share = model.score(test)
    print(f"{name:<16}{model.n_iter_:>4} epochs  share {share:.4f}  {seconds:7.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--steps", type=int, nargs="*", default=[choices.STEPS])
    args = parser.parse_args()
    X = make_factors(np.tanh, args.rows, 30).astype(np.float32)
    train, test = train_test_split(X, test_size=0.05, random_state=0)
    for choices.STEPS in args.steps:
        report(f"{choices.STEPS} steps", "auto", train, test)
    report("100 epochs", 100, train, test)


if __name__ == "__main__":
    main()
