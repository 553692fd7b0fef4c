"""How fast a LeNet trains on Fashion-MNIST: the tutorial's loop, ``fit``, and PyTorch, side by side on the same cores.

Prints tables and saves them in ``benchmarks/results/lenet_speed.json``, from which notebook 10 and the README are made.

Method: each way is a process of its own, since the number of threads must be chosen before a library starts. All of
them are started first, and do one round's work one after the other while the others sleep; so a slow moment of the
machine meets all. Times are those one waits (not processor time, which hides what waiting for another thread costs):
medians over the rounds. A ratio is taken within a round, and its lowest and highest value are given with its median.
In the busy part one more process spins on one core.

PyTorch is measured where it is installed (the extra ``bench``); without it its rows are missing.

    python benchmarks/lenet_speed.py [--tiny] [--output FILE]
"""

import argparse
import contextlib
import functools
import gzip
import hashlib
import itertools
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil
from medians import rounded

RESULTS = Path(__file__).parent / "results" / "lenet_speed.json"
FULL = {"images": 60000, "few": 15360, "test": 10000, "batch": 256, "rounds": 3, "sizes": [16, 64, 256, 1024]}
TINY = {"images": 512, "few": 512, "test": 300, "batch": 256, "rounds": 1, "sizes": [256]}


# The work, each function in a process of its own: (settings) -> {task: function of no argument}


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


def ours(settings):
    """``fit`` on batches in memory."""
    from d2lhelpers import evaluate_accuracy
    from d2lhelpers.data import ArrayIterator, ensure, fashion_mnist_arrays
    from d2lhelpers.networks import lenet
    from d2lhelpers.seeding import seed_everything
    from d2lhelpers.training import fit

    from mxnet import nd

    seed_everything(1)
    net = lenet()
    net.initialize()

    def load():
        X_train, y_train, X_test, y_test = fashion_mnist_arrays()
        train = ArrayIterator(
            X_train[: settings["images"]], y_train[: settings["images"]], settings["batch"], shuffle=True
        )
        return train, ArrayIterator(X_test[: settings["test"]], y_test[: settings["test"]], settings["batch"])

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
        net.initialize()
        fit(net, few, None, 1, lr=0.1)
        return digest(net)

    return {
        "epoch": epoch,
        "evaluate": evaluate,
        "unpack": unpack,
        "repeat": repeat,
        **reading(load, lambda: train_iter, nd.waitall),
    }


def halves(settings, num_contexts=2):
    """Half of every minibatch on each of two contexts of the CPU, as with two GPUs; the gradients are added up.

    MXNet's default engine has threads of its own for each context, so the halves run side by side and wait for one
    another once a step. What would keep them from it is scratch memory: all contexts of the CPU share four pieces, and
    an operator waits for the one that has its piece. With `MXNET_CPU_TEMP_COPY=128` there are enough.
    """
    from d2lhelpers.data import ArrayIterator, fashion_mnist_arrays
    from d2lhelpers.graphs import as_one_graph
    from d2lhelpers.metrics import count_correct
    from d2lhelpers.networks import lenet
    from d2lhelpers.seeding import seed_everything

    import mxnet as mx
    from mxnet import autograd, gluon

    X, y, *_ = fashion_mnist_arrays()
    train_iter = ArrayIterator(X[: settings["images"]], y[: settings["images"]], settings["batch"], shuffle=True)
    contexts = [mx.cpu(i) for i in range(num_contexts)]
    loss = gluon.loss.SoftmaxCrossEntropyLoss()

    def network():
        seed_everything(1)
        net = lenet()
        net.initialize(ctx=contexts)
        return net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})

    def train(net, trainer, batches):
        totals = [0] * (2 * num_contexts)
        with as_one_graph(net) as graph:
            for batch in batches:
                parts = list(zip(*(gluon.utils.split_and_load(array, contexts, even_split=False) for array in batch)))
                with autograd.record():
                    outputs = [graph(X) for X, _ in parts]
                    losses = [loss(y_hat, y) for y_hat, (_, y) in zip(outputs, parts)]
                autograd.backward(losses)
                trainer.step(len(batch[1]))
                hits = [count_correct(y_hat, y) for y_hat, (_, y) in zip(outputs, parts)]
                totals = [sums + total for sums, total in zip([*(part.sum() for part in losses), *hits], totals)]
        return [total.asnumpy().item() for total in totals]

    def epoch():
        train(*trained, train_iter)

    def repeat():
        net, trainer = network()
        train(net, trainer, itertools.islice(train_iter, 20))
        return digest(net)

    trained = network()
    return {"epoch": epoch, "repeat": repeat}


