"""DeleteItem and its three ways (pages DeleteItem; Deleting items by using EWS in Exchange). An occurrence leaves its
series and becomes no item of its own anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from runner.sandbox.context import Context, each, element_id, item_ids
from runner.sandbox.failures import EwsError
from runner.sandbox.meetings import NOBODY
from runner.sandbox.tasks import delete_occurrence
from runner.sandbox.wire import Element, M

NAME = "DeleteItem"


def run(context: Context, request: Element) -> Iterator[str]:
    """Delete each item. The change key plays no part: the operation's own example sends none."""

    def one(entry: Element) -> str:
        mailbox = context.own()
        item = context.item(entry)
        if item.element == "CalendarItem" and request.get("SendMeetingCancellations") is None:
            raise EwsError("ErrorSendMeetingCancellationsRequired")
        if item.element == "Task" and request.get("AffectedTaskOccurrences") is None:
            raise EwsError("ErrorAffectedTaskOccurrencesRequired")
        if item.element == "Task" and request.get("AffectedTaskOccurrences") == "SpecifiedOccurrenceOnly":
            delete_occurrence(mailbox, item, context.modifier)
            return ""
        if item.element == "CalendarItem":
            context.post.cancelled(item, request.get("SendMeetingCancellations", NOBODY))
        how = request.get("DeleteType")
        if item.master is not None:
            mailbox.delete_occurrence(item, modifier=context.modifier)
        elif how == "MoveToDeletedItems":
            mailbox.move(item, mailbox.well_known("deleteditems"))
        elif how == "SoftDelete":
            mailbox.move(item, mailbox.well_known("recoverableitemsdeletions"))
        else:
            mailbox.move(item, mailbox.well_known("recoverableitemspurges"))
        return ""

    return each(context, NAME, item_ids(request.find(M + "ItemIds")), one, id_of=element_id)
