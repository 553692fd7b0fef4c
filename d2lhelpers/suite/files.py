"""The notebooks' files: where they are, and how one is written."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

__all__ = ["find_notebooks", "select", "write_text"]


def find_notebooks(notebooks_dir: str | os.PathLike) -> tuple[list[Path], list[Path]]:
    """List the numbered spine and its solutions.

    Args:
        notebooks_dir: The folder that holds the spine (``01_….ipynb``, …) and ``solutions/``.

    Returns:
        The spine's notebooks and those in ``solutions/``, each in order.

    Raises:
        FileNotFoundError: There is no numbered notebook in the folder.
    """
    folder = Path(notebooks_dir)
    spine = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not spine:
        raise FileNotFoundError(
            f"expected numbered notebooks (01_….ipynb) in {folder.absolute()}, found none; name their folder with "
            "--notebooks"
        )
    return spine, sorted((folder / "solutions").glob("[0-9][0-9]_*.ipynb"))


def select(notebooks: list[Path], only: list[str] | None) -> list[Path]:
    """Choose notebooks by name.

    Args:
        notebooks: What there is.
        only: Beginnings of file names, such as ``05`` or ``05_lenet_fashion_mnist.ipynb``; None or empty chooses all.

    Returns:
        The chosen notebooks, in the order they had.

    Raises:
        ValueError: A name fits none of them.
    """
    if not only:
        return list(notebooks)
    names = [Path(name).name for name in only]
    for name in names:
        if not name or not any(path.name.startswith(name) for path in notebooks):
            there = ", ".join(path.stem for path in notebooks)
            raise ValueError(f"expected the beginning of a notebook's name, got {name!r}; there are {there}")
    return [path for path in notebooks if any(path.name.startswith(name) for name in names)]


def write_text(target: Path, text: str) -> None:
    """Write a file whole or not at all: into a new file beside it, then renamed.

    Args:
        target: The file; its folder is made where it is missing.
        text: The content, written as UTF-8 with the line ends it has.
    """
    target = Path(os.path.realpath(target))  # where a link leads: it stays a link
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name that nobody can have laid a trap under, and never through a link.
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    try:
        with open(new, "x", encoding="utf-8", newline="") as file:
            file.write(text)
        if target.exists():
            shutil.copymode(target, new)
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)
