import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import time

from d2lhelpers.data import DATA_SETS, DataCorruptError, DataNotFoundError
from d2lhelpers.suite import needs, runner
from d2lhelpers.suite.needs import kernel_environment
from d2lhelpers.suite.runner import run_spine
from d2lhelpers.suite.terminal import Progress, paint, table

import nbformat
import pytest
from nbformat import v4

from nbtolerance.execution import NotebookError

from ..nbtolerance.test_execution import running

EPOCHS = "for epoch in range(3):\n    print(f'Epoch {epoch}. Loss : 0.5, Train acc : 0.8, Test acc : 0.{epoch}')"

LAST_EPOCH = {"cell": "cell-1", "title": "LeNet, last epoch"}


class Project:
    """A project of three notebooks and one of solutions, below a folder of its own."""

    def __init__(self, root):
        self.notebooks, self.build = root / "notebooks", root / "build"
        (self.notebooks / "solutions").mkdir(parents=True)
        self.write("01_first.ipynb", "import os\nos.path.basename(os.getcwd())", title="1. First")
        self.write(
            "05_lenet.ipynb", EPOCHS, "print('Epoch 1. Loss : a shorter run')", title="5. LeNet", shows=LAST_EPOCH
        )
        self.write("08_last.ipynb", "print('last')", title="8. Last")
        self.write("solutions/01_first_solutions.ipynb", "raise SystemError('solutions do not run')", title="S")

    def write(self, name, *sources, title="T", data=None, stamp=None, shows=None):
        opening = v4.new_markdown_cell(f"# {title}\n\nThis teaches {title}.", id="opening")
        cells = [v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources, 1)]
        notebook = v4.new_notebook(cells=[opening, *cells])
        if data or stamp or shows:
            ours = {"data": data or [], "stamp": stamp or {}, "shows": shows or {}}
            notebook.metadata["d2lhelpers"] = ours
        nbformat.write(notebook, self.notebooks / name)

    def run(self, jobs=1, **options):
        return run_spine(self.notebooks, self.build, jobs=jobs, **options)

    def files(self, folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def page(self, name):
        return (self.build / "html" / name).read_text("utf-8")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("D2LHELPERS_DATA", raising=False)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "mxnet"))
    return Project(tmp_path)


@pytest.fixture
def offline(monkeypatch):
    def ensure(name, root=None):
        raise DataNotFoundError(f"{name} is not here; fetch it")

    monkeypatch.setattr(needs, "ensure", ensure)


@pytest.fixture
def no_kernel(monkeypatch):
    """Counts the notebooks that would be executed, and executes none; ``effects`` are errors or signals, in order."""
    executed, effects = [], []

    async def async_execute(notebook, path, **options):
        executed.append((path.name, options["environment"]))
        effect = effects.pop(0) if effects else None
        if isinstance(effect, Exception):
            raise effect
        if effect:
            os.kill(os.getpid(), effect)
            await asyncio.sleep(60)

    monkeypatch.setattr(runner, "async_execute", async_execute)
    return executed, effects


def rows(out):
    """The table: name, seconds and result of each notebook."""
    return [re.split(r" {3,}", line.strip()) for line in out.splitlines() if re.match(r"\d\d_\S+ {3}", line)]


@pytest.mark.slow
def test_a_run_writes_copies_pages_and_a_table_and_leaves_the_notebooks_alone(project, capsys):
    project.write("08_last.ipynb", "print('last')", title="8. Last", stamp={"python": "3.9.1"})
    before = project.files(project.notebooks)
    assert project.run() == 0
    assert project.files(project.notebooks) == before

    out, err = capsys.readouterr()
    table = rows(out)
    assert [(row[0], row[2]) for row in table] == [("01_first", "ok"), ("05_lenet", "ok"), ("08_last", "ok")]
    assert all(float(row[1]) > 0 for row in table)
    assert "LeNet, last epoch: Epoch 2. Loss : 0.5, Train acc : 0.8, Test acc : 0.2\n" in out
    assert f"pages: {project.build / 'html' / 'index.html'}" in out
    assert err == "01_first: ok\n05_lenet: ok\n08_last: ok\n"

    copies = project.files(project.build / "notebooks")
    assert sorted(copies) == ["01_first.ipynb", "05_lenet.ipynb", "08_last.ipynb"]
    first = nbformat.reads(copies["01_first.ipynb"].decode(), 4)
    assert first.cells[1].outputs[0].data["text/plain"] == "'notebooks'" and first.cells[1].execution_count == 1
    assert "stamp" not in nbformat.reads(copies["08_last.ipynb"].decode(), 4).metadata.d2lhelpers

    pages = ["01_first.html", "05_lenet.html", "08_last.html", "index.html", "solutions/01_first_solutions.html"]
    assert sorted(project.files(project.build / "html")) == pages
    first = project.page("01_first.html")
    assert "'notebooks'" in first and 'rel="next">5. LeNet' in first
    assert 'class="banner' not in project.page("05_lenet.html") + project.page("index.html")
    index = project.page("index.html")
    assert "This teaches 1. First." in index and 'href="solutions/01_first_solutions.html"' in index
    assert index.count('<span class="result green">ok</span>') == 3 and "LeNet, last epoch: Epoch 2." in index
    assert f"Python {sys.version.split()[0]}, MXNet 1.9.1" in index


