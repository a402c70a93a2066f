"""Files: of other versions, under other paths."""

import pickle
import re

import numpy as np
import pytest
from estimators import DEFAULTS, all_estimators, has_engine
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris

import skae
from skae import Autoencoder

X = load_iris().data
every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


@all_estimators()
def test_a_file_without_a_parameter_gets_its_default(estimator):
    """It was written before the parameter existed."""
    ae = clone(estimator).fit(X)
    state = ae.__getstate__()
    name = "verbose"
    del state[name]
    state["_fitted_params"] = {k: v for k, v in state["_fitted_params"].items() if k != name}
    copy = type(ae).__new__(type(ae))
    copy.__setstate__(state)
    assert copy.get_params()[name] == type(ae)().get_params()[name]
    np.testing.assert_array_equal(copy.transform(X), ae.transform(X))
    assert not hasattr(clone(copy), "mean_")


@every_class
def test_a_newer_file_is_announced(estimator):
    state = clone(estimator).fit(X).__getstate__()
    assert state["_skae_version"] == skae.__version__
    copy = type(estimator).__new__(type(estimator))
    with pytest.warns(UserWarning, match=r"written by skae 99\.1"):
        copy.__setstate__({**state, "_skae_version": "99.1"})
    assert copy.transform(X).shape[0] == 150


def test_a_newer_file_that_cannot_be_read_says_why():
    state = Autoencoder(max_iter=1).fit(X).__getstate__()
    del state["net_"]["weights"]
    copy = Autoencoder.__new__(Autoencoder)
    with (
        pytest.warns(UserWarning, match="written by"),
        pytest.raises(ValueError, match=r"what skae 99\.1 wrote"),
    ):
        copy.__setstate__({**state, "_skae_version": "99.1"})


@every_class
def test_public_classes_are_skae_s(estimator):
    name = type(estimator).__name__
    assert type(estimator).__module__ == "skae"
    assert getattr(skae, name) is type(estimator)


@every_class
def test_files_with_today_s_paths_load(estimator):
    ae = clone(estimator).fit(X)
    name = type(ae).__name__
    home = re.sub(r"^\.", "skae.", skae._HOMES[name])
    written = pickle.dumps(ae, protocol=0)
    assert f"cskae\n{name}\n".encode() in written
    old = written.replace(f"cskae\n{name}\n".encode(), f"c{home}\n{name}\n".encode())
    copy = pickle.loads(old)
    np.testing.assert_array_equal(copy.transform(X), ae.transform(X))


def as_written_before(ae):
    """Return the state of a fitted estimator as it was while all kept codes of training rows."""
    state = ae.__getstate__()
    dtype = state.pop("_X_dtype")
    state.pop("_code_distribution", None)
    if isinstance(ae, skae.AdversarialAutoencoder):
        return {**state, "_sample_dtype": dtype}
    codes = (
        sparse.csr_matrix(ae.transform(X)) if "Sparse" in type(ae).__name__ else ae.transform(X)
    )
    state.pop("_code_moments", None)
    return {**state, "_codes": codes, "_code_mixture": None}


@pytest.mark.parametrize("name", [n for n, e in DEFAULTS.items() if has_engine(e)])
def test_a_file_of_before_can_all_that_it_could(name):
    ae = clone(DEFAULTS[name]).fit(X)
    copy = type(ae).__new__(type(ae))
    copy.__setstate__(as_written_before(ae))
    prior = {"codes": "prior"} if isinstance(ae, skae.VAE) else {}  # whose codes were no use
    samples = [model.sample(3, random_state=0, **prior) for model in (copy, ae)]
    np.testing.assert_array_equal(*samples)
    assert copy.partial_fit(X).forget_rows() is copy
