"""Notebook 07: what it shows, that it is right, and what a reader who changes it sees."""

import re

import numpy as np
import pytest

from .edited import executed, printed, recorded

NAME = "07_optimizers"
SOLUTIONS = f"solutions/{NAME}_solutions"
RULES = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[+-]\d+)?", text)]


def rows(notebook, cell_id, names):
    """The numbers of the lines that begin with these names."""
    lines = printed(notebook, cell_id).splitlines()
    return {name: numbers(line[len(name) :]) for name in names for line in lines if line.startswith(f"{name} ")}


def test_the_rules_are_the_packages_and_gluons_where_epsilon_is_small():
    assert printed(recorded(NAME), "package-check").count("True") == len(RULES)
    table = dict(
        re.findall(r"^([\w, ε]+?) +((?:True|False) +(?:True|False))$", printed(recorded(NAME), "gluon-check"), re.M)
    )
    alike = {name: flags.split() for name, flags in table.items()}
    assert list(alike) == [*RULES, "adagrad, no ε", "rmsprop, no ε"]
    differ = {name for name, flags in alike.items() if "False" in flags}
    assert differ == {"adagrad", "rmsprop"} and all(alike[name] == ["True", "False"] for name in differ)


def test_the_wrong_nesterov_has_the_same_long_run_step_and_diverges_earlier():
    right, wrong = (
        numbers(line.partition("step ")[2]) for line in printed(recorded(NAME), "nesterov-limits").splitlines()
    )
    assert right[0] == wrong[0] == 2  # lr g / (1 - mu)
    assert right[2] < 0.01 and wrong[2] < 0.01  # at 0.08
    assert right[-2] < 0.01 and wrong[-2] > 1e6  # at 0.25
    mu, eta_lambda = 0.9, {}
    for name, new in [("right", False), ("wrong", True)]:
        for a in np.arange(0.01, 2, 0.001):
            # The step as a matrix on (w, v), with gradient a w / lr.
            v_row = np.array([-a, mu])
            w_row = (
                np.array([1, 0]) + (mu * mu * v_row if new else mu * v_row) - np.array([(1 + mu) * a if new else a, 0])
            )
            if abs(np.linalg.eigvals([w_row, v_row])).max() > 1:
                break
        eta_lambda[name] = a
    assert eta_lambda["right"] == pytest.approx(2 * (1 + mu) / (1 + 2 * mu), abs=0.002)
    assert eta_lambda["wrong"] == pytest.approx(2 * (1 + mu) / (1 + 2 * mu + 2 * mu**2), abs=0.002)


def test_the_best_rate_lies_inside_its_grid():
    for name, line in zip(RULES, printed(recorded(NAME), "grid-table").splitlines()):
        best, *pairs = numbers(line)
        rates, losses = pairs[::2], pairs[1::2]
        assert line.startswith(name) and rates == sorted(rates) and len(rates) == 5
        assert rates[int(np.argmin(losses))] == best and best not in (rates[0], rates[-1])


def test_the_rate_matters_more_than_the_rule():
    assert printed(recorded(NAME), "one-rate") == "with 0.03 for all adagrad leads; tuned, it is number 5\n"
    table = rows(recorded(NAME), "ranking", RULES)
    means = {name: row[-1] for name, row in table.items()}
    best_five = [means[name] for name in RULES[1:]]
    assert max(best_five) - min(best_five) < 0.005  # "within half a per cent"
    assert max(max(row[1:-1]) - min(row[1:-1]) for row in table.values()) > max(best_five) - min(best_five)
    assert min(best_five) - means["sgd"] > 0.01  # "one per cent or more"
    assert all(0.915 < mean < 0.94 for mean in means.values())
    grid = {line.split()[0]: numbers(line)[2::2] for line in printed(recorded(NAME), "grid-table").splitlines()}
    tuned = [min(losses) for losses in grid.values()]
    assert all(max(losses) - min(losses) > 2 * (max(tuned) - min(tuned)) for losses in grid.values())


def test_half_of_the_advice_on_jitter_holds():
    table = rows(recorded(NAME), "jitter-table", ["as it is", "rate × 3", "rate / 3", "batch × 3"])
    on_minibatches, on_validation = zip(*(row for row in table.values()))
    base, higher, lower, larger = on_validation
    assert higher > 1.5 * base and lower < base / 1.3 and larger < base / 1.3
    base, higher, lower, larger = on_minibatches
    assert higher > 1.1 * base and lower == pytest.approx(base, rel=0.15) and larger < base / 1.5
    assert printed(recorded(NAME), "noise").endswith("ratios 2.0 and 2.0\n")


