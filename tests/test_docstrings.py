"""Docstrings of all public names are numpydoc's: nothing public lacks a word."""

import importlib
import inspect

import pytest

import skae

numpydoc = pytest.importorskip("numpydoc.validate")

# As in scikit-learn: names of what is returned, and where the first line stands, are free.
FREE = {"RT02", "GL01", "GL02", "ES01"}
OF_CLASSES_AND_FUNCTIONS = {"EX01", "SA01"}  # methods need neither example nor references
# Hooks of modules are described in the tables of docs/extending.md.
OF_HOOKS = {"PR01", "PR07", "PR08", "RT01", "GL08"}


def public_names():
    pytest.importorskip("skl2onnx")
    names, rooms = [], [importlib.import_module("skae.onnx")]
    for name in skae.__all__:
        public = getattr(skae, name)
        (rooms if inspect.ismodule(public) else names).append(public)
    names = [f"skae.{public.__name__}" for public in names]
    return names + [f"{room.__name__}.{name}" for room in rooms for name in room.__all__]


def methods_of(name):
    """Return the public methods that the package has written for a class."""
    room, _, attribute = name.rpartition(".")
    public = getattr(importlib.import_module(room), attribute)
    if not inspect.isclass(public):
        return []
    found = []
    for method in dir(public):
        function = inspect.getattr_static(public, method)
        function = getattr(function, "fn", getattr(function, "__func__", function))
        written = str(getattr(function, "__module__", "")).startswith("skae")
        if not method.startswith("_") and inspect.isfunction(function) and written:
            found.append(f"{name}.{method}")
    return found


def faults_of(name, is_method):
    for code, message in numpydoc.validate(name)["errors"]:
        is_free = code in FREE or (is_method and code in OF_CLASSES_AND_FUNCTIONS)
        if name.startswith("skae.extending."):
            is_free |= code in OF_CLASSES_AND_FUNCTIONS
            is_free |= (is_method or "Module" in name) and code in OF_HOOKS
        if name.startswith("skae.exceptions."):
            is_free |= code in OF_CLASSES_AND_FUNCTIONS  # the page on warnings has a table
        if not is_free:
            yield f"{name}: {code} {message}"


@pytest.fixture(autouse=True)
def no_search_for_comments(monkeypatch):
    """Classes are of the room that they are imported from, where Python 3.13 reads other lines."""
    monkeypatch.setattr(numpydoc.Validator, "source_file_def_line", None)


@pytest.mark.parametrize("name", public_names())
def test_numpydoc_has_nothing_to_say(name):
    faults = list(faults_of(name, is_method=False))
    for method in methods_of(name):
        faults += faults_of(method, is_method=True)
    assert faults == []
