"""Private items (B-35, D12, P8): what stays on the target, what comes in, what is blanked, removed and forgotten."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from runner.engine.report import PassReport
from runner.model.state import Commit, PairingStatus
from runner.model.terms import Direction, Operation, Private, Side
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.rendering import as_json, markdown, text
from runner.testing.store import MemoryStore
from tests.engine.world import ANN, OWNERS, World, event, link_plan

MakeWorld = Callable[..., World]
CANARY = "Canary-7c1e"
WORDS = {"title": f"{CANARY} t", "description": f"{CANARY} d", "location": f"{CANARY} l", "keywords": (CANARY,)}
HIDING = (Private.BUSY_ONLY, Private.SKIP)
policies = pytest.mark.parametrize("policy", HIDING)


@pytest.fixture
def hidden() -> Iterator[Callable[..., World]]:
    """Makes worlds whose whole state can be looked at."""
    made: list[World] = []

    def make(policy: Private, **settings: object) -> World:
        made.append(World(link_plan(private=policy, **settings), store=MemoryStore()))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for world in made:
        world.close()


def shown(report: PassReport) -> str:
    """Every form in which a pass is shown to people."""
    changes = ChangeSet((report.as_changes(),))
    return repr(report.as_changes().as_dict()) + text(changes) + as_json(changes) + markdown(changes)


def everything(world: World) -> str:
    """The whole state, and every row of the CRM, deleted ones included."""
    state = world.store._state  # type: ignore[attr-defined]
    return repr([getattr(state, name) for name in state.__slots__]) + repr(world.crm._tables)


def kept_clean(world: World, *reports: PassReport) -> None:
    assert CANARY not in everything(world)
    assert CANARY not in "".join(map(shown, reports))


@policies
@pytest.mark.parametrize("privacy", ["private", "secret"])
def test_nothing_written_into_a_private_item_reaches_our_side(hidden: MakeWorld, policy: Private, privacy: str) -> None:
    """B-35: not at its first sight, not by an edit, not by its delete, not in a rehearsal."""
    world = hidden(policy)
    key = world.target.user_create(ANN, event("", **WORDS, privacy=privacy))
    world.in_crm("Something on the other side")
    reports = [world.sync(rehearse=True), world.sync(), world.sync()]
    world.target.user_edit(key, title=f"{CANARY} edited", location=f"{CANARY} elsewhere")
    reports.append(world.sync())
    kept_clean(world, *reports)
    world.target.user_delete(key)
    reports.append(world.sync())
    kept_clean(world, *reports)
    assert world.titles()[1] == ["Something on the other side"]


def test_a_placeholder_says_when_and_how_busy(hidden: MakeWorld) -> None:
    """B-35: busy_only; it follows the item through time, and its title is the link's to choose."""
    world = hidden(Private.BUSY_ONLY)
    world.links[0] = link_plan(private=Private.BUSY_ONLY, private_title="Busy")
    key = world.target.user_create(
        ANN, event("", **WORDS, privacy="private", free_busy_status="out_of_office", priority=1)
    )
    world.sync()
    record = world.records()["Busy"].values
    assert (record["starts_at"], record["time_zone"], record["all_day"]) == (
        "2026-03-03T09:00:00Z",
        "Europe/Vienna",
        False,
    )
    assert (record["show_as"], record["sensitivity"], record["priority"]) == ("OOF", "Private", "B")
    assert (record["notes"], record["place"], record["categories"]) == (None, None, None)
    world.target.user_edit(key, start="2026-03-03T12:00:00", title=f"{CANARY} moved")
    kept_clean(world, world.sync())
    assert world.records()["Busy"].values["starts_at"] == "2026-03-03T11:00:00Z"
    world.sync()
    world.quiet()


def test_a_placeholder_never_overwrites_the_real_text(hidden: MakeWorld) -> None:
    """B-35: what people do with it in the CRM moves the item, and touches none of its words, nor that it is private."""
    world = hidden(Private.BUSY_ONLY)
    key = world.target.user_create(ANN, event("", **WORDS, privacy="private"))
    world.sync()
    record = world.records()["Private"].key
    world.crm.user_edit(record, starts_at="2026-03-03T13:00:00Z", ends_at="2026-03-03T14:00:00Z")
    world.crm.user_edit(record, subject="Dentist?", notes="call him", sensitivity="Normal", categories=("Red",))
    world.settled()
    item = world.target.item(key)
    assert item is not None
    assert {name: item.values[name] for name in WORDS} == WORDS
    assert (item.values["start"], item.values["privacy"]) == ("2026-03-03T14:00:00", "private")
    assert CANARY not in everything(world)


