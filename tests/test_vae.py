"""The variational autoencoder against probabilistic PCA, factor analysis and torch's KL."""

import functools
import itertools
import math
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from quadrature import check_bounds, log_likelihood
from scipy import sparse
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_swiss_roll
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.distributions import MultivariateNormal, kl_divergence

from skae import VAE, ConditionalVAE
from skae.estimator import evidence
from skae.estimator.evidence import log_volume, make_draws
from skae.exceptions import CollapseWarning
from skae.metrics import explained_variance
from skae.nn.distributions import Gaussian, make_posterior, unbound_log_scale

iris = load_iris().data
QUICK = {"max_iter": 4, "random_state": 0}


def linear_data(n=2000, noise=0.7, seed=0):
    rng = np.random.default_rng(seed)
    W = np.linalg.qr(rng.normal(size=(10, 3)))[0] * [6, 4, 3]
    return rng.normal(size=(n, 3)) @ W.T + noise * rng.normal(size=(n, 10)) + 5


X_train, X_test = np.split(linear_data(), [1500])


def decoder_of(vae):
    """Return W, (n_features, n_components), and b of a linear decoder, in the units of X."""
    k = vae.n_components
    b = vae.inverse_transform(np.zeros((1, k)))[0]
    return (vae.inverse_transform(np.eye(k)) - b).T, b


def exact_log_likelihood(vae, X):
    """log N(x; b, W W^T + s^2 I) with the model's own parameters."""
    W, b = decoder_of(vae)
    covariance = W @ W.T + vae.noise_variance_ * np.eye(len(b))
    return multivariate_normal(b, covariance).logpdf(X)


# Linear Gaussian models


FROM_CHANCE = {"linear_path": False, "learning_rate_init": 0.1, "max_iter": 300, "batch_size": 250}


@pytest.mark.parametrize(
    ("covariance_type", "training"),
    [("diag", {"max_iter": 30}), ("full", {"max_iter": 30}), ("diag", FROM_CHANCE)],
)
def test_a_linear_vae_is_probabilistic_pca(covariance_type, training):
    vae = VAE(
        3, hidden_layer_sizes=(), covariance_type=covariance_type, random_state=0, **training
    ).fit(X_train)
    pca = PCA(3).fit(X_train)
    assert vae.noise_variance_ == pytest.approx(pca.noise_variance_, rel=1e-2)
    assert subspace_angles(decoder_of(vae)[0], pca.components_.T).max() < 1e-2
    bound = vae.score_samples(X_test, n_importance_samples=1000)
    np.testing.assert_allclose(bound, exact_log_likelihood(vae, X_test), atol=0.1)
    assert bound.mean() == pytest.approx(pca.score(X_test), abs=0.1)


def test_noise_per_feature_is_factor_analysis():
    X = linear_data(noise=np.linspace(0.3, 2, 10))
    vae = VAE(3, hidden_layer_sizes=(), noise_variance="per_feature", max_iter=20, random_state=0)
    vae.fit(X)
    fa = FactorAnalysis(3, tol=1e-6, max_iter=5000).fit(X)
    assert vae.score(X) == pytest.approx(fa.score(X), abs=0.01)
    np.testing.assert_allclose(vae.noise_variance_, fa.noise_variance_, rtol=0.03)


@pytest.mark.parametrize("scaling", ["global", "standard", None])
def test_a_noise_variance_may_be_kept(scaling):
    vae = VAE(3, noise_variance=2.0, scaling=scaling, **QUICK).fit(X_train)
    np.testing.assert_allclose(vae.noise_variance_, 2.0, rtol=1e-6)


def test_unit_posteriors_start_at_their_own_optimum():
    """With S = I no short training from elsewhere comes close."""
    options = {"covariance_type": "identity", "hidden_layer_sizes": (), "random_state": 0}
    start = VAE(3, max_iter=1, learning_rate_init=1e-9, **options).fit(X_train)
    long = VAE(3, **FROM_CHANCE, **options).fit(X_train)
    elbo = [vae.elbo_decomposition(X_train)["elbo"] for vae in (start, long)]
    assert elbo[0] == pytest.approx(elbo[1], abs=0.15)
    q_mean, q_covariance = start.posterior(X_test)
    np.testing.assert_array_equal(q_covariance, np.broadcast_to(np.eye(3), (500, 3, 3)))
    np.testing.assert_allclose(q_mean, start.transform(X_test))


