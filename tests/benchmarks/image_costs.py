"""What convolutions cost: a step beside a bare torch loop, and the memory of a fit to bytes.

    python tests/benchmarks/image_costs.py

Milliseconds of CPU time of a training step, batches of 128 images of noise, the same networks in
`Autoencoder` and in a loop with Adam as one would write it, in turns; the best of three each. Then
by how much a fit to 60000 images of 28 x 28 bytes raises the peak of the process, as a share of
what these images take in single precision; networks and one batch's activations included.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from skae import Autoencoder
from skae.networks import Conv

sys.path.append(str(Path(__file__).parents[1]))

from peaks import added_bytes

BATCH = 128


def ours(X, conv, n_epochs):
    """Return the CPU time of a step, by the difference between two fits."""

    def seconds(n):
        model = Autoencoder(
            10, encoder=conv, alpha=0.1, batch_size=BATCH, max_iter=n, random_state=0
        )
        start = time.process_time()
        model.fit(X)
        return time.process_time() - start

    return (seconds(n_epochs + 2) - seconds(2)) / (n_epochs * (len(X) // BATCH))


def bare(X, conv, n_epochs):
    """Return the CPU time of a step of a plain loop."""
    d, rows = X.shape[1], torch.from_numpy(X)
    encoder = conv.make_encoder(d, 10, linear_path=True, generator=None)
    decoder = conv.make_decoder(10, d, linear_path=True, generator=None)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])

    def epoch():
        for index in torch.randperm(len(rows)).split(BATCH):
            x = rows[index]
            loss = (decoder(encoder(x)) - x).square().sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch()
    start = time.process_time()
    for _ in range(n_epochs):
        epoch()
    return (time.process_time() - start) / (n_epochs * (len(X) // BATCH))


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    for side, n_rows, n_epochs in ((8, 10 * BATCH, 10), (28, 4 * BATCH, 3)):
        X, conv = rng.random((n_rows, side * side), dtype=np.float32), Conv((side, side))
        pairs = [(ours(X, conv, n_epochs), bare(X, conv, n_epochs)) for _ in range(3)]
        here, there = np.min(pairs, axis=0) * 1000
        print(f"{side} x {side}: {here:.2f} ms a step, bare loop {there:.2f} ms", flush=True)
    pixels = rng.integers(256, size=(60_000, 784), dtype=np.uint8)
    model = Autoencoder(30, encoder=Conv((28, 28), channels=(4, 8)), alpha=0.1, max_iter=1)
    share = added_bytes(model.fit, pixels) / (4 * pixels.size)
    print(f"memory of a fit: {share:.2f} of single precision")


if __name__ == "__main__":
    main()
