"""What comes of damaged files, and of writers that are killed, in large numbers.

    python tests/benchmarks/files.py [--mutations 5000] [--kills 200]

Each mutation changes bytes, cuts or swaps pieces, or edits the JSON of a file of one of the
estimators; it is to be refused, or to load as what was written. After each kill the file is to be
one of the two that were being written. Prints how many were what, and seconds.
"""

import argparse
import collections
import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

sys.path.insert(0, str(Path(__file__).parents[1]))

from damage import MUTATIONS, judge, kill_writers
from estimators import DEFAULTS, fitted

X = load_iris().data


def damage(path, n_mutations):
    """Print what comes of mutations of files of all estimators, in turn."""
    files = []
    for estimator in DEFAULTS.values():
        fitted(estimator).save(path)
        files.append((path.read_bytes(), fitted(estimator).transform(X)))
    rng, counts, slowest = np.random.default_rng(0), collections.Counter(), 0.0
    pairs = itertools.product(MUTATIONS, files)
    for mutate, (content, expected) in itertools.islice(itertools.cycle(pairs), n_mutations):
        start = time.perf_counter()
        counts[mutate.__name__, judge(path, mutate(content, rng), expected, X)] += 1
        slowest = max(slowest, time.perf_counter() - start)
    for (mutation, what), n in sorted(counts.items()):
        print(f"{mutation:20} {what:8} {n:6}")
    print(f"none crashed or loaded wrong; the slowest took {slowest:.2f} s")


def kill(path, n_kills):
    """Print how many kills hit a writer in the middle of a file."""
    models = fitted(DEFAULTS["VAE"]), fitted(DEFAULTS["Autoencoder"])
    allowed = []
    for model in models:
        model.save(path)
        allowed.append(path.read_bytes())
    delays = np.random.default_rng(0).uniform(0, 0.05, n_kills)
    for _ in kill_writers(path, models, delays):
        assert path.read_bytes() in allowed, "the file is not whole"
    left = len(list(path.parent.glob(".*.tmp")))
    print(f"{n_kills} kills: the file was whole each time; {left} were in the middle of another")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        damage(Path(folder) / "model.skae", options.mutations)
        kill(Path(folder) / "model.skae", options.kills)
