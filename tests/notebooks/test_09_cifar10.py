"""Notebook 9 and its solutions: what the recorded outputs must show, and what a reader's edits must give."""

import json
import re
import statistics

import pytest

from .edited import NOTEBOOKS, executed, printed, recorded

NAME = "09_cifar10"
SOLUTIONS = "solutions/09_cifar10_solutions"
CLASSES = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(scope="module")
def notebook():
    return recorded(NAME)


def numbers(text):
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


def number(notebook, cell_id, heading):
    """The last number of the line of a cell's output that begins with a heading."""
    (line,) = (line for line in printed(notebook, cell_id).splitlines() if line.startswith(heading))
    return numbers(line)[-1]


def epochs(notebook, cell_id):
    """The rows that a training printed: loss, accuracy, validation loss, validation accuracy."""
    return [numbers(line) for line in printed(notebook, cell_id).splitlines() if re.match(r" +\d+ ", line)]


def columns_by_class(notebook, cell_id):
    """The table of a cell by class: class to the numbers of its row."""
    rows = {line.split()[0]: numbers(line) for line in printed(notebook, cell_id).splitlines() if line}
    return {name: rows[name] for name in CLASSES}


def markdown_rows(notebook, cell_id):
    """The fields of the table of a Markdown cell, without its head."""
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    rows = [line.strip("|").split("|") for line in cell.source.splitlines() if line.startswith("|")]
    return [[field.strip() for field in row] for row in rows[2:]]


# What was recorded.


def test_the_package_agrees_everywhere(notebook):
    said = re.findall(r" : (True|False)$", printed(notebook), re.MULTILINE)
    assert len(said) == 10 and set(said) == {"True"}


def test_a_loop_with_a_break_prints_no_loss_and_a_whole_pass_does(notebook):
    assert "loss" not in printed(notebook, "as-published-accuracy")
    lines = re.findall(r"^\[1, +(\d+)\] loss: (\d\.\d{3})$", printed(notebook, "more-minibatches"), re.MULTILINE)
    assert [int(step) for step, _ in lines] == [200, 400, 600, 800]
    assert float(lines[0][1]) > float(lines[-1][1])


def test_the_further_the_break_the_further_the_weights(notebook):
    moved = re.findall(r"moved by (\d\.\d+), accuracy (\d\.\d+)", printed(notebook, "more-minibatches"))
    steps, reached = zip(*(map(float, pair) for pair in moved))
    assert list(steps) == sorted(steps) and steps[0] < 0.01 < 0.1 < steps[-1]
    assert max(reached[:2]) < 0.15 < reached[-1]


def test_networks_that_name_one_class_four_times_name_it_rightly_too(notebook):
    assert number(notebook, "same-name-four-times", "networks") > 0.1
    assert number(notebook, "same-name-four-times", "share") > 0.5


def test_one_class_is_nearly_dead_after_a_pass_with_the_relu(notebook):
    by_class = columns_by_class(notebook, "positive-logits")
    assert min(by_class, key=lambda name: by_class[name][1]) == "car"
    assert by_class["car"][1] < 0.1 and by_class["car"][2] < 0.05


def test_the_relu_makes_each_pass_worse_and_the_end_too(notebook):
    wrong, right = epochs(notebook, "train-with-relu"), epochs(notebook, "train-without-relu")
    assert len(wrong) == len(right) == 12
    assert all(a[0] > b[0] and a[3] < b[3] for a, b in zip(wrong, right))
    assert [row[0] for row in right] == sorted((row[0] for row in right), reverse=True)
    assert number(notebook, "mistakes", "only the ReLU") < number(notebook, "mistakes", "none")
    assert number(notebook, "mistakes", "only the loop") == pytest.approx(0.1, abs=0.05)


def test_the_table_of_seeds_has_the_recorded_run_in_its_row(notebook):
    rows = {row[0]: row[1:] for row in markdown_rows(notebook, "relu-meaning")}
    assert list(rows) == list("12345")
    linear, relu = epochs(notebook, "train-without-relu")[-1][0], epochs(notebook, "train-with-relu")[-1][0]
    tests = [number(notebook, "mistakes", heading) for heading in ("none", "only the ReLU")]
    assert [float(value) for value in rows["1"][:4]] == [linear, relu, *tests]
    assert all(float(row[1]) > float(row[0]) for row in rows.values()), "the loss is always higher"
    dead = [float(row[2]) - float(row[3]) for row in rows.values() if row[4] != "none"]
    alive = [float(row[2]) - float(row[3]) for row in rows.values() if row[4] == "none"]
    assert min(dead) > max(alive) and max(dead) <= 0.085, "it costs most where a class stays dead"


