"""Real input: the calendars of Outlook, Google, Thunderbird, Zimbra and others that the library ``icalendar`` collected.

Each file is a mailbox of its own (a UID may occur in several files). What exsync shall hold is derived here from the
mailbox as Outlook sees it, with the CLDR table of zones and nothing of the product's own mapping. What is not carried
is listed in ``not_carried.csv`` with its reason; the list must be exact in both directions.
"""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from runner.cli.context import Context, Session, SystemRng
from runner.connectors.crm import SqlCrmConnector
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.model.terms import Operation
from runner.sandbox.icsload import IcsInvalid, load_ics
from runner.sandbox.outlook import View
from tests.e2e.expansion import in_crm
from tests.e2e.operator import WRITES, Operator

LIST = Path(__file__).with_name("not_carried.csv")
COLUMNS = ("file", "event", "reason")
FILES = 163
AT_LEAST = 60
SERIES = 9
"""Recurring events that are carried; why the others are not stands in the list."""
EDITED = " (edited)"
OWN = {"UTC": "Etc/UTC", "W. Europe Standard Time": "Europe/Vienna"}
"""Windows zones whose name is not CLDR's first choice: a mailbox whose own zone is Vienna stays in Vienna."""

Row = tuple[str, str, str]
Seen = tuple[str | None, str | None, str | None, datetime, datetime, str | None, bool]
"""Title, text, location, start, end, zone, all-day flag."""


@dataclass
class World:
    """Mailboxes filled from files, and what could not be loaded into them."""

    operator: Operator
    files: int = 0
    mailboxes: dict[str, str] = field(default_factory=dict)
    """Address to file."""
    refused: list[Row] = field(default_factory=list)

    def views(self) -> Iterator[tuple[str, View]]:
        for address in self.mailboxes:
            for view in self.operator.sandbox.mailbox(address).items():
                yield address, view

    def load(self, root: Path) -> None:
        for path in sorted(root.rglob("*.ics")):
            self.files += 1
            name = path.relative_to(root).as_posix()
            try:
                result = load_ics(path.read_bytes())
            except IcsInvalid as error:
                self.refused.append((name, "", str(error)))
                continue
            self.refused += [(name, event, reason) for event, reason in result.refused]
            if not result.items:
                continue
            address = f"calendar{self.files}@example.com"
            self.mailboxes[address] = name
            mailbox = self.operator.sandbox.add_mailbox(address)
            for item in result.items:
                mailbox.add(item.properties, exceptions=item.exceptions, deleted=item.deleted)

    def configure(self) -> None:
        """One CRM user and one link for each mailbox; private appointments take part, and the window spans 110 years."""
        operator = self.operator
        target = operator.home / "targets.d" / "sandbox.yaml"
        text = target.read_text(encoding="utf-8").partition("links:")[0]
        window = "window: {past: 20000d, future: 20000d}"
        text = text.replace("window: {past: 30d, future: 365d}", f"private: sync, {window}")
        assert window in text
        links = "".join(f"- user: {address}\n" for address in self.mailboxes)
        target.write_text(f"{text}links:\n{links}", encoding="utf-8")
        operator.sql("DELETE FROM appointment")
        with closing(sqlite3.connect(operator.crm_file)) as connection, connection:
            connection.executemany(
                "INSERT INTO crm_user (name, email) VALUES (?, ?)",
                [(name, address) for address, name in self.mailboxes.items()],
            )

    def crm_rows(self) -> list[tuple[str, int, Seen]]:
        """User, version and content of every live row."""
        rows = self.operator.sql(
            "SELECT u.email, a.row_version, a.subject, a.notes, a.location, a.starts_at, a.ends_at, a.time_zone, a.all_day "
            "FROM appointment a JOIN crm_user u ON u.id = a.owner_id WHERE NOT a.deleted ORDER BY a.id"
        )
        return [(str(row[0]), int(str(row[1])), _of_row(row[2:])) for row in rows]


