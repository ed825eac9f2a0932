"""Both sides of a link: what a pass and the service ask of a target and of the CRM.

Contract of every connector: errors are raised (or put into results) only as :mod:`runner.model.errors` classes; reads
have no side effects; a write is sent at most once, conditionally, and its result is one of: done, a classed error, or
``OutcomeUnknown``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from runner.model.directory import DirectoryShown, Participant
from runner.model.errors import ConnectorError
from runner.model.items import (
    Capabilities,
    ChangePage,
    CrmUser,
    FeedPage,
    Found,
    Identity,
    Item,
    LinkRef,
    Write,
    WriteResult,
)
from runner.model.notifications import PushTo, Subscription, Told
from runner.model.places import Place


class Connector(Protocol):
    """One side of a link."""

    def check(self, link: LinkRef) -> None:
        """Raise the classed error that a pass over this link would meet (reachability, log-on, access, folder)."""
        ...

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        """The items of these ids, every key answered: ``Gone`` when positively absent, ``Invalid`` when unreadable.

        A target masks private items where the link hides them (``model.privacy``): no hidden value leaves the connector.
        """
        ...

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """Carry out conditional writes in order, one result each.

        A target sends each when its result is asked for, so that a consumer who stops leaves the rest unsent. A CRM carries
        out a bounded number of writes in one transaction, all or none but for those that are invalid or whose version
        moved; an error that stops the consumer is the error of every write in it. After a crash their intents are open.
        """
        ...

    def find(self, link: LinkRef, identities: Sequence[Identity]) -> Sequence[Found]:
        """Every holder of these identities: in the folder, elsewhere on this side, or deleted (see :class:`Place`)."""
        ...

    def content(self, link: LinkRef, key: str, file: str) -> bytes:
        """The bytes of one file that is attached to an item, by the file's key (B-45). ``Gone`` when it has none such."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class TargetConnector(Connector, Protocol):
    """The target's side: a cursor per folder."""

    @property
    def capabilities(self) -> Capabilities:
        """What the protocol can carry."""
        ...

    def changes(self, link: LinkRef, since: str | None) -> Iterator[ChangePage]:
        """Pages of changed and deleted ids since a watermark (None: everything).

        Raises ``WatermarkInvalid`` when the server does not take it, ``ContainerGone`` when the folder is not there.
        """
        ...


class DirectoryConnector(TargetConnector, Protocol):
    """A target that is a directory: users and groups."""

    def show(self, link: LinkRef) -> DirectoryShown:
        """What people look at: its groups under the rules, and who takes part for which reason (B-82)."""
        ...

    def participants(self, link: LinkRef) -> Iterator[Participant]:
        """Everybody who takes part; whole only when the iterator ends by itself."""
        ...


class HangingCall(Protocol):
    """A connection over which a target tells of changes as they happen."""

    def __iter__(self) -> Iterator[Told]:
        """What is told, until the server ends the connection in its time or :meth:`close` is called.

        Raises a classed error when the connection breaks, is refused, or is silent for too long: then something may have
        been told that nobody heard.
        """
        ...

    def close(self) -> None:
        """End it, from any thread: the iteration stops soon."""
        ...


@runtime_checkable
class Subscribes(Protocol):
    """What a target offers beside :class:`TargetConnector` when it can tell of changes (B-11, B-14)."""

    def subscribe(self, link: LinkRef, push: PushTo | None = None) -> Subscription:
        """Ask to be told of changes in the link's folder, over a connection or by posts. Raises classed errors."""
        ...

    def unsubscribe(self, link: LinkRef, subscription: Subscription) -> None:
        """Ask to be told no more. Raises classed errors."""
        ...

    def listen(self, subscriptions: Sequence[Subscription]) -> HangingCall:
        """A connection for subscriptions of one group. Sends nothing before it is iterated over."""
        ...


class Places(Protocol):
    """Where mailboxes live, as far as anybody has found out: kept so that it is not asked for again and again (B-16)."""

    def get(self, target: str, user: str) -> Place | None:
        """What is known of a user's mailbox; None when nothing is."""
        ...

    def put(self, target: str, user: str, place: Place) -> None:
        """Keep what was found out."""
        ...


class Meter(Protocol):
    """Told of every request to a server when it has ended."""

    def __call__(self, target: str, operation: str, code: str, seconds: float) -> None:
        """``operation`` and ``code`` in the server's own words; a code of ours where no answer could be read."""
        ...


class CrmConnector(Connector, Protocol):
    """The CRM's side: one feed for all links."""

    def users(self, addresses: Sequence[str]) -> Mapping[str, CrmUser]:
        """CRM users by address (lower case), aliases included; unknown addresses are absent."""
        ...

    def addresses(self) -> Sequence[str]:
        """The main addresses of all users."""
        ...

    def listing(self, link: LinkRef) -> Iterator[ChangePage]:
        """Every live record of the link's owner, in key order: ids and versions."""
        ...

    def feed(self, since: str | None) -> Iterator[FeedPage]:
        """Committed changes since a CRM watermark, in commit order. None: no rows, only the watermark of now."""
        ...

    def materialise(self) -> int:
        """Bring derived tables of occurrences up to date, where the CRM has any (B-38); how many series were looked at.

        Safe to repeat and to leave out: nothing reads those tables but the CRM's own application.
        """
        ...

    def prune(self, before: datetime, *, consumed: str) -> int:
        """Forget changes older than ``before`` that lie behind the watermark ``consumed``; returns how many.

        Cheap when there is nothing to forget, so it may be called after every run. A watermark older than ``consumed`` is
        no longer taken afterwards.
        """
        ...


class CommitWatch(Protocol):
    """Hears of commits on the CRM's side; use as a context manager, in one thread."""

    def __enter__(self) -> CommitWatch:
        """Begin to listen. Raises classed errors."""
        ...

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        ...

    def wait(self) -> None:
        """Return when something may have been committed since the last call, and from time to time anyway."""
        ...


class WatchedCrm(CrmConnector, Protocol):
    """A CRM whose commits can be heard of at once."""

    def watch(self, stopping: Callable[[], bool]) -> CommitWatch:
        """A watch that ends its waiting when ``stopping`` says so."""
        ...
