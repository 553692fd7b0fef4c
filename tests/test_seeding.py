import random

from d2lhelpers.seeding import seed_everything

import mxnet as mx
import numpy as np
import pytest


def draw():
    return random.random(), np.random.rand(), mx.nd.random.uniform(shape=1).asscalar(), mx.random.randint(0, 2**30, 1)


def test_every_generator_starts_again_from_the_same_seed():
    seed_everything(3)
    first = draw()
    seed_everything(np.int64(3))
    assert draw() == first
    seed_everything(4)
    assert all(a != b for a, b in zip(draw(), first))


@pytest.mark.parametrize("seed", [-1, 2**31, 1.0, True, "0", None])
def test_other_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to 2147483647, not"):
        seed_everything(seed)
