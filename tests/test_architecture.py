"""The arrows of docs/ARCHITECTURE.md: who may import whom, read from the syntax trees of both packages."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"d2lhelpers": ROOT / "d2lhelpers", "nbtolerance": ROOT / "nbtolerance" / "nbtolerance"}


def module_name(path):
    package, folder = next((name, folder) for name, folder in PACKAGES.items() if folder in path.parents)
    parts = [package, *path.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree, name, is_package):
    """The full names that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.update({module, *(f"{module}.{alias.name}" for alias in node.names)})
    return found


ARROWS = {
    module_name(path): imported(ast.parse(path.read_text("utf-8")), module_name(path), path.name == "__init__.py")
    for folder in PACKAGES.values()
    for path in folder.rglob("*.py")
}


def within(name, *rooms):
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def wrong_arrows(arrows, start, forbidden, exempt=()):
    """Arrows from ``start`` to ``forbidden``; what is in ``exempt`` may have them."""
    return sorted(
        f"{name} imports {target}"
        for name, targets in arrows.items()
        if within(name, *start) and not within(name, *exempt)
        for target in targets
        if within(target, *forbidden)
    )


RULES = [
    (["nbtolerance"], ["d2lhelpers", "mxnet"], []),
    (["d2lhelpers"], ["d2lhelpers.suite", "nbtolerance"], ["d2lhelpers.suite", "d2lhelpers.__main__"]),
    (["d2lhelpers.numpy_cnn"], ["mxnet"], []),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule[0][0]} -x- {rule[1][0]}")
def test_no_arrow_points_the_wrong_way(rule):
    assert wrong_arrows(ARROWS, *rule) == []


def circles(arrows):
    """The modules that import each other round about; packages, which hand on names of their modules, aside."""
    packages = {name.rpartition(".")[0] for name in arrows}
    left = {name: targets & set(arrows) - packages - {name} for name, targets in arrows.items() if name not in packages}
    while ready := {name for name, targets in left.items() if not targets & set(left)}:
        left = {name: targets for name, targets in left.items() if name not in ready}
    return sorted(left)


def test_there_is_no_circle_between_modules():
    assert circles(ARROWS) == []
    assert circles({"p.a": {"p.b"}, "p.b": {"p.c"}, "p.c": {"p.b"}, "p": {"p.a"}}) == ["p.a", "p.b", "p.c"]


def test_a_wrong_arrow_would_be_found():
    tree = ast.parse("def f():\n    from ..suite import files\n    import mxnet.gluon\n    from . import iterators")
    targets = imported(tree, "d2lhelpers.data.labels", False)
    assert targets >= {"d2lhelpers.suite", "d2lhelpers.suite.files", "mxnet.gluon", "d2lhelpers.data.iterators"}
    assert wrong_arrows({"d2lhelpers.data.labels": targets}, *RULES[1]) != []


def test_every_module_has_its_place_on_the_card():
    card = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    words = set(re.findall(r"[a-z_0-9]+", card))
    assert {name.split(".")[-1] for name in ARROWS if not name.endswith("__main__")} <= words
