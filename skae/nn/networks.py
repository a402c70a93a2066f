"""Networks: multi-layer perceptrons with an optional linear path, and their tied mirror."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ..data.sparse_rows import linear, skips_zeros
from .activations import ACTIVATIONS
from .network import BaseNetwork, empty_layer, is_ours, step_size


def dropout_masks(
    widths: Sequence[int], p: float, n_rows: int, generator: Generator | None, like: Tensor
) -> tuple[Tensor, ...]:
    """Return a mask per hidden layer, (n_rows, width): 0 with probability p, else 1 / (1 - p)."""
    return tuple(
        torch.empty(n_rows, width, device=like.device, dtype=like.dtype)
        .bernoulli_(1 - p, generator=generator)
        .div_(1 - p)
        for width in widths
    )


def own_layers(network: nn.Module) -> Sequence[nn.Linear]:
    """Return the layers of a perceptron that an estimator built, of any other network none."""
    return network.layers if is_ours(network) and isinstance(network, MLP) else ()


def starts_itself(network: nn.Module) -> bool:
    """Whether a network of ours has a start of its own; tied weights start with the encoder's."""
    return is_ours(network) and not isinstance(network, TiedMLP)


class MLP(BaseNetwork):
    r"""A multi-layer perceptron, with or without a linear path beside it.

    .. math:: x \mapsto A x + W_L\,\phi(\dots \phi(W_1 x + b_1) \dots) + b_L

    Weights and biases are drawn as torch's linear layers do, uniformly within
    :math:`\pm 1 / \sqrt{n_{in}}`; those of a single layer with a variance of 1 / n_in, so that
    its outputs vary as its inputs do. The last bias starts at zero. With a linear path,
    :meth:`start_linear` sets A and silences the network beside it, so that training starts at a
    linear map of our choice; a network without hidden layers is its own linear path.

    Parameters
    ----------
    n_in : int
        Number of inputs.
    hidden_layer_sizes : sequence of int
        Widths of the hidden layers.
    n_out : int
        Number of outputs.
    activation : str, default="relu"
        A key of `ACTIVATIONS`.
    dropout : float, default=0
        Probability with which each hidden unit is dropped in training.
    linear_path : bool, default=False
        Whether A exists.
    unit_norm : bool, default=False
        Whether the columns of W_1 are divided by their norm.
    generator : torch.Generator
        Draws the initial weights.
    """

    repeatable = True
    built_in = True  # not by the user, whose perceptrons start as they are

    def __init__(
        self,
        n_in: int,
        hidden_layer_sizes: Sequence[int],
        n_out: int,
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        linear_path: bool = False,
        unit_norm: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout
        self.unit_norm = unit_norm
        widths = [n_in, *hidden_layer_sizes, n_out]
        self.layers: Sequence[nn.Linear] = nn.ModuleList(  # type: ignore[assignment]
            empty_layer(nn.Linear, a, b) for a, b in itertools.pairwise(widths)
        )
        last = len(self.layers) - 1
        self.of_inputs = ("layers.0.weight",)
        self.of_outputs = (f"layers.{last}.weight", f"layers.{last}.bias")
        self.path = None
        if linear_path and hidden_layer_sizes:
            self.path = empty_layer(nn.Linear, n_in, n_out, bias=False)
            self.of_inputs += ("path.weight",)
            self.of_outputs += ("path.weight",)
        self.has_linear_path = linear_path
        self._initialise(generator)

    @torch.no_grad()
    def _initialise(self, generator: Generator | None) -> None:
        gain = 1.0 if len(self.layers) > 1 else math.sqrt(3)
        for layer in self.layers:
            bound = gain / math.sqrt(layer.in_features)
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
        self.layers[-1].bias.zero_()
        if self.path is not None:
            self.path.weight.zero_()

    @torch.no_grad()
    def silence_outputs(self, outputs: slice) -> None:
        """Let some outputs be what their bias, and the linear path, says."""
        self.layers[-1].weight[outputs] = 0

    @torch.no_grad()
    def start_linear(self, weight: Tensor) -> None:
        """Make the whole network the linear map `weight`, (n_out, n_in)."""
        linear = self.layers[0] if self.path is None else self.path
        self.layers[-1].weight.zero_()
        linear.weight.copy_(weight)

    @torch.no_grad()
    def start_bias(self, bias: Tensor, gain: float = 1.0) -> None:
        """Set the bias of the last layer, (n_out,), and scale its weights."""
        self.layers[-1].bias.copy_(bias)
        self.layers[-1].weight.mul_(gain)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.layers[-1].out_features

    def undecayed_parameters(self) -> list[Tensor]:
        """Return the parameters that weight decay leaves alone beside the biases."""
        if not self.has_linear_path:
            return []
        return [(self.layers[0] if self.path is None else self.path).weight]

    def step_sizes(self) -> dict[Tensor, float]:
        """Return the learning rate of each matrix, relative to that of the fit."""
        layers = self.layers if self.path is None else [*self.layers, self.path]
        return {layer.weight: step_size(layer.in_features) for layer in layers}

    def draw_masks(self, n_rows: int, generator: Generator | None) -> tuple[Tensor, ...]:
        """Return the dropout masks of one step."""
        if not self.dropout:
            return ()
        *hidden, _ = self.layers
        widths = [layer.out_features for layer in hidden]
        return dropout_masks(widths, self.dropout, n_rows, generator, self.layers[0].weight)

    def first_weight(self) -> Tensor:
        """Return W_1 as it is applied."""
        weight = self.layers[0].weight
        return F.normalize(weight, dim=0) if self.unit_norm else weight

    def forward(self, x: Tensor, *masks: Tensor) -> Tensor:
        phi = ACTIVATIONS[self.activation]
        first, *others = self.layers  # a slice of them would be a module, made in each step
        h = linear(x, self.first_weight(), first.bias)
        for i, layer in enumerate(others):
            h = phi(h)
            if masks:
                h = h * masks[i]
            h = layer(h)
        if self.path is None:
            return h
        return h + (linear(x, self.path.weight) if skips_zeros(x) else self.path(x))


class TiedMLP(BaseNetwork):
    """The mirror of an `MLP`: its weights transposed, in reverse order, and biases of its own.

    Parameters
    ----------
    encoder : MLP
        The network to mirror. Its weights stay its own: they are not parameters of this module.
    """

    repeatable = True
    built_in = True

    def __init__(self, encoder: MLP) -> None:
        super().__init__()
        self.path = None  # the encoder's, transposed
        self._encoder = (encoder,)  # in a tuple: torch must not register the weights twice
        self.biases = nn.ParameterList(
            torch.zeros(layer.in_features) for layer in reversed(encoder.layers)
        )

    @torch.no_grad()
    def start_bias(self, bias: Tensor, gain: float = 1.0) -> None:
        """Set the bias of the last layer, (n_out,); its weights belong to the encoder."""
        self.biases[-1].copy_(bias)

    def draw_masks(self, n_rows: int, generator: Generator | None) -> tuple[Tensor, ...]:
        """Return the dropout masks of one step."""
        (encoder,) = self._encoder
        if not encoder.dropout:
            return ()
        _, *others = encoder.layers
        widths = [layer.in_features for layer in reversed(others)]
        return dropout_masks(widths, encoder.dropout, n_rows, generator, self.biases[0])

    def forward(self, z: Tensor, *masks: Tensor) -> Tensor:
        (encoder,) = self._encoder
        phi = ACTIVATIONS[encoder.activation]
        layers = list(reversed(encoder.layers))
        h = z
        for i, layer in enumerate(layers[:-1]):
            h = phi(F.linear(h, layer.weight.T, self.biases[i]))
            if masks:
                h = h * masks[i]
        h = F.linear(h, layers[-1].weight.T, self.biases[-1])
        return h if encoder.path is None else h + F.linear(z, encoder.path.weight.T)
