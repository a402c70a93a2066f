"""The size that ``VAE("auto", ordered=True)`` chooses, beside a grid of separate models.

    python tests/benchmarks/chosen_sizes.py [--mnist mnist.npz] [--splits 3] [--only wine]

A `VAE` of each size 1, 2, 4, ... of the grid is fitted to 70 % of the rows and scored on the
others, in nats. "best" is the size with the highest score, "least" the smallest within one
standard error (over rows, of the paired difference) of it. The chosen size stands for the nearest
of the grid: it is good where a separate model of that size is within one standard error of the
best, and not too large where it is at most one step above the least.
"""

import argparse
import time
import warnings

import numpy as np
import torch
from ordered_codes import REPORT
from sklearn.model_selection import train_test_split

from skae import VAE

GRID = (1, 2, 4, 8, 16, 32)


def measure(X, seed):
    """Return the size chosen, the grid, scores of rows by size, and seconds of both."""
    train, test = train_test_split(X, test_size=0.3, random_state=seed)
    start = time.process_time()
    chosen = VAE("auto", ordered=True, random_state=seed).fit(train).n_components_
    seconds = [time.process_time() - start]
    grid = [k for k in GRID if k < X.shape[1]]
    scores = [VAE(k, random_state=seed).fit(train).score_samples(test) for k in grid]
    seconds.append(time.process_time() - start - seconds[0])
    return chosen, grid, np.array(scores), seconds


def judge(chosen, grid, scores):
    """Return the place of the best size in the grid, of the least and of the chosen one."""
    best = int(scores.mean(axis=1).argmax())
    behind = scores[best] - scores
    errors = behind.std(axis=1) / np.sqrt(scores.shape[1])
    is_level = behind.mean(axis=1) <= errors
    nearest = int(np.abs(np.log(np.array(grid) / chosen)).argmin())
    return best, int(is_level.argmax()), nearest, bool(is_level[nearest])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", help="an .npz file with x_train")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(REPORT))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    verdicts = []
    for name in args.only or [n for n in REPORT if args.mnist or n != "mnist"]:
        X, _ = REPORT[name](args.mnist)
        for seed in range(args.splits):
            chosen, grid, scores, seconds = measure(X, seed)
            best, least, nearest, is_good = judge(chosen, grid, scores)
            verdicts.append((is_good, nearest <= least + 1))
            words = ("good" if is_good else "behind", "small" if verdicts[-1][1] else "large")
            print(
                f"{name:<18} chosen {chosen:>2}, best {grid[best]:>2}, least {grid[least]:>2}: "
                f"{words[0]:<6} {words[1]:<5} "
                f"{seconds[0]:5.0f} s, grid {seconds[1]:5.0f} s",
                flush=True,
            )
    good, small = np.mean(verdicts, axis=0)
    print(f"within one standard error {good:.0%}, at most one step too large {small:.0%}")


if __name__ == "__main__":
    main()
