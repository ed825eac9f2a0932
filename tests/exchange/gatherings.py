"""Meetings and attached files at the hands of people, the same on the fake target and on the simulated Exchange."""

from __future__ import annotations

from typing import Protocol

from runner.model.record import Fields, Value
from runner.testing.contract import TargetBench
from tests.exchange.test_contract import ExchangeBench
from tests.testing.benches import FakeTargetBench, record

AWAY = "zoe@elsewhere.example"
"""Somebody whose mailbox is on no server of ours."""
WORDS = {"accepted": "Accept", "tentative": "Tentative", "declined": "Decline"}


WHEN = {"Start": "2026-06-01T08:00:00Z", "End": "2026-06-01T09:00:00Z"}


class Gathering(TargetBench, Protocol):
    """A user's calendar, and a guest with a mailbox of his own."""

    def invite(self, title: str) -> str:
        """The user calls a meeting; its id in his calendar."""
        ...

    def answered(self, key: str, response: str) -> None:
        """The guest answers the user's meeting; once."""
        ...

    def summoned(self, title: str) -> str:
        """The guest calls a meeting; the id of the user's copy."""
        ...

    def reply(self, key: str, response: str) -> None:
        """The user answers the guest's meeting."""
        ...

    def postponed(self, key: str, title: str) -> None:
        """The guest changes his meeting."""
        ...

    def attach(self, key: str, name: str, content: bytes) -> None:
        """The user attaches a file."""
        ...

    def detach(self, key: str, name: str) -> None:
        """The user removes a file."""
        ...


def guest_of(user: str) -> str:
    """The guest of a user."""
    return f"guest-of-{user}"


class FakeGathering(FakeTargetBench):
    """Meetings on the fake."""

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**record(title, place), "participants": None, "attachments": None}

    def invite(self, title: str) -> str:
        mine, guest = self.link.user, guest_of(self.link.user)
        values: Fields = {**record(title), "participants": {guest: "required", AWAY: "optional"}}
        values = {**values, "responses": {guest: "needs_action", AWAY: "needs_action"}}
        return self.connector.user_create(mine, values, shared=True, organizer=mine, response="organizer")

    def answered(self, key: str, response: str) -> None:
        item = self.connector.item(key)
        held = item.values["responses"] if item else None
        assert isinstance(held, dict)
        self.connector.user_edit(key, responses={**held, guest_of(self.link.user): response})

    def summoned(self, title: str) -> str:
        mine = self.link.user
        values: Fields = {**record(title), "participants": {mine: "required"}, "responses": {mine: "needs_action"}}
        return self.connector.user_create(mine, values, shared=True, organizer=guest_of(mine), response="needs_action")

    def reply(self, key: str, response: str) -> None:
        self.connector.user_answer(key, response)

    def postponed(self, key: str, title: str) -> None:
        # An update brings the organizer's list, and with it what the user himself has answered.
        item = self.connector.item(key)
        self.connector.user_edit(key, title=title, responses={self.link.user: item and item.response})

    def attach(self, key: str, name: str, content: bytes) -> None:
        self.connector.user_attach(key, name, content)

    def detach(self, key: str, name: str) -> None:
        self.connector.user_detach(key, name)


class ExchangeGathering(ExchangeBench):
    """Meetings in the mailboxes of the simulated Exchange."""

    def meet(self) -> None:
        """Give the guest his mailbox."""
        self._guest = self._sandbox.add_mailbox(guest_of(self.link.user))
        self._copies: dict[str, str] = {}

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        return {**super().sample(title, place), "participants": None, "attachments": None}

    def invite(self, title: str) -> str:
        key = self._user.invite([self._guest.address], optional=[AWAY], Subject=title, **WHEN)
        self._copies[key] = self._guest.items()[-1].id
        return key

    def answered(self, key: str, response: str) -> None:
        self._guest.answer(self._copies[key], WORDS[response])

    def summoned(self, title: str) -> str:
        theirs = self._guest.invite([self.link.user], Subject=title, **WHEN)
        mine = self._user.items()[-1].id
        self._copies[mine] = theirs
        return mine

    def reply(self, key: str, response: str) -> None:
        self._user.answer(key, WORDS[response])

    def postponed(self, key: str, title: str) -> None:
        self._guest.change(self._copies[key], Subject=title)

    def attach(self, key: str, name: str, content: bytes) -> None:
        self._user.attach(key, name, content)

    def detach(self, key: str, name: str) -> None:
        self._user.detach(key, name)
