"""The contractive autoencoder: exact Jacobians, an unbiased estimate, tangents of a surface."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris

from skae import Autoencoder, ContractiveAutoencoder
from skae.exceptions import ParameterWarning

X = load_iris().data

ENCODERS = {
    "one sigmoid layer": {"hidden_layer_sizes": ()},
    "one linear layer": {"hidden_layer_sizes": (), "code_activation": "identity"},
    "deep": {"hidden_layer_sizes": (8, 7), "activation": "tanh"},
    "untied, with a linear path": {
        "hidden_layer_sizes": (8,),
        "tied_weights": False,
        "linear_path": True,
        "code_activation": "softplus",
    },
    "own network": {"encoder": torch.nn.Linear, "tied_weights": False},
}
encoders = pytest.mark.parametrize("settings", ENCODERS.values(), ids=ENCODERS)


def fitted(n_components=5, **settings):
    settings = {"max_iter": 3, "dtype": "float64", "random_state": 0, **settings}
    return ContractiveAutoencoder(n_components, **settings).fit(X)


@pytest.mark.parametrize("tied_weights", [True, False])
@pytest.mark.parametrize("hidden_layer_sizes", [(), (16,)])
def test_without_penalty_it_is_the_autoencoder_bit_for_bit(tied_weights, hidden_layer_sizes):
    shared = dict(
        code_activation="sigmoid",
        tied_weights=tied_weights,
        hidden_layer_sizes=hidden_layer_sizes,
        dropout=0.1,
        max_iter=5,
        random_state=0,
    )
    plain = Autoencoder(6, **shared).fit(X)
    free = ContractiveAutoencoder(6, penalty=0.0, **shared).fit(X)
    assert free.loss_curve_ == plain.loss_curve_
    np.testing.assert_array_equal(free.transform(X), plain.transform(X))


@encoders
@pytest.mark.parametrize("scaling", ["global", "standard"])
def test_the_jacobian_is_the_code_s_derivative_in_the_user_s_units(settings, scaling):
    ae = fitted(scaling=scaling, **settings)
    J = ae.jacobian(X)
    assert J.shape == (150, 5, 4)
    step = 1e-5
    for j in range(4):
        shift = step * np.eye(4)[j]
        slope = (ae.transform(X + shift) - ae.transform(X - shift)) / (2 * step)
        np.testing.assert_allclose(J[:, :, j], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.cpu
@encoders
def test_the_penalty_is_the_squared_norm_of_autograd_s_jacobian(settings):
    module = fitted(**settings).module_
    x = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    truth = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda r: module.encode(r[None])[0], row)
            .square()
            .sum()
            for row in x
        ]
    )
    torch.testing.assert_close(module.squared_norm(x), truth, rtol=1e-5, atol=0)


@pytest.mark.cpu
def test_the_closed_form_of_one_sigmoid_layer():
    ae = fitted()
    layer = ae.module_.encoder.layers[0]
    x = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    h = torch.sigmoid(layer(x))
    closed = (h * (1 - h)) ** 2 @ (layer.weight**2).sum(dim=1)
    torch.testing.assert_close(ae.module_.squared_norm(x), closed, rtol=1e-5, atol=0)


@pytest.mark.cpu
def test_the_stochastic_estimate_is_unbiased():
    module = fitted(hidden_layer_sizes=(8,), penalty_estimate="stochastic").module_
    x = torch.from_numpy(X[:3] - X.mean(axis=0))
    exact = module.squared_norm(x)
    generators = {"noise": torch.Generator().manual_seed(0)}
    n_draws = 3000
    estimates = []
    for _ in range(n_draws):
        *_, signs = module.draw(3, generators)
        estimates.append(module.squared_norm(x, signs=signs).detach())
    estimates = torch.stack(estimates)
    error = (estimates.mean(dim=0) - exact).abs()
    assert (error < 4 * estimates.std(dim=0) / n_draws**0.5).all()


@pytest.mark.cpu
def test_the_estimate_of_all_sign_vectors_is_exact():
    """The mean over the 2^k vectors of signs is the squared norm itself."""
    module = fitted(3, hidden_layer_sizes=(8,)).module_
    x = torch.from_numpy(X[:4] - X.mean(axis=0))
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    mean = torch.stack([module.squared_norm(x, signs=s.expand(4, 3)) for s in signs]).mean(dim=0)
    torch.testing.assert_close(mean, module.squared_norm(x))


def test_auto_is_exact_for_small_codes_only():
    assert fitted(5, hidden_layer_sizes=(8,)).module_.estimate == "exact"
    assert fitted(300, hidden_layer_sizes=(8,), max_iter=1).module_.estimate == "stochastic"


def test_the_penalty_contracts():
    norms = [
        (fitted(penalty=penalty, max_iter=100).jacobian(X) ** 2).sum(axis=(1, 2)).mean()
        for penalty in (0.0, 1.0, 10.0)
    ]
    assert norms[0] > 1.2 * norms[1] > 1.2**2 * norms[2]


def test_an_untied_linear_code_escapes_the_penalty():
    """The reason for the defaults: z shrinks, the decoder grows, the reconstruction stays."""
    settings = dict(code_activation="identity", max_iter=200, learning_rate_init=0.01)
    free, escaped = (
        fitted(tied_weights=False, penalty=penalty, **settings) for penalty in (0.0, 3.0)
    )
    assert (escaped.jacobian(X) ** 2).sum() < 0.2 * (free.jacobian(X) ** 2).sum()
    assert escaped.score(X) > free.score(X) - 0.05


def test_tangent_directions_are_the_leading_singular_vectors():
    ae = fitted()
    directions, values = ae.tangent_directions(X, 3)
    _, s, Vh = np.linalg.svd(ae.jacobian(X), full_matrices=False)
    np.testing.assert_allclose(values, s[:, :3], rtol=1e-7)
    np.testing.assert_allclose(np.abs((directions * Vh[:, :3]).sum(axis=2)), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="n_directions"):
        ae.tangent_directions(X, 5)


def sheet(n=2000, curvature=0.15, noise=0.01, seed=0):
    """Return rows of a gently curved surface in 20 dimensions, and its tangents, (n, 20, 2)."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(-1, 1, size=(2, n))
    zero, one = np.zeros(n), np.ones(n)
    rest = np.zeros((15, n))
    surface = np.vstack([u, v, curvature * u**2, curvature * u * v, curvature * v**2, rest])
    along_u = np.vstack([one, zero, 2 * curvature * u, curvature * v, zero, rest])
    along_v = np.vstack([zero, one, zero, curvature * u, 2 * curvature * v, rest])
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    tangents = np.stack([along_u.T @ turn, along_v.T @ turn], axis=2)
    return surface.T @ turn + noise * rng.normal(size=(n, 20)), tangents


