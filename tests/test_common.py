"""Laws that hold for every estimator."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from estimators import (
    DEFAULTS,
    MAIN,
    VARIANTS,
    all_estimators,
    code_size,
    has_engine,
    main_estimators,
)
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_iris

from skae.testing import autoencoder_checks_generator

X = load_iris().data
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)
# Where columns have nothing to do with each other, a model of their noise has no use for codes.
no_use_for_codes = pytest.mark.filterwarnings("ignore:The posterior has collapsed")
no_effect = pytest.mark.filterwarnings("ignore:Some parameters have no effect here. batch_size")


def codes_of_a_fit(estimator, X):
    return clone(estimator).fit(X).transform(X)


def smaller_than_float32(values):
    return 1e-4 * np.abs(values).max()


# The laws of `skae.testing`

# Many fits each: run over the main variants alone.
SLOW = {"check_arrays_of_every_kind", "check_bad_data", "check_few_and_constant_rows"}
# As scikit-learn's checks, each of which is a test of test_sklearn.py.
APART = {"check_scikit_learn_contract"}
# A line search leads astray where the start is the solution but for rounding.
MARKS = {"lbfgs": pytest.mark.filterwarnings("ignore::skae.exceptions.DivergenceWarning")}
LAWS = [
    pytest.param(estimator, check, id=f"{name}-{check.__name__}", marks=MARKS.get(name, ()))
    for name, estimator in {**DEFAULTS, **VARIANTS}.items()
    for estimator, check in autoencoder_checks_generator(estimator)
    if check.__name__ not in APART
    and (check.__name__ not in SLOW or name in DEFAULTS or name in MAIN)
]


@no_effect
@no_use_for_codes
@pytest.mark.parametrize(("estimator", "check"), LAWS)
def test_law(estimator, check):
    check(estimator)


# Randomness, and the user's surroundings


@pytest.mark.parametrize("backend", ["loky", pytest.param("threading", marks=pytest.mark.slow)])
def test_the_same_bits_in_parallel(backend):
    estimators = [clone(estimator).set_params(device="cpu") for estimator in DEFAULTS.values()]
    alone = [codes_of_a_fit(estimator, X) for estimator in estimators]
    together = Parallel(n_jobs=2, backend=backend)(
        delayed(codes_of_a_fit)(estimator, X) for estimator in estimators
    )
    for Z, same in zip(together, alone, strict=True):
        np.testing.assert_array_equal(Z, same)


@pytest.mark.filterwarnings("ignore:The loss became NaN")  # of LBFGS, from some seeds
@all_estimators()
def test_no_file_is_written_and_nothing_printed(estimator, tmp_path, monkeypatch, capfd):
    """Not by compiled code either."""
    monkeypatch.chdir(tmp_path)
    for random_state in (0, None):
        ae = clone(estimator).set_params(random_state=random_state).fit(X)
        ae.sample(3)
        ae.__setstate__(ae.__getstate__())
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


# Training in parts


def test_partial_fit_and_early_stopping_exclude_each_other():
    from skae import Autoencoder

    assert not hasattr(Autoencoder(early_stopping=True), "partial_fit")


# Data of every kind


def memmap(X, tmp_path, mode):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode=mode)


DATA = {
    "seventeen rows": X[:17],
    "scales 1e6 and 1e-6": X * [1e6, 1e-6, 1, 1],
    "far from the origin": X + 1e6,
    "huge": X * 1e6,
    "tiny": X * 1e-6,
}


@no_use_for_codes
@main_estimators()
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_data_of_every_size(estimator, data):
    ae = clone(estimator).fit(data)
    assert np.isfinite(ae.transform(data)).all()
    assert np.isfinite(ae.reconstruct(data)).all()
    assert np.isfinite(ae.score(data))
    assert ae.transform(data[:1]).shape == (1, code_size(ae))


@main_estimators()
@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memmaps(estimator, tmp_path, mode, dtype):
    data = memmap(X.astype(dtype), tmp_path, mode)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not writable")
        np.testing.assert_array_equal(
            codes_of_a_fit(estimator, data), codes_of_a_fit(estimator, X.astype(dtype))
        )


@every_class
def test_sources_of_batches_are_equal(estimator, tmp_path, monkeypatch):
    """Resident, shared with numpy, and read from disk batch by batch."""
    import skae.data.sources

    data = X.astype(np.float32)
    once = codes_of_a_fit(estimator, data)
    monkeypatch.setattr(skae.data.sources, "ZERO_COPY_BYTES", 0)
    np.testing.assert_array_equal(codes_of_a_fit(estimator, data), once)
    monkeypatch.setattr(skae.data.sources, "HOST_BYTES", 0)
    np.testing.assert_array_equal(codes_of_a_fit(estimator, memmap(data, tmp_path, "r")), once)


# Bad input: scikit-learn's words, before any training


@every_class
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_components", 0),
        ("n_components", 1.5),
        ("hidden_layer_sizes", (0,)),
        ("hidden_layer_sizes", 8.5),
        ("activation", "rectifier"),
        ("likelihood", "normal"),
        ("linear_path", "yes"),
        ("alpha", -1),
        ("dropout", 1.0),
        ("scaling", "minmax"),
        ("optimizer", "adamant"),
        ("learning_rate_init", 0),
        ("learning_rate", "falling"),
        ("batch_size", 0),
        ("max_iter", 0),
        ("tol", -1),
        ("n_iter_no_change", 0),
        ("validation_fraction", 1.0),
        ("callbacks", "EarlyStopping"),
        ("device", "abacus"),
        ("dtype", "float16"),
        ("random_state", "seed"),
    ],
)
def test_bad_parameters_are_named(estimator, parameter, value):
    if parameter not in estimator.get_params():
        pytest.skip("it has no such parameter")
    ae = clone(estimator).set_params(**{parameter: value})
    with pytest.raises(ValueError, match=parameter):
        ae.fit(X)
    assert not hasattr(ae, "net_")


def numbers_of(ae):
    """Return the fitted arrays of real numbers by name."""
    names = [name for name in dir(ae) if name.endswith("_") and not name.startswith("_")]
    arrays = {name: np.asarray(getattr(ae, name, None)) for name in names}
    return {name: a for name, a in arrays.items() if a.dtype.kind == "f" and a.ndim > 0}


@all_estimators()
@pytest.mark.parametrize("dtype", [np.float64, int])
def test_fitted_arrays_are_not_in_the_precision_of_the_network(estimator, dtype):
    """They are in double precision, or as `transform` returns codes, in that of X."""
    found = numbers_of(clone(estimator).fit(X.astype(dtype)))
    assert {name: a.dtype for name, a in found.items() if a.dtype != np.float64} == {}
    for name in {"components_", "embedding_"} & set(found):
        assert getattr(clone(estimator).fit(X.astype(np.float32)), name).dtype == np.float32


@every_class
@pytest.mark.skipif(torch.cuda.device_count() > 0, reason="there is a CUDA device")
def test_cuda_without_cuda_is_a_clear_error(estimator):
    with pytest.raises(ValueError, match="device='cuda' was asked for"):
        clone(estimator).set_params(device="cuda").fit(X)


@all_estimators()
@pytest.mark.gpu
def test_cuda_equals_the_cpu(estimator):
    ae = clone(estimator).set_params(device="cuda").fit(X)
    assert ae.device_.startswith("cuda")
    if has_engine(ae):
        assert next(ae.module_.parameters()).is_cuda
    copy = clone(estimator)
    copy.__setstate__({**ae.__getstate__(), "device_": "cpu"})
    Z = ae.transform(X)
    np.testing.assert_allclose(copy.transform(X), Z, atol=smaller_than_float32(Z))


def test_no_estimator_is_forgotten():
    import skae

    public = {name for name in skae.__all__ if isinstance(getattr(skae, name), type)}
    assert public - set(skae._BESIDE) == set(DEFAULTS)
    assert Path(skae.__file__).name == "__init__.py"