def test_never_worse_than_the_linear_model_on_the_training_data():
    """On the objective itself, whatever the training does."""
    X = load_digits().data[:300]
    for options in ({"max_iter": 1}, {"max_iter": 3, "learning_rate_init": 3.0}):
        vae = VAE(5, random_state=0, **options).fit(X)
        assert vae.score_samples(X, 200).mean() > PCA(5).fit(X).score(X) - 0.05


# The arithmetic of distributions


def gaussian(covariance_type, n, k, seed=0):
    widths = {"identity": k, "diag": 2 * k, "full": 2 * k + k * (k - 1) // 2}
    generator = torch.Generator().manual_seed(seed)
    parameters = torch.randn(n, widths[covariance_type], generator=generator).double()
    return make_posterior(parameters, k)


@pytest.mark.parametrize("covariance_type", ["identity", "diag", "full"])
def test_gaussians_equal_torch_s(covariance_type):
    q, p = gaussian(covariance_type, 7, 3), gaussian("diag", 1, 3, seed=1)
    ours, prior = (MultivariateNormal(g.mean, scale_tril=g.factor) for g in (q, p))
    noise = torch.randn(50000, 7, 3, generator=torch.Generator().manual_seed(2)).double()
    z = q.draw(noise)
    log_q = ours.log_prob(z)
    torch.testing.assert_close(q.log_prob(z), log_q)
    torch.testing.assert_close(q.log_prob_of_draw(noise), log_q)
    torch.testing.assert_close(q.covariance, ours.covariance_matrix)

    kl = q.kl(p).sum(-1)
    torch.testing.assert_close(kl, kl_divergence(ours, prior))
    difference = log_q - p.log_prob(z)
    standard_error = difference.std(0) / len(z) ** 0.5
    assert ((difference.mean(0) - kl).abs() < 5 * standard_error).all()


def test_the_kl_of_a_component_is_that_of_its_conditional():
    """The parts of a full covariance's KL are those of q(z_j | z_<j), and not negative."""
    q, p = gaussian("full", 1000, 4), Gaussian(torch.zeros(4).double(), torch.zeros(4).double())
    assert (q.kl(p) >= 0).all()


def test_log_scales_are_bounded_and_the_bound_undone():
    log_scale = torch.tensor([-5.0, 0.0, 3.0])
    q = make_posterior(torch.cat([torch.zeros(3), unbound_log_scale(log_scale)]), 3)
    torch.testing.assert_close(q.log_scale, log_scale)
    wild = make_posterior(torch.tensor([0.0, -1e9]), 1)
    assert wild.log_scale.item() >= -16.0  # beside a noise variance of 1e-12 it is about -14


@pytest.mark.cpu
@pytest.mark.parametrize("prior", ["mixture", "vamp"])
def test_learned_priors_are_densities(prior):
    """Their mass is one, and their samples have their moments."""
    vae = VAE(1, prior=prior, n_prior_components=4, max_iter=10, random_state=0).fit(iris)
    p = vae._module_in(torch.float64).p_z()
    z = torch.linspace(-12, 12, 4001).double()[:, None]
    with torch.no_grad():
        density = p.log_prob(z).exp().numpy()
        draws = p.sample((20000,), torch.Generator().manual_seed(0)).numpy()
    width = 24 / 4000
    assert density.sum() * width == pytest.approx(1, abs=1e-3)
    mean = (density * z.numpy()[:, 0]).sum() * width
    assert draws.mean() == pytest.approx(mean, abs=0.05)


def test_weight_decay_leaves_the_prior_alone():
    decayed = {
        prior: VAE(prior=prior, **QUICK).fit(iris).net_.step_.n_decayed
        for prior in ("standard", "mixture", "vamp")
    }
    assert len(set(decayed.values())) == 1


# Bounds


@pytest.mark.cpu
@pytest.mark.parametrize("options", [{}, {"covariance_type": "full", "prior": "mixture"}])
def test_more_draws_give_a_higher_bound(options):
    """For one set of draws, row by row (Jensen)."""
    vae = VAE(3, max_iter=10, random_state=0, **options).fit(iris)
    module, draws = vae._module_in(torch.float64), make_draws(vae, 64, 4)
    x = torch.from_numpy(iris)
    noise = next(draws.split(draws.hash(x), 64))
    x = vae._units.enter(x, torch.float64)
    with torch.no_grad():
        whole = module.importance_bound(x, [noise])
        halves = [module.importance_bound(x, [half]) for half in noise.split(32)]
        single = [module.importance_bound(x, [one]) for one in noise.split(1)]
    halves, single = torch.stack(halves).mean(0), torch.stack(single).mean(0)
    assert (whole >= halves - 1e-9).all()
    assert (halves >= single - 1e-9).all()
    offset = log_volume(vae, module, x)
    np.testing.assert_allclose(vae.score_samples(iris, 64), whole.numpy() - offset)


def test_many_draws_need_no_more_memory(monkeypatch):
    vae = VAE(**QUICK).fit(iris)
    whole = vae.score_samples(iris, 50)
    monkeypatch.setattr(evidence, "SCORE_ROWS", 300)
    np.testing.assert_allclose(vae.score_samples(iris, 50), whole)
    monkeypatch.setattr(evidence, "SCORE_CELLS", 70)
    np.testing.assert_allclose(vae.score_samples(iris, 50), whole)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"covariance_type": "full", "prior": "mixture"}])
