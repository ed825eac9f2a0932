"""The people of a case: what users do in the CRM and in their mailboxes, in the fields' own names.

They work through connectors, so that an item is written and read as that side has it; what they make bears no mark of
ours, as nothing does that a user makes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.config.plan import OCCURRENCES, PEOPLE, CrmEntity, CrmPlan, LinkPlan, OwnerRelation
from runner.connectors.crm import SqlCrmConnector
from runner.connectors.crm.tables import KEYS
from runner.connectors.crm.triggers import quoted
from runner.engine.parts import ref_of
from runner.model.errors import ConnectorError, Gone
from runner.model.files import ATTACHMENTS, MEGABYTE, FileRules, digest_of
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.ports import Rng, TargetConnector
from runner.model.record import SCHEMAS, Fields
from runner.model.terms import Entity, Folder, Notice, Operation, Private

EVERY_FILE = FileRules(1024 * MEGABYTE, 1024 * MEGABYTE, frozenset())
"""People attach what they like: what takes part is for the configuration under test to say."""
Read = Mapping[str, Item | ConnectorError]


def crm_names(entity: CrmEntity) -> frozenset[str]:
    """The CRM fields of an entity that a case can speak of."""
    names = set(entity.fields)
    if entity.occurrences is not None:
        names.add(OCCURRENCES)
    if entity.participants is not None:
        names |= PEOPLE
    if entity.attachments is not None:
        names.add(ATTACHMENTS)
    return frozenset(names)


def shared_by(entity: CrmEntity) -> OwnerRelation | None:
    """The table that says which users hold a record of an entity; None where a record has one owner."""
    return next((relation for relation in entity.relations if relation.via is None), None)


def record_names(entity: Entity) -> frozenset[str]:
    """The record fields of an entity that a case can speak of."""
    return frozenset(name for name, spec in SCHEMAS[entity].items() if spec.carried)


@dataclass(slots=True)
class CrmHand:
    """Users of the CRM. ``owners`` is address → CRM key; ``defaults`` what the CRM puts into fields that nobody fills;
    ``contents`` the files' contents by digest."""

    connector: SqlCrmConnector
    plan: CrmPlan
    file: Path
    rng: Rng
    owners: Mapping[str, str]
    contents: Mapping[str, bytes]
    defaults: Mapping[Entity, Fields] = field(default_factory=dict)

    def create(self, entity: Entity, owners: Sequence[str], fields: Fields) -> str:
        """A new record that these users hold; its key. Raises ``ConnectorError``."""
        given = {**self.defaults.get(entity, {}), **fields}
        values = {name: value for name, value in given.items() if value is not None}
        write = Write(Operation.CREATE, None, None, values, frozenset(values), self.rng.token(), contents=self._content)
        key = self._done(self._ref(entity, owners[0]), write)
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(f"DELETE FROM {KEYS} WHERE entity = ? AND crm_key = ?", (entity.value, key))  # noqa: S608
            for owner in owners[1:]:
                relation = shared_by(self.plan.entities[entity])
                assert relation is not None  # noqa: S101 - by construction: the file was checked
                row = {**relation.defaults, relation.item: key, relation.user: self.owners[owner]}
                names, marks = ", ".join(map(quoted, row)), ", ".join("?" * len(row))
                into = f"INSERT INTO {quoted(relation.table)} ({names}) VALUES ({marks})"  # noqa: S608
                connection.execute(into, tuple(row.values()))
        return key

    def edit(self, entity: Entity, key: str, fields: Fields) -> None:
        """Change fields of a record. Raises ``ConnectorError``."""
        held = self._held(entity, key)
        ref = self._ref(entity, self._holder(entity, key))
        values, names = {**held.values, **fields}, frozenset(fields)
        self._done(ref, Write(Operation.UPDATE, key, held.version, values, names, contents=self._content))

    def delete(self, entity: Entity, key: str) -> None:
        """Delete a record, whoever holds it. Raises ``ConnectorError``."""
        held = self._held(entity, key)
        self._done(self._ref(entity, self._holder(entity, key)), Write(Operation.DELETE, key, held.version, whole=True))

    def records(self, entity: Entity) -> dict[str, tuple[Item | ConnectorError, frozenset[str]]]:
        """Every record that any user holds, by key in order of keys, and who does."""
        holders: dict[str, set[str]] = {}
        for address in self.owners:
            for page in self.connector.listing(self._ref(entity, address)):
                for ref in page.changed:
                    holders.setdefault(ref.key, set()).add(address)
        keys = sorted(holders, key=lambda key: (len(key), key))
        read = self.connector.get(self._ref(entity, None), keys)
        return {key: (read[key], frozenset(holders[key])) for key in keys}

    def _ref(self, entity: Entity, owner: str | None) -> LinkRef:
        names = crm_names(self.plan.entities[entity])
        key = self.owners[owner] if owner else None
        files = EVERY_FILE if ATTACHMENTS in names else None
        return LinkRef(
            "case", "", owner or "", Folder.CALENDAR, entity, "Etc/UTC", frozenset(), names, key, files=files
        )

    def _content(self, file: str) -> bytes:
        return self.contents[digest_of(file)]

    def _held(self, entity: Entity, key: str) -> Item:
        return _only(self.connector.get(self._ref(entity, None), [key]), key)

    def _holder(self, entity: Entity, key: str) -> str | None:
        return next(iter(sorted(self.records(entity)[key][1])), None)

    def _done(self, ref: LinkRef, write: Write) -> str:
        return _written(self.connector.write(ref, [write]))


