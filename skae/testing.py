"""Laws that every autoencoder keeps, as checks to run on a variant of your own.

`check_autoencoder` runs them all. `autoencoder_checks_generator` yields them one by one, for a
test of each law, as `sklearn.utils.estimator_checks.estimator_checks_generator` does with
scikit-learn's. They need no test framework: a law that does not hold is an ``AssertionError`` that
names the law, what was expected and what came.

The checks fit clones of the estimator, for a few epochs, to 120 random rows of four features
between 0 and 1, which every likelihood and activation can reach. They pass X alone: an estimator
that cannot do without more, a condition say, is not for them.
"""

import contextlib
import functools
import inspect
import io
import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from . import exceptions
from .metrics import explained_variance, mean_squared_reconstruction_error

__all__ = ["autoencoder_checks_generator", "check_autoencoder"]

Array = npt.NDArray[Any]
Check = Callable[[Any], None]

N_EPOCHS = 4  # of each fit: the laws hold from the first epoch on
N_EPOCHS_OF_SAMPLES = 40  # samples are as good as the model

# With float32 and batches, a row of weight 2 and a row given twice differ by more than rounding.
EXPECTED_OF_SCIKIT_LEARN = {
    "check_sample_weight_equivalence_on_dense_data": "float32 and batches: rounding differs",
    "check_sample_weight_equivalence_on_sparse_data": "float32 and batches: rounding differs",
}


def check_autoencoder(estimator: Any) -> None:
    """Check that an estimator keeps the laws of autoencoders, and scikit-learn's contract.

    Warnings of skae are not shown meanwhile: the fits are too short for them to mean much.

    Parameters
    ----------
    estimator : object
        An instance, fitted or not; it is cloned. Fits take four epochs at most, and 0 stands in
        for ``random_state=None``.

    Raises
    ------
    AssertionError
        If a law does not hold; the message names it.
    TypeError
        If a class is given.

    See Also
    --------
    autoencoder_checks_generator : The same checks, one by one.
    sklearn.utils.estimator_checks.check_estimator : Scikit-learn's checks, which are among them.

    Examples
    --------
    >>> from skae import Autoencoder
    >>> from skae.testing import check_autoencoder
    >>> class Squashed(Autoencoder):
    ...     def transform(self, X):
    ...         return super().transform(X).clip(-1, 1)
    >>> check_autoencoder(Squashed())
    Traceback (most recent call last):
    ...
    AssertionError: Squashed breaks the law of check_methods_agree. ...
    """
    with warnings.catch_warnings():
        for name in exceptions.__all__:
            warnings.simplefilter("ignore", getattr(exceptions, name))
        for subject, check in autoencoder_checks_generator(estimator):
            check(subject)


def autoencoder_checks_generator(estimator: Any) -> Iterator[tuple[Any, Check]]:
    """Yield the laws that hold for an estimator, as pairs of the estimator and a check.

    Parameters
    ----------
    estimator : object
        An instance, fitted or not.

    Yields
    ------
    estimator : object
        The estimator given.

    check : callable
        To be called with the estimator; it returns nothing, or raises an ``AssertionError``. Its
        ``__name__`` is that of the law, its docstring says it in words.

    Raises
    ------
    TypeError
        If a class is given.

    See Also
    --------
    check_autoencoder : Run them all.

    Examples
    --------
    With pytest, a test for each law:

    >>> import pytest
    >>> from skae import Autoencoder
    >>> from skae.testing import autoencoder_checks_generator
    >>> @pytest.mark.parametrize(
    ...     ("estimator", "check"), autoencoder_checks_generator(Autoencoder(2))
    ... )
    ... def test_my_autoencoder(estimator, check):
    ...     check(estimator)

    The laws by name:

    >>> names = [check.__name__ for _, check in autoencoder_checks_generator(Autoencoder(2))]
    >>> names[:2]
    ['check_shapes_and_dtypes', 'check_methods_agree']
    """
    if isinstance(estimator, type):
        raise TypeError(
            f"Checks are for instances. Got the class {estimator.__name__}: pass "
            f"{estimator.__name__}() instead."
        )
    for check in _yield_checks(estimator):
        yield estimator, _to_law(check)


