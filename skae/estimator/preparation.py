"""What every training starts from: a device, a seed, and rows on that device."""

import torch

from .. import _ranks
from ..data.sources import make_source
from ..data.tables import share
from ..training.devices import check_device
from ..training.randomness import draw_seed


def choose_device(estimator, resume):
    """Set `device_`; a model that exists stays where it is unless the parameter has changed."""
    if not resume or estimator._fitted_params["device"] != estimator.device:
        estimator.device_ = str(check_device(estimator.device))


def take_seed(estimator):
    """Draw the seed of all that is random."""
    estimator._is_seeded = estimator.random_state is not None
    estimator._seed = _ranks.from_rank(draw_seed(estimator.random_state))


def to_rows(estimator, X, weights):
    """Return a table as a source of batches in the network's units, and its weights as a tensor.

    Parameters
    ----------
    estimator : BaseCoder
    X : table of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    rows : RowsOnDevice or RowsOnHost
    weights : tensor of shape (n_samples,) or None
    """
    device, dtype = torch.device(estimator.device_), getattr(torch, estimator.dtype)
    rows = make_source(X, estimator._units, dtype, device)
    return rows, None if weights is None else share(weights).to(device, dtype)
