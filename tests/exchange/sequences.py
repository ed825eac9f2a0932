"""Random sequences of operations, carried out on the fake target and on the simulated Exchange through the real connector.

Whatever the simulation proves, it proves of the fake; so both must give equal answers. Ids, change keys and watermarks are
each side's own: items go by the name that the sequence gave them, versions count as "the one last seen" or "another one".

``python -m tests.exchange.sequences --count 2000 [--from 0]`` carries out many; the first difference ends it with its seed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from typing import Any

from runner.connectors.exchange import ExchangeConnector, connect
from runner.model.files import FileRules, file_key, value_of
from runner.model.items import Write
from runner.model.overrides import OVERRIDES
from runner.model.record import Fields, Value
from runner.model.terms import Operation
from runner.sandbox.exchange import Sandbox
from tests.exchange.canned import CONTACTS, TASKS, link_to, plan_for
from tests.exchange.gatherings import AWAY, ExchangeGathering, FakeGathering, guest_of
from tests.exchange.seen import FILES, Seen
from tests.exchange.test_contract import ContactBench, ExchangeBench, TaskBench
from tests.exchange.test_series import CHANGES, SERIES
from tests.support.comparing import Compared, Differs, main
from tests.testing.benches import FakeContactBench, FakeTargetBench, FakeTaskBench, record


class FakeSeriesBench(FakeTargetBench):
    """The fake's calendar; what we make in it recurs."""

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**SERIES, "title": title, "location": place}

    def user_create(self, title: str) -> str:
        return self.connector.user_create(self.link.user, record(title), folder=self.folder)


class SeriesBench(ExchangeBench):
    """The mailbox's calendar; what we make in it recurs."""

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**SERIES, "title": title, "location": place}


KINDS: tuple[tuple[type[FakeTargetBench], type[ExchangeBench], dict[str, Any]], ...] = (
    (FakeTargetBench, ExchangeBench, {}),
    (FakeTaskBench, TaskBench, TASKS),
    (FakeContactBench, ContactBench, CONTACTS),
    (FakeSeriesBench, SeriesBench, {}),
    (FakeGathering, ExchangeGathering, {"files": FileRules()}),
)
DAYS: tuple[Value, ...] = (None, {"2026-10-22": {"location": "Elsewhere"}}, CHANGES)
STEPS = 14