def _yield_checks(estimator: Any) -> Iterator[Check]:
    yield check_shapes_and_dtypes
    yield check_methods_agree
    yield check_rows_are_independent
    yield check_interpolation
    yield check_units_cancel
    if _is_density(estimator):
        yield check_score_is_the_mean_log_likelihood
        yield check_likelihood_is_in_units_of_X
    else:
        yield check_score_is_the_explained_variance
    yield check_samples_look_like_the_data
    yield check_samples_follow_random_state
    yield from _yield_checks_of_fits(estimator)
    yield from _yield_checks_of_data(estimator)
    yield check_pickle_and_clone
    if hasattr(estimator, "forget_rows"):
        yield check_forget_rows
    yield check_scikit_learn_contract


def _yield_checks_of_fits(estimator: Any) -> Iterator[Check]:
    yield check_same_seed_same_codes
    if _is_trained_by_gradients(estimator):
        yield check_other_seed_other_codes
        yield check_history
        if _has_named_optimizer(estimator):
            yield check_warm_start
    yield check_threads
    yield check_surroundings
    if not _brings_code(estimator):
        yield check_default_dtype
    if hasattr(estimator, "partial_fit"):
        yield check_partial_fit


def _yield_checks_of_data(estimator: Any) -> Iterator[Check]:
    yield check_arrays_of_every_kind
    yield check_few_and_constant_rows
    yield check_sparse_equals_dense
    if _has_parameter(estimator, "batch_size") and _has_named_optimizer(estimator):
        yield check_batches_of_every_size
    if _has_parameter(estimator, "n_components") and not _brings_a_network(estimator):
        yield check_wide_codes
    yield check_bad_data
    yield check_bad_weights
    yield check_wrong_columns
    yield check_refused_refit


def _to_law(check: Check) -> Check:
    """Return a check that starts from a quick clone, and names itself where it fails."""

    @functools.wraps(check)
    def law(estimator: Any) -> None:
        try:
            with threadpool_limits(1):  # threads cost more than they give, for few rows
                check(_quick(estimator))
        except Exception as error:
            said = error if isinstance(error, AssertionError) else f"Got {error!r}."
            raise AssertionError(
                f"{type(estimator).__name__} breaks the law of {check.__name__}. "
                f"{(check.__doc__ or '').splitlines()[0]}\n{said}"
            ) from error

    return law


# What is known of an estimator before it is fitted


def _has_parameter(estimator: Any, name: str) -> bool:
    return name in estimator.get_params(deep=False)


def _is_density(estimator: Any) -> bool:
    """Whether its score is a log-likelihood: samples then have noise, which can be left out."""
    return "observation_noise" in inspect.signature(estimator.sample).parameters


def _is_trained_by_gradients(estimator: Any) -> bool:
    """Whether it has networks, epochs and a history."""
    return hasattr(type(estimator), "module_")


def _has_named_optimizer(estimator: Any) -> bool:
    """Whether no optimizer of the user's is to be trusted with small batches, or to go on."""
    return not callable(estimator.get_params(deep=False).get("optimizer"))


def _brings_code(estimator: Any) -> bool:
    """Whether some parameter is a function or a network, which may do what it likes."""
    return any(callable(value) for value in estimator.get_params(deep=False).values())


def _brings_a_network(estimator: Any) -> bool:
    """Whether some parameter is a network, whose sizes are fixed."""
    params = estimator.get_params(deep=False)
    return any(isinstance(value, torch.nn.Module) for value in params.values())


# Fits


def _make_rows() -> Array:
    """Return rows near a bent sheet."""
    rng = np.random.RandomState(0)
    t = rng.normal(size=(120, 2))
    bent = np.column_stack([t, t[:, 0] ** 2, t.prod(axis=1)])
    noisy = bent + 0.1 * rng.normal(size=bent.shape)
    return 0.05 + 0.9 * (noisy - noisy.min(axis=0)) / np.ptp(noisy, axis=0)


