"""What every estimator shares: scikit-learn's surface over a model that encodes and decodes."""

import copyreg
from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .. import __version__, _ranks
from .._sklearn import CallbackSupportMixin, fit_context, with_callbacks
from ..data.columns import advise_on_columns
from ..data.inputs import check_bool
from ..training.devices import is_available
from ..training.torch_settings import torch_as_usual
from .absent import Absent, explain_components, explain_shares
from .declarations import check_declarations
from .files import write_model
from .inference import map_rows
from .links import find_page_template
from .parameters import (
    advise_on_words,
    check_shape_is_kept,
    explain_parameters,
    warn_of_ignored,
)
from .persistence import (
    VERSION,
    as_it_was_on_failure,
    defaults_of,
    parameters_to_go_by,
    read_state,
    refuse_instances,
)
from .prefixes import fill_up
from .preparation import choose_device
from .ranks import check_is_alike, end_alike
from .shared_arguments import SHARED_ARGUMENTS
from .shared_parameters import SHARED_PARAMETERS
from .subclassing import (
    complete_constraints,
    complete_docstring,
    complete_method_docstrings,
    complete_signature,
    default_parameters,
)
from .tasks import metadata_of, tasks_of_fit, without_callbacks
from .validation import (
    check_codes,
    check_ends,
    check_rows,
    check_training_data,
    warn_of_targets,
)
from .values import plain_parameters


