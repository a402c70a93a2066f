"""Nested dropout: in training each row keeps a prefix of its code, so that the code is ordered."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn

# Chosen by tests/benchmarks/ordered_codes.py: the share of the rows that keep the whole code; and
# what share of the variance a prefix leaves at least, as far as weights go. With less the whole
# code gains a little, and the first numbers lose much: long prefixes hold them at PCA's.
WHOLE, LEAST_LEFT = 0.25, 0.3

GOLDEN = (5**0.5 - 1) / 2  # whose multiples are spread evenly over the unit interval
MOST_EVALUATED = 16  # prefixes that stand for all where a loss is measured


def shares_of_prefixes(n_components: int) -> Tensor:
    """Return how often a row keeps its first 1, 2, ... numbers, (n_components,).

    `WHOLE` of the rows keep them all; for the others the logarithm of the number is uniform, as
    the first components are those in which codes differ most.
    """
    edges = torch.arange(1, n_components + 2, dtype=torch.float64).log()
    shares = (1 - WHOLE) * edges.diff() / edges[-1]
    shares[-1] += WHOLE
    return shares


class NestedDropout(nn.Module):
    r"""Nested dropout (Rippel, Gelbart and Adams 2014): codes whose every prefix is a code.

    .. math:: \sum_j p_j w_j \, \ell(x, (z_1, \dots, z_j, 0, \dots, 0))

    with the probability p_j of `shares_of_prefixes`, and weights w_j that make the losses of short
    and long prefixes alike. A number that is dropped is 0, in the network's units.

    Parameters
    ----------
    n_components : int
    """

    repeatable = True
    shares: Tensor
    ends: Tensor
    kept: Tensor
    weights: Tensor

    def __init__(self, n_components: int) -> None:
        super().__init__()
        self.n_components = n_components
        self._measures_whole = False
        shares = shares_of_prefixes(n_components)
        self.register_buffer("shares", shares, persistent=False)
        self.register_buffer("ends", shares.cumsum(0)[:-1].float(), persistent=False)
        kept = torch.ones(n_components, n_components).tril()
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("weights", torch.ones(n_components))

    def start(self, left: Tensor, variance: float | Tensor) -> None:
        """Weigh each prefix by one over what a linear model of it leaves of the variance.

        The mean of the weighted losses is then the mean of the losses, where training starts.

        Parameters
        ----------
        left : tensor of shape (n_components,)
        variance : float
            Of the data, summed over features.
        """
        left = left.clamp_min(LEAST_LEFT * float(variance))
        if float(variance) > 0:
            self.weights.copy_((self.shares.to(left) @ left) / left)

    def draw(self, n_rows: int, generator: Generator) -> Tensor:
        """Return which prefix each row keeps, (n_rows,): one less than its length.

        Lengths are spread over the rows of a batch as evenly as their probabilities allow.
        """
        like: dict[str, Any] = {"device": self.ends.device, "dtype": self.ends.dtype}
        first = torch.rand((), generator=generator, **like)
        places = torch.arange(n_rows, **like)
        return torch.bucketize((first + places * GOLDEN).frac(), self.ends, right=True)

    def terms(
        self, terms_of: Callable[..., dict[str, Tensor]], prefix: Tensor | None, *others: Any
    ) -> dict[str, Tensor]:
        """Return the loss terms of rows that keep a prefix each.

        Parameters
        ----------
        terms_of : callable
            Takes the prefix of each row, or one number for all, and `others`; returns loss terms.
        prefix : tensor of shape (n_rows,) or None
            As `draw` returns it. None measures the loss: the mean over prefixes of each row.
        """
        if prefix is not None:
            return _weigh(terms_of(prefix, *others), self.weights[prefix])
        if self._measures_whole:
            return terms_of(self.n_components - 1, *others)
        total: dict[str, Tensor] = {}
        for j, share in self.evaluated():
            found = _weigh(terms_of(j, *others), share * self.weights[j])
            total = {name: total.get(name, 0) + term for name, term in found.items()}
        return total

    @contextmanager
    def whole_code(self) -> Iterator[None]:
        """Let a loss that is measured be that of the whole code, without a weight."""
        self._measures_whole = True
        try:
            yield
        finally:
            self._measures_whole = False

    def evaluated(self) -> list[tuple[int, float]]:
        """Return the prefixes, by one less than their lengths, that a loss is measured with.

        And how much each counts. They are all, or some that stand for their neighbours too.
        """
        k = self.n_components
        ends = torch.linspace(0, k, min(k, MOST_EVALUATED) + 1).round().long().tolist()
        shares = self.shares.tolist()
        return [(b - 1, sum(shares[a:b])) for a, b in itertools.pairwise(ends)]


def _weigh(terms: dict[str, Tensor], weights: Tensor) -> dict[str, Tensor]:
    """Return terms times the weights of their rows; a term of a whole batch takes the mean."""
    return {name: t * (weights if t.dim() else weights.mean()) for name, t in terms.items()}
