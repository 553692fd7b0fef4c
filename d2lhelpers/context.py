"""Where to compute: a GPU that works, else the CPU; chosen silently, forced by a variable, explained on request."""

from __future__ import annotations

import os
import re

import mxnet as mx

from .compat import quiet

__all__ = ["context_of", "explain_context", "move_to", "try_all_gpus", "try_gpu"]

_VARIABLE = "D2LHELPERS_DEVICE"


def _forced() -> tuple[str, int | None] | None:
    """What the user forces: ``("cpu", None)``, ``("gpu", None)`` for any index, ``("gpu", 1)``; None for no wish."""
    text = os.environ.get(_VARIABLE, "").strip().lower()
    if not text:
        return None
    match = re.fullmatch(r"(cpu)|gpu(?::(\d+))?", text)
    if match is None:
        raise ValueError(f"{_VARIABLE} must be cpu, gpu or gpu:N, not {text!r}: correct it or unset it.")
    if match[1]:
        return "cpu", None
    return "gpu", None if match[2] is None else int(match[2])


def _gpu_computes(i: int) -> bool:
    """Whether GPU number ``i`` is seen by MXNet and gets a sum right."""
    if i >= mx.context.num_gpus():
        return False
    with quiet():
        try:
            return float((mx.nd.ones((1,), ctx=mx.gpu(i)) + 1).asscalar()) == 2.0
        except mx.MXNetError:
            return False


def _why_not(i: int) -> str:
    if not mx.runtime.Features().is_enabled("CUDA"):
        return "this MXNet is a CPU build (a CUDA build is the wheel mxnet-cu112 or mxnet-cu117)"
    count = mx.context.num_gpus()
    if i >= count:
        return f"MXNet sees {count} GPU{'' if count == 1 else 's'}, so there is no gpu({i})"
    return f"gpu({i}) is there, but a first computation on it failed"


def _choose(i: int) -> tuple[mx.Context, str]:
    if i < 0:
        raise ValueError(f"a GPU's number is 0 or more, not {i}: give 0 for the first.")
    forced = _forced()
    if forced is not None and forced[0] == "cpu":
        return mx.cpu(), f"cpu(0): forced by {_VARIABLE}=cpu"
    if forced is not None:
        i = i if forced[1] is None else forced[1]
        if not _gpu_computes(i):
            raise RuntimeError(
                f"{_VARIABLE}={os.environ[_VARIABLE]} forces gpu({i}), but {_why_not(i)}: unset it or set it to cpu."
            )
        return mx.gpu(i), f"gpu({i}): forced by {_VARIABLE}={os.environ[_VARIABLE]}"
    if _gpu_computes(i):
        return mx.gpu(i), f"gpu({i}): MXNet sees it and a first computation on it was right"
    return mx.cpu(), f"cpu(0): {_why_not(i)}"


def try_gpu(i: int = 0) -> mx.Context:
    """The GPU number ``i`` if it works, else the CPU.

    Args:
        i: which GPU, counted from 0.

    Returns:
        ``mx.gpu(i)`` if MXNet sees it and computes on it, else ``mx.cpu()``. The environment variable
        ``D2LHELPERS_DEVICE`` (``cpu``, ``gpu``, ``gpu:1``) forces the answer.

    Raises:
        RuntimeError: a GPU is forced and does not work.
        ValueError: ``i`` is negative, or the variable holds something else.

    Source: the function of this name in d2l (https://d2l.ai/chapter_builders-guide/use-gpu.html), which does not try.
    """
    return _choose(i)[0]


def try_all_gpus() -> list[mx.Context]:
    """Every GPU that works, else the CPU: never an empty list.

    Returns:
        contexts in the order of their numbers; ``[mx.cpu()]`` where no GPU works or ``D2LHELPERS_DEVICE=cpu``; the one
        GPU that ``D2LHELPERS_DEVICE=gpu:N`` forces.

    Raises:
        RuntimeError: a GPU is forced and does not work.
        ValueError: ``D2LHELPERS_DEVICE`` holds something else.
    """
    forced = _forced()
    if forced is None or forced == ("gpu", None):
        gpus = [mx.gpu(i) for i in range(mx.context.num_gpus()) if _gpu_computes(i)]
        if gpus:
            return gpus
    return [try_gpu()]


def explain_context(i: int = 0) -> str:
    """Why ``try_gpu(i)`` chooses what it chooses.

    Args:
        i: which GPU, counted from 0.

    Returns:
        one sentence that begins with the context, for example ``cpu(0): this MXNet is a CPU build ...``.

    Raises:
        RuntimeError: a GPU is forced and does not work.
        ValueError: ``i`` is negative, or ``D2LHELPERS_DEVICE`` holds something else.
    """
    return _choose(i)[1]


def context_of(net) -> mx.Context | None:
    """Where the parameters of ``net`` are.

    Args:
        net: a Gluon block, initialised (also if shapes are still unknown), or any callable.

    Returns:
        the context of its first parameter; None for a callable or a block without parameters.

    Raises:
        RuntimeError: the block's parameters are not initialised.
    """
    for parameter in net.collect_params().values() if isinstance(net, mx.gluon.Block) else ():
        try:
            return parameter.list_ctx()[0]
        except RuntimeError:
            raise RuntimeError(
                f"the parameter {parameter.name} is not initialised: call net.initialize(ctx=try_gpu()) first."
            ) from None
    return None


def move_to(context: mx.Context | None, *arrays):
    """The arrays on a context; those that are there already are not copied.

    Args:
        context: where to; None leaves every array where it is.
        arrays: MXNet arrays (``mx.nd`` or ``mx.np``).

    Returns:
        a list of as many arrays.

    Raises:
        ValueError: one of them is no MXNet array, where there is a context to move it to.
    """
    if context is None:
        return list(arrays)
    for array in arrays:
        if not isinstance(array, mx.nd.NDArray):
            raise ValueError(f"expected MXNet arrays, got {type(array).__name__}: convert it with mx.nd.array.")
    return [a.as_in_ctx(context) if isinstance(a, mx.np.ndarray) else a.as_in_context(context) for a in arrays]
