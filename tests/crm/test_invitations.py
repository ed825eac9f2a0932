"""The engine over a real CRM with participants: nobody is invited, or uninvited, by our own writes (B-31, P5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from runner.config.plan import LinkPlan
from runner.engine.passes import Orders
from runner.engine.runs import Runner
from runner.mapping.compiler import compile_mapping
from runner.mapping.source import CrmFieldType, MappingSource
from runner.model.diagnostics import Span
from runner.model.record import FieldType, Value
from runner.model.terms import Operation, Side
from runner.store import open_store
from runner.testing.rng import SeededRng
from runner.testing.target import FakeTarget
from tests.crm.test_participants import _prepared
from tests.engine.world import ANN, BOB, CRM_TYPES, MAPPING, event, link_plan, sync_plan
from tests.support.crm import World

ADDRESSES = CrmFieldType(FieldType.ADDRESSES)
GUESTS: dict[str, Value] = {
    "robert.ray@example.com": "optional",
    "desk@y.com": "required",
    "eva.novak@y.com": "required",
    "zoe@z.com": "resource",
}


TOLD = {"participants", "participant_names", "responses", "organizer"}


def _link(user: str, without: frozenset[str] | set[str] = frozenset()) -> LinkPlan:
    text = MAPPING.read_text()
    data = yaml.safe_load(text)
    # This CRM knows neither series nor reminders nor files.
    without = {*without, "alert", "recurrence_overrides", "attachments"}
    data["fields"] = [entry for entry in data["fields"] if entry.get("record") not in without]
    for entry in data["fields"]:
        if entry.get("codec") == "interval":
            entry["crm"].pop("rule", None)
    span = Span("mappings/schedule_item.yaml", 1, 1, 1, 2)
    compiled, findings = compile_mapping(MappingSource(data, lambda path: span, text), CRM_TYPES)
    assert compiled is not None, findings
    return link_plan(user, compiled=compiled)


class Desk:
    """Ann's and Bob's calendars over a CRM that knows who takes part."""

    def __init__(self, world: World) -> None:
        self.world, self.clock = _prepared(world), world.clock
        self.rng = SeededRng(5)
        self.target = FakeTarget(self.clock, self.rng, page=50)
        for user in (ANN, BOB):
            self.target.add_mailbox(user)
        self.store = open_store(None, clock=self.clock)
        self.links = [_link(ANN)]
        self.runner = self.runner_of(self.links)
        self.sent: list[tuple[Operation, frozenset[str]]] = []

    def runner_of(self, links: list[LinkPlan]) -> Runner:
        """What runs these links over what is there."""
        return Runner(sync_plan(*links), self.store, self.world.crm, lambda name: self.target, self.clock, self.rng)

    def run(self) -> int:
        """One run; returns its writes and notes those of the target."""
        self.clock.advance(60)
        (report,) = self.runner.run(self.links, Orders(f"run-{self.clock.now():%H%M}"))
        assert report.error is None
        assert not report.failures, report.failures
        self.sent += [(p.change.operation, p.change.fields) for p in report.changes if p.change.side is Side.TARGET]
        return report.writes

    def settle(self) -> None:
        """Run until a run writes nothing."""
        assert any(not self.run() for _ in range(5)), "not settled"

    def guests(self) -> Value:
        """Who takes part in the only item of Ann's calendar."""
        (item,) = self.target.items(ANN)
        return item.values.get("participants")

    def close(self) -> None:
        """Give everything back."""
        self.store.close()
        self.world.close()


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    """On each database."""
    made = Desk(world)
    yield made
    made.close()


def test_a_meeting_that_comes_in_is_never_written_back(desk: Desk) -> None:
    """Aliases, duplicate e-mails and rooms: what is read from the CRM's tables is what came in."""
    names: Value = {"zoe@z.com": "Zoe", "desk@y.com": "Desk"}
    answers: Value = {"robert.ray@example.com": "accepted", "desk@y.com": "needs_action"}
    desk.target.user_create(
        ANN,
        event(
            "Review",
            participants=GUESTS,
            participant_names=names,
            responses=answers,
            organizer=ANN,
        ),
    )
    desk.settle()
    assert desk.sent == []
    assert desk.world.sql("SELECT user_id, role FROM attendee_user ORDER BY user_id") == [(2, "Optional")]
    assert desk.guests() == GUESTS


def test_after_a_lost_state_nobody_is_invited(desk: Desk) -> None:
    """The bases are gone: both sides are compared as they are, and are equal."""
    desk.target.user_create(ANN, event("Review", participants=GUESTS, organizer=ANN))
    desk.settle()
    desk.store.close()
    desk.store = open_store(None, clock=desk.clock)
    desk.runner = desk.runner_of(desk.links)
    desk.settle()
    assert [fields for _, fields in desk.sent if "participants" in fields] == []
    assert desk.guests() == GUESTS
    assert len(desk.world.sql("SELECT id FROM appointment")) == 1


def test_the_crms_user_adds_one_and_only_that_one_goes_out(desk: Desk) -> None:
    key = desk.target.user_create(ANN, event("Review", participants=GUESTS, organizer=ANN))
    desk.settle()
    desk.world.sql("INSERT INTO attendee_external (appointment_id, email) SELECT id, 'New@z.com' FROM appointment")
    desk.world.sql("DELETE FROM attendee_contact WHERE person_id = 1")
    desk.target.user_edit(key, participants={**GUESTS, "late@z.com": "optional"})
    desk.settle()
    expected = {**GUESTS, "new@z.com": "required", "late@z.com": "optional"}
    del expected["eva.novak@y.com"]
    assert desk.guests() == expected
    assert desk.world.sql("SELECT count(*) FROM attendee_external") == [(3,)]


def test_a_meeting_that_the_crm_makes_goes_out_with_its_people(desk: Desk) -> None:
    desk.run()
    desk.world.sql(
        "INSERT INTO appointment (subject, owner_id, starts_at, ends_at, time_zone) VALUES"
        " ('Made here', 1, '2026-03-03 09:00:00', '2026-03-03 10:00:00', 'Europe/Vienna')"
    )
    desk.world.sql("INSERT INTO attendee_user (appointment_id, user_id) SELECT id, 2 FROM appointment")
    desk.world.sql("INSERT INTO attendee_contact (appointment_id, person_id) SELECT id, 2 FROM appointment")
    desk.settle()
    assert desk.guests() == {"bob.ray@example.com": "required", "desk@y.com": "required"}
    assert [operation for operation, _ in desk.sent] == [Operation.CREATE]


def test_a_mapping_that_begins_to_carry_people_removes_nobody_and_mails_nobody(desk: Desk) -> None:
    """B-31, B-42, B-101: meetings are in step without their people for a while; then the operator adds the entries."""
    carrying = desk.links
    desk.links = [_link(ANN, TOLD)]
    desk.runner = desk.runner_of(desk.links)
    key = desk.target.user_create(ANN, event("Review", participants=GUESTS, organizer=ANN))
    desk.settle()
    assert desk.guests() == GUESTS
    assert desk.world.sql("SELECT count(*) FROM attendee_external") == [(0,)]

    desk.links = carrying
    desk.runner = desk.runner_of(carrying)
    desk.settle()
    desk.target.user_edit(key, location="Hall")
    desk.settle()
    assert desk.guests() == GUESTS
    assert [fields for _, fields in desk.sent if "participants" in fields] == []
    assert desk.target.mails == []
    assert desk.world.sql("SELECT email FROM attendee_external") == [("zoe@z.com",)]
    assert desk.world.sql("SELECT user_id FROM attendee_user") == [(2,)]
