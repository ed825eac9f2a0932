"""Many passes, or one act that rewrites what passes write: a gate that is shared or taken alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Any number of threads inside :meth:`shared`, or one inside :meth:`alone`; who wants it alone goes first."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._inside = 0
        self._wanted_alone = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside together with others that share it."""
        with self._free:
            self._free.wait_for(lambda: not self._alone and not self._wanted_alone)
            self._inside += 1
        try:
            yield
        finally:
            with self._free:
                self._inside -= 1
                self._free.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside when everybody else has left."""
        with self._free:
            self._wanted_alone += 1
            self._free.wait_for(lambda: not self._alone and not self._inside)
            self._wanted_alone -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._free:
                self._alone = False
                self._free.notify_all()
