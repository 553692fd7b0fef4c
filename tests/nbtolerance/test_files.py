import pytest
from nbformat import v4, write

from nbtolerance.files import read_notebook


def test_a_notebook_is_read(tmp_path):
    notebook = v4.new_notebook(cells=[v4.new_code_cell("1", id="cell-1")])
    write(notebook, tmp_path / "nb.ipynb")
    assert read_notebook(tmp_path / "nb.ipynb") == notebook


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b'{"nbformat": 4, "nbformat_minor": 4, "metadata": {"a": "\\ud800"}, "cells": []}',
        b"<<<<<<< HEAD\n{}",
        b"\xff",
        b"[]",
        b"{}",
        b'{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": [], "cells": []}',
        b'{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [1]}',
        b'{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{"cell_type": "raw", "metadata": {}}]}',
    ],
)
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    (tmp_path / "01_a.ipynb").write_bytes(content)
    with pytest.raises(ValueError, match="^expected a notebook of format 4, got .*01_a.ipynb: mend it, .*$"):
        read_notebook(tmp_path / "01_a.ipynb")
