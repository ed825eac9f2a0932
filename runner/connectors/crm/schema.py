"""The plan's description laid over the schema that is really there.

Every table and column named in YAML is looked up in the reflected schema before any statement is built from it, so a
name can only ever mean an existing table or column (fault E9); SQLAlchemy quotes what is found. All findings of one
check come at once, with the place in YAML and the nearest existing name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from runner.config.plan import (
    CrmEntity,
    CrmField,
    CrmMaterialised,
    CrmOccurrences,
    CrmParticipants,
    CrmPlan,
    OwnerRelation,
    ParticipantTable,
)
from runner.connectors.crm.columns import Codec, Family, codecs, constant, family_of
from runner.connectors.crm.tables import OwnTables, own_tables
from runner.model.errors import ContainerGone
from runner.model.record import FieldType
from runner.model.terms import Entity

_RAW = sa.types.NullType()
_COUNTS = frozenset({Family.INTEGER, Family.NUMBER})


def raw(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A column as the driver gives it: a value that SQLAlchemy could not convert must not fail its whole page."""
    return sa.type_coerce(column, _RAW)


@dataclass(frozen=True, slots=True)
class OccurrenceTable:
    """The table of customised occurrences, resolved likewise."""

    plan: CrmOccurrences
    table: sa.Table
    key: sa.Column[Any] | None
    """Its own key column, where it has one."""
    series: sa.Column[Any]
    day: sa.Column[Any]
    excluded: sa.Column[Any]
    modified: sa.Column[Any] | None
    columns: Mapping[str, sa.Column[Any]]
    codecs: Mapping[str, Codec]
    day_codec: Codec
    families: Mapping[str, Family]
    defaults: Mapping[str, Any]
    makes_keys: bool
    left_out: Any
    """What the column ``excluded`` holds for an occurrence that does not take place, and ``kept`` for any other."""
    kept: Any


@dataclass(frozen=True, slots=True)
class MaterialisedTable:
    """The table of materialised occurrences, resolved likewise."""

    plan: CrmMaterialised
    table: sa.Table
    series: sa.Column[Any]
    day: sa.Column[Any]
    start: sa.Column[Any]
    end: sa.Column[Any]
    day_codec: Codec
    start_codec: Codec
    end_codec: Codec


@dataclass(frozen=True, slots=True)
class RelationTable:
    """One table that relates an entity's records to users. ``refers`` is the record's column that ``item`` speaks of."""

    plan: OwnerRelation
    table: sa.Table
    item: sa.Column[Any]
    user: sa.Column[Any]
    refers: sa.Column[Any]
    deleted: tuple[sa.Column[Any], Any] | None
    user_family: Family
    defaults: Mapping[str, Any]

    def live(self) -> sa.ColumnElement[bool]:
        """The condition of rows that still hold."""
        return _live(self.deleted)


@dataclass(frozen=True, slots=True)
class UserColumns:
    """Where CRM users and their addresses are."""

    key: sa.Column[Any]
    email: sa.Column[Any]
    alias_user: sa.Column[Any] | None
    alias_email: sa.Column[Any] | None


@dataclass(frozen=True, slots=True)
class PersonTable:
    """One table of participants, resolved. ``person`` is the column of a user's or contact's key; None: external."""

    plan: ParticipantTable
    table: sa.Table
    item: sa.Column[Any]
    person: sa.Column[Any] | None
    address: sa.Column[Any]
    role: sa.Column[Any]
    response: sa.Column[Any] | None
    name: sa.Column[Any] | None
    families: Mapping[str, Family]
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PeopleTables:
    """Where the participants of an entity's records are, and where those who may be invited are looked up."""

    plan: CrmParticipants
    organizer: sa.Column[Any]
    users: PersonTable
    external: PersonTable
    contacts: PersonTable | None
    roster: UserColumns
    contact: EntityTable | None
    emails: tuple[sa.Column[Any], ...]


