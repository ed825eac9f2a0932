"""The invitation firewall (B-42): the table, the letters, the budgets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runner.model.meetings import MailKind, MailStatus
from runner.model.record import Value
from runner.model.terms import Notice, Operation, Side
from runner.reconcile.decision import Change, Clash, Decision
from runner.reconcile.firewall import (
    Fate,
    Judgement,
    Letter,
    MailPolicy,
    Occasion,
    Spent,
    is_past,
    judge,
    letter_of,
    settles_a_conflict,
)

ALL = MailPolicy(send=frozenset(MailKind), per_run=10, per_user=20, per_day=30, rule="t.yaml:9:3")
UPDATE = Letter(MailKind.UPDATE, 3, Notice.EVERYBODY)
BOB, EVE = {"bob@example.com": "required"}, {"eve@customer.example": "optional"}
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "occasion", "spent", "fate"),
    [
        (MailPolicy(), Occasion(), Spent(), Fate.SILENT),
        (MailPolicy(send=frozenset({MailKind.INVITATION})), Occasion(), Spent(), Fate.SILENT),
        (ALL, Occasion(status=MailStatus.DROPPED), Spent(), Fate.SILENT),
        (ALL, Occasion(first=True), Spent(), Fate.SILENT),
        (ALL, Occasion(past=True), Spent(), Fate.SILENT),
        (ALL, Occasion(conflict=True), Spent(), Fate.SILENT),
        (ALL, Occasion(again=True), Spent(), Fate.SILENT),
        (ALL, Occasion(status=MailStatus.SENDING), Spent(), Fate.SILENT),
        (ALL, Occasion(status=MailStatus.RELEASED), Spent(run=99, user=99, day=99), Fate.SEND),
        (ALL, Occasion(first=True, status=MailStatus.RELEASED), Spent(), Fate.SILENT),
        (ALL, Occasion(), Spent(run=7), Fate.SEND),
        (ALL, Occasion(), Spent(run=8), Fate.HOLD),
        (ALL, Occasion(), Spent(user=17), Fate.SEND),
        (ALL, Occasion(), Spent(user=18), Fate.HOLD),
        (ALL, Occasion(), Spent(day=27), Fate.SEND),
        (ALL, Occasion(), Spent(day=28), Fate.HOLD),
        (ALL, Occasion(status=MailStatus.HELD), Spent(), Fate.HOLD),
        (MailPolicy(frozenset(MailKind), None, None, None), Occasion(), Spent(10**6, 10**6, 10**6), Fate.SEND),
    ],
)
def test_the_first_line_that_fits_decides(policy: MailPolicy, occasion: Occasion, spent: Spent, fate: Fate) -> None:
    """B-42."""
    assert judge(UPDATE, policy, occasion, spent).fate is fate


def test_budgets_count_people() -> None:
    """One invitation to 800 is 800."""
    crowd = Letter(MailKind.INVITATION, 800, Notice.EVERYBODY)
    judged = judge(crowd, MailPolicy(send=frozenset(MailKind)), Occasion(), Spent())
    assert judged == Judgement(Fate.HOLD, "800 more than 0 mailed is over per_run: 50")


def test_what_cannot_be_silent_is_held() -> None:
    judged = judge(UPDATE, MailPolicy(), Occasion(), Spent(), can_be_silent=False)
    assert judged.fate is Fate.HOLD


def change(operation: Operation, before: object, after: object, *fields: str, side: Side = Side.TARGET) -> Change:
    held: dict[str, Value] | None = None if operation is Operation.CREATE else {"participants": before}  # type: ignore[dict-item]
    values: dict[str, Value] = {"participants": after}  # type: ignore[dict-item]
    return Change(side, operation, values, frozenset(fields), held, "", "")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (change(Operation.CREATE, None, BOB | EVE), Letter(MailKind.INVITATION, 2, Notice.EVERYBODY)),
        (change(Operation.CREATE, None, None), None),
        (change(Operation.DELETE, BOB, None), Letter(MailKind.CANCELLATION, 1, Notice.EVERYBODY)),
        (change(Operation.DELETE, None, None), None),
        (change(Operation.UPDATE, BOB, BOB, "title"), Letter(MailKind.UPDATE, 1, Notice.EVERYBODY)),
        (change(Operation.UPDATE, BOB, BOB, "privacy", "keywords", "free_busy_status", "alert"), None),
        (change(Operation.UPDATE, BOB, BOB | EVE, "participants"), Letter(MailKind.UPDATE, 1, Notice.CHANGED)),
        (change(Operation.UPDATE, BOB, EVE, "participants"), Letter(MailKind.UPDATE, 2, Notice.CHANGED)),
        (change(Operation.UPDATE, BOB, EVE, "participants", "start"), Letter(MailKind.UPDATE, 2, Notice.EVERYBODY)),
        (change(Operation.UPDATE, None, None, "title"), None),
        (change(Operation.UPDATE, BOB, BOB, "title", side=Side.CRM), None),
    ],
)
def test_what_a_write_would_tell(made: Change, expected: Letter | None) -> None:
    assert letter_of(made) == expected


@pytest.mark.parametrize(
    ("record", "past"),
    [
        ({"start": "2026-11-27T10:00:00", "duration": "PT1H", "time_zone": "Etc/UTC"}, True),
        ({"start": "2026-11-27T11:30:00", "duration": "PT1H", "time_zone": "Etc/UTC"}, False),
        ({"start": "2026-01-01T10:00:00", "duration": "PT1H", "recurrence_rule": "FREQ=DAILY"}, False),
        ({"start": "2026-01-01T10:00:00", "duration": "PT1H", "recurrence_rule": "FREQ=DAILY;UNTIL=20261126"}, True),
        ({}, False),
    ],
)
def test_what_is_over(record: dict[str, Value], past: bool) -> None:
    assert is_past(record, NOW, "Etc/UTC") is past


@pytest.mark.parametrize(
    ("winner", "settled", "silent"),
    [(Side.CRM, False, True), (None, True, True), (Side.TARGET, False, False), (None, False, False)],
)
def test_a_conflict_that_overrules_the_targets_user_is_never_mailed(
    winner: Side | None, settled: bool, silent: bool
) -> None:
    clash = Clash("title", None, None, None, "crm_wins", winner, "m:1:1", settled)
    assert settles_a_conflict(Decision(clashes=(clash,))) is silent
