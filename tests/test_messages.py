"""What users hear at the door, and while a long fit goes on."""

import functools
import inspect
import io
import re
import sys
import warnings
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from estimators import DEFAULTS, EPOCHS, QUICK, all_estimators, fitted, has_engine
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import get_tags
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LRScheduler,
    PassthroughScoring,
    ProgressBar,
)
from torch import nn

from skae import GLGAE, VAE, Autoencoder, ConditionalVAE, Imputer, SparseAutoencoder
from skae._keywords import MEANT, WORDS
from skae._sklearn import StrOptions
from skae.exceptions import ParameterWarning
from skae.metrics import (
    explained_variance,
    explained_variance_scorer,
    imputation_score,
    maximum_mean_discrepancy,
)
from skae.networks import Conv
from skae.training import progress

X = np.random.default_rng(0).normal(size=(60, 4))
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)
trained_classes = pytest.mark.parametrize(
    "estimator",
    [e for e in DEFAULTS.values() if has_engine(e)],
    ids=[name for name, e in DEFAULTS.items() if has_engine(e)],
)


# Attributes that users of PCA look for


SHARES = [f"{kind}explained_variance_ratio_" for kind in ("", "validation_", "feature_")]


@all_estimators()
@pytest.mark.parametrize("name", ["components_", *SHARES])
def test_attributes_of_pca_say_what_there_is_instead(estimator, name):
    ordered = "ordered" in estimator.get_params()
    is_there = (
        isinstance(estimator, SparseAutoencoder)
        if name == "components_"
        else (ordered and estimator.ordered)
    )
    if is_there or (name in SHARES[1:] and not ordered):
        pytest.skip("there, or no attribute of this class or of PCA")
    words = (
        "SparseAutoencoder.*loadings_"
        if name == "components_"
        else (r"skae\.metrics\.explained_variance")
    )
    assert not hasattr(estimator, name)
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(clone(estimator), name)
    ae = fitted(estimator)
    assert not hasattr(ae, name)
    with pytest.raises(AttributeError, match=rf"{name}.*{words}") as error:
        getattr(ae, name)
    if name != "components_":
        assert "ordered=True" in str(error.value)
    with pytest.raises(AttributeError, match=name):
        getattr(type(ae), name)


# Words of other packages


PUBLIC = {**{name: type(e) for name, e in DEFAULTS.items()}, "Imputer": Imputer, "Conv": Conv}
every_constructor = pytest.mark.parametrize("cls", PUBLIC.values(), ids=PUBLIC)
TYPOS = {
    "n_component": "n_components",
    "N_COMPONENTS": "n_components",
    "randomstate": "random_state",
}


@every_constructor
def test_words_of_other_packages_are_told_what_they_are_called_here(cls):
    known = inspect.signature(cls).parameters
    meant = {word: name for word, name in {**MEANT, **TYPOS}.items() if name in known}
    assert meant or cls is Conv
    for word, name in meant.items():
        if word not in known:
            with pytest.raises(TypeError, match=f"'{word}': did you mean '{name}'"):
                cls(**{word: 3})


@every_constructor
def test_an_unknown_word_is_answered_with_all_parameters_sorted(cls):
    words = ", ".join(sorted(inspect.signature(cls).parameters))
    with pytest.raises(TypeError, match=f"argument 'xyz'. Its parameters are {words}\\."):
        cls(xyz=3)


def test_the_table_of_words_names_parameters_and_no_word_twice():
    known = {name for cls in PUBLIC.values() for name in inspect.signature(cls).parameters}
    assert set(WORDS) <= known
    words = [word for words in WORDS.values() for word in words.split()]
    assert len(words) == len(set(words))


@every_class
@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"optimizer": "Adam"}, "{'adam', 'adamw', 'rmsprop', 'sgd'}.*mean optimizer='adam'"),
        ({"activation": "ReLU"}, "{'elu', 'gelu', .*'tanh'}.*Did you mean activation='relu'"),
        ({"code_activation": "Sigmoid"}, "Did you mean code_activation='sigmoid'"),
        ({"likelihood": "Gaussian"}, "'gaussian'.*Did you mean likelihood='gaussian'"),
        ({"likelihood": "bernouli"}, "Did you mean likelihood='bernoulli'"),
        ({"scaling": "GLOBAL"}, "{'auto'|{'global', 'standard'}.*Did you mean scaling='global'"),
        ({"learning_rate": "cosin"}, "Did you mean learning_rate='cosine'"),
        ({"dtype": "Float32"}, "Did you mean dtype='float32'"),
        ({"sparsity": "TopK"}, "Did you mean sparsity='topk'"),
        ({"prior": "VAMP"}, "Did you mean prior='vamp'"),
        ({"objective": "Bound"}, "Did you mean objective='bound'"),
        ({"alpha": "Auto"}, "Did you mean alpha='auto'"),
        ({"optimizer": "xyz"}, "Got 'xyz' instead\\.$"),
    ],
)
def test_words_that_a_parameter_may_be_are_sorted_and_the_nearest_is_named(
    estimator, params, words
):
    ((name, given),) = params.items()
    kinds = type(estimator)._parameter_constraints.get(name, [])
    known = {word for kind in kinds if isinstance(kind, StrOptions) for word in kind.options}
    if not known or ("mean" in words and given.lower() not in known | {"bernouli", "cosin"}):
        pytest.skip("this class has no such word")
    with pytest.raises(ValueError, match=words):
        clone(estimator).set_params(**params).fit(X)


