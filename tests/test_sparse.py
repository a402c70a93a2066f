"""The sparse autoencoder: exact sparsity, unit atoms, no dead units, known relatives."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from skorch.callbacks import Callback

from skae import Autoencoder, SparseAutoencoder
from skae.models import sparse as module
from skae.models.sparse import BANDWIDTH, Jump, SparseModule

X = load_digits().data


def fitted(**settings):
    return SparseAutoencoder(**{"random_state": 0, "max_iter": 30, **settings}).fit(X)


class AtomNorms(Callback):
    """Record how far the atoms are from unit norm after every epoch."""

    def on_epoch_end(self, net, **kwargs):
        atoms = net.module_.decoder.first_weight()
        net.history.record("norm_error", float((atoms.norm(dim=0) - 1).abs().max()))


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("hidden_layer_sizes", [(), (16,)])
def test_without_penalty_it_is_the_autoencoder_bit_for_bit(linear_path, hidden_layer_sizes):
    shared = dict(
        code_activation="relu",
        hidden_layer_sizes=hidden_layer_sizes,
        linear_path=linear_path,
        max_iter=5,
        random_state=0,
    )
    plain = Autoencoder(80, **shared).fit(X)
    free = SparseAutoencoder(
        80, sparsity="l1", penalty=0.0, unit_norm=False, revive=False, **shared
    ).fit(X)
    assert free.loss_curve_ == plain.loss_curve_
    np.testing.assert_array_equal(free.transform(X), plain.transform(X))


@pytest.mark.parametrize("n_active", [1, 3, 10])
@pytest.mark.parametrize("n_components", [20, 100])
def test_top_k_codes_have_exactly_k_nonzeros(n_active, n_components):
    ae = fitted(n_components=n_components, n_nonzero_coefs=n_active, max_iter=3)
    assert ((ae.transform(X) != 0).sum(axis=1) == n_active).all()


@pytest.mark.filterwarnings("ignore:All n_components=30 units")  # then fewer are kept by hand
def test_top_k_keeps_the_largest_by_value():
    ae = fitted(n_components=30, n_nonzero_coefs=30, max_iter=3)
    dense = ae.transform(X)
    assert (dense < 0).any()  # there is no ReLU
    ae.module_.n_active = 4
    Z = ae.transform(X)
    for row, kept in zip(dense[:50], Z[:50], strict=True):
        chosen = np.argsort(-row)[:4]
        np.testing.assert_allclose(kept[chosen], row[chosen])


def test_batch_top_k_has_k_nonzeros_on_average_and_rows_stand_alone():
    ae = fitted(sparsity="batch_topk", n_nonzero_coefs=6)
    counts = (ae.transform(X) != 0).sum(axis=1)
    assert abs(counts.mean() - 6) < 1
    assert counts.std() > 0
    np.testing.assert_allclose(ae.transform(X[:1]), ae.transform(X)[:1])


@pytest.mark.cpu
@pytest.mark.parametrize("n_components", [64, 128])
def test_one_active_unit_is_as_good_as_k_means(n_components):
    ae = fitted(n_components=n_components, n_nonzero_coefs=1, max_iter=100)
    inertia = KMeans(n_components, n_init=3, random_state=0).fit(X).inertia_
    assert ae.reconstruction_error(X).sum() <= 1.02 * inertia


@pytest.mark.parametrize("sparsity", ["topk", "l1"])
def test_atoms_have_unit_norm_after_every_epoch(sparsity):
    ae = fitted(sparsity=sparsity, callbacks=[AtomNorms()], max_iter=5)
    assert max(row["norm_error"] for row in ae.history_) < 1e-5
    np.testing.assert_allclose(np.linalg.norm(ae.components_, axis=1), 1, rtol=1e-5)


def test_a_code_times_the_dictionary_is_the_reconstruction():
    ae = fitted(n_nonzero_coefs=5)
    Z = ae.transform(X)
    offset = ae.inverse_transform(np.zeros((1, Z.shape[1])))
    np.testing.assert_allclose(
        ae.inverse_transform(Z), offset + ae.scale_ * Z @ ae.components_.astype(float), atol=1e-5
    )
    deep = SparseAutoencoder(10, hidden_layer_sizes=(8,), max_iter=1).fit(X)
    with pytest.raises(AttributeError, match="linear decoder only"):
        _ = deep.components_


def test_a_penalty_cannot_be_escaped_by_growing_the_decoder():
    settings = {"sparsity": "l1", "penalty": 2.0, "alpha": 0.0}  # the same decay for both
    constrained = fitted(**settings)
    free = fitted(**settings, unit_norm=False)
    norms = np.linalg.norm(free.components_, axis=1)
    assert norms.max() > 1.2
    assert np.abs(free.transform(X)).mean() < np.abs(constrained.transform(X)).mean()


def test_the_penalty_makes_the_code_sparse():
    active = [
        (fitted(sparsity="l1", penalty=penalty).transform(X) != 0).mean()
        for penalty in (0.1, 1.0, 5.0)
    ]
    assert active[0] > active[1] > active[2]
    jump = [
        (fitted(sparsity="jumprelu", penalty=penalty).transform(X) != 0).mean()
        for penalty in (0.1, 2.0)
    ]
    assert jump[0] > jump[1]


@pytest.mark.slow
def test_kl_pulls_the_mean_activation_to_rho():
    ae = fitted(sparsity="kl", rho=0.1, penalty=100.0, max_iter=200)
    np.testing.assert_allclose(ae.transform(X).mean(axis=0).mean(), 0.1, atol=0.05)
    with pytest.raises(ValueError, match="needs code_activation='sigmoid'"):
        fitted(sparsity="kl", code_activation="relu")


def test_the_terms_are_the_formulas():
    torch.manual_seed(0)
    h = torch.rand(50, 7) * (torch.rand(50, 7) > 0.5)

    def module(sparsity):
        return SparseModule(
            torch.nn.Identity(),
            torch.nn.Identity(),
            sparsity=sparsity,
            penalty=0.3,
            n_active=2,
            rho=0.05,
            n_components=7,
        )

    l1 = module("l1").penalty_terms(h, h)["l1"]
    torch.testing.assert_close(l1, 0.3 * h.sum(dim=1))
    kl = module("kl").penalty_terms(h, h)["kl"]
    target, mean = (torch.distributions.Bernoulli(p) for p in (torch.full((7,), 0.05), h.mean(0)))
    torch.testing.assert_close(kl, 0.3 * torch.distributions.kl_divergence(target, mean).sum())
    l0 = module("jumprelu").penalty_terms(h, h)["l0"]
    torch.testing.assert_close(l0.detach(), 0.3 * (h > 0.1).sum(dim=1).float())


def test_the_jump_s_pseudo_derivative():
    z = torch.tensor([[0.05, 0.5], [0.15, 0.11]])
    theta = torch.full((2,), 0.1, requires_grad=True)
    (z * Jump.apply(z, theta)).sum().backward()
    near = (np.abs(z.numpy() - 0.1) < BANDWIDTH / 2) / BANDWIDTH
    np.testing.assert_allclose(theta.grad.numpy(), -(z.numpy() * near).sum(axis=0), rtol=1e-6)


@pytest.mark.slow
def test_top_k_beats_l1_at_the_same_sparsity():
    l1 = fitted(sparsity="l1", penalty=5.0, max_iter=60)
    n_active = int((l1.transform(X) != 0).sum(axis=1).mean())
    topk = fitted(n_nonzero_coefs=n_active, max_iter=60)
    assert topk.score(X) > l1.score(X)


@pytest.mark.parametrize("sparsity", ["topk", "batch_topk", "l1", "jumprelu", "kl"])
def test_few_units_are_dead(sparsity):
    ae = fitted(sparsity=sparsity, max_iter=60)
    h = torch.from_numpy(ae.transform(X))
    assert ae.n_dead_units_ == int((~ae.module_.is_active(h).any(dim=0)).sum())
    assert ae.n_dead_units_ < 0.1 * h.shape[1]


def test_revival_is_needed_and_dead_units_are_warned_of():
    settings = dict(n_components=128, n_nonzero_coefs=1, max_iter=30)
    with pytest.warns(UserWarning, match="of 128 units are dead"):
        left_alone = fitted(revive=False, **settings)
    revived = fitted(**settings)
    assert revived.n_dead_units_ < 5 < left_alone.n_dead_units_
    assert revived.score(X) > left_alone.score(X) + 0.1
    assert left_alone.history_[-1]["n_dead_units"] >= left_alone.n_dead_units_


def test_wide_codes_are_the_same_computed_sparsely(monkeypatch):
    """Only what is active is multiplied from a ratio on: another way to the same numbers."""
    settings = dict(n_components=300, n_nonzero_coefs=2, max_iter=5, dtype="float64")
    active_only = fitted(**settings)
    assert active_only.module_.is_wide
    monkeypatch.setattr(module, "WIDE", 10**9)
    dense = fitted(**settings)
    assert not dense.module_.is_wide
    np.testing.assert_allclose(active_only.loss_curve_, dense.loss_curve_, rtol=1e-8)
    np.testing.assert_allclose(active_only.transform(X), dense.transform(X), atol=1e-6)


def test_sparse_output():
    dense = fitted(max_iter=2)
    ae = fitted(max_iter=2, sparse_output=True)
    Z = ae.transform(X)
    assert sparse.issparse(Z)
    assert Z.format == "csr"
    np.testing.assert_array_equal(Z.toarray(), dense.transform(X))
    np.testing.assert_allclose(ae.inverse_transform(Z), dense.reconstruct(X))


def test_samples_have_the_codes_own_distribution():
    ae = fitted(sparsity="l1", penalty=1.0, max_iter=10)
    Z = ae.transform(X)
    S = ae._draw_codes(4000, np.random.RandomState(0)).toarray()
    np.testing.assert_allclose((S != 0).mean(axis=0), (Z != 0).mean(axis=0), atol=0.05)
    np.testing.assert_allclose(S.mean(axis=0), Z.mean(axis=0), atol=0.1 * Z.std() + 0.05)


def test_defaults_follow_the_data():
    ae = SparseAutoencoder(max_iter=1).fit(load_iris().data)
    assert ae.transform(load_iris().data).shape == (150, 8)
    assert (ae.transform(load_iris().data) != 0).sum() == 150
