"""The change feed over the outbox: committed changes in commit order, safe against transactions that commit late.

Watermarks are ``<kind>:<epoch>:<position>``. The epoch belongs to the outbox (its row 0), so a watermark of another
database, or of an outbox that was made anew, is known as foreign.

On SQLite there is one writer at a time: ids are commit order, and the position is the last id read.

On PostgreSQL ids are given out before the COMMIT, so a reader by id would pass over a transaction that commits later
than a younger one. There the position is a snapshot, ``pg_current_snapshot()``: what it could see is done with, and new
are exactly the rows whose transaction it could not see. A long window is read in pages, ``<from>/<until>/<id>``; both
ends are fixed, so an interrupted reader goes on where it was. (PostgreSQL manual, 9.26, transaction ID functions.)
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol

import sqlalchemy as sa

from runner.connectors.crm.columns import key_text
from runner.connectors.crm.database import reading, snapshot
from runner.connectors.crm.faults import translated
from runner.connectors.crm.owners import holders, referring
from runner.connectors.crm.rows import key_values
from runner.connectors.crm.schema import EntityTable
from runner.connectors.crm.tables import MARK_ID, OUTBOX, PgSnapshot, Xid8
from runner.model.errors import ContainerGone, WatermarkInvalid
from runner.model.items import FeedPage, FeedRow
from runner.model.terms import Entity

PAGE = 1000
"""Outbox rows per page."""
GATHERED = timedelta(days=1)
"""Rows to be forgotten gather for so long: then they go together, and a run that has none pays one look at the oldest."""

_SNAPSHOT = re.compile(r"(\d+):(\d+):([\d,]*)")


class Feed(Protocol):
    """One way to learn of the CRM's changes."""

    def pages(self, since: str | None) -> Iterator[FeedPage]:
        """Pages of changes since a watermark (None: no rows, the watermark of now)."""
        ...

    def prune(self, before: datetime, consumed: str) -> int:
        """Forget changes older than ``before`` that lie behind the watermark ``consumed``; returns how many."""
        ...


def coalesced(
    connection: sa.Connection, rows: Sequence[Any], entities: Mapping[str, EntityTable]
) -> tuple[FeedRow, ...]:
    """(entity, key, owner, former owner) rows as one per record, in the order in which each appeared first.

    Where relations say who holds a record, everybody who holds it now is added: its own row does not name them. A row
    about a column that a relation refers by (``contact.company_id``) is a change of every record with that value.
    """
    owners: dict[tuple[str, str], set[str]] = {}
    for name, key, *named in rows:
        known = {owner for owner in named if owner is not None}
        entity, _, via = name.partition(".")
        if entity not in entities:
            continue
        described = entities[entity]
        meant = [key_text(k) for k in referring(connection, described, via, [key])] if via else [key]
        for each in meant:
            owners.setdefault((entity, each), set()).update(known)
    for name, table in entities.items():
        if table.relations:
            _add_holders(connection, table, {key: known for (entity, key), known in owners.items() if entity == name})
    return tuple(FeedRow(Entity(entity), key, frozenset(known)) for (entity, key), known in owners.items())


def _add_holders(connection: sa.Connection, entity: EntityTable, owners: Mapping[str, set[str]]) -> None:
    values = key_values(list(owners), entity.family(entity.key))
    for start in range(0, len(values), PAGE):
        for key, users in holders(connection, entity, list(values.values())[start : start + PAGE]).items():
            owners[key].update(users)


def _foreign(reason: str) -> WatermarkInvalid:
    return WatermarkInvalid(f"the CRM's outbox does not reach back to this watermark: {reason}")


@dataclass(frozen=True, slots=True)
class _Mark:
    """The outbox's own mark: its epoch, and the position up to which rows were pruned."""

    epoch: str
    pruned: str | None


