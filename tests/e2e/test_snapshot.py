"""``exsync snapshot``: one side is given what the other holds, with real commands, EWS over HTTP and SQL (B-70)."""

from __future__ import annotations

import json

from tests.e2e.operator import ANN, Operator
from tests.e2e.test_undo import titles


def test_it_shows_its_plan_does_exactly_that_and_can_be_undone(operator: Operator) -> None:
    operator.ready()
    operator.typed("run", "--once")
    before, written = set(titles(operator, ANN)), operator.remote_writes()
    ids = titles(operator, ANN)
    first, second = sorted(title for title in before if title)[:2]
    operator.sandbox.mailbox(ANN).edit(ids[first], Subject="Edited by Ann")
    operator.sandbox.mailbox(ANN).delete(ids[second])

    shown = operator.typed("snapshot", "send", ANN)
    assert shown.code == 0, shown.text
    assert "Edited by Ann" in shown.out
    assert "--apply" in shown.out
    assert operator.remote_writes() == written

    done = operator.typed("snapshot", "send", ANN, "--apply", "-o", "json")
    assert done.code == 0, done.text
    assert set(titles(operator, ANN)) == before
    operator.typed("apply", ANN)
    assert operator.typed("plan", ANN, "--exit-code").code == 0
    assert operator.sandbox.mails_sent == []
    conflicts = json.loads(operator.typed("conflicts", "list", "-o", "json").out)
    assert {conflict["policy"] for conflict in conflicts} == {"snapshot"}

    undone = operator.typed("undo", json.loads(done.out)["run"], "--apply", "--allow-deletes")
    assert undone.code == 0, undone.text
    assert "Edited by Ann" in titles(operator, ANN)
    refused = operator.typed("snapshot", "send", ANN, "--start-since", "0d", "--start-until", "0d")
    assert refused.code == 64
    assert "no length" in refused.err
