r"""Laplace's approximation of p(z | x, c), where no q(z | x, c) was trained to be near it.

With the Gaussian prior N(m, S), the decoder's mean g, and variances :math:`\Psi` of p(x | z, c),

.. math:: p(z \mid x, c) \approx N(\hat z, C), \quad C^{-1} = S^{-1} + J^T \Psi^{-1} J

where J is the Jacobian of g. The mode :math:`\hat z` is found from the code of the row by
Gauss-Newton steps, of which those are taken that make z more probable.
"""

import torch

from .distributions import Gaussian

STEP = 0.01  # along which slopes are taken, in standard deviations of the prior
N_STEPS = 4


def approximate_posterior(module, x, c, start):
    """Return a Gaussian of codes that is nearly p(z | x, c), in double precision.

    Parameters
    ----------
    module : ConditionalVAEModule
        Whose prior is one Gaussian for all rows.
    x : tensor of shape (batch, n_features)
        In the network's units; NaN is what was not observed.
    c : tensor of shape (batch, n_conditions)
    start : tensor of shape (batch, n_components)
        Codes to start from.
    """
    prior = module.p_z(c)
    precision = torch.cholesky_inverse(prior.factor.double())

    def log_joint(z):
        return module.log_p_x(module.p_x(z, c), x.double()) + prior.log_prob(z.double())

    z, value = start, log_joint(start)
    for _ in range(N_STEPS):
        factor, slope = _expand(module, x, c, z, prior.mean, precision)
        step = torch.cholesky_solve(slope[..., None], factor)[..., 0]
        trial = z + step.to(z)
        found = log_joint(trial)
        is_better = found > value  # which NaN is not
        z = torch.where(is_better[:, None], trial, z)
        value = torch.where(is_better, found, value)
    factor, _ = _expand(module, x, c, z, prior.mean, precision)
    root = torch.linalg.cholesky(torch.cholesky_inverse(factor))
    return Gaussian(z.double(), root.diagonal(dim1=-2, dim2=-1).log(), root.tril(-1))


def _expand(module, x, c, z, mean, precision):
    """Return the Cholesky factor of the inverse of C, and the slope of log p(x, z | c), at z."""
    scales = precision.diagonal().rsqrt()
    steps = STEP * torch.diag(scales).to(z)
    ends = module.p_x(torch.cat([z + h[:, None, :] for h in (steps, -steps)]), c).mean.double()
    ahead, behind = ends.chunk(2)  # (n_components, batch, n_features)
    J = ((ahead - behind) / (2 * STEP * scales[:, None, None])).permute(1, 2, 0)
    p_x = module.p_x(z, c)
    left = x.double() - p_x.mean.double()
    weighted = J.mT * torch.where(left.isnan(), 0.0, 1 / p_x.diagonal_variance)[:, None, :]
    slope = (weighted @ left.nan_to_num(0.0)[..., None])[..., 0] - (z - mean).double() @ precision
    return torch.linalg.cholesky(precision + weighted @ J), slope
