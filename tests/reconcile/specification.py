"""A second derivation of the rules of reconciling: not how to decide, but what a right decision looks like.

For each situation every conceivable outcome is listed, each axiom strikes out those that its rule forbids, and exactly
one must be left. The axioms speak of *words* and who may *hear* them, and share no code with the product:

- a side's **word** is what it says about one field now: a token such as ``c``, ``EMPTY``, or ``GONE``;
- its word is **news** when it is not the word that this side itself was remembered by, or when nothing is remembered; but
  silence (``EMPTY``) between two who never agreed tells nothing;
- a side **hears** the other when the field and the link may write it, and updates are not denied there.

Tokens: ``o`` the old word, ``O`` a longer old word that the target keeps only as ``o``, ``c`` and ``t`` what a user wrote
in the CRM and on the target, ``z`` what both wrote alike. Every item has a second field that flows freely and never
changes, so that an item is never without anything to carry.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from io import StringIO
from itertools import product

GONE, EMPTY, NOTHING, UNKNOWN = "-", "()", "-", "?"
CRM, TARGET = "crm", "target"
OTHER = {CRM: TARGET, TARGET: CRM}


@dataclass(frozen=True)
class Situation:
    base: str
    crm: str
    target: str
    direction: str
    policy: str
    edit_vs_delete: str
    on_drift: str
    denied: str

    def word(self, side: str) -> str:
        return self.crm if side == CRM else self.target

    def remembered(self, side: str) -> str | None:
        """The word by which a side is remembered; None when both never agreed."""
        return None if self.base == NOTHING else self.base.split("/")[side == TARGET]

    @property
    def met(self) -> bool:
        return self.base != NOTHING

    def news(self, side: str) -> bool:
        if not self.met and self.word(side) == EMPTY:
            return False
        return self.word(side) != self.remembered(side)

    def link_writes(self, side: str) -> bool:
        return {"link inbound": side == CRM, "link outbound": side == TARGET, "link none": False}.get(
            self.direction, True
        )

    def field_writes(self, side: str) -> bool:
        way = self.direction.split()[-1]
        return {"inbound": side == CRM, "outbound": side == TARGET, "none": False, "both": True}[way]

    def hears(self, side: str) -> bool:
        return self.link_writes(side) and self.field_writes(side) and self.denied != f"update {side}"

    def may_make(self, side: str) -> bool:
        return self.link_writes(side) and self.denied != f"create {side}"

    def may_remove(self, side: str) -> bool:
        return self.link_writes(side) and self.denied != f"delete {side}"

    @property
    def holders(self) -> tuple[str, ...]:
        return tuple(side for side in (CRM, TARGET) if self.word(side) != GONE)


@dataclass(frozen=True)
class Outcome:
    """What both sides say afterwards, the conflict recorded (``crm``, ``target``: the winner; ``held``), what is remembered
    (``crm/target``, ``?`` a pair without an agreed word, ``-`` no pair), whether the pair ends, whether drift is told."""

    crm_after: str
    target_after: str
    conflict: str
    memory: str
    ends: bool
    reported: bool

    def after(self, side: str) -> str:
        return self.crm_after if side == CRM else self.target_after


Axiom = Callable[[Situation, Outcome], bool]
AXIOMS: list[Axiom] = []
ABOUT_WORDS: list[Axiom] = []
"""Those axioms that look at both sides' words only: they strike out many outcomes at once."""


def axiom(rule: Axiom) -> Axiom:
    AXIOMS.append(rule)
    return rule


def axiom_about_words(rule: Axiom) -> Axiom:
    ABOUT_WORDS.append(rule)
    return rule


def touched(s: Situation, o: Outcome) -> tuple[str, ...]:
    return tuple(side for side in (CRM, TARGET) if o.after(side) != s.word(side))


# ---- who may be written, and with what ---------------------------------------------------------------------------------


