"""New rows: from a prior, or from codes like those of training rows."""

import math
from numbers import Integral

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .. import _ranks
from ..data.streams import N_STORED_CODES, join_stream
from ..data.tables import SomeRows
from ..training.randomness import draw_seed, make_random_state
from .mixture import draw_from_mixture, fit_mixture
from .shared_arguments import SHARED_ARGUMENTS
from .subclassing import complete_method_docstrings
from .windows import draw_from_windows


class KeepsCodes:
    """Part of an estimator that keeps codes of some training rows, and draws codes like them.

    `_codes` is None after `forget_rows`, and in files of before there were any.
    """

    _n_stored_codes = N_STORED_CODES
    _describes_codes = True  # all of them together, once they are dropped

    def _learn_from_codes(self, X, streaming=False):
        """Keep codes of some training rows."""
        n_chosen = n_of_rank(X, self._n_stored_codes)
        codes = self._codes_of(choose_rows(X, n_chosen, self._seed))
        codes = np.concatenate(_ranks.gather(codes))
        self._codes = add_to_stream(self, codes, X.shape[0]) if streaming else codes
        self._code_distribution = None

    def _codes_of(self, X):
        """Return what is kept of rows."""
        return self._encode(X)

    def _draw_new_codes(self, n_samples, seed):
        """Return codes like those of training rows, that follow from an int."""
        Z = self._draw_codes(n_samples, make_random_state(seed, "sample"))
        return Z.astype(self._X_dtype)

    def _draw_codes(self, n_samples, random_state):
        if self._codes is None:
            return draw_from_mixture(self._get_code_distribution(), n_samples, random_state)
        return draw_from_windows(self._codes, n_samples, random_state)

    def _get_code_distribution(self):
        """Return what stands for the codes once they are dropped, made when first asked for."""
        if self._code_distribution is None:
            self._code_distribution = self._describe_codes()
        return self._code_distribution

    def _describe_codes(self):
        return fit_mixture(self._codes, self._seed)

    def _forget_rows(self):
        self._forget_codes()
        super()._forget_rows()

    def _forget_codes(self):
        """Drop the codes; what describes all of them together stays, where anything does."""
        if self._describes_codes and self._codes is not None:
            self._get_code_distribution()
        self._codes = None

    def _knows_codes(self):
        """Whether there is something like the training codes to draw."""
        kept = ("_codes", "_code_distribution")
        return any(getattr(self, name, None) is not None for name in kept)


class SamplesFromPrior(KeepsCodes):
    """Part of an estimator whose codes are made to follow a prior: N(0, I), or one of its own.

    Where it stands before a class that draws from codes alone, `sample` is its own; and there it
    must stand.
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

    def sample(self, n_samples=1, *, codes="fitted", random_state=None):
        """Draw new rows: codes like those of training rows, or from the prior, decoded.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.
        """
        if not draws_fitted(self, codes):
            return self._decode(self.sample_prior(n_samples, random_state=random_state))
        seed = seed_for_samples(self, n_samples, random_state)
        return self._decode(self._draw_new_codes(n_samples, seed))


class SamplesFromCodes(KeepsCodes):
    """Part of an estimator without a prior: `sample` draws codes like those of training rows."""

    def sample(self, n_samples=1, *, random_state=None):
        """Draw new rows: codes like those of training rows, decoded.

        They are drawn from manifold Parzen windows: around each of at most 10000 training codes,
        at random, a Gaussian as its 15 nearest neighbours lie [1]_. After `forget_rows` it is a
        Gaussian mixture, scikit-learn's, its size chosen by the Bayesian information criterion.

        Parameters
        ----------
        {shared parameters}

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the data seen by `fit`; an array whatever `set_output` asks for.

        References
        ----------
        .. [1] P. Vincent, Y. Bengio, "Manifold Parzen windows", NIPS 2002.
        """
        seed = seed_for_samples(self, n_samples, random_state)
        return self._decode(self._draw_new_codes(n_samples, seed))


def draws_fitted(estimator, codes):
    """Whether new codes are like those of training rows; else they are drawn from the prior."""
    check_is_fitted(estimator)
    if codes not in ("fitted", "prior"):
        raise ValueError(f"codes must be 'fitted' or 'prior'. Got {codes!r} instead.")
    return codes == "fitted" and estimator._knows_codes()


def check_codes_are_kept(estimator, advice):
    """Refuse to draw from codes that were dropped, where nothing else stands for them."""
    if estimator._codes is None:
        raise NotFittedError(
            "sample draws from the codes of training rows, which forget_rows has dropped. "
            f"{advice}, or fit again."
        )


for part in (SamplesFromPrior, SamplesFromCodes):
    complete_method_docstrings(part, SHARED_ARGUMENTS)


def n_of_rank(X, n_chosen):
    """Return how many of `n_chosen` rows are to be of X: its share of the rows of all ranks."""
    return max(1, math.floor(n_chosen * X.shape[0] / _ranks.total(X.shape[0])))


def choose_rows(X, n_chosen, seed):
    """Return at most `n_chosen` rows of a table, at random, in their order."""
    order = make_random_state(seed, "sample").permutation(X.shape[0])
    return SomeRows(X, np.sort(order[:n_chosen]))


def add_to_stream(estimator, codes, n_rows):
    """Return the codes of a call of `partial_fit` beside some of those kept before.

    Parameters
    ----------
    estimator : KeepsCodes
    codes : {ndarray, sparse matrix} of shape (n_codes, n_components)
        Of some of the call's rows.
    n_rows : int
        How many rows it had.
    """
    if estimator._codes is None:  # forgotten
        return codes
    random_state = make_random_state(estimator._seed, "sample", estimator.n_iter_)
    most = estimator._n_stored_codes
    n_rows = _ranks.total(n_rows)
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