@dataclass(frozen=True, slots=True)
class EntityTable:
    """One entity's table: the plan's names resolved to columns, with their families and codecs."""

    plan: CrmEntity
    table: sa.Table
    key: sa.Column[Any]
    version: sa.Column[Any]
    owner: sa.Column[Any] | None
    modified: sa.Column[Any] | None
    deleted: tuple[sa.Column[Any], Any] | None
    families: Mapping[str, Family]
    columns: Mapping[str, sa.Column[Any]]
    """Field name → column."""
    codecs: Mapping[str, Codec]
    """Field name → codec."""
    defaults: Mapping[str, Any]
    makes_keys: bool
    """Whether the database makes the key of a new row."""
    occurrences: OccurrenceTable | None = None
    materialised: MaterialisedTable | None = None
    relations: tuple[RelationTable, ...] = ()
    """Further ways in which users hold records."""
    people: PeopleTables | None = None

    def family(self, column: sa.Column[Any]) -> Family:
        """The family of one of the columns."""
        return self.families[column.name]

    @property
    def counts_versions(self) -> bool:
        """Whether the version is a number that can be moved on by one."""
        return self.family(self.version) in _COUNTS

    def live(self) -> sa.ColumnElement[bool]:
        """The condition of rows that are not soft-deleted."""
        return _live(self.deleted)


def _live(deleted: tuple[sa.Column[Any], Any] | None) -> sa.ColumnElement[bool]:
    if deleted is None:
        return sa.true()
    column, value = deleted
    return column.is_distinct_from(value)


@dataclass(frozen=True, slots=True)
class CrmSchema:
    """Everything that statements are built from."""

    dialect: str
    default_schema: str | None
    entities: Mapping[Entity, EntityTable]
    roster: UserColumns
    own: OwnTables


def reflect(connection: sa.Connection, plan: CrmPlan) -> CrmSchema:
    """Look the plan's names up. Raises ``ContainerGone`` with every finding: code ``table-missing``, ``column-missing``
    or ``column-type``."""
    with warnings.catch_warnings():
        # The CRM's tables may have columns of types that SQLAlchemy does not know; those that we need are checked here.
        warnings.filterwarnings("ignore", "Did not recognize type", exc.SAWarning)
        warnings.filterwarnings("ignore", "Could not instantiate type", exc.SAWarning)
        return _Survey(connection, plan).schema()


