"""Every value of the configuration with the line of YAML that it came from, for people who look: commands and the console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from runner.config.documents import Document
from runner.config.durations import duration_text
from runner.config.expanding import Schedule
from runner.config.loading import Loaded
from runner.config.plan import LinkPlan
from runner.config.settings import UNLIMITED, FolderSettings
from runner.config.yamlsource import Path
from runner.model.files import FileRules
from runner.model.terms import Side
from runner.reconcile.expanding import Expansion
from runner.reconcile.guards import Limit
from runner.reconcile.hours import DAYS


@dataclass(frozen=True, slots=True)
class Stated:
    """One value as a document states it. ``setting`` is its path with dots; ``rule`` is ``file:line:column``."""

    setting: str
    value: Any
    rule: str


@dataclass(frozen=True, slots=True)
class Described:
    """What is told of a configuration in use: the files' texts without secrets, each link's settings, and what each
    server's document states beside its links."""

    texts: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, FolderSettings] = field(default_factory=dict)
    servers: Mapping[str, tuple[Stated, ...]] = field(default_factory=dict)


def describe(loaded: Loaded) -> Described:
    """A loaded configuration, ready to be told about. It keeps no document, only what is told."""
    servers = {
        document.name: tuple(stated for stated in stated_values(document, but=("links",)))
        for document in loaded.documents
        if document.name and document.kind != "mapping"
    }
    return Described(loaded.texts, loaded.settings, MappingProxyType(servers))


def described_link(link: LinkPlan, settings: FolderSettings) -> dict[str, Any]:
    """A link with its effective settings, each with its origin, and its units."""
    told = {name: {"value": value, "origin": settings.origins[name]} for name, value in settings_of(settings).items()}
    units = [
        {
            "name": unit.name,
            "fields": list(unit.fields),
            "direction": unit.direction.value,
            "conflict": unit.conflict.value,
            "origin": unit.rule,
        }
        for unit in link.rules.units
    ]
    return {
        "name": link.name,
        "target": link.target,
        "user": link.user,
        "folder": link.folder.value,
        "enabled": link.enabled,
        "rule": link.rule,
        "digest": link.digest,
        "settings": told,
        "units": units,
    }


def settings_of(settings: FolderSettings) -> dict[str, Any]:
    """The effective settings of a link as plain data, under their names in YAML."""
    by_operation = settings.limits.by_operation
    ends = {"past": settings.window.past, "future": settings.window.future}
    written = {Side.CRM: "inbound", Side.TARGET: "outbound"}
    return {
        "enabled": settings.enabled,
        "entity": settings.entity.value,
        "mapping": settings.mapping,
        "direction": settings.direction.value,
        "conflict": settings.conflict.value,
        "edit_vs_delete": settings.edit_vs_delete.value,
        "on_drift": settings.on_drift.value,
        "on_leave": settings.on_leave.value,
        "private": settings.private.value,
        "private_title": settings.private_title,
        "private_meetings": settings.private_meetings,
        "alerts": settings.alerts,
        "keep_items_older_than": duration_text(settings.keep_items_older_than)
        if settings.keep_items_older_than
        else None,
        "expand": _growth(settings.expand),
        "snapshot": _schedule(settings.snapshot),
        "restrictions": {n: UNLIMITED if most is None else most for n, most in asdict(settings.restrictions).items()},
        "attachments": _files(settings.files),
        # A directory's filter is its server's to understand, and is told with the server.
        **({"filter": settings.filter} if "filter" in settings.origins else {}),
        "clock_tolerance": f"{settings.clock_tolerance:g}s",
        "time_zone": settings.time_zone,
        "window": {end: UNLIMITED if length is None else duration_text(length) for end, length in ends.items()},
        "deny": sorted(f"{written[side]}-{operation}" for operation, side in settings.denied),
        "mail": {
            "send": sorted(f"{kind}s" for kind in settings.mail.send),
            **{
                name: UNLIMITED if budget is None else budget
                for name, budget in (
                    ("per_run", settings.mail.per_run),
                    ("per_user", settings.mail.per_user),
                    ("per_day", settings.mail.per_day),
                )
            },
        },
        **{f"guards.max_{operation}s": _limit(limit) for operation, limit in by_operation.items()},
        **{
            f"guards.{scope}.max_{operation}s": _limit(limit)
            for scope, limits in (("per_target", settings.limits.per_target), ("per_run", settings.limits.per_run))
            for operation, limit in limits.items()
        },
    }


def _growth(expand: Expansion | None) -> dict[str, Any] | bool:
    if expand is None:
        return False
    told: dict[str, Any] = {
        "initial": {"past": duration_text(expand.past), "future": duration_text(expand.future)},
        "multiply": {"past": expand.times_past, "future": expand.times_future},
        "steps": expand.steps,
        "per_minute": UNLIMITED if expand.per_minute is None else expand.per_minute,
    }
    hours = expand.during
    if hours is not None:
        times = {"from": f"{hours.begin:%H:%M}", "to": f"{hours.end:%H:%M}", "time_zone": hours.zone}
        told["during"] = {"days": [DAYS[day] for day in sorted(hours.days)], **times}
    return told


def _schedule(snapshot: Schedule | None) -> dict[str, Any] | bool:
    if snapshot is None:
        return False
    told: dict[str, Any] = {"direction": snapshot.way, "at": snapshot.at, "time_zone": snapshot.zone}
    told |= {"items": snapshot.items.value}
    if snapshot.rate is not None:
        told["rate"] = snapshot.rate
    if snapshot.modified is not None:
        told["modified"] = duration_text(snapshot.modified)
    if snapshot.start is not None:
        ends = dict(zip(("past", "future"), snapshot.start, strict=True))
        told["start"] = {end: duration_text(length) for end, length in ends.items() if length is not None}
    return told


def _files(rules: FileRules | None) -> dict[str, Any] | bool:
    if rules is None:
        return False
    return {"max_bytes": rules.one, "max_total_bytes": rules.total, "blocked_extensions": sorted(rules.blocked)}


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "count": UNLIMITED if limit.count is None else limit.count,
        "ratio": UNLIMITED if limit.ratio is None else limit.ratio,
    }


def stated_values(document: Document, *, but: tuple[str, ...] = ()) -> Iterator[Stated]:
    """Every value of a document; ``but`` names keys at its top that are left out."""

    def walk(value: Any, path: Path) -> Iterator[Stated]:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                yield from walk(item, (*path, key))
        elif isinstance(value, list) and value:
            for index, item in enumerate(value):
                yield from walk(item, (*path, index))
        else:
            yield Stated(_dotted(path), value, document.rule(*path))

    return walk({name: value for name, value in document.data.items() if name not in but}, ())


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
