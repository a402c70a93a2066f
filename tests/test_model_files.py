"""`save` and `skae.load`: all of an estimator, no code, and nothing but the whole of a file."""

import functools
import itertools
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from damage import MUTATIONS, judge, kill_writers
from estimators import (
    DEFAULTS,
    VARIANTS,
    SmallDecoder,
    SmallEncoder,
    all_estimators,
    fitted,
    same_state,
)
from sklearn.base import clone
from sklearn.datasets import load_iris
from torch import nn

import skae
from skae import (
    GLGAE,
    VAE,
    Autoencoder,
    ConditionalVAE,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae.estimator import files
from skae.estimator.recipes import BaseRecipe
from skae.exceptions import ModelFileError

pytest.importorskip("safetensors")

X = load_iris().data


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skae"


def parts_of(estimator):
    """Return the parameters that a file cannot hold."""
    params = estimator.get_params(deep=False)
    return {name: value for name, value in params.items() if not files.is_writable(value)}


def through_a_file(estimator, path):
    estimator.save(path)
    return skae.load(path, **parts_of(estimator))


@all_estimators()
def test_nothing_is_lost_or_changed(estimator, path):
    assert same_state(through_a_file(clone(estimator), path), estimator)
    copy = through_a_file(fitted(estimator), path)
    assert same_state(copy, fitted(estimator))
    np.testing.assert_array_equal(copy.transform(X), fitted(estimator).transform(X))
    assert [*path.parent.iterdir()] == [path]


FRESH = """
import sys
import joblib, numpy as np, skae, skops.io
from sklearn.datasets import load_iris
X = load_iris().data
READERS = {
    "joblib": joblib.load, "skae": skae.load,
    "skops": lambda path: skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path)),
}
GO_ON = sys.argv[1].split()
for path in sys.argv[2:]:
    model = READERS[path.rsplit(".")[-1]](path)
    first = model.transform(X), model.sample(5, random_state=0)
    later = model.partial_fit(X).transform(X) if path in GO_ON else []
    np.savez(path + ".npz", Z=first[0], sample=first[1], later=later)
"""


def test_a_fresh_process_goes_on_as_this_one(tmp_path):
    import joblib

    skops = pytest.importorskip("skops.io")
    written = []
    for name, estimator in DEFAULTS.items():
        ways = {"skae": fitted(estimator).save}
        if name == "Autoencoder":
            ways["joblib"] = functools.partial(joblib.dump, fitted(estimator))
        if name == "VAE":
            ways["skops"] = functools.partial(skops.dump, fitted(estimator))
        for way, write in ways.items():
            write(tmp_path / f"{name}.{way}")
            written.append(tmp_path / f"{name}.{way}")
    go_on = [path for path in written if path.stem in ("Autoencoder", "VAE")]
    command = [sys.executable, "-W", "ignore", "-c", FRESH, " ".join(map(str, go_on)), *written]
    subprocess.run(command, check=True)
    for path in written:
        model = pickle.loads(pickle.dumps(fitted(DEFAULTS[path.stem])))
        there = np.load(f"{path}.npz")
        np.testing.assert_array_equal(there["Z"], model.transform(X))
        np.testing.assert_array_equal(there["sample"], model.sample(5, random_state=0))
        if path in go_on:
            np.testing.assert_array_equal(there["later"], model.partial_fit(X).transform(X))


ODD = {
    "frame": lambda: GLGAE(2, node_layout=pd.DataFrame([[0.0, 0.0], [1, 0], [0, 2]]), max_iter=2),
    "device": lambda: Autoencoder(2, max_iter=1, device=torch.device("cpu")),
    "numbers of numpy": lambda: Autoencoder(np.int64(2), alpha=np.float32(0.5), max_iter=1),
    "list": lambda: Autoencoder(2, hidden_layer_sizes=[5], max_iter=1),
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_what_users_pass_as_parameters(make, path):
    model = make().set_params(random_state=0)
    for given in (model, clone(model).fit(X)):
        copy = through_a_file(given, path)
        if not parts_of(model):
            assert same_state(copy, given)
    np.testing.assert_array_equal(copy.transform(X), given.transform(X))


@pytest.mark.parametrize(
    "labels", [["a", "b", "c"], np.array(["a", "b", "c"], object), [True, False, True],
               np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "M8[D]")],
    ids=["text", "objects", "bool", "dates"],
)  # fmt: skip
def test_labels_and_names_of_columns(labels, path):
    frame = pd.DataFrame(X, columns=list("abcd"))
    condition = np.resize(labels, 150)
    model = ConditionalVAE(2, max_iter=1, random_state=0).fit(frame, condition=condition)
    copy = through_a_file(model, path)
    assert same_state(copy, model)
    np.testing.assert_array_equal(
        copy.transform(frame, condition=condition), model.transform(frame, condition=condition)
    )


def test_a_loss_that_was_not_finite_is_kept(path):
    model = fitted_small()
    model.net_.history[-1]["train_loss"] = float("nan")
    assert np.isnan(through_a_file(model, path).loss_curve_[-1])


def fitted_small(**params):
    return Autoencoder(2, max_iter=2, random_state=0, **params).fit(X)


# Parts that are handed in again


def test_parts_are_asked_for_by_name(path):
    model = fitted_small(encoder=SmallEncoder, decoder=SmallDecoder)
    model.save(path)
    with pytest.raises(ModelFileError, match=r"needs its decoder, .* was estimators.SmallDecoder"):
        skae.load(path, encoder=SmallEncoder)
    with pytest.raises(ModelFileError, match="no use for prior; it needs decoder, encoder"):
        skae.load(path, encoder=SmallEncoder, decoder=SmallDecoder, prior=None)
    with pytest.raises(ModelFileError, match="not go together with what was handed in"):
        skae.load(path, encoder=nn.Linear, decoder=SmallDecoder)


def test_a_part_that_is_no_longer_that_of_the_fit(path):
    model = fitted_small(encoder=SmallEncoder).set_params(encoder=nn.Linear)
    with pytest.raises(TypeError, match="cannot write encoder as it was when the model was fit"):
        model.save(path)
    assert not [*path.parent.iterdir()]


class Variant(Autoencoder):
    """Of a user, with something of its own."""

    __module__ = "elsewhere"
    own = 1


def test_a_class_of_one_s_own_is_handed_in(path):
    model = Variant(2, max_iter=1, random_state=0).fit(X)
    model.save(path)
    with pytest.raises(ModelFileError, match=r"elsewhere.Variant.*estimator=Variant"):
        skae.load(path)
    with pytest.raises(ModelFileError, match=r"holds a elsewhere.Variant, and no VAE"):
        skae.load(path, estimator=VAE)
    with pytest.raises(TypeError, match="must be a class of estimators"):
        skae.load(path, estimator=model)
    assert same_state(skae.load(path, estimator=Variant), model)
    model.own = {"a", "b"}
    with pytest.raises(TypeError, match="own is a set: pickle"):
        model.save(path)


def test_codes_can_be_left_out(path):
    for estimator in DEFAULTS.values():
        model = fitted(estimator)
        before = model.sample(3, random_state=0)
        model.save(path, codes=False)
        copy = skae.load(path)
        np.testing.assert_array_equal(copy.transform(X), model.transform(X))
        assert getattr(copy, "_codes", None) is None
        if not isinstance(model, (DenoisingAutoencoder, GLGAE, SparseAutoencoder)):
            forgetful = pickle.loads(pickle.dumps(model)).forget_rows()
            found, expected = copy.sample(3, random_state=0), forgetful.sample(3, random_state=0)
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(model.sample(3, random_state=0), before)
    with pytest.raises(TypeError, match="codes must be True or False"):
        model.save(path, codes="no")


# Files that are not what was written


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "model.skae"
    model = fitted_small()
    model.save(path)
    return path.read_bytes(), model.transform(X)


def test_damage_is_found(written, path):
    content, expected = written
    rng, found = np.random.default_rng(0), []
    for mutate in itertools.islice(itertools.cycle(MUTATIONS), 200):
        changed = mutate(content, rng)
        found.append(judge(path, changed, expected, X))
        assert found[-1] == "refused" or json_of(changed) == json_of(content)
    assert found.count("refused") > 190
    assert judge(path, content, expected, X) == "loaded"


def json_of(content):
    n = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + n])


