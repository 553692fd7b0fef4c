"""What made a notebook's recorded outputs, as hashes: its code, the helper modules it names, its data, the pins.

Nothing is executed: imports are read from the syntax trees. A helper module's hash is that of what its code does, not
of how it is written: comments, docstrings and layout do not count, and it is the same on every Python.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
from pathlib import Path

import d2lhelpers

from nbformat import NotebookNode

from ..data.registry import data_set

__all__ = ["code_hash", "fingerprint", "named_helpers", "parse_cell"]

_PACKAGE = Path(d2lhelpers.__file__).parent
_NAME = d2lhelpers.__name__


def fingerprint(notebook: NotebookNode, data_names: list[str], lock: str | os.PathLike) -> dict:
    """Hash everything that decides a notebook's outputs, but the machine.

    Args:
        notebook: The notebook.
        data_names: Names of the data sets that it needs, of the registry.
        lock: The file ``requirements.lock``.

    Returns:
        SHA-256 in hexadecimal: ``code`` and ``pins`` as strings, ``helpers`` and ``data`` as dicts by name.
    """
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return {
        "code": _sha256("\0".join(sources)),
        "helpers": {name: code_hash(path) for name, path in sorted(named_helpers(sources).items())},
        "data": {
            name: _sha256("".join(f"{file.name} {file.sha256}\n" for file in data_set(name).files))
            for name in sorted(data_names)
        },
        "pins": _sha256(_pins(lock)),
    }


def _pins(lock):
    """The lock without its comments, which say how it was made."""
    try:
        lines = Path(lock).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(line for line in map(str.strip, lines) if line and not line.startswith("#"))


def _sha256(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def code_hash(path: str | os.PathLike) -> str:
    """Hash what a module's code does.

    Args:
        path: The module's source file.

    Returns:
        SHA-256 in hexadecimal; the same for the same code whatever its comments, docstrings and layout, and on every
        Python from 3.9 on (``ast.dump`` is not).
    """
    return _code_hash(Path(path).read_bytes())


@functools.lru_cache(maxsize=256)  # keyed by the content: a module that changes is read anew
def _code_hash(source):
    return _sha256(json.dumps(_plain(_tree(source))))


@functools.lru_cache(maxsize=256)
def _tree(source):
    return ast.parse(source)


def _plain(node):
    """A syntax tree as nested lists, without what differs between Pythons: empty fields, empty texts in f-strings."""
    if isinstance(node, ast.JoinedStr):
        parts = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
        return ["JoinedStr", *map(_plain, parts)]
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if name not in ("kind", "type_comment")]
        filled = [[name, _plain(value)] for name, value in fields if value is not None and value != []]
        return [type(node).__name__, *filled]
    if isinstance(node, list):
        return [_plain(item) for item in node if not _is_bare_string(item)]
    return None if node is None else f"{type(node).__name__} {ascii(node)}"


def _is_bare_string(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def named_helpers(sources: list[str]) -> dict[str, Path]:
    """Find the modules of this package that code names itself, but not what those import in turn.

    ``d2lhelpers`` itself counts for nothing but the module that it takes a name from: it holds a table of names.

    Args:
        sources: The sources of code cells.

    Returns:
        The modules' files by name.
    """
    names = {name for source in sources for name in _imports(parse_cell(source), "")} - {_NAME}
    return {name: path for name in names if (path := _file(name)) is not None}


def parse_cell(source: str) -> ast.Module:
    """Parse a code cell, which may be IPython's own: ``%magic``, ``!command``, ``name?``, ``%%magic`` on top.

    Args:
        source: The cell's source.

    Returns:
        Its syntax tree; below ``%%magic`` that of the other lines. An empty one where they are no Python.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # ValueError: a null character, on older Pythons
        first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        return parse_cell(rest)
    from IPython.core.inputtransformer2 import TransformerManager  # slow to import, and seldom needed

    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _imports(tree, package):
    """Name our modules that a syntax tree imports or takes names from; ``package`` is for relative imports."""
    names, aliases = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == _NAME:
                    names.add(alias.name)
                    if alias.asname is None or alias.name == _NAME:
                        aliases.add(alias.asname or _NAME)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, package)
            if module.split(".")[0] == _NAME:
                names.update(*(_owners(module, alias.name) for alias in node.names))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            names.add(_owner(_NAME, node.attr))
    return names


def _absolute(node, package):
    """The full name of the module in ``from module import name``."""
    if not node.level:
        return node.module
    parents = package.split(".")
    return ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])


def _owners(module, name):
    """The modules that ``from module import name`` reaches into: one, but for ``*``."""
    if name != "*":
        return {_owner(module, name)}
    return {f"{_NAME}.{owner}" for owner in d2lhelpers._EXPORTS} if module == _NAME else {module}


def _owner(module, name):
    """The module that ``from module import name`` reaches into, also where a package hands on a module's names."""
    if _file(f"{module}.{name}"):
        return f"{module}.{name}"
    if module == _NAME:
        return next((f"{module}.{owner}" for owner, names in d2lhelpers._EXPORTS.items() if name in names), module)
    path = _file(module)
    if path is not None and path.name == "__init__.py":
        for node in ast.walk(_tree(path.read_bytes())):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return _owner(_absolute(node, module), alias.name)
    return module


def _file(name):
    """The source file of a module of this package, or None where there is no such module."""
    path = _PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None
