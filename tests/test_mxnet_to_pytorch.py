"""docs/mxnet_to_pytorch.md: PyTorch's numbers were saved by benchmarks/torch_numbers.py, MXNet's are computed here."""

import json
import re
from pathlib import Path

import d2lhelpers

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "mxnet_to_pytorch.md").read_text("utf-8")
TORCH = json.loads((ROOT / "benchmarks" / "results" / "torch_numbers.json").read_text("utf-8"))
ROW = np.arange(1.0, 6).reshape(1, 1, 5)


def pooled():
    row = nd.array(ROW)
    operator = nd.Pooling(row, kernel=(2,), pool_type="max").asnumpy().ravel().tolist()
    return operator, nn.MaxPool1D(2)(row).asnumpy().ravel().tolist()


def average_pooled(**options):
    return nn.AvgPool1D(3, 1, 1, **options)(nd.array(ROW)).asnumpy().ravel().tolist()


def stepped(rule, rates=(0.1, 0.1, 0.01), **options):
    x = gluon.Parameter("x", shape=(1,))
    x.initialize(mx.init.One())
    trainer = gluon.Trainer([x], rule, {"learning_rate": rates[0], **options})
    path = []
    for rate in rates:
        trainer.set_learning_rate(rate)
        with autograd.record():
            loss = (2 * x.data()).sum()
        loss.backward()
        trainer.step(1)
        path.append(float(x.data().asscalar()))
    return path


def near(numbers):
    return pytest.approx(numbers, abs=1e-5)


def test_pooling_has_other_strides():
    operator, layer = pooled()
    assert layer == TORCH["pooled"] == [2, 4] and operator == [2, 3, 4, 5]


def test_padded_zeros_are_counted_by_both():
    assert average_pooled() == near(TORCH["average_pooled_with_padding"])
    assert average_pooled(count_include_pad=False) == near([1.5, 2, 3, 4, 4.5])


def test_weights_and_biases_begin_otherwise():
    largest, bias_is_zero = TORCH["linear_start"]
    layer = nn.Dense(1000, in_units=100)
    d2lhelpers.seed_everything(0)
    layer.initialize()
    assert layer.weight.data().abs().max().asscalar() == pytest.approx(0.07, abs=1e-3)
    assert largest == pytest.approx(1 / np.sqrt(100), abs=1e-3)
    assert not bias_is_zero and not layer.bias.data().asnumpy().any()


def test_a_loss_is_one_number_a_sample():
    losses = gluon.loss.SoftmaxCrossEntropyLoss()(nd.array([[0, 1], [2, 0]]), nd.array([1, 1]))
    assert losses.shape == (2,) and [losses.mean().asscalar()] == near(TORCH["loss_of_two"])


def test_the_rate_stands_inside_of_the_momentum():
    assert stepped("sgd") == near(TORCH["sgd"])
    for rule, name in (("sgd", "momentum"), ("nag", "nesterov")):
        ours = stepped(rule, momentum=0.9)
        assert ours[:2] == near(TORCH[name][:2])
        assert abs(ours[2] - TORCH[name][2]) > 0.2  # after the rate was lowered
    assert stepped("sgd", wd=0.5) == near(TORCH["weight_decay"])


def test_epsilon_stands_before_the_bias_correction():
    x = gluon.Parameter("x", shape=(1,))
    x.initialize(mx.init.Zero())
    trainer = gluon.Trainer([x], "adam", {"learning_rate": 1.0, "epsilon": 1e-3})
    with autograd.record():
        loss = (1e-3 * x.data()).sum()
    loss.backward()
    trainer.step(1)
    assert x.data().asscalar() == pytest.approx(-0.0307, abs=1e-4) and TORCH["adam_first_step"] == near(-0.5)


def test_batch_normalisation_keeps_another_share_and_another_variance():
    layer = nn.BatchNorm()
    layer.initialize()
    with autograd.record():
        loss = layer(nd.array([[8.0], [12.0]])).sum()
    loss.backward()
    mean, variance = (float(value.data().asscalar()) for value in (layer.running_mean, layer.running_var))
    assert (mean, variance) == near((1.0, 0.9 + 0.1 * 4))
    assert TORCH["batch_norm_running"] == near([1.0, 0.9 + 0.1 * 8, 1e-5])


def test_a_dense_layer_flattens_and_its_weight_is_laid_out_alike():
    flat, not_flat = nn.Dense(2), nn.Dense(2, flatten=False)
    for layer in (flat, not_flat):
        layer.initialize()
    x = nd.zeros((4, 5, 3))
    assert (flat(x).shape, not_flat(x).shape) == ((4, 2), tuple(TORCH["dense_layout"][1]))
    assert list(not_flat.weight.shape) == TORCH["dense_layout"][0]


def test_dropout_scales_alike():
    with autograd.record():
        kept = nn.Dropout(0.2)(nd.ones(1000)).max().asscalar()
    assert kept == TORCH["dropout_keeps"] == 1.25


def test_an_argmax_is_a_float():
    assert nd.ones((2, 3)).argmax(axis=1).dtype == np.float32 and TORCH["argmax_type"] == "torch.int64"


def test_every_row_of_the_page_names_a_test_that_is_here():
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert named and set(named) <= set(globals())
    assert f"PyTorch {TORCH['pytorch']}" in PAGE
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "proven by" not in line]
    assert all("`test_" in row for row in rows if row.count("|") == 5)