@axiom_about_words
def a_side_is_written_only_where_link_field_and_permissions_allow(s: Situation, o: Outcome) -> bool:
    """B-2, B-5: three permissions, one per kind of write."""
    for side in touched(s, o):
        if s.word(side) == GONE:
            allowed = s.may_make(side)
        elif o.after(side) == GONE:
            allowed = s.may_remove(side)
        else:
            allowed = s.hears(side)
        if not allowed:
            return False
    return True


@axiom_about_words
def nobody_speaks_but_the_other_side(s: Situation, o: Outcome) -> bool:
    """What a side newly says is the other side's word; an item made on it lacks a field that may not be written there."""
    for side in touched(s, o):
        word = s.word(OTHER[side])
        if s.word(side) == GONE and not s.field_writes(side):
            word = EMPTY
        if o.after(side) != word:
            return False
    return True


@axiom_about_words
def news_passes_one_way_at_a_time(s: Situation, o: Outcome) -> bool:
    return len(touched(s, o)) <= 1


# ---- both sides hold the item --------------------------------------------------------------------------------------


def both_hold(s: Situation) -> bool:
    return len(s.holders) == 2


@axiom
def who_agrees_needs_no_write(s: Situation, o: Outcome) -> bool:
    """Equal words, even if both are news (D3), need nothing."""
    return not (both_hold(s) and s.crm == s.target) or (not touched(s, o) and o.conflict == "")


@axiom
def without_news_nothing_happens(s: Situation, o: Outcome) -> bool:
    """Words that differ as they did when both last agreed are no change (a target that cuts long text)."""
    quiet = both_hold(s) and not s.news(CRM) and not s.news(TARGET)
    return not quiet or (not touched(s, o) and o.conflict == "")


@axiom_about_words
def news_reaches_whoever_hears_it(s: Situation, o: Outcome) -> bool:
    """B-60: unless the hearer has news of his own that the teller hears: then it is a conflict."""
    if not both_hold(s) or s.crm == s.target:
        return True
    for teller, hearer in OTHER.items():
        contested = s.news(hearer) and s.hears(teller)
        if s.news(teller) and s.hears(hearer) and not contested and o.after(hearer) != s.word(teller):
            return False
    return True


@axiom
def a_conflict_is_news_on_both_sides_that_both_hear(s: Situation, o: Outcome) -> bool:
    """B-60, B-61, B-62: the policy's winner is on both sides and recorded; a manual one is recorded and touches nothing."""
    if not both_hold(s):
        return True
    contested = s.crm != s.target and s.news(CRM) and s.news(TARGET) and s.hears(CRM) and s.hears(TARGET)
    if not contested:
        return o.conflict == ""
    winner = {
        "crm_wins": CRM,
        "target_wins": TARGET,
        "newest_wins: crm by an hour": CRM,
        "newest_wins: target by an hour": TARGET,
        "newest_wins: target by a minute": CRM,  # within the tolerance of two minutes clocks prove nothing
        "newest_wins: unknown": CRM,
        "manual": "held",
    }[s.policy]
    if winner == "held":
        return o.conflict == "held" and not touched(s, o)
    return o.conflict == winner and o.crm_after == o.target_after == s.word(winner)


def drifter(s: Situation) -> str | None:
    """The read-only side that alone has news which the authority does not hear."""
    for reader, authority in OTHER.items():
        one_way = s.hears(reader) and not s.hears(authority)
        if both_hold(s) and one_way and s.crm != s.target and s.news(reader) and not s.news(authority):
            return reader
    return None


@axiom
def drift_is_left_reverted_or_told(s: Situation, o: Outcome) -> bool:
    """B-5 on_drift."""
    reader = drifter(s)
    if reader is None:
        return not o.reported
    reverted = o.after(reader) == s.word(OTHER[reader])
    return reverted == (s.on_drift == "revert") and o.reported == (s.on_drift == "report")


@axiom
def nobody_deletes_what_both_hold(s: Situation, o: Outcome) -> bool:
    return not both_hold(s) or (GONE not in (o.crm_after, o.target_after) and not o.ends)


