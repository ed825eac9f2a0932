"""Series through the engine: occurrences edited on both sides, splits in either program (B-36, B-37, B-60, B-63)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model.overrides import LEFT_OUT, OVERRIDES, canonical_overrides, patches_of
from runner.model.record import Fields, Value
from runner.model.terms import ConflictPolicy, EditVsDelete, Side
from runner.testing.store import MemoryStore
from tests.engine.conftest import MakeWorld
from tests.engine.world import World, event, link_plan, mapping, row

MAPPING = mapping()
DAYS = ("2026-03-03", "2026-03-10", "2026-03-17", "2026-03-24", "2026-03-31")  # Tuesdays; the clocks change on the 29th
WEEKLY = "FREQ=WEEKLY;BYDAY=TU"


def canonical(values: Fields) -> Fields:
    """Exchange has no exception on a day that its pattern leaves out."""
    return {**values, OVERRIDES: canonical_overrides(values, patches_of(values))}


def in_world(world: World) -> World:
    world.target.normalise = canonical
    return world


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return in_world(make_world(link_plan()))


def in_crm(world: World, title: str, patches: Mapping[str, Fields] | None = None, **more: Value) -> str:
    return world.crm.user_create("7", row(title, **{"recurrence_rule": WEEKLY, "occurrences": patches, **more}))


def series_of(world: World, title: str) -> tuple[Fields, Fields]:
    """What both sides hold of a series, in record fields."""
    crm = MAPPING.outbound(world.records()[title].values)
    target = world.outlook()[title].values
    return crm, {name: target.get(name) for name in crm}


def in_step(world: World, *titles: str) -> None:
    """Both sides hold exactly these series, equal in every mapped field, and nobody has anything more to say."""
    assert world.titles() == (sorted(titles), sorted(titles))
    for title in titles:
        crm, target = series_of(world, title)
        assert crm == target, title
    assert not world.sync().writes
    world.quiet()


def test_b36_a_series_goes_to_outlook_with_its_occurrences(world: World) -> None:
    in_crm(world, "Jour fixe", {DAYS[1]: {"subject": "Own", "place": ""}, DAYS[2]: LEFT_OUT})
    world.sync()
    in_step(world, "Jour fixe")
    held = world.outlook()["Jour fixe"].values
    assert held["recurrence_rule"] == WEEKLY
    assert held[OVERRIDES] == {DAYS[1]: {"location": None, "title": "Own"}, DAYS[2]: LEFT_OUT}


def test_b36_a_series_comes_from_outlook_with_its_occurrences(world: World) -> None:
    moved = {"start": "2026-03-31T15:00:00"}
    world.in_outlook("Jour fixe", recurrence_rule=WEEKLY, recurrence_overrides={DAYS[4]: moved, DAYS[0]: LEFT_OUT})
    world.sync()
    in_step(world, "Jour fixe")
    assert world.records()["Jour fixe"].values["occurrences"] == {
        DAYS[0]: LEFT_OUT,
        DAYS[4]: {"starts_at": "2026-03-31T13:00:00Z", "ends_at": "2026-03-31T14:00:00Z"},
    }


def test_b36_occurrences_edited_on_both_sides_merge_and_the_series_goes_on(world: World) -> None:
    """The series' row and rows of its occurrences edited in one pass, and other occurrences in Outlook."""
    key = in_crm(world, "Jour fixe", {DAYS[0]: {"place": "Hall"}})
    world.sync()
    world.crm.user_edit(
        key,
        notes="New agenda",
        occurrences={DAYS[0]: {"place": "Hall"}, DAYS[1]: {"subject": "Own"}, DAYS[2]: LEFT_OUT},
    )
    item = world.outlook()["Jour fixe"]
    own = {DAYS[0]: {"location": "Hall", "priority": 1}, DAYS[3]: {"start": "2026-03-24T16:00:00"}, DAYS[4]: LEFT_OUT}
    world.target.user_edit(item.key, recurrence_overrides=own)
    report = world.sync()
    in_step(world, "Jour fixe")
    assert (report.counts["crm.update"], report.counts["target.update"]) == (1, 1)
    assert not world.store.conflicts()
    crm, _ = series_of(world, "Jour fixe")
    assert crm["description"] == "New agenda"
    assert crm[OVERRIDES] == {**own, DAYS[1]: {"title": "Own"}, DAYS[2]: LEFT_OUT}


