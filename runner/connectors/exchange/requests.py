"""CreateItem, UpdateItem and DeleteItem requests from writes. Only what a write names goes out, always as ours to say.

- No mail leaves unless the write says so: ``SendToNone`` in every other request (invariant 5, B-42).
- An update states its precondition (``NeverOverwrite`` with the change key) and its fields, nothing else; the body is
  sent only when it changed, so that an untouched HTML body survives (B-44).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.connectors.exchange.codec import Codec
from runner.connectors.exchange.item import EXTENDED, Property, stamp
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import Element, add, root, t
from runner.model.items import LinkRef, Write
from runner.model.terms import Notice

_SENDING = {
    Notice.NOBODY: "SendToNone",
    Notice.CHANGED: "SendToAllAndSaveCopy",
    Notice.EVERYBODY: "SendToAllAndSaveCopy",
}
_SENDING_UPDATES = {**_SENDING, Notice.CHANGED: "SendToChangedAndSaveCopy"}


def create_request(codec: Codec, mailbox: Mailbox, link: LinkRef, write: Write) -> Element:
    """CreateItem with the stamp in the same request; ids, UID and search key are Exchange's to give."""
    request = root("CreateItem", SendMeetingInvitations=_SENDING[write.notice])
    mailbox.add_folder(add(request, "m:SavedItemFolderId"), link.folder)
    item = add(add(request, "m:Items"), f"t:{codec.element}")
    properties = [prop for prop in codec.properties(write, link) if prop.fill is not None]
    if write.stamp:
        properties.append(stamp(write.stamp))
    for prop in sorted(properties, key=lambda prop: codec.order.index(prop.tag)):
        _fill(item, prop)
    return request


def update_request(codec: Codec, link: LinkRef, write: Write) -> Element | None:
    """UpdateItem for the fields that a write names; None when there is nothing to say."""
    properties = codec.properties(write, link)
    if write.stamp:
        properties.append(stamp(write.stamp))
    return update_of(codec, write, properties) if properties else None


def update_of(codec: Codec, write: Write, properties: Sequence[Property]) -> Element:
    """UpdateItem that states these properties of the item that a write names."""
    request = root(
        "UpdateItem",
        ConflictResolution="NeverOverwrite",
        MessageDisposition="SaveOnly",
        SendMeetingInvitationsOrCancellations=_SENDING_UPDATES[write.notice],
    )
    change = add(add(request, "m:ItemChanges"), "t:ItemChange")
    add_item_id(change, write)
    updates = add(change, "t:Updates")
    for prop in properties:
        step = add(updates, "t:DeleteItemField" if prop.fill is None else "t:SetItemField")
        prop.add_path(step)
        if prop.fill is not None:
            _fill(add(step, f"t:{codec.element}"), prop)
    return request


def delete_request(write: Write, how: Mapping[str, str]) -> Element:
    """DeleteItem into Deleted Items, where the user can take it back. ``how`` is what its class must say beside."""
    request = root(
        "DeleteItem", DeleteType="MoveToDeletedItems", SendMeetingCancellations=_SENDING[write.notice], **how
    )
    add_item_id(add(request, "m:ItemIds"), write)
    return request


def add_item_id(parent: Element, write: Write) -> None:
    """The item that a write is about, with the version that it presupposes."""
    add(parent, "t:ItemId", Id=write.key or "", ChangeKey=write.version or "")


def _fill(item: Element, prop: Property) -> None:
    """State a property inside an item's element. The entries of one indexed property stand in one element."""
    element = None if prop.tag == EXTENDED else item.find(t(prop.tag))
    if prop.fill is not None:
        prop.fill(add(item, f"t:{prop.tag}") if element is None else element)
