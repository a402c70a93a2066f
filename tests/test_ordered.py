"""Ordered codes: prefixes, shares, and the linear case, which is PCA."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from estimators import RowConv
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder, ConditionalVAE, DenoisingAutoencoder
from skae.estimator.split import validation_rows
from skae.exceptions import StartKeptWarning
from skae.metrics import explained_variance
from skae.nn.nested_dropout import WHOLE, NestedDropout, shares_of_prefixes

DIGITS = load_digits().data[:600]
DIGITS = DIGITS[:, DIGITS.any(axis=0)]
WINE = StandardScaler().fit_transform(load_wine().data)
EPOCHS = {"max_iter": 5, "random_state": 0}
QUICK = {"ordered": True, **EPOCHS}
MODELS = {
    "autoencoder": Autoencoder(4, **QUICK),
    "bernoulli": Autoencoder(4, likelihood="bernoulli", **QUICK),
    "textbook": Autoencoder(4, linear_path=False, **QUICK),
    "tied": Autoencoder(4, tied_weights=True, **QUICK),
    "standard": Autoencoder(4, scaling="standard", **QUICK),
    "denoising": DenoisingAutoencoder(4, **QUICK),
    "masking": DenoisingAutoencoder(4, corruption="masking", **QUICK),
    "vae": VAE(4, **QUICK),
    "full vae": VAE(4, covariance_type="full", noise_variance="per_feature", **QUICK),
    "bernoulli vae": VAE(4, likelihood="bernoulli", **QUICK),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def rows_for(model):
    return DIGITS / 16 if model.likelihood == "bernoulli" else WINE


# The lengths of prefixes


def test_lengths_are_as_frequent_as_is_said():
    nested = NestedDropout(6)
    shares = shares_of_prefixes(6)
    assert shares.sum().item() == pytest.approx(1)
    logs = np.log(np.arange(1, 8))
    expected = (1 - WHOLE) * np.diff(logs) / logs[-1] + WHOLE * (np.arange(6) == 5)
    np.testing.assert_allclose(shares, expected, rtol=1e-12)
    found = nested.draw(2000, torch.Generator().manual_seed(0))
    counts = np.bincount(found, minlength=6) / 2000
    np.testing.assert_allclose(counts, expected, atol=0.002)  # far below chance: spread evenly


def test_prefixes_weigh_by_what_they_leave():
    nested = NestedDropout(3)
    left = torch.tensor([0.8, 0.5, 0.4], dtype=torch.float64)
    nested.start(left, 1.0)
    np.testing.assert_allclose(nested.weights * left, (nested.weights * left)[0], rtol=1e-6)
    # Where training starts the mean of the weighted losses is that of the losses.
    weighted = (shares_of_prefixes(3) * nested.weights * left).sum()
    assert weighted.item() == pytest.approx((shares_of_prefixes(3) * left).sum().item())


@pytest.mark.parametrize("n_components", [1, 5, 16, 40])
def test_a_loss_is_measured_with_all_the_weight(n_components):
    evaluated = NestedDropout(n_components).evaluated()
    assert sum(share for _, share in evaluated) == pytest.approx(1)
    assert evaluated[-1][0] == n_components - 1
    assert len(evaluated) <= 16


# What a fitted model says


@every_model
def test_shares_add_up_to_the_explained_variance(model):
    X = rows_for(model)
    weights = np.random.default_rng(0).uniform(size=len(X))
    for sample_weight in (None, weights):
        fitted = clone(model).fit(X, sample_weight=sample_weight)
        whole = explained_variance(fitted, X, sample_weight=sample_weight)
        ratios = fitted.explained_variance_ratio_
        assert ratios.shape == (fitted.n_components_,) == (4,)
        assert ratios.sum() == pytest.approx(whole, abs=1e-6)
        variances = np.average((X - fitted.mean_) ** 2, axis=0, weights=sample_weight)
        by_feature = fitted.feature_explained_variance_ratio_ @ variances / variances.sum()
        np.testing.assert_allclose(by_feature, ratios, atol=1e-6)


@every_model
def test_a_prefix_is_decoded_as_in_training(model):
    X = rows_for(model)
    fitted = clone(model).fit(X)
    Z, shares = fitted.transform(X), np.cumsum(fitted.explained_variance_ratio_)
    total = ((X - X.mean(axis=0)) ** 2).sum()
    for j in (1, 2, 4):
        X_hat = fitted.inverse_transform(Z[:, :j])
        assert X_hat.shape == X.shape
        assert 1 - ((X - X_hat) ** 2).sum() / total == pytest.approx(shares[j - 1], abs=1e-6)
    with pytest.raises(ValueError, match="expecting 4 features as input, or the first of them"):
        fitted.inverse_transform(np.zeros((2, 5)))


@every_model
def test_a_pickle_knows_its_order(model):
    X = rows_for(model)
    fitted = clone(model).fit(X)
    copy = pickle.loads(pickle.dumps(fitted)).set_params(ordered=False)
    Z = fitted.transform(X)[:, :2]
    np.testing.assert_array_equal(copy.inverse_transform(Z), fitted.inverse_transform(Z))
    np.testing.assert_array_equal(copy.explained_variance_ratio_, fitted.explained_variance_ratio_)


def test_without_order_there_are_no_prefixes():
    plain = Autoencoder(4, max_iter=1).fit(WINE)
    assert not hasattr(plain, "explained_variance_ratio_")
    with pytest.raises(ValueError, match="expecting 4 features"):
        plain.inverse_transform(np.zeros((2, 3)))


@pytest.mark.filterwarnings("ignore::skae.exceptions.CollapseWarning")  # of a single epoch
@every_model
def test_a_fit_without_order_forgets_the_shares_of_the_last_one(model):
    ae, X = clone(model).set_params(max_iter=1), rows_for(model)
    names = [f"{kind}explained_variance_ratio_" for kind in ("", "feature_", "validation_")]
    assert all(hasattr(ae.fit(X), name) for name in names)
    ae.set_params(ordered=False).fit(X)
    assert not any(hasattr(ae, name) for name in names)


def test_constant_data_explain_nothing():
    fitted = Autoencoder(2, **QUICK).fit(np.ones((20, 3)))
    np.testing.assert_array_equal(fitted.explained_variance_ratio_, 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"prior": "mixture"}, "prior='standard'"), ({"importance_weighted": True}, "several draws")],
)
def test_what_a_vae_cannot_order(settings, words):
    with pytest.raises(ValueError, match=words):
        VAE(3, **QUICK, **settings).fit(WINE)


def keep_terms(model, kept):
    """Return a variational model whose module notes the arguments of its terms."""

    def terms(self, x, z, noise, q, p_x, p_z):
        kept.append((z, noise, q))
        return parent.terms(self, x, z, noise, q, p_x, p_z)

    parent = model._module_class
    noting = {"_module_class": type("Noting", (parent,), {"terms": terms})}
    return type("Variant", (type(model),), noting)(**model.get_params())


DRAWING = {
    "diagonal": VAE(4, **QUICK),
    "full, draws": VAE(4, covariance_type="full", n_mc_samples=3, **QUICK),
    "identity": VAE(4, covariance_type="identity", **QUICK),
    "bernoulli": VAE(4, likelihood="bernoulli", **QUICK),
    "denoising, validated": VAE(4, corruption="gaussian", early_stopping=True, **QUICK),
    "condition": ConditionalVAE(4, **EPOCHS),
    "without order": VAE(4, covariance_type="full", **EPOCHS),
    "importance weighted": VAE(4, importance_weighted=True, n_mc_samples=3, **EPOCHS),
}


@pytest.mark.cpu  # on CUDA a step is recorded, and its memory is used again
@pytest.mark.parametrize("model", DRAWING.values(), ids=DRAWING)
def test_terms_are_given_the_noise_of_their_draws(model):
    """In each step, and where a loss is measured: then q's two densities of a draw agree."""
    X, kept = rows_for(model)[:90], []
    condition = {"condition": X[:, 0] > 0} if isinstance(model, ConditionalVAE) else {}
    keep_terms(model, kept).fit(X, **condition)
    assert len(kept) > model.max_iter
    for z, noise, q in kept:
        assert z.shape == noise.shape
        torch.testing.assert_close(z, q.draw(noise))
        # Sums of squares in single precision, by two ways.
        torch.testing.assert_close(q.log_prob_of_draw(noise), q.log_prob(z), rtol=1e-4, atol=1e-4)


