"""The record: what the source tutorials publish is what the operators compute and what the notebooks show."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import d2lhelpers
import d2lhelpers.numpy_cnn as cnn
from d2lhelpers.convolution import CrossCorrelation2D, corr2d, receptive_field
from d2lhelpers.data.idx import parse_idx
from d2lhelpers.networks import cifar10_net, lenet, num_parameters

import nbformat
import numpy as np
import pytest
from mxnet import nd
from mxnet.gluon import nn

from .published import BOUNDED, CLAIMS, SOURCES, TRAINING

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


def layers_until_nothing_fits(size, kernel):
    layers = 0
    while size >= kernel:
        size, layers = convolution_shape(size, (kernel, kernel))[0], layers + 1
    return layers, size


def windows_that_fit(size, kernel, stride):
    return len([first for first in range(0, size, stride) if first + kernel <= size])


def pooling(data, **options):
    return nd.Pooling(nd.array(data), **options).asnumpy().tolist()


def cross_correlation(X, K):
    return corr2d(nd.array(X), nd.array(K)).asnumpy().tolist()


def column_matrix_shape(shape, kernel):
    return cnn.im2col(np.zeros(shape), kernel).shape


def unknown_optimiser(name):
    with pytest.raises(ValueError) as caught:
        cnn.create_optimizer(name)
    return str(caught.value)


def two_steps(name, gradient, options):
    params, optimizer, values = {"w": np.ones(1)}, cnn.create_optimizer(name, **options), []
    for _ in range(2):
        optimizer.update(params, {"w": np.full(1, float(gradient))})
        values.append(round(float(params["w"][0]), 12))
    return values


def jitter_of_a_noisy_bowl(changes, lr=0.2, batch_size=20, num_steps=4000):
    """Does a loss w²/2 jitter more or less after a change by these factors of (rate, batch size)?

    The gradient w carries noise that falls with the root of the batch size; descent begins near the bottom.
    """

    def jitter(rate, size):
        w, losses, draw = 0.0, [], np.random.default_rng(0)
        for _ in range(num_steps):
            losses.append(w * w / 2)
            w -= rate * (w + draw.normal() / np.sqrt(size))
        return np.std(np.diff(losses))

    before = jitter(lr, batch_size)
    return {
        name: "more" if jitter(rate * lr, size * batch_size) > before else "less"
        for name, (rate, size) in changes.items()
    }


def best_rate_of_a_grid(curvatures, rates):
    """The rate of a grid with which gradient descent shrinks the slowest axis of a bowl fastest."""
    return min(rates, key=lambda rate: max(abs(1 - rate * curvature) for curvature in curvatures))


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


def layer_with_bias(X, K, bias):
    layer = CrossCorrelation2D(np.shape(K))
    layer.initialize()
    assert (layer.weight.shape, layer.bias.shape) == (np.shape(K), (1,))
    layer.weight.set_data(nd.array(K))
    layer.bias.set_data(nd.array([bias]))
    return layer(nd.array(X)).asnumpy().tolist()


def descended(kernel, start, use_bias, lr, num_steps, weight_decay=0):
    """Gradient descent on the summed squared error over the black bar's edges; the losses and the weights."""
    image = np.ones((6, 8))
    image[:, 2:6] = 0
    windows = np.stack([image[:, :-1].ravel(), image[:, 1:].ravel(), np.full(42, float(use_bias))], axis=1)
    edges, weights, losses = windows[:, :2] @ kernel, np.array([*start, 0.0]), []
    for _ in range(num_steps):
        error = windows @ weights - edges
        losses.append((error**2).sum())
        weights -= lr * (2 * windows.T @ error + weight_decay * weights)
    return losses, weights[:2]


def learned_with_decay(start, lr, weight_decay, num_epochs):
    losses, weights = descended((-1, 1), start, True, lr, num_epochs, weight_decay)
    return [round(loss, 4) for loss in losses[:8]], tuple(weights.round(4).tolist())


def learned_without_bias(start, lr, num_steps):
    return tuple(descended((1, -1), start, False, lr, num_steps)[1].round(1).tolist())


def optimum_under_decay(kernel, weight_decay):
    """Where the squared error over the black bar's edges plus the decay is smallest: both weights and the bias."""
    image = np.ones((6, 8))
    image[:, 2:6] = 0
    windows = np.stack([image[:, :-1].ravel(), image[:, 1:].ravel(), np.ones(42)], axis=1)
    edges = windows[:, :2] @ kernel
    optimum = np.linalg.solve(2 * windows.T @ windows + weight_decay * np.eye(3), 2 * windows.T @ edges)
    return tuple((optimum.round(5) + 0.0).tolist())


def sight_and_weights(stacks, channels):
    return [
        (receptive_field([(kernel, 1) for kernel in stack]), sum(kernel**2 for kernel in stack) * channels**2)
        for stack in stacks
    ]


def activations(x):
    x = np.array(x)
    pairs = {name: [getattr(cnn, name)(x), getattr(cnn, f"{name}_grad")(x)] for name in ("identity", "step", "sigmoid")}
    pairs["relu"] = [cnn.relu(x), cnn.relu_grad(x)]
    return {name: np.round(pair, 4).tolist() for name, pair in pairs.items()}


def softmax_and_losses(odds, label):
    probability = cnn.softmax(np.log(odds))
    assert np.allclose(cnn.softmax(np.log([odds, odds]) + 1000), probability)
    one_hot = np.eye(len(odds))[label]
    return {
        "softmax": probability.round(12).tolist(),
        "half the sum": round(float(np.square(probability - one_hot).sum() / 2), 4),
        "mean": round(float(cnn.mean_squared_error(probability, one_hot)), 4),
        "index": round(float(cnn.cross_entropy(probability, label)), 4),
        "one-hot": round(float(cnn.cross_entropy(probability, one_hot)), 4),
    }


