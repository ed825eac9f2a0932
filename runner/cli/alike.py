"""A comparison of two configurations in few lines: links that change alike are told once, however many they are.

A word in a target's ``defaults`` changes thousands of links; what a reader wants to know is the word, its line, and whom it
concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runner.cli.comparison import Changed, Comparison, LinkComparison

NAMED = 8
"""Users that are named; the rest are counted."""
ROOM = 100
"""Characters of a line of names of fields."""


def lines(comparison: Comparison) -> Iterator[str]:
    """For a terminal and for Markdown alike."""
    if not comparison.different:
        yield "The configuration means the same as before."
        return
    for one in comparison.servers:
        yield f"~ {one.setting}: {flow(one.before)} → {flow(one.after)}" + _at(one.rule)
    yield from _group("+", comparison.added, "first sync: pairs what both sides hold, and makes the rest")
    yield from _group(
        "-", comparison.removed, "no longer run: nothing is deleted, the state is kept until `exsync forget`"
    )
    for alike in _alike(comparison.changed):
        what = "every item is looked at again" if alike[0].read_again else "items are looked at as they change"
        yield from _group("~", [each.link for each in alike], what)
        yield from _settings(alike[0].changes)
    for note in comparison.unread:
        yield f"? {note}"
    if comparison.unchanged:
        yield f"{_links(comparison.unchanged)} not concerned."


def flow(value: Any) -> str:
    """A value as YAML writes it on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _group(mark: str, links: Sequence[str], what: str) -> Iterator[str]:
    """Links of which the same is to be said, by target and user, with each user's folders."""
    if not links:
        return
    owners: dict[str, list[str]] = {}
    for link in links:
        owner, _, folder = link.rpartition("/")
        owners.setdefault(owner, []).append(folder)
    if len(links) == 1:
        yield f"{mark} link {links[0]}: {what}"
        return
    yield f"{mark} {_links(len(links))}: {what}"
    for owner, folders in list(owners.items())[:NAMED]:
        yield f"      {owner}/{folders[0]}" if len(folders) == 1 else f"      {owner} ({', '.join(folders)})"
    if len(owners) > NAMED:
        yield f"      … and {len(owners) - NAMED:,} more"


def _alike(changed: Iterable[LinkComparison]) -> Iterable[list[LinkComparison]]:
    found: dict[str, list[LinkComparison]] = {}
    for link in changed:
        found.setdefault(repr((link.read_again, link.changes)), []).append(link)
    return found.values()


def _settings(changes: Iterable[Changed]) -> Iterator[str]:
    """Each setting with its line; fields of which the same is said share one."""
    told: dict[tuple[str, str, str], list[str]] = {}
    for one in changes:
        key = (flow(one.before), flow(one.after), one.rule)
        word, _, name = one.setting.partition(" ")
        if word == "field":
            told.setdefault(key, []).append(name)
            continue
        yield f"    {one.setting}: {key[0]} → {key[1]}" + _at(one.rule)
    for (before, after, rule), names in told.items():
        joined = ", ".join(names)
        if len(joined) > ROOM:
            joined = f"{joined[:ROOM].rpartition(', ')[0]} … ({len(names)} in all)"
        yield f"    field{'s' if len(names) > 1 else ''} {joined}: {before} → {after}" + _at(rule)


def _at(rule: str) -> str:
    return f"  [{rule}]" if rule else ""


def _links(number: int) -> str:
    return f"{number:,} link{'' if number == 1 else 's'}"