X = _make_rows()


def _set(estimator: Any, **params: Any) -> Any:
    """Return a clone with those of the parameters that it has."""
    known = {name: value for name, value in params.items() if _has_parameter(estimator, name)}
    return clone(estimator).set_params(**known)


def _quick(estimator: Any) -> Any:
    quick = _set(estimator, verbose=False)
    if _has_parameter(quick, "max_iter"):
        few = isinstance(quick.max_iter, Integral) and quick.max_iter <= N_EPOCHS
        quick.set_params(max_iter=quick.max_iter if few else N_EPOCHS)
    if _has_parameter(quick, "random_state") and quick.random_state is None:
        quick.set_params(random_state=0)
    return quick


def _from_chance(estimator: Any) -> Any:
    """Return a clone that starts at random, where there is a choice.

    At PCA's solution gradients are zero but for rounding, which Adam divides by itself.
    """
    return _set(estimator, linear_path=False)


def _fit(estimator: Any, rows: Any = X) -> Any:
    return clone(estimator).fit(rows)


def _codes_of_a_fit(estimator: Any, rows: Any = X) -> Array:
    return _dense(_fit(estimator, rows).transform(rows))


def _size_of_code(fitted: Any) -> int:
    return len(fitted.get_feature_names_out())


def _outputs(fitted: Any, rows: Array = X) -> dict[str, Array]:
    """Return {method: what it gives}, of the methods that depend on nothing but the model."""
    names = ("transform", "reconstruct", "reconstruction_error", "score_samples", "score")
    return {name: _dense(getattr(fitted, name)(rows)) for name in names}


# What is demanded of them


def _dense(array: Any) -> Array:
    return np.asarray(array.toarray() if sparse.issparse(array) else array)


def _demand(holds: Any, expected: str, found: Any) -> None:
    if not holds:
        raise AssertionError(f"Expected {expected}. Got {found}.")


