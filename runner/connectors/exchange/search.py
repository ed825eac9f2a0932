"""Where in a mailbox the holders of an identity are: the link's folder, its siblings of the same class, the deleted.

Reads folder lists and FindItem results; writes nothing. Used before an item is believed gone and before a create of
unknown outcome is repeated, so what it says must be whole: every page of every folder, or an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy

from runner.connectors.exchange.identity import STAMP, Native, holders, restriction
from runner.connectors.exchange.item import extended_of
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import Element, add, root, t
from runner.connectors.exchange.services import FOLDER_ID, ITEM_ID, FindFolder, FindItem, FoundPage, GetFolder
from runner.model.errors import AccessDenied, ConnectorError, ContainerGone, ProtocolFault
from runner.model.items import Found, Identity, LinkRef
from runner.model.terms import Folder, Place

IDENTITIES_PER_REQUEST = 20
"""Each makes up to three comparisons; a restriction that is too complex is refused (ErrorRestrictionTooComplex)."""

_PAGE = 250
"""Exchange gives no more for a search with a restriction, whatever is asked (EWS throttling in Exchange)."""

_FOLDERS_PAGE = 500
_CLASSES = {Folder.CALENDAR: "IPF.Appointment", Folder.TASKS: "IPF.Task", Folder.CONTACTS: "IPF.Contact"}
_RECOVERABLE = ("recoverableitemsdeletions", "recoverableitemspurges")
_DELETED = "deleteditems"


def folder_ids(mailbox: Mailbox, names: Sequence[str]) -> list[str | ConnectorError]:
    """The ids of distinguished folders, in order, an error in place of each that is not there."""
    request = root("GetFolder")
    add(add(request, "m:FolderShape"), "t:BaseShape", "IdOnly")
    wanted = add(request, "m:FolderIds")
    for name in names:
        mailbox.add_distinguished(wanted, name)
    found = GetFolder(mailbox, _folder_id).ask(request)
    if len(found) != len(names):
        raise ProtocolFault(f"GetFolder answered {len(found)} times for {len(names)} folders", code="answers-missing")
    return found


def find(mailbox: Mailbox, link: LinkRef, native: Native, home: str, identities: Sequence[Identity]) -> list[Found]:
    """Every holder of these identities, in the order folder, elsewhere, deleted. ``home`` is the link's folder's id."""
    places = _places(mailbox, link, home)
    found: list[Found] = []
    for first in range(0, len(identities), IDENTITIES_PER_REQUEST):
        found += _find(mailbox, native, places, identities[first : first + IDENTITIES_PER_REQUEST])
    order = (Place.FOLDER, Place.ELSEWHERE, Place.DELETED)
    return sorted(found, key=lambda one: order.index(one.place))


def _places(mailbox: Mailbox, link: LinkRef, home: str) -> dict[str, Place]:
    """Every folder that can hold the link's items, by id."""
    deleted, *recoverable = folder_ids(mailbox, (_DELETED, *_RECOVERABLE))
    if isinstance(deleted, ConnectorError):
        raise deleted
    places = {home: Place.FOLDER}
    parents: dict[str, str] = {}
    candidates: list[str] = []
    for element in _subfolders(mailbox):
        folder = _folder_id(element)
        parent = element.find(t("ParentFolderId"))
        parents[folder] = "" if parent is None else parent.get("Id", "")
        if (element.findtext(t("FolderClass")) or "").startswith(_CLASSES[link.folder]):
            candidates.append(folder)
    for folder in candidates:
        places.setdefault(folder, Place.DELETED if _lies_below(folder, deleted, parents) else Place.ELSEWHERE)
    places[deleted] = Place.DELETED
    for one in recoverable:
        # A mailbox may have no dumpster or keep it closed; then what was purged there cannot be known.
        if isinstance(one, str):
            places[one] = Place.DELETED
        elif not isinstance(one, AccessDenied | ContainerGone):
            raise one
    return places


def _lies_below(folder: str, ancestor: str, parents: dict[str, str]) -> bool:
    seen: set[str] = set()
    while folder in parents and folder not in seen:
        seen.add(folder)
        folder = parents[folder]
        if folder == ancestor:
            return True
    return False


def _subfolders(mailbox: Mailbox) -> Iterator[Element]:
    offset: int | None = 0
    while offset is not None:
        request = root("FindFolder", Traversal="Deep")
        shape = add(request, "m:FolderShape")
        add(shape, "t:BaseShape", "IdOnly")
        properties = add(shape, "t:AdditionalProperties")
        add(properties, "t:FieldURI", FieldURI="folder:ParentFolderId")
        add(properties, "t:FieldURI", FieldURI="folder:FolderClass")
        add(
            request,
            "m:IndexedPageFolderView",
            MaxEntriesReturned=str(_FOLDERS_PAGE),
            Offset=str(offset),
            BasePoint="Beginning",
        )
        mailbox.add_distinguished(add(request, "m:ParentFolderIds"), "msgfolderroot")
        page: FoundPage = FindFolder(mailbox).one(request)
        yield from page.elements
        offset = _next(page, offset)


def _find(
    mailbox: Mailbox, native: Native, places: dict[str, Place], identities: Sequence[Identity]
) -> Iterator[Found]:
    filtered = restriction(identities, native)
    pending: dict[int, list[str]] = {0: list(places)}
    while pending:
        offset, folders = pending.popitem()
        request = root("FindItem", Traversal="Shallow")
        shape = add(request, "m:ItemShape")
        add(shape, "t:BaseShape", "IdOnly")
        properties = add(shape, "t:AdditionalProperties")
        for uri in (STAMP, *native.properties):
            add(properties, "t:ExtendedFieldURI", **uri)
        add(request, "m:IndexedPageItemView", MaxEntriesReturned=str(_PAGE), Offset=str(offset), BasePoint="Beginning")
        request.append(deepcopy(filtered))
        wanted = add(request, "m:ParentFolderIds")
        for folder in folders:
            add(wanted, "t:FolderId", Id=folder)
        pages = FindItem(mailbox).ask(request)
        if len(pages) != len(folders):
            raise ProtocolFault(
                f"FindItem answered {len(pages)} times for {len(folders)} folders", code="answers-missing"
            )
        for folder, page in zip(folders, pages, strict=True):
            if isinstance(page, ContainerGone) and places[folder] is not Place.FOLDER:
                continue  # a folder that was removed since it was listed holds nothing
            if isinstance(page, ConnectorError):
                raise page
            for element in page.elements:
                yield from _found(element, native, identities, places[folder])
            following = _next(page, offset)
            if following is not None:
                pending.setdefault(following, []).append(folder)


def _found(element: Element, native: Native, identities: Sequence[Identity], place: Place) -> Iterator[Found]:
    item_id = element.find(ITEM_ID)
    if item_id is None:
        return
    stamp, *values = extended_of(element, STAMP, *native.properties)
    held = [value.strip() for value in values if value]
    for identity in holders(identities, native, stamp, held):
        yield Found(identity, place, item_id.get("Id"), item_id.get("ChangeKey"))


def _next(page: FoundPage, offset: int) -> int | None:
    """The next page's offset; a server that does not move on is not followed."""
    if page.next_offset is None:
        return None
    if page.next_offset <= offset:
        raise ProtocolFault("a search that does not come to its end", code="paging-stuck")
    return page.next_offset


def _folder_id(element: Element) -> str:
    folder = element.find(FOLDER_ID)
    if folder is None or not folder.get("Id"):
        raise ProtocolFault("a folder without an id", code="unreadable-answer")
    return folder.get("Id", "")
