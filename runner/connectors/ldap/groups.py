"""The groups of a directory, read whole: who is in them, and what the rules say of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runner.config.plan import DirectoryScope
from runner.connectors.ldap.kinds import AD, Kind, domain_of, rid_of
from runner.connectors.ldap.names import comparable
from runner.connectors.ldap.port import Directory, Entry, Search
from runner.model.errors import ContainerGone
from runner.reconcile.membership import EVERYBODY, Effect, Group, GroupRule, Roll, roll_of

MEMBER_UID = "memberUid"
"""The one list of members that holds log-on names instead of DNs (RFC 2307)."""


@dataclass(frozen=True, slots=True)
class Groups:
    """A directory's groups as they were at one moment, under the rules."""

    roll: Roll
    versions: Mapping[str, str]
    """Group key → version."""
    by_key: Mapping[str, str]
    """Group key → comparable DN."""
    primaries: Mapping[tuple[bytes, str], str]
    """(domain, number) → comparable DN, for primary groups."""
    digest: str

    def effect(self, entry: Entry, kind: Kind, login: str | None) -> Effect:
        """What the groups mean for a user."""
        if not self.roll.ruled:
            return EVERYBODY
        further: list[str] = []
        number = kind.primary(entry) if kind.further else None
        sid = entry.attributes.get("objectsid")
        if number and sid and (primary := self.primaries.get((domain_of(sid[0]), number))):
            further.append(primary)
        if login:
            further += self.roll.of_member.get(_by_login(login), ())
        return self.roll.effect(comparable(entry.dn), further)

    def parents(self, dn: str) -> list[str]:
        """Names of the groups that a group is a direct member of."""
        return [s.group.name for s in self.roll.standings.values() if dn in s.group.members]


NONE = Groups(roll_of((), ()), {}, {}, {}, "")


def read_groups(directory: Directory, kind: Kind, scope: DirectoryScope | None, rules: Sequence[GroupRule]) -> Groups:
    """Every group of the bases. Raises what reading raises; a set that is not whole is none."""
    if scope is None:
        return NONE
    attributes = {**kind.group_attributes, **scope.attributes}
    names, members = attributes["name"], attributes["members"]
    wanted = [*names, *attributes.get("description", ()), *members, *kind.identities, *kind.versions, "objectSid"]
    groups: dict[str, Group] = {}
    versions: dict[str, str] = {}
    primaries: dict[tuple[bytes, str], str] = {}
    shared: dict[str, str] = {}
    for base in scope.bases:
        search = Search(base, scope.scope, scope.filter or kind.groups, tuple(dict.fromkeys(wanted)))
        for entries in directory.pages(search):
            for entry in entries:
                key = kind.identity(entry)
                if key is None or key in groups:
                    continue
                dn = comparable(entry.dn)
                groups[key] = Group(
                    key=key,
                    dn=dn,
                    name=next((text for name in names if (text := entry.text(name))), entry.dn),
                    members=frozenset(_members(entry, members, shared)),
                    described=next((t for n in attributes.get("description", ()) if (t := entry.text(n))), None),
                    shown_dn=entry.dn,
                )
                versions[key] = kind.version(entry)
                sid = entry.attributes.get("objectsid")
                if kind is AD and sid and (rid := rid_of(sid[0])):
                    primaries[domain_of(sid[0]), rid] = dn
    told = [replace(rule, group=comparable(rule.group)) if rule.group and "=" in rule.group else rule for rule in rules]
    roll = roll_of(groups.values(), told)
    digest = hashlib.blake2b(digest_size=16)
    for key in sorted(groups):
        digest.update(f"{key} {versions[key]} {groups[key].dn} {len(groups[key].members)}\n".encode())
    return Groups(roll, versions, {key: group.dn for key, group in groups.items()}, primaries, digest.hexdigest())


def demand_known(groups: Groups, target: str) -> None:
    """Raise ``ContainerGone`` when a ticked group is not there: its users did not leave, and nobody goes for it (B-83)."""
    missing = groups.roll.missing
    if missing:
        told = ", ".join(f"{rule.group} ({rule.rule})" for rule in missing)
        raise ContainerGone(
            f"the directory {target} has no group {told}: renamed or deleted there, or mistyped here; nobody leaves for it",
            code="group-unknown",
            remedy=f"`exsync target groups {target}` lists what is there; correct the name, or take the rule out of YAML",
        )


def _members(entry: Entry, names: Sequence[str], shared: dict[str, str]) -> list[str]:
    """Comparable DNs (log-on names with a mark of their own); equal ones are one string, however many groups name it."""
    found = []
    for name in names:
        by_login = name.lower() == MEMBER_UID.lower()
        for text in entry.texts(name):
            member = _by_login(text.lower()) if by_login else comparable(text)
            found.append(shared.setdefault(member, member))
    return found


def _by_login(login: str) -> str:
    return f"uid:{login}"
