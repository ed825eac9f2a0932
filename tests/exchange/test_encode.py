"""Records → requests."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from runner.connectors.exchange.codecs import APPOINTMENTS
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import Element, m, t
from runner.connectors.exchange.requests import create_request, delete_request, update_request
from runner.model.errors import Invalid
from runner.model.items import Write
from runner.model.record import Value
from runner.model.terms import Notice, Operation
from tests.exchange.canned import link_to

TIMED: dict[str, Value] = {
    "title": "Review",
    "start": "2026-06-01T10:00:00",
    "time_zone": "Europe/Vienna",
    "duration": "PT1H30M",
    "show_without_time": False,
}


def mailbox(*, impersonate: bool = True) -> Mailbox:
    return Mailbox("ann.lee@example.com", None, impersonate=impersonate, version="Exchange2016")  # type: ignore[arg-type]


def created(values: dict[str, Value], **link: Any) -> Element:
    write = Write(Operation.CREATE, None, None, values, frozenset(values), stamp="stamp-1")
    return create_request(APPOINTMENTS, mailbox(), link_to(**link), write)


def updated(values: dict[str, Value], *fields: str, stamp: str | None = None, **link: Any) -> Element | None:
    return update_request(
        APPOINTMENTS, link_to(**link), Write(Operation.UPDATE, "AAMk1", "CQ1", values, frozenset(fields), stamp)
    )


def properties(request: Element | None) -> dict[str, str | None]:
    """What a request states: property → text or zone id, deletions as None."""
    assert request is not None
    stated: dict[str, str | None] = {}
    for deleted in request.iter(t("DeleteItemField")):
        stated[deleted[0].get("FieldURI", "")] = None
    for item in request.iter(t("CalendarItem")):
        for prop in item:
            stated[etree.QName(prop).localname] = prop.get("Id") or prop.text or "".join(prop.itertext())
    return stated


def test_a_create_carries_stamp_and_fields_in_one_request_and_sends_no_mail() -> None:
    request = created(
        TIMED
        | {
            "description": "a\x00b\r\nc",
            "location": "Room",
            "priority": 1,
            "privacy": "secret",
            "free_busy_status": "out_of_office",
            "keywords": ("Blue", "Red"),
            "uid": "never sent",
        }
    )
    assert request.get("SendMeetingInvitations") == "SendToNone"
    assert properties(request) == {
        "Subject": "Review",
        "Sensitivity": "Confidential",
        "Body": "ab\nc",
        "Categories": "BlueRed",
        "Importance": "High",
        "ReminderIsSet": "false",
        "ExtendedProperty": "stamp-1",
        "Start": "2026-06-01T10:00:00+02:00",
        "End": "2026-06-01T11:30:00+02:00",
        "IsAllDayEvent": "false",
        "LegacyFreeBusyStatus": "OOF",
        "Location": "Room",
        "StartTimeZone": "W. Europe Standard Time",
        "EndTimeZone": "W. Europe Standard Time",
    }
    assert [etree.QName(prop).localname for prop in next(request.iter(t("CalendarItem")))] == [*properties(request)]


def test_absent_values_are_not_created() -> None:
    assert not {"Body", "Location", "Categories"} & set(
        properties(created(TIMED | {"description": None, "location": None, "keywords": None}))
    )


def test_an_update_names_its_precondition_and_only_its_fields() -> None:
    request = updated(TIMED | {"title": "New", "location": "Room"}, "title")
    assert request is not None
    assert request.get("ConflictResolution") == "NeverOverwrite"
    assert request.get("SendMeetingInvitationsOrCancellations") == "SendToNone"
    item_id = request.find(f".//{t('ItemId')}")
    assert item_id is not None
    assert (item_id.get("Id"), item_id.get("ChangeKey")) == ("AAMk1", "CQ1")
    assert properties(request) == {"Subject": "New"}


def test_the_body_goes_out_only_when_it_changed_b44() -> None:
    assert "Body" not in properties(updated(TIMED | {"description": "text"}, "title", "location"))
    assert properties(updated(TIMED | {"description": "text"}, "description")) == {"Body": "text"}


def test_emptied_fields_are_deleted_and_enumerations_fall_back() -> None:
    emptied = dict.fromkeys(("title", "description", "location", "keywords", "priority", "privacy"))
    assert properties(updated(TIMED | emptied, *emptied)) == {
        "item:Subject": None,
        "item:Body": None,
        "calendar:Location": None,
        "item:Categories": None,
        "Importance": "Normal",
        "Sensitivity": "Normal",
    }


@pytest.mark.parametrize("field", ["start", "time_zone", "duration", "show_without_time"])
def test_any_part_of_an_interval_writes_the_whole_interval_in_its_own_zone(field: str) -> None:
    values = TIMED | {"time_zone": "Asia/Tokyo"}
    assert properties(updated(values, field)) == {
        "Start": "2026-06-01T10:00:00+09:00",
        "End": "2026-06-01T11:30:00+09:00",
        "IsAllDayEvent": "false",
        "StartTimeZone": "Tokyo Standard Time",
        "EndTimeZone": "Tokyo Standard Time",
    }


@pytest.mark.parametrize(
    ("day", "duration", "zone", "start", "end"),
    [
        ("2026-03-29", "P1D", "Europe/Vienna", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        ("2026-10-25", "P1D", "Europe/Vienna", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        ("2026-11-30", "P3D", "Asia/Tokyo", "2026-11-30T00:00:00+09:00", "2026-12-03T00:00:00+09:00"),
        ("2026-11-30", "PT26H", "America/New_York", "2026-11-30T00:00:00-05:00", "2026-12-02T00:00:00-05:00"),
    ],
)
def test_all_day_items_go_out_as_midnights_of_the_mailboxs_zone(
    day: str, duration: str, zone: str, start: str, end: str
) -> None:
    values: dict[str, Value] = {
        "start": f"{day}T00:00:00",
        "duration": duration,
        "show_without_time": True,
        "time_zone": None,
    }
    stated = properties(updated(values, "start", time_zone=zone))
    assert (stated["Start"], stated["End"], stated["IsAllDayEvent"]) == (start, end, "true")


def test_a_time_in_the_spring_gap_is_moved_on_by_the_jump() -> None:
    assert (
        properties(updated(TIMED | {"start": "2026-03-29T02:30:00"}, "start"))["Start"] == "2026-03-29T03:30:00+02:00"
    )


def test_old_local_mean_time_goes_out_in_utc_since_xml_has_no_seconds_in_offsets() -> None:
    assert (
        properties(updated(TIMED | {"start": "1890-01-01T10:00:00"}, "start"))["Start"] == "1890-01-01T08:54:39+00:00"
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"start": None}, "start-missing"),
        ({"duration": None}, "duration-missing"),
        ({"time_zone": None}, "time-zone-missing"),
        ({"time_zone": "Mars/Olympus"}, "unknown-time-zone"),
        ({"duration": "an hour"}, "interval-invalid"),
        ({"duration": "-PT1H"}, "interval-invalid"),
        ({"start": "tomorrow"}, "interval-invalid"),
        ({"privacy": "top secret"}, "value-unknown"),
    ],
)
def test_what_exchange_cannot_hold_is_refused_before_anything_is_sent(change: dict[str, Value], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        created(TIMED | change)
    assert caught.value.code == code


def test_a_stamp_goes_along_with_an_update_and_alone_if_need_be() -> None:
    assert properties(updated(TIMED, "title", stamp="s")) == {"Subject": "Review", "ExtendedProperty": "s"}
    assert properties(updated(TIMED, stamp="s")) == {"ExtendedProperty": "s"}
    assert updated(TIMED) is None
    assert updated(TIMED, "uid") is None


def test_a_delete_goes_to_deleted_items_and_sends_no_mail() -> None:
    request = delete_request(Write(Operation.DELETE, "AAMk1", "CQ1"), APPOINTMENTS.deletion)
    assert (request.get("DeleteType"), request.get("SendMeetingCancellations")) == ("MoveToDeletedItems", "SendToNone")


def test_without_impersonation_a_folder_says_whose_it_is() -> None:
    parent = etree.Element(m("FolderIds"))
    mailbox(impersonate=False).add_distinguished(parent, "calendar")
    mailbox().add_distinguished(parent, "calendar")
    assert [folder.findtext(f".//{t('EmailAddress')}") for folder in parent] == ["ann.lee@example.com", None]


ANN, BOB, EVE = "ann.lee@example.com", "bob.ray@example.com", "eve@customer.example"


def changed(wanted: dict[str, Value], held: dict[str, Value] | None, **options: Any) -> Element:
    write = Write(
        Operation.UPDATE,
        "AAMk1",
        "CQ1",
        {"participants": wanted or None},
        frozenset({"participants"}),
        before={"participants": held},
        **options,
    )
    request = update_request(APPOINTMENTS, link_to(), write)
    assert request is not None
    return request


def test_attendees_are_created_without_a_made_up_answer() -> None:
    """A response that a client states would be believed: none is stated."""
    request = created(TIMED | {"participants": {BOB: "required", EVE: "optional", "room4@example.com": "resource"}})
    assert {tag: text for tag, text in properties(request).items() if tag.endswith(("Attendees", "Resources"))} == {
        "RequiredAttendees": BOB,
        "OptionalAttendees": EVE,
        "Resources": "room4@example.com",
    }
    assert not list(request.iter(t("ResponseType")))
    assert [etree.QName(prop).localname for prop in next(request.iter(t("CalendarItem")))] == [*properties(request)]


def test_only_lists_whose_members_change_are_written_and_whole() -> None:
    wanted: dict[str, Value] = {BOB: "required", EVE: "optional"}
    assert properties(changed(wanted, {BOB: "required"})) == {"OptionalAttendees": EVE}
    assert properties(changed(wanted, {BOB: "optional", EVE: "optional"})) == {
        "RequiredAttendees": BOB,
        "OptionalAttendees": EVE,
    }
    assert properties(changed({}, {BOB: "required"})) == {"calendar:RequiredAttendees": None}


@pytest.mark.parametrize("nobody", ["mr nobody", "two@signs@example.com", "a b@example.com", "@example.com", "x@"])
def test_what_is_no_address_is_refused_and_not_quoted(nobody: str) -> None:
    """B-23: only the item that needs it written is set aside; lists that stay as they are never matter."""
    with pytest.raises(Invalid) as refused:
        changed({nobody: "required"}, None)
    assert refused.value.code == "attendee-address"
    assert nobody not in str(refused.value)
    assert properties(changed({nobody: "required", EVE: "optional"}, {nobody: "required"})) == {
        "OptionalAttendees": EVE
    }


@pytest.mark.parametrize(
    ("notice", "create", "update"),
    [
        (Notice.NOBODY, "SendToNone", "SendToNone"),
        (Notice.CHANGED, "SendToAllAndSaveCopy", "SendToChangedAndSaveCopy"),
        (Notice.EVERYBODY, "SendToAllAndSaveCopy", "SendToAllAndSaveCopy"),
    ],
)
def test_mail_goes_out_only_as_the_write_says(notice: Notice, create: str, update: str) -> None:
    """B-42."""
    write = Write(Operation.CREATE, None, None, TIMED, frozenset(TIMED), stamp="s", notice=notice)
    assert create_request(APPOINTMENTS, mailbox(), link_to(), write).get("SendMeetingInvitations") == create
    sent = changed({BOB: "required"}, None, notice=notice)
    assert sent.get("SendMeetingInvitationsOrCancellations") == update
    gone = delete_request(Write(Operation.DELETE, "AAMk1", "CQ1", notice=notice), {})
    assert gone.get("SendMeetingCancellations") == create


@pytest.mark.parametrize(("alert", "stated"), [(15, ("true", "15")), (0, ("true", "0")), (None, ("false", None))])
def test_a_reminder_is_stated_where_it_is_wanted(alert: int | None, stated: tuple[str, str | None]) -> None:
    """B-43."""
    told = ("ReminderIsSet", "ReminderMinutesBeforeStart")
    for request in (created(TIMED | {"alert": alert}), updated(TIMED | {"alert": alert}, "alert")):
        assert tuple(properties(request).get(name) for name in told) == stated
    assert properties(created(TIMED))["ReminderIsSet"] == "false"
    assert "ReminderIsSet" not in properties(updated(TIMED, "title"))
