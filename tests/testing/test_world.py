"""The simulated world keeps its own laws: repeatable, countable, and strict with its callers."""

from datetime import UTC, datetime, timedelta

import pytest

from runner.model.errors import Gone, OutcomeUnknown, Throttled, Transient, WatermarkInvalid
from runner.model.items import Identity, Item, Write
from runner.model.terms import Operation, Place
from runner.testing.clock import FakeClock
from runner.testing.faults import Boundary, Call, Crash, Fault, Form, Nth, Script, SeededFaults
from runner.testing.held import ContractViolation
from runner.testing.rng import SeededRng
from runner.testing.target import FakeTarget, Shelf
from tests.testing.benches import FakeCrmBench, FakeTargetBench, link_ref, record


def _create(title: str, stamp: str = "stamp-1") -> Write:
    values = record(title)
    return Write(Operation.CREATE, None, None, values, frozenset(values), stamp)


def test_the_clock_moves_only_when_told() -> None:
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(90)
    clock.jump(timedelta(hours=-1))
    assert clock.now() == datetime(2026, 2, 28, 23, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90.0
    with pytest.raises(ValueError, match="forwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="aware"):
        FakeClock(datetime(2026, 3, 1))  # noqa: DTZ001 - refusing it is the point


def test_a_seed_repeats_its_tokens() -> None:
    one, two, other = SeededRng(7), SeededRng(7), SeededRng(8)
    tokens = [one.token() for _ in range(50)]
    assert tokens == [two.token() for _ in range(50)]
    assert len({*tokens, *(other.token() for _ in range(50))}) == 100
    assert all(26 <= len(token) <= 32 and token.isalnum() and token == token.lower() for token in tokens)


@pytest.mark.parametrize("form", list(Form))
def test_a_scripted_fault_strikes_one_call_in_its_form(form: Form) -> None:
    bench = FakeTargetBench()
    target = bench.connector
    target.boundary.faults = Script({1: Fault(form)})
    target.check(bench.link)
    if form in {Form.CRASH_BEFORE, Form.CRASH_AFTER}:
        with pytest.raises(Crash):
            list(target.write(bench.link, [_create("One")]))
    else:
        (result,) = target.write(bench.link, [_create("One")])
        assert type(result.error) is (Transient if form is Form.BEFORE else OutcomeUnknown)
    happened = form in {Form.AFTER, Form.CRASH_AFTER}
    assert len(target.items(bench.link.user)) == happened
    assert len(target.boundary.writes("target")) == happened
    assert [traced.call.name for traced in target.boundary.trace] == ["check", "create"]


def test_a_lost_answer_to_a_read_is_transient() -> None:
    bench = FakeTargetBench()
    bench.connector.boundary.faults = Nth("target", "changes", Fault(Form.AFTER), n=1)
    for n in range(5):
        bench.user_create(f"Item {n}")
    pages = bench.connector.changes(bench.link, None)
    assert len(next(pages).changed) == 2
    with pytest.raises(Transient):
        next(pages)


def test_a_fault_may_bring_its_own_error() -> None:
    bench = FakeCrmBench()
    bench.connector.boundary.faults = Nth("crm", "users", Fault(Form.BEFORE, Throttled("later", after=30.0)))
    with pytest.raises(Throttled) as caught:
        bench.connector.users(["ann.lee@example.com"])
    assert caught.value.after == 30.0


def test_something_may_happen_between_two_calls() -> None:
    bench = FakeTargetBench()
    key = bench.user_create("Seen")
    seen = bench.connector.item(key)
    assert seen is not None

    def meanwhile(call: Call) -> None:
        if call.name == "update":
            bench.user_edit(key, "Users own")

    bench.connector.boundary.meanwhile = meanwhile
    write = Write(Operation.UPDATE, key, seen.version, {"title": "Ours"}, frozenset({"title"}))
    (result,) = bench.connector.write(bench.link, [write])
    assert result.error is not None
    assert [item.values["title"] for item in bench.connector.items(bench.link.user)] == ["Users own"]


def test_seeded_faults_repeat_and_spare_the_store() -> None:
    rates = dict.fromkeys(Form, 0.1)
    calls = [Call(n, "target", "get", None, False) for n in range(400)]
    drawn = [SeededFaults(3, rates)(call) for call in calls[:1]] + list(map(SeededFaults(3, rates), calls))[1:]
    assert drawn == list(map(SeededFaults(3, rates), calls))
    assert {fault.form for fault in drawn if fault} == set(Form)
    commits = [Call(n, "store", "commit", None, True) for n in range(400)]
    assert {fault.form for fault in map(SeededFaults(3, rates), commits) if fault} == {
        Form.CRASH_BEFORE,
        Form.CRASH_AFTER,
    }


def test_two_fakes_share_one_count() -> None:
    boundary = Boundary()
    crm, target = FakeCrmBench(), FakeTargetBench()
    crm.connector.boundary = target.connector.boundary = boundary
    crm.connector.users(["ann.lee@example.com"])
    target.connector.check(target.link)
    list(target.connector.changes(target.link, None))
    assert [str(traced) for traced in boundary.trace] == [
        "#0 crm.users(ann.lee@example.com) done",
        f"#1 target.check({target.link.name}) done",
        f"#2 target.changes({target.link.name}) done",
    ]


@pytest.mark.parametrize(
    "write",
    [
        Write(Operation.CREATE, None, None, record("No stamp"), frozenset({"title"})),
        Write(Operation.UPDATE, "k", None, {"title": "No version"}, frozenset({"title"})),
        Write(Operation.DELETE, "k", None),
        Write(Operation.UPDATE, "k", "v", {"title": "No fields"}),
        Write(Operation.UPDATE, "k", "v", {}, frozenset({"title"})),
        Write(Operation.CREATE, None, None, {"uid": "ours"}, frozenset({"uid"}), "s"),
    ],
    ids=[
        "create-without-stamp",
        "update-without-version",
        "delete-without-version",
        "nothing",
        "no-value",
        "read-only",
    ],
)
def test_what_the_design_forbids_is_refused_loudly(write: Write) -> None:
    """Invariants 3 and 4: no create without a stamp, no write without its precondition."""
    bench = FakeTargetBench()
    with pytest.raises(ContractViolation):
        list(bench.connector.write(bench.link, [write]))


def test_a_world_can_forbid_a_direction() -> None:
    """Property P6 is checked where a write would arrive, not at the end."""
    bench = FakeTargetBench()
    bench.connector.allowed = frozenset()
    with pytest.raises(ContractViolation):
        list(bench.connector.write(bench.link, [_create("One-way")]))


def test_a_server_may_normalise_and_refuse() -> None:
    bench = FakeTargetBench()
    bench.connector.normalise = lambda values: {**values, "title": str(values["title"])[:5]}
    bench.connector.reject = lambda values: "too-large" if values.get("title") == "Poison" else None
    good, bad = bench.connector.write(bench.link, [_create("A long title"), _create("Poison", "stamp-2")])
    assert good.error is None
    assert bad.error is not None
    assert bad.error.code == "too-large"
    assert [item.values["title"] for item in bench.connector.items(bench.link.user)] == ["A lon"]


def test_a_dead_watermark_stays_dead() -> None:
    bench = FakeTargetBench()
    bench.user_create("One")
    watermark = list(bench.connector.changes(bench.link, None))[-1].watermark
    bench.connector.forget_watermarks(bench.link.user)
    with pytest.raises(WatermarkInvalid):
        next(bench.connector.changes(bench.link, watermark))
    fresh = list(bench.connector.changes(bench.link, None))[-1].watermark
    assert not [page for page in bench.connector.changes(bench.link, fresh) if page.changed]


@pytest.mark.parametrize(
    ("hard", "purge", "places"), [(False, False, [Place.DELETED]), (True, False, [Place.DELETED]), (False, True, [])]
)
def test_how_a_user_deletes_decides_what_is_left(hard: bool, purge: bool, places: list[Place]) -> None:
    bench = FakeTargetBench()
    (made,) = bench.connector.write(bench.link, [_create("One")])
    bench.connector.user_delete(made.key or "", hard=hard, purge=purge)
    assert [hit.place for hit in bench.connector.find(bench.link, [Identity(stamp="stamp-1")])] == places


def test_an_item_that_moves_out_and_back_keeps_stamp_and_uid() -> None:
    bench = FakeTargetBench()
    (made,) = bench.connector.write(bench.link, [_create("One")])
    before = bench.connector.item(made.key or "")
    away = bench.connector.user_move(made.key or "")
    back = bench.connector.user_move(away, Shelf.HOME)
    after = bench.connector.item(back)
    assert before is not None
    assert after is not None
    assert len({made.key, away, back}) == 3
    assert (after.stamp, after.native) == (before.stamp, before.native)


def test_one_mailbox_does_not_show_anothers_items() -> None:
    bench = FakeTargetBench()
    key = bench.user_create("Ann's")
    stranger = link_ref("bob.ray@example.com", "8")
    bench.connector.add_mailbox(stranger.user)
    assert isinstance(bench.connector.get(stranger, [key])[key], Gone)
    assert isinstance(bench.connector.get(bench.link, [key])[key], Item)
    assert [page.changed for page in bench.connector.changes(stranger, None)] == [()]


def test_a_meeting_is_one_identity_in_every_mailbox() -> None:
    """B-41: matched by the iCalendar UID."""
    target = FakeTarget(FakeClock(), SeededRng(4))
    for user in ("ann.lee@example.com", "bob.ray@example.com"):
        target.add_mailbox(user)
        target.user_create(user, record("Meeting"), native="uid-1", shared=True)
    (ann,), (bob,) = target.items("ann.lee@example.com"), target.items("bob.ray@example.com")
    assert (ann.native, ann.shared) == (bob.native, bob.shared) == ("uid-1", True)
    assert ann.key != bob.key


def test_a_hard_deleted_record_leaves_a_tombstone() -> None:
    """L5 on the CRM's side: the key table outlives the row."""
    bench = FakeCrmBench()
    sample = bench.sample("One")
    create = Write(Operation.CREATE, None, None, sample, frozenset(sample), "token-1")
    (made,) = bench.connector.write(bench.link, [create])
    bench.connector.user_delete(made.key or "", hard=True)
    assert [(hit.place, hit.key) for hit in bench.connector.find(bench.link, [Identity(stamp="token-1")])] == [
        (Place.TOMBSTONE, made.key)
    ]


def test_a_lost_outbox_makes_the_watermark_invalid() -> None:
    bench = FakeCrmBench()
    (page,) = bench.connector.feed(None)
    bench.connector.lose_outbox()
    with pytest.raises(WatermarkInvalid):
        next(bench.connector.feed(page.watermark))