@dataclass(slots=True)
class MailboxHand:
    """The owner of one folder, before his mail program. ``send``: attendees of a meeting are told of what he does."""

    connector: TargetConnector
    link: LinkPlan
    contents: Mapping[str, bytes]

    def create(self, fields: Fields, *, send: bool = False) -> str:
        """A new item; its id. Raises ``ConnectorError``."""
        values = {name: value for name, value in fields.items() if value is not None}
        if self.link.entity is Entity.SCHEDULE_ITEM and not values.get("show_without_time"):
            values.setdefault("time_zone", self.link.time_zone)
        names, notice = frozenset(values), _notice(send)
        return self._done(Write(Operation.CREATE, None, None, values, names, notice=notice, contents=self._content))

    def edit(self, key: str, fields: Fields, *, send: bool = False) -> str:
        """Change fields of an item; its id from then on. Raises ``ConnectorError``."""
        held = _only(self.connector.get(self._ref, [key]), key)
        values = {**held.values, **fields}
        names, notice = frozenset(fields), _notice(send)
        write = Write(Operation.UPDATE, key, held.version, values, names, before=held.values, notice=notice)
        return self._done(replace(write, contents=self._content))

    def delete(self, key: str, *, send: bool = False) -> None:
        """Delete an item, as the Delete key does. Raises ``ConnectorError``."""
        held = _only(self.connector.get(self._ref, [key]), key)
        self._done(Write(Operation.DELETE, key, held.version, notice=_notice(send)))

    def items(self) -> Read:
        """Everything in the folder, by id."""
        keys = [ref.key for page in self.connector.changes(self._ref, None) for ref in page.changed]
        return self.connector.get(self._ref, keys) if keys else {}

    @property
    def _ref(self) -> LinkRef:
        """The link without what it hides: a user sees all of his own mailbox."""
        names = record_names(self.link.entity)
        files = EVERY_FILE if ATTACHMENTS in names else None
        return replace(ref_of(self.link, None), record_fields=names, private=Private.SYNC, files=files)

    def _content(self, file: str) -> bytes:
        return self.contents[digest_of(file)]

    def _done(self, write: Write) -> str:
        return _written(self.connector.write(self._ref, [write]))


def _notice(send: bool) -> Notice:
    return Notice.EVERYBODY if send else Notice.NOBODY


def _only(read: Read, key: str) -> Item:
    item = read[key]
    if isinstance(item, ConnectorError):
        raise item
    return item


def _written(results: Iterable[WriteResult]) -> str:
    done: Sequence[WriteResult] = list(results)
    if done[0].error is not None:
        raise done[0].error
    if done[0].key is None:
        raise Gone("the item went as it was written")
    return done[0].key
