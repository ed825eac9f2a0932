"""Values for the tests of the state, and a clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runner.model.record import Fields
from runner.model.state import Base, Conflict, Intent, LedgerEntry, Pairing, Quarantined, Resolution, RunRecord
from runner.model.terms import Entity, Operation, Side

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = "hq/ann.lee@example.com/calendar"
BOB = "hq/bob.ray@example.com/calendar"
NASTY = 'ünï \'\'" \\ \n\t \x00 \x1f \u2028 🗓 {"a": [1]}'

RECORD: Fields = {
    "title": "Budget " + NASTY,
    "description": None,
    "priority": 5,
    "show_without_time": False,
    "keywords": ("b", "a", NASTY),
    "start": "2026-03-29T10:00:00",
}


class StillClock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds - 1000)

    def monotonic(self) -> float:
        return self.seconds


def pairing(number: int, link: str = ANN, **changes: object) -> Pairing:
    """A pairing with all columns filled and different bases."""
    values: dict[str, object] = {
        "crm_version": f"{number}",
        "target_version": f"DwAAABYAAAB{number:05d}",
        "stamp": f"stamp{number:021d}",
        "native": f"040000008200E00074C5B7101A82E008{number:08d}",
        "base": Base(crm=RECORD, target={**RECORD, "location": "Room 1"}),
    }
    values.update(changes)
    return Pairing(link, Entity.SCHEDULE_ITEM, f"c{number}", f"AAMkADRm{number:030d}", **values)  # type: ignore[arg-type]


def intent(token: str, link: str = ANN) -> Intent:
    return Intent(
        token=token,
        link=link,
        side=Side.TARGET,
        operation=Operation.CREATE,
        key=None,
        source_key="c1",
        record=RECORD,
        fields=frozenset({"title", "start"}),
        native="uid-1",
        run="run-1",
        at=NOW,
    )


def entry(operation: Operation = Operation.CREATE, link: str = ANN, at: datetime = NOW) -> LedgerEntry:
    return LedgerEntry(
        run="run-1",
        link=link,
        side=Side.CRM,
        operation=operation,
        key="c1",
        counterpart="t1",
        before=None,
        after=RECORD,
        reason="new on the target",
        rule="hq.yaml:3:1",
        at=at,
    )


def conflict(name: str, link: str = ANN, **changes: object) -> Conflict:
    values: dict[str, object] = {
        "id": name,
        "link": link,
        "crm_key": "c1",
        "target_key": "t1",
        "field": "title",
        "base": {"title": "a"},
        "crm": {"title": "b"},
        "target": {"title": "c", "keywords": ("x", "y")},
        "policy": "manual",
        "winner": None,
        "rule": "hq.yaml:9:3",
        "run": "run-1",
        "at": NOW,
        "crm_modified": NOW - HOUR,
    }
    values.update(changes)
    return Conflict(**values)  # type: ignore[arg-type]


def resolution(name: str, link: str = ANN, take: str = "crm") -> Resolution:
    return Resolution(
        conflict=name, link=link, crm_key="c1", target_key=None, field="title", take=take, values={"title": "b"}, at=NOW
    )


def aside(key: str, link: str = ANN, side: Side = Side.TARGET, tries: int = 1) -> Quarantined:
    return Quarantined(
        link=link,
        side=side,
        key=key,
        code="zone-unknown",
        reason="unknown time zone",
        first_at=NOW,
        last_at=NOW,
        tries=tries,
        next_try=None,
    )


def run(name: str, link: str = ANN) -> RunRecord:
    return RunRecord(
        run=name,
        link=link,
        started=NOW - HOUR,
        finished=NOW,
        outcome="done",
        counts={"crm.create": 3},
        message=None,
    )
