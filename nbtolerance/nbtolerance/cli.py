"""The command ``nbtolerance`` (also ``python -m nbtolerance``)."""

from __future__ import annotations

import argparse
import os
import sys

__all__ = ["main"]


def _compare(arguments) -> int:
    from .notebooks import compare_notebooks
    from .sanitizing import read_patterns
    from .terminal import visible

    try:
        patterns = read_patterns(arguments.sanitize_with) if arguments.sanitize_with else None
        differences = compare_notebooks(arguments.a, arguments.b, patterns)
    except ValueError as error:
        print(visible(str(error)), file=sys.stderr)
        return 2
    for difference in differences:
        print(visible(difference), end="\n\n")
    print(f"{len(differences) or 'no'} difference{'' if len(differences) == 1 else 's'}")
    return 1 if differences else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nbtolerance", description="Compare executed notebooks.", allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    what = "compare two executed copies of a notebook within the tolerances that its cells state"
    compare = commands.add_parser("compare", help=what, description=f"{what.capitalize()}.", allow_abbrev=False)
    compare.add_argument("a", metavar="A.ipynb", help="taken as the recorded one")
    compare.add_argument("b", metavar="B.ipynb", help="taken as the new one")
    compare.add_argument(
        "--sanitize-with", metavar="FILE", help="regular expressions to replace first, as nbval has them"
    )
    compare.set_defaults(function=_compare)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its words, without the program's name; by default those of the command line.

    Returns:
        the exit status: 0 where two notebooks agree, 1 where they differ, 2 where one cannot be read or the differences
        cannot be written, 130 after Ctrl-C, 141 where nobody reads to the end.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever a terminal can show
    arguments = _parser().parse_args(argv)
    try:
        status = arguments.function(arguments)
        if sys.stdout:
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads has read enough, as `head` does
        status = 141
    except OSError as error:
        print(f"the differences cannot be written ({error.strerror}): make room there", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be written at the end
    return status
