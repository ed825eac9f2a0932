"""The tables beside an entity's own, resolved: occurrences, relations to users, and who takes part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from runner.config.participant_tables import ParticipantTable
from runner.config.plan import CrmAttachments, CrmEntity, CrmMaterialised, CrmOccurrences, OwnerRelation
from runner.connectors.crm.columns import Codec, Family, constant
from runner.connectors.crm.schema import (
    COUNTS,
    EmailTables,
    EntityTable,
    FileTable,
    MaterialisedTable,
    OccurrenceTable,
    PeopleTables,
    PersonTable,
    RelationTable,
    UserColumns,
)
from runner.connectors.crm.survey import Survey
from runner.connectors.crm.tables import own_tables
from runner.model.record import FieldType
from runner.model.terms import Entity


def occurrences(survey: Survey, entity: CrmEntity, plan: CrmOccurrences, key_family: Family) -> OccurrenceTable | None:
    """The table of customised occurrences. Every column that an occurrence can have of its own must take NULL."""
    what = f"{entity.entity}.occurrences"
    table = survey.table(plan.table, what)
    if table is None:
        return None
    families = survey.families(table)
    roles = [survey.column(table, name, what) for name in (plan.series, plan.day, plan.excluded[0])]
    key, modified = (survey.column(table, name, what) if name else None for name in (plan.key, plan.modified))
    columns = {f.name: survey.column(table, f.column, f"{what}.{f.name}") for f in plan.fields.values()}
    defaults = survey.constants(table, plan.defaults, families, what)
    found = {
        f.name: survey.fitting(f"{what}.{f.name}", plan.table, f.column, f.type, families)
        for f in plan.fields.values()
        if columns[f.name] is not None
    }
    for column in columns.values():
        if column is not None and not column.nullable:
            survey.note(
                "column-type",
                f"{what}: column {column.name!r} of table {plan.table!r} is NOT NULL, so that no occurrence could"
                " follow its series in it",
            )
    series, day, excluded = roles
    if series is None or day is None or excluded is None:
        return None
    day_codec = survey.fitting(f"{what}.day", plan.table, plan.day, FieldType.DATE, families)
    _refers(survey, what, entity, series, families[series.name], key_family)
    made = key is not None and makes_keys(table, key, survey.dialect)
    if key is not None and not made and families[key.name] not in {Family.TEXT, Family.UUID}:
        survey.note("column-type", f"{what}: nothing makes the key {key.name!r} of a new row of table {plan.table!r}")
    survey.leave_to_the_driver(table, families)
    family = families[excluded.name]
    return OccurrenceTable(
        plan=plan,
        table=table,
        key=key,
        series=series,
        day=day,
        excluded=excluded,
        modified=modified,
        columns={name: column for name, column in columns.items() if column is not None},
        codecs={name: codec for name, codec in found.items() if codec},
        day_codec=day_codec or Codec(str, str),
        families=families,
        defaults=defaults,
        makes_keys=made,
        left_out=constant(plan.excluded[1], family),
        kept=constant(plan.excluded[2], family),
    )


def materialised(
    survey: Survey, entity: CrmEntity, plan: CrmMaterialised, key_family: Family
) -> MaterialisedTable | None:
    """The table that we fill with occurrences."""
    what = f"{entity.entity}.materialise"
    table = survey.table(plan.table, what)
    names = (plan.series, plan.day, plan.start, plan.end)
    series, day, start, end = (survey.column(table, name, what) for name in names)
    if table is None or series is None or day is None or start is None or end is None:
        return None
    families = survey.families(table)
    types = ((day, FieldType.DATE), (start, FieldType.INSTANT), (end, FieldType.INSTANT))
    found = [survey.fitting(what, plan.table, column.name, type_, families) for column, type_ in types]
    _refers(survey, what, entity, series, families[series.name], key_family)
    survey.leave_to_the_driver(table, families)
    day_codec, start_codec, end_codec = (codec or Codec(str, str) for codec in found)
    return MaterialisedTable(plan, table, series, day, start, end, day_codec, start_codec, end_codec)


def relation(
    survey: Survey, plan: CrmEntity, described: OwnerRelation, entity: sa.Table, kinds: Mapping[str, Family]
) -> RelationTable | None:
    """One table that relates the entity's records to users."""
    what = f"{plan.entity}.owners"
    table = survey.table(described.table, what)
    item, user = (survey.column(table, name, what) for name in (described.item, described.user))
    refers = survey.column(entity, described.via or plan.key, what)
    families = survey.families(table)
    defaults = survey.constants(table, described.defaults, families, what)
    if table is None or item is None or user is None or refers is None:
        return None
    if families[user.name] is Family.OTHER:
        survey.note("column-type", f"{what}: column {user.name!r} has a type that cannot be compared as text")
    _speaks_of(survey, what, item, families[item.name], refers, kinds[refers.name])
    survey.leave_to_the_driver(table, families)
    return RelationTable(
        plan=described,
        table=table,
        item=item,
        user=user,
        refers=refers,
        deleted=survey.flag(table, described.soft_delete, families, what),
        user_family=families[user.name],
        defaults=defaults,
    )