def largest_angle(directions, tangents):
    """Return the largest angle between two planes at each row."""
    basis, _ = np.linalg.qr(tangents)
    cosines = np.linalg.svd(directions @ basis, compute_uv=False)
    return np.arccos(np.clip(cosines[:, -1], -1, 1))


def test_tangents_of_a_curved_sheet():
    S, tangents = sheet()
    angle, drop = {}, {}
    for penalty in (0.0, 10.0):
        ae = ContractiveAutoencoder(20, penalty=penalty, max_iter=200, random_state=0).fit(S)
        directions, values = ae.tangent_directions(S, 3)
        angle[penalty] = np.median(largest_angle(directions[:, :2], tangents))
        drop[penalty] = np.median(values[:, 1] / values[:, 2])
    assert angle[10.0] < 0.2 < angle[0.0]
    assert drop[10.0] > 5 > drop[0.0]


def test_digits_vary_along_few_directions():
    digits = load_digits().data
    ae = ContractiveAutoencoder(64, max_iter=30, random_state=0).fit(digits)
    _, values = ae.tangent_directions(digits[:200], 64)
    share = (values**2).cumsum(axis=1) / (values**2).sum(axis=1, keepdims=True)
    assert np.median((share < 0.9).sum(axis=1)) < 40


class Normalised(torch.nn.Sequential):
    def __init__(self, n_in, n_out):
        layers = torch.nn.Linear(n_in, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, n_out)
        super().__init__(*layers)


def test_a_jacobian_needs_rows_that_do_not_mix():
    own = {"encoder": Normalised, "decoder": Normalised, "tied_weights": False}
    with pytest.raises(
        ValueError, match="encoder must make each row.s code of that row alone.*BatchNorm1d"
    ):
        fitted(4, batch_size=50, **own)
    plain = fitted(4, batch_size=50, penalty=0.0, **own)
    assert plain.jacobian(X).shape == (len(X), 4, 4)


@pytest.mark.parametrize("k", [1, 3])
def test_narrow_codes_are_a_warning(k):
    with pytest.warns(ParameterWarning, match=f"n_components={k} is narrower than the 4"):
        fitted(k)


@pytest.mark.parametrize(
    "settings",
    [{"n_components": 4}, {"n_components": "auto"}, {"n_components": 2, "penalty": 0.0}],
)
def test_wide_codes_and_those_without_penalty_are_none(settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ParameterWarning)
        fitted(**settings)