@pytest.mark.parametrize(
    ("policy", "left"),
    [(EditVsDelete.EDIT_WINS, {"title": "Edited"}), (EditVsDelete.DELETE_WINS, LEFT_OUT), (EditVsDelete.MANUAL, None)],
)
@pytest.mark.parametrize("editor", Side)
def test_b63_an_occurrence_edited_here_and_deleted_there(
    make_world: MakeWorld, editor: Side, policy: EditVsDelete, left: Fields | None
) -> None:
    world = in_world(make_world(link_plan(edit_vs_delete=policy)))
    key = in_crm(world, "Jour fixe")
    world.sync()
    crm, target = ({"subject": "Edited"}, LEFT_OUT) if editor is Side.CRM else (LEFT_OUT, {"title": "Edited"})
    world.crm.user_edit(key, occurrences={DAYS[1]: crm, DAYS[2]: {"place": "Hall"}})
    world.target.user_edit(world.outlook()["Jour fixe"].key, recurrence_overrides={DAYS[1]: target})
    world.sync()
    (conflict,) = world.store.conflicts()
    assert conflict.field == f"occurrence {DAYS[1]}"
    held = [patches_of(record) for record in series_of(world, "Jour fixe")]
    assert [patches[DAYS[2]] for patches in held] == [{"location": "Hall"}] * 2
    if left is not None:
        in_step(world, "Jour fixe")
        assert held[0][DAYS[1]] == left
    else:
        assert held[0][DAYS[1]] != held[1][DAYS[1]]


def test_b62_the_losing_edit_of_one_occurrence_is_in_the_ledger(world: World) -> None:
    key = in_crm(world, "Jour fixe")
    world.sync()
    world.crm.user_edit(key, occurrences={DAYS[1]: {"place": "Hall"}})
    world.target.user_edit(world.outlook()["Jour fixe"].key, recurrence_overrides={DAYS[1]: {"location": "Garden"}})
    world.sync()
    in_step(world, "Jour fixe")
    (conflict,) = world.store.conflicts()
    assert (conflict.field, conflict.crm, conflict.target) == (
        f"location on {DAYS[1]}", {"location": "Hall"}, {"location": "Garden"},
    )  # fmt: skip


CUT = "FREQ=WEEKLY;UNTIL=20260316;BYDAY=TU"
REST_OF_IT: dict[str, Value] = {"starts_at": "2026-03-17T09:00:00Z", "ends_at": "2026-03-17T10:00:00Z"}


def test_b37_this_and_all_following_in_the_crm(world: World) -> None:
    """The old series is cut and a new one starts, each with its own customised occurrences."""
    early, late = {DAYS[1]: {"place": "Hall"}}, {DAYS[2]: LEFT_OUT, DAYS[3]: {"subject": "Own"}}
    key = in_crm(world, "Old", {**early, **late})
    world.sync()
    before = world.outlook()["Old"].key
    world.crm.user_edit(key, recurrence_rule=CUT, occurrences=early)
    in_crm(world, "New", {DAYS[3]: {"subject": "Own"}, DAYS[4]: {"place": "Garden"}}, **REST_OF_IT)
    report = world.sync()
    in_step(world, "New", "Old")
    assert not world.store.conflicts()
    assert (report.counts["target.update"], report.counts["target.create"], report.counts["crm.update"]) == (1, 1, 0)
    outlook = world.outlook()
    assert outlook["Old"].key == before
    assert (outlook["Old"].values["recurrence_rule"], outlook["Old"].values[OVERRIDES]) == (
        CUT, {DAYS[1]: {"location": "Hall"}},
    )  # fmt: skip
    assert outlook["New"].values[OVERRIDES] == {DAYS[3]: {"title": "Own"}, DAYS[4]: {"location": "Garden"}}


