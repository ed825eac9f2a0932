"""Rows of attached files ↔ the CRM field ``attachments``, by name and content (B-45).

Content is compared where it lies: the database makes its digest, so that reading a record moves no file. Only what is to
be written to the other side is read, and only what is not there yet is written.

*Choices where the rule book is silent*

- A row without content is no file yet, and stays as it is.
- Names in the table are cleaned when they are read; a row that is there keeps the name that it has.
- Rows of blocked kinds are not seen: they neither go out nor are ever removed.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.columns import Family, key_text
from runner.connectors.crm.database import SHA256
from runner.connectors.crm.schema import FileTable, raw
from runner.model.errors import Gone, Invalid, VersionMoved
from runner.model.files import (
    ATTACHMENTS,
    FileRules,
    clean_name,
    digest_of,
    file_key,
    keys_of,
    name_of,
    over,
    value_of,
    why_over,
)
from runner.model.items import Item, Write
from runner.model.record import Value

CHUNK = 512
"""Records per SELECT."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file as its table has it, without its content. ``kept`` is the name in the column."""

    kept: str | None
    size: int
    digest: str

    @property
    def key(self) -> str:
        """What the file is known by."""
        return file_key(clean_name(self.kept or ""), self.digest)


@dataclass(frozen=True, slots=True)
class Files:
    """How one link reads the attachments of its records."""

    table: FileTable
    rules: FileRules

    def rows(self, connection: sa.Connection, keys: Sequence[Any]) -> dict[str, list[Row]]:
        """The files of these records that take part, by key, inside the transaction that read the records."""
        found: dict[str, list[Row]] = {}
        table, lite = self.table, connection.dialect.name == "sqlite"
        size = (sa.func.length if lite else sa.func.octet_length)(table.content)
        statement = (
            sa.select(raw(table.item), raw(table.name), size, _digest(table, lite=lite))
            .where(table.item.in_(sa.bindparam("keys", expanding=True)), table.content.is_not(None))
            .order_by(table.item, table.name)
        )
        for start in range(0, len(keys), CHUNK):
            for item, name, length, digest in connection.execute(
                statement, {"keys": list(keys[start : start + CHUNK])}
            ):
                row = Row(None if name is None else str(name), int(length), str(digest))
                if not self.rules.blocks(name_of(row.key)):
                    found.setdefault(key_text(item), []).append(row)
        return found

    def joined(self, item: Item, rows: Sequence[Row]) -> Item:
        """The item with its attachments, or with the reason why they take no part."""
        excess = self.rules.excess([row.size for row in rows])
        value = over(excess) if excess else value_of((row.key, row.size) for row in rows)
        return replace(item, values={**item.values, ATTACHMENTS: value})

    def content(self, connection: sa.Connection, key: Any, file: str) -> bytes:
        """One file's bytes. Raises ``Gone`` when the record has no such file any more."""
        table, lite = self.table, connection.dialect.name == "sqlite"
        asked = sa.select(raw(table.name), raw(table.content)).where(
            table.item == key, _digest(table, lite=lite) == digest_of(file)
        )
        for name, content in connection.execute(asked):
            if clean_name(name or "") == name_of(file):
                return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else bytes(content)
        raise Gone("the record has no such attachment any more", code="attachment-gone")


@dataclass(frozen=True, slots=True)
class Attaching:
    """Brings the files of some records to what writes say, inside the transaction that holds the records' rows."""

    files: Files

    def carry_out(self, connection: sa.Connection, wanted: Sequence[tuple[Any, Write]]) -> None:
        """Insert what is missing and delete what is not wanted. Raises ``VersionMoved`` for content that is another by now,
        ``Invalid`` for a name that the database cannot hold."""
        held = self.files.rows(connection, [key for key, _ in wanted])
        for key, write in wanted:
            value = write.values.get(ATTACHMENTS)
            if why_over(value) is None:
                self._bring(connection, key, write, held.get(key_text(key), []), keys_of(value))

    def _bring(
        self, connection: sa.Connection, key: Any, write: Write, held: Sequence[Row], desired: frozenset[str]
    ) -> None:
        table, lite = self.files.table, connection.dialect.name == "sqlite"
        for file in sorted(desired - {row.key for row in held}):
            connection.execute(sa.insert(table.table), [self._new(key, file, loaded(write, file))])
        for row in held:
            if row.key not in desired:
                same = (table.name.is_not_distinct_from(row.kept), _digest(table, lite=lite) == row.digest)
                connection.execute(sa.delete(table.table).where(table.item == key, *same))

    def _new(self, key: Any, file: str, content: bytes) -> Mapping[str, Any]:
        table = self.files.table
        row = {**table.defaults, table.item.name: key, table.name.name: name_of(file), table.content.name: content}
        if table.key is not None and not table.makes_keys:
            made = uuid.uuid5(uuid.NAMESPACE_OID, f"{key_text(key)}/{file}")
            row[table.key.name] = made if table.key_family is Family.UUID else str(made)
        return row


def loaded(write: Write, file: str) -> bytes:
    """The bytes of a file that a write carries over, proved by its digest."""
    if write.contents is None:
        raise Invalid("an attachment without its content", code="attachment-content")
    try:
        content = write.contents(file)
    except (Gone, KeyError):
        raise VersionMoved("an attachment went while it was carried over", code="attachment-gone") from None
    if hashlib.sha256(content).hexdigest() != digest_of(file):
        raise VersionMoved("an attachment changed while it was carried over", code="attachment-changed")
    return content


def lacking(value: Value, held: Sequence[Row]) -> frozenset[str]:
    """The files of a value that are not among these rows."""
    return keys_of(value) - {row.key for row in held}


def _digest(table: FileTable, *, lite: bool) -> sa.ColumnElement[str]:
    """The SHA-256 of the content in hexadecimal, made by the database."""
    if lite:
        return sa.Function(SHA256, table.content, type_=sa.String())
    return sa.func.encode(sa.func.sha256(table.content), "hex", type_=sa.String())
