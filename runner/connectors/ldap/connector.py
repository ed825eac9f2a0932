"""The port ``TargetConnector`` over a ``Directory``: users and groups as items, keyed by the identity that no rename changes.

An item's version is the entry's own with a digest of what its groups mean for it: who joins a ticked group has changed,
though his entry has not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from runner.config.plan import DirectoryScope, LdapPlan
from runner.connectors.ldap.groups import Groups, demand_known, read_groups
from runner.connectors.ldap.kinds import AD, Kind, kind_of
from runner.connectors.ldap.names import comparable, in_filter, is_below
from runner.connectors.ldap.port import BY_GUID, Directory, Entry, Search
from runner.connectors.ldap.reading import Described, Reading, Seen, short, version_of
from runner.connectors.ldap.records import UserRecords, group_record
from runner.connectors.ldap.showing import shown
from runner.connectors.ldap.watermark import Watermark, is_young, moment, parsed
from runner.model.directory import DirectoryShown, Participant
from runner.model.errors import OUT_OF_SCOPE, ConnectorError, ContainerGone, Gone, Invalid, UsageError
from runner.model.items import Capabilities, ChangePage, Found, Identity, Item, LinkRef, Ref, Write, WriteResult
from runner.model.ports import Clock
from runner.model.terms import Entity, Folder, Place
from runner.reconcile.membership import Effect

FRESH = 120.0
"""Seconds for which what was read of groups and entries is taken for what is there: a pass."""
BATCH = 50
"""Entries that are looked up by one filter."""


class LdapConnector:
    """One directory. Safe to share between threads; each link has its own memory of what it saw."""

    def __init__(self, plan: LdapPlan, directory: Directory, clock: Clock) -> None:
        self.plan = plan
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._root: Described | None = None
        self._groups: tuple[float, Groups] | None = None
        self._seen: dict[str, Seen] = {}

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
        described = self._described(anew=True)
        groups = self.groups(anew=True)
        demand_known(groups, self.plan.name)
        mark = None if since is None else parsed(since)
        if link.folder is Folder.GROUPS:
            yield self._all_groups(groups, described.server)
            return
        seen = Seen(self._clock.monotonic())
        records = self._records(link, described.kind)
        reading = Reading(self._directory, described, self.plan.users, groups, records, seen)
        now = self._clock.now()
        same = mark is not None and (mark.server, mark.groups) == (described.server, groups.digest) and bool(mark.at)
        if mark is not None and same and self.plan.incremental and is_young(mark, now, self.plan.full_every):
            pages = reading.newer(mark)
        else:
            full = moment(now) if self.plan.incremental else ""
            pages = reading.everything(Watermark(described.server, "", groups.digest, full), since)
        for page in pages:
            if page.complete:
                with self._lock:
                    self._seen[link.name] = seen
            yield page

    def _all_groups(self, groups: Groups, server: str) -> ChangePage:
        refs = tuple(Ref(key, self._group_version(groups, key)) for key in sorted(groups.by_key))
        return ChangePage(refs, (), Watermark(server, "", groups.digest, "").text(), complete=True, whole=True)

    # -- what is there ---------------------------------------------------------------------------------------------------

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        """Items by identity. ``Gone`` is the server's own word for it; an entry that the link does not ask for is
        ``Invalid`` with code ``out-of-scope``."""
        if not keys:
            return {}
        kind = self._described().kind
        groups = self.groups()
        if link.folder is Folder.GROUPS:
            return self._get_groups(link, kind, groups, keys)
        records = self._records(link, kind)
        seen = self._seen_by(link)
        held = {key: seen.entries[key] for key in keys if key in seen.entries}
        asked = [key for key in keys if key not in held and kind.is_identity(key)]
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
        return Item(key, version_of(kind, entry, effect, None), values, native=key)

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
        elsewhere = self._anywhere(kind, key) if kind.is_identity(key) else None
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
        kind = self._described().kind
        groups = read_groups(self._directory, kind, self.plan.groups, self.plan.group_rules)
        with self._lock:
            self._groups = (self._clock.monotonic(), groups)
        return groups

    def show(self, link: LinkRef) -> DirectoryShown:
        """The groups with their rules, and every user of base and filter with what they mean for him."""
        groups = self.groups(anew=True)
        return shown(groups, self._people(link, groups))

    def participants(self, link: LinkRef) -> Iterator[Participant]:
        """Every user who takes part. Complete only when the iterator ends by itself."""
        groups = self.groups(anew=True)
        demand_known(groups, self.plan.name)
        records = self._records(link, self._described().kind)
        for entry, login, effect in self._people(link, groups):
            if effect.takes_part:
                yield records.participant(entry, login)

    def _people(self, link: LinkRef, groups: Groups) -> Iterator[tuple[Entry, str | None, Effect]]:
        kind = self._described().kind
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

    def _described(self, *, anew: bool = False) -> Described:
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
        committed = (root.text("highestCommittedUSN") or "") if kind is AD else ""
        described = Described(kind, server, contexts or ((default,) if default else ()), committed)
        with self._lock:
            self._root = described
        return described

    def _seen_by(self, link: LinkRef) -> Seen:
        now = self._clock.monotonic()
        with self._lock:
            self._seen = {name: seen for name, seen in self._seen.items() if now - seen.at < FRESH}
            return self._seen.get(link.name) or Seen(now)

    def _matching(
        self, kind: Kind, scope: DirectoryScope, usual: str, wanted: tuple[str, ...], keys: Sequence[str]
    ) -> dict[str, Entry]:
        """Those entries of these identities that base, scope and filter find."""
        found: dict[str, Entry] = {}
        filter_ = scope.filter or usual
        if kind is AD:  # nobody filters by objectGUID: entries are read by it, each with the filter
            bases = [comparable(base) for base in scope.bases]
            for key in keys:
                for entry in self._directory.find(Search(f"{BY_GUID}{key}>", "base", filter_, wanted)):
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
            return self._directory.read(f"{BY_GUID}{key}>", ["objectGUID"])
        wanted = f"({kind.identities[0]}={in_filter(key)})"
        for context in self._described().contexts:
            for entry in self._directory.find(Search(context, "subtree", wanted, kind.identities)):
                return entry
        return None

    def _group_version(self, groups: Groups, key: str) -> str:
        rule = groups.roll.standings[groups.by_key[key]].rule
        said = (rule.description, rule.template, rule.priority, rule.synchronize_users) if rule else ()
        return f"{groups.versions[key]}/{short(str(said) + str(groups.parents(groups.by_key[key])))}"
