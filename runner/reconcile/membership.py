"""Who takes part by group membership, and which template a new user gets (B-82). Pure.

A user takes part when any group that he is in is *ticked* (``synchronize_users``): directly, or because one of his groups is
a member of it, through any number of others, ticked or not. Groups may contain each other and themselves. The ticked group
with the lowest priority number gives a new user his template; of equal numbers the first by name.

*Choices where the rule book is silent*

- Without any group rule nobody is asked for a group: everybody whom base and filter find takes part.
- A rule names a group by its DN, by its name, or by a pattern over names (``*`` and ``?``). The most specific one holds: DN,
  then name, then the first pattern that fits. Case does not matter.
- A ticked group that is named and not there is an error of the source, not a group without members: nobody leaves for it.
- Only ticked groups give templates, and among them only those that name one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

LAST = 1_000_000
"""The priority of a group without one."""


@dataclass(frozen=True, slots=True)
class GroupRule:
    """What the configuration says of a group, or of all whose names fit a pattern."""

    group: str | None
    """A name or a DN; None: ``pattern`` says which."""
    pattern: str | None
    synchronize_users: bool
    rule: str
    """``file:line:column``."""
    description: str | None = None
    template: str | None = None
    priority: int = LAST


@dataclass(frozen=True, slots=True)
class Group:
    """One group of the directory. ``key`` identifies it, ``dn`` is comparable text (see ``connectors.ldap.names``)."""

    key: str
    dn: str
    name: str
    members: frozenset[str]
    """DNs of direct members, comparable."""
    described: str | None = None
    shown_dn: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """One group under the rules: its own rule, and the ticked groups that its members are in through it."""

    group: Group
    rule: GroupRule | None
    ticked_by: tuple[str, ...]
    """DNs of ticked groups that contain it, itself included, in order of priority and name."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Whether somebody takes part, and why: the ticked groups in order of priority, the group that he is directly in for
    each, and the template of a new user."""

    takes_part: bool
    groups: tuple[str, ...] = ()
    through: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None


EVERYBODY = Effect(takes_part=True)
NOBODY = Effect(takes_part=False)


@dataclass(frozen=True, slots=True)
class Roll:
    """All groups of a directory under the rules: built once for a pass, asked for every user."""

    standings: Mapping[str, Standing]
    """By comparable DN."""
    unknown: tuple[GroupRule, ...]
    """Rules whose group is not in the directory, or whose pattern fits none."""
    ruled: bool
    of_member: Mapping[str, tuple[str, ...]]
    """Comparable DN of a member → the groups that it is directly in, only where a ticked group contains them."""

    @property
    def missing(self) -> tuple[GroupRule, ...]:
        """Ticked groups that are named and not there."""
        return tuple(rule for rule in self.unknown if rule.synchronize_users and rule.group is not None)

    def effect(self, member: str, further: Iterable[str] = ()) -> Effect:
        """What the groups mean for a member by its comparable DN. ``further``: groups that hold him otherwise (a primary
        group), by comparable DN."""
        if not self.ruled:
            return EVERYBODY
        direct = self.of_member.get(member, ())
        more = [dn for dn in further if dn in self.standings and dn not in direct]
        if not direct and not more:
            return NOBODY
        through: dict[str, str] = {}
        for dn in (*direct, *more):
            for ticked in self.standings[dn].ticked_by:
                if ticked not in through or ticked == dn:
                    through[ticked] = dn
        if not through:
            return NOBODY
        ordered = sorted((self.standings[dn] for dn in through), key=_rank)
        template = next((s.rule.template for s in ordered if s.rule and s.rule.template), None)
        names = tuple(standing.group.name for standing in ordered)
        named = {self.standings[t].group.name: self.standings[d].group.name for t, d in through.items()}
        return Effect(takes_part=True, groups=names, through=named, template=template)


def roll_of(groups: Iterable[Group], rules: Sequence[GroupRule]) -> Roll:
    """Lay the rules over a directory's groups."""
    known = {group.dn: group for group in groups}
    ruling = {dn: _rule_for(group, rules) for dn, group in known.items()}
    used = {id(rule) for rule in ruling.values() if rule is not None}
    parents: dict[str, list[str]] = {dn: [] for dn in known}
    for dn, group in known.items():
        for member in group.members & known.keys():
            parents[member].append(dn)
    ticked = {dn for dn, rule in ruling.items() if rule is not None and rule.synchronize_users}
    standings = {}
    for dn, group in known.items():
        above = _above(dn, parents)
        by = sorted(above & ticked, key=lambda each: _rank_of(known[each], ruling[each]))
        standings[dn] = Standing(group, ruling[dn], tuple(by))
    of_member: dict[str, list[str]] = {}
    for dn, standing in standings.items():
        if standing.ticked_by:
            for member in standing.group.members:
                of_member.setdefault(member, []).append(dn)
    unknown = tuple(rule for rule in rules if id(rule) not in used and not _shadowed(rule, known.values()))
    return Roll(standings, unknown, bool(rules), {member: tuple(sorted(dns)) for member, dns in of_member.items()})


def _above(dn: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    """A group and every group that contains it, in any number of steps; circles end where they began."""
    seen = {dn}
    waiting = [dn]
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return seen


def _rule_for(group: Group, rules: Sequence[GroupRule]) -> GroupRule | None:
    name = group.name.casefold()
    fitting = [rule for rule in rules if _fits(rule, group, name)]
    return min(fitting, key=lambda rule: _closeness(rule, group), default=None)


def _fits(rule: GroupRule, group: Group, name: str) -> bool:
    if rule.group is not None:
        wanted = rule.group.casefold()
        return wanted in (group.dn, name)
    return fnmatchcase(name, (rule.pattern or "").casefold())


def _closeness(rule: GroupRule, group: Group) -> int:
    if rule.group is None:
        return 2
    return 0 if rule.group.casefold() == group.dn else 1


def _shadowed(rule: GroupRule, groups: Iterable[Group]) -> bool:
    """Whether a rule has a group and only more specific ones hold for it."""
    return any(_fits(rule, group, group.name.casefold()) for group in groups)


def _rank(standing: Standing) -> tuple[int, str, str]:
    return _rank_of(standing.group, standing.rule)


def _rank_of(group: Group, rule: GroupRule | None) -> tuple[int, str, str]:
    return (rule.priority if rule else LAST, group.name.casefold(), group.dn)
