"""Estimators that strangers derive from ours: with more parameters, with fewer, with others."""

import inspect
import pickle
from numbers import Real

import numpy as np
import pytest
from joblib import wrap_non_picklable_objects
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_sklearn import WEIGHT_CHECKS

from skae import (
    GLGAE,
    VAE,
    AdversarialAutoencoder,
    Autoencoder,
    ConditionalVAE,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.exceptions import CollapseWarning
from skae.extending import BaseAutoencoder, Interval, VAEModule

X = load_iris().data
QUICK = {"max_iter": 2, "random_state": 0}
PARENTS = (
    Autoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VAE,
    ConditionalVAE,
    AdversarialAutoencoder,
    GLGAE,
)


def with_another_default(parent):
    class Mine(parent):
        """With another default.

        Parameters
        ----------
        {shared parameters}
        """

        def __init__(self, n_components=3, **others):
            super().__init__(n_components, **others)

    return Mine


def with_one_more(parent):
    class Mine(parent):
        """With one more.

        Parameters
        ----------
        extra : float, default=10.0
            Of no use.

        {shared parameters}

        Attributes
        ----------
        {shared attributes}
        """

        _parameter_constraints = {"extra": [Interval(Real, 0, None, closed="left")]}

        def __init__(self, n_components=2, *, extra=10.0, **others):
            super().__init__(n_components, **others)
            self.extra = extra

    return Mine


def with_a_few(parent):
    class Mine(parent):
        def __init__(self, n_components=2, max_iter=2, extra="a", random_state=None):
            super().__init__(
                n_components, max_iter=max_iter, random_state=random_state, dtype="float64"
            )
            self.extra = extra

    return Mine


def with_two_fixed(parent):
    class Mine(parent):
        _fixed_parameters = ("n_components", "dtype")

        def __init__(self, **others):
            super().__init__(3, dtype="float64", **others)

    return Mine


def make_classes():
    """Return {name: class}, each to be found in this module by that name, as pickle wants it."""
    made = {}
    for make in (with_another_default, with_one_more, with_a_few, with_two_fixed):
        for parent in PARENTS:
            cls = make(parent)
            cls.__name__ = cls.__qualname__ = f"{parent.__name__}_{make.__name__}"
            made[cls.__name__] = cls
    return made


CLASSES = make_classes()
globals().update(CLASSES)


def those(make):
    return {name: cls for name, cls in CLASSES.items() if name.endswith(make.__name__)}


every_subclass = pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
one_more = pytest.mark.parametrize("cls", those(with_one_more).values(), ids=those(with_one_more))


# What scikit-learn reads


@every_subclass
def test_signature_parameters_and_constraints_agree(cls):
    names = list(inspect.signature(cls).parameters)
    assert names == list(inspect.signature(cls.__init__).parameters)[1:]
    assert sorted(names) == sorted(cls().get_params())
    assert "others" not in names
    assert set(cls._parameter_constraints) >= set(names) - {"extra"}
    defaults = {name: p.default for name, p in inspect.signature(cls).parameters.items()}
    assert cls().get_params() == defaults


@one_more
def test_all_parameters_of_the_parent_are_there(cls):
    assert set(cls().get_params()) == {*cls.__base__().get_params(), "extra"}
    assert set(cls._parameter_constraints) == set(cls().get_params())


@pytest.mark.parametrize("parent", PARENTS)
def test_what_is_fixed_is_no_parameter(parent):
    cls = with_two_fixed(parent)
    assert set(parent().get_params()) - set(cls().get_params()) == {"n_components", "dtype"}
    assert cls().n_components == 3
    with pytest.raises(TypeError, match="dtype"):
        cls(dtype="float32")
    with pytest.raises(ValueError, match="Invalid parameter 'dtype'"):
        cls().set_params(dtype="float32")
    with pytest.raises(TypeError, match="nothing"):
        cls(nothing=1)


def test_what_is_fixed_or_unknown_is_refused_in_the_name_of_the_class():
    class Fixed(VAE):
        _fixed_parameters = ("warm_up", "prior")

        def __init__(self, n_components=2, **others):
            super().__init__(n_components, warm_up=0.5, **others)

    class Child(Fixed):
        def __init__(self, *, extra=1, **others):
            super().__init__(**others)
            self.extra = extra

    assert (Fixed(beta=2).beta, Child(beta=2, extra=3).beta) == (2, 2)
    for cls in (Fixed, Child):
        for name in ("warm_up", "prior"):
            with pytest.raises(TypeError, match=f"^{cls.__name__} has no parameter '{name}'"):
                cls(**{name: VAE().get_params()[name]})
        with pytest.raises(TypeError, match=f"^{cls.__name__}.* unexpected .*'nonsense'"):
            cls(nonsense=2)


def test_a_collapse_advises_what_a_class_has():
    class Fixed(VAE):
        _fixed_parameters = ("beta", "free_bits")

        def __init__(self, n_components=2, **others):
            super().__init__(n_components, beta=1e3, **others)

    with pytest.warns(CollapseWarning, match=r"Try warm_up=0.5; where"):
        Fixed(max_iter=60, random_state=0).fit(X)


def test_a_grandchild_adds_to_what_its_parent_has_added():
    Parent = with_one_more(VAE)

    class Child(Parent):
        """Of a child.

        Parameters
        ----------
        {shared parameters}
        """

        def __init__(self, *, more=1, **others):
            super().__init__(**others)
            self.more = more

    assert set(Child().get_params()) == {*VAE().get_params(), "extra", "more"}
    assert Child(extra=3.0, n_components=5, more=2).get_params()["extra"] == 3.0
    assert (
        'more : default=1\n\nn_components : int, float or "auto", default=2\n    Size'
        in Child.__doc__
    )
    assert "extra : float, default=10.0\n    Of no use." in Child.__doc__


@every_subclass
def test_repr_shows_what_was_set(cls):
    name = "null_weight" if issubclass(cls, GLGAE) else "learning_rate_init"
    name = name if name in cls().get_params() else "max_iter"
    assert repr(cls(**{name: 7})) == f"{cls.__name__}({name}=7)"
    with config_context(display="diagram"):
        assert name in cls(**{name: 7})._repr_html_()


# Life


def quick(cls):
    params = {"max_iter": 2, "random_state": 0}
    return cls(**params)


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@every_subclass
def test_subclasses_are_fitted_copied_and_written(cls):
    model = quick(cls).fit(X)
    Z = model.transform(X)
    assert clone(model).get_params() == model.get_params()
    np.testing.assert_array_equal(clone(model).fit(X).transform(X), Z)
    for copy in (pickle.loads(pickle.dumps(model)), model.forget_rows()):
        np.testing.assert_array_equal(copy.transform(X), Z)
        assert copy.get_params() == model.get_params()
        copy.partial_fit(X)
    if issubclass(cls, BaseAutoencoder) and "warm_start" in model.get_params():
        model.set_params(warm_start=True).fit(X)


@every_subclass
def test_a_subclass_is_its_parent_with_these_parameters(cls):
    model = quick(cls).fit(X)
    params = {name: getattr(model, name) for name in cls.__base__().get_params()}
    parent = cls.__base__(**params).fit(X)
    np.testing.assert_array_equal(model.transform(X), parent.transform(X))


def test_methods_know_what_a_subclass_hides():
    """A fitted model goes by the parameters of its fit, those included that are no parameters."""
    assert quick(CLASSES["VAE_with_a_few"]).fit(X).noise_variance_.shape == (4,)
    denoising = quick(CLASSES["DenoisingAutoencoder_with_a_few"]).fit(X)
    assert denoising.corruption_scale_ == 0.3 * denoising.scale_
    assert denoising.score_field(X).shape == X.shape


@pytest.mark.parametrize("cls", those(with_a_few).values(), ids=those(with_a_few))
def test_old_files_get_the_defaults_of_what_a_subclass_hides(cls):
    model = quick(cls).fit(X)
    state = model.__getstate__()
    for kept in (state, state["_fitted_params"]):
        del kept["verbose"], kept["extra"]
    copy = cls.__new__(cls)
    copy.__setstate__(state)
    assert (copy.verbose, copy.extra) == (0, "a")
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))


