"""Which size ``n_components="auto"`` chooses on ten manifolds whose dimension is known.

The list and its answers were fixed before the rule was. An answer is the smallest dimension of a
Euclidean space that the manifold embeds in: 2 for a circle, 1 for an open curve. PCA needs more
numbers for the last seven, which are curved. Each is turned into ten dimensions, with noise of a
twentieth of its scale in all of them.

    python tests/benchmarks/sizes.py [--model vae]
"""

import argparse
import time
import warnings

import numpy as np
import torch
from ordered_codes import MODELS, embed
from sklearn.datasets import make_s_curve, make_swiss_roll

N, NOISE = 1000, 0.05


def curve(functions, low=-1.0, high=1.0):
    def make(rng):
        t = rng.uniform(low, high, N)
        return np.column_stack([f(t) for f in functions])

    return make


def bowl(rng):
    u, v = rng.normal(size=(2, N))
    return np.column_stack([u, v, (u**2 + v**2) / 2, (u**2 - v**2) / 2])


def products(rng):
    u, v, w = rng.normal(size=(3, N))
    return np.column_stack([u, v, w, u * v, v * w, u * w])


def circle(rng):
    t = rng.uniform(0, 2 * np.pi, N)
    return np.column_stack([np.cos(t), np.sin(t)])


WAVES = [lambda t, i=i: np.sin(np.pi * t * i / 2 + i) for i in (1, 2, 3, 4)]

# Name: rows of a generator, and the answer.
MANIFOLDS = {
    "plane": (lambda rng: rng.normal(size=(N, 2)) * [2, 1], 2),
    "gaussian of 5": (lambda rng: rng.normal(size=(N, 5)) * np.linspace(1.5, 1, 5), 5),
    "circle": (circle, 2),
    "helix": (curve([np.cos, np.sin, lambda t: t / 3], 0, 9), 1),
    "spiral": (curve([lambda t: t * np.cos(t), lambda t: t * np.sin(t)], 2, 10), 1),
    "waves": (curve(WAVES), 1),
    "swiss roll": (lambda rng: make_swiss_roll(N, random_state=0)[0], 2),
    "s curve": (lambda rng: make_s_curve(N, random_state=0)[0], 2),
    "bowl": (bowl, 2),
    "products": (products, 3),
}


def make(name):
    """Return rows, and the answer."""
    rows, answer = MANIFOLDS[name]
    X = rows(np.random.default_rng(0))
    return embed(X, 10, NOISE * X.std()), answer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="ae")
    parser.add_argument("--only", nargs="*", default=list(MANIFOLDS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    distances = []
    for name in args.only:
        X, answer = make(name)
        start = time.perf_counter()
        model = MODELS[args.model]("auto", ordered=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X)
        distances.append(abs(model.n_components_ - answer))
        print(
            f"{name:<16} answer {answer}, chosen {model.n_components_}, "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
    exact, near = (sum(d <= most for d in distances) for most in (0, 1))
    print(f"exact on {exact} of {len(distances)}, within one on {near}")


if __name__ == "__main__":
    main()
