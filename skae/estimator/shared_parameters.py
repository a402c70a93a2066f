"""The parameters that estimators share: what they may be, to `fit` and in words.

An estimator has those that stand in the signature of its constructor. Where the words here are
not true of a class, its docstring has its own, and its ``_parameter_constraints`` likewise; see
`subclassing`, which also adds the defaults.
"""

import inspect
from numbers import Integral, Real
from typing import NamedTuple

import torch

from .._sklearn import Interval, StrOptions
from ..nn.activations import ACTIVATIONS
from ..training.optimizers import OPTIMIZERS
from .choices import FEWEST_EPOCHS, MOST_EPOCHS, STEPS


class SharedParameter(NamedTuple):
    """What is said of a parameter in one place."""

    constraint: list
    kind: str
    text: str


def _shared(constraint, kind, text):
    return SharedParameter(constraint, kind, inspect.cleandoc(text))


NETWORK = _shared(
    [None, callable],
    "None, recipe, nn.Module subclass, callable or nn.Module instance",
    """
    What network to build: None for a multi-layer perceptron, or a recipe, such as
    `skae.networks.Conv` for images, whose parameters a search finds as ``encoder__...``; of the
    encoder's recipe ``decoder=None`` is the mirror. Or one of your own: a class or a factory,
    called as ``encoder(n_features, n_components)`` and ``decoder(n_components, n_features)``, or
    an instance, which is copied. Prefer a class or a function at the top level of a module:
    instances defeat the cache of ``Pipeline(memory=...)``.
    """,
)

