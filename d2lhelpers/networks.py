"""Networks that a notebook and a script both train, and the count of what they train."""

from __future__ import annotations

import math

from mxnet.gluon import nn

__all__ = ["cifar10_net", "lenet", "num_parameters"]


def cifar10_net(batch_norm: bool = False) -> nn.HybridSequential:
    """Two convolutions and two dense layers for CIFAR-10; the sizes run 32, 28, 14, 12, 6.

    Args:
        batch_norm: Whether each layer but the last normalises its output before the ReLU (Ioffe and Szegedy, "Batch
            Normalization", arXiv 1502.03167): 77,074 trained parameters instead of 76,922.

    Returns:
        the network, not initialised: images of shape (N, 3, 32, 32) to logits of shape (N, 10).
    """

    def with_relu(kind, units, **options):
        if not batch_norm:
            return [kind(units, activation="relu", **options)]
        # The normalisation subtracts every constant and adds a shift of its own: a bias would do nothing.
        return [kind(units, use_bias=False, **options), nn.BatchNorm(), nn.Activation("relu")]

    net = nn.HybridSequential()
    net.add(*with_relu(nn.Conv2D, 8, kernel_size=5), nn.MaxPool2D(2))
    net.add(*with_relu(nn.Conv2D, 16, kernel_size=3), nn.MaxPool2D(2))
    net.add(nn.Flatten(), *with_relu(nn.Dense, 128), nn.Dense(10))
    return net


def lenet(pool=nn.MaxPool2D) -> nn.Sequential:
    """Build the MXNet tutorial's LeNet for 28x28 images; the sizes run 28, 24, 12, 10, 5; 170,988 parameters.

    Args:
        pool: The pooling layer's class.

    Returns:
        the network, not initialised: images of shape (N, 1, 28, 28) to logits of shape (N, 10).
    """
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


def num_parameters(net) -> int:
    """Count the numbers that training changes (a normalisation's running mean and variance are not among them).

    Args:
        net: A Gluon block that has been run once, so that every shape is known.

    Returns:
        the number of trained parameters.

    Raises:
        ValueError: A shape is not known yet.
    """
    trained = [parameter for parameter in net.collect_params().values() if parameter.grad_req != "null"]
    for parameter in trained:
        if parameter.shape is None or any(size <= 0 for size in parameter.shape):
            raise ValueError(
                f"expected a network whose shapes are known, but {parameter.name} has shape {parameter.shape}: "
                "initialise the network and run it on one minibatch."
            )
    return sum(math.prod(parameter.shape) for parameter in trained)
