"""How long a fitted model takes, beside its bare matrix products, skorch's `predict` and PCA.

    python tests/benchmarks/inference.py [--rows 60000] [--rounds 7] [--estimators Autoencoder VAE]

Workload W4: 60000 x 784, networks 784-256-32-256-784, float32, one thread. The floor of a method
are its matrix products alone, batch by batch into memory that is there already. Contenders take
turns in one process; compared is the process's CPU time, as a ratio within each round. Then the
latency of few rows, in wall-clock microseconds, beside scikit-learn's PCA.
"""

import argparse
import itertools
import time

import numpy as np
import torch
from sklearn.decomposition import PCA

import skae

N_FEATURES, WIDTH, N_COMPONENTS = 784, 256, 32
OWN = {"SparseAutoencoder": {"sparsity": "topk", "n_nonzero_coefs": 8}}


def make_data(n):
    """Return smooth functions of a few numbers, and noise, in float32."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(N_COMPONENTS, N_FEATURES)).astype(np.float32)
    X = np.empty((n, N_FEATURES), np.float32)
    for start in range(0, n, 1000):
        Z = rng.normal(size=(min(1000, n - start), N_COMPONENTS)).astype(np.float32)
        noise = rng.normal(size=(len(Z), N_FEATURES)).astype(np.float32)
        X[start : start + 1000] = np.tanh(Z @ mix) + 0.1 * noise
    return X


def fit(name, X):
    """Return a fitted estimator without linear path: the networks that the floor has."""
    settings = {"hidden_layer_sizes": WIDTH, "linear_path": False, "random_state": 0}
    estimator = getattr(skae, name)(N_COMPONENTS, max_iter=1, **settings, **OWN.get(name, {}))
    return estimator.fit(X[:2000])


def products(widths, batch):
    """Return a function that multiplies rows through layers of these widths, and its output."""
    weights = [torch.randn(a, b) for a, b in itertools.pairwise(widths)]
    hidden = [torch.empty(batch, b) for b in widths[1:]]

    def run(x):
        for W, h in zip(weights, hidden, strict=True):
            x = torch.mm(x, W, out=h[: len(x)])

    def through(X):
        with torch.inference_mode():
            for x in torch.from_numpy(X).split(batch):
                run(x)

    return through


def skorch_predict(module, X):
    """Return skorch's `predict` around a network, with the batch size that it has."""
    from skorch import NeuralNet

    net = NeuralNet(module, torch.nn.MSELoss).initialize()
    return lambda X: net.predict(X)


def seconds(function, *args):
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def compare(name, n, n_rounds, batch):
    """Print seconds and ratios to the floor of every method of an estimator."""
    X = make_data(n)
    ae = fit(name, X)
    encoder = (N_FEATURES, WIDTH, N_COMPONENTS * (2 if name == "VAE" else 1))
    decoder = (N_COMPONENTS, WIDTH, N_FEATURES)
    Z = ae.transform(X)
    both = (*encoder[:-1], *decoder)
    contenders = {
        "floor of encoding": (products(encoder, batch), X),
        "transform": (ae.transform, X),
        "floor of decoding": (products(decoder, batch), Z),
        "inverse_transform": (ae.inverse_transform, Z),
        "floor of both": (products(both, batch), X),
        "reconstruct": (ae.reconstruct, X),
        "score_samples": (ae.score_samples, X),
    }
    if name == "VAE":
        contenders["score_samples"] = (lambda X: ae.score_samples(X, 1), X)
    if name == "Autoencoder":
        first, second = itertools.starmap(torch.nn.Linear, itertools.pairwise(encoder))
        layers = torch.nn.Sequential(first, torch.nn.ReLU(), second)
        contenders["skorch predict, encoder"] = (skorch_predict(layers, X), X)
    found = {key: [] for key in contenders}
    for _ in range(n_rounds + 1):
        for key, (function, data) in contenders.items():
            found[key].append(seconds(function, data))
    found = {key: np.array(values[1:]) for key, values in found.items()}

    print(f"\n{name}, {n} x {N_FEATURES}: seconds, and the share of it that the floor takes")
    floor = None
    for key, values in found.items():
        row = f"{key:26}{np.median(values):8.3f} s"
        if key.startswith("floor"):
            floor = values
        else:
            floor = found["floor of encoding"] if key.startswith("skorch") else floor
            row += "   floor / time " + spread(floor / values)
        if key.startswith("skorch"):
            row += "   time / transform " + spread(values / found["transform"])
        print(row, flush=True)


def spread(values):
    return f"{np.median(values):.3f} ({values.min():.3f}-{values.max():.3f})"


def latency(names, n_rounds, dtype):
    """Print how long few rows take."""
    X = make_data(2000).astype(dtype)
    pca = PCA(N_COMPONENTS).fit(X)
    contenders = {"PCA": pca.transform} | {name: fit(name, X).transform for name in names}
    print(f"\nlatency of transform, {np.dtype(dtype)}, microseconds")
    for n in (1, 100):
        found = {key: [] for key in contenders}
        for _ in range(50 * n_rounds):
            for key, function in contenders.items():
                start = time.perf_counter()
                function(X[:n])
                found[key].append(1e6 * (time.perf_counter() - start))
        for key, values in found.items():
            print(f"{n:5} rows  {key:24}{np.median(values):8.0f}  least {np.min(values):.0f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--floor-rows", type=int, default=2048)
    parser.add_argument(
        "--estimators",
        nargs="+",
        default=["Autoencoder", "VAE", "SparseAutoencoder", "DenoisingAutoencoder"],
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.estimators:
        compare(name, options.rows, options.rounds, options.floor_rows)
    for dtype in (np.float32, np.float64):
        latency(options.estimators, options.rounds, dtype)


if __name__ == "__main__":
    main()
