"""What must stay as it is, and what must change with it, when an input or a moment changes."""

import itertools
import pickle
import sys
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest
from cases import CONTAINERS, LAYOUTS, Case, Watch, has_condition, parameters, parameters_of
from estimators import DEFAULTS, all_estimators, code_size, from_chance, has_engine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from test_hostile import HOSTILE
from test_repeated_steps import assert_equal_models
from threadpoolctl import threadpool_limits

import skae
from skae.fast import repeater
from skae.training import interrupts

X, y = load_iris(return_X_y=True)
few = X[::4]
PACKAGE = str(Path(skae.__file__).parent)

every_class = pytest.mark.parametrize("name", DEFAULTS)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of k-means, behind `sample`, cost more than they give for few rows."""
    with threadpool_limits(1):
        yield


def small(name, **params):
    return Case(name, params).estimator()


def outputs(ae, X, **condition):
    """Return {method: array} of a fitted estimator."""
    Z = ae.transform(X, **condition)
    found = {
        "transform": Z,
        "inverse_transform": ae.inverse_transform(Z, **condition),
        "reconstruct": ae.reconstruct(X, **condition),
        "score_samples": ae.score_samples(X, **condition),
        "score": ae.score(X, **condition),
        "sample": ae.sample(5, random_state=0, **{k: v[:1] for k, v in condition.items()}),
    }
    if hasattr(ae, "score_field"):
        found["score_field"] = ae.score_field(X)
    return {k: v.toarray() if sparse.issparse(v) else np.asarray(v) for k, v in found.items()}


def different(some, others):
    """Return the names of the arrays that are not the same, bit for bit, or not in both."""
    common = some.keys() & others.keys()
    changed = [name for name in common if some[name].tobytes() != others[name].tobytes()]
    return sorted([*changed, *(some.keys() ^ others.keys())])


def assert_close(a, b, rtol):
    """Compare with a tolerance relative to the largest number."""
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max())


# Other data


@all_estimators(exclude=["unscaled", "own template", "clustered map"])  # k-means breaks ties
def test_a_shift_changes_nothing_but_the_place(estimator):
    near = np.round(X * 64) / 64  # for X + 32 to be exact
    textbook = from_chance(estimator)  # at PCA's solution Adam divides rounding by itself
    if "dtype" in textbook.get_params():
        textbook.set_params(dtype="float64")
    ae, shifted = clone(textbook).fit(near), clone(textbook).fit(near + 32)
    assert_close(shifted.transform(near + 32), ae.transform(near), 1e-6)
    assert_close(shifted.reconstruct(near + 32) - 32, ae.reconstruct(near), 1e-6)
    drawn = hasattr(ae, "elbo_decomposition")  # by the digits of a row, which a shift changes
    many = {"n_importance_samples": 256} if drawn else {}
    scores, others = ae.score_samples(near, **many), shifted.score_samples(near + 32, **many)
    assert others.mean() == pytest.approx(scores.mean(), rel=2e-2 if drawn else 1e-6)
    if not drawn:
        assert shifted.score(near + 32) == pytest.approx(ae.score(near), rel=1e-6)


@every_class
def test_a_weight_is_a_number_of_rows(name):
    """In double precision and whole batches, where no row has draws of its own."""
    counts = np.random.default_rng(0).integers(0, 4, len(few))
    repeated = few.repeat(counts, axis=0)
    ae = from_chance(small(name, dtype="float64", batch_size=1000))
    if name == "SparseAutoencoder":
        ae.set_params(revive=False)  # which draws rows
    if name in ("AdversarialAutoencoder", "ConditionalVAE", "DenoisingAutoencoder", "VAE"):
        # Rows have draws of their own: only the start can be the same.
        ae = small(name, dtype="float64", batch_size=1000, linear_path=True)
        ae.set_params(max_iter=1, learning_rate_init=1e-15)
    weighted = clone(ae).fit(few, sample_weight=counts)
    assert_close(weighted.transform(few), clone(ae).fit(repeated).transform(few), 1e-6)


@every_class
@pytest.mark.parametrize("layout", [*LAYOUTS, "another byte order"])
def test_the_layout_of_an_array_changes_no_digit(name, layout):
    swapped = X.astype(X.dtype.newbyteorder())
    data = swapped if layout == "another byte order" else LAYOUTS[layout](X)
    ae, plain = small(name).fit(data), small(name).fit(X)
    assert different(outputs(ae, data), outputs(plain, X)) == []


@every_class
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_fitted_model_sees_no_containers(name, container):
    data = CONTAINERS[container](X)
    ae = small(name).fit(data)
    found = [outputs(ae, table) for table in (data, _with_names_of(ae, X))]
    assert different(*found) == []


def _with_names_of(ae, X):
    return CONTAINERS["DataFrame"](X) if hasattr(ae, "feature_names_in_") else X


@all_estimators()
def test_precisions_see_the_same_model(estimator):
    data = X.astype(np.float32)
    ae = clone(estimator).fit(data)
    rtol = 1e-4 if has_engine(ae) else 2e-3  # a map's codes are where it is flat
    for method in (ae.transform, ae.reconstruct):
        assert_close(method(data), method(data.astype(np.float64)), rtol)
    assert ae.score(data) == pytest.approx(ae.score(data.astype(np.float64)), rel=1e-3, abs=1e-3)
    again = clone(estimator).fit(data.astype(np.float64))
    np.testing.assert_allclose(again.mean_, ae.mean_, rtol=1e-12)
    np.testing.assert_allclose(again.scale_, ae.scale_, rtol=1e-12)


# Another moment


@every_class
def test_a_clone_of_a_fitted_estimator_is_new(name):
    ae = small(name).fit(X)
    ae.sample()
    copy = clone(ae)
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    assert vars(copy).keys() == vars(small(name)).keys()
    assert different(outputs(copy.fit(X), X), outputs(ae, X)) == []


@every_class
def test_a_pickle_goes_on_as_the_original(name):
    def train(pickled):
        ae = small(name)
        for start in range(0, 150, 50):
            ae.partial_fit(X[start : start + 50])
            ae = pickle.loads(pickle.dumps(ae)) if pickled else ae
        return ae

    kept, pickled = train(False), train(True)
    assert different(outputs(pickled, X), outputs(kept, X)) == []


@every_class
def test_what_is_set_after_a_fit_waits_for_the_next(name):
    """No parameter set to another value changes what a fitted model gives, pickled or not."""
    fitted = small(name).fit(few)
    dumped, expected = pickle.dumps(fitted), outputs(fitted, few)
    for parameter, value in _other_values(fitted, name):
        ae = pickle.loads(dumped).set_params(**{parameter: value})
        changed = different(outputs(ae, few), expected)
        changed += [f"{m} of the pickle" for m in different(outputs(_copy(ae), few), expected)]
        assert changed == [], f"{parameter}={value!r}"


def _copy(ae):
    return pickle.loads(pickle.dumps(ae))


def _other_values(ae, name):
    """Yield each parameter with another valid value, of those that pickle."""
    for parameter, values in parameters_of(name).items():
        current = repr(ae.get_params()[parameter])
        others = [value for value in values if repr(value) != current]
        yield parameter, others[-1]


@every_class
def test_eight_threads_fit_as_one(name):
    expected = outputs(small(name).fit(few), few)
    with futures.ThreadPoolExecutor(8) as pool:
        fits = [pool.submit(lambda: outputs(small(name).fit(few), few)) for _ in range(8)]
        assert [different(fit.result(), expected) for fit in fits] == 8 * [[]]


# Another path


def _configurations(name):
    """Draw parameters with which rounding stays rounding."""
    return st.tuples(st.just(name), parameters(name)).filter(
        lambda drawn: (
            drawn[1].get("learning_rate_init", 0) <= 0.05
            and not {"callbacks", "dtype", "device"} & drawn[1].keys()
        )
    )


@settings(HOSTILE, max_examples=14)
@given(st.sampled_from([n for n in DEFAULTS if has_engine(DEFAULTS[n])]).flatmap(_configurations))
def test_repeated_steps_are_eager_steps(configuration):
    name, params = configuration
    unit = (few - few.min()) / np.ptp(few)  # in reach of every likelihood and activation
    ae = from_chance(small(name, **params)).set_params(dtype="float64")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeater, "FEWEST_REPETITIONS", 0)
        try:
            fast = clone(ae).fit(unit)
        except ValueError:
            assume(False)
    eager = clone(ae).set_params(callbacks=[Watch()]).fit(unit)
    assert eager.net_._repeater is None
    assert_equal_models(fast, eager, rtol=1e-6)


# An interrupt


class Interrupted(Exception):
    """What a test injects, when it is not a KeyboardInterrupt."""


def lines_of(function, at=None, error=KeyboardInterrupt):
    """Run a function; count the lines of the package, or raise an error at one of them.

    The lines that count threads and give them back are left alone: an error there is one between
    two lines of a ``finally``.
    """
    counter = itertools.count(1)

    def trace_lines(frame, event, arg):
        if event == "line" and next(counter) == at:
            raise error
        return trace_lines

    def trace(frame, event, arg):
        file = frame.f_code.co_filename
        ours = file.startswith(PACKAGE) and not file.endswith("threads.py")
        return trace_lines if ours else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return next(counter) - 1


def moments(function, n_moments, seed):
    """Return some of the lines at which a call may be interrupted, the first and the last too."""
    n_lines = lines_of(function)
    chosen = np.random.default_rng(seed).integers(2, n_lines, n_moments - 2)
    return [1, *sorted(chosen.tolist()), n_lines]


def interrupt(function, at, error):
    try:
        lines_of(function, at, error)
    except error:
        return


def is_fitted(ae):
    try:
        check_is_fitted(ae)
    except NotFittedError:
        return False
    return True


def assert_whole(ae, X):
    """Every part of a fitted estimator is of one and the same fit."""
    found = outputs(ae, X)
    assert found["transform"].shape == (len(X), code_size(ae))
    assert found["sample"].shape == (5, X.shape[1])
    assert ae.n_features_in_ == X.shape[1] == len(ae.mean_)
    assert [name for name, array in found.items() if not np.isfinite(array).all()] == []
    if has_engine(ae):
        assert ae.n_iter_ == len(ae.loss_curve_)
    assert different(outputs(_copy(ae), X), found) == []


errors = pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
said = pytest.mark.filterwarnings("ignore::skae.exceptions.InterruptionWarning")


@pytest.fixture
def _in_no_hurry(monkeypatch):
    """No interrupt is the second one of an impatient user."""
    monkeypatch.setattr(interrupts, "SOON", 0)


in_no_hurry = pytest.mark.usefixtures("_in_no_hurry")


@every_class
@errors
@said
@in_no_hurry
def test_an_interrupted_fit_is_none_or_a_whole_one(name, error):
    quick = small(name, max_iter=2)
    expected = outputs(clone(quick).fit(few), few)
    for at in moments(lambda: clone(quick).fit(few), 8, seed=len(name)):
        ae = clone(quick)
        interrupt(lambda ae=ae: ae.fit(few), at, error)
        if is_fitted(ae):
            assert_whole(ae, few)
        assert different(outputs(ae.fit(few), few), expected) == [], f"line {at}"


@every_class
@errors
@said
@in_no_hurry
def test_an_interrupted_refit_is_the_last_fit_or_a_whole_one(name, error):
    """Refitted to other columns, with a code of another size."""
    ae = small(name, max_iter=2).fit(few)
    dumped, expected, other = pickle.dumps(ae), outputs(ae, few), few[::-1, :3].copy()

    def refit(ae):
        ae.set_params(n_components=1).fit(other)

    for at in moments(lambda: refit(pickle.loads(dumped)), 10, seed=len(name)):
        ae = pickle.loads(dumped)
        interrupt(lambda ae=ae: refit(ae), at, error)
        assert is_fitted(ae), f"line {at}"
        if ae.n_features_in_ == 3:
            assert_whole(ae, other)
        else:
            assert different(outputs(ae, few), expected) == [], f"line {at}"


@pytest.mark.parametrize("name", [name for name in DEFAULTS if has_condition(name)])
def test_a_refused_condition_changes_nothing(name):
    labels = y[::4]
    ae = small(name).fit(few, condition=labels)
    expected = outputs(ae, few, condition=labels)
    for bad in (labels[:-1], labels + 0.5, np.where(labels == 0, np.nan, labels)):
        with pytest.raises(ValueError, match="condition"):
            ae.fit(few, condition=bad)
        assert different(outputs(ae, few, condition=labels), expected) == []
    assert ae.condition_classes_.tolist() == [0, 1, 2]
