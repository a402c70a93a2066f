r"""What rows cost that are described by prefixes of a code: Laplace's approximation, in nats.

A decoder alone has no likelihood, and its error always falls with the size of the code. Read as
:math:`x = g(z) + \epsilon` with z of N(0, I) and noise of variance :math:`s^2`, it has a price:

.. math:: -\log p(x) \approx \frac{|x - g(z)|^2}{2 s^2} + \frac{d - j}{2} \log s^2
          + \frac{|z|^2}{2} + \frac{1}{2} \log \det(s^2 I + J^T J) + \text{const}

with the decoder's Jacobian J, (d, j). In the linear case it is the evidence by which T. Minka
("Automatic choice of dimensionality for PCA", NIPS 2000) weighs numbers of components.
"""

from typing import Any

import torch
from torch import Tensor

from .linear_gaussian import LEAST_NOISE

STEP = 0.05  # of a number of the code, in its standard deviations, along which slopes are taken


def laplace_losses(
    module: Any, x: Tensor, mean: Tensor, deviations: Tensor, left: Tensor
) -> Tensor:
    """Return minus log p(x) up to a constant for each prefix, (batch, n_components).

    Parameters
    ----------
    module : AutoencoderModule
        With an ordered code.
    x : tensor of shape (batch, n_features)
    mean, deviations : tensors of shape (n_components,)
        Of the codes of training rows.
    left : tensor of shape (n_components,)
        The mean squared error that each prefix leaves of training rows, summed over features.
    """
    z, d = module.encode(x), x.shape[1]
    deviations = torch.where(deviations > 0, deviations, 1.0).to(z)
    metric = _metric(module, z, deviations)
    squares = ((z - mean.to(z)) / deviations).double().square().cumsum(1)
    losses = []
    for j, kept in enumerate(module.nested.kept, start=1):
        noise = (left[j - 1] / max(d - j, 1)).clamp_min(LEAST_NOISE)
        error = (x - module.decode(z * kept)).double().square().sum(1)
        volume = metric[:, :j, :j] + noise * torch.eye(j).to(metric)
        terms = error / noise + (d - j) * noise.log() + squares[:, j - 1] + volume.logdet()
        losses.append(terms / 2)
    return torch.stack(losses, dim=1)


def _metric(module: Any, z: Tensor, deviations: Tensor) -> Tensor:
    """Return J^T J of each row, (batch, n_components, n_components), for standardised codes."""
    steps = STEP * torch.diag(deviations)
    slopes = [(module.decode(z + h) - module.decode(z - h)) / (2 * STEP) for h in steps]
    jacobian = torch.stack(slopes, dim=2).double()
    return jacobian.mT @ jacobian
