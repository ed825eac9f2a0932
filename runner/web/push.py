"""The push endpoint: where Exchange servers post that something changed (B-11). Nothing in a post is trusted.

============================================  =========================================================================
a post                                        is answered with
============================================  =========================================================================
to an address that nobody has                 200 ``Unsubscribe``, unread: an old subscription, or somebody guesses
of more than :data:`LARGEST` bytes            413, before anything is parsed
that is no SendNotification, has a DOCTYPE    400
about another subscription than the           200 ``Unsubscribe``
address was made for
that says that events were missed             200 ``OK``; the link is looked at and subscribed anew
about this one                                200 ``OK``; at most one wish for a pass, however many events it has
============================================  =========================================================================

The answer goes out before any work is done: a server counts posts that wait for it against its limits. An address is
``…/TARGET/HANDLE/SECRET``; the handle finds the subscription, the secret is compared in constant time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

import structlog
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runner.service.notifications import Notifications

LARGEST = 256 << 10
"""Bytes of a post; one with fifty events has about 40,000."""
MOST = 100
"""Posts at a time."""

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
_TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
_EVENT = re.compile(r"\{[^}]*\}(?!Status)\w+Event$")
_ANSWER = (
    f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_SOAP}"><s:Body>'
    f'<m:SendNotificationResult xmlns:m="{_MESSAGES}"><m:SubscriptionStatus>%s</m:SubscriptionStatus>'
    "</m:SendNotificationResult></s:Body></s:Envelope>"
)
log = structlog.get_logger("exsync.notifications")


@dataclass(frozen=True, slots=True)
class Post:
    """What a post says: which subscriptions it is about, whether any folder changed, whether events were missed."""

    subscriptions: Sequence[str]
    changed: bool
    missed: bool


def push_app(notifications: Notifications) -> Starlette:
    """The application of the push listener."""

    async def take(request: Request) -> Response:
        parts = request.url.path.strip("/").split("/")[-3:]
        if len(parts) < 3:
            return PlainTextResponse("there is nothing here\n", 404)
        target, handle, secret = parts
        subscriber = notifications.subscriber(target)
        if subscriber is None or not subscriber.has(handle, secret):
            return _answered(notifications, "Unsubscribe", "unknown")
        body = await _body(request)
        if body is None:
            return _refused(notifications, 413, f"more than {LARGEST} bytes")
        try:
            post = parsed(body)
        except ValueError as error:
            return _refused(notifications, 400, str(error))
        if post.missed:
            taken = await run_in_threadpool(subscriber.missed, handle, secret)
        else:
            taken = await run_in_threadpool(subscriber.posted, handle, secret, post.subscriptions, changed=post.changed)
        return _answered(notifications, "OK" if taken else "Unsubscribe", "taken" if taken else "unknown")

    return Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])


async def _body(request: Request) -> bytes | None:
    """The body; None as soon as it is too large."""
    if int(request.headers.get("content-length") or 0) > LARGEST:
        return None
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LARGEST:
            return None
    return bytes(data)


def parsed(body: bytes) -> Post:
    """What a ``SendNotification`` says. Raises ``ValueError`` for anything else, and for a document with a DOCTYPE."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError) as error:
        raise ValueError(f"no XML that is taken: {type(error).__name__}") from None
    messages = root.findall(
        f"{{{_SOAP}}}Body/{{{_MESSAGES}}}SendNotification/{{{_MESSAGES}}}ResponseMessages/"
        f"{{{_MESSAGES}}}SendNotificationResponseMessage"
    )
    if not messages:
        raise ValueError("no SendNotification")
    ids: list[str] = []
    changed = missed = False
    for message in messages:
        missed = missed or message.get("ResponseClass") == "Error"
        for notification in _notifications(message):
            identifier = (notification.findtext(f"{{{_TYPES}}}SubscriptionId") or "").strip()
            if identifier:
                ids.append(identifier)
            changed = changed or any(_EVENT.match(child.tag) for child in notification)
    if not ids and not missed:
        raise ValueError("a notification without a subscription")
    return Post(ids, changed, missed)


def _notifications(message: Element) -> list[Element]:
    return message.findall(f"{{{_MESSAGES}}}Notification") + message.findall(f"{{{_TYPES}}}Notification")


def _answered(notifications: Notifications, word: str, outcome: str) -> Response:
    notifications.metrics.posts.labels(outcome).inc()
    return Response(_ANSWER % word, media_type="text/xml")


def _refused(notifications: Notifications, status: int, reason: str) -> Response:
    notifications.metrics.posts.labels("refused").inc()
    log.info("push.refused", reason=reason)
    return PlainTextResponse(f"{reason}\n", status)
