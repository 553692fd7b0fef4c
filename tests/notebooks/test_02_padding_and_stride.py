"""Notebook 02: what it shows, that it is right, and what a reader who changes it sees."""

import math
import re

import d2lhelpers

import numpy as np
import pytest

from .edited import executed, printed, recorded

NAME, SOLUTIONS = "02_padding_and_stride", "solutions/02_padding_and_stride_solutions"


def failed(text):
    """How many checks in printed text failed; a layer without bias prints the word, too."""
    return len(re.findall(r"(?<!bias=)False", text))


def test_every_check_that_it_prints_holds():
    assert failed(printed(recorded(NAME))) == 0
    assert printed(recorded(NAME)).count("True") == 24
    solutions = printed(recorded(SOLUTIONS))
    assert solutions.count("kept: False") == solutions.count("False") == 2


def test_55_layers_use_up_the_picture():
    size, layers = 224, 0
    while size >= 5:
        size, layers = d2lhelpers.output_size(size, 5), layers + 1
    assert (size, layers) == (4, 55)
    assert printed(recorded(NAME), "many-layers-plain").endswith(f"{size}]\n{layers} layers\n")
    lines = [" ".join(line.split()) for line in printed(recorded(NAME), "many-layers-table").splitlines()]
    assert lines == [
        "plain 55 layers, size 4 begins [224, 220, 216, 212, 208]",
        "padding 2 55 layers, size 224 begins [224, 224, 224, 224, 224]",
        "stride 2 5 layers, size 4 begins [224, 110, 53, 25, 11]",
    ]


def test_each_of_the_nine_mistakes_is_run():
    shown = "".join(
        printed(recorded(NAME), f"crash-{part}") for part in ("size", "once-twice-check", "padding-check", "loop-check")
    )
    for number, what in enumerate(
        [
            "size [2.66666667 2.        ]\n   TypeError: 'numpy.float64' object cannot be interpreted as an integer",
            "rounded [3. 2.]  right [2, 2]",
            "TypeError: Cannot interpret '2' as a data type",
            "windows by the size  7\n   in the padded row    8",
            "padding 0:      AssertionError: ",
            "padding (0, 1): TypeError: '>' not supported between instances of 'tuple' and 'int'",
            "exchanged (10, 8), windows [3, 1]\n   right     (8, 10), windows [2, 2]",
            "NameError: name 'height_out' is not defined",
            "IndexError: index 3 is out of bounds for axis 0 with size 2",
        ],
        start=1,
    ):
        assert f"{number}. {what}\n" in shown


def unread(n, k, stride, dilation):
    windows = range(d2lhelpers.output_size(n, k, stride, dilation=dilation))
    return set(range(n)) - {w * stride + t * dilation for w in windows for t in range(k)}


def test_which_pixels_no_window_reads():
    recorded_lines = printed(recorded(NAME), "dilation-unread-check").splitlines()
    cases = [(9, 3, 2, 2), (9, 3, 1, 2), (9, 3, 2, 3), (9, 2, 1, 6)]
    in_the_picture = sorted(cell - 1 for cell in unread(1 + 9 + 1, 3, 2, 2) if 0 <= cell - 1 < 9)
    assert recorded_lines == [f"the picture: unread {in_the_picture}"] + [
        f"{n} cells, kernel {k}, stride {s}, dilation {d}: unread {sorted(unread(n, k, s, d))}" for n, k, s, d in cases
    ]


def test_a_common_factor_of_stride_and_dilation_loses_pixels_and_stride_1_needs_enough_windows():
    for n in range(2, 30):
        for k in (2, 3):
            for stride in (1, 2, 3, 4):
                for dilation in (1, 2, 3, 4, 6):
                    if dilation * (k - 1) + 1 > n:
                        continue
                    lost = unread(n, k, stride, dilation)
                    factor = math.gcd(stride, dilation)
                    assert {cell for cell in range(n) if cell % factor} <= lost
                    if stride == 1:
                        assert bool(lost) == (d2lhelpers.output_size(n, k, dilation=dilation) < dilation)


def test_the_exercises_numbers():
    solutions = recorded(SOLUTIONS)
    darkened = np.ones((32, 32))
    for _ in range(10):
        padded = np.pad(darkened, 1)
        darkened = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean(axis=(2, 3))
    line = f"constant  corner {darkened[0, 0]:.2f}  edge {darkened[0, 16]:.2f}  middle 1.00\n"
    assert line in printed(solutions, "padding-modes") and darkened[0, 0] < 0.1
    assert 1 - darkened[9, 16] > 1e-6 > 1 - darkened[10, 16]  # ten layers, a frame of ten pixels
    assert "dilations (1, 2, 4): 225 pixels, 15 rows\n" in printed(solutions, "receptive-field-check")


@pytest.mark.slow
def test_other_sizes_and_seeds_work_and_a_wrong_function_is_seen(tmp_path):
    notebook = executed(
        tmp_path,
        NAME,
        ("seed = 1", "seed = 2"),
        ("picture_size, kernel_size = 224, 5", "picture_size, kernel_size = 40, 7"),
        ("image, kernel = np.arange(9).reshape(3, 3)", "image, kernel = np.ones((3, 4))"),
        ("X, K, padding, stride = np.ones((8, 8))", "X, K, padding, stride = np.ones((9, 12))"),
        ("top, left = i * stride[0], j * stride[1]", "top, left = i, j"),
        ("return Y[:, :, :: stride[0], :: stride[1]]", "return Y[:, :, :: stride[1], :: stride[0]]"),
        ('{"stride": (2, 3), "dilate": (3, 2)', '{"stride": (2, 2), "dilate": (3, 2)'),
        twice=("many-layers-plain", "crash-size", "crash-fixed-check"),
    )
    assert printed(notebook, "many-layers-plain") == "[40, 34, 28, 22] ... [22, 16, 10, 4]\n6 layers\n"
    assert "padding 3    6 layers, size  40" in printed(notebook, "many-layers-table")
    for line in printed(notebook, "crash-fixed-random-check").splitlines():
        assert line.endswith("equal: True") == ("stride (1, 1)" in line)
    for line in printed(notebook, "numpy-table-check").splitlines()[1:]:
        step = re.search(r"stride=\((\d), (\d)\)", line)
        assert ("False" in line) == bool(step and step[1] != step[2])
    assert failed(printed(notebook)) == 3 + 2 * 3


@pytest.mark.slow
def test_the_solutions_can_be_changed(tmp_path):
    notebook = executed(
        tmp_path,
        SOLUTIONS,
        ("seed = 1", "seed = 3"),
        ("size, num_layers = 32, 10", "size, num_layers = 16, 1"),
        ("[(7, 2, 3), (3, 2, 1), (3, 1, 1)]", "[(5, 2, 2), (3, 3, 0)]"),
        ("[(1, 1, 1), (1, 2, 4)]", "[(1, 1), (2, 2)]"),
    )
    assert "constant  corner 0.44  edge 0.67  middle 1.00\n" in printed(notebook, "padding-modes")
    assert printed(notebook, "stem") == "formula 112  Gluon (1, 4, 112, 112)\nformula  37  Gluon (1, 4, 37, 37)\n"
    assert "dilations (2, 2): 25 pixels, 9 rows\n" in printed(notebook, "receptive-field-check")