# ---- one side holds the item ---------------------------------------------------------------------------------------


def lone(s: Situation) -> str | None:
    return s.holders[0] if len(s.holders) == 1 else None


@axiom
def a_new_item_is_made_where_it_may_be(s: Situation, o: Outcome) -> bool:
    """Never met: made on the other side or left alone, and never taken away."""
    holder = lone(s)
    if holder is None or s.met:
        return True
    made = o.after(OTHER[holder]) != GONE
    return made == s.may_make(OTHER[holder]) and o.after(holder) != GONE and o.conflict == "" and not o.ends


def expected_of_a_delete(s: Situation, holder: str) -> tuple[str, str]:
    """What shall become of an item that the other side deleted: (its fate, the conflict recorded)."""
    gone_from = OTHER[holder]
    if not s.link_writes(holder):  # the delete is drift: nobody's business but the read-only side's
        return ("restored" if s.on_drift == "revert" and s.may_make(gone_from) else "ended"), ""
    unheard_edit = s.news(holder) and s.link_writes(gone_from) and s.field_writes(gone_from)
    if not unheard_edit:  # B-39
        return ("removed" if s.may_remove(holder) else "ended"), ""
    if s.edit_vs_delete == "manual":  # B-63
        return "held", "held"
    if s.edit_vs_delete == "edit_wins":
        return ("restored" if s.may_make(gone_from) else "ended"), holder
    return ("removed" if s.may_remove(holder) else "ended"), gone_from


@axiom
def a_delete_is_followed_undone_held_or_ends_the_pair(s: Situation, o: Outcome) -> bool:
    holder = lone(s)
    if holder is None or not s.met:
        return True
    fate, conflict = expected_of_a_delete(s, holder)
    seen = {
        (True, False, False): "restored",
        (False, True, False): "removed",
        (False, False, True): "ended",
        (False, False, False): "held",
    }.get((o.after(OTHER[holder]) != GONE, o.after(holder) == GONE, o.ends))
    return (seen, o.conflict) == (fate, conflict)


@axiom
def what_both_deleted_is_forgotten(s: Situation, o: Outcome) -> bool:
    """D5."""
    return bool(s.holders) or (not touched(s, o) and not o.conflict and not o.ends and o.memory == NOTHING)


# ---- what is remembered --------------------------------------------------------------------------------------------


@axiom
def what_was_said_and_not_heard_stays_news(s: Situation, o: Outcome) -> bool:
    """B-62, B-5: as long as a side's news is not on the other side too, the memory of the field stays what it was."""
    if GONE in (o.crm_after, o.target_after):
        return True
    unheard = both_hold(s) and any(
        s.news(side) and o.after(side) == s.word(side) != o.after(OTHER[side]) for side in (CRM, TARGET)
    )
    if unheard:
        return o.memory == (s.base if s.met else UNKNOWN)
    return o.memory == f"{o.crm_after}/{o.target_after}"


@axiom
def a_pair_is_remembered_while_it_may_matter(s: Situation, o: Outcome) -> bool:
    """Held and ended pairs keep their memory (an ended one so that it is never re-created); others without one go."""
    if o.crm_after == o.target_after == GONE:
        return o.memory == NOTHING
    if GONE in (o.crm_after, o.target_after):
        return o.memory == (s.base if s.met else NOTHING)
    return True


# ---- deriving ----------------------------------------------------------------------------------------------------------


def conceivable(s: Situation) -> Iterator[Outcome]:
    """Every outcome that can be written down for a situation, but for those whose words alone are forbidden."""
    words = sorted({s.crm, s.target, GONE, EMPTY})
    for crm, target in product(words, words):
        if not all(allows(s, Outcome(crm, target, "", "", False, False)) for allows in ABOUT_WORDS):
            continue
        memories = sorted({s.base, UNKNOWN, NOTHING, f"{crm}/{target}"})
        for conflict, memory, ends, told in product(("", CRM, TARGET, "held"), memories, (False, True), (False, True)):
            yield Outcome(crm, target, conflict, memory, ends, told)


