"""The benchmark of the LeNet runs; its saved table is the README's, and keeps the promises made of it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from .benchmarked import tiny

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "lenet_speed.py"
OURS = {"fit", "fit, 2 OpenMP threads", "halves in 2 contexts"}
PEERS = {"PyTorch channels_last", "torch.compile", "TensorFlow", "JAX"}


def ratios(report):
    found = [*report["epoch"]["ratios"].values(), report["start"]["ratio"]]
    found += [ratio for title in ("one core", "two cores") for ratio in report["peers"][title]["ratios"].values()]
    return found + [report["data"][task]["ratio"] for task in ("first batch", "pass", "evaluate")]


def check(report):
    machine = {"processor", "cores", "load", "system", "python", "numpy", "mxnet"}
    assert all(machine <= set(about) for about in report["machines"].values())
    assert set(report["machines"]) == {"start", "data", "epoch", "ladder", "busy", "scaling", "peers"}
    assert {"tutorial", *OURS} <= set(report["epoch"]["seconds"])
    assert report["epoch"]["repeats"] == dict.fromkeys(OURS, True)
    assert OURS <= set(report["busy"]["busy"]) == set(report["busy"]["quiet"])
    assert len(report["ladder"]["milliseconds a step"]) == 4
    assert {"Convolution", "_backward_Convolution"} <= set(
        report["ladder"]["operators, milliseconds a step"]["one static graph"]
    )
    theirs = PEERS - set(report["peers"]["skipped"])
    for title, ours in (("one core", {"fit"}), ("two cores", OURS - {"fit"})):
        assert set(report["peers"][title]["milliseconds a step"]) == ours | theirs
        assert set(report["peers"][title]["ratios"]) == {f"{a} / {b}" for a in ours for b in theirs}
    assert all(ratio["range"][0] <= ratio["median"] <= ratio["range"][1] for ratio in ratios(report))


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_the_script_measures_prints_and_saves(tmp_path):
    report, printed = tiny(SCRIPT, tmp_path)
    check(report)
    for name, why in report["peers"]["skipped"].items():  # with a word
        assert re.search(rf"^ +{name} +{why}$", printed, re.MULTILINE) and why.endswith("is not installed")
    assert printed.startswith("start: processor ") and "halves in 2 contexts" in printed
    assert Path(os.devnull).is_char_device(), "MXNet's profiler, run as root, replaces the file that it is given"


def test_the_command_that_tells_why_a_process_ended_can_be_pasted(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import lenet_speed

    with lenet_speed.Worker("no_such_way") as worker:
        worker.settings = {"images": "it's no number"}
        with pytest.raises(RuntimeError, match="the process of 'pass' ended: run .* to see why") as caught:
            worker.do("pass")
    command = re.search("run (.*) to see why", str(caught.value))[1]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.endswith("KeyError: 'no_such_way'\n")


@pytest.fixture(scope="module")
def saved():
    return json.loads((SCRIPT.parent / "results" / "lenet_speed.json").read_text(encoding="utf-8"))


def test_the_saved_table_is_of_the_real_size(saved):
    check(saved)
    assert (saved["settings"]["images"], saved["settings"]["batch"], saved["settings"]["test"]) == (60000, 256, 10000)
    assert saved["settings"]["sizes"] == [16, 64, 256, 1024] and saved["peers"]["skipped"] == {}
    assert all(saved["machines"]["peers"][name].startswith(pinned) for name, pinned in bench_pins().items())


def bench_pins():
    """The versions of the extra ``bench``, by the modules' names."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pins = re.search(r"^bench = \[(.*)\]$", text, re.MULTILINE)[1]
    return dict(re.findall(r'"(\w+)(?:-cpu)?==([\d.]+)"', pins))


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

    def against_peers(measured):
        ms = measured["milliseconds a step"]
        return [
            [name, *shown(*(ms[way] for way in name.split(" / "))), *with_range(ratio)]
            for name, ratio in measured["ratios"].items()
        ]

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
        against_peers(saved["peers"]["one core"]),
        against_peers(saved["peers"]["two cores"]),
    ]
    page = (SCRIPT.parent / "README.md").read_text(encoding="utf-8")
    section = page.partition("## The LeNet, part by part\n")[2].partition("\n## ")[0]
    assert [rows for _, *rows in tables(section)] == expected
    megabytes = "{tutorial} MB and {fit} MB".format(**data["megabytes"])
    assert megabytes in section and "bit for bit" in section and set(saved["epoch"]["repeats"].values()) == {True}
