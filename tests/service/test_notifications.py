"""Subscriptions as bookkeeping, hints that are joined, and a subscriber before a server that does what a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any

import pytest

from runner.config.plan import NotificationsPlan
from runner.model import errors
from runner.model.items import LinkRef
from runner.model.notifications import PushTo, Subscription, Told
from runner.model.ports import Subscribes
from runner.observe.metrics import Metrics
from runner.service import subscriber as module
from runner.service.edges import Edges
from runner.service.subscriber import Subscriber, Telling
from runner.service.subscriptions import LARGEST, Book, Standing, joinable
from runner.testing.clock import FakeClock
from runner.testing.rng import SeededRng
from tests.exchange.canned import link_to, plan_for

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def links(*users: str) -> dict[str, LinkRef]:
    return {ref.name: ref for ref in (link_to(user=user) for user in users)}


# -- hints ------------------------------------------------------------------------------------------------------------


def test_the_first_hint_goes_at_once_and_a_burst_makes_one_more() -> None:
    """B-10: several events of one act; a thousand notifications cost exactly one more pass."""
    edges = Edges(quiet=0.5)
    assert edges.hint(["a"], 10.0) == ["a"]
    for number in range(1000):
        assert edges.hint(["a", "a"], 10.0 + number / 10000) == []
    assert edges.next_due() == 10.5
    assert edges.due(10.4) == []
    assert edges.due(10.5) == ["a"]
    assert edges.due(20.0) == []
    assert edges.next_due() is None
    assert edges.hint(["a"], 10.6) == []  # the wish that came late has its quiet time, too
    assert edges.hint(["b"], 10.6) == ["b"]
    assert edges.due(11.0) == ["a"]
    assert edges.hint(["a"], 30.0) == ["a"]


# -- bookkeeping ------------------------------------------------------------------------------------------------------


def test_unchanged_links_keep_their_subscriptions_and_others_are_given_up() -> None:
    """B-102."""
    book = Book()
    book.follow(links("ann", "bob"))
    for number, entry in enumerate(book.to_subscribe(0.0)):
        book.subscribed(entry.ref.name, Subscription(f"s{number}", entry.ref.user), 0.0, NOW)
    [group] = book.groups()
    for entry in group:
        entry.on_line = True
    assert book.groups() == []
    book.borne(["s0", "s1"], 1.0, NOW)
    given_up = book.follow(links("bob", "cat"))
    assert [(ref.user, subscription.id) for ref, subscription in given_up] == [("ann", "s0")]
    assert [entry.ref.user for entry in book.to_subscribe(1.0)] == ["cat"]
    assert book[link_to(user="bob").name].standing is Standing.LIVE
    assert book.links_of(["s0", "s1"]) == [link_to(user="bob").name]


def test_connections_bear_at_most_two_hundred_of_one_group() -> None:
    """B-14."""
    book = Book()
    users = [f"user{number}" for number in range(450)]
    book.follow(links(*users))
    for number, entry in enumerate(book.to_subscribe(0.0)):
        group = "east" if number < 250 else "west"
        book.subscribed(entry.ref.name, Subscription(f"s{number}", entry.ref.user, group), 0.0, NOW)
    assert [len(group) for group in book.groups()] == [LARGEST, 50, LARGEST]
    assert all(len({entry.subscription.group for entry in group if entry.subscription}) == 1 for group in book.groups())


def test_a_subscription_that_dies_young_waits_and_an_old_one_is_renewed_at_once() -> None:
    book = Book()
    book.follow(links("ann"))
    [name] = links("ann")
    waits = [5.0, 10.0, 20.0]
    now = 0.0
    for number, wait in enumerate(waits):
        book.subscribed(name, Subscription(f"s{number}", "ann"), now, NOW)
        assert book.lost(f"s{number}", now + 1, "gone", lambda failures: waits[failures - 1]) == name
        assert book[name].due == now + 1 + wait
        now = book[name].due
    book.subscribed(name, Subscription("s9", "ann"), now, NOW)
    book.borne(["s9"], now + 100, NOW)
    assert book.silent(now + 100) == []
    assert book.silent(now + 101) == ["s9"]
    assert book.lost("s9", now + 3600, "gone", lambda failures: 1.0) == name
    assert book[name].due == now + 3600
    assert book.lost("s9", now, "gone", lambda failures: 1.0) is None


@pytest.mark.parametrize(
    ("sizes", "expected"), [([200, 1, 1], 0), ([200] * 50, 0), ([200, 1, 1, 1, 1, 1, 1], 6), ([1] * 10, 10)]
)
def test_small_connections_are_joined_when_there_are_many(sizes: list[int], expected: int) -> None:
    assert len(joinable(dict(enumerate(sizes)), sum(sizes))) == expected


# -- a subscriber in motion -------------------------------------------------------------------------------------------


class Clock(FakeClock):
    """Time that a test moves, and that threads can wait in."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.offset


