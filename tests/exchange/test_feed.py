"""The change feed: SyncFolderItems page by page, whatever the page holds."""

from __future__ import annotations

import re

import pytest

from runner.connectors.exchange import ExchangeConnector
from runner.connectors.exchange.feed import FUTILE_PAGES
from runner.model import errors
from runner.model.items import ChangePage, Ref
from tests.exchange.canned import Answer, Canned, failure, fault, folder_answer, link_to, response, success
from tests.exchange.conftest import Connect


def created(key: str, version: str = "CQ1", tag: str = "CalendarItem", kind: str = "Create") -> str:
    return f'<t:{kind}><t:{tag}><t:ItemId Id="{key}" ChangeKey="{version}"/></t:{tag}></t:{kind}>'


def deleted(key: str) -> str:
    return f'<t:Delete><t:ItemId Id="{key}" ChangeKey="CQ9"/></t:Delete>'


def page(*changes: str, state: str = "S1", last: bool = True) -> Answer:
    content = (
        f"<m:SyncState>{state}</m:SyncState><m:IncludesLastItemInRange>{str(last).lower()}</m:IncludesLastItemInRange>"
        f"<m:Changes>{''.join(changes)}</m:Changes>"
    )
    return Answer(response("SyncFolderItems", success("SyncFolderItems", content)))


@pytest.fixture
def feed(canned: Canned, connected: Connect) -> ExchangeConnector:
    canned.script = [Answer(folder_answer("FOLDER"))]
    return connected()


def refs(one: ChangePage) -> list[tuple[str, str | None]]:
    return [(ref.key, ref.version) for ref in one.changed]


def test_pages_are_asked_for_one_by_one_and_a_consumer_may_stop_after_any(
    canned: Canned, feed: ExchangeConnector
) -> None:
    canned.script += [page(created("a"), state="S1", last=False), page(created("b"), deleted("c"), state="S2")]
    pages = feed.changes(link_to(), None)
    first = next(pages)
    assert (refs(first), first.deleted, first.complete) == ([("a", "CQ1")], (), False)
    assert len(canned.asked("SyncFolderItems")) == 1
    pages.close()

    (second,) = feed.changes(link_to(), first.watermark)
    assert (refs(second), second.deleted, second.complete) == ([("b", "CQ1")], ("c",), True)
    assert b"<m:SyncState>S1</m:SyncState>" in canned.asked("SyncFolderItems")[-1]
    assert len(canned.asked("GetFolder")) == 1


def test_only_ids_are_asked_for_and_never_more_than_the_server_gives(canned: Canned, connected: Connect) -> None:
    canned.script = [Answer(folder_answer("FOLDER")), page()]
    list(connected(page=100_000).changes(link_to(), None))
    (body,) = canned.asked("SyncFolderItems")
    assert b"<t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>" in body
    assert b"<m:MaxChangesReturned>512<" in body
    assert b'<t:FolderId Id="FOLDER"/>' in body


def test_no_item_can_spoil_its_page(canned: Canned, feed: ExchangeConnector) -> None:
    canned.script += [
        page(
            created("a", tag="SharingMessage"),
            created("b", tag="Network", kind="Update"),
            "<t:Create><t:CalendarItem><t:Subject>no id</t:Subject></t:CalendarItem></t:Create>",
            "<t:Create/>",
            '<t:ReadFlagChange><t:ItemId Id="c" ChangeKey="CQ2"/><t:IsRead>true</t:IsRead></t:ReadFlagChange>',
            '<t:Create><t:CalendarItem><t:ItemId Id="d" ChangeKey="CQ3"/>'
            '<t:StartTimeZone Id="tzone://Microsoft/Custom"/></t:CalendarItem></t:Create>',
        )
    ]
    (one,) = feed.changes(link_to(), None)
    assert refs(one) == [("a", "CQ1"), ("b", "CQ1"), ("c", "CQ2"), ("d", "CQ3")]


def test_each_id_stands_once_in_a_page_with_what_was_said_last(canned: Canned, feed: ExchangeConnector) -> None:
    canned.script += [
        page(created("a"), created("a", "CQ2"), deleted("b"), created("b", "CQ5"), created("c"), deleted("c"))
    ]
    (one,) = feed.changes(link_to(), None)
    assert one.changed == (Ref("a", "CQ2"), Ref("b", "CQ5"))
    assert one.deleted == ("c",)