class BaseCoder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Base class of everything with a code, in scikit-learn's convention.

    A subclass learns from checked data in `_learn`, where it sets `device_`, `_units`,
    `_n_features_out` and `_fitted_params`, and returns in `_module_in` what has ``encode`` and
    ``decode`` in the network's units.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Mean of each feature.

    scale_ : float or ndarray of shape (n_features,)
        What the centred data are divided by; 1 where they are left as they are.

    device_ : str
        Where the model lies.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X had string names.
    """

    # What a subclass says of the parameters of its constructor: of its parent's, those that it
    # gives a value itself, and that are not among the ``**others`` that it passes on;
    _fixed_parameters: tuple = ()
    # of its own, those that steer training, and may change before a fit goes on. All others that
    # nobody here knows may not;
    _training_parameters: tuple = ()
    # and what it takes for them to have an effect, each a `Need`.
    _needs: tuple = ()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        check_declarations(cls)
        complete_signature(cls)
        complete_constraints(cls, SHARED_PARAMETERS)
        complete_docstring(cls, SHARED_PARAMETERS)
        complete_method_docstrings(cls, SHARED_ARGUMENTS)

    def _store(self, arguments):
        """Keep a constructor's arguments, given as ``locals()``, untouched.

        A subclass may have others, which its own constructor keeps.
        """
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    # Links and notes on parameters in the diagrams of scikit-learn
    _doc_link_module = "skae"
    _doc_link_template = find_page_template()

    # What PCA has: set where a fit knows it, and otherwise an error that says what there is
    components_ = Absent(explain_components)
    explained_variance_ratio_ = Absent(explain_shares)

    _tasks = None  # of scikit-learn's callbacks, while there is a fit that has any

    _takes_holes = False  # whether X may have NaN, which is for not observed
    _has_holes = False  # whether a fit has seen some; older files know of none

    _watch = ()  # of files that know of none: see `keep_watch`

    def _validate_params(self):
        explain_parameters(self)
        try:
            super()._validate_params()
        except ValueError as error:
            if advice := advise_on_words(self):
                raise type(error)(f"{error} {advice}") from error
            raise

    # What a subclass says of itself

    def _check_parameters(self):
        """Refuse parameters that contradict each other."""

    @abstractmethod
    def _module_in(self, dtype):
        """Return the fitted model in the wanted precision."""

    @abstractmethod
    def _work_per_row(self):
        """Return the multiply-adds that a row costs."""

    @abstractmethod
    def _learn(self, X, weights, *, resume, one_pass):
        """Set the fitted attributes by a table and weights that have been checked.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
        weights : ndarray of shape (n_samples,) or None
        resume : bool
            Whether there is a fitted model to go on with.
        one_pass : bool
            Whether it is a call of `partial_fit`.
        """

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
            Weight of each row in the objective, in `mean_` and in `scale_`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds infinity, NaN where the class takes none, fewer than two rows, values that
            the model cannot produce, or if parameters contradict each other.
        """
        warn_of_targets(X, y)
        return self._fit(X, sample_weight, y=y)

    @with_callbacks
    def _fit(self, X, sample_weight, *, y=None, one_pass=False, **others):
        """Learn from X, from the start or from where the last fit ended.

        y is for scikit-learn's callbacks, which may score by it; so is ``condition``, of `others`.
        """
        goes_on = one_pass or getattr(self, "warm_start", False)
        resume = goes_on and hasattr(self, "_is_fitted")
        least = 1 if one_pass and resume else 2
        told = {"X": X, "y": y, "metadata": metadata_of(others)}
        with (
            as_it_was_on_failure(self),
            plain_parameters(self, default_parameters(type(self))),
            _ranks.together(getattr(self, "distributed", False)),
            tasks_of_fit(self, one_pass, **told) as tasks,
            torch_as_usual(),
        ):
            if resume:
                check_shape_is_kept(self, self._fitted_params)
            X, weights = check_training_data(self, X, sample_weight, not resume, least)
            check_is_alike(self, X, resume, others.get("condition"))
            if not one_pass:  # which has no use for some of the parameters
                warn_of_ignored(self)
            choose_device(self, resume)
            self._learn(X, weights, resume=resume, one_pass=one_pass, **others)
            end_alike(self)
            self._is_fitted = True
            if tasks is not None:
                tasks.end()
        return self

    # Input

    def _advise_on_columns(self, entries):
        """Return what to do about columns of X that hold something other than numbers."""
        return advise_on_columns(entries)

    def _check_X(self, X):
        check_is_fitted(self)
        return check_rows(self, X, reset=False, ensure_all_finite=False)  # that is `iter_batches`

    # What a fitted model does

    def transform(self, X):
        """Return the codes of X.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            Codes, in scaled units.
        """
        return self._encode(self._check_X(X))

    def inverse_transform(self, X):
        """Return the data that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`.
        """
        return self._decode(fill_up(self, check_codes(self, X)))

    def reconstruct(self, X):
        """Return ``inverse_transform(transform(X))``.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        X_hat : ndarray of shape (n_samples, n_features)
            In the units of X.
        """
        X = self._check_X(X)
        return map_rows(self, X, X.dtype, self._reconstruct_batch)

    def reconstruction_error(self, X):
        """Return the squared error of each row, summed over features.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n_samples, n_features)

        Returns
        -------
        error : ndarray of shape (n_samples,), of float64
            In the squared units of X.
        """
        X = self._check_X(X)

        def squared_error(module, x):
            return (x - self._reconstruct_batch(module, x).double()).square().nansum(dim=1)

        return map_rows(self, X, X.dtype, squared_error)

    def interpolate(self, x0, x1, n_steps=10):
        """Return the rows on the way between two rows, along a straight line between their codes.

        Parameters
        ----------
        x0, x1 : array-like of shape (n_features,)
            The ends.

        n_steps : int, default=10
            Number of rows, the reconstructions of both ends included.

        Returns
        -------
        X : ndarray of shape (n_steps, n_features)
            In the units of X; an array whatever `set_output` asks for.
        """
        ends = check_ends(self, x0, x1, n_steps)
        return self._decode(points_between(self._encode(ends), n_steps))

    def _encode(self, X):
        return map_rows(self, X, X.dtype, self._encode_batch)

    _code_units = None  # of the codes that users see: the network's

    def _encode_batch(self, module, x):
        z = module.encode(self._units.enter(x, x.dtype))
        return z if self._code_units is None else self._code_units.enter(z, z.dtype)

    def _decode(self, Z):
        def decode(module, z):
            z = z if self._code_units is None else self._code_units.leave(z)
            return self._units.leave(module.decode(z))

        return map_rows(self, Z, Z.dtype, decode)

    def _reconstruct_batch(self, module, x):
        return self._units.leave(module.decode(self._encode_batch(module, x)))

    # Persistence

    def forget_rows(self):
        """Drop what is kept of single training rows, as before a model is shared.

        These are codes of rows, which serve `sample`, and the optimizer's memory of the last
        steps. What is computed from X stays the same, bit for bit. `sample` goes on from a
        description of all codes together where there is one, with the same draws as before, and
        else is an error; see the notes on the class. Training may go on, and keeps codes of the
        rows that it then sees.

        This is no promise of privacy: weights, too, may have learnt rows by heart.

        Returns
        -------
        self : object
            The estimator itself.
        """
        check_is_fitted(self)
        self._forget_rows()
        return self

    @abstractmethod
    def _forget_rows(self):
        """Drop what is kept of single training rows."""

    def save(self, path, *, codes=True):
        """Write the estimator, fitted or not, to a file that `skae.load` reads.

        The file is safetensors with JSON in its header: numbers, text and arrays, no code. It
        takes the place of an older one in one step, when all of it is on the disk, and keeps the
        permissions of that. Where the path is a symbolic link, the file that it leads to is
        replaced.

        Parameters
        ----------
        path : path-like
            Of the file, with the ending that you like.

        codes : bool, default=True
            Whether codes of training rows that the model keeps are written. Without them it is as
            after `forget_rows`, but for the optimizer's memory, which stays.

        Raises
        ------
        TypeError
            If the estimator keeps anything but numbers, text and arrays, apart from parameters:
            those are handed in again, ``skae.load(path, encoder=MyNet)``.
        RuntimeError
            If the estimator is being fitted meanwhile, in another thread or by a callback.
        ImportError
            Without safetensors.
        """
        check_bool(codes, "codes")
        write_model(self, path, codes=codes or not self.__sklearn_is_fitted__())

    def __getstate__(self):
        return {**without_callbacks(super().__getstate__()), VERSION: __version__}

    def __reduce_ex__(self, protocol):
        """Return what pickles and copies are made of: as it is without `__reduce__`."""
        return copyreg.__newobj__, (type(self),), self.__getstate__()

    def __reduce__(self):
        """Return the same to skops, the one to ask in this way, if it can write it."""
        refuse_instances(self)
        return self.__reduce_ex__(2)

    def __setstate__(self, state):
        read_state(self, state)

    def _restore(self, state):
        """Take over a state; parameters that its version did not have get their defaults."""
        super().__setstate__({**defaults_of(self), **state})
        if hasattr(self, "device_") and not is_available(self.device_):
            self.device_ = "cpu"
        if hasattr(self, "_fitted_params"):
            of_now = {**defaults_of(self), **parameters_to_go_by(self)}
            of_now.pop("callbacks", None)
            self._fitted_params = {**of_now, **self._fitted_params}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_is_fitted")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_holes
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def points_between(Z, n_steps):
    """Return codes on the straight line between two, both ends included."""
    share = np.linspace(0, 1, n_steps, dtype=Z.dtype)[:, None]
    return (1 - share) * Z[0] + share * Z[1]
