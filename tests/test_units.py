"""Units and the numbers in them: constant columns, scales far from 1, precision of scores."""

import re

import numpy as np
import pytest
import torch
from estimators import DEFAULTS
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from skae import GLGAE, VAE, Autoencoder, ConditionalVAE
from skae.data.moments import weighted_moments
from skae.data.units import Units, to_scale

X = load_iris().data
rng = np.random.default_rng(0)
NOISE = rng.normal(size=(37, 3))
QUICK = {"max_iter": 3, "random_state": 0}
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)
deterministic = pytest.mark.parametrize(
    "name",
    [
        "AdversarialAutoencoder",
        "Autoencoder",
        "ContractiveAutoencoder",
        "DenoisingAutoencoder",
        "SparseAutoencoder",
    ],
)


# Constant columns

CONSTANTS = {
    "a tenth": np.full(37, 0.1),
    "a tenth in single precision": np.full(37, 0.1, np.float32),
    "large": np.full(37, 1e8 + 0.1),
    "off by an ulp": np.where(np.arange(37) % 3, 0.3, 0.1 + 0.2),
    "tiny beside its offset": 1e8 + 1e-9 * NOISE[:, 0],
    "zero": np.zeros(37),
}
every_constant = pytest.mark.parametrize("column", CONSTANTS.values(), ids=CONSTANTS)


@every_constant
def test_a_constant_column_has_the_scale_one(column):
    data = np.column_stack([column, NOISE])
    moments = weighted_moments(data)
    assert moments.deviation[0] == 0
    np.testing.assert_allclose(moments.deviation[1:], NOISE.std(axis=0), rtol=1e-12)
    scale = to_scale(moments, per_feature=True)
    np.testing.assert_allclose(scale, StandardScaler().fit(data).scale_, rtol=1e-12)
    assert scale[0] == 1


@every_constant
def test_a_constant_table_has_the_scale_one(column):
    for estimator in (Autoencoder(**QUICK), GLGAE(**QUICK)):
        assert clone(estimator).fit(column[:, None] * np.ones(3, column.dtype)).scale_ == 1


def test_a_row_that_differs_in_a_constant_column_has_an_ordinary_code():
    data = np.column_stack([np.full(37, 0.1), NOISE])
    ae = Autoencoder(2, scaling="standard", **QUICK).fit(data)
    row = data[:1] + [[0.5, 0, 0, 0]]
    assert np.abs(ae.transform(row) - ae.transform(data[:1])).max() < 1


def test_a_column_that_only_rows_without_weight_vary_is_constant():
    weights = np.r_[np.ones(30), np.zeros(7)]
    column = np.r_[np.full(30, 0.1), np.arange(7.0)]
    moments = weighted_moments(np.column_stack([column, NOISE]), weights)
    assert moments.deviation[0] == 0
    np.testing.assert_allclose(moments.deviation[1:], NOISE[:30].std(axis=0))
    np.testing.assert_allclose(moments.farthest[0], 5.9)


def test_a_column_with_an_offset_still_varies():
    moments = weighted_moments(1e8 + 1e-3 * NOISE)
    np.testing.assert_allclose(moments.deviation, 1e-3 * NOISE.std(axis=0), rtol=1e-4)


def test_the_noise_of_a_constant_column_is_not_larger_than_one():
    """Rounding leaves thousands of the number 1e20: beside ordinary columns, they would drown."""
    column = 1e20 + 16384.0 * (np.arange(37) % 2)
    data = np.column_stack([column, NOISE])
    for per_feature in (True, False):
        moments = weighted_moments(data)
        scaled = (data - moments.mean) / to_scale(moments, per_feature)
        assert np.abs(scaled).max() < 4


@every_constant
def test_a_constant_condition_is_not_blown_up(column):
    condition = np.column_stack([column, NOISE[:, 0]])
    vae = ConditionalVAE(**QUICK).fit(NOISE, condition=condition)
    np.testing.assert_allclose(vae._condition.scale, [1, NOISE[:, 0].std()], rtol=1e-12)


def test_conditions_of_rows_without_weight_stay_within_reach():
    condition = np.r_[np.full(36, 0.1), 1e6][:, None]
    weights = np.r_[np.ones(36), 0.0]
    vae = ConditionalVAE(**QUICK).fit(NOISE, condition=condition, sample_weight=weights)
    assert abs(vae._condition.scale[0] - 1e5) < 1


