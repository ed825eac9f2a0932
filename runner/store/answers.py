"""What the state answers: every question of the ``Store`` port, each a short look at what is committed or rehearsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from runner.model.headway import Headway
from runner.model.meetings import Mail, Master, Spending
from runner.model.ports import Clock
from runner.model.proofs import Proof
from runner.model.state import (
    Act,
    Conflict,
    Intent,
    LedgerEntry,
    LinkState,
    Mark,
    MarkCounts,
    Pairing,
    Quarantined,
    Resolution,
    RunRecord,
    Suspension,
)
from runner.model.terms import Side
from runner.reconcile.ordering import is_called
from runner.store import headways, intents, ledger, meetings, proofs, reading, recall
from runner.store.connection import Connection
from runner.store.faults import damaged
from runner.store.growths import Grown, growths
from runner.store.heartbeats import Heartbeats
from runner.store.ledger import LedgerProof
from runner.store.memory import Remembered
from runner.store.overview import LinkOverview, overview
from runner.store.rows import is_sound, pairing_of
from runner.store.session import Session


class Answers:
    """The reading half of :class:`~runner.store.duck.DuckStore`, which owns what it looks at."""

    _clock: Clock
    _beats: Heartbeats
    _session: Session
    _known: Remembered

    def _work(self) -> AbstractContextManager[Connection]:
        return self._session.work()

    def links(self) -> Mapping[str, LinkState]:
        """Every link that the state knows (anything of it was ever stored), by name."""
        with self._work() as con:
            return {state.name: self._beats.seen_in(state) for _, state in reading.link_states(con)}

    def link(self, name: str) -> LinkState:
        """The link's state; a fresh one (not yet stored) for an unknown name."""
        with self._work() as con:
            state = self._known.state(name)
            if state is None:
                link_id = self._known.link_ids.get(name)
                found = [] if link_id is None else reading.link_states(con, [link_id])
                state = found[0][1] if found else LinkState(name)
                self._known.keep_state(state)
            return self._beats.seen_in(state)

    def crm_watermark(self, crm: str) -> str | None:
        """The watermark of a CRM's feed."""
        with self._work():
            return self._known.crms.get(crm, (0, None))[1]

    def marks(self, link: str, *, after: int, until: int, limit: int, now: datetime) -> Sequence[Mark]:
        """Due marks with ``after < seq <= until`` in order of ``seq``."""
        with self._work() as con:
            if self._last_mark(link) <= after:
                return ()
            return reading.due_marks(con, link, self._known.link_ids[link], after, until, limit, now)

    def last_mark(self, link: str) -> int:
        """The highest ``seq`` of the link's marks, 0 when there are none."""
        with self._work():
            return self._last_mark(link)

    def _last_mark(self, link: str) -> int:
        link_id = self._known.link_ids.get(link)
        if link_id is None:
            return 0
        seq = self._known.last_marks.get(link_id)
        if seq is None:
            seq = self._known.last_marks[link_id] = reading.last_mark(self._session.con, link_id)
        return seq

    def mark_counts(self, link: str, now: datetime) -> MarkCounts:
        """How many marks are due."""
        with self._work() as con:
            if not self._last_mark(link):
                return MarkCounts(due=0)
            return reading.mark_counts(con, self._known.link_ids[link], now)

    def paired_marks(self, link: str, now: datetime) -> int:
        """How many due marks have an active pairing."""
        with self._work() as con:
            if not self._last_mark(link) or self._known.link_ids[link] in self._known.without_pairings:
                return 0
            return reading.paired_marks(con, self._known.link_ids[link], now)

    def pairings(
        self,
        link: str,
        *,
        crm_keys: Sequence[str] = (),
        target_keys: Sequence[str] = (),
        stamps: Sequence[str] = (),
        natives: Sequence[str] = (),
    ) -> Sequence[Pairing]:
        """The link's pairings that match any of the keys, each once, in order of id. Raises ``StateDamaged`` for a row
        that is not what was written."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            if link_id is None or link_id in self._known.without_pairings:
                return ()
            rows = reading.pairing_rows(
                con,
                link_id,
                {"crm_key": crm_keys, "target_key": target_keys, "stamp": stamps, "native": natives},
            )
            for row in rows:
                if not is_sound(row):
                    raise damaged(
                        self._session.name, f"the row of pairing {row[0]} (link {link}) is not what was written"
                    )
            crm, target, stamp, native = set(crm_keys), set(target_keys), set(stamps), set(natives)
            return [
                pairing_of(row, link)
                for row in sorted(rows)
                if row[3] in crm or row[4] in target or row[7] in stamp or row[8] in native
            ]

    def echoes(self, link: str, side: Side, refs: Mapping[str, str | None]) -> frozenset[str]:
        """Those keys whose paired version on this side equals the given one (B-12); an unknown version is no echo."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            if link_id is None or link_id in self._known.without_pairings or not refs:
                return frozenset()
            found = reading.versions(con, link_id, side, list(refs))
            return frozenset(key for key, version in found if version is not None and refs.get(key) == version)

    def count(self, link: str) -> int:
        """Number of the link's active pairings."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            if link_id is None:
                return 0
            number = self._known.counts.get(link_id)
            if number is None:
                some, number = reading.count_pairings(con, link_id)
                self._known.counts[link_id] = number
                if not some:
                    self._known.without_pairings.add(link_id)
            return number

    def paired_keys(self, link: str, side: Side, *, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """(pairing id, this side's key) of active pairings with ``id > after``, in order of id."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            return () if link_id is None else reading.paired_keys(con, link_id, side, after, limit)

    def paired_links(self, crm_keys: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """For each CRM key the names of the links that hold a pairing of it (keys without one: an empty set)."""
        with self._work() as con:
            names: dict[str, set[str]] = {key: set() for key in crm_keys}
            if names:
                for key, link_id in reading.links_of(con, list(names)):
                    if key in names:
                        names[key].add(self._known.link_names[link_id])
            return {key: frozenset(links) for key, links in names.items()}

    def matches(self, link: str) -> Sequence[tuple[str, str]]:
        """(crm_key, target_key) of first-sync candidates whose digest is unique on both sides (B-72)."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            return () if link_id is None else reading.matches(con, link_id)

    def intents(self, link: str) -> Sequence[Intent]:
        """Open intents, oldest first."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            if link_id is None or link_id in self._known.without_intents:
                return ()
            found = intents.of_link(con, link, link_id)
            if not found:
                self._known.without_intents.add(link_id)
            return found

    def masters(self, natives: Sequence[str]) -> Mapping[str, Master]:
        """By native identity, whose copy speaks for these meetings (B-41)."""
        with self._work() as con:
            return meetings.masters(con, natives, self._known.link_names.__getitem__) if natives else {}

    def mails(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Mail]:
        """Mail to attendees, oldest first; ``open_only``: what is held, decided or on its way."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link) if link is not None else None
            if link is not None and link_id is None:
                return ()
            return meetings.mails(con, link_id, self._known.link_names.__getitem__, open_only=open_only)

    def mailed_since(self, since: datetime) -> Sequence[Spending]:
        """How many people were mailed since an instant, by run and by user."""
        with self._work() as con:
            return meetings.mailed_since(con, since)

    def writes_since(self, link: str, since: datetime) -> Mapping[str, int]:
        """Ledger counts per operation (both sides together) of this link since an instant."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            return {} if link_id is None else reading.writes_since(con, link_id, since)

    def writes_under(self, prefix: str, since: datetime) -> Mapping[str, int]:
        """Ledger counts per operation of all links whose names begin so, since an instant."""
        with self._work() as con:
            return reading.writes_under(con, self._known.ids_under(prefix), since)

    def writes_of(self, run: str) -> Mapping[str, int]:
        """Ledger counts per operation of one run, over all links."""
        with self._work() as con:
            return reading.writes_of(con, run)

    def count_under(self, prefix: str) -> int:
        """Number of the active pairings of all links whose names begin so."""
        with self._work() as con:
            return reading.count_under(con, self._known.ids_under(prefix))

    def item_writes_since(self, link: str, keys: Sequence[str], since: datetime) -> Mapping[str, int]:
        """Updates of each of these keys since an instant; keys without any are absent."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            return {} if link_id is None or not keys else reading.item_writes_since(con, link_id, keys, since)

    def ledger(
        self,
        link: str | None = None,
        *,
        run: str | None = None,
        key: str | None = None,
        before: int = 0,
        limit: int = 200,
    ) -> Sequence[LedgerEntry]:
        """Every write that happened, newest first; entries with an id below ``before`` (0: any)."""
        with self._work() as con:
            link_id = None if link is None else self._known.link_ids.get(link, 0)
            names = self._known.link_names
            return ledger.entries(con, names, link_id=link_id, run=run, key=key, before=before, limit=limit)

    def verify_ledger(self, noted: str | None = None) -> LedgerProof:
        """Recompute the ledger's chain. ``noted``: a head from an earlier check that must still be part of it."""

        def page(after: int) -> ledger.Page:
            with self._work() as con:
                return ledger.page(con, after)

        with self._work() as con:
            proof = ledger.beginning(con)
        return ledger.verified(proof, page, noted)

    def runs_called(self, beginning: str) -> Mapping[str, Sequence[str]]:
        """Runs in the ledger whose names begin so, each with the links on which it wrote."""
        with self._work() as con:
            return recall.runs_called(con, self._known.link_names, beginning)

    def holders(self, word: str) -> Sequence[Pairing]:
        """Pairings of any link that are known by this word: a key of either side, a stamp, a native identity."""
        with self._work() as con:
            found = [pairing_of(row, self._known.link_names[row[1]]) for row in recall.holders(con, word)]
            return [p for p in found if word in (p.crm_key, p.target_key, p.stamp, p.native)]

    def titled(self, words: str, limit: int) -> Sequence[Pairing]:
        """Pairings of any link whose item people call so, or partly so, in whatever case; newest first."""
        with self._work() as con:
            found = [pairing_of(row, self._known.link_names[row[1]]) for row in recall.titled(con, words, limit)]
            return [pairing for pairing in found if pairing.base and is_called(pairing.base, words)]

    def quarantined(self, link: str | None = None) -> Sequence[Quarantined]:
        """Items set aside, oldest first."""
        with self._work() as con:
            link_id = None if link is None else self._known.link_ids.get(link, 0)
            if link_id == 0 or link_id in self._known.without_quarantined:
                return ()
            found = reading.quarantined(con, link_id, self._known.link_names)
            if not found and link_id is not None:
                self._known.without_quarantined.add(link_id)
            return found

    def conflicts(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Conflict]:
        """The conflict ledger, newest first; open are those with neither winner nor resolution."""
        with self._work() as con:
            link_id = None if link is None else self._known.link_ids.get(link, 0)
            if link_id == 0 or (open_only and link_id in self._known.without_conflicts):
                return ()
            found = reading.conflicts(con, link_id, self._known.link_names, open_only=open_only)
            if not found and link_id is not None:
                self._known.without_conflicts.add(link_id)
            return found

    def resolutions(self, link: str) -> Sequence[Resolution]:
        """Operators' decisions that no pass has carried out yet, oldest first."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            if link_id is None or link_id in self._known.without_resolutions:
                return ()
            found = reading.resolutions(con, link, link_id)
            if not found:
                self._known.without_resolutions.add(link_id)
            return found

    def runs(self, limit: int) -> Sequence[RunRecord]:
        """The newest runs, newest first."""
        with self._work() as con:
            return reading.runs(con, limit, self._known.link_names)

    def suspensions(self) -> Sequence[Suspension]:
        """What operators have suspended and not resumed, oldest first."""
        with self._work() as con:
            if self._known.suspensions is None:
                self._known.suspensions = reading.suspensions(con)
            return self._known.suspensions

    def proofs(self) -> Mapping[str, Proof]:
        """Every link's newest audit."""
        with self._work() as con:
            return proofs.proofs(con, self._known.link_names.__getitem__)

    def headway(self, link: str) -> Headway | None:
        """The link's newest snapshot by slices, ended or not; None when it never had one."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            return None if link_id is None else headways.headway(con, link, link_id)

    def headways(self) -> Mapping[str, Headway]:
        """Every snapshot by slices that has not come to its end, by link."""
        with self._work() as con:
            return headways.headways(con, self._known.link_names.__getitem__)

    def growths(self) -> Mapping[str, Grown]:
        """How far first syncs that grow have come, by link (B-71)."""
        with self.reading() as con:
            return growths(con)

    def approved(self, link: str) -> frozenset[str] | None:
        """Fingerprints of the changes that the link's snapshot may make; None: all."""
        with self._work() as con:
            link_id = self._known.link_ids.get(link)
            return None if link_id is None else headways.approved(con, link_id)

    def acts(self, limit: int) -> Sequence[Act]:
        """What operators did by command, newest first."""
        with self._work() as con:
            return reading.acts(con, limit)

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection of its own for long looks at what is committed: no pass waits for it. Closing the state ends it."""
        return self._session.reading()

    def overview(self) -> Sequence[LinkOverview]:
        """One line per known link, in order of name, for ``exsync status``."""
        with self._work():
            beats = dict(self._beats.beats)
        with self.reading() as con:
            return overview(con, beats)
