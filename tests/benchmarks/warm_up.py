"""A `VAE` without a linear start, with and without a warm-up of the KL.

For each set, size of the code and setting: nats per held-out row, share of the held-out variance
that the reconstruction explains (beside PCA's), and the number of components in use; means over
two seeds. The setting was chosen on the first three sets and on grey digits.

    python tests/benchmarks/warm_up.py [--mnist mnist.npz] [--sizes 2 8 16] [--warm-ups 0 0.5]
        [--alpha 1] [--free-bits 0.1]
"""

import argparse
import warnings

import numpy as np
from mnist import load
from scipy.special import expit
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import VAE
from skae.metrics import explained_variance

BINARY = {"likelihood": "bernoulli"}


def make_rare(seed, n_factors=5, n_features=200, shift=4.0, strength=1.0):
    """Return 1000 rows of zeros and ones, whose logits are linear in the factors."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(1000, n_factors))
    probability = expit(strength * z @ rng.normal(size=(n_factors, n_features)) - shift)
    return (rng.random(probability.shape) < probability).astype(np.float32)


def sets(mnist):
    """Yield names, rows, how many of them are for training, and parameters of the model."""
    digits = load_digits().data
    yield "binary digits", digits > 8, 1200, BINARY
    yield "rare, 1", make_rare(0), 500, BINARY
    yield "30 columns", make_rare(1, 3, 30, shift=0.0, strength=2.0), 200, BINARY
    yield "rare, 2", make_rare(1), 500, BINARY
    yield "grey digits", digits / 16, 1200, BINARY
    yield "grey digits, sigmoid", digits / 16, 1200, {"output_activation": "sigmoid"}
    yield "grey digits, no linear path", digits / 16, 1200, {"linear_path": False}
    rng = np.random.default_rng(0)
    wine = StandardScaler().fit_transform(load_wine().data)
    yield "wine, no linear path", rng.permutation(wine), 118, {"linear_path": False}
    rng = np.random.default_rng(0)
    yield "independent columns", rng.random((1000, 20)) < rng.random(20), 500, BINARY
    if mnist is not None:
        yield "binary MNIST", load(mnist)[0][:3000] > 0.5, 2000, BINARY


def measure(X, X_test, n_components, **options):
    """Return nats, explained variance and components in use, means over two seeds."""
    found = []
    for seed in range(2):
        vae = VAE(n_components, random_state=seed, **options).fit(X)
        explained = explained_variance(vae, X_test)
        found.append((vae.score(X_test), explained, vae.active_units_.sum()))
    return np.mean(found, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 8, 16])
    parser.add_argument("--warm-ups", type=float, nargs="+", default=[0.0, 0.5])
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--free-bits", type=float, default=0.0)
    arguments = parser.parse_args()
    alpha = "auto" if arguments.alpha is None else arguments.alpha
    common = {"alpha": alpha, "free_bits": arguments.free_bits}
    warnings.simplefilter("ignore")
    print(
        "| set | size | PCA | warm_up | nats | explained | in use |\n|---|---|---|---|---|---|---|"
    )
    for name, rows, n, options in sets(arguments.mnist):
        X, X_test = np.split(np.asarray(rows, dtype=np.float32), [n])
        for k in arguments.sizes:
            pca = explained_variance(PCA(k).fit(X), X_test)
            for warm_up in arguments.warm_ups:
                changes = {"warm_up": warm_up, **common}
                nats, explained, used = measure(X, X_test, k, **options, **changes)
                print(
                    f"| {name} | {k} | {pca:.3f} | {warm_up:g} | {nats:.2f} | {explained:.3f} | "
                    f"{used:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
