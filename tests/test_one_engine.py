"""A notebook is recorded, run and compared in one and the same environment, whatever the user's own looks like."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
CELLS = [
    "import os\nprint([os.environ.get(name) for name in ('OMP_NUM_THREADS', 'PYTEST_CURRENT_TEST', 'OF_THE_USER')])",
    "1 / 3",
    "print('stray' in globals(), sorted(name for name in os.environ if name.startswith(('PYTHONSTARTUP', 'PYTEST'))))",
    "import matplotlib\nmatplotlib.get_backend()",
    "os.getcwd() == os.path.realpath(os.environ['WHERE'])",
    "%config IPCompleter",
    "import sys\nsys.stdin is None or sys.flags.interactive",
]


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A user who has changed all that he can: IPython's profile and start-up files, Jupyter's kernels, variables."""
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "noise.py").write_text("stray = 1\nprint('noise')")
    (startup.parent / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['%precision 3']")
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "broken", "language": "python"}')
    for name, value in {
        "IPYTHONDIR": tmp_path / "ipython",
        "JUPYTER_PATH": tmp_path / "jupyter",
        "PYTHONSTARTUP": startup / "noise.py",
        "MPLBACKEND": "agg",
        "OF_THE_USER": "kept",
        "WHERE": tmp_path / "notebooks",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CI", raising=False)
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(CELLS)]
    cells.insert(0, nbformat.v4.new_markdown_cell("# 1. Environment\n\nWhat a cell sees of it.", id="title"))
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "01_environment.ipynb")
    # Importing d2lhelpers, as test modules do, sets a variable that is not the user's.
    (tmp_path / "notebooks" / "test_beside.py").write_text("import d2lhelpers\n\ndef test_it(): pass")
    return tmp_path


def call(folder, *words):
    path = os.pathsep.join([str(ROOT), str(ROOT / "nbtolerance")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_recorded_is_what_is_run_and_compared(hostile):
    call(hostile, "d2lhelpers", "record", "--notebooks", "notebooks")
    recorded = nbformat.read(hostile / "notebooks" / "01_environment.ipynb", 4)
    assert recorded.cells[1].outputs[0].text == "[None, None, 'kept']\n"
    assert recorded.cells[2].outputs[0].data["text/plain"] == "0.3333333333333333"
    assert recorded.cells[3].outputs[0].text == "False []\n"
    compare = ("pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider", "notebooks")
    assert f"{len(CELLS) + 1} passed" in call(hostile, *compare)
    assert f"{len(CELLS) + 1} passed" in call(hostile, *compare, "-n", "2", "--dist", "loadscope")
    call(hostile, "d2lhelpers", "run", "--notebooks", "notebooks", "--build", "build")
    copies = ("notebooks/01_environment.ipynb", "build/notebooks/01_environment.ipynb")
    assert call(hostile, "nbtolerance", "compare", *copies) == "no differences\n"
