"""The audit of a link (B-100): it proves that both sides agree, or says where they do not, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.engine.report import PassReport
from runner.model.errands import Audit
from runner.model.proofs import Finding, Phase
from runner.model.state import Commit
from runner.model.terms import ConflictPolicy, Direction
from runner.testing.faults import Crash, Fault, Form, Nth
from tests.engine.world import ANN, OWNERS, World, link_plan, row

MakeWorld = Callable[..., World]


def audited(world: World, **settings: object) -> PassReport:
    return world.sync(errand=Audit(**settings))  # type: ignore[arg-type]


def findings(world: World) -> list[Finding]:
    return [one.finding for one in world.store.proofs()[world.link].found]


@pytest.fixture
def full(world: World) -> World:
    """Seven items in step."""
    for number in range(4):
        world.in_crm(f"From the CRM {number}")
    for number in range(3):
        world.in_outlook(f"From Outlook {number}")
    world.sync()
    world.sync()
    return world


def forget_feed(world: World) -> None:
    """Whatever was observed is lost, as by a bug or a server that does not tell: marks go, cursors stand behind it."""
    world.run(errand=Audit(most=1))
    for link in world.links:
        marks = world.store.marks(link.name, after=0, until=1 << 60, limit=1000, now=world.clock.now())
        world.store.commit(Commit(settled=tuple(mark.seq for mark in marks)))


def test_two_sides_that_agree_are_proven_equal(full: World) -> None:
    before = full.boundary.calls
    report = audited(full)
    proof = full.store.proofs()[full.link]
    assert not report.counts["left"]
    assert proof.counts["equal"] == 7
    assert proof.phase is Phase.DONE
    assert proof.proven is not None
    assert proof.finished is not None
    assert not full.boundary.writes(since=before)


def test_a_change_that_nobody_told_of_is_drift_and_is_repaired_by_an_ordinary_pass(full: World) -> None:
    full.target.user_edit(full.outlook()["From the CRM 1"].key, location="Elsewhere")
    forget_feed(full)
    assert not full.sync().writes
    proven = full.store.proofs().get(full.link)
    report = audited(full, anew=True)
    assert findings(full) == [Finding.DRIFT]
    assert "location" in report.left[0].reason
    assert full.store.proofs()[full.link].proven == (proven.proven if proven else None)
    audited(full, anew=True, repair=True)
    assert full.sync().counts["crm.update"] == 1
    audited(full)
    assert findings(full) == []
    assert full.records()["From the CRM 1"].values["place"] == "Elsewhere"


def test_what_went_without_a_word_is_missing_and_what_came_is_an_orphan(full: World) -> None:
    full.target.user_delete(full.outlook()["From the CRM 1"].key, hard=True)
    full.in_outlook("Unheard of")
    full.crm.user_create(OWNERS[ANN], row("Unheard of too"))
    full.run(errand=Audit(most=1))
    forget_feed(full)
    audited(full, anew=True, repair=True)
    assert sorted(findings(full)) == [Finding.MISSING, Finding.ORPHAN, Finding.ORPHAN]
    full.sync()
    full.sync()
    audited(full)
    assert findings(full) == []
    assert full.titles()[0] == full.titles()[1]
    assert "From the CRM 1" not in full.titles()[0]


def test_what_waits_or_is_ruled_so_is_no_finding(make_world: MakeWorld) -> None:
    """A held conflict, a fresh edit, an item outside the window, an item in quarantine."""
    world = make_world(link_plan(by_field={"title": ConflictPolicy.MANUAL}))
    for title in ("Held", "Fresh"):
        world.in_crm(title)
    world.in_outlook("Long ago", start="2019-03-03T10:00:00")
    world.crm.user_create(OWNERS[ANN], row("Spoilt", priority="Z"))
    world.sync()
    world.sync()
    world.crm.user_edit(world.records()["Held"].key, subject="A")
    world.target.user_edit(world.outlook()["Held"].key, title="B")
    world.sync()
    world.target.user_edit(world.outlook()["Fresh"].key, location="Elsewhere")
    audited(world)
    assert findings(world) == []


def test_an_edit_on_a_read_only_side_is_no_finding(make_world: MakeWorld) -> None:
    """B-5: it is drift that the rules leave."""
    world = make_world(link_plan(direction=Direction.OUTBOUND))
    world.in_crm("Lunch")
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, location="Elsewhere")
    world.sync()
    audited(world)
    assert findings(world) == []
    assert world.store.proofs()[world.link].counts["agreed"] == 1


def test_a_dead_watermark_is_found_and_mended(full: World) -> None:
    """B-74."""
    full.target.forget_watermarks(ANN)
    audited(full, repair=True)
    assert findings(full) == [Finding.WATERMARK]
    full.sync()
    audited(full)
    assert findings(full) == []


def test_an_audit_goes_on_where_it_was_killed(full: World) -> None:
    """Slice by slice, and after a crash in the middle of one."""
    slices = 0
    full.disturb(Nth("target", "get", Fault(Form.CRASH_BEFORE)))
    with pytest.raises(Crash):
        audited(full, most=3)
    full.boundary.faults = None
    while not (full.store.proofs().get(full.link) and full.store.proofs()[full.link].finished):
        audited(full, most=3)
        slices += 1
        assert slices < 20
    assert full.store.proofs()[full.link].counts["equal"] == 7
    assert findings(full) == []


def test_an_audit_goes_as_slowly_as_it_is_told(full: World) -> None:
    waits: list[float] = []
    full.sync(errand=Audit(rate=60), pause=waits.append)
    assert sum(waits) == pytest.approx(7, abs=1)


def test_a_link_before_its_first_sync_has_nothing_to_prove(world: World) -> None:
    [report] = world.run(errand=Audit())
    assert report.skipped
    assert not world.store.proofs()
