"""SyncFolderItems (page SyncFolderItems operation; Mailbox synchronization and EWS in Exchange)."""

from __future__ import annotations

from collections.abc import Iterator

from runner.sandbox.changelog import Change, read_state, write_state
from runner.sandbox.context import Context, each, need
from runner.sandbox.failures import EwsError
from runner.sandbox.faults import PageFault
from runner.sandbox.shapes import read_shape, render_item
from runner.sandbox.wire import Element, M, children

NAME = "SyncFolderItems"
_MOST = 512
# Real servers send both elements with errors; clients rely on them (the page's error example).
_TAIL = "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"


def run(context: Context, request: Element) -> Iterator[str]:
    """Changes of one folder since a state, newest first."""
    return each(context, NAME, [request], lambda element: _page(context, element), tail=_TAIL)


def _page(context: Context, request: Element) -> str:
    shape = read_shape(need(request, M + "ItemShape"), listing=True)
    try:
        folder = context.folder(next(iter(children(need(request, M + "SyncFolderId")))))
    except EwsError as error:
        if error.code == "ErrorFolderNotFound":
            raise EwsError("ErrorSyncFolderNotFound") from error
        raise
    mailbox = context.mailboxes[folder.owner.lower()]
    text = request.findtext(M + "SyncState") or ""
    window = None
    if text:
        window = read_state(text, folder.id, mailbox.epoch, folder.log.now)
        if window is None:
            raise EwsError("ErrorInvalidSyncStateData")
    asked = int(request.findtext(M + "MaxChangesReturned") or "0")
    if not 1 <= asked <= _MOST:
        raise EwsError("ErrorInvalidRequest", f"MaxChangesReturned must lie between 1 and {_MOST}.")
    fault = context.page_fault()
    limit = 1 if fault is PageFault.SHORT else min(asked, context.limits.page)
    changes, window, done = folder.log.page(window, limit)
    if fault is PageFault.EMPTY:
        changes, done = [], False
    elif fault is PageFault.DUPLICATE:
        changes = [change for change in changes for _ in range(2)]
    ignored = {element.get("Id") for element in request.iterfind(f"{M}Ignore/*")}
    state = write_state(folder.id, mailbox.epoch, window)
    if fault in (PageFault.EMPTY, PageFault.REPEAT):
        state, done = text or write_state(folder.id, mailbox.epoch, type(window)(0, 0, 0)), False
    body = []
    for change, identifier in changes:
        if identifier in ignored:
            continue
        if change is Change.DELETE:
            body.append(f'<t:Delete><t:ItemId Id="{identifier}"/></t:Delete>')
            continue
        item = folder.items[identifier]
        if change is Change.READ_FLAG:
            body.append(
                f'<t:ReadFlagChange><t:ItemId Id="{identifier}" ChangeKey="{item.change_key}"/>'
                f"<t:IsRead>{item.text('IsRead') or 'false'}</t:IsRead></t:ReadFlagChange>"
            )
        else:
            body.append(f"<t:{change.value}>{render_item(item, shape)}</t:{change.value}>")
    return (
        f"<m:SyncState>{state}</m:SyncState>"
        f"<m:IncludesLastItemInRange>{'true' if done else 'false'}</m:IncludesLastItemInRange>"
        + (f"<m:Changes>{''.join(body)}</m:Changes>" if body else "<m:Changes/>")
    )
