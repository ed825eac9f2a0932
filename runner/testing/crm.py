"""An in-memory CRM that behaves as the SQL one does, and the hands of its users.

What is like the real one: every change moves the record's version on and leaves a row in an outbox in commit order with
the owners before and after; a delete is soft; the key table remembers under which token and identity a record was made,
refuses a second live record for either, and keeps its rows when the record goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from runner.model.errors import NOT_OWNED, STILL_OWNED, ConnectorError, Gone, Invalid, VersionMoved, WatermarkInvalid
from runner.model.items import (
    ChangePage,
    CrmUser,
    FeedPage,
    FeedRow,
    Found,
    Identity,
    Item,
    LinkRef,
    Ref,
    Write,
    WriteResult,
)
from runner.model.ports import Clock, Rng
from runner.model.record import Fields, Value
from runner.model.terms import Entity, Operation, Place, Side
from runner.testing.faults import Boundary
from runner.testing.guests import seated, stay_invited, without
from runner.testing.held import ContractViolation, as_given, carried_out
from runner.testing.tables import Key, Row, Tables

T = TypeVar("T")


class FakeCrm:
    """The port ``CrmConnector`` over tables in memory.

    Knobs, to be set at any time: ``page`` (rows per page), ``normalise`` (what a trigger makes of values), ``reject`` (the
    constraint that refuses values, or None), ``allowed`` (operations that may arrive), ``related`` (whether a second user
    whose item is there already joins its record, as where a table relates records to users), ``inviting`` (whether that table
    says also who takes part, see :mod:`runner.testing.guests`), ``binding`` (whether nobody can be taken out of a record that
    others hold too). Methods named ``user_…`` are what people do in the CRM; they do not pass the boundary.
    """

    def __init__(self, clock: Clock, rng: Rng, *, boundary: Boundary | None = None, page: int = 2) -> None:
        self.clock = clock
        self.rng = rng
        self.boundary = boundary or Boundary()
        self.page = page
        self.allowed = frozenset(Operation)
        self.normalise: Callable[[Fields], Fields] = as_given
        self.related = self.inviting = self.binding = False
        self.reject: Callable[[Fields], str | None] = lambda values: None
        self._tables = Tables()
        self._epoch = 0
        self._last = 0

    # -- the port ----------------------------------------------------------------------------------------------------

    def check(self, link: LinkRef) -> None:
        """Nothing can be missing here but the link's user: ``ContainerGone``."""
        self._call("check", link.name, lambda: self._owner(link))

    def users(self, addresses: Sequence[str]) -> Mapping[str, CrmUser]:
        """CRM users by any of their addresses."""
        return self._call("users", ",".join(addresses), lambda: self._users(addresses))

    def addresses(self) -> Sequence[str]:
        """The first address of every user."""
        return [min(addresses) for addresses in self._tables.users.values() if addresses]

    def listing(self, link: LinkRef) -> Iterator[ChangePage]:
        """The live records that the owner holds in key order; one call of the boundary for each page."""
        after, complete = 0, False
        while not complete:
            page = self._call("listing", link.name, partial(self._listing, link, after))
            after, complete = int(page.watermark), page.complete
            yield page

    def feed(self, since: str | None) -> Iterator[FeedPage]:
        """The outbox since a watermark; one call of the boundary for each page."""
        watermark, complete = since, False
        while not complete:
            page = self._call("feed", watermark or "", partial(self._feed, watermark))
            watermark, complete = page.watermark, page.complete
            yield page

    def materialise(self) -> int:
        """There is nothing derived here."""
        return 0

    def prune(self, before: datetime, *, consumed: str) -> int:
        """Forget the outbox rows older than ``before`` that lie behind a watermark."""
        return self._call("prune", consumed, lambda: self._prune(before, consumed))

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        """The owner's live records by key, ``Invalid`` with code ``not-owned`` for others'; one call of the boundary."""
        return self._call("get", ",".join(keys), lambda: self._answers(link, keys))

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """Conditional writes, one call of the boundary each."""
        return carried_out(self.boundary, Side.CRM, self.allowed, writes, partial(self._write, link))

    def find(self, link: LinkRef, identities: Sequence[Identity]) -> Sequence[Found]:
        """What the key table knows of these tokens and identities."""
        return self._call("find", link.name, lambda: self._find(link, identities))

    def content(self, link: LinkRef, key: str, file: str) -> bytes:
        """No item here has attachments."""
        raise Gone(f"{key} has no such attachment")

    def close(self) -> None:
        """Nothing to give back."""

    # -- what users do -----------------------------------------------------------------------------------------------

    def add_user(self, key: str, *addresses: str) -> None:
        """A CRM user with his addresses, the first of them his main one."""
        self._tables.users[key] = frozenset(address.lower() for address in addresses)

    def lose_outbox(self) -> None:
        """The outbox was emptied by hand: no watermark given out so far is worth anything."""
        self._epoch += 1
        self._tables.outbox.clear()
        self._tables.pruned = 0

    def user_create(self, owner: str, values: Fields, *, entity: Entity = Entity.SCHEDULE_ITEM) -> str:
        """A user makes a record. Returns its key."""
        return self._insert(entity, owner, values).key

    def user_edit(self, key: str, **changes: Value) -> None:
        """A user changes fields of a record."""
        row = self._live(key)
        self._touch(row, {**row.values, **changes})

    def user_delete(self, key: str, *, hard: bool = False) -> None:
        """A user deletes a record; ``hard``: its row is gone and only the key table remembers it."""
        row = self._live(key)
        row.deleted = True
        self._touch(row, row.values)
        if hard:
            del self._tables.rows[key]

    def user_restore(self, key: str) -> None:
        """A user takes a soft delete back."""
        row = self._tables.rows[key]
        row.deleted = False
        self._touch(row, row.values)

    def user_assign(self, key: str, owner: str) -> None:
        """The record changes hands."""
        row = self._live(key)
        before, row.owner = row.owner, owner
        self._touch(row, row.values, before)

    def user_share(self, key: str, *users: str) -> None:
        """Further users are given the record; its version does not move, as where a table relates them and says no more."""
        row = self._live(key)
        row.others |= set(users)
        row.version += self.inviting
        self._note(row)

    def user_unshare(self, key: str, user: str) -> None:
        """A user is taken out of the record."""
        row = self._live(key)
        if self.inviting:
            row.values = dict(seated(row, without(row, user), {}))
        self._take_out(row, user)

    def user_spoil(self, key: str, reason: str | None = "bad-row") -> None:
        """From now on nobody can read this record's values (None: they can again)."""
        row = self._live(key)
        row.unreadable = reason
        self._touch(row, row.values)

    # -- what tests look at ------------------------------------------------------------------------------------------

    def items(self, owner: str | None = None) -> list[Item]:
        """Live records (of one owner), oldest first, with every field."""
        rows = [row for row in self._tables.rows.values() if not row.deleted and (not owner or owner in row.holders)]
        noted = self._tables.noted()
        return [self._item(row, frozenset(row.values), noted) for row in rows]

    def item(self, key: str) -> Item | None:
        """One live record with every field, or None."""
        row = self._tables.rows.get(key)
        return (
            self._item(row, frozenset(row.values), self._tables.noted())
            if row is not None and not row.deleted
            else None
        )

    def outbox_size(self) -> int:
        """How many rows the outbox holds."""
        return len(self._tables.outbox)

    def owner_of(self, key: str) -> str:
        """Who owns a live record."""
        return self._live(key).owner

    def holders_of(self, key: str) -> frozenset[str]:
        """Who holds a live record beside its owner: whom a table relates to it."""
        return frozenset(self._live(key).others)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _call(self, name: str, subject: str, effect: Callable[[], T]) -> T:
        return self.boundary.call(Side.CRM, name, subject, effect)

    def _owner(self, link: LinkRef) -> str:
        if link.owner is None:
            raise ContractViolation(f"link {link.name} came without its owner's key")
        return link.owner

    def _users(self, addresses: Sequence[str]) -> dict[str, CrmUser]:
        known = self._tables.users_by_address()
        found = {address: known[address.lower()] for address in addresses if address.lower() in known}
        return {address: CrmUser(key, self._tables.users[key]) for address, key in found.items()}

    def _insert(self, entity: Entity, owner: str, values: Fields) -> Row:
        self._last += 1
        row = Row(str(self._last), 1, {}, self.clock.now(), entity=entity, owner=owner)
        row.values = self._stored(row, values)
        self._tables.rows[row.key] = row
        self._note(row)
        return row

    def _touch(self, row: Row, values: Fields, former_owner: str | None = None) -> None:
        row.version += 1
        before = row.holders | ({former_owner} if former_owner else set())
        row.values, row.modified = self._stored(row, values), self.clock.now()
        self._note(row, *before)

    def _stored(self, row: Row, values: Fields) -> dict[str, Value]:
        values = self.normalise(values)
        return dict(seated(row, values, self._tables.users_by_address()) if self.inviting else values)

    def _note(self, row: Row, *former: str) -> None:
        owners = frozenset(row.holders.union(former))
        self._tables.outbox.append((self.clock.now(), FeedRow(row.entity, row.key, owners)))

    def _take_out(self, row: Row, user: str) -> None:
        row.others -= {user}
        row.version += self.inviting or row.owner == user  # a column of the record, or a row that is a part of it
        if row.owner == user:
            row.owner = ""
        self._note(row, user)

    def _live(self, key: str) -> Row:
        row = self._tables.rows.get(key)
        if row is None or row.deleted:
            raise Gone(f"no record {key}")
        return row

    def _item(self, row: Row, fields: frozenset[str], noted: Mapping[str, Key]) -> Item:
        values = {name: row.values.get(name) for name in sorted(fields)}
        known = noted.get(row.key)
        stamp, native = (known.token, known.identity) if known else (None, None)
        return Item(row.key, str(row.version), values, stamp, native, row.modified)

    def _answers(self, link: LinkRef, keys: Sequence[str]) -> dict[str, Item | ConnectorError]:
        noted = self._tables.noted()
        return {key: self._answer(link, key, noted) for key in keys}

    def _answer(self, link: LinkRef, key: str, noted: Mapping[str, Key]) -> Item | ConnectorError:
        try:
            row = self._live(key)
        except Gone as error:
            return error
        if link.owner not in row.holders:
            return Invalid(f"record {key} belongs to somebody else", code=NOT_OWNED)
        if row.unreadable is not None:
            return Invalid(f"the record cannot be carried: {row.unreadable}", code=row.unreadable)
        return self._item(row, link.crm_fields, noted)

    def _listing(self, link: LinkRef, after: int) -> ChangePage:
        owner = self._owner(link)
        rows = sorted(
            (row for row in self._tables.rows.values() if owner in row.holders and not row.deleted),
            key=lambda row: int(row.key),
        )
        rest = [row for row in rows if row.entity is link.entity and int(row.key) > after]
        page = rest[: self.page]
        return ChangePage(
            changed=tuple(Ref(row.key, str(row.version)) for row in page),
            deleted=(),
            watermark=page[-1].key if page else str(after),
            complete=len(rest) <= self.page,
        )

    def _feed(self, since: str | None) -> FeedPage:
        outbox, pruned = self._tables.outbox, self._tables.pruned
        if since is None:
            return FeedPage((), f"{self._epoch}:{pruned + len(outbox)}", complete=True)
        start = self._position(since)
        rows = tuple(row for _, row in outbox[start - pruned : start - pruned + self.page])
        until = start + len(rows)
        return FeedPage(rows, f"{self._epoch}:{until}", complete=until >= pruned + len(outbox))

    def _position(self, watermark: str) -> int:
        epoch, _, position = watermark.partition(":")
        if epoch != str(self._epoch) or int(position) < self._tables.pruned:
            raise WatermarkInvalid("the outbox does not reach back to this watermark")
        return int(position)

    def _prune(self, before: datetime, consumed: str) -> int:
        tables = self._tables
        read = tables.outbox[: self._position(consumed) - tables.pruned]
        old = sum(1 for at, _ in read if at < before)
        del tables.outbox[:old]
        tables.pruned += old
        return old

    def _find(self, link: LinkRef, identities: Sequence[Identity]) -> list[Found]:
        found = []
        for identity in identities:
            for noted in self._tables.keys.values():
                if noted.entity is not link.entity:
                    continue
                same_token = identity.stamp is not None and identity.stamp == noted.token
                if same_token or (identity.native is not None and identity.native == noted.identity):
                    found.append(self._holder(identity, noted))
        return found

    def _holder(self, identity: Identity, noted: Key) -> Found:
        """Whoever holds it: the key table knows of no owners."""
        row = self._tables.rows.get(noted.key)
        if row is None or row.deleted:
            return Found(identity, Place.TOMBSTONE, noted.key)
        return Found(identity, Place.FOLDER, row.key, str(row.version))

    def _write(self, link: LinkRef, write: Write) -> WriteResult:
        given = {name: write.values[name] for name in write.fields}
        reason = self.reject(given)
        if reason is not None:
            raise Invalid(f"the database refuses the record: {reason}", code=reason)
        if write.operation is Operation.CREATE:
            return self._create(link, write, given)
        row = self._live(write.key or "")
        if write.version != str(row.version):
            raise VersionMoved("the row version moved on")
        if not write.fields and write.native is not None and write.operation is Operation.UPDATE:
            token = write.stamp or ""
            self._tables.keys[token] = Key(token, link.entity, write.native, row.key)
            return WriteResult(row.key, str(row.version))
        if write.operation is Operation.DELETE:
            if link.owner and link.owner not in row.holders:
                raise VersionMoved("the record is in other hands by now")
            if link.owner in row.holders and len(row.holders) > 1 and not write.whole:
                if self.binding:
                    raise Invalid(f"record {row.key} stays {link.user}'s", code=STILL_OWNED)
                stay_invited(row, self._owner(link))
                self._take_out(row, self._owner(link))
                return WriteResult(row.key, released=True)
            row.deleted = True
            self._touch(row, {**row.values, **given})
            return WriteResult(row.key, None)
        self._touch(row, {**row.values, **given})
        return WriteResult(row.key, str(row.version))

    def _create(self, link: LinkRef, write: Write, given: Fields) -> WriteResult:
        for noted in self._tables.keys.values():
            same_token = noted.token == write.stamp
            same_identity = (noted.entity, noted.identity) == (link.entity, write.native) and write.native is not None
            if not same_token and not same_identity:
                continue
            row = self._tables.rows.get(noted.key)
            if row is not None and not row.deleted:
                if self.related and not same_token and self._owner(link) not in row.holders:
                    row.others.add(self._owner(link))
                    row.version += self.inviting
                    self._note(row)
                return WriteResult(row.key, str(row.version), adopted=True)
            if same_token:
                raise Gone("this record was created and has been deleted since", code="tombstone")
            # The meeting's record was deleted: who re-creates it takes its identity over, the token's row stays.
            noted.identity = None
        row = self._insert(link.entity, self._owner(link), given)
        token = write.stamp or ""
        self._tables.keys[token] = Key(token, link.entity, write.native, row.key)
        return WriteResult(row.key, str(row.version))