@pytest.mark.parametrize("options", [{}, {"ordered": True}, {"hidden_layer_sizes": ()}])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_code_wider_than_the_data_is_told_how_many_components_suffice(method, options):
    ae = Autoencoder(5, **QUICK, **options)
    with pytest.warns(ParameterWarning, match=r"n_components=5 is more than the 4 columns.*to 4"):
        getattr(ae, method)(X)
    if method == "fit":  # which ends at least at PCA's solution; single precision is left
        np.testing.assert_allclose(ae.reconstruct(X), X, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ParameterWarning)
        for other in (Autoencoder(4, **QUICK), SparseAutoencoder(9, **QUICK)):
            getattr(other, method)(X)
        getattr(Autoencoder(5, code_activation="relu", **QUICK), method)(X)
        getattr(Autoencoder(**QUICK), method)(X[:, :1])


# Tables


@every_class
@pytest.mark.parametrize("container", [np.asarray, list, torch.from_numpy, lambda A: A.tolist()])
def test_images_are_told_how_to_become_rows(estimator, container):
    images = container(X.reshape(60, 2, 2))
    words = r"Got 3 dimensions, the shape \(60, 2, 2\).*reshape\(len\(X\), -1\) makes it \(60, 4\)"
    with pytest.raises(ValueError, match=words):
        clone(estimator).fit(images)
    ae = clone(estimator).fit(X)
    methods = (ae.transform, ae.reconstruct, ae.score, ae.score_samples, ae.reconstruction_error)
    for method in methods:
        with pytest.raises(ValueError, match=words):
            method(images)
    with pytest.raises(ValueError, match=r"codes.*the shape \(60, 2, 2\)"):
        ae.inverse_transform(images)
    flat = np.asarray(images).reshape(len(images), -1)
    np.testing.assert_array_equal(ae.transform(flat), ae.transform(X))


@every_class
@pytest.mark.parametrize("container", [np.asarray, list, sparse.csr_matrix, pd.DataFrame])
def test_the_first_rows_are_two_and_later_ones_may_be_one(estimator, container):
    ae, row = clone(estimator), container(X[:1])
    words = r"minimum of 2 is required by \w+\. fit, and the first call of partial_fit, learn mean"
    for method in (ae.fit, ae.partial_fit):
        with pytest.raises(ValueError, match=words):
            method(row)
    ae.partial_fit(X[:2]).partial_fit(row)
    assert ae.transform(row).shape[0] == 1


@every_class
def test_one_dimension_is_left_to_scikit_learn(estimator):
    with pytest.raises(ValueError, match=r"(?s)Expected 2D array, got 1D.*array.reshape\(-1, 1\)"):
        clone(estimator).fit(X[:, 0])


@every_class
def test_columns_of_text_are_named(estimator):
    table = pd.DataFrame(X, columns=list("abcd")).assign(sex=["m", "f"] * 30)
    words = r"could not convert string to float: 'm'. X must hold numbers, and column 'sex' holds"
    with pytest.raises(ValueError, match=f"{words} 'm'.*OneHotEncoder.*'sex'"):
        clone(estimator).fit(table)
    with pytest.raises(ValueError, match=r"column 4 holds 'm'.*OneHotEncoder.*\[4\]"):
        clone(estimator).fit(table.to_numpy())


# Dates, other objects, and pd.NA


DAYS = pd.date_range("2020-01-01", periods=60)
OBJECTS = np.array([list(DAYS)] * 2, dtype=object).T


def beside_numbers(column):
    return pd.DataFrame({"x": X[:, 0], "when": column})


