"""The ledger of every write: read it, prove that it is whole, drop its oldest rows (P17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runner.model.state import LedgerEntry
from runner.model.terms import Operation, Side
from runner.store.chain import FORGOTTEN, content_of, link_of
from runner.store.connection import Connection
from runner.store.rows import Row, fields_of, stored
from runner.store.tables import columns_of

_PAGE = 2000
_MOST_BREAKS = 50


@dataclass(frozen=True, slots=True)
class Break:
    """One place where the ledger is not what was written: the entry's number, and what is wrong with it."""

    number: int
    what: str


@dataclass(slots=True)
class LedgerProof:
    """What a check of the whole ledger found."""

    head: str
    """The chain's last link: note it elsewhere, and a later check can show that nothing up to here was rewritten."""
    begins_after: int = 0
    """The number of the last entry that the chain does not cover."""
    entries: int = 0
    """Entries whose link and values were recomputed and agree."""
    forgotten: int = 0
    """Of those, entries whose values were forgotten because their item became private (B-35)."""
    older: int = 0
    """Entries from before the chain was introduced: nothing can be said about them."""
    pruned: int = 0
    """Entries that were dropped by ``ledger prune``."""
    breaks: list[Break] = field(default_factory=list)
    unfound: bool = False
    """The head that was asked for is not in the chain."""

    @property
    def whole(self) -> bool:
        """Whether nothing was changed, taken out, added or swapped."""
        return not self.breaks and not self.unfound


def entries(
    con: Connection,
    names: Mapping[int, str],
    *,
    link_id: int | None,
    run: str | None,
    key: str | None,
    before: int,
    limit: int,
) -> list[LedgerEntry]:
    """Entries with a number below ``before`` (0: any), newest first."""
    conditions, values = ["operation <> ?"], [FORGOTTEN]
    wanted: tuple[tuple[str, object], ...] = (("link_id = ?", link_id), ("run = ?", run), ("id < ?", before or None))
    for condition, value in wanted:
        if value is not None:
            conditions.append(condition)
            values.append(value)  # type: ignore[arg-type]
    if key is not None:
        conditions.append("(key = ? OR counterpart = ?)")
        values += [key, key]
    return [
        LedgerEntry(
            run=row[2],
            link=names[row[1]],
            side=Side(row[3]),
            operation=Operation(row[4]),
            key=row[5],
            counterpart=row[6],
            before=fields_of(row[7]),
            after=fields_of(row[8]),
            reason=row[9],
            rule=row[10],
            at=row[11].replace(tzinfo=UTC),
            id=row[0],
        )
        for row in con.execute(
            f"SELECT {columns_of('ledger')} FROM ledger WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",  # noqa: S608
            [*values, limit],
        ).fetchall()
    ]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of the ledger in order of id, and the head that the state knows at that moment."""

    rows: list[Row]
    head: str
    last: bool


def beginning(con: Connection) -> LedgerProof:
    """Where the chain begins, as a proof that has looked at nothing yet."""
    [(begin, chain, pruned)] = con.execute("SELECT last_id, chain, pruned FROM ledger_anchor").fetchall()
    [(older,)] = con.execute("SELECT count(*) FROM ledger WHERE id <= ?", [begin]).fetchall()
    return LedgerProof(chain, begins_after=begin, older=older, pruned=pruned)


def page(con: Connection, after: int) -> Page:
    """The next rows after an id."""
    rows = con.execute(
        f"SELECT {columns_of('ledger')} FROM ledger WHERE id > ? ORDER BY id LIMIT {_PAGE}",  # noqa: S608
        [after],
    ).fetchall()
    [(head,)] = con.execute("SELECT ledger_head FROM state").fetchall()
    whole = [(*row[:11], row[11].isoformat(), *row[12:]) for row in rows]
    return Page(whole, head, last=len(rows) < _PAGE)


def verified(proof: LedgerProof, pages: Callable[[int], Page], noted: str | None) -> LedgerProof:
    """Recompute the chain page by page (others may write in between). ``noted``: a head from an earlier check that must
    still be part of it."""
    previous, last, complete = proof.head, proof.begins_after, False
    emptied: dict[int, Row] = {}
    found = noted in {None, previous}
    while not complete:
        read = pages(last)
        complete, proof.head = read.last, read.head
        for row in read.rows:
            last = row[0]
            _check(proof, row, previous, emptied)
            previous = row[14] or ""
            found = found or previous == noted
    for number in emptied:
        _note(proof, number, "its values were taken out, and no entry says that they were to be forgotten")
    if previous != proof.head:
        _note(proof, last, "entries after it are missing: the chain ends before the head that the state knows")
    proof.unfound = not found
    return proof


def _check(proof: LedgerProof, row: Row, previous: str, emptied: dict[int, Row]) -> None:
    number, salt, content, link = row[0], *row[12:15]
    if link != link_of(previous, row, content or ""):
        _note(proof, number, "it is not what was written, or an entry before it is missing, added or moved")
    elif salt is None and row[7] is None and row[8] is None:
        emptied[number] = row
    elif salt is None or content_of(salt, row[7], row[8]) != content:
        _note(proof, number, "its values are not what was written")
    if row[4] != FORGOTTEN:
        proof.entries += 1
        return
    keys = {row[5], row[6]}
    for one in [one for one in emptied.values() if one[1] == row[1] and keys & {one[5], one[6]}]:
        proof.forgotten += 1
        del emptied[one[0]]


def _note(proof: LedgerProof, number: int, what: str) -> None:
    if len(proof.breaks) < _MOST_BREAKS:
        proof.breaks.append(Break(number, what))


def prune(con: Connection, before: datetime) -> int:
    """Drop the oldest entries, up to the first that was written at ``before`` or later; the chain then begins after them.
    Within an open transaction; returns how many entries were dropped."""
    [(end,)] = con.execute(
        "SELECT coalesce((SELECT min(id) FROM ledger WHERE written_at >= ?::TIMESTAMP), "
        "(SELECT max(id) + 1 FROM ledger), 0)",
        [stored(before)],
    ).fetchall()
    last = con.execute("SELECT id, chain FROM ledger WHERE id < ? ORDER BY id DESC LIMIT 1", [end]).fetchall()
    if not last:
        return 0
    [(number, chain)] = last
    [(dropped,)] = con.execute("SELECT count(*) FROM ledger WHERE id <= ?", [number]).fetchall()
    con.execute("DELETE FROM ledger WHERE id <= ?", [number]).fetchall()
    con.execute(
        "UPDATE ledger_anchor SET last_id = greatest(last_id, ?), chain = coalesce(?, chain), pruned = pruned + ?",
        [number, chain, dropped],
    ).fetchall()
    return int(dropped)
