"""How long a whole fit takes, beside a plain torch loop and other packages.

    python tests/benchmarks/speed.py [--workloads W2 W3] [--rounds 5] [--share 1.0] [--threads 1]

Every contender lives in a process of its own, warmed by a short fit. They take
turns, so that whatever else the machine does meets all of them; compared is the process's CPU
time, as a ratio within each round. A "plain" contender is a loop as one writes it by hand, with
torch's default Adam: for the autoencoder around an `nn.Sequential`, for other objectives around
the module that skae trains too. Packages that are not installed are left out. `--share` shortens
the fits to a share of their epochs; `--cold` prints the first fit of a process instead.
"""

import argparse
import importlib.util
import multiprocessing
import os
import time
import warnings

import numpy as np

# rows, features, hidden layers, code, batch, epochs
WORKLOADS = {
    "W1": (60000, 784, (256,), 32, 256, 3),
    "W2": (10000, 20, (64,), 8, 128, 20),
    "W3": (1797, 64, (32,), 2, 32, 100),
}


def make_data(workload):
    """Return the rows of a workload: digits, or random ones of the same kind."""
    n, d, _, k, *_ = WORKLOADS[workload]
    if workload == "W3":
        from sklearn.datasets import load_digits

        return load_digits().data.astype(np.float32)
    rng = np.random.default_rng(0)
    X = np.tanh(rng.normal(size=(n, k)) @ rng.normal(size=(k, d))) + 0.1 * rng.normal(size=(n, d))
    return X.astype(np.float32)


def estimator_of(objective, workload, epochs):
    """Return skae's estimator with the networks of a workload."""
    import skae

    _, _, hidden, k, batch, _ = WORKLOADS[workload]
    settings = {"linear_path": False, "random_state": 0}
    settings |= {"hidden_layer_sizes": hidden, "batch_size": batch, "max_iter": epochs}
    own = {
        "Autoencoder": {},
        "with linear path": {"linear_path": True},
        "DenoisingAutoencoder": {},
        "ContractiveAutoencoder": {"tied_weights": False, "code_activation": "sigmoid"},
        "SparseAutoencoder": {"sparsity": "topk", "n_nonzero_coefs": 2},
        "VAE": {},
        "AdversarialAutoencoder": {},
    }
    kind = "Autoencoder" if objective == "with linear path" else objective
    return getattr(skae, kind)(k, **{**settings, **own[objective]})


def skae_fit(objective, workload, X, epochs):
    estimator_of(objective, workload, epochs).fit(X)


def eager_fit(objective, workload, X, epochs):
    """skae without its fast path."""
    from skae.fast import repeater

    repeater.FEWEST_REPETITIONS = 10**12
    skae_fit(objective, workload, X, epochs)


def loop(X, batch, epochs, parameters, loss):
    """The loop as one writes it by hand."""
    import torch

    x = torch.from_numpy((X - X.mean(axis=0)) / X.std())
    optimizer = torch.optim.Adam(parameters)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        total = 0.0
        for start in range(0, len(x), batch):
            rows = x[order[start : start + batch]]
            optimizer.zero_grad()
            value = loss(rows)
            value.backward()
            optimizer.step()
            total += value.detach() * len(rows)
        float(total)


def plain_sequential(workload, X, epochs):
    from torch import nn

    _, d, (h,), k, batch, _ = WORKLOADS[workload]
    net = nn.Sequential(
        nn.Linear(d, h), nn.ReLU(), nn.Linear(h, k), nn.Linear(k, h), nn.ReLU(), nn.Linear(h, d)
    )
    loop(X, batch, epochs, net.parameters(), lambda x: (net(x) - x).square().sum(dim=1).mean())


def plain_module(objective, workload, X, epochs):
    from skae.training.randomness import make_generators

    generators = make_generators(0)
    estimator = estimator_of(objective, workload, epochs)
    module = _module(estimator, X, generators)

    def loss(x):
        terms = module(x, *module.draw(len(x), generators))
        return sum(term.mean() for term in terms.values())

    loop(X, WORKLOADS[workload][4], epochs, module.parameters(), loss)


