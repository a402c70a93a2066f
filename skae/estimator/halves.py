"""Two halves of the training rows, where one is to say what the other is like."""

import torch

from ..data.sources import ChosenRows
from ..training.randomness import make_generator

FEWEST_ROWS = 8  # whose halves say nothing


def rows_with_weight(rows, weights, index=None):
    """Return the numbers of the rows that count, of those in `index` or of all."""
    index = torch.arange(len(rows)) if index is None else index.cpu()
    return index if weights is None else index[weights.cpu()[index] > 0]


def halves_of(estimator, rows, weights, index):
    """Return two halves of the rows with some numbers, as (rows, weights)."""
    order = torch.randperm(len(index), generator=make_generator(estimator._seed, "trial"))
    parts = [part.sort()[0].to(rows.device) for part in index[order].chunk(2)]
    return [(ChosenRows(rows, p), None if weights is None else weights[p]) for p in parts]
