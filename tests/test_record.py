"""The record: what the source tutorials publish is what the operators compute and what the notebooks show."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import d2lhelpers
from d2lhelpers.convolution import corr2d
from d2lhelpers.networks import lenet, num_parameters
from d2lhelpers.numpy_cnn import create_optimizer, im2col

import nbformat
import numpy as np
import pytest
from mxnet import nd
from record import CLAIMS, SOURCES, TRAINING

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


@cache
def recorded_outputs(notebook):
    """The text that each code cell of a notebook printed or returned."""
    cells = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
    outputs = []
    for cell in cells:
        if cell.cell_type == "code":
            texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            outputs.append("".join(texts))
    return outputs


# The operators: a claim's ``operator`` is the name of one of these functions.


def convolution(data, weight, **options):
    data, weight = nd.array(data), nd.array(weight)
    bias = nd.zeros(weight.shape[0])
    Y = nd.Convolution(data, weight, bias, kernel=weight.shape[2:], num_filter=weight.shape[0], **options)
    return Y.asnumpy().tolist()


def convolution_shape(size, kernel, **options):
    X, W = nd.zeros((1, 1, size, size)), nd.zeros((1, 1, *kernel))
    return nd.Convolution(X, W, nd.zeros(1), kernel=kernel, num_filter=1, **options).shape[2:]


def sizes_by_total_padding(cases):
    by_formula = [(i - k + p) // s + 1 for i, k, p, s in cases]
    by_operator = [convolution_shape(i, (k, k), pad=(p // 2,) * 2, stride=(s, s))[0] for i, k, p, s in cases]
    assert by_formula == by_operator
    return by_operator


def padded_shape(array, pad_width):
    return np.pad(array, pad_width).shape


def error_of_a_size_that_is_a_float(size, kernel, stride):
    with pytest.raises(TypeError) as caught:
        np.zeros(tuple((np.array([size]) - kernel) / stride + 1))
    return str(caught.value)


def pooling(data, **options):
    return nd.Pooling(nd.array(data), **options).asnumpy().tolist()


def cross_correlation(X, K):
    return corr2d(nd.array(X), nd.array(K)).asnumpy().tolist()


def column_matrix_shape(shape, kernel):
    return im2col(np.zeros(shape), kernel).shape


def unknown_optimiser(name):
    with pytest.raises(ValueError) as caught:
        create_optimizer(name)
    return str(caught.value)


def context_without_a_gpu():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("D2LHELPERS_DEVICE", "cpu")
        return str(d2lhelpers.try_gpu())


def printed_lenet():
    return f"{lenet()}\n"


def lenet_parameters():
    net = lenet()
    net.initialize()
    net(nd.zeros((1, 1, 28, 28)))
    return num_parameters(net)


each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
each_training = pytest.mark.parametrize("claim", TRAINING, ids=lambda claim: claim.id)


@each_claim
def test_the_operators_compute_what_was_published(claim):
    assert globals()[claim.operator](**claim.inputs) == claim.expected


@each_claim
def test_the_notebook_shows_what_was_published(claim):
    outputs = recorded_outputs(claim.notebook)
    for text in claim.recorded:
        assert any(text in output for output in outputs), f"no output of {claim.notebook} contains\n{text}"


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.misprint is not None], ids=lambda claim: claim.id)
def test_a_misprint_is_wrong(claim):
    assert globals()[claim.operator](**claim.inputs) != claim.misprint


def test_claims_are_named_once_and_have_a_source_and_a_record():
    ids = [claim.id for claim in [*CLAIMS, *TRAINING]]
    assert len(ids) == len(set(ids))
    assert all(re.match(r"R\d\d\b", id) for id in ids)
    assert {claim.source for claim in [*CLAIMS, *TRAINING]} <= set(SOURCES)
    assert all(claim.recorded and all(claim.recorded) for claim in CLAIMS)


# Training: compared within bounds.


def recorded_run(claim, outputs):
    """The first complete run in a notebook's outputs: (loss, train accuracy, test accuracy) by epoch."""
    pattern = re.escape(claim.line).replace("%d", r"(\d+)").replace("%f", r"(\d+\.\d{6})")
    for output in outputs:
        lines = re.findall(pattern, output)
        if [int(epoch) for epoch, *_ in lines] == list(range(len(claim.epochs))):
            return [tuple(float(number) for number in numbers) for _, *numbers in lines]
    raise AssertionError(f"no cell printed {len(claim.epochs)} lines of the form {claim.line}")


def faults(claim, run):
    """What is wrong with a run: a list of sentences."""
    found = []
    for epoch in range(claim.from_epoch, len(claim.epochs)):
        for name, ours, published in zip(("train", "test"), run[epoch][1:], claim.epochs[epoch][1:]):
            if not published - claim.below <= ours <= published + claim.above:
                found.append(f"epoch {epoch}: {name} accuracy {ours}, published {published}")
    if not claim.final_test[0] <= run[-1][2] <= claim.final_test[1]:
        found.append(f"final test accuracy {run[-1][2]} is not within {claim.final_test}")
    return found


@each_training
def test_the_recorded_training_learns_as_published(claim):
    assert faults(claim, recorded_run(claim, recorded_outputs(claim.notebook))) == []


@each_training
def test_the_notebook_shows_the_published_training_beside_it(claim):
    rows = [" ".join(f"{number:.6f}" for number in numbers) for numbers in claim.epochs]
    assert any(all(row in output for row in rows) for output in recorded_outputs(claim.notebook)), rows


@each_training
def test_recorded_lines_are_read_back(claim):
    lines = [f"{claim.line}\n" % (epoch, *numbers) for epoch, numbers in enumerate(claim.epochs)]
    assert recorded_run(claim, ["no line", lines[0], "".join(lines)]) == list(claim.epochs)
    with pytest.raises(AssertionError, match="no cell printed"):
        recorded_run(claim, ["".join(lines[:-1])])


@each_training
def test_the_published_training_is_within_the_bounds_and_a_changed_one_is_not(claim):
    def changed(epoch, column, value):
        run = [list(numbers) for numbers in claim.epochs]
        run[epoch][column] = value
        return run

    assert faults(claim, claim.epochs) == []
    assert faults(claim, changed(claim.from_epoch - 1, 1, 0.1)) == []
    for column in (1, 2):
        published = claim.epochs[claim.from_epoch][column]
        assert faults(claim, changed(claim.from_epoch, column, published - claim.below + 0.001)) == []
        assert len(faults(claim, changed(claim.from_epoch, column, published - claim.below - 0.001))) == 1
        assert len(faults(claim, changed(claim.from_epoch, column, published + claim.above + 0.001))) == 1
    wide = replace(claim, below=1, above=1)
    assert len(faults(wide, changed(-1, 2, claim.final_test[0] - 0.001))) == 1
    assert len(faults(wide, changed(-1, 2, claim.final_test[1] + 0.001))) == 1
