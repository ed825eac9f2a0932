"""GetStreamingEvents: one hanging answer, read document by document as it comes (page GetStreamingEvents operation).

What is tamed here: exchangelib reads such an answer byte by byte, notices a dead line after half an hour only, and ends the
whole reading when one subscription of many is bad. Nothing but ids is looked at: what a notification says is not trusted.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import requests
from lxml import etree

from runner.connectors.exchange.faults import Scope, of_fault, of_message, of_status, unreadable
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import SOAP, Element, add, m, root, t
from runner.connectors.exchange.transport import SENDING_FAILS, EwsProtocol, parsed
from runner.model.errors import AuthRefused, ConnectorError, ProtocolFault, Transient
from runner.model.notifications import Told

MINUTES = 29
"""How long the server shall hold the connection open; it allows 30 (GetStreamingEvents, ConnectionTimeout)."""
PATIENCE = 90.0
"""Seconds of silence after which a connection is dead: twice the 45 that Microsoft's own client waits for a sign of life."""
LARGEST = 4 << 20
"""Bytes of one document."""

_END = re.compile(rb"</(?:[A-Za-z_][\w.-]*:)?Envelope\s*>")
_TAIL = 64
"""Bytes in which an end tag that is not whole yet may begin."""
_EVENTS = re.compile(r"\{[^}]*\}(?!Status)\w+Event$")


class HangingCall:
    """One connection for subscriptions of one group. Iterate over it in one thread; close it from any."""

    def __init__(
        self,
        protocol: EwsProtocol,
        mailbox: Mailbox,
        headers: dict[str, str],
        ids: Sequence[str],
        *,
        minutes: int = MINUTES,
        patience: float = PATIENCE,
    ) -> None:
        self._protocol, self._headers, self._ids = protocol, headers, ids
        self._body = mailbox.enveloped(etree.tostring(streaming_events_request(ids, minutes)))
        self._patience = patience
        self._response: requests.Response | None = None
        self._closing = False

    def __iter__(self) -> Iterator[Told]:
        """What the server tells, until it says ``Closed``. Raises classed errors when it breaks off or is silent."""
        self._protocol.demand_log_on()
        session = self._protocol.create_session()
        try:
            with session.post(
                self._protocol.service_endpoint,
                data=self._body,
                headers={**self._headers, "Accept-Encoding": "identity"},
                timeout=(self._protocol.TIMEOUT, self._patience),
                allow_redirects=False,
                stream=True,
            ) as response:
                self._response = response
                if self._closing:
                    return
                self._demand_success(response)
                for document in documents(response.iter_content(None)):
                    told, closed = told_by(document)
                    yield told
                    if closed or self._closing:
                        return
                if not self._closing:
                    raise Transient("the server ended a stream without a word", code="stream-ended")
        except SENDING_FAILS as error:
            if not self._closing:
                raise self._broken(error) from None
        finally:
            self._response = None
            session.close()

    def close(self) -> None:
        """End it. Reading is blocked in the socket, so that is shut down under it."""
        self._closing = True
        response = self._response
        if response is not None:
            shut(response)

    def _demand_success(self, response: requests.Response) -> None:
        if response.status_code == 200:
            return
        document = next(response.iter_content(LARGEST), b"")
        if response.status_code == 500 and b"Envelope" in document[:400]:
            told_by(document)
            raise unreadable("an error without a fault", writing=False)
        error = of_status(
            response.status_code, response.headers, endpoint=self._protocol.service_endpoint, writing=False
        )
        if isinstance(error, AuthRefused):
            self._protocol.refuse(error)
        raise error

    def _broken(self, error: Exception) -> ConnectorError:
        classed = self._protocol.failed(error, writing=False)
        if isinstance(classed, AuthRefused):
            self._protocol.refuse(classed)
        if classed.code == "timeout":
            return Transient(f"a stream was silent for {self._patience:g} s", code="stream-silent")
        return classed


def streaming_events_request(ids: Sequence[str], minutes: int) -> Element:
    """The request for a connection that bears these subscriptions."""
    request = root("GetStreamingEvents")
    listed = add(request, "m:SubscriptionIds")
    for identifier in ids:
        add(listed, "t:SubscriptionId", identifier)
    add(request, "m:ConnectionTimeout", str(minutes))
    return request


def documents(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole SOAP envelopes out of bytes that come as they come. Raises ``ProtocolFault`` for one that is too large."""
    held = bytearray()
    searched = 0
    for chunk in chunks:
        held += chunk
        while (end := _END.search(held, searched)) is not None:
            yield bytes(held[: end.end()]).strip()
            del held[: end.end()]
            searched = 0
        searched = max(0, len(held) - _TAIL)
        if len(held) > LARGEST:
            raise ProtocolFault("a notification of more than 4 MiB was not read to its end", code="answer-too-large")


def told_by(document: bytes) -> tuple[Told, bool]:
    """What one document tells, and whether it is the connection's last. Raises what it reports about the whole call."""
    body = parsed(document).find(f"{{{SOAP}}}Body")
    if body is None:
        raise unreadable("a document without a SOAP body", writing=False)
    fault = body.find(f"{{{SOAP}}}Fault")
    if fault is not None:
        raise of_fault(fault, writing=False)
    changed: set[str] = set()
    lost: dict[str, ConnectorError] = {}
    closed = False
    for message in body.iter(m("GetStreamingEventsResponseMessage")):
        closed = closed or (message.findtext(m("ConnectionStatus")) or "").strip() == "Closed"
        error = of_message(message, scope=Scope.SUBSCRIPTION, writing=False, creating=False)
        if error is not None:
            ids = _error_ids(message)
            if not ids:
                raise error
            lost.update(dict.fromkeys(ids, error))
            continue
        changed.update(_changed(message))
    return Told(frozenset(changed), lost), closed


def _error_ids(message: Element) -> list[str]:
    """Which subscriptions an error is about; the schema and what servers send differ in the namespace."""
    listed = message.find(m("ErrorSubscriptionIds"))
    return [] if listed is None else [(each.text or "").strip() for each in listed if each.text]


def _changed(message: Element) -> Iterator[str]:
    listed = message.find(m("Notifications"))
    for notification in () if listed is None else listed:
        identifier = notification.findtext(t("SubscriptionId"))
        if identifier and any(_EVENTS.match(str(child.tag)) for child in notification):
            yield identifier.strip()


def shut(response: requests.Response) -> None:
    """Shut the socket under an answer that is being read in another thread down."""
    found = _socket(response.raw)
    if found is not None:
        with suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)


def _socket(raw: Any) -> socket.socket | None:
    connection = getattr(raw, "connection", None)
    found = getattr(connection, "sock", None)
    if found is None:
        # A server that says "Connection: close" makes the connection let go of it at once.
        found = getattr(getattr(getattr(getattr(raw, "_fp", None), "fp", None), "raw", None), "_sock", None)
    return found
