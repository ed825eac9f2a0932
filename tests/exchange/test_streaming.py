"""Subscribing and hanging calls against the sandbox, requests held against Microsoft's schema (B-11, B-13, B-14)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from runner.connectors.exchange import ExchangeConnector, connect, streaming
from runner.connectors.exchange.streaming import HangingCall, documents, told_by
from runner.connectors.exchange.subscribing import Affinity
from runner.model import errors
from runner.model.notifications import PushTo, Told
from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import HttpAnswer, ItemAnswer, WholeFault, busy_fault, busy_http, busy_inner, busy_item
from runner.sandbox.limits import Limits
from tests.exchange.canned import TASKS, link_to, plan_for
from tests.support import xsd

ANN, BOB = "ann.lee@example.com", "bob.ray@example.com"
EVENT: dict[str, Any] = {"Start": "2026-12-01T09:00:00Z", "End": "2026-12-01T10:00:00Z"}
QUICK = Limits(heartbeat=0.05, minute=0.01)
"""29 minutes are 0.29 s."""
Make = Callable[..., tuple[Sandbox, ExchangeConnector]]


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as stack:

        def start(limits: Limits = QUICK, **changes: Any) -> tuple[Sandbox, ExchangeConnector]:
            sandbox = Sandbox(
                password="pässwörd",
                limits=limits,
                validator=xsd.request_validator(),
                response_validator=xsd.response_validator(),
                keep_bodies=True,
            )
            stack.enter_context(sandbox)
            for address in (ANN, BOB):
                sandbox.add_mailbox(address)
            connector = connect(plan_for(sandbox.url, username=sandbox.username, **changes), sandbox.password)
            stack.enter_context(closing(connector))
            return sandbox, connector

        yield start


def changed(told: Iterator[Told] | list[Told]) -> set[str]:
    return {identifier for each in told for identifier in each.changed}


def test_subscribed_folders_are_told_of_over_one_connection_until_it_closes(make: Make) -> None:
    sandbox, connector = make()
    ann, bob = (connector.subscribe(link_to(user=user)) for user in (ANN, BOB))
    tasks = connector.subscribe(link_to(**TASKS))
    sandbox.mailbox(BOB).create(Subject="His", **EVENT)
    told = list(connector.listen([ann, bob, tasks]))
    assert changed(told) == {bob.id}
    assert sum(not each.changed and not each.lost for each in told) >= 3  # signs of life
    sandbox.mailbox(ANN).create("tasks", Subject="Hers")
    assert changed(list(connector.listen([ann, bob, tasks]))) == {tasks.id}
    connector.unsubscribe(link_to(user=ANN), ann)
    assert {each.id for each in sandbox.notices.subscriptions} == {bob.id, tasks.id}
    assert sandbox.schema_violations == []
    assert sandbox.response_violations == []


def test_a_group_keeps_one_anchor_and_opens_a_connection_for_its_first_mailbox(make: Make) -> None:
    """How to maintain affinity …: the anchor with every request; the call is counted on whom it is impersonated for."""
    sandbox, connector = make()
    bob, ann = (connector.subscribe(link_to(user=user)) for user in (BOB, ANN))
    list(connector.listen([bob, ann]))
    seen = list(sandbox.requests)
    assert [request.operation for request in seen] == ["Subscribe", "Subscribe", "GetStreamingEvents"]
    assert {dict(request.headers)["X-AnchorMailbox"] for request in seen} == {BOB}
    assert {dict(request.headers)["X-PreferServerAffinity"] for request in seen} == {"true"}
    assert seen[2].mailbox == ANN


def test_the_first_answers_cookie_steers_the_group() -> None:
    affinity = Affinity(ANN)
    affinity.learn("exchangecookie=abc; path=/, X-BackEndOverrideCookie=mbx1~1942; path=/; secure; HttpOnly")
    assert affinity.headers()["Cookie"] == "X-BackEndOverrideCookie=mbx1~1942"
    affinity.learn("")
    assert affinity.headers()["Cookie"] == "X-BackEndOverrideCookie=mbx1~1942"


def test_passes_go_on_while_streams_hang(make: Make) -> None:
    """A hanging call takes none of the plan's connections."""
    sandbox, connector = make(Limits(), connections=1)
    call = connector.listen([connector.subscribe(link_to())])
    told: list[Told] = []
    thread = threading.Thread(target=lambda: told.extend(call))
    thread.start()
    while not sandbox.notices.streams:
        time.sleep(0.005)
    assert [page.complete for page in connector.changes(link_to(), None)] == [True]
    call.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(told) <= 1


