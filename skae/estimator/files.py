"""Estimators in files of their own: safetensors, whose header holds the rest as JSON.

Reading runs nothing of what a file says. A sum over all of it finds damage; what it holds is put
together only after that, and tried on a row before anybody is given it.
"""

import hashlib
import json
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from ..exceptions import ModelFileError
from .documents import (
    Writer,
    is_generator,
    is_writable,
    read_document,
    read_generator,
    state_of_generator,
)
from .inference import map_rows
from .persistence import without_codes
from .subclassing import default_parameters
from .tasks import CALLBACKS

FORMAT = "skae 1"
UNFITTED = object()


# Writing


def write_model(estimator, path, *, codes=True):
    """Write an estimator to a file, in whose place the old one stands until the new is whole.

    Parameters
    ----------
    estimator : BaseCoder
    path : path-like
    codes : bool, default=True
        Whether codes of training rows are written.
    """
    with _within_one_fit(estimator):
        content = _model_to_bytes(estimator if codes else without_codes(estimator))
    _replace(Path(os.path.realpath(path)), content)


@contextmanager
def _within_one_fit(estimator):
    """Refuse what has been read of an estimator while a fit, in any thread, was changing it."""
    before = _fit_of(estimator)
    try:
        yield
    finally:
        if before is None or _fit_of(estimator) is not before:
            raise RuntimeError(
                f"save was called while this {type(estimator).__name__} is being fitted, and "
                "would write a model that is half of one fit and half of another. Call save when "
                "the fit is over; threads that share an estimator need a lock around both."
            )


def _fit_of(estimator):
    """Return an object that each fit makes anew, None during a fit."""
    attributes = vars(estimator)
    return None if "_tasks" in attributes else attributes.get("_fitted_params", UNFITTED)


def _model_to_bytes(estimator):
    """Return the content of the file of an estimator."""
    parameters, kind = estimator.get_params(deep=False), type(estimator)
    parts = {name: value for name, value in parameters.items() if not is_writable(value)}
    generators = {name: value for name, value in parts.items() if is_generator(value)}
    writer, state = Writer(parts), estimator.__getstate__()
    state.pop(CALLBACKS, None)  # which one that is not fitted takes along elsewhere
    _check_names(kind, state)
    model = {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "parts": {n: _describe(value) for n, value in parts.items() if n not in generators},
        "generators": {
            name: writer.write(state_of_generator(value), name)
            for name, value in generators.items()
        },
        "state": {name: writer.write(value, name) for name, value in state.items()},
    }
    return _to_bytes(json.dumps(model, allow_nan=False), writer.arrays)


def _check_names(kind, state):
    """Refuse attributes that would hide a method of the class."""
    for name in state.keys() - default_parameters(kind).keys():
        if callable(getattr(kind, name, None)):
            raise TypeError(
                f"The attribute {name} hides the method of that name, which the estimator would "
                f"lack when it is loaded. Give the attribute another name, or delete it."
            )


def _describe(value):
    """Return what a part was, for those who must give it again."""
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return f"a {type(value).__name__}"


def _to_bytes(text, arrays):
    safetensors = import_safetensors("save")
    # In one entry: safetensors writes several in any order, and equal models are equal files.
    header = {"format": FORMAT, "sha256": checksum(text, arrays), "model": text}
    return safetensors.numpy.save(arrays, {"skae": json.dumps(header)})