DATES = {  # tables, and the names of the columns that hold dates
    "array": (np.array([DAYS, DAYS]).T, ["0", "1"]),
    "array of durations": (np.array([DAYS - DAYS[0]] * 2).T, ["0", "1"]),
    "array of NaT": (np.full((60, 2), "NaT", "datetime64[D]"), ["0", "1"]),
    "objects": (OBJECTS, ["0", "1"]),
    "nanoseconds among objects": (np.array([[1.0, np.datetime64(d, "ns")] for d in DAYS]), ["1"]),
    "lists": ([[np.datetime64(d, "ns"), 1.0] for d in DAYS], ["0"]),
    "lists of datetime": ([[1.0, d.to_pydatetime()] for d in DAYS], ["1"]),
    "frame": (pd.DataFrame({"born": DAYS, "seen": DAYS}), ["'born'", "'seen'"]),
    "frame with NaT": (pd.DataFrame({"born": [pd.NaT, *DAYS[1:]]}), ["'born'"]),
    "frame of durations": (pd.DataFrame({"when": DAYS - DAYS[0]}), ["'when'"]),
    "time zones": (pd.DataFrame({"when": DAYS.tz_localize("UTC")}), ["'when'"]),
    "categories": (pd.DataFrame({"when": pd.Categorical(DAYS)}), ["'when'"]),
    "beside numbers": (beside_numbers(DAYS), ["'when'"]),
    "date objects": (
        beside_numbers(pd.Series([d.date() for d in DAYS], dtype=object)),
        ["'when'"],
    ),
    "beside nullable": (beside_numbers(DAYS).astype({"x": "Float64"}), ["'when'"]),
    "one name twice": (pd.DataFrame([[1.0, d] for d in DAYS], columns=["a", "a"]), ["'a'"]),
    "polars": (pl.DataFrame({"when": [d.date() for d in DAYS]}), ["'when'"]),
    "polars beside numbers": (pl.DataFrame({"x": X[:, 0], "when": list(DAYS)}), ["'when'"]),
    "polars durations": (pl.DataFrame({"x": X[:, 0], "when": list(DAYS - DAYS[0])}), ["'when'"]),
    "polars times": (pl.DataFrame({"when": [d.time() for d in DAYS]}), ["'when'"]),
}
OTHERS = {  # and no names of dates
    "periods": beside_numbers(DAYS.to_period("D")),
    "intervals": beside_numbers(pd.interval_range(0, 60)),
    "lists": beside_numbers([[1, 2]] * 60),
    "arrays of one number": beside_numbers([np.ones(1)] * 60),
    "dicts": beside_numbers([{}] * 60),
    "polars lists": pl.DataFrame({"x": X[:, 0], "when": [[1, 2]] * 60}),
    "polars structs": pl.DataFrame({"x": X[:, 0], "when": [{"a": 1}] * 60}),
}
with_imputer = pytest.mark.parametrize(
    "estimator", [*DEFAULTS.values(), Imputer(1, ridge=0.1)], ids=[*DEFAULTS, "Imputer"]
)


def ways_in(estimator, d):
    """Return the methods that take rows, of an estimator and of one fitted to d columns."""
    ae = clone(estimator).fit(X[:, :d])
    names = ("partial_fit", "transform", "score", "score_samples", "reconstruct")
    return [clone(estimator).fit] + [getattr(ae, name) for name in names if hasattr(ae, name)]


@pytest.mark.filterwarnings("ignore:X has feature names", "ignore:The posterior has collapsed")
@with_imputer
def test_dates_are_refused_by_the_names_of_their_columns(estimator):
    ways = {d: ways_in(estimator, d) for d in (1, 2)}
    for table, names in DATES.values():
        for way in ways[2 if isinstance(table, list) else table.shape[1]]:
            with pytest.raises(
                ValueError, match="X must hold numbers, and column.*days since"
            ) as e:
                way(table)
            assert [name for name in names if f"column {name} holds" not in str(e.value)] == []


@pytest.mark.filterwarnings("ignore:X has feature names", "ignore:The posterior has collapsed")
@with_imputer
def test_columns_of_other_objects_are_named(estimator):
    for table in OTHERS.values():
        for way in ways_in(estimator, 2):
            with pytest.raises((TypeError, ValueError), match="column 'when' holds.*Leave it out"):
                way(table)


@pytest.mark.parametrize("estimator", [VAE(2, **QUICK), GLGAE(2, **EPOCHS)])
def test_dates_as_codes_ends_conditions_and_rows_of_metrics(estimator):
    days, ae = np.array([DAYS, DAYS]).T, clone(estimator).fit(X[:, :2])
    frame = pd.DataFrame(days, columns=["a", "b"])
    for use in (
        lambda: ae.inverse_transform(days),
        lambda: ae.interpolate(X[0, :2], days[0]),
        lambda: ae.interpolate(frame.iloc[0], X[0, :2]),
        lambda: ConditionalVAE(**QUICK).fit(X, condition=frame),
        lambda: explained_variance(PCA(1).fit(X[:, :2]), days),
        lambda: maximum_mean_discrepancy(days, days),
        lambda: imputation_score(SimpleImputer(), frame),
    ):
        with pytest.raises(ValueError, match="must hold numbers, and column"):
            use()


