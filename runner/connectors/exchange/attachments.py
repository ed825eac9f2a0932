"""Attached files over EWS (B-45): read by metadata and digest, written one request each.

GetItem names the attachments of an item (``item:Attachments``) without their content. A file's content is fetched once to
make its digest, which is kept in memory by what EWS says of the file: its id, size and time of last change (Outlook can
save an edited file in place, under the same id). So an item whose subject changed costs no file. That time has whole
seconds: while a file is fresh it may change again within the same one, to the same size, and so a fresh file's digest
holds for the very version of the item that it was made of and no other. Pages CreateAttachment operation, GetAttachment
operation, DeleteAttachment operation, FileAttachment.

*Choices where the rule book is silent*

- Attached items and links to files in the cloud (ItemAttachment, ReferenceAttachment) and inline images stay as they are.
- What an occurrence of a series has attached by itself stays as it is; the files of the series are its master's.
- Files that are missing are made before those that are not wanted are removed: whatever stops the work in between, no file
  is lost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock

from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.master import Master
from runner.connectors.exchange.names import Element, add, root, t
from runner.connectors.exchange.services import ITEM_ID, CreateAttachment, DeleteAttachment, GetAttachment, GetItem
from runner.connectors.exchange.text import carried
from runner.model.errors import ConnectorError, Gone, Invalid, VersionMoved
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
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.record import Value

URI = "item:Attachments"
SLACK = 4096
"""What Exchange may count as a file's size beside its content ([MS-OXCMSG] PidTagAttachSize)."""
REMEMBERED = 20_000
"""Digests kept in memory."""
FRESH = timedelta(minutes=5)
"""How long after its last change a file may still change within the same second: as far as the clocks of one site's
servers may be apart (RFC 4120 §8.2)."""
UNFINISHED = frozenset({ATTACHMENTS})

_ATTACHMENTS, _FILE, _ID = t("Attachments"), t("FileAttachment"), t("AttachmentId")
_NAME, _SIZE, _MODIFIED, _INLINE, _CONTENT = t("Name"), t("Size"), t("LastModifiedTime"), t("IsInline"), t("Content")


@dataclass(frozen=True, slots=True)
class FileRef:
    """One attached file as GetItem names it. ``name`` is clean, ``size`` what Exchange counts, ``version`` the change key of
    the item that it was read with."""

    id: str
    name: str
    size: int
    modified: str
    version: str


@dataclass(frozen=True, slots=True)
class Attached:
    """An item, or the master of a series, whose attached files are still to be looked at."""

    bare: Item | Master
    files: tuple[FileRef, ...]


@dataclass(slots=True)
class _Known:
    size: int
    digest: str
    version: str
    """The item's change key that it holds for; empty: for every one."""


class Digests:
    """Size and digest of the content of files that were fetched once. Shared by threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int, str], _Known] = OrderedDict()
        self._lock = Lock()

    def get(self, file: FileRef, date: str) -> tuple[int, str] | None:
        """(size of the content in bytes, its SHA-256), if it was noted. ``date``: the server's, when it named the file."""
        with self._lock:
            known = self._known.get((file.id, file.size, file.modified))
            if known is None or known.version not in ("", file.version):
                return None
            if known.version and not fresh(file.modified, date):
                known.version = ""
            return known.size, known.digest

    def note(self, file: FileRef, size: int, digest: str, date: str) -> None:
        """Remember a file that was fetched when the server's date was ``date`` or later; the oldest are forgotten."""
        with self._lock:
            version = file.version if fresh(file.modified, date) else ""
            self._known[file.id, file.size, file.modified] = _Known(size, digest, version)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def fresh(modified: str, date: str) -> bool:
    """Whether a file last changed at ``modified`` (ISO 8601) may, at an HTTP ``Date``, change again within that second."""
    try:
        return parsedate_to_datetime(date) - datetime.fromisoformat(modified) < FRESH
    except (ValueError, TypeError):  # no date, none that can be read, or one without a zone: nothing is known of it
        return True