def test_b37_rows_that_the_crm_left_behind_the_end_are_no_difference(world: World) -> None:
    """A CRM that cuts the rule and moves no rows: the same outcome, and nothing that comes back."""
    patches = {DAYS[1]: {"place": "Hall"}, DAYS[3]: {"subject": "Own"}}
    key = in_crm(world, "Old", patches)
    world.sync()
    world.crm.user_edit(key, recurrence_rule=CUT)
    world.sync()
    in_step(world, "Old")
    assert world.outlook()["Old"].values[OVERRIDES] == {DAYS[1]: {"location": "Hall"}}
    assert not world.store.conflicts()


def test_b37_this_and_all_following_in_outlook(world: World) -> None:
    late = {DAYS[2]: LEFT_OUT, DAYS[3]: {"subject": "Own"}}
    in_crm(world, "Old", {DAYS[1]: {"place": "Hall"}, **late})
    world.sync()
    key = world.outlook()["Old"].key
    world.target.user_edit(key, recurrence_rule=CUT, recurrence_overrides={DAYS[1]: {"location": "Hall"}})
    new = {"start": "2026-03-17T10:00:00", "recurrence_rule": WEEKLY, OVERRIDES: {DAYS[3]: {"title": "Own"}}}
    world.in_outlook("New", **new)
    report = world.sync()
    in_step(world, "New", "Old")
    assert not world.store.conflicts()
    assert (report.counts["crm.update"], report.counts["crm.create"], report.counts["target.update"]) == (1, 1, 0)
    assert world.records()["Old"].values["occurrences"] == {DAYS[1]: {"place": "Hall"}}
    assert world.records()["New"].values["occurrences"] == {DAYS[3]: {"subject": "Own"}}


def test_b37_an_occurrence_edited_in_outlook_behind_the_crms_cut_is_kept_in_the_ledger(make_world: MakeWorld) -> None:
    world = in_world(make_world(link_plan(conflict=ConflictPolicy.TARGET_WINS)))
    key = in_crm(world, "Old")
    world.sync()
    world.crm.user_edit(key, recurrence_rule=CUT)
    world.target.user_edit(world.outlook()["Old"].key, recurrence_overrides={DAYS[3]: {"title": "Edited"}})
    world.sync()
    in_step(world, "Old")
    (conflict,) = world.store.conflicts()
    assert (conflict.field, conflict.winner, conflict.target) == (
        f"occurrence {DAYS[3]}",
        Side.CRM,
        {"title": "Edited"},
    )


def test_b37_on_the_first_occurrence_there_is_no_split(world: World) -> None:
    patches = {DAYS[1]: {"subject": "Own"}, DAYS[2]: {"place": "Hall"}}
    key = in_crm(world, "Jour fixe", patches)
    world.sync()
    before = world.outlook()["Jour fixe"].key
    world.crm.user_edit(key, subject="Renamed", place="Garden")
    report = world.sync()
    in_step(world, "Renamed")
    assert (report.counts["target.update"], report.counts["target.create"]) == (1, 0)
    held = world.outlook()["Renamed"]
    assert (held.key, held.values[OVERRIDES]) == (before, {DAYS[1]: {"title": "Own"}, DAYS[2]: {"location": "Hall"}})


def test_a_row_for_a_day_that_the_series_does_not_have_is_nothing_to_synchronise(world: World) -> None:
    key = in_crm(world, "Jour fixe")
    world.sync()
    world.crm.user_edit(key, occurrences={"2026-03-04": {"subject": "Wednesday"}})
    assert not world.sync().writes
    in_step(world, "Jour fixe")


