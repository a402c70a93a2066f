"""The imputer: what users see of the mixture."""

from contextlib import contextmanager
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.impute import MissingIndicator
from sklearn.utils import check_array, check_random_state, check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._keywords import explains_unknown_keywords
from .._sklearn import HasMethods, Interval, StrOptions, fit_context
from ..data.inputs import to_array
from ..data.weights import check_weights, weighted_mean
from ..exceptions import ParameterWarning, warn
from . import answers
from .advice import tell_of_empty_columns, tell_of_what_is_given_up
from .choice import LEAST_RIDGE, Settings
from .choice import fit as fit_model
from .densities import Density
from .em import Rows
from .holes import Holes
from .inputs import FLOATS, check_rows
from .state import from_plain, to_plain
from .units import learn_columns


def _has_indicator(imputer):
    if not imputer.add_indicator:
        raise AttributeError(
            "inverse_transform needs the columns of the indicator, which say what was missing: "
            "set add_indicator=True, and fit."
        )
    return True


class _Given(NamedTuple):
    """Rows as they came, as floats; what is observed; and what the model is asked."""

    X: np.ndarray
    observed: np.ndarray
    table: answers.Table


@contextmanager
def _as_it_was_on_failure(imputer):
    """Undo what a fit has changed if it ends in an error or an interrupt."""
    before = dict(vars(imputer))
    try:
        yield
    except BaseException:
        vars(imputer).clear()
        vars(imputer).update(before)
        raise


