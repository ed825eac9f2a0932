"""What the state keeps, as values: link states, dirty marks, pairings with a base per side, intents, ledgers, commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from runner.model.headway import Headway
from runner.model.meetings import Mail, Master
from runner.model.proofs import Proof
from runner.model.quick import quick
from runner.model.record import Fields
from runner.model.terms import Entity, Operation, Side


class LinkCondition(StrEnum):
    """Where a link stands in its life (see ``model.lifecycle``)."""

    NEW = "new"
    ACTIVE = "active"
    STOPPED = "stopped"
    DISABLED = "disabled"
    ORPHANED = "orphaned"


class PairingStatus(StrEnum):
    """``active`` pairs are kept in step; ``detached`` ones are left alone for good on both sides (B-39, B-47)."""

    ACTIVE = "active"
    DETACHED = "detached"


@dataclass(frozen=True, slots=True)
class LinkState:
    """One link as the state knows it. ``target_watermark`` is None until its folder was read to the end of a page;
    ``listed`` says that the CRM's records were marked once; ``mapping_digest`` is that of the last pass.
    """

    name: str
    condition: LinkCondition = LinkCondition.NEW
    target_watermark: str | None = None
    target_complete: bool = False
    listed: bool = False
    matched: bool = False
    mapping_digest: str = ""
    reason: str | None = None
    last_pass: datetime | None = None
    step: int = 0
    """The window that an expanding first sync is in, from 1 (B-71); 0: it does not grow."""
    step_until: datetime | None = None
    """The last minute that has been given out in this step."""
    snapshot_at: datetime | None = None
    """When its snapshot by schedule last ran (B-70)."""


@quick
@dataclass(frozen=True, slots=True)
class Mark:
    """A dirty mark: an observation that this key of this side changed. ``seq`` is 0 until stored.

    A mark replaces the one that its key has. One that waits does not hold up what was observed meanwhile: unless it says
    itself, by its ``seq``, that it replaces that very mark, the earlier ``due`` of both holds.
    ``deleted`` is what the feed said; it is checked by a direct read before anything is deleted. A mark with ``due`` in
    the future waits (back-off, or an item that lies beyond the window).
    """

    link: str
    side: Side
    key: str
    deleted: bool = False
    due: datetime | None = None
    tries: int = 0
    seq: int = 0


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two marks' due times; None is at once."""
    return None if one is None or other is None else min(one, other)


@dataclass(frozen=True, slots=True)
class MarkCounts:
    """How many marks of a link are due; ``sides`` has due marks of items that the feed did not call deleted."""

    due: int
    sides: frozenset[Side] = field(default=frozenset(), compare=False)


@quick
@dataclass(frozen=True, slots=True)
class Base:
    """What each side held when both were last agreed, in record fields, kept per side."""

    crm: Fields
    target: Fields

    def of(self, side: Side) -> Fields:
        """The base of one side."""
        return self.crm if side is Side.CRM else self.target

    def without(self, names: frozenset[str]) -> Base:
        """A base in which these fields were never agreed."""
        crm, target = (
            {name: value for name, value in self.of(side).items() if name not in names}
            for side in (Side.CRM, Side.TARGET)
        )
        return Base(crm, target)


@quick
@dataclass(frozen=True, slots=True)
class Pairing:
    """A CRM key and a target id that are one item. ``id`` is 0 until stored; bases are None for an adopted pair that
    has not been merged yet (first sync)."""

    link: str
    entity: Entity
    crm_key: str
    target_key: str
    crm_version: str | None = None
    target_version: str | None = None
    stamp: str | None = None
    native: str | None = None
    base: Base | None = None
    status: PairingStatus = PairingStatus.ACTIVE
    reason: str | None = None
    id: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Intent:
    """A write made durable before it is sent. ``token`` is the stamp (create) or a fresh id; ``record`` is the payload in
    record fields, the base of an adopted create; ``source_key`` is the counterpart's key."""

    token: str
    link: str
    side: Side
    operation: Operation
    key: str | None
    source_key: str | None
    record: Fields
    fields: frozenset[str]
    native: str | None
    run: str
    at: datetime


