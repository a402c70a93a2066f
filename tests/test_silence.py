"""What is ignored, given up or out of its depth: the user hears of it, once, and only then."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from estimators import DEFAULTS, all_estimators, has_engine
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from skorch.callbacks import Callback, LRScheduler

from skae import (
    GLGAE,
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.estimator import validation
from skae.exceptions import (
    DivergenceWarning,
    ParameterWarning,
    StartKeptWarning,
    StreamWarning,
)

X, species = load_iris(return_X_y=True)
QUICK = {"max_iter": 2, "random_state": 0}
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


def units_are_learnt(estimator):
    return getattr(estimator, "scaling", "global") is not None


streaming = all_estimators(only=lambda e: hasattr(e, "partial_fit") and units_are_learnt(e))


def heard(call, kind):
    """Return the messages of one class of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught if issubclass(w.category, kind)]


# Streams


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # after so few steps
@streaming
@pytest.mark.parametrize("change", [lambda X: 100 * X, lambda X: X + 50], ids=["scaled", "moved"])
def test_a_stream_that_leaves_its_units_is_told_once(estimator, change):
    ae = clone(estimator).partial_fit(X)
    assert heard(lambda: ae.partial_fit(X), StreamWarning) == []
    (message,) = heard(lambda: ae.partial_fit(change(X)), StreamWarning)
    assert "mean_, scale_" in message
    assert heard(lambda: ae.partial_fit(change(X)), StreamWarning) == []
    copy = pickle.loads(pickle.dumps(ae))
    assert heard(lambda: copy.partial_fit(change(X)), StreamWarning) == []


@every_class
def test_a_shuffled_stream_is_quiet(estimator):
    rng = np.random.default_rng(0)
    heavy = rng.standard_t(2, size=(300, 4))
    weights = rng.exponential(size=300) ** 2
    ae = clone(estimator)

    def stream():
        ae.partial_fit(heavy[:10], sample_weight=weights[:10])
        for start in range(10, 300, 40):
            rows = slice(start, start + 40)
            ae.partial_fit(heavy[rows], sample_weight=weights[rows])

    assert heard(stream, StreamWarning) == []


def test_single_rows_are_judged_together():
    ae = Autoencoder(random_state=0).partial_fit(X)
    said = [len(heard(lambda i=i: ae.partial_fit(100 * X[[i]]), StreamWarning)) for i in range(20)]
    assert sum(said) == 1
    assert said.index(1) >= 9
    ae = Autoencoder(random_state=0).partial_fit(X)
    weights = np.r_[np.ones(50), np.zeros(100)]
    wild = np.r_[X[:50], 1e3 * X[50:]]
    assert heard(lambda: ae.partial_fit(wild, sample_weight=weights), StreamWarning) == []


