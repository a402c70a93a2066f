"""The contractive autoencoder: a code that moves little when the row does."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import check_scalar
from torch.func import vjp, vmap

from .._sklearn import Interval, StrOptions
from ..data.tables import share
from ..estimator.base import BaseAutoencoder
from ..estimator.choices import has_hidden_layers, n_components_of
from ..estimator.inference import map_rows
from ..estimator.parameters import Need
from ..estimator.sampling import SamplesFromCodes
from ..exceptions import ParameterWarning, warn
from ..nn.autoencoder import AutoencoderModule
from ..nn.network import is_ours
from ..nn.networks import own_layers
from ..training.randomness import seeded_global_generator

# Codes up to this size have their Jacobian computed in full, larger ones along random directions.
EXACT_COMPONENTS = 256


class ContractiveModule(AutoencoderModule):
    r"""An encoder f and a decoder g, with a penalty on the Jacobian of f.

    .. math:: -\log p(x \mid g(f(x))) + \lambda \lVert \partial f(x) / \partial x \rVert_F^2

    Parameters
    ----------
    encoder, decoder : nn.Module
    penalty : float
        lambda.
    estimate : {"exact", "stochastic"}
    n_components : int
    **options : dict
        As in `AutoencoderModule`.
    """

    repeatable = True

    def __init__(self, encoder, decoder, *, penalty, estimate, n_components, **options):
        super().__init__(encoder, decoder, **options)
        self.penalty, self.estimate, self.n_components = penalty, estimate, n_components
        self.is_single_layer = len(own_layers(encoder)) == 1 and encoder.path is None

    def start_linear(self, components, variances, mean):
        """Start at the projection onto principal components, in their own scale.

        The penalty is on the slope of the code.
        """
        self._start_scaled(components, torch.ones_like(variances), mean, components)

    def draw(self, n_rows, generators):
        """Return the random inputs of one step: dropout masks, and signs for the estimate."""
        masks = super().draw(n_rows, generators)
        if self.estimate == "exact" or self.is_single_layer or not self.penalty:
            return (*masks, None)
        parameter = next(self.parameters())
        signs = torch.empty(
            n_rows, self.n_components, device=parameter.device, dtype=parameter.dtype
        )
        return *masks, signs.bernoulli_(0.5, generator=generators["noise"]).mul_(2).sub_(1)

    def squared_norm(self, x, masks=(), signs=None):
        """Return the squared Frobenius norm of the Jacobian at each row, or an estimate of it.

        With one layer it is sum_j s'(u_j)^2 |W_j|^2. Otherwise it is summed over the rows of the
        Jacobian, one vector-Jacobian product for each number of the code, all at once; or, with
        random signs v, |v^T J|^2, whose expectation it is.
        """
        if self.is_single_layer:
            u = self.encoder(x)
            slope = vjp(self.code_activation, u)[1](torch.ones_like(u))[0]
            return slope.square() @ self.encoder.layers[0].weight.square().sum(dim=1)
        z, pull_back = vjp(lambda rows: self.encode(rows, masks), x)
        if signs is not None:
            return pull_back(signs)[0].square().sum(dim=1)
        return _rows_of_the_jacobian(z, pull_back).square().sum(dim=(0, 2))

    def forward(self, x, encoder_masks=(), decoder_masks=(), signs=None):
        """Return the loss terms of each row."""
        terms = super().forward(x, encoder_masks, decoder_masks)
        if self.penalty:
            norm = self.squared_norm(x, encoder_masks, signs)
            terms["contraction"] = self.penalty * norm
        return terms

    def jacobian(self, x):
        """Return dz/dx, (batch, n_components, n_features)."""
        z, pull_back = vjp(self.encode, x)
        return _rows_of_the_jacobian(z, pull_back).transpose(0, 1)


def _rows_of_the_jacobian(z, pull_back):
    """Return one vector-Jacobian product per number of the code, (n_components, batch, d)."""
    units = torch.eye(z.shape[1], device=z.device, dtype=z.dtype)
    return vmap(lambda unit: pull_back(unit.expand_as(z))[0])(units)


def _check_jacobian(module, n_features):
    """Refuse an encoder of the user's that has no Jacobian at each row while it is trained."""
    parameter = next(module.parameters(), torch.empty(0))
    x, signs = parameter.new_zeros(2, n_features), parameter.new_ones(2, module.n_components)
    try:
        module.squared_norm(x, signs=None if module.estimate == "exact" else signs)
    except RuntimeError as error:
        raise ValueError(
            "encoder must make each row's code of that row alone, for penalty > 0 needs its "
            "derivative. Layers that mix rows or keep statistics in training, such as "
            "nn.BatchNorm1d, do not: use nn.LayerNorm, or penalty=0. (What torch says is above.)"
        ) from error


