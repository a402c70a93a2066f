"""What ONNX computes is what the estimators compute, alone and in pipelines."""

import importlib
import sys

import numpy as np
import pytest
import torch
from estimators import DEFAULTS, SmallDecoder, SmallEncoder, all_estimators, fitted, has_engine
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import GLGAE, VAE, Autoencoder, ConditionalVAE, Imputer
from skae.estimator.recipes import BaseRecipe
from skae.nn.activations import ACTIVATIONS
from skae.nn.networks import MLP

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

import skae.onnx  # noqa: E402
from skae._onnx_graph import ACTIVATION_NODES, Graph  # noqa: E402
from skae._onnx_models import network  # noqa: E402

X, y = load_iris(return_X_y=True)
_errors = runtime.capi.onnxruntime_pybind11_state
FAILURE = (_errors.Fail, _errors.RuntimeException)  # which of them depends on the version
both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run(model, **inputs):
    return runtime.InferenceSession(model.SerializeToString()).run(None, inputs)


def assert_close(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def has_own_networks(estimator):
    return not isinstance(getattr(estimator, "encoder", None), BaseRecipe | None)


def is_plain(estimator):
    return has_engine(estimator) and not has_own_networks(estimator)


@both_precisions
@all_estimators(only=is_plain)
def test_each_way_through_a_model(estimator, dtype):
    model, rows = fitted(estimator), X.astype(dtype)
    Z = model.transform(rows)
    graphs = [getattr(skae.onnx, n)(model, dtype=dtype) for n in skae.onnx.__all__[:3]]
    decoder, encoder, reconstruct = graphs
    assert_close(run(encoder, X=rows)[0], Z)
    assert_close(run(encoder, X=rows[:1])[0], Z[:1])
    assert_close(run(decoder, Z=Z)[0], model.inverse_transform(Z))
    assert_close(run(reconstruct, X=rows)[0], model.reconstruct(rows))


@both_precisions
@all_estimators(only=lambda estimator: isinstance(estimator, GLGAE))
def test_a_map_has_a_way_back(estimator, dtype):
    model = fitted(estimator)
    Z = model.transform(X.astype(dtype))
    assert_close(run(skae.onnx.decoder(model, dtype=dtype), Z=Z)[0], model.inverse_transform(Z))
    for write in (skae.onnx.encoder, skae.onnx.reconstruct):
        with pytest.raises(ValueError, match=r"found by a search in GLGAE.*skae.onnx.decoder"):
            write(model)


@both_precisions
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation, dtype):
    x = np.linspace(-60, 60, 41, dtype=dtype)[:, None]
    g = Graph(dtype, 13)
    out = ACTIVATION_NODES[activation](g, g.input("x", ["n", 1]))
    (found,) = run(g.to_model(out, "out", 1), x=x)
    assert_close(found, ACTIVATIONS[activation](torch.from_numpy(x)).numpy())


def test_a_linear_path_and_columns_of_unit_norm():
    net = MLP(4, (5,), 3, linear_path=True, unit_norm=True, generator=torch.Generator())
    torch.nn.init.normal_(net.path.weight)
    g = Graph("float32", 13)
    out = network(g, net, g.input("x", ["n", 4]), 4)
    rows = X.astype("float32")
    assert_close(
        run(g.to_model(out, "out", 3), x=rows)[0], net(torch.from_numpy(rows)).detach().numpy()
    )


DATA = {"far": 1e6 + X, "in [0, 1]": X / 8}


def test_data_far_from_the_origin():
    model = Autoencoder(2, max_iter=2, random_state=0).fit(DATA["far"])
    rows = DATA["far"].astype("float32")
    assert_close(run(skae.onnx.encoder(model), X=rows)[0], model.transform(rows))
    assert_close(run(skae.onnx.reconstruct(model), X=rows)[0], model.reconstruct(rows))


@pytest.mark.filterwarnings("ignore::skae.exceptions.CollapseWarning")  # trained for two epochs
@pytest.mark.parametrize("cls", [Autoencoder, VAE])
def test_probabilities(cls):
    model = cls(2, likelihood="bernoulli", max_iter=2, random_state=0).fit(DATA["in [0, 1]"])
    rows = DATA["in [0, 1]"].astype("float32")
    assert_close(run(skae.onnx.reconstruct(model), X=rows)[0], model.reconstruct(rows))


