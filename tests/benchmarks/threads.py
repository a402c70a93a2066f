"""From which size of a step on a second thread helps.

    python tests/benchmarks/threads.py

`SMALL_WORK` in `skae/threads.py` comes from here: rows x parameters of one step, and the time of a
fit on all threads relative to one.
"""

import os
import time

import numpy as np
import torch

import skae.threads
from skae import Autoencoder

SHAPES = [
    (64, 20, 32),
    (64, 64, 128),
    (256, 64, 128),
    (256, 64, 512),
    (256, 784, 128),
    (256, 784, 512),
]


def seconds(X, batch_size, width, small_work):
    """Return the time of a fit, and its rows x parameters per step."""
    skae.threads.SMALL_WORK = small_work
    ae = Autoencoder(
        8, hidden_layer_sizes=width, batch_size=batch_size, linear_path=False, max_iter=2
    )
    start = time.perf_counter()
    ae.fit(X)
    return time.perf_counter() - start, batch_size * ae.net_.flat_.numel()


def main():
    torch.set_num_threads(os.cpu_count())
    print(f"{'batch':>6}{'features':>9}{'width':>6}{'work':>12}{'all / one':>11}")
    for batch_size, n_features, width in SHAPES:
        X = np.random.default_rng(0).normal(size=(5000, n_features)).astype(np.float32)
        ratios = []
        for _ in range(4):
            one, work = seconds(X, batch_size, width, 10**12)
            several, _ = seconds(X, batch_size, width, 0)
            ratios.append(several / one)
        print(
            f"{batch_size:>6}{n_features:>9}{width:>6}{work:>12,}{np.median(ratios[1:]):>11.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
