"""The units of codes: where nothing else fixes them, those of mean 0 and variance 1."""

import torch

from .. import _ranks
from ..data.tables import chunks_of
from ..data.units import Units

LEAST_DEVIATION = 1e-6  # relative to the largest code: what is below it may be rounding


def learn_code_units(estimator, rows, weights):
    """Set the units of the codes that users see, so that those of the training rows are standard.

    Where the objective does not depend on their scale: see `AutoencoderModule.free_scale`. A
    number of the code that does not vary keeps its scale. Networks, and their training, go on in
    units of their own.

    Parameters
    ----------
    estimator : BaseAutoencoder
    rows : RowsOnDevice or RowsOnHost
        Of the training, in the network's units.
    weights : tensor of shape (n_samples,) or None
    """
    estimator._code_mean = None
    if getattr(estimator.module_, "has_free_scale", False):
        mean, deviations = _moments_of_codes(estimator.module_, rows, weights)
        if bool((mean + deviations).isfinite().all()):  # not where a training has diverged
            least = LEAST_DEVIATION * torch.maximum(deviations, mean.abs()).max()
            estimator._code_mean = mean.cpu().numpy()
            estimator._code_scale = deviations.where(deviations > least, 1.0).cpu().numpy()
    estimator._code_units = code_units_of(estimator)


def code_units_of(estimator):
    """Return the units of the codes that users see, None where they are the network's."""
    mean = getattr(estimator, "_code_mean", None)  # older files have none
    return None if mean is None else Units(mean, estimator._code_scale)


@torch.no_grad()
def _moments_of_codes(module, rows, weights):
    """Return weighted mean and standard deviation of the codes, in double precision."""
    count = total = squares = 0.0
    for span in chunks_of(rows):
        z = module.encode(rows.span(span)).double()
        w = z.new_ones(len(z)) if weights is None else weights[span].double()
        z, w = z[w > 0], w[w > 0]
        count, total = count + w.sum(), total + w @ z
        squares = squares + w @ z.square()
    count, total, squares = _ranks.total(count, total, squares)
    mean = total / count
    return mean, (squares / count - mean.square()).clamp_min(0).sqrt()
