"""Networks: layers one after the other, a loss at the end, parameters by name."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..checks import Size, number, pair, shown, whole
from ..sizes import output_size
from . import functional as F
from .gradient import numerical_gradient
from .layers import Affine, Convolution, Layer, MaxPooling, Relu, SoftmaxWithLoss

__all__ = ["Network", "SimpleConvNet"]


class Network:
    """Layers in a row, with softmax and cross-entropy at the end.

    Attributes:
        layers: the layers by name.
        params: the very arrays that the layers hold, by name: to change one in place is to change the network.
    """

    def __init__(self, layers: Mapping[str, Layer]):
        """Take the layers.

        Args:
            layers: the layers by name, in order. A parameter is called "layer.parameter", such as "conv.weight".

        Raises:
            ValueError: if it is no mapping of names to layers, or an empty one.
        """
        kinds = isinstance(layers, Mapping) and all(isinstance(layer, Layer) for layer in layers.values())
        if not kinds or not layers:
            raise ValueError(f"layers must be layers by name, not {shown(layers)}: give for example {{'relu': Relu()}}")
        self.layers = dict(layers)
        self.loss_layer = SoftmaxWithLoss()

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The parameters of all layers, by name."""
        return self._collect("params")

    def _collect(self, kind: str) -> dict[str, np.ndarray]:
        return {
            f"{name}.{key}": array for name, layer in self.layers.items() for key, array in getattr(layer, kind).items()
        }

    def forward(self, x: ArrayLike, train: bool = False) -> np.ndarray:
        """Return the scores before the softmax.

        Args:
            x: a minibatch in the shape that the first layer takes.
            train: whether a backward pass will follow.

        Returns:
            An array of shape (N, C).

        Raises:
            ValueError: if the minibatch is empty, holds NaN or infinity, or does not fit a layer.
        """
        x = F.as_float(x)
        if x.size == 0:
            raise ValueError(f"expected at least one sample, got shape {x.shape}")
        if not np.isfinite(x).all():
            raise ValueError("the input holds NaN or infinity: clean the data, one such pixel spoils every weight")
        for layer in self.layers.values():
            x = layer.forward(x, train)
        return x

    def predict(self, x: ArrayLike, batch_size: int = 500) -> np.ndarray:
        """Return the scores of any number of samples, a minibatch at a time to spare memory.

        Args:
            x: array of shape (N, …).
            batch_size: samples at a time, at least 1.

        Returns:
            Scores of shape (N, C).

        Raises:
            ValueError: if batch_size is no whole number of at least 1, or as for `forward`.
        """
        x = F.as_float(x)
        if x.ndim == 0:
            raise ValueError(f"expected samples of shape (N, …), got one number: give an array, not {x}")
        starts = range(0, max(len(x), 1), whole(batch_size, "batch_size", 1))
        return np.concatenate([self.forward(x[start : start + batch_size]) for start in starts])

    def loss(self, x: ArrayLike, t: ArrayLike, train: bool = False) -> float:
        """Return the mean loss of a minibatch.

        Args:
            x: a minibatch.
            t: class numbers of shape (N,) or one-hot rows of shape (N, C).
            train: whether a backward pass will follow.

        Returns:
            The loss as a Python float.
        """
        return self.loss_layer.forward(self.forward(x, train), t, train)

    def accuracy(self, x: ArrayLike, t: ArrayLike, batch_size: int = 500) -> float:
        """Return the fraction of *all* samples, the last partial minibatch too, whose largest score is at their label.

        Args:
            x: array of shape (N, …).
            t: class numbers of shape (N,) or one-hot rows of shape (N, C).
            batch_size: samples at a time, at least 1.

        Returns:
            A fraction in [0, 1].

        Raises:
            ValueError: if labels and samples do not fit, or as for `predict`.
        """
        scores = self.predict(x, batch_size)
        return float((scores.argmax(axis=1) == F.as_targets(scores, t).argmax(axis=1)).mean())

    def loss_and_gradient(self, x: ArrayLike, t: ArrayLike) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss of a minibatch and its gradient by every parameter, by back-propagation.

        Args:
            x: a minibatch.
            t: class numbers of shape (N,) or one-hot rows of shape (N, C).

        Returns:
            The loss, and an array for each of `params` by the same name.
        """
        loss = self.loss(x, t, train=True)
        dout = self.loss_layer.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        return loss, self._collect("grads")

    def gradient(self, x: ArrayLike, t: ArrayLike) -> dict[str, np.ndarray]:
        """Return the gradient of the loss by every parameter, by back-propagation; see `loss_and_gradient`."""
        return self.loss_and_gradient(x, t)[1]

    def numerical_gradient(self, x: ArrayLike, t: ArrayLike, h: float = 1e-4) -> dict[str, np.ndarray]:
        """Return the same gradient by central differences.

        That is two forward passes for *each* weight, so for tiny networks only. The passes run as in prediction:
        without Dropout and BatchNormalization that is the function which `gradient` differentiates.

        Args:
            x: a minibatch.
            t: its labels.
            h: half the distance between the two points.

        Returns:
            An array for each of `params` by the same name.
        """
        return {name: numerical_gradient(lambda _: self.loss(x, t), array, h) for name, array in self.params.items()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all parameters and running statistics to an `.npz` file: arrays only, nothing that could run code.

        Args:
            path: where to; NumPy adds `.npz` to a name without it.
        """
        arrays: dict[str, Any] = {**self.params, **self._collect("state")}
        np.savez(path, **arrays)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read what `save` wrote into this network's arrays, in place, each in its own dtype.

        Args:
            path: the `.npz` file.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is no such archive or a damaged one, lacks a name or has one too many, or an array
                has another shape or is not finite in the network's dtype. The network has not changed then.
        """
        own = {**self.params, **self._collect("state")}
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("not an .npz archive: load a file that save() wrote (a pickle could run code)")
            file.seek(0)
            try:
                with np.load(file, allow_pickle=False) as archive:
                    stored = {name: archive[name] for name in archive.files}
            except Exception as error:  # zipfile, zlib and NumPy raise whatever they stumble over in damaged bytes
                raise ValueError(
                    f"the archive cannot be read ({str(error).rstrip('.')}): load a whole file that save() wrote"
                ) from error
        if set(stored) != set(own):
            raise ValueError(
                f"the file holds {sorted(stored)}, the network {sorted(own)}: build the network that was saved"
            )
        for name, array in own.items():
            # A member of the archive that is no array comes as bytes.
            if not isinstance(stored[name], np.ndarray) or stored[name].dtype.kind != "f":
                raise ValueError(f"{name} in the file is not an array of finite floats: the file is damaged")
            if stored[name].shape != array.shape:
                raise ValueError(f"{name} has shape {stored[name].shape} in the file and {array.shape} in the network")
            with np.errstate(over="ignore"):
                stored[name] = stored[name].astype(array.dtype, copy=False)
            if not np.isfinite(stored[name]).all():
                raise ValueError(
                    f"{name} in the file is not an array of finite floats in {array.dtype}: the file is damaged, or "
                    "needs a network of a larger dtype"
                )
        for name, array in own.items():
            array[...] = stored[name]


class SimpleConvNet(Network):
    """Convolution – ReLU – max pooling 2x2 – dense – ReLU – dense – softmax.

    The weights are drawn from N(0, weight_std²), the biases are 0.
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        num_filters: int = 30,
        kernel: Size = 5,
        hidden: int = 100,
        num_classes: int = 10,
        weight_std: float = 0.01,
        seed: int | None = 0,
        dtype: DTypeLike = np.float32,
    ):
        """Draw the weights and build the layers.

        Args:
            input_shape: (C, H, W) of one image, each at least 1.
            num_filters: filters of the convolution, at least 1.
            kernel: size of the filters, a whole number or (rows, columns), at least 1.
            hidden: outputs of the first dense layer, at least 1.
            num_classes: outputs of the second, at least 1.
            weight_std: standard deviation of the initial weights, at least 0.
            seed: seed of the initial weights, at least 0; None for another network each time.
            dtype: floating-point dtype of the parameters, and so of every computation on inputs of that dtype.

        Raises:
            ValueError: if one of the numbers above is of another kind or too small, or the image is too small for the
                filters and the pooling.
        """
        rng = np.random.default_rng(None if seed is None else whole(seed, "seed", 0))
        dtype, weight_std = F.as_dtype(dtype), number(weight_std, "weight_std", least=0, example=0.01)
        if not isinstance(input_shape, (tuple, list, np.ndarray)) or len(input_shape) != 3:
            raise ValueError(
                f"input_shape must be (C, H, W) of one image, got {shown(input_shape)}: give three whole numbers"
            )
        channels, *size = (whole(n, "each number of input_shape", 1) for n in input_shape)
        kh, kw = pair(kernel, "kernel", 1)
        num_filters, hidden = whole(num_filters, "num_filters", 1), whole(hidden, "hidden", 1)
        num_classes = whole(num_classes, "num_classes", 1)
        pooled = [output_size(output_size(n, k), 2, stride=2) for n, k in zip(size, (kh, kw))]

        def weight_and_bias(*shape: int) -> tuple[np.ndarray, np.ndarray]:
            return rng.normal(0.0, weight_std, shape).astype(dtype), np.zeros(shape[0], dtype=dtype)

        super().__init__(
            {
                "conv": Convolution(*weight_and_bias(num_filters, channels, kh, kw)),
                "relu1": Relu(),
                "pool": MaxPooling(2),
                "affine1": Affine(*weight_and_bias(hidden, num_filters * math.prod(pooled))),
                "relu2": Relu(),
                "affine2": Affine(*weight_and_bias(num_classes, hidden)),
            }
        )
