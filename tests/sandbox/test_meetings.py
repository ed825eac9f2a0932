"""Meetings between the sandbox's mailboxes, asked for by stock exchangelib and by users; each mail counted."""

from __future__ import annotations

from typing import Any

import exchangelib
import pytest
from exchangelib import Attendee, CalendarItem, Mailbox
from exchangelib.errors import ErrorCalendarIsOrganizerForAccept
from exchangelib.items import SEND_ONLY_TO_ALL, SEND_TO_ALL_AND_SAVE_COPY

from runner.sandbox.exchange import Sandbox
from tests.sandbox.stock import ANN, BOB, account_of
from tests.sandbox.test_stock_exchangelib import meeting

EVE = "eve@customer.example"


def attendee(address: str) -> Attendee:
    return Attendee(mailbox=Mailbox(email_address=address), response_type="Unknown")


def invited(account: exchangelib.Account, **options: Any) -> CalendarItem:
    return meeting(account, required_attendees=[attendee(BOB)], optional_attendees=[attendee(EVE)], **options).save(
        send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY
    )


@pytest.fixture
def bob(sandbox: Sandbox) -> exchangelib.Account:
    return account_of(sandbox, BOB)


def test_a_request_makes_a_tentative_copy_with_the_same_uid(
    account: exchangelib.Account, bob: exchangelib.Account, sandbox: Sandbox
) -> None:
    made = invited(account)
    [copy] = list(bob.calendar.all())
    original = account.calendar.get(id=made.id)
    assert (copy.uid, copy.organizer.email_address, copy.my_response_type) == (original.uid, ANN, "NoResponseReceived")
    assert (copy.legacy_free_busy_status, copy.is_meeting, copy.subject) == ("Tentative", True, original.subject)
    assert [a.mailbox.email_address for a in copy.required_attendees] == [BOB]
    assert (original.meeting_request_was_sent, original.my_response_type) == (True, "Organizer")
    assert sandbox.addressees == [("request", BOB), ("request", EVE)]


def test_an_update_follows_and_a_moved_meeting_asks_anew(
    account: exchangelib.Account, bob: exchangelib.Account, sandbox: Sandbox
) -> None:
    made = invited(account)
    bob.calendar.all()[0].accept()
    item = account.calendar.get(id=made.id)
    item.location = "Room 9"
    item.save(update_fields=["location"], send_meeting_invitations=SEND_ONLY_TO_ALL)
    [copy] = list(bob.calendar.all())
    assert (copy.location, copy.my_response_type) == ("Room 9", "Accept")
    item.end = item.end.replace(hour=(item.end.hour + 1) % 24)
    item.save(update_fields=["end"], send_meeting_invitations=SEND_ONLY_TO_ALL)
    [copy] = list(bob.calendar.all())
    assert (copy.end, copy.my_response_type) == (item.end, "NoResponseReceived")
    assert account.calendar.get(id=made.id).required_attendees[0].response_type == "Unknown"
    assert [mail.kind for mail in sandbox.mails_sent] == ["request", "response", "update", "update"]


@pytest.mark.parametrize(
    ("act", "response", "busy", "left"),
    [
        ("accept", "Accept", "Busy", 1),
        ("tentatively_accept", "Tentative", "Tentative", 1),
        ("decline", "Decline", "", 0),
    ],
)
def test_answers_reach_the_organizers_copy(
    account: exchangelib.Account,
    bob: exchangelib.Account,
    sandbox: Sandbox,
    act: str,
    response: str,
    busy: str,
    left: int,
) -> None:
    made = invited(account)
    getattr(bob.calendar.all()[0], act)()
    copies = list(bob.calendar.all())
    assert [copy.legacy_free_busy_status for copy in copies] == [busy][:left]
    noted = account.calendar.get(id=made.id).required_attendees[0]
    assert (noted.response_type, noted.last_response_time is not None) == (response, True)
    assert sandbox.addressees[2:] == [("response", ANN)]


def test_the_organizer_cannot_accept_his_own_meeting(account: exchangelib.Account) -> None:
    with pytest.raises(ErrorCalendarIsOrganizerForAccept):
        invited(account).accept()


def test_a_cancelled_meeting_stays_and_says_so(
    account: exchangelib.Account, bob: exchangelib.Account, sandbox: Sandbox
) -> None:
    invited(account).cancel()
    assert list(account.calendar.all()) == []
    [copy] = list(bob.calendar.all())
    assert (copy.is_cancelled, copy.subject[:9], copy.legacy_free_busy_status) == (True, "Canceled:", "Free")
    assert sandbox.addressees[2:] == [("cancellation", BOB), ("cancellation", EVE)]


def test_a_new_attendee_is_asked_and_one_left_out_is_told(account: exchangelib.Account, sandbox: Sandbox) -> None:
    item = account.calendar.get(id=invited(account).id)
    item.optional_attendees = [attendee("new@customer.example")]
    item.save(update_fields=["optional_attendees"], send_meeting_invitations="SendToChangedAndSaveCopy")
    assert sandbox.addressees[2:] == [("request", "new@customer.example"), ("cancellation", EVE)]


def test_an_attendee_who_stays_on_the_list_keeps_his_answer(
    account: exchangelib.Account, bob: exchangelib.Account
) -> None:
    made = invited(account)
    bob.calendar.all()[0].accept()
    item = account.calendar.get(id=made.id)
    item.required_attendees = [attendee(BOB), attendee("new@customer.example")]
    item.save(update_fields=["required_attendees"])
    read = account.calendar.get(id=made.id).required_attendees
    assert [(a.mailbox.email_address, a.response_type) for a in read] == [
        (BOB, "Accept"),
        ("new@customer.example", "Unknown"),
    ]


def test_users_invite_answer_change_and_cancel(sandbox: Sandbox) -> None:
    ann, bob = sandbox.mailbox(ANN), sandbox.mailbox(BOB)
    made = ann.invite([BOB], optional=[EVE], Subject="Plan")
    [copy] = bob.items()
    bob.accept(copy.id)
    ann.change(made, Location="Room 2")
    assert bob.item(copy.id).text("Location") == "Room 2"
    ann.change(made, send=False, Location="Room 3")
    assert bob.item(copy.id).text("Location") == "Room 2"
    ann.cancel(made)
    assert bob.item(copy.id).text("Subject") == "Canceled: Plan"
    assert [mail.kind for mail in sandbox.mails_sent] == ["request", "response", "update", "cancellation"]
