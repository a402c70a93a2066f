"""The conditional VAE: conditions of every kind, routing, and what theory says of the code."""

import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from matplotlib.figure import Figure
from quadrature import check_bounds, log_likelihood
from scipy import sparse
from scipy.stats import multivariate_normal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_moons, make_swiss_roll
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version
from torch.distributions import MultivariateNormal

import skae
from skae import VAE, ConditionalVAE
from skae.display import PriorDisplay
from skae.estimator.evidence import log_volume, make_draws
from skae.exceptions import ParameterWarning

iris, species = load_iris(return_X_y=True)
QUICK = {"max_iter": 4, "random_state": 0}
numbers = np.random.default_rng(0).normal(size=(150, 2)) + iris[:, :2]
CONDITIONS = {
    "integers": species,
    "strings": np.array(["setosa", "versicolor", "virginica"])[species],
    "objects": np.array(["setosa", "versicolor", "virginica"], dtype=object)[species],
    "booleans": species > 0,
    "whole floats": species.astype(float),
    "list": species.tolist(),
    "series": pd.Series(species, dtype="category"),
    "numbers": numbers,
    "frame": pd.DataFrame(numbers, columns=["a", "b"]),
}
kinds = pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS)


def rows(condition, index):
    return condition.iloc[index] if hasattr(condition, "iloc") else np.asarray(condition)[index]


@kinds
def test_every_method_takes_the_condition(condition):
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=condition)
    Z = cvae.transform(iris, condition=condition)
    X_hat = cvae.inverse_transform(Z, condition=condition)
    np.testing.assert_allclose(cvae.reconstruct(iris, condition=condition), X_hat, rtol=1e-9)
    error = cvae.reconstruction_error(iris, condition=condition)
    np.testing.assert_allclose(error, ((iris - X_hat) ** 2).sum(axis=1), rtol=1e-9)
    scores = cvae.score_samples(iris, condition=condition)
    assert cvae.score(iris, condition=condition) == pytest.approx(scores.mean())
    alone = rows(condition, slice(60, 61))
    np.testing.assert_allclose(cvae.transform(iris[60:61], condition=alone)[0], Z[60])
    np.testing.assert_allclose(cvae.score_samples(iris[60:61], condition=alone)[0], scores[60])
    assert cvae.sample(3, condition=rows(condition, slice(0, 150, 75))).shape == (6, 4)
    mean, covariance = cvae.posterior(iris, condition=condition)
    np.testing.assert_allclose(mean, Z)
    assert covariance.shape == (150, 2, 2)
    t = cvae.elbo_decomposition(iris, condition=condition)
    assert t["kl"] == pytest.approx(t["mutual_information"] + t["marginal_kl"])
    same = clone(cvae).fit_transform(iris, condition=condition)
    np.testing.assert_array_equal(same, Z)
    copy = pickle.loads(pickle.dumps(cvae))
    np.testing.assert_array_equal(copy.transform(iris, condition=condition), Z)
    np.testing.assert_array_equal(copy.sample(2, condition=alone), cvae.sample(2, condition=alone))


@pytest.mark.slow
@pytest.mark.parametrize("conditional_prior", ["learned", "standard"])
def test_scores_are_lower_bounds_in_practice(conditional_prior):
    """Of the exact likelihood given the condition, over seeds of the draws."""
    X, t = make_swiss_roll(400, random_state=0)
    y = (t > np.median(t)).astype(int)
    options = {"beta": 0.2, "hidden_layer_sizes": 16, "max_iter": 30, "random_state": 0}
    cvae = ConditionalVAE(2, conditional_prior=conditional_prior, **options).fit(X, condition=y)
    exact = np.concatenate([log_likelihood(cvae, X[y == label], label) for label in (0, 1)]).mean()
    means = check_bounds(cvae, exact, lambda n: cvae.score_samples(X, n, condition=y))
    assert means[0] < exact - 0.3  # there is a gap, else the law would say nothing


