"""The benchmark of several workers runs, and docs/scale.md shows its saved table."""

import json
import re
from pathlib import Path

import pytest

from .benchmarked import tiny

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "scale.py"
WAYS = ["alone", "1 worker", "2 workers", "3 workers"]


def check(report):
    assert {"processor", "cores", "load"} <= set(report["machine"])
    assert list(report["ways"]) == WAYS
    alone, *launched = report["ways"].values()
    assert alone["to one alone"] == {"median": 1, "range": [1, 1]} and alone["exchange"] == alone["megabytes"] == 0
    for row in launched:
        low, high = row["to one alone"]["range"]
        assert 0 < low <= row["to one alone"]["median"] <= high and 0 < row["exchange"] and row["step"] > 0
        assert row["megabytes"] == 0.684  # 170,988 parameters of four bytes


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_the_script_measures_prints_and_saves(tmp_path):
    report, printed = tiny(SCRIPT, tmp_path)
    check(report)
    assert re.findall(r"^(alone|\d workers?) ", printed, re.MULTILINE) == WAYS


def test_the_page_shows_the_saved_table():
    report = json.loads((SCRIPT.parent / "results" / "scale.json").read_text(encoding="utf-8"))
    check(report)
    assert report["settings"]["images"] == 5120 and report["settings"]["rounds"] >= 5
    page = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (alone|\d workers?) \| (.+) \|$", page, re.MULTILINE)
    assert [(name, cells.split(" | ")) for name, cells in rows] == [
        (
            name,
            [
                *(f"{row[key]:g}" for key in ("step", "exchange")),
                "{:g} ({:g}–{:g})".format(row["to one alone"]["median"], *row["to one alone"]["range"]),
            ],
        )
        for name, row in report["ways"].items()
    ]
