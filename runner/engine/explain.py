"""Why an item did, or did not, synchronise: one item of one link, looked at as the next pass would look at it.

Both sides are read, the very rules of a pass decide, and nothing is written: the caller holds a rehearsal around it. What
the state remembers of the item (its pairing, quarantine, conflicts, mail, its entries in the ledger) stands beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from runner.config.plan import LinkPlan
from runner.engine.decide import UNNAMED, Decided, decide, why_apart
from runner.engine.explanation import SHOWN, Answer, Explanation, SideView, UnitView, UserView
from runner.engine.gather import gather
from runner.engine.growth import growing
from runner.engine.guarding import GUARD_WINDOW
from runner.engine.hindrance import hindrance_of
from runner.engine.mailing import Mailroom
from runner.engine.marks import marks_of
from runner.engine.meaning import meaning_of
from runner.engine.meetings import look
from runner.engine.parts import Parts, mapped, ref_of
from runner.engine.runs import Runner
from runner.engine.search import MOST, Search, unknown
from runner.engine.subject import Gathered, Subject
from runner.model.errors import NOT_OWNED, ConnectorError, Gone, Invalid
from runner.model.items import Item, LinkRef
from runner.model.meetings import MailStatus
from runner.model.record import Fields
from runner.model.state import LedgerEntry, Mark, Pairing, PairingStatus, Resolution
from runner.model.terms import Direction, Operation, Side
from runner.reconcile.decision import Change
from runner.reconcile.firewall import Fate
from runner.reconcile.guards import Gauge, measure
from runner.reconcile.ordering import called
from runner.reconcile.ruling import PLACES, Standing

NEWEST = 1000
"""Runs among which the link's last pass is looked for."""


def explain(runner: Runner, links: Sequence[LinkPlan], word: str) -> Answer:
    """Everything about an item (a key of either side, a UID, a part of its subject) or a user's address.

    ``links`` are those that may be asked. Raises ``UsageError`` when nobody knows the word, and the connectors' errors
    when a side cannot be asked at all.
    """
    owners = runner.owners()
    answer = Answer()
    allowed = {link.name: link for link in links}
    if "@" in word and (mine := [link for link in links if link.user == word.lower()]):
        answer.users = [_user(runner, link, owners.get(link.user)) for link in mine]
        return answer
    search = Search(runner, allowed, owners)
    spots = search.paired(word) or search.unpaired(word)
    present = {spot.link for spot in spots}
    spots += [spot for spot in search.remembered(word, titled=not spots) if spot.link not in present]
    answer.unasked, answer.more = search.unasked, max(0, len(spots) - MOST)
    for spot in spots[:MOST]:
        link = allowed[spot.link]
        answer.items.append(_Looking(runner, link, owners.get(link.user)).explain(spot.side, spot.key))
    if answer.items:
        return answer
    if search.fault is not None:
        raise search.fault
    raise unknown(word, search, sorted(runner.store.links().keys() - runner.plan.links.keys()))


