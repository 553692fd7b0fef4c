import base64
import io
import json
import os
import re

from d2lhelpers.suite import recording
from d2lhelpers.suite.files import write_text
from d2lhelpers.suite.recording import print_status, record, status

import nbformat
import pytest
from nbformat import v4
from PIL import Image

from nbtolerance.execution import Execution

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


@pytest.mark.slow
def test_only_what_left_its_tolerance_is_rewritten(book, capsys):
    # Never recorded: everything is.
    assert status(book.folder) == [(book.path, ["never recorded"])]
    assert record(book.folder) == 0
    assert results(capsys.readouterr().out) == {"01_first": "2 of 3 cells rewritten"}
    assert book.texts() == (["loss : 1.0\n", "'four'"], [1, 2, 3])
    stamp = book.stamp()
    assert (stamp.device, stamp.threads) == ("gpu(1)", 2)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_file_laid_out_otherwise_is_left_alone_until_something_changes(book):
    assert record(book.folder) == 0
    text = json.dumps(json.loads(book.path.read_text("utf-8")), indent=2)
    book.path.write_text(text)
    assert record(book.folder) == 0
    assert book.path.read_text() == text


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_malformed_marker_is_named_with_its_cell_before_anything_runs(book, no_kernel, capsys):
    book.write(SETUP, "# NBVAL_TOLERANCE: atol\n1.0", name="02_second.ipynb")
    no_kernel.append(lambda notebook: pytest.fail("a notebook was executed"))
    assert record(book.folder) == 1
    assert "02_second.ipynb, code cell 2 (id cell-2): MarkerError: expected rtol=" in capsys.readouterr().err


def test_markers_that_claim_the_same_line_are_named_with_their_cell(book, no_kernel, capsys):
    markers = "".join(f'# NBVAL_TOLERANCE on lines with "{text}": atol=0.1\n' for text in ("loss", "train"))
    book.write(SETUP, markers + "1.0")
    named = "FAILED 01_first.ipynb, code cell 2 (id cell-2): MarkerError: expected one bound for each line"
    # In the new outputs, after the run; in the recorded ones, before it.
    no_kernel[:] = [shows([], [text("loss 1.0\ntrain 1.0")])]
    assert record(book.folder) == 0
    no_kernel[:] = [shows([], [text("loss 1.2\ntrain loss 1.0")])]
    before = book.path.read_text("utf-8")
    assert record(book.folder) == 1
    assert named in capsys.readouterr().err and book.path.read_text("utf-8") == before
    book.path.write_text(before.replace('"loss 1.0', '"train loss 1.0'), "utf-8")
    no_kernel[:] = [lambda notebook: pytest.fail("a notebook was executed")]
    assert record(book.folder) == 1
    assert named in capsys.readouterr().err


LOSS = "# NBVAL_TOLERANCE: atol=0.1\nshow()"


def shows(*outputs):
    """Stands in for a kernel: the code cells show these outputs."""

    def effect(notebook):
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for count, (cell, shown) in enumerate(zip(cells, outputs), 1):
            cell.outputs, cell.execution_count = shown, count

    return effect


def text(shown):
    return v4.new_output("stream", text=shown)


def html(shown):
    return v4.new_output("display_data", {"text/html": shown})


def picture(shade):
    written = io.BytesIO()
    Image.new("RGB", (40, 40), (shade, shade, shade)).save(written, "png")
    return v4.new_output("display_data", {"image/png": base64.b64encode(written.getvalue()).decode()})


@pytest.fixture
def record_as(book, no_kernel):
    """Records a cell that shows these outputs; what its file then holds."""

    def record_as(*outputs):
        no_kernel[:] = [shows(list(outputs))]
        assert record(book.folder) == 0
        return [output.get("text") or output.data for output in nbformat.read(book.path, 4).cells[1].outputs]

    book.write(LOSS)
    return record_as


@pytest.mark.slow
def test_of_a_cell_only_the_outputs_that_left_their_bounds_are_rewritten(record_as):
    before = record_as(text("loss 1.0\n"), html("<b>1.0</b>"), picture(200), text("end 5.0\n"))
    # The streams are compared as one: of its pieces, too, only one has left its bounds.
    after = record_as(text("loss 1.05\n"), html("<b>1.01</b>"), picture(201), text("end 7.0\n"))
    assert after == [*before[:3], "end 7.0\n"]
    after = record_as(text("loss 1.05\n"), html("<b>1.5</b>"), picture(201), text("end 7.01\n"))
    assert after == ["loss 1.0\n", {"text/html": "<b>1.5</b>"}, before[2], "end 7.0\n"]
    after = record_as(text("loss 1.05\n"), html("<b>1.51</b>"), picture(0), text("end 7.01\n"))
    assert after == ["loss 1.0\n", {"text/html": "<b>1.5</b>"}, picture(0).data, "end 7.0\n"]
    # Another sequence of outputs: all of them.
    after = record_as(html("<b>1.51</b>"), text("end 7.01\n"), picture(1), text("loss 1.05\n"))
    assert after == [{"text/html": "<b>1.51</b>"}, "end 7.01\n", picture(1).data, "loss 1.05\n"]
    after = record_as(html("<b>1.52</b>"), text("end 7.02\nlost 1.05\n"), picture(2))
    assert after == [{"text/html": "<b>1.52</b>"}, "end 7.02\nlost 1.05\n", picture(2).data]


