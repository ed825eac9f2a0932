"""The way from a command to a running service: HTTP over its Unix socket.

A state belongs to one process. When a service has it, commands ask the service; when none answers, they open the state
themselves. So each command has the same words and the same output either way.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.cli.progress import followed
from runner.model.errors import ExsyncError, Transient

_PATIENCE = 3700.0
"""Seconds to wait for an answer: a little longer than the service lets an ordered run take."""


class ServiceRefused(ExsyncError):
    """The service's own refusal; code, remedy and exit code are the service's."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(str(told.get("message", "the service refused")), remedy=told.get("remedy"))
        self.code = str(told.get("code", "refused"))
        self.exit_code = int(told.get("exit_code", 1))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Remote:
    """A service that answers on this socket."""

    path: Path

    def get(self, path: str) -> Any:
        """What the service tells. Raises :class:`ServiceRefused`, or ``Transient`` when it goes away meanwhile."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Have something done. Raises like :meth:`get`."""
        question = secrets.token_hex(8)

        def seen() -> Iterator[tuple[str, int, int]]:
            with suppress(ExsyncError):  # that the service has gone away is told by the answer
                for one in self.get(f"/api/v1/asked/{question}")["work"]:
                    yield one["what"], one["done"], one["of"]

        return followed("the service is at it", lambda: self._ask("POST", path, body or {}, question), seen)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, question: str = "") -> Any:
        connection = _UnixConnection(self.path)
        try:
            data = None if body is None else json.dumps(body).encode()
            headers = {"X-Exsync-User": user_name(), "X-Exsync-Question": question, "Content-Type": "application/json"}
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Transient(
                f"the service on {self.path} went away before it had answered ({type(error).__name__})",
                code="service-gone",
                remedy="look at its log; `exsync status` says whether it is back",
            ) from None
        finally:
            connection.close()
        told = json.loads(text)
        if answer.status >= 400:
            raise ServiceRefused(told.get("error", {}))
        return told


def running_service(path: Path) -> Remote | None:
    """The service on this socket; None when nobody answers there. Raises ``ExsyncError`` when one may not ask it."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(path))
    except PermissionError:
        error = ExsyncError(
            f"a service listens on {path}, and this account may not talk to it",
            remedy="run the command as the service's own account, for example with sudo -u exsync",
        )
        error.exit_code = 77
        raise error from None
    except OSError:
        return None
    return Remote(path)


def user_name() -> str:
    """Who acts, for the audit: the account behind sudo, or the process's own."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
