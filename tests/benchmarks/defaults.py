"""What defaults are chosen by: held-out explained variance against PCA's, over many data sets.

    python tests/benchmarks/defaults.py --quick                   # two sizes a set, one split
    python tests/benchmarks/defaults.py --contenders ae vae bare  # the whole, for tuning
    python tests/benchmarks/defaults.py --half report --finals --mnist mnist.npz
    python tests/benchmarks/defaults.py --setting "" --setting "alpha=1.0 learning_rate_init=0.002"

**The sets** are those of data_sets.py, raw, and with `--standardised` tables also with columns of
unit variance. Sorted by name, every second one, at the odd places, is for REPORTING only: choose
by `--half tune`, the default, and look at `--half report` once the choice is made. Each line says
which half its set is of. Set and code sizes do not depend on what is compared.

**A figure** is a share of explained variance (`skae.metrics.explained_variance`) minus PCA's, on
the 30 % of rows held out, in brackets on the training rows; the mean over splits. "start" is the
loss of the first epoch, averaged over its steps, relative to the loss of PCA's solution, where a
linear path starts: above 1 the first steps have led away. "s" are seconds of CPU time of a fit, on
one thread.

**The contenders**: `ae` Autoencoder, `vae` VAE, by the reconstruction of its mean, `bare` a plain
network (bare_network.py) of the same widths, batch size and epochs, whose seconds are those of
its four fits, and `dae` DenoisingAutoencoder: clean held-out rows from rows with noise of 0.3
times the standard deviation over all features, minus the share that PCA restores as a Wiener
filter of as many components (that is what the lead of `dae` is over). PCA is always there.
Parameters of `--set` and `--setting` go to `ae`, `vae` and `dae`.

**Settings**: every one of `--widths` with every `--setting`, each a set of constructor parameters,
with those of `--set` in common. A name with a colon is a constant of the package, for
experiments: `--constant skae.estimator.choices:NAME=value` for all settings, and in a `--setting`
for it alone. It must be named where it is looked up; what was imported from there by name keeps
its value.

**The summary** of a setting: the worst and the mean lead, the number of cases below -0.005 (sets
of 100 rows and more) or -0.02 (smaller ones), the mean over images and over tables; and beside
`bare`, by how much `ae` is ahead of that.

**Time**: `--quick` takes Autoencoder about a minute of CPU time over the tuning half, that is half
a minute on two idle cores. Without it there are three splits and up to four sizes, about six times
as much. VAE takes 1.5 times what Autoencoder takes, DenoisingAutoencoder the same, the plain
network six times as much.
"""

import argparse
import ast
import csv
import importlib
import re
import time
import warnings
from contextlib import contextmanager
from itertools import product
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import torch
from bare_network import BareNetwork
from data_sets import FINALS, HALVES, IMAGES, NAMES, half_of, load, names_at_hand
from joblib import Parallel, delayed
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder, DenoisingAutoencoder
from skae.estimator.choices import batch_size_for, hidden_layer_sizes_of, n_epochs_for
from skae.metrics import explained_variance

WIDTHS = [(128, 64), (16,), (256, 128), (512, 256), (1024,)]  # of ``--widths all``
MODELS = {"ae": Autoencoder, "vae": VAE, "dae": DenoisingAutoencoder}
CONTENDERS = ("pca", *MODELS, "bare")
NOISE = 0.3  # of `dae`, in units of the standard deviation over all features
MISS, MISS_OF_FEW, FEW = -0.005, -0.02, 100


class Case(NamedTuple):
    """A data set and the size of a code."""

    name: str
    standardised: bool
    n_components: int
    mnist: str | None
    finals: bool

    def load(self):
        return load(self.name, self.mnist, self.finals)

    def describe(self):
        kind = " std" if self.standardised else ""
        n_rows, n_features = self.load().shape
        return (
            f"  {self.name + kind:<23}{half_of(self.name):<7}"
            f"{f'{n_rows} x {n_features}':>12} k={self.n_components:<3}"
        )


class Setting(NamedTuple):
    """Parameters of constructors, constants of the package, and who is compared."""

    name: str
    params: dict
    constants: dict
    contenders: tuple


# Cases