def test_scores_are_lower_bounds_in_practice(options):
    """Of the exact likelihood, over seeds of the draws; the rows' errors average out."""
    X = make_swiss_roll(400, random_state=0)[0]
    vae = VAE(2, beta=0.2, hidden_layer_sizes=16, max_iter=30, random_state=0, **options).fit(X)
    exact = log_likelihood(vae, X).mean()
    means = check_bounds(vae, exact, lambda n: vae.score_samples(X, n))
    assert means[0] < exact - 0.3  # there is a gap, else the law would say nothing
    few = X[:100]  # with many draws the bound is tight
    exact = log_likelihood(vae, few).mean()
    assert vae.score_samples(few, 30_000).mean() == pytest.approx(exact, abs=0.05)


def containers(X, tmp_path):
    """Yield X, (n_samples, n_features), in whatever a table may come."""
    np.save(tmp_path / "X.npy", X)
    yield pd.DataFrame(X, columns=list("abcd"))
    yield sparse.csr_matrix(X)
    yield np.asfortranarray(X)
    yield np.load(tmp_path / "X.npy", mmap_mode="r")
    yield X.tolist()


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_the_score_of_a_row_is_its_own(tmp_path):
    """Alone, in any batch and order, container and precision; with the sign of zero too."""
    X = iris.astype(np.float32).astype(np.float64)
    X[::3, 1] = 0.0
    vae, order = VAE(**QUICK).fit(X), np.random.default_rng(0).permutation(150)
    scores = vae.score_samples(X)
    same = {"rtol": 1e-9, "atol": 1e-9}
    for table in containers(X, tmp_path):
        np.testing.assert_allclose(vae.score_samples(table), scores, **same)
    alone = [vae.score_samples(row[None])[0] for row in X]
    np.testing.assert_allclose(alone, scores, **same)
    np.testing.assert_allclose(vae.score_samples(X[order]), scores[order], **same)
    signed = np.where(X == 0, -0.0, X)
    np.testing.assert_array_equal(vae.score_samples(signed), scores)
    np.testing.assert_allclose(vae.score_samples(X.astype(np.float32)), scores, atol=1e-3)
    twice = vae.score_samples(np.vstack([X, X]))
    np.testing.assert_allclose(twice, np.tile(scores, 2), **same)


def test_the_decomposition_has_the_draws_of_the_score():
    """One for each row, which does not depend on the row's place."""
    vae = VAE(**QUICK).fit(iris)
    terms, order = vae.elbo_decomposition(iris), np.random.default_rng(0).permutation(150)
    assert terms["elbo"] == pytest.approx(vae.score_samples(iris, 1).mean(), rel=1e-9)
    assert vae.elbo_decomposition(iris[order]) == pytest.approx(terms, rel=1e-9)


FAR = [{}, {"covariance_type": "full"}, {"noise_variance": "per_feature"}]
FAR += [{"prior": prior, "covariance_type": "full"} for prior in ("mixture", "vamp")]