@one_more
def test_subclasses_are_searched_over(cls):
    search = GridSearchCV(quick(cls), {"extra": [1.0, 2.0], "n_components": [1, 2]}, cv=2)
    assert np.isfinite(search.fit(X).cv_results_["mean_test_score"]).all()
    assert set(search.best_params_) == {"extra", "n_components"}


@one_more
def test_bad_values_are_named(cls):
    for params in ({"extra": -1.0}, {"n_components": 0}, {"random_state": "seed"}):
        (name,) = params
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {cls.__name__}"):
            quick(cls).set_params(**params).fit(X)


def test_constraints_may_be_written_out():
    class Mine(VAE):
        _parameter_constraints = {**VAE._parameter_constraints, "beta": [int]}

        def __init__(self, *, beta=2, **others):
            super().__init__(beta=beta, **others)

    with pytest.raises(ValueError, match="The 'beta' parameter of Mine"):
        Mine(beta=0.5).fit(X)


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@parametrize_with_checks(
    [
        quick(CLASSES[name])
        for name in ("Autoencoder_with_one_more", "VAE_with_a_few", "GLGAE_with_two_fixed")
    ],
    expected_failed_checks=lambda estimator: WEIGHT_CHECKS,
    xfail_strict=False,
)
def test_check_estimator(estimator, check):
    check(estimator)


