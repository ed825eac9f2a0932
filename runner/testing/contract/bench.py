"""What a check works on: a connector, a link to an empty container, and a user's hands beside it."""

from __future__ import annotations

from typing import Protocol

from runner.model.items import LinkRef
from runner.model.ports import Connector, CrmConnector, TargetConnector
from runner.model.record import Value


class ContractBroken(AssertionError):
    """A connector does not do what the ports promise."""


class Bench(Protocol):
    """One side on the bench: a connector, a link to an empty container, and a user's hands beside it."""

    @property
    def connector(self) -> Connector:
        """The connector under test."""
        ...

    @property
    def link(self) -> LinkRef:
        """A link whose container is empty at the start of each check."""
        ...

    def sample(self, title: str, place: str = "Room 4") -> dict[str, Value]:
        """Canonical values of one item that the side can hold exactly as they are; ``place`` is one more text of it."""
        ...

    def retitled(self, title: str) -> dict[str, Value]:
        """The one field that carries the title, with another value."""
        ...

    def user_create(self, title: str) -> str:
        """A user makes an item; returns its key."""
        ...

    def user_edit(self, key: str, title: str) -> None:
        """A user changes an item's title."""
        ...

    def user_delete(self, key: str) -> None:
        """A user deletes an item the ordinary way."""
        ...

    def token(self) -> str:
        """A fresh stamp."""
        ...

    def reopened(self) -> Connector:
        """A second connector over the same data, as after a restart."""
        ...


class TargetBench(Bench, Protocol):
    """A target on the bench."""

    @property
    def connector(self) -> TargetConnector:
        """The connector under test."""
        ...

    def user_move(self, key: str) -> str:
        """A user moves an item to another folder of the same class; returns its new id."""
        ...

    def user_copy(self, key: str) -> str:
        """A user copies an item within the folder, our stamp included; returns the copy's id."""
        ...

    def unreadable(self) -> str:
        """Put an item into the folder that nobody can carry (another class of item); returns its id."""
        ...

    def reopened(self) -> TargetConnector:
        """A second connector over the same mailbox."""
        ...


class TaskBench(TargetBench, Protocol):
    """A target's tasks on the bench. Its sample starts on Tuesday 2026-12-01 and is due on the Friday after."""

    def user_complete(self, key: str) -> None:
        """A user ticks a task off."""
        ...

    def user_skip(self, key: str) -> None:
        """A user deletes the outstanding occurrence of a recurring task."""
        ...


class CrmBench(Bench, Protocol):
    """A CRM on the bench. The link's owner is a user with two addresses."""

    @property
    def connector(self) -> CrmConnector:
        """The connector under test."""
        ...

    @property
    def stranger(self) -> LinkRef:
        """A link of another user of the same CRM."""
        ...

    @property
    def addresses(self) -> tuple[str, str]:
        """The owner's main address and an alias."""
        ...

    def user_assign(self, key: str) -> None:
        """A user gives the record to the stranger."""
        ...

    def reopened(self) -> CrmConnector:
        """A second connector over the same database."""
        ...
