"""The imputer: known answers of the Gaussian and of mixtures, laws of holes, scikit-learn."""

import copy
import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import skae
from skae import VAE, ConditionalVAE, Imputer, metrics
from skae.exceptions import ParameterWarning
from skae.imputation import choice, em, holes, inverses
from skae.imputation.answers import Member

rng = np.random.default_rng(0)
X, y = load_iris(return_X_y=True)
MISSING = rng.random(X.shape) < 0.25
HOLES = np.where(MISSING, np.nan, X)

CHECKED = [
    Imputer(random_state=0),
    Imputer(3, ridge=0.01, n_init=2, add_indicator=True, random_state=0),
    Imputer(estimator=VAE(2, hidden_layer_sizes=(), max_iter=1, random_state=0), random_state=0),
]
VARIANTS = {
    "auto": Imputer(random_state=0),
    "gaussian": Imputer(1, ridge=0.01),
    "three": Imputer(3, ridge=0.01, random_state=0),
    "averaged": Imputer(3, n_init=2, random_state=0),
}
every_variant = pytest.mark.parametrize("imputer", VARIANTS.values(), ids=VARIANTS)
FITTED = {name: clone(imputer).fit(HOLES) for name, imputer in VARIANTS.items()}
every_fitted = pytest.mark.parametrize("fitted", FITTED.values(), ids=FITTED)


def correlated(n_samples=500, d=4, seed=0):
    """Return rows of a Gaussian whose columns are tied to each other, with units of their own."""
    random = np.random.default_rng(seed)
    A = random.normal(size=(d, d))
    return 10 + random.normal(size=(n_samples, d)) @ A * np.arange(1, d + 1)


def given_observed(row, mean, S):
    """Return the row with conditional means, and the covariance of what was missing."""
    o, m = ~np.isnan(row), np.isnan(row)
    slopes = np.linalg.lstsq(S[np.ix_(o, o)], S[np.ix_(o, m)])[0].T
    filled = row.copy()
    filled[m] = mean[m] + slopes @ (row - mean)[o]
    return filled, S[np.ix_(m, m)] - slopes @ S[np.ix_(o, m)]


def two_kinds(n_samples=400, seed=0):
    """Return rows of two kinds with opposite slopes: no Gaussian fits them, and a mixture does."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n_samples, 1)) + 3 * random.integers(2, size=(n_samples, 1))
    kind = np.where(x > 1.5, 1, -1)
    return np.hstack([x, 2 * kind * x + 0.1 * random.normal(size=x.shape), kind * x**2 / 3])


def hide(X, share=0.3, seed=1):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


def parts_of(imputer):
    """Return weights, means and covariances of the one mixture of a fitted imputer, in X's units.

    All columns must vary.
    """
    (member,) = imputer._members
    columns = imputer._columns
    scale = np.ldexp(columns.scales, columns.exponents)
    means = columns.centres + scale * member.mixture.means
    return member.mixture.weights, means, member.mixture.covariances * np.outer(scale, scale)


# The Gaussian: known answers


def test_on_complete_data_it_is_the_closed_form():
    X = correlated()
    fitted = Imputer(1, ridge=1e-3).fit(X)
    np.testing.assert_allclose(fitted.mean_, X.mean(axis=0), rtol=1e-12)
    expected = np.cov(X.T, bias=True) + 1e-3 * np.diag(X.var(axis=0))
    np.testing.assert_allclose(fitted.covariance_, expected, rtol=1e-10)


def test_a_monotone_pattern_of_two_columns_has_a_closed_form():
    """Anderson 1957: the regression of complete rows, moved to the mean of all of the first."""
    X = correlated(300, 2)
    X[200:, 1] = np.nan
    fitted = Imputer(1, ridge=1e-6, max_iter=10_000, tol=0).fit(X)
    a, b = X[:200].T
    slope = np.cov(a, b, bias=True)[0, 1] / a.var()
    left = (b - b.mean() - slope * (a - a.mean())).var()
    mean = [X[:, 0].mean(), b.mean() + slope * (X[:, 0].mean() - a.mean())]
    variance = X[:, 0].var()
    covariance = [[variance, slope * variance], [slope * variance, left + slope**2 * variance]]
    np.testing.assert_allclose(fitted.mean_, mean, rtol=1e-5)
    np.testing.assert_allclose(fitted.covariance_, covariance, rtol=1e-5)


def test_cells_are_filled_with_the_conditional_mean_and_its_deviation():
    X = hide(correlated())
    fitted = Imputer(1, ridge=0.01).fit(X)
    filled, deviations = fitted.transform(X), fitted.standard_deviations(X)
    for row, row_filled, row_deviations in zip(X[:50], filled, deviations, strict=False):
        expected, left = given_observed(row, fitted.mean_, fitted.covariance_)
        m = np.isnan(row)
        np.testing.assert_allclose(row_filled, expected, rtol=1e-8)
        np.testing.assert_allclose(row_deviations[m], np.sqrt(np.diag(left)), rtol=1e-8)
        assert not row_deviations[~m].any()


@pytest.mark.parametrize("n_components", [1, 3])
def test_steps_never_lower_the_objective(n_components):
    Z = two_kinds()
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    observed = ~np.isnan(hide(Z))
    rows = em.Rows(Z * observed, holes.Holes(observed), rng.random(len(Z)) + 0.5)
    gaussian = em.run(rows, choice.first_gaussian(rows), em.Pull(0.01), 50, 0.0)
    objectives = gaussian.objectives
    if n_components > 1:
        random = np.random.RandomState(0)
        filled = choice.fill_rows(rows, gaussian.mixture)
        mixture, pull = choice.start(rows, gaussian.mixture, filled, 0.01, 3, random)
        objectives = em.run(rows, mixture, pull, 50, -np.inf).objectives
    assert (np.diff(objectives) > -1e-9 * np.abs(objectives[0])).all()
    assert objectives[-1] > objectives[0] + 1


# Mixtures: known answers


def test_the_density_is_that_of_the_marginals():
    X = hide(two_kinds())
    X[0] = np.nan
    fitted = Imputer(3, ridge=0.01, random_state=0).fit(X)
    weights, means, covariances = parts_of(fitted)
    scores = fitted.score_samples(X)
    assert scores[0] == 0
    for row, score in zip(X[1:60], scores[1:], strict=False):
        o = ~np.isnan(row)
        if o.any():
            parts = [
                w * multivariate_normal(m[o], S[np.ix_(o, o)]).pdf(row[o])
                for w, m, S in zip(weights, means, covariances, strict=True)
            ]
            np.testing.assert_allclose(score, np.log(sum(parts)), rtol=1e-9)
    np.testing.assert_allclose(fitted.score(X), scores.mean())


def test_a_mixture_fills_with_the_mean_of_its_conditionals():
    """Each component's conditional mean, weighted by the density of what is observed."""
    X = hide(two_kinds())
    fitted = Imputer(2, ridge=0.01, random_state=0).fit(X)
    parts = list(zip(*parts_of(fitted), strict=True))
    row = np.array([0.5, np.nan, 1.0])
    o = np.array([True, False, True])
    weights, means = [], []
    for w, mean, S in parts:
        weights.append(w * multivariate_normal(mean[o], S[np.ix_(o, o)]).pdf(row[o]))
        means.append(mean[1] + S[1, o] @ np.linalg.solve(S[np.ix_(o, o)], (row - mean)[o]))
    expected = np.average(means, weights=weights)
    np.testing.assert_allclose(fitted.transform([row])[0, 1], expected, rtol=1e-10)


