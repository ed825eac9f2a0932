"""The invitation firewall in passes (B-42): what the CRM's meetings tell their attendees, and what they never do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from runner.connectors.exchange import connect
from runner.engine.held import decide_mail
from runner.engine.passes import Orders
from runner.engine.runs import Runner
from runner.model.errands import Undo
from runner.model.errors import OutcomeUnknown, UsageError
from runner.model.items import ChangePage, WriteResult
from runner.model.meetings import MailKind, MailStatus
from runner.model.record import Value
from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.firewall import MailPolicy
from runner.reconcile.rendering import summary, text
from runner.sandbox.exchange import Sandbox
from tests.engine.conftest import MakeWorld
from tests.engine.world import ANN, BOB, OWNERS, World, event, link_plan, row, sync_plan
from tests.exchange.canned import plan_for

EVE = "eve@customer.example"
PEOPLE: dict[str, Value] = {BOB: "required", EVE: "optional"}
ON = MailPolicy(send=frozenset(MailKind), rule="targets.d/sandbox.yaml:9:3")


def calendars(mail: MailPolicy, *users: str) -> list[Any]:
    return [link_plan(user, mail=mail) for user in users or (ANN,)]


@pytest.fixture
def started(make_world: MakeWorld) -> Callable[..., World]:
    """A world whose first sync is over, so that what follows is somebody's doing."""

    def start(mail: MailPolicy = ON, *users: str) -> World:
        world = make_world(*calendars(mail, *users))
        world.crm.related = True
        world.sync()
        return world

    return start


def invite(world: World, title: str = "Plan", people: dict[str, Value] | None = None, **changes: Value) -> str:
    return world.crm.user_create(
        OWNERS[ANN], {**row(title, **changes), "participants": PEOPLE if people is None else people}
    )


def mailed(world: World) -> list[Operation]:
    return [operation for operation, _, _ in world.target.mails]


def statuses(world: World) -> list[MailStatus]:
    return [mail.status for mail in world.store.mails()]


def test_nothing_is_mailed_by_default(started: Callable[..., World]) -> None:
    world = started(MailPolicy())
    key = invite(world)
    world.sync()
    world.crm.user_edit(key, place="Room 9")
    world.sync()
    world.crm.user_delete(key)
    world.sync()
    assert (mailed(world), statuses(world)) == ([], [])


def test_invited_updated_cancelled_each_once(started: Callable[..., World]) -> None:
    world = started()
    key = invite(world)
    world.sync()
    world.sync()
    world.crm.user_edit(key, place="Room 9")
    world.sync()
    world.crm.user_edit(key, show_as="OOF")
    world.sync()
    world.crm.user_delete(key)
    world.sync()
    world.sync()
    assert mailed(world) == [Operation.CREATE, Operation.UPDATE, Operation.DELETE]
    assert statuses(world) == [MailStatus.SENT] * 3
    assert sum(one.addressees for one in world.store.mailed_since(world.clock.now() - timedelta(days=1))) == 6


def test_a_first_sync_never_mails(make_world: MakeWorld) -> None:
    world = make_world(*calendars(ON))
    invite(world)
    world.sync()
    assert len(world.target.items(ANN)) == 1
    assert mailed(world) == []


def test_what_is_over_is_never_mailed(started: Callable[..., World]) -> None:
    world = started()
    invite(world, starts_at="2026-02-20T09:00:00Z", ends_at="2026-02-20T10:00:00Z")
    world.sync()
    assert len(world.target.items(ANN)) == 1
    assert mailed(world) == []


def test_a_conflict_that_the_crm_wins_is_not_mailed(started: Callable[..., World]) -> None:
    world = started()
    key = invite(world)
    world.sync()
    [held] = world.target.items(ANN)
    world.target.user_edit(held.key, title="Ann's")
    world.crm.user_edit(key, subject="The CRM's")
    world.sync()
    assert world.target.items(ANN)[0].values["title"] == "The CRM's"
    assert mailed(world) == [Operation.CREATE]


