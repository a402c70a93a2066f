"""How near the pseudo-inputs of a VampPrior are to training rows, and what it is worth.

    python tests/benchmarks/pseudo_inputs.py [--epochs 5 100] [--splits 3]

The distance of a pseudo-input to the nearest training row, relative to the median distance of
training rows to theirs, after so many epochs: medians over digits, breast cancer and diabetes.
"nats" are those of held-out rows.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skae import VAE


def nearness(model, X):
    """Return the median distance of pseudo-inputs to rows, in that of rows to each other."""
    rows = (X - model.mean_) / model.scale_
    near = NearestNeighbors(n_neighbors=2).fit(rows)
    pseudo = model.module_.prior.pseudo_inputs.detach().numpy()
    usual = np.median(near.kneighbors(rows)[0][:, 1])
    return np.median(near.kneighbors(pseudo, n_neighbors=1)[0]) / usual


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 100])
    parser.add_argument("--splits", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for n_epochs in args.epochs:
        found = []
        for load in (load_digits, load_breast_cancer, load_diabetes):
            rows = StandardScaler().fit_transform(load().data)
            parts = [train_test_split(rows, random_state=seed) for seed in range(args.splits)]
            models = [
                VAE(2, prior="vamp", max_iter=n_epochs, random_state=0, device="cpu").fit(X)
                for X, _ in parts
            ]
            pairs = list(zip(models, parts, strict=True))
            near = np.median([nearness(model, X) for model, (X, _) in pairs])
            nats = np.mean([model.score(X_test) for model, (_, X_test) in pairs])
            print(f"{n_epochs:>4} epochs  {load.__name__:<20}{near:6.2f}  {nats:9.2f} nats")
            found.append(near)
        print(f"{n_epochs:>4} epochs, median {np.median(found):.2f}", flush=True)


if __name__ == "__main__":
    main()
