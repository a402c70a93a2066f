"""Rows with missing values in density models: NaN stands for what is not observed."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.stats import kstest, multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

import skae
from skae import VAE, Autoencoder, ConditionalVAE
from skae.data import batches
from skae.metrics import score_percentiles
from skae.networks import Conv
from skae.nn.holes import condition
from skae.nn.repeatable import has_foreign_code
from skae.training.engine import Engine

X, y = load_iris(return_X_y=True)
WINE = load_wine().data


def with_holes(X, share=0.3, seed=0):
    """Return rows of which some cells are hidden, the first row of all."""
    holes = np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)
    holes[0] = np.nan
    return holes


HOLES, WINE_HOLES = with_holes(X), with_holes(WINE)
UNIT = (HOLES - X.min(axis=0)) / np.ptp(X, axis=0)
QUICK = {"max_iter": 4, "batch_size": 50, "random_state": 0}
VARIANTS = {
    "default": (VAE(**QUICK), HOLES),
    "full": (
        VAE(covariance_type="full", importance_weighted=True, n_mc_samples=3).set_params(**QUICK),
        HOLES,
    ),
    "identity": (VAE(covariance_type="identity", noise_variance=0.1, **QUICK), HOLES),
    "textbook": (VAE(linear_path=False, **QUICK), HOLES),
    "bernoulli": (VAE(likelihood="bernoulli", beta=0.1, **QUICK), UNIT),
    "mixture": (VAE(prior="mixture", n_prior_components=3, corruption="swap", **QUICK), HOLES),
    "vamp": (VAE(prior="vamp", n_prior_components=3, **QUICK), HOLES),
    "convolutions": (VAE(encoder=Conv((1, 4), channels=(4,)), **QUICK), HOLES),
    "double": (VAE(dtype="float64", scaling=None, **QUICK), HOLES),
    "stopping": (VAE(early_stopping=True, corruption="salt_and_pepper", **QUICK), HOLES),
    "own networks": (VAE(encoder=torch.nn.Linear(4, 4), dropout=0.1, **QUICK), HOLES),
    "conditional": (ConditionalVAE(condition_features=[4], **QUICK), np.c_[HOLES, y]),
}
CORRUPTED = [name for name, (model, _) in VARIANTS.items() if model.corruption is not None]


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request):
    model, table = VARIANTS[request.param]
    return clone(model).fit(table), table


def log_density(model, X):
    """Return the exact log density of observed cells under the linear model, row by row."""
    parts = model._linear
    covariance = parts["loadings"].T @ parts["loadings"] + np.diag(parts["noise"])
    scale = np.broadcast_to(model.scale_, model.mean_.shape)
    shift = model.mean_ if model._shifted else 0.0
    result = np.zeros(len(X))
    for i, row in enumerate((X - shift) / scale):
        o = ~np.isnan(row)
        if o.any():
            known = parts["mean"][o], covariance[np.ix_(o, o)]
            result[i] = multivariate_normal.logpdf(row[o], *known) - np.log(scale[o]).sum()
    return result


# The linear case, where all is known


@pytest.mark.parametrize("noise_variance", ["shared", "per_feature"])
def test_the_score_of_a_linear_model_is_exact(noise_variance):
    """The exact posterior of every pattern makes the bound tight, whatever the draws."""
    model = VAE(3, hidden_layer_sizes=(), noise_variance=noise_variance, random_state=0)
    model.set_params(max_iter=1, learning_rate_init=1e-12, dtype="float64").fit(WINE_HOLES)
    exact = log_density(model, WINE_HOLES)
    np.testing.assert_allclose(model.score_samples(WINE_HOLES), exact, atol=1e-6)
    np.testing.assert_allclose(model.score_samples(WINE_HOLES, 1), exact, atol=1e-6)


@pytest.mark.parametrize("load", [load_wine, load_diabetes])
@pytest.mark.parametrize("noise_variance", ["shared", "per_feature"])
def test_a_linear_model_starts_at_its_maximum_likelihood(load, noise_variance):
    """Of all observed cells: a quasi-Newton method finds nothing better by 0.002 nats of a row."""
    data = with_holes(load().data)
    model = VAE(3, hidden_layer_sizes=(), noise_variance=noise_variance, scaling="standard")
    model.set_params(max_iter=1, random_state=0).fit(data)
    rows = torch.from_numpy((data - model.mean_) / model.scale_)
    start = log_density(model, data)
    best = _climb(rows, model._linear, is_shared=noise_variance == "shared")
    offsets = np.where(np.isnan(data), 0.0, np.log(model.scale_)).sum(axis=1)
    assert start.mean() > best - offsets.mean() - 2e-3


def _climb(rows, parts, is_shared):
    """Return the largest mean log density of observed cells that L-BFGS finds."""
    observed = ~rows.isnan()
    W, noise, mean = (torch.from_numpy(parts[n].copy()) for n in ("loadings", "noise", "mean"))
    log_noise = (noise[:1] if is_shared else noise).log()
    free = [t.requires_grad_() for t in (W, log_noise, mean)]
    optimizer = torch.optim.LBFGS(free, max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        deviations = torch.where(observed, rows - mean, 0.0)
        given = condition(
            deviations, observed, W, log_noise.exp().clamp_min(1e-6).expand(mean.shape)
        )
        value = -given.log_density.mean()
        value.backward()
        return value

    optimizer.step(loss)
    return -float(loss().detach())


def test_what_is_given_is_what_the_gaussian_says():
    """The joint Gaussian of z and x, conditioned on some cells by scipy and by hand."""
    rng = np.random.default_rng(0)
    W, noise = rng.normal(size=(2, 5)), rng.uniform(0.5, 2, 5)
    row, seen = rng.normal(size=5), np.array([True, False, True, True, False])
    S = W.T @ W + np.diag(noise)
    gain = W[:, seen] @ np.linalg.inv(S[np.ix_(seen, seen)])
    y = torch.from_numpy(np.where(seen, row, 0.0))[None]
    given = condition(y, torch.from_numpy(seen)[None], *map(torch.from_numpy, (W, noise)))
    np.testing.assert_allclose(given.mean[0], gain @ row[seen])
    np.testing.assert_allclose(given.covariance[0], np.eye(2) - gain @ W[:, seen].T)
    assert given.factor[0, 0, 1] == 0
    exact = multivariate_normal.logpdf(row[seen], np.zeros(3), S[np.ix_(seen, seen)])
    np.testing.assert_allclose(given.log_density[0], exact)


def test_a_condition_shifts_what_a_linear_model_fills_in():
    """Regression on the condition, of what is observed alone: its slopes are found again."""
    rng = np.random.default_rng(0)
    C, W, A = rng.normal(size=(2000, 2)), rng.normal(size=(1, 6)), rng.normal(size=(2, 6))
    data = C @ A + rng.normal(size=(2000, 1)) @ W + 0.3 * rng.normal(size=(2000, 6))
    model = ConditionalVAE(1, hidden_layer_sizes=(), max_iter=1, scaling=None, random_state=0)
    model.fit(with_holes(data), condition=C)
    scales = C.std(axis=0)
    np.testing.assert_allclose(model._linear["slopes"].T / scales[:, None], A, atol=0.05)


def test_many_holes_cost_little_of_what_is_known():
    """Loadings and noise of data that follow the model are found from half of the cells."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(2, 8))
    data = rng.normal(size=(4000, 2)) @ W + 0.5 * rng.normal(size=(4000, 8))
    model = VAE(2, hidden_layer_sizes=(), noise_variance="shared", random_state=0, scaling=None)
    model.set_params(max_iter=1).fit(with_holes(data, 0.5))
    loadings = model._linear["loadings"]
    np.testing.assert_allclose(loadings.T @ loadings, W.T @ W, atol=0.3)
    assert model.noise_variance_ == pytest.approx(0.25, rel=0.05)