@dataclass
class Call:
    """A hanging call whose server is the test."""

    ids: frozenset[str]
    told: SimpleQueue[Told | errors.ConnectorError | Exception | None] = field(default_factory=SimpleQueue)
    closed: bool = False

    def __iter__(self) -> Iterator[Told]:
        while (heard := self.told.get()) is not None:
            if isinstance(heard, Exception):
                raise heard
            yield heard

    def close(self) -> None:
        self.closed = True
        self.told.put(None)


class Server:
    """The port ``Subscribes``."""

    def __init__(self) -> None:
        self.made: list[tuple[str, PushTo | None]] = []
        self.ended: list[str] = []
        self.calls: list[Call] = []
        self.fails: dict[str, list[errors.ConnectorError]] = {}
        self.before_answering: Callable[[str, PushTo], None] | None = None
        self.at_opening: Callable[[], None] = lambda: None

    def subscribe(self, link: LinkRef, push: PushTo | None = None) -> Subscription:
        if self.fails.get(link.user):
            raise self.fails[link.user].pop(0)
        self.made.append((link.user, push))
        identifier = f"s{len(self.made)}"
        if self.before_answering is not None and push is not None:
            self.before_answering(identifier, push)
        return Subscription(identifier, link.user)

    def unsubscribe(self, link: LinkRef, subscription: Subscription) -> None:
        self.ended.append(subscription.id)

    def listen(self, subscriptions: Sequence[Subscription]) -> Call:
        self.calls.append(Call(frozenset(each.id for each in subscriptions)))
        self.at_opening()
        return self.calls[-1]


@dataclass
class World:
    """A subscriber in its thread, and what it has told."""

    server: Server
    clock: Clock
    subscriber: Subscriber
    changed: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def state(self, user: str) -> str | None:
        entry = self.subscriber.entry(link_to(user=user).name)
        return entry.standing.value if entry else None

    def turn(self, seconds: float) -> None:
        """Time goes on."""
        self.clock.offset += seconds
        with self.subscriber._wake:
            self.subscriber._wake.notify_all()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    mode: dict[str, Any] = getattr(request, "param", {})
    server, clock, stopping = Server(), Clock(), threading.Event()
    plan = plan_for("http://127.0.0.1:1/", notifications=NotificationsPlan(**mode))
    assert isinstance(server, Subscribes)
    told: dict[str, list[str]] = {"changed": [], "looked": [], "refused": []}

    def note(kind: str) -> Callable[[Iterable[str]], None]:
        return lambda names: told[kind].extend(names)

    telling = Telling(note("changed"), note("looked"), lambda reason: told["refused"].append(reason))
    subscriber = Subscriber(plan, server, telling, Metrics(), clock, SeededRng(), stopping)
    thread = threading.Thread(target=subscriber.run)
    thread.start()
    yield World(server, clock, subscriber, **told)
    stopping.set()
    subscriber.close()
    thread.join(10)
    assert not thread.is_alive()


ANN, BOB = link_to(user="ann").name, link_to(user="bob").name


