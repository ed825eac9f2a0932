"""The plan's description laid over the schema that is really there.

Every table and column named in YAML is looked up in the reflected schema before any statement is built from it (fault
E9); SQLAlchemy quotes what is found.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from runner.config.plan import CrmEntity, CrmPlan
from runner.connectors.crm.beside import (
    files,
    makes_keys,
    materialised,
    occurrences,
    relation,
    with_emails,
    with_people,
)
from runner.connectors.crm.columns import Family
from runner.connectors.crm.schema import COUNTS, CrmSchema, EntityTable, UserColumns
from runner.connectors.crm.survey import Survey
from runner.connectors.crm.tables import own_tables
from runner.model.terms import Entity

MILLISECONDS = 3
"""Digits of a second that a version needs if it is a moment: no two of a user's edits share one."""


def reflect(connection: sa.Connection, plan: CrmPlan) -> CrmSchema:
    """Look the plan's names up. Raises ``ContainerGone`` with every finding: code ``table-missing``, ``column-missing``
    or ``column-type``."""
    with warnings.catch_warnings():
        # The CRM's tables may have columns of types that SQLAlchemy does not know; those that we need are checked here.
        warnings.filterwarnings("ignore", "Did not recognize type", exc.SAWarning)
        warnings.filterwarnings("ignore", "Could not instantiate type", exc.SAWarning)
        return _schema(Survey(connection, plan))


def _schema(survey: Survey) -> CrmSchema:
    plan = survey.plan
    tables = {entity: _entity(survey, described) for entity, described in plan.entities.items()}
    users = survey.table(plan.users.table, "users")
    key, email = (survey.column(users, name, "users") for name in (plan.users.key, plan.users.email))
    alias_user = alias_email = None
    if plan.users.aliases:
        name, user_column, email_column = plan.users.aliases
        aliases = survey.table(name, "users.aliases")
        alias_user, alias_email = (survey.column(aliases, c, "users.aliases") for c in (user_column, email_column))
    described = {entity: table for entity, table in tables.items() if table}
    if key is not None and email is not None:
        roster = UserColumns(key, email, alias_user, alias_email)
        described = {entity: with_people(survey, table, described, roster) for entity, table in described.items()}
        if Entity.USER in described:
            described[Entity.USER] = with_emails(survey, described[Entity.USER], roster)
    if survey.findings or key is None or email is None:
        raise survey.refusal()
    return CrmSchema(
        dialect=survey.dialect,
        default_schema=plan.schema or survey.connection.dialect.default_schema_name,
        entities=described,
        roster=UserColumns(key, email, alias_user, alias_email),
        own=own_tables(survey.dialect, plan.schema),
    )


def _entity(survey: Survey, plan: CrmEntity) -> EntityTable | None:
    table = survey.table(plan.table, plan.entity)
    if table is None:
        return None
    families = survey.families(table)
    key, version = (survey.column(table, name, plan.entity) for name in (plan.key, plan.version))
    owner = survey.column(table, plan.owner, plan.entity) if plan.owner else None
    relations = [relation(survey, plan, each, table, families) for each in plan.relations]
    modified = survey.column(table, plan.modified, plan.entity) if plan.modified else None
    deleted = survey.flag(table, plan.soft_delete, families, plan.entity)
    fields = {f.name: survey.column(table, f.column, f"{plan.entity}.{f.name}") for f in plan.fields.values()}
    defaults = survey.constants(table, plan.defaults, families, plan.entity)
    used = {
        f.name: survey.fitting(f"{plan.entity}.{f.name}", plan.table, f.column, f.type, families)
        for f in plan.fields.values()
        if fields[f.name] is not None
    }
    if key is None or version is None or (owner is None and plan.owner) or None in relations:
        return None
    _check_roles(survey, plan, table, families)
    customised = occurrences(survey, plan, plan.occurrences, families[key.name]) if plan.occurrences else None
    filled = materialised(survey, plan, plan.materialised, families[key.name]) if plan.materialised else None
    attached = files(survey, plan, plan.attachments, families[key.name]) if plan.attachments else None
    survey.leave_to_the_driver(table, families)
    return EntityTable(
        plan=plan,
        table=table,
        key=key,
        version=version,
        owner=owner,
        modified=modified,
        deleted=deleted,
        families=families,
        columns={name: column for name, column in fields.items() if column is not None},
        codecs={name: codec for name, codec in used.items() if codec},
        defaults=defaults,
        makes_keys=makes_keys(table, key, survey.dialect),
        occurrences=customised,
        materialised=filled,
        files=attached,
        relations=tuple(each for each in relations if each),
        templates={
            name: survey.constants(table, columns, families, f"{plan.entity}.templates.{name}")
            for name, columns in plan.templates.items()
        },
    )


def _check_roles(survey: Survey, plan: CrmEntity, table: sa.Table, families: Mapping[str, Family]) -> None:
    """What key, version and modified columns must be."""
    if not _unique(table, plan.key) and plan.table not in sa.inspect(survey.connection).get_view_names(
        survey.plan.schema
    ):
        survey.note("column-type", f"{plan.entity}: key column {plan.key!r} of table {plan.table!r} is not unique")
    for name in (plan.key, plan.version, *([plan.owner] if plan.owner else [])):
        if families[name] is Family.OTHER:
            survey.note("column-type", f"{plan.entity}: column {name!r} has a type that cannot be compared as text")
    for name in (plan.key, *([plan.owner] if plan.owner else [])):
        scale = getattr(table.c[name].type, "scale", None) if families[name] is Family.NUMBER else None
        if scale and survey.dialect == "postgresql":
            survey.note(
                "column-type",
                f"{plan.entity}: column {name!r} has {scale} decimals; what names a record or a user must be a whole number:"
                f" triggers would write {12:.{scale}f} where rows hold 12, and no change would be seen",
            )
    if plan.version_by == "writer" and families[plan.version] not in COUNTS:
        survey.note("column-type", f"{plan.entity}: version_by: writer needs a number in column {plan.version!r}")
    if plan.version in table.c and _is_coarse(table.c[plan.version], families[plan.version]):
        survey.note(
            "column-type",
            f"{plan.entity}: version column {plan.version!r} does not even tell milliseconds apart: of two changes at once"
            " the second would not be seen, and be overwritten. Use a number (version_by: trigger), or a finer timestamp",
        )
    if survey.plan.feed == "version_column" and not plan.soft_delete:
        survey.note(
            "column-type", f"{plan.entity}: feed: version_column cannot see deleted rows, so soft_delete is needed"
        )


def _is_coarse(column: sa.Column[Any], family: Family) -> bool:
    """Whether a version is a moment of a type that is too coarse to be one. (SQLite's types say nothing of that.)"""
    if family in {Family.AWARE, Family.NAIVE}:
        precision = getattr(column.type, "precision", None)
        return precision is not None and precision < MILLISECONDS
    return family in {Family.DATE, Family.WRITTEN_DATE}


def _unique(table: sa.Table, key: str) -> bool:
    sets = [
        tuple(constraint.columns.keys())
        for constraint in table.constraints
        if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
    ]
    sets += [tuple(index.columns.keys()) for index in table.indexes if index.unique]
    return (key,) in sets
