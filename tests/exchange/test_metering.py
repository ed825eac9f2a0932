"""Every request is told to whoever counts, once, with the server's own words for what became of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from runner.connectors.exchange import connect
from runner.model.errors import ConnectorError
from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import ItemAnswer, busy_fault
from tests.exchange.canned import link_to, plan_for

ANN = "ann.lee@example.com"


def test_requests_are_counted_by_operation_and_code() -> None:
    """In band, as a fault, and when nobody answers; also of what is told of and of where mailboxes are."""
    told: list[tuple[str, str, str]] = []

    def meter(target: str, operation: str, code: str, seconds: float) -> None:
        assert seconds > 0
        told.append((target, operation, code))

    def seen() -> list[tuple[str, str, str]]:
        found, told[:] = list(told), []
        return found

    with Sandbox(password="right") as sandbox:
        sandbox.add_mailbox(ANN)
        plan = replace(plan_for(sandbox.url), name="hq", autodiscover=sandbox.autodiscover_url)
        with closing(connect(plan, "right", meter=meter)) as exchange:
            link = replace(link_to(), user=ANN)
            exchange.check(link)
            assert seen() == [("hq", "GetUserSettings", "NoError"), ("hq", "GetFolder", "NoError")]
            sandbox.inject(ItemAnswer("ErrorAccessDenied"), "GetFolder")
            sandbox.inject(busy_fault(), "GetFolder", nth=2)
            for _ in range(2):
                with pytest.raises(ConnectorError):
                    exchange.check(link)
            assert [code for _, _, code in seen()] == ["ErrorAccessDenied", "ErrorServerBusy"]
            exchange.unsubscribe(link, exchange.subscribe(link))
            assert [operation for _, operation, _ in seen()] == ["Subscribe", "Unsubscribe"]
            sandbox.stop()
            with pytest.raises(ConnectorError):
                exchange.check(link)
            [(_, operation, code)] = seen()
            assert (operation, code.startswith("Error")) == ("GetFolder", False)
