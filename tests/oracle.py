"""What may come of a case: finite numbers, or an error that says what is wrong with it."""

import inspect
import pickle
import re
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from cases import DATES, simplified
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

import skae
from skae.data.inputs import to_array
from skae.estimator.documents import is_writable

FINITE, CLEAR_ERROR = "finite", "clear error"

# The words of libraries below, that say nothing to somebody who has called `fit`.
INNER_WORDS = re.compile(
    r"mat1 and mat2|linalg|lapack|expected all tensors|zero-size|element 0 of tensors|"
    r"must match the size of tensor|out of bounds|division by zero|broadcast|\bsingular\b|"
    r"positive-definite|not converge|object has no attribute|unexpected keyword|"
    r"NoneType|subscriptable|overflow|\bsvd\b|\beigh\b|nonzero elements|ill-defined",
    re.IGNORECASE,
)
OF_THE_DATA = ("X", "sample_weight", "Sample weights", "condition", "sample", "feature", "column")
OF_COMPARE = ("cv", "n_splits")


class Fault(AssertionError):
    """Something that must not come of any case.

    Parameters
    ----------
    kind : str
        What sort of fault; the table of counts has a column for each.
    message : str
    """

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind, self.message = kind, message

    def signature(self):
        """Return kind and message without the numbers, for faults to be counted by."""
        return self.kind, re.sub(r"[-+]?\d[\w.+-]*", "#", self.message)


def check(case):
    """Fit and use an estimator; return what came of it, or raise a `Fault`."""
    X, given = case.data()
    with untouched(X, *given.values()), warnings_of_ours():
        ae = case.estimator()
        params = ae.get_params()
        with surroundings_as_before():
            if case.use == "compare" and not given:
                outcome = _check_compare(ae, X)
            else:
                outcome = _check_use(ae, X, given, case.use)
        if outcome == FINITE and case.table.container in DATES:
            raise Fault("names or dates ignored", "dates were taken for numbers")
        if any(ae.get_params()[name] is not value for name, value in params.items()):
            raise Fault("surroundings moved", "constructor parameters")
    return outcome


def check_and_simplify(case):
    """Check a case; a fault is that of the simplest case that has the same."""
    try:
        return check(case)
    except Fault as fault:
        wanted = fault.signature()
        simplest = simplified(case, lambda simpler: signature_of(simpler) == wanted)
        raise Fault(fault.kind, f"{fault.message}\n    check({simplest!r})") from fault


def signature_of(case):
    """Return kind and words of the fault of a case, or None."""
    try:
        check(case)
    except Fault as fault:
        return fault.signature()
    return None


# Errors


def _check_use(ae, X, given, use):
    try:
        ae.fit(X, **given)
    except Exception as error:
        return _check_error(error, ae)
    outputs = _check_outputs(ae, X, given)
    _check_names(ae, X, outputs["transform"], given)
    again = _use(_SAME.get(use, _fitted_again), ae, X, given)
    for name, output in _all_outputs(again, X, given):
        if _bits(output) != _bits(outputs[name]):
            raise Fault("not the same twice", name)
    return FINITE


def _fitted_again(ae, X, given):
    return clone(ae).fit(X, **given)


def _from_pickle(ae, X, given):
    return pickle.loads(pickle.dumps(ae))


def _from_file(ae, X, given):
    if not hasattr(ae, "save"):  # the imputer has pickles alone
        return _from_pickle(ae, X, given)
    parts = {name: p for name, p in ae.get_params(deep=False).items() if not is_writable(p)}
    with tempfile.TemporaryDirectory() as folder:
        ae.save(Path(folder) / "model")
        return skae.load(Path(folder) / "model", **parts)


# What gives the same numbers as a fitted estimator, by what a case says of its use.
_SAME = {"again": _fitted_again, "pickle": _from_pickle, "file": _from_file}


def _check_compare(ae, X):
    """Compare an estimator with itself: there is no difference."""
    try:
        table = skae.compare({"a": ae, "b": clone(ae)}, X, cv=2, random_state=0)
    except RuntimeError as error:
        return _check_error(error.__cause__, ae)
    except Exception as error:
        return _check_error(error, ae)
    measured = [c for c in table.columns if f"{c}_difference" in table and "_time" not in c]
    for metric in measured:
        if table.loc["a", metric] != table.loc["b", metric] and table[metric].notna().any():
            raise Fault("not the same twice", f"compare: {metric}")
    return FINITE


def _check_names(ae, X, Z, given):
    """Complain where the columns of a condition may change places or names."""
    frame = given.get("condition")
    if not hasattr(frame, "columns"):
        return
    rename = frame.rename if hasattr(frame, "write_csv") else lambda to: frame.rename(columns=to)
    for condition in (frame[["b", "a"]], rename({"a": "c"})):
        for name, first in (("transform", [X]), ("inverse_transform", [Z]), ("sample", [])):
            try:
                getattr(ae, name)(*first, condition=condition)
            except ValueError as error:
                if "columns of condition" in str(error):
                    continue
            raise Fault("names or dates ignored", f"{name}: {list(condition.columns)}")


