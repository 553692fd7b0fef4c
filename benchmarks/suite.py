"""How long `make run` and `make test` take, and each notebook and file of tests in them.

`make run` executes as many notebooks at a time as there are cores, with JOBS=1 one after the other; `make test`
compares them, their solutions and runs all other tests in two processes side by side, so the seconds of the parts add
up to more than the wall time. `make test` reads its own table: its longest files start first.

    python benchmarks/suite.py [--tiny] [--only "make run"] [--output FILE]
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


COMMANDS = ("make run JOBS=1", "make run", "make test")


def commands(tiny, folder):
    """What is measured; with ``tiny``, on the first notebook only."""
    if not tiny:
        return {name: name.split() for name in COMMANDS}
    notebook = "01_convolution"
    run = [sys.executable, "-m", "d2lhelpers", "run", "--build", str(folder), notebook]
    plugin = ["--nbval", "--nbval-current-env"]
    return {
        "make run JOBS=1": [*run, "--jobs=1"],
        "make run": run,
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
    """Seconds by file of pytest's report in JUnit's format."""
    seconds = collections.Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        seconds[case.get("file")] += float(case.get("time"))
    return {name: rounded(value) for name, value in sorted(seconds.items())}


def measure(tiny, wanted=None):
    """Seconds of the wanted commands, or of all, whole and by part."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        # Without the test of the table that is being made, or no first table could be.
        options = f"--junitxml={report} -o junit_family=xunit1 --deselect=tests/test_benchmark_suite.py"
        environment = {**os.environ, "PYTEST_ADDOPTS": options}
        measured = {}
        for name, command in commands(tiny, folder).items():
            if wanted and name not in wanted:
                continue
            wall, printed = timed(command, environment)
            parts = {f"notebooks/{stem}.ipynb": float(seconds) for stem, seconds in ROW.findall(printed)}
            measured[name] = {
                "machine": describe_machine(),
                "wall": wall,
                "parts": parts or seconds_of_tests(report),
            }
        return measured


def show(report):
    """Print the report as one table."""
    for command in COMMANDS:
        machine = report.get(command, {}).get("machine", {})
        print(f"{command}:", ", ".join(f"{name} {value}" for name, value in machine.items()) or "not measured")
    columns = [report.get(command, {"wall": "-", "parts": {}}) for command in COMMANDS]
    print(f"{'seconds':<56}{'make run JOBS=1':>16}{'make run':>10}{'make test':>11}")
    for name in sorted({name for column in columns for name in column["parts"]}):
        one, run, test = (column["parts"].get(name, "-") for column in columns)
        print(f"{name:<56}{one:>16}{run:>10}{test:>11}")
    one, run, test = (column["wall"] for column in columns)
    print(f"{'wall time':<56}{one:>16}{run:>10}{test:>11}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="one notebook and one file of tests, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table is saved")
    parser.add_argument("--only", action="append", choices=COMMANDS, help="measure this one, keep the others' figures")
    arguments = parser.parse_args()
    kept = json.loads(arguments.output.read_text(encoding="utf-8")) if arguments.only else {}
    report = {**kept, **measure(arguments.tiny, arguments.only)}
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
