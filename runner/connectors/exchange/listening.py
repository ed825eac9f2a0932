"""The port ``Subscribes`` over EWS: subscriptions, and the calls that hang until something changes (B-11, B-14)."""

from __future__ import annotations

from collections.abc import Sequence

from runner.connectors.exchange.directory import Directory
from runner.connectors.exchange.streaming import HangingCall
from runner.connectors.exchange.subscribing import (
    Affinities,
    Subscribe,
    Unsubscribe,
    push_request,
    streaming_request,
    unsubscribe_request,
)
from runner.model.errors import ContainerGone
from runner.model.items import LinkRef
from runner.model.notifications import PushTo, Subscription


class Listening:
    """What a connector is told of, on sessions of its own."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._affinities = Affinities()

    def subscribe(self, link: LinkRef, push: PushTo | None = None) -> Subscription:
        """Ask to be told of changes in the link's folder: over a connection, or by posts. One request."""
        with self._directory.following(link.user):
            mailbox, group = self._directory.mailbox(link.user), self._directory.group(link.user)
            affinity = self._affinities.of(group, mailbox.address)
            service = Subscribe(mailbox, self._directory.ears(link.user), affinity)
            if push is not None:
                return Subscription(service.one(push_request(mailbox, link.folder, push)), link.user, group)
            try:
                return Subscription(service.one(streaming_request(mailbox, link.folder)), link.user, group)
            except ContainerGone:
                mailbox.folders.pop(link.folder, None)
                raise

    def unsubscribe(self, link: LinkRef, subscription: Subscription) -> None:
        """Ask to be told no more. One request."""
        mailbox = self._directory.mailbox(link.user)
        affinity = self._affinities.of(subscription.group, mailbox.address)
        Unsubscribe(mailbox, self._directory.ears(link.user), affinity).one(unsubscribe_request(subscription.id))

    def listen(self, subscriptions: Sequence[Subscription]) -> HangingCall:
        """A connection for subscriptions of one group.

        It is opened on behalf of its first mailbox: a server counts hanging calls by mailbox (HangingConnectionLimit).
        """
        first = min(subscriptions, key=lambda subscription: subscription.user)
        mailbox = self._directory.mailbox(first.user)
        headers = self._affinities.of(first.group, mailbox.address).headers()
        ids = [subscription.id for subscription in subscriptions]
        return HangingCall(self._directory.ears(first.user), mailbox, headers, ids)