@pytest.mark.parametrize("options", FAR)
def test_a_row_far_away_has_a_finite_score(options):
    """Squares of single precision would overflow."""
    vae = VAE(**options, **QUICK).fit(iris.astype(np.float32))
    for dtype in (np.float32, np.float64):
        score = vae.score_samples((iris[:2] + 1e20).astype(dtype))
        assert score.dtype == np.float64
        assert np.isfinite(score).all()
        assert (score < -1e30).all()


@pytest.mark.parametrize("prior", ["standard", "mixture", "vamp"])
@pytest.mark.parametrize("covariance_type", ["diag", "full", "identity"])
def test_both_decompositions_of_the_kl_hold(prior, covariance_type):
    vae = VAE(2, prior=prior, covariance_type=covariance_type, max_iter=20, random_state=0)
    t = vae.fit(iris).elbo_decomposition(iris)
    assert t["kl"] == pytest.approx(t["mutual_information"] + t["marginal_kl"], abs=1e-9)
    assert t["kl"] == pytest.approx(t["cross_entropy"] - t["conditional_entropy"], abs=1e-9)
    assert t["elbo"] == pytest.approx(t["reconstruction"] - t["kl"], abs=1e-9)
    assert 0 <= t["mutual_information"] <= math.log(150)
    assert t["elbo"] < vae.score_samples(iris, 256).mean() + 0.01
    if prior == "standard":
        assert t["kl"] == pytest.approx(t["kl_closed_form"], abs=0.3)
    else:
        assert math.isnan(t["kl_closed_form"])


def test_the_decomposition_does_not_depend_on_its_chunks(monkeypatch):
    vae = VAE(covariance_type="full", **QUICK).fit(iris)
    whole = vae.elbo_decomposition(iris)
    monkeypatch.setattr(evidence, "PAIRS", 7000)
    assert vae.elbo_decomposition(iris) == pytest.approx(whole)
    assert vae.elbo_decomposition(iris.astype(np.float32)) == pytest.approx(whole, rel=1e-3)
    assert vae.elbo_decomposition(sparse.csr_matrix(iris)) == pytest.approx(whole)


class Oblique(nn.Linear):
    """A fixed decoder whose columns are far from orthogonal."""

    def __init__(self, n_in=2, n_out=4):
        super().__init__(n_in, n_out, bias=False)
        weight = torch.tensor([[1.0, 0.5], [1.0, 0.2], [0.5, 1.0], [1.0, 0.8]])
        self.weight = nn.Parameter(weight, requires_grad=False)


def test_a_rotated_posterior_needs_a_full_covariance():
    rng = np.random.default_rng(0)
    W = Oblique().weight.numpy()
    X = rng.normal(size=(1000, 2)) @ W.T + 0.5 * rng.normal(size=(1000, 4))
    exact = multivariate_normal(np.zeros(4), W @ W.T + 0.25 * np.eye(4)).logpdf(X).mean()
    elbo = {}
    for covariance_type in ("diag", "full"):
        vae = VAE(
            2,
            covariance_type=covariance_type,
            noise_variance=0.25,
            scaling=None,
            decoder=Oblique(),
            hidden_layer_sizes=(),
            learning_rate_init=0.05,
            batch_size=250,
            max_iter=100,
            random_state=0,
        ).fit(X)
        elbo[covariance_type] = vae.elbo_decomposition(X)["elbo"]
    assert elbo["full"] == pytest.approx(exact, abs=0.1)
    # The best diagonal q has the precisions of the posterior: a loss of half their log ratio.
    precision = np.eye(2) + W.T @ W / 0.25
    loss = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    assert elbo["diag"] == pytest.approx(exact - loss, abs=0.15)


# Training


def test_history_is_the_bound_in_nats():
    vae = VAE(2, beta=1.0, batch_size=1000, learning_rate_init=1e-9, **QUICK).fit(iris)
    row, t = vae.history_[-1], vae.elbo_decomposition(iris)
    assert row["train_kl"] == pytest.approx(t["kl_closed_form"], rel=1e-3)
    log_volume = 4 * math.log(vae.scale_)
    assert row["train_reconstruction"] == pytest.approx(-t["reconstruction"] - log_volume, abs=0.5)


