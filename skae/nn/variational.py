"""The modules of variational autoencoders: their objective and the distributions in it."""

import math

import torch
from torch import nn

from . import linear_gaussian
from .autoencoder import AutoencoderModule
from .distributions import (
    Bernoulli,
    Gaussian,
    SpikedGaussian,
    is_diagonal,
    make_posterior,
    unbound_log_scale,
)
from .holes import TakesHoles
from .nested_vae import NestedVAE
from .network import apply, draw_masks, is_ours
from .posterior_search import approximate_posterior
from .priors import FittedPrior, MixturePrior, VampPrior

TINY = 1e-15  # of noise above its least


class VAEModule(TakesHoles, NestedVAE, AutoencoderModule):
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
    least_noise : float
        What it stays above.
    constants : tensor of shape (n_features,) or None
        For each column that was constant in the rows of the training its number, NaN for the
        others; see `SpikedGaussian`. None: none of them is set apart.
    n_rows : int
        That have shown them.
    beta, free_bits : float
    n_mc_samples : int
    importance_weighted : bool
    corruption : Corruption or None
    nested : NestedDropout or None
        Needs a standard prior, and no importance weights.
    **options : dict
        As in `AutoencoderModule`.
    """

    repeatable = True
    n_conditions = 0  # the last columns of x, which a `ConditionalVAEModule` is given to see

    def __init__(
        self,
        encoder,
        decoder,
        prior,
        *,
        n_components,
        noise_shape=(),
        learn_noise=True,
        least_noise=linear_gaussian.LEAST_NOISE,
        constants=None,
        n_rows=0,
        beta=1.0,
        free_bits=0.0,
        n_mc_samples=1,
        importance_weighted=False,
        corruption=None,
        nested=None,
        **options,
    ):
        super().__init__(encoder, decoder, nested=nested, **options)
        self.prior, self.corruption = prior, corruption
        self.linear = None  # or the `LinearGaussian` by which rows with holes are completed
        self.n_components, self.n_mc_samples = n_components, n_mc_samples
        self.beta, self.free_bits = beta, free_bits
        self.importance_weighted = importance_weighted
        self.is_bernoulli = options["likelihood"] == "bernoulli"
        self.least_noise = least_noise
        self.n_rows, self.has_constants = n_rows, constants is not None
        if constants is not None:
            self.register_buffer("constants", constants.nan_to_num(), persistent=False)
            self.register_buffer("is_constant", ~constants.isnan(), persistent=False)
        log_noise = torch.zeros(noise_shape)
        if learn_noise and not self.is_bernoulli:
            self.log_noise = nn.Parameter(log_noise)
        else:
            self.register_buffer("log_noise", log_noise)
        if nested is not None and not self.is_bernoulli:
            # Of the variance of p(x | z_1 ... z_j) over that of p(x | z): what a prefix leaves is
            # noise to it, and its loss counts accordingly.
            self.log_noise_ratios = nn.Parameter(torch.zeros(n_components))
        # The share of beta that counts; a tensor filled in place while training warms up.
        self.register_buffer("warmth", torch.ones(()), persistent=False)
        self.draws_globally |= corruption is not None and callable(corruption.kind)

    # The three distributions, given c where there is a condition

    def split(self, x):
        """Return the row and the condition that the networks are shown, here none."""
        return x, None

    def q_z(self, x, c=None, masks=()):
        """Return q(z | x), given the cells of x that are not NaN; without any it is p(z)."""
        if not self.takes_holes:
            return self.q_of_whole(x, c, masks)
        return self.q_of_observed(x, c, masks)

    def q_of_whole(self, x, c=None, masks=()):
        """Return q(z | x) of whole rows."""
        parameters = apply(self.encoder, x, masks)
        return make_posterior(parameters, self.n_components)

    def p_z(self, c=None):
        """Return p(z)."""
        return self.prior(self)

    def p_x(self, z, c=None, masks=(), log_ratio=None):
        """Return p(x | z) for codes (..., n_components).

        With `log_ratio`, (batch, 1) or (1,), the logarithm of what multiplies the noise variance.
        """
        parameters = self.decode_parameters(self.decoder_input(z, c).flatten(0, -2), masks)
        parameters = parameters.reshape(*z.shape[:-1], -1)
        if self.is_bernoulli:
            return Bernoulli(parameters)
        log_scale = 0.5 * self.log_noise_variance()
        if log_ratio is not None:
            log_scale = (log_scale + 0.5 * log_ratio).expand(parameters.shape[-2:])
        if not self.has_constants:
            return Gaussian(parameters, log_scale)
        mean = torch.where(self.is_constant, self.constants, parameters)
        return SpikedGaussian(mean, log_scale, self.is_constant, self.n_rows)

    def decoder_input(self, z, c):
        """Return what the decoder sees."""
        return z

    def noise_variance(self):
        """Return the variance of p(x | z) in double precision, of shape () or (n_features,)."""
        return self.least_noise + self.log_noise.double().exp()

    def log_noise_variance(self):
        """Return its logarithm in the precision of the networks.

        A fixed variance, which has no least value, may be out of the range of that precision.
        """
        if not self.least_noise:
            return self.log_noise
        return (self.least_noise + self.log_noise.exp()).log()

    def to_log_noise(self, variance):
        """Return the parameter of which `noise_variance` makes this one."""
        if not self.least_noise:
            return variance.log()
        return (variance - self.least_noise).clamp_min(TINY).log()

    def undecayed_parameters(self):
        """Return the parameters that weight decay leaves alone: those of a mixture prior too."""
        is_mixture = isinstance(self.prior, (MixturePrior, VampPrior))
        return super().undecayed_parameters() + list(self.prior.parameters()) * is_mixture

    def step_sizes(self):
        """Return the learning rates of layers; of binary data none, as there is no start to keep.

        Chosen by tests/benchmarks/mnist_quadrants.py.
        """
        return {} if self.is_bernoulli else super().step_sizes()

    # The objective

    def draw(self, n_rows, generators):
        """Return the random inputs of one step: dropout masks, noise on z, corruption of x."""
        n_codes = self.n_mc_samples * n_rows
        masks = [
            draw_masks(network, n, generators["dropout"]) if self.training else ()
            for network, n in ((self.encoder, n_rows), (self.decoder, n_codes))
        ]
        shape = (self.n_mc_samples, n_rows, self.n_components)
        noise = self.draw_normal(shape, generators["noise"])
        corruption = self.corruption
        corrupting = corruption and corruption.draw(n_rows, generators["corruption"])
        return *masks, noise, corrupting or (), *self.draw_prefixes(n_rows, generators)

    def forward(self, x, encoder_masks, decoder_masks, noise, corruption_noise, *others):
        """Return the loss terms of each row, in nats; `others` are draws of a subclass."""
        x, completion = self.without_kept(x) if self.takes_holes else (x, None)
        x, c = self.split(x)
        x_seen = x if self.corruption is None else self.corruption(x, corruption_noise)
        if self.takes_holes and self.corruption is not None:
            x_seen = torch.where(x.isnan(), x, x_seen)
        if completion is None:
            q = self.q_z(x_seen, c, encoder_masks)
        else:
            q = self.q_of_observed(x_seen, c, encoder_masks, completion)

        def terms(q, noise, log_ratio, *others):
            z = q.draw(noise)  # (n_mc_samples, batch, n_components)
            p_x = self.p_x(z, c, decoder_masks, log_ratio)
            return self.terms(x, z, noise, q, p_x, self.p_z(c), *others)

        def terms_of_prefix(prefix, *others):
            """Replace q by the prior where a component is dropped; z is the prior's mean there."""
            mask = self.nested.kept[prefix]
            return terms(q.masked(mask), noise * mask, self.log_noise_ratio(prefix), *others)

        if self.nested is None:
            return terms(q, noise, None, *others)
        return self.nested.terms(terms_of_prefix, *others)

    def terms(self, x, z, noise, q, p_x, p_z):
        """Return the loss terms of each row, in nats.

        Parameters
        ----------
        x : tensor of shape (batch, n_features)
        z : tensor of shape (n_mc_samples, batch, n_components)
            Draws from q.
        noise : tensor of shape (n_mc_samples, batch, n_components)
            What the draws were made of: standard normal numbers, and 0 where a component of an
            ordered code is dropped.
        q, p_x, p_z : distributions
            q(z | x), p(x | z) and p(z), with a condition given it.
        """
        log_p_x = self.log_p_x(p_x, x)
        if self.importance_weighted:
            log_w = log_p_x + p_z.log_prob(z) - q.log_prob_of_draw(noise)
            return {"negative_bound": math.log(len(z)) - log_w.logsumexp(0)}
        kl = self.above_free_bits(self.kl(q, p_z, z, noise))
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

    def proposal(self, x, c=None):
        """Return what codes are drawn from for scores, here q(z | x)."""
        return self.q_z(x, c)

    def importance_bound(self, x, noise):
        """Return log mean_k w_k, where w_k = p(x, z_k) / q(z_k | x), in double precision.

        Parameters
        ----------
        x : tensor of shape (batch, n_features)
        noise : iterable of tensors of shape (n_draws, batch, n_components), in double precision
            Standard normal draws, a few at a time.
        """
        n_draws, parts = 0, []
        for log_w, _ in self.weighted_draws(x, noise):
            parts.append(log_w.logsumexp(0))
            n_draws += len(log_w)
        bound = torch.stack(parts).logsumexp(0) - math.log(n_draws)
        # Of nothing the density is 1, whatever the draws.
        is_empty = self.split(x)[0].isnan().all(-1) if self.takes_holes else None
        return bound if is_empty is None else torch.where(is_empty, 0.0, bound)

    def weighted_draws(self, x, noise):
        """Yield log w_k, (n_draws, batch), and p(x | z_k), of draws from `proposal`.

        Parameters
        ----------
        x : tensor of shape (batch, n_columns)
        noise : iterable of tensors of shape (n_draws, batch, n_components), in double precision
            As in `importance_bound`.

        Yields
        ------
        log_w : tensor of shape (n_draws, batch)
        p_x : distribution
            p(x | z) at the draws.
        """
        x, c = self.split(x)
        q, p_z, target = self.proposal(x, c), self.p_z(c), x.double()
        for e in noise:
            z = q.draw(e.to(q.mean)).to(x)
            p_x = self.p_x(z, c)
            # Squares of single precision overflow 1e19 away from the data.
            log_p = self.log_p_x(p_x, target) + p_z.log_prob(z.double())
            yield log_p - q.log_prob_of_draw(e), p_x

    # What stands for one point

    def encode(self, x, masks=()):
        """Return the mean of q(z | x), (batch, n_components)."""
        return self.q_z(*self.split(x), masks).mean

    def code_nodes(self, g, h):
        """Add the mean of q(z | x) to an ONNX graph."""
        return g.columns(h, range(self.n_components))

    def row_nodes(self, g, h):
        """Add E[x | z] to an ONNX graph."""
        x = super().row_nodes(g, h)
        if not self.has_constants:
            return x
        is_constant = g.constant(self.is_constant.cpu().numpy(), bool)
        return g.add("Where", is_constant, g.constant(self.constants.cpu().numpy()), x)

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
        if is_ours(self.encoder):
            self.encoder.silence_outputs(slice(self.n_components, None))

    @torch.no_grad()
    def start_noise(self, variance):
        """Set the noise variance, a number or (n_features,)."""
        variance = torch.as_tensor(variance, dtype=torch.float64)
        self.log_noise.copy_(self.to_log_noise(variance))

    @torch.no_grad()
    def start_posterior(self, loadings, gain, variances, mean, slopes=None):
        """Start at q(z | x) = N(gain (x - mean), variances) and E[x | z] = mean + W z.

        With slopes A, (n_features, n_conditions), the mean is mean + A c.
        """
        n_outputs, k = self.encoder.n_out, self.n_components
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