def test_the_score_of_a_row_is_its_own():
    """Alone, in any order, container and precision; with the sign of zero in the condition too."""
    X, C = (array.astype(np.float32).astype(np.float64) for array in (iris, numbers))
    C[::3, 1] = 0.0
    cvae, order = ConditionalVAE(**QUICK).fit(X, condition=C), np.arange(149, -1, -1)
    scores = cvae.score_samples(X, condition=C)
    same = {"rtol": 1e-9, "atol": 1e-9}
    for table in (sparse.csr_matrix(X), np.asfortranarray(X)):
        np.testing.assert_allclose(cvae.score_samples(table, condition=C), scores, **same)
    alone = [cvae.score_samples(x[None], condition=c[None])[0] for x, c in zip(X, C, strict=True)]
    np.testing.assert_allclose(alone, scores, **same)
    turned = cvae.score_samples(X[order], condition=C[order])
    np.testing.assert_allclose(turned, scores[order], **same)
    signed = np.where(C == 0, -0.0, C)
    np.testing.assert_array_equal(cvae.score_samples(X, condition=signed), scores)
    single = cvae.score_samples(X.astype(np.float32), condition=C.astype(np.float32))
    np.testing.assert_allclose(single, scores, atol=1e-3)
    beside = ConditionalVAE(condition_features=[4, 5], **QUICK).fit(np.hstack([X, C]))
    np.testing.assert_allclose(beside.score_samples(np.hstack([X, C])), scores, rtol=1e-6)
    terms = cvae.elbo_decomposition(X, condition=C)
    turned = cvae.elbo_decomposition(X[order], condition=C[order])
    assert turned == pytest.approx(terms, rel=1e-9)


@pytest.mark.cpu
def test_the_draws_of_a_row_follow_from_its_condition_too():
    X = np.repeat(iris[:1], 3, axis=0)
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=species)
    XC = torch.from_numpy(cvae._to_table(X, reset=False, condition=[0, 1, 2])[:])
    digits = make_draws(cvae, 1, XC.shape[1]).hash(XC)
    assert all(len(column.unique()) == 3 for column in digits.T)


@pytest.mark.parametrize("conditional_prior", ["learned", "standard", "none"])
def test_a_row_far_away_has_a_finite_score(conditional_prior):
    cvae = ConditionalVAE(conditional_prior=conditional_prior, **QUICK)
    cvae.fit(iris.astype(np.float32), condition=species)
    for dtype in (np.float32, np.float64):
        score = cvae.score_samples((iris[:2] + 1e20).astype(dtype), condition=species[:2])
        assert score.dtype == np.float64
        assert np.isfinite(score).all()
        assert (score < -1e30).all()


@pytest.mark.parametrize("condition", [species, numbers], ids=["labels", "numbers"])
def test_interpolation_under_one_condition(condition):
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=condition)
    path = cvae.interpolate(iris[0], iris[9], 3, condition=condition[0])
    one = cvae.reconstruct(iris[:1], condition=condition[:1])
    np.testing.assert_allclose(path[:1], one)


PRIORS = pytest.mark.parametrize("conditional_prior", ["learned", "standard", "none"])


def bounds(cvae, rows, condition, n_seeds=4):
    """Return the exponential of scores, whose logarithms are averaged over seeds of the draws.

    It is in the mean over draws that a score is a bound; single ones err above it, too.
    """
    seed, scores = cvae._seed, []
    for cvae._seed in range(n_seeds):
        scores.append(cvae.score_samples(rows, condition=[condition] * len(rows)))
    cvae._seed = seed
    return np.exp(np.mean(scores, axis=0))


@PRIORS
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # of one column
@pytest.mark.parametrize(("n_features", "k"), [(2, 1), (2, 2), (1, 1), (1, 2)])
@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_scores_are_nearly_a_density(conditional_prior, n_features, k, kind):
    """A bound of a density has an integral below one; a tight one is nearly a density."""
    rows, label = make_moons(300, noise=0.1, random_state=0)
    condition = label if kind == "labels" else label[:, None] * 2.0
    rows = rows[:, :n_features]
    cvae = ConditionalVAE(k, conditional_prior=conditional_prior, max_iter=15, random_state=0)
    cvae.fit(rows, condition=condition)
    axes = np.linspace(rows.min(axis=0) - 1.5, rows.max(axis=0) + 1.5, 50).T
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, n_features)
    cell = np.prod(axes[:, 1] - axes[:, 0])
    for given in (condition[0], condition[label != label[0]][0]):
        # Less by what 16 draws from one Gaussian miss of a curved posterior.
        assert 0.85 < cell * bounds(cvae, grid, given).sum() < 1.005


