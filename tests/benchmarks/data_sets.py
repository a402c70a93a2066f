"""The data sets of defaults.py: raw tables and images, in two halves.

All come from scikit-learn, from a seed, from statsmodels where that is installed, and MNIST from a
file. Sorted by name, those at even places are for tuning, those at odd ones for reporting only; a
place is counted over all names, whether or not a set is at hand. A name that is added or changed
moves the sets behind it to the other half: see `half_of` for what comes out, and choose it so that
images and wide sets are in both.

    python tests/benchmarks/data_sets.py [--mnist mnist.npz]      # names, halves and shapes
"""

import argparse
from functools import lru_cache, partial

import numpy as np
from sklearn import datasets

HALVES = ("tune", "report")
IMAGES = {"digits", "digits 60", "ellipses", "mnist", "photo patches"}
FINALS = {"large"}
STATSMODELS = {"anes96", "ccard", "fair", "star98", "statecrime"}


# Made of a few factors


def make_factors(link, n_samples=600, n_features=40, n_factors=5, noise=0.3, seed=0):
    """Return rows that are `link` of a linear map of a few factors, plus noise."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n_samples, n_factors))
    signal = link(Z @ rng.normal(size=(n_factors, n_features)))
    return signal + noise * signal.std() * rng.normal(size=signal.shape)


def make_almost_linear(n_samples=2100, n_features=21, n_factors=10):
    """Return a linear map of factors, a tenth of their squares, and a tenth of noise."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n_samples, n_factors))
    linear, curved = rng.normal(size=(2, n_factors, n_features))
    noise = rng.normal(size=(n_samples, n_features))
    return Z @ linear + 0.1 * (Z**2 - 1) @ curved + 0.1 * noise


def make_correlated_gaussian(n_samples=500, n_features=20, correlation=0.9):
    """Return a Gaussian whose columns are a stationary chain: nothing but linear."""
    place = np.arange(n_features)
    covariance = correlation ** np.abs(place[:, None] - place)
    rng = np.random.default_rng(0)
    return rng.multivariate_normal(np.zeros(n_features), covariance, size=n_samples)


def make_counts(n_samples=1000, n_features=30, n_factors=4):
    """Return Poisson counts whose log rates are linear in a few factors."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(n_samples, n_factors))
    rates = np.exp(1 + 0.5 * Z @ rng.normal(size=(n_factors, n_features)))
    return rng.poisson(rates).astype(float)


def make_heavy_tails(n_samples=1000, n_features=25, n_factors=5):
    """Return a linear map of Student's t with three degrees of freedom, plus Gaussian noise."""
    rng = np.random.default_rng(0)
    Z = rng.standard_t(3, size=(n_samples, n_factors))
    X = Z @ rng.normal(size=(n_factors, n_features))
    return X + 0.3 * X.std() * rng.normal(size=X.shape)


def make_friedman1():
    """Return features and target side by side."""
    return np.column_stack(datasets.make_friedman1(500, noise=1.0, random_state=0))


# Images


def make_ellipses(n_samples=2000, size=16):
    """Return pictures of one filled ellipse each: place, axes and angle at random."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, size)])
    centres, axes = rng.uniform(-0.4, 0.4, (n_samples, 2)), rng.uniform(0.2, 0.6, (n_samples, 2))
    angles = rng.uniform(0, np.pi, n_samples)
    pictures = []
    for (cx, cy), (a, b), angle in zip(centres, axes, angles, strict=True):
        u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        inside = 1 - np.hypot(u / a, v / b)
        pictures.append(1 / (1 + np.exp(-8 * inside)))
    return np.reshape(pictures, (n_samples, -1))


def cut_photo_patches(n_samples=3000, size=16):
    """Return grey squares from random places of scikit-learn's two photographs."""
    rng = np.random.default_rng(0)
    photos = [photo.mean(axis=2) for photo in datasets.load_sample_images().images]
    patches = []
    for i in range(n_samples):
        photo = photos[i % len(photos)]
        row, column = (rng.integers(n - size + 1) for n in photo.shape)
        patches.append(photo[row : row + size, column : column + size].ravel())
    return np.array(patches)


