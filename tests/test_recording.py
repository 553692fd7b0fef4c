import json
import re

from d2lhelpers import recording
from d2lhelpers.execution import Execution
from d2lhelpers.recording import print_status, record, status

import nbformat
import pytest
from nbformat import v4

FLOAT = "# NBVAL_TOLERANCE: atol=0.1\nprint('loss :', float(open('loss.txt').read()))"
EXACT = "open('word.txt').read()"
SETUP = "import os\nctx = 'gpu(1)'\n\ndef seed_everything(seed): pass\n\nseed_everything(7)"


class Book:
    """A spine of one notebook, whose two outputs come from the files loss.txt and word.txt beside it."""

    def __init__(self, root):
        self.folder = root / "notebooks"
        self.folder.mkdir()
        self.lock = root / "requirements.lock"
        self.lock.write_text("numpy==2.0.0\n")
        self.path = self.folder / "01_first.ipynb"
        self.reads(loss=1.0, word="four")
        self.write(SETUP, FLOAT, EXACT)

    def reads(self, **values):
        for name, value in values.items():
            (self.folder / f"{name}.txt").write_text(str(value))

    def write(self, *sources, data=(), name="01_first.ipynb"):
        cells = [v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources, 1)]
        notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# 1. Größe", id="opening"), *cells])
        if data:
            notebook.metadata["d2lhelpers"] = {"data": list(data)}
        nbformat.write(notebook, self.folder / name)

    def edit(self, change):
        """Change the file's JSON by hand, and save it as other programs do."""
        saved = json.loads(self.path.read_text("utf-8"))
        change(saved)
        self.path.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n", "utf-8")

    def texts(self):
        """The outputs' texts, and the counts."""
        cells = [cell for cell in nbformat.read(self.path, 4).cells if cell.cell_type == "code"]
        shown = [output.get("text") or output.data["text/plain"] for cell in cells for output in cell.outputs]
        return shown, [cell.execution_count for cell in cells]

    def stamp(self):
        return nbformat.read(self.path, 4).metadata.d2lhelpers.stamp


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("D2LHELPERS_DATA", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    return Book(tmp_path)


def results(out):
    return dict(re.findall(r"^(\d\d_\w+) +[\d.]+   (.*)$", out, re.MULTILINE))


def test_only_what_left_its_tolerance_is_rewritten(book, capsys):
    # Never recorded: everything is.
    assert status(book.folder) == [(book.path, ["never recorded"])]
    assert record(book.folder) == 0
    assert results(capsys.readouterr().out) == {"01_first": "2 of 3 cells rewritten"}
    assert book.texts() == (["loss : 1.0\n", "'four'"], [1, 2, 3])
    stamp = book.stamp()
    assert (stamp.device, stamp.threads, stamp.seed) == ("gpu(1)", 2, 7)
    assert all(stamp[name] for name in ("python", "mxnet", "numpy", "matplotlib", "d2l")) and stamp.mxnet == "1.9.1"
    recorded = book.path.read_bytes()
    assert recorded == (json.dumps(json.loads(recorded), indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    assert "Größe".encode() in recorded and "execution" not in json.loads(recorded)["cells"][1]["metadata"]
    assert status(book.folder) == []

    # Within the tolerance: not a byte, although another machine made it.
    book.reads(loss=1.05)
    assert record(book.folder) == 0
    assert results(capsys.readouterr().out) == {"01_first": "unchanged"}
    assert book.path.read_bytes() == recorded

    # Out of it: that output and nothing else.
    book.reads(loss=1.2)
    assert record(book.folder) == 0
    out = capsys.readouterr().out
    assert results(out) == {"01_first": "1 of 3 cells rewritten"} and "  01_first, cell-2: " in out
    assert book.path.read_bytes() == recorded.replace(b"loss : 1.0", b"loss : 1.2")

    # What is asked for is rewritten within the tolerance, too.
    book.reads(loss=1.25)
    assert record(book.folder, ["01"], rewrite_all=True) == 0
    assert results(capsys.readouterr().out) == {"01_first": "1 of 3 cells rewritten"}
    assert book.path.read_bytes() == recorded.replace(b"loss : 1.0", b"loss : 1.25")


def test_a_stale_stamp_counts_and_timings_are_put_right_and_the_outputs_stay(book, capsys):
    assert record(book.folder) == 0
    recorded = book.path.read_bytes()

    def spoil(saved):
        for count, cell in enumerate(saved["cells"][1:], 11):
            cell["execution_count"] = count
        saved["cells"][3]["outputs"][0]["execution_count"] = 13
        saved["cells"][1]["metadata"]["execution"] = {"iopub.status.busy": "2022-01-01T00:00:00Z"}
        saved["metadata"]["d2lhelpers"]["stamp"]["python"] = "3.9.0"

    book.edit(spoil)
    assert status(book.folder) == []  # the machine does not matter
    assert record(book.folder) == 0
    assert "01_first: execution counts put right" in capsys.readouterr().err
    assert book.path.read_bytes() == re.sub(rb'"python": "[\d.]+"', b'"python": "3.9.0"', recorded)

    book.lock.write_text("numpy==2.0.1\n")
    assert status(book.folder) == [(book.path, ["the pins (requirements.lock) changed"])]
    assert record(book.folder) == 0
    assert "stamp renewed: the pins (requirements.lock) changed" in capsys.readouterr().out
    assert status(book.folder) == [] and book.stamp().python != "3.9.0"
    assert book.texts() == (["loss : 1.0\n", "'four'"], [1, 2, 3])


def test_a_file_laid_out_otherwise_is_left_alone_until_something_changes(book):
    assert record(book.folder) == 0
    text = json.dumps(json.loads(book.path.read_text("utf-8")), indent=2)
    book.path.write_text(text)
    assert record(book.folder) == 0
    assert book.path.read_text() == text


@pytest.mark.parametrize(
    "source, what",
    [
        ("import warnings\nwarnings.warn('look out')", "wrote to standard error"),
        ("import os\nos.write(2, b'from C')", "wrote to standard error"),
        ("import os\nos.write(1, b'from C')", "wrote past Python to file descriptor 1"),
    ],
)
def test_what_nbval_could_never_find_again_is_not_recorded(book, capsys, source, what):
    book.write(SETUP, source)
    before = book.path.read_bytes()
    assert record(book.folder) == 1
    err = capsys.readouterr().err
    assert f"FAILED 01_first.ipynb, code cell 2 (id cell-2): NotRecordable: it {what}" in err
    assert "look out" in err or "    from C\n" in err
    assert book.path.read_bytes() == before


def test_a_failing_cell_ends_it_and_what_was_recorded_before_stays(book, capsys):
    book.write("1 / 0", name="02_second.ipynb")
    before = (book.folder / "02_second.ipynb").read_bytes()
    assert record(book.folder) == 1
    out, err = capsys.readouterr()
    assert results(out) == {"01_first": "2 of 3 cells rewritten"}
    assert "FAILED 02_second.ipynb, code cell 1 (id cell-1): ZeroDivisionError: division by zero" in err
    assert (book.folder / "02_second.ipynb").read_bytes() == before
    assert [path.name for path, _ in status(book.folder)] == ["02_second.ipynb"]


@pytest.fixture
def no_kernel(monkeypatch):
    """Executes nothing; ``effects`` are called in its place with the notebook."""
    effects = []

    def execute(notebook, path, **options):
        for effect in effects:
            effect(notebook)
        return Execution([], {"device": None, "threads": None})

    monkeypatch.setattr(recording, "execute", execute)
    return effects


def test_nothing_is_recorded_without_the_real_data(book, no_kernel, monkeypatch, capsys):
    book.write("1", data=["mnist"], name="02_second.ipynb")
    no_kernel.append(lambda notebook: pytest.fail("a notebook was executed"))
    assert record(book.folder) == 1
    assert re.search("MNIST is not in .*; nothing was recorded, since 02_second needs it", capsys.readouterr().err)
    monkeypatch.setenv("D2LHELPERS_DATA", "synthetic")
    assert record(book.folder, ["01"]) == 1
    assert "recorded outputs come from real data only" in capsys.readouterr().err


def test_a_file_that_changes_meanwhile_is_not_overwritten(book, no_kernel, capsys):
    changed = book.path.read_text("utf-8").replace("Größe", "Höhe")
    no_kernel.append(lambda notebook: book.path.write_text(changed, "utf-8"))
    assert record(book.folder) == 1
    assert "was changed by someone else while it ran" in capsys.readouterr().err
    assert book.path.read_text("utf-8") == changed


def test_a_malformed_marker_is_named_with_its_notebook(book, no_kernel, capsys):
    book.write("# NBVAL_TOLERANCE: atol\n1.0")
    assert record(book.folder) == 1
    assert "01_first.ipynb: " in capsys.readouterr().err


def test_a_stopped_recording_says_so(book, no_kernel, capsys):
    def stop(notebook):
        raise KeyboardInterrupt

    no_kernel.append(stop)
    before = book.path.read_bytes()
    assert record(book.folder) == 130
    assert "stopped; the notebook that ran was not changed" in capsys.readouterr().err
    assert book.path.read_bytes() == before


def test_status_says_what_is_stale_and_why(book, no_kernel, capsys):
    book.write("from d2lhelpers import accuracy, seed_everything\nseed_everything(0)", data=["mnist"])
    book.write("1", name="02_second.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "obtain_data", lambda name: None)
        assert record(book.folder) == 0
    assert status(book.folder) == []
    capsys.readouterr()
    assert print_status(book.folder) == 0
    assert capsys.readouterr().out == "every notebook is up to date\n"

    def reasons(change):
        """What is said after a change of the stamp or the notebook; it is then taken back."""
        before = book.path.read_bytes()
        book.edit(change)
        stale = status(book.folder)
        book.path.write_bytes(before)
        return [reason for _, found in stale for reason in found]

    def hashes(saved):
        return saved["metadata"]["d2lhelpers"]["stamp"]["sha256"]

    def set_text(saved):
        saved["cells"][0]["source"] = "another text"

    def set_code(saved):
        saved["cells"][1]["source"] += "\nseed_everything(1)"

    def set_import(saved):
        saved["cells"][1]["source"] = "import d2lhelpers"

    assert reasons(set_text) == []
    assert reasons(set_code) == ["its code cells changed"]
    assert reasons(set_import)[0] == "its code cells changed"
    assert "helper d2lhelpers.seeding is no longer used" in reasons(set_import)
    assert reasons(lambda saved: hashes(saved)["helpers"].update({"d2lhelpers.metrics": "0"})) == [
        "helper d2lhelpers.metrics changed"
    ]
    assert reasons(lambda saved: hashes(saved)["helpers"].pop("d2lhelpers.metrics")) == [
        "helper d2lhelpers.metrics is new to it"
    ]
    assert reasons(lambda saved: hashes(saved)["data"].update(mnist="0")) == ["data set mnist changed"]
    assert reasons(lambda saved: saved["metadata"]["d2lhelpers"].update(data=[])) == [
        "data set mnist is no longer used"
    ]
    assert reasons(lambda saved: saved["metadata"]["d2lhelpers"].pop("stamp")) == ["never recorded"]

    book.lock.write_text("numpy==2.0.1\n")
    assert print_status(book.folder) == 1
    out = capsys.readouterr().out
    assert "stale  01_first: the pins (requirements.lock) changed\nstale  02_second: the pins" in out
    assert out.endswith("run `make record` and look at what it changes\n")
    assert print_status(book.folder / "nowhere") == 2


def test_solutions_are_recorded_too_and_names_choose(book, no_kernel, capsys):
    (book.folder / "solutions").mkdir()
    book.write("1", name="solutions/01_first_solutions.ipynb")
    book.write("1", name="02_second.ipynb")
    assert [path.stem for path, _ in status(book.folder)] == ["01_first", "02_second", "01_first_solutions"]
    assert record(book.folder, ["01"]) == 0
    assert list(results(capsys.readouterr().out)) == ["01_first", "01_first_solutions"]
    assert [path.name for path, _ in status(book.folder)] == ["02_second.ipynb"]
    assert record(book.folder, ["09"]) == 2
    assert "got '09'" in capsys.readouterr().err
