"""How fast the network in NumPy is: its convolution against naive loops and against MXNet, its epoch against Gluon.

Prints a table and saves it in ``benchmarks/results/numpy_cnn.json``.

Method: all ways of a convolution compute the same numbers (checked first); of the epoch the shapes of the parameters
are compared. There NumPy's Trainer measures three accuracies after its last update (training set, test set, and the
test set once more at the end), where ``fit`` measures one (test set) and counts hits while it trains: the ratio of the
epochs includes that. The clock is the processor time that this process takes, with one thread for the arithmetic, so
what other programs take does not count. One round calls every way once; times are medians over the rounds, ratios are
taken within a round and reported with their quartiles. The loops are timed on a few images and multiplied up to the
minibatch: every image is the same work.

    python benchmarks/numpy_cnn.py [--tiny] [--output FILE]
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import d2lhelpers.numpy_cnn as cnn
from d2lhelpers.data import ArrayIterator
from d2lhelpers.training import fit

import mxnet as mx
import numpy as np
from machine import describe_machine
from medians import rounded, spread
from mxnet.gluon import nn

RESULTS = Path(__file__).parent / "results" / "numpy_cnn.json"
# Notebook 08's: 2,000 and 1,000 images of 28x28, 30 filters of 5x5, minibatches of 100.
FULL = {"train": 2000, "test": 1000, "size": 28, "filters": 30, "kernel": 5, "batch": 100, "looped": 4, "rounds": 15}
TINY = {"train": 20, "test": 10, "size": 8, "filters": 3, "kernel": 3, "batch": 10, "looped": 2, "rounds": 2}
NAMES = ("convolution", "16 channels", "epoch")


def convolution_by_loops(x, weight, bias, dout):
    """Forward and backward pass, one window after the other. Returns output and gradients by x, weight and bias."""
    k = weight.shape[2]
    out, dx, dweight = np.empty_like(dout), np.zeros_like(x), np.zeros_like(weight)
    for n, f, i, j in np.ndindex(*dout.shape):
        out[n, f, i, j] = (x[n, :, i : i + k, j : j + k] * weight[f]).sum() + bias[f]
    for n, f, i, j in np.ndindex(*dout.shape):
        dx[n, :, i : i + k, j : j + k] += dout[n, f, i, j] * weight[f]
        dweight[f] += dout[n, f, i, j] * x[n, :, i : i + k, j : j + k]
    return out, dx, dweight, dout.sum(axis=(0, 2, 3))


class ConvolutionBenchmark:
    """One minibatch through a convolution and back, three ways."""

    def __init__(self, settings, rng, channels):
        """Draw images, filters and the gradient by the output, in float32."""
        n, size, kernel = settings["batch"], settings["size"], settings["kernel"]
        shapes = [(n, channels, size, size), (settings["filters"], channels, kernel, kernel), (settings["filters"],)]
        shapes.append((n, settings["filters"], size - kernel + 1, size - kernel + 1))
        self.arrays = [rng.normal(size=shape).astype("float32") for shape in shapes]
        self.mx_arrays = [mx.nd.array(array) for array in self.arrays]
        for array in self.mx_arrays[:3]:
            array.attach_grad()
        self.layer = cnn.Convolution(*self.arrays[1:3])
        self.looped = settings["looped"]

    def loops(self):
        """A few images, by Python loops."""
        x, weight, bias, dout = self.arrays
        return convolution_by_loops(x[: self.looped], weight, bias, dout[: self.looped])

    def numpy(self):
        """All of it, by the package's layer."""
        x, _, _, dout = self.arrays
        return self.layer.forward(x), self.layer.backward(dout), *self.layer.grads.values()

    def mxnet(self):
        """All of it, by MXNet's operator and autograd."""
        x, weight, bias, dout = self.mx_arrays
        with mx.autograd.record():
            out = mx.nd.Convolution(x, weight, bias, kernel=weight.shape[2:], num_filter=weight.shape[0])
        out.backward(dout)
        mx.nd.waitall()
        return out, x.grad, weight.grad, bias.grad

    def check(self):
        """The three agree; this also warms them up."""
        for ours, theirs in zip(self.numpy(), self.mxnet()):
            np.testing.assert_allclose(ours, theirs.asnumpy(), rtol=1e-3, atol=1e-3 * np.abs(ours).max())
        few = cnn.Convolution(*self.arrays[1:3])
        expected = few.forward(self.arrays[0][: self.looped]), few.backward(self.arrays[3][: self.looped])
        for looped, ours in zip(self.loops(), (*expected, *few.grads.values())):
            np.testing.assert_allclose(looped, ours, rtol=1e-3, atol=1e-3 * np.abs(ours).max())

    def seconds(self):
        """One round: the time of each way for the whole minibatch."""
        times = {"loops": seconds(self.loops) * len(self.arrays[0]) / self.looped}
        return {**times, "NumPy": seconds(self.numpy), "nd.Convolution": seconds(self.mxnet)}


