"""What fitting and applying a model add to the memory that X takes; see `test_memory.py`."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from estimators import DEFAULTS, has_engine
from peaks import is_measurable, least_added_bytes
from scipy import sparse
from sklearn.base import clone

from skae import ConditionalVAE
from skae.fast import repeater

N, D = 120000, 200
needs_peaks = pytest.mark.skipif(not is_measurable(), reason="needs Linux's /proc and glibc")
# The others share its way to the rows, or take long.
FIRST = ("Autoencoder",)
every_class = pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(estimator, id=name, marks=() if name in FIRST else pytest.mark.slow)
        for name, estimator in DEFAULTS.items()
    ],
)
every_source = pytest.mark.parametrize(
    "name", ["Autoencoder", pytest.param("GLGAE", marks=pytest.mark.slow)]
)

# Models are small beside X, so that what is counted is about X.
SMALL = {
    "n_components": 2,
    "hidden_layer_sizes": 8,
    "n_nodes": 9,
    "max_encode_iter": 1,
    "batch_size": 200,
    "max_iter": 1,
}
WHOLE = 4 * N * D  # bytes of X in float32
# Half of the least that is forbidden, a copy of X, and more than twice what batches take, because
# what the heap adds to them varies by a third with what else the machine does. Exact figures:
# `benchmarks/memory.py --promises`.
BATCHES = WHOLE / 2


def small(estimator):
    """Return a small copy, after a fit that has loaded what a fit needs."""
    known = estimator.get_params()
    copy = clone(estimator).set_params(**{k: v for k, v in SMALL.items() if k in known})
    longer = {"max_iter": 1 + repeater.FEWEST_REPETITIONS // 4} if has_engine(copy) else {}
    few = np.random.default_rng(0).normal(size=(2000, D)).astype(np.float32)
    clone(copy).set_params(**longer).fit(few)
    return copy


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return np.tile(rng.standard_normal((N // 40, D), dtype=np.float32), (40, 1))


def adds_no_more_than(limit, function, *args, **kwargs):
    return least_added_bytes(limit, function, *args, **kwargs) < limit


@needs_peaks
@every_class
def test_fit_and_what_follows_copy_no_float32(estimator, X):
    model = small(estimator)
    assert adds_no_more_than(BATCHES, model.fit, X)
    Z = model.transform(X)
    draws = {"n_importance_samples": 1} if "VAE" in type(model).__name__ else {}
    assert adds_no_more_than(Z.nbytes + BATCHES, model.transform, X)
    assert adds_no_more_than(WHOLE + BATCHES, model.inverse_transform, Z)
    assert adds_no_more_than(BATCHES, model.score_samples, X, **draws)


@needs_peaks
@every_source
def test_fit_converts_float64_once(name, X):
    data = np.asfortranarray(X, np.float64) if name == "Autoencoder" else X.astype(np.float64)
    assert adds_no_more_than(WHOLE + BATCHES, small(DEFAULTS[name]).fit, data)


@needs_peaks
@every_source
def test_csr_is_never_dense(name, X):
    block = sparse.csr_matrix(X[: N // 40] * (X[: N // 40] > 2))
    data = sparse.vstack([block] * 40, format="csr")
    assert adds_no_more_than(BATCHES, small(DEFAULTS[name]).fit, data)


@needs_peaks
def test_read_only_memory_is_shared_and_validation_rows_are_not_copied(X):
    data = np.lib.stride_tricks.as_strided(X, writeable=False)
    estimator = small(DEFAULTS["Autoencoder"])
    estimator.set_params(early_stopping=True, validation_fraction=0.8)
    half = 0.8 * WHOLE / 2  # of what the validation rows would take
    assert adds_no_more_than(half, estimator.fit, data, sample_weight=np.ones(N))


@needs_peaks
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numbers", "columns"])
def test_conditions_are_put_beside_rows_batch_by_batch(kind, X):
    y = np.arange(N) % 3
    given = {
        "numbers": {"condition": y[:, None] / np.float32(3)},
        "columns": {},
    }[kind]
    columns = [3, 5] if kind == "columns" else None
    estimator = small(ConditionalVAE(random_state=0)).set_params(condition_features=columns)
    assert adds_no_more_than(BATCHES, estimator.fit, X, **given)
    assert adds_no_more_than(WHOLE + BATCHES, estimator.reconstruct, X, **given)


SCRIPT = """
    import resource
    import numpy as np
    from skae import Autoencoder
    from skae.data import sources
    from skae.fast import repeater

    sources.HOST_BYTES = 2**26
    X = np.load({path!r}, mmap_mode="r")
    model = Autoencoder(2, hidden_layer_sizes=8, batch_size=1000, random_state=0)
    model.set_params(max_iter=1 + repeater.FEWEST_REPETITIONS // 5).fit(X[:5000])
    model.set_params(max_iter=1)
    with open("/proc/self/status") as status:
        held = 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmData"))
    limit = held + X.nbytes // 2
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        X.copy()
    except MemoryError:
        model.fit(X).transform(X[:1000])
        print("trained")
"""


@needs_peaks
@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])  # shared; read batch by batch
def test_a_file_larger_than_the_memory_is_trained_on(dtype, tmp_path):
    path = tmp_path / "X.npy"
    n = int(1e8) // (D * np.dtype(dtype).itemsize)
    X = np.lib.format.open_memmap(path, "w+", dtype, (n, D))
    block = np.random.default_rng(0).normal(size=(5000, D))
    for start in range(0, n, len(block)):
        X[start : start + 5000] = block[: n - start]
    X.flush()
    script = textwrap.dedent(SCRIPT).format(path=str(path))
    exact = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**17)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=exact)
    assert run.stdout == "trained\n", run.stderr