SHARED_PARAMETERS = {
    "n_components": _shared(
        [Interval(Integral, 1, None, closed="left")], "int", "Size of the code."
    ),
    "ordered": _shared(
        ["boolean"],
        "bool",
        """
        Whether the numbers of the code are ordered by what they explain, as PCA's components are
        (nested dropout: O. Rippel, M. Gelbart, R. Adams, "Learning ordered representations with
        nested dropout", ICML 2014). In training each row keeps a random prefix of its code, the
        rest is 0; the losses of prefixes are weighed by one over what the linear start leaves.
        Every prefix is then a code of its own, that `inverse_transform` takes, and
        `explained_variance_ratio_` says what each further number adds. ``max_iter="auto"`` means
        three times as many epochs.
        """,
    ),
    "corruption_level": _shared(
        [Interval(Real, 0, None, closed="left")],
        "float",
        """
        Standard deviation of the Gaussian noise in units of `scale_`; the probability for each
        feature otherwise. Of no effect where `corruption` is a callable.
        """,
    ),
    "hidden_layer_sizes": _shared(
        ["array-like", Interval(Integral, 1, None, closed="left")],
        "int or tuple of int",
        """
        Widths of the encoder's hidden layers; the decoder has the same in reverse order. Without
        hidden layers both are linear, but for what is done to the code and to the output.
        """,
    ),
    "activation": _shared(
        [StrOptions(set(ACTIVATIONS))],
        '{"identity", "relu", "tanh", "sigmoid", "logistic", "leaky_relu", "elu", "gelu", "silu", '
        '"softplus"}',
        """
        Activation function of the layers that `hidden_layer_sizes` describes. "logistic" is
        another name of "sigmoid".
        """,
    ),
    "code_activation": _shared(
        [StrOptions(set(ACTIVATIONS))],
        "str",
        "Activation function on the code; same choice as for `activation`.",
    ),
    "output_activation": _shared(
        [StrOptions(set(ACTIVATIONS))],
        "str",
        """
        Activation function on the output; same choice as for `activation`. Where it bounds the
        output (``"sigmoid"``, ``"tanh"``, ``"relu"``, ...), the data are neither shifted nor
        scaled, and data out of its reach are an error. The Bernoulli likelihood has its own.
        """,
    ),
    "likelihood": _shared(
        [StrOptions({"gaussian", "bernoulli"})],
        '{"gaussian", "bernoulli"}',
        """
        Distribution of the data given the code: squared error, or cross-entropy for data in
        [0, 1], which are neither shifted nor scaled.
        """,
    ),
    "linear_path": _shared(
        ["boolean", StrOptions({"auto"})],
        'bool or "auto"',
        """
        Whether encoder and decoder carry a linear path that starts at the principal components.
        "auto": for the Gaussian likelihood with identity activations on code and output, untied
        weights and built-in networks. False is the textbook network with a random start.
        """,
    ),
    "tied_weights": _shared(
        ["boolean"],
        "bool",
        """
        Whether the decoder's weights are the encoder's, transposed. For built-in networks.
        """,
    ),
    "encoder": NETWORK,
    "decoder": NETWORK,
    "alpha": _shared(
        [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        'float or "auto"',
        """
        Decoupled weight decay; never on biases and on the linear path. "auto" chooses 0.1, 1, 3 or
        10 by a trial: networks are trained on half of the rows for a quarter of the epochs, and
        compared on the other half with the linear path or, where there is none, with a constant.
        Where they gain nothing, or memorise outliers, it is 30, which leaves hardly more than
        that, and there is a warning. `alpha_` tells which. A fit takes about twice as long. The
        trial is left out, with 0.1, in fits of fewer than 30 epochs, and above 10000 rows, with
        1000 / n_samples; without a linear path both are 0, and the trial has 0 in place of 0.1. In
        `partial_fit` it is 0.
        """,
    ),
    "dropout": _shared(
        [Interval(Real, 0, 1, closed="left")],
        "float",
        """
        Probability with which each hidden unit of built-in encoders and decoders is dropped in
        training.
        """,
    ),
    "scaling": _shared(
        [StrOptions({"auto", "global", "standard"}), None],
        '{"auto", "global", "standard"} or None',
        """
        What the networks see: the centred data divided by one number, the root of the mean
        variance of the features; each feature divided by its own standard deviation; or the data
        as they are, as always where the output is bounded. "auto" is "standard" where half of the
        features that vary have less than a tenth of the root of the mean variance, as in a table
        of mixed units, else "global". Rows that are given back are in the units of X.
        """,
    ),
    "optimizer": _shared(
        [StrOptions(set(OPTIMIZERS)), callable],
        '{"adam", "adamw", "sgd", "rmsprop"} or a subclass of torch.optim.Optimizer',
        """
        Optimizer; further settings of a class are bound with :func:`functools.partial`. By name
        none has a weight decay of its own beside `alpha`, which is decoupled: "adamw" does what
        "adam" does. The class ``torch.optim.AdamW`` keeps its ``weight_decay=0.01``.
        """,
    ),
    "learning_rate_init": _shared(
        [Interval(Real, 0, None, closed="neither")], "float", "Learning rate at the start."
    ),
    "learning_rate": _shared(
        [StrOptions({"constant", "linear", "cosine"})],
        '{"constant", "linear", "cosine"}',
        """
        Its course over the epochs that `max_iter` allows: constant, or falling to zero along a
        line or half a cosine. A skorch ``LRScheduler`` among the `callbacks` takes its place. In
        `partial_fit` it is constant.
        """,
    ),
    "batch_size": _shared(
        [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        'int or "auto"',
        'Rows per step; "auto" is a sixteenth of the rows, between 16 and 256.',
    ),
    "max_iter": _shared(
        [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        'int or "auto"',
        f"""
        Number of epochs, at most; `n_iter_` says how many were run. "auto" is a budget in steps:
        as many epochs as {STEPS} steps fill, ``{STEPS} / ceil(n_samples / batch_size)`` rounded
        up, but {FEWEST_EPOCHS} at least, where rows are many, and {MOST_EPOCHS} at most, where
        they are few. Rows for validation count too. Each fit with `warm_start` has a budget of its
        own; a call of `partial_fit` is one epoch.
        """,
    ),
    "tol": _shared(
        [Interval(Real, 0, None, closed="left")],
        "float",
        """
        An epoch that lowers the monitored loss by less than this share of it is no progress.
        """,
    ),
    "n_iter_no_change": _shared(
        [Interval(Integral, 1, None, closed="left"), None],
        "int or None",
        """
        Number of epochs without progress after which training ends. None runs all epochs that
        `max_iter` allows, so that the learning rate reaches the end of its course.
        """,
    ),
    "early_stopping": _shared(
        ["boolean"],
        "bool",
        """
        Whether to set aside validation rows, to watch their loss instead of the training loss,
        and to keep the weights of the best epoch. `n_iter_no_change` says when to stop.
        `mean_`, `scale_` and the start are learned from the other rows.
        """,
    ),
    "validation_fraction": _shared(
        [Interval(Real, 0, 1, closed="neither")],
        "float",
        "Share of the rows set aside with `early_stopping`.",
    ),
    "callbacks": _shared(
        [list, None],
        "list of skorch callbacks or None",
        """
        Copied before use. skorch's ``EarlyStopping``, ``Checkpoint``, ``LRScheduler``,
        ``GradientNormClipping``, ``ProgressBar`` and its loggers work. What they monitor must be
        in `history_`: ``"valid_loss"`` is there with `early_stopping` only.
        """,
    ),
    "device": _shared(
        [str, torch.device],
        "str or torch.device",
        '"cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one, else the CPU.',
    ),
    "dtype": _shared(
        [StrOptions({"float32", "float64"})],
        '{"float32", "float64"}',
        """
        Precision of the training. The fitted model computes in the precision of the X it is given.
        """,
    ),
    "distributed": _shared(
        ["boolean"],
        "bool",
        """
        Whether `fit` trains one model together with the other processes, or ranks, of
        :mod:`torch.distributed`'s process group, which must be there. Each is given rows of its
        own; `batch_size` is that of one of them, "auto" its share of what one process would take,
        and `max_iter` goes by all rows. All must be called in the same order, with the same
        parameters, columns and kinds of tables, and end with the same model.
        """,
    ),
    "warm_start": _shared(
        ["boolean"],
        "bool",
        """
        Whether `fit` goes on from the last fit instead of starting afresh. What shapes the model
        must then be what it was, or is an error; what steers training may change. Rows set aside
        for validation stay the same where X has as many rows.
        """,
    ),
    "random_state": _shared(
        ["random_state"],
        "int, RandomState instance or None",
        """
        Determines all that is drawn: initial weights, order of the rows, split, dropout, noise,
        and samples unless they are given a `random_state` of their own. Pass an int for the same
        result at each call. numpy's and torch's global generators are never touched; None draws a
        fresh seed.
        """,
    ),
    "verbose": _shared(
        ["verbose"],
        "int",
        "Whether to print the losses during training: 1 on a terminal in one line that changes, "
        "elsewhere, or from 2 on everywhere, in a line for each epoch.",
    ),
}
