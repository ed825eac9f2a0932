"""CalendarItem elements → items."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from lxml import etree

from runner.connectors.exchange.decode import Decoder, interval_of, item_shape
from runner.connectors.exchange.names import t
from runner.connectors.exchange.veil import veiling
from runner.model.errors import Gone, Invalid
from runner.model.items import Item
from runner.model.terms import Private
from tests.exchange.canned import TYPES, item, link_to

FULL = (
    "<t:Subject>Review</t:Subject><t:Sensitivity>Private</t:Sensitivity>"
    '<t:Body BodyType="Text">one\r\ntwo  \r\n</t:Body>'
    "<t:Categories><t:String>Red</t:String><t:String>Blue</t:String><t:String>Red</t:String></t:Categories>"
    "<t:Importance>High</t:Importance>"
    '<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="f03c2eaf-eec0-47aa-a68d-b3f9332329ba" PropertyName="exsync" '
    'PropertyType="String"/><t:Value>stamp-1</t:Value></t:ExtendedProperty>'
    "<t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus><t:Location>Room 1 </t:Location>"
)


def decoded(xml: str, **link: Any) -> Item:
    answer = veiling(Decoder(link_to(**link)), link_to(**link))(etree.fromstring(xml))
    assert isinstance(answer, Item), answer
    return answer


def refused(xml: str, **link: Any) -> Invalid:
    answer = veiling(Decoder(link_to(**link)), link_to(**link))(etree.fromstring(xml))
    assert isinstance(answer, Invalid)
    return answer


@pytest.fixture(params=["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host that lives in another zone than any mailbox."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_every_field_of_an_appointment_becomes_its_canonical_value() -> None:
    one = decoded(item(extra=FULL))
    assert one == Item(
        key="AAMk1",
        version="CQAA1",
        stamp="stamp-1",
        native="UID-AAMk1",
        modified=datetime(2026, 5, 4, 12, 13, 14, tzinfo=UTC),
        shared=False,
        values={
            "title": "Review",
            "description": "one\ntwo",
            "location": "Room 1",
            "start": "2026-06-01T10:00:00",
            "time_zone": "Europe/Vienna",
            "duration": "PT1H30M",
            "show_without_time": False,
            "priority": 1,
            "privacy": "private",
            "free_busy_status": "out_of_office",
            "keywords": ("Blue", "Red"),
            "alert": None,
            "online_meeting_url": None,
            "uid": "UID-AAMk1",
            "organizer": None,
            "my_response": None,
            "participants": None,
            "participant_names": None,
            "responses": None,
            "recurrence_rule": None,
            "recurrence_overrides": None,
            "attachments": None,
        },
    )


def test_empty_and_absent_properties_are_none() -> None:
    extra = '<t:Subject/><t:Body BodyType="Text"> \r\n</t:Body><t:LegacyFreeBusyStatus>NoData</t:LegacyFreeBusyStatus>'
    values = decoded(item(extra=extra)).values
    assert {name: values[name] for name in ("title", "description", "location", "free_busy_status", "keywords")} == {
        "title": None,
        "description": None,
        "location": None,
        "free_busy_status": None,
        "keywords": None,
    }


def test_only_the_links_fields_are_asked_for_and_given_but_privacy_always() -> None:
    fields = frozenset({"title", "start"})
    asked = {uri.get("FieldURI") for uri in item_shape(fields).iter(t("FieldURI"))}
    assert "item:Body" not in asked
    assert {"item:Subject", "calendar:Start", "calendar:StartTimeZone", "item:Sensitivity", "calendar:UID"} <= asked
    assert set(decoded(item(extra=FULL), record_fields=fields).values) == {"title", "start", "privacy"}


def test_a_meeting_is_shared() -> None:
    assert decoded(item().replace("<t:IsMeeting>false", "<t:IsMeeting>true")).shared


def test_a_zone_is_the_items_own_whatever_the_host_lives_in(host_zone: str) -> None:
    values = decoded(item(zone="Tokyo Standard Time")).values
    assert (values["start"], values["time_zone"]) == ("2026-06-01T17:00:00", "Asia/Tokyo")


def test_the_second_hour_of_an_autumn_change_is_carried_in_utc() -> None:
    values = decoded(item(start="2026-10-25T01:30:00Z", end="2026-10-25T02:00:00Z")).values
    assert (values["start"], values["time_zone"]) == ("2026-10-25T01:30:00", "Etc/UTC")


@pytest.mark.parametrize(
    ("start", "end", "zone", "date", "duration"),
    [
        ("2026-06-01T22:00:00Z", "2026-06-02T22:00:00Z", "W. Europe Standard Time", "2026-06-02", "P1D"),
        # Spring and autumn days have 23 and 25 hours: still one day each (B-46).
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "W. Europe Standard Time", "2026-03-29", "P1D"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "W. Europe Standard Time", "2026-10-25", "P1D"),
        # East of UTC the instant lies on the day before, west of it on the same.
        ("2026-11-29T15:00:00Z", "2026-12-02T15:00:00Z", "Tokyo Standard Time", "2026-11-30", "P3D"),
        ("2026-11-29T11:00:00Z", "2026-11-30T11:00:00Z", "New Zealand Standard Time", "2026-11-30", "P1D"),
        ("2026-11-30T08:00:00Z", "2026-12-01T08:00:00Z", "Pacific Standard Time", "2026-11-30", "P1D"),
        ("2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", "UTC", "2026-11-30", "P1D"),
    ],
)
def test_all_day_items_are_dates_in_their_own_zone_with_exclusive_end(
    host_zone: str, start: str, end: str, zone: str, date: str, duration: str
) -> None:
    values = decoded(item(start=start, end=end, zone=zone, all_day=True)).values
    assert (values["start"], values["time_zone"], values["duration"], values["show_without_time"]) == (
        f"{date}T00:00:00",
        None,
        duration,
        True,
    )


def test_an_all_day_item_without_zone_counts_in_the_mailboxs_zone(host_zone: str) -> None:
    xml = item(start="2026-06-01T22:00:00Z", end="2026-06-02T22:00:00Z", zone=None, all_day=True)
    assert decoded(xml).values["start"] == "2026-06-02T00:00:00"


def test_fractions_offsets_and_missing_offsets_of_times_are_understood() -> None:
    assert interval_of("2026-06-01T08:00:00.1234567Z", "2026-06-01T09:00:00Z", "Etc/UTC", False)["start"] == (
        "2026-06-01T08:00:00"
    )
    assert interval_of("2026-06-01T10:00:00+02:00", "2026-06-01T11:00:00+02:00", "Europe/Vienna", False)["start"] == (
        "2026-06-01T10:00:00"
    )
    assert interval_of("2026-06-01T08:00:00", "2026-06-01T09:00:00", "Europe/Vienna", False)["start"] == (
        "2026-06-01T10:00:00"
    )


@pytest.mark.parametrize("zone", ["tzone://Microsoft/Custom", "Customized Time Zone", "Mitteleuropäische Zeit"])
@pytest.mark.parametrize("all_day", [True, False])
def test_an_unknown_zone_makes_the_item_invalid_not_the_page(zone: str, all_day: bool) -> None:
    fault = refused(item(zone=zone, all_day=all_day))
    assert fault.code == "unknown-time-zone"
    assert zone in str(fault)


def test_a_series_that_the_mapping_does_not_carry_is_set_aside_never_flattened() -> None:
    """B-36."""
    fault = refused(item(kind="RecurringMaster"), record_fields=frozenset({"title", "start"}))
    assert fault.code == "recurrence-unsupported"
    assert "does not carry" in str(fault)


def test_a_series_whose_pattern_nobody_knows_is_set_aside() -> None:
    """B-36: quarantined with the reason."""
    regenerating = (
        "<t:Recurrence><t:DailyRegeneration><t:Interval>1</t:Interval></t:DailyRegeneration><t:NoEndRecurrence>"
        "<t:StartDate>2026-03-29</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
    )
    assert refused(item(kind="RecurringMaster", extra=regenerating)).code == "recurrence-unknown"
    assert refused(item(kind="RecurringMaster")).code == "recurrence-unknown"


def test_a_series_with_thousands_of_exceptions_is_set_aside_before_any_of_them_is_read() -> None:
    """Issue: 5,000 exceptions are one item's fault, with the reason."""
    pattern = (
        "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NoEndRecurrence>"
        "<t:StartDate>2026-03-29</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
    )
    one = "<t:DeletedOccurrence><t:Start>2026-03-30T08:00:00Z</t:Start></t:DeletedOccurrence>"
    fault = refused(
        item(kind="RecurringMaster", extra=f"{pattern}<t:DeletedOccurrences>{one * 5000}</t:DeletedOccurrences>")
    )
    assert fault.code == "too-many-occurrences"
    assert "5000" in str(fault)