def test_an_empty_row_is_filled_with_the_means():
    empty = np.full((1, 4), np.nan)
    np.testing.assert_allclose(FITTED["gaussian"].transform(empty)[0], FITTED["gaussian"].mean_)
    weights, means, _ = parts_of(FITTED["three"])
    np.testing.assert_allclose(FITTED["three"].transform(empty)[0], weights @ means)


def test_a_mixture_finds_two_kinds_and_the_gaussian_does_not():
    X = two_kinds(1000)
    rows = hide(X)
    auto, gaussian = Imputer(random_state=0).fit(rows), Imputer(1, random_state=0).fit(rows)
    assert auto.n_components_ > 1
    assert auto.z_ > 2
    error = {
        name: np.square(imputer.transform(rows) - X)[np.isnan(rows)].mean()
        for name, imputer in {
            "auto": auto,
            "gaussian": gaussian,
            "iterative": IterativeImputer(max_iter=100, random_state=0).fit(rows),
        }.items()
    }
    assert error["auto"] < 0.6 * min(error["gaussian"], error["iterative"])


def test_a_gaussian_stays_a_gaussian():
    X = hide(correlated(400, 5))
    auto, gaussian = Imputer(random_state=0).fit(X), Imputer(1, random_state=0).fit(X)
    assert (auto.n_components_, auto.alpha_) == (1, 0)
    assert auto.z_ <= 2
    np.testing.assert_array_equal(auto.transform(X), gaussian.transform(X))


def test_blends_are_between_the_gaussian_and_the_mixture():
    X = hide(two_kinds(600))
    blend = Imputer(random_state=0).fit(X)
    gaussian, mixture = Imputer(1, ridge=0.01).fit(X), Imputer(3, ridge=0.01).fit(X)
    blend._members = [
        gaussian._members[0]._replace(share=0.25),
        mixture._members[0]._replace(share=0.75),
    ]
    expected = 0.25 * gaussian.transform(X) + 0.75 * mixture.transform(X)
    np.testing.assert_allclose(blend.transform(X), expected)
    densities = np.exp([gaussian.score_samples(X), mixture.score_samples(X)])
    np.testing.assert_allclose(blend.score_samples(X), np.log([0.25, 0.75] @ densities))


# Draws and intervals


def test_draws_have_the_mean_and_the_covariance_of_the_conditional():
    fitted = Imputer(1, ridge=0.01).fit(hide(correlated()))
    row = np.array([fitted.mean_[0] + 5, np.nan, np.nan, fitted.mean_[3]])
    draws = fitted.impute([row], 20_000, random_state=0)[:, 0]
    assert (draws[:, [0, 3]] == row[[0, 3]]).all()
    S, o, m = fitted.covariance_, [0, 3], [1, 2]
    slopes = S[np.ix_(m, o)] @ np.linalg.inv(S[np.ix_(o, o)])
    left = S[np.ix_(m, m)] - slopes @ S[np.ix_(o, m)]
    deviations = np.sqrt(np.diag(left))
    mean = fitted.transform([row])[0, m]
    assert (np.abs(draws[:, m].mean(axis=0) - mean) < 5 * deviations / np.sqrt(20_000)).all()
    np.testing.assert_allclose(np.cov(draws[:, m].T), left, atol=0.05 * np.diag(left).max())


