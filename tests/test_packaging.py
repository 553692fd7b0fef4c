"""Versions are stated once, in pyproject.toml; what follows from them or repeats them must agree."""

import re
import sys
from pathlib import Path

from d2lhelpers import libraries
from d2lhelpers.suite.doctor import packages_that_differ

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import bootstrap

from . import fresh

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
README = (ROOT / "README.md").read_text()
PYTHONS = [f"3.{minor}" for minor in range(bootstrap.OLDEST[1], bootstrap.NEWEST[1] + 1)]


def machine(python):
    """The values of markers on Linux with this Python."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def locked(python):
    """Name to version of what the lock installs on Linux with this Python."""
    environment = machine(python)
    entries = [Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if re.match(r"[a-z0-9]", line)]
    return {
        entry.name: str(entry.specifier)[2:]
        for entry in entries
        if not entry.marker or entry.marker.evaluate(environment)
    }


def test_supported_pythons_are_the_same_everywhere():
    specifier = SpecifierSet(PROJECT["project"]["requires-python"])
    accepted = [p for p in (f"3.{minor}" for minor in range(30)) if p in specifier]
    assert accepted[: len(PYTHONS)] == PYTHONS and accepted[-1] == "3.29", "a newer one is tried"
    nbtolerance = tomllib.loads((ROOT / "nbtolerance" / "pyproject.toml").read_text())
    assert nbtolerance["project"]["requires-python"] == PROJECT["project"]["requires-python"]
    classifiers = [line.rsplit(" ")[-1] for line in PROJECT["project"]["classifiers"] if ":: Python ::" in line]
    assert classifiers == PYTHONS
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"\b3\.\d+–3\.\d+", text)) == {f"{PYTHONS[0]}–{PYTHONS[-1]}"}, name
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS


def test_the_readme_names_what_a_machine_must_have():
    needs = README.partition("## Two commands")[2].partition("```")[0]
    wanted = set(libraries._PACKAGES) - set(libraries._BROUGHT)
    assert set(re.findall(r"`(lib\S+\.so\.\d+)`", needs)) == wanted
    assert f"glibc {'.'.join(map(str, libraries._GLIBC))}" in needs
    debian, fedora = (re.search(rf"`{program} install ([^`]+)`", needs)[1].split() for program in ("apt", "dnf"))
    assert set(debian) == {"make", "python3-venv", libraries._PACKAGES[fresh.MISSING][0]}
    assert set(debian) - set(fresh.PACKAGES) == {libraries._PACKAGES[fresh.MISSING][0]}, "the rest a bare system gets"
    assert set(fedora) == {"make", "python3", libraries._PACKAGES[fresh.MISSING][1]}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_what_the_project_asks_for(python):
    pins = locked(python)
    overrides = {
        r.name: r
        for r in map(Requirement, PROJECT["tool"]["uv"]["override-dependencies"])
        if not r.marker or r.marker.evaluate(machine(python))
    }
    asked = PROJECT["project"]["dependencies"] + [
        line for extra in ("notebooks", "test", "build") for line in PROJECT["project"]["optional-dependencies"][extra]
    ]
    for requirement in [*map(Requirement, asked), *overrides.values()]:
        requirement = overrides.get(requirement.name, requirement)
        assert requirement.name in pins, requirement
        assert Version(pins[requirement.name]) in requirement.specifier, requirement


def test_every_pin_has_hashes():
    entries = re.split(r"\n(?=[a-z0-9])", LOCK.split("\n", 2)[2])
    assert len(entries) > 100 and all("--hash=sha256:" in entry for entry in entries)
    assert "make lock" in LOCK[:300], "the file's head says how it is made again"


def test_this_environment_is_the_locked_one():
    assert packages_that_differ(ROOT / "requirements.lock") == []


def test_the_conda_environment_takes_its_pins_from_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    by_pip = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert by_pip == [["-r requirements.lock"]]
    (python,) = (entry.split("=")[1] for entry in environment["dependencies"] if str(entry).startswith("python="))
    assert python in PYTHONS
    text = (ROOT / "environment.yml").read_text()
    assert "PIP_NO_DEPS=1 conda env create --file environment.yml" in text
    packages = [Path(package).relative_to(ROOT) for package in bootstrap.PACKAGES]
    assert " ".join(f"--editable ./{package}".replace("./.", ".") for package in packages) in text


@pytest.mark.parametrize("name, title", [("mxnet", "MXNet"), ("d2l", "d2l"), ("nbval", "nbval")])
def test_versions_in_the_readme_are_the_locked_ones(name, title):
    named = set(re.findall(rf"\b{title} (\d[\w.]*\w)", README))
    assert named <= {pins[name] for pins in map(locked, PYTHONS)}
    assert named or name == "nbval"
