"""The port ``CrmConnector`` over an SQL schema: reads here, writes, feeds and checks in their own modules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from runner.config.plan import CrmPlan
from runner.connectors.crm.attachments import lacking, loaded
from runner.connectors.crm.columns import key_text
from runner.connectors.crm.database import reading, snapshot
from runner.connectors.crm.ddl import ddl, statements
from runner.connectors.crm.faults import classed, translated
from runner.connectors.crm.feed import Feed, PostgresOutbox, SqliteOutbox
from runner.connectors.crm.grants import is_mighty, is_shut
from runner.connectors.crm.grants import lacking as lacking_rights
from runner.connectors.crm.inspection import inspect_own
from runner.connectors.crm.keys import KeyTable
from runner.connectors.crm.materialising import Materialising
from runner.connectors.crm.occurrences import columns_of
from runner.connectors.crm.owners import OWNER_PARAMETER, held_by, is_user
from runner.connectors.crm.participants import check_people
from runner.connectors.crm.printed import altered
from runner.connectors.crm.reflection import reflect
from runner.connectors.crm.rows import KEYS_PARAMETER, Shape, key_values, shape
from runner.connectors.crm.schema import CrmSchema, EntityTable, raw
from runner.connectors.crm.users import BATCH, all_addresses, batches, users_by_address
from runner.connectors.crm.version_feed import VersionFeed
from runner.connectors.crm.watch import Watch
from runner.connectors.crm.writing import GROUP, Group
from runner.model.checkup import CrmSeen, Reading
from runner.model.errors import ConnectorError, Gone, Invalid, UsageError, VersionMoved
from runner.model.files import ATTACHMENTS, FileRules
from runner.model.items import ChangePage, CrmUser, FeedPage, Found, Identity, Item, LinkRef, Ref, Write, WriteResult
from runner.model.ports import Clock
from runner.model.terms import Entity, Place


class SqlCrmConnector:
    """The CRM as its plan describes it. Made by :func:`runner.connectors.crm.connect`; may be shared between threads.

    The schema is reflected on first use, so making one reads nothing; from then on every method raises the errors of
    :mod:`runner.model.errors` only.
    """

    def __init__(self, plan: CrmPlan, engine: sa.Engine, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self._engine = engine
        self._schema: CrmSchema | None = None
        self._feeding: tuple[CrmSchema, Feed] | None = None
        """The feed over a schema; it keeps its statements."""
        self._shapes: dict[tuple[Entity, frozenset[str], FileRules | None], Shape] = {}

    def __repr__(self) -> str:
        return f"SqlCrmConnector({self.plan.name}, {self._engine.url.render_as_string(hide_password=True)})"

    # -- what is there ---------------------------------------------------------------------------------------------------

    def check(self, link: LinkRef | None = None) -> None:
        """Everything a pass needs: reachable, tables and columns as described, our tables and triggers, right to read.

        Reads the schema anew. Raises ``Unreachable``, ``AuthRefused``, ``AccessDenied`` or ``ContainerGone`` (codes as in
        :func:`runner.connectors.crm.reflection.reflect`; ``ddl-missing`` names ``exsync target ddl``).
        """
        self._schema = None
        schema = self._reflected()
        with reading(self._engine) as connection:
            inspect_own(connection, self.plan, schema)
            for column in (schema.roster.key, schema.roster.alias_user):
                if column is not None:
                    connection.execute(sa.select(raw(column)).where(sa.false()))
            for entity in schema.entities.values():
                owner = () if entity.owner is None else (entity.owner,)
                used = {c.name: c for c in (entity.key, entity.version, *owner, *entity.columns.values())}
                connection.execute(sa.select(*(raw(column) for column in used.values())).where(sa.false()))
                if entity.occurrences is not None:
                    connection.execute(columns_of(entity.occurrences).where(sa.false()))
                for relation in entity.relations:
                    connection.execute(sa.select(raw(relation.item), raw(relation.user)).where(sa.false()))
                if entity.people is not None:
                    check_people(connection, entity.people)
                if entity.files is not None:
                    columns = (entity.files.item, entity.files.name, entity.files.content)
                    connection.execute(sa.select(*(raw(column) for column in columns)).where(sa.false()))
        if link is not None and not self._entity(link).unowned:
            self._owner(link)

    def users(self, addresses: Sequence[str]) -> Mapping[str, CrmUser]:
        """CRM users by address (lower case). A main address goes before an alias; one that two users share is absent."""
        schema = self._reflected()
        found: dict[str, CrmUser] = {}
        for batch in batches(addresses):
            with reading(self._engine) as connection:
                found |= users_by_address(connection, schema.roster, batch)
        return found

    def addresses(self) -> Sequence[str]:
        """The main addresses of all users, those marked deleted left out where the CRM says which they are."""
        schema = self._reflected()
        with reading(self._engine) as connection:
            return all_addresses(connection, schema.roster, schema.entities.get(Entity.USER))

    def listing(self, link: LinkRef) -> Iterator[ChangePage]:
        """Every live record that the link's owner holds in any way, once, in key order, in pages of 500."""
        entity = self._entity(link)
        owner = "" if entity.unowned else self._owner(link)
        after: Any = None
        complete = False
        while not complete:
            statement = (
                sa.select(raw(entity.key), raw(entity.version))
                .where(held_by(entity, owner), entity.live())
                .order_by(entity.key)
                .limit(BATCH + 1)
            )
            if after is not None:
                statement = statement.where(entity.key > after)
            with reading(self._engine) as connection:
                rows = connection.execute(statement).all()
            page, complete = rows[:BATCH], len(rows) <= BATCH
            after = page[-1][0] if page else after
            refs = tuple(Ref(key_text(key), key_text(version)) for key, version in page)
            yield ChangePage(refs, (), "" if after is None else key_text(after), complete)

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        """Live records by key; deleted and unknown ones are ``Gone``, unreadable ones ``Invalid``, and so are those that the
        link's owner holds in no way (code ``not-owned``): a record that changed hands has left the link."""
        entity = self._entity(link)
        held = key_values(keys, entity.family(entity.key))
        shape_ = self._shape(entity, link)
        found: dict[str, Item | ConnectorError] = {}
        asked = list(held)
        for start in range(0, len(asked), BATCH):
            found |= self._read(shape_, link.owner, {key: held[key] for key in asked[start : start + BATCH]})
        return {key: found.get(key) or Gone(f"no CRM record {key}") for key in keys}

    def find(self, link: LinkRef, identities: Sequence[Identity]) -> Sequence[Found]:
        """What the key table knows of these stamps and native identities: a live record, or a tombstone with its key."""
        entity, schema = self._entity(link), self._reflected()
        found: list[Found] = []
        for start in range(0, len(identities), BATCH):
            batch = identities[start : start + BATCH]
            with reading(self._engine) as connection:
                noted = KeyTable(schema.own.keys).noted(
                    connection, entity, [i.stamp for i in batch if i.stamp], [i.native for i in batch if i.native]
                )
            for identity in batch:
                holders = (noted.by_token.get(identity.stamp or ""), noted.by_identity.get(identity.native or ""))
                for holder in dict.fromkeys(holder for holder in holders if holder):
                    place = Place.TOMBSTONE if holder.version is None else Place.FOLDER
                    found.append(Found(identity, place, holder.key, holder.version))
        return found

    # -- what changes ----------------------------------------------------------------------------------------------------

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """Conditional writes in groups of 512, one transaction each, one result per write in order."""
        entity, schema = self._entity(link), self._reflected()
        shape_ = self._shape(entity, link)
        pending = iter(writes)
        while group := list(islice(pending, GROUP)):
            carried = Group(self._engine, shape_, KeyTable(schema.own.keys), link, self.clock.now())
            if shape_.files is None or not any(write.contents for write in group):
                yield from carried.results(group)
                continue
            for write in group:  # one transaction each: the files of one item are what is held in memory
                try:
                    yield from carried.results([self._with_contents(shape_, write)])
                except VersionMoved as error:
                    yield WriteResult(key=write.key, error=error)

    def content(self, link: LinkRef, key: str, file: str) -> bytes:
        """The bytes of one file of a record (B-45). Raises ``Gone`` when there is none such."""
        entity = self._entity(link)
        shape_ = self._shape(entity, link)
        value = key_values([key], entity.family(entity.key)).get(key)
        if shape_.files is None or value is None:
            raise Gone(f"no attachments of CRM record {key}")
        with reading(self._engine) as connection:
            return shape_.files.content(connection, value, file)

    def _with_contents(self, shape_: Shape, write: Write) -> Write:
        """A write with the bytes of what its record lacks, read from the other side before the transaction begins: no lock
        waits for another server. Raises that side's errors."""
        files, wanted = shape_.files, write.values.get(ATTACHMENTS)
        if files is None or write.contents is None or ATTACHMENTS not in write.fields:
            return write
        keys = key_values([write.key] if write.key else [], shape_.entity.family(shape_.entity.key))
        with reading(self._engine) as connection:
            held = files.rows(connection, list(keys.values())).get(write.key or "", [])
        contents = {file: loaded(write, file) for file in sorted(lacking(wanted, held))}
        return replace(write, contents=contents.__getitem__)

    def feed(self, since: str | None) -> Iterator[FeedPage]:
        """Committed changes since a watermark, pages of 1,000, each record once a page. None: the watermark of now."""
        yield from self._feed().pages(since)

    def watch(self, stopping: Callable[[], bool]) -> Watch:
        """Hears of commits at once; ``stopping`` is asked a few times a second whether to stop listening."""
        return Watch(self._engine, outbox=self.plan.feed == "outbox", stopping=stopping)

    def prune(self, before: datetime, *, consumed: str) -> int:
        """Forget outbox rows older than ``before`` that lie behind the watermark ``consumed``; returns how many.

        A watermark older than ``consumed`` is invalid afterwards (``WatermarkInvalid`` from :meth:`feed`).
        """
        return self._feed().prune(before, consumed)

    def materialise(self) -> int:
        """Bring the tables of materialised occurrences up to date (B-38); returns the number of series looked at.

        Series that changed are compared row by row; of the others only the days that the horizon has reached are added.
        """
        schema, done = self._reflected(), 0
        for entity in schema.entities.values():
            if entity.materialised is not None:
                work = Materialising(self._engine, entity, entity.materialised, schema.own.series, self.plan.time_zone)
                done += work.carry_out(self.clock.now(), self._series)
        return done

    # -- our tables ------------------------------------------------------------------------------------------------------

    def ddl(self) -> str:
        """The SQL that this CRM's database needs from us, for its dialect and schema."""
        schema = self._reflected()
        return ddl(self.plan, schema.dialect, schema=schema.default_schema, untouched=_untouched(schema))

    def apply_ddl(self) -> int:
        """Carry that SQL out in one transaction; returns the number of statements."""
        schema = self._reflected()
        todo = statements(self.plan, schema.dialect, schema=schema.default_schema, untouched=_untouched(schema))
        writing = self._engine.execution_options(exsync_writing=True)
        with translated(), writing.begin() as connection:
            cursor = connection.connection.cursor()
            try:
                for statement in todo:
                    cursor.execute(statement)  # as it is printed: nothing in it stands for a parameter
            except self._engine.dialect.loaded_dbapi.Error as error:
                raise classed(error) from None
            finally:
                cursor.close()
        return len(todo)

    def examined(self, written: Collection[Entity]) -> CrmSeen:
        """What the account lacks for writing these entities, and whether the DDL is as printed. After :meth:`check`."""
        schema, outbox = self._reflected(), self.plan.feed == "outbox"
        todo = statements(self.plan, schema.dialect, schema=schema.default_schema, untouched=_untouched(schema))
        with reading(self._engine) as connection:
            differing, optional = altered(connection, schema.default_schema or self.plan.schema or "public", todo)
            return CrmSeen(
                lacking=tuple(lacking_rights(connection, schema, written, outbox=outbox)),
                altered=tuple(differing),
                optional=tuple(optional),
                shut=outbox and is_shut(connection, schema),
                mighty=is_mighty(connection),
                clock=self._clock(connection),
            )

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _clock(self, connection: sa.Connection) -> Reading | None:
        if connection.dialect.name == "sqlite":
            return None  # it has this machine's
        before = self.clock.now()
        theirs = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return Reading(before, theirs, self.clock.now())

    def _reflected(self) -> CrmSchema:
        if self._schema is None:
            with reading(self._engine) as connection:
                self._schema = reflect(connection, self.plan)
            self._shapes = {}
        return self._schema

    def _entity(self, link: LinkRef) -> EntityTable:
        entity = self._reflected().entities.get(link.entity)
        if entity is None:
            raise UsageError(
                f"{self.plan.rule}: CRM {self.plan.name} describes no entity {link.entity}, which link {link.name} needs",
                remedy=f"describe it under entities of CRM {self.plan.name}",
            )
        return entity

    def _owner(self, link: LinkRef) -> str:
        if link.owner is not None and is_user(self._entity(link), link.owner):
            return link.owner
        raise UsageError(
            f"link {link.name}: {link.user} is no CRM user", remedy="give the user that e-mail address in the CRM"
        )

    def _shape(self, entity: EntityTable, link: LinkRef) -> Shape:
        return self._shape_of(entity, link.crm_fields, link.files)

    def _shape_of(self, entity: EntityTable, fields: frozenset[str], files: FileRules | None) -> Shape:
        slot = (entity.plan.entity, fields, files)
        made = self._shapes.get(slot)
        if made is None or made.entity is not entity:
            made = self._shapes[slot] = shape(entity, fields, self.plan.time_zone, files)
        return made

    def _read(self, shape_: Shape, owner: str | None, keys: Mapping[str, Any]) -> dict[str, Item | ConnectorError]:
        """One batch; halved again and again when the driver cannot read one of its rows."""
        try:
            # An item and its rows in other tables are one: what was read between two commits would be neither of both.
            with (reading if shape_.lone else snapshot)(self._engine) as connection:
                asked: dict[str, Any] = {KEYS_PARAMETER: list(keys.values())}
                if shape_.entity.relations:
                    asked[OWNER_PARAMETER] = owner
                rows = connection.execute(shape_.select, asked).all()
                noted = KeyTable(self._reflected().own.keys).of_records(connection, shape_.entity, list(keys))
                held = shape_.held(connection, rows)
        except Invalid as error:
            if len(keys) == 1:
                return {key: Invalid(f"CRM record {key} cannot be read: {error}", code=error.code) for key in keys}
            names = list(keys)
            half = len(names) // 2
            return {
                **self._read(shape_, owner, {key: keys[key] for key in names[:half]}),
                **self._read(shape_, owner, {key: keys[key] for key in names[half:]}),
            }
        return shape_.items(rows, held, owner, noted)

    def _series(
        self, entity: EntityTable, fields: frozenset[str], keys: Sequence[str]
    ) -> dict[str, Item | ConnectorError]:
        held = key_values(keys, entity.family(entity.key))
        return self._read(self._shape_of(entity, fields, None), None, held)

    def _feed(self) -> Feed:
        schema = self._reflected()
        made = self._feeding
        if made is None or made[0] is not schema:
            made = self._feeding = (schema, self._feed_of(schema))
        return made[1]

    def _feed_of(self, schema: CrmSchema) -> Feed:
        names = {str(entity): table for entity, table in schema.entities.items()}
        if self.plan.feed == "version_column":
            tables = tuple(schema.entities.values())
            return VersionFeed(self._engine, tables, self.plan.feed_overlap, self.plan.time_zone)
        kind = SqliteOutbox if schema.dialect == "sqlite" else PostgresOutbox
        return kind(self._engine, schema.own.outbox, names)


def _untouched(schema: CrmSchema) -> frozenset[Entity]:
    return frozenset(entity for entity, table in schema.entities.items() if not table.counts_versions)
