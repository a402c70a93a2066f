"""Cases for the hostile tests: an estimator, valid parameters, and data of every kind.

A `Case` holds plain values only: its ``repr`` is code that builds it again.
"""

import dataclasses
import inspect
import tempfile
from numbers import Integral

import numpy as np
import pandas as pd
import polars as pl
import torch
from estimators import DEFAULTS, SmallDecoder, SmallEncoder, jitter, uniform
from hypothesis import strategies as st
from scipy import sparse
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval, Options, _Booleans, make_constraint
from skorch.callbacks import Callback

from skae import VAE, Imputer

# Parameters, from the constraints of each class


class Watch(Callback):
    """A hook for each batch: the steps are those of plain torch."""

    def on_batch_end(self, net, **kwargs):
        pass

    def __repr__(self):
        return "Watch()"


HOSTILE_ESTIMATORS = {**DEFAULTS, "Imputer": Imputer(random_state=0)}


def halved(n_in, n_out):
    """Make a network that is no subclass, and half as large."""
    return torch.nn.Linear(n_in, n_out)


INTEGERS = (1, 2, 3, 5, 8, 12)
MORE_INTEGERS = {"max_iter": (4, 6), "n_nodes": (20, 30), "batch_size": (16, 64, 1000)}
LARGEST = {"max_iter": 6, "n_iter_no_change": 6, "n_mc_samples": 5}
REALS = (0.0, 1e-12, 1e-6, 1e-3, 0.05, 0.3, 0.5, 0.6, 0.95, 1.0, 3.0, 100.0, 1e6)

# What a constraint leaves open: callables and arrays, by the parameter's name.
NAMED = {
    "encoder": (SmallEncoder, halved),
    "decoder": (SmallDecoder, halved),
    "optimizer": (torch.optim.AdamW, torch.optim.Adagrad),
    "corruption": (jitter,),
    "prior": (uniform,),
    "hidden_layer_sizes": ((), (8,), (16, 3), [5]),
    "discriminator_layer_sizes": ((), (8,), [4, 4]),
    "node_layout": ([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], [[0.5, 0.5]], [[1.0], [2.0]]),
    "condition_features": ([0], [1, 0], [True, False, False, True], ["x1"], [-1]),
    "callbacks": ([], [Watch()]),
    "device": ("auto", "cpu", torch.device("cpu")),
    "random_state": (0, 1, 2**31),
    "estimator": (None, VAE(1, max_iter=2, random_state=0)),  # of the imputer
    "missing_values": (np.nan, 0.0, -1.0),
}
NOT_VARIED = {"verbose"}  # it prints
NOT_SMALL = {"max_iter": {"auto"}}  # a hundred epochs for these few rows

SMALL = {"max_iter": 4, "hidden_layer_sizes": (8,), "n_nodes": 9, "random_state": 0}


def values_of(name, kinds):
    """Return small valid values of a parameter."""
    found = list(NAMED.get(name, ()))
    if name == "random_state":
        return found  # no None: a fit and its repetition are to be the same
    for kind in map(make_constraint, kinds):
        if isinstance(kind, Options):
            found += sorted(kind.options - NOT_SMALL.get(name, set()))
        elif isinstance(kind, _Booleans):
            found += [False, True]
        elif kind.is_satisfied_by(None):
            found.append(None)
        elif isinstance(kind, Interval):
            found += filter(kind.is_satisfied_by, _numbers_for(name, kind))
    return found


def _numbers_for(name, interval):
    if interval.type is not Integral:
        return REALS
    largest = LARGEST.get(name, np.inf)
    return [i for i in INTEGERS + MORE_INTEGERS.get(name, ()) if i <= largest]


def parameters_of(name):
    """Return {parameter: values} of an estimator, of those that a case may vary."""
    estimator = HOSTILE_ESTIMATORS[name]
    constraints = estimator._parameter_constraints
    varied = {p: values_of(p, constraints[p]) for p in estimator.get_params(deep=False)}
    return {p: values for p, values in varied.items() if p not in NOT_VARIED}


@st.composite
def parameters(draw, name):
    """Draw parameters of an estimator; most of them stay as they are, or all would clash."""
    choice = parameters_of(name)
    chosen = draw(st.lists(st.sampled_from(sorted(choice)), max_size=6, unique=True))
    often = {p: values for p, values in OFTEN.items() if p in choice and p not in chosen}
    drawn = {p: draw(st.sampled_from(values)) for p, values in often.items()}
    return {p: value for p, value in drawn.items() if value is not None} | {
        p: draw(st.sampled_from(choice[p])) for p in chosen
    }


# What six parameters among thirty would seldom be, more components than the rank for instance;
# None leaves a parameter as it is.
OFTEN = {
    "n_components": (None, None, None, 3, 12),
    "likelihood": (None, None, None, None, "bernoulli"),
    "ordered": (None, None, None, None, True),
}


