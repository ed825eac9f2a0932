"""The state: what is remembered between passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from runner.model.headway import Headway
from runner.model.meetings import Mail, Master, Spending
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
    Pairing,
    Quarantined,
    Resolution,
    RunRecord,
    Suspension,
)
from runner.model.terms import Side


class Store(Protocol):
    """The state. One process owns it; every mutation of a pass is one :class:`Commit`, atomic and durable."""

    def links(self) -> Mapping[str, LinkState]:
        """Every link that the state knows, by name."""
        ...

    def link(self, name: str) -> LinkState:
        """The link's state; a fresh one (not yet stored) for an unknown name."""
        ...

    def crm_watermark(self, crm: str) -> str | None:
        """The watermark of a CRM's feed."""
        ...

    def marks(self, link: str, *, after: int, until: int, limit: int, now: datetime) -> Sequence[Mark]:
        """Dirty marks with ``after < seq <= until`` in order of ``seq``, those that are due at ``now``."""
        ...

    def last_mark(self, link: str) -> int:
        """The highest ``seq`` of the link's marks, 0 when there are none."""
        ...

    def pairings(
        self,
        link: str,
        *,
        crm_keys: Sequence[str] = (),
        target_keys: Sequence[str] = (),
        stamps: Sequence[str] = (),
        natives: Sequence[str] = (),
    ) -> Sequence[Pairing]:
        """The link's pairings that match any of the keys (each pairing once)."""
        ...

    def echoes(self, link: str, side: Side, refs: Mapping[str, str | None]) -> frozenset[str]:
        """Those keys whose paired version on this side equals the given one (B-12)."""
        ...

    def count(self, link: str) -> int:
        """Number of the link's active pairings."""
        ...

    def paired_keys(self, link: str, side: Side, *, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """(pairing id, this side's key) of the link's active pairings with ``id > after``, in order of id."""
        ...

    def mark_counts(self, link: str, now: datetime) -> MarkCounts:
        """How many marks are due at ``now``."""
        ...

    def paired_marks(self, link: str, now: datetime) -> int:
        """How many due marks have an active pairing: what a pass may touch on the side that they are not of."""
        ...

    def rehearsal(self) -> AbstractContextManager[None]:
        """Inside, commits are visible to reads; at the end all of them are undone and nothing on disk has changed."""
        ...

    def paired_links(self, crm_keys: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """For each CRM key the names of the links that hold a pairing of it."""
        ...

    def matches(self, link: str) -> Sequence[tuple[str, str]]:
        """(crm_key, target_key) of first-sync candidates whose digest is unique on both sides."""
        ...

    def intents(self, link: str) -> Sequence[Intent]:
        """Open intents: writes whose outcome nobody has recorded."""
        ...

    def writes_since(self, link: str, since: datetime) -> Mapping[str, int]:
        """Ledger counts per operation of this link since an instant: the guards' durable windows."""
        ...

    def writes_under(self, prefix: str, since: datetime) -> Mapping[str, int]:
        """The same over all links whose names begin so: a target's."""
        ...

    def writes_of(self, run: str) -> Mapping[str, int]:
        """Ledger counts per operation of one run, over all links."""
        ...

    def count_under(self, prefix: str) -> int:
        """Number of the active pairings of all links whose names begin so."""
        ...

    def item_writes_since(self, link: str, keys: Sequence[str], since: datetime) -> Mapping[str, int]:
        """For each of these keys (of either side) that was updated since an instant: how often. The loop breaker's (B-65)."""
        ...

    def ledger(
        self,
        link: str | None = None,
        *,
        run: str | None = None,
        key: str | None = None,
        before: int = 0,
        limit: int = 200,
    ) -> Sequence[LedgerEntry]:
        """Every write that happened, newest first: of a link, of a run, of an item (its key on either side); entries with
        an id below ``before`` (0: any)."""
        ...

    def runs_called(self, beginning: str) -> Mapping[str, Sequence[str]]:
        """Runs in the ledger whose names begin so, each with the links on which it wrote."""
        ...

    def holders(self, word: str) -> Sequence[Pairing]:
        """Pairings of any link that are known by this word: a key of either side, a stamp, a native identity."""
        ...

    def titled(self, words: str, limit: int) -> Sequence[Pairing]:
        """Pairings of any link whose item people call so, or partly so, in whatever case; newest first."""
        ...

    def quarantined(self, link: str | None = None) -> Sequence[Quarantined]:
        """Items set aside."""
        ...

    def conflicts(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Conflict]:
        """The conflict ledger, newest first."""
        ...

    def resolutions(self, link: str) -> Sequence[Resolution]:
        """Operators' decisions that no pass has carried out yet."""
        ...

    def runs(self, limit: int) -> Sequence[RunRecord]:
        """The newest runs."""
        ...

    def suspensions(self) -> Sequence[Suspension]:
        """What operators have suspended and not resumed, oldest first."""
        ...

    def proofs(self) -> Mapping[str, Proof]:
        """Every link's newest audit."""
        ...

    def headway(self, link: str) -> Headway | None:
        """The link's newest snapshot by slices, ended or not; None when it never had one."""
        ...

    def headways(self) -> Mapping[str, Headway]:
        """Every snapshot by slices that has not come to its end, by link."""
        ...

    def approved(self, link: str) -> frozenset[str] | None:
        """Fingerprints of the changes that the link's snapshot may make; None: all."""
        ...

    def acts(self, limit: int) -> Sequence[Act]:
        """What operators did by command, newest first."""
        ...

    def masters(self, natives: Sequence[str]) -> Mapping[str, Master]:
        """By native identity, whose copy speaks for these meetings (B-41)."""
        ...

    def mails(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Mail]:
        """Mail to attendees, oldest first; ``open_only``: what is held, decided or on its way."""
        ...

    def mailed_since(self, since: datetime) -> Sequence[Spending]:
        """How many people were mailed since an instant, by run and by user: the budgets' durable windows."""
        ...

    def commit(self, commit: Commit) -> None:
        """Apply one commit: all of it or nothing, durable on return."""
        ...

    def heartbeat(self, link: str, now: datetime) -> None:
        """Note a pass without effect; aggregated in memory and written with the next commit or on close."""
        ...

    def close(self) -> None:
        """Flush heartbeats and give the state file back."""
        ...
