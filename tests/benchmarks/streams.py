"""How long a code of a stream should be kept for `sample`: old ones go stale, few are too few.

For each horizon the maximum mean discrepancy between samples after `partial_fit` and what the
model makes of all rows (its reconstructions), in units of the discrepancy by chance (its 95 %
quantile over permutations): below 1 they cannot be told apart.

    python tests/benchmarks/streams.py --seeds 3
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits, load_iris, make_swiss_roll

from skae import Autoencoder
from skae.data import streams
from skae.metrics import maximum_mean_discrepancy, maximum_mean_discrepancy_null

HORIZONS = (300, 1000, 2000, 5000, 20000)


def orders(X, y, rng):
    """Return chunks of rows: shuffled once, shuffled ten times, sorted by class."""
    shuffled = [np.array_split(rng.permutation(len(X)), 12) for _ in range(10)]
    by_class = np.array_split(np.argsort(y, kind="stable"), 12)
    return {
        "one pass": shuffled[0],
        "ten passes": [rows for chunks in shuffled for rows in chunks],
        "sorted": by_class,
        "sorted, ten passes": by_class * 10,
    }


def excess(X, chunks, horizon, seed):
    """Return the discrepancy of samples and reconstructions over that by chance."""
    streams.HORIZON = horizon
    ae = Autoencoder(2, random_state=seed)
    for rows in chunks:
        ae.partial_fit(X[rows])
    rng = np.random.default_rng(seed)
    some = ae.reconstruct(X[rng.permutation(len(X))[:400]])
    samples = ae.sample(len(some), random_state=seed)
    null = maximum_mean_discrepancy_null(some, samples, n_permutations=200, random_state=0)
    return maximum_mean_discrepancy(some, samples) / np.quantile(null, 0.95)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    n_seeds = parser.parse_args().seeds
    roll, t = make_swiss_roll(3000, random_state=0)
    sets = {
        "iris": load_iris(return_X_y=True),
        "digits": load_digits(return_X_y=True),
        "swiss roll": (roll, t),
    }
    print(f"{'':32s}", *(f"{h:>8d}" for h in HORIZONS))
    for name, (X, y) in sets.items():
        for order in ("one pass", "ten passes", "sorted", "sorted, ten passes"):
            means = []
            for horizon in HORIZONS:
                found = [
                    excess(X, orders(X, y, np.random.default_rng(s))[order], horizon, s)
                    for s in range(n_seeds)
                ]
                means.append(np.mean(found))
            print(f"{name + ', ' + order:32s}", *(f"{m:8.2f}" for m in means), flush=True)


if __name__ == "__main__":
    main()