# Laws of all variants


def test_all_that_a_model_says_is_whole(variant):
    model, table = variant
    whole = [model.transform(table), model.score_samples(table)]
    whole += [model.sample(5, **{"condition": [[1.0]]} if len(table[0]) == 5 else {})]
    whole += [*model.posterior(table), model.reconstruction_error(table)]
    whole += [list(model.elbo_decomposition(table).values())[:-1], model._codes]
    assert all(np.isfinite(part).all() for part in whole)
    assert np.isfinite(model.reconstruct(table)).all()
    assert np.isfinite(model.loss_curve_).all()


def test_of_an_empty_row_the_prior_is_known(variant):
    model, table = variant
    assert model.score_samples(table)[0] == 0
    mean, covariance = model.posterior(table)
    np.testing.assert_array_equal(model.transform(table)[0], mean[0])
    if model.get_params().get("prior") == "standard":
        np.testing.assert_array_equal(mean[0], 0)
        np.testing.assert_allclose(covariance[0], np.eye(2), atol=1e-6)


def test_a_row_alone_is_what_it_is_in_a_batch(variant):
    model, table = variant
    rows = table[:6]
    alone = np.concatenate([model.transform(row[None]) for row in rows])
    np.testing.assert_allclose(model.transform(table)[:6], alone, atol=1e-5)
    scores = np.concatenate([model.score_samples(row[None]) for row in rows])
    np.testing.assert_allclose(model.score_samples(table)[:6], scores, rtol=1e-5, atol=1e-5)
    covariances = np.concatenate([model.posterior(row[None])[1] for row in rows])
    np.testing.assert_allclose(model.posterior(table)[1][:6], covariances, atol=1e-5)


