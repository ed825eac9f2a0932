"""Subscribe and Unsubscribe, and what keeps a group of subscriptions on one Mailbox server.

Affinity (How to maintain affinity between a group of subscriptions and the Mailbox server): every request of a group names
the same anchor mailbox and prefers server affinity; the cookie that the first answer sets steers all the others.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from exchangelib import services as stock

from runner.connectors.exchange.faults import Scope
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import Element, add, m, root
from runner.connectors.exchange.services import Tamed
from runner.connectors.exchange.transport import EwsProtocol
from runner.model.errors import ProtocolFault
from runner.model.notifications import PushTo
from runner.model.terms import Folder

EVENTS = ("CopiedEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent")
_COOKIE = "X-BackEndOverrideCookie"


@dataclass(slots=True)
class Affinity:
    """One group: its anchor and the cookie of its back end. Safe to share between threads."""

    anchor: str
    cookie: str = ""

    def headers(self) -> dict[str, str]:
        """What every request of the group bears."""
        steer = {"Cookie": f"{_COOKIE}={self.cookie}"} if self.cookie else {}
        return {"X-AnchorMailbox": self.anchor, "X-PreferServerAffinity": "true", **steer}

    def learn(self, set_cookie: str) -> None:
        """Take the cookie from an answer, if it sets one; of several the server's latest word counts."""
        try:
            morsel = SimpleCookie(set_cookie).get(_COOKIE)
        except CookieError:
            return
        if morsel is not None:
            self.cookie = morsel.value


@dataclass(slots=True)
class Affinities:
    """All groups of one target by name; the first mailbox of a group is its anchor."""

    _groups: dict[str, Affinity] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, group: str, mailbox: str) -> Affinity:
        """The group's; made with this mailbox as anchor when it is new."""
        with self._lock:
            return self._groups.setdefault(group, Affinity(mailbox))

    def forget(self, group: str) -> None:
        """The back end may have changed: the next request finds it anew."""
        with self._lock:
            self._groups.pop(group, None)


class _Anchored(Tamed):
    """A service whose requests keep to a group's back end."""

    scope = Scope.SUBSCRIPTION

    def __init__(self, mailbox: Mailbox, protocol: EwsProtocol, affinity: Affinity) -> None:
        super().__init__(mailbox)
        self._protocol, self._affinity = protocol, affinity

    def _get_response_xml(self, payload: Element, **_: Any) -> list[Element]:
        messages, headers = self._sent(payload, self._protocol, self._affinity.headers())
        self._affinity.learn(headers.get("Set-Cookie", ""))
        return messages


class Subscribe(_Anchored, stock.SubscribeToStreaming):  # type: ignore[misc]
    """A new subscription: its id."""

    @classmethod
    def _get_elements_in_container(cls, container: Element) -> list[Element]:
        return [container]

    def _elem_to_obj(self, elem: Element) -> str:
        identifier = elem.findtext(m("SubscriptionId"))
        if not identifier:
            raise ProtocolFault("Subscribe answered without a subscription's id", code="unreadable-answer")
        return identifier.strip()


class Unsubscribe(_Anchored, stock.Unsubscribe):  # type: ignore[misc]
    """The end of a subscription: ``True``."""

    def _elem_to_obj(self, elem: Any) -> bool:
        return True


def streaming_request(mailbox: Mailbox, folder: Folder) -> Element:
    """A subscription that is read over a connection (page StreamingSubscriptionRequest)."""
    request = root("Subscribe")
    _describe(add(request, "m:StreamingSubscriptionRequest"), mailbox, folder)
    return request


def push_request(mailbox: Mailbox, folder: Folder, push: PushTo) -> Element:
    """A subscription that is posted (page PushSubscriptionRequest). Without a watermark: what was missed is looked for."""
    request = root("Subscribe")
    described = add(request, "m:PushSubscriptionRequest")
    _describe(described, mailbox, folder)
    add(described, "t:StatusFrequency", str(max(1, min(push.every, 1440))))
    add(described, "t:URL", push.url)
    return request


def unsubscribe_request(identifier: str) -> Element:
    """The end of a subscription."""
    request = root("Unsubscribe")
    add(request, "m:SubscriptionId", identifier)
    return request


def _describe(request: Element, mailbox: Mailbox, folder: Folder) -> None:
    mailbox.add_folder(add(request, "t:FolderIds"), folder)
    events = add(request, "t:EventTypes")
    for event in EVENTS:
        add(events, "t:EventType", event)