@dataclass(frozen=True, slots=True)
class _Outbox(ABC):
    engine: sa.Engine
    table: sa.Table
    entities: Mapping[str, EntityTable]
    marking: sa.Select[Any] = field(init=False, repr=False, compare=False)
    """Reads the mark. Built once, because every run asks it."""

    def __post_init__(self) -> None:
        """Build the statement."""
        c = self.table.c
        object.__setattr__(self, "marking", sa.select(c.crm_key, c.owner).where(c.id == MARK_ID))

    def pages(self, since: str | None) -> Iterator[FeedPage]:
        """Pages of changes since a watermark."""
        watermark, complete = since, False
        while not complete:
            page = self._page(watermark)
            watermark, complete = page.watermark, page.complete
            yield page

    @abstractmethod
    def _page(self, since: str | None) -> FeedPage:
        """The page behind a watermark."""

    def mark(self, connection: sa.Connection) -> _Mark:
        return self.marked(connection.execute(self.marking).first())

    def marked(self, row: Sequence[Any] | None) -> _Mark:
        """The mark of its row. Raises ``ContainerGone`` when there is none."""
        if row is None:
            raise ContainerGone(
                f"{OUTBOX} has lost its mark (row {MARK_ID})",
                code="outbox",
                remedy="run `exsync target ddl` with --apply",
            )
        return _Mark(row[0], row[1])

    @property
    def columns(self) -> tuple[sa.Column[Any], ...]:
        """What is read of each row."""
        c = self.table.c
        return c.id, c.entity, c.crm_key, c.owner, c.old_owner

    def rows(self, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """The first page of rows that meet the conditions, one more than a page to know whether others follow."""
        c = self.table.c
        return sa.select(*self.columns).where(c.id > MARK_ID, *conditions).order_by(c.id).limit(PAGE + 1)

    def has_before(self, connection: sa.Connection, moment: Any) -> bool:
        """Whether the oldest row is older than a moment (of the column's type). Ids follow age closely enough to ask one."""
        c = self.table.c
        oldest = sa.select(c.changed_at < sa.bindparam("moment", moment)).where(c.id > MARK_ID).order_by(c.id).limit(1)
        return bool(connection.execute(oldest).scalar())

    def forget(self, connection: sa.Connection, position: str, *conditions: sa.ColumnElement[bool]) -> int:
        """Delete rows and note up to where."""
        c = self.table.c
        count = connection.execute(sa.delete(self.table).where(c.id > MARK_ID, *conditions)).rowcount
        if count:
            connection.execute(sa.update(self.table).where(c.id == MARK_ID).values(owner=position))
        return count


_SEQUENCE = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
_LAST = sa.select(_SEQUENCE.c.seq).where(_SEQUENCE.c.name == OUTBOX)


@dataclass(frozen=True, slots=True)
class SqliteOutbox(_Outbox):
    """Position = the last id read."""

    kind: ClassVar[str] = "sqlite"
    following: sa.Select[Any] = field(init=False, repr=False, compare=False)
    """The mark, the last id ever given out, and the page of rows behind ``position``: one statement, because every run
    asks all three. Without such rows the mark stands alone."""

    def __post_init__(self) -> None:
        """Build the statements."""
        _Outbox.__post_init__(self)
        # The position is compared as SQLite reads it, whatever a damaged watermark holds; it is judged by what came back.
        position = sa.cast(sa.bindparam("position", type_=sa.Text), sa.Integer)
        mark, c = self.table.alias("mark").c, self.table.c
        following = (
            sa.select(mark.crm_key, mark.owner, _LAST.scalar_subquery(), *self.columns)
            .outerjoin_from(mark.id.table, self.table, sa.and_(c.id > MARK_ID, c.id > position))
            .where(mark.id == MARK_ID)
            .order_by(c.id)
            .limit(PAGE + 1)
        )
        object.__setattr__(self, "following", following)

    def _page(self, since: str | None) -> FeedPage:
        with reading(self.engine) as connection:
            if since is None:
                mark = self.mark(connection)
                return FeedPage((), f"{self.kind}:{mark.epoch}:{self._last(connection)}", complete=True)
            found = connection.execute(self.following, {"position": since.rpartition(":")[2]}).all()
            mark = self.marked(found[0] if found else None)
            position = self._position(since, mark, int(found[0][2] or 0))
            rows = [row[3:] for row in found if row[3] is not None]
            page = rows[:PAGE]
            changed = coalesced(connection, [row[1:] for row in page], self.entities)
        until = page[-1][0] if page else position
        return FeedPage(
            changed,
            f"{self.kind}:{mark.epoch}:{until}",
            complete=len(rows) <= PAGE,
        )

    def _last(self, connection: sa.Connection) -> int:
        """The highest id ever given out: AUTOINCREMENT remembers it when rows are pruned."""
        return int(connection.execute(_LAST).scalar() or 0)

    def _position(self, since: str, mark: _Mark, last: int) -> int:
        kind, _, rest = since.partition(":")
        epoch, _, position = rest.rpartition(":")
        if (kind, epoch) != (self.kind, mark.epoch) or not position.isdecimal():
            raise _foreign("it belongs to another database")
        if int(position) > last:
            raise _foreign("the database is older than it")
        if mark.pruned and int(position) < int(mark.pruned):
            raise _foreign("rows behind it were pruned")
        return int(position)

    def prune(self, before: datetime, consumed: str) -> int:
        """Forget changes older than ``before`` that lie behind ``consumed``."""
        c = self.table.c
        with reading(self.engine) as connection:
            if not self.has_before(connection, _text(before - GATHERED)):
                return 0
        with (
            translated(),
            self.engine.connect().execution_options(exsync_writing=True) as connection,
            connection.begin(),
        ):
            position = self._position(consumed, self.mark(connection), self._last(connection))
            return self.forget(connection, str(position), c.id <= position, c.changed_at < _text(before))


def _text(moment: datetime) -> str:
    """An instant as the outbox on SQLite keeps it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, slots=True)
class _Position:
    """A window of transactions: those that ``since`` could not see and ``until`` can; ids up to ``after`` are read."""

    since: str
    until: str | None = None
    after: int = 0


class PostgresOutbox(_Outbox):
    """Position = a snapshot."""

    __slots__ = ()
    kind = "postgresql"

    def _page(self, since: str | None) -> FeedPage:
        # One snapshot for the rows and for the watermark behind them, or a commit in between would be in neither.
        with snapshot(self.engine) as connection:
            now = str(connection.execute(sa.select(sa.cast(sa.func.pg_current_snapshot(), sa.Text))).scalar_one())
            mark = self.mark(connection)
            head = f"{self.kind}:{mark.epoch}"
            if since is None:
                return FeedPage((), f"{head}:{now}", complete=True)
            position = self._position(since, mark, now)
            until = position.until or now
            conditions = [*self._unseen(position.since), self.table.c.id > position.after]
            if position.until:
                conditions.append(self._seen(self.table.c.txid, until))
            rows = connection.execute(self.rows(*conditions)).all()
            page = rows[:PAGE]
            changed = coalesced(connection, [row[1:] for row in page], self.entities)
        complete = len(rows) <= PAGE
        return FeedPage(
            changed,
            f"{head}:{until}" if complete else f"{head}:{position.since}/{until}/{page[-1][0]}",
            complete=complete and position.until is None,
        )

    def _seen(self, txid: sa.ColumnElement[Any], view: str) -> sa.ColumnElement[bool]:
        return sa.func.pg_visible_in_snapshot(txid, sa.cast(sa.literal(view, sa.Text), PgSnapshot()), type_=sa.Boolean)

    def _unseen(self, view: str) -> tuple[sa.ColumnElement[bool], ...]:
        """Rows that a snapshot could not see; the lower bound is for the index."""
        txid = self.table.c.txid
        lowest = sa.func.pg_snapshot_xmin(sa.cast(sa.literal(view, sa.Text), PgSnapshot()), type_=Xid8())
        return txid >= lowest, sa.not_(self._seen(txid, view))

    def _position(self, since: str, mark: _Mark, now: str) -> _Position:
        head = f"{self.kind}:{mark.epoch}:"
        parts = since.removeprefix(head).split("/")
        views = parts[:2]
        if (
            not since.startswith(head)
            or len(parts) not in {1, 3}
            or not all(_SNAPSHOT.fullmatch(view) for view in views)
        ):
            raise _foreign("it belongs to another database")
        if len(parts) == 3 and not parts[2].isdecimal():
            raise _foreign("it belongs to another database")
        if _age(views[-1]) > _age(now):
            raise _foreign("the database is older than it")
        if mark.pruned and _age(parts[0]) < _age(mark.pruned):
            raise _foreign("rows behind it were pruned")
        return _Position(parts[0], parts[1], int(parts[2])) if len(parts) == 3 else _Position(parts[0])

    def prune(self, before: datetime, consumed: str) -> int:
        """Forget changes older than ``before`` that lie behind ``consumed``."""
        c = self.table.c
        with snapshot(self.engine) as connection:
            if not self.has_before(connection, before - GATHERED):
                return 0
            now = str(connection.execute(sa.select(sa.cast(sa.func.pg_current_snapshot(), sa.Text))).scalar_one())
            position = self._position(consumed, self.mark(connection), now)
            return self.forget(connection, position.since, self._seen(c.txid, position.since), c.changed_at < before)


def _age(view: str) -> tuple[int, int]:
    """Snapshots of one database in order of time: the later one knows more ids, or fewer of them in progress."""
    match = _SNAPSHOT.fullmatch(view)
    if match is None:
        raise _foreign("it is damaged")
    running = match[3].count(",") + 1 if match[3] else 0
    return int(match[2]), -running