@pytest.mark.parametrize("kind", ["Occurrence", "Exception"])
def test_an_occurrence_is_no_item_its_series_is(kind: str) -> None:
    """Mailbox synchronization and EWS in Exchange: changes of occurrences are reported on their master."""
    answer = Decoder(link_to())(etree.fromstring(item(kind=kind)))
    assert isinstance(answer, Gone)


def test_something_else_in_the_calendar_is_invalid() -> None:
    xml = f'<t:SharingMessage xmlns:t="{TYPES}"><t:ItemId Id="x" ChangeKey="y"/></t:SharingMessage>'
    assert refused(xml).code == "not-an-appointment"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("yesterday", "2026-06-01T09:00:00Z"),
        ("2026-06-01T09:00:00Z", "2026-06-01T08:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("", ""),
    ],
)
def test_times_that_cannot_be_read_make_the_item_invalid_and_quote_nothing_private(start: str, end: str) -> None:
    fault = refused(item(start=start, end=end, extra="<t:Subject>Secret plan</t:Subject>"), time_zone="Asia/Tokyo")
    assert fault.code == "undecodable"
    assert "Secret" not in str(fault)


@pytest.mark.parametrize("policy", [Private.BUSY_ONLY, Private.SKIP])
def test_of_a_private_item_only_what_is_visible_is_taken_over(policy: Private) -> None:
    """B-35: when, how busy, and that it is private; the item says that it is masked."""
    one = decoded(item(extra=FULL), private=policy)
    assert one.masked
    assert {name: value for name, value in one.values.items() if value is not None} == {
        "start": "2026-06-01T10:00:00",
        "time_zone": "Europe/Vienna",
        "duration": "PT1H30M",
        "show_without_time": False,
        "privacy": "private",
        "free_busy_status": "out_of_office",
        "uid": "UID-AAMk1",
    }
    assert not decoded(item(), private=policy).masked


