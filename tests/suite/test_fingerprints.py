from pathlib import Path

import d2lhelpers
from d2lhelpers.data import DATA_SETS
from d2lhelpers.suite.fingerprints import code_hash, fingerprint, named_helpers, parse_cell

import pytest
from nbformat import v4

CODE = '''
"""What the module is for."""
import os

LIMIT = 3  # why three


def area(height, width=1, *, unit: str = "m") -> str:
    """Say how large it is."""
    for _ in range(LIMIT):
        height += 0.5 if os.sep else -1e400j
    return f"{height * width:>{LIMIT}.2f}" f" {unit!r}{width:{LIMIT}}" "²"
'''
SAME = '''
import os
LIMIT = (3)
# a new comment
def area(height, width=1, *,
         unit: str = 'm') -> str:
    """Another text."""
    "and a bare one"
    for _ in range(LIMIT):
        height += (0.5 if os.sep else -1e400j)

    return (f"{height * width:>{LIMIT}.2f}"
            f' {unit!r}{width:{LIMIT}}²')
'''
# The same number on Python 3.9, 3.10, 3.11, 3.12 and 3.13: f-strings are cut differently by 3.12.1.
EVERYWHERE = "1941b5117be273616c2ecae0e541189387d17c4a729dce2d1853d379205a178c"


@pytest.fixture
def hash_of(tmp_path):
    def hash_of(source):
        (tmp_path / "module.py").write_text(source, "utf-8")
        return code_hash(tmp_path / "module.py")

    return hash_of


def test_the_hash_of_code_ignores_comments_docstrings_and_layout(hash_of):
    assert hash_of(CODE) == hash_of(SAME)


@pytest.mark.parametrize(
    "old, new",
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("LIMIT = 3", "LIMIT = None"),
        ("0.5", "-0.5"),
        ("* width", "/ width"),
        (".2f", ".3f"),
        ("!r", "!s"),
        ('" {unit', '"  {unit'),
        ("²", "³"),
        ("width=1, *,", "width=1,"),
        ("return f", "f"),
        ("-> str", "-> bytes"),
    ],
)
def test_the_hash_of_code_sees_what_the_code_does(hash_of, old, new):
    assert CODE.count(old) >= 1
    assert hash_of(CODE) != hash_of(CODE.replace(old, new))


def test_the_hash_of_code_is_the_same_on_every_python(hash_of):
    assert hash_of(CODE) == EVERYWHERE


def helpers(*sources):
    """The short names of the modules that code names."""
    found = named_helpers(list(sources))
    assert all(path.is_file() for path in found.values())
    return {name[len("d2lhelpers.") :] for name in found}


@pytest.mark.parametrize(
    "source, named",
    [
        ("import numpy as np", set()),
        ("from d2lhelpers import accuracy", {"metrics"}),
        ("from d2lhelpers import metrics as m", {"metrics"}),
        ("from d2lhelpers.metrics import accuracy", {"metrics"}),
        ("import d2lhelpers.metrics", {"metrics"}),
        ("import d2lhelpers as d\n%timeit 1\nd.evaluate_accuracy", {"metrics"}),
        ("if True:\n    !ls\n    from d2lhelpers import accuracy", {"metrics"}),
        ("f = !ls\nfrom d2lhelpers import accuracy\naccuracy?", {"metrics"}),
        ("\n%%capture\n%%time\n%matplotlib inline\nfrom d2lhelpers import accuracy", {"metrics"}),
        ("from d2lhelpers import *", set(d2lhelpers._EXPORTS)),
        ("from d2lhelpers.metrics import *", {"metrics"}),
    ],
)
def test_every_way_to_import_a_helper_is_found(source, named):
    assert helpers(source) == named


@pytest.mark.parametrize(
    "source",
    [
        "%%bash\nfor i in 1 2; do echo $i; done",
        "%%html\n<b>hi</b>",
        "%%bash",
        "f = !echo hi",
        "len?",
        "??len",
        "%timeit 1",
        "no Python",
        "'\0'",
    ],
)
def test_cells_of_ipythons_own_import_nothing(source):
    parse_cell(source)
    assert helpers(source) == set()
    assert helpers(source, "from d2lhelpers import accuracy") == {"metrics"}


def test_a_helper_is_its_own_module_and_not_what_that_imports():
    assert helpers("import d2lhelpers") == set()
    assert helpers("from d2lhelpers import fit") == {"training"}
    assert helpers("from d2lhelpers.data import load_data_mnist") == {"data.iterators"}


def test_the_modules_found_are_those_that_an_import_loads():
    for module, names in d2lhelpers._EXPORTS.items():
        for name in names:
            if (Path(d2lhelpers.__file__).parent / f"{module}.py").is_file():
                assert helpers(f"from d2lhelpers import {name}") == {module}


def test_a_fingerprint_names_everything_that_made_the_outputs(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("# made by hand\nnumpy==2.0.0 \\\n    --hash=sha256:00\n")

    def made_by(source, data=(), lock=lock):
        return fingerprint(v4.new_notebook(cells=[v4.new_markdown_cell("text"), v4.new_code_cell(source)]), data, lock)

    plain = made_by("from d2lhelpers import seed_everything", ["mnist"])
    assert set(plain) == {"code", "helpers", "data", "pins"} and set(plain["data"]) == {"mnist"}
    source = Path(d2lhelpers.__file__).parent / "seeding.py"
    assert plain["helpers"] == {"d2lhelpers.seeding": code_hash(source)}
    other = made_by("from d2lhelpers import seed_everything as seed")
    assert other["helpers"] == plain["helpers"] and other["code"] != plain["code"] and other["data"] == {}

    lock.write_text("# made another way\nnumpy==2.0.0 \\\n    --hash=sha256:00\n")
    assert made_by("1")["pins"] == plain["pins"]
    lock.write_text("numpy==2.0.1 \\\n    --hash=sha256:00\n")
    assert made_by("1")["pins"] != plain["pins"]
    assert made_by("1", lock=tmp_path / "none")["pins"] not in ("", plain["pins"])


def test_the_fingerprint_of_data_changes_with_any_file(monkeypatch):
    def made_by():
        return fingerprint(v4.new_notebook(), ["mnist"], "no.lock")["data"]["mnist"]

    before, entry = made_by(), DATA_SETS["mnist"]
    last = entry.files[-1].__class__(entry.files[-1].name, entry.files[-1].size, "0" * 64)
    monkeypatch.setitem(DATA_SETS, "mnist", entry.__class__(**{**vars(entry), "files": (*entry.files[:-1], last)}))
    assert made_by() != before
