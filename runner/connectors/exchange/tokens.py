"""OAuth 2.0 client credentials: a token for the application itself, fetched when one is needed (RFC 6749 §4.4, RFC 6750).

A token is kept until a minute before it runs out and shared by all sessions. A 401 to a token that had not run out (it was
revoked, the server's clock is ahead) is answered once with a fresh one: the request was not carried out, so sending it again
repeats nothing. A 401 to a fresh one is a refused log-on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import requests
from requests.auth import AuthBase

from runner.config.plan import AuthPlan
from runner.connectors.exchange.faults import of_exception, of_status
from runner.model.errors import AuthRefused, ProtocolFault

MARGIN = 60.0
"""Seconds before its end in which a token is not used any more."""
_LARGEST = 1 << 16


@dataclass(slots=True)
class Tokens:
    """The tokens of one application. Safe to share between threads."""

    auth: AuthPlan
    secret: str
    timeout: float
    verify: str | bool = True
    clock: Callable[[], float] = monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _token: str = ""
    _until: float = 0.0

    def token(self) -> str:
        """A token that is good now. Raises ``AuthRefused``, ``Unreachable`` or what else keeps it from being fetched."""
        with self._lock:
            if not self._token or self.clock() >= self._until:
                self._token, lasts = self._fetched()
                self._until = self.clock() + max(lasts - MARGIN, lasts / 2)
            return self._token

    def forget(self, token: str) -> None:
        """A server did not take this token: the next call fetches another, unless that has happened already."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _fetched(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "client_id": self.auth.username, "client_secret": self.secret}
        if self.auth.scope:
            form["scope"] = self.auth.scope
        with requests.Session() as session:
            session.trust_env = False
            session.verify = self.verify
            try:
                answer = session.post(self.auth.token_url, form, timeout=self.timeout, allow_redirects=False)
            except requests.RequestException as error:
                raise of_exception(error, endpoint=self.auth.token_url, writing=False) from None
        told = _json(answer)
        if answer.status_code in (400, 401):
            # RFC 6749 §5.2: the error's own word says what is wrong, and never holds the secret.
            word = str(told.get("error", "") or f"HTTP {answer.status_code}")[:100]
            raise AuthRefused(
                f"{self.auth.token_url} gives no token: {word}",
                code="no-token",
                remedy="check client_id, client_secret and scope of the target; nothing is retried",
            )
        if answer.status_code != 200:
            raise of_status(answer.status_code, answer.headers, endpoint=self.auth.token_url, writing=False)
        token, lasts = told.get("access_token"), told.get("expires_in", 3600)
        try:
            seconds = float(lasts)
        except (TypeError, ValueError):
            seconds = 0.0
        if not isinstance(token, str) or not token or seconds <= 0:
            raise ProtocolFault(f"{self.auth.token_url} answered without a token", code="unreadable-answer")
        return token, seconds


class BearerAuth(AuthBase):
    """Puts a token on every request, and a fresh one on what was refused with an older one."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        token = self._tokens.token()
        request.headers["Authorization"] = f"Bearer {token}"

        def refused(response: requests.Response, **options: Any) -> requests.Response:
            return self._again(response, token, options)

        request.register_hook("response", refused)
        return request

    def _again(self, response: requests.Response, used: str, options: dict[str, Any]) -> requests.Response:
        if response.status_code != 401:
            return response
        self._tokens.forget(used)
        fresh = self._tokens.token()
        if fresh == used:
            return response
        _ = response.content  # read to its end, so that the connection can be used again
        response.close()
        request = response.request.copy()
        request.hooks["response"] = []
        request.headers["Authorization"] = f"Bearer {fresh}"
        again: requests.Response = response.connection.send(request, **options)
        again.history.append(response)
        again.request = request
        return again


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        told = answer.json() if len(answer.content) <= _LARGEST else {}
    except ValueError:
        told = {}
    return told if isinstance(told, dict) else {}
