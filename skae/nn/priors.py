"""Priors of codes, p(z) or p(z | c): modules that return a distribution."""

import math
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .distributions import Gaussian, Mixture, make_posterior
from .networks import MLP


class StandardPrior(nn.Module):
    """p(z) = N(0, I)."""

    repeatable = True

    def __init__(self, n_components: int) -> None:
        super().__init__()
        self.n_components = n_components

    def forward(self, module: Any, c: Tensor | None = None) -> Gaussian:
        """Return p(z)."""
        zeros = module.warmth.new_zeros(self.n_components)
        return Gaussian(zeros, zeros)


class MixturePrior(nn.Module):
    """p(z), a mixture of Gaussians with diagonal covariances, learned with the networks."""

    repeatable = True

    def __init__(self, n_prior_components: int, n_components: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_prior_components))
        self.means = nn.Parameter(torch.zeros(n_prior_components, n_components))
        self.log_scales = nn.Parameter(torch.zeros(n_prior_components, n_components))

    @torch.no_grad()
    def start(self, module: Any, rows: Tensor) -> None:
        """Place the components at the codes of rows, here made-up ones."""
        self.means.copy_(module.encode(rows))
        self.log_scales.fill_(math.log(0.5))

    def forward(self, module: Any) -> Mixture:
        """Return p(z)."""
        parameters = torch.cat([self.means, self.log_scales], dim=1)
        return Mixture(self.logits.log_softmax(0), make_posterior(parameters, self.means.shape[1]))


class VampPrior(nn.Module):
    """p(z), the mixture of the posteriors of learned pseudo-inputs (Tomczak and Welling 2018)."""

    repeatable = True

    def __init__(self, n_prior_components: int, n_features: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_prior_components))
        self.pseudo_inputs = nn.Parameter(torch.zeros(n_prior_components, n_features))

    @torch.no_grad()
    def start(self, module: Any, rows: Tensor) -> None:
        """Take over the first pseudo-inputs."""
        self.pseudo_inputs.copy_(rows)

    def forward(self, module: Any) -> Mixture:
        """Return p(z)."""
        return Mixture(self.logits.log_softmax(0), module.q_of_whole(self.pseudo_inputs))


class ConditionalPrior(nn.Module):
    """p(z | c) = N(m(c), diag s^2(c)), with m and log s from a network."""

    repeatable = True

    def __init__(self, network: MLP, n_components: int) -> None:
        super().__init__()
        self.network, self.n_components = network, n_components
        with torch.no_grad():  # whatever c, it starts at N(0, I)
            network.layers[-1].weight.zero_()

    def forward(self, module: Any, c: Tensor) -> Gaussian:
        """Return p(z | c)."""
        return make_posterior(self.network(c), self.n_components)


class FittedPrior(nn.Module):
    """No p(z) in the objective; after it, a Gaussian fitted to the codes."""

    repeatable = True
    mean: Tensor
    factor: Tensor

    def __init__(self, n_components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_components))
        self.register_buffer("factor", torch.eye(n_components))

    @torch.no_grad()
    def fit(self, mean: ArrayLike, covariance: ArrayLike) -> None:
        """Take over the moments of the codes, (n_components,) and its square."""
        self.mean.copy_(torch.as_tensor(mean))
        self.factor.copy_(torch.linalg.cholesky(torch.as_tensor(covariance)))

    def forward(self, module: Any, c: Tensor) -> Gaussian:
        """Return the Gaussian."""
        return Gaussian(self.mean, self.factor.diagonal().log(), self.factor.tril(-1))
