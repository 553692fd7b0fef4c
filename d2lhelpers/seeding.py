"""One seed for everything that is random here."""

from __future__ import annotations

import random

import mxnet as mx
import numpy as np

from .checks import whole

__all__ = ["seed_everything"]


def seed_everything(seed: int) -> None:
    """Seed Python's ``random``, NumPy's global generator (it shuffles the batches) and MXNet on every device.

    With the number of OpenMP threads fixed, a training run on a CPU repeats to the bit after this. Initial weights do
    not depend on the number of threads, on Python or on NumPy, except those of ``init.Orthogonal``.

    >>> seed_everything(0)
    >>> first = np.random.permutation(10)
    >>> seed_everything(0)
    >>> (np.random.permutation(10) == first).all().item()
    True

    Args:
        seed: an integer from 0 to 2**31 - 1.

    Raises:
        ValueError: the seed is something else.
    """
    seed = whole(seed, "seed", 0, most=2**31 - 1)
    random.seed(seed)
    np.random.seed(seed)
    mx.random.seed(seed)
