"""The script that makes .venv: what it says, and when it makes one."""

import shutil
import subprocess
import sys
from pathlib import Path

from d2lhelpers import libraries

import pytest

import bootstrap

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("version", [(3, minor) for minor in range(9, 16)])
def test_supported_pythons_pass(version):
    assert bootstrap.complaint(version, "Linux", "x86_64", True) is None
    assert bootstrap.warning(version) is None


def test_a_python_that_nobody_knows_is_tried_with_a_warning():
    assert bootstrap.complaint((3, 16), "Linux", "x86_64", True) is None
    assert bootstrap.warning((3, 16)).startswith("Python 3.16 is newer than 3.15, the newest that these notebooks")


def test_missing_system_libraries_are_asked_for(monkeypatch):
    monkeypatch.setattr(libraries, "complaint", lambda: "Install them.")
    assert bootstrap.complaint((3, 12), "Linux", "x86_64", True) == "Install them."


@pytest.mark.parametrize(
    "arguments, message",
    [
        (((2, 7), "Linux", "x86_64", True), "Python 2.7 is too old: these notebooks need Python 3.9 to 3.15; choose"),
        (((3, 8), "Linux", "x86_64", True), "Python 3.8 is too old"),
        (((3, 12), "Linux", "x86_64", False), "lacks the module venv, ensurepip or ctypes: install it"),
        (((3, 12), "Darwin", "arm64", True), "Linux on x86-64 only, and this is Darwin on arm64"),
    ],
)
def test_others_get_a_sentence_that_says_what_to_do(arguments, message):
    said = bootstrap.complaint(*arguments)
    assert message in said and said.endswith((".", "for example."))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder whose .venv is finished, without having been made."""
    monkeypatch.setattr(bootstrap, "ROOT", str(tmp_path))
    for name, path in {"VENV": ".venv", "PYTHON": ".venv/bin/python", "STAMP": ".venv/installed-from"}.items():
        monkeypatch.setattr(bootstrap, name, str(tmp_path / path))
    for file in ("requirements.lock", "pyproject.toml", "nbtolerance/pyproject.toml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(file)
    monkeypatch.setattr(bootstrap, "LOCK", str(tmp_path / "requirements.lock"))
    monkeypatch.setattr(bootstrap, "PACKAGES", (str(tmp_path), str(tmp_path / "nbtolerance")))

    def make(command, what):
        made.append(command)
        (tmp_path / ".venv/bin").mkdir(parents=True)
        (tmp_path / ".venv/lib/python3.12/site-packages").mkdir(parents=True)
        (tmp_path / ".venv/bin/python").write_text("")
        (tmp_path / ".venv/pyvenv.cfg").write_text("")

    made = []
    monkeypatch.setattr(bootstrap, "call", make)
    monkeypatch.setattr(bootstrap, "pip", lambda arguments, what: None)
    bootstrap.main(any_python=False)
    made.clear()
    return tmp_path, made


def test_libraries_are_put_beside_mxnet(project, monkeypatch):
    folder, _ = project
    folders = []
    monkeypatch.setattr(libraries, "put_beside", folders.append)
    (folder / ".venv/installed-from").unlink()
    bootstrap.main(any_python=True)
    assert folders == [folder / ".venv/lib/python3.12/site-packages"]


@pytest.mark.parametrize("version, warned", [((3, 12, 0), False), ((3, 16, 0), True)])
def test_the_warning_is_shown_where_an_environment_is_made(project, monkeypatch, capsys, version, warned):
    monkeypatch.setattr(sys, "version_info", version)
    bootstrap.main(any_python=False)
    assert ("Python 3.16 is newer" in capsys.readouterr().err) == warned


def test_a_finished_environment_is_left_alone(project):
    bootstrap.main(any_python=False)
    assert project[1] == []


@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml", "nbtolerance/pyproject.toml"])
def test_it_is_made_again_when_lock_or_metadata_change(project, file):
    folder, made = project
    (folder / file).write_text("changed")
    bootstrap.main(any_python=True)
    bootstrap.main(any_python=True)
    assert len(made) == 1


def test_another_python_makes_it_again_only_if_it_was_asked_for(project, monkeypatch):
    folder, made = project
    monkeypatch.setattr(sys, "version_info", (3, 9, 1) if sys.version_info[:2] != (3, 9) else (3, 10, 1))
    bootstrap.main(any_python=True)
    assert made == []
    bootstrap.main(any_python=False)
    assert len(made) == 1


def test_a_folder_that_cannot_be_written_to_is_named(project, monkeypatch):
    folder, made = project
    (folder / ".venv/installed-from").unlink()
    monkeypatch.setattr(bootstrap.os, "access", lambda path, mode: False)
    with pytest.raises(SystemExit, match="cannot be written to, and .venv is made there: copy the project"):
        bootstrap.main(any_python=True)
    assert made == []


def test_an_interrupt_ends_it_with_a_sentence(tmp_path):
    (tmp_path / "d2lhelpers").mkdir()
    (tmp_path / "nbtolerance").mkdir()
    for name in ("bootstrap.py", "requirements.lock", "pyproject.toml", "nbtolerance/pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "d2lhelpers/__init__.py").write_text("")
    (tmp_path / "d2lhelpers/libraries.py").write_text("def complaint():\n    raise KeyboardInterrupt")
    done = subprocess.run([sys.executable, "bootstrap.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "\nstopped; the same command begins anew\n")


def test_an_unfinished_one_is_made_again(project):
    folder, made = project
    (folder / ".venv/installed-from").unlink()
    bootstrap.main(any_python=True)
    assert len(made) == 1


@pytest.mark.parametrize("stamp", ["", "Python 3.11\n"])
def test_one_with_half_a_stamp_is_made_again(project, stamp):
    folder, made = project
    (folder / ".venv/installed-from").write_text(stamp)
    bootstrap.main(any_python=True)
    assert len(made) == 1


def test_a_file_in_its_place_is_not_overwritten(project):
    folder, made = project
    shutil.rmtree(folder / ".venv")
    (folder / ".venv").write_text("mine")
    with pytest.raises(SystemExit, match="is no virtual environment: move it away"):
        bootstrap.main(any_python=True)
    assert (folder / ".venv").read_text() == "mine" and made == []


def test_a_folder_that_is_no_environment_is_not_overwritten(project):
    folder, made = project
    shutil.rmtree(folder / ".venv")
    (folder / ".venv").mkdir()
    (folder / ".venv/mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match="is no virtual environment: move it away"):
        bootstrap.main(any_python=True)
    assert (folder / ".venv/mine.txt").read_text() == "mine" and made == []


def test_make_alone_lists_its_targets():
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert targets[:5] == ["help", "run", "site", "test", "check"] and "style" not in targets and "venv" not in targets
    assert {"coverage", "variants", "lab", "record", "status", "bench", "spread", "wheel", "fresh", "lock"} < set(
        targets
    )
