"""The variational autoencoder: its module and its estimator."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import check_scalar
from skorch.callbacks import Callback
from torch import nn

from .._sklearn import Interval, StrOptions
from ..data.inputs import check_bool
from ..data.moments import N_DENSE, principal_components, scatter
from ..data.streams import N_STORED_CODES, join_moments, moments_of
from ..data.tables import chunks_of
from ..data.weights import weighted_mean
from ..estimator.base import BaseAutoencoder
from ..estimator.choices import has_linear_path, hidden_layer_sizes_of
from ..estimator.inference import map_rows
from ..estimator.networks import make_network
from ..estimator.sampling import choose_rows, seed_for_samples
from ..estimator.start import start_mean_of
from ..exceptions import CollapseWarning, warn
from ..nn import linear_gaussian
from ..nn.autoencoder import AutoencoderModule
from ..nn.corruption import CORRUPTIONS, Corruption, check_level
from ..nn.distributions import (
    N_POSTERIOR_PARAMETERS,
    Bernoulli,
    Gaussian,
    Mixture,
    is_diagonal,
    make_posterior,
    unbound_log_scale,
)
from ..nn.networks import apply, draw_masks, own_layers
from ..nn.score_draws import RowDraws
from ..training.randomness import global_generator_for, make_generator
from ..training.torch_settings import torch_as_usual

SCORE_ROWS, SCORE_CELLS = 2**14, 2**18  # decoded at a time while bounds are computed, at most
PAIRS = 2**22  # numbers held at a time while every code meets every posterior
# A component of a learned prior starts at the mean of a row and its nearest among some: what a
# file holds is then no row.
N_ROWS_OF_PRIORS, N_NEAR = 1000, 5
ACTIVE_VARIANCE = 0.01  # of a unit's posterior mean over the rows (Burda et al. 2016)


class StandardPrior(nn.Module):
    """p(z) = N(0, I)."""

    repeatable = True

    def __init__(self, n_components):
        super().__init__()
        self.n_components = n_components

    def forward(self, module, c=None):
        """Return p(z)."""
        zeros = module.warmth.new_zeros(self.n_components)
        return Gaussian(zeros, zeros)


class MixturePrior(nn.Module):
    """p(z), a mixture of Gaussians with diagonal covariances, learned with the networks."""

    repeatable = True

    def __init__(self, n_prior_components, n_components):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_prior_components))
        self.means = nn.Parameter(torch.zeros(n_prior_components, n_components))
        self.log_scales = nn.Parameter(torch.zeros(n_prior_components, n_components))

    @torch.no_grad()
    def start(self, module, rows):
        """Place the components at the codes of rows, here made-up ones."""
        self.means.copy_(module.encode(rows))
        self.log_scales.fill_(math.log(0.5))

    def forward(self, module):
        """Return p(z)."""
        parameters = torch.cat([self.means, self.log_scales], dim=1)
        return Mixture(self.logits.log_softmax(0), make_posterior(parameters, self.means.shape[1]))


class VampPrior(nn.Module):
    """p(z), the mixture of the posteriors of learned pseudo-inputs (Tomczak and Welling 2018)."""

    repeatable = True

    def __init__(self, n_prior_components, n_features):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_prior_components))
        self.pseudo_inputs = nn.Parameter(torch.zeros(n_prior_components, n_features))

    @torch.no_grad()
    def start(self, module, rows):
        """Take over the first pseudo-inputs."""
        self.pseudo_inputs.copy_(rows)

    def forward(self, module):
        """Return p(z)."""
        return Mixture(self.logits.log_softmax(0), module.q_z(self.pseudo_inputs))


class VAEModule(AutoencoderModule):
    r"""An inference network q(z | x) and a generative model p(z) p(x | z).

    .. math:: -E_{q(z \mid x)} \log p(x \mid z) + \beta\, KL(q(z \mid x) \,\|\, p(z))

    Parameters
    ----------
    encoder, decoder : nn.Module
        x, (batch, n_features), to the parameters of q(z | x); z to those of p(x | z).
    prior : nn.Module
        Called with this module, returns p(z).
    n_components : int
    noise_shape : tuple
        () for one noise variance, (n_features,) for one of each feature.
    learn_noise : bool
    beta, free_bits : float
    n_mc_samples : int
    importance_weighted : bool
    corruption : Corruption or None
    **options : dict
        As in `AutoencoderModule`.
    """

    repeatable = True

    def __init__(
        self,
        encoder,
        decoder,
        prior,
        *,
        n_components,
        noise_shape=(),
        learn_noise=True,
        beta=1.0,
        free_bits=0.0,
        n_mc_samples=1,
        importance_weighted=False,
        corruption=None,
        **options,
    ):
        super().__init__(encoder, decoder, **options)
        self.prior, self.corruption = prior, corruption
        self.n_components, self.n_mc_samples = n_components, n_mc_samples
        self.beta, self.free_bits = beta, free_bits
        self.importance_weighted = importance_weighted
        self.is_bernoulli = options["likelihood"] == "bernoulli"
        self.least_noise = linear_gaussian.LEAST_NOISE if learn_noise else 0.0
        log_noise = torch.zeros(noise_shape)
        if learn_noise and not self.is_bernoulli:
            self.log_noise = nn.Parameter(log_noise)
        else:
            self.register_buffer("log_noise", log_noise)
        # The share of beta that counts; a tensor filled in place while training warms up.
        self.register_buffer("warmth", torch.ones(()), persistent=False)
        self.draws_globally |= corruption is not None and callable(corruption.kind)

    # The three distributions, given c where there is a condition

    def split(self, x):
        """Return the row and the condition that the networks are shown, here none."""
        return x, None

    def q_z(self, x, c=None, masks=()):
        """Return q(z | x)."""
        return make_posterior(apply(self.encoder, x, masks), self.n_components)

    def p_z(self, c=None):
        """Return p(z)."""
        return self.prior(self)

    def p_x(self, z, c=None, masks=()):
        """Return p(x | z) for codes (..., n_components)."""
        parameters = self.decode_parameters(self.decoder_input(z, c).flatten(0, -2), masks)
        parameters = parameters.reshape(*z.shape[:-1], -1)
        if self.is_bernoulli:
            return Bernoulli(parameters)
        return Gaussian(parameters, 0.5 * self.noise_variance().log())

    def decoder_input(self, z, c):
        """Return what the decoder sees."""
        return z

    def noise_variance(self):
        """Return the variance of p(x | z), of shape () or (n_features,)."""
        return self.least_noise + self.log_noise.exp()

    def undecayed_parameters(self):
        """Return the parameters that weight decay leaves alone: those of a mixture prior too."""
        mixture = isinstance(self.prior, (MixturePrior, VampPrior))
        return super().undecayed_parameters() + list(self.prior.parameters()) * mixture

    # The objective

    def draw(self, n_rows, generators):
        """Return the random inputs of one step: dropout masks, noise on z, corruption of x."""
        n_codes = self.n_mc_samples * n_rows
        masks = [
            draw_masks(network, n, generators["dropout"]) if self.training else ()
            for network, n in ((self.encoder, n_rows), (self.decoder, n_codes))
        ]
        like = {"device": self.warmth.device, "dtype": self.warmth.dtype}
        shape = (self.n_mc_samples, n_rows, self.n_components)
        noise = torch.randn(shape, generator=generators["noise"], **like)
        if self.corruption is None:
            return *masks, noise, ()
        return *masks, noise, self.corruption.draw(n_rows, generators["corruption"])

    def forward(self, x, encoder_masks, decoder_masks, noise, corruption_noise):
        """Return the loss terms of each row, in nats."""
        x, c = self.split(x)
        x_seen = x if self.corruption is None else self.corruption(x, corruption_noise)
        q = self.q_z(x_seen, c, encoder_masks)
        z = q.draw(noise)  # (n_mc_samples, batch, n_components)
        log_p_x = self.p_x(z, c, decoder_masks).log_prob(x)
        if self.importance_weighted:
            log_w = log_p_x + self.p_z(c).log_prob(z) - q.log_prob_of_draw(noise)
            return {"negative_bound": math.log(len(z)) - log_w.logsumexp(0)}
        kl = self.above_free_bits(self.kl(q, self.p_z(c), z, noise))
        return {"reconstruction": -log_p_x.mean(0), "kl": self.beta * self.warmth * kl.sum(-1)}

    def kl(self, q, p, z, noise):
        """Return KL(q || p), exact by components, or estimated from draws and whole.

        Of shape (batch, n_components) or (batch, 1).
        """
        if is_diagonal(p):
            return q.kl(p)
        return (q.log_prob_of_draw(noise) - p.log_prob(z)).mean(0)[:, None]

    def above_free_bits(self, kl):
        """Return the KL, with a constant where its mean over the batch is free (Kingma 2016)."""
        if not self.free_bits:
            return kl
        free = self.free_bits * self.n_components / kl.shape[1]
        return torch.where(kl.mean(0) > free, kl, torch.full_like(kl, free))

    def importance_bound(self, x, noise):
        """Return log mean_k w_k, where w_k = p(x, z_k) / q(z_k | x), in double precision.

        Parameters
        ----------
        x : tensor of shape (batch, n_features)
        noise : iterable of tensors of shape (n_draws, batch, n_components), in double precision
            Standard normal draws, a few at a time.
        """
        x, c = self.split(x)
        q, p_z, target = self.q_z(x, c), self.p_z(c), x.double()
        n_draws, parts = 0, []
        for e in noise:
            z = q.draw(e.to(x))
            # Squares of single precision overflow 1e19 away from the data.
            log_p = self.p_x(z, c).log_prob(target) + p_z.log_prob(z.double())
            parts.append((log_p - q.log_prob_of_draw(e)).logsumexp(0))
            n_draws += len(e)
        return torch.stack(parts).logsumexp(0) - math.log(n_draws)

    # What stands for one point

    def encode(self, x, masks=()):
        """Return the mean of q(z | x), (batch, n_components)."""
        return self.q_z(*self.split(x), masks).mean

    def decode(self, z, c=None):
        """Return E[x | z], (batch, n_features)."""
        return self.p_x(z, c).mean

    def reconstruct(self, x):
        """Return E[x | z] at the code of x, under its condition, (batch, n_features)."""
        return self.decode(self.encode(x), self.split(x)[1])

    # The start

    @torch.no_grad()
    def start_output(self, mean):
        """Let E[x | z] start near the mean of the data, q(z | x) with covariance I for every x."""
        super().start_output(mean)
        if layers := own_layers(self.encoder):
            layers[-1].weight[self.n_components :] = 0

    @torch.no_grad()
    def start_noise(self, variance):
        """Set the noise variance, a number or (n_features,)."""
        variance = torch.as_tensor(variance, dtype=torch.float64)
        self.log_noise.copy_((variance - self.least_noise).clamp_min(1e-12).log())

    @torch.no_grad()
    def start_posterior(self, loadings, gain, variances, mean, slopes=None):
        """Start at q(z | x) = N(gain (x - mean), variances) and E[x | z] = mean + W z.

        With slopes A, (n_features, n_conditions), the mean is mean + A c.
        """
        n_outputs, k = self.encoder.layers[-1].out_features, self.n_components
        bias = torch.zeros(n_outputs, dtype=gain.dtype)
        bias[:k] = -gain @ mean
        if n_outputs > k:
            bias[k : 2 * k] = unbound_log_scale(0.5 * variances.log())
        if slopes is not None:
            gain = torch.cat([gain, -gain @ slopes], dim=1)
            loadings = torch.cat([loadings, slopes.T])
        weight = torch.zeros(n_outputs, gain.shape[1], dtype=gain.dtype)
        weight[:k] = gain
        self.encoder.start_linear(weight)
        self.encoder.start_bias(bias)
        self.decoder.start_linear(loadings.T)
        self.decoder.start_bias(mean)


class WarmUp(Callback):
    """Let the weight of the KL rise along a line over the first epochs of the history."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        net.module_.warmth.fill_(min(1.0, len(net.history) / self.n_epochs))

    def on_train_end(self, net, X=None, y=None, **kwargs):
        net.module_.warmth.fill_(1.0)


