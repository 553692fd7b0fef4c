"""The ways to train the LeNet that ``lenet_speed.py`` measures, each a function that is called in a process of its own.

A way takes the settings (images, batch, …) and returns its tasks by name, functions of no argument. As a script this is
one such process: it reads which task is asked for, and answers how long it took.
"""

import functools
import gzip
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import psutil
from medians import rounded


def training_arrays(settings):
    """The first images and labels for training, float32 of shape (N, 1, 28, 28) and int32 of shape (N,)."""
    from d2lhelpers.data import fashion_mnist_arrays

    X, y, *_ = fashion_mnist_arrays()
    return X[: settings["images"]], y[: settings["images"]]


def tutorial(settings):
    """The tutorial's loop on d2l's loader, which is given the files that are there."""
    import d2lhelpers  # noqa: F401  makes MXNet importable
    from d2lhelpers.data import ensure
    from d2lhelpers.networks import lenet

    from d2l import mxnet as d2l
    from mxnet import autograd, gluon, nd
    from mxnet.gluon.data.vision import FashionMNIST

    folder, checked = Path(ensure("fashion-mnist")), {}

    class Local(FashionMNIST):
        """The files of the data folder instead of a download, under their own checksums."""

        def __init__(self, train=True):
            super().__init__(root=str(folder), train=train)

        def _get_data(self):
            kind, prefix = ("train", "train") if self._train else ("test", "t10k")
            for part, name in (("data", "images-idx3"), ("label", "labels-idx1")):
                file = folder / f"{prefix}-{name}-ubyte.gz"
                checked.setdefault(file, hashlib.sha1(file.read_bytes()).hexdigest())
                setattr(self, f"_{kind}_{part}", (file.name, checked[file]))
            super()._get_data()
            count = settings["images" if self._train else "test"]
            self._data, self._label = self._data[:count], self._label[:count]

    gluon.data.vision.FashionMNIST = Local
    net, ctx = lenet(), d2l.try_gpu()
    net.initialize(ctx=ctx)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})

    def accuracy(output, label):
        return (output.argmax(axis=1) == label.astype("float32")).mean().asscalar()

    def load():
        return d2l.load_data_fashion_mnist(settings["batch"])

    train_iter, test_iter = load()

    def epoch():
        train_loss, train_accuracy = 0.0, 0.0
        for X, y in train_iter:
            with autograd.record():
                y_hat = net(X.as_in_context(ctx))
                batch_loss = loss(y_hat, y)
            batch_loss.backward()
            trainer.step(settings["batch"])
            train_loss += batch_loss.mean().asscalar()
            train_accuracy += accuracy(y_hat, y)

    def evaluate():
        return sum(float(accuracy(net(X), y)) for X, y in test_iter) / len(test_iter)

    return {"epoch": epoch, "evaluate": evaluate, **reading(load, lambda: train_iter, nd.waitall)}


def ours(settings, ctx=None):
    """``fit`` on batches in memory."""
    from d2lhelpers import evaluate_accuracy
    from d2lhelpers.data import ArrayIterator, ensure, fashion_mnist_arrays
    from d2lhelpers.networks import lenet
    from d2lhelpers.seeding import seed_everything
    from d2lhelpers.training import fit

    from mxnet import nd

    seed_everything(1)
    net = lenet()
    net.initialize(ctx=ctx)

    def load():
        X_train, y_train, X_test, y_test = fashion_mnist_arrays()
        few, test = slice(settings["images"]), slice(settings["test"])
        train = ArrayIterator(X_train[few], y_train[few], settings["batch"], shuffle=True)
        return train, ArrayIterator(X_test[test], y_test[test], settings["batch"])

    train_iter, test_iter = load()

    def epoch():
        fit(net, train_iter, None, 1, lr=0.1)

    def evaluate():
        return evaluate_accuracy(test_iter, net)

    def unpack():
        for file in Path(ensure("fashion-mnist")).glob("*.gz"):
            gzip.decompress(file.read_bytes())

    def repeat():
        seed_everything(1)
        net, few = lenet(), ArrayIterator(train_iter.X[:5120], train_iter.y[:5120], settings["batch"], shuffle=True)
        net.initialize(ctx=ctx)
        fit(net, few, None, 1, lr=0.1)
        return digest(net)

    return {
        "epoch": epoch,
        "evaluate": evaluate,
        "unpack": unpack,
        "repeat": repeat,
        **reading(load, lambda: train_iter, nd.waitall),
    }


