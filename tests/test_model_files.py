"""`save` and `skae.load`: all of an estimator, no code, and nothing but the whole of a file."""

import functools
import itertools
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from damage import MUTATIONS, edit_and_seal, judge, kill_writers
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
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
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
    "text of numpy": lambda: Autoencoder(2, activation=np.str_("tanh"), max_iter=1),
    "bool of numpy": lambda: Autoencoder(2, linear_path=np.True_, max_iter=1),
    "long numbers": lambda: Autoencoder(2, alpha=np.longdouble(0.5), max_iter=1),
}  # fmt: skip


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_what_users_pass_as_parameters(make, path):
    model = make().set_params(random_state=0)
    for given in (model, clone(model).fit(X)):
        copy = through_a_file(given, path)
        if not parts_of(model):
            assert same_state(copy, given)
    np.testing.assert_array_equal(copy.transform(X), given.transform(X))


def test_parameters_of_a_search_over_arrays(path):
    """The values that ``GridSearchCV`` takes from an array are numpy's."""
    grid = {"activation": np.array(["tanh"]), "n_components": np.array([2])}
    search = GridSearchCV(Autoencoder(max_iter=1, random_state=0), grid, cv=2).fit(X)
    assert type(search.best_estimator_.activation) is np.str_
    assert same_state(through_a_file(search.best_estimator_, path), search.best_estimator_)
    assert not parts_of(search.best_estimator_)


@pytest.mark.parametrize("is_fitted", [False, True])
@all_estimators(only=lambda e: "random_state" in e.get_params() and not parts_of(e))
def test_a_generator_goes_on_where_it_was(estimator, is_fitted, path):
    """Training goes on after `load` as without it: the two generators of a state are one."""
    model = clone(estimator).set_params(random_state=np.random.RandomState(0), max_iter=1)
    model.random_state.standard_normal(3)  # which leaves one normal number over
    model = model.fit(X) if is_fitted else model
    model.save(path)
    copy = skae.load(path)
    later = "partial_fit" if is_fitted and not getattr(model, "early_stopping", 0) else "fit"
    codes = [getattr(m, later)(X).transform(X) for m in (model, copy)]
    np.testing.assert_array_equal(*codes)
    assert model.random_state.bytes(8) == copy.random_state.bytes(8)
    if is_fitted:
        assert copy._fitted_params["random_state"] is copy.random_state


def test_a_generator_of_another_kind_is_handed_in(path):
    given = np.random.RandomState(np.random.PCG64(0))
    model = Autoencoder(2, max_iter=1, random_state=given).fit(X)
    model.save(path)
    with pytest.raises(ModelFileError, match="needs its random_state"):
        skae.load(path)
    assert skae.load(path, random_state=given).random_state is given


def test_a_generator_that_was_exchanged_after_the_fit(path):
    model = Autoencoder(2, max_iter=1, random_state=np.random.RandomState(0)).fit(X)
    model.set_params(random_state=np.random.RandomState(0))
    with pytest.raises(TypeError, match="cannot write random_state as it was when the model was"):
        model.save(path)


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


def test_files_that_somebody_has_written_on_purpose(written, path):
    """Their sum is right. They load, or it is a `ModelFileError`."""
    path.write_bytes(written[0])
    model, arrays = files._read(path)
    rng, found = np.random.default_rng(0), []
    texts = [edit_and_seal(model, rng) for _ in range(150)]
    for text in [*texts, "", "[", "[" * 10**5, "1" * 5000, "NaN", "null", "[]", '{"class": 1}']:
        path.write_bytes(files._to_bytes(text, arrays))
        try:
            skae.load(path)
            found.append("loaded")
        except ModelFileError:
            found.append("refused")
    assert found.count("refused") > 80


@pytest.mark.parametrize("name", ["transform", "_restore", "__sklearn_tags__"])
def test_an_attribute_that_hides_a_method(name, written, path):
    model = fitted_small()
    setattr(model, name, 3)
    with pytest.raises(TypeError, match=f"attribute {name} hides the method"):
        model.save(path)
    change = functools.partial(_add_to_state, name)
    with pytest.raises(ModelFileError, match=f"attribute {name} hides the method"):
        skae.load(rewritten(written[0], path, change))


def _add_to_state(name, model, arrays):
    model["state"][name] = 3


