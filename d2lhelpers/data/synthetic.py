"""Drawn garments: a stand-in for Fashion-MNIST where no real data can be had.

Each image is drawn from a few soft-edged shapes whose measures are random, so that garments of one class differ as real
ones do and some of two classes look alike (a shirt with short sleeves and a T-shirt). Shapes are fields: a number for
each pixel, positive inside, roughly the distance to the edge; the maximum of two fields is the union, the minimum the
intersection. Coordinates run from -1 to 1, x to the right and y downwards.
"""

from __future__ import annotations

import numpy as np

from ..checks import whole

__all__ = ["synthetic_fashion_mnist"]

_SIDE = 28


def synthetic_fashion_mnist(
    num_train: int, num_test: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw garments of the ten classes of Fashion-MNIST.

    They are no real data, and results on them compare with nothing. NumPy's global generator is neither used nor
    changed. The test images do not depend on ``num_train``.

    Args:
        num_train: Number of training images, at least 1; classes are as equally frequent as can be, in random order.
        num_test: Number of test images, likewise.
        seed: Any integer of at least 0; the same seed gives the same images.

    Returns:
        ``(X_train, y_train, X_test, y_test)``: X of shape (N, 1, 28, 28), float32 in [0, 1], background 0; y of shape
        (N,), int32, in 0…9, named by ``fashion_mnist_labels``.

    Raises:
        ValueError: A count is below 1 or the seed below 0, or one is not an integer.
    """
    num_train, num_test = whole(num_train, "num_train", 1), whole(num_test, "num_test", 1)
    train, test = np.random.SeedSequence(whole(seed, "seed", 0)).spawn(2)
    return (*_draw(num_train, np.random.default_rng(train)), *_draw(num_test, np.random.default_rng(test)))


def _draw(count, rng):
    y = rng.permutation(np.arange(count) % len(_GARMENTS)).astype(np.int32)
    X = np.empty((count, 1, _SIDE, _SIDE), np.float32)
    for label, garment in enumerate(_GARMENTS):
        rows = np.flatnonzero(y == label)
        # In parts, so that 60,000 images need no more memory than a few hundred.
        for start in range(0, len(rows), 500):
            part = rows[start : start + 500]
            X[part, 0] = _Canvas(len(part), rng).paint(garment)
    return X, y


class _Canvas:
    """Coordinates of the pixels of n images, each image turned, scaled and shifted a little, and shapes on them.

    A measure is a number, an array of shape (n, 1, 1) from ``pick``, or a field of shape (n, 28, 28).
    """

    def __init__(self, n, rng):
        self._n, self._rng = n, rng
        grid = ((np.arange(_SIDE, dtype=np.float32) + 0.5) * 2 / _SIDE - 1).astype(np.float32)
        x, y = grid[np.newaxis, np.newaxis, :], grid[np.newaxis, :, np.newaxis]
        x, y = x - self.pick(-0.08, 0.08), y - self.pick(-0.08, 0.08)
        turn = self.pick(-0.08, 0.08)
        cos, sin = np.cos(turn), np.sin(turn)
        self.x = (cos * x + sin * y) / self.pick(0.82, 1.0)
        self.y = (cos * y - sin * x) / self.pick(0.82, 1.0)

    def pick(self, low, high):
        """Return one random number an image, shape (n, 1, 1), evenly between low and high."""
        return self._rng.uniform(low, high, (self._n, 1, 1)).astype(np.float32)

    def chance(self, probability):
        """Return 1 for that share of the images, else 0, shape (n, 1, 1)."""
        return (self._rng.random((self._n, 1, 1)) < probability).astype(np.float32)

    def box(self, x, y, half_width, half_height):
        """Rectangle about (x, y); a half_width that is a field of y makes a trapezium or a waist."""
        return np.minimum(half_width - abs(self.x - x), half_height - abs(self.y - y))

    def ellipse(self, x, y, a, b):
        """Ellipse about (x, y) with half axes a and b."""
        return (1 - np.hypot((self.x - x) / a, (self.y - y) / b)) * np.minimum(a, b)

    def limb(self, x0, y0, x1, y1, half_width):
        """Bar with round ends from (x0, y0) to (x1, y1)."""
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((self.x - x0) * dx + (self.y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        return half_width - np.hypot(self.x - x0 - t * dx, self.y - y0 - t * dy)

    def limbs(self, x0, y0, x1, y1, half_width):
        """The same bar and its mirror image: sleeves, legs, straps."""
        return np.maximum(self.limb(x0, y0, x1, y1, half_width), self.limb(-x0, y0, -x1, y1, half_width))

    def paint(self, garment):
        """Draw one class, shape (n, 28, 28): cloth with shade, stripes and folds, and details, within the outline."""
        outline, details = garment(self)
        # On these the LeNet of notebook 05 learns from its seed, 5. At a learning rate of 0.5 about one seed in
        # four leaves it at 10 %, whatever the brightness, and on as many real images too.
        cloth = self.pick(0.28, 0.67) * (1 + self.pick(-0.15, 0.15) * self.x + self.pick(-0.15, 0.15) * self.y)
        across = self.chance(0.5)
        phase = (across * self.y + (1 - across) * self.x) * self.pick(8, 20) + self.pick(0, 6)
        cloth = cloth * (1 - self.chance(0.25) * self.pick(0.1, 0.45) * (np.sin(phase) > 0))
        cloth = cloth * (1 + self.pick(0, 0.12) * np.sin(self.pick(2, 7) * self.x + self.pick(2, 7) * self.y))
        for field, strength in details:
            cloth = cloth * (1 - strength * _ink(field))
        cloth = cloth + self._rng.normal(0, 0.04, cloth.shape).astype(np.float32)
        # Whole 255ths, as in a real file: so the last digit of a sine does not change the data.
        return np.rint(np.clip(cloth, 0.05, 1) * _ink(outline) * 255) / np.float32(255)


def _ink(field):
    """Turn a field into a share of covered pixel: 0 outside, 1 inside, the edge one pixel wide."""
    return np.clip(field * (_SIDE / 2) + 0.5, 0, 1)


def _union(*fields):
    return np.maximum.reduce(np.broadcast_arrays(*fields))


def _cut(field, *holes):
    return np.minimum.reduce(np.broadcast_arrays(field, *(-hole for hole in holes)))


def _top(c, sleeve_x, sleeve_y, sleeve_width, half_width, length):
    """Torso with two sleeves that end at (sleeve_x, sleeve_y)."""
    torso = c.box(0, (length - 0.8) / 2, half_width + c.pick(-0.05, 0.05) * c.y, (length + 0.8) / 2)
    shoulders = c.limbs(0.12, -0.72, 0.4, -0.62, 0.16)
    return _union(torso, shoulders, c.limbs(0.42, -0.6, sleeve_x, sleeve_y, sleeve_width))


def _neck(c, depth):
    return c.ellipse(0, -0.92, c.pick(0.17, 0.26), depth)


def _front(c, half_width=0.035):
    """The line down the middle where a garment opens."""
    return c.box(c.pick(-0.03, 0.03), 0.1, half_width, 0.95)


def _t_shirt(c):
    body = _top(c, c.pick(0.72, 0.9), c.pick(-0.35, -0.1), c.pick(0.15, 0.2), c.pick(0.4, 0.5), c.pick(0.7, 0.85))
    print_on_chest = c.ellipse(0, c.pick(-0.2, 0.1), c.pick(0.12, 0.25), c.pick(0.12, 0.25))
    return _cut(body, _neck(c, c.pick(0.2, 0.36))), [(print_on_chest, c.chance(0.4) * c.pick(-0.4, 0.6))]


def _trouser(c):
    waist, hem = c.pick(0.26, 0.36), c.pick(0.2, 0.36)
    legs = c.limbs(waist * 0.5, -0.6, hem, 0.84, c.pick(0.11, 0.17))
    hips = c.box(0, -0.7, waist, 0.22)
    gap = c.box(0, 0.55, 0.03 + c.pick(0.0, 0.06) * (c.y + 0.2), 0.75)
    return _cut(_union(legs, hips), gap), [(c.box(0, -0.84, 1, 0.04), c.pick(0.1, 0.5))]


def _pullover(c):
    body = _top(c, c.pick(0.6, 0.85), c.pick(0.45, 0.75), c.pick(0.13, 0.18), c.pick(0.38, 0.48), c.pick(0.7, 0.85))
    hem = c.box(0, 0.78, 1, 0.08)
    return _cut(body, _neck(c, c.pick(0.12, 0.24))), [(hem, c.pick(0, 0.5)), (_neck(c, 0.4), c.pick(0, 0.3))]


def _dress(c):
    waist, flare = c.pick(0.2, 0.28), c.pick(0.05, 0.4)
    skirt = waist + flare * np.clip(c.y + 0.1, 0, None)
    bodice = waist + c.pick(0.0, 0.1) * np.clip(-0.2 - c.y, 0, None)
    body = c.box(0, 0.02, np.where(c.y > -0.1, skirt, bodice), 0.88)
    # Three in ten have sleeves; the others a pair of straps that stay within the bodice.
    sleeved = c.chance(0.3)
    reach = 0.15 + sleeved * c.pick(0.2, 0.4)
    sleeves = c.limbs(0.14, -0.72, reach, -0.72 + sleeved * c.pick(0.25, 0.9), 0.1)
    return _cut(_union(body, sleeves), _neck(c, c.pick(0.2, 0.4))), [(c.box(0, -0.1, 1, 0.04), c.chance(0.4) * 0.5)]


def _coat(c):
    length = c.pick(0.82, 0.92)
    body = _top(c, c.pick(0.58, 0.8), c.pick(0.5, 0.8), c.pick(0.15, 0.2), c.pick(0.42, 0.54), length)
    lapels = c.limbs(0.22, -0.8, 0.03, -0.2, 0.05)
    pockets = c.limbs(0.2, 0.35, 0.32, 0.32, 0.04)
    return _cut(body, _neck(c, c.pick(0.16, 0.34))), [
        (_front(c), c.pick(0.4, 0.9)),
        (lapels, c.pick(0.2, 0.7)),
        (pockets, c.chance(0.6) * 0.6),
    ]


def _shirt(c):
    # From short to long sleeves: what makes shirts hard to tell from the other tops, here as in the real data.
    long = c.pick(0, 1)
    body = _top(
        c,
        c.pick(0.68, 0.85),
        -0.25 + 0.9 * long,
        c.pick(0.12, 0.17),
        c.pick(0.38, 0.48),
        c.pick(0.75, 0.9),
    )
    collar = c.limbs(0.2, -0.82, 0.05, -0.6, 0.07)
    dots = np.minimum(_front(c, 0.05), 0.05 - abs((c.y * 5) % 1 - 0.5) / 5)
    return _cut(body, _neck(c, c.pick(0.14, 0.26))), [(collar, c.pick(-0.4, -0.15)), (dots, c.pick(0.4, 0.9))]


def _sole(c, top, bottom):
    return c.box(0, (top + bottom) / 2, 0.92, (bottom - top) / 2)


def _sandal(c):
    heel = c.pick(0, 0.5)
    base = 0.5 - heel * np.clip(c.x + 0.1, 0, None)  # the sole rises towards the heel, on the right
    sole = np.minimum(c.pick(0.06, 0.1) - abs(c.y - base), 0.9 - abs(c.x))
    post = np.minimum(c.box(c.pick(0.7, 0.82), 0.3, 0.06, 0.32), c.y - base)
    ankle = c.limb(0.78, base * 0 + 0.2 - heel * 0.6, c.pick(0.25, 0.45), c.pick(-0.35, -0.1), c.pick(0.05, 0.08))
    toe = c.limb(-0.75, 0.42, c.pick(-0.45, -0.3), c.pick(0.0, 0.2), c.pick(0.05, 0.09))
    back = c.limb(c.pick(-0.35, -0.2), 0.05, c.pick(0.0, 0.2), 0.5, c.pick(0.05, 0.09))
    strap = c.limb(-0.4, 0.1, c.pick(0.2, 0.45), c.pick(-0.3, -0.1), c.pick(0.04, 0.08))
    return _union(sole, np.where(heel > 0.15, post, -1), ankle, toe, back, np.where(c.chance(0.6) > 0, strap, -1)), []


def _shoe(c, instep, heel_top):
    """Side view, toe to the left: the upper edge falls from heel_top at the ankle along the instep to the toe."""
    toe = c.pick(0.12, 0.25)
    slope = np.clip((c.x + instep) * c.pick(0.9, 1.4), 0, 1)
    upper = toe + (heel_top - toe) * slope
    body = np.minimum(np.minimum(c.y - upper, 0.55 - c.y), 0.88 - abs(c.x))
    round_toe = c.ellipse(-0.45, 0.5, 0.48, 0.5 - toe + 0.02)
    return np.where(c.x < -0.45, np.minimum(body, round_toe), body)


def _sneaker(c):
    body = _shoe(c, c.pick(0.35, 0.6), c.pick(-0.3, -0.05))
    opening = c.ellipse(0.45, -0.35, 0.3, c.pick(0.2, 0.35))
    sole = _sole(c, 0.42, c.pick(0.55, 0.64))
    laces = np.minimum(0.04 - abs((c.x * 6) % 1 - 0.5) / 6, 0.35 - np.hypot(c.x + 0.1, c.y))
    swoosh = c.limb(-0.2, 0.3, 0.6, c.pick(-0.05, 0.25), 0.06)
    details = [(sole, c.pick(-0.8, 0.4)), (laces, c.pick(0, 0.5)), (swoosh, c.chance(0.5) * c.pick(-0.6, 0.6))]
    return _union(_cut(body, opening), sole), details


def _bag(c):
    top, half_width = c.pick(-0.35, 0.0), c.pick(0.55, 0.88)
    body = c.box(0, (top + 0.75) / 2, half_width + c.pick(-0.15, 0.2) * c.y, (0.75 - top) / 2)
    reach, height = c.pick(0.25, 0.5), c.pick(0.25, 0.55)
    ring = c.pick(0.06, 0.12) - abs(c.ellipse(0, top, reach, height))
    handle = np.minimum(ring, top - c.y)
    flap = c.box(0, top + 0.3, 1, 0.03)
    clasp = c.ellipse(0, top + 0.3, 0.09, 0.09)
    return _union(body, handle), [(flap, c.chance(0.6) * c.pick(0.2, 0.7)), (clasp, c.chance(0.5) * c.pick(-0.5, 0.7))]


def _ankle_boot(c):
    body = _shoe(c, c.pick(0.2, 0.45), c.pick(-0.3, 0.0))
    shaft = c.box(c.pick(0.4, 0.5), -0.2, c.pick(0.32, 0.42), c.pick(0.55, 0.68))
    heel = c.box(0.66, 0.62, c.pick(0.12, 0.22), c.pick(0.1, 0.22))
    sole = _sole(c, 0.5, 0.6)
    zip_line = c.limb(c.pick(0.3, 0.6), -0.6, c.pick(0.3, 0.6), 0.3, 0.03)
    cuff = c.box(0, c.pick(-0.75, -0.6), 1, 0.06)
    details = [(sole, c.pick(-0.2, 0.6)), (zip_line, c.chance(0.5) * 0.5), (cuff, c.chance(0.4) * c.pick(-0.4, 0.5))]
    return _union(body, shaft, heel, sole), details


_GARMENTS = (_t_shirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _ankle_boot)
