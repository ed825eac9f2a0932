"""What an operation is given: the mailbox it acts on, the caller's settings, and the faults that hit this call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from zoneinfo import ZoneInfo

from runner.sandbox.failures import EwsError, SchemaViolation, SoapFault
from runner.sandbox.faults import BadPage, Fault, ItemAnswer, PageFault
from runner.sandbox.items import StoredItem
from runner.sandbox.limits import Limits
from runner.sandbox.mailboxes import Folder, Mailbox
from runner.sandbox.meetings import Post
from runner.sandbox.messages import failure as failure
from runner.sandbox.messages import success as success
from runner.sandbox.notices import Notices
from runner.sandbox.occurrences import occurrence_at
from runner.sandbox.wire import Element, T, children, local

Entry = TypeVar("Entry")


@dataclass(slots=True)
class Context:
    """One request's surroundings. ``mailbox`` is None when the caller has none of its own and impersonates nobody."""

    mailbox: Mailbox | None
    mailboxes: Mapping[str, Mailbox]
    modifier: str
    zone: ZoneInfo | None
    limits: Limits
    faults: list[Fault]
    post: Post
    notices: Notices
    account: str
    """The name of the account that asks."""
    may_open: Callable[[Mailbox], bool] = lambda _mailbox: False
    open: set[str] = field(default_factory=set)

    def own(self) -> Mailbox:
        """The mailbox that the request acts on."""
        if self.mailbox is None:
            raise EwsError("ErrorNonExistentMailbox", "The account does not have a mailbox. Logon failed.")
        return self.mailbox

    def folder(self, element: Element) -> Folder:
        """The folder that a ``FolderId`` or ``DistinguishedFolderId`` means."""
        if local(element) == "DistinguishedFolderId":
            return self._mailbox_of(element).well_known(element.get("Id", ""))
        if local(element) != "FolderId":
            raise EwsError("ErrorFolderNotFound")
        return self.own().folder(element.get("Id", ""))

    def item(self, element: Element) -> StoredItem:
        """The item that an ``ItemId``, ``OccurrenceItemId`` or ``RecurringMasterItemId`` means (pages of these names)."""
        mailbox, key, kind = self.own(), element.get("ChangeKey"), local(element)
        if kind == "OccurrenceItemId":
            master = mailbox.item(element.get("RecurringMasterId", ""), key)
            return occurrence_at(master, int(element.get("InstanceIndex", "0")))
        if kind == "RecurringMasterItemId":
            occurrence = mailbox.item(element.get("OccurrenceId", ""), key)
            if occurrence.master is None:
                raise EwsError("ErrorCalendarCannotUseIdForOccurrenceId")
            return occurrence.master
        return mailbox.item(element.get("Id", ""), key)

    def _mailbox_of(self, element: Element) -> Mailbox:
        named = element.find(T + "Mailbox")
        address = named.findtext(T + "EmailAddress") if named is not None else None
        if not address:
            return self.own()
        found = self.mailboxes.get(address.lower())
        if found is None:
            raise EwsError("ErrorNonExistentMailbox")
        if found is not self.mailbox and not self.may_open(found):
            raise EwsError("ErrorAccessDenied")
        return found

    def item_fault(self, identifier: str | None, index: int) -> Fault | None:
        """The fault that hits this item of the batch."""
        for fault in self.faults:
            if not isinstance(fault.effect, ItemAnswer):
                continue
            if fault.item in (None, identifier) and fault.index in (None, index):
                return fault
        return None

    def page_fault(self) -> PageFault | None:
        """The fault that hits a SyncFolderItems page."""
        return next((fault.effect.how for fault in self.faults if isinstance(fault.effect, BadPage)), None)


def each(
    context: Context,
    operation: str,
    entries: Iterable[Entry],
    work: Callable[[Entry], str],
    *,
    tail: str = "",
    id_of: Callable[[Entry], str | None] = lambda _entry: None,
) -> Iterator[str]:
    """One response message per entry. An error stays with its entry; ``ErrorServerBusy`` stops the batch, and what was
    not reached is ``ErrorBatchProcessingStopped`` (page ResponseCode)."""
    stopped = False
    for index, entry in enumerate(entries):
        if stopped:
            skipped = EwsError("ErrorBatchProcessingStopped", "The batch processing was stopped because of an error.")
            yield failure(operation, skipped, tail, severity="Warning")
            continue
        fault = context.item_fault(id_of(entry), index)
        try:
            if fault is not None and not fault.after and isinstance(fault.effect, ItemAnswer):
                raise fault.effect.error()
            content = work(entry)
            if fault is not None and isinstance(fault.effect, ItemAnswer):
                raise fault.effect.error()
            yield success(operation, content)
        except SoapFault:
            raise
        except EwsError as error:
            stopped = error.code == "ErrorServerBusy"
            bare = fault is not None and isinstance(fault.effect, ItemAnswer) and fault.effect.bare
            yield failure(operation, error, "" if bare else tail)


def need(element: Element, name: str) -> Element:
    """A child that the schema requires (qualified name); its absence fails the whole request."""
    found = element.find(name)
    if found is None:
        raise SchemaViolation(f"The element '{local(element)}' has incomplete content: no {name}.")
    return found


def element_id(entry: Element) -> str | None:
    """The id in an ``ItemId`` or ``FolderId`` element, or the one that an occurrence's or a master's is derived from."""
    return entry.get("Id") or entry.get("RecurringMasterId") or entry.get("OccurrenceId")


def item_ids(parent: Element | None) -> list[Element]:
    """The id elements in an ``ItemIds`` element."""
    return list(children(parent)) if parent is not None else []
