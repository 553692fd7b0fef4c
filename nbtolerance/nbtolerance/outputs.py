"""The recorded outputs of a cell against those of a new run."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from .markers import ONLY_SIZE, parse_markers
from .sanitizing import without_processes
from .terminal import as_shown
from .text import bound_of, compare_exactly, compare_floats, read

__all__ = ["compare_outputs", "joined"]


@dataclass(frozen=True)
class _Part:
    """One thing to compare: a stream, or one representation (by MIME type) of a display, a result or an error."""

    name: str
    mime: str
    value: str

    @property
    def is_picture(self):
        return self.mime.startswith("image/") and not self.mime.endswith("xml")

    @property
    def is_html(self):
        return self.mime == "text/html"


def compare_outputs(source: str, recorded: list, new: list, metadata: dict | None = None) -> list[str]:
    """What differs between the recorded and the new outputs of a cell, under the bounds that the cell states.

    Streams are compared as a terminal shows them (carriage returns, backspaces, erasures), stdout and stderr each as
    one text; everything else in order, each of its representations. Not compared: execution counts, metadata, the
    process in the name that IPython gives a cell's file, a traceback's text (paths and the interpreter's own lines; the
    exception's name and message are), and a widget's random ``model_id``.

    Args:
        source: the cell's code, whose comments may state bounds.
        recorded: the outputs in the notebook, a list of nbformat output dictionaries.
        new: the outputs of a new run, likewise.
        metadata: the cell's metadata, whose entry ``nbtolerance`` may state bounds.

    Returns:
        list[str]: one description for each difference, with what was recorded, what is new, which numbers left their
        bounds and by how much; empty where all is within tolerance. A bound that bounds nothing in ``recorded`` has
        gone stale and is a difference too.

    Raises:
        MarkerError: when a bound is malformed, or two of them claim the same line.
    """
    read.cache_clear()  # the texts of other cells, each many times its length
    markers = parse_markers(source, metadata)
    old_parts, new_parts = _parts(recorded), _parts(new)
    differences = _stale_markers(markers, old_parts)
    layouts = [", ".join(part.name for part in parts) for parts in (old_parts, new_parts)]
    if layouts[0] != layouts[1]:
        differences.append(
            f"outputs differ in kind or number: recorded {layouts[0] or 'none'}, new {layouts[1] or 'none'}"
        )
        known = {part.name: part.value for part in old_parts}
        now = {part.name: part.value for part in new_parts}
        for part in (*old_parts, *new_parts):
            if not part.is_picture and (part.name not in known or part.name not in now):
                differences.append(compare_exactly(part.name, known.get(part.name, ""), now.get(part.name, "")))
        return [difference for difference in differences if difference]
    for old, now in zip(old_parts, new_parts):
        differences.append(_compare_parts(old, now, markers))
    return [difference for difference in differences if difference]


def _compare_parts(old, now, markers):
    if old.value == now.value:
        return None
    if old.is_picture:
        return _compare_pictures(old, now, markers)
    if markers.tolerance or markers.lines:
        return compare_floats(old.name, old.value, now.value, markers, old.is_html)
    return compare_exactly(old.name, old.value, now.value)


def _parts(outputs):
    streams: dict[str, str] = {}
    others = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + joined(output["text"])
            continue
        if kind == "error":
            data = {"name": output["ename"], "message": output["evalue"]}
        else:
            data = output["data"]
        others.append((kind, data))
    parts = [_Part(name, "text/plain", without_processes(as_shown(streams[name]))) for name in sorted(streams)]
    for number, (kind, data) in enumerate(others, 1):
        parts += [_Part(f"{kind} {number} ({mime})", mime, _value(mime, data[mime])) for mime in sorted(data)]
    return parts


def joined(text: str | list[str]) -> str:
    """A text that a notebook file holds as one string or as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def _value(mime, value):
    if mime == "application/vnd.jupyter.widget-view+json":
        value = {key: entry for key, entry in value.items() if key != "model_id"}
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) if mime.endswith("json") else joined(value)
    return text if mime.startswith("image/") else without_processes(text)


def _stale_markers(markers, recorded):
    stale = [bound for bound in (markers.tolerance, *markers.lines) if bound]
    if stale:
        texts = [read(part.value, part.is_html) for part in recorded if not part.is_picture]
        bounding = {bound_of(number, markers) for reading in texts for number in reading.numbers}
        stale = [f"the tolerance {bound} bounds no recorded float" for bound in stale if bound not in bounding]
    if markers.figure is not None and not any(part.is_picture for part in recorded):
        stale.append("the bound of a figure stands in a cell without a recorded picture")
    return [f"{marker}: correct or remove it" for marker in stale]


def _bytes_of(picture):
    try:
        return base64.b64decode(picture.value)
    except binascii.Error as error:
        raise ValueError(f"expected a picture in base64, got {picture.value[:16]!r}: record the cell again") from error


def _compare_pictures(old, now, markers):
    from .figures import figure_distance, open_picture, same_size  # NumPy and Pillow: slow to import, and seldom needed

    try:
        before, after = (open_picture(_bytes_of(part)) for part in (old, now))
    except ValueError as error:
        return f"{old.name}: {error}"
    if len(before) != len(after):
        return f"{old.name}: recorded {len(before)} frames, new {len(after)}"
    if not same_size(before[0], after[0]):
        sizes = ["{}x{}".format(*frames[0].size) for frames in (before, after)]
        return f"{old.name}: recorded {sizes[0]} pixels, new {sizes[1]}"
    if markers.figure == ONLY_SIZE:
        return None
    for recorded, new in zip(before, after):
        if recorded.info != new.info:
            return f"{old.name}: recorded a picture that is shown with {recorded.info}, new with {new.info}"
    allowed = markers.figure or 0
    for distance in map(figure_distance, before, after):  # the first that is too different is enough
        if distance > allowed:
            return f"{old.name}: the picture looks different, distance {distance:.3f}, {allowed:g} allowed"
    return None
