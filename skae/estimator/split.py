"""Rows that training does without, by which it is stopped or the size of the code is chosen."""

import numpy as np
import torch

from ..data.tables import share
from ..training.randomness import make_generator
from .size import has_unseen_rows


def sets_rows_aside(estimator):
    """Whether there are any."""
    return estimator.early_stopping or has_unseen_rows(estimator)


def split(estimator, n_rows, weights):
    """Return the numbers of the validation rows, and of those of the training.

    Rows without weight have no say in either part.

    Parameters
    ----------
    estimator : BaseAutoencoder
    n_rows : int
    weights : tensor of shape (n_rows,) or None
    """
    order = torch.randperm(n_rows, generator=make_generator(estimator._split_seed, "split"))
    order = order if weights is None else order[weights.cpu()[order] > 0]
    n, n_valid = len(order), max(1, round(estimator.validation_fraction * len(order)))
    if n - n_valid < 2:
        asks, instead = "early_stopping=True", "early_stopping=False"
        if not estimator.early_stopping:
            asks, instead = "n_components='auto' with ordered=True", "a number for n_components"
        raise ValueError(
            f"validation_fraction={estimator.validation_fraction} leaves {n - n_valid} of "
            f"{n} samples for training, where {asks} sets one aside at least; 2 are needed. Take "
            f"more rows, a smaller fraction, or {instead}."
        )
    return tuple(part.sort()[0] for part in order.tensor_split([n_valid]))


def validation_rows(estimator, n_rows, weights):
    """Return the numbers of the validation rows as an array; None where there are none.

    Parameters
    ----------
    estimator : BaseAutoencoder
    n_rows : int
    weights : ndarray of shape (n_rows,) or None
    """
    if not sets_rows_aside(estimator):
        return None
    weights = None if weights is None else share(weights)
    return split(estimator, n_rows, weights)[0].numpy()


def weights_of_training(estimator, n_rows, weights):
    """Return the weights of rows as training has them: 0 for validation rows.

    Parameters
    ----------
    estimator : BaseAutoencoder
    n_rows : int
    weights : ndarray of shape (n_rows,) or None
    """
    unseen = validation_rows(estimator, n_rows, weights)
    if unseen is None:
        return weights
    seen = np.ones(n_rows) if weights is None else weights.copy()
    seen[unseen] = 0
    return seen