class _Looking:
    """One item of one link, looked at."""

    def __init__(self, runner: Runner, link: LinkPlan, owner: str | None) -> None:
        self.runner, self.link, self.owner = runner, link, owner
        self.store = runner.store
        self.now = runner.clock.now()

    def explain(self, side: Side, key: str) -> Explanation:
        pairing = self._pairing(side, key)
        keys = {Side.CRM: pairing.crm_key, Side.TARGET: pairing.target_key} if pairing else {side: key}
        parts = self.runner.parts(self.link)
        ref = ref_of(self.link, self.owner)
        views, items = self._sides(parts, ref, keys, pairing)
        subject = Subject([], pairing, items.get(Side.CRM), items.get(Side.TARGET))
        decided, outcome, reasons = self._decision(parts, ref, subject, side, key)
        remembered = sorted(known for known in keys.values() if known)
        ledger = self._ledger(remembered)
        if not items and ledger and ledger[0].operation is Operation.DELETE:
            reasons.append(_deleted(ledger[0]))
        changes = decided.decision.changes if decided else ()
        gauges, noted = self._gauges(changes), [m for m in self.store.mails(self.link.name) if m.crm_key in remembered]
        firewall, held = self._mails(parts, decided)
        if held:
            outcome = "held with its mail: an operator has to decide"
            waiting = next((mail.id[:8] for mail in noted if mail.status is MailStatus.HELD), "ID")
            reasons.append(
                f"`exsync mail release {waiting}` lets both go, `exsync mail drop {waiting}` the write alone"
            )
        elif stop := next((gauge for gauge in gauges if gauge.exceeded), None):
            outcome = f"stopped by the guard {stop.code}: the limit is {stop.limit} {stop.operation}s"
            reasons.append(f"`exsync plan {self.link.name}` tells all that it stops, and how to allow it once")
        elif changes and (stopped := self._stopped()):
            outcome = "waits: a guard stopped writes of the link's last pass, which counts all items together"
            reasons += [
                stopped,
                f"`exsync plan {self.link.name}` tells whether it still does, and how to allow it once",
            ]
        return Explanation(
            link=self.link,
            title=self._title(subject, decided, ledger),
            crm=views[Side.CRM],
            target=views[Side.TARGET],
            pairing=pairing,
            outcome=outcome,
            reasons=tuple(reasons),
            units=self._units(subject, decided),
            changes=changes,
            gauges=gauges,
            mails=firewall,
            marks=tuple(marks_of(self.store, self.link.name, remembered)),
            quarantined=tuple(q for q in self.store.quarantined(self.link.name) if q.key in remembered),
            conflicts=tuple(
                c for c in self.store.conflicts(self.link.name) if {c.crm_key, c.target_key} & set(remembered)
            )[:SHOWN],
            noted=tuple(noted[-SHOWN:]),
            ledger=ledger,
        )

    def _pairing(self, side: Side, key: str) -> Pairing | None:
        crm = side is Side.CRM
        found = self.store.pairings(self.link.name, crm_keys=[key] if crm else (), target_keys=[] if crm else [key])
        return found[0] if found else None

    def _sides(
        self, parts: Parts, ref: LinkRef, keys: dict[Side, str], pairing: Pairing | None
    ) -> tuple[dict[Side, SideView], dict[Side, Item]]:
        views: dict[Side, SideView] = {}
        items: dict[Side, Item] = {}
        known = {Side.CRM: pairing.crm_version, Side.TARGET: pairing.target_version} if pairing else {}
        for side in Side:
            key = keys.get(side)
            if key is None:
                views[side] = SideView(None, "no item is paired with it")
                continue
            connector = parts.crm if side is Side.CRM else parts.target
            try:
                read: Item | ConnectorError = connector.get(ref, [key])[key]
            except ConnectorError as error:
                read = error
            if isinstance(read, Item):
                items[side] = read
                views[side] = SideView(key, "present", read.version, known.get(side), read.modified, read.masked)
            elif isinstance(read, Gone):
                views[side] = SideView(key, "absent", None, known.get(side))
            elif read.code == NOT_OWNED:
                views[side] = SideView(key, "there, but this user does not hold it", None, known.get(side))
            else:
                views[side] = SideView(key, f"not readable: {read}", None, known.get(side))
        return views, items

    def _decision(
        self, parts: Parts, ref: LinkRef, subject: Subject, side: Side, key: str
    ) -> tuple[Decided | None, str, list[str]]:
        """What the next pass would do, in a sentence, and what stands behind it."""
        reasons: list[str] = []
        hindrance = hindrance_of(self.runner.plan, self.link, self.store.suspensions())
        if hindrance is not None:
            reasons.append(f"the link does not run: {hindrance.reason}")
        if self.owner is None and not self.link.folder.of_directory:
            reasons.append(f"no CRM user has the address {self.link.user} ({self.link.rule})")
            return None, "not synchronised: the link's user is not known in the CRM", reasons
        pairing = subject.pairing
        if pairing is not None and pairing.status is PairingStatus.DETACHED:
            reasons.append(f"the pair was detached: {pairing.reason}")
        marks = [Mark(ref.name, side, key, seq=1)]
        gathered = gather(parts, ref, marks, None)
        meetings = look(parts, self.link, ref, gathered.subjects)
        resolutions: dict[str, list[Resolution]] = {}
        for one in self.store.resolutions(self.link.name):
            resolutions.setdefault(one.crm_key or "", []).append(one)
        verdicts = decide(self.link, gathered.subjects, self.now, resolutions, meetings)
        if verdicts.decided:
            decided = verdicts.decided[0]
            waits = growing(self.store, self.runner.clock, self.link).waiting(decided)
            told, reasons = _summed_up(decided, reasons, self.link)
            return decided, "it waits its turn in a first sync that grows" if waits else told, [*waits, *reasons]
        failures = [*gathered.failures, *verdicts.failures]
        if failures:
            reasons.append(f"{failures[0].error.code}: {failures[0].error}")
            return None, "set aside: it cannot be carried as it is", reasons
        apart = self._apart(gathered)
        if apart:
            reasons.append(apart)
        for subject_, why in verdicts.detached:
            reasons.append(f"the pair ends with the next pass: {why}")
            subject.pairing = subject_.pairing or subject.pairing
        reasons += [f"the pair ends with the next pass: {pair.reason}" for pair in gathered.detached]
        reasons += [f"it waits until {due:%Y-%m-%d %H:%M} UTC" for _, due in verdicts.parked]
        if subject.crm is None and subject.target is None:
            return None, "nothing to synchronise: neither side holds it", reasons
        return None, "not synchronised", reasons or ["nothing asks for it: it is neither paired nor in scope"]

    def _apart(self, gathered: Gathered) -> str | None:
        for subject in gathered.subjects:
            try:
                found = why_apart(self.link, subject, self.now)
            except Invalid as error:
                return str(error)
            if found:
                return found
        return None

    def _title(self, subject: Subject, decided: Decided | None, ledger: Sequence[LedgerEntry]) -> str:
        if decided is not None:
            return decided.title
        if subject.target is not None and subject.target.masked:
            return UNNAMED
        read = {side: mapped(self.link, side, item) for side, item in _present(subject).items()}
        record = next((record for record in read.values() if record is not None), None)
        if record is None:
            base = subject.pairing.base if subject.pairing else None
            record = base.crm if base else next((e.before or e.after for e in ledger if e.before or e.after), None)
        return "(gone)" if not read and not record else called(record or {})

    def _units(self, subject: Subject, decided: Decided | None) -> tuple[UnitView, ...]:
        """Every unit of the mapping with its values and its fate; none, when there is no item any more or one that cannot
        be mapped."""
        base = subject.pairing.base if subject.pairing else None
        both: dict[Side, Fields] = {side: {} for side in Side}
        for side, item in _present(subject).items():
            record = mapped(self.link, side, item)
            if record is None:
                return ()
            both[side] = record
        if not _present(subject):
            return ()
        views = []
        for unit in self.link.rules.units:
            fields = tuple(
                (
                    name,
                    (
                        base.crm.get(name) if base else None,
                        base.target.get(name) if base else None,
                        both[Side.CRM].get(name),
                        both[Side.TARGET].get(name),
                    ),
                )
                for name in unit.fields
            )
            standing = Standing.of(unit, base, both, self.link.rules)
            views.append(UnitView(unit.name, fields, _fate(standing, subject, decided), unit.rule))
        return tuple(views)

    def _gauges(self, changes: Iterable[Change]) -> tuple[Gauge, ...]:
        wanted = Counter(change.operation for change in changes)
        if not wanted:
            return ()
        spent = self.store.writes_since(self.link.name, self.now - GUARD_WINDOW)
        known = self.store.count(self.link.name)
        done = {operation: spent.get(operation, 0) for operation in Operation}
        return tuple(g for g in measure(wanted, done, known, self.link.limits) if g.wanted)

    def _stopped(self) -> str | None:
        """What stopped writes of the link's newest pass with an effect, when a guard did."""
        newest = next((run for run in self.store.runs(NEWEST) if run.link == self.link.name), None)
        return newest.message if newest is not None and newest.outcome == "stopped" else None

    def _mails(self, parts: Parts, decided: Decided | None) -> tuple[tuple[str, ...], bool]:
        """What the invitation firewall says to each write of a meeting, and whether it holds one."""
        if decided is None:
            return (), False
        mailroom = Mailroom(parts, self.link, "explain")
        mailroom.first = self.store.link(self.link.name).mapping_digest not in ("", meaning_of(self.link))
        mailroom.open()
        told, held = [], False
        for change in decided.decision.changes:
            judged = mailroom.weigh(decided, change, self.now)
            if judged is not None:
                letter, judgement, _ = judged
                told.append(f"{letter.kind} to {letter.addressees}: {judgement.fate}, {judgement.reason}")
                held = held or judgement.fate is Fate.HOLD
        return tuple(told), held

    def _ledger(self, keys: Sequence[str]) -> tuple[LedgerEntry, ...]:
        found = {e.id: e for key in keys for e in self.store.ledger(self.link.name, key=key, limit=SHOWN)}
        return tuple(sorted(found.values(), key=lambda entry: -entry.id)[:SHOWN])


