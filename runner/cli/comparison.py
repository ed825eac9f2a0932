"""Two configurations compared without any server: links that come and go, settings that change and the line that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from runner.config import Loaded
from runner.config.origins import settings_of
from runner.config.plan import GENERATED, GeneratedLinks, LinkPlan, SyncPlan
from runner.config.settings import FolderSettings
from runner.engine.growing import Grown, Sources, grow
from runner.engine.meaning import meaning_of
from runner.model.errors import UsageError


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
    unread: tuple[str, ...] = ()
    """Lists of users that do not lie in files: who is on them is not compared."""
    links: frozenset[str] = field(default=frozenset())
    """Every link that the change concerns and that still is configured."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        told = asdict(self)
        del told["links"]
        return told

    @property
    def different(self) -> bool:
        """Whether the two mean anything different, as far as the files tell."""
        return bool(self.servers or self.added or self.removed or self.changed)


def compare(before: Loaded, after: Loaded) -> Comparison:
    """Compare two configurations that both have a plan. Lists of users in CSV files are read; everybody on a list that lies
    elsewhere is one link, its user being ``*``."""
    old, new = _listed(before), _listed(after)
    added = tuple(name for name in new.links if name not in old.links)
    removed = tuple(name for name in old.links if name not in new.links)
    both = [name for name in new.links if name in old.links]
    changed = [
        LinkComparison(name, settings, meaning_of(old.links[name]) != meaning_of(new.links[name]))
        for name in both
        if (settings := tuple(_settings(old.links[name], new.links[name], before, after)))
    ]
    servers = tuple(_servers(old, new))
    concerned = set(new.links) if any(one.setting.startswith(f"{new.crm.name}.") for one in servers) else set()
    touched = {one.setting.partition(".")[0] for one in servers}
    concerned |= {*added, *removed, *(one.link for one in changed)}
    concerned |= {name for name in both if new.links[name].target in touched}
    unread = tuple(dict.fromkeys(f"who is on {_called(each)} is not told by the files" for each in _elsewhere(new)))
    servers += tuple(_tried(before, after))
    return Comparison(
        servers, added, removed, tuple(changed), len(both) - len(changed), unread, links=frozenset(concerned)
    )


def _tried(before: Loaded, after: Loaded) -> Iterator[Changed]:
    """Candidates that come, change or go. They concern no link's next pass but of those that run by them."""
    old, new = (
        {document.name: document for document in loaded.documents if document.kind in ("exchange", "ldap")}
        for loaded in (before, after)
    )
    for name in sorted(str(name) for name in old.keys() & new.keys()):
        was, now = (documents[name].data.get("candidate") for documents in (old, new))
        if was != now:
            rule = new[name].rule("candidate") if now is not None else new[name].rule()
            yield Changed(f"{name}.candidate", was, now, rule)


def grown(plan: SyncPlan, sources: Sources) -> Grown:
    """The plan with links for those on its lists, as on the first day: nothing is known of earlier ones."""
    return grow(plan, {}, sources)


def concerns(comparison: Comparison, link: LinkPlan) -> bool:
    """Whether a link, be it of a list, is among those that the change concerns."""
    return not {link.name, _template_of(link)}.isdisjoint(comparison.links)


def _template_of(link: LinkPlan) -> str:
    """What the link of a list's user is called before it is anybody's."""
    return f"{link.target}/{GENERATED}/{link.folder}"


def _elsewhere(plan: SyncPlan) -> list[GeneratedLinks]:
    return [each for each in plan.generated if each.kind != "csv"]


def _called(generated: GeneratedLinks) -> str:
    what = (
        f"the list in the directory {generated.source}" if generated.kind == "ldap" else "the list of the CRM's users"
    )
    return f"{what} ({generated.rule})"


def _listed(loaded: Loaded) -> SyncPlan:
    """The plan with everybody on its CSV files, and one link for all who are on a list that lies elsewhere."""
    if loaded.plan is None:
        raise ValueError("only configurations with a plan can be compared")
    plan = loaded.plan
    files = replace(plan, generated=tuple(each for each in plan.generated if each.kind == "csv"))
    found = grown(files, Sources(_unasked, lambda name: _unasked()))
    if found.problems:
        raise UsageError(
            f"a list of users cannot be compared: {found.problems[0].partition(';')[0]}",
            remedy="mend the file, or its name",
        )
    links = {link.name: link for each in _elsewhere(plan) for link in each.links}
    return replace(plan, links={**links, **found.plan.links})


def _unasked() -> Any:
    raise ValueError("nothing but files is read here")


def _effective(loaded: Loaded, link: LinkPlan) -> FolderSettings:
    return loaded.settings.get(link.name) or loaded.settings[_template_of(link)]


def _settings(old: LinkPlan, new: LinkPlan, before: Loaded, after: Loaded) -> Iterator[Changed]:
    was, now = settings_of(_effective(before, old)), settings_of(_effective(after, new))
    origins = _effective(after, new).origins
    for setting, value in now.items():
        if was.get(setting) != value:
            yield Changed(setting, was.get(setting), value, origins.get(setting, new.rule))
    if old.paused != new.paused:
        yield Changed("paused", old.paused, new.paused, new.rule)
    if (old.candidate is None) != (new.candidate is None):
        said = {True: "does not run by it", False: "runs by it"}
        at = new.candidate or old.candidate
        yield Changed(
            "candidate", said[old.candidate is None], said[new.candidate is None], at.rule if at else new.rule
        )
    yield from _units(old, new, (was["conflict"], now["conflict"]))
    yield from _mapped(_fields(before, old.mapping.name), _fields(after, new.mapping.name), new.mapping.name)


_Mapped = Mapping[str, tuple[Mapping[str, Any], str]]
"""What a mapping says of each of its fields, with the line."""


def _fields(loaded: Loaded, mapping: str) -> _Mapped:
    found = {}
    for document in loaded.documents:
        if document.kind != "mapping" or document.name != mapping:
            continue
        for index, entry in enumerate(document.data["fields"]):
            name = str(entry.get("record") or entry.get("codec"))
            found[name] = (entry, document.rule("fields", index))
        found[""] = ({key: value for key, value in document.data.items() if key != "fields"}, document.rule())
    return found


def _mapped(old: _Mapped, new: _Mapped, mapping: str) -> Iterator[Changed]:
    """How both sides' values are translated otherwise; directions and policies are told with the fields' rules."""
    for name, (entry, rule) in new.items():
        was = old.get(name, (entry, rule))[0]
        for key in sorted((entry.keys() | was.keys()) - {"direction", "conflict", "name"}):
            if entry.get(key) != was.get(key):
                where = ", ".join(filter(None, (f"mapping {mapping}", name, key)))
                yield Changed(where, was.get(key), entry.get(key), rule)


def _units(old: LinkPlan, new: LinkPlan, policies: tuple[str, str]) -> Iterator[Changed]:
    """Fields that are mapped anew, no more, or by other rules; those that merely follow the links' ``policies`` are not
    named."""
    was, now = ({unit.name: unit for unit in link.rules.units} for link in (old, new))
    for name, unit in now.items():
        known = was.get(name)
        if known is None:
            yield Changed(f"field {name}", "not mapped", f"{unit.direction}, {unit.conflict}", unit.rule)
        elif (known.fields, known.direction) == (unit.fields, unit.direction) and policies == (
            known.conflict,
            unit.conflict,
        ):
            continue
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
