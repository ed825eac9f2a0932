"""Response objects in CreateItem: answers to a meeting, and its cancellation (pages CreateItem operation (meeting request),
AcceptItem, TentativelyAcceptItem, DeclineItem, CancelCalendarItem)."""

from __future__ import annotations

from runner.sandbox.computed import is_organizer
from runner.sandbox.context import Context, need
from runner.sandbox.failures import EwsError
from runner.sandbox.meetings import ANSWERS
from runner.sandbox.shapes import ID_ONLY, render_item
from runner.sandbox.wire import Element, T, local

CANCEL = "CancelCalendarItem"
RESPONSES = frozenset(ANSWERS) | {CANCEL}


def respond(context: Context, request: Element, entry: Element) -> str:
    """Carry out one response object. The organizer hears of it unless ``MessageDisposition`` is ``SaveOnly``."""
    named = need(entry, T + "ReferenceItemId")
    mailbox = context.own()
    item = mailbox.item(named.get("Id", ""), named.get("ChangeKey"))
    if item.element != "CalendarItem":
        raise EwsError("ErrorInvalidOperation")
    send = request.get("MessageDisposition") != "SaveOnly"
    if local(entry) == CANCEL:
        if not is_organizer(item):
            raise EwsError("ErrorCalendarIsNotOrganizer")
        context.post.cancelled(item, "SendToAllAndSaveCopy" if send else "SendToNone")
        gone = mailbox.move(item, mailbox.well_known("deleteditems"))
        return f"<m:Items>{render_item(gone, ID_ONLY)}</m:Items>"
    answered = context.post.answered(mailbox, item, ANSWERS[local(entry)], send=send)
    return f"<m:Items>{render_item(answered, ID_ONLY)}</m:Items>"
