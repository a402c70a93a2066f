"""The module of a deterministic autoencoder, on which those of its relatives build."""

import torch

from .activations import ACTIVATIONS, INVERSES, identity
from .distributions import LIKELIHOODS
from .laplace import laplace_losses
from .module import BaseModule
from .network import BaseNetwork, apply, draw_masks, is_ours
from .networks import TiedMLP, starts_itself
from .repeatable import is_repeatable

# Chosen by tests/benchmarks/defaults.py: the least standard deviation along a component, relative
# to the largest, that is made 1 at the start. Less would be amplified as much as the steps in it.
LEAST_SCALE = 0.03


def start_scales(variances):
    """Return what codes along components of these variances are divided by at the start."""
    deviations = variances.sqrt()
    least = LEAST_SCALE * deviations.max()
    return torch.where(least > 0, deviations.clamp_min(least), 1.0)


class AutoencoderModule(BaseModule):
    r"""An encoder f and a decoder g trained to give back their input.

    .. math:: -\log p(x \mid g(f(x)))

    Parameters
    ----------
    encoder, decoder : nn.Module
        f, (batch, n_features) to (batch, n_components), and g back.
    likelihood : str
        A key of `LIKELIHOODS`.
    code_activation, output_activation : str
        Keys of `ACTIVATIONS`, applied to what encoder and decoder return.
    nested : NestedDropout or None, default=None
        What orders the numbers of the code.
    """

    repeatable = True

    #: Whether the objective does not depend on the scale of each number of the code, as long as
    #: the decoder undoes what the encoder does. A promise of a class, as `repeatable` is: users
    #: then get codes of unit variance, and components beyond the rank of the rows stay 0.
    free_scale = True

    def __init__(
        self,
        encoder,
        decoder,
        *,
        likelihood="gaussian",
        code_activation="identity",
        output_activation="identity",
        nested=None,
    ):
        super().__init__()
        self.nested = nested
        self.encoder, self.decoder = encoder, decoder
        self.likelihood = LIKELIHOODS[likelihood]
        self.code_activation = ACTIVATIONS[code_activation]
        self.output_activation = ACTIVATIONS[output_activation]
        link = "sigmoid" if likelihood == "bernoulli" else output_activation
        self.to_parameters = INVERSES.get(link, identity)
        self.has_free_scale = (
            vars(type(self)).get("free_scale", False)
            and self.code_activation is identity
            and not isinstance(decoder, TiedMLP)
        )
        # Networks of the user may, unless they say that they are pure functions; and so may a
        # subclass that says so.
        pure = is_repeatable(encoder) and is_repeatable(decoder)
        self.draws_globally = type(self).draws_globally or not pure

    def start_output(self, mean):
        """Let the mean of p(x | z), (n_features,), start near the mean of the data.

        Before an output activation the weights start small, so that its input lies where the
        activation changes, and a rectifier is not zero for all rows.
        """
        if is_ours(self.decoder):
            gain = 1.0 if self.output_activation is identity else 0.1
            self.decoder.start_bias(self.to_parameters(mean), gain)

    def start_linear(self, components, variances, mean):
        """Start at the projection onto principal components, (n_components, n_features), and back.

        Each number of the code has unit variance, unless an activation bounds it.
        """
        free = self.code_activation is identity
        scales = start_scales(variances) if free else torch.ones_like(variances)
        self._start_scaled(components, scales, mean, components)

    def _start_scaled(self, components, scales, mean, back):
        """Start at codes along components, divided by scales, and what they are mapped back by."""
        weight = components / scales[:, None]
        self.encoder.start_linear(weight)
        self.encoder.start_bias(-weight @ mean)
        if starts_itself(self.decoder):
            self.decoder.start_linear((scales[:, None] * back).T)

    @torch.no_grad()
    def drop_components(self, dropped):
        """Let the components of a mask, (n_components,), which start at 0, stay there.

        The encoder has no weights to them. Without weights from them the gradients are 0, too.
        """
        for name in self.decoder.of_inputs:
            self.decoder.get_parameter(name)[:, dropped] = 0

    def left_by_prefixes(self, variances, residual):
        """Return what the linear start makes of the loss of each prefix, (n_components,).

        Parameters
        ----------
        variances : tensor of shape (n_components,)
            Of the data along the principal components.
        residual : float
            What all components leave of the variance.
        """
        return residual + variances.sum() - variances.cumsum(0)

    def losses_of_prefixes(self, x, generators, mean, deviations, left):
        """Return what each row costs in nats with each prefix, see `laplace_losses`."""
        return laplace_losses(self, x, mean, deviations, left)

    def weights_of_prefix(self, size):
        """Return what a module with the first `size` numbers of an ordered code has learnt."""
        weights, outputs = dict(self.state_dict()), self.outputs_of_prefix(size)
        for name in self.encoder.of_outputs:
            weights[f"encoder.{name}"] = weights[f"encoder.{name}"][outputs]
        for name in self.decoder.of_inputs:
            weights[f"decoder.{name}"] = weights[f"decoder.{name}"][:, :size]
        weights["nested.weights"] = weights["nested.weights"][:size]
        return weights

    def outputs_of_prefix(self, size):
        """Return which outputs of the encoder belong to the first `size` numbers of the code."""
        return list(range(size))

    def undecayed_parameters(self):
        """Return the parameters that weight decay leaves alone beside the biases."""
        networks = [n for n in (self.encoder, self.decoder) if isinstance(n, BaseNetwork)]
        return [p for network in networks for p in network.undecayed_parameters()]

    def step_sizes(self):
        """Return the learning rates of the layers of networks, relative to that of the fit."""
        networks = [n for n in self.modules() if isinstance(n, BaseNetwork)]
        return {p: size for n in networks for p, size in n.step_sizes().items()}

    def draw(self, n_rows, generators):
        """Return the random inputs of one step: the dropout masks of encoder and decoder.

        Then, where the code is ordered, what each row keeps of it.
        """
        networks = (self.encoder, self.decoder)
        masks = [
            draw_masks(network, n_rows, generators["dropout"]) if self.training else ()
            for network in networks
        ]
        return *masks, *self.draw_prefixes(n_rows, generators)

    def draw_prefixes(self, n_rows, generators):
        """Return a tuple of what nested dropout draws; where a loss is measured, of None."""
        if self.nested is None:
            return ()
        return (self.nested.draw(n_rows, generators["prefixes"]) if self.training else None,)

    def encode(self, x, masks=()):
        """Return the codes, (batch, n_components)."""
        return self.code_activation(apply(self.encoder, x, masks))

    def code_nodes(self, g, h):
        """Add to an ONNX graph what `encode` makes of the encoder's output; see `_onnx_graph`."""
        return g.activate(self.code_activation, h)

    def row_nodes(self, g, h):
        """Add to an ONNX graph what `decode` makes of the decoder's output; see `_onnx_graph`."""
        x = g.activate(self.output_activation, h)
        return g.add("Sigmoid", x) if self.likelihood.mean is torch.sigmoid else x

    def decode_parameters(self, z, masks=()):
        """Return the parameters of p(x | z), (batch, n_features)."""
        return self.output_activation(apply(self.decoder, z, masks))

    def decode(self, z):
        """Return E[x | z], (batch, n_features)."""
        return self.likelihood.mean(self.decode_parameters(z))

    def reconstruct(self, x):
        """Return what code and decoder make of x, (batch, n_features)."""
        return self.decode(self.encode(x))

    def forward(self, x, encoder_masks=(), decoder_masks=(), *others):
        """Return the loss terms; `others` are draws that a subclass has added."""
        return self.terms_of_code(x, self.encode(x, encoder_masks), decoder_masks, *others)

    def terms_of_code(self, x, z, decoder_masks, *others):
        """Return the loss terms, given the code; where it is ordered, those of prefixes."""

        def terms(z, *others):
            return self.terms(x, z, self.decode_parameters(z, decoder_masks), *others)

        if self.nested is None:
            return terms(z, *others)
        kept = self.nested.kept
        return self.nested.terms(lambda prefix, *others: terms(z * kept[prefix], *others), *others)

    def terms(self, x, z, p):
        """Return the loss terms of each row, given code and parameters of p(x | z)."""
        return {"reconstruction": self.likelihood.loss(p, x)}
