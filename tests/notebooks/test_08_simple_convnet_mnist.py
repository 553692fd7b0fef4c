"""Notebook 08: what it shows, and what a reader may change in it."""

import re

import pytest

from .edited import executed, printed, recorded

NAME = "08_simple_convnet_mnist"
SOLUTIONS = "solutions/08_simple_convnet_mnist_solutions"
SMALL = [
    ("num_train, num_test = 2000, 1000", "num_train, num_test = 200, 100"),
    ("num_epochs, batch_size, lr = 20, 100, 0.001", "num_epochs, batch_size, lr = 3, 50, 0.002"),
    ("60000, 10000", "500, 500"),
]


@pytest.fixture(scope="module")
def notebook():
    return recorded(NAME)


def floats(text, pattern):
    """The number in each match of a pattern."""
    return [float(number) for number in re.findall(pattern, text, re.M)]


def epochs(notebook):
    """Losses, training and test accuracies, by epoch."""
    text = printed(notebook, "training-run")
    return [floats(text, name + r" : (\d\.\d+)") for name in ("Loss", "Train acc", "Test acc")]


def test_the_training_run_starts_at_chance_and_learns(notebook):
    assert printed(notebook, "loss-before") == "loss before training 2.3025\n"
    losses, train, test = epochs(notebook)
    assert len(losses) == 20 and losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.12 and train[-1] > 0.96 and 0.90 <= test[-1] <= 0.94


def test_network_and_trainer_are_the_packages(notebook):
    assert re.findall(r": (\w+)$", printed(notebook, "network-agree"), re.M) == ["True"] * 3
    assert printed(notebook, "trainer-agree") == "20 steps, the same losses: True\n"
    errors = floats(printed(notebook, "gradient-run"), r"relative error (\S+)$")
    assert len(errors) == 6 and max(errors) < 1e-6


def test_the_tutorials_ways_of_counting_are_shown(notebook):
    (left_out,) = floats(printed(notebook, "with-replacement-check"), r"(\d\.\d+) of the images are not seen")
    assert abs(left_out - 0.368) < 0.03
    after = printed(notebook, "evaluated-after").splitlines()
    assert after[0].split()[4:] == [*map(str, range(1, 400, 20)), "of", "400"]
    assert after[1].split()[3:] == [*map(str, range(20, 401, 20))]
    (first_of_t3,) = floats(printed(notebook, "evaluated-after-numbers"), r"T3 (\d\.\d+)")
    assert first_of_t3 < 0.3
    lower, before, update = floats(printed(notebook, "loss-after-check"), r"(\d\.\d+)")
    assert lower > 0.9 and update < before
    assert "2,050 images, 5 epochs: [0, 41, 82]\n" in printed(notebook, "float-epochs-run")
    assert printed(notebook, "partial-accuracy-run") == "T3   0.9524\nours 1.0000\n"


def test_data_were_short_and_not_time(notebook):
    assert floats(printed(notebook, "why-longer"), r"train (\S+),")[-1] > 0.995
    test = floats(printed(notebook, "why-sizes"), r"test (\S+)$")
    train = floats(printed(notebook, "why-sizes"), r"train (\S+),")
    assert len(test) == 5 and test[:4] == sorted(test[:4])
    assert train[0] - test[0] > 0.1 and train[-1] - test[-1] < 0.05
    overfitting = printed(notebook, "overfitting-numbers").splitlines()
    least, test_end, there, train_end = (number for line in overfitting[:2] for number in floats(line, r"(\d\.\d+)"))
    assert test_end > least + 0.03 and train_end < there - 0.03


def test_filters_turn_into_edges(notebook):
    ramp, before, after = floats(printed(notebook, "ramp-share-run"), r"(\d\.\d+)$")
    assert ramp == 1 and before < 0.15 and after > 2 * before


def test_a_pickle_runs_code_and_arrays_do_not(notebook):
    assert printed(notebook, "pickle-mistake") == "this line was printed by loading a pickle\n"
    assert printed(notebook, "npz-check").endswith("the same: True\n")


def test_gluon_takes_the_same_steps(notebook):
    assert "all 20 within 0.001: True" in printed(notebook, "gluon-steps-check")
    losses = re.findall(r"NumPy (\S+)  Gluon (\S+)", printed(notebook, "gluon-steps-check"))
    assert len(losses) == 4 and all(abs(float(ours) - float(theirs)) < 1e-3 for ours, theirs in losses)


def test_the_loudest_pixels_hold_the_error(notebook):
    loudest, at_random = floats(printed(notebook, "erase-check"), r"(\d\.\d+) read right")
    assert loudest > 0.6 and at_random < 0.25


@pytest.mark.slow
@pytest.mark.data("mnist")
def test_a_reader_changes_seed_sizes_rate_and_network(tmp_path):
    changed = executed(
        tmp_path,
        NAME,
        *SMALL,
        ("seed = 0", "seed = 3"),
        ("num_filters=30", "num_filters=6"),
        twice=("training-run", "trainer-of-t3-run", "own-scale-after", "reader", "errors-figure"),
    )
    losses, train, test = epochs(changed)
    assert len(losses) == len(test) == 3 and losses[-1] < losses[0]
    assert "(100, 6, 24, 24)   parameters 156\n" in printed(changed, "network-shapes")
    assert "weights  : False" in printed(changed, "network-agree")  # the package's has 30 filters
    assert printed(changed, "network-agree").count("True") == 2
    assert printed(changed, "trainer-agree") == "4 steps, the same losses: True\n"
    assert "T3 measures after step 1 5 9 of 12\n" in printed(changed, "evaluated-after")
    assert printed(changed, "why-sizes").splitlines()[-1].startswith("800 images, 16 steps:")
    assert "all 20 within 0.001: True" in printed(changed, "gluon-steps-check")


@pytest.mark.slow
@pytest.mark.data("mnist")
def test_the_solutions_run_with_few_images(tmp_path):
    edits = [
        ("seed = 0", "seed = 3"),
        ("num_train, num_test = 2000, 1000", "num_train, num_test = 200, 100"),
        ("num_epochs, many_epochs = 5, 20", "num_epochs, many_epochs = 2, 3"),
    ]
    solved = executed(tmp_path, SOLUTIONS, *edits)
    by_epoch = re.findall(r"^(\S+) +(0\.\d+) (0\.\d+)$", printed(solved), re.M)
    assert [name for name, *accuracies in by_epoch] == ["max", "average", "0.01", "He", "plain", "normalised"]
