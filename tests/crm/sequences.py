"""Random sequences of operations, carried out on the fake CRM and on a real one in SQLite through the real connector.

Whatever the simulation proves, it proves of the fake; so both must give equal answers. Keys, versions and watermarks are
each side's own: records go by the name that the sequence gave them, versions count as "the one last seen" or "another one".

``python -m tests.crm.sequences --count 2000 [--from 0]`` carries out many; the first difference ends it with its seed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from runner.config.participant_tables import CrmParticipants, ParticipantTable
from runner.config.plan import OwnerRelation
from runner.model.items import Identity, Write
from runner.model.record import Fields, Value
from runner.model.terms import Entity, Operation
from runner.reconcile.attendees import AttendeeRules
from runner.testing.clock import FakeClock
from runner.testing.crm import FakeCrm
from runner.testing.rng import SeededRng
from tests.crm.hands import FakeHands, SqlHands
from tests.crm.seen import TAKING_PART, WEEKLY, Seen
from tests.support.comparing import Compared, Differs, main
from tests.support.crm import MEETING, PLAN, SERIES, World, sqlite_world

SHARED = replace(
    SERIES,
    relations=(OwnerRelation("appointment_user", "appointment_id", "user_id", defaults={"role": "holder"}),),
    participants=CrmParticipants(
        organizer="organizer",
        users=ParticipantTable("appointment_user", "appointment_id", "user_id", "invited_as", "role", "answer"),
        external=ParticipantTable("appointment_guest", "appointment_id", None, "email", "role", "answer", "name"),
        rules=AttendeeRules(),
        roles={"required": "Required", "optional": "Optional", "resource": "Room"},
        responses={"accepted": "yes", "tentative": "maybe", "declined": "no"},
    ),
)
"""As the shipped configuration has it: one table says who is invited and who holds a record."""
PEOPLE = ("ann", "bob")
GUESTS = ("eva@y.example", "zoe@z.example", "no address")
OCCURRENCES: tuple[Value, ...] = (
    None,
    {"2026-03-12": {"place": "Room 2"}},
    {"2026-03-12": {"place": "Room 3", "subject": "Another day's"}, "2026-03-19": {"excluded": True}},
)
STEPS = 16
FIELDS = (*SHARED.fields, "occurrences", *TAKING_PART)


class Sequence(Compared[Seen]):
    """One random sequence over both CRMs."""

    def __init__(self, seed: int, fake: Seen, real: Seen, crm: FakeCrm) -> None:
        super().__init__(seed, fake, real)
        self.seed, self.fake = seed, crm
        self.addresses = {who: f"{who}-{seed}@example.com" for who in PEOPLE}
        self.owner: dict[str, str | None] = {}
        """Live records and who owns them."""
        self.dead: set[str] = set()
        """Records that were deleted softly."""
        self.ours: set[str] = set()
        """Those that the key table knows of."""
        self.series: set[str] = set()
        self.stamps: dict[str, tuple[str, str | None]] = {}
        """Stamp → for whom it was used, and for which meeting."""
        self.made: dict[str, str] = {}
        """Record → the stamp it was made with."""
        self.former: dict[str, str | None] = {}
        """Who owned a record that was deleted."""

    def run(self) -> None:
        """Some random steps, then everything is looked at and read to its end."""
        steps = (
            self.create, self.create, self.repeat, self.update, self.update, self.patch, self.invite, self.delete, self.claim,
            self.user_create, self.user_edit, self.user_edit, self.user_delete, self.user_restore, self.user_assign,
            self.user_share, self.user_unshare, self.user_invite, self.user_uninvite, self.user_answer,
            self.look, self.read, self.find,
        )  # fmt: skip
        self._both("read from now on", Seen.read)
        for _ in range(STEPS):
            self.rng.choice(steps)()
        self.look()
        self.read()
        for who in PEOPLE:
            self._both(f"listing of {who}", lambda side, who=who: side.listing(who))
            for number in range(3):
                identity = Identity(native=self._native(number))
                self._both(f"find {identity}", lambda side, who=who, identity=identity: side.find(who, identity))

    # -- what we do --------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """We make a record: an item of one user's, or a meeting that may be there already."""
        stamp = f"stamp-{self.seed}-{self.count}"
        native = self._native(self.rng.randrange(3)) if self.rng.random() < 0.5 else None
        self.stamps[stamp] = self._who(), native
        self._create(stamp)

    def repeat(self) -> None:
        """A create whose answer was lost is sent once more."""
        if self.stamps:
            self._create(self.rng.choice(list(self.stamps)))

    def _create(self, stamp: str) -> None:
        name, (who, native) = self._new(), self.stamps[stamp]
        recurs = self.rng.random() < 0.4
        values = {**(WEEKLY if recurs else {**MEETING, "recurrence_rule": None}), "subject": name}
        if recurs:
            values["occurrences"] = self.rng.choice(OCCURRENCES)
        if self.rng.random() < 0.4:
            values |= self._taking_part()
        write = Write(Operation.CREATE, None, None, values, frozenset(values), stamp, native)
        told = self._both(f"create {name} for {who} {stamp} {native}", lambda side: side.write(who, write, name))
        if isinstance(told[0], type):
            return
        if told[2]:
            return
        self.owner[name] = who
        self.ours.add(name)
        self.series |= {name} if recurs else set()
        self.made[name] = stamp

    def update(self) -> None:
        """We write the title over the version last seen, whatever has become of the record."""
        name, who, title = self._any(), self._who(), self._new()
        if name is not None:
            self._write(f"update {name} {title}", who, name, {"subject": title}, {"subject"})

    def patch(self) -> None:
        """We write a series' occurrences."""
        name, who = self._pick(self.series & self.owner.keys()), self._who()
        if name is not None:
            values = {**WEEKLY, "occurrences": self.rng.choice(OCCURRENCES)}
            self._write(f"patch {name} {values['occurrences']}", who, name, values, {"occurrences"})

    def invite(self) -> None:
        """We write who takes part, or what they answered, or both."""
        name, who, values = self._any(), self._who(), self._taking_part()
        fields = self.rng.choice([{"participants"}, {"participants", "responses"}, {"responses"}])
        if name is not None:
            self._write(f"invite {name} {values} {sorted(fields)}", who, name, values, fields)

    def _taking_part(self) -> Fields:
        invited = {
            address: self.rng.choice(["required", "optional", "resource"])
            for address in (*GUESTS, *self.addresses.values())
            if self.rng.random() < 0.4
        }
        answers = {address: self.rng.choice(["accepted", "declined"]) for address in invited if self.rng.random() < 0.5}
        return {"participants": invited or None, "responses": answers or None}

    def _write(self, step: str, who: str, name: str, values: Fields, fields: set[str]) -> None:
        self._both(
            f"{step} by {who}",
            lambda side: side.write(
                who,
                Write(Operation.UPDATE, side.keys[name], side.versions.get(name) or "0", values, frozenset(fields)),
                name,
            ),
        )

    def delete(self) -> None:
        """We delete over the version last seen: the record, or one holder's part in it."""
        name, who, whole = self._any(), self._who(), self.rng.random() < 0.3
        if name is None:
            return
        told = self._both(
            f"delete {name} by {who}, whole: {whole}",
            lambda side: side.write(
                who,
                Write(Operation.DELETE, side.keys[name], side.versions.get(name) or "0", whole=whole),
                name,
            ),
        )
        if isinstance(told[0], type):
            return
        if told[3]:
            self.owner[name] = None if self.owner[name] == who else self.owner[name]
        else:
            self._gone(name)

    def claim(self) -> None:
        """We note whose copy a user's own record is."""
        name, who, stamp = self._pick(self.owner.keys() - self.ours), self._who(), f"claim-{self.seed}-{self.count}"
        if name is None:
            return
        self.ours.add(name)
        native = f"own-{self.seed}-{self._new()}"
        self._both(
            f"claim {name}",
            lambda side: side.write(
                who,
                Write(
                    Operation.UPDATE, side.keys[name], side.versions.get(name) or "0", {}, frozenset(), stamp, native
                ),
                name,
            ),
        )

    # -- what people do ----------------------------------------------------------------------------------------------

    def user_create(self) -> None:
        """Somebody makes a record."""
        name, who = self._new(), self._who()
        self._named(f"user_create {name} of {who}", name, lambda side: side.hands.create(side.owners[who], name))
        self.owner[name] = who

    def user_edit(self) -> None:
        """Somebody changes a title."""
        name, title = self._pick(self.owner), self._new()
        if name is not None:
            self._both(f"user_edit {name}", lambda side: side.hands.edit(side.keys[name], title))

    def user_delete(self) -> None:
        """Somebody deletes a record."""
        name, hard = self._pick(self.owner), self.rng.random() < 0.3
        if name is not None:
            self._both(f"user_delete {name}, hard: {hard}", lambda side: side.hands.delete(side.keys[name], hard))
            self._gone(name)
            self.dead -= {name} if hard else set()

    def user_restore(self) -> None:
        """Somebody takes a soft delete back."""
        name = self._pick(self.dead)
        if name is not None:
            self._both(f"user_restore {name}", lambda side: side.hands.restore(side.keys[name]))
            self.dead.discard(name)
            self.owner[name] = self.former[name]

    def user_assign(self) -> None:
        """A record changes hands."""
        name, who = self._pick(self.owner), self._who()
        if name is not None:
            self._both(f"user_assign {name} {who}", lambda side: side.hands.assign(side.keys[name], side.owners[who]))
            self.owner[name] = who

    def user_share(self) -> None:
        """A second user is given a record."""
        name, who = self._pick(self.owner), self._who()
        if name is not None and who not in self._others(name) and self.owner[name] != who:
            self._both(f"user_share {name} {who}", lambda side: side.hands.share(side.keys[name], side.owners[who]))

    def user_unshare(self) -> None:
        """A second user is taken out of a record."""
        name, who = self._pick(self.owner), self._who()
        if name is not None and who in self._others(name) and self.owner[name] != who:
            self._both(f"user_unshare {name} {who}", lambda side: side.hands.unshare(side.keys[name], side.owners[who]))

    def user_invite(self) -> None:
        """Somebody is invited."""
        name = self._pick(self.owner)
        if name is None:
            return
        users = {address: who for who, address in self.addresses.items()}
        address = self._pick({*GUESTS, *users} - self._invited(name))
        if address is not None:
            self._both(
                f"user_invite {name} {address}",
                lambda side: side.hands.invite(side.keys[name], address, side.owners.get(users.get(address, ""))),
            )

    def user_uninvite(self) -> None:
        """Somebody is taken off the list."""
        name = self._pick(self.owner)
        address = self._pick(self._invited(name)) if name else None
        if name is not None and address is not None:
            self._both(f"user_uninvite {name} {address}", lambda side: side.hands.uninvite(side.keys[name], address))

    def user_answer(self) -> None:
        """Somebody's answer is noted."""
        name = self._pick(self.owner)
        address = self._pick(self._invited(name)) if name else None
        if name is not None and address is not None:
            self._both(f"user_answer {name} {address}", lambda side: side.hands.answer(side.keys[name], address))

    # -- what is looked at -------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Get every key that was ever given out, as either user."""
        for who in PEOPLE:
            self._both(f"look as {who}", lambda side, who=who: side.look(who, self.made))

    def read(self) -> None:
        """Read the feed to its end."""
        self._both("read", Seen.read)

    def find(self) -> None:
        """Look one stamp up."""
        stamp, who = self._pick(self.stamps), self._who()
        if stamp is not None:
            self._both(f"find {stamp} as {who}", lambda side: side.find(who, Identity(stamp=stamp)))

    def _gone(self, name: str) -> None:
        self.former[name] = self.owner.pop(name)
        self.dead.add(name)

    def _others(self, name: str) -> set[str]:
        """Who holds a record beside its owner."""
        fake = self.sides[0]
        return {who for who, key in fake.owners.items() if key in self.fake.holders_of(fake.keys[name])} - {
            self.owner[name]
        }

    def _invited(self, name: str) -> set[str]:
        item = self.fake.item(self.sides[0].keys[name])
        return set(item.values.get("participants") or ()) if item else set()  # type: ignore[arg-type]

    def _who(self) -> str:
        return self.rng.choice(PEOPLE)

    def _native(self, number: int) -> str:
        return f"meeting-{self.seed}-{number}"


