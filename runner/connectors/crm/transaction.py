"""One transaction of writes: what it is about, and what came of each write so far.

Writes of one kind are carried out together, all at once under one savepoint, and one by one when that is refused, a
savepoint each, so that a bad row fails alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from runner.config.plan import EMAILS, OCCURRENCES, PEOPLE
from runner.connectors.crm.attachments import Attaching
from runner.connectors.crm.columns import key_text, now_in
from runner.connectors.crm.emails import rewrite
from runner.connectors.crm.faults import classed
from runner.connectors.crm.inviting import Inviting
from runner.connectors.crm.keys import KeyTable
from runner.connectors.crm.occurrences import Rewriting
from runner.connectors.crm.rows import Sent, Shape
from runner.connectors.crm.schema import EntityTable, raw
from runner.model.errors import Gone, Invalid, VersionMoved
from runner.model.files import ATTACHMENTS
from runner.model.items import LinkRef, Write, WriteResult
from runner.model.quick import quick

REFUSED = (exc.StatementError, ValueError, OverflowError, TypeError)
"""What a database or its driver answers to a statement that it does not carry out."""


_OCCURRENCES, _ATTACHMENTS, _EMAILS = frozenset({OCCURRENCES}), frozenset({ATTACHMENTS}), frozenset({EMAILS})
_BESIDE = _OCCURRENCES | _ATTACHMENTS | _EMAILS | PEOPLE


class OneByOne(Exception):
    """A multi-row statement did not touch as many rows as it should."""


@quick
@dataclass(frozen=True, slots=True)
class Ready:
    """One write with its parameters. ``key`` and ``version`` are column values (None for creates)."""

    index: int
    write: Write
    columns: Mapping[str, Any]
    key: Any = None
    version: Any = None

    @property
    def rewrites(self) -> bool:
        """Whether the write says something that lies beside the record's row: occurrences, participants, attachments,
        addresses."""
        return not _BESIDE.isdisjoint(self.write.fields)


@dataclass(slots=True)
class Transaction:
    """One open transaction of one link's writes. ``results`` and what else came of a write are kept by its index."""

    connection: sa.Connection
    shape: Shape
    keys: KeyTable
    link: LinkRef
    now: datetime
    results: dict[int, WriteResult] = field(default_factory=dict)
    changed: dict[int, Any] = field(default_factory=dict)
    """Index → key of what was inserted or updated: it is read back before the COMMIT."""
    made: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Key of each new record → token and native identity that the key table noted for it."""
    sent: dict[str, Sent] = field(default_factory=dict)
    """Key of each new record → what was written into it."""

    @property
    def entity(self) -> EntityTable:
        """Where the link's records are."""
        return self.shape.entity

    def batch(
        self,
        batch: Sequence[Ready],
        effect: Callable[[Sequence[Ready]], None],
    ) -> None:
        """All at once, and one by one when that is refused."""
        try:
            with self.connection.begin_nested():
                effect(batch)
            return
        except (OneByOne, Invalid, VersionMoved):
            pass
        except REFUSED as error:
            stop_unless_invalid(error)
        for ready in batch:
            self.changed.pop(ready.index, None)
            try:
                with self.connection.begin_nested():
                    effect([ready])
            except OneByOne:
                self.results[ready.index] = self.missed(ready)
            except (Invalid, VersionMoved) as error:
                self.results[ready.index] = WriteResult(key=ready.write.key, error=error)
            except REFUSED as error:
                self.results[ready.index] = WriteResult(key=ready.write.key, error=stop_unless_invalid(error))

    def marked(self, setting: dict[str, Any]) -> dict[str, Any]:
        """With the columns that every write of ours moves: when it was, and the version where nobody else does."""
        entity = self.entity
        if entity.plan.version_by == "writer":
            setting[entity.version.name] = entity.version + 1
        if entity.modified is not None:
            setting.setdefault(entity.modified.name, self.moment())
        return setting

    def moment(self) -> Any:
        """Now, as the column of the last change holds it; None where there is none."""
        modified = self.entity.modified
        return None if modified is None else now_in(self.now, self.entity.family(modified), self.shape.zone)

    def missed(self, ready: Ready) -> WriteResult:
        """Why a conditional write touched no row."""
        key = ready.write.key or ""
        if self.versions({ready.key}):
            return WriteResult(key=key, error=VersionMoved(f"CRM record {key} was changed since it was read"))
        return WriteResult(key=key, error=Gone(f"no CRM record {key}"))

    def rewrite_beside(self, written: Sequence[tuple[Any, Ready]], *, fresh: bool = False) -> None:
        """Bring what lies beside the records to what the writes say, in the transaction of their rows. ``fresh``: the
        records have just been made."""
        said = frozenset[str]().union(*{ready.write.fields for _, ready in written})
        if said.isdisjoint(_BESIDE):
            return
        entity, connection = self.entity, self.connection

        def saying(names: frozenset[str]) -> list[tuple[Any, Write]]:
            if said.isdisjoint(names):
                return []
            return [(key, ready.write) for key, ready in written if not names.isdisjoint(ready.write.fields)]

        wanted = saying(_OCCURRENCES) if entity.occurrences is not None else []
        if fresh:
            wanted = [(key, write) for key, write in wanted if write.values.get(OCCURRENCES)]
        if entity.occurrences is not None and wanted:
            Rewriting(entity.occurrences, self.shape.zone, self.now).carry_out(connection, wanted)
        attached = saying(_ATTACHMENTS) if self.shape.files is not None else []
        if self.shape.files is not None and attached:
            Attaching(self.shape.files).carry_out(connection, attached)
        addressed = saying(_EMAILS) if entity.emails is not None else []
        if entity.emails is not None and addressed:
            rewrite(connection, entity.emails, addressed, fresh=fresh)
        invited = saying(PEOPLE) if entity.people is not None else []
        if fresh and entity.owner is not None:
            # Nobody takes part in a record that was just made and given to its owner by its own row alone.
            invited = [(key, write) for key, write in invited if any(write.values.get(name) for name in PEOPLE)]
        if entity.people is not None and invited:
            Inviting(entity, entity.people, self.link.owner).carry_out(connection, invited)

    def versions(self, keys: set[Any], *, locking: bool = False) -> dict[str, str]:
        """Key → version of those of these records that live; with ``locking``, held until the transaction ends."""
        entity = self.entity
        statement = sa.select(raw(entity.key), raw(entity.version)).where(
            entity.key.in_(sa.bindparam("keys", expanding=True)), entity.live()
        )
        if locking:
            statement = statement.order_by(entity.key).with_for_update()
        rows = self.connection.execute(statement, {"keys": list(keys)})
        return {key_text(key): key_text(version) for key, version in rows}


def stop_unless_invalid(error: BaseException) -> Invalid:
    """The item's own fault; anything that concerns the whole transaction goes on up."""
    fault = classed(error)
    if isinstance(fault, Invalid):
        return fault
    raise error