@pytest.mark.slow
def test_beta_weighs_the_kl_and_not_the_score():
    vaes = [VAE(2, beta=beta, max_iter=40, random_state=0).fit(iris) for beta in (0.1, 1.0, 10.0)]
    kl = [vae.elbo_decomposition(iris)["kl_closed_form"] for vae in vaes]
    assert kl[0] > kl[1] > kl[2]
    terms = vaes[0].elbo_decomposition(iris)  # its bound is the one of weight 1
    assert vaes[0].score_samples(iris, 256).mean() > terms["elbo"]
    assert terms["elbo"] == pytest.approx(terms["reconstruction"] - terms["kl"])


def test_warm_up_raises_the_weight_of_the_kl_and_delays_stopping():
    options = {"max_iter": 20, "random_state": 0, "n_iter_no_change": 1, "tol": 1.0}
    assert VAE(**options).fit(iris).n_iter_ == 2
    vae = VAE(warm_up=0.5, **options).fit(iris)
    assert vae.n_iter_ == 12
    kl = [row["train_kl"] for row in vae.history_]
    assert kl[0] < 0.15 * kl[10]
    assert vae.module_.warmth == 1


def test_warm_up_keeps_no_weights_of_another_objective():
    """With early stopping the best epoch is one of the final objective's."""
    vae = VAE(warm_up=0.9, max_iter=20, early_stopping=True, linear_path=False, random_state=0)
    vae.fit(iris)
    assert vae.net_.convergence.best_ == pytest.approx(
        min(row["valid_loss"] for row in vae.history_[18:])
    )


def test_free_bits_cost_nothing():
    vae = VAE(3, free_bits=0.4, **QUICK).fit(iris)
    module = vae.module_
    kl = torch.tensor([[0.1, 0.2, 3.0], [0.3, 0.9, 1.0]], requires_grad=True)
    counted = module.above_free_bits(kl)
    expected = [[0.4, 0.2, 3.0], [0.4, 0.9, 1.0]]
    torch.testing.assert_close(counted, torch.tensor(expected))
    counted.sum().backward()
    torch.testing.assert_close(kl.grad, torch.tensor([[0.0, 1.0, 1.0]] * 2))


def test_free_bits_keep_units_alive():
    """Where nothing is worth its price, each component keeps about what is free."""
    X = np.random.default_rng(0).normal(size=(400, 5))
    options = {"linear_path": False, "noise_variance": 4.0, "random_state": 0, "max_iter": 40}
    with pytest.warns(ConvergenceWarning, match="collapsed: 0 of 2"):
        VAE(2, **options).fit(X)
    vae = VAE(2, free_bits=0.5, **options).fit(X)
    assert vae.active_units_.all()
    assert vae.elbo_decomposition(X)["kl_closed_form"] > 0.8


# Collapse


class Line(nn.Linear):
    """A network of a user."""


@pytest.mark.parametrize("cls", [VAE, ConditionalVAE])
@pytest.mark.parametrize(
    ("others", "share"),
    [
        ({}, 0.0),
        ({"covariance_type": "identity"}, 0.0),
        ({"hidden_layer_sizes": ()}, 0.0),
        ({"encoder": Line, "decoder": Line, "linear_path": "auto"}, 0.5),
        ({"linear_path": False}, 0.5),
        ({"output_activation": "sigmoid"}, 0.5),
        ({"likelihood": "bernoulli"}, 0.5),
        ({"likelihood": "bernoulli", "linear_path": True}, 0.5),
        ({"likelihood": "bernoulli", "importance_weighted": True, "n_mc_samples": 2}, 0.0),
    ],
)
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # hardly trained
def test_the_kl_warms_up_where_training_does_not_start_at_the_linear_model(cls, others, share):
    X = (iris - iris.min(axis=0)) / np.ptp(iris, axis=0)
    auto, given = (
        cls(**warm_up, **others, **QUICK).fit(X) for warm_up in ({}, {"warm_up": share})
    )
    assert auto.loss_curve_ == given.loss_curve_
    np.testing.assert_array_equal(auto.transform(X), given.transform(X))