def checksum(text, arrays):
    """Return the SHA-256 of a document and of its arrays, their names, types and shapes."""
    found = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        found.update(repr((name, array.dtype.str, array.shape)).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _replace(path, content):
    """Put a file in the place of another in one step, after all of it has reached the disk.

    It may be read and written by whom the other one may be.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"save writes files, and {path} is something else. Choose another name.")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")  # the name of the file may be long
    try:
        with open(beside, "xb") as file:
            if mode is not None:
                os.chmod(beside, mode)  # before there is anything to read
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(FileNotFoundError):
            beside.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder):
    """See to it that the new name is on the disk, where the system can be asked for that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def import_safetensors(verb):
    """Return safetensors, or say how to get it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            f"{verb} needs safetensors: pip install safetensors, or skae[files]. pickle and "
            "joblib need nothing."
        ) from error
    return safetensors


# Reading


def read_model(path, find_class, parts, recipes):
    """Return the estimator of a file.

    Parameters
    ----------
    path : path-like
    find_class : callable
        Called with the name of the class that the file gives, returns the class.
    parts : dict
        What is handed in, by the names of parameters.
    recipes : dict
        Classes of recipes by their names.
    """
    model, arrays = _read(path)
    try:
        name, wanted, state = model["class"], model["parts"], model["state"]
        _check_parts(path, wanted, parts)
        kind = find_class(name)
        generators = {n: read_generator(g, arrays) for n, g in model["generators"].items()}
        state = read_document(state, arrays, {**parts, **generators}, recipes)
        _check_names(kind, state)
        estimator = kind.__new__(kind)
        estimator.__setstate__(state)
        if hasattr(estimator, "_is_fitted"):
            _try_on_a_row(estimator)
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"What {path} holds does not go together{' with what was handed in' * bool(parts)}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return estimator


def _read(path):
    """Return the document and the arrays of a file that is what was written."""
    safetensors = import_safetensors("load")
    content = _content_of(path)
    try:
        arrays = safetensors.numpy.load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    except Exception as error:
        raise ModelFileError(
            f"{path} cannot be read: it is damaged, cut short, or no file of skae's. ({error})"
        ) from error
    if "skae" not in metadata:
        raise ModelFileError(f"{path} was not written by an estimator's `save`.")
    text = _check_header(path, metadata["skae"], arrays)
    try:
        return json.loads(text), arrays
    except Exception as error:  # by somebody who knows the format: the sum is right
        raise ModelFileError(f"{path} holds no estimator: {error}") from error


def _content_of(path):
    """Return the bytes of a file: they stay what they are if it changes while it is read.

    What keeps a file from being opened is said by Python itself.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe would be waited for without end
        raise ModelFileError(f"{path} is no file, but a pipe, a device or a socket.")
    return Path(path).read_bytes()


def _check_header(path, header, arrays):
    """Return the document of a header that goes with the arrays."""
    try:
        header = json.loads(header)
        written, text = header["format"], header["model"]
        is_whole = written != FORMAT or checksum(text, arrays) == header["sha256"]
    except Exception:  # it is any JSON, or none
        is_whole = False
    if not is_whole:
        raise ModelFileError(
            f"{path} is damaged: its sum is not that of what was written. Take another copy of it."
        )
    if written != FORMAT:
        raise ModelFileError(
            f"{path} has the format {written!r}, and this version of skae reads {FORMAT!r}. "
            "Install the version that wrote it."
        )
    return text


def _check_parts(path, wanted, given):
    for name, description in wanted.items():
        if name not in given:
            raise ModelFileError(
                f"{path} needs its {name}, which a file cannot hold; it was {description}. Pass "
                f"it again: load(path, {name}=...)."
            )
    for name in given:
        if name not in wanted:
            needs = ", ".join(wanted) or "nothing"
            raise ModelFileError(
                f"{path} has no use for {name}; it needs {needs}. Leave {name} out, and set what "
                "you like with `set_params`."
            )


def _try_on_a_row(estimator):
    """Find shapes that contradict each other, by the reconstruction of a row of zeros."""
    n_features, dtype = len(estimator.mean_), estimator._X_dtype
    row = np.zeros((1, getattr(estimator, "_n_inputs", n_features)), dtype)
    z = map_rows(estimator, row, dtype, estimator._encode_batch)
    x = map_rows(estimator, row, dtype, estimator._reconstruct_batch)
    if z.shape[1] != estimator._n_features_out or x.shape[1] != n_features:
        raise ValueError(
            f"a row of {n_features} features has a code of {z.shape[1]} numbers and a "
            f"reconstruction of {x.shape[1]}"
        )
