"""What people did, kept beside the world and without looking at the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.model.items import Item
from runner.model.record import Value

FIELDS = {"title": "subject", "location": "place", "description": "notes"}
"""Record field → CRM field of what users type."""


class Violation(AssertionError):
    """A property of the specification does not hold."""


@dataclass
class Oracle:
    """Every value that somebody types is a token of its own, so that it is known for each of them whether it is still
    meant, was replaced by somebody who saw it, or went with an item that somebody deleted."""

    tokens: int = 0
    items: int = 0
    meant: dict[str, str] = field(default_factory=dict)
    """Token → the item it was typed into; tokens that somebody replaced or deleted knowingly are dropped."""
    deleted: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    copied: dict[str, set[str]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    """Copy → original, of copies made in Outlook before we had read the original."""
    retitled: set[str] = field(default_factory=set)
    """Items whose title somebody typed anew in Outlook."""
    private: set[str] = field(default_factory=set)
    poison: set[str] = field(default_factory=set)
    touched_on: dict[str, set[str]] = field(default_factory=dict)
    organizers: dict[str, str] = field(default_factory=dict)
    """Meeting → who organizes it."""
    early: set[str] = field(default_factory=set)
    """Meetings that were deleted before every attendee's copy had been read: such a copy brings the meeting back."""
    actions: int = 0

    def token(self, item: str) -> str:
        """A fresh value that somebody types into an item."""
        self.tokens += 1
        name = f"t{self.tokens}."
        self.meant[name] = item
        return name

    def may_be_left_alone(self, name: str) -> bool:
        """Items that were in another folder; and those whose copy was, because until we have read what we made without an
        answer, original and copy bear the same stamp and nothing tells which of them moved."""
        return name in self.moved or bool(self.copied.get(name, set()) & self.moved)

    def may_be_taken_for_its_original(self, name: str) -> bool:
        """Copies of what we made without an answer, and whose title was typed anew before we read it: neither the stamp nor
        what it says tells it from its copies any more."""
        original = self.unread.get(name)
        return original is not None and (original in self.retitled or self.may_be_taken_for_its_original(original))

    def item(self) -> str:
        """The name of a new item; it stands in its categories, which nobody edits."""
        self.items += 1
        return f"k{self.items}"

    def meeting(self, organizer: str) -> str:
        """The name of a new meeting."""
        self.items += 1
        self.organizers[f"m{self.items}"] = organizer
        return f"m{self.items}"

    def replaced(self, *values: Value) -> None:
        """Somebody replaced or deleted these values and had them before his eyes."""
        for value in values:
            self.meant.pop(str(value).lower(), None)

    def still_meant(self, name: str) -> list[str]:
        """The tokens of an item that nobody replaced or deleted."""
        return [token for token, owner in self.meant.items() if owner == name]


def name_of(item: Item) -> str:
    """Which item this is, whatever its id on this side."""
    words = item.values.get("keywords") or item.values.get("categories")
    assert isinstance(words, tuple)
    return words[0]


def tokens_of(item: Item) -> dict[str, str]:
    """What users typed into an item, by record field."""
    crm = "subject" in item.values
    return {record: str(item.values[FIELDS[record] if crm else record]).lower() for record in FIELDS}
