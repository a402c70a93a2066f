"""The start of the networks at what is known without training: the mean and PCA."""

import torch

from ..data.moments import principal_components
from ..data.tables import share
from .choices import has_linear_path


def start_mean_of(estimator):
    """Return the mean of the training data in the network's units."""
    mean = share(estimator.mean_)
    return torch.zeros_like(mean) if estimator._shifted else mean


def start_at_pca(estimator, rows, weights):
    """Set the output to the mean, and the linear path to the principal components.

    Parameters
    ----------
    estimator : BaseAutoencoder
    rows : RowsOnDevice or RowsOnHost
        Of the training, in the network's units.
    weights : tensor of shape (n_samples,) or None

    Returns
    -------
    residual : float or None
        The variance that the components leave; None where there is no linear path.
    """
    module, net, mean = estimator.module_, estimator.net_, start_mean_of(estimator)
    module.start_output(mean)
    is_linear = has_linear_path(estimator)
    if not (is_linear or estimator.ordered):
        return None
    components, variances, residual = principal_components(
        rows, weights, mean, estimator._n_features_out, net.generators["initialisation"]
    )
    if estimator.ordered and estimator.likelihood == "gaussian":
        left = module.left_by_prefixes(variances, residual)
        module.nested.start(left, residual + variances.sum())
    if not is_linear:
        return None
    module.start_linear(components, variances, mean)
    if getattr(module, "has_free_scale", False) and not estimator._is_stream:
        module.drop_components(~components.any(dim=1))
    return residual
