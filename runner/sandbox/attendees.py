"""Attendee lists as the store keeps them: who, and what each answered (pages Attendee, RequiredAttendees, ResponseType)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runner.sandbox.items import StoredItem
from runner.sandbox.wire import Element, Fragment, T, children, parse_fragment, tag

LISTS = ("RequiredAttendees", "OptionalAttendees", "Resources")
NOT_ASKED = "Unknown"
"""The response of an attendee from whom nothing came."""


@dataclass(frozen=True, slots=True)
class Attendee:
    """One entry of an attendee list. ``replied`` is the time of the answer (UTC text), None before it."""

    address: str
    name: str
    response: str = NOT_ASKED
    replied: str | None = None

    def render(self) -> str:
        """The ``Attendee`` element."""
        mailbox = tag("Name", self.name) + tag("EmailAddress", self.address) + tag("RoutingType", "SMTP")
        replied = tag("LastResponseTime", self.replied) if self.replied else ""
        return f"<t:Attendee><t:Mailbox>{mailbox}</t:Mailbox>{tag('ResponseType', self.response)}{replied}</t:Attendee>"


def read(parent: Element) -> tuple[Attendee, ...]:
    """The attendees in a list's element; a missing name is the address, a missing response ``Unknown``."""
    found = []
    for element in children(parent):
        address = element.findtext(f"{T}Mailbox/{T}EmailAddress") or ""
        name = element.findtext(f"{T}Mailbox/{T}Name") or address
        response = element.findtext(f"{T}ResponseType") or NOT_ASKED
        found.append(Attendee(address, name, response, element.findtext(f"{T}LastResponseTime")))
    return tuple(found)


def rendered(attendees: Iterable[Attendee]) -> Fragment:
    """A list as the store keeps it."""
    return Fragment("".join(attendee.render() for attendee in attendees))


def listed(item: StoredItem, name: str) -> tuple[Attendee, ...]:
    """One of an item's lists."""
    stored = item.props.get(name)
    return read(parse_fragment(stored)) if isinstance(stored, str) and stored else ()


def invited(item: StoredItem) -> Mapping[str, Attendee]:
    """Everybody on an item's lists by lower-case address."""
    return {attendee.address.lower(): attendee for name in LISTS for attendee in listed(item, name)}
