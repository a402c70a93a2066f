"""The laws of autoencoders, a function each; `skae.testing` says which hold for an estimator.

A law takes an estimator with few epochs, fits clones of it and returns nothing, or raises an
``AssertionError``. The first line of its docstring is the law in words. What a law compares with
is written out here and taken from no other file of this package, which would be compared with
itself.
"""

import contextlib
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from ._demands import (
    Array,
    demand,
    demand_array,
    demand_close,
    demand_different,
    demand_equal,
    demand_error,
    demand_finite,
    demand_near,
    demand_same_outputs,
    dense,
)
from .training import devices

N_EPOCHS = 4  # of each fit: the laws hold from the first epoch on
N_EPOCHS_OF_SAMPLES = 20  # below 30 no decay is tried before

# Of a row of weight 2 and a row given twice. They are one model where all rows are one batch,
# there is no noise, numbers are doubles, and Adam does not start where it divides rounding by
# itself.
WEIGHTS = "a row given twice falls into other batches, and has noise of its own for each time"
EXPECTED_OF_SCIKIT_LEARN = {
    "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
}


# Fits


def _make_rows() -> Array:
    """Return rows near a bent sheet."""
    rng = np.random.RandomState(0)
    t = rng.normal(size=(120, 2))
    bent = np.column_stack([t, t[:, 0] ** 2, t.prod(axis=1)])
    noisy = bent + 0.1 * rng.normal(size=bent.shape)
    return 0.05 + 0.9 * (noisy - noisy.min(axis=0)) / np.ptp(noisy, axis=0)


X = _make_rows()


def has_parameter(estimator: Any, name: str) -> bool:
    """Whether the constructor takes it."""
    return name in estimator.get_params(deep=False)


def _set(estimator: Any, **params: Any) -> Any:
    """Return a clone with those of the parameters that it has."""
    known = {name: value for name, value in params.items() if has_parameter(estimator, name)}
    return clone(estimator).set_params(**known)


