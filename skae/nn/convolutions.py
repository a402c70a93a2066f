r"""Convolutional networks of images, with an optional linear path beside them.

Rows are images of shape (height, width, channels), raveled; inside, tensors are (batch, channels,
height, width) with the channels innermost in memory, as they lie in a row. At each level a picture
has half the height and width of the level before, rounded up: any size goes, one pixel too. No
layer looks at more than one row, or keeps statistics.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from .activations import ACTIVATIONS
from .network import BaseNetwork, empty_layer, step_size


class Plan(NamedTuple):
    """What encoder and decoder of one kind of image have in common.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and channels.
    channels : tuple of int
        Of each level, from the finest to the coarsest.
    n_blocks : int
        Residual blocks of each level.
    activation : str
        A key of `ACTIVATIONS`.
    linear_path : bool
    """

    image_shape: tuple[int, int, int]
    channels: tuple[int, ...]
    n_blocks: int
    activation: str
    linear_path: bool = False

    @property
    def n_pixels(self) -> int:
        """Numbers of an image."""
        return math.prod(self.image_shape)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of the image and of each level."""
        height, width, _ = self.image_shape
        return [(-(-height // 2**i), -(-width // 2**i)) for i in range(len(self.channels) + 1)]

    @property
    def coarsest(self) -> tuple[int, int, int]:
        """Height, width and channels of the last level."""
        return (*self.sizes[-1], self.channels[-1])


def _conv(n_in: int, n_out: int, stride: int = 1) -> nn.Conv2d:
    return empty_layer(nn.Conv2d, n_in, n_out, 3, stride=stride, padding=1)


def _conv_transpose(n_in: int, n_out: int, bias: bool = True) -> nn.ConvTranspose2d:
    return empty_layer(nn.ConvTranspose2d, n_in, n_out, 4, stride=2, padding=1, bias=bias)


def _n_inputs(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> int:
    """Return how many numbers go into one of a layer's outputs."""
    weight = layer.weight
    if isinstance(layer, nn.ConvTranspose2d):  # of each 4 x 4 kernel 2 x 2 meet in a pixel
        return len(weight) * math.prod(layer.kernel_size) // math.prod(layer.stride)
    return weight[0].numel()


class Block(nn.Module):
    """A residual block, h + W_2 phi(W_1 phi(h)); it starts as the identity.

    Parameters
    ----------
    n_channels : int
    activation : str
        A key of `ACTIVATIONS`.
    """

    repeatable = True

    def __init__(self, n_channels: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.first, self.second = _conv(n_channels, n_channels), _conv(n_channels, n_channels)

    def forward(self, h: Tensor) -> Tensor:
        phi = ACTIVATIONS[self.activation]
        return h + self.second(phi(self.first(phi(h))))


class ConvNetwork(BaseNetwork):
    """What `ConvEncoder` and `ConvDecoder` share: blocks, a linear path, and how they start."""

    def __init__(self, plan: Plan, n_in: int, n_out: int) -> None:
        super().__init__()
        self.plan, self.n_in = plan, n_in
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Block(n, plan.activation) for _ in range(plan.n_blocks)))
            for n in plan.channels
        )
        self.path = empty_layer(nn.Linear, n_in, n_out, bias=False) if plan.linear_path else None
        of_path = () if self.path is None else ("path.weight",)
        self.of_inputs, self.of_outputs = of_path, of_path

    @torch.no_grad()
    def initialise(self, generator: Generator | None) -> None:
        """Draw weights and biases as torch does, uniformly within 1 / sqrt(n_in)."""
        for layer in self.modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                bound = 1 / math.sqrt(_n_inputs(layer))
                layer.weight.uniform_(-bound, bound, generator=generator)
                if layer.bias is not None:
                    layer.bias.uniform_(-bound, bound, generator=generator)
        for block in self.modules():
            if isinstance(block, Block):
                for parameter in block.second.parameters():
                    parameter.zero_()
        if self.path is not None:
            self.path.weight.zero_()

    def step_sizes(self) -> dict[Tensor, float]:
        """Return the learning rate of each weight, relative to that of the fit."""
        layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
        return {m.weight: step_size(_n_inputs(m)) for m in self.modules() if isinstance(m, layers)}

    def phi(self, h: Tensor) -> Tensor:
        """Return the activation of h."""
        return ACTIVATIONS[self.plan.activation](h)


class ConvEncoder(ConvNetwork):
    r"""Convolutions with stride 2, blocks between them, and a linear map of what they leave.

    A condition shifts the channels of each level.

    Parameters
    ----------
    plan : Plan
    n_out : int
        Number of outputs.
    n_conditions : int, default=0
        Columns of x after those of the image.
    generator : torch.Generator
        Draws the initial weights.
    """

    repeatable = True
    built_in = True

    def __init__(
        self,
        plan: Plan,
        n_out: int,
        *,
        n_conditions: int = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(plan, plan.n_pixels + n_conditions, n_out)
        widths = plan.image_shape[2], *plan.channels
        self.down = nn.ModuleList(
            _conv(a, b, stride=2) for a, b in zip(widths, plan.channels, strict=False)
        )
        self.shifts = nn.ModuleList(
            empty_layer(nn.Linear, n_conditions, n, bias=False)
            for n in plan.channels
            if n_conditions
        )
        self.head = empty_layer(nn.Linear, math.prod(plan.coarsest), n_out)
        self.of_outputs = ("head.weight", "head.bias", *self.of_outputs)
        self.initialise(generator)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.head.out_features

    @torch.no_grad()
    def silence_outputs(self, outputs: slice) -> None:
        """Let some outputs be what their bias, and the linear path, says."""
        self.head.weight[outputs] = 0

    @torch.no_grad()
    def start_linear(self, weight: Tensor) -> None:
        """Make the whole network the linear map `weight`, (n_out, n_in)."""
        assert self.path is not None
        self.head.weight.zero_()
        self.path.weight.copy_(weight)

    @torch.no_grad()
    def start_bias(self, bias: Tensor, gain: float = 1.0) -> None:
        """Set the bias of the outputs, (n_out,), and scale the weights before them."""
        self.head.bias.copy_(bias)
        self.head.weight.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        pixels, c = x[:, : self.plan.n_pixels], x[:, self.plan.n_pixels :]
        h = pixels.reshape(-1, *self.plan.image_shape).permute(0, 3, 1, 2)
        for i, (down, blocks) in enumerate(zip(self.down, self.blocks, strict=True)):
            h = down(self.phi(h) if i else h)
            if len(self.shifts):
                h = h + self.shifts[i](c)[:, :, None, None]
            h = blocks(h)
        out = self.head(self.phi(h).permute(0, 2, 3, 1).flatten(1))
        return out if self.path is None else out + self.path(x)


class ConvDecoder(ConvNetwork):
    r"""The mirror of a `ConvEncoder`: a linear map, then blocks and transposed convolutions.

    Their kernels are 4 x 4, at a stride of 2: each pixel is reached by as many of their numbers.
    They can do what a 3 x 3 convolution of a picture twice as large by nearest neighbours does,
    and take half its time.

    Parameters
    ----------
    plan : Plan
    n_in : int
        Number of inputs, a condition among them.
    generator : torch.Generator
        Draws the initial weights.
    """

    repeatable = True
    built_in = True

    def __init__(self, plan: Plan, n_in: int, *, generator: Generator | None = None) -> None:
        super().__init__(plan, n_in, plan.n_pixels)
        self.stem = empty_layer(nn.Linear, n_in, math.prod(plan.coarsest))
        coarse, fine = plan.channels[::-1], (*plan.channels[-2::-1], plan.image_shape[2])
        self.up: Sequence[nn.ConvTranspose2d] = nn.ModuleList(  # type: ignore[assignment]
            _conv_transpose(a, b, bias=i + 1 < len(coarse))
            for i, (a, b) in enumerate(zip(coarse, fine, strict=True))
        )
        self.bias = nn.Parameter(torch.zeros(plan.n_pixels))
        self.of_inputs = ("stem.weight", *self.of_inputs)
        self.initialise(generator)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.plan.n_pixels

    @torch.no_grad()
    def start_linear(self, weight: Tensor) -> None:
        """Make the whole network the linear map `weight`, (n_out, n_in)."""
        assert self.path is not None
        self.up[-1].weight.zero_()
        self.path.weight.copy_(weight)

    @torch.no_grad()
    def start_bias(self, bias: Tensor, gain: float = 1.0) -> None:
        """Set the bias of the pixels, (n_out,), and scale the weights before them."""
        self.bias.copy_(bias)
        self.up[-1].weight.mul_(gain)

    def forward(self, z: Tensor) -> Tensor:
        height, width, n = self.plan.coarsest
        h = self.stem(z).view(-1, height, width, n).permute(0, 3, 1, 2)
        sizes = self.plan.sizes[-2::-1]
        for blocks, up, (height, width) in zip(reversed(self.blocks), self.up, sizes, strict=True):
            h = up(self.phi(blocks(h)))[:, :, :height, :width]
        out = h.permute(0, 2, 3, 1).flatten(1) + self.bias
        return out if self.path is None else out + self.path(z)
