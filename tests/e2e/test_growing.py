"""A first sync that grows by itself, with a running service, EWS over HTTP and SQL (B-71)."""

from __future__ import annotations

import json

from tests.e2e.operator import ANN, Operator
from tests.e2e.served import Served, until
from tests.e2e.test_undo import titles


def test_the_windows_are_gone_through_one_after_the_other(operator: Operator) -> None:
    operator.ready()
    moved = "UPDATE appointment SET starts_at = datetime('now', ?), ends_at = datetime('now', ?) WHERE id = 1"
    operator.sql(moved, "+200 days", "+201 days")
    growing = "window: {past: 30d, future: 365d}, expand: {initial: {past: 1d, future: 2d}, steps: 3}"
    operator.replace("targets.d/sandbox.yaml", "window: {past: 30d, future: 365d}", growing)
    assert operator.typed("validate").code == 0
    [(subject,)] = operator.sql("SELECT subject FROM appointment WHERE id = 1")

    assert operator.typed("run", "--once").code == 0
    assert subject not in titles(operator, ANN)
    status = operator.typed("status")
    assert "the first sync grows: window 2 of at most 3, 2d back, 4d ahead" in status.out
    with Served(operator) as served:
        until("the last window has been reached", lambda: str(subject) in titles(operator, ANN))
        served.idle()
        links = json.loads(operator.typed("status", "-o", "json").out)["links"]
        assert {link["growing"] for link in links} == {None}
        assert served.stop() == 0
    assert operator.typed("plan", "--exit-code").code == 0