def digest(net):
    """What the weights are, to the bit."""
    arrays = (parameter.list_data()[0].asnumpy() for parameter in net.collect_params().values())
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def graphs(settings):
    """The plain loop over a network that is less and less plain; and what MXNet's profiler says of its operators."""
    from d2lhelpers.data import ArrayIterator, fashion_mnist_arrays
    from d2lhelpers.graphs import ConvolveAndPool
    from d2lhelpers.networks import lenet
    from d2lhelpers.seeding import seed_everything

    from mxnet import autograd, gluon, nd, profiler
    from mxnet.gluon import nn

    X, y, *_ = fashion_mnist_arrays()
    batches = list(ArrayIterator(X[: settings["images"]], y[: settings["images"]], settings["batch"]))
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

    def merged(layers, pad):
        return [ConvolveAndPool([tuple(layers[:2]), tuple(layers[2:4])], pad=pad), *layers[4:]]

    tasks = {
        "layer by layer": steps(None),
        "one static graph": steps(lambda layers: layers),
        "ReLU behind the pooling": steps(lambda layers: merged(layers, pad=False)),
        "channels in blocks of 16": steps(lambda layers: merged(layers, pad=True)),
    }

    def profile(name):
        profiler.set_config(profile_all=True, aggregate_stats=True, filename=os.devnull)
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


def pytorch(settings, channels_last=False):
    """The same network in PyTorch, on batches in memory."""
    from d2lhelpers.data import fashion_mnist_arrays

    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    X, y, *_ = (torch.from_numpy(array) for array in fashion_mnist_arrays())
    X, y = X[: settings["images"]], y[: settings["images"]].long()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    nn = torch.nn
    features = [nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 3), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*features, nn.Flatten(), nn.Linear(1250, 128), nn.ReLU(), nn.Linear(128, 10))
    net = net.to(memory_format=layout)
    loss, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1)

    def epoch():
        loss_sum, num_correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for rows in torch.randperm(len(X)).split(settings["batch"]):
            images, labels = X[rows].contiguous(memory_format=layout), y[rows]
            optimizer.zero_grad()
            y_hat = net(images)
            batch_loss = loss(y_hat, labels)
            batch_loss.backward()
            optimizer.step()
            loss_sum += batch_loss.detach() * len(rows)
            num_correct += (y_hat.argmax(dim=1) == labels).sum()

    return {"epoch": epoch}


def pytorch_channels_last(settings):
    """The same network in PyTorch, the channel as the last axis in memory."""
    return pytorch(settings, channels_last=True)


# The processes.


