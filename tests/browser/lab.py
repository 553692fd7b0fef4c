"""JupyterLab in a real browser, as a reader uses it: a notebook run, changed, saved, compared with the recorded one."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbformat import v4, write

from nbtolerance import compare_notebooks

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_convolution.ipynb"
PATIENCE = 300  # seconds until something that must come is given up

SHOWS = ["side = 3", "print(side * side)", "len?"]
TRAINS = [
    "import d2lhelpers  # first: makes MXNet importable\n\nfrom mxnet import gluon, nd",
    "net = gluon.nn.Dense(2)\nnet.initialize()\n"
    "batches = [(nd.random.normal(shape=(8, 3)), nd.array([0, 1] * 4))] * 20\n"
    "history = d2lhelpers.fit(net, batches, batches, num_epochs=3, lr=0.1, print_epochs=True, progress=True)",
]


def eventually(happened):
    """What ``happened`` returns once it is true."""
    end = time.monotonic() + PATIENCE
    while not (result := happened()) and time.monotonic() < end:
        time.sleep(0.5)
    assert result, f"{happened.__name__} did not happen in {PATIENCE} s"
    return result


def never_run(folder, name, sources):
    """Write a notebook whose cells hold nothing but code."""
    cells = [v4.new_code_cell(source) for source in sources]
    write(
        v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}),
        folder / name,
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of what `make lab` starts, without any user's settings, and the folder that it shows."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks")
    never_run(folder, "shows.ipynb", SHOWS)
    never_run(folder, "trains.ipynb", TRAINS)
    committed = json.loads(NOTEBOOK.read_text("utf-8"))
    for cell in committed["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    (folder / NOTEBOOK.name).write_text(json.dumps(committed), "utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON", "PYTEST"))
    }
    planned = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "lab"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    command = planned.stdout.splitlines()[-1].replace(".venv/bin/python", sys.executable)
    command = command.replace("--notebook-dir=notebooks", f"--notebook-dir={folder}")
    options = "--no-browser --allow-root --ServerApp.port=0 --IdentityProvider.token=reader"
    with open(home / "log", "w") as log:
        server = subprocess.Popen(
            f"exec env {command} {options}",
            shell=True,
            env={**environment, "HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime")},
            stdout=log,
            stderr=log,
        )
    try:
        (state,) = eventually(lambda: list((home / "runtime").glob("jpserver-*.json")))
        yield json.loads(eventually(state.read_text))["url"], folder
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def opened(lab, chromium):
    """Opens a notebook in Lab: returns the page and the notebook's file."""
    address, folder = lab
    context = chromium.new_context(viewport={"width": 1280, "height": 900})

    def open_notebook(name):
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{address}lab/tree/{name}?token=reader&reset")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        return page, folder / name

    yield open_notebook
    context.close()


def restart_and_run_all(page):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Restart Kernel and Run All Cells").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()


def saved(page, path):
    """The code cells of the file, once all of them have been run and saved."""
    before = path.stat().st_mtime_ns

    def all_cells_were_run():
        page.keyboard.press("Control+s")
        with contextlib.suppress(json.JSONDecodeError):  # Lab is writing it just now
            cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
            in_order = [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
            return in_order and path.stat().st_mtime_ns != before and cells

    return eventually(all_cells_were_run)


def complaint(path):
    """What the plugin has against a notebook that Lab has saved."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval",
        "--nbval-current-env",
        path.name,
    ]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout


def test_a_notebook_runs_is_saved_and_compares_equal(opened):
    page, path = opened(NOTEBOOK.name)
    restart_and_run_all(page)
    cells = saved(page, path)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    differences = compare_notebooks(NOTEBOOK, path)
    assert not differences, "\n".join(differences)
    assert complaint(path) == ""


def test_a_changed_number_changes_the_output_below_and_a_pager_compares_equal(opened):
    page, path = opened("shows.ipynb")
    restart_and_run_all(page)
    assert saved(page, path)[1]["outputs"][0]["text"] == ["9\n"]
    page.locator(".jp-CodeCell .cm-content", has_text="side = 3").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("side = 4")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.locator(".jp-OutputArea-output", has_text="16").wait_for()
    restart_and_run_all(page)
    cells = saved(page, path)
    assert cells[1]["outputs"][0]["text"] == ["16\n"]
    assert "number of items" in str(cells[2]["outputs"]), "Lab keeps what a pager shows"
    assert complaint(path) == ""
    changed = path.with_name("changed.ipynb")
    changed.write_text(path.read_text("utf-8").replace("16", "17"), "utf-8")
    assert "17" in complaint(changed)


def test_the_progress_of_a_training_run_is_seen(opened):
    page, path = opened("trains.ipynb")
    restart_and_run_all(page)
    page.locator(".jp-OutputArea-output", has_text="batch/s").first.wait_for()
    page.locator(".jp-OutputArea-output", has_text="epoch 2").first.wait_for()
    saved(page, path)
