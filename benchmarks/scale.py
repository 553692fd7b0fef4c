"""What more workers give: the steps of a LeNet on Fashion-MNIST, alone and in launches of one, two and three workers.

Prints a table and saves it in ``benchmarks/results/scale.json``, from which docs/scale.md is made.

Method: the minibatch is the same 256 images in every way, divided over the workers. Each round starts every way once,
each in processes of its own; in it `fit` passes once over the images to warm up and then three times for the clock,
which takes the fastest pass. After that one more pass in which the processes stop around the exchange of gradients
tells how much of a step is spent in it, the wait for the others included. The values are those of worker 0, medians
over the rounds; a ratio is taken within a round and given with its lowest and highest value.

    python benchmarks/scale.py [--tiny] [--output FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe_machine
from medians import rounded, with_range

RESULTS = Path(__file__).parent / "results" / "scale.json"
FULL = {"images": 5120, "batch": 256, "passes": 3, "rounds": 5}
TINY = {"images": 512, "batch": 256, "passes": 1, "rounds": 1}
ALONE = "alone"
WAYS = {ALONE: 0, "1 worker": 1, "2 workers": 2, "3 workers": 3}


def work(settings, output):
    """The part of one worker; the first one writes down what it measured."""
    import d2lhelpers
    from d2lhelpers.data import ArrayIterator, fashion_mnist_arrays
    from d2lhelpers.networks import lenet
    from d2lhelpers.seeding import seed_everything
    from d2lhelpers.workers import Workers, workers

    import mxnet as mx

    seed_everything(0)
    X, y, *_ = fashion_mnist_arrays()
    few = slice(settings["images"])
    batches = ArrayIterator(X[few], y[few], settings["batch"], shuffle=True)
    net = lenet()
    net.initialize()

    def one_pass():
        start = time.perf_counter()
        d2lhelpers.fit(net, batches, None, 1, lr=0.1)
        return time.perf_counter() - start

    one_pass()
    fastest = min(one_pass() for _ in range(settings["passes"]))

    exchanging, exchange = [], Workers.add_up

    def timed_exchange(*arguments):
        mx.nd.waitall()
        start = time.perf_counter()
        exchange(*arguments)
        mx.nd.waitall()
        exchanging.append(time.perf_counter() - start)

    Workers.add_up = timed_exchange
    one_pass()
    megabytes = sum(parameter.data().size * 4 for parameter in net.collect_params().values()) / 1e6
    report = {
        "step": 1000 * fastest / len(batches),
        "exchange": 1000 * statistics.median(exchanging) if exchanging else 0.0,
        "megabytes": megabytes if exchanging else 0.0,
    }
    everyone = workers()
    if everyone is None or everyone.index == 0:
        Path(output).write_text(json.dumps(report), encoding="utf-8")


def measured(num_workers, settings, folder):
    """Milliseconds of a step, and of the exchange in it."""
    output = folder / "worker.json"
    program = [sys.executable, __file__, "--work", json.dumps(settings), "--output", str(output)]
    launch = [sys.executable, "-m", "d2lhelpers", "launch", "--workers", str(num_workers), "--"]
    subprocess.run([*(launch if num_workers else []), *program], check=True, stdout=subprocess.DEVNULL)
    return json.loads(output.read_text(encoding="utf-8"))


def measure(settings):
    """The medians over the rounds, by way."""
    found = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(settings["rounds"]):
            for name, num_workers in WAYS.items():
                found[name].append(measured(num_workers, settings, Path(folder)))
    report = {}
    for name, given in found.items():
        ratios = [one["step"] / alone["step"] for one, alone in zip(given, found[ALONE])]
        report[name] = {key: rounded(statistics.median(each[key] for each in given)) for key in given[0]}
        report[name]["to one alone"] = with_range(ratios)
    return report


def show(report):
    """Print the report as a table."""
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    print(f"{'':12}{'step':>10}{'exchange':>12}{'MB':>8}   of the time alone")
    for name, row in report["ways"].items():
        ratio = row["to one alone"]
        shown = "{:g} ({:g}-{:g})".format(ratio["median"], *ratio["range"])
        print(f"{name:12}{row['step']:>7g} ms{row['exchange']:>9g} ms{row['megabytes']:>8g}   {shown}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="few images, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table is saved")
    parser.add_argument("--work", metavar="SETTINGS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(json.loads(arguments.work), arguments.output)
        return
    settings = TINY if arguments.tiny else FULL
    report = {"machine": describe_machine(), "settings": settings, "ways": measure(settings)}
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