def make_quick(estimator: Any) -> Any:
    """Return a clone that trains for a few epochs of three batches, from a seed."""
    quick = _set(estimator, verbose=False)
    if getattr(quick, "batch_size", None) == "auto":
        quick.set_params(batch_size=len(X) // 3)
    if has_parameter(quick, "max_iter"):
        few = isinstance(quick.max_iter, Integral) and quick.max_iter <= N_EPOCHS
        quick.set_params(max_iter=quick.max_iter if few else N_EPOCHS)
    if has_parameter(quick, "random_state") and quick.random_state is None:
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
    return dense(_fit(estimator, rows).transform(rows))


def _size_of_code(fitted: Any) -> int:
    return len(fitted.get_feature_names_out())


def _outputs(fitted: Any, rows: Array = X) -> dict[str, Array]:
    """Return {method: what it gives}, of the methods that depend on nothing but the model."""
    names = ("transform", "reconstruct", "reconstruction_error", "score_samples", "score")
    return {name: dense(getattr(fitted, name)(rows)) for name in names}


# Laws: what the methods return


def check_shapes_and_dtypes(estimator: Any) -> None:
    """Codes and rows have the precision of X, errors and scores of rows that of float64."""
    for dtype in (np.float32, np.float64):
        rows = X.astype(dtype)
        ae = _fit(estimator, rows)
        Z = ae.transform(rows)
        demand_array(Z, (120, _size_of_code(ae)), dtype, "transform")
        demand_array(ae.inverse_transform(Z), (120, 4), dtype, "inverse_transform")
        demand_array(ae.reconstruct(rows), (120, 4), dtype, "reconstruct")
        demand_array(ae.reconstruction_error(rows), (120,), np.float64, "reconstruction_error")
        demand_array(ae.score_samples(rows), (120,), np.float64, "score_samples")
        demand(ae.sample(7).shape == (7, 4), "sample(7) of shape (7, 4)", ae.sample(7).shape)
        score = ae.score(rows)
        demand(isinstance(score, float), "score to return a float", type(score))


def check_methods_agree(estimator: Any) -> None:
    """A reconstruction is decode after encode, and its error the sum of squares it leaves."""
    ae = _fit(estimator)
    Z = ae.transform(X)
    X_hat = ae.inverse_transform(Z)
    error = ((X - X_hat) ** 2).sum(axis=1)
    demand_close(
        ae.reconstruct(X), X_hat, "reconstruct(X) = inverse_transform(transform(X))", rtol=1e-12
    )
    demand_close(
        ae.reconstruction_error(X), error, "reconstruction_error = sum (x - x_hat)^2", rtol=1e-9
    )
    demand_close(ae.fit_transform(X), Z, "fit_transform(X) = fit(X).transform(X)")


def check_rows_are_independent(estimator: Any) -> None:
    """A fitted model gives a row the same alone, in a batch, and in every order of rows."""
    ae = _fit(estimator)
    order = np.random.RandomState(0).permutation(len(X))
    for name in ("transform", "reconstruct", "reconstruction_error", "score_samples"):
        method = getattr(ae, name)
        whole = dense(method(X))
        alone = np.concatenate([dense(method(X[i : i + 1])) for i in range(5)])
        demand_close(alone, whole[:5], f"{name} of rows alone as of all", atol=1e-9)
        demand_near(method(X[order]), whole[order], f"{name} of rows in another order", 1e-9)


def check_interpolation(estimator: Any) -> None:
    """Interpolation decodes a straight line of codes, and ends at the reconstructions."""
    ae = _fit(estimator)
    path = ae.interpolate(X[0], X[-1], n_steps=5)
    ends = ae.reconstruct(X[[0, -1]])
    demand_close(path[[0, -1]], ends, "the ends = the reconstructions", atol=1e-9)
    first, last = dense(ae.transform(X[[0, -1]]))
    share = np.linspace(0, 1, 5)[:, None]
    decoded = ae.inverse_transform((1 - share) * first + share * last)
    demand_close(path, decoded, "the way = the decoded line", atol=1e-9)


# Laws: scores and units


def check_score_is_the_explained_variance(estimator: Any) -> None:
    """The score is the share of the variance explained; a row's is minus its error."""
    ae = _fit(estimator)
    total = np.square(X - X.mean(axis=0)).sum()
    explained = 1 - ae.reconstruction_error(X).sum() / total
    counts = np.arange(len(X)) % 4
    repeated = ae.score(np.repeat(X, counts, axis=0))
    demand_equal(ae.score_samples(X), -ae.reconstruction_error(X), "score_samples = -error")
    demand_close(ae.score(X), explained, "score = explained variance", rtol=1e-9)
    demand_close(ae.score(X, sample_weight=counts), repeated, "score = that of rows repeated")


def check_score_is_the_mean_log_likelihood(estimator: Any) -> None:
    """The score is the weighted mean of score_samples, which gives the same each time."""
    ae = _fit(estimator)
    scores, weights = ae.score_samples(X), np.arange(float(len(X)))
    mean = weights @ scores / weights.sum()
    demand_equal(ae.score_samples(X), scores, "score_samples = the same a second time")
    demand_close(ae.score(X), scores.mean(), "score = the mean of score_samples")
    demand_close(ae.score(X, sample_weight=weights), mean, "score = the weighted mean")


def check_units_cancel(estimator: Any) -> None:
    """X in units of another power of two: the same codes, and everything else in those units."""
    ae, scaled = _fit(estimator), _fit(estimator, X / 1024)
    if not _follows_units(ae, scaled):
        return
    small = X / 1024
    error = ae.reconstruction_error(X) / 1024**2
    demand_equal(scaled.transform(small), ae.transform(X), "the codes = those of before")
    demand_equal(scaled.reconstruct(small), ae.reconstruct(X) / 1024, "reconstruct in its units")
    demand_equal(scaled.reconstruction_error(small), error, "reconstruction_error in its units")
    demand_close(scaled.sample(5), ae.sample(5) / 1024, "sample in its units", rtol=1e-9)


def check_likelihood_is_in_units_of_X(estimator: Any) -> None:
    """Data in units 1024 times as large have log-densities larger by log(1024) a feature."""
    ae, scaled = _fit(estimator), _fit(estimator, X / 1024)
    if not _follows_units(ae, scaled):
        return
    expected = ae.score_samples(X) + X.shape[1] * np.log(1024)
    demand_close(scaled.score_samples(X / 1024), expected, "score_samples + log of the units")


def _follows_units(ae: Any, scaled: Any) -> bool:
    """Whether all scales are taken from X, for an estimator fitted to X and to X / 1024.

    They are not where scaling is off, or the user has told the size of the noise in units of X.
    """
    pairs = [
        (getattr(ae, name, 0.0), getattr(scaled, name, 0.0))
        for name in ("scale_", "corruption_scale_")
    ]
    return all(bool(np.all(one == 1024 * np.asarray(other))) for one, other in pairs)


# Laws: samples


def check_samples_look_like_the_data(estimator: Any) -> None:
    """Samples are finite, and their mean lies among the data."""
    n_epochs = N_EPOCHS_OF_SAMPLES
    S = _set(estimator, max_iter=n_epochs).fit(X).sample(200)
    demand_finite(S, "sample")
    distance = np.abs(S.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0)
    expected = "the mean of samples within two standard deviations of that of X"
    demand((distance < 2).all(), expected, distance.round(1).tolist())


def check_samples_follow_random_state(estimator: Any) -> None:
    """Samples are the same for one random_state, others for another, fresh for none at all."""
    ae = _fit(estimator)
    one = ae.sample(9, random_state=1)
    demand_equal(ae.sample(9, random_state=1), one, "sample(random_state=1) = the same again")
    demand_different(ae.sample(9, random_state=2), one, "other samples for random_state=2")
    demand_equal(ae.sample(9), ae.sample(9), "sample() = the same again, by the fit's seed")
    unseeded = _set(estimator, random_state=None).fit(X)
    expected = "fresh samples each time, where nothing has a seed"
    demand_different(unseeded.sample(9), unseeded.sample(9), expected)
    again = unseeded.sample(9, random_state=1)
    demand_equal(unseeded.sample(9, random_state=1), again, "sample(random_state=1) = the same")


# Laws: randomness, and the user's surroundings


def check_same_seed_same_codes(estimator: Any) -> None:
    """Two fits with the same random_state give the same codes, bit for bit."""
    once, again = _codes_of_a_fit(estimator), _codes_of_a_fit(estimator)
    advice = "a module draws out of the generators that its `draw` is given, or `draws_globally`"
    demand_equal(again, once, f"codes = the first's ({advice})")


def check_other_seed_other_codes(estimator: Any) -> None:
    """Fits that start at random give other codes for another random_state."""
    textbook = _from_chance(estimator)
    other = _set(textbook, random_state=1)
    expected = "other codes for another random_state"
    demand_different(_codes_of_a_fit(other), _codes_of_a_fit(textbook), expected)


def check_threads(estimator: Any) -> None:
    """Fits in several threads at once give what they give one after the other.

    On CUDA to rounding alone: cuBLAS adds up in one order as long as one stream is in use.
    """
    seeds = [_set(estimator, random_state=seed) for seed in range(4)]
    alone = [_codes_of_a_fit(seeded) for seeded in seeds]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(_codes_of_a_fit, seeds))
    rtol = 1e-4 if devices.check_device(estimator.device).type == "cuda" else 0.0
    demand_near(together, alone, "codes of fits at once = those of fits one by one", rtol)


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
        demand(np.array_equal(found, before[name]), expected, "another state")
    demand_equal(rows, X, "X = what it was before fit")
    demand(printed.getvalue() == "", "nothing to be printed", repr(printed.getvalue()))


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
    demand_equal(again, once, "codes = those of before")


