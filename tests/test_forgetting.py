"""What a model keeps of single training rows, and how it drops it."""

import inspect
import pickle

import numpy as np
import pytest
from estimators import DEFAULTS, all_estimators, code_size, has_engine
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from skae import (
    GLGAE,
    VAE,
    Autoencoder,
    ConditionalVAE,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.data.streams import HORIZON, join_moments, join_stream, moments_of
from skae.estimator.mixture import draw_from_mixture, fit_mixture

N = 211  # a number that no layer, grid or list of quantiles has


def make_rows():
    rng = np.random.default_rng(0)
    t = rng.normal(size=(N, 2))
    bent = np.column_stack([t, t[:, 0] ** 2, t.prod(axis=1)])
    return bent + 0.1 * rng.normal(size=bent.shape)


X = make_rows()
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


def arrays(tree):
    """Return all arrays in what a file holds, whatever they are hidden in."""
    if isinstance(tree, np.ndarray):
        return [tree] if tree.dtype.kind in "fiu" else []
    if sparse.issparse(tree):
        return [np.empty(tree.shape), *arrays(vars(tree))]
    if isinstance(tree, dict):
        return [array for value in tree.values() for array in arrays(value)]
    if isinstance(tree, (list, tuple)):
        return [array for value in tree for array in arrays(value)]
    return arrays(vars(tree)) if type(tree).__module__.startswith("sklearn") else []


def holds_rows(state, rows):
    """Whether some row of some array is one of these, within 1e-6."""
    d = rows.shape[1]
    tables = [a.reshape(-1, d) for a in arrays(state) if a.ndim and a.shape[-1] == d]
    table = np.concatenate(tables).astype(float)
    return bool((np.abs(table[:, None] - rows).max(axis=2) < 1e-6).any())


def has_an_axis_of_rows(state):
    return any(N in array.shape for array in arrays(state))


def draws_from_single_rows(estimator):
    return isinstance(estimator, (DenoisingAutoencoder, SparseAutoencoder)) or (
        isinstance(estimator, GLGAE) and estimator.objective == "reconstruction"
    )


@all_estimators()
def test_nothing_of_single_rows_is_left(estimator):
    ae = clone(estimator).fit(X)
    codes = ae.transform(X)
    assert ae.forget_rows() is ae
    state = ae.__getstate__()
    assert not has_an_axis_of_rows(state)
    assert not holds_rows(state, X)
    assert not holds_rows(state, (X - ae.mean_) / ae.scale_)
    if has_engine(ae):
        assert state["net_"]["optimizer"]["state"] == {}
        if code_size(ae) > 1 and not isinstance(ae, SparseAutoencoder):  # many codes of one unit
            assert not holds_rows(state, codes)


@all_estimators()
def test_samples_afterwards_need_no_single_row(estimator):
    ae = clone(estimator).fit(X).forget_rows().forget_rows()
    ae.__setstate__(pickle.loads(pickle.dumps(ae)).__getstate__())
    if draws_from_single_rows(ae):
        with pytest.raises(NotFittedError, match="which forget_rows has dropped.* fit again"):
            ae.sample(20)
        return
    S = ae.sample(200, random_state=1)
    np.testing.assert_array_equal(ae.sample(200, random_state=1), S)
    apart = np.abs(S.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0)
    assert (apart < 2).all()


@pytest.mark.parametrize(
    ("estimator", "needs_none"),
    [
        (DEFAULTS["VAE"], {"codes": "prior"}),
        (DEFAULTS["ConditionalVAE"], {"codes": "prior"}),
        (DEFAULTS["AdversarialAutoencoder"], {"codes": "prior"}),
        (DEFAULTS["DenoisingAutoencoder"], {"codes": "chain"}),
    ],
)
def test_what_needs_no_codes_draws_the_same_afterwards(estimator, needs_none):
    ae = clone(estimator).fit(X)
    before = ae.sample(20, **needs_none)
    np.testing.assert_array_equal(ae.forget_rows().sample(20, **needs_none), before)


@all_estimators(only=lambda estimator: hasattr(estimator, "partial_fit"))
def test_training_goes_on_afterwards(estimator):
    ae = clone(estimator).fit(X).forget_rows()
    ae.partial_fit(X[:50])
    assert np.isfinite(ae.sample(5)).all()
    assert np.isfinite(ae.transform(X)).all()
    if has_engine(ae):
        ae.set_params(warm_start=True).fit(X)
        assert np.isfinite(ae.sample(5)).all()


@every_class
def test_the_docstring_of_the_class_says_what_is_kept(estimator):
    notes = inspect.getdoc(type(estimator)).split("Notes\n-----\n")[1].split("\n\n")[0]
    assert "The fitted model keeps" in notes
    assert "`forget_rows`" in notes


def test_a_map_without_its_rows():
    model = GLGAE(objective="bound", max_iter=4).fit(X)
    assert model.embedding_.shape == (N, 2)
    model.forget_rows()
    with pytest.raises(AttributeError, match="embedding_ holds the codes of training rows"):
        _ = model.embedding_
    with pytest.raises(NotFittedError, match="observation_noise=False"):
        model.sample(2, observation_noise=False)
    assert not hasattr(GLGAE(), "embedding_")
    assert model.fit(X).embedding_.shape == (N, 2)


def test_a_map_keeps_few_codes_of_many_rows(monkeypatch):
    import skae.models.glgae_samples

    monkeypatch.setattr(skae.models.glgae_samples, "N_STORED_CODES", 60)
    model = GLGAE(max_iter=4).fit(X)
    assert len(model._codes) == 60
    assert model.embedding_.shape == (N, 2)


@pytest.mark.cpu
@pytest.mark.parametrize("prior", ["vamp", "mixture"])
def test_learned_priors_start_at_no_row(prior):
    """After one short epoch they still are where they started."""
    options = {"max_iter": 1, "learning_rate_init": 1e-9, "dtype": "float64"}
    vae = VAE(prior=prior, random_state=0, **options).fit(X)
    module = vae.module_.prior
    if prior == "vamp":
        found, rows = module.pseudo_inputs, (X - vae.mean_) / vae.scale_
    else:
        found, rows = module.means, vae.transform(X)
    distances = np.linalg.norm(found.detach().numpy()[:, None] - rows, axis=2)
    assert distances.min() > 0.005
    assert distances.min(axis=1).max() < 1.5  # and yet where rows are


# The pieces


def test_mixtures_are_scikit_learn_s():
    Z = np.concatenate([X[:, :2], X[:, :2] + 20])
    mixture = fit_mixture(Z, 0)
    theirs = GaussianMixture(len(mixture["weights"]), random_state=0).fit(Z)
    theirs.weights_, theirs.means_ = mixture["weights"], mixture["means"]
    theirs.covariances_ = mixture["covariances"]
    theirs.set_params(random_state=np.random.RandomState(3))
    mine = draw_from_mixture(mixture, 50, np.random.RandomState(3))
    assert sorted(mine.tolist()) == sorted(theirs.sample(50)[0].tolist())
    assert len(mixture["weights"]) > 1


def test_no_component_of_a_mixture_is_a_single_code():
    rng = np.random.default_rng(0)
    Z = np.concatenate([rng.normal(size=(300, 2)), [[1e3, 0]], [[0, 1e3]]])
    mixture = fit_mixture(Z, 0)
    assert mixture["weights"].min() * len(Z) >= 3


def test_moments_of_a_stream_are_those_of_its_sample():
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(3000, 2)), 2 + 3 * rng.normal(size=(1000, 2))
    codes, n_old = join_stream(old, new, 1000, 10000, np.random.RandomState(0))
    joined, exact = join_moments(moments_of(old), moments_of(new), 1000, 10000), moments_of(codes)
    assert joined["n"] == pytest.approx(3000 * (1 - 1 / HORIZON) ** 1000 + 1000)
    assert joined["share"] == pytest.approx(n_old / len(codes), rel=0.05)
    np.testing.assert_allclose(joined["mean"], exact["mean"], atol=0.1)
    np.testing.assert_allclose(joined["covariance"], exact["covariance"], rtol=0.1, atol=0.2)
    full = join_moments(moments_of(old), moments_of(new), 1000, 1000)
    assert full["share"] == 0


def test_the_gaussian_of_no_prior_follows_the_stream():
    cvae = ConditionalVAE(conditional_prior="none", max_iter=4, random_state=0)
    for chunk in (X, X, X):
        cvae.partial_fit(chunk)
    once = cvae.module_.prior.mean.clone()
    cvae.partial_fit(X[:1])
    assert np.isfinite(cvae.sample(5)).all()
    assert float((cvae.module_.prior.mean - once).abs().max()) < 0.5


def test_threads_may_sample_at_once():
    """Draws leave no generator behind in the model."""
    ae = Autoencoder(max_iter=2, random_state=0).fit(X)
    ae.sample(2)
    once = pickle.dumps(ae)
    ae.sample(2, random_state=5)
    assert pickle.dumps(ae) == once
