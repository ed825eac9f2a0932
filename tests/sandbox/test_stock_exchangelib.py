"""The contract: exchangelib as it is published, not tamed by anything, works with the sandbox.

Every request is held against Microsoft's schema before it is answered, and so is every answer (``conftest``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import exchangelib
import pytest
from exchangelib import CalendarItem, Contact, EWSDate, EWSDateTime, ExtendedProperty, HTMLBody, Task
from exchangelib.errors import (
    ErrorFolderNotFound,
    ErrorImpersonateUserDenied,
    ErrorInvalidSyncStateData,
    ErrorIrresolvableConflict,
    ErrorItemNotFound,
    ErrorNonExistentMailbox,
    UnauthorizedError,
)
from exchangelib.indexed_properties import EmailAddress, PhoneNumber, PhysicalAddress
from exchangelib.items import SEND_ONLY_TO_ALL, SEND_TO_NONE
from exchangelib.properties import Attendee, Mailbox

from runner.sandbox.exchange import Sandbox
from tests.sandbox.stock import ANN, BOB, VIENNA, Ticking, account_of


class CaseNumber(ExtendedProperty):
    """A stamp as an integration would use it."""

    property_set_id = "5d0a2c7e-43c1-4c35-9d35-7c8c9f4b3a11"
    property_name = "CaseNumber"
    property_type = "String"


class Labels(ExtendedProperty):
    """An array property."""

    property_set_id = CaseNumber.property_set_id
    property_name = "Labels"
    property_type = "StringArray"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    for kind in (CalendarItem, Task, Contact):
        kind.register("case_number", CaseNumber)
        kind.register("labels", Labels)
    yield
    for kind in (CalendarItem, Task, Contact):
        kind.deregister("case_number")
        kind.deregister("labels")


def at(day: int, hour: int, minute: int = 0) -> EWSDateTime:
    return EWSDateTime(2026, 12, day, hour, minute, tzinfo=VIENNA)


def meeting(account: exchangelib.Account, **changes: object) -> CalendarItem:
    values: dict[str, object] = {"subject": "Review", "start": at(1, 9), "end": at(1, 10), **changes}
    return CalendarItem(account=account, folder=account.calendar, **values)


# --- create and read


def test_an_appointment_is_created_and_read_back(account: exchangelib.Account) -> None:
    sent = meeting(
        account,
        body="First line\nsecond < & >",
        location="Room 1",
        categories=["Sales", "A & B"],
        importance="High",
        sensitivity="Private",
        legacy_free_busy_status="OOF",
        reminder_is_set=True,
        reminder_minutes_before_start=30,
        case_number="C-1",
        labels=["x", "y"],
        uid="abc@example.com",
    ).save()
    read = account.calendar.get(id=sent.id)
    assert (read.subject, read.location, read.importance, read.sensitivity) == ("Review", "Room 1", "High", "Private")
    assert (read.start, read.end) == (at(1, 9), at(1, 10))
    assert read.body == "First line\r\nsecond < & >"
    assert read.categories == ["Sales", "A & B"]
    assert (read.legacy_free_busy_status, read.reminder_minutes_before_start) == ("OOF", 30)
    assert (read.case_number, read.labels, read.uid) == ("C-1", ["x", "y"], "abc@example.com")
    assert read.changekey == sent.changekey
    assert read.type == "Single"
    assert read._start_timezone.ms_id == "W. Europe Standard Time"


def test_an_all_day_event_keeps_its_dates(account: exchangelib.Account) -> None:
    sent = meeting(account, start=EWSDate(2026, 12, 24), end=EWSDate(2026, 12, 26), is_all_day=True).save()
    read = account.calendar.get(id=sent.id)
    assert (read.is_all_day, read.start, read.end) == (True, EWSDate(2026, 12, 24), EWSDate(2026, 12, 26))


def test_an_html_body_stays_html(account: exchangelib.Account) -> None:
    sent = meeting(account, body=HTMLBody("<p>Bring <b>slides</b></p><p>and cake</p>")).save()
    read = account.calendar.get(id=sent.id)
    assert isinstance(read.body, HTMLBody)
    assert "<b>slides</b>" in read.body
    assert read.text_body == "Bring slides\r\nand cake"


def test_an_appointment_without_a_uid_gets_one(account: exchangelib.Account) -> None:
    first, second = meeting(account).save(), meeting(account).save()
    uids = [account.calendar.get(id=item.id).uid for item in (first, second)]
    assert all(uid.startswith("040000008200E00074C5B7101A82E008") for uid in uids)
    assert uids[0] != uids[1]


def test_a_task_is_created_and_read_back(account: exchangelib.Account) -> None:
    sent = Task(
        account=account,
        folder=account.tasks,
        subject="Call back",
        due_date=EWSDate(2026, 12, 3),
        status="InProgress",
        percent_complete=Decimal(40),
        case_number="T-1",
    ).save()
    read = account.tasks.get(id=sent.id)
    assert (read.subject, read.status, read.percent_complete) == ("Call back", "InProgress", Decimal(40))
    assert (read.due_date, read.case_number, read.is_complete) == (EWSDate(2026, 12, 3), "T-1", False)


def test_completing_a_task_sets_its_percentage_and_date(account: exchangelib.Account) -> None:
    task = Task(account=account, folder=account.tasks, subject="Call back").save()
    task.complete()
    read = account.tasks.get(id=task.id)
    assert (read.status, read.percent_complete, read.is_complete) == ("Completed", Decimal(100), True)
    assert read.complete_date is not None


def test_a_contact_is_created_read_back_and_updated_entry_by_entry(account: exchangelib.Account) -> None:
    sent = Contact(
        account=account,
        folder=account.contacts,
        given_name="Eva",
        surname="Novak",
        display_name="Eva Novak",
        email_addresses=[EmailAddress(email="eva@example.com", label="EmailAddress1")],
        phone_numbers=[
            PhoneNumber(label="MobilePhone", phone_number="+43 1"),
            PhoneNumber(label="HomePhone", phone_number="2"),
        ],
        physical_addresses=[PhysicalAddress(label="Business", street="Ring 1", city="Wien", zipcode="1010")],
    ).save()
    read = account.contacts.get(id=sent.id)
    assert read.email_addresses == [EmailAddress(email="eva@example.com", label="EmailAddress1")]
    assert {(number.label, number.phone_number) for number in read.phone_numbers if number.phone_number} == {
        ("MobilePhone", "+43 1"),
        ("HomePhone", "2"),
    }
    assert [(address.street, address.city, address.zipcode) for address in read.physical_addresses] == [
        ("Ring 1", "Wien", "1010")
    ]
    read.phone_numbers = [PhoneNumber(label="MobilePhone", phone_number="+43 9")]
    read.physical_addresses = [PhysicalAddress(label="Business", street="Ring 2", city="Wien", zipcode="1010")]
    read.save(update_fields=["phone_numbers", "physical_addresses"])
    again = account.contacts.get(id=sent.id)
    assert [(number.label, number.phone_number) for number in again.phone_numbers if number.phone_number] == [
        ("MobilePhone", "+43 9")
    ]
    assert again.physical_addresses[0].street == "Ring 2"


def test_a_batch_is_created_and_fetched_in_order(account: exchangelib.Account) -> None:
    ids = account.bulk_create(
        items=[meeting(account, subject=f"n{number}") for number in range(25)], folder=account.calendar
    )
    assert [item.subject for item in account.fetch(ids)] == [f"n{number}" for number in range(25)]


def test_every_property_that_exchangelib_knows_can_be_asked_for(account: exchangelib.Account) -> None:
    meeting(account).save()
    assert [
        item.subject
        for item in account.calendar.all().only(
            *[field.name for field in CalendarItem.supported_fields(account.version)]
        )
    ] == ["Review"]


# --- update and conflicts


def test_an_update_changes_what_it_names_and_the_change_key(account: exchangelib.Account, sandbox: Sandbox) -> None:
    item = meeting(account, location="Room 1", case_number="C-1", categories=["x"]).save()
    before = item.changekey
    item.subject, item.location, item.categories, item.case_number = "Moved", None, None, "C-2"
    item.save(update_fields=["subject", "location", "categories", "case_number"])
    read = account.calendar.get(id=item.id)
    assert (read.subject, read.location, read.categories, read.case_number) == ("Moved", None, None, "C-2")
    assert read.changekey == item.changekey != before
    assert sandbox.requests.count("UpdateItem") == 1


def test_moving_an_appointment_in_time_keeps_its_zone(account: exchangelib.Account) -> None:
    item = meeting(account).save()
    item.start, item.end = at(2, 14), at(2, 15, 30)
    item.save(update_fields=["start", "end"])
    read = account.calendar.get(id=item.id)
    assert (read.start, read.end, read.duration) == (at(2, 14), at(2, 15, 30), "PT1H30M")
    assert read._start_timezone.ms_id == "W. Europe Standard Time"


def test_never_overwrite_refuses_a_stale_change_key(account: exchangelib.Account, sandbox: Sandbox) -> None:
    item = meeting(account).save()
    sandbox.mailbox(ANN).edit(item.id, Location="Room 2")
    item.subject = "Mine"
    with pytest.raises(ErrorIrresolvableConflict):
        item.save(update_fields=["subject"], conflict_resolution="NeverOverwrite")
    assert sandbox.mailbox(ANN).item(item.id).text("Subject") == "Review"


def test_auto_resolve_merges_changes_of_different_properties(account: exchangelib.Account, sandbox: Sandbox) -> None:
    item = meeting(account).save()
    sandbox.mailbox(ANN).edit(item.id, Location="Room 2")
    item.subject = "Mine"
    item.save(update_fields=["subject"])
    read = account.calendar.get(id=item.id)
    assert (read.subject, read.location) == ("Mine", "Room 2")


def test_auto_resolve_refuses_changes_of_the_same_property(account: exchangelib.Account, sandbox: Sandbox) -> None:
    item = meeting(account).save()
    sandbox.mailbox(ANN).edit(item.id, Subject="Theirs")
    item.subject = "Mine"
    with pytest.raises(ErrorIrresolvableConflict):
        item.save(update_fields=["subject"])


def test_always_overwrite_overwrites(account: exchangelib.Account, sandbox: Sandbox) -> None:
    item = meeting(account).save()
    sandbox.mailbox(ANN).edit(item.id, Subject="Theirs")
    item.subject = "Mine"
    item.save(update_fields=["subject"], conflict_resolution="AlwaysOverwrite")
    assert account.calendar.get(id=item.id).subject == "Mine"


# --- delete, move, copy


def test_move_to_deleted_items_gives_a_new_id_and_keeps_the_stamp(account: exchangelib.Account) -> None:
    item = meeting(account, case_number="C-9").save()
    old = item.id
    item.move_to_trash()
    assert not account.calendar.filter(case_number="C-9").exists()
    found = account.trash.get(case_number="C-9")
    assert found.id != old
    with pytest.raises(ErrorItemNotFound):
        account.calendar.get(id=old)


def test_soft_delete_goes_to_recoverable_items(account: exchangelib.Account) -> None:
    item = meeting(account, case_number="C-9").save()
    item.soft_delete()
    assert [found.subject for found in account.recoverable_items_deletions.filter(case_number="C-9")] == ["Review"]
    assert not account.trash.filter(case_number="C-9").exists()


def test_hard_delete_leaves_nothing_a_user_can_find(account: exchangelib.Account) -> None:
    item = meeting(account, case_number="C-9").save()
    item.delete()
    assert not account.recoverable_items_deletions.filter(case_number="C-9").exists()
    assert not account.trash.filter(case_number="C-9").exists()


def test_tasks_and_contacts_are_deleted_too(account: exchangelib.Account) -> None:
    Task(account=account, folder=account.tasks, subject="t").save().move_to_trash()
    Contact(account=account, folder=account.contacts, display_name="c").save().delete()
    assert account.tasks.all().count() == account.contacts.all().count() == 0
    assert [item.subject for item in account.trash.all()] == ["t"]


def test_a_move_between_folders_changes_the_id_and_keeps_the_rest(account: exchangelib.Account) -> None:
    private = exchangelib.folders.Calendar(parent=account.calendar, name="Private").save()
    item = meeting(account, case_number="C-1").save()
    uid, old = account.calendar.get(id=item.id).uid, item.id
    item.move(to_folder=private)
    moved = private.get(case_number="C-1")
    assert moved.id == item.id != old
    assert moved.uid == uid
    assert not account.calendar.all().exists()


def test_a_copy_carries_the_extended_properties(account: exchangelib.Account) -> None:
    private = exchangelib.folders.Calendar(parent=account.calendar, name="Private").save()
    item = meeting(account, case_number="C-1").save()
    item.copy(to_folder=private)
    copied = private.get(case_number="C-1")
    assert copied.id != item.id
    assert account.calendar.get(case_number="C-1").id == item.id
    private.delete()
    assert [folder.name for folder in account.calendar.children] == []


def test_an_emptied_folder_is_empty(account: exchangelib.Account) -> None:
    account.bulk_create(items=[meeting(account) for _ in range(3)], folder=account.calendar)
    account.calendar.empty(delete_type="MoveToDeletedItems")
    assert account.calendar.all().count() == 0
    assert account.trash.all().count() == 3


# --- find


def test_a_stamp_is_found_by_a_restriction(account: exchangelib.Account) -> None:
    items = [meeting(account, subject=f"s{number}", case_number=f"C-{number}") for number in range(3)]
    account.bulk_create(items=items, folder=account.calendar)
    assert [item.subject for item in account.calendar.filter(case_number="C-1")] == ["s1"]
    assert [item.subject for item in account.calendar.filter(case_number="C-7")] == []
    assert {item.subject for item in account.calendar.filter(case_number__in=["C-0", "C-2"])} == {"s0", "s2"}
    assert account.calendar.filter(case_number__exists=True).count() == 3


def test_restrictions_combine_compare_and_contain(account: exchangelib.Account) -> None:
    rows = [("Budget talk", 1, "A"), ("budget review", 2, "B"), ("Lunch", 3, "A")]
    account.bulk_create(
        items=[meeting(account, subject=s, start=at(d, 9), end=at(d, 10), categories=[c]) for s, d, c in rows],
        folder=account.calendar,
    )

    def found(*queries: object, **filters: object) -> set[str]:
        return {item.subject for item in account.calendar.filter(*queries, **filters)}

    query = exchangelib.Q
    assert found(subject__icontains="budget") == {"Budget talk", "budget review"}
    assert found(subject__contains="Budget") == {"Budget talk"}
    assert found(subject__startswith="Lun") == {"Lunch"}
    assert found(start__gte=at(2, 0)) == {"budget review", "Lunch"}
    assert found(start__range=(at(2, 0), at(2, 23))) == {"budget review"}
    assert found(categories__contains=["A"]) == {"Budget talk", "Lunch"}
    assert found(query(subject="Lunch") | query(categories__contains=["B"])) == {"Lunch", "budget review"}
    assert found(~query(subject="Lunch")) == {"Budget talk", "budget review"}


def test_find_pages_through_a_folder_in_order(account: exchangelib.Account, make: Callable[..., Sandbox]) -> None:
    account.bulk_create(
        items=[meeting(account, subject=f"{number:02}") for number in range(23)], folder=account.calendar
    )
    query = account.calendar.all().only("subject").order_by("subject")
    query.page_size = 5
    assert [item.subject for item in query] == [f"{number:02}" for number in range(23)]
    assert [item.subject for item in account.calendar.all().order_by("-subject")[:3]] == ["22", "21", "20"]
    assert account.calendar.all().count() == 23


def test_a_calendar_view_returns_what_overlaps_it(account: exchangelib.Account) -> None:
    for day in (1, 2, 3):
        meeting(account, subject=f"d{day}", start=at(day, 9), end=at(day, 10)).save()
    assert [item.subject for item in account.calendar.view(start=at(2, 0), end=at(3, 9, 30))] == ["d2", "d3"]


# --- sync


def test_sync_brings_creates_updates_and_deletes_page_by_page(make: Callable[..., Sandbox]) -> None:
    sandbox = make(page=2)
    account, user = account_of(sandbox), sandbox.mailbox(ANN)
    ids = [user.create(Subject=f"s{number}") for number in range(5)]
    changes = list(account.calendar.sync_items(only_fields=[]))
    assert [(kind, item.id) for kind, item in changes] == [("create", id_) for id_ in reversed(ids)]
    assert sandbox.requests.count("SyncFolderItems") == 3
    user.edit(ids[0], Subject="new")
    user.delete(ids[1])
    later = user.create(Subject="late")
    state = account.calendar.item_sync_state
    changes = list(account.calendar.sync_items(sync_state=state, only_fields=["subject"]))
    assert [(kind, item.id) for kind, item in changes] == [("create", later), ("delete", ids[1]), ("update", ids[0])]
    assert list(account.calendar.sync_items()) == []


def test_sync_reports_a_read_flag_as_such(account: exchangelib.Account, sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    message = user.create("inbox", Subject="mail", IsRead=False)
    assert [kind for kind, _ in account.inbox.sync_items(only_fields=[])] == ["create"]
    user.mark_read(message)
    [(kind, (item_id, is_read))] = list(account.inbox.sync_items(only_fields=[]))
    assert (kind, item_id.id, is_read) == ("read_flag_change", message, True)


def test_the_change_key_of_a_write_comes_back_in_the_next_sync(account: exchangelib.Account) -> None:
    item = meeting(account).save()
    item.subject = "x"
    item.save(update_fields=["subject"])
    [(_, seen)] = list(account.calendar.sync_items(only_fields=[]))
    assert seen.changekey == item.changekey


def test_a_forgotten_sync_state_is_an_error_that_exchangelib_understands(
    account: exchangelib.Account, sandbox: Sandbox
) -> None:
    list(account.calendar.sync_items(only_fields=[]))
    sandbox.mailbox(ANN).forget_sync_states()
    with pytest.raises(ErrorInvalidSyncStateData):
        list(account.calendar.sync_items(only_fields=[]))


# --- identities


def test_impersonation_reaches_each_mailbox(sandbox: Sandbox) -> None:
    for address in (ANN, BOB):
        meeting(account_of(sandbox, address), subject=f"for {address}").save()
    assert [item.text("Subject") for item in sandbox.mailbox(BOB).items()] == [f"for {BOB}"]
    assert {seen.mailbox for seen in sandbox.requests} == {ANN, BOB}


def test_a_mailbox_outside_the_scope_is_denied(make: Callable[..., Sandbox]) -> None:
    sandbox = make(scope=[ANN])
    assert account_of(sandbox, ANN).calendar.all().count() == 0
    with pytest.raises(ErrorImpersonateUserDenied):
        account_of(sandbox, BOB).calendar.all().count()


def test_a_mailbox_that_is_not_there_is_named_so(sandbox: Sandbox) -> None:
    with pytest.raises(ErrorNonExistentMailbox):
        account_of(sandbox, "nobody@example.com").calendar.all().count()


def test_a_user_without_impersonation_works_in_his_own_mailbox(sandbox: Sandbox) -> None:
    sandbox.add_account(ANN, "her own", mailbox=ANN)
    own = account_of(sandbox, username=ANN, password="her own", access_type=exchangelib.DELEGATE)
    meeting(own).save()
    assert len(sandbox.mailbox(ANN).items()) == 1


def test_ntlm_is_accepted_and_a_wrong_password_is_not(make: Callable[..., Sandbox]) -> None:
    sandbox = make(auth="ntlm", username="EXAMPLE\\svc-sync", password="Grüße 1")
    assert account_of(sandbox, auth_type=exchangelib.NTLM).calendar.all().count() == 0
    with pytest.raises(UnauthorizedError):
        account_of(sandbox, auth_type=exchangelib.NTLM, password="wrong").calendar.all().count()


def test_basic_is_refused_with_a_wrong_password(sandbox: Sandbox) -> None:
    with pytest.raises(UnauthorizedError):
        account_of(sandbox, password="wrong").calendar.all().count()
    assert len(sandbox.requests) == 0


# --- the rest


def test_invitations_are_counted_only_when_asked_for(account: exchangelib.Account, sandbox: Sandbox) -> None:
    bob = [Attendee(mailbox=Mailbox(email_address=BOB), response_type="Unknown")]
    silent = meeting(account, required_attendees=bob).save(send_meeting_invitations=SEND_TO_NONE)
    assert sandbox.mails_sent == []
    loud = meeting(account, required_attendees=bob).save(send_meeting_invitations=SEND_ONLY_TO_ALL)
    loud.subject = "x"
    loud.save(update_fields=["subject"], send_meeting_invitations=SEND_ONLY_TO_ALL)
    loud.delete(send_meeting_cancellations=SEND_ONLY_TO_ALL)
    assert [(mail.kind, mail.to) for mail in sandbox.mails_sent] == [
        ("request", (BOB,)),
        ("update", (BOB,)),
        ("cancellation", (BOB,)),
    ]
    read = account.calendar.get(id=silent.id)
    assert (read.is_meeting, read.required_attendees[0].mailbox.email_address) == (True, BOB)
    assert (read.organizer.email_address, read.my_response_type) == (ANN, "Organizer")


def test_folders_can_be_walked_created_and_removed(account: exchangelib.Account) -> None:
    assert {"Calendar", "Tasks", "Contacts", "Deleted Items", "Inbox"} <= {
        f.name for f in account.msg_folder_root.children
    }
    mine = exchangelib.folders.Calendar(parent=account.msg_folder_root, name="Projects").save()
    assert (account.msg_folder_root / "Projects").id == mine.id
    mine.delete()
    account.root.clear_cache()
    with pytest.raises(ErrorFolderNotFound):
        account.msg_folder_root / "Projects"


def test_names_are_resolved(account: exchangelib.Account) -> None:
    assert [box.email_address for box in account.protocol.resolve_names(["ann.lee"])] == [ANN]


def test_the_version_can_be_guessed(sandbox: Sandbox) -> None:
    configuration = exchangelib.Configuration(
        service_endpoint=sandbox.url,
        credentials=exchangelib.Credentials(sandbox.username, sandbox.password),
    )
    account = exchangelib.Account(
        ANN, config=configuration, autodiscover=False, access_type=exchangelib.IMPERSONATION, default_timezone=VIENNA
    )
    assert account.version.build.major_version == 15
    assert account.calendar.all().count() == 0


def test_times_are_the_clocks(account: exchangelib.Account, sandbox: Sandbox, clock: Ticking) -> None:
    item = meeting(account).save()
    clock.advance(minutes=5)
    item.subject = "x"
    item.save(update_fields=["subject"])
    read = account.calendar.get(id=item.id)
    assert read.last_modified_time - read.datetime_created == timedelta(minutes=5)
    assert read.last_modified_time == clock.now