# Known answers


@pytest.mark.parametrize("start", ["auto", False])
def test_the_linear_case_is_pca(start):
    """Rippel, Gelbart and Adams 2014, section 2: components in order, not their span alone."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 8)) * 2.0 ** -np.arange(8) @ np.linalg.qr(rng.normal(size=(8, 8)))[0]
    settings = dict(hidden_layer_sizes=(), linear_path=start, ordered=True, random_state=0)
    model = Autoencoder(3, **settings, max_iter="auto" if start else 800).fit(X)
    pca = PCA(3).fit(X)
    np.testing.assert_allclose(
        model.explained_variance_ratio_, pca.explained_variance_ratio_, rtol=0.01
    )
    Z, scores = model.transform(X), pca.transform(X)
    cosines = np.abs(np.diag(np.corrcoef(Z.T, scores.T)[:3, 3:]))
    np.testing.assert_array_less(np.cos(0.05), cosines)
    unit = np.eye(3)
    steps = model.inverse_transform(unit) - model.inverse_transform(np.zeros((3, 3)))
    directions = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    angles = np.arccos(np.minimum(1, np.abs((directions * pca.components_).sum(axis=1))))
    np.testing.assert_array_less(angles, 0.05)


def test_every_prefix_beats_pca_on_digits():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Autoencoder(8, ordered=True, random_state=0, alpha=0.1, max_iter=40).fit(DIGITS)
    pca = PCA(8).fit(DIGITS)
    lead = np.cumsum(model.explained_variance_ratio_) - np.cumsum(pca.explained_variance_ratio_)
    assert lead.min() > 0.02


TABLES = {"iris": load_iris().data, "wine": WINE, "digits": DIGITS[:200]}
SHORT = {
    "epochs": {"max_iter": 5},
    "steps": {"max_iter": 15, "batch_size": 10},
    "stopping": {"max_iter": 5, "early_stopping": True},
    "double": {"max_iter": 5, "dtype": "float64"},
    "recipe": {"max_iter": 2, "encoder": RowConv()},
}
FILTERS = {
    "noise": ({"corruption_level": 0.5}, lambda x, rng: x + 0.5 * rng.normal(size=x.shape)),
    "masking": ({"corruption": "masking"}, lambda x, rng: x * (rng.uniform(size=x.shape) > 0.3)),
}
short_fits = pytest.mark.parametrize("settings", SHORT.values(), ids=SHORT)
every_table = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
@every_table
@short_fits
def test_the_whole_code_is_never_worse_than_pca(kind, X, settings):
    """On the training rows, with weights; without noise a denoising model starts at PCA too."""
    noise = {} if kind is Autoencoder else {"corruption_level": 0.0}
    counts = np.random.default_rng(0).integers(3, size=len(X))
    for k, weights in ((2, None), (X.shape[1] - 1, counts)):
        model = kind(k, **noise, **{**QUICK, **settings}).fit(X, sample_weight=weights)
        rows = X if weights is None else np.repeat(X, weights, axis=0)
        of_pca = explained_variance(PCA(k).fit(rows), rows)
        # Losses are compared in single precision.
        assert model.explained_variance_ratio_.sum() >= of_pca - 1e-6


@every_table
@pytest.mark.parametrize(("params", "corrupt"), FILTERS.values(), ids=FILTERS)
def test_the_whole_code_restores_no_worse_than_its_start(params, corrupt, X):
    settings = {**QUICK, "max_iter": 15, "batch_size": 10, **params}
    start = DenoisingAutoencoder(2, **settings, learning_rate_init=1e-12).fit(X)
    model = DenoisingAutoencoder(2, **settings).fit(X)
    rng, errors = np.random.default_rng(0), []
    for _ in range(40):
        rows = start.mean_ + start.scale_ * corrupt((X - start.mean_) / start.scale_, rng)
        errors.append([np.square(X - m.reconstruct(rows)).sum() for m in (model, start)])
    mean, of_start = np.mean(errors, axis=0)
    assert mean < 1.02 * of_start  # the model is judged by one draw of the noise


def test_a_start_that_is_kept_for_the_whole_code_is_told_so():
    with pytest.warns(StartKeptWarning, match="the whole code's training loss was .* the start's"):
        Autoencoder(2, **QUICK).fit(TABLES["iris"])


# The size of the code


def bent_sheet(n=300):
    """Return rows near a bent sheet in six dimensions: PCA needs four numbers for it."""
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, n))
    X = np.column_stack([u, v, (u**2 + v**2) / 2, (u**2 - v**2) / 2])
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    return X @ basis[:4] + 0.05 * rng.normal(size=(n, 6))


def equal_but_for_training(model, size):
    """Return a model of the same kind whose size was given."""
    return clone(model).set_params(n_components=size)


SIZED = {
    "share": Autoencoder(0.9, **QUICK),
    "share of a vae": VAE(0.9, covariance_type="full", **QUICK),
    "share, standard": Autoencoder(0.9, scaling="standard", **QUICK),
    "share, tied": Autoencoder(0.9, tied_weights=True, **QUICK),
    "share, linear": DenoisingAutoencoder(0.9, hidden_layer_sizes=(), **QUICK),
    "auto": Autoencoder("auto", **QUICK),
    "auto vae": VAE("auto", noise_variance="per_feature", early_stopping=True, **QUICK),
    "auto denoising": DenoisingAutoencoder("auto", **QUICK),
}


@pytest.mark.parametrize("model", SIZED.values(), ids=SIZED)
def test_a_chosen_size_is_as_if_it_had_been_given(model):
    X = bent_sheet()
    fitted = clone(model).fit(X)
    k = fitted.n_components_
    assert 1 <= k <= 6
    Z = fitted.transform(X)
    assert Z.shape == (300, k)
    assert len(fitted.get_feature_names_out()) == len(fitted.explained_variance_ratio_) == k
    assert fitted.sample(3).shape == (3, 6)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(X), Z)
    given = equal_but_for_training(model, k).fit(X)
    shapes = [{n: t.shape for n, t in m.net_.weights().items()} for m in (fitted, given)]
    assert shapes[0] == shapes[1]
    fitted.set_params(warm_start=True).fit(X)
    assert fitted.n_components_ == k


@pytest.mark.parametrize("name", ["vae", "full vae", "autoencoder", "tied", "denoising"])
def test_a_shorter_model_is_the_prefix(name):
    from skae.estimator.size import shorten

    fitted = clone(MODELS[name]).fit(WINE)
    Z, shares = fitted.transform(WINE), fitted.explained_variance_ratio_
    X_hat = fitted.inverse_transform(Z[:, :2])
    noise = getattr(fitted.module_, "log_noise_ratio", lambda prefix: None)(1)
    before = None if noise is None else fitted.noise_variance_ * np.exp(noise.item())
    shorten(fitted, 2)
    fitted._code_mean = None if fitted._code_mean is None else fitted._code_mean[:2]
    if fitted._code_mean is not None:
        from skae.estimator.scale import code_units_of

        fitted._code_scale = fitted._code_scale[:2]
        fitted._code_units = code_units_of(fitted)
    np.testing.assert_allclose(fitted.transform(WINE), Z[:, :2], atol=1e-6)
    np.testing.assert_allclose(fitted.reconstruct(WINE), X_hat, atol=1e-5)
    np.testing.assert_allclose(shares[:2].sum(), explained_variance(fitted, WINE), atol=1e-6)
    if before is not None:
        np.testing.assert_allclose(fitted.noise_variance_, before, rtol=1e-5)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_a_share_is_reached_and_not_with_one_number_fewer(share):
    X = bent_sheet()
    fitted = Autoencoder(share, ordered=True, random_state=0, max_iter=20).fit(X)
    shares = np.cumsum(fitted.explained_variance_ratio_)
    assert shares[-1] >= share
    assert len(shares) == 1 or shares[-2] < share
    n_of_pca = PCA(share).fit(X).n_components_
    assert fitted.n_components_ <= n_of_pca


def test_auto_finds_linear_factors():
    """In the linear case the loss is the evidence of probabilistic PCA, Minka 2000."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(600, 10))
    linear = dict(ordered=True, hidden_layer_sizes=(), random_state=0, max_iter=30)
    assert Autoencoder("auto", **linear).fit(X).n_components_ == 3
    assert VAE("auto", **linear).fit(X).n_components_ == 3


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Autoencoder(0.9), "needs ordered=True"),
        (VAE("auto"), "needs ordered=True"),
        (Autoencoder("auto", ordered=True, likelihood="bernoulli"), "likelihood='gaussian'"),
        (Autoencoder(0.9, ordered=True, encoder=torch.nn.Linear), "built-in networks"),
    ],
)
def test_sizes_that_cannot_be_chosen(model, words):
    with pytest.raises(ValueError, match=words):
        model.fit(DIGITS / 16)


