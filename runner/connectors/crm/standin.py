"""A stand-in for a CRM's own tables: SQLite tables that are what a plan describes, and nothing beside.

For trying a configuration where its database is not at hand. A column that YAML does not name is not there; one whose type
YAML does not tell (keys, constants) has the plainest that serves. What the CRM's own database does by itself, its
constraints, defaults and triggers, is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from runner.config.participant_tables import ParticipantTable
from runner.config.plan import CrmEntity, CrmField, CrmOccurrences, CrmPlan
from runner.connectors.crm.columns import SEPARATOR
from runner.connectors.crm.triggers import literal, quoted
from runner.model.record import Fields, FieldType, Value
from runner.model.terms import Entity

KEY = "INTEGER PRIMARY KEY AUTOINCREMENT"
REFERENCE = "INTEGER"
MOMENT = "DATETIME"
_TYPES: Mapping[FieldType, str] = {
    FieldType.TEXT: "TEXT",
    FieldType.BOOLEAN: "BOOLEAN",
    FieldType.INTEGER: "INTEGER",
    FieldType.LOCAL_DATETIME: MOMENT,
    FieldType.DATE: "DATE",
    FieldType.INSTANT: MOMENT,
    FieldType.DURATION: "TEXT",
    FieldType.ZONE: "TEXT",
    FieldType.KEYWORDS: "TEXT",
    FieldType.RECURRENCE: "TEXT",
}
DIRECTORY = frozenset({Entity.USER, Entity.GROUP})

Defaults = Mapping[Entity, Fields]
"""What the CRM's database puts into fields that an insert leaves out, by entity."""


def stand_in(plan: CrmPlan, url: str) -> CrmPlan:
    """The plan of the CRM's stand-in at ``url``: as described, in no schema, with our outbox and versions, without what a
    directory would fill."""
    entities = {
        name: replace(entity, version_by="trigger") for name, entity in plan.entities.items() if name not in DIRECTORY
    }
    return replace(plan, url=url, schema=None, feed="outbox", paused=False, entities=MappingProxyType(entities))


def opened_up(plan: CrmPlan) -> CrmPlan:
    """The same CRM for who works in it by himself: he fills the fields, too, that exsync may only read."""
    entities = {
        name: replace(entity, fields={each.name: replace(each, writable=True) for each in entity.fields.values()})
        for name, entity in plan.entities.items()
    }
    return replace(plan, entities=MappingProxyType(entities))


def tables(plan: CrmPlan, defaults: Defaults = MappingProxyType({})) -> tuple[str, ...]:
    """The statements that make the tables, each table once however often the plan names it."""
    made = _Tables()
    for entity in plan.entities.values():
        _entity(made, entity, defaults.get(entity.entity, {}))
    made.add(plan.users.table, {plan.users.key: KEY, plan.users.email: "TEXT"})
    if plan.users.aliases is not None:
        table, user, email = plan.users.aliases
        made.add(table, {user: REFERENCE, email: "TEXT"})
    contact = plan.entities.get(Entity.CONTACT)
    for entity in plan.entities.values():
        if entity.participants is not None and contact is not None:
            made.add(contact.table, dict.fromkeys(entity.participants.emails, "TEXT"))
    return made.statements()


@dataclass(slots=True)
class _Tables:
    """Tables under construction: table → column → type. Who names a column first says what it is."""

    columns: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, table: str, columns: Mapping[str, str]) -> None:
        held = self.columns.setdefault(table, {})
        for name, kind in columns.items():
            held.setdefault(name, kind)

    def statements(self) -> tuple[str, ...]:
        return tuple(
            f"CREATE TABLE {quoted(table)} (\n"
            + ",\n".join(f"  {quoted(name)} {kind}" for name, kind in columns.items())
            + "\n)"
            for table, columns in self.columns.items()
        )


