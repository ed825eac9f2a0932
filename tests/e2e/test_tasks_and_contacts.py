"""Tasks and contacts of two users from end to end: SQL, the engine with its state, EWS over HTTP (B-1, B-50 to B-52)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from runner.cli.context import Context, Session, SystemRng
from runner.connectors.crm import SqlCrmConnector
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.model.terms import Operation
from runner.sandbox.outlook import View
from tests.e2e.operator import ANN, BOB, WRITES, Operator
from tests.support.demo import postgresql_demo
from tests.support.postgres import running

FOLDERS = (
    "    tasks: {mapping: task, direction: both, private: sync}\n"
    "    contacts: {mapping: contact, direction: outbound}\n"
)
MONDAY = date(2026, 12, 7)


class Office:
    """Two users at work, on both sides, and the product between them."""

    def __init__(self, operator: Operator, session: Session, url: str) -> None:
        self.operator, self.session = operator, session
        self.engine = sa.create_engine(url)
        assert isinstance(session.crm, SqlCrmConnector)
        session.crm.apply_ddl()

    def sql(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """The CRM's own users at work."""
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def task(self, subject: str, *users: int, **columns: object) -> int:
        """A CRM user makes a task and assigns it."""
        row = {"subject": subject, **columns}
        marks = ", ".join(f":{name}" for name in row)
        [(key,)] = self.sql(f"INSERT INTO task ({', '.join(row)}) VALUES ({marks}) RETURNING id", **row)  # noqa: S608
        assert isinstance(key, int)
        for user in users:
            self.sql("INSERT INTO task_user VALUES (:task, :who)", task=key, who=user)
        return key

    def tasks(self) -> list[tuple[object, ...]]:
        """Live tasks of the CRM: subject, due day, status, percentage, rule."""
        columns = "subject, due_on, status, coalesce(percent, 0), rule"
        rows = self.sql(f"SELECT {columns} FROM task WHERE NOT deleted ORDER BY id")  # noqa: S608
        return [(subject, str(due) if due else None, *rest) for subject, due, *rest in rows]

    def sync(self) -> list[PassReport]:
        """One run over all links that must go well."""
        orders = Orders(SystemRng().token(), allowed=frozenset(Operation))
        reports = self.session.runner.run(self.session.links(()), orders)
        troubles = [
            (report.link, report.error, report.failures) for report in reports if report.error or report.failures
        ]
        assert troubles == []
        return reports

    def settled(self) -> None:
        """Everything has arrived: the next run writes nothing on either side."""
        for _ in range(4):
            if not sum(report.writes for report in self.sync()):
                break
        before = self.operator.remote_writes()
        held = self.sql("SELECT sum(row_version) FROM task"), self.sql("SELECT sum(row_version) FROM person")
        assert sum(report.writes for report in self.sync()) == 0
        assert self.operator.remote_writes() == before
        assert (self.sql("SELECT sum(row_version) FROM task"), self.sql("SELECT sum(row_version) FROM person")) == held

    def outlook(self, user: str, folder: str = "tasks") -> dict[str, View]:
        """A mailbox's items by subject or displayed name; two of one name are a failure."""
        views = self.operator.sandbox.mailbox(user).items(folder)
        found = {str(view.text("Subject" if folder == "tasks" else "DisplayName")): view for view in views}
        assert len(found) == len(views), sorted(found)
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    operator.replace("targets.d/sandbox.yaml", _calendar(operator), FOLDERS)
    operator.replace("targets.d/sandbox.yaml", "  folders: {calendar: {conflict: target_wins}}\n", "")
    operator.sql("DELETE FROM task_user")
    operator.sql("DELETE FROM task")
    operator.sql("DELETE FROM person_cover")
    operator.sql("DELETE FROM person_list")
    url = operator.environ["EXSYNC_CRM_URL"]
    if request.param == "postgresql":
        with running() as server:
            server.create("crm")
            with server.connect("crm") as connection:
                connection.execute(postgresql_demo())
            url = server.url("crm")
            yield from _at_work(operator, url, monkeypatch)
        return
    yield from _at_work(operator, url, monkeypatch)


