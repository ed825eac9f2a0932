"""What an operator's wish for a snapshot means, and what is refused with what to do (B-70)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runner.engine.report import PassReport
from runner.model.errands import Items, Range, Snapshot
from runner.model.errors import PlanStale, UsageError
from runner.model.terms import Side
from runner.service.snapshots import SnapshotWish, demand_approved, planned_by, snapshot_asked
from tests.engine.world import ANN, BOB, link_plan, sync_plan

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
PLAN = sync_plan(link_plan(ANN), link_plan(BOB))


def test_a_target_means_all_of_its_links_and_send_means_that_the_crm_gives() -> None:
    errand, links = snapshot_asked(PLAN, SnapshotWish("send", ("sandbox",)), NOW)
    assert errand == Snapshot(Side.CRM)
    assert [link.user for link in links] == [ANN, BOB]


def test_ranges_are_times_or_lengths_of_time_around_now() -> None:
    wish = SnapshotWish(
        "get",
        (BOB,),
        modified_since="2d",
        start_since="2026-11-01",
        start_until="+30d",
        items="recurring",
        deletes=False,
        rate=300,
    )
    errand, _ = snapshot_asked(PLAN, SnapshotWish.from_plain(wish.as_plain() | {"links": [BOB], "allow": []}), NOW)
    start = Range(datetime(2026, 11, 1, tzinfo=UTC), NOW + timedelta(days=30))
    assert errand == Snapshot(
        Side.TARGET, Range(NOW - timedelta(days=2)), start, Items.RECURRING, deletes=False, rate=300
    )


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (SnapshotWish("send", ()), "needs a TARGET or LINK"),
        (SnapshotWish("send", ("nobody@example.com",)), "no link is called"),
        (SnapshotWish("send", (ANN,), start_since="2d", start_until="2d"), "range of no length"),
        (SnapshotWish("send", (ANN,), modified_since="0d", modified_until="0d"), "range of no length"),
        (SnapshotWish("send", (ANN,), start_since="+2d", start_until="2d"), "range of no length"),
        (SnapshotWish("send", (ANN,), modified_until="soon"), "--modified-until 'soon' is neither a time"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(wish: SnapshotWish, words: str) -> None:
    """Bad input: a range of zero days takes nothing, and so is a mistake."""
    with pytest.raises(UsageError, match=words) as refused:
        snapshot_asked(PLAN, wish, NOW)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "body",
    [{"way": "both"}, {"way": "get", "links": "ann"}, {"way": "get", "items": "some"}]
    + [{"way": "get", "rate": rate} for rate in (0, "300", True)],
)
def test_a_request_that_does_not_read_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="does not read"):
        SnapshotWish.from_plain(body)


def test_only_what_was_shown_is_carried_out() -> None:
    shown, prints = planned_by([PassReport("one", prints={"b": "", "a": ""})])
    assert prints == {"one": {"a", "b"}}
    demand_approved(SnapshotWish("send", (ANN,), approved=shown), shown)
    with pytest.raises(PlanStale):
        demand_approved(SnapshotWish("send", (ANN,), approved=shown), planned_by([PassReport("one", prints={})])[0])
