from __future__ import annotations

from d2lhelpers.data.registry import DATA_SETS

import pytest

from .tiny import Mirror, cifar_set, described, idx_set, regular, tar_bytes


@pytest.fixture(autouse=True)
def _no_root_of_the_user(request, monkeypatch, tmp_path):
    """No test finds the user's data, or downloads into the user's folder, unless it is marked as one on real data."""
    if request.node.get_closest_marker("data") is None:
        monkeypatch.delenv("D2LHELPERS_DATA", raising=False)
        monkeypatch.setenv("MXNET_HOME", str(tmp_path / "mxnet-home"))


@pytest.fixture
def fashion(monkeypatch):
    """A Fashion-MNIST of ten images: ``{name: bytes}``."""
    files, _ = idx_set(1)
    monkeypatch.setitem(DATA_SETS, "fashion-mnist", described("fashion-mnist", files))
    return files


@pytest.fixture
def mnist(monkeypatch):
    """An MNIST of ten images: ``{name: bytes}``."""
    files, _ = idx_set(2)
    monkeypatch.setitem(DATA_SETS, "mnist", described("mnist", files))
    return files


@pytest.fixture
def cifar(monkeypatch):
    """A CIFAR-10 of 18 images: ``{name: bytes}``; its archive is the registry's too."""
    files = cifar_set()
    archive = tar_bytes([regular(f"cifar-10-batches-bin/{name}", data) for name, data in files.items()])
    monkeypatch.setitem(DATA_SETS, "cifar10", described("cifar10", files, archive))
    return files


@pytest.fixture
def mirror():
    server = Mirror()
    yield server
    server.close()
