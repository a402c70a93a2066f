"""The denoising autoencoder: it restores clean rows from corrupted ones."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._sklearn import Interval, StrOptions
from ..data.sources import rows_that_count
from ..data.tables import chunks_of
from ..estimator.base import BaseAutoencoder
from ..estimator.choices import reach_of
from ..estimator.inference import map_rows
from ..estimator.needs import needs_value
from ..estimator.ordered import OrderedCodes
from ..estimator.outcome import losses_over
from ..estimator.persistence import with_fitted_params
from ..estimator.sampling import SamplesFromCodes, check_codes_are_kept, seed_for_samples
from ..estimator.size import SIZES
from ..estimator.split import weights_of_training
from ..estimator.start import start_at_pca
from ..nn.activations import identity
from ..nn.autoencoder import AutoencoderModule, start_scales
from ..nn.corruption import CORRUPTIONS, Corruption, check_level
from ..nn.networks import starts_itself
from ..training.randomness import global_generator_for, make_random_state
from .denoising_level import check_is_gaussian, check_size, estimate_level

# Of each feature of restored rows, with which "swap" corrupts in `sample`.
QUANTILES = (np.arange(100) + 0.5) / 100


class DenoisingModule(AutoencoderModule):
    r"""An encoder f and a decoder g trained to undo a corruption C.

    .. math:: -\log p(x \mid g(f(\tilde x))), \qquad \tilde x \sim C(\tilde x \mid x)

    Parameters
    ----------
    encoder, decoder : nn.Module
    corruption : str or callable
    level : float or tensor of shape (n_features,)
        In the network's units.
    n_features : int
    **options : dict
        As in `AutoencoderModule`.
    """

    repeatable = True
    free_scale = True

    def __init__(self, encoder, decoder, *, corruption, level, n_features, **options):
        super().__init__(encoder, decoder, **options)
        self.corruption = Corruption(corruption, level, n_features)
        self.draws_globally |= callable(corruption)

    def start_linear(self, components, variances, mean):
        """Start at the best linear map: for Gaussian noise, the Wiener filter on components.

        Along a component of variance l it is l / (l + s^2) times the input.
        """
        if self.corruption.kind != "gaussian" or not starts_itself(self.decoder):
            super().start_linear(components, variances, mean)
            return
        noise = self.corruption.level
        variance = torch.as_tensor(noise, dtype=mean.dtype, device=mean.device).square()
        variance = variance.expand(len(mean))
        seen = variances + components.square() @ variance  # by the encoder, in training
        free = self.code_activation is identity
        scales = start_scales(seen) if free else torch.ones_like(seen)
        self._start_scaled(components, scales, mean, wiener_filter(components, variances, noise))

    def draw(self, n_rows, generators):
        """Return the random inputs of one step: dropout masks, and what the corruption needs."""
        noise = self.corruption.draw(n_rows, generators["noise"])
        return *super().draw(n_rows, generators), noise

    def left_by_prefixes(self, variances, residual):
        """Return what the linear start makes of the loss of each prefix, (n_components,).

        With Gaussian noise of one level s a component of variance l leaves l s^2 / (l + s^2).
        """
        left = super().left_by_prefixes(variances, residual)
        if self.corruption.kind != "gaussian" or torch.is_tensor(self.corruption.level):
            return left
        noise = self.corruption.level**2
        return left + (variances * noise / (variances + noise).clamp_min(1e-300)).cumsum(0)

    def forward(self, x, encoder_masks, decoder_masks, *others):
        """Return the loss terms of each row: the target is the clean x."""
        *prefixes, noise = others
        z = self.encode(self.corruption(x, noise), encoder_masks)
        return self.terms_of_code(x, z, decoder_masks, *prefixes)


def wiener_filter(components, variances, level):
    """Return what best restores rows, component by component, (n_components, n_features).

    Parameters
    ----------
    components : tensor of shape (n_components, n_features)
    variances : tensor of shape (n_components,)
    level : float or tensor of shape (n_features,)
        Standard deviation of the noise.
    """
    if torch.is_tensor(level):
        return _filter_of_each_feature(components, variances, level.to(components))
    noise = level**2
    gains = variances / (variances + noise) if noise else torch.ones_like(variances)
    return gains[:, None] * components


def _filter_of_each_feature(components, variances, level):
    """Return what best restores rows, where the noise ties the components to each other."""
    total = torch.diag(variances) + (components * level.square()) @ components.T
    unit = total.diagonal().sqrt()
    unit = unit.where(unit > 0, 1.0)  # components beyond the rank of the data are zero
    inverse = torch.linalg.pinv(total / unit.outer(unit), hermitian=True) / unit.outer(unit)
    return inverse @ (variances[:, None] * components)


def _knows_the_score(estimator):
    params = getattr(estimator, "_fitted_params", vars(estimator))
    if params["corruption"] != "gaussian" or params["likelihood"] != "gaussian":
        raise AttributeError(
            "score_field and the Markov chain of sample need corruption='gaussian' and "
            f"likelihood='gaussian'. Got {params['corruption']!r} and {params['likelihood']!r}."
        )
    return True


class DenoisingAutoencoder(OrderedCodes, SamplesFromCodes, BaseAutoencoder):
    r"""Denoising autoencoder: gives back the clean row when shown a corrupted one.

    At every step each row is corrupted afresh, and encoder and decoder learn to restore it [1]_:

    .. math:: \min_{f, g} \frac{1}{n} \sum_i E_{\tilde x \sim C(\tilde x \mid x_i)}
              \bigl[-\log p(x_i \mid g(f(\tilde x)))\bigr]

    With Gaussian noise of standard deviation s and squared error the optimum is the mean of the
    clean row given the noisy one, so that :math:`(g(f(x)) - x) / s^2` is the gradient of the log
    density of the noisy data [2]_: `score_field`. By default training starts at the linear
    optimum, the Wiener filter on the principal components.

    `reconstruct` denoises. Where there are clean rows, fit on these, with the noise that shall be
    taken from others: ``corruption_level=4, corruption_units="data"`` for a standard deviation of
    4 in the units of X. Where all rows are noisy, and nobody knows how much,
    ``corruption_level="auto"`` estimates it. As the model then learns to give back noisy rows,
    `reconstruct` leaves half of the noise in directions in which there is nothing else; a number
    up to twice `corruption_level_` leaves less, and smooths more.

    Parameters
    ----------
    n_components : int, float or "auto", default="auto"
        Size of the code; "auto" is the number of features: it is the noise that keeps the model
        from copying, not the code. With a linear path, components beyond the rank of the training
        rows are 0. With ``ordered=True`` a share of the variance, or "auto", asks for the size
        that the data need, see `Autoencoder`.

    corruption : {"gaussian", "masking", "salt_and_pepper", "swap"} or callable, \
            default="gaussian"
        What is done to each row: Gaussian noise; features set to their mean (to 0 where the data
        are not centred); features set to their smallest or largest value; features taken from
        another row. A callable maps a tensor of scaled rows, (batch, n_features), to corrupted
        ones.

    corruption_level : float or "auto", default=0.3
        Standard deviation of the Gaussian noise in `corruption_units`; the probability for each
        feature otherwise. Of no effect where `corruption` is a callable. "auto", for Gaussian
        noise, is the standard deviation of the noise that is in the training rows already, as
        far as it is the same in all features: it is estimated from the small eigenvalues of their
        covariance [3]_. Where these do not show it there is a warning.

    corruption_units : {"scale", "data"}, default="scale"
        The units of the standard deviation: those of `scale_`, with ``scaling="standard"`` each
        feature's own, or those of X.

    linear_path : bool or "auto", default="auto"
        Whether encoder and decoder carry a linear path that starts at the principal components,
        with Gaussian noise at the Wiener filter on them. "auto": for the Gaussian likelihood with
        identity activations on code and output, untied weights and built-in networks. False is
        the textbook network with a random start.

    {shared parameters}

    Attributes
    ----------
    corruption_level_ : float
        The level in `corruption_units`: `corruption_level`, or what "auto" has found in the rows
        of the first fit.

    corruption_scale_ : float or ndarray of shape (n_features,)
        Standard deviation of the Gaussian noise in the units of X.

    {shared attributes}

    See Also
    --------
    Autoencoder : Without the noise.
    ContractiveAutoencoder : Robust by a penalty instead.

    Notes
    -----
    The fitted model keeps codes of at most 1000 training rows, for `sample`, and the range of each
    feature. `forget_rows` puts mean and covariance of the restored rows in the place of the codes,
    and with "swap" a hundred quantiles of each feature: where the chain of `sample` starts.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, "Stacked denoising
       autoencoders", JMLR 11, 2010.
    .. [2] G. Alain, Y. Bengio, "What regularized auto-encoders learn from the data-generating
       distribution", JMLR 15, 2014, theorem 1.
    .. [3] M. Gavish, D. L. Donoho, "The optimal hard threshold for singular values is 4/sqrt(3)",
       IEEE Transactions on Information Theory 60, 2014. The median is taken again
       without the eigenvalues that are too large for noise, until none is.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> noisy = X + np.random.default_rng(0).normal(scale=4, size=X.shape)
    >>> dae = DenoisingAutoencoder(corruption_level=4, corruption_units="data", max_iter=20)
    >>> restored = dae.set_params(random_state=0).fit(X).reconstruct(noisy)
    >>> bool(((restored - X) ** 2).mean() < 0.3 * ((noisy - X) ** 2).mean())
    True
    >>> round(dae.set_params(corruption_level="auto").fit(noisy).corruption_level_, 1)
    4.1
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _module_class = DenoisingModule

    _parameter_constraints = {
        "n_components": SIZES,
        "corruption": [
            StrOptions(set(CORRUPTIONS)),
            callable,
        ],
        "corruption_level": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "corruption_units": [StrOptions({"scale", "data"})],
    }

    _training_parameters = ("corruption_units",)
    _needs = (needs_value("corruption_units", "corruption", "gaussian"),)

    def __init__(
        self,
        n_components="auto",
        *,
        ordered=False,
        corruption="gaussian",
        corruption_level=0.3,
        corruption_units="scale",
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

    def _check_parameters(self):
        super()._check_parameters()
        if self.corruption_level == "auto":
            check_is_gaussian(self.corruption)
        else:
            check_level(self.corruption, self.corruption_level)

    # The level, in the user's units and in the network's

    def _prepare(self, X, weights, *, resume, one_pass):
        names = ("corruption_level", "corruption_units")
        if resume and any(self._fitted_params[n] != getattr(self, n) for n in names):
            self._learn_level(X, weights_of_training(self, X.shape[0], weights))
        super()._prepare(X, weights, resume=resume, one_pass=one_pass)

    def _learn_units(self, X, weights):
        super()._learn_units(X, weights)
        self._learn_level(X, weights)

    def _learn_level(self, X, weights):
        """Estimate the noise, where that is asked for; refuse a level beyond all numbers."""
        is_auto = self.corruption_level == "auto"
        self._noise_level = estimate_level(self, X, weights) if is_auto else None
        check_size(self.corruption_level, self._get_scaled_level(), self.dtype)

    def _get_level(self):
        """Return the level that the parameters of now ask for."""
        return self._noise_level if self.corruption_level == "auto" else self.corruption_level

    def _get_scaled_level(self):
        """Return it in the network's units, a number or a tensor (n_features,)."""
        level = self._get_level()
        if self.corruption_units == "scale" or self.corruption != "gaussian" or level == 0:
            return level
        scaled = level / self.scale_
        return torch.from_numpy(scaled) if np.ndim(scaled) else scaled

    def _make_module(self, n_features, generator):
        encoder, decoder = self._make_networks(n_features, generator)
        return self._module_class(
            encoder,
            decoder,
            corruption=self.corruption,
            level=self._get_scaled_level(),
            n_features=n_features,
            **self._module_options(),
        )

    def _start_networks(self, rows, weights):
        seen = rows_that_count(rows, weights)
        self.module_.corruption.start(seen.span(span) for span in chunks_of(seen))
        if start_at_pca(self, rows, weights) is None:
            return None
        # Under the noise, as the loss of the end is measured.
        return self.net_.weights(), losses_over(self, rows, weights)

    def _describe_start(self):
        name, is_optimal = super()._describe_start()
        if self.corruption == "gaussian" and self._linear_path_by_default():
            return "the best linear filter of the noise (Wiener's)", is_optimal
        return name, is_optimal and self.corruption == "gaussian"

    # The chains of `sample` start from the moments of what these stand for.
    _n_stored_codes = 1000

    @property
    def corruption_level_(self):
        return with_fitted_params(self)._get_level()

    @property
    def corruption_scale_(self):
        params = self._fitted_params
        if params["corruption_units"] == "data" and params["corruption"] == "gaussian":
            return self.corruption_level_
        return self.corruption_level_ * self.scale_

    @available_if(_knows_the_score)
    def score_field(self, X):
        r"""Return the gradient of the log density of the data, smoothed by the noise.

        .. math:: \nabla_x \log (p * N(0, s^2 I))(x) \approx (g(f(x)) - x) / s^2

        with s = `corruption_scale_`. It points to where data are, and vanishes at maxima, minima
        and saddles of the density.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        score : ndarray of shape (n_samples, n_features)
            Per unit of X.

        Raises
        ------
        AttributeError
            Unless corruption and likelihood are Gaussian.
        ValueError
            If `corruption_level` is 0.
        """
        X = self._check_X(X)
        scale = self._positive_scale()

        def field(module, x):
            return (self._reconstruct_batch(module, x) - x) / scale.to(x).square()

        return map_rows(self, X, X.dtype, field)

    def _positive_scale(self):
        check_is_fitted(self)
        if not np.all(self.corruption_scale_):
            raise ValueError(
                "score_field, and sample's Markov chain, need a model fitted with "
                "corruption_level > 0. Got 0."
            )
        return torch.as_tensor(self.corruption_scale_)

    def sample(self, n_samples=1, *, codes=None, n_steps=None, random_state=None):
        r"""Draw new rows: codes like those of training rows, decoded; or by a Markov chain.

        The chain corrupts and denoises. With Gaussian corruption it is Langevin's on the smoothed
        density, with steps of the noise's size,
        :math:`x \leftarrow x + (g(f(x)) - x) / 2 + s \epsilon`; with any other it corrupts and
        restores in turn. It starts from a Gaussian with the mean and covariance of restored
        training rows, stays within the range of training rows plus three standard deviations of
        the noise, and ends with one denoising step.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, each the end of a chain of its own where there is one.

        codes : {"fitted", "chain"} or None, default=None
            None is "chain" where `n_steps` is given, else "fitted". "fitted": codes are drawn from
            manifold Parzen windows, around each of at most 1000 training codes a Gaussian as its
            15 nearest neighbours lie (Vincent and Bengio 2002); `forget_rows` drops them.
            "chain": the Markov chain, which needs none.

        n_steps : int, default=None
            Length of the chains; None: 100.

        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.

        Raises
        ------
        NotFittedError
            Where `forget_rows` has dropped the codes, and the chain was not asked for.
        ValueError
            If `n_steps` is given for ``codes="fitted"``, or is below 1.
        """
        seed = seed_for_samples(self, n_samples, random_state)
        if codes == "chain" or (codes is None and n_steps is not None):
            n_steps = 100 if n_steps is None else n_steps
            check_scalar(n_steps, "n_steps", Integral, min_val=1)
            return self._sample_by_chain(n_samples, n_steps, seed)
        if codes not in ("fitted", None):
            raise ValueError(f"codes must be 'fitted', 'chain' or None. Got {codes!r} instead.")
        if n_steps is not None:
            raise ValueError(
                f"n_steps={n_steps!r} is the length of the Markov chain: pass codes='chain' too."
            )
        check_codes_are_kept(self, "Pass codes='chain', which needs none")
        return self._decode(self._draw_new_codes(n_samples, seed))

    def _sample_by_chain(self, n_samples, n_steps, seed):
        generator = torch.Generator(self.device_).manual_seed(seed)
        restored = self._get_code_distribution()
        start = self._draw_start(restored, n_samples, make_random_state(seed, "sample"))
        pool = torch.from_numpy(restored["values"].astype(start.dtype)).to(self.device_)

        def run(module, x):
            x, values = (self._units.enter(rows, rows.dtype) for rows in (x, pool))
            with global_generator_for(module, generator):
                for _ in range(n_steps):
                    *_, noise = module.draw(len(x), {"noise": generator})
                    x = _step_of_the_chain(module, x, noise, values)
            return self._units.leave(module.decode(module.encode(x)))

        return map_rows(self, start, start.dtype, run)

    def _describe_codes(self):
        """Return mean and a root of the covariance of restored rows, and how features vary."""
        rows = self._decode(self._codes).astype(np.float64)
        mean = rows.mean(axis=0)
        root = np.linalg.qr((rows - mean) / math.sqrt(len(rows)), mode="r")
        values = rows[:0]
        if self._fitted_params["corruption"] == "swap":
            values = np.quantile(rows, QUANTILES, axis=0, method="inverted_cdf")
        return {"mean": mean, "root": root, "values": values}

    def _draw_start(self, restored, n_samples, random_state):
        """Return Gaussian rows with the mean and covariance of restored ones."""
        mix = random_state.normal(size=(n_samples, len(restored["root"])))
        start = restored["mean"] + mix @ restored["root"]
        low, high = reach_of(with_fitted_params(self))[0]
        return np.clip(start, low, high).astype(self._X_dtype)


def _step_of_the_chain(module, x, noise, values):
    """Return the next state: Langevin's for Gaussian noise, else corrupted and restored."""
    corruption, margin = module.corruption, 0.0
    if corruption.kind == "gaussian":
        x = corruption(x + (module.decode(module.encode(x)) - x) / 2, noise)
        margin = 3 * corruption.level
    else:
        x = module.decode(module.encode(corruption(x, noise, values)))
    return x.clamp(corruption.low - margin, corruption.high + margin)