def with_people(
    survey: Survey, entity: EntityTable, described: Mapping[Entity, EntityTable], roster: UserColumns
) -> EntityTable:
    """The entity with the tables of its participants, where they are described."""
    plan = entity.plan.participants
    if plan is None:
        return entity
    what = f"{entity.plan.entity}.participants"
    organizer = survey.column(entity.table, plan.organizer, what)
    contact = described.get(Entity.CONTACT) if plan.contacts else None
    emails = [survey.column(contact.table, name, f"{what}.contacts") for name in plan.emails] if contact else []
    users = _people(survey, plan.users, entity, f"{what}.users")
    external = _people(survey, plan.external, entity, f"{what}.external")
    contacts = _people(survey, plan.contacts, entity, f"{what}.contacts") if plan.contacts and contact else None
    if organizer is None or users is None or external is None:
        return entity
    known = tuple(column for column in emails if column is not None)
    people = PeopleTables(plan, organizer, users, external, contacts, roster, contact, known)
    return replace(entity, people=people)


def with_emails(survey: Survey, entity: EntityTable, roster: UserColumns) -> EntityTable:
    """The users' own table with the places of their addresses (B-81); statements are built of the table's own columns."""
    main = entity.table.c.get(roster.email.name)
    if main is None:
        return entity
    own = own_tables(survey.dialect, survey.plan.schema).emails
    return replace(entity, emails=EmailTables(entity.key, main, roster.alias_user, roster.alias_email, own))


def _people(survey: Survey, plan: ParticipantTable, entity: EntityTable, what: str) -> PersonTable | None:
    table = survey.table(plan.table, what)
    roles = [plan.item, plan.person, plan.address, plan.role, plan.response, plan.name]
    item, person, address, role, response, name = (survey.column(table, n, what) if n else None for n in roles)
    families = survey.families(table)
    defaults = survey.constants(table, plan.defaults, families, what)
    if table is None or item is None or address is None or role is None or (plan.person and person is None):
        return None
    _speaks_of(survey, what, item, families[item.name], entity.key, entity.family(entity.key))
    for column in (address, role, response, name):
        if column is not None and families[column.name] is not Family.TEXT:
            survey.note("column-type", f"{what}: column {column.name!r} of table {table.name!r} must hold text")
    survey.leave_to_the_driver(table, families)
    return PersonTable(
        plan=plan,
        table=table,
        item=item,
        person=person,
        address=address,
        role=role,
        response=response,
        name=name,
        families=families,
        defaults=defaults,
    )


def files(survey: Survey, entity: CrmEntity, plan: CrmAttachments, key_family: Family) -> FileTable | None:
    """The table of attached files. Its content must be bytes, or the files would not come back as they were."""
    what = f"{entity.entity}.attachments"
    table = survey.table(plan.table, what)
    item, name, content = (survey.column(table, column, what) for column in (plan.item, plan.name, plan.content))
    key = survey.column(table, plan.key, what) if plan.key else None
    families = survey.families(table)
    defaults = survey.constants(table, plan.defaults, families, what)
    if table is None or item is None or name is None or content is None:
        return None
    if not isinstance(content.type, sa.LargeBinary):
        survey.note("column-type", f"{what}: column {content.name!r} of table {table.name!r} must hold bytes")
    if families[name.name] is not Family.TEXT:
        survey.note("column-type", f"{what}: column {name.name!r} of table {table.name!r} must hold text")
    _refers(survey, what, entity, item, families[item.name], key_family)
    made = key is not None and makes_keys(table, key, survey.dialect)
    if key is not None and not made and families[key.name] not in {Family.TEXT, Family.UUID}:
        survey.note("column-type", f"{what}: nothing makes the key {key.name!r} of a new row of table {plan.table!r}")
    survey.leave_to_the_driver(table, families)
    return FileTable(plan, table, item, name, content, key, None if key is None else families[key.name], made, defaults)


def _refers(
    survey: Survey, what: str, entity: CrmEntity, series: sa.Column[Any], family: Family, key_family: Family
) -> None:
    """A table of occurrences names its series by what the entity's key holds."""
    if family is not key_family:
        survey.note(
            "column-type",
            f"{what}: column {series.name!r} of table {series.table.name!r} holds {family},"
            f" and the key of {entity.table!r} is {key_family}",
        )


def _speaks_of(
    survey: Survey, what: str, item: sa.Column[Any], family: Family, refers: sa.Column[Any], kind: Family
) -> None:
    """A column that names records must compare with theirs: text is in another order than numbers, and PostgreSQL's
    triggers would refuse it."""
    if _kind(family) != _kind(kind):
        survey.note(
            "column-type",
            f"{what}: column {item.name!r} of table {item.table.name!r} holds {family}, but"
            f" {refers.name!r} of table {refers.table.name!r} holds {kind}",
        )


def _kind(family: Family) -> Family:
    """Families whose values compare with each other, as one."""
    return Family.NUMBER if family in COUNTS else family


def makes_keys(table: sa.Table, key: sa.Column[Any], dialect: str) -> bool:
    """Whether the database makes the key of a new row."""
    if key.server_default is not None or key.identity is not None:
        return True
    return dialect == "sqlite" and table.primary_key.columns.keys() == [key.name] and isinstance(key.type, sa.INTEGER)
