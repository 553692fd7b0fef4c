"""The system libraries that MXNet's wheel needs and does not hold: which are missing, and how they are had.

`bootstrap.py` asks here before anything is installed, so only the standard library is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
from collections.abc import Collection
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["complaint", "cuda_complaint", "load_cuda", "put_beside"]

_GLIBC = (2, 28)  # the oldest for which every package of the lock has a wheel, on each Python

# Library -> the package that holds it: Debian's name, and the one that Fedora and Wolfi share.
_PACKAGES = {
    "libgomp.so.1": ("libgomp1", "libgomp"),
    "libstdc++.so.6": ("libstdc++6", "libstdc++"),
    "libgcc_s.so.1": ("libgcc-s1", "libgcc"),
    "libquadmath.so.0": ("libquadmath0", "libquadmath"),
}

_BROUGHT = ("libquadmath.so.0",)  # another wheel of the lock holds it

# What MXNet's GPU wheels load, each after what it needs itself -> NVIDIA's package that holds it.
_CUDA = {
    "libcudart.so.11.0": "nvidia-cuda-runtime-cu11",
    "libcublasLt.so.11": "nvidia-cublas-cu11",
    "libcublas.so.11": "nvidia-cublas-cu11",
    "libcudnn.so.8": "nvidia-cudnn-cu11<9",
    "libcufft.so.10": "nvidia-cufft-cu11",
    "libcurand.so.10": "nvidia-curand-cu11",
    "libcusparse.so.11": "nvidia-cusparse-cu11",
    "libcusolver.so.11": "nvidia-cusolver-cu11",
    "libnvrtc.so.11.2": "nvidia-cuda-nvrtc-cu11",
    "libnvToolsExt.so.1": "nvidia-nvtx-cu11",
    "libnccl.so.2": "nvidia-nccl-cu11",
}


def complaint() -> str | None:
    """Say what this system lacks to load MXNet's wheel, be it installed or not yet.

    Returns:
        a sentence that says what to do; None if nothing is missing.
    """
    found = _glibc()
    if found is None:
        return (
            "MXNet's wheel is built for the C library glibc, and this system has another (Alpine: musl), so it cannot "
            "be loaded: run this on a system with glibc, such as Debian, Ubuntu or Fedora, or in a container of one."
        )
    if tuple(map(int, found.split(".")[:2])) < _GLIBC:
        wanted = ".".join(map(str, _GLIBC))
        return (
            f"This system's C library is glibc {found}, and the packages need {wanted} or newer: run this on a newer "
            "system (Debian 10, Ubuntu 20.04, RHEL 8 or later), or in a container of one."
        )
    beside = _beside_mxnet()
    missing = [name for name in _PACKAGES if name not in beside and not _loads(name)]
    if not missing:
        return None
    debian, others = (" ".join(_PACKAGES[name][column] for name in missing) for column in (0, 1))
    return (
        f"MXNet needs {' and '.join(missing)}, missing on this system: as root, `apt update && apt install {debian}` "
        f"(Debian, Ubuntu), `dnf install {others}` (Fedora, RHEL) or `apk add {others}` (Wolfi)."
    )


def put_beside(site_packages: Path) -> None:
    """Give MXNet what this system lacks and another wheel holds: libmxnet.so looks beside itself first.

    Args:
        site_packages: where MXNet and the other packages are installed.
    """
    for name in _BROUGHT:
        held = sorted(site_packages.glob(f"*.libs/{name.partition('.')[0]}-*.so.*"))
        if held and not _loads(name):
            shutil.copyfile(held[0], site_packages / "mxnet" / name)


def load_cuda(site_packages: Path) -> None:
    """Load CUDA 11 from NVIDIA's packages, where MXNet is a GPU wheel and they are installed: libmxnet.so then has it.

    Args:
        site_packages: where MXNet is installed.
    """
    if not any(site_packages.glob("mxnet_cu*.dist-info")):
        return
    for name in _CUDA:
        for path in sorted(site_packages.glob(f"nvidia/*/lib/{name}")):
            with contextlib.suppress(OSError):  # loading MXNet then says what is missing
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def cuda_complaint(error: Exception) -> str | None:
    """Say what a GPU wheel of MXNet lacks, once loading it has failed.

    Args:
        error: what loading it raised.

    Returns:
        a sentence that says what to do; None if another thing was missing.
    """
    found = re.match(r"(lib\w+\.so[.\d]*): cannot open shared object file", str(error))
    if found and found[1] == "libcuda.so.1":
        return (
            "This MXNet is a GPU build and needs libcuda.so.1, which comes with NVIDIA's driver and is missing here: "
            "install the driver, or uninstall this MXNet and `pip install --no-deps mxnet==1.9.1`, the CPU build."
        )
    if found and found[1] in _CUDA:
        packages = " ".join(sorted(f"'{name}'" if "<" in name else name for name in set(_CUDA.values())))
        return (
            f"This MXNet is a GPU build and needs {found[1]} (CUDA 11 and cuDNN 8, whatever the driver's own CUDA is): "
            f"`pip install --no-deps {packages}`."
        )
    return None


def _beside_mxnet() -> Collection[str]:
    """The files beside libmxnet.so, where it looks first; if MXNet is yet to be installed, what will be put there."""
    spec = PathFinder.find_spec("mxnet")
    return os.listdir(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else _BROUGHT


def _glibc() -> str | None:
    """The version of glibc; None where the C library is another."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (AttributeError, OSError, ValueError):  # not there, or nothing in it
        return None
    return version if name == "glibc" else None


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
