"""Every notebook as committed: saved from one clean run, built as the others are, missed by nobody."""

import ast
import json
import re
import statistics
import subprocess
from pathlib import Path

from d2lhelpers.suite.fingerprints import parse_cell

import nbformat
import pytest
from nbval.plugin import comment_markers, metadata_tags

from nbtolerance import parse_markers

ROOT = Path(__file__).resolve().parents[1]
SPINE = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
NOTEBOOKS = SPINE + SOLUTIONS
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, ROOT / "docs", ROOT / "benchmarks", ROOT / "nbtolerance")
    for path in folder.glob("*.md")
)
READERS = {  # what reads a data set: its name in the notebook's metadata
    "fashion_mnist": "fashion-mnist",
    "load_data_mnist": "mnist",
    "mnist_arrays": "mnist",
    "load_data_cifar10": "cifar-10-sample",
    "cifar10_arrays": "cifar-10-sample",
}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sources(path, kind):
    return ["".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == kind]


def named(path):
    return path.relative_to(ROOT / "notebooks").as_posix()


def asks_nbval(cell):
    """Does a cell ask nbval to do anything but compare its outputs, in a comment or a tag, perhaps a misspelt one?"""
    tags = cell["metadata"].get("tags", [])
    asked = re.search(r"(NBVAL|PYTEST_VALIDATE)_(IGNORE|SKIP|RAISES|CHECK)", "".join(cell["source"]), re.IGNORECASE)
    return bool(asked) or any(tag in metadata_tags or tag.startswith("nbval") for tag in tags)


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
every_of_the_spine = pytest.mark.parametrize("path", SPINE, ids=named)


def test_there_are_notebooks():
    assert len(SPINE) >= 4


@every_notebook
def test_it_is_a_valid_notebook_with_the_common_kernel(path):
    notebook = read(path)
    nbformat.validate(nbformat.from_dict(notebook))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert notebook["metadata"]["kernelspec"] == kernel
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info", "d2lhelpers"}
    assert notebook["metadata"]["language_info"] == {"name": "python"}


