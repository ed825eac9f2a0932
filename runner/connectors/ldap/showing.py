"""A directory as people look at it: every group with its rule and its effect, every user with the reason why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from runner.connectors.ldap.groups import Groups
from runner.connectors.ldap.port import Entry
from runner.model.directory import DirectoryShown, GroupShown, UserShown
from runner.reconcile.membership import LAST, Effect, Standing


def shown(groups: Groups, people: Iterable[tuple[Entry, str | None, Effect]]) -> DirectoryShown:
    """Groups by name, users by log-on name; entries without one are left out."""
    users = sorted(
        (
            UserShown(login, entry.dn, effect.takes_part, effect.groups, dict(effect.through), effect.template)
            for entry, login, effect in people
            if login is not None
        ),
        key=lambda user: user.login,
    )
    effective: Counter[str] = Counter(name for user in users for name in user.groups)
    known = groups.roll.standings
    parents: dict[str, list[str]] = {dn: [] for dn in known}
    for standing in known.values():
        for member in standing.group.members & known.keys():
            parents[member].append(standing.group.shown_dn)
    told = [
        _group(standing, tuple(sorted(parents[dn])), effective[standing.group.name]) for dn, standing in known.items()
    ]
    unknown = tuple(f"{rule.group or rule.pattern} ({rule.rule})" for rule in groups.roll.unknown)
    return DirectoryShown(
        tuple(sorted(told, key=lambda g: (g.name.casefold(), g.dn))), tuple(users), unknown, groups.roll.ruled
    )


def _group(standing: Standing, parents: tuple[str, ...], users: int) -> GroupShown:
    group, rule = standing.group, standing.rule
    return GroupShown(
        name=group.name,
        dn=group.shown_dn,
        ticked=rule.synchronize_users if rule else None,
        rule=rule.rule if rule else None,
        description=(rule.description if rule else None) or group.described,
        template=rule.template if rule else None,
        priority=rule.priority if rule and rule.priority != LAST else None,
        parents=parents,
        members=len(group.members),
        users=users,
    )