@PRIORS
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
def test_scores_of_binary_rows_nearly_add_up_to_one(conditional_prior):
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=500)
    often = np.where(rng.random(500) < 0.3 + 0.4 * label, 0.9, 0.1)[:, None]
    rows = (rng.random((500, 5)) < often).astype(float)
    cvae = ConditionalVAE(
        1, likelihood="bernoulli", conditional_prior=conditional_prior, max_iter=15, random_state=0
    )
    cvae.fit(rows, condition=label)
    every = np.array(list(itertools.product([0.0, 1.0], repeat=5)))
    for given in (0, 1):
        # Of few rows the noise of the draws is left, even over many seeds: half a percent.
        assert 0.95 < bounds(cvae, every, given, 64).sum() < 1.015


@PRIORS
def test_scores_of_what_is_observed_are_nearly_a_density(conditional_prior):
    rows = iris[:, :2].copy()
    rows[::7, 1] = np.nan
    cvae = ConditionalVAE(1, conditional_prior=conditional_prior, max_iter=15, random_state=0)
    cvae.fit(rows, condition=species)
    grid = np.column_stack([np.linspace(0, 12, 400), np.full(400, np.nan)])
    total = bounds(cvae, grid, 1).sum() * (grid[1, 0] - grid[0, 0])
    assert 0.95 < total < 1.005


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # of six in four columns
@pytest.mark.parametrize("k", [1, 2, 6])
def test_a_fitted_prior_scores_a_linear_model_exactly(k):
    """Where the decoder is linear its posterior is the Gaussian that is drawn from.

    Also where the code is longer than the rows, and where a number of it says nothing.
    """
    cvae = ConditionalVAE(k, conditional_prior="none", hidden_layer_sizes=(), **QUICK)
    cvae.fit(iris, condition=species)
    module = cvae._module_in(torch.float64).requires_grad_(False)
    table = torch.from_numpy(cvae._to_table(iris, reset=False, condition=species)[:])
    x, c = module.split(cvae._units.enter(table, torch.float64))
    z = torch.cat([torch.zeros(1, k), torch.eye(k)]).double()
    origin, ends = module.decode(z, c[:1].expand(len(z), 3)).split([1, k])
    factor = (ends - origin).T @ module.prior.factor
    covariance = factor @ factor.T + torch.diag(module.noise_variance().expand(4))
    mean = module.decode(module.prior.mean.expand(len(c), k), c)
    expected = MultivariateNormal(mean, covariance).log_prob(x) - log_volume(cvae, module, x)
    found = cvae.score_samples(iris, condition=species)
    np.testing.assert_allclose(found, expected, atol=1e-3)  # slopes are differences


@pytest.mark.parametrize("conditional_prior", ["learned", "standard", "none"])
@pytest.mark.parametrize("options", [{}, {"covariance_type": "full", "scaling": None}])
def test_priors(conditional_prior, options):
    cvae = ConditionalVAE(conditional_prior=conditional_prior, **options, **QUICK)
    cvae.fit(iris, condition=species)
    assert np.isfinite(cvae.score(iris, condition=species))
    assert ("train_kl" in cvae.history_[0]) == (conditional_prior != "none")
    assert cvae.sample(5, condition=[0, 1, 2]).shape == (15, 4)


