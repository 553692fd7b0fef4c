"""Where to compute: a GPU that works, else the CPU; chosen silently, forced by a variable, explained on request."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import mxnet as mx

from .checks import shown, whole

__all__ = ["contexts_for", "contexts_of", "explain_context", "move_to", "try_all_gpus", "try_gpu"]

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
    """Whether GPU number ``i`` is seen by MXNet and gets a convolution right."""
    return i < mx.context.num_gpus() and _failure_on(i) is None


_TRIAL = """
import d2lhelpers, mxnet as mx
ones = mx.nd.ones((1, 1, 3, 3), ctx=mx.gpu({}))
print(mx.nd.Convolution(ones, ones, num_filter=1, kernel=(3, 3), no_bias=True).asscalar())
"""
_PATIENCE = 300  # seconds: CUDA's and cuDNN's libraries are read from disk


@functools.cache
def _failure_on(i: int) -> str | None:
    """What a convolution on GPU number ``i`` fails with; None if it is right.

    It is tried in a process of its own, because MXNet aborts the process where a GPU is too new for its wheel.
    """
    outside_a_launch = {name: value for name, value in os.environ.items() if not name.startswith("DMLC_")}
    variables = {**outside_a_launch, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _TRIAL.format(i)]
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return f"it had not ended after {_PATIENCE} seconds"
    if done.returncode == 0:
        return None if done.stdout == "9.0\n" else f"the answer {done.stdout.strip()} instead of 9.0"
    said = re.findall(r"Check failed: .*", done.stderr) or done.stderr.split("\n")[-2:-1]
    return said[0] if said else f"exit status {done.returncode}"


# MXNet's wheels hold code for 5.0, 6.0, 7.0, 8.0 and 8.6 (which runs up to 8.9), and no PTX to be compiled for others.
_OLDEST, _NEWEST = (5, 0), (8, 9)


def _capability(i: int) -> tuple[int, int]:
    """The compute capability of GPU number ``i``, of which MXNet has seen that it is there."""
    cuda, device, answers = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), (ctypes.c_int(), ctypes.c_int())
    cuda.cuInit(0)
    cuda.cuDeviceGet(ctypes.byref(device), i)
    for attribute, answer in zip((75, 76), answers):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
        cuda.cuDeviceGetAttribute(ctypes.byref(answer), attribute, device)
    return answers[0].value, answers[1].value


def _why_not(i: int) -> str:
    if not mx.runtime.Features().is_enabled("CUDA"):
        return "this MXNet is a CPU build (a CUDA build is the wheel mxnet-cu112 or mxnet-cu117)"
    count = mx.context.num_gpus()
    if i >= count:
        return f"MXNet sees {count} GPU{'' if count == 1 else 's'}, so there is no gpu({i})"
    why = f"a first computation on gpu({i}) failed: {_failure_on(i)}"
    capability = _capability(i)
    if _OLDEST <= capability <= _NEWEST:
        return why
    own, oldest, newest = ("{}.{}".format(*each) for each in (capability, _OLDEST, _NEWEST))
    return f"{why} (its compute capability is {own}, and MXNet's wheels are made for {oldest} to {newest})"


def _choose(i: int) -> tuple[mx.Context, str]:
    i = whole(i, "a GPU's number", 0)
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

    >>> mx.nd.ones(3, ctx=try_gpu()).sum().asscalar().item()
    3.0

    Args:
        i: which GPU, counted from 0.

    Returns:
        ``mx.gpu(i)`` if MXNet sees it and gets a convolution on it right, which is tried once, in a process of its own;
        else ``mx.cpu()``. The variable ``D2LHELPERS_DEVICE`` (``cpu``, ``gpu``, ``gpu:1``) forces the answer.

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


def contexts_of(net: Any) -> list[mx.Context]:
    """Where the parameters of ``net`` are.

    Args:
        net: a Gluon block, initialised (also if shapes are still unknown), or any callable.

    Returns:
        the contexts that hold all of its parameters, in the order in which ``initialize`` was given them; the first
        parameter's first one where no context holds all; an empty list for a callable or a block without parameters.

    Raises:
        RuntimeError: a parameter is not initialised.
    """
    contexts: list[mx.Context] | None = None
    first: list[mx.Context] = []
    for parameter in net.collect_params().values() if isinstance(net, mx.gluon.Block) else ():
        try:
            own = parameter.list_ctx()
        except RuntimeError:
            raise RuntimeError(
                f"the parameter {parameter.name} is not initialised: call net.initialize(ctx=try_gpu()) first."
            ) from None
        first = first or own[:1]
        contexts = own if contexts is None else [context for context in contexts if context in own]
    return contexts or first


def contexts_for(net: Any, context: mx.Context | Sequence[mx.Context] | None, name: str) -> list[mx.Context]:
    """Where to run ``net``: on the contexts that the caller names, else where its parameters are.

    Args:
        net: as in ``contexts_of``.
        context: an ``mx.Context``, several in a list or tuple, or None.
        name: the argument's name, for the sentence.

    Returns:
        contexts, all of them different; none where neither the caller nor the network says.

    Raises:
        ValueError: ``context`` is something else, names a GPU that MXNet does not see, or a context where the network
            is not.
        RuntimeError: a parameter is not initialised.
    """
    own = contexts_of(net)
    if context is None:
        return own
    contexts: list[Any] = list(context) if isinstance(context, (list, tuple)) else [context]
    right_kind = all(isinstance(each, mx.Context) for each in contexts)
    if not contexts or not right_kind or len(set(contexts)) < len(contexts):
        raise ValueError(
            f"{name} must be an mx.Context or a list of different ones, not {shown(context)}: give for example "
            "try_gpu() or [mx.cpu(0), mx.cpu(1)]."
        )
    for each in contexts:
        if each.device_type == "gpu" and each.device_id >= mx.context.num_gpus():
            raise ValueError(f"{name} names {each}, but {_why_not(each.device_id)}: give try_gpu().")
    if own and not set(contexts) <= set(own):
        raise ValueError(
            f"the network's parameters are on {own}, and {name} is {context}: leave {name} out, or move them with "
            f"net.collect_params().reset_ctx({context})."
        )
    return contexts


def move_to(context: mx.Context, *arrays: mx.nd.NDArray) -> list[mx.nd.NDArray]:
    """The arrays on a context; those that are there already are not copied.

    Args:
        context: where to.
        arrays: MXNet arrays (``mx.nd`` or ``mx.np``).

    Returns:
        a list of as many arrays.
    """
    return [a.as_in_ctx(context) if isinstance(a, mx.np.ndarray) else a.as_in_context(context) for a in arrays]
