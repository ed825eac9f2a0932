"""Push notifications: posts to the subscribers' own addresses (page PushSubscriptionRequest, StatusFrequency).

Each post is a whole ``SendNotification``; what it told counts as told when the answer says ``OK``. ``Unsubscribe`` ends the
subscription. When the answer is anything else the same is posted again after half a minute, a minute, two …, until more than
StatusFrequency has passed since the first failure; then the subscription is gone. With nothing to tell, a StatusEvent goes
out every StatusFrequency minutes.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from threading import Condition, Thread
from urllib.parse import urlsplit

from lxml import etree

from runner.sandbox.events import status
from runner.sandbox.messages import success
from runner.sandbox.subscriptions import Subscription
from runner.sandbox.wire import MESSAGES, SOAP, TYPES

_PATIENCE = 10.0
_MOST = 50
"""Events in one post."""


@dataclass(slots=True)
class _Course:
    """Where one subscription stands. Times are monotonic seconds."""

    subscription: Subscription
    end: Callable[[], None]
    due: float
    failing_since: float | None = None
    failures: int = 0


class Pusher:
    """One server's posts, one after the other in a thread that begins with the first push subscription."""

    def __init__(self, minute: float) -> None:
        self.minute = minute
        self.posted: list[tuple[str, int | None]] = []
        """Every post: its address and the HTTP status of its answer, None without one."""
        self.sent: list[bytes] = []
        """The documents of all posts."""
        self._wake = Condition()
        self._courses: dict[str, _Course] = {}
        self._heap: list[tuple[float, str]] = []
        self._thread: Thread | None = None
        self._stopping = False

    def begin(self, subscription: Subscription, end: Callable[[], None]) -> None:
        """Take a subscription up. ``end`` is called when it is over."""
        with self._wake:
            self._courses[subscription.id] = _Course(subscription, end, 0.0)
            self._at(subscription.id, time.monotonic())
            if self._thread is None:
                self._stopping = False
                self._thread = Thread(target=self._post_all, name="exsync-sandbox-push", daemon=True)
                self._thread.start()

    def due(self, subscription: Subscription) -> None:
        """There is something to tell, unless its subscriber is not answering just now."""
        with self._wake:
            course = self._courses.get(subscription.id)
            if course is not None and course.failing_since is None:
                self._at(subscription.id, time.monotonic())

    def stop(self) -> None:
        """Post nothing any more."""
        with self._wake:
            self._stopping = True
            self._courses.clear()
            self._heap.clear()
            self._wake.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _at(self, identifier: str, when: float) -> None:
        self._courses[identifier].due = when
        heappush(self._heap, (when, identifier))
        self._wake.notify()

    def _next(self) -> _Course | None:
        with self._wake:
            while not self._stopping:
                now = time.monotonic()
                while self._heap and self._heap[0][0] <= now:
                    when, identifier = heappop(self._heap)
                    course = self._courses.get(identifier)
                    if course is not None and course.due == when:
                        return course
                self._wake.wait(self._heap[0][0] - now if self._heap else None)
            return None

    def _post_all(self) -> None:
        while (course := self._next()) is not None:
            subscription = course.subscription
            events = subscription.events[:_MOST]
            document = _document(subscription, len(events))
            word = self._post(subscription.url, document)
            with self._wake:
                over = subscription.id in self._courses and self._answered(course, word, len(events))
            if over:
                course.end()  # takes the server's lock, under which others wait for ours

    def _answered(self, course: _Course, word: str | None, told: int) -> bool:
        """Whether the subscription is over."""
        now, subscription = time.monotonic(), course.subscription
        if word == "OK":
            course.failing_since, course.failures = None, 0
            del subscription.events[:told]
            subscription.told += told
            more = bool(subscription.events)
            self._at(subscription.id, now if more else now + subscription.frequency * self.minute)
            return False
        since = course.failing_since = course.failing_since or now
        wait = self.minute / 2 * 2**course.failures
        course.failures += 1
        if word == "Unsubscribe" or now + wait - since > subscription.frequency * self.minute:
            del self._courses[subscription.id]
            return True
        self._at(subscription.id, now + wait)
        return False

    def _post(self, url: str, document: bytes) -> str | None:
        """The subscriber's word; None when there is none that can be understood."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        if parts.scheme == "https":
            # The subscriber's certificate is not this server's to judge.
            unverified = ssl._create_unverified_context()  # noqa: S323
            connection = http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=unverified)
        self.sent.append(document)
        try:
            connection.request("POST", parts.path or "/", document, {"Content-Type": "text/xml; charset=utf-8"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self.posted.append((url, None))
            return None
        finally:
            connection.close()
        self.posted.append((url, answer.status))
        return _word(body) if answer.status == 200 else None


def _document(subscription: Subscription, count: int) -> bytes:
    events = subscription.events[:count] or [status(datetime.now(UTC))]
    told = success("SendNotification", subscription.notification(events))
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap11:Envelope xmlns:soap11="{SOAP}"><soap11:Header>'
        f'<t:RequestServerVersion xmlns:t="{TYPES}" Version="Exchange2016"/></soap11:Header><soap11:Body>'
        f'<m:SendNotification xmlns:t="{TYPES}" xmlns:m="{MESSAGES}"><m:ResponseMessages>{told}</m:ResponseMessages>'
        "</m:SendNotification></soap11:Body></soap11:Envelope>"
    ).encode()


def _word(body: bytes) -> str | None:
    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None
    word = root.findtext(f"{{{SOAP}}}Body/{{{MESSAGES}}}SendNotificationResult/{{{MESSAGES}}}SubscriptionStatus")
    return word.strip() if word else None