def test_no_condition_is_the_vae_bit_for_bit():
    cvae, vae = ConditionalVAE(**QUICK).fit(iris), VAE(**QUICK).fit(iris)
    np.testing.assert_array_equal(cvae.transform(iris), vae.transform(iris))
    np.testing.assert_array_equal(cvae.score_samples(iris), vae.score_samples(iris))
    np.testing.assert_array_equal(cvae.sample(5), vae.sample(5))


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # two components, two columns
def test_columns_of_x_may_be_the_condition():
    table = pd.DataFrame(iris, columns=list("abcd"))
    by_name = ConditionalVAE(condition_features=["d", "b"], **QUICK).fit(table)
    by_number = ConditionalVAE(condition_features=[3, 1], **QUICK).fit(iris)
    beside = ConditionalVAE(**QUICK).fit(iris[:, [0, 2]], condition=iris[:, [3, 1]])
    mask = ConditionalVAE(condition_features=[False, True, False, True], **QUICK).fit(iris)
    Z = by_name.transform(table)
    np.testing.assert_array_equal(by_number.transform(iris), Z)
    apart = beside.transform(iris[:, [0, 2]], condition=iris[:, [3, 1]])
    np.testing.assert_allclose(apart, Z, rtol=1e-6)
    assert mask.transform(iris).shape == Z.shape

    X_hat = by_number.reconstruct(iris)
    np.testing.assert_array_equal(X_hat[:, [1, 3]], iris[:, [1, 3]])
    error = ((X_hat - iris) ** 2).sum(axis=1)
    np.testing.assert_allclose(by_number.reconstruction_error(iris), error)
    np.testing.assert_allclose(by_number.inverse_transform(Z, condition=iris[:, [3, 1]]), X_hat)
    with pytest.raises(ValueError, match="pass condition="):
        by_number.inverse_transform(Z)
    S = by_number.sample(2, condition=iris[:3, [3, 1]])
    np.testing.assert_array_equal(S[:, 3], np.repeat(iris[:3, 3], 2))
    np.testing.assert_array_equal(
        by_number.transform(sparse.csr_matrix(iris)), by_number.transform(iris)
    )
    with pytest.raises(ValueError, match="Leave one of them out"):
        by_number.transform(iris, condition=species)
    assert by_number.interpolate(iris[0], iris[1], 3).shape == (3, 4)


def test_a_condition_is_standardised_by_itself():
    """Its units and offset change nothing."""
    plain = ConditionalVAE(**QUICK).fit(iris, condition=numbers)
    moved = ConditionalVAE(**QUICK).fit(iris, condition=1024 * numbers)
    np.testing.assert_allclose(
        moved.transform(iris, condition=1024 * numbers),
        plain.transform(iris, condition=numbers),
        rtol=1e-4,
        atol=1e-4,
    )


def test_rare_values_of_a_condition_stay_in_reach_of_the_network():
    """A column that is hardly ever different from zero is not blown up by its tiny deviation."""
    rare = np.zeros((150, 2))
    rare[:, 0], rare[0, 1] = numbers[:, 0], 1.0
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=rare)
    with torch.no_grad():
        entered = cvae._condition.enter(torch.from_numpy(rare))
    assert entered.abs().max() <= 10.0
    assert entered[:, 0].std(correction=0) == pytest.approx(1.0)


def linear_data(n=3000):
    rng = np.random.default_rng(0)
    c = rng.normal(size=(n, 2)) * [2, 1] + 3
    A, W = rng.normal(size=(6, 2)), np.linalg.qr(rng.normal(size=(6, 2)))[0] * [3, 2]
    X = c @ A.T + rng.normal(size=(n, 2)) @ W.T + 0.5 * rng.normal(size=(n, 6)) + 1
    return X, c, A, W


def test_the_linear_case_is_a_regression_and_the_residual_s_pca():
    X, c, A, W = linear_data()
    options = {"hidden_layer_sizes": (), "max_iter": 10, "random_state": 0}
    cvae = ConditionalVAE(2, noise_variance="shared", **options).fit(X, condition=c)
    exact = multivariate_normal(np.zeros(6), W @ W.T + 0.25 * np.eye(6)).logpdf(X - c @ A.T - 1)
    assert cvae.score(X, condition=c) == pytest.approx(exact.mean(), abs=0.05)
    assert cvae.noise_variance_ == pytest.approx(0.25, rel=0.03)
    zeros = np.zeros((2, 2))
    slope = np.diff(cvae.inverse_transform(zeros, condition=[[3.0, 3.0], [4.0, 3.0]]), axis=0)
    np.testing.assert_allclose(slope[0], A[:, 0], atol=0.1)
    assert VAE(2, **options).fit(X).score(X) < exact.mean() - 0.5


