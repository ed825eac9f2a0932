"""The fakes on the bench: what the contract checks need to drive them."""

from dataclasses import replace

from runner.model.items import LinkRef
from runner.model.record import CONTACT, SCHEDULE_ITEM, TASK, Value
from runner.model.terms import Entity, Folder
from runner.testing.clock import FakeClock
from runner.testing.crm import FakeCrm
from runner.testing.rng import SeededRng
from runner.testing.samples import CONTACT_SAMPLE, TASK_SAMPLE
from runner.testing.target import FakeTarget

CRM_FIELDS = frozenset(
    {
        "subject",
        "notes",
        "place",
        "starts_at",
        "ends_at",
        "time_zone",
        "all_day",
        "priority",
        "sensitivity",
        "show_as",
        "categories",
    }
)


def link_ref(user: str = "ann.lee@example.com", owner: str | None = "7") -> LinkRef:
    return LinkRef(
        name=f"sandbox/{user}/calendar",
        target="sandbox",
        user=user,
        folder=Folder.CALENDAR,
        entity=Entity.SCHEDULE_ITEM,
        time_zone="Europe/Vienna",
        record_fields=frozenset(SCHEDULE_ITEM),
        crm_fields=CRM_FIELDS,
        owner=owner,
    )


def record(title: str, place: str = "Room 4") -> dict[str, Value]:
    return {
        "title": title,
        "description": "First line\nsecond line",
        "location": place,
        "start": "2026-03-10T10:00:00",
        "time_zone": "Europe/Vienna",
        "duration": "PT1H",
        "show_without_time": False,
        "priority": 5,
        "privacy": "public",
        "free_busy_status": "busy",
        "keywords": ("Blue", "Red"),
    }


def row(title: str, place: str = "Room 4") -> dict[str, Value]:
    return {
        "subject": title,
        "notes": "First line\nsecond line",
        "place": place,
        "starts_at": "2026-03-10T09:00:00Z",
        "ends_at": "2026-03-10T10:00:00Z",
        "time_zone": "Europe/Vienna",
        "all_day": False,
        "priority": "B",
        "sensitivity": "Normal",
        "show_as": "Busy",
        "categories": ("Blue", "Red"),
    }


class FakeTargetBench:
    """A mailbox of the fake, read two ids at a time; its calendar is under test."""

    folder, entity, fields, title = Folder.CALENDAR, Entity.SCHEDULE_ITEM, frozenset(SCHEDULE_ITEM), "title"

    def __init__(self) -> None:
        self._rng = SeededRng(1)
        self.connector = FakeTarget(FakeClock(), self._rng)
        self.link = replace(link_ref(), folder=self.folder, entity=self.entity, record_fields=self.fields)
        self.connector.add_mailbox(self.link.user)

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return record(title, place)

    def retitled(self, title: str) -> dict[str, Value]:
        return {self.title: title}

    def user_create(self, title: str) -> str:
        return self.connector.user_create(self.link.user, self.sample(title), folder=self.folder)

    def user_edit(self, key: str, title: str) -> None:
        self.connector.user_edit(key, **{self.title: title})

    def user_delete(self, key: str) -> None:
        self.connector.user_delete(key)

    def user_move(self, key: str) -> str:
        return self.connector.user_move(key)

    def user_copy(self, key: str) -> str:
        return self.connector.user_copy(key)

    def unreadable(self) -> str:
        key = self.user_create("Every Monday")
        self.connector.user_spoil(key)
        return key

    def token(self) -> str:
        return self._rng.token()

    def reopened(self) -> FakeTarget:
        return self.connector


class FakeTaskBench(FakeTargetBench):
    """The fake's tasks."""

    folder, entity, fields = Folder.TASKS, Entity.TASK, frozenset(TASK)

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**TASK_SAMPLE, "title": title, "description": place}

    def user_complete(self, key: str) -> None:
        self.connector.user_edit(key, status="completed", percent_complete=100)

    def user_skip(self, key: str) -> None:
        self.connector.user_skip(key)


class FakeContactBench(FakeTargetBench):
    """The fake's contacts."""

    folder, entity, fields, title = Folder.CONTACTS, Entity.CONTACT, frozenset(CONTACT), "full_name"

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**CONTACT_SAMPLE, "full_name": title, "business_street": place}


class FakeCrmBench:
    """The tables of the fake, read two rows at a time."""

    def __init__(self) -> None:
        self._rng = SeededRng(2)
        self.connector = FakeCrm(FakeClock(), self._rng)
        self.addresses = ("ann.lee@example.com", "alee@example.org")
        self.connector.add_user("7", "Ann.Lee@example.com", "alee@example.org")
        self.connector.add_user("8", "bob.ray@example.com")
        self.link = link_ref()
        self.stranger = link_ref("bob.ray@example.com", "8")

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return row(title, place)

    def retitled(self, title: str) -> dict[str, Value]:
        return {"subject": title}

    def user_create(self, title: str) -> str:
        return self.connector.user_create("7", row(title))

    def user_edit(self, key: str, title: str) -> None:
        self.connector.user_edit(key, subject=title)

    def user_delete(self, key: str) -> None:
        self.connector.user_delete(key)

    def user_assign(self, key: str) -> None:
        self.connector.user_assign(key, "8")

    def token(self) -> str:
        return self._rng.token()

    def reopened(self) -> FakeCrm:
        return self.connector
