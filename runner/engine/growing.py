"""Links that grow from a list of people: a directory's users, a CSV file, the CRM's users (B-73).

The plan says how such links look; who gets one is read when the plan is put to use. Who leaves the list has no link in the
plan any more: his links become orphaned, and keep their state. A list that cannot be read, is empty or is longer than its
limit changes nothing: the links that the state knows stay, nobody new gets one, and the reason is told. So is each row
of a list that gives no link: nobody is left out without a word.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from runner.config.plan import GENERATED, GeneratedLinks, LinkPlan, SyncPlan
from runner.engine.parts import ref_of
from runner.model.errors import ExsyncError, UsageError
from runner.model.ports import CrmConnector, DirectoryConnector, TargetConnector
from runner.model.state import LinkCondition, LinkState
from runner.model.terms import Folder

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
"""Rough on purpose: which addresses there are, servers know themselves."""


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A row of a list that gives no link. ``rule`` is the list's ``file:line:column`` in YAML, ``target`` whose link it would
    be, ``row`` a log-on name, a DN or a line of the file, ``reason`` what is wrong with it."""

    rule: str
    target: str
    row: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it was read: addresses, lower case, each once, and rows without one, each with its reason."""

    addresses: list[str]
    lacking: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Grown:
    """A plan with its generated links, what kept a list from being followed, and rows of lists that gave no link."""

    plan: SyncPlan
    problems: tuple[str, ...]
    unlinked: tuple[Unlinked, ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where lists are read. ``targets`` opens a directory by name."""

    crm: Callable[[], CrmConnector]
    targets: Callable[[str], TargetConnector]

    def read(self, plan: SyncPlan, generated: GeneratedLinks) -> Listing:
        """One list. Raises what reading raises."""
        rows: Iterable[tuple[str, str | None, str]]
        match generated.kind:
            case "csv":
                rows = _csv(Path(generated.source), generated.rule)
            case "crm":
                rows = [("a user of the CRM", address, "") for address in self.crm().addresses()]
            case _:
                link = plan.links[f"{generated.source}/{Folder.USERS}"]
                connector = cast(DirectoryConnector, self.targets(generated.source))
                rows = ((one.name, one.address, one.lacks) for one in connector.participants(ref_of(link, None)))
        return _listing(rows)


def grow(plan: SyncPlan, known: Mapping[str, LinkState], sources: Sources) -> Grown:
    """Give everybody on the plan's lists his links. A link that is written out in YAML goes before a generated one."""
    links, shadows = dict(plan.links), dict(plan.shadows)
    problems: list[str] = []
    unlinked: list[Unlinked] = []
    for generated in plan.generated:
        before = _known(generated, known, plan)
        try:
            listing = sources.read(plan, generated)
            people, target = listing.addresses, next((link.target for link in generated.links), "")
            unlinked += [Unlinked(generated.rule, target, row, reason) for row, reason in listing.lacking]
            problem = _refused(generated, people, before)
        except ExsyncError as error:
            people, problem = before, f"{generated.rule}: the list of users cannot be read: {error}"
        if problem is not None:
            people = before
            problems.append(f"{problem}; the {len(before)} users known so far keep their links")
        for address in people:
            for number, template in enumerate(generated.links):
                link = _link(template, address)
                if link.name in links:
                    continue
                links[link.name] = link
                if not generated.tried:
                    continue
                tried = _link(generated.tried[number], address)
                if plan.candidates[tried.target].reaches(address):
                    links[link.name] = tried
                else:
                    shadows[link.name] = tried
    grown = replace(plan, links=MappingProxyType(links), shadows=MappingProxyType(shadows))
    return Grown(grown, tuple(problems), tuple(unlinked))


def _listing(rows: Iterable[tuple[str, str | None, str]]) -> Listing:
    """A list of (row, address, what it lacks when it has no address)."""
    found: set[str] = set()
    lacking: list[tuple[str, str]] = []
    for row, given, lacks in rows:
        address = (given or "").strip().lower()
        if not address:
            lacking.append((row, lacks or "it has no address"))
        elif not _ADDRESS.fullmatch(address):
            lacking.append((row, f"{given!r} is no e-mail address"))
        else:
            found.add(address)
    return Listing(sorted(found), tuple(lacking))


def _refused(generated: GeneratedLinks, people: list[str], before: list[str]) -> str | None:
    if len(people) > generated.limit:
        size = f"the list has {len(people)} users and its limit is {generated.limit}"
        return f"{generated.rule}: {size}: nobody new gets a link"
    if not people and before:
        return f"{generated.rule}: the list is empty: a fault of its source, and nobody loses his links"
    return None


def _known(generated: GeneratedLinks, known: Mapping[str, LinkState], plan: SyncPlan) -> list[str]:
    """Users whose generated links the state knows."""
    found: set[str] = set()
    for template in generated.links:
        head, tail = f"{template.target}/", f"/{template.folder}"
        for name, state in known.items():
            mine = name.startswith(head) and name.endswith(tail) and name not in plan.links
            if mine and state.condition is not LinkCondition.ORPHANED:
                found.add(name[len(head) : -len(tail)])
    return sorted(found)


def _link(template: LinkPlan, address: str) -> LinkPlan:
    name = template.name.replace(f"/{GENERATED}/", f"/{address}/")
    digest = hashlib.sha256(f"{template.digest} {name}".encode()).hexdigest()[:32]
    return replace(template, name=name, user=address, digest=digest)


def _csv(file: Path, rule: str) -> list[tuple[str, str | None, str]]:
    """(line, address, what it lacks) of each row of the file that has anything in it."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            column = next((name for name in rows.fieldnames or () if name.strip().lower() in ("email", "user")), None)
            if column is None:
                raise UsageError(
                    f"{rule}: {file.name} has no column email", remedy="give its first line the word email"
                )
            return [
                (f"line {rows.line_num} of {file.name}", row[column], f"column {column} is empty")
                for row in rows
                if any(row.values())
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{rule}: {file} cannot be read: {error}", remedy="correct csv: in YAML, or the file"
        ) from None
