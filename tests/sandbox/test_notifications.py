"""Streaming, push and pull: what stock exchangelib gets to hear, and how subscriptions end."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import exchangelib
import pytest
from exchangelib.errors import (
    ErrorExceededConnectionCount,
    ErrorExceededSubscriptionCount,
    ErrorInvalidWatermark,
    ErrorMissedNotificationEvents,
    ErrorServerBusy,
    ErrorSubscriptionNotFound,
    TransportError,
)
from exchangelib.properties import (
    CreatedEvent,
    DeletedEvent,
    FreeBusyChangedEvent,
    ModifiedEvent,
    MovedEvent,
    StatusEvent,
)
from exchangelib.services import GetEvents, SendNotification
from lxml import etree

from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import Drop, ItemAnswer, busy_fault, busy_http, busy_inner, busy_item
from runner.sandbox.limits import Limits
from runner.sandbox.wire import MESSAGES, SOAP
from tests.sandbox import raw
from tests.sandbox.stock import ANN, BOB, Ticking, account_of
from tests.support import xsd

QUICK = Limits(heartbeat=0.05, minute=0.2)
EXCHANGE: dict[str, Any] = {"Start": "2026-12-01T09:00:00Z", "End": "2026-12-01T10:00:00Z"}
ALL = ["CreatedEvent", "ModifiedEvent", "DeletedEvent", "MovedEvent", "CopiedEvent", "FreeBusyChangedEvent"]


@pytest.fixture
def quick(make: Callable[..., Sandbox]) -> Sandbox:
    return make(limits=QUICK)


def subscribed(account: exchangelib.Account) -> str:
    subscription: str = account.calendar.subscribe_to_streaming(event_types=ALL)
    return subscription


def heard(account: exchangelib.Account, *ids: str) -> list[Any]:
    """Everything that one connection brings until the server closes it."""
    return list(account.calendar.get_streaming_events(list(ids), connection_timeout=1))


def kinds(notifications: list[Any]) -> list[type]:
    return [type(event) for notification in notifications for event in notification.events]


def test_stock_streaming_hears_several_events_of_one_act_with_constant_change_keys(quick: Sandbox) -> None:
    account = account_of(quick, max_connections=2)
    subscription = subscribed(account)
    item = quick.mailbox(ANN).create(Subject="New", **EXCHANGE)
    notifications = heard(account, subscription)
    assert {notification.subscription_id for notification in notifications} == {subscription}
    assert kinds(notifications) == [CreatedEvent, ModifiedEvent, FreeBusyChangedEvent, ModifiedEvent]
    events = notifications[0].events
    assert {event.item_id.changekey for event in events[:3]} == {"CQAAAA=="}
    assert events[0].item_id.id == item
    assert events[3].folder_id.changekey == "AQAAAA=="
    assert quick.mailbox(ANN).item(item).change_key != "CQAAAA=="


def test_moves_into_deleted_items_are_moves_and_hard_deletes_are_deletes(quick: Sandbox) -> None:
    """Pull notifications for EWS deletion-related mailbox events in Exchange: single folders, Exchange 2013 and later."""
    account = account_of(quick, max_connections=2)
    ann = quick.mailbox(ANN)
    soft, hard = (ann.create(Subject=name, **EXCHANGE) for name in ("soft", "hard"))
    subscription = subscribed(account)
    there = ann.delete(soft)
    ann.delete(hard, "HardDelete")
    events = [event for notification in heard(account, subscription) for event in notification.events]
    moved = next(event for event in events if isinstance(event, MovedEvent))
    assert (moved.old_item_id.id, moved.item_id.id) == (soft, there)
    assert [event.item_id.id for event in events if isinstance(event, DeletedEvent)] == [hard]


def test_one_connection_bears_subscriptions_of_several_mailboxes(quick: Sandbox) -> None:
    ann, bob = account_of(quick, max_connections=2), account_of(quick, BOB, max_connections=2)
    subscriptions = subscribed(ann), subscribed(bob)
    quick.mailbox(BOB).create(Subject="His", **EXCHANGE)
    assert {each.subscription_id for each in heard(ann, *subscriptions)} == {subscriptions[1]}


def test_what_happens_between_two_connections_waits_for_the_next(quick: Sandbox) -> None:
    account = account_of(quick, max_connections=2)
    subscription = subscribed(account)
    assert heard(account, subscription) == []
    quick.mailbox(ANN).create(Subject="Between", **EXCHANGE)
    assert kinds(heard(account, subscription))[0] is CreatedEvent
    assert heard(account, subscription) == []


def test_a_connection_begins_with_ok_beats_and_ends_with_closed(quick: Sandbox) -> None:
    subscription = subscribed(account_of(quick))
    answer = b"".join(chunks(quick, subscription))
    words = [part.split(b"<")[0] for part in answer.split(b"<m:ConnectionStatus>")[1:]]
    assert words[0] == b"OK"
    assert words[-1] == b"Closed"
    assert len(words) >= 4


def chunks(sandbox: Sandbox, *ids: str) -> Iterator[bytes]:
    connection = raw.connect(sandbox)
    listed = "".join(f"<t:SubscriptionId>{each}</t:SubscriptionId>" for each in ids)
    body = (
        f"<m:GetStreamingEvents><m:SubscriptionIds>{listed}</m:SubscriptionIds>"
        "<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    connection.request("POST", "/EWS/Exchange.asmx", raw.envelope(body), raw.basic(sandbox))
    response = connection.getresponse()
    assert response.getheader("Transfer-Encoding") == "chunked"
    try:
        while part := response.read1():
            yield part
    finally:
        connection.close()


def test_a_cut_line_and_a_silent_one(make: Callable[..., Sandbox]) -> None:
    sandbox = make(limits=Limits(heartbeat=0.05))
    subscription = subscribed(account_of(sandbox))
    stream = chunks(sandbox, subscription)
    assert b"OK" in next(stream)
    assert sandbox.drop_streams() == 1
    with pytest.raises(http.client.IncompleteRead):
        list(stream)
    stream = chunks(sandbox, subscription)
    next(stream)
    assert sandbox.hush_streams() == 1
    sandbox.mailbox(ANN).create(Subject="Nobody hears", **EXCHANGE)
    open_ = sandbox.notices.streams[0]
    assert open_.silent
    assert (
        open_.untold()
    )  # it is not sent, although several heartbeats' time has been waited for the connections to end
    sandbox.inject(Drop(), "GetStreamingEvents", after=True)
    stream = chunks(sandbox, subscription)
    with pytest.raises(http.client.IncompleteRead):
        list(stream)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ErrorSubscriptionNotFound", ErrorSubscriptionNotFound),
        ("ErrorMissedNotificationEvents", ErrorMissedNotificationEvents),
        ("ErrorSubscriptionUnsubscribed", TransportError),
    ],
)
def test_a_lost_subscription_is_told_at_the_next_connection(
    quick: Sandbox, code: str, expected: type[Exception]
) -> None:
    account = account_of(quick, max_connections=2)
    subscription = subscribed(account)
    other = subscribed(account)
    assert quick.lose_subscriptions(code) == 2
    with pytest.raises(expected):
        heard(account, subscription)
    assert subscription != other


def test_a_subscription_that_is_lost_while_it_streams_leaves_the_others(make: Callable[..., Sandbox]) -> None:
    sandbox = make(limits=Limits(heartbeat=0.05))
    ann, bob = subscribed(account_of(sandbox)), subscribed(account_of(sandbox, BOB))
    stream = chunks(sandbox, ann, bob)
    next(stream)
    assert sandbox.lose_subscriptions(mailbox=BOB) == 1
    told = next(part for part in stream if b"Error" in part)
    assert b"ErrorSubscriptionNotFound" in told
    assert bob.encode() in told
    assert ann.encode() not in told
    sandbox.mailbox(ANN).create(Subject="Still heard", **EXCHANGE)
    assert any(ann.encode() in part for part in stream)


def test_a_restart_forgets_subscriptions_and_thirty_quiet_minutes_end_one(
    make: Callable[..., Sandbox], clock: Ticking
) -> None:
    sandbox = make(limits=QUICK)
    account = account_of(sandbox, max_connections=2)
    subscription = subscribed(account)
    clock.advance(minutes=31)
    with pytest.raises(ErrorSubscriptionNotFound):
        heard(account, subscription)
    subscription = subscribed(account)
    sandbox.stop()
    sandbox.start()
    with pytest.raises(ErrorSubscriptionNotFound):
        heard(account, subscription)


def test_too_many_events_subscriptions_and_connections(make: Callable[..., Sandbox]) -> None:
    sandbox = make(limits=Limits(heartbeat=0.05, minute=0.2, events=5, subscriptions=2, streams=1))
    account = account_of(sandbox, max_connections=2)
    first, second = subscribed(account), subscribed(account)
    with pytest.raises(ErrorExceededSubscriptionCount):
        subscribed(account)
    stream = chunks(sandbox, first)
    next(stream)
    with pytest.raises(ErrorExceededConnectionCount):
        heard(account, second)
    for number in range(3):
        sandbox.mailbox(ANN).create(Subject=f"{number}", **EXCHANGE)
    list(stream)
    with pytest.raises(ErrorMissedNotificationEvents):
        heard(account, second)


@pytest.mark.parametrize("fault", [busy_fault(2000), busy_item(2000), busy_inner(2000), busy_http(2)])
def test_throttling_of_a_stream_in_every_form(quick: Sandbox, fault: Any) -> None:
    account = account_of(quick, max_connections=2)
    subscription = subscribed(account)
    quick.inject(fault, "GetStreamingEvents")
    with pytest.raises((ErrorServerBusy, exchangelib.errors.ErrorInternalServerError)):
        heard(account, subscription)
    quick.inject(ItemAnswer("ErrorProxyRequestNotAllowed"), "Subscribe")
    with pytest.raises(exchangelib.errors.ErrorProxyRequestNotAllowed):
        subscribed(account)


def test_pull_hears_what_came_after_a_watermark_and_a_status_when_nothing_did(quick: Sandbox, clock: Ticking) -> None:
    account = account_of(quick)
    subscription, mark = account.calendar.subscribe_to_pull(event_types=ALL, timeout=10)

    def pull(mark: str) -> tuple[list[Any], str]:
        [notification] = GetEvents(account=account).call(subscription_id=subscription, watermark=mark)
        return notification.events, notification.events[-1].watermark

    events, mark = pull(mark)
    assert [type(event) for event in events] == [StatusEvent]
    quick.mailbox(ANN).create(Subject="New", **EXCHANGE)
    events, mark = pull(mark)
    assert type(events[0]) is CreatedEvent
    events, mark = pull(mark)
    assert [type(event) for event in events] == [StatusEvent]
    with pytest.raises(ErrorInvalidWatermark):
        pull("AQAAAA" + "A" * 24)
    account.calendar.unsubscribe(subscription)
    with pytest.raises((ErrorSubscriptionNotFound, TransportError)):
        pull(mark)


class Listener:
    """A subscriber's own web server; its answers are what a test says."""

    def __init__(self) -> None:
        self.answers: list[bytes | int] = []
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/a/b"

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                answer = listener.answers.pop(0) if listener.answers else SendNotification(protocol=None).ok_payload()
                self.send_response(answer if isinstance(answer, int) else 200)
                self.end_headers()
                self.wfile.write(b"" if isinstance(answer, int) else answer)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()

    def parsed(self) -> list[Any]:
        """Every notification that was posted, as stock exchangelib reads it."""
        return [note for body in list(self.bodies) for note in SendNotification(protocol=None).parse(body)]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_push_posts_what_stock_exchangelib_reads_and_repeats_what_was_not_taken(quick: Sandbox) -> None:
    account = account_of(quick)
    with Listener().listening() as listener:
        subscription, _ = account.calendar.subscribe_to_push(listener.url, event_types=ALL, status_frequency=3)
        until(lambda: listener.bodies)
        assert [type(event) for event in listener.parsed()[0].events] == [StatusEvent]
        listener.answers += [500, b"<rubbish"]
        quick.mailbox(ANN).create(Subject="New", **EXCHANGE)
        until(lambda: len(listener.bodies) >= 4)
        first, *_ = listener.bodies[1:]
        assert listener.bodies[1:4] == [first] * 3  # the same until it was taken
        assert CreatedEvent in kinds(listener.parsed())
        until(lambda: kinds(listener.parsed())[-1] is StatusEvent)  # a sign of life after StatusFrequency
        listener.answers += [SendNotification(protocol=None).unsubscribe_payload()]
        quick.mailbox(ANN).create(Subject="Last", **EXCHANGE)
        until(lambda: not list(quick.notices.subscriptions))
        assert {notification.subscription_id for notification in listener.parsed()} == {subscription}
    for document in quick.notices.pusher.sent:
        body = etree.fromstring(document).find(f"{{{SOAP}}}Body")
        assert body is not None
        # The schema has a notification's children in the types namespace and itself in the messages one, as sent.
        assert xsd.findings(body[0]) == []
        assert body[0].tag == f"{{{MESSAGES}}}SendNotification"


def test_push_gives_up_when_nobody_answers_for_longer_than_the_status_frequency(quick: Sandbox) -> None:
    account = account_of(quick)
    with Listener().listening() as listener:
        url = listener.url
    account.calendar.subscribe_to_push(url, event_types=ALL, status_frequency=1)
    until(lambda: not list(quick.notices.subscriptions))
    assert len(quick.notices.pusher.posted) == 2  # at once and after half of its minute; the next would come too late