@pytest.mark.parametrize(
    ("at_fit", "later", "words"),
    [
        (species, None, "pass condition="),
        (None, species, "fitted without a condition"),
        (species, np.full(150, 7), r"labels that fit did not see: \[.*7.*\]"),
        (species, species[:7], "condition has 7 rows, but there are 150"),
        (numbers, numbers[:, :1], "condition has 1 columns, but 2 were seen"),
        (numbers, np.where(numbers > 6, np.nan, numbers), "condition contains NaN"),
        (numbers, numbers[:9], "condition has 9 rows"),
    ],
)
def test_wrong_conditions_later(at_fit, later, words):
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=at_fit)
    for method in (cvae.transform, cvae.reconstruct, cvae.score_samples):
        with pytest.raises(ValueError, match=words):
            method(iris, condition=later)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (numbers[:, 0], "holds fractions"),
        (np.array([None, *species[1:]], dtype=object), "missing labels"),
        (np.array([np.nan, *species[1:]]), "missing labels"),
        (species[:9], "condition has 9 rows"),
        (np.array([["a"]] * 150), "column 0 holds 'a'.*np.ravel.*OneHotEncoder"),
    ],
)
def test_wrong_conditions_at_fit(condition, words):
    with pytest.raises(ValueError, match=words):
        ConditionalVAE(**QUICK).fit(iris, condition=condition)


@pytest.mark.parametrize("value", ["red", np.array("red"), np.str_("red"), 3, 2.5, {"a": 1}])
def test_a_single_value_is_no_condition_of_many_rows(value):
    words = r"condition must hold a label, or a row of numbers, for each row of X\. Got the single"
    calls = [ConditionalVAE(**QUICK).fit, ConditionalVAE(**QUICK).partial_fit]
    for at_fit in (species, numbers):
        cvae = ConditionalVAE(**QUICK).fit(iris, condition=at_fit)
        calls += [cvae.transform, cvae.reconstruct, cvae.score_samples, cvae.partial_fit]
    for call in calls:
        with pytest.raises(ValueError, match=words):
            call(iris, condition=value)
    with pytest.raises(ValueError, match=words):
        cvae.inverse_transform(np.zeros((3, 2)), condition=value)
    with pytest.raises(ValueError, match="at least one label or row"):
        cvae.sample(2, condition=[])


MANY_LABELS = {
    "integers": np.arange(150),
    "whole floats": np.arange(150.0),
    "strings": np.arange(150).astype(str),
    "objects": np.arange(150).astype(str).astype(object),
    "list": list(range(150)),
    "series": pd.Series(np.arange(150), dtype="category"),
    "half": np.arange(150) % 76,
}


@pytest.mark.filterwarnings("ignore::skae.exceptions.CollapseWarning")  # the labels say it all
@pytest.mark.parametrize("condition", MANY_LABELS.values(), ids=MANY_LABELS)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
def test_labels_of_single_rows_are_warned_of_with_both_counts(method, condition):
    n_labels = len(set(condition))
    words = rf"{n_labels} different labels in 150 rows.*as a column.*reshape\(-1, 1\)"
    with pytest.warns(ParameterWarning, match=words):
        getattr(ConditionalVAE(**QUICK), method)(iris, condition=condition)


@pytest.mark.filterwarnings("ignore::skae.exceptions.CollapseWarning")
def test_labels_that_rows_share_and_numbers_are_not_warned_of():
    rare = np.arange(150) % 75
    with warnings.catch_warnings():
        warnings.simplefilter("error", ParameterWarning)
        for condition in (rare, species, np.arange(150.0)[:, None]):
            cvae = ConditionalVAE(**QUICK).fit(iris, condition=condition)
            cvae.transform(iris[:1], condition=condition[:1])


@pytest.mark.parametrize("features", [["z"], [9], [], [0, 1, 2, 3]])
def test_wrong_columns(features):
    table = pd.DataFrame(iris, columns=list("abcd"))
    with pytest.raises(ValueError, match="condition_features"):
        ConditionalVAE(condition_features=features, **QUICK).fit(table)


