import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

COMMAND = f"{sys.executable} -m nbtolerance compare"


@pytest.fixture
def shell(tmp_path):
    """Run a line of bash in a folder with a.ipynb and b.ipynb, which differ; returns (status, stdout, stderr)."""
    for name, text in (("a", "0.5\n"), ("b", "0.6 ü \x1b]0;title\x07\n")):
        cell = new_code_cell("x", outputs=[new_output("stream", text=text)], execution_count=1, id="only")
        nbformat.write(new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def run(line, **variables):
        options = {"cwd": tmp_path, "env": {**environment, **variables}, "capture_output": True, "text": True}
        done = subprocess.run(["bash", "-c", line], **options)
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_exit_status_says_whether_two_notebooks_agree(shell):
    assert shell(f"{COMMAND} a.ipynb a.ipynb") == (0, "no differences\n", "")
    status, out, err = shell(f"{COMMAND} a.ipynb b.ipynb")
    assert status == 1 and err == "" and out.startswith("cell 0 (only): stdout") and out.endswith("\n1 difference\n")
    assert "0.6 ü \\x1b]0;title\\x07" in out


def test_who_reads_may_stop_reading(shell):
    assert shell(f"({COMMAND} a.ipynb b.ipynb; echo $? >&2) | true")[2] in ("1\n", "141\n")
    assert shell(f"{COMMAND} a.ipynb b.ipynb >&-") == (1, "", "")


def test_what_cannot_be_written_is_said_in_a_sentence(shell):
    why = "the differences cannot be written (No space left on device): make room there\n"
    assert shell(f"{COMMAND} a.ipynb b.ipynb > /dev/full") == (2, "", why)


def test_a_terminal_that_cannot_show_a_character_gets_its_number(shell):
    status, out, err = shell(f"{COMMAND} a.ipynb b.ipynb", PYTHONIOENCODING="ascii")
    assert status == 1 and "0.6 \\xfc" in out and err == ""


def test_a_name_cannot_command_the_terminal(shell):
    status, out, err = shell(f"{COMMAND} $'\\e]0;title\\a' b.ipynb")
    assert status == 2 and out == "" and err.startswith("expected a notebook, got \\x1b]0;title\\x07 (")
