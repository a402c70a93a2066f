"""The adversarial autoencoder: codes that a discriminator cannot tell from a prior's draws."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional as F

from .._sklearn import Interval, StrOptions
from ..data.tables import share
from ..estimator.base import BaseAutoencoder
from ..estimator.choices import has_linear_path, hidden_layer_sizes_of
from ..estimator.inference import map_rows
from ..estimator.networks import make_network
from ..estimator.sampling import SamplesFromPrior
from ..nn.autoencoder import AutoencoderModule
from ..nn.distributions import make_posterior
from ..nn.network import apply
from ..nn.networks import MLP
from ..training.devices import check_device
from ..training.randomness import (
    global_generator_for,
    make_generator,
    seeded_global_generator,
)
from ..training.torch_settings import torch_as_usual

# Prior samplers: (n_samples, n_components, generator) -> tensor (n_samples, n_components).


def draw_standard(n_samples, n_components, generator):
    """Return draws from N(0, I)."""
    return torch.randn(
        n_samples, n_components, generator=generator, device=generator.device, dtype=torch.float32
    )


def spread_directions(n_directions, n_dimensions):
    """Return unit vectors far from each other, (n_directions, n_dimensions).

    In the plane they are evenly spaced. In more dimensions they start at random, always the same,
    and repel each other like charges on a sphere.
    """
    if n_dimensions == 2:
        angles = 2 * math.pi * np.arange(n_directions) / n_directions
        return np.column_stack([np.cos(angles), np.sin(angles)])
    directions = np.random.default_rng(0).normal(size=(n_directions, n_dimensions))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for step in np.linspace(0.3, 0.0, 200, endpoint=False):
        gaps = directions[:, None] - directions
        distances = np.linalg.norm(gaps, axis=2) + np.eye(n_directions)
        force = (gaps / distances[:, :, None] ** 3).sum(axis=1)
        length = np.linalg.norm(force, axis=1, keepdims=True)
        directions += step * force / np.maximum(length, 1.0)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions


class MixturePrior:
    """Equally likely Gaussians on a sphere around the origin, each long along its mean.

    In the plane they are the petals of a flower (Makhzani et al., 2015, figure 4). As for N(0, I),
    the mean is zero in the plane and close to it in more dimensions, and the mean squared norm is
    `n_components`. The means lie on a sphere; the standard deviation is 0.5 along the radius, and
    across it an eighth of the distance to the nearest other mean. With one dimension the means are
    evenly spaced, and the standard deviation is an eighth of the spacing.

    Parameters
    ----------
    n_prior_components : int
        Number of Gaussians.
    n_components : int
        Number of dimensions.
    """

    along = 0.5

    def __init__(self, n_prior_components, n_components):
        n, k = n_prior_components, n_components
        if k == 1:
            line = np.linspace(-1.0, 1.0, n)[:, None]
            across, unit = 2 / (n - 1) / 8, line
            radius = 1 / math.sqrt((line**2).mean() + across**2)
            self.along = across * radius
        else:
            unit = spread_directions(n, k)
            distances = np.linalg.norm(unit[:, None] - unit, axis=2) + 9 * np.eye(n)
            across = distances.min() / 8
            radius = math.sqrt((k - self.along**2) / (1 + (k - 1) * across**2))
        self.means, self.across = radius * unit, radius * across
        self._means_on = {}  # a copy from the host in every step would make it wait

    def __call__(self, n_samples, n_components, generator):
        """Return draws, (n_samples, n_components)."""
        like = {"device": generator.device, "dtype": torch.float32}
        if generator.device not in self._means_on:
            self._means_on[generator.device] = torch.as_tensor(self.means, **like)
        means = self._means_on[generator.device]
        chosen = torch.randint(
            len(means), (n_samples,), generator=generator, device=generator.device
        )
        mean = means[chosen]
        noise = torch.randn(n_samples, n_components, generator=generator, **like)
        direction = F.normalize(mean, dim=1)
        radial = (noise * direction).sum(dim=1, keepdim=True) * direction
        return mean + self.along * radial + self.across * (noise - radial)


# Chosen by tests/benchmarks/adversarial_codes.py.
WEIGHT_PER_FEATURE = 0.2
SLOPE_PENALTY_PER_COMPONENT = 0.005


class AdversarialModule(AutoencoderModule):
    r"""An encoder f and a decoder g, and a discriminator D between prior draws and codes.

    Four terms, whose sum is minimised, with z = f(x) and a draw e of the prior for each row:

    .. math:: -\log p(x \mid g(z)), \qquad -\lambda \log \sigma(\bar D(z)), \qquad
              -\tfrac{1}{2} \log \sigma(D(e)) - \tfrac{1}{2} \log (1 - \sigma(D(\bar z))), \qquad
              \tfrac{\gamma}{2} (|\nabla D(e)|^2 + |\nabla D(\bar z)|^2)

    A bar marks what a term takes as given: the encoder's leaves the discriminator alone, and the
    discriminator's the encoder, so that one backward pass serves both players. The last term keeps
    the game from circling (Mescheder et al., 2018).

    Parameters
    ----------
    encoder, decoder : nn.Module
        A Gaussian encoder returns means, then log scales, (batch, 2 n_components).
    discriminator : nn.Module
        (batch, n_components) to the log-odds that the code is a draw from the prior, (batch, 1).
    prior : callable
        (n_samples, n_components, generator) to a tensor of shape (n_samples, n_components).
    n_components : int
    is_gaussian : bool
        Whether codes are drawn around the mean that the encoder returns.
    weight : float
        lambda.
    **options : dict
        As in `AutoencoderModule`.
    """

    repeatable = True

    # The other terms are a game: they say who is ahead, not how good the model is.
    monitored = ("reconstruction",)

    def __init__(
        self,
        encoder,
        decoder,
        discriminator,
        *,
        prior,
        n_components,
        is_gaussian,
        weight,
        **options,
    ):
        super().__init__(encoder, decoder, **options)
        self.discriminator = discriminator
        self.prior, self.n_components = prior, n_components
        self.is_gaussian, self.weight = is_gaussian, weight
        own = prior is draw_standard or type(prior) is MixturePrior
        self.draws_globally |= not own  # a sampler of the user may

    def start_linear(self, components, variances, mean):
        """Start at whitened principal components, which have the covariance of the priors.

        The log scales of a Gaussian encoder start at zero.
        """
        deviations = variances.sqrt()
        inverse = torch.where(deviations > 0, 1 / deviations, 0.0)
        whiten = inverse[:, None] * components
        if self.is_gaussian:
            whiten = torch.cat([whiten, torch.zeros_like(whiten)])
        self.encoder.start_linear(whiten)
        self.encoder.start_bias(-whiten @ mean)
        self.decoder.start_linear((deviations[:, None] * components).T)

    def undecayed_parameters(self):
        """Return the parameters that weight decay leaves alone: the discriminator's too."""
        return [*super().undecayed_parameters(), *self.discriminator.parameters()]

    def draw_prior(self, n_samples, generator):
        """Return draws from the prior, (n_samples, n_components)."""
        draws = _to_tensor(self.prior(n_samples, self.n_components, generator))
        return draws.to(next(self.discriminator.parameters()))

    def draw(self, n_rows, generators):
        """Return the random inputs of one step: dropout masks, prior draws, encoder noise."""
        masks, generator = super().draw(n_rows, generators), generators["noise"]
        prior_draws, noise = self.draw_prior(n_rows, generator), None
        if self.is_gaussian:
            noise = draw_standard(n_rows, self.n_components, generator).to(prior_draws)
        return *masks, prior_draws, noise

    def q_z(self, x, masks=()):
        """Return q(z | x) of a Gaussian encoder."""
        return make_posterior(apply(self.encoder, x, masks), self.n_components)

    def encode(self, x, masks=()):
        """Return the codes, (batch, n_components); the means of a Gaussian encoder."""
        if self.is_gaussian:
            return self.q_z(x, masks).mean
        return super().encode(x, masks)

    def code_nodes(self, g, h):
        """Add the code, or the mean of a Gaussian encoder, to an ONNX graph."""
        if self.is_gaussian:
            return g.columns(h, range(self.n_components))
        return super().code_nodes(g, h)

    def log_odds(self, z, frozen=False):
        """Return D(z), (batch,); `frozen` sends no gradient to the discriminator."""
        if not frozen:
            return self.discriminator(z)[:, 0]
        weights = {name: p.detach() for name, p in self.discriminator.named_parameters()}
        return functional_call(self.discriminator, weights, (z,))[:, 0]

    def forward(self, x, encoder_masks, decoder_masks, prior_draws, noise):
        """Return the loss terms of each row."""
        if self.is_gaussian:
            z = self.q_z(x, encoder_masks).draw(noise)
        else:
            z = self.encode(x, encoder_masks)
        p = self.decode_parameters(z, decoder_masks)
        terms = {"reconstruction": self.likelihood.loss(p, x)}
        if self.weight:
            terms["adversarial"] = self.weight * F.softplus(-self.log_odds(z, frozen=True))
        return {**terms, **self.discriminator_terms(prior_draws, z.detach())}

    def discriminator_terms(self, prior_draws, codes):
        """Return the discriminator's cross-entropy and the penalty on its slope, by row."""
        points = torch.cat([prior_draws, codes]).requires_grad_()
        with torch.enable_grad():  # the penalty is a slope in validation too
            log_odds = self.log_odds(points)
            (slopes,) = torch.autograd.grad(log_odds.sum(), points, create_graph=True)
        on_prior, on_codes = log_odds.chunk(2)
        gamma = SLOPE_PENALTY_PER_COMPONENT * self.n_components
        penalty = gamma / 2 * sum(slopes.square().sum(dim=1).chunk(2))
        return {
            "discriminator": (F.softplus(-on_prior) + F.softplus(on_codes)) / 2,
            "slope": penalty,
        }


