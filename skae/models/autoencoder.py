"""The deterministic autoencoder: its module and its estimator."""

from ..estimator.base import BaseAutoencoder
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


class Autoencoder(BaseAutoencoder):
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
    n_components : int, default=2
        Size of the code.

    hidden_layer_sizes : int or tuple of int, default=(128, 64)
        Widths of the encoder's hidden layers; the decoder has the same in reverse order. Without
        hidden layers the model is linear.

    activation : {"identity", "relu", "tanh", "sigmoid", "logistic", "leaky_relu", "elu", "gelu", \
            "silu", "softplus"}, default="relu"
        Activation function of the hidden layers. "logistic" is another name of "sigmoid".

    code_activation : str, default="identity"
        Activation function on the code; same choice as for `activation`.

    output_activation : str, default="identity"
        Activation function on the output; same choice as for `activation`. Where it bounds the
        output (``"sigmoid"``, ``"tanh"``, ``"relu"``, ...), the data are neither shifted nor
        scaled, and data out of its reach are an error.

    likelihood : {"gaussian", "bernoulli"}, default="gaussian"
        Distribution of the data given the code: squared error, or cross-entropy for data in
        [0, 1], which are neither shifted nor scaled.

    linear_path : bool or "auto", default="auto"
        Whether encoder and decoder carry a linear path that starts at the principal components.
        "auto": for the Gaussian likelihood with identity activations on code and output, untied
        weights and built-in networks. False is the textbook network with a random start.

    tied_weights : bool, default=False
        Whether the decoder's weights are the encoder's, transposed.

    encoder, decoder : None, nn.Module subclass, callable or nn.Module instance, default=None
        A network of your own: a class or a factory, called as ``encoder(n_features,
        n_components)`` and ``decoder(n_components, n_features)``, or an instance, which is
        copied. None builds a multi-layer perceptron. Prefer a class or a function at the top
        level of a module: instances defeat the cache of ``Pipeline(memory=...)``.

    alpha : float or "auto", default="auto"
        Decoupled weight decay; never on biases and on the linear path. "auto" is 500 / n_samples,
        at most 2, where there is a linear path, which draws the model towards PCA where rows are
        few; without a linear path and in `partial_fit` it is 0.

    dropout : float, default=0.0
        Probability with which each hidden unit is dropped in training.

    scaling : {"global", "standard"} or None, default="global"
        What the networks see: the centred data divided by one number, the root of the mean
        variance of the features; each feature divided by its own standard deviation; or the data
        as they are. Everything given back is in the units of X.

    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or a subclass of torch.optim.Optimizer, \
            default="adam"
        Optimizer; further settings of a class are bound with :func:`functools.partial`. By name
        none has a weight decay of its own beside `alpha`, which is decoupled: "adamw" does what
        "adam" does. The class ``torch.optim.AdamW`` keeps its ``weight_decay=0.01``.

    learning_rate_init : float, default=0.005
        Learning rate at the start.

    learning_rate : {"constant", "linear", "cosine"}, default="cosine"
        Its course over `max_iter` epochs: constant, or falling to zero along a line or half a
        cosine. A skorch ``LRScheduler`` among the `callbacks` takes its place.

    batch_size : int or "auto", default="auto"
        Rows per step; "auto" is a sixteenth of the rows, between 16 and 256.

    max_iter : int, default=100
        Number of epochs.

    tol : float, default=1e-4
        An epoch that lowers the monitored loss by less than this share of it is no progress.

    n_iter_no_change : int or None, default=None
        Number of epochs without progress after which training ends. None runs all `max_iter`
        epochs, so that the learning rate reaches the end of its course.

    early_stopping : bool, default=False
        Whether to set aside validation rows, to watch their loss instead of the training loss,
        and to keep the weights of the best epoch. `n_iter_no_change` says when to stop.

    validation_fraction : float, default=0.1
        Share of the rows set aside with `early_stopping`.

    callbacks : list of skorch callbacks or None, default=None
        Copied before use. skorch's ``EarlyStopping``, ``Checkpoint``, ``LRScheduler``,
        ``GradientNormClipping``, ``ProgressBar`` and its loggers work. What they monitor must be
        in `history_`: ``"valid_loss"`` is there with `early_stopping` only.

    device : str, default="auto"
        "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one, else the CPU.

    dtype : {"float32", "float64"}, default="float32"
        Precision of the training. The fitted model computes in the precision of the X it is given.

    warm_start : bool, default=False
        Whether `fit` goes on from the last fit instead of starting afresh. What shapes the model
        must then be what it was, or is an error; what steers training may change. Rows set aside
        for validation stay the same where X has as many rows.

    random_state : int, RandomState instance or None, default=None
        Determines initial weights, order of the rows, split, dropout and noise. Pass an int for
        the same result at each call. numpy's and torch's global generators are never touched;
        None draws a fresh seed.

    verbose : int, default=0
        Whether to print a table of losses during training, a line for each epoch.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The engine that trained the model.

    module_ : torch.nn.Module
        The trained networks.

    history_ : skorch.history.History
        One row per epoch: every loss term on the training and validation rows, and the time;
        ``rescued`` after a loss that was not finite.

    loss_curve_ : list of float
        Training loss after each epoch, in scaled units.

    validation_loss_curve_ : list of float or None
        Validation loss after each epoch; None without `early_stopping`.

    n_iter_ : int
        Number of epochs run.

    mean_ : ndarray of shape (n_features,)
        Mean of each feature.

    scale_ : float or ndarray of shape (n_features,)
        What the centred data are divided by.

    device_ : str
        Where the model lies.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had string names.

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
