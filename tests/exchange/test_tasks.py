"""Tasks through the connector and the simulated Exchange, every request validated against Microsoft's schema (B-50)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runner.connectors.exchange import ExchangeConnector, connect
from runner.connectors.exchange.days import day_of, instant_on
from runner.model.errors import Invalid, VersionMoved
from runner.model.items import Item, LinkRef, Write, WriteResult
from runner.model.record import TASK, Value
from runner.model.terms import Operation
from runner.sandbox.exchange import Sandbox
from runner.sandbox.outlook import OutlookUser
from runner.sandbox.wire import Fragment
from runner.testing.samples import TASK_SAMPLE
from tests.exchange.canned import TASKS, link_to, plan_for
from tests.support.xsd import request_validator

ANN = "ann.lee@example.com"
ZONES = ["Europe/Vienna", "Pacific/Kiritimati", "Pacific/Apia", "America/St_Johns", "Pacific/Pago_Pago", "Etc/UTC"]
WEEKLY = "FREQ=WEEKLY;BYDAY=TU"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(validator=request_validator(), keep_bodies=True) as server:
        server.add_mailbox(ANN)
        yield server
    assert server.schema_violations == []
    assert server.mails_sent == []


@pytest.fixture
def ann(sandbox: Sandbox) -> OutlookUser:
    return sandbox.mailbox(ANN)


@pytest.fixture
def exchange(sandbox: Sandbox) -> Iterator[ExchangeConnector]:
    plan = plan_for(sandbox.url, username=sandbox.username)
    with closing(connect(plan, sandbox.password)) as connector:
        yield connector


@pytest.fixture(params=["Pacific/Kiritimati", "America/St_Johns"])
def host_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The machine's own zone, which nothing may depend on."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def link(**changes: Any) -> LinkRef:
    return link_to(ANN, **(TASKS | changes))


def create(exchange: ExchangeConnector, values: dict[str, Value], **changes: Any) -> WriteResult:
    write = Write(Operation.CREATE, None, None, values, frozenset(values), stamp="7:stamp")
    (result,) = exchange.write(link(**changes), [write])
    assert result.error is None, result.error
    return result


def update(exchange: ExchangeConnector, made: WriteResult, values: dict[str, Value], *fields: str) -> WriteResult:
    write = Write(Operation.UPDATE, made.key, made.version, values, frozenset(fields))
    (result,) = exchange.write(link(), [write])
    return result


def read(exchange: ExchangeConnector, key: str | None, **changes: Any) -> Item:
    item = exchange.get(link(**changes), [key or ""])[key or ""]
    assert isinstance(item, Item), item
    return item


# --- days


@pytest.mark.parametrize("zone", ZONES)
def test_no_day_ever_shifts(exchange: ExchangeConnector, ann: OutlookUser, zone: str, host_zone: str) -> None:
    """B-50: east and west of UTC, whatever zone this machine has."""
    days: dict[str, Value] = {"title": "Report", "start": "2026-12-01", "due": "2026-12-31"}
    made = create(exchange, days, time_zone=zone)
    stored = ann.item(made.key or "")
    assert (stored.text("StartDate"), stored.text("DueDate")) == ("2026-12-01T00:00:00Z", "2026-12-31T00:00:00Z")
    held = read(exchange, made.key, time_zone=zone).values
    assert (held["start"], held["due"]) == ("2026-12-01", "2026-12-31")


@pytest.mark.parametrize("zone", ZONES)
def test_what_outlook_kept_as_local_midnight_is_that_day(
    exchange: ExchangeConnector, ann: OutlookUser, zone: str, host_zone: str
) -> None:
    """An older store answers with the midnight of the mailbox: 2026-11-30T23:00:00Z is 1 December in Vienna."""
    key = ann.create("tasks", Subject="Old", DueDate=datetime(2026, 12, 1, tzinfo=ZoneInfo(zone)))
    assert read(exchange, key, time_zone=zone).values["due"] == "2026-12-01"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", ["2026-01-01", "2026-03-29", "2026-10-25", "2027-02-28"])
def test_a_day_is_written_as_an_instant_of_it_both_in_utc_and_in_the_mailboxs_zone(zone: str, day: str) -> None:
    """Whichever of the two a server goes by, and however often it comes back."""
    instant = instant_on(day, zone)
    moment = datetime.fromisoformat(instant)
    assert moment.astimezone(UTC).date() == moment.astimezone(ZoneInfo(zone)).date() == date.fromisoformat(day)
    assert day_of(instant, zone) == day


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        ("2026-12-01T00:00:00Z", "Pacific/Kiritimati", "2026-12-01"),
        ("2026-12-01T00:00:00Z", "America/St_Johns", "2026-12-01"),
        ("2026-12-01T11:59:00Z", "Pacific/Kiritimati", "2026-12-01"),
        ("2026-11-30T23:00:00Z", "Europe/Vienna", "2026-12-01"),
        ("2026-11-30T23:00:00Z", "Europe/London", "2026-12-01"),
        ("2026-11-30T10:00:00Z", "Pacific/Kiritimati", "2026-12-01"),
        ("2026-12-01T03:30:00Z", "America/St_Johns", "2026-12-01"),
        ("2026-12-01T01:00:00+01:00", "Europe/Vienna", "2026-12-01"),
    ],
)
def test_every_form_in_which_servers_keep_days_is_read(text: str, zone: str, day: str) -> None:
    """Midnight UTC, noon, and the midnight of this or another zone."""
    assert day_of(text, zone) == day


def test_a_day_that_is_none_sets_its_item_aside(exchange: ExchangeConnector) -> None:
    write = Write(Operation.CREATE, None, None, {"due": "2026-13-01"}, frozenset({"due"}), stamp="s")
    (result,) = exchange.write(link(), [write])
    assert isinstance(result.error, Invalid)
    assert result.error.code == "day-invalid"


# --- progress


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ({"status": "completed", "percent_complete": 40}, ("completed", 100)),
        ({"status": "not_started", "percent_complete": 40}, ("not_started", 0)),
        ({"status": "in_progress", "percent_complete": 0}, ("in_progress", 0)),
        ({"status": "waiting", "percent_complete": 30}, ("waiting", 30)),
        ({"status": "deferred", "percent_complete": 55}, ("deferred", 55)),
        ({"status": None, "percent_complete": None}, ("not_started", 0)),
        ({"status": "completed"}, ("completed", 100)),
        ({"percent_complete": 50}, ("in_progress", 50)),
        ({"percent_complete": 100}, ("completed", 100)),
    ],
)
def test_status_and_percentage_are_written_together(
    exchange: ExchangeConnector, values: dict[str, Value], held: tuple[str, int]
) -> None:
    """Hazard: a percentage without its status is stored as 0."""
    made = create(exchange, {"title": "Report", **values})
    found = read(exchange, made.key).values
    assert (found["status"], found["percent_complete"]) == held


def test_an_update_of_either_sends_both(exchange: ExchangeConnector) -> None:
    made = create(exchange, {"title": "Report", "status": "waiting", "percent_complete": 30})
    result = update(exchange, made, {"status": "waiting", "percent_complete": 60}, "percent_complete")
    found = read(exchange, result.key).values
    assert (found["status"], found["percent_complete"]) == ("waiting", 60)


@pytest.mark.parametrize(("stored", "shown"), [(99.7, 99), (33.3333, 33), (0.2, 0)])
def test_a_percentage_with_a_fraction_is_never_complete_before_it_is(
    exchange: ExchangeConnector, ann: OutlookUser, stored: float, shown: int
) -> None:
    key = ann.create("tasks", Subject="Report", PercentComplete=stored)
    found = read(exchange, key).values
    assert (found["status"], found["percent_complete"]) == ("in_progress", shown)


def test_the_day_of_completion_comes_in_and_never_goes_out(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    key = ann.create("tasks", Subject="Report", CompleteDate=date(2026, 11, 20))
    assert read(exchange, key).values["completed"] == "2026-11-20"
    assert not TASK["completed"].writable


# --- reminders


def test_a_reminder_goes_out_only_when_the_mapping_names_it(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """B-43: an update that does not name it leaves the user's own as it is."""
    made = create(exchange, {"title": "Report"})
    key = made.key or ""
    assert ann.item(key).text("ReminderIsSet") == "false"
    ann.edit(key, ReminderIsSet=True, ReminderDueBy=datetime(2026, 12, 1, 7, 30, tzinfo=UTC))
    held = read(exchange, key)
    assert held.values["alert_at"] == "2026-12-01T07:30:00Z"
    result = update(exchange, WriteResult(key, held.version), {"title": "New"}, "title")
    assert ann.item(key).text("ReminderIsSet") == "true"
    update(exchange, result, {"title": "New", "alert_at": None}, "alert_at")
    assert read(exchange, key).values["alert_at"] is None


