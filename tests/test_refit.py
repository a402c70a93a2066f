"""Fits that go on from earlier ones, and fits that fail: what is kept, refused, put back."""

import functools

import numpy as np
import pytest
import torch
from estimators import DEFAULTS, code_size, has_engine, main_estimators
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from skae import (
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.estimator.parameters import NEITHER, TRAINING, changeable_parameters
from skae.estimator.split import validation_rows

X = load_iris().data
ENGINE = {name: estimator for name, estimator in DEFAULTS.items() if has_engine(estimator)}
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


def without_a_cell(rows):
    """Return rows of which one cell in ten is missing, none of the column that is a condition."""
    is_missing = np.random.default_rng(0).random(rows.shape) < 0.1
    is_missing[:, 1] = False
    return np.where(is_missing, np.nan, rows)


nothing_to_code = pytest.mark.filterwarnings("ignore:The posterior has collapsed")

# Another value for each parameter; for an estimator of which it says nothing, None.
OTHER = {
    "ordered": True,
    "n_components": 3,
    "hidden_layer_sizes": (5,),
    "activation": "tanh",
    "code_activation": "softplus",
    "output_activation": "softplus",
    "likelihood": "bernoulli",
    "linear_path": True,
    "tied_weights": None,
    "encoder": torch.nn.Linear,
    "decoder": torch.nn.Linear,
    "scaling": "standard",
    "dtype": "float64",
    "corruption": "swap",
    "sparsity": "batch_topk",
    "unit_norm": False,
    "covariance_type": "full",
    "prior": "mixture",
    "n_prior_components": 3,
    "noise_variance": 0.5,
    "conditional_prior": "standard",
    "condition_features": [1],
    "encoder_type": "gaussian",
    "discriminator_layer_sizes": (5,),
    "n_nodes": 16,
    "objective": "bound",
    "spacing": 1.5,
    "null_weight": 0.1,
    "constrain": False,
    "node_layout": "kmeans",
    "alpha": 0.5,
    "dropout": 0.5,
    "optimizer": "sgd",
    "learning_rate_init": 0.02,
    "learning_rate": "constant",
    "batch_size": 30,
    "max_iter": 3,
    "early_stopping": True,
    "corruption_level": 0.9,
    "corruption_units": "data",
    "penalty": 9.0,
    "n_nonzero_coefs": 2,
    "beta": 4.0,
    "warm_up": 0.9,
    "free_bits": 3.0,
    "n_mc_samples": 4,
    "importance_weighted": True,
    "adversarial_weight": 20.0,
    "random_state": 7,
}


def test_every_parameter_is_sorted_once():
    known = set()
    for estimator in DEFAULTS.values():
        known |= set(estimator.get_params())
    assert TRAINING <= known
    assert not TRAINING & NEITHER
    for estimator in DEFAULTS.values():
        own = set(type(estimator)._training_parameters)
        assert own <= set(estimator.get_params()) - TRAINING - NEITHER


def shaping_of(estimator):
    return set(estimator.get_params()) - changeable_parameters(type(estimator))


SHAPING = [
    pytest.param(estimator, parameter, id=f"{name}-{parameter}")
    for name, estimator in DEFAULTS.items()
    for parameter in sorted(shaping_of(estimator))
]


def other_value(estimator, parameter):
    value = OTHER[parameter]
    if parameter == "tied_weights":
        value = not estimator.tied_weights
    return value


@nothing_to_code
@pytest.mark.parametrize(("estimator", "parameter"), SHAPING)
def test_what_shapes_the_model_cannot_change_under_way(estimator, parameter):
    data = (X - X.min()) / np.ptp(X)
    ae = clone(estimator).set_params(max_iter=1)
    if has_engine(ae):
        ae.set_params(warm_start=True)
    ae.fit(data)
    before = ae.transform(data)
    ae.set_params(**{parameter: other_value(ae, parameter)})
    for go_on in (ae.fit, ae.partial_fit) if has_engine(ae) else (ae.partial_fit,):
        with pytest.raises(ValueError, match=f" {parameter}="):
            go_on(data)
        np.testing.assert_array_equal(ae.transform(data), before)


# What it takes for a parameter to make a difference, and those that need a test of their own.
CONTEXT = {
    "rho": (SparseAutoencoder(9, sparsity="kl"), 0.5),
    "revive": (SparseAutoencoder(200, n_nonzero_coefs=1, max_iter=4), False),
    "penalty": (SparseAutoencoder(sparsity="l1"), 9.0),
    "penalty_estimate": (
        ContractiveAutoencoder(3, hidden_layer_sizes=(8,)),
        "stochastic",
    ),
    "tol": (Autoencoder(n_iter_no_change=1, max_iter=5, learning_rate_init=1e-4, tol=0.0), 0.9),
    "n_iter_no_change": (Autoencoder(tol=0.9, max_iter=5), 1),
    "warm_up": (VAE(max_iter=40, warm_up=0.5), 1e-9),
    "free_bits": (VAE(), 3.0),
    "validation_fraction": (Autoencoder(early_stopping=True), 0.5),
    "optimizer": (Autoencoder(linear_path=False), "rmsprop"),
    "corruption_level": (DenoisingAutoencoder(), 0.9),
}
APART = {"callbacks", "device"}
STEERING = sorted(
    {name for e in DEFAULTS.values() for name in set(e.get_params()) - shaping_of(e)}
    - NEITHER
    - APART
)


@nothing_to_code
@pytest.mark.parametrize("parameter", STEERING)
def test_what_steers_training_takes_effect(parameter):
    owners = [e for e in ENGINE.values() if parameter in e.get_params()]
    if not owners:
        pytest.skip("a parameter of a model without gradients")
    estimator, value = CONTEXT.get(parameter, (owners[-1], OTHER.get(parameter)))
    estimator = clone(estimator).set_params(random_state=0, warm_start=True)
    curves = []
    for change in ({}, {parameter: value}):
        ae = clone(estimator)
        n_first = ae.max_iter if parameter != "warm_up" else 5
        ae.set_params(max_iter=n_first).fit(X).set_params(max_iter=estimator.max_iter)
        ae.set_params(**change).fit(X)
        curves.append([*ae.loss_curve_, *ae.transform(X)[:3].ravel()])
    assert curves[0] != curves[1]


class Counter(Callback):
    n = 0

    def on_epoch_end(self, net, **kwargs):
        type(self).n += 1


def test_callbacks_of_a_later_fit_are_called():
    ae = Autoencoder(max_iter=2, warm_start=True).fit(X)
    ae.set_params(callbacks=[Counter()]).fit(X)
    assert Counter.n == 2


def test_lists_and_tuples_are_the_same_shape():
    ae = Autoencoder(hidden_layer_sizes=(8,), max_iter=1, warm_start=True).fit(X)
    for same in ([8], 8, np.array([8])):
        ae.set_params(hidden_layer_sizes=same).fit(X)


# Validation rows


@pytest.mark.parametrize("estimator", ENGINE.values(), ids=ENGINE)
def test_a_warm_start_keeps_its_validation_rows(estimator):
    ae = clone(estimator).set_params(early_stopping=True, warm_start=True, max_iter=1)
    splits = []

    class Watch(Callback):
        def on_train_begin(self, net, X=None, **kwargs):
            splits.append(X.index.tolist())

        def __deepcopy__(self, memo):
            return self

    ae.set_params(callbacks=[Watch()])
    for _ in range(2):
        ae.fit(X)
    assert splits[0] == splits[1]
    assert len(splits[0]) == 135


SHOWN_NOTHING = {
    **ENGINE,
    "by chosen size alone": Autoencoder("auto", ordered=True),
    "scaled by column": Autoencoder(scaling="standard"),
    "scaled if need be": ConditionalVAE(scaling="auto", condition_features=[1]),
    "salt and pepper": DenoisingAutoencoder(corruption="salt_and_pepper"),
    "noise level": DenoisingAutoencoder(corruption_level="auto"),
    "noise of each column": VAE(noise_variance="per_feature"),
    "noise and salt": VAE(corruption="salt_and_pepper", noise_variance="shared"),
    "mixture": VAE(prior="mixture"),
    "pseudo-inputs": VAE(prior="vamp"),
    "share": Autoencoder(0.9, ordered=True),
    "chosen size": VAE("auto", ordered=True),
    "held at the start": Autoencoder(learning_rate_init=10.0),
}
CONTAINERS = {"array": np.asarray, "CSR": sparse.csr_matrix, "NaN": without_a_cell}


def check_unmoved(estimator, container, unseen, **fit_params):
    """Check that rows that are not `X`, of some numbers, change nothing but the stopping.

    Losses of the training rows tell of all weights, from the start to the last epoch.
    """
    moved = X.copy()
    moved[unseen] = 50 - 3 * X[unseen]
    # As a condition it stays within ten deviations: those beyond set the scale of all.
    moved[unseen, 1] = 1 + X[unseen, 1]
    fits = [clone(estimator).fit(container(rows), **fit_params) for rows in (X, moved)]
    for name in ("mean_", "scale_", "loss_curve_", "_linear", "_noise", "_noise_level"):
        np.testing.assert_equal(*(getattr(model, name, None) for model in fits))
    return fits


@nothing_to_code
@pytest.mark.filterwarnings(
    "ignore:corruption_level='auto'", "ignore:No prefix", "ignore:The loss"
)
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("name", SHOWN_NOTHING)
def test_validation_rows_have_no_part_in_the_start(name, container):
    model = clone(SHOWN_NOTHING[name]).set_params(max_iter=2, random_state=0)
    model.set_params(early_stopping=name != "by chosen size alone")
    if container is without_a_cell and not model._takes_holes:
        pytest.skip("NaN is refused.")
    unseen = validation_rows(clone(model).fit(container(X)), len(X), None)
    assert len(unseen) == 15
    check_unmoved(model, container, unseen)


@nothing_to_code
@pytest.mark.parametrize(
    "estimator", [VAE(prior="vamp"), *(SHOWN_NOTHING[n] for n in ("salt and pepper", "mixture"))]
)
def test_rows_without_weight_have_no_part_in_the_start(estimator):
    """Nor in what follows: all weights are the same."""
    weights = np.r_[np.ones(100), np.zeros(50)]
    model = clone(estimator).set_params(max_iter=2, random_state=0)
    fits = check_unmoved(model, np.asarray, slice(100, None), sample_weight=weights)
    np.testing.assert_array_equal(*(fitted.transform(X) for fitted in fits))


def test_with_validation_rows_no_worse_than_pca_of_the_others():
    ae = Autoencoder(early_stopping=True, max_iter=1, random_state=0, learning_rate_init=10.0)
    seen = np.delete(X, validation_rows(ae.fit(X), len(X), None), axis=0)
    error, pca = ae.reconstruction_error(seen).mean(), PCA(2).fit(seen)
    of_pca = np.square(pca.inverse_transform(pca.transform(seen)) - seen).sum(axis=1).mean()
    assert error <= of_pca * (1 + 1e-5)  # single precision


def test_validation_rows_have_weight():
    weights = np.zeros(150)
    weights[:20] = 1.0
    ae = Autoencoder(early_stopping=True, max_iter=2, random_state=0).fit(X, sample_weight=weights)
    assert np.isfinite(ae.validation_loss_curve_).all()
    weights[2:] = 0
    with pytest.raises(ValueError, match="validation_fraction"):
        ae.fit(X, sample_weight=weights)


def test_rows_without_weight_take_no_part_in_early_stopping():
    weights = np.r_[np.ones(100), np.zeros(50)]
    wild = np.r_[X[:100], 1e3 * X[100:]]
    ae = Autoencoder(early_stopping=True, max_iter=3, random_state=0)
    plain = clone(ae).fit(X, sample_weight=weights).transform(X)
    np.testing.assert_array_equal(clone(ae).fit(wild, sample_weight=weights).transform(X), plain)


@pytest.mark.parametrize(
    "estimator",
    [
        SparseAutoencoder(sparsity="l1", penalty=5.0),
        ContractiveAutoencoder(penalty=30.0),
        VAE(),
    ],
)
def test_early_stopping_watches_the_penalty_too(estimator):
    ae = clone(estimator).set_params(early_stopping=True, random_state=0, max_iter=30).fit(X)
    best = min(ae.validation_loss_curve_)
    assert ae.net_.convergence.best_ <= best


def test_early_stopping_of_a_game_watches_the_reconstruction():
    ae = AdversarialAutoencoder(early_stopping=True, random_state=0, max_iter=10).fit(X)
    best = min(row["valid_reconstruction"] for row in ae.history_)
    assert ae.net_.convergence.best_ <= best


# The start is a candidate at its true loss


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(4, likelihood="bernoulli", linear_path=True),
        SparseAutoencoder(20, linear_path=True, n_nonzero_coefs=4, hidden_layer_sizes=(32,)),
        Autoencoder(4, code_activation="tanh", linear_path=True),
        ContractiveAutoencoder(
            8, linear_path=True, tied_weights=False, penalty=0.01, hidden_layer_sizes=(16,)
        ),
    ],
)
def test_a_start_that_is_not_pca_is_no_better_than_it_is(estimator):
    """Training used to be thrown away for a start to whom PCA's error was ascribed."""
    data = X / X.max()
    ae = clone(estimator).set_params(random_state=0)
    short = clone(ae).set_params(max_iter=1).fit(data).score(data)
    long = clone(ae).set_params(max_iter=60).fit(data)
    assert long.score(data) > short + 0.02
    assert long.score(data) == pytest.approx(1 - _final_share(long, data), abs=0.05)


