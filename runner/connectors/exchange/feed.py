"""The change feed of one folder: SyncFolderItems page by page, ids only (Mailbox synchronization and EWS in Exchange).

A watermark is ``exsync1|IdOnly|<folder id>|<sync state>``: a state is worth something only for the folder and the shape
that it was given for, so one from elsewhere is refused here, before a server could take it for its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import add, root
from runner.connectors.exchange.services import SyncFolderItems, SyncPage
from runner.model.errors import Transient, WatermarkInvalid
from runner.model.items import ChangePage, Ref

LONGEST_PAGE = 512
"""Changes per page; Exchange gives no more (SyncFolderItems operation)."""

FUTILE_PAGES = 5
"""Pages in a row that bring nothing new but promise more, before the feed is given up."""

_MARK = "exsync1|IdOnly"


def watermark_of(folder: str, state: str) -> str:
    """The watermark behind a page."""
    return f"{_MARK}|{folder}|{state}"


def state_of(watermark: str, folder: str) -> str:
    """The sync state in a watermark. Raises ``WatermarkInvalid`` for one that is not of this folder and shape."""
    mark, _, rest = watermark.partition(f"{_MARK}|")
    owner, separator, state = rest.partition("|")
    if mark or not separator or not state:
        raise WatermarkInvalid("a watermark that this connector did not write", code="watermark-foreign")
    if owner != folder:
        raise WatermarkInvalid("a watermark of another folder", code="watermark-foreign")
    return state


def changes(mailbox: Mailbox, folder: str, since: str | None, page: int) -> Iterator[ChangePage]:
    """Pages of changes since a watermark, each asked for only when the one before has been consumed."""
    state = None if since is None else state_of(since, folder)
    before: ChangePage | None = None
    futile = 0
    while True:
        answer = _page(mailbox, folder, state, page)
        current = _changes(answer, folder)
        repeats = before is not None and (current.changed, current.deleted) == (before.changed, before.deleted)
        futile = futile + 1 if repeats or not answer.changes or answer.state == state else 0
        if futile >= FUTILE_PAGES and not answer.complete:
            raise Transient(f"{futile} pages of changes in a row brought nothing but promised more", code="feed-futile")
        yield current
        if answer.complete:
            return
        before, state = current, answer.state


def _page(mailbox: Mailbox, folder: str, state: str | None, page: int) -> SyncPage:
    request = root("SyncFolderItems")
    add(add(request, "m:ItemShape"), "t:BaseShape", "IdOnly")
    add(add(request, "m:SyncFolderId"), "t:FolderId", Id=folder)
    if state is not None:
        add(request, "m:SyncState", state)
    add(request, "m:MaxChangesReturned", str(max(1, min(page, LONGEST_PAGE))))
    answer: SyncPage = SyncFolderItems(mailbox).one(request)
    return answer


def _changes(answer: SyncPage, folder: str) -> ChangePage:
    """Each id once, by what was said of it last."""
    latest = dict(answer.changes)
    return ChangePage(
        changed=tuple(Ref(key, version) for key, version in latest.items() if version is not None),
        deleted=tuple(key for key, version in latest.items() if version is None),
        watermark=watermark_of(folder, answer.state),
        complete=answer.complete,
    )