FOREIGN = {
    "empty": (b"", "cannot be read"),
    "pickle": (pickle.dumps({"format": "skae 1"}), "cannot be read"),
    "text": (b"hello" * 100, "cannot be read"),
}


@pytest.mark.parametrize("content", FOREIGN)
def test_foreign_files(content, path):
    path.write_bytes(FOREIGN[content][0])
    with pytest.raises(ModelFileError, match=FOREIGN[content][1]):
        skae.load(path)


def test_files_of_others_and_of_other_formats(path):
    numpy = pytest.importorskip("safetensors.numpy")
    newer = {"skae": json.dumps({"format": "skae 9", "sha256": "", "model": ""})}
    for metadata, words in ((None, "not written by"), (newer, "has the format 'skae 9'")):
        numpy.save_file({"a": np.zeros(3)}, path, metadata)
        with pytest.raises(ModelFileError, match=words):
            skae.load(path)
    with pytest.raises(FileNotFoundError):
        skae.load(path.with_name("nowhere"))


def rewritten(content, path, change):
    """Write a file with another state, whose sum is right: by somebody who knows the format."""
    path.write_bytes(content)
    model, arrays = files._read(path)
    change(model, arrays)
    path.write_bytes(files._to_bytes(json.dumps(model), arrays))
    return path


