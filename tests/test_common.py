"""Laws that hold for every estimator."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from estimators import (
    DEFAULTS,
    all_estimators,
    code_size,
    from_chance,
    has_engine,
    is_generative,
    main_estimators,
)
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from skae.metrics import explained_variance, mean_squared_reconstruction_error

X = load_iris().data
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


def codes_of_a_fit(estimator, X):
    return clone(estimator).fit(X).transform(X)


def smaller_than_float32(values):
    return 1e-4 * np.abs(values).max()


# What the methods return


@all_estimators()
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes(estimator, dtype):
    data = X.astype(dtype)
    ae = clone(estimator).fit(data)
    k = code_size(ae)
    Z = ae.transform(data)
    for array, shape, wanted in [
        (Z, (150, k), dtype),
        (ae.inverse_transform(Z), (150, 4), dtype),
        (ae.reconstruct(data), (150, 4), dtype),
        (ae.reconstruction_error(data), (150,), np.float64),
        (ae.score_samples(data), (150,), np.float64),
    ]:
        assert array.shape == shape
        assert array.dtype == wanted
    assert ae.sample(7).shape == (7, 4)
    assert isinstance(ae.score(data), float)


@all_estimators()
def test_methods_agree_with_each_other(estimator):
    ae = clone(estimator).fit(X)
    X_hat = ae.inverse_transform(ae.transform(X))
    error = ((X - X_hat) ** 2).sum(axis=1)
    np.testing.assert_allclose(ae.reconstruct(X), X_hat, rtol=1e-12)
    np.testing.assert_allclose(ae.reconstruction_error(X), error, rtol=1e-9)
    np.testing.assert_allclose(error.sum() / X.size, mean_squared_reconstruction_error(ae, X))
    np.testing.assert_allclose(ae.fit_transform(X), ae.transform(X))


@all_estimators(only=lambda estimator: not is_generative(estimator))
def test_deterministic_scores(estimator):
    ae = clone(estimator).fit(X)
    np.testing.assert_array_equal(ae.score_samples(X), -ae.reconstruction_error(X))
    np.testing.assert_allclose(ae.score(X), explained_variance(ae, X), rtol=1e-9)
    weights = np.arange(150.0)
    repeated = np.repeat(X, np.arange(150), axis=0)
    np.testing.assert_allclose(ae.score(X, sample_weight=weights), ae.score(repeated))


@all_estimators(only=is_generative)
def test_generative_scores(estimator):
    ae = clone(estimator).fit(X)
    scores = ae.score_samples(X)
    weights = np.arange(150.0)
    np.testing.assert_array_equal(scores, ae.score_samples(X))
    np.testing.assert_allclose(ae.score(X), scores.mean())
    np.testing.assert_allclose(ae.score(X, sample_weight=weights), weights @ scores / sum(weights))


@all_estimators(only=is_generative)
def test_likelihoods_are_in_the_user_s_units(estimator):
    """A power of two changes no digit of the model, and the density by its Jacobian."""
    ae, scaled = clone(estimator).fit(X), clone(estimator).fit(1024 * X)
    shift = -X.shape[1] * np.log(1024)
    np.testing.assert_allclose(scaled.score_samples(1024 * X), ae.score_samples(X) + shift)


@all_estimators()
def test_a_row_alone_is_as_good_as_in_a_batch(estimator):
    ae = clone(estimator).fit(X)
    for method in (ae.transform, ae.reconstruct, ae.score_samples):
        alone = np.concatenate([method(X[i : i + 1]) for i in range(5)])
        np.testing.assert_allclose(alone, method(X)[:5], rtol=1e-7, atol=1e-9)


@all_estimators(only=has_engine)
def test_history(estimator):
    ae = clone(estimator).fit(X)
    assert ae.n_iter_ == len(ae.loss_curve_) == len(ae.history_) <= estimator.max_iter
    for row in ae.history_:
        terms = [
            value
            for name, value in row.items()
            if name.startswith("train_")
            and name not in ("train_loss", "train_loss_best", "train_batch_count")
        ]
        np.testing.assert_allclose(sum(terms), row["train_loss"])
    assert (ae.validation_loss_curve_ is not None) == estimator.early_stopping


@all_estimators()
def test_samples_look_like_the_data(estimator):
    ae = clone(estimator).set_params(max_iter=40).fit(X)
    S = ae.sample(200)
    np.testing.assert_array_equal(S, ae.sample(200))
    np.testing.assert_array_equal(ae.sample(9, random_state=1), ae.sample(9, random_state=1))
    assert np.abs(ae.sample(9, random_state=1) - ae.sample(9, random_state=2)).max() > 0
    assert (np.abs(S.mean(axis=0) - X.mean(axis=0)) < 2 * X.std(axis=0)).all()


# Randomness, and the user's surroundings


@all_estimators()
def test_the_same_seed_gives_the_same_bits(estimator):
    once = codes_of_a_fit(estimator, X)
    np.testing.assert_array_equal(codes_of_a_fit(estimator, X), once)
    if getattr(estimator, "solver", None) == "batch":
        return  # nothing random, or little, in its fit
    textbook = from_chance(estimator)
    other = clone(textbook).set_params(random_state=1)
    assert np.abs(codes_of_a_fit(other, X) - codes_of_a_fit(textbook, X)).max() > 0


@every_class
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_same_bits_in_parallel(estimator, backend):
    seeds = [clone(estimator).set_params(random_state=seed) for seed in range(4)]
    alone = [codes_of_a_fit(seeded, X) for seeded in seeds]
    together = Parallel(n_jobs=2, backend=backend)(
        delayed(codes_of_a_fit)(seeded, X) for seeded in seeds
    )
    np.testing.assert_array_equal(together, alone)


@all_estimators()
def test_surroundings_are_left_as_they_were(estimator, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads(), torch.get_default_dtype()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    data = X.copy()

    for random_state in (0, None):
        ae = clone(estimator).set_params(random_state=random_state).fit(data)
        ae.sample(3)
        ae.__setstate__(ae.__getstate__())

    assert (torch.get_num_threads(), torch.get_default_dtype()) == before
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    np.testing.assert_array_equal(data, X)
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


@every_class
def test_another_default_dtype_changes_nothing(estimator):
    once = codes_of_a_fit(estimator, X)
    torch.set_default_dtype(torch.float64)
    try:
        np.testing.assert_array_equal(codes_of_a_fit(estimator, X), once)
    finally:
        torch.set_default_dtype(torch.float32)


# Training in parts


@all_estimators(only=lambda estimator: hasattr(estimator, "partial_fit"))
def test_partial_fit_goes_on(estimator):
    ae = clone(estimator)
    for _ in range(3):
        ae.partial_fit(X)
    assert ae.n_iter_ == 3
    ae.partial_fit(X[:1])
    assert np.isfinite(ae.transform(X)).all()
    with pytest.raises(ValueError, match="3 features"):
        ae.partial_fit(X[:, :3])


def test_partial_fit_and_early_stopping_exclude_each_other():
    from skae import Autoencoder

    assert not hasattr(Autoencoder(early_stopping=True), "partial_fit")


@all_estimators(exclude=["lbfgs"], only=has_engine)
@pytest.mark.parametrize("pickled", [False, True])
def test_warm_start_is_one_long_fit(estimator, pickled):
    steady = clone(estimator).set_params(
        learning_rate="constant", linear_path=False, early_stopping=False
    )
    if "revive" in steady.get_params():  # units are revived in the first part of each fit
        steady.set_params(revive=False)
    long = clone(steady).set_params(max_iter=4).fit(X)
    short = clone(steady).set_params(max_iter=2, warm_start=True).fit(X)
    if pickled:
        short.__setstate__(short.__getstate__())
    short.fit(X)
    assert short.loss_curve_ == long.loss_curve_
    np.testing.assert_array_equal(short.transform(X), long.transform(X))


# Data of every kind


def memmap(X, tmp_path, mode):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode=mode)


DATA = {
    "float16": X.astype(np.float16),
    "integers": (10 * X).astype(int),
    "booleans": X > X.mean(axis=0),
    "Fortran order": np.asfortranarray(X),
    "every other row": X[::2],
    "three rows": X[:3],
    "seventeen rows": X[:17],
    "constant columns": X * [1, 0, 1, 0] + [0, 3, 0, 0],
    "constant": np.full((20, 4), 7.0),
    "duplicates": np.repeat(X[:4], 10, axis=0),
    "scales 1e6 and 1e-6": X * [1e6, 1e-6, 1, 1],
    "far from the origin": X + 1e6,
    "huge": X * 1e6,
    "tiny": X * 1e-6,
    "list": X.tolist(),
    "CSR matrix": sparse.csr_matrix(X),
    "CSR array": sparse.csr_array(X),
}


# Where columns have nothing to do with each other, a model of their noise has no use for codes.
no_use_for_codes = pytest.mark.filterwarnings("ignore:The posterior has collapsed")


@no_use_for_codes
@main_estimators()
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_data_of_every_kind(estimator, data):
    ae = clone(estimator).fit(data)
    assert np.isfinite(ae.transform(data)).all()
    assert np.isfinite(ae.reconstruct(data)).all()
    assert np.isfinite(ae.score(data))
    assert ae.transform(data[:1]).shape == (1, code_size(ae))


@all_estimators(exclude=["lbfgs"])
@pytest.mark.parametrize("batch_size", [149, 1000, 1])
def test_batches_of_every_size(estimator, batch_size):
    ae = clone(estimator).set_params(batch_size=batch_size, max_iter=1).fit(X)
    assert np.isfinite(ae.transform(X)).all()


@all_estimators(exclude=["own template"])
def test_more_components_than_features_or_rows(estimator):
    ae = clone(estimator).set_params(n_components=9)
    assert ae.fit(X).transform(X).shape == (150, 9)
    assert ae.fit(X[:5]).transform(X).shape == (150, 9)


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


@all_estimators()
def test_sparse_equals_dense(estimator):
    # At PCA's solution gradients are zero up to rounding, which Adam divides by itself.
    textbook = from_chance(estimator)
    Z = codes_of_a_fit(textbook, X)
    np.testing.assert_allclose(
        codes_of_a_fit(textbook, sparse.csr_matrix(X)), Z, atol=smaller_than_float32(Z)
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


@main_estimators()
def test_bad_data_is_refused(estimator):
    ae = clone(estimator)
    for bad, words in [
        (np.where(X == X[0, 0], np.nan, X), "contains NaN"),
        (np.where(X == X[0, 0], np.inf, X), "infinity"),
        (X[:1], "minimum of 2 is required"),
        (X[:0], "0 sample"),
        (X[:, :0], "0 feature"),
        (X[0], "Expected 2D array, got 1D"),
        (X[None], r"the shape \(1, 150, 4\), instead: X.reshape\(len\(X\), -1\)"),
        (X + 1j, "Complex data not supported"),
        ([["a", "b"], ["c", "d"]], "could not convert string"),
    ]:
        with pytest.raises(ValueError, match=words):
            ae.fit(bad)
    assert not hasattr(ae, "net_")


@all_estimators()
def test_wrong_numbers_of_columns(estimator):
    ae = clone(estimator)
    for method in (ae.transform, ae.inverse_transform, ae.reconstruct, ae.score):
        with pytest.raises(NotFittedError):
            method(X)
    with pytest.raises(NotFittedError):
        ae.sample()
    ae.fit(X)
    for method in (ae.transform, ae.reconstruct, ae.score, ae.score_samples):
        with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4"):
            method(X[:, :3])
    with pytest.raises(ValueError, match="X has 7 features, but .*inverse_transform is expecting"):
        ae.inverse_transform(np.zeros((2, 7)))
    with pytest.raises(ValueError, match="n_samples"):
        ae.sample(0)


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


@every_class
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_cuda_is_a_clear_error(estimator):
    with pytest.raises(ValueError, match="device='cuda' was asked for"):
        clone(estimator).set_params(device="cuda").fit(X)


@all_estimators()
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_the_cpu(estimator):
    ae = clone(estimator).set_params(device="cuda").fit(X)
    assert ae.device_.startswith("cuda")
    if has_engine(ae):
        assert next(ae.module_.parameters()).is_cuda
    copy = clone(estimator)
    copy.__setstate__({**ae.__getstate__(), "device_": "cpu"})
    Z = ae.transform(X)
    np.testing.assert_allclose(copy.transform(X), Z, atol=smaller_than_float32(Z))


@every_class
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.zeros(150), "non-zero"),
        (-np.ones(150), "[Nn]egative"),
        (np.ones(149), "sample_weight.shape"),
    ],
)
def test_bad_weights(estimator, weights, words):
    with pytest.raises(ValueError, match=words):
        clone(estimator).fit(X, sample_weight=weights)


def test_no_estimator_is_forgotten():
    import skae

    public = {name for name in skae.__all__ if isinstance(getattr(skae, name), type)}
    assert public == set(DEFAULTS)
    assert Path(skae.__file__).name == "__init__.py"
