"""What is chosen on observed cells that are hidden for it: the ridge, the number of components.

The same cells say whether the mixture is used at all: where it is not clearly better than the
Gaussian, the Gaussian is.
"""

import itertools
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from .answers import Member, Table, fill
from .densities import fit_density
from .em import Fitted, Pull, Rows, expect, run
from .holes import Holes
from .mixtures import Mixture

RIDGES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # tried from the largest until the error rises
LEAST_RIDGE = 1e-6  # precisions of more digits than this leaves are lost to rounding
RIDGE = 0.1  # where too few cells can be hidden for a choice
N_COMPONENTS = (4, 16, 32, 64)  # tried from the fewest until the error rises
ROWS_PER_COMPONENT = 8  # at least
MANY_COLUMNS = 40  # from which on more components or steps than these take too long
MOST_COMPONENTS, MOST_STEPS = 16, 10
MOST_COLUMNS = 150  # with which mixtures are tried
N_STEPS = (2, 5, 10, 20)  # of a mixture, tried until the error rises
DECIMALS = 6  # of standard deviations, to which rows are told apart by clusters
FEWEST_CELLS = 20  # hidden, for a choice
MOST_ROWS = 5000  # on which the choice is made
FEWEST_ERRORS = 2.0  # standard errors by which a mixture must be better than the Gaussian


class Trial(NamedTuple):
    """Rows some of whose observed cells are hidden: `rows` without them, and what is hidden."""

    rows: Rows
    truth: np.ndarray
    hidden: np.ndarray

    def errors(self, filled):
        """Return the weighted squared errors in hidden cells, (n, d); zero elsewhere."""
        return self.rows.weights[:, None] * self.hidden * (filled - self.truth) ** 2

    def error(self, filled):
        """Return the mean squared error in hidden cells."""
        return self.errors(filled).sum() / (self.rows.weights @ self.hidden.sum(axis=1))

    def fill(self, mixture):
        """Return the rows, filled by a mixture."""
        return fill_rows(self.rows, mixture)


def fill_rows(rows, mixture):
    """Return `Rows` filled by a mixture, (n, d)."""
    return fill([Member(1.0, mixture)], Table(rows.X, rows.holes.observed))


def hide(rows, fraction, random):
    """Return a `Trial` with a share of the observed cells hidden, of some of the rows if many."""
    n = len(rows.X)
    chosen = np.arange(n) if n <= MOST_ROWS else np.sort(random.permutation(n)[:MOST_ROWS])
    X, observed = rows.X[chosen], rows.holes.observed[chosen]
    hidden = observed & (random.random_sample(X.shape) < fraction)
    hidden[:, (observed & ~hidden).sum(axis=0) < 2] = False  # a column of which nothing is left
    seen = observed & ~hidden
    return Trial(Rows(X * seen, Holes(seen), rows.weights[chosen]), X, hidden)


# The Gaussian


def first_gaussian(rows):
    """Return the Gaussian of independent columns from which all begins."""
    d = rows.X.shape[1]
    return Mixture(np.ones(1), np.zeros((1, d)), np.eye(d)[None])


def choose_ridge(trial, settings):
    """Return the ridge of the Gaussian that fills hidden cells best, and that Gaussian.

    Parameters
    ----------
    trial : Trial
    settings : Settings
    """
    best, gaussian = (np.inf, None, None), first_gaussian(trial.rows)
    for ridge in RIDGES:
        gaussian = settings.run(trial.rows, gaussian, Pull(ridge)).mixture
        error = trial.error(trial.fill(gaussian))
        if error >= best[0]:
            break
        best = (error, ridge, gaussian)
    return best[1:]


# Mixtures


def start(rows, gaussian, filled, ridge, n_components, random):
    """Return a mixture to begin with, and the `Pull` on its covariances.

    It is that of the clusters of the rows as the Gaussian fills them. The pull is worth as many
    rows as there are columns, spread as rows are about the mean of their cluster: components of
    few rows are shaped like the others, and those of many like their rows.

    Parameters
    ----------
    rows : Rows
    gaussian : Mixture
    filled : ndarray of shape (n, d)
        The rows as it fills them.
    ridge : float
    n_components : int
    random : RandomState
    """
    n_kinds = len(np.unique(filled.round(DECIMALS), axis=0))  # there cannot be more clusters
    groups = KMeans(min(n_components, n_kinds), n_init=1, random_state=random)
    labels = groups.fit_predict(filled, sample_weight=rows.weights)
    shares = (labels == np.arange(n_components)[:, None]).astype(np.float64)
    moments = expect(rows, gaussian, shares)
    pull = Pull(LEAST_RIDGE, float(rows.X.shape[1]), moments.pool(ridge))
    return moments.maximise(pull), pull


class Verdict(NamedTuple):
    """What hidden cells say of a mixture beside the Gaussian.

    `alpha` is the share that it has in the best blend of both, whose mean squared error is less by
    the share `gain`, `z` times its standard error; `n_steps` is the length of its fit.
    """

    n_components: int = 1
    n_steps: int = 0
    alpha: float = 0.0
    gain: float = 0.0
    z: float = 0.0

    @property
    def is_clear(self):
        """Whether the mixture is to be used."""
        return self.z > FEWEST_ERRORS


def choose_mixture(trial, gaussian, ridge, random):
    """Return the `Verdict` on the best number of components.

    Parameters
    ----------
    trial : Trial
    gaussian : Mixture
        Fitted to the rows of the trial.
    ridge : float
    random : RandomState
    """
    n, d = trial.rows.X.shape
    best, filled = Verdict(), trial.fill(gaussian)
    tried = _within_reach(N_COMPONENTS, MOST_COMPONENTS, d) if d <= MOST_COLUMNS else ()
    for n_components in tried:
        if n_components * ROWS_PER_COMPONENT > n:
            break
        begin = start(trial.rows, gaussian, filled, ridge, n_components, random)
        found = _try(trial, filled, *begin)
        if found.gain <= best.gain and best.n_components > 1:
            break
        best = max(best, found, key=lambda verdict: verdict.gain)
    return best