def _entity(made: _Tables, plan: CrmEntity, defaults: Fields) -> None:
    made.add(plan.table, {plan.key: KEY, plan.version: "INTEGER NOT NULL DEFAULT 1"})
    if plan.soft_delete is not None:
        column, mark = plan.soft_delete
        made.add(
            plan.table, {column: _constant(mark) + (f" DEFAULT {int(not mark)}" if isinstance(mark, bool) else "")}
        )
    strict = plan.entity not in DIRECTORY
    made.add(plan.table, {each.column: _column(each, defaults.get(each.name), strict) for each in plan.fields.values()})
    if plan.modified is not None:
        made.add(plan.table, {plan.modified: MOMENT})
    if plan.owner is not None:
        made.add(plan.table, {plan.owner: REFERENCE})
    for constants in (plan.defaults, *plan.templates.values()):
        made.add(plan.table, _constants(constants))
    for relation in plan.relations:
        made.add(plan.table, {relation.via: REFERENCE} if relation.via else {})
        item = made.columns[plan.table][relation.via] if relation.via else REFERENCE
        made.add(relation.table, {relation.item: item, relation.user: REFERENCE})
        if relation.soft_delete is not None:
            made.add(relation.table, {relation.soft_delete[0]: _constant(relation.soft_delete[1])})
        made.add(relation.table, _constants(relation.defaults))
    if plan.occurrences is not None:
        _occurrences(made, plan.occurrences)
    if (filled := plan.materialised) is not None:
        made.add(filled.table, {filled.series: REFERENCE, filled.day: "DATE", filled.start: MOMENT, filled.end: MOMENT})
    if (files := plan.attachments) is not None:
        made.add(files.table, {files.key: KEY} if files.key else {})
        made.add(files.table, {files.item: REFERENCE, files.name: "TEXT", files.content: "BLOB"})
        made.add(files.table, _constants(files.defaults))
    if (people := plan.participants) is not None:
        made.add(plan.table, {people.organizer: "TEXT"})
        for table in (people.users, people.contacts, people.external):
            if table is not None:
                _people(made, table)


def _occurrences(made: _Tables, plan: CrmOccurrences) -> None:
    column, left_out, kept = plan.excluded
    made.add(plan.table, {plan.key: KEY} if plan.key else {})
    made.add(plan.table, {plan.series: REFERENCE, plan.day: "DATE"})
    made.add(plan.table, {column: f"{_constant(left_out)} DEFAULT {_literal(kept)}"})
    made.add(plan.table, {each.column: _kind(each) for each in plan.fields.values()})
    made.add(plan.table, {plan.modified: MOMENT} if plan.modified else {})
    made.add(plan.table, _constants(plan.defaults))


def _people(made: _Tables, plan: ParticipantTable) -> None:
    made.add(plan.table, {plan.item: REFERENCE})
    made.add(plan.table, {plan.person: REFERENCE} if plan.person else {})
    texts = [name for name in (plan.address, plan.role, plan.response, plan.name) if name]
    made.add(plan.table, dict.fromkeys(texts, "TEXT"))
    made.add(plan.table, _constants(plan.defaults))


def _kind(plan: CrmField) -> str:
    if plan.type is FieldType.TEXT and plan.max_length is not None:
        return f"VARCHAR({plan.max_length})"
    return _TYPES[plan.type]


def _column(plan: CrmField, default: Value, strict: bool) -> str:
    kind = _kind(plan) + ("" if plan.nullable or not strict else " NOT NULL")
    return kind if default is None else f"{kind} DEFAULT {_literal(default)}"


def _constants(values: Mapping[str, object]) -> dict[str, str]:
    return {name: _constant(value) for name, value in values.items()}


def _constant(value: object) -> str:
    """The type of a column that holds such a constant."""
    return "BOOLEAN" if isinstance(value, bool) else "INTEGER" if isinstance(value, int) else "TEXT"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(int(value))
    return literal(SEPARATOR.join(value) if isinstance(value, tuple) else str(value))