class Sequence(Compared[Seen]):
    """One random sequence over both sides; every answer is compared at once."""

    def __init__(self, seed: int, fake: Seen, real: Seen, title: str) -> None:
        super().__init__(seed, fake, real)
        self.gathers = isinstance(fake.bench, FakeGathering)
        self.title = title
        self.home: set[str] = set()
        self.away: set[str] = set()
        self.ours: set[str] = set()
        self.stamps: list[str] = []
        self.partly: set[str] = set()
        self.called: set[str] = set()
        """The user's meetings that the guest has not answered."""
        self.summons: set[str] = set()
        """The guest's meetings in the user's calendar."""
        self.days: dict[str, Value] = {}
        """What was written last of single occurrences, by series."""

    def run(self) -> None:
        """Some random steps, then everything is looked at and read to its end."""
        steps = (
            self.create, self.create, self.update, self.update, self.delete,
            self.user_create, self.user_edit, self.user_edit, self.user_delete, self.user_move, self.user_copy,
            self.look, self.read, self.read_partly, self.find,
        )  # fmt: skip
        if OVERRIDES in self.sides[0].bench.sample(""):
            steps = (*steps, self.patch, self.patch, self.patch)
        if self.gathers:
            steps = (
                *steps, self.take_part, self.take_part, self.files, self.files, self.user_attach, self.user_detach,
                self.user_invite, self.guest_answers, self.guest_invites, self.guest_changes, self.user_answers,
            )  # fmt: skip
        for _ in range(STEPS):
            self.rng.choice(steps)()
        self.look()
        self.read()
        self.read()
        for stamp in self.stamps:
            self._both(f"find {stamp}", lambda side, stamp=stamp: side.find(stamp))

    def create(self) -> None:
        """We make an item."""
        name, stamp = self._new(), f"stamp{self.count:021d}"
        self.stamps.append(stamp)
        values = self.sides[0].bench.sample(name)
        write = Write(Operation.CREATE, None, None, values, frozenset(values), stamp)
        self._both(f"create {name}", lambda side: side.write(write, name))
        self.home.add(name)
        self.ours.add(name)

    def update(self) -> None:
        """We write the title over the version last seen, whatever has become of the item."""
        name, change = self._any(), self.sides[0].bench.retitled(self._new())
        if name is not None:
            self._both(
                f"update {name} {change}",
                lambda side: side.write(
                    Write(
                        Operation.UPDATE, side.keys[name], side.versions.get(name) or "none", change, frozenset(change)
                    ),
                    name,
                ),
            )

    def patch(self) -> None:
        """We write what single occurrences of a series have of their own, when it is something else than before: for nothing
        new the real one sends nothing."""
        name, days = self._pick(self.ours & self.home), self.rng.choice(DAYS)
        if name is not None and self.days.get(name) != days:
            self.days[name] = days
            values = {**self.sides[0].bench.sample(name), OVERRIDES: days}
            self._both(f"patch {name} {days}", lambda side: side.patch(name, values))

    def take_part(self) -> None:
        """We write who takes part in a meeting of the user's."""
        name = self._pick((self.ours | self.called) & self.home)
        guest = guest_of(self.sides[0].bench.link.user)
        people: Fields = {
            address: self.rng.choice(["required", "optional", "resource"])
            for address in (guest, AWAY, "room4@example.com")
            if self.rng.random() < 0.5
        }
        self._bring(name, "participants", people or None)

    def files(self) -> None:
        """We write what is attached."""
        name = self._pick(self.home)
        value = value_of(
            (file_key(file, sha256(content).hexdigest()), len(content))
            for file, content in FILES.items()
            if self.rng.random() < 0.5
        )
        self._bring(name, "attachments", value)

    def _bring(self, name: str | None, field: str, value: Value) -> None:
        """Write it when it is something else than what is there: for nothing new the real one sends nothing."""
        item = self.sides[0].bench.connector.item(self.sides[0].keys[name]) if name else None
        if name and item and item.values.get(field) != value:
            self._both(f"bring {name} {field} {value}", lambda side: side.bring(name, {field: value}))

    def delete(self) -> None:
        """We delete over the version last seen."""
        name = self._any()
        if name is None:
            return
        told = self._both(
            f"delete {name}",
            lambda side: side.write(Write(Operation.DELETE, side.keys[name], side.versions.get(name) or "none"), name),
        )
        if not isinstance(told, type):
            self.home.discard(name)
            self.away.discard(name)

    def user_create(self) -> None:
        """A user makes an item."""
        name = self._new()
        self._named(f"user_create {name}", name, lambda side: side.bench.user_create(name))
        self.home.add(name)

    def user_edit(self) -> None:
        """A user changes the title."""
        name, title = self._pick(self.home | self.away), self._new()
        if name is not None:
            self._both(f"user_edit {name} {title}", lambda side: side.bench.user_edit(side.keys[name], title))

    def user_delete(self) -> None:
        """A user deletes an item the ordinary way."""
        name = self._pick(self.home | self.away)
        if name is not None:
            self._both(f"user_delete {name}", lambda side: side.bench.user_delete(side.keys[name]))
            self.home.discard(name)
            self.away.discard(name)

    def user_move(self) -> None:
        """A user moves an item out of the folder: it goes on under another id, so under another name."""
        name, moved = self._pick(self.home), self._new()
        if name is not None:
            self._named(f"user_move {name} {moved}", moved, lambda side: side.move(side.keys[name]))
            self.home.remove(name)
            self.away.add(moved)
            self.ours |= {moved} if name in self.ours else set()

    def user_copy(self) -> None:
        """A user copies an item within the folder."""
        name, copy = self._pick(self.home), self._new()
        if name is not None:
            self._named(f"user_copy {name} {copy}", copy, lambda side: side.bench.user_copy(side.keys[name]))
            self.home.add(copy)
            self.ours |= {copy} if name in self.ours else set()
            self.days[copy] = self.days.get(name)

    def user_attach(self) -> None:
        """A user attaches a file."""
        name, file = self._pick(self.home | self.away), self.rng.choice(list(FILES))
        if name is not None:
            self._both(f"user_attach {name} {file}", lambda side: side.bench.attach(side.keys[name], file, FILES[file]))

    def user_detach(self) -> None:
        """A user removes a file, if it is there."""
        name, file = self._pick(self.home | self.away), self.rng.choice(list(FILES))
        if name is not None:
            self._both(f"user_detach {name} {file}", lambda side: side.bench.detach(side.keys[name], file))

    def user_invite(self) -> None:
        """A user calls a meeting."""
        name = self._new()
        self._named(f"user_invite {name}", name, lambda side: side.bench.invite(name))
        self.home.add(name)
        self.called.add(name)

    def guest_answers(self) -> None:
        """The guest answers it."""
        name, word = self._pick(self.called & self.home), self.rng.choice(["accepted", "tentative", "declined"])
        if name is not None:
            self._both(f"guest_answers {name} {word}", lambda side: side.bench.answered(side.keys[name], word))
            self.called.discard(name)

    def guest_invites(self) -> None:
        """The guest calls a meeting."""
        name = self._new()
        self._named(f"guest_invites {name}", name, lambda side: side.bench.summoned(name))
        self.home.add(name)
        self.summons.add(name)

    def guest_changes(self) -> None:
        """The guest changes his meeting."""
        name, title = self._pick(self.summons & self.home), self._new()
        if name is not None:
            self._both(f"guest_changes {name} {title}", lambda side: side.bench.postponed(side.keys[name], title))

    def user_answers(self) -> None:
        """The user answers the guest's meeting."""
        name, word = self._pick(self.summons & self.home), self.rng.choice(["accepted", "tentative"])
        if name is not None:
            self._both(f"user_answers {name} {word}", lambda side: side.bench.reply(side.keys[name], word))

    def look(self) -> None:
        """Get every id that was ever given out."""
        self._both("look", lambda side: side.look(self.ours, self.title))

    def read(self) -> None:
        """Read the feed to its end. After a part of it, each side may have named others first: what was deleted since then
        was seen by one and not by the other, so only what lives counts."""
        told = self._both("read", lambda side: side.read(None), compared=not self.partly)
        if self.partly:
            alive = [{name for name in answer[0] if name in self.home} for answer in told]
            self._demand("read", *alive)
            self.partly.clear()

    def read_partly(self) -> None:
        """Read the first page only."""
        self._both("read_partly", lambda side: side.read(1), compared=False)
        self.partly.add("partly")

    def find(self) -> None:
        """Look one stamp up."""
        stamp = self._pick(set(self.stamps))
        if stamp is not None:
            self._both(f"find {stamp}", lambda side: side.find(stamp))