def _within_reach(numbers, most, d):
    """Return what is tried with so many columns."""
    return [n for n in numbers if d <= MANY_COLUMNS or n <= most]


def _try(trial, filled, mixture, pull):
    """Return the `Verdict` on a mixture, after the best number of steps."""
    best, d = Verdict(), trial.truth.shape[1]
    for before, n_steps in itertools.pairwise([0, *_within_reach(N_STEPS, MOST_STEPS, d)]):
        mixture = run(trial.rows, mixture, pull, n_steps - before, -np.inf).mixture
        verdict = _compare(trial, filled, trial.fill(mixture))
        if verdict.gain <= best.gain:
            break
        best = verdict._replace(n_components=mixture.n_components, n_steps=n_steps)
    return best


def try_density(trial, gaussian, estimator, random):
    """Return the `Verdict` on a density with a code in the place of the mixture.

    Parameters
    ----------
    trial : Trial
    gaussian : Mixture
        Fitted to the rows of the trial.
    estimator : estimator
        Not fitted.
    random : RandomState
    """
    density = fit_density(estimator, trial.rows, random)
    verdict = _compare(trial, trial.fill(gaussian), trial.fill(density))
    return verdict._replace(n_components=density.n_components)


def _compare(trial, filled, by_mixture):
    """Return the `Verdict` on a mixture by how it and the Gaussian fill hidden cells."""
    weights = trial.rows.weights[:, None] * trial.hidden
    step = by_mixture - filled
    size = (weights * step**2).sum()
    along = (weights * step * (trial.truth - filled)).sum()
    alpha = float(np.clip(along / size, 0.0, 1.0)) if size > 0 else 0.0
    before, after = trial.errors(filled), trial.errors(filled + alpha * step)
    gains = (before - after).sum(axis=1)
    spread = np.sqrt(((gains - gains.mean()) ** 2).sum())
    z = float(gains.sum() / spread) if spread > 0 else 0.0
    return Verdict(alpha=alpha, gain=float(gains.sum() / before.sum()), z=z)


# All of it


class Settings(NamedTuple):
    """Parameters of the imputer by their names; None is "auto"."""

    n_components: int | None
    ridge: float | None
    n_init: int
    max_iter: int
    tol: float
    validation_fraction: float
    estimator: object = None

    def run(self, rows, mixture, pull):
        """Return what at most `max_iter` steps make of a mixture."""
        return run(rows, mixture, pull, self.max_iter, self.tol)


class Model(NamedTuple):
    """What was fitted and chosen."""

    members: list
    ridge: float
    verdict: Verdict
    gaussian: Fitted
    is_cut_short: bool
    could_choose: bool


def fit(rows, settings, random):
    """Return the `Model` of rows: the choice on hidden cells, then a fit to all observed ones.

    Parameters
    ----------
    rows : Rows
    settings : Settings
    random : RandomState
    """
    ridge, gaussian, verdict, could_choose = settings.ridge, first_gaussian(rows), Verdict(), True
    if settings.n_components is None or ridge is None:
        trial = hide(rows, settings.validation_fraction, random)
        could_choose = trial.hidden.sum() >= FEWEST_CELLS
        ridge = ridge or RIDGE
        if could_choose:
            ridge, gaussian, verdict = _choose(trial, settings, random)
    final = settings.run(rows, gaussian, Pull(ridge))
    mixtures = _fit_mixtures(rows, final.mixture, ridge, settings, verdict, random)
    members = _share_out(final.mixture, mixtures, settings, verdict)
    cut = not all(f.converged for f in [final, *mixtures])
    return Model(members, ridge, verdict, final, cut, could_choose)


def _choose(trial, settings, random):
    ridge = settings.ridge
    if ridge is None:
        ridge, gaussian = choose_ridge(trial, settings)
    else:
        gaussian = settings.run(trial.rows, first_gaussian(trial.rows), Pull(ridge)).mixture
    if settings.estimator is not None:
        return ridge, gaussian, try_density(trial, gaussian, settings.estimator, random)
    if settings.n_components is None:
        return ridge, gaussian, choose_mixture(trial, gaussian, ridge, random)
    return ridge, gaussian, Verdict()


def _fit_mixtures(rows, gaussian, ridge, settings, verdict, random):
    """Return the `Fitted` mixtures of all observed cells, one for each start."""
    n_components = settings.n_components or (verdict.n_components if verdict.is_clear else 1)
    if n_components == 1:
        return []
    if settings.estimator is not None:
        return [Fitted(fit_density(settings.estimator, rows, random), [], True)]
    fitted, filled = [], fill_rows(rows, gaussian)
    for _ in range(settings.n_init):
        mixture, pull = start(rows, gaussian, filled, ridge, n_components, random)
        if settings.n_components is None:  # stopped early, which is no fault
            end = run(rows, mixture, pull, verdict.n_steps, -np.inf)
            fitted.append(end._replace(converged=True))
        else:
            fitted.append(settings.run(rows, mixture, pull))
    return fitted


def _share_out(gaussian, mixtures, settings, verdict):
    """Return the `Member`s of the answer."""
    if not mixtures:
        return [Member(1.0, gaussian)]
    alpha = verdict.alpha if settings.n_components is None else 1.0
    members = [Member(alpha / len(mixtures), f.mixture) for f in mixtures]
    return members if alpha == 1 else [Member(1 - alpha, gaussian), *members]
