"""CreateAttachment, GetAttachment and DeleteAttachment (pages of these operations).

Every file that comes or goes moves the item's change key on; the answers carry the new one. None of the pages says that
the change key in ``ParentItemId`` is checked, so it is not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import replace

from runner.sandbox.attachments import Attachments, StoredFile, made, one_rendered, read_attachment_id
from runner.sandbox.context import Context, each, need
from runner.sandbox.failures import EwsError, SchemaViolation
from runner.sandbox.items import StoredItem
from runner.sandbox.wire import Element, M, T, children, local, outer

_TOUCHED = frozenset(["Attachments"])
_PLAIN = frozenset(
    {"AttachmentId", "Name", "ContentType", "ContentId", "ContentLocation", "Size", "IsInline", "Content"}
)
_PLAIN |= {"LastModifiedTime", "IsContactPhoto"}


def create(context: Context, request: Element) -> Iterator[str]:
    """Attach each file to the parent item."""
    parent = need(request, M + "ParentItemId")

    def one(entry: Element) -> str:
        item = context.own().item(parent.get("Id", ""), parent.get("ChangeKey"))
        held = Attachments.held_by(item.props)
        after = held.with_(_read(context, entry))
        item = _changed(context, item, after)
        return f"<m:Attachments>{made(local(entry), item.id, after[-1].number, item.change_key)}</m:Attachments>"

    return each(
        context, "CreateAttachment", list(children(need(request, M + "Attachments"))), one, tail="<m:Attachments/>"
    )


def get(context: Context, request: Element) -> Iterator[str]:
    """Each attachment whole."""

    def one(entry: Element) -> str:
        item, file = _found(context, entry)
        return f"<m:Attachments>{one_rendered(item.id, file, whole=True)}</m:Attachments>"

    return each(context, "GetAttachment", _ids(request), one, tail="<m:Attachments/>")


def delete(context: Context, request: Element) -> Iterator[str]:
    """Take each attachment off its item."""

    def one(entry: Element) -> str:
        item, file = _found(context, entry)
        item = _changed(context, item, Attachments.held_by(item.props).without(file.number))
        return f'<m:RootItemId RootItemId="{item.id}" RootItemChangeKey="{item.change_key}"/>'

    return each(context, "DeleteAttachment", _ids(request), one)


def _ids(request: Element) -> list[Element]:
    return list(children(need(request, M + "AttachmentIds")))


def _found(context: Context, entry: Element) -> tuple[StoredItem, StoredFile]:
    identifier, number = read_attachment_id(entry.get("Id", ""))
    item = context.own().item(identifier)
    return item, Attachments.held_by(item.props).numbered(number)


def _changed(context: Context, item: StoredItem, after: Attachments) -> StoredItem:
    """An item with other attachments; an occurrence becomes an exception by it."""
    mailbox = context.own()
    if item.master is not None:
        trial = replace(item, props={**item.props, "Attachments": after})
        return mailbox.change_occurrence(item, trial, _TOUCHED, modifier=context.modifier)
    item.props["Attachments"] = after
    return mailbox.change(item, _TOUCHED, modifier=context.modifier)


def _read(context: Context, entry: Element) -> StoredFile:
    name = entry.findtext(T + "Name")
    if not name:
        raise EwsError("ErrorRequiredPropertyMissing")
    try:
        content = base64.b64decode(entry.findtext(T + "Content") or "", validate=True)
    except binascii.Error as error:
        raise SchemaViolation("The 'Content' element is invalid: it is no base64.") from error
    inner = [child for child in children(entry) if local(child) not in _PLAIN]
    return StoredFile(
        0,
        name,
        content,
        context.own().now(),
        element=local(entry),
        content_type=entry.findtext(T + "ContentType"),
        content_id=entry.findtext(T + "ContentId"),
        inline=(entry.findtext(T + "IsInline") or "").strip() in ("true", "1"),
        item="".join(outer(child) for child in inner),
    )