class CrmPair:
    """One SQLite file and a fake for each sequence; each has two users of its own."""

    def __init__(self, directory: Path) -> None:
        plain = sqlite_world(directory, prepared=False)
        plain.close()
        self._world = World(plain.url, replace(PLAN, entities={Entity.SCHEDULE_ITEM: SHARED}))
        self._world.crm.apply_ddl()

    def carry_out(self, seed: int) -> None:
        """The sequence of this seed; raises :class:`Differs` where the sides do."""
        fake = FakeCrm(FakeClock(), SeededRng(seed), page=(1, 2, 100)[seed % 3])
        fake.related = fake.inviting = True
        owners: list[dict[str, str]] = [{}, {}]
        for number, name in enumerate(PEOPLE):
            address = f"{name}-{seed}@example.com"
            fake.add_user(str(90 + number), address)
            ((key,),) = self._world.sql(
                "INSERT INTO crm_user (name, email) VALUES (:name, :address) RETURNING id", name=name, address=address
            )
            owners[0][name], owners[1][name] = str(90 + number), str(key)
        sides = [
            Seen(connector, hands, mine, {name: self._world.link(owner, fields=FIELDS) for name, owner in mine.items()})
            for connector, hands, mine in zip(
                (fake, self._world.crm), (FakeHands(fake), SqlHands(self._world)), owners, strict=True
            )
        ]
        try:
            Sequence(seed, *sides, fake).run()
        except Differs as difference:
            raise Differs(f"seed {seed}: {difference}") from None

    def close(self) -> None:
        """Close the database."""
        self._world.close()


@contextmanager
def pair() -> Iterator[CrmPair]:
    """Both sides, for as many sequences as one likes."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own in it: what is compared is no disk
    place = memory if memory.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="exsync-crm-", dir=place) as directory,
        closing(CrmPair(Path(directory))) as both,
    ):
        yield both


if __name__ == "__main__":
    sys.exit(main(pair, "the fake CRM and SQLite"))
