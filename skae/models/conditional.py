"""The conditional variational autoencoder: a density of rows given something known of them."""

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from torch import nn

from .._sklearn import StrOptions, fit_context
from ..data.conditions import check_labels, check_numbers
from ..data.inputs import check_bool, describe_columns, shape_of, to_array
from ..data.moments import N_DENSE, weighted_moments
from ..data.streams import N_STORED_CODES
from ..data.tables import SideBySide, SomeColumns, chunk_to_tensor, chunks_of
from ..data.units import Units, to_scale
from ..data.weights import weighted_mean
from ..estimator.base import has_no_early_stopping
from ..estimator.choices import hidden_layer_sizes_of, reaches_everything
from ..estimator.coder import points_between
from ..estimator.inference import map_rows
from ..estimator.sampling import choose_rows, seed_for_samples
from ..estimator.start import start_mean_of
from ..estimator.validation import check_codes, check_ends, warn_of_targets
from ..exceptions import ParameterWarning, warn
from ..nn.distributions import Gaussian, make_posterior
from ..nn.networks import MLP
from ..training.randomness import make_generator
from .vae import VAE, StandardPrior, VAEModule

LARGEST_CONDITION = 10.0  # numbers that the networks are shown stay within plus and minus this


class LearnedPrior(nn.Module):
    """p(z | c) = N(m(c), diag s^2(c)), with m and log s from a network."""

    repeatable = True

    def __init__(self, network, n_components):
        super().__init__()
        self.network, self.n_components = network, n_components
        with torch.no_grad():  # whatever c, it starts at N(0, I)
            network.layers[-1].weight.zero_()

    def forward(self, module, c):
        """Return p(z | c)."""
        return make_posterior(self.network(c), self.n_components)


class FittedPrior(nn.Module):
    """No p(z) in the objective; after it, a Gaussian fitted to the codes."""

    repeatable = True

    def __init__(self, n_components):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_components))
        self.register_buffer("factor", torch.eye(n_components))

    @torch.no_grad()
    def fit(self, mean, covariance):
        """Take over the moments of the codes, (n_components,) and its square."""
        self.mean.copy_(torch.as_tensor(mean))
        self.factor.copy_(torch.linalg.cholesky(torch.as_tensor(covariance)))

    def forward(self, module, c):
        """Return the Gaussian."""
        return Gaussian(self.mean, self.factor.diagonal().log(), self.factor.tril(-1))


class ConditionalVAEModule(VAEModule):
    r"""The variational autoencoder with everything given c.

    .. math:: -E_{q(z \mid x, c)} \log p(x \mid z, c)
              + \beta\, KL(q(z \mid x, c) \,\|\, p(z \mid c))

    Its rows are x and c side by side; of the last `n_conditions` columns nothing is modelled.
    """

    repeatable = True

    n_conditions = 0

    def split(self, x):
        """Return x, (batch, n_features), and c, (batch, n_conditions)."""
        n_features = x.shape[-1] - self.n_conditions
        return x[..., :n_features], x[..., n_features:]

    def q_z(self, x, c=None, masks=()):
        """Return q(z | x, c)."""
        return super().q_z(torch.cat([x, c], dim=-1), masks=masks)

    def p_z(self, c=None):
        """Return p(z | c)."""
        return self.prior(self, c)

    def decoder_input(self, z, c):
        """Return z and c side by side."""
        return torch.cat([z, c.expand(*z.shape[:-1], c.shape[-1])], dim=-1)

    def forward(self, x, *draws):
        """Return the loss terms of each row, in nats."""
        terms = super().forward(x, *draws)
        if isinstance(self.prior, FittedPrior):
            del terms["kl"]
        return terms


class JointUnits(Units):
    """Units of rows and conditions side by side on the way in, of rows alone on the way out."""

    def __init__(self, rows, shift, scale):
        n = len(shift)
        wide = [np.ones(n) * v for v in (shift, scale)]
        self.rows = rows
        super().__init__(*wide)

    def leave(self, x):
        """Return the tensor x, in the network's units, in the user's."""
        return self.rows.leave(x)


class Residuals:
    """Rows of x - A c: what the conditions leave to the code of a linear model.

    Parameters
    ----------
    rows : RowsOnDevice or RowsOnHost
        x and c side by side.
    slopes : tensor of shape (n_features, n_conditions)
        A.
    """

    def __init__(self, rows, slopes):
        self.rows, self.slopes = rows, slopes

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self):
        """Numbers of rows and of columns of x."""
        return len(self.rows), len(self.slopes)

    def span(self, rows):
        """Return a slice of rows."""
        xc, n_features = self.rows.span(rows), len(self.slopes)
        return xc[:, :n_features] - xc[:, n_features:] @ self.slopes.T.to(xc)