@quick
@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One write that happened: before and after in record fields, and the rule (``file:line:column``) that decided. ``id``
    is 0 until stored; both values are None once the item became private (B-35)."""

    run: str
    link: str
    side: Side
    operation: Operation
    key: str
    counterpart: str | None
    before: Fields | None
    after: Fields | None
    reason: str
    rule: str
    at: datetime
    id: int = 0


@dataclass(frozen=True, slots=True)
class Conflict:
    """One conflict (B-62). ``field`` is the unit's name or None for edit against delete; values are tuples of the unit's
    record fields rendered as mappings. ``winner`` None = undecided (held until ``conflicts resolve``)."""

    id: str
    link: str
    crm_key: str | None
    target_key: str | None
    field: str | None
    base: Fields | None
    crm: Fields | None
    target: Fields | None
    policy: str
    winner: Side | None
    rule: str
    run: str
    at: datetime
    crm_modified: datetime | None = None
    target_modified: datetime | None = None
    resolved_at: datetime | None = None
    resolution: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """An operator's decision on a conflict: which side's value, or which values, both sides shall hold."""

    conflict: str
    link: str
    crm_key: str | None
    target_key: str | None
    field: str | None
    take: str
    values: Fields | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An item set aside with its reason (B-23). ``next_try`` None = only when either side changes."""

    link: str
    side: Side
    key: str
    code: str
    reason: str
    first_at: datetime
    last_at: datetime
    tries: int
    next_try: datetime | None


@dataclass(frozen=True, slots=True)
class Purge:
    """An item whose content is to be forgotten, since it became private (B-35): what ledger, conflicts, resolutions and
    quarantine say of either key loses every value. That something was written, and when, stays."""

    link: str
    crm_key: str
    target_key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One pass that had an effect or failed. ``counts`` such as ``{"crm.create": 3}``; ``code`` is a failed one's error's;
    ``waited``: seconds from the first wish for it to its beginning, None when nobody had to wait."""

    run: str
    link: str
    started: datetime
    finished: datetime
    outcome: str
    counts: Mapping[str, int]
    message: str | None = None
    code: str | None = None
    waited: float | None = None


class Scope(StrEnum):
    """What an operator's suspension covers."""

    ALL = "all"
    TARGET = "target"
    LINK = "link"
    CANDIDATE = "candidate"
    """The links that run by a target's candidate."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Passes put off by command (B-15), or by a candidate that stopped itself. ``name`` is the target's or the link's, empty
    for everything; what changes meanwhile stays marked and goes out on resume."""

    scope: Scope
    name: str
    by: str
    since: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that an operator did by command, for the audit: when, who, what, to what."""

    at: datetime
    who: str
    what: str
    subject: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class MatchCandidate:
    """First sync: the digest of one declared key set of one lone item (B-72)."""

    link: str
    side: Side
    key: str
    rule: int
    digest: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything one step of a pass makes durable, in ONE transaction."""

    links: tuple[LinkState, ...] = ()
    crm_watermarks: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    settled: tuple[int, ...] = ()
    """``seq`` of marks that are done with."""
    pairings: tuple[Pairing, ...] = ()
    """Inserted (id 0) or replaced (by id)."""
    unpaired: tuple[int, ...] = ()
    """Ids of pairings that end."""
    intents: tuple[Intent, ...] = ()
    closed: tuple[str, ...] = ()
    """Tokens of intents whose outcome is recorded by this commit."""
    ledger: tuple[LedgerEntry, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    """Inserted or replaced by id."""
    resolutions: tuple[Resolution, ...] = ()
    resolved: tuple[str, ...] = ()
    """Conflict ids whose resolution has been carried out."""
    quarantined: tuple[Quarantined, ...] = ()
    """Inserted or replaced by (link, side, key)."""
    released: tuple[tuple[str, Side, str], ...] = ()
    """(link, side, key) that leave quarantine."""
    candidates: tuple[MatchCandidate, ...] = ()
    matched: tuple[str, ...] = ()
    """Links whose match candidates are used up."""
    runs: tuple[RunRecord, ...] = ()
    suspended: tuple[Suspension, ...] = ()
    """Inserted or replaced by (scope, name)."""
    resumed: tuple[tuple[Scope, str], ...] = ()
    """(scope, name) of suspensions that end."""
    acts: tuple[Act, ...] = ()
    purged: tuple[Purge, ...] = ()
    """Items that are forgotten, after everything else of this commit."""
    masters: tuple[Master, ...] = ()
    """Let in one by one, each only in the place that it names (``instead``)."""
    mails: tuple[Mail, ...] = ()
    """Inserted or replaced by id."""
    proofs: tuple[Proof, ...] = ()
    """Inserted or replaced by link."""
    headways: tuple[Headway, ...] = ()
    """Inserted or replaced by link; one that has ended is not moved by its own run any more."""
    approved: tuple[tuple[str, frozenset[str]], ...] = ()
    """Links with the fingerprints of the changes that their snapshots may make; forgotten when the snapshot ends."""

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)