def _present(subject: Subject) -> dict[Side, Item]:
    sides = {Side.CRM: subject.crm, Side.TARGET: subject.target}
    return {side: item for side, item in sides.items() if item is not None}


def _deleted(entry: LedgerEntry) -> str:
    place, run = PLACES[entry.side], entry.run[:8]
    return f"run {run} deleted it {place} ({entry.reason}): `exsync undo {run}` shows how to have it back"


def _summed_up(decided: Decided, reasons: list[str], link: LinkPlan) -> tuple[str, list[str]]:
    decision = decided.decision
    for change in decision.changes:
        where = "the CRM" if change.side is Side.CRM else "the target"
        reasons.append(f"{change.operation} on {where}: {change.reason} ({change.rule})")
    for clash in decision.clashes:
        what = clash.unit or "edit against delete"
        state = "waits for a decision" if clash.held else f"{clash.winner} wins"
        reasons.append(f"conflict in {what}: {clash.policy}, {state} ({clash.rule})")
    if decision.drift:
        reasons.append(f"edited on the read-only side and left so: {', '.join(decision.drift)}")
    if decision.detach:
        reasons.append(f"left alone from now on: {decision.detach}")
    if decision.changes:
        return "the next pass writes it", reasons
    if any(clash.held for clash in decision.clashes):
        return "held: an operator has to decide", reasons
    if decision.detach:
        return "the next pass detaches it", reasons
    if decided.crm is not None and decided.target is not None:
        return "in step", reasons
    return "left where it is", [*reasons, *_one_sided(decided, link)]