def _check_error(error, ae):
    words = f"{type(error).__name__} from fit: {error}"
    if not isinstance(error, (ValueError, TypeError)):
        raise Fault("crash", words) from error
    named = [*ae.get_params(), *OF_THE_DATA, *OF_COMPARE]
    if (
        isinstance(error, np.linalg.LinAlgError)
        or INNER_WORDS.search(str(error))
        or not any(re.search(rf"\b{re.escape(name)}", str(error)) for name in named)
    ):
        raise Fault("unclear error", words) from error
    try:
        check_is_fitted(ae)
    except NotFittedError:
        return CLEAR_ERROR
    raise Fault("fitted after an error", words) from error


# Outputs


def _use(method, *args, **kwargs):
    """Return what a method returns; none may refuse what `fit` has taken."""
    try:
        return method(*args, **kwargs)
    except Exception as error:
        words = f"{type(error).__name__} from {method.__name__}: {error}"
        raise Fault("crash", words) from error


def _all_outputs(ae, X, given):
    """Yield the name and the result of every method, one at a time."""

    def call(name, *args, **kwargs):
        method = getattr(ae, name)
        accepted = inspect.signature(method).parameters
        given_here = {k: value for k, value in given.items() if k in accepted}
        return name, _use(method, *args, **{**given_here, **kwargs})

    name, Z = call("transform", X)
    yield name, Z
    if isinstance(ae, skae.Imputer):
        yield call("impute", X, 3, random_state=0)
        for name in ("standard_deviations", "score_samples", "score"):
            yield call(name, X)
        return
    yield call("inverse_transform", Z, **_columns_as_condition(ae, X))
    for name in ("reconstruct", "reconstruction_error", "score_samples", "score"):
        yield call(name, X)
    first = _columns_as_condition(ae, X) or given
    condition = {k: value[:1] for k, value in first.items() if k == "condition"}
    yield call("sample", 3, random_state=0, **condition)


def _columns_as_condition(ae, X):
    """Return the condition of codes where the estimator has taken columns of X for it."""
    columns = getattr(ae, "condition_features", None)
    if columns is None:
        return {}
    if hasattr(X, "columns"):
        names = columns if isinstance(columns[0], str) else np.array(X.columns)[columns].tolist()
        return {"condition": X[names]}
    dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
    return {"condition": dense[:, columns]}


def _check_outputs(ae, X, given):
    n, d = np.shape(X) if not sparse.issparse(X) else X.shape
    k = len(ae.get_feature_names_out())
    shapes = {"transform": (n, k), "score": (), "sample": (3, d)}
    shapes |= dict.fromkeys(("inverse_transform", "reconstruct"), (n, d))
    shapes |= dict.fromkeys(("reconstruction_error", "score_samples"), (n,))
    outputs = {}
    for name, output in _all_outputs(ae, X, given):
        outputs[name] = output
        array = output.toarray() if sparse.issparse(output) else np.asarray(output)
        if array.shape != shapes.get(name, array.shape):
            raise Fault("wrong shape", f"{name}: {array.shape}, not {shapes[name]}")
        if not np.isfinite(array).all() and not _is_beyond_numbers(name, outputs, X):
            raise Fault("not finite", f"{name}: {array[~np.isfinite(array)][0]}")
    return outputs


@np.errstate(all="ignore")
def _is_beyond_numbers(name, outputs, X):
    """Whether squares, or their ratio, are infinite for want of such a number."""
    if name not in ("reconstruction_error", "score_samples", "score"):
        return False
    X = np.asarray(X.toarray() if sparse.issparse(X) else to_array(X), dtype=np.float64)
    X_hat, root = outputs.get("reconstruct", X), np.finfo(np.float64).max ** 0.5 / 10
    error = np.nanmax(np.abs(X - X_hat))
    unit = np.nanmax(np.abs(X - np.nanmean(X, axis=0))) if name == "score" else 1.0
    return 0 < unit < error / root


def _bits(output):
    array = output.toarray() if sparse.issparse(output) else np.asarray(output)
    return array.tobytes()


# Surroundings


@contextmanager
def surroundings_as_before():
    """Complain of what is no longer as it was: generators, threads, types, filters, modes."""
    before, loaded = _surroundings(), len(sys.modules)
    yield
    after = _surroundings()
    if len(sys.modules) != loaded:  # modules bring filters when they are first imported
        del before["filters of warnings"]
    for name, value in before.items():
        if after[name] != value:
            raise Fault("surroundings moved", f"{name}: {value} to {after[name]}"[:200])


def _surroundings():
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "numpy's generator": np.random.get_state()[1].tobytes(),
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "errors of numpy": np.geterr(),
        "filters of warnings": list(warnings.filters),
    }


@contextmanager
def untouched(*arrays):
    """Complain if data have been written to."""
    before = [_content(array) for array in arrays]
    yield
    if [_content(array) for array in arrays] != before:
        raise Fault("surroundings moved", "the data were written to")


def _content(array):
    if sparse.issparse(array):
        parts = (array.data, array.indices, array.indptr)
        return [part.tobytes() for part in parts]
    if hasattr(array, "rows"):  # of polars, which makes no array of dates beside numbers
        return repr(array.rows())
    array = np.asarray(array)
    return repr(array.tolist()) if array.dtype == object else array.tobytes()


@contextmanager
def warnings_of_ours():
    """Complain of warnings that were not written for the user."""
    foreign = []

    def show(message, category, *args, **kwargs):
        of_a_mixture = category is ConvergenceWarning  # scikit-learn's, of codes that are one
        if category.__module__ != "skae.exceptions" and not of_a_mixture:
            foreign.append(f"{category.__name__}: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
    if foreign:
        raise Fault("foreign warning", foreign[0].splitlines()[0])
