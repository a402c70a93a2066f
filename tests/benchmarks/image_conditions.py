"""How a condition enters the convolutions of images: shifts of channels beside planes.

    python tests/benchmarks/image_conditions.py [--mnist mnist.npz] [--rows 2000] [--seeds 3]

A `ConditionalVAE` of digits, or of MNIST, given the label; the log-likelihood of unseen rows in
nats, and the accuracy with which a support vector machine reads the label off 100 draws of each.
"Shifts" add numbers made of the condition to the channels of each level, as `Conv` does; "planes"
are further channels of the image, which are constant. Decoders are the same.
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


class Planes(ConvEncoder):
    """An encoder that sees a condition as further channels of the image."""

    def __init__(self, plan, n_out, *, n_conditions=0, generator=None):
        super().__init__(plan, n_out, n_conditions=n_conditions, generator=generator)
        self.shifts = nn.ModuleList()
        n_in, n_channels = plan.image_shape[2] + n_conditions, plan.channels[0]
        self.down[0] = nn.Conv2d(n_in, n_channels, 3, stride=2, padding=1)
        self.initialise(generator)

    def forward(self, x):
        pixels, c = x[:, : self.plan.n_pixels], x[:, self.plan.n_pixels :]
        h = pixels.reshape(-1, *self.plan.image_shape).permute(0, 3, 1, 2)
        h = torch.cat([h, c[:, :, None, None].expand(-1, -1, *h.shape[2:])], dim=1)
        for i, (down, blocks) in enumerate(zip(self.down, self.blocks, strict=True)):
            h = blocks(down(self.phi(h) if i else h))
        out = self.head(self.phi(h).permute(0, 2, 3, 1).flatten(1))
        return out if self.path is None else out + self.path(x)


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
    for name, kind in {"shifts": ConvEncoder, "planes": Planes}.items():
        scores, read, start = [], [], time.process_time()
        for seed in range(args.seeds):
            model = ConditionalVAE(10, encoder=Conv(shape), random_state=seed)
            with mock.patch.object(skae.networks, "ConvEncoder", kind):
                model.fit(X, condition=y)
            scores.append(model.score(X_test, condition=y_test))
            drawn = model.sample(100, condition=labels, random_state=0)
            read.append(judge.score(drawn, np.repeat(labels, 100)))
        print(
            f"{name:<10}score {np.mean(scores):8.2f} +- {np.std(scores):.2f}  "
            f"labels read {np.mean(read):.3f}  {time.process_time() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
