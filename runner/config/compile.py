"""Sound documents → the immutable sync plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runner.config.candidates import CandidatePlan
from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.findings import Findings
from runner.config.links import ResolvedLink
from runner.config.participant_tables import CrmParticipants, ParticipantTable
from runner.config.plan import (
    EMAILS,
    OCCURRENCES,
    PARTICIPANTS,
    PEOPLE,
    CrmAttachments,
    CrmEntity,
    CrmField,
    CrmMaterialised,
    CrmOccurrences,
    CrmPlan,
    CrmUsers,
    LinkPlan,
    OwnerRelation,
    Window,
)
from runner.config.references import secret_of
from runner.config.settings import BUILT_IN, FolderSettings
from runner.mapping import compile_mapping
from runner.mapping.compiled import CompiledMapping, MappedUnit
from runner.mapping.condition import Condition, compile_condition
from runner.mapping.source import CrmFieldType, MappingSource
from runner.model.files import ATTACHMENTS
from runner.model.record import SCHEDULE_ITEM, FieldType
from runner.model.terms import ContactVisibility, Entity
from runner.reconcile.attendees import AttendeeRules
from runner.reconcile.guards import Limits
from runner.reconcile.rules import ItemRules, Unit

ALERTS = (("alert",), ("alert_at",))
"""Units of reminders (B-43): without ``alerts`` they are no units at all, so that they are filled once they are wanted."""
FILES = ((ATTACHMENTS,),)
"""Likewise those of attachments (B-45)."""
ROLES = SCHEDULE_ITEM["participants"].values
ANSWERS = SCHEDULE_ITEM["responses"].values


def crm_fields(document: Document, entity: str) -> Mapping[str, CrmFieldType] | None:
    """The CRM fields of an entity as mappings see them; None when the CRM does not describe it soundly."""
    described = (document.data.get("entities") or {}).get(entity)
    if not document.sound or not isinstance(described, dict):
        return None
    fields = {name: _field(name, given) for name, given in described["fields"].items()}
    types = {name: CrmFieldType(each.type, each.nullable, each.writable) for name, each in fields.items()}
    if OCCURRENCES in described:
        types[OCCURRENCES] = CrmFieldType(FieldType.OVERRIDES, inner=frozenset(described[OCCURRENCES]["fields"]))
    if ATTACHMENTS in described:
        types[ATTACHMENTS] = CrmFieldType(FieldType.FILES)
    if entity == Entity.USER:
        types[EMAILS] = CrmFieldType(FieldType.ADDRESSES)
    if PARTICIPANTS in described:
        types |= dict.fromkeys(PEOPLE, CrmFieldType(FieldType.ADDRESSES))
    return types


def compile_mappings(
    mappings: Mapping[str, Document], crm: Document, findings: Findings
) -> Mapping[str, CompiledMapping]:
    """Every sound mapping, compiled against the CRM's fields; what the compiler finds is noted."""
    compiled: dict[str, CompiledMapping] = {}
    for name, document in mappings.items():
        if not document.sound:
            continue
        entity = document.data["entity"]
        fields = crm_fields(crm, entity)
        if fields is None:
            if crm.sound:
                findings.error(
                    "unknown-entity",
                    f"the CRM {crm.name!r} does not describe {entity}",
                    document.span("entity"),
                    hint=f"add entities.{entity} to {crm.file}",
                    pointer="/entity",
                    related=crm.source.key_span(("entities",)),
                )
            continue
        source = MappingSource(document.data, document.source.span, document.source.text)
        mapping, found = compile_mapping(source, fields)
        findings.add(*found)
        if mapping is not None:
            compiled[name] = mapping
    return MappingProxyType(compiled)