def halves(settings):
    """``fit`` with half of every minibatch on each of two contexts of the CPU, as with two GPUs."""
    import d2lhelpers  # noqa: F401  makes MXNet importable

    import mxnet as mx

    return ours(settings, ctx=[mx.cpu(0), mx.cpu(1)])


def digest(net):
    """What the weights are, to the bit."""
    arrays = (parameter.list_data()[0].asnumpy() for parameter in net.collect_params().values())
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def graphs(settings):
    """The plain loop over a network that is less and less plain; and what MXNet's profiler says of its operators."""
    from d2lhelpers.data import ArrayIterator
    from d2lhelpers.graphs import ConvolveAndPool
    from d2lhelpers.networks import lenet
    from d2lhelpers.seeding import seed_everything

    from mxnet import autograd, gluon, nd, profiler
    from mxnet.gluon import nn

    batches = list(ArrayIterator(*training_arrays(settings), settings["batch"]))
    loss = gluon.loss.SoftmaxCrossEntropyLoss()

    def steps(merge):
        seed_everything(1)
        net = lenet()
        net.initialize()
        net(batches[0][0])
        function, trainer = net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        if merge is not None:
            function = nn.HybridSequential(prefix="")
            function.add(*merge(list(net)))
            function.hybridize(static_alloc=True, static_shape=True)

        def run():
            for X, y in batches:
                with autograd.record():
                    batch_loss = loss(function(X), y)
                batch_loss.backward()
                trainer.step(len(y))
            nd.waitall()

        return run

    def merged(layers, block):
        return [ConvolveAndPool([tuple(layers[:2]), tuple(layers[2:4])], block), *layers[4:]]

    tasks = {
        "layer by layer": steps(None),
        "one static graph": steps(lambda layers: layers),
        "ReLU behind the pooling": steps(lambda layers: merged(layers, block=1)),
        "channels in blocks of 16": steps(lambda layers: merged(layers, block=16)),
    }

    def profile(name):
        with tempfile.TemporaryDirectory() as folder:  # it replaces a file of that name, were it /dev/null
            profiler.set_config(profile_all=True, aggregate_stats=True, filename=f"{folder}/profile.json")
            tasks[name]()
            profiler.set_state("run")
            tasks[name]()
            profiler.set_state("stop")
            rows = json.loads(profiler.dumps(reset=True, format="json"))["Time"]["operator"]
        return {row: rounded(value["Total"] / len(batches)) for row, value in rows.items()}

    return {**tasks, **{f"profile {name}": functools.partial(profile, name) for name in list(tasks)}}


def reading(load, loader, wait):
    """The tasks of the data: from the call to the first batch, and one pass."""

    def first_batch():
        train_iter, _ = load()
        next(iter(train_iter))
        wait()

    def one_pass():
        for _ in loader():
            pass
        wait()

    return {"first batch": first_batch, "pass": one_pass}


def pytorch(settings, channels_last=False, compiled=False):
    """The same network in PyTorch, on batches in memory."""
    import torch

    torch.set_num_threads(num_threads())
    X, y = (torch.from_numpy(array) for array in training_arrays(settings))
    y = y.long()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    nn = torch.nn
    features = [nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 3), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*features, nn.Flatten(), nn.Linear(1250, 128), nn.ReLU(), nn.Linear(128, 10))
    net = net.to(memory_format=layout)
    loss, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1)
    function = torch.compile(net) if compiled else net

    def epoch():
        loss_sum, num_correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for rows in torch.randperm(len(X)).split(settings["batch"]):
            images, labels = X[rows].contiguous(memory_format=layout), y[rows]
            optimizer.zero_grad()
            y_hat = function(images)
            batch_loss = loss(y_hat, labels)
            batch_loss.backward()
            optimizer.step()
            loss_sum += batch_loss.detach() * len(rows)
            num_correct += (y_hat.argmax(dim=1) == labels).sum()
        return loss_sum.item() / len(X), num_correct.item() / len(X)

    return {"epoch": epoch}


def pytorch_channels_last(settings):
    """The same network in PyTorch, the channel as the last axis in memory."""
    return pytorch(settings, channels_last=True)