def _demand_close(
    found: Any, wanted: Any, what: str, rtol: float = 1e-7, atol: float = 0.0
) -> None:
    """Compare numbers, NaN with NaN; `what` is what is found and what it should be equal to."""
    found, wanted = _dense(found), _dense(wanted)
    _demand(found.shape == wanted.shape, f"{what}, of shape {wanted.shape}", found.shape)
    close = np.isclose(found, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if not close.all():
        worst = np.unravel_index(np.argmin(close), close.shape)
        n_bad, place = int((~close).sum()), f" at {tuple(map(int, worst))}" if worst else ""
        expected = f"{what}: {wanted[worst]!s}{place}"
        _demand(False, expected, f"{found[worst]!s}; {n_bad} of {close.size} numbers differ")


def _demand_equal(found: Any, wanted: Any, what: str) -> None:
    _demand_close(found, wanted, what, rtol=0)


def _demand_near(found: Any, wanted: Any, what: str, rtol: float) -> None:
    """Compare with a tolerance relative to the largest number."""
    _demand_close(found, wanted, what, rtol=0, atol=rtol * np.abs(_dense(wanted)).max())


def _demand_same_outputs(found: dict[str, Array], wanted: dict[str, Array], what: str) -> None:
    for name, array in wanted.items():
        _demand_equal(found[name], array, f"{name} {what}")


def _demand_different(one: Any, other: Any, what: str) -> None:
    _demand(np.abs(_dense(one) - _dense(other)).max() > 0, what, "the same, bit for bit")


def _demand_finite(array: Any, what: str) -> None:
    array = _dense(array)
    n_bad = int((~np.isfinite(array)).sum())
    _demand(n_bad == 0, f"finite numbers from {what}", f"{n_bad} of {array.size} that are not")


def _demand_error(
    words: str, call: Callable[..., Any], *args: Any, kind: type[Exception] = ValueError, **kw: Any
) -> None:
    """Demand an error of a kind, in whose message the regular expression `words` is found."""
    expected = f"a {kind.__name__} from {call.__name__}, with the words {words!r}"
    try:
        call(*args, **kw)
    except kind as error:
        _demand(re.search(words, str(error)), expected, f"the words {str(error)!r}")
    else:
        _demand(False, expected, "no error")


# Laws: what the methods return


def check_shapes_and_dtypes(estimator: Any) -> None:
    """Codes and rows have the precision of X, errors and scores of rows that of float64."""
    for dtype in (np.float32, np.float64):
        rows = X.astype(dtype)
        ae = _fit(estimator, rows)
        Z = ae.transform(rows)
        _demand_array(Z, (120, _size_of_code(ae)), dtype, "transform")
        _demand_array(ae.inverse_transform(Z), (120, 4), dtype, "inverse_transform")
        _demand_array(ae.reconstruct(rows), (120, 4), dtype, "reconstruct")
        _demand_array(ae.reconstruction_error(rows), (120,), np.float64, "reconstruction_error")
        _demand_array(ae.score_samples(rows), (120,), np.float64, "score_samples")
        _demand(ae.sample(7).shape == (7, 4), "sample(7) of shape (7, 4)", ae.sample(7).shape)
        score = ae.score(rows)
        _demand(isinstance(score, float), "score to return a float", type(score))


def _demand_array(array: Any, shape: tuple[int, ...], dtype: Any, method: str) -> None:
    array = array if sparse.issparse(array) else np.asarray(array)
    wanted = f"an array of shape {shape} and dtype {np.dtype(dtype)} from {method}"
    fits = array.shape == shape and array.dtype == dtype
    _demand(fits, wanted, f"shape {array.shape} and dtype {array.dtype}")


def check_methods_agree(estimator: Any) -> None:
    """A reconstruction is decode after encode, and its error the sum of squares it leaves."""
    ae = _fit(estimator)
    Z = ae.transform(X)
    X_hat = ae.inverse_transform(Z)
    error = ((X - X_hat) ** 2).sum(axis=1)
    _demand_close(
        ae.reconstruct(X), X_hat, "reconstruct(X) = inverse_transform(transform(X))", rtol=1e-12
    )
    _demand_close(
        ae.reconstruction_error(X), error, "reconstruction_error = sum (x - x_hat)^2", rtol=1e-9
    )
    _demand_close(
        mean_squared_reconstruction_error(ae, X), error.sum() / X.size, "the mean of the errors"
    )
    _demand_close(ae.fit_transform(X), Z, "fit_transform(X) = fit(X).transform(X)")


def check_rows_are_independent(estimator: Any) -> None:
    """A fitted model gives a row the same alone, in a batch, and in every order of rows."""
    ae = _fit(estimator)
    order = np.random.RandomState(0).permutation(len(X))
    for name in ("transform", "reconstruct", "reconstruction_error", "score_samples"):
        method = getattr(ae, name)
        whole = _dense(method(X))
        alone = np.concatenate([_dense(method(X[i : i + 1])) for i in range(5)])
        _demand_close(alone, whole[:5], f"{name} of rows alone as of all", atol=1e-9)
        _demand_near(method(X[order]), whole[order], f"{name} of rows in another order", 1e-9)


def check_interpolation(estimator: Any) -> None:
    """Interpolation decodes a straight line of codes, and ends at the reconstructions."""
    ae = _fit(estimator)
    path = ae.interpolate(X[0], X[-1], n_steps=5)
    ends = ae.reconstruct(X[[0, -1]])
    _demand_close(path[[0, -1]], ends, "the ends = the reconstructions", atol=1e-9)
    first, last = _dense(ae.transform(X[[0, -1]]))
    share = np.linspace(0, 1, 5)[:, None]
    decoded = ae.inverse_transform((1 - share) * first + share * last)
    _demand_close(path, decoded, "the way = the decoded line", atol=1e-9)


# Laws: scores and units


def check_score_is_the_explained_variance(estimator: Any) -> None:
    """The score is the share of the variance explained; a row's is minus its error."""
    ae = _fit(estimator)
    counts = np.arange(len(X)) % 4
    repeated = ae.score(np.repeat(X, counts, axis=0))
    _demand_equal(ae.score_samples(X), -ae.reconstruction_error(X), "score_samples = -error")
    _demand_close(ae.score(X), explained_variance(ae, X), "score = explained variance", rtol=1e-9)
    _demand_close(ae.score(X, sample_weight=counts), repeated, "score = that of rows repeated")


def check_score_is_the_mean_log_likelihood(estimator: Any) -> None:
    """The score is the weighted mean of score_samples, which gives the same each time."""
    ae = _fit(estimator)
    scores, weights = ae.score_samples(X), np.arange(float(len(X)))
    mean = weights @ scores / weights.sum()
    _demand_equal(ae.score_samples(X), scores, "score_samples = the same a second time")
    _demand_close(ae.score(X), scores.mean(), "score = the mean of score_samples")
    _demand_close(ae.score(X, sample_weight=weights), mean, "score = the weighted mean")


def check_units_cancel(estimator: Any) -> None:
    """X in units of another power of two: the same codes, and everything else in those units."""
    ae, scaled = _fit(estimator), _fit(estimator, X / 1024)
    if not _follows_units(ae, scaled):
        return
    small = X / 1024
    error = ae.reconstruction_error(X) / 1024**2
    _demand_equal(scaled.transform(small), ae.transform(X), "the codes = those of before")
    _demand_equal(scaled.reconstruct(small), ae.reconstruct(X) / 1024, "reconstruct in its units")
    _demand_equal(scaled.reconstruction_error(small), error, "reconstruction_error in its units")
    _demand_close(scaled.sample(5), ae.sample(5) / 1024, "sample in its units", rtol=1e-9)


def check_likelihood_is_in_units_of_X(estimator: Any) -> None:
    """Data in units 1024 times as large have log-densities larger by log(1024) a feature."""
    ae, scaled = _fit(estimator), _fit(estimator, X / 1024)
    if not _follows_units(ae, scaled):
        return
    expected = ae.score_samples(X) + X.shape[1] * np.log(1024)
    _demand_close(scaled.score_samples(X / 1024), expected, "score_samples + log of the units")


def _follows_units(ae: Any, scaled: Any) -> bool:
    """Whether scaling is on, for an estimator fitted to X and to X / 1024."""
    return bool(np.all(ae.scale_ == 1024 * np.asarray(scaled.scale_)))


# Laws: samples


def check_samples_look_like_the_data(estimator: Any) -> None:
    """Samples are finite, and their mean lies among the data."""
    n_epochs = N_EPOCHS_OF_SAMPLES
    S = _set(estimator, max_iter=n_epochs).fit(X).sample(200)
    _demand_finite(S, "sample")
    distance = np.abs(S.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0)
    expected = "the mean of samples within two standard deviations of that of X"
    _demand((distance < 2).all(), expected, distance.round(1).tolist())


def check_samples_follow_random_state(estimator: Any) -> None:
    """Samples are the same for one random_state, others for another, fresh for none at all."""
    ae = _fit(estimator)
    one = ae.sample(9, random_state=1)
    _demand_equal(ae.sample(9, random_state=1), one, "sample(random_state=1) = the same again")
    _demand_different(ae.sample(9, random_state=2), one, "other samples for random_state=2")
    _demand_equal(ae.sample(9), ae.sample(9), "sample() = the same again, by the fit's seed")
    unseeded = _set(estimator, random_state=None).fit(X)
    expected = "fresh samples each time, where nothing has a seed"
    _demand_different(unseeded.sample(9), unseeded.sample(9), expected)
    again = unseeded.sample(9, random_state=1)
    _demand_equal(unseeded.sample(9, random_state=1), again, "sample(random_state=1) = the same")


# Laws: randomness, and the user's surroundings


def check_same_seed_same_codes(estimator: Any) -> None:
    """Two fits with the same random_state give the same codes, bit for bit."""
    _demand_equal(_codes_of_a_fit(estimator), _codes_of_a_fit(estimator), "codes = the first's")


def check_other_seed_other_codes(estimator: Any) -> None:
    """Fits that start at random give other codes for another random_state."""
    textbook = _from_chance(estimator)
    other = _set(textbook, random_state=1)
    expected = "other codes for another random_state"
    _demand_different(_codes_of_a_fit(other), _codes_of_a_fit(textbook), expected)


def check_threads(estimator: Any) -> None:
    """Fits in several threads at once give what they give one after the other."""
    seeds = [_set(estimator, random_state=seed) for seed in range(4)]
    alone = [_codes_of_a_fit(seeded) for seeded in seeds]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(_codes_of_a_fit, seeds))
    _demand_equal(together, alone, "codes of fits at once = those of fits one by one")


