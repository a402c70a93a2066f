"""One table for each task: an estimator of skae beside what scikit-learn has for it.

Defaults everywhere, but for sizes, which are the same for all: a code has a quarter of the columns
or two numbers, if that is more. A GaussianMixture has as many components (1 to 10) as the BIC asks
for. Tables are standardised by their training rows, for every method; pixels are left as they are.
A figure is a mean over splits (a third of the rows held out), with its standard error; the best of
a line is bold. What each task measures is the docstring of its function.

    python tests/benchmarks/tasks.py [--splits 4] [--only density samples]
"""

import argparse
import time
import warnings

import numpy as np
from data_sets import make_factors
from judges import told_apart
from scipy.ndimage import median_filter
from sklearn import datasets
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import adjusted_rand_score, r2_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import GLGAE, VAE, Autoencoder, ConditionalVAE, DenoisingAutoencoder
from skae.metrics import explained_variance

LABELLED = {
    "digits": datasets.load_digits,
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
}
TABLES = {**LABELLED, "diabetes": datasets.load_diabetes}
MADE = {
    "linear factors": lambda: make_factors(lambda linear: linear),
    "swiss roll": lambda: datasets.make_swiss_roll(1000, noise=0.3, random_state=0)[0],
}


def load(name, seed):
    """Return training and held-out rows and their labels (None where there are none)."""
    if name in MADE:
        X, y = MADE[name](), None
    else:
        X, y = TABLES[name](return_X_y=True)
    y = np.zeros(len(X)) if y is None or name == "diabetes" else y
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=1 / 3, stratify=y, random_state=seed
    )
    if name != "digits":
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    return X_train, X_test, y_train, y_test


