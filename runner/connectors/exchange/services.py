"""exchangelib's service classes, tamed: one attempt, one API version, elements decoded by our own codec.

Each service takes an exchangelib class for its operation's names and answer layout and changes how it behaves:

- a request is sent once; the stock loop sleeps, shrinks the pool and sends again, for a CreateItem too, and on some
  errors tries every older API version with the same write;
- the result of a failed item is a classed error beside its neighbours' results, for every response code; the stock
  class raises most of them and loses what the server has done for the others;
- elements go straight into our values, tolerant of item classes that nobody knows.

Operations: GetFolder, FindFolder, FindItem, SyncFolderItems, GetItem, CreateItem, UpdateItem, DeleteItem,
GetAttachment, CreateAttachment and DeleteAttachment (web-service-reference, page "…-operation" of each).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from exchangelib import services as stock
from lxml import etree

from runner.connectors.exchange.faults import Scope, code_of, of_fault, of_message, unreadable
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import SOAP, Element, child, m, t
from runner.connectors.exchange.transport import EwsProtocol
from runner.model.errors import ConnectorError, ProtocolFault

T = TypeVar("T")

_BODY = f"{{{SOAP}}}Body"
_FAULT = f"{{{SOAP}}}Fault"
ITEM_ID = t("ItemId")
FOLDER_ID = t("FolderId")


class Tamed:
    """Mixed in before an exchangelib service class; see the module."""

    SERVICE_NAME: ClassVar[str]
    scope = Scope.ITEM
    writing = False
    creating = False

    def __init__(self, mailbox: Mailbox, decode: Callable[[Element], Any] | None = None) -> None:
        super().__init__(account=mailbox)  # type: ignore[call-arg]
        self._mailbox = mailbox
        self._decode = decode

    def ask(self, request: Element) -> list[Any]:
        """Send one request; its results in order, a :class:`ConnectorError` in place of each failed one.

        Raises the error when the request failed as a whole.
        """
        return list(self._elems_to_objs(self._get_elements(request)))

    def one(self, request: Element) -> Any:
        """The one result of a request for one thing. Raises its error."""
        results = self.ask(request)
        if len(results) != 1:
            raise unreadable(f"{len(results)} results instead of one", writing=self.writing)
        if isinstance(results[0], ConnectorError):
            raise results[0]
        return results[0]

    def _elems_to_objs(self, elems: Iterator[Any]) -> Iterator[Any]:
        # GetFolder's own version pairs answers with folder objects, which there are none of here.
        for elem in elems:
            yield elem if isinstance(elem, ConnectorError) else self._elem_to_obj(elem)

    def _elem_to_obj(self, elem: Element) -> Any:
        return self._decode(elem) if self._decode else elem

    def _get_elements(self, payload: Element) -> Iterator[Any]:
        yield from self._get_elements_in_response(response=self._get_response_xml(payload))  # type: ignore[attr-defined]

    def _get_response_xml(self, payload: Element, **_: Any) -> list[Element]:
        return self._sent(payload, self._mailbox.protocol, self._mailbox.headers)[0]

    def _sent(
        self, payload: Element, protocol: EwsProtocol, headers: dict[str, str]
    ) -> tuple[list[Element], Mapping[str, str]]:
        """The response messages of a request and the answer's headers. Raises its fault."""
        with protocol.metered(self.SERVICE_NAME) as seen:
            envelope = self._mailbox.enveloped(etree.tostring(payload))
            answer, told = protocol.exchange(envelope, headers, writing=self.writing)
            messages = self._messages(answer)
            seen.code = code_of(messages)
        return messages, told

    def _messages(self, root: Element) -> list[Element]:
        """The response messages of an answer. Raises its fault."""
        body = root.find(_BODY)
        if body is None:
            raise unreadable("a document without a SOAP body", writing=self.writing)
        fault = body.find(_FAULT)
        if fault is not None:
            raise of_fault(fault, writing=self.writing)
        response = body.find(m(f"{self.SERVICE_NAME}Response"))
        messages = None if response is None else response.find(m("ResponseMessages"))
        if messages is None:
            raise unreadable(f"no {self.SERVICE_NAME} response", writing=self.writing)
        return messages.findall(m(f"{self.SERVICE_NAME}ResponseMessage"))

    def _get_element_container(self, message: Element, name: str | None = None) -> Any:
        error = of_message(message, scope=self.scope, writing=self.writing, creating=self.creating)
        if error is not None:
            return error
        container = message if name is None else child(message, name)
        if container is None:
            return unreadable(f"a {self.SERVICE_NAME} answer without content", writing=self.writing)
        return container


class GetFolder(Tamed, stock.GetFolder):  # type: ignore[misc]
    """Folders by id: one element each."""

    scope = Scope.FOLDER


