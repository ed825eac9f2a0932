"""Listeners: sockets bound before any thread starts, each served by uvicorn in a thread of its own."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from runner.model.errors import ExsyncError, UsageError

_LONGEST_PATH = 107
"""Bytes of a Unix socket's path (unix(7))."""
_PATIENCE = 10.0


def unix_socket(path: Path) -> socket.socket:
    """A bound Unix socket with mode 0600. Raises ``UsageError`` when there is none to be had.

    A socket file that nobody answers on is left over from a killed process and replaced. Call it before threads start:
    the umask belongs to the whole process.
    """
    name = str(path)
    if len(os.fsencode(name)) > _LONGEST_PATH:
        raise UsageError(f"the socket's path {name} is too long", remedy="give a shorter one with --socket")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_socket() and not _answers(name):
        path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        bound.bind(name)
    except OSError as error:
        bound.close()
        raise UsageError(
            f"cannot listen on {name}: {error.strerror}", remedy="end the other service, or give another --socket"
        ) from None
    finally:
        os.umask(before)
    return bound


def _answers(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(name) == 0


def tcp_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises ``UsageError``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}", remedy="choose another --listen"
        ) from None
    return bound


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the service's."""

    def install_signal_handlers(self) -> None:
        """Install none."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle none."""


class Listener:
    """One application on one socket."""

    def __init__(
        self,
        app: ASGIApp,
        bound: socket.socket,
        name: str,
        *,
        certificate: tuple[str, str] | None = None,
        most: int | None = None,
    ) -> None:
        """``certificate``: PEM files of certificate and key, for TLS; ``most``: requests at a time, others are answered 503.

        Raises ``UsageError`` when the files cannot be used.
        """
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=3,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=most,
            ssl_certfile=certificate[0] if certificate else None,
            ssl_keyfile=certificate[1] if certificate else None,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            files = " and ".join(certificate or ())
            raise UsageError(
                f"the certificate in {files} cannot be used: {error}", remedy="give PEM files that belong together"
            ) from None
        self._server = _Server(config)
        self._socket = bound
        self._name = name
        bound_to = bound.getsockname()
        self._path = Path(bound_to) if isinstance(bound_to, str) and bound_to else None
        self._thread: threading.Thread | None = None

    def serve(self) -> None:
        """Serve until :meth:`stop`; runs in a thread of its own."""
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve in a thread; returns when requests are taken. Raises when it does not come up."""
        self._thread = threading.Thread(target=self.serve, name=self._name, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise ExsyncError(f"the listener {self._name} did not come up")
            time.sleep(0.01)

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Serve no more; a Unix socket's file is removed."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self._socket.close()
        if self._path:
            self._path.unlink(missing_ok=True)