def test_whole_rows_are_the_same_beside_rows_with_holes(variant):
    model, table = variant
    whole = np.where(np.isnan(table), np.nanmean(table, axis=0), table)
    beside = np.concatenate([table[:10], whole])
    np.testing.assert_allclose(model.transform(beside)[10:], model.transform(whole), atol=1e-5)


def test_a_model_in_a_file_knows_what_it_knew(variant, tmp_path):
    model, table = variant
    if model.encoder is None or isinstance(model.encoder, Conv):
        model.save(tmp_path / "model")
        copies = [skae.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))]
    else:
        copies = [pickle.loads(pickle.dumps(model))]
    for copy in copies:
        np.testing.assert_array_equal(copy.score_samples(table), model.score_samples(table))
        np.testing.assert_array_equal(
            copy.partial_fit(table).transform(table).shape, (150, 2)
        ) if (not model.early_stopping) else None


def test_the_error_is_that_of_observed_cells(variant):
    model, table = variant
    modelled = slice(0, 4)
    squares = np.square(table - model.reconstruct(table))[:, modelled]
    np.testing.assert_allclose(
        model.reconstruction_error(table), np.nansum(squares, axis=1), rtol=1e-4, atol=1e-6
    )


def test_training_is_never_worse_than_its_start():
    """Over the observed cells of the training rows, in the units of the objective."""
    for data in (HOLES, WINE_HOLES):
        start = VAE(2, hidden_layer_sizes=(), max_iter=1, random_state=0).fit(data)
        model = VAE(2, max_iter=20, random_state=0).fit(data)
        assert model.score(data) > start.score(data) - 0.05


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # hardly trained
@pytest.mark.parametrize("model", [VAE(**QUICK), VAE(likelihood="bernoulli", beta=0.1, **QUICK)])
def test_a_model_of_whole_rows_takes_holes_afterwards(model):
    whole = X if model.likelihood == "gaussian" else (X - X.min(axis=0)) / np.ptp(X, axis=0)
    holes = np.where(np.isnan(HOLES), np.nan, whole)
    model = clone(model).fit(whole)
    before = model.score_samples(whole)
    assert np.isfinite(model.transform(holes)).all()
    assert model.score_samples(holes)[0] == 0
    np.testing.assert_array_equal(model.score_samples(whole), before)


def test_what_is_not_known_widens_the_posterior():
    """Nothing that is hidden makes a code surer, of a linear model and of one with networks."""
    for sizes in ((), (16,)):
        model = VAE(2, hidden_layer_sizes=sizes, max_iter=5, random_state=0).fit(X)
        spans = []
        for n_hidden in range(5):
            rows = X.copy()
            rows[:, :n_hidden] = np.nan
            spans.append(np.linalg.slogdet(model.posterior(rows)[1])[1].mean())
        assert (np.diff(spans) > 0).all(), spans