class AdversarialAutoencoder(SamplesFromPrior, BaseAutoencoder):
    r"""Adversarial autoencoder: codes distributed as a prior of your choice.

    Beside reconstructing its rows, the encoder f learns to fool a discriminator D, which learns to
    tell codes from draws of the prior p [1]_. Where D is at a loss, the codes of all rows together
    are distributed as the prior: decoded draws of the prior are new rows, and the code has the
    shape that the prior has.

    .. math:: \min_{f, g} \frac{1}{n} \sum_i -\log p(x_i \mid g(z_i))
              - \lambda \log \sigma(D(z_i)), \qquad
              \min_D - \tfrac{1}{2} E_{e \sim p} \log \sigma(D(e))
              - \frac{1}{2n} \sum_i \log (1 - \sigma(D(z_i)))

    with z_i = f(x_i). The paper takes three steps on each batch, one for the reconstruction, one
    for the discriminator and one for the encoder. Here all are taken at once: one backward pass
    over the sum of the terms, in which either player is hidden from the other's term, and one
    step of one optimizer: D has the learning rate of f and g. A small penalty on the slope of D,
    not in the paper, keeps the game from circling [2]_. Weight decay spares the discriminator.

    Parameters
    ----------
    prior : {"standard", "mixture"} or callable, default="standard"
        Distribution of the codes: N(0, I); a mixture of `n_prior_components` Gaussians, in the
        plane a ring of Gaussians flattened to petals, in more dimensions spread over a sphere; or
        a sampler of your own, called as ``prior(n_samples, n_components, generator)`` with a
        :class:`torch.Generator` to draw from, on ``generator.device``, that returns a tensor or an
        array of shape (n_samples, n_components). It should have about unit variance; the built-in
        ones have a mean squared norm of `n_components`.

    n_prior_components : int, default=10
        Number of Gaussians of the "mixture", at least 2.

    encoder_type : {"deterministic", "gaussian"}, default="deterministic"
        Whether a row has one code, or codes drawn around a mean with a standard deviation of its
        own; `transform` returns the mean.

    adversarial_weight : float or "auto", default="auto"
        Weight of the game, lambda. "auto" is 0.2 n_features, as the reconstruction is a sum over
        features. 0 trains a plain autoencoder, and the discriminator beside it.

    discriminator_layer_sizes : int or tuple of int, default=(64, 64)
        Widths of the discriminator's hidden layers.

    code_activation : str, default="identity"
        Activation function on the code; same choice as for `activation`. A Gaussian encoder has
        none.

    linear_path : bool or "auto", default="auto"
        Whether encoder and decoder carry a linear path that starts at principal components, the
        codes with the unit variance that the priors have. "auto": for the Gaussian likelihood with
        identity activations on code and output, untied weights and built-in networks. False is the
        textbook network with a random start.

    tied_weights : bool, default=False
        Whether the decoder's weights are the encoder's, transposed. For a built-in, deterministic
        encoder without a linear path.

    encoder, decoder : None, nn.Module subclass, callable or nn.Module instance, default=None
        A network of your own: a class or a factory, called as ``encoder(n_features,
        n_components)`` and ``decoder(n_components, n_features)``, or an instance, which is
        copied. A Gaussian encoder is called as ``encoder(n_features, 2 * n_components)`` and
        returns means, then the logarithms of standard deviations. None builds a multi-layer
        perceptron.

    alpha : float or "auto", default="auto"
        Decoupled weight decay; never on biases, on the linear path and on the discriminator.
        "auto" is 0 without a linear path and in `partial_fit`; with one it is 1, and above 10000
        rows 1000 / n_samples. `alpha_` tells which.

    max_iter : int or "auto", default="auto"
        Number of epochs, at most; `n_iter_` says how many were run. "auto" is a budget in steps,
        twice as many epochs as of `Autoencoder`, as a game takes longer to settle.

    early_stopping : bool, default=False
        Whether to set aside validation rows, to watch their reconstruction instead of that of the
        training rows, and to keep the weights of the best epoch. `n_iter_no_change` says when to
        stop. `mean_`, `scale_` and the start are learned from the other rows.

    {shared parameters}

    Attributes
    ----------
    {shared attributes}

    See Also
    --------
    Autoencoder : Without a prior.

    Notes
    -----
    The fitted model keeps codes of at most 10000 training rows, for `sample`. `forget_rows` puts a
    Gaussian mixture in their place; the prior is its own.

    References
    ----------
    .. [1] A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, "Adversarial autoencoders",
       arXiv:1511.05644, 2015, sections 2 and 2.3.
    .. [2] L. Mescheder, A. Geiger, S. Nowozin, "Which training methods for GANs do actually
       converge?", ICML 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AdversarialAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> aae = AdversarialAutoencoder(n_components=2, max_iter=40, random_state=0).fit(X)
    >>> Z = aae.transform(X)
    >>> bool((abs(Z.mean(axis=0)) < 0.3).all() and (abs(Z.std(axis=0) - 1) < 0.3).all())
    True
    >>> aae.sample(5).shape
    (5, 64)
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _module_class = AdversarialModule

    _parameter_constraints = {
        "prior": [StrOptions({"standard", "mixture"}), callable],
        "n_prior_components": [Interval(Integral, 2, None, closed="left")],
        "encoder_type": [StrOptions({"deterministic", "gaussian"})],
        "adversarial_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "discriminator_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    }

    _training_parameters = ("adversarial_weight",)

    _epochs_factor = 2  # a game takes longer to settle than a loss to fall

    def __init__(
        self,
        n_components=2,
        *,
        prior="standard",
        n_prior_components=10,
        encoder_type="deterministic",
        adversarial_weight="auto",
        discriminator_layer_sizes=(64, 64),
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
        if self.tied_weights and has_linear_path(self):
            raise ValueError(
                "linear_path=True needs tied_weights=False: it starts at codes with the "
                "covariance of the prior, which the transposed weights do not undo."
            )
        if self.encoder_type == "gaussian":
            for name, plain in (("tied_weights", False), ("code_activation", "identity")):
                if getattr(self, name) != plain:
                    raise ValueError(
                        f"encoder_type='gaussian' needs {name}={plain!r}. "
                        f"Got {getattr(self, name)!r} instead."
                    )
        if not all(isinstance(s, Integral) and s >= 1 for s in self._get_discriminator_sizes()):
            raise ValueError(
                "discriminator_layer_sizes must contain integers of at least 1. "
                f"Got {self.discriminator_layer_sizes!r} instead."
            )
        if callable(self.prior):
            _check_prior(self.prior, self.n_components, check_device(self.device))

    def _get_discriminator_sizes(self):
        sizes = self.discriminator_layer_sizes
        return [sizes] if isinstance(sizes, Integral) else list(sizes)

    def _get_adversarial_weight(self, n_features):
        auto = self.adversarial_weight == "auto"
        return WEIGHT_PER_FEATURE * n_features if auto else self.adversarial_weight

    def _make_networks(self, n_features, generator):
        if self.encoder_type == "deterministic":
            return super()._make_networks(n_features, generator)
        k, sizes = self._n_features_out, hidden_layer_sizes_of(self)
        encoder = make_network(self, "encoder", n_features, sizes, 2 * k, generator)
        return encoder, make_network(self, "decoder", k, sizes[::-1], n_features, generator)

    def _make_module(self, n_features, generator):
        encoder, decoder = self._make_networks(n_features, generator)
        discriminator = MLP(
            self._n_features_out, self._get_discriminator_sizes(), 1, generator=generator
        )
        return self._module_class(
            encoder,
            decoder,
            discriminator,
            prior=_make_prior(self.prior, self.n_prior_components, self._n_features_out),
            n_components=self._n_features_out,
            is_gaussian=self.encoder_type == "gaussian",
            weight=self._get_adversarial_weight(n_features),
            **self._module_options(),
        )

    # The start, better as a reconstruction, knows nothing of the prior.
    _keeps_the_better = False

    def prior_log_odds(self, X):
        r"""Return the discriminator's verdict on each row: the log-odds that its code is a draw.

        At its optimum it is :math:`\log p(z) - \log q(z)`, the prior's density at the code over
        that of the codes of the training rows: zero where it cannot tell, negative where there are
        more codes than the prior has room for, positive where there are fewer.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_odds : ndarray of shape (n_samples,)
            For the code that `transform` returns.
        """
        X = self._check_X(X)
        return map_rows(self, X, X.dtype, lambda m, x: m.log_odds(self._encode_batch(m, x)))

    def _draw_prior(self, n_samples, seed):
        generator = make_generator(seed, "sample")
        with torch_as_usual(), global_generator_for(self.module_, generator):
            return self.module_.draw_prior(n_samples, generator).cpu().numpy()


def _make_prior(prior, n_prior_components, n_components):
    if callable(prior):
        return prior
    return draw_standard if prior == "standard" else MixturePrior(n_prior_components, n_components)


def _to_tensor(draws):
    """Return what a sampler of the user's has returned, an array or a tensor, as a tensor."""
    return share(draws) if isinstance(draws, np.ndarray) else torch.as_tensor(draws)


def _check_prior(prior, n_components, device):
    """Refuse a sampler of the user's that does not return finite draws of the right shape."""
    generator = torch.Generator(device).manual_seed(0)
    try:
        with seeded_global_generator(generator):
            draws = _to_tensor(prior(3, n_components, generator))
    except Exception as error:
        raise ValueError(
            "prior must draw codes when called as prior(n_samples, n_components, generator), the "
            "last a torch.Generator, on whose device it draws: device=generator.device. "
            f"For (3, {n_components}, generator) it raised {type(error).__name__}: {error}"
        ) from error
    if tuple(draws.shape) != (3, n_components):
        raise ValueError(
            "prior(n_samples, n_components, generator) must return n_samples rows of n_components "
            f"numbers. Asked for (3, {n_components}) it returned the shape {tuple(draws.shape)}."
        )
    if not torch.isfinite(draws).all():
        raise ValueError("prior must return finite draws.")