@deterministic
@every_constant
def test_constant_data_score_one_or_zero(name, column):
    data = column[:, None] * np.ones(3, column.dtype)
    assert clone(DEFAULTS[name]).fit(data).score(data) in (0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_vae_of_constant_data_has_not_collapsed(dtype):
    """The warning is for data that vary; here it is an error, by the settings of the tests."""
    clone(DEFAULTS["VAE"]).fit(np.full((37, 3), 0.1, dtype))


def test_nodes_of_constant_data_are_in_one_place():
    model = GLGAE(4, n_nodes=6, **QUICK).fit(np.where(NOISE > 0, 0.3, 0.1 + 0.2))
    assert np.abs(model.nodes_latent_).max() == 0


# Scales


def test_moments_of_tables_of_every_scale():
    for exponent in range(-300, 301, 50):
        scale = 2.0 ** (3 * exponent)
        moments = weighted_moments(scale * X)
        np.testing.assert_array_equal(moments.deviation / scale, weighted_moments(X).deviation)
        assert to_scale(moments) / scale == to_scale(weighted_moments(X))
    np.testing.assert_allclose(weighted_moments(X).deviation, X.std(axis=0), rtol=1e-12)


@every_class
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300])
def test_data_whose_squares_are_out_of_range_are_refused(estimator, scale):
    ae = clone(estimator)
    words = f"X varies by about 2.0e{np.log10(scale):+.0f}; the square of that is too"
    with pytest.raises(ValueError, match=re.escape(words)):
        ae.fit(2 * StandardScaler().fit_transform(X) * scale)
    assert not hasattr(ae, "net_")
    assert not hasattr(ae, "nodes_data_")


@pytest.mark.parametrize("scale", [1e-25, 1e20])
def test_data_that_training_cannot_square_are_refused(scale):
    for dtype in (np.float32, np.float64):
        with pytest.raises(ValueError, match=r"scaling is off.* for float32.* Rescale X"):
            Autoencoder(scaling=None, **QUICK).fit((X * scale).astype(dtype))
    double = Autoencoder(scaling=None, dtype="float64", **QUICK).fit(X * scale)
    assert np.isfinite(double.score(X * scale))


def test_a_row_without_weight_that_overflows_is_refused():
    data, weights = np.r_[X, [[1e30] * 4]], np.r_[np.ones(150), 0]
    with pytest.raises(ValueError, match=r"divided by scale_, is \d.*float32"):
        Autoencoder(**QUICK).fit(data, sample_weight=weights)


@every_class
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float32, 1e-40)]
    + [(np.float32, s) for s in (1e-36, 1e-25, 1e20, 1e35)]
    + [(np.float64, s) for s in (1e-130, 1e-60, 1e60, 1e130)],
)
def test_data_of_every_scale_are_all_the_same(estimator, dtype, scale):
    data = (X * scale).astype(dtype)
    ae, plain = clone(estimator).fit(data), clone(estimator).fit(X)
    assert np.isfinite(ae.transform(data)).all()
    assert np.isfinite(ae.sample(3)).all()
    assert np.isfinite(ae.score(data))
    assert ae.reconstruction_error(data).dtype == np.float64
    errors = [np.mean(np.square(X - ae.reconstruct(data) / scale))]
    errors += [np.mean(np.square(X - plain.reconstruct(X)))]
    assert 0.5 < errors[0] / errors[1] < 2


@pytest.mark.parametrize("scale", [1e-42, 1e-35, 1e-25, 1.0, 1e25, 1e35])
def test_units_neither_underflow_nor_overflow(scale):
    x = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    units = Units(np.array([3.0, -1.0]) * scale, scale)
    user = (scale * (x + torch.tensor([[3.0, -1.0]]))).float()
    rounding = 1e-6 + 2e-45 / scale
    torch.testing.assert_close(units.enter(user, torch.float64), x, rtol=0, atol=10 * rounding)
    torch.testing.assert_close(units.leave(x.float()), user, rtol=1e-6 + 3 * rounding, atol=0)


# Scores