def test_a_schedule_ends_lower_than_either_constant_rate():
    names = ["constant 0.4", "constant 0.04", "0.4, then 0.04", "0.4, cosine"]
    *constant, step, cosine = (row for row in rows(recorded(NAME), "schedule-table", names).values())
    assert max(step[-1], cosine[-1]) < min(row[-1] for row in constant) - 0.02
    spread = [max(row[:-1]) - min(row[:-1]) for row in (constant[0], step, cosine)]
    assert max(spread[1:]) < spread[0] / 2  # "their seeds lie close together"


def test_rate_and_batch_size_doubled_together_end_alike():
    for line in printed(recorded(SOLUTIONS), "two-grid").splitlines()[-3:-1]:
        diagonal = numbers(line.rpartition(": ")[2])
        assert len(diagonal) == 5 and max(diagonal) - min(diagonal) < 0.05
    grid = [numbers(line.rpartition(": ")[2]) for line in printed(recorded(SOLUTIONS), "two-grid").splitlines()[:5]]
    assert all(row[-1] > min(row) + 0.03 for row in grid)  # 0.8 is too high for every batch size
    assert all(np.argmin(row) in (4, 5) for row in grid)


def test_a_rotated_valley_is_noticed_by_the_rules_that_divide():
    lines = [line.split() for line in printed(recorded(SOLUTIONS), "rotated-table").splitlines()[1:]]
    assert {line[0] for line in lines if line[-1] == "True"} == {"sgd", "momentum", "nesterov"}
    assert len(lines) == len(RULES)


@pytest.mark.slow
@pytest.mark.data("mnist")
def test_another_seed_network_and_rates_train_as_well(tmp_path):
    notebook = executed(
        tmp_path,
        NAME,
        ("seeds = [1, 2, 3]", "seeds = [7, 8]"),
        ("num_train, num_valid = 10000, 5000", "num_train, num_valid = 1000, 300"),
        ("num_epochs, batch_size = 3, 100", "num_epochs, batch_size = 2, 30"),
        ("dense(50, 784, rng)", "dense(20, 784, rng)"),
        ("dense(10, 50, rng)", "dense(10, 20, rng)"),
        ("sgd: [0.03, 0.1, 0.3, 1, 3]", "sgd: [0.03, 0.1, 0.3, 1e30]"),
        ("valley_rates = [0.45,", "valley_rates = [0.51,"),
        ('"rate × 3": (0.6, 20)', '"rate × 3": (0.7, 15)'),
        twice=["pencil-check", "package-check", "valley-table", "grid-table", "jitters", "schedule-table"],
    )
    assert printed(notebook, "pencil-check") == printed(recorded(NAME), "pencil-check")
    assert printed(notebook, "package-check").count("True") == len(RULES)
    assert printed(notebook, "grid-table") == printed(notebook, "grid-table-again")
    assert re.search(r"^sgd +best rate 0.3 .* 1e\+30: 9.990$", printed(notebook, "grid-table"), re.M)  # it diverged
    table = rows(notebook, "ranking", RULES)
    assert list(table) == RULES and all(len(row) == 1 + 2 + 1 and row[-1] > 0.6 for row in table.values())
    assert numbers(printed(notebook, "valley-table").splitlines()[1])[2] > 7.7  # above the limit of 0.5
    assert "jitters" in printed(notebook, "jitter-table")


@pytest.mark.slow
@pytest.mark.data("mnist")
def test_the_solutions_run_with_another_seed_and_grid(tmp_path):
    notebook = executed(
        tmp_path,
        SOLUTIONS,
        ("seed = 1", "seed = 7"),
        ("num_train, num_valid = 6000, 2000", "num_train, num_valid = 600, 200"),
        ("curvature = np.array([0.1, 4.0])", "curvature = np.array([0.1, 2.0])"),
        ("rates = [0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8]", "rates = [0.025, 0.05, 0.1, 0.2, 0.4, 1e30]"),
        ("sizes = [10, 20, 40, 80, 160]", "sizes = [20, 40, 80]"),
        twice=["inside", "uncorrected-check", "two-grid"],
    )
    assert all(numbers(line)[2] < 1.5 for line in printed(notebook, "too-fast").splitlines())  # the limit is 1 now
    assert printed(notebook, "two-grid") == printed(notebook, "two-grid-again")
    assert printed(notebook, "two-grid").count("9.99") == 3
