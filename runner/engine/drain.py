"""CRM changes → dirty marks: one reader per CRM, a pure router, marks and CRM watermark in one commit (design: triggers
are hints, truth is in the cursors)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime

from runner.model.errors import WatermarkInvalid
from runner.model.items import FeedRow
from runner.model.ports import CrmConnector, Store
from runner.model.state import Commit, Mark
from runner.model.terms import Entity, Side


@dataclass(frozen=True, slots=True)
class Route:
    """Where changes of one owner's records go. Disabled links are routed too: they keep their marks (B-15)."""

    link: str
    entity: Entity
    owner: str


def route(rows: Sequence[FeedRow], routes: Iterable[Route], paired: Mapping[str, frozenset[str]]) -> tuple[Mark, ...]:
    """Marks for every link that owned, owns or holds a changed record; a link that loses an item hears of it too."""
    by_owner: dict[tuple[Entity, str], list[str]] = {}
    entity_of: dict[str, Entity] = {}
    for entry in routes:
        by_owner.setdefault((entry.entity, entry.owner), []).append(entry.link)
        entity_of[entry.link] = entry.entity
    marks: dict[tuple[str, str], Mark] = {}
    for row in rows:
        links = {name for owner in row.owners for name in by_owner.get((row.entity, owner), ())}
        links |= {name for name in paired.get(row.key, ()) if entity_of.get(name) is row.entity}
        for name in sorted(links):
            marks[name, row.key] = Mark(name, Side.CRM, row.key)
    return tuple(marks.values())


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain found: how many changed keys, and the links that were marked (all of them after a lost watermark)."""

    changed: int
    links: frozenset[str]


def drain(
    store: Store,
    crm: CrmConnector,
    name: str,
    routes: Sequence[Route],
    alone: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Drained:
    """Read the CRM's feed to its end. Safe to repeat after a crash, and beside passes that run.

    A watermark that the CRM no longer takes is answered by listing every link again (B-74), never by a guess. That
    rewrites the states of links, so it happens inside ``alone()``: while it holds, no pass runs that would write its own.
    """
    since = store.crm_watermark(name)
    changed = 0
    links: set[str] = set()
    try:
        for page in crm.feed(since):
            marks = route(page.rows, routes, store.paired_links([row.key for row in page.rows])) if page.rows else ()
            if marks or page.watermark != since:
                store.commit(Commit(marks=marks, crm_watermarks={name: page.watermark}))
            since = page.watermark
            changed += len(page.rows)
            links.update(mark.link for mark in marks)
    except WatermarkInvalid:
        with alone():
            _start_over(store, crm, name, routes)
        links.update(entry.link for entry in routes)
    return Drained(changed, frozenset(links))


def tidy(store: Store, crm: CrmConnector, name: str, before: datetime) -> int:
    """Let the CRM forget changes older than ``before`` that the durable watermark has passed; returns how many."""
    consumed = store.crm_watermark(name)
    return crm.prune(before, consumed=consumed) if consumed else 0


def _start_over(store: Store, crm: CrmConnector, name: str, routes: Sequence[Route]) -> None:
    links = tuple(replace(store.link(entry.link), listed=False) for entry in routes)
    for page in crm.feed(None):
        store.commit(Commit(links=links, crm_watermarks={name: page.watermark}))
