"""Guards (B-101): what trips, what never does, and what the operator is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.terms import Operation
from runner.reconcile.guards import Circumstances, Limit, Limits, Trip, assess, measure

counts = st.dictionaries(st.sampled_from(Operation), st.integers(0, 300))
limit = st.builds(
    Limit,
    count=st.none() | st.integers(0, 200),
    ratio=st.none() | st.floats(0, 1),
    floor=st.integers(0, 30),
    rule=st.just("t.yaml:8:9"),
)
any_limits = st.builds(Limits, st.dictionaries(st.sampled_from(Operation), limit))
known_items = st.integers(0, 400)


def codes(wanted: int, known: int, operation: Operation = Operation.DELETE, **more: object) -> list[str]:
    spent = {operation: int(str(more.get("spent", 0)))}
    return [trip.code for trip in assess("hq/ann", {operation: wanted}, spent, known, Limits())]


@pytest.mark.parametrize(
    ("wanted", "known", "expected"),
    [
        (30, 100, []),
        (31, 100, ["G101"]),
        (10, 20, []),  # the floor: small folders may lose ten items
        (11, 20, ["G101"]),
        (50, 1000, []),
        (51, 1000, ["G104"]),
        (100, 100, ["G101", "G103", "G104"]),
        (1, 1, []),  # a link with a single item is not emptied by losing it
        (2, 2, ["G103"]),
    ],
)
def test_deletes_by_ratio_count_and_emptiness(wanted: int, known: int, expected: list[str]) -> None:
    assert codes(wanted, known) == expected


def test_updates_by_ratio() -> None:
    assert codes(500, 1000, Operation.UPDATE) == []
    assert codes(501, 1000, Operation.UPDATE) == ["G102"]


def test_a_small_folder_may_be_edited_all_day() -> None:
    """The floor: a hundred updates within a day are no blast, however few the items are."""
    assert codes(5, 10, Operation.UPDATE, spent=95) == []
    assert codes(6, 10, Operation.UPDATE, spent=95) == ["G102"]


def around(operation: Operation, wanted: int, **more: object) -> list[str]:
    """What trips at a thousand known items."""
    limits = Limits(
        {},
        per_target={Operation.DELETE: Limit(ratio=0.1, floor=200), Operation.CREATE: Limit(count=50)},
        per_run={Operation.CREATE: Limit(count=40)},
    )
    trips = assess("hq/ann", {operation: wanted}, {}, 1000, limits, around=Circumstances(**more))  # type: ignore[arg-type]
    assert all(trip.remedy for trip in trips)
    return [trip.code for trip in trips]


def test_a_target_has_a_limit_over_all_its_links() -> None:
    """B-101: many links' small deletes are one large one."""
    assert around(Operation.DELETE, 20, target_spent={Operation.DELETE: 180}, target_known=900) == []
    assert around(Operation.DELETE, 21, target_spent={Operation.DELETE: 180}, target_known=900) == ["G105"]
    assert around(Operation.DELETE, 300, target_known=3000) == []
    assert around(Operation.DELETE, 301, target_known=3000) == ["G105"]
    assert around(Operation.CREATE, 1, target_spent={Operation.CREATE: 50}) == ["G105"]


def test_a_run_has_a_limit_over_all_its_links() -> None:
    """B-101."""
    assert around(Operation.CREATE, 10, run_spent={Operation.CREATE: 30}) == []
    assert around(Operation.CREATE, 11, run_spent={Operation.CREATE: 30}) == ["G106"]


def test_a_first_sync_that_nothing_pairs_makes_nothing() -> None:
    """B-72, B-101."""
    assert around(Operation.CREATE, 1, unmatched=True) == ["G107"]
    assert around(Operation.UPDATE, 1, unmatched=True) == []


def test_a_changed_configuration_may_rewrite_a_third() -> None:
    """B-101."""
    assert around(Operation.UPDATE, 300, rewriting=True) == []
    assert around(Operation.UPDATE, 301, rewriting=True) == ["G108"]


def test_creates_are_free_unless_limited() -> None:
    assert codes(10_000, 0, Operation.CREATE) == []
    limits = Limits({Operation.CREATE: Limit(count=5, ratio=0.1, floor=2)})
    assert [trip.code for trip in assess("l", {Operation.CREATE: 6}, {}, 10, limits)] == ["G104", "G109"]