@pytest.mark.parametrize("keep_alive", [True, False])
def test_closing_ends_a_quiet_call_at_once(make: Make, keep_alive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading blocks in the socket, which private attributes lead to: this holds the libraries' versions to it."""
    _, connector = make(Limits())
    if not keep_alive:
        monkeypatch.setattr(streaming, "_socket", _without_connection(streaming._socket))
    call = connector.listen([connector.subscribe(link_to())])
    begun = threading.Event()

    def read() -> None:
        for _ in call:
            begun.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(10)
    call.close()
    thread.join(10)
    assert not thread.is_alive()
    assert list(call) == []


def _without_connection(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
    class Raw:
        def __init__(self, raw: Any) -> None:
            self._fp = raw._fp

    return lambda raw: find(Raw(raw))


def test_a_silent_line_is_given_up(make: Make) -> None:
    sandbox, connector = make(Limits(heartbeat=0.02))
    subscription = connector.subscribe(link_to())
    call, directory = connector.listen([subscription]), connector._directory
    patient = HangingCall(directory.ears(ANN), directory.mailbox(ANN), {}, [subscription.id], patience=0.3)
    heard = iter(patient)
    next(heard)
    sandbox.hush_streams()
    with pytest.raises(errors.Transient, match="silent") as caught:
        list(heard)
    assert caught.value.code == "stream-silent"
    assert call is not patient


def test_a_cut_line_is_no_end_in_order(make: Make) -> None:
    sandbox, connector = make(Limits(heartbeat=0.02))
    heard = iter(connector.listen([connector.subscribe(link_to())]))
    next(heard)
    sandbox.drop_streams()
    with pytest.raises(errors.Transient):
        list(heard)


@pytest.mark.parametrize(
    "code",
    [
        "ErrorSubscriptionNotFound",
        "ErrorSubscriptionUnsubscribed",
        "ErrorExpiredSubscription",
        "ErrorMissedNotificationEvents",
        "ErrorReadEventsFailed",
        "ErrorInvalidSubscription",
        "ErrorInvalidWatermark",
    ],
)
def test_lost_subscriptions_are_named_and_the_others_live(make: Make, code: str) -> None:
    sandbox, connector = make()
    ann, bob = (connector.subscribe(link_to(user=user)) for user in (ANN, BOB))
    sandbox.lose_subscriptions(code, BOB)
    told = list(connector.listen([ann, bob]))
    [(identifier, error)] = [lost for each in told for lost in each.lost.items()]
    assert identifier == bob.id
    assert type(error) is errors.SubscriptionLost
    assert error.code == code
    sandbox.mailbox(ANN).create(Subject="Hers", **EVENT)
    assert changed(list(connector.listen([ann]))) == {ann.id}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (busy_fault(2000), errors.Throttled),
        (busy_item(2000), errors.Throttled),
        (busy_inner(2000), errors.Throttled),
        (busy_http(2), errors.Throttled),
        (ItemAnswer("ErrorExceededConnectionCount"), errors.Throttled),
        (ItemAnswer("ErrorProxyRequestNotAllowed"), errors.Moved),
        (WholeFault("ErrorInternalServerError"), errors.Transient),
        (WholeFault("ErrorImpersonateUserDenied"), errors.AccessDenied),
        (HttpAnswer(401), errors.AuthRefused),
        (HttpAnswer(500, body=b"oops"), errors.Transient),
    ],
)
@pytest.mark.parametrize("operation", ["Subscribe", "GetStreamingEvents"])
def test_faults_of_whole_calls_are_classed(
    make: Make, operation: str, fault: Any, expected: type[errors.ConnectorError]
) -> None:
    """Throttling in each of its forms, with the server's hint; a mailbox that moved; a refused log-on sends nothing more."""
    sandbox, connector = make()
    known = connector.subscribe(link_to(user=BOB))
    sandbox.inject(fault, operation)
    with pytest.raises(errors.ConnectorError) as caught:
        connector.subscribe(link_to()) if operation == "Subscribe" else list(connector.listen([known]))
    assert type(caught.value) is expected
    if isinstance(caught.value, errors.Throttled) and caught.value.code != "ErrorExceededConnectionCount":
        assert caught.value.after == 2
    if expected is errors.AuthRefused:
        before = len(sandbox.requests)
        with pytest.raises(errors.AuthRefused):
            connector.subscribe(link_to())
        with pytest.raises(errors.AuthRefused):
            list(connector.listen([known]))
        assert len(sandbox.requests) == before


def test_push_asks_for_posts_to_an_address(make: Make) -> None:
    sandbox, connector = make()
    subscription = connector.subscribe(link_to(), PushTo("http://127.0.0.1:9/a/b", 10))
    [made] = sandbox.notices.subscriptions
    assert (made.id, made.url, made.frequency) == (subscription.id, "http://127.0.0.1:9/a/b", 10)
    assert sandbox.schema_violations == []


def test_documents_are_found_however_the_bytes_come() -> None:
    one = b'<?xml version="1.0"?><s:Envelope xmlns:s="x"><a/></s:Envelope>'
    two = b'<Envelope xmlns="y"><b>&lt;/Envelope&gt;</b></Envelope >'
    stream = one + b"\r\n" + two + b"<rest"
    for size in (1, 7, len(stream)):
        parts = (stream[at : at + size] for at in range(0, len(stream), size))
        assert list(documents(parts)) == [one, two]
    with pytest.raises(errors.ProtocolFault):
        list(documents(iter([b"x" * (5 << 20)])))


def test_a_notification_in_either_namespace_counts_and_a_status_is_none() -> None:
    """Microsoft's schema and what its servers send differ."""
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    names = (
        'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
        'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
    )

    def document(prefix: str, event: str) -> bytes:
        return (
            f'<s:Envelope xmlns:s="{soap}"><s:Body {names}><m:GetStreamingEventsResponse><m:ResponseMessages>'
            '<m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
            f"<m:Notifications><{prefix}:Notification><t:SubscriptionId>a</t:SubscriptionId><t:{event}/>"
            f"</{prefix}:Notification></m:Notifications></m:GetStreamingEventsResponseMessage></m:ResponseMessages>"
            "</m:GetStreamingEventsResponse></s:Body></s:Envelope>"
        ).encode()

    for prefix in ("m", "t"):
        assert told_by(document(prefix, "CreatedEvent")) == (Told(frozenset("a")), False)
    assert told_by(document("m", "StatusEvent")) == (Told(), False)
    with pytest.raises(errors.ProtocolFault):
        told_by(b'<!DOCTYPE x [<!ENTITY a "b">]>' + document("m", "CreatedEvent"))
