"""``exsync undo``: a bad day taken back, with real commands, EWS over HTTP and SQL (B-100)."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.operator import ANN, Operator
from tests.e2e.served import Served, until


def titles(operator: Operator, user: str) -> dict[str | None, str]:
    return {view.text("Subject"): view.id for view in operator.sandbox.mailbox(user).items()}


def applied(operator: Operator, *arguments: str) -> str:
    said = operator.exsync("apply", *arguments, "-o", "json")
    assert said.code == 0, said.text
    told: dict[str, Any] = json.loads(said.out)
    return str(told["run"])


def bad_day(operator: Operator) -> str:
    """Somebody's script renames one appointment of Ann's and deletes another in the CRM, and Ann makes one in Outlook."""
    (one, _), (two, _) = operator.sql("SELECT id, subject FROM appointment WHERE owner_id = 1 ORDER BY id LIMIT 2")
    operator.sql("UPDATE appointment SET subject = 'Garbled' WHERE id = ?", one)
    operator.sql("UPDATE appointment SET deleted = 1 WHERE id = ?", two)
    operator.sandbox.mailbox(ANN).create(
        Subject="From Outlook", Start="2026-12-01T09:00:00Z", End="2026-12-01T10:00:00Z"
    )
    return applied(operator, ANN)


def test_a_run_is_shown_taken_back_and_the_undo_undone(operator: Operator) -> None:
    operator.ready()
    operator.exsync("run", "--once")
    before = set(titles(operator, ANN))
    run = bad_day(operator)
    after, rows, written = set(titles(operator, ANN)), operator.appointments(), operator.remote_writes()
    assert "Garbled" in after

    shown = operator.exsync("undo", run[:8])
    assert shown.code == 0, shown.text
    assert "Garbled" in shown.out
    assert "--apply" in shown.out
    assert (operator.remote_writes(), operator.appointments()) == (written, rows)

    done = operator.exsync("undo", run[:8], "--apply", "-o", "json")
    assert done.code == 0, done.text
    assert set(titles(operator, ANN)) == before | {"From Outlook"}
    assert operator.sql("SELECT deleted FROM appointment WHERE subject = 'From Outlook'") == [(1,)]
    assert operator.exsync("plan", "--exit-code", ANN).code == 0
    assert operator.sandbox.mails_sent == []

    undone = json.loads(done.out)["run"]
    assert operator.exsync("undo", undone[:8], "--apply", "--allow-deletes").code == 0
    assert set(titles(operator, ANN)) == after
    again = operator.exsync("undo", run[:8])
    assert "taken back before" in again.out


def test_a_later_edit_is_a_conflict_and_stays(operator: Operator) -> None:
    """B-62: its losing value is the one from before the run, and is restored like any other."""
    operator.ready()
    operator.exsync("run", "--once")
    [(key, subject)] = operator.sql("SELECT id, subject FROM appointment WHERE owner_id = 1 LIMIT 1")
    operator.sql("UPDATE appointment SET subject = 'Garbled' WHERE id = ?", key)
    run = applied(operator, ANN)
    operator.sandbox.mailbox(ANN).edit(titles(operator, ANN)["Garbled"], Subject="Mended by Ann")
    said = operator.exsync("undo", run[:8], "--apply")
    assert said.code == 0, said.text
    assert "Mended by Ann" in titles(operator, ANN)
    [conflict] = json.loads(operator.exsync("conflicts", "list", "-o", "json").out)
    assert (conflict["policy"], conflict["crm"]) == ("undo", {"title": subject})
    assert operator.exsync("apply", ANN).code == 0
    assert operator.sql("SELECT subject FROM appointment WHERE id = ?", key) == [("Mended by Ann",)]


def test_a_running_service_takes_a_run_back(operator: Operator) -> None:
    operator.ready()
    with Served(operator) as served:
        served.idle()
        [(key, subject)] = operator.sql("SELECT id, subject FROM appointment WHERE owner_id = 1 LIMIT 1")
        operator.sql("UPDATE appointment SET subject = 'Garbled' WHERE id = ?", key)
        until("the service has sent it", lambda: "Garbled" in titles(operator, ANN))
        served.idle()
        [run] = [line["run_id"] for line in served.log("pass.done") if line["counts"] == {"target.update": 1}]
        [item] = json.loads(operator.exsync("explain", str(key), "--link", ANN, "-o", "json").out)["items"]
        assert item["ledger"][0]["run"] == run
        assert "Garbled" in operator.exsync("undo", run).out
        said = operator.exsync("undo", run, "--apply")
        assert said.code == 0, said.text
        assert str(subject) in titles(operator, ANN)
        [act] = [act for act in served.remote.get("/api/v1/acts")["acts"] if act["what"] == "undo"]
        assert act["subject"] == f"run {run}"

        # Both sides now differ as it was agreed, so no pass changes that; a snapshot ends it (B-70).
        assert "Garbled" in operator.exsync("snapshot", "send", ANN).out
        said = operator.exsync("snapshot", "send", ANN, "--apply", "--items", "single")
        assert said.code == 0, said.text
        assert "Garbled" in titles(operator, ANN)
        acts = served.remote.get("/api/v1/acts")["acts"]
        assert [act["subject"] for act in acts if act["what"] == "snapshot send"] == [ANN]
        assert served.stop() == 0