def test_a_series_that_starts_at_another_hour_keeps_its_occurrences(world: World) -> None:
    key = in_crm(world, "Jour fixe", {DAYS[1]: {"subject": "Own"}, DAYS[2]: LEFT_OUT})
    world.sync()
    world.crm.user_edit(key, starts_at="2026-03-03T07:00:00Z", ends_at="2026-03-03T08:00:00Z")
    world.target.user_edit(world.outlook()["Jour fixe"].key, location="Hall")
    world.sync()
    in_step(world, "Jour fixe")
    crm, _ = series_of(world, "Jour fixe")
    assert (crm["start"], crm["location"], crm[OVERRIDES]) == (
        "2026-03-03T08:00:00", "Hall", {DAYS[1]: {"title": "Own"}, DAYS[2]: LEFT_OUT},
    )  # fmt: skip


def test_five_thousand_exceptions_merge_one_by_one() -> None:
    world = in_world(World(link_plan(), store=MemoryStore()))
    record = event("Daily", recurrence_rule="FREQ=DAILY;COUNT=5000")
    start = MAPPING.inbound(record)["starts_at"]
    days = [str(day) for day in _days(5000)]
    key = in_crm(
        world,
        "Daily",
        {day: {"subject": day} for day in days},
        recurrence_rule="FREQ=DAILY;COUNT=5000",
        starts_at=start,
    )
    world.sync()
    world.crm.user_edit(key, occurrences={day: {"subject": "x" if n == 7 else day} for n, day in enumerate(days)})
    own = {day: {"title": "y" if n == 4000 else day} for n, day in enumerate(days)}
    world.target.user_edit(world.outlook()["Daily"].key, recurrence_overrides=own)
    world.sync()
    in_step(world, "Daily")
    crm, _ = series_of(world, "Daily")
    patches = patches_of(crm)
    assert (len(patches), patches[days[7]], patches[days[4000]]) == (5000, {"title": "x"}, {"title": "y"})
    assert not world.store.conflicts()


def _days(count: int) -> list[date]:
    return [date(2026, 3, 3) + timedelta(days=n) for n in range(count)]


crm_patch = st.one_of(
    st.just(LEFT_OUT),
    st.fixed_dictionaries({}, optional={"subject": st.sampled_from("ABC"), "place": st.sampled_from(("R1", ""))}),
)
target_patch = st.one_of(
    st.just(LEFT_OUT),
    st.fixed_dictionaries(
        {}, optional={"title": st.sampled_from("ABC"), "start": st.just("2026-03-11T08:00:00"), "priority": st.just(1)}
    ).filter(bool),
)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("crm"), st.dictionaries(st.sampled_from(DAYS), crm_patch, max_size=3)),
        st.tuples(st.just("target"), st.dictionaries(st.sampled_from(DAYS), target_patch, max_size=3)),
        st.tuples(st.just("cut crm"), st.sampled_from((WEEKLY, CUT, "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"))),
        st.tuples(st.just("cut target"), st.sampled_from((WEEKLY, CUT, "FREQ=WEEKLY;COUNT=3;BYDAY=TU"))),
        st.tuples(st.just("sync"), st.none()),
    ),
    max_size=7,
)


@settings(max_examples=60, deadline=None)
@given(edits)
def test_whatever_both_sides_do_to_a_series_they_end_alike(steps: list[tuple[str, object]]) -> None:
    world = in_world(World(link_plan(), store=MemoryStore()))
    key = in_crm(world, "Jour fixe", {DAYS[1]: {"subject": "Own"}})
    world.sync()
    for who, what in steps:
        item = world.outlook()["Jour fixe"]
        if who == "crm":
            world.crm.user_edit(key, occurrences=what or None)  # type: ignore[arg-type]
        elif who == "target":
            world.target.user_edit(item.key, recurrence_overrides=what or None)  # type: ignore[arg-type]
        elif who == "cut crm":
            world.crm.user_edit(key, recurrence_rule=str(what))
        elif who == "cut target":
            world.target.user_edit(item.key, recurrence_rule=str(what))
        else:
            world.sync()
    world.settled()
    in_step(world, "Jour fixe")
