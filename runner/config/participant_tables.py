"""Where the participants of a CRM's records lie, as compiled from YAML (B-31)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.reconcile.attendees import AttendeeRules


@dataclass(frozen=True, slots=True)
class ParticipantTable:
    """One table of a record's participants. ``person`` is its column with a user's or a contact's key; None: external.

    ``address`` keeps by which address somebody was invited, so that what is read is what was written; NULL: by his main
    one. ``role`` keeps as what; a word that stands for no role means that the row is no participant's, NULL: required.
    """

    table: str
    item: str
    person: str | None
    address: str
    role: str
    response: str | None = None
    name: str | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CrmParticipants:
    """Where the participants of a record lie (B-31): as users, as contacts, as external participants."""

    organizer: str
    """The record's column with the organizer's address."""
    users: ParticipantTable
    external: ParticipantTable
    rules: AttendeeRules
    contacts: ParticipantTable | None = None
    emails: tuple[str, ...] = ()
    """Columns of the contacts' own table with their addresses, the main one first."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role of the neutral record → the CRM's word."""
    responses: Mapping[str, str] = field(default_factory=dict)
    """Likewise for what somebody answered."""
