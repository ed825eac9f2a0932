"""The ports: what the engine asks of the world, kept as narrow as an HTTP transport.

Contract of every connector: errors are raised (or put into results) only as :mod:`runner.model.errors` classes; reads
have no side effects; a write is sent at most once, conditionally, and its result is one of: done, a classed error, or
``OutcomeUnknown``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, runtime_checkable

from runner.model.directory import DirectoryShown
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
from runner.model.meetings import Mail, Master, Spending
from runner.model.notifications import PushTo, Subscription, Told
from runner.model.places import Place
from runner.model.proofs import Proof
from runner.model.queueing import Barred, Job, Message, Sample
from runner.model.state import (
    Act,
    Commit,
    Conflict,
    Intent,
    LedgerEntry,
    LinkState,
    Mark,
    MarkCounts,
    Pairing,
    Quarantined,
    Resolution,
    RunRecord,
    Suspension,
)
from runner.model.terms import Side


class Clock(Protocol):
    """Time, passed in so that a run can be replayed."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump back."""
        ...


class Rng(Protocol):
    """Randomness, passed in so that a run can be replayed."""

    def token(self) -> str:
        """A fresh unguessable id of 26 to 32 lower-case letters and digits."""
        ...


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

    def participants(self, link: LinkRef) -> Iterator[tuple[str, str | None]]:
        """(log-on name, main address) of everybody who takes part; whole only when the iterator ends by itself."""
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


