import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat import v4

from nbtolerance.execution import NotebookError, code_cells, execute

pytestmark = pytest.mark.slow


def notebook(*sources):
    """Makes a notebook of code cells with the ids cell-1, cell-2, …"""
    cells = [v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources, 1)]
    return v4.new_notebook(cells=cells)


def texts(cell):
    return [(output.name, output.text) for output in cell.outputs if output.output_type == "stream"]


def test_a_notebook_runs_in_this_interpreter_beside_its_file_whatever_the_user_has_set_up(tmp_path, monkeypatch):
    # A kernel and an IPython start-up file of the user's, both of which would spoil the outputs.
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "broken", "language": "python"}')
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "noise.py").write_text("print('noise')\nstray = 1")
    monkeypatch.delenv("NBTOLERANCE_MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONSTARTUP", str(startup / "noise.py"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    nb = notebook(
        "import os, sys, matplotlib\nprint(sys.executable, 'stray' in globals())",
        "",
        "print(open('beside.txt').read(), os.environ['GIVEN'], 'PYTEST_CURRENT_TEST' in os.environ)",
        "ctx = 'a device'\nmatplotlib.get_backend()",
    )
    nb.cells.append(v4.new_markdown_cell("# Not run", id="text"))
    (tmp_path / "beside.txt").write_text("found")
    seen = []
    execution = execute(
        nb,
        tmp_path / "nb.ipynb",
        environment={"GIVEN": "given"},
        questions={"device": "ctx", "missing": "no_such_name"},
        on_cell=lambda *cell: seen.append(cell),
    )
    assert texts(nb.cells[0]) == [("stdout", f"{sys.executable} False\n")]
    assert texts(nb.cells[2]) == [("stdout", "found given False\n")]
    assert "inline" in nb.cells[3].outputs[0].data["text/plain"]
    assert [cell.execution_count for cell in nb.cells[:4]] == [1, None, 2, 3]
    assert seen == [(1, "cell-1"), (2, "cell-3"), (3, "cell-4")]
    assert execution.answers == {"device": "'a device'", "missing": None}
    assert execution.direct_outputs == []
    assert all(not cell.metadata for cell in nb.cells)  # no timings
    assert len(code_cells(nb)) == 3


def test_outputs_come_as_a_reader_sees_them(tmp_path):
    nb = notebook(
        "import sys\nfor i in range(300):\n    print(i, end=' ', flush=True)\nprint('err', file=sys.stderr)",
        "for i in range(3):\n    print('step', i, end='\\r')\nprint('done  ')\nprint('end')",
        "import os\nos.write(1, b'from C')\n1 + 1",
        "os.system('echo to descriptor 2 >&2')",
        "from IPython.display import clear_output, display\nprint('gone')\nclear_output()\n"
        "handle = display('first', display_id=True)\nhandle.update('second')",
    )
    execution = execute(nb, tmp_path / "nb.ipynb")
    streams = dict(texts(nb.cells[0]))
    assert streams == {"stdout": " ".join(map(str, range(300))) + " ", "stderr": "err\n"}
    assert texts(nb.cells[1]) == [("stdout", "done  \nend\n")]
    # What C code writes belongs to the cell that ran, and is told apart.
    assert [output.output_type for output in nb.cells[2].outputs] == ["execute_result", "stream"]
    assert texts(nb.cells[2]) == [("stdout", "from C")]
    assert texts(nb.cells[3]) == [("stderr", "to descriptor 2\n")]
    found = [(d.cell_number, d.cell_id, d.stream, d.text) for d in execution.direct_outputs]
    assert found == [(3, "cell-3", "stdout", "from C"), (4, "cell-4", "stderr", "to descriptor 2\n")]
    assert [output.data["text/plain"] for output in nb.cells[4].outputs] == ["'second'"]


@pytest.mark.parametrize(
    "source, name, message",
    [
        ("def f():\n    raise ValueError('expected 1')\nf()", "ValueError", "expected 1"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "DeadKernel", "killed by SIGKILL (out of memory?)"),
        ("import os; os._exit(3)", "DeadKernel", "ended with exit status 3"),
        (
            "from IPython.display import publish_display_data\npublish_display_data({'text/plain': None})",
            "InvalidOutput",
            "what no notebook can hold (NotebookValidationError: None is not valid under any of the given schemas)",
        ),
        ("import time; time.sleep(600)", "Timeout", "longer than 4 s"),
    ],
)
def test_a_cell_that_fails_is_named(tmp_path, source, name, message):
    nb = notebook("print('before')", source, "print('after')")
    with pytest.raises(NotebookError) as raised:
        execute(nb, tmp_path / "05_lenet.ipynb", cell_timeout=4 if name == "Timeout" else 300)
    error = raised.value
    assert (error.notebook, error.cell_number, error.cell_id, error.name) == ("05_lenet.ipynb", 2, "cell-2", name)
    assert message in error.message
    assert str(error).startswith(f"05_lenet.ipynb, code cell 2 (id cell-2): {name}")
    if name == "ValueError":
        assert error.traceback[-1] == "ValueError: expected 1" and any("f()" in line for line in error.traceback)
    assert texts(nb.cells[0]) == [("stdout", "before\n")] and nb.cells[2].outputs == []


def test_what_a_pager_shows_is_an_output_as_in_jupyterlab(tmp_path):
    nb = notebook("print(1)\nlen?", "len?\nmax?", "2")
    execute(nb, tmp_path / "nb.ipynb")
    shown = [[output.output_type for output in cell.outputs] for cell in nb.cells]
    assert shown == [["stream", "display_data"], ["display_data"], ["execute_result"]]
    assert "number of items" in nb.cells[0].outputs[1].data["text/plain"]


def test_a_cell_without_an_id_is_named_by_its_number():
    assert str(NotebookError("05_lenet.ipynb", 2, None, "Timeout", "late")).startswith("05_lenet.ipynb, code cell 2: T")


def test_a_kernel_that_does_not_start_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(NotebookError, match="^nb.ipynb: KernelNotStarted: "):
        execute(notebook("1"), tmp_path / "nb.ipynb")


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_the_kernel(tmp_path, number):
    nb = notebook("import os, time\nopen('pid', 'w').write(str(os.getpid()) + '.')\ntime.sleep(60)")
    nbformat.write(nb, tmp_path / "nb.ipynb")
    code = (
        "import sys, nbformat\nfrom nbtolerance.execution import Stopped, execute\n"
        "try:\n    execute(nbformat.read('nb.ipynb', 4), 'nb.ipynb')\n"
        "except Stopped as stopped:\n    sys.exit(stopped.exit_status)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text().endswith(".")):
        assert process.poll() is None
        time.sleep(0.05)
    assert running(int(pid.read_text()[:-1]))
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    assert not running(int(pid.read_text()[:-1]))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotebookError, match="^nb.ipynb: KernelNotStarted: .*nowhere"):
        execute(notebook("1"), tmp_path / "nowhere" / "nb.ipynb")


def test_a_kernel_that_dies_of_a_question_is_named(tmp_path):
    nb = notebook("import os\nclass Deadly:\n    def __repr__(self):\n        os._exit(3)\nctx = Deadly()")
    with pytest.raises(NotebookError, match="DeadKernel: the kernel ended with exit status 3"):
        execute(nb, tmp_path / "nb.ipynb", questions={"device": "ctx"})


def test_no_output_is_lost_while_nobody_reads(tmp_path):
    nb = notebook(
        "import os, signal, threading\n"
        "os.kill(os.getppid(), signal.SIGSTOP)\n"
        "threading.Timer(4, os.kill, (os.getppid(), signal.SIGCONT)).start()\n"
        "for i in range(3000):\n    display(f'{i} ' + 'x' * 2000, clear=True)"
    )
    nbformat.write(nb, tmp_path / "nb.ipynb")
    code = (
        "import nbformat\nfrom nbtolerance.execution import execute\n"
        "nb = nbformat.read('nb.ipynb', 4)\nexecute(nb, 'nb.ipynb')\nprint(nb.cells[0].outputs[0].data)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "2999 xxx" in done.stdout, done.stderr
