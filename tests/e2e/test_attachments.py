"""Attached files from end to end, both ways (B-45): the shipped mapping and CRM with a table of files, real EWS requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from runner.cli.context import Context, Session, SystemRng
from runner.connectors.crm import SqlCrmConnector
from runner.engine.passes import Orders
from runner.model.terms import Operation
from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import Drop, busy_fault
from runner.sandbox.outlook import OutlookUser
from runner.sandbox.wire import Fragment
from tests.e2e.operator import ANN, BOB, Operator
from tests.support import xsd

LIMITS = "attachments: {max_bytes: 2000, max_total_bytes: 3000}"
INTO = "INSERT INTO appointment_file (appointment_id, file_name, content) SELECT id, ?, ? FROM appointment"
START = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
WRITES = ("CreateItem", "UpdateItem", "CreateAttachment", "DeleteAttachment", "DeleteItem")


class Hands:
    """The sandbox's clock: it stands, so that whatever happens at once happens within one second, till it is turned on."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)

    def __call__(self) -> datetime:
        return self.moment


class Desk:
    """Ann's calendar, the CRM's tables, and passes between them."""

    def __init__(self, operator: Operator, session: Session, hands: Hands) -> None:
        self.operator, self.session, self.hands = operator, session, hands
        self.ann: OutlookUser = operator.sandbox.mailbox(ANN)

    def later(self) -> None:
        """An hour goes by at the server."""
        self.hands.moment += timedelta(hours=1)

    def settle(self) -> list[str]:
        """Passes until nothing is written any more; what was said of items that were set aside."""
        said: list[str] = []
        for _ in range(5):
            orders = Orders(SystemRng().token(), allowed=frozenset(Operation))
            reports = self.session.runner.run(self.session.links(()), orders)
            assert [report.error for report in reports if report.error] == []
            said += [str(failure.error) for report in reports for failure in report.failures]
            if not sum(report.writes for report in reports):
                return said
        raise AssertionError("not settled")

    def meet(self, subject: str = "Budget", **files: bytes) -> str:
        item = self.ann.create(Subject=subject, Start=START, End=START + timedelta(hours=1))
        for name, content in files.items():
            self.ann.attach(item, name, content)
        return item

    def files(self) -> list[tuple[object, ...]]:
        return self.operator.sql("SELECT file_name, content FROM appointment_file ORDER BY file_name, id")

    def listed(self) -> list[tuple[str, str]]:
        return [(one.code, one.reason) for one in self.session.store.quarantined()]

    def requests(self, *operations: str) -> dict[str, int]:
        """How often each operation was asked for since the last look."""
        counts = self.operator.sandbox.requests.counts
        self.operator.sandbox.requests.clear()
        return {name: counts[name] for name in operations if counts[name]}


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def operator(tmp_path: object, hands: Hands) -> Iterator[Operator]:
    with Sandbox(
        password="right", clock=hands, validator=xsd.request_validator(), response_validator=xsd.response_validator()
    ) as sandbox:
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        made = Operator(tmp_path, sandbox)  # type: ignore[arg-type]
        yield made
        made.check_mail()
        assert (sandbox.schema_violations, sandbox.response_violations) == ([], [])


