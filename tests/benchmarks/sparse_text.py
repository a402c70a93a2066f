"""What wide sparse text costs: start, epochs and the comparison at the end, beside TruncatedSVD.

Documents are made of 20 topics over words that are as frequent as words are (Zipf), counts as
tf-idf: 2000 rows, 23000 columns, some 70 words a row. Seconds are those of the CPU on one thread;
start and end are a fit of one epoch less an epoch.

    python tests/benchmarks/sparse_text.py [--rows 2000] [--columns 23000] [--seed 0]

With --products: the time of a product that skips zeros, relative to one that does not, by the
number of columns and the share of entries that are filled (0.5, 1, 2, 5, 10 %).
"""

import argparse
import functools
import time
import warnings

import numpy as np
import torch
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from skae import Autoencoder
from skae.exceptions import StartKeptWarning

N_TOPICS, N_WORDS = 20, 100


def documents(n_rows, n_columns, seed):
    """Return a CSR matrix of tf-idf, in single precision."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, n_columns + 1)
    words = frequency * rng.gamma(0.2, size=(N_TOPICS, n_columns))
    words = np.cumsum(words / words.sum(axis=1, keepdims=True), axis=1)
    topics = rng.dirichlet(np.full(N_TOPICS, 0.1), n_rows)
    rows = np.repeat(np.arange(n_rows), N_WORDS)
    topic = np.concatenate([rng.choice(N_TOPICS, N_WORDS, p=p) for p in topics])
    columns = np.empty_like(rows)
    for t in range(N_TOPICS):
        of_topic = topic == t
        columns[of_topic] = np.searchsorted(words[t], rng.random(of_topic.sum()))
    columns = columns.clip(max=n_columns - 1)
    counts = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (n_rows, n_columns))
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts).astype(np.float32)


def cpu_seconds(function):
    """Return the CPU time of a call and its result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def fit(X, n_epochs):
    """Return a fitted model."""
    return Autoencoder(10, max_iter=n_epochs, random_state=0).fit(X)


def median_seconds(function):
    """Return the median CPU time of nine calls."""
    return np.median([cpu_seconds(function)[0] for _ in range(9)])


def compare_products():
    """Print what zeros that are skipped save for a chunk of rows and 128 units."""
    for n_columns in (512, 1024, 4096, 16384):
        weight = torch.randn(128, n_columns)
        ratios = []
        for filled in (0.005, 0.01, 0.02, 0.05, 0.1):
            X = sparse.random(256, n_columns, filled, "csr", np.float32, random_state=0)
            x = torch.from_numpy(X.toarray())
            skips = median_seconds(functools.partial(X.__matmul__, weight.numpy().T))
            ratios.append(skips / median_seconds(functools.partial(x.__matmul__, weight.T)))
        print(f"{n_columns:>6} columns", *[f"{ratio:6.2f}" for ratio in ratios])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=23000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--products", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.products:
        compare_products()
        return
    warnings.simplefilter("ignore", StartKeptWarning)  # after an epoch or three
    X = documents(args.rows, args.columns, args.seed)
    print(f"{X.shape[0]} x {X.shape[1]}, {X.nnz / X.shape[0]:.0f} words a row")
    fit(X[:100, :100], 1)  # what is imported at the first fit
    one, model = cpu_seconds(lambda: fit(X, 1))
    three, longer = cpu_seconds(lambda: fit(X, 3))
    epoch = (three - one) / 2
    print(f"start and end {one - epoch:6.2f} s, an epoch {epoch:6.2f} s")
    print("losses", *[f"{loss:.2f}" for loss in longer.loss_curve_])
    seconds, _ = cpu_seconds(lambda: model.transform(X))
    print(f"transform     {seconds:6.2f} s")
    seconds, _ = cpu_seconds(lambda: TruncatedSVD(10, random_state=0).fit_transform(X))
    print(f"TruncatedSVD  {seconds:6.2f} s")


if __name__ == "__main__":
    main()
