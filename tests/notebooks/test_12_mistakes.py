"""The museum: every exhibit shows what it is there for, and nothing breaks under a reader's edits."""

import re

import pytest

from .edited import executed, printed, recorded

MUSEUM, SOLUTIONS = "12_mistakes", "solutions/12_mistakes_solutions"


def exhibits(notebook):
    """(heading, output of the cell after it) of each exhibit."""
    found, heading = [], None
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.match(r"### \d+\. ", cell.source):
            heading = cell.source.splitlines()[0]
        elif cell.cell_type == "code" and heading:
            found.append((heading, "".join(output.get("text", "") for output in cell.outputs)))
            heading = None
    return found


def test_every_exhibit_is_numbered_shown_and_found():
    shown = exhibits(recorded(MUSEUM))
    assert [int(re.match(r"### (\d+)", heading)[1]) for heading, _ in shown] == list(range(1, len(shown) + 1))
    assert len(shown) >= 25
    for heading, text in shown:
        assert re.search(r"^found : True\b", text, re.MULTILINE), heading


def test_every_exhibit_has_a_symptom_and_a_fix_with_a_link():
    prose = [cell.source for cell in recorded(MUSEUM).cells if cell.cell_type == "markdown"]
    symptoms = [text for text in prose if text.startswith("### ")]
    fixes = [text for text in prose if text.startswith("*Fix*: ")]
    assert len(symptoms) == len(fixes) == len(exhibits(recorded(MUSEUM)))
    assert all("\n\n*Symptom*: " in text for text in symptoms)
    assert [text for text in fixes if not re.search(r"\(\d\d_\w+\.ipynb\)", text) and "d2lhelpers" not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("changes", [(), (("seed = 0", "seed = 7"),), (("50_000, 4", "5_000, 10"),)], ids=str)
def test_it_runs_alone_with_a_readers_edits(tmp_path, changes):
    shown = exhibits(executed(tmp_path, MUSEUM, *changes))
    assert all("found : True" in text for _, text in shown)


@pytest.mark.slow
def test_the_fix_is_seen_where_the_mistake_is_taken_out(tmp_path):
    fixed = executed(
        tmp_path, MUSEUM, ("dout[mask] = 0\n    return dout", "return np.where(mask, 0, dout)"), ("    break\n", "")
    )
    assert "found : False" in printed(fixed, "writes-back")
    assert printed(fixed, "break").startswith("steps : 12500 of 12500\nfound : False")


@pytest.mark.slow
def test_the_solutions_run_alone_with_another_seed(tmp_path):
    notebook = executed(
        tmp_path, SOLUTIONS, ("seed = 0", "seed = 3"), ("num_epochs, lr = 300, 128, 20", "num_epochs, lr = 300, 128, 5")
    )
    assert printed(notebook, "own-checks").count("True") == 3
    assert printed(notebook, "untrained").splitlines()[0].endswith("True")


def test_the_four_mistakes_cost_accuracy():
    wrong, right = map(float, re.findall(r"\d\.\d\d", printed(recorded(SOLUTIONS), "easy-run")))
    assert wrong < right
