"""What the package asks of its arguments: each check is defined once, and says in one sentence what to give instead."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Sequence
from typing import Any, Union

import numpy as np

__all__ = ["Size", "as_numpy", "flag", "number", "one_of", "pair", "real_numbers", "shown", "text", "whole"]


# One whole number, or (rows, columns).
Size = Union[int, tuple[int, int]]


def shown(value: Any) -> str:
    """Return ``repr(value)`` on one line and of at most 60 characters, for a sentence."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def whole(value: Any, name: str, least: int, most: int | None = None, example: int | None = None) -> int:
    """Return ``value`` as a Python integer.

    Args:
        value: a whole number, Python's or NumPy's; neither a bool nor a float.
        name: what the number is, for the sentence.
        least: the smallest value allowed.
        most: the largest value allowed; None for any.
        example: what the sentence proposes; by default the smallest value.

    Returns:
        a Python integer.

    Raises:
        ValueError: it is no whole number, or not in the range.
    """
    try:
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        example = least if example is None else example
        raise ValueError(f"{name} must be a whole number {allowed}, not {shown(value)}: give for example {example}.")
    return number


def number(
    value: Any,
    name: str,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    example: float = 0.1,
) -> float:
    """Return ``value`` as a Python float.

    Args:
        value: a finite real number, Python's or NumPy's; neither a bool nor a text.
        name: what the number is, for the sentence.
        least: the smallest value allowed; or give ``above``.
        above: the number that it must exceed.
        most: the largest value allowed; or give ``below``.
        below: the number that it must stay under.
        example: what the sentence proposes.

    Returns:
        a Python float.

    Raises:
        ValueError: it is no finite number, or not in the range.
    """
    every = {"of at least": least, "above": above, "at most": most, "below": below}
    bounds = {words: bound for words, bound in every.items() if bound is not None}
    holds = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    meets = {"of at least": operator.ge, "above": operator.gt, "at most": operator.le, "below": operator.lt}
    holds = holds and all(meets[words](float(value), bound) for words, bound in bounds.items())
    if not holds:
        allowed = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items())
        raise ValueError(
            f"{name} must be a finite number{' ' if allowed else ''}{allowed}, not {shown(value)}: "
            f"give for example {example:g}."
        )
    return float(value)


def flag(value: Any, name: str) -> bool:
    """Return ``value``, True or False, as a Python bool.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, not {shown(value)}: choose one.")
    return bool(value)


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """Return ``value``, one whole number or (rows, columns), as a pair.

    Args:
        value: a whole number, or two of them in a tuple, a list or an array.
        name: what the numbers are, for the sentence.
        least: the smallest value allowed.

    Returns:
        two Python integers.

    Raises:
        ValueError: it is neither, or a number is below ``least``.
    """
    several = isinstance(value, (tuple, list)) or getattr(value, "ndim", 0) == 1
    rows, columns = value if several and len(value) == 2 else (value, value)
    try:
        return whole(rows, name, least), whole(columns, name, least)
    except ValueError:
        raise ValueError(
            f"{name} must be one whole number of at least {least} or two (rows, columns), not {shown(value)}: "
            f"give for example {(least, least)}."
        ) from None


def one_of(value: Any, name: str, choices: Sequence[str]) -> None:
    """Check that ``value`` is one of the words that are allowed.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {shown(value)}: choose one.")


def text(value: Any, name: str) -> str:
    """Return ``value`` as a text that matplotlib can draw: it takes what stands between two dollar signs for a formula.

    Raises:
        ValueError: the formula is none, or ``value`` is an array, whose text would fill the page.
    """
    if hasattr(value, "ndim") and value.ndim:
        raise ValueError(f"{name} must be a text, not {shown(value)}: give one.")
    value = str(value)
    if "$" in value:
        from matplotlib.cbook import is_math_text
        from matplotlib.mathtext import MathTextParser

        try:
            if is_math_text(value):
                MathTextParser("agg").parse(value)
        except ValueError:
            raise ValueError(
                f"{name} must be a text or a formula that matplotlib knows, not {shown(value)}: correct it, or write "
                "\\$ for a dollar sign."
            ) from None
    return value


def as_numpy(values: Any) -> np.ndarray:
    """Return the values as a NumPy array.

    Args:
        values: an MXNet array, which is waited for, or anything that NumPy takes.

    Returns:
        a NumPy array of the same shape.
    """
    return values.asnumpy() if hasattr(values, "asnumpy") else np.asarray(values)


def real_numbers(values: Any, name: str) -> np.ndarray:
    """Return the values as a NumPy array of numbers.

    Args:
        values: real numbers, as ``as_numpy`` takes them.
        name: what they are, for the sentence.

    Returns:
        a NumPy array of booleans, integers or floats.

    Raises:
        ValueError: they are no array of real numbers: texts, dates, complex numbers, objects, rows of several lengths.
    """
    try:
        array = as_numpy(values)
    except ValueError:  # rows of several lengths, in NumPy's words
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be an array of real numbers, not {shown(values)}: give it as one NumPy or MXNet array of "
            "integers or floats."
        )
    return array
