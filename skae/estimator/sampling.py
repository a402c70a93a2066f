"""New rows: from a prior, or from codes of training rows where a model has none."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ..data.streams import N_STORED_CODES, join_stream
from ..data.tables import SomeRows
from ..training.randomness import draw_seed, make_random_state
from .mixture import draw_from_mixture, fit_mixture
from .shared_arguments import SHARED_ARGUMENTS
from .subclassing import complete_method_docstrings


class SamplesFromPrior:
    """Part of an estimator whose codes are made to follow a prior: N(0, I), or one of its own.

    It keeps no codes of training rows, also where it stands before a class that would; and there
    it must stand.
    """

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for parent in cls.__mro__[: cls.__mro__.index(SamplesFromPrior)]:
            if "sample" in vars(parent) and not issubclass(parent, SamplesFromPrior):
                first, *_ = (base for base in cls.__bases__ if issubclass(base, parent))
                raise TypeError(
                    f"SamplesFromPrior must stand before {first.__name__} among the bases of "
                    f"{cls.__name__}, or its `sample` is that of {parent.__name__}: "
                    f"class {cls.__name__}(SamplesFromPrior, {first.__name__})."
                )

    def sample_prior(self, n_samples=1, *, random_state=None):
        """Draw codes from the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of codes.

        {shared parameters}

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            An array whatever `set_output` asks for.
        """
        seed = seed_for_samples(self, n_samples, random_state)
        return self._draw_prior(n_samples, seed).astype(self._X_dtype)

    def _draw_prior(self, n_samples, seed):
        """Return codes, (n_samples, n_components), that follow from an int."""
        shape = (n_samples, self._n_features_out)
        return make_random_state(seed, "sample").standard_normal(shape)

    def sample(self, n_samples=1, *, random_state=None):
        """Draw new rows: codes from the prior, decoded.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        return self._decode(self.sample_prior(n_samples, random_state=random_state))

    def _learn_from_codes(self, X, streaming=False):
        """Keep no codes."""

    def _forget_codes(self):
        """Drop nothing: there are none."""


class SamplesFromCodes:
    """Part of an estimator without a prior: it keeps codes of some training rows.

    `sample` makes a distribution of them when it is first called. `_codes` is None after
    `forget_rows`.
    """

    _n_stored_codes = N_STORED_CODES

    def _learn_from_codes(self, X, streaming=False):
        """Keep codes of some training rows."""
        codes = self._encode(choose_rows(X, self._n_stored_codes, self._seed))
        self._codes = add_to_stream(self, codes, X.shape[0]) if streaming else codes
        self._code_distribution = None

    def sample(self, n_samples=1, *, random_state=None):
        """Draw new rows: codes from a Gaussian mixture fitted to the training codes, decoded.

        The mixture is scikit-learn's, fitted at the first call to a random subset of at most
        10000 training codes, its size chosen by the Bayesian information criterion.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        seed = seed_for_samples(self, n_samples, random_state)
        Z = self._draw_codes(n_samples, make_random_state(seed, "sample"))
        return self._decode(Z.astype(self._X_dtype))

    def _draw_codes(self, n_samples, random_state):
        return draw_from_mixture(self._get_code_distribution(), n_samples, random_state)

    def _get_code_distribution(self):
        """Return what `sample` draws from, in arrays, made when it is first asked for."""
        if self._code_distribution is None:
            self._code_distribution = self._describe_codes()
        return self._code_distribution

    def _describe_codes(self):
        return fit_mixture(self._codes, self._seed)

    def _forget_rows(self):
        self._forget_codes()
        super()._forget_rows()

    def _forget_codes(self):
        """Drop the codes; what describes all of them together stays."""
        if self._codes is not None:
            self._get_code_distribution()
            self._codes = None


for part in (SamplesFromPrior, SamplesFromCodes):
    complete_method_docstrings(part, SHARED_ARGUMENTS)


def choose_rows(X, n_chosen, seed):
    """Return at most `n_chosen` rows of a table, at random, in their order."""
    order = make_random_state(seed, "sample").permutation(X.shape[0])
    return SomeRows(X, np.sort(order[:n_chosen]))


def add_to_stream(estimator, codes, n_rows):
    """Return the codes of a call of `partial_fit` beside some of those kept before.

    Parameters
    ----------
    estimator : SamplesFromCodes
    codes : {ndarray, sparse matrix} of shape (n_codes, n_components)
        Of some of the call's rows.
    n_rows : int
        How many rows it had.
    """
    if estimator._codes is None:  # forgotten
        return codes
    random_state = make_random_state(estimator._seed, "sample", estimator.n_iter_)
    most = estimator._n_stored_codes
    return join_stream(estimator._codes, codes, n_rows, most, random_state)[0]


def seed_for_samples(estimator, n_samples, random_state):
    """Return the seed of new rows: of `random_state`, or for None the estimator's own.

    Where that was None as well, nobody has asked for the same rows each time.

    Parameters
    ----------
    estimator : estimator
        Fitted, or it is a `NotFittedError`.
    n_samples : int
        Number of rows, at least 1; only checked.
    random_state : int, RandomState instance or None
        As `sample` is given it.

    Returns
    -------
    seed : int
        For `make_random_state` or `make_generator`.
    """
    check_is_fitted(estimator)
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    is_own = random_state is None and getattr(estimator, "_is_seeded", True)
    return estimator._seed if is_own else draw_seed(random_state)
