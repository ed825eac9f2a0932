"""``exsync quarantine``: what was set aside, tried again or dropped by a person (B-23)."""

from __future__ import annotations

import json

from tests.e2e.operator import ANN, Operator

FREE = {"Start": "2026-12-03T09:00:00Z", "End": "2026-12-03T10:00:00Z"}
TITLE_LENGTH = 255
"""Of the demo CRM's column."""


def aside(operator: Operator) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(operator.typed("quarantine", "list", "-o", "json").out)
    return found


def set_aside(operator: Operator) -> tuple[str, str]:
    """An item whose title the CRM cannot hold: its id in the sandbox, and its key in quarantine."""
    operator.ready()
    item = operator.sandbox.mailbox(ANN).create(Subject="x" * (TITLE_LENGTH + 1), **FREE)
    operator.typed("run", "--once")
    [entry] = aside(operator)
    return item, str(entry["key"])


def test_what_was_set_aside_is_shown_tried_again_and_dropped(operator: Operator) -> None:
    item, key = set_aside(operator)
    shown = operator.typed("quarantine", "show", key[-10:])
    assert shown.code == 0
    assert "too-long" in shown.out
    assert "next try" in shown.out
    for ending in ("nobody", ""):
        assert operator.typed("quarantine", "show", ending).code == 64
    operator.typed("run", "--once")
    assert aside(operator)[0]["tries"] == 1, "it is not tried again before its time"

    assert "exsync apply" in operator.typed("quarantine", "retry", key).out
    operator.typed("run", "--once")
    assert aside(operator)[0]["tries"] == 2

    assert operator.typed("quarantine", "drop", key).code == 0
    assert aside(operator) == []
    operator.typed("run", "--once")
    assert aside(operator) == []
    assert operator.sql("SELECT count(*) FROM appointment WHERE subject LIKE 'xxx%'") == [(0,)]

    operator.sandbox.mailbox(ANN).edit(item, Subject="Short enough")
    operator.typed("run", "--once")
    assert operator.sql("SELECT count(*) FROM appointment WHERE subject = 'Short enough'") == [(1,)]
    acts = json.loads(operator.typed("acts", "-o", "json").out)
    assert [act["what"] for act in acts["acts"]] == ["drop", "retry"]


def test_dropping_an_item_keeps_a_change_that_waits(operator: Operator) -> None:
    """No edit is lost: what has changed since the last try goes on."""
    item, key = set_aside(operator)
    assert operator.typed("quarantine", "retry", key).code == 0
    assert operator.typed("quarantine", "drop", key).code == 0
    operator.sandbox.mailbox(ANN).edit(item, Subject="Mended meanwhile")
    operator.typed("run", "--once")
    assert operator.sql("SELECT count(*) FROM appointment WHERE subject = 'Mended meanwhile'") == [(1,)]
