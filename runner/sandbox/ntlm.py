"""NTLM over HTTP (MS-NTHT), checked by pyspnego's acceptor. pyspnego is imported when NTLM is asked for."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any

from runner.sandbox.accounts import Accounts, Principal

_DOMAIN = "SANDBOX"
# pyspnego's acceptor finds its credentials through an environment variable: one handshake step at a time.
_ENVIRONMENT = Lock()


def available() -> bool:
    """Whether pyspnego is installed."""
    try:
        import spnego  # noqa: F401
    except ImportError:
        return False
    return True


class NtlmHandshake:
    """The state of one connection: NTLM authenticates connections, not requests."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._acceptor: Any = None
        self.principal: Principal | None = None

    def step(self, header: str) -> str | None:
        """Take an ``Authorization`` header; the answer is the ``WWW-Authenticate`` value to send with a 401, or None.

        None means that the handshake is over: :attr:`principal` says whether it succeeded.
        """
        import spnego
        from spnego.exceptions import SpnegoError

        scheme, _, value = header.partition(" ")
        try:
            token = base64.b64decode(value.strip(), validate=True)
        except binascii.Error:
            return None
        if self._acceptor is None or token[8:12] == b"\x01\x00\x00\x00":
            self.principal = None
            self._acceptor = None
        try:
            with _ENVIRONMENT, _credential_file(self._accounts) as path:
                before = os.environ.get("NTLM_USER_FILE")
                os.environ["NTLM_USER_FILE"] = path
                try:
                    if self._acceptor is None:
                        protocol = "ntlm" if scheme.lower() == "ntlm" else "negotiate"
                        self._acceptor = spnego.server(hostname="localhost", service="HTTP", protocol=protocol)
                    answer = self._acceptor.step(token)
                finally:
                    if before is None:
                        del os.environ["NTLM_USER_FILE"]
                    else:
                        os.environ["NTLM_USER_FILE"] = before
        except (SpnegoError, ValueError):
            self._acceptor = None
            return None
        if self._acceptor.complete:
            self.principal = self._accounts.find(str(self._acceptor.client_principal))
            self._acceptor = None
            return None
        return f"{scheme} {base64.b64encode(answer or b'').decode()}"


class _credential_file:  # noqa: N801 - a context manager that reads as a function
    """The accounts in the form that the acceptor reads, for as long as one step takes."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._path = ""

    def __enter__(self) -> str:
        handle, self._path = tempfile.mkstemp(prefix="exsync-ntlm-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for account in self._accounts.all():
                domain, _, user = account.name.rpartition("\\")
                for one in {domain or _DOMAIN, ""}:
                    file.write(f"{one}:{user}:{account.password}\n")
        return self._path

    def __exit__(self, *_exc: object) -> None:
        Path(self._path).unlink(missing_ok=True)
