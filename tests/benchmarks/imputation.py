"""The imputer beside others: errors in hidden cells, intervals, multiple imputation, time.

    python tests/benchmarks/imputation.py random [--half tune] [--masks 3] [--trees]
    python tests/benchmarks/imputation.py mechanisms [--half tune]
    python tests/benchmarks/imputation.py rubin [--tables 200]
    python tests/benchmarks/imputation.py many
    python tests/benchmarks/imputation.py time

"random" hides 20 and 50 % of the cells at random; "mechanisms" hides half of the cells of half of
the columns by what another column is (at random given what is observed), or by what they are
themselves (not at random), and fills fresh rows. Errors are root mean squares over hidden cells in
standard deviations of the columns, as a ratio to one Gaussian fitted by EM, ``Imputer(1)``; means
over sets are geometric. "rubin" covers a regression coefficient by Rubin's intervals, "many" fills
a thousand rows that were not fitted beside a thousand that were.

Sets come from scikit-learn and from a seed. Sorted by name, those at even places are for tuning,
those at odd ones for reporting only. With three masks a half takes ten minutes on one core.
"""

import argparse
import time
import warnings
from collections import defaultdict

import numpy as np
from data_sets import HALVES, load
from scipy.stats import t as student
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from skae import Imputer

MOST_ROWS = 1500


def make_clusters(n_samples=1000, n_features=12, n_clusters=6):
    """Return rows of groups whose places and shapes differ."""
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(n_clusters, n_features, n_features)) / 2
    places = 2 * rng.normal(size=(n_clusters, n_features))
    kind = rng.integers(n_clusters, size=n_samples)
    noise = rng.normal(size=(n_samples, n_features))
    return places[kind] + np.einsum("nij,nj->ni", shapes[kind], noise)


def make_curves(n_samples=1000, n_features=20):
    """Return sines of two numbers and some noise: a bent surface."""
    rng = np.random.default_rng(0)
    z = rng.uniform(-2, 2, size=(n_samples, 2))
    waves = np.sin(z @ rng.normal(size=(2, n_features)) * 1.5 + rng.uniform(0, 6, n_features))
    return waves + 0.1 * rng.normal(size=waves.shape)


def make_factors(n_samples=1000, n_features=12, n_factors=3, noise=0.5):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n_samples, n_factors))
    signal = Z @ rng.normal(size=(n_factors, n_features))
    return signal + noise * rng.normal(size=signal.shape)


NAMES = [
    *("almost linear", "breast cancer", "clusters", "correlated gaussian", "counts", "curves"),
    *("diabetes", "digits", "discrete", "friedman1", "heavy tails", "iris", "linear factors"),
    *("s curve", "skewed", "swiss roll", "tanh factors", "wine"),
]
OWN = {
    "clusters": make_clusters,
    "curves": make_curves,
    "discrete": lambda: np.round(make_factors()),
    "skewed": lambda: np.exp(0.6 * make_factors()),
}
NAMES_OF = {half: NAMES[i::2] for i, half in enumerate(HALVES)}


def table(name):
    """Return at most 1500 rows of a set, columns that vary, standardised."""
    X = OWN[name]() if name in OWN else load(name)
    X = np.random.default_rng(0).permutation(X)[:MOST_ROWS]
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0)


# What is hidden


def at_random(X, share, rng):
    return rng.random(X.shape) < share


def by_another_column(X, rng):
    """Hide half of the cells of every second column, where the next column is large."""
    hidden = np.zeros(X.shape, dtype=bool)
    for j in range(0, X.shape[1] - 1, 2):
        chance = 1 / (1 + np.exp(-2 * X[:, j + 1]))
        hidden[:, j] = rng.random(len(X)) < chance
    return hidden


def by_itself(X, rng):
    """Hide half of the cells of every second column, large numbers rather than small ones."""
    hidden = np.zeros(X.shape, dtype=bool)
    for j in range(0, X.shape[1] - 1, 2):
        hidden[:, j] = rng.random(len(X)) < 1 / (1 + np.exp(-2 * X[:, j]))
    return hidden


def keep_some(X, hidden):
    """Return X with holes; of each column three cells at least are left."""
    hidden[:3, (~hidden).sum(axis=0) < 3] = False
    return np.where(hidden, np.nan, X), hidden


# Who fills


def trees(seed):
    forest = ExtraTreesRegressor(50, min_samples_leaf=2, random_state=seed)
    return IterativeImputer(forest, max_iter=3, random_state=seed)


def imputers(seed, with_trees):
    yield "gaussian", Imputer(1, random_state=seed)
    yield "imputer", Imputer(random_state=seed)
    yield "iterative", IterativeImputer(random_state=seed)
    yield "neighbours", KNNImputer()
    if with_trees:
        yield "trees", trees(seed)