@pytest.mark.parametrize("options", [{"prior": "mixture"}, {"prior": "vamp"}, {"ordered": True}])
@pytest.mark.parametrize(("likelihood", "share"), [("gaussian", 0.0), ("bernoulli", 0.5)])
def test_the_warm_up_goes_by_the_start_whatever_the_prior(options, likelihood, share):
    vae = VAE(likelihood=likelihood, max_iter=10, **options)
    assert vae._warm_up_share() == share


def test_nothing_warms_up_without_a_kl():
    """Else early stopping would wait for nothing."""
    cvae = ConditionalVAE(conditional_prior="none", linear_path=False)
    assert cvae._warm_up_share() == 0


def test_binary_rows_use_the_code():
    """Without a warm-up three of eight components are in use, at -18.5 nats."""
    X = (load_digits().data > 8).astype(np.float32)
    vaes = [VAE(8, likelihood="bernoulli", random_state=seed).fit(X[:1200]) for seed in (0, 1)]
    assert np.mean([vae.score(X[1200:]) for vae in vaes]) > -18.0
    assert min(vae.active_units_.sum() for vae in vaes) > 4


@pytest.mark.parametrize(
    "options", [{"likelihood": "bernoulli"}, {"output_activation": "sigmoid"}]
)
def test_grey_rows_use_the_code(options):
    """The mean of a row given its code explains more than as many principal components do."""
    X = load_digits().data / 16
    vae = VAE(8, random_state=0, **options).fit(X[:1200])
    pca = explained_variance(PCA(8).fit(X[:1200]), X[1200:])
    assert explained_variance(vae, X[1200:]) > pca


@pytest.mark.parametrize(("n_components", "warns"), [(3, False), (4, True), (5, True)])
def test_half_of_a_code_unused_is_said(n_components, warns):
    """Of the linear model two eigenvalues are above this noise: so many components are in use."""
    vae = VAE(n_components, noise_variance=12.0, hidden_layer_sizes=(), **QUICK)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vae.fit(X_train)
    assert vae.active_units_.sum() == 2
    said = [str(w.message) for w in caught if issubclass(w.category, CollapseWarning)]
    assert len(said) == warns
    assert all(f"2 of {n_components} components" in words for words in said)


@pytest.mark.parametrize(
    ("options", "cures"),
    [
        ({}, "a smaller beta (now 1) or warm_up=0.5 or free_bits=0.1;"),
        ({"warm_up": 0.5}, "a smaller beta (now 1) or free_bits=0.1;"),
        ({"linear_path": False}, "a smaller beta (now 1) or free_bits=0.1;"),
        ({"linear_path": False, "free_bits": 1e-9}, "a smaller beta (now 1);"),
        ({"importance_weighted": True}, "importance_weighted=False;"),
    ],
)
def test_against_a_collapse_only_what_is_left_to_try_is_advised(options, cures):
    """All of these columns are noise."""
    vae = VAE(4, noise_variance=100.0, max_iter=10, random_state=0, **options)
    with pytest.warns(CollapseWarning, match=re.escape(f" Try {cures} where the columns")):
        vae.fit(X_train)


@pytest.mark.parametrize(("name", "value"), [("beta", 2.0), ("warm_up", 0.5), ("free_bits", 0.1)])
def test_the_importance_weighted_bound_has_no_kl_of_its_own(name, value):
    with pytest.raises(ValueError, match=f"importance_weighted=True needs {name}"):
        VAE(importance_weighted=True, **{name: value}).fit(iris)


def test_one_importance_weighted_draw_is_the_vae():
    """log w_1 is the bound itself, the KL being estimated from the draw."""
    still = {"max_iter": 20, "learning_rate_init": 1e-9, "random_state": 0}
    vae = VAE(importance_weighted=True, **still).fit(iris)
    elbo = vae.elbo_decomposition(iris)["elbo"]
    loss = np.mean(vae.loss_curve_) + 4 * math.log(vae.scale_)
    assert loss == pytest.approx(-elbo, abs=0.1)
    assert set(vae.history_[0]) >= {"train_negative_bound", "train_loss"}


def test_more_draws_lower_the_noise_of_the_gradient_not_the_objective():
    losses = [
        VAE(2, n_mc_samples=n, learning_rate_init=1e-9, **QUICK).fit(iris).loss_curve_
        for n in (1, 50)
    ]
    assert np.mean(losses[0]) == pytest.approx(np.mean(losses[1]), abs=0.2)
    assert np.std(losses[1]) < np.std(losses[0])


