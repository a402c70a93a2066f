"""The module of a deterministic autoencoder, on which those of its relatives build."""

from .distributions import LIKELIHOODS
from .module import BaseModule
from .networks import (
    ACTIVATIONS,
    INVERSES,
    MLP,
    TiedMLP,
    apply,
    draw_masks,
    identity,
    is_ours,
    own_layers,
)
from .repeatable import is_repeatable


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
    """

    repeatable = True

    def __init__(
        self,
        encoder,
        decoder,
        *,
        likelihood="gaussian",
        code_activation="identity",
        output_activation="identity",
    ):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.likelihood = LIKELIHOODS[likelihood]
        self.code_activation = ACTIVATIONS[code_activation]
        self.output_activation = ACTIVATIONS[output_activation]
        link = "sigmoid" if likelihood == "bernoulli" else output_activation
        self.to_parameters = INVERSES.get(link, identity)
        # Networks of the user may, unless they say that they are pure functions.
        self.draws_globally = not (is_repeatable(encoder) and is_repeatable(decoder))

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

        The variances of the data along the components, (n_components,), are of no use here.
        """
        self.encoder.start_linear(components)
        self.encoder.start_bias(-components @ mean)
        if own_layers(self.decoder):  # tied weights have started with the encoder
            self.decoder.start_linear(components.T)

    def undecayed_parameters(self):
        """Return the parameters that weight decay leaves alone beside the biases."""
        networks = [n for n in (self.encoder, self.decoder) if isinstance(n, (MLP, TiedMLP))]
        return [p for network in networks for p in network.undecayed_parameters()]

    def draw(self, n_rows, generators):
        """Return the random inputs of one step: the dropout masks of encoder and decoder."""
        if not self.training:
            return ((), ())
        networks = (self.encoder, self.decoder)
        return tuple(draw_masks(network, n_rows, generators["dropout"]) for network in networks)

    def encode(self, x, masks=()):
        """Return the codes, (batch, n_components)."""
        return self.code_activation(apply(self.encoder, x, masks))

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
        z = self.encode(x, encoder_masks)
        return self.terms(x, z, self.decode_parameters(z, decoder_masks), *others)

    def terms(self, x, z, p):
        """Return the loss terms of each row, given code and parameters of p(x | z)."""
        return {"reconstruction": self.likelihood.loss(p, x)}