def measure(X, hidden, seed, with_trees=False, fresh=None):
    """Return {name: (error, seconds, fitted)} of the imputers on a table with holes.

    `fresh` are rows with holes and what they were, on which errors are then.
    """
    holes, hidden = keep_some(X, hidden)
    target_holes, truth = (holes, X) if fresh is None else fresh
    missing, result = np.isnan(target_holes), {}
    for name, imputer in imputers(seed, with_trees):
        start = time.perf_counter()
        filled = imputer.fit(holes).transform(target_holes)
        seconds = time.perf_counter() - start
        error = np.sqrt(np.mean((filled - truth)[missing] ** 2))
        result[name] = (error, seconds, imputer)
    return result


def coverage(imputer, holes, truth, level=0.9):
    low, high = imputer.intervals(holes, coverage=level)
    return np.mean(((low <= truth) & (truth <= high))[np.isnan(holes)])


# Tables


def show(name, found, extra=""):
    least = found["gaussian"][0]
    parts = [f"{n} {e / least:.3f} ({s:.1f} s)" for n, (e, s, _) in found.items()]
    ours = found["imputer"][2]
    chosen = f"K {ours.n_components_}, z {ours.z_:.1f}"
    print(f"{name:<26} gaussian {least:.3f}: {', '.join(parts[1:])}; {chosen}{extra}", flush=True)


class Tally:
    """Ratios, wins and times, collected fit by fit."""

    def __init__(self):
        self.ratios, self.seconds = defaultdict(list), defaultdict(list)
        self.coverages, self.losses = [], []

    def add(self, label, found, covered=None):
        ours = found["imputer"][0]
        for name, (error, seconds, _) in found.items():
            self.ratios[name].append(ours / error)
            self.seconds[name].append(seconds)
            if name != "imputer" and ours / error > 1.002:
                self.losses.append(f"{label} to {name}: {ours / error:.3f}")
        if covered is not None:
            self.coverages.append(covered)

    def show(self, title):
        print(f"\n{title}: {len(self.ratios['imputer'])} fits")
        for name, ratios in self.ratios.items():
            if name != "imputer":
                ratios, times = np.array(ratios), self.seconds[name]
                print(
                    f"  error over that of {name:<11} {np.exp(np.log(ratios).mean()):.3f}; not "
                    f"above 1 in {np.mean(ratios <= 1):.0%}, above 1.002 in "
                    f"{np.mean(ratios > 1.002):.0%}; median {np.median(times):.1f} s"
                )
        times = self.seconds["imputer"]
        print(f"  the imputer: median {np.median(times):.1f} s, longest {max(times):.1f} s")
        if self.coverages:
            low, high = min(self.coverages), max(self.coverages)
            mean = np.mean(self.coverages)
            print(f"  90 % intervals cover {mean:.3f} on average, {low:.3f} to {high:.3f}")
        print("  losses: " + ("; ".join(self.losses) or "none"), flush=True)


def run_random(args):
    for share in (0.2, 0.5):
        tally = Tally()
        for name in NAMES_OF[args.half]:
            for seed in range(args.masks):
                X = table(name)
                hidden = at_random(X, share, np.random.default_rng(seed))
                found = measure(X, hidden, seed, args.trees)
                holes, _ = keep_some(X, hidden)
                covered = coverage(found["imputer"][2], holes, X)
                tally.add(f"{name}, mask {seed}", found, covered)
                show(f"{name} {share:.0%} mask {seed}", found, f", covers {covered:.3f}")
        tally.show(f"{args.half}, {share:.0%} hidden at random")


def run_mechanisms(args):
    for title, hide in (("by another column", by_another_column), ("by itself", by_itself)):
        tally, biases = Tally(), []
        for name in NAMES_OF[args.half]:
            X = table(name)
            holes, hidden = keep_some(X, hide(X, np.random.default_rng(0)))
            found = measure(X, hidden, 0)
            ours = found["imputer"][2]
            covered = coverage(ours, holes, X)
            biases.append(np.mean((ours.transform(holes) - X)[hidden]))
            tally.add(name, found, covered)
            show(f"{name} {title}", found, f", covers {covered:.3f}, bias {biases[-1]:.3f}")
        tally.show(f"{args.half}, hidden {title}")
        print(f"  mean bias {np.mean(biases):.3f}, {min(biases):.3f} to {max(biases):.3f}")
    run_fresh(args)


def run_fresh(args):
    """Rows that were not fitted: of tables with holes, and of whole ones."""
    for title, share in (("30 % holes in both", 0.3), ("whole rows fitted, half hidden", 0.0)):
        tally, excess = Tally(), {}
        for name in NAMES_OF[args.half]:
            rng = np.random.default_rng(0)
            X, truth = np.array_split(table(name), 2)
            hidden, fresh = (at_random(A, s, rng) for A, s in ((X, share), (truth, share or 0.5)))
            found = measure(X, hidden, 0, fresh=(np.where(fresh, np.nan, truth), truth))
            tally.add(name, found)
            show(f"{name}, fresh", found)
            if share and len(X) >= 500:
                holes, hidden = keep_some(X, hidden)
                own = (found["imputer"][2].transform(holes) - X)[hidden]
                excess[name] = found["imputer"][0] / np.sqrt(np.mean(own**2))
        tally.show(f"{args.half}, fresh rows, {title}")
        if excess:
            print("  error on fresh rows over that on fitted ones: " + ", ".join(
                f"{name} {ratio:.3f}" for name, ratio in excess.items()
            ))  # fmt: skip


