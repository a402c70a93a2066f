"""Features for classification: the published orderings, at a size that a CPU reaches.

    python tests/benchmarks/feature_orderings.py --data mnist.npz [--rows 10000] [--epochs 20]

Rifai et al. (2011): 1000 sigmoid units, tied weights, cross-entropy; here the error in per cent
of a logistic regression on the codes, without fine-tuning. Makhzani and Frey (2014): k-sparse, a
linear encoder of 1000 units; published errors 2.10 (k = 10), 1.35 (25), 1.54 (40).
"""

import argparse
import time

from mnist import load
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skae import (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)

PUBLISHED = {
    "plain": 1.78,
    "weight decay": 1.68,
    "denoising, masking 0.25": 1.57,
    "denoising, gaussian 0.3": 1.18,
    "contractive": 1.14,
    "k-sparse, k = 10": 2.10,
    "k-sparse, k = 25": 1.35,
    "k-sparse, k = 40": 1.54,
}


def models(n_epochs):
    """Yield names and models."""
    common = dict(max_iter=n_epochs, batch_size=100, learning_rate_init=1e-3, random_state=0)
    sigmoid = dict(
        hidden_layer_sizes=(),
        code_activation="sigmoid",
        likelihood="bernoulli",
        tied_weights=True,
        **common,
    )
    yield "plain", Autoencoder(1000, **sigmoid)
    yield "weight decay", Autoencoder(1000, alpha=0.1, **sigmoid)
    yield (
        "denoising, masking 0.25",
        DenoisingAutoencoder(1000, corruption="masking", corruption_level=0.25, **sigmoid),
    )
    yield "denoising, gaussian 0.3", DenoisingAutoencoder(1000, corruption_level=0.3, **sigmoid)
    yield "contractive", ContractiveAutoencoder(1000, penalty=0.1, **sigmoid)
    yield "contractive, 1", ContractiveAutoencoder(1000, penalty=1.0, **sigmoid)
    for k in (3, 10, 25, 40, 100, 400):
        yield f"k-sparse, k = {k}", SparseAutoencoder(1000, n_nonzero_coefs=k, **common)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data")
    parser.add_argument("--rows", type=int, default=10000)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    X, y, X_test, y_test = load(args.data)
    X, y = X[: args.rows], y[: args.rows]
    print(f"{'':<26}{'error %':>8}{'published':>11}{'fit s':>8}")
    for name, model in models(args.epochs):
        start = time.perf_counter()
        Z = model.fit_transform(X)
        seconds = time.perf_counter() - start
        probe = make_pipeline(MaxAbsScaler(), LogisticRegression(C=1.0, max_iter=200)).fit(Z, y)
        error = 100 * (1 - probe.score(model.transform(X_test), y_test))
        shown = f"{PUBLISHED[name]:.2f}" if name in PUBLISHED else ""
        print(f"{name:<26}{error:>8.2f}{shown:>11}{seconds:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