def _at_work(operator: Operator, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    operator.environ["EXSYNC_CRM_URL"] = url
    for name in ("EXSYNC_CRM_URL", "EXSYNC_SANDBOX_PASSWORD"):
        monkeypatch.setenv(name, operator.environ[name])
    with Context(operator.home, operator.state, operator.state.with_suffix(".sock")).session() as session:
        office = Office(operator, session, _driver(url))
        with closing(_Disposed(office.engine)):
            yield office
    assert operator.sandbox.mails_sent == []


class _Disposed:
    def __init__(self, engine: sa.Engine) -> None:
        self.close = engine.dispose


def _driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


def _calendar(operator: Operator) -> str:
    text = (operator.home / "targets.d" / "sandbox.yaml").read_text(encoding="utf-8")
    return next(line for line in text.splitlines(keepends=True) if line.startswith("    calendar:"))


def test_a_task_of_two_users_is_done_by_one_of_them(office: Office) -> None:
    """B-50: a copy in each mailbox; completed in Outlook by one, it is completed in the CRM and in the other's copy."""
    office.task("Read the contract", 1, 2, due_on="2026-12-04", priority="A", notes="Clause 7")
    office.settled()
    for user in (ANN, BOB):
        copy = office.outlook(user)["Read the contract"]
        assert (copy.text("DueDate"), copy.text("Importance")) == ("2026-12-04T00:00:00Z", "High")
        assert copy.text("Status") == "NotStarted"
    office.operator.sandbox.mailbox(ANN).complete(office.outlook(ANN)["Read the contract"].id)
    office.settled()
    assert office.tasks() == [("Read the contract", "2026-12-04", "Completed", 100, None)]
    [(day,)] = office.sql("SELECT completed_on FROM task")
    assert str(day) == str(datetime.now(UTC).date())
    assert office.outlook(BOB)["Read the contract"].text("Status") == "Completed"


def test_tasks_from_outlook_and_unassigned_tasks(office: Office) -> None:
    """B-50: a task made in Outlook is its user's alone; who is taken out of a task keeps nothing of ours in step."""
    ann = office.operator.sandbox.mailbox(ANN)
    ann.create("tasks", Subject="From Outlook", DueDate=date(2026, 12, 3), PercentComplete=30, Status="WaitingOnOthers")
    shared = office.task("Shared", 1, 2)
    office.settled()
    assert office.tasks()[-1] == ("From Outlook", "2026-12-03", "On Hold", 30, None)
    assert office.outlook(BOB).keys() == {"Shared"}
    office.sql("DELETE FROM task_user WHERE task_id = :task AND user_id = 2", task=shared)
    office.settled()
    office.sql("UPDATE task SET subject = 'Anns own' WHERE id = :task", task=shared)
    office.settled()
    assert "Anns own" in office.outlook(ANN)
    assert "Anns own" not in office.outlook(BOB)


@pytest.mark.parametrize("side", ["outlook", "crm"])
def test_completing_a_recurring_task_leaves_one_task_behind_and_goes_on(office: Office, side: str) -> None:
    """B-50: the record stays with the series, the completed occurrence is one new item on both sides, nothing is doubled."""
    key = office.task("Weekly figures", 1, 2, due_on=MONDAY.isoformat(), rule="FREQ=WEEKLY;COUNT=3")
    office.settled()
    series = {user: office.outlook(user)["Weekly figures"].id for user in (ANN, BOB)}
    if side == "outlook":
        office.operator.sandbox.mailbox(ANN).complete(series[ANN])
    else:
        office.sql("UPDATE task SET status = 'Completed' WHERE id = :key", key=key)
        [first, *_] = [link for link in office.session.links(()) if link.user == ANN and link.folder == "tasks"]
        office.session.runner.run([first], Orders(SystemRng().token()))
    office.settled()
    following = (MONDAY + timedelta(days=7)).isoformat()
    rule = "FREQ=WEEKLY;COUNT=2;BYDAY=MO"
    assert office.tasks() == [
        ("Weekly figures", following, "Outstanding", 0, rule),
        ("Weekly figures", MONDAY.isoformat(), "Completed", 100, None),
    ]
    for user, others in ((ANN, 1), (BOB, 0)):
        views = {view.id: view for view in office.operator.sandbox.mailbox(user).items("tasks")}
        going_on = views.pop(series[user])
        assert (going_on.text("Status"), going_on.text("DueDate")) == ("NotStarted", f"{following}T00:00:00Z")
        assert [view.text("Status") for view in views.values()] == ["Completed"] * others


def test_an_occurrence_that_is_deleted_in_outlook_becomes_the_next_one(office: Office) -> None:
    """B-50: deleting the outstanding occurrence generates the next one; deleting the task deletes the record."""
    office.task("Weekly figures", 1, 2, due_on=MONDAY.isoformat(), rule="FREQ=WEEKLY")
    office.settled()
    office.operator.sandbox.mailbox(ANN).skip(office.outlook(ANN)["Weekly figures"].id)
    office.settled()
    following = (MONDAY + timedelta(days=7)).isoformat()
    assert office.tasks() == [("Weekly figures", following, "Outstanding", 0, "FREQ=WEEKLY")]
    assert office.outlook(BOB)["Weekly figures"].text("DueDate") == f"{following}T00:00:00Z"


def test_a_contact_is_there_as_long_as_its_user_covers_or_lists_it(office: Office) -> None:
    """B-51: added by either, removed when neither; what users made is never touched, nor does it reach the CRM (B-1)."""
    ann = office.operator.sandbox.mailbox(ANN)
    own = ann.create("contacts", DisplayName="Eva Novak", EmailAddresses={"EmailAddress1": {"": "eva@example.org"}})
    office.sql("DELETE FROM person")
    for surname in ("Novak", "Novak-Moser"):  # one e-mail address twice in the CRM, and once more in Outlook
        office.sql(
            "INSERT INTO person (first_name, last_name, email) VALUES ('Eva', :last, 'eva@example.org')", last=surname
        )
    office.sql("INSERT INTO person_cover SELECT id, 1 FROM person WHERE last_name = 'Novak-Moser'")
    office.settled()
    assert office.outlook(ANN, "contacts").keys() == {"Eva Novak", "Eva Novak-Moser"}
    assert office.outlook(BOB, "contacts") == {}
    copy = office.outlook(ANN, "contacts")["Eva Novak-Moser"].id
    ann.set_entry(copy, "PhoneNumbers", "CarPhone", "+43 1 99")
    office.sql("INSERT INTO person_list SELECT id, 1 FROM person WHERE last_name = 'Novak-Moser'")
    office.sql("DELETE FROM person_cover")
    office.sql("UPDATE person SET mobile = '+43 660 1' WHERE last_name = 'Novak-Moser'")
    office.settled()
    phones = ann.item(copy).props["PhoneNumbers"]
    assert phones == {"CarPhone": {"": "+43 1 99"}, "MobilePhone": {"": "+43 660 1"}}
    office.sql("DELETE FROM person_list")
    office.settled()
    assert office.outlook(ANN, "contacts").keys() == {"Eva Novak"}
    assert ann.item(own).change_key == office.outlook(ANN, "contacts")["Eva Novak"].change_key
    assert office.sql("SELECT count(*) FROM person") == [(2,)]
    assert {name: office.operator.sandbox.requests.count(name) > 0 for name in WRITES}["MoveItem"] is False


def test_bad_input_costs_its_own_item_only(office: Office) -> None:
    """B-23: NUL, lone surrogates and two megabytes are carried or cleaned; what cannot be said is set aside alone."""
    ann = office.operator.sandbox.mailbox(ANN)
    ann.create("tasks", Subject="a\x0bb\x07c", DueDate=date(2026, 12, 3))
    ann.create("tasks", element="Message", Subject="A task request")
    body = "0123456789abcde\n" * (2 << 16)
    office.task("Long", 1, notes=body)
    office.task("Contradiction", 1, status="Tentative", percent=100)
    orders = Orders(SystemRng().token())
    reports = office.session.runner.run(office.session.links(()), orders)
    assert [report.error for report in reports if report.error] == []
    aside = [(entry.code, entry.reason.rpartition(": ")[2]) for entry in office.session.store.quarantined()]
    assert aside == [("mapping", "complete it, or lower the percentage")]
    assert ann.item(office.outlook(ANN)["Long"].id).text("Body") == body.rstrip().replace("\n", "\r\n")
    assert len(office.tasks()) == 3
