"""What every queue promises (B-20, B-21, B-23), so that another implementation can stand in for the embedded one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from runner.model.errors import UsageError
from runner.model.ports import Queue
from runner.model.queueing import Barred, Cause, Job, Message, MessageState, Order
from runner.model.terms import Operation
from runner.testing.clock import FakeClock
from runner.testing.contract.bench import ContractBroken
from runner.testing.contract.words import demand

ANN, BOB, CAT = "hq/ann/calendar", "hq/bob/calendar", "lab/cat/calendar"


class QueueBench(Protocol):
    """An empty queue that blocks a message at its third failure, its clock, and a way to lose the process that holds it."""

    @property
    def queue(self) -> Queue:
        """The queue under test."""
        ...

    @property
    def clock(self) -> FakeClock:
        """The queue's clock."""
        ...

    def killed(self) -> Queue:
        """The queue as the next process finds it after this one was killed (kill -9), without a last word."""
        ...


def a_wish_is_given_out_once_and_gone_when_done(bench: QueueBench) -> None:
    """B-21: new, dispatching, processing; success deletes the message."""
    bench.queue.put([job(ANN)])
    demand([m.state for m in bench.queue.messages()] == [MessageState.NEW], "a wish is not new")
    message = leased(bench)
    demand(message.state is MessageState.DISPATCHING, "a leased message is not dispatching")
    demand(bench.queue.lease(Barred()) is None, "one message was given out twice")
    demand(bench.queue.begin(message).state is MessageState.PROCESSING, "a begun message is not processing")
    bench.queue.done(message)
    demand(not bench.queue.messages(), "a message that is done with is still there")


def the_same_wish_is_coalesced(bench: QueueBench) -> None:
    """B-20: a thousand wishes for one link are one message."""
    bench.queue.put([job(ANN)] * 500)
    bench.queue.put([job(ANN)] * 500)
    [message] = bench.queue.messages()
    demand(message.hints == 1000, f"{message.hints} hints are counted")
    bench.queue.done(leased(bench))
    demand(bench.queue.lease(Barred()) is None, "the wishes made more than one message")


def wishes_during_a_pass_make_exactly_one_more(bench: QueueBench) -> None:
    """B-20: one message of a link at a time; what arrives meanwhile runs once more, after it."""
    bench.queue.put([job(ANN)])
    first = leased(bench)
    bench.queue.put([job(ANN)] * 1000)
    demand(bench.queue.lease(Barred()) is None, "two messages of one link are held at a time")
    bench.queue.done(first)
    second = leased(bench)
    demand(second.id != first.id, "the message came back although it was done")
    bench.queue.done(second)
    demand(bench.queue.lease(Barred()) is None, "there were more than two messages")


def links_do_not_wait_for_each_other(bench: QueueBench) -> None:
    """Order is kept per link, not over all of them."""
    bench.queue.put([job(ANN), job(BOB)])
    demand({leased(bench).link, leased(bench).link} == {ANN, BOB}, "another link's message was not given out")


def the_urgent_go_first_and_equals_in_order(bench: QueueBench) -> None:
    """Priorities; a wish with a higher one raises the message that is already there."""
    bench.queue.put([job(ANN, Cause.TIMER), job(BOB, Cause.TIMER), job(CAT, Cause.TIMER)])
    bench.queue.put([job(CAT, Cause.CRM)])
    order = [leased(bench).link for _ in range(3)]
    demand(order == [CAT, ANN, BOB], f"given out in the order {order}")


def barred_targets_and_links_are_left(bench: QueueBench) -> None:
    """A target at its limit and a suspended link keep their messages (B-15)."""
    bench.queue.put([job(ANN), job(BOB), job(CAT)])
    message = bench.queue.lease(Barred(targets=frozenset({"hq"})))
    demand(message is not None and message.link == CAT, "a barred target's message was given out")
    message = bench.queue.lease(Barred(links=frozenset({ANN})))
    demand(message is not None and message.link == BOB, "a suspended link's message was given out")
    demand(bench.queue.lease(Barred(links=frozenset({ANN}))) is None, "a suspended link's message was given out")
    bench.queue.put([job(ANN)])
    demand(leased(bench).link == ANN, "a resumed link's message was not given out")
    demand(bench.queue.lease(Barred()) is None, "a suspended link's message was doubled")


def a_failed_message_comes_back_when_it_is_due(bench: QueueBench) -> None:
    """B-23: state error until it is due; a wish meanwhile neither hurries nor doubles it."""
    bench.queue.put([job(ANN)])
    due = bench.clock.now() + timedelta(seconds=30)
    failed = bench.queue.retry(leased(bench), due=due, reason="no answer")
    demand((failed.state, failed.attempts) == (MessageState.ERROR, 1), f"after a failure: {failed}")
    bench.queue.put([job(ANN)])
    demand(bench.queue.lease(Barred()) is None, "it was given out before it was due")
    bench.clock.advance(30)
    again = leased(bench)
    demand((again.attempts, again.reason) == (1, "no answer"), f"when due: {again}")


