"""How different two pictures look: a few lines that forgive anti-aliasing and nothing else."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageChops, ImageFilter

__all__ = ["DEFAULT_DISTANCE", "figure_distance", "open_picture"]

DEFAULT_DISTANCE = 0.05  # measured: the table in docs/nbval_plugin.md

_TILE = 7  # pixels
_TOGETHER = 6  # so many pixels of a tile must be off before a reader sees it
_REACH = 16  # pixels: ink that is not found so near is missing
_PER_PIXEL = 1 / 32


def open_picture(data):
    """A picture as it looks on a white page.

    Args:
        data: the bytes of a picture file that Pillow reads (PNG, JPEG, ...).

    Returns:
        PIL.Image.Image: RGB.

    Raises:
        ValueError: when the bytes are not a picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image = image.convert("RGBA")
    except OSError as error:
        raise ValueError(f"expected the bytes of a picture, got {data[:16]!r}: record the cell again") from error
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def figure_distance(recorded, new):
    """How different two pictures look, from 0 (the same, up to anti-aliasing and a shift by a pixel) to 1.

    Each pixel looks for its counterpart in the other picture. Around its own place it is free: a colour between those
    of the 3x3 pixels there costs nothing, another as much as it lies outside (largest channel, in parts of the full
    range). Farther away each pixel of way costs 1/32 on top. A tile of 7x7 pixels is as different as its sixth most different
    pixel, and a picture as its most different tile. So a curve that moved by d + 1 pixels is about d/32 away, and one
    that is missing 0.5 or more.

    Args:
        recorded: the recorded picture, RGB, from :func:`open_picture`.
        new: the new one, likewise.

    Returns:
        float: in [0, 1]; 1 where the sizes in pixels differ.
    """
    if recorded.size != new.size:
        return 1.0
    if ImageChops.difference(recorded, new).getbbox() is None:
        return 0.0
    return max(_unexplained(recorded, new), _unexplained(new, recorded))


def _unexplained(image, other):
    """What is in ``image`` and has no counterpart in ``other``."""
    pixels = np.asarray(image, dtype=np.int16)
    low = np.asarray(other.filter(ImageFilter.MinFilter(3)), dtype=np.int16)
    high = np.asarray(other.filter(ImageFilter.MaxFilter(3)), dtype=np.int16)
    outside = np.maximum(low - pixels, pixels - high).max(axis=2).clip(min=0)
    rows, columns = np.nonzero(outside)
    colours, cost = pixels[rows, columns], outside[rows, columns].astype(np.float32)
    border = ((_REACH, _REACH), (_REACH, _REACH), (0, 0))
    low, high = np.pad(low, border, mode="edge"), np.pad(high, border, mode="edge")
    for way, dy, dx in _ways():
        price = 255 * _PER_PIXEL * way
        left = np.flatnonzero(cost > price)
        if not left.size:
            break
        y, x, colour = rows[left] + _REACH + dy, columns[left] + _REACH + dx, colours[left]
        there = np.maximum(low[y, x] - colour, colour - high[y, x]).max(axis=1).clip(min=0)
        cost[left] = np.minimum(cost[left], there + price)
    outside = np.zeros(outside.shape, np.uint8)
    outside[rows, columns] = cost.round()
    ranked = Image.fromarray(outside).filter(ImageFilter.RankFilter(_TILE, _TILE * _TILE - _TOGETHER))
    return ranked.getextrema()[1] / 255


@functools.lru_cache(maxsize=1)
def _ways():
    """(way in pixels, dy, dx) to every place around a pixel, the nearest first."""
    reach = range(-_REACH, _REACH + 1)
    ways = [(max(abs(dy), abs(dx)), dy, dx) for dy in reach for dx in reach]
    return sorted(way for way in ways if way[0])
