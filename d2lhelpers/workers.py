"""The workers of a launch, as one of them sees them: which it is, and what it exchanges with the others."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

__all__ = ["Workers", "workers"]

_PATIENCE = 30.0  # seconds after which a wait for the others is mentioned


class Workers:
    """All workers of a launch, by MXNet's store ``dist_sync``: what each gives is added up on the servers.

    Attributes:
        index: which of them this is, from 0.
        count: how many there are.
    """

    def __init__(self) -> None:
        """Meet the others; waits until all have come, and mentions it where that takes long."""
        reminder = threading.Timer(_PATIENCE, _remind)
        reminder.daemon = True
        reminder.start()
        self._store = mx.kv.create("dist_sync")
        reminder.cancel()
        # A worker that has failed would wait at its end for all the others to come to theirs.
        mx.base.check_call(mx.base._LIB.MXKVStoreSetBarrierBeforeExit(self._store.handle, ctypes.c_int(0)))
        atexit.register(self._leave)
        self.count = self._store.num_workers
        self.index = int(os.environ.get("D2LHELPERS_WORKER", self._store.rank))
        self._keys = 0

    def _leave(self) -> None:
        """Free the store while its threads can be ended: left to the end of the interpreter, they may abort it."""
        del self._store

    def _new_key(self) -> str:
        self._keys += 1
        return str(self._keys)

    def share(self, parameters: Sequence[gluon.Parameter]) -> list[str]:
        """Give all workers the values that the first has.

        Args:
            parameters: initialised, the same ones in the same order on each worker.

        Returns:
            the keys under which ``add_up`` knows them.
        """
        keys = [self._new_key() for _ in parameters]
        for key, parameter in zip(keys, parameters):
            # A forward pass can leave a parameter in oneDNN's own order of numbers; the store would send nothing then.
            plain = mx.nd.from_numpy(parameter.list_data()[0].asnumpy(), zero_copy=False)
            self._store.broadcast(key, plain, out=parameter.list_data())
        return keys

    def add_up(self, keys: Sequence[str], parameters: Sequence[gluon.Parameter]) -> None:
        """Replace each gradient by the sum over all workers and their devices; it is not waited for.

        Args:
            keys: what ``share`` returned for them.
            parameters: those that have a gradient.
        """
        for i, (key, parameter) in enumerate(zip(keys, parameters)):
            self._store.push(key, parameter.list_grad(), priority=-i)
            self._store.pull(key, out=parameter.list_grad(), priority=-i)

    def gathered(self, values: Sequence[float]) -> np.ndarray:
        """What each worker gives, on every worker.

        Args:
            values: numbers, equally many on each worker.

        Returns:
            float64 array of shape (count, len(values)), one row a worker.
        """
        rows = np.zeros((self.count, len(values)))
        rows[self.index] = values
        array = mx.nd.from_numpy(rows, zero_copy=False)
        key = self._new_key()
        self._store.init(key, array)
        self._store.push(key, array)
        self._store.pull(key, out=array)
        return array.asnumpy()

    def wait(self) -> None:
        """Wait until all workers have come here: none of them needs this one any more."""
        self._store._barrier()


def _remind() -> None:
    print(
        f"has waited {_PATIENCE:g} seconds for the other parts of the launch: they have not come to their first fit "
        "yet, or a firewall is between the machines.",
        file=sys.stderr,
        flush=True,
    )


@functools.cache
def workers() -> Workers | None:
    """Who shares the work with this process.

    Returns:
        the workers of the launch that this process is one of; None if it works alone.
    """
    return Workers() if os.environ.get("DMLC_ROLE") == "worker" else None
