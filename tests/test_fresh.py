"""`make fresh` notices each way in which the README's promise can be broken; the systems themselves need root."""

from d2lhelpers import libraries

import fresh
import pytest
from fresh import asked_command, needs, promise

ASK = "apt-get update && apt-get install --yes libgomp1"


@pytest.fixture
def sentence(monkeypatch):
    """What `make run` says where one library is missing."""
    monkeypatch.setattr(libraries, "_loads", lambda name: name != fresh.MISSING)
    return libraries.complaint()


class Pretended:
    """A system whose commands end as told; without a word about one it ends well."""

    def __init__(self, folder, answers):
        self.folder, self.commands, self.answers = folder, [], answers

    def run(self, command):
        self.commands.append(command)
        return self.answers.get(command, (0, ""))


def test_the_command_is_taken_from_the_sentence(sentence):
    assert asked_command(f"noise\n{sentence}\nmake: *** [Makefile:20: venv] Error 1\n") == ASK
    assert asked_command("OSError: libgomp.so.1: cannot open shared object file") is None


def test_a_kept_promise(tmp_path, sentence):
    system = Pretended(tmp_path, {"make run": (2, sentence)})
    assert promise(system, "01 02", "tests") is None
    assert system.commands[1:] == ["make run", ASK, "make run NOTEBOOKS='01 02'", "make test TESTS='tests'"]


@pytest.mark.parametrize(
    "answers, broken",
    [
        ({"make run": (0, "")}, "did not ask for libgomp.so.1"),
        ({"make run": (2, "OSError: libgomp.so.1")}, "did not ask for libgomp.so.1"),
        ({ASK: (100, "")}, f"the command that it asked for failed: {ASK}"),
        ({"make run NOTEBOOKS=''": (1, "")}, "`make run NOTEBOOKS=''` failed"),
        ({"make test TESTS=''": (1, "")}, "`make test TESTS=''` failed"),
    ],
)
def test_a_broken_promise(tmp_path, sentence, answers, broken):
    assert broken in promise(Pretended(tmp_path, {"make run": (2, sentence), **answers}), "", "")


def test_to_ask_and_to_go_on_breaks_it(tmp_path, sentence):
    assert "did not ask" in promise(Pretended(tmp_path, {"make run": (0, sentence)}), "", "")


def test_an_environment_made_before_the_question_breaks_it(tmp_path, sentence):
    (tmp_path / "root/project/.venv").mkdir(parents=True)
    assert "before it installed anything" in promise(Pretended(tmp_path, {"make run": (2, sentence)}), "", "")


@pytest.mark.parametrize(
    "user, there, said", [(1000, True, "as root"), (0, False, "program debootstrap"), (0, True, None)]
)
def test_what_it_needs_is_said(monkeypatch, user, there, said):
    monkeypatch.setattr(fresh.os, "geteuid", lambda: user)
    monkeypatch.setattr(fresh.shutil, "which", lambda program: program if there else None)
    assert needs() is None if said is None else said in needs()
