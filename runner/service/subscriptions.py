"""The subscriptions of one target as pure bookkeeping: what is subscribed, since when, and what comes next (B-13, B-14).

==============  ========================================================  ==============================================
standing        means                                                     next
==============  ========================================================  ==============================================
``wanted``      shall be subscribed when its time has come                ``idle``; ``wanted`` again, later, on a fault
``idle``        subscribed, no connection tells of it yet                 ``live`` when one does (push: at the first post)
``live``        told of changes                                           ``idle`` when its connection ends, ``wanted``
                                                                          when the server lost it or it was silent too long
``refused``     the server will not: access denied, folder gone           ``wanted`` when its time has come
==============  ========================================================  ==============================================

Times are seconds of a monotonic clock, moments are instants for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runner.model.items import LinkRef
from runner.model.notifications import Subscription

LARGEST = 200
"""Subscriptions of one connection (affinity page: at most 200 ids in a group)."""
YOUNG = 60.0
"""Seconds: a subscription that is lost sooner is not subscribed anew at once, or a server that loses all would be stormed."""
SPARE = 4
"""Connections more than needed before small ones are joined."""


class Standing(StrEnum):
    """See the module."""

    WANTED = "wanted"
    IDLE = "idle"
    LIVE = "live"
    REFUSED = "refused"


@dataclass(slots=True)
class Entry:
    """One link. ``due``: not to be subscribed before; ``renewed``: when its server was last heard of it."""

    ref: LinkRef
    standing: Standing = Standing.WANTED
    on_line: bool = False
    """A connection bears it, or is being opened for it."""
    subscription: Subscription | None = None
    due: float = 0.0
    failures: int = 0
    begun: float = 0.0
    renewed: float = 0.0
    since: datetime | None = None
    last_renewed: datetime | None = None
    reason: str | None = None


class Book:
    """One target's entries. Not safe to share between threads."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._by_id: dict[str, Entry] = {}

    def __getitem__(self, link: str) -> Entry:
        return self._entries[link]

    def get(self, link: str) -> Entry | None:
        """A link's entry, if it is wanted."""
        return self._entries.get(link)

    def __contains__(self, link: object) -> bool:
        return link in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def follow(self, wanted: Mapping[str, LinkRef]) -> list[tuple[LinkRef, Subscription]]:
        """Take up links that are new, keep those that are known, give up the others: returns what was subscribed of those."""
        gone = [
            entry
            for link, entry in self._entries.items()
            if link not in wanted or (wanted[link].user, wanted[link].folder) != (entry.ref.user, entry.ref.folder)
        ]
        given_up = [(entry.ref, entry.subscription) for entry in gone if entry.subscription is not None]
        for entry in gone:
            del self._entries[entry.ref.name]
            self._forget(entry)
        for link, ref in wanted.items():
            known = self._entries.setdefault(link, Entry(ref))
            known.ref = ref
        return given_up

    def to_subscribe(self, now: float) -> list[Entry]:
        """Links that shall be subscribed now."""
        return [
            entry
            for entry in self._entries.values()
            if entry.standing in (Standing.WANTED, Standing.REFUSED) and entry.due <= now
        ]

    def next_due(self) -> float | None:
        """When the next link may be subscribed."""
        waiting = (Standing.WANTED, Standing.REFUSED)
        return min((entry.due for entry in self._entries.values() if entry.standing in waiting), default=None)

    def subscribed(self, link: str, subscription: Subscription, now: float, moment: datetime) -> None:
        """The server has taken a subscription."""
        entry = self._entries[link]
        self._by_id[subscription.id] = entry
        entry.subscription, entry.standing, entry.reason = subscription, Standing.IDLE, None
        entry.begun, entry.renewed, entry.since, entry.last_renewed = now, now, moment, moment

    def failed(self, link: str, due: float, reason: str, *, refused: bool = False) -> None:
        """It has not; tried again when it is due."""
        entry = self._entries[link]
        entry.standing = Standing.REFUSED if refused else Standing.WANTED
        entry.due, entry.reason, entry.failures = due, reason, entry.failures + 1

    def groups(self) -> list[list[Entry]]:
        """What no connection bears, by group, at most :data:`LARGEST` together; for a connection each."""
        by_group: dict[str, list[Entry]] = {}
        for entry in self._entries.values():
            if entry.standing is Standing.IDLE and entry.subscription is not None and not entry.on_line:
                by_group.setdefault(entry.subscription.group, []).append(entry)
        return [
            entries[first : first + LARGEST]
            for entries in by_group.values()
            for first in range(0, len(entries), LARGEST)
        ]

    def borne(self, ids: Iterable[str], now: float, moment: datetime) -> None:
        """A connection (or a post) has told something: every one of these subscriptions lives."""
        for identifier in ids:
            entry = self._by_id.get(identifier)
            if entry is not None:
                entry.standing, entry.renewed, entry.last_renewed = Standing.LIVE, now, moment
                if entry.failures and now - entry.begun >= YOUNG:
                    entry.failures = 0

    def released(self, ids: Iterable[str]) -> list[str]:
        """No connection bears these any more; returns the links that are still subscribed."""
        found = []
        for identifier in ids:
            entry = self._by_id.get(identifier)
            if entry is None:
                continue
            entry.on_line = False
            if entry.standing is Standing.LIVE:
                entry.standing = Standing.IDLE
            found.append(entry.ref.name)
        return found

    def lost(self, identifier: str, now: float, reason: str, wait: Callable[[int], float]) -> str | None:
        """The server does not know a subscription any more; returns its link, None when nobody wants it either.

        ``wait`` says how many seconds a link waits that has failed so many times in a row.
        """
        entry = self._by_id.get(identifier)
        if entry is None:
            return None
        self._forget(entry)
        entry.failures = entry.failures + 1 if now - entry.begun < YOUNG else 0
        entry.standing, entry.reason = Standing.WANTED, reason
        entry.due = now + (wait(entry.failures) if entry.failures else 0.0)
        return entry.ref.name

    def silent(self, before: float) -> list[str]:
        """Ids of subscriptions that were last heard of before then."""
        return [identifier for identifier, entry in self._by_id.items() if entry.renewed < before]

    def links_of(self, ids: Iterable[str]) -> list[str]:
        """The links of subscriptions, where there are any."""
        return [entry.ref.name for identifier in ids if (entry := self._by_id.get(identifier)) is not None]

    def standings(self) -> Counter[Standing]:
        """How many links stand where."""
        return Counter(entry.standing for entry in self._entries.values())

    def _forget(self, entry: Entry) -> None:
        if entry.subscription is not None:
            self._by_id.pop(entry.subscription.id, None)
            entry.subscription, entry.on_line = None, False


def joinable(sizes: Mapping[int, int], subscriptions: int) -> list[int]:
    """Which connections (number → how many subscriptions it bears) to end so that they are joined: the smallest, when there
    are more than :data:`SPARE` beyond what these subscriptions need."""
    needed = -(-subscriptions // LARGEST)
    if len(sizes) <= needed + SPARE:
        return []
    smallest = sorted(sizes, key=lambda number: sizes[number])
    return smallest[: len(sizes) - needed + 1]
