"""Which number of components a grid search chooses, by the score that it is given.

For each size of the code the mean over three folds of: explained variance (`Autoencoder`), the
log-likelihood (`VAE` with a noise variance for each feature, of data without the steps of whole
numbers: digits have uniform noise added), and the accuracy of a logistic regression behind the
code. Digits are left in their units, the others standardised. Then how much of the variance an
`Autoencoder` explains beyond PCA.

    python tests/benchmarks/components.py
"""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder
from skae.metrics import explained_variance

SETS = {
    "digits": (load_digits, [2, 4, 8, 16, 32, 64]),
    "breast cancer": (load_breast_cancer, [1, 2, 4, 8, 16, 30]),
    "wine": (load_wine, [1, 2, 3, 5, 8, 13]),
}
SHARES = [1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4]  # of the features


def load(name):
    X, y = SETS[name][0](return_X_y=True)
    return (X if name == "digits" else StandardScaler().fit_transform(X)), y


def report(title, search, name, digits):
    sizes, scores = SETS[name][1], search.cv_results_["mean_test_score"]
    found = ", ".join(f"{k}: {s:.{digits}f}" for k, s in zip(sizes, scores, strict=True))
    print(f"{name}, {title}: {found}; chosen {sizes[np.argmax(scores)]}", flush=True)


def choose(name):
    X, y = load(name)
    smooth = X + np.random.default_rng(0).uniform(size=X.shape) if name == "digits" else X
    ae = Autoencoder(random_state=0)
    vae = VAE(noise_variance="per_feature", random_state=0)
    labelled = make_pipeline(ae, StandardScaler(), LogisticRegression(max_iter=2000))
    grid, folds = {"n_components": SETS[name][1]}, {"cv": KFold(3, shuffle=True, random_state=0)}
    report("explained variance", GridSearchCV(ae, grid, **folds).fit(X), name, 3)
    report("log-likelihood", GridSearchCV(vae, grid, **folds).fit(smooth), name, 1)
    behind = {f"autoencoder__{key}": value for key, value in grid.items()}
    report("accuracy", GridSearchCV(labelled, behind, **folds).fit(X, y), name, 3)


def gain(X, k, seed):
    X_train, X_test = train_test_split(X, test_size=0.3, random_state=seed)
    ae = Autoencoder(k, random_state=seed).fit(X_train)
    pca = PCA(k, random_state=seed).fit(X_train)
    return explained_variance(ae, X_test) - explained_variance(pca, X_test)


def main():
    for name in SETS:
        choose(name)
    for name in SETS:
        X, _ = load(name)
        for share in SHARES:
            k = max(1, round(share * X.shape[1]))
            gains = [gain(X, k, seed) for seed in range(5)]
            spread = np.std(gains, ddof=1)
            print(f"{name}, {k} of {X.shape[1]}: {np.mean(gains):.3f}±{spread:.3f} beyond PCA")


if __name__ == "__main__":
    main()
