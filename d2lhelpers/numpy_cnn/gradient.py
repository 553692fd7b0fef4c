"""Gradients by finite differences: slow, and so simple that they can judge every backward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import number, real_numbers, shown, whole
from .layers import Layer

__all__ = ["gradient_check", "layer_gradient_check", "numerical_gradient", "relative_error"]


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-4) -> np.ndarray:
    """Return the gradient of f at x by central differences, (f(x + h) - f(x - h)) / 2h for one element after the other.

    The error of the formula falls with h² and that of rounding grows with 1/h: h = 1e-4 leaves about 1e-8 in float64.
    In float32 only two or three digits are right, so check gradients in float64.

    >>> numerical_gradient(lambda x: float((x**2).sum()), np.array([1.0, -3.0])).round(6)
    array([ 2., -6.])

    Args:
        f: function of the array. It is called twice for each element.
        x: array of floats, of any shape. Its elements are changed one at a time *in place*, so `f` may also look at an
            array that it already holds, and each is put back, even if `f` raises.
        h: half the distance between the two points, above 0.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: if `x` is not an array of floats: whole numbers cannot be moved by 1e-4; or `f` is no function.
    """
    if not callable(f):
        raise ValueError(f"f must be a function of the array, not {shown(f)}: give for example lambda x: (x**2).sum()")
    h = number(h, "h", above=0, example=1e-4)
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(f"x must be a NumPy array of float64 (or float32), got {kind}: use x.astype('float64')")
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        value = x[index]
        try:
            x[index] = value + h
            above = f(x)
            x[index] = value - h
            below = f(x)
        finally:
            x[index] = value
        gradient[index] = (above - below) / (2 * h)
    return gradient


def relative_error(a: ArrayLike, b: ArrayLike) -> float:
    """Return ‖a - b‖ / max(‖a‖, ‖b‖): how far two arrays are apart, whatever their scale.

    >>> relative_error([3.0, 4.0], [3.0, 3.5])
    0.1

    Args:
        a: array of any shape.
        b: array of the same shape.

    Returns:
        A float: 0 for equal arrays (all zeros too), NaN if there is a NaN in either.

    Raises:
        ValueError: if the shapes differ.
    """
    a, b = real_numbers(a, "a").astype(np.float64), real_numbers(b, "b").astype(np.float64)
    if a.shape != b.shape:
        raise ValueError(f"can only compare arrays of the same shape, got {a.shape} and {b.shape}")
    distance = np.linalg.norm(a - b)
    return float(distance / max(np.linalg.norm(a), np.linalg.norm(b))) if distance != 0 else 0.0


def gradient_check(
    loss: Callable[[], float],
    arrays: Mapping[str, np.ndarray],
    gradients: Mapping[str, np.ndarray],
    h: float = 1e-4,
) -> dict[str, float]:
    """Compare gradients with numerical ones, parameter by parameter.

    Args:
        loss: computes the loss from the present values of `arrays`; takes no arguments.
        arrays: the parameters, float64 arrays by name.
        gradients: the gradients to judge, by the same names.
        h: as for `numerical_gradient`.

    Returns:
        The relative error by name. In float64 a right gradient stays below about 1e-7, unless the true one is 0: then
        two errors of rounding are compared, and the result says nothing. A wrong one is seldom below 1e-2.

    Raises:
        ValueError: if the names or the shapes do not fit, or an argument is of another kind.
    """
    for argument, name in ((arrays, "arrays"), (gradients, "gradients")):
        if not isinstance(argument, Mapping):
            raise ValueError(f"{name} must be arrays by name, not {shown(argument)}: give a dict")
    if set(arrays) != set(gradients):
        raise ValueError(
            f"gradients are given for {sorted(gradients)}, parameters for {sorted(arrays)}: give both alike"
        )
    return {
        name: relative_error(numerical_gradient(_without_argument(loss), array, h), gradients[name])
        for name, array in arrays.items()
    }


def _without_argument(loss: Callable[[], float]) -> Callable[[np.ndarray], float]:
    if not callable(loss):
        raise ValueError(f"loss must be a function without arguments, not {shown(loss)}: give for example lambda: 0.0")
    return lambda _: loss()


def layer_gradient_check(
    layer: Layer, x: np.ndarray, *labels: ArrayLike, h: float = 1e-4, seed: int = 0
) -> dict[str, float]:
    """Compare a layer's `backward` with numerical gradients of a random weighted sum of its outputs.

    Every pass runs on a copy of the layer, so a Dropout draws the same mask each time and the running statistics of a
    BatchNormalization stay as they are.

    Args:
        layer: a layer of this package, its parameters in float64.
        x: its input, float64.
        *labels: what else its `forward` takes (the labels of `SoftmaxWithLoss`).
        h: as for `numerical_gradient`.
        seed: seed of the random weights.

    Returns:
        The relative error by name: `x` for the input, then the layer's parameters.

    Raises:
        ValueError: if `layer` is none, or as for the layer's `forward` and for `numerical_gradient`.
    """
    if not isinstance(layer, Layer):
        raise ValueError(f"layer must be a Layer of this package, not {shown(layer)}: give for example Relu()")
    trained: Any = copy.deepcopy(layer)
    out = np.asarray(trained.forward(x, *labels))
    # At least 0.5 in size: a weight near zero would hide a mistake at its place.
    rng = np.random.default_rng(whole(seed, "seed", 0))
    weights = rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape)
    gradients = {"x": trained.backward(weights), **trained.grads}

    def loss() -> float:
        fresh: Any = copy.deepcopy(layer)
        return float(np.sum(weights * fresh.forward(x, *labels)))

    return gradient_check(loss, {"x": x, **layer.params}, gradients, h)