def test_a_class_of_a_notebook_goes_to_other_processes():
    cls = with_one_more(Autoencoder)
    model = cls(extra=3.0, **QUICK).fit(X)
    parcel = wrap_non_picklable_objects(model, keep_wrapper=False)
    copy = pickle.loads(pickle.dumps(parcel))
    assert copy.get_params() == model.get_params()
    assert type(copy).__doc__ == cls.__doc__
    assert inspect.signature(type(copy)) == inspect.signature(cls)
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))


# Going on from an earlier fit


@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@one_more
def test_what_a_subclass_adds_shapes_the_model_unless_it_says_otherwise(cls):
    model = quick(cls).fit(X).set_params(extra=3.0)
    with pytest.raises(ValueError, match=r"with extra=10.0; now it is extra=3.0"):
        model.partial_fit(X)

    class Child(cls):
        _training_parameters = ("extra",)

    model = quick(Child).fit(X).set_params(extra=3.0).partial_fit(X)
    assert pickle.loads(pickle.dumps(model.__getstate__()))["_fitted_params"]["extra"] == 3.0

    class Grandchild(Child):
        _training_parameters = ()

    quick(Grandchild).fit(X).set_params(extra=3.0).partial_fit(X)


# Docstrings


@one_more
def test_a_placeholder_stands_for_the_parameters_of_the_parent(cls):
    doc = inspect.getdoc(cls)
    for name in cls().get_params():
        assert f"\n{name}" in doc or f", {name} : " in doc, name
    assert "extra : float, default=10.0\n    Of no use." in doc
    assert "mean_ : ndarray" in doc
    assert "]_" not in doc  # the parent's references are not its own


def test_a_docstring_has_the_defaults_of_its_own_class():
    doc = with_another_default(VAE).__doc__
    assert 'n_components : int, float or "auto", default=3\n    Size of the code.' in doc
    assert "noise_variance_" not in doc  # it has no place for attributes


def test_classes_without_docstring_or_place_are_left_alone():
    class Silent(VAE):
        pass

    class Brief(VAE):
        """
        Brief.
          Left alone.
        """

    assert Silent.__doc__ is None
    assert Brief.__doc__.startswith("\n")


# A method of one's own


class InfoModule(VAEModule):
    def __init__(self, *networks, mmd_weight, **options):
        super().__init__(*networks, **options)
        self.mmd_weight = mmd_weight

    def terms(self, x, z, noise, q, p_x, p_z):
        terms = super().terms(x, z, noise, q, p_x, p_z)
        return {**terms, "mmd": self.mmd_weight * z.mean(dim=(0, 1)).square().sum()}


class InfoVAE(VAE):
    """A method and a parameter more than a VAE.

    Parameters
    ----------
    mmd_weight : float, default=10.0
        Weight of the term.

    {shared parameters}
    """

    _module_class = InfoModule
    _training_parameters = ("mmd_weight",)

    def __init__(self, n_components=2, *, mmd_weight=10.0, **others):
        super().__init__(n_components, **others)
        self.mmd_weight = mmd_weight

    def _module_options(self):
        return {**super()._module_options(), "mmd_weight": self.mmd_weight}


def test_a_variant_is_a_module_and_a_constructor():
    plain, info = VAE(**QUICK).fit(X), InfoVAE(mmd_weight=5.0, warm_start=True, **QUICK).fit(X)
    assert "train_mmd" in info.history_[0]
    assert info.loss_curve_ != plain.loss_curve_
    assert InfoVAE(mmd_weight=0.0, **QUICK).fit(X).loss_curve_ == plain.loss_curve_
    copy = pickle.loads(pickle.dumps(info.set_params(mmd_weight=1.0)))
    assert copy.module_.mmd_weight == 5.0
    assert copy.fit(X).module_.mmd_weight == 1.0


class Own(BaseAutoencoder):
    """From the base class.

    Parameters
    ----------
    {shared parameters}
    """

    # What the base class asks an estimator for, as there are no parameters for it.
    likelihood, code_activation, output_activation = "gaussian", "identity", "identity"
    hidden_layer_sizes, tied_weights, linear_path = (), False, False
    encoder = decoder = callbacks = n_iter_no_change = None
    activation, dropout, alpha, scaling = "relu", 0.0, 0.0, "global"
    optimizer, learning_rate_init, learning_rate, batch_size = "adam", 0.01, "constant", 50
    tol, early_stopping, device, dtype = 0.0, False, "cpu", "float32"
    warm_start, verbose = False, 0

    def __init__(self, n_components=2, *, max_iter=2, random_state=None):
        self.n_components = n_components
        self.max_iter = max_iter
        self.random_state = random_state


def test_an_estimator_of_its_own_may_have_three_parameters():
    model = Own(3, random_state=0).fit(X)
    assert list(Own._parameter_constraints) == ["n_components", "max_iter", "random_state"]
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))
    assert clone(model).get_params() == {"n_components": 3, "max_iter": 2, "random_state": 0}