@pytest.mark.parametrize(
    "answer",
    [
        # Real servers send an (empty) SyncState with the error; some do not, which breaks the stock library.
        failure(
            "SyncFolderItems",
            "ErrorInvalidSyncStateData",
            "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>",
        ),
        failure("SyncFolderItems", "ErrorInvalidSyncStateData"),
    ],
)
def test_a_dead_sync_state_is_an_invalid_watermark(canned: Canned, feed: ExchangeConnector, answer: str) -> None:
    canned.script += [page(), Answer(response("SyncFolderItems", answer))]
    (one,) = feed.changes(link_to(), None)
    with pytest.raises(errors.WatermarkInvalid):
        list(feed.changes(link_to(), one.watermark))


def test_watermarks_of_other_folders_and_other_hands_are_refused_without_asking_the_server(
    canned: Canned, feed: ExchangeConnector
) -> None:
    canned.script += [page(), Answer(folder_answer("OTHER"))]
    (one,) = feed.changes(link_to(), None)
    asked = len(canned.asked("SyncFolderItems"))
    foreign = [
        one.watermark,
        "",
        "S1",
        "H4sIAA==",
        "exsync1|IdOnly|OTHER|",
        "exsync2|IdOnly|OTHER|S1",
        "x" + one.watermark,
    ]
    for watermark in foreign:
        with pytest.raises(errors.WatermarkInvalid):
            list(feed.changes(link_to("bob.ray@example.com"), watermark))
    assert len(canned.asked("SyncFolderItems")) == asked


def test_a_sync_state_is_kept_whole_whatever_is_in_it(canned: Canned, feed: ExchangeConnector) -> None:
    state = "H4sI|AAAA+/==" * 20_000
    canned.script += [page(state=state), page()]
    (one,) = feed.changes(link_to(), None)
    list(feed.changes(link_to(), one.watermark))
    assert f"<m:SyncState>{state}</m:SyncState>".encode() in canned.asked("SyncFolderItems")[-1]


@pytest.mark.parametrize("code", ["ErrorFolderNotFound", "ErrorSyncFolderNotFound", "ErrorItemNotFound"])
def test_a_folder_that_is_gone_stops_the_link_and_is_looked_up_anew(
    canned: Canned, feed: ExchangeConnector, code: str
) -> None:
    canned.script += [Answer(response("SyncFolderItems", failure("SyncFolderItems", code)))]
    with pytest.raises(errors.ContainerGone):
        list(feed.changes(link_to(), None))
    canned.script += [Answer(folder_answer("NEW")), page()]
    (one,) = feed.changes(link_to(), None)
    assert "NEW" in one.watermark


def test_a_feed_that_stands_still_ends_after_a_bound(canned: Canned, feed: ExchangeConnector) -> None:
    canned.script += [page(created(f"k{n}"), state="S1", last=False) for n in range(100)]
    with pytest.raises(errors.Transient):
        list(feed.changes(link_to(), None))
    assert len(canned.asked("SyncFolderItems")) <= FUTILE_PAGES + 1


@pytest.mark.parametrize("changes", [(), (created("a"),)], ids=["empty pages", "the same page"])
def test_pages_that_bring_nothing_but_promise_more_end_after_a_bound(
    canned: Canned, feed: ExchangeConnector, changes: tuple[str, ...]
) -> None:
    canned.script += [page(*changes, state=f"S{n}", last=False) for n in range(100)]
    with pytest.raises(errors.Transient):
        list(feed.changes(link_to(), None))
    assert len(canned.asked("SyncFolderItems")) <= FUTILE_PAGES + 1


def test_a_few_empty_pages_are_walked_through(canned: Canned, feed: ExchangeConnector) -> None:
    canned.script += [page(state=f"S{n}", last=False) for n in range(FUTILE_PAGES - 1)]
    canned.script += [page(created("a"), state="S", last=True)]
    assert refs(list(feed.changes(link_to(), None))[-1]) == [("a", "CQ1")]


@pytest.mark.parametrize("missing", ["SyncState", "IncludesLastItemInRange", "Changes"])
def test_a_success_without_its_parts_is_a_fault_of_the_protocol(
    canned: Canned, feed: ExchangeConnector, missing: str
) -> None:
    body = re.sub(f"<m:{missing}>.*</m:{missing}>".encode(), b"", page(created("a")).body)
    canned.script += [Answer(body)]
    with pytest.raises(errors.ProtocolFault):
        list(feed.changes(link_to(), None))


def test_a_fault_in_the_middle_leaves_the_pages_before_it_good(canned: Canned, feed: ExchangeConnector) -> None:
    canned.script += [page(created("a"), state="S1", last=False), Answer(fault("ErrorServerBusy"), 500)]
    pages = feed.changes(link_to(), None)
    kept = next(pages)
    with pytest.raises(errors.Throttled):
        next(pages)
    canned.script += [page(created("b"), state="S2")]
    (rest,) = feed.changes(link_to(), kept.watermark)
    assert refs(rest) == [("b", "CQ1")]
