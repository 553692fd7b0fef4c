"""One seed for everything that is random here."""

from __future__ import annotations

import random

import mxnet as mx
import numpy as np

__all__ = ["seed_everything"]


def seed_everything(seed: int) -> None:
    """Seed Python's ``random``, NumPy's global generator (it shuffles the batches) and MXNet on every device.

    With the number of OpenMP threads fixed, a training run on a CPU repeats to the bit after this. Initial weights do
    not depend on the number of threads, on Python or on NumPy, except those of ``init.Orthogonal``.

    Args:
        seed: an integer from 0 to 2**31 - 1.

    Raises:
        ValueError: the seed is something else.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**31:
        raise ValueError(f"a seed is an integer from 0 to 2**31 - 1, not {seed!r}: give one such as 0.")
    random.seed(int(seed))
    np.random.seed(int(seed))
    mx.random.seed(int(seed))