@pytest.mark.parametrize("name", ["three", "averaged"])
def test_mean_deviation_and_interval_are_those_of_the_draws(name):
    fitted = FITTED[name]
    draws = fitted.impute(HOLES[:12], 5000, random_state=0)
    deviations = fitted.standard_deviations(HOLES[:12])
    error = np.abs(draws.mean(axis=0) - fitted.transform(HOLES[:12]))
    assert (error <= 5 * deviations / np.sqrt(5000) + 1e-9).all()
    np.testing.assert_allclose(draws.std(axis=0), deviations, rtol=0.1, atol=1e-9)
    low, high = fitted.intervals(HOLES[:12], coverage=0.8)
    inside = ((low <= draws) & (draws <= high)).mean(axis=0)
    np.testing.assert_allclose(inside[MISSING[:12]], 0.8, atol=0.03)
    assert (low[~MISSING[:12]] == high[~MISSING[:12]]).all()


def test_the_interval_of_a_gaussian_is_known():
    fitted = FITTED["gaussian"]
    low, high = fitted.intervals(HOLES, coverage=0.95)
    mean, deviations = fitted.transform(HOLES), fitted.standard_deviations(HOLES)
    np.testing.assert_allclose(low, mean + norm.ppf(0.025) * deviations, rtol=1e-12)
    np.testing.assert_allclose(high, mean + norm.ppf(0.975) * deviations, rtol=1e-12)


def test_draws_repeat_with_their_seed_and_sample_posterior_draws():
    fitted = FITTED["three"]
    one, same, other = (fitted.impute(HOLES, 2, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other)[:, MISSING].all()
    assert (one[0] != one[1])[MISSING].all()
    drawing = [Imputer(3, sample_posterior=True, random_state=0).fit(HOLES) for _ in range(2)]
    first, again = (d.transform(HOLES) for d in drawing)
    np.testing.assert_array_equal(first, again)
    assert (drawing[0].transform(HOLES) != first)[MISSING].all()


def test_draws_are_seeded_as_samples_of_other_estimators():
    """An int at the constructor gives the same draws each time, None others."""
    seeded, again = (Imputer(3, ridge=0.01, random_state=7).fit(HOLES) for _ in range(2))
    first = seeded.impute(HOLES, 2)
    for same in (
        seeded.impute(HOLES, 2),
        again.impute(HOLES, 2),
        seeded.impute(HOLES, 2, random_state=7),
    ):
        np.testing.assert_array_equal(first, same)
    assert (seeded.impute(HOLES, 2, random_state=8) != first)[:, MISSING].all()
    streams = [np.random.RandomState(0) for _ in range(2)]
    one, other = (Imputer(3, ridge=0.01, random_state=s).fit(HOLES) for s in streams)
    np.testing.assert_array_equal(one.impute(HOLES, 1), other.impute(HOLES, 1))
    fresh = Imputer(3, ridge=0.01).fit(HOLES)
    assert (fresh.impute(HOLES, 1) != fresh.impute(HOLES, 1))[:, MISSING].all()


def test_rubin_s_intervals_cover_the_truth():
    """A slope from tables that lack a third of a column; Rubin 1987, as many draws as he takes."""
    random, n_draws, covered = np.random.default_rng(0), 5, []
    for _ in range(40):
        a = random.normal(size=150)
        table = np.column_stack([a, 0.5 * a + random.normal(size=150)])
        table[random.random(150) < 0.3, 1] = np.nan
        fitted = Imputer(1, ridge=1e-6).fit(table)
        draws = fitted.impute(table, n_draws, random_state=int(random.integers(2**31)))
        slopes, variances = np.transpose([slope_and_variance(draw) for draw in draws])
        total = variances.mean() + (1 + 1 / n_draws) * slopes.var(ddof=1)
        covered.append(abs(slopes.mean() - 0.5) < 1.96 * np.sqrt(total))
    assert np.mean(covered) > 0.85


def slope_and_variance(table):
    a, b = (table - table.mean(axis=0)).T
    slope = a @ b / (a @ a)
    return slope, np.sum((b - slope * a) ** 2) / (len(a) - 2) / (a @ a)


# Laws


@every_fitted
def test_observed_cells_are_kept_bit_for_bit(fitted):
    rows = HOLES * 1.1 + 1 / 3
    filled = fitted.transform(rows)
    assert filled[~MISSING].tobytes() == rows[~MISSING].tobytes()
    assert np.isfinite(filled).all()
    for dtype in (np.float32, np.float64):
        narrow = rows.astype(dtype)
        assert fitted.transform(narrow).dtype == dtype
        np.testing.assert_array_equal(fitted.transform(narrow)[~MISSING], narrow[~MISSING])


@every_fitted
def test_a_row_alone_is_as_in_a_batch(fitted):
    (low, _), filled = fitted.intervals(HOLES), fitted.transform(HOLES)
    for i in range(0, 150, 10):
        row = HOLES[i : i + 1]
        np.testing.assert_allclose(fitted.transform(row)[0], filled[i], rtol=1e-10)
        np.testing.assert_allclose(fitted.score_samples(row)[0], fitted.score_samples(HOLES)[i])
        np.testing.assert_allclose(fitted.intervals(row)[0][0], low[i], rtol=1e-10)


def test_blocks_cut_anywhere_say_the_same(monkeypatch):
    whole = FITTED["three"].transform(HOLES)
    monkeypatch.setattr(holes, "CELLS", 300)
    monkeypatch.setattr(inverses, "CELLS", 5)
    np.testing.assert_allclose(FITTED["three"].transform(HOLES), whole, rtol=1e-10)
    cut = clone(FITTED["three"]).fit(HOLES)
    np.testing.assert_allclose(cut.transform(HOLES), whole, rtol=1e-7)


@pytest.mark.parametrize("m", [0, 1, 5, 30])
def test_inverses_of_many_matrices(m):
    A = rng.normal(size=(2, 7, m, m + 3))
    A = A @ A.swapaxes(2, 3)
    inverse, logs = inverses.invert(A)
    np.testing.assert_allclose(inverse @ A, np.broadcast_to(np.eye(m), A.shape), atol=1e-8)
    np.testing.assert_allclose(logs, np.linalg.slogdet(A)[1])


@every_variant
def test_the_order_of_rows_and_the_units_of_columns_do_not_matter(imputer):
    if imputer.n_components == "auto":
        pytest.skip("which cells are hidden goes by the place of a row")
    scaled = HOLES * [1e-3, 1, 50, 1e6] + [0, 5, -3, 1e6]
    filled = clone(imputer).set_params(ridge=0.01).fit_transform(HOLES)
    other = clone(imputer).set_params(ridge=0.01).fit_transform(scaled)
    np.testing.assert_allclose(other, filled * [1e-3, 1, 50, 1e6] + [0, 5, -3, 1e6], rtol=1e-6)


def test_weights_are_repetitions_and_rows_of_no_weight_are_not_there():
    weights = np.arange(150) % 3
    repeated = np.repeat(HOLES, weights, axis=0)
    imputer = Imputer(1, ridge=0.01)
    weighted = clone(imputer).fit(HOLES, sample_weight=weights)
    plain = clone(imputer).fit(repeated)
    np.testing.assert_allclose(weighted.covariance_, plain.covariance_, rtol=1e-8)
    kept = clone(VARIANTS["auto"]).fit(HOLES[:100])
    zeros = np.repeat([2.0, 0.0], [100, 50])
    same = clone(VARIANTS["auto"]).fit(HOLES, sample_weight=zeros)
    np.testing.assert_allclose(same.transform(HOLES), kept.transform(HOLES), rtol=1e-10)
    with pytest.raises(ValueError, match="non-zero"):
        clone(imputer).fit(HOLES, sample_weight=np.zeros(150))


@every_variant
def test_one_seed_one_result_and_pickles(imputer):
    fitted, again = (clone(imputer).fit(HOLES) for _ in range(2))
    np.testing.assert_array_equal(fitted.transform(HOLES), again.transform(HOLES))
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(HOLES), fitted.transform(HOLES))