def to_numpy(value):
    """Return the value of a parameter in a type of numpy: short integers, np.str_, np.bool_."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int16(value) if abs(value) < 2**15 else np.int64(value)
    kinds = {str: np.str_, float: np.float64}
    return kinds.get(type(value), lambda same: same)(value)


# Data


def _of_low_rank(rng, n, d):
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, d))


VALUES = {
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "low rank": _of_low_rank,
    "in [0, 1]": lambda rng, n, d: rng.uniform(size=(n, d)),
    "0 and 1": lambda rng, n, d: rng.integers(0, 2, (n, d)).astype(float),
    "heavy tails": lambda rng, n, d: rng.standard_t(1, size=(n, d)),
    "an outlier": lambda rng, n, d: rng.normal(size=(n, d)) + 1e6 * (np.arange(n) == 0)[:, None],
    "zeros": lambda rng, n, d: np.zeros((n, d)),
}
SHORT = ("int8", "int16", "uint16")
DTYPES = ("float64", "float32", "float16", ">f8", "int64", "int32", *SHORT, "uint8", "bool")
LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda X: X.repeat(2, axis=0).repeat(3, axis=1)[::2, ::3],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda X: _read_only(X.copy()),
}


def _read_only(X):
    X.flags.writeable = False
    return X


def _to_memmap(X):
    with tempfile.TemporaryFile() as file:  # closed, and gone with the last array that maps it
        mapped = np.memmap(file, X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    return mapped


def _to_sparse(X):
    """Return what scipy has matrices of: not float16, nor another byte order."""
    return X if X.dtype.isnative and X.dtype != np.float16 else X.astype(np.float64)


def _to_frame(X):
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])


def _to_polars(X):
    """Return what polars has columns of: not float16, nor another byte order."""
    X = X if X.dtype.isnative and X.dtype != np.float16 else X.astype(np.float64)
    return pl.from_numpy(np.ascontiguousarray(X), [f"x{j}" for j in range(X.shape[1])])


def _to_objects(X):
    """Return objects, with pd.NA for NaN."""
    objects = X.astype(object)
    objects[X != X] = pd.NA
    return objects


def _days(n):
    return np.datetime64("2020-01-01") + np.arange(n).astype("timedelta64[D]")


CONTAINERS = {
    "array": lambda X: X,
    "list": lambda X: X.tolist(),
    "DataFrame": _to_frame,
    "polars": _to_polars,
    "CSR matrix": lambda X: sparse.csr_matrix(_to_sparse(X)),
    "CSR array": lambda X: sparse.csr_array(_to_sparse(X)),
    "CSC array": lambda X: sparse.csc_array(_to_sparse(X)),
    "memmap": _to_memmap,
}
OBJECTS = {
    "objects": _to_objects,
    "lists of objects": lambda X: _to_objects(X).tolist(),
    "DataFrame of objects": lambda X: _to_frame(_to_objects(X)),
}
DATES = {  # which all estimators refuse
    "dates": lambda X: np.repeat(_days(len(X))[:, None], X.shape[1], axis=1),
    "dates beside numbers": lambda X: _to_frame(X).assign(when=_days(len(X))),
    "DataFrame of dates": lambda X: pd.DataFrame({"when": _days(len(X))}),
    "NaT": lambda X: np.full(X.shape, "NaT", "datetime64[ns]"),
    "polars dates": lambda X: _to_polars(X).with_columns(when=pl.Series(_days(len(X)))),
}
WEIGHTS = {
    "none": lambda rng, n: None,
    "ones": lambda rng, n: np.ones(n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "counts": lambda rng, n: 1 + rng.integers(0, 3, n),
    "half zero": lambda rng, n: (np.arange(n) < (n + 1) // 2).astype(float),
    "one row": lambda rng, n: (np.arange(n) == n - 1).astype(float),
    "wide": lambda rng, n: 10.0 ** rng.uniform(-20, 20, n),
    "tiny": lambda rng, n: np.full(n, 1e-300),
    "huge": lambda rng, n: np.full(n, 1e300),
    "list": lambda rng, n: rng.uniform(size=n).tolist(),
    "read-only": lambda rng, n: _read_only(rng.uniform(size=n)),
    "Series": lambda rng, n: pd.Series(rng.uniform(size=n), index=np.arange(n)[::-1]),
    "polars Series": lambda rng, n: pl.Series(rng.uniform(size=n)),
    "short integers": lambda rng, n: rng.integers(1, 4, n).astype(np.int8),
}
CONDITIONS = {
    "none": lambda rng, n: None,
    "labels": lambda rng, n: rng.integers(0, 3, n),
    "names": lambda rng, n: np.array(["a", "b"])[rng.integers(0, 2, n)],
    "one label": lambda rng, n: np.full(n, 7),
    "a label for each row": lambda rng, n: np.arange(n),
    "booleans": lambda rng, n: rng.integers(0, 2, n) > 0,
    "numbers": lambda rng, n: rng.normal(size=(n, 2)),
    "constant numbers": lambda rng, n: rng.normal(size=(n, 3)) * [1, 0, 0] + [0, 0, 0.1],
    "tiny numbers": lambda rng, n: 1e-200 * rng.normal(size=(n, 1)),
    "huge numbers": lambda rng, n: 1e200 * rng.normal(size=(n, 1)),
    "far numbers": lambda rng, n: 1e9 + rng.normal(size=(n, 1)),
    "read-only numbers": lambda rng, n: _read_only(rng.normal(size=(n, 2))),
    "frame": lambda rng, n: pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"]),
    "polars frame": lambda rng, n: pl.DataFrame(rng.normal(size=(n, 2)), schema=["a", "b"]),
}


def plain(record):
    """Return the ``repr`` of a dataclass without what is as by default."""
    fields = [(f.name, getattr(record, f.name), f.default) for f in dataclasses.fields(record)]
    given = ", ".join(
        f"{name}={code(value)}" for name, value, default in fields if value != default
    )
    return f"{type(record).__name__}({given})"


def code(value):
    """Return what to write for a value: classes and functions by their names."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {code(v)}" for key, v in value.items()) + "}"
    return getattr(value, "__name__", None) or repr(value)