@deterministic
@pytest.mark.parametrize("scale", [1e-25, 1e-10, 1e10, 1e20])
def test_scores_do_not_depend_on_the_precision_of_x(name, scale):
    """Single precision holds the data, but not their squares."""
    ae = clone(DEFAULTS[name]).fit(X * scale)
    single = (X * scale).astype(np.float32)
    np.testing.assert_allclose(ae.score(single), ae.score(X * scale), atol=1e-4)
    error = ae.reconstruction_error(single)
    np.testing.assert_allclose(
        error / scale**2, ae.reconstruction_error(X * scale) / scale**2, atol=1e-4
    )
    np.testing.assert_array_equal(ae.score_samples(single), -error)


@deterministic
@pytest.mark.parametrize("scaling", ["global", "standard"])
@pytest.mark.parametrize("far", [1.0, 1e100, 1e200, 1e300])
def test_the_score_of_rows_far_away_is_a_ratio(name, scaling, far):
    ae = clone(DEFAULTS[name]).set_params(scaling=scaling).fit(X * [1, 10, 0.1, 1])
    rows = far * X * [1, 10, 0.1, 1]
    left = (rows - ae.reconstruct(rows)) / far
    total = (rows - ae.mean_) / far
    np.testing.assert_allclose(ae.score(rows), 1 - (left**2).sum() / (total**2).sum(), rtol=1e-9)


@pytest.mark.parametrize("objective", ["reconstruction", "bound", "likelihood"])
@pytest.mark.parametrize("kind", ["marginal", "profile"])
def test_log_densities_are_summed_in_double_precision(objective, kind):
    model = GLGAE(objective=objective, n_nodes=9, **QUICK).fit(X)
    rows = np.r_[X[:3], 1e20 * X[:3]].astype(np.float32)
    scores = model.score_samples(rows, kind=kind)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert (scores[3:] < -1e39).all()
    np.testing.assert_allclose(scores[:3], model.score_samples(X[:3], kind=kind), atol=1e-4)


NOISY = {"hidden_layer_sizes": (), "alpha": 0.0, **QUICK}
DENSITIES = {
    f"{kind.__name__}, {settings}": kind(2, **settings, **NOISY)
    for kind in (VAE, ConditionalVAE)
    for settings in ({"scaling": None}, {"scaling": "global"}, {"scaling": "standard"})
}
DENSITIES |= {"ordered": VAE(2, ordered=True, **NOISY), "GLGAE": GLGAE(n_nodes=9, **QUICK)}


@pytest.mark.filterwarnings("ignore:The loss became NaN")  # of 1e12 in single precision
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")  # where all is noise
@pytest.mark.parametrize("estimator", DENSITIES.values(), ids=DENSITIES)
@pytest.mark.parametrize("share", [1e-12, 1e20, 1e45])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_fixed_noise_variance_holds_in_either_precision(estimator, share, scale):
    """Single precision has no number 1e45, and no variance of 1e-36 beside it."""
    noise, scores = share * scale**2, []
    for dtype in (np.float32, np.float64):
        model = clone(estimator).set_params(noise_variance=noise, dtype=np.dtype(dtype).name)
        data = (X * scale).astype(dtype)
        scores.append(model.fit(data).score(data))
        # The logarithm of 1e45 is 104, with an error of 4e-6 in single precision.
        np.testing.assert_allclose(model.noise_variance_, noise, rtol=1e-5)
        assert np.isfinite(model.sample(3)).all()
    # Weights differ by single precision, and with little noise the score is a sum of squares.
    np.testing.assert_allclose(*scores, rtol=1e-3)


@pytest.mark.filterwarnings("ignore::skae.exceptions.ParameterWarning")
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("scaling", [None, "global", "standard", "auto"])
@pytest.mark.parametrize("kind", [VAE, ConditionalVAE])
def test_one_value_far_from_all_others(kind, scaling, missing):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    X[3, 2] = 1e7
    X[rng.random(X.shape) < missing] = np.nan
    model = kind(2, scaling=scaling, max_iter=4, random_state=0).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.filterwarnings("ignore:The loss became NaN")  # and is said to be
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [VAE, ConditionalVAE])
def test_a_fixed_noise_far_below_a_value_beside_missing_ones(kind, seed):
    """The maximum likelihood of the linear model is out of reach of double precision."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 5))
    X[2, 1] = 1e9
    X[rng.random(X.shape) < 0.05] = np.nan
    settings = {"scaling": "standard", "noise_variance": 0.1, "hidden_layer_sizes": (3,)}
    model = kind(5, **settings, max_iter=1, random_state=0).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.transform(X)).all()
