"""One training loop for every network of the suite."""

from __future__ import annotations

import collections.abc
import sys
import time
from dataclasses import dataclass, field

import mxnet as mx
from mxnet import autograd, gluon
from tqdm import tqdm

from .context import context_of, move_to
from .graphs import as_one_graph
from .metrics import count_correct, evaluate_accuracy

__all__ = ["History", "fit"]

# How many minibatches the loop may run ahead of MXNet's engine: enough never to starve it, few enough for the memory.
_MAX_AHEAD = 16


@dataclass
class History:
    """What ``fit`` saw: lists with one entry an epoch.

    Attributes:
        loss: mean loss over the training samples, each at the time its minibatch was used.
        train_accuracy: fraction of the training samples classified right, at the same times.
        test_accuracy: fraction of the test samples classified right after the epoch; empty without a test iterator.
        seconds: wall time of the epoch's training, without the test.
        interrupted: True if the run was stopped from the keyboard; the unfinished epoch is left out.
    """

    loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False


def fit(
    net,
    train_iter,
    test_iter,
    num_epochs: int,
    lr: float | None = None,
    trainer: gluon.Trainer | None = None,
    loss=None,
    ctx: mx.Context | None = None,
    print_epochs: bool = False,
    progress: bool | None = None,
    divisor: int | None = None,
) -> History:
    """Train a classifier by minibatches.

    The gradient of a minibatch is divided by the samples it holds, the last, smaller one too. Loss and hits are added
    up where the network is and read at the end of an epoch; before that the loop waits only where it is more than 16
    minibatches ahead of MXNet's engine. Gluon's own layers, in a row or alone, and networks of its model zoo run as one
    static graph (``graphs.as_one_graph`` says which), whose results are the plain network's up to rounding; any other
    block is called as it is.

    Args:
        net: an initialised Gluon block; takes X, returns scores of shape (samples, classes).
        train_iter: yields ``(X, y)`` of MXNet arrays anew each time it is iterated; y of shape (samples,), class
            numbers. They are not checked: Gluon's loss takes a number that is no class for the nearest one.
        test_iter: the same for the test after each epoch; None for no test.
        num_epochs: how often all the training data are seen, at least 1.
        lr: learning rate of plain minibatch stochastic gradient descent; or give ``trainer``.
        trainer: a ``gluon.Trainer`` over the parameters of ``net``; or give ``lr``.
        loss: a Gluon loss; ``SoftmaxCrossEntropyLoss()`` by default.
        ctx: where to compute; by default where the network's parameters are.
        print_epochs: print a line after each epoch (needs ``test_iter``).
        progress: show a tqdm bar on stderr; by default only where that is a terminal.
        divisor: what the sum of a minibatch's gradients is divided by; by default the samples it holds. Only for
            repeating a training that divided by a fixed number, as many published loops do.

    Returns:
        the history; what there is of it if the run was interrupted from the keyboard.

    Raises:
        ValueError: neither or both of ``lr`` and ``trainer``, ``num_epochs`` or ``divisor`` below 1, a line for each
            epoch without a test, an iterator that is empty or can be used only once, or a minibatch that
            ``evaluate_accuracy`` refuses.
        RuntimeError: the network is not initialised.
    """
    if (lr is None) == (trainer is None):
        raise ValueError("fit needs either lr, for plain SGD, or a trainer: give exactly one of them.")
    if num_epochs < 1:
        raise ValueError(f"num_epochs must be at least 1, not {num_epochs}.")
    if divisor is not None and divisor < 1:
        raise ValueError(f"divisor must be at least 1, not {divisor}: leave it out to divide by each minibatch's size.")
    if print_epochs and test_iter is None:
        raise ValueError("the line of an epoch names the test accuracy: give test_iter, or print_epochs=False.")
    if num_epochs > 1 and isinstance(train_iter, (collections.abc.Generator, map, zip)):
        raise ValueError(
            f"expected minibatches that can be iterated again, got {type(train_iter).__name__}, which is used up after "
            "one pass: give the data iterator itself, or train for one epoch."
        )
    ctx = context_of(net) if ctx is None else ctx
    if trainer is None:
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr})
    loss = gluon.loss.SoftmaxCrossEntropyLoss() if loss is None else loss
    show = sys.stderr.isatty() if progress is None else progress
    history = History()
    try:
        num_batches = num_epochs * len(train_iter) if hasattr(train_iter, "__len__") else None
        with as_one_graph(net) as graph, tqdm(total=num_batches, unit="batch", disable=not show) as bar:
            for epoch in range(num_epochs):
                start = time.perf_counter()
                mean_loss, train_accuracy = _train_epoch(graph, train_iter, trainer, loss, ctx, divisor, bar)
                seconds = time.perf_counter() - start
                test_accuracy = None if test_iter is None else evaluate_accuracy(test_iter, graph, ctx)
                # All four lists grow together, so that an interruption leaves whole epochs only.
                history.seconds.append(seconds)
                history.loss.append(mean_loss)
                history.train_accuracy.append(train_accuracy)
                if test_accuracy is not None:
                    history.test_accuracy.append(test_accuracy)
                bar.set_postfix(epoch=epoch, loss=f"{mean_loss:.3f}", train=f"{train_accuracy:.3f}")
                if print_epochs:
                    accuracies = f"Train acc : {train_accuracy:f}, Test acc : {test_accuracy:f}"
                    print(f"Epoch {epoch}. Loss : {mean_loss:f}, {accuracies}")
    except KeyboardInterrupt:
        history.interrupted = True
    return history


def _train_epoch(net, train_iter, trainer, loss, ctx, divisor, bar) -> tuple[float, float]:
    """One pass over the training data; returns the mean loss and the accuracy over its samples."""
    loss_sum, num_correct, num_samples = 0, 0, 0
    running = collections.deque()
    for X, y in train_iter:
        X, y = move_to(ctx, X, y)
        with autograd.record():
            y_hat = net(X)
            batch_loss = loss(y_hat, y)
        batch_loss.backward()
        trainer.step(divisor or y.shape[0])
        loss_sum = batch_loss.astype("float64").sum() + loss_sum
        num_correct = count_correct(y_hat, y) + num_correct
        num_samples += y.shape[0]
        running.append(num_correct)
        if len(running) > _MAX_AHEAD:
            running.popleft().wait_to_read()
        bar.update()
    if num_samples == 0:
        raise ValueError("train_iter yielded no batch: give one that is not empty and can be iterated again.")
    return loss_sum.asnumpy().item() / num_samples, num_correct.asnumpy().item() / num_samples
