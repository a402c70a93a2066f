"""The deterministic autoencoder. Its module is that of most others too: `nn.autoencoder`."""

from numbers import Integral

from ..estimator.base import BaseAutoencoder
from ..estimator.ordered import OrderedCodes
from ..estimator.sampling import SamplesFromCodes
from ..estimator.size import SIZES
from ..exceptions import ParameterWarning, warn


class Autoencoder(OrderedCodes, SamplesFromCodes, BaseAutoencoder):
    r"""Autoencoder: a nonlinear relative of principal component analysis.

    An encoder f maps each row to a code of `n_components` numbers, a decoder g maps the code back,
    and both are trained to reproduce the row [1]_:

    .. math:: \min_{f, g} \frac{1}{n} \sum_i -\log p(x_i \mid g(f(x_i)))

    With the Gaussian likelihood this is the squared error summed over features, measured in units
    of `scale_`. By default encoder and decoder carry a linear path beside the network, which
    starts at the principal components: training starts at PCA's solution and the better of the
    two is kept, so that the reconstruction of the training data is never worse than PCA's.

    Parameters
    ----------
    n_components : int, float or "auto", default=2
        Size of the code; with a linear path, components beyond the rank of the training rows are
        0. With ``ordered=True`` also a share of the variance, between 0 and 1, for
        the smallest prefix that explains it on the training rows, of as many numbers as PCA needs
        for it; or "auto", for the smallest prefix whose loss on rows set aside
        (`validation_fraction`) is within one standard error of the lowest, in nats: what the
        code costs is counted by Laplace's approximation. At most min(64, n_features,
        n_samples / 5) numbers are tried.

    {shared parameters}

    Attributes
    ----------
    {shared attributes}

    See Also
    --------
    sklearn.decomposition.PCA : The linear case, solved exactly.

    Notes
    -----
    The fitted model keeps codes of at most 10000 training rows, for `sample`. `forget_rows` puts a
    Gaussian mixture in their place.

    References
    ----------
    .. [1] G. E. Hinton, R. R. Salakhutdinov, "Reducing the dimensionality of data with neural
       networks", Science 313, 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import Autoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> ae = Autoencoder(n_components=2, max_iter=20, random_state=0).fit(X)
    >>> ae.transform(X).shape
    (1797, 2)
    >>> bool(ae.score(X) > PCA(2).fit(X).explained_variance_ratio_.sum())
    True
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _parameter_constraints = {"n_components": SIZES}

    def __init__(
        self,
        n_components=2,
        *,
        ordered=False,
        hidden_layer_sizes=(128, 64),
        activation="relu",
        code_activation="identity",
        output_activation="identity",
        likelihood="gaussian",
        linear_path="auto",
        tied_weights=False,
        encoder=None,
        decoder=None,
        alpha="auto",
        dropout=0.0,
        scaling="global",
        optimizer="adam",
        learning_rate_init=0.005,
        learning_rate="cosine",
        batch_size="auto",
        max_iter="auto",
        tol=1e-4,
        n_iter_no_change=None,
        early_stopping=False,
        validation_fraction=0.1,
        callbacks=None,
        device="auto",
        dtype="float32",
        distributed=False,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    def _check_parameters_for(self, n_features):
        k, least = self.n_components, 2  # the default, which nobody has chosen for one column
        is_too_wide = isinstance(k, Integral) and k > max(n_features, least)
        if is_too_wide and self._get_code_activation() == "identity":
            warn(
                f"n_components={k} is more than the {n_features} columns of X: a code of "
                f"{n_features} components suffices to reproduce every row. Set n_components to "
                f"{n_features} or less; SparseAutoencoder and DenoisingAutoencoder learn from "
                "wider codes.",
                ParameterWarning,
            )