FILES = {
    **VARIANTS,
    "indicator": Imputer(3, ridge=0.01, add_indicator=True, random_state=0),
    "coded": Imputer(1, ridge=0.01, missing_values=-1, add_indicator=True, random_state=0),
    "drawing": Imputer(3, ridge=0.01, sample_posterior=True, random_state=0),
    "from the system": Imputer(1),
}


def through_a_file(imputer, path):
    pytest.importorskip("safetensors")
    imputer.save(path)
    return skae.load(path)


def through_skops(imputer, path):
    skops = pytest.importorskip("skops.io")
    skops.dump(imputer, path)
    trusted = skops.get_untrusted_types(file=path)
    assert trusted == ["skae.Imputer"]
    return skops.load(path, trusted=trusted)


WAYS = {
    "pickle": lambda imputer, path: pickle.loads(pickle.dumps(imputer)),
    "copy": lambda imputer, path: copy.deepcopy(imputer),
    "skops": through_skops,
    "file": through_a_file,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILES)
def test_every_way_into_a_file_and_back_changes_nothing(name, way, tmp_path):
    table = np.where(MISSING, FILES[name].missing_values, X)
    fitted = clone(FILES[name]).fit(table)
    again = WAYS[way](fitted, tmp_path / "imputer")
    assert set(vars(again)) == set(vars(fitted))
    for method in ("transform", "standard_deviations", "score_samples", "intervals"):
        one, other = (getattr(imputer, method)(table) for imputer in (fitted, again))
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(fitted.transform(table), again.transform(table))  # also draws
    assert list(again.get_feature_names_out()) == list(fitted.get_feature_names_out())
    if fitted.add_indicator:
        filled = again.transform(table)
        np.testing.assert_array_equal(again.inverse_transform(filled), table)
    unfitted = WAYS[way](clone(fitted), tmp_path / "unfitted")
    assert not hasattr(unfitted, "mean_")
    assert repr(unfitted) == repr(clone(fitted))