def work(way, settings):
    """Do tasks named on standard input; answer each with its seconds and the peak of memory in MB of 2**20 bytes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints does not come between
    tasks = globals()[way](settings)
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        value = tasks[json.loads(line)]()
        answer = {"seconds": time.perf_counter() - start, "value": value, "megabytes": peak_megabytes()}
        print(json.dumps(answer), file=answers, flush=True)


def peak_megabytes():
    """The largest memory of this process so far, and what its children do not share with it, in MB of 2**20 bytes."""
    children = sum(child.memory_full_info().uss for child in psutil.Process().children(recursive=True))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + children / 2**20


class Worker:
    """A process that does one way's tasks when asked."""

    def __init__(self, way, settings, threads=1, **environment):
        """Start it and wait until it is ready."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **environment}
        command = [sys.executable, __file__, "--work", way, json.dumps(settings)]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answer(way)

    def _answer(self, asked):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {asked!r} ended: run {shlex.join(self.process.args)} to see why")
        return json.loads(line)

    def do(self, task):
        """One task: its seconds, its value, the peak of memory."""
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return self._answer(task)

    def __enter__(self):
        """Nothing to do: it runs."""
        return self

    def __exit__(self, *_):
        """End it."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def workers(ways, settings):
    """The processes of some ways, by name."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Worker(way, settings, **options)) for name, (way, options) in ways.items()}


def interleaved(started, tasks, rounds):
    """The answers by task and by process, a list over the rounds; one round before them warms up."""
    answers = {task: {name: [] for name in started} for task in tasks}
    for round_number in range(rounds + 1):
        for task in tasks:
            for name, worker in started.items():
                answer = worker.do(task)
                if round_number > 0:
                    answers[task][name].append(answer)
    return answers


def seconds(answers):
    """Median seconds by process."""
    return {name: rounded(statistics.median(a["seconds"] for a in given)) for name, given in answers.items()}


def ratio(answers, slow, fast):
    """How many times longer one takes than the other, within a round: median, lowest, highest."""
    values = [a["seconds"] / b["seconds"] for a, b in zip(answers[slow], answers[fast])]
    return {"median": rounded(statistics.median(values)), "range": [rounded(min(values)), rounded(max(values))]}


# The parts of the report.

NAIVE = {"MXNET_ENGINE_TYPE": "NaiveEngine"}
TUTORIAL, FIT, FIT_2, HALVES = "tutorial", "fit", "fit, 2 OpenMP threads", "halves in 2 contexts"
OURS = (FIT, FIT_2, HALVES)
PYTORCH = {
    f"PyTorch{layout}, {threads} thread{'s' * (threads > 1)}": (way, {"threads": threads})
    for threads in (1, 2)
    for layout, way in (("", "pytorch"), (" channels_last", "pytorch_channels_last"))
}
WAYS = {
    TUTORIAL: ("tutorial", {}),
    FIT: ("ours", {}),
    FIT_2: ("ours", {"threads": 2, **NAIVE}),
    HALVES: ("halves", {"MXNET_CPU_TEMP_COPY": "128"}),
    **(PYTORCH if find_spec("torch") else {}),
}


def best_of_pytorch(answers, threads):
    """The name of PyTorch's faster layout with so many threads; None where PyTorch is not there."""
    names = [name for name, (_, options) in PYTORCH.items() if options["threads"] == threads and name in answers]
    return min(names, key=lambda name: seconds(answers)[name]) if names else None


def against_pytorch(answers):
    """The ratios to PyTorch's best with as many threads."""
    pairs = [(FIT, 1), (FIT_2, 2), (HALVES, 2)]
    found = {name: best_of_pytorch(answers, threads) for name, threads in pairs}
    return {f"{name} / {best}": ratio(answers, name, best) for name, best in found.items() if best}


def epochs(settings):
    """One epoch, all ways."""
    with workers(WAYS, settings) as started:
        answers = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
        repeats = {name: len({started[name].do("repeat")["value"] for _ in range(3)}) == 1 for name in OURS}
    ratios = {f"{TUTORIAL} / {name}": ratio(answers, TUTORIAL, name) for name in OURS}
    return {"seconds": seconds(answers), "ratios": {**ratios, **against_pytorch(answers)}, "repeats": repeats}


def busy(settings):
    """The same with one core kept busy by another process, and fewer images."""
    settings = {**settings, "images": settings["few"]}
    ways = {name: way for name, way in WAYS.items() if name != TUTORIAL}
    with workers(ways, settings) as started:
        quiet = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
        # It ends by itself, should this process be killed.
        spinning = subprocess.Popen(
            [sys.executable, "-c", "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"]
        )
        try:
            loaded = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
        finally:
            spinning.kill()
            spinning.wait()
    before, after = seconds(quiet), seconds(loaded)
    return {
        "images": settings["images"],
        "quiet": before,
        "busy": after,
        "to one thread, quiet": {name: rounded(after[name] / before[FIT]) for name in after if "PyTorch" not in name},
        "to itself, quiet": {name: rounded(after[name] / before[name]) for name in after},
    }


def data(settings):
    """Reading: a pass over the training images, the first batch, the peak of memory; and the test accuracy."""
    with workers({name: WAYS[name] for name in (TUTORIAL, FIT)}, settings) as started:
        memory = {name: worker.do("pass")["megabytes"] for name, worker in started.items()}
        answers = interleaved(started, ["first batch", "pass", "evaluate"], settings["rounds"])
        unpacking = [started[FIT].do("unpack")["seconds"] for _ in range(settings["rounds"])]
    report = {
        task: {"seconds": seconds(given), "ratio": ratio(given, TUTORIAL, FIT)} for task, given in answers.items()
    }
    megabytes = {name: round(value) for name, value in memory.items()}
    return {**report, "unpacking gzip": rounded(statistics.median(unpacking)), "megabytes": megabytes}


