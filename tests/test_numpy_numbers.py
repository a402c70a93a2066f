"""Parameters that are numbers of numpy, short ones too: the same model as with Python's."""

import inspect
import pickle

import numpy as np
import pytest
from estimators import DEFAULTS, VARIANTS, fitted
from sklearn.base import clone
from sklearn.datasets import load_iris

from skae import AdversarialAutoencoder, Autoencoder, ConditionalVAE, Imputer
from skae.estimator.recipes import BaseRecipe
from skae.networks import Conv

X = load_iris().data
INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
REALS = ("float16", "float32", "float64")


def as_numpy(value, integer, real):
    """Return a parameter with numpy's numbers and text in place of Python's, where they fit."""
    if isinstance(value, (tuple, list)):
        return type(value)(as_numpy(entry, integer, real) for entry in value)
    if isinstance(value, BaseRecipe):
        return clone(value).set_params(**as_numpy_all(value, integer, real))
    for kind, of_numpy in ((bool, "?"), (int, integer), (float, real), (str, np.str_)):
        if isinstance(value, kind):
            fits = kind is not int or value <= np.iinfo(integer).max
            return np.dtype(of_numpy).type(value) if fits else value
    return value


def as_numpy_all(estimator, integer, real, **others):
    params = {**estimator.get_params(deep=False), **others}
    return {name: as_numpy(value, integer, real) for name, value in params.items()}


def as_python(value):
    if isinstance(value, (tuple, list)):
        return type(value)(map(as_python, value))
    if isinstance(value, BaseRecipe):
        params = value.get_params(deep=False).items()
        return clone(value).set_params(**{name: as_python(v) for name, v in params})
    return value.item() if isinstance(value, np.generic) else value


def outputs(model):
    yield from (model.transform(X), model.sample(5), model.reconstruct(X), model.score(X))
    yield model.interpolate(X[0], X[1])


CASES = [(name, integer, "float16") for name in DEFAULTS for integer in INTEGERS]
CASES += [(name, "int8", real) for name in DEFAULTS for real in REALS[1:]]
CASES += [(name, "int8", "float32") for name in VARIANTS]


@pytest.mark.filterwarnings("ignore:Some parameters have no effect")  # 0.1 is another number
@pytest.mark.parametrize(("name", "integer", "real"), CASES, ids=map("-".join, CASES))
def test_all_parameters(name, integer, real):
    estimator = clone({**DEFAULTS, **VARIANTS}[name])
    given = as_numpy_all(estimator, integer, real, max_iter=2)
    model = clone(estimator).set_params(**given).fit(X)
    expected = clone(estimator).set_params(**{n: as_python(v) for n, v in given.items()}).fit(X)
    for found, wanted in zip(outputs(model), outputs(expected), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert all(getattr(model, name) is value for name, value in given.items())
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(X), expected.transform(X))


@pytest.mark.parametrize("sizes", [[64, 3], (64, 3), [64]], ids=str)
@pytest.mark.parametrize("name", ["hidden_layer_sizes", "discriminator_layer_sizes"])
def test_arrays_of_sizes(name, sizes):
    """Products of short widths overflow, a sum of parameters too."""
    models = [
        AdversarialAutoencoder(2, max_iter=1, random_state=0, **{name: given}).fit(X)
        for given in (sizes, np.array(sizes, np.int8))
    ]
    np.testing.assert_array_equal(*(model.transform(X) for model in models))


@pytest.mark.parametrize("integer", INTEGERS)
@pytest.mark.parametrize("name", DEFAULTS)
def test_arguments_of_methods(name, integer):
    model, number = fitted(DEFAULTS[name]), np.dtype(integer).type
    calls = {
        "sample": {"n_samples": 100, "random_state": 0},
        "sample_prior": {"n_samples": 100, "random_state": 0},
        "interpolate": {"x0": X[0], "x1": X[1], "n_steps": 100},
        "score_samples": {"X": X, "n_importance_samples": 100},
        "posterior_predictive": {"X": X, "n_draws": 100},
        "tangent_directions": {"X": X, "n_directions": 1},
    }
    for method, arguments in calls.items():
        call = getattr(model, method, None)
        if call is None or not arguments.keys() <= inspect.signature(call).parameters.keys():
            continue
        short = {n: number(v) if isinstance(v, int) else v for n, v in arguments.items()}
        for found, expected in zip(
            _as_tuple(call(**short)), _as_tuple(call(**arguments)), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def _as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("integer", INTEGERS)
def test_draws_for_many_labels(integer):
    labels = np.arange(150) % 10
    model = ConditionalVAE(2, max_iter=1, random_state=0).fit(X, condition=labels)
    drawn = model.sample(np.dtype(integer).type(100), condition=range(10))
    np.testing.assert_array_equal(drawn, model.sample(100, condition=range(10)))


def test_chain_of_a_denoising_autoencoder():
    model = fitted(DEFAULTS["DenoisingAutoencoder"])
    drawn = model.sample(np.int8(100), codes="chain", n_steps=np.int8(3))
    np.testing.assert_array_equal(drawn, model.sample(100, codes="chain", n_steps=3))


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("integer", INTEGERS)
def test_imputer(integer, real):
    rows = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    given = as_numpy_all(Imputer(2), integer, real, max_iter=100, random_state=0)
    python = {name: as_python(value) for name, value in given.items()}
    found, expected = (Imputer(**params).fit(rows) for params in (given, python))
    np.testing.assert_array_equal(found.transform(rows), expected.transform(rows))
    draws = [
        found.impute(rows, n_draws=n, random_state=0) for n in (np.dtype(integer).type(100), 100)
    ]
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize("integer", INTEGERS)
def test_images(integer):
    """Products of heights, widths and channels overflow."""
    images = np.random.default_rng(0).random((20, 256))
    python = {"image_shape": (16, 16), "channels": (16, 32), "n_blocks": 1}
    recipes = Conv(**python), Conv(**{n: as_numpy(v, integer, None) for n, v in python.items()})
    models = [Autoencoder(2, encoder=r, max_iter=1, random_state=0).fit(images) for r in recipes]
    np.testing.assert_array_equal(*(model.transform(images) for model in models))