def test_what_the_watch_knows_outlives_a_pickle_and_a_failure():
    ae = Autoencoder(random_state=0).partial_fit(X)
    copy = pickle.loads(pickle.dumps(ae))
    assert len(heard(lambda: copy.partial_fit(100 * X), StreamWarning)) == 1
    assert all(type(number) is float for number in ae.__getstate__()["_watch"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", StreamWarning)
        with pytest.raises(StreamWarning):
            ae.partial_fit(100 * X)
    assert len(heard(lambda: ae.partial_fit(100 * X), StreamWarning)) == 1
    state = ae.__getstate__()
    del state["_watch"]  # a file of before
    old = Autoencoder.__new__(Autoencoder)
    old.__setstate__(state)
    assert heard(lambda: old.partial_fit(100 * X), StreamWarning) == []


# Parameters that do nothing

IGNORED = [
    (SparseAutoencoder(sparsity="l1", n_nonzero_coefs=2), "n_nonzero_coefs=2"),
    (SparseAutoencoder(penalty=2.0), "penalty=2.0"),
    (SparseAutoencoder(sparsity="l1", rho=0.1), "rho=0.1"),
    (ContractiveAutoencoder(penalty_estimate="stochastic"), "penalty_estimate='stochastic'"),
    (VAE(n_prior_components=4), "n_prior_components=4"),
    (AdversarialAutoencoder(n_prior_components=4), "n_prior_components=4"),
    (VAE(corruption_level=0.1), "corruption_level=0.1"),
    (DenoisingAutoencoder(corruption=torch.tanh, corruption_level=0.1), "corruption_level=0.1"),
    (DenoisingAutoencoder(corruption="swap", corruption_units="data"), "corruption_units='data'"),
    (ConditionalVAE(conditional_prior="none", beta=2.0), "beta=2.0"),
    (ConditionalVAE(conditional_prior="none", free_bits=2.0), "free_bits=2.0"),
    (ConditionalVAE(conditional_prior="none", warm_up=0.5), "warm_up=0.5"),
    (Autoencoder(hidden_layer_sizes=(), activation="tanh"), "activation='tanh'"),
    (Autoencoder(hidden_layer_sizes=(), dropout=0.1), "dropout=0.1"),
    (Autoencoder(hidden_layer_sizes=(), alpha=0.1), "alpha=0.1"),
    (
        Autoencoder(hidden_layer_sizes=8, encoder=torch.nn.Linear, decoder=torch.nn.Linear),
        "hidden_layer_sizes=8",
    ),
    (Autoencoder(scaling="standard", output_activation="softplus"), "scaling='standard'"),
    (Autoencoder(learning_rate="linear", callbacks=[LRScheduler()]), "learning_rate='linear'"),
    (Autoencoder(validation_fraction=0.5), "validation_fraction=0.5"),
    (Autoencoder(tol=0.1), "tol=0.1"),
    (GLGAE(node_layout=[[0.0, 0.0], [1.0, 1.0]], n_nodes=7), "n_nodes=7"),
    (GLGAE(node_layout=[[0.0, 0.0], [1.0, 1.0]], spacing=2.0), "spacing=2.0"),
    (GLGAE(objective="bound", ridge=0.1), "ridge=0.1"),
    (GLGAE(batch_size=7), "batch_size=7"),
    (GLGAE(forgetting=0.7), "forgetting=0.7"),
]


@pytest.mark.parametrize(("estimator", "words"), IGNORED, ids=[words for _, words in IGNORED])
def test_a_parameter_that_does_nothing_is_named(estimator, words):
    ae = clone(estimator).set_params(**QUICK)
    messages = heard(lambda: ae.fit(X), ParameterWarning)
    (message,) = [m for m in messages if "no effect" in m]
    assert f"{words} needs " in message


@pytest.mark.parametrize(("estimator", "words"), IGNORED, ids=[words for _, words in IGNORED])
@pytest.mark.filterwarnings("ignore:Some parameters have no effect")
def test_and_it_does_nothing(estimator, words):
    name = words.split("=")[0]
    ae = clone(estimator).set_params(**QUICK)
    default = clone(type(estimator)()).get_params()[name]
    other = clone(ae).set_params(**{name: default})
    np.testing.assert_array_equal(ae.fit(X).transform(X), other.fit(X).transform(X))


def test_a_bernoulli_likelihood_has_no_noise_variance():
    ae = VAE(likelihood="bernoulli", noise_variance=2.0, **QUICK)
    (message,) = heard(lambda: ae.fit(X / X.max()), ParameterWarning)
    assert "noise_variance=2.0 needs likelihood='gaussian'" in message


def test_several_are_one_warning():
    ae = SparseAutoencoder(penalty=2.0, rho=0.1, tol=0.1, **QUICK)
    (message,) = heard(lambda: ae.fit(X), ParameterWarning)
    assert all(f"{name}=" in message for name in ("penalty", "rho", "tol"))


@all_estimators()
def test_what_has_an_effect_is_not_complained_of(estimator):
    data = np.random.default_rng(0).normal(size=(40, 20))
    params = {"encoder": None} if "encoder" in estimator.get_params() else {}
    ae = clone(estimator)
    if isinstance(ae.get_params().get("encoder"), torch.nn.Module):
        ae.set_params(**params)  # it is made for four columns
    heard_of = heard(lambda: ae.fit(data), ParameterWarning)
    assert [message for message in heard_of if "have no effect" in message] == []


# Sizes


def test_more_active_units_than_units():
    ae = SparseAutoencoder(8, n_nonzero_coefs=9, **QUICK)
    with pytest.raises(ValueError, match=r"n_nonzero_coefs must be at most n_components=8. Got 9"):
        ae.fit(X)
    ae.set_params(sparsity="l1").fit(X)  # has no use for it, and says so
    with pytest.warns(ParameterWarning, match="All n_components=8 units"):
        ae.set_params(sparsity="topk", n_nonzero_coefs=8).fit(X)
    assert heard(lambda: ae.set_params(n_nonzero_coefs=7).fit(X), ParameterWarning) == []


# No condition


def test_a_conditional_vae_without_a_condition():
    cvae = ConditionalVAE(**QUICK)
    with pytest.warns(
        ParameterWarning, match="y is ignored. Pass condition= .* condition_features; VAE is"
    ):
        cvae.fit(X, species)
    for call in (
        lambda: cvae.transform(X, condition=species),
        lambda: cvae.sample(2, condition=1),
        lambda: cvae.score(X, condition=species),
    ):
        with pytest.raises(ValueError, match="condition= was not passed to fit, which ignores y"):
            call()
    assert len(heard(lambda: clone(cvae).partial_fit(X).partial_fit(X), ParameterWarning)) == 1
    for quiet in (
        lambda: clone(cvae).fit(X, condition=species),
        lambda: clone(cvae).set_params(condition_features=[0]).fit(X),
    ):
        assert heard(quiet, ParameterWarning) == []


# y beside X


@pytest.mark.parametrize("name", ["Autoencoder", "ConditionalVAE", "GLGAE"])
def test_y_that_looks_like_targets_is_said_to_be_ignored(name):
    ae = clone(DEFAULTS[name])
    for y in (X + 1, pd.DataFrame(X + 1), (X + 1).tolist(), sparse.csr_matrix(X + 1)):
        words = heard(lambda y=y: ae.fit(X, y), ParameterWarning)
        assert sum("looks like targets" in w for w in words) == 1
    ragged = [[1.0] * X.shape[1], *([[2.0]] * (len(X) - 1))]
    for y in (None, species, X, X.copy(), X.tolist(), ragged, np.c_[species, species]):
        words = heard(lambda y=y: ae.fit(X, y), ParameterWarning)
        assert not any("looks like targets" in w for w in words)


def test_sparse_tables_are_compared_as_they_are(monkeypatch):
    monkeypatch.setattr(sparse.csr_matrix, "toarray", lambda *_: pytest.fail("made dense"))
    A = sparse.csr_matrix(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        validation.warn_of_targets(A, A.copy())
    with pytest.warns(ParameterWarning, match="looks like targets"):
        validation.warn_of_targets(A, 2 * A)


# Training that was of no use

digits = load_digits().data[:300]
USELESS = {
    "PCA's solution": Autoencoder(2),
    "the best linear filter of the noise (Wiener's)": DenoisingAutoencoder(),
    "probabilistic PCA": VAE(2, noise_variance="shared"),
    "factor analysis": VAE(2, noise_variance="per_feature", scaling="standard"),
    "the best linear model": VAE(2, covariance_type="identity"),
    "a linear path": Autoencoder(2, code_activation="tanh", linear_path=True),
}


@pytest.mark.parametrize("name", USELESS)
def test_a_start_that_was_kept_is_told(name):
    """A rate at which the loss rises, but not to NaN."""
    rate = 5.0 if name == "a linear path" else 0.2
    ae = clone(USELESS[name]).set_params(learning_rate_init=rate, max_iter=3, random_state=0)
    messages = heard(lambda: ae.fit(digits), StartKeptWarning)
    assert len(messages) == 1
    assert f"start, {name}" in messages[0]
    assert "after 3 epochs the training loss was" in messages[0]
    assert heard(lambda: ae.set_params(warm_start=True).fit(digits), StartKeptWarning) == []


def test_with_a_condition_the_start_is_a_regression():
    cvae = ConditionalVAE(learning_rate_init=0.2, max_iter=3, random_state=0)
    y = np.arange(300) % 10
    with pytest.warns(
        StartKeptWarning, match="start, linear regression on the condition, then factor analysis"
    ):
        cvae.fit(digits, condition=y)


def test_a_start_that_was_better_on_validation_rows():
    ae = Autoencoder(2, early_stopping=True, learning_rate_init=0.2, max_iter=3, random_state=0)
    with pytest.warns(StartKeptWarning, match="the validation loss was"):
        ae.fit(digits)


class Stop(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


QUIET = {
    "rank": (Autoencoder(8), digits[:, :4] @ np.ones((4, 9))),
    "constant": (Autoencoder(2), np.ones((50, 5))),
    "all components": (Autoencoder(4), X),
    "linear": (Autoencoder(2, hidden_layer_sizes=()), X),
    "linear VAE": (VAE(2, hidden_layer_sizes=()), X),
    "linear filter": (DenoisingAutoencoder(hidden_layer_sizes=()), X),
    "stopped": (Autoencoder(2, callbacks=[Stop()]), X),
    "textbook": (Autoencoder(2, linear_path=False), X),
    "a game": (AdversarialAutoencoder(linear_path=True), X),
}


@pytest.mark.filterwarnings("ignore::skae.exceptions.DivergenceWarning")
@pytest.mark.parametrize("name", QUIET)
def test_where_nothing_was_to_be_gained_nothing_is_said(name):
    estimator, data = QUIET[name]
    ae = clone(estimator).set_params(learning_rate_init=0.2, max_iter=3, random_state=0)
    assert heard(lambda: ae.fit(data), StartKeptWarning) == []


@all_estimators(only=has_engine)
def test_one_warning_of_a_training_that_led_nowhere(estimator):
    ae = clone(estimator).set_params(learning_rate_init=1e3, max_iter=6)
    kinds = (StartKeptWarning, DivergenceWarning)
    assert len(heard(lambda: ae.fit(X), kinds)) <= 1


def test_a_training_that_was_of_use_says_nothing():
    data = load_diabetes().data
    for estimator in (Autoencoder(2, max_iter=20), VAE(2, max_iter=20)):
        ae = clone(estimator).set_params(random_state=0)
        assert heard(lambda ae=ae: ae.fit(data), StartKeptWarning) == []