def test_an_item_that_is_made_again_is_not_mailed_again(started: Callable[..., World]) -> None:
    """B-63: the edit wins, silently."""
    world = started()
    key = invite(world)
    world.sync()
    [held] = world.target.items(ANN)
    world.target.user_delete(held.key)
    world.crm.user_edit(key, subject="Edited")
    world.sync()
    assert [item.values["title"] for item in world.target.items(ANN)] == ["Edited"]
    assert mailed(world) == [Operation.CREATE]


def test_over_budget_the_write_waits_with_its_mail_until_it_is_released(started: Callable[..., World]) -> None:
    world = started(MailPolicy(frozenset(MailKind), per_run=3, per_user=None, per_day=None, rule="t:1:1"))
    invite(world, "First")
    invite(world, "Second")
    report = world.sync()
    assert [item.values["title"] for item in world.target.items(ANN)] == ["First"]
    assert (report.counts["mail"], report.counts["mail_held"]) == (2, 2)
    world.clock.advance(timedelta(hours=2))
    world.sync()
    assert len(world.target.items(ANN)) == 1, "held until a person decides"
    [held] = world.store.mails(open_only=True)
    assert (held.status, held.addressees, held.title) == (MailStatus.HELD, 2, "Second")
    changes = ChangeSet((world.sync(rehearse=True).as_changes(),))
    said = "mail to 2 attendees is held and holds its writes (`exsync mail list`)"
    assert summary(changes) == f"No changes now: {said}."
    assert f"  {said}\n" in text(changes)
    assert (bool(changes), changes.outstanding) == (False, True), "nothing would be written, and the sides differ"
    decide_mail(world.store, held.id[:10], "release", world.clock.now())
    world.sync()
    world.sync()
    assert not ChangeSet((world.sync(rehearse=True).as_changes(),)).outstanding
    assert sorted(str(item.values["title"]) for item in world.target.items(ANN)) == ["First", "Second"]
    assert mailed(world) == [Operation.CREATE, Operation.CREATE]
    assert not world.store.mails(open_only=True)
    with pytest.raises(UsageError, match="not held"):
        decide_mail(world.store, held.id, "drop", world.clock.now())


def test_what_is_dropped_is_written_silently(started: Callable[..., World]) -> None:
    world = started(MailPolicy(frozenset(MailKind), per_run=1, rule="t:1:1"))
    key = invite(world)
    world.sync()
    world.crm.user_edit(key, place="Room 9")
    world.sync()
    [held] = world.store.mails(open_only=True)
    decide_mail(world.store, held.id, "drop", world.clock.now())
    world.sync()
    [item] = world.target.items(ANN)
    assert (item.values["location"], mailed(world)) == ("Room 9", [])
    assert statuses(world) == [MailStatus.SILENT]


def test_800_attendees_are_held_and_carried_when_released(started: Callable[..., World]) -> None:
    world = started()
    invite(world, people={f"p{number}@example.com": "required" for number in range(800)})
    world.sync()
    [held] = world.store.mails(open_only=True)
    assert held.addressees == 800
    decide_mail(world.store, held.id, "release", world.clock.now())
    world.sync()
    [item] = world.target.items(ANN)
    assert len(item.values["participants"]) == 800  # type: ignore[arg-type]


def test_a_participant_who_is_not_mailed_gets_his_copy_written(started: Callable[..., World]) -> None:
    """B-42: Bob is linked; no mail goes out; one copy each, one record, whoever's pass is first."""
    world = started(MailPolicy(), BOB, ANN)
    key = invite(world)
    world.crm.user_share(key, OWNERS[BOB])
    world.sync()
    world.clock.advance(timedelta(hours=1))
    world.sync()
    world.sync()
    [mine], [his] = world.target.items(ANN), world.target.items(BOB)
    assert (his.native, his.values["title"]) == (mine.native, "Plan")
    assert not his.values.get("participants")
    world.crm.user_edit(key, place="Room 9")
    world.sync()
    assert world.target.items(BOB)[0].values["location"] == "Room 9"
    assert (len(world.crm.items()), mailed(world)) == (1, [])