def test_an_item_that_becomes_private_is_blanked(hidden: MakeWorld) -> None:
    """B-35, D12: busy_only; and nothing of its history is left: base, ledger, conflicts."""
    world = hidden(Private.BUSY_ONLY)
    key = world.target.user_create(ANN, event("", **WORDS))
    world.sync()
    record = world.records()[WORDS["title"]].key  # type: ignore[index]
    world.crm.user_edit(record, place=f"{CANARY} crm")
    world.target.user_edit(key, location=f"{CANARY} outlook")
    world.sync()
    assert world.store.conflicts()
    world.target.user_edit(key, privacy="private")
    planned, done = world.sync(rehearse=True), world.sync()
    kept_clean(world, planned, done)
    assert world.titles()[1] == ["Private"]
    assert world.noted(Operation.UPDATE) >= 1
    assert world.store.count(world.link) == 1
    world.settled()
    world.quiet()
    kept_clean(world)


def test_an_item_that_becomes_private_is_removed(hidden: MakeWorld) -> None:
    """B-35, D12: skip; the row that a soft delete leaves is blank, and the guards count the delete."""
    world = hidden(Private.SKIP)
    key = world.target.user_create(ANN, event("", **WORDS))
    world.sync()
    world.target.user_edit(key, privacy="private")
    planned, done = world.sync(rehearse=True), world.sync()
    assert planned.counts["crm.delete"] == done.counts["crm.delete"] == 1
    kept_clean(world, planned, done)
    assert world.titles()[1] == []
    assert world.target.item(key) is not None
    world.settled()
    kept_clean(world)


@policies
def test_an_item_that_becomes_public_again_comes_in(hidden: MakeWorld, policy: Private) -> None:
    """B-35: with its text, which no placeholder overwrites."""
    world = hidden(policy)
    key = world.in_outlook("Lunch")
    world.sync()
    world.target.user_edit(key, privacy="private")
    world.sync()
    world.target.user_edit(key, privacy="public", title="Lunch with Bob", priority=1)
    world.sync()
    world.assert_in_step("Lunch with Bob")
    assert not world.store.conflicts()
    world.settled()
    world.assert_in_step("Lunch with Bob")


@policies
def test_what_the_crm_made_private_keeps_its_text_there(hidden: MakeWorld, policy: Private) -> None:
    """B-35: outbound as mapped; the CRM's own words are not blanked, and times are kept in step."""
    world = hidden(policy)
    record = world.in_crm("Dentist", sensitivity="Private")
    world.sync()
    item = world.outlook()["Dentist"]
    assert item.values["description"] == "Dentist: notes"
    world.target.user_edit(item.key, start="2026-03-03T15:00:00", location=CANARY)
    world.sync()
    held = world.crm.item(record)
    assert held is not None
    assert (held.values["subject"], held.values["place"], held.values["starts_at"]) == (
        "Dentist",
        "Room 4",
        "2026-03-03T14:00:00Z",
    )
    kept_clean(world)
    world.settled()
    world.crm.user_delete(record)
    world.sync()
    assert world.titles() == ([], [])


@policies
def test_what_the_crm_makes_private_later_keeps_its_text_there(hidden: MakeWorld, policy: Private) -> None:
    """B-35."""
    world = hidden(policy)
    record = world.in_crm("Dentist")
    world.sync()
    world.crm.user_edit(record, sensitivity="Private")
    world.sync()
    world.target.user_edit(world.outlook()["Dentist"].key, location=CANARY)
    world.settled()
    assert [(item.values["subject"], item.values["place"]) for item in world.crm.items()] == [("Dentist", "Room 4")]
    kept_clean(world)


def test_deleting_a_placeholder_does_not_delete_what_stands_behind_it(hidden: MakeWorld) -> None:
    """B-35: and it does not come back."""
    world = hidden(Private.BUSY_ONLY)
    key = world.target.user_create(ANN, event("", **WORDS, privacy="private"))
    world.sync()
    world.crm.user_delete(world.records()["Private"].key)
    assert not world.sync().writes
    world.target.user_edit(key, title=f"{CANARY} again")
    assert not world.sync().writes
    assert world.target.item(key) is not None
    kept_clean(world)


