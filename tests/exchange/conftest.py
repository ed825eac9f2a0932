from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from runner.connectors.exchange import ExchangeConnector, connect
from tests.exchange.canned import Canned, plan_for

Connect = Callable[..., ExchangeConnector]


@pytest.fixture
def canned() -> Iterator[Canned]:
    with closing(Canned()) as server:
        yield server


@pytest.fixture
def connected(canned: Canned) -> Iterator[Connect]:
    """Connectors to the canned server, closed after the test."""
    with ExitStack() as stack:

        def make(url: str | None = None, **changes: Any) -> ExchangeConnector:
            return stack.enter_context(closing(connect(plan_for(url or canned.url, **changes), "pässwörd")))

        yield make
