"""The push endpoint over HTTP: who gets in, what is read, and what is answered (B-11; E1, E2 of the fault model)."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from exchangelib.services import SendNotification
from lxml import etree

from runner.connectors.exchange.inspection import answer_at
from runner.model.errors import Unreachable
from runner.observe.metrics import Metrics
from runner.service.notifications import Notifications
from runner.web.listening import Listener, tcp_socket
from runner.web.push import LARGEST, parsed, push_app
from tests.support import xsd

NAMES = (
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" '
    'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
)
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def post_of(*events: str, subscription: str = "s1", outcome: str = "Success", code: str = "NoError") -> bytes:
    told = "".join(f"<t:{event}/>" for event in events)
    note = (
        f"<m:Notification><t:SubscriptionId>{subscription}</t:SubscriptionId>{told}</m:Notification>" if events else ""
    )
    return (
        f'<?xml version="1.0"?><s:Envelope xmlns:s="{SOAP}"><s:Body {NAMES}><m:SendNotification><m:ResponseMessages>'
        f'<m:SendNotificationResponseMessage ResponseClass="{outcome}"><m:ResponseCode>{code}</m:ResponseCode>{note}'
        "</m:SendNotificationResponseMessage></m:ResponseMessages></m:SendNotification></s:Body></s:Envelope>"
    ).encode()


@dataclass
class Ears:
    """What the endpoint tells a target's subscriber."""

    told: list[tuple[str, bool]] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)

    def subscriber(self, target: str) -> Ears | None:
        return self if target == "hq" else None

    def has(self, handle: str, secret: str) -> bool:
        return (handle, secret) == ("h", "secret")

    def posted(self, handle: str, secret: str, identifiers: list[str], *, changed: bool) -> bool:
        if set(identifiers) != {"s1"}:
            return False
        self.told.append(("posted", changed))
        return True

    def missed(self, handle: str, secret: str) -> bool:
        self.told.append(("missed", True))
        return True


@dataclass
class Endpoint:
    ears: Ears
    port: int

    def post(self, body: bytes, path: str = "/push/hq/h/secret", **headers: str) -> tuple[int, str | None]:
        """The status, and the word in a SendNotificationResult."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            return answer.status, None
        result = etree.fromstring(text)[0][0]
        assert xsd.findings(result) == []
        return 200, result[0].text


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    ears = Ears()
    bound = tcp_socket("127.0.0.1", 0)
    port = bound.getsockname()[1]
    listener = Listener(push_app(cast(Notifications, ears)), bound, "push", most=10)
    listener.start()
    yield Endpoint(ears, port)
    listener.stop()


def test_a_post_is_one_hint_however_many_events_it_has(endpoint: Endpoint) -> None:
    assert endpoint.post(post_of("CreatedEvent", "ModifiedEvent", "ModifiedEvent")) == (200, "OK")
    assert endpoint.post(post_of("StatusEvent")) == (200, "OK")
    assert endpoint.ears.told == [("posted", True), ("posted", False)]
    missed = post_of(outcome="Error", code="ErrorMissedNotificationEvents")
    assert endpoint.post(missed) == (200, "OK")
    assert endpoint.ears.told[2:] == [("missed", True)]


@pytest.mark.parametrize("path", ["/push/hq/h/wrong", "/push/hq/x/secret", "/push/other/h/secret", "/hq/h/"])
def test_nobody_elses_address_is_told_to_unsubscribe_unread(endpoint: Endpoint, path: str) -> None:
    """B4: an old subscription of a server, or somebody who guesses; not even rubbish is looked at."""
    status, word = endpoint.post(b"<rubbish", path)
    assert (status, word) in ((200, "Unsubscribe"), (404, None))
    assert endpoint.ears.told == []


def test_another_subscription_than_the_addresss_is_told_to_unsubscribe(endpoint: Endpoint) -> None:
    assert endpoint.post(post_of("CreatedEvent", subscription="s2")) == (200, "Unsubscribe")
    assert endpoint.ears.told == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"<a/>",
        post_of("CreatedEvent")[:-30],
        post_of(),
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + post_of("CreatedEvent").removeprefix(b'<?xml version="1.0"?>'),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b'<?xml version="1.0" encoding="nonsense"?><x/>',
    ],
)
def test_what_is_no_notification_is_refused(endpoint: Endpoint, body: bytes) -> None:
    """E1: a DOCTYPE is refused whatever it declares."""
    assert endpoint.post(body) == (400, None)
    assert endpoint.ears.told == []


def test_a_body_that_is_too_large_is_refused_before_it_is_parsed(endpoint: Endpoint) -> None:
    large = post_of("CreatedEvent") + b" " * LARGEST
    assert endpoint.post(large)[0] == 413
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as raw:
        raw.sendall(b"POST /push/hq/h/secret HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (1 << 16, b"x" * (1 << 16))
        try:
            for _ in range(8):
                raw.sendall(chunk)
        except OSError:
            pass  # it hung up on us already
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    assert endpoint.ears.told == []


def test_only_posts_are_taken(endpoint: Endpoint) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    connection.request("GET", "/push/hq/h/secret")
    assert connection.getresponse().status == 405
    connection.close()


def test_stock_exchangelib_and_we_read_the_same() -> None:
    body = post_of("CreatedEvent", "StatusEvent")
    [note] = SendNotification(protocol=None).parse(body)
    read: Any = parsed(body)
    assert list(read.subscriptions) == [note.subscription_id]
    assert read.changed


def test_doctor_knows_our_listener_from_anything_else(endpoint: Endpoint) -> None:
    """It posts to an address that nobody has: nothing happens, and the answer is our own."""
    assert "Unsubscribe" in answer_at(f"http://127.0.0.1:{endpoint.port}/push", None)
    assert endpoint.ears.told == []
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            answer_at(f"http://127.0.0.1:{unused.getsockname()[1]}/push", None)
