"""What every estimator that the engine trains shares."""

import copy
import math
from abc import abstractmethod
from numbers import Integral, Real

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from torch import nn

from .._sklearn import Interval, StrOptions, fit_context
from .._torch import has_legacy_norm, is_constructed
from ..data.batches import Batches
from ..data.inputs import warn_of_targets
from ..data.rows import (
    Chosen,
    Units,
    check_magnitude,
    chunk_size,
    make_rows,
    principal_components,
    to_scale,
    weighted_moments,
)
from ..data.streams import N_STORED_CODES, join_stream, keep_watch, start_watch
from ..data.weights import check_weights
from ..exceptions import DivergenceWarning, InterruptionWarning, StartKeptWarning, warn
from ..fast.choice import make_repeater
from ..metrics import explained_share
from ..nn.networks import ACTIVATIONS, MLP, RANGES, TiedMLP
from ..training.callbacks import is_callback
from ..training.convergence import Convergence
from ..training.engine import Engine
from ..training.optimizers import OPTIMIZERS
from ..training.randomness import (
    draw_seed,
    make_generator,
    make_generators,
    make_random_state,
    seeded_global_generator,
)
from ..training.step import SCHEDULES
from ..training.threads import threads_for
from ..training.torch_settings import torch_as_usual
from .coder import BaseCodec, check_device, is_available, row_norms
from .mixture import draw_from_mixture, fit_mixture
from .parameters import check_shape_is_kept, is_same, warn_of_ignored

DIVERGED = 10  # times the loss at the start, or the variance of the data: beyond it all is lost
N_FEW_ROWS = 256  # rows by which that is judged
NOTHING_LEFT = 1e-3  # share of the variance below which a start leaves nothing to gain


def has_no_early_stopping(estimator):
    """Whether there is a `partial_fit`: it knows no validation rows."""
    if estimator.early_stopping:
        raise AttributeError(
            "partial_fit is not available with early_stopping=True, as one pass has no validation "
            "rows. Set early_stopping=False."
        )
    return True


