"""Which server a mailbox lives on, and the sessions to it: one fixed endpoint, or where Autodiscover finds it (B-16).

What was found is kept by the port ``Places`` over restarts, and asked for anew when it is a day old and when a server's
answer suggests that the mailbox has moved (B-75). While the directory does not answer, what was known goes on being used.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runner.config.plan import ExchangePlan
from runner.connectors.exchange.autodiscover import Autodiscover
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.transport import EwsProtocol
from runner.model.errors import AccessDenied, AuthRefused, ConnectorError, Moved, Transient, Unreachable
from runner.model.places import Place
from runner.model.ports import Meter, Places

AGE = timedelta(days=1)
"""How long a place is believed in."""
LEAST = timedelta(minutes=5)
"""Between two look-ups of one mailbox whose server goes on suggesting that it moved."""
_NO_MAILBOX = frozenset({"ErrorNonExistentMailbox", "ErrorMailboxConfiguration", "ErrorMailboxVersionNotSupported"})


class Remembered:
    """The port ``Places`` for one process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Place] = {}

    def get(self, target: str, user: str) -> Place | None:
        """What is known of a user's mailbox."""
        return self._known.get((target, user))

    def put(self, target: str, user: str, place: Place) -> None:
        """Keep what was found out."""
        self._known[target, user] = place


def _now() -> datetime:
    return datetime.now(UTC)


class Directory:
    """The mailboxes of one target. Safe to share between threads."""

    def __init__(
        self, plan: ExchangePlan, password: str, places: Places | None = None, meter: Meter | None = None
    ) -> None:
        self._plan, self._password, self._meter = plan, password, meter
        self._places = places or Remembered()
        self._lock = threading.Lock()
        self._calls: dict[str, EwsProtocol] = {}
        self._ears: dict[str, EwsProtocol] = {}
        self._mailboxes: dict[str, tuple[Mailbox, Place]] = {}
        self._doubted: set[str] = set()
        self.now = _now
        self._autodiscover = Autodiscover(plan, password, lambda: self.now(), meter) if plan.autodiscover else None
        if plan.endpoint:
            self._protocol(self._calls, plan.endpoint, None)  # an endpoint that cannot be used is refused at once
            self._protocol(self._ears, plan.endpoint, 1)

    def mailbox(self, user: str) -> Mailbox:
        """A user's mailbox. Raises what looking it up raises."""
        return self._known(user)[0]

    def group(self, user: str) -> str:
        """Mailboxes of the same group share a back end."""
        place = self._known(user)[1]
        return f"{place.endpoint} {place.group}" if self._autodiscover is not None else ""

    def ears(self, user: str) -> EwsProtocol:
        """Sessions for notifications of a user's server: a hanging call takes none from the passes."""
        return self._protocol(self._ears, self._known(user)[1].endpoint, 1)

    @contextmanager
    def following(self, user: str) -> Iterator[None]:
        """Inside, an error that suggests that the mailbox is elsewhere makes it be looked up anew the next time."""
        try:
            yield
        except ConnectorError as error:
            self.doubt(user, error)
            raise

    def doubt(self, user: str, error: ConnectorError | None) -> None:
        """Look the mailbox up anew if this error suggests that it is elsewhere."""
        if self._autodiscover is None or error is None:
            return
        gone = isinstance(error, Moved) or (isinstance(error, AccessDenied) and error.code in _NO_MAILBOX)
        if gone or isinstance(error, Unreachable):
            with self._lock:
                self._doubted.add(user)
        if gone:
            self._remember_doubt(user)

    def _remember_doubt(self, user: str) -> None:
        """Let the next process look a mailbox up as soon as this one would: what is kept seems as old as that."""
        kept = self._places.get(self._plan.name, user)
        if kept is not None and self.now() - kept.found_at < AGE - LEAST:
            self._places.put(self._plan.name, user, replace(kept, found_at=kept.found_at - AGE + LEAST))

    def close(self) -> None:
        """Close every connection but the hanging ones, whose readers close them."""
        for protocol in (*self._calls.values(), *self._ears.values()):
            protocol.close()
        if self._autodiscover is not None:
            self._autodiscover.close()

    def _known(self, user: str) -> tuple[Mailbox, Place]:
        known = self._mailboxes.get(user)
        if known is not None and (self._autodiscover is None or not self._stale(user, known[1])):
            return known
        place = self._place(user)
        if known is None or known[1].endpoint != place.endpoint:
            protocol = self._protocol(self._calls, place.endpoint, None)
            impersonate = self._plan.access == "impersonation"
            mailbox = Mailbox(user, protocol, impersonate=impersonate, version=self._plan.version)
        else:
            mailbox = known[0]
        with self._lock:
            self._mailboxes[user] = (mailbox, place)
            return self._mailboxes[user]

    def _place(self, user: str) -> Place:
        if self._autodiscover is None:
            return Place(self._plan.endpoint, "", self.now())
        kept = self._places.get(self._plan.name, user)
        if kept is not None and not self._stale(user, kept):
            return kept
        try:
            found = self._autodiscover.find(user)
        except AuthRefused:
            raise
        except (Unreachable, Transient):
            if kept is None:
                raise
            found = replace(kept, found_at=self.now() - AGE + LEAST)  # asked again soon
            with self._lock:
                self._doubted.discard(user)
            return found
        with self._lock:
            self._doubted.discard(user)
        self._places.put(self._plan.name, user, found)
        return found

    def _stale(self, user: str, place: Place) -> bool:
        age = self.now() - place.found_at
        return age > AGE or (user in self._doubted and age > LEAST)

    def _protocol(self, pools: dict[str, EwsProtocol], endpoint: str, connections: int | None) -> EwsProtocol:
        with self._lock:
            protocol = pools.get(endpoint)
            if protocol is None:
                plan = replace(self._plan, endpoint=endpoint)
                protocol = pools[endpoint] = EwsProtocol(
                    plan, self._password, connections=connections, meter=self._meter
                )
            return protocol