class Pair:
    """One simulated Exchange and one connector to it; each sequence gets a mailbox of its own."""

    def __init__(self, sandbox: Sandbox, stack: ExitStack) -> None:
        self._sandbox = sandbox
        plans = [plan_for(sandbox.url, username=sandbox.username, page=page) for page in (1, 2, 512)]
        self._connectors = [stack.enter_context(closing(connect(plan, sandbox.password))) for plan in plans]

    def carry_out(self, seed: int) -> None:
        """The sequence of this seed; raises :class:`Differs` where the sides do."""
        fake_kind, real_kind, changes = KINDS[seed % len(KINDS)]
        user = f"user{seed}@example.com"
        fake, link = fake_kind(), link_to(user, **changes)
        fake.link = link
        fake.connector.add_mailbox(user)
        real = _on_mailbox(real_kind, self._sandbox, user, self._connectors[seed // len(KINDS) % 3])
        real.link = link
        if isinstance(real, ExchangeGathering):
            real.meet()
        fake.connector.page = (1, 2, 512)[seed // (3 * len(KINDS)) % 3]
        away: list[str] = []

        def move(key: str) -> str:
            if not away:
                away.append(real._user.create_folder("Private", real.folder, real.folder_class))
            return real._user.move(key, away[0])

        try:
            Sequence(seed, Seen(fake, fake.user_move), Seen(real, move), fake.title).run()
        except Differs as difference:
            raise Differs(f"seed {seed}: {difference}") from None


def _on_mailbox(kind: type[ExchangeBench], sandbox: Sandbox, user: str, connector: ExchangeConnector) -> ExchangeBench:
    bench = kind.__new__(kind)
    bench._sandbox, bench._user, bench._tokens, bench.connector = sandbox, sandbox.add_mailbox(user), 0, connector
    return bench


@contextmanager
def pair() -> Iterator[Pair]:
    """Both sides, for as many sequences as one likes."""
    with Sandbox() as sandbox, ExitStack() as stack:
        yield Pair(sandbox, stack)


if __name__ == "__main__":
    sys.exit(main(pair, "the fake target and the simulated Exchange"))