def a_failure_and_a_wish_during_the_pass_are_one_message(bench: QueueBench) -> None:
    """What was put during a pass that fails joins the failed message: nothing is doubled, and its wait is kept."""
    bench.queue.put([job(ANN)])
    message = leased(bench)
    bench.queue.put([job(ANN, Cause.CRM)])
    bench.queue.retry(message, due=bench.clock.now() + timedelta(seconds=30), reason="no answer")
    [kept] = bench.queue.messages()
    demand((kept.state, kept.hints) == (MessageState.ERROR, 2), f"two wishes became {kept}")
    demand(bench.queue.lease(Barred()) is None, "the wait was lost")


def attempts_are_exhausted(bench: QueueBench) -> None:
    """B-21: blocked at the third failure, kept, and wishes do not wake it."""
    fail(bench, 3)
    [message] = bench.queue.messages()
    demand((message.state, message.attempts) == (MessageState.BLOCKED, 3), f"after three failures: {message}")
    bench.queue.put([job(ANN)])
    bench.clock.advance(timedelta(days=1))
    demand(bench.queue.lease(Barred()) is None, "a blocked message was given out")


def an_outage_blocks_nothing(bench: QueueBench) -> None:
    """B-76: what fails because the world is down is tried again for as long as that takes."""
    bench.queue.put([job(ANN)])
    for attempt in range(1, 10):
        message = bench.queue.retry(leased(bench), due=bench.clock.now(), reason="no answer", patient=True)
        demand((message.state, message.attempts) == (MessageState.ERROR, attempt), f"after an outage: {message}")


def a_blocked_message_waits_for_an_operator(bench: QueueBench) -> None:
    """B-21: retried with its attempts counted anew, or discarded."""
    bench.queue.put([job(ANN), job(BOB)])
    for _ in range(2):
        bench.queue.block(leased(bench), "access denied")
    ann, bob = bench.queue.messages()
    demand(ann.state is MessageState.BLOCKED and ann.reason == "access denied", f"blocked: {ann}")
    bench.queue.release(ann.id)
    bench.queue.discard(bob.id)
    demand((leased(bench).link, bench.queue.lease(Barred())) == (ANN, None), "released and discarded are mixed up")
    [left] = bench.queue.messages()
    demand(left.attempts == 0, "attempts are not counted anew")
    for number in (left.id, bob.id):
        refused(bench.queue.release, number)
        refused(bench.queue.discard, number)


def what_is_put_back_has_lost_no_attempt(bench: QueueBench) -> None:
    """A target that is down is not the link's failure: state waiting, attempts as before."""
    bench.queue.put([job(ANN)])
    bench.queue.put_back(leased(bench), due=bench.clock.now() + timedelta(minutes=5), reason="hq does not answer")
    [message] = bench.queue.messages()
    demand((message.state, message.attempts) == (MessageState.WAITING, 0), f"put back: {message}")
    demand(bench.queue.lease(Barred()) is None, "it was given out before it was due")
    demand(bench.queue.release_target("hq") == 1, "its target's messages were not found")
    demand(leased(bench).link == ANN, "its target came back and it still waits")


def an_operators_order_runs_at_once(bench: QueueBench) -> None:
    """An order wakes a failed or blocked message, travels with it, and goes before everything else."""
    allowed = frozenset({Operation.DELETE})
    fail(bench, 3)
    bench.queue.put([job(BOB), Job(ANN, "hq", Cause.OPERATOR, (Order("run-1", allowed),))])
    message = leased(bench)
    demand((message.link, message.orders) == (ANN, (Order("run-1", allowed),)), f"ordered: {message}")


def only_an_operators_order_wakes_what_is_blocked(bench: QueueBench) -> None:
    """B-21: a blocked message is kept until an operator decides; the service's own errands wait with it."""
    fail(bench, 3)
    errand = Job(ANN, "hq", Cause.TIMER, (Order("by-itself"),))
    bench.queue.put([errand])
    demand(bench.queue.lease(Barred()) is None, "an errand of the service's own woke a blocked message")
    bench.queue.put([job(BOB)])
    message = leased(bench)
    bench.queue.put([Job(BOB, "hq", Cause.TIMER, (Order("by-itself"),))])
    bench.queue.block(message, "access denied")
    demand(bench.queue.lease(Barred()) is None, "an errand that came during a pass woke its blocked message")


def an_order_during_a_pass_is_not_lost_with_it(bench: QueueBench) -> None:
    """The pass that runs began before the order: another one follows, even when the first fails for good."""
    bench.queue.put([job(ANN)])
    message = leased(bench)
    bench.queue.put([Job(ANN, "hq", Cause.OPERATOR, (Order("run-1"),))])
    bench.queue.block(message, "access denied")
    demand(leased(bench).orders == (Order("run-1"),), "the order went down with the pass before it")