@pytest.mark.parametrize("known", [True, False], ids=["seen in the same step", "not yet in the feed"])
def test_who_has_a_copy_of_a_meeting_is_not_made_another(
    started: Callable[..., World], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B-41: Bob's own copy and the record that names him come up in one pass, or the record before his copy is read of."""
    world = started(MailPolicy(), ANN, BOB)
    links = world.links
    people: dict[str, Value] = {"participants": {BOB: "required"}}
    for user, response in ((ANN, "organizer"), (BOB, "needs_action")):
        world.target.user_create(
            user, event("Plan", **people), native="uid-1", shared=True, organizer=ANN, response=response
        )
    runner = Runner(sync_plan(*links), world.store, world.crm, lambda name: world.target, world.clock, world.rng)
    runner.run(links[:1], Orders("Ann's"))
    [record] = world.crm.items()
    world.crm.user_share(record.key, OWNERS[BOB])
    with monkeypatch.context() as late:
        if not known:
            late.setattr(world.target, "changes", lambda link, since: iter([ChangePage((), (), since or "", True)]))
        runner.run(links[1:], Orders("Bob's"))
    for _ in range(3):
        world.sync()
    assert len(world.target.items(BOB)) == 1
    assert len(world.crm.items()) == 1
    world.quiet()


def test_an_update_without_an_answer_is_not_mailed_twice(started: Callable[..., World]) -> None:
    """The first may have gone out: the second try is silent."""
    world = started()
    key = invite(world)
    world.sync()
    write = world.target.write

    def lost(link: Any, writes: Any) -> Iterator[WriteResult]:
        yield WriteResult(key=writes[0].key, error=OutcomeUnknown("no answer"))

    world.crm.user_edit(key, place="Room 9")
    world.target.write = lost  # type: ignore[method-assign, assignment]
    world.sync()
    world.target.write = write  # type: ignore[method-assign]
    assert statuses(world) == [MailStatus.SENT, MailStatus.SENDING]
    world.clock.advance(timedelta(minutes=5))
    world.sync()
    [item] = world.target.items(ANN)
    assert (item.values["location"], mailed(world)) == ("Room 9", [Operation.CREATE])


@pytest.mark.parametrize("on", [False, True])
def test_a_meeting_of_the_crms_over_a_real_server(on: bool) -> None:
    """Ann and Bob are synchronised, Eve is a customer: off, nobody is mailed; on, exactly those two, once."""
    users = (ANN, BOB)
    world = World(*calendars(ON if on else MailPolicy(), *users))
    world.crm.related = True
    with Sandbox(clock=world.clock.now) as sandbox:
        for user in users:
            sandbox.add_mailbox(user)
        plan = plan_for(sandbox.url, username=sandbox.username)
        with closing(connect(plan, sandbox.password)) as connector:
            world.target = connector  # type: ignore[assignment]
            world.sync()
            key = invite(world)
            world.crm.user_share(key, OWNERS[BOB])
            for _ in range(3):
                world.sync()
                world.clock.advance(timedelta(hours=1))
            for user in users:
                assert [item.text("Subject") for item in sandbox.mailbox(user).items()] == ["Plan"]
            world.crm.user_edit(key, place="Room 9")
            for _ in range(3):
                world.sync()
            for user in users:
                assert [item.text("Location") for item in sandbox.mailbox(user).items()] == ["Room 9"]
            assert len(world.crm.items()) == 1
            told = [("request", BOB), ("request", EVE), ("update", BOB), ("update", EVE)]
            assert sandbox.addressees == (told if on else [])
    world.close()


def test_taking_a_run_back_mails_nobody(started: Callable[..., World]) -> None:
    """B-42, B-100: neither the update that is taken back nor the invitation, whatever the policy sends."""
    world = started()
    key = invite(world)
    world.sync()
    world.crm.user_edit(key, place="Room 9")
    world.sync()
    before = mailed(world)
    for undone in (3, 2):
        world.sync(errand=Undo(undone=f"run-{undone}"), allowed=frozenset(Operation))
    world.sync()
    assert world.titles()[0] == []
    assert mailed(world) == before == [Operation.CREATE, Operation.UPDATE]
