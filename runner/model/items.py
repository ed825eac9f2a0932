"""What connectors read and write: items, pages of changes, writes and their results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from runner.model.errors import ConnectorError
from runner.model.files import FileRules
from runner.model.quick import quick
from runner.model.record import Fields
from runner.model.terms import Entity, Folder, Notice, Operation, Place, Private


@dataclass(frozen=True, slots=True)
class LinkRef:
    """What a connector must know of a link: one user's one folder on a target.

    ``record_fields`` and ``crm_fields`` are the fields that the link's mapping needs from either side; ``owner`` is the
    CRM key of the link's user (None until the CRM has answered, and of a directory's link); ``time_zone`` (IANA) is the
    mailbox's own; ``private`` says whether a target has to mask private items (B-35), ``files`` what takes part of
    attachments (None: nothing, B-45); ``managed`` are the CRM fields that a directory's link alone fills (B-81).
    """

    name: str
    target: str
    user: str
    folder: Folder
    entity: Entity
    time_zone: str
    record_fields: frozenset[str]
    crm_fields: frozenset[str]
    owner: str | None = None
    private: Private = Private.SKIP
    files: FileRules | None = None
    managed: frozenset[str] = frozenset()


@quick
@dataclass(frozen=True, slots=True)
class Item:
    """One item as a side holds it now.

    ``values`` are record fields for a target item and CRM fields for a CRM item, canonical (see ``model.record``).
    ``stamp`` is our id on a target's item; ``native`` its native identity (calendar UID) which survives moves;
    ``shared`` says that other mailboxes hold copies under the same native identity (a meeting); ``organizer`` is then the
    address of who called it (lower case), ``response`` what this mailbox's user answered (``my_response`` in
    ``model.record``), whether the mapping names these fields or not: they decide whose copy counts (B-41). ``masked``
    says that the item is private and only its visible fields were taken over (see ``model.privacy``).
    """

    key: str
    version: str
    values: Fields
    stamp: str | None = None
    native: str | None = None
    modified: datetime | None = None
    shared: bool = False
    masked: bool = False
    organizer: str | None = None
    response: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Ref:
    """An item's id and version, without content."""

    key: str
    version: str | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of a side's changes: ids only. ``watermark`` stands behind this page; ``complete`` ends the feed.

    ``whole`` says that the feed began at nothing, whatever watermark it was asked for: a paired item that none of its pages
    names is to be looked at (it may be gone, and may not).
    """

    changed: tuple[Ref, ...]
    deleted: tuple[str, ...]
    watermark: str
    complete: bool
    whole: bool = False


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One CRM change: which record, and every CRM user key who owned it before or owns it now."""

    entity: Entity
    key: str
    owners: frozenset[str]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of the CRM's outbox, in commit order, and the CRM watermark behind it."""

    rows: tuple[FeedRow, ...]
    watermark: str
    complete: bool


@dataclass(frozen=True, slots=True)
class CrmUser:
    """A CRM user as links find him: by any of his addresses (lower case)."""

    key: str
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """What an item is known by when its id is not: our stamp, or its native identity."""

    stamp: str | None = None
    native: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One holder of an identity. ``key`` is None for a tombstone without an item."""

    identity: Identity
    place: Place
    key: str | None = None
    version: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Write:
    """One conditional write.

    ``values`` is the whole desired item (record fields for a target, CRM fields for the CRM); ``fields`` names those that
    change: all of them on create; on a delete, what a record that is marked deleted must not keep (B-35). ``version`` is
    the precondition of updates and deletes. ``stamp`` goes on every created item and on an updated one that bears none.
    ``native`` is what the CRM's key table notes for a create; an update of a record with ``native`` and a ``stamp`` but no
    fields only notes it. ``before`` is what an updated target item holds now, ``uid`` the native identity that a created
    one takes on (None: the server gives it). ``whole`` says of a delete in the CRM that the record goes, whoever else holds
    it. ``contents`` gives the bytes of a file by its key, from the other side, and raises classed errors; only files that
    the written side lacks are asked for (B-45). ``notice`` says who shall hear of a target's write by mail: nobody, unless
    the invitation firewall let it through (B-42).
    """

    operation: Operation
    key: str | None
    version: str | None
    values: Fields = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    stamp: str | None = None
    native: str | None = None
    before: Fields | None = None
    notice: Notice = Notice.NOBODY
    uid: str | None = None
    whole: bool = False
    contents: Callable[[str], bytes] | None = field(default=None, compare=False, repr=False)


@quick
@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of one write: the item's key and new version, or the error. There is no version after a delete, nor after
    an update that made the item go on to something else (a recurring task to its next occurrence): it must be read again.

    ``adopted`` says that a create found its key (or the same meeting) already there: no second record was made.
    ``item`` is what the side holds after the write, where it was read in the very transaction that wrote it; None: it has
    to be read back.
    ``released`` says of a delete in the CRM that other users hold the record, so that only the link's user was taken out.
    ``unfinished`` names record fields that a write of several requests left half done (a series' occurrences); the rest of
    it was done, whatever ``error`` stopped it, and what was agreed about these fields is agreed no more.
    """

    key: str | None = None
    version: str | None = None
    error: ConnectorError | None = None
    adopted: bool = False
    item: Item | None = None
    released: bool = False
    unfinished: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a target's protocol can do; checked at compile time and shown in ``plan``."""

    entities: frozenset[Entity]
    silent_meeting_updates: bool = True