# --- recurring tasks


def test_a_stale_version_does_not_complete_an_occurrence(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """B-64: the same precondition as any write, the way to the next occurrence included."""
    made = create(exchange, {**TASK_SAMPLE, "recurrence_rule": WEEKLY})
    key = made.key or ""
    ann.edit(key, Subject="Meanwhile")
    following: dict[str, Value] = {**TASK_SAMPLE, "recurrence_rule": WEEKLY, "start": "2026-12-08", "due": "2026-12-11"}
    for change in ({"status": "completed", "percent_complete": 100}, {"status": "not_started", "percent_complete": 0}):
        result = update(exchange, made, {**following, **change}, "start", "due", *change)
        assert isinstance(result.error, VersionMoved)
    assert len(ann.items("tasks")) == 1


@pytest.mark.parametrize("fields", [frozenset({"title", "due"}), frozenset(TASK) - {"regenerates"}])
def test_a_recurring_task_is_set_aside_by_a_mapping_that_would_flatten_it(
    exchange: ExchangeConnector, ann: OutlookUser, fields: frozenset[str]
) -> None:
    """A rule that the mapping cannot hold is never lost in silence."""
    kind = "DailyRecurrence" if "recurrence_rule" not in fields else "DailyRegeneration"
    pattern = Fragment(
        f"<t:{kind}><t:Interval>1</t:Interval></t:{kind}>"
        "<t:NoEndRecurrence><t:StartDate>2026-12-01</t:StartDate></t:NoEndRecurrence>"
    )
    recurring = ann.create("tasks", Subject="Daily", Recurrence=pattern)
    single = ann.create("tasks", Subject="Once")
    answers = exchange.get(link(record_fields=fields), [recurring, single])
    aside = answers[recurring]
    assert isinstance(aside, Invalid)
    assert aside.code == "recurrence-unmapped"
    assert isinstance(answers[single], Item)


def test_deleting_the_crm_record_of_a_recurring_task_deletes_all_of_it(
    exchange: ExchangeConnector, ann: OutlookUser
) -> None:
    """B-50: one occurrence alone would come back as another record for every assigned user."""
    made = create(exchange, {**TASK_SAMPLE, "recurrence_rule": WEEKLY})
    (result,) = exchange.write(link(), [Write(Operation.DELETE, made.key, made.version)])
    assert result.error is None
    assert ann.items("tasks") == []
    assert [view.text("Subject") for view in ann.items("deleteditems")] == [TASK_SAMPLE["title"]]


def test_the_search_key_finds_a_task_after_a_move(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """Its native identity is asked for as an extended property, and FindItem searches by it."""
    key = ann.create("tasks", Subject="Users own")
    native = read(exchange, key).native
    assert native
    folder = ann.create_folder("Later", "tasks", "IPF.Task")
    moved = ann.move(key, folder)
    assert read(exchange, moved).native == native


# --- bad input


def test_text_that_xml_cannot_carry_is_cleaned_the_same_way_each_time(exchange: ExchangeConnector) -> None:
    made = create(exchange, {"title": "a\x00b\ud800c", "description": "x\x0by"})
    values = read(exchange, made.key).values
    assert (values["title"], values["description"]) == ("ab\ufffdc", "x\ny")


def test_a_body_of_two_megabytes_goes_there_and_back(exchange: ExchangeConnector) -> None:
    body = "0123456789abcde\n" * (2 << 16)
    made = create(exchange, {"title": "Long", "description": body})
    assert read(exchange, made.key).values["description"] == body.rstrip()