# Laws: training in parts


def check_history(estimator: Any) -> None:
    """The history has an entry for each epoch, whose terms add up to the loss."""
    ae = _fit(estimator)
    lengths = (len(ae.loss_curve_), len(ae.history_))
    expected = f"loss_curve_ and history_ as long as n_iter_={ae.n_iter_}"
    demand(lengths == (ae.n_iter_, ae.n_iter_), expected, lengths)
    if isinstance(estimator.max_iter, Integral):
        demand(ae.n_iter_ <= estimator.max_iter, "n_iter_ of at most max_iter", ae.n_iter_)
    for row in ae.history_:
        terms = _terms(row)
        demand_close(sum(terms.values()), row["train_loss"], f"the sum of {sorted(terms)}")
    expected = f"a validation_loss_curve_ if early_stopping, which is {ae.early_stopping}"
    validated = ae.validation_loss_curve_ is not None
    demand(validated == ae.early_stopping, expected, ae.validation_loss_curve_)


def _terms(row: dict[str, Any]) -> dict[str, float]:
    """Return the terms of the training loss in an entry of the history."""
    sums = ("train_loss", "train_loss_best", "train_batch_count")
    return {name: row[name] for name in row if name.startswith("train_") and name not in sums}


def check_warm_start(estimator: Any) -> None:
    """Two fits with warm_start=True are one of twice the length, through a pickle too."""
    params = {"linear_path": False, "early_stopping": False, "learning_rate": "constant"}
    # Units are revived early in each fit, and the KL warms up over a share of its epochs.
    steady = _set(estimator, **params, revive=False, warm_up=0.0)
    long = _set(steady, max_iter=4).fit(X)
    for pickled in (False, True):
        short = _set(steady, max_iter=2, warm_start=True).fit(X)
        short = pickle.loads(pickle.dumps(short)) if pickled else short
        short.fit(X)
        way = "two fits, with a pickle between them," if pickled else "two fits"
        demand_equal(short.loss_curve_, long.loss_curve_, f"loss_curve_ of {way} = that of one")
        demand_equal(short.transform(X), long.transform(X), f"codes of {way} = those of one")


