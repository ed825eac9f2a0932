"""What the DuckDB store promises beyond the port: heartbeats, the overview, and an untouched disk during a rehearsal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.model.state import Commit, LinkCondition, LinkState, Mark, MatchCandidate, PairingStatus
from runner.model.terms import Side
from runner.store import DuckStore, LinkOverview, open_store
from runner.store.rows import Texts, fields_of
from tests.store.committing import numbered
from tests.store.samples import ANN, BOB, HOUR, NOW, StillClock, aside, conflict, intent, pairing


@pytest.fixture
def store(path: Path, clock: StillClock) -> Iterator[DuckStore]:
    with open_store(path, clock=clock) as opened:
        yield opened


def digests(path: Path) -> dict[str, str]:
    """Every file of the state and what is in it."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.parent.iterdir())}


def test_a_link_is_known_once_anything_of_it_is_stored(store: DuckStore) -> None:
    store.commit(Commit(marks=(Mark(BOB, Side.CRM, "c1"),)))
    assert store.links() == {BOB: LinkState(BOB)}


def test_a_pass_without_effect_shows_in_the_links_last_pass(store: DuckStore, clock: StillClock) -> None:
    state = LinkState(ANN, last_pass=NOW)
    store.commit(Commit(links=(state,)))
    store.heartbeat(ANN, NOW + HOUR)
    assert store.link(ANN).last_pass == NOW + HOUR
    assert store.links()[ANN].last_pass == NOW + HOUR
    store.commit(Commit(marks=(Mark(ANN, Side.CRM, "c1"),)))
    assert store.link(ANN).last_pass == NOW + HOUR
    store.heartbeat(BOB, NOW)
    clock.seconds += 61
    store.heartbeat(ANN, NOW + 2 * HOUR)
    assert store.link(ANN).last_pass == NOW + 2 * HOUR
    assert store.links()[BOB] == LinkState(BOB, last_pass=NOW)


def test_passes_without_effect_write_nothing_but_one_heartbeat_a_minute(
    store: DuckStore, path: Path, clock: StillClock
) -> None:
    """Invariant 6 on our side: a pass without effect leaves no trace of its own in the state."""
    store.commit(Commit(links=(LinkState(ANN),)))
    before = digests(path)
    for _ in range(59):
        clock.seconds += 1
        assert store.link(ANN).name == ANN
        assert store.last_mark(ANN) == 0
        assert list(store.intents(ANN)) == []
        assert list(store.resolutions(ANN)) == []
        store.heartbeat(ANN, clock.now())
    assert digests(path) == before
    clock.seconds += 1
    store.heartbeat(ANN, clock.now())
    assert digests(path) != before


def test_a_rehearsal_changes_no_byte_on_disk(store: DuckStore, path: Path, clock: StillClock) -> None:
    store.commit(numbered(1))
    store.heartbeat(ANN, NOW)
    before = digests(path)
    with store.rehearsal():
        for number in range(2, 30):
            store.commit(numbered(number))
        clock.seconds += 100
        store.heartbeat(ANN, NOW + HOUR)
        assert store.count(ANN) == 29
        assert digests(path) == before
    assert digests(path) == before
    assert store.count(ANN) == 1
    assert store.link(ANN).last_pass == NOW
    store.close()
    with open_store(path, clock=clock) as again:
        assert again.crm_watermark("crm") == "1"
        assert again.count(ANN) == 1


def test_a_rehearsal_of_a_very_large_first_sync_changes_no_byte_either(store: DuckStore, path: Path) -> None:
    """DuckDB writes appends of more than a row group (122,880 rows, some 40 MB) ahead of their commit unless told not to."""
    store.commit(numbered(1))
    before = digests(path)
    with store.rehearsal():
        for start in range(0, 260_000, 20_000):
            keys = range(start, start + 20_000)
            store.commit(
                Commit(
                    candidates=tuple(MatchCandidate(ANN, Side.CRM, f"{key:0150d}", 0, f"{key:0150d}") for key in keys)
                )
            )
        assert digests(path) == before
    assert digests(path) == before


def test_a_rehearsal_inside_a_rehearsal_is_refused(store: DuckStore) -> None:
    with store.rehearsal(), pytest.raises(RuntimeError, match="inside another"), store.rehearsal():
        store.links()


def test_the_overview_has_a_line_of_figures_for_each_link(store: DuckStore) -> None:
    store.commit(
        Commit(
            links=(
                LinkState(ANN, condition=LinkCondition.STOPPED, reason="folder gone", last_pass=NOW),
                LinkState(BOB),
            ),
            pairings=(pairing(1), pairing(2), pairing(3, status=PairingStatus.DETACHED)),
            marks=(Mark(ANN, Side.CRM, "c1"), Mark(ANN, Side.CRM, "c2", due=NOW + HOUR), Mark(BOB, Side.CRM, "c1")),
            conflicts=(conflict("k1"), conflict("k2", winner=Side.CRM), conflict("k3", resolved_at=NOW)),
            quarantined=(aside("t1"), aside("t2")),
            intents=(intent("a"),),
        )
    )
    store.heartbeat(BOB, NOW + HOUR)
    assert list(store.overview()) == [
        LinkOverview(
            name=ANN,
            condition=LinkCondition.STOPPED,
            reason="folder gone",
            active=2,
            detached=1,
            marks=2,
            open_conflicts=1,
            quarantined=2,
            open_intents=1,
            last_pass=NOW,
            quiet_passes=0,
        ),
        LinkOverview(
            name=BOB,
            condition=LinkCondition.NEW,
            reason=None,
            active=0,
            detached=0,
            marks=1,
            open_conflicts=0,
            quarantined=0,
            open_intents=0,
            last_pass=NOW + HOUR,
            quiet_passes=1,
        ),
    ]


def test_rows_that_lie_scattered_are_found_like_rows_that_stand_together(store: DuckStore) -> None:
    """Both ways of fetching rows: as a join, and one by one."""
    links = [f"hq/user{number}@example.com/calendar" for number in range(100)]
    store.commit(Commit(pairings=tuple(pairing(number, links[number % 100]) for number in range(9000))))
    for number in (0, 57):
        keys = [f"c{one}" for one in range(number, 9000, 100)]
        for count in (1, 10, 90):
            found = store.pairings(links[number], crm_keys=keys[:count])
            assert [one.crm_key for one in found] == keys[:count]


def test_a_number_beyond_64_bits_is_remembered_to_its_last_digit(tmp_path: Path) -> None:
    """A CRM's NUMERIC column may hold it; a base that differs by one would be a change that nobody made."""
    number = 2**64 + 1
    assert fields_of(Texts().of({"number": number})) == {"number": number}
