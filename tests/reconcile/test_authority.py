"""Whose copy of a meeting counts (B-41): the table, and what each standing lets through."""

from __future__ import annotations

import pytest

from runner.model.meetings import Master, Rank
from runner.model.terms import ConflictPolicy, Direction, OnDrift, Side
from runner.reconcile.authority import (
    Circle,
    Copy,
    Standing,
    claim,
    first_rules,
    is_invited,
    leaves,
    noted,
    rules_for,
    standing,
    standing_of_gone,
)
from runner.reconcile.rules import ItemRules, Unit

ANN, BOB, CAL, EVE = "ann@example.com", "bob@example.com", "cal@example.com", "eve@customer.example"
LINKED = {ANN: "ann", "a.lee@example.com": "ann", BOB: "bob", CAL: "cal"}
U = "uid"


def circle(link: str = "bob", linked: dict[str, str] = LINKED) -> Circle:
    mine = frozenset(address for address, name in LINKED.items() if name == link)
    return Circle(link, mine, linked, frozenset(linked.values()))


def copy(organizer: str | None, response: str | None = "needs_action") -> Copy:
    return Copy(U, organizer, response)


def master(link: str, rank: Rank = Rank.FIRST) -> Master:
    return Master(U, link, rank)


@pytest.mark.parametrize(
    ("held", "noted_master", "expected"),
    [
        (None, None, Standing.ALONE),
        (copy(BOB), None, Standing.ORGANIZES),
        (copy(None, "organizer"), master("cal"), Standing.ORGANIZES),
        (copy(ANN), None, Standing.FOLLOWS),
        (copy("a.lee@example.com"), master("bob"), Standing.FOLLOWS),
        (copy(EVE), None, Standing.SPEAKS),
        (copy(EVE), master("bob"), Standing.SPEAKS),
        (copy(EVE), master("cal"), Standing.FOLLOWS),
        (copy(None), master("cal"), Standing.FOLLOWS),
    ],
)
def test_what_bobs_copy_is_to_its_meeting(held: Copy | None, noted_master: Master | None, expected: Standing) -> None:
    """B-41; every alias of a user is his (B-31)."""
    assert standing(held, circle(), noted_master) is expected


@pytest.mark.parametrize(
    ("held", "noted_master", "expected"),
    [
        (copy(BOB), None, Master(U, "bob", Rank.ORGANIZER)),
        (copy(BOB), master("cal", Rank.ACCEPTED), Master(U, "bob", Rank.ORGANIZER, "cal")),
        (copy(BOB), master("bob", Rank.ORGANIZER), None),
        (copy(ANN), None, Master(U, "ann", Rank.ORGANIZER)),
        (copy(ANN), master("ann", Rank.ORGANIZER), None),
        (copy(ANN), master("bob"), Master(U, "ann", Rank.ORGANIZER, "bob")),
        (copy(EVE), None, Master(U, "bob", Rank.FIRST)),
        (copy(EVE), master("cal"), None),
        (copy(EVE, "tentative"), master("cal"), None),
        (copy(EVE, "accepted"), master("cal"), Master(U, "bob", Rank.ACCEPTED, "cal")),
        (copy(EVE, "accepted"), master("cal", Rank.ACCEPTED), None),
        (copy(EVE, "accepted"), master("bob"), Master(U, "bob", Rank.ACCEPTED, "bob")),
        (copy(EVE, "declined"), master("bob", Rank.ACCEPTED), None),
        (copy(EVE), master("gone", Rank.ACCEPTED), Master(U, "bob", Rank.FIRST, "gone")),
        (copy(EVE), master("gone", Rank.ORGANIZER), Master(U, "bob", Rank.FIRST, "gone")),
    ],
)
def test_what_bobs_copy_claims(held: Copy, noted_master: Master | None, expected: Master | None) -> None:
    """B-41: a synchronised organizer before anybody else, whoever's copy is read first; the first who accepts; who is no
    longer synchronised gives way to the next who comes in."""
    assert claim(held, circle(), noted_master) == expected


