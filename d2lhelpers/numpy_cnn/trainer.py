"""The training loop: epochs of shuffled minibatches, and what happened in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..checks import flag, real_numbers, shown, whole
from . import functional as F
from .network import Network
from .optimizers import Optimizer, create_optimizer

__all__ = ["Trainer", "TrainingHistory"]


@dataclass
class TrainingHistory:
    """What a training run recorded.

    Attributes:
        loss: the loss of each minibatch before its update, one number a step.
        train_accuracy: fraction in [0, 1] after each epoch.
        test_accuracy: fraction in [0, 1] after each epoch.
        final_test_accuracy: fraction of the whole test set at the end.
    """

    loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    final_test_accuracy: float | None = None


class Trainer:
    """Trains a network on arrays: each epoch draws a new order and sees every sample once."""

    def __init__(
        self,
        net: Network,
        X_train: ArrayLike,
        y_train: ArrayLike,
        X_test: ArrayLike,
        y_test: ArrayLike,
        num_epochs: int = 20,
        batch_size: int = 100,
        optimizer: str | Optimizer = "adam",
        optimizer_options: dict[str, float] | None = None,
        num_evaluate: int | None = None,
        seed: int | None = 0,
        print_epochs: bool = False,
    ):
        """Check the data and prepare the optimiser.

        Args:
            net: the network.
            X_train: training samples, of shape (N, …).
            y_train: their labels: class numbers of shape (N,) or one-hot rows.
            X_test: test samples, likewise.
            y_test: their labels.
            num_epochs: how often to see all training samples.
            batch_size: samples in a minibatch. The last one of an epoch may be smaller; its gradient is the mean over
                what it has.
            optimizer: the name of an optimiser (see `create_optimizer`) or an optimiser.
            optimizer_options: arguments for the named optimiser, such as `{"lr": 0.01}`.
            num_evaluate: how many samples, from the first, of either set the accuracy of an epoch looks at; all if not
                given.
            seed: seed of the order of the samples.
            print_epochs: whether to print a line for each epoch.

        Raises:
            ValueError: if there is no sample, a set has not as many labels as samples, a sample is not finite, a label
                is no whole number or below 0, or a number is too small.
        """
        if not isinstance(net, Network):
            raise ValueError(f"net must be a Network, not {shown(net)}: give for example SimpleConvNet()")
        self.net = net
        self.num_epochs = whole(num_epochs, "num_epochs", 1, example=20)
        self.batch_size = whole(batch_size, "batch_size", 1, example=100)
        self.num_evaluate = None if num_evaluate is None else whole(num_evaluate, "num_evaluate", 1, example=1000)
        self.rng = np.random.default_rng(None if seed is None else whole(seed, "seed", 0))
        self.print_epochs = flag(print_epochs, "print_epochs")
        self.train_set = _checked("training", X_train, y_train)
        self.test_set = _checked("test", X_test, y_test)
        if isinstance(optimizer, Optimizer):
            if optimizer_options:
                raise ValueError("optimizer_options are for an optimiser given by name: this one has its own already")
            self.optimizer = optimizer
        elif optimizer_options is not None and not isinstance(optimizer_options, dict):
            raise ValueError(f"optimizer_options must be a dict such as {{'lr': 0.01}}, not {shown(optimizer_options)}")
        else:
            self.optimizer = create_optimizer(optimizer, **(optimizer_options or {}))
        self.history = TrainingHistory()

    def train_step(self, x: ArrayLike, t: ArrayLike) -> float:
        """Make one update.

        Args:
            x: a minibatch.
            t: its labels.

        Returns:
            The loss before the update.

        Raises:
            FloatingPointError: if the loss is not finite: the training has diverged.
        """
        loss, grads = self.net.loss_and_gradient(x, t)
        if not math.isfinite(loss):
            step = len(self.history.loss)
            raise FloatingPointError(
                f"the loss is {loss} at step {step}: the training diverged, take a smaller learning rate"
            )
        self.optimizer.update(self.net.params, grads)
        self.history.loss.append(loss)
        return loss

    def train(self) -> TrainingHistory:
        """Run all epochs.

        Returns:
            The history; a second call trains on and adds to it.
        """
        X, y = self.train_set
        steps = math.ceil(len(X) / self.batch_size)
        for _ in range(self.num_epochs):
            order = self.rng.permutation(len(X))
            for batch in np.array_split(order, range(self.batch_size, len(X), self.batch_size)):
                self.train_step(X[batch], y[batch])
            self._end_epoch(steps)
        self.history.final_test_accuracy = self.net.accuracy(*self.test_set)
        return self.history

    def _end_epoch(self, steps: int) -> None:
        history = self.history
        for accuracies, (X, y) in ((history.train_accuracy, self.train_set), (history.test_accuracy, self.test_set)):
            accuracies.append(self.net.accuracy(X[: self.num_evaluate], y[: self.num_evaluate]))
        if self.print_epochs:
            print(
                f"Epoch {len(history.train_accuracy) - 1}. Loss : {np.mean(history.loss[-steps:]):f}, "
                f"Train acc : {history.train_accuracy[-1]:f}, Test acc : {history.test_accuracy[-1]:f}"
            )


def _checked(name: str, X: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return samples and labels as arrays, or say what is wrong before an hour of training does."""
    X, y = F.as_float(X), real_numbers(y, f"{name} labels")
    if X.ndim == 0 or y.ndim == 0:
        raise ValueError(f"the {name} set has samples of shape {X.shape} and labels of shape {y.shape}: give arrays")
    if len(X) == 0 or len(X) != len(y):
        raise ValueError(f"the {name} set has {len(X)} samples and {len(y)} labels: give as many of each, at least one")
    if not np.isfinite(X).all():
        raise ValueError(f"the {name} samples hold NaN or infinity: clean the data first")
    if y.ndim == 1 and F.as_whole(y).min() < 0:
        raise ValueError(f"the {name} labels must be class numbers of at least 0, got {y.min()}: number the classes")
    return X, y