def check_surroundings(estimator: Any) -> None:
    """Fits and samples print nothing, and leave global generators, settings and X alone."""
    rows, printed = X.copy(), io.StringIO()
    before = _surroundings()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        for random_state in (0, None):
            ae = _set(estimator, random_state=random_state).fit(rows)
            ae.sample(3)
            pickle.loads(pickle.dumps(ae)).transform(rows)
    for name, found in _surroundings().items():
        expected = f"{name} to be as it was before"
        _demand(np.array_equal(found, before[name]), expected, "another state")
    _demand_equal(rows, X, "X = what it was before fit")
    _demand(printed.getvalue() == "", "nothing to be printed", repr(printed.getvalue()))


def _surroundings() -> dict[str, Any]:
    numpy_s = np.random.get_state(legacy=False)["state"]  # one draw moves `pos` alone
    return {
        "torch's global generator": torch.get_rng_state().numpy(),
        "numpy's global generator": np.append(numpy_s["key"], numpy_s["pos"]),
        "torch's number of threads": torch.get_num_threads(),
        "torch's default dtype": str(torch.get_default_dtype()),
    }


def check_default_dtype(estimator: Any) -> None:
    """Another default dtype of torch's changes nothing."""
    once, before = _codes_of_a_fit(estimator), torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        again = _codes_of_a_fit(estimator)
    finally:
        torch.set_default_dtype(before)
    _demand_equal(again, once, "codes = those of before")


