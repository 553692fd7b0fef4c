"""Optimisers over dictionaries of parameters and gradients.

`update(params, grads)` changes the parameter arrays in place, so that the layers that hold them see the new values,
and leaves the gradients alone. Each optimiser keeps its own memory of past gradients, by parameter name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping

import numpy as np

from ..checks import number, shown

__all__ = ["OPTIMIZERS", "AdaGrad", "Adam", "Momentum", "Nesterov", "Optimizer", "RMSprop", "SGD", "create_optimizer"]


class Optimizer:
    """What all optimisers share: the learning rate, the loop over the parameters, and a memory for each."""

    memories: tuple[str, ...] = ()

    def __init__(self, lr: float):
        """Take the learning rate, and remember nothing yet.

        Args:
            lr: the learning rate, above 0.

        Raises:
            ValueError: if the learning rate is not a positive finite number.
        """
        self.lr = number(lr, "lr", above=0)
        self.num_updates = 0
        self._memory: dict[str, dict[str, np.ndarray]] = {}

    def update(self, params: Mapping[str, np.ndarray], grads: Mapping[str, np.ndarray]) -> None:
        """Move every parameter one step, in place.

        Args:
            params: arrays of floats by name.
            grads: gradients of the same shapes by the same names.

        Raises:
            ValueError: if a name is missing on either side, a shape differs, or something is no array of floats. No
                parameter has changed then.
        """
        for arrays, name in ((params, "params"), (grads, "grads")):
            if not isinstance(arrays, Mapping) or not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise ValueError(f"{name} must be arrays by name, not {shown(arrays)}: give a dict of NumPy arrays")
        if set(params) != set(grads):
            raise ValueError(
                f"gradients are given for {sorted(grads)}, parameters for {sorted(params)}: give both alike"
            )
        for name, param in params.items():
            if param.shape != grads[name].shape:
                raise ValueError(
                    f"{name} has shape {param.shape} and its gradient {grads[name].shape}: they must be alike"
                )
        self.num_updates += 1
        for name, param in params.items():
            if name not in self._memory:
                self._memory[name] = {kind: np.zeros_like(param) for kind in self.memories}
            self._step(param, grads[name], **self._memory[name])

    def _step(self, param: np.ndarray, grad: np.ndarray) -> None:
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent: w ← w - lr g. Gluon's `sgd`."""

    def __init__(self, lr: float = 0.01):
        """Take the numbers of the rule.

        Args:
            lr: the learning rate.
        """
        super().__init__(lr)

    def _step(self, param: np.ndarray, grad: np.ndarray) -> None:
        param -= self.lr * grad


class Momentum(Optimizer):
    """Gradient descent with a velocity: v ← m v - lr g, w ← w + v. Polyak, 1964; Gluon's `sgd` with `momentum`."""

    memories = ("velocity",)

    def __init__(self, lr: float = 0.01, momentum: float = 0.9):
        """Take the numbers of the rule.

        Args:
            lr: the learning rate.
            momentum: how much of the velocity stays, in [0, 1).
        """
        super().__init__(lr)
        self.momentum = _fraction("momentum", momentum)

    def _step(self, param: np.ndarray, grad: np.ndarray, velocity: np.ndarray) -> None:  # type: ignore[override]
        velocity *= self.momentum
        velocity -= self.lr * grad
        param += velocity


class Nesterov(Momentum):
    """Momentum that looks ahead: v ← m v - lr g, w ← w + m v - lr g. Sutskever et al., ICML 2013; Gluon's `nag`.

    In this form the parameters are always at the point ahead, where the next gradient is taken.

    Args:
        lr: the learning rate.
        momentum: how much of the velocity stays, in [0, 1).
    """

    def _step(self, param: np.ndarray, grad: np.ndarray, velocity: np.ndarray) -> None:  # type: ignore[override]
        velocity *= self.momentum
        velocity -= self.lr * grad
        param += self.momentum * velocity
        param -= self.lr * grad


