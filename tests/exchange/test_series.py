"""Series against the simulated Exchange: one record each way, every request validated against Microsoft's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.connectors.exchange import ExchangeConnector, connect
from runner.model import errors
from runner.model.items import Item, Write, WriteResult
from runner.model.overrides import LEFT_OUT, OVERRIDES, RULE, patches_of
from runner.model.record import Fields, Value
from runner.model.recurrence import days_of
from runner.model.terms import Operation
from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import Drop, ItemAnswer, busy_fault
from runner.sandbox.outlook import OutlookUser
from tests.exchange.canned import link_to, plan_for
from tests.support.expansion import expanded
from tests.support.xsd import request_validator

ANN = "ann.lee@example.com"
LEFT = frozenset({OVERRIDES})
SERIES: dict[str, Value] = {
    "title": "Standup",
    "description": "one\ntwo",
    "location": "Room 1",
    "start": "2026-10-20T09:00:00",
    "time_zone": "Europe/Vienna",
    "duration": "PT1H",
    "show_without_time": False,
    "recurrence_rule": "FREQ=DAILY;COUNT=12",
    "recurrence_overrides": None,
    "priority": 5,
    "privacy": "public",
    "free_busy_status": "busy",
    "keywords": ("Red",),
}
"""Nine o'clock in Vienna, over the clock change of 25 October 2026."""
LINK = link_to(ANN, record_fields=frozenset(SERIES))
MOVED: Fields = {"start": "2026-10-22T14:00:00", "title": "Standup, late"}
CHANGES: dict[str, Fields] = {"2026-10-22": MOVED, "2026-10-23": LEFT_OUT, "2026-10-26": {"location": None}}


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(validator=request_validator(), keep_bodies=True) as sandbox:
        yield sandbox
    assert sandbox.schema_violations == []
    assert sandbox.mails_sent == []


@pytest.fixture
def sandbox(server: Sandbox) -> Iterator[Sandbox]:
    server.add_mailbox(ANN)
    server.requests.clear()
    yield server
    server.clear_faults()


@pytest.fixture
def ann(sandbox: Sandbox) -> OutlookUser:
    return sandbox.mailbox(ANN)


@pytest.fixture
def exchange(sandbox: Sandbox) -> Iterator[ExchangeConnector]:
    with closing(connect(plan_for(sandbox.url, username=sandbox.username, batch=10), sandbox.password)) as connector:
        yield connector


def series(overrides: Mapping[str, Fields] | None = None, **changes: Value) -> dict[str, Value]:
    return {**SERIES, OVERRIDES: dict(sorted(overrides.items())) if overrides else None, **changes}


def write(exchange: ExchangeConnector, one: Write) -> WriteResult:
    (result,) = exchange.write(LINK, [one])
    return result


def create(exchange: ExchangeConnector, values: dict[str, Value]) -> WriteResult:
    return write(exchange, Write(Operation.CREATE, None, None, values, frozenset(values), stamp="s1"))


def made(exchange: ExchangeConnector, values: dict[str, Value]) -> Item:
    result = create(exchange, values)
    assert result.error is None, result.error
    return got(exchange, result.key)


def got(exchange: ExchangeConnector, key: str | None) -> Item:
    assert key is not None
    item = exchange.get(LINK, [key])[key]
    assert isinstance(item, Item), item
    return item


def update(exchange: ExchangeConnector, item: Item, **changes: Any) -> WriteResult:
    values = {**item.values, **changes}
    return write(exchange, Write(Operation.UPDATE, item.key, item.version, values, frozenset(changes)))


def changed(exchange: ExchangeConnector, item: Item, **changes: Any) -> Item:
    result = update(exchange, item, **changes)
    assert result.error is None, result.error
    after = got(exchange, item.key)
    assert result.version in (after.version, None)
    assert dict(after.values) == {**item.values, **changes}
    return after


def shown(ann: OutlookUser, start: datetime, end: datetime) -> list[tuple[str, str | None, str | None]]:
    return [(str(v.text("Start")), v.text("Subject"), v.text("Location")) for v in ann.calendar(start, end)]


