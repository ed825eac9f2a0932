"""The whole connector against the simulated Exchange, every request validated against Microsoft's schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

import pytest

from runner.connectors.exchange import ExchangeConnector, connect
from runner.connectors.exchange.identity import PROPERTY_NAME, PROPERTY_SET
from runner.model import errors
from runner.model.items import Found, Identity, Item, Write, WriteResult
from runner.model.overrides import OVERRIDES, RULE
from runner.model.record import SCHEDULE_ITEM, Value
from runner.model.terms import Operation, Place
from runner.sandbox.bodies import Body
from runner.sandbox.exchange import Sandbox
from runner.sandbox.extended import ExtendedKey
from runner.sandbox.faults import (
    BadPage,
    Drop,
    HttpAnswer,
    ItemAnswer,
    PageFault,
    WholeFault,
    busy_fault,
    busy_http,
    busy_inner,
    busy_item,
)
from runner.sandbox.outlook import OutlookUser
from runner.sandbox.wire import Fragment
from tests.exchange.canned import link_to, plan_for
from tests.support.xsd import request_validator

ANN, BOB = "ann.lee@example.com", "bob.ray@example.com"
LINK = link_to(ANN)
STAMP_KEY = ExtendedKey(PROPERTY_SET, PROPERTY_NAME, "String")
RECORD: dict[str, Value] = {
    "title": "Review & plan <1>",
    "description": "one\ntwo",
    "location": "Room 1",
    "start": "2026-03-29T10:00:00",
    "time_zone": "Europe/Vienna",
    "duration": "PT1H30M",
    "show_without_time": False,
    "priority": 1,
    "privacy": "personal",
    "free_busy_status": "tentative",
    "keywords": ("Blue", "Red"),
}
ALL_DAY: dict[str, Value] = {
    "title": "Holiday",
    "description": None,
    "location": None,
    "start": "2026-03-29T00:00:00",
    "time_zone": None,
    "duration": "P2D",
    "show_without_time": True,
    "priority": 5,
    "privacy": "public",
    "free_busy_status": "free",
    "keywords": None,
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(validator=request_validator(), keep_bodies=True) as server:
        server.add_mailbox(ANN)
        server.add_mailbox(BOB)
        yield server
    assert server.schema_violations == []
    assert server.mails_sent == []


@pytest.fixture
def ann(sandbox: Sandbox) -> OutlookUser:
    return sandbox.mailbox(ANN)


@pytest.fixture
def connected(sandbox: Sandbox) -> Iterator[Callable[..., ExchangeConnector]]:
    with ExitStack() as stack:

        def make(password: str | None = None, **changes: Any) -> ExchangeConnector:
            plan = plan_for(sandbox.url, username=sandbox.username, **changes)
            return stack.enter_context(closing(connect(plan, password or sandbox.password)))

        yield make


@pytest.fixture
def exchange(connected: Callable[..., ExchangeConnector]) -> ExchangeConnector:
    return connected()


def create(values: dict[str, Value], stamp: str = "s1") -> Write:
    return Write(Operation.CREATE, None, None, values, frozenset(values), stamp=stamp)


def done(exchange: ExchangeConnector, *writes: Write) -> list[WriteResult]:
    return list(exchange.write(LINK, writes))


def made(exchange: ExchangeConnector, values: dict[str, Value], stamp: str = "s1") -> Item:
    (result,) = done(exchange, create(values, stamp))
    assert result.key is not None, result.error
    return got(exchange, result.key)


def got(exchange: ExchangeConnector, key: str) -> Item:
    answer = exchange.get(LINK, [key])[key]
    assert isinstance(answer, Item), answer
    return answer


# -- records there and back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [RECORD, ALL_DAY, RECORD | {"time_zone": "Asia/Tokyo"}], ids=["timed", "days", "far"]
)
@pytest.mark.parametrize("home", ["Europe/Vienna", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Auckland"])
def test_a_record_comes_back_as_it_was_sent(exchange: ExchangeConnector, values: dict[str, Value], home: str) -> None:
    link = link_to(ANN, time_zone=home)
    (result,) = exchange.write(link, [create(values)])
    assert result.error is None
    item = exchange.get(link, [result.key or ""])[result.key or ""]
    assert isinstance(item, Item)
    expected = dict(values)
    if values["time_zone"] == "Europe/Vienna" and home != "Europe/Vienna":
        expected["time_zone"] = "Europe/Berlin"  # the same Windows zone; which of its places is not written anywhere
    assert {name: item.values[name] for name in expected} == expected
    assert (item.key, item.version, item.stamp) == (result.key, result.version, "s1")
    assert item.native == item.values["uid"]
    assert not item.shared


@pytest.mark.parametrize("field", ["privacy", "free_busy_status"])
def test_every_word_of_a_closed_vocabulary_can_be_said_and_is_heard(exchange: ExchangeConnector, field: str) -> None:
    for word in SCHEDULE_ITEM[field].values:
        assert made(exchange, RECORD | {field: word}).values[field] == word


@pytest.mark.parametrize(("said", "heard"), [(1, 1), (4, 1), (5, 5), (0, 5), (6, 9), (9, 9)])
def test_priorities_are_exchanges_three_importances(exchange: ExchangeConnector, said: int, heard: int) -> None:
    assert made(exchange, RECORD | {"priority": said}).values["priority"] == heard


def test_text_of_every_kind_survives_the_journey(exchange: ExchangeConnector) -> None:
    text = 'Grüße & <b>日本語</b> 😀\n\n  indented\ttab "quoted" ]]> &amp;'
    line = " ".join(text.split())
    item = made(exchange, RECORD | {"title": line, "description": text, "location": "R\x00oom\x1f"})
    assert item.values["description"] == text
    assert item.values["title"] == line
    assert item.values["location"] == "Room"


def test_outlooks_soft_line_breaks_are_read(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    key = ann.create(Subject="x", Body="soft\x0bbreak\x00", Start="2026-06-01T08:00:00Z", End="2026-06-01T09:00:00Z")
    assert got(exchange, key).values["description"] == "soft\nbreak"


def test_an_update_changes_its_fields_and_leaves_the_html_body_alone(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    html = "<html><body><p>Rich <b>text</b></p></body></html>"
    key = ann.create(
        Subject="Old",
        Body=Body.stored("HTML", html),
        Start="2026-06-01T08:00:00Z",
        End="2026-06-01T09:00:00Z",
        StartTimeZone="Tokyo Standard Time",
        EndTimeZone="Tokyo Standard Time",
    )
    before = got(exchange, key)
    values = {**before.values, "title": "New", "location": None, "start": "2026-06-02T17:00:00"}
    fields = frozenset({"title", "location", "start"})
    (result,) = done(exchange, Write(Operation.UPDATE, key, before.version, values, fields, stamp="s2"))
    after = got(exchange, key)
    assert (after.version, after.stamp) == (result.version, "s2")
    assert after.version != before.version
    assert after.values == {**values, "location": None}
    assert (after.values["time_zone"], ann.item(key).text("StartTimeZone")) == ("Asia/Tokyo", "Tokyo Standard Time")
    assert "Rich <b>text</b>" in str(ann.item(key).props["Body"])


@pytest.mark.parametrize("first", [RECORD, ALL_DAY], ids=["to days", "to time"])
def test_an_item_changes_between_timed_and_all_day(exchange: ExchangeConnector, first: dict[str, Value]) -> None:
    item = made(exchange, first)
    second = ALL_DAY if first is RECORD else RECORD
    (result,) = done(exchange, Write(Operation.UPDATE, item.key, item.version, second, frozenset(second)))
    assert result.error is None
    after = got(exchange, item.key)
    assert {name: after.values[name] for name in second} == second


def test_a_meeting_is_shared_and_a_series_is_set_aside_where_the_mapping_does_not_carry_it(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    when = {"Start": "2026-06-01T08:00:00Z", "End": "2026-06-01T09:00:00Z"}
    meeting = ann.create(Subject="m", RequiredAttendees=[BOB], **when)
    series = ann.create(
        Subject="s",
        Recurrence=Fragment(
            "<t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>"
            "<t:NoEndRecurrence><t:StartDate>2026-06-01</t:StartDate></t:NoEndRecurrence>"
        ),
        **when,
    )
    single = link_to(ANN, record_fields=frozenset(SCHEDULE_ITEM) - {RULE, OVERRIDES})
    answers = exchange.get(single, [meeting, series])
    assert isinstance(answers[meeting], Item)
    assert answers[meeting].shared
    assert getattr(answers[series], "code", None) == "recurrence-unsupported"


def test_only_what_the_mapping_needs_is_asked_for(exchange: ExchangeConnector, sandbox: Sandbox) -> None:
    item = made(exchange, RECORD)
    sandbox.requests.clear()
    link = link_to(ANN, record_fields=frozenset({"title"}))
    answer = exchange.get(link, [item.key])[item.key]
    assert isinstance(answer, Item)
    assert answer.values == {"title": RECORD["title"], "privacy": "personal"}
    assert b"item:Body" not in (sandbox.requests[0].body or b"")


# -- the feed ---------------------------------------------------------------------------------------------------------


def test_the_feed_tells_every_change_once_and_then_nothing(
    connected: Callable[..., ExchangeConnector], ann: OutlookUser
) -> None:
    exchange = connected(page=3)
    ann.fill(8)
    pages = list(exchange.changes(LINK, None))
    assert [len(page.changed) for page in pages] == [3, 3, 2]
    refs = {ref.key: ref.version for page in pages for ref in page.changed}
    assert refs == {view.id: view.change_key for view in ann.items()}

    (idle,) = exchange.changes(LINK, pages[-1].watermark)
    assert (idle.changed, idle.deleted, idle.complete) == ((), (), True)

    first, second, *_ = ann.items()
    ann.edit(first.id, Subject="changed")
    ann.delete(second.id)
    (page,) = exchange.changes(LINK, idle.watermark)
    assert [ref.key for ref in page.changed] == [first.id]
    assert page.deleted == (second.id,)


def test_our_own_write_comes_back_with_the_version_that_it_returned(exchange: ExchangeConnector) -> None:
    (idle,) = exchange.changes(LINK, None)
    (result,) = done(exchange, create(RECORD))
    (page,) = exchange.changes(LINK, idle.watermark)
    assert [(ref.key, ref.version) for ref in page.changed] == [(result.key, result.version)]


@pytest.mark.parametrize("how", list(PageFault))
def test_faulty_pages_lose_nothing(
    connected: Callable[..., ExchangeConnector], sandbox: Sandbox, ann: OutlookUser, how: PageFault
) -> None:
    exchange = connected(page=3)
    ann.fill(7)
    sandbox.inject(BadPage(how), "SyncFolderItems", nth=2)
    pages = list(exchange.changes(LINK, None))
    assert {ref.key for page in pages for ref in page.changed} == {view.id for view in ann.items()}
    assert all(len({ref.key for ref in page.changed}) == len(page.changed) for page in pages)
    assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]


def test_forgotten_sync_states_and_other_mailboxes_watermarks_are_invalid(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    (idle,) = exchange.changes(LINK, None)
    with pytest.raises(errors.WatermarkInvalid):
        list(exchange.changes(link_to(BOB), idle.watermark))
    ann.forget_sync_states()
    with pytest.raises(errors.WatermarkInvalid):
        list(exchange.changes(LINK, idle.watermark))


# -- presence and versions --------------------------------------------------------------------------------------------


def test_what_moved_or_went_is_gone_and_the_rest_is_there(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    ann.fill(4)
    kept, moved, binned, purged = [view.id for view in ann.items()]
    other = ann.create_folder("Private")
    ann.move(moved, other)
    ann.delete(binned)
    ann.delete(purged, "HardDelete")
    answers = exchange.get(LINK, [kept, moved, binned, purged, "no id at all"])
    assert isinstance(answers[kept], Item)
    assert [type(answers[key]) for key in (moved, binned, purged)] == [errors.Gone] * 3
    assert isinstance(answers["no id at all"], errors.Invalid)


def test_a_stale_write_is_refused_and_changes_nothing(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    item = made(exchange, RECORD)
    ann.edit(item.key, Subject="user's")
    update = Write(Operation.UPDATE, item.key, item.version, {"title": "ours"}, frozenset({"title"}))
    delete = Write(Operation.DELETE, item.key, item.version)
    assert [type(result.error) for result in done(exchange, update, delete)] == [errors.VersionMoved] * 2
    assert ann.item(item.key).text("Subject") == "user's"


def test_a_delete_lies_in_deleted_items_and_twice_is_gone(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    item = made(exchange, RECORD)
    delete = Write(Operation.DELETE, item.key, item.version)
    first, second = done(exchange, delete, delete)
    assert (first.error, first.version) == (None, None)
    assert type(second.error) is errors.Gone
    assert [view.text("Subject") for view in ann.items("deleteditems")] == [RECORD["title"]]


def test_writing_to_what_is_gone_says_so(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    item = made(exchange, RECORD)
    ann.delete(item.key)
    (result,) = done(exchange, Write(Operation.UPDATE, item.key, item.version, {"title": "x"}, frozenset({"title"})))
    assert type(result.error) is errors.Gone


# -- identities -------------------------------------------------------------------------------------------------------


def places(found: list[Found] | Any) -> list[tuple[Place, str | None]]:
    return [(one.place, one.key) for one in found]


def test_holders_are_found_by_stamp_and_uid_wherever_they_lie(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    private = ann.create_folder("Private")
    nested = ann.create_folder("Older", parent=private)
    ids = [made(exchange, RECORD, f"s{n}") for n in range(5)]
    moved = ann.move(ids[1].key, nested)
    binned = ann.delete(ids[2].key)
    purged = ann.delete(ids[3].key, "SoftDelete")
    ann.delete(ids[4].key, "HardDelete")
    by_stamp = [Identity(stamp=f"s{n}") for n in range(5)]
    by_uid = [Identity(native=item.native) for item in ids]
    for identities in (by_stamp, by_uid):
        found = exchange.find(LINK, identities)
        assert places(found) == [
            (Place.FOLDER, ids[0].key),
            (Place.ELSEWHERE, moved),
            (Place.DELETED, binned),
            (Place.DELETED, purged),
        ]
        assert [one.identity for one in found] == identities[:4]
        assert all(one.version for one in found)
    assert exchange.find(LINK, []) == ()
    assert exchange.find(LINK, [Identity()]) == ()
    assert list(exchange.find(link_to(BOB), by_stamp)) == []


@pytest.mark.parametrize("uid", ["simple", "größe-日本", "0a" * 24, "UPPER-lower", "a&b<c>\"d'"])
def test_foreign_uids_are_found_too(exchange: ExchangeConnector, ann: OutlookUser, uid: str) -> None:
    key = ann.create(Subject="x", UID=uid, Start="2026-06-01T08:00:00Z", End="2026-06-01T09:00:00Z")
    assert got(exchange, key).native == uid
    assert places(exchange.find(LINK, [Identity(native=uid)])) == [(Place.FOLDER, key)]


def test_copies_are_all_found(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    item = made(exchange, RECORD)
    copy = ann.copy(item.key)
    assert {key for _, key in places(exchange.find(LINK, [Identity(stamp="s1")]))} == {item.key, copy}


def test_a_folder_in_deleted_items_is_deleted(exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox) -> None:
    item = made(exchange, RECORD)
    inside = ann.create_folder("Removed", parent="deleteditems")
    key = ann.move(item.key, inside)
    assert places(exchange.find(LINK, [Identity(stamp="s1")])) == [(Place.DELETED, key)]


def test_many_identities_take_few_requests(exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox) -> None:
    keys = [ann.create(Subject="x", Start="2026-06-01T08:00:00Z", End="2026-06-01T09:00:00Z") for _ in range(45)]
    for number, key in enumerate(keys):
        ann.stamp(key, STAMP_KEY, f"t{number}")
    sandbox.requests.clear()
    found = exchange.find(LINK, [Identity(stamp=f"t{number}") for number in range(45)])
    assert sorted(one.key or "" for one in found) == sorted(keys)
    assert sandbox.requests.count("FindItem") == 3


def test_more_holders_than_a_page_are_all_found(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    ann.fill(260)
    for view in ann.items():
        ann.stamp(view.id, STAMP_KEY, "same")
    assert len(exchange.find(LINK, [Identity(stamp="same")])) == 260


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after effect"])
@pytest.mark.parametrize(
    "effect", [Drop(), Drop(40), HttpAnswer(502), HttpAnswer(500), WholeFault("ErrorInternalServerError")]
)
def test_a_create_of_unknown_outcome_is_sent_once_and_settled_by_its_stamp(
    exchange: ExchangeConnector, sandbox: Sandbox, effect: Any, after: bool
) -> None:
    sandbox.inject(effect, "CreateItem", times=None, after=after)
    (result,) = done(exchange, create(RECORD))
    assert type(result.error) is errors.OutcomeUnknown
    assert sandbox.requests.count("CreateItem") == 1
    assert len(exchange.find(LINK, [Identity(stamp="s1")])) == (1 if after else 0)


@pytest.mark.parametrize("effect", [busy_fault(2500), busy_item(2500), busy_inner(2500), busy_http(2)])
@pytest.mark.parametrize("operation", ["GetItem", "SyncFolderItems", "CreateItem"])
def test_every_form_of_server_busy_is_throttling_with_its_hint(
    exchange: ExchangeConnector, sandbox: Sandbox, ann: OutlookUser, effect: Any, operation: str
) -> None:
    ann.fill(1)
    (view,) = ann.items()
    exchange.check(LINK)
    sandbox.requests.clear()
    sandbox.inject(effect, operation, times=None)
    error: object
    if operation == "CreateItem":
        error = done(exchange, create(RECORD))[0].error
    else:
        try:
            error = (
                exchange.get(LINK, [view.id])[view.id] if operation == "GetItem" else list(exchange.changes(LINK, None))
            )
        except errors.ConnectorError as raised:
            error = raised
    assert isinstance(error, errors.Throttled)
    assert error.after == (2.0 if isinstance(effect, HttpAnswer) else 2.5)
    assert sandbox.requests.count(operation) == 1


def test_one_poisoned_item_costs_only_itself(exchange: ExchangeConnector, sandbox: Sandbox, ann: OutlookUser) -> None:
    ann.fill(6)
    keys = [view.id for view in ann.items()]
    sandbox.inject(WholeFault("ErrorInternalServerError"), "GetItem", item=keys[4], times=None)
    sandbox.inject(ItemAnswer("ErrorCorruptData"), "GetItem", item=keys[1], index=1, times=None)
    answers = exchange.get(LINK, keys)
    assert type(answers[keys[4]]) is errors.Transient
    assert sum(isinstance(answer, Item) for answer in answers.values()) >= 4


def test_an_unknown_zone_is_one_items_trouble(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    ann.fill(2)
    bad, good = [view.id for view in ann.items()]
    ann.edit(bad, StartTimeZone="tzone://Microsoft/Custom")
    assert len(next(iter(exchange.changes(LINK, None))).changed) == 2
    answers = exchange.get(LINK, [bad, good])
    assert getattr(answers[bad], "code", None) == "unknown-time-zone"
    assert isinstance(answers[good], Item)


# -- log-on and access ------------------------------------------------------------------------------------------------


def test_check_says_what_a_pass_would_meet(connected: Callable[..., ExchangeConnector], sandbox: Sandbox) -> None:
    exchange = connected()
    exchange.check(LINK)
    with pytest.raises(errors.AccessDenied):
        exchange.check(link_to("nobody@example.com"))
    sandbox.inject(ItemAnswer("ErrorFolderNotFound"), "GetFolder")
    with pytest.raises(errors.ContainerGone):
        exchange.check(LINK)


def test_a_mailbox_outside_the_impersonation_scope_is_denied() -> None:
    with Sandbox(scope=[ANN]) as sandbox:
        sandbox.add_mailbox(ANN)
        sandbox.add_mailbox(BOB)
        plan = plan_for(sandbox.url, username=sandbox.username)
        with closing(connect(plan, sandbox.password)) as exchange:
            exchange.check(LINK)
            with pytest.raises(errors.AccessDenied):
                exchange.check(link_to(BOB))


def test_delegate_access_opens_the_mailbox_it_names_and_no_other(sandbox: Sandbox) -> None:
    sandbox.add_mailbox("svc@example.com")
    sandbox.add_account("delegate", "pw", mailbox="svc@example.com", opens=[ANN])
    with closing(connect(plan_for(sandbox.url, username="delegate", access="delegate"), "pw")) as exchange:
        exchange.check(LINK)
        with pytest.raises(errors.AccessDenied):
            exchange.check(link_to(BOB))


@pytest.mark.parametrize("auth", ["basic", "ntlm"])
def test_a_wrong_password_is_tried_once(auth: str) -> None:
    with Sandbox(auth=auth, username="EXAMPLE\\svc-exsync") as sandbox:
        sandbox.add_mailbox(ANN)
        plan = plan_for(sandbox.url, username=sandbox.username, auth=auth)
        with closing(connect(plan, "wrong")) as exchange:
            for _ in range(3):
                with pytest.raises(errors.AuthRefused):
                    exchange.check(LINK)
            (result,) = done(exchange, create(RECORD))
            assert type(result.error) is errors.AuthRefused
        assert sandbox.refused == 1


def test_ntlm_logs_on_once_for_many_requests() -> None:
    with Sandbox(auth="ntlm", username="EXAMPLE\\svc-exsync") as sandbox:
        sandbox.add_mailbox(ANN)
        plan = plan_for(sandbox.url, username=sandbox.username, auth="ntlm")
        with closing(connect(plan, sandbox.password)) as exchange:
            item = made(exchange, RECORD)
            assert item.modified is not None
            assert abs((datetime.now(UTC) - item.modified).total_seconds()) < 3600
        assert (sandbox.refused, sandbox.connections_opened) == (0, 1)