# Values that are no numbers

NO_NUMBERS = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}


@both_precisions
@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
@all_estimators(only=is_plain)
def test_values_that_are_no_numbers_are_an_error(estimator, value, dtype):
    """NaN also where `transform` takes it: the completion is not written."""
    model, rows = fitted(estimator), X[:4].astype(dtype)
    Z = model.transform(rows)
    Z = Z.toarray() if sparse.issparse(Z) else Z.copy()
    rows[1, 2] = Z[1, 0] = value
    for write in (skae.onnx.encoder, skae.onnx.reconstruct):
        with pytest.raises(FAILURE, match="X_has_NaN_or_infinity"):
            run(write(model, dtype=dtype), X=rows)
    with pytest.raises(FAILURE, match="Z_has_NaN_or_infinity"):
        run(skae.onnx.decoder(model, dtype=dtype), Z=Z)


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_codes_of_a_map_that_are_no_numbers_are_an_error(value):
    written = skae.onnx.decoder(fitted(DEFAULTS["GLGAE"]))
    with pytest.raises(FAILURE, match="Z_has_NaN_or_infinity"):
        run(written, Z=np.full((3, 2), value, "float32"))


@pytest.mark.parametrize("name", ["VAE", "ConditionalVAE"])
def test_models_fitted_with_missing_values(name):
    rows = X.astype("float32")
    rows[::3, 1] = np.nan
    model = clone(DEFAULTS[name]).fit(rows)
    written = skae.onnx.encoder(model)
    with pytest.raises(FAILURE, match="X_has_NaN_or_infinity"):
        run(written, X=rows)
    whole = rows[~np.isnan(rows).any(axis=1)]
    assert_close(run(written, X=whole)[0], model.transform(whole))
    pipeline = make_pipeline(StandardScaler(), clone(DEFAULTS[name])).fit(rows)
    with pytest.raises(FAILURE, match="X_has_NaN_or_infinity"):
        run(skl2onnx.to_onnx(pipeline, rows[:1]), X=rows)


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_conditions_that_are_no_numbers_are_an_error(value):
    c, rows = X[:, :2].astype("float32"), X.astype("float32")
    beside = ConditionalVAE(2, max_iter=2, random_state=0).fit(rows, condition=c)
    within = ConditionalVAE(2, condition_features=[0, 1], max_iter=2, random_state=0).fit(rows)
    c[0, 1] = value
    Z = np.zeros((len(rows), 2), "float32")
    for written, inputs in (
        (skae.onnx.encoder(beside), {"X": rows}),
        (skae.onnx.reconstruct(beside), {"X": rows}),
        (skae.onnx.decoder(beside), {"Z": Z}),
        (skae.onnx.decoder(within), {"Z": Z}),
    ):
        with pytest.raises(FAILURE, match="condition_has_NaN_or_infinity"):
            run(written, condition=c, **inputs)
    rows[0, 1] = value
    with pytest.raises(FAILURE, match="X_has_NaN_or_infinity"):
        run(skae.onnx.encoder(within), X=rows)


def test_the_largest_numbers_are_numbers():
    model = Autoencoder(2, activation="tanh", max_iter=2, random_state=0).fit(X)
    rows = np.full((2, 4), np.finfo("float32").max)
    written = skae.onnx.encoder(model)
    assert len(run(written, X=rows)[0]) == 2
    assert run(written, X=rows[:0])[0].shape == (0, 2)


# Conditions

CONDITIONS = {
    "integers": y,
    "text": np.array(["a", "b", "c"])[y],
    "objects": np.array(["a", "b", "c"], object)[y],
    "booleans": y > 1,
    "numbers": X[:, :2].astype("float32"),
}


@pytest.mark.parametrize("kind", CONDITIONS)
def test_a_condition_is_a_second_input(kind):
    c, rows = CONDITIONS[kind], X[:, 2:].astype("float32")
    model = ConditionalVAE(2, max_iter=2, random_state=0).fit(rows, condition=c)
    Z = model.transform(rows, condition=c)
    given = c.astype(object) if c.dtype.kind == "U" else c
    assert_close(run(skae.onnx.encoder(model), X=rows, condition=given)[0], Z)
    back = model.inverse_transform(Z, condition=c)
    assert_close(run(skae.onnx.decoder(model), Z=Z, condition=given)[0], back)
    x_hat = model.reconstruct(rows, condition=c)
    assert_close(run(skae.onnx.reconstruct(model), X=rows, condition=given)[0], x_hat)
    with pytest.raises(ValueError, match="given beside X, and a pipeline in ONNX has no place"):
        skl2onnx.to_onnx(model, rows[:1])


