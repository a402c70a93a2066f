"""How the site is built: ``python -m sphinx -n -W --keep-going -b html docs docs/_build/html``.

No step needs the network.
"""

import importlib
import inspect
import re
import sys
import warnings
from pathlib import Path

from docutils import nodes

import skae

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project, author, release = "skae", "The skae developers", skae.__version__
project_copyright = "The skae developers, BSD-3-Clause"
extensions = [
    "myst_parser",  # pages are Markdown
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "_mathml",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_templates", "gallery/*.ipynb", "gallery/*.md5", "gallery/*.py"]
templates_path = ["_templates"]
# Single backticks of docstrings are names: a link where there is something of that name.
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The look

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_title = "skae"
html_copy_source = False
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {"text": "skae"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_nav_level": 1,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "tutorial": [], "which_model": [], "changelog": []}
copybutton_exclude = ".linenos, .gp, .go"

# The reference: a page for each public name. It is written from the lists of public names, so that
# a new one has its page as soon as it is in `__all__`.

autosummary_generate = True
autodoc_typehints = "none"  # types are in the docstrings
numpydoc_show_class_members = False  # the template lists methods, inherited ones too
numpydoc_class_members_toctree = False


def write_reference():
    """Write ``reference.rst``: the rooms, each with what its first lines say and its names."""
    parts = ["API reference\n=============\n"]
    public = {name: getattr(skae, name) for name in skae.__all__}
    rooms = [name for name, value in public.items() if inspect.ismodule(value)]
    classes = sorted(name for name, value in public.items() if inspect.isclass(value))
    functions = sorted(set(public) - set(classes) - set(rooms))
    parts += [_room("skae", "Estimators", "", classes)]
    parts += [_room("skae", "Functions", "", functions)]
    for room in sorted([*rooms, "onnx"]):  # which needs an extra, and is in no list
        module = importlib.import_module(f"skae.{room}")
        about = module.__doc__.split("\n\n")[0]
        parts += [_room(module.__name__, module.__name__, about, module.__all__)]
    page = HERE / "reference.rst"
    text = "\n".join(parts)
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


def _room(module, title, about, names):
    lines = [f".. currentmodule:: {module}", "", title, "-" * len(title), "", about, ""]
    lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
    return "\n".join([*lines, *(f"   {name}" for name in names), ""])


write_reference()

# The gallery

warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skae",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "capture_repr": (),  # what is printed is shown, not what the last line happens to return
    "min_reported_time": 0,
    "matplotlib_animations": False,
    "within_subsection_order": "FileNameSortKey",
}

# Links out of the site. Names of scikit-learn's are linked by their address, for which no
# inventory need be fetched; names of others are plain text.

nitpick_ignore_regex = [
    ("py:.*", r"(functools|joblib|matplotlib|nn|np|numpy|onnx|scipy|skorch|sklearn|torch)\..*"),
    ("py:obj", r"[A-Za-z_]\w*"),  # parameters, and words of the mathematics
    ("py:obj", r".*[^.\w].*"),
    ("py:class", r"[A-Za-z]\w*"),  # bases that are not public
    ("py:class", r"skae\.[a-z_]+\.[a-z_.]+\.\w+"),
]


def link_to_scikit_learn(app, env, node, content):
    """Return a link to the page of a class or function of scikit-learn's."""
    target = node.get("reftarget", "")
    if re.fullmatch(r"sklearn\.[a-z_.]+\.[A-Za-z]\w*", target):
        address = f"https://scikit-learn.org/stable/modules/generated/{target}.html"
        return nodes.reference("", "", content, internal=False, refuri=address)
    return None


INITIAL = re.compile(r"^(\s*\.\. \[\d+\] )([A-Z]\. )")  # of an author: else the head of a list
ROLE = re.compile(r":(?:ref|term|meth|class|func):`~?([^`<]*?)(?:\s*<[^`]*>)?`")


def without_labels_of_others(app, what, name, obj, options, lines):
    """Take references to scikit-learn's own pages out of docstrings; keep initials of authors."""
    is_theirs = str(getattr(obj, "__module__", "")).startswith("sklearn")
    for i, line in enumerate(lines):
        line = lines[i] = INITIAL.sub(r"\1\\\2", line)
        if is_theirs or "<metadata_routing>" in line:
            lines[i] = ROLE.sub(r"\1", line)


def without_members_of_others(app, what, name, obj, skip, options):
    """Leave out what modules have of torch's."""
    return True if str(getattr(obj, "__module__", "")).startswith("torch") else None


def setup(app):
    """Connect the functions above with the events that they are for."""
    app.connect("missing-reference", link_to_scikit_learn)
    app.connect("autodoc-process-docstring", without_labels_of_others, priority=100)
    app.connect("autodoc-skip-member", without_members_of_others)