class Store(Protocol):
    """The state. One process owns it; every mutation of a pass is one :class:`Commit`, atomic and durable."""

    def links(self) -> Mapping[str, LinkState]:
        """Every link that the state knows, by name."""
        ...

    def link(self, name: str) -> LinkState:
        """The link's state; a fresh one (not yet stored) for an unknown name."""
        ...

    def crm_watermark(self, crm: str) -> str | None:
        """The watermark of a CRM's feed."""
        ...

    def marks(self, link: str, *, after: int, until: int, limit: int, now: datetime) -> Sequence[Mark]:
        """Dirty marks with ``after < seq <= until`` in order of ``seq``, those that are due at ``now``."""
        ...

    def last_mark(self, link: str) -> int:
        """The highest ``seq`` of the link's marks, 0 when there are none."""
        ...

    def pairings(
        self,
        link: str,
        *,
        crm_keys: Sequence[str] = (),
        target_keys: Sequence[str] = (),
        stamps: Sequence[str] = (),
        natives: Sequence[str] = (),
    ) -> Sequence[Pairing]:
        """The link's pairings that match any of the keys (each pairing once)."""
        ...

    def echoes(self, link: str, side: Side, refs: Mapping[str, str | None]) -> frozenset[str]:
        """Those keys whose paired version on this side equals the given one (B-12)."""
        ...

    def count(self, link: str) -> int:
        """Number of the link's active pairings."""
        ...

    def paired_keys(self, link: str, side: Side, *, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """(pairing id, this side's key) of the link's active pairings with ``id > after``, in order of id."""
        ...

    def mark_counts(self, link: str, now: datetime) -> MarkCounts:
        """How many marks are due at ``now``, and how many of those have an active pairing: what a pass may touch."""
        ...

    def rehearsal(self) -> AbstractContextManager[None]:
        """Inside, commits are visible to reads; at the end all of them are undone and nothing on disk has changed."""
        ...

    def paired_links(self, crm_keys: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """For each CRM key the names of the links that hold a pairing of it."""
        ...

    def matches(self, link: str) -> Sequence[tuple[str, str]]:
        """(crm_key, target_key) of first-sync candidates whose digest is unique on both sides."""
        ...

    def intents(self, link: str) -> Sequence[Intent]:
        """Open intents: writes whose outcome nobody has recorded."""
        ...

    def writes_since(self, link: str, since: datetime) -> Mapping[str, int]:
        """Ledger counts per operation of this link since an instant: the guards' durable windows."""
        ...

    def writes_under(self, prefix: str, since: datetime) -> Mapping[str, int]:
        """The same over all links whose names begin so: a target's."""
        ...

    def writes_of(self, run: str) -> Mapping[str, int]:
        """Ledger counts per operation of one run, over all links."""
        ...

    def count_under(self, prefix: str) -> int:
        """Number of the active pairings of all links whose names begin so."""
        ...

    def item_writes_since(self, link: str, keys: Sequence[str], since: datetime) -> Mapping[str, int]:
        """For each of these keys (of either side) that was updated since an instant: how often. The loop breaker's (B-65)."""
        ...

    def ledger(
        self,
        link: str | None = None,
        *,
        run: str | None = None,
        key: str | None = None,
        before: int = 0,
        limit: int = 200,
    ) -> Sequence[LedgerEntry]:
        """Every write that happened, newest first: of a link, of a run, of an item (its key on either side); entries with
        an id below ``before`` (0: any)."""
        ...

    def runs_called(self, beginning: str) -> Mapping[str, Sequence[str]]:
        """Runs in the ledger whose names begin so, each with the links on which it wrote."""
        ...

    def holders(self, word: str) -> Sequence[Pairing]:
        """Pairings of any link that are known by this word: a key of either side, a stamp, a native identity."""
        ...

    def titled(self, words: str, limit: int) -> Sequence[Pairing]:
        """Pairings of any link whose item people call so, or partly so, in whatever case; newest first."""
        ...

    def quarantined(self, link: str | None = None) -> Sequence[Quarantined]:
        """Items set aside."""
        ...

    def conflicts(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Conflict]:
        """The conflict ledger, newest first."""
        ...

    def resolutions(self, link: str) -> Sequence[Resolution]:
        """Operators' decisions that no pass has carried out yet."""
        ...

    def runs(self, limit: int) -> Sequence[RunRecord]:
        """The newest runs."""
        ...

    def suspensions(self) -> Sequence[Suspension]:
        """What operators have suspended and not resumed, oldest first."""
        ...

    def proofs(self) -> Mapping[str, Proof]:
        """Every link's newest audit."""
        ...

    def acts(self, limit: int) -> Sequence[Act]:
        """What operators did by command, newest first."""
        ...

    def masters(self, natives: Sequence[str]) -> Mapping[str, Master]:
        """By native identity, whose copy speaks for these meetings (B-41)."""
        ...

    def mails(self, link: str | None = None, *, open_only: bool = False) -> Sequence[Mail]:
        """Mail to attendees, oldest first; ``open_only``: what is held, decided or on its way."""
        ...

    def mailed_since(self, since: datetime) -> Sequence[Spending]:
        """How many people were mailed since an instant, by run and by user: the budgets' durable windows."""
        ...

    def commit(self, commit: Commit) -> None:
        """Apply one commit: all of it or nothing, durable on return."""
        ...

    def heartbeat(self, link: str, now: datetime) -> None:
        """Note a pass without effect; aggregated in memory and written with the next commit or on close."""
        ...

    def close(self) -> None:
        """Flush heartbeats and give the state file back."""
        ...


class Queue(Protocol):
    """Messages that ask for passes (B-20). While a message of a link is held, no other of that link is given out; a wish
    that arrives meanwhile becomes exactly one further message, and joins the held one when that comes back."""

    def put(self, jobs: Sequence[Job]) -> None:
        """Take up wishes for passes, each joined with the open message of its link if there is one."""
        ...

    def lease(self, barred: Barred) -> Message | None:
        """The message with the highest priority that is due, the oldest of those; it is held from now on. None = none."""
        ...

    def begin(self, message: Message) -> Message:
        """The pass of a leased message begins: ``processing``."""
        ...

    def done(self, message: Message) -> None:
        """The pass succeeded: the message is deleted."""
        ...

    def put_back(self, message: Message, *, due: datetime | None, reason: str) -> None:
        """A held message waits for a reason that is not its own; no attempt is counted."""
        ...

    def retry(self, message: Message, *, due: datetime, reason: str, patient: bool = False) -> Message:
        """The pass failed: tried again when due, or ``blocked`` when the attempts are exhausted. Durable on return.

        ``patient``: never blocked, however often it fails: an outage ends by itself, and nobody shall have to act (B-76).
        """
        ...

    def block(self, message: Message, reason: str) -> None:
        """The pass failed for good: ``blocked`` until an operator decides. Durable on return."""
        ...

    def messages(self) -> Sequence[Message]:
        """Every message, oldest first."""
        ...

    def release(self, number: int) -> Message:
        """An operator's retry: at once, attempts counted anew. Raises ``UsageError`` for one that is held or not there."""
        ...

    def release_target(self, target: str) -> int:
        """Everything of a target that waits for its time may run at once; returns how many messages that were."""
        ...

    def discard(self, number: int) -> Message:
        """An operator gives a message up; what it asked for stays marked. Raises like :meth:`release`."""
        ...

    def forget_links(self, links: Sequence[str]) -> None:
        """Drop what waits for links that are no longer configured; held messages end by themselves."""
        ...

    def changes(self) -> int:
        """A number to hand to :meth:`wait`, read before looking for work."""
        ...

    def wait(self, seen: int, longest: float) -> None:
        """Sleep until something changed since ``seen``, a message is due, or ``longest`` seconds have passed."""
        ...

    def wake(self) -> None:
        """Let every :meth:`wait` return."""
        ...

    def sample(self) -> Sequence[Sample]:
        """Take and keep one sample per target; called each minute (B-22)."""
        ...

    def samples(self, since: datetime) -> Sequence[Sample]:
        """Samples since an instant, oldest first."""
        ...

    def flush(self) -> None:
        """Make everything so far durable."""
        ...


class QueueJournal(Protocol):
    """Where an embedded queue keeps its messages between processes."""

    def messages(self) -> Sequence[Message]:
        """Every message that was saved and not removed."""
        ...

    def save(self, changed: Sequence[Message], touched: Sequence[int]) -> None:
        """Replace the messages with the ids in ``touched`` by those in ``changed``, in one transaction."""
        ...

    def note(self, samples: Sequence[Sample]) -> None:
        """Keep samples, and forget old ones."""
        ...

    def samples(self, since: datetime) -> Sequence[Sample]:
        """Samples since an instant, oldest first."""
        ...
