"""Convolutions and perceptrons on images, at equal CPU time: what is lost of unseen ones.

    python tests/benchmarks/images.py --mnist mnist.npz --rows 5000 --minutes 1 3
    python tests/benchmarks/images.py --mnist mnist.npz --rows 60000 --minutes 10
    python tests/benchmarks/images.py --colours --minutes 1       # patches of two photographs
    python tests/benchmarks/images.py --colours --as-it-comes     # trial of decays, own epochs
    python tests/benchmarks/images.py --mnist mnist.npz --density --components 50 --minutes 4

The squared error of an image, summed over its numbers in [0, 1], of MNIST's test images or of
patches from other places of the photographs, by a code of 30 numbers. Each contender has as many
epochs as fit into the minutes by the time that one of them takes: schedules end where time does,
so that several minutes are a curve against time. Published for 30 numbers on MNIST: PCA 13.87, the
deep autoencoder 784-1000-500-250-30 3.00 (Hinton and Salakhutdinov 2006).

With `--density` a `VAE` of binary images, pixels above one half or not, and in place of the error
minus the bound of the log-likelihood, in nats.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from mnist import load
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA

from skae import VAE, Autoencoder
from skae.networks import Conv

SIZE = 16  # of a patch


def cut_patches(n_patches, seed):
    """Return square patches with colours, float32 in [0, 1], from random places."""
    rng, photos = np.random.default_rng(seed), load_sample_images().images
    patches = np.empty((n_patches, SIZE, SIZE, 3), np.float32)
    for i in range(n_patches):
        photo = photos[i % len(photos)]
        row, column = (rng.integers(n - SIZE + 1) for n in photo.shape[:2])
        patches[i] = photo[row : row + SIZE, column : column + SIZE] / 255
    return patches.reshape(n_patches, -1)


def contenders(image_shape, n_components, is_density):
    """Return models by their names."""

    def model(**params):
        if is_density:
            return VAE(n_components, likelihood="bernoulli", warm_up=0.0, random_state=0, **params)
        return Autoencoder(n_components, random_state=0, **params)

    return {
        "perceptron, default": model(),
        "perceptron (512, 256)": model(hidden_layer_sizes=(512, 256)),
        "perceptron (1000, 500, 250)": model(hidden_layer_sizes=(1000, 500, 250)),
        "Conv, default": model(encoder=Conv(image_shape)),
        "Conv, channels=(16, 32)": model(encoder=Conv(image_shape, channels=(16, 32))),
        "Conv, n_blocks=1": model(encoder=Conv(image_shape, n_blocks=1)),
    }


def error(model, X):
    """Return the squared error of an image, or minus its log-likelihood."""
    if isinstance(model, VAE):
        return -model.score(X)
    return np.square(X - model.inverse_transform(model.transform(X))).sum(axis=1).mean()


def cpu_time(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def fit_for(model, X, minutes):
    """Fit for so many minutes of CPU time; return those that it took."""
    if isinstance(model, Autoencoder):
        model.set_params(alpha=0.1)  # without trials of others
    few = [cpu_time(lambda n=n: model.set_params(max_iter=n).fit(X)) for n in (1, 2)]
    n_epochs = max(1, round((minutes * 60 - few[0]) / max(few[1] - few[0], 0.1)))
    return cpu_time(lambda: model.set_params(max_iter=n_epochs).fit(X)) / 60


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mnist", help="an .npz file; without it MNIST is downloaded")
    parser.add_argument("--colours", action="store_true")
    parser.add_argument("--density", action="store_true")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--components", type=int, default=30)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0])
    parser.add_argument("--as-it-comes", action="store_true")
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if args.colours:
        X, X_test, shape = cut_patches(args.rows, 0), cut_patches(2000, 1), (SIZE, SIZE, 3)
    else:
        X, _, X_test, _ = load(args.mnist)
        X, shape = X[: args.rows], (28, 28)
    if args.density:
        X, X_test = ((images > 0.5).astype(np.float32) for images in (X, X_test))
    else:
        print(f"{'PCA':<30}{error(PCA(args.components).fit(X), X_test):8.3f}", flush=True)
    for name, model in contenders(shape, args.components, args.density).items():
        for minutes in args.minutes if not args.only or name in args.only else ():
            if args.as_it_comes:
                spent = cpu_time(lambda model=model: model.fit(X)) / 60
            else:
                spent = fit_for(model, X, minutes)
            print(
                f"{name:<30}{error(model, X_test):8.3f} training {error(model, X):8.3f}"
                f"{spent:6.1f} min{model.n_iter_:5d} epochs",
                flush=True,
            )


if __name__ == "__main__":
    main()