def test_deleting_what_stands_behind_a_placeholder_deletes_it(hidden: MakeWorld) -> None:
    """B-35, B-63: even one that was edited in the CRM: it would be made again without its text."""
    world = hidden(Private.BUSY_ONLY)
    key = world.target.user_create(ANN, event("", **WORDS, privacy="private"))
    world.sync()
    world.crm.user_edit(world.records()["Private"].key, subject="Dentist?")
    world.target.user_delete(key)
    world.sync()
    assert world.titles() == ([], [])


def test_a_change_of_the_policy_blanks_what_came_in_before(hidden: MakeWorld) -> None:
    """B-35: sync → busy_only → skip → sync."""
    world = hidden(Private.SYNC)
    world.target.user_create(ANN, event("", **WORDS, privacy="private"))
    world.sync()
    assert CANARY in everything(world)
    world.links[0] = link_plan(private=Private.BUSY_ONLY)
    kept_clean(world, world.sync())
    assert world.titles()[1] == ["Private"]
    world.links[0] = link_plan(private=Private.SKIP)
    world.sync()
    assert world.titles()[1] == []
    world.links[0] = link_plan(private=Private.SYNC)
    world.sync()
    assert world.titles()[1] == [WORDS["title"]]


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("policy", [Private.SYNC, Private.BUSY_ONLY])
def test_private_meetings_come_in_only_when_they_are_wanted(
    make_world: MakeWorld, policy: Private, wanted: bool
) -> None:
    """B-35: ``private_meetings``."""
    world = make_world(link_plan(private=policy, private_meetings=wanted))
    world.target.user_create(ANN, event("Board", privacy="private"), native="uid-9", shared=True)
    world.target.user_create(ANN, event("Alone", privacy="private"))
    world.sync()
    assert len(world.titles()[1]) == 1 + wanted
    world.sync()
    world.quiet()


def test_a_record_that_others_share_is_not_blanked(make_world: MakeWorld) -> None:
    """B-35, B-41: one participant makes his copy private; the meeting stays what it is for the others."""
    world = make_world(link_plan(private=Private.BUSY_ONLY))
    key = world.in_outlook("Board")
    world.sync()
    (pairing,) = world.pairings()
    other = replace(pairing, link="sandbox/bob.ray@example.com/calendar", id=0)
    world.store.commit(Commit(pairings=(other,)))
    world.target.user_edit(key, privacy="private", title=CANARY)
    assert not world.sync().writes
    assert world.titles()[1] == ["Board"]
    assert [p.status for p in world.pairings(PairingStatus.DETACHED)] == [PairingStatus.DETACHED]
    world.target.user_edit(key, privacy="public", title="Board again")
    world.sync()
    assert world.titles()[1] == ["Board again"]


@policies
def test_a_link_that_may_not_write_the_crm_leaves_its_record_alone(make_world: MakeWorld, policy: Private) -> None:
    """B-35, B-2: outbound only."""
    world = make_world(link_plan(private=policy, direction=Direction.OUTBOUND))
    world.crm.allowed = frozenset()
    record = world.in_crm("Dentist")
    world.sync()
    world.target.user_edit(world.outlook()["Dentist"].key, privacy="private", location=CANARY)
    world.sync()
    held = world.crm.item(record)
    assert held is not None
    assert held.values["subject"] == "Dentist"


@policies
def test_a_denied_delete_blanks_and_a_denied_update_detaches(make_world: MakeWorld, policy: Private) -> None:
    """B-35, B-5."""
    world = make_world(link_plan(private=policy, denied=frozenset({(Operation.DELETE, Side.CRM)})))
    world.in_outlook("Lunch")
    world.sync()
    world.target.user_edit(world.outlook()["Lunch"].key, privacy="private")
    world.sync()
    assert [item.values["subject"] for item in world.crm.items(OWNERS[ANN])] == ["Private"]


def test_no_digest_is_kept_of_a_private_item(hidden: MakeWorld) -> None:
    """B-35: the first sync matches items by digests of what they say; a private one has none."""
    world = hidden(Private.BUSY_ONLY)
    world.target.user_create(ANN, event("Lunch", privacy="private"))
    world.in_crm("Lunch")
    seen: list[object] = []
    commit = world.store.commit

    def watching(made: object) -> None:
        seen.extend(made.candidates)  # type: ignore[attr-defined]
        commit(made)  # type: ignore[arg-type]

    world.store.commit = watching  # type: ignore[method-assign]
    world.sync()
    assert seen
    assert all(candidate.side is Side.CRM for candidate in seen)  # type: ignore[attr-defined]
