"""Do the codes of an adversarial autoencoder match its prior? And in which order to take steps.

    python tests/benchmarks/adversarial_codes.py                        # digits
    python tests/benchmarks/adversarial_codes.py --data mnist.npz [--rows 20000] [--epochs 40]
    python tests/benchmarks/adversarial_codes.py --steps                # digits; with --data MNIST

Every line is a mean over the seeds, each with its own split; 500 rows are held out. "mmd" is the
squared maximum mean discrepancy (unbiased) of their codes to 500 draws of the prior, the mean over
four sets of draws, as a ratio to the 95 % quantile of two samples of the prior under permutation;
in brackets the worst seed. The kernel is a mean of Gaussians with 1/4, 1/2, 1 and 2 times the
median distance between draws of the prior. "whitened" codes are those of an
`Autoencoder(linear_path=False)` of the same networks and settings, with the mean and covariance of
its training codes set to those of N(0, I). "error" is the squared reconstruction error of held-out
rows relative to that autoencoder's, "least" the smallest number of held-out codes nearest to one
component of the mixture prior.

`--steps` compares the one backward pass of the estimator with the paper's three steps on each
batch (reconstruction, discriminator, encoder), each with an Adam of its own and the same learning
rate, schedule, networks, terms and weight.
"""

import argparse
import time

import numpy as np
import torch
from mnist import load
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn import functional as F

from skae import AdversarialAutoencoder, Autoencoder
from skae.estimator.choices import batch_size_for, n_epochs_for
from skae.metrics import maximum_mean_discrepancy, maximum_mean_discrepancy_null
from skae.models.adversarial import MixturePrior, draw_standard
from skae.training.step import SCHEDULES

N_HELD_OUT = 500


def draws(prior, n_components, seed, n=N_HELD_OUT):
    """Return draws from a prior."""
    sampler = draw_standard if prior == "standard" else MixturePrior(10, n_components)
    return sampler(n, n_components, torch.Generator().manual_seed(seed)).numpy()


def chance(prior, n_components):
    """Return bandwidths, and the 95 % quantile of the discrepancy of two samples of the prior."""
    P, Q = (draws(prior, n_components, seed) for seed in (1, 2))
    median = np.median(np.linalg.norm(P[:, None] - Q, axis=2))
    bandwidths = median * np.array([0.25, 0.5, 1.0, 2.0])
    null = maximum_mean_discrepancy_null(P, Q, bandwidths=bandwidths, random_state=0)
    return bandwidths, np.quantile(null, 0.95)


def ratio(Z, prior):
    """Return the discrepancy of codes to the prior, in units of what chance gives."""
    bandwidths, quantile = chance(prior, Z.shape[1])
    values = [
        maximum_mean_discrepancy(Z, draws(prior, Z.shape[1], seed), bandwidths=bandwidths)
        for seed in (11, 12, 13, 14)
    ]
    return np.mean(values) / quantile


def whitened(plain, X_train, X):
    """Return codes with the mean and covariance of the training codes made those of N(0, I)."""
    codes = plain.transform(X_train)
    return (plain.transform(X) - codes.mean(axis=0)) @ np.linalg.inv(
        np.linalg.cholesky(np.cov(codes.T))
    ).T


