"""CreateItem for calendar items, tasks, contacts, saved messages and answers to meetings (page CreateItem operation)."""

from __future__ import annotations

from collections.abc import Iterator

from runner.sandbox.context import Context, each, need
from runner.sandbox.failures import EwsError, SoapFault
from runner.sandbox.mailboxes import Folder
from runner.sandbox.meetings import NOBODY
from runner.sandbox.operations.responses import RESPONSES, respond
from runner.sandbox.properties import KINDS
from runner.sandbox.shapes import ID_ONLY, render_item
from runner.sandbox.wire import Element, M, children, local
from runner.sandbox.writing import apply_new, settle

NAME = "CreateItem"
_HOMES = {"CalendarItem": "calendar", "Task": "tasks", "Contact": "contacts", "Message": "drafts"}
_WRONG_FOLDER = {
    "CalendarItem": "ErrorCannotCreateCalendarItemInNonCalendarFolder",
    "Contact": "ErrorCannotCreateContactInNonContactFolder",
    "Task": "ErrorCannotCreateTaskInNonTaskFolder",
}


def run(context: Context, request: Element) -> Iterator[str]:
    """Create each item; invitations go out as ``SendMeetingInvitations`` says."""
    entries = list(children(need(request, M + "Items")))
    for entry in entries:
        if local(entry) in RESPONSES:
            if request.get("MessageDisposition") is None:
                raise SoapFault("ErrorMessageDispositionRequired")
            continue
        if local(entry) not in KINDS:
            raise SoapFault("ErrorInvalidRequest", f"The sandbox cannot create {local(entry)} items.")
        if local(entry) == "CalendarItem" and request.get("SendMeetingInvitations") is None:
            raise SoapFault("ErrorSendMeetingInvitationsRequired")
        if local(entry) == "Message" and request.get("MessageDisposition") is None:
            raise SoapFault("ErrorMessageDispositionRequired")
    return each(context, NAME, entries, lambda entry: _create(context, request, entry), tail="<m:Items/>")


def _create(context: Context, request: Element, entry: Element) -> str:
    element = local(entry)
    if element in RESPONSES:
        return respond(context, request, entry)
    folder = _target(context, request, element)
    mailbox = context.mailboxes[folder.owner.lower()]
    item = mailbox.draft(folder, element)
    item.last_modifier = context.modifier
    apply_new(item, children(entry), context.zone)
    settle(item, mailbox.now(), frozenset(item.props))
    mailbox.add(item, folder)
    if element == "CalendarItem":
        context.post.created(item, request.get("SendMeetingInvitations", NOBODY))
    return f"<m:Items>{render_item(item, ID_ONLY)}</m:Items>"


def _target(context: Context, request: Element, element: str) -> Folder:
    named = request.find(M + "SavedItemFolderId")
    if named is None:
        return context.own().well_known(_HOMES[element])
    folder = context.folder(next(iter(children(named))))
    # Deleted Items and folders without a class take every kind of item.
    if folder.folder_class not in ("", KINDS[element].folder_class) and folder.name != "deleteditems":
        code = _WRONG_FOLDER.get(element)
        if code:
            raise EwsError(code)
    return folder
