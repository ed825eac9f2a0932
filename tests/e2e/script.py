"""A scripted user who edits on both sides without pause, from a seed: what he typed is known, so none of it may be lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import ANN, BOB

OWNERS = {ANN: 1, BOB: 2}
MOST_EDITS = 4
"""Edits of one item: fewer than the loop breaker takes for a loop (B-65)."""
MINUTES = 60
"""Items that there can be: each begins in a minute of its own, by which it is known."""
PACE = 0.15
"""Seconds between two edits."""
Connect = Callable[[], Any]


@dataclass
class Entry:
    """One appointment: whose it is and what it has to say in the end. Its beginning never changes, and names it."""

    user: str
    minute: int
    subject: str
    place: str | None = None
    edits: int = 0
    gone: bool = False


@dataclass
class Script:
    """The user. Subjects are typed in Outlook and places in the CRM, so that no field has two authors; what is deleted was
    never edited, so that no edit speaks against it."""

    sandbox: Sandbox
    connect: Connect
    seed: int
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice, self._stop = random.Random(self.seed), threading.Event()
        self._failure: BaseException | None = None
        self._awake = threading.Event()
        self._awake.set()
        self._thread = threading.Thread(target=self._run, name="script")
        self.written = 0

    def __enter__(self) -> Script:
        for user in (ANN, BOB):
            for _ in range(3):
                self.make(user, outlook=False)
                self.make(user, outlook=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """He goes home. Raises what went wrong in his work."""
        self._stop.set()
        self._thread.join(60)
        assert self._failure is None, self._failure

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Inside he types nothing."""
        self._awake.clear()
        try:
            yield
        finally:
            self._awake.set()

    def _run(self) -> None:
        try:
            while not self._stop.wait(PACE):
                if self._awake.wait(PACE):
                    self._act()
        except Exception as error:  # noqa: BLE001 - told by stop(), in the thread of the test
            self._failure = error

    def _act(self) -> None:
        what, user, outlook = self._dice.random(), self._dice.choice((ANN, BOB)), self._dice.random() < 0.5
        living = [each for each in self.entries if each.user == user and not each.gone]
        entry = self._dice.choice(living)
        if len(self.entries) < MINUTES and (what < 0.25 or len(living) < 5):
            self.make(user, outlook=outlook)
        elif what < 0.32 and not entry.edits:
            self._delete(entry, outlook=outlook)
        elif entry.edits < MOST_EDITS:
            self._edit(entry, outlook=outlook)

    def make(self, user: str, *, outlook: bool) -> None:
        """A new appointment, on one of the sides."""
        entry = Entry(user, len(self.entries), f"Made {len(self.entries)}")
        start, end = (f"2027-01-01T00:{entry.minute:02}:00", "2027-01-01T02:00:00")
        if outlook:
            self.sandbox.mailbox(user).create(Subject=entry.subject, Start=f"{start}Z", End=f"{end}Z")
        else:
            statement = "INSERT INTO appointment (subject, starts_at, ends_at, owner_id) VALUES (%s, %s, %s, %s)"
            self._sql(statement, entry.subject, f"{start}+00", f"{end}+00", OWNERS[user])
        self.entries.append(entry)
        self.written += 1

    def _edit(self, entry: Entry, *, outlook: bool) -> None:
        item = self._in_outlook(entry)
        if outlook and item is not None:
            entry.subject, before = f"Typed {self.written}", entry.subject
            assert item.text("Subject") == before
            self.sandbox.mailbox(entry.user).edit(item.id, Subject=entry.subject)
        else:
            place = f"Room {self.written}"
            if not self._sql("UPDATE appointment SET location = %s WHERE starts_at = %s", place, self._start(entry)):
                return
            entry.place = place
        entry.edits += 1
        self.written += 1

    def _delete(self, entry: Entry, *, outlook: bool) -> None:
        item = self._in_outlook(entry)
        if outlook and item is not None:
            self.sandbox.mailbox(entry.user).delete(item.id)
        elif not self._sql("UPDATE appointment SET deleted = true WHERE starts_at = %s", self._start(entry)):
            return
        entry.gone = True
        self.written += 1

    def _start(self, entry: Entry) -> str:
        return f"2027-01-01T00:{entry.minute:02}:00+00"

    def _in_outlook(self, entry: Entry) -> Any:
        minute = f"2027-01-01T00:{entry.minute:02}"
        found = [each for each in self.sandbox.mailbox(entry.user).items() if str(each.props["Start"])[:16] == minute]
        return found[0] if found else None

    def _sql(self, statement: str, *values: object) -> int:
        with closing(self.connect()) as crm:
            return int(crm.execute(statement, values).rowcount)

    # -- the end -----------------------------------------------------------------------------------------------------

    def wanted(self, user: str) -> Counter[tuple[str, str | None]]:
        """What a user has to find, on either side."""
        return Counter((each.subject, each.place) for each in self.entries if each.user == user and not each.gone)

    def outlook(self, user: str) -> Counter[tuple[str, str | None]]:
        """What he finds in Outlook."""
        return Counter((str(v.text("Subject")), v.text("Location") or None) for v in self.sandbox.mailbox(user).items())

    def crm(self, user: str) -> Counter[tuple[str, str | None]]:
        """What he finds in the CRM."""
        query = "SELECT subject, location FROM appointment WHERE owner_id = %s AND NOT deleted"
        with closing(self.connect()) as crm:
            return Counter((row[0], row[1] or None) for row in crm.execute(query, (OWNERS[user],)).fetchall())
