"""CUDA graphs beside eager steps and the roofline: first whether they agree, then how fast.

    python tests/benchmarks/gpu.py [--device cuda] [--workloads W1 W2 W3] [--rounds 5]
    python tests/benchmarks/gpu.py --workloads --mnist mnist.npz     # without 2.

1. Every objective is trained on both paths from one seed; printed is the largest relative
   difference of the losses.
2. For each workload of `speed.py`: the time of a step, from the difference of a long and a short
   fit, eager and repeated, and the least it could take: the operations and the traffic of a step
   over the peaks that this device reaches in one large product and one large copy.
3. `transform` of 60000 x 784 and of 10^6 x 20 rows.
4. With ``--mnist``, codes of 30 numbers of all its images: the seconds of an eager epoch and of a
   whole fit, and the squared error of unseen images.

With ``--device cpu`` the same script compares the replay on the CPU; there is no graph then.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from mnist import load
from sklearn.base import clone
from speed import WORKLOADS, estimator_of, make_data

from skae import Autoencoder
from skae.fast import repeater
from skae.networks import Conv

OBJECTIVES = (
    "Autoencoder",
    "with linear path",
    "DenoisingAutoencoder",
    "ContractiveAutoencoder",
    "SparseAutoencoder",
    "VAE",
    "AdversarialAutoencoder",
)


def wait(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def timed(function, device):
    """Return the seconds that a call takes, the device's work included."""
    wait(device)
    start = time.perf_counter()
    function()
    wait(device)
    return time.perf_counter() - start


def fit(estimator, X, path):
    repeater.FEWEST_REPETITIONS = 0 if path == "repeated" else 10**12
    return clone(estimator).fit(X)


def check(objective, device):
    """Print how far the losses of the two paths are apart, and how many sizes were repeated."""
    X = make_data("W3")[:1000]  # batches of 32 and a short one of 8
    estimator = estimator_of(objective, "W3", 5).set_params(device=device)
    eager, repeated = (fit(estimator, X, path) for path in ("eager", "repeated"))
    losses = [np.array(model.loss_curve_) for model in (eager, repeated)]
    apart = np.max(np.abs(losses[0] - losses[1]) / np.abs(losses[0]))
    repeater = repeated.net_._repeater
    n_ready = getattr(repeater, "n_captured", len(getattr(repeater, "programs", ())))
    print(f"  {objective:<24} losses apart by {apart:.1e}; {n_ready} sizes repeated", flush=True)


