"""FindItem: paging, restrictions and sort order over one or more folders (page FindItem operation)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta

from runner.sandbox.computed import instant_of
from runner.sandbox.context import Context, each, need
from runner.sandbox.failures import EwsError
from runner.sandbox.items import StoredItem
from runner.sandbox.mailboxes import Folder
from runner.sandbox.occurrences import in_span, is_master
from runner.sandbox.restrictions import compile_restriction, sort_items
from runner.sandbox.shapes import Shape, read_shape, render_item
from runner.sandbox.wire import Element, M, children
from runner.sandbox.zones import parse_instant

NAME = "FindItem"
_LONGEST_VIEW = timedelta(days=2 * 366)


def run(context: Context, request: Element) -> Iterator[str]:
    """Find in each folder; one response message per folder."""
    shape = read_shape(need(request, M + "ItemShape"), listing=True)
    folders = list(children(need(request, M + "ParentFolderIds")))
    return each(context, NAME, folders, lambda entry: _find(context, request, context.folder(entry), shape))


def _find(context: Context, request: Element, folder: Folder, shape: Shape) -> str:
    # Soft-deleted traversals find nothing since Exchange 2010 (Deleting items by using EWS in Exchange).
    items = list(folder.items.values()) if request.get("Traversal") == "Shallow" else []
    restriction = request.find(M + "Restriction")
    if restriction is not None:
        test = compile_restriction(next(iter(children(restriction))))
        items = [item for item in items if test(item)]
    view = request.find(M + "CalendarView")
    if view is not None:
        if restriction is not None or request.find(M + "SortOrder") is not None:
            raise EwsError("ErrorInvalidRequest", "A calendar view takes neither a restriction nor a sort order.")
        if folder.folder_class != "IPF.Appointment":
            raise EwsError("ErrorCalendarFolderIsInvalidForCalendarView")
        items = _in_view(items, view)
    order = request.find(M + "SortOrder")
    if order is not None:
        items = sort_items(items, order)
    elif view is None:
        items.reverse()  # newest first, when nobody asks for an order
    limit = context.limits.find_restricted if restriction is not None else context.limits.find
    page = request.find(M + "IndexedPageItemView")
    return _answer(items, page, view, limit, shape)


def _answer(items: list[StoredItem], page: Element | None, view: Element | None, limit: int, shape: Shape) -> str:
    total = len(items)
    offset = 0
    if page is not None:
        offset = int(page.get("Offset", "0"))
        if page.get("BasePoint") == "End":
            offset = max(0, total - offset)
        limit = min(limit, int(page.get("MaxEntriesReturned") or limit))
    elif view is not None:
        limit = min(limit, int(view.get("MaxEntriesReturned") or limit))
    shown = items[offset : offset + limit]
    last = offset + len(shown) >= total
    place = f'IndexedPagingOffset="{offset + len(shown)}" ' if page is not None else ""
    body = "".join(render_item(item, shape) for item in shown)
    return (
        f'<m:RootFolder {place}TotalItemsInView="{total}" IncludesLastItemInRange="{"true" if last else "false"}">'
        + (f"<t:Items>{body}</t:Items>" if body else "<t:Items/>")
        + "</m:RootFolder>"
    )


def _in_view(items: list[StoredItem], view: Element) -> list[StoredItem]:
    """Single items and occurrences that overlap the view, in the order of their starts (page CalendarView)."""
    start, end = (parse_instant(view.get(name, ""), None) for name in ("StartDate", "EndDate"))
    if end < start:
        raise EwsError("ErrorCalendarEndDateIsEarlierThanStartDate")
    if end - start > _LONGEST_VIEW:
        raise EwsError("ErrorCalendarViewRangeTooBig")
    found: list[StoredItem] = []
    for item in items:
        if is_master(item):
            found += in_span(item, start, end)
            continue
        begin, finish = instant_of(item, "Start"), instant_of(item, "End")
        if begin and finish and begin.astimezone(UTC) < end and finish.astimezone(UTC) > start:
            found.append(item)
    return sorted(found, key=lambda item: item.text("Start") or "")
