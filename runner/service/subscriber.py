"""One target's subscriptions in motion: subscribe → look → stream, and again whatever ends (B-11, B-13, B-14).

One thread subscribes, renews and opens connections; one more for each connection reads it. What a server tells is a hint and
nothing else: all that follows from it is the wish for a pass. Whatever may have hidden a change, a lost subscription, a
line that broke, makes a wish too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from runner.config.plan import ExchangePlan
from runner.model.errors import (
    AuthRefused,
    ConnectorError,
    ProtocolFault,
    SubscriptionLost,
    Throttled,
    Transient,
    Unreachable,
)
from runner.model.items import LinkRef
from runner.model.notifications import PushTo, Subscription, Told
from runner.model.ports import Clock, HangingCall, Rng, Subscribes
from runner.observe.metrics import Metrics
from runner.queue import backoff
from runner.service.doors import Door, Doors
from runner.service.subscriptions import LARGEST, Book, Entry, Standing, joinable

SWEEP = 60.0
"""Seconds between two looks for subscriptions that were silent for too long."""
LONGEST = timedelta(minutes=1)
"""Longest wait between two attempts to reach a server again; a refused link waits up to a quarter of an hour."""
HASTY = 5.0
"""Seconds: a connection that ends sooner was no success."""
MANY = "ErrorExceededSubscriptionCount"
"""One mailbox has too many subscriptions; the others go on."""

log = structlog.get_logger("exsync.notifications")


@dataclass(frozen=True, slots=True)
class Telling:
    """What a subscriber tells others: links that changed, links to look at since something may have been missed, and that
    the log-on was refused."""

    changed: Callable[[Iterable[str]], None]
    look: Callable[[Iterable[str]], None]
    refused: Callable[[str], None]


@dataclass(slots=True)
class _Line:
    """One connection with the ids of the subscriptions that it bears."""

    number: int
    ids: set[str]
    call: HangingCall
    begun: float
    thread: threading.Thread | None = None


@dataclass(slots=True)
class Subscriber:
    """One target and its connector. :meth:`run` in a supervised thread until it is :attr:`over`."""

    plan: ExchangePlan
    connector: Subscribes
    telling: Telling
    metrics: Metrics
    clock: Clock
    rng: Rng
    stopping: threading.Event
    over: bool = False
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _book: Book = field(default_factory=Book)
    _lines: dict[int, _Line] = field(default_factory=dict)
    _doors: Doors = field(default_factory=Doors)
    _given_up: list[tuple[LinkRef, Subscription]] = field(default_factory=list)
    _not_before: float = 0.0
    """Nothing is sent before: the server throttles or is away."""
    _failures: int = 0
    _serial: int = 0

    # -- from outside, any thread ------------------------------------------------------------------------------------

    def follow(self, wanted: Mapping[str, LinkRef]) -> None:
        """These links shall be subscribed, and no others; what is unchanged stays as it is."""
        with self._wake:
            self._given_up += self._book.follow(wanted)
            self._doors.keep(self._book)
            self._wake.notify_all()

    def close(self) -> None:
        """End every connection; the server lets the subscriptions lapse."""
        with self._wake:
            self.over = True
            lines = list(self._lines.values())
            self._wake.notify_all()
        for line in lines:
            line.call.close()
        for line in lines:
            if line.thread is not None and line.thread is not threading.current_thread():
                line.thread.join(5.0)

    def entry(self, link: str) -> Entry | None:
        """Where a link stands."""
        with self._wake:
            return self._book.get(link)

    def measure(self) -> tuple[Mapping[Standing, int], int]:
        """How many links stand where, and how many connections are open."""
        with self._wake:
            return self._book.standings(), len(self._lines)

    def has(self, handle: str, secret: str) -> bool:
        """Whether this is an address of ours; the secret is compared in constant time."""
        with self._wake:
            return self._doors.at(handle, secret) is not None

    def posted(self, handle: str, secret: str, identifiers: Iterable[str], *, changed: bool) -> bool:
        """A server has posted to an address of ours. False: nobody has it, or it was made for another subscription; True:
        taken, as one hint at most (B-11)."""
        with self._wake:
            door = self._doors.at(handle, secret)
            if door is None:
                return False
            if door.subscription is None:
                # It posts before it has answered Subscribe; whatever has changed, the link is looked at then.
                door.early |= frozenset(identifiers)
                return True
            if set(identifiers) - {door.subscription}:
                return False
            self._book.borne([door.subscription], self.clock.monotonic(), self.clock.now())
        if changed:
            self.metrics.notifications.labels(self.plan.name).inc()
            self.telling.changed([door.link])
        return True

    def missed(self, handle: str, secret: str) -> bool:
        """A server says that it could not tell everything: the link is looked at and subscribed anew. See :meth:`posted`."""
        with self._wake:
            door = self._doors.at(handle, secret)
            if door is None:
                return False
            if door.subscription is not None:
                self._lose(
                    door.subscription, SubscriptionLost("events were missed", code="ErrorMissedNotificationEvents")
                )
            self._wake.notify_all()
        self.telling.look([door.link])
        return True

    # -- the subscribing thread --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Keep every wanted link subscribed until it is over or the service stops."""
        swept = self.clock.monotonic()
        try:
            while not self._ended():
                now = self.clock.monotonic()
                if now - swept >= SWEEP:
                    swept = now
                    self._sweep(now)
                if now >= self._not_before:
                    self._turn()
                self._rest(swept + SWEEP)
        finally:
            if self._ended():
                self.close()

    def _ended(self) -> bool:
        return self.over or self.stopping.is_set()

    def _turn(self) -> None:
        with self._wake:
            wanted = self._book.to_subscribe(self.clock.monotonic())
        batch = wanted[:LARGEST]
        subscribed = []
        for entry in batch:
            if self._ended() or self.clock.monotonic() < self._not_before:
                break
            if self._subscribe(entry.ref):
                subscribed.append(entry.ref.name)
        if subscribed:
            self.telling.look(subscribed)
        self._unsubscribe()
        if self.plan.notifications.mode == "streaming":
            self._open(only_full=len(wanted) > len(batch))

    def _rest(self, at_latest: float) -> None:
        with self._wake:
            if self._ended():
                return
            now = self.clock.monotonic()
            due = self._book.next_due()
            if self._given_up or (due is None and self.plan.notifications.mode == "streaming" and self._book.groups()):
                due = now
            at = min(at_latest, at_latest if due is None else max(due, self._not_before))
            if at > now:
                self._wake.wait(min(at - now, 1.0 if self.stopping.is_set() else at - now))

    def _subscribe(self, ref: LinkRef) -> bool:
        push, door = self._opened(ref)
        try:
            subscription = self.connector.subscribe(ref, push)
        except ConnectorError as error:
            with self._wake:
                if door is not None:
                    self._doors.shut(door)
                if ref.name in self._book:
                    self._refused(ref.name, error)
            return False
        with self._wake:
            self._failures = 0
            if ref.name not in self._book or (door is not None and door not in self._doors):
                self._given_up.append((ref, subscription))
                return False
            self._book.subscribed(ref.name, subscription, self.clock.monotonic(), self.clock.now())
            if door is not None:
                door.subscription = subscription.id
                self._book.borne(door.early & {subscription.id}, self.clock.monotonic(), self.clock.now())
        return True

    def _opened(self, ref: LinkRef) -> tuple[PushTo | None, Door | None]:
        if self.plan.notifications.mode != "push":
            return None, None
        handle, secret = self.rng.token(), self.rng.token() + self.rng.token()
        with self._wake:
            door = self._doors.open(handle, secret, ref.name)
        every = int(self.plan.notifications.renewal_period.total_seconds() // 120)
        return PushTo(f"{self.plan.notifications.url}/{self.plan.name}/{handle}/{secret}", max(1, every)), door

    def _refused(self, link: str, error: ConnectorError) -> None:
        """Subscribing has failed: for the whole target, or for the link alone."""
        now, entry = self.clock.monotonic(), self._book[link]
        reason = f"{error.code}: {error}"
        if self._whole(error):
            self._pause(error)
            self._book.failed(link, self._not_before, reason)
            return
        hint = error.after if isinstance(error, Throttled) else 0.0
        refused = not isinstance(error, Transient)
        if not entry.failures:
            log.warning("subscription.refused", target=self.plan.name, link=link, code=error.code, error=str(error))
        wait = backoff(entry.failures + 1, self.rng.token(), hint=hint, first=timedelta(seconds=30))
        self._book.failed(link, now + wait.total_seconds(), reason, refused=refused)

    def _whole(self, error: ConnectorError) -> bool:
        """Whether an error is about the server rather than about one mailbox: what EWS itself says of a mailbox is a code
        that begins with ``Error``."""
        if isinstance(error, Throttled):
            return error.code != MANY
        return isinstance(error, AuthRefused | Unreachable) or (
            isinstance(error, Transient) and not error.code.startswith("Error")
        )

    def _pause(self, error: ConnectorError) -> None:
        """Send nothing for a while; after a refused log-on nothing any more."""
        if isinstance(error, AuthRefused):
            self._not_before = float("inf")
            self.telling.refused(f"{error.code}: {error}")
            return
        self._failures += 1
        hint = error.after if isinstance(error, Throttled) else 0.0
        wait = backoff(self._failures, self.rng.token(), hint=hint, first=timedelta(seconds=2), longest=LONGEST)
        self._not_before = max(self._not_before, self.clock.monotonic() + wait.total_seconds())
        if isinstance(error, Throttled):
            self.metrics.throttled.labels(self.plan.name).inc(hint)
        if self._failures == 1:
            log.warning("notifications.paused", target=self.plan.name, code=error.code, error=str(error))

    def _unsubscribe(self) -> None:
        with self._wake:
            given_up, self._given_up = self._given_up, []
        for ref, subscription in given_up:
            if self._ended() or self.plan.notifications.mode == "push":
                return  # a push server is told with its next post
            try:
                self.connector.unsubscribe(ref, subscription)
            except ConnectorError as error:
                log.debug("subscription.not_ended", link=ref.name, code=error.code)

    def _sweep(self, now: float) -> None:
        """Renew what was not heard of for the renewal period (B-13), and join connections that have become small."""
        period = self.plan.notifications.renewal_period.total_seconds()
        with self._wake:
            silent = self._book.silent(now - period)
            links = self._book.links_of(silent)
            for identifier in silent:
                self._lose(identifier, SubscriptionLost(f"nothing was heard of it for {period:g} s", code="silent"))
            sizes = {line.number: len(line.ids) for line in self._lines.values()}
            small = [self._lines[number] for number in joinable(sizes, sum(sizes.values()))]
        if links:
            self.telling.look(links)
        for line in small:
            line.call.close()

    # -- connections -------------------------------------------------------------------------------------------------

    def _open(self, *, only_full: bool) -> None:
        with self._wake:
            for entries in self._book.groups():
                if self._ended() or (only_full and len(entries) < LARGEST):
                    return
                subscriptions = [entry.subscription for entry in entries if entry.subscription is not None]
                self._serial += 1
                ids = {subscription.id for subscription in subscriptions}
                line = _Line(self._serial, ids, self.connector.listen(subscriptions), self.clock.monotonic())
                self._lines[line.number] = line
                for entry in entries:
                    entry.on_line = True
                name = f"stream-{self.plan.name}-{line.number}"
                line.thread = threading.Thread(target=self._read, args=(line,), name=name, daemon=True)
                line.thread.start()

    def _read(self, line: _Line) -> None:
        broken: ConnectorError | None = None
        try:
            for told in line.call:
                self._heard(line, told)
        except ConnectorError as error:
            broken = error
        except Exception as error:  # a bug in reading a stream is told, and its links are polled
            log.error("stream.crashed", target=self.plan.name, exc_info=error)
            broken = ProtocolFault(f"a bug in exsync ended a stream: {error!r}", code="stream-crashed")
        self._hung_up(line, broken)

    def _heard(self, line: _Line, told: Told) -> None:
        with self._wake:
            self._failures = 0
            self._book.borne(line.ids, self.clock.monotonic(), self.clock.now())
            changed = self._book.links_of(told.changed)
            look = []
            for identifier, error in told.lost.items():
                line.ids.discard(identifier)
                look.append(self._lose(identifier, error))
            if told.lost:
                self._wake.notify_all()
        if told.changed:
            self.metrics.notifications.labels(self.plan.name).inc(len(told.changed))
            self.telling.changed(changed)
        if look:
            self.telling.look([link for link in look if link is not None])

    def _lose(self, identifier: str, error: ConnectorError) -> str | None:
        """A subscription is no more. Called under the lock."""
        self.metrics.subscriptions_lost.labels(self.plan.name, error.code).inc()
        now = self.clock.monotonic()
        entries = [entry for entry in self._book if entry.subscription and entry.subscription.id == identifier]
        if error.code in ("ErrorMissedNotificationEvents", "silent"):
            self._given_up += [(entry.ref, entry.subscription) for entry in entries if entry.subscription]
        link = self._book.lost(identifier, now, f"{error.code}: {error}", self._wait)
        if link is not None:
            log.info("subscription.lost", target=self.plan.name, link=link, code=error.code)
        return link

    def _wait(self, failures: int) -> float:
        return backoff(failures, self.rng.token(), longest=timedelta(minutes=15)).total_seconds()

    def _hung_up(self, line: _Line, broken: ConnectorError | None) -> None:
        """A connection has ended. In order: the same subscriptions get another one. Broken: something may have been told
        that nobody heard."""
        now = self.clock.monotonic()
        with self._wake:
            self._lines.pop(line.number, None)
            if self._ended():
                return
            links = self._book.released(line.ids)
            if isinstance(broken, SubscriptionLost):
                for identifier in line.ids:
                    self._lose(identifier, broken)
            elif broken is not None:
                self._pause(broken)
            elif now - line.begun < HASTY and line.ids:
                self._pause(Transient("the server ends its streams at once", code="stream-ended"))
                broken = None
            self._wake.notify_all()
        if broken is not None:
            log.warning("stream.broken", target=self.plan.name, code=broken.code, error=str(broken), links=len(links))
            self.telling.look(links)
