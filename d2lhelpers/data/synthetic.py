"""Drawn garments (to come)."""

from __future__ import annotations

__all__ = ["synthetic_fashion_mnist"]


def synthetic_fashion_mnist(num_train, num_test, seed):
    """Draw garments."""
    raise NotImplementedError