def refs_of(element: Element) -> tuple[FileRef, ...]:
    """The files that are attached to an item's element, inline ones left out."""
    held = element.find(_ATTACHMENTS)
    version = change_key(element)
    found: list[FileRef] = []
    for entry in () if held is None else held:
        ident = entry.find(_ID)
        if entry.tag != _FILE or ident is None or (entry.findtext(_INLINE) or "").strip() in ("true", "1"):
            continue
        size = entry.findtext(_SIZE) or "0"
        found.append(
            FileRef(
                ident.get("Id", ""),
                clean_name(entry.findtext(_NAME) or ""),
                int(size),
                entry.findtext(_MODIFIED) or "",
                version,
            )
        )
    return tuple(found)


def change_key(element: Element) -> str:
    """The change key of an item's element, empty when it names none."""
    ident = element.find(ITEM_ID)
    return "" if ident is None else ident.get("ChangeKey", "")


def with_refs(answer: Item | Master | ConnectorError, element: Element) -> Item | Master | Attached | ConnectorError:
    """What a decoder made of an element, with the files that are attached to it."""
    files = () if isinstance(answer, ConnectorError) else refs_of(element)
    return Attached(answer, files) if files and not isinstance(answer, ConnectorError) else answer


def with_value(answer: Item | Master, value: Value) -> Item | Master:
    """An item or master with this value of its attachments."""
    if isinstance(answer, Master):
        return replace(answer, item=replace(answer.item, values={**answer.item.values, ATTACHMENTS: value}))
    return replace(answer, values={**answer.values, ATTACHMENTS: value})


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads attached files of one mailbox."""

    mailbox: Mailbox
    rules: FileRules
    digests: Digests

    def value(self, files: Sequence[FileRef]) -> Value:
        """The record value of these files, or why they take no part. Fetches those whose digest is not known, and none of
        them when they are over a limit. Raises classed errors."""
        taking = [file for file in files if not self.rules.blocks(file.name)]
        excess = self.rules.excess(max(0, file.size - SLACK) for file in taking)
        if excess:
            return over(excess)
        keyed = self.keyed(taking)
        excess = self.rules.excess(size for size, _ in keyed.values())
        return over(excess) if excess else value_of((key, size) for size, key in keyed.values())

    def keyed(self, files: Sequence[FileRef]) -> Mapping[str, tuple[int, str]]:
        """Attachment id → (size of the content, key) of these files."""
        found: dict[str, tuple[int, str]] = {}
        for file in files:
            date = self.mailbox.protocol.date
            known = self.digests.get(file, date)
            if known is None:
                content = self.content(file)
                known = len(content), hashlib.sha256(content).hexdigest()
                self.digests.note(file, *known, date)
            found[file.id] = known[0], file_key(file.name, known[1])
        return found

    def content(self, file: FileRef) -> bytes:
        """The bytes of a file."""
        request = root("GetAttachment")
        add(add(request, "m:AttachmentIds"), "t:AttachmentId", Id=file.id)
        element: Element = GetAttachment(self.mailbox).one(request)
        try:
            return base64.b64decode(element.findtext(_CONTENT) or "", validate=False)
        except binascii.Error:
            raise Invalid("an attachment whose content cannot be read", code="attachment-content") from None

    def held(self, key: str) -> tuple[str, tuple[FileRef, ...]]:
        """The item's change key, and the files that take part."""
        request = root("GetItem")
        shape = add(request, "m:ItemShape")
        add(shape, "t:BaseShape", "IdOnly")
        add(add(shape, "t:AdditionalProperties"), "t:FieldURI", FieldURI=URI)
        add(add(request, "m:ItemIds"), "t:ItemId", Id=key)
        element: Element = GetItem(self.mailbox).one(request)
        files = tuple(file for file in refs_of(element) if not self.rules.blocks(file.name))
        return change_key(element), files

    def wanted(self, key: str, file: str) -> bytes:
        """The bytes of an item's file by the file's key. Raises ``Gone`` when it has none such."""
        _, files = self.held(key)
        for ref in files:
            if ref.name == name_of(file) and self.keyed([ref])[ref.id][1] == file:
                return self.content(ref)
        raise Gone("the item has no such attachment any more", code="attachment-gone")


