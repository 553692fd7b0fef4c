import base64
import hashlib
import json
import re
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from d2lhelpers.suite import site
from d2lhelpers.suite.cli import main

import nbformat
import pytest
from nbformat import v4

from nbtolerance import execution

ROOT = Path(__file__).resolve().parents[2]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

README = """# Gluon

[中文](README.zh-CN.md)

First things, *first*. Second
things. Third things. A fourth sentence.

## The notebooks

| notebook | you learn | minutes |
|---|---|---|
| [1. First](notebooks/01_first.ipynb) | a 2 | 0.1 |
| [2. Second](notebooks/02_second.ipynb) | b | 3.0 |

Solved in [solutions](notebooks/solutions).

## The map

| **T0** 池化 | [02](notebooks/02_second.ipynb), *Part* |
|---|---|

## Data

Not on the index: [licence](LICENSE).
"""


def notebook(title, text="Why.", printed="recorded\n"):
    figure = v4.new_output("display_data", {"image/png": PIXEL})
    cells = [
        v4.new_markdown_cell(f"# {title}\n\n{text}\n\n## Part", id="opening"),
        v4.new_code_cell("raise SystemError", id="cell-1", outputs=[v4.new_output("stream", text=printed)]),
        v4.new_code_cell(
            "plot()", id="plot-it", outputs=[figure], metadata={"alt": 'Loss falls from 2 to "1" & stays'}
        ),
        v4.new_code_cell("plot()", id="plot-more", outputs=[figure]),
    ]
    shows = {"shows": {"cell": "cell-1", "title": "Sum"}}
    return v4.new_notebook(cells=cells, metadata={"d2lhelpers": {"data": [], "stamp": {}, **shows}})


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of two notebooks, one of solutions, and documents; nothing in it may be executed."""
    root = tmp_path / "project"
    files = {
        "README.md": README,
        "README.zh-CN.md": "# 笔记本\n\n[English](README.md)\n",
        "LICENSE": "You may <do> it.\n",
        "docs/glossary.md": "# The glossary\n\n[One](../notebooks/01_first.ipynb#Part): $x^2$.\n\n"
        "## A busy day, too\n\n"
        "| English | 中文 | in one sentence | met in |\n|---|---|---|---|\n"
        "| stride | 步幅 | A step </script>. | [02](../notebooks/02_second.ipynb) |\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    notebooks = {
        "01_first": notebook("1. First", "Before [two](02_second.ipynb). [Busy](../docs/glossary.md#a-busy-day-too)."),
        "02_second": notebook("2. Second"),
        "solutions/01_first_solutions": notebook("Solutions"),
    }
    (root / "notebooks" / "solutions").mkdir(parents=True)
    for name, nb in notebooks.items():
        nbformat.write(nb, root / "notebooks" / f"{name}.ipynb")
    monkeypatch.setattr(execution.Session, "__init__", lambda *_, **__: pytest.fail("a kernel is started"))
    return root


@pytest.fixture
def no_pdoc(monkeypatch):
    monkeypatch.setitem(sys.modules, "pdoc", None)


def build(root):
    return main(["site", "--notebooks", str(root / "notebooks"), "--build", str(root.parent / "built")])


def page(root, name):
    return (root.parent / "built" / "html" / name).read_text("utf-8")


def test_all_pages_are_built_from_what_is_recorded(project, no_pdoc, capsys):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert build(project) == 0
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    built = project.parent / "built"
    assert sorted(path.relative_to(built).as_posix() for path in built.rglob("*.*") if path.is_file()) == [
        "html/01_first.html",
        "html/02_second.html",
        "html/LICENSE.txt",
        "html/README.html",
        "html/README.zh-CN.html",
        "html/docs/glossary.html",
        "html/index.html",
        "html/solutions/01_first_solutions.html",
    ]
    first = page(project, "01_first.html")
    assert "recorded\n" in first and 'class="banner' not in first and 'rel="next">2. Second' in first
    solutions = page(project, "solutions/01_first_solutions.html")
    around = re.findall('href="(.*?)" rel="(.*?)">(.*?)</a>', solutions)
    assert around == 2 * [("../01_first.html", "prev", "← 1. First"), ("../02_second.html", "next", "2. Second →")]
    out, err = capsys.readouterr()
    assert out == f"pages: {built / 'html' / 'index.html'}\n" and err == "API pages: skipped, no pdoc\n"


def test_one_can_land_on_the_index(project, no_pdoc):
    build(project)
    index = page(project, "index.html")
    assert "First things, <em>first</em>. Second\nthings. Third things.</p>" in index
    assert "fourth" not in index and "Not on the index" not in index
    assert re.findall(r'<td class="number">(.*?)</td>', index) == ["0.1", "3.0"]
    assert ">Minutes<" in index and ">Seconds<" not in index and ">Result<" not in index
    assert "<code>Sum: recorded</code>" in index
    sections = dict(re.findall(r'<h2 id="section-\d">(.*?)</h2>(.*?)(?=<h2|</main>)', index, re.DOTALL))
    assert list(sections) == ["The map", "Where the data came from", "Further pages"]
    assert (
        '<a href="02_second.html">02</a>' in sections["The map"] and "<strong>T0</strong> 池化" in sections["The map"]
    )
    assert all(
        f"<li>{title}" in sections["Where the data came from"] for title in ("MNIST", "Fashion-MNIST", "CIFAR-10")
    )
    assert '<a href="docs/glossary.html">The glossary</a>' in sections["Further pages"] and "API" not in index


def test_every_link_stays_within_the_site_and_leads_somewhere(project, no_pdoc):
    build(project)
    html = project.parent / "built" / "html"
    followed = 0
    for source in html.rglob("*.html"):
        for address in re.findall(r'href="(.*?)"', source.read_text("utf-8")):
            parts = urlsplit(unescape(address))
            if not parts.scheme:
                target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
                assert html in target.parents and target.is_file(), (source.name, address)
                if parts.fragment:
                    assert f'id="{unquote(parts.fragment)}"' in target.read_text("utf-8"), (source.name, address)
                followed += 1
    assert followed > 20


def test_documents_are_pages_like_the_notebooks(project, no_pdoc):
    build(project)
    glossary = page(project, "docs/glossary.html")
    assert "<title>The glossary</title>" in glossary and '<html lang="en">' in glossary and "<msup>" in glossary
    assert '<a href="../01_first.html#Part">One</a>' in glossary and '<a href="../index.html">' in glossary
    assert '<html lang="zh-CN">' in page(project, "README.zh-CN.html")
    assert page(project, "LICENSE.txt") == "You may <do> it.\n"


def test_every_picture_has_a_text_and_no_page_runs_a_script(project, no_pdoc):
    build(project)
    first = page(project, "01_first.html")
    alts = [unescape(alt) for _, alt in re.findall(r"""alt=(["'])(.*?)\1""", first)]
    assert alts == ['Loss falls from 2 to "1" & stays', "Figure: plot more"] and first.count("<img") == 2
    for path in (project.parent / "built" / "html").rglob("*.html"):
        html = path.read_text("utf-8")
        policy = re.search(r"""content="script-src '([^']*)'; object-src""", html)[1]
        if path.name != "index.html":
            assert "<script" not in html and policy == "none"
        else:  # the one script, and no other, runs
            (script,) = re.findall(r'<script type="module">(.*?)</script>', html, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert policy == f"sha256-{digest}" and html.count("<script") == 2


def test_terms_and_headings_can_be_found(project, no_pdoc):
    build(project)
    index = page(project, "index.html")
    entries = json.loads(re.search(r'<script type="application/json" id="entries">(.*?)</script>', index)[1])
    assert entries[0] == ["stride 步幅", "A step </script>.", "02_second.html"]
    assert ["Part", "1. First", "01_first.html#Part"] in entries
    assert ["A busy day, too", "The glossary", "docs/glossary.html#a-busy-day-too"] in entries
    html = project.parent / "built" / "html"
    for _, _, address in entries:
        name, _, fragment = address.partition("#")
        assert f'id="{fragment}"' in (html / name).read_text("utf-8") or not fragment


@pytest.mark.slow
def test_the_api_pages_are_of_one_make_with_the_others(project, monkeypatch):
    monkeypatch.setattr(site, "_api_modules", lambda: ["nbtolerance", "nbtolerance.markers", "nbtolerance.sanitizing"])
    assert build(project) == 0
    markers = page(project, "api/nbtolerance/markers.html")
    assert '<h2 id="parse_markers">' in markers and "<strong" in markers and "&lt;" not in markers.split("</style>")[1]
    assert "<script" not in markers and 'href="../../index.html">All notebooks' in markers
    found = json.loads(re.search(r'id="entries">(.*?)</script>', page(project, "index.html"))[1])
    assert ["parse_markers", "nbtolerance.markers", "api/nbtolerance/markers.html#parse_markers"] in found


class Pdoc:
    """Stands in for the process of pdoc."""

    def __init__(self, returncode=0, stderr=""):
        self.returncode, self.stderr, self.command = returncode, stderr, None

    def __call__(self, command, **options):
        self.command = command
        if self.returncode == 0:
            folder = Path(command[command.index("-o") + 1])
            folder.mkdir(parents=True)
            (folder / "index.html").write_text("API")
        return self


def test_the_api_pages_are_linked(project, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pdoc", sys)  # something that has a __spec__
    monkeypatch.setattr(site.subprocess, "run", pdoc := Pdoc())
    assert build(project) == 0 and capsys.readouterr().err == ""
    assert '<a href="api/index.html">' in page(project, "index.html")
    modules = pdoc.command[pdoc.command.index("-o") + 2 :]
    assert {"d2lhelpers", "d2lhelpers.training", "d2lhelpers.numpy_cnn", "nbtolerance.figures"} <= set(modules)
    assert not [name for name in modules if "suite" in name or "__" in name]


def test_a_fault_of_pdoc_is_said_and_the_other_pages_are_there(project, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pdoc", sys)
    monkeypatch.setattr(site.subprocess, "run", Pdoc(1, "Traceback\nOSError: full\n"))
    assert build(project) == 1 and capsys.readouterr().err == "API pages: pdoc failed: OSError: full\n"
    assert "API" not in page(project, "index.html")


def test_what_cannot_be_read_or_written_is_named(project, no_pdoc, capsys):
    (project.parent / "built").write_text("mine")
    assert build(project) == 2 and "expected a folder to build in, got" in capsys.readouterr().err
    second = project / "notebooks" / "02_second.ipynb"
    second.write_text(second.read_text().replace('"stamp": {}', '"stamp": 5'))
    assert build(project) == 2 and "expected metadata.d2lhelpers with a list as data" in capsys.readouterr().err
    second.write_text("nojson")
    assert build(project) == 2 and "expected a notebook of format 4" in capsys.readouterr().err
    assert main(["site", "--notebooks", str(project / "docs")]) == 2


def test_the_readme_of_this_project_has_what_the_index_takes_from_it():
    introduction, sections = site._read_readme((ROOT / "README.md").read_text("utf-8"))
    assert (
        introduction.count(". ") == 2
        and introduction.endswith(".")
        and "five published tutorials" in " ".join(introduction.split())
    )
    assert sections["The map"].count("notebooks/") > 20
    spine = {path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
    minutes = site._minutes(sections["The notebooks"])
    assert spine <= set(minutes) and all(float(value) > 0 for value in minutes.values())
