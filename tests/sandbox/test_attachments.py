"""Attachments (B-45): stock exchangelib attaches, reads and removes files; every message is held against the schema."""

from __future__ import annotations

from datetime import timedelta

import exchangelib
import pytest
from exchangelib import CalendarItem, EWSDateTime, FileAttachment, ItemAttachment, Message
from exchangelib.errors import ErrorInvalidIdMalformed, ErrorItemNotFound, ErrorRequiredPropertyMissing
from exchangelib.properties import ParentItemId
from exchangelib.recurrence import DailyPattern, Recurrence
from exchangelib.services import CreateAttachment

from runner.sandbox.exchange import Sandbox
from tests.sandbox.stock import ANN, VIENNA


@pytest.fixture
def meeting(account: exchangelib.Account) -> CalendarItem:
    start = EWSDateTime(2026, 11, 24, 10, tzinfo=VIENNA)
    made = CalendarItem(
        account=account, folder=account.calendar, subject="Budget", start=start, end=start + timedelta(hours=1)
    )
    made.save()
    return made


def test_a_file_comes_back_as_it_was_attached(account: exchangelib.Account, meeting: CalendarItem) -> None:
    before = meeting.changekey
    meeting.attach(FileAttachment(name="figures.csv", content=b"a;b\r\n\x00\xff", content_type="text/csv"))
    assert meeting.changekey != before
    again = account.calendar.get(subject="Budget")
    assert again.changekey == meeting.changekey
    assert again.has_attachments
    (file,) = again.attachments
    assert (file.name, file.content_type, file.content) == ("figures.csv", "text/csv", b"a;b\r\n\x00\xff")
    assert file.size >= 7
    assert file.last_modified_time is not None
    assert not file.is_inline


def test_a_file_is_taken_off_and_the_change_key_moves_on(account: exchangelib.Account, meeting: CalendarItem) -> None:
    files = [FileAttachment(name=name, content=name.encode()) for name in ("one.txt", "two.txt")]
    meeting.attach(files)
    files[0].detach()
    again = account.calendar.get(subject="Budget")
    assert [file.name for file in again.attachments] == ["two.txt"]
    assert again.changekey != meeting.changekey
    files[1].detach()
    assert not account.calendar.get(subject="Budget").has_attachments


def test_what_is_not_there_any_more_says_so(meeting: CalendarItem) -> None:
    file = FileAttachment(name="one.txt", content=b"1")
    meeting.attach(file)
    gone = file.attachment_id
    file.detach()
    lost = FileAttachment(attachment_id=gone, parent_item=meeting)
    with pytest.raises(ErrorItemNotFound):
        lost.detach()
    lost = FileAttachment(attachment_id=exchangelib.attachments.AttachmentId("rubbish"), parent_item=meeting)
    with pytest.raises(ErrorInvalidIdMalformed):
        lost.detach()


def test_a_name_is_required(account: exchangelib.Account, meeting: CalendarItem) -> None:
    nameless = FileAttachment(content=b"1")
    service = CreateAttachment(account=account)
    with pytest.raises(ErrorRequiredPropertyMissing):
        service.get(parent_item=ParentItemId(meeting.id, meeting.changekey), items=[nameless])


def test_inline_images_are_no_attachments_of_the_item(account: exchangelib.Account, meeting: CalendarItem) -> None:
    meeting.attach(FileAttachment(name="logo.png", content=b"png", is_inline=True, content_id="logo"))
    again = account.calendar.get(subject="Budget")
    assert not again.has_attachments
    assert again.attachments[0].is_inline
    assert again.attachments[0].content_id == "logo"


def test_an_item_can_be_attached(account: exchangelib.Account, meeting: CalendarItem) -> None:
    meeting.attach(ItemAttachment(name="Mail", item=Message(subject="See below")))
    (attached,) = account.calendar.get(subject="Budget").attachments
    assert isinstance(attached, ItemAttachment)
    assert attached.item.subject == "See below"


def test_attachments_go_with_a_moved_item_under_other_ids(account: exchangelib.Account, meeting: CalendarItem) -> None:
    meeting.attach(FileAttachment(name="one.txt", content=b"1"))
    old = account.calendar.get(subject="Budget").attachments[0].attachment_id.id
    meeting.refresh()
    meeting.move(account.trash)
    (moved,) = account.trash.get(subject="Budget").attachments
    assert moved.content == b"1"
    assert moved.attachment_id.id != old


def test_a_file_makes_an_occurrence_an_exception(account: exchangelib.Account, sandbox: Sandbox) -> None:
    start = EWSDateTime(2026, 11, 24, 10, tzinfo=VIENNA)
    series = CalendarItem(
        account=account,
        folder=account.calendar,
        subject="Stand-up",
        start=start,
        end=start + timedelta(minutes=15),
        recurrence=Recurrence(pattern=DailyPattern(interval=1), start=start.date(), number=4),
    )
    series.save()
    second = series.occurrence(index=2)
    second.refresh()
    second.attach(FileAttachment(name="notes.txt", content=b"of the second"))
    (exception,) = account.calendar.get(subject="Stand-up").modified_occurrences
    assert sandbox.mailbox(ANN).attachments(exception.id) == [("notes.txt", b"of the second")]
    assert sandbox.mailbox(ANN).attachments(series.id) == []