class BaseAutoencoder(BaseCodec):
    """Base class of the autoencoders that the engine trains: networks, training, persistence.

    A subclass stores its parameters in ``__init__`` and says in `_make_module` which module to
    train; the module has ``encode``, ``decode`` and named loss terms (see `engine`).
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "code_activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions(set(ACTIVATIONS))],
        "likelihood": [StrOptions({"gaussian", "bernoulli"})],
        "linear_path": ["boolean", StrOptions({"auto"})],
        "tied_weights": ["boolean"],
        "encoder": [None, callable],
        "decoder": [None, callable],
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "scaling": [StrOptions({"global", "standard"}), None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "callbacks": [list, None],
        "device": [str, torch.device],
        "dtype": [StrOptions({"float32", "float64"})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What a subclass says of itself

    @abstractmethod
    def _make_module(self, n_features, generator):
        """Return the module to train, with initial weights drawn from `generator`."""

    def _auto_n_components(self, n_features):
        """Return the size of the code for ``n_components="auto"``, where a class has that."""
        raise NotImplementedError

    def _make_callbacks(self):
        """Return copies of the user's callbacks, after those that the method itself needs."""
        return copy.deepcopy(self.callbacks or [])

    def _linear_path_by_default(self):
        """Return what ``linear_path="auto"`` means."""
        plain = self._get_code_activation() == self.output_activation == "identity"
        own = self.encoder is None and self.decoder is None and not self.tied_weights
        return self.likelihood == "gaussian" and plain and own

    def _get_code_activation(self):
        return self.code_activation

    def _start_loss(self, residual, rows, weights):
        """Return the monitored loss of the linear start, of which PCA leaves `residual`.

        Where the start is PCA there is nothing to compute, and no rounding in it.
        """
        is_pca = self._linear_path_by_default()
        return residual if is_pca else self._loss_over(rows, weights)

    _keeps_the_better = True  # of the linear start and the end of training

    @property
    def _start_name(self):
        is_pca = self._linear_path_by_default()
        return "PCA's solution" if is_pca else "a linear path at the principal components"

    def _start_is_optimal(self):
        """Whether nothing that can be trained is better than the linear start."""
        return not self._get_hidden_layer_sizes() and self._linear_path_by_default()

    def _remark(self, n_features):
        """Warn of parameters that do not go with each other or with the data."""

    def _n_unjudged_epochs(self):
        """Return how many epochs, at first, say nothing about the final objective."""
        return 0

    # Fitting

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sample_weight=None):
        """Train the model on X.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)
            Training data; a CSR matrix is made dense batch by batch, a tensor is an array.

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss, in `mean_` and in `scale_`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds NaN or infinity, fewer than two rows, values that the likelihood or the
            output activation cannot reach, or if parameters contradict each other.
        """
        warn_of_targets(X, y)
        return self._fit(X, sample_weight)

    def _fit(self, X, sample_weight, *, one_pass=False, **others):
        """Train over X, from the start or from where the last fit ended."""
        resume = (one_pass or self.warm_start) and hasattr(self, "_is_fitted")
        least = 1 if one_pass and resume else 2
        with self._as_it_was_on_failure(), torch_as_usual():
            if resume:
                check_shape_is_kept(self, self._fitted_params)
            X, weights = self._validate(X, sample_weight, reset=not resume, min_samples=least)
            X = self._arrange(X, reset=not resume, **others)
            if not (one_pass and resume):
                self._remark(X.shape[1])
            if not one_pass:  # which has no use for some of the others
                warn_of_ignored(self)
            self._start(X, weights, resume=resume, one_pass=one_pass)
            self._train(X, weights, n_epochs=1 if one_pass else self.max_iter, watch=not one_pass)
            self._X_dtype = X.dtype.name
            self._remember(X, streaming=one_pass and resume)
            self._is_fitted = True
        return self

    def _arrange(self, X, reset):
        """Return the table that the networks are shown, here X itself."""
        return X

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

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.

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

    def _check_parameters(self):
        """Refuse parameters that contradict each other."""
        own = self.encoder is None and self.decoder is None
        if self.tied_weights and not own:
            raise ValueError(
                "tied_weights=True is for built-in networks, with encoder=None and decoder=None. "
                "Got networks of your own beside it: leave them out, or set tied_weights=False."
            )
        if self.linear_path is True and not own:
            raise ValueError(
                "linear_path=True is for built-in networks, with encoder=None and decoder=None. "
                "Got networks of your own beside it: leave them out, or linear_path at 'auto'."
            )
        if self.likelihood == "bernoulli" and self.output_activation != "identity":
            raise ValueError(
                "likelihood='bernoulli' has its own output, a sigmoid: leave output_activation at "
                f"'identity'. Got {self.output_activation!r} beside it."
            )
        for given in self.callbacks or []:
            if not is_callback(given):
                raise ValueError(
                    f"callbacks must be a list of skorch callbacks. Got {given!r} in it."
                )
        for size in self._get_hidden_layer_sizes():
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    "hidden_layer_sizes must contain integers of at least 1. "
                    f"Got {self.hidden_layer_sizes!r} instead."
                )

    def _reach(self):
        """Return the range of the data that the model can produce, and the parameter's name."""
        if self.likelihood == "bernoulli":
            return (0.0, 1.0), "likelihood='bernoulli'"
        bounds = RANGES.get(self.output_activation, (-math.inf, math.inf))
        return bounds, f"output_activation={self.output_activation!r}"

    def _reaches_everything(self):
        return self._reach()[0] == (-math.inf, math.inf)

    def _check_reach(self, X):
        if self._reaches_everything():
            return
        (low, high), name = self._reach()
        values = X.data if sparse.issparse(X) else X
        if values.size and (values.min() < low or values.max() > high):
            raise ValueError(
                f"{name} needs X in [{low:g}, {high:g}]. Got values from {values.min():g} to "
                f"{values.max():g}. Scale X, by MinMaxScaler say, or take likelihood='gaussian' "
                "and output_activation='identity', which reach all numbers."
            )

    def _is_scaled(self):
        return self.scaling is not None and self._reaches_everything()

    def _has_linear_path(self):
        if self.linear_path != "auto":
            return self.linear_path
        return self._linear_path_by_default()

    def _get_n_components(self, n_features):
        auto = self.n_components == "auto"
        return self._auto_n_components(n_features) if auto else self.n_components

    def _get_hidden_layer_sizes(self):
        sizes = self.hidden_layer_sizes
        return [sizes] if isinstance(sizes, Integral) else list(sizes)

    def _module_options(self):
        """Return the options that the modules of all deterministic estimators share."""
        return {
            "likelihood": self.likelihood,
            "code_activation": self._get_code_activation(),
            "output_activation": self.output_activation,
        }

    def _make_networks(self, n_features, generator):
        """Return encoder and decoder, built here or by the user."""
        k, sizes = self._get_n_components(n_features), self._get_hidden_layer_sizes()
        encoder = self._make_network("encoder", n_features, sizes, k, generator)
        if self.tied_weights:
            return encoder, TiedMLP(encoder)
        return encoder, self._make_network("decoder", k, sizes[::-1], n_features, generator)

    def _make_network(self, name, n_in, hidden_layer_sizes, n_out, generator):
        given = getattr(self, name)
        if given is None:
            return MLP(
                n_in,
                hidden_layer_sizes,
                n_out,
                activation=self.activation,
                dropout=self.dropout,
                linear_path=self._has_linear_path(),
                generator=generator,
            )
        with seeded_global_generator(generator):
            is_template = isinstance(given, nn.Module)
            network = copy.deepcopy(given) if is_template else _call(name, given, n_in, n_out)
            _check_tensors(name, network)
            if not is_template:
                _check_is_new(name, network)
            network.to(self.device_, getattr(torch, self.dtype))
            width = self._describe_output(name, n_out)
            _check_output(name, network, n_in, n_out, getattr(torch, self.dtype), width)
        if isinstance(network, MLP):
            network.built_in = False
        return network

    def _describe_output(self, name, n_out):
        """Return what a network of the user's is to return for each row, in words."""
        what = "n_components" if name == "encoder" else "the features"
        return f"{n_out} numbers, {what}"

    def _start(self, X, weights, *, resume, one_pass=False):
        """Build the module and its engine; give them what the last fit ended with."""
        state = self.net_.state() if resume else None
        before = self._fitted_params if resume else {}
        if not resume or before["device"] != self.device:
            self.device_ = str(check_device(self.device))
        if not resume or not is_same(before["random_state"], self.random_state):
            self._is_seeded = self.random_state is not None
            self._seed = draw_seed(self.random_state)
            state = state and {**state, "generators": {}}
        self._fitted_params = self._get_fitted_params()
        if not resume:
            self._n_features_out = self._get_n_components(X.shape[1])
            self._n_inputs = X.shape[1]
            self._split_seed = self._seed
            self._learn_units(X, weights)
            self._watch = start_watch(X.shape[0], weights)
        self.net_ = self._build_engine(X.shape[0], one_pass)
        if state is not None:
            self.net_.load_state(state)
        self._is_resumed = resume

    def _build_engine(self, n_samples=None, one_pass=False):
        """Return a new module in a new engine."""
        generators = make_generators(self._seed, self.device_)
        module = self._make_module(self._n_inputs, generators["initialisation"])
        module.to(self.device_, getattr(torch, self.dtype))
        return self._make_engine(module, generators, n_samples, one_pass)

    def _get_fitted_params(self):
        """Return the parameters that rebuild the module: those of now, whatever is set later."""
        params = self.get_params(deep=False)
        return {name: value for name, value in params.items() if name != "callbacks"}

    def _learn_units(self, X, weights):
        moments, is_scaled = weighted_moments(X, weights), self._is_scaled()
        scale = to_scale(moments, per_feature=self.scaling == "standard") if is_scaled else None
        if self.likelihood != "bernoulli":  # which squares nothing
            check_magnitude(moments, scale, self.dtype)
        self.mean_, self.scale_ = moments.mean, 1.0 if scale is None else scale
        self._variance = np.square(moments.deviation)
        self._shifted = is_scaled
        self._units = self._make_units()

    def _make_units(self):
        return Units(self.mean_, self.scale_) if self._shifted else Units()

    def _make_engine(self, module, generators, n_samples=None, one_pass=False):
        convergence = Convergence(
            monitor="valid" if self.early_stopping else "train",
            tol=self.tol,
            patience=self.n_iter_no_change,
            keep_best=self.early_stopping,
            n_unjudged=self._n_unjudged_epochs(),
        )
        return Engine(
            module,
            optimizer=self.optimizer,
            lr=self.learning_rate_init,
            schedule="constant" if one_pass else self.learning_rate,
            alpha=self._get_alpha(None if one_pass else n_samples),
            generators=generators,
            convergence=convergence,
            callbacks=self._make_callbacks(),
            make_repeater=make_repeater,
            max_epochs=self.max_iter,
            verbose=int(self.verbose),
            device=self.device_,
        ).initialize()

    def _train(self, X, weights, n_epochs, watch=True):
        """Run the engine over X; keep the start where it is the better model."""
        net, n = self.net_, X.shape[0]
        batch_size = self._get_batch_size(n)
        n_parameters = net.flat_.numel()
        with threads_for(min(n, batch_size) * n_parameters):
            rows = make_rows(X, self._units, net.flat_.dtype, torch.device(self.device_))
            w = self._to_weights(weights)
            start = None if self._is_resumed else self._start_at_pca(rows, w)
            if self._is_resumed and self._shifted:
                self._watch = keep_watch(self._watch, rows, w, len(self.mean_))
            if not watch:
                net.convergence.patience = None
            train, valid = self._split(rows, w, batch_size)
            if net.convergence.keep_best and (start is not None or self._is_resumed):
                net.convergence.start(net, net.monitored_loss(net.evaluate(valid)))
            first_valid = net.convergence.best_
            loss, n_before = self._loss_of_few(rows, w), len(net.history)
            net.train(train, valid, n_epochs)
            has_candidate = start is not None and watch and self._keeps_the_better
            self._look_for_divergence(rows, w, loss, has_candidate)
            net.convergence.forget()
            losses = self._keep_the_better(start, rows, w, first_valid) if has_candidate else None
            # An interrupt, or a callback of the user's, has reasons of its own.
            is_whole = (
                len(net.history) - n_before == n_epochs or net.convergence.is_out_of_patience()
            )
            if not self._warn_of_divergence() and losses and is_whole:
                self._warn_of_the_start(losses, rows, w)
        self._warn_of_interruption()

    def _loss_of_few(self, rows, weights):
        """Return the monitored loss over the first rows that have weight, for a quick look."""
        batch = self._take_few(rows, weights)
        return self.net_.monitored_loss(self.net_.evaluate([batch]))

    def _take_few(self, rows, weights):
        index = torch.arange(len(rows)) if weights is None else weights.cpu().nonzero()[:, 0]
        index = index[:N_FEW_ROWS].to(rows.device)
        return rows.take(index), None if weights is None else weights[index]

    def _look_for_divergence(self, rows, weights, first, has_candidate):
        """Go back where training, or its last step, has led nowhere.

        The loss of a step is known before it is taken; of the last one nobody has seen the end.
        """
        convergence = self.net_.convergence
        variance = float(np.square(np.sqrt(self._variance) / self.scale_).sum())
        limit = DIVERGED * max(abs(first), variance) if variance else math.inf
        last = self._loss_of_few(rows, weights)
        if last <= limit and math.isfinite(last):
            return
        convergence.go_back(self.net_, convergence.proven_)
        is_good = self._loss_of_few(rows, weights) <= limit
        if not is_good and not has_candidate:
            convergence.go_back(self.net_, convergence.start_)
        # A linear start that training has not improved is kept anyway, and is no accident.
        convergence.diverged_ |= is_good or not has_candidate or not math.isfinite(last)

    def _warn_of_divergence(self):
        """Warn of losses that were out of bounds; return whether there was something to say."""
        convergence = self.net_.convergence
        if convergence.diverged_:
            how = "training stopped, and the weights of the last good epoch were kept"
        elif convergence.n_rescues_:
            how = (
                "training went on from the weights of the last good epoch at a tenth of the "
                f"learning rate, {convergence.n_rescues_} times (`rescued` in history_)"
            )
        else:
            return False
        more = "" if self.scaling == "standard" else " or scaling='standard'"
        warn(
            "The loss became NaN, infinite or absurdly large with learning_rate_init="
            f"{self.learning_rate_init:g}; {how}. The model works, but may be poor: try a smaller "
            f"learning_rate_init{more}.",
            DivergenceWarning,
        )
        return True

    def _warn_of_interruption(self):
        n_finished, n_epochs = self.net_.n_finished_, self.net_.n_epochs_
        if n_finished is not None:
            warn(
                f"The training was interrupted after {n_finished} of {n_epochs} epochs, and the "
                "model is what they have made of it. Interrupt twice within two seconds to stop "
                "the whole program, a grid search say.",
                InterruptionWarning,
            )

    def _get_batch_size(self, n_samples):
        if self.batch_size == "auto":
            return min(256, max(16, n_samples // 16))
        return self.batch_size

    def _get_alpha(self, n_samples):
        if self.alpha != "auto":
            return self.alpha
        # Chosen by tests/benchmarks/defaults.py: where rows are few, the network beside the
        # linear path learns their noise.
        few = n_samples is not None and self._has_linear_path()
        return min(2.0, 500 / n_samples) if few else 0.0

    def _to_weights(self, weights):
        if weights is None:
            return None
        return torch.from_numpy(weights).to(self.device_, self.net_.flat_.dtype)

    def _start_at_pca(self, rows, weights):
        """Set the linear path to the principal components; return weights and loss there.

        Without a linear path the output starts at the mean, and there is nothing to return.
        """
        mean = self._get_start_mean()
        self.module_.start_output(mean)
        if not self._has_linear_path():
            return None
        components, variances, residual = principal_components(
            rows, weights, mean, self._n_features_out, self.net_.generators["initialisation"]
        )
        self.module_.start_linear(components, variances, mean)
        return self.net_.weights(), self._start_loss(residual, rows, weights)

    def _get_start_mean(self):
        """Return the mean of the training data in the network's units."""
        mean = torch.from_numpy(self.mean_)
        return torch.zeros_like(mean) if self._shifted else mean

    def _split(self, rows, weights, batch_size):
        shuffling = self.net_.generators["shuffling"]
        if not self.early_stopping:
            return Batches(rows, weights, batch_size, generator=shuffling), None
        # Rows without weight have no say in either part.
        order = torch.randperm(len(rows), generator=make_generator(self._split_seed, "split"))
        order = order if weights is None else order[weights.cpu()[order] > 0]
        n, n_valid = len(order), max(1, round(self.validation_fraction * len(order)))
        if n - n_valid < 2:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} leaves {n - n_valid} of "
                f"{n} samples for training, where early_stopping=True sets one aside at least; 2 "
                "are needed. Take more rows, a smaller fraction, or early_stopping=False."
            )
        valid, train = (part.sort()[0].to(rows.device) for part in order.tensor_split([n_valid]))
        return (
            Batches(rows, weights, batch_size, train, shuffling),
            Batches(rows, weights, chunk_size(rows.shape[1]), valid),
        )

    def _keep_the_better(self, start, rows, weights, first_valid):
        """Put the start back where training has not improved it.

        Then return what the losses are of, that of the end, and the start's.
        """
        start_weights, start_loss = start
        convergence = self.net_.convergence
        if convergence.keep_best and convergence.best_ == first_valid:  # its weights are here
            return "validation", min(self.validation_loss_curve_, default=math.nan), first_valid
        loss = self._loss_over(rows, weights)
        if loss <= start_loss:
            return None
        self.net_.set_weights(start_weights)  # a NaN is not better either
        return "training", loss, start_loss

    @torch.no_grad()
    def _warn_of_the_start(self, losses, rows, weights):
        """Say that training was of no use, where it could have been."""
        x, _ = self._take_few(rows, weights)
        left = (self.module_.reconstruct(x).double() - x[:, : len(self.mean_)]).square().sum()
        total = (x[:, : len(self.mean_)].double() - self._get_start_mean().to(x)).square().sum()
        if self._start_is_optimal() or left <= NOTHING_LEFT * total:
            return
        kind, end, start = losses
        epochs = "1 epoch" if self.n_iter_ == 1 else f"{self.n_iter_} epochs"
        warn(
            f"Training has not improved on its start, {self._start_name}, which was kept: "
            f"after {epochs} the {kind} loss was {end:.6g}, the start's is "
            f"{start:.6g}. Try a larger max_iter, a smaller learning_rate_init or smaller "
            "hidden_layer_sizes.",
            StartKeptWarning,
        )

    def _loss_over(self, rows, weights):
        batches = Batches(rows, weights, chunk_size(rows.shape[1]))
        return self.net_.monitored_loss(self.net_.evaluate(batches))

    _n_stored_codes = N_STORED_CODES

    _codes = None  # those that have a prior keep none

    def _remember(self, X, streaming=False):
        """Keep codes of some training rows: `sample` makes its distribution of them, if called."""
        codes = self._encode(self._choose_rows(X, self._n_stored_codes))
        self._codes = self._join_stream(codes, X.shape[0]) if streaming else codes
        self._code_distribution = None

    def _join_stream(self, codes, n_rows):
        """Return these codes beside some of those kept before."""
        if self._codes is None:  # forgotten
            return codes
        random_state = make_random_state(self._seed, "sample", self.n_iter_)
        most = self._n_stored_codes
        return join_stream(self._codes, codes, n_rows, most, random_state)[0]

    def _get_code_distribution(self):
        """Return what `sample` draws from, in arrays."""
        if self._code_distribution is None:
            self._code_distribution = self._describe_codes()
        return self._code_distribution

    def _describe_codes(self):
        return fit_mixture(self._codes, self._seed)

    def _forget_rows(self):
        self._forget_codes()
        self.net_.optimizer_.state.clear()

    def _forget_codes(self):
        if self._codes is not None:
            self._get_code_distribution()
            self._codes = None

    def _choose_rows(self, X, n_chosen):
        """Return at most `n_chosen` training rows, at random, in their order."""
        order = make_random_state(self._seed, "sample").permutation(X.shape[0])
        return Chosen(X, np.sort(order[:n_chosen]))

    # What a fitted model does

    def score_samples(self, X):
        """Return minus the reconstruction error of each row; higher is more typical.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        score : ndarray of shape (n_samples,)
        """
        return -self.reconstruction_error(X)

    def score(self, X, y=None, sample_weight=None):
        r"""Return the share of the variance that the reconstruction explains.

        .. math:: 1 - \\sum_i |x_i - \\hat x_i|^2 / \\sum_i |x_i - \\bar x|^2

        with the training mean. For PCA on its training data this is
        ``explained_variance_ratio_.sum()``.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in both sums.

        Returns
        -------
        score : float
            1 is perfect; constant data score 1 if reproduced exactly, else 0.
        """
        X = self._check_X(X)
        weights = check_weights(sample_weight, X)
        mean = torch.from_numpy(self.mean_).to(self.device_)

        def distances(module, x):
            left, all_ = x - self._reconstruct_batch(module, x).double(), x - mean
            return torch.stack([row_norms(left), row_norms(all_)], dim=1)

        left, total = self._map_rows(X, X.dtype, distances).T
        return explained_share(left, total, weights, np.abs(self.mean_).sum())

    def sample(self, n_samples=1, *, random_state=None):
        """Draw new rows: codes from a Gaussian mixture fitted to the training codes, decoded.

        The mixture is scikit-learn's, fitted at the first call to a random subset of at most
        10000 training codes, its size chosen by the Bayesian information criterion.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.

        random_state : int, RandomState instance or None, default=None
            None takes the estimator's `random_state`; where that was None too, each call draws
            anew.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        seed = self._seed_for_samples(n_samples, random_state)
        Z = self._draw_codes(n_samples, make_random_state(seed, "sample"))
        return self._decode(Z.astype(self._X_dtype))

    def _draw_codes(self, n_samples, random_state):
        return draw_from_mixture(self._get_code_distribution(), n_samples, random_state)

    def _work_per_row(self):
        return self.net_.flat_.numel()

    def _module_in(self, dtype):
        """Return the module, or its twin in the wanted precision."""
        if self.net_.flat_.dtype == dtype:
            return self.module_
        return self.net_.twin_in(dtype)

    # Fitted attributes that are views of the engine

    @property
    def module_(self):
        return self.net_.module_

    @property
    def history_(self):
        return self.net_.history

    @property
    def n_iter_(self):
        return len(self.net_.history)

    @property
    def loss_curve_(self):
        return [row["train_loss"] for row in self.net_.history]

    @property
    def validation_loss_curve_(self):
        curve = [row["valid_loss"] for row in self.net_.history if "valid_loss" in row]
        return curve or None

    # Persistence: arrays, strings and numbers only, whatever the device

    def __getstate__(self):
        state = super().__getstate__()
        if "net_" in state:
            state["net_"] = _map_leaves(self.net_.state(), torch.Tensor, _to_array)
            del state["_units"]
        return state

    def _restore(self, state):
        net_state = state.pop("net_", None)
        super()._restore(state)
        if net_state is None:
            return
        if not is_available(self.device_):
            self.device_ = "cpu"
        self._fitted_params = {**self._get_defaults(), **self._fitted_params}
        self._units = self._make_units()
        self.net_ = self._as_fitted()._build_engine()
        self.net_.load_state(_map_leaves(net_state, np.ndarray, torch.from_numpy))
        self.net_._set_training(False)

    def _as_fitted(self):
        """Return this estimator with the parameters of its last fit, whatever was set since."""
        fitted = object.__new__(type(self))
        fitted.__dict__.update(self.__dict__, **self._fitted_params)
        return fitted


def _call(name, factory, n_in, n_out):
    """Return a new network from a factory of the user's."""
    try:
        network = factory(n_in, n_out)
    except Exception as error:
        raise ValueError(
            f"{name} must make a network when it is called as {name}({n_in}, {n_out}). "
            f"It raised {type(error).__name__}: {error}{_advise_on_class(factory)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"{name} must make a network, an nn.Module, when it is called as "
            f"{name}({n_in}, {n_out}). Got {_describe_no_network(network)}."
        )
    return network


