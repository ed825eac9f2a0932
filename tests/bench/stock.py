"""The yardstick: stock exchangelib, only syncing and fetching, nothing stored."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from exchangelib import IMPERSONATION, UTC, Account, Build, Configuration, Credentials, Version
from exchangelib.folders import Calendar

from tests.bench.server import PASSWORD, USER

FIELDS = (
    "subject", "body", "start", "end", "location", "categories", "importance", "sensitivity", "is_all_day",
    "legacy_free_busy_status", "reminder_is_set", "reminder_minutes_before_start", "organizer", "required_attendees",
    "optional_attendees", "uid", "is_meeting", "is_cancelled", "type", "my_response_type", "last_modified_time",
    "datetime_created", "has_attachments", "recurrence", "is_recurring",
)  # fmt: skip
"""The 25 fields of the yardstick."""
OURS = (
    "subject", "body", "start", "end", "location", "categories", "importance", "sensitivity", "is_all_day",
    "legacy_free_busy_status", "organizer", "required_attendees", "optional_attendees", "resources", "uid", "is_meeting",
    "type", "my_response_type", "last_modified_time", "recurrence", "modified_occurrences", "deleted_occurrences",
)  # fmt: skip
"""What exsync itself reads: 25 as well, with both time zones, which exchangelib asks for along with the times, and the
stamp."""


def calendar(url: str) -> tuple[Account, Calendar]:
    """The user's calendar as exchangelib's documentation opens it."""
    account = Account(
        USER,
        config=Configuration(
            service_endpoint=url,
            credentials=Credentials("svc-exsync", PASSWORD),
            auth_type="basic",
            version=Version(Build(15, 2, 1544, 4)),
        ),
        autodiscover=False,
        access_type=IMPERSONATION,
        default_timezone=UTC,
    )
    return account, account.calendar


@contextmanager
def collecting_as_ever() -> Iterator[None]:
    """The interpreter's own thresholds of garbage collection, as a script of anybody's has them: exsync sets others."""
    ours = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*ours)


def sync_and_fetch(account: Account, folder: Calendar, fields: tuple[str, ...]) -> int:
    """One loop: every id by SyncFolderItems, every item by GetItem."""
    folder.item_sync_state = None
    ids = [item for _, item in folder.sync_items(only_fields=["id", "changekey"], max_changes_returned=512)]
    return sum(1 for _ in account.fetch(ids=[(item.id, item.changekey) for item in ids], only_fields=list(fields)))
