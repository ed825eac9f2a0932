"""``exsync audit``, ``link reset`` and ``forget`` with real commands, EWS over HTTP and SQL (B-100, B-73, B-74)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from runner.cli.audit import paced
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until


def test_both_sides_are_proven_equal_or_not_and_mended(operator: Operator) -> None:
    operator.ready()
    operator.exsync("run", "--once")
    assert operator.exsync("audit").code == 0
    links = json.loads(operator.exsync("status", "-o", "json").out)["links"]
    assert all(link["proven"] for link in links)

    # What no feed tells of: the trigger is gone for the moment of an edit.
    triggers = operator.sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'appointment'")
    for name, _ in triggers:
        operator.sql(f"DROP TRIGGER {name}")
    operator.sql("UPDATE appointment SET subject = 'Behind our back' WHERE id = 1")
    for _, statement in triggers:
        operator.sql(str(statement))
    assert "nothing written" in operator.exsync("run", "--once").out
    found = operator.exsync("audit", "--repair", "-o", "json")
    assert found.code == 2, found.text
    [one] = [one for link in json.loads(found.out)["links"] for one in link["found"]]
    assert (one["finding"], one["crm_key"]) == ("drift", "1")
    assert operator.exsync("run", "--once").code == 0
    titles = {view.text("Subject") for user in (ANN, BOB) for view in operator.sandbox.mailbox(user).items()}
    assert "Behind our back" in titles

    assert operator.exsync("link", "reset", BOB).code == 0
    assert "nothing written" in operator.exsync("run", "--once").out
    assert operator.exsync("audit").code == 0


def test_an_audit_that_was_killed_is_gone_on_with_by_the_next(operator: Operator) -> None:
    """B-100: nothing is proven by half of it, nothing was written, and nobody has to clear anything away."""
    operator.ready()
    operator.exsync("run", "--once")
    written = operator.remote_writes()
    operator.sandbox.requests.clear()
    killed = subprocess.Popen(
        [sys.executable, "-m", "runner", "audit", "--rate", "1"], env=operator.environ, stdout=subprocess.DEVNULL
    )
    until("it has looked at items", lambda: operator.sandbox.requests.count("GetItem"))
    killed.kill()
    assert killed.wait(10) == -signal.SIGKILL
    assert not any(link["proven"] for link in json.loads(operator.exsync("status", "-o", "json").out)["links"])
    assert operator.exsync("audit").code == 0
    assert all(link["proven"] for link in json.loads(operator.exsync("status", "-o", "json").out)["links"])
    assert written > operator.remote_writes() == 0


def test_a_link_that_left_is_forgotten_and_comes_back_without_duplicates(operator: Operator) -> None:
    operator.ready()
    operator.exsync("run", "--once")
    name, before = f"sandbox/{BOB}/calendar", operator.remote_writes()
    assert operator.exsync("forget", name, "--yes").code == 64
    text = (operator.home / "targets.d/sandbox.yaml").read_text()
    without = text[: text.index(f"- user: {BOB}")]
    (operator.home / "targets.d/sandbox.yaml").write_text(without)
    assert operator.exsync("run", "--once").code == 0
    assert operator.exsync("forget", name, "--yes").code == 0
    (operator.home / "targets.d/sandbox.yaml").write_text(text)
    assert operator.exsync("run", "--once").code == 0
    assert operator.remote_writes() == before
    assert operator.exsync("ledger", "verify").code == 0


def test_a_running_service_audits(operator: Operator) -> None:
    operator.ready()
    with Served(operator) as served:
        served.idle()
        said = operator.exsync("audit", ANN, "-o", "json")
        assert said.code == 0, said.text
        [link] = json.loads(said.out)["links"]
        assert link["counts"]["equal"] > 0
        assert link["proven"]

        begun, pauses = time.monotonic(), list[float]()
        told = paced(served.remote, {"links": [ANN], "anew": True, "repair": False}, 18, pauses.append)
        [again] = told["links"]
        assert (again["counts"], told["exit_code"]) == (link["counts"], 0)
        assert again["proven"] > link["proven"]
        assert len(pauses) > 1
        assert sum(pauses) == pytest.approx(60 * link["counts"]["looked"] / 18, rel=0.5)
        assert time.monotonic() - begun < sum(pauses)
        assert operator.exsync("audit", ANN, "--rate", "600").code == 0

        # Read anew by the pass that is asked for with it, and nothing made or deleted for it (B-74).
        written, name = operator.remote_writes(), f"sandbox/{ANN}/calendar"
        reads = sum(seen.operation == "SyncFolderItems" for seen in operator.sandbox.requests)
        assert operator.exsync("link", "reset", ANN).code == 0
        served.idle()
        assert operator.remote_writes() == written
        assert sum(seen.operation == "SyncFolderItems" for seen in operator.sandbox.requests) > reads
        acts = served.remote.get("/api/v1/acts")["acts"]
        assert [act["subject"] for act in acts if act["what"] == "reset"] == [f"link {name}"]
        assert served.stop() == 0
