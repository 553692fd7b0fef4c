"""What names a process, an address or a date, taken out of outputs before they are compared: nbval's sanitize files."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping

__all__ = ["read_patterns", "sanitized", "without_processes"]

# The file that a cell is to Python, in warnings and tracebacks: IPython names it by the kernel's process and a hash.
_CELL_FILE = re.compile(r"ipykernel_[0-9]+[/\\][0-9]+\.py")


def without_processes(text: str) -> str:
    """Return a text in which the file of an IPython cell has one name, whatever process ran it."""
    return _CELL_FILE.sub("ipykernel/cell.py", text) if "ipykernel_" in text else text


def read_patterns(path: str | os.PathLike) -> dict[str, str]:
    """Read a sanitize file as nbval does.

    Args:
        path: a file with pairs of lines ``regex: …`` and ``replace: …``.

    Returns:
        replacements by regular expression, in order.

    Raises:
        ValueError: the file cannot be read, holds no pair, or a pattern is no regular expression.
    """
    try:
        with open(path, encoding="utf-8") as file:
            pairs = re.findall("^regex: (.*)$\n^replace: (.*)$", file.read(), flags=re.MULTILINE)
        for regex, replace in pairs:
            re.sub(regex, replace, "")
    except (OSError, UnicodeDecodeError, re.error) as error:
        raise ValueError(f"expected a file of regular expressions, got {path} ({error}): correct it") from error
    if not pairs:
        raise ValueError(f"expected lines 'regex: …', each followed by 'replace: …', got none in {path}: correct it")
    return dict(pairs)


def sanitized(outputs: list, patterns: Mapping[str, str]) -> list:
    """Return outputs whose texts, and nothing else of them, the patterns have gone over.

    Args:
        outputs: nbformat outputs; they are left as they are.
        patterns: replacements by regular expression, as `read_patterns` returns them.
    """
    if not patterns:
        return outputs

    def clean(value):
        if isinstance(value, dict):
            return {key: clean(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [clean(entry) for entry in value]
        for regex, replace in patterns.items() if isinstance(value, str) else ():
            value = re.sub(regex, replace, value)
        return value

    outputs = copy.deepcopy(outputs)
    for output in outputs:
        for key in {"text", "ename", "evalue"} & set(output):
            output[key] = clean(output[key])
        for mime in output.get("data", {}):
            if not mime.startswith("image/"):
                output["data"][mime] = clean(output["data"][mime])
    return outputs