def _put(name, value):
    return lambda model, arrays: arrays.__setitem__(name, value)


WEIGHT = "net_.weights.encoder.layers.0.weight"
CHANGES = {
    "wrong shape of the weights": _put(WEIGHT, np.zeros((3, 3), "f")),
    "wrong shape of the mean": _put("mean_", np.zeros(3)),
    "one mean for all": _put("mean_", np.zeros(1)),
    "class of Python": lambda model, arrays: model.update({"class": "os.system"}),
    "hidden name of skae": lambda model, arrays: model.update({"class": "skae.display"}),
    "unknown kind": lambda model, arrays: model["state"].update(mean_={"!code": "1 + 1"}),
    "object as bytes": lambda m, a: m["state"].update(mean_={"!bytes": ["mean_", "O", [4]]}),
    "no state": lambda model, arrays: model.pop("state"),
    "deep": lambda model, arrays: model.update(parts={"a": 1}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_contents_that_do_not_go_together(change, written, path):
    with pytest.raises(ModelFileError):
        skae.load(rewritten(written[0], path, change))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_file_is_whole_whenever_its_writer_dies(path):
    models = fitted_small(), fitted(DEFAULTS["VAE"])
    allowed = []
    for model in models:
        model.save(path)
        allowed.append(path.read_bytes())
    for _ in kill_writers(path, models, delays=(0.002, 0.004, 0.008, 0.02, 0.03)):
        assert path.read_bytes() in allowed


def test_a_failed_save_leaves_the_old_file(written, path, monkeypatch):
    path.write_bytes(written[0])

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        fitted(DEFAULTS["VAE"]).save(path)
    assert path.read_bytes() == written[0]
    assert [*path.parent.iterdir()] == [path]


def test_without_safetensors(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"save needs safetensors: pip install .*skae\[files\]"):
        Autoencoder().save(path)
    with pytest.raises(ImportError, match="load needs safetensors"):
        skae.load(path)


def has_recipe(estimator):
    """Whether the network is a recipe: those of the tests are not skae's, which a file holds."""
    return isinstance(getattr(estimator, "encoder", None), BaseRecipe)


def test_what_needs_parts_is_what_a_user_has_written():
    needed = {
        name: set(parts_of(e)) for name, e in {**DEFAULTS, **VARIANTS}.items() if parts_of(e)
    }
    assert needed == {
        **{name: {"encoder"} for name, e in VARIANTS.items() if has_recipe(e)},
        "lbfgs": {"optimizer"},
        "own corruption": {"corruption"},
        "own networks": {"encoder", "decoder"},
        "own prior": {"prior"},
        "own template": {"encoder"},
    }