@dataclass(frozen=True, slots=True)
class FileWriter:
    """Brings the attachments of items to what writes say."""

    reader: FileReader

    def bring(self, key: str, version: str, write: Write, *, begun: bool) -> WriteResult:
        """Attach and remove what differs. ``version`` is empty where what was done before told none.

        ``begun`` says that something of the write is done already, so that whatever stops the rest leaves it unfinished.
        Raises what stopped it otherwise.
        """
        progress = _Progress(begun)
        try:
            return WriteResult(key, self._brought(key, version, write, progress))
        except ConnectorError as error:
            if progress.begun:
                return WriteResult(key, None, error, unfinished=UNFINISHED)
            raise

    def _brought(self, key: str, version: str, write: Write, progress: _Progress) -> str:
        value = write.values.get(ATTACHMENTS)
        if why_over(value) is not None:
            return version
        desired = keys_of(value)
        now, files = self.reader.held(key)
        if version and now != version:
            raise VersionMoved("the item changed since it was read", code="change-key-moved")
        version = now
        held = self.reader.keyed(files)
        missing = sorted(desired - {file for _, file in held.values()})
        made: dict[str, str] = {}
        for file in missing:
            content = _proved(write.contents, file)
            progress.begun = True
            made_id, version = CreateAttachment(self.reader.mailbox).one(_creation(key, version, file, content))
            made[made_id] = file
        for ref in files:
            if held[ref.id][1] not in desired:
                progress.begun = True
                version = DeleteAttachment(self.reader.mailbox).one(_removal(ref))
        if made:
            self._note(key, version, made, value)
        return version

    def _note(self, key: str, version: str, made: Mapping[str, str], value: Value) -> None:
        """Remember what was sent, by what Exchange says of it now, so that it is not fetched to be read back."""
        now, files = self.reader.held(key)
        sizes = value if isinstance(value, Mapping) else {}
        for ref in files if now == version else ():
            if ref.id in made:
                size, digest = int(str(sizes.get(made[ref.id], 0))), digest_of(made[ref.id])
                self.reader.digests.note(ref, size, digest, self.reader.mailbox.protocol.date)


@dataclass(slots=True)
class _Progress:
    begun: bool


def _proved(contents: Callable[[str], bytes] | None, file: str) -> bytes:
    if contents is None:
        raise Invalid("an attachment without its content", code="attachment-content")
    try:
        content = contents(file)
    except Gone:
        raise VersionMoved("an attachment went while it was carried over", code="attachment-gone") from None
    if hashlib.sha256(content).hexdigest() != digest_of(file):
        raise VersionMoved("an attachment changed while it was carried over", code="attachment-changed")
    return content


def _creation(key: str, version: str, file: str, content: bytes) -> Element:
    request = root("CreateAttachment")
    add(request, "m:ParentItemId", Id=key, ChangeKey=version)
    entry = add(add(request, "m:Attachments"), "t:FileAttachment")
    add(entry, "t:Name", carried(name_of(file)))
    add(entry, "t:Content", base64.b64encode(content).decode())
    return request


def _removal(file: FileRef) -> Element:
    request = root("DeleteAttachment")
    add(add(request, "m:AttachmentIds"), "t:AttachmentId", Id=file.id)
    return request


def without_files(link: LinkRef) -> LinkRef:
    """A link that leaves attachments alone."""
    return replace(link, record_fields=link.record_fields - UNFINISHED, files=None)


def plain(write: Write) -> Write:
    """A write without its attachments."""
    values = {name: value for name, value in write.values.items() if name != ATTACHMENTS}
    return replace(write, values=values, fields=write.fields - UNFINISHED, contents=None)


def concerns_files(link: LinkRef, write: Write) -> bool:
    """Whether a write says something of attachments that has to be carried out."""
    if link.files is None or ATTACHMENTS not in write.fields:
        return False
    return bool(write.key) or bool(keys_of(write.values.get(ATTACHMENTS)))