def _final_share(ae, data):
    error = ae.reconstruction_error(data).sum()
    return error / ((data - data.mean(axis=0)) ** 2).sum()


# Fits that fail


class Fail(Callback):
    """Raise in the middle of the second epoch."""

    def __init__(self, error, hook):
        self.error, self.hook = error, hook

    def on_epoch_begin(self, net, **kwargs):
        if self.hook == "begin" and len(net.history) == 2:
            raise self.error("on purpose")

    def on_batch_end(self, net, training, **kwargs):
        if self.hook == "batch" and len(net.history) == 2:
            raise self.error("on purpose")

    def on_epoch_end(self, net, **kwargs):
        if self.hook == "end" and len(net.history) == 2:
            raise self.error("on purpose")


def is_fitted(estimator):
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


@pytest.mark.parametrize("hook", ["begin", "batch", "end"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_callback_that_raises_leaves_the_estimator_as_it_was(hook, resume):
    ae = Autoencoder(2, max_iter=4, warm_start=resume, random_state=0)
    ae.set_params(callbacks=[Fail(RuntimeError, hook)])
    with pytest.raises(RuntimeError, match="on purpose"):
        ae.fit(X)
    assert not is_fitted(ae)
    assert vars(ae).keys() == clone(ae).__dict__.keys()
    ae.partial_fit(X)  # its first
    assert ae.n_iter_ == 1
    before, codes, samples = ae.loss_curve_, ae.transform(X), ae.sample(5, random_state=0)
    with pytest.raises(RuntimeError, match="on purpose"):
        ae.fit(X[:, : 4 if resume else 3])
    assert ae.loss_curve_ == before
    np.testing.assert_array_equal(ae.transform(X), codes)
    np.testing.assert_array_equal(ae.sample(5, random_state=0), samples)


def test_a_failed_fit_that_went_on_can_be_tried_again():
    """Weights, optimizer and random streams are those of before."""
    plain, tried = (Autoencoder(max_iter=3, warm_start=True, random_state=0) for _ in range(2))
    plain.fit(X).fit(X)
    tried.fit(X).set_params(callbacks=[Fail(RuntimeError, "batch")])
    tried.max_iter = 3
    with pytest.raises(RuntimeError):
        functools.partial(tried.set_params(callbacks=[FailAtOnce()]).fit, X)()
    tried.set_params(callbacks=None).fit(X)
    np.testing.assert_array_equal(tried.transform(X), plain.transform(X))


class FailAtOnce(Callback):
    def on_grad_computed(self, net, **kwargs):
        net.n_seen = getattr(net, "n_seen", 0) + 1
        if net.n_seen == 5:
            raise RuntimeError("on purpose")


@main_estimators(only=has_engine)
def test_a_refit_that_fails_leaves_the_first_fit(estimator):
    ae = clone(estimator).fit(X)
    codes, samples = ae.transform(X), ae.sample(5)
    with pytest.raises((ValueError, RuntimeError)):
        ae.set_params(callbacks=[Fail(RuntimeError, "begin")]).fit(X[:, :3] * 2)
    ae.set_params(callbacks=None)
    np.testing.assert_array_equal(ae.transform(X), codes)
    np.testing.assert_array_equal(ae.sample(5), samples)
    assert ae.n_features_in_ == 4


def test_an_interrupt_between_training_and_validation_leaves_no_half_epoch():
    class Interrupt(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if not training and len(net.history) == 2:
                raise KeyboardInterrupt

    ae = Autoencoder(early_stopping=True, max_iter=5, callbacks=[Interrupt()]).fit(X)
    assert ae.n_iter_ == len(ae.loss_curve_) == len(ae.validation_loss_curve_) == 1


# Samples of a stream


def sorted_chunks():
    return [X[:50], X[50:100], X[100:]]


# Draws from a prior know nothing of the stream, those of a Markov chain little.
FROM_CODES = ("Autoencoder", "SparseAutoencoder", "ContractiveAutoencoder", "GLGAE")


@pytest.mark.parametrize("name", FROM_CODES)
def test_samples_after_partial_fit_know_the_whole_stream(name):
    ae = clone(DEFAULTS[name])
    ae.set_params(**({"batch_size": "auto"} if has_engine(ae) else {}))  # more steps a chunk
    for chunk in sorted_chunks() * 10:
        ae.partial_fit(chunk)
    # A stream in this order need not be learnt well: samples are as good as reconstructions.
    S, X_hat = ae.sample(2000, random_state=0), ae.reconstruct(X)
    assert (np.abs(S.mean(axis=0) - X_hat.mean(axis=0)) < 0.3 * X.std(axis=0)).all()
    assert (S.std(axis=0) > 0.5 * X_hat.std(axis=0)).all()


@every_class
def test_samples_after_a_chunk_of_one_row(estimator):
    ae = clone(estimator).partial_fit(X).partial_fit(X[:1])
    assert np.isfinite(ae.sample(5)).all()


def test_recent_rows_count_more_and_few_codes_are_kept():
    ae = Autoencoder(2, random_state=0).partial_fit(X)
    for _ in range(150):
        ae.partial_fit(X[:50])
    assert len(ae._codes) < 3500
    assert abs(ae.sample(500)[:, 2].mean() - X[:50, 2].mean()) < 0.1


@pytest.mark.cpu
def test_a_prior_fitted_to_the_codes_of_a_stream():
    y = np.repeat([0, 1, 2], 50)
    cvae = ConditionalVAE(conditional_prior="none", random_state=0)
    cvae.partial_fit(X, condition=y)
    for _ in range(5):
        for chunk in range(3):
            rows = np.r_[np.arange(50 * chunk, 50 * chunk + 50), 0, 50, 100]
            cvae.partial_fit(X[rows], condition=y[rows])
    prior = cvae.module_.prior
    Z = cvae.transform(X, condition=y)
    covariance = (prior.factor @ prior.factor.T).numpy()
    assert np.abs(prior.mean.numpy() - Z.mean(axis=0)).max() < 1.0
    assert (np.diag(covariance) > 0.3 * Z.var(axis=0)).all()


# What was set outside


@main_estimators()
@pytest.mark.parametrize(
    "outside",
    [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")],
    ids=["no_grad", "inference_mode", "default device"],
)
def test_torch_s_settings_outside_change_nothing(estimator, outside):
    inside = clone(estimator)
    with outside():
        is_grad = torch.is_grad_enabled()
        inside.fit(X)
        found = [inside.transform(X), inside.sample(3), inside.score_samples(X[:5])]
        inside.inverse_transform(found[0])
        inside.__setstate__(inside.__getstate__())
        inside.reconstruct(X)
        if hasattr(inside, "partial_fit"):
            inside.partial_fit(X)
        assert torch.is_grad_enabled() == is_grad
    plain = clone(estimator).fit(X)
    wanted = [plain.transform(X), plain.sample(3), plain.score_samples(X[:5])]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_code_sizes_of_the_stream():
    ae = SparseAutoencoder(random_state=0, revive=False)
    for chunk in sorted_chunks():
        ae.partial_fit(chunk)
    assert ae._codes.shape[1] == code_size(ae)
    assert ae._codes.shape[0] > 120
