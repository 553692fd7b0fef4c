"""One training loop for every network of the suite."""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import itertools
import math
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from tqdm import tqdm

from .checks import flag, number, shown, whole
from .context import contexts_for, contexts_of
from .data.iterators import ArrayIterator
from .graphs import as_one_graph
from .metrics import count_correct, count_hits
from .minibatches import autograd_left_alone, check_iterator, divided, pair_of, reason, scores
from .workers import Workers, workers

__all__ = ["History", "fit"]

# How many minibatches the loop may run ahead of MXNet's engine: enough never to starve it, few enough for the memory.
_MAX_AHEAD = 16
_CROSS_ENTROPY = gluon.loss.SoftmaxCrossEntropyLoss
_Loss = Callable[[mx.nd.NDArray, mx.nd.NDArray], mx.nd.NDArray]


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

    def _leave_out_unfinished(self) -> None:
        """Cut the lists to whole epochs: an interruption may fall between two of them."""
        lists = [self.loss, self.train_accuracy, self.seconds, *([self.test_accuracy] if self.test_accuracy else [])]
        whole_epochs = min(map(len, lists))
        for values in lists:
            del values[whole_epochs:]


def fit(
    net: gluon.Block,
    train_iter: Iterable[tuple[mx.nd.NDArray, mx.nd.NDArray]],
    test_iter: Iterable[tuple[mx.nd.NDArray, mx.nd.NDArray]] | None,
    num_epochs: int,
    lr: float | None = None,
    trainer: gluon.Trainer | None = None,
    loss: _Loss | None = None,
    ctx: mx.Context | Sequence[mx.Context] | None = None,
    print_epochs: bool = False,
    progress: bool | None = None,
    divisor: int | None = None,
) -> History:
    """Train a classifier by minibatches.

    The gradient of a minibatch is divided by the samples it holds, the last, smaller one too. Loss and hits are added
    up where the network is and read at the end of an epoch; before that the loop waits only where it is more than 16
    minibatches ahead of MXNet's engine. Gluon's own layers, in a row or alone, and networks of its model zoo run as one
    static graph (``graphs.as_one_graph`` says which), whose results are the plain network's up to rounding; any other
    block is called as it is. Arguments are looked at before anything is trained, and every minibatch before it is used;
    a test iterator of one's own class is looked at when the first epoch is tested.

    Where the parameters are on several devices, each minibatch is divided over them. In a process that ``d2lhelpers
    launch`` started, all workers train one network, that of worker 0: each takes its share of every minibatch of an
    ``ArrayIterator``, and of the test. All must be seeded alike before, then the order of the samples is one too. The
    steps are those of one worker with all the data, up to rounding; the history is that of all workers.

    >>> X, y = np.array([[0, 1], [1, 0], [0, 2], [2, 0]]), np.array([1, 0, 1, 0])  # which of the two is larger?
    >>> minibatches = [(mx.nd.array(X[:2]), mx.nd.array(y[:2])), (mx.nd.array(X[2:]), mx.nd.array(y[2:]))]
    >>> net = gluon.nn.Dense(2)
    >>> net.initialize()
    >>> history = fit(net, minibatches, minibatches, num_epochs=3, lr=0.5)
    >>> history.test_accuracy[-1]
    1.0

    Args:
        net: an initialised Gluon block; takes X, returns scores of shape (samples, classes).
        train_iter: yields ``(X, y)`` of MXNet arrays anew each time it is iterated; y of shape (samples,), class
            numbers. They are not checked: Gluon's loss takes a number that is no class for the nearest one.
        test_iter: the same for the test after each epoch; None for no test.
        num_epochs: how often all the training data are seen, at least 1.
        lr: learning rate of plain minibatch stochastic gradient descent, above 0; or give ``trainer``.
        trainer: a ``gluon.Trainer`` over the parameters of ``net``; or give ``lr``.
        loss: a Gluon loss, or a function of scores and labels, that returns one number a sample;
            ``SoftmaxCrossEntropyLoss()`` by default.
        ctx: where to compute; by default where the network's parameters are.
        print_epochs: print a line after each epoch (needs ``test_iter``).
        progress: show a tqdm bar, on stderr or as a widget; by default only where stderr is a terminal, or somebody
            reads the notebook as it runs.
        divisor: what the sum of a minibatch's gradients is divided by; by default the samples it holds. Only for
            repeating a training that divided by a fixed number, as many published loops do.

    Returns:
        the history; what there is of it if the run was interrupted from the keyboard.

    Raises:
        ValueError: neither or both of ``lr`` and ``trainer``, an argument of a wrong kind or out of its range, an
            iterator that is empty or can be used only once, a minibatch or a loss of another shape, a network that
            cannot be run on it, nothing to train, or a trainer of another network; in a launch, an iterator that cannot
            be shared, workers that are seeded differently, or a trainer that leaves the update to a store.
        RuntimeError: the network is not initialised.
        FloatingPointError: at the end of an epoch the loss or a parameter is NaN or infinite: the training diverged, or
            the data held such a number.
    """
    if not isinstance(net, gluon.Block):
        raise ValueError(f"net must be a Gluon block, not {shown(net)}: give the network.")
    num_epochs = whole(num_epochs, "num_epochs", 1, example=10)
    if (lr is None) == (trainer is None):
        raise ValueError("fit needs either lr, for plain SGD, or a trainer: give exactly one of them.")
    if lr is not None:
        lr = number(lr, "lr", above=0)
    if trainer is not None and not isinstance(trainer, gluon.Trainer):
        raise ValueError(f"trainer must be a gluon.Trainer, not {shown(trainer)}: give lr for plain SGD.")
    if loss is not None and not callable(loss):
        raise ValueError(f"loss must be a Gluon loss or a function, not {shown(loss)}: leave it out for cross-entropy.")
    if divisor is not None:
        divisor = whole(divisor, "divisor", 1, example=256)
    print_epochs = flag(print_epochs, "print_epochs")
    read = _is_read_in_a_notebook()
    show = read or _is_terminal(sys.stderr) if progress is None else flag(progress, "progress")
    if print_epochs and test_iter is None:
        raise ValueError("the line of an epoch names the test accuracy: give test_iter, or print_epochs=False.")
    check_iterator(train_iter, "train_iter", num_epochs)
    if test_iter is not None:
        check_iterator(test_iter, "test_iter", num_epochs)
    contexts = contexts_for(net, ctx, "ctx")
    loss = _CROSS_ENTROPY() if loss is None else loss
    parameters = _parameters(net, loss, trainer, contexts)
    everyone = workers()
    if trainer is None:
        on_store = None if everyone is None else False
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr}, update_on_kvstore=on_store)
    if everyone is not None:
        train_iter, test_iter = _shares(train_iter, test_iter, trainer, contexts, everyone)

    history = History()
    try:
        num_batches = num_epochs * len(train_iter) if isinstance(train_iter, Sized) else None
        with contextlib.ExitStack() as stack:
            stack.enter_context(autograd_left_alone())
            stack.enter_context(autograd.pause())  # whatever is recorded outside, an update is no part of it
            graph = stack.enter_context(as_one_graph(net))
            bar = stack.enter_context(_bar(show and read)(total=num_batches, unit="batch", disable=not show))
            step = _Step(graph, loss, trainer, parameters, contexts, divisor, everyone)
            for epoch in range(num_epochs):
                start = time.perf_counter()
                mean_loss, train_accuracy = _means(_train_epoch(step, train_iter, bar), everyone)
                seconds = time.perf_counter() - start
                _check_finite(parameters, mean_loss, epoch)
                test_accuracy = None
                if test_iter is not None:
                    (test_accuracy,) = _means(count_hits(test_iter, graph, contexts), everyone)
                history.seconds.append(seconds)
                history.loss.append(mean_loss)
                history.train_accuracy.append(train_accuracy)
                if test_accuracy is not None:
                    history.test_accuracy.append(test_accuracy)
                bar.set_postfix(epoch=epoch, loss=f"{mean_loss:.3f}", train=f"{train_accuracy:.3f}")
                if print_epochs:
                    accuracies = f"Train acc : {train_accuracy:f}, Test acc : {test_accuracy:f}"
                    print(f"Epoch {epoch}. Loss : {mean_loss:f}, {accuracies}")
        if everyone is not None:
            everyone.wait()
    except KeyboardInterrupt:
        history.interrupted = True
        history._leave_out_unfinished()
    except Exception:
        # What MXNet's engine still has to say of it must not be said to the next one who asks for a result.
        with contextlib.suppress(mx.MXNetError):
            mx.nd.waitall()
        raise
    return history


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()


