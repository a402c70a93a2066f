"""What a fit costs before and after its epochs, and what an epoch costs.

    python tests/benchmarks/fixed_cost.py [--estimators Autoencoder VAE] [--fits 15]

The digits, two components, CPU time of the process on one thread. The clock is read at the end
of each epoch: the median of the later ones is the cost of an epoch, and the fixed cost is what the
fit took before the second and after the last, without one epoch: checks, moments, PCA, networks,
the first step written down, the second taken both ways, the final losses, the codes that are kept.
Both are the least of several fits, as others on the machine only add. The first fit of the
process, whose steps are compiled, has a column of its own.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

import skae

ESTIMATORS = ["Autoencoder", "VAE", "DenoisingAutoencoder", "SparseAutoencoder"]
N_EPOCHS = 10
_marks = []


class Mark(Callback):
    """Read the clock after each epoch."""

    def on_epoch_end(self, net, **kwargs):
        _marks.append(time.process_time())


def costs(name, X):
    """Return what a fit costs without epochs after the first, and an epoch, in seconds."""
    settings = {} if name == "SparseAutoencoder" else {"n_components": 2}
    settings |= {"max_iter": N_EPOCHS, "random_state": 0, "callbacks": [Mark()]}
    estimator = getattr(skae, name)(**settings)
    _marks.clear()
    start = time.process_time()
    estimator.fit(X)
    rest = _marks[0] - start + time.process_time() - _marks[-1]
    return rest, np.median(np.diff(_marks)[1:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--estimators", nargs="+", default=ESTIMATORS)
    parser.add_argument("--fits", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    X = load_digits().data
    print(f"{'ms':<22}{'fixed':>9}{'epoch':>9}{'first fixed':>13}")
    for name in options.estimators:
        first, *others = [costs(name, X) for _ in range(options.fits + 1)]
        rest, epoch = np.min(others, axis=0)
        fixed, at_first = [1e3 * (seconds - epoch) for seconds in (rest, first[0])]
        print(f"{name:<22}{fixed:>9.1f}{1e3 * epoch:>9.2f}{at_first:>13.0f}")


if __name__ == "__main__":
    main()