OCTOBER = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC))


# --- reading


def test_a_series_of_a_user_is_one_record(exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox) -> None:
    """B-36, B-46: rule, zone and what single occurrences have of their own; one occurrence in the clock change's week."""
    item = made(exchange, series(recurrence_rule="FREQ=DAILY"))
    late = {"Start": at("2026-10-22T12:00"), "End": at("2026-10-22T13:00")}
    ann.edit_occurrence(item.key, date(2026, 10, 22), Subject="Standup, late", **late)
    ann.edit_occurrence(item.key, date(2026, 10, 26), Location=None)
    ann.delete_occurrence(item.key, date(2026, 10, 23))
    ann.edit_occurrence(item.key, date(2026, 10, 27), Importance="High")
    ann.edit_occurrence(item.key, date(2026, 10, 27), Importance="Normal")
    read = got(exchange, item.key)
    assert dict(read.values) == series(CHANGES, recurrence_rule="FREQ=DAILY")
    assert read.version == ann.item(item.key).change_key


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_exceptions_are_read_in_batches_and_only_with_their_master(
    exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox
) -> None:
    """No work for an unchanged item: singles cost one request together, a series one more per batch of exceptions."""
    item = made(exchange, series(recurrence_rule="FREQ=DAILY"))
    single = made(exchange, {**SERIES, RULE: None})
    for number in range(23):
        ann.edit_occurrence(item.key, date(2026, 11, 1) + timedelta(days=number), Subject=f"Own {number}")
    sandbox.requests.clear()
    read = exchange.get(LINK, [single.key, item.key])[item.key]
    assert isinstance(read, Item)
    assert len(patches_of(read.values)) == 23
    assert [len(seen.items) for seen in sandbox.requests] == [2, 10, 10, 3]
    sandbox.requests.clear()
    exchange.get(LINK, [single.key])
    assert len(sandbox.requests) == 1


