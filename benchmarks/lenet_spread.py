"""How far the LeNet of notebook 05 moves with its seed, the number of threads and the processor's instruction set.

Each configuration is trained as the notebook trains, in a process of its own, since threads and instruction set must be
chosen before MXNet starts. The results are those runs as they came; a configuration that stands in the file is not run
again, so an interrupted measurement goes on where it stopped.

    python benchmarks/lenet_spread.py [--tiny] [--output FILE]
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "lenet_spread.json"
SEED = 5  # the notebook's: calm from the first epoch on every processor tried
SEEDS = (5, 0, 1, 2, 3, 4)


def configuration(seed, threads=1, isa="native", divisor=256):
    """``divisor`` is what the last minibatch's gradient is divided by: 256 as published, or the 96 it holds."""
    return {"seed": seed, "threads": threads, "isa": isa, "divisor": divisor}


CONFIGURATIONS = [
    *(configuration(seed) for seed in SEEDS),
    *(configuration(seed, divisor=96) for seed in SEEDS),
    *(
        configuration(seed, **machine)
        for seed in (SEED, 1)
        for machine in ({"threads": 2}, {"isa": "AVX2"}, {"isa": "SSE41"})
    ),
]


def train(seed, divisor, num_epochs, num_samples):
    """Train and return the history, the classes predicted for the test set and the first layer's kernels."""
    from d2lhelpers.data import ArrayIterator, load_data_fashion_mnist
    from d2lhelpers.metrics import as_numpy
    from d2lhelpers.networks import lenet
    from d2lhelpers.seeding import seed_everything
    from d2lhelpers.training import fit

    train_iter, test_iter = load_data_fashion_mnist(256)
    if num_samples:
        train_iter = ArrayIterator(train_iter.X[:num_samples], train_iter.y[:num_samples], 256, shuffle=True)
        test_iter = ArrayIterator(test_iter.X[:num_samples], test_iter.y[:num_samples], 256)
    seed_everything(seed)
    net = lenet()
    net.initialize()
    history = fit(net, train_iter, test_iter, num_epochs, lr=0.5, divisor=256 if divisor == 256 else None)
    predicted = [int(k) for X, _ in test_iter for k in as_numpy(net(X).argmax(axis=1))]
    columns = (history.loss, history.train_accuracy, history.test_accuracy)
    kernels = [[round(float(w), 4) for w in kernel.ravel()] for kernel in as_numpy(net[0].weight.data())]
    epochs = [[round(value, 6) for value in row] for row in zip(*columns)]
    return {"epochs": epochs, "predicted": predicted, "kernels": kernels}


def in_a_process_of_its_own(wanted, tiny):
    environment = {**os.environ, "OMP_NUM_THREADS": str(wanted["threads"])}
    environment.pop("DNNL_MAX_CPU_ISA", None)
    if wanted["isa"] != "native":
        environment["DNNL_MAX_CPU_ISA"] = wanted["isa"]
    command = [
        sys.executable,
        __file__,
        "--train",
        str(wanted["seed"]),
        str(wanted["divisor"]),
        *(["--tiny"] if tiny else []),
    ]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def summary(runs, labels):
    """The test images that no network of another seed got right, and what most of them took each for.

    A network that learned nothing has one answer to all images; it is left out.
    """
    others = [configuration(seed) for seed in SEEDS if seed != SEED]
    found = [run["predicted"] for run in runs if any(other.items() <= run.items() for other in others)]
    predictions = [predicted for predicted in found if len(set(predicted)) > 1]
    hard = []
    for index, (label, *answers) in enumerate(zip(labels, *predictions)):
        if answers and label not in answers:
            hard.append([index, max(set(answers), key=answers.count)])
    return hard


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a few images, one epoch, two configurations")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(
        "--train",
        type=int,
        nargs=2,
        metavar=("SEED", "DIVISOR"),
        help="train one configuration and print it (internal)",
    )
    arguments = parser.parse_args()
    if arguments.train is not None:
        size = (1, 512) if arguments.tiny else (10, None)
        json.dump(train(*arguments.train, *size), sys.stdout)
        return
    from d2lhelpers.data import fashion_mnist_arrays

    from machine import describe_machine

    runs = json.loads(arguments.output.read_text())["runs"] if arguments.output.exists() else []
    labels = fashion_mnist_arrays()[3].tolist()
    for wanted in CONFIGURATIONS[:2] if arguments.tiny else CONFIGURATIONS:
        if any(wanted.items() <= run.items() for run in runs):
            continue
        runs.append({**wanted, **in_a_process_of_its_own(wanted, arguments.tiny)})
        result = {"machine": describe_machine(), "hard": summary(runs, labels), "runs": runs}
        arguments.output.parent.mkdir(exist_ok=True)
        arguments.output.write_text(json.dumps(result) + "\n")
        print(wanted, *runs[-1]["epochs"][-1], flush=True)


if __name__ == "__main__":
    main()
