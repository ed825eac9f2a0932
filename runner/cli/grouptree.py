"""A directory's groups as a tree for people: parents above their members, circles marked where they close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from runner.cli.output import table

SHOWN = 50
"""Users that are listed unless all are asked for."""
_TICKS = {True: "[x]", False: "[ ]", None: "   "}


def show_groups(told: Mapping[str, Any], name: str, *, most: int | None, tree: bool) -> None:
    """Print the tree, the users who take part with the reason, and rules that no group answers to."""
    if tree:
        _tree(told["groups"])
        for rule in told["unknown"]:
            click.echo(f"not in the directory: {rule}", err=True)
        why = "" if told["ruled"] else " (there is no group_mapping: everybody whom bases and filter find)"
        click.echo(f"\n{told['takes_part']} of {len(told['users'])} users take part{why}")
    users = told["users"] if not tree else [user for user in told["users"] if user["takes_part"]]
    rows = [(u["login"], "yes" if u["takes_part"] else "no", _why(u), u["template"]) for u in users[:most]]
    table(("LOGIN", "TAKES PART", "BECAUSE OF", "TEMPLATE"), rows, f"nobody of {name} takes part")
    if most is not None and len(users) > most:
        click.echo(f"… and {len(users) - most} more; --all lists them")


def _why(user: Mapping[str, Any]) -> str:
    if not user["takes_part"]:
        return "in no ticked group"
    parts = []
    for group in user["groups"]:
        by = user["through"].get(group, group)
        parts.append(group if by == group else f"{group} (through {by})")
    return ", ".join(parts) or "no groups are asked for"


def _tree(groups: Sequence[Mapping[str, Any]]) -> None:
    known = {group["dn"]: group for group in groups}
    children: dict[str, list[str]] = {dn: [] for dn in known}
    for dn, group in known.items():
        for parent in group["parents"]:
            children.setdefault(parent, []).append(dn)
    printed: set[str] = set()

    def branch(dn: str, depth: int, path: tuple[str, ...]) -> None:
        group, again = known[dn], dn in printed
        note = " (contains itself)" if dn in path else " (see above)" if again and children[dn] else ""
        click.echo(f"{'  ' * depth}{_TICKS[group['ticked']]} {group['name']}{_told(group)}{note}")
        printed.add(dn)
        if not again and dn not in path:
            for child in children[dn]:
                branch(child, depth + 1, (*path, dn))

    for dn in [dn for dn, group in known.items() if not group["parents"]]:
        branch(dn, 0, ())
    for dn in known:  # groups that contain each other have no top
        if dn not in printed:
            branch(dn, 0, ())
    if not known:
        click.echo("the directory has no groups below its bases")


def _told(group: Mapping[str, Any]) -> str:
    parts = [f"{group['members']} member(s)"]
    parts += [f"{group['users']} user(s) take part by it"] if group["ticked"] else []
    parts += [f"template {group['template']}"] if group["template"] else []
    parts += [f"priority {group['priority']}"] if group["priority"] is not None else []
    parts += [str(group["description"])] if group["description"] else []
    return ": " + ", ".join(parts)