def test_the_reason_of_a_private_item_that_cannot_be_carried_quotes_nothing() -> None:
    """B-35, B-46: a zone's name can be anything that somebody typed."""
    odd = item(zone="Canary Standard Time", extra="<t:Sensitivity>Confidential</t:Sensitivity>")
    assert "Canary" in str(refused(odd))
    hidden = refused(odd, private=Private.BUSY_ONLY)
    assert (hidden.code, str(hidden)) == ("unknown-time-zone", "a private item that cannot be carried")


def attendee(address: str, response: str = "Unknown", name: str | None = None) -> str:
    mailbox = f"<t:Name>{name or address}</t:Name>" + (f"<t:EmailAddress>{address}</t:EmailAddress>" if address else "")
    return f"<t:Attendee><t:Mailbox>{mailbox}</t:Mailbox><t:ResponseType>{response}</t:ResponseType></t:Attendee>"


def meeting(*required: str, optional: str = "", resources: str = "", mine: str = "Organizer") -> str:
    whole = item(
        extra=f"<t:MyResponseType>{mine}</t:MyResponseType><t:Organizer><t:Mailbox><t:Name>Ann Lee</t:Name>"
        "<t:EmailAddress>Ann.Lee@example.com</t:EmailAddress></t:Mailbox></t:Organizer>"
        f"<t:RequiredAttendees>{''.join(required)}</t:RequiredAttendees>"
        + (f"<t:OptionalAttendees>{optional}</t:OptionalAttendees>" if optional else "")
        + (f"<t:Resources>{resources}</t:Resources>" if resources else "")
    )
    return whole.replace("<t:IsMeeting>false<", "<t:IsMeeting>true<")


