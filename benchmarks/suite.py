"""How long `make run` and `make test` take, and each notebook in them.

`make run` executes the notebooks one after the other; `make test` compares them, their solutions and runs all other
tests in two processes side by side, so the seconds of its parts add up to more than its wall time.

    python benchmarks/suite.py [--tiny] [--output FILE]
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from machine import describe_machine
from medians import rounded

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "suite.json"
ROW = re.compile(r"^(\d\d_\w+) +([\d.]+) +ok", re.MULTILINE)
NOTEBOOK = re.compile(r"notebooks\.(?P<name>(solutions\.)?\w+)\.ipynb")


def commands(tiny, folder):
    """The two commands; with ``tiny``, on the first notebook only."""
    if not tiny:
        return {"make run": ["make", "run"], "make test": ["make", "test"]}
    notebook = "01_convolution"
    plugin = ["--nbval", "--nbval-current-env"]
    return {
        "make run": [sys.executable, "-m", "d2lhelpers", "run", "--build", str(folder), notebook],
        "make test": [sys.executable, "-m", "pytest", *plugin, f"notebooks/{notebook}.ipynb", "tests/test_context.py"],
    }


def timed(command, environment):
    """Seconds and printed lines of a command; what it prints on standard error is seen."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{' '.join(command)} failed: only a suite that passes is measured.")
    return rounded(time.perf_counter() - start), done.stdout


def seconds_of_tests(report):
    """Seconds by notebook, and of the other tests together, of pytest's report in JUnit's format."""
    seconds = collections.Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        notebook = NOTEBOOK.fullmatch(case.get("classname"))
        seconds[notebook["name"].replace(".", "/") if notebook else "tests"] += float(case.get("time"))
    return {name: rounded(value) for name, value in sorted(seconds.items())}


def measure(tiny):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        # Without the test of the table that is being made, or no first table could be.
        options = f"--junitxml={report} --deselect=tests/test_benchmark_suite.py"
        environment = {**os.environ, "PYTEST_ADDOPTS": options}
        wanted = commands(tiny, folder)
        run, table = timed(wanted["make run"], environment)
        test, _ = timed(wanted["make test"], environment)
        return {
            "make run": {"wall": run, "parts": {name: float(value) for name, value in ROW.findall(table)}},
            "make test": {"wall": test, "parts": seconds_of_tests(report)},
        }


def show(report):
    """Print the report as one table."""
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    columns = [report[name]["parts"] for name in ("make run", "make test")]
    print(f"{'seconds':<45}{'make run':>10}{'make test':>11}")
    for name in sorted({*columns[0], *columns[1]}):
        print(f"{name:<45}{columns[0].get(name, '-'):>10}{columns[1].get(name, '-'):>11}")
    print(f"{'wall time':<45}{report['make run']['wall']:>10}{report['make test']['wall']:>11}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="one notebook and one file of tests, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table is saved")
    arguments = parser.parse_args()
    report = {"machine": describe_machine(), **measure(arguments.tiny)}
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