# Names of the columns of a condition


FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
frames = pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)


def frame_of(frame, names, columns=numbers):
    return frame(dict(zip(names, columns.T, strict=True)))


def uses(cvae, table, Z):
    """Return every method that takes a condition, as functions of it alone."""
    goes_on = clone_of(cvae).set_params(warm_start=True)
    return [
        lambda c: cvae.transform(table, condition=c),
        lambda c: cvae.reconstruct(table, condition=c),
        lambda c: cvae.reconstruction_error(table, condition=c),
        lambda c: cvae.posterior(table, condition=c),
        lambda c: cvae.score_samples(table, condition=c),
        lambda c: cvae.score(table, condition=c),
        lambda c: cvae.elbo_decomposition(table, condition=c),
        lambda c: clone_of(cvae).partial_fit(table, condition=c),
        lambda c: goes_on.fit(table, condition=c),
        lambda c: cvae.interpolate(table[0], table[9], condition=c[:1]),
        lambda c: PriorDisplay.from_estimator(cvae, table, condition=c, n_draws=200),
        *uses_of_codes(cvae, Z),
    ]


def uses_of_codes(cvae, Z):
    return [
        lambda c: cvae.inverse_transform(Z, condition=c),
        lambda c: cvae.sample(2, condition=c),
        lambda c: cvae.sample_prior(2, condition=c),
    ]


def clone_of(cvae):
    return pickle.loads(pickle.dumps(cvae))


@frames
def test_columns_of_a_condition_are_compared_by_name(frame):
    known, swapped = frame_of(frame, "ab"), frame_of(frame, "ba", numbers[:, ::-1])
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=known)
    Z = cvae.transform(iris, condition=known)
    for model in (cvae, clone_of(cvae)):
        for use in uses(model, iris, Z):
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                warnings.simplefilter("ignore", ConvergenceWarning)
                use(known)
            with pytest.raises(ValueError, match="(?s)columns of condition.*'b' in place of 'a'"):
                use(swapped)
            with pytest.raises(ValueError, match=r"unknown.*\['c'\].*missing.*\['b'\]"):
                use(frame_of(frame, "ac"))
            with pytest.warns(UserWarning, match="condition does not have valid feature names"):
                use(numbers)


@frames
def test_a_condition_with_names_where_fit_had_none(frame):
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=numbers)
    Z = cvae.transform(iris, condition=numbers)
    for use in uses(cvae, iris, Z):
        with pytest.warns(UserWarning, match="condition has feature names, but"):
            use(frame_of(frame, "ab"))


