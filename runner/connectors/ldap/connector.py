"""The port ``TargetConnector`` over a ``Directory``: users and groups as items, keyed by the identity that no rename changes.

An item's version is the entry's own with a digest of what its groups mean for it: who joins a ticked group has changed,
though his entry has not. A read of everything keeps its entries for the pass that asked, within bounds, so that nobody is
asked for twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from runner.config.plan import DirectoryScope, LdapPlan
from runner.connectors.ldap.groups import Groups, demand_known, read_groups
from runner.connectors.ldap.kinds import AD, Kind, kind_of
from runner.connectors.ldap.names import comparable, in_filter, is_below
from runner.connectors.ldap.port import Directory, Entry, Search
from runner.connectors.ldap.records import UserRecords, group_record
from runner.connectors.ldap.showing import shown
from runner.connectors.ldap.watermark import Watermark, is_young, moment, parsed, since_number, since_time
from runner.model.directory import DirectoryShown
from runner.model.errors import OUT_OF_SCOPE, ConnectorError, ContainerGone, Gone, Invalid, UsageError
from runner.model.items import Capabilities, ChangePage, Found, Identity, Item, LinkRef, Ref, Write, WriteResult
from runner.model.ports import Clock
from runner.model.terms import Entity, Folder, Place
from runner.reconcile.membership import Effect

FRESH = 120.0
"""Seconds for which what was read of groups and entries is taken for what is there: a pass."""
KEPT = 20_000
"""Entries that a read of everything keeps; further ones are read again when they are asked for."""
BATCH = 50
"""Entries that are looked up by one filter."""


@dataclass(slots=True)
class _Seen:
    """What one read of everything saw."""

    at: float
    entries: dict[str, Entry] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    """Key → the log-on name that another entry has too."""


class LdapConnector:
    """One directory. Safe to share between threads; each link has its own memory of what it saw."""

    def __init__(self, plan: LdapPlan, directory: Directory, clock: Clock) -> None:
        self.plan = plan
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._root: tuple[Kind, str, tuple[str, ...]] | None = None
        self._groups: tuple[float, Groups] | None = None
        self._seen: dict[str, _Seen] = {}

    def __repr__(self) -> str:
        return f"LdapConnector({self.plan.name}, {self.plan.url})"

    @property
    def capabilities(self) -> Capabilities:
        """Users and groups, read only."""
        return Capabilities(entities=frozenset({Entity.USER, Entity.GROUP}))

    def check(self, link: LinkRef) -> None:
        """The server answers, takes the log-on, has every base and every ticked group."""
        self._described(anew=True)
        for base in self._scope(link).bases:
            if self._directory.read(base, ["objectClass"]) is None:
                raise ContainerGone(
                    f"{self.plan.url} has no entry {base}", code="base-missing", remedy="correct the base in YAML"
                )
        demand_known(self.groups(anew=True), self.plan.name)

    # -- what changed ----------------------------------------------------------------------------------------------------

    def changes(self, link: LinkRef, since: str | None) -> Iterator[ChangePage]:
        """What changed since a watermark where the server tells that, everything otherwise (``ChangePage.whole``)."""
        with self._lock:
            self._seen.pop(link.name, None)
        kind, server, _ = self._described(anew=True)
        groups = self.groups(anew=True)
        demand_known(groups, self.plan.name)
        mark = None if since is None else parsed(since)
        if link.folder is Folder.GROUPS:
            yield self._all_groups(groups, server)
            return
        now = self._clock.now()
        same = mark is not None and (mark.server, mark.groups) == (server, groups.digest) and bool(mark.at)
        if mark is not None and same and self.plan.incremental and is_young(mark, now, self.plan.full_every):
            yield from self._newer(link, kind, groups, mark)
        else:
            full = moment(now) if self.plan.incremental else ""
            yield from self._everything(link, kind, groups, Watermark(server, "", groups.digest, full), since)

    def _everything(
        self, link: LinkRef, kind: Kind, groups: Groups, mark: Watermark, since: str | None
    ) -> Iterator[ChangePage]:
        """Every user who takes part. The last page alone is complete, and it comes when every base was read to its end:
        until then nothing is behind anybody but what was behind him before (``since``)."""
        records = self._records(link, kind)
        seen = _Seen(self._clock.monotonic())
        logins: dict[str, str] = {}
        named: set[str] = set()
        highest = ""
        for base in self.plan.users.bases:
            search = Search(base, self.plan.users.scope, self.plan.users.filter or kind.users, records.wanted)
            for entries in self._directory.pages(search):
                changed: list[Ref] = []
                for entry in entries:
                    key = kind.identity(entry)
                    if key is None or key in named:
                        continue
                    named.add(key)
                    login = records.login(entry)
                    highest = _later(kind, highest, kind.version(entry))
                    effect = groups.effect(entry, kind, login)
                    if not effect.takes_part:
                        continue
                    if login is not None and (other := logins.setdefault(login, key)) != key:
                        seen.doubled |= {key: login, other: login}
                    if len(seen.entries) < KEPT:
                        seen.entries[key] = entry
                    changed.append(Ref(key, _version(kind, entry, effect, seen.doubled.get(key))))
                if changed:
                    yield ChangePage(tuple(changed), (), since or "", complete=False, whole=True)
        with self._lock:
            self._seen[link.name] = seen
        doubled = tuple(Ref(key, None) for key in sorted(seen.doubled))
        at = highest if mark.full else ""
        text = Watermark(mark.server, at, mark.groups, mark.full).text()
        yield ChangePage(doubled, (), text, complete=True, whole=True)

    def _newer(self, link: LinkRef, kind: Kind, groups: Groups, mark: Watermark) -> Iterator[ChangePage]:
        """Users who changed since a watermark of the same server, under the same groups; on Active Directory also deleted
        ones, as far as the account may see them."""
        records = self._records(link, kind)
        name, first = kind.versions[0], since_number(mark.at) if kind is AD else since_time(mark.at)
        if kind is not AD and "#" not in mark.at:
            name = kind.versions[1]
        wanted = f"({name}>={in_filter(first)})"
        highest = mark.at
        seen = _Seen(self._clock.monotonic())
        changed: dict[str, Ref] = {}
        for base in self.plan.users.bases:
            asked = f"(&{self.plan.users.filter or kind.users}{wanted})"
            for entries in self._directory.pages(Search(base, self.plan.users.scope, asked, records.wanted)):
                for entry in entries:
                    key = kind.identity(entry)
                    if key is None:
                        continue
                    highest = _later(kind, highest, kind.version(entry))
                    changed[key] = Ref(
                        key, _version(kind, entry, groups.effect(entry, kind, records.login(entry)), None)
                    )
                    if len(seen.entries) < KEPT:
                        seen.entries[key] = entry
        deleted: set[str] = set()
        if kind is AD:
            for root in self._described()[2]:
                search = Search(root, "subtree", f"(&(isDeleted=TRUE){wanted})", ("objectGUID",), deleted=True)
                for entries in self._directory.pages(search):
                    deleted |= {key for entry in entries if (key := kind.identity(entry))}
        with self._lock:
            self._seen[link.name] = seen
        text = Watermark(mark.server, highest, mark.groups, mark.full).text()
        gone = tuple(sorted(deleted - changed.keys()))
        yield ChangePage(tuple(changed.values()), gone, text, complete=True)

    def _all_groups(self, groups: Groups, server: str) -> ChangePage:
        refs = tuple(Ref(key, self._group_version(groups, key)) for key in sorted(groups.by_key))
        return ChangePage(refs, (), Watermark(server, "", groups.digest, "").text(), complete=True, whole=True)

    # -- what is there ---------------------------------------------------------------------------------------------------

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        """Items by identity. ``Gone`` is the server's own word for it; an entry that the link does not ask for is
        ``Invalid`` with code ``out-of-scope``."""
        if not keys:
            return {}
        kind = self._described()[0]
        groups = self.groups()
        if link.folder is Folder.GROUPS:
            return self._get_groups(link, kind, groups, keys)
        records = self._records(link, kind)
        seen = self._seen_by(link)
        held = {key: seen.entries[key] for key in keys if key in seen.entries}
        asked = [key for key in keys if key not in held]
        held |= self._matching(kind, self.plan.users, kind.users, records.wanted, asked)
        answers: dict[str, Item | ConnectorError] = {}
        for key in keys:
            entry = held.get(key)
            if entry is None:
                answers[key] = self._absent(kind, key, "user")
            else:
                answers[key] = self._user(link, kind, groups, records, entry, key, seen.doubled.get(key))
        return answers

    def _user(
        self,
        link: LinkRef,
        kind: Kind,
        groups: Groups,
        records: UserRecords,
        entry: Entry,
        key: str,
        doubled: str | None,
    ) -> Item | ConnectorError:
        effect = groups.effect(entry, kind, records.login(entry))
        if not effect.takes_part:
            return Invalid(f"{entry.dn} is in no group whose users take part", code=OUT_OF_SCOPE)
        if doubled is not None:
            return Invalid(
                f"{entry.dn} has the log-on name {doubled!r}, and so has another user of the directory: which of them the "
                "CRM user is, nobody can tell",
                code="duplicate-login",
                remedy="give one of them another log-on name, or narrow bases and filter",
            )
        try:
            values = records.record(entry, effect)
        except Invalid as error:
            return error
        return Item(key, _version(kind, entry, effect, None), values, native=key)

    def _get_groups(
        self, link: LinkRef, kind: Kind, groups: Groups, keys: Sequence[str]
    ) -> dict[str, Item | ConnectorError]:
        answers: dict[str, Item | ConnectorError] = {}
        for key in keys:
            dn = groups.by_key.get(key)
            if dn is None:
                answers[key] = self._absent(kind, key, "group")
                continue
            values = group_record(groups.roll.standings[dn], groups.parents(dn), link, self.plan.name)
            answers[key] = Item(key, self._group_version(groups, key), values, native=key)
        return answers

    def _absent(self, kind: Kind, key: str, what: str) -> ConnectorError:
        """Why a look-up within the link's scope found nothing: the entry is outside of it, or it is gone."""
        elsewhere = self._anywhere(kind, key)
        if elsewhere is None:
            return Gone(f"the directory {self.plan.name} has no {what} {key}")
        return Invalid(f"{elsewhere.dn} is not what bases and filter ask for", code=OUT_OF_SCOPE)

    def find(self, link: LinkRef, identities: Sequence[Identity]) -> Sequence[Found]:
        """Holders of native identities: a directory never gives an entry's identity to another."""
        natives = [identity.native for identity in identities if identity.native]
        found = self.get(link, natives)
        return [
            Found(Identity(native=key), Place.FOLDER, key, item.version)
            for key, item in found.items()
            if isinstance(item, Item)
        ]

    def content(self, link: LinkRef, key: str, file: str) -> bytes:
        """Raises ``Gone``: a directory's entries have no attachments."""
        raise Gone(f"the entry {key} has no attachment {file}")

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """Refused: a directory is never written (B-3)."""
        if writes:
            raise UsageError(f"{self.plan.rule}: the directory {self.plan.name} is never written (B-3)")
        return iter(())

    def close(self) -> None:
        """Give back connections."""
        self._directory.close()

    # -- for people ------------------------------------------------------------------------------------------------------

    def groups(self, *, anew: bool = False) -> Groups:
        """The directory's groups under the rules, as they were within the last two minutes."""
        with self._lock:
            known = self._groups
        if known is not None and not anew and self._clock.monotonic() - known[0] < FRESH:
            return known[1]
        kind = self._described()[0]
        groups = read_groups(self._directory, kind, self.plan.groups, self.plan.group_rules)
        with self._lock:
            self._groups = (self._clock.monotonic(), groups)
        return groups

    def show(self, link: LinkRef) -> DirectoryShown:
        """The groups with their rules, and every user of base and filter with what they mean for him."""
        groups = self.groups(anew=True)
        return shown(groups, self._people(link, groups))

    def participants(self, link: LinkRef) -> Iterator[tuple[str, str | None]]:
        """(log-on name, main address) of every user who takes part. Complete only when the iterator ends by itself."""
        groups = self.groups(anew=True)
        demand_known(groups, self.plan.name)
        records = self._records(link, self._described()[0])
        for entry, login, effect in self._people(link, groups):
            if effect.takes_part and login is not None:
                yield login, records.main_address(entry)

    def _people(self, link: LinkRef, groups: Groups) -> Iterator[tuple[Entry, str | None, Effect]]:
        kind = self._described()[0]
        records = self._records(link, kind)
        named: set[str] = set()
        for base in self.plan.users.bases:
            search = Search(base, self.plan.users.scope, self.plan.users.filter or kind.users, records.wanted)
            for entries in self._directory.pages(search):
                for entry in entries:
                    key = kind.identity(entry)
                    if key is not None and key not in named:
                        named.add(key)
                        login = records.login(entry)
                        yield entry, login, groups.effect(entry, kind, login)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _scope(self, link: LinkRef) -> DirectoryScope:
        return self.plan.groups if link.folder is Folder.GROUPS and self.plan.groups else self.plan.users

    def _records(self, link: LinkRef, kind: Kind) -> UserRecords:
        return UserRecords(kind, {**kind.user_attributes, **self.plan.users.attributes}, link, self.plan.name)

    def _described(self, *, anew: bool = False) -> tuple[Kind, str, tuple[str, ...]]:
        """(kind, identity of this very server, naming contexts)."""
        with self._lock:
            known = self._root
        if known is not None and not anew:
            return known
        root = self._directory.root()
        kind = kind_of(root)
        server = self.plan.url
        if kind is AD and (settings := root.text("dsServiceName")):
            ntds = self._directory.read(settings, ["invocationId"])
            held = ntds.attributes.get("invocationid") if ntds else None
            server = held[0].hex() if held else settings
        contexts = tuple(root.texts("namingContexts")) if kind is not AD else ()
        default = root.text("defaultNamingContext")
        described = (kind, server, contexts or ((default,) if default else ()))
        with self._lock:
            self._root = described
        return described

    def _seen_by(self, link: LinkRef) -> _Seen:
        now = self._clock.monotonic()
        with self._lock:
            self._seen = {name: seen for name, seen in self._seen.items() if now - seen.at < FRESH}
            return self._seen.get(link.name) or _Seen(now)

    def _matching(
        self, kind: Kind, scope: DirectoryScope, usual: str, wanted: tuple[str, ...], keys: Sequence[str]
    ) -> dict[str, Entry]:
        """Those entries of these identities that base, scope and filter find."""
        found: dict[str, Entry] = {}
        filter_ = scope.filter or usual
        if kind is AD:  # nobody filters by objectGUID: entries are read by it, each with the filter
            bases = [comparable(base) for base in scope.bases]
            for key in keys:
                for entry in self._directory.find(Search(f"<GUID={key}>", "base", filter_, wanted)):
                    if any(is_below(comparable(entry.dn), base, scope.scope) for base in bases):
                        found[key] = entry
            return found
        for start in range(0, len(keys), BATCH):
            any_of = "".join(f"({kind.identities[0]}={in_filter(key)})" for key in keys[start : start + BATCH])
            for base in scope.bases:
                for entry in self._directory.find(Search(base, scope.scope, f"(&(|{any_of}){filter_})", wanted)):
                    if (identity := kind.identity(entry)) is not None:
                        found[identity] = entry
        return found

    def _anywhere(self, kind: Kind, key: str) -> Entry | None:
        if kind is AD:
            return self._directory.read(f"<GUID={key}>", ["objectGUID"])
        wanted = f"({kind.identities[0]}={in_filter(key)})"
        for context in self._described()[2]:
            for entry in self._directory.find(Search(context, "subtree", wanted, kind.identities)):
                return entry
        return None

    def _group_version(self, groups: Groups, key: str) -> str:
        rule = groups.roll.standings[groups.by_key[key]].rule
        said = (rule.description, rule.template, rule.priority, rule.synchronize_users) if rule else ()
        return f"{groups.versions[key]}/{_short(str(said) + str(groups.parents(groups.by_key[key])))}"


def _version(kind: Kind, entry: Entry, effect: Effect, doubled: str | None) -> str:
    """The entry's own version and what its groups mean. A log-on name that is another's too is part of it."""
    own = f"{kind.version(entry)}/{_short(entry.dn)}"
    meant = _short(f"{effect.groups}{effect.template}") if effect.groups else ""
    return f"{own}/{meant}" if doubled is None else f"{own}/{meant}/doubled"


def _later(kind: Kind, one: str, other: str) -> str:
    if not one or not other:
        return one or other
    return max(one, other, key=int) if kind is AD else max(one, other)


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=6).hexdigest()