def test_dates_may_be_labels_of_a_condition():
    labels = DAYS[np.arange(60) % 3]
    for dates in (labels, labels.to_numpy().astype("datetime64[ns]"), pd.Series(labels)):
        cvae = ConditionalVAE(**QUICK).fit(X, condition=dates)
        assert len(cvae.condition_classes_) == 3
        same = ConditionalVAE(**QUICK).fit(X, condition=np.arange(60) % 3)
        np.testing.assert_array_equal(
            cvae.transform(X, condition=dates), same.transform(X, condition=np.arange(60) % 3)
        )
        with pytest.raises(ValueError, match="did not see.*2021"):
            cvae.transform(X, condition=dates + np.timedelta64(366, "D"))


NA_TABLES = {
    "array": lambda table: table.to_numpy(),
    "lists": lambda table: table.to_numpy().tolist(),
    "tuples": lambda table: tuple(map(tuple, table.to_numpy())),
    "frame": lambda table: table,
    "beside numbers": lambda table: table.astype({"b": float, "c": "Float64"}),
    "no names": lambda table: table.set_axis(range(4), axis=1),
}


@pytest.mark.filterwarnings("ignore:X has feature names", "ignore:The posterior has collapsed")
@with_imputer
@pytest.mark.parametrize("container", NA_TABLES.values(), ids=NA_TABLES)
def test_pd_na_among_objects_is_missing(estimator, container):
    """The last column has pd.NA in an object column whatever the others are."""
    holes = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    holes[:, 1] = X[:, 1]
    objects = pd.DataFrame(holes, columns=list("abcd")).astype(object)
    table = container(objects.where(objects.notna(), pd.NA))
    before = str(table)
    if not get_tags(estimator).input_tags.allow_nan:
        for way in ways_in(estimator, 4):
            with pytest.raises(ValueError, match="X contains NaN"):
                way(table)
    else:
        found, wanted = (clone(estimator).fit(data) for data in (table, holes))
        np.testing.assert_array_equal(found.transform(table), wanted.transform(holes))
        assert found.score_samples(table).tolist() == wanted.score_samples(holes).tolist()
    assert str(table) == before


def test_pd_na_in_a_condition_is_missing():
    labels = np.array(["a", pd.NA] * 30, dtype=object)
    for condition in (labels, labels.tolist(), pd.Series(labels), pd.array([1, pd.NA] * 30)):
        with pytest.raises(ValueError, match="missing labels"):
            ConditionalVAE(**QUICK).fit(X, condition=condition)
    for condition in (np.array([[1, pd.NA]] * 60, dtype=object), [[1, pd.NA]] * 60):
        with pytest.raises(ValueError, match="condition contains NaN"):
            ConditionalVAE(**QUICK).fit(X, condition=condition)


# Tensors


TENSORS = {
    "float32": lambda A: torch.tensor(A, dtype=torch.float32),
    "float16": lambda A: torch.tensor(A, dtype=torch.float16),
    "bfloat16": lambda A: torch.tensor(A, dtype=torch.bfloat16),
    "integers": lambda A: torch.tensor(10 * A).int(),
    "booleans": lambda A: torch.tensor(A > 0),
    "requires grad": lambda A: torch.tensor(A, requires_grad=True),
    "a parameter": lambda A: nn.Parameter(torch.tensor(A)),
    "a list": lambda A: [torch.tensor(row, requires_grad=True) for row in A],
    "a list of bfloat16": lambda A: list(torch.tensor(A, dtype=torch.bfloat16)),
}


def numbers_in(tensors):
    """Return tensors as arrays, those that numpy does not know in single precision."""
    if isinstance(tensors, list):
        return [numbers_in(tensor) for tensor in tensors]
    tensor = tensors.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


@every_class
@pytest.mark.parametrize("to_tensor", TENSORS.values(), ids=TENSORS)
def test_tensors_are_arrays(estimator, to_tensor):
    tensor = to_tensor(X)
    array, weights = numbers_in(tensor), np.abs(X[:, 0])
    weight = nn.Parameter(torch.tensor(weights))
    ae = clone(estimator).fit(tensor, tensor, sample_weight=weight)
    same = clone(estimator).fit(array, sample_weight=weights)
    Z = same.transform(array)
    for found, wanted in [
        (ae.transform(tensor), Z),
        (ae.reconstruct(tensor), same.reconstruct(array)),
        (ae.inverse_transform(torch.tensor(Z, requires_grad=True)), same.inverse_transform(Z)),
        (ae.score_samples(tensor), same.score_samples(array)),
        (ae.reconstruction_error(tensor), same.reconstruction_error(array)),
        (ae.score(tensor, sample_weight=weight), same.score(array, sample_weight=weights)),
        (clone(estimator).fit_transform(tensor), clone(estimator).fit_transform(array)),
    ]:
        assert not torch.is_tensor(found)
        np.testing.assert_array_equal(found, wanted)


