"""The main job as an operator does it: real commands, EWS over HTTP, SQL."""

from __future__ import annotations

import hashlib
import json

from tests.e2e.operator import ANN, BOB, Operator


def _titles(operator: Operator, user: str) -> dict[str | None, str]:
    return {view.text("Subject"): view.id for view in operator.sandbox.mailbox(user).items()}


def test_both_sides_come_into_step_and_stay_there(operator: Operator) -> None:
    operator.ready()
    operator.sandbox.mailbox(ANN).create(
        Subject="From Outlook", Start="2026-12-01T09:00:00Z", End="2026-12-01T10:00:00Z", Location="Graz"
    )
    before = operator.appointments()
    plan = operator.exsync("plan", "--exit-code")
    assert plan.code == 2
    assert "From Outlook" in plan.out
    assert operator.remote_writes() == 0
    assert operator.appointments() == before

    assert operator.exsync("run", "--once").code == 0
    assert operator.sql("SELECT location FROM appointment WHERE subject = 'From Outlook'") == [("Graz",)]
    live = operator.sql("SELECT count(*) FROM appointment WHERE NOT deleted")
    assert len(_titles(operator, ANN)) + len(_titles(operator, BOB)) == live[0][0]

    written, rows = operator.remote_writes(), operator.appointments()
    again = operator.exsync("run", "--once")
    assert again.code == 0
    assert "nothing written" in again.out
    assert again.err == ""
    assert operator.remote_writes() == written
    assert operator.appointments() == rows
    assert operator.exsync("plan", "--exit-code").code == 0
    assert operator.sandbox.mails_sent == []


def test_a_plan_leaves_the_state_file_as_it_is(operator: Operator) -> None:
    operator.ready()
    operator.exsync("run", "--once")
    operator.sql("UPDATE appointment SET subject = 'Planned only' WHERE id = 1")
    digest = hashlib.sha256(operator.state.read_bytes()).hexdigest()
    assert "Planned only" in operator.exsync("plan").out
    assert hashlib.sha256(operator.state.read_bytes()).hexdigest() == digest
    assert "Planned only" not in _titles(operator, ANN)


def test_edits_travel_and_a_conflict_is_decided_recorded_and_taken_back(operator: Operator) -> None:
    """B-2, B-60 to B-62: merge, crm_wins, and the losing value restored by an operator."""
    operator.ready()
    operator.exsync("run", "--once")
    ann = operator.sandbox.mailbox(ANN)
    [(subject,)] = operator.sql("SELECT subject FROM appointment WHERE id = 1")
    item = _titles(operator, ANN)[str(subject)]

    ann.edit(item, Location="Room 9")
    operator.sql("UPDATE appointment SET notes = 'bring figures' WHERE id = 1")
    assert operator.exsync("apply", ANN).code == 0
    assert operator.sql("SELECT location FROM appointment WHERE id = 1") == [("Room 9",)]
    assert ann.item(item).text("Body") == "bring figures"

    ann.edit(item, Subject="Outlook's")
    operator.sql("UPDATE appointment SET subject = 'CRM''s' WHERE id = 1")
    told = operator.exsync("apply", ANN, "-o", "json")
    assert json.loads(told.out)["totals"]["conflicts"] == 1
    assert ann.item(item).text("Subject") == "CRM's"
    [conflict] = json.loads(operator.exsync("conflicts", "list", "-o", "json").out)
    assert conflict["target"] == {"title": "Outlook's"}
    assert conflict["rule"].startswith("targets.d/sandbox.yaml:")
    assert "Outlook's" in operator.exsync("conflicts", "show", conflict["id"][:8]).out

    assert operator.exsync("conflicts", "resolve", conflict["id"][:8], "--take", "restore").code == 0
    assert operator.exsync("apply", ANN).code == 0
    assert operator.sql("SELECT subject FROM appointment WHERE id = 1") == [("Outlook's",)]
    assert ann.item(item).text("Subject") == "Outlook's"
    assert operator.exsync("plan", "--exit-code").code == 0


def test_deletes_travel_both_ways(operator: Operator) -> None:
    """B-39. The item deleted in Outlook was made by the pass before: no feed tells of its delete."""
    operator.ready()
    operator.exsync("run", "--once")
    ann = operator.sandbox.mailbox(ANN)
    (first, one), (second, two) = operator.sql("SELECT id, subject FROM appointment WHERE owner_id = 1 LIMIT 2")
    ann.delete(_titles(operator, ANN)[str(one)])
    operator.sql("UPDATE appointment SET deleted = 1 WHERE id = ?", second)
    assert operator.exsync("apply", ANN).code == 0
    assert operator.sql("SELECT deleted FROM appointment WHERE id = ?", first) == [(1,)]
    assert str(two) not in _titles(operator, ANN)
    assert operator.exsync("plan", "--exit-code").code == 0


def test_status_is_data_on_request(operator: Operator) -> None:
    operator.ready()
    operator.exsync("run", "--once")
    links = json.loads(operator.exsync("status", "-o", "json").out)["links"]
    assert {link["name"] for link in links} == {f"sandbox/{ANN}/calendar", f"sandbox/{BOB}/calendar"}
    assert all(link["condition"] == "active" for link in links)