def compile_crm(document: Document, root: Path) -> CrmPlan:
    """The CRM's part of the plan."""
    data = document.data
    users, aliases = data["users"], data["users"].get("aliases")
    url = data["url"]
    entities = {Entity(name): _entity(Entity(name), given) for name, given in data["entities"].items()}
    return CrmPlan(
        name=data["name"],
        url=url if isinstance(url, str) else secret_of(document, ("url",), root),
        feed=data["feed"],
        users=CrmUsers(
            users["table"],
            users["key"],
            users["email"],
            (aliases["table"], aliases["user"], aliases["email"]) if aliases else None,
        ),
        entities=MappingProxyType(entities),
        rule=document.rule(),
        schema=data.get("schema"),
        feed_overlap=timedelta_of(data.get("feed_overlap", "5m")),
        feed_keep=timedelta_of(data.get("feed_keep", "14d")),
        time_zone=data.get("time_zone", "Etc/UTC"),
        paused=data.get("paused", False),
    )


def _entity(entity: Entity, given: Mapping[str, Any]) -> CrmEntity:
    owners = given.get("owners", ())
    return CrmEntity(
        entity=entity,
        table=given["table"],
        key=given["key"],
        version=given["version"],
        version_by=given.get("version_by", "trigger"),
        owner=given.get("owner", next((each["column"] for each in owners if "column" in each), None)),
        modified=given.get("modified"),
        soft_delete=_soft_delete(given),
        fields=MappingProxyType({name: _field(name, each) for name, each in given["fields"].items()}),
        defaults=MappingProxyType(dict(given.get("defaults", {}))),
        occurrences=_occurrences(given[OCCURRENCES]) if OCCURRENCES in given else None,
        materialised=_materialised(given["materialise"]) if "materialise" in given else None,
        relations=tuple(_relation(each) for each in owners if "column" not in each),
        participants=_participants(given[PARTICIPANTS]) if PARTICIPANTS in given else None,
        attachments=_attachments(given[ATTACHMENTS]) if ATTACHMENTS in given else None,
        unique=given.get("unique"),
        templates=MappingProxyType({name: dict(columns) for name, columns in given.get("templates", {}).items()}),
    )


def _attachments(given: Mapping[str, Any]) -> CrmAttachments:
    names = {role: given[role] for role in ("table", "item", "name", "content")}
    return CrmAttachments(**names, key=given.get("key"), defaults=MappingProxyType(dict(given.get("defaults", {}))))


def _participants(given: Mapping[str, Any]) -> CrmParticipants:
    contacts, most = given.get("contacts"), given.get("max_assigned_users_for_contact_matching")
    return CrmParticipants(
        organizer=given["organizer"],
        users=_participant_table(given["users"], "user"),
        external=_participant_table(given["external"], None),
        rules=AttendeeRules(
            blacklist=tuple(given.get("blacklist", ())),
            max_users=None if most is None else int(most),
            visibility=ContactVisibility(given.get("contact_visibility", ContactVisibility.ANY)),
        ),
        contacts=_participant_table(contacts, "contact") if contacts else None,
        emails=tuple(contacts["emails"]) if contacts else (),
        roles=MappingProxyType({word: word for word in ROLES} | given.get("roles", {})),
        responses=MappingProxyType({word: word for word in ANSWERS} | given.get("responses", {})),
    )


def _participant_table(given: Mapping[str, Any], person: str | None) -> ParticipantTable:
    return ParticipantTable(
        table=given["table"],
        item=given["item"],
        person=given[person] if person else None,
        address=given["address"],
        role=given["role"],
        response=given.get("response"),
        name=given.get("name"),
        defaults=MappingProxyType(dict(given.get("defaults", {}))),
    )


def _occurrences(given: Mapping[str, Any]) -> CrmOccurrences:
    excluded = given["excluded"]
    value = excluded["value"]
    opposite = type(value)(not value) if value in (0, 1) else None
    return CrmOccurrences(
        table=given["table"],
        series=given["series"],
        day=given["day"],
        excluded=(excluded["column"], value, excluded.get("otherwise", opposite)),
        fields=MappingProxyType({name: _field(name, each) for name, each in given["fields"].items()}),
        key=given.get("key"),
        modified=given.get("modified"),
        defaults=MappingProxyType(dict(given.get("defaults", {}))),
    )