def _module(estimator, X, generators):
    """Return an untrained module of an estimator, as its `fit` builds it."""
    fitted = estimator.set_params(max_iter=1).fit(X[:64])
    module = fitted._make_module(X.shape[1], generators["initialisation"])
    return module.train()


def skorch_fit(workload, X, epochs):
    import torch
    from skorch import NeuralNet
    from torch import nn

    _, d, (h,), k, batch, _ = WORKLOADS[workload]
    net = nn.Sequential(
        nn.Linear(d, h), nn.ReLU(), nn.Linear(h, k), nn.Linear(k, h), nn.ReLU(), nn.Linear(h, d)
    )
    NeuralNet(
        net,
        nn.MSELoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=batch,
        max_epochs=epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    ).fit(X, X)


def mlp_fit(workload, X, epochs):
    from sklearn.neural_network import MLPRegressor

    _, _, hidden, k, batch, _ = WORKLOADS[workload]
    MLPRegressor(
        hidden_layer_sizes=(*hidden, k, *hidden),
        batch_size=batch,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=10**6,
    ).fit(X, X)


def pca_fit(workload, X, epochs):
    from sklearn.decomposition import PCA

    PCA(WORKLOADS[workload][3]).fit(X)


def pyod_fit(workload, X, epochs):
    from pyod.models.auto_encoder import AutoEncoder

    _, _, hidden, k, batch, _ = WORKLOADS[workload]
    AutoEncoder(
        hidden_neuron_list=[*hidden, k],
        batch_size=batch,
        epoch_num=epochs,
        batch_norm=False,
        dropout_rate=0.0,
        verbose=0,
        device="cpu",
    ).fit(X)


def pythae_fit(workload, X, epochs, kind="AE"):
    import logging
    import tempfile

    import torch
    from pythae import models, trainers
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from torch import nn

    logging.disable(logging.CRITICAL)
    _, d, (h,), k, batch, _ = WORKLOADS[workload]

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(d, h), nn.ReLU())
            self.mean, self.log_variance = nn.Linear(h, k), nn.Linear(h, k)

        def forward(self, x):
            y = self.body(x)
            if kind == "AE":
                return ModelOutput(embedding=self.mean(y))
            return ModelOutput(embedding=self.mean(y), log_covariance=self.log_variance(y))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(k, h), nn.ReLU(), nn.Linear(h, d))

        def forward(self, z):
            return ModelOutput(reconstruction=self.body(z))

    config = getattr(models, f"{kind}Config")(input_dim=(d,), latent_dim=k)
    model = getattr(models, kind)(config, encoder=Encoder(), decoder=Decoder())
    from pythae.data.datasets import BaseDataset

    data = BaseDataset(torch.from_numpy(X), torch.ones(len(X)))
    with tempfile.TemporaryDirectory() as folder:
        settings = trainers.BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=batch,
            num_epochs=epochs,
            no_cuda=True,
            learning_rate=1e-3,
        )
        trainers.BaseTrainer(model, data, training_config=settings).train()


def contenders():
    """Return name -> function of workload, X and epochs; the peers by the package they need."""
    found = {
        "skae": lambda *a: skae_fit("Autoencoder", *a),
        "plain": plain_sequential,
        "skae, eager": lambda *a: eager_fit("Autoencoder", *a),
        "skae, linear path": lambda *a: skae_fit("with linear path", *a),
        "skorch": skorch_fit,
        "MLPRegressor": mlp_fit,
        "PCA": pca_fit,
    }
    if importlib.util.find_spec("pyod"):
        found["pyod"] = pyod_fit
    if importlib.util.find_spec("pythae"):
        found["pythae"] = pythae_fit
    others = ("VAE", "DenoisingAutoencoder", "ContractiveAutoencoder", "SparseAutoencoder")
    for objective in (*others, "AdversarialAutoencoder"):
        found[f"skae {objective}"] = lambda *a, o=objective: skae_fit(o, *a)
        found[f"plain {objective}"] = lambda *a, o=objective: plain_module(o, *a)
    if importlib.util.find_spec("pythae"):
        found["pythae VAE"] = lambda *a: pythae_fit(*a, kind="VAE")
    return found