def test_metrics_and_interpolation_take_tensors():
    tensor, vae = torch.tensor(X, requires_grad=True), VAE(**QUICK).fit(X)
    assert explained_variance(vae, tensor) == explained_variance(vae, X)
    assert maximum_mean_discrepancy(tensor, tensor + 1) == maximum_mean_discrepancy(X, X + 1)
    np.testing.assert_array_equal(vae.interpolate(*tensor[:2]), vae.interpolate(*X[:2]))


def test_conditions_may_be_tensors():
    for condition in (np.arange(60) % 3, X[:, :2]):
        tensor = torch.tensor(condition)
        if tensor.is_floating_point():
            tensor.requires_grad_()
        cvae = ConditionalVAE(**QUICK).fit(X, condition=tensor)
        same = ConditionalVAE(**QUICK).fit(X, condition=condition)
        Z = same.transform(X, condition=condition)
        np.testing.assert_array_equal(cvae.transform(X, condition=list(tensor)), Z)
        for method in ("sample", "inverse_transform"):
            first = [3] if method == "sample" else [Z]
            np.testing.assert_array_equal(
                getattr(cvae, method)(*first, condition=tensor),
                getattr(same, method)(*first, condition=condition),
            )


# Conditions


mixed = np.array([["a", 1.5], ["b", 2.5]] * 30, dtype=object)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (mixed, r"column 0 holds 'a'.*ColumnTransformer.*OneHotEncoder.*\[0\]"),
        (pd.DataFrame(mixed, columns=["kind", "age"]), "column 'kind' holds 'a'.*'kind'"),
        (mixed.tolist(), "column 0 holds 'a'"),
        (np.array([["a"], ["b"]] * 30), r"column 0 holds 'a'.*one dimension, np.ravel.*OneHot"),
        (pd.DataFrame({"kind": ["a", "b"] * 30}), r"column 'kind' holds 'a'.*np.ravel.*OneHot"),
        (np.array(["a", 1] * 30, dtype=object), r"'a' \(str\) and 1 \(int\).*ColumnTransformer"),
        (["a", 1] * 30, r"'a' \(str\) and 1 \(int\).*OneHotEncoder"),
        (["a", np.nan] * 30, "missing labels"),
        (np.array([[None, 1.0]] * 60, dtype=object), "NaN"),
        (np.zeros((60, 2, 2)), r"condition must have two dimensions.*\(60, 4\)"),
    ],
)
def test_conditions_that_are_neither_labels_nor_numbers(condition, words):
    with pytest.raises(ValueError, match=words):
        ConditionalVAE(**QUICK).fit(X, condition=condition)


def test_conditions_of_another_kind_than_in_fit():
    labels = np.array(["a", "b"] * 30)
    cvae = ConditionalVAE(**QUICK).fit(X, condition=labels)
    with pytest.raises(ValueError, match=r"condition must be one-dimensional.*\(60, 2\)"):
        cvae.transform(X, condition=X[:, :2])
    cvae.fit(X, condition=X[:, :2])
    with pytest.raises(ValueError, match=r"two-dimensional, numbers in 2 columns.*\(60,\)"):
        cvae.transform(X, condition=labels)
    with pytest.raises(ValueError, match="column 0 holds 'a'"):
        cvae.transform(X, condition=mixed)


def test_the_advice_on_mixed_conditions_works():
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder

    with pytest.raises(ValueError, match="Make numbers of it by") as caught:
        ConditionalVAE(**QUICK).fit(X, condition=mixed)
    ((advice, to_fit, later),) = re.findall(
        r"by encoder = (.*): pass (.*) to fit, and (.*) later\.$", str(caught.value)
    )
    names = {"ColumnTransformer": ColumnTransformer, "OneHotEncoder": OneHotEncoder}
    names |= {"encoder": eval(advice, names), "condition": mixed}
    cvae = ConditionalVAE(**QUICK).fit(X, condition=eval(to_fit, names))
    cvae.transform(X, condition=eval(later, names))


def test_text_in_condition_features():
    table = pd.DataFrame(X, columns=list("abcd")).assign(sex=["m", "f"] * 30)
    with pytest.raises(
        ValueError, match=r"column 'sex' holds 'm'.*condition= in place of condition_features"
    ):
        ConditionalVAE(condition_features=["sex"], **QUICK).fit(table)


# Parameters


SHORT = {
    "n_components": 3,
    "batch_size": 16,
    "max_iter": 3,
    "hidden_layer_sizes": 100,
    "n_mc_samples": 5,
    "n_nodes": 100,
    "n_prior_components": 4,
    "n_nonzero_coefs": 2,
}


