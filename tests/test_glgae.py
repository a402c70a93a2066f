"""GLGAE: exact derivatives, blocks that only ascend, order of the objectives, known answers."""

import copy
import io
import math
import re
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.manifold import trustworthiness
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import GLGAE
from skae.estimator.parameters import changeable_parameters
from skae.metrics import explained_variance
from skae.nn.nodes import OBJECTIVES, Bound, Likelihood, Reconstruction
from skae.training.randomness import draw_seed, make_generator

X = load_iris().data
objectives = pytest.mark.parametrize("objective", OBJECTIVES)
null_weights = pytest.mark.parametrize("b", [0.0, 1e-2, 1.0])

N, K, D, d = 40, 7, 5, 2


def random_case(seed=0, variance=0.7):
    generator = torch.Generator().manual_seed(seed)
    x, A, B, z = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in [(N, D), (K, D), (K, d), (N, d)]
    )
    return x, A, 2 * B, z, variance


def make(objective, A, B, variance, b=1e-2, constrain=False):
    ridge = {"ridge": 1e-3} if objective == "reconstruction" else {}
    return OBJECTIVES[objective](A, B, variance, null_weight=b, constrain=constrain, **ridge)


def phi(nodes, x, z):
    return nodes.value(nodes.evidence(x), z)


def by_hand(objective, x, A, B, z, variance, b):
    """The objectives as the formulas have them, without any care for overflow."""
    h = torch.exp(-(torch.cdist(z, B) ** 2) / 2)
    S = h.sum(dim=1)
    q, null = h / S[:, None], torch.log(S / (b + S))
    log_p = -(torch.cdist(x, A) ** 2) / (2 * variance)
    return (
        null
        + {
            "likelihood": torch.log((q * log_p.exp()).sum(dim=1)),
            "bound": (q * log_p).sum(dim=1),
            "reconstruction": -(x - q @ A).square().sum(dim=1) / (2 * variance),
        }[objective]
    )


# Mathematics


@objectives
@null_weights
def test_values_are_the_formulas(objective, b):
    x, A, B, z, variance = random_case()
    nodes = make(objective, A, B, variance, b)
    expected = by_hand(objective, x, A, B, z, variance, b)
    torch.testing.assert_close(phi(nodes, x, z), expected, rtol=1e-11, atol=1e-11)


@objectives
def test_values_at_the_nodes(objective):
    x, A, B, _, variance = random_case()
    nodes = make(objective, A, B, variance)
    everywhere = torch.stack([phi(nodes, x, B[k].expand(N, d)) for k in range(K)], dim=1)
    torch.testing.assert_close(nodes.at_nodes(nodes.evidence(x)), everywhere)


@objectives
@pytest.mark.parametrize("b", [0.0, 1e-2, 1.0, 1e6])
def test_gradients_in_z_are_exact(objective, b):
    x, A, B, z, variance = random_case()
    nodes = make(objective, A, B, variance, b)
    (expected,) = torch.autograd.grad(
        by_hand(objective, x, A, B, z.requires_grad_(), variance, b).sum(), z
    )
    gradient, curvature = nodes.slope(nodes.evidence(x), z.detach())
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)
    assert (torch.linalg.eigvalsh(curvature) > 0).all()


