"""How much memory fitting and applying a model add, as a share of X in float32.

    python tests/benchmarks/memory.py [--rows 80000] [--features 200] [--batch 250] [--promises]

One epoch, default networks; the peak of the process over what it held
before, less the output. A model's own weights count too. With --promises the networks are small
beside X, and what exceeds the bounds of docs/speed.md is marked: run it on an idle machine.
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
from memory_laws import SMALL
from peaks import added_bytes

# Bounds of docs/speed.md. A conversion to float32 is one X.
SHARE, BYTES = 0.3, 16e6  # of X, in a fit; of batches, in a fitted model


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
    parser.add_argument("--promises", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    X, X_double, X_sparse = make_data(options.rows, options.features)
    read_only = X.view()
    read_only.flags.writeable = False
    print(f"{'':24}fit: float32  read-only  float64   CSR   transform  inverse  score_samples")
    share = BYTES / X.nbytes
    bounds = [SHARE, SHARE, 1 + SHARE, SHARE, share, share, share]
    for name, estimator in DEFAULTS.items():
        model = clone(estimator).set_params(max_iter=1, batch_size=options.batch)
        if options.promises:
            known = SMALL.keys() & model.get_params().keys()
            model.set_params(**{key: SMALL[key] for key in known})
        clone(model).set_params(max_iter=30).fit(X[:1000])
        added = [added_bytes(clone(model).fit, data) for data in (read_only, X_double, X_sparse)]
        added.insert(0, added_bytes(model.fit, X))
        Z = model.transform(X)
        added.append(added_bytes(model.transform, X) - Z.nbytes)
        added.append(added_bytes(model.inverse_transform, Z) - X.nbytes)
        added.append(added_bytes(model.score_samples, X[: len(X) // 4]))
        shares = [bytes_ / X.nbytes for bytes_ in added]
        broken = [options.promises and a > b for a, b in zip(shares, bounds, strict=True)]
        marked = [f"{a:8.2f}{'!' if b else ' '}" for a, b in zip(shares, broken, strict=True)]
        print(f"{name:24}" + "".join(marked), flush=True)


if __name__ == "__main__":
    main()
