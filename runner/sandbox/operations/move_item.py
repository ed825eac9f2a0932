"""MoveItem and CopyItem (page Move and copy email messages by using EWS in Exchange)."""

from __future__ import annotations

from collections.abc import Iterator

from runner.sandbox.context import Context, each, element_id, item_ids
from runner.sandbox.failures import EwsError
from runner.sandbox.shapes import ID_ONLY, render_item
from runner.sandbox.wire import Element, M, children


def move(context: Context, request: Element) -> Iterator[str]:
    """Move each item; the answer carries the new ids."""
    return _transfer(context, request, "MoveItem")


def copy(context: Context, request: Element) -> Iterator[str]:
    """Copy each item with all its properties; the answer carries the copies' ids."""
    return _transfer(context, request, "CopyItem")


def _transfer(context: Context, request: Element, name: str) -> Iterator[str]:
    target = request.find(M + "ToFolderId")

    def one(entry: Element) -> str:
        source = context.own()
        folder = context.folder(next(iter(children(target)))) if target is not None else source.well_known("inbox")
        if folder.owner != source.address:
            raise EwsError("ErrorCrossMailboxMoveCopy", "Moving items between mailboxes is not supported here.")
        item = context.item(entry)
        there = source.move(item, folder) if name == "MoveItem" else source.copy(item, folder)
        return f"<m:Items>{render_item(there, ID_ONLY)}</m:Items>"

    return each(context, name, item_ids(request.find(M + "ItemIds")), one, tail="<m:Items/>", id_of=element_id)