def test_columns_of_X_are_the_condition():
    model = ConditionalVAE(2, condition_features=[2, 0], max_iter=2, random_state=0).fit(X)
    Z = model.transform(X)
    for write, inputs, expected in (
        (skae.onnx.encoder, {"X": X}, Z),
        (skae.onnx.reconstruct, {"X": X}, model.reconstruct(X)),
        (skae.onnx.decoder, {"Z": Z, "condition": X[:, [2, 0]]}, model.reconstruct(X)),
        (skl2onnx.to_onnx, {"X": X}, Z),
    ):
        to = {"X": X[:1]} if write is skl2onnx.to_onnx else {"dtype": "float64"}
        assert_close(run(write(model, **to), **inputs)[0], expected)


@pytest.mark.parametrize("kind", ["integers", "text", "objects", "booleans"])
def test_labels_that_fit_did_not_see_are_an_error_as_in_transform(kind):
    c = CONDITIONS[kind]
    seen, rows = c != c[-1], X.astype("float32")
    model = ConditionalVAE(2, max_iter=2, random_state=0).fit(rows[seen], condition=c[seen])
    with pytest.raises(ValueError, match="labels that fit did not see"):
        model.transform(rows, condition=c)
    Z, given = (
        model.transform(rows[seen], condition=c[seen]),
        c.astype(object if kind == "text" else c.dtype),
    )
    for write, inputs in (
        (skae.onnx.encoder, {"X": rows}),
        (skae.onnx.reconstruct, {"X": rows}),
        (skae.onnx.decoder, {"Z": np.zeros((len(rows), 2), "float32")}),
    ):
        with pytest.raises(FAILURE, match="condition_has_labels_that_fit_did_not_see"):
            run(write(model), condition=given, **inputs)
    written = skae.onnx.encoder(model)
    assert_close(run(written, X=rows[seen], condition=given[seen])[0], Z)


@pytest.mark.parametrize("opset", [13, 18, 19, 22])
@pytest.mark.parametrize("kind", ["integers", "text", "objects", "booleans", "numbers"])
def test_conditions_and_versions_of_operators(kind, opset):
    c, rows = CONDITIONS[kind], X.astype("float32")
    model = ConditionalVAE(2, max_iter=2, random_state=0).fit(rows, condition=c)
    if kind in ("text", "objects") and opset < 19:
        with pytest.raises(
            ValueError, match=r"text needs target_opset of at least 19.* Got 1[38]"
        ):
            skae.onnx.encoder(model, target_opset=opset)
        return
    written = skae.onnx.encoder(model, target_opset=opset)
    onnx.checker.check_model(written, full_check=True)
    given = c.astype(object) if c.dtype.kind == "U" else c
    assert_close(run(written, X=rows, condition=given)[0], model.transform(rows, condition=c))


def test_labels_that_onnx_does_not_know():
    dates = np.array(["2020", "2021", "2022"], "M8[Y]")[y]
    model = ConditionalVAE(2, max_iter=2, random_state=0).fit(X, condition=dates)
    with pytest.raises(ValueError, match=r"integers, booleans or text.*datetime64\[Y\]"):
        skae.onnx.encoder(model)


# Pipelines

PIPELINES = {
    "pipeline": lambda e: make_pipeline(StandardScaler(), e),
    "columns": lambda e: ColumnTransformer([("e", e, [0, 1, 2]), ("s", StandardScaler(), [3])]),
    "union": lambda e: FeatureUnion([("e", e), ("pca", PCA(2))]),
}


@pytest.mark.parametrize("kind", PIPELINES)
@pytest.mark.parametrize("name", [n for n, e in DEFAULTS.items() if has_engine(e)])
def test_pipelines_with_a_classifier(name, kind):
    estimator = clone(DEFAULTS[name]).set_params(hidden_layer_sizes=(8,))
    model = make_pipeline(PIPELINES[kind](estimator), LogisticRegression(max_iter=500)).fit(X, y)
    for rows in (X, X.astype("float32")):
        written = skl2onnx.to_onnx(model, rows[:1], options={"zipmap": False})
        labels, odds = run(written, X=rows)
        np.testing.assert_array_equal(labels, model.predict(rows))
        np.testing.assert_allclose(odds, model.predict_proba(rows), rtol=1e-5, atol=1e-5)