def test_files_of_classes_of_one_s_own(tmp_path):
    pytest.importorskip("safetensors")
    FITTED["three"].save(tmp_path / "own")
    with pytest.raises(skae.exceptions.ModelFileError, match="holds a skae.Imputer, and no VAE"):
        skae.load(tmp_path / "own", estimator=VAE)
    read = skae.load(tmp_path / "own", estimator=Imputer)
    np.testing.assert_array_equal(read.transform(HOLES), FITTED["three"].transform(HOLES))


def test_what_a_file_cannot_hold_of_an_imputer_is_said(tmp_path):
    pytest.importorskip("safetensors")
    imputer = Imputer(estimator=VAE(2, hidden_layer_sizes=(), max_iter=1), random_state=0)
    for given in (imputer, clone(imputer).fit(HOLES)):
        with pytest.raises(TypeError, match="holds an estimator, a VAE: pickle the imputer"):
            given.save(tmp_path / "vae")
    assert list(tmp_path.iterdir()) == []


def test_trained_on_whole_rows_it_fills_rows_half_hidden():
    """Nearly as well as the Gaussian that the rows are drawn from."""
    whole, fresh = np.split(correlated(2000), 2)
    rows = hide(fresh, 0.5)
    filled = Imputer(random_state=0).fit(whole).transform(rows)
    A = np.random.default_rng(0).normal(size=(4, 4)) * np.arange(1, 5)
    best = np.array([given_observed(row, np.full(4, 10.0), A.T @ A)[0] for row in rows])
    error, least = (np.square(Y - fresh)[np.isnan(rows)].mean() for Y in (filled, best))
    assert least < error < 1.03 * least


# Odd tables


def test_a_column_without_any_value():
    table = np.insert(HOLES, 2, np.nan, axis=1)
    with pytest.warns(ParameterWarning, match=r"any observed value: 2\. They are left out"):
        fitted = Imputer(1, ridge=0.01).fit(table)
    assert fitted.transform(table).shape == (150, 4)
    assert list(fitted.get_feature_names_out()) == ["x0", "x1", "x3", "x4"]
    assert np.isnan(fitted.mean_[2])
    np.testing.assert_array_equal(fitted.transform(table), FITTED["gaussian"].transform(HOLES))
    words = r"any observed value: 2\. Their missing cells become 0; keep_empty_features=False is"
    with pytest.warns(ParameterWarning, match=words):
        kept = Imputer(1, ridge=0.01, keep_empty_features=True).fit(table)
    np.testing.assert_array_equal(kept.transform(table)[:, 2], 0)
    table[0, 2] = 7
    assert kept.transform(table)[0, 2] == 7


def test_a_constant_column():
    table = np.insert(HOLES, 1, np.where(rng.random(150) < 0.3, np.nan, 0.1), axis=1)
    fitted = Imputer(1, ridge=0.01).fit(table)
    assert (fitted.transform(table)[:, 1] == 0.1).all()
    assert not fitted.standard_deviations(table)[:, 1].any()
    np.testing.assert_array_equal(
        np.delete(fitted.transform(table), 1, axis=1), FITTED["gaussian"].transform(HOLES)
    )
    np.testing.assert_array_equal(
        fitted.score_samples(table), FITTED["gaussian"].score_samples(HOLES)
    )
    alone = Imputer(1, ridge=0.01).fit(np.ones((5, 2)))
    np.testing.assert_array_equal(alone.transform([[np.nan, 2.0]]), [[1.0, 2.0]])
    assert alone.score_samples([[np.nan, 2.0]]) == 0


def test_fewer_rows_than_columns():
    table = hide(correlated(20, 40))
    filled = Imputer(random_state=0).fit_transform(table)
    assert np.isfinite(filled).all()
    assert np.abs(filled).max() < 1e4


def test_too_few_cells_to_choose_by_is_said():
    with pytest.warns(ParameterWarning, match=r"'auto' was not chosen.*ridge=0\.1 are taken"):
        fitted = Imputer(random_state=0).fit([[1.0, 2.0], [2.0, np.nan], [3.0, 4.5]])
    assert (fitted.n_components_, fitted.ridge_) == (1, 0.1)
    assert np.isnan(fitted.gain_)


