"""One commit as set-based statements inside an open transaction. What ends goes first, then what begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from runner.model.meetings import Mail, Master
from runner.model.state import (
    Commit,
    Conflict,
    LedgerEntry,
    LinkState,
    Mark,
    Purge,
    Quarantined,
    Resolution,
    RunRecord,
    Scope,
    Suspension,
    earlier,
)
from runner.store import headways, intents, meetings, proofs
from runner.store.chain import FORGOTTEN, Chain
from runner.store.connection import Connection
from runner.store.rows import Row, Texts, aware, hash_of, pairing_row, stored, text_of
from runner.store.tables import among, delete, insert, listed, overwrite, unnest

_MOST_NOTED = 2048
"""Rows of open intents that are remembered: those of all links whose passes run at a time."""
_BECAME_PRIVATE = "the item became private: what was kept of its values is forgotten"


@dataclass(slots=True)
class Touched:
    """The links (by id) whose cached answers a commit makes stale."""

    marks: set[int] = field(default_factory=set)
    newest: dict[int, int] = field(default_factory=dict)
    """The highest mark of each link that got some: ids only grow."""
    pairings: set[int] = field(default_factory=set)
    intents: set[int] = field(default_factory=set)
    resolutions: set[int] = field(default_factory=set)
    conflicts: set[int] = field(default_factory=set)
    quarantined: set[int] = field(default_factory=set)


class Writing:
    """Applies one commit. ``new_id`` gives out ids, ``link_id`` the surrogate of a link's name (known or new),
    ``link_name`` the name of a known surrogate; ``chain`` is the ledger's; ``texts`` knows what is written already,
    ``noted`` is the rows of the intents that were noted last, kept here."""

    def __init__(
        self,
        con: Connection,
        new_id: Callable[[], int],
        link_id: Callable[[str], int],
        link_name: Callable[[int], str],
        chain: Chain,
        texts: Texts,
        noted: list[intents.Batch],
    ) -> None:
        self._con = con
        self._new_id = new_id
        self._link_id = link_id
        self._link_name = link_name
        self._chain = chain
        self._texts = texts
        self._noted = noted
        self.touched = Touched()

    def apply(self, commit: Commit) -> None:
        """Write everything but link states and CRM watermarks. Raises ``ValueError`` for a replaced pairing that is not
        there."""
        self._end(commit)
        self._marks(commit.marks)
        self._pairings(commit)
        if commit.intents:
            batches = intents.note(self._con, commit.intents, self._texts, self._new_id, self._link_id)
            self.touched.intents.update(batch.link_id for batch in batches)
            self._noted[:] = [*self._noted, *batches][-_MOST_NOTED:]
        insert(self._con, "ledger", self._chain.extended(self._entry(entry) for entry in commit.ledger))
        self._conflicts(commit.conflicts)
        self._resolutions(commit.resolutions)
        self._quarantined(commit.quarantined)
        insert(
            self._con,
            "candidate",
            [
                (self._new_id(), self._link_id(one.link), one.side.value, one.key, one.rule, one.digest)
                for one in commit.candidates
            ],
        )
        insert(self._con, "run", [self._run(run) for run in commit.runs])
        self._suspensions(commit.resumed, commit.suspended)
        insert(
            self._con,
            "act",
            [(self._new_id(), stored(act.at), act.who, act.what, act.subject, act.detail) for act in commit.acts],
        )
        self._masters(commit.masters)
        self._mails(commit.mails)
        proofs.keep(self._con, commit.proofs, self._new_id, self._link_id)
        headways.keep(self._con, commit.headways, self._new_id, self._link_id)
        headways.approve(self._con, commit.approved, self._new_id, self._link_id)
        for purge in commit.purged:
            self._forget(purge)

    def _forget(self, purge: Purge) -> None:
        """Take every value out of what is remembered of one item, the rows of this very commit included."""
        link_id, keys = self._link_id(purge.link), listed((purge.crm_key, purge.target_key))
        known = f"(SELECT {unnest('VARCHAR')})"
        statements = {
            "UPDATE ledger SET before_fields = NULL, after_fields = NULL, salt = NULL WHERE link_id = ? AND "  # noqa: S608
            f"(key IN {known} OR counterpart IN {known})": [link_id, keys, keys],
            "UPDATE conflict SET base = NULL, crm = NULL, target = NULL, "  # noqa: S608
            "resolved_at = coalesce(resolved_at, CAST(? AS TIMESTAMP)), resolution = coalesce(resolution, 'purged') "
            f"WHERE link_id = ? AND (crm_key IN {known} OR target_key IN {known})": [
                *(stored(purge.at), link_id, keys, keys)
            ],
            f"DELETE FROM resolution WHERE link_id = ? AND (crm_key IN {known} OR target_key IN {known})": [  # noqa: S608
                *(link_id, keys, keys)
            ],
            f"DELETE FROM quarantine WHERE link_id = ? AND key IN {known}": [link_id, keys],  # noqa: S608
            f"UPDATE mail SET title = NULL WHERE link_id = ? AND crm_key IN {known}": [link_id, keys],  # noqa: S608
        }
        for statement, values in statements.items():
            self._con.execute(statement, values).fetchall()
        self.touched.resolutions.add(link_id)
        noted = (self._new_id(), link_id, "", "", FORGOTTEN, purge.crm_key, purge.target_key, None, None)
        insert(self._con, "ledger", self._chain.extended([(*noted, _BECAME_PRIVATE, "", stored(purge.at))]))

    def _masters(self, asked: tuple[Master, ...]) -> None:
        if asked:
            known = meetings.masters(self._con, [one.native for one in asked], self._link_name)
            meetings.let_in(self._con, asked, known, self._new_id, self._link_id)

    def _mails(self, mails: tuple[Mail, ...]) -> None:
        if not mails:
            return
        latest = {mail.id: mail for mail in mails}
        numbers = meetings.mail_numbers(self._con, list(latest))
        rows = [
            meetings.mail_row(mail, numbers.get(mail.id) or self._new_id(), self._link_id(mail.link))
            for mail in latest.values()
        ]
        insert(self._con, "mail", rows, replacing=True)

    def _end(self, commit: Commit) -> None:
        touched = self.touched
        touched.marks |= delete(self._con, "mark", "id", commit.settled)
        touched.pairings |= delete(self._con, "pairing", "id", commit.unpaired)
        if commit.closed:
            touched.intents |= intents.close(self._con, commit.closed, self._noted)
            closed = frozenset(commit.closed)
            self._noted[:] = [batch for batch in self._noted if batch.tokens.isdisjoint(closed)]
        touched.resolutions |= delete(self._con, "resolution", "conflict", commit.resolved)
        delete(self._con, "candidate", "link_id", [self._link_id(name) for name in commit.matched])
        self._delete_items("quarantine", commit.released)

    def _delete_items(self, table: str, items: Iterable[tuple[str, str, str]]) -> None:
        distinct = sorted({(self._link_id(link), str(side), key) for link, side, key in items})
        if not distinct:
            return
        links, sides, keys = zip(*distinct, strict=True)
        self._con.execute(
            f"DELETE FROM {table} USING (SELECT {unnest('BIGINT')} AS link_id, {unnest('VARCHAR')} AS side, "  # noqa: S608
            f"{unnest('VARCHAR')} AS key) AS gone WHERE {table}.link_id = gone.link_id AND {table}.side = gone.side "
            f"AND {table}.key = gone.key",
            [listed(links), listed(sides), listed(keys)],
        ).fetchall()

    def _marks(self, marks: tuple[Mark, ...]) -> None:
        """Insert marks; an older mark of the same key gives way, hands on its tries, and is not held up by a later due
        (see :class:`runner.model.state.Mark`)."""
        if not marks:
            return
        newest: dict[tuple[int, str, str], Mark] = {}
        for mark in marks:
            place = (self._link_id(mark.link), mark.side.value, mark.key)
            replaced = newest.pop(place, None)
            newest[place] = mark if replaced is None else _joined(mark, replaced)
        hashes = [hash_of(key) for _, _, key in newest]
        gone: list[int] = []
        found, values = among("key_hash", "BIGINT", set(hashes))
        links = {place[0] for place in newest}
        if len(links) == 1:
            found, values = f"{found} AND link_id = ?", [*values, *links]
        else:
            found, values = f"{found} AND link_id IN (SELECT {unnest('BIGINT')})", [*values, listed(links)]
        for seq, link_id, side, key, tries, due in self._con.execute(
            f"SELECT mark.id, link_id, side, key, tries, due FROM mark{found}",  # noqa: S608
            values,
        ).fetchall():
            if (link_id, side, key) in newest:
                newer = newest[link_id, side, key]
                older = replace(newer, seq=seq, tries=tries, due=aware(due))
                newest[link_id, side, key] = _joined(newer, older)
                gone.append(seq)
        delete(self._con, "mark", "id", gone)
        rows: list[Row] = [
            (self._new_id(), *place, key_hash, mark.deleted, stored(mark.due), mark.tries)
            for (place, mark), key_hash in zip(newest.items(), hashes, strict=True)
        ]
        insert(self._con, "mark", rows)
        for number, link_id, *_ in rows:
            self.touched.marks.add(link_id)
            self.touched.newest[link_id] = number

    def _pairings(self, commit: Commit) -> None:
        new: list[Row] = []
        replaced: dict[int, Row] = {}
        for pairing in commit.pairings:
            number = pairing.id or self._new_id()
            link_id = self._link_id(pairing.link)
            row = pairing_row(pairing, number, link_id, self._texts)
            if pairing.id:
                replaced[number] = row
            else:
                new.append(row)
            self.touched.pairings.add(link_id)
        if replaced:
            found, numbers = among("id", "BIGINT", replaced)
            known = self._con.execute(f"SELECT id FROM pairing{found}", numbers).fetchall()  # noqa: S608
            missing = sorted(replaced.keys() - {number for (number,) in known})
            if missing:
                raise ValueError(f"pairings {missing} are to be replaced and do not exist")
            overwrite(self._con, "pairing", list(replaced.values()))
        insert(self._con, "pairing", new)

    def _entry(self, entry: LedgerEntry) -> Row:
        return (
            self._new_id(),
            self._link_id(entry.link),
            entry.run,
            entry.side.value,
            entry.operation.value,
            entry.key,
            entry.counterpart,
            self._texts.of(entry.before),
            self._texts.of(entry.after),
            entry.reason,
            entry.rule,
            stored(entry.at),
        )

    def _conflicts(self, conflicts: tuple[Conflict, ...]) -> None:
        if not conflicts:
            return
        latest = {conflict.id: conflict for conflict in conflicts}
        found, names = among("name", "VARCHAR", latest)
        numbers = dict(self._con.execute(f"SELECT name, conflict.id FROM conflict{found}", names).fetchall())  # noqa: S608
        rows = [
            (
                numbers.get(one.id) or self._new_id(),
                self._link_id(one.link),
                one.id,
                one.crm_key,
                one.target_key,
                one.field,
                self._texts.of(one.base),
                self._texts.of(one.crm),
                self._texts.of(one.target),
                one.policy,
                None if one.winner is None else one.winner.value,
                one.rule,
                one.run,
                stored(one.at),
                stored(one.crm_modified),
                stored(one.target_modified),
                stored(one.resolved_at),
                one.resolution,
            )
            for one in latest.values()
        ]
        insert(self._con, "conflict", rows, replacing=True)
        self.touched.conflicts.update(row[1] for row in rows)

    def _resolutions(self, resolutions: tuple[Resolution, ...]) -> None:
        latest = {resolution.conflict: resolution for resolution in resolutions}
        self.touched.resolutions |= delete(self._con, "resolution", "conflict", list(latest))
        rows = [
            (
                self._new_id(),
                self._link_id(one.link),
                one.conflict,
                one.crm_key,
                one.target_key,
                one.field,
                one.take,
                self._texts.of(one.values),
                stored(one.at),
            )
            for one in latest.values()
        ]
        insert(self._con, "resolution", rows)
        self.touched.resolutions.update(row[1] for row in rows)

    def _quarantined(self, quarantined: tuple[Quarantined, ...]) -> None:
        latest = {(one.link, one.side.value, one.key): one for one in quarantined}
        self._delete_items("quarantine", latest)
        rows: list[Row] = [
            (
                self._new_id(),
                self._link_id(one.link),
                one.side.value,
                one.key,
                one.code,
                one.reason,
                stored(one.first_at),
                stored(one.last_at),
                one.tries,
                stored(one.next_try),
            )
            for one in latest.values()
        ]
        insert(self._con, "quarantine", rows)
        self.touched.quarantined.update(row[1] for row in rows)

    def _suspensions(self, resumed: Iterable[tuple[Scope, str]], suspended: Iterable[Suspension]) -> None:
        latest = {(one.scope, one.name): one for one in suspended}
        for scope, name in dict.fromkeys((*resumed, *latest)):
            self._con.execute("DELETE FROM suspension WHERE scope = ? AND name = ?", [scope.value, name]).fetchall()
        insert(
            self._con,
            "suspension",
            [
                (self._new_id(), one.scope.value, one.name, one.by, stored(one.since), one.reason)
                for one in latest.values()
            ],
        )

    def _run(self, run: RunRecord) -> Row:
        return (
            self._new_id(),
            self._link_id(run.link),
            run.run,
            stored(run.started),
            stored(run.finished),
            run.outcome,
            text_of(run.counts),
            run.message,
            run.code,
            run.waited,
        )


def _joined(newer: Mark, older: Mark) -> Mark:
    """What stays of two marks of one key."""
    due = newer.due if newer.seq and older.seq == newer.seq else earlier(newer.due, older.due)
    return replace(newer, tries=max(newer.tries, older.tries), due=due)


def link_row(number: int, state: LinkState, quiet_passes: int) -> Row:
    """The row of a link's state."""
    return (
        number,
        state.name,
        state.condition.value,
        state.target_watermark,
        state.target_complete,
        state.listed,
        state.matched,
        state.mapping_digest,
        state.reason,
        stored(state.last_pass),
        quiet_passes,
        state.step,
        stored(state.step_until),
        stored(state.snapshot_at),
    )
