"""A network as one static graph: the same function of the same parameters, computed in less time."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn

__all__ = ["ConvolveAndPool", "as_one_graph"]

# Blocks are filled up if that makes at most so many channels of one.
_MOST_PADDING = 1.6
# Where Gluon keeps the layers and networks whose forward passes are known to be the same for each minibatch.
_TRACEABLE = ("mxnet.gluon.nn.", "mxnet.gluon.contrib.nn.", "mxnet.gluon.model_zoo.")
# A `HybridLambda` may hold any function. A `PReLU` in a graph writes its output over its input, and then computes the
# gradient of its slope from the one in place of the other.
_NEVER = (nn.HybridLambda, nn.PReLU)


class ConvolveAndPool(gluon.HybridBlock):
    """Convolution, ReLU, max pooling, once or several times over: the same parameters, outputs and gradients, sooner.

    Two things are done differently. The ReLU comes after the pooling, where there are fewer numbers: the larger of two
    numbers stays the larger, so neither outputs nor gradients change, to the bit. And the channels between the layers
    are filled up with zeros to whole blocks, the size that the processor's kernels work in; that changes the outputs by
    rounding only.
    """

    def __init__(self, pairs: Iterable[tuple[nn.HybridBlock, nn.HybridBlock]], block: int | None = None):
        """Take the layers; the parameters stay theirs.

        Args:
            pairs: (convolution, pooling) in order: for each pair `pools_after_relu` holds.
            block: channels are filled up to a multiple of it, where that is not much, and for 1 not at all; by default
                what this processor's kernels work in. The shapes of all parameters must be known for more than 1.

        Raises:
            ValueError: a pair for which `pools_after_relu` does not hold.
        """
        super().__init__(prefix="")
        pairs = list(pairs)
        for pair in pairs:
            if not self.pools_after_relu(*pair):
                raise ValueError("expected convolutions with a ReLU and max poolings, got {} and {}".format(*pair))
        self._block, self._options = _channels_at_once() if block is None else block, []
        for i, (convolution, pooling) in enumerate(pairs):
            self._options.append(convolution._kwargs)
            self.params.update(convolution.params)
            setattr(self, f"pooling{i}", pooling)
            setattr(self, f"weight{i}", convolution.weight)
            if convolution.bias is not None:
                setattr(self, f"bias{i}", convolution.bias)

    @staticmethod
    def pools_after_relu(convolution: nn.Block, pooling: nn.Block) -> bool:
        """Whether these are a ``Conv2D`` with a ReLU, not in groups, and a ``MaxPool2D``, of (N, C, H, W) arrays.

        A pooling with ``ceil_mode`` may have windows that hold nothing, for which the two orders differ.
        """
        return (
            type(convolution) is nn.Conv2D
            and type(pooling) is nn.MaxPool2D
            and convolution._kwargs["layout"] == pooling._kwargs["layout"] == "NCHW"
            and pooling._kwargs["pooling_convention"] == "valid"
            and convolution._kwargs["num_group"] == 1
            and convolution.act is not None
            and convolution.act._act_type == "relu"
        )

    def hybrid_forward(self, F: Any, x: Any, **parameters: Any) -> Any:
        """Map images of shape (N, C, H, W) to those of the last pooling."""
        filled = 0
        for i, options in enumerate(self._options):
            weight, bias = parameters[f"weight{i}"], parameters.get(f"bias{i}")
            parameter = getattr(self, f"weight{i}")
            zeros = functools.partial(F.zeros, dtype=parameter.dtype)
            channels, inputs, *kernel = parameter.shape
            if filled:
                weight = F.concat(weight, zeros((channels, filled, *kernel)), dim=1)
            inputs, filled = inputs + filled, _missing(channels, self._block)
            if filled:
                weight = F.concat(weight, zeros((filled, inputs, *kernel)), dim=0)
                bias = None if bias is None else F.concat(bias, zeros((filled,)), dim=0)
            arrays = (weight,) if bias is None else (weight, bias)
            x = F.Convolution(x, *arrays, **{**options, "num_filter": channels + filled})
            x = F.Activation(getattr(self, f"pooling{i}")(x), act_type="relu")
        return F.slice_axis(x, axis=1, begin=0, end=channels) if filled else x


def _missing(channels: int, block: int) -> int:
    extra = -channels % block
    return extra if channels + extra <= _MOST_PADDING * channels else 0


@functools.cache
def _channels_at_once(cpuinfo: str = "/proc/cpuinfo") -> int:
    """In blocks of how many channels oneDNN's kernels work: by the processor, and by the limit set for oneDNN."""
    limit = os.environ.get("DNNL_MAX_CPU_ISA", "ALL").upper()
    flags: list[str] = []
    with contextlib.suppress(OSError):
        text = Path(cpuinfo).read_text(encoding="utf-8", errors="replace")
        flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    if "avx512f" in flags and limit.startswith(("ALL", "AVX512")):
        return 16
    return 8 if "avx2" in flags and limit.startswith(("ALL", "AVX512", "AVX2")) else 1


