"""How autoencoders do beside PCA, and beside each other, on rows that they have not seen."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import (
    assert_all_finite,
    check_array,
    check_random_state,
    column_or_1d,
    indexable,
)
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import Parallel, delayed

from ._contrasts import as_table, contrast
from ._folds import (
    MEASURES,
    OF_CLASSES,
    OF_NUMBERS,
    OF_TARGETS,
    OF_VARIANCE,
    Fold,
    Outcome,
    run_fold,
)
from ._recording import repeat
from .data.columns import check_has_no_dates
from .data.inputs import shape_of, to_array
from .estimator.wrapped import check_has

__all__ = ["compare"]

MOST_CLASSES = 20  # that are numbers with a decimal point

Estimators = Mapping[str, Any] | Iterable[tuple[str, Any]]


class Entry(NamedTuple):
    """A row of the table."""

    name: str
    method: str
    reference: int  # the row that it is compared with
    estimator: Any


def compare(
    estimators: Estimators,
    X: Any,
    y: ArrayLike | None = None,
    *,
    n_components: Sequence[Any] | None = None,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    metrics: Sequence[str] | None = None,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    return_folds: bool = False,
    verbose: int = 0,
) -> Any:
    r"""Compare transformers by cross-validation: what codes keep, and what they are good for.

    Each is fitted to the same rows and measured on the same rows held out, so that differences
    between them can be told from chance. The first is what the others are compared with: PCA, say.

    Parameters
    ----------
    estimators : list of (str, transformer) or dict of str to transformer
        Anything with `fit` and `transform`: of skae, of scikit-learn, a Pipeline, UMAP. They are
        cloned. A `random_state` of theirs that is None, at any depth, is set, in all of them to
        the same for a fold.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Whatever the estimators take.

    y : array-like of shape (n_samples,), default=None
        Classes or numbers, to be told from the codes. They are classes where
        :func:`sklearn.utils.multiclass.type_of_target` says "binary" or "multiclass"; but for
        floats of more than 20 different values, which are numbers also where they are whole. They
        are handed to `fit` and `score` too, as :func:`sklearn.model_selection.cross_validate`
        does; most transformers do not look at them. Where `metrics` names none that reads y, it
        may be any array that `fit` takes.

    n_components : list, default=None
        Sizes of the code: each estimator is taken once with each as its `n_components`, or as that
        of the one step of a pipeline that has it, and compared with the first of the same size.
        None takes the estimators as they are.

    cv : int, cross-validation generator or iterable, default=5
        A number of folds is dealt at random by `random_state`: by
        :class:`~sklearn.model_selection.StratifiedKFold` where y are classes, else by
        :class:`~sklearn.model_selection.KFold`, with `groups` by the relatives of both that keep
        a group together.

    groups : array-like of shape (n_samples,), default=None
        For splitters that ask for them.

    metrics : list of str, default=None
        What is measured. None measures all that X and y allow:

        - "explained_variance": `skae.metrics.explained_variance` of the rows held out;
        - "score": the estimator's own. Log-likelihoods of `PCA`, `VAE` and `GLGAE` are in nats and
          compare; `Autoencoder` scores a share. Where one of two scores is the mean of
          `score_samples` and the other is not their difference is NaN. No density of scaled
          rows compares with one of raw rows: scale outside of a pipeline.
        - "trustworthiness": how many of the 5 nearest neighbours by their codes are near among
          the rows held out, in the units of X (:func:`sklearn.manifold.trustworthiness`); of 1000
          rows drawn by the seed of the fold, where there are more. Codes are taken as they are:
          PCA's keep distances, and lose some of that where all have unit variance, as with
          ``PCA(whiten=True)`` and `Autoencoder`;
        - "accuracy_linear", "accuracy_neighbors", where y are classes: of a logistic regression
          and of 5 nearest neighbours behind the code, each number scaled to unit variance;
        - "r2_linear", "r2_neighbors", where y are numbers: the same for a ridge regression and the
          mean of 5 nearest neighbours;
        - "fit_time", "transform_time": seconds, of the rows fitted to and of those held out.

        NaN is what an estimator cannot do, for lack of `inverse_transform` or `score`.

    n_jobs : int or None, default=None
        Number of fits at once, in processes; see :class:`joblib.Parallel`. More than one makes
        times longer, and changes nothing else.

    random_state : int, RandomState instance or None, default=None
        Determines the folds, the seeds of estimators and what is drawn for trustworthiness.
        With an int it is the `random_state` of the splitter, and ``random_state + k`` that of the
        estimators in fold k = 0, 1, ...

    return_folds : bool, default=False
        Whether to return what was measured on each fold too.

    verbose : int, default=0
        Whether to print a line for each fit.

    Returns
    -------
    table : DataFrame, or dict of str to ndarray where pandas is not installed
        A row for each estimator, by "name" (the index of a DataFrame). "method": the name without
        the size. "reference": with which it is compared. "code_size": number of columns of the
        codes, mean over folds. And for each metric, m say: "m", the mean over folds; "m_se", its
        standard error; "m_difference", the mean over folds of what it has more than the reference;
        "m_difference_se", the standard error of that.

    folds : DataFrame, or dict of str to ndarray where pandas is not installed
        With `return_folds` alone. A row for each estimator and fold: "name", "method", "fold",
        "seed", "n_train", "n_test", "code_size", and the metrics.

    Raises
    ------
    TypeError
        If an estimator has no `fit` or no `transform`, or no `n_components` where these are given.
    ValueError
        If two estimators have one name, a metric is unknown or not for this y, y is neither and
        a metric reads it, `cv` has no split, or a fold holds out a single row and a metric is
        relative to the variance of the rows held out, as "explained_variance" is.
    RuntimeError
        If a fit, or what follows it, fails; the message names estimator, step and fold.

    Warns
    -----
    As the fits do, once for each estimator, with its name and the number of fits concerned.

    See Also
    --------
    skae.display.CompareDisplay : Pictures of the table.

    Notes
    -----
    Any two of the training sets share most of their rows, and folds are no independent
    experiments: the standard deviation over J folds, divided by the root of J, is too small an
    error. Here it is [1]_

    .. math:: \sqrt{\left(\frac1J + \frac{n_{test}}{n_{train}}\right) s^2},

    1.5 times as large for five folds. It was derived for random splits, where the correction
    still is a guess of the correlation; cross-validation has no unbiased estimate [2]_. It stands
    for other training sets of the same size, and, as seeds differ between folds, for other
    seeds. Differences are paired: what makes a fold difficult for all cancels. One of less than
    twice its standard error is no win.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52,
       2003.
    .. [2] Y. Bengio, Y. Grandvalet, "No unbiased estimator of the variance of k-fold
       cross-validation", JMLR 5, 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae import Autoencoder, compare
    >>> X, y = load_iris(return_X_y=True)
    >>> models = {"PCA": PCA(2), "Autoencoder": Autoencoder(2, max_iter=5)}
    >>> table = compare(models, X, y, cv=3, random_state=0)
    >>> [round(float(share), 2) for share in table["explained_variance"]]
    [0.98, 0.98]
    >>> [str(name) for name in table["reference"]]
    ['PCA', 'PCA']
    """
    entries = _make_entries(estimators, n_components)
    X, y, groups = indexable(to_array(X), to_array(y), groups)
    X = np.asarray(X) if isinstance(X, list) else X
    metrics = _to_names(metrics)
    kind, y = _kind_of_target(y, _reads_target(metrics))
    metrics = _check_metrics(metrics, X, kind)
    folds = _make_folds(cv, X, y, groups, kind, random_state)
    _check_can_be_measured(folds, metrics)
    progress = str(len(folds)) if verbose else ""
    tasks = (
        delayed(run_fold)(entry.name, entry.estimator, X, y, fold, metrics, progress)
        for entry in entries
        for fold in folds
    )
    done = list(Parallel(n_jobs=n_jobs)(tasks))
    outcomes = [done[i : i + len(folds)] for i in range(0, len(done), len(folds))]
    for entry, of_estimator in zip(entries, outcomes, strict=True):
        repeat(entry.name, (outcome.warnings for outcome in of_estimator))
    table = _summarise(entries, folds, metrics, outcomes)
    return (table, _list_folds(entries, folds, metrics, outcomes)) if return_folds else table


# What is compared


def _make_entries(estimators: Estimators, n_components: Sequence[Any] | None) -> list[Entry]:
    pairs = _check_estimators(estimators)
    if n_components is None:
        return [Entry(name, name, 0, estimator) for name, estimator in pairs]
    sizes = list(n_components) if isinstance(n_components, Iterable) else []
    if not sizes or isinstance(n_components, str):
        raise ValueError(
            f"n_components must hold at least one size. Got {n_components!r} instead: pass a list."
        )
    entries = [
        Entry(f"{method} {size}", method, place, _resized(method, estimator, size))
        for method, estimator in pairs
        for place, size in enumerate(sizes)
    ]
    _check_names([entry.name for entry in entries])
    return entries


def _check_estimators(estimators: Estimators) -> list[tuple[str, Any]]:
    if not isinstance(estimators, Iterable):
        raise TypeError(
            "estimators must be a dict of transformers by name, or a list of pairs (name, "
            f"transformer). Got {estimators!r} instead."
        )
    pairs = list(estimators.items() if isinstance(estimators, Mapping) else estimators)
    if not pairs:
        raise ValueError("estimators must hold at least one. Got none.")
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(
                "estimators must be a dict of transformers by name, or a list of pairs (name, "
                f"transformer). Got {pair!r} in it."
            )
        _check_is_transformer(*pair)
    _check_names([name for name, _ in pairs])
    return pairs


def _check_is_transformer(name: str, estimator: Any) -> None:
    if isinstance(estimator, type):
        raise TypeError(f"{name} must be an instance: {estimator.__name__}(). Got the class.")
    for method in ("fit", "transform"):
        try:
            check_has(estimator, method)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Each estimator must have a name of its own. Got {twice} several times.")


def _resized(name: str, estimator: Any, size: Any) -> Any:
    params = estimator.get_params(deep=True)
    own = ["n_components"] if "n_components" in params else []
    found = own or [key for key in params if key.endswith("__n_components")]
    if len(found) != 1:
        got = f"has {sorted(found)}" if found else f"is a {type(estimator).__name__} without it"
        raise TypeError(
            f"n_components={size!r} needs estimators that have it, or pipelines of which one step "
            f"has. {name} {got}: leave it out, and give an estimator for each size."
        )
    return clone(estimator).set_params(**{found[0]: size})


# What is measured


def _reads_target(metrics: Sequence[str] | None) -> bool:
    return metrics is None or any(name in {**OF_CLASSES, **OF_TARGETS} for name in metrics)


def _kind_of_target(y: Any, is_read: bool) -> tuple[str, NDArray[Any] | None]:
    """Return whether y are classes, numbers or none, and y as an array.

    A y of another kind is an error if it is read by a metric, and none otherwise.
    """
    if y is None:
        return "none", None
    try:
        return _kind_of_readable(y)
    except ValueError:
        if is_read:
            raise
        return "none", np.asarray(y)


def _kind_of_readable(y: Any) -> tuple[str, NDArray[Any]]:
    y = column_or_1d(y)
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y")
        if len(np.unique(y)) > MOST_CLASSES:
            return "numbers", y
    kind = type_of_target(y, input_name="y")
    if kind not in ("binary", "multiclass", "continuous"):
        raise ValueError(f"y must be classes or numbers, one for each row. Got {kind} values.")
    if kind != "continuous" and len(np.unique(y)) == 1:
        raise ValueError(f"y must have two classes at least. Got {y[0]} alone.")
    return ("numbers" if kind == "continuous" else "classes"), y


def _check_metrics(metrics: Sequence[str] | None, X: Any, kind: str) -> list[str]:
    of_y = {"none": {}, "classes": OF_CLASSES, "numbers": OF_TARGETS}[kind]
    possible = [m for m in MEASURES if m in of_y or m not in {**OF_CLASSES, **OF_TARGETS}]
    if metrics is None:
        return [m for m in possible if m not in OF_NUMBERS or _is_numeric(X)]
    for name in metrics:
        if name not in MEASURES:
            raise ValueError(f"metrics must be some of {list(MEASURES)}. Got {name!r} instead.")
        if name not in possible:
            needed = "classes" if name in OF_CLASSES else "numbers"
            got = "None" if kind == "none" else f"an array of {kind}"
            raise ValueError(f"The metric {name!r} needs a y of {needed}. Got {got}.")
    return list(dict.fromkeys(metrics))


def _to_names(metrics: Any) -> Any:
    """Return names of metrics as a list, None as it is."""
    if metrics is None or isinstance(metrics, str):
        return metrics and [metrics]
    if not isinstance(metrics, Iterable):
        raise ValueError(f"metrics must be a list of names. Got {metrics!r} instead.")
    return list(metrics)


def _is_numeric(X: Any) -> bool:
    try:
        check_has_no_dates(X, "X")
        check_array(X, accept_sparse=True)
    except (TypeError, ValueError):
        return False
    return True


def _make_folds(cv: Any, X: Any, y: Any, groups: Any, kind: str, random_state: Any) -> list[Fold]:
    seed = _to_seed(random_state)
    if isinstance(cv, Integral):
        has_classes, grouped = kind == "classes", groups is not None
        plain = StratifiedKFold if has_classes else KFold
        together = StratifiedGroupKFold if has_classes else GroupKFold
        splitter = (together if grouped else plain)(cv, shuffle=True, random_state=seed)
    else:
        splitter = check_cv(_check_splits(cv, shape_of(X)[0]))
    splits = enumerate(splitter.split(X, y, groups))
    return [
        Fold(k, np.asarray(train), np.asarray(test), (seed + k) % 2**32)
        for k, (train, test) in splits
    ]


def _check_splits(cv: Any, n_samples: int) -> Any:
    """Return pairs of training and test rows, checked; and all else as it is."""
    if not isinstance(cv, Iterable) or hasattr(cv, "split"):
        return cv
    splits = list(cv)
    if not splits:
        raise ValueError("cv must hold at least one split into training and test rows. Got none.")
    for split in splits:
        if not isinstance(split, (tuple, list)) or len(split) != 2:
            raise ValueError(
                f"cv must hold pairs (training rows, test rows). Got {type(split).__name__} of "
                f"{np.size(split)} numbers among them."
            )
        if max(np.max(rows, initial=0) for rows in split) >= n_samples:
            raise ValueError(
                f"cv must hold numbers of rows of X, below {n_samples}. Got "
                f"{max(np.max(rows, initial=0) for rows in split)} among them."
            )
    return splits


def _check_can_be_measured(folds: list[Fold], metrics: list[str]) -> None:
    """Refuse folds that hold out one row, for metrics that divide by the variance held out."""
    names = [name for name in metrics if name in OF_VARIANCE]
    alone = [fold.number for fold in folds if len(fold.test) < 2]
    if names and alone:
        raise ValueError(
            f"cv must hold out two rows at least for the metrics {names}: a single row has no "
            f"variance. Got one row in fold {alone[0] + 1}. Take larger folds, such as cv=5, or "
            "name other metrics."
        )


def _to_seed(random_state: Any) -> int:
    if random_state is None:
        return secrets.randbits(31)  # numpy's global generator is the user's
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


# Tables


def _summarise(
    entries: list[Entry], folds: list[Fold], metrics: list[str], outcomes: list[list[Outcome]]
) -> Any:
    references = [entry.reference for entry in entries]
    columns: dict[str, Any] = {
        "name": [entry.name for entry in entries],
        "method": [entry.method for entry in entries],
        "reference": [entries[i].name for i in references],
        "code_size": _values(outcomes, "code_size").mean(axis=1),
    }
    test_share = float(np.mean([len(fold.test) / len(fold.train) for fold in folds]))
    is_density = np.array([all(o.is_log_likelihood for o in row) for row in outcomes])
    for metric in metrics:
        same = is_density == is_density[references] if metric == "score" else True
        columns |= contrast(metric, _values(outcomes, metric), references, test_share, same)
    return as_table(columns, index="name")


def _values(outcomes: list[list[Outcome]], metric: str) -> NDArray[np.float64]:
    """Return a metric of estimators and folds, (n_estimators, n_folds)."""
    return np.array([[outcome.values[metric] for outcome in row] for row in outcomes])


def _list_folds(
    entries: list[Entry], folds: list[Fold], metrics: list[str], outcomes: list[list[Outcome]]
) -> Any:
    n = len(entries)
    columns: dict[str, Any] = {
        "name": np.repeat([entry.name for entry in entries], len(folds)),
        "method": np.repeat([entry.method for entry in entries], len(folds)),
        "fold": [fold.number for fold in folds] * n,
        "seed": [fold.seed for fold in folds] * n,
        "n_train": [len(fold.train) for fold in folds] * n,
        "n_test": [len(fold.test) for fold in folds] * n,
    }
    for metric in ("code_size", *metrics):
        columns[metric] = _values(outcomes, metric).ravel()
    return as_table(columns)