class ConditionalVAEModule(VAEModule):
    r"""The variational autoencoder with everything given c.

    .. math:: -E_{q(z \mid x, c)} \log p(x \mid z, c)
              + \beta\, KL(q(z \mid x, c) \,\|\, p(z \mid c))

    Its rows are x and c side by side; of the last `n_conditions` columns nothing is modelled.
    """

    repeatable = True

    def split(self, x):
        """Return x, (batch, n_features), and c, (batch, n_conditions)."""
        n_features = x.shape[-1] - self.n_conditions
        return x[..., :n_features], x[..., n_features:]

    def q_of_whole(self, x, c=None, masks=()):
        """Return q(z | x, c) of whole rows."""
        return super().q_of_whole(torch.cat([x, c], dim=-1), masks=masks)

    def p_z(self, c=None):
        """Return p(z | c)."""
        return self.prior(self, c)

    def proposal(self, x, c=None):
        """Return q(z | x, c); with a fitted prior, for which no KL has trained it, p(z | x, c)."""
        q = self.q_z(x, c)
        if not isinstance(self.prior, FittedPrior):
            return q
        return approximate_posterior(self, x, c, q.mean)

    def decoder_input(self, z, c):
        """Return z and c side by side."""
        return torch.cat([z, c.expand(*z.shape[:-1], c.shape[-1])], dim=-1)

    def forward(self, x, *draws):
        """Return the loss terms of each row, in nats."""
        terms = super().forward(x, *draws)
        if isinstance(self.prior, FittedPrior):
            del terms["kl"]
        return terms