def check_partial_fit(estimator: Any) -> None:
    """partial_fit counts its passes, takes a single row, and refuses other columns."""
    ae = clone(estimator)
    for _ in range(3):
        ae.partial_fit(X)
    demand(ae.n_iter_ == 3, "n_iter_=3 after three calls of partial_fit", ae.n_iter_)
    ae.partial_fit(X[:1])
    demand_finite(ae.transform(X), "transform after a partial_fit to one row")
    demand_finite(ae.sample(5), "sample after a partial_fit to one row")
    demand_error("3 features", ae.partial_fit, X[:, :3])


def check_one_row(estimator: Any) -> None:
    """The terms of the loss are finite for a batch of one row."""
    ae = clone(estimator).partial_fit(X)
    ae.partial_fit(X[:1])
    for name, value in _terms(ae.history_[-1]).items():
        expected = f"the term {name[len('train_') :]!r} to be finite for a batch of one row"
        demand(np.isfinite(value), expected, value)


def check_noise_of_terms(estimator: Any) -> None:
    """The z that the terms of a variational module are given was made of the noise beside it."""
    ae = _fit(estimator)
    module, given = ae.module_, []
    terms = module.terms

    def noted(x: Any, z: Any, noise: Any, q: Any, *others: Any) -> Any:
        given.append((z, q.mean + (q.factor @ noise[..., None])[..., 0]))
        return terms(x, z, noise, q, *others)

    module.terms = noted
    rows = torch.from_numpy(X).to(next(module.parameters()))
    for training in (True, False):
        module.train(training)
        with torch.random.fork_rng(), torch.no_grad():
            module(rows, *module.draw(len(rows), ae.net_.generators))
    for z, made in given:
        demand_near(z.cpu(), made.cpu(), "z = the mean of q plus its factor times the noise", 1e-5)


# Laws: data of every kind


def _demand_works(estimator: Any, rows: Any, kind: str) -> None:
    ae = _fit(estimator, rows)
    for name in ("transform", "reconstruct", "score"):
        demand_finite(getattr(ae, name)(rows), f"{name}, for {kind}")
    shape, size = ae.transform(rows[:1]).shape, _size_of_code(ae)
    demand(shape == (1, size), f"transform of a row to be of shape (1, {size})", shape)


