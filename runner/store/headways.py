"""Snapshots by slices in the state: one row per link, moved on as the snapshot is, and the changes that were approved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from runner.model.errands import Items, Range, Snapshot
from runner.model.headway import Headway, Stage
from runner.model.terms import Side
from runner.store.connection import Connection
from runner.store.rows import aware, stored, text_of
from runner.store.tables import TABLES, columns_of, delete, insert, listed

_MOVING = [name for name, _ in TABLES["headway"]][5:]
"""The columns that a slice changes."""
_SELECT = f"SELECT {columns_of('headway')} FROM headway"  # noqa: S608 - names are ours


def keep(
    con: Connection,
    headways: Sequence[Headway],
    new_id: Callable[[], int],
    link_id: Callable[[str], int],
) -> None:
    """Begin these snapshots, or move them on. One that has ended is not moved by its own run any more: it was stopped."""
    for one in headways:
        number = link_id(one.link)
        known = con.execute("SELECT run, finished FROM headway WHERE link_id = ?", [number]).fetchone()
        if known is None or known[0] != one.run:
            delete(con, "headway", "link_id", [number])
            insert(con, "headway", [(new_id(), number, one.run, _told(one.errand), stored(one.started), *_moved(one))])
        elif known[1] is None:
            changes = ", ".join(f"{name} = ?" for name in _MOVING)
            con.execute(f"UPDATE headway SET {changes} WHERE link_id = ?", [*_moved(one), number]).fetchall()  # noqa: S608
        if one.finished is not None:
            delete(con, "approval", "link_id", [number])


def approve(
    con: Connection,
    approved: Iterable[tuple[str, frozenset[str]]],
    new_id: Callable[[], int],
    link_id: Callable[[str], int],
) -> None:
    """Keep the changes that these links' snapshots may make."""
    for link, prints in approved:
        number = link_id(link)
        delete(con, "approval", "link_id", [number])
        insert(con, "approval", [(new_id(), number, listed(sorted(prints)))])


def headways(con: Connection, name: Callable[[int], str]) -> dict[str, Headway]:
    """Every snapshot by slices that has not come to its end, by link."""
    rows = con.execute(f"{_SELECT} WHERE finished IS NULL ORDER BY id").fetchall()
    return {name(row[1]): _headway(name(row[1]), *row[2:]) for row in rows}


def headway(con: Connection, link: str, link_id: int) -> Headway | None:
    """A link's newest snapshot by slices."""
    row = con.execute(f"{_SELECT} WHERE link_id = ?", [link_id]).fetchone()
    return None if row is None else _headway(link, *row[2:])


def approved(con: Connection, link_id: int) -> frozenset[str] | None:
    """Fingerprints of the changes that a link's snapshot may make; None: all."""
    row = con.execute("SELECT prints FROM approval WHERE link_id = ?", [link_id]).fetchone()
    return None if row is None else frozenset(json.loads(row[0]))


def _moved(one: Headway) -> tuple[Any, ...]:
    return (
        stored(one.go_on),
        one.stage.value,
        listed(one.cursor),
        one.done,
        one.due,
        one.rounds,
        one.again,
        text_of(one.wanted),
        text_of(one.counts),
        stored(one.finished),
        one.reason,
    )


def _headway(link: str, run: str, errand: str, started: datetime, go_on: datetime, *rest: Any) -> Headway:
    stage, cursor, done, due, rounds, again, wanted, counts, finished, reason = rest
    return Headway(
        link=link,
        run=run,
        errand=_read(json.loads(errand)),
        started=aware(started) or started,
        go_on=aware(go_on) or go_on,
        stage=Stage(stage),
        cursor=tuple(json.loads(cursor)),
        done=done,
        due=due,
        rounds=rounds,
        again=again,
        wanted=json.loads(wanted),
        counts=json.loads(counts),
        finished=aware(finished),
        reason=reason,
    )


def _told(errand: Snapshot) -> str:
    ends = {name: [_text(end.since), _text(end.until)] for name, end in _ranges(errand).items()}
    rest = {"giver": errand.giver.value, "items": errand.items.value, "deletes": errand.deletes}
    return text_of({**ends, **rest, "scheduled": errand.scheduled, "rate": errand.rate})


def _ranges(errand: Snapshot) -> dict[str, Range]:
    return {"modified": errand.modified, "start": errand.start}


def _read(told: dict[str, Any]) -> Snapshot:
    return Snapshot(
        giver=Side(told["giver"]),
        modified=Range(*map(_moment, told["modified"])),
        start=Range(*map(_moment, told["start"])),
        items=Items(told["items"]),
        deletes=told["deletes"],
        scheduled=told["scheduled"],
        rate=told["rate"],
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
