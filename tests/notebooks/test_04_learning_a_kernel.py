"""Notebook 04: what it shows, that it is right, and what a reader who changes it sees."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from .edited import executed, printed, recorded

NAME = "04_learning_a_kernel"
SOLUTIONS = f"solutions/{NAME}_solutions"
BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "convolution.json"


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[+-]\d+)?", text)]


def test_every_check_that_it_prints_holds():
    assert "False" not in printed(recorded(NAME)) + printed(recorded(SOLUTIONS))
    assert printed(recorded(NAME)).count("True") == 15  # 8 that functions agree, 2 of the dense layer, 5 of the cost
    assert printed(recorded(SOLUTIONS)).count("True") == 3


def test_the_gradient_is_the_sum_of_the_pixels_that_a_weight_met():
    image = np.arange(9).reshape(3, 3)
    met = [[image[i : i + 2, j : j + 2].sum() for j in (0, 1)] for i in (0, 1)]
    shown = printed(recorded(NAME), "gradient-check").partition("<")[0]
    assert numbers(shown) == np.ravel(met).tolist() == [8, 12, 20, 24]


def test_a_kernel_is_learned_and_a_rotating_layer_learns_it_rotated():
    *_, left, right = numbers(printed(recorded(NAME), "learned-by-hand").partition("<")[0])
    assert abs(left - 1) < 0.04 and abs(right + 1) < 0.04  # "within 0.04", says the opening
    plain, rotating = printed(recorded(NAME), "learn-rotating-check").splitlines()
    assert numbers(plain)[-2:] == numbers(rotating)[:-3:-1]


def test_above_two_over_the_curvature_the_loss_grows():
    limits = [numbers(line)[-1] for line in printed(recorded(NAME), "curvature").splitlines()]
    assert limits == [0.0333, 0.0161] == [round(2 / 60, 4), round(2 / 124.31, 4)]
    *lines, at_first = printed(recorded(NAME), "too-high-check").splitlines()
    assert at_first == "0.04 at first  12.1 7.33 9.93 18.3 35.5", "the text says 12.1 and 7.3"
    for line in lines:
        lr, first, last, factor = numbers(line)
        assert (factor > 1) == (last > first) == (lr > limits["with bias" in line])
    assert "0.04, no bias   loss 12.1 -> 8.57e+05, last step times 1.96" in printed(recorded(NAME), "too-high-check")


def test_the_table_of_costs_is_the_measured_one():
    cases = json.loads(BENCHMARK.read_text(encoding="utf-8"))["cases"]
    ways = ("loops", "conv2d", "nd.Convolution")
    (target,) = (case["ratios"] for case in cases if case["group"] == "target")
    rows = [f"{target['loops / nd.Convolution']['median']:,.0f} | {target['conv2d / nd.Convolution']['median']:g} | 1"]
    for group in ("kernel size", "image size"):
        first, *_, last = (case["milliseconds"] for case in cases if case["group"] == group)
        rows.append(" | ".join(f"{last[way] / first[way]:.1f}" for way in ways))
    (table,) = (cell.source for cell in recorded(NAME).cells if cell.id == "cost-table")
    assert [row in table for row in rows] == [True, True, True]


def test_the_best_learning_rate_leaves_least():
    lines = [numbers(line) for line in printed(recorded(SOLUTIONS), "distance-check").splitlines()]
    left = {lr: distance for lr, distance, _ in lines}
    assert min(left, key=left.get) == 0.0278


def test_a_start_is_found_that_explains_every_published_loss():
    for line in printed(recorded(SOLUTIONS), "published-table").splitlines()[1:9]:
        _, published, ours = line.split()
        assert published == ours
    *_, last = printed(recorded(SOLUTIONS), "search-check").splitlines()
    assert "start (0.362136, 0.633088)" in last and numbers(last)[-1] <= 0.00005
    assert numbers(printed(recorded(SOLUTIONS), "search-other-check"))[-1] > 0.005  # without decay


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_another_seed_kernel_and_rate_are_learned_as_well(tmp_path):
    notebook = executed(
        tmp_path,
        NAME,
        ("seed = 1", "seed = 7"),
        ("num_steps, num_epochs = 10, 50", "num_steps, num_epochs = 60, 20"),
        ("plus_minus = nd.array([[1, -1]])", "plus_minus = nd.array([[2, -3]])"),
        ("0.03 * layer.weight.grad()", "0.02 * layer.weight.grad()"),
        ("start = [0.3, 0.1]", "start = [0.0, 0.5]"),
        ("range(5)", "range(2)"),
        twice=["corr2d-check", "dense-check", "learned-by-hand", "too-high-check", "fifty-epochs", "decay-figure"],
    )
    for cell_id in ("learned-by-hand", "learned-by-hand-again"):
        assert numbers(printed(notebook, cell_id).partition("<")[0])[-2:] == pytest.approx([2, -3], abs=0.001)
    plain, rotating = printed(notebook, "learn-rotating-check").splitlines()
    assert numbers(plain)[-2:] == pytest.approx([2, -3], abs=0.001)
    assert numbers(rotating)[-2:] == pytest.approx([-3, 2], abs=0.001)
    assert "after 80 epochs: weights -0.99" in printed(notebook, "decay-check")
    assert "weight decay 0.1, after 20 epochs" in printed(notebook, "fifty-epochs")
    assert printed(notebook, "dense-check") == printed(recorded(NAME), "dense-check")


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_the_solutions_run_with_another_seed_rates_and_image(tmp_path):
    notebook = executed(
        tmp_path,
        SOLUTIONS,
        ("seed = 1", "seed = 7"),
        ("num_sobel_steps = 2000", "num_sobel_steps = 40"),
        ("test_iter.y == 9", "test_iter.y == 1"),
        ("np.tri(8)", "np.tri(6)"),
        ("rates = [0.01, ", "rates = [0.005, 0.01, "),
        ("np.arange(-50, 51)", "np.arange(-10, 11)"),
        twice=["three-kernels", "sobel-learn", "search-check"],
    )
    assert "after   40 steps" in printed(notebook, "sobel-learn")
    assert "main diagonal   sees  0 places" in printed(notebook, "diagonal")
    assert "other diagonal  sees  9 places" in printed(notebook, "diagonal")
    assert len(printed(notebook, "distance-check").splitlines()) == 6
