"""Files that hold one estimator, written by its `save`: safetensors and JSON, no code.

They need safetensors, ``pip install skae[files]``; pickles need nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from . import _BESIDE, _HOMES, networks
from .estimator.coder import BaseCoder
from .estimator.files import read_model
from .exceptions import ModelFileError
from .imputation.estimator import Imputer

__all__ = ["load"]


def load(path: str | os.PathLike[str], *, estimator: type[Any] | None = None, **parts: Any) -> Any:
    """Return the estimator that `save` has written to a file.

    Nothing that the file says is run: it holds numbers, text and arrays. What is neither is handed
    in again, as it was given to the constructor: networks of your own, ``corruption=`` or
    ``prior=`` as functions, ``optimizer=`` as a class or partial, callbacks.

    Parameters
    ----------
    path : path-like
        A file that `save` has written.
    estimator : class, default=None
        The class of the estimator, where it is one of your own; of those of skae the file knows
        the name.
    **parts
        What the file cannot hold, by the names of parameters: ``load(path, encoder=MyNet)``. An
        error names what is missing.

    Returns
    -------
    estimator : object
        As it was when it was written, fitted or not, to the last bit.

    Raises
    ------
    ModelFileError
        If the file is damaged, cut short or of another kind, if a part is missing or not asked
        for, or if it does not go with the arrays of the file.
    ImportError
        Without safetensors.

    See Also
    --------
    VAE.save : What writes the files; every estimator has it.

    Examples
    --------
    >>> import os, tempfile
    >>> import skae
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> ae = skae.Autoencoder(2, max_iter=5, random_state=0).fit(X)
    >>> path = os.path.join(tempfile.mkdtemp(), "iris.skae")
    >>> ae.save(path)
    >>> bool((skae.load(path).transform(X) == ae.transform(X)).all())
    True
    """
    is_class = isinstance(estimator, type) and issubclass(estimator, (BaseCoder, Imputer))
    if estimator is not None and not is_class:
        raise TypeError(f"estimator must be a class of estimators. Got {estimator!r} instead.")

    def find_class(name: str) -> type[Any]:
        return _public_class(path, name) if estimator is None else _named(path, name, estimator)

    recipes = {name: getattr(networks, name) for name in networks.__all__}
    return read_model(path, find_class, parts, recipes)


def _public_class(path: Any, name: str) -> Any:
    room, _, public = name.rpartition(".")
    if room != "skae" or public not in {**_HOMES, **_BESIDE}:
        raise ModelFileError(
            f"{path} holds a {name}, which is no class of skae's. Pass the class: "
            f"load(path, estimator={public})."
        )
    return getattr(importlib.import_module(__package__), public)


def _named(path: Any, name: str, given: type[Any]) -> type[Any]:
    if name.rpartition(".")[2] != given.__name__:
        raise ModelFileError(f"{path} holds a {name}, and no {given.__name__}.")
    return given