def run_many(args):
    """Errors on rows that were not fitted over those on rows that were, a thousand of each."""
    sets = {"clusters": make_clusters, "curves": make_curves, "factors": make_factors}
    sets["skewed"] = lambda n_samples: np.exp(0.6 * make_factors(n_samples))
    for name, make in sets.items():
        X = make(n_samples=2000)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        holes = np.where(at_random(X, 0.3, np.random.default_rng(0)), np.nan, X)
        imputer = Imputer(random_state=0).fit(holes[:1000])
        squares = np.where(np.isnan(holes), (imputer.transform(holes) - X) ** 2, np.nan)
        own, fresh = (np.sqrt(np.nanmean(part)) for part in np.array_split(squares, 2))
        print(f"{name:<10} fitted {own:.3f}, fresh {fresh:.3f}: {fresh / own:.3f}", flush=True)


def run_rubin(args):
    """Cover a slope by Rubin's intervals from tables that lack cells of two columns."""
    for make in (gaussian_rows, grouped_rows):
        for imputer in (Imputer(1, ridge=1e-4), Imputer(random_state=0)):
            found = [cover(make, imputer, seed) for seed in range(args.tables)]
            inside, lengths, whole = np.transpose(found)
            print(
                f"{make.__name__}, {imputer}: 95 % intervals cover {inside.mean():.3f} of "
                f"{args.tables}, {lengths.mean() / whole.mean():.2f} times as long as those of "
                "whole tables",
                flush=True,
            )


def gaussian_rows(rng, n_samples=300):
    """Return rows of x, w, y with y = x / 2 + w + noise; the slope of y on x beside w is 1/2."""
    x = rng.normal(size=n_samples)
    w = 0.5 * x + rng.normal(size=n_samples)
    return np.column_stack([x, w, 0.5 * x + w + rng.normal(size=n_samples)])


def grouped_rows(rng, n_samples=300):
    """Return such rows of two groups, whose x and w are tied in opposite ways."""
    group = rng.choice([-1, 1], size=n_samples)
    x = 2 * group + rng.normal(size=n_samples)
    w = group * x + 0.5 * rng.normal(size=n_samples)
    return np.column_stack([x, w, 0.5 * x + w + rng.normal(size=n_samples)])


def cover(make, imputer, seed, n_draws=20):
    """Return whether the interval covers the slope, its length, and that of the whole table."""
    rng = np.random.default_rng(seed)
    X = make(rng)
    holes = X.copy()
    holes[rng.random(len(X)) < 0.3, 1] = np.nan  # at random
    chance = 1 / (1 + np.exp(-X[:, 0]))  # and by another column
    holes[rng.random(len(X)) < 0.6 * chance, 2] = np.nan
    draws = imputer.fit(holes).impute(holes, n_draws, random_state=seed)
    slopes, variances = np.transpose([slope(draw) for draw in draws])
    within, between = variances.mean(), (1 + 1 / n_draws) * slopes.var(ddof=1)
    freedom = (n_draws - 1) * (1 + within / between) ** 2
    half = student.ppf(0.975, freedom) * np.sqrt(within + between)
    return abs(slopes.mean() - 0.5) < half, 2 * half, 2 * 1.97 * np.sqrt(slope(X)[1])


def slope(X):
    """Return the coefficient of the first column in the regression of the last, its variance."""
    A = np.column_stack([X[:, :-1], np.ones(len(X))])
    coefficients, (squares,), *_ = np.linalg.lstsq(A, X[:, -1])
    variance = squares / (len(X) - A.shape[1]) * np.linalg.inv(A.T @ A)[0, 0]
    return coefficients[0], variance


def run_time(args):
    rng = np.random.default_rng(0)
    for n, d in ((1000, 50), (10_000, 20), (100_000, 20)):
        Z = rng.normal(size=(n, 4))
        X = np.tanh(Z @ rng.normal(size=(4, d))) + 0.2 * rng.normal(size=(n, d))
        holes = np.where(rng.random(X.shape) < 0.3, np.nan, X)
        start = time.perf_counter()
        imputer = Imputer(random_state=0).fit(holes)
        middle = time.perf_counter()
        imputer.transform(holes)
        end = time.perf_counter()
        print(
            f"{n} x {d}, 30 % holes: fit {middle - start:.1f} s, transform {end - middle:.1f} s, "
            f"K {imputer.n_components_}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["random", "mechanisms", "rubin", "many", "time"])
    parser.add_argument("--half", choices=HALVES, default="report")
    parser.add_argument("--masks", type=int, default=3)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--trees", action="store_true", help="IterativeImputer with ExtraTrees")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # of IterativeImputer, nearly always
    runs = {
        "random": run_random,
        "mechanisms": run_mechanisms,
        "rubin": run_rubin,
        "many": run_many,
        "time": run_time,
    }
    runs[args.what](args)


if __name__ == "__main__":
    main()
