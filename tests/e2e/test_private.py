"""Canaries in every field of private items, and a search for them in everything that the product leaves behind (B-35)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from runner.sandbox.wire import Fragment
from tests.e2e.operator import ANN, BOB, Operator, Said

CANARY = "Canary-7c1e"
COMMANDS = ("status -o json", "conflicts list -o json", "quarantine list", "plan", "plan -o json")


def everywhere(operator: Operator, said: list[Said]) -> list[str]:
    """Where a canary was found: files below the operator's home, their bytes, and what commands said."""
    files = [path for path in operator.home.rglob("*") if path.is_file()]
    found = [str(path) for path in files if CANARY.lower().encode() in path.read_bytes().lower()]
    return found + [one.text for one in said if CANARY.lower() in one.text.lower()]


def private_item(operator: Operator, user: str) -> str:
    """An appointment with a canary in every field that its user can write."""
    return operator.sandbox.mailbox(user).create(
        Subject=f"{CANARY} subject",
        Body=f"{CANARY} body",
        Location=f"{CANARY} location",
        Categories=[f"{CANARY} category"],
        Sensitivity="Private",
        Start="2026-12-01T09:00:00Z",
        End="2026-12-01T10:00:00Z",
        RequiredAttendees=[f"{CANARY}@example.com".lower()],
    )


def dumped(operator: Operator) -> str:
    """Everything that the state's tables say."""
    with duckdb.connect(str(operator.state), read_only=True) as state:
        tables = [name for (name,) in state.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return "\n".join(str(state.execute(f'SELECT * FROM "{name}"').fetchall()) for name in tables)  # noqa: S608


@pytest.mark.parametrize("policy", ["busy_only", "skip"])
def test_what_an_item_said_before_it_became_private_is_nowhere_any_more(operator: Operator, policy: str) -> None:
    """B-35: an appointment and a series with an exception, synchronised while they were open to all. Afterwards their words
    are in no byte of the CRM's file, free pages included, in no table of the state, in none of the state file's bytes once it
    was opened anew, and in nothing that commands say."""
    operator.replace("targets.d/sandbox.yaml", "defaults:\n", f"defaults:\n  private: {policy}\n")
    assert operator.typed("target", "ddl", "crm", "--apply").code == 0
    ann = operator.sandbox.mailbox(ANN)
    start = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=2)
    words = {"Subject": f"{CANARY} subject", "Body": f"{CANARY} body " * 400, "Location": f"{CANARY} location"}
    times = {"Start": start, "End": start + timedelta(hours=1)}
    rule = (
        "<t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence>"
        f"<t:StartDate>{start.date()}</t:StartDate><t:NumberOfOccurrences>5</t:NumberOfOccurrences></t:NumberedRecurrence>"
    )
    single = ann.create(**words, **times)
    series = ann.create(**words, **times, Recurrence=Fragment(rule))
    day = start.date() + timedelta(days=1)
    ann.edit_occurrence(series, day, Subject=f"{CANARY} of one day", Location=f"{CANARY} elsewhere")
    said = [operator.typed("run", "--once")]
    operator.sql("UPDATE appointment SET notes = notes || ' and more' WHERE subject LIKE ?", f"{CANARY}%")
    said.append(operator.typed("run", "--once"))
    assert CANARY.encode() in operator.crm_file.read_bytes()
    assert CANARY in dumped(operator)
    for item in (single, series):
        ann.edit(item, Sensitivity="Private")
    said = [operator.typed("run", "--once"), operator.typed("run", "--once")]
    said += [operator.typed(*command.split()) for command in ("status -o json", "ledger list -o json")]
    assert [one.text for one in said if one.code != 0] == []
    assert [one.text for one in said if CANARY in one.text] == []
    assert CANARY not in dumped(operator)
    assert everywhere(operator, said) == []
    assert operator.sql("SELECT count(*) FROM appointment_occurrence WHERE subject LIKE ?", f"{CANARY}%") == [(0,)]
    held = operator.crm_file.read_bytes()
    assert held.count(CANARY.encode()) == 0
    assert str(ann.occurrence(series, day).props["Subject"]) == f"{CANARY} of one day"


def test_no_canary_is_left_anywhere(operator: Operator) -> None:
    """B-35: busy_only for Ann, skip for Bob; CRM file, state file, and what every command says, as text and as JSON."""
    operator.replace(
        "targets.d/sandbox.yaml", "defaults:\n", "defaults:\n  private: busy_only\n  private_meetings: true\n"
    )
    operator.replace("targets.d/sandbox.yaml", "{conflict: target_wins}", "{conflict: target_wins, private: skip}")
    operator.ready()
    items = {user: private_item(operator, user) for user in (ANN, BOB)}
    said = [operator.exsync("plan", "-o", "json"), operator.exsync("run", "--once")]
    for user, item in items.items():
        operator.sandbox.mailbox(user).edit(item, Subject=f"{CANARY} edited", Start="2026-12-01T09:30:00Z")
    said += [operator.exsync(*command.split()) for command in COMMANDS]
    said.append(operator.exsync("run", "--once", "-o", "json"))
    assert [one.text for one in said if one.code != 0] == []
    assert everywhere(operator, said) == []
    rows = operator.sql("SELECT notes, location, categories, starts_at FROM appointment WHERE subject = 'Private'")
    assert rows == [(None, None, None, "2026-12-01 09:30:00")]