def test_where_no_single_output_left_its_bounds_but_their_sum_did_all_are_rewritten(record_as):
    record_as(text("1.0"), html("<b>1.0</b>"), text("0\n"))  # the stream is 1.00, and becomes 1.10, 1.09 or 1.19
    assert record_as(text("1.1"), html("<b>1.01</b>"), text("9\n")) == ["1.1", {"text/html": "<b>1.01</b>"}, "9\n"]


@pytest.mark.parametrize(
    "layout",
    [
        {"indent": 2},
        {"indent": "\t"},
        {"indent": None},
        {"indent": 1, "ensure_ascii": False, "newline": "\r\n"},
        {"indent": 4, "ensure_ascii": False, "end": ""},
    ],
)
def test_the_layout_of_a_file_in_which_something_changes_is_kept(book, no_kernel, layout):
    newline, end = layout.pop("newline", "\n"), layout.pop("end", "\n")
    book.write(LOSS)
    no_kernel.append(shows([text("loss 1.0 ²\n")]))
    assert record(book.folder) == 0
    written = json.dumps(json.loads(book.path.read_text("utf-8")), **layout) + end
    before = written.replace("\n", newline).encode()
    book.path.write_bytes(before)
    no_kernel[:] = [shows([text("loss 1.2 ²\n")])]
    assert record(book.folder) == 0
    assert book.path.read_bytes() == before.replace(b"loss 1.0", b"loss 1.2") != before


def test_a_notebook_without_cell_ids_is_recorded(book, no_kernel, capsys):
    def without_ids(saved):
        saved["nbformat_minor"] = 4
        for cell in saved["cells"]:
            del cell["id"]

    book.edit(without_ids)
    assert record(book.folder) == 0
    no_kernel.append(shows([], [text("loss 1.0\n")], [text("four\n")]))
    assert record(book.folder) == 0
    out = capsys.readouterr().out
    assert results(out) == {"01_first": "2 of 3 cells rewritten"} and "  01_first, In [2]: " in out
    assert book.texts() == (["loss 1.0\n", "four\n"], [1, 2, 3])
    assert json.loads(book.path.read_text("utf-8"))["nbformat_minor"] == 4
    no_kernel.append(shows([v4.new_output("stream", name="stderr", text="look out")]))
    assert record(book.folder) == 1
    assert "FAILED 01_first.ipynb, code cell 1: NotRecordable: it wrote to standard error" in capsys.readouterr().err


def test_a_broken_file_is_named_before_anything_runs(book, no_kernel, capsys):
    (book.folder / "02_second.ipynb").write_text('{"cells": [')
    no_kernel.append(lambda notebook: pytest.fail("a notebook was executed"))
    assert print_status(book.folder) == 2
    assert re.fullmatch("expected a notebook of format 4, got .*02_second.ipynb: .*\n", capsys.readouterr().err)
    assert record(book.folder) == 1
    assert re.fullmatch("expected a notebook of format 4, got .*02_second.ipynb: .*\n", capsys.readouterr().err)


def test_cells_of_ipythons_own_are_recorded_and_not_stale(book, no_kernel):
    book.write("%%bash\nfor i in 1 2; do echo $i; done", "%%html\n<b>hi</b>", "f = !echo hi", "len?", "no Python")
    assert record(book.folder) == 0
    assert status(book.folder) == []


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


def test_a_folder_that_may_not_be_written_is_named_before_anything_runs(book, no_kernel, monkeypatch, capsys):
    no_kernel.append(lambda notebook: pytest.fail("a notebook was executed"))
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: allowed(path, mode) and not mode & os.W_OK)
    assert record(book.folder) == 1
    assert "may not be written, and what is recorded is saved there" in capsys.readouterr().err


def test_what_cannot_be_saved_is_named_after_the_table(book, no_kernel, monkeypatch, capsys):
    book.write("1", name="02_second.ipynb")

    def full(target, text):
        if "02_" in str(target):
            raise OSError(28, "No space left on device")
        write_text(target, text)

    monkeypatch.setattr(recording, "write_text", full)
    assert record(book.folder) == 1
    out, err = capsys.readouterr()
    assert "01_first" in results(out) and "02_second.ipynb could not be saved (No space left on device)" in err


@pytest.mark.parametrize("hashes", ["text", [], {"helpers": []}, {"helpers": None, "data": 1}])
def test_a_stamp_of_another_form_is_stale(book, no_kernel, hashes):
    assert record(book.folder) == 0
    book.edit(lambda saved: saved["metadata"]["d2lhelpers"].update(stamp={"sha256": hashes}))
    assert len(status(book.folder)) == 1