def pytorch_compiled(settings):
    """That network as ``torch.compile`` makes it; the loss and the step are as they were."""
    return pytorch(settings, channels_last=True, compiled=True)


def in_tensorflow(settings):
    """The same network of Keras layers in TensorFlow; a whole step is one ``tf.function``."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(num_threads())
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layers = tf.keras.layers
    net = tf.keras.Sequential(
        [
            tf.keras.Input((28, 28, 1)),
            layers.Conv2D(20, 5, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(50, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            y_hat = net(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, y_hat)
            batch_loss = tf.reduce_mean(losses)
        weights = [variable.value for variable in net.trainable_variables]
        for weight, gradient in zip(weights, tape.gradient(batch_loss, weights)):
            weight.assign_sub(0.1 * gradient)
        hits = tf.equal(tf.argmax(y_hat, axis=1, output_type=tf.int32), labels)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(hits, tf.int32))

    return {"epoch": channels_last_epoch(settings, step)}


def in_jax(settings):
    """The same network in JAX; a whole step is one ``jax.jit``, the channel is the last axis."""
    import jax
    import numpy as np
    from jax import lax
    from jax import numpy as jnp

    random = np.random.default_rng(1)
    shapes = [(5, 5, 1, 20), (20,), (3, 3, 20, 50), (50,), (1250, 128), (128,), (128, 10), (10,)]
    scales = [(np.prod(shape[:-1]) if len(shape) > 1 else 1e4) ** -0.5 for shape in shapes]
    weights = [jnp.asarray(random.normal(0, s, shape), "float32") for s, shape in zip(scales, shapes)]

    def convolve_and_pool(X, kernel, bias):
        Y = lax.conv_general_dilated(X, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return lax.reduce_window(jax.nn.relu(Y + bias), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss(weights, images, labels):
        k1, b1, k2, b2, w1, c1, w2, c2 = weights
        hidden = convolve_and_pool(convolve_and_pool(images, k1, b1), k2, b2).reshape(len(images), -1)
        y_hat = jax.nn.relu(hidden @ w1 + c1) @ w2 + c2
        losses = -jnp.take_along_axis(jax.nn.log_softmax(y_hat), labels[:, None], axis=1)
        return losses.mean(), (losses.sum(), (y_hat.argmax(axis=1) == labels).sum())

    @functools.partial(jax.jit, donate_argnums=0)
    def update(weights, images, labels):
        gradients, sums = jax.grad(loss, has_aux=True)(weights, images, labels)
        return [weight - 0.1 * gradient for weight, gradient in zip(weights, gradients)], sums

    def step(images, labels):
        nonlocal weights
        weights, sums = update(weights, images, labels)
        return sums

    return {"epoch": channels_last_epoch(settings, step)}


def channels_last_epoch(settings, step):
    """An epoch of steps on shuffled minibatches; ``step(images, labels)`` returns the sums of losses and of hits."""
    import numpy as np

    X, y = training_arrays(settings)
    X, y, random = X.reshape(-1, 28, 28, 1), y.astype("int32"), np.random.default_rng(1)

    def epoch():
        order, sums = random.permutation(len(X)), []
        for start in range(0, len(X), settings["batch"]):
            rows = order[start : start + settings["batch"]]
            sums.append(step(X[rows], y[rows]))
        return [sum(float(value) for value in values) / len(X) for values in zip(*sums)]

    return epoch


def num_threads():
    """How many threads the process has been given."""
    return int(os.environ["OMP_NUM_THREADS"])


def work(way):
    """Do what standard input asks for, task and settings; answer with its value, its seconds and the peak of memory."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints does not come between
    known = None
    for line in sys.stdin:
        task, settings = json.loads(line)
        if settings != known:
            tasks, known = globals()[way](settings), settings
        start = time.perf_counter()
        value = tasks[task]()
        answer = {"seconds": time.perf_counter() - start, "value": value, "megabytes": peak_megabytes()}
        print(json.dumps(answer), file=answers, flush=True)


def peak_megabytes():
    """The largest memory of this process so far, and what its children do not share with it, in MB of 2**20 bytes."""
    children = sum(child.memory_full_info().uss for child in psutil.Process().children(recursive=True))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + children / 2**20


if __name__ == "__main__":
    work(sys.argv[1])
