"""How much memory fitting and applying a model add, as a share of X in float32.

    python tests/benchmarks/memory.py [--rows 80000] [--features 200] [--batch 250]

One epoch, default networks; the peak of the process over what it held
before, less the output. A model's own weights count too.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.base import clone

sys.path.append(str(Path(__file__).parents[1]))

from estimators import DEFAULTS
from peaks import added_bytes


def make_data(n, d):
    """Return rows of repeated noise, in float32, float64 and CSR."""
    block = np.random.default_rng(0).standard_normal((n // 40, d), dtype=np.float32)
    some = sparse.csr_matrix(block * (block > 2))
    X = np.tile(block, (40, 1))
    return X, X.astype(np.float64), sparse.vstack([some] * 40, format="csr")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=80000)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--batch", type=int, default=250)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    X, X_double, X_sparse = make_data(options.rows, options.features)
    read_only = X.view()
    read_only.flags.writeable = False
    print(f"{'':24}fit: float32  read-only  float64   CSR   transform  inverse  score_samples")
    for name, estimator in DEFAULTS.items():
        model = clone(estimator).set_params(max_iter=1, batch_size=options.batch)
        clone(model).set_params(max_iter=30).fit(X[:1000])
        added = [added_bytes(clone(model).fit, data) for data in (read_only, X_double, X_sparse)]
        added.insert(0, added_bytes(model.fit, X))
        Z = model.transform(X)
        added.append(added_bytes(model.transform, X) - Z.nbytes)
        added.append(added_bytes(model.inverse_transform, Z) - X.nbytes)
        added.append(added_bytes(model.score_samples, X[: len(X) // 4]))
        print(f"{name:24}" + "".join(f"{bytes_ / X.nbytes:9.2f}" for bytes_ in added), flush=True)


if __name__ == "__main__":
    main()