def test_a_fit_cut_short_is_said():
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        Imputer(1, ridge=0.01, max_iter=2).fit(HOLES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(VARIANTS["auto"]).fit(HOLES)


def test_numbers_out_of_all_proportion():
    table = HOLES * [1e300, 1e-300, 1, 1]
    filled = Imputer(1, ridge=0.01).fit_transform(table)
    np.testing.assert_allclose(
        filled / [1e300, 1e-300, 1, 1], FITTED["gaussian"].transform(HOLES), rtol=1e-9
    )
    assert np.isfinite(Imputer(1, ridge=0.01).fit(table).score_samples(table)).all()


def test_columns_that_repeat_each_other():
    """The least ridge there may be is enough, and what one says of the other is exact."""
    table = HOLES[:, [0, 1, 0, 1]]
    table[::3, :2], table[1::3, 2:] = np.nan, np.nan
    imputers = [Imputer(k, ridge=1e-6, max_iter=500, random_state=0) for k in (1, 3)]
    for imputer in imputers:
        filled = imputer.fit_transform(table)
        known = ~np.isnan(table[::3, 2:])
        np.testing.assert_allclose(filled[::3, :2][known], table[::3, 2:][known], atol=1e-3)
        assert np.isfinite(imputer.score_samples(table)).all()
        assert np.isfinite(imputer.impute(table, 2, random_state=0)).all()
        low, high = imputer.intervals(table)
        assert (low <= high).all()


def test_more_components_than_rows_that_differ():
    table = np.repeat([[0.0, 1.0], [1.0, 5.0]], 20, axis=0)
    fitted = Imputer(5, ridge=0.01, max_iter=1000, random_state=0).fit(table)
    filled = fitted.transform([[0.0, np.nan], [np.nan, 5.0]])
    np.testing.assert_allclose(filled, [[0, 1], [1, 5]], atol=0.2)


def test_rows_of_many_columns_do_not_fill_the_memory():
    """Blocks get as short as they must: matrices of a block have a bounded number of cells."""
    observed = rng.random((40, 300)) < 0.5
    table = holes.Holes(observed)
    for n_components in (1, 8):
        blocks = list(table.blocks(n_components))
        rows = np.concatenate([block.rows for block in blocks])
        np.testing.assert_array_equal(np.sort(rows), np.arange(40))
        for block in blocks:
            p, m = block.columns.shape
            assert n_components * p * m**2 <= max(holes.CELLS, n_components * m**2)
            seen = np.ones((len(block.rows), 300), dtype=bool)
            np.put_along_axis(seen, block.columns[block.pattern], False, axis=1)
            np.testing.assert_array_equal(seen, observed[block.rows])


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity_is_an_error(bad):
    table = HOLES.copy()
    table[3, 1] = bad
    with pytest.raises(ValueError, match="infinity"):
        Imputer().fit(table)
    with pytest.raises(ValueError, match="infinity"):
        FITTED["auto"].transform(table)


def test_another_number_may_stand_for_missing_values():
    coded = np.where(MISSING, -1, X)
    fitted = Imputer(1, ridge=0.01, missing_values=-1).fit(coded)
    np.testing.assert_array_equal(fitted.transform(coded), FITTED["gaussian"].transform(HOLES))
    with pytest.raises(ValueError, match="NaN"):
        fitted.transform(HOLES)
    whole = np.where(MISSING, -1, np.round(10 * X)).astype(int)
    filled = clone(fitted).fit_transform(whole)
    assert filled.dtype == np.float64
    np.testing.assert_array_equal(filled[~MISSING], whole[~MISSING])


def test_integers_booleans_and_pd_na():
    plain = pd.DataFrame({"a": X[:, 0], "b": np.round(X[:, 1]), "c": X[:, 2] > 4})
    frame = plain.astype({"a": "Float64", "b": "Int64", "c": "boolean"})
    frame = frame.mask(MISSING[:, :3])
    fitted = Imputer(1, ridge=0.01).fit(frame)
    filled = fitted.transform(frame)
    assert filled.dtype == np.float64
    np.testing.assert_array_equal(filled, fitted.transform(fitted_floats(plain)))
    booleans = Imputer(1, ridge=0.01).fit_transform(X > 3)
    np.testing.assert_array_equal(booleans, X > 3)
    for table in (frame.astype(object), frame.astype(object).convert_dtypes()):
        np.testing.assert_array_equal(fitted.transform(table), filled)


def test_a_fit_that_fails_leaves_the_imputer_as_it_was():
    fitted, new = Imputer(1, ridge=0.1).fit(X), Imputer()
    before = pickle.dumps(fitted)
    for imputer in (fitted, new):
        with pytest.raises(ValueError, match="n_components=3 needs as many rows"):
            imputer.set_params(n_components=3).fit(X[:2, :2])
    with pytest.raises(NotFittedError):
        new.transform(X)
    assert pickle.dumps(fitted.set_params(n_components=1)) == before


def test_text_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"column 'b' holds 'm'.*OneHotEncoder"):
        Imputer().fit(pd.DataFrame({"a": [1.0, 2.0], "b": ["m", "f"]}))


def fitted_floats(plain):
    return plain.astype(float).mask(MISSING[:, :3])


def test_more_components_than_rows_are_refused():
    with pytest.raises(ValueError, match=r"n_components=9.*n_samples=5"):
        Imputer(9).fit(HOLES[:5])


# scikit-learn


@pytest.mark.filterwarnings("ignore::skae.exceptions.ParameterWarning")
@pytest.mark.parametrize(
    ("imputer", "check"),
    [
        pytest.param(imputer, check, id=f"{imputer}-{check.func.__name__}")
        for checked in CHECKED
        for imputer, check in estimator_checks_generator(checked)
    ],
)
def test_check_estimator(imputer, check):
    check(imputer)


