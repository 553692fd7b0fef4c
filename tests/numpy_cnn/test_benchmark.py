"""The benchmark of the network in NumPy runs, and its saved tables keep the promises made of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "numpy_cnn.py"
CONVOLUTION = {"loops", "NumPy", "nd.Convolution"}
WAYS = {"convolution": CONVOLUTION, "16 channels": CONVOLUTION, "epoch": {"NumPy", "Gluon"}}


def check(report):
    assert {"processor", "cores", "threads", "python", "numpy", "mxnet"} <= set(report["machine"])
    assert report["machine"]["threads"] == 1
    for name, ways in WAYS.items():
        assert set(report[name]["milliseconds"]) == ways and min(report[name]["milliseconds"].values()) >= 0
        for ratio in report[name]["ratios"].values():
            low, high = ratio["quartiles"]
            assert low <= ratio["median"] <= high


@pytest.mark.slow
def test_the_script_measures_prints_and_saves(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    output = tmp_path / "tables.json"
    command = [sys.executable, str(SCRIPT), "--tiny", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(output.read_text(encoding="utf-8"))
    check(report)
    lines = done.stdout.splitlines()
    assert f"mxnet {report['machine']['mxnet']}" in lines[0] and len(lines) == 2 + 5 + 5 + 3
    for name, ways in WAYS.items():
        assert all(any(line.startswith(f"{name:12} {way} ") for line in lines) for way in ways)


def test_the_saved_tables_keep_the_promises():
    report = json.loads((SCRIPT.parent / "results" / "numpy_cnn.json").read_text(encoding="utf-8"))
    check(report)
    expected = {"train": 2000, "test": 1000, "size": 28, "filters": 30, "kernel": 5, "batch": 100}
    assert expected.items() <= report["settings"].items()
    for name in ("convolution", "16 channels"):
        assert report[name]["ratios"]["NumPy / nd.Convolution"]["median"] <= 6
    assert report["convolution"]["ratios"]["loops / NumPy"]["median"] >= 200
    assert report["epoch"]["milliseconds"]["NumPy"] < 6000