def test_no_corruption_is_the_plain_vae():
    plain = VAE(**QUICK).fit(iris)
    for corruption in ("gaussian", "masking"):
        vae = VAE(corruption=corruption, corruption_level=0.0, **QUICK).fit(iris)
        np.testing.assert_array_equal(vae.transform(iris), plain.transform(iris))
    with pytest.raises(ValueError, match="corruption_level is a probability"):
        VAE(corruption="masking", corruption_level=2.0).fit(iris)


def without_noise(kind, seed):
    """Return rows, some of whose columns follow from the others: training and held-out ones."""
    rows = np.random.default_rng(seed).normal(size=(400, 4))
    others = rows.sum(axis=1, keepdims=True) if kind == "totals" else rows[:, :2]
    return np.split(np.column_stack([rows, others]), 2)


def score_of_linear_model(rows, k, noise, unseen):
    """Return the mean log density of probabilistic PCA with a given noise variance."""
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    values[:-k] = noise
    covariance = vectors * np.maximum(values, noise) @ vectors.T
    return multivariate_normal(rows.mean(axis=0), covariance).logpdf(unseen).mean()


WHOLE_CODES = [
    VAE(4),
    ConditionalVAE(4),
]


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # under much corruption
@pytest.mark.parametrize("kind", ["totals", "duplicates"])
@pytest.mark.parametrize("corruption", ["masking", "salt_and_pepper", "gaussian", "swap"])
@pytest.mark.parametrize("vae", WHOLE_CODES, ids=lambda vae: type(vae).__name__)
def test_a_denoising_vae_scores_as_its_noise_allows(vae, corruption, kind):
    """Rows are scored clean, with the noise that corrupted ones leave: that is all they lose.

    Without noise of their own, such columns have another nats in the plain model, about
    log(1 / 1e-3) for each, which no model has that may be shown another part of the sum.
    """
    model = clone(vae).set_params(corruption=corruption, noise_variance="shared", **QUICK)
    model.set_params(hidden_layer_sizes=(), scaling="global")
    for seed in range(3):
        rows, unseen = without_noise(kind, seed)
        noise = model.fit(rows).noise_variance_
        # Codes of clean rows are not those that the noise is for: a few tenths of a nat.
        expected = score_of_linear_model(rows, 4, noise, unseen)
        assert expected - 0.5 < model.score(unseen) < expected + 0.5


@pytest.mark.parametrize("kind", ["totals", "duplicates"])
@pytest.mark.parametrize(
    "settings",
    [
        {"noise_variance": "per_feature"},
        {"covariance_type": "identity"},
        {"covariance_type": "full", "corruption": "swap"},
        {"corruption": functools.partial(nn.functional.dropout, p=0.3)},
        {"corruption_level": 0.9},
        {"linear_path": False},
        {"ordered": True},
        {"missing": 0.1},
        {"missing": 0.1, "noise_variance": "per_feature", "corruption": "masking"},
    ],
    ids=lambda settings: re.sub(" at 0x[0-9a-f]+", "", str(settings)),
)
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
def test_a_denoising_vae_is_no_worse_than_separate_columns(settings, kind):
    """However much its encoder does not see, and however it starts."""
    settings = {"corruption": "salt_and_pepper", **settings}
    rows, unseen = without_noise(kind, 0)
    seen, missing = rows.copy(), settings.pop("missing", 0)
    seen[np.random.default_rng(0).random(rows.shape) < missing] = np.nan
    score = VAE(4, **QUICK, **settings).fit(seen).score(unseen)
    # Five epochs bring the noise that is left too high down by half of a nat in a column.
    expected = norm(rows.mean(axis=0), rows.std(axis=0)).logpdf(unseen).sum(axis=1).mean()
    assert score > expected - 0.5 * rows.shape[1]


def test_a_denoising_vae_restores_the_clean_rows():
    rng = np.random.default_rng(0)
    noisy = X_test + 4.0 * rng.normal(size=X_test.shape)
    scale = VAE(**QUICK).fit(X_train).scale_
    options = {"max_iter": 20, "random_state": 0}
    error = [
        ((VAE(3, **corruption, **options).fit(X_train).reconstruct(noisy) - X_test) ** 2).mean()
        for corruption in ({}, {"corruption": "gaussian", "corruption_level": 4.0 / scale})
    ]
    assert error[1] < 0.7 * error[0]