# Loadings


@pytest.mark.parametrize("scaling", ["global", "standard"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loadings_of_a_linear_model_are_pca_s(scaling, dtype):
    """Codes have unit variance, as PCA's with ``whiten=True``."""
    X = load_wine().data
    units = X.std(axis=0) if scaling == "standard" else 1.0
    linear = dict(hidden_layer_sizes=(), scaling=scaling, dtype=dtype, random_state=0)
    model = Autoencoder(3, **linear, learning_rate_init=1e-12).fit(X)
    pca = PCA(3).fit(X / units)
    expected = pca.components_ / X.dot(np.eye(13) / units).dot(pca.components_.T).std(0)[:, None]
    expected /= units
    signs = np.sign((expected * model.loadings_).sum(axis=1, keepdims=True))
    size = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(signs * model.loadings_ / size, expected / size, atol=1e-5)
    np.testing.assert_allclose(model.loading_magnitudes_, np.abs(model.loadings_), rtol=1e-5)


@every_model
def test_loadings_are_slopes_of_the_code(model):
    X = rows_for(model)[:40].astype(np.float64)
    fitted = clone(model).set_params(dtype="float64", activation="tanh").fit(X)
    J, step = fitted.loadings(X), 1e-5
    for f in (0, 7):
        aside = step * (np.arange(X.shape[1]) == f)
        slope = (fitted.transform(X + aside) - fitted.transform(X - aside)) / (2 * step)
        np.testing.assert_allclose(J[:, :, f], slope, atol=1e-6 * max(1, np.abs(slope).max()))
    np.testing.assert_allclose(fitted.loadings_, J.mean(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.loading_magnitudes_, np.abs(J).mean(axis=0), rtol=1e-6)


def test_loadings_count_weights_and_leave_out_rows_without():
    weights = np.r_[np.ones(60), np.zeros(118)]
    fitted = Autoencoder(2, **QUICK).fit(WINE, sample_weight=weights)
    expected = fitted.loadings(WINE[:60]).mean(axis=0)
    np.testing.assert_allclose(fitted.loadings_, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.cpu
def test_two_groups_of_features_load_on_components_of_their_own():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(400, 2)) * [1.5, 1]
    X = np.repeat(np.tanh(factors), 5, axis=1) + 0.05 * rng.normal(size=(400, 10))
    model = Autoencoder(2, ordered=True, max_iter=30, alpha=0.1, random_state=0).fit(X)
    strongest = model.loading_magnitudes_
    first, second = strongest[:, :5].mean(axis=1), strongest[:, 5:].mean(axis=1)
    assert first[0] > 3 * second[0]
    assert second[1] > 3 * first[1]
    explained = model.feature_explained_variance_ratio_
    assert explained[0, :5].min() > 0.8 > 0.2 > explained[1, :5].max()
    assert explained[1, 5:].min() > 0.8 > 0.2 > explained[0, 5:].max()


# The same next time

SETS = {"digits": DIGITS, "wine": WINE, "sheet": bent_sheet()}


def agreement(codes):
    """Return the correlation of each number of the codes of one fit with its like in another."""
    k = codes[0].shape[1]
    pairs = [(a, b) for i, a in enumerate(codes) for b in codes[i + 1 :]]
    return np.array([np.diag(np.corrcoef(a.T, b.T)[:k, k:]) for a, b in pairs])


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [False, True])
def test_codes_are_the_same_next_time(ordered):
    """Same index and same sign, whatever the seed: the start has no chance in it."""
    found = []
    for X in (*SETS.values(), load_wine().data):
        settings = dict(ordered=ordered, max_iter=30, alpha=0.1)
        found += [
            agreement(
                [Autoencoder(4, **settings, random_state=s).fit_transform(X) for s in range(3)]
            )
        ]
    assert np.median(np.concatenate(found)) > 0.9


@pytest.mark.parametrize("options", [{"early_stopping": True}, {"n_components": "auto"}])
def test_shares_of_rows_that_training_has_not_seen(options):
    """By hand, of the rows that are set aside."""
    model = Autoencoder(**{"n_components": 3, "max_iter": 5, "random_state": 0, **options})
    model.set_params(ordered=True).fit(DIGITS)
    unseen = validation_rows(model, len(DIGITS), None)
    assert len(unseen) == round(0.1 * len(DIGITS))
    rows = DIGITS[unseen]
    Z = model.transform(rows)
    total = np.square(rows - model.mean_).sum()
    prefixes = [
        1 - np.square(rows - model.inverse_transform(Z[:, : j + 1])).sum() / total
        for j in range(model.n_components_)
    ]
    found = model.validation_explained_variance_ratio_
    np.testing.assert_allclose(np.cumsum(found), prefixes, atol=1e-4)
    again = Autoencoder(3, ordered=True, max_iter=2).fit(DIGITS)
    assert again.validation_explained_variance_ratio_ is None
