"""The conditional variational autoencoder: a density of rows given something known of them."""

from numbers import Integral

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if

from .. import _ranks
from .._sklearn import Interval, StrOptions, fit_context
from ..data.columns import describe_columns, is_text
from ..data.conditions import Condition, learn_condition
from ..data.inputs import check_bool
from ..data.regression import Residuals, regress
from ..data.tables import SideBySide, SomeColumns, chunk_to_tensor, chunks_of
from ..data.units import JointUnits
from ..data.weights import weighted_mean
from ..estimator.base import has_no_early_stopping
from ..estimator.choices import has_linear_path, reaches_everything
from ..estimator.coder import points_between
from ..estimator.evidence import decompose_bound
from ..estimator.inference import map_rows
from ..estimator.persistence import complete_old_condition
from ..estimator.sampling import draws_fitted, seed_for_samples
from ..estimator.start import start_mean_of
from ..estimator.validation import check_codes, check_ends, warn_of_targets
from ..nn.variational import ConditionalVAEModule
from ..training.randomness import make_generator
from .conditional_codes import (
    draw_from_prior,
    draw_like_kept,
    fit_prior,
    make_prior,
    with_labels,
)
from .vae import VAE


class ConditionalVAE(VAE):
    r"""Conditional variational autoencoder: a density of rows given something known of them.

    Encoder, decoder and prior all see a condition c, a class label or some numbers [1]_:

    .. math:: \log p(x \mid c) \ge E_{q(z \mid x, c)} \log p(x \mid z, c)
              - \beta\, \mathrm{KL}(q(z \mid x, c) \,\|\, p(z \mid c))

    The code is then about what the condition does not say. Pass ``condition=`` to `fit` and to
    every method that takes rows or codes: a one-dimensional array holds class labels of any kind,
    a two-dimensional one numbers. Under metadata routing it flows through pipelines and searches
    without further requests; or name the columns of X that are the condition in
    `condition_features`, and nothing need be passed. Without any condition it is a `VAE`.

    By default training starts at the linear model: x regressed on c, and the residual's
    probabilistic PCA.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code.

    conditional_prior : {"learned", "standard", "none"}, default="learned"
        p(z | c): a Gaussian with diagonal covariance whose parameters a network makes of c;
        N(0, I) whatever c; or none: the KL is left out, and a Gaussian fitted to the codes serves
        scores and samples. As no KL has then given q(z | x, c) a width, codes are drawn for scores
        from Laplace's approximation of p(z | x, c), under that Gaussian.

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
        Variance of p(x | z, c) in the squared units of X; with the Gaussian likelihood only. With
        ``noise_variance="auto"`` constant columns have that of their place.

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
    NaN is what was not observed, as in `VAE`; the condition must be known. The fitted model keeps
    the codes of at most 10000 training rows, for `sample`, with their labels where the condition
    is one. `forget_rows` drops them, and `sample` draws from the prior then.

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
    >>> cvae.sample(5, condition=3).shape
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
    _has_loadings, _takes_condition = False, True  # on which what a number says depends

    _module_class = ConditionalVAEModule

    _parameter_constraints = {
        "conditional_prior": [StrOptions({"learned", "standard", "none"})],
        "condition_features": ["array-like", None],
        "n_components": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components=2,
        *,
        conditional_prior="learned",
        condition_features=None,
        covariance_type="diag",
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
        {shared parameters}

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            As in `VAE.fit`; and if the condition has another number of rows than X, is neither
            labels nor numbers, or is given beside `condition_features`. Later calls, and all other
            methods, refuse a DataFrame whose columns have other names or another order.
        """
        warn_of_targets(X, y)
        return self._fit(X, sample_weight, y=y, condition=condition)

    @available_if(has_no_early_stopping)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, condition=None, sample_weight=None):
        """Train for one pass over X, at the initial learning rate; see `VAE.partial_fit`.

        The first call fixes the labels, too.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data; two rows at least in the first call, and one of each label.

        {shared parameters}

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

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.

        {shared parameters}

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            The codes.
        """
        self.fit(X, condition=condition, sample_weight=sample_weight)
        return self.transform(X, condition=condition)

    # The condition

    def _check_reach(self, X):
        """Refuse rows that the model cannot produce; the condition may be anything."""
        if self._condition.kind != "columns":
            super()._check_reach(X)
        elif not reaches_everything(self):
            modelled = SomeColumns(X, self._condition.columns[0])
            for rows in chunks_of(modelled):
                super()._check_reach(modelled[rows])

    def _advise_on_columns(self, entries):
        has_text = any(is_text(entry) for _, entry in entries)
        if self.condition_features is None or not has_text:
            return super()._advise_on_columns(entries)
        return (
            f"X must hold numbers, and {describe_columns(entries)}. Leave labels out of X, and "
            "pass them as condition= in place of condition_features."
        )

    def _to_table(self, X, reset, condition=None):
        """Return rows and conditions side by side."""
        if reset:
            names, n = list(getattr(self, "feature_names_in_", [])), self.n_features_in_
            self._condition = learn_condition(condition, self.condition_features, names, n)
            self._n_conditions = self._condition.n_numbers
            vars(self).pop("condition_classes_", None)
            if self._condition.kind == "labels":
                self.condition_classes_ = self._condition.classes
        table = self._condition.beside(X, condition)
        if reset:
            self._condition.warn_of_single_rows(_ranks.total(table.shape[0]))
        return table

    def _weighs_kl(self):
        return self.conditional_prior != "none" and super()._weighs_kl()

    # Units, networks and their start

    def _learn_units(self, X, weights):
        C = X.right if isinstance(X, SideBySide) else None
        self._condition.learn_units(C, weights)
        super()._learn_units(X if C is None else X.left, weights)

    def _make_units(self):
        rows, n = super()._make_units(), len(self.mean_)
        return JointUnits(rows, n, self._condition.units) if self._n_conditions else rows

    def _make_prior(self, n_features, generator):
        return make_prior(self, generator)

    def _describe_start(self):
        name, is_optimal = super()._describe_start()
        if self._n_conditions and has_linear_path(self):
            name = f"linear regression on the condition, then {name}"
        return name, is_optimal

    def _linear_part(self, rows, weights):
        if not self._n_conditions:
            return super()._linear_part(rows, weights)
        slopes, mean = regress(rows, weights, start_mean_of(self))
        return Residuals(rows, slopes), mean, slopes

    def _learn_from_codes(self, X, streaming=False):
        super()._learn_from_codes(X, streaming)
        if self.conditional_prior == "none":
            fit_prior(self, X, streaming)

    # What a fitted model does

    def _check_rows(self, X, condition):
        return self._to_table(self._check_X(X), reset=False, condition=condition)

    def transform(self, X, *, condition=None):
        """Return the codes of X, the means of q(z | x, c).

        Parameters
        ----------
        {shared parameters}

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
        {shared parameters}

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; columns that are the condition are filled in.
        """
        Z = check_codes(self, X)
        return self._decode_under(Z, self._condition.encode(condition, Z.shape[0], Z.dtype))

    def _decode_under(self, Z, C):
        """Return the data that codes stand for under conditions that have been checked."""

        def decode(module, z, c):
            x = self._units.leave(module.decode(z, self._condition.enter(c)))
            return self._condition.fill_in(x, c)

        return map_rows(self, Z, Z.dtype, decode, chunk_to_tensor(C, slice(None)))

    def reconstruct(self, X, *, condition=None):
        """Return X as the codes and the conditions tell it.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        X_hat : ndarray of shape (n_samples, n_features)
            In the units of X.
        """
        XC = self._check_rows(X, condition)

        def reconstruct(module, x):
            return self._condition.fill_in(self._reconstruct_batch(module, x), module.split(x)[1])

        return map_rows(self, XC, XC.dtype, reconstruct)

    def reconstruction_error(self, X, *, condition=None):
        """Return the squared error of each row, summed over the features that are modelled.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        error : ndarray of shape (n_samples,), of float64
            In the squared units of X.
        """
        XC = self._check_rows(X, condition)

        def squared_error(module, x):
            x_hat = self._reconstruct_batch(module, x)
            return (module.split(x)[0] - x_hat.double()).square().nansum(dim=1)

        return map_rows(self, XC, XC.dtype, squared_error)

    def posterior(self, X, *, condition=None):
        """Return mean and covariance of q(z | x, c) for each row.

        Parameters
        ----------
        {shared parameters}

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

        With ``conditional_prior="none"`` it is the likelihood under the Gaussian fitted to the
        codes, by draws from Laplace's approximation of p(z | x, c).

        Parameters
        ----------
        n_importance_samples : int, default=16
            Number of draws, which follow from the row, its condition and the seed; see
            `VAE.score_samples`.

        {shared parameters}

        Returns
        -------
        score : ndarray of shape (n_samples,)
            In nats and in the units of X, in double precision.
        """
        return self._score_rows(self._check_rows(X, condition), n_importance_samples)

    def score(self, X, y=None, sample_weight=None, *, condition=None):
        """Return the mean of `score_samples`: the larger, the better the model.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        score : float
            In nats per row, in the units of X.
        """
        return weighted_mean(self.score_samples(X, condition=condition), sample_weight)

    def elbo_decomposition(self, X, *, condition=None):
        """Return what the evidence lower bound consists of, averaged over rows.

        As `VAE.elbo_decomposition`, with q(z | x, c) and p(z | c); the aggregated posterior is
        that of all rows and conditions. With ``conditional_prior="none"`` the approximation of
        p(z | x, c) takes the place of q(z | x, c).

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        terms : dict of str to float
            In nats per row.
        """
        return decompose_bound(self, self._check_rows(X, condition))

    def sample(
        self,
        n_samples=1,
        *,
        condition=None,
        codes="fitted",
        observation_noise=True,
        random_state=None,
    ):
        """Draw new rows: codes given the condition, rows from p(x | z, c).

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows for each condition.

        condition : label, array-like of shape (n_conditions,) or (n_conditions, n_numbers), \
                default=None
            What the rows are to be like. One label, several, or rows of numbers.

        codes : {"fitted", "prior"}, default="fitted"
            What codes are drawn from. "fitted": manifold Parzen windows, around each code of the
            label's training rows a Gaussian as its 15 nearest neighbours lie (Vincent and Bengio
            2002). "prior": p(z | c), as always where the condition is numbers, where a label has
            fewer than three rows, and after `forget_rows`.

        observation_noise : bool, default=True
            Whether to draw from p(x | z, c); otherwise its mean is returned.

        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples * n_conditions, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for. The
            `n_samples` rows of the first condition come first.
        """
        check_bool(observation_noise, "observation_noise")
        seed, fitted = seed_for_samples(self, n_samples, random_state), draws_fitted(self, codes)
        C = self._condition.encode_any(condition, np.dtype(self._X_dtype))
        generator = make_generator(seed, "sample", self.device_)
        Z = draw_like_kept(self, C, n_samples, seed) if fitted else None

        def draw(module, given, *z):
            c = self._condition.enter(given)
            p_x = module.p_x(*z or [draw_from_prior(module.p_z(c), len(c), generator)], c)
            x = p_x.sample((), generator) if observation_noise else p_x.mean
            return self._condition.fill_in(self._units.leave(x), given)

        tensors = [] if Z is None else [torch.from_numpy(Z)]
        return map_rows(self, np.repeat(C, n_samples, axis=0), C.dtype, draw, *tensors)

    def sample_prior(self, n_samples=1, *, condition=None, random_state=None):
        """Draw codes from p(z | c).

        Parameters
        ----------
        n_samples : int, default=1
            Number of codes for each condition.

        condition : label or array-like, default=None
            What they are given, as in `sample`.

        {shared parameters}

        Returns
        -------
        Z : ndarray of shape (n_samples * n_conditions, n_components)
            An array whatever `set_output` asks for. The `n_samples` codes of the first condition
            come first.
        """
        seed = seed_for_samples(self, n_samples, random_state)
        C = self._condition.encode_any(condition, np.dtype(self._X_dtype))
        generator = make_generator(seed, "sample", self.device_)

        def draw(module, given):
            return draw_from_prior(module.p_z(self._condition.enter(given)), len(given), generator)

        return map_rows(self, np.repeat(C, n_samples, axis=0), C.dtype, draw)

    # The codes of training rows, with their labels: after `forget_rows` the prior serves
    _describes_codes = False

    def _codes_of(self, X):
        codes, has_labels = super()._codes_of(X), self._condition.kind == "labels"
        return with_labels(codes, X, len(self.mean_)) if has_labels else codes

    def _knows_codes(self):
        return self._condition.kind in ("none", "labels") and super()._knows_codes()

    def interpolate(self, x0, x1, n_steps=10, *, condition=None):
        """Return the rows on the way between two rows, along a straight line between their codes.

        Parameters
        ----------
        condition : label or array-like of shape (n_numbers,), default=None
            The condition of all of them, also as a row of a DataFrame; with `condition_features`
            it is that of x0.

        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_steps, n_features)
            In the units of X; an array whatever `set_output` asks for.
        """
        ends = check_ends(self, x0, x1, n_steps)
        XC, C = self._condition.beside_all(ends, condition)
        Z = points_between(self._encode(XC), n_steps)
        return self._decode_under(Z, np.repeat(C, n_steps, axis=0))

    # Persistence

    def __getstate__(self):
        state = super().__getstate__()
        if "_condition" in state:
            state["_condition"] = vars(self._condition).copy()
        return state

    def _restore(self, state):
        complete_old_condition(state)
        if "_condition" in state:
            state["_condition"] = Condition(**state["_condition"])
        super()._restore(state)
