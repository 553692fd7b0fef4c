"""The benchmark of the suite's own time runs; its saved table names every notebook and fills the README's minutes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "suite.py"


def check(report, spine, solutions):
    run, test = (report[name] for name in ("make run", "make test"))
    assert set(run["parts"]) == spine and set(test["parts"]) == {*spine, *solutions, "tests"}
    # one process executes the spine, at most two the tests
    assert sum(run["parts"].values()) <= run["wall"] * 1.01 and sum(test["parts"].values()) <= 2.02 * test["wall"]
    assert {"processor", "cores", "load"} <= set(report["machine"])


def test_the_script_measures_prints_and_saves(tmp_path):
    output = tmp_path / "table.json"
    command = [sys.executable, str(SCRIPT), "--tiny", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(json.loads(output.read_text(encoding="utf-8")), {"01_convolution"}, set())
    assert re.search(r"^01_convolution +[\d.]+ +[\d.]+$", done.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def saved():
    return json.loads((SCRIPT.parent / "results" / "suite.json").read_text(encoding="utf-8"))


def test_the_saved_table_names_every_notebook(saved):
    folder = ROOT / "notebooks"
    solutions = {f"solutions/{path.stem}" for path in (folder / "solutions").glob("*.ipynb")}
    check(saved, {path.stem for path in folder.glob("*.ipynb")}, solutions)


def test_the_minutes_of_the_readme_are_the_saved_ones(saved):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[.*\]\(notebooks/(\w+)\.ipynb\) \|.*\| ([\d.]+) \|$", text, re.MULTILINE))
    parts = saved["make run"]["parts"]
    assert {name: float(shown) for name, shown in rows.items()} == {
        name: max(0.1, round(seconds / 60, 1)) for name, seconds in parts.items()
    }
