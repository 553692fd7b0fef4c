"""Networks that a notebook and a script both train, and the count of what they train."""

from __future__ import annotations

import math

from mxnet.gluon import nn

from .checks import flag, shown

__all__ = ["cifar10_net", "lenet", "num_parameters"]


def cifar10_net(batch_norm: bool = False) -> nn.HybridSequential:
    """Two convolutions and two dense layers for CIFAR-10; the sizes run 32, 28, 14, 12, 6.

    Args:
        batch_norm: Whether each layer but the last normalises its output before the ReLU (Ioffe and Szegedy, "Batch
            Normalization", arXiv 1502.03167): 77,074 trained parameters instead of 76,922.

    Returns:
        the network, not initialised: images of shape (N, 3, 32, 32) to logits of shape (N, 10).

    Raises:
        ValueError: ``batch_norm`` is neither True nor False.
    """
    batch_norm = flag(batch_norm, "batch_norm")

    def with_relu(kind: type[nn.HybridBlock], units: int, **options: int) -> list[nn.HybridBlock]:
        if not batch_norm:
            return [kind(units, activation="relu", **options)]
        # The normalisation subtracts every constant and adds a shift of its own: a bias would do nothing.
        return [kind(units, use_bias=False, **options), nn.BatchNorm(), nn.Activation("relu")]

    net = nn.HybridSequential()
    net.add(*with_relu(nn.Conv2D, 8, kernel_size=5), nn.MaxPool2D(2))
    net.add(*with_relu(nn.Conv2D, 16, kernel_size=3), nn.MaxPool2D(2))
    net.add(nn.Flatten(), *with_relu(nn.Dense, 128), nn.Dense(10))
    return net


def lenet(pool: type[nn.HybridBlock] = nn.MaxPool2D) -> nn.Sequential:
    """Build the MXNet tutorial's LeNet for 28x28 images; the sizes run 28, 24, 12, 10, 5; 170,988 parameters.

    Args:
        pool: The pooling layer's class.

    Returns:
        the network, not initialised: images of shape (N, 1, 28, 28) to logits of shape (N, 10).

    Raises:
        ValueError: ``pool`` is no class of layers.
    """
    if not isinstance(pool, type) or not issubclass(pool, nn.Block):
        raise ValueError(f"pool must be a class of layers, not {shown(pool)}: give for example nn.AvgPool2D.")
    net = nn.Sequential()
    with net.name_scope():
        net.add(nn.Conv2D(channels=20, kernel_size=5, activation="relu"))
        net.add(pool(pool_size=2, strides=2))
        net.add(nn.Conv2D(channels=50, kernel_size=3, activation="relu"))
        net.add(pool(pool_size=2, strides=2))
        net.add(nn.Flatten())
        net.add(nn.Dense(128, activation="relu"))
        net.add(nn.Dense(10))
    return net


def num_parameters(net: nn.Block) -> int:
    """Count the numbers that training changes (a normalisation's running mean and variance are not among them).

    >>> net = lenet()
    >>> net.initialize()
    >>> net(mx.nd.zeros((1, 1, 28, 28))).shape
    (1, 10)
    >>> num_parameters(net)
    170988

    Args:
        net: A Gluon block that has been run once, so that every shape is known.

    Returns:
        the number of trained parameters.

    Raises:
        ValueError: A shape is not known yet, or ``net`` is no Gluon block.
    """
    if not isinstance(net, nn.Block):
        raise ValueError(f"net must be a Gluon block, not {shown(net)}: give the network.")
    trained = [parameter for parameter in net.collect_params().values() if parameter.grad_req != "null"]
    for parameter in trained:
        if parameter.shape is None or any(size <= 0 for size in parameter.shape):
            raise ValueError(
                f"expected a network whose shapes are known, but {parameter.name} has shape {parameter.shape}: "
                "initialise the network and run it on one minibatch."
            )
    return sum(math.prod(parameter.shape) for parameter in trained)
