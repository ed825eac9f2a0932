"""The change feed without triggers: a column that grows with every change, read again a little behind its end.

Transactions that commit late show values below what was read already, so the last ``feed_overlap`` (numbers: the last
:data:`OVERLAP`) is read again each time; a change that commits later than that is missed, which is why the outbox is the
better way. Deleted rows must stay as soft-deleted ones to be seen. The former owner of a record is not known here,
and a row that comes or goes in a table of owners is no change of the record: it is seen only when the record's own row
moves on as well. Then everybody who holds the record is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from runner.connectors.crm.columns import Family, key_text, moment_in, now_in
from runner.connectors.crm.database import reading
from runner.connectors.crm.feed import PAGE, coalesced
from runner.connectors.crm.schema import EntityTable, raw
from runner.model.errors import Invalid, WatermarkInvalid
from runner.model.items import FeedPage, FeedRow
from runner.model.moments import zone_of

OVERLAP = 1000
"""How many numbers behind the end a counting column is read again."""

_HEAD = "version_column:"
_COUNTED = frozenset({Family.INTEGER, Family.NUMBER})
_LOCAL = frozenset({Family.NAIVE, Family.WRITTEN})
"""Families of moments as the CRM's clock shows them."""


@dataclass(frozen=True, slots=True)
class VersionFeed:
    """The feed of all entities: the watermark holds the highest value of each one's column."""

    engine: sa.Engine
    entities: tuple[EntityTable, ...]
    overlap: timedelta
    zone: str

    def pages(self, since: str | None) -> Iterator[FeedPage]:
        """Pages of changes since a watermark (None: the watermark of now)."""
        if since is None:
            yield FeedPage(
                (), self._watermark({str(e.plan.entity): self._highest(e) for e in self.entities}), complete=True
            )
            return
        highest = self._read(since)
        for index, entity in enumerate(self.entities):
            last_entity = index == len(self.entities) - 1
            after: tuple[Any, Any] | None = None
            more = True
            while more:
                page, changed, more = self._page(entity, highest[str(entity.plan.entity)], after)
                if page:
                    after = (page[-1][0], page[-1][1])
                    name = str(entity.plan.entity)
                    highest[name] = self._later(entity, highest[name], self._text(entity, page[-1][0]))
                yield FeedPage(
                    changed,
                    self._watermark(highest),
                    complete=last_entity and not more,
                )

    def prune(self, before: datetime, consumed: str) -> int:
        """Nothing is kept, so there is nothing to forget."""
        return 0

    def _column(self, entity: EntityTable) -> sa.Column[Any]:
        return entity.modified if entity.modified is not None else entity.version

    def _counted(self, entity: EntityTable) -> bool:
        return entity.family(self._column(entity)) in _COUNTED

    def _highest(self, entity: EntityTable) -> str:
        with reading(self.engine) as connection:
            top = connection.execute(sa.select(sa.func.max(raw(self._column(entity))))).scalar()
        return "" if top is None else self._text(entity, top)

    def _text(self, entity: EntityTable, value: Any) -> str:
        if self._counted(entity):
            return str(int(value))
        try:
            return moment_in(value, self.zone).isoformat()
        except ValueError as error:
            raise Invalid(f"column {self._column(entity).name} of {entity.table.name}: {error}", code="value") from None

    def _later(self, entity: EntityTable, one: str, other: str) -> str:
        if not one:
            return other
        if self._counted(entity):
            return str(max(int(one), int(other)))
        return max(one, other, key=datetime.fromisoformat)

    def _page(
        self, entity: EntityTable, highest: str, after: tuple[Any, Any] | None
    ) -> tuple[Sequence[Any], tuple[FeedRow, ...], bool]:
        """One page of (column, key, owner) rows, the changes that they are, and whether others follow."""
        column = self._column(entity)
        owner = sa.null() if entity.owner is None else raw(entity.owner)
        statement = (
            sa.select(raw(column), raw(entity.key), owner)
            .where(column.is_not(None))
            .order_by(column, entity.key)
            .limit(PAGE + 1)
        )
        if after is not None:
            statement = statement.where(sa.or_(column > after[0], sa.and_(column == after[0], entity.key > after[1])))
        elif highest:
            statement = statement.where(column >= self._start(entity, highest))
        name = str(entity.plan.entity)
        with reading(self.engine) as connection:
            rows = connection.execute(statement).all()
            page = rows[:PAGE]
            named = [(name, key_text(row[1]), None if row[2] is None else key_text(row[2])) for row in page]
            changed = coalesced(connection, named, {name: entity})
        return page, changed, len(rows) > PAGE

    def _start(self, entity: EntityTable, highest: str) -> Any:
        if self._counted(entity):
            return int(highest) - OVERLAP
        family, last = entity.family(self._column(entity)), datetime.fromisoformat(highest).astimezone(UTC)
        behind = self.overlap + (self._set_back(last) if family in _LOCAL else timedelta())
        return now_in(last - behind, family, self.zone)

    def _set_back(self, moment: datetime) -> timedelta:
        """By how much the CRM's clock is set back in autumn, if it shows this moment twice: what changes after that has
        earlier values than what changed before."""
        shown = moment.astimezone(zone_of(self.zone))
        first, second = (shown.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
        return max(first - second, timedelta())

    def _watermark(self, highest: Mapping[str, str]) -> str:
        return _HEAD + json.dumps(dict(highest), sort_keys=True)

    def _read(self, since: str) -> dict[str, str]:
        """The highest values of a watermark. An entity that is new in the plan starts at its beginning."""
        try:
            if not since.startswith(_HEAD):
                raise ValueError("another kind of feed")
            held = json.loads(since.removeprefix(_HEAD))
            highest = {str(e.plan.entity): str(held.get(str(e.plan.entity), "")) for e in self.entities}
            for entity in self.entities:
                value = highest[str(entity.plan.entity)]
                if value:
                    self._start(entity, value)
        except (ValueError, AttributeError, TypeError):
            raise WatermarkInvalid("the watermark is not one of this CRM's version columns") from None
        return highest