# Laws: training in parts


def check_history(estimator: Any) -> None:
    """The history has an entry for each epoch, whose terms add up to the loss."""
    ae = _fit(estimator)
    lengths = (len(ae.loss_curve_), len(ae.history_))
    expected = f"loss_curve_ and history_ as long as n_iter_={ae.n_iter_}"
    _demand(lengths == (ae.n_iter_, ae.n_iter_), expected, lengths)
    _demand(ae.n_iter_ <= estimator.max_iter, "n_iter_ of at most max_iter", ae.n_iter_)
    for row in ae.history_:
        terms = _terms(row)
        _demand_close(sum(terms.values()), row["train_loss"], f"the sum of {sorted(terms)}")
    expected = f"a validation_loss_curve_ if early_stopping, which is {ae.early_stopping}"
    validated = ae.validation_loss_curve_ is not None
    _demand(validated == ae.early_stopping, expected, ae.validation_loss_curve_)


def _terms(row: dict[str, Any]) -> dict[str, float]:
    """Return the terms of the training loss in an entry of the history."""
    sums = ("train_loss", "train_loss_best", "train_batch_count")
    return {name: row[name] for name in row if name.startswith("train_") and name not in sums}


def check_warm_start(estimator: Any) -> None:
    """Two fits with warm_start=True are one of twice the length, through a pickle too."""
    params = {"linear_path": False, "early_stopping": False, "learning_rate": "constant"}
    steady = _set(estimator, **params, revive=False)  # units are revived early in each fit
    long = _set(steady, max_iter=4).fit(X)
    for pickled in (False, True):
        short = _set(steady, max_iter=2, warm_start=True).fit(X)
        short = pickle.loads(pickle.dumps(short)) if pickled else short
        short.fit(X)
        way = "two fits, with a pickle between them," if pickled else "two fits"
        _demand_equal(short.loss_curve_, long.loss_curve_, f"loss_curve_ of {way} = that of one")
        _demand_equal(short.transform(X), long.transform(X), f"codes of {way} = those of one")