def test_subscribe_then_look_then_stream(world: World) -> None:
    """B-13: what changed before the subscription stood is looked for; what is told later is a hint."""
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: world.server.calls)
    assert sorted(world.looked) == [ANN, BOB]
    [call] = world.server.calls
    assert call.ids == {"s1", "s2"}
    call.told.put(Told(frozenset({"s2", "foreign"})))
    until(lambda: world.changed == [BOB])
    call.told.put(None)  # closed in its time: the same subscriptions, another connection, and nothing to look for
    world.turn(module.HASTY)
    until(lambda: len(world.server.calls) == 2)
    assert world.server.calls[1].ids == {"s1", "s2"}
    assert len(world.looked) == 2


def test_a_new_link_gets_a_connection_of_its_own_and_a_gone_one_is_unsubscribed(world: World) -> None:
    """B-102: the connection of the others is not touched."""
    world.subscriber.follow(links("ann"))
    until(lambda: world.server.calls)
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: len(world.server.calls) == 2)
    assert world.server.calls[1].ids == {"s2"}
    assert not world.server.calls[0].closed
    world.subscriber.follow(links("bob"))
    until(lambda: world.server.ended == ["s1"])
    assert world.state("ann") is None
    assert len(world.server.made) == 2


def test_a_link_that_goes_while_a_connection_is_opened_is_unsubscribed_at_once(world: World) -> None:
    """B-102: not when something else happens."""
    world.server.at_opening = lambda: world.subscriber.follow(links("bob"))
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: world.server.ended == ["s1"])


def test_what_may_hide_a_change_is_looked_for(world: World) -> None:
    """A lost subscription is made anew alone; a broken line keeps the subscriptions and looks at all its links."""
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: world.server.calls)
    world.clock.offset += 100
    world.server.calls[0].told.put(Told(lost={"s1": errors.SubscriptionLost("gone", code="ErrorSubscriptionNotFound")}))
    until(lambda: len(world.server.calls) == 2)
    assert world.server.calls[1].ids == {"s3"}
    until(lambda: world.looked.count(ANN) == 3)  # at first, when it was lost, when it was made anew
    assert world.looked.count(BOB) == 1
    world.server.calls[0].told.put(errors.Transient("cut", code="connection-broken"))
    until(lambda: world.looked.count(BOB) == 2)
    assert len(world.server.calls) == 2  # not at once
    world.turn(120)
    until(lambda: len(world.server.calls) == 3)
    assert world.server.calls[2].ids == {"s2"}
    world.server.calls[2].told.put(RuntimeError("a bug"))
    until(lambda: world.looked.count(BOB) == 3)


def test_silence_for_the_renewal_period_renews(world: World) -> None:
    """B-13: any notification, heartbeats included, renews; the sweep renews what was silent for longer."""
    world.subscriber.follow(links("ann"))
    until(lambda: world.server.calls)
    world.turn(19 * 60)
    world.server.calls[0].told.put(Told())
    entry = world.subscriber.entry(ANN)
    assert entry is not None
    until(lambda: entry.renewed >= world.clock.monotonic() - 5)
    world.turn(19 * 60)
    time.sleep(0.05)
    assert len(world.server.made) == 1
    world.turn(2 * 60)
    until(lambda: len(world.server.made) == 2)
    until(lambda: world.server.ended == ["s1"])
    assert world.looked.count(ANN) == 3


def test_throttling_holds_everybody_for_as_long_as_the_server_asks(world: World) -> None:
    """B-23."""
    world.server.fails["ann"] = [errors.Throttled("busy", after=300, code="ErrorServerBusy")]
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: world.state("ann") == "wanted" and world.subscriber._not_before)
    world.turn(290)
    time.sleep(0.05)
    assert world.server.made == []
    world.turn(30)
    until(lambda: len(world.server.made) == 2)