def _check_is_new(name, network):
    """Refuse a network that a factory has not made just now."""
    if any(p.grad is not None for p in network.parameters()):
        raise ValueError(
            f"{name} must make a new network each time it is called, and this one has been "
            f"trained before. To start from it pass {name}=network: an instance is copied."
        )


def _advise_on_class(factory):
    """Say what to pass in place of a class that takes other arguments than two numbers."""
    if not (isinstance(factory, type) and issubclass(factory, nn.Module)):
        return ""
    name = factory.__name__
    return f". If {name} takes other arguments, pass an instance, {name}(...), which is copied."


def _describe_no_network(given):
    if given is None:
        return "None instead, as from a function without return"
    if isinstance(given, type):
        return f"the class {given.__name__} instead, and no instance of it"
    if isinstance(given, (list, tuple)):
        return (
            f"a {type(given).__name__} instead: nn.Sequential(*layers) makes a network of layers"
        )
    return f"{type(given).__name__} instead"


def _check_tensors(name, network):
    """Refuse a user's network whose state cannot be moved, copied or put back."""
    if not is_constructed(network):
        raise ValueError(
            f"{name} must call super().__init__() in its constructor, as every nn.Module does. "
            f"{type(network).__name__} does not."
        )
    tensors = [*network.parameters(), *network.buffers()]
    if any(t.is_meta for t in tensors):
        raise ValueError(f"{name} must have its parameters in memory. Got some on device 'meta'.")
    if any(t.is_complex() for t in tensors):
        raise ValueError(f"{name} must have real parameters and buffers. Got complex ones.")
    if has_legacy_norm(network):
        raise ValueError(
            f"{name} must not use torch.nn.utils.weight_norm or spectral_norm, whose networks "
            "cannot be copied. Use those of torch.nn.utils.parametrizations."
        )