def check_partial_fit(estimator: Any) -> None:
    """partial_fit counts its passes, takes a single row, and refuses other columns."""
    ae = clone(estimator)
    for _ in range(3):
        ae.partial_fit(X)
    _demand(ae.n_iter_ == 3, "n_iter_=3 after three calls of partial_fit", ae.n_iter_)
    ae.partial_fit(X[:1])
    _demand_finite(ae.transform(X), "transform after a partial_fit to one row")
    _demand_finite(ae.sample(5), "sample after a partial_fit to one row")
    _demand_error("3 features", ae.partial_fit, X[:, :3])


# Laws: data of every kind


def _demand_works(estimator: Any, rows: Any, kind: str) -> None:
    ae = _fit(estimator, rows)
    for name in ("transform", "reconstruct", "score"):
        _demand_finite(getattr(ae, name)(rows), f"{name}, for {kind}")
    shape, size = ae.transform(rows[:1]).shape, _size_of_code(ae)
    _demand(shape == (1, size), f"transform of a row to be of shape (1, {size})", shape)


def check_arrays_of_every_kind(estimator: Any) -> None:
    """X may be a list, a CSR matrix, an array of any dtype and layout, read-only or not."""
    read_only = X.copy()
    read_only.flags.writeable = False
    for kind, rows in {
        "float16": X.astype(np.float16),
        "integers": (X > X.mean(axis=0)).astype(int),
        "booleans": X > X.mean(axis=0),
        "Fortran order": np.asfortranarray(X),
        "every other row": X[::2],
        "a read-only array": read_only,
        "a list": X.tolist(),
        "a CSR matrix": sparse.csr_matrix(X),
        "a CSR array": sparse.csr_array(X),
    }.items():
        _demand_works(estimator, rows, kind)


def check_few_and_constant_rows(estimator: Any) -> None:
    """Few rows, repeated rows and constant columns are no obstacle."""
    for kind, rows in {
        "three rows": X[:3],
        "constant columns": X * [1, 0, 1, 0] + [0, 0.3, 0, 0],
        "constant rows": np.full((20, 4), 0.7),
        "repeated rows": np.repeat(X[:4], 10, axis=0),
    }.items():
        _demand_works(estimator, rows, kind)


def check_sparse_equals_dense(estimator: Any) -> None:
    """A CSR matrix gives the codes of the same rows in an array, but for rounding."""
    textbook = _from_chance(estimator)
    Z = _codes_of_a_fit(textbook)
    found = _codes_of_a_fit(textbook, sparse.csr_matrix(X))
    _demand_near(found, Z, "codes of a CSR matrix = those of an array", 1e-4)


def check_batches_of_every_size(estimator: Any) -> None:
    """Batches may be as small as a row, as large as X or larger, or leave a row over."""
    for batch_size in (1, len(X) - 1, 1000):
        ae = _set(estimator, batch_size=batch_size, max_iter=1).fit(X)
        _demand_finite(ae.transform(X), f"transform, for {batch_size=}")


def check_wide_codes(estimator: Any) -> None:
    """A code may be wider than X has columns, or rows."""
    ae = _set(estimator, n_components=9)
    for rows in (X, X[:5]):
        shape = _fit(ae, rows).transform(X).shape
        _demand(shape == (120, 9), "codes of shape (120, 9) for n_components=9", shape)


# Laws: bad input is refused before any training, in scikit-learn's words


