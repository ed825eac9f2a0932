"""Subscribe, Unsubscribe, GetEvents and GetStreamingEvents (their pages; Notification subscriptions in EWS)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from runner.sandbox.context import Context, each, failure, need
from runner.sandbox.failures import EwsError
from runner.sandbox.notices import lasting
from runner.sandbox.streams import NAME as STREAM
from runner.sandbox.streams import errors
from runner.sandbox.subscriptions import STREAMING_IDLE, Way
from runner.sandbox.wire import Element, M, T, children, local, tag

_WAYS = {
    "PullSubscriptionRequest": Way.PULL,
    "PushSubscriptionRequest": Way.PUSH,
    "StreamingSubscriptionRequest": Way.STREAMING,
}


def subscribe(context: Context, request: Element) -> Iterator[str]:
    """A new subscription to folders of one mailbox."""
    return each(context, "Subscribe", [next(iter(children(request)))], lambda entry: _subscribed(context, entry))


def _subscribed(context: Context, entry: Element) -> str:
    way, mailbox = _WAYS[local(entry)], context.own()
    listed = entry.find(T + "FolderIds")
    everything = entry.get("SubscribeToAllFolders") in ("true", "1")
    if everything == (listed is not None):
        raise EwsError("ErrorInvalidSubscriptionRequest", "Either folders or all folders must be subscribed to.")
    folders = None
    if listed is not None:
        found = [context.folder(element) for element in children(listed)]
        if len({folder.owner for folder in found}) > 1:
            raise EwsError("ErrorInvalidSubscriptionRequest", "One subscription covers one mailbox.")
        folders = frozenset(folder.id for folder in found)
        mailbox = context.mailboxes[found[0].owner.lower()]
    kinds = frozenset((kind.text or "").strip() for kind in children(need(entry, T + "EventTypes")))
    minutes = int(entry.findtext(T + "Timeout") or entry.findtext(T + "StatusFrequency") or 0)
    url = (entry.findtext(T + "URL") or "").strip()
    if way is Way.PUSH and not urlsplit(url).hostname:
        raise EwsError("ErrorInvalidPushSubscriptionUrl", "The push subscription URL is invalid.")
    if entry.findtext(T + "Watermark"):
        raise EwsError("ErrorInvalidWatermark")
    lasts = lasting(minutes) if way is Way.PULL else STREAMING_IDLE
    made = context.notices.subscriptions.add(way, mailbox.address.lower(), context.account, folders, kinds, lasts)
    made.url, made.frequency, made.timeout = url, minutes, minutes
    context.notices.subscribe(made)
    mark = "" if way is Way.STREAMING else tag("Watermark", made.mark(0), "m")
    return tag("SubscriptionId", made.id, "m") + mark


def unsubscribe(context: Context, request: Element) -> Iterator[str]:
    """The end of a streaming or pull subscription."""

    def one(entry: Element) -> str:
        found = context.notices.subscriptions.find(
            entry.findtext(M + "SubscriptionId") or "", context.account, Way.STREAMING, Way.PULL
        )
        context.notices.subscriptions.end(found)
        return ""

    return each(context, "Unsubscribe", [request], one)


def get_events(context: Context, request: Element) -> Iterator[str]:
    """What a pull subscription has to tell since a watermark."""

    def one(entry: Element) -> str:
        subscriptions = context.notices.subscriptions
        found = subscriptions.find(entry.findtext(M + "SubscriptionId") or "", context.account, Way.PULL)
        return subscriptions.pulled(found, entry.findtext(M + "Watermark") or "")

    return each(context, "GetEvents", [request], one)


def get_streaming_events(context: Context, request: Element) -> Iterator[str | None]:
    """One document after the other. Where one of the subscriptions cannot be borne, no other is: the answer says which
    they were, and is over."""
    ids = [(element.text or "").strip() for element in children(need(request, M + "SubscriptionIds"))]
    minutes = int(request.findtext(M + "ConnectionTimeout") or 0)
    fault = context.item_fault(None, 0)
    unknown = context.notices.unknown(ids, context.account)
    try:
        if fault is not None:
            raise fault.effect.error()  # type: ignore[union-attr]
        if unknown:
            code, those = next(iter(unknown.items()))
            return iter([failure(STREAM, EwsError(code), errors(those) + tag("ConnectionStatus", "Closed", "m"))])
        address = context.mailbox.address if context.mailbox else None
        return context.notices.open(ids, context.account, address, minutes).documents()
    except EwsError as error:
        return iter([failure(STREAM, error, tag("ConnectionStatus", "Closed", "m"))])
