"""The CRM's tables as a plan describes them, each name resolved to a column that is really there.

Values only, which statements are built from: ``reflection`` makes them, so a name can only ever mean an existing table or
column (fault E9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from runner.config.participant_tables import CrmParticipants, ParticipantTable
from runner.config.plan import CrmAttachments, CrmEntity, CrmMaterialised, CrmOccurrences, OwnerRelation
from runner.connectors.crm.columns import Codec, Family
from runner.connectors.crm.tables import OwnTables
from runner.model.terms import Entity

RAW = sa.types.NullType()
ADDRESSES = "addresses"
"""The parameter of :attr:`UserColumns.by_address`: addresses in lower case."""
COUNTS = frozenset({Family.INTEGER, Family.NUMBER})
"""Families of numbers, which can be counted on."""


def raw(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A column as the driver gives it: a value that SQLAlchemy could not convert must not fail its whole page. PostgreSQL
    fills a ``char(n)`` up with blanks that mean nothing, and that triggers do not see."""
    return sa.type_coerce(sa.cast(column, sa.Text) if isinstance(column.type, sa.CHAR) else column, RAW)


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
    by_address: sa.Select[Any] = field(init=False, repr=False, compare=False)
    """Every address of every user who has one of ``ADDRESSES``: (user, address, whether it is the main one). Built once,
    because every run asks it."""
    by_one: sa.Select[Any] = field(init=False, repr=False, compare=False)
    """The same for a single address, without a list to be written out each time: a run of few links is mostly this."""

    def __post_init__(self) -> None:
        """Build the statements."""
        parts = [sa.select(raw(self.key).label("u"), raw(self.email).label("a"), sa.literal_column("1").label("main"))]
        if self.alias_user is not None and self.alias_email is not None:
            alias = sa.select(
                raw(self.alias_user).label("u"), raw(self.alias_email).label("a"), sa.literal_column("0").label("main")
            )
            parts.append(alias)
        known = sa.union_all(*parts).cte("known")
        lower = sa.func.lower(known.c.a)
        for name, holds in (
            ("by_address", lower.in_(sa.bindparam(ADDRESSES, expanding=True))),
            ("by_one", lower == sa.bindparam(ADDRESSES, type_=sa.Text)),
        ):
            asked = known.c.u.in_(sa.select(known.c.u).where(holds))
            statement = sa.select(known.c.u, known.c.a, known.c.main).where(asked, known.c.a.is_not(None))
            object.__setattr__(self, name, statement)


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
class FileTable:
    """The table of files that are attached to an entity's records, resolved."""

    plan: CrmAttachments
    table: sa.Table
    item: sa.Column[Any]
    name: sa.Column[Any]
    content: sa.Column[Any]
    key: sa.Column[Any] | None
    key_family: Family | None
    makes_keys: bool
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EmailTables:
    """Where a CRM user's addresses are: his own column, further ones if there is a table of them, and our notes."""

    key: sa.Column[Any]
    main: sa.Column[Any]
    alias_user: sa.Column[Any] | None
    alias_email: sa.Column[Any] | None
    own: sa.Table


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
    files: FileTable | None = None
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """User template → columns of a new record."""
    emails: EmailTables | None = None

    @property
    def unowned(self) -> bool:
        """Whether no user holds records of this entity: users and groups themselves."""
        return self.plan.entity in (Entity.USER, Entity.GROUP)

    def family(self, column: sa.Column[Any]) -> Family:
        """The family of one of the columns."""
        return self.families[column.name]

    @property
    def counts_versions(self) -> bool:
        """Whether the version is a number that can be moved on by one."""
        return self.family(self.version) in COUNTS

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
