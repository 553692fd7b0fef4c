"""How different two pictures look: not at all for another machine's anti-aliasing, a little for a curve that moved."""

from __future__ import annotations

import functools
import io
import math

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageSequence

__all__ = ["figure_distance", "open_picture", "same_size"]

# Whether two pictures look alike. Measured on pairs of figures: the table in docs/nbtolerance.md.
_WINDOW = 9  # pixels: a letter of a label
_UNLIKE = 0.6  # squared difference in a window, in parts of what there is to see
_BLUR = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 4, 2, 1, 2, 1))
_FAINT = 0.01  # (a tenth of the range) squared: a structure that is fainter than this hardly counts

# Whether one program drew them both: then there is nothing to excuse.
_MOSAIC = 8  # pixels
_SAME = 0.9  # of the tiles in which both pictures show something are equal
_EQUAL = 4  # of 255: a palette that follows the data may move so far
_VISIBLE = 16  # of 255: noise and dithering are fainter

# At which size they are compared.
_MOST_PIXELS = 60_000_000  # of all frames: more would take more memory than a test should
_LARGE = 1_500_000  # pixels: above, in steps of whole factors, smaller; half a minute where nothing is alike
_FEW, _ENLARGED = 64, 8  # pixels along the longer side, and how many each of them becomes

# How far apart they are if they do not look alike.
_REACH = 15  # pixels: ink that is not found so near is missing
_PER_PIXEL = 1 / 32
_INK = 17  # pixels: over such a window a moved curve is hardly more or less ink, a changed area is
_TILE = 7  # pixels
_TOGETHER = 6  # so many pixels of a tile must be off before a reader sees it


