"""Stock exchangelib in front of a sandbox, and a clock that a test turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import exchangelib

from runner.sandbox.exchange import Sandbox

ANN, BOB = "ann.lee@example.com", "bob.ray@example.com"
VIENNA = exchangelib.EWSTimeZone("Europe/Vienna")


class Ticking:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def account_of(sandbox: Sandbox, address: str = ANN, **options: Any) -> exchangelib.Account:
    """An account of stock exchangelib, impersonating the owner of a mailbox unless told otherwise."""
    configuration = exchangelib.Configuration(
        service_endpoint=sandbox.url,
        credentials=exchangelib.Credentials(
            options.get("username", sandbox.username), options.get("password", sandbox.password)
        ),
        auth_type=options.get("auth_type", exchangelib.BASIC),
        version=exchangelib.Version(exchangelib.Build(15, 2, 1544, 14)),
        max_connections=options.get("max_connections", 1),
    )
    return exchangelib.Account(
        address,
        config=configuration,
        autodiscover=False,
        access_type=options.get("access_type", exchangelib.IMPERSONATION),
        default_timezone=VIENNA,
        locale="en_US",
    )
