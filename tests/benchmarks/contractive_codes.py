"""What contractive codes of several widths explain of held-out rows, beside PCA's codes.

`ContractiveAutoencoder` with its defaults, and with a hidden layer of 64 units; 70 % of the rows
for training, one split. Digits in their units, the others standardised.

    python tests/benchmarks/contractive_codes.py
"""

import warnings

from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import ContractiveAutoencoder
from skae.metrics import explained_variance

SHARES = [1 / 4, 1 / 2, 3 / 4, 1, 2]  # of the number of features


def main():
    warnings.simplefilter("ignore")
    print("| `n_components` / features | a quarter | a half | three quarters | the same | twice |")
    print("|---|---|---|---|---|---|")
    for name, load in [
        ("digits", load_digits),
        ("breast cancer, scaled", load_breast_cancer),
        ("wine, scaled", load_wine),
    ]:
        X, X_test = train_test_split(load().data, test_size=0.3, random_state=0)
        if name != "digits":
            scaler = StandardScaler().fit(X)
            X, X_test = scaler.transform(X), scaler.transform(X_test)
        cells = []
        for share in SHARES:
            k = round(share * X.shape[1])
            plain, deep = (
                explained_variance(
                    ContractiveAutoencoder(k, hidden_layer_sizes=h, random_state=0).fit(X), X_test
                )
                for h in ((), (64,))
            )
            pca = explained_variance(PCA(min(k, *X.shape)).fit(X), X_test)
            cells.append(f"{plain:.2f} ({deep:.2f}), PCA {pca:.2f}")
        print("| " + " | ".join([name, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
