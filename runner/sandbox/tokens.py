"""An authorization server for client credentials, and the tokens that it has given out (RFC 6749 §4.4 and §5.2, RFC 6750)."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from urllib.parse import parse_qs

from runner.sandbox.accounts import Accounts, Principal
from runner.sandbox.mailboxes import Clock

PATH = "/adfs/oauth2/token"


@dataclass(slots=True)
class TokenOffice:
    """Accounts are its clients: their names are client ids, their passwords client secrets."""

    accounts: Accounts
    clock: Clock
    lifetime: timedelta = timedelta(hours=1)
    given_out: int = 0
    _serial: count[int] = field(default_factory=lambda: count(1))
    _tokens: dict[str, tuple[Principal, datetime]] = field(default_factory=dict)

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and JSON of a token request's answer."""
        form = {name: values[0] for name, values in parse_qs(body.decode("ascii", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return 400, b'{"error": "unsupported_grant_type"}'
        client = self.accounts.find(form.get("client_id", ""))
        secret = form.get("client_secret", "").encode()
        if client is None or not hmac.compare_digest(client.password.encode(), secret):
            return 401, b'{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}'
        token = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{next(self._serial):08}."
        self._tokens[token] = (client, self.clock() + self.lifetime)
        self.given_out += 1
        told = {"token_type": "Bearer", "expires_in": int(self.lifetime.total_seconds()), "access_token": token}
        return 200, json.dumps(told).encode()

    def bearer(self, header: str) -> Principal | None:
        """Whom an ``Authorization: Bearer`` header proves to be, None if it proves nothing (any more)."""
        known = self._tokens.get(header.partition(" ")[2].strip())
        if known is None or known[1] <= self.clock() or self.accounts.find(known[0].name) is not known[0]:
            return None
        return known[0]

    def revoke(self) -> None:
        """No token that was given out is good any more."""
        self._tokens.clear()