def _check_output(name, network, n_in, n_out, dtype, width):
    """Refuse a user's network that does not map (n, n_in) to (n, n_out), `width` in words."""
    tensor = next(network.parameters(), torch.empty(0))
    zeros = torch.zeros(3, n_in, dtype=dtype, device=tensor.device)
    for is_training, n in ((False, 2), (True, 3)):
        wanted = f"{name} must take rows of {n_in} numbers and return, for each, {width}"
        case = f"Given {n} rows{' in training' * is_training}"
        try:
            out = _call_without_traces(network, zeros[:n], is_training)
        except Exception as error:
            raise ValueError(
                f"{wanted}. {case} of {dtype} it raised {type(error).__name__}: {error}"
            ) from error
        if not torch.is_tensor(out):
            raise TypeError(
                f"{name} must return a tensor. {case} it returned {type(out).__name__}."
            )
        if tuple(out.shape) != (n, n_out):
            raise ValueError(
                f"{wanted}, here the shape {(n, n_out)}. {case} it returned {tuple(out.shape)}."
            )
        if not out.is_floating_point():
            raise ValueError(f"{name} must return floating-point numbers. Got {out.dtype}.")
    if not all(map(torch.is_tensor, network.state_dict().values())):
        raise ValueError(f"{name} must keep nothing but tensors in its state_dict.")


@torch.no_grad()
def _call_without_traces(network, x, is_training):
    """Return what a network makes of x, and leave its buffers and its mode as they were."""
    mode, buffers = network.training, [buffer.clone() for buffer in network.buffers()]
    try:
        return network.train(is_training)(x)
    finally:
        network.train(mode)
        for buffer, before in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(before)


def _map_leaves(tree, kind, function):
    """Apply `function` to every leaf of a type in nested dicts and lists."""
    if isinstance(tree, dict):
        return {key: _map_leaves(value, kind, function) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_map_leaves(value, kind, function) for value in tree)
    return function(tree) if isinstance(tree, kind) else tree


def _to_array(tensor):
    return tensor.detach().cpu().numpy().copy()
