"""What a notebook needs to run as it was recorded: its data, as its metadata say, and the user's own environment."""

from __future__ import annotations

import os

from nbformat import NotebookNode

from ..compat import added_variables
from ..data.download import ensure
from ..data.registry import DATA_SETS, data_set
from ..data.sources import find, verify

__all__ = ["data_needs", "kernel_environment", "obtain_data", "our_metadata"]


def our_metadata(notebook: NotebookNode) -> dict:
    """Read what a notebook's metadata say to this package.

    Args:
        notebook: The notebook.

    Returns:
        ``metadata.d2lhelpers``: ``data`` is a list of names of the registry, ``stamp`` what the outputs were made from,
        ``shows`` the ``cell`` whose last line sums up a run, and a ``title`` for it. Each may be missing.

    Raises:
        ValueError: They are of another form.
    """
    ours = notebook.metadata.get("d2lhelpers", {})
    parts = (("data", list), ("stamp", dict), ("shows", dict))
    if not isinstance(ours, dict) or not all(isinstance(ours.get(name, kind()), kind) for name, kind in parts):
        raise ValueError(
            f"expected metadata.d2lhelpers with a list as data and objects as stamp and shows, got {ours}: correct it"
        )
    return ours


def data_needs(notebook: NotebookNode) -> list[str]:
    """Read which data sets a notebook needs.

    Args:
        notebook: The notebook.

    Returns:
        The names.

    Raises:
        ValueError: A name is not in the registry, or the metadata are of another form.
    """
    needs = our_metadata(notebook).get("data", [])
    for name in needs:
        if not isinstance(name, str) or name not in DATA_SETS:
            raise ValueError(
                f"expected names of data sets in metadata.d2lhelpers.data ({', '.join(DATA_SETS)}), got {name!r}"
            )
    return list(needs)


def obtain_data(name: str) -> None:
    """Find a data set, download it where that is possible, and check it.

    Args:
        name: A name of the registry.

    Raises:
        DataNotFoundError: It cannot be had.
        DataCorruptError: It is there but is not the published one.
    """
    ensure(name)
    verify(name if find(name) else data_set(name).cut_from)


def kernel_environment() -> dict[str, str | None]:
    """Say what differs in a kernel's environment from this process's.

    Returns:
        Variables as ``nbtolerance.execution.execute`` takes them: those that importing this package has set are not
        inherited (None), and text in figures is drawn as outlines, which are the same in each version of matplotlib.
    """
    ours = {name: None for name, value in added_variables.items() if os.environ.get(name) == value}
    return {**ours, "NBTOLERANCE_MPLBACKEND": "module://nbtolerance.outlines"}