# Tables that others have collected


def bundled(name):
    """Return the numbers of a set that scikit-learn ships."""
    return getattr(datasets, f"load_{name}")().data


def load_linnerud():
    """Return exercises and measures of 20 people side by side."""
    bunch = datasets.load_linnerud()
    return np.column_stack([bunch.data, bunch.target])


def load_statsmodels(name, n_rows=2000):
    """Return the numeric columns of a set that statsmodels ships, `n_rows` of them at most."""
    import statsmodels.api as sm

    table = getattr(sm.datasets, name).load_pandas().data
    return some_rows(table.select_dtypes("number").dropna().to_numpy(dtype=float), n_rows)


def some_rows(X, n_rows):
    """Return so many rows of X, drawn without repetition."""
    return np.random.default_rng(0).permutation(X)[:n_rows]


LOADERS = {
    "almost linear": make_almost_linear,
    "breast cancer": partial(bundled, "breast_cancer"),
    "breast cancer 105": lambda: some_rows(bundled("breast_cancer"), 105),
    "correlated gaussian": make_correlated_gaussian,
    "counts": make_counts,
    "diabetes": lambda: datasets.load_diabetes(scaled=False).data,
    "digits": partial(bundled, "digits"),
    "digits 60": lambda: some_rows(bundled("digits"), 60),
    "digits transposed": lambda: bundled("digits").T,
    "ellipses": make_ellipses,
    "friedman1": make_friedman1,
    "heavy tails": make_heavy_tails,
    "iris": partial(bundled, "iris"),
    "large": lambda: make_factors(np.tanh, 100_000, 30),
    "linear factors": lambda: make_factors(np.positive),
    "linnerud": load_linnerud,
    "photo patches": cut_photo_patches,
    "s curve": lambda: datasets.make_s_curve(1000, noise=0.05, random_state=0)[0],
    "swiss roll": lambda: datasets.make_swiss_roll(1000, random_state=0)[0],
    "tanh factors": lambda: make_factors(np.tanh),
    "tanh factors 50": lambda: make_factors(np.tanh)[:50],
    "tanh factors wide": lambda: make_factors(np.tanh, 100, 400),
    "wine": partial(bundled, "wine"),
    "wine 60": lambda: some_rows(bundled("wine"), 60),
    **{name: partial(load_statsmodels, name) for name in STATSMODELS},
}
NAMES = sorted([*LOADERS, "mnist"])


# What is asked for by name


def half_of(name):
    """Return which half of the sets one is of, by its place among the names."""
    return HALVES[NAMES.index(name) % 2]


@lru_cache
def load(name, mnist=None, finals=False):
    """Return a set, raw, float64.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    mnist : str or None
        An .npz file with x_train, 60000 images; needed for "mnist" alone.
    finals : bool
        Whether to take 10000 rows of MNIST, not 2000.
    """
    if name != "mnist":
        return np.array(LOADERS[name](), dtype=np.float64)
    with np.load(mnist) as file:
        images = file["x_train"][: 10_000 if finals else 2000]
    return images.reshape(len(images), -1).astype(np.float64)


def names_at_hand(mnist=None, finals=False):
    """Return the sets that can be had, and say which cannot and why."""
    missing = set() if finals else set(FINALS)
    if mnist is None:
        missing.add("mnist")
        print("mnist is left out: it needs --mnist FILE")
    try:
        import statsmodels.api  # noqa: F401
    except ImportError:
        missing |= STATSMODELS
        print(f"{', '.join(sorted(STATSMODELS))} are left out: statsmodels is not installed")
    return [name for name in NAMES if name not in missing]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mnist")
    args = parser.parse_args()
    for name in names_at_hand(args.mnist, finals=True):
        n_rows, n_features = load(name, args.mnist).shape
        kind = "image" if name in IMAGES else "table"
        print(f"{name:<20}{half_of(name):<8}{kind:<7}{n_rows:>7} x {n_features}")


if __name__ == "__main__":
    main()