@pytest.mark.parametrize(
    "error",
    [
        errors.AccessDenied("no", code="ErrorImpersonateUserDenied"),
        errors.Throttled("too many", after=10, code="ErrorExceededSubscriptionCount"),
        errors.Transient("moving", code="ErrorMailboxMoveInProgress"),
        errors.ContainerGone("gone", code="ErrorFolderNotFound"),
    ],
)
def test_one_mailbox_that_cannot_be_subscribed_holds_up_nobody(world: World, error: errors.ConnectorError) -> None:
    world.server.fails["ann"] = [error]
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: [user for user, _ in world.server.made] == ["bob"])
    until(lambda: world.server.calls)
    world.server.calls[0].told.put(Told())
    until(lambda: world.state("bob") == "live")
    assert world.state("ann") == ("wanted" if isinstance(error, errors.Transient) else "refused")
    entry = world.subscriber.entry(ANN)
    assert entry is not None
    assert error.code in (entry.reason or "")
    world.turn(120)
    until(lambda: len(world.server.calls) == 2)
    assert world.state("ann") == "idle"
    world.server.calls[1].told.put(Told())
    until(lambda: world.state("ann") == "live")
    assert entry.reason is None


def test_a_refused_log_on_stops_everything_and_is_told(world: World) -> None:
    """No second attempt: no account gets locked."""
    world.server.fails["ann"] = [errors.AuthRefused("wrong password", code="http-401")] * 2
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: world.refused)
    world.turn(timedelta(days=1).total_seconds())
    time.sleep(0.05)
    assert world.server.made == []
    assert len(world.server.fails["ann"]) == 1


@pytest.mark.parametrize("world", [{"mode": "push", "url": "http://here/push"}], indirect=True)
def test_a_post_is_one_hint_at_most_and_only_at_the_right_address(world: World) -> None:
    """B-11: an unguessable path for each subscription; a known subscription, or Unsubscribe."""
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: len(world.server.made) == 2)
    addresses = []
    for _, push in world.server.made:
        assert push is not None
        assert push.every == 10  # two signs of life in the renewal period
        base, target, handle, secret = push.url.rsplit("/", 3)
        assert (base, target) == ("http://here/push", "hq")
        assert len(secret) >= 52
        addresses.append((handle, secret))
    (handle, secret), (other, _) = addresses
    until(lambda: world.looked)
    posted = world.subscriber.posted
    assert posted(handle, secret, ["s1", "s1"], changed=True) is True
    assert world.changed == [ANN]
    assert posted(handle, secret, ["s1"], changed=False) is True
    assert posted(handle, secret[:-1] + "x", ["s1"], changed=True) is False
    assert posted(other, secret, ["s1"], changed=True) is False
    assert posted("nobody", secret, ["s1"], changed=True) is False
    assert posted(handle, secret, ["s2"], changed=True) is False
    assert world.changed == [ANN]
    assert world.state("ann") == "live"
    assert world.state("bob") == "idle"
    world.clock.offset += 100
    assert world.subscriber.missed(handle, secret) is True
    until(lambda: len(world.server.made) == 3)
    assert world.looked.count(ANN) == 3
    until(lambda: posted(handle, secret, ["s1"], changed=True) is False)  # its address went with the subscription
    assert world.server.calls == []


@pytest.mark.parametrize("world", [{"mode": "push", "url": "http://here/push"}], indirect=True)
def test_a_server_that_posts_before_it_has_answered_is_heard_all_the_same(world: World) -> None:
    """B-11: its first sign of life may overtake its answer; the next would come half a renewal period later."""

    def post(identifier: str, push: PushTo) -> None:
        *_, handle, secret = push.url.rsplit("/", 2)
        taken.append(world.subscriber.posted(handle, secret, [identifier], changed=True))

    taken: list[bool] = []
    world.server.before_answering = post
    world.subscriber.follow(links("ann"))
    until(lambda: world.looked == [ANN])
    assert taken == [True]
    assert world.state("ann") == "live"
    world.server.before_answering = lambda identifier, push: post("another", push)
    world.subscriber.follow(links("ann", "bob"))
    until(lambda: BOB in world.looked)
    assert world.state("bob") == "idle"
