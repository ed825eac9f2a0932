"""Files and items that are attached to an item (pages FileAttachment, ItemAttachment, AttachmentId, Attachments).

They lie inside their item and go with it. The id of an attachment is its item's with a number behind it, so that it is
another one when the item is copied or moved. Content cannot be changed over EWS: it is deleted and created anew.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from runner.sandbox.failures import EwsError
from runner.sandbox.ids import well_formed
from runner.sandbox.wire import escape, tag
from runner.sandbox.zones import render_instant

_TAIL = struct.Struct(">IQ")
_MARK = 0x01121000
_OVERHEAD = 320
"""What an attachment's size has beside its content (PidTagAttachSize counts the properties of its object, too)."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One attachment. ``element`` is FileAttachment or ItemAttachment; of the latter ``item`` is its ready-made XML."""

    number: int
    name: str
    content: bytes
    modified: datetime
    element: str = "FileAttachment"
    content_type: str | None = None
    content_id: str | None = None
    inline: bool = False
    item: str = ""

    @property
    def size(self) -> int:
        """Its size as the store counts it."""
        return len(self.content) + len(self.item) + _OVERHEAD


class Attachments(tuple[StoredFile, ...]):
    """The attachments of one item, as the value of its property ``Attachments``."""

    __slots__ = ()

    @classmethod
    def held_by(cls, props: Mapping[str, object]) -> Attachments:
        """The attachments among an item's properties."""
        held = props.get("Attachments")
        return held if isinstance(held, Attachments) else cls()

    def with_(self, *files: StoredFile) -> Attachments:
        """With these behind them, numbered on."""
        first = max((file.number for file in self), default=-1) + 1
        return Attachments((*self, *(replace(file, number=first + index) for index, file in enumerate(files))))

    def without(self, number: int) -> Attachments:
        """Without one of them; the others keep their numbers."""
        return Attachments(file for file in self if file.number != number)

    def numbered(self, number: int) -> StoredFile:
        """One of them; raises ``ErrorItemNotFound``."""
        for file in self:
            if file.number == number:
                return file
        raise EwsError("ErrorItemNotFound")


def attachment_id(item_id: str, number: int) -> str:
    """The id of an item's attachment."""
    raw = base64.b64decode(item_id)
    return base64.b64encode(raw + _TAIL.pack(_MARK, number)).decode()


def read_attachment_id(identifier: str) -> tuple[str, int]:
    """The item's id and the attachment's number; raises ``ErrorInvalidIdMalformed`` or ``ErrorInvalidAttachmentId``."""
    if not well_formed(identifier):
        raise EwsError("ErrorInvalidIdMalformed")
    raw = base64.b64decode(identifier)
    mark, number = _TAIL.unpack(raw[-_TAIL.size :])
    if mark != _MARK:
        raise EwsError("ErrorInvalidAttachmentId")
    return base64.b64encode(raw[: -_TAIL.size]).decode(), number


def rendered(item_id: str, files: Iterable[StoredFile]) -> str:
    """The property ``Attachments``: everything but the content."""
    return "".join(one_rendered(item_id, file, whole=False) for file in files)


def one_rendered(item_id: str, file: StoredFile, *, whole: bool) -> str:
    """One attachment; ``whole``: with its content."""
    parts = [f'<t:AttachmentId Id="{attachment_id(item_id, file.number)}"/>', tag("Name", file.name)]
    parts += [tag("ContentType", file.content_type)] if file.content_type else []
    parts += [tag("ContentId", file.content_id)] if file.content_id else []
    parts += [tag("Size", str(file.size)), tag("LastModifiedTime", render_instant(file.modified))]
    parts.append(tag("IsInline", "true" if file.inline else "false"))
    if file.element == "FileAttachment":
        parts.append(tag("IsContactPhoto", "false"))
        parts += [f"<t:Content>{base64.b64encode(file.content).decode()}</t:Content>"] if whole else []
    elif whole:
        parts.append(file.item)
    return f"<t:{file.element}>{''.join(parts)}</t:{file.element}>"


def made(element: str, item_id: str, number: int, change_key: str) -> str:
    """What CreateAttachment says of a new one: its id, and the change key that its item has now."""
    identifier = escape(attachment_id(item_id, number))
    return (
        f'<t:{element}><t:AttachmentId Id="{identifier}" RootItemId="{escape(item_id)}"'
        f' RootItemChangeKey="{change_key}"/></t:{element}>'
    )
