"""Canaries in every field of private items, and a search for them in everything that the product leaves behind (B-35)."""

from __future__ import annotations

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
