"""Held-out log-likelihood of `VAE`, defaults, paired with PCA, factor analysis and mixtures.

    python tests/benchmarks/densities.py [--half report] [--splits 3] [--only wine digits]

Nats per row by which the `VAE` (a lower bound) is ahead, with the standard error over rows. Codes
have a quarter of the columns, at least two numbers, for all methods; a mixture has as many
components (1 to 10, full covariances) as the BIC asks for. Columns are standardised; whole numbers
have uniform noise added, and columns are left out that do not vary by more than that.
"""

import argparse
import time
import warnings

import numpy as np
from data_sets import HALVES, half_of, load, names_at_hand
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import VAE

UNIFORM = 0.3  # above the deviation of uniform noise
LEAST = 1e-6  # of the deviation of a column


def split(name, mnist, seed):
    """Return standardised rows to train and to hold out, of columns that vary."""
    X = load(name, mnist)
    is_whole = bool((X == np.round(X)).all())
    if is_whole:
        X = X + np.random.default_rng(seed).uniform(size=X.shape)
    train, test = train_test_split(X, test_size=0.3, random_state=seed)
    kept = train.std(axis=0) > (UNIFORM if is_whole else LEAST)
    scaler = StandardScaler().fit(train[:, kept])
    return scaler.transform(train[:, kept]), scaler.transform(test[:, kept])


def fit_mixture(X):
    """Return the mixture that the BIC asks for."""
    most = min(10, len(X) // 4)
    mixtures = [GaussianMixture(n, random_state=0).fit(X) for n in range(1, most + 1)]
    return min(mixtures, key=lambda mixture: mixture.bic(X))


def nats(name, mnist, seed):
    """Return the log-likelihood of each row held out by model."""
    train, test = split(name, mnist, seed)
    k = max(2, min(train.shape[1] // 4, 50))
    models = {
        "VAE": VAE(k, random_state=0).fit(train),
        "PCA": PCA(min(k, *train.shape)).fit(train),
        "FA": FactorAnalysis(k, max_iter=2000).fit(train),
        "mixture": fit_mixture(train),
    }
    return {model: fitted.score_samples(test) for model, fitted in models.items()}


def report(name, args):
    """Print a line: the VAE's nats, and by how many it is ahead of each other model."""
    start = time.process_time()
    splits = [nats(name, args.mnist, seed) for seed in range(args.splits)]
    cells = [f"{np.mean([of_model['VAE'].mean() for of_model in splits]):9.2f}"]
    for rival in ("PCA", "FA", "mixture"):
        ahead = [of_model["VAE"] - of_model[rival] for of_model in splits]
        error = np.mean([rows.std() / np.sqrt(len(rows)) for rows in ahead])
        cells.append(f"{np.mean([rows.mean() for rows in ahead]):+9.2f} ± {error:6.2f}")
    print(f"{name:<20}", *cells, f"{time.process_time() - start:6.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=HALVES, default="report")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--mnist", help="an .npz file with x_train")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'':<20}{'VAE':>10}{'less PCA':>18}{'less FA':>19}{'less mixture':>19}")
    for name in args.only or names_at_hand(args.mnist):
        if args.only or half_of(name) == args.half:
            report(name, args)


if __name__ == "__main__":
    main()
