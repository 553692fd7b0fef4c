"""Placeholder until the download lands: what is there is used, nothing is fetched."""

from __future__ import annotations

from .errors import DataNotFoundError
from .registry import data_set
from .sources import data_root, find, not_found_sentence

__all__ = ["ensure"]


def ensure(name, root=None):
    """Return the folder of a data set."""
    folder = find(name, root)
    if folder is None:
        raise DataNotFoundError(not_found_sentence(data_set(name), data_root(root)))
    return folder
