"""What a module of a stranger says and returns: terms that cannot be are refused by name."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from skae import (
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.extending import AutoencoderModule
from skae.nn.autoencoder import AutoencoderModule as Parent
from skae.training.criterion import check_terms
from skae.training.randomness import make_generators

X, y = load_iris(return_X_y=True)
QUICK = {"max_iter": 2, "random_state": 0, "device": "cpu"}


def variant(estimator, **body):
    """Return an estimator whose module has more in the body of its class."""
    module_class = type("Module", (type(estimator)._module_class,), body)
    return type("Variant", (type(estimator),), {"_module_class": module_class})(
        **estimator.get_params()
    )


def with_term(name, make, repeatable):
    def terms(self, x, z, p):
        return {**Parent.terms(self, x, z, p), name: make(z)}

    return variant(Autoencoder(2, **QUICK), terms=terms, repeatable=repeatable)


WRONG = {
    "loss": (lambda z: z.sum(), ValueError, "'loss'.* another name"),
    "loss_best": (lambda z: z.sum(), ValueError, "'loss_best'.* another name"),
    "batch_count": (lambda z: z.sum(), ValueError, "'batch_count'.* another name"),
    "matrix": (lambda z: z, ValueError, r"'matrix' .*\(150,\).*\(\).*Got shape \(150, 2\)"),
    "column": (lambda z: z[:, :1], ValueError, r"'column' .* Got shape \(150, 1\)"),
    "single": (lambda z: z.sum()[None], ValueError, r"'single' .* Got shape \(1,\)"),
    "short": (lambda z: z[1:, 0], ValueError, r"'short' .* Got shape \(149,\)"),
    "number": (lambda z: 0.5, TypeError, "'number' must be a tensor.* Got float"),
    "list": (lambda z: [z.sum()], TypeError, "'list' must be a tensor.* Got list"),
}


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_a_term_that_cannot_be_is_refused_by_name(name, repeatable):
    make, error, words = WRONG[name]
    with pytest.raises(error, match=f"(?s)term {words}"):
        with_term(name, make, repeatable).set_params(batch_size=150).fit(X)


@pytest.mark.parametrize("result", [torch.zeros(3), [torch.zeros(3)], {}, None])
def test_terms_have_names(result):
    with pytest.raises(TypeError, match="must return a dict of terms, with one at least. Got"):
        check_terms(result, 3)


def test_terms_of_both_shapes_are_taken():
    check_terms({"rows": torch.zeros(3), "batch": torch.zeros(())}, 3)
    check_terms({"rows": torch.zeros(1), "batch": torch.zeros(())}, 1)


@pytest.mark.parametrize("kind", [SparseAutoencoder, ContractiveAutoencoder])
def test_every_estimator_makes_the_module_that_its_class_names(kind):
    model = variant(kind(**QUICK)).fit(X)
    assert type(model.module_).__name__ == "Module"


# The global generator


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(2, **QUICK),
        VAE(2, **QUICK),
        DenoisingAutoencoder(2, **QUICK),
        AdversarialAutoencoder(2, **QUICK),
        ConditionalVAE(2, **QUICK),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_class_may_say_that_it_draws_globally(estimator):
    """Two fits are then the same, and the user's generator as it was."""
    parent = type(estimator)._module_class

    def forward(self, *args):
        terms = parent.forward(self, *args)
        return {**terms, "noise": (torch.randn(5) * next(self.parameters()).sum()).sum()}

    drawing = variant(estimator, forward=forward, draws_globally=True)
    before = torch.get_rng_state()
    data = {"X": X, **({"condition": y} if isinstance(estimator, ConditionalVAE) else {})}
    first, second = (drawing.fit(**data).history_[-1]["train_noise"] for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), before)
    assert drawing.module_.draws_globally
    assert not estimator.fit(**data).module_.draws_globally


def test_a_class_may_take_back_that_its_parent_draws_globally():
    class Drawing(AutoencoderModule):
        draws_globally = True

    class Quiet(Drawing):
        draws_globally = False

    networks = torch.nn.Linear(4, 2), torch.nn.Linear(2, 4)
    assert Drawing(*networks).draws_globally
    assert not Quiet(*networks).draws_globally


# Purposes


def test_a_purpose_that_there_is_not_is_told_those_that_there_are():
    def draw(self, n_rows, generators):
        generators["mine"]

    with pytest.raises(KeyError, match="'mine'.*dropout.*noise.*corruption.*own"):
        variant(Autoencoder(2, **QUICK), draw=draw).fit(X)
    with pytest.raises(KeyError, match="own"):
        make_generators(0)["mine"]


def test_seeds_mean_what_they_did():
    generators = make_generators(3)
    assert np.unique([g.initial_seed() for g in generators.values()]).size == len(generators)
