import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nbtolerance import MarkerError, compare_notebooks


@pytest.fixture
def write(tmp_path):
    def write(name, *texts, source="# NBVAL_TOLERANCE: atol=0.02\nprint(loss)", count=1):
        cells = [
            new_code_cell(
                source, id=f"loss-{i}", outputs=[new_output("stream", name="stdout", text=text)], execution_count=count
            )
            for i, text in enumerate(texts)
        ]
        nbformat.write(new_notebook(cells=[new_markdown_cell(name), *cells]), tmp_path / name)
        return tmp_path / name

    return write


def test_same_rules_as_within_a_notebook(write):
    a = write("a.ipynb", "loss 0.50\n", "loss 0.40\n")
    assert compare_notebooks(a, write("b.ipynb", "loss 0.51\n", "loss 0.39\n")) == []
    (difference,) = compare_notebooks(str(a), str(write("c.ipynb", "loss 0.51\n", "loss 0.30\n")))
    assert difference.startswith("cell 1 (loss-1): stdout: 1 of 1 floats") and "0.10 apart, 0.02 allowed" in difference


def test_other_code_is_said_and_its_outputs_are_not_compared(write):
    a, b = write("a.ipynb", "loss 0.5"), write("b.ipynb", "other 0.9", source="print(other)")
    (difference,) = compare_notebooks(a, b)
    assert "cell 0 (loss-0): code: the text differs" in difference


def test_missing_and_unexecuted_cells(write):
    a, b = write("a.ipynb", "0.5", "0.5"), write("b.ipynb", "0.5", count=None)
    assert compare_notebooks(a, b) == [
        f"{a} has 2 code cells, {b} has 1",
        f"cell 0 (loss-0): not executed in {b}",
    ]


def test_a_malformed_marker_names_notebook_and_cell(write):
    a = write("a.ipynb", "0.5", source="# NBVAL_TOLERANCE: 0.1")
    with pytest.raises(MarkerError, match=r"a\.ipynb, cell 0 \(loss-0\): expected"):
        compare_notebooks(a, a)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"nbformat": 3, "worksheets": []})])
def test_only_notebooks_of_format_4(tmp_path, write, text):
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(ValueError, match=r"expected a notebook of format 4, got .*x\.ipynb"):
        compare_notebooks(write("a.ipynb"), tmp_path / "x.ipynb")


@pytest.mark.parametrize("key", ["execution_count", "outputs", "source", "cell_type"])
def test_a_notebook_that_lacks_something_is_named(write, key):
    path = write("a.ipynb", "loss 0.5")
    notebook = json.loads(path.read_text())
    del notebook["cells"][1][key]
    path.write_text(json.dumps(notebook))
    with pytest.raises(ValueError, match=r"expected a notebook of format 4, got .*a\.ipynb"):
        compare_notebooks(path, path)


def test_what_nbformat_only_warns_about_is_compared_and_named_as_in_the_file(write):
    path = write("a.ipynb", "loss 0.5")
    notebook = json.loads(path.read_text())
    notebook["nbformat_minor"], notebook["of another program"] = 4, 1  # which knows no ids
    path.write_text(json.dumps(notebook))
    assert compare_notebooks(path, path) == []
    (difference,) = compare_notebooks(path, write("b.ipynb", "loss 0.9"))
    assert difference.startswith("cell 0 (loss-0)")


def test_what_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.ipynb"):
        with pytest.raises(ValueError, match=rf"expected a notebook, got {path} \(.*\): name an .ipynb file"):
            compare_notebooks(path, path)