@frames
def test_columns_of_x_that_are_the_condition_are_compared_by_name(frame):
    """In the order of `condition_features`."""
    table, c = frame_of(frame, "abcd", iris), frame_of(frame, "db", iris[:, [3, 1]])
    cvae = ConditionalVAE(condition_features=["d", "b"], **QUICK).fit(table)
    Z = cvae.transform(table)
    for use in uses_of_codes(cvae, Z):
        use(c)
        with pytest.raises(ValueError, match="(?s)columns of condition.*'b' in place of 'd'"):
            use(frame_of(frame, "bd", iris[:, [1, 3]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        PriorDisplay.from_estimator(cvae, table, n_draws=200)


def test_the_names_of_a_condition_outlive_a_file(tmp_path):
    known = frame_of(pd.DataFrame, "ab")
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=known)
    cvae.save(tmp_path / "model")
    with pytest.raises(ValueError, match="columns of condition"):
        skae.load(tmp_path / "model").score(iris, condition=known[["b", "a"]])


def test_rows_of_a_frame_are_compared_by_name():
    """Ends of a path and its condition, given as rows of a DataFrame."""
    table, c = frame_of(pd.DataFrame, "abcd", iris), frame_of(pd.DataFrame, "ab")
    cvae = ConditionalVAE(**QUICK).fit(table, condition=c)
    path = cvae.interpolate(table.iloc[0], table.iloc[9], condition=c.iloc[0])
    for row in (c.iloc[:1], numbers[0], numbers[0].tolist()):
        np.testing.assert_array_equal(
            cvae.interpolate(table.iloc[:1], iris[9], condition=row), path
        )
    with pytest.raises(ValueError, match="columns of condition"):
        cvae.interpolate(iris[0], iris[9], condition=c[["b", "a"]].iloc[0])
    for permuted in (table[["b", "a", "c", "d"]], pl.from_pandas(table[["b", "a", "c", "d"]])):
        end = permuted.iloc[0] if hasattr(permuted, "iloc") else permuted[:1]
        with pytest.raises(ValueError, match="columns of x1.*'b' in place of 'a'"):
            cvae.interpolate(table.iloc[0], end, condition=c.iloc[0])


def test_importance_weights_need_a_prior():
    with pytest.raises(ValueError, match="conditional_prior"):
        ConditionalVAE(importance_weighted=True, conditional_prior="none").fit(iris)


def test_the_condition_is_routed():
    """With no request set by anybody."""
    cv = KFold(2, shuffle=True, random_state=0)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), ConditionalVAE(**QUICK), LogisticRegression())
        pipeline.fit(iris, species, condition=species)
        assert pipeline.predict(iris, condition=species).shape == (150,)
        own = GridSearchCV(ConditionalVAE(**QUICK), {"n_components": [1, 2]}, cv=cv)
        own.fit(iris, condition=species)
        assert np.isfinite(own.cv_results_["mean_test_score"]).all()


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"),
    reason="scores of a pipeline were not given what its transformers want",
)
def test_a_pipeline_that_is_scored_routes_the_condition():
    """Cross-validated and searched, with no request set by anybody."""
    y = (iris[:, 0] > 5.8).astype(int)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), ConditionalVAE(**QUICK), LogisticRegression(max_iter=500)
        )
        found = cross_validate(pipeline, iris, y, cv=3, params={"condition": species})
        assert (found["test_score"] > 0.55).all()
        grid = {"conditionalvae__n_components": [1, 2]}
        search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(iris, y, condition=species)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_columns_need_no_routing():
    X = np.column_stack([iris, species])
    pipeline = make_pipeline(
        ConditionalVAE(condition_features=[4], **QUICK), LogisticRegression(max_iter=500)
    )
    search = GridSearchCV(pipeline, {"conditionalvae__n_components": [1, 2]}, cv=2)
    assert np.isfinite(search.fit(X, species).best_score_)


def test_partial_fit_and_warm_start_keep_the_condition():
    cvae = ConditionalVAE(**QUICK)
    for _ in range(3):
        cvae.partial_fit(iris, condition=species)
    assert cvae.n_iter_ == 3
    with pytest.raises(ValueError, match="did not see"):
        cvae.partial_fit(iris, condition=np.full(150, 5))
    steady = ConditionalVAE(
        learning_rate="constant", warm_up=0.0, linear_path=False, random_state=0
    )
    long = clone(steady).set_params(max_iter=4).fit(iris, condition=species)
    short = clone(steady).set_params(max_iter=2, warm_start=True)
    short.fit(iris, condition=species).fit(iris, condition=species)
    assert short.loss_curve_ == long.loss_curve_


def test_a_second_fit_forgets_the_first_condition():
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=species).fit(iris)
    assert not hasattr(cvae, "condition_classes_")
    np.testing.assert_array_equal(
        cvae.transform(iris), ConditionalVAE(**QUICK).fit(iris).transform(iris)
    )


def test_bernoulli_rows_given_numbers_of_any_size():
    X = (iris > iris.mean(axis=0)).astype(float)
    cvae = ConditionalVAE(likelihood="bernoulli", **QUICK).fit(X, condition=100 * numbers)
    assert np.isfinite(cvae.score(X, condition=100 * numbers))
    table = np.column_stack([X, 100 * numbers])
    cvae = ConditionalVAE(likelihood="bernoulli", condition_features=[4, 5], **QUICK).fit(table)
    assert np.isfinite(cvae.score(table))


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, stratify=y, random_state=0)


@pytest.fixture(scope="module")
def conditional(digits):
    A, _, y, _ = digits
    return ConditionalVAE(8, max_iter=50, random_state=0).fit(A, condition=y)


