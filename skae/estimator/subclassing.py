"""What is completed when a class is made: its signature, its constraints and its docstrings.

What a class does not say itself it takes from its parents, and they from a table.
"""

import inspect
import itertools
import re
import textwrap
from typing import NamedTuple

from .._keywords import explains_unknown_keywords

PLACE = "{shared "  # how a line of a docstring begins that is to be filled in
NO_DEFAULT = inspect.Parameter.empty
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def parameters_of(method):
    """Return {name: inspect.Parameter} of a method, without ``self``, ``*`` and ``**``."""
    _, *parameters = inspect.signature(method).parameters.values()
    return {p.name: p for p in parameters if p.kind not in VARIADIC}


def complete_signature(cls):
    """Put the parent's parameters in the place of ``**others`` in the signature of a constructor.

    A class leaves out what it names in ``_fixed_parameters``. What is left over is refused: the
    parent would take a parameter that the class has fixed, and `get_params` not know of it.
    """
    constructor = vars(cls).get("__init__")
    if constructor is None:
        return
    signature = inspect.signature(constructor)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    if len(own) < len(signature.parameters):
        left_out = {p.name for p in own}.union(vars(cls).get("_fixed_parameters", ()))
        others = [
            p.replace(kind=p.KEYWORD_ONLY)
            for p in parameters_of(super(cls, cls).__init__).values()
            if p.name not in left_out
        ]
        constructor.__signature__ = signature.replace(parameters=[*own, *others])
    cls.__init__ = explains_unknown_keywords(constructor)


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
    if PLACE not in (vars(cls).get("__doc__") or ""):
        return
    parents = [parent.__doc__ for parent in cls.__mro__[1:]]
    shared = {name: Entry(p.kind, None, p.text) for name, p in table.items()}
    doc = _fill_in_parameters(cls.__doc__, cls.__init__, parents, shared)
    section, line = find_section(doc, "Attributes"), "{shared attributes}"
    if line in section.splitlines():
        own = parse_entries(section.replace(line, ""))
        inherited = _inherit_entries(parents, "Attributes", {})
        doc = doc.replace(section, _render({**own, **inherited, **own}))  # own first, in own words
    cls.__doc__ = doc


def complete_method_docstrings(cls, table):
    """Put what a method shares with others in the place of ``{shared parameters}``.

    What its docstring does not describe itself is described as for the method of the same name of
    a parent, and else in the words of the table.
    """
    for name, member in vars(cls).items():
        function = getattr(member, "fn", member)  # of a method that is there on a condition
        if inspect.isfunction(function) and PLACE in (function.__doc__ or ""):
            parents = [_docstring_of(parent, name) for parent in cls.__mro__[1:]]
            function.__doc__ = _fill_in_parameters(function.__doc__, function, parents, table)


def _docstring_of(cls, name):
    return getattr(vars(cls).get(name), "__doc__", None)


def _fill_in_parameters(doc, function, parents, shared):
    """Return a docstring in which the placeholder, where there is one, is filled in."""
    doc = inspect.cleandoc(doc)
    section, line = find_section(doc, "Parameters"), "{shared parameters}"
    if line not in section.splitlines():
        return doc
    own = parse_entries(section.replace(line, ""))
    inherited = _inherit_entries(parents, "Parameters", shared)
    return doc.replace(section, _describe_parameters(function, own, inherited))


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
        kind, _, default = " ".join(kind.split()).partition(", default=")
        entry = Entry(kind, default or None, textwrap.dedent(text).strip())
        entries.update(dict.fromkeys(names.split(", "), entry))
    entries.pop("", None)
    return entries


def _inherit_entries(parents, title, shared):
    """Return the entries of the parents' docstrings, nearest first, then those of the table.

    Defaults are their own, and so are the references that they number.
    """
    found = {}
    for doc in parents:
        entries = parse_entries(find_section(inspect.cleandoc(doc or ""), title))
        for name, entry in entries.items():
            text = re.sub(r"\s*\[\d+\]_", "", entry.text)
            found.setdefault(name, Entry(entry.kind, None, text))
    for name, entry in shared.items():
        found.setdefault(name, entry)
    return found


def _describe_parameters(function, own, inherited):
    entries = {}
    for name, parameter in parameters_of(function).items():
        entry = own.get(name) or inherited.get(name, Entry("", None, ""))
        has_default = parameter.default is not NO_DEFAULT and entry.kind != "Ignored"
        if entry.default is None and has_default:
            entry = entry._replace(default=_show(parameter.default))
        entries[name] = entry
    return _render({**entries, **{name: own[name] for name in own if name not in entries}})


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
