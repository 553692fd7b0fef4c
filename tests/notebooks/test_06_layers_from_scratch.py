"""Notebook 06: what it shows, and what a reader may change in it."""

import re

import pytest

from .edited import executed, printed, recorded

NAME = "06_layers_from_scratch"
SOLUTIONS = "solutions/06_layers_from_scratch_solutions"
LAYERS = [
    "Relu",
    "Sigmoid",
    "Affine",
    "SoftmaxWithLoss",
    "Dropout",
    "BatchNorm 2-D",
    "BatchNorm 4-D",
    "Convolution",
    "MaxPooling",
]


@pytest.fixture(scope="module")
def notebook():
    return recorded(NAME)


def worst_errors(notebook):
    """The table of all layers: the name to the errors by central differences and by autograd."""
    rows = re.findall(r"^(\S+(?: \S+)?) +(\d\.\de\S+) +(\d\.\de\S+)$", printed(notebook, "all-layers-table"), re.M)
    return {name: (float(numerical), float(mxnet)) for name, numerical, mxnet in rows}


def test_every_gradient_is_right_to_rounding_by_both_judges(notebook):
    errors = worst_errors(notebook)
    assert list(errors) == LAYERS
    assert all(numerical < 1e-7 and mxnet < 1e-12 for numerical, mxnet in errors.values()), errors


def test_every_layer_gives_mxnets_output_and_is_the_packages(notebook):
    text = printed(notebook)
    assert re.findall(r"^(.+) gives MXNet's output: True$", text, re.M) == LAYERS
    assert text.count("the same: True") == len(LAYERS) + 1  # SoftmaxWithLoss has labels in two forms
    assert "output: False" not in text and "same: False" not in text


def test_functions_are_the_packages(notebook):
    assert printed(notebook, "activations-agree").split() == [
        word for name in ("identity", "step", "sigmoid", "relu") for word in (name, "True", "True")
    ]
    assert printed(notebook, "losses-agree").split()[1::2] == ["True"] * 4
    assert printed(notebook, "adjoint-check").split().count("True") == 6
    assert printed(notebook, "four-versions-check").split().count("True") == 9
    assert "False" not in printed(notebook, "adjoint-check") + printed(notebook, "four-versions-check")


@pytest.mark.parametrize(
    "cell_id, text",
    [
        ("relu-grad-mistake-run", "[-1.  0.  2.] end in TypeError\n[1 2 3] end in IndexError\n"),
        ("relu-grad-zero-check", "[0. 1. 1.]\nours:                             [0. 0. 1.]\n"),
        ("relu-mistake-run", "T3    gradient by a [10.  0. 30.], by b [10.  0. 30.]\n"),
        ("relu-mistake-run", "ours  gradient by a [10.  0. 30.], by b [10. 20. 30.]\n"),
        ("batchnorm-mistake-run", "minibatch of 4, T3    spread 1.00  equal to MXNet's: False\n"),
        ("batchnorm-mistake-run", "minibatch of 1, T3    spread 0.00  equal to MXNet's: False\n"),
        ("batchnorm-mistake-run", "minibatch of 1, ours  spread 1.00  equal to MXNet's: True\n"),
        ("pooling-mistake-run", "ValueError: cannot reshape array of size 16 into shape (1,2,2,1)\n"),
        ("pooling-zeros-check", "T3\n [[ 0.  0.  0.]\n [ 0. -1.  0.]\n [ 0.  0.  0.]]\n"),
        ("pooling-zeros-check", "MXNet gives ours: True\n"),
        ("np-int-check", "AttributeError: module 'numpy' has no attribute 'int'.\n[1]\n"),
    ],
)
def test_a_mistake_of_the_tutorial_is_shown(notebook, cell_id, text):
    assert text in printed(notebook, cell_id)


@pytest.mark.parametrize(
    "cell_id, text",
    [
        ("dropout-means", "T3 (classical)   mean in training 0.60, in prediction 0.60\n"),
        ("dropout-means", "ours (inverted)  mean in training 1.00, in prediction 1.00\n"),
        ("squared-errors-check", "half the sum (T3)      0.1094\nthe mean (ours)        0.0729\n"),
        ("squared-errors-check", "half the mean (Gluon)  0.0365\n"),
    ],
)
def test_what_is_different_and_right_is_shown(notebook, cell_id, text):
    assert text in printed(notebook, cell_id)


@pytest.mark.slow
def test_a_reader_changes_seed_numbers_and_layers_and_breaks_a_gradient(tmp_path):
    changed = executed(
        tmp_path,
        NAME,
        ("seed = 1", "seed = 5"),
        ("dout * self.y * (1 - self.y)", "dout * self.y"),
        ("bias, stride=2, padding=1)", "bias, stride=1, padding=2)"),
        ("MaxPooling(3, stride=2, padding=1)", "MaxPooling(2, stride=1)"),
        ("0.4", "0.2"),
        twice=("relu-compare", "batchnorm-run", "all-layers-table"),
    )
    errors = worst_errors(changed)
    assert list(errors) == LAYERS
    wrong = errors.pop("Sigmoid")
    assert min(wrong) > 0.1 and "the package has the same: False" in printed(changed, "sigmoid-pencil")
    assert all(numerical < 1e-7 and mxnet < 1e-12 for numerical, mxnet in errors.values()), errors
    assert printed(changed).count("same: False") == 1
    assert "in training 0.80, in prediction 0.80" in printed(changed, "dropout-means")


@pytest.mark.slow
def test_the_solutions_hold_with_another_seed(tmp_path):
    for solved in (recorded(SOLUTIONS), executed(tmp_path, SOLUTIONS, ("seed = 2", "seed = 7"))):
        overlapping = dict(re.findall(r"kernel (\d, stride \d): x (\S+),", printed(solved, "break-it-check")))
        assert all((float(error) > 0.1) == (case[0] > case[-1]) for case, error in overlapping.items())
        nothing, *forgotten = map(float, re.findall(r"(\d\.\de\S+)$", printed(solved, "forget-check"), re.M))
        assert nothing < 1e-7 and len(forgotten) == 3 and min(forgotten) > 0.05
        blind = re.findall(r"check (\S+)   output equal to MXNet's: (\w+)", printed(solved, "blind-check"))
        assert len(blind) == 2 and all(float(error) < 1e-7 and equal == "False" for error, equal in blind)
        assert printed(solved, "transposed-check").count("True") == 4