def test_people_of_a_meeting_are_known_by_lower_case_address_the_organizer_left_out() -> None:
    """B-31: whoever is on several lists has the first role."""
    one = decoded(
        meeting(
            attendee("Bob.Ray@Example.com", "Accept", "Bob Ray"),
            attendee("ann.lee@example.com", "Organizer"),
            optional=attendee("eve@customer.example", "Decline") + attendee("bob.ray@example.com"),
            resources=attendee("room4@example.com", "NoResponseReceived", "Room 4"),
        )
    )
    assert one.values["participants"] == {
        "bob.ray@example.com": "required",
        "eve@customer.example": "optional",
        "room4@example.com": "resource",
    }
    assert one.values["participant_names"] == {"bob.ray@example.com": "Bob Ray", "room4@example.com": "Room 4"}
    assert one.values["responses"] == {
        "bob.ray@example.com": "accepted",
        "eve@customer.example": "declined",
        "room4@example.com": "needs_action",
    }
    assert (one.values["organizer"], one.values["my_response"]) == ("ann.lee@example.com", "organizer")
    assert (one.organizer, one.response, one.shared) == ("ann.lee@example.com", "organizer", True)


def test_whose_meeting_it_is_is_known_without_the_mapping_asking() -> None:
    """B-41: the organizer and the user's answer decide whose copy counts."""
    one = decoded(meeting(attendee("bob.ray@example.com"), mine="Tentative"), record_fields=frozenset({"title"}))
    assert (one.organizer, one.response) == ("ann.lee@example.com", "tentative")
    assert set(one.values) == {"title", "privacy"}


def test_an_attendee_without_an_address_is_kept_by_name() -> None:
    one = decoded(meeting(attendee("", name="Mr  Nobody"), attendee("/o=Old/cn=Recipients/cn=jim")))
    assert one.values["participants"] == {"/o=old/cn=recipients/cn=jim": "required", "mr nobody": "required"}


def test_800_attendees_are_read() -> None:
    one = decoded(meeting(*(attendee(f"p{n}@example.com") for n in range(800))))
    assert len(cast("dict[str, str]", one.values["participants"])) == 800


@pytest.mark.parametrize(
    ("reminds", "minutes", "alert"), [("true", "15", 15), ("false", "15", None), ("true", None, None)]
)
def test_a_reminder_counts_when_it_is_set(reminds: str, minutes: str | None, alert: int | None) -> None:
    """B-43: Exchange keeps the minutes of a reminder that is switched off."""
    told = f"<t:ReminderMinutesBeforeStart>{minutes}</t:ReminderMinutesBeforeStart>" if minutes else ""
    one = decoded(item(extra=f"<t:ReminderIsSet>{reminds}</t:ReminderIsSet>{told}"))
    assert one.values["alert"] == alert


def test_where_to_join_online_is_read() -> None:
    """B-44."""
    link = "https://meet.contoso.com/ann.lee/ABC123"
    one = decoded(item(extra=f"<t:JoinOnlineMeetingUrl>{link}</t:JoinOnlineMeetingUrl>"))
    assert one.values["online_meeting_url"] == link
