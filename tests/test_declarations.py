"""What a class says of its parameters is checked when it is made, and not ignored."""

import pytest

from skae import VAE, Autoencoder, DenoisingAutoencoder
from skae.extending import Need, SamplesFromPrior, needs_value


def make(parent=VAE, *, constructor=True, **body):
    def __init__(self, n_components=2, *, rho=1.0, sparsity="kl", **others):
        super(cls, self).__init__(n_components, **others)
        self.rho, self.sparsity = rho, sparsity

    if constructor:
        body["__init__"] = __init__
    cls = type("Mine", (parent,), body)
    return cls


WRONG_NAMES = [
    {"_fixed_parameters": ("priour",)},
    {"_training_parameters": ("rho", "priour")},
    {"_parameter_constraints": {"priour": [float]}},
    {"_needs": (needs_value("priour", "sparsity", "kl"),)},
]


@pytest.mark.parametrize("constructor", [True, False])
@pytest.mark.parametrize("body", WRONG_NAMES, ids=lambda body: next(iter(body)))
def test_a_name_that_no_constructor_knows_is_refused(body, constructor):
    (place,) = body
    if not constructor:
        body = {place: tuple(body[place])[-1:]} if place != "_parameter_constraints" else body
    with pytest.raises(TypeError, match=f"{place} of Mine .*Got 'priour'.*did you mean 'prior'"):
        make(constructor=constructor, **body)


@pytest.mark.parametrize("place", ["_fixed_parameters", "_training_parameters"])
def test_a_string_is_no_tuple_of_names(place):
    with pytest.raises(TypeError, match=f"{place} of Mine must be a tuple of names.*'rho',"):
        make(**{place: "rho"})


@pytest.mark.parametrize(
    "needs",
    [
        needs_value("rho", "sparsity", "kl"),
        ("rho",),
        "rho",
        (("rho", "sparsity"),),
        Need(("rho",), "x", bool),
        7,
    ],
)
def test_needs_are_a_tuple_of_them(needs):
    with pytest.raises(TypeError, match=r"_needs of Mine must be a tuple of Need"):
        make(_needs=needs)


def test_a_need_names_its_parameters_in_a_tuple():
    with pytest.raises(TypeError, match=r"_needs of Mine .*'rho',"):
        make(_needs=(Need("rho", "x", bool),))


def test_what_is_known_is_taken():
    """Own names, those of parents and of grandparents, fixed or not."""

    class Child(make(_needs=(needs_value("rho", "sparsity", "kl"),))):
        _fixed_parameters = ("prior", "rho")
        _training_parameters = ("sparsity", "beta")
        _parameter_constraints = {**VAE._parameter_constraints, "rho": [float]}

        def __init__(self, *, extra=1, **others):
            super().__init__(rho=2.0, **others)
            self.extra = extra

    class Grandchild(Child):
        _fixed_parameters = ("prior", "rho", "extra")
        _training_parameters = ["prior", "extra"]
        _parameter_constraints = {"rho": [float]}

        def __init__(self, **others):
            super().__init__(extra=2, **others)

    assert "extra" not in Grandchild().get_params()


# Parts of estimators, and their order


@pytest.mark.parametrize("parent", [Autoencoder, VAE, DenoisingAutoencoder])
def test_samples_from_the_prior_come_first(parent):
    words = rf"class Mine\(SamplesFromPrior, {parent.__name__}\)"
    with pytest.raises(TypeError, match=words):
        type("Mine", (parent, SamplesFromPrior), {})
    First = type("Mine", (SamplesFromPrior, parent), {})
    assert First.sample is SamplesFromPrior.sample
    with pytest.raises(TypeError, match="must stand before Child"):
        type("Mine", (type("Child", (parent,), {}), SamplesFromPrior), {})


def test_a_class_may_have_samples_of_its_own():
    class Mine(SamplesFromPrior, Autoencoder):
        def sample(self, n_samples=1, *, random_state=None):
            return super().sample(n_samples, random_state=random_state)

    class Child(Mine):
        pass

    assert Child.sample is Mine.sample
