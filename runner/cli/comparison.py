"""Two configurations compared without any server: links that come and go, settings that change and the line that says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from runner.config import Loaded
from runner.config.origins import settings_of
from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.meaning import meaning_of


@dataclass(frozen=True, slots=True)
class Changed:
    """One setting: what it was, what it is, and the line of YAML that says so now."""

    setting: str
    before: object
    after: object
    rule: str


@dataclass(frozen=True, slots=True)
class LinkComparison:
    """One link that changed. ``read_again``: the change concerns every item, so the next pass looks at all of them."""

    link: str
    changes: tuple[Changed, ...]
    read_again: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a change of the configuration comes to, as far as the files tell."""

    servers: tuple[Changed, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[LinkComparison, ...] = ()
    unchanged: int = 0
    links: frozenset[str] = field(default=frozenset())
    """Every link that the change concerns and that still is configured."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        told = asdict(self)
        del told["links"]
        return told

    def lines(self) -> Iterator[str]:
        """For a terminal and for Markdown alike."""
        if not (self.servers or self.added or self.removed or self.changed):
            yield "The configuration means the same as before."
            return
        for one in self.servers:
            yield f"~ {one.setting}: {one.before} → {one.after}  [{one.rule}]"
        for name in self.added:
            yield f"+ link {name}: its first sync pairs what both sides hold, and makes the rest"
        for name in self.removed:
            yield f"- link {name}: runs no more; nothing is deleted, and its state is kept until `exsync forget`"
        for link in self.changed:
            yield f"~ link {link.link}" + (": every item is looked at again" if link.read_again else "")
            for one in link.changes:
                yield f"    {one.setting}: {one.before} → {one.after}  [{one.rule}]"
        yield f"{self.unchanged} link(s) are not concerned."


def compare(before: Loaded, after: Loaded) -> Comparison:
    """Compare two configurations that both have a plan."""
    old, new = _plan(before), _plan(after)
    added = tuple(name for name in new.links if name not in old.links)
    removed = tuple(name for name in old.links if name not in new.links)
    both = [name for name in new.links if name in old.links]
    changed = [
        LinkComparison(name, settings, meaning_of(old.links[name]) != meaning_of(new.links[name]))
        for name in both
        if (settings := tuple(_settings(name, before, after)))
    ]
    servers = tuple(_servers(old, new))
    concerned = set(new.links) if any(one.setting.startswith(f"{new.crm.name}.") for one in servers) else set()
    touched = {one.setting.partition(".")[0] for one in servers}
    concerned |= {*added, *(one.link for one in changed), *(n for n in both if new.links[n].target in touched)}
    return Comparison(
        servers, added, removed, tuple(changed), len(both) - len(changed), frozenset(concerned & new.links.keys())
    )


def _plan(loaded: Loaded) -> SyncPlan:
    if loaded.plan is None:
        raise ValueError("only configurations with a plan can be compared")
    return loaded.plan


def _settings(name: str, before: Loaded, after: Loaded) -> Iterator[Changed]:
    old, new = _plan(before).links[name], _plan(after).links[name]
    was, now = settings_of(before.settings[name]), settings_of(after.settings[name])
    origins = after.settings[name].origins
    for setting, value in now.items():
        if was.get(setting) != value:
            yield Changed(setting, was.get(setting), value, origins.get(setting, new.rule))
    if old.paused != new.paused:
        yield Changed("paused", old.paused, new.paused, new.rule)
    yield from _units(old, new)
    if old.mapping.digest != new.mapping.digest and old.rules.units == new.rules.units:
        yield Changed(f"mapping {new.mapping.name}", "", "its expressions or values changed", new.rules.rule)


def _units(old: LinkPlan, new: LinkPlan) -> Iterator[Changed]:
    """Fields that are mapped anew, no more, or by other rules."""
    was, now = ({unit.name: unit for unit in link.rules.units} for link in (old, new))
    for name, unit in now.items():
        known = was.get(name)
        if known is None:
            yield Changed(f"field {name}", "not mapped", f"{unit.direction}, {unit.conflict}", unit.rule)
        elif (known.fields, known.direction, known.conflict) != (unit.fields, unit.direction, unit.conflict):
            was_so = f"{known.direction}, {known.conflict}"
            yield Changed(f"field {name}", was_so, f"{unit.direction}, {unit.conflict}", unit.rule)
    for name, unit in was.items():
        if name not in now:
            yield Changed(f"field {name}", f"{unit.direction}, {unit.conflict}", "not mapped", new.rules.rule)


def _servers(old: SyncPlan, new: SyncPlan) -> Iterator[Changed]:
    """The CRM's and the targets' own settings; secrets are references, and are shown as such."""
    for name in [*old.targets.keys() - new.targets.keys()]:
        yield Changed(f"{name}.", "a target", "not configured any more", "")
    pairs: list[tuple[str, Any, Any]] = [(new.crm.name, old.crm, new.crm)]
    pairs += [(name, old.targets.get(name), target) for name, target in new.targets.items()]
    for name, was, now in pairs:
        if was is None:
            yield Changed(f"{name}.", "not configured", "a target", now.rule)
            continue
        for setting in now.__slots__:
            one, other = getattr(was, setting), getattr(now, setting)
            if setting != "rule" and str(one) != str(other):
                yield Changed(f"{name}.{setting}", _shown(one), _shown(other), now.rule)


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