class AdaGrad(Optimizer):
    """A step size for each weight: h ← h + g², w ← w - lr g / (√h + ε). Duchi, Hazan, Singer, JMLR 12, 2011.

    Gluon's `adagrad` is the same with ε inside the root.
    """

    memories = ("squares",)

    def __init__(self, lr: float = 0.01, epsilon: float = 1e-7):
        """Take the numbers of the rule.

        Args:
            lr: the learning rate.
            epsilon: keeps the quotient finite.
        """
        super().__init__(lr)
        self.epsilon = number(epsilon, "epsilon", least=0, example=1e-7)

    def _step(self, param: np.ndarray, grad: np.ndarray, squares: np.ndarray) -> None:  # type: ignore[override]
        squares += grad * grad
        param -= self.lr * grad / (np.sqrt(squares) + self.epsilon)


class RMSprop(Optimizer):
    """AdaGrad that forgets: h ← ρ h + (1 - ρ) g², w ← w - lr g / (√h + ε). Tieleman and Hinton, 2012.

    The source is lecture 6e of their course CSC321. Gluon's `rmsprop` is the same with ε inside the root, and calls ρ
    `gamma1`.
    """

    memories = ("squares",)

    def __init__(self, lr: float = 0.001, decay: float = 0.9, epsilon: float = 1e-7):
        """Take the numbers of the rule.

        Args:
            lr: the learning rate.
            decay: ρ, in [0, 1).
            epsilon: keeps the quotient finite.
        """
        super().__init__(lr)
        self.decay = _fraction("decay", decay)
        self.epsilon = number(epsilon, "epsilon", least=0, example=1e-7)

    def _step(self, param: np.ndarray, grad: np.ndarray, squares: np.ndarray) -> None:  # type: ignore[override]
        squares *= self.decay
        squares += (1 - self.decay) * (grad * grad)
        param -= self.lr * grad / (np.sqrt(squares) + self.epsilon)


class Adam(Optimizer):
    """Momentum and RMSprop together, both corrected for starting at zero. Kingma and Ba, arXiv 1412.6980.

    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², w ← w - lrₜ m / (√v + ε) with lrₜ = lr √(1 - β₂ᵗ) / (1 - β₁ᵗ): the
    form that the paper gives at the end of its section 2, and that Gluon's `adam` uses.
    """

    memories = ("mean", "squares")

    def __init__(self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8):
        """Take the numbers of the rule.

        Args:
            lr: the learning rate.
            beta1: β₁, how much of the mean gradient stays, in [0, 1).
            beta2: β₂, how much of the mean square stays, in [0, 1).
            epsilon: keeps the quotient finite.
        """
        super().__init__(lr)
        self.beta1 = _fraction("beta1", beta1)
        self.beta2 = _fraction("beta2", beta2)
        self.epsilon = number(epsilon, "epsilon", least=0, example=1e-7)

    def _step(self, param: np.ndarray, grad: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:  # type: ignore[override]
        mean *= self.beta1
        mean += (1 - self.beta1) * grad
        squares *= self.beta2
        squares += (1 - self.beta2) * (grad * grad)
        lr_t = self.lr * math.sqrt(1 - self.beta2**self.num_updates) / (1 - self.beta1**self.num_updates)
        param -= lr_t * mean / (np.sqrt(squares) + self.epsilon)


def _fraction(name: str, value: float) -> float:
    return number(value, name, least=0, below=1, example=0.9)


OPTIMIZERS = {kind.__name__.lower(): kind for kind in (SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam)}


def create_optimizer(name: str, **options: float) -> Optimizer:
    """Return a new optimiser by its name.

    Args:
        name: "sgd", "momentum", "nesterov", "adagrad", "rmsprop" or "adam"; capitals do not matter.
        **options: its arguments, such as `lr`.

    Returns:
        The optimiser, its memory empty.

    Raises:
        ValueError: if there is none of this name, or it has no such option.
    """
    if str(name).lower() not in OPTIMIZERS:
        raise ValueError(f"unknown optimiser {shown(name)}: choose one of {', '.join(OPTIMIZERS)}")
    kind = OPTIMIZERS[name.lower()]
    known = list(inspect.signature(kind).parameters)
    for option in options:
        if option not in known:
            raise ValueError(f"{kind.__name__} has no option {option}: choose of {', '.join(known)}")
    return kind(**options)