def _one_sided(decided: Decided, link: LinkPlan) -> list[str]:
    """Why a lone item is not made on the other side."""
    present = Side.CRM if decided.crm is not None else Side.TARGET
    if not link.rules.direction.writes(present.other):
        return [f"`direction: {link.rules.direction}` does not write {PLACES[present.other]} ({link.rules.rule})"]
    if (Operation.CREATE, present.other) in link.rules.denied:
        return [f"creates are denied {PLACES[present.other]} ({link.rules.rule})"]
    return []


def _fate(standing: Standing, subject: Subject, decided: Decided | None) -> str:
    """What becomes of one unit, in a few words."""
    unit = standing.unit
    if decided is not None:
        for change in decided.decision.changes:
            if change.operation is not Operation.UPDATE:
                return f"{change.operation} on the {'CRM' if change.side is Side.CRM else 'target'}"
            for verdict in change.verdicts:
                if verdict.unit == unit.name:
                    arrow = "→ CRM" if change.side is Side.CRM else "→ target"
                    return f"{arrow}: {verdict.reason}"
        for clash in decided.decision.clashes:
            if clash.unit == unit.name:
                return "conflict held" if clash.held else f"conflict, {clash.winner} wins"
    if subject.crm is None or subject.target is None:
        return "one side only"
    if not standing.disputed:
        equal = standing.now[Side.CRM] == standing.now[Side.TARGET]
        return "equal" if equal else "differs as it was agreed"
    if unit.direction is Direction.NONE:
        return "flows nowhere"
    if not standing.flows:
        return "updates are denied"
    if len(standing.flows) == 1:
        return f"edited {PLACES[standing.flows[0]]}, where it is read-only"
    return "not looked at"


def _user(runner: Runner, link: LinkPlan, owner: str | None) -> UserView:
    store, now = runner.store, runner.clock.now()
    state = store.link(link.name)
    hindrance = hindrance_of(runner.plan, link, store.suspensions())
    return UserView(
        link=link,
        owner=owner,
        condition=state.condition.value,
        hindrance=hindrance.reason if hindrance else None,
        reason=state.reason,
        last_pass=state.last_pass,
        pairs=store.count(link.name),
        waiting=store.mark_counts(link.name, now).due,
        quarantined=tuple(store.quarantined(link.name)),
        conflicts=len(store.conflicts(link.name, open_only=True)),
        ledger=tuple(store.ledger(link.name, limit=SHOWN)),
    )
