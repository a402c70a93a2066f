"""Corruptions C(x~ | x): what is done to a row before a model restores it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from .. import _ranks

CORRUPTIONS = ("gaussian", "masking", "salt_and_pepper", "swap")
Kind = str | Callable[[Tensor], Tensor]
PROBABILITIES = ("masking", "salt_and_pepper", "swap")  # those whose level is one

# Each takes x, (batch, n_features), the level, and the draws of one step: noise, standard normal,
# and u and v, uniform in [0, 1), all of the shape of x.


def add_gaussian(x: Tensor, level: float | Tensor, noise: Tensor) -> Tensor:
    """Return x + s e."""
    return x + level * noise


def mask(x: Tensor, level: float, u: Tensor) -> Tensor:
    """Set features to 0, the mean of centred data."""
    return torch.where(u < level, torch.zeros_like(x), x)


def salt_and_pepper(
    x: Tensor, level: float, u: Tensor, v: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """Set features to their smallest or largest value, with equal odds."""
    return torch.where(u < level, torch.where(v < 0.5, low, high), x)


def swap(x: Tensor, level: float, u: Tensor, v: Tensor, pool: Tensor) -> Tensor:
    """Take features from other rows, those of the pool."""
    other = (v * len(pool)).long()
    return torch.where(u < level, pool.gather(0, other), x)


def check_level(kind: Kind, level: float) -> None:
    """Refuse a level that is no probability where it has to be one."""
    if kind in PROBABILITIES and level > 1:
        raise ValueError(
            f"corruption_level is a probability, at most 1, for corruption={kind!r}. "
            f"Got {level!r} instead."
        )


def _checked(corrupted: Any, x: Tensor) -> Tensor:
    """Return what a user's function made of x, or refuse it."""
    if not torch.is_tensor(corrupted):
        raise TypeError(
            "corruption must return a tensor, as it is given one. "
            f"Got {type(corrupted).__name__} instead: torch.as_tensor makes one of it."
        )
    if corrupted.shape != x.shape:
        raise ValueError(
            f"corruption must return rows of the shape that it is given, {tuple(x.shape)}. "
            f"Got {tuple(corrupted.shape)} instead."
        )
    return corrupted


class Corruption(nn.Module):
    """One of `CORRUPTIONS`, or a callable of the user, at a level.

    Parameters
    ----------
    kind : str or callable
    level : float, or tensor of shape (n_features,) for Gaussian noise
    n_features : int
    """

    repeatable = True
    level: Any
    low: Tensor
    high: Tensor

    def __init__(self, kind: Kind, level: float | Tensor, n_features: int) -> None:
        super().__init__()
        self.kind = kind
        if torch.is_tensor(level):
            self.register_buffer("level", level, persistent=False)  # a parameter, nothing learnt
        else:
            self.level = level
        self.register_buffer("low", torch.zeros(n_features))
        self.register_buffer("high", torch.zeros(n_features))

    @torch.no_grad()
    def start(self, spans: Iterable[Tensor]) -> None:
        """Learn each feature's range from batches of rows."""
        ranges = [(x.amin(dim=0), x.amax(dim=0)) for x in spans]
        low, high = (torch.stack(ends) for ends in zip(*ranges, strict=True))
        self.low.copy_(_ranks.smallest(low.amin(dim=0)))
        self.high.copy_(_ranks.largest(high.amax(dim=0)))

    def draw(self, n_rows: int, generator: Generator) -> tuple[Tensor, ...]:
        """Return the random inputs of one step, a tuple of tensors (n_rows, n_features)."""
        shape = (n_rows, len(self.low))
        like: dict[str, Any] = {"device": self.low.device, "dtype": self.low.dtype}
        if callable(self.kind):
            return ()
        if self.kind == "gaussian":
            return (torch.randn(shape, generator=generator, **like),)
        n_draws = 1 if self.kind == "masking" else 2
        return torch.rand((n_draws, *shape), generator=generator, **like).unbind()

    def forward(self, x: Tensor, noise: Sequence[Tensor], pool: Tensor | None = None) -> Tensor:
        """Return x~; features are swapped with the rows of the pool, by default those of x."""
        if callable(self.kind):
            return _checked(self.kind(x), x)
        if self.kind == "gaussian":
            return add_gaussian(x, self.level, *noise)
        if self.kind == "masking":
            return mask(x, self.level, *noise)
        u, v = noise
        if self.kind == "swap":
            return swap(x, self.level, u, v, x if pool is None else pool)
        return salt_and_pepper(x, self.level, u, v, self.low, self.high)
