import os

from d2lhelpers.suite.files import find_notebooks, select, write_text

import pytest


def test_the_spine_and_its_solutions_are_found_in_order(tmp_path):
    for name in ("02_b", "01_a", "draft", "solutions/01_a_solutions", ".ipynb_checkpoints/01_a-checkpoint"):
        write_text(tmp_path / f"{name}.ipynb", "{}")
    spine, solutions = find_notebooks(tmp_path)
    assert [path.name for path in spine] == ["01_a.ipynb", "02_b.ipynb"]
    assert [path.name for path in solutions] == ["01_a_solutions.ipynb"]
    assert select(spine, ["02"]) == spine[1:] and select(spine, ["02_b.ipynb", "01"]) == spine
    assert select(spine, None) == select(spine, []) == spine
    with pytest.raises(ValueError, match="got '03'; there are 01_a, 02_b"):
        select(spine, ["01", "03"])
    with pytest.raises(FileNotFoundError, match="found none"):
        find_notebooks(tmp_path / "solutions" / "nothing")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "new" / "file.txt"
    write_text(target, "é\n")
    assert target.read_bytes() == b"\xc3\xa9\n"
    target.chmod(0o640)
    write_text(target, "second\r\n")
    assert target.read_bytes() == b"second\r\n" and target.stat().st_mode & 0o777 == 0o640

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(target, "third")
    assert target.read_bytes() == b"second\r\n" and os.listdir(target.parent) == ["file.txt"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "nb.ipynb", tmp_path / "nb.ipynb"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new" and os.listdir(target.parent) == ["nb.ipynb"]