def check_arrays_of_every_kind(estimator: Any) -> None:
    """X may be a list, a CSR matrix, an array of any dtype and layout, read-only or not."""
    read_only = X.copy()
    read_only.flags.writeable = False
    for kind, rows in {
        "float16": X.astype(np.float16),
        "integers": (X.mean(axis=0) < X).astype(int),
        "booleans": X.mean(axis=0) < X,
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
    demand_near(found, Z, "codes of a CSR matrix = those of an array", 1e-4)


def check_batches_of_every_size(estimator: Any) -> None:
    """Batches may be as small as a row, as large as X or larger, or leave a row over."""
    for batch_size in (1, len(X) - 1, 1000):
        ae = _set(estimator, batch_size=batch_size, max_iter=1).fit(X)
        demand_finite(ae.transform(X), f"transform, for {batch_size=}")


def check_wide_codes(estimator: Any) -> None:
    """A code may be wider than X has columns, or rows."""
    ae = _set(estimator, n_components=9)
    for rows in (X, X[:5]):
        shape = _fit(ae, rows).transform(X).shape
        demand(shape == (120, 9), "codes of shape (120, 9) for n_components=9", shape)


# Laws: bad input is refused before any training, in scikit-learn's words


def check_bad_data(estimator: Any) -> None:
    """NaN, infinity, no rows, and what is no table of numbers are a ValueError, and no fit.

    NaN is none where the tag ``allow_nan`` says so.
    """
    ae = clone(estimator)
    if not takes_holes(ae):
        demand_error("contains NaN", ae.fit, np.where(X[0, 0] == X, np.nan, X))
    for bad, words in [
        (np.where(X[0, 0] == X, np.inf, X), "infinity"),
        (X[:1], "minimum of 2 is required"),
        (X[:0], "0 sample"),
        (X[:, :0], "0 feature"),
        (X[0], "Expected 2D array, got 1D"),
        (X[None], r"the shape \(1, 120, 4\), instead: X.reshape\(len\(X\), -1\)"),
        (X + 1j, "Complex data not supported"),
        ([["a", "b"], ["c", "d"]], "could not convert string"),
    ]:
        demand_error(words, ae.fit, bad)
    demand(not _is_fitted(ae), "an unfitted estimator after all these errors", "a fitted one")


def check_bad_weights(estimator: Any) -> None:
    """Sample weights that are negative, all zero or too few are a ValueError."""
    for weights, words in [
        (np.zeros(120), "non-zero"),
        (-np.ones(120), "[Nn]egative"),
        (np.ones(119), "sample_weight.shape"),
    ]:
        demand_error(words, clone(estimator).fit, X, sample_weight=weights)


def check_wrong_columns(estimator: Any) -> None:
    """Before fit methods raise NotFittedError; after it they refuse other columns, in words."""
    ae = clone(estimator)
    for name in ("transform", "inverse_transform", "reconstruct", "score"):
        demand_error("fit", getattr(ae, name), X, kind=NotFittedError)
    demand_error("fit", ae.sample, kind=NotFittedError)
    ae.fit(X)
    for name in ("transform", "reconstruct", "score", "score_samples"):
        words = "X has 3 features, but .* is expecting 4"
        demand_error(words, getattr(ae, name), X[:, :3])
    size = _size_of_code(ae) + 5
    words = f"X has {size} features, but .*inverse_transform is expecting"
    demand_error(words, ae.inverse_transform, np.zeros((2, size)))
    demand_error("n_samples", ae.sample, 0)


def check_refused_refit(estimator: Any) -> None:
    """A fit that is refused leaves a fitted estimator as it was."""
    ae = _fit(estimator)
    before = _outputs(ae)
    for words, bad, weights in [
        ("NaN", np.full((9, 3), np.nan), None),
        ("[Nn]egative", X[:, :3], -np.ones(120)),
        ("minimum", X[:1, :3], None),
    ]:
        demand_error(words, ae.fit, bad, sample_weight=weights)
        demand_same_outputs(_outputs(ae), before, "after a refused fit = that of before")


# Laws: missing values, for estimators with the tag ``allow_nan``


def takes_holes(estimator: Any) -> bool:
    """Whether NaN in X stands for what is not observed."""
    return bool(estimator.__sklearn_tags__().input_tags.allow_nan)


def check_holes(estimator: Any) -> None:
    """Of rows with NaN all that a model gives is finite, the same for a row alone, or refused."""
    holes = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.2, np.nan, X)
    holes[0] = np.nan
    for ae in (_fit(estimator), _fit(estimator, holes)):
        found = _outputs(ae, holes)
        for name, values in found.items():
            demand_finite(values, f"{name} of rows with NaN")
        for name in ("transform", "reconstruct", "score_samples"):
            alone = np.concatenate([dense(getattr(ae, name)(row[None])) for row in holes[:9]])
            demand_near(alone, found[name][:9], f"{name} of a row alone = in a batch", 1e-4)
        demand_error("infinity", ae.transform, np.where(np.isnan(holes), np.inf, X))
    demand_near(ae.mean_, np.nanmean(holes, axis=0), "mean_ = that of observed cells", 1e-6)
    holes[:, 1] = np.nan
    demand_error("nothing but NaN", clone(estimator).fit, holes)


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
    demand_same_outputs(_outputs(copy), _outputs(ae), "of the pickle = the original's")
    demand_equal(copy.sample(5), ae.sample(5), "sample of the pickle = the original's")
    demand(not _is_fitted(clone(ae)), "an unfitted clone", "a fitted one")


def check_forget_rows(estimator: Any) -> None:
    """forget_rows returns the estimator, and changes nothing that it gives for rows."""
    demand_error("fit", clone(estimator).forget_rows, kind=NotFittedError)
    ae = _fit(estimator)
    before = _outputs(ae)
    demand(ae.forget_rows() is ae, "forget_rows to return the estimator", "something else")
    demand_same_outputs(_outputs(ae), before, "after forget_rows = that of before")
    copy = pickle.loads(pickle.dumps(ae))
    demand_same_outputs(_outputs(copy), before, "of a pickle after forget_rows = that of before")


def check_scikit_learn_contract(estimator: Any) -> None:
    """Scikit-learn's check_estimator passes, but for its two of weights against repeated rows.

    In these a row of weight 2 stands against a row given twice, which falls into other batches
    and has noise of its own for each time; and Adam, where training starts at a stationary point
    as PCA's, divides rounding by itself. They may fail, and are counted as expected to.

    Its data are of every size: an estimator that refuses such numbers is spared it.
    """
    try:
        _fit(estimator, 20 * X - 10)
    except ValueError:
        return
    check_estimator(estimator, expected_failed_checks=EXPECTED_OF_SCIKIT_LEARN, on_skip=None)
