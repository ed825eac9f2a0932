"""The connector and the simulated Exchange keep the contract that the fakes are held to, for every entity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from runner.connectors.exchange import ExchangeConnector, connect
from runner.model.record import Value
from runner.sandbox.exchange import Sandbox
from runner.testing.contract import TARGET_CHECKS, TASK_CHECKS, TargetBench
from runner.testing.contract import TaskBench as TaskContract
from runner.testing.samples import CONTACT_SAMPLE, TASK_SAMPLE
from tests.exchange.canned import CONTACTS, TASKS, link_to, plan_for
from tests.support.xsd import request_validator

USER = "ann.lee@example.com"


class ExchangeBench:
    """A mailbox of the simulated Exchange, its calendar empty."""

    folder, subject, folder_class = "calendar", "Subject", "IPF.Appointment"
    link = link_to(USER)

    def __init__(self, sandbox: Sandbox, stack: ExitStack, page: int) -> None:
        self._sandbox, self._stack, self._page = sandbox, stack, page
        self._user = sandbox.add_mailbox(USER)
        self._tokens = 0
        self.connector = self.reopened()

    def reopened(self) -> ExchangeConnector:
        plan = plan_for(self._sandbox.url, username=self._sandbox.username, page=self._page)
        return self._stack.enter_context(closing(connect(plan, self._sandbox.password)))

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {
            "title": title,
            "description": "First line\nsecond line",
            "location": place,
            "start": "2026-03-29T10:00:00",
            "time_zone": "Europe/Vienna",
            "duration": "PT1H",
            "show_without_time": False,
            "priority": 5,
            "privacy": "public",
            "free_busy_status": "busy",
            "keywords": ("Blue", "Red"),
        }

    def retitled(self, title: str) -> dict[str, Value]:
        return {"title": title}

    def user_create(self, title: str) -> str:
        return self._user.create(Subject=title, Start="2026-06-01T08:00:00Z", End="2026-06-01T09:00:00Z")

    def user_edit(self, key: str, title: str) -> None:
        self._user.edit(key, **{self.subject: title})

    def user_delete(self, key: str) -> None:
        self._user.delete(key)

    def user_move(self, key: str) -> str:
        return self._user.move(key, self._user.create_folder("Private", self.folder, self.folder_class))

    def user_copy(self, key: str) -> str:
        # The contract takes a copy as Outlook makes it, with a UID of its own; the sandbox copies the UID along.
        copy = self._user.copy(key)
        self._user.edit(copy, UID=f"copy-of-{self.token()}")
        return copy

    def unreadable(self) -> str:
        when = {"Start": "2026-06-01T08:00:00Z", "End": "2026-06-01T09:00:00Z"}
        return self._user.create(Subject="Nowhere", StartTimeZone="tzone://Microsoft/Custom", **when)

    def token(self) -> str:
        self._tokens += 1
        return f"stamp{self._tokens:021d}"


class TaskBench(ExchangeBench):
    """The same mailbox's tasks."""

    folder, folder_class = "tasks", "IPF.Task"
    link = link_to(USER, **TASKS)

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**TASK_SAMPLE, "title": title, "description": place}

    def user_create(self, title: str) -> str:
        return self._user.create("tasks", Subject=title)

    def user_copy(self, key: str) -> str:
        return self._user.copy(key)

    def user_complete(self, key: str) -> None:
        self._user.complete(key)

    def user_skip(self, key: str) -> None:
        self._user.skip(key)

    def unreadable(self) -> str:
        return self._user.create(self.folder, element="Message", Subject="A task request")


class ContactBench(TaskBench):
    """The same mailbox's contacts."""

    folder, subject, folder_class = "contacts", "DisplayName", "IPF.Contact"
    link = link_to(USER, **CONTACTS)

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**CONTACT_SAMPLE, "full_name": title, "business_street": place}

    def retitled(self, title: str) -> dict[str, Value]:
        return {"full_name": title}

    def user_create(self, title: str) -> str:
        return self._user.create("contacts", DisplayName=title)


@pytest.fixture
def bench(kind: type[ExchangeBench], page: int) -> Iterator[ExchangeBench]:
    with Sandbox(validator=request_validator()) as sandbox, ExitStack() as stack:
        yield kind(sandbox, stack, page)
    assert sandbox.schema_violations == []
    assert sandbox.mails_sent == []


@pytest.mark.parametrize(
    ("kind", "page"),
    [(ExchangeBench, 1), (ExchangeBench, 512), (TaskBench, 1), (ContactBench, 512)],
    ids=["calendar-1", "calendar-512", "tasks", "contacts"],
)
@pytest.mark.parametrize("check", TARGET_CHECKS, ids=lambda check: check.__name__)
def test_exchange_keeps_the_contract(check: Callable[[TargetBench], None], bench: ExchangeBench) -> None:
    """B-23, B-50, B-51, B-64, B-72, B-74."""
    check(bench)


@pytest.mark.parametrize(("kind", "page"), [(TaskBench, 512)], ids=["tasks"])
@pytest.mark.parametrize("check", TASK_CHECKS, ids=lambda check: check.__name__)
def test_exchange_keeps_the_contract_of_tasks(check: Callable[[TaskContract], None], bench: TaskBench) -> None:
    """B-50."""
    check(bench)