def test_an_exception_that_cannot_be_carried_sets_its_series_aside_with_the_day(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    """B-23, B-36: never flattened, and the neighbours live on."""
    item, single = made(exchange, series()), made(exchange, {**SERIES, RULE: None})
    ann.edit_occurrence(item.key, date(2026, 10, 22), StartTimeZone="tzone://Microsoft/Custom")
    answers = exchange.get(LINK, [item.key, single.key])
    fault = answers[item.key]
    assert isinstance(fault, errors.Invalid)
    assert fault.code == "unknown-time-zone"
    assert "2026-10-22" in str(fault)
    assert isinstance(answers[single.key], Item)


def test_an_occurrence_over_a_clock_change_has_nothing_of_its_own(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    """B-46: half past two does not exist on 29 March 2026; ten at night to six in the morning is seven hours that night."""
    for start, length in (("2026-03-27T02:30:00", "PT1H"), ("2026-03-26T22:00:00", "PT8H")):
        item = made(exchange, series(start=start, duration=length))
        for day in (date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30)):
            ann.edit_occurrence(item.key, day, Subject="Own")
        read = got(exchange, item.key)
        own: Fields = {"title": "Own"}
        assert patches_of(read.values) == {"2026-03-28": own, "2026-03-29": own, "2026-03-30": own}
        again = changed(exchange, read, recurrence_overrides={"2026-03-28": own})
        moved = {"2026-03-28": own, "2026-03-29": {"start": "2026-03-29T23:00:00"}}
        changed(exchange, changed(exchange, again, recurrence_overrides=moved), recurrence_overrides=None)


def test_a_series_that_begins_in_the_second_hour_of_a_clock_change_keeps_its_zone(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    """B-46: the hour between two and three happens twice on 25 October 2026; a series does not move to UTC for it."""
    item = made(exchange, series(start="2026-10-25T02:30:00"))
    ann.edit(item.key, Start=at("2026-10-25T01:30"), End=at("2026-10-25T02:30"))
    read = got(exchange, item.key)
    assert (read.values["start"], read.values["time_zone"]) == ("2026-10-25T02:30:00", "Europe/Vienna")


# --- creating


def test_a_series_is_created_with_everything_its_occurrences_have_of_their_own(
    exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox
) -> None:
    """B-36: the master, then one request for each occurrence, all of them conditional."""
    result = create(exchange, series(CHANGES))
    assert (result.error, result.version, result.unfinished) == (None, None, frozenset())
    assert sandbox.requests.counts["CreateItem"] == 1
    assert (sandbox.requests.counts["UpdateItem"], sandbox.requests.counts["DeleteItem"]) == (2, 1)
    assert dict(got(exchange, result.key).values) == series(CHANGES)
    assert shown(ann, *OCTOBER)[2:6] == [
        ("2026-10-22T12:00:00Z", "Standup, late", "Room 1"),
        ("2026-10-24T07:00:00Z", "Standup", "Room 1"),
        ("2026-10-25T08:00:00Z", "Standup", "Room 1"),
        ("2026-10-26T08:00:00Z", "Standup", ""),
    ]


def test_a_series_without_changed_occurrences_is_one_request(exchange: ExchangeConnector, sandbox: Sandbox) -> None:
    result = create(exchange, series())
    assert len(sandbox.requests) == 1
    assert got(exchange, result.key).version == result.version


def test_whole_days_recur_as_dates(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """B-46."""
    days: dict[str, Value] = {
        "start": "2026-10-24T00:00:00",
        "time_zone": None,
        "duration": "P2D",
        "show_without_time": True,
        "recurrence_rule": "FREQ=WEEKLY;COUNT=5;BYDAY=SA",
    }
    own: dict[str, Fields] = {"2026-10-31": {"start": "2026-11-02T00:00:00"}, "2026-11-07": LEFT_OUT}
    item = made(exchange, series(own, **days))
    assert dict(item.values) == series(own, **days)
    assert [start for start, _, _ in shown(ann, *OCTOBER)] == [
        "2026-10-23T22:00:00Z",
        "2026-11-01T23:00:00Z",
        "2026-11-13T23:00:00Z",
    ]
    changed(exchange, item, recurrence_overrides=None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"start": "2026-10-21T09:00:00", "recurrence_rule": "FREQ=WEEKLY;BYDAY=TU"}, "series-start"),
        ({"recurrence_rule": "FREQ=DAILY;UNTIL=20261019"}, "series-start"),
        ({"time_zone": "Mars/Phobos"}, "unknown-time-zone"),
    ],
)
def test_a_series_that_exchange_would_bend_is_refused(
    exchange: ExchangeConnector, ann: OutlookUser, changes: dict[str, Value], code: str
) -> None:
    """B-36: never flattened, never moved."""
    result = create(exchange, series(**changes))
    assert isinstance(result.error, errors.Invalid)
    assert (result.error.code, result.key, ann.items()) == (code, None, [])


def test_more_changed_occurrences_than_are_carried_set_the_series_aside_before_anything_is_sent(
    exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox
) -> None:
    """B-36: 5,000 of them would be 5,000 requests; a series that is there already stays as it is."""
    first = date(2026, 10, 19)
    many = {str(first + timedelta(days=day)): LEFT_OUT for day in range(1, 5000)}
    daily = {"start": "2026-10-19T09:00:00", "recurrence_rule": "FREQ=DAILY"}
    result = create(exchange, series(many, **daily))
    assert isinstance(result.error, errors.Invalid)
    assert result.error.code == "too-many-occurrences"
    assert "4999 changed and deleted occurrences" in str(result.error)
    assert (len(sandbox.requests), ann.items()) == (0, [])

    item = made(exchange, series(**daily))
    sandbox.requests.clear()
    changed = update(exchange, item, recurrence_overrides=many)
    assert isinstance(changed.error, errors.Invalid)
    assert (changed.error.code, len(sandbox.requests)) == ("too-many-occurrences", 0)
    assert got(exchange, item.key).version == item.version


# --- changing


def test_a_change_of_text_leaves_every_occurrence_alone(
    exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox
) -> None:
    item = made(exchange, series(CHANGES))
    sandbox.requests.clear()
    changed(exchange, item, title="Weekly", location="Room 2")
    assert sandbox.requests.counts["UpdateItem"] == 1
    assert sandbox.requests.counts["DeleteItem"] == 0