def seconds_per_step(objective, workload, X, path, device):
    """Return the time of a step: of a long fit less a short one, so that starts cancel."""
    batch = WORKLOADS[workload][4]
    n_steps = -(-len(X) // batch)
    short, long = 1, max(4, 400 // n_steps)
    times = []
    for epochs in (short, short + long):
        estimator = estimator_of(objective, workload, epochs).set_params(device=device)
        times.append(timed(lambda e=estimator: fit(e, X, path), device))
    return (times[1] - times[0]) / (long * n_steps)


def peaks(device):
    """Return the operations and the bytes per second that one large call reaches."""
    n = 8192 if device.startswith("cuda") else 1024
    a, b = (torch.randn(n, n, device=device) for _ in range(2))
    out, copy = torch.empty_like(a), torch.empty_like(a)
    products = min(timed(lambda: torch.mm(a, b, out=out), device) for _ in range(6))
    copies = min(timed(lambda: copy.copy_(a), device) for _ in range(6))
    return 2 * n**3 / products, 2 * a.nbytes / copies


def roofline(model, workload, flops, bandwidth):
    """Return the least time of a step of a plain autoencoder."""
    _, d, (h,), _, batch, _ = WORKLOADS[workload]
    n_parameters = model.net_.flat_.numel()
    operations = 6 * batch * n_parameters - 2 * batch * d * h  # no gradient for the input
    traffic = 4 * (7 * n_parameters + 2 * batch * d)  # Adam's reads and writes, the batch
    return max(operations / flops, traffic / bandwidth)


def table(workload, rounds, device):
    """Print the time of a step of each objective."""
    X = make_data(workload)
    flops, bandwidth = peaks(device)
    model = fit(estimator_of("Autoencoder", workload, 1).set_params(device=device), X, "eager")
    least = roofline(model, workload, flops, bandwidth)
    print(
        f"\n{workload}: roofline of the autoencoder {1e6 * least:.1f} us a step "
        f"({flops / 1e12:.2f} TFLOP/s, {bandwidth / 1e9:.0f} GB/s)"
    )
    print(f"  {'':<24}{'eager us':>10}{'repeated us':>13}{'ratio':>8}  (min - max)")
    for objective in OBJECTIVES:
        for path in ("eager", "repeated"):
            seconds_per_step(objective, workload, X[:2000], path, device)  # warm
        pairs = [
            [
                seconds_per_step(objective, workload, X, path, device)
                for path in ("eager", "repeated")
            ]
            for _ in range(rounds)
        ]
        eager, repeated = 1e6 * np.median(pairs, axis=0)
        ratios = [a / b for a, b in pairs]
        print(
            f"  {objective:<24}{eager:>10.1f}{repeated:>13.1f}{np.median(ratios):>8.2f}"
            f"  ({min(ratios):.2f} - {max(ratios):.2f})",
            flush=True,
        )


def inference(device):
    print("\ntransform, seconds (best of 5)")
    for n, workload in ((60000, "W1"), (10**6, "W2")):
        X = make_data(workload)
        model = fit(estimator_of("Autoencoder", workload, 1).set_params(device=device), X, "eager")
        X = np.resize(X, (n, X.shape[1]))
        seconds = min(timed(lambda m=model, X=X: m.transform(X), device) for _ in range(5))
        print(f"  {n} x {X.shape[1]}: {seconds:.3f}", flush=True)


def timed_fit(model, X, path, device):
    """Return the fitted model, and the seconds that it took."""
    wait(device)
    start = time.perf_counter()
    fitted = fit(model, X, path)
    wait(device)
    return fitted, time.perf_counter() - start


def images(mnist, device):
    """Print what networks make of MNIST, and in which time."""
    print("\nMNIST, 30 numbers", flush=True)
    X, _, X_test, _ = load(mnist)
    like = {"alpha": 0.1, "device": device, "random_state": 0}
    models = {
        "perceptron, default": Autoencoder(30, **like),
        "(1000, 500, 250)": Autoencoder(30, hidden_layer_sizes=(1000, 500, 250), **like),
        "Conv, default": Autoencoder(30, encoder=Conv((28, 28)), **like),
    }
    fit(models["Conv, default"].set_params(max_iter=1), X, "repeated")  # warm
    for name, model in models.items():
        one, other = (
            timed_fit(model.set_params(max_iter=n), X, "eager", device)[1] for n in (1, 4)
        )
        fitted, seconds = timed_fit(model.set_params(max_iter=100), X, "repeated", device)
        error = np.square(X_test - fitted.inverse_transform(fitted.transform(X_test)))
        print(
            f"  {name:<24}an eager epoch {(other - one) / 3:.2f} s; "
            f"100 repeated ones {seconds:.0f} s, error {error.sum(axis=1).mean():.3f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workloads", nargs="*", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mnist", help="an .npz file")
    arguments = parser.parse_args()
    device = arguments.device
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            parser.exit(1, "torch finds no CUDA device here; --device cpu compares on the CPU\n")
        print(torch.cuda.get_device_name(device), "torch", torch.__version__)
    warnings.simplefilter("ignore")
    for objective in OBJECTIVES:
        check(objective, device)
    for workload in arguments.workloads:
        table(workload, arguments.rounds, device)
    inference(device)
    if arguments.mnist:
        images(arguments.mnist, device)


if __name__ == "__main__":
    main()
