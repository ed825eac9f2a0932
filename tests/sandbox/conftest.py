"""A sandbox that holds every request and every answer against Microsoft's schema, and stock exchangelib before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import exchangelib
import pytest
from exchangelib.protocol import CachingProtocol

from runner.sandbox.exchange import Sandbox
from tests.sandbox.stock import ANN, BOB, Ticking, account_of
from tests.support import xsd


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def make(clock: Ticking) -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes that check themselves when the test is over."""
    started: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        options = {
            "clock": clock,
            "validator": xsd.request_validator(),
            "response_validator": xsd.response_validator(),
        } | options
        sandbox = Sandbox(**options).start()
        started.append(sandbox)
        sandbox.add_mailbox(ANN)
        sandbox.add_mailbox(BOB)
        return sandbox

    yield start
    exchangelib.close_connections()
    CachingProtocol.clear_cache()
    for sandbox in started:
        sandbox.stop()
        assert sandbox.response_violations == []


@pytest.fixture
def sandbox(make: Callable[..., Sandbox]) -> Sandbox:
    return make()


@pytest.fixture
def account(sandbox: Sandbox) -> exchangelib.Account:
    return account_of(sandbox)
