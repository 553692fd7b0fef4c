"""Notebook 10 as a reader changes it, and the results that its text speaks of."""

import re

import numpy as np
import pytest

from .edited import executed, printed, recorded

SPINE, SOLUTIONS = "10_deeper", "solutions/10_deeper_solutions"
SMALL = (
    ("seeds = (1, 2, 3)", "seeds = (4,)"),
    (
        "num_images, num_test, num_epochs, batch_size = 10000, 10000, 4, 64",
        "num_images, num_test, num_epochs, batch_size = 256, 128, 1, 64",
    ),
    ("numbers_of_blocks = (2, 10, 20)", "numbers_of_blocks = (1, 3)"),
)
SMALL_SOLUTIONS = (
    ("seeds = (1, 2, 3)", "seeds = (4,)"),
    (
        "num_images, num_test, num_epochs, batch_size = 6000, 10000, 3, 64",
        "num_images, num_test, num_epochs, batch_size = 256, 128, 1, 64",
    ),
    ("num_blocks = 20", "num_blocks = 4"),
)


def numbers(pattern, text):
    """The float that follows each match of a pattern."""
    return [float(number) for number in re.findall(pattern + r"([-+]?\d+\.\d+(?:e[-+]\d+)?)", text)]


@pytest.fixture(scope="module")
def page():
    return printed(recorded(SPINE))


def test_weights_and_multiplications_are_those_of_the_shapes(page):
    for name, sizes in (("one 7×7", [7]), ("three 3×3", [3, 3, 3]), ("one 3×3", [3])):
        weights = sum(16 * 16 * size**2 for size in sizes)
        assert re.search(rf"^{name} +{weights:,} weights, +{weights * 14 * 14:,} multi", page, re.MULTILINE)


def test_means_and_differences_are_those_of_the_seeds(page):
    rows = {
        name: [float(number) for number in re.findall(r"\d\.\d{3}", row)]
        for name, row in re.findall(r"^(one 7×7|three 3×3|one 3×3) +: (.*)$", page, re.MULTILINE)
    }
    assert {len(row) for row in rows.values()} == {4}
    for *seeds, mean in rows.values():
        assert np.mean(seeds) == pytest.approx(mean, abs=0.001)
    (difference,) = numbers("three 3×3 minus one 7×7 +: ", page)
    assert difference == pytest.approx(rows["three 3×3"][-1] - rows["one 7×7"][-1], abs=0.0011)
    (spread,) = numbers("largest difference between seeds +: ", page)
    assert spread == pytest.approx(max(np.ptp(row[:-1]) for row in rows.values()), abs=0.0011)


def test_the_plain_stack_fails_with_depth_and_skip_connections_do_not(page):
    accuracy = {
        (name, int(blocks)): float(found)
        for name, blocks, found in re.findall(r"^(plain|skip) +(\d+) blocks : test accuracy (\S+),", page, re.MULTILINE)
    }
    assert sorted(blocks for _, blocks in accuracy) == [2, 2, 10, 10, 20, 20]
    assert accuracy["plain", 20] == pytest.approx(0.1, abs=0.01)
    assert accuracy["plain", 10] < accuracy["plain", 2] - 0.02
    assert min(accuracy["skip", blocks] for blocks in (2, 10, 20)) > accuracy["plain", 2] - 0.03
    losses = re.search(r"^plain 20 blocks .* loss (.*)$", page, re.MULTILINE)[1].split()
    assert [float(loss) for loss in losses] == pytest.approx([np.log(10)] * len(losses), abs=0.002)


def test_signal_and_gradient_vanish_without_skip_connections_only(page):
    (plain,), (skip,) = (numbers(f"{name} +spread +: first block [^,]*, last ", page) for name in ("plain", "skip"))
    assert plain < 1e-8 and skip > 0.1
    (plain,), (skip,) = (numbers(f"{name} +gradient +: first block ", page) for name in ("plain", "skip"))
    assert plain < 1e-7 and skip > 0.1


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_another_seed_size_and_depth_and_cells_run_twice(tmp_path):
    notebook = executed(
        tmp_path,
        SPINE,
        *SMALL,
        ('"one 3×3": [3]', '"two 3×3": [3, 3]'),
        ("channels = 16\n", "channels = 8\n"),
        twice=("data", "seeds-cell", "vgg-train", "deep-train", "signals-print"),
    )
    assert re.search(r"^two 3×3 +1,152 weights", printed(notebook, "cost-cell"), re.MULTILINE)
    for cell in ("seeds-cell", "vgg-train", "deep-train", "signals-print"):
        assert printed(notebook, cell) == printed(notebook, f"{cell}-again") != "", "a seed gives one result"
    assert re.findall(r"(\d+) blocks", printed(notebook, "deep-train")) == ["1", "3", "1", "3"]


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_the_blocks_in_the_cells_are_what_is_trained(tmp_path):
    notebook = executed(
        tmp_path,
        SPINE,
        *SMALL,
        ("vgg((1, 16), (2, 32), (2, 64))", "vgg((1, 8), (1, 8))"),
        ("return F.relu(x + y) if self.skip", "return F.relu(x + 0 * y) if self.skip"),
    )
    shapes = printed(notebook, "vgg-shapes")
    assert shapes.count("block") == 2 and "(1, 8, 7, 7)" in shapes
    parameters = sum(int(number.replace(",", "")) for number in re.findall(r"([\d,]+) parameters", shapes))
    assert f"{parameters:,} parameters" in printed(notebook, "vgg-train")
    # a block that does nothing but hand its input on: the same spread everywhere, and no gradient
    first, last = re.search(
        r"skip +spread +: first block (\S+), last (\S+)", printed(notebook, "signals-print")
    ).groups()
    assert first == last and numbers("skip +gradient +: first block ", printed(notebook, "signals-print")) == [0]


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_the_solutions_with_other_sizes(tmp_path):
    notebook = executed(tmp_path, SOLUTIONS, *SMALL_SOLUTIONS, ("([5], [3, 3])", "([9], [3, 3, 3, 3])"))
    assert "[9]    20736 weights, middle row [1 1 1 1 1 1 1 1 1]\n" in printed(notebook, "five")
    assert "9216 weights, middle row [ 19  76 190 304 361 304 190  76  19]\n" in printed(notebook, "five")
    assert printed(notebook, "one-kernel") == "(4, 4, 7, 7) True\n"


def test_no_shape_of_the_solutions_is_left_to_chance():
    text = printed(recorded(SOLUTIONS), "downsampling-shapes")
    shapes = ["1, 16, 28, 28", "1, 32, 14, 14", "1, 64, 7, 7"]
    assert re.findall(r"\((.*)\)", text)[:6] == [shape for shape in shapes for _ in range(2)]
