"""States as documents: plain JSON, arrays beside it, and parts that only their owner can give.

A document is read without running any of its content. What JSON has no word for is an object of
one entry whose key begins with ``!``; a list of kinds is all that can be made of it.
"""

import math

import numpy as np
import torch

from .recipes import BaseRecipe
from .values import is_same

PART = "!part"
RECIPES = "skae.networks"  # where those are defined that a document can hold
NUMBERS = "biuf"  # kinds of arrays that safetensors knows
LARGEST_NUMBER = 8  # bytes
BYTES = "USMm"  # kinds that are written as bytes: text and times
SIMPLE = (type(None), bool, int, str)


class Unwritable(TypeError):
    """A document has no place for a value."""


class Writer:
    """What makes a document of a state.

    Parameters
    ----------
    parts : dict
        Values by name that the document is to refer to in place of holding them.

    Attributes
    ----------
    arrays : dict of ndarray
        By the names that the document knows them by.
    """

    def __init__(self, parts):
        self.parts, self.arrays = parts, {}

    def write(self, value, path):
        """Return the document of a value that is found under a path of the state."""
        name = self._part_of(value, path)
        if name is not None:
            return {PART: name}
        if type(value) in SIMPLE or (type(value) is float and math.isfinite(value)):
            return value
        if type(value) is float:
            return {"!float": str(value)}
        if type(value) is list:
            return self._write_all(value, path)
        if type(value) is tuple:
            return {"!tuple": self._write_all(value, path)}
        if type(value) is dict:
            return self._write_dict(value, path)
        if isinstance(value, np.generic):
            return {"!scalar": self._write_array(np.asarray(value), path)}
        if isinstance(value, np.ndarray):
            return self._write_array(value, path)
        if isinstance(value, torch.device):
            return {"!device": str(value)}
        if isinstance(value, BaseRecipe) and type(value).__module__ == RECIPES:
            parameters = self._write_dict(value.get_params(deep=False), path)
            return {"!recipe": [type(value).__name__, parameters]}
        raise Unwritable(_describe_unwritable(value, path))

    def _part_of(self, value, path):
        """Return the name of the part that a value is; a fit may have kept a copy of it."""
        for name, part in self.parts.items():
            is_copy = path == f"_fitted_params.{name}" and is_same(value, part)
            if value is part or is_copy:
                return name
        return None

    def _write_all(self, values, path):
        return [self.write(value, f"{path}.{i}") for i, value in enumerate(values)]

    def _write_dict(self, value, path):
        written = [[key, self.write(entry, f"{path}.{key}")] for key, entry in value.items()]
        if all(type(key) is str and not key.startswith("!") for key in value):
            return dict(written)
        return {"!items": [[self.write(key, path), entry] for key, entry in written]}

    def _write_array(self, array, path):
        by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
        is_number = array.dtype.kind in NUMBERS and array.dtype.itemsize <= LARGEST_NUMBER
        if is_number and by_columns:  # products would differ in the last bit
            return {"!by columns": self._keep(array.T, path)}
        if is_number:
            return {"!array": self._keep(array, path)}
        if array.dtype.kind in BYTES:
            described = [array.dtype.str, list(array.shape)]
            raw = np.frombuffer(array.tobytes(), np.uint8)
            return {"!bytes": [self._keep(raw, path), *described]}
        if array.dtype == object:
            return {"!objects": [self._write_all(array.ravel().tolist(), path), list(array.shape)]}
        raise Unwritable(_describe_unwritable(array, path))

    def _keep(self, array, path):
        name = path
        while name in self.arrays:
            name += "+"
        self.arrays[name] = np.array(array, array.dtype.newbyteorder("="), order="C", copy=True)
        return name


def _describe_unwritable(value, path):
    first, _, name = path.partition(".")
    if first == "_fitted_params":
        return (
            f"save cannot write {name} as it was when the model was fitted, since it has been set "
            "to something else. Set it back, or fit again."
        )
    return (
        f"save writes numbers, text, arrays, and lists and dicts of them. {path} is a "
        f"{type(value).__name__}: pickle the estimator, which keeps everything."
    )


def is_writable(value):
    """Whether a document can hold a value itself."""
    try:
        Writer({}).write(value, "")
    except Unwritable:
        return False
    return True


def is_generator(value):
    """Whether a value is numpy's usual generator, whose state a document can hold."""
    if not isinstance(value, np.random.RandomState):
        return False
    return state_of_generator(value)["bit_generator"] == "MT19937"


def state_of_generator(random_state):
    """Return the state of a generator, a dict."""
    return random_state.get_state(legacy=False)


def read_generator(document, arrays):
    """Return the generator whose state a `Writer` has made a document of."""
    random_state = np.random.RandomState(0)
    random_state.set_state(read_document(document, arrays, {}))
    return random_state


def read_document(document, arrays, parts, recipes=None):
    """Return the state that a `Writer` has made a document of.

    Parameters
    ----------
    document : object
        As `json` has read it.
    arrays : dict of ndarray
    parts : dict
        A value for each part that it refers to.
    recipes : dict or None, default=None
        Classes of recipes by their names.
    """

    def read(value):
        if isinstance(value, list):
            return [read(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        marks = [key for key in value if key.startswith("!")]
        if not marks:
            return {key: read(entry) for key, entry in value.items()}
        ((mark, content),) = value.items()
        return KINDS[mark](content)

    def read_bytes(content):
        name, dtype, shape = content
        if np.dtype(dtype).kind not in BYTES:
            raise ValueError(f"{dtype} is no kind of text or time")
        return np.frombuffer(arrays[name].tobytes(), dtype).reshape(shape).copy()

    def read_objects(content):
        entries, shape = content
        array = np.empty(len(entries), object)
        array[:] = read(entries)
        return array.reshape(shape)

    def read_recipe(content):
        name, parameters = content
        return recipes[name](**read(parameters))

    KINDS = {
        PART: lambda name: parts[name],
        "!float": float,
        "!tuple": lambda content: tuple(read(content)),
        "!items": lambda content: {read(key): read(entry) for key, entry in content},
        "!scalar": lambda content: read(content)[()],
        "!array": lambda name: arrays[name],
        "!by columns": lambda name: arrays[name].T,
        "!bytes": read_bytes,
        "!objects": read_objects,
        "!device": torch.device,
        "!recipe": read_recipe,
    }
    return read(document)
