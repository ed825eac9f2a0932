"""A local start is never read in another side's zone (B-46)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.model.moments import moment_at
from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, Side
from runner.reconcile.decision import Presented
from runner.reconcile.merge import reconcile
from runner.reconcile.rules import ItemRules, Unit

WHEN = Unit("interval", ("start", "time_zone", "duration"), Direction.BOTH, ConflictPolicy.CRM_WINS, "m.yaml:1:1")
RULES = ItemRules((WHEN,), Direction.BOTH, "t.yaml:1:1")
ZONES = st.sampled_from(("Europe/Vienna", "Europe/Berlin", "Europe/London", "America/New_York"))
STARTS = st.sampled_from(("2026-03-05T09:00:00", "2026-03-05T10:00:00", "2026-07-01T09:00:00"))
whens = st.builds(lambda start, zone: {"start": start, "time_zone": zone, "duration": "PT1H"}, STARTS, ZONES)


@given(whens, whens, STARTS, st.sampled_from(Side))
def test_who_gets_a_start_gets_the_moment_that_was_meant(crm: Fields, target: Fields, start: str, mover: Side) -> None:
    """Both sides were agreed in zones of their own; one of them moves the start and nothing else."""
    now = {Side.CRM: crm, Side.TARGET: target}
    moved = {**now, mover: {**now[mover], "start": start}}
    decision = reconcile(Base(crm, target), Presented(moved[Side.CRM]), Presented(moved[Side.TARGET]), RULES)
    for change in decision.changes:
        meant = moment_at(str(moved[mover]["start"]), str(moved[mover]["time_zone"]))
        assert change.side is mover.other
        assert moment_at(str(change.values["start"]), str(change.values["time_zone"])) == meant
    if moved[mover] != now[mover] and start != now[mover.other]["start"]:
        assert decision.changes


def test_another_name_of_the_same_zone_stays_as_it_is() -> None:
    crm = {"start": "2026-03-05T09:00:00", "time_zone": "Europe/Vienna", "duration": "PT1H"}
    target = {**crm, "time_zone": "Europe/Berlin"}
    moved = {**target, "start": "2026-03-05T10:00:00"}
    (change,) = reconcile(Base(crm, target), Presented(crm), Presented(moved), RULES).changes
    assert change.fields == {"start"}
