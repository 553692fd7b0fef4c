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


@pytest.mark.slow
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


def tables(page):
    """The tables of a Markdown page: a list of rows of cells each, the header first."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    rows = [[re.findall(r"[^|]+", line) for line in block.splitlines()] for block in blocks]
    return [[[cell.strip(" `") for cell in row] for row in block if set(row[0]) != {"-"}] for block in rows]


def test_the_page_of_the_benchmarks_shows_the_saved_tables(saved):
    def shown(*numbers):
        return [f"{number:g}" for number in numbers]

    def with_range(ratio):
        return shown(ratio["median"], *ratio["range"])

    data, busy, ladder = saved["data"], saved["busy"], saved["ladder"]
    plain, filled = ladder["operators, milliseconds a step"].values()
    by_batch = saved["scaling"]["batch size"]
    expected = [
        [[name, *with_range(ratio)] for name, ratio in saved["epoch"]["ratios"].items()],
        [
            [task, *(f"{seconds:g} s" for seconds in data[task]["seconds"].values()), *with_range(data[task]["ratio"])]
            for task in ("first batch", "pass", "evaluate")
        ],
        [[name.replace("behind", "after"), *shown(ms)] for name, ms in ladder["milliseconds a step"].items()],
        [[name, *shown(plain[name], filled[name])] for name in sorted(plain, key=plain.get, reverse=True)[:8]],
        [
            [name, *shown(busy["quiet"][name], busy["busy"][name], busy["to itself, quiet"][name])]
            for name in busy["quiet"]
        ],
        [[name, *shown(*(row[name] for row in by_batch.values()))] for name in by_batch["256"]],
        [[images, *shown(row["fit"])] for images, row in saved["scaling"]["images"].items()],
    ]
    page = (SCRIPT.parent / "README.md").read_text(encoding="utf-8")
    section = page.partition("## The LeNet, part by part\n")[2].partition("\n## ")[0]
    assert [rows for _, *rows in tables(section)] == expected
    megabytes = "{tutorial} MB and {fit} MB".format(**data["megabytes"])
    assert megabytes in section and "bit for bit" in section and set(saved["epoch"]["repeats"].values()) == {True}
