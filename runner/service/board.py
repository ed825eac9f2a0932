"""The Synchronization page as plain data: targets, one target, links by the thousand, one link (B-90)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.config.durations import duration_text
from runner.config.origins import described_link
from runner.config.plan import LinkPlan, TargetPlan
from runner.engine.hindrance import hindrance_of
from runner.model.errors import UsageError
from runner.model.queueing import Message, MessageState
from runner.model.state import LinkCondition, Scope, Suspension
from runner.service.circuit import CircuitState
from runner.service.progressing import growing, progress_view
from runner.service.service import Service
from runner.service.views import Data, audit_view, message_view, pass_view, text_of
from runner.store.history import Asked, History
from runner.store.overview import LinkOverview

SORTS = ("name", "user", "folder", "standing", "pairs", "waiting", "held", "aside", "last_pass")
STANDINGS = {
    "ok": "in step",
    "waiting": "changes wait for a pass",
    "attention": "somebody has to decide",
    "failing": "its last pass failed",
    "blocked": "its message is blocked",
    "stopped": "refused: access, folder or log-on",
    "paused": "suspended or paused",
    "disabled": "disabled in YAML",
    "new": "has not had a pass yet",
    "orphaned": "no longer in the YAML",
}
"""How a link stands, in one word made of its condition (see ``model.lifecycle``) and of what waits on it; most urgent words
are told first by :data:`URGENT`."""
URGENT = ("stopped", "blocked", "failing", "attention", "waiting", "paused", "new", "ok", "disabled", "orphaned")
FRESH = 2.0
"""Seconds after which rows are made anew although nothing is known to have moved: passes without effect tell nobody."""
_FAILING = frozenset({MessageState.ERROR, MessageState.BLOCKED})


@dataclass(frozen=True, slots=True)
class LinkQuery:
    """Which links somebody wants to see: filtered, sorted, one page of them. ``""`` stands for all."""

    target: str = ""
    search: str = ""
    """Part of a name, whatever its case; several words must all be there."""
    standing: str = ""
    folder: str = ""
    sort: str = "name"
    descending: bool = False
    page: int = 1
    size: int = 50


class Board:
    """What the page shows of a running service. Safe to use from several threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._history = History(service.store)
        self._kept: tuple[object, float, list[Data]] = (None, 0.0, [])

    def targets(self) -> list[Data]:
        """One line per target of the configuration: how it stands, and how its links do."""
        service, plan = self._service, self._service.generations.current.plan
        rows = self._rows()
        by_target: dict[str, Counter[str]] = {}
        for row in rows:
            by_target.setdefault(row["target"], Counter())[row["standing"]] += 1
        backlog = Counter(message.target for message in service.queue.messages())
        suspended = {one.name for one in service.store.suspensions() if one.scope is Scope.TARGET}
        return [
            self._target(target, by_target.get(name, Counter()), backlog[name], suspended=name in suspended)
            for name, target in plan.targets.items()
        ]

    def target(self, name: str) -> Data:
        """One target: its line, and every value of its document with its place. Raises ``UsageError``."""
        for told in self.targets():
            if told["name"] == name:
                servers = self._service.configuration.described.servers
                stated = [
                    {"setting": each.setting, "value": each.value, "origin": each.rule}
                    for each in servers.get(name, ())
                ]
                return {**told, "settings": stated}
        raise UsageError(f"no target is called {name!r}")

    def links(self, query: LinkQuery) -> Data:
        """One page of links, and how many there are in all, by standing."""
        words = query.search.lower().split()
        found = [
            row
            for row in self._rows()
            if (not query.target or row["target"] == query.target)
            and (not query.folder or row["folder"] == query.folder)
            and all(word in row["name"] for word in words)
        ]
        standings = Counter(row["standing"] for row in found)
        if query.standing:
            found = [row for row in found if row["standing"] == query.standing]
        key = query.sort if query.sort in SORTS else "name"
        found.sort(key=lambda row: row["name"])
        found.sort(key=lambda row: _rank(row, key), reverse=query.descending)
        pages = max(1, -(-len(found) // query.size))
        page = min(max(1, query.page), pages)
        start = (page - 1) * query.size
        return {
            "links": [_told(row) for row in found[start : start + query.size]],
            "total": len(found),
            "page": page,
            "pages": pages,
            "size": query.size,
            "standings": {word: standings[word] for word in URGENT if standings[word]},
        }

    def link(self, name: str) -> Data:
        """One link: how it stands, its last passes, its message, its settings with their places. Raises ``UsageError``."""
        row = next((row for row in self._rows() if row["name"] == name), None)
        if row is None:
            raise UsageError(f"no link is called {name!r}")
        service = self._service
        state = service.store.link(name)
        passes, number = self._history.passes(Asked(link=name), limit=5)
        plan = service.generations.current.plan.links.get(name)
        settings = service.configuration.described.settings.get(name)
        message = next((each for each in service.queue.messages() if each.link == name), None)
        counts = service.store.mark_counts(name, service.clock.now())
        proof = service.store.proofs().get(name)
        return {
            **_told(row),
            "watermark": bool(state.target_watermark),
            "read_to_the_end": state.target_complete,
            "due": counts.due,
            "growing": growing(plan, state.step),
            "progress": progress_view(service.store, service.generations.current.plan, service.clock.now()).get(name),
            "snapshot_at": text_of(state.snapshot_at),
            "subscription": service.notifications.view(plan.target, name) if plan else None,
            "passes": [pass_view(each) for each in passes],
            "passes_in_all": number,
            "message": message_view(message) if message else None,
            "open_held": [conflict.id for conflict in service.store.conflicts(name, open_only=True)],
            "proof": audit_view(proof) if proof else None,
            "described": described_link(plan, settings) if plan and settings else None,
        }

    def _target(self, target: TargetPlan, links: Counter[str], backlog: int, *, suspended: bool) -> Data:
        circuit = self._service.dispatcher.circuits().get(target.name)
        state = circuit.state if circuit else CircuitState.CLOSED
        return {
            "name": target.name,
            "endpoint": target.endpoint,
            "enabled": target.enabled,
            "paused": target.paused,
            "suspended": suspended,
            "notifications": target.notifications.mode,
            "poll": duration_text(target.notifications.poll),
            "connections": target.connections,
            "circuit": state.value,
            "since": text_of(circuit.since) if circuit else None,
            "probed_at": text_of(circuit.until) if circuit else None,
            "reason": circuit.reason if circuit else None,
            "rule": target.rule,
            "backlog": backlog,
            "links": links.total(),
            "standings": {word: links[word] for word in URGENT if links[word]},
        }

    def _rows(self) -> list[Data]:
        """Every link's row; those of a moment ago while nothing has moved, since ten thousand take a fifth of a second."""
        service = self._service
        moved = (service.store.commits, service.queue.changes(), service.generations.current.number)
        now = service.clock.monotonic()
        seen, at, rows = self._kept
        if seen == moved and now - at < FRESH:
            return rows
        rows = self._made()
        self._kept = (moved, now, rows)
        return rows

    def _made(self) -> list[Data]:
        service = self._service
        plan = service.generations.current.plan
        known = {entry.name: entry for entry in service.store.overview()}
        messages = {message.link: message for message in service.queue.messages()}
        suspensions = tuple(service.store.suspensions())
        everything = any(one.scope is Scope.ALL for one in suspensions) or plan.crm.paused
        hindered = _Hindered(plan.targets, suspensions, everything=everything)
        enabled = {name for name, target in plan.targets.items() if target.enabled}
        rows = []
        for name in {**dict.fromkeys(known), **dict.fromkeys(plan.links)}:
            link, entry, message = plan.links.get(name), known.get(name), messages.get(name)
            runs = link is not None and link.enabled and link.target in enabled
            paused = link is not None and hindered.stops(link)
            rows.append(
                {
                    **_row(name, link, entry, message),
                    "standing": _standing(entry, message, link is not None, runs, paused),
                }
            )
        return rows

    def hindrance(self, name: str) -> str | None:
        """What keeps a link from running, as one sentence."""
        plan = self._service.generations.current.plan
        link = plan.links.get(name)
        found = None if link is None else hindrance_of(plan, link, self._service.store.suspensions())
        return found.reason if found else None


class _Hindered:
    """Whether links are put off, looked up rather than asked for each: there may be ten thousand."""

    def __init__(
        self, targets: Mapping[str, TargetPlan], suspensions: Iterable[Suspension], *, everything: bool
    ) -> None:
        self._everything = everything
        suspended = list(suspensions)
        self._targets = {one.name for one in suspended if one.scope is Scope.TARGET}
        self._targets |= {name for name, target in targets.items() if target.paused}
        self._links = {one.name for one in suspended if one.scope is Scope.LINK}
        self._candidates = {one.name for one in suspended if one.scope is Scope.CANDIDATE}

    def stops(self, link: LinkPlan) -> bool:
        if self._everything or link.paused or link.target in self._targets or link.name in self._links:
            return True
        return link.candidate is not None and link.target in self._candidates


def _row(name: str, link: LinkPlan | None, entry: LinkOverview | None, message: Message | None) -> Data:
    target, *between, folder = name.split("/")
    user = "/".join(between)  # a directory's links have none
    return {
        "name": name,
        "target": target,
        "user": user,
        "folder": folder,
        "direction": link.rules.direction.value if link else None,
        "mapping": link.mapping.name if link else None,
        "rule": link.rule if link else None,
        "condition": entry.condition.value if entry else LinkCondition.NEW.value,
        "reason": (message.reason if message and message.reason else None) or (entry.reason if entry else None),
        "pairs": entry.active if entry else 0,
        "detached": entry.detached if entry else 0,
        "waiting": entry.marks if entry else 0,
        "held": entry.open_conflicts if entry else 0,
        "aside": entry.quarantined if entry else 0,
        "unsettled": entry.open_intents if entry else 0,
        "last_pass": entry.last_pass if entry else None,
        "queue": message.state.value if message else None,
        "configured": link is not None,
    }


def _standing(entry: LinkOverview | None, message: Message | None, configured: bool, runs: bool, paused: bool) -> str:
    if not configured:
        return "orphaned"
    if not runs:
        return "disabled"
    if paused:
        return "paused"
    if message is not None and message.state is MessageState.BLOCKED:
        return "stopped" if entry and entry.condition is LinkCondition.STOPPED else "blocked"
    if entry is None or entry.condition is LinkCondition.NEW:
        return "failing" if message is not None and message.state in _FAILING else "new"
    if entry.condition is LinkCondition.STOPPED:
        return "stopped"
    if message is not None and message.state in _FAILING:
        return "failing"
    if entry.open_conflicts or entry.quarantined:
        return "attention"
    return "waiting" if entry.marks else "ok"


def _rank(row: Data, key: str) -> Any:
    if key == "standing":
        return URGENT.index(row["standing"])
    value = row[key]
    return (value is not None, value.timestamp() if value else 0.0) if key == "last_pass" else value


def _told(row: Data) -> Data:
    return {**row, "last_pass": text_of(row["last_pass"])}
