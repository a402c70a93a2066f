r"""The linear Gaussian model, where variational autoencoders start.

.. math:: x = W z + b + \epsilon, \quad z \sim N(0, I), \quad \epsilon \sim N(0, \Psi)

With :math:`\Psi = \sigma^2 I` it is probabilistic PCA (Tipping and Bishop 1999), with a diagonal
:math:`\Psi` factor analysis; both have a maximum-likelihood solution without gradients.
"""

import math

import torch
from torch import Tensor

LEAST_NOISE = 1e-6  # in the network's units
N_STEPS, N_STEPS_WIDE = 100, 10  # of factor analysis: it is a start, and gradients go on
N_EXACT = 512  # features above which a step takes long
TOLERANCE = 1e-4


def probabilistic_pca(
    components: Tensor,
    variances: Tensor,
    residual: float | Tensor,
    noise: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return W, (n_components, n_features), and the noise variance of probabilistic PCA.

    Parameters
    ----------
    components : tensor of shape (n_components, n_features)
        Principal directions; zero beyond the rank.
    variances : tensor of shape (n_components,)
    residual : float
        The variance that the components leave, summed over features.
    noise : tensor of shape () or (n_features,), or None
        A noise variance to keep; None: the maximum-likelihood one.
    """
    k, d = components.shape
    if noise is None:
        # As many components as features leave no residual: the last one is noise too.
        left = residual / (d - k) if k < d else variances[d - 1]
        noise = torch.as_tensor(left, dtype=torch.float64).clamp_min(LEAST_NOISE)
    return (variances - noise.mean()).clamp_min(0).sqrt()[:, None] * components, noise


def probabilistic_pca_of(covariance: Tensor, n_components: int) -> tuple[Tensor, Tensor]:
    """Return W and the noise variance of probabilistic PCA, given a covariance."""
    k = min(n_components, len(covariance))
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(0)
    residual = float(values[: len(values) - k].sum())
    return probabilistic_pca(vectors[:, -k:].flip(1).T, values[-k:].flip(0), residual)


def expected_log_density(covariance: Tensor, loadings: Tensor, noise: Tensor) -> float:
    r"""Return the mean of log N(x; 0, W W^T + \Psi) over rows with a covariance, in nats.

    NaN where the model's covariance is singular to rounding.

    Parameters
    ----------
    covariance : tensor of shape (n_features, n_features)
        Of the rows, about the model's mean.
    loadings : tensor of shape (n_components, n_features)
        The transpose of W.
    noise : tensor of shape () or (n_features,)
        The diagonal of Psi.
    """
    d = len(covariance)
    factor, info = torch.linalg.cholesky_ex(loadings.T @ loadings + torch.diag(noise.expand(d)))
    if info:
        return math.nan
    explained = torch.cholesky_solve(covariance, factor).trace()
    log_determinant = 2 * factor.diagonal().log().sum()
    return float(-0.5 * (explained + log_determinant + d * math.log(2 * math.pi)))


def factor_analysis(
    covariance: Tensor, n_components: int, least: float = LEAST_NOISE
) -> tuple[Tensor, Tensor]:
    r"""Return W, (n_components, n_features), and the noise variances of factor analysis.

    Given :math:`\Psi`, W is probabilistic PCA's of the whitened data; given W, :math:`\Psi` is
    what it leaves of the variances: scikit-learn's iteration (Barber 2012, algorithm 21.1), on a
    covariance, and with a floor.

    Parameters
    ----------
    covariance : tensor of shape (n_features, n_features)
    n_components : int
    least : float
        What a noise variance is at least.
    """
    d, variances = len(covariance), covariance.diagonal().clamp_min(least)
    k = min(n_components, d)
    noise = variances
    loadings = torch.zeros(n_components, d, dtype=covariance.dtype)
    for _ in range(N_STEPS if d <= N_EXACT else N_STEPS_WIDE):
        root, before = noise.sqrt(), noise
        values, vectors = torch.linalg.eigh(covariance / root / root[:, None])
        gains = (values[-k:] - 1).clamp_min(0).sqrt()
        loadings[:k] = (gains * vectors[:, -k:]).T * root
        noise = (variances - loadings.square().sum(dim=0)).clamp_min(least)
        if ((noise - before).abs() <= TOLERANCE * before).all():
            break
    return loadings, noise


def posterior(loadings: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Turn W so that p(z | x) has a diagonal covariance; return W, the gain and the variances.

    .. math:: p(z \mid x) = N(M^{-1} W^T \Psi^{-1} (x - b),\; M^{-1}),
              \quad M = I + W^T \Psi^{-1} W

    Parameters
    ----------
    loadings : tensor of shape (n_components, n_features)
        The transpose of W.
    noise : tensor of shape () or (n_features,)

    Returns
    -------
    loadings, gain : tensors of shape (n_components, n_features)
    variances : tensor of shape (n_components,)
    """
    precision, vectors = torch.linalg.eigh((loadings / noise) @ loadings.T)
    vectors = vectors.flip(1)
    loadings = vectors.T @ loadings
    largest = loadings.gather(1, loadings.abs().argmax(dim=1, keepdim=True))
    loadings = loadings * torch.where(largest < 0, -1.0, 1.0)
    variances = 1 / (1 + precision.flip(0).clamp_min(0))
    return loadings, variances[:, None] * loadings / noise, variances


def unit_posterior(
    components: Tensor,
    variances: Tensor,
    residual: float | Tensor,
    noise: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Return noise, loadings, gain and variances of the best linear model with q = N(., I).

    Minimising :math:`E|x - W(z + e)|^2 / 2\sigma^2 + |z|^2 / 2` over W, the gain and
    :math:`\sigma^2` gives, along a component of variance l,
    :math:`w^2 = \sigma \sqrt{l} - \sigma^2` and the gain :math:`w / (w^2 + \sigma^2)`.
    """
    d = components.shape[1]
    roots = variances.sqrt()
    if noise is None:
        total = roots.sum()
        scale = (total + (total.square() + 4 * d * residual).sqrt()) / (2 * d)
        noise = scale.square().clamp_min(LEAST_NOISE)
    s2 = noise.mean()
    w = (s2.sqrt() * roots - s2).clamp_min(0).sqrt()[:, None]
    return noise, w * components, w / (w.square() + s2) * components, torch.ones_like(variances)


def unit_posterior_at(loadings: Tensor, before: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
    """Return loadings, gain and variances of `unit_posterior` for another noise variance.

    Parameters
    ----------
    loadings : tensor of shape (n_components, n_features)
        Those of `unit_posterior` for the noise variance `before`.
    before, noise : tensors of shape () or (n_features,)
    """
    squares, s2 = loadings.square().sum(dim=1), before.mean()
    components = loadings / torch.where(squares > 0, squares, 1.0).sqrt()[:, None]
    return unit_posterior(components, (squares + s2).square() / s2, 0.0, noise)[1:]
