"""What the documents promise: the README runs, docstrings agree, imports are light."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from estimators import DEFAULTS, has_engine, is_generative

import skae

ROOT = Path(__file__).parents[1]


@pytest.mark.filterwarnings("error")
def test_the_readme_s_code_runs_and_its_figures_hold(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    namespace = {}
    for block in blocks:
        exec(block, namespace)
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"^print\(.*\)(?:  # (-?[0-9.]+))?", "".join(blocks), re.MULTILINE)
    figures = [(float(p), float(v)) for p, v in zip(promised, printed, strict=True) if p]
    assert len(figures) == 4
    np.testing.assert_allclose(*zip(*figures, strict=True), rtol=0.015)
    assert namespace["Z"].shape == (450, 8)
    assert namespace["new"].shape == (5, 64)


def parameters_of(cls):
    """Return {name: description} of the Parameters section of a class."""
    section = cls.__doc__.split("Parameters\n    ----------\n")[1].split("\n    Attributes\n")[0]
    entries = re.split(r"\n(?=    \w)", "\n" + section.rstrip())
    found = {}
    for entry in entries:
        if " : " in entry:
            names, description = entry.strip().split(" : ", 1)
            for name in names.split(", "):
                found[name] = " ".join(description.split())
    return found


@pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)
def test_every_parameter_is_described_with_its_default(estimator):
    described = parameters_of(type(estimator))
    defaults = type(estimator)().get_params()
    assert sorted(described) == sorted(defaults)
    for name, default in defaults.items():
        shown = re.search(r"default=(\(.*?\)|[^\s,]+)", described[name])
        text = shown.group(1).replace("default=", "").rstrip(".")
        expected = f'"{default}"' if isinstance(default, str) else repr(default)
        # what follows the default is the description, which starts with a capital or a quote
        assert text == expected or float(text) == default, name


def without_default(description):
    return re.sub(r"default=(\(.*?\)|\S+)", "", description)


# What a parameter means may depend on the method for these alone.
OWN_WORDS = ("n_components", "code_activation")
# The encoder of a variational autoencoder returns more than a code.
DISTRIBUTION = ("encoder", "decoder")
# And on the algorithm, for estimators that bring one of their own.
ALGORITHM = ("batch_size", "max_iter", "tol", "random_state", "verbose")


def test_shared_parameters_are_described_in_the_same_words():
    reference = parameters_of(skae.Autoencoder)
    for estimator in DEFAULTS.values():
        own = OWN_WORDS + DISTRIBUTION * is_generative(estimator)
        own += ALGORITHM * (not has_engine(estimator))
        for name, description in parameters_of(type(estimator)).items():
            if name in reference and name not in own:
                assert without_default(description) == without_default(reference[name]), name


def test_doctest_finds_the_examples_of_every_class():
    """Classes say that they live in `skae`, which loads them when they are asked for."""
    found = {test.name.split(".")[-1] for test in doctest.DocTestFinder().find(skae)}
    assert set(DEFAULTS) <= found


def test_public_names():
    assert set(skae.__all__) <= set(dir(skae))
    for name in skae.__all__:
        assert getattr(skae, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = skae.Nothing


def test_importing_skae_loads_no_torch():
    code = "import sys, skae; assert not {'torch', 'sklearn', 'skorch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_documents_link_to_files_that_exist():
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), (document.name, target)


def test_formulas_have_kept_their_backslashes():
    """A backslash lost to an escape sequence leaves a control character behind."""
    for source in (ROOT / "skae").rglob("*.py"):
        found = re.findall(r"[\x00-\x08\x0b-\x1f]", source.read_text())
        assert not found, source.name


def test_the_lowest_versions_are_those_that_are_promised():
    promises = (ROOT / "pyproject.toml").read_text()
    pins = (ROOT / "tests/constraints-lowest.txt").read_text()
    lists = re.findall(r"^(?:dependencies|test) = \[(.*)\]", promises, re.MULTILINE)
    promised = re.findall(r'"([\w-]+)>=([\d.]+)"', ", ".join(lists))
    assert len(promised) == 10
    for name, version in promised:
        pinned = re.findall(rf"^{name}==([\d.]+)", pins, re.MULTILINE)
        assert [p for p in pinned if re.fullmatch(rf"{re.escape(version)}(\.0)*", p)], name
