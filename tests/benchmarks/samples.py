"""Are new rows like unseen ones? Draws of every estimator beside held-out digits or MNIST.

    python tests/benchmarks/samples.py [--mnist mnist.npz] [--components 10 20] [--neighbours 15]
    python tests/benchmarks/samples.py --only DenoisingAutoencoder --mnist mnist.npz

"apart" is how often the nearest neighbour among draws and unseen rows is of the same kind (0.5 is
perfect), "sure" the mean of the largest probability that a logistic regression of training rows
gives to draws, relative to unseen rows; "copies" is the share of draws that are nearer to a
training row than to an unseen one (0.5 is fair), with its standard error; "distance" is that to
the nearest training row, and "of unseen" the same of what the model makes of unseen rows.
"""

import argparse
import warnings

import numpy as np
from judges import Judge
from mnist import load
from sklearn.datasets import load_digits

import skae.estimator.windows
from skae import VAE, AdversarialAutoencoder, Autoencoder, ConditionalVAE, DenoisingAutoencoder

WAYS = {  # how each estimator has drawn before, beside what it does now
    Autoencoder: [{}],
    VAE: [{}, {"codes": "prior"}],
    AdversarialAutoencoder: [{}, {"codes": "prior"}],
    DenoisingAutoencoder: [{}, {"codes": "chain"}],
    ConditionalVAE: [{}, {"codes": "prior"}],
}


def draw(model, judge, way):
    """Return as many draws as there are unseen rows, of their labels where the model knows any."""
    if not isinstance(model, ConditionalVAE):
        return model.sample(len(judge.unseen), random_state=0, **way)
    labels, counts = np.unique(judge.y_unseen, return_counts=True)
    drawn = model.sample(counts.max(), condition=labels, random_state=0, **way)
    parts = np.split(drawn, len(labels))
    return np.vstack([part[:n] for part, n in zip(parts, counts, strict=True)])


def main():
    """Print a line for each estimator, size and way of drawing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist")
    parser.add_argument("--components", type=int, nargs="+", default=[10, 20])
    parser.add_argument("--neighbours", type=int, default=skae.estimator.windows.N_NEIGHBOURS)
    parser.add_argument("--only", nargs="*", help="names of estimators")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    skae.estimator.windows.N_NEIGHBOURS = arguments.neighbours
    if arguments.mnist:
        X, y, *_ = load(arguments.mnist)
        judge = Judge(X[:3000], y[:3000], 2000)
    else:
        X, y = load_digits(return_X_y=True)
        judge = Judge(X / 16, y, 1000)
    sure = judge.sureness(judge.unseen)
    for estimator, ways in WAYS.items():
        if arguments.only and estimator.__name__ not in arguments.only:
            continue
        wide = ["auto"] if estimator is DenoisingAutoencoder else []
        for k in [*arguments.components, *wide]:
            given = {"condition": judge.y} if estimator is ConditionalVAE else {}
            model = estimator(k, random_state=0).fit(judge.train, **given)
            given = {"condition": judge.y_unseen} if given else {}
            of_unseen = judge.distance(model.reconstruct(judge.unseen, **given))
            for way in ways:
                S = draw(model, judge, way)
                copies = judge.copies(S)
                print(
                    f"{estimator.__name__:24} {k!s:4} {way.get('codes', 'fitted'):7} apart "
                    f"{judge.apart(S):.3f} told {judge.told(S):.3f} "
                    f"sure {judge.sureness(S) / sure:.2f} "
                    f"copies {copies.share:.2f} ± {copies.standard_error:.2f} distance "
                    f"{judge.distance(S):.2f} of unseen {of_unseen:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
