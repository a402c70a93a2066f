"""Held-out log-likelihood of a Gaussian VAE beside PCA, factor analysis and Gaussian mixtures.

Per data set and split: every model's size is chosen on the training rows alone, by three-fold
cross-validation of its own score; then mean log-likelihood per held-out row, in nats. Columns that
do not vary in the training rows are dropped, integer-valued data (digits) are dequantised with
uniform noise, every method sees standardised columns (the Jacobian of which is the same for all),
and variances of single features are floored at 1e-6 of the column's (GaussianMixture's default
reg_covar; VAE's floor).

Run it as ``python tests/benchmarks/likelihood.py [--splits 5]``.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler

from skae import VAE

SETS = {
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
}
SIZES = [1, 2, 4, 8, 16]
GAUSSIAN_MIXTURE = {"n_components": [1, 2, 3, 5, 10], "covariance_type": ["full", "diag", "tied"]}


def load(name, seed):
    X = SETS[name]().data
    if name == "digits":
        X = X + np.random.default_rng(seed).uniform(size=X.shape)
    X_train, X_test = train_test_split(X, random_state=seed)
    least = 0.3 if name == "digits" else 0.0  # uniform noise alone has a deviation of 0.29
    keep = X_train.std(axis=0) > least
    scaler = StandardScaler().fit(X_train[:, keep])
    return scaler.transform(X_train[:, keep]), scaler.transform(X_test[:, keep])


def candidates(n_features, epochs):
    sizes = [k for k in SIZES if k < n_features]
    vae = {"noise_variance": "per_feature", "max_iter": epochs, "random_state": 0}
    mixture = {"prior": "mixture", "n_prior_components": 20}
    return {
        "PCA": (PCA(), {"n_components": sizes}),
        "FactorAnalysis": (FactorAnalysis(max_iter=3000), {"n_components": sizes}),
        "GaussianMixture": (GaussianMixture(random_state=0), GAUSSIAN_MIXTURE),
        "VAE": (VAE(**vae), {"n_components": sizes}),
        "VAE, mixture prior": (VAE(**vae, **mixture), {"n_components": sizes}),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(
        "| data | model | nats per held-out row, median | VAE minus it, paired: median (min, max) "
        "| chosen | s |"
    )
    print("|---|---|---|---|---|---|")
    for name in arguments.sets:
        scores, chosen, seconds = {}, {}, {}
        for seed in range(arguments.splits):
            X_train, X_test = load(name, seed)
            for model, (estimator, grid) in candidates(X_train.shape[1], arguments.epochs).items():
                start = time.perf_counter()
                search = GridSearchCV(estimator, grid, cv=3).fit(X_train)
                seconds.setdefault(model, []).append(time.perf_counter() - start)
                scores.setdefault(model, []).append(search.best_estimator_.score(X_test))
                chosen.setdefault(model, []).append(search.best_params_["n_components"])
        for model, values in scores.items():
            ahead = np.subtract(scores["VAE"], values)
            print(
                f"| {name} | {model} | {np.median(values):.2f} | {np.median(ahead):+.2f} "
                f"({ahead.min():+.2f}, {ahead.max():+.2f}) | {chosen[model]} | "
                f"{np.median(seconds[model]):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