def least(Z, prior):
    """Return how many codes the least used component of the mixture has."""
    if prior == "standard":
        return len(Z)
    means = MixturePrior(10, Z.shape[1]).means
    nearest = ((Z[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    return np.bincount(nearest, minlength=10).min()


def split(args, seed):
    """Return training rows and 500 held-out ones."""
    if args.data is None:
        return train_test_split(load_digits().data / 16, test_size=N_HELD_OUT, random_state=seed)
    X_train, _, X_test, _ = load(args.data)
    rng = np.random.default_rng(seed)
    held_out = X_test[rng.permutation(len(X_test))[:N_HELD_OUT]]
    return X_train[rng.permutation(len(X_train))[: args.rows]], held_out


def codes_and_errors(args):
    """Print how well the estimator's codes match, and what that costs in reconstruction."""
    settings = {"max_iter": args.epochs} if args.epochs else {}
    print(
        f"{'prior':<10}{'size':>5}{'encoder':>15}{'mmd':>8}{'':>9}{'whitened':>10}{'raw':>8}"
        f"{'error':>8}{'least':>7}{'fit s':>7}"
    )
    for n_components in args.sizes:
        plain = {}
        for prior in ("standard", "mixture"):
            for encoder_type in args.encoders:
                rows = []
                for seed in range(args.seeds):
                    X_train, X_test = split(args, seed)
                    start = time.perf_counter()
                    aae = AdversarialAutoencoder(
                        n_components,
                        prior=prior,
                        encoder_type=encoder_type,
                        random_state=seed,
                        **settings,
                    ).fit(X_train)
                    seconds = time.perf_counter() - start
                    if seed not in plain:
                        plain[seed] = Autoencoder(
                            n_components,
                            linear_path=False,
                            max_iter=n_epochs_for(aae, len(X_train)),
                            random_state=seed,
                        ).fit(X_train)
                    Z, reference = aae.transform(X_test), plain[seed]
                    errors = [m.reconstruction_error(X_test).mean() for m in (aae, reference)]
                    rows.append(
                        (
                            ratio(Z, prior),
                            ratio(whitened(reference, X_train, X_test), prior),
                            ratio(reference.transform(X_test), prior),
                            errors[0] / errors[1],
                            least(Z, prior),
                            seconds,
                        )
                    )
                mmd, white, raw, error, _, seconds = np.mean(rows, axis=0)
                worst, fewest = max(r[0] for r in rows), min(r[4] for r in rows)
                print(
                    f"{prior:<10}{n_components:>5}{encoder_type:>15}{mmd:>8.2f} ({worst:>5.2f}) "
                    f"{white:>10.2f}{raw:>8.1f}{error:>8.3f}{fewest:>7}{seconds:>7.0f}",
                    flush=True,
                )


def fit_by_steps(aae, X, n_epochs, batch_size, seed):
    """Train the module of an estimator anew, in the paper's three steps for each batch."""
    fresh = type(aae)(**{**aae.get_params(), "max_iter": 1, "learning_rate_init": 1e-12}).fit(X)
    module, lr = fresh.module_, aae.learning_rate_init
    encoder, decoder = list(module.encoder.parameters()), list(module.decoder.parameters())
    players = [encoder + decoder, list(module.discriminator.parameters()), encoder]
    optimizers = [torch.optim.Adam(parameters, lr=lr, fused=True) for parameters in players]
    rows = torch.from_numpy((X - aae.mean_) / aae.scale_).float()
    generator = torch.Generator().manual_seed(seed)
    n_batches = len(rows) // batch_size
    for epoch in range(n_epochs):
        order = torch.randperm(len(rows), generator=generator)
        for i in range(n_batches):
            x = rows[order[i * batch_size : (i + 1) * batch_size]]
            share = (epoch * n_batches + i) / (n_epochs * n_batches)
            prior_draws = module.draw_prior(len(x), generator)

            def reconstruction(x=x):
                return module.likelihood.loss(module.decode_parameters(module.encode(x)), x)

            def verdict(x=x, prior_draws=prior_draws):
                codes = module.encode(x).detach()
                return sum(module.discriminator_terms(prior_draws, codes).values())

            def deception(x=x):
                return module.weight * F.softplus(-module.log_odds(module.encode(x)))

            losses = (reconstruction, verdict, deception)
            for optimizer, loss in zip(optimizers, losses, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = lr * SCHEDULES[aae.learning_rate](share)
                module.zero_grad()
                loss().mean().backward()
                optimizer.step()
    module.eval()
    return fresh


def compare_steps(args):
    """Print match and error of one backward pass and of alternating steps."""
    print(f"{'prior':<10}{'steps':<14}{'mmd':>16}{'squared error':>22}{'fit s':>7}")
    settings = {"max_iter": args.epochs} if args.epochs else {}
    for prior in ("standard", "mixture"):
        found = {"at once": [], "alternating": []}
        for seed in range(args.seeds):
            X_train, X_test = split(args, seed)
            aae = AdversarialAutoencoder(prior=prior, random_state=seed, **settings)
            for name, results in found.items():
                start = time.perf_counter()
                if name == "at once":
                    model = aae.fit(X_train)
                else:
                    size = batch_size_for(aae, len(X_train))
                    n_epochs = n_epochs_for(aae, len(X_train))
                    model = fit_by_steps(aae, X_train, n_epochs, size, seed)
                seconds = time.perf_counter() - start
                error = model.reconstruction_error(X_test).mean()
                results.append((ratio(model.transform(X_test), prior), error, seconds))
        for name, results in found.items():
            mmd, error, seconds = np.transpose(results)
            print(
                f"{prior:<10}{name:<14}{mmd.mean():>7.2f} +- {mmd.std():<5.2f}"
                f"{error.mean():>13.3f} +- {error.std():.3f}{seconds.mean():>7.0f}",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[2, 8])
    parser.add_argument("--encoders", nargs="*", default=["deterministic", "gaussian"])
    parser.add_argument("--steps", action="store_true")
    args = parser.parse_args()
    (compare_steps if args.steps else codes_and_errors)(args)


if __name__ == "__main__":
    main()