class ContractiveAutoencoder(SamplesFromCodes, BaseAutoencoder):
    r"""Contractive autoencoder: the code is told to ignore small changes of the row.

    The reconstruction makes the code follow the directions in which data vary, the penalty on the
    Jacobian of the encoder makes it deaf to all others [1]_:

    .. math:: \min_{f, g} \frac{1}{n} \sum_i -\log p(x_i \mid g(f(x_i)))
              + \lambda \left\lVert \frac{\partial f(x_i)}{\partial x} \right\rVert_F^2

    What is left of the Jacobian are the directions of real variation at each row:
    `tangent_directions` [2]_. Tied weights and a sigmoid code are the default: with an untied
    linear code the penalty is escaped by shrinking the code and growing the decoder.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Size of the code; "auto" is twice the number of features: it is the penalty that keeps the
        model from copying, not the code. A code narrower than the data reconstructs less than
        PCA's of the same size as a rule, and is a warning.

    penalty : float, default=3.0
        Weight of the penalty, lambda, for Jacobian and loss in scaled units.

    penalty_estimate : {"auto", "exact", "stochastic"}, default="auto"
        How the penalty is computed where the encoder has hidden layers: from the whole Jacobian,
        or without bias from its product with one random vector of signs for each row. "auto":
        exact for codes of up to 256 numbers. Without hidden layers it is exact at no cost.

    linear_path : bool or "auto", default="auto"
        Whether encoder and decoder carry a linear path that starts at the principal components.
        "auto" is False here: a contractive code starts at random.

    {shared parameters}

    Attributes
    ----------
    {shared attributes}

    See Also
    --------
    DenoisingAutoencoder : Robust by noise instead.

    Notes
    -----
    The fitted model keeps codes of at most 10000 training rows, for `sample`. `forget_rows` puts a
    Gaussian mixture in their place.

    References
    ----------
    .. [1] S. Rifai, P. Vincent, X. Muller, X. Glorot, Y. Bengio, "Contractive auto-encoders:
       explicit invariance during feature extraction", ICML 2011.
    .. [2] S. Rifai, Y. Dauphin, P. Vincent, Y. Bengio, X. Muller, "The manifold tangent
       classifier", NIPS 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ContractiveAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> cae = ContractiveAutoencoder(64, max_iter=5, random_state=0).fit(X)
    >>> cae.jacobian(X[:3]).shape
    (3, 64, 64)
    >>> directions, values = cae.tangent_directions(X[:3], 2)
    >>> directions.shape, values.shape
    ((3, 2, 64), (3, 2))
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _module_class = ContractiveModule

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "penalty": [Interval(Real, 0, None, closed="left")],
        "penalty_estimate": [StrOptions({"auto", "exact", "stochastic"})],
    }

    _training_parameters = ("penalty_estimate",)
    _needs = (
        Need(
            ("penalty_estimate", "penalty"),
            "penalty > 0, and hidden layers or an encoder of your own",
            lambda e: e.penalty > 0 and (has_hidden_layers(e) or e.encoder is not None),
        ),
    )

    def __init__(
        self,
        n_components="auto",
        *,
        penalty=3.0,
        penalty_estimate="auto",
        hidden_layer_sizes=(),
        activation="relu",
        code_activation="sigmoid",
        output_activation="identity",
        likelihood="gaussian",
        linear_path="auto",
        tied_weights=True,
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

    _components_per_feature = 2

    def _linear_path_by_default(self):
        return False

    def _check_parameters_for(self, n_features):
        if self.penalty == 0 or n_components_of(self, n_features) >= n_features:
            return
        warn(
            f"A contractive code of n_components={self.n_components} is narrower than the "
            f"{n_features} features, and as a rule reconstructs worse than PCA with as many: here "
            "it is the penalty that keeps the model from copying, and the code is meant to be "
            "wide. Use n_components='auto', or Autoencoder for narrow codes.",
            ParameterWarning,
        )

    def _make_module(self, n_features, generator):
        encoder, decoder = self._make_networks(n_features, generator)
        n_components = n_components_of(self, n_features)
        estimate = self.penalty_estimate
        if estimate == "auto":
            estimate = "exact" if n_components <= EXACT_COMPONENTS else "stochastic"
        module = self._module_class(
            encoder,
            decoder,
            penalty=self.penalty,
            estimate=estimate,
            n_components=n_components,
            **self._module_options(),
        )
        if self.penalty and not is_ours(encoder):
            with seeded_global_generator(generator):
                _check_jacobian(module, n_features)
        return module

    def jacobian(self, X):
        """Return the Jacobian of the encoder at each row, dz/dx.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        J : ndarray of shape (n_samples, n_components, n_features)
            Code per unit of X.
        """
        X = self._check_X(X)
        return map_rows(self, X, X.dtype, self._jacobian_batch)

    def _jacobian_batch(self, module, x):
        with torch.inference_mode(False):  # under which nothing is differentiated
            x = self._units.enter(x.clone(), x.dtype)
            scale = share(np.asarray(self.scale_)).to(x)
            return module.jacobian(x).detach() / scale

    def tangent_directions(self, X, n_directions=1):
        """Return the directions at each row in which the code changes most.

        They are the leading right singular vectors of the Jacobian: where the model has learnt
        the data, the directions in which the data vary.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        n_directions : int, default=1
            How many, at most min(n_components, n_features).

        Returns
        -------
        directions : ndarray of shape (n_samples, n_directions, n_features)
            Orthonormal, in the units of X.

        singular_values : ndarray of shape (n_samples, n_directions)
            Length of the change of the code per unit of X, descending.

        Raises
        ------
        ValueError
            If there are fewer directions than asked for.
        """
        X = self._check_X(X)
        most = min(self._n_features_out, X.shape[1])
        check_scalar(n_directions, "n_directions", Integral, min_val=1)
        if n_directions > most:
            raise ValueError(
                f"n_directions must be at most {most}, the smaller of {self._n_features_out} "
                f"components and {X.shape[1]} features. Got {n_directions} instead."
            )

        def right_singular_vectors(module, x):
            _, s, Vh = torch.linalg.svd(self._jacobian_batch(module, x), full_matrices=False)
            return torch.cat([Vh[:, :n_directions], s[:, :n_directions, None]], dim=2)

        both = map_rows(self, X, X.dtype, right_singular_vectors)
        return both[:, :, :-1], both[:, :, -1]