def _is_read_in_a_notebook() -> bool:
    """Whether a front end that could ask its reader has sent this cell: none that executes, records or compares can."""
    ipython = sys.modules.get("IPython")
    kernel = getattr(ipython and ipython.get_ipython(), "kernel", None)
    if kernel is None or not hasattr(kernel, "get_parent"):
        return False
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def _bar(in_notebook: bool) -> type[tqdm]:
    """The kind of bar: a widget in a notebook that can have one, else text."""
    if in_notebook and importlib.util.find_spec("ipywidgets"):
        from tqdm.notebook import tqdm as widget

        return widget
    return tqdm


def _parameters(
    net: gluon.Block, loss: _Loss, trainer: gluon.Trainer | None, contexts: list[mx.Context]
) -> list[gluon.Parameter]:
    """The parameters of network and loss, once it is certain that each that is to be trained will have a gradient."""
    own_parameters = list(net.collect_params().values())
    parameters = own_parameters + (list(loss.collect_params().values()) if isinstance(loss, gluon.Block) else [])
    known = set(map(id, parameters))
    trained = own_parameters if trainer is None else trainer._params
    trained = [parameter for parameter in trained if parameter.grad_req != "null"]
    for parameter in trained:
        if id(parameter) not in known:
            raise ValueError(
                f"the trainer is to train {parameter.name}, which is no parameter of this network or loss: make it of "
                "net.collect_params()."
            )
    if not trained:
        raise ValueError("there is nothing to train: give a network with a parameter whose grad_req is not 'null'.")
    own = contexts_of(net)
    if set(contexts) != set(own):
        raise ValueError(
            f"the network is on {own} and to be trained on {contexts} only: leave ctx out, or move the network with "
            f"net.collect_params().reset_ctx({contexts})."
        )
    return parameters