@contextlib.contextmanager
def as_one_graph(net: nn.Block) -> Iterator[Callable[[mx.nd.NDArray], mx.nd.NDArray]]:
    """``net`` as one static graph over the same parameters, where that is safe; the block itself stays as it was.

    Args:
        net: a Gluon block. One of Gluon's own hybrid layers (``gluon.nn``, ``gluon.contrib.nn``), a network of the
            model zoo, or an ``nn.Sequential`` or ``nn.HybridSequential`` of these becomes a graph. Anything else is
            given back as it is: a block with a forward pass of its own (a subclass, a ``Lambda``, a method put on the
            block itself) may decide in Python what it does, which a graph would do once and for all. So is one with
            hooks, which a graph would not call, one of which a part is hybridised already, an ``nn.Sequential`` inside
            another block, and one that holds an ``nn.PReLU``, whose gradient MXNet gets wrong in a graph.

    Yields:
        a callable: a minibatch to the network's output.
    """
    row = type(net) in (nn.Sequential, nn.HybridSequential)
    layers = list(net) if row else [net]
    if not all(_is_traceable(layer) for layer in layers) or _hooks(net) or _has_methods_of_its_own(net):
        yield net
        return
    try:
        yield _Graph(layers)
    finally:
        for layer in layers:
            layer.hybridize(False)


def _blocks(net: nn.Block) -> list[nn.Block]:
    """The block, and all that are in it."""
    blocks: list[nn.Block] = []
    net.apply(blocks.append)
    return blocks


def _is_traceable(layer: nn.Block) -> bool:
    return all(
        isinstance(block, gluon.HybridBlock)
        and type(block).__module__.startswith(_TRACEABLE)
        and type(block) not in _NEVER
        and not block._active
        and not _has_methods_of_its_own(block)
        for block in _blocks(layer)
    )


def _has_methods_of_its_own(block: nn.Block) -> bool:
    """Whether something on the block itself hides a method of its class."""
    return any(callable(getattr(type(block), name, None)) for name in vars(block))


def _hooks(net: nn.Block) -> list[Any]:
    return [hook for block in _blocks(net) for hook in (*block._forward_hooks, *block._forward_pre_hooks)]


class _Graph:
    """Layers in a row as one hybridised graph, built when the first minibatch tells all shapes."""

    def __init__(self, layers: list[nn.HybridBlock]):
        self._layers = layers
        self._graph: nn.HybridBlock | None = None

    def __call__(self, X: mx.nd.NDArray) -> mx.nd.NDArray:
        if self._graph is None:
            if self._draws_between_first_values():
                return functools.reduce(lambda output, layer: layer(output), self._layers, X)
            _infer_shapes(self._layers, X)
            self._graph = _row(_merged(self._layers))
            self._graph.hybridize(static_alloc=True, static_shape=True)
        return self._graph(X)

    def _draws_between_first_values(self) -> bool:
        """Whether a dropout draws random numbers before all parameters have theirs: then order matters."""
        blocks = [block for layer in self._layers for block in _blocks(layer)]
        return any(isinstance(block, nn.Dropout) for block in blocks) and bool(_deferred(self._layers))


def _row(layers: Iterable[nn.HybridBlock]) -> nn.HybridSequential:
    row = nn.HybridSequential(prefix="")
    row.add(*layers)
    return row


def _deferred(layers: Iterable[nn.HybridBlock]) -> list[gluon.Parameter]:
    """The parameters whose shape is known only when data come."""
    parameters = _row(layers).collect_params().values()
    unknown = (0, -1)  # the latter under ``npx.set_np``
    return [p for p in parameters if p.shape is None or any(size in unknown for size in p.shape)]


def _infer_shapes(layers: list[nn.HybridBlock], X: mx.nd.NDArray) -> None:
    """Give the parameters the shapes and first values that the first forward pass would have given them."""
    if _deferred(layers):
        plain = _row(layers)
        plain._deferred_infer_shape(X)
        for parameter in plain.collect_params().values():
            parameter._finish_deferred_init()


def _merged(layers: list[nn.HybridBlock]) -> list[nn.HybridBlock]:
    """The layers, each run of convolutions with poolings as one block; as they are under ``npx.set_np``."""
    if mx.util.is_np_array():  # the operators of `ConvolveAndPool` do not take NumPy's arrays
        return layers
    merged: list[nn.HybridBlock] = []
    pairs: list[tuple[nn.HybridBlock, nn.HybridBlock]] = []
    rest = list(layers)
    while rest:
        if len(rest) > 1 and ConvolveAndPool.pools_after_relu(*rest[:2]):
            pairs.append((rest[0], rest[1]))
            rest = rest[2:]
            continue
        if pairs:
            merged.append(ConvolveAndPool(pairs))
            pairs = []
        merged.append(rest.pop(0))
    return [*merged, ConvolveAndPool(pairs)] if pairs else merged