@pytest.mark.slow
def test_a_failing_cell_ends_the_run(project, capsys):
    project.write("05_lenet.ipynb", "x = 1", "def f():\n    raise ValueError('expected 2')\nf()", "print('never')")
    assert project.run() == 1
    out, err = capsys.readouterr()
    assert [row[::2] for row in rows(out)] == [
        ["01_first", "ok"],
        ["05_lenet", "failed: code cell 2 (cell-2): ValueError"],
        ["08_last", "not run"],
    ]
    assert "FAILED 05_lenet.ipynb, code cell 2 (id cell-2): ValueError: expected 2\n" in err
    assert "----> 3 f()" in err and err.rstrip().endswith("ValueError: expected 2")
    copies = project.files(project.build / "notebooks")
    assert sorted(copies) == ["01_first.ipynb", "05_lenet.ipynb"] and b"expected 2" in copies["05_lenet.ipynb"]
    assert "This run failed:" in project.page("05_lenet.html") and "expected 2" in project.page("05_lenet.html")
    assert "The outputs on this page are the recorded ones." in project.page("08_last.html")
    assert '<span class="result red">failed' in project.page("index.html")


@pytest.mark.slow
def test_without_data_the_stand_in_is_used_aloud_and_the_rest_is_skipped(project, offline, capsys):
    show = "import os\nprint(os.environ.get('D2LHELPERS_DATA'))"
    project.write("01_first.ipynb", show)
    project.write("05_lenet.ipynb", EPOCHS, show, data=["fashion-mnist"], shows=LAST_EPOCH)
    project.write("08_last.ipynb", show, data=["mnist"])
    assert project.run() == 0
    out, err = capsys.readouterr()
    assert out.startswith("Stand-in data: fashion-mnist is not here; fetch it. The notebooks that need")
    assert [row[::2] for row in rows(out)] == [
        ["01_first", "ok"],
        ["05_lenet", "ok, stand-in data"],
        ["08_last", "skipped: no data set mnist"],
    ]
    assert "08_last was skipped: mnist is not here; fetch it." in out
    assert re.search(r"LeNet, last epoch: Epoch 2\. .* \(stand-in data\)\n", out)
    assert "05_lenet: ok, stand-in data\n08_last: skipped: no data set mnist\n" in err

    def printed(name):
        notebook = nbformat.read(project.build / "notebooks" / name, 4)
        return notebook.cells[0].source, [cell.outputs[0].text for cell in notebook.cells if cell.cell_type == "code"]

    assert printed("01_first.ipynb") == ("# T\n\nThis teaches T.", ["None\n"])
    head, texts = printed("05_lenet.ipynb")
    assert "**Stand-in data.** This run lacked the real images" in head and texts[1] == "synthetic\n"
    assert not (project.build / "notebooks" / "08_last.ipynb").exists()
    page = project.page("05_lenet.html")
    assert page.count("Stand-in data.") == 1 and page.index('class="banner yellow"') < page.index("<h1")
    assert 'class="banner' not in project.page("01_first.html")
    assert "mnist is not here; fetch it. The outputs on this page are the recorded" in project.page("08_last.html")
    index = project.page("index.html")
    assert 'class="banner yellow"' in index and '<span class="result yellow">ok, stand-in data</span>' in index