def a_killed_process_loses_no_failure(bench: QueueBench) -> None:
    """B-21: what failed or was blocked is found again; what the dead process held is given out again, once."""
    bench.queue.put([job(ANN), job(BOB), job(CAT)])
    by_link = {message.link: message for message in (leased(bench), leased(bench), leased(bench))}
    bench.queue.begin(by_link[CAT])
    bench.queue.flush()
    bench.queue.block(by_link[ANN], "access denied")
    bench.queue.retry(by_link[BOB], due=bench.clock.now() + timedelta(minutes=1), reason="no answer")
    queue = bench.killed()
    states = {message.link: message.state for message in queue.messages()}
    wanted = {ANN: MessageState.BLOCKED, BOB: MessageState.ERROR, CAT: MessageState.NEW}
    demand(states == wanted, f"after kill -9: {states}")
    message = queue.lease(Barred())
    demand(message is not None and message.link == CAT and message.attempts == 1, f"given out: {message}")
    demand(queue.lease(Barred()) is None, "something was given out twice")


def what_kills_its_process_again_and_again_is_blocked(bench: QueueBench) -> None:
    """A pass that takes the process down does not do so for ever."""
    bench.queue.put([job(ANN)])
    queue = bench.queue
    for _ in range(3):
        message = queue.lease(Barred())
        if message is None:
            raise ContractBroken("it was blocked too early")
        queue.begin(message)
        queue.flush()
        queue = bench.killed()
    [message] = queue.messages()
    demand(message.state is MessageState.BLOCKED, f"after three dead processes: {message}")


def forgotten_links_have_no_messages(bench: QueueBench) -> None:
    """A link that left the configuration: what waits is dropped, what is held ends by itself."""
    bench.queue.put([job(ANN)])
    held = leased(bench)
    bench.queue.put([job(ANN), job(BOB), job(CAT)])
    bench.queue.forget_links([ANN, BOB])
    demand({m.link for m in bench.queue.messages() if m.id != held.id} == {CAT}, "forgotten links have messages")
    bench.queue.done(held)
    demand({m.link for m in bench.queue.messages()} == {CAT}, "a held message of a forgotten link stays")


def each_minute_has_its_figures(bench: QueueBench) -> None:
    """B-22: sent, received, backlog and mean processing time per queue."""
    start = bench.clock.now()
    bench.queue.put([job(ANN), job(ANN), job(BOB), job(CAT)])
    message = leased(bench)
    bench.clock.advance(4)
    bench.queue.done(message)
    bench.queue.sample()
    bench.clock.advance(60)
    bench.queue.sample()
    first, lab, second, _ = bench.queue.samples(start)
    told = (first.target, first.sent, first.received, first.backlog, first.mean, first.oldest)
    demand(told == ("hq", 3, 1, 1, 4.0, 4.0), f"the first minute: {told}")
    demand((lab.target, lab.backlog) == ("lab", 1), f"the other target: {lab}")
    demand((second.sent, second.backlog, second.mean) == (0, 1, 0.0), f"the second minute: {second}")


def waiting_ends_when_something_comes(bench: QueueBench) -> None:
    """What was put between looking for work and waiting for it is not slept over."""
    seen = bench.queue.changes()
    bench.queue.put([job(ANN)])
    bench.queue.wait(seen, 3600)
    demand(leased(bench).link == ANN, "nothing was there")


def job(link: str, cause: Cause = Cause.NOTIFICATION) -> Job:
    """A wish for a pass."""
    return Job(link, link.partition("/")[0], cause)


def leased(bench: QueueBench) -> Message:
    """The next message; broken when there is none."""
    message = bench.queue.lease(Barred())
    if message is None:
        raise ContractBroken("the queue gives nothing out")
    return message


def fail(bench: QueueBench, times: int) -> None:
    """Ann's message fails so many times."""
    bench.queue.put([job(ANN)])
    for _ in range(times):
        bench.queue.retry(leased(bench), due=bench.clock.now() + timedelta(seconds=1), reason="no answer")
        bench.clock.advance(1)


def refused(act: Callable[[int], object], number: int) -> None:
    """The act on this message raises ``UsageError``."""
    try:
        act(number)
    except UsageError:
        return
    raise ContractBroken("an act on a message that is held or gone was not refused")


QUEUE_CHECKS: tuple[Callable[[QueueBench], None], ...] = (
    a_wish_is_given_out_once_and_gone_when_done,
    the_same_wish_is_coalesced,
    wishes_during_a_pass_make_exactly_one_more,
    links_do_not_wait_for_each_other,
    the_urgent_go_first_and_equals_in_order,
    barred_targets_and_links_are_left,
    a_failed_message_comes_back_when_it_is_due,
    a_failure_and_a_wish_during_the_pass_are_one_message,
    attempts_are_exhausted,
    an_outage_blocks_nothing,
    a_blocked_message_waits_for_an_operator,
    what_is_put_back_has_lost_no_attempt,
    an_operators_order_runs_at_once,
    only_an_operators_order_wakes_what_is_blocked,
    an_order_during_a_pass_is_not_lost_with_it,
    a_killed_process_loses_no_failure,
    what_kills_its_process_again_and_again_is_blocked,
    forgotten_links_have_no_messages,
    each_minute_has_its_figures,
    waiting_ends_when_something_comes,
)