def test_bernoulli_scores_are_log_probabilities():
    """Over all binary rows they sum to at most one, and nearly to one."""
    rng = np.random.default_rng(0)
    X = (rng.random((2000, 5)) < np.where(rng.random((2000, 1)) < 0.5, 0.9, 0.2)).astype(float)
    vae = VAE(1, likelihood="bernoulli", max_iter=30, random_state=0).fit(X)
    rows = np.array(list(itertools.product([0.0, 1.0], repeat=5)))
    total = np.exp(vae.score_samples(rows, 2000)).sum()
    assert 0.97 < total < 1.01
    assert vae.score(X) > 0.98 * np.log([0.5, 0.5]).sum() * 5 / 2
    assert set(np.unique(vae.sample(200))) == {0.0, 1.0}
    assert len(np.unique(vae.sample(200, observation_noise=False))) > 200
    with pytest.raises(AttributeError, match="noise_variance_"):
        _ = vae.noise_variance_


# What a fitted model does


def test_samples_have_the_moments_of_the_data():
    vae = VAE(3, max_iter=30, random_state=0).fit(X_train)
    S = vae.sample(10000)
    np.testing.assert_allclose(S.mean(axis=0), X_train.mean(axis=0), atol=0.3)
    covariance = np.cov(X_train.T)
    np.testing.assert_allclose(np.cov(S.T), covariance, atol=0.06 * np.trace(covariance))
    bare = vae.sample(10000, observation_noise=False)
    left = np.linalg.eigvalsh(np.cov(S.T)).min() - np.linalg.eigvalsh(np.cov(bare.T)).min()
    assert left == pytest.approx(vae.noise_variance_, rel=0.1)


def test_bad_numbers_of_draws():
    vae = VAE(**QUICK).fit(iris)
    with pytest.raises(ValueError, match="n_importance_samples"):
        vae.score_samples(iris, n_importance_samples=0)


def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, stratify=y, random_state=0)


@pytest.mark.slow
def test_samples_of_digits_are_digits():
    """At least 0.8 sure to a classifier of real digits, 0.1 above factor analysis, and close."""
    A, B, y, _ = digits()
    vae = VAE(16, prior="vamp", n_prior_components=50, max_iter=60, random_state=0).fit(A)
    judge = LogisticRegression(max_iter=1000).fit(A, y)
    neighbours = NearestNeighbors(n_neighbors=1).fit(A)
    S = vae.sample(1000, observation_noise=False)
    fa = FactorAnalysis(16).fit(A)
    F = fa.mean_ + np.random.default_rng(0).normal(size=(1000, 16)) @ fa.components_
    certainty = [judge.predict_proba(rows).max(axis=1).mean() for rows in (S, F)]
    assert certainty[0] >= 0.8
    assert certainty[0] >= certainty[1] + 0.1
    distance = [neighbours.kneighbors(rows)[0].mean() for rows in (S, B)]
    assert distance[0] <= 1.5 * distance[1]


@pytest.mark.slow
def test_a_grid_search_finds_an_interior_size():
    A = digits()[0]
    search = GridSearchCV(VAE(max_iter=10, random_state=0), {"n_components": [1, 30, 64]}, cv=2)
    assert search.fit(A).best_params_ == {"n_components": 30}


@pytest.mark.parametrize("prior", ["standard", "mixture", "vamp"])
def test_samples_from_the_prior_are_its_draws_decoded(prior):
    vae = VAE(2, prior=prior, **QUICK).fit(iris)
    Z = vae.sample_prior(9, random_state=1)
    rows = vae.sample(9, codes="prior", observation_noise=False, random_state=1)
    np.testing.assert_allclose(vae.inverse_transform(Z), rows, rtol=1e-6)
    np.testing.assert_array_equal(vae.sample_prior(9), vae.sample_prior(9))
    if prior == "standard":
        many = vae.sample_prior(20_000)
        np.testing.assert_allclose(many.mean(axis=0), 0, atol=4 / 20_000**0.5)
        np.testing.assert_allclose(np.cov(many.T), np.eye(2), atol=6 / 20_000**0.5)
