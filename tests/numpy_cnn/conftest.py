import d2lhelpers  # noqa: F401  (makes MXNet importable)

import mxnet as mx
import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def frozen(rng):
    """Draws an array that cannot be written to: whoever tries to change an argument fails."""

    def draw(*shape, dtype=np.float64):
        x = rng.normal(size=shape).astype(dtype)
        x.flags.writeable = False
        return x

    return draw


@pytest.fixture(scope="session")
def autograd():
    """MXNet's answer: `autograd(f, dout, *arrays)` gives f's output and its gradients by the arrays, in NumPy."""

    def run(f, dout, *arrays):
        arrays = [mx.nd.array(a, dtype=a.dtype) for a in arrays]
        for a in arrays:
            a.attach_grad()
        with mx.autograd.record():
            out = f(*arrays)
        out.backward(None if dout is None else mx.nd.array(dout, dtype=dout.dtype))
        return out.asnumpy(), [a.grad.asnumpy() for a in arrays]

    return run
