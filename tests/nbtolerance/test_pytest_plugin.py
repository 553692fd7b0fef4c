import base64
import io
import subprocess
import sys

import pytest
from PIL import Image, ImageDraw

from nbtolerance.execution import CELL_TIMEOUT

from .conftest import code, display, stream

pytestmark = pytest.mark.slow

PICTURE = """
import io
from IPython.display import Image as Show, display
from PIL import Image, ImageDraw
def picture(height):
    image = Image.new("RGB", (120, 80), "white")
    ImageDraw.Draw(image).line([(10, 70), (110, height)], fill="blue", width=2)
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()
"""


def picture(height):
    image = Image.new("RGB", (120, 80), "white")
    ImageDraw.Draw(image).line([(10, 70), (110, height)], fill="blue", width=2)
    file = io.BytesIO()
    image.save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def figure(height):
    return display(image_png=picture(height), text_plain="<IPython.core.display.Image object>")


def test_cells_that_agree_pass(check):
    report = check(
        {
            "good": [
                ("print('loss', 0.512)", stream("loss 0.512\n")),
                ("# NBVAL_TOLERANCE: atol=0.02\nprint('loss', 0.512)", stream("loss 0.531\n")),
                (PICTURE,),
                ("display(Show(picture(12)))", figure(12)),
                ("import os\nwritten = os.write(2, b'from C\\n')", stream("from C\n", "stderr")),
                ("%%capture\nprint('unseen')",),
                ("",),
                code("", count=None),
                code("1 / 0", _error("ZeroDivisionError", "division by zero"), tags=["raises-exception"]),
                ("for i in range(1500): display(i, clear=True)", display(text_plain="1499")),
                ("'silent';",),
                ("'shown'", _result("'shown'")),
                ("_", _result("'shown'")),
            ]
        }
    )
    assert report.outcomes == {"passed": 13}, report.text


def _error(name, message):
    from nbformat.v4 import new_output

    return new_output("error", ename=name, evalue=message, traceback=["another interpreter's lines"])


def _result(text):
    from nbformat.v4 import new_output

    return new_output("execute_result", data={"text/plain": text}, execution_count=1)


def test_displays_are_compared_as_they_end(check):
    def show(text):
        return display(text_plain=text)

    report = check(
        {
            "displays": [
                (
                    "from IPython.display import clear_output, display\n"
                    "print('frame 1')\nclear_output()\nprint('frame 2')\nclear_output(wait=True)\nprint('frame 3')",
                    stream("frame 3\n"),
                ),
                ("print('kept')\nclear_output(wait=True)", stream("kept\n")),
                ("inside = display(1, display_id=True)\ninside.update(2)", show("2")),
                ("later = display('start', display_id=True)", show("'end'")),
                ("later.update('middle')",),
                ("again = display('start', display_id=True)", show("'start'")),
                ("later.update('end')\nprint('done')", stream("done\n")),
                ("print('frame 1')\nclear_output()\nprint('frame 2')", stream("frame 1\nframe 2\n")),
                ("wrong = display('start', display_id=True)", show("'start'")),
                ("wrong.update('end')",),
                ("wrong = display('start', display_id=True)", show("'other end'")),
                ("wrong.update('end')",),
            ]
        }
    )
    failed = [number for (_, number), outcome in report.outcome.items() if outcome == "FAILED"]
    assert (failed, report.outcomes) == ([7, 8, 10], {"passed": 9, "failed": 3}), report.text


