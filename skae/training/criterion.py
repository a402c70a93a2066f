"""What becomes of the terms of each row: a mean for each term."""

import torch
from torch import nn


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
