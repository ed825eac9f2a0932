"""The state in plain dictionaries: for tests that run thousands of passes. It promises what ``runner.store`` promises."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from runner.model.headway import Headway
from runner.model.meetings import OPEN, SPENT, Mail, Master, Spending
from runner.model.proofs import Proof
from runner.model.state import (
    Act,
    Commit,
    Conflict,
    Intent,
    LedgerEntry,
    LinkState,
    Mark,
    MarkCounts,
    MatchCandidate,
    Pairing,
    PairingStatus,
    Purge,
    Quarantined,
    Resolution,
    RunRecord,
    Scope,
    Suspension,
    earlier,
)
from runner.model.terms import Operation, Side
from runner.reconcile.matching import match
from runner.reconcile.ordering import is_called


@dataclass(slots=True)
class _State:
    """Everything a commit changes. Values are frozen, so a shallow copy of each table is a snapshot."""

    links: dict[str, LinkState] = field(default_factory=dict)
    crms: dict[str, str] = field(default_factory=dict)
    marks: dict[tuple[str, Side, str], Mark] = field(default_factory=dict)
    pairings: dict[int, Pairing] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)
    ledger: list[LedgerEntry] = field(default_factory=list)
    conflicts: dict[str, Conflict] = field(default_factory=dict)
    resolutions: dict[str, Resolution] = field(default_factory=dict)
    quarantine: dict[tuple[str, Side, str], Quarantined] = field(default_factory=dict)
    candidates: list[MatchCandidate] = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)
    suspensions: dict[tuple[Scope, str], Suspension] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)
    masters: dict[str, Master] = field(default_factory=dict)
    mails: dict[str, Mail] = field(default_factory=dict)
    proofs: dict[str, Proof] = field(default_factory=dict)
    headways: dict[str, Headway] = field(default_factory=dict)
    approved: dict[str, frozenset[str]] = field(default_factory=dict)
    last: int = 0

    def snapshot(self) -> _State:
        """An independent copy."""
        return _State(*(copy.copy(getattr(self, name)) for name in self.__slots__))

    def next(self) -> int:
        """A fresh id or sequence number."""
        self.last += 1
        return self.last


class MemoryStore:
    """The port ``Store`` in memory. A commit is applied to a copy that replaces the state when it is whole."""

    def __init__(self) -> None:
        self._state = _State()
        self.commits = 0
        self.heartbeats: Counter[str] = Counter()

    # -- reads -------------------------------------------------------------------------------------------------------

    def links(self) -> Mapping[str, LinkState]:
        """Every link that the state knows, by name."""
        return dict(self._state.links)

    def link(self, name: str) -> LinkState:
        """The link's state; a fresh one for an unknown name."""
        return self._state.links.get(name) or LinkState(name)

    def crm_watermark(self, crm: str) -> str | None:
        """The watermark of a CRM's feed."""
        return self._state.crms.get(crm)

    def marks(self, link: str, *, after: int, until: int, limit: int, now: datetime) -> Sequence[Mark]:
        """Due marks with ``after < seq <= until`` in order of ``seq``."""
        found = [m for m in self._of(link) if after < m.seq <= until and _is_due(m, now)]
        return sorted(found, key=lambda mark: mark.seq)[:limit]

    def last_mark(self, link: str) -> int:
        """The highest ``seq`` of the link's marks, 0 when there are none."""
        return max((mark.seq for mark in self._of(link)), default=0)

    def mark_counts(self, link: str, now: datetime) -> MarkCounts:
        """How many marks are due."""
        due = [mark for mark in self._of(link) if _is_due(mark, now)]
        return MarkCounts(len(due), frozenset(mark.side for mark in due if not mark.deleted))

    def paired_marks(self, link: str, now: datetime) -> int:
        """How many due marks have an active pairing."""
        active = [p for p in self._pairings(link) if p.status is PairingStatus.ACTIVE]
        keys = {Side.CRM: {p.crm_key for p in active}, Side.TARGET: {p.target_key for p in active}}
        return sum(mark.key in keys[mark.side] for mark in self._of(link) if _is_due(mark, now))

    def pairings(
        self,
        link: str,
        *,
        crm_keys: Sequence[str] = (),
        target_keys: Sequence[str] = (),
        stamps: Sequence[str] = (),
        natives: Sequence[str] = (),
    ) -> Sequence[Pairing]:
        """The link's pairings that match any of the keys, each once, in order of id."""
        return [
            p
            for p in self._pairings(link)
            if p.crm_key in crm_keys or p.target_key in target_keys or p.stamp in stamps or p.native in natives
        ]

    def echoes(self, link: str, side: Side, refs: Mapping[str, str | None]) -> frozenset[str]:
        """Those keys whose paired version on this side equals the given one; an unknown version is no echo."""
        crm = side is Side.CRM
        known = [(p.crm_key, p.crm_version) if crm else (p.target_key, p.target_version) for p in self._pairings(link)]
        return frozenset(key for key, version in known if version is not None and refs.get(key) == version)

    def count(self, link: str) -> int:
        """Number of the link's active pairings."""
        return sum(p.status is PairingStatus.ACTIVE for p in self._pairings(link))

    def paired_keys(self, link: str, side: Side, *, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """(pairing id, this side's key) of active pairings with ``id > after``, in order of id."""
        found = [p for p in self._pairings(link) if p.id > after and p.status is PairingStatus.ACTIVE][:limit]
        return [(p.id, p.crm_key if side is Side.CRM else p.target_key) for p in found]

    def paired_links(self, crm_keys: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """For each CRM key the names of the links that hold a pairing of it."""
        all_of = self._state.pairings.values()
        return {key: frozenset(p.link for p in all_of if p.crm_key == key) for key in crm_keys}

    def matches(self, link: str) -> Sequence[tuple[str, str]]:
        """(crm_key, target_key) of first-sync candidates whose digest is unique on both sides."""
        return match(candidate for candidate in self._state.candidates if candidate.link == link).pairs

    def intents(self, link: str) -> Sequence[Intent]:
        """Open intents, oldest first."""
        return [intent for intent in self._state.intents.values() if intent.link == link]

    def writes_since(self, link: str, since: datetime) -> Mapping[str, int]:
        """Ledger counts per operation of this link since an instant."""
        return Counter(str(e.operation) for e in self._state.ledger if e.link == link and e.at >= since)

    def writes_under(self, prefix: str, since: datetime) -> Mapping[str, int]:
        """Ledger counts per operation of all links whose names begin so, since an instant."""
        return Counter(str(e.operation) for e in self._state.ledger if e.link.startswith(prefix) and e.at >= since)

    def writes_of(self, run: str) -> Mapping[str, int]:
        """Ledger counts per operation of one run, over all links."""
        return Counter(str(entry.operation) for entry in self._state.ledger if entry.run == run)

    def count_under(self, prefix: str) -> int:
        """Number of the active pairings of all links whose names begin so."""
        active = PairingStatus.ACTIVE
        return sum(one.status is active and one.link.startswith(prefix) for one in self._state.pairings.values())

    def item_writes_since(self, link: str, keys: Sequence[str], since: datetime) -> Mapping[str, int]:
        """Updates of each of these keys since an instant."""
        wanted = frozenset(keys)
        return Counter(
            e.key
            for e in self._state.ledger
            if e.link == link and e.at >= since and e.operation is Operation.UPDATE and e.key in wanted
        )

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
        return [
            entry
            for entry in reversed(self._state.ledger)
            if link in {None, entry.link}
            and run in {None, entry.run}
            and (key is None or key in {entry.key, entry.counterpart})
            and (not before or entry.id < before)
        ][:limit]

    def runs_called(self, beginning: str) -> Mapping[str, Sequence[str]]:
        """Runs in the ledger whose names begin so, each with the links on which it wrote."""
        found: dict[str, set[str]] = {}
        for entry in self._state.ledger:
            if entry.run.startswith(beginning):
                found.setdefault(entry.run, set()).add(entry.link)
        return {run: tuple(sorted(links)) for run, links in sorted(found.items())}

    def holders(self, word: str) -> Sequence[Pairing]:
        """Pairings of any link that are known by this word."""
        return [p for p in self._state.pairings.values() if word in (p.crm_key, p.target_key, p.stamp, p.native)]

    def titled(self, words: str, limit: int) -> Sequence[Pairing]:
        """Pairings of any link whose item people call so, or partly so; newest first."""
        found = [p for p in self._state.pairings.values() if p.base and is_called(p.base, words)]
        return sorted(found, key=lambda pairing: -pairing.id)[:limit]

    def quarantined(self, link: str | None = None) -> Sequence[Quarantined]:
        """Items set aside, oldest first."""
        return [entry for entry in self._state.quarantine.values() if link in {None, entry.link}]

    def conflicts(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Conflict]:
        """The conflict ledger, newest first; open are those with neither winner nor resolution."""
        found = [c for c in self._state.conflicts.values() if link in {None, c.link}]
        if open_only:
            found = [c for c in found if c.winner is None and c.resolved_at is None]
        return found[::-1]

    def resolutions(self, link: str) -> Sequence[Resolution]:
        """Operators' decisions that no pass has carried out yet, oldest first."""
        return [entry for entry in self._state.resolutions.values() if entry.link == link]

    def masters(self, natives: Sequence[str]) -> Mapping[str, Master]:
        """By native identity, whose copy speaks for these meetings."""
        return {native: self._state.masters[native] for native in natives if native in self._state.masters}

    def mails(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Mail]:
        """Mail to attendees, oldest first."""
        found = [m for m in self._state.mails.values() if link in {None, m.link}]
        return [m for m in found if m.status in OPEN or not open_only]

    def mailed_since(self, since: datetime) -> Sequence[Spending]:
        """How many people were mailed since an instant, by run and by user."""
        spent: Counter[tuple[str, str]] = Counter()
        for mail in self._state.mails.values():
            if mail.status in SPENT and mail.at >= since:
                spent[mail.run, mail.user] += mail.addressees
        return [Spending(run, user, count) for (run, user), count in sorted(spent.items())]

    def runs(self, limit: int) -> Sequence[RunRecord]:
        """The newest runs, newest first."""
        return self._state.runs[::-1][:limit]

    def suspensions(self) -> Sequence[Suspension]:
        """What operators have suspended and not resumed, oldest first."""
        return tuple(self._state.suspensions.values())

    def proofs(self) -> Mapping[str, Proof]:
        """Every link's newest audit."""
        return dict(self._state.proofs)

    def headway(self, link: str) -> Headway | None:
        """The link's newest snapshot by slices."""
        return self._state.headways.get(link)

    def headways(self) -> Mapping[str, Headway]:
        """Every snapshot by slices that has not come to its end."""
        return {link: at for link, at in self._state.headways.items() if at.finished is None}

    def approved(self, link: str) -> frozenset[str] | None:
        """Fingerprints of the changes that the link's snapshot may make."""
        return self._state.approved.get(link)

    def acts(self, limit: int) -> Sequence[Act]:
        """What operators did by command, newest first."""
        return self._state.acts[::-1][:limit]

    # -- writes ------------------------------------------------------------------------------------------------------

    def commit(self, commit: Commit) -> None:
        """Apply one commit: all of it or nothing. Raises ``ValueError`` for a replaced pairing that is not there."""
        if not commit:
            return
        state = self._state.snapshot()
        _end(state, commit)
        _begin(state, commit)
        self._state = state
        self.commits += 1

    def heartbeat(self, link: str, now: datetime) -> None:
        """Count a pass without effect."""
        self.heartbeats[link] += 1

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Inside, commits are visible to reads; at the end all of them are undone."""
        before = self._state.snapshot()
        try:
            yield
        finally:
            self._state = before

    def close(self) -> None:
        """Nothing to give back."""

    def _of(self, link: str) -> list[Mark]:
        return [mark for mark in self._state.marks.values() if mark.link == link]

    def _pairings(self, link: str) -> list[Pairing]:
        return [pairing for pairing in self._state.pairings.values() if pairing.link == link]


def _is_due(mark: Mark, now: datetime) -> bool:
    return mark.due is None or mark.due <= now


def _end(state: _State, commit: Commit) -> None:
    settled = set(commit.settled)
    state.marks = {place: mark for place, mark in state.marks.items() if mark.seq not in settled}
    for unpaired in commit.unpaired:
        state.pairings.pop(unpaired, None)
    for token in commit.closed:
        state.intents.pop(token, None)
    for conflict in commit.resolved:
        state.resolutions.pop(conflict, None)
    for place in commit.released:
        state.quarantine.pop(place, None)
    state.candidates = [entry for entry in state.candidates if entry.link not in commit.matched]


def _begin(state: _State, commit: Commit) -> None:
    state.links.update({link.name: link for link in commit.links})
    state.crms.update(commit.crm_watermarks)
    for mark in commit.marks:
        older = state.marks.pop((mark.link, mark.side, mark.key), None)
        tries = max(mark.tries, older.tries if older else 0)
        due = mark.due if older is None or older.seq == mark.seq else earlier(mark.due, older.due)
        state.marks[mark.link, mark.side, mark.key] = replace(mark, seq=state.next(), tries=tries, due=due)
    for pairing in commit.pairings:
        if pairing.id and pairing.id not in state.pairings:
            raise ValueError(f"pairing {pairing.id} is to be replaced and does not exist")
        number = pairing.id or state.next()
        state.pairings[number] = replace(pairing, id=number)
    state.intents.update({intent.token: intent for intent in commit.intents})
    state.ledger += [replace(entry, id=state.next()) for entry in commit.ledger]
    state.conflicts.update({conflict.id: conflict for conflict in commit.conflicts})
    state.resolutions.update({entry.conflict: entry for entry in commit.resolutions})
    state.quarantine.update({(entry.link, entry.side, entry.key): entry for entry in commit.quarantined})
    state.candidates += commit.candidates
    state.runs += commit.runs
    for place in commit.resumed:
        state.suspensions.pop(place, None)
    for one in commit.suspended:
        state.suspensions.pop((one.scope, one.name), None)
        state.suspensions[one.scope, one.name] = one
    state.acts += commit.acts
    for master in commit.masters:
        holder = state.masters.get(master.native)
        if master.instead == (holder.link if holder else None):
            state.masters[master.native] = replace(master, instead=None)
    state.mails.update({mail.id: mail for mail in commit.mails})
    state.proofs.update({proof.link: proof for proof in commit.proofs})
    for at in commit.headways:
        known = state.headways.get(at.link)
        if known is None or known.run != at.run or known.finished is None:
            state.headways[at.link] = at
        if at.finished is not None:
            state.approved.pop(at.link, None)
    state.approved.update(commit.approved)
    for purge in commit.purged:
        _forget(state, purge)


def _forget(state: _State, purge: Purge) -> None:
    """Take every value out of what is remembered of one item."""
    keys = {purge.crm_key, purge.target_key}
    for name, mail in list(state.mails.items()):
        if mail.link == purge.link and mail.crm_key in keys:
            state.mails[name] = replace(mail, title=None)
    state.ledger = [
        replace(entry, before=None, after=None)
        if entry.link == purge.link and keys & {entry.key, entry.counterpart}
        else entry
        for entry in state.ledger
    ]
    for name, conflict in list(state.conflicts.items()):
        if conflict.link == purge.link and keys & {conflict.crm_key, conflict.target_key}:
            at, how = conflict.resolved_at or purge.at, conflict.resolution or "purged"
            emptied = replace(conflict, base=None, crm=None, target=None, resolved_at=at, resolution=how)
            state.conflicts[name] = emptied
    state.resolutions = {
        name: one
        for name, one in state.resolutions.items()
        if one.link != purge.link or not keys & {one.crm_key, one.target_key}
    }
    state.quarantine = {
        place: one for place, one in state.quarantine.items() if one.link != purge.link or one.key not in keys
    }