def check_bad_data(estimator: Any) -> None:
    """NaN, infinity, no rows, and what is no table of numbers are a ValueError, and no fit."""
    ae = clone(estimator)
    for bad, words in [
        (np.where(X == X[0, 0], np.nan, X), "contains NaN"),
        (np.where(X == X[0, 0], np.inf, X), "infinity"),
        (X[:1], "minimum of 2 is required"),
        (X[:0], "0 sample"),
        (X[:, :0], "0 feature"),
        (X[0], "Expected 2D array, got 1D"),
        (X[None], r"the shape \(1, 120, 4\), instead: X.reshape\(len\(X\), -1\)"),
        (X + 1j, "Complex data not supported"),
        ([["a", "b"], ["c", "d"]], "could not convert string"),
    ]:
        _demand_error(words, ae.fit, bad)
    _demand(not _is_fitted(ae), "an unfitted estimator after all these errors", "a fitted one")


def check_bad_weights(estimator: Any) -> None:
    """Sample weights that are negative, all zero or too few are a ValueError."""
    for weights, words in [
        (np.zeros(120), "non-zero"),
        (-np.ones(120), "[Nn]egative"),
        (np.ones(119), "sample_weight.shape"),
    ]:
        _demand_error(words, clone(estimator).fit, X, sample_weight=weights)


def check_wrong_columns(estimator: Any) -> None:
    """Before fit methods raise NotFittedError; after it they refuse other columns, in words."""
    ae = clone(estimator)
    for name in ("transform", "inverse_transform", "reconstruct", "score"):
        _demand_error("fit", getattr(ae, name), X, kind=NotFittedError)
    _demand_error("fit", ae.sample, kind=NotFittedError)
    ae.fit(X)
    for name in ("transform", "reconstruct", "score", "score_samples"):
        words = "X has 3 features, but .* is expecting 4"
        _demand_error(words, getattr(ae, name), X[:, :3])
    size = _size_of_code(ae) + 5
    words = f"X has {size} features, but .*inverse_transform is expecting"
    _demand_error(words, ae.inverse_transform, np.zeros((2, size)))
    _demand_error("n_samples", ae.sample, 0)


def check_refused_refit(estimator: Any) -> None:
    """A fit that is refused leaves a fitted estimator as it was."""
    ae = _fit(estimator)
    before = _outputs(ae)
    for words, bad, weights in [
        ("NaN", np.full((9, 3), np.nan), None),
        ("[Nn]egative", X[:, :3], -np.ones(120)),
        ("minimum", X[:1, :3], None),
    ]:
        _demand_error(words, ae.fit, bad, sample_weight=weights)
        _demand_same_outputs(_outputs(ae), before, "after a refused fit = that of before")


# Laws: what becomes of a fitted model


def _is_fitted(estimator: Any) -> bool:
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def check_pickle_and_clone(estimator: Any) -> None:
    """A pickle gives the same codes, scores and samples, bit for bit; a clone is not fitted."""
    ae = _fit(estimator)
    copy = pickle.loads(pickle.dumps(ae))
    _demand_same_outputs(_outputs(copy), _outputs(ae), "of the pickle = the original's")
    _demand_equal(copy.sample(5), ae.sample(5), "sample of the pickle = the original's")
    _demand(not _is_fitted(clone(ae)), "an unfitted clone", "a fitted one")


def check_forget_rows(estimator: Any) -> None:
    """forget_rows returns the estimator, and changes nothing that it gives for rows."""
    _demand_error("fit", clone(estimator).forget_rows, kind=NotFittedError)
    ae = _fit(estimator)
    before = _outputs(ae)
    _demand(ae.forget_rows() is ae, "forget_rows to return the estimator", "something else")
    _demand_same_outputs(_outputs(ae), before, "after forget_rows = that of before")
    copy = pickle.loads(pickle.dumps(ae))
    _demand_same_outputs(_outputs(copy), before, "of a pickle after forget_rows = that of before")


def check_scikit_learn_contract(estimator: Any) -> None:
    """Scikit-learn's check_estimator passes, but for rounding in its two of sample weights.

    Its data are of every size: an estimator that refuses such numbers is spared it.
    """
    try:
        _fit(estimator, 20 * X - 10)
    except ValueError:
        return
    check_estimator(estimator, expected_failed_checks=EXPECTED_OF_SCIKIT_LEARN, on_skip=None)