@every_class
@pytest.mark.parametrize("name", SHORT)
def test_short_integers_of_numpy_are_integers(estimator, name):
    """Of 8 bits, that hold no product of two sizes."""
    if name not in estimator.get_params():
        pytest.skip("it has no such parameter")
    found, wanted = (
        clone(estimator).set_params(**{name: value}).fit(X)
        for value in (np.int8(SHORT[name]), SHORT[name])
    )
    for method in ("transform", "score_samples"):
        np.testing.assert_array_equal(getattr(found, method)(X), getattr(wanted, method)(X))


@every_class
@pytest.mark.parametrize("early_stopping", [False, True])
def test_weights_may_be_read_only(estimator, early_stopping):
    """As a Series of pandas 3 is, and an array in shared memory."""
    if early_stopping and "early_stopping" not in estimator.get_params():
        pytest.skip("it has no such parameter")
    stops = {"early_stopping": True, "alpha": 0.1} if early_stopping else {}
    ae = clone(estimator).set_params(**stops)
    weights = np.random.default_rng(0).uniform(size=60)
    wanted = clone(ae).fit(X, sample_weight=weights).transform(X)
    read_only = weights.copy()
    read_only.flags.writeable = False
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*not writable")
        for given in (
            pd.Series(weights, index=np.arange(60)[::-1]),
            read_only,
            pl.Series(weights),
        ):
            found = clone(ae).fit(X, sample_weight=given)
            np.testing.assert_array_equal(found.transform(X), wanted)


@all_estimators(exclude=["own template"])
def test_a_share_of_the_variance_is_no_number_of_components(estimator):
    ae = clone(estimator).set_params(n_components=0.95)
    if getattr(ae, "ordered", False):
        assert ae.fit(X).n_components_ >= 1
        return
    with pytest.raises(ValueError, match=r"0\.95.*PCA\(0.95\).fit\(X\).n_components_") as e:
        ae.fit(X)
    if "ordered" in ae.get_params():
        assert "set ordered=True" in str(e.value)
        return
    defaults = type(estimator)().get_params()
    assert ("'auto'" in str(e.value)) == (defaults["n_components"] == "auto")


@pytest.mark.filterwarnings("ignore::skae.exceptions.CollapseWarning")  # hardly trained
@trained_classes
@pytest.mark.parametrize("name", ["activation", "code_activation", "output_activation"])
def test_logistic_is_sigmoid(estimator, name):
    if name not in estimator.get_params():
        pytest.skip("it has no such parameter")
    data = (X - X.min()) / np.ptp(X)
    codes = [
        clone(estimator).set_params(**{name: value}).fit(data).transform(data)
        for value in ("sigmoid", "logistic")
    ]
    np.testing.assert_array_equal(*codes)


def test_logistic_where_a_sigmoid_is_needed():
    kl = SparseAutoencoder(sparsity="kl", code_activation="logistic", **QUICK).fit(X)
    auto = SparseAutoencoder(sparsity="kl", **QUICK).fit(X)
    np.testing.assert_array_equal(kl.transform(X), auto.transform(X))
    with pytest.raises(ValueError, match=r"output_activation='logistic' needs X in \[0, 1\]"):
        Autoencoder(output_activation="logistic", **QUICK).fit(X)


@trained_classes
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_adamw_has_one_weight_decay(estimator, alpha):
    codes = [
        clone(estimator).set_params(optimizer=name, alpha=alpha).fit(X).transform(X)
        for name in ("adam", "adamw")
    ]
    np.testing.assert_array_equal(*codes)


@trained_classes
@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (torch.optim.Adam(nn.Linear(2, 2).parameters()), "an instance of Adam instead"),
        (lambda parameters: torch.optim.Adam(parameters), r"lr=0.005\). It raised TypeError"),
        (lambda parameters, lr: None, r"optimizer\(parameters, lr=0.005\). Got NoneType"),
        (functools.partial(torch.optim.Adam, momentum=1), "unexpected keyword .*momentum"),
    ],
)
def test_what_is_no_optimizer(estimator, optimizer, words):
    with pytest.raises((ValueError, TypeError), match=f"optimizer must .*{words}"):
        clone(estimator).set_params(optimizer=optimizer).fit(X)


class TwoInputs(nn.Linear):
    def forward(self, x, condition):
        return super().forward(x)


class NoSizes(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)


class FailsInTraining(nn.Linear):
    def forward(self, x):
        return super().forward([x][self.training])


class CutsBatches(nn.Linear):
    def forward(self, x):
        return super().forward(x)[:2]


class Uninitialised(nn.Module):
    def __init__(self, n_in, n_out):
        self.sizes = n_in, n_out


