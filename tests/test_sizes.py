"""The arithmetic of windows against MXNet's operators, against gradients, and against counting."""

import contextlib
import re
import subprocess
import sys

import d2lhelpers
from d2lhelpers.sizes import output_size, receptive_field

import mxnet as mx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3))
def test_output_size_is_the_convolutions(n, k, stride, padding, dilation):
    assume(n + 2 * padding > dilation * (k - 1))
    options = {"stride": (1, stride), "pad": (0, padding), "dilate": (1, dilation), "num_filter": 1, "no_bias": True}
    Y = nd.Convolution(nd.ones((1, 1, 1, n)), nd.ones((1, 1, 1, k)), kernel=(1, k), **options)
    assert output_size(n, k, stride, padding, dilation) == Y.shape[3]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
def test_output_size_counts_the_positions(n, k, stride, padding, dilation):
    span = dilation * (k - 1) + 1
    positions = len(range(0, n + 2 * padding - span + 1, stride))
    if positions:
        assert output_size(n, k, stride, padding, dilation) == positions
    else:
        with pytest.raises(ValueError, match=f"A kernel that spans {span} does not fit into an input of {n}"):
            output_size(n, k, stride, padding, dilation)


def test_numpys_integers_do_not_overflow():
    positions = output_size(np.uint8(250), np.int64(3), padding=np.uint8(10))
    assert positions == 268 and type(positions) is int


@pytest.mark.parametrize("convention", ["valid", "full"])
def test_output_size_is_the_poolings_in_both_conventions(convention):
    for k, stride, padding in np.ndindex(5, 5, 3):
        k, stride = k + 1, stride + 1
        for n in range(1, 12) if padding < k else ():
            pool = {"kernel": (k, k), "stride": (stride, stride), "pad": (padding, padding), "pool_type": "max"}
            try:
                size = nd.Pooling(nd.ones((1, 1, n, n)), pooling_convention=convention, **pool).shape[2]
            except mx.MXNetError:
                with pytest.raises(ValueError, match="does not fit"):
                    output_size(n, k, stride, padding, convention=convention)
            else:
                assert output_size(n, k, stride, padding, convention=convention) == size


@pytest.mark.parametrize(
    "layers, field",
    [
        ([], 1),
        ([(3, 1)], 3),
        ([(3, 1)] * 3, 7),
        ([(3, 1, 4)], 9),
        ([(3, 2), (3, 2), (3, 1)], 15),
        ([(5, 1), (2, 2), (3, 1), (2, 2)], 12),
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)], 15),
    ],
)
def test_receptive_field_is_where_the_gradient_is(layers, field):
    assert receptive_field(layers) == field
    X = nd.ones((1, 1, 1, 40))
    X.attach_grad()
    with autograd.record():
        Y = X
        for k, stride, *dilation in layers:
            options = {"stride": (1, stride), "dilate": (1, *(dilation or [1])), "num_filter": 1, "no_bias": True}
            Y = nd.Convolution(Y, nd.ones((1, 1, 1, k)), kernel=(1, k), **options)
        pixel = Y[0, 0, 0, 1]
    pixel.backward()
    seen = np.flatnonzero(X.grad.asnumpy())
    assert seen[-1] - seen[0] + 1 == field


def test_the_padding_that_an_error_proposes_is_the_least_that_fits():
    for n, k in np.ndindex(8, 12):
        with contextlib.suppress(ValueError):
            output_size(n + 1, k + 1)
            continue
        with pytest.raises(ValueError) as raised:
            output_size(n + 1, k + 1)
        proposed = int(re.search(r"pad (\d+) or more", str(raised.value)).group(1))
        output_size(n + 1, k + 1, padding=proposed)
        with pytest.raises(ValueError):
            output_size(n + 1, k + 1, padding=proposed - 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: output_size(0, 1), "n must be a whole number of at least 1, not 0"),
        (lambda: output_size(4.0, 1), "n must be a whole number of at least 1, not 4.0"),
        (lambda: output_size(4, True), "k must be a whole number of at least 1, not True"),
        (lambda: output_size(4, 2, stride=0), "stride must be a whole number of at least 1, not 0"),
        (lambda: output_size(4, 2, padding=-1), "padding must be a whole number of at least 0, not -1"),
        (lambda: output_size(4, 2, dilation="2"), "dilation must be a whole number of at least 1, not '2'"),
        (lambda: output_size(4, 7, padding=1), "into an input of 4 with padding 1 on each side: pad 2 or more"),
        (lambda: output_size(4, 2, convention="same"), "convention must be one of 'valid', 'full', not 'same'"),
        (lambda: receptive_field([(3, 1), 3]), "A layer must be (kernel, stride) or (kernel, stride, dilation), not 3"),
        (lambda: receptive_field([(3,)]), "(kernel, stride, dilation), not (3,)"),
        (lambda: receptive_field([(3, 0)]), "stride must be a whole number of at least 1, not 0"),
        (lambda: receptive_field([(3, 1, 0)]), "dilation must be a whole number of at least 1, not 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        call()
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")


def test_there_is_one_output_size_and_it_needs_no_mxnet():
    from d2lhelpers import convolution, numpy_cnn

    assert d2lhelpers.output_size is convolution.output_size is numpy_cnn.output_size is output_size
    program = "import sys, d2lhelpers.diagrams, d2lhelpers.numpy_cnn, d2lhelpers.sizes; print('mxnet' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