def _shares(
    train_iter: Any, test_iter: Any, trainer: gluon.Trainer, contexts: list[mx.Context], everyone: Workers
) -> tuple[Any, Any]:
    """This worker's shares of the data, once it is certain that all workers will take the same steps."""
    for name, iterator in (("train_iter", train_iter), ("test_iter", test_iter)):
        if iterator is not None and not isinstance(iterator, ArrayIterator):
            raise ValueError(
                f"{name} is to be shared by {everyone.count} workers, which {type(iterator).__name__} cannot be: give "
                "ArrayIterator(X, y, batch_size)."
            )
    if len(contexts) > 1 and trainer._kvstore_params["update_on_kvstore"] is not False:
        raise ValueError(
            "in a launch a trainer of several devices must update by itself: give update_on_kvstore=False."
        )
    _, numbers, position, *_ = np.random.get_state()
    generators = everyone.gathered([zlib.crc32(numbers.tobytes()), position])
    if (generators != generators[0]).any():
        raise ValueError("the workers would draw different orders: call seed_everything(0), say, in each before fit.")
    own = (everyone.index, everyone.count)
    return train_iter.shard(*own), None if test_iter is None else test_iter.shard(*own)


class _Step:
    """One update of the network by one minibatch, divided over the devices."""

    def __init__(
        self,
        graph: Callable[[mx.nd.NDArray], mx.nd.NDArray],
        loss: _Loss,
        trainer: gluon.Trainer,
        parameters: list[gluon.Parameter],
        contexts: list[mx.Context],
        divisor: int | None,
        everyone: Workers | None,
    ):
        self._graph, self._loss, self._trainer, self._parameters = graph, loss, trainer, parameters
        self._contexts, self._divisor, self.everyone = contexts, divisor, everyone
        self._keys: dict[int, str] = {}
        self._adding = [parameter for parameter in parameters if parameter.grad_req == "add"]
        self._begun = False

    def __call__(
        self, X: mx.nd.NDArray, y: mx.nd.NDArray, num_samples: int
    ) -> list[tuple[mx.nd.NDArray, mx.nd.NDArray, mx.nd.NDArray]]:
        """Make the update by this worker's share of ``num_samples``.

        Returns scores, labels and losses, one number a sample, for each device that had samples.
        """
        parts = divided(X, y, self._contexts)
        if self.everyone is not None and not self._begun:
            self._begin_alike(self.everyone, *parts[0])
        with autograd.record():
            outputs = [scores(self._graph, X_part, y_part.shape[0]) for X_part, y_part in parts]
            losses = [self._losses(y_hat, y_part) for y_hat, (_, y_part) in zip(outputs, parts)]
            # The trainer wants a gradient of every device: one without a sample takes the first, its loss times zero.
            idle = [divided(X[:1], y[:1], [context])[0] for context in self._contexts[len(parts) :]]
            nothing = [0 * self._losses(self._graph(X_part), y_part) for X_part, y_part in idle]
        for parameter in self._adding:
            parameter.zero_grad()
        autograd.backward(losses + nothing)
        if not self._begun:
            # The first step hands the first device's parameters on to all, running statistics too. That a static graph
            # writes these in its backward pass, MXNet's engine does not know: it would copy them too early.
            mx.nd.waitall()
            self._begun = True
        if self.everyone is None:
            self._trainer.step(self._divisor or num_samples)
        else:
            trained = [parameter for parameter in self._trainer._params if parameter.grad_req != "null"]
            self.everyone.add_up([self._keys[id(parameter)] for parameter in trained], trained)
            self._trainer.update(self._divisor or num_samples)
        return [
            (y_hat, y_part, self._measured(y_hat, y_part, loss))
            for y_hat, (_, y_part), loss in zip(outputs, parts, losses)
        ]

    def _measured(self, y_hat: mx.nd.NDArray, y: mx.nd.NDArray, losses: mx.nd.NDArray) -> mx.nd.NDArray:
        """The losses for the history: cross-entropies anew in float64, since oneDNN's in float32 are 5e-6 off."""
        return self._loss(y_hat.astype("float64"), y) if type(self._loss) is _CROSS_ENTROPY else losses

    def _begin_alike(self, everyone: Workers, X: mx.nd.NDArray, y: mx.nd.NDArray) -> None:
        """Give all workers the same parameters; a first forward pass tells their shapes."""
        self._losses(scores(self._graph, X, y.shape[0]), y)
        self._keys = dict(zip(map(id, self._parameters), everyone.share(self._parameters)))

    def _losses(self, y_hat: mx.nd.NDArray, y: mx.nd.NDArray) -> mx.nd.NDArray:
        try:
            losses = self._loss(y_hat, y)
        except mx.MXNetError as error:
            raise ValueError(
                f"the loss does not take scores of shape {y_hat.shape} and class numbers of shape {y.shape}: give one "
                f"such as gluon.loss.SoftmaxCrossEntropyLoss() (MXNet: {reason(error)})."
            ) from error
        if not isinstance(losses, mx.nd.NDArray) or losses.shape != y.shape:
            got = losses.shape if isinstance(losses, mx.nd.NDArray) else type(losses).__name__
            raise ValueError(
                f"the loss must return one number a sample, of shape {y.shape}, not {got}: leave out its mean or sum, "
                "fit divides by the samples itself."
            )
        return losses


