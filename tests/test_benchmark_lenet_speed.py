"""The benchmark of the LeNet runs; its saved table is the README's, and keeps the promises made of it."""

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "lenet_speed.py"
OURS = {"fit", "fit, 2 OpenMP threads", "halves in 2 contexts"}


def ratios(report):
    found = [*report["epoch"]["ratios"].values(), report["start"]["ratio"]]
    return found + [report["data"][task]["ratio"] for task in ("first batch", "pass", "evaluate")]


def check(report):
    assert {"processor", "cores", "system", "python", "numpy", "mxnet"} <= set(report["machine"])
    assert set(report["load before"]) == {"start", "data", "epoch", "ladder", "busy", "scaling"}
    assert {"tutorial", *OURS} <= set(report["epoch"]["seconds"])
    assert report["epoch"]["repeats"] == dict.fromkeys(OURS, True)
    assert OURS <= set(report["busy"]["busy"]) == set(report["busy"]["quiet"])
    assert len(report["ladder"]["milliseconds a step"]) == 4
    assert {"Convolution", "_backward_Convolution"} <= set(
        report["ladder"]["operators, milliseconds a step"]["one static graph"]
    )
    assert all(ratio["range"][0] <= ratio["median"] <= ratio["range"][1] for ratio in ratios(report))


@pytest.mark.data("fashion-mnist")
def test_the_script_measures_prints_and_saves(tmp_path):
    output = tmp_path / "table.json"
    command = [sys.executable, str(SCRIPT), "--tiny", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check(json.loads(output.read_text(encoding="utf-8")))
    assert done.stdout.startswith("processor ") and "halves in 2 contexts" in done.stdout
    assert list(tmp_path.iterdir()) == [output]


def test_the_command_that_tells_why_a_process_ended_can_be_pasted(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import lenet_speed

    worker = object.__new__(lenet_speed.Worker)
    worker.process = SimpleNamespace(
        args=["python", "--work", "fit", '{"images": 1}'], stdin=io.StringIO(), stdout=io.StringIO()
    )
    with pytest.raises(RuntimeError, match="the process of 'pass' ended: run .* to see why") as caught:
        worker.do("pass")
    assert shlex.split(re.search("run (.*) to see why", str(caught.value))[1]) == worker.process.args


@pytest.fixture(scope="module")
def saved():
    return json.loads((SCRIPT.parent / "results" / "lenet_speed.json").read_text(encoding="utf-8"))


def test_the_saved_table_is_of_the_real_size(saved):
    check(saved)
    assert (saved["settings"]["images"], saved["settings"]["batch"], saved["settings"]["test"]) == (60000, 256, 10000)
    assert saved["settings"]["sizes"] == [16, 64, 256, 1024] and saved["machine"]["torch"].startswith("2.13.0")


def test_the_readme_shows_the_saved_table(saved):
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) s \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: float(seconds) for name, seconds in rows} == {
        name: round(seconds, 1) for name, seconds in saved["epoch"]["seconds"].items()
    }
