"""A TCP proxy that can lose the answer to one message: the server acts, the client never hears of it."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Self


class DeafProxy:
    """Forwards one loopback port to another. After :meth:`lose_answer_to` the next message that contains the marker still
    reaches the server; its answer is swallowed and both connections are cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._marker: bytes | None = None
        self._threads: list[threading.Thread] = []
        self.port = int(self._listener.getsockname()[1])
        self.lost = 0

    def lose_answer_to(self, marker: bytes) -> None:
        """Arm the proxy."""
        self._marker = marker

    def __enter__(self) -> Self:
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        self._threads.append(accepting)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed by __exit__
                return
            thread = threading.Thread(target=self._carry, args=(client,))
            thread.start()
            self._threads.append(thread)

    def _carry(self, client: socket.socket) -> None:
        with ExitStack() as stack:
            stack.enter_context(client)
            server = stack.enter_context(socket.create_connection(("127.0.0.1", self._target)))
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client and self._marker and self._marker in data:
                        self._marker = None
                        server.sendall(data)
                        server.recv(65536)
                        self.lost += 1
                        return
                    (server if source is client else client).sendall(data)
