"""Distributions: of the data given the code, p(x | z); of the code, q(z | x) and p(z)."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

LOG_2PI = math.log(2 * math.pi)
LEAST_BINARY_VARIANCE = 1e-6
LARGEST_LOG_SCALE = 16.0  # standard deviations of codes stay between exp(-16) and exp(16)


class Likelihood(NamedTuple):
    """A p(x | z) without parameters of its own, as the deterministic models use it."""

    loss: Callable[
        [Tensor, Tensor], Tensor
    ]  # (parameters, x) -> (batch,), minus log p(x | z) up to a constant
    mean: Callable[[Tensor], Tensor]  # parameters -> E[x | z]


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Minus log N(x; x_hat, I / 2) up to a constant: the squared error summed over features."""
    return (x_hat - x).square().sum(dim=1)


def bernoulli_cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """Minus log of independent Bernoulli distributions, summed over features, in nats."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=-1)


LIKELIHOODS = {
    "gaussian": Likelihood(loss=squared_error, mean=lambda x_hat: x_hat),
    "bernoulli": Likelihood(loss=bernoulli_cross_entropy, mean=torch.sigmoid),
}


class Gaussian:
    r"""N(m, B B^T) with a triangular factor B = diag(s) + L.

    Leading dimensions of the parameters are those of a batch; z and noise are broadcast against
    them.

    Parameters
    ----------
    mean : tensor of shape (..., k)
        m.
    log_scale : tensor of shape (..., k) or ()
        log s; a single number stands for all.
    lower : tensor of shape (..., k, k) or None
        L, strictly lower triangular; None for a diagonal covariance.
    """

    def __init__(self, mean: Tensor, log_scale: Tensor, lower: Tensor | None = None) -> None:
        self.mean, self.log_scale, self.lower = mean, log_scale, lower

    @property
    def scale(self) -> Tensor:
        """The diagonal of B."""
        return self.log_scale.exp()

    @property
    def diagonal_variance(self) -> Tensor:
        """The squares of the diagonal of B, in double precision."""
        return (2 * self.log_scale.double()).exp()

    @property
    def log_determinant(self) -> Tensor:
        """The sum of log s over the components."""
        if self.log_scale.dim() == 0:
            return self.mean.shape[-1] * self.log_scale
        return self.log_scale.sum(-1)

    @property
    def variance(self) -> Tensor:
        """Of each component."""
        variance = self.scale.square()
        return variance if self.lower is None else variance + self.lower.square().sum(-1)

    @property
    def factor(self) -> Tensor:
        """B, (..., k, k)."""
        factor = torch.diag_embed(self.scale.expand_as(self.mean))
        return factor if self.lower is None else factor + self.lower

    @property
    def covariance(self) -> Tensor:
        """B B^T, (..., k, k)."""
        return self.factor @ self.factor.mT

    def draw(self, noise: Tensor) -> Tensor:
        """Return m + B e for standard normal e."""
        z = self.mean + self.scale * noise
        return z if self.lower is None else z + (self.lower @ noise[..., None])[..., 0]

    def log_prob_of_draw(self, noise: Tensor) -> Tensor:
        """Return log N(m + B e; m, B B^T), which needs no inverse of B."""
        k = self.mean.shape[-1]
        return -0.5 * (noise.square().sum(-1) + k * LOG_2PI) - self.log_determinant

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log N(z; m, B B^T)."""
        if self.log_scale.dim() == 0 and self.lower is None:  # one division for each row
            variance = (2 * self.log_scale).to(z.dtype).exp()
            squares = (z - self.mean).square().sum(-1) / variance
            k = self.mean.shape[-1]
            return -0.5 * (squares + k * LOG_2PI) - self.log_determinant
        if self.lower is None:
            return self.log_prob_of_draw((z - self.mean) / self.scale)
        like: dict[str, Any] = {"device": self.mean.device, "dtype": self.mean.dtype}
        identity = torch.eye(self.mean.shape[-1], **like)  # made there: a copy would be waited for
        inverse = torch.linalg.solve_triangular(self.factor, identity, upper=False)
        return self.log_prob_of_draw((inverse * (z - self.mean)[..., None, :]).sum(-1))

    def log_prob_of_cells(self, x: Tensor) -> Tensor:
        """Return log N(x_j; m_j, s_j^2) of each number, for a diagonal covariance."""
        return -0.5 * (((x - self.mean) / self.scale).square() + LOG_2PI) - self.log_scale

    def kl(self, p: "Gaussian") -> Tensor:
        r"""Return KL(self || p) split over the components, (..., k), for a diagonal p.

        The j-th part is the mean of :math:`KL(q(z_j | z_{<j}) \| p(z_j))`: with b_j the j-th row
        of B, :math:`(|b_j|^2 + (m_j - m'_j)^2) / 2 s'^2_j - 1/2 - \log s_j / s'_j`.
        """
        squares = self.variance + (self.mean - p.mean).square()
        return 0.5 * squares / p.scale.square() - 0.5 - self.log_scale + p.log_scale

    def sample(self, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
        """Return draws, (*shape, *mean.shape)."""
        shape = (*shape, *self.mean.shape)
        like: dict[str, Any] = {"device": self.mean.device, "dtype": self.mean.dtype}
        return self.draw(torch.randn(shape, generator=generator, **like))

    def masked(self, mask: Tensor) -> "Gaussian":
        """Return the Gaussian whose components where the mask, (..., k), is 0 are N(0, 1)."""
        lower = None if self.lower is None else self.lower * mask[..., None]
        return Gaussian(self.mean * mask, self.log_scale * mask, lower)

    def replaced(self, where: Tensor, p: "Gaussian") -> "Gaussian":
        """Return this Gaussian, but p where a mask, (..., 1), says so."""
        lower = None
        if self.lower is not None or p.lower is not None:
            mine, its = (0.0 if q.lower is None else q.lower for q in (self, p))
            lower = torch.where(where[..., None], its, mine)
        return Gaussian(
            torch.where(where, p.mean, self.mean),
            torch.where(where, p.log_scale, self.log_scale),
            lower,
        )

    def __getitem__(self, index: Any) -> "Gaussian":
        lower = None if self.lower is None else self.lower[index]
        log_scale = self.log_scale if self.log_scale.dim() == 0 else self.log_scale[index]
        return Gaussian(self.mean[index], log_scale, lower)


class Spread(NamedTuple):
    """A factor F, (..., k, k), lower triangular with a positive diagonal, that is no parameter's.

    `variance` (..., k) is the diagonal of F F^T, `log_diagonal` (..., k) the logarithm of F's.
    """

    factor: Tensor
    variance: Tensor
    log_diagonal: Tensor

    @classmethod
    def of(cls, factor: Tensor) -> "Spread":
        """Return the spread with a factor."""
        diagonal = factor.diagonal(dim1=-2, dim2=-1)
        return cls(factor, factor.square().sum(-1), diagonal.log())


class SpreadGaussian(Gaussian):
    r"""N(m, B B^T) with B = diag(s) F for the factor F of a `Spread`.

    Draws and the KL then cost what they do for a diagonal covariance, and so do their gradients.

    Parameters
    ----------
    mean : tensor of shape (..., k)
        m.
    log_deviation : tensor of shape (..., k)
        log s.
    spread : Spread
    """

    def __init__(self, mean: Tensor, log_deviation: Tensor, spread: Spread) -> None:
        self.deviation, self.spread = log_deviation.exp(), spread
        lower = self.deviation[..., None] * spread.factor.tril(-1)
        super().__init__(mean, log_deviation + spread.log_diagonal, lower)

    @property
    def variance(self) -> Tensor:
        """Of each component."""
        return self.deviation.square() * self.spread.variance

    def draw(self, noise: Tensor) -> Tensor:
        """Return m + B e for standard normal e."""
        return self.mean + self.deviation * (self.spread.factor @ noise[..., None])[..., 0]


SPIKE = 1e-3  # standard deviation of a column that was constant, while it still is


class SpikedGaussian(Gaussian):
    r"""N(m, diag(s)^2), but for columns that have been constant in all rows seen.

    How far such a column is from its constant, when for once it is, nobody has seen; how rare that
    is, is known: Laplace's rule of succession gives it one share in n + 2 after n rows. There x is

    .. math:: \frac{n + 1}{n + 2} N(c, 10^{-6}) + \frac{1}{n + 2} \mathrm{Cauchy}(c, 1)

    so that a row in which it differs costs tens of nats, by however much it does. Draws are c.

    Parameters
    ----------
    mean : tensor of shape (..., d)
        With c where the column is constant.
    log_scale : tensor of shape (d,) or ()
    constant : tensor of bool of shape (d,)
    n_rows : int
    """

    def __init__(self, mean: Tensor, log_scale: Tensor, constant: Tensor, n_rows: int) -> None:
        super().__init__(mean, log_scale)
        self.constant, self.n_rows = constant, n_rows

    def draw(self, noise: Tensor) -> Tensor:
        """Return m + B e for standard normal e, and c."""
        return torch.where(self.constant, self.mean, self.mean + self.scale * noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density."""
        return self.log_prob_of_cells(z).sum(-1)

    def log_prob_of_cells(self, x: Tensor) -> Tensor:
        """Return the log density of each number."""
        of_constants = self._log_prob_of_constant(x - self.mean)
        return torch.where(self.constant, of_constants, super().log_prob_of_cells(x))

    def _log_prob_of_constant(self, left: Tensor) -> Tensor:
        spike = -0.5 * ((left / SPIKE).square() + LOG_2PI) - math.log(SPIKE)
        slab = -left.square().log1p() - math.log(math.pi)
        return torch.logaddexp(
            spike + math.log1p(-1 / (self.n_rows + 2)), slab - math.log(self.n_rows + 2)
        )


def is_diagonal(p: object) -> bool:
    """Whether the KL to p has a closed form, split over the components."""
    return isinstance(p, Gaussian) and p.lower is None


class Mixture:
    """sum_m w_m p_m(z).

    Parameters
    ----------
    log_weights : tensor of shape (n_prior_components,)
    components : Gaussian with leading dimension n_prior_components
    """

    def __init__(self, log_weights: Tensor, components: Gaussian) -> None:
        self.log_weights, self.components = log_weights, components

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z)."""
        return (self.log_weights + self.components.log_prob(z[..., None, :])).logsumexp(-1)

    @property
    def matched(self) -> Gaussian:
        """The Gaussian with the same means and variances."""
        weights, parts = self.log_weights.exp(), self.components
        spread = parts.covariance.diagonal(dim1=-2, dim2=-1) + parts.mean.square()
        mean = weights @ parts.mean
        return Gaussian(mean, 0.5 * (weights @ spread - mean.square()).log())

    def sample(self, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
        """Return draws, (*shape, k)."""
        n = math.prod(shape)
        chosen = torch.multinomial(self.log_weights.exp(), n, True, generator=generator)
        draws = self.components[chosen].sample((), generator)
        return draws.reshape(*shape, -1)


class Bernoulli:
    """Independent Bernoulli distributions.

    Parameters
    ----------
    logits : tensor of shape (..., n_features)
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """E[x]."""
        return torch.sigmoid(self.logits)

    @property
    def diagonal_variance(self) -> Tensor:
        """The variance of x, in double precision and above 0."""
        mean = self.mean.double()
        return (mean * (1 - mean)).clamp_min(LEAST_BINARY_VARIANCE)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), minus the cross-entropy for values between 0 and 1."""
        return -bernoulli_cross_entropy(self.logits, x.expand_as(self.logits))

    def log_prob_of_cells(self, x: Tensor) -> Tensor:
        """Return log p(x_j) of each number."""
        x = x.expand_as(self.logits)
        return -F.binary_cross_entropy_with_logits(self.logits, x, reduction="none")

    def sample(self, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
        """Return draws, (*shape, *logits.shape)."""
        return self.mean.expand(*shape, *self.logits.shape).bernoulli(generator=generator)


# How a network's outputs become the parameters of q(z | x).

N_POSTERIOR_PARAMETERS: dict[str, Callable[[int], int]] = {
    "identity": lambda k: k,
    "diag": lambda k: 2 * k,
    "full": lambda k: 2 * k + k * (k - 1) // 2,
}


def make_posterior(parameters: Tensor, k: int) -> Gaussian:
    """Return the Gaussian whose mean, log scale and lower triangle lie side by side.

    What is missing at the end is the identity's. The log scale is bounded, smoothly, so that its
    gradient never vanishes.

    Parameters
    ----------
    parameters : tensor of shape (..., n_parameters)
    k : int
    """
    if parameters.shape[-1] == k:
        return Gaussian(parameters, torch.zeros_like(parameters))
    mean, log_scale, entries = parameters.split([k, k, parameters.shape[-1] - 2 * k], dim=-1)
    log_scale = LARGEST_LOG_SCALE * torch.tanh(log_scale / LARGEST_LOG_SCALE)
    if not entries.shape[-1]:
        return Gaussian(mean, log_scale)
    rows, columns = torch.tril_indices(k, k, -1, device=mean.device)
    lower = mean.new_zeros(*mean.shape, k)
    lower[..., rows, columns] = entries
    return Gaussian(mean, log_scale, lower)


def unbound_log_scale(log_scale: Tensor) -> Tensor:
    """Return the network output that `make_posterior` bounds to `log_scale`."""
    share = (log_scale / LARGEST_LOG_SCALE).clamp(-0.99, 0.99)
    return LARGEST_LOG_SCALE * torch.atanh(share)
