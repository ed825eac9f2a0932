"""Looking up in the database what a plan names, and collecting what is not there.

All findings of one survey come at once, with the place in YAML and the nearest existing name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from runner.config.plan import CrmPlan
from runner.connectors.crm.columns import Codec, Family, codecs, constant, family_of
from runner.connectors.crm.schema import RAW
from runner.model.errors import ContainerGone
from runner.model.record import FieldType


@dataclass(slots=True)
class Survey:
    """One look at the database, with its findings: (code, message) each."""

    connection: sa.Connection
    plan: CrmPlan
    findings: list[tuple[str, str]] = field(default_factory=list)

    @property
    def dialect(self) -> str:
        """The database's kind, as SQLAlchemy calls it."""
        return self.connection.dialect.name

    def refusal(self) -> ContainerGone:
        """The error that says all findings."""
        codes = [code for code, _ in self.findings]
        code = next(code for code in ("table-missing", "column-missing", "column-type") if code in codes)
        lines = "\n".join(f"  {message}" for _, message in self.findings)
        return ContainerGone(
            f"{self.plan.rule}: CRM {self.plan.name} is not what its description says:\n{lines}",
            code=code,
            remedy="correct the names in the CRM's YAML, or the database url if this is another database",
        )

    def note(self, code: str, message: str) -> None:
        """One more finding."""
        self.findings.append((code, message))

    def table(self, name: str, what: str) -> sa.Table | None:
        """A table or view by name."""
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
        """A column by name; nothing is said about a table that is not there itself."""
        if table is None:
            return None
        if name not in table.c:
            self.note(
                "column-missing", f"{what}: table {table.name!r} has no column {name!r}{_near(name, table.c.keys())}"
            )
            return None
        return table.c[name]

    def families(self, table: sa.Table | None) -> dict[str, Family]:
        """Column name → the family of its type. Empty for a table that is not there."""
        return {
            column.name: family_of(_base(column.type), self.dialect) for column in (() if table is None else table.c)
        }

    def leave_to_the_driver(self, table: sa.Table, families: Mapping[str, Family]) -> None:
        """On SQLite a value of another form fails its own row only, and is written as it is given."""
        if self.dialect == "sqlite":
            for column in table.c:
                if families[column.name] is not Family.INTEGER:
                    column.type = RAW

    def flag(
        self, table: sa.Table, described: tuple[str, Any] | None, families: Mapping[str, Family], what: str
    ) -> tuple[sa.Column[Any], Any] | None:
        """The column that says that a row is deleted, with the value that says so."""
        column = self.column(table, described[0], what) if described else None
        return None if column is None or not described else (column, constant(described[1], families[column.name]))

    def constants(
        self, table: sa.Table | None, described: Mapping[str, Any], families: Mapping[str, Family], what: str
    ) -> dict[str, Any]:
        """What a new row holds in columns that nothing is mapped to."""
        for name in described:
            self.column(table, name, f"{what}.defaults")
        return {name: constant(value, families[name]) for name, value in described.items() if name in families}

    def fitting(
        self, what: str, table: str, column: str, type_: FieldType, families: Mapping[str, Family]
    ) -> Codec | None:
        """The codec by which a column carries a field of this type."""
        family = families[column]
        fitting = codecs(self.plan.time_zone)[type_]
        if family not in fitting:
            self.note(
                "column-type",
                f"{what}: column {column!r} of table {table!r} holds {family},"
                f" which cannot carry {type_} (it needs {', '.join(sorted(fitting))})",
            )
        return fitting.get(family)


def _base(type_: Any) -> Any:
    """The type under a PostgreSQL domain."""
    return getattr(type_, "data_type", None) or type_


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
