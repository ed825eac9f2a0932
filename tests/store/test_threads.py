"""Several passes at a time over one state: what each commits is there, whole, whatever the others do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from runner.model.queueing import Cause, Message, MessageState
from runner.model.state import Commit, Mark
from runner.model.terms import Side
from runner.store import Journal, open_store
from tests.store.samples import NOW, StillClock, intent, pairing

ROUNDS = 12
LINKS = [f"hq/user{number}@example.com/calendar" for number in range(4)]


def test_passes_of_different_links_do_not_disturb_each_other(path: Path, clock: StillClock) -> None:
    """Four passes, the CRM's reader, the queue's journal and a plan's copy at the same time; then a fresh process looks."""
    faults: list[Exception] = []

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except Exception as error:
                faults.append(error)
                raise

        return run

    with open_store(path, clock=clock) as store:

        def passes(link: str) -> None:
            for number in range(ROUNDS):
                made = pairing(LINKS.index(link) * 1000 + number, link)
                token = f"token{made.crm_key}"
                store.commit(Commit(marks=(Mark(link, Side.TARGET, made.target_key),), intents=(intent(token, link),)))
                due = store.marks(link, after=0, until=1 << 62, limit=100, now=NOW)
                mine = [mark for mark in due if mark.side is Side.TARGET]
                assert {mark.link for mark in due} == {link}
                store.commit(Commit(pairings=(made,), settled=tuple(m.seq for m in mine), closed=(token,)))
                assert store.count(link) == number + 1
                assert [one.target_key for one in store.pairings(link, crm_keys=[made.crm_key])] == [made.target_key]
                store.heartbeat(link, NOW)

        def reads_the_crm() -> None:
            for number in range(ROUNDS):
                marks = tuple(Mark(link, Side.CRM, f"new{number}") for link in LINKS)
                store.commit(Commit(marks=marks, crm_watermarks={"crm": str(number)}))

        def writes_the_queue() -> None:
            journal = Journal(store)
            for number in range(ROUNDS):
                message = Message(number, LINKS[0], "hq", MessageState.NEW, 10, Cause.TIMER, NOW)
                journal.save([message], [number, number - 1])

        def copies() -> None:
            for number in range(3):
                copy = path.with_name(f"copy{number}.duckdb")
                store.copy_to(copy)
                with open_store(copy, clock=clock) as looked_at:
                    assert all(looked_at.count(link) <= ROUNDS for link in LINKS)

        works: list[Callable[[], None]] = [lambda link=link: passes(link) for link in LINKS]  # type: ignore[misc]
        threads = [threading.Thread(target=guarded(work)) for work in (*works, reads_the_crm, writes_the_queue, copies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not faults

    with open_store(path, clock=clock) as store:
        for link in LINKS:
            assert store.count(link) == ROUNDS
            assert list(store.intents(link)) == []
            left = store.marks(link, after=0, until=1 << 62, limit=100, now=NOW)
            assert sorted(mark.key for mark in left) == sorted(f"new{number}" for number in range(ROUNDS))
        assert store.crm_watermark("crm") == str(ROUNDS - 1)
        assert [message.id for message in Journal(store).messages()] == [ROUNDS - 1]
