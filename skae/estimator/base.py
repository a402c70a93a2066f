"""What every estimator that the engine trains shares."""

import copy

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if

from .. import _ranks
from .._sklearn import fit_context
from ..data.batches import Batches
from ..data.moments import row_norms
from ..data.streams import keep_watch, start_watch
from ..data.tables import chunk_size, has_nan, share
from ..data.units import Units
from ..data.weights import check_weights
from ..fast.choice import make_repeater
from ..metrics.reconstructions import explained_share
from ..nn.autoencoder import AutoencoderModule
from ..nn.module import BaseModule
from ..nn.nested_dropout import NestedDropout
from ..nn.networks import TiedMLP
from ..training.convergence import Convergence
from ..training.engine import Engine
from ..training.randomness import make_generators
from ..training.threads import threads_for
from .choices import (
    batch_size_for,
    has_hidden_layers,
    has_linear_path,
    has_own_networks,
    hidden_layer_sizes_of,
    n_epochs_for,
)
from .coder import BaseCoder
from .decay import alpha_for
from .explained import forget_shares, learn_shares
from .inference import map_rows
from .loadings import learn_loadings
from .networks import make_network
from .outcome import Outcome, losses_over, warn_of_interruption
from .persistence import (
    complete_old_state,
    parameters_to_go_by,
    to_arrays,
    to_tensors,
    with_attributes,
    with_fitted_params,
)
from .preparation import take_seed, to_rows
from .sampling import SamplesFromCodes
from .scale import code_units_of, learn_code_units
from .size import check_size, is_chosen, keep_chosen_size, n_candidates
from .split import sets_rows_aside, split, validation_rows, weights_of_training
from .start import start_at_pca
from .tasks import epochs_as_tasks
from .units import learn_units
from .validation import check_combinations, check_reach
from .values import is_same


def has_no_early_stopping(estimator):
    """Whether there is a `partial_fit`: it knows no validation rows."""
    if estimator.early_stopping:
        raise AttributeError(
            "partial_fit is not available with early_stopping=True, as one pass has no validation "
            "rows. Set early_stopping=False."
        )
    return True


def view_of(read):
    """Return an attribute that is read from the engine."""
    return property(lambda estimator: read(estimator.net_))