def test_rows_of_integers():
    rows = np.arange(40).reshape(10, 4)
    model = Autoencoder(2, max_iter=2, random_state=0).fit(rows)
    assert_close(run(skl2onnx.to_onnx(model, rows[:1]), X=rows)[0], model.transform(rows))


# What is not of skae


def test_a_network_of_one_s_own_in_a_pipeline():
    pytest.importorskip("onnxscript")
    own = Autoencoder(2, encoder=SmallEncoder, decoder=SmallDecoder, max_iter=2, random_state=0)
    model = make_pipeline(StandardScaler(), own, LogisticRegression()).fit(X, y)
    written = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False}, target_opset=20)
    labels, odds = run(written, X=X)
    np.testing.assert_array_equal(labels, model.predict(X))
    np.testing.assert_allclose(odds, model.predict_proba(X), rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="SmallDecoder goes through torch's exporter.* Got 17"):
        skae.onnx.decoder(own, target_opset=17)


class Shifted(Autoencoder):
    def transform(self, X):
        return super().transform(X) + 1


class Renamed(Autoencoder):
    """Nothing of its own but its defaults."""


def test_classes_of_one_s_own():
    model = Shifted(2, max_iter=2, random_state=0).fit(X)
    with pytest.raises(ValueError, match="Shifted defines transform itself"):
        skae.onnx.encoder(model)
    renamed = Renamed(2, max_iter=2, random_state=0).fit(X)
    skae.onnx.register(Renamed)
    assert_close(run(skl2onnx.to_onnx(renamed, X[:1]), X=X)[0], renamed.transform(X))


def test_mistakes():
    model = fitted(DEFAULTS["Autoencoder"])
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'. Got 'int8'"):
        skae.onnx.encoder(model, dtype="int8")
    newest = onnx.defs.onnx_opset_version()
    for write in (skae.onnx.encoder, skae.onnx.decoder, skae.onnx.reconstruct):
        for opset in (9, 12, newest + 1, 99, "20"):
            words = f"target_opset must be an integer from 13 to {newest}.* Got {opset!r}"
            with pytest.raises(ValueError, match=words):
                write(model, target_opset=opset)


@pytest.mark.parametrize("opset", range(13, 24))
def test_every_version_of_the_operators(opset):
    if opset > onnx.defs.onnx_opset_version():
        pytest.skip("this onnx is older")
    model, rows = fitted(DEFAULTS["VAE"]), X.astype("float32")
    written = skae.onnx.reconstruct(model, target_opset=opset)
    onnx.checker.check_model(written, full_check=True)
    assert written.opset_import[0].version == opset
    assert_close(run(written, X=rows)[0], model.reconstruct(rows))


def test_without_onnx(monkeypatch):
    monkeypatch.delitem(sys.modules, "skae.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"skae.onnx needs onnx and skl2onnx: .*skae\[onnx\]"):
        importlib.import_module("skae.onnx")


def test_constant_columns_of_a_density_stay_constant():
    rows = np.column_stack([X, np.full(len(X), 7.0)]).astype("float32")
    model = VAE(max_iter=2, random_state=0).fit(rows)
    found = run(skae.onnx.reconstruct(model), X=rows)[0]
    assert_close(found, model.reconstruct(rows))
    assert (found[:, 4] == 7).all()


@pytest.mark.parametrize("kind", ["alone", "pipeline", "columns"])
def test_an_imputer_is_refused_with_what_to_do(kind):
    holes = np.where(np.eye(*X.shape, dtype=bool), np.nan, X)
    imputer = Imputer(1, ridge=0.01)
    model = {
        "alone": imputer,
        "pipeline": make_pipeline(imputer, LogisticRegression(max_iter=500)),
        "columns": ColumnTransformer([("holes", imputer, [0, 1])]),
    }[kind].fit(holes, y)
    with pytest.raises(ValueError, match="ONNX has no Imputer of skae.*SimpleImputer"):
        skl2onnx.to_onnx(model, holes[:1].astype("float32"))