def derive(s: Situation) -> Outcome:
    """The one outcome that no axiom forbids."""
    left = [outcome for outcome in conceivable(s) if all(allows(s, outcome) for allows in AXIOMS)]
    if len(left) != 1:
        raise AssertionError(f"{s}: {len(left)} outcomes are left: {left}")
    return left[0]


DIRECTIONS = ("both", "link inbound", "link outbound", "link none", "field inbound", "field outbound", "field none")
POLICIES = (
    "crm_wins",
    "target_wins",
    "newest_wins: crm by an hour",
    "newest_wins: target by an hour",
    "newest_wins: target by a minute",
    "newest_wins: unknown",
    "manual",
)
DRIFTS = ("ignore", "revert", "report")
FATES = ("edit_wins", "delete_wins", "manual")
SIDES = (CRM, TARGET)


def situations() -> Iterator[Situation]:
    """The rows of the golden table, in order."""
    both = [("-", "c", "t"), ("-", "z", "z"), ("-", "c", EMPTY), ("-", EMPTY, "t")]
    both += [("o/o", crm, target) for crm, target in product("oc", "ot")] + [("o/o", "z", "z")]
    both += [("O/o", crm, target) for crm, target in product("Oc", "ot")]
    both += [("O/o", "z", "z"), ("O/o", "o", "o"), ("O/o", "O", "O")]
    for words, direction, drift in product(both, DIRECTIONS, DRIFTS):
        for policy in POLICIES:
            yield Situation(*words, direction, policy, "edit_wins", drift, "")
        for side in SIDES:
            yield Situation(*words, direction, "crm_wins", "edit_wins", drift, f"update {side}")
    denials = ["", *(f"{kind} {side}" for kind in ("create", "delete") for side in SIDES)]
    new = [("-", "c", GONE), ("-", GONE, "t")]
    for words, direction, drift, denied in product(new, DIRECTIONS, DRIFTS, denials):
        yield Situation(*words, direction, "crm_wins", "edit_wins", drift, denied)
    deleted = [("o/o", "o", GONE), ("o/o", "c", GONE), ("o/o", GONE, "o"), ("o/o", GONE, "t")]
    for words, direction, fate, drift, denied in product(deleted, DIRECTIONS, FATES, DRIFTS, denials):
        yield Situation(*words, direction, "crm_wins", fate, drift, denied)
    for words, direction, fate in product(
        deleted, DIRECTIONS, FATES
    ):  # an edit that could not have flowed by an update
        for side in SIDES:
            yield Situation(*words, direction, "crm_wins", fate, "ignore", f"update {side}")
    cut = [("O/o", "O", GONE), ("O/o", "c", GONE), ("O/o", GONE, "o"), ("O/o", GONE, "t")]
    for words, direction, fate in product(cut, DIRECTIONS, FATES):
        yield Situation(*words, direction, "crm_wins", fate, "ignore", "")
    for base in ("-", "o/o"):
        yield Situation(base, GONE, GONE, "both", "crm_wins", "edit_wins", "ignore", "")


HEADER = [field.name for kind in (Situation, Outcome) for field in fields(kind)]


def table() -> str:
    """The golden table as CSV."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for situation in situations():
        outcome = derive(situation)
        flags = ["ends" if outcome.ends else "", "told" if outcome.reported else ""]
        writer.writerow([*astuple(situation), *astuple(outcome)[:4], *flags])
    return out.getvalue()


def parse(text: str) -> Iterator[tuple[Situation, Outcome]]:
    """The rows of a golden table."""
    rows = csv.reader(StringIO(text))
    assert next(rows) == HEADER
    width = len(fields(Situation))
    for row in rows:
        crm, target, conflict, memory, ends, told = row[width:]
        yield Situation(*row[:width]), Outcome(crm, target, conflict, memory, ends == "ends", told == "told")
