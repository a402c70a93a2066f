"""What becomes of the terms of each row: a mean for each term."""

from collections.abc import Mapping

import torch
from torch import nn

RESERVED = ("loss", "loss_best", "batch_count")  # the history has them, after its prefixes


def check_terms(terms, n_rows):
    """Refuse terms that have no name for the history, or no mean over the rows of a batch.

    It takes a microsecond a term, and what repeats steps does without.
    """
    if not isinstance(terms, Mapping) or not terms:
        raise TypeError(
            "forward must return a dict of terms, with one at least. Got "
            f"{'an empty one' if terms == {} else type(terms).__name__} instead."
        )
    for name, term in terms.items():
        if name in RESERVED:
            raise ValueError(
                f"The term {name!r} has a name that the history has a use for. Give it another "
                f"name than {', '.join(map(repr, RESERVED))}."
            )
        if not torch.is_tensor(term):
            raise TypeError(
                f"The term {name!r} must be a tensor of shape (batch,) or (). Got "
                f"{type(term).__name__} instead: a constant has no place among the terms."
            )
        if term.shape not in ((n_rows,), ()):
            raise ValueError(
                f"The term {name!r} must have shape ({n_rows},), a number for each row of the "
                f"batch, or (), one for the batch as a whole. Got shape {tuple(term.shape)} "
                "instead: sum it over what is not rows."
            )


def check_is_sum_over_rows(terms):
    """Refuse, where several ranks have rows, terms that say nothing of single ones."""
    for name, term in terms.items():
        if term.dim() == 0:
            raise ValueError(
                f"The term {name!r} is one number for a batch as a whole, which the batches of "
                "several ranks together are not. Make it a number for each row, of shape "
                "(batch,), or set distributed=False."
            )


def weighted_mean(term, weights):
    """Return sum(w l) / sum(w); a scalar term is returned as it is."""
    if term.dim() == 0:
        return term
    if weights is None:
        return term.mean()
    return (weights * term).sum() / weights.sum().clamp_min(torch.finfo(term.dtype).tiny)


class WeightedMeans(nn.Module):
    """skorch's criterion: named terms and sample weights in, one number per term out."""

    def forward(self, terms, weights):
        """Return each term's mean over the rows of the batch; their sum is the loss."""
        return [weighted_mean(term, weights) for term in terms.values()]
