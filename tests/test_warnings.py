"""Warnings have classes, lines and a table; and nobody else's are lost."""

import re
import warnings
from pathlib import Path

import pytest
import torch
from keyboard import Press, ctrl_c_as_usual
from sklearn.datasets import load_iris

from skae import VAE, Autoencoder, ConditionalVAE, SparseAutoencoder, exceptions
from skae.exceptions import ParameterWarning
from skae.fast import choice, cpu
from skae.training import interrupts

ROOT = Path(__file__).parents[1]
X = load_iris().data
ALL = [getattr(exceptions, name) for name in exceptions.__all__]
CLASSES = [c for c in ALL if issubclass(c, Warning)]


def table():
    """Return {class: base} as the page on warnings lists them."""
    guide = (ROOT / "docs" / "warnings.md").read_text()
    return dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", guide, re.MULTILINE))


def test_the_page_lists_every_class():
    assert table() == {c.__name__: c.__bases__[0].__name__ for c in CLASSES}


def _useless():
    return Autoencoder(max_iter=2, learning_rate_init=0.5, random_state=0).fit(X)


def _from_the_future():
    state = Autoencoder(max_iter=2, random_state=0).fit(X).__getstate__()
    Autoencoder().__setstate__({**state, "_skae_version": "99.0"})


def _without_a_part_of_torch():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "missing", lambda: ("aten.gone",))
        choice._tell_of.cache_clear()
        Autoencoder(random_state=0).fit(X)


CAUSES = {
    "CollapseWarning": lambda: VAE(beta=1000.0, max_iter=60, random_state=0).fit(X),
    "DeadUnitsWarning": lambda: SparseAutoencoder(50, max_iter=2, random_state=0).fit(X),
    "DivergenceWarning": lambda: Autoencoder(
        learning_rate_init=1e6, linear_path=False, random_state=0
    ).fit(X),
    "FallbackWarning": _without_a_part_of_torch,
    "InterruptionWarning": lambda: Autoencoder(callbacks=[Press()]).fit(X),
    "ParameterWarning": lambda: ConditionalVAE(max_iter=2, random_state=0).fit(X, X[:, 0] > 5),
    "StartKeptWarning": _useless,
    "StreamWarning": lambda: Autoencoder(random_state=0).partial_fit(X[:50]).partial_fit(1000 + X),
    "VersionWarning": _from_the_future,
}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_has_a_cause(kind, monkeypatch):
    monkeypatch.setattr(interrupts, "SOON", 0)  # this Ctrl-C is the first one
    assert kind.__doc__
    assert issubclass(kind, UserWarning)
    with warnings.catch_warnings(record=True) as caught, ctrl_c_as_usual():
        warnings.simplefilter("always")
        CAUSES[kind.__name__]()
    assert kind in [w.category for w in caught]


def test_one_class_can_be_silenced():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ParameterWarning)
        exceptions.warn("", ParameterWarning)
        with pytest.raises(exceptions.StreamWarning):
            exceptions.warn("", exceptions.StreamWarning)


@pytest.mark.cpu
def test_steps_are_compiled_without_a_warning_to_be_hidden(monkeypatch):
    """Hiding one changes the filters of the process, where other threads may be recording."""
    monkeypatch.setattr(cpu, "_written_down", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Autoencoder(max_iter=20, random_state=0).fit(X)
        VAE(max_iter=20, random_state=0).fit(X)
    written = cpu._written_down.values()
    assert written
    assert all(isinstance(w.run, torch.jit.ScriptFunction) for w in written)
