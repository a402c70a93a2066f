"""What is completed when a class is made: its signature, its constraints and its docstring.

What a class does not say itself it takes from its parents, and they from a table.
"""

import inspect
import itertools
import re
import textwrap
from typing import NamedTuple

NO_DEFAULT = inspect.Parameter.empty
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def parameters_of(constructor):
    """Return {name: inspect.Parameter} of a constructor, without ``self``, ``*`` and ``**``."""
    _, *parameters = inspect.signature(constructor).parameters.values()
    return {p.name: p for p in parameters if p.kind not in VARIADIC}


def complete_signature(cls):
    """Put the parent's parameters in the place of ``**others`` in the signature of a constructor.

    A class leaves out what it names in ``_fixed_parameters``.
    """
    constructor = vars(cls).get("__init__")
    if constructor is None:
        return
    signature = inspect.signature(constructor)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    if len(own) == len(signature.parameters):
        return
    left_out = {p.name for p in own}.union(vars(cls).get("_fixed_parameters", ()))
    others = [
        p.replace(kind=p.KEYWORD_ONLY)
        for p in parameters_of(super(cls, cls).__init__).values()
        if p.name not in left_out
    ]
    constructor.__signature__ = signature.replace(parameters=[*own, *others])


def complete_constraints(cls, table):
    """Give each parameter of the constructor its constraint: own, the parent's or the table's."""
    known = {
        **{name: shared.constraint for name, shared in table.items()},
        **getattr(super(cls, cls), "_parameter_constraints", {}),
        **vars(cls).get("_parameter_constraints", {}),
    }
    names = parameters_of(cls.__init__)
    cls._parameter_constraints = {name: known[name] for name in names if name in known}


def default_parameters(cls):
    """Return {name: default} of the constructors that an instance of a class goes through.

    These are its own and those behind it. One of this package is the last: it keeps all that it
    is given, and calls no other.
    """
    found = {}
    for parent in cls.__mro__:
        if "__init__" in vars(parent):
            for name, parameter in parameters_of(parent.__init__).items():
                found.setdefault(name, parameter.default)
        if parent.__module__ == "skae":
            break
    return found


# Docstrings


class Entry(NamedTuple):
    """What a section of a docstring says of a name."""

    kind: str
    default: str | None
    text: str


def complete_docstring(cls, table):
    """Put what a class shares with others in the place of two lines of its docstring.

    ``{shared parameters}`` among the Parameters becomes all parameters of the constructor that
    the docstring does not describe itself, in the order and with the defaults of the signature.
    ``{shared attributes}`` among the Attributes becomes those that its parents describe.
    """
    if not vars(cls).get("__doc__"):
        return
    doc = inspect.cleandoc(cls.__doc__)
    shared = {name: Entry(p.kind, None, p.text) for name, p in table.items()}
    for title, said_for_all, describe in (
        ("Parameters", shared, _describe_parameters),
        ("Attributes", {}, _describe_attributes),
    ):
        section, line = find_section(doc, title), f"{{shared {title.lower()}}}"
        if line in section.splitlines():
            own = parse_entries(section.replace(line, ""))
            inherited = _inherit_entries(cls, title, said_for_all)
            cls.__doc__ = doc = doc.replace(section, describe(cls, own, inherited))


def find_section(doc, title):
    """Return what stands under a title of a docstring without indentation."""
    pattern = rf"^{title}\n-+\n(.*?)(?=\n\n\S[^\n]*\n-+\n|\Z)"
    found = re.search(pattern, doc, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def parse_entries(section):
    """Return {name: Entry}; names that are described together have the same one."""
    entries = {}
    for block in re.split(r"\n(?=\S)", section.strip()):
        heading, text = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", block, re.DOTALL).groups()
        names, _, kind = re.sub(r"\\\n\s*", "", heading).partition(" : ")
        kind, _, default = kind.partition(", default=")
        entry = Entry(kind, default or None, textwrap.dedent(text).strip())
        entries.update(dict.fromkeys(names.split(", "), entry))
    entries.pop("", None)
    return entries


def _inherit_entries(cls, title, shared):
    """Return the entries of the parents, nearest first, then those of the table.

    Defaults are their own, and so are the references that they number.
    """
    found = {}
    for parent in cls.__mro__[1:]:
        entries = parse_entries(find_section(inspect.cleandoc(parent.__doc__ or ""), title))
        for name, entry in entries.items():
            text = re.sub(r"\s*\[\d+\]_", "", entry.text)
            found.setdefault(name, Entry(entry.kind, None, text))
    for name, entry in shared.items():
        found.setdefault(name, entry)
    return found


def _describe_parameters(cls, own, inherited):
    entries = {}
    for name, parameter in parameters_of(cls.__init__).items():
        entry = own.get(name) or inherited.get(name, Entry("", None, ""))
        if entry.default is None and parameter.default is not NO_DEFAULT:
            entry = entry._replace(default=_show(parameter.default))
        entries[name] = entry
    return _render({**entries, **{name: own[name] for name in own if name not in entries}})


def _describe_attributes(cls, own, inherited):
    return _render({**own, **inherited, **own})  # own ones first, and in own words


def _show(value):
    """Return a default as it is written in docstrings."""
    if isinstance(value, str):
        return f'"{value}"'
    return getattr(value, "__name__", repr(value))


def _render(entries):
    """Return entries as text; equal neighbours, such as encoder and decoder, share one."""
    blocks = []
    for entry, names in itertools.groupby(entries, key=entries.get):
        default = entry.default and f"default={entry.default}"
        kind = ", ".join(filter(None, [entry.kind, default]))
        heading = ", ".join(names) + (f" : {kind}" if kind else "")
        blocks.append("\n".join([heading, textwrap.indent(entry.text, "    ")]).rstrip())
    return "\n\n".join(blocks)