class BaseAutoencoder(BaseCoder):
    """Base class of the autoencoders that the engine trains: networks, training, persistence.

    A subclass stores its parameters in ``__init__`` and says which module to train, by
    `_module_class` and `_module_options` or in `_make_module`; the module has ``encode``,
    ``decode`` and named loss terms (see `nn.module`). New rows come from codes, with
    `SamplesFromCodes` or `SamplesFromPrior` before this class, or from a `sample` of its own.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The engine that trained the model.

    module_ : torch.nn.Module
        The trained networks.

    history_ : skorch.history.History
        One row per epoch: every loss term on the training and validation rows; the duration
        ``dur`` in seconds, which copies and files do not have; ``rescued`` after a loss that was
        not finite.

    loss_curve_ : list of float
        Training loss after each epoch, in scaled units.

    validation_loss_curve_ : list of float or None
        Validation loss after each epoch; None without `early_stopping`.

    n_iter_ : int
        Number of epochs run.

    alpha_ : float
        Weight decay of the training, as given or as `alpha` says of "auto".

    {shared attributes}
    """

    # What a subclass says of itself

    _module_class: type[BaseModule] = AutoencoderModule

    def _make_module(self, n_features, generator):
        """Return the module to train, with initial weights drawn from `generator`."""
        networks = self._make_networks(n_features, generator)
        return self._module_class(*networks, **self._module_options())

    def _module_options(self):
        """Return what the module's constructor is given beside the networks, by name."""
        return {
            "likelihood": self.likelihood,
            "code_activation": self._get_code_activation(),
            "output_activation": self.output_activation,
            **({"nested": NestedDropout(self._n_features_out)} if self.ordered else {}),
        }

    _is_density = False  # with a loss in nats, whatever the likelihood
    ordered = False  # where a class does not offer it
    _has_loadings = False

    _components_per_feature = 1  # in the code of ``n_components="auto"``, where a class has that
    _epochs_factor = 1  # of the epochs of ``max_iter="auto"``

    def _get_code_activation(self):
        return self.code_activation

    def _linear_path_by_default(self):
        """Return what ``linear_path="auto"`` means."""
        plain = self._get_code_activation() == self.output_activation == "identity"
        own = has_own_networks(self) and not self.tied_weights
        return self.likelihood == "gaussian" and plain and own

    def _make_callbacks(self):
        """Return copies of the user's callbacks, after those that the method itself needs."""
        return copy.deepcopy(self.callbacks or [])

    def _n_unjudged_epochs(self):
        """Return how many epochs, at first, say nothing about the final objective."""
        return 0

    def _check_parameters(self):
        """Refuse parameters that contradict each other."""
        check_combinations(self)
        check_size(self)

    def _check_parameters_for(self, n_features):
        """Warn of, or refuse, parameters that do not go with data of so many features."""

    def _check_reach(self, X):
        """Refuse data that the model cannot produce."""
        check_reach(self, X)

    def _to_table(self, X, reset):
        """Return the table that the networks are shown, here X itself."""
        return X

    def _learn_from_codes(self, X, streaming=False):
        """Learn what the fitted model keeps of the codes of its training rows, here nothing."""

    # Fitting

    def _learn(self, X, weights, *, resume, one_pass, **others):
        table = self._to_table(X, reset=not resume, **others)
        self._check_reach(X)
        if not (one_pass and resume):
            self._check_parameters_for(table.shape[1])
        self._prepare(table, weights, resume=resume, one_pass=one_pass)
        self._X_dtype = table.dtype.name
        self._train(table, weights, resume=resume, one_pass=one_pass)
        forget_shares(self)
        if self.ordered:
            unseen = None if one_pass else validation_rows(self, table.shape[0], weights)
            learn_shares(self, table, weights, unseen)
        if self._has_loadings:
            learn_loadings(self, table, weights)
        self._learn_from_codes(table, streaming=one_pass and resume)

    @available_if(has_no_early_stopping)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, sample_weight=None):
        """Train for one pass over X, at the initial learning rate.

        The first call fixes `mean_`, `scale_` and the start of the linear path.

        Shuffle rows that are sorted, by class or by time: what the first call fixes is that of
        its own rows, and gradients forget what they no longer see. Where most later rows are far
        from the first ones there is a `StreamWarning`, once.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data; two rows at least in the first call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.

        {shared parameters}

        Returns
        -------
        self : object
            The estimator itself.

        Raises
        ------
        AttributeError
            With ``early_stopping=True``: one pass has no validation rows.
        ValueError
            If a parameter that shapes the model is no longer what it was in the first call.
        """
        return self._fit(X, sample_weight, one_pass=True)

    # Before training: seed, units and networks

    def _prepare(self, X, weights, *, resume, one_pass):
        """Build the module and its engine; give them what the last fit ended with."""
        state = self.net_.state() if resume else None
        before = self._fitted_params if resume else {}
        if not resume or not is_same(before["random_state"], self.random_state):
            take_seed(self)
            state = state and {**state, "generators": {}}
        self._fitted_params = parameters_to_go_by(self)  # they rebuild the module
        if not (one_pass and resume and self.max_iter == "auto"):  # a stream is one long fit
            self._n_epochs = n_epochs_for(self, X.shape[0])
        if self._takes_holes and not (resume and self._has_holes):
            self._has_holes = _ranks.any_rank(has_nan(X))  # in rows without weight, too
        if not resume:
            self._n_inputs = X.shape[1]
            self._split_seed = self._seed
            self._is_stream = one_pass  # whose later rows may have more than these
            self._code_mean = self._code_units = None
            seen = weights_of_training(self, X.shape[0], weights)
            self._learn_units(X, seen)
            self._n_features_out = n_candidates(self, X, seen)
            self._learn_likelihood(X, seen)
            self._watch = start_watch(X.shape[0], weights)
        self.net_ = self._build_engine(one_pass)
        if state is not None:
            self.net_.load_state(state)

    def _learn_units(self, X, weights):
        learn_units(self, X, weights)
        self._units = self._make_units()

    def _learn_likelihood(self, X, weights):
        """Learn what the likelihood has to know of the data, here nothing."""

    def _make_units(self):
        return Units(self.mean_, self.scale_) if self._shifted else Units()

    def _make_networks(self, n_features, generator):
        """Return encoder and decoder, built here or by the user."""
        k, sizes = self._n_features_out, hidden_layer_sizes_of(self)
        encoder = make_network(self, "encoder", n_features, sizes, k, generator)
        if self.tied_weights:
            return encoder, TiedMLP(encoder)
        return encoder, make_network(self, "decoder", k, sizes[::-1], n_features, generator)

    def _build_engine(self, one_pass=False):
        """Return a new module in a new engine."""
        generators = make_generators(self._seed, self.device_)
        module = self._make_module(self._n_inputs, generators["initialisation"])
        module.to(self.device_, getattr(torch, self.dtype))
        return Engine(
            module,
            optimizer=self.optimizer,
            lr=self.learning_rate_init,
            schedule="constant" if one_pass else self.learning_rate,
            generators=generators,
            convergence=make_convergence(self),
            callbacks=self._make_callbacks(),
            make_repeater=make_repeater,
            max_epochs=self._n_epochs,
            verbose=int(self.verbose) if _ranks.rank() == 0 else 0,
            device=self.device_,
        ).initialize()

    # Training

    def _train(self, X, weights, *, resume, one_pass):
        """Run the engine over X; keep the start where it is the better model."""
        net, n_epochs = self.net_, 1 if one_pass else self._n_epochs
        batch_size = batch_size_for(self, X.shape[0])
        with threads_for(min(X.shape[0], batch_size) * net.flat_.numel()):
            rows, weights = to_rows(self, X, weights)
            chooses = not resume and not one_pass and is_chosen(self)
            train, unseen = split_rows(self, rows, weights, batch_size)
            seen = train.weights_of_source()
            start = None if resume else self._start_networks(rows, seen)
            if resume and self._shifted:
                self._watch = keep_watch(self._watch, rows, weights, len(self.mean_))
            if one_pass:
                net.convergence.patience = None
            valid = unseen if self.early_stopping else None
            if net.convergence.keep_best and (start is not None or resume):
                net.convergence.start(net, net.monitored_loss(net.evaluate(valid)))
            may_keep_start = self._keeps_the_better and not one_pass
            outcome = Outcome(self, rows, seen, start if may_keep_start else None)
            self.alpha_ = net.alpha = alpha_for(self, train, resume, one_pass)
            if net.n_finished_ is None:  # the trial of decays has not been interrupted
                with epochs_as_tasks(self, lambda: as_fitted(self, rows, seen)):
                    net.train(train, valid, n_epochs)
            outcome.settle(n_epochs)
            if chooses:
                keep_chosen_size(self, X, rows, seen, unseen)
            if not one_pass:
                learn_code_units(self, rows, seen)
        warn_of_interruption(net)

    _keeps_the_better = True  # of the linear start and the end of training

    def _start_networks(self, rows, weights):
        """Give the networks their start; return weights and losses of a linear one.

        Without a linear path there is nothing to return. Where the start is PCA and the objective
        PCA's there is nothing to compute, and no rounding in the loss.
        """
        residual = start_at_pca(self, rows, weights)
        if residual is None:
            return None
        minimises_the_residual = type(self.module_) is AutoencoderModule and not self.ordered
        if self._linear_path_by_default() and minimises_the_residual:
            return self.net_.weights(), {"training": residual}
        return self.net_.weights(), losses_over(self, rows, weights)

    def _describe_start(self):
        """Return the name of the linear start, and whether nothing trainable is better."""
        if self._linear_path_by_default():
            return "PCA's solution", not has_hidden_layers(self)
        if not has_linear_path(self):
            return "the column means", False
        return "a linear path at the principal components", False

    # What a fitted model does

    def score_samples(self, X):
        """Return minus the reconstruction error of each row; higher is more typical.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        score : ndarray of shape (n_samples,)
            In the squared units of X.
        """
        return -self.reconstruction_error(X)

    def score(self, X, y=None, sample_weight=None):
        r"""Return the share of the variance that the reconstruction explains.

        .. math:: 1 - \sum_i |x_i - \hat x_i|^2 / \sum_i |x_i - \bar x|^2

        with the training mean. For PCA on its training data this is
        ``explained_variance_ratio_.sum()``.

        Parameters
        ----------
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in both sums.

        {shared parameters}

        Returns
        -------
        score : float
            1 is perfect; constant data score 1 if reproduced exactly, else 0.
        """
        X = self._check_X(X)
        weights = check_weights(sample_weight, X)
        mean = share(self.mean_).to(self.device_)

        def distances(module, x):
            left, all_ = x - self._reconstruct_batch(module, x).double(), x - mean
            return torch.stack([row_norms(left), row_norms(all_)], dim=1)

        left, total = map_rows(self, X, X.dtype, distances).T
        return explained_share(left, total, weights, np.abs(self.mean_).sum())

    def _reconstruct_batch(self, module, x):
        return self._units.leave(module.reconstruct(self._units.enter(x, x.dtype)))

    def _forget_rows(self):
        self.net_.step_.forget()

    def _work_per_row(self):
        return self.net_.flat_.numel()

    def _module_in(self, dtype):
        """Return the module, or its twin in the wanted precision."""
        if self.net_.flat_.dtype == dtype:
            return self.module_
        return self.net_.twin_in(dtype)

    # Fitted attributes that are views of the engine

    module_ = view_of(lambda net: net.module_)
    history_ = view_of(lambda net: net.history)
    n_iter_ = view_of(lambda net: len(net.history))
    loss_curve_ = view_of(lambda net: [row["train_loss"] for row in net.history])
    validation_loss_curve_ = view_of(
        lambda net: [row["valid_loss"] for row in net.history if "valid_loss" in row] or None
    )

    # Persistence: arrays, strings and numbers only, whatever the device

    def __getstate__(self):
        state = super().__getstate__()
        if "net_" in state:
            state["net_"] = to_arrays(self.net_.state())
            for row in state["net_"]["history"]:
                row.pop("dur", None)  # or no two fits would have the same hash
            del state["_units"]
            state.pop("_code_units", None)
        return state

    def _restore(self, state):
        net_state = state.pop("net_", None)
        complete_old_state(state, keeps_codes=isinstance(self, SamplesFromCodes))
        super()._restore(state)
        if net_state is None:
            return
        self._units, self._code_units = self._make_units(), code_units_of(self)
        as_fitted = with_attributes(with_fitted_params(self), callbacks=None)
        self.net_ = as_fitted._build_engine()
        self.net_.load_state(to_tensors(net_state))
        self.net_._set_training(False)


def as_fitted(estimator, rows, weights):
    """Return the attributes of the fitted model that a training has come to."""
    model = copy.copy(estimator)
    learn_code_units(model, rows, weights)
    return {**vars(model), "_is_fitted": True}


def make_convergence(estimator):
    """Return what watches the losses of the epochs."""
    return Convergence(
        monitor="valid" if estimator.early_stopping else "train",
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        keep_best=estimator.early_stopping,
        n_unjudged=estimator._n_unjudged_epochs(),
    )


def split_rows(estimator, rows, weights, batch_size):
    """Return the batches of the training, and those of the validation or None."""
    shuffling = estimator.net_.generators["shuffling"]
    if not sets_rows_aside(estimator):
        return Batches(rows, weights, batch_size, generator=shuffling), None
    valid, train = (part.to(rows.device) for part in split(estimator, len(rows), weights))
    return (
        Batches(rows, weights, batch_size, train, shuffling),
        Batches(rows, weights, chunk_size(rows.shape[1]), valid),
    )
