"""Who takes part in a meeting: attendee elements → record fields, and participants → attendee lists (B-31).

Pages RequiredAttendees, OptionalAttendees, Resources, Attendee, ResponseType, Organizer and MyResponseType. An attendee is
known by his SMTP address in lower case; one without (an old entry, a name that nobody resolved) by whatever text stands
in its place, so that he is not lost, but he cannot be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr

from runner.connectors.exchange.names import Element, add, t
from runner.connectors.exchange.text import canonical, carried
from runner.model.errors import Invalid
from runner.model.record import Fields, Value

LISTS: Mapping[str, str] = {
    "required": "RequiredAttendees",
    "optional": "OptionalAttendees",
    "resource": "Resources",
}
"""Role → its list, in the schema's order. Who stands on several lists has the first role."""
PEOPLE = frozenset({"participants", "participant_names", "responses"})
"""Record fields that are read from the attendee lists."""
RESPONSES: Mapping[str | None, str] = {
    "Unknown": "needs_action",
    "NoResponseReceived": "needs_action",
    "Accept": "accepted",
    "Tentative": "tentative",
    "Decline": "declined",
    "Organizer": "organizer",
}

_MAILBOX, _NAME, _ADDRESS, _RESPONSE = t("Mailbox"), t("Name"), t("EmailAddress"), t("ResponseType")
_LIST_TAGS = {role: t(tag) for role, tag in LISTS.items()}


@dataclass(frozen=True, slots=True)
class People:
    """The attendees of one meeting as record fields; None where there is nothing."""

    participants: Mapping[str, Value] | None = None
    participant_names: Mapping[str, Value] | None = None
    responses: Mapping[str, Value] | None = None


_NOBODY = People()


def people_of(parts: Mapping[str, Element], organizer: str | None) -> People:
    """Everybody on the attendee lists, the organizer left out."""
    if parts.keys().isdisjoint(_LIST_TAGS.values()):
        return _NOBODY
    roles: dict[str, Value] = {}
    names: dict[str, Value] = {}
    responses: dict[str, Value] = {}
    for role, tag in _LIST_TAGS.items():
        for attendee in parts.get(tag, ()):
            mailbox = attendee.find(_MAILBOX)
            if mailbox is None:
                continue
            address, name = address_of(mailbox), canonical(mailbox.findtext(_NAME))
            if not address or address == organizer or address in roles:
                continue
            roles[address] = role
            if name and name.lower() != address:
                names[address] = name
            response = RESPONSES.get(attendee.findtext(_RESPONSE), "needs_action")
            responses[address] = "needs_action" if response == "organizer" else response
    return People(*(dict(sorted(found.items())) or None for found in (roles, names, responses)))


def address_of(mailbox: Element | None) -> str | None:
    """The address in a Mailbox element, lower case; what else it is known by when it has none."""
    if mailbox is None:
        return None
    text = canonical(mailbox.findtext(_ADDRESS)) or canonical(mailbox.findtext(_NAME))
    return " ".join(text.split()).lower() if text else None


def changed_lists(values: Fields, before: Fields | None) -> Mapping[str, tuple[str, ...]]:
    """List name → its addresses, for every list that is to hold something else than before (None: nothing yet).

    Raises ``Invalid`` (code ``attendee-address``) when a list that has to be written would hold what is no address.
    """
    wanted, held = (_by_role(side.get("participants")) if side else {} for side in (values, before))
    changed = {
        tag: wanted.get(role, ()) for role, tag in LISTS.items() if set(wanted.get(role, ())) != set(held.get(role, ()))
    }
    for addresses in changed.values():
        if not all(map(is_address, addresses)):
            raise Invalid(
                "one of the participants has no e-mail address: Exchange takes no attendee without one",
                code="attendee-address",
            )
    return changed


def is_address(text: str) -> bool:
    """Whether Exchange could send mail to this (RFC 5321 mailbox, no display name, no white space)."""
    local, found, domain = text.rpartition("@")
    return bool(found and local and domain) and parseaddr(text)[1] == text and not set(text) & set(" ,;<>\t\r\n")


def fill_attendees(parent: Element, addresses: tuple[str, ...]) -> None:
    """One attendee per address. No response is stated: it is the attendee's to say, and an ``Accept`` that a client makes
    up would be believed."""
    for address in addresses:
        mailbox = add(add(parent, "t:Attendee"), "t:Mailbox")
        add(mailbox, "t:EmailAddress", carried(address))


def _by_role(participants: Value) -> dict[str, tuple[str, ...]]:
    roles: dict[str, tuple[str, ...]] = {}
    for address, role in participants.items() if isinstance(participants, Mapping) else ():
        if role not in LISTS:
            raise Invalid(f"Exchange has no attendees that are {role!r}", code="value-unknown")
        roles[str(role)] = (*roles.get(str(role), ()), address)
    return roles
