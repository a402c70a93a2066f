"""One estimator on one fold of a comparison: fitted, timed, and measured on the rows held out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from ._recording import Heard, recorded
from ._sklearn import safe_indexing
from .metrics import explained_variance

MOST_ROWS = 1000  # of which trustworthiness is measured: it takes the square of their number
N_NEIGHBORS = 5


class Fold(NamedTuple):
    """Rows to fit and rows held out, and the seed of both."""

    number: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    seed: int


class Outcome(NamedTuple):
    """What came of a fold."""

    values: dict[str, float]
    is_log_likelihood: bool  # the score, and so in nats
    warnings: list[Heard]


@dataclass
class Trial:
    """A fitted estimator, and the rows that it is measured on."""

    estimator: Any
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    seed: int
    fit_time: float = np.nan
    transform_time: float = np.nan

    def run(self) -> None:
        """Fit, and find the codes of the rows held out."""
        start = perf_counter()
        self.estimator.fit(*_given(self.train))
        self.fit_time = perf_counter() - start
        start = perf_counter()
        codes = self.estimator.transform(self.test[0])
        self.transform_time = perf_counter() - start
        self.test_codes = _to_table(codes)

    @cached_property
    def train_codes(self) -> Any:
        """The codes of the rows that it was fitted to."""
        return _to_table(self.estimator.transform(self.train[0]))


def _given(rows: tuple[Any, Any]) -> tuple[Any, ...]:
    return rows if rows[1] is not None else rows[:1]


def _to_table(codes: Any) -> Any:
    return codes.tocsr() if sparse.issparse(codes) else np.asarray(codes)


# What is measured: NaN where the estimator cannot do it


def _explained_variance(trial: Trial) -> float:
    if not hasattr(trial.estimator, "inverse_transform"):
        return np.nan
    try:
        return explained_variance(trial.estimator, trial.test[0])
    except (NotFittedError, NotImplementedError):  # KernelPCA has learned no way back by default
        return np.nan


def _score(trial: Trial) -> float:
    if not hasattr(trial.estimator, "score"):
        return np.nan
    return float(trial.estimator.score(*_given(trial.test)))


def _trustworthiness(trial: Trial) -> float:
    n = trial.test_codes.shape[0]
    rows = np.sort(check_random_state(trial.seed).permutation(n)[:MOST_ROWS])
    n_neighbors = min(N_NEIGHBORS, (len(rows) - 1) // 2)
    if n_neighbors == 0:
        return np.nan
    X = safe_indexing(trial.test[0], rows)
    return float(trustworthiness(X, trial.test_codes[rows], n_neighbors=n_neighbors))


def _judge(model: Any, trial: Trial) -> float:
    """Return the score of a model behind the code, each number of it scaled to unit variance."""
    scaler = StandardScaler(with_mean=not sparse.issparse(trial.train_codes))
    behind = make_pipeline(scaler, model).fit(trial.train_codes, trial.train[1])
    return float(behind.score(trial.test_codes, trial.test[1]))


def _n_neighbors(trial: Trial) -> int:
    return min(N_NEIGHBORS, trial.train_codes.shape[0])


Measure = Callable[[Trial], float]
OF_NUMBERS: dict[str, Measure] = {  # in X
    "explained_variance": _explained_variance,
    "trustworthiness": _trustworthiness,
}
OF_CLASSES: dict[str, Measure] = {
    "accuracy_linear": lambda t: _judge(LogisticRegression(max_iter=1000), t),
    "accuracy_neighbors": lambda t: _judge(KNeighborsClassifier(_n_neighbors(t)), t),
}
OF_TARGETS: dict[str, Measure] = {
    "r2_linear": lambda t: _judge(Ridge(), t),
    "r2_neighbors": lambda t: _judge(KNeighborsRegressor(_n_neighbors(t)), t),
}
OF_VARIANCE = ("explained_variance", *OF_TARGETS)  # relative to that of the rows held out
TIMES: dict[str, Measure] = {
    "fit_time": lambda t: t.fit_time,
    "transform_time": lambda t: t.transform_time,
}
MEASURES = {
    "explained_variance": _explained_variance,
    "score": _score,
    "trustworthiness": _trustworthiness,
    **OF_CLASSES,
    **OF_TARGETS,
    **TIMES,
}


def _is_log_likelihood(trial: Trial) -> bool:
    """Whether the score is the mean over rows of a log-likelihood, as those of densities are."""
    if not hasattr(trial.estimator, "score_samples"):
        return False
    by_row = np.mean(trial.estimator.score_samples(trial.test[0]))
    return bool(np.isclose(by_row, _score(trial)))


# One fold


def run_fold(
    name: str, estimator: Any, X: Any, y: Any, fold: Fold, metrics: list[str], progress: str
) -> Outcome:
    """Fit a clone to the rows of a fold and measure it.

    Parameters
    ----------
    name : str
        Of the estimator, for errors.
    estimator : transformer
    X : table of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or None
    fold : Fold
    metrics : list of str
    progress : str
        How many folds there are, for a line that is printed; empty for none.

    Raises
    ------
    RuntimeError
        If anything fails, with the name of the estimator and the step.
    """
    train, test = ((safe_indexing(X, i), None if y is None else y[i]) for i in fold[1:3])
    trial = Trial(seeded(estimator, fold.seed), train, test, fold.seed)
    with recorded() as heard:
        with _named(name, fold, "fit or transform"):
            trial.run()
        values = {"code_size": float(trial.test_codes.shape[1])}
        for metric in metrics:
            with _named(name, fold, metric):
                values[metric] = MEASURES[metric](trial)
        is_density = "score" in metrics and _is_log_likelihood(trial)
    if progress:
        place = f"fold {fold.number + 1} of {progress}"
        print(f"[compare] {name}, {place}: fitted in {trial.fit_time:.1f} s", flush=True)
    return Outcome(values, is_density, heard)


def seeded(estimator: Any, seed: int) -> Any:
    """Return a clone in which each `random_state` that was None, at any depth, is the seed."""
    copy: BaseEstimator = clone(estimator)
    params = copy.get_params(deep=True)
    names = [n for n, value in params.items() if value is None and _is_random_state(n)]
    return copy.set_params(**dict.fromkeys(names, seed))


def _is_random_state(name: str) -> bool:
    return name.split("__")[-1] == "random_state"


@contextmanager
def _named(name: str, fold: Fold, step: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise RuntimeError(
            f"{name}: {step} failed on fold {fold.number + 1}, with {len(fold.train)} rows to "
            f"fit and {len(fold.test)} held out. {type(error).__name__}: {error}"
        ) from error
