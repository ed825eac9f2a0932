"""What changed in a directory: everybody, or only who is newer than a watermark, page by page.

A read remembers the entries that it saw, within bounds, so that nobody is asked for twice in one pass. A watermark never
goes beyond what the server had committed when the read began: versions are given before they are committed, so that a lower
one can appear after a higher one was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from runner.config.plan import DirectoryScope
from runner.connectors.ldap.groups import Groups
from runner.connectors.ldap.kinds import AD, Kind
from runner.connectors.ldap.names import in_filter
from runner.connectors.ldap.port import Directory, Entry, Search
from runner.connectors.ldap.records import UserRecords
from runner.connectors.ldap.watermark import Watermark, since_number, since_time
from runner.model.items import ChangePage, Ref
from runner.reconcile.membership import Effect

KEPT = 20_000
"""Entries that a read keeps; further ones are read again when they are asked for."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a server says of itself: its kind, the identity of this very server, its naming contexts, and the highest version
    that it has committed (Active Directory's ``highestCommittedUSN``; empty elsewhere)."""

    kind: Kind
    server: str
    contexts: tuple[str, ...]
    committed: str


@dataclass(slots=True)
class Seen:
    """What one read saw."""

    at: float
    entries: dict[str, Entry] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    """Key → the log-on name that another entry has too."""

    def keep(self, key: str, entry: Entry) -> None:
        """Remember an entry that base, scope and filter found."""
        if len(self.entries) < KEPT:
            self.entries[key] = entry


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of a link's users. ``filter`` is what the link asks for."""

    directory: Directory
    described: Described
    scope: DirectoryScope
    groups: Groups
    records: UserRecords
    seen: Seen

    @property
    def filter(self) -> str:
        """The configured filter, or the usual one of this kind of server."""
        return self.scope.filter or self.described.kind.users

    def everything(self, mark: Watermark, since: str | None) -> Iterator[ChangePage]:
        """Every user who takes part. The last page alone is complete, and it comes when every base was read to its end:
        until then nothing is behind anybody but what was behind him before (``since``)."""
        kind, seen = self.described.kind, self.seen
        logins: dict[str, str] = {}
        named: set[str] = set()
        highest = ""
        for base in self.scope.bases:
            for entries in self.directory.pages(Search(base, self.scope.scope, self.filter, self.records.wanted)):
                changed: list[Ref] = []
                for entry in entries:
                    key = kind.identity(entry)
                    if key is None or key in named:
                        continue
                    named.add(key)
                    login = self.records.login(entry)
                    highest = _later(kind, highest, kind.version(entry))
                    effect = self.groups.effect(entry, kind, login)
                    if not effect.takes_part:
                        continue
                    if login is not None and (other := logins.setdefault(login, key)) != key:
                        seen.doubled |= {key: login, other: login}
                    seen.keep(key, entry)
                    changed.append(Ref(key, version_of(kind, entry, effect, seen.doubled.get(key))))
                if changed:
                    yield ChangePage(tuple(changed), (), since or "", complete=False, whole=True)
        doubled = tuple(Ref(key, None) for key in sorted(seen.doubled))
        at = self._committed(highest) if mark.full else ""
        yield ChangePage(doubled, (), self._mark(mark, at), complete=True, whole=True)

    def newer(self, mark: Watermark) -> Iterator[ChangePage]:
        """Users who changed since a watermark of the same server, under the same groups: also those whom the filter finds no
        longer, since they may have left by this very change; on Active Directory also deleted ones, as far as the account
        may see them."""
        kind = self.described.kind
        name, first = kind.versions[0], since_number(mark.at) if kind is AD else since_time(mark.at)
        if kind is not AD and "#" not in mark.at:
            name = kind.versions[1]
        wanted = f"({name}>={in_filter(first)})"
        highest = mark.at
        changed: dict[str, Ref] = {}
        for entry in self._found(f"(&{self.filter}{wanted})", self.records.wanted):
            if (key := kind.identity(entry)) is None:
                continue
            highest = _later(kind, highest, kind.version(entry))
            effect = self.groups.effect(entry, kind, self.records.login(entry))
            changed[key] = Ref(key, version_of(kind, entry, effect, None))
            self.seen.keep(key, entry)
        identified = (*kind.identities, *kind.versions)
        if self.scope.filter:
            for entry in self._found(f"(&{kind.users}{wanted})", identified):
                if (key := kind.identity(entry)) is not None and key not in changed:
                    highest = _later(kind, highest, kind.version(entry))
                    changed[key] = Ref(key, kind.version(entry))
        deleted: set[str] = set()
        if kind is AD:
            for root in self.described.contexts:
                tombstones = f"(&(isDeleted=TRUE)(objectClass=user){wanted})"
                for entries in self.directory.pages(Search(root, "subtree", tombstones, identified, deleted=True)):
                    for entry in entries:
                        if (key := kind.identity(entry)) is not None:
                            highest = _later(kind, highest, kind.version(entry))
                            deleted.add(key)
        gone = tuple(sorted(deleted - changed.keys()))
        yield ChangePage(tuple(changed.values()), gone, self._mark(mark, self._committed(highest)), complete=True)

    def _found(self, asked: str, attributes: tuple[str, ...]) -> Iterator[Entry]:
        for base in self.scope.bases:
            for entries in self.directory.pages(Search(base, self.scope.scope, asked, attributes)):
                yield from entries

    def _committed(self, highest: str) -> str:
        ceiling = self.described.committed
        return min(highest, ceiling, key=int) if highest and ceiling else highest

    def _mark(self, mark: Watermark, at: str) -> str:
        return Watermark(mark.server, at, mark.groups, mark.full).text()


def version_of(kind: Kind, entry: Entry, effect: Effect, doubled: str | None) -> str:
    """The entry's own version and what its groups mean. A log-on name that is another's too is part of it."""
    own = f"{kind.version(entry)}/{short(entry.dn)}"
    meant = short(f"{effect.groups}{effect.template}") if effect.groups else ""
    return f"{own}/{meant}" if doubled is None else f"{own}/{meant}/doubled"


def short(text: str) -> str:
    """A digest."""
    return blake2b(text.encode(), digest_size=6).hexdigest()


def _later(kind: Kind, one: str, other: str) -> str:
    if not one or not other:
        return one or other
    return max(one, other, key=int) if kind is AD else max(one, other)
