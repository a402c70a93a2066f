"""How a condition enters the convolutions of images: shifts of channels beside planes.

    python tests/benchmarks/image_conditions.py [--mnist mnist.npz] [--rows 2000] [--seeds 3]

A `ConditionalVAE` of digits, or of MNIST, given the label; the log-likelihood of unseen rows in
nats, and the accuracy with which a support vector machine reads the label off 100 draws of each.
"Shifts" add numbers made of the condition to the channels of each level, as `Conv` does; "planes"
are further channels that are constant, of the image alone or of each level. Decoders are the same.
"""

import argparse
import time
import warnings
from unittest import mock

import numpy as np
import torch
from mnist import load
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from torch import nn

import skae.networks
from skae import ConditionalVAE
from skae.networks import Conv
from skae.nn.convolutions import ConvEncoder


def with_planes(h, c):
    """Return pictures with a plane for each number of a condition, (batch, n_conditions)."""
    return torch.cat([h, c[:, :, None, None].expand(-1, -1, *h.shape[2:])], dim=1)


def widened(conv, n_more):
    """Return a convolution that takes more channels."""
    return nn.Conv2d(conv.in_channels + n_more, conv.out_channels, 3, stride=2, padding=1)


class Planes(ConvEncoder):
    """An encoder with planes at the first of its levels."""

    n_levels = 1

    def __init__(self, plan, n_out, *, n_conditions=0, generator=None):
        super().__init__(plan, n_out, n_conditions=n_conditions, generator=generator)
        self.shifts = nn.ModuleList()
        for i in range(min(self.n_levels, len(self.down))):
            self.down[i] = widened(self.down[i], n_conditions)
        self.initialise(generator)

    def forward(self, x):
        pixels, c = x[:, : self.plan.n_pixels], x[:, self.plan.n_pixels :]
        h = pixels.reshape(-1, *self.plan.image_shape).permute(0, 3, 1, 2)
        for i, (down, blocks) in enumerate(zip(self.down, self.blocks, strict=True)):
            h = self.phi(h) if i else h
            h = blocks(down(with_planes(h, c) if i < self.n_levels else h))
        out = self.head(self.phi(h).permute(0, 2, 3, 1).flatten(1))
        return out if self.path is None else out + self.path(x)


class PlanesEverywhere(Planes):
    """An encoder with planes at each level."""

    n_levels = 9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mnist")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.mnist:
        X, y, X_test, y_test = load(args.mnist)
        X, y, X_test, y_test = X[: args.rows], y[: args.rows], X_test[:2000], y_test[:2000]
        shape = (28, 28)
    else:
        X, y = load_digits(return_X_y=True)
        X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
        shape = (8, 8)
    judge, labels = SVC().fit(X, y), np.arange(10)
    kinds = {"shifts": ConvEncoder, "planes": Planes, "planes of each level": PlanesEverywhere}
    for name, kind in kinds.items():
        scores, read, start = [], [], time.process_time()
        for seed in range(args.seeds):
            model = ConditionalVAE(10, encoder=Conv(shape), random_state=seed)
            with mock.patch.object(skae.networks, "ConvEncoder", kind):
                model.fit(X, condition=y)
            scores.append(model.score(X_test, condition=y_test))
            drawn = model.sample(100, condition=labels, random_state=0)
            read.append(judge.score(drawn, np.repeat(labels, 100)))
        print(
            f"{name:<22}score {np.mean(scores):8.2f} +- {np.std(scores):.2f}  "
            f"labels read {np.mean(read):.3f}  {time.process_time() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
