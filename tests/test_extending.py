"""The page on extending: its code runs, its variants keep the laws, its names exist."""

import doctest
import pickle
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from skae import VAE, Autoencoder, extending
from skae.extending import (
    AutoencoderModule,
    BaseAutoencoder,
    BaseModule,
    SamplesFromPrior,
    VAEModule,
)
from skae.testing import check_autoencoder

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
TEXT = PAGE.read_text()
X = load_digits().data


def run_page():
    """Return a module made of the page's code; pickle finds its classes by their names."""
    module = types.ModuleType("code_of_the_page")
    sys.modules[module.__name__] = module
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile("\n".join(blocks), str(PAGE), "exec"), vars(module))
    return module


page = run_page()
# The page's own tests are tests.
globals().update({name: test for name, test in vars(page).items() if name.startswith("test_")})


def test_the_page_s_examples():
    found = "".join(re.findall(r"```pycon\n(.*?)```", TEXT, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(found, dict(vars(page)), "examples", str(PAGE), 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_a_class_may_fix_a_parameter():
    cls = page.WarmVAE
    assert set(VAE().get_params()) - set(cls().get_params()) == {"warm_up"}
    assert 'n_components : int, float or "auto", default=8' in cls.__doc__
    model = cls(max_iter=2, random_state=0).fit(X[:200])
    assert model._fitted_params["warm_up"] == 0.5


def test_a_variant_of_the_vae_keeps_the_laws():
    check_autoencoder(page.DIPVAE())
    plain, vae = page.DIPVAE(dip_weight=0, max_iter=5), VAE(max_iter=5)
    fits = [model.set_params(random_state=0).fit(X[:300]) for model in (plain, vae)]
    np.testing.assert_array_equal(*(fit.transform(X) for fit in fits))


def test_a_model_from_scratch_keeps_the_laws():
    check_autoencoder(page.MedianAutoencoder())
    model = page.MedianAutoencoder(2, random_state=0).fit(X)
    error = np.abs(X - model.reconstruct(X)).sum(axis=1)
    np.testing.assert_allclose(model.absolute_error(X), error)
    assert error.sum() < np.abs(X - np.median(X, axis=0)).sum()


# The Wasserstein autoencoder


def test_the_discrepancy_is_the_mean_over_pairs():
    z, e = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]

    def k(a, b):
        return 6 / (6 + float((a - b).square().sum()))

    by_hand = [k(z[i], z[j]) + k(e[i], e[j]) - k(z[i], e[j]) - k(z[j], e[i]) for i, j in pairs]
    assert float(page.discrepancy(z, e)) == pytest.approx(np.mean(by_hand))
    assert page.discrepancy(z[:1], e[:1]) == 0


def test_without_weight_it_is_the_plain_autoencoder():
    options = {"max_iter": 3, "random_state": 0}
    for more in ({}, {"linear_path": False, "dropout": 0.1}):
        plain = Autoencoder(4, **options, **more).fit(X)
        variant = page.WassersteinAutoencoder(4, mmd_weight=0, **options, **more).fit(X)
        np.testing.assert_array_equal(variant.reconstruct(X), plain.reconstruct(X))


def test_steps_are_repeated():
    model = page.WassersteinAutoencoder(max_iter=20, random_state=0).fit(X)
    assert model.net_._repeater._is_repeatable


def test_the_weight_takes_effect_where_training_goes_on():
    model = page.WassersteinAutoencoder(max_iter=2, random_state=0).fit(X)
    model.set_params(mmd_weight=5.0).partial_fit(X)
    assert pickle.loads(pickle.dumps(model)).module_.mmd_weight == 5.0


def test_codes_of_rows_are_forgotten():
    model = page.WassersteinAutoencoder(max_iter=2, random_state=0).fit(X)
    before = model.sample(3, codes="prior")
    np.testing.assert_array_equal(model.forget_rows().sample(3, codes="prior"), before)
    sizes = [np.size(value) for value in vars(model).values() if isinstance(value, np.ndarray)]
    assert max(sizes) <= 2 * X.shape[1]
    assert np.isfinite(model.sample(3)).all()


# The start


class Shrinking(AutoencoderModule):
    """Has a term that PCA's solution is bad at, and that is never small."""

    def terms(self, x, z, p):
        return {**super().terms(x, z, p), "size": 100 + z.square().sum(dim=1)}


class Shrunken(Autoencoder):
    _module_class = Shrinking


def test_the_start_is_judged_by_the_objective_that_a_variant_has():
    """PCA leaves the least error, and is yet no better than what training makes of both terms."""
    model = Shrunken(2, max_iter=20, random_state=0).fit(X)
    start = Shrunken(2, max_iter=1, learning_rate_init=1e-30, random_state=0).fit(X)
    assert np.square(model.transform(X)).sum() < 0.5 * np.square(start.transform(X)).sum()
    assert model.loss_curve_[-1] < start.loss_curve_[-1]


# What the page says there is


def named_in_tables():
    """Return what the first columns name: hooks, attributes and functions."""
    rows = re.findall(r"^\| (`[^|]*?) \|", TEXT, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(?:X = )?(?:self\.)?(\w+)[`(]", row)}


def test_all_hooks_of_a_module_are_on_the_page():
    hooks = {name for name in vars(BaseModule) if not name.startswith("_")}
    assert {hook for hook in hooks if f"`{hook}" not in TEXT} == set()


def test_the_page_names_what_there_is():
    known = {*dir(BaseAutoencoder), *dir(SamplesFromPrior), *dir(BaseModule), *dir(VAEModule)}
    assert (
        named_in_tables() - known - {"networks", "map_rows", "make_network", "X", "encoder"}
        == set()
    )
    assert len(named_in_tables()) > 25


def test_the_page_has_a_use_for_all_that_is_exported():
    assert {name for name in extending.__all__ if name not in TEXT} == set()


def test_links_within_the_pages_lead_somewhere():
    for page_path in PAGE.parent.glob("*.md"):
        for file, anchor in re.findall(r"\]\(([\w.]*)#([\w-]+)\)", page_path.read_text()):
            target = (PAGE.parent / file if file else page_path).read_text()
            headings = re.findall(r"^#+ (.*)$", target, re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, (page_path.name, anchor)


class Uniform(SamplesFromPrior, Autoencoder):
    def _draw_prior(self, n_samples, seed):
        return extending.make_random_state(seed, "sample").uniform(5, 6, (n_samples, 3))


def test_a_prior_of_one_s_own():
    model = Uniform(3, max_iter=2, random_state=0).fit(X.astype(np.float32))
    Z = model.sample_prior(50)
    assert Z.dtype == np.float32
    assert (Z >= 5).all()
    assert (Z <= 6).all()
    np.testing.assert_array_equal(model.sample(50, codes="prior"), model.inverse_transform(Z))


# Draws of a subclass


class Shifted(VAEModule):
    def draw(self, n_rows, generators):
        shift = self.draw_normal((n_rows,), generators["corruption"])
        return *super().draw(n_rows, generators), shift

    def terms(self, x, z, noise, q, p_x, p_z, shift):
        return {**super().terms(x, z, noise, q, p_x, p_z), "shift": 0 * shift}


class ShiftedVAE(VAE):
    _module_class = Shifted


def test_draws_that_a_subclass_adds_come_to_its_terms():
    """And, from a stream of their own, disturb nothing."""
    options = {"max_iter": 2, "random_state": 0}
    model = ShiftedVAE(3, **options).fit(X)
    assert model.history_[0]["train_shift"] == 0
    np.testing.assert_array_equal(model.transform(X), VAE(3, **options).fit(X).transform(X))
