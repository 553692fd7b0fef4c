"""Helpers of the Gluon CNN notebooks. Import this before MXNet: it makes MXNet 1.9.1 importable.

The public functions of the submodules are found here as well, and a submodule is imported when one of its names is
first used: ``import d2lhelpers`` alone costs nothing and needs neither MXNet nor NumPy.
"""

from __future__ import annotations

import importlib

from . import compat

__version__ = "0.1.0"

_EXPORTS = {
    "context": ["explain_context", "try_all_gpus", "try_gpu"],
    "convolution": ["corr2d"],
    "data": [
        "ArrayIterator",
        "fashion_mnist_labels",
        "load_data_cifar10",
        "load_data_fashion_mnist",
        "load_data_mnist",
        "synthetic_fashion_mnist",
    ],
    "metrics": ["accuracy", "accuracy_by_class", "confusion_matrix", "evaluate_accuracy"],
    "plotting": ["plot_confusion_matrix", "plot_curves", "show_filters", "show_images"],
    "seeding": ["seed_everything"],
    "sizes": ["output_size"],
    "training": ["History", "fit"],
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_MODULE_OF)

compat.install()


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'd2lhelpers' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
