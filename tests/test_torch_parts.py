"""Private parts of torch: each may go, and training goes on, a little slower, with one warning."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skae import _torch

SKAE = Path(_torch.__file__).parent

# Those that have a public substitute, or nothing to do where they are gone.
REPLACEABLE = [
    "torch.jit._script:_script_impl",
    "torch.jit._trace:_trace_impl",
    "torch.jit._state:_enabled",
    "torch.nn.modules.batchnorm:_BatchNorm",
    "torch.nn.utils.weight_norm:WeightNorm",
    "torch.nn.utils.spectral_norm:SpectralNorm",
]
CANNOT_BE_DELETED = ("torch:Tag.", "aten.", "Module.", "Parameter.", "Optimizer.")
CANNOT_BE_DELETED += ("UntypedStorage.", "OpOverload.")

# Hide a part, import skae afresh, fit. Torch itself needs some parts in a fit: they come back
# when skae has looked.
FITS = """
import contextlib, importlib, json, sys, warnings
import numpy as np, torch
from sklearn.datasets import load_iris

X = load_iris().data
parts, replaceable, fixed = json.loads(sys.argv[1])

@contextlib.contextmanager
def without(path):
    module, _, name = path.partition(":")
    module = importlib.import_module(module)
    part = getattr(module, name)
    delattr(module, name)
    yield
    setattr(module, name, part)

def import_afresh(part):
    for name in [name for name in sys.modules if name.split(".")[0] == "skae"]:
        del sys.modules[name]
    if part in fixed:
        from skae import _torch
        assert _torch.PARTS[part]() is not None
        _torch.PARTS[part] = lambda: None
        import skae.fast.choice
    else:
        with without(part):
            import skae.fast.choice
    import skae
    return skae

def fit(skae, names):
    skae.fast.repeater.FEWEST_REPETITIONS = 20  # steps, in place of 100
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models = [getattr(skae, n)(random_state=0, max_iter=3).fit(X) for n in names]
    kinds = [w.category.__name__ for w in caught]
    return kinds.count("FallbackWarning"), models

import skae, skae.fast.repeater
every = list(skae._HOMES)
assert len(every) > 1, every
_, whole = fit(skae, every)
found = {}
for part in parts + replaceable:
    skae = import_afresh(part)
    names = every if part == parts[0] else ["Autoencoder", "Autoencoder"]
    n_warnings, models = fit(skae, names)
    same = {n: m for n, m in zip(every, whole)}
    found[part] = {
        "warnings": n_warnings,
        "repeats": models[names.index("Autoencoder")].net_._repeater is not None,
        "error": max(
            np.abs(m.score_samples(X) - same[n].score_samples(X)).max()
            / np.abs(same[n].score_samples(X)).max()
            for n, m in zip(names, models)
        ),
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(request):
    specs = [item.callspec for item in request.session.items if hasattr(item, "callspec")]
    asked = {spec.params.get("part") for spec in specs}
    parts = sorted(asked & set(_torch.PARTS), key=lambda part: "DispatchMode" not in part)
    fixed = [part for part in parts if part.startswith(CANNOT_BE_DELETED)]
    arguments = json.dumps([parts, REPLACEABLE, fixed])
    command = [sys.executable, "-c", FITS, arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=SKAE.parent)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)


@pytest.mark.parametrize("part", _torch.PARTS)
def test_without_a_part_steps_are_ordinary_ones(part, found):
    """One warning in the process, however many fits; the numbers are those of repeated steps."""
    assert found[part]["warnings"] == 1
    assert not found[part]["repeats"]
    assert found[part]["error"] < 1e-4


@pytest.mark.parametrize("part", REPLACEABLE)
def test_parts_with_a_substitute_are_not_missed(part, found):
    assert found[part]["warnings"] == 0
    assert found[part]["repeats"]
    assert found[part]["error"] < 1e-4


def test_nothing_is_missing_here():
    assert _torch.missing() == ()


def sources():
    return {p: p.read_text() for p in SKAE.rglob("*.py") if p.name != "_torch.py"}


def test_private_parts_stand_in_one_file():
    private = re.compile(
        r"\btorch(\.\w+)*\._[a-z]|from torch[\w.]*\._\w+|from torch.* import .*\b_[a-zA-Z]"
        r"|\._(schema|cdata|parameters|buffers)\b|\._\w*hooks\b|torch\.ops|_wrapped_by"
    )
    assert {str(p): m[0] for p, text in sources().items() if (m := private.search(text))} == {}


def test_the_list_of_operators_is_complete():
    used = {
        name for text in sources().values() for name in re.findall(r"\baten\.(\w+\.\w+)", text)
    }
    assert used == set(_torch.OPERATORS)