def test_a_change_of_one_occurrence_touches_that_one_only(
    exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox
) -> None:
    """Issue 3: editing an occurrence changes that occurrence only."""
    item = made(exchange, series(CHANGES))
    sandbox.requests.clear()
    own: dict[str, Fields] = {**CHANGES, "2026-10-26": {"location": "Room 9"}, "2026-10-30": {"keywords": ("Blue",)}}
    changed(exchange, item, recurrence_overrides=own)
    bodies = [seen.body or b"" for seen in sandbox.requests if seen.operation == "UpdateItem"]
    assert [(b"Location" in body, b"Categories" in body, b"Subject" in body) for body in bodies] == [
        (True, False, False),
        (False, True, False),
    ]


def test_reminders_and_categories_of_single_occurrences_go_out_and_come_back(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    """B-43: an occurrence's own reminder, and its having none; B-36: an occurrence without the categories of its series."""
    own: dict[str, Fields] = {
        "2026-10-22": {"alert": 45},
        "2026-10-23": {"alert": None},
        "2026-10-26": {"keywords": None},
    }
    link = link_to(ANN, record_fields=frozenset({*SERIES, "alert"}))
    values = series(own, alert=15)
    (result,) = exchange.write(link, [Write(Operation.CREATE, None, None, values, frozenset(values), stamp="s1")])
    assert result.error is None
    key = result.key or ""
    item = exchange.get(link, [key])[key]
    assert isinstance(item, Item)
    assert patches_of(item.values) == own
    early, silent, plain = (ann.occurrence(key, date.fromisoformat(day)) for day in own)
    assert (early.text("ReminderIsSet"), early.text("ReminderMinutesBeforeStart")) == ("true", "45")
    assert silent.text("ReminderIsSet") == "false"
    assert not plain.props.get("Categories")
    fewer = {**item.values, OVERRIDES: {"2026-10-22": {"alert": 5}}}
    (result,) = exchange.write(link, [Write(Operation.UPDATE, key, item.version, fewer, LEFT)])
    assert result.error is None
    after = exchange.get(link, [key])[key]
    assert isinstance(after, Item)
    assert patches_of(after.values) == {"2026-10-22": {"alert": 5}}
    assert ann.occurrence(key, date(2026, 10, 23)).text("ReminderIsSet") == "true"


def test_a_deletion_is_written_behind_a_check_of_the_version(exchange: ExchangeConnector, sandbox: Sandbox) -> None:
    """Invariant 4. The version after it stays unknown, so that a user's edit in between is never taken for our echo."""
    item = made(exchange, series())
    result = update(exchange, item, recurrence_overrides={"2026-10-23": LEFT_OUT, "2026-10-24": LEFT_OUT})
    assert (result.error, result.key, result.version) == (None, item.key, None)
    assert set(patches_of(got(exchange, item.key).values)) == {"2026-10-23", "2026-10-24"}


def test_an_occurrence_follows_its_series_again(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """It stays an exception for Exchange; when the series changes afterwards it changes along."""
    item = changed(exchange, made(exchange, series(CHANGES)), recurrence_overrides={"2026-10-23": LEFT_OUT})
    assert len(ann.item(item.key).exceptions) == 2
    after = changed(exchange, item, title="Weekly", location="Room 2")
    assert ann.occurrence(item.key, date(2026, 10, 22)).text("Subject") == "Weekly"
    assert ann.occurrence(item.key, date(2026, 10, 26)).text("Location") == "Room 2"
    assert patches_of(after.values) == {"2026-10-23": LEFT_OUT}


def test_a_deleted_occurrence_comes_back_with_the_pattern_and_all_others_stay(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    own = {**CHANGES, "2026-10-28": LEFT_OUT}
    item = made(exchange, series(own))
    changed(exchange, item, recurrence_overrides=CHANGES)
    assert ann.item(item.key).deleted == {date(2026, 10, 23)}


@pytest.mark.parametrize(
    "changes",
    [
        {"recurrence_rule": "FREQ=DAILY;COUNT=20"},
        {"start": "2026-10-20T10:00:00"},
        {"duration": "PT2H"},
        {"time_zone": "Europe/London"},
        {"start": "2026-10-20T08:00:00", "title": "Early", "recurrence_rule": "FREQ=WEEKLY;BYDAY=MO,TU,TH,FR,SU"},
    ],
)
def test_what_a_new_pattern_or_time_drops_is_put_back(exchange: ExchangeConnector, changes: dict[str, Value]) -> None:
    """B-36, decision 004."""
    item = made(exchange, series(CHANGES))
    changed(exchange, item, **changes)


def test_a_truncated_series_loses_only_what_lies_behind_its_end(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """B-37: the old half of a split."""
    item = made(exchange, series(CHANGES))
    kept = {day: CHANGES[day] for day in ("2026-10-22", "2026-10-23")}
    changed(exchange, item, recurrence_rule="FREQ=DAILY;UNTIL=20261024", recurrence_overrides=kept)
    assert len(shown(ann, *OCTOBER)) == 4


def test_an_item_becomes_a_series_and_a_series_an_item(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    item = made(exchange, {**SERIES, RULE: None})
    item = changed(exchange, item, recurrence_rule="FREQ=DAILY;COUNT=12", recurrence_overrides=CHANGES)
    item = changed(exchange, item, recurrence_rule=None, recurrence_overrides=None)
    assert len(shown(ann, *OCTOBER)) == 1


def test_neighbours_make_room_for_each_other_and_what_exchange_refuses_is_named(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    """Page ResponseCode, ErrorOccurrenceCrossingBoundary: set aside with the reason, and what was there stays."""
    item = made(exchange, series(start="2026-10-20T09:00:00", recurrence_rule="FREQ=WEEKLY;BYDAY=TU"))
    later: dict[str, Fields] = {
        "2026-10-27": {"start": "2026-11-03T09:00:00"},
        "2026-11-03": {"start": "2026-11-04T09:00:00"},
    }
    item = changed(exchange, item, recurrence_overrides=later)
    item = changed(exchange, item, recurrence_overrides=None)
    result = update(exchange, item, recurrence_overrides={"2026-10-27": {"start": "2026-11-03T09:00:00"}})
    assert isinstance(result.error, errors.Invalid)
    assert result.error.code == "ErrorOccurrenceCrossingBoundary"
    assert dict(got(exchange, item.key).values) == dict(item.values)


# --- what stops half way


def test_a_create_that_stops_half_way_is_reported_as_made_and_unfinished(
    exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox
) -> None:
    """No duplicate: the item is there under its key. No loss: its occurrences are agreed no more (decision 004)."""
    sandbox.inject(busy_fault(), "UpdateItem", nth=2)
    result = create(exchange, series(CHANGES))
    assert isinstance(result.error, errors.Throttled)
    assert (result.unfinished, result.version) == (LEFT, None)
    [view] = ann.items()
    assert (view.id, len(view.exceptions)) == (result.key, 1)


@pytest.mark.parametrize("nth", [1, 2])
def test_a_rewrite_that_stops_half_way_is_unfinished_and_before_it_began_it_is_not(
    exchange: ExchangeConnector, sandbox: Sandbox, nth: int
) -> None:
    """Decision 004: only what the server may have dropped is doubtful."""
    item = made(exchange, series(CHANGES))
    sandbox.inject(ItemAnswer("ErrorQuotaExceeded"), "UpdateItem", nth=nth)
    result = update(exchange, item, recurrence_rule="FREQ=DAILY;COUNT=20")
    assert isinstance(result.error, errors.Transient)
    assert result.unfinished == (LEFT if nth == 2 else frozenset())
    assert patches_of(got(exchange, item.key).values) == ({} if nth == 2 else CHANGES)


def test_an_answer_that_never_came_half_way_leaves_no_doubt_about_the_item(
    exchange: ExchangeConnector, sandbox: Sandbox
) -> None:
    """Invariant 3: the outcome of an occurrence may be unknown, the item's own existence is not."""
    sandbox.inject(Drop(), "UpdateItem", after=True)
    result = create(exchange, series(CHANGES))
    assert isinstance(result.error, errors.OutcomeUnknown)
    assert (result.unfinished, bool(result.key)) == (LEFT, True)


def test_changes_of_occurrences_that_stop_half_way_keep_what_was_agreed(
    exchange: ExchangeConnector, sandbox: Sandbox
) -> None:
    """Nothing was dropped: what is done agrees, and what is not is still the CRM's change."""
    item = made(exchange, series())
    sandbox.inject(busy_fault(), "UpdateItem", nth=2)
    result = update(exchange, item, recurrence_overrides=CHANGES)
    assert isinstance(result.error, errors.Throttled)
    assert result.unfinished == frozenset()
    assert patches_of(got(exchange, item.key).values) == {"2026-10-22": MOVED}


def test_a_user_who_edits_in_between_stops_the_rest(
    exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B-64, invariant 4: every request presupposes what the one before left."""
    item = made(exchange, series(CHANGES))
    ann.touch(item.key)
    for changes in ({"title": "x"}, {"recurrence_overrides": None}, {"recurrence_rule": "FREQ=DAILY"}):
        result = update(exchange, item, **changes)
        assert isinstance(result.error, errors.VersionMoved)
        assert result.unfinished == frozenset()
    assert dict(got(exchange, item.key).values) == dict(item.values)


# --- the law: what is written is read, and both sides expand it to the same days


ZONES = ("Europe/Vienna", "America/New_York", "Australia/Sydney", "Asia/Tokyo", "Etc/UTC")
RULES = (
    ("FREQ=DAILY;INTERVAL=3", "2026-10-19"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR", "2026-03-20"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU", "2026-03-22"),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31"),
    ("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "2026-01-30"),
    ("FREQ=MONTHLY;INTERVAL=2;BYDAY=-1SU", "2026-01-25"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=2", "2026-09-02"),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", "2024-02-29"),
    ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2024-11-28"),
)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Value]:
    """Series of every family, in zones with and without clock changes, with changed and deleted occurrences."""
    rule, first = draw(st.sampled_from(RULES))
    ends = draw(st.sampled_from(["", ";COUNT=9", ";UNTIL=20330115"]))
    head, _, tail = rule.partition(";BY")
    start = f"{first}T{draw(st.sampled_from(['00:30', '02:30', '09:00', '23:15']))}:00"
    whole = head + ends + (f";BY{tail}" if tail else "")
    days = [day for _, day in zip(range(9), days_of(whole, start), strict=False)]
    own: dict[str, Fields] = {}
    for day in draw(st.lists(st.sampled_from(days), unique=True, max_size=4)):
        noon = f"{day.isoformat()}T{draw(st.sampled_from(['10', '16']))}:20:00"
        own[day.isoformat()] = draw(
            st.sampled_from([LEFT_OUT, {"title": "Own"}, {"start": noon}, {"description": None, "duration": "PT20M"}])
        )
    return series(own, start=start, time_zone=draw(st.sampled_from(ZONES)), recurrence_rule=whole)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=records(), after=records())
def test_whatever_is_written_is_read_back_and_expands_to_the_same_occurrences(
    exchange: ExchangeConnector, server: Sandbox, before: dict[str, Value], after: dict[str, Value]
) -> None:
    """B-36, B-46: patterns × exceptions × zones, clock changes included; the second record is written over the first."""
    ann = server.add_mailbox(ANN)
    item = made(exchange, before)
    for values in (before, after):
        if values is after:
            item = changed(exchange, item, **values)
        assert dict(item.values) == values
        until = date(2026, 12, 31)
        seen = [
            (at(str(v.text("Start"))[:19]), v.text("Subject"))
            for v in ann.calendar(datetime(2024, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
        ]
        horizon = datetime(2026, 12, 25, tzinfo=UTC)
        assert [one for one in seen if one[0] < horizon] == [one for one in expanded(values, until) if one[0] < horizon]
