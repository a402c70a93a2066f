"""What a first call that is unlike the later ones does to `partial_fit`, and who hears of it.

`--alarms`: how often `StreamWarning` comes on shuffled streams (it should not), and on sorted,
shifted and rescaled ones, by the size of the first call. Nothing is trained.

`--following`: the variance explained after one pass and after five, for IncrementalPCA, for
`partial_fit` as it is, for one whose start knows all rows ("oracle"), and for one whose linear
path is set to the principal components of all rows so far after each call ("followed").

    python tests/benchmarks/stream_starts.py --alarms
"""

import argparse
import warnings

import numpy as np
import torch
from sklearn import datasets
from sklearn.decomposition import IncrementalPCA
from sklearn.preprocessing import scale

from skae import Autoencoder
from skae.data.moments import weighted_moments
from skae.data.sources import make_source
from skae.data.streams import keep_watch, start_watch
from skae.data.units import Units, to_scale
from skae.exceptions import StreamWarning

SIZES = (10, 20, 50, 200)


def data_sets():
    loaders = ("iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud")
    sets = {name: getattr(datasets, f"load_{name}")(return_X_y=True) for name in loaders}
    sets = {name: (X, y if y.ndim == 1 else y[:, 0]) for name, (X, y) in sets.items()}
    for name in ("wine", "breast_cancer"):
        sets[f"{name}, scaled"] = scale(sets[name][0]), sets[name][1]
    rng = np.random.default_rng(0)
    for name, X in {
        "Student t, 2": rng.standard_t(2, size=(2000, 10)),
        "Cauchy": rng.standard_cauchy(size=(2000, 10)),
        "log-normal": rng.lognormal(sigma=1.5, size=(2000, 10)),
        "one dimension": rng.normal(size=(2000, 1)) * np.ones((1, 5)),
        "rare columns": (rng.random((2000, 30)) < 0.02) * rng.normal(size=(2000, 30)),
        "shift": rng.normal(size=(2000, 20)) + 5 * (np.arange(2000) >= 1000)[:, None],
    }.items():
        sets[name] = X, np.arange(len(X)) >= len(X) // 2
    return sets


def is_alarmed(X, n_first, n_chunk, weights=None, per_feature=False):
    """Whether a stream of these rows ends in a warning."""
    w = None if weights is None else weights[:n_first]
    moments = weighted_moments(X[:n_first], w)
    units = Units(moments.mean, to_scale(moments, per_feature))
    state = start_watch(n_first, w)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StreamWarning)
        for start in range(n_first, len(X), n_chunk):
            span = slice(start, start + n_chunk)
            rows = make_source(X[span], units, torch.float32, torch.device("cpu"))
            w = None if weights is None else torch.from_numpy(weights[span])
            state = keep_watch(state, rows, w, X.shape[1])
    return not state


def shuffled(y, rng):
    return rng.permutation(len(y))


def by_class(y, rng):
    return np.lexsort([rng.random(len(y)), y])


def unchanged(X, n):
    return X


def times_ten(X, n):
    return np.r_[X[:n], 10 * X[n:]]


def moved(X, n):
    return np.r_[X[:n], X[n:] + 5 * X.std(axis=0)]


# Order, change after the first call, whether rows have weights, whether features have scales.
STREAMS = {
    "shuffled": (shuffled, unchanged, False, False),
    "weighted": (shuffled, unchanged, True, False),
    "standard": (shuffled, unchanged, False, True),
    "SORTED": (by_class, unchanged, False, False),
    "TIMES 10": (shuffled, times_ten, False, False),
    "MOVED BY 5": (shuffled, moved, False, False),
}


def alarm(X, y, n, seed, order, change, is_weighted, per_feature):
    rng = np.random.default_rng(seed)
    n_first = min(n, len(X) // 2)
    rows = change(X[order(y, rng)], n_first)
    weights = rng.exponential(size=len(X)) ** 2 if is_weighted else None
    return is_alarmed(rows, n_first, n, weights, per_feature)


def alarms(n_seeds):
    print(f"{'first rows':32s}", *(f"{n:>8d}" for n in SIZES))
    for name, (X, y) in data_sets().items():
        for how, stream in STREAMS.items():
            found = [np.mean([alarm(X, y, n, s, *stream) for s in range(n_seeds)]) for n in SIZES]
            print(f"{name + ', ' + how:32s}", *(f"{share:8.3f}" for share in found), flush=True)


def follow(ae, X):
    """Set the linear path to the principal components of X, turned to where it was."""
    x = (X - ae.mean_) / ae.scale_
    encoder, decoder = ae.module_.encoder, ae.module_.decoder
    old = encoder.path.weight.detach().double().numpy()
    V = np.linalg.eigh(np.cov(x.T))[1][:, ::-1][:, : len(old)].T
    left, _, right = np.linalg.svd(V @ old.T)
    V = torch.from_numpy((left @ right).T @ V)
    mean = torch.from_numpy(x.mean(axis=0))
    with torch.no_grad():
        encoder.path.weight.copy_(V)
        decoder.path.weight.copy_(V.T)
        encoder.layers[-1].bias.copy_(-V @ mean)
        decoder.layers[-1].bias.copy_(mean)


def explained(X, chunks, k, seed, how):
    ae = Autoencoder(k, random_state=seed)
    if how == "oracle":
        ae.set_params(learning_rate_init=1e-12).partial_fit(X)
        ae.set_params(learning_rate_init=0.005)
    for i, rows in enumerate(chunks):
        ae.partial_fit(X[rows])
        if how == "followed":
            follow(ae, X[np.concatenate(chunks[: i + 1])])
    return ae.score(X)


def explained_by_pca(X, chunks, k):
    pca = IncrementalPCA(k)
    for rows in chunks:
        pca.partial_fit(X[rows])
    left = X - pca.inverse_transform(pca.transform(X))
    return 1 - np.square(left).sum() / np.square(X - X.mean(axis=0)).sum()


def following(n_seeds):
    print(f"{'':32s}", *(f"{n:>9s}" for n in ("IPCA", "as it is", "oracle", "followed")))
    for name in ("digits", "wine, scaled", "breast_cancer, scaled", "shift"):
        X, y = data_sets()[name]
        k = 2 if X.shape[1] < 20 else 8
        for order in ("shuffled", "sorted"):
            for n_passes in (1, 5):
                found = []
                for seed in range(n_seeds):
                    rng = np.random.default_rng(seed)
                    rows = rng.permutation(len(X))
                    rows = rows if order == "shuffled" else np.argsort(y, kind="stable")
                    chunks = np.array_split(rows, 12) * n_passes
                    ours = [
                        explained(X, chunks, k, seed, how)
                        for how in ("as it is", "oracle", "followed")
                    ]
                    found.append([explained_by_pca(X, chunks, k), *ours])
                what = f"{name}, {order}, {n_passes}"
                print(f"{what:32s}", *(f"{m:9.3f}" for m in np.mean(found, axis=0)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alarms", action="store_true")
    parser.add_argument("--following", action="store_true")
    parser.add_argument("--seeds", type=int, default=30)
    options = parser.parse_args()
    warnings.simplefilter("ignore", StreamWarning)
    if options.alarms:
        alarms(options.seeds)
    if options.following:
        following(min(options.seeds, 3))


if __name__ == "__main__":
    main()