def test_scikit_learn_s_check_of_the_array_api():
    """It looks at all methods, where scipy is told of the API before it is imported."""
    code = (
        "from sklearn.utils.estimator_checks import estimator_checks_generator as checks;"
        "from skae import Imputer;"
        "given = [Imputer(random_state=0), Imputer(1, add_indicator=True, random_state=0)];"
        "found = [check(e) for i in given for e, check in checks(i)"
        " if check.func.__name__ == 'check_array_api_input'];"
        "assert len(found) == 2"
    )
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_names_and_frames():
    frame = pd.DataFrame(HOLES, columns=list("abcd"))
    frame["b"] = X[:, 1]
    imputer = Imputer(1, ridge=0.01, add_indicator=True).set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    marks = [f"missingindicator_{name}" for name in "acd"]
    assert list(filled.columns) == [*"abcd", *marks]
    np.testing.assert_array_equal(filled[marks], MISSING[:, [0, 2, 3]])
    back = imputer.inverse_transform(filled.to_numpy())
    np.testing.assert_array_equal(back, frame)
    with pytest.raises(ValueError, match="feature names"):
        imputer.transform(frame.rename(columns={"a": "e"}))
    assert not hasattr(FITTED["auto"], "inverse_transform")
    with pytest.raises(AttributeError) as error:
        FITTED["auto"].inverse_transform(X)
    assert "set add_indicator=True" in str(error.value.__cause__)
    with pytest.raises(ValueError, match="X has 6 columns, but 4 features and 3"):
        imputer.inverse_transform(np.ones((2, 6)))


def test_the_indicator_is_scikit_learn_s():
    table = np.insert(HOLES, 2, np.nan, axis=1)
    ours = Imputer(1, ridge=0.01, add_indicator=True)
    theirs = SimpleImputer(add_indicator=True)
    with pytest.warns(UserWarning, match="without any"):
        ours.fit(table)
    theirs.fit(table)
    with pytest.warns(UserWarning, match="without any"):
        expected = theirs.transform(table)[:, 4:]
    np.testing.assert_array_equal(ours.transform(table)[:, 4:], expected)
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    np.testing.assert_array_equal(ours.inverse_transform(ours.transform(table)), table)


def test_pipelines_columns_and_searches():
    model = make_pipeline(Imputer(random_state=0), LogisticRegression(max_iter=1000))
    assert cross_val_score(model, HOLES, y, cv=3).mean() > 0.85
    columns = ColumnTransformer([("holes", Imputer(1, ridge=0.01), [0, 1])], remainder="drop")
    assert columns.fit_transform(HOLES).shape == (150, 2)
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(Imputer(1), {"ridge": [0.01, 10.0]}, cv=folds, n_jobs=2)
    assert search.fit(HOLES).best_params_ == {"ridge": 0.01}
    regression = make_pipeline(Imputer(1, ridge=0.01), LinearRegression()).fit(HOLES, y)
    assert regression.score(HOLES, y) > 0.8


def test_the_score_is_the_share_of_hidden_cells_that_is_filled():
    """By hand: what is hidden is what transform is not given."""
    seen = {}

    class Spy(Imputer):
        def transform(self, X):
            seen["X"], seen["filled"] = X, super().transform(X)
            return seen["filled"]

    spy = Spy(1, ridge=0.01).fit(HOLES)
    score = metrics.imputation_score(spy, HOLES, fraction=0.3, random_state=1)
    hidden = np.isnan(seen["X"]) & ~MISSING
    assert hidden.sum() == round(0.3 * (~MISSING).sum())
    scale, mean = np.nanstd(seen["X"], axis=0), np.nanmean(seen["X"], axis=0)
    error = np.square((seen["filled"] - X) / scale)[hidden].sum()
    np.testing.assert_allclose(score, 1 - error / np.square((X - mean) / scale)[hidden].sum())
    weights = np.arange(150) % 2
    of_some = metrics.imputation_score(spy, HOLES, fraction=0.3, sample_weight=weights)
    assert of_some != metrics.imputation_score(spy, HOLES, fraction=0.3)


