"""The schedule against a plain model of it, and how long failures wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runner.model.queueing import HELD, Barred, Cause, Job, Message, MessageState
from runner.queue.backoff import FIRST, LONGEST, backoff
from runner.queue.schedule import Schedule

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LINKS = ("hq/a", "hq/b", "lab/c", "lab/d")
SECOND = timedelta(seconds=1)

bars = st.builds(
    Barred, targets=st.frozensets(st.sampled_from(["hq", "lab"])), links=st.frozensets(st.sampled_from(LINKS))
)
acts = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(LINKS), st.sampled_from(list(Cause))),
    st.tuples(st.just("lease"), bars),
    st.tuples(st.sampled_from(["drop", "wait", "fail", "block"]), st.integers(0, 3), st.integers(0, 5)),
    st.tuples(st.just("pass"), st.integers(1, 5)),
)


def _may_run(message: Message, held: set[str], barred: Barred, now: datetime) -> bool:
    ready = message.state not in HELD and message.state is not MessageState.BLOCKED
    due = message.due is None or message.due <= now
    free = message.link not in held | barred.links and message.target not in barred.targets
    return ready and due and free


@given(st.lists(acts, max_size=40))
def test_the_heaps_give_out_what_a_plain_search_would(script: list[tuple[object, ...]]) -> None:
    """B-20: priority first, then order of arrival; never a held, barred or waiting link; one open message per link."""
    schedule, now = Schedule(), START
    for name, *given_ in script:
        held = [message for message in schedule if message.state in HELD]
        match name, given_:
            case "put", [str() as link, Cause() as cause]:
                schedule.put(Job(link, link.partition("/")[0], cause), now)
            case "pass", [int() as seconds]:
                now += seconds * SECOND
            case "lease", [Barred() as barred]:
                links = {message.link for message in held}
                fitting = [each for each in schedule if _may_run(each, links, barred, now)]
                best = min(fitting, key=lambda each: (-each.priority, each.id), default=None)
                leased = schedule.lease(barred, now)
                assert (leased and leased.id) == (best and best.id)
            case _, [int() as which, int() as wait] if which < len(held):
                _give_back(schedule, str(name), held[which], now + wait * SECOND)
        open_links = [message.link for message in schedule if message.state not in HELD]
        assert len(open_links) == len(set(open_links))
        waiting = [m.due for m in schedule if m.due and m.state not in HELD and m.state is not MessageState.BLOCKED]
        assert schedule.next_due() == min(waiting, default=None)


def _give_back(schedule: Schedule, name: str, message: Message, due: datetime) -> None:
    if name == "drop":
        schedule.drop(message.id)
        return
    state = {"wait": MessageState.WAITING, "fail": MessageState.ERROR, "block": MessageState.BLOCKED}[name]
    schedule.keep(replace(message, state=state, due=None if name == "block" else due))


def test_waits_double_up_to_their_longest_with_jitter_and_respect_the_server() -> None:
    """B-23: exponential with jitter, honouring the server's back-off hint."""
    tokens = [f"token{n}" for n in range(50)]
    for attempt in range(1, 40):
        whole = min(FIRST * 2 ** min(attempt - 1, 20), LONGEST)
        waits = {backoff(attempt, token) for token in tokens}
        assert all(whole / 2 <= wait <= whole for wait in waits)
        assert len(waits) > 40
    hinted = {backoff(1, token, hint=120.0) for token in tokens}
    assert all(timedelta(seconds=120) <= wait <= timedelta(seconds=120) + FIRST / 2 for wait in hinted)