def gradient_of_squares(point):
    return cnn.numerical_gradient(lambda a: (a**2).sum(), np.array(point)).round(6).tolist()


def layers_that_fail_their_gradient_check(layers):
    rng = np.random.default_rng(0)
    gamma, beta, weight = rng.normal(size=3), rng.normal(size=3), rng.normal(size=(2, 3, 2, 2))
    made = {
        "Relu": (cnn.Relu(), (3, 4)),
        "Sigmoid": (cnn.Sigmoid(), (3, 4)),
        "Affine": (cnn.Affine(rng.normal(size=(4, 6)), rng.normal(size=4)), (5, 6)),
        "SoftmaxWithLoss": (cnn.SoftmaxWithLoss(), (3, 4), np.array([0, 3, 1])),
        "Dropout": (cnn.Dropout(0.4, seed=1), (3, 4)),
        "BatchNorm 2-D": (cnn.BatchNormalization(gamma, beta), (6, 3)),
        "BatchNorm 4-D": (cnn.BatchNormalization(gamma, beta), (4, 3, 2, 2)),
        "Convolution": (cnn.Convolution(weight, [0, 1], padding=1), (2, 3, 5, 5)),
        "MaxPooling": (cnn.MaxPooling(2), (2, 3, 4, 4)),
    }
    assert set(made) == set(layers)
    errors = {
        name: max(cnn.layer_gradient_check(layer, rng.normal(size=shape), *labels).values())
        for name, (layer, shape, *labels) in made.items()
    }
    return [name for name in layers if not errors[name] < 1e-7]


def idx_offsets(images, labels):
    offsets = []
    for shape in (images, labels):
        array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        file = np.array([2048 + len(shape), *shape], ">i4").tobytes() + array.tobytes()
        offsets.append(len(file) - array.nbytes)
        assert (parse_idx(file) == np.frombuffer(file, np.uint8, offset=offsets[-1]).reshape(shape)).all()
    return tuple(offsets)


def steps_of_a_trainer(num_samples, batch_size, num_epochs):
    x, t = np.zeros((num_samples, 1, 8, 8)), np.zeros(num_samples, int)
    trainer = cnn.Trainer(
        cnn.SimpleConvNet((1, 8, 8)), x, t, x[:1], t[:1], num_epochs=num_epochs, batch_size=batch_size
    )
    trainer.train_step = lambda x, t: trainer.history.loss.append(len(x))
    history = trainer.train()
    return len(history.train_accuracy), len(history.loss), history.loss[-1]


def simple_conv_net():
    layers = cnn.SimpleConvNet().layers
    return {name: sum(array.size for array in layer.params.values()) for name, layer in layers.items()}


def weights_of_dense_and_convolution(size, kernel):
    dense = nn.Dense((size - kernel + 1) ** 2, in_units=size**2, use_bias=False)
    return num_parameters(dense), num_parameters(nn.Conv2D(1, kernel, in_channels=1, use_bias=False))


def poolings(data):
    X, window = nd.array(data), {"kernel": (2, 2), "stride": (2, 2)}
    ways = {
        "max": {"pool_type": "max", **window},
        "ceil": {"pool_type": "max", "pooling_convention": "full", **window},
        "avg": {"pool_type": "avg", **window},
        "global": {"pool_type": "max", "global_pool": True},
    }
    return {name: nd.Pooling(X, **options).asnumpy().tolist() for name, options in ways.items()}


def scaled_pixels(pixels):
    return [round((pixel / 255 - 0.5) / 0.5, 6) for pixel in pixels]


def printed_cifar10_net():
    return f"{cifar10_net()}\n"


def cifar10_parameters():
    net = cifar10_net()
    net.initialize()
    net(nd.zeros((1, 3, 32, 32)))
    return [count for count in map(num_parameters, net) if count], num_parameters(net)


def cifar10_sizes():
    net = cifar10_net()
    net.initialize()
    X, sizes = nd.zeros((1, 3, 32, 32)), []
    for layer in net[:4]:
        X = layer(X)
        sizes.append(X.shape[-1])
    return sizes


def mean_of_classes(by_class, num_classes):
    return round(sum(by_class.values()) / num_classes, 2)


each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
each_bounded = pytest.mark.parametrize("claim", BOUNDED, ids=lambda claim: claim.id)
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
    ids = [claim.id for claim in [*CLAIMS, *BOUNDED, *TRAINING]]
    assert len(ids) == len(set(ids))
    assert all(re.match(r"R\d\d\b", id) for id in ids)
    assert {claim.source for claim in [*CLAIMS, *BOUNDED, *TRAINING]} <= set(SOURCES)
    assert all(claim.recorded and all(claim.recorded) for claim in CLAIMS)


# Training: compared within bounds.


def recorded_number(claim, outputs):
    """The last number that stands behind the claim's text."""
    found = [number for output in outputs for number in re.findall(re.escape(claim.text) + r"(\d+\.\d+)", output)]
    assert found, f"no cell of {claim.notebook} printed {claim.text!r} and a number"
    return float(found[-1])


@each_bounded
def test_a_recorded_number_is_within_its_bounds(claim):
    low, high = claim.bounds
    assert low <= recorded_number(claim, recorded_outputs(claim.notebook)) <= high


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