def _materialised(given: Mapping[str, Any]) -> CrmMaterialised:
    names = {role: given[role] for role in ("table", "series", "day", "start", "end")}
    return CrmMaterialised(
        **names, horizon=timedelta_of(given["horizon"]), source=MappingProxyType(dict(given["from"]))
    )


def _relation(given: Mapping[str, Any]) -> OwnerRelation:
    return OwnerRelation(
        table=given["table"],
        item=given["item"],
        user=given["user"],
        via=given.get("via"),
        soft_delete=_soft_delete(given),
        defaults=MappingProxyType(dict(given.get("defaults", {}))),
    )


def _soft_delete(given: Mapping[str, Any]) -> tuple[str, object] | None:
    soft_delete = given.get("soft_delete")
    return (soft_delete["column"], soft_delete["value"]) if soft_delete else None


def _field(name: str, given: str | Mapping[str, Any]) -> CrmField:
    long: Mapping[str, Any] = {"type": given} if isinstance(given, str) else given
    length = long.get("max_length")
    return CrmField(
        name=name,
        column=long.get("column", name),
        type=FieldType(long["type"]),
        nullable=long.get("nullable", True),
        writable=long.get("writable", True),
        max_length=None if length is None else int(length),
    )


@dataclass(slots=True)
class LinkCompiler:
    """Joins links with their mappings. What many links share is made once and shared by them."""

    mappings: Mapping[str, CompiledMapping]
    filters: Mapping[tuple[str, str], Condition] = field(default_factory=dict)
    """Compiled filters by :func:`filter_key`."""
    candidates: Mapping[str, CandidatePlan] = field(default_factory=dict)
    _rules: dict[int, tuple[FolderSettings, ItemRules, str]] = field(default_factory=dict)

    def compile(self, links: Sequence[ResolvedLink]) -> dict[str, LinkPlan]:
        """The plans of links whose settings and mappings are all sound, by name."""
        plans = {}
        for link in links:
            settings = link.settings
            mapping = self.mappings[settings.mapping]
            rules, shared_digest = self._shared(settings, mapping)
            name = link.name
            plans[name] = LinkPlan(
                name=name,
                target=link.target,
                user=link.user,
                folder=link.folder,
                entity=settings.entity,
                mapping=mapping,
                rules=rules,
                limits=settings.limits,
                window=settings.window,
                private=settings.private,
                mail=settings.mail,
                private_title=settings.private_title,
                private_meetings=settings.private_meetings,
                keep_items_older_than=settings.keep_items_older_than,
                restrictions=settings.restrictions,
                files=settings.files,
                expand=settings.expand,
                snapshot=settings.snapshot,
                filter=self.filters.get(filter_key(settings)),
                scope=link.scope,
                time_zone=settings.time_zone,
                enabled=settings.enabled,
                rule=link.rule,
                digest=_digest([name, shared_digest, link.paused, *([link.scope] if link.scope else [])]),
                paused=link.paused,
                candidate=self.candidates.get(link.target) if link.tried else None,
            )
        return plans

    def _shared(self, settings: FolderSettings, mapping: CompiledMapping) -> tuple[ItemRules, str]:
        # Keyed by identity, which is safe while the entry itself keeps the settings alive.
        known = self._rules.get(id(settings))
        if known is None:
            rules = item_rules(settings, mapping)
            known = self._rules[id(settings)] = (settings, rules, _settings_digest(settings, mapping, rules))
        return known[1], known[2]


def filter_key(settings: FolderSettings) -> tuple[str, str]:
    """What a compiled filter is found by: its text, and the mapping whose fields it may name."""
    return settings.filter or "", settings.mapping