@dataclasses.dataclass(frozen=True, repr=False)
class Table:
    """What X is like; by default nothing is special about it."""

    n: int = 40
    d: int = 4
    values: str = "normal"
    exponent: float = 0.0  # of the scale of all, to the base 10
    spread: float = 0.0  # scales of columns run from 10 ** -spread to 10 ** spread of it
    offset: float = 0.0  # in units of the scale of each column
    n_constant: int = 0  # columns
    n_equal: int = 0  # columns that equal the last
    n_distinct: int | None = None  # rows
    missing: float = 0.0  # share of the cells that are NaN, of tables of floats
    dtype: str = "float64"
    layout: str = "C"
    container: str = "array"
    seed: int = 0

    __repr__ = plain

    def build(self):
        """Return X."""
        X = _convert(self._numbers(), self.dtype)
        if self.has_missing():
            X[np.random.default_rng(self.seed + 2).random(X.shape) < self.missing] = np.nan
        return {**CONTAINERS, **OBJECTS, **DATES}[self.container](LAYOUTS[self.layout](X))

    def has_missing(self):
        """Whether cells are missing, which other types than floats have no number for."""
        return self.missing > 0 and np.dtype(self.dtype).kind == "f"

    def _numbers(self):
        rng = np.random.default_rng(self.seed)
        X = VALUES[self.values](rng, self.n, self.d) + self.offset
        exponents = self.exponent + self.spread * np.linspace(-1, 1, self.d)
        X = X * 10.0 ** exponents.clip(-300, 300)
        X[:, self.d - self.n_equal :] = X[:, -1:]
        X[:, : self.n_constant] = X[0, : self.n_constant]
        return X[np.arange(self.n) % (self.n_distinct or self.n)]


