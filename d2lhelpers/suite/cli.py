"""The command ``d2lhelpers`` (also ``python -m d2lhelpers``) looks after environment, data and notebooks."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import signal
import sys
from pathlib import Path

__all__ = ["main"]

CHECKOUT = Path(__file__).resolve().parents[2]


def use_neighbouring_data(checkout: Path = CHECKOUT) -> None:
    """Point ``$D2LHELPERS_DATA`` at ``shared/datasets`` beside a checkout, if that is there and nothing else is named.

    Args:
        checkout: the project's root folder.
    """
    folder = checkout.parent / "shared" / "datasets"
    if (checkout / "pyproject.toml").is_file() and folder.is_dir():
        os.environ.setdefault("D2LHELPERS_DATA", str(folder))


def _doctor(arguments) -> int:
    from .doctor import examine

    return examine(CHECKOUT)


def _data_status(arguments) -> int:
    from .doctor import data_lines, print_lines

    return print_lines(data_lines())


def _data_fetch(arguments) -> int:
    from ..data import DataCorruptError, DataNotFoundError, fetch

    try:
        print(f"{arguments.name} is at {fetch(arguments.name)}, verified.")
    except (DataCorruptError, DataNotFoundError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(arguments) -> int:
    from .runner import run_spine

    return run_spine(arguments.notebooks, arguments.build, arguments.only, jobs=arguments.jobs)


def _record(arguments) -> int:
    from .recording import record

    return record(arguments.notebooks, arguments.only, rewrite_all=arguments.all, sanitize_with=arguments.sanitize_with)


def _site(arguments) -> int:
    from .site import build_site

    return build_site(arguments.notebooks, arguments.build)


def _launch(arguments) -> int:
    from ..launching import launch

    try:
        return launch(
            arguments.program,
            arguments.workers,
            arguments.servers,
            arguments.scheduler,
            arguments.role,
            arguments.limit,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


def _status(arguments) -> int:
    from .recording import print_status

    return print_status(arguments.notebooks)


def _jobs(text):
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"expected how many notebooks run at a time, such as 2, got {text!r}")
    return int(text)


@contextlib.contextmanager
def _forgiving_streams():
    """Let what is printed reach the terminal whatever it can show, and nobody where there is none (``>&-``)."""
    with contextlib.ExitStack() as stack:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:
                setattr(sys, name, stack.enter_context(open(os.devnull, "w", encoding="utf-8")))
                stack.callback(setattr, sys, name, None)
            elif hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="d2lhelpers", description="Look after the Gluon CNN notebooks.", allow_abbrev=False
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(where, name, function, description):
        added = where.add_parser(
            name, help=description, description=description[0].upper() + description[1:] + ".", allow_abbrev=False
        )
        added.set_defaults(function=function)
        return added

    command(
        commands, "doctor", _doctor, "check interpreter, packages, device, threads and data; exit status 1 on a FAIL"
    )

    data = commands.add_parser("data", help="say where the data sets are, or fetch one")
    data_commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    command(data_commands, "status", _data_status, "say of each data set where it is and whether it is right")
    fetch = command(data_commands, "fetch", _data_fetch, "download a data set, verified by SHA-256, unless it is there")
    fetch.add_argument("name", metavar="NAME", help="fashion-mnist, mnist or cifar10")

    run = command(commands, "run", _run, "execute the notebooks into build/, with a web page of each")
    site = command(commands, "site", _site, "write the web pages from the recorded outputs; runs nothing")
    for added in (run, site):
        added.add_argument(
            "--build", metavar="DIR", default=CHECKOUT / "build", help="where to (default: the checkout's build/)"
        )
    run.add_argument(
        "--jobs", metavar="N", type=_jobs, help="notebooks at a time (default: as many as there are cores)"
    )
    launch = command(commands, "launch", _launch, "run a training on several workers, here or on several machines")
    launch.add_argument("--workers", type=int, required=True, metavar="N", help="how many, on all machines together")
    launch.add_argument(
        "--servers", type=int, default=1, metavar="M", help="processes that add gradients up (default: 1)"
    )
    launch.add_argument("--scheduler", metavar="HOST:PORT", help="where the scheduler is, for several machines")
    launch.add_argument("--role", help="the part to start here: scheduler, server or worker; with --scheduler")
    launch.add_argument(
        "--limit", type=float, default=60, metavar="S", help="seconds to find one another (default: 60)"
    )
    launch.add_argument(
        "program", nargs="*", metavar="-- PROGRAM", help="what a worker runs, such as -- python train.py"
    )
    record = command(commands, "record", _record, "execute the notebooks and rewrite outputs that left their tolerance")
    record.add_argument("--all", action="store_true", help="rewrite every output")
    record.add_argument("--sanitize-with", metavar="FILE", help="regular expressions to replace before comparing")
    status = command(commands, "status", _status, "say which recorded outputs are stale, and why; runs nothing")
    for added in (run, site, record, status):
        added.add_argument(
            "--notebooks",
            metavar="DIR",
            default=CHECKOUT / "notebooks",
            help="the notebooks' folder (default: the checkout's notebooks/)",
        )
    for added in (run, record):
        added.add_argument("only", nargs="*", metavar="NOTEBOOK", help="beginnings of names, such as 05 (default: all)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its words, without the program's name; by default those of the command line.

    Returns:
        the exit status, 0 for success, 130 after Ctrl-C.
    """
    with _forgiving_streams():
        arguments = _parser().parse_args(argv)
        use_neighbouring_data()
        return _call(arguments)


def _call(arguments):
    try:
        status = arguments.function(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what, can, advice = (
            ("the output", "written", "make room there") if full else ("this folder", "used", "go elsewhere")
        )
        print(f"{error.filename or what} cannot be {can} ({error.strerror}): {advice}", file=sys.stderr)
        with contextlib.suppress(OSError, ValueError):  # nor can what is still to be written
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        print(
            f"this command needs {error.name}, which a plain install does not bring: pip install 'd2lhelpers[suite]'",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
