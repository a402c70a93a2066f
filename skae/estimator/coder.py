"""What every estimator shares: scikit-learn's surface over a model that encodes and decodes."""

from abc import ABCMeta, abstractmethod
from contextlib import contextmanager
from numbers import Integral

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import assert_all_finite, check_array, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import __version__
from .._sklearn import parse_version
from ..data.inputs import (
    check_codes_not_deeper,
    check_is_real_table,
    describe_columns,
    how_to_encode,
    shape_of,
    text_columns,
    to_array,
)
from ..data.rows import chunk_size, chunk_to_tensor, iter_chunks
from ..data.weights import check_weights
from ..exceptions import VersionWarning, warn
from ..training.randomness import draw_seed
from ..training.threads import reconsider_threads, threads_for
from ..training.torch_settings import torch_as_usual
from .parameters import explain_parameters
from .shared_parameters import SHARED_PARAMETERS
from .subclassing import (
    NO_DEFAULT,
    complete_constraints,
    complete_docstring,
    complete_signature,
    default_parameters,
)

FLOATS = [np.float64, np.float32]
INFERENCE_CELLS = 2**19  # of the table or its output, held at a time by a fitted model


class BaseCodec(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base class of everything with a code: validation, and batches through a fitted model.

    A subclass fits, sets `device_`, `_units` and `_n_features_out`, and returns in `_module_in`
    what has ``encode`` and ``decode`` in the network's units.

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

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had string names.
    """

    # What a subclass says of the parameters of its constructor: of its parent's, those that it
    # gives a value itself, and that are not among the ``**others`` that it passes on;
    _fixed_parameters: tuple = ()
    # of its own, those that steer training, and may change before a fit goes on. All others that
    # nobody here knows may not.
    _training_parameters: tuple = ()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        complete_signature(cls)
        complete_constraints(cls, SHARED_PARAMETERS)
        complete_docstring(cls, SHARED_PARAMETERS)

    def _store(self, arguments):
        """Keep a constructor's arguments, given as ``locals()``, untouched.

        A subclass may have others, which its own constructor keeps.
        """
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _get_model_parameters(self):
        """Return the parameters of now, those included that a subclass has fixed."""
        return {
            name: getattr(self, name)
            for name in default_parameters(type(self))
            if hasattr(self, name)
        }

    @contextmanager
    def _as_it_was_on_failure(self):
        """Undo what a fit has changed if it ends in an error or an interrupt."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    _watch = ()  # of files that know of none: see `keep_watch`

    def _validate_params(self):
        explain_parameters(self)
        super()._validate_params()

    # What a subclass says of itself

    def _check_parameters(self):
        """Refuse parameters that contradict each other."""

    def _check_reach(self, X):
        """Refuse data that the model cannot produce."""

    @abstractmethod
    def _module_in(self, dtype):
        """Return the fitted model in the wanted precision."""

    @abstractmethod
    def _work_per_row(self):
        """Return the multiply-adds that a row costs."""

    # Input

    def _validate(self, X, sample_weight, reset, min_samples):
        self._check_parameters()
        X = self._validate_X(X, reset=reset, ensure_min_samples=min_samples)
        self._check_reach(X)
        if sample_weight is None:
            return X, None
        weights = check_weights(sample_weight, X, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return X, weights

    def _validate_X(self, X, reset, **options):
        X = to_array(X)
        check_is_real_table(X, "X")
        try:
            X = validate_data(self, X, dtype=FLOATS, accept_sparse="csr", reset=reset, **options)
        except ValueError as error:
            if advice := self._explain(X, reset, is_fit="ensure_min_samples" in options):
                raise ValueError(f"{str(error).rstrip('.')}. {advice}") from error
            raise
        return X.astype(X.dtype.newbyteorder("="), copy=False)  # torch knows no other

    def _explain(self, X, reset, is_fit):
        """Return what may be done about a table that was refused, as far as we know."""
        if entries := text_columns(X):
            return self._explain_text(entries)
        shape = shape_of(X)
        if reset or len(shape) != 2 or shape[1] == self.n_features_in_:
            return ""
        if is_fit:
            return (
                "warm_start and partial_fit go on with the model that an earlier fit has built: "
                "fit a clone of the estimator to other columns."
            )
        if shape[1] == self._n_features_out:
            return "Codes go through inverse_transform."
        return ""

    def _explain_text(self, entries):
        """Say what to do about columns of X, with their first entries, that are no numbers."""
        return (
            f"X must hold numbers, and {describe_columns(entries)}. Encode labels in a step "
            f"before this one: {how_to_encode(entries)}."
        )

    def _seed_for_samples(self, n_samples, random_state):
        """Return the seed of new rows: of `random_state`, or for None the estimator's own.

        Where that was None as well, nobody has asked for the same rows each time.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        is_own = random_state is None and getattr(self, "_is_seeded", True)
        return self._seed if is_own else draw_seed(random_state)

    def _check_X(self, X):
        check_is_fitted(self)
        return self._validate_X(X, reset=False, ensure_all_finite=False)  # that is `_iter_batches`

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
        return self._decode(self._check_codes(X))

    def _check_codes(self, X):
        check_is_fitted(self)
        X = to_array(X)
        check_codes_not_deeper(X, self._n_features_out)
        Z = check_array(X, dtype=FLOATS, accept_sparse="csr", input_name="X", estimator=self)
        if Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {Z.shape[1]} features, but {type(self).__name__}.inverse_transform is "
                f"expecting {self._n_features_out} features as input: codes, as transform returns "
                "them. Rows of data go through reconstruct."
            )
        return Z

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
        return self._map_rows(X, X.dtype, self._reconstruct_batch)

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
            return (x - self._reconstruct_batch(module, x).double()).square().sum(dim=1)

        return self._map_rows(X, X.dtype, squared_error)

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
        ends = self._check_ends(x0, x1, n_steps)
        return self._decode(self._between(self._encode(ends), n_steps))

    def _check_ends(self, x0, x1, n_steps):
        """Return two rows, checked; names of features are not asked of a single row."""
        check_is_fitted(self)
        check_scalar(n_steps, "n_steps", Integral, min_val=2)
        ends = []
        for name, x in (("x0", x0), ("x1", x1)):
            row = np.ravel(x.toarray() if sparse.issparse(x) else to_array(x))[None]
            if row.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"{name} has {row.shape[1]} features, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features as input."
                )
            ends.append(check_array(row, dtype=FLOATS, input_name=name))
        return np.vstack(ends)

    def _between(self, Z, n_steps):
        """Return codes on the straight line between two."""
        share = np.linspace(0, 1, n_steps, dtype=Z.dtype)[:, None]
        return (1 - share) * Z[0] + share * Z[1]

    def _average(self, scores, sample_weight):
        """Return the weighted mean of the scores of rows."""
        weights = check_weights(sample_weight, scores[:, None])
        return float(np.average(scores, weights=weights))

    def _encode(self, X):
        return self._map_rows(X, X.dtype, self._encode_batch)

    def _encode_batch(self, module, x):
        return module.encode(self._units.enter(x, x.dtype))

    def _decode(self, Z):
        return self._map_rows(Z, Z.dtype, lambda m, z: self._units.leave(m.decode(z)))

    def _reconstruct_batch(self, module, x):
        return self._units.leave(module.decode(self._encode_batch(module, x)))

    def _map_rows(self, X, dtype, function, *others):
        """Return ``function(module, x)`` over batches x of X, computed in X's own precision.

        `others` are tensors with a row for each row of X, handed to the function batch by batch.
        """
        out = None
        for rows, values in self._iter_batches(X, dtype, function, *others):
            if out is None:
                out = np.empty((X.shape[0], *values.shape[1:]), values.dtype)
            out[rows] = values
        return out

    def _iter_batches(self, X, dtype, function, *others):
        """Yield the rows of each batch and ``function(module, x)`` as an array."""
        precision = torch.from_numpy(np.empty(0, dtype)).dtype
        with torch_as_usual():
            module = self._module_in(precision)
        width = max(X.shape[1], self.n_features_in_, self._n_features_out)
        size = chunk_size(width, INFERENCE_CELLS)
        with threads_for(min(X.shape[0], size) * self._work_per_row()):
            for rows in iter_chunks(X.shape[0], size):
                reconsider_threads()
                x = chunk_to_tensor(X, rows)
                if not x.sum().isfinite():  # in one pass with the rest, while a cache holds x
                    name = type(self).__name__
                    assert_all_finite(x.numpy(), estimator_name=name, input_name="X")
                with torch_as_usual(), torch.inference_mode():
                    x = x.to(self.device_, precision)
                    values = function(module, x, *(other[rows].to(x) for other in others))
                yield rows, values.cpu().numpy()

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

    def __getstate__(self):
        return {**super().__getstate__(), "_skae_version": __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_skae_version", "0")
        is_newer = parse_version(version) > parse_version(__version__)
        advice = f"Install skae {version} to be sure of it."
        if is_newer:
            warn(
                f"This {type(self).__name__} was written by skae {version}, and is read by skae "
                f"{__version__}, which may not know all of it. {advice}",
                VersionWarning,
            )
        try:
            with torch_as_usual():
                self._restore(state)
        except Exception as error:
            if not is_newer:
                raise
            raise ValueError(
                f"skae {__version__} cannot read what skae {version} wrote. {advice}"
            ) from error

    def _restore(self, state):
        """Take over a state; parameters that its version did not have get their defaults."""
        super().__setstate__({**self._get_defaults(), **state})

    def _get_defaults(self):
        """Return the defaults of all parameters that have one."""
        defaults = default_parameters(type(self))
        return {name: value for name, value in defaults.items() if value is not NO_DEFAULT}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_is_fitted")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def row_norms(x):
    """Return the length of each row in double precision, whatever the size of its numbers."""
    x = x.double()
    largest = x.abs().amax(dim=1, keepdim=True)
    unit = torch.where((largest > 0) & largest.isfinite(), largest, 1.0)
    return (x / unit).square().sum(dim=1).sqrt() * unit[:, 0]


def check_device(device):
    """Return the torch device that `device` names, "auto" being CUDA where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda' or 'cuda:<number>'. Got {device!r} instead."
        ) from error
    if not is_available(found):
        raise ValueError(
            f"device={str(device)!r} was asked for, but torch finds no such device on this "
            "machine. Use device='auto' or device='cpu'."
        )
    return found


def is_available(device):
    """Return whether torch can compute there."""
    device = torch.device(device)
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu"