def _convert(X, dtype):
    """Return X in another type, with room between its values and the type's largest."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return X > 0
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.rint(X).clip(limits.min / 4, limits.max / 4).astype(dtype)
    largest = float(np.finfo(dtype).max) / 100
    return X.clip(-largest, largest).astype(dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class Case:
    """An estimator with its parameters, and what it is fitted to."""

    name: str
    params: dict = dataclasses.field(default_factory=dict)
    table: Table = Table()
    weights: str = "none"
    condition: str = "none"
    numpy_params: bool = False
    use: str = "again"  # what is done with the fitted estimator: see `oracle.USES`

    __repr__ = plain

    def estimator(self):
        """Return the estimator, small where the case does not say how large."""
        default = HOSTILE_ESTIMATORS[self.name]
        small = {p: value for p, value in SMALL.items() if p in default.get_params(deep=False)}
        params = {**small, **self.params}
        if self.numpy_params:
            params = {p: to_numpy(value) for p, value in params.items()}
        return type(default)(**params)

    def features(self):
        """Return the names of what is special about the case, for counts."""
        features = {
            "missing values": self.table.has_missing(),
            "pd.NA": self.table.container in OBJECTS and self.table.has_missing(),
            "objects": self.table.container in OBJECTS,
            "dates": self.table.container in DATES,
            "polars": self.table.container == "polars",
            "read-only": "read-only" in (self.table.layout, self.weights, self.condition[:9]),
            "weights in a Series": "Series" in self.weights,
            "short integers": self.table.dtype in SHORT,
            "more components than columns": self._has_many_components(),
            "Bernoulli": self.params.get("likelihood") == "bernoulli",
            "ordered": self.params.get("ordered", False),
            "condition": self.condition != "none",
            "condition in a DataFrame": "frame" in self.condition,
            "parameters of numpy's types": self.numpy_params,
            f"use: {self.use}": True,
        }
        return [name for name, is_so in features.items() if is_so]

    def _has_many_components(self):
        k = self.params.get("n_components", 1)
        return not isinstance(k, str) and k is not None and k > self.table.d

    def data(self):
        """Return X and the further arguments of `fit`, fresh."""
        rng, n = np.random.default_rng(self.table.seed + 1), self.table.n
        given = {
            "sample_weight": WEIGHTS[self.weights](rng, n),
            "condition": CONDITIONS[self.condition](rng, n),
        }
        return self.table.build(), {k: v for k, v in given.items() if v is not None}


USES = ("again", "pickle", "file", "compare")


def has_condition(name):
    """Whether `fit` takes a condition."""
    return "condition" in inspect.signature(HOSTILE_ESTIMATORS[name].fit).parameters


def _one_of(names):
    """Draw a name; the first, the plain one, half of the time."""
    first, *_ = names
    return st.one_of(st.just(first), st.sampled_from(list(names)))


def _sometimes(default, strategy):
    return st.one_of(st.just(default), st.just(default), strategy)


exponents = st.one_of(st.integers(-12, 12), st.floats(-300, 300).map(round))


def _seldom(usual, strategy):
    """Draw from a strategy one time in twelve; hypothesis likes the ends of a range."""
    return st.integers(0, 11).flatmap(lambda i: strategy if i == 7 else usual)


conditions = st.one_of(
    st.sampled_from(list(CONDITIONS)), st.sampled_from(["frame", "polars frame", "labels"])
)
shares = st.sampled_from([0.02, 0.2, 0.6, 1.0])
containers = _seldom(_one_of([*CONTAINERS, *OBJECTS]), st.sampled_from(list(DATES)))
tables = st.builds(
    Table,
    n=st.one_of(st.integers(2, 60), st.integers(2, 60), st.integers(1, 5)),
    d=st.integers(1, 8),
    values=_one_of(VALUES),
    exponent=_sometimes(0.0, exponents),
    spread=_sometimes(0.0, st.sampled_from([1, 3, 8, 20, 150])),
    offset=_sometimes(0.0, st.sampled_from([0.1, -3, 1e3, 1e6, -1e12, 1e18])),
    n_constant=_sometimes(0, st.integers(0, 4)),
    n_equal=_sometimes(0, st.integers(0, 4)),
    n_distinct=_sometimes(None, st.integers(1, 5)),
    missing=_seldom(st.just(0.0), shares),
    dtype=_one_of(DTYPES),
    layout=_one_of(LAYOUTS),
    container=containers,
    seed=st.integers(0, 3),
)


def tables_for(name):
    """Draw tables, for estimators that take missing values often with some."""
    if not get_tags(HOSTILE_ESTIMATORS[name]).input_tags.allow_nan:
        return tables
    often = st.tuples(tables, _sometimes(0.0, shares))
    return often.map(lambda drawn: dataclasses.replace(drawn[0], missing=drawn[1]))


def _in_reach(case):
    """Return a case whose rows mostly are in reach of the Bernoulli likelihood, if it has that."""
    if case.params.get("likelihood") != "bernoulli" or case.table.seed == 3:
        return case
    plain = {"values": "in [0, 1]", "exponent": 0.0, "spread": 0.0, "offset": 0.0}
    return dataclasses.replace(case, table=dataclasses.replace(case.table, **plain))


def cases(name):
    """Draw cases of one estimator."""
    return st.builds(
        Case,
        name=st.just(name),
        params=parameters(name),
        table=tables_for(name),
        weights=_one_of(WEIGHTS),
        condition=conditions if has_condition(name) else st.just("none"),
        numpy_params=_sometimes(False, st.just(True)),
        use=_one_of(USES),
    ).map(_in_reach)


# Smaller cases


def simplified(case, fails):
    """Return a case from which nothing can be left out without ``fails(case)`` becoming false."""
    for simpler in _simpler(case):
        if fails(simpler):
            return simplified(simpler, fails)
    return case


def _simpler(case):
    for name in case.params:
        rest = {k: value for k, value in case.params.items() if k != name}
        yield dataclasses.replace(case, params=rest)
    for field in dataclasses.fields(Case)[3:]:
        if getattr(case, field.name) != field.default:
            yield dataclasses.replace(case, **{field.name: field.default})
    for field in dataclasses.fields(Table):
        if getattr(case.table, field.name) != field.default:
            table = dataclasses.replace(case.table, **{field.name: field.default})
            yield dataclasses.replace(case, table=table)