def sizes_for(X, n_sizes=None):
    """Return code sizes that leave something to compress, the most telling ones."""
    n_train, n_features = int(0.7 * X.shape[0]), X.shape[1]
    wanted = dict.fromkeys((2, min(n_features // 4, 50), 10, 1, 5, 20))
    possible = [k for k in wanted if 0 < k < min(n_train, n_features)]
    return sorted(possible[:n_sizes])


def make_cases(args):
    """Return all cases that the arguments ask for."""
    n_sizes = None if args.all_sizes else 2 if args.quick else 4
    finals = args.finals or bool(FINALS & set(args.only or ()))
    names = [n for n in names_at_hand(args.mnist, finals) if is_wanted(n, args)]
    cases = []
    for name in names:
        copies = (False, True) if args.standardised and name not in IMAGES else (False,)
        sizes = args.sizes or sizes_for(load(name, args.mnist, args.finals), n_sizes)
        cases += [Case(name, s, k, args.mnist, args.finals) for s, k in product(copies, sizes)]
    return cases


def is_wanted(name, args):
    """Whether a set is named, or else in the half."""
    return name in args.only if args.only else args.half in ("both", half_of(name))


# Settings


def parse_params(text):
    """Return parameters and constants of a text such as ``alpha=1.0 widths=(8, 4)``."""
    params, constants = {}, {}
    for item in re.split(r"\s+(?=[\w.:]+=)", text.strip()) if text.strip() else ():
        name, separator, value = item.partition("=")
        if not separator:
            raise SystemExit(f"A setting is made of name=value, apart by spaces. Got {item!r}.")
        words = value.isidentifier() and value not in ("True", "False", "None")
        (constants if ":" in name else params)[name] = value if words else ast.literal_eval(value)
    return params, constants


def make_settings(args):
    """Return every one of the widths with every setting; `bare` once for each widths."""
    common, constants = parse_params(" ".join([*args.set, *args.constant]))
    widths = WIDTHS if args.widths == ["all"] else list(map(ast.literal_eval, args.widths))
    settings = []
    for width in widths or [None]:
        for i, text in enumerate(args.setting or [""]):
            own, own_constants = parse_params(text)
            wide = {} if width is None else {"hidden_layer_sizes": width}
            contenders = tuple(c for c in args.contenders if c != "pca" and (c != "bare" or not i))
            name = " ".join(filter(None, [str(width or ""), text])) or "default"
            params = {**common, **wide, **own}
            settings.append(Setting(name, params, {**constants, **own_constants}, contenders))
    return settings


def check(settings):
    """Refuse what a contender or the package does not know, before anything is fitted."""
    for setting in settings:
        for contender in set(setting.contenders) & set(MODELS):
            MODELS[contender]().set_params(**setting.params)
        with overridden(setting.constants):
            pass


@contextmanager
def overridden(constants):
    """Give constants of the package, ``module:NAME`` or ``module:Class.NAME``, other values."""
    before = []
    try:
        for path, value in constants.items():
            module, _, name = path.partition(":")
            *owners, last = name.split(".")
            owner = importlib.import_module(module)
            owner = attrgetter(".".join(owners))(owner) if owners else owner
            before.append((owner, last, getattr(owner, last)))
            setattr(owner, last, value)
        yield
    finally:
        for owner, last, value in reversed(before):
            setattr(owner, last, value)


# Measuring


def measure(case, setting, n_splits):
    """Return one row for each split and contender."""
    torch.set_num_threads(1)
    rows = []
    with warnings.catch_warnings(), overridden(setting.constants):
        warnings.simplefilter("ignore")
        for split in range(n_splits):
            train, test = split_rows(case, split)
            pca = PCA(case.n_components, svd_solver="full").fit(train)
            for contender in setting.contenders or ("pca",):
                figures = FIGURES[contender](contender, pca, train, test, setting.params, split)
                rows.append({**about(case, setting), "contender": contender, "split": split})
                rows[-1].update(figures, lead=figures["test"] - figures["pca"])
                rows[-1]["lead_train"] = figures["train"] - figures["pca_train"]
    return rows


def split_rows(case, split):
    """Return training and test rows, standardised where the case is."""
    train, test = train_test_split(case.load(), test_size=0.3, random_state=split)
    if case.standardised:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return train, test


def about(case, setting):
    """Return what a row of results is of."""
    n_rows, n_features = case.load().shape
    return {
        "setting": setting.name,
        "set": case.name,
        "half": half_of(case.name),
        "kind": "image" if case.name in IMAGES else "table",
        "standardised": case.standardised,
        "n": n_rows,
        "d": n_features,
        "k": case.n_components,
    }


def shares(model, pca, train, test):
    """Return explained shares of a model and of PCA."""
    names = "test", "train", "pca", "pca_train"
    values = [explained_variance(m, X) for m, X in product((model, pca), (test, train))]
    return dict(zip(names, values, strict=True))


def measure_pca(contender, pca, train, test, params, seed):
    return {**shares(pca, pca, train, test), "start": np.nan, "seconds": 0.0}


def measure_coder(contender, pca, train, test, params, seed):
    """Return figures of `ae` or `vae`."""
    model = MODELS[contender](pca.n_components_, random_state=seed)
    seconds = time_fit(model.set_params(**params), train)
    start = first_loss(model, pca, train) if contender == "ae" else np.nan
    return {**shares(model, pca, train, test), "start": start, "seconds": seconds}


def measure_bare(contender, pca, train, test, params, seed):
    """Return figures of a plain network, with the widths, batches and epochs of `params`."""
    known = {k: v for k, v in params.items() if k in Autoencoder().get_params()}
    twin = Autoencoder(**known)
    widths, batch_size = hidden_layer_sizes_of(twin), batch_size_for(twin, len(train))
    n_epochs = n_epochs_for(twin, len(train))
    model = BareNetwork(pca.n_components_, widths, batch_size, n_epochs, seed)
    seconds = time_fit(model, train)
    return {**shares(model, pca, train, test), "start": np.nan, "seconds": seconds}


def measure_dae(contender, pca, train, test, params, seed):
    """Return shares of clean rows that are restored from noisy ones, beside a Wiener filter's."""
    deviation = NOISE * np.sqrt(np.square(train - pca.mean_).mean())
    options = {"corruption_level": NOISE, "random_state": seed, **params}
    model = DenoisingAutoencoder(pca.n_components_, **options)
    seconds = time_fit(model, train)
    rng = np.random.default_rng(seed)
    figures = {"start": np.nan, "seconds": seconds}
    for end, X in ("", test), ("_train", train):
        noisy = X + deviation * rng.normal(size=X.shape)
        restored = model.inverse_transform(model.transform(noisy))
        total = np.square(X - X.mean(axis=0)).sum()
        figures[end[1:] or "test"] = 1 - np.square(X - restored).sum() / total
        filtered = wiener(pca, noisy, deviation)
        figures["pca" + end] = 1 - np.square(X - filtered).sum() / total
    return figures


FIGURES = {
    "pca": measure_pca,
    "ae": measure_coder,
    "vae": measure_coder,
    "dae": measure_dae,
    "bare": measure_bare,
}


def wiener(pca, noisy, deviation):
    """Return rows restored by the components, each shrunk by its share of noise."""
    variance = pca.explained_variance_
    gain = variance / (variance + deviation**2)
    return pca.inverse_transform(pca.transform(noisy) * gain)


def time_fit(model, X):
    """Fit, and return the CPU seconds it took: others may be at work on the machine."""
    start = time.process_time()
    model.fit(X)
    return time.process_time() - start


def first_loss(model, pca, train):
    """Return the loss of the first epoch relative to that of PCA's solution."""
    if model.likelihood != "gaussian":
        return np.nan
    Z = (train - model.mean_) / model.scale_
    if np.ndim(model.scale_):
        pca = PCA(pca.n_components_, svd_solver="full").fit(Z)
        residual = Z - pca.inverse_transform(pca.transform(Z))
    else:
        residual = (train - pca.inverse_transform(pca.transform(train))) / model.scale_
    loss = np.square(residual).sum(axis=1).mean()
    return model.loss_curve_[0] / loss if loss > 0 else np.nan


# Reporting


def values_of(rows, key, **wanted):
    """Return a column of the rows that are as wanted."""
    return np.array([r[key] for r in rows if all(r[k] == v for k, v in wanted.items())])


def describe(case, rows):
    """Return the line of a case."""
    line = f"{case.describe()} PCA {pca_share(rows):.4f}"
    for contender in dict.fromkeys(values_of(rows, "contender")):
        lead, lead_train, start, seconds = (
            values_of(rows, key, contender=contender).mean()
            for key in ("lead", "lead_train", "start", "seconds")
        )
        if contender != "pca":
            line += f" | {contender} {lead:+.4f} ({lead_train:+.4f})"
            line += f" start {start:.2f}" if np.isfinite(start) else ""
            line += f" {seconds:.1f} s"
    return line


def pca_share(rows):
    """Return PCA's held-out share, of rows without noise where there are such."""
    clean = [row for row in rows if row["contender"] != "dae"]
    return values_of(clean or rows, "pca").mean()


def means_over_splits(rows):
    """Return one row for each contender and case: the mean lead, and the sum of seconds."""
    key = ("contender", "set", "standardised", "k")
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in key), []).append(row)
    return [
        {
            **group[0],
            "lead": np.mean([r["lead"] for r in group]),
            "seconds": sum(r["seconds"] for r in group),
        }
        for group in groups.values()
    ]


def mean_or_nan(values):
    return values.mean() if len(values) else np.nan


def summarise(setting, rows, i_setting):
    """Print what has come of a setting, a line for each contender."""
    cases = means_over_splits([row for row in rows if row["i_setting"] == i_setting])
    for contender in setting.contenders:
        own = [row for row in cases if row["contender"] == contender]
        lead = values_of(own, "lead")
        limit = np.where(values_of(own, "n") < FEW, MISS_OF_FEW, MISS)
        image, table = (mean_or_nan(values_of(own, "lead", kind=k)) for k in ("image", "table"))
        print(
            f"{setting.name:<40} {contender:<5} worst {lead.min():+.4f}  mean {lead.mean():+.4f}  "
            f"below {(lead < limit).sum():>3} of {len(lead)}  images {image:+.4f}  "
            f"tables {table:+.4f}  seconds {values_of(own, 'seconds').sum():.0f}",
            flush=True,
        )
    compare_with_bare(setting, cases)


def compare_with_bare(setting, cases):
    """Print by how much the autoencoder is ahead of the plain network, where both are there."""
    if {"ae", "bare"} <= set(setting.contenders):
        ae, bare = (values_of(cases, "lead", contender=c) for c in ("ae", "bare"))
        ahead = ae - bare
        print(
            f"{setting.name:<40} ae - bare: worst {ahead.min():+.4f}  mean {ahead.mean():+.4f}  "
            f"below {MISS}: {(ahead < MISS).sum()} of {len(ahead)}",
            flush=True,
        )


def write(path, rows):
    """Write all rows, one for each split."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(cases, settings, args):
    """Measure all settings, and print each case as it comes; return all rows."""
    n_splits = args.splits or (1 if args.quick else 3)
    pairs = list(product(settings, cases))
    results = Parallel(n_jobs=args.jobs, return_as="generator")(
        delayed(measure)(case, setting, n_splits) for setting, case in pairs
    )
    rows = []
    for i, ((setting, case), new) in enumerate(zip(pairs, results, strict=True)):
        if i % len(cases) == 0:
            print(f"\n{setting.name}", flush=True)
        print(describe(case, new), flush=True)
        rows += [{"i_setting": i // len(cases), **row} for row in new]
        if (i + 1) % len(cases) == 0:
            summarise(setting, rows, i // len(cases))
    return rows


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--half", choices=[*HALVES, "both"], default="tune")
    parser.add_argument("--only", nargs="*", choices=NAMES, help="sets, of whatever half")
    parser.add_argument("--mnist", help="an .npz file with x_train")
    parser.add_argument("--finals", action="store_true", help="more of MNIST, and the large set")
    parser.add_argument("--quick", action="store_true", help="one split, two sizes a set")
    parser.add_argument("--sizes", type=int, nargs="*", help="of the code, in place of the usual")
    parser.add_argument("--all-sizes", action="store_true")
    parser.add_argument("--standardised", action="store_true", help="tables in both units")
    parser.add_argument("--contenders", nargs="*", choices=CONTENDERS, default=["ae"])
    parser.add_argument("--widths", nargs="*", default=[], help='such as "(512, 256)"; or all')
    parser.add_argument("--set", nargs="*", default=[], help="name=value for every setting")
    parser.add_argument("--setting", action="append", help='"name=value name=value"; repeatable')
    parser.add_argument("--constant", action="append", default=[], help="module:NAME=value")
    parser.add_argument("--splits", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--csv", help="file for all rows")
    return parser.parse_args()


def main():
    args = parse_arguments()
    settings = make_settings(args)
    check(settings)
    cases = make_cases(args)
    if not cases:
        raise SystemExit("No set is left.")
    rows = run(cases, settings, args)
    if len(settings) > 1:
        print("\nAll settings")
        for i, setting in enumerate(settings):
            summarise(setting, rows, i)
    if args.csv:
        write(args.csv, rows)


if __name__ == "__main__":
    main()
