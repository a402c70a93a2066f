"""Distributions of the data given the code: p(x | z)."""

from typing import NamedTuple

import torch
from torch.nn import functional as F


class Likelihood(NamedTuple):
    """A p(x | z) whose parameters a decoder returns."""

    loss: object  # (parameters, x) -> (batch,), minus log p(x | z) up to a constant
    mean: object  # parameters -> E[x | z]


def squared_error(x_hat, x):
    """Minus log N(x; x_hat, I / 2) up to a constant: the squared error summed over features."""
    return (x - x_hat).square().sum(dim=1)


def bernoulli_cross_entropy(logits, x):
    """Minus log of independent Bernoulli distributions, summed over features, in nats."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)


LIKELIHOODS = {
    "gaussian": Likelihood(loss=squared_error, mean=lambda x_hat: x_hat),
    "bernoulli": Likelihood(loss=bernoulli_cross_entropy, mean=torch.sigmoid),
}
