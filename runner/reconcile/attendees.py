"""Who an invited address is in the CRM (B-31 to B-34): a user, contacts, or an external participant. Pure.

In order: an address of a user, aliases included, assigns the user; else every contact with that address takes part; else
the address stays an external participant. A blacklisted address stays external whoever has it, so that its item reaches
neither that contact nor that user.

*Choices where the rule book is silent*

- A person takes part once. The further addresses by which he is invited stay external participants, so that none of them
  is lost: what is read back must be exactly what was written, or somebody would be invited or uninvited.
- The threshold counts users, not addresses, and those who are assigned already.
- A contact that somebody of the attendees may not see is not matched; others with the same address may be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from runner.model.terms import ContactVisibility

LONGEST_ADDRESS = 320
"""Characters of an address (RFC 3696, erratum 1690: 64 before the @, 255 behind it); no search looks further (E15)."""


@dataclass(frozen=True, slots=True)
class AttendeeRules:
    """How addresses are matched. ``blacklist`` are regular expressions, searched for anywhere in an address."""

    blacklist: tuple[str, ...] = ()
    max_users: int | None = None
    """Above so many assigned users contacts are not matched (B-33)."""
    visibility: ContactVisibility = ContactVisibility.ANY


@dataclass(frozen=True, slots=True)
class Directory:
    """What the CRM knows of some addresses (lower case). ``viewers`` are the users who may see a contact."""

    users: Mapping[str, str] = field(default_factory=dict)
    contacts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    viewers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where addresses go: user key → address, contact key → address, and the addresses that stay external."""

    users: Mapping[str, str]
    contacts: Mapping[str, str]
    external: frozenset[str]


def place(
    addresses: Iterable[str],
    directory: Directory,
    rules: AttendeeRules,
    *,
    creator: str | None = None,
    assigned: Collection[str] = (),
    present: Collection[str] = (),
) -> Placed:
    """Match addresses. ``creator`` is the user from whose mailbox they come; ``assigned`` users and ``present`` contacts
    take part already, under other addresses."""
    users: dict[str, str] = {}
    rest: list[str] = []
    external: set[str] = set()
    for address in sorted(set(addresses)):
        user = directory.users.get(address)
        if is_blacklisted(address, rules):
            external.add(address)
        elif user is None:
            rest.append(address)
        elif user in users or user in assigned:
            external.add(address)
        else:
            users[user] = address
    attendees = {*users, *assigned}
    matching = rules.max_users is None or len(attendees) <= rules.max_users
    contacts: dict[str, str] = {}
    for address in rest:
        found = [
            contact
            for contact in (directory.contacts.get(address, ()) if matching else ())
            if contact not in contacts
            and contact not in present
            and _visible(contact, directory, rules, creator, attendees)
        ]
        contacts |= dict.fromkeys(found, address)
        if not found:
            external.add(address)
    return Placed(users, contacts, frozenset(external))


def is_blacklisted(address: str, rules: AttendeeRules) -> bool:
    """Whether one of the blacklist's expressions is found in the address (B-32), whatever the case."""
    return any(re.search(pattern, address[:LONGEST_ADDRESS], re.IGNORECASE) for pattern in rules.blacklist)


def _visible(
    contact: str, directory: Directory, rules: AttendeeRules, creator: str | None, attendees: Collection[str]
) -> bool:
    """Whether those who have to see a contact may (B-34)."""
    if rules.visibility is ContactVisibility.ANY:
        return True
    viewers = directory.viewers.get(contact, frozenset())
    if creator is not None and creator not in viewers:
        return False
    return rules.visibility is ContactVisibility.CREATOR or viewers.issuperset(attendees)
