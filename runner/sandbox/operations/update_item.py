"""UpdateItem: one change key per change, and what ``ConflictResolution`` does about stale ones (page UpdateItem)."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from runner.sandbox.attendees import LISTS, invited
from runner.sandbox.context import Context, each, element_id, need
from runner.sandbox.failures import EwsError, SchemaViolation
from runner.sandbox.items import StoredItem
from runner.sandbox.meetings import NOBODY, keep_answers
from runner.sandbox.occurrences import take_over
from runner.sandbox.shapes import ID_ONLY, render_item
from runner.sandbox.tasks import leaves_one_off, split
from runner.sandbox.wire import Element, M, T, children, local
from runner.sandbox.writing import append_property, delete_property, row_for, set_entry, set_property, settle

NAME = "UpdateItem"


def run(context: Context, request: Element) -> Iterator[str]:
    """Apply each item's changes."""
    entries = list(children(need(request, M + "ItemChanges")))
    return each(
        context,
        NAME,
        entries,
        lambda entry: _update(context, request, entry),
        tail="<m:Items/>",
        id_of=lambda entry: element_id(_id_element(entry)),
    )


def _id_element(entry: Element) -> Element:
    return next(iter(children(entry)))


def _update(context: Context, request: Element, entry: Element) -> str:
    named = _id_element(entry)
    mailbox = context.own()
    key = named.get("ChangeKey") or None
    item = context.item(named)
    if item.element == "CalendarItem" and request.get("SendMeetingInvitationsOrCancellations") is None:
        raise EwsError("ErrorSendMeetingInvitationsOrCancellationsRequired")
    if item.element == "Message" and request.get("MessageDisposition") is None:
        raise EwsError("ErrorMessageDispositionRequired")
    mode = request.get("ConflictResolution", "AutoResolve")
    if key is None and mode != "AlwaysOverwrite":
        raise EwsError("ErrorChangeKeyRequiredForWriteOperations")
    stale = key is not None and key != item.change_key
    if stale and mode == "NeverOverwrite":
        raise EwsError("ErrorIrresolvableConflict")
    updates = list(children(need(entry, T + "Updates")))
    # All or nothing: the changes are tried on a copy and taken over together.
    trial = _copy(item)
    touched = frozenset(_apply(trial, update, context) for update in updates)
    before = invited(item)
    if touched.intersection(LISTS):
        keep_answers(trial, before)
    settle(trial, mailbox.now(), touched)
    merged = 0
    if stale and mode == "AutoResolve":
        theirs = item.touched_since(str(key))
        if theirs is None or theirs & touched:
            raise EwsError("ErrorIrresolvableConflict")
        merged = len(theirs)
    if leaves_one_off(item, trial, touched):
        item = split(mailbox, item, trial, context.modifier)
    elif item.master is not None:
        item = mailbox.change_occurrence(item, trial, touched, modifier=context.modifier)
    else:
        take_over(item, trial, touched)
        mailbox.change(item, touched, modifier=context.modifier)
    if item.element == "CalendarItem":
        mode = request.get("SendMeetingInvitationsOrCancellations", NOBODY)
        context.post.updated(item, before, touched, mode)
    return (
        f"<m:Items>{render_item(item, ID_ONLY)}</m:Items>"
        f"<m:ConflictResults><t:Count>{merged}</t:Count></m:ConflictResults>"
    )


def _copy(item: StoredItem) -> StoredItem:
    trial = StoredItem(
        item.id,
        item.change_key,
        item.element,
        item.owner,
        item.folder_id,
        item.search_key,
        item.created,
        item.modified,
        master=item.master,
        day=item.day,
    )
    trial.props, trial.extended = deepcopy(item.props), dict(item.extended)
    return trial


def _apply(item: StoredItem, update: Element, context: Context) -> str:
    path, *rest = children(update)
    kind = local(update)
    if kind == "DeleteItemField":
        return delete_property(item, path)
    properties = list(children(rest[0])) if rest else []
    if len(properties) != 1 or local(rest[0]) not in (item.element, "Item"):
        raise EwsError(
            "ErrorIncorrectUpdatePropertyCount"
            if rest and local(rest[0]) == item.element
            else "ErrorInvalidPropertySet"
        )
    uri = path.get("FieldURI", "")
    if kind == "AppendToItemField":
        return append_property(item, uri, properties[0])
    if kind != "SetItemField":
        raise SchemaViolation(f"The element 'Updates' has invalid child element '{kind}'.")
    if local(path) == "IndexedFieldURI":
        return set_entry(item, uri, path.get("FieldIndex", ""), properties[0])
    if local(path) == "FieldURI" and row_for(item, uri).name != local(properties[0]):
        raise EwsError(
            "ErrorUpdatePropertyMismatch", "The property in the path does not match the property in the object."
        )
    return set_property(item, properties[0], context.zone)