class EpochBenchmark:
    """An epoch of the simple network with Adam, accuracies on both sets included, in NumPy and in Gluon."""

    def __init__(self, settings, rng):
        """Draw images and labels, and build the network twice."""
        size, counts = settings["size"], (settings["train"], settings["test"])
        images = [rng.random((count, 1, size, size), dtype="float32") for count in counts]
        labels = [rng.integers(0, 10, count).astype("int32") for count in counts]
        sets = [array for pair in zip(images, labels) for array in pair]
        shape = {"num_filters": settings["filters"], "kernel": settings["kernel"]}
        net = cnn.SimpleConvNet((1, size, size), **shape)
        self.trainer = cnn.Trainer(net, *sets, num_epochs=1, batch_size=settings["batch"])
        self.gluon_net = nn.HybridSequential()
        self.gluon_net.add(
            nn.Conv2D(settings["filters"], settings["kernel"], activation="relu"),
            nn.MaxPool2D(2),
            nn.Dense(100, activation="relu"),
            nn.Dense(10),
        )
        self.gluon_net.initialize()
        self.gluon_net(mx.nd.array(images[0][:1]))
        self.iterators = [
            ArrayIterator(X, y, settings["batch"], shuffle=training)
            for X, y, training in zip(images, labels, (True, False))
        ]
        self.gluon_trainer = mx.gluon.Trainer(self.gluon_net.collect_params(), "adam", {"learning_rate": 0.001})

    def gluon(self):
        """The epoch in Gluon, by the project's training loop."""
        fit(self.gluon_net, *self.iterators, num_epochs=1, trainer=self.gluon_trainer)
        mx.nd.waitall()

    def check(self):
        """Both networks have parameters of the same shapes; one epoch each warms them up."""
        ours = [array.shape for array in self.trainer.net.params.values()]
        theirs = [parameter.shape for parameter in self.gluon_net.collect_params().values()]
        if ours != theirs:
            raise AssertionError(f"the networks differ: {ours} and {theirs}")
        self.seconds()

    def seconds(self):
        """One round: the time of each way."""
        return {"NumPy": seconds(self.trainer.train), "Gluon": seconds(self.gluon)}


def seconds(function):
    mx.nd.waitall()
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(benchmark, rounds, ratios):
    benchmark.check()
    times = [benchmark.seconds() for _ in range(rounds)]
    return {
        "milliseconds": {way: rounded(1000 * statistics.median(t[way] for t in times)) for way in times[0]},
        "ratios": {f"{a} / {b}": spread([t[a] / t[b] for t in times]) for a, b in ratios},
    }


def show(report):
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    rounds = report["settings"]["rounds"]
    print(f"processor time in milliseconds: medians of {rounds} rounds; ratios: median (quartiles)")
    for name in NAMES:
        for way, milliseconds in report[name]["milliseconds"].items():
            print(f"{name:12} {way:25} {milliseconds:>10g}")
        for ratio, value in report[name]["ratios"].items():
            print(f"{name:12} {ratio:25} {'{:g} ({:g}-{:g})'.format(value['median'], *value['quartiles']):>22}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="sizes that take a second, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table is saved")
    arguments = parser.parse_args()
    mx.random.seed(0)
    np.random.seed(0)
    settings, rng = TINY if arguments.tiny else FULL, np.random.default_rng(0)
    report = {"machine": describe_machine(), "settings": settings}  # the load before the work, which counts as load
    ratios = [("loops", "NumPy"), ("NumPy", "nd.Convolution")]
    for name, channels in (("convolution", 1), ("16 channels", 16)):
        report[name] = measure(ConvolutionBenchmark(settings, rng, channels), settings["rounds"], ratios)
    report["epoch"] = measure(EpochBenchmark(settings, rng), settings["rounds"], [("NumPy", "Gluon")])
    show(report)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