def test_the_stand_in_called_by_name(project, no_kernel, monkeypatch, capsys):
    monkeypatch.setenv("D2LHELPERS_DATA", "synthetic")
    project.write("05_lenet.ipynb", "1", data=["fashion-mnist"])
    project.write("08_last.ipynb", "1", data=["mnist"])
    assert project.run() == 0
    out = capsys.readouterr().out
    assert out.startswith("Stand-in data: $D2LHELPERS_DATA is 'synthetic'.")
    assert [row[2] for row in rows(out)] == ["ok", "ok, stand-in data", "skipped: no data set mnist"]
    added = kernel_environment()
    assert no_kernel[0] == [
        ("01_first.ipynb", added),
        ("05_lenet.ipynb", {**added, "D2LHELPERS_DATA": "synthetic"}),
    ]


def test_no_paragraph_where_no_notebook_needs_the_missing_data(project, offline, no_kernel, capsys):
    project.write("05_lenet.ipynb", "1", data=["fashion-mnist"])
    assert project.run(only=["01", "08_last.ipynb"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("notebook")
    assert [row[2] for row in rows(out)] == ["ok", "not run: not asked for", "ok"]
    assert "<strong>Not run:</strong> not asked for. The outputs" in project.page("05_lenet.html")


def wrong_root(project, monkeypatch):
    monkeypatch.setenv("D2LHELPERS_DATA", str(project.build / "nowhere"))


def empty_root(project, monkeypatch):
    monkeypatch.setenv("D2LHELPERS_DATA", str(project.notebooks))


def corrupt_root(project, monkeypatch):
    folder = project.notebooks.parent / "data" / "fashion-mnist"
    folder.mkdir(parents=True)
    for file in DATA_SETS["fashion-mnist"].files:
        (folder / file.name).write_bytes(b"<html>not found</html>")
    monkeypatch.setenv("D2LHELPERS_DATA", str(folder.parent))


def unknown_name(project, monkeypatch):
    project.write("05_lenet.ipynb", "1", data=["fashion-minst"])


@pytest.mark.parametrize(
    "spoil, sentence",
    [
        (wrong_root, r"\$D2LHELPERS_DATA names .*nowhere, which does not exist"),
        (empty_root, r"Fashion-MNIST is not in .*notebooks \(from \$D2LHELPERS_DATA\)"),
        (corrupt_root, r"train-images-idx3-ubyte.gz is a web page"),
        (unknown_name, r"got 'fashion-minst'"),
    ],
)
def test_wrong_data_is_an_error_and_no_reason_to_fall_back(project, no_kernel, monkeypatch, capsys, spoil, sentence):
    project.write("05_lenet.ipynb", "1", data=["fashion-mnist"])
    spoil(project, monkeypatch)
    assert project.run() == 1
    out, err = capsys.readouterr()
    assert re.search(sentence, err) and out == "" and no_kernel[0] == [] and not project.build.exists()


def test_a_named_root_without_other_data_skips_what_needs_them(project, no_kernel, monkeypatch, capsys):
    monkeypatch.setenv("D2LHELPERS_DATA", str(project.notebooks))
    project.write("08_last.ipynb", "1", data=["cifar-10-sample"])
    assert project.run() == 0
    assert [row[2] for row in rows(capsys.readouterr().out)] == ["ok", "ok", "skipped: no data set cifar-10-sample"]


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_so(project, no_kernel, capsys, number, status):
    no_kernel[1][:] = [None, number]
    assert project.run() == status
    out, err = capsys.readouterr()
    assert [row[2] for row in rows(out)] == ["ok", "not run: stopped", "not run"]
    assert "stopped; no kernel is left running" in err and not (project.build / "html").exists()


def meeting(name, other, then=""):
    """Source of a cell that ends only while the other one of two runs as well."""
    return (
        f"import os, pathlib, time\npathlib.Path('../{name}').write_text(str(os.getpid()))\n"
        f"while not pathlib.Path('../{other}').exists():\n    time.sleep(0.01)\n{then}"
    )


FOR_EVER = "time.sleep(600)"


@pytest.mark.slow
def test_several_at_a_time_leave_what_one_after_the_other_does(project, capsys):
    project.write("01_first.ipynb", meeting("first", "lenet", "print('both')"), title="1. First")
    project.write(
        "05_lenet.ipynb", meeting("lenet", "first"), EPOCHS, title="5. LeNet", shows=LAST_EPOCH | {"cell": "cell-2"}
    )
    assert project.run(jobs=2) == 0
    out, err = capsys.readouterr()
    assert [row[::2] for row in rows(out)] == [["01_first", "ok"], ["05_lenet", "ok"], ["08_last", "ok"]]
    assert sorted(err.splitlines()) == ["01_first: ok", "05_lenet: ok", "08_last: ok"]
    assert "LeNet, last epoch: Epoch 2." in out and "both" in project.page("01_first.html")
    assert sorted(project.files(project.build / "notebooks")) == ["01_first.ipynb", "05_lenet.ipynb", "08_last.ipynb"]


@pytest.mark.slow
def test_a_failing_cell_ends_the_others_too(project, capsys):
    project.write("01_first.ipynb", "print('a new' + ' output')", meeting("first", "lenet", FOR_EVER), title="1. First")
    project.write("05_lenet.ipynb", meeting("lenet", "first", "raise ValueError('expected 2')"), title="5. LeNet")
    assert project.run(jobs=2) == 1
    out, err = capsys.readouterr()
    assert [row[0:3:2] for row in rows(out)] == [
        ["01_first", "not run: stopped"],
        ["05_lenet", "failed: code cell 1 (cell-1): ValueError"],
        ["08_last", "not run"],
    ]
    assert (
        err.count("FAILED") == 1 and "FAILED 05_lenet.ipynb, code cell 1 (id cell-1): ValueError: expected 2\n" in err
    )
    assert sorted(project.files(project.build / "notebooks")) == ["05_lenet.ipynb"]
    assert "a new output" not in project.page("01_first.html"), "the page shows what is recorded"
    assert not running(int((project.notebooks.parent / "first").read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_that_run(project, number):
    project.write("01_first.ipynb", meeting("first", "lenet", FOR_EVER))
    project.write("05_lenet.ipynb", meeting("lenet", "first", FOR_EVER))
    command = [sys.executable, "-m", "d2lhelpers", "run", "--jobs", "2", "--notebooks", project.notebooks]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*command, "--build", project.build], **pipes)
    files = [project.notebooks.parent / name for name in ("first", "lenet")]
    while not all(file.exists() and file.read_text() for file in files):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert [row[2] for row in rows(out)] == ["not run: stopped", "not run: stopped", "not run"]
    assert err == "stopped; no kernel is left running, and the pages are not up to date\n"
    assert not any(running(int(file.read_text())) for file in files)


@pytest.mark.parametrize("jobs, order", [(1, ["01", "05", "08"]), (2, ["08", "05", "01"])])
def test_several_at_a_time_begin_with_the_longest(project, no_kernel, jobs, order):
    table = "| [1](notebooks/01_first.ipynb) | a | 0.1 |\n| [8](notebooks/08_last.ipynb) | b | 2.0 |\n"
    table += "| [5](notebooks/05_lenet.ipynb) | c | 1.5 |\n"
    (project.notebooks.parent / "README.md").write_text(f"# T\n\n## The notebooks\n\n{table}")
    assert project.run(jobs=jobs) == 0
    assert [name[:2] for name, _ in no_kernel[0]] == order


def test_as_many_at_a_time_as_there_are_cores(project, monkeypatch):
    meant = []

    async def run_all(queue, jobs, *_):
        meant.append(jobs)

    monkeypatch.setattr(runner, "_run_all", run_all)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7})
    assert project.run(jobs=None) == 0 and meant == [3]