def test_many_small_passes_cannot_do_what_one_may_not() -> None:
    """Deletes of the last 24 hours count, against the items that were there before them (fault L7)."""
    assert codes(10, 80, spent=20) == []
    assert codes(11, 80, spent=20) == ["G101"]
    assert codes(1, 1, spent=9) == ["G103"]


def test_the_operator_is_told_figures_limit_place_and_way_out() -> None:
    (trip,) = assess(
        "hq/ann", {Operation.DELETE: 104}, {}, 261, Limits({Operation.DELETE: Limit(ratio=0.3, rule="hq.yaml:12:5")})
    )
    assert str(trip) == (
        "G101 hq/ann: 104 of 261 items (40 %) would be deleted; the limit is 78 (hq.yaml:12:5). "
        "Nothing of that kind was written."
    )
    assert "--allow-deletes" in trip.remedy
    assert "guards.max_deletes" in trip.remedy


def test_what_stopped_an_errand_is_allowed_by_the_errands_own_command() -> None:
    """`exsync apply` would run a pass, and take nothing back."""
    trip = Trip(
        "G103", "hq/ann", Operation.DELETE, 2, 0, 2, 1, "built in", "exsync undo 4f7de262 --link hq/ann --apply"
    )
    assert "`exsync undo 4f7de262 --link hq/ann --apply --allow-deletes`" in trip.remedy
    assert "exsync apply" not in trip.remedy


def test_an_emptied_side_is_not_talked_into_a_higher_limit() -> None:
    limits = Limits({Operation.DELETE: Limit(ratio=1.0, count=None)})
    (trip,) = assess("hq/ann", {Operation.DELETE: 40}, {}, 40, limits)
    assert trip.code == "G103"
    assert "max_deletes" not in trip.remedy
    assert "--allow-deletes" in trip.remedy


@settings(max_examples=500, deadline=None, derandomize=True)
@given(counts, counts, known_items, any_limits, st.sampled_from(Operation), st.integers(0, 50))
def test_wanting_more_never_frees(
    wanted: dict[Operation, int],
    spent: dict[Operation, int],
    known: int,
    limits: Limits,
    operation: Operation,
    more: int,
) -> None:
    before = {(trip.code, trip.operation) for trip in assess("l", wanted, spent, known, limits)}
    larger = {**wanted, operation: wanted.get(operation, 0) + more}
    assert before <= {(trip.code, trip.operation) for trip in assess("l", larger, spent, known, limits)}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(counts, counts, known_items, any_limits, st.frozensets(st.sampled_from(Operation)))
def test_an_allowance_silences_its_own_operation_only(
    wanted: dict[Operation, int],
    spent: dict[Operation, int],
    known: int,
    limits: Limits,
    allowed: frozenset[Operation],
) -> None:
    trips = assess("l", wanted, spent, known, limits)
    left = tuple(trip for trip in trips if trip.operation not in allowed)
    assert assess("l", wanted, spent, known, limits, allowed) == left


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(2, 5000), any_limits, counts)
def test_an_empty_source_never_passes(known: int, limits: Limits, spent: dict[Operation, int]) -> None:
    """Whatever is configured: losing every known item needs a person's word (argo-cd#3484, external-dns#1238)."""
    trips = assess("l", {Operation.DELETE: known}, spent, known, limits)
    assert "G103" in {trip.code for trip in trips}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(counts, known_items, any_limits)
def test_what_is_not_wanted_never_trips(spent: dict[Operation, int], known: int, limits: Limits) -> None:
    assert assess("l", {}, spent, known, limits) == ()


def test_gauges_show_guards_that_passed() -> None:
    gauges = measure({Operation.DELETE: 3}, {Operation.DELETE: 1}, 100, Limits())
    deletes = {(g.code, g.wanted, g.spent, g.limit, g.exceeded) for g in gauges if g.operation is Operation.DELETE}
    assert deletes == {
        ("G101", 3, 1, 30, False),
        ("G103", 3, 1, 100, False),
        ("G104", 3, 1, 50, False),
        ("G105", 3, 0, 200, False),
    }