def test_holes_cost_less_than_filled_means():
    """The point of it: codes of rows with holes are nearer to those of the whole rows."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 10)) + 0.1 * rng.normal(size=(500, 10))
    model = VAE(2, max_iter=10, random_state=0).fit(data)
    holes = with_holes(data, 0.4)[1:]
    means = np.where(np.isnan(holes), data.mean(axis=0), holes)
    codes = model.transform(data[1:])
    left, of_means = (np.square(model.transform(A) - codes).mean() for A in (holes, means))
    assert left < of_means / 4


# What a training keeps of its rows


def trained(variant, monkeypatch, most_cells=None, n_epochs=3):
    """Return a fitted model, and the numbers of rows conditioned in each of its trainings."""
    model, table = VARIANTS[variant]
    model = clone(model).set_params(max_iter=n_epochs, early_stopping=False, alpha=0.1)
    counts, counting, train = [], [False], Engine.train

    def counted(y, *others):
        if counting[0]:
            counts[-1] += len(y)
        return condition(y, *others)

    def noted(*args, **kwargs):
        counts.append(0)
        counting[0] = True
        try:
            return train(*args, **kwargs)
        finally:
            counting[0] = False

    with monkeypatch.context() as patched:
        patched.setattr(skae.nn.holes, "condition", counted)
        patched.setattr(Engine, "train", noted)
        if most_cells is not None:
            patched.setattr(batches, "MOST_CELLS", most_cells)
        return model.fit(table), counts


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # after three epochs
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in CORRUPTED])
def test_a_training_conditions_each_row_once(variant, monkeypatch):
    """The linear model does not change in it; networks of strangers are given plain rows."""
    model, counts = trained(variant, monkeypatch)
    if has_foreign_code(model.module_):
        assert counts == [3 * 150]
    else:
        assert counts == [150]


@pytest.mark.parametrize("variant", CORRUPTED)
def test_corrupted_rows_are_conditioned_in_each_step(variant, monkeypatch):
    assert trained(variant, monkeypatch)[1] == [3 * 150]


@pytest.mark.parametrize("n_epochs", [3, 40], ids=["eager", "repeated"])
@pytest.mark.parametrize("variant", ["default", "full", "identity", "textbook", "conditional"])
def test_what_is_kept_is_what_a_step_computes(variant, n_epochs, monkeypatch):
    """To the rounding of single precision, which steps of 40 epochs magnify."""
    kept, _ = trained(variant, monkeypatch, n_epochs=n_epochs)
    computed, counts = trained(variant, monkeypatch, most_cells=0, n_epochs=n_epochs)
    assert n_epochs > 3 or counts == [3 * 150]
    tolerance = 1e-5 if n_epochs == 3 else 1e-2
    np.testing.assert_allclose(kept.loss_curve_, computed.loss_curve_, rtol=tolerance)


def test_callbacks_of_a_batch_see_plain_rows():
    seen = []

    class Look(Callback):
        def on_batch_begin(self, net, batch=None, training=None, **kwargs):
            seen.append(batch[0].shape[1])

    VAE(callbacks=[Look()], **QUICK).fit(HOLES)
    assert set(seen) == {4}


# As scikit-learn's users know it


def test_pipelines_and_searches():
    pipe = make_pipeline(StandardScaler(), VAE(**QUICK), LogisticRegression())
    search = GridSearchCV(pipe, {"vae__n_components": [1, 2]}, cv=2).fit(HOLES, y)
    assert search.score(HOLES, y) > 0.6


def test_containers():
    frame = pd.DataFrame(HOLES, columns=list("abcd"))
    nullable = frame.astype("Float64")
    assert nullable.isna().to_numpy().any()
    expected = VAE(**QUICK).fit(HOLES).transform(HOLES)
    for table in (frame, nullable, HOLES.tolist(), torch.from_numpy(HOLES)):
        np.testing.assert_array_equal(VAE(**QUICK).fit(table).transform(table), expected)


def test_any_nan_is_a_nan():
    """Of the bits of a NaN some are free; draws of a row follow from its bits."""
    other = HOLES.copy()
    other.view(np.int64)[np.isnan(HOLES)] |= 12345
    model = VAE(**QUICK).fit(HOLES)
    np.testing.assert_array_equal(model.score_samples(other), model.score_samples(HOLES))


def test_weights_are_copies():
    """At the linear start, which is what is fitted; rows without weight do not count."""
    weights = np.resize([0, 1, 2], 150)
    model = VAE(2, hidden_layer_sizes=(), max_iter=1, random_state=0, noise_variance="shared")
    weighted = clone(model).fit(HOLES, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(HOLES, weights, axis=0))
    np.testing.assert_allclose(weighted.mean_, repeated.mean_)
    np.testing.assert_allclose(weighted.scale_, repeated.scale_)
    for name, part in weighted._linear.items():
        np.testing.assert_allclose(part, repeated._linear[name], atol=1e-3, err_msg=name)


def test_holes_in_rows_without_weight_alone():
    """They are seen by networks all the same, and leave no trace."""
    weights = (~np.isnan(HOLES).any(axis=1)).astype(float)
    model = VAE(**QUICK).fit(HOLES, sample_weight=weights)
    whole = VAE(**QUICK).fit(HOLES[weights > 0])
    assert np.isfinite(model.loss_curve_).all()
    np.testing.assert_allclose(model.mean_, whole.mean_)
    assert np.isfinite(model.transform(HOLES)).all()


def test_means_are_those_of_observed_cells():
    model = VAE(scaling="standard", **QUICK).fit(HOLES)
    np.testing.assert_allclose(model.mean_, np.nanmean(HOLES, axis=0))
    np.testing.assert_allclose(model.scale_, np.nanstd(HOLES, axis=0))


def test_a_stream_may_get_holes_later():
    model = VAE(**QUICK).partial_fit(X).partial_fit(HOLES)
    assert np.isfinite(model.loss_curve_).all()
    assert np.isfinite(model.transform(HOLES)).all()


def test_labels_beside_rows_with_holes():
    model = ConditionalVAE(**QUICK).fit(HOLES, condition=y)
    assert np.isfinite(model.transform(HOLES, condition=y)).all()
    assert model.score_samples(HOLES, condition=y)[0] == 0
    assert np.isfinite(model.sample(3, condition=1)).all()


def test_columns_that_are_constant():
    table = np.column_stack([HOLES, np.where(np.isnan(HOLES[:, 0]), np.nan, 7.0)])
    model = VAE(**QUICK).fit(table)
    assert np.isfinite(model.score_samples(table)).all()


@pytest.mark.parametrize("scale", [1, 1e9])
def test_data_of_few_dimensions_leave_no_noise(scale):
    """Rows on a plane: the noise is at its floor, and what is hidden is known to its size."""
    rng = np.random.default_rng(0)
    data = scale * rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6))
    model = VAE(2, hidden_layer_sizes=(), max_iter=20, random_state=0).fit(with_holes(data, 0.2))
    holes = with_holes(data, 0.2, seed=1)[1:]
    known = np.isnan(holes).sum(axis=1) < 4  # two numbers tell where on the plane it is
    left = np.abs(model.reconstruct(holes) - data[1:])[known]
    assert np.median(left) < 0.01 * scale


def test_tags():
    assert VAE().__sklearn_tags__().input_tags.allow_nan
    assert ConditionalVAE().__sklearn_tags__().input_tags.allow_nan
    assert not Autoencoder().__sklearn_tags__().input_tags.allow_nan


# Rows with different cells


def test_percentiles_of_rows_that_follow_the_model_are_uniform():
    """With cells hidden at random too; an odd number is odd whatever else is known."""
    model = VAE(2, hidden_layer_sizes=(), max_iter=1, random_state=0).fit(X)
    rows = model.sample(150, codes="prior", random_state=7)
    rows[:, :2][np.random.default_rng(0).random((150, 2)) < 0.5] = np.nan
    shares = score_percentiles(model, rows, n_draws=300, random_state=1)
    assert kstest(shares, "uniform").pvalue > 1e-3
    rows[:, 3] += 8
    assert score_percentiles(model, rows).max() < 0.02
    assert score_percentiles(model, np.full((1, 4), np.nan)) == 0.5
    np.testing.assert_array_equal(score_percentiles(model, rows), score_percentiles(model, rows))


def test_percentiles_are_refused_of_what_is_no_density():
    with pytest.raises(TypeError, match="sample"):
        score_percentiles(PCA().fit(X), X)
    with pytest.raises(ValueError, match="n_draws"):
        score_percentiles(VAE(**QUICK).fit(X), X, n_draws=0)


# What is refused


def test_what_is_refused():
    infinite = np.where(np.isnan(HOLES), np.inf, HOLES)
    empty = HOLES.copy()
    empty[:, 2] = np.nan
    with pytest.raises(ValueError, match="infinity"):
        VAE().fit(infinite)
    with pytest.raises(ValueError, match="infinity"):
        VAE(**QUICK).fit(HOLES).transform(infinite)
    with pytest.raises(ValueError, match="nothing but NaN.*: 2. Nothing can be learned"):
        VAE().fit(empty)
    with pytest.raises(ValueError, match="'c'"):
        VAE().fit(pd.DataFrame(empty, columns=list("abcd")))
    seen = np.isnan(HOLES[:, 1]).astype(float)
    with pytest.raises(ValueError, match="in rows that have weight: 1"):
        VAE().fit(HOLES, sample_weight=seen)
    ordered = VAE(ordered=True, **QUICK)
    for refuses in (ordered.fit, ordered.fit(X).partial_fit):
        with pytest.raises(ValueError, match="With ordered=True rows must be whole"):
            refuses(HOLES)
    with pytest.raises(ValueError, match="contains NaN"):
        ordered.transform(HOLES)
    with pytest.raises(ValueError, match="a condition must be known"):
        ConditionalVAE(condition_features=[1]).fit(HOLES)
    with pytest.raises(ValueError, match="sparse and contains NaN"):
        VAE().fit(sparse.csr_matrix(HOLES))
    with pytest.raises(ValueError, match="NaN"):
        Autoencoder().fit(HOLES)
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        VAE(likelihood="bernoulli").fit(HOLES)