class GetItem(Tamed, stock.GetItem):  # type: ignore[misc]
    """Items by id: what ``decode`` makes of each element."""


class CreateItem(Tamed, stock.CreateItem):  # type: ignore[misc]
    """One new item: its ``(id, change key)``."""

    writing = True
    creating = True

    def _elem_to_obj(self, elem: Any) -> tuple[str, str]:
        return _written(elem)


class UpdateItem(Tamed, stock.UpdateItem):  # type: ignore[misc]
    """One changed item: its ``(id, change key)``, the id possibly a new one."""

    writing = True

    def _elem_to_obj(self, elem: Any) -> tuple[str, str]:
        return _written(elem)


class DeleteItem(Tamed, stock.DeleteItem):  # type: ignore[misc]
    """One deleted item: ``True``."""

    writing = True

    def _elem_to_obj(self, elem: Any) -> bool:
        return True


class GetAttachment(Tamed, stock.GetAttachment):  # type: ignore[misc]
    """One attachment with its content: its element."""


class CreateAttachment(Tamed, stock.CreateAttachment):  # type: ignore[misc]
    """One new attachment: its id, and the change key that its item has now."""

    writing = True
    creating = True

    def _elem_to_obj(self, elem: Element) -> tuple[str, str]:
        ident = elem.find(t("AttachmentId"))
        if ident is None or not ident.get("RootItemChangeKey"):
            raise unreadable("a new attachment without an id", writing=True)
        return ident.get("Id", ""), ident.get("RootItemChangeKey", "")


class DeleteAttachment(Tamed, stock.DeleteAttachment):  # type: ignore[misc]
    """One attachment that is gone: the change key that its item has now."""

    writing = True

    def _elem_to_obj(self, elem: Element) -> str:
        return elem.get("RootItemChangeKey", "")


def _written(elem: Any) -> tuple[str, str]:
    item_id = None if isinstance(elem, bool) else elem.find(ITEM_ID)
    if item_id is None:
        raise unreadable("a success without an item id", writing=True)
    return item_id.get("Id"), item_id.get("ChangeKey", "")


@dataclass(frozen=True, slots=True)
class SyncPage:
    """One page of a folder's changes, in the server's order: ``(id, change key)``, or ``(id, None)`` for a deletion."""

    changes: tuple[tuple[str, str | None], ...]
    state: str
    complete: bool


class SyncFolderItems(Tamed, stock.SyncFolderItems):  # type: ignore[misc]
    """One page of one folder's changes as :class:`SyncPage`.

    Only ids are looked at, so no item can spoil a page: unknown item classes (SharingMessage, Network …) have an ItemId
    like any other.
    """

    scope = Scope.FOLDER

    def _get_element_container(self, message: Element, name: str | None = None) -> Any:
        # The stock class reads SyncState before it looks at the response code; an error may come without one.
        return Tamed._get_element_container(self, message)

    @classmethod
    def _get_elements_in_container(cls, container: Element) -> list[Element]:
        return [container]

    def _elem_to_obj(self, elem: Element) -> SyncPage:
        state = elem.findtext(m("SyncState"))
        last = elem.findtext(m("IncludesLastItemInRange"))
        changes = elem.find(m("Changes"))
        if not state or last is None or changes is None:
            raise ProtocolFault("SyncFolderItems answered without a sync state", code="unreadable-answer")
        found: list[tuple[str, str | None]] = []
        deleted = t("Delete")
        for change in changes:
            item_id = change.find(ITEM_ID)
            if item_id is None:
                item_id = next((inner for item in change for inner in item.iterchildren(ITEM_ID)), None)
            if item_id is not None:
                found.append((item_id.get("Id", ""), None if change.tag == deleted else item_id.get("ChangeKey", "")))
        return SyncPage(tuple(found), state, last.strip() in ("true", "1"))


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One folder's page of a search. ``next_offset`` is None on its last one."""

    elements: Sequence[Element]
    next_offset: int | None


class _Searching(Tamed):
    scope = Scope.FOLDER
    element_container_name: str
    paging_container_name: str

    def _get_elements(self, payload: Element) -> Iterator[Any]:
        for message in self._get_response_xml(payload):
            yield self._get_element_container(message, self.paging_container_name)

    def _elem_to_obj(self, elem: Element) -> FoundPage:
        container = elem.find(self.element_container_name)
        offset = elem.get("IndexedPagingOffset")
        last = elem.get("IncludesLastItemInRange") in ("true", "1")
        return FoundPage(() if container is None else list(container), None if last or not offset else int(offset))


class FindItem(_Searching, stock.FindItem):  # type: ignore[misc]
    """One :class:`FoundPage` for each folder that is searched, or its error."""


class FindFolder(_Searching, stock.FindFolder):  # type: ignore[misc]
    """One :class:`FoundPage` of sub-folders."""