def scaling(settings):
    """Milliseconds for 256 images by the size of the minibatch, by the number of images, by threads."""
    report = {}

    def per_256(ways, images, batch):
        with workers(ways, {**settings, "images": images, "batch": batch}) as started:
            answers = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
        return {name: rounded(1000 * 256 / images * value) for name, value in seconds(answers).items()}

    some = {name: WAYS[name] for name in (FIT, FIT_2, *(name for name in PYTORCH if "last" in name)) if name in WAYS}
    report["batch size"] = {size: per_256(some, settings["few"], size) for size in settings["sizes"]}
    counts = [settings["few"] // 2**k for k in range(len(settings["sizes"]))]
    report["images"] = {count: per_256({FIT: WAYS[FIT]}, count, settings["batch"]) for count in counts}
    return report


ALONE = """
import sys, types, warnings
import numpy
present = numpy.__getattr__
def any_name(name):  # a name that NumPy has dropped is anything: enough for the wheel to be imported at all
    try:
        return present(name)
    except AttributeError:
        return float
numpy.__getattr__ = any_name
versions = types.ModuleType("distutils.version")
versions.LooseVersion = versions.StrictVersion = str
sys.modules.update({"distutils": types.ModuleType("distutils"), "distutils.version": versions})
warnings.simplefilter("ignore")
import mxnet
"""
IMPORTS = {"mxnet": ALONE, "d2lhelpers, mxnet": "import d2lhelpers\nimport mxnet"}


def start(settings):
    """The import of MXNet with d2lhelpers before it, and alone."""
    answers = {name: [] for name in IMPORTS}
    for _ in range(settings["rounds"] + 1):
        for name, code in IMPORTS.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
            answers[name].append({"seconds": time.perf_counter() - begin})
    answers = {name: given[1:] for name, given in answers.items()}
    return {"seconds": seconds(answers), "ratio": ratio(answers, "d2lhelpers, mxnet", "mxnet")}


def ladder(settings):
    """What each change of the graph gives, in milliseconds a step; and the operators, each run for itself."""
    settings = {**settings, "images": settings["few"]}
    names = ["layer by layer", "one static graph", "ReLU behind the pooling", "channels in blocks of 16"]
    with workers({"graphs": ("graphs", {})}, settings) as started:
        answers = interleaved(started, names, settings["rounds"])
    per_step = 1000 * settings["batch"] / settings["images"]
    steps = {name: rounded(per_step * seconds(given)["graphs"]) for name, given in answers.items()}
    with Worker("graphs", settings, MXNET_EXEC_BULK_EXEC_MAX_NODE_TRAIN="1") as worker:
        operators = {name: worker.do(f"profile {name}")["value"] for name in (names[1], names[3])}
    return {"milliseconds a step": steps, "operators, milliseconds a step": operators}


PARTS = {"start": start, "data": data, "epoch": epochs, "ladder": ladder, "busy": busy, "scaling": scaling}


def show(report):
    """Print the report as lines."""
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))

    def lines(value, indent):
        for name, inner in value.items():
            if isinstance(inner, dict) and not {"median", "range"} <= set(inner):
                print(f"{' ' * indent}{name}")
                lines(inner, indent + 2)
            elif isinstance(inner, dict):
                print(
                    "{}{:<{}} {:g} ({:g}-{:g})".format(
                        " " * indent, name, 60 - indent, inner["median"], *inner["range"]
                    )
                )
            else:
                print(f"{' ' * indent}{name:<{60 - indent}} {inner}")

    lines({part: report[part] for part in PARTS if part in report}, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="few images, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the tables are saved")
    parser.add_argument("--part", choices=PARTS, help="measure only this and leave the rest of the file as it is")
    parser.add_argument("--work", nargs=2, metavar=("WAY", "SETTINGS"), help="be the process of one way (internal)")
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work[0], json.loads(arguments.work[1]))
        return
    from machine import describe_machine

    settings = TINY if arguments.tiny else FULL
    report = json.loads(arguments.output.read_text(encoding="utf-8")) if arguments.part else {}
    report.update({"machine": describe_machine(), "settings": settings})
    del report["machine"]["load"]  # it belongs to a part
    if find_spec("torch"):
        report["machine"]["torch"] = version("torch")
    for part in [arguments.part] if arguments.part else PARTS:
        report.setdefault("load before", {})[part] = describe_machine()["load"]
        report[part] = PARTS[part](settings)
        arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
