"""scikit-learn's own checks, and its tools around every estimator."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from estimators import (
    DEFAULTS,
    MAIN,
    all_estimators,
    code_size,
    main_estimators,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_transformer_general,
    estimator_checks_generator,
)

from skae import GLGAE, Autoencoder
from skae._laws import EXPECTED_OF_SCIKIT_LEARN
from skae.nn.activations import RANGES

X, y = load_iris(return_X_y=True)

# A row given twice falls into other batches than a row of weight 2, and has noise of its own for
# each time; a double precision, full-batch, noise-free model must not differ (`exact` below,
# without exceptions). It starts at random: at PCA's solution gradients are zero up to rounding,
# and Adam divides rounding by itself.
WEIGHT_CHECKS = EXPECTED_OF_SCIKIT_LEARN
exact = Autoencoder(
    linear_path=False, max_iter=4, dtype="float64", batch_size=10000, random_state=0
)
# Sums over all rows, in double precision: nothing to be excused for either.
exact_map = GLGAE(max_iter=4, dtype="float64", random_state=0)
CHECKED = [*DEFAULTS.values(), *MAIN.values()]


def expected_failures(estimator):
    return {} if estimator in (exact, exact_map) else WEIGHT_CHECKS


def scikit_learn_s_checks():
    for estimator in (exact, exact_map, *CHECKED):
        excused = expected_failures(estimator)
        for _, check in estimator_checks_generator(estimator):
            reason = excused.get(check.func.__name__)
            marks = pytest.mark.xfail(reason=reason, strict=False) if reason else ()
            yield pytest.param(
                estimator, check, marks=marks, id=f"{estimator}-{check.func.__name__}"
            )


# Some checks fit columns that have nothing to do with each other.
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@pytest.mark.parametrize(("estimator", "check"), scikit_learn_s_checks())
def test_check_estimator(estimator, check):
    check(estimator)


@all_estimators()
def test_pipeline_classifies(estimator):
    pipeline = Pipeline([("ae", clone(estimator)), ("clf", LogisticRegression())])
    assert pipeline.fit(X, y).score(X, y) > 0.5


@main_estimators()
def test_string_labels_pass_through(estimator):
    names = np.array(["a", "b", "c"])[y]
    pipeline = make_pipeline(clone(estimator), LogisticRegression()).fit(X, names)
    assert set(pipeline.predict(X)) <= {"a", "b", "c"}


@pytest.mark.parametrize(
    ("with_y", "n_jobs"),
    [
        (True, 2),
        (False, 1),
        pytest.param(True, 1, marks=pytest.mark.slow),
        pytest.param(False, 2, marks=pytest.mark.slow),
    ],
)
def test_grid_search_over_the_size_of_the_code(with_y, n_jobs):
    ae = Autoencoder(max_iter=3, random_state=0)
    if with_y:
        classifier = LogisticRegression(C=100, max_iter=1000)  # that of C=1 is as good with one
        model = Pipeline([("ae", ae), ("clf", classifier)])
        grid = {"ae__n_components": [1, 3]}
    else:
        model, grid = ae, {"n_components": [1, 3]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(X, y if with_y else None)
    assert next(iter(search.best_params_.values())) == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_grid_search_takes_pca_and_autoencoder_for_the_same_step():
    pipeline = Pipeline([("reduce", PCA(2)), ("clf", LogisticRegression())])
    grid = {"reduce": [PCA(2), Autoencoder(2, max_iter=3, random_state=0)]}
    assert len(GridSearchCV(pipeline, grid, cv=2).fit(X, y).cv_results_["params"]) == 2


def test_cross_val_score_union_and_columns():
    ae = Autoencoder(2, max_iter=3, random_state=0)
    union = FeatureUnion([("pca", PCA(2)), ("ae", ae)])
    assert union.fit_transform(X).shape == (150, 4)
    columns = ColumnTransformer([("ae", ae, [0, 1, 2])], remainder="passthrough")
    assert columns.fit_transform(X).shape == (150, 3)
    assert cross_val_score(make_pipeline(union, LogisticRegression()), X, y, cv=3).mean() > 0.8


def test_pipeline_score_under_metadata_routing():
    with config_context(enable_metadata_routing=True):
        ae = Autoencoder(2, max_iter=3, random_state=0)
        ae.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, ae).fit(X, sample_weight=np.ones(150))
        assert pipeline.score(X, sample_weight=np.ones(150)) > 0.9


@pytest.mark.parametrize(("output", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
@main_estimators()
def test_set_output(estimator, output, frame):
    ae = clone(estimator).set_output(transform=output)
    table = frame(X, **{"columns" if output == "pandas" else "schema": list("abcd")})
    Z = ae.fit_transform(table)
    assert isinstance(Z, frame)
    assert list(Z.columns) == list(ae.get_feature_names_out())
    assert list(ae.feature_names_in_) == list("abcd")
    prefix = type(estimator).__name__.lower()
    assert list(Z.columns) == [f"{prefix}{j}" for j in range(code_size(ae))]


@main_estimators()
def test_names_of_features_raise_no_warning(estimator):
    table = pd.DataFrame(X, columns=list("abcd"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*feature names")
        ae = clone(estimator).fit(table)
        for method in (ae.transform, ae.reconstruct, ae.reconstruction_error, ae.score_samples):
            method(table)
        ae.score(table)
        ae.fit_transform(table)


def test_other_column_names_are_refused():
    ae = Autoencoder(max_iter=1).fit(pd.DataFrame(X, columns=list("abcd")))
    with pytest.raises(ValueError, match="feature names"):
        ae.transform(pd.DataFrame(X, columns=list("abce")))


def test_fitted_state_is_arrays_strings_and_numbers():
    def leaves(tree):
        if isinstance(tree, dict):
            return [leaf for value in tree.values() for leaf in leaves(value)]
        if isinstance(tree, (list, tuple)):
            return [leaf for value in tree for leaf in leaves(value)]
        return [tree]

    state = Autoencoder(max_iter=2, early_stopping=True).fit(X).__getstate__()
    allowed = (np.ndarray, np.generic, str, int, float, bool, type(None))
    assert [type(leaf) for leaf in leaves(state) if not isinstance(leaf, allowed)] == []


def test_a_model_fitted_on_cuda_unpickles_without():
    ae = Autoencoder(max_iter=2, random_state=0).fit(X)
    state = ae.__getstate__()
    state["device_"] = f"cuda:{torch.cuda.device_count()}"  # which is not there
    copy = Autoencoder.__new__(Autoencoder)
    copy.__setstate__(state)
    np.testing.assert_array_equal(copy.transform(X), ae.transform(X))
    assert copy.partial_fit(X).device_ == "cpu"


def test_parameters_set_after_fit_do_not_break_the_pickle():
    ae = Autoencoder(2, max_iter=2, random_state=0).fit(X).set_params(n_components=3)
    copy = pickle.loads(pickle.dumps(ae))
    np.testing.assert_array_equal(copy.transform(X), ae.transform(X))
    assert copy.n_components == 3


def test_digits_features_are_worth_more_than_pca_s():
    X, y = load_digits(return_X_y=True)
    train, test = slice(0, 1200), slice(1200, None)
    accuracy = []
    for reducer in (PCA(2), Autoencoder(2, random_state=0)):
        model = make_pipeline(reducer, StandardScaler(), LogisticRegression(max_iter=1000))
        accuracy.append(model.fit(X[train], y[train]).score(X[test], y[test]))
    assert accuracy[1] > accuracy[0] + 0.05


REFUSING = [{"likelihood": "bernoulli"}, *({"output_activation": name} for name in RANGES)]


@pytest.mark.parametrize("setting", REFUSING, ids=str)
@pytest.mark.parametrize("name", [n for n, e in DEFAULTS.items() if hasattr(e, "likelihood")])
def test_settings_that_refuse_what_the_checks_are_made_of_are_on_the_page(name, setting):
    page = (Path(__file__).parents[1] / "docs" / "contract.md").read_text()
    ((parameter, value),) = setting.items()
    estimator = clone(DEFAULTS[name]).set_params(**setting)
    with pytest.raises(ValueError, match=f"{parameter}='{value}' needs X in"):
        check_transformer_general(name, estimator)
    assert parameter in page
    assert f'"{value}"' in page
    low = f"{RANGES.get(value, (0, 1))[0]:g}"
    assert low in page