def test_samples_obey_their_label(digits, conditional):
    """An independent classifier agrees with more than 95 %."""
    A, _, y, _ = digits
    judge = LogisticRegression(max_iter=1000).fit(A, y)
    S = conditional.sample(50, condition=np.arange(10))
    assert judge.score(S, np.repeat(np.arange(10), 50)) > 0.95
    one = conditional.sample(4, condition=3, random_state=1)
    np.testing.assert_array_equal(judge.predict(one), [3, 3, 3, 3])


def test_the_code_leaves_the_label_to_the_condition(digits, conditional):
    """A linear probe reads much less of it than from an unconditional code."""
    A, B, y, z = digits
    vae = VAE(8, max_iter=50, random_state=0).fit(A)

    def probe(codes, held_out):
        return LogisticRegression(max_iter=1000).fit(codes, y).score(held_out, z)

    given = probe(conditional.transform(A, condition=y), conditional.transform(B, condition=z))
    assert given < 0.5 < probe(vae.transform(A), vae.transform(B)) - 0.2
    assert conditional.score(B, condition=z) > vae.score(B)


@PRIORS
def test_more_draws_change_scores_of_images_little(digits, conditional_prior):
    """A bound that they raise by nats is far from what it bounds, and compares with nothing."""
    A, B, y, z = digits
    cvae = ConditionalVAE(8, conditional_prior=conditional_prior, max_iter=20, random_state=0)
    cvae.fit(A, condition=y)
    few, many = (cvae.score_samples(B, n, condition=z).mean() for n in (16, 256))
    # 16 draws miss 0.7 nats in eight numbers where a network has learned what they are drawn from.
    assert -0.1 < many - few < 1


@pytest.mark.parametrize(
    ("options", "condition"),
    [({}, species), ({}, numbers), ({"condition_features": [1]}, None), ({}, None)],
    ids=["labels", "numbers", "columns", "none"],
)
def test_files_in_which_each_part_of_the_condition_was_an_attribute(options, condition):
    cvae = ConditionalVAE(**QUICK, **options).fit(iris, condition=condition)
    state = cvae.__getstate__()
    parts = state.pop("_condition")
    state["_condition_kind"] = parts["kind"]
    state["_condition_mean"], state["_condition_scale"] = parts["mean"], parts["scale"]
    if parts["kind"] == "columns":
        state["_columns"] = parts["columns"]
    copy = ConditionalVAE.__new__(ConditionalVAE)
    copy.__setstate__(state)
    assert set(vars(copy)) == set(vars(cvae))
    for again in (copy, pickle.loads(pickle.dumps(copy))):
        np.testing.assert_array_equal(
            again.transform(iris, condition=condition), cvae.transform(iris, condition=condition)
        )


def test_samples_from_the_prior_are_its_draws_decoded():
    cvae = ConditionalVAE(**QUICK).fit(iris, condition=species)
    options = {"condition": [2, 0], "random_state": 1}
    Z = cvae.sample_prior(3, **options)
    rows = cvae.sample(3, codes="prior", observation_noise=False, **options)
    given = np.repeat([2, 0], 3)
    np.testing.assert_allclose(cvae.inverse_transform(Z, condition=given), rows, rtol=1e-6)
    plain = ConditionalVAE(conditional_prior="standard", **QUICK).fit(iris, condition=species)
    assert plain.sample_prior(4, condition=1).shape == (4, 2)
    with pytest.raises(ValueError, match="pass condition="):
        cvae.sample_prior()


def test_the_prior_of_all_conditions_is_drawn_as_their_mean():
    labelled = ConditionalVAE(2, **QUICK).fit(iris, condition=species)
    options = {"ax": Figure().subplots(), "n_draws": 300}
    display = PriorDisplay.from_estimator(labelled, iris, condition=species, **options)
    np.testing.assert_array_equal(display.Z_prior, labelled.sample_prior(2, condition=species))
    columns = ConditionalVAE(2, condition_features=[3], **QUICK).fit(iris)
    display = PriorDisplay.from_estimator(columns, iris, **options)
    expected = columns.sample_prior(2, condition=iris[:, [3]])
    np.testing.assert_allclose(display.Z_prior, expected, rtol=1e-6)