NO_NETWORKS = {
    "two inputs": (TwoInputs, r"take rows of .*argument: 'condition'"),
    "no sizes": (NoSizes, r"\w+coder\(\d+, \d+\). It raised TypeError.*NoSizes\(...\)"),
    "a class of others": (nn.Sequential, r"pass an instance, Sequential\(...\)"),
    "only in training": (FailsInTraining, "in training of .* it raised IndexError"),
    "other rows": (CutsBatches, "in training it returned "),
    "None": (lambda n_in, n_out: None, r"\w+coder\(\d+, \d+\). Got None"),
    "tuple": (lambda n_in, n_out: (nn.Linear(n_in, n_out),), r"a tuple .*Sequential\(\*layers"),
    "class": (lambda n_in, n_out: nn.Linear, "Got the class Linear instead"),
    "list": ([nn.Linear(4, 2)], r"Got a list instead: nn.Sequential\(\*layers\)"),
    "uninitialised": (Uninitialised, r"call super\(\).__init__\(\)"),
}


@trained_classes
@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize(("network", "words"), NO_NETWORKS.values(), ids=NO_NETWORKS)
def test_what_is_no_network(estimator, name, network, words):
    params = {name: network}
    if "tied_weights" in estimator.get_params():
        params["tied_weights"] = False
    with pytest.raises((ValueError, TypeError), match=f"(?s)^{name} must .*{words}"):
        clone(estimator).set_params(**params).fit(X)


class Norm(nn.Sequential):
    def __init__(self, n_in, n_out):
        super().__init__(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out))


def test_the_look_at_a_network_leaves_no_trace():
    ae = Autoencoder(encoder=Norm, linear_path=False, max_iter=1, batch_size=60, random_state=0)
    norm = ae.fit(X).module_.encoder[1]
    assert int(norm.num_batches_tracked) == 1
    template = Norm(4, 2)
    Autoencoder(encoder=template, **QUICK).fit(X)
    assert int(template[1].num_batches_tracked) == 0
    assert template.training


# Scores


def test_scores_in_a_search():
    """The scorer by its object; scikit-learn's of the same name needs predictions and y."""
    ae = Autoencoder(**QUICK)
    search = GridSearchCV(ae, {"n_components": [1, 3]}, scoring=explained_variance_scorer, cv=3)
    assert search.fit(X).best_params_ == {"n_components": 3}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    tensors = torch.tensor(X)
    assert np.isfinite(cross_val_score(ae, tensors, scoring=explained_variance_scorer)).all()


@every_class
def test_nothing_is_predicted(estimator):
    assert not hasattr(clone(estimator).fit(X), "predict")


# Callbacks


WITHOUT_VALIDATION = {
    "EarlyStopping": EarlyStopping(),
    "a class": EarlyStopping,
    "a named one": ("stop", EarlyStopping()),
    "Checkpoint": Checkpoint(f_params=None, f_optimizer=None, f_criterion=None, f_history=None),
    "LRScheduler": LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
    "a class of LRScheduler": LRScheduler(
        torch.optim.lr_scheduler.ReduceLROnPlateau, monitor="valid_loss"
    ),
}


class Epochs(Callback):
    """Counts the epochs, and is the user's."""

    def __init__(self):
        self.n = 0

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.n += 1
        assert self.n <= 1

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        net.history.record("mine", 1.0)


@trained_classes
@pytest.mark.parametrize("callback", WITHOUT_VALIDATION.values(), ids=WITHOUT_VALIDATION)
@pytest.mark.parametrize("beside", [[], [Epochs()]], ids=["alone", "beside one of the user's"])
def test_callbacks_that_watch_rows_which_are_not_there(estimator, callback, beside):
    words = r"monitors 'valid_loss(_best|)', which exists with early_stopping=True only"
    ae = clone(estimator).set_params(callbacks=[*beside, callback])
    with pytest.raises(ValueError, match=rf"{words}.*monitor='train_loss\1'"):
        ae.fit(X)
    ae.set_params(callbacks=[callback], early_stopping=True).fit(X)


def test_it_is_found_before_the_first_epoch(capsys):
    with pytest.raises(ValueError, match="monitors 'valid_loss'"):
        Autoencoder(callbacks=[EarlyStopping()], verbose=1, **QUICK).fit(X)
    assert capsys.readouterr().out == ""


def test_callbacks_that_watch_what_nobody_writes():
    stop = EarlyStopping(monitor="mine")
    with pytest.raises(ValueError, match=r"monitors 'mine', .*'train_loss'"):
        Autoencoder(callbacks=[stop], **QUICK).fit(X)
    with pytest.raises(ValueError, match=r"when it is its turn"):
        Autoencoder(callbacks=[stop, Epochs()], **QUICK).fit(X)
    Autoencoder(callbacks=[Epochs(), stop], max_iter=1).fit(X)