def test_scores_of_scikit_learn_s_imputers_and_of_searches():
    frame = pd.DataFrame(HOLES, columns=list("abcd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for imputer in (Imputer(1, ridge=0.01, add_indicator=True), KNNImputer()):
            assert 0.6 < metrics.imputation_score(imputer.fit(frame), frame) < 1
    assert abs(metrics.imputation_score(SimpleImputer().fit(HOLES), HOLES)) < 0.05
    coded = np.where(MISSING, -1, X)
    ours = Imputer(1, ridge=0.01, missing_values=-1).fit(coded)
    theirs = metrics.imputation_score(FITTED["gaussian"], HOLES)
    assert metrics.imputation_score(ours, coded, missing_values=-1) == pytest.approx(theirs)
    folds, grid = KFold(3, shuffle=True, random_state=0), {"ridge": [0.01, 100.0]}
    search = GridSearchCV(Imputer(1), grid, cv=folds, scoring=metrics.imputation_scorer)
    assert search.fit(HOLES).best_params_ == {"ridge": 0.01}
    with pytest.warns(ParameterWarning):
        left_out = Imputer(1, ridge=0.01).fit(np.insert(HOLES, 2, np.nan, axis=1))
    with pytest.raises(ValueError, match="4 columns of 5"):
        metrics.imputation_score(left_out, np.insert(HOLES, 2, np.nan, axis=1))


def test_it_takes_no_torch():
    code = (
        "import sys, numpy; from skae import Imputer;"
        "Imputer().fit_transform(numpy.random.default_rng(0).random((60, 5)));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_clusters_far_apart():
    """Rows of a far group say which group they are of, and are filled from its mean."""
    X, labels = make_blobs(300, 3, centers=3, cluster_std=0.1, random_state=0)
    rows = X.copy()
    rows[::5, 1] = np.nan
    filled = Imputer(3, ridge=0.001, random_state=0).fit_transform(rows)
    means = np.array([X[labels == k].mean(axis=0) for k in range(3)])
    assert np.abs(filled[::5, 1] - means[labels[::5], 1]).max() < 0.5


# A density with a code in the place of the mixture


def make_waves(n_samples=400, seed=0):
    """Return sines of a number: a curve that no Gaussian fills."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-3, 3, size=(n_samples, 1))
    return np.sin(t * [0.5, 1, 1, 2, 2, 3] + [0, 0, 1, 0, 1, 0]) + 0.05 * rng.normal(size=(400, 6))


@pytest.fixture(scope="module")
def waves():
    """Return rows, rows with holes, and an imputer by a VAE fitted to these."""
    rows = make_waves()
    holes = hide(rows, 0.2)
    vae = VAE(2, hidden_layer_sizes=(32,), max_iter=60, alpha=0.1)
    return rows, holes, Imputer(estimator=vae, random_state=0).fit(holes)


def test_an_estimator_is_used_where_it_is_better_than_the_gaussian(waves):
    rows, holes, imputer = waves
    hidden = np.isnan(holes)
    assert isinstance(imputer.estimator_, VAE)
    assert imputer.estimator.random_state is None  # a clone was fitted
    assert imputer.n_components_ == 1
    assert imputer.z_ > 2
    gaussian = Imputer(1, random_state=0).fit(holes)
    errors = [np.square(i.transform(holes) - rows)[hidden].mean() for i in (imputer, gaussian)]
    assert errors[0] < 0.9 * errors[1]
    assert imputer.score(holes) > gaussian.score(holes)


def test_what_an_estimator_fills_in_is_its_posterior_predictive(waves):
    """By hand, in standard deviations of the columns, where its share is one."""
    _, holes, imputer = waves
    blend = copy.copy(imputer)
    blend._members = [Member(1.0, imputer._members[-1].mixture)]
    mean, scale = np.nanmean(holes, axis=0), np.nanstd(holes, axis=0)
    weights, means, variances = imputer.estimator_.posterior_predictive((holes - mean) / scale)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    expected = mean + scale * np.einsum("nk,nkd->nd", weights, means)
    hidden = np.isnan(holes)
    np.testing.assert_allclose(blend.transform(holes)[hidden], expected[hidden])
    spread = np.einsum("nk,nkd->nd", weights, np.square(means)) - np.square(
        np.einsum("nk,nkd->nd", weights, means)
    )
    deviations = scale * np.sqrt(spread + variances)
    np.testing.assert_allclose(blend.standard_deviations(holes)[hidden], deviations[hidden])


def test_draws_and_intervals_of_an_estimator(waves):
    rows, holes, imputer = waves
    hidden = np.isnan(holes)
    draws = imputer.impute(holes, 50, random_state=0)
    np.testing.assert_array_equal(draws[:, ~hidden], np.tile(holes[~hidden], (50, 1)))
    filled, deviations = imputer.transform(holes), imputer.standard_deviations(holes)
    off = (draws.mean(axis=0) - filled)[hidden] / (deviations[hidden] / np.sqrt(50))
    assert np.abs(off).mean() < 1.5
    low, high = imputer.intervals(holes)
    inside = (low <= rows) & (rows <= high)
    assert 0.8 < inside[hidden].mean() < 0.99
    assert imputer.score_samples(np.full((1, 6), np.nan)) == 0
    again = pickle.loads(pickle.dumps(imputer))
    np.testing.assert_array_equal(again.transform(holes), filled)


def test_an_estimator_that_is_no_better_is_not_used_and_a_warning_says_so():
    rng = np.random.default_rng(0)
    holes = hide(rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6)), 0.2)
    vae = VAE(2, hidden_layer_sizes=(), max_iter=1)
    with pytest.warns(ParameterWarning, match="not better than the Gaussian by two standard"):
        imputer = Imputer(estimator=vae, random_state=0).fit(holes)
    assert imputer.estimator_ is None
    assert imputer.alpha_ == 0
    gaussian = Imputer(1, ridge=imputer.ridge_, random_state=0).fit(holes)
    np.testing.assert_allclose(
        imputer.transform(holes), gaussian.transform(holes), rtol=1e-2, atol=1e-4
    )


def test_estimators_that_do_not_go():
    for other in (ConditionalVAE(), VAE(likelihood="bernoulli"), PCA()):
        with pytest.raises(ValueError, match="'estimator' parameter of Imputer must be"):
            Imputer(estimator=other).fit(HOLES)


@pytest.mark.parametrize("n_components", [1, 3, 1000])
def test_components_beside_an_estimator_have_no_effect_and_a_warning_says_so(n_components):
    vae = VAE(2, hidden_layer_sizes=(), max_iter=1, random_state=0)
    options = {"estimator": vae, "random_state": 0}
    with pytest.warns(ParameterWarning, match=f"n_components={n_components} has no effect"):
        given = Imputer(n_components, **options).fit(HOLES)
    plain = Imputer(**options).fit(HOLES)
    np.testing.assert_array_equal(given.transform(HOLES), plain.transform(HOLES))
    assert (given.gain_, given.ridge_) == (plain.gain_, plain.ridge_)
