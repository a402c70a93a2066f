"""Draws from the priors of a `VAE`, given and learned, and held-out likelihoods.

Digits divided by 16, codes of 16 numbers, one noise for all features, three 70/30 splits. "sure"
is the mean of the largest probability that a logistic regression of real digits gives to the mean
of a draw (`sample` with ``codes="prior"`` and without the noise); "nats" the held-out score.

    python tests/benchmarks/priors.py
"""

import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import FactorAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skae import VAE

PRIORS = {
    '`prior="standard"`': {"prior": "standard"},
    '`prior="mixture"`': {"prior": "mixture"},
    '`prior="mixture", n_prior_components=50`': {"prior": "mixture", "n_prior_components": 50},
    '`prior="vamp"`': {"prior": "vamp"},
    '`prior="vamp", n_prior_components=50`': {"prior": "vamp", "n_prior_components": 50},
}


def main():
    warnings.simplefilter("ignore")
    found = {name: [] for name in [*PRIORS, "`FactorAnalysis(16)`", "held-out digits"]}
    for seed in range(3):
        X, y = load_digits(return_X_y=True)
        X, X_test, y, _ = train_test_split(X / 16, y, test_size=0.3, random_state=seed)
        judge = LogisticRegression(max_iter=2000).fit(X, y)

        def sure(rows, judge=judge):
            return judge.predict_proba(rows).max(axis=1).mean()

        for name, options in PRIORS.items():
            options = {"noise_variance": "shared", "scaling": "global", **options}
            vae = VAE(16, random_state=seed, **options).fit(X)
            rows = vae.sample(1000, codes="prior", observation_noise=False, random_state=seed)
            found[name].append((sure(rows), vae.score(X_test)))
        fa = FactorAnalysis(16).fit(X)
        codes = np.random.default_rng(seed).normal(size=(1000, 16))
        found["`FactorAnalysis(16)`"].append((sure(fa.mean_ + codes @ fa.components_), np.nan))
        found["held-out digits"].append((sure(X_test), np.nan))
    print("| | sure | nats |\n|---|---|---|")
    for name, values in found.items():
        certainty, nats = np.mean(values, axis=0)
        print(f"| {name} | {certainty:.2f} | {'' if np.isnan(nats) else f'{nats:.1f}'} |")


if __name__ == "__main__":
    main()