def _train_epoch(step: _Step, train_iter: Iterable[Any], bar: tqdm) -> tuple[float, float, int]:
    """One pass over the training data; returns the sum of the losses, the hits, and the number of samples."""
    loss_sums: dict[mx.Context, mx.nd.NDArray] = {}
    hits: dict[mx.Context, mx.nd.NDArray] = {}
    num_samples = 0
    running: collections.deque[mx.nd.NDArray] = collections.deque()
    sizes = itertools.repeat(None) if step.everyone is None else train_iter.batch_sizes  # type: ignore[attr-defined]
    for batch, size in zip(train_iter, sizes):
        X, y = pair_of(batch, "train_iter")
        for y_hat, y_part, losses in step(X, y, size or y.shape[0]):
            context = y_part.ctx
            loss_sums[context] = losses.astype("float64").sum() + loss_sums.get(context, 0)
            hits[context] = count_correct(y_hat, y_part) + hits.get(context, 0)
            newest = hits[context]
        num_samples += y.shape[0]
        running.append(newest)
        if len(running) > _MAX_AHEAD:
            running.popleft().wait_to_read()
        bar.update()
    if num_samples == 0:
        raise ValueError("train_iter yielded no batch: give one that is not empty and can be iterated again.")
    loss_sum, num_correct = (sum(each.asnumpy().item() for each in sums.values()) for sums in (loss_sums, hits))
    return loss_sum, num_correct, num_samples


def _means(sums: Sequence[float], everyone: Workers | None) -> list[float]:
    """Sums divided by the number of samples, which is the last of them; over all workers."""
    *totals, num_samples = sums if everyone is None else everyone.gathered(sums).sum(axis=0).tolist()
    return [total / num_samples for total in totals]


def _check_finite(parameters: list[gluon.Parameter], mean_loss: float, epoch: int) -> None:
    """Say that the training diverged: the accuracies of such a network may look alive."""
    wrong = [parameter.name for parameter in parameters if not _is_finite(parameter)]
    if wrong or not math.isfinite(mean_loss):
        raise FloatingPointError(
            f"after epoch {epoch} the mean loss is {mean_loss:g}"
            f"{f' and {wrong[0]} holds NaN or infinity' if wrong else ''}: take a smaller learning rate, or look for "
            "such numbers in the data."
        )


def _is_finite(parameter: gluon.Parameter) -> bool:
    if parameter._data is None or parameter._stype != "default" or np.dtype(parameter.dtype).kind != "f":
        return True
    return all(mx.nd.all_finite(data.as_nd_ndarray()).asnumpy().item() == 1 for data in parameter.list_data())
