"""What estimators ask of a network: of one that they build, and of one of the user's."""

import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor, nn

# Chosen by tests/benchmarks/defaults.py: layers with more inputs have a smaller learning rate, in
# proportion. A step of Adam moves all weights by the same length, and the value of a unit the
# farther the more of them it has (Yang et al. 2021, "Tensor programs V", table 3).
FULL_RATE_INPUTS = 128


Layer = TypeVar("Layer", bound=nn.Module)


class BaseNetwork(nn.Module):
    """A network that an estimator may build, from (batch, n_in) to (batch, n_out).

    A class says ``built_in = True`` in its own body, and starts as the methods below ask. Beside
    it there may be a linear path A: what it returns is A x plus what its last layer makes of the
    rest, and where the weights of that are zero the network is a linear map of our choice.

    Attributes
    ----------
    built_in : bool
        False for a network of the user's, which is left as it is.
    path : nn.Linear or None
        A, where it exists.
    """

    built_in = False
    path: nn.Linear | None

    #: Names of the parameters that have an entry for each output, in their first dimension.
    of_outputs: Sequence[str] = ()
    #: Names of the parameters that have an entry for each input, in their second dimension.
    of_inputs: Sequence[str] = ()

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        raise NotImplementedError

    def silence_outputs(self, outputs: slice) -> None:
        """Let some outputs be what their bias, and the linear path, says."""
        raise NotImplementedError

    def start_linear(self, weight: Tensor) -> None:
        """Make the whole network the linear map `weight`, (n_out, n_in)."""
        raise NotImplementedError

    def start_bias(self, bias: Tensor, gain: float = 1.0) -> None:
        """Set the bias of the outputs, (n_out,), and scale the weights before them."""
        raise NotImplementedError

    def undecayed_parameters(self) -> list[Tensor]:
        """Return the parameters that weight decay leaves alone beside the biases."""
        return [] if self.path is None else [self.path.weight]

    def step_sizes(self) -> dict[Tensor, float]:
        """Return the learning rate of each matrix, relative to that of the fit; 1 by default."""
        return {}

    def draw_masks(self, n_rows: int, generator: Generator | None) -> tuple[Tensor, ...]:
        """Return the dropout masks of one step, here none."""
        return ()


def is_ours(network: nn.Module) -> bool:
    """Whether an estimator built the network: what it is made of is known then, else nothing."""
    return bool(vars(type(network)).get("built_in") and network.built_in)


def apply(network: nn.Module, x: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
    """Return what a network makes of x; one of the user's may change it, or its precision."""
    if is_ours(network):
        return network(x, *masks)
    return network(x.clone(), *masks).to(x.dtype)


def draw_masks(network: Any, n_rows: int, generator: Generator | None) -> tuple[Tensor, ...]:
    """Return the dropout masks of a network for one step, none where it does not take them."""
    definer = next(parent for parent in type(network).__mro__ if "forward" in vars(parent))
    takes = issubclass(definer, BaseNetwork) and vars(definer).get("built_in", False)
    return network.draw_masks(n_rows, generator) if takes else ()


def step_size(n_inputs: int) -> float:
    """Return the learning rate of a layer's weights, relative to that of the fit."""
    return min(1.0, FULL_RATE_INPUTS / n_inputs)


@functools.cache
def _undrawn(kind: type[Layer]) -> type[Layer]:
    """Return a class of layers that draws nothing from torch's global generator."""
    return type(kind.__name__, (kind,), {"reset_parameters": lambda layer: None})


def empty_layer(kind: type[Layer], *sizes: int, **options: Any) -> Layer:
    """Return a layer of torch's own without numbers; `skip_init` takes ten times as long."""
    undrawn = _undrawn(kind)  # type: ignore[arg-type]
    layer = undrawn(*sizes, device="cpu", dtype=torch.float32, **options)
    layer.__class__ = kind
    return layer