def test_every_difference_is_found_named_and_measured(check):
    epochs = "for epoch, loss in enumerate([1.4, 0.5]): print(f'Epoch {epoch}. Loss {loss:.2f}')"
    bounds = '# NBVAL_TOLERANCE: atol=0.02\n# NBVAL_TOLERANCE on lines with "Epoch 0": atol=0.3\n'
    report = check(
        {
            "bad": [
                ("print('loss', 0.512)", stream("loss 0.511\n")),
                ("# NBVAL_TOLERANCE: rtol=0.01 atol=0.01\nprint('loss', 0.55)", stream("loss 0.5\n")),
                ("# NBVAL_TOLERANCE: atol=0.5\nprint('3 epochs, loss 0.5')", stream("4 epochs, loss 0.5\n")),
                ("# NBVAL_TOLERANCE: atol=0.5\nprint('a loss 0.5')", stream("the loss 0.5\n")),
                (bounds + epochs, stream("Epoch 0. Loss 1.20\nEpoch 1. Loss 0.51\n")),
                (bounds + epochs, stream("Epoch 0. Loss 1.00\nEpoch 1. Loss 0.53\n")),
                (PICTURE,),
                ("display(Show(picture(12)))", figure(40)),
                ("# NBVAL_FIGURE: distance=1\ndisplay(Show(picture(12)))", figure(40)),
                ("print('something')",),
                ("pass", stream("something\n")),
                code("print('never recorded')", count=None),
                ("# NBVAL_TOLERENCE: atol=0.1\nprint(0.5)", stream("0.5\n")),
                ("# NBVAL_TOLERANCE: atol=0.1\nprint('no float')", stream("no float\n")),
                ("1", _result("2")),
                ("print('the end')", stream("the end\n")),
            ]
        }
    )
    passed = [number for (_, number), outcome in report.outcome.items() if outcome == "PASSED"]
    assert passed == [4, 6, 8, 15], report.text
    assert report.outcomes == {"passed": 4, "failed": 12}
    for number, expected in {
        0: "recorded | loss 0.511",
        1: "recorded 0.5, new 0.55: 0.05 apart, 0.015 allowed (rtol=0.01 atol=0.01)",
        2: "new      | 3 epochs, loss 0.5",
        3: "recorded | the loss 0.5",
        5: 'recorded 1.00, new 1.40: 0.40 apart, 0.30 allowed (atol=0.3 on lines with "Epoch 0")',
        7: "the picture looks different, distance",
        9: "recorded none, new stdout",
        10: "recorded stdout, new none",
        11: "saved before this cell was run",
        12: "got '# NBVAL_TOLERENCE: atol=0.1'",
        13: "the tolerance atol=0.1 bounds no recorded float",
        14: "recorded | 2",
    }.items():
        assert f"bad.ipynb, cell {number} (" in report.of("bad", number), report.text
        assert expected in report.of("bad", number), report.text
    assert "recorded 0.53, new 0.50: 0.03 apart, 0.02 allowed (atol=0.02)" in report.of("bad", 5)


def test_after_a_cell_that_did_not_run_the_rest_is_not_run(check):
    rest = [("print('rest')", stream("rest\n")), ("undefined",), ("pass",)]
    report = check(
        {
            "exception": [("pass",), ("undefined_name",), *rest],
            "magic": [("%no_such_magic",), *rest],
            "dead": [("import os\nprint('last words', flush=True)\nos._exit(1)",), *rest],
            "slow": [("import time\ntime.sleep(600)",), *rest],
        },
        "--nbval-cell-timeout=5",
    )
    assert report.outcomes == {"passed": 1, "failed": 4, "skipped": 12}, report.text
    assert "NameError: name 'undefined_name' is not defined" in report.of("exception", 1)
    assert "raised an exception" in report.of("magic", 0)
    # Found by looking, not by the cell's timeout of 5 seconds.
    assert "dead.ipynb, cell 0 (" in report.of("dead", 0) and "ended with exit status 1" in report.of("dead", 0)
    assert "slow.ipynb, cell 0 (" in report.of("slow", 0) and "took longer than 5 s" in report.of("slow", 0)
    assert report.text.count("not run: cell 1 failed") == 1 and "SKIPPED [3]" in report.text


def test_a_cell_chosen_alone_runs_after_those_before_it(check):
    cells = [("x = 2",), ("print(x)", stream("2\n")), ("undefined_name",), ("print(x)", stream("2\n")), ("pass",)]
    report = check({"chosen": cells}, "-k", "Cell and (1 or 3 or 4)")
    assert report.outcome == {("chosen", 1): "PASSED", ("chosen", 3): "FAILED"}, report.text
    assert "not run: cell 2 failed" in report.of("chosen", 3)
    assert report.outcomes["skipped"] == 1


def test_a_log_holds_no_colours(check):
    report = check({"log": [("1", _result("2"))]}, "--color=auto")
    assert report.outcomes == {"failed": 1} and "\x1b" not in report.text
    assert "\x1b[91mlog.ipynb, cell 0" in check({"log": [("1", _result("2"))]}, "--color=yes").text


def test_a_kernel_that_does_not_start_is_one_failure(check):
    report = check({"nowhere": [("pass",), ("pass",)]}, env=())
    assert report.outcomes == {"failed": 1, "skipped": 1}, report.text
    assert "nowhere.ipynb, cell 0 (" in report.text and "the kernel does not start" in report.text
    assert "no-such-kernel" in report.text


def test_why_a_kernel_does_not_start_is_said_where_the_first_cell_is_skipped(check):
    report = check({"skips": [("# NBVAL_SKIP",), ("pass",)]}, env=())
    assert report.outcomes == {"failed": 1, "skipped": 1}, report.text
    assert "not run: cell 0 failed: the kernel does not start" in report.of("skips", 1)


