"""Bad input: each mistake gets a message with place, meaning and remedy, the right exit code, no traceback, no write."""

from __future__ import annotations

import os
import sqlite3

import pytest

from runner.sandbox.exchange import Sandbox
from runner.store import open_store
from runner.testing.clock import FakeClock
from tests.e2e.operator import ANN, BOB, Operator, Said


@pytest.fixture
def ready(operator: Operator) -> Operator:
    return operator.ready()


def refused(operator: Operator, said: Said, code: int, *words: str) -> None:
    """The command ended with this code, said these words, and nothing was written to the target."""
    assert said.code == code, said.text
    for word in words:
        assert word in said.text
    assert operator.remote_writes() == 0


def test_a_typo_in_a_mapping(operator: Operator) -> None:
    operator.replace("mappings/schedule_item.yaml", "{crm: subject,", "{crm: subjct,")
    refused(operator, operator.exsync("run", "--once"), 78, "schedule_item.yaml:8:", "subjct", "did you mean 'subject'")


def test_three_mistakes_are_told_at_once(operator: Operator) -> None:
    operator.replace("targets.d/sandbox.yaml", "access: impersonation", "acess: impersonation")
    operator.replace("targets.d/sandbox.yaml", "mapping: schedule_item", "mapping: shedule_item")
    operator.replace("targets.d/sandbox.yaml", "conflict: crm_wins", "conflict: crm_win")
    said = operator.exsync("validate")
    refused(operator, said, 78, "acess", "shedule_item", "crm_win")
    assert said.text.count("error[") >= 3
    assert "sandbox.yaml:7:1" in said.text


def test_a_secret_that_is_not_there(ready: Operator) -> None:
    del ready.environ["EXSYNC_SANDBOX_PASSWORD"]
    refused(ready, ready.exsync("run", "--once"), 64, "EXSYNC_SANDBOX_PASSWORD", "sandbox.yaml:6:")


def test_a_wrong_password_is_tried_once(ready: Operator) -> None:
    """C3: no second log-on, not even for the target's other links."""
    ready.environ["EXSYNC_SANDBOX_PASSWORD"] = "wrong-and-secret"
    said = ready.exsync("run", "--once")
    refused(ready, said, 77, "skipped", "log-on")
    assert "wrong-and-secret" not in said.text
    assert len(ready.sandbox.requests) <= 1


def test_a_server_that_is_not_there(ready: Operator) -> None:
    ready.sandbox.stop()
    said = ready.exsync("run", "--once")
    assert said.code == 69, said.text
    assert "127.0.0.1" in said.text


def test_a_table_that_is_missing(ready: Operator) -> None:
    ready.sql("DROP TABLE crm_user_email")
    said = ready.exsync("run", "--once")
    assert said.code != 0
    refused(ready, said, said.code, "crm_user_email", "what to do")


def test_a_crm_without_our_tables(operator: Operator) -> None:
    said = operator.exsync("run", "--once")
    assert said.code != 0
    refused(operator, said, said.code, "exsync target ddl")


def test_a_damaged_state_is_kept(ready: Operator) -> None:
    """A7."""
    assert ready.exsync("run", "--once").code == 0
    written = ready.remote_writes()
    ready.state.write_bytes(ready.state.read_bytes()[:5000])
    damaged = ready.state.read_bytes()
    said = ready.exsync("run", "--once")
    assert said.code == 74, said.text
    assert str(ready.state) in said.text
    assert ready.state.read_bytes() == damaged
    assert ready.remote_writes() == written


def test_a_state_that_another_runner_owns(ready: Operator) -> None:
    """A10."""
    from datetime import UTC, datetime

    ready.state.parent.mkdir()
    store = open_store(ready.state, clock=FakeClock(datetime(2026, 11, 24, tzinfo=UTC)))
    try:
        refused(ready, ready.exsync("run", "--once"), 75, str(os.getpid()))
    finally:
        store.close()


def test_a_link_that_nobody_knows(ready: Operator) -> None:
    refused(ready, ready.exsync("plan", "sandbox/ann.le@example.com/calendar"), 64, "did you mean", ANN)


def test_a_user_whom_the_crm_does_not_know_stops_his_link_only(ready: Operator) -> None:
    ready.replace("targets.d/sandbox.yaml", BOB, "nobody@example.com")
    said = ready.exsync("run", "--once")
    assert said.code == 64
    assert "nobody@example.com" in said.text
    assert len(ready.sandbox.mailbox(ANN).items()) > 0


def test_a_mailbox_outside_the_scope_stops_its_link_only(ready: Operator) -> None:
    with Sandbox(password="right", scope={BOB}) as narrow:
        narrow.add_mailbox(ANN)
        narrow.add_mailbox(BOB)
        ready.replace("targets.d/sandbox.yaml", ready.sandbox.url, narrow.url)
        said = ready.exsync("run", "--once")
        assert said.code == 77, said.text
        assert narrow.mailbox(ANN).items() == []
        assert len(narrow.mailbox(BOB).items()) > 0


def test_a_mass_delete_is_stopped_and_allowed_once(ready: Operator) -> None:
    """B-101."""
    with sqlite3.connect(ready.crm_file) as connection:
        connection.executemany(
            "INSERT INTO appointment (subject, starts_at, ends_at, time_zone, all_day, owner_id) VALUES (?, ?, ?, ?, 0, 1)",
            [(f"Call {n}", "2026-12-01 09:00:00", "2026-12-01 10:00:00", "Europe/Vienna") for n in range(30)],
        )
    connection.close()
    assert ready.exsync("run", "--once").code == 0
    held = len(ready.sandbox.mailbox(ANN).items())
    ready.sql("UPDATE appointment SET deleted = 1 WHERE owner_id = 1 AND subject LIKE 'Call%'")
    said = ready.exsync("apply", ANN)
    assert said.code == 4, said.text
    assert "--allow-deletes" in said.text
    assert "sandbox.yaml:9" in said.text
    assert len(ready.sandbox.mailbox(ANN).items()) == held
    assert ready.exsync("apply", ANN, "--allow-deletes").code == 0
    assert len(ready.sandbox.mailbox(ANN).items()) == held - 30