def test_a_kernel_that_does_not_start_is_no_cells_fault(project, no_kernel, capsys):
    no_kernel[1][:] = [NotebookError("01_first.ipynb", None, None, "KernelNotStarted", "no ipykernel", ["why"])]
    assert project.run() == 1
    out, err = capsys.readouterr()
    assert rows(out)[0][2] == "failed: KernelNotStarted"
    assert err == "FAILED 01_first.ipynb: KernelNotStarted: no ipykernel\n    why\n"


def test_what_cannot_be_found_is_named(project, no_kernel, tmp_path, capsys):
    assert project.run(only=["07"]) == 2
    assert "got '07'; there are 01_first, 05_lenet, 08_last" in capsys.readouterr().err
    assert run_spine(tmp_path / "nowhere", project.build) == 2
    assert "found none; name their folder with --notebooks" in capsys.readouterr().err
    occupied = tmp_path / "occupied"
    occupied.write_text("mine")
    assert run_spine(project.notebooks, occupied) == 2 and no_kernel[0] == []
    assert f"expected a folder to build in, got {occupied}" in capsys.readouterr().err
    assert occupied.read_text() == "mine"
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "notebooks").write_text("mine")
    assert run_spine(project.notebooks, tmp_path / "half") == 2 and no_kernel[0] == []


