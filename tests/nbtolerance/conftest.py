import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def display(**data):
    return new_output("display_data", data={key.replace("_", "/"): value for key, value in data.items()})


class Report:
    """What pytest said about the cells of the notebooks that it was given."""

    def __init__(self, result):
        self.text = "\n".join(result.outlines)
        self.outcomes = result.parseoutcomes()
        self.outcome = {
            (name, int(number)): outcome
            for outcome, name, number in re.findall(r"^(PASSED|FAILED|ERROR) (\w+)\.ipynb::Cell (\d+)", self.text, re.M)
        }

    def of(self, name, number):
        """The report of a failed cell."""
        parts = re.split(r"^_+ (.+?) _+$", self.text.split("= short test summary info =")[0], flags=re.M)
        return "\n".join(
            text for title, text in zip(parts[1::2], parts[2::2]) if title.endswith(f"{name}.ipynb::Cell {number}")
        )


@pytest.fixture
def check(pytester, monkeypatch):
    """Write notebooks, given as name -> cells, and run the plugin over them in a process of its own."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("NBTOLERANCE_MPLBACKEND", raising=False)  # this project's own conftest has set it

    def check(notebooks, *options, plugins=(), env=("--nbval-current-env",)):
        for name, cells in notebooks.items():
            cells = [cell if isinstance(cell, dict) else code(*cell) for cell in cells]
            kernel = {"kernelspec": {"name": "no-such-kernel", "display_name": "", "language": "python"}}
            nbformat.write(new_notebook(cells=cells, metadata=kernel), pytester.path / f"{name}.ipynb")
        result = pytester.runpytest_subprocess(
            "--nbval", *env, *plugins, "-rA", "-W", "error", "--color=no", "-p", "no:cacheprovider", *options
        )
        return Report(result)

    return check


def code(source, *outputs, count=1, tags=()):
    cell = new_code_cell(source, outputs=list(outputs), execution_count=count)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell
