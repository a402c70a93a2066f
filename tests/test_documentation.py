"""What the documents promise: the README runs, docstrings agree, imports are light."""

import ast
import doctest
import inspect
import re
import subprocess
import sys
from collections import Counter
from email.message import Message
from importlib.util import find_spec
from numbers import Real
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from estimators import DEFAULTS
from sklearn.base import clone
from sklearn.datasets import load_iris

import skae
from skae._sklearn import Interval, StrOptions
from skae.estimator import links
from skae.estimator.shared_parameters import SHARED_PARAMETERS
from skae.estimator.subclassing import NO_DEFAULT, find_section, parameters_of, parse_entries
from skae.training.step import SCHEDULES

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


DOCS = ROOT / "docs"
OF_OTHERS = {"_build", "gallery", "generated"}  # what a build leaves there
SOURCES = [p for p in sorted(DOCS.rglob("*.md")) if p.relative_to(DOCS).parts[0] not in OF_OTHERS]
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
# The code of the page on extending is run by `test_extending`.
PAGES = [p for p in SOURCES if CODE.search(p.read_text()) and p.name != "extending.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    """Each block goes on from the one before, in an empty folder; comments say what is printed."""
    if page.name == "callbacks.md":
        pytest.importorskip("sklearn.callback")  # of scikit-learn 1.9
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in CODE.findall(page.read_text()):
        if "dask" not in block or find_spec("distributed"):
            exec(block, namespace)
    plt.close("all")


EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_short_and_load_what_scikit_learn_ships(example):
    source = example.read_text()
    first, *_ = ast.parse(source).body  # the words at the top
    lines = source.splitlines()[first.end_lineno :]
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(code) < 60
    assert "fetch_" not in source
    assert "plt.show()" in source


@pytest.mark.parametrize("name", [*DEFAULTS, *skae.display.__all__])
def test_every_class_has_an_example(name):
    """The page of each has a gallery of those that use it."""
    assert any(re.search(rf"\b{name}\b", example.read_text()) for example in EXAMPLES)


def test_scripts_that_pages_name_exist():
    named = {}
    for page in [*SOURCES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for script in re.findall(r"(?:tests/benchmarks|examples)/\w+\.py", page.read_text()):
            named[script] = page.name
    assert len(named) > 15
    for script, page in named.items():
        assert (ROOT / script).exists(), (page, script)


# Figures with decimals are measured; what follows from them is on pages that name the script.
MEASURED = re.compile(r"^\|.*\b\d+\.\d+(?:±| \||\*\*)", re.MULTILINE)


@pytest.mark.parametrize("page", SOURCES, ids=lambda p: str(p.relative_to(DOCS)))
def test_pages_with_tables_of_figures_name_the_script(page):
    text = page.read_text()
    if MEASURED.search(text):
        assert re.search(r"tests/benchmarks/\w+\.py|/gallery/plot_\w+", text)


every_class = pytest.mark.parametrize("estimator", DEFAULTS.values(), ids=DEFAULTS)


def described(cls, title):
    """Return {name: Entry} of a section of the docstring of a class."""
    return parse_entries(find_section(inspect.cleandoc(cls.__doc__), title))


@every_class
def test_docstrings_are_in_the_order_and_with_the_defaults_of_the_signature(estimator):
    entries = described(type(estimator), "Parameters")
    defaults = type(estimator)().get_params()
    assert list(entries) == list(inspect.signature(type(estimator)).parameters)
    for name, default in defaults.items():
        text = entries[name].default
        expected = f'"{default}"' if isinstance(default, str) else repr(default)
        assert text == expected or float(text) == default, name


def test_the_guide_s_table_has_the_defaults_in_which_estimators_differ():
    text = (ROOT / "docs" / "guide.md").read_text().split("## Defaults")[1]
    _, _, *rows = [line.split("|")[1:-1] for line in text.splitlines() if line[:1] == "|"]
    found, parameter = {}, ""
    for *words, names in rows:
        first, value = (cell.strip(" `") for cell in words)
        parameter = first or parameter  # without one it is a further value of the one above
        of_class = found.setdefault(parameter, {})
        of_class |= dict.fromkeys(re.findall(r"\w+", names), ast.literal_eval(value))
    defaults = {}
    for estimator in DEFAULTS.values():
        for name, parameter in inspect.signature(type(estimator)).parameters.items():
            defaults.setdefault(name, {})[type(estimator).__name__] = parameter.default
    assert found == {
        name: of_class
        for name, of_class in defaults.items()
        if len(of_class) > 2 and len(set(of_class.values())) > 1
    }


@every_class
def test_every_parameter_is_constrained(estimator):
    cls = type(estimator)
    assert list(cls._parameter_constraints) == list(inspect.signature(cls).parameters)
    cls()._validate_params()


CHOICES = re.compile(r'"(\w+)"')


@every_class
def test_docstrings_name_what_the_constraints_allow(estimator):
    cls = type(estimator)
    for name, entry in described(cls, "Parameters").items():
        kinds = cls._parameter_constraints[name]
        options = {o for kind in kinds if isinstance(kind, StrOptions) for o in kind.options}
        if options and entry.kind == "str":  # another parameter has the list
            assert "same choice as for `activation`" in entry.text
        else:
            assert set(CHOICES.findall(entry.kind)) == options, name
        assert ("bool" in entry.kind) == ("boolean" in kinds or name == "condition_features")
        assert ("None" in entry.kind) == (None in kinds or name == "random_state"), name
        numbers = {kind.type for kind in kinds if isinstance(kind, Interval)}
        assert bool(re.search(r"\bfloat\b", entry.kind)) == (Real in numbers), name


@every_class
def test_docstrings_speak_of_what_a_class_has(estimator):
    """A paragraph that classes share must not lean on a parameter that one of them lacks."""
    cls = type(estimator)
    members = {*dir(cls), *estimator.get_params(), *described(cls, "Attributes"), "DataFrame"}
    for title in ("Parameters", "Attributes"):
        for name, entry in described(cls, title).items():
            mentioned = set(re.findall(r"(?<!`)`(\w+)`(?!`)", entry.text)) - set(DEFAULTS)
            assert mentioned <= members, name


@every_class
def test_fitted_attributes_are_there(estimator):
    model = clone(estimator).fit(pd.DataFrame(load_iris().data, columns=list("abcd")))
    for name in described(type(estimator), "Attributes"):
        # No condition is there, and no order of the code.
        is_there = "explained_variance_ratio" not in name and name != "condition_classes_"
        if is_there and ("loading" not in name or model._has_loadings):
            assert hasattr(model, name), name


@every_class
def test_nothing_is_left_to_fill_in(estimator):
    assert "{shared" not in type(estimator).__doc__
    for title in ("Parameters", "Attributes"):
        entries = described(type(estimator), title).values()
        assert all(entry.kind and entry.text for entry in entries)


@every_class
def test_diagrams_link_to_the_page_and_explain_parameters(estimator, monkeypatch):
    cls = type(estimator)
    address = "https://address.local/{estimator_module}.{estimator_name}.html"
    monkeypatch.setattr(cls, "_doc_link_template", address)
    assert estimator._get_doc_link() == f"https://address.local/skae.{cls.__name__}.html"
    assert estimator._get_doc_link() in estimator._repr_html_()


@pytest.mark.parametrize("address", ["https://address.local", None])
def test_the_address_of_the_pages_is_that_of_the_package(address, monkeypatch):
    message = Message()
    if address:
        message["Project-URL"] = f"Documentation, {address}"
    monkeypatch.setattr(links, "metadata", lambda name: message)
    page = f"{address}/generated/{{estimator_module}}.{{estimator_name}}.html"
    assert links.find_page_template() == (page if address else "")


def methods_of(cls):
    """Return {name: function} of the public methods of a class that the package has written."""
    found = {}
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        function = getattr(member, "fn", member)
        written = str(getattr(function, "__module__", None)).startswith("skae")
        if not name.startswith("_") and inspect.isfunction(function) and written:
            found[name] = function
    return found


@every_class
def test_docstrings_of_methods_have_the_parameters_and_defaults_of_the_signature(estimator):
    for name, function in methods_of(type(estimator)).items():
        section = find_section(inspect.cleandoc(function.__doc__), "Parameters")
        entries, parameters = parse_entries(section), parameters_of(function)
        assert list(entries) == list(parameters), name
        for argument, entry in entries.items():
            default = parameters[argument].default
            if entry.kind != "Ignored" and default is not NO_DEFAULT:
                assert ast.literal_eval(entry.default) == default, (name, argument)


@every_class
def test_references_are_numbered_in_the_same_docstring(estimator):
    doc = type(estimator).__doc__
    assert set(re.findall(r"(?<!\.\. )\[(\d+)\]_", doc)) == set(re.findall(r"\.\. \[(\d+)\]", doc))


def test_no_paragraph_is_written_twice():
    """Shared ones stand in one table, and attributes with the base class that has them."""
    written = Counter()
    for source in (ROOT / "skae").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ClassDef):
                paragraphs = (ast.get_docstring(node) or "").split("\n\n")
                written.update(p for p in paragraphs if " : " in p and len(p) > 120)
    assert [paragraph for paragraph, times in written.items() if times > 1] == []


def test_what_is_shared_is_what_the_rooms_know():
    """The schedules stand in a room above the table."""
    (schedules,) = SHARED_PARAMETERS["learning_rate"].constraint
    assert schedules.options == set(SCHEDULES)


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
    for document in [*ROOT.glob("*.md"), *SOURCES]:
        for target in re.findall(r"\]\(([^)#:]+)[)#]", document.read_text()):
            assert (document.parent / target).exists(), (document.name, target)


def test_formulas_have_kept_their_backslashes():
    """A backslash lost to an escape sequence leaves a control character behind."""
    for source in (ROOT / "skae").rglob("*.py"):
        found = re.findall(r"[\x00-\x08\x0b-\x1f]", source.read_text())
        assert not found, source.name


def test_the_lowest_versions_are_those_that_are_promised():
    promises = (ROOT / "pyproject.toml").read_text()
    pins = (ROOT / "tests/constraints-lowest.txt").read_text()
    lists = re.findall(r"^(?:dependencies|test) = \[(.*?)\]$", promises, re.MULTILINE | re.DOTALL)
    promised = re.findall(r'"([\w-]+)>=([\d.]+)"', ", ".join(lists))
    assert len(promised) == 19
    for name, version in promised:
        pinned = re.findall(rf"^{name}==([\d.]+)", pins, re.MULTILINE)
        assert [p for p in pinned if re.fullmatch(rf"{re.escape(version)}(\.0)*", p)], name


@pytest.mark.parametrize(
    "room", [skae.display, skae.metrics, skae.testing], ids=lambda r: r.__name__
)
def test_public_functions_are_annotated(room):
    """As ``py.typed`` promises to type checkers."""
    for name in room.__all__:
        public = getattr(room, name)
        functions = {name: public}
        if inspect.isclass(public):
            functions = {n: f for n, f in vars(public).items() if n in DRAWS}
        for function in functions.values():
            signature = inspect.signature(getattr(function, "__func__", function))
            _, *others = signature.parameters.values()
            assert signature.return_annotation is not signature.empty, name
            assert all(p.annotation is not p.empty for p in others), name


DRAWS = ("__init__", "from_estimator", "plot")