def open_picture(data: bytes) -> list[Image.Image]:
    """A picture as it looks on a white page, frame by frame.

    Args:
        data: the bytes of a picture file that Pillow reads (PNG, JPEG, GIF, ...).

    Returns:
        RGB images, turned as the file says; one, or the frames of an animated picture. What else decides how a browser
        shows them, their time, repetitions and gamma, is in each one's ``info``.

    Raises:
        ValueError: when the bytes are not a picture, or one that is too large to be compared.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            size, count = image.size, getattr(image, "n_frames", 1)
            too_large = size[0] * size[1] * count > _MOST_PIXELS
            frames = [] if too_large else [_opened(frame) for frame in ImageSequence.Iterator(image)]
    except Exception as error:  # Pillow's readers raise whatever they stumble over, such as IndexError
        raise ValueError(f"expected the bytes of a picture, got {data[:16]!r}: record the cell again") from error
    if too_large:
        found = f"{count} of {size[0]}x{size[1]}"
        raise ValueError(
            f"expected a picture of at most {_MOST_PIXELS:,} pixels in all its frames, got {found}: show a smaller one"
        )
    return frames


def _opened(frame):
    """One frame as RGB on white."""
    info = {name: frame.info[name] for name in ("duration", "loop", "gamma") if name in frame.info}
    frame = ImageOps.exif_transpose(frame)
    if frame.mode.startswith("I"):  # 16 bits of grey, of which Pillow would keep the lower 8
        frame = Image.fromarray((np.asarray(frame).clip(0, 65535) // 257).astype(np.uint8))
    frame = frame.convert("RGBA")
    shown = Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame).convert("RGB")
    shown.info.update(info)
    return shown


def _in_reach(recorded, new):
    """Both pictures at a size at which they can be compared: a large one smaller, one of a few pixels larger."""
    pixels = recorded.width * recorded.height
    if pixels > _LARGE:
        factor = math.ceil(math.sqrt(pixels / _LARGE))
        return recorded.reduce(factor), new.reduce(factor)
    if max(recorded.size) <= _FEW:  # each pixel of data is seen, and a shift by one is no anti-aliasing
        size = (recorded.width * _ENLARGED, recorded.height * _ENLARGED)
        return (picture.resize(size, Image.Resampling.NEAREST) for picture in (recorded, new))
    return recorded, new


def figure_distance(recorded: Image.Image, new: Image.Image) -> float:
    """How different two pictures look, from 0 (alike, up to anti-aliasing and a shift by a pixel) to 1.

    Where nine tenths of what both show is equal pixel by pixel, one program drew them, and they are alike if no pixel,
    slightly blurred, differs by more than a sixteenth of the range. Otherwise another machine's anti-aliasing may be at
    work, and they are alike if every window of 9x9 pixels is: slightly blurred and shifted by at most a pixel, its mean
    squared difference stays under 0.6 of the two windows' variances, for brightness and for colour (nearly structural
    similarity: Wang et al., Image quality assessment, IEEE Transactions on Image Processing 13(4), 2004).

    If they are not alike, each pixel looks for its counterpart in the other picture. Around its own place it is free: a
    colour between those of the 3x3 pixels there costs nothing, another as much as it lies outside (largest channel, in
    parts of the full range; two differences of channels count with 0.4, so that red is not between black and white).
    Farther away each pixel of way costs 1/32 on top. A tile of 7x7 pixels is as different as its sixth most different
    pixel, a picture as its most different tile. So a curve that moved by d + 1 pixels is about d/32 away, and one that
    is missing 0.5 or more. Nor can much ink hide behind a little: the distance is at least the largest difference of
    mean colours over 17x17 pixels.

    Args:
        recorded: the recorded picture, RGB, a frame from :func:`open_picture`.
        new: the new one, likewise.

    Returns:
        float: 0 if they look alike; else in [1/32, 1], and 1 where the sizes in pixels differ (see `same_size`).
    """
    if not same_size(recorded, new):
        return 1.0
    common = (0, 0, min(recorded.width, new.width), min(recorded.height, new.height))
    recorded, new = recorded.crop(common), new.crop(common)
    box = ImageChops.difference(recorded, new).getbbox()
    if box is None:
        return 0.0
    original, (recorded, new) = recorded.size, _in_reach(recorded, new)
    if recorded.size != original and (box := ImageChops.difference(recorded, new).getbbox()) is None:
        return 0.0
    alike = _same_in_place if _from_one_program(recorded, new) else _look_alike
    left, top = (max(edge - _REACH - 2, 0) for edge in box[:2])
    right, bottom = (min(edge + _REACH + 2, end) for edge, end in zip(box[2:], new.size))
    recorded, new = (picture.crop((left, top, right, bottom)) for picture in (recorded, new))
    if alike(recorded, new):
        return 0.0
    return max(_PER_PIXEL, _unexplained(recorded, new), _unexplained(new, recorded), _displaced(recorded, new))


def same_size(recorded: Image.Image, new: Image.Image) -> bool:
    """Tell whether two pictures are equally large, up to a pixel: Jupyter crops a figure around the text in it.

    Args:
        recorded: the recorded picture.
        new: the new one.

    Returns:
        whether they are; where a picture has few pixels, each of them may be one of the data, and none is free.
    """
    free = 0 if max(recorded.size) <= _FEW else 1
    return all(abs(before - after) <= free for before, after in zip(recorded.size, new.size))


def _from_one_program(recorded, new):
    """Whether most tiles in which both pictures show something are equal: another program would have changed more."""
    old, now = (_tiles(np.asarray(picture, dtype=np.int16)) for picture in (recorded, new))
    shown = np.logical_and(*(np.ptp(tiles, axis=1).max(axis=1, initial=0) > _VISIBLE for tiles in (old, now)))
    return shown.any() and (np.abs(old - now).max(axis=(1, 2), initial=0) <= _EQUAL)[shown].mean() >= _SAME


def _tiles(pixels):
    """The whole tiles of a picture: shape (tiles, pixels of a tile, channels)."""
    rows, columns = (size // _MOSAIC for size in pixels.shape[:2])
    pixels = pixels[: rows * _MOSAIC, : columns * _MOSAIC].reshape(rows, _MOSAIC, columns, _MOSAIC, 3)
    return pixels.swapaxes(1, 2).reshape(rows * columns, _MOSAIC**2, 3)


def _same_in_place(recorded, new):
    difference = ImageChops.difference(recorded.filter(_BLUR), new.filter(_BLUR))
    return int(np.asarray(difference).max()) <= _VISIBLE


def _look_alike(recorded, new):
    old, now = _planes(recorded), _planes(new)
    coloured = [0, *(plane for plane in (1, 2) if old[..., plane].any() or now[..., plane].any())]
    old, now = old[..., coloured], now[..., coloured]
    in_place = _unlike(old, now, shift=0)
    y, x = np.unravel_index(in_place.argmax(), in_place.shape)
    top, left = max(y - 2 * _WINDOW, 0), max(x - 2 * _WINDOW, 0)
    near = slice(top, y + 2 * _WINDOW), slice(left, x + 2 * _WINDOW)
    if _unlike(old[near], now[near], shift=1)[y - top, x - left] > _UNLIKE:  # one window decides
        return False
    return in_place[y, x] <= _UNLIKE or _unlike(old, now, shift=1).max() <= _UNLIKE


def _unlike(old, now, shift):
    """How unlike each window is to the most similar one within a shift, in pixels: 0 or more, shape (height, width)."""
    border = ((shift, shift), (shift, shift), (0, 0))
    seen, there = _variance(old) + _FAINT, np.pad(_variance(now), border, mode="edge")
    now = np.pad(now, border, mode="edge")
    height, width = old.shape[:2]
    unlike = np.inf
    for dy in range(2 * shift + 1):
        for dx in range(2 * shift + 1):
            place = slice(dy, dy + height), slice(dx, dx + width)
            difference = _mean_in_window((old - now[place]) ** 2) / (seen + there[place])
            unlike = np.minimum(unlike, difference.max(axis=2))
    return unlike


def _planes(image):
    """Brightness and two differences of colours, slightly blurred: float64 of shape (height, width, 3)."""
    red, green, blue = np.moveaxis(np.asarray(image.filter(_BLUR), dtype=np.float64) / 255, 2, 0)
    return np.stack([(red + green + blue) / 3, red - green, green - blue], axis=2)


def _variance(planes):
    return (_mean_in_window(planes**2) - _mean_in_window(planes) ** 2).clip(min=0)


def _mean_in_window(planes, size=_WINDOW):
    for axis in (0, 1):
        border = [(0, 0)] * 3
        border[axis] = (size // 2 + 1, size // 2)
        sums = np.moveaxis(np.pad(planes, border, mode="edge").cumsum(axis=axis), axis, 0)
        planes = np.moveaxis(sums[size:] - sums[:-size], 0, axis)
    return planes / size**2


def _unexplained(image, other):
    """What is in ``image`` and has no counterpart in ``other``."""
    border = ((0, 0), (_REACH, _REACH), (_REACH, _REACH))
    there = np.pad(_channels(other), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.stack([there[:, y : y + other.height, x : x + other.width] for y in range(3) for x in range(3)])
    low, high = (np.pad(extreme, border, mode="edge") for extreme in (around.min(axis=0), around.max(axis=0)))
    row = low.shape[2]
    low, high, colours = low.reshape(5, -1), high.reshape(5, -1), _channels(image).reshape(5, -1)
    y, x = np.divmod(np.arange(colours.shape[1]), image.width)
    places, cost = (y + _REACH) * row + x + _REACH, np.full(colours.shape[1], np.inf, np.float32)
    for way, steps in _ways().items():
        price = np.float32(255 * _PER_PIXEL * way)
        searching = np.flatnonzero(cost > price)
        if not searching.size:
            break
        place, colour, least = places[searching], colours[:, searching], cost[searching]
        for dy, dx in steps:
            there = place + (dy * row + dx)
            outside = np.maximum(low[:, there] - colour, colour - high[:, there])
            np.minimum(least, np.maximum.reduce(outside) + price, out=least)
        cost[searching] = np.maximum(least, price)
    off = Image.fromarray(cost.round().astype(np.uint8).reshape(image.height, image.width))
    return int(np.asarray(off.filter(ImageFilter.RankFilter(_TILE, _TILE * _TILE - _TOGETHER))).max()) / 255


def _channels(image):
    """Red, green, blue and two fifths of two differences, int16 (5, height, width): a colour is not between greys."""
    red, green, blue = np.moveaxis(np.asarray(image, dtype=np.int16), 2, 0)
    return np.stack([red, green, blue, (red - green) * 2 // 5, (green - blue) * 2 // 5])


def _displaced(recorded, new):
    """How much the mean colour of a window differs: ink that has become more or less, wherever its like may be."""
    old, now = (np.asarray(image, dtype=np.float64) / 255 for image in (recorded, new))
    return float(np.abs(_mean_in_window(old - now, _INK)).max())


@functools.lru_cache(maxsize=1)
def _ways():
    """Way in pixels -> (dy, dx) of the places to look at, the nearest first: all within 4, then 3x3 beside 3x3."""
    reach = range(-_REACH, _REACH + 1)
    ways: dict[int, list[tuple[int, int]]] = {way: [] for way in range(_REACH + 1)}
    for dy in reach:
        for dx in reach:
            way = max(abs(dy), abs(dx))
            if way <= 4 or dy % 3 == dx % 3 == 0:
                ways[way].append((dy, dx))
    ways[1] = []  # the 3x3 around the place itself
    return {way: steps for way, steps in ways.items() if steps}
