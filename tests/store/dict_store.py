"""The state as plain dictionaries: the obvious meaning of each commit, to compare the real store with.

Seqs and ids are its own; what is compared leaves them out. Names of pairings are their stamps, which the comparison keeps
distinct.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

from runner.model.state import Commit, Conflict, LinkState, Mark, Pairing, PairingStatus, Purge, earlier
from runner.model.terms import Side


class DictStore:
    """A commit at a time, in the order that the port promises: what ends goes first."""

    def __init__(self) -> None:
        self.links: dict[str, LinkState] = {}
        self.crm: dict[str, str] = {}
        self.marks: dict[tuple[str, Side, str], Mark] = {}
        self.pairings: dict[str, Pairing] = {}
        self.intents: dict[str, Any] = {}
        self.ledger: list[Any] = []
        self.conflicts: dict[str, Conflict] = {}
        self.resolutions: dict[str, Any] = {}
        self.quarantined: dict[tuple[str, Side, str], Any] = {}
        self.candidates: dict[tuple[str, Side, str, int], str] = {}
        self.runs: list[Any] = []

    def copy(self) -> DictStore:
        return deepcopy(self)

    def commit(self, commit: Commit, settled: Iterable[tuple[str, Side, str]], unpaired: Iterable[str]) -> None:
        """Apply a commit; marks to settle are named by their place, pairings to end by their stamp."""
        for place in settled:
            self.marks.pop(place, None)
        for stamp in unpaired:
            self.pairings.pop(stamp, None)
        for token in commit.closed:
            self.intents.pop(token, None)
        for name in commit.resolved:
            self.resolutions.pop(name, None)
        for item in commit.released:
            self.quarantined.pop(item, None)
        self.candidates = {place: one for place, one in self.candidates.items() if place[0] not in commit.matched}
        for mark in commit.marks:
            place = (mark.link, mark.side, mark.key)
            older = self.marks.pop(place, None)
            due = mark.due if older is None else earlier(mark.due, older.due)
            self.marks[place] = replace(mark, tries=max(mark.tries, older.tries if older else 0), due=due)
        for pairing in commit.pairings:
            assert pairing.stamp is not None
            self.pairings[pairing.stamp] = replace(pairing, id=0)
        self.intents.update({one.token: one for one in commit.intents})
        self.ledger += commit.ledger
        self.conflicts.update({one.id: one for one in commit.conflicts})
        for resolution in commit.resolutions:
            self.resolutions.pop(resolution.conflict, None)
            self.resolutions[resolution.conflict] = resolution
        for one in commit.quarantined:
            self.quarantined[one.link, one.side, one.key] = one
        self.candidates.update({(one.link, one.side, one.key, one.rule): one.digest for one in commit.candidates})
        self.runs += commit.runs
        for purge in commit.purged:
            self._forget(purge)
        self.crm.update(commit.crm_watermarks)
        mentioned = [
            *(one.link for group in (commit.marks, commit.pairings, commit.intents) for one in group),
            *(one.link for one in {one.id: one for one in commit.conflicts}.values()),
            *(one.link for one in {one.conflict: one for one in commit.resolutions}.values()),
            *(one.link for one in commit.ledger),
            *(one.link for group in (commit.quarantined, commit.candidates, commit.runs) for one in group),
            *commit.matched,
            *(link for link, _, _ in commit.released),
            *(one.link for one in commit.purged),
        ]
        for name in mentioned:
            self.links.setdefault(name, LinkState(name))
        self.links.update({state.name: state for state in commit.links})

    def _forget(self, purge: Purge) -> None:
        keys = {purge.crm_key, purge.target_key}
        for at, entry in enumerate(self.ledger):
            if entry.link == purge.link and keys & {entry.key, entry.counterpart}:
                self.ledger[at] = replace(entry, before=None, after=None)
        for name, one in list(self.conflicts.items()):
            if one.link == purge.link and keys & {one.crm_key, one.target_key}:
                self.conflicts[name] = replace(
                    one,
                    base=None,
                    crm=None,
                    target=None,
                    resolved_at=one.resolved_at or purge.at,
                    resolution=one.resolution or "purged",
                )
        for name, entry in list(self.resolutions.items()):
            if entry.link == purge.link and keys & {entry.crm_key, entry.target_key}:
                del self.resolutions[name]
        for place in list(self.quarantined):
            if place[0] == purge.link and place[2] in keys:
                del self.quarantined[place]

    def due(self, link: str, now: datetime) -> list[Mark]:
        """Due marks of a link, oldest first."""
        return [mark for mark in self.marks.values() if mark.link == link and (mark.due is None or mark.due <= now)]

    def active(self, link: str) -> list[Pairing]:
        return [one for one in self.pairings.values() if one.link == link and one.status is PairingStatus.ACTIVE]

    def matches(self, link: str) -> set[tuple[str, str]]:
        """Pairs of lone digests, rule by rule, in order of the CRM's key."""
        taken: set[tuple[Side, str]] = set()
        pairs: set[tuple[str, str]] = set()
        for rule in sorted({place[3] for place in self.candidates}):
            holders: dict[str, dict[Side, list[str]]] = {}
            for (name, side, key, number), digest in self.candidates.items():
                if name == link and number == rule:
                    holders.setdefault(digest, {Side.CRM: [], Side.TARGET: []})[side].append(key)
            lone = [
                (*sides[Side.CRM], *sides[Side.TARGET])
                for sides in holders.values()
                if len(sides[Side.CRM]) == len(sides[Side.TARGET]) == 1
            ]
            for crm_key, target_key in sorted(lone):
                if (Side.CRM, crm_key) not in taken and (Side.TARGET, target_key) not in taken:
                    taken |= {(Side.CRM, crm_key), (Side.TARGET, target_key)}
                    pairs.add((crm_key, target_key))
        return pairs