SHORTENED = """
import itertools, os, sys
import skae
from skae.estimator import files
from skae.exceptions import ModelFileError

path = sys.argv[1]
content = open(path, "rb").read()

def load_and_shorten_at(k):
    calls = itertools.count(1)

    def count(frame, event, function):
        is_call = event == "c_call" and frame.f_code.co_filename == files.__file__
        if is_call and next(calls) == k:
            os.truncate(path, 0)

    with open(path, "wb") as file:
        file.write(content)
    sys.setprofile(count)
    try:
        return type(skae.load(path)).__name__
    except ModelFileError as error:
        return type(error).__name__
    finally:
        sys.setprofile(None)

outcomes = [load_and_shorten_at(k) for k in range(1, 30)]
print(*[key for key, _ in itertools.groupby(outcomes)])
"""


def test_a_file_that_is_shortened_while_it_is_read(path):
    """A file that is mapped into memory would end the process by SIGBUS."""
    GLGAE(node_layout=np.ones((5000, 2)), batch_size=np.int64(3), tol=np.float32(1)).save(path)
    command = [sys.executable, "-c", SHORTENED, str(path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "ModelFileError GLGAE\n"), run.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="a pipe, a device or a socket"):
        skae.load(path)
    with pytest.raises(OSError, match="save writes files"):
        fitted_small().save(path)
    with pytest.raises(ModelFileError, match="a pipe, a device or a socket"):
        skae.load(os.devnull)


def test_folders_are_no_files(path):
    for call in (skae.load, fitted_small().save):
        with pytest.raises(OSError, match="directory|something else"):
            call(path.parent)
    assert not [*path.parent.iterdir()]


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


# Where files are written


@pytest.mark.parametrize("name", ["m" * 242, "m" * 255, "ä" * 127])
def test_names_as_long_as_the_system_takes(name, tmp_path):
    through_a_file(fitted_small(), tmp_path / name)
    assert [*tmp_path.iterdir()] == [tmp_path / name]


needs_permissions = pytest.mark.skipif(os.name != "posix", reason="needs permissions of POSIX")


@needs_permissions
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755, 0o400])
def test_permissions_stay(mode, path):
    before = os.umask(0o022)
    try:
        model = fitted_small()
        model.save(path)
        assert path.stat().st_mode & 0o777 == 0o644
        path.chmod(mode)
        model.save(path)
        assert path.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


@needs_permissions
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_a_link(exists, path, tmp_path):
    there = tmp_path / "elsewhere"
    there.mkdir()
    target, between = there / "v1.skae", there / "latest"
    if exists:
        target.write_bytes(b"old")
        target.chmod(0o600)
    between.symlink_to("v1.skae")
    path.symlink_to("elsewhere/latest")
    model = fitted_small()
    assert same_state(through_a_file(model, path), model)
    assert path.is_symlink()
    assert between.is_symlink()
    assert sorted(there.iterdir()) == [between, target]
    assert not exists or target.stat().st_mode & 0o777 == 0o600


# While a fit goes on


class Saves(Callback):
    """Save an estimator in the middle of a fit of it."""

    def __init__(self, estimator, path):
        self.estimator, self.path = estimator, path

    def __deepcopy__(self, memo):
        return self  # the estimator that is fitted, and no copy of it

    def on_epoch_end(self, net, **kwargs):
        self.estimator.save(self.path)


@pytest.mark.parametrize("again", [False, True])
def test_a_model_is_not_saved_in_the_middle_of_a_fit(again, path):
    model = fitted_small() if again else Autoencoder(max_iter=2)
    model.set_params(callbacks=[Saves(model, path)])
    with pytest.raises(RuntimeError, match="save was called while this Autoencoder is being fit"):
        model.fit(X)
    assert not path.exists()
    model.set_params(callbacks=None).fit(X).save(path)


@all_estimators(only=lambda e: not parts_of(e))
def test_a_fit_that_begins_while_a_model_is_written(estimator, path, monkeypatch):
    """Another thread may begin and end one after the first part has been written."""
    model = clone(fitted(estimator)).fit(X)
    write = files.Writer.write

    def fit_in_between(self, value, name):
        if name == "mean_":
            with ThreadPoolExecutor(1) as pool:
                pool.submit(model.fit, X + 1).result()
        return write(self, value, name)

    monkeypatch.setattr(files.Writer, "write", fit_in_between)
    with pytest.raises(RuntimeError, match="save was called while this"):
        model.save(path)
    assert not path.exists()


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
