"""Makes .venv from requirements.lock; `make` runs it, with whatever Python it finds. Runs on old Pythons, to say so."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 9), (3, 15)
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "installed-from")
LOCK = os.path.join(ROOT, "requirements.lock")
PACKAGES = (os.path.join(ROOT, "nbtolerance"), ROOT)


def complaint(version, system, machine, has_modules):
    """What is wrong with this interpreter or machine, in a sentence that says what to do; None if nothing is."""
    found = "%d.%d" % tuple(version[:2])
    wanted = "%d.%d to %d.%d" % (OLDEST + NEWEST)
    choose = "choose one with `make run PYTHON=python3.12`, for example"
    if tuple(version[:2]) < OLDEST:
        return "Python %s is too old: these notebooks need Python %s; %s." % (found, wanted, choose)
    if (system, machine) != ("Linux", "x86_64"):
        return (
            "MXNet 1.9.1 has a wheel for Linux on x86-64 only, and this is %s on %s: run this on such a machine, "
            "or in a container or virtual machine of that kind." % (system, machine)
        )
    if not has_modules:
        return (
            "This Python %s lacks the module venv, ensurepip or ctypes: install it (on Debian and Ubuntu: `apt install "
            "python%s-venv`) or %s." % (found, found, choose)
        )
    from d2lhelpers import libraries  # from here on, Python is new enough for it

    return libraries.complaint()


def warning(version):
    """What to know about an interpreter that is tried although nobody has; None if somebody has."""
    if tuple(version[:2]) <= NEWEST:
        return None
    return (
        "Python %d.%d is newer than %d.%d, the newest that these notebooks were run with: it is tried; if it fails, "
        "`make run PYTHON=python%d.%d`." % (tuple(version[:2]) + NEWEST + NEWEST)
    )


def wish():
    """What .venv should be made from: this interpreter's version, and the rest as one digest."""
    digest = hashlib.sha256(ROOT.encode())
    for path in (LOCK,) + tuple(os.path.join(package, "pyproject.toml") for package in PACKAGES):
        with open(path, "rb") as source:
            digest.update(source.read())
    return "Python %d.%d" % sys.version_info[:2], digest.hexdigest()


def installed():
    """What .venv was made from, as ``wish`` puts it; a pair of empty texts if it is not there or unfinished."""
    if not os.path.exists(PYTHON) or not os.path.exists(STAMP):
        return "", ""
    with open(STAMP) as source:
        lines = source.read().splitlines()
    return (lines[0], lines[1]) if len(lines) == 2 else ("", "")


def has_modules():
    """Whether this Python can make a virtual environment with pip in it, and load libraries."""
    try:
        import ctypes  # noqa: F401
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def call(command, what):
    """Run a command, quietly; on a terminal, one line that tells which package pip is at."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    said, count = [], 0
    for line in process.stdout:
        said.append(line)
        if line.startswith("Collecting "):
            count += 1
            if sys.stderr.isatty():
                sys.stderr.write("\r\033[K%s: %d %s" % (what, count, line.split()[1]))
                sys.stderr.flush()
        elif line.startswith("Installing collected") and sys.stderr.isatty():
            sys.stderr.write("\r\033[K%s: %d packages fetched, unpacking" % (what, count))
            sys.stderr.flush()
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if process.wait() != 0:
        sys.stderr.write("".join(said[-20:]))
        sys.exit("%s failed: see above. With the package registry at hand, run the same command again." % what)


def pip(arguments, what):
    """Run .venv's pip."""
    call([PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"] + arguments, what)


def put_beside():
    """Give MXNet the libraries that the system lacks and a wheel of the lock holds."""
    from pathlib import Path

    from d2lhelpers import libraries

    for site_packages in Path(VENV).glob("lib/python3*/site-packages"):
        libraries.put_beside(site_packages)


def main(any_python):
    """Make .venv where it is not as wished; with ``any_python``, one of another Python will do if it is there."""
    wanted, found = wish(), installed()
    if found == wanted or (any_python and found[1] == wanted[1]):
        return
    problem = complaint(sys.version_info, platform.system(), platform.machine(), has_modules())
    if problem:
        sys.exit(problem)
    if os.path.lexists(VENV) and not os.path.exists(os.path.join(VENV, "pyvenv.cfg")):
        sys.exit("%s is there but is no virtual environment: move it away, it would be overwritten." % VENV)
    if not os.access(ROOT, os.W_OK):
        sys.exit("%s cannot be written to, and .venv is made there: copy the project to a folder of yours." % ROOT)
    if warning(sys.version_info):
        sys.stderr.write(warning(sys.version_info) + "\n")
    sys.stderr.write("Making .venv with %s: once, about two minutes.\n" % wanted[0])
    shutil.rmtree(VENV, ignore_errors=True)
    call([sys.executable, "-m", "venv", VENV], "Making .venv")
    pip(["--require-hashes", "-r", LOCK], "Installing requirements.lock")
    for package in PACKAGES:
        pip(["--no-build-isolation", "--editable", package], "Installing " + os.path.basename(package))
    put_beside()
    with open(STAMP, "w") as target:
        target.write("\n".join(wanted) + "\n")


if __name__ == "__main__":
    try:
        main(any_python="--any-python" in sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command begins anew\n")
        sys.exit(130)
