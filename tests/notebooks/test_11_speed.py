"""Notebook 11 as a reader changes it, and what its recorded page may say: nothing that another machine would not."""

import re

import pytest

from .edited import executed, printed, recorded

SPINE, SOLUTIONS = "11_speed", "solutions/11_speed_solutions"


@pytest.mark.parametrize("name", [SPINE, SOLUTIONS])
def test_no_time_is_recorded(name):
    text = printed(recorded(name))
    assert not re.search(r"\d\s*(ns|µs|us|ms|s|seconds?)\b|\de[-+]\d", text)
    outputs = [output for cell in recorded(name).cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} == {"stream"}, "a picture of times would be one machine's"


def test_every_comparison_of_the_page_comes_out_as_the_text_says():
    found = re.findall(r"(True|False)$", printed(recorded(SPINE)), re.MULTILINE)
    assert found == ["True"] * 13


def test_the_count_is_that_of_the_shapes():
    places, weights = (24 * 24, 10 * 10, 1, 1), (20 * 1 * 5 * 5, 50 * 20 * 3 * 3, 128 * 50 * 5 * 5, 10 * 128)
    forward = [place * weight for place, weight in zip(places, weights)]
    text = printed(recorded(SPINE))
    assert re.findall(r"positions +([\d,]+) ", text) == [f"{count:,}" for count in forward]
    step = 256 * (3 * sum(forward) - forward[0])
    assert f"an image forward {sum(forward):,}, a step {step:,} multiplications\n" in text


@pytest.mark.slow
def test_another_network_and_minibatch_are_counted_and_cells_run_twice(tmp_path):
    notebook = executed(
        tmp_path,
        SPINE,
        ("batch_size = 256", "batch_size = 32"),
        ("seed_everything(1)", "seed_everything(2)"),
        ("nn.Conv2D(20, kernel_size=5", "nn.Conv2D(8, kernel_size=3"),
        ("nn.Dense(128", "nn.Dense(64"),
        twice=("count-cell", "hybridize", "commute-check", "package-check", "loops"),
    )
    forward = 26 * 26 * 8 * 9 + 11 * 11 * 50 * 8 * 9 + 64 * 50 * 5 * 5 + 10 * 64
    step = 32 * (3 * forward - 26 * 26 * 8 * 9)
    assert printed(notebook, "count-step") == f"an image forward {forward:,}, a step {step:,} multiplications\n"
    assert printed(notebook, "hybridize-again").count("True") == 2
    assert printed(notebook, "package-check-again").endswith("True\n")


@pytest.mark.slow
def test_a_function_that_falls_does_not_commute_with_the_maximum(tmp_path):
    notebook = executed(
        tmp_path, SPINE, ("pool(nd.relu(before)), nd.relu(pool(after))", "pool(nd.sin(before)), nd.sin(pool(after))")
    )
    assert "outputs equal bit for bit  : False" in printed(notebook, "commute-check")


@pytest.mark.slow
def test_the_solutions_take_another_function_and_size(tmp_path):
    notebook = executed(
        tmp_path,
        SOLUTIONS,
        ('"sine": nd.sin', '"cube": lambda x: x**3'),
        ("(512, 512)", "(256, 1024)"),
        twice=("counting",),
    )
    assert "cube    may come after the pooling: True\n" in printed(notebook, "order")
    assert printed(notebook, "counting-again") == printed(recorded(SOLUTIONS), "counting")