def test_an_emptied_cell_has_no_outputs(check):
    report = check({"emptied": [("", stream("left over\n")), ("",)]})
    assert report.outcomes == {"failed": 1, "passed": 1}, report.text
    assert "the cell is empty and has recorded outputs" in report.of("emptied", 0)


def test_in_parallel_by_notebook(check):
    cells = [("x = 1",), ("x += 1",), ("print(x)", stream("2\n")), ("print(x)", stream("3\n"))]
    report = check({name: cells for name in ("one", "two", "three")}, "-n", "2", "--dist", "loadscope")
    assert report.outcomes == {"passed": 9, "failed": 3}, report.text
    for name in ("one", "two", "three"):
        assert "recorded | 3" in report.of(name, 3), report.text


def test_what_nbval_does_is_kept(check, pytester):
    pytester.makefile(".cfg", sanitise="regex: at 0x[0-9a-f]+\nreplace: at ADDRESS\n")
    report = check(
        {
            "kept": [
                ("print(object())", stream("<object object at 0xdead>\n")),
                ("# NBVAL_IGNORE_OUTPUT\nprint('anything')",),
                ("# NBVAL_SKIP\nundefined_name",),
                ("# NBVAL_RAISES_EXCEPTION\n1 / 0", _error("ZeroDivisionError", "division by zero")),
                ("# NBVAL_RAISES_EXCEPTION\nint('x')", _error("ZeroDivisionError", "division by zero")),
            ]
        },
        "--nbval-sanitize-with=sanitise.cfg",
    )
    assert report.outcomes == {"passed": 3, "skipped": 1, "failed": 1}, report.text
    assert "recorded | division by zero" in report.of("kept", 4)


def test_each_notebook_is_collected_once_and_only_by_nbval(pytester, check):
    assert check({"one": [("pass",)]}, "--collect-only", "-q").text.count("Cell 0") == 1
    result = pytester.runpytest_subprocess("one.ipynb")
    result.assert_outcomes()


def test_default_timeout(pytester):
    def timeout(*options):
        return pytester.parseconfigure("--nbval", *options).option.nbval_cell_timeout

    assert timeout() == CELL_TIMEOUT
    assert timeout("--nbval-cell-timeout=2000") == 2000
    assert timeout("--nbval-cell-timeout=7") == 7


def test_loading_it_changes_nothing_in_the_process_and_costs_little():
    program = """
import os, sys, nbval.plugin
before = dict(os.environ), list(sys.meta_path), set(sys.modules)
import nbtolerance.pytest_plugin
assert (dict(os.environ), list(sys.meta_path)) == before[:2]
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before[2]} - {"nbtolerance"}))
"""
    new = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not {"d2lhelpers", "mxnet", "nbclient", "numpy", "PIL"} & set(new)


def test_a_start_of_pytest_finds_it_and_imports_nothing_heavy(pytester):
    pytester.makepyfile(
        """
import sys

def test_it(request):
    assert request.config.pluginmanager.has_plugin("nbtolerance")
    assert not {"d2lhelpers", "nbclient", "numpy", "PIL"} & set(sys.modules)
"""
    )
    pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:hypothesispytest").assert_outcomes(passed=1)


@pytest.mark.parametrize("options", [(), ("-n", "1", "--dist", "loadscope")], ids=["one process", "xdist"])
def test_a_kernel_gets_the_users_environment_and_no_more(check, pytester, monkeypatch, options):
    # A module of tests that sets a variable when it is imported, as d2lhelpers does.
    pytester.makepyfile("import os\nos.environ['OF_A_TEST'] = 'set'\n\ndef test_it(): pass")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("OF_THE_USER", "kept")
    monkeypatch.setenv("PYTHONSTARTUP", "a file that IPython would run")
    names = ("OF_A_TEST", "PYTEST_CURRENT_TEST", "PYTHONSTARTUP", "OF_THE_USER")
    source = f"import os\nprint([os.environ.get(name) for name in {names}], 'inline' in os.environ['MPLBACKEND'])"
    report = check({"environment": [(source, stream("[None, None, None, 'kept'] True\n"))]}, *options)
    assert report.outcomes == {"passed": 2}, report.text


def test_threads_that_the_user_asked_for_are_kept(check, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    report = check({"threads": [("import os\nprint(os.environ['OMP_NUM_THREADS'])", stream("3\n"))]})
    assert report.outcomes == {"passed": 1}, report.text


def test_a_marker_that_cannot_be_read_is_the_headline(check):
    report = check({"marker": [("# NBVAL_TOLERANCE: about=1\nprint(1.5)", stream("1.5\n"))]})
    assert report.outcomes == {"failed": 1}
    assert "marker.ipynb, cell 0" in report.text and "the outputs differ" not in report.text
