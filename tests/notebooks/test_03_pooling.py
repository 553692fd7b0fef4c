"""Notebook 03: what it shows, that it is right, and what a reader who changes it sees."""

import re

import d2lhelpers

import numpy as np
import pytest
from mxnet import nd

from .edited import executed, printed, recorded

NAME, SOLUTIONS = "03_pooling", "solutions/03_pooling_solutions"


def changes(notebook):
    """The measured changes by a shift: by way and k."""
    whole, *lines = printed(notebook, "shift-table").splitlines()
    found = {"whole": float(whole.split()[-1])}
    for line in lines:
        kind, two, four = re.fullmatch(r"(\w+) +k=2 +([\d.]+) +k=4 +([\d.]+)", line).groups()
        found[kind, 2], found[kind, 4] = float(two), float(four)
    return found


def test_every_check_that_it_prints_holds():
    assert "False" not in printed(recorded(NAME))
    assert printed(recorded(NAME)).count("True") == 16
    solutions = recorded(SOLUTIONS)
    assert printed(solutions).count("True") == 2
    assert printed(solutions).count("False") == printed(solutions, "max-is-not-linear").count("False") == 1


def test_pooling_forgives_a_shift_and_dropping_pixels_does_not():
    found = changes(recorded(NAME))
    for k in (2, 4):
        assert abs(found["drop", k] - found["whole"]) < 0.02
        assert found["avg", k] < found["max", k] < 0.8 * found["drop", k]
    assert all(found[kind, 4] < found[kind, 2] for kind in ("max", "avg"))
    assert found["max", 2] == pytest.approx(1 / 3, abs=0.04)  # "a third", says the prose


def test_a_blur_before_the_stride_forgives_more():
    solutions = recorded(SOLUTIONS)
    pooled, wider, blurred, more = (
        float(line.split()[-1]) for line in printed(solutions, "shift-proposals").splitlines()
    )
    assert pooled == changes(recorded(NAME))["max", 2]
    assert more < blurred < wider < pooled and blurred < 0.7 * pooled


def test_a_window_is_empty_only_where_stride_and_padding_exceed_the_window():
    empty = 0
    small = range(1, 5)
    cases = [(n, k, s, p) for n in range(1, 9) for k in small for s in small for p in range(k) if k <= n + 2 * p]
    for n, k, stride, pad in cases:
        last = stride * (d2lhelpers.output_size(n, k, stride, pad, convention="full") - 1)
        row = nd.arange(1, n + 1).reshape((1, 1, 1, n))
        options = {"kernel": (1, k), "stride": (1, stride), "pad": (0, pad), "pooling_convention": "full"}
        largest = nd.Pooling(row, pool_type="max", **options).asnumpy()
        assert (largest.min() == np.finfo("float32").min) == (last >= n + pad)
        if last >= n + pad:
            empty += 1
            assert stride + pad > k
    assert empty > 50


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_another_garment_and_fewer_of_them_work_and_a_wrong_function_is_seen(tmp_path):
    notebook = executed(
        tmp_path,
        NAME,
        ("seed, index, num_images = 1, 0, 1000", "seed, index, num_images = 2, 4321, 40"),
        ("data = nd.arange(9).reshape((1, 1, 3, 3))", "data = nd.arange(24).reshape((2, 1, 3, 4))"),
        ("[(8, 2, 2, 0), ", "[(5, 5, 2, 1), (8, 2, 2, 0), "),
        ("filled = 0 if kind", "filled = 0 if kind or kind"),  # zeros count always
        twice=("operator-avg", "misprint-check", "shift-change", "shift-table", "numpy-table-check"),
    )
    found = changes(notebook)
    assert found["avg", 4] < found["avg", 2] < found["whole"] != changes(recorded(NAME))["whole"]
    assert "<NDArray 2x1x2x3 @cpu(0)>" in printed(notebook, "operator-max")
    for line in printed(notebook, "numpy-table-check").splitlines()[1:]:
        assert line.endswith("True") == (re.search(r"(\d) +valid", line)[1] == "0")
    assert printed(notebook, "numpy-package-check").splitlines()[2:] == ["max equal: False", "avg equal: True"]
    assert printed(notebook).count("False") == 1 + 2 * 4


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_the_solutions_can_be_changed(tmp_path):
    notebook = executed(
        tmp_path,
        SOLUTIONS,
        ("seed, num_images = 1, 1000", "seed, num_images = 4, 30"),
        ("nn.Conv2D(20, kernel_size=5)", "nn.Conv2D(4, kernel_size=4)"),
        ("output_size(28, 5)", "output_size(28, 4)"),
        (
            '"blur with 1 2 3 2 1": lambda x: blurred(maxima(x), [1, 2, 3, 2, 1])',
            '"no blur": lambda x: blurred(x, [1])',
        ),
    )
    assert "full   [25, 13, 11, 6]\n" in printed(notebook, "lenet-sizes-full")
    assert "MaxPool2D  (1, 4, 12, 12)\n" in printed(notebook, "lenet-sizes")
    assert re.search(r"no blur +\(14, 14\)  change 0\.[34]", printed(notebook, "shift-proposals"))
    assert printed(notebook).count("False") == 1
