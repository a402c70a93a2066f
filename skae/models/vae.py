"""The variational autoencoder. Its objective is in `nn.variational`, with the module."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from scipy.special import softmax
from sklearn.utils import check_scalar
from sklearn.utils.metaestimators import available_if

from .. import _ranks
from .._sklearn import Interval, StrOptions
from ..data.inputs import check_bool, plain
from ..data.streams import N_STORED_CODES, join_moments, moments_of
from ..estimator.base import BaseAutoencoder
from ..estimator.choices import has_linear_path, hidden_layer_sizes_of
from ..estimator.density_start import (
    linear_model_of,
    start_corruption,
    start_linear_model,
    start_prior,
)
from ..estimator.evidence import bound_of, decompose_bound, posterior_of, predictive_of
from ..estimator.inference import map_rows
from ..estimator.likelihoods import ScoresLikelihood
from ..estimator.networks import make_network
from ..estimator.noise import Noise, choose_noise, noise_of, noise_options
from ..estimator.ordered import OrderedCodes
from ..estimator.outcome import losses_over
from ..estimator.preparation import to_rows
from ..estimator.ranks import WHOLE_BATCH, check_is_alone
from ..estimator.sampling import KeepsCodes, draws_fitted, seed_for_samples
from ..estimator.size import SIZES
from ..estimator.start import start_mean_of
from ..exceptions import CollapseWarning, warn
from ..nn.corruption import CORRUPTIONS, Corruption, check_level
from ..nn.distributions import N_POSTERIOR_PARAMETERS, SPIKE
from ..nn.linear_gaussian import LEAST_NOISE
from ..nn.priors import MixturePrior, StandardPrior, VampPrior
from ..nn.variational import VAEModule
from ..training.callbacks import WarmUp
from ..training.randomness import make_generator

WARM_UP = 0.5  # of the epochs, without a linear start; figures in docs/defaults.md
ACTIVE_VARIANCE = 0.01  # of a unit's posterior mean over the rows (Burda et al. 2016)


def predicts_cells(estimator):
    """Whether there are Gaussians of cells, of rows alone."""
    if estimator.likelihood != "gaussian" or estimator._takes_condition:
        raise AttributeError("posterior_predictive is that of VAE with likelihood='gaussian'.")
    return True


class VAE(OrderedCodes, ScoresLikelihood, KeepsCodes, BaseAutoencoder):
    r"""Variational autoencoder: a density model whose code is a distribution.

    Codes are drawn from a prior p(z) and rows from p(x | z); an inference network gives the
    posterior q(z | x). Both are trained on a lower bound of the log-likelihood [1]_ [2]_, for
    beta of at least 1:

    .. math:: \log p(x) \ge E_{q(z \mid x)} \log p(x \mid z)
              - \beta\, \mathrm{KL}(q(z \mid x) \,\|\, p(z))

    The variance of :math:`p(x \mid z)` is learned, which sets the balance of the two terms by
    itself. By default training starts at probabilistic PCA (factor analysis for
    ``noise_variance="per_feature"``), whose bound is tight, and the better of the two is kept.
    `score` is a likelihood in nats and in the units of X, comparable with ``PCA.score``,
    ``FactorAnalysis.score`` and ``GaussianMixture.score``.

    Parameters
    ----------
    n_components : int, float or "auto", default=2
        Size of the code. With ``ordered=True`` also a share of the variance, between 0 and 1, for
        the smallest prefix that explains it on the training rows, of as many numbers as PCA needs
        for it; or "auto", for the smallest prefix whose loss on rows set aside
        (`validation_fraction`) is within one standard error of the lowest: minus the
        bound. At most min(64, n_features, n_samples / 5) numbers are tried.

    covariance_type : {"diag", "full", "identity"}, default="diag"
        Covariance of the posterior q: diagonal; full, by its Cholesky factor; or the identity, so
        that only the mean is learned.

    prior : {"standard", "mixture", "vamp"}, default="standard"
        p(z): N(0, I); a mixture of Gaussians that is learned; or the mixture of the posteriors of
        learned pseudo-inputs [3]_. With the last two the KL is estimated from the same draws as
        the rest.

    n_prior_components : int, default=10
        Number of components of a mixture prior.

    likelihood : {"gaussian", "bernoulli"}, default="gaussian"
        Distribution of a row given its code: a Gaussian whose variance is `noise_variance`; or
        a Bernoulli for data in [0, 1], which are neither shifted nor scaled.

    noise_variance : {"auto", "shared", "per_feature"} or float, default="auto"
        Variance of the Gaussian likelihood: one learned number; a learned number for each feature;
        or a number to keep, in the squared units of X. Learned ones stay above 1e-6 of the
        squared scale. "auto" is the one of the two with which the linear model fits rows best that
        it was not learned from; the rows are held out in parts, four or, of more than 128
        columns, two. A number for each feature then stays above a share of the shared one that
        the same rows choose: a thousandth, a hundredth, a tenth, or, where columns are nearly
        functions of others, less, down to 1e-12 of the squared scale. Columns that are
        constant are then set apart: each counts as in its place with probability
        (n + 1) / (n + 2), and as drawn from a Cauchy distribution otherwise, so that a row in
        which it differs costs some tens of nats and not thousands.

    beta : float, default=1.0
        Weight of the KL. Scores are always those of weight 1.

    warm_up : float or "auto", default="auto"
        Share of the epochs that `max_iter` allows in which the weight of the KL rises from 0 to
        `beta`. "auto" is 0.5 where training starts at random weights, so that the decoder learns
        to use the code before the KL counts: with the Bernoulli likelihood, a bounded
        `output_activation`, own networks or ``linear_path=False``. It is 0 where training starts
        at the linear model, and with ``importance_weighted=True``. Stopping and best weights
        begin after the warm-up. Calls of `partial_fit` count as epochs, and ``max_iter="auto"``
        is then what it is for the rows of the first.

    free_bits : float, default=0.0
        Nats of KL in each component of the code that cost nothing, on average over a batch; with
        the learned priors `n_components` times as many for the whole code.

    n_mc_samples : int, default=1
        Draws from the posterior for each row and step.

    importance_weighted : bool, default=False
        Whether to train on the importance-weighted bound of the `n_mc_samples` draws [4]_,
        :math:`\log \frac1K \sum_k p(x, z_k) / q(z_k \mid x)`.

    corruption : {"gaussian", "masking", "salt_and_pepper", "swap"}, callable or None, \
            default=None
        What is done to each row before the encoder sees it, see `DenoisingAutoencoder`; the
        likelihood is that of the clean row. A learned noise variance is then that of the clean
        row given a corrupted one. It lowers `score`, most of all where columns follow from
        others, as totals do: compare densities of models without corruption.

    linear_path : bool or "auto", default="auto"
        Whether encoder and decoder carry a linear path, which starts at the linear model with the
        Gaussian likelihood. "auto": for the Gaussian likelihood with an identity activation on the
        output and built-in networks. False is the textbook network with a random start.

    encoder, decoder : None, nn.Module subclass, callable or nn.Module instance, default=None
        A network of your own: a class or a factory, called as ``encoder(n_features, n_outputs)``
        and ``decoder(n_components, n_features)``, or an instance, which is copied. The encoder's
        outputs are the mean of q(z | x), the logarithms of its standard deviations (but for
        ``"identity"``) and the rows of its lower triangle (for ``"full"``): k, 2 k or
        2 k + k (k - 1) / 2 of them. None builds a multi-layer perceptron.

    {shared parameters}

    Attributes
    ----------
    noise_variance_ : float or ndarray of shape (n_features,)
        Variance of p(x | z) in the squared units of X; with the Gaussian likelihood only. With
        ``noise_variance="auto"`` constant columns have that of their place.

    active_units_ : ndarray of bool of shape (n_components,)
        Which components of the code say something about the row: those whose posterior mean has a
        variance above 0.01 over the training rows (at most 10000 of them).

    {shared attributes}

    See Also
    --------
    Autoencoder : Without noise and KL.
    sklearn.decomposition.FactorAnalysis : The linear case.

    Notes
    -----
    The fitted model keeps the codes of at most 10000 training rows, for `sample`. `forget_rows`
    leaves mean, covariance and a mixture of Gaussians of them. The components of a learned prior
    start at means of five neighbouring rows; they are weights, which it leaves as they are.

    NaN in X is what was not observed [5]_: the objective, `score_samples` and
    `reconstruction_error` are those of the other cells, `transform` is the mean of z given them,
    the prior's for an empty row, and `sample`, `inverse_transform` and `reconstruct` give whole
    rows. Training starts at the linear model of the observed cells, learned by expectation
    maximisation from at most 20000 rows, and networks see a row completed by it. With
    ``ordered=True`` NaN is an error.

    References
    ----------
    .. [1] D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [2] D. J. Rezende, S. Mohamed, D. Wierstra, "Stochastic backpropagation and approximate
       inference in deep generative models", ICML 2014.
    .. [3] J. M. Tomczak, M. Welling, "VAE with a VampPrior", AISTATS 2018.
    .. [4] Y. Burda, R. Grosse, R. Salakhutdinov, "Importance weighted autoencoders", ICLR 2016.
    .. [5] P.-A. Mattei, J. Frellsen, "MIWAE: deep generative modelling and imputation of
       incomplete data sets", ICML 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import VAE
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAE(n_components=8, max_iter=20, random_state=0).fit(X)
    >>> vae.sample(3).shape
    (3, 64)
    >>> bool(vae.score(X) > PCA(8).fit(X).score(X))
    True
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _is_density = True
    _linear = None  # by which rows with holes are completed; older files have none
    tied_weights = False  # a posterior has more parameters than a code

    _parameter_constraints = {
        "n_components": SIZES,
        "covariance_type": [StrOptions(set(N_POSTERIOR_PARAMETERS))],
        "prior": [StrOptions({"standard", "mixture", "vamp"})],
        "n_prior_components": [Interval(Integral, 1, None, closed="left")],
        "noise_variance": [
            StrOptions({"auto", "shared", "per_feature"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "beta": [Interval(Real, 0, None, closed="left")],
        "warm_up": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "n_mc_samples": [Interval(Integral, 1, None, closed="left")],
        "importance_weighted": ["boolean"],
        "corruption": [StrOptions(set(CORRUPTIONS)), callable, None],
    }

    def __init__(
        self,
        n_components=2,
        *,
        ordered=False,
        covariance_type="diag",
        prior="standard",
        n_prior_components=10,
        likelihood="gaussian",
        noise_variance="auto",
        beta=1.0,
        warm_up="auto",
        free_bits=0.0,
        n_mc_samples=1,
        importance_weighted=False,
        corruption=None,
        corruption_level=0.3,
        hidden_layer_sizes=(128, 64),
        activation="relu",
        output_activation="identity",
        linear_path="auto",
        encoder=None,
        decoder=None,
        alpha="auto",
        dropout=0.0,
        scaling="auto",
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

    @property
    def _takes_holes(self):
        """Whether X may have NaN: of whole rows alone it is known what a prefix explains."""
        return not self.ordered

    def _get_code_activation(self):
        return "identity"

    def _check_parameters(self):
        super()._check_parameters()
        check_level(self.corruption, self.corruption_level)
        if self.ordered:
            self._check_ordered()
        if self.free_bits:
            check_is_alone(self, f"free_bits={self.free_bits!r}", WHOLE_BATCH)
        if not self.importance_weighted:
            return
        for name, usual in (("beta", 1), ("warm_up", 0), ("free_bits", 0)):
            if getattr(self, name) not in (usual, "auto"):
                raise ValueError(
                    f"importance_weighted=True needs {name}={usual}: its bound has no separate KL "
                    f"that could be weighed. Got {getattr(self, name)!r} instead."
                )

    def _check_ordered(self):
        """Refuse what nested dropout does not go with: a KL that is no sum over components."""
        if self.prior != "standard":
            raise ValueError(
                "ordered=True needs prior='standard': with a learned prior there is no telling "
                f"what a number of the code costs. Got {self.prior!r} instead."
            )
        if self.importance_weighted:
            raise ValueError(
                "ordered=True needs importance_weighted=False: the bound of several draws is no "
                "sum over the numbers of the code."
            )

    _n_conditions = 0  # columns, after those of X, that the networks see and do not model

    def _make_module(self, n_inputs, generator):
        k, c = self._n_features_out, self._n_conditions
        n_features, sizes = n_inputs - c, hidden_layer_sizes_of(self)
        n_outputs = N_POSTERIOR_PARAMETERS[self.covariance_type](k)
        width = (
            f"{n_outputs} numbers, the parameters of q(z | x) with covariance_type="
            f"{self.covariance_type!r}: {k} means, then the rest"
        )
        module = self._module_class(
            make_network(self, "encoder", n_inputs, sizes, n_outputs, generator, width, c),
            make_network(self, "decoder", k + c, sizes[::-1], n_features, generator),
            self._make_prior(n_features, generator),
            n_components=k,
            **noise_options(self, n_features),
            beta=self.beta,
            free_bits=self.free_bits,
            n_mc_samples=int(self.n_mc_samples),
            importance_weighted=self.importance_weighted,
            corruption=self.corruption
            and Corruption(self.corruption, self.corruption_level, n_features),
            **self._module_options(),
        )
        module.n_conditions = c
        module.takes_holes, module.linear = self._has_holes, linear_model_of(self)
        module.starts_linear = self._starts_linear() and self.covariance_type != "identity"
        return module

    _module_class = VAEModule

    def _make_prior(self, n_features, generator):
        if self.prior == "standard":
            return StandardPrior(self._n_features_out)
        if self.prior == "mixture":
            return MixturePrior(self.n_prior_components, self._n_features_out)
        return VampPrior(self.n_prior_components, n_features)

    def _make_callbacks(self):
        n = self._n_unjudged_epochs()
        return [WarmUp(n)] * (n > 0) + super()._make_callbacks()

    def _n_unjudged_epochs(self):
        return math.ceil(self._warm_up_share() * self._n_epochs)

    def _warm_up_share(self):
        """Return `warm_up`, and what "auto" means."""
        if self.warm_up != "auto":
            return self.warm_up
        return WARM_UP if self._weighs_kl() and not self._starts_linear() else 0.0

    def _weighs_kl(self):
        """Whether the objective has a KL of its own, whose weight can be set."""
        return not self.importance_weighted

    def _starts_linear(self):
        """Whether training starts at the linear model, and not at random weights."""
        return self.likelihood == "gaussian" and has_linear_path(self)

    def _learn_likelihood(self, X, weights):
        if self.noise_variance != "auto":
            return
        noise = Noise("shared", LEAST_NOISE)
        if self.likelihood == "gaussian":
            noise = choose_noise(self, *to_rows(self, X, weights))
        self._noise = noise._asdict()

    def _linear_part(self, rows, weights):
        """Return the rows that a linear model's code has to explain, their mean, and slopes.

        The last are what a condition adds to the mean, None where there is none.
        """
        return rows, start_mean_of(self), None

    # The start: the linear Gaussian model, at its maximum likelihood

    def _describe_start(self):
        name, is_optimal = super()._describe_start()
        if not has_linear_path(self):
            return name, is_optimal
        if self.covariance_type == "identity":
            return "the best linear model", is_optimal
        is_factor_analysis = noise_of(self).kind == "per_feature"
        return "factor analysis" if is_factor_analysis else "probabilistic PCA", is_optimal

    def _start_networks(self, rows, weights):
        module = self.module_
        module.start_output(start_mean_of(self))
        if module.corruption is not None and module.corruption.kind == "salt_and_pepper":
            start_corruption(self, rows, weights)
        start_linear_model(self, rows, weights)
        if self.prior != "standard":
            start_prior(self, rows, weights, self.n_prior_components)
        if not has_linear_path(self):
            return None
        return self.net_.weights(), losses_over(self, rows, weights)

    def _learn_from_codes(self, X, streaming=False):
        """Find the active units, and warn where half of the code or more is unused."""
        super()._learn_from_codes(X, streaming)
        self._learn_moments(X, streaming)
        self.active_units_ = self._code_moments["covariance"].diagonal() > ACTIVE_VARIANCE
        n_active, k = int(self.active_units_.sum()), len(self.active_units_)
        varies = bool(self._variance.any())
        if varies and n_active <= k / 2:
            warn(
                f"The posterior has collapsed: {n_active} of {k} components of the code carry "
                f"information about the row, the decoder ignores the others. {self._cures()}where "
                "the columns have nothing to do with each other nothing will help, and fewer "
                "components will do.",
                CollapseWarning,
            )

    def _cures(self):
        """Say what is left to try against a collapse, of the parameters that the class has."""
        weighs, warms = self._weighs_kl(), self._warm_up_share() >= WARM_UP
        cures = [
            ("beta", weighs, f"a smaller beta (now {self.beta:g})"),
            ("warm_up", weighs and not warms, "warm_up=0.5"),
            ("free_bits", weighs and not self.free_bits, "free_bits=0.1"),
            ("importance_weighted", self.importance_weighted, "importance_weighted=False"),
        ]
        there = self.get_params(deep=False)
        words = [cure for name, is_left, cure in cures if is_left and name in there]
        return f"Try {' or '.join(words)}; " if words else ""

    def _learn_moments(self, X, streaming):
        """Learn mean and covariance of the codes of some rows, beside those of before."""
        n_rows = _ranks.total(X.shape[0])
        moments = moments_of(self._codes[-n_rows:, : self._n_features_out])
        if streaming:
            moments = join_moments(self._code_moments, moments, n_rows, N_STORED_CODES)
        self._code_moments = moments

    # Distributions

    def posterior(self, X):
        """Return mean and covariance of q(z | x) for each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        mean : ndarray of shape (n_samples, n_components)
            The codes, as `transform` returns them.
        covariance : ndarray of shape (n_samples, n_components, n_components)
            In the squared units of codes.
        """
        return self._describe_posterior(self._check_X(X))

    def _describe_posterior(self, X):
        q = posterior_of(self, X)
        return q.mean.numpy(), q.covariance.numpy()

    def score_samples(self, X, n_importance_samples=16):
        r"""Return a lower bound of the log-likelihood of each row.

        .. math:: \log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)} \le \log p(x)
                  \text{ in expectation}, \quad z_k \sim q(z \mid x)

        The more draws, the tighter. Draws are a function of the row and of `random_state` at `fit`
        alone: they differ from row to row, so that their errors average out in a mean over rows,
        and the score of a row is the same alone, in any batch, order and container. Equal rows
        have equal scores; a single score errs by its own draws, above log p(x) too.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        n_importance_samples : int, default=16
            K. 1 gives an estimate of the evidence lower bound.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            In nats, in double precision; a log density in the units of X, for the Bernoulli
            likelihood a log probability.
        """
        return self._score_rows(self._check_X(X), n_importance_samples)

    def _score_rows(self, X, n_importance_samples):
        check_scalar(n_importance_samples, "n_importance_samples", Integral, min_val=1)
        return bound_of(self, X, plain(n_importance_samples))

    @available_if(predicts_cells)
    def posterior_predictive(self, X, n_draws=100):
        r"""Return the distribution of each row given its observed cells, as a mixture.

        .. math:: p(x \mid x_o) \approx \sum_{k=1}^K w_k\, N(x; m_k, \mathrm{diag}\, v), \quad
                  w_k \propto \frac{p(x_o, z_k)}{q(z_k \mid x_o)}, \quad z_k \sim q(z \mid x_o)

        Its mean fills what is missing, `Imputer` with this model as its estimator does so where
        that is better than a Gaussian. Draws are those of `score_samples`.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        n_draws : int, default=100
            K.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_draws)
            They add up to 1 in each row.
        means : ndarray of shape (n_samples, n_draws, n_features)
            In the units of X.
        variances : ndarray of shape (n_features,)
            In the squared units of X.
        """
        X = self._check_X(X)
        n_draws = plain(check_scalar(n_draws, "n_draws", Integral, min_val=1))
        log_weights, means = predictive_of(self, X, n_draws)
        variances = np.broadcast_to(self.noise_variance_, means.shape[-1:]).copy()
        return softmax(log_weights, axis=1), means, variances

    def elbo_decomposition(self, X):
        r"""Return what the evidence lower bound consists of, averaged over rows.

        With one draw z_i of q(z | x_i) for each row and the aggregated posterior
        :math:`q(z) = \frac1n \sum_i q(z \mid x_i)`, the KL is split in two ways [1]_:

        .. math:: E\,KL(q(z \mid x) \| p(z)) = I(x; z) + KL(q(z) \| p(z))
                  = E_{q(z)}[-\log p(z)] - E\,H(q(z \mid x))

        Both hold to rounding, as all terms are estimated from the same draws: the first of those
        that a row has in `score_samples`, whatever its place, so that ``elbo`` is the mean of
        ``score_samples(X, 1)``. Costs O(n_samples^2).

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        terms : dict of str to float
            In nats per row: ``reconstruction``, :math:`E \log p(x \mid z)` in the units of X;
            ``kl``; ``conditional_entropy``, :math:`E\,H(q(z \mid x))`; ``cross_entropy``,
            :math:`E_{q(z)}[-\log p(z)]`; ``mutual_information``, :math:`I(x; z)`, at most log
            n_samples; ``marginal_kl``, :math:`KL(q(z) \| p(z))`; ``elbo``, reconstruction minus
            kl; and ``kl_closed_form``, the KL without draws, NaN for learned priors.

        References
        ----------
        .. [1] M. D. Hoffman, M. J. Johnson, "ELBO surgery", NIPS workshop on advances in
           approximate Bayesian inference, 2016.
        """
        return decompose_bound(self, self._check_X(X))

    def sample(self, n_samples=1, *, codes="fitted", observation_noise=True, random_state=None):
        """Draw new rows: codes like those of training rows or from p(z), rows from p(x | z).

        Parameters
        ----------
        observation_noise : bool, default=True
            Whether to draw from p(x | z); otherwise its mean is returned.

        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        check_bool(observation_noise, "observation_noise")
        seed = seed_for_samples(self, n_samples, random_state)
        generator = make_generator(seed, "sample", self.device_)
        if draws_fitted(self, codes):
            z = self._draw_new_codes(n_samples, seed)
        else:
            z = self._draw_from_prior(n_samples, generator)

        def rows(module, z):
            p = module.p_x(z)
            return self._units.leave(p.sample((), generator) if observation_noise else p.mean)

        return map_rows(self, z, z.dtype, rows)

    def sample_prior(self, n_samples=1, *, random_state=None):
        """Draw codes from p(z).

        Parameters
        ----------
        n_samples : int, default=1
            Number of codes.

        {shared parameters}

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            An array whatever `set_output` asks for.
        """
        seed = seed_for_samples(self, n_samples, random_state)
        return self._draw_from_prior(n_samples, make_generator(seed, "sample", self.device_))

    def _draw_from_prior(self, n_samples, generator):
        module = self._module_in(getattr(torch, self._X_dtype))
        with torch.inference_mode():
            return module.p_z().sample((n_samples,), generator).cpu().numpy()

    @property
    def noise_variance_(self):
        if self._fitted_params["likelihood"] != "gaussian":
            raise AttributeError("noise_variance_ needs likelihood='gaussian'.")
        variance = self.module_.noise_variance().detach().cpu().numpy()
        constant = noise_of(self).constant
        if constant is not None:
            variance = np.where(constant, SPIKE**2, variance)
        variance = variance * np.square(self.scale_)
        return variance if np.ndim(variance) else float(variance)