def compile_filters(
    document: Document, links: Sequence[ResolvedLink], mappings: Mapping[str, CompiledMapping], findings: Findings
) -> dict[tuple[str, str], Condition]:
    """The filters of a target's links, each compiled once for a mapping; what is wrong with them is noted (B-47)."""
    source = MappingSource(document.data, document.source.span, document.source.text)
    compiled: dict[tuple[str, str], Condition] = {}
    seen: set[tuple[str, str]] = set()
    for link in links:
        key, mapping = filter_key(link.settings), mappings.get(link.settings.mapping)
        if link.settings.filter is None or mapping is None or key in seen:
            continue
        seen.add(key)
        fields = [name for unit in mapping.units for name in unit.fields]
        condition, found = compile_condition(link.settings.filter, fields, source, link.settings.filter_path)
        findings.add(*found)
        if condition is not None:
            compiled[key] = condition
    return compiled


def item_rules(settings: FolderSettings, mapping: CompiledMapping) -> ItemRules:
    """A mapping's units under a link's settings: directions narrowed, policies filled in, each with its deciding line."""
    origins = settings.origins
    unwanted = (() if settings.alerts else ALERTS) + (() if settings.files else FILES)
    deciding = [origins[key] for key in ("edit_vs_delete", "direction") if origins[key] != BUILT_IN]
    return ItemRules(
        units=tuple(_unit(unit, settings) for unit in mapping.units if unit.fields not in unwanted),
        direction=settings.direction,
        rule=deciding[0],
        denied=settings.denied,
        edit_vs_delete=settings.edit_vs_delete,
        on_drift=settings.on_drift,
        on_leave=settings.on_leave,
        clock_tolerance=settings.clock_tolerance,
    )


def _unit(unit: MappedUnit, settings: FolderSettings) -> Unit:
    direction = settings.direction.narrowed(unit.direction)
    by_mapping = unit.conflict is not None or direction is not settings.direction
    return Unit(
        name=unit.name,
        fields=unit.fields,
        direction=direction,
        conflict=unit.conflict or settings.conflict,
        rule=unit.rule if by_mapping else settings.origins["conflict"],
    )


def _settings_digest(settings: FolderSettings, mapping: CompiledMapping, rules: ItemRules) -> str:
    return _digest(
        [
            settings.entity,
            mapping.name,
            mapping.digest,
            [[unit.name, unit.fields, unit.direction, unit.conflict] for unit in rules.units],
            rules.direction,
            sorted(rules.denied),
            rules.edit_vs_delete,
            rules.on_drift,
            rules.on_leave,
            rules.clock_tolerance,
            _limits(settings.limits),
            _window(settings.window),
            [settings.private, settings.private_title, settings.private_meetings],
            settings.keep_items_older_than.total_seconds() if settings.keep_items_older_than else None,
            list(astuple(settings.restrictions)),
            [settings.files.one, settings.files.total, sorted(settings.files.blocked)] if settings.files else None,
            settings.filter,
            [sorted(settings.mail.send), settings.mail.per_run, settings.mail.per_user, settings.mail.per_day],
            settings.time_zone,
            settings.enabled,
            *(str(each) for each in (settings.expand, settings.snapshot) if each),
        ]
    )


def _limits(limits: Limits) -> list[Any]:
    by_operation = sorted([op, limit.count, limit.ratio, limit.floor] for op, limit in limits.by_operation.items())
    wide = [
        sorted([op, limit.count, limit.ratio, limit.floor] for op, limit in scope.items())
        for scope in (limits.per_target, limits.per_run)
    ]
    return [*by_operation, limits.per_item, *wide]


def _window(window: Window) -> list[float | None]:
    return [None if end is None else end.total_seconds() for end in (window.past, window.future)]


def _digest(meaning: list[Any]) -> str:
    return hashlib.sha256(json.dumps(meaning, separators=(",", ":")).encode()).hexdigest()[:32]