def test_a_broken_notebook_of_solutions_is_named_before_anything_runs(project, no_kernel, capsys):
    (project.notebooks / "solutions" / "01_first_solutions.ipynb").write_text("nojson")
    assert project.run() == 2 and no_kernel[0] == []
    assert "expected a notebook of format 4" in capsys.readouterr().err


@pytest.mark.parametrize("ours", [None, "text", {"data": None}, {"data": "mnist"}, {"stamp": None}, {"shows": "line"}])
def test_metadata_of_another_form_are_an_error(ours):
    notebook = v4.new_notebook(metadata={"d2lhelpers": ours})
    with pytest.raises(ValueError, match="expected metadata.d2lhelpers with a list as data"):
        needs.data_needs(notebook)


def test_obtain_data_finds_fetches_and_checks(monkeypatch):
    calls = []
    monkeypatch.setattr(needs, "ensure", lambda name: calls.append(("ensure", name)))
    monkeypatch.setattr(needs, "verify", lambda name: calls.append(("verify", name)))
    monkeypatch.setattr(needs, "find", lambda name: None)
    needs.obtain_data("cifar-10-sample")  # where it is not there itself, it was cut from the full set
    assert calls == [("ensure", "cifar-10-sample"), ("verify", "cifar10")]
    monkeypatch.setattr(needs, "find", lambda name: "folder")
    needs.obtain_data("cifar-10-sample")
    assert calls[2:] == [("ensure", "cifar-10-sample"), ("verify", "cifar-10-sample")]

    def corrupt(name):
        raise DataCorruptError("altered")

    monkeypatch.setattr(needs, "verify", corrupt)
    with pytest.raises(DataCorruptError):
        needs.obtain_data("mnist")


def test_nothing_heavy_is_imported_before_the_first_kernel_starts():
    heavy = {"mxnet", "nbconvert", "matplotlib", "pandas", "PIL"}
    code = f"import sys, d2lhelpers.suite.runner\nprint(*{heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "\n"


class Terminal(io.StringIO):
    """A terminal that keeps what is written; its width is that of a pseudo-terminal, which nobody has set: 0."""

    def __init__(self, descriptor):
        super().__init__()
        self.descriptor = descriptor

    def isatty(self):
        return True

    def fileno(self):
        return self.descriptor


@pytest.fixture
def terminal():
    descriptors = os.openpty()
    yield Terminal(descriptors[1])
    for descriptor in descriptors:
        os.close(descriptor)


def test_a_terminal_sees_notebook_cell_count_and_time(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress(3)
    progress.starting("05_lenet")
    progress.advance()
    progress.cell("05_lenet", 2, 3, "train-lenet")
    progress.tick()
    progress.finished("05_lenet", "ok")
    progress.close()
    seen = terminal.getvalue()
    assert "05_lenet [kernel starts]" in seen and "05_lenet [2/3] train-lenet" in seen
    assert re.search(r"1/3 cells, \d\d:\d\d", seen) and "ok" not in seen


def test_a_terminal_sees_all_that_run_at_a_time(terminal):
    progress = Progress(9, terminal)
    progress.starting("05_lenet")
    progress.cell("05_lenet", 2, 3, "train-lenet")
    progress.starting("08_last")
    assert "05 [2/3], 08 [kernel starts]  " in terminal.getvalue()
    progress.finished("05_lenet", "ok")
    progress.cell("08_last", 1, 6, "only-one")
    progress.close()
    assert "08_last [1/6] only-one  " in terminal.getvalue()


def test_tables_and_colours(terminal, monkeypatch):
    lines = table(("name", "n", "result"), [("a", "10.0", "ok"), ("longer", "2.0", "skipped")], numeric=("n",))
    assert lines == [
        "name        n   result",
        "------   ----   ------",
        "a        10.0   ok",
        "longer    2.0   skipped",
    ]
    assert paint("text", "yellow") == "text"  # pytest's own standard output is no terminal
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint("text", "yellow", terminal) == "\x1b[33mtext\x1b[0m"
    assert paint("text", None, terminal) == "text"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("text", "yellow", terminal) == "text"
