"""Sizes of what a sliding window gives: arithmetic on whole numbers."""

from __future__ import annotations

from collections.abc import Iterable

from .checks import one_of, shown, whole

__all__ = ["output_size", "receptive_field"]


def output_size(n: int, k: int, stride: int = 1, padding: int = 0, dilation: int = 1, convention: str = "valid") -> int:
    """Size of a convolution's or a pooling's output along one axis.

    (n + 2 padding - dilation (k - 1) - 1) / stride + 1, the division rounded down ("valid": convolution, and pooling
    unless told otherwise) or up ("full": pooling with ``pooling_convention="full"``, in Gluon ``ceil_mode=True``).

    >>> output_size(28, 5)
    24
    >>> [output_size(8, 3, stride=2, padding=1, convention=way) for way in ("valid", "full")]
    [4, 5]

    Args:
        n: input size, at least 1.
        k: kernel size, at least 1.
        stride: step of the window, at least 1.
        padding: zeros on each side, at least 0.
        dilation: distance of neighbouring kernel weights, at least 1.
        convention: "valid" or "full".

    Returns:
        the size, at least 1.

    Raises:
        ValueError: an argument below its least value, a kernel larger than the padded input, an unknown convention.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv 1603.07285, relationship 15.
    """
    n, k, stride = whole(n, "n", 1), whole(k, "k", 1), whole(stride, "stride", 1)
    padding, dilation = whole(padding, "padding", 0), whole(dilation, "dilation", 1)
    one_of(convention, "convention", ("valid", "full"))
    span = dilation * (k - 1) + 1
    room = n + 2 * padding - span
    if room < 0:
        raise ValueError(
            f"A kernel that spans {span} does not fit into an input of {n} with padding {padding} on each side: "
            f"pad {padding - room // 2} or more, or take a smaller kernel."
        )
    return (room if convention == "valid" else room + stride - 1) // stride + 1


def receptive_field(layers: Iterable[tuple[int, ...]]) -> int:
    """How many input pixels one output pixel of a stack of layers spans along one axis, first to last one it sees.

    Each layer widens the field by dilation (kernel - 1), counted in its own input's pixels, and one of those is as many
    pixels of the image as the strides before it multiply to.

    >>> receptive_field([(3, 1), (3, 1)])  # two kernels of 3 see as far as one of 5
    5
    >>> receptive_field([(5, 1), (2, 2), (3, 1), (2, 2)])  # the LeNet's convolutions and poolings
    12

    Args:
        layers: convolutions and poolings, input side first, each as (kernel, stride) or (kernel, stride, dilation).

    Returns:
        the size of the field; 1 for no layers.

    Raises:
        ValueError: a layer is not two or three whole numbers of at least 1.

    Source: Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill, 2019
    (https://distill.pub/2019/computing-receptive-fields/), equation 2.
    """
    if not isinstance(layers, Iterable):
        raise ValueError(f"layers must be (kernel, stride) pairs, not {shown(layers)}: give a list of them.")
    field, step = 1, 1
    for layer in layers:
        if not isinstance(layer, (tuple, list)) or len(layer) not in (2, 3):
            raise ValueError(f"A layer must be (kernel, stride) or (kernel, stride, dilation), not {shown(layer)}.")
        kernel, stride = whole(layer[0], "kernel", 1), whole(layer[1], "stride", 1)
        dilation = whole(layer[2], "dilation", 1) if len(layer) == 3 else 1
        field += dilation * (kernel - 1) * step
        step *= stride
    return field