# Whose time is divided by whose.
def pairs(names):
    """Return (slower, faster) for every comparison of the table."""
    result = [(name, "skae") for name in names if " " not in name and name != "skae"]
    result += [("skae, eager", "skae"), ("skae, linear path", "skae")]
    for name in names:
        package, _, objective = name.partition(" ")
        if package in ("plain", "pythae") and objective:
            result.append((name, f"skae {objective}"))
    return [(a, b) for a, b in result if a in names and b in names]


def serve(connection, name, n_threads):
    """Run fits in this process as they are asked for; answer with their CPU time."""
    import contextlib

    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(n_threads)
    fit, data = contenders()[name], {}
    with open(os.devnull, "w") as nowhere:
        while (job := connection.recv()) is not None:
            workload, epochs, n_rows = job
            if workload not in data:
                data[workload] = make_data(workload)
            X = data[workload][:n_rows]
            start = time.process_time()
            try:
                with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                    fit(workload, X, epochs)
                connection.send(time.process_time() - start)
            except Exception as error:  # a peer that fails is reported and left out
                connection.send(repr(error))


def start(names, n_threads):
    """Return a connection to a new process for each contender."""
    for library in ("OMP", "OPENBLAS", "MKL"):  # for those that do not ask torch
        os.environ[f"{library}_NUM_THREADS"] = str(n_threads)
    context, links = multiprocessing.get_context("spawn"), {}
    for name in names:
        here, there = context.Pipe()
        context.Process(target=serve, args=(there, name, n_threads), daemon=True).start()
        links[name] = here
    return links


def ask(links, name, *job):
    links[name].send(job)
    return links[name].recv()


def table(workload, rounds, share, names, n_threads):
    """Print the ratios of one workload."""
    epochs = max(1, round(WORKLOADS[workload][-1] * share))
    batch = WORKLOADS[workload][4]
    links, times = start(names, n_threads), {}
    for name in names:
        answer = ask(links, name, workload, 1, 4 * batch)
        if isinstance(answer, str):
            print(f"  {name} left out: {answer[:300]}", flush=True)
        else:
            times[name] = []
            if name.startswith("skae") and "eager" not in name:
                ask(links, name, workload, epochs, 8 * batch)  # its programs are compiled
    for _ in range(rounds):
        for name in times:
            times[name].append(ask(links, name, workload, epochs, None))
    for link in links.values():
        link.send(None)

    print(
        f"\n{workload}, {epochs} epochs, {rounds} rounds, {n_threads} threads: "
        "median ratio of CPU time (min - max)"
    )
    for slower, faster in pairs(list(times)):
        ratios = np.divide(times[slower], times[faster])
        low, middle, high = ratios.min(), np.median(ratios), ratios.max()
        title = f"{slower} / {faster}"
        print(f"  {title:<62}{middle:6.2f}  ({low:.2f} - {high:.2f})", flush=True)
    print("  seconds of skae:", np.round(times["skae"], 2), flush=True)


def cold(workload, n_threads):
    """Print the first fit of a process, for skae on both paths and the plain loop."""
    for name in ("skae", "skae, eager", "plain"):
        links = start([name], n_threads)
        first, second = (ask(links, name, workload, WORKLOADS[workload][-1], None) for _ in "12")
        print(
            f"  {workload} {name:<14} first fit {first:.2f} s, second {second:.2f} s", flush=True
        )
        links[name].send(None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--contenders", nargs="+", default=list(contenders()))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cold", action="store_true")
    arguments = parser.parse_args()
    rounds, share, names = arguments.rounds, arguments.share, arguments.contenders
    for workload in arguments.workloads:
        if arguments.cold:
            cold(workload, arguments.threads)
        else:
            table(workload, rounds, share, names, arguments.threads)


if __name__ == "__main__":
    main()
