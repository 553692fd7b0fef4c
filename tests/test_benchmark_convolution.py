"""The benchmark of the convolutions runs, and its saved table holds what notebook 04 and the README say of it."""

import json
from pathlib import Path

import pytest

from .benchmarked import tiny

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "convolution.py"
WAYS = {"loops", "conv2d", "nd.Convolution"}
MACHINE = {"processor", "cores", "threads", "load", "system", "python", "numpy", "mxnet"}


def check(report):
    assert set(report["machine"]) == MACHINE and not {None, ""} & set(report["machine"].values())
    for case in report["cases"]:
        assert set(case["milliseconds"]) == WAYS and min(case["milliseconds"].values()) > 0
        assert len(case["ratios"]) == 3
        for ratio in case["ratios"].values():
            low, high = ratio["quartiles"]
            assert 0 < low <= ratio["median"] <= high


@pytest.mark.slow
def test_the_script_measures_prints_and_saves(tmp_path):
    report, printed = tiny(SCRIPT, tmp_path)
    check(report)
    lines = printed.splitlines()
    assert f"mxnet {report['machine']['mxnet']}" in lines[0] and all(way in lines[2] for way in WAYS)
    assert len(lines) == 3 + len(report["cases"])


def test_the_saved_table_keeps_the_promises():
    report = json.loads((SCRIPT.parent / "results" / "convolution.json").read_text(encoding="utf-8"))
    check(report)
    groups = [case["group"] for case in report["cases"]]
    assert groups.count("target") == 1 and groups.count("kernel size") >= 4 and groups.count("image size") >= 4
    target = report["cases"][groups.index("target")]
    assert (target["images"], target["kernels"]) == ([8, 16, 32, 32], [32, 16, 3, 3])
    assert target["ratios"]["conv2d / nd.Convolution"]["median"] <= 5
    assert target["ratios"]["loops / conv2d"]["median"] >= 100
    assert report["machine"]["threads"] == 1