def test_the_trap_is_none_at_four_and_one_at_a_hundred(notebook):
    counted = [int(count) for count in re.findall(r": +(\d+) images counted", printed(notebook, "counted-images"))]
    assert counted == [1000, 200, 40]
    assert number(notebook, "count-right-and-wrong", "minibatches of   4") == 0
    assert number(notebook, "count-right-and-wrong", "minibatches of 100") > 0.2


def test_the_accuracies_by_class_are_those_of_the_whole(notebook):
    repaired = [row[1] for row in columns_by_class(notebook, "by-class").values()]
    images = [int(n) for n in re.findall(r"\[(.*)\]", printed(notebook, "counted-images"))[0].split()]
    assert len(images) == 10
    mean = sum(share * n for share, n in zip(repaired, images)) / sum(images)
    assert mean == pytest.approx(number(notebook, "mistakes", "none"), abs=0.005)
    assert number(notebook, "groups-check", "right class") == number(notebook, "mistakes", "none")
    assert min(number(notebook, "groups-check", kind) for kind in ("vehicles", "animals", "right group")) > 0.8


def test_the_plain_network_overfits(notebook):
    last = epochs(notebook, "train-plain")[-1]
    assert last[1] == 1 and last[0] < 0.05 and last[3] < 0.55
    text = printed(notebook, "early-stopping")
    lowest, end = numbers(text)
    assert end > 2 * lowest


def test_batch_normalisation_by_hand(notebook):
    assert "[-1.07 -0.53  0.    1.6 ]" in printed(notebook, "batch-norm-by-hand")
    assert "running mean and variance : 0.30, 1.25\n" in printed(notebook, "batch-norm-by-hand")
    assert "parameters : 77074\n" in printed(notebook, "normalised-net")


def test_both_batch_normalisations_train_alike(notebook):
    ours, gluons = epochs(notebook, "train-our-batch-norm")
    assert ours == pytest.approx(gluons, abs=0.05)


def test_the_better_network_is_better_on_every_set_it_did_not_see(notebook):
    plain, better = epochs(notebook, "train-plain")[-1], epochs(notebook, "train-better-network")[-1]
    assert better[3] > plain[3] + 0.05 and better[2] < plain[2] and better[1] < plain[1]
    tests = numbers(printed(notebook, "test-once"))
    assert tests[2] > max(tests[:2]) + 0.05 and tests[2] > 0.55
    difference = number(notebook, "difference", "difference")
    assert difference == pytest.approx(tests[2] - tests[0], abs=0.0011)
    apart, paired = numbers(printed(notebook, "difference").splitlines()[1])
    assert paired < apart and difference > 3 * paired


def test_the_tables_are_those_of_the_script(notebook):
    path = NOTEBOOKS.parent / "benchmarks" / "results" / "cifar10_ablation.json"
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]

    def means(variant, images):
        chosen = [run for run in runs if (run["variant"], run["images"]) == (variant, images)]
        assert sorted(run["seed"] for run in chosen) == [0, 1, 2]
        on_test = [run["test_accuracy"] for run in chosen]
        return statistics.mean(run["train_accuracy"] for run in chosen), statistics.mean(on_test), on_test

    shown = markdown_rows(notebook, "shares")
    assert [row[0] for row in shown] == list(dict.fromkeys(run["variant"] for run in runs))
    for variant, *fields in shown:
        training, mean, on_test = means(variant, 4000)
        assert fields == [f"{value:.3f}" for value in (training, mean, min(on_test), max(on_test))]
    curve = [means("all three", images) for images in (500, 1000, 2000, 4000)]
    fields = [[f"{training:.3f}", f"{test:.3f}"] for training, test, _ in curve]
    assert [row[1:] for row in markdown_rows(notebook, "learning-curve")] == fields
    (cell,) = (cell for cell in notebook.cells if cell.id == "extrapolation")
    assert f"np.array([{', '.join(test for _, test in fields)}])" in cell.source


