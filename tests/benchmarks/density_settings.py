"""Held-out likelihood of `VAE` by scaling and noise: the settings one by one, and the defaults.

    python tests/benchmarks/density_settings.py [--mnist mnist.npz] [--splits 2] [--components 5]

Raw data in their own units; constant columns count as in each setting.
"""

import argparse
import itertools
import time
import warnings

from data_sets import load
from sklearn import datasets
from sklearn.model_selection import train_test_split

from skae import VAE

SETTINGS = [
    ("auto", "auto"),
    *itertools.product(("global", "standard"), ("shared", "per_feature")),
]


def tables(mnist):
    """Return rows by the name of their set."""
    loaders = {
        "wine": datasets.load_wine,
        "diabetes": datasets.load_diabetes,
        "breast cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
    }
    found = {name: loader().data for name, loader in loaders.items()}
    return found | ({"mnist": load("mnist", mnist)} if mnist else {})


def main():
    """Print mean and worst score of held-out rows, and the seconds of a fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--components", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, X in tables(arguments.mnist).items():
        for split, (scaling, noise) in itertools.product(range(arguments.splits), SETTINGS):
            train, test = train_test_split(X, test_size=0.3, random_state=split)
            vae = VAE(arguments.components, scaling=scaling, noise_variance=noise, random_state=0)
            start = time.perf_counter()
            scores = vae.fit(train).score_samples(test)
            seconds = time.perf_counter() - start
            print(
                f"{name:14} {split} {scaling:9} {noise:12} {scores.mean():12.2f} "
                f"worst {scores.min():14.1f} {seconds:6.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