@pytest.fixture
def world(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(operator)
    with as_file(files("icalendar") / "tests") as root:
        world.load(root)
    world.configure()
    for name in ("EXSYNC_CRM_URL", "EXSYNC_SANDBOX_PASSWORD"):
        monkeypatch.setenv(name, operator.environ[name])
    return world


def _instant(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


def _of_row(row: Sequence[object]) -> Seen:
    subject, notes, location, start, end, zone, all_day = row
    texts = (_optional(subject), _optional(notes), _optional(location))
    return (*texts, _instant(start), _instant(end), _optional(zone), bool(all_day))


def _of_outlook(view: View) -> Seen:
    """What a CRM row must say of an item: instants in UTC, whole days as dates at midnight without a zone."""
    start, end = _instant(view.text("Start")), _instant(view.text("End"))
    windows = view.text("StartTimeZone") or ""
    zone = OWN.get(windows) or WINDOWS_TO_OLSON[windows]
    all_day = view.text("IsAllDayEvent") == "true"
    texts = (_text(view, "Subject"), _text(view, "Body"), _text(view, "Location"))
    if not all_day:
        return (*texts, start, end, zone, False)
    first, last = (moment.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC) for moment in (start, end))
    return (*texts, first, last, None, True)


def _text(view: View, name: str) -> str | None:
    return (view.text(name) or "").replace("\r\n", "\n").rstrip() or None


def _one_pass(session: Session) -> list[PassReport]:
    orders = Orders(SystemRng().token(), allowed=frozenset(Operation))
    reports = session.runner.run(session.links(()), orders)
    assert [(report.link, report.error, report.skipped) for report in reports if report.error or report.skipped] == []
    return reports


def _expanded(world: World, aside: set[str]) -> int:
    """Compare what both sides show in the two years from each series' start, occurrence by occurrence; how many series."""
    series = 0
    for address, view in world.views():
        if view.id in aside or view.props.get("Recurrence") is None:
            continue
        series += 1
        low = _of_outlook(view)[3]
        high = low + timedelta(days=730)
        user = world.operator.sandbox.mailbox(address)
        seen = [_of_outlook(each) for each in user.calendar(low - timedelta(days=2), high + timedelta(days=2))]
        shown = [
            (start.strftime("%Y-%m-%dT%H:%M:%SZ"), title) for title, _, _, start, *_ in seen if low <= start <= high
        ]
        assert in_crm(world.operator, low, high, address) == sorted(shown, key=str), world.mailboxes[address]
    return series


def _remaining(world: World, session: Session) -> list[Row]:
    """Everything not carried: refused by the file's own content, or set aside by exsync."""
    titles = {view.id: (world.mailboxes[address], _name(view)) for address, view in world.views()}
    aside = [(*titles[entry.key], f"{entry.code}: {entry.reason}") for entry in session.store.quarantined()]
    return sorted([*world.refused, *aside])


def _name(view: View) -> str:
    return view.text("UID") or view.text("Subject") or "?"


def _check_list(found: list[Row], folder: Path) -> None:
    with (folder / LIST.name).open("w", encoding="utf-8", newline="") as written:
        csv.writer(written, lineterminator="\n").writerows([COLUMNS, *found])
    with LIST.open(encoding="utf-8", newline="") as listed:
        head, *expected = [tuple(row) for row in csv.reader(listed)]
    assert head == COLUMNS
    assert found == expected, f"{folder / LIST.name} has what was found this time"


def test_every_real_event_that_ews_can_carry_travels_in_and_back_out_and_then_nothing_is_written(
    world: World, tmp_path: Path
) -> None:
    """B-23, B-35, B-46 on calendars that other people's programs wrote."""
    operator = world.operator
    assert world.files == FILES
    before = {view.id: view for _, view in world.views()}
    with Context(operator.home, operator.state, operator.state.with_suffix(".sock")).session() as session:
        assert isinstance(session.crm, SqlCrmConnector)
        session.crm.apply_ddl()

        _one_pass(session)
        _check_list(_remaining(world, session), tmp_path)
        aside = {entry.key for entry in session.store.quarantined()}
        there = Counter((address, _of_outlook(view)) for address, view in world.views() if view.id not in aside)
        assert there.total() >= AT_LEAST
        held = Counter((address, seen) for address, _, seen in world.crm_rows())
        assert (there - held, held - there) == (Counter(), Counter())

        assert _expanded(world, aside) == SERIES

        operator.sql("UPDATE appointment SET subject = coalesce(subject, '') || ?", EDITED)
        _one_pass(session)
        after = {view.id: view for _, view in world.views()}
        assert after.keys() == before.keys()
        for key, view in before.items():
            expected = dict(view.props)
            if key not in aside:
                expected["Subject"] = (view.text("Subject") or "") + EDITED
            assert dict(after[key].props) == expected

        rows = world.crm_rows()
        keys = {view.id: view.change_key for _, view in world.views()}
        operator.sandbox.requests.clear()
        reports = _one_pass(session)
        assert sum(report.writes for report in reports) == 0
        assert {name: operator.sandbox.requests.count(name) for name in WRITES} == dict.fromkeys(WRITES, 0)
        assert len(operator.sandbox.requests) > 0
        assert world.crm_rows() == rows
        assert {view.id: view.change_key for _, view in world.views()} == keys
    assert operator.sandbox.mails_sent == []