def regress(rows, weights, n_features):
    """Return slopes A and intercept of the weighted least squares of x on c, in one pass."""
    moments, total = 0.0, 0.0
    for span in chunks_of(rows):
        xc = rows.span(span).double()
        xc1 = torch.cat([xc, torch.ones_like(xc[:, :1])], dim=1)
        w = xc.new_ones(len(xc)) if weights is None else weights[span].double()
        moments = moments + (w[:, None] * xc1[:, n_features:]).T @ xc1
        total = total + w.sum()
    moments = (moments / total).cpu()
    cross, square = moments[:, :n_features], moments[:, n_features:]
    # One-hot labels add up to the constant: the least-norm solution, by a little ridge.
    ridge = 1e-6 * torch.eye(len(square), dtype=square.dtype)
    solution = torch.linalg.solve(square + ridge, cross).T
    return solution[:, :-1], solution[:, -1]


class ConditionalVAE(VAE):
    r"""Conditional variational autoencoder: a density of rows given something known of them.

    Encoder, decoder and prior all see a condition c, a class label or some numbers [1]_:

    .. math:: \log p(x \mid c) \ge E_{q(z \mid x, c)} \log p(x \mid z, c)
              - \beta\, KL(q(z \mid x, c) \,\|\, p(z \mid c))

    The code is then about what the condition does not say. Pass ``condition=`` to `fit` and to
    every method that takes rows or codes: a one-dimensional array holds class labels of any kind,
    a two-dimensional one numbers. Under metadata routing it flows through pipelines and searches
    without further requests; or name the columns of X that are the condition in
    `condition_features`, and nothing need be passed. Without any condition it is a `VAE`.

    By default training starts at the linear model: x regressed on c, and the residual's
    probabilistic PCA.

    Parameters
    ----------
    conditional_prior : {"learned", "standard", "none"}, default="learned"
        p(z | c): a Gaussian with diagonal covariance whose parameters a network makes of c;
        N(0, I) whatever c; or none: the KL is left out, and a Gaussian fitted to the codes serves
        scores and samples.

    condition_features : array-like of int, str or bool, or None, default=None
        Columns of X that are the condition, as numbers; by their names where X is a DataFrame.
        They are seen and given back, and not modelled.

    free_bits : float, default=0.0
        Nats of KL in each component of the code that cost nothing, on average over a batch.

    importance_weighted : bool, default=False
        Whether to train on the importance-weighted bound of the `n_mc_samples` draws, as `VAE`
        does: :math:`\log \frac1K \sum_k p(x, z_k \mid c) / q(z_k \mid x, c)`. It needs a prior.

    hidden_layer_sizes : int or tuple of int, default=(128, 64)
        Widths of the hidden layers of the encoder and of a learned prior; the decoder has the same
        in reverse order. Without hidden layers all are linear, but for what is done to the output.

    encoder, decoder : None, nn.Module subclass, callable or nn.Module instance, default=None
        A network of your own: a class or a factory, called as ``encoder(n_features +
        n_conditions, n_outputs)`` and ``decoder(n_components + n_conditions, n_features)``, or an
        instance, which is copied; n_conditions is the number of labels, or of numbers. The
        encoder's outputs are the mean of q(z | x, c), the logarithms of its standard deviations
        (but for ``"identity"``) and the rows of its lower triangle (for ``"full"``): k, 2 k or
        2 k + k (k - 1) / 2 of them. None builds a multi-layer perceptron.

    {shared parameters}

    Attributes
    ----------
    condition_classes_ : ndarray
        The labels seen by `fit`, sorted; only where the condition is one.

    noise_variance_ : float or ndarray of shape (n_modelled_features,)
        Variance of p(x | z, c) in the squared units of X; with the Gaussian likelihood only.

    mean_ : ndarray of shape (n_modelled_features,)
        Mean of each feature that is modelled: of all but the `condition_features`.

    scale_ : float or ndarray of shape (n_modelled_features,)
        What the centred data are divided by; 1 where they are left as they are.

    {shared attributes}

    See Also
    --------
    VAE : Without a condition.

    Notes
    -----
    The fitted model keeps no codes of training rows and no conditions, only the labels that there
    are and means and covariances. `forget_rows` drops the optimizer's memory alone.

    References
    ----------
    .. [1] K. Sohn, H. Lee, X. Yan, "Learning structured output representation using deep
       conditional generative models", NIPS 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConditionalVAE
    >>> X, y = load_digits(return_X_y=True)
    >>> cvae = ConditionalVAE(n_components=8, max_iter=20, random_state=0)
    >>> Z = cvae.fit(X, condition=y).transform(X, condition=y)
    >>> threes = cvae.sample(5, condition=3)
    >>> threes.shape
    (5, 64)
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    # Under metadata routing `condition` is wanted, without anybody asking for it.
    __metadata_request__fit = {"condition": True}
    __metadata_request__partial_fit = {"condition": True}
    __metadata_request__transform = {"condition": True}
    __metadata_request__inverse_transform = {"condition": True}
    __metadata_request__score = {"condition": True}

    prior = "standard"  # where there is no condition

    _module_class = ConditionalVAEModule

    _parameter_constraints = {
        "conditional_prior": [StrOptions({"learned", "standard", "none"})],
        "condition_features": ["array-like", None],
    }

    def __init__(
        self,
        n_components=2,
        *,
        conditional_prior="learned",
        condition_features=None,
        covariance_type="diag",
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

    def _check_parameters(self):
        super()._check_parameters()
        if self.importance_weighted and self.conditional_prior == "none":
            raise ValueError("importance_weighted=True needs a prior: conditional_prior='none'.")

    # Fitting

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, condition=None, sample_weight=None):
        """Train the model on X given the condition.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data; a CSR matrix is made dense batch by batch, a tensor is an array.

        y : Ignored
            Present for scikit-learn's convention.

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss, in `mean_` and in `scale_`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `VAE.fit`; and if the condition has another number of rows than X, is neither
            labels nor numbers, or is given beside `condition_features`.
        """
        warn_of_targets(X, y)
        return self._fit(X, sample_weight, condition=condition)

    @available_if(has_no_early_stopping)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, condition=None, sample_weight=None):
        """Train for one pass over X, at the initial learning rate.

        The first call fixes `mean_`, `scale_`, the labels and the start of the linear path.

        Shuffle rows that are sorted, by class or by time: what the first call fixes is that of
        its own rows, and gradients forget what they no longer see. Where most later rows are far
        from the first ones there is a `StreamWarning`, once.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data; two rows at least in the first call, and one of each label.

        y : Ignored
            Present for scikit-learn's convention.

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : object
            The estimator itself.
        """
        return self._fit(X, sample_weight, one_pass=True, condition=condition)

    def fit_transform(self, X, y=None, *, condition=None, sample_weight=None):
        """Return ``fit(X, condition=condition).transform(X, condition=condition)``.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        y : Ignored
            Present for scikit-learn's convention.

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
        """
        self.fit(X, condition=condition, sample_weight=sample_weight)
        return self.transform(X, condition=condition)

    # The condition

    def _check_parameters_for(self, n_features):
        if self._condition_kind != "none":
            return
        warn(
            "No condition was given, and this ConditionalVAE is a plain VAE; y is ignored. Pass "
            "condition= to fit, or name columns of X in condition_features; VAE is the plain "
            "model by its own name.",
            ParameterWarning,
        )

    def _check_reach(self, X):
        """Refuse rows that the model cannot produce; the condition may be anything."""
        if self.condition_features is None:
            super()._check_reach(X)
            return
        modelled = SomeColumns(X, self._find_columns()[0])
        if not reaches_everything(self):
            for rows in chunks_of(modelled):
                super()._check_reach(modelled[rows])

    def _advise_on_text(self, entries):
        if self.condition_features is None:
            return super()._advise_on_text(entries)
        return (
            f"X must hold numbers, and {describe_columns(entries)}. Leave labels out of X, and "
            "pass them as condition= in place of condition_features."
        )

    def _to_table(self, X, reset, condition=None):
        """Return rows and conditions side by side."""
        condition = to_array(condition)
        if reset:
            self._learn_condition(X, condition)
        if self._condition_kind == "columns":
            if condition is not None:
                raise ValueError(
                    "condition is given beside condition_features, which have it in X already. "
                    "Leave one of them out."
                )
            return SideBySide(*(SomeColumns(X, index) for index in self._columns))
        C = self._encode_condition(condition, X.shape[0], X.dtype)
        return SideBySide(X, C) if C.shape[1] else X

    def _learn_condition(self, X, condition):
        """Learn what kind of condition it is, and which labels there are."""
        self._n_conditions = 0
        if hasattr(self, "condition_classes_"):
            del self.condition_classes_
        if self.condition_features is not None:
            self._condition_kind, self._columns = "columns", self._find_columns()
            self._n_conditions = len(self._columns[1])
        elif condition is None:
            self._condition_kind = "none"
        elif len(shape_of(condition)) == 1:
            self._condition_kind = "labels"
            self.condition_classes_ = np.unique(check_labels(condition))
            self._n_conditions = len(self.condition_classes_)
        else:
            self._condition_kind = "numbers"
            self._n_conditions = check_numbers(condition).shape[1]

    def _find_columns(self):
        """Return the numbers of the columns that are modelled, and of those that are not."""
        n, wanted = self.n_features_in_, np.asarray(self.condition_features)
        if wanted.dtype.kind in "OUS":
            names = list(getattr(self, "feature_names_in_", []))
            missing = [str(name) for name in wanted if name not in names]
            if missing:
                known = f"are {names}" if names else "have no names: give their numbers instead"
                raise ValueError(
                    f"condition_features={self.condition_features!r} must be columns of X. "
                    f"Got {', '.join(missing)} there, but the columns of X {known}."
                )
            wanted = np.array([names.index(name) for name in wanted])
        try:
            conditions = np.arange(n)[wanted]
        except IndexError as error:
            raise ValueError(
                f"condition_features={self.condition_features!r} must be columns of X, which has "
                f"{n} features, numbered from 0 to {n - 1}."
            ) from error
        rows = np.setdiff1d(np.arange(n), conditions)
        if not len(conditions) or not len(rows):
            raise ValueError(
                "condition_features must name some columns of X, and not all. Got "
                f"{self.condition_features!r} of {n}."
            )
        return rows, conditions

    def _encode_condition(self, condition, n, dtype):
        """Return the condition of n rows as numbers, (n, n_conditions), checked."""
        kind = self._condition_kind
        if (condition is None) != (kind == "none"):
            said = (
                "without a condition, and one was given: condition= was not passed to fit, which "
                "ignores y. Fit with condition=, or leave it out here."
                if kind == "none"
                else f"with a condition, and none was given: pass condition=, {self._wanted()}."
            )
            raise ValueError(f"This {type(self).__name__} was fitted {said}")
        if kind == "none":
            return np.empty((n, 0), dtype)
        if kind == "labels":
            C = self._encode_labels(condition).astype(dtype)
        else:
            C = check_numbers(condition, dtype, self._n_conditions)
        if len(C) != n:
            raise ValueError(f"condition has {len(C)} rows, but there are {n} of X.")
        return C

    def _wanted(self):
        """Return what a condition of this model looks like, in words."""
        if self._condition_kind == "labels":
            shown = ", ".join(map(repr, self.condition_classes_[:5].tolist()))
            return f"labels such as {shown}"
        if self._condition_kind == "columns":
            return f"an array of the values of condition_features={self.condition_features!r}"
        return f"an array with {self._n_conditions} columns of numbers"

    def _encode_labels(self, condition):
        labels, classes = check_labels(condition), self.condition_classes_
        unseen = [label for label in np.unique(labels).tolist() if label not in classes]
        if unseen:
            seen = ", ".join(map(repr, classes[:10].tolist())) + ", ..." * (len(classes) > 10)
            raise ValueError(
                f"condition holds labels that fit did not see: {unseen}. It saw {seen}."
            )
        return np.eye(len(classes))[np.searchsorted(classes, labels)]

    # Units, networks and their start

    def _learn_units(self, X, weights):
        C = X.right if isinstance(X, SideBySide) else None
        self._condition_mean = np.zeros(self._n_conditions)
        self._condition_scale = np.ones(self._n_conditions)
        if self._condition_kind in ("numbers", "columns"):
            moments = weighted_moments(C, weights)
            # A column that is hardly ever different would be blown up by its small deviation.
            least = moments.farthest / LARGEST_CONDITION
            self._condition_mean = moments.mean
            self._condition_scale = np.maximum(to_scale(moments, per_feature=True), least)
        super()._learn_units(X if C is None else X.left, weights)

    def _make_units(self):
        rows, n = super()._make_units(), len(self.mean_)
        if not self._n_conditions:
            return rows
        shift = np.concatenate([np.broadcast_to(rows.shift, n), self._condition_mean])
        scale = np.concatenate([np.broadcast_to(rows.scale, n), self._condition_scale])
        return JointUnits(rows, shift, scale)

    def _make_module(self, n_inputs, generator):
        module = super()._make_module(n_inputs, generator)
        module.n_conditions = self._n_conditions
        return module

    def _make_prior(self, n_features, generator):
        k = self.n_components
        if self.conditional_prior == "none":
            return FittedPrior(k)
        if self.conditional_prior == "standard" or not self._n_conditions:
            return StandardPrior(k)
        sizes = hidden_layer_sizes_of(self)
        network = MLP(
            self._n_conditions, sizes, 2 * k, activation=self.activation, generator=generator
        )
        return LearnedPrior(network, k)

    def _describe_start(self):
        name, is_optimal = super()._describe_start()
        if self._n_conditions:
            name = f"linear regression on the condition, then {name}"
        return name, is_optimal

    def _start_at_linear_gaussian(self, rows, weights, generator, mean=None, slopes=None):
        if self._n_conditions:
            n_features = len(self.mean_)
            slopes = torch.zeros(n_features, self._n_conditions, dtype=torch.float64)
            mean = start_mean_of(self)
            if self._n_conditions <= N_DENSE:
                slopes, mean = regress(rows, weights, n_features)
            rows = Residuals(rows, slopes)
        super()._start_at_linear_gaussian(rows, weights, generator, mean, slopes)

    def _learn_from_codes(self, X, streaming=False):
        """Fit the Gaussian that stands for a prior, where there is none."""
        super()._learn_from_codes(X, streaming)
        if self.conditional_prior != "none":
            return
        q = self._get_posterior(choose_rows(X, N_STORED_CODES, self._seed))
        within, moments = q.covariance.double().mean(0).numpy(), self._code_moments
        if streaming:
            within = moments["share"] * self._within + (1 - moments["share"]) * within
        self._within = within
        self.module_.prior.fit(moments["mean"], within + moments["covariance"])

    # What a fitted model does

    def _check_rows(self, X, condition):
        return self._to_table(self._check_X(X), reset=False, condition=condition)

    def _reconstruct_batch(self, module, x):
        return self._units.leave(module.reconstruct(self._units.enter(x, x.dtype)))

    def _restore_columns(self, x, c):
        """Return a batch of rows in the layout of the X that `fit` saw."""
        if self._condition_kind != "columns":
            return x
        out = x.new_empty(len(x), self.n_features_in_)
        rows, conditions = self._columns
        out[:, rows], out[:, conditions] = x, c.to(x)
        return out

    def transform(self, X, *, condition=None):
        """Return the codes of X, the means of q(z | x, c).

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            Codes, in scaled units.
        """
        return self._encode(self._check_rows(X, condition))

    def inverse_transform(self, X, *, condition=None):
        """Return the data that codes stand for under their conditions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; columns that are the condition are filled in.
        """
        Z = check_codes(self, X)
        C = self._encode_condition(to_array(condition), Z.shape[0], Z.dtype)
        return map_rows(self, Z, Z.dtype, self._decode_batch, chunk_to_tensor(C, slice(None)))

    def _decode_batch(self, module, z, c):
        x = self._units.leave(module.decode(z, self._enter_condition(c)))
        return self._restore_columns(x, c)

    def _enter_condition(self, c):
        """Return conditions in the network's units."""
        return Units(self._condition_mean, self._condition_scale).enter(c, c.dtype)

    def reconstruct(self, X, *, condition=None):
        """Return X as the codes and the conditions tell it.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        X_hat : ndarray of shape (n_samples, n_features)
            In the units of X.
        """
        XC = self._check_rows(X, condition)

        def reconstruct(module, x):
            return self._restore_columns(self._reconstruct_batch(module, x), module.split(x)[1])

        return map_rows(self, XC, XC.dtype, reconstruct)

    def reconstruction_error(self, X, *, condition=None):
        """Return the squared error of each row, summed over the features that are modelled.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        error : ndarray of shape (n_samples,), of float64
            In the squared units of X.
        """
        XC = self._check_rows(X, condition)

        def squared_error(module, x):
            x_hat = self._reconstruct_batch(module, x)
            return (module.split(x)[0] - x_hat.double()).square().sum(dim=1)

        return map_rows(self, XC, XC.dtype, squared_error)

    def posterior(self, X, *, condition=None):
        """Return mean and covariance of q(z | x, c) for each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        mean : ndarray of shape (n_samples, n_components)
            The codes, as `transform` returns them.
        covariance : ndarray of shape (n_samples, n_components, n_components)
            In the squared units of codes.
        """
        return self._describe_posterior(self._check_rows(X, condition))

    def score_samples(self, X, n_importance_samples=16, *, condition=None):
        """Return a lower bound of the log-likelihood of each row given its condition.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        n_importance_samples : int, default=16
            Number of draws, which follow from the row, its condition and the seed; see
            `VAE.score_samples`.

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        score : ndarray of shape (n_samples,)
            In nats and in the units of X, in double precision.
        """
        return self._bound(self._check_rows(X, condition), n_importance_samples)

    def score(self, X, y=None, sample_weight=None, *, condition=None):
        """Return the mean of `score_samples`: the larger, the better the model.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the mean.

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        score : float
            In nats per row, in the units of X.
        """
        return weighted_mean(self.score_samples(X, condition=condition), sample_weight)

    def elbo_decomposition(self, X, *, condition=None):
        """Return what the evidence lower bound consists of, averaged over rows.

        As `VAE.elbo_decomposition`, with q(z | x, c) and p(z | c); the aggregated posterior is
        that of all rows and conditions.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        condition : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            Class labels of one kind (one-dimensional), or numbers (two-dimensional).

        Returns
        -------
        terms : dict of str to float
            In nats per row.
        """
        return self._decompose(self._check_rows(X, condition))

    def sample(self, n_samples=1, *, condition=None, observation_noise=True, random_state=None):
        """Draw new rows: codes from p(z | c), rows from p(x | z, c).

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows for each condition.

        condition : label, array-like of shape (n_conditions,) or (n_conditions, n_numbers), \
                default=None
            What the rows are to be like. One label, several, or rows of numbers.

        observation_noise : bool, default=True
            Whether to draw from p(x | z, c); otherwise its mean is returned.

        random_state : int, RandomState instance or None, default=None
            None takes the estimator's `random_state`; where that was None too, each call draws
            anew.

        Returns
        -------
        X : ndarray of shape (n_samples * n_conditions, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for. The
            `n_samples` rows of the first condition come first.
        """
        check_bool(observation_noise, "observation_noise")
        seed = seed_for_samples(self, n_samples, random_state)
        C = self._encode_conditions_of_samples(condition)
        C = np.repeat(C, n_samples, axis=0)
        generator = make_generator(seed, "sample", self.device_)
        return map_rows(
            self, C, C.dtype, lambda m, c: self._sample_batch(m, c, generator, observation_noise)
        )

    def _encode_conditions_of_samples(self, condition):
        condition = to_array(condition)
        if condition is None:
            return self._encode_condition(None, 1, np.dtype(self._X_dtype))
        if np.ndim(condition) == 0:
            condition = [condition]
        return self._encode_condition(condition, len(condition), np.dtype(self._X_dtype))

    def _sample_batch(self, module, given, generator, observation_noise):
        c = self._enter_condition(given)
        p_z = module.p_z(c)
        shape = () if p_z.mean.dim() == 2 else (len(c),)
        p_x = module.p_x(p_z.sample(shape, generator), c)
        x = self._units.leave(p_x.sample((), generator) if observation_noise else p_x.mean)
        return self._restore_columns(x, given)

    def interpolate(self, x0, x1, n_steps=10, *, condition=None):
        """Return the rows on the way between two rows, along a straight line between their codes.

        Parameters
        ----------
        x0, x1 : array-like of shape (n_features,)
            The ends.

        n_steps : int, default=10
            Number of rows, the reconstructions of both ends included.

        condition : label or array-like of shape (n_numbers,), default=None
            The condition of all of them; with `condition_features` it is that of x0.

        Returns
        -------
        X : ndarray of shape (n_steps, n_features)
            In the units of X; an array whatever `set_output` asks for.
        """
        ends = check_ends(self, x0, x1, n_steps)
        rows = None if condition is None else [to_array(condition)] * n_steps
        XC = self._to_table(ends, reset=False, condition=rows and rows[:2])
        if self._condition_kind == "columns":
            rows = np.repeat(ends[:1, self._columns[1]], n_steps, axis=0)
        return self.inverse_transform(points_between(self._encode(XC), n_steps), condition=rows)
