"""Notebook files, and what is wrong with one."""

from __future__ import annotations

import contextlib
import json
import os

import nbformat

__all__ = ["naming_the_notebook", "read_notebook"]


@contextlib.contextmanager
def naming_the_notebook(path: str | os.PathLike):
    """Turn what the reading of a notebook stumbles over into one sentence that names its file.

    Args:
        path: The notebook's file.

    Raises:
        ValueError: The file cannot be read, or what was read is no notebook of format 4.
    """
    try:
        yield
    except OSError as error:
        raise ValueError(f"expected a notebook, got {path} ({error.strerror}): name an .ipynb file") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, nbformat.ValidationError) as error:
        (why, *_) = f"{type(error).__name__}: {error}".splitlines()
        raise ValueError(
            f"expected a notebook of format 4, got {path}: mend it, or convert it with jupyter nbconvert ({why})"
        ) from error


def read_notebook(path: str | os.PathLike) -> nbformat.NotebookNode:
    """Read a notebook.

    Args:
        path: Its file.

    Returns:
        The notebook.

    Raises:
        ValueError: The file cannot be read, or holds no valid notebook of format 4.
    """
    invalid: dict[str, Exception] = {}
    with naming_the_notebook(path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if json.loads(text)["nbformat"] != 4:
            raise ValueError("another format")
        notebook = nbformat.reads(text, as_version=4, capture_validation_error=invalid)
        if invalid:
            raise invalid["ValidationError"]
        nbformat.writes(notebook).encode()  # half a surrogate pair cannot be sent to a kernel, nor saved
    return notebook