class Imputer(TransformerMixin, BaseEstimator):
    r"""Missing values by a mixture of Gaussians, fitted to what is observed.

    A Gaussian is fitted by expectation maximisation to the observed cells alone [1]_, and from
    there a mixture of Gaussians [2]_,

    .. math:: p(x_o) = \sum_k \pi_k \, N(x_o; \mu_{k,o}, \Sigma_{k,oo})

    where o are the observed cells of a row. A missing cell is replaced by its mean given them.
    No cell is filled before the fit, no column is regressed on columns that were themselves
    guessed, and new rows may lack any of their cells, also in columns that were complete.

    A tenth of the observed cells is hidden at first. On these the ridge of the Gaussian and the
    number of components are chosen, and the mixture is used only if it fills them better than the
    Gaussian by two standard errors. Then all is fitted again to all observed cells.

    What is filled in assumes that cells are missing at random: whether one is missing may depend
    on observed cells of its row, but not on the missing number itself. Where large numbers hide
    because they are large, what is filled in is too small, as with every imputer that is not
    told how.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of Gaussians. "auto" tries 4, 16, 32 and 64, as long as hidden cells are filled
        better for it and there are eight rows for each; 4 and 16 with more than 40 columns, and
        none with more than 150. A number is taken as it is, and the mixture of so many is used
        whether or not it is better; 1 is the Gaussian.

    ridge : float or "auto", default="auto"
        What is added to the variances of the Gaussian, as a share of the variance of the column:
        the larger, the more it keeps to the means. At least 1e-6. "auto" tries 0.3, 0.1, 0.03,
        0.01, 0.003 and 0.001, as long as hidden cells are filled better for it.

    n_init : int, default=1
        Number of mixtures, from different starts, whose answers are averaged. Five are often a
        little better than one, and take five times as long.

    max_iter : int, default=100
        Number of steps of expectation maximisation at most.

    tol : float, default=1e-4
        A step that raises the objective by less, in nats per observed cell, is the last.

    validation_fraction : float, default=0.1
        Share of the observed cells that is hidden for the choices. There are none to make if
        `n_components` and `ridge` are numbers.

    estimator : VAE or None, default=None
        A :class:`~skae.VAE` with a Gaussian likelihood in the place of the mixture, under the
        same condition: it has to fill hidden cells better than the Gaussian by two standard
        errors, and has the share in the answer that fills them best. It is fitted twice. None is
        the mixture, which was the better one on nearly all tables that were tried.

    add_indicator : bool, default=False
        Whether `transform` appends a column of zeros and ones for each feature that had missing
        values in `fit`, as :class:`sklearn.impute.MissingIndicator` does.

    sample_posterior : bool, default=False
        Whether `transform` draws missing cells from their distribution given the observed ones, in
        place of its mean. See `impute` for several draws at once.

    keep_empty_features : bool, default=False
        Whether a column without any observed cell in `fit` is returned by `transform`, its missing
        cells 0. It is left out otherwise.

    missing_values : float, default=np.nan
        What stands for a missing value. NaN is an error where another number does.

    random_state : int, RandomState instance or None, default=None
        Determines which cells are hidden, the start of the mixture, and draws.

    Attributes
    ----------
    n_components_ : int
        Number of Gaussians of the mixture; 1 if the Gaussian alone is used, or with `estimator`.

    ridge_ : float
        The ridge of the Gaussian.

    estimator_ : VAE or None
        `estimator` fitted to all observed cells, in standard deviations of the columns; None if
        it is not used.

    alpha_ : float
        Share of the mixture in the answer, between 0 and 1; what is left is the Gaussian's. With
        "auto" it is the one that fills hidden cells best, and 0 if the mixture is not used.

    gain_ : float
        By which share the mean squared error in hidden cells is smaller with the mixture than
        with the Gaussian alone; NaN if no mixture was tried. Also there if it was too small for
        the mixture to be used.

    z_ : float
        `gain_` in standard errors, over rows. The mixture is used above 2.

    mean_ : ndarray of shape (n_features,)
        Mean of the Gaussian in the units of X: what an empty row is filled with if no mixture is
        used. NaN for columns without any observed cell.

    covariance_ : ndarray of shape (n_features, n_features)
        Covariance of the Gaussian in the units of X, the ridge included. Zero for constant
        columns, NaN for columns without any observed cell.

    n_iter_ : int
        Number of steps of the last fit of the Gaussian.

    indicator_ : MissingIndicator or None
        What adds the indicator; None without `add_indicator`.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in `fit`, if all of them are strings.

    See Also
    --------
    sklearn.impute.IterativeImputer : Regresses each column on the others, in turn.
    sklearn.impute.KNNImputer : Means of the nearest rows.
    skae.metrics.imputation_score : How well cells that are hidden for it are filled.
    VAE : Density of complete rows, for many columns.

    Notes
    -----
    Observed cells are returned bit for bit. Results are floats, also for columns of integers,
    booleans and codes of categories: what is filled in is a mean, and may lie between the numbers
    that a column has. Round it, or take draws, where that matters.

    A column that is constant where it is observed is filled with its constant, and tells nothing
    of the others; `score_samples` leaves it out.

    Time grows with rows, components, and the third power of the number of missing cells in a row;
    memory with the size of X.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via
       the EM algorithm", Journal of the Royal Statistical Society B 39, 1977.
    .. [2] Z. Ghahramani, M. I. Jordan, "Supervised learning from incomplete data via an EM
       approach", NIPS 6, 1994.
    .. [3] D. B. Rubin, "Multiple imputation for nonresponse in surveys", Wiley, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skae import Imputer
    >>> X, _ = load_iris(return_X_y=True)
    >>> hidden = np.random.default_rng(0).random(X.shape) < 0.3
    >>> holes = np.where(hidden, np.nan, X)
    >>> imputer = Imputer(random_state=0).fit(holes)
    >>> filled = imputer.transform(holes)
    >>> error = np.sqrt(np.mean((filled - X)[hidden] ** 2))
    >>> of_means = np.sqrt(np.mean((np.nanmean(holes, axis=0) - X)[hidden] ** 2))
    >>> bool(error < 0.5 * of_means)
    True
    >>> low, high = imputer.intervals(holes, coverage=0.9)
    >>> bool(0.8 < np.mean((low <= X)[hidden] & (X <= high)[hidden]) < 1)
    True
    """

    __module__ = "skae"  # files do not depend on where in the package it lives

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "ridge": [Interval(Real, LEAST_RIDGE, None, closed="left"), StrOptions({"auto"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "estimator": [HasMethods(["fit", "posterior_predictive", "score_samples"]), None],
        "add_indicator": ["boolean"],
        "sample_posterior": ["boolean"],
        "keep_empty_features": ["boolean"],
        "missing_values": [Real],
        "random_state": ["random_state"],
    }

    @explains_unknown_keywords
    def __init__(
        self,
        n_components="auto",
        *,
        ridge="auto",
        n_init=1,
        max_iter=100,
        tol=1e-4,
        validation_fraction=0.1,
        estimator=None,
        add_indicator=False,
        sample_posterior=False,
        keep_empty_features=False,
        missing_values=np.nan,
        random_state=None,
    ):
        self.n_components = n_components
        self.ridge = ridge
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.estimator = estimator
        self.add_indicator = add_indicator
        self.sample_posterior = sample_posterior
        self.keep_empty_features = keep_empty_features
        self.missing_values = missing_values
        self.random_state = random_state

    # Fitting

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sample_weight=None):
        """Fit the Gaussian and, where it is better, the mixture.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with or without missing values; two at least.

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; rows of weight 0 are as if they were not there.

        Returns
        -------
        self : object
            The estimator itself.

        Raises
        ------
        ValueError
            If X holds infinity, or more components are asked for than there are rows.
        """
        with _as_it_was_on_failure(self):
            self._fit(X, sample_weight)
        return self

    def _fit(self, X, sample_weight):
        X, observed = self._check(X, reset=True, ensure_min_samples=2)
        weights = check_weights(sample_weight, X)
        if not weights.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        counts = weights > 0
        X, observed, weights = X[counts], observed[counts], weights[counts]
        self._fit_indicator(X)
        self._check_n_components(len(X))
        self._columns = learn_columns(X, observed, weights)
        tell_of_empty_columns(self)
        self.random_state_ = check_random_state(self.random_state)
        table = self._table(X, observed)
        rows = Rows(table.X, Holes(table.observed), weights / weights.mean())
        model = fit_model(rows, self._settings(), self.random_state_)
        self._keep(model)
        tell_of_what_is_given_up(self, model)

    def _settings(self):
        return Settings(
            None if self.n_components == "auto" or self.estimator else self.n_components,
            None if self.ridge == "auto" else self.ridge,
            self.n_init,
            self.max_iter,
            self.tol,
            self.validation_fraction,
            self.estimator,
        )

    def _keep(self, model):
        """Keep what was fitted and chosen."""
        self._members, verdict = model.members, model.verdict
        densities = [m.mixture for m in model.members if isinstance(m.mixture, Density)]
        self.estimator_ = densities[0].estimator if densities else None
        self.n_components_ = max(m.mixture.n_components for m in model.members)
        if densities:
            self.n_components_ = 1
        self.ridge_, self.n_iter_ = float(model.ridge), len(model.gaussian.objectives)
        shares = [m.share for m in model.members if m.mixture.n_components > 1]
        self.alpha_ = float(sum(shares))
        tried = verdict.n_components > 1
        self.gain_, self.z_ = (verdict.gain, verdict.z) if tried else (np.nan, np.nan)
        self._keep_gaussian(model.gaussian.mixture)

    def _keep_gaussian(self, gaussian):
        columns = self._columns
        which = columns.modelled
        self.mean_ = np.where(columns.empty, np.nan, columns.centres)
        self.mean_[which] = columns.leave(gaussian.means[0])
        self.covariance_ = np.zeros((len(which), len(which)))
        with np.errstate(over="ignore"):  # squares of numbers near the end of the range
            half = columns.leave_deviations(gaussian.covariances[0])
            self.covariance_[np.ix_(which, which)] = columns.leave_deviations(half.T)
        self.covariance_[columns.empty] = self.covariance_[:, columns.empty] = np.nan

    def _fit_indicator(self, X):
        self.indicator_ = None
        if self.add_indicator:
            self.indicator_ = MissingIndicator(
                missing_values=self.missing_values, error_on_new=False
            ).fit(X)

    def _check_n_components(self, n_rows):
        if self.n_components == "auto":
            return
        if self.estimator is not None:
            warn(
                f"n_components={self.n_components} has no effect: estimator takes the place of "
                "the mixture. Leave one of them out.",
                ParameterWarning,
            )
        elif self.n_components > n_rows:
            raise ValueError(
                f"n_components={self.n_components} needs as many rows. Got n_samples={n_rows}."
            )

    # What came in

    def _check(self, X, reset=False, **options):
        """Return X as floats, and what of it is observed."""
        if not reset:
            check_is_fitted(self)
        return check_rows(self, X, reset=reset, **options)

    def _table(self, X, observed):
        return answers.Table(self._columns.enter(X, observed), observed[:, self._columns.modelled])

    def _given(self, X):
        X, observed = self._check(X)
        return _Given(X, observed, self._table(X, observed))

    def _put(self, given, values, rest):
        """Return X, its missing cells those of `values`, of modelled columns, and `rest` else."""
        filled = np.broadcast_to(rest, (*values.shape[:-1], len(self._columns.empty))).copy()
        filled[..., self._columns.modelled] = values
        return np.where(given.observed, given.X, filled.astype(given.X.dtype))[..., self._kept]

    @property
    def _kept(self):
        return np.flatnonzero(~self._columns.empty | self.keep_empty_features)

    # What comes out

    def transform(self, X):
        """Return X with its missing values filled.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, also with missing values where `fit` saw none.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out)
            Observed cells as they are, bit for bit; missing ones are their mean given these, in
            the units of X, or a draw with ``sample_posterior=True``. Then the columns of the
            indicator, if there is one.
        """
        given = self._given(X)
        if self.sample_posterior:
            (values,) = answers.draw(self._members, given.table, 1, self.random_state_)
        else:
            values = answers.fill(self._members, given.table)
        filled = self._put(given, self._columns.leave(values), self._columns.centres)
        if self.indicator_ is None:
            return filled
        return np.hstack([filled, self.indicator_.transform(given.X)])

    def impute(self, X, n_draws=10, *, random_state=None):
        """Return X several times, its missing values drawn anew each time.

        For multiple imputation [1]_: what is estimated from each of the completed tables is put
        together by Rubin's rules, whose intervals are honest about what is missing, while those
        from a table filled with means are too short. The parameters of the mixture are the same
        for all draws: with few rows fit several imputers, each to rows drawn with replacement.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        n_draws : int, default=10
            Number of completed tables.

        random_state : int, RandomState instance or None, default=None
            Determines the draws. None takes the `random_state` of the estimator: with an int the
            draws are the same at each call.

        Returns
        -------
        draws : ndarray of shape (n_draws, n_samples, n_features_out)
            Completed tables in the units of X, without the columns of the indicator.

        References
        ----------
        .. [1] D. B. Rubin, "Multiple imputation for nonresponse in surveys", Wiley, 1987.
        """
        given = self._given(X)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        seed = self.random_state if random_state is None else random_state
        random = check_random_state(seed)
        values = answers.draw(self._members, given.table, n_draws, random)
        return self._put(given, self._columns.leave(values), self._columns.centres)

    def intervals(self, X, coverage=0.9):
        """Return the ends of intervals that hold missing values with a given probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        coverage : float, default=0.9
            Probability that the interval of a cell holds its value; between 0 and 1. As much is
            left out below as above.

        Returns
        -------
        low, high : ndarray of shape (n_samples, n_features_out)
            Quantiles of the mixture in the units of X; both are the number itself where it is
            observed.
        """
        given = self._given(X)
        check_scalar(
            coverage, "coverage", Real, min_val=0, max_val=1, include_boundaries="neither"
        )
        levels = ((1 - coverage) / 2, (1 + coverage) / 2)
        values = answers.quantiles(self._members, given.table, levels)
        low, high = self._put(given, self._columns.leave(values), self._columns.centres)
        return low, high

    def standard_deviations(self, X):
        """Return how far missing values are from what is filled in, as standard deviations.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        deviations : ndarray of shape (n_samples, n_features_out)
            In the units of X; 0 where a cell is observed, and in constant and empty columns.
        """
        given = self._given(X)
        values = answers.deviations(self._members, given.table)
        values = self._columns.leave_deviations(values)
        return self._put(given._replace(X=np.zeros_like(given.X)), values, 0.0)

    @available_if(_has_indicator)
    def inverse_transform(self, X):
        """Return rows with missing values where the indicator says that there were.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            Rows as `transform` returns them with ``add_indicator=True``.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows with `missing_values` again, but for columns that had none in `fit`.

        Raises
        ------
        AttributeError
            With ``add_indicator=False``.
        """
        check_is_fitted(self)
        X = check_array(to_array(X), dtype=FLOATS, ensure_all_finite="allow-nan")
        kept, marked = self._kept, self.indicator_.features_
        if X.shape[1] != len(kept) + len(marked):
            raise ValueError(
                f"X has {X.shape[1]} columns, but {len(kept)} features and {len(marked)} of the "
                "indicator are expected, as transform returns them."
            )
        original = np.full((len(X), self.n_features_in_), self.missing_values, dtype=X.dtype)
        original[:, kept] = X[:, : len(kept)]
        missing = np.zeros(original.shape, dtype=bool)
        missing[:, marked] = X[:, len(kept) :] != 0
        return np.where(missing, np.asarray(self.missing_values, dtype=X.dtype), original)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the features; None are those seen in `fit`, or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str
            Names of the features, then those of the indicator.
        """
        check_is_fitted(self)
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        if self.indicator_ is None:
            return names[self._kept]
        return np.concatenate([names[self._kept], self.indicator_.get_feature_names_out(names)])

    # The density

    def score_samples(self, X):
        """Return the log-likelihood of the observed cells of each row.

        Rows that lack other cells are not comparable: a density of three numbers has other units
        than one of two.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Log p of the observed cells, in nats and in the units of X; 0 for a row without any.
            Constant columns are left out.
        """
        given = self._given(X)
        logs = answers.log_densities(self._members, given.table)
        return logs - given.table.observed @ self._columns.log_units

    def score(self, X, y=None, sample_weight=None):
        """Return the mean log-likelihood of the observed cells of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        y : Ignored
            Present for scikit-learn's convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            Nats per row; higher is better.
        """
        return weighted_mean(self.score_samples(X), sample_weight)

    # Persistence

    def save(self, path):
        """Write the imputer, fitted or not, to a file that `skae.load` reads.

        The file is safetensors with JSON in its header: numbers, text and arrays, no code. It
        takes the place of an older one in one step, when all of it is on the disk.

        Parameters
        ----------
        path : path-like
            Of the file, with the ending that you like.

        Raises
        ------
        TypeError
            With `estimator`: pickle such an imputer.
        ImportError
            Without safetensors.
        """
        from ..estimator.files import write_model  # it imports torch, which nothing else here does

        if self.estimator is not None:
            raise TypeError(
                "save writes numbers, text and arrays, and this imputer holds an estimator, a "
                f"{type(self.estimator).__name__}: pickle the imputer, which keeps everything."
            )
        write_model(self, path)

    def __getstate__(self):
        return to_plain(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(from_plain(state))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = bool(np.isnan(self.missing_values))
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
