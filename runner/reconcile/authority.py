"""Whose copy of a meeting counts (B-41): one record in the CRM, a copy in every attendee's mailbox.

=========  ===============================================================================  ===========================
standing   when                                                                             what flows
=========  ===============================================================================  ===========================
alone      no meeting                                                                       all, as the link says
organizes  the copy lies in its organizer's mailbox                                         all, as the link says
speaks     the organizer is not synchronised, and this is the designated master's copy      all but the attendee list
follows    somebody else's copy counts                                                      out: what all copies share
=========  ===============================================================================  ===========================

*Choices where the rule book is silent*

- ``follows``: nothing comes in, and what every user has for himself (:data:`OWN`) does not flow at all: the record has one
  place for it, which belongs to whose copy counts. What the others answered is in the organizer's ``responses``.
- What goes out to a follower is the direct write of B-42: it keeps his calendar right when no mail is sent, and finds
  nothing to do when the server's own update was faster. At first it only takes note of what the copy holds.
- The attendee list goes out to the organizer's own copy only: another copy's list is nobody's.
- A copy that is deleted or declined leaves the meeting: its pair is detached, the record stays. So it is for a designated
  master as long as others hold copies; the next of them to come in takes over. Only an organizer's delete is the end of
  the meeting.
- A synchronised organizer counts from the first copy on that is read, his own or not: a follower's delete before his own
  was read is no end of the meeting either.
- Until somebody accepts, the first copy that comes in speaks; the first who accepts then takes over, and keeps it.
- A copy without a record makes one, whoever it belongs to: who comes first must not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from runner.model.meetings import Master, Rank
from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, OnDrift
from runner.reconcile.decision import Decision
from runner.reconcile.rules import ItemRules, Unit

OWN = frozenset({"privacy", "free_busy_status", "keywords", "alert", "my_response"})
"""Record fields that each copy of a meeting has for itself."""
ATTENDEES = frozenset({"participants"})


class Standing(StrEnum):
    """What one copy is to its meeting (see the module)."""

    ALONE = "alone"
    ORGANIZES = "organizes"
    SPEAKS = "speaks"
    FOLLOWS = "follows"


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a meeting as its mailbox holds it: native identity, organizer's address, what its user answered."""

    native: str
    organizer: str | None
    response: str | None


@dataclass(frozen=True, slots=True)
class Circle:
    """Who is synchronised: this link's name and its user's addresses, and every address → the link that brings its
    mailbox's changes into the CRM; ``links`` are the names of these links."""

    link: str
    mine: frozenset[str] = frozenset()
    linked: Mapping[str, str] = field(default_factory=dict)
    links: frozenset[str] = frozenset()

    def is_mine(self, copy: Copy) -> bool:
        """Whether the copy lies in its organizer's mailbox."""
        return copy.response == "organizer" or copy.organizer in self.mine

    def organizer(self, copy: Copy) -> str | None:
        """The link of the organizer's mailbox, if it is synchronised."""
        return self.linked.get(copy.organizer or "")


def standing(copy: Copy | None, circle: Circle, master: Master | None) -> Standing:
    """What a copy is to its meeting; ``copy`` None: no meeting."""
    if copy is None:
        return Standing.ALONE
    if circle.is_mine(copy):
        return Standing.ORGANIZES
    if circle.organizer(copy) is not None:
        return Standing.FOLLOWS
    return Standing.SPEAKS if master is None or master.link == circle.link else Standing.FOLLOWS


def claim(copy: Copy, circle: Circle, master: Master | None, *, left: bool = False) -> Master | None:
    """What this copy asks to be noted when it comes in, or None when the meeting's master stays who it is: that its
    organizer's copy counts, if he is synchronised, whether it was read yet or not, else that this one speaks.

    A stronger right takes over, the same does not; a master who is no longer synchronised, or whose pair of the meeting is
    detached (``left``), gives way to anyone. An answer that is taken back does not cost the place: somebody has to speak.
    """
    link, rank = circle.link, Rank.ACCEPTED if copy.response == "accepted" else Rank.FIRST
    if circle.is_mine(copy):
        rank = Rank.ORGANIZER
    elif organizer := circle.organizer(copy):
        link, rank = organizer, Rank.ORGANIZER
    if master is None:
        return Master(copy.native, link, rank)
    gone = master.link != link and (left or master.link not in circle.links)
    return Master(copy.native, link, rank, master.link) if gone or rank.weight > master.rank.weight else None


def standing_of_gone(circle: Circle, master: Master | None, others: bool) -> Standing:
    """What a copy was that is there no longer. ``others``: whether other synchronised mailboxes hold copies."""
    if master is None:
        return Standing.FOLLOWS if others else Standing.ALONE
    if master.link != circle.link:
        return Standing.FOLLOWS
    return Standing.ORGANIZES if master.rank is Rank.ORGANIZER else Standing.SPEAKS


def is_invited(record: Fields | None, circle: Circle) -> bool:
    """Whether the CRM's record names the link's user among the participants: then somebody else organizes it."""
    people = record.get("participants") if record else None
    return isinstance(people, Mapping) and not circle.mine.isdisjoint(people)


def rules_for(rules: ItemRules, standing: Standing) -> ItemRules:
    """The link's rules as they hold for a paired copy of this standing."""
    if standing in (Standing.ALONE, Standing.ORGANIZES):
        return rules
    if standing is Standing.SPEAKS:
        return replace(rules, units=tuple(_without_attendees(unit) for unit in rules.units))
    return replace(
        rules,
        units=tuple(_outward(unit) for unit in rules.units),
        direction=rules.direction.narrowed(Direction.OUTBOUND),
        on_drift=OnDrift.IGNORE,
    )


def first_rules(rules: ItemRules) -> ItemRules:
    """For the copy that counts when it meets a record that another copy made: what it says goes (recorded like any
    conflict)."""
    return replace(rules, units=tuple(replace(unit, conflict=ConflictPolicy.TARGET_WINS) for unit in rules.units))


def noted(rules: ItemRules, crm: Fields, target: Fields) -> Decision:
    """A follower's first meeting with the record: each side is taken as it is."""
    names = [name for unit in rules.units for name in unit.fields]
    return Decision(base=Base(*({name: side.get(name) for name in names} for side in (crm, target))))


def leaves(standing: Standing, others: bool) -> str | None:
    """Why a copy that is gone only leaves its meeting; None when its absence is what it says. ``others``: whether other
    synchronised mailboxes hold copies."""
    if standing is Standing.FOLLOWS:
        return "deleted on the target; whose copy it was does not speak for the meeting, so the record stays"
    if standing is Standing.SPEAKS and others:
        return "deleted on the target; others still hold the meeting, so the record stays and the next of them speaks"
    return None


def _without_attendees(unit: Unit) -> Unit:
    if not ATTENDEES.intersection(unit.fields):
        return unit
    return replace(unit, direction=unit.direction.narrowed(Direction.INBOUND))


def _outward(unit: Unit) -> Unit:
    if (OWN | ATTENDEES).intersection(unit.fields):
        return replace(unit, direction=Direction.NONE)
    return replace(unit, direction=unit.direction.narrowed(Direction.OUTBOUND))