@null_weights
def test_gradients_in_a_and_b_are_those_of_the_specification(b):
    x, A, B, z, variance = random_case()
    A.requires_grad_()
    B.requires_grad_()
    total = by_hand("likelihood", x, A, B, z, variance, b).sum()
    in_A, in_B = torch.autograd.grad(total, [A, B])
    with torch.no_grad():
        nodes = make("likelihood", A.detach(), B.detach(), variance, b)
        r = nodes.choice(nodes.evidence(x), z)
        q, q_0, _ = nodes.mix(z)
        q = q * (1 - q_0)[:, None]
        expected_A = torch.einsum("nk,nkd->kd", r, x[:, None] - A) / variance
        expected_B = torch.einsum("nk,nkd->kd", r - q, z[:, None] - B)
    torch.testing.assert_close(in_A, expected_A, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(in_B, expected_B, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("objective", ["likelihood", "bound", "reconstruction"])
def test_the_nodes_step_is_where_the_gradient_vanishes(objective):
    x, A, B, z, variance = random_case()
    nodes = make(objective, A, B, variance)
    nodes.maximise(nodes.statistics(x, z, x.new_ones(N)), learn_variance=False)
    if objective == "likelihood":  # a step of expectation maximisation: r stays what it was
        r = make(objective, A, B, variance).choice(nodes.log_likelihood(x, A), z)
        torch.testing.assert_close(nodes.A, (r.T @ x) / r.sum(dim=0)[:, None])
        return
    places = nodes.A.clone().requires_grad_()
    total = by_hand(objective, x, places, B, z, variance, 0.0).mean()
    if objective == "reconstruction":
        total = total - 1e-3 * places.square().sum() / K / (2 * variance)
    (gradient,) = torch.autograd.grad(total, places)
    assert gradient.abs().max() < 1e-12


@null_weights
def test_the_variance_maximises_the_objective(b):
    x, A, B, z, variance = random_case()
    for objective in OBJECTIVES:
        nodes = make(objective, A, B, variance, b)
        if objective == "likelihood":
            continue  # expectation maximisation again: not the maximum, but an ascent
        nodes.maximise(nodes.statistics(x, z, x.new_ones(N)), learn_variance=True)
        best, values = nodes.variance, []
        for nodes.variance in (0.99 * best, best, 1.01 * best):
            values.append(float(phi(nodes, x, z).mean()) + nodes.constant())
        assert values[1] > max(values[0], values[2])


@null_weights
def test_order_of_the_objectives(b):
    for seed in range(5):
        x, A, B, z, variance = random_case(seed)
        value = {name: phi(make(name, A, B, variance, b), x, z) for name in OBJECTIVES}
        best_node = make("bound", A, B, variance).log_likelihood(x, A).amax(dim=1)
        assert (value["bound"] <= value["likelihood"] + 1e-12).all()
        assert (value["likelihood"] <= best_node + 1e-12).all()
        assert (value["bound"] <= value["reconstruction"] + 1e-12).all()


def test_the_bound_is_the_reconstruction_and_the_variance_within_the_mixture():
    x, A, B, z, variance = random_case()
    nodes = make("bound", A, B, variance)
    q, _, null = nodes.mix(z)
    spread = (q * torch.cdist(nodes.decode(z), A) ** 2).sum(dim=1)
    reconstruction = phi(make("reconstruction", A, B, variance), x, z)
    torch.testing.assert_close(phi(nodes, x, z), reconstruction - spread / (2 * variance))
    assert (null <= 0).all()


def test_shares_of_the_nodes_and_of_none():
    _, A, B, z, variance = random_case()
    for b in (1e-300, 1e-2, 1.0, 1e6):
        q, q_0, null = make("bound", A, B, variance, b).mix(z)
        h = torch.exp(-(torch.cdist(z, B) ** 2) / 2)
        sub_normalised = h / (b + h.sum(dim=1, keepdim=True))
        torch.testing.assert_close(sub_normalised.sum(dim=1) + q_0, torch.ones(N).double())
        torch.testing.assert_close(q * (1 - q_0)[:, None], sub_normalised)
        torch.testing.assert_close(null, torch.log1p(-q_0))
    for name in OBJECTIVES:
        without, nearly = (make(name, A, B, variance, b) for b in (0.0, 1e-300))
        x = torch.ones(N, D).double()
        torch.testing.assert_close(phi(without, x, z), phi(nearly, x, z))


def test_two_nodes_on_a_line_are_a_logistic_function():
    B = torch.tensor([[-0.7], [1.9]], dtype=torch.float64)
    z = torch.linspace(-5, 5, 31, dtype=torch.float64)[:, None]
    q = make("bound", torch.zeros(2, 1).double(), B, 1.0).mix(z)[0][:, 0]
    expected = torch.sigmoid((B[0] - B[1]) * (z - (B[0] + B[1]) / 2))[:, 0]
    torch.testing.assert_close(q, expected)


@objectives
def test_a_rotation_of_the_codes_changes_nothing(objective):
    x, A, B, z, variance = random_case()
    R = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    turned = phi(make(objective, A, B @ R, variance), x, z @ R)
    torch.testing.assert_close(turned, phi(make(objective, A, B, variance), x, z))


# The search for the code


@objectives
@null_weights
def test_every_step_of_the_search_ascends(objective, b):
    for seed in range(5):
        x, A, B, z, variance = random_case(seed, variance=0.1)
        nodes = make(objective, A, B, variance, b)
        evidence = nodes.evidence(x)
        value = nodes.value(evidence, z)
        start = value
        for _ in range(10):
            z, after = nodes.climb_once(evidence, z, value)
            assert (after >= value).all()
            torch.testing.assert_close(nodes.value(evidence, z), after)
            value = after
        assert (value > start).all()


@objectives
def test_the_code_is_a_maximum(objective):
    x, A, B, _, variance = random_case()
    nodes = make(objective, A, B, variance)
    z, value = nodes.encode(x, n_iter=200)
    gradient, _ = nodes.slope(nodes.evidence(x), z)
    # It stops where steps are short: the gradient, in units of the curvature, has vanished.
    assert gradient.abs().median() < 1e-3
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        nearby = z + 1e-2 * torch.randn(z.shape, generator=generator, dtype=torch.float64)
        assert (phi(nodes, x, nearby) <= value + 1e-4).all()
    assert (value >= nodes.at_nodes(nodes.evidence(x)).amax(dim=1)).all()


@pytest.mark.parametrize(
    ("b", "code"), [(1e-4, -3.03), (1e-2, -1.83), (1.0, -0.38), (100.0, -0.006)]
)
def test_codes_pushed_away_from_the_nodes(b, code):
    """Two nodes at 0 and 1, a row that the first alone explains: z goes past it, b holds it."""
    B = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    A = torch.tensor([[0.0], [1e3]], dtype=torch.float64)
    x = torch.zeros(1, 1, dtype=torch.float64)
    z, _ = make("likelihood", A, B, 1.0, b).encode(x, n_iter=100)
    assert abs(float(z) - code) < 0.006
    z, _ = make("likelihood", A, B, 1.0, b, constrain=True).encode(x, n_iter=100)
    assert float(z) == 0.0


def test_without_a_null_node_nothing_holds_the_code():
    B = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    A = torch.tensor([[0.0], [1e3]], dtype=torch.float64)
    x = torch.zeros(1, 1, dtype=torch.float64)
    z, _ = make("likelihood", A, B, 1.0, 0.0).encode(x, n_iter=100)
    assert float(z) < -5


def mean_shift(nodes, x, z, n_iter):
    """The fixed point of the note: z becomes the mean of the nodes' places under r."""
    values = []
    for _ in range(n_iter):
        r = nodes.choice(nodes.evidence(x), z)
        z = r @ nodes.B
        log_h = -(torch.cdist(z, nodes.B) ** 2) / 2
        values.append((nodes.log_likelihood(x, nodes.A) + log_h).logsumexp(dim=1))
    return z, torch.stack(values)


def test_a_heavy_null_node_gives_the_fixed_point_of_the_note():
    x, A, B, z, variance = random_case(variance=2.0)
    nodes = make("likelihood", A, B, variance, b=1e6)
    ours, value = nodes.encode(x, n_iter=100)
    theirs, joint = mean_shift(nodes, x, ours, 500)
    assert (ours - theirs).abs().max() < 2e-3
    assert (joint.diff(dim=0) > -1e-12).all()
    # From a start of its own it ascends too, stays in the hull, and is not above our maximum.
    other, joint = mean_shift(nodes, x, z, 500)
    assert (joint.diff(dim=0) > -1e-12).all()
    assert (other >= B.amin(dim=0)).all()
    assert (other <= B.amax(dim=0)).all()
    assert (phi(nodes, x, other) <= value + 1e-6).float().mean() > 0.9


def test_the_fixed_point_of_the_note_is_no_maximum_at_a_light_null_node():
    x, A, B, z, variance = random_case()
    nodes = make("likelihood", A, B, variance, b=0.0)
    theirs, _ = mean_shift(nodes, x, z, 500)
    gradient, _ = nodes.slope(nodes.evidence(x), theirs)
    assert gradient.norm(dim=1).max() > 0.1


# The solvers


@objectives
@null_weights
@pytest.mark.parametrize("constrain", [True, False])
def test_every_block_of_the_batch_solver_ascends(objective, b, constrain):
    generator = torch.Generator().manual_seed(0)
    x = torch.from_numpy(X - X.mean(axis=0))
    side = torch.linspace(-2, 2, 4, dtype=torch.float64)
    B = torch.cartesian_prod(side, side)
    A = torch.randn(16, 4, generator=generator, dtype=torch.float64)
    nodes = make(objective, A, B, 1.0, b, constrain)
    weights = torch.rand(150, generator=generator, dtype=torch.float64)

    def F(z):
        return float((weights * phi(nodes, x, z)).sum() / weights.sum()) + nodes.constant()

    z, _ = nodes.encode(x, 2)
    value = F(z)
    for _ in range(30):
        statistics = nodes.statistics(x, z, weights)
        blocks = {
            "nodes": lambda s=statistics: nodes.maximise(s, learn_variance=False),
            "variance": lambda s=statistics: nodes.maximise(s, learn_variance=True),
        }
        for name, block in blocks.items():
            block()
            after = F(z)
            assert after >= value - 1e-8 * abs(value), name
            value = after
        z, _ = nodes.encode(x, 2, start=z)
        after = F(z)
        assert after >= value - 1e-8 * abs(value), "codes"
        value = after


@objectives
def test_the_history_ascends_and_ends_at_the_objective(objective):
    model = GLGAE(objective=objective, n_nodes=25, dtype="float64", tol=0, max_iter=20).fit(X)
    assert model.n_iter_ == len(model.objective_history_) == 20
    assert (np.diff(model.objective_history_) >= -1e-8).all()
    assert model.objective_ == model.objective_history_[-1]
    assert GLGAE(objective=objective, n_nodes=25, tol=1e-2).fit(X).n_iter_ < 20


def test_the_history_is_a_log_likelihood_in_the_user_s_units():
    """With "bound", b = 0 and the codes given, F is E log N(x; A_k, s^2 I) under q~."""
    model = GLGAE(objective="bound", null_weight=0, n_nodes=16, dtype="float64").fit(X)
    nodes = Bound(
        torch.from_numpy(model.nodes_data_),
        torch.from_numpy(model.nodes_latent_),
        model.noise_variance_,
        null_weight=0.0,
        constrain=True,
    )
    x, z = torch.from_numpy(X), torch.from_numpy(model.embedding_)
    by_hand = float(phi(nodes, x, z).mean()) + nodes.constant()
    np.testing.assert_allclose(model.objective_, by_hand, rtol=1e-9)


@objectives
def test_data_moved_and_scaled_give_the_same_codes(objective):
    settings = {"objective": objective, "n_nodes": 25, "dtype": "float64", "max_iter": 15}
    plain, moved = GLGAE(**settings).fit(X), GLGAE(**settings).fit(3 * X + 7)
    np.testing.assert_allclose(moved.embedding_, plain.embedding_, atol=1e-6)
    np.testing.assert_allclose(moved.nodes_data_, 3 * plain.nodes_data_ + 7, atol=1e-5)
    np.testing.assert_allclose(moved.noise_variance_, 9 * plain.noise_variance_, rtol=1e-6)
    shift = 4 * math.log(3)
    np.testing.assert_allclose(
        moved.score_samples(3 * X + 7), plain.score_samples(X) - shift, atol=1e-5
    )
    np.testing.assert_allclose(moved.objective_, plain.objective_ - shift, rtol=1e-6)


@pytest.mark.parametrize("objective", ["bound", "likelihood"])
def test_prototypes_are_means_of_data(objective):
    model = GLGAE(objective=objective).fit(X)
    alive = model.node_weights_ > 1e-6
    assert (model.nodes_data_[alive] >= X.min(axis=0) - 1e-5).all()
    assert (model.nodes_data_[alive] <= X.max(axis=0) + 1e-5).all()
    np.testing.assert_allclose(model.prototypes_, model.nodes_data_)


def test_prototypes_of_the_decoder_are_the_decoded_nodes():
    model = GLGAE().fit(X)
    decoded = model.inverse_transform(model.nodes_latent_)
    np.testing.assert_allclose(model.prototypes_, decoded)


@objectives
@pytest.mark.parametrize("solver", ["batch", "online"])
def test_codes_stay_in_the_box(objective, solver):
    model = GLGAE(objective=objective, solver=solver, max_iter=5, random_state=0).fit(X)
    edge = model.nodes_latent_.max() + 1e-6
    far = np.concatenate([X, 10 * X, -10 * X])
    assert np.abs(model.embedding_).max() <= edge
    assert np.abs(model.transform(far)).max() <= edge
    free = clone(model).set_params(constrain=False).fit(X)
    assert np.abs(free.transform(far)).max() > edge


def test_batches_by_hand_are_the_online_solver():
    online = GLGAE(solver="online", n_nodes=16, max_iter=3, tol=0, random_state=0).fit(X)
    by_hand = GLGAE(n_nodes=16, random_state=0)
    for _ in range(3):
        by_hand.partial_fit(X)
    np.testing.assert_array_equal(by_hand.nodes_data_, online.nodes_data_)
    np.testing.assert_array_equal(by_hand.embedding_, online.embedding_)
    assert by_hand.objective_history_ == online.objective_history_


@pytest.mark.parametrize("solver", ["batch", "online"])
def test_partial_fit_goes_on_from_fit(solver):
    model = GLGAE(objective="bound", n_nodes=16, solver=solver, random_state=0)
    model.fit(X)
    before = model.nodes_data_.copy()
    model.partial_fit(X)
    assert np.abs(model.nodes_data_ - before).max() < 0.5  # the same data: little to learn
    for _ in range(20):
        model.partial_fit(X + 5)
    moved = model.node_weights_ @ model.nodes_data_ - X.mean(axis=0)
    assert (moved > 2).all()


def test_the_online_solver_reaches_the_batch_solver():
    batch, online = GLGAE(n_nodes=25), GLGAE(n_nodes=25, solver="online", random_state=0)
    difference = explained_variance(batch.fit(X), X) - explained_variance(online.fit(X), X)
    assert abs(difference) < 0.01


def test_a_row_of_weight_two_counts_twice_online():
    """In one batch of all rows the statistics are those of the repeated rows."""
    weights = np.where(np.arange(150) % 3 == 0, 2.0, 1.0)
    repeated = np.repeat(X, weights.astype(int), axis=0)
    settings = {"n_nodes": 16, "solver": "online", "dtype": "float64", "random_state": 0}
    weighted = GLGAE(batch_size=150, max_iter=3, **settings).fit(X, sample_weight=weights)
    plain = GLGAE(batch_size=200, max_iter=3, **settings).fit(repeated)
    np.testing.assert_allclose(weighted.nodes_data_, plain.nodes_data_, rtol=1e-6)


# Density, samples, responsibilities


@pytest.mark.parametrize("kind", ["marginal", "profile"])
@objectives
def test_the_density_by_hand(objective, kind):
    model = GLGAE(objective=objective, n_nodes=25, dtype="float64").fit(X)
    if kind == "marginal":
        mixture = GaussianMixture(25, covariance_type="spherical")
        mixture.weights_ = model.node_weights_ + 1e-300
        mixture.means_ = model.prototypes_
        mixture.precisions_cholesky_ = np.full(25, model.noise_variance_**-0.5)
        expected = mixture.score_samples(X)
    else:
        s2 = model.noise_variance_
        expected = -model.reconstruction_error(X) / (2 * s2) - 2 * np.log(2 * np.pi * s2)
    found = model.score_samples(X, kind=kind)
    if kind == "profile" and objective != "reconstruction":
        return  # the maximum over z: see the next test
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    if kind == "marginal":
        np.testing.assert_allclose(model.score(X), expected.mean(), rtol=1e-8)


@objectives
def test_the_profile_is_above_the_marginal(objective):
    model = GLGAE(objective=objective, null_weight=0, n_nodes=25, dtype="float64").fit(X)
    marginal, profile = (model.score_samples(X, kind=kind) for kind in ("marginal", "profile"))
    assert (profile >= marginal - 1e-9).all()


def test_scores_weigh_rows():
    model = GLGAE(n_nodes=25, dtype="float64").fit(X)
    repeated = np.repeat(X, np.arange(150), axis=0)
    np.testing.assert_allclose(model.score(X, sample_weight=np.arange(150)), model.score(repeated))
    with pytest.raises(ValueError, match="kind must be"):
        model.score_samples(X, kind="posterior")


@pytest.mark.parametrize("objective", ["bound", "likelihood"])
def test_samples_come_from_the_density(objective):
    model = GLGAE(objective=objective, n_nodes=16, dtype="float64", random_state=0).fit(X)
    S = model.sample(20000)
    pi, A = model.node_weights_, model.nodes_data_
    mean = pi @ A
    covariance = (A - mean).T @ ((A - mean) * pi[:, None]) + model.noise_variance_ * np.eye(4)
    np.testing.assert_allclose(S.mean(axis=0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(S.T), covariance, atol=0.1)


@objectives
def test_noise_of_the_samples(objective):
    model = GLGAE(objective=objective, n_nodes=16, dtype="float64", random_state=0).fit(X)
    clean = model.sample(500, observation_noise=False)
    assert (model.reconstruction_error(clean) < 0.3 * 4 * X.var(axis=0).mean()).all()
    if objective == "reconstruction":
        noise = model.sample(500) - clean  # the codes are drawn first
        np.testing.assert_allclose(noise.var(), model.noise_variance_, rtol=0.1)


@objectives
def test_responsibilities(objective):
    model = GLGAE(objective=objective, n_nodes=16).fit(X)
    R = model.responsibilities(X)
    assert R.shape == (150, model.n_nodes_)
    np.testing.assert_allclose(R.sum(axis=1), 1)
    nodes = model.predict_nodes(X)
    np.testing.assert_array_equal(nodes, R.argmax(axis=1))
    own = np.linalg.norm(X - model.prototypes_[nodes], axis=1)
    every = np.linalg.norm(X[:, None] - model.prototypes_, axis=2)
    assert (own <= np.median(every, axis=1)).mean() > 0.95


# Layouts, degenerate data, the estimator


@pytest.mark.parametrize(("n_components", "n_nodes", "found"), [(1, 9, 9), (2, 20, 16), (3, 9, 8)])
def test_grids(n_components, n_nodes, found):
    model = GLGAE(n_components, n_nodes=n_nodes, spacing=1.5, max_iter=1).fit(X)
    B = model.nodes_latent_
    assert B.shape == (found, n_components)
    np.testing.assert_allclose(B.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.diff(np.unique(B.round(9))), 1.5)


def test_other_layouts():
    clusters = GLGAE(node_layout="kmeans", n_nodes=12, random_state=0).fit(X)
    assert clusters.nodes_latent_.shape == (12, 2)
    ring = np.stack([np.cos(np.arange(12)), np.sin(np.arange(12))], axis=1) * 3
    given = GLGAE(node_layout=ring, random_state=0).fit(X)
    np.testing.assert_array_equal(given.nodes_latent_, ring)
    for model in (clusters, given):
        assert explained_variance(model, X) > 0.9
    with pytest.raises(ValueError, match="n_components=3 columns"):
        GLGAE(3, node_layout=ring).fit(X)
    with pytest.raises(ValueError, match="at most 3 components"):
        GLGAE(4, node_layout="grid").fit(X)


def test_many_components_are_worth_more_than_two():
    digits = load_digits().data[:600]
    two, five = (GLGAE(k, random_state=0, max_iter=15).fit(digits) for k in (2, 5))
    assert explained_variance(five, digits) > explained_variance(two, digits) + 0.02


def test_a_given_variance_stays():
    model = GLGAE(objective="likelihood", noise_variance=0.3, n_nodes=16).fit(X)
    np.testing.assert_allclose(model.noise_variance_, 0.3)


DEGENERATE = {
    "more nodes than rows": X[:9],
    "two rows": X[[0, 100]],
    "one row, repeated": np.repeat(X[:1], 20, axis=0),
    "two rows, repeated": np.repeat(X[[0, 100]], 20, axis=0),
    "constant": np.full((20, 4), 7.0),
    "zeros": np.zeros((20, 4)),
    "one feature": X[:, :1],
    "far outlier": np.concatenate([X, [[1e6] * 4]]),
}


@objectives
@pytest.mark.parametrize("layout", ["grid", "kmeans"])
@pytest.mark.parametrize("data", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_data(objective, layout, data):
    for dtype in ("float32", "float64"):
        model = GLGAE(
            objective=objective, node_layout=layout, dtype=dtype, max_iter=8, random_state=0
        ).fit(data)
        for values in (
            model.transform(data),
            model.reconstruct(data),
            model.score_samples(data),
            model.score_samples(data, kind="profile"),
            model.responsibilities(data),
            model.sample(5),
            model.objective_history_,
            model.noise_variance_,
        ):
            assert np.isfinite(values).all()


def test_sparse_data_are_made_dense_batch_by_batch(monkeypatch):
    def refuse(self):
        assert self.shape[0] <= 4096
        return toarray(self)

    toarray = sparse.csr_matrix.toarray
    many = sparse.csr_matrix(np.tile(X, (40, 1)))
    monkeypatch.setattr(sparse.csr_matrix, "toarray", refuse)
    for solver in ("batch", "online"):
        model = GLGAE(n_nodes=9, solver=solver, max_iter=2).fit(many)
        assert model.transform(many).shape == (6000, 2)


def test_verbose_prints_the_objective():
    printed = io.StringIO()
    with redirect_stdout(printed):
        model = GLGAE(n_nodes=9, max_iter=3, verbose=1).fit(X)
    lines = printed.getvalue().splitlines()
    assert len(lines) == 3
    np.testing.assert_allclose(float(lines[-1].split()[-1]), model.objective_, atol=1e-5)


# Numbers that single precision, or a tiny ridge, leave hardly any digits of


@pytest.mark.parametrize("ridge", [1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3])
@pytest.mark.parametrize("settings", [{}, {"spacing": 0.3}, {"n_nodes": 400}])
def test_a_tiny_ridge_in_single_precision(ridge, settings):
    """No solution is refused, and with what rounding leaves unknown the objective ascends."""
    for seed in range(4):
        data = np.random.default_rng(seed).normal(size=(150, 5))
        model = GLGAE(ridge=ridge, max_iter=8, tol=0, **settings).fit(data)
        history = np.array(model.objective_history_)
        assert np.isfinite(model.reconstruct(data)).all()
        assert (np.diff(history) >= -1e-5 * np.abs(history[1:])).all()
    online = GLGAE(ridge=ridge, solver="online", max_iter=2, random_state=0, **settings).fit(data)
    assert online.score(data) > -20


def test_both_ways_to_the_places_of_nodes_agree():
    x, A, B, z, variance = random_case()
    nodes = make("reconstruction", A, B, variance)
    statistics = nodes.statistics(x, z, x.new_ones(N))
    s = {name: value / statistics["total"] for name, value in statistics.items()}
    gram = s["gram"] + nodes.ridge / K * torch.eye(K).double()
    torch.testing.assert_close(
        nodes._move_where_certain(gram, s["moment"], 1e-12), nodes.best_places(s)
    )


# Batches without weight


@objectives
def test_batches_without_weight_change_nothing(objective):
    settings = {"objective": objective, "n_nodes": 9, "batch_size": 50, "random_state": 0}
    order = torch.randperm(150, generator=make_generator(draw_seed(0), "shuffling")).numpy()
    for empty in (0, 1, 2):  # which of the three batches
        weights = np.ones(150)
        weights[order[50 * empty : 50 * empty + 50]] = 0
        model = GLGAE(**settings).partial_fit(X, sample_weight=weights)
        assert np.isfinite(model.nodes_data_).all()
        assert np.isfinite(model.objective_)
        assert model._n_steps == 2


# The fitted model, and parameters set after it


def test_a_fitted_model_goes_by_its_own_parameters():
    model = GLGAE(n_nodes=16, random_state=0).fit(X)
    before = vars(model).copy()

    def outcomes():
        return [
            model.transform(X),
            model.reconstruct(X),
            model.score_samples(X),
            model.score_samples(X, kind="profile"),
            model.responsibilities(X),
            model.sample(5),
            model.prototypes_,
        ]

    expected = outcomes()
    others = {
        "n_components": 3,
        "n_nodes": 9,
        "objective": "bound",
        "spacing": 3.0,
        "null_weight": 1.0,
        "constrain": False,
        "node_layout": "kmeans",
        "noise_variance": 9.0,
        "ridge": 1.0,
        "solver": "online",
        "batch_size": 7,
        "forgetting": 0.9,
        "max_iter": 1,
        "tol": 1.0,
        "n_encode_iter": 1,
        "max_encode_iter": 1,
        "device": "cuda",
        "dtype": "float64",
        "distributed": True,
        "random_state": 7,
        "verbose": 1,
    }
    assert set(others) == set(model.get_params())
    model.set_params(**others)
    for found, wanted in zip(outcomes(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert {k: v for k, v in vars(model).items() if k not in others} == {
        k: v for k, v in before.items() if k not in others
    }


OTHER_SHAPES = {
    "n_components": 3,
    "n_nodes": 9,
    "objective": "bound",
    "spacing": 3.0,
    "null_weight": 1.0,
    "constrain": False,
    "node_layout": [[0.0, 1.0], [1.0, 0.0]],
    "noise_variance": 9.0,
    "dtype": "float64",
}


@pytest.mark.parametrize(("name", "value"), OTHER_SHAPES.items())
def test_partial_fit_refuses_another_shape(name, value):
    model = GLGAE(n_nodes=16, random_state=0).fit(X)
    nodes, then = model.nodes_data_, getattr(model, name)
    model.set_params(**{name: value})
    words = f"with {name}={then!r}; now it is {name}={value!r}. Set it back, or fit a clone"
    with pytest.raises(ValueError, match=re.escape(words)):
        model.partial_fit(X)
    assert model.nodes_data_ is nodes
    model.set_params(**{name: then}).partial_fit(X)
    assert set(OTHER_SHAPES) == set(model.get_params()) - changeable_parameters(GLGAE)


def test_partial_fit_goes_by_the_training_parameters_of_now():
    def after(**params):
        model = GLGAE(n_nodes=16, random_state=0).fit(X)
        return model.set_params(**params).partial_fit(X)

    plain = after().nodes_data_
    for params in (
        {"batch_size": 7},
        {"forgetting": 0.9},
        {"n_encode_iter": 9, "batch_size": 50},
        {"ridge": 1.0},
    ):
        assert np.abs(after(**params).nodes_data_ - plain).max() > 0
    model = after(max_encode_iter=1)
    longer = after().transform(X)
    assert np.abs(model.transform(X) - longer).max() > 0


def test_given_places_that_the_user_writes_into_are_another_shape():
    places = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    model = GLGAE(node_layout=places).fit(X).partial_fit(X)
    places += 1
    with pytest.raises(ValueError, match="node_layout="):
        model.partial_fit(X)


def test_models_of_older_versions_are_read():
    model = GLGAE(n_nodes=9, random_state=0).fit(X)
    state = dict(model.__getstate__())
    old = ("objective", "null_weight", "constrain", "ridge")
    state["_fitted_params"] = {name: state["_fitted_params"][name] for name in old}
    del state["_is_seeded"]
    restored = GLGAE.__new__(GLGAE)
    restored.__setstate__(state)
    np.testing.assert_array_equal(restored.transform(X), model.transform(X))
    np.testing.assert_allclose(restored.sample(3), model.sample(3), rtol=1e-6)
    restored.partial_fit(X)


class Failure(Exception):
    pass


@pytest.mark.parametrize("error", [Failure, KeyboardInterrupt])
@pytest.mark.parametrize("solver", ["batch", "online"])
@pytest.mark.parametrize("again", ["fit", "partial_fit"])
def test_a_fit_that_fails_leaves_the_model_as_it_was(error, solver, again, monkeypatch):
    def fail(self, *args):
        report(self, *args)
        raise error

    report = GLGAE._report
    fitted = GLGAE(n_nodes=9, solver=solver, random_state=0).fit(X)
    new = GLGAE(n_nodes=9, solver=solver)
    before = copy.deepcopy(vars(fitted))
    monkeypatch.setattr(GLGAE, "_report", fail)
    data = X if again == "partial_fit" else 3 * X[:, :2]
    for model in (fitted, new):
        with pytest.raises(error):
            getattr(model, again)(data)
    assert vars(new) == vars(GLGAE(n_nodes=9, solver=solver))
    assert set(vars(fitted)) == set(before)
    for name, value in vars(fitted).items():
        np.testing.assert_equal(value, before[name], name)


def test_refused_data_leave_the_model_as_it_was():
    model = GLGAE(n_nodes=9).fit(X)
    for bad in (1e200 * X[:, :2], X[:1, :2], np.full((9, 3), np.nan)):
        with pytest.raises(ValueError, match=r"too large|minimum of 2|NaN"):
            model.fit(bad)
        assert model.n_features_in_ == 4
        assert np.isfinite(model.transform(X)).all()


def test_samples_without_a_seed_are_fresh():
    model = GLGAE(n_nodes=9).fit(X)
    assert np.abs(model.sample(5) - model.sample(5)).max() > 0
    model.set_params(random_state=0)  # after the fact
    assert np.abs(model.sample(5) - model.sample(5)).max() > 0
    np.testing.assert_array_equal(model.sample(5, random_state=1), model.sample(5, random_state=1))
    seeded = GLGAE(n_nodes=9, random_state=0).fit(X).set_params(random_state=None)
    np.testing.assert_array_equal(seeded.sample(5), seeded.sample(5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_have_the_precision_of_the_training_data(dtype):
    assert GLGAE(n_nodes=9).fit(X.astype(dtype)).sample(2).dtype == dtype


def test_fitted_state_is_arrays_strings_and_numbers():
    def leaves(tree):
        if isinstance(tree, (dict, list, tuple)):
            inner = tree.values() if isinstance(tree, dict) else tree
            return [leaf for value in inner for leaf in leaves(value)]
        return [tree]

    state = GLGAE(solver="online", max_iter=1).fit(X).__getstate__()
    allowed = (np.ndarray, np.generic, str, int, float, bool, type(None))
    assert [type(leaf) for leaf in leaves(state) if not isinstance(leaf, allowed)] == []


@pytest.mark.cpu
def test_a_model_fitted_on_cuda_unpickles_without():
    model = GLGAE(n_nodes=9).fit(X)
    copy = GLGAE.__new__(GLGAE)
    copy.__setstate__({**model.__getstate__(), "device_": "cuda:7"})
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))


# Figures on digits, seed 0: bounds with room around tests/benchmarks/glgae_maps.py


@pytest.mark.parametrize(
    ("objective", "unexplained", "trust"), [("reconstruction", 0.33, 0.955), ("bound", 0.40, 0.96)]
)
def test_maps_of_digits(objective, unexplained, trust):
    digits, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(
        digits / 16, y, test_size=500, random_state=0, stratify=y
    )
    model = GLGAE(objective=objective).fit(train)
    Z = model.transform(test)
    assert 1 - explained_variance(model, test) < unexplained
    assert trustworthiness(test, Z, n_neighbors=10) > trust
    assert KNeighborsClassifier(5).fit(model.transform(train), y_train).score(Z, y_test) > 0.92


def test_the_classes_are_exported_by_their_names():
    assert OBJECTIVES == {
        "reconstruction": Reconstruction,
        "bound": Bound,
        "likelihood": Likelihood,
    }