def test_a_key_error_of_the_user_s_stays_one():
    class Stumbles(Callback):
        def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Autoencoder(callbacks=[Stumbles(), EarlyStopping("nothing")], **QUICK).fit(X)


def test_what_is_no_callback():
    with pytest.raises(ValueError, match="list of skorch callbacks. Got 'disable' in it"):
        Autoencoder(callbacks=["disable"], **QUICK).fit(X)
    Autoencoder(callbacks=[("score", PassthroughScoring("train_loss"))], **QUICK).fit(X)


# Progress


class Counted(ProgressBar):
    """Keeps each bar."""

    bars = []

    def on_epoch_end(self, net, **kwargs):
        self.bars.append((self.pbar_.n, self.pbar_.total))
        super().on_epoch_end(net, **kwargs)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 20, 59, 60, 100, "auto"])
def test_progress_bars_end_full(batch_size, early_stopping, monkeypatch):
    monkeypatch.setattr(Counted, "bars", [])
    params = {"batch_size": batch_size, "early_stopping": early_stopping}
    ae = Autoencoder(callbacks=[Counted()], **params, **EPOCHS).fit(X)
    assert [n == total for n, total in Counted.bars] == [True] * 4
    assert ae.net_.batch_size == (16 if batch_size == "auto" else batch_size)


def test_the_batch_size_outlives_a_file():
    ae = Autoencoder(batch_size=7, **EPOCHS).fit(X)
    copy = clone(ae)
    copy.__setstate__(ae.__getstate__())
    assert copy.net_.batch_size == 7


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(function, sink=None):
    sink = sink or io.StringIO()
    with redirect_stdout(sink):
        function()
    return sink.getvalue()


@trained_classes
def test_the_table_of_a_fit(estimator):
    ae = clone(estimator).set_params(verbose=1, max_iter=12)
    table = printed(lambda: ae.fit(X))
    lines = table.splitlines()
    assert "\x1b" not in table
    assert [line.split()[0] for line in lines[2:]] == [f"{i}/12" for i in range(1, 13)]
    ends = {re.search(r"\S+", line).end() for line in lines}
    assert len(ends) == 1  # they stand under each other
    assert "\x1b" in printed(lambda: ae.set_params(verbose=2).fit(X), Terminal())


def test_the_table_of_a_thousand_epochs_is_straight():
    ae = Autoencoder(1, hidden_layer_sizes=(), max_iter=1000, verbose=1, random_state=0)
    lines = printed(lambda: ae.fit(X[:10])).splitlines()
    assert lines[-1].split()[0] == "1000/1000"
    assert len({re.search(r"\S+", line).end() for line in lines}) == 1


def test_epochs_go_on_being_counted():
    ae = Autoencoder(verbose=1, warm_start=True, **QUICK)
    printed(lambda: ae.fit(X))
    assert "5/8" in printed(lambda: ae.fit(X))
    stream = Autoencoder(verbose=1, **QUICK)
    lines = printed(lambda: stream.partial_fit(X).partial_fit(X)).splitlines()
    assert [line.split()[0] for line in lines if "." in line] == ["1", "2"]


@pytest.mark.parametrize("solver", ["batch", "online"])
def test_the_passes_of_a_map(solver):
    map_ = GLGAE(solver=solver, verbose=1, **QUICK)
    lines = printed(lambda: map_.fit(X)).splitlines()
    assert [line.split()[1] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert printed(lambda: map_.partial_fit(X)).split()[1] == "5"


@every_class
def test_one_line_on_a_terminal(estimator):
    written = printed(lambda: clone(estimator).set_params(verbose=1).fit(X), Terminal())
    assert written.count("\n") == 1
    assert "\x1b" not in written
    last = written.split("\r")[-1]
    assert re.match(r"(epoch|iteration +) ?4/4 .*\d\s+$", last)


@pytest.mark.parametrize("text", ["short", "long" * 100])
def test_a_line_leaves_nothing_of_the_one_before(text, monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0)
    with redirect_stdout(Terminal()) as terminal:
        line = progress.Line(3)
        for step in ("a longer step", text, "end"):
            line.show(step)
        line.end()
    *_, before, _, end = terminal.getvalue().split("\r")
    assert ("s left" in before) == (text == "short")
    assert len(end.rstrip("\n")) >= len("end")
    assert all(len(shown) < 80 for shown in terminal.getvalue().split("\r"))


class WriteOnly:
    def write(self, text):
        pass

    def flush(self):
        pass


@every_class
@pytest.mark.parametrize("stdout", [None, WriteOnly()], ids=["none", "a stand-in"])
def test_nowhere_to_print_to(estimator, stdout, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        clone(estimator).set_params(verbose=1).fit(X)
