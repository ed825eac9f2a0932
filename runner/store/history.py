"""What has happened, for people who look: passes, what they wrote, and how long it is kept. Looks hold up no pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from runner.model.state import LedgerEntry, RunRecord
from runner.model.terms import Operation, Side
from runner.store.chain import FORGOTTEN
from runner.store.duck import DuckStore
from runner.store.rows import fields_of, stored
from runner.store.tables import columns_of

_OLD = {
    "run": "finished < ?",
    "conflict": "found_at < ? AND (winner IS NOT NULL OR resolved_at IS NOT NULL)",
    "mail": "noted_at < ? AND status IN ('sent', 'failed', 'silent')",
}
"""What may go once it is old. The ledger stays: what was written can be looked up, and taken back, for ever."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which passes somebody wants to see; None and ``""`` stand for all."""

    link: str = ""
    """A link's name, or a part of it."""
    outcome: str = ""
    run: str = ""
    """How a run's id begins."""
    since: datetime | None = None
    until: datetime | None = None


class History:
    """The history tables of one state."""

    def __init__(self, store: DuckStore) -> None:
        self._store = store

    def passes(self, asked: Asked, *, limit: int, offset: int = 0) -> tuple[Sequence[RunRecord], int]:
        """The newest passes with an effect, newest first, and how many there are."""
        where, values = ["true"], list[object]()
        for clause, value in (
            ("contains(lower(link.name), lower(?))", asked.link),
            ("outcome = ?", asked.outcome),
            ("starts_with(run, ?)", asked.run),
            ("started >= ?::TIMESTAMP", stored(asked.since)),
            ("started < ?::TIMESTAMP", stored(asked.until)),
        ):
            if value:
                where.append(clause)
                values.append(value)
        source = f"FROM run JOIN link ON link.id = run.link_id WHERE {' AND '.join(where)}"
        columns = ", ".join(f"run.{name}" for name in columns_of("run").split(", "))
        with self._store.reading() as con:
            [(number,)] = con.execute(f"SELECT count(*) {source}", values).fetchall()
            rows = con.execute(
                f"SELECT link.name, {columns} {source} ORDER BY run.id DESC LIMIT ? OFFSET ?",
                [*values, limit, offset],
            ).fetchall()
        return [_run(row) for row in rows], int(number)

    def written(
        self, *, run: str = "", link: str = "", key: str = "", limit: int, offset: int = 0
    ) -> tuple[Sequence[LedgerEntry], int]:
        """What a run, or every pass of a link, or both, wrote; of one item with ``key``; newest first, and how many."""
        where, values = ["operation <> ?"], list[object]([FORGOTTEN])
        for clause, value in (("run = ?", run), ("link.name = ?", link)):
            if value:
                where.append(clause)
                values.append(value)
        if key:
            where.append("(key = ? OR counterpart = ?)")
            values += [key, key]
        source = f"FROM ledger JOIN link ON link.id = ledger.link_id WHERE {' AND '.join(where)}"
        names = "run, link.name, side, operation, key, counterpart, before_fields, after_fields"
        names += ", ledger.reason, rule, written_at"
        with self._store.reading() as con:
            [(number,)] = con.execute(f"SELECT count(*) {source}", values).fetchall()
            rows = con.execute(
                f"SELECT {names} {source} ORDER BY ledger.id DESC LIMIT ? OFFSET ?", [*values, limit, offset]
            ).fetchall()
        return [_entry(row) for row in rows], int(number)

    def standing(self) -> dict[str, int]:
        """How much waits for somebody: ``conflicts``, ``aside`` and ``mails``."""
        sql = (
            "SELECT (SELECT count(*) FROM conflict WHERE winner IS NULL AND resolved_at IS NULL), "
            "(SELECT count(*) FROM quarantine), (SELECT count(*) FROM mail WHERE status = 'held')"
        )
        with self._store.reading() as con:
            [(conflicts, aside, mails)] = con.execute(sql).fetchall()
        return {"conflicts": int(conflicts), "aside": int(aside), "mails": int(mails)}

    def forget(self, before: datetime) -> int:
        """Let history go that ended before an instant; what still waits for somebody stays. Returns how many rows went."""
        gone = 0
        for table, old in _OLD.items():
            with self._store.changing() as change:
                found = change.con.execute(f"DELETE FROM {table} WHERE {old} RETURNING id", [stored(before)]).fetchall()  # noqa: S608
            gone += len(found)
        return gone


def _run(row: tuple[object, ...]) -> RunRecord:
    link, _, _, run, started, finished, outcome, counts, message, code, waited = row
    return RunRecord(
        run=str(run),
        link=str(link),
        started=_aware(started),
        finished=_aware(finished),
        outcome=str(outcome),
        counts=json.loads(str(counts)),
        message=None if message is None else str(message),
        code=None if code is None else str(code),
        waited=waited if isinstance(waited, float) else None,
    )


def _entry(row: tuple[object, ...]) -> LedgerEntry:
    run, link, side, operation, key, counterpart, before, after, reason, rule, at = row
    return LedgerEntry(
        run=str(run),
        link=str(link),
        side=Side(str(side)),
        operation=Operation(str(operation)),
        key=str(key),
        counterpart=None if counterpart is None else str(counterpart),
        before=fields_of(None if before is None else str(before)),
        after=fields_of(None if after is None else str(after)),
        reason=str(reason),
        rule=str(rule),
        at=_aware(at),
    )


def _aware(moment: object) -> datetime:
    if not isinstance(moment, datetime):
        raise TypeError(f"{moment!r} is no instant")
    return moment.replace(tzinfo=UTC)