@pytest.mark.parametrize(
    ("noted_master", "others", "expected"),
    [
        (None, False, Standing.ALONE),
        (None, True, Standing.FOLLOWS),
        (master("bob", Rank.ORGANIZER), True, Standing.ORGANIZES),
        (master("bob"), True, Standing.SPEAKS),
        (master("cal"), False, Standing.FOLLOWS),
    ],
)
def test_what_a_copy_was_that_is_gone(noted_master: Master | None, others: bool, expected: Standing) -> None:
    assert standing_of_gone(circle(), noted_master, others) is expected


def rules() -> ItemRules:
    def unit(*fields: str) -> Unit:
        return Unit(fields[0], fields, Direction.BOTH, ConflictPolicy.CRM_WINS, "m:1:1")

    units = (unit("title"), unit("start", "duration"), unit("privacy"), unit("free_busy_status"), unit("participants"))
    return ItemRules(units, Direction.BOTH, "t:1:1", on_drift=OnDrift.REVERT)


def directions(narrowed: ItemRules) -> list[str]:
    return [unit.direction.value for unit in narrowed.units]


def test_what_flows_for_each_standing() -> None:
    """Only the organizer's own copy may have its attendees written; nothing of a follower's own flows."""
    assert rules_for(rules(), Standing.ORGANIZES) == rules_for(rules(), Standing.ALONE) == rules()
    assert directions(rules_for(rules(), Standing.SPEAKS)) == ["both", "both", "both", "both", "inbound"]
    follows = rules_for(rules(), Standing.FOLLOWS)
    assert directions(follows) == ["outbound", "outbound", "none", "none", "none"]
    assert (follows.direction, follows.on_drift) == (Direction.OUTBOUND, OnDrift.IGNORE)


def test_a_standing_never_widens_what_a_link_may_do() -> None:
    """B-4."""
    inbound = ItemRules(
        tuple(Unit(u.name, u.fields, Direction.INBOUND, u.conflict, u.rule) for u in rules().units),
        Direction.INBOUND,
        "t:1:1",
    )
    for each in Standing:
        narrowed = rules_for(inbound, each)
        assert not any(unit.direction.writes(Side.TARGET) for unit in narrowed.units)


def test_the_copy_that_counts_wins_over_what_another_copy_made() -> None:
    assert {unit.conflict for unit in first_rules(rules()).units} == {ConflictPolicy.TARGET_WINS}


def test_a_follower_takes_note_and_writes_nothing() -> None:
    decision = noted(rules(), {"title": "A"}, {"title": "B", "privacy": "private"})
    assert not decision.changes
    assert decision.base is not None
    assert (decision.base.crm["title"], decision.base.target["title"]) == ("A", "B")


@pytest.mark.parametrize(
    ("each", "others", "stays"),
    [
        (Standing.ALONE, True, False),
        (Standing.ORGANIZES, True, False),
        (Standing.SPEAKS, False, False),
        (Standing.SPEAKS, True, True),
        (Standing.FOLLOWS, False, True),
    ],
)
def test_whose_delete_is_not_the_records(each: Standing, others: bool, stays: bool) -> None:
    assert (leaves(each, others) is not None) is stays


def test_who_is_among_the_participants_does_not_organize() -> None:
    assert is_invited({"participants": {BOB: "required"}}, circle())
    assert not is_invited({"participants": {EVE: "required"}}, circle())
    assert not is_invited({"participants": None}, circle())
    assert not is_invited(None, circle())


def test_a_master_whose_pair_was_detached_gives_way_to_the_next_copy() -> None:
    """B-41: otherwise nobody's changes would come in any more."""
    circle = Circle("hq/bob/calendar", links=frozenset({"hq/ann/calendar", "hq/bob/calendar"}))
    copy, ann = Copy("uid", None, None), Master("uid", "hq/ann/calendar", Rank.ACCEPTED)
    assert claim(copy, circle, ann) is None
    assert claim(copy, circle, ann, left=True) == Master("uid", "hq/bob/calendar", Rank.FIRST, "hq/ann/calendar")