@every_notebook
def test_cells_have_readable_ids(path):
    ids = [cell["id"] for cell in read(path)["cells"]]
    assert len(set(ids)) == len(ids)
    assert [i for i in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", i) or re.fullmatch(r"[0-9a-f]{8}", i)] == []


@every_notebook
def test_it_was_saved_from_one_clean_run(path):
    cells = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    for cell in cells:
        assert sum(output["output_type"] == "stream" for output in cell["outputs"]) <= 1, "stdout is one block"
    assert not any("execution" in cell["metadata"] for cell in cells), "no timings"


@every_notebook
def test_cells_are_short(path):
    lengths = [len(source.splitlines()) for source in sources(path, "code")]
    assert max(lengths) <= 25
    assert path in SOLUTIONS or statistics.median(lengths) <= 7


@every_notebook
def test_lines_fit_a_page(path):
    lines = [line for source in sources(path, "code") for line in source.splitlines()]
    assert [line for line in lines if len(line) > 100] == []


def is_private(node):
    """Whether a piece of code uses a name that begins with one underscore, of its own or of a module."""
    name = getattr(node, "id", getattr(node, "attr", getattr(node, "arg", getattr(node, "name", None))))
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__") and name != "_"


def shows_sources(source):
    return bool(re.search(r"\binspect\b|getsource|\?\?$", source, re.MULTILINE))


def reads_the_repository(source):
    return bool(re.search(r"\.\./|\bbenchmarks\b|\bd2lhelpers[./](suite|templates)|__file__", source))


def holds_a_marker(source):
    return bool(re.search(r"#\s*NBVAL", source, re.IGNORECASE))


@every_notebook
def test_what_is_taught_stands_in_the_cell(path):
    code = sources(path, "code")
    assert [source for source in code if shows_sources(source)] == []
    assert [source for source in code if any(map(is_private, ast.walk(parse_cell(source))))] == []


@every_notebook
def test_nothing_but_data_and_installed_packages_is_read(path):
    assert [source for source in sources(path, "code") if reads_the_repository(source)] == []


@every_notebook
def test_bounds_stand_in_the_metadata(path):
    assert [source for source in sources(path, "code") if holds_a_marker(source)] == []


@pytest.mark.parametrize(
    "rule, bad, good",
    [
        (shows_sources, "import inspect", "print(inspected)"),
        (shows_sources, "fit??", "# why? because"),
        (reads_the_repository, "open('../benchmarks/results/a.json')", "open('lenet.params')"),
        (holds_a_marker, "# NBVAL_FIGURE: distance=0.1", "# validation"),
        (lambda source: any(map(is_private, ast.walk(parse_cell(source)))), "training._train_epoch", "for _ in a: b"),
        (lambda source: any(map(is_private, ast.walk(parse_cell(source)))), "def _f(): pass", "def __init__(s): pass"),
    ],
)
def test_each_rule_finds_what_breaks_it(rule, bad, good):
    assert rule(bad) and not rule(good)


@every_notebook
def test_the_import_that_must_be_first_is_and_says_why(path):
    lines = [line for source in sources(path, "code") for line in source.splitlines()]
    first = lines.index("import d2lhelpers  # first: makes MXNet importable")
    others = (
        i for i, line in enumerate(lines) if re.match(r"(import|from) (d2l|matplotlib|mxnet|numpy|scipy)\b", line)
    )
    assert first < min(others)


@every_notebook
def test_its_edits_are_tested(path):
    tests = "\n".join(test.read_text("utf-8") for test in (ROOT / "tests" / "notebooks").glob("test_*.py"))
    spine = path.stem.replace("_solutions", "")
    assert re.search(rf"[\"'/]{path.stem}[\"']", tests) or re.search(rf"[\"']{spine}[\"'](.|\n)*_solutions", tests)


@every_notebook
def test_no_output_is_ignored_or_skipped(path):
    assert [cell["id"] for cell in read(path)["cells"] if asks_nbval(cell)] == []


@pytest.mark.parametrize("marker", [*comment_markers, "nbval_skip_this"])
def test_every_comment_that_nbval_obeys_is_found(marker):
    assert asks_nbval({"source": ["1 + 1\n", f"  ##{marker} "], "metadata": {}})
    assert not asks_nbval({"source": ["# NBVAL_TOLERANCE: atol=1\n", "1.0"], "metadata": {"tags": ["hide-input"]}})


@pytest.mark.parametrize("tag", [*metadata_tags, "nbval-skip-this"])
def test_every_tag_that_nbval_obeys_is_found(tag):
    assert asks_nbval({"source": "1 + 1", "metadata": {"tags": ["hide-input", tag]}})


@every_notebook
def test_outputs_hold_no_place_of_one_machine(path):
    for cell in read(path)["cells"]:
        for output in cell.get("outputs", []):
            data = {kind: "".join(text) for kind, text in output.get("data", {}).items()}
            assert "image/svg+xml" not in data
            text = "".join(output.get("text", [])) + data.get("text/plain", "") + data.get("text/html", "")
            assert not re.search(r"/(home|root|tmp|work|usr)/| at 0x[0-9a-f]+|\d\d:\d\d:\d\d", text)


def is_sentence(text):
    """Whether a picture's text says what it shows: a sentence of five words or more, not a name."""
    return bool(re.fullmatch(r"[A-Z0-9](\S* ){4}.*[.?!]", text, re.DOTALL))


@every_notebook
def test_every_picture_is_described_in_its_cells_metadata(path):
    cells = [
        cell
        for cell in read(path)["cells"]
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert [cell["id"] for cell in cells if not is_sentence(cell["metadata"].get("alt", ""))] == []


@pytest.mark.parametrize("text", ["", "Figure: loss curve.", "loss-curve", "The loss falls and then rises"])
def test_what_is_no_description_is_found(text):
    assert not is_sentence(text) and is_sentence("The loss falls and then rises.")


@every_notebook
def test_no_statement_ends_in_a_semicolon(path):
    assert [line for source in sources(path, "code") for line in source.splitlines() if line.endswith(";")] == []


def leads_somewhere(folder, target):
    """Whether a link's file is there, and in a page of Markdown the heading that it names (as forges name them)."""
    file, _, anchor = target.partition("#")
    page = folder / file
    if not (anchor and page.suffix == ".md"):
        return page.exists()
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_notebook
def test_links_lead_somewhere(path):
    for source in sources(path, "markdown"):
        for target in re.findall(r"\]\(([^)\s]+)\)", source):
            if not target.startswith(("https://", "http://", "#")):
                assert leads_somewhere(path.parent, target), target


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page):
    prose = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not target.startswith(("https://", "http://", "#")):
            assert leads_somewhere((ROOT / page).parent, target), target


def left_open(text):
    """What stands where a word or a number was to come: outside of code, which has names of its own."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\b(?:[A-Z]{4,}\d+|TODO|TBD|FIXME|XXX+)\b|\?\?|^[A-Z\d_]+$", prose, re.MULTILINE)


@pytest.mark.parametrize("path", [*NOTEBOOKS, *(ROOT / page for page in PAGES)], ids=lambda path: path.name)
def test_nothing_was_left_open_in_the_prose(path):
    texts = sources(path, "markdown") if path.suffix == ".ipynb" else [path.read_text(encoding="utf-8")]
    assert [found for text in texts for found in left_open(text)] == []


@every_notebook
def test_no_figure_has_a_bound_under_which_something_could_be_missing(path):
    cells = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    bounds = [parse_markers("".join(cell["source"]), cell["metadata"]).figure for cell in cells]
    assert all(bound is None or bound == "size" or bound <= 0.3 for bound in bounds)


@every_notebook
def test_data_sets_are_declared(path):
    code = "\n".join(sources(path, "code"))
    used = {name for reader, name in READERS.items() if re.search(rf"\b(load_data_)?{reader}(_arrays)?\(", code)}
    assert set(read(path)["metadata"].get("d2lhelpers", {}).get("data", [])) == used


@every_of_the_spine
def test_it_opens_and_closes_as_the_others(path):
    prose = sources(path, "markdown")
    number = int(path.name[:2])
    assert re.match(rf"# {number}\. .+\n\n.+", prose[0])
    assert "**You will learn**" in prose[0] and "**Needs**" in prose[0]
    assert 3 <= len(re.findall(r"^- ", prose[0].split("**Needs**")[0], re.MULTILINE)) <= 5
    headings = re.findall(r"^## (.+)$", "\n".join(prose), re.MULTILINE)
    assert headings[-4:] == ["Summary", "Exercises", "Next", "References"]
    solutions = ROOT / "notebooks" / "solutions" / f"{path.stem}_solutions.ipynb"
    assert f"solutions/{solutions.name}" in "\n".join(prose) and solutions in SOLUTIONS


def test_the_spine_is_numbered_without_gaps():
    assert [int(path.name[:2]) for path in SPINE] == list(range(1, len(SPINE) + 1))


def test_each_notebook_leads_to_the_next():
    for path, following in zip(SPINE, SPINE[1:]):
        (closing,) = re.findall(r"## Next\n(.+?)(?=\n## |\Z)", "\n".join(sources(path, "markdown")), re.DOTALL)
        assert f"({following.name})" in closing


def test_the_readme_lists_every_notebook_and_no_other():
    linked = re.findall(r"\]\(notebooks/([^)]+\.ipynb)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(set(linked)) == sorted(path.name for path in SPINE)


def test_make_test_compares_every_notebook():
    command = ["make", "--dry-run", "test", "TESTS="]  # whatever part of it this test is run in
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (command,) = (line for line in planned.stdout.splitlines() if " --nbval " in line)
    assert command.split()[-2:] == ["tests", "notebooks"]
    assert not any(word.startswith(("--ignore", "--deselect", "-k")) for word in command.split())
    found = set((ROOT / "notebooks").rglob("*.ipynb")) - set((ROOT / "notebooks").rglob(".ipynb_checkpoints/*"))
    assert found == set(NOTEBOOKS)
