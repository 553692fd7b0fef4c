"""What can be wrong with a data set: it is not there, or it is not what it should be."""

from __future__ import annotations

__all__ = ["DataCorruptError", "DataNotFoundError"]


class DataNotFoundError(FileNotFoundError):
    """A data set, or a file of it, is not where it was looked for and cannot be had."""


class DataCorruptError(ValueError):
    """A data file is there but is not the published one, or cannot be read."""
