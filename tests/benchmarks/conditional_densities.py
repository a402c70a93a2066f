"""Held-out log p(x | c) of `ConditionalVAE`, defaults, beside ridge and factor analysis.

    python tests/benchmarks/conditional_densities.py [--mnist mnist.npz] [--components 10]

The lower half of an image given the upper, and eight columns of diabetes given two. The rival is
a ridge regression on the condition, its penalty by cross-validation, and a factor analysis of what
it leaves, of as many numbers. Whole numbers have uniform noise added; target columns are left out
that do not vary by more than that. Nats per row in units of X, for the conditional VAE a lower
bound.
"""

import argparse
import time
import warnings

import numpy as np
from data_sets import load
from densities import LEAST, UNIFORM
from sklearn.datasets import load_diabetes, load_digits
from sklearn.decomposition import FactorAnalysis
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split

from skae import ConditionalVAE


def pairs(mnist):
    """Return rows and how many of their first columns are the condition, by name."""
    found = {
        "digits": (load_digits().data, 32),
        "diabetes": (load_diabetes(scaled=False).data, 2),
    }
    return found | ({"mnist": (load("mnist", mnist), 392)} if mnist else {})


def split(X, n_given, seed):
    """Return conditions and targets to train, and conditions and targets held out."""
    is_whole = (X == np.round(X)).all(axis=0)
    X = X + np.random.default_rng(seed).uniform(size=X.shape) * is_whole
    train, test = train_test_split(X, test_size=0.3, random_state=seed)
    varies = train.std(axis=0) > np.where(is_whole, UNIFORM, LEAST)
    given, asked = np.flatnonzero(varies[:n_given]), n_given + np.flatnonzero(varies[n_given:])
    return [part[:, columns] for part in (train, test) for columns in (given, asked)]


def rival_scores(C, X, C_test, X_test, n_components):
    """Return the log density of each row by ridge and factor analysis."""
    centre, scale = C.mean(axis=0), C.std(axis=0)
    C, C_test = (C - centre) / scale, (C_test - centre) / scale
    units = X.std(axis=0)
    ridge = RidgeCV(np.logspace(-2, 5, 15)).fit(C, X / units)
    left = X / units - ridge.predict(C)
    analysis = FactorAnalysis(n_components, max_iter=2000, random_state=0).fit(left)
    return analysis.score_samples(X_test / units - ridge.predict(C_test)) - np.log(units).sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", help="an .npz file with x_train")
    parser.add_argument("--components", type=int, default=10)
    parser.add_argument("--splits", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, (rows, n_given) in pairs(args.mnist).items():
        for seed in range(args.splits):
            C, X, C_test, X_test = split(rows, n_given, seed)
            k = min(args.components, X.shape[1] - 1)
            start = time.process_time()
            model = ConditionalVAE(k, random_state=seed).fit(X, condition=C)
            seconds = time.process_time() - start
            ours = model.score_samples(X_test, condition=C_test)
            ahead = ours - rival_scores(C, X, C_test, X_test, k)
            error = ahead.std() / np.sqrt(len(ahead))
            print(
                f"{name:<10} {seed} {ours.mean():9.2f} ahead {ahead.mean():+8.2f} ± {error:5.2f} "
                f"training {model.score_samples(X, condition=C).mean():9.2f} {seconds:5.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
