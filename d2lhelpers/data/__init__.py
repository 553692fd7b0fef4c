"""What to learn from: verified data sets in memory, as minibatches or plain arrays.

Where ``$D2LHELPERS_DATA`` is set, only that folder is looked at; otherwise MXNet's own data folder, into which what is
missing is downloaded. Every file is checked against its SHA-256 when it is first used. Nothing here needs MXNet until a
batch is made.
"""

from __future__ import annotations

from .cifar10 import CIFAR10_CLASSES, cifar10_arrays, cifar10_labels, cifar10_source
from .download import ensure, fetch
from .errors import DataCorruptError, DataNotFoundError
from .iterators import ArrayIterator, load_data_cifar10, load_data_fashion_mnist, load_data_mnist
from .mnist import FASHION_MNIST_CLASSES, fashion_mnist_arrays, fashion_mnist_labels, mnist_arrays
from .registry import DATA_SETS
from .sources import Status, data_root, find, is_synthetic, status, verify
from .synthetic import synthetic_fashion_mnist

__all__ = [
    "CIFAR10_CLASSES",
    "DATA_SETS",
    "FASHION_MNIST_CLASSES",
    "ArrayIterator",
    "DataCorruptError",
    "DataNotFoundError",
    "Status",
    "cifar10_arrays",
    "cifar10_labels",
    "cifar10_source",
    "data_root",
    "ensure",
    "fashion_mnist_arrays",
    "fashion_mnist_labels",
    "fetch",
    "find",
    "is_synthetic",
    "load_data_cifar10",
    "load_data_fashion_mnist",
    "load_data_mnist",
    "mnist_arrays",
    "status",
    "synthetic_fashion_mnist",
    "verify",
]