@pytest.fixture
def described(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """The shipped configuration, in which no link keeps files in step yet, over a CRM without appointments."""
    operator.sql("DELETE FROM appointment")
    for name in ("EXSYNC_CRM_URL", "EXSYNC_SANDBOX_PASSWORD"):
        monkeypatch.setenv(name, operator.environ[name])
    return operator


@contextmanager
def at_desk(operator: Operator, hands: Hands) -> Iterator[Desk]:
    with Context(operator.home, operator.state, operator.state.with_suffix(".sock")).session() as opened:
        assert isinstance(opened.crm, SqlCrmConnector)
        opened.crm.apply_ddl()
        opened.crm.check()
        yield Desk(operator, opened, hands)


def switch_on(operator: Operator) -> None:
    operator.replace("targets.d/sandbox.yaml", "  conflict: crm_wins\n", f"  conflict: crm_wins\n  {LIMITS}\n")


@pytest.fixture
def desk(described: Operator, hands: Hands) -> Iterator[Desk]:
    switch_on(described)
    with at_desk(described, hands) as desk:
        yield desk


def test_a_file_comes_in_and_is_never_carried_again(desk: Desk) -> None:
    """B-45: content as it was; an unchanged file costs nothing, whatever else of its item changes."""
    item = desk.meet(**{"figures.csv": b"1;2\r\n\x00\xff", "plan.txt": b"plan"})
    desk.later()
    desk.settle()
    assert desk.files() == [("figures.csv", b"1;2\r\n\x00\xff"), ("plan.txt", b"plan")]
    assert desk.operator.sql("SELECT DISTINCT source FROM appointment_file") == [("exsync",)]
    desk.requests()
    desk.ann.edit(item, Subject="Budget 2027")
    desk.settle()
    assert desk.operator.sql("SELECT subject FROM appointment") == [("Budget 2027",)]
    assert desk.requests("GetAttachment", *WRITES) == {}
    desk.operator.sql("UPDATE appointment SET subject = 'Budget 2028'")
    desk.settle()
    assert desk.requests("GetAttachment", *WRITES) == {"UpdateItem": 1}
    assert desk.ann.attachments(item) == [("figures.csv", b"1;2\r\n\x00\xff"), ("plan.txt", b"plan")]


def test_a_file_goes_out_with_a_new_appointment_and_with_one_that_is_there(desk: Desk) -> None:
    """B-45: one request for each file that is missing, and nothing is fetched back."""
    desk.operator.sql(
        "INSERT INTO appointment (id, subject, starts_at, ends_at, time_zone, owner_id) VALUES (7, 'Offer', ?, ?, 'UTC', 1)",
        *(moment.strftime("%Y-%m-%d %H:%M:%S") for moment in (START, START + timedelta(hours=1))),
    )
    desk.operator.sql(
        "INSERT INTO appointment_file (appointment_id, file_name, content) VALUES (7, 'a.pdf', x'25504446')"
    )
    desk.settle()
    (view,) = desk.ann.items()
    assert desk.ann.attachments(view.id) == [("a.pdf", b"%PDF")]
    assert desk.requests("GetAttachment", *WRITES) == {"CreateItem": 1, "CreateAttachment": 1}
    desk.later()
    desk.operator.sql("INSERT INTO appointment_file (appointment_id, file_name, content) VALUES (7, 'b.pdf', x'00')")
    desk.settle()
    assert desk.ann.attachments(view.id) == [("a.pdf", b"%PDF"), ("b.pdf", b"\x00")]
    assert desk.requests("GetAttachment", *WRITES) == {"CreateAttachment": 1}
    assert desk.operator.sql("SELECT count(*) FROM appointment") == [(1,)]


def test_a_file_that_changes_replaces_what_it_was_on_the_other_side(desk: Desk) -> None:
    """B-45: edited in place in Outlook, to the same size and within the same second, and rewritten in the CRM; never
    doubled."""
    item = desk.meet(**{"plan.txt": b"one"})
    desk.settle()
    desk.ann.rewrite_attachment(item, "plan.txt", b"two")
    desk.settle()
    assert desk.files() == [("plan.txt", b"two")]
    desk.operator.sql("UPDATE appointment_file SET content = x'33'")
    desk.settle()
    assert desk.ann.attachments(item) == [("plan.txt", b"3")]
    assert desk.files() == [("plan.txt", b"3")]


def test_a_fresh_file_is_fetched_again_once_when_its_item_changes(desk: Desk) -> None:
    """B-45: what its time of change cannot tell is looked at; from then on it costs nothing."""
    item = desk.meet(**{"plan.txt": b"one"})
    desk.settle()
    for at, fetched in enumerate(({"GetAttachment": 1}, {})):
        desk.later()
        desk.requests()
        desk.ann.edit(item, Subject=f"Budget {at}")
        desk.settle()
        assert desk.requests("GetAttachment", *WRITES) == fetched
    assert desk.files() == [("plan.txt", b"one")]


def test_two_who_change_one_file_lose_neither_version(desk: Desk) -> None:
    """B-45, B-60: both versions are on both sides; a file that one removes and the other rewrites stays as rewritten."""
    item = desk.meet(**{"plan.txt": b"one", "old.txt": b"old"})
    desk.settle()
    desk.ann.rewrite_attachment(item, "plan.txt", b"Ann's")
    desk.operator.sql("UPDATE appointment_file SET content = CAST('the CRM''s' AS BLOB) WHERE file_name = 'plan.txt'")
    desk.ann.detach(item, "old.txt")
    desk.operator.sql("UPDATE appointment_file SET content = x'21' WHERE file_name = 'old.txt'")
    desk.settle()
    both = [("old.txt", b"!"), ("plan.txt", b"Ann's"), ("plan.txt", b"the CRM's")]
    assert sorted(desk.files()) == both
    assert sorted(desk.ann.attachments(item)) == both


def test_a_file_that_is_removed_goes_on_the_other_side(desk: Desk) -> None:
    """B-45: each way; the appointment and its other files stay."""
    item = desk.meet(**{"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"})
    desk.settle()
    desk.ann.detach(item, "a.txt")
    desk.operator.sql("DELETE FROM appointment_file WHERE file_name = 'b.txt'")
    desk.settle()
    assert desk.files() == [("c.txt", b"c")]
    assert desk.ann.attachments(item) == [("c.txt", b"c")]


def test_names_are_cleaned_and_blocked_kinds_stay_where_they_are(desk: Desk) -> None:
    """B-45 and the bad input of files: paths, controls and devices; a program under such a name reaches no CRM, and is not
    removed by us either."""
    item = desk.meet(
        **{"../../x.exe": b"MZ", "..\\..\\report.docx": b"doc", "nul.txt": b"n", "a\u202etxt.b": b"r", " . ": b"dot"}
    )
    desk.settle()
    assert [name for name, _ in desk.files()] == ["_nul.txt", "attachment", "atxt.b", "report.docx"]
    desk.operator.sql(INTO, "../../y.js", b"\x01")
    desk.operator.sql(INTO, "dir/z.txt", b"\x02")
    desk.settle()
    names = [name for name, _ in desk.ann.attachments(item)]
    assert names == ["../../x.exe", "..\\..\\report.docx", "nul.txt", "a\u202etxt.b", " . ", "z.txt"]
    desk.operator.sql("DELETE FROM appointment_file WHERE file_name = 'report.docx'")
    desk.settle()
    assert "..\\..\\report.docx" not in [name for name, _ in desk.ann.attachments(item)]
    assert [name for name, _ in desk.files()] == ["../../y.js", "_nul.txt", "attachment", "atxt.b", "dir/z.txt"]


def test_over_a_limit_none_of_the_files_goes_and_the_appointment_does(desk: Desk) -> None:
    """B-45, B-40: all or nothing, listed with the limit; nothing is fetched; the folder goes on; taken up when it fits."""
    item = desk.meet(**{"big.bin": b"b" * 9000, "small.txt": b"s"})
    other = desk.meet("Other", **{"fine.txt": b"f"})
    assert desk.settle() == []
    assert desk.requests("GetAttachment") == {"GetAttachment": 2}  # the other appointment's: digest, content
    assert desk.files() == [("fine.txt", b"f")]
    assert desk.operator.sql("SELECT subject FROM appointment ORDER BY subject") == [("Budget",), ("Other",)]
    [(code, reason)] = desk.listed()
    assert code == "attachments-over-limit"
    assert "attachments.max_bytes allows 2000" in reason
    desk.ann.edit(item, Subject="Budget 2027")
    desk.settle()
    assert desk.operator.sql("SELECT subject FROM appointment ORDER BY subject") == [("Budget 2027",), ("Other",)]
    assert len(desk.listed()) == 1
    desk.ann.detach(item, "big.bin")
    desk.settle()
    assert desk.files() == [("fine.txt", b"f"), ("small.txt", b"s")]
    assert desk.listed() == []
    desk.operator.sql("UPDATE appointment_file SET content = zeroblob(2001) WHERE file_name = 'fine.txt'")
    desk.settle()
    assert desk.ann.attachments(other) == [("fine.txt", b"f")]
    assert [code for code, _ in desk.listed()] == [code]


def test_the_limit_of_all_files_together(desk: Desk) -> None:
    """B-45: each fits, together they do not."""
    item = desk.meet(**{"a.bin": b"a" * 1900, "b.bin": b"b" * 1900})
    desk.settle()
    assert desk.files() == []
    assert "attachments.max_total_bytes allows 3000" in desk.listed()[0][1]
    desk.ann.detach(item, "a.bin")
    desk.settle()
    assert [name for name, _ in desk.files()] == ["b.bin"]
    assert desk.listed() == []


def test_images_of_a_body_and_attached_items_are_left_alone(desk: Desk) -> None:
    """B-45, B-44: an inline image belongs to the body."""
    item = desk.meet(**{"plan.txt": b"p"})
    desk.ann.attach(item, "logo.png", b"png", inline=True)
    desk.settle()
    assert [name for name, _ in desk.files()] == ["plan.txt"]
    desk.operator.sql("DELETE FROM appointment_file")
    desk.settle()
    assert desk.ann.attachments(item) == [("logo.png", b"png")]


def test_the_files_of_a_series_are_its_masters(desk: Desk) -> None:
    """B-45, B-36: they come and go with the series; its exceptions stay what they are."""
    pattern = (
        f"<t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence><t:StartDate>"
        f"{START.date()}</t:StartDate><t:NumberOfOccurrences>5</t:NumberOfOccurrences></t:NumberedRecurrence>"
    )
    item = desk.meet("Stand-up")
    desk.ann.edit(item, Recurrence=Fragment(pattern))
    second = START.date() + timedelta(days=1)
    desk.ann.edit_occurrence(item, second, Location="Room 9")
    desk.ann.attach(item, "agenda.txt", b"agenda")
    desk.settle()
    assert desk.files() == [("agenda.txt", b"agenda")]
    desk.operator.sql(INTO, "more.txt", b"M")
    desk.settle()
    assert desk.ann.attachments(item) == [("agenda.txt", b"agenda"), ("more.txt", b"M")]
    assert str(desk.ann.occurrence(item, second).props["Location"]) == "Room 9"
    desk.operator.sql("UPDATE appointment SET recurrence_rule = 'FREQ=DAILY;COUNT=6', notes = 'longer'")
    desk.operator.sql("DELETE FROM appointment_file WHERE file_name = 'agenda.txt'")
    desk.settle()
    assert desk.ann.attachments(item) == [("more.txt", b"M")]
    assert "<t:NumberOfOccurrences>6<" in str(desk.ann.item(item).props["Recurrence"])


def test_a_file_that_fails_half_way_is_completed_and_never_doubled(desk: Desk) -> None:
    """B-45, B-64: the second of three files is refused for once; then the rest follows, each once, and none is lost."""
    desk.operator.sql(
        "INSERT INTO appointment (id, subject, starts_at, ends_at, time_zone, owner_id) VALUES (7, 'Offer', ?, ?, 'UTC', 1)",
        *(moment.strftime("%Y-%m-%d %H:%M:%S") for moment in (START, START + timedelta(hours=1))),
    )
    for name in "abc":
        desk.operator.sql(
            "INSERT INTO appointment_file (appointment_id, file_name, content) VALUES (7, ?, x'01')", name
        )
    desk.operator.sandbox.inject(busy_fault(), "CreateAttachment", nth=2)
    orders = Orders(SystemRng().token(), allowed=frozenset(Operation))
    desk.session.runner.run(desk.session.links(()), orders)
    (view,) = desk.ann.items()
    assert desk.ann.attachments(view.id) == [("a", b"\x01")]
    desk.operator.sandbox.clear_faults()
    desk.settle()
    assert desk.ann.attachments(view.id) == [("a", b"\x01"), ("b", b"\x01"), ("c", b"\x01")]
    assert [name for name, _ in desk.files()] == ["a", "b", "c"]
    assert len(desk.ann.items()) == 1


def test_an_appointment_whose_answer_was_lost_gets_its_files_and_keeps_them_in_the_crm(desk: Desk) -> None:
    """B-45, fault L1: made, but nobody heard of it, so that no file went along. What is not there was never agreed: it is
    filled, and not taken for a removal."""
    desk.operator.sql(
        "INSERT INTO appointment (id, subject, starts_at, ends_at, time_zone, owner_id) VALUES (7, 'Offer', ?, ?, 'UTC', 1)",
        *(moment.strftime("%Y-%m-%d %H:%M:%S") for moment in (START, START + timedelta(hours=1))),
    )
    desk.operator.sql(INTO, "a.pdf", b"a")
    desk.operator.sandbox.inject(Drop(), "CreateItem", after=True)
    desk.session.runner.run(desk.session.links(()), Orders(SystemRng().token(), allowed=frozenset(Operation)))
    (view,) = desk.ann.items()
    assert desk.ann.attachments(view.id) == []
    desk.settle()
    assert desk.files() == [("a.pdf", b"a")]
    assert desk.ann.attachments(view.id) == [("a.pdf", b"a")]
    assert len(desk.ann.items()) == 1


def test_nothing_of_a_private_items_files_is_fetched_or_kept(desk: Desk) -> None:
    """B-45, B-35: neither name nor digest; and what came in before the item became private goes."""
    item = desk.meet(**{"secret-canary.txt": b"canary"})
    desk.settle()
    desk.requests()
    desk.ann.edit(item, Sensitivity="Private")
    desk.settle()
    assert desk.requests("GetAttachment") == {}
    assert desk.files() == []
    ledger = [str(entry) for entry in desk.session.store.pairings("ann.lee@example.com/calendar")]
    assert not any("secret-canary" in text or hashlib.sha256(b"canary").hexdigest() in text for text in ledger)


def test_without_the_setting_no_file_is_even_asked_for(described: Operator, hands: Hands) -> None:
    """B-45: off by default, though mapping and CRM speak of attachments; switched on later, both sides are filled."""
    with at_desk(described, hands) as desk:
        item = desk.meet(**{"plan.txt": b"plan"})
        desk.settle()
        desk.operator.sql(INTO, "crm.txt", b"crm")
        desk.settle()
        assert desk.files() == [("crm.txt", b"crm")]
        assert desk.ann.attachments(item) == [("plan.txt", b"plan")]
        assert desk.requests("GetAttachment", "CreateAttachment") == {}
        assert not any(b"item:Attachments" in (seen.body or b"") for seen in described.sandbox.requests)
    switch_on(described)
    with at_desk(described, hands) as desk:
        desk.settle()
        assert desk.files() == [("crm.txt", b"crm"), ("plan.txt", b"plan")]
        assert desk.ann.attachments(item) == [("plan.txt", b"plan"), ("crm.txt", b"crm")]
