"""Notebook 05: what its recorded outputs show, and what a reader's edits of it do."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from .edited import executed, printed, recorded

NAME = "05_lenet_fashion_mnist"
SPREAD = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "lenet_spread.json"


def numbers(notebook, cell_id):
    """The numbers in each line that a cell printed."""
    lines = printed(notebook, cell_id).replace(",", "").splitlines()
    return [[float(number) for number in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?", line)] for line in lines]


def table(notebook, cell_id):
    """The Markdown table in a cell: a list of fields for each row below the head."""
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    rows = [line.strip("|").split("|") for line in cell.source.splitlines() if line.startswith("|")]
    return [[field.strip() for field in row] for row in rows[2:]]


@pytest.fixture(scope="module")
def notebook():
    return recorded(NAME)


@pytest.fixture(scope="module")
def runs():
    """The runs of the benchmark on one core: (divisor of the last step, seed) to test accuracy by epoch."""
    found = json.loads(SPREAD.read_text())["runs"]
    one_core = [run for run in found if (run["threads"], run["isa"]) == (1, "native")]
    return {(run["divisor"], run["seed"]): [epoch[2] for epoch in run["epochs"]] for run in one_core}


def test_the_architecture_table_says_what_the_loop_over_the_layers_prints(notebook):
    rows = [[field for field in row if field] for row in table(notebook, "shapes-text")]
    stated = [int(row[-1].split("=")[-1].strip(" $*").replace(",", "")) for row in rows if len(row) > 2]
    layers = re.findall(r"^(?:Conv2D|Dense) .* ([\d,]+)$", printed(notebook, "shapes"), re.MULTILINE)
    shown = [int(number.replace(",", "")) for number in layers]
    assert stated[:-1] == shown and sum(shown) == stated[-1] == 1349280


def test_the_package_has_the_same_network_and_counts_the_same(notebook):
    assert "prints the same: True" in printed(notebook, "model-same")
    assert re.findall(r": (\w+)", printed(notebook, "right-evaluate")) == ["True", "True"]


def test_all_ten_test_accuracies_are_means_of_means_the_published_ones_and_ours(notebook):
    whole, published, ours = (row[-2:] for row in numbers(notebook, "mistake-b-check")[1:])
    assert (whole[-1], published[-1], ours) == (0, 10, [10, 10])


def test_a_full_step_of_96_images_costs_accuracy_and_the_shortened_one_does_not(notebook):
    (before,), *steps = numbers(notebook, "mistake-c-effect")
    change = {(int(size), int(divisor)): mean for size, divisor, mean, _ in steps}
    assert before > 0.86
    assert change[96, 96] < change[256, 256] - 0.002 and change[96, 96] < -0.004
    assert change[96, 256] > -0.003


def test_the_tables_of_the_benchmark_are_its_results(notebook, runs):
    for divisor, (_, mean, lowest) in zip((256, 96), table(notebook, "mistake-c-why")):
        late = [runs[divisor, seed][5:] for seed in range(6) if max(runs[divisor, seed]) > 0.2]
        assert len(late) == 5
        assert (mean, lowest) == (f"{np.mean(late):.3f}", f"{np.min(late):.3f}")
    *seeds, published = table(notebook, "chance-table")
    for row in seeds:
        test = runs[256, int(row[0].split()[0])]
        assert row[1:] == [f"{test[epoch]:.3f}" for epoch in (0, 2, 5, 9)]
    assert sorted(int(row[0].split()[0]) for row in seeds) == list(range(6))
    assert published[1:] == ["0.761", "0.849", "0.871", "0.887"]


def test_the_loop_and_fit_take_the_same_steps_until_rounding_has_grown(notebook):
    assert [row[:2] for row in numbers(notebook, "right-steps")] == [[8, 0.1], [20, 0.1], [8, 0.5], [20, 0.5]]
    slow_8, slow_20, fast_8, fast_20 = (row[2] for row in numbers(notebook, "right-steps"))
    assert slow_8 <= 0.0001 and slow_20 <= 0.001 and fast_8 <= 0.01
    assert fast_20 > 20 * slow_20


def test_the_lenet_is_better_than_the_best_epoch_of_a_perceptron_and_that_than_softmax_regression(notebook):
    *softmax, perceptron, lenet = numbers(notebook, "baseline")
    assert [row[0] for row in (*softmax, perceptron, lenet)] == [7850, 7850, 170935, 170988]
    assert max(row[-1] for row in softmax) < 0.85 < perceptron[-1] < lenet[-1] and lenet[-1] > 0.875


def test_a_high_rate_kills_relus(notebook):
    (share,), (dead,), (live,) = numbers(notebook, "dead-kernels")
    assert share > 0.3 and dead > live + 0.1
    assert re.findall(r"no gradient: (\w+)", printed(notebook, "dead-kernels")) == ["True", "False"]
    slow, fast, far = numbers(notebook, "dead-rates")[1:]
    assert slow[1:3] == [0, 0] and min(fast[1:3]) > 0.1 and min(far[1:4]) > 0.8
    assert far[-1] == 0 and slow[-1] > 0.3


def test_the_hardest_class_is_the_shirt_and_it_is_taken_for_what_shares_its_outline(notebook):
    by_class = {line.split()[0]: float(line.split()[-1]) for line in printed(notebook, "recall").splitlines()}
    assert min(by_class, key=by_class.get) == "shirt"
    assert numbers(notebook, "shirt")[0][0] > 0.85


def test_the_other_seeds_learn_too(notebook):
    assert all(first > 0.7 and second > 0.78 for _, first, second in numbers(notebook, "seeds"))


SMALL = [
    ("num_train, num_test = 60_000, 10_000", "num_train, num_test = 600, 100"),
    ("train_iter.X[:10240], train_iter.y[:10240]", "train_iter.X[:512], train_iter.y[:512]"),
    ("num_epochs=2,", "num_epochs=1,"),
]


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_another_seed_rate_and_number_of_epochs_and_cells_run_twice(tmp_path):
    changes = [
        *SMALL,
        ("seed = 5", "seed = 7"),
        ("batch_size, lr, num_epochs = 256, 0.5, 10", "batch_size, lr, num_epochs = 128, 0.1, 3"),
        ("index = 0", "index = 4"),
    ]
    twice = ("training", "mistake-c-effect", "right-evaluate", "baseline", "way", "dead-rates", "save")
    notebook = executed(tmp_path, NAME, *changes, twice=twice)
    assert len(re.findall(r"^Epoch [0-2]\. Loss", printed(notebook, "training"), re.MULTILINE)) == 3
    assert printed(notebook, "training-again") == printed(notebook, "training")
    assert printed(notebook, "data").splitlines()[0] == "train: 600 images in 5 minibatches, the last of 88"
    assert printed(notebook, "published").count("epoch ") == 3
    for cell_id in ("mistake-c-effect", "right-evaluate", "baseline", "dead-rates"):
        assert printed(notebook, f"{cell_id}-again") == printed(notebook, cell_id)
    assert "same predictions   : True" in printed(notebook, "save-compare")
    assert sorted(path.name for path in tmp_path.iterdir()) == []  # nothing is left behind


@pytest.mark.slow
@pytest.mark.data("fashion-mnist")
def test_another_network_is_what_is_trained_and_looked_at(tmp_path):
    changes = [
        *SMALL,
        ("batch_size, lr, num_epochs = 256, 0.5, 10", "batch_size, lr, num_epochs = 256, 0.5, 1"),
        ('nn.Conv2D(channels=20, kernel_size=5, activation="relu")', 'nn.Conv2D(6, 5, activation="sigmoid")'),
        ("nn.MaxPool2D(pool_size=2, strides=2)", "nn.AvgPool2D(pool_size=2, strides=2)"),
        ('nn.Dense(128, activation="relu")', 'nn.Dense(84, activation="tanh"), nn.Dropout(0.5)'),
    ]
    notebook = executed(tmp_path, NAME, *changes)
    shapes = printed(notebook, "shapes")
    assert "Conv2D     (6, 24, 24)          156 " in shapes and "Dropout    (84,)" in shapes
    assert "prints the same: False" in printed(notebook, "model-same")
    parameters = numbers(notebook, "shapes")[-1][-1]
    assert numbers(notebook, "baseline")[-1][0] == parameters
    assert numbers(notebook, "dead-kernels")[0] == [0]  # a sigmoid is never zero
