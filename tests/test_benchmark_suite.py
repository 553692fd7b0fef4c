"""The benchmark of the suite's own time runs; its saved table names every notebook and fills the README's minutes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "suite.py"


def check(report, spine, solutions, files):
    one, run, test = (report[name] for name in ("make run JOBS=1", "make run", "make test"))
    assert set(one["parts"]) == set(run["parts"]) == spine
    # A file of tests written since then waits for the next measurement.
    assert {*spine, *solutions} <= set(test["parts"]) and files & set(test["parts"])
    assert sum(one["parts"].values()) <= one["wall"] * 1.01, "one after the other"
    assert sum(test["parts"].values()) <= 2.02 * test["wall"], "at most two processes"
    assert all({"processor", "cores", "load"} <= set(measured["machine"]) for measured in report.values())


@pytest.mark.slow
def test_the_script_measures_prints_and_saves(tmp_path):
    output = tmp_path / "table.json"
    command = [sys.executable, str(SCRIPT), "--tiny", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first = "notebooks/01_convolution.ipynb"
    check(json.loads(output.read_text(encoding="utf-8")), {first}, set(), {"tests/test_context.py"})
    assert re.search(rf"^{first}( +[\d.]+){{3}}$", done.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def saved():
    return json.loads((SCRIPT.parent / "results" / "suite.json").read_text(encoding="utf-8"))


def files_below(folder, pattern):
    """The files of the checkout that fit a pattern, as paths below it."""
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob(pattern)}


def test_the_saved_table_names_every_notebook(saved):
    files = files_below("tests", "**/test_*.py") - {Path(__file__).relative_to(ROOT).as_posix()}
    check(saved, files_below("notebooks", "*.ipynb"), files_below("notebooks/solutions", "*.ipynb"), files)


def test_the_minutes_of_the_readme_are_the_saved_ones(saved):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[.*\]\((notebooks/\w+\.ipynb)\) \|.*\| ([\d.]+) \|$", text, re.MULTILINE))
    parts = saved["make run"]["parts"]
    assert {name: float(shown) for name, shown in rows.items()} == {
        name: max(0.1, round(seconds / 60, 1)) for name, seconds in parts.items()
    }


def options_of_make_test():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.search(r"^PYTEST := .* -m pytest (.*)$", text, re.MULTILINE)[1].split()


def test_the_longest_files_start_first_and_side_by_side(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    note = "import os\ndef note(name):\n    with open('log', 'a') as log:\n"
    pytester.makepyfile(note=f"{note}        print(os.environ['PYTEST_XDIST_WORKER'], name, file=log)")
    # Neither the order of their names nor the number of their tests tells which is long.
    tests = {"test_a": 4, "test_b": 5, "test_c": 3, "test_d": 3, "test_e": 6}
    for name, count in tests.items():
        source = f"import note, pytest\n@pytest.mark.parametrize('i', range({count}))\n"
        pytester.makepyfile(**{name: f"{source}def test_it(i):\n    note.note('{name}')"})
    parts = {"test_c.py": 30, "test_d.py": 20, "test_a.py": 1}
    table = {"make test": {"parts": parts}}
    results = pytester.mkdir("benchmarks") / "results"
    results.mkdir()
    (results / "suite.json").write_text(json.dumps(table), encoding="utf-8")
    assert pytester.runpytest_subprocess("-p", "xdist", *options_of_make_test()).ret == 0
    started = {}
    for line in (pytester.path / "log").read_text(encoding="utf-8").splitlines():
        worker, name = line.split()
        started.setdefault(worker, []).append(name)
    assert {names[0] for names in started.values()} == {"test_c", "test_d"}
    assert sorted(name for names in started.values() for name in names) == [
        n for n, k in tests.items() for _ in range(k)
    ]