def test_the_extrapolation_is_called_one(notebook):
    assert printed(notebook, "extrapolation").splitlines() == [
        " 4,000 images, from the three smaller sizes : 0.62, measured 0.61",
        "40,000 images, extrapolated from all four sizes : 0.73",
    ]


def test_the_solutions_say_what_their_numbers_say():
    solutions = recorded(SOLUTIONS)
    without, with_relu = numbers(printed(solutions, "relu-afterwards"))
    assert abs(without - with_relu) < 0.02
    as_it_is, mirrored, upside_down = numbers(printed(solutions, "mirrored-and-upside-down"))
    assert abs(as_it_is - mirrored) < 0.05 and upside_down < mirrored - 0.05
    assert numbers(printed(solutions, "sum-of-both"))[0] > min(as_it_is, mirrored)
    parameters = re.findall(r"(\d+) parameters", printed(solutions, "decide"))
    assert all(int(count) <= 77_074 for count in parameters) and len(parameters) == 2
    best = epochs(recorded(NAME), "train-better-network")[-1][3]
    assert max(numbers(printed(solutions, "decide"))[:2]) < best, "the exercise stays open: the text says so"


# What a reader changes.


@pytest.mark.slow
@pytest.mark.data("cifar-10-sample")
def test_the_readers_own_network_is_what_is_trained_and_shown(tmp_path):
    changes = [
        ("num_images = None", "num_images = 200"),
        ("num_epochs = 12", "num_epochs = 2"),
        ("num_epochs_long = 30", "num_epochs_long = 5"),
        ("num_epochs_short = 4", "num_epochs_short = 1"),
        ("range(50)", "range(4)"),
        ("num_validation = 500", "num_validation = 300"),
        ("seed = 1\n", "seed = 7\n"),
        ('"learning_rate": 0.001', '"learning_rate": 0.01'),
        ("self.conv1 = nn.Conv2D(8, kernel_size=5", "self.conv1 = nn.Conv2D(12, kernel_size=5"),
        ("chosen = np.arange(12)", "chosen = np.arange(20, 25)"),
        ("better_net = normalised_net()", "better_net = normalised_net(BatchNorm)"),
        ("train_adam(better_net, (flip, crop))", "train_adam(better_net, (flip,))"),
    ]
    twice = [
        "load",
        "train-without-relu",
        "relu-gradient",
        "by-class-figure",
        "first-maps-figure",
        "train-better-network",
    ]
    notebook = executed(tmp_path, NAME, *changes, twice=twice)
    assert "training   : (200, 3, 32, 32)\nvalidation : (300, 3, 32, 32)\n" in printed(notebook, "load-again")
    parameters = 12 * 75 + 12 + 16 * 12 * 9 + 16 + 73_856 + 1290
    assert f"network  : {parameters}\n" in printed(notebook, "parameters")
    assert "the package's network : False" in printed(notebook, "new-network")
    assert "the package's fit : True" in printed(notebook, "fit-check"), "the same network, trained by both"
    assert "shape : (12, 28, 28)\n" in printed(notebook, "first-maps-figure")
    assert len(epochs(notebook, "train-without-relu")) == 2
    assert printed(notebook, "train-without-relu") == printed(notebook, "train-without-relu-again")
    assert len(epochs(notebook, "train-better-network")) == 1, "a line for every fifth pass"
    assert numbers(printed(notebook, "test-once")) != numbers(printed(recorded(NAME), "test-once"))


@pytest.mark.slow
@pytest.mark.data("cifar-10-sample")
def test_the_solutions_run_with_another_seed_and_fewer_images(tmp_path):
    changes = [
        ("num_images = 3500", "num_images = 200"),
        ("num_epochs = 10", "num_epochs = 1"),
        ("num_epochs_open = 20", "num_epochs_open = 1"),
        ("seed = 1\n", "seed = 3\n"),
    ]
    solutions = executed(tmp_path, SOLUTIONS, *changes, twice=["decide"])
    assert "together : 103162\n" in printed(solutions, "counting")
    assert len(numbers(printed(solutions, "decide"))) == 3
