"""Completing digits: one, two or three quadrants of MNIST given, the others predicted.

The task of Sohn, Lee and Yan (NIPS 2015), with networks of two layers of 500 rectifiers and codes
of 50 numbers (200 in the paper): negative conditional log-likelihood of the hidden pixels in nats
per image, pixels in [0, 1] with the Bernoulli cross-entropy. A plain network maps what is given to
what is hidden; the conditional VAE is scored by minus its ELBO, by importance sampling from
q(z | x, c), and by draws from its prior p(z | c) alone. Epochs, and the learning rate where
several are given, are chosen on validation rows; the figures are those of test rows.

Published: plain network 100.03 / 62.14 / 26.01, conditional VAE by importance sampling 64.05 /
44.96 / 20.97; a public reproduction 100.4 / 61.9 / 25.4 and, as -ELBO, 71.8 / 51.0 / 24.2.

Run it as ``python tests/benchmarks/mnist_quadrants.py [--data mnist.npz] [--rows 60000]``.
"""

import argparse
import time

import numpy as np
import torch
from mnist import load
from torch import nn

from skae import ConditionalVAE

# Lower left, upper left, upper right, lower right: the order in which they are given.
HALVES = (slice(14, 28), slice(0, 14))
ORDER = ((0, 1), (1, 1), (1, 0), (0, 0))  # (row half, left)


def given_pixels(n_quadrants):
    mask = np.zeros((28, 28), dtype=bool)
    for row, left in ORDER[:n_quadrants]:
        mask[HALVES[row], slice(0, 14) if left else slice(14, 28)] = True
    return mask.ravel()


def cross_entropy(logits, x):
    loss = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return loss.sum(dim=1).mean()


def fit_network(C, X, C_valid, X_valid, epochs, rate, batch_size=100):
    """Return the plain network of the best epoch and its validation loss."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(C.shape[1], 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU(),
        nn.Linear(500, X.shape[1]),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    best, kept = np.inf, None
    for _ in range(epochs):
        for batch in torch.randperm(len(X)).split(batch_size):
            optimizer.zero_grad()
            cross_entropy(network(C[batch]), X[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            loss = cross_entropy(network(C_valid), X_valid).item()
        if loss < best:
            best, kept = loss, {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(kept)
    return network, best


def prior_sampled(cvae, X, C, n_draws, block=100):
    """Return -log mean_k p(x | z_k, c) with z_k from p(z | c), in nats per row."""
    module = cvae.module_
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(X), block):
            x = torch.from_numpy(X[start : start + block])
            c = cvae._condition.enter(torch.from_numpy(C[start : start + block]))
            p_z = module.p_z(c)
            log_p = [
                module.p_x(p_z.sample((50,), generator), c).log_prob(x)
                for _ in range(n_draws // 50)
            ]
            log_p = torch.cat(log_p).logsumexp(0) - np.log(n_draws // 50 * 50)
            total -= log_p.sum().item()
    return total / len(X)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=None)
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--quadrants", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()

    images, _, test, _ = load(arguments.data)
    images, test = images[: arguments.rows], test[: arguments.test_rows]
    n_valid = min(5000, len(images) // 10)
    print("| given | model | test, nats | validation | fit s |\n|---|---|---|---|---|", flush=True)
    for n in arguments.quadrants:
        mask = given_pixels(n)
        parts = {
            name: (np.ascontiguousarray(rows[:, mask]), np.ascontiguousarray(rows[:, ~mask]))
            for name, rows in (
                ("train", images[n_valid:]), ("valid", images[:n_valid]), ("test", test)
            )
        }  # fmt: skip
        tensors = {
            name: tuple(torch.from_numpy(part) for part in pair) for name, pair in parts.items()
        }

        start = time.perf_counter()
        candidates = [
            fit_network(*tensors["train"], *tensors["valid"], arguments.epochs, rate)
            for rate in arguments.rates
        ]
        network, best = min(candidates, key=lambda pair: pair[1])
        seconds = time.perf_counter() - start
        with torch.no_grad():
            loss = cross_entropy(network(tensors["test"][0]), tensors["test"][1]).item()
        print(f"| {n} | network | {loss:.2f} | {best:.2f} | {seconds:.0f} |", flush=True)

        start = time.perf_counter()
        (C, X), (C_valid, X_valid), (C_test, X_test) = parts.values()
        fits = [
            ConditionalVAE(
                50,
                likelihood="bernoulli",
                warm_up=0.0,
                hidden_layer_sizes=(500, 500),
                learning_rate_init=rate,
                batch_size=100,
                max_iter=arguments.epochs,
                early_stopping=True,
                random_state=0,
            ).fit(X, condition=C)
            for rate in arguments.rates
        ]
        valid = [-fit.score_samples(X_valid, 1, condition=C_valid).mean() for fit in fits]
        cvae = fits[int(np.argmin(valid))]
        seconds = time.perf_counter() - start
        elbo = -cvae.elbo_decomposition(X_test, condition=C_test)["elbo"]
        weighted = -cvae.score_samples(X_test, arguments.draws, condition=C_test).mean()
        sampled = prior_sampled(cvae, X_test, C_test, arguments.draws)
        for name, value in (
            ("-ELBO", elbo), ("importance-sampled", weighted), ("prior-sampled", sampled)
        ):  # fmt: skip
            print(
                f"| {n} | conditional VAE, {name} | {value:.2f} | {min(valid):.2f} | "
                f"{seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