class VAE(BaseAutoencoder):
    r"""Variational autoencoder: a density model whose code is a distribution.

    Codes are drawn from a prior p(z) and rows from p(x | z); an inference network gives the
    posterior q(z | x). Both are trained on a lower bound of the log-likelihood [1]_ [2]_:

    .. math:: \log p(x) \ge E_{q(z \mid x)} \log p(x \mid z) - \beta\, KL(q(z \mid x) \,\|\, p(z))

    The variance of :math:`p(x \mid z)` is learned, which sets the balance of the two terms by
    itself. By default training starts at probabilistic PCA (factor analysis for
    ``noise_variance="per_feature"``), whose bound is tight, and the better of the two is kept.
    `score` is a likelihood in nats and in the units of X, comparable with ``PCA.score``,
    ``FactorAnalysis.score`` and ``GaussianMixture.score``.

    Parameters
    ----------
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

    noise_variance : {"shared", "per_feature"} or float, default="shared"
        Variance of the Gaussian likelihood: one learned number; a learned number for each feature;
        or a number to keep, in the squared units of X. Learned ones stay above 1e-6 of the
        squared scale.

    beta : float, default=1.0
        Weight of the KL. Scores are always those of weight 1.

    warm_up : float, default=0.0
        Share of `max_iter` in which the weight of the KL rises from 0 to `beta`. Stopping and best
        weights begin after it.

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
        likelihood is that of the clean row.

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
        Variance of p(x | z) in the squared units of X; with the Gaussian likelihood only.

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
    The fitted model keeps no codes of training rows, only their mean and covariance. The
    components of a learned prior start at means of five neighbouring rows; they are weights, which
    `forget_rows` leaves as they are: it drops the optimizer's memory alone.

    References
    ----------
    .. [1] D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [2] D. J. Rezende, S. Mohamed, D. Wierstra, "Stochastic backpropagation and approximate
       inference in deep generative models", ICML 2014.
    .. [3] J. M. Tomczak, M. Welling, "VAE with a VampPrior", AISTATS 2018.
    .. [4] Y. Burda, R. Grosse, R. Salakhutdinov, "Importance weighted autoencoders", ICLR 2016.

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

    tied_weights = False  # a posterior has more parameters than a code

    _parameter_constraints = {
        "covariance_type": [StrOptions(set(N_POSTERIOR_PARAMETERS))],
        "prior": [StrOptions({"standard", "mixture", "vamp"})],
        "n_prior_components": [Interval(Integral, 1, None, closed="left")],
        "noise_variance": [
            StrOptions({"shared", "per_feature"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "beta": [Interval(Real, 0, None, closed="left")],
        "warm_up": [Interval(Real, 0, 1, closed="left")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "n_mc_samples": [Interval(Integral, 1, None, closed="left")],
        "importance_weighted": ["boolean"],
        "corruption": [StrOptions(set(CORRUPTIONS)), callable, None],
    }

    def __init__(
        self,
        n_components=2,
        *,
        covariance_type="diag",
        prior="standard",
        n_prior_components=10,
        likelihood="gaussian",
        noise_variance="shared",
        beta=1.0,
        warm_up=0.0,
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
        scaling="global",
        optimizer="adam",
        learning_rate_init=0.005,
        learning_rate="cosine",
        batch_size="auto",
        max_iter=100,
        tol=1e-4,
        n_iter_no_change=None,
        early_stopping=False,
        validation_fraction=0.1,
        callbacks=None,
        device="auto",
        dtype="float32",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    def _get_code_activation(self):
        return "identity"

    def _check_parameters(self):
        super()._check_parameters()
        check_level(self.corruption, self.corruption_level)
        if not self.importance_weighted:
            return
        for name, plain in (("beta", 1), ("warm_up", 0), ("free_bits", 0)):
            if getattr(self, name) != plain:
                raise ValueError(
                    f"importance_weighted=True needs {name}={plain}: its bound has no separate KL "
                    f"that could be weighed. Got {getattr(self, name)!r} instead."
                )

    _n_conditions = 0  # columns, after those of X, that the networks see and do not model

    def _make_module(self, n_inputs, generator):
        k, c = self.n_components, self._n_conditions
        n_features, sizes = n_inputs - c, hidden_layer_sizes_of(self)
        n_outputs = N_POSTERIOR_PARAMETERS[self.covariance_type](k)
        width = (
            f"{n_outputs} numbers, the parameters of q(z | x) with covariance_type="
            f"{self.covariance_type!r}: {k} means, then the rest"
        )
        return self._module_class(
            make_network(self, "encoder", n_inputs, sizes, n_outputs, generator, width),
            make_network(self, "decoder", k + c, sizes[::-1], n_features, generator),
            self._make_prior(n_features, generator),
            n_components=k,
            noise_shape=self._get_noise_shape(n_features),
            learn_noise=isinstance(self.noise_variance, str),
            beta=self.beta,
            free_bits=self.free_bits,
            n_mc_samples=self.n_mc_samples,
            importance_weighted=self.importance_weighted,
            corruption=self.corruption
            and Corruption(self.corruption, self.corruption_level, n_features),
            **self._module_options(),
        )

    _module_class = VAEModule

    def _make_prior(self, n_features, generator):
        if self.prior == "standard":
            return StandardPrior(self.n_components)
        if self.prior == "mixture":
            return MixturePrior(self.n_prior_components, self.n_components)
        return VampPrior(self.n_prior_components, n_features)

    def _get_noise_shape(self, n_features):
        """Return (n_features,) where the noise variance differs between features, else ()."""
        fixed = not isinstance(self.noise_variance, str)
        varies = self.noise_variance == "per_feature" or (fixed and self.scaling == "standard")
        return (n_features,) if varies else ()

    def _make_callbacks(self):
        n = self._n_unjudged_epochs()
        return [WarmUp(n)] * (n > 0) + super()._make_callbacks()

    def _n_unjudged_epochs(self):
        return math.ceil(self.warm_up * self.max_iter)

    # The start: the linear Gaussian model, at its maximum likelihood

    def _describe_start(self):
        _, is_optimal = super()._describe_start()
        if self.covariance_type == "identity":
            return "the best linear model", is_optimal
        is_factor_analysis = self.noise_variance == "per_feature"
        return "factor analysis" if is_factor_analysis else "probabilistic PCA", is_optimal

    def _start_networks(self, rows, weights):
        module, generator = self.module_, self.net_.generators["initialisation"]
        module.start_output(start_mean_of(self))
        if module.corruption is not None and module.corruption.kind == "salt_and_pepper":
            spans = (rows.span(span) for span in chunks_of(rows))
            module.corruption.start(module.split(x)[0] for x in spans)
        if self.likelihood == "gaussian":
            self._start_at_linear_gaussian(rows, weights, generator)
        self._start_prior(rows, generator)
        if not has_linear_path(self):
            return None
        return self.net_.weights(), self._loss_over(rows, weights)

    def _start_prior(self, rows, generator):
        if self.prior == "standard":
            return
        order = torch.randperm(len(rows), generator=generator)[:N_ROWS_OF_PRIORS]
        some = rows.take(order.to(rows.device))
        chosen = torch.randint(len(some), (self.n_prior_components,), generator=generator)
        means = _means_of_neighbours(some[chosen.to(some.device)], some)
        module, device_generator = self.module_.eval(), self.net_.generators["noise"]
        with global_generator_for(module, device_generator):
            module.prior.start(module, means)

    def _start_at_linear_gaussian(self, rows, weights, generator, mean=None, slopes=None):
        """Set the noise variance, and with a linear path the networks, to the linear optimum."""
        mean = start_mean_of(self) if mean is None else mean
        noise, *linear_map = self._solve_linear_case(rows, weights, mean, generator)
        self.module_.start_noise(noise)
        if has_linear_path(self):
            self.module_.start_posterior(*linear_map, mean, slopes)

    def _solve_linear_case(self, rows, weights, mean, generator):
        """Return the noise variance, the loadings, and gain and variances of the posterior."""
        varies = self.noise_variance == "per_feature" and self.covariance_type != "identity"
        if varies and len(mean) <= N_DENSE:
            covariance, _ = scatter(rows, weights, mean, None)
            loadings, noise = linear_gaussian.factor_analysis(covariance, self.n_components)
            return noise, *linear_gaussian.posterior(loadings, noise)
        pca = principal_components(rows, weights, mean, self.n_components, generator)
        noise = self._get_fixed_noise()
        if self.covariance_type == "identity":
            return linear_gaussian.unit_posterior(*pca, noise)
        loadings, noise = linear_gaussian.probabilistic_pca(*pca, noise)
        return noise, *linear_gaussian.posterior(loadings, noise)

    def _get_fixed_noise(self):
        """Return a given noise variance in the network's units, or None."""
        if isinstance(self.noise_variance, str):
            return None
        return torch.as_tensor(self.noise_variance / np.square(self.scale_), dtype=torch.float64)

    def _learn_from_codes(self, X, streaming=False):
        """Find the active units, and warn where there are hardly any."""
        self._learn_moments(self._encode(choose_rows(X, N_STORED_CODES, self._seed)), X, streaming)
        self.active_units_ = self._code_moments["covariance"].diagonal() > ACTIVE_VARIANCE
        n_active, k = int(self.active_units_.sum()), len(self.active_units_)
        varies = bool(self._variance.any())
        if varies and n_active < max(1, k / 10):
            warn(
                f"The posterior has collapsed: {n_active} of {k} components of the code carry "
                "information about the row, the decoder ignores the others. Try a smaller beta "
                f"(now {self.beta:g}), warm_up=0.5 or free_bits=0.5; where the columns have "
                "nothing to do with each other nothing will help.",
                CollapseWarning,
            )

    def _learn_moments(self, codes, X, streaming):
        """Learn mean and covariance of the codes: the prior is what new codes are drawn from."""
        moments = moments_of(codes)
        if streaming:
            moments = join_moments(self._code_moments, moments, X.shape[0], N_STORED_CODES)
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
        q = self._get_posterior(X)
        return q.mean.numpy(), q.covariance.numpy()

    def _get_posterior(self, X, dtype=None):
        """Return q(z | x) of all rows, on the CPU, by default in the precision of X."""

        def parameters(module, x):
            return apply(module.encoder, self._units.enter(x, x.dtype))

        found = torch.from_numpy(map_rows(self, X, dtype or X.dtype, parameters))
        return make_posterior(found, self._n_features_out)

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
        return self._bound(self._check_X(X), n_importance_samples)

    def _bound(self, X, n_importance_samples):
        check_scalar(n_importance_samples, "n_importance_samples", Integral, min_val=1)
        draws, offset = self._make_draws(n_importance_samples, X.shape[1]), self._get_log_volume()

        def bound(module, x):
            parts = x.split(max(1, SCORE_CELLS // x.shape[1]))
            return torch.cat([self._bound_part(module, part, draws) for part in parts]) - offset

        return map_rows(self, X, X.dtype, bound)

    def _bound_part(self, module, x, draws):
        size = max(1, min(SCORE_ROWS // len(x), SCORE_CELLS // x.numel()))
        noise = draws.split(draws.hash(x), size)
        return module.importance_bound(self._units.enter(x, x.dtype), noise)

    def _make_draws(self, n_draws, n_columns):
        """Return the draws of rows, which follow from the row and the seed alone."""
        generator, k = make_generator(self._seed, "score"), self._n_features_out
        with torch_as_usual():
            return RowDraws(n_draws, k, n_columns, self._units, generator, self.device_)

    def _get_log_volume(self):
        """Return the logarithm of the volume, in the units of X, of one unit of the network."""
        if not self._shifted:
            return 0.0
        return float(np.log(np.broadcast_to(self.scale_, self.mean_.shape)).sum())

    def score(self, X, y=None, sample_weight=None):
        """Return the mean of `score_samples`: the larger, the better the model.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the mean.

        Returns
        -------
        score : float
            In nats per row, in the units of X; compare with ``PCA.score``.
        """
        return weighted_mean(self.score_samples(X), sample_weight)

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
        return self._decompose(self._check_X(X))

    def _decompose(self, X):
        draws = self._make_draws(1, X.shape[1])

        def draw(module, x):
            return next(draws.split(draws.hash(x), 1))[0]

        noise = torch.from_numpy(map_rows(self, X, np.float64, draw))
        q = self._get_posterior(X, np.float64)
        z = q.draw(noise)

        def log_densities(module, x, z):
            x, c = module.split(self._units.enter(x, x.dtype))
            p_z, q_z = module.p_z(c), module.q_z(x, c)
            exact = q_z.kl(p_z).sum(-1) if is_diagonal(p_z) else x.new_full((len(x),), math.nan)
            return torch.stack([module.p_x(z, c).log_prob(x), p_z.log_prob(z), exact], dim=1)

        log_p_x, log_p_z, kl = map_rows(self, X, np.float64, log_densities, z).T
        log_p_x = log_p_x - self._get_log_volume()
        log_q_given_x = q.log_prob_of_draw(noise).numpy()
        log_q = _log_aggregated(q, z).numpy()
        terms = {
            "reconstruction": log_p_x,
            "kl": log_q_given_x - log_p_z,
            "conditional_entropy": -log_q_given_x,
            "cross_entropy": -log_p_z,
            "mutual_information": log_q_given_x - log_q,
            "marginal_kl": log_q - log_p_z,
            "elbo": log_p_x - log_q_given_x + log_p_z,
            "kl_closed_form": kl,
        }
        return {name: float(values.mean()) for name, values in terms.items()}

    def sample(self, n_samples=1, *, observation_noise=True, random_state=None):
        """Draw new rows: codes from p(z), rows from p(x | z).

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.

        observation_noise : bool, default=True
            Whether to draw from p(x | z); otherwise its mean is returned.

        random_state : int, RandomState instance or None, default=None
            None takes the estimator's `random_state`; where that was None too, each call draws
            anew.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        check_bool(observation_noise, "observation_noise")
        seed = seed_for_samples(self, n_samples, random_state)
        generator = make_generator(seed, "sample", self.device_)
        z = self._draw_from_prior(n_samples, generator)

        def rows(module, z):
            p = module.p_x(z)
            return self._units.leave(p.sample((), generator) if observation_noise else p.mean)

        return map_rows(self, z, z.dtype, rows)

    def _draw_from_prior(self, n_samples, generator):
        module = self._module_in(getattr(torch, self._X_dtype))
        with torch.inference_mode():
            return module.p_z().sample((n_samples,), generator).cpu().numpy()

    @property
    def noise_variance_(self):
        if self._fitted_params["likelihood"] != "gaussian":
            raise AttributeError("noise_variance_ needs likelihood='gaussian'.")
        variance = self.module_.noise_variance().detach().double().cpu().numpy()
        variance = variance * np.square(self.scale_)
        return variance if np.ndim(variance) else float(variance)


def _means_of_neighbours(points, rows):
    """Return the mean of the nearest rows of each point, (n_points, n_features).

    Of rows that are equally far there are all, so that rounding decides nothing.
    """
    distances = torch.cdist(points, rows, compute_mode="donot_use_mm_for_euclid_dist")
    farthest = distances.kthvalue(min(N_NEAR, len(rows)), dim=1, keepdim=True)[0]
    near = (distances <= 1.0001 * farthest).to(rows.dtype)
    return near @ rows / near.sum(dim=1, keepdim=True)


def _log_aggregated(q, z):
    """Return log q(z) under the mixture of all posteriors, a few rows of z at a time."""
    n, k = q.mean.shape
    numbers = n * k * (1 if q.lower is None else k)
    size = max(1, PAIRS // numbers)
    parts = [q.log_prob(rows[:, None]).logsumexp(1) for rows in z.split(size)]
    return torch.cat(parts) - math.log(n)
