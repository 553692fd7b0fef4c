"""The README's promise on bare systems: its two commands in a new Debian, nothing installed that it does not name.

`make fresh` runs this; it needs root, `debootstrap`, `unshare` (util-linux), a Debian mirror, a package registry, and
2.5 GB in the folder for temporary files. First a library is missing, which `make run` must ask for; the command that it
names is carried out, and then both of the README's commands must end well.

Name resolution, certificates and pip's settings are this machine's (from resolv.conf and the environment), and so are
the real data, where `$D2LHELPERS_DATA` or `shared/datasets` beside the checkout has them.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["python3", "python3-venv", "make", "git", "ca-certificates"]  # git and certificates: to fetch the checkout
MISSING = "libgomp.so.1"
MOUNTS = """set -e
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
if [ -n "$2" ]; then mkdir -p "$1/data"; mount --bind "$2" "$1/data"; mount -o remount,ro,bind "$1/data"; fi
system=$1; shift 2
exec chroot "$system" "$@"
"""


def needs():
    """What this machine lacks to make a bare system, in a sentence; None if nothing."""
    if os.geteuid() != 0:
        return "A bare system is made with chroot and mounts: run `make fresh` as root."
    for program, package in [("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("git", "git")]:
        if not shutil.which(program):
            return f"`make fresh` needs the program {program}: install it (on Debian: `apt install {package}`)."
    return None


def asked_command(output):
    """The command for apt in the sentence that asks for a library; None if there is no such sentence."""
    found = re.search(rf"needs {re.escape(MISSING)}, missing on this system: as root, `(apt [^`]+)`", output)
    return found and found[1].replace("apt install", "apt-get install --yes").replace("apt update", "apt-get update")


def data():
    """The folder of the real data, or an empty text."""
    named = os.environ.get("D2LHELPERS_DATA") or ROOT.parent / "shared/datasets"
    return str(named) if Path(named).is_dir() else ""


class System:
    """A bare Debian in a folder; what it mounts is gone when a command ends."""

    def __init__(self, suite, mirror, folder):
        """Make it: a minute."""
        self.suite, self.folder = suite, folder
        folder.chmod(0o755)  # apt fetches as another user
        script = Path("/usr/share/debootstrap/scripts")
        known = [] if (script / suite).exists() else [str(script / "sid")]
        include = f"--include={','.join(PACKAGES)}"
        subprocess.run(
            ["debootstrap", "--variant=minbase", include, suite, folder, mirror, *known],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.copyfile("/etc/resolv.conf", folder / "etc/resolv.conf")
        # A mirror may be a snapshot of some day, which apt would refuse; debootstrap did not.
        (folder / "etc/apt/apt.conf.d/snapshot").write_text(
            'Acquire::Check-Valid-Until "false";\nDpkg::Use-Pty "false";\n'
        )
        self.variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
        for name, value in os.environ.items():
            if re.fullmatch(r"PIP_.*|.*_proxy|.*_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE", name):
                self.variables[name] = value
                if Path(value).is_file():
                    inside = folder / Path(value).relative_to("/")
                    inside.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(value, inside)
        if data():
            self.variables["D2LHELPERS_DATA"] = "/data"
        subprocess.run(["git", "clone", "--quiet", ROOT, folder / "root/project"], check=True)

    def run(self, command):
        """Run a shell command in the project's folder, its output shown; returns status and output."""
        print(f"\n== {self.suite}: {command}", flush=True)
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", MOUNTS, "sh", self.folder, data()]
        started, said = time.monotonic(), []
        process = subprocess.Popen(
            [*alone, "sh", "-c", f"cd /root/project && {command}"],
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout:
            said.append(line)
            print(line, end="", flush=True)
        print(f"== status {process.wait()}, {time.monotonic() - started:.0f} s", flush=True)
        return process.returncode, "".join(said)


def promise(system, notebooks, tests):
    """Keep the README's promise in a bare system; returns what was broken, in a sentence, or None."""
    system.run("python3 --version; getconf GNU_LIBC_VERSION")
    status, said = system.run("make run")
    command = asked_command(said)
    if status == 0 or not command or (system.folder / "root/project/.venv").exists():
        return f"`make run` did not ask for {MISSING} before it installed anything"
    if system.run(command)[0] != 0:
        return f"the command that it asked for failed: {command}"
    for command in [f"make run NOTEBOOKS='{notebooks}'", f"make test TESTS='{tests}'"]:
        if system.run(command)[0] != 0:
            return f"`{command}` failed"
    return None


def main():
    """Make each system, run the commands, and say which promise was broken; exit status 1 if one was."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("suites", nargs="*", default=["trixie", "forky"], help="Debian's names (default: trixie forky)")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian", metavar="URL")
    parser.add_argument("--notebooks", default="", help="what `make run` runs, such as '01 02' (default: all)")
    parser.add_argument("--tests", default="", help="what `make test` tests (default: all)")
    arguments = parser.parse_args()
    lacking = needs()
    if lacking:
        sys.exit(lacking)
    broken = []
    for suite in arguments.suites:
        with tempfile.TemporaryDirectory(prefix=f"fresh-{suite}-") as folder:
            problem = promise(System(suite, arguments.mirror, Path(folder)), arguments.notebooks, arguments.tests)
            print(f"\n== {suite}: {problem or 'the promise is kept'}", flush=True)
            broken += [suite] if problem else []
    sys.exit(f"broken on {', '.join(broken)}" if broken else None)


if __name__ == "__main__":
    main()
