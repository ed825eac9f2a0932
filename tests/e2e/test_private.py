"""Canaries in every field of private items, and a search for them in everything that the product leaves behind (B-35)."""

from __future__ import annotations

import pytest

from tests.e2e.operator import ANN, Operator, Said

CANARY = "Canary-7c1e"
COMMANDS = (
    *("plan", "status", "status -o json", "plan -o json", "conflicts list", "conflicts list -o json"),
    *("quarantine list", "quarantine list -o json", "show plan", "show links -o json", "show config"),
)


def everywhere(operator: Operator, said: list[Said]) -> list[str]:
    """Where a canary was found: files below the operator's home, their bytes, and what commands said."""
    files = [path for path in operator.home.rglob("*") if path.is_file()]
    found = [str(path) for path in files if CANARY.encode() in path.read_bytes()]
    return found + [one.text for one in said if CANARY in one.text]


def private_item(operator: Operator, name: str = CANARY) -> str:
    """An appointment of Ann's with a canary in every field that she can write."""
    return operator.sandbox.mailbox(ANN).create(
        Subject=f"{name} subject",
        Body=f"{name} body",
        Location=f"{name} location",
        Categories=[f"{name} category"],
        Sensitivity="Private",
        Start="2026-12-01T09:00:00Z",
        End="2026-12-01T10:00:00Z",
        RequiredAttendees=[f"{name}@example.com".lower()],
    )


@pytest.mark.parametrize("policy", ["busy_only", "skip"])
def test_no_canary_is_left_anywhere(operator: Operator, policy: str) -> None:
    """B-35: CRM file, state file, plan, run, status, conflicts, quarantine, show, as text and as JSON."""
    settings = f"defaults:\n  private: {policy}\n  private_meetings: true\n"
    operator.replace("targets.d/sandbox.yaml", "defaults:\n", settings)
    operator.ready()
    item = private_item(operator)
    said = [operator.exsync(*command.split()) for command in ("plan -o json", "run --once", *COMMANDS)]
    operator.sandbox.mailbox(ANN).edit(item, Subject=f"{CANARY} edited", Start="2026-12-01T09:30:00Z")
    said += [operator.exsync("run", "--once", "-o", "json"), operator.exsync("plan")]
    assert [one.text for one in said if one.code != 0] == []
    assert everywhere(operator, said) == []
    rows = operator.sql("SELECT notes, location, categories, starts_at FROM appointment WHERE subject = 'Private'")
    assert rows == ([(None, None, None, "2026-12-01 09:30:00")] if policy == "busy_only" else [])
