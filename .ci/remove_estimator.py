"""Remove an estimator from a copy of the checkout, to show that nothing else depends on it.

    python .ci/remove_estimator.py ContractiveAutoencoder /tmp/without
    cd /tmp/without && PYTHONPATH=$PWD python -m pytest

The copy holds what git tracks. Whole files go that are the estimator's own: those named after its
module in `skae/models` and `tests`, the examples that import it, and the page of the guide whose
title names it. In other Python files go the entries of lists, dicts and imports that mention it,
the lines of "See Also", and, where it is mentioned anywhere else, the whole test or statement;
these are printed, for a test of one method belongs in its own file. In documents go the rows of
tables and the items of lists that are about it, and code from the block on that uses it. Sentences
are left to a person, and printed. The changelog is history, and is left alone.
"""

import argparse
import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = (ast.Name, ast.Attribute, ast.Constant)


def copy_tree(target):
    """Copy what git tracks to an empty folder."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def module_of(name):
    """Return the name of the file in `skae/models` that defines a class."""
    for path in (ROOT / "skae/models").glob("*.py"):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.ClassDef) and node.name == name for node in tree.body):
            return path.stem
    raise SystemExit(f"No file of skae/models defines {name}.")


def own_files(target, name, stem):
    """Return the files that are about one estimator and nothing else."""
    named = re.compile(rf"(test_)?{stem}(_\w+)?\.py")
    for path in sorted(target.rglob("*.py")):
        example = path.parent.name == "examples" and re.search(rf"\b{name}\b", path.read_text())
        if named.fullmatch(path.name) or example:
            yield path


# Python files


class Pruner:
    """What is to be cut out of a Python file.

    Parameters
    ----------
    path : Path
    name : str
        Of the estimator.
    in_package : bool
        Whether it is part of `skae`, where code that is no entry of a list stays.

    Attributes
    ----------
    cuts : list of tuple (int, int)
        Offsets of what goes.
    scattered : list of str
        What goes that is no entry of a list.
    left : list of str
        Mentions that stay.
    """

    def __init__(self, path, name, in_package):
        self.path, self.name, self.text = path, name, path.read_text()
        self.in_package = in_package
        self.lines = self.text.splitlines(keepends=True)
        self.word = re.compile(rf"\b{name}\b")
        self.cuts, self.scattered, self.left = [], [], []
        tree = ast.parse(self.text)
        self.docstrings = set(_docstrings(tree))
        self._visit(tree, [])

    def _visit(self, node, parents):
        if self._mentions(node):
            self._cut_around(node, parents)
            return
        for child in ast.iter_child_nodes(node):
            self._visit(child, [*parents, node])

    def _mentions(self, node):
        if isinstance(node, ast.alias):
            return node.name == self.name
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str) and bool(self.word.search(node.value))
        return self.name in (getattr(node, "id", None), getattr(node, "attr", None))

    def _cut_around(self, node, parents):
        if node in self.docstrings:
            self._cut_see_also(node)
            return
        chain = [*parents, node]
        for outer, inner in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
            if self._is_list_with(outer, inner):
                self._cut_entry(outer, inner)
                return
            if not self.in_package and isinstance(inner, ast.Expr):  # of a function: it yields
                self._cut_statement(inner)
                return
        self._cut_scattered(node, parents)

    def _is_list_with(self, outer, inner):
        """Whether a node is a list of things of which one may go."""
        if isinstance(outer, ast.Tuple):
            return all(isinstance(item, NAMES) for item in outer.elts) and (
                not isinstance(inner, ast.Constant) or inner.value == self.name
            )
        return isinstance(outer, (ast.ImportFrom, ast.List, ast.Set, ast.Dict))

    def _cut_entry(self, outer, inner):
        if isinstance(outer, ast.ImportFrom) and len(outer.names) == 1:
            self._cut_statement(outer)
        elif isinstance(outer, ast.Dict):
            pairs = zip(outer.keys, outer.values, strict=True)
            key, value = next(pair for pair in pairs if inner in pair)
            start = self._offset(value) - len("**") if key is None else self._offset(key)
            self._cut(start, self._offset(value, end=True))
        else:
            self._cut(self._offset(inner), self._offset(inner, end=True))

    def _cut(self, start, end):
        """Cut an entry with the comma behind it, or before it where it is the last."""
        comma = re.compile(r"\s*,[ \t]*").match(self.text, end)
        if comma:
            end = comma.end()
        else:
            start = len(self.text[:start].rstrip().removesuffix(","))
        self.cuts.append((start, end))

    def _cut_statement(self, node):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        start = sum(map(len, self.lines[: first - 1]))
        self.cuts.append((start, sum(map(len, self.lines[: node.end_lineno]))))

    def _cut_scattered(self, node, parents):
        """Cut the test, or the statement of a file, that a mention stands in."""
        where = f"{self.path.name}:{node.lineno}"
        if self.in_package:
            self.left.append(where)
            return
        self._cut_statement(parents[1] if len(parents) > 1 else node)
        self.scattered.append(f"{where} {getattr(parents[1], 'name', 'a statement')}")

    def _cut_see_also(self, node):
        entry = re.compile(rf"^ *{self.name} : .*\n", re.MULTILINE)
        start, end = self._offset(node), self._offset(node, end=True)
        found = entry.search(self.text, start, end)
        if found:
            title = re.compile(r" *See Also\n *-+\n\Z").search(self.text, start, found.start())
            alone = title and self.text[found.end()] == "\n"
            self.cuts.append((title.start(), found.end() + 1) if alone else found.span())
        rest = entry.sub("", self.text[start:end])
        if self.word.search(rest):
            self.left.append(f"{self.path.name}:{node.lineno}, a docstring")

    def _offset(self, node, end=False):
        line, column = (
            (node.end_lineno, node.end_col_offset) if end else (node.lineno, node.col_offset)
        )
        before = self.lines[line - 1].encode()[:column].decode()
        return sum(map(len, self.lines[: line - 1])) + len(before)

    def write(self):
        """Write the file without what goes."""
        kept, reached = [], 0
        for start, end in sorted(self.cuts):  # some lie within others
            kept.append(self.text[reached : max(start, reached)])
            reached = max(end, reached)
        self.path.write_text("".join([*kept, self.text[reached:]]))


def _docstrings(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            yield body[0].value


# Documents and settings


def prune_lines(path, name, stem):
    """Cut rows of tables and items of lists; return the numbers of lines that still mention it."""
    kept, in_item = [], False
    for line in path.read_text().splitlines(keepends=True):
        goes = _is_about(line, name, stem) or (in_item and line.startswith("  "))
        in_item = goes and line[:2] in ("- ", "  ") and path.suffix == ".md"
        if not goes:
            kept.append(re.sub(rf"^(\|.*?)(?:`{name}`, |, `{name}`)", r"\1", line))
    path.write_text("".join(kept))
    word = re.compile(rf"\b({name}|{stem})\b", re.IGNORECASE)
    return [f"{path.name}:{i}" for i, line in enumerate(kept, 1) if word.search(line)]


def _is_about(line, name, stem):
    """Whether a row's first cell, an item's head or a setting names the estimator alone."""
    row = re.match(rf"\|[^|`]*`{name}`[^|`]*\|", line)
    item = re.match(rf"- (\*\*{stem}\.?\*\*|`{name}`)", line, re.IGNORECASE)
    setting = re.match(rf' +".*\b{stem}\b.*",', line, re.IGNORECASE)
    return bool(row or item or setting)


def prune_code(path, name):
    """Cut the code of a page from the first block on that mentions it: later ones build on it."""
    kept, goes = [], False
    for part in re.split(r"(```python\n.*?```\n)", path.read_text(), flags=re.DOTALL):
        is_code = part.startswith("```python")
        goes |= is_code and bool(re.search(rf"\b{name}\b", part))
        if not (is_code and goes):
            kept.append(part)
    path.write_text("".join(kept))


def prune_links(path, removed):
    """Cut rows that name a file that is gone; elsewhere a link becomes its words."""
    kept = []
    for line in path.read_text().splitlines(keepends=True):
        gone = [name for name in removed if name in line]
        if gone and (line.startswith("|") or line.strip() in removed):
            continue
        for name in gone:
            line = line.replace(f"tests/benchmarks/{name}", "a script")
        kept.append(line)
    pages = "|".join(re.escape(name) for name in removed if name.endswith(".md"))
    text = "".join(kept)
    if pages:
        text = re.sub(rf"\[([^\]]*)\]\([^)]*\b(?:{pages})[^)]*\)", r"\1", text)
    path.write_text(text)


def remove(name, target):
    """Remove an estimator from a copy; print what was no entry, and what is left."""
    stem = module_of(name)
    pages = [*target.glob("*.md"), *(target / "docs").rglob("*.md")]
    own_pages = [p for p in pages if re.match(rf"# .*`{name}`", p.read_text())]
    own = [*own_files(target, name, stem), *own_pages]
    for path in own:
        path.unlink()
        print("removed", path.relative_to(target))
    removed = [path.name for path in own] + [f"guide/{path.stem}" for path in own_pages]
    scattered, left = [], []
    for path in sorted(p for p in target.rglob("*.py") if p.name != Path(__file__).name):
        pruner = Pruner(path, name, path.relative_to(target).parts[0] == "skae")
        pruner.write()
        scattered += pruner.scattered
        left += pruner.left
    documents = [path for path in pages if path not in own_pages and path.name != "changelog.md"]
    for path in documents:
        prune_links(path, removed)
        prune_code(path, name)
    for path in [*documents, target / "pyproject.toml"]:
        left += prune_lines(path, name, stem)
    for arguments in (["check", "--fix", "-q"], ["format", "-q"]):  # imports of no more use
        subprocess.run([sys.executable, "-m", "ruff", *arguments, "."], cwd=target, check=False)
    print("went too, and belong in a file of its own:", *scattered or ["nothing"], sep="\n    ")
    print("prose that still mentions it:", *left or ["nothing"], sep="\n    ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of a class, such as ContractiveAutoencoder")
    parser.add_argument("target", type=Path, help="a folder that does not exist yet")
    options = parser.parse_args()
    options.target.mkdir(parents=True)
    copy_tree(options.target)
    remove(options.name, options.target)