@dataclass(slots=True)
class _Survey:
    connection: sa.Connection
    plan: CrmPlan
    findings: list[tuple[str, str]] = field(default_factory=list)

    def schema(self) -> CrmSchema:
        plan, dialect = self.plan, self.connection.dialect.name
        tables = {entity: self.entity(described) for entity, described in plan.entities.items()}
        users = self.table(plan.users.table, "users")
        key, email = (self.column(users, name, "users") for name in (plan.users.key, plan.users.email))
        alias_user = alias_email = None
        if plan.users.aliases:
            name, user_column, email_column = plan.users.aliases
            aliases = self.table(name, "users.aliases")
            alias_user, alias_email = (self.column(aliases, c, "users.aliases") for c in (user_column, email_column))
        described = {entity: table for entity, table in tables.items() if table}
        if key is not None and email is not None:
            roster = UserColumns(key, email, alias_user, alias_email)
            described = {entity: self.with_people(table, described, roster) for entity, table in described.items()}
        if self.findings or key is None or email is None:
            raise self.refusal()
        return CrmSchema(
            dialect=dialect,
            default_schema=plan.schema or self.connection.dialect.default_schema_name,
            entities=described,
            roster=UserColumns(key, email, alias_user, alias_email),
            own=own_tables(dialect, plan.schema),
        )

    def refusal(self) -> ContainerGone:
        codes = [code for code, _ in self.findings]
        code = next(code for code in ("table-missing", "column-missing", "column-type") if code in codes)
        lines = "\n".join(f"  {message}" for _, message in self.findings)
        return ContainerGone(
            f"{self.plan.rule}: CRM {self.plan.name} is not what its description says:\n{lines}",
            code=code,
            remedy="correct the names in the CRM's YAML, or the database url if this is another database",
        )

    def note(self, code: str, message: str) -> None:
        self.findings.append((code, message))

    def table(self, name: str, what: str) -> sa.Table | None:
        try:
            return sa.Table(
                name, sa.MetaData(), schema=self.plan.schema, autoload_with=self.connection, resolve_fks=False
            )
        except exc.NoSuchTableError:
            inspector = sa.inspect(self.connection)
            known = [*inspector.get_table_names(self.plan.schema), *inspector.get_view_names(self.plan.schema)]
            self.note("table-missing", f"{what}: no table {name!r}{_near(name, known)}")
            return None

    def column(self, table: sa.Table | None, name: str, what: str) -> sa.Column[Any] | None:
        if table is None:
            return None
        if name not in table.c:
            self.note(
                "column-missing", f"{what}: table {table.name!r} has no column {name!r}{_near(name, table.c.keys())}"
            )
            return None
        return table.c[name]

    def entity(self, plan: CrmEntity) -> EntityTable | None:
        table = self.table(plan.table, plan.entity)
        if table is None:
            return None
        dialect = self.connection.dialect.name
        families = {column.name: family_of(_base(column.type), dialect) for column in table.c}
        key, version = (self.column(table, name, plan.entity) for name in (plan.key, plan.version))
        owner = self.column(table, plan.owner, plan.entity) if plan.owner else None
        relations = [self.relation(plan, each, table, families) for each in plan.relations]
        modified = self.column(table, plan.modified, plan.entity) if plan.modified else None
        flag = self.column(table, plan.soft_delete[0], plan.entity) if plan.soft_delete else None
        fields = {f.name: self.column(table, f.column, f"{plan.entity}.{f.name}") for f in plan.fields.values()}
        for name in plan.defaults:
            self.column(table, name, f"{plan.entity}.defaults")
        used = {f.name: self.codec(plan, f, families) for f in plan.fields.values() if fields[f.name] is not None}
        if key is None or version is None or (owner is None and plan.owner) or None in relations:
            return None
        self.roles(plan, table, families)
        occurrences = self.occurrences(plan, plan.occurrences, families[key.name]) if plan.occurrences else None
        materialised = self.materialised(plan, plan.materialised, families[key.name]) if plan.materialised else None
        if dialect == "sqlite":
            _leave_to_the_driver(table, families)
        return EntityTable(
            plan=plan,
            table=table,
            key=key,
            version=version,
            owner=owner,
            modified=modified,
            deleted=(flag, constant(plan.soft_delete[1], families[flag.name]))
            if flag is not None and plan.soft_delete
            else None,
            families=families,
            columns={name: column for name, column in fields.items() if column is not None},
            codecs={name: codec for name, codec in used.items() if codec},
            defaults={n: constant(value, families[n]) for n, value in plan.defaults.items() if n in families},
            makes_keys=_makes_keys(table, key, dialect),
            occurrences=occurrences,
            materialised=materialised,
            relations=tuple(relation for relation in relations if relation),
        )

    def materialised(self, entity: CrmEntity, plan: CrmMaterialised, key_family: Family) -> MaterialisedTable | None:
        """The table that we fill with occurrences."""
        what = f"{entity.entity}.materialise"
        table = self.table(plan.table, what)
        names = (plan.series, plan.day, plan.start, plan.end)
        series, day, start, end = (self.column(table, name, what) for name in names)
        if table is None or series is None or day is None or start is None or end is None:
            return None
        families = {column.name: family_of(_base(column.type), self.connection.dialect.name) for column in table.c}
        types = ((day, FieldType.DATE), (start, FieldType.INSTANT), (end, FieldType.INSTANT))
        found = [self.fitting(what, plan.table, column.name, type_, families) for column, type_ in types]
        if families[series.name] is not key_family:
            self.note("column-type", f"{what}: column {plan.series!r} of table {plan.table!r} holds {families[series.name]},"
                      f" and the key of {entity.table!r} is {key_family}")  # fmt: skip
        if self.connection.dialect.name == "sqlite":
            _leave_to_the_driver(table, families)
        day_codec, start_codec, end_codec = (codec or Codec(str, str) for codec in found)
        return MaterialisedTable(plan, table, series, day, start, end, day_codec, start_codec, end_codec)

    def relation(
        self, plan: CrmEntity, described: OwnerRelation, entity: sa.Table, kinds: Mapping[str, Family]
    ) -> RelationTable | None:
        what = f"{plan.entity}.owners"
        table = self.table(described.table, what)
        item, user = (self.column(table, name, what) for name in (described.item, described.user))
        refers = self.column(entity, described.via or plan.key, what)
        if table is None or item is None or user is None or refers is None:
            return None
        families = {column.name: family_of(_base(column.type), self.connection.dialect.name) for column in table.c}
        flag = self.column(table, described.soft_delete[0], what) if described.soft_delete else None
        for name in described.defaults:
            self.column(table, name, f"{what}.defaults")
        if families[user.name] is Family.OTHER:
            self.note("column-type", f"{what}: column {user.name!r} has a type that cannot be compared as text")
        if _kind(families[item.name]) != _kind(kinds[refers.name]):
            self.note(
                "column-type",
                f"{what}: column {item.name!r} of table {table.name!r} holds {families[item.name]}, but"
                f" {refers.name!r} of table {entity.name!r} holds {kinds[refers.name]}",
            )
        if self.connection.dialect.name == "sqlite":
            _leave_to_the_driver(table, families)
        return RelationTable(
            plan=described,
            table=table,
            item=item,
            user=user,
            refers=refers,
            deleted=(flag, constant(described.soft_delete[1], families[flag.name]))
            if flag is not None and described.soft_delete
            else None,
            user_family=families[user.name],
            defaults={n: constant(value, families[n]) for n, value in described.defaults.items() if n in families},
        )

    def with_people(
        self, entity: EntityTable, described: Mapping[Entity, EntityTable], roster: UserColumns
    ) -> EntityTable:
        """The entity with the tables of its participants, where they are described."""
        plan = entity.plan.participants
        if plan is None:
            return entity
        what = f"{entity.plan.entity}.participants"
        organizer = self.column(entity.table, plan.organizer, what)
        contact = described.get(Entity.CONTACT) if plan.contacts else None
        emails = [self.column(contact.table, name, f"{what}.contacts") for name in plan.emails] if contact else []
        users, external = self.people(plan.users, f"{what}.users"), self.people(plan.external, f"{what}.external")
        contacts = self.people(plan.contacts, f"{what}.contacts") if plan.contacts and contact else None
        if organizer is None or users is None or external is None:
            return entity
        known = tuple(column for column in emails if column is not None)
        people = PeopleTables(plan, organizer, users, external, contacts, roster, contact, known)
        return replace(entity, people=people)

    def people(self, plan: ParticipantTable, what: str) -> PersonTable | None:
        table = self.table(plan.table, what)
        roles = [plan.item, plan.person, plan.address, plan.role, plan.response, plan.name]
        item, person, address, role, response, name = (self.column(table, n, what) if n else None for n in roles)
        for constant_ in plan.defaults:
            self.column(table, constant_, f"{what}.defaults")
        if table is None or item is None or address is None or role is None or (plan.person and person is None):
            return None
        families = {column.name: family_of(_base(column.type), self.connection.dialect.name) for column in table.c}
        for column in (address, role, response, name):
            if column is not None and families[column.name] is not Family.TEXT:
                self.note("column-type", f"{what}: column {column.name!r} of table {table.name!r} must hold text")
        if self.connection.dialect.name == "sqlite":
            _leave_to_the_driver(table, families)
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
            defaults={n: constant(value, families[n]) for n, value in plan.defaults.items() if n in families},
        )

    def codec(self, plan: CrmEntity, field_: CrmField, families: Mapping[str, Family]) -> Codec | None:
        return self.fitting(f"{plan.entity}.{field_.name}", plan.table, field_.column, field_.type, families)

    def fitting(
        self, what: str, table: str, column: str, type_: FieldType, families: Mapping[str, Family]
    ) -> Codec | None:
        family = families[column]
        fitting = codecs(self.plan.time_zone)[type_]
        if family not in fitting:
            self.note(
                "column-type",
                f"{what}: column {column!r} of table {table!r} holds {family},"
                f" which cannot carry {type_} (it needs {', '.join(sorted(fitting))})",
            )
        return fitting.get(family)

    def occurrences(self, entity: CrmEntity, plan: CrmOccurrences, key_family: Family) -> OccurrenceTable | None:
        """The table of customised occurrences. Every column that an occurrence can have of its own must take NULL."""
        what = f"{entity.entity}.occurrences"
        table = self.table(plan.table, what)
        if table is None:
            return None
        dialect = self.connection.dialect.name
        families = {column.name: family_of(_base(column.type), dialect) for column in table.c}
        roles = [self.column(table, name, what) for name in (plan.series, plan.day, plan.excluded[0])]
        key, modified = (self.column(table, name, what) if name else None for name in (plan.key, plan.modified))
        columns = {f.name: self.column(table, f.column, f"{what}.{f.name}") for f in plan.fields.values()}
        for name in plan.defaults:
            self.column(table, name, f"{what}.defaults")
        found = {
            f.name: self.fitting(f"{what}.{f.name}", plan.table, f.column, f.type, families)
            for f in plan.fields.values()
            if columns[f.name] is not None
        }
        for column in columns.values():
            if column is not None and not column.nullable:
                self.note("column-type", f"{what}: column {column.name!r} of table {plan.table!r} is NOT NULL, so that no"
                          " occurrence could follow its series in it")  # fmt: skip
        series, day, excluded = roles
        if series is None or day is None or excluded is None:
            return None
        day_codec = self.fitting(f"{what}.day", plan.table, plan.day, FieldType.DATE, families)
        if families[series.name] is not key_family:
            self.note("column-type", f"{what}: column {plan.series!r} of table {plan.table!r} holds {families[series.name]},"
                      f" and the key of {entity.table!r} is {key_family}")  # fmt: skip
        makes_keys = key is not None and _makes_keys(table, key, dialect)
        if key is not None and not makes_keys and families[key.name] not in {Family.TEXT, Family.UUID}:
            self.note("column-type", f"{what}: nothing makes the key {key.name!r} of a new row of table {plan.table!r}")
        if dialect == "sqlite":
            _leave_to_the_driver(table, families)
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
            defaults={n: constant(value, families[n]) for n, value in plan.defaults.items() if n in families},
            makes_keys=makes_keys,
            left_out=constant(plan.excluded[1], family),
            kept=constant(plan.excluded[2], family),
        )

    def roles(self, plan: CrmEntity, table: sa.Table, families: Mapping[str, Family]) -> None:
        """What key, version and modified columns must be."""
        if not _unique(table, plan.key) and plan.table not in sa.inspect(self.connection).get_view_names(
            self.plan.schema
        ):
            self.note("column-type", f"{plan.entity}: key column {plan.key!r} of table {plan.table!r} is not unique")
        for name in (plan.key, plan.version, *([plan.owner] if plan.owner else [])):
            if families[name] is Family.OTHER:
                self.note("column-type", f"{plan.entity}: column {name!r} has a type that cannot be compared as text")
        if plan.version_by == "writer" and families[plan.version] not in _COUNTS:
            self.note("column-type", f"{plan.entity}: version_by: writer needs a number in column {plan.version!r}")
        if self.plan.feed == "version_column" and not plan.soft_delete:
            self.note(
                "column-type", f"{plan.entity}: feed: version_column cannot see deleted rows, so soft_delete is needed"
            )


def _leave_to_the_driver(table: sa.Table, families: Mapping[str, Family]) -> None:
    """On SQLite a value of another form fails its own row only, and is written as it is given."""
    for column in table.c:
        if families[column.name] is not Family.INTEGER:
            column.type = _RAW


def _kind(family: Family) -> Family:
    """Families whose values compare with each other, as one."""
    return Family.NUMBER if family in _COUNTS else family


def _base(type_: Any) -> Any:
    """The type under a PostgreSQL domain."""
    return getattr(type_, "data_type", None) or type_


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _unique(table: sa.Table, key: str) -> bool:
    sets = [
        tuple(constraint.columns.keys())
        for constraint in table.constraints
        if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
    ]
    sets += [tuple(index.columns.keys()) for index in table.indexes if index.unique]
    return (key,) in sets


def _makes_keys(table: sa.Table, key: sa.Column[Any], dialect: str) -> bool:
    if key.server_default is not None or key.identity is not None:
        return True
    return dialect == "sqlite" and table.primary_key.columns.keys() == [key.name] and isinstance(key.type, sa.INTEGER)
