"""Expanding snapshots (B-71): a first sync that grows, window by window, so many items a minute, in its hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from runner.engine.explain import explain
from runner.model.meetings import MailKind
from runner.reconcile.expanding import Expansion
from runner.reconcile.firewall import MailPolicy
from runner.reconcile.hours import Hours
from tests.engine.world import World, link_plan

MakeWorld = Callable[..., World]
DAY = timedelta(days=1)
START = datetime(2026, 3, 3, 9, 0)  # noqa: DTZ001 - written as text with its zone


def ahead(world: World, title: str, days: int) -> None:
    """A record that many days ahead; the world's clock stands at the second of March."""
    begin = START + timedelta(days=days)
    world.in_crm(title, starts_at=f"{begin.isoformat()}Z", ends_at=f"{(begin + timedelta(hours=1)).isoformat()}Z")


def growing(**changes: object) -> Expansion:
    return Expansion(DAY, 7 * DAY, **{"steps": 3, "times_future": 4.0, **changes})  # type: ignore[arg-type]


def test_each_pass_that_is_done_widens_the_window_until_it_is_the_links_own(make_world: MakeWorld) -> None:
    world = make_world(link_plan(expand=growing()))
    for title, days in (("Near", 2), ("Later", 20), ("Far", 200)):
        ahead(world, title, days)
    seen = []
    for _ in range(4):
        world.sync()
        seen.append((sorted(world.outlook()), world.store.link(world.link).step))
    near, later, far = ["Near"], ["Later", "Near"], ["Far", "Later", "Near"]
    assert seen == [(near, 2), (later, 3), (far, 0), (far, 0)]
    world.quiet()


def test_what_is_in_step_already_goes_on_meanwhile_and_what_is_new_waits_its_turn(make_world: MakeWorld) -> None:
    world = make_world(link_plan(expand=growing(per_minute=1)))
    for title, days in (("One", 1), ("Two", 2), ("Far", 200)):
        ahead(world, title, days)
    world.sync()
    [first] = world.outlook()
    world.crm.user_edit(world.records()[first].key, place="Hall")
    world.sync()
    assert world.outlook()[first].values["location"] == "Hall"
    assert "Far" not in world.outlook()


def test_who_asks_about_an_item_that_waits_is_told_why(make_world: MakeWorld) -> None:
    """B-71: `the next pass writes it` would be wrong of it."""
    hours = Hours(begin=time(20), end=time(6), zone="Etc/UTC")
    world = make_world(link_plan(expand=growing(during=hours)))
    ahead(world, "Near", 2)
    ahead(world, "Far", 200)
    world.sync()
    told = {}
    for title, record in world.records().items():
        [item] = explain(world.runner(), list(world.links), record.key).items
        told[title] = (item.outcome, item.reasons[0])
    waits = "it waits its turn in a first sync that grows"
    assert told["Near"] == (
        waits,
        "its turn comes at 2026-03-02 20:00 UTC, by the pace and the hours that `expand` allows",
    )
    assert told["Far"] == (waits, "it lies beyond window 1 of at most 3 of `expand`: a later one takes it in")
    world.clock.advance(hours.opens(world.clock.now()) - world.clock.now())
    world.sync()
    [item] = explain(world.runner(), list(world.links), world.records()["Near"].key).items
    assert item.outcome == "in step"


def test_no_more_items_a_minute_than_are_allowed(make_world: MakeWorld) -> None:
    """Each is given a minute of its own, so that nothing is read again and again while it waits."""
    world = make_world(link_plan(expand=growing(per_minute=2, steps=2)))
    for number in range(5):
        ahead(world, f"Item {number}", 1)
    counts = []
    for _ in range(4):
        before = world.boundary.calls
        world.sync()
        reads = [t.call for t in world.boundary.trace if t.call.index >= before and t.call.name == "get"]
        counts.append((len(world.outlook()), bool(reads)))
    assert [count for count, _ in counts] == [2, 4, 5, 5]
    assert world.store.link(world.link).step == 0


def test_it_goes_on_in_its_hours_only(make_world: MakeWorld) -> None:
    hours = Hours(begin=time(20), end=time(6), zone="Etc/UTC")
    world = make_world(link_plan(expand=growing(during=hours)))
    ahead(world, "Near", 2)
    world.sync()
    assert not world.outlook()
    world.clock.advance(timedelta(hours=3))
    world.sync()
    assert not world.outlook()
    world.clock.advance(hours.opens(world.clock.now()) - world.clock.now())
    world.sync()
    assert list(world.outlook()) == ["Near"]


def test_pairs_are_found_at_once_whatever_their_window(make_world: MakeWorld) -> None:
    """B-72: what is on both sides is paired before anything is created, and never doubled by a later step."""
    world = make_world(link_plan(expand=growing()))
    ahead(world, "Far", 200)
    day = (START + 200 * DAY).date().isoformat()
    world.in_outlook("Far", start=f"{day}T11:00:00")  # nine UTC is eleven in Vienna's summer
    for _ in range(4):
        world.sync()
    assert world.titles() == (["Far"], ["Far"])
    assert len(world.pairings()) == 1


def test_a_rehearsal_shows_the_next_step_and_moves_nothing(make_world: MakeWorld) -> None:
    world = make_world(link_plan(expand=growing()))
    ahead(world, "Near", 2)
    ahead(world, "Far", 200)
    assert world.sync(rehearse=True).counts["target.create"] == 1
    assert world.store.link(world.link).step == 0
    world.sync()
    assert list(world.outlook()) == ["Near"]


def test_taking_it_out_of_the_yaml_lets_everything_in(make_world: MakeWorld) -> None:
    world = make_world(link_plan(expand=growing()))
    ahead(world, "Far", 200)
    world.sync()
    assert not world.outlook()
    world.links = [link_plan()]
    world.sync()
    assert list(world.outlook()) == ["Far"]
    assert world.store.link(world.link).step == 0


def test_a_link_that_is_in_step_does_not_begin_to_grow(make_world: MakeWorld) -> None:
    world = make_world(link_plan())
    ahead(world, "Near", 2)
    world.sync()
    world.links = [link_plan(expand=growing())]
    ahead(world, "Far", 200)
    world.sync()
    assert sorted(world.outlook()) == ["Far", "Near"]


def test_no_step_of_a_first_sync_mails_anybody(make_world: MakeWorld) -> None:
    """B-42: an item of a later window is a first sync's all the same."""
    world = make_world(link_plan(expand=growing(), mail=MailPolicy(send=frozenset(MailKind))))
    ahead(world, "Far", 200)
    for _ in range(4):
        world.sync()
    assert list(world.outlook()) == ["Far"]
    assert not world.store.mails()
