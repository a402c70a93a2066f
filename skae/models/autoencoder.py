"""The deterministic autoencoder: its module and its estimator."""

from ..estimator.base import BaseAutoencoder
from ..estimator.sampling import SamplesFromCodes
from ..nn.distributions import LIKELIHOODS
from ..nn.module import BaseModule
from ..nn.networks import (
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
from ..nn.repeatable import is_repeatable


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

        An output activation is entered where it bends, and not where a rectifier is dead.
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

    def forward(self, x, encoder_masks=(), decoder_masks=()):
        """Return the loss terms of each row."""
        z = self.encode(x, encoder_masks)
        p = self.decode_parameters(z, decoder_masks)
        return {"reconstruction": self.likelihood.loss(p, x)}


class Autoencoder(SamplesFromCodes, BaseAutoencoder):
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
    Gaussian mixture in their place, with the same draws.

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

    def __init__(
        self,
        n_components=2,
        *,
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

    def _make_module(self, n_features, generator):
        encoder, decoder = self._make_networks(n_features, generator)
        return AutoencoderModule(encoder, decoder, **self._module_options())