def size_for(X):
    return min(max(2, X.shape[1] // 4), X.shape[1] - 1)


def fit_mixture(X, reg_covar=1e-6):
    """Return the mixture of Gaussians, of 1 to 10 components, of the lowest BIC."""
    fits = [
        GaussianMixture(k, reg_covar=reg_covar, random_state=0).fit(X) for k in (1, 2, 3, 5, 10)
    ]
    return min(fits, key=lambda mixture: mixture.bic(X))


def reconstruct(name, seed, k=None):
    """Share of the variance of held-out rows that a code of a quarter of the columns explains."""
    X, X_test, *_ = load(name, seed)
    k = k or size_for(X)
    return {
        "PCA": explained_variance(PCA(k).fit(X), X_test),
        "Autoencoder": explained_variance(Autoencoder(k, random_state=0).fit(X), X_test),
    }


def reconstruct_from_two(name, seed):
    """Share of the variance of held-out rows that a code of two numbers explains."""
    return reconstruct(name, seed, k=2)


def features(name, seed):
    """Accuracy on held-out rows of a logistic regression on codes of a quarter of the columns."""
    X, X_test, y, y_test = load(name, seed)
    k = size_for(X)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    ways = {"all columns": None, "PCA": PCA(k), "Autoencoder": Autoencoder(k, random_state=0)}
    models = {way: make_pipeline(c or "passthrough", clone(classifier)) for way, c in ways.items()}
    return {way: model.fit(X, y).score(X_test, y_test) for way, model in models.items()}


def clusters(name, seed):
    """Adjusted Rand index of k-means and the labels, on held-out rows, k the number of labels."""
    X, X_test, y, y_test = load(name, seed)
    k = size_for(X)
    ways = {"all columns": None, "PCA": PCA(k), "Autoencoder": Autoencoder(k, random_state=0)}
    found = {}
    for way, coder in ways.items():
        model = make_pipeline(
            coder or "passthrough", KMeans(len(np.unique(y)), n_init=10, random_state=0)
        )
        found[way] = adjusted_rand_score(y_test, model.fit(X).predict(X_test))
    return found


def maps(name, seed):
    """Trustworthiness of two numbers, of the rows that were fitted (t-SNE knows no others)."""
    X, *_ = load(name, seed)
    ways = {
        "PCA": PCA(2),
        "TSNE": TSNE(2, random_state=0),
        "Autoencoder": Autoencoder(2, random_state=0),
        "GLGAE": GLGAE(random_state=0),
    }
    return {way: trustworthiness(X, model.fit_transform(X)) for way, model in ways.items()}


def density(name, seed):
    """Log-likelihood of held-out rows, nats per row (the VAE's is a lower bound).

    Whole numbers have uniform noise added, and columns that hardly vary are left out.
    """
    if name == "digits":
        X = datasets.load_digits().data
        X = X + np.random.default_rng(seed).uniform(size=X.shape)
        X, X_test = train_test_split(X, test_size=1 / 3, random_state=seed)
        kept = X.std(axis=0) > 0.3  # uniform noise alone has 0.29
        scaler = StandardScaler().fit(X[:, kept])
        X, X_test = scaler.transform(X[:, kept]), scaler.transform(X_test[:, kept])
    else:
        X, X_test, *_ = load(name, seed)
    k = size_for(X)
    return {
        "PCA": PCA(k).fit(X).score(X_test),
        "FactorAnalysis": FactorAnalysis(k).fit(X).score(X_test),
        "GaussianMixture": fit_mixture(X).score(X_test),
        "VAE": VAE(k, random_state=0).fit(X).score(X_test),
    }


def density_of_two_values(name, seed):
    """Log-likelihood of held-out rows by `reg_covar` of a mixture, with and without two values.

    The second column of diabetes, the sex, has two values. Where it is constant in a component,
    its variance there is `reg_covar`.
    """
    X, X_test, *_ = load(name, seed)
    others = np.arange(X.shape[1]) != 1
    rest, rest_test = X[:, others], X_test[:, others]
    regs = (1e-6, 1e-4, 1e-2)
    return {
        **{f"{reg:g}": fit_mixture(X, reg).score(X_test) for reg in regs},
        **{f"{reg:g}, without it": fit_mixture(rest, reg).score(rest_test) for reg in regs},
        "VAE, without it": VAE(size_for(X), random_state=0).fit(rest).score(rest_test),
    }


def denoise(name, seed):
    """Squared error of held-out rows with noise, restored; 1 is the noise as it came.

    The noise is Gaussian, of half the scale of the data, and known. Models are fitted to clean
    rows.
    """
    X, X_test, *_ = load(name, seed)
    level = 0.5 * np.sqrt(X.var(axis=0).mean())
    noisy = X_test + level * np.random.default_rng(seed).normal(size=X_test.shape)
    model = DenoisingAutoencoder(
        corruption_level=level, corruption_units="data", random_state=0
    ).fit(X)
    pca = PCA(size_for(X)).fit(X)
    restored = {
        "PCA, a quarter": pca.inverse_transform(pca.transform(noisy)),
        "Wiener filter": wiener_filter(X, level)(noisy),
        "DenoisingAutoencoder": model.reconstruct(noisy),
    }
    if name == "digits":
        images = median_filter(noisy.reshape(-1, 8, 8), size=(1, 3, 3))
        restored = {"median of 3 x 3": images.reshape(noisy.shape), **restored}
    return {way: ((R - X_test) ** 2).mean() / level**2 for way, R in restored.items()}


def wiener_filter(X, level):
    """Return the best linear map from noisy rows to clean ones."""
    mean, covariance = X.mean(axis=0), np.cov(X.T)
    gain = covariance @ np.linalg.inv(covariance + level**2 * np.eye(X.shape[1]))
    return lambda rows: mean + (rows - mean) @ gain.T


def complete(name, seed):
    """Share of the variance explained of the second half of the columns, given the first half.

    What a ConditionalVAE says is the mean of 50 completions.
    """
    X, X_test, *_ = load(name, seed)
    half = X.shape[1] // 2
    C, Y, C_test, Y_test = X[:, :half], X[:, half:], X_test[:, :half], X_test[:, half:]
    model = ConditionalVAE(size_for(X), random_state=0).fit(Y, condition=C)
    draws = model.sample(50, condition=C_test, observation_noise=False, random_state=0)
    completed = {
        "Ridge": RidgeCV(np.logspace(-3, 3, 13)).fit(C, Y).predict(C_test),
        "10 neighbours": KNeighborsRegressor(10).fit(C, Y).predict(C_test),
        "ConditionalVAE": draws.reshape(len(Y_test), 50, -1).mean(axis=1),
    }
    return {
        way: r2_score(Y_test, P, multioutput="variance_weighted") for way, P in completed.items()
    }


def outliers(name, seed):
    """Area under the ROC curve: held-out rows against those of a label left out of the training.

    Each split leaves another label out.
    """
    X, X_test, y, y_test = load(name, seed)
    left_out = np.unique(y)[seed % len(np.unique(y))]
    is_outlier = y_test == left_out
    X = X[y != left_out]
    k = size_for(X)
    pca = PCA(k).fit(X)
    near = NearestNeighbors(n_neighbors=5).fit(X)
    scores = {
        "IsolationForest": IsolationForest(random_state=0).fit(X).score_samples(X_test),
        "GaussianMixture": fit_mixture(X).score_samples(X_test),
        "PCA, error": -((X_test - pca.inverse_transform(pca.transform(X_test))) ** 2).sum(axis=1),
        "5th neighbour": -near.kneighbors(X_test)[0][:, -1],
        "Autoencoder": Autoencoder(k, random_state=0).fit(X).score_samples(X_test),
        "VAE": VAE(k, random_state=0).fit(X).score_samples(X_test),
    }
    return {way: roc_auc_score(is_outlier, -values) for way, values in scores.items()}


def samples(name, seed):
    """Accuracy with which a random forest tells new rows from held-out ones; 0.5 is perfect.

    Drawn numbers are moved to the nearest one of the column in the training rows: else a forest
    knows whole numbers from others, and looks no further.
    """
    X, X_test, *_ = load(name, seed)
    k, n = size_for(X), len(X_test)
    drawn = {
        "training rows": X[np.random.default_rng(seed).permutation(len(X))[:n]],
        "GaussianMixture": fit_mixture(X).sample(n)[0],
        "Autoencoder": Autoencoder(k, random_state=0).fit(X).sample(n, random_state=seed),
        "VAE": VAE(k, random_state=0).fit(X).sample(n, random_state=seed),
    }
    judge = RandomForestClassifier(100, random_state=0)
    return {
        way: told_apart(judge, X_test, snap(rows, X), n_folds=3) for way, rows in drawn.items()
    }


def snap(rows, X):
    """Return rows with each number moved to the nearest of its column in X."""
    moved = np.empty_like(rows)
    for j, column in enumerate(np.sort(X, axis=0).T):
        i = np.searchsorted(column, rows[:, j]).clip(1, len(column) - 1)
        low, high = column[i - 1], column[i]
        moved[:, j] = np.where(rows[:, j] - low < high - rows[:, j], low, high)
    return moved


BADNESS = {"denoise": abs, "samples": lambda accuracy: abs(accuracy - 0.5)}  # else minus the mean
NO_CONTENDER = {"training rows"}
TASKS = {
    "reconstruct": (reconstruct, [*TABLES, "linear factors"]),
    "reconstruct_from_two": (reconstruct_from_two, [*TABLES, *MADE]),
    "features": (features, LABELLED),
    "clusters": (clusters, LABELLED),
    "maps": (maps, [*LABELLED, "swiss roll"]),
    "density": (density, [*TABLES, *MADE]),
    "density_of_two_values": (density_of_two_values, ["diabetes"]),
    "denoise": (denoise, [*TABLES, *MADE]),
    "complete": (complete, [*TABLES, *MADE]),
    "outliers": (outliers, LABELLED),
    "samples": (samples, [*TABLES, "swiss roll"]),
}


def table(task, n_splits):
    measure, names = TASKS[task]
    lines, columns = [], []
    for name in names:
        splits = [measure(name, seed) for seed in range(n_splits)]
        columns = columns or list(splits[0])
        values = {c: np.array([s[c] for s in splits]) for c in columns if c in splits[0]}
        means = {c: v.mean() for c, v in values.items() if c not in NO_CONTENDER}
        badness = BADNESS.get(task, lambda mean: -mean)
        best = min(means, key=lambda column: badness(means[column]))
        digits = 2 if task.startswith("density") else 3
        cells = []
        for c in columns:
            if c not in values:
                cells.append("")
                continue
            text = f"{values[c].mean():.{digits}f}"
            error = values[c].std(ddof=1) / np.sqrt(n_splits)
            cells.append(f"{f'**{text}**' if c == best else text} ± {error:.{digits}f}")
        lines.append("| " + " | ".join([name, *cells]) + " |")
    print(f"\n### {task}\n\n{measure.__doc__.splitlines()[0]}\n")
    print("| | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--only", nargs="*", default=list(TASKS), choices=list(TASKS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for task in options.only:
        start = time.process_time()
        table(task, options.splits)
        print(f"\n{time.process_time() - start:.0f} s of processor time", flush=True)


if __name__ == "__main__":
    main()
