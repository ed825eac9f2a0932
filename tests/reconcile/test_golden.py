"""The golden table: every row derived from axioms (``specification``), never from the product, and agreed to by it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, OnDrift, Operation, Side
from runner.reconcile.decision import Decision, Presented
from runner.reconcile.merge import reconcile
from runner.reconcile.rules import ItemRules, Unit
from tests.reconcile.specification import EMPTY, GONE, NOTHING, UNKNOWN, Outcome, Situation, derive, parse, table

GOLDEN = Path(__file__).with_name("golden.csv")
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
TIMES = {
    "newest_wins: crm by an hour": (NOON + timedelta(hours=1), NOON),
    "newest_wins: target by an hour": (NOON, NOON + timedelta(hours=1)),
    "newest_wins: target by a minute": (NOON, NOON + timedelta(minutes=1)),
    "newest_wins: unknown": (None, NOON),
}


def item(word: str) -> Fields | None:
    return None if word == GONE else {"title": None if word == EMPTY else word, "place": "p"}


def word(fields: Fields | None) -> str:
    return GONE if fields is None else str(fields.get("title") or EMPTY)


def rules_of(row: Situation) -> ItemRules:
    scope, _, way = row.direction.rpartition(" ")
    link = Direction.BOTH if scope == "field" else Direction(way)
    policy = ConflictPolicy(row.policy.split(":")[0])
    denied = [tuple(row.denied.split())] if row.denied else []
    return ItemRules(
        units=(
            Unit("title", ("title",), Direction(way), policy, "m.yaml:1:1"),
            Unit("place", ("place",), link, ConflictPolicy.CRM_WINS, "m.yaml:2:1"),
        ),
        direction=link,
        rule="t.yaml:1:1",
        denied=frozenset((Operation(kind), Side(side)) for kind, side in denied),
        edit_vs_delete=EditVsDelete(row.edit_vs_delete),
        on_drift=OnDrift(row.on_drift),
    )


def decide(row: Situation) -> Decision:
    base = None
    if row.met:
        base = Base(*({"title": row.remembered(side), "place": "p"} for side in ("crm", "target")))
    crm_time, target_time = TIMES.get(row.policy, (None, None))
    return reconcile(base, Presented(item(row.crm), crm_time), Presented(item(row.target), target_time), rules_of(row))


def outcome(row: Situation, decision: Decision) -> Outcome:
    """What the product's decision makes of both sides, in the specification's words."""
    after = {"crm": item(row.crm), "target": item(row.target)}
    for change in decision.changes:
        after[change.side] = None if change.operation is Operation.DELETE else change.values
        assert after[change.side] is None or after[change.side]["place"] == "p"
    clashes = decision.clashes
    assert len(clashes) <= 1
    if decision.base is None:
        memory = NOTHING
    elif "title" not in decision.base.crm:
        memory = UNKNOWN
    else:
        memory = f"{word(decision.base.crm)}/{word(decision.base.target)}"
    return Outcome(
        crm_after=word(after["crm"]),
        target_after=word(after["target"]),
        conflict=("held" if clashes[0].held else str(clashes[0].winner)) if clashes else "",
        memory=memory,
        ends=decision.detach is not None,
        reported=decision.drift == ("title",),
    )


def test_the_table_is_what_the_specification_derives() -> None:
    assert GOLDEN.read_text(encoding="utf-8") == table(), "run tests/reconcile/regenerate.py and read the diff"


def test_reconcile_agrees_with_every_row() -> None:
    rows = list(parse(GOLDEN.read_text(encoding="utf-8")))
    assert len(rows) >= 1000
    assert len({row for row, _ in rows}) == len(rows)
    wrong = [
        f"{row}\n  golden:  {expected}\n  product: {got}"
        for row, expected in rows
        if (got := outcome(row, decide(row))) != expected
    ]
    assert not wrong, f"{len(wrong)} of {len(rows)} rows differ, first:\n" + "\n".join(wrong[:5])


def test_the_table_holds_every_kind_of_outcome() -> None:
    """A table in which nothing is ever held, deleted or restored would prove little."""
    kinds: Counter[str] = Counter()
    for row, expected in parse(GOLDEN.read_text(encoding="utf-8")):
        kinds[f"conflict {expected.conflict}"] += 1
        kinds["ends"] += expected.ends
        kinds["told"] += expected.reported
        for side in ("crm", "target"):
            before, after = row.word(side), expected.after(side)
            if before != after:
                kinds[f"{'make' if before == GONE else 'remove' if after == GONE else 'update'} {side}"] += 1
    assert min(kinds.values()) >= 20
    assert len(kinds) == 12


def at(base: str, crm: str, target: str, direction: str = "both", **other: str) -> Situation:
    plain = {"policy": "crm_wins", "edit_vs_delete": "edit_wins", "on_drift": "ignore", "denied": ""}
    return Situation(base, crm, target, direction, **(plain | other))


ANCHORS = [
    # Both hold the item.
    (at("o/o", "c", "o"), Outcome("c", "c", "", "c/c", False, False), "B-60: one side changed, it is carried over"),
    (at("o/o", "c", "t"), Outcome("c", "c", "crm", "c/c", False, False), "B-61: crm_wins is the default"),
    (
        at("o/o", "c", "t", policy="manual"),
        Outcome("c", "t", "held", "o/o", False, False),
        "B-62: nobody is overwritten, and with the old base it is a conflict again next time",
    ),
    (
        at("o/o", "c", "t", policy="newest_wins: target by a minute"),
        Outcome("c", "c", "crm", "c/c", False, False),
        "B-61: within two minutes clocks prove nothing",
    ),
    (at("o/o", "z", "z"), Outcome("z", "z", "", "z/z", False, False), "D3: both wrote the same, no conflict"),
    (at("O/o", "O", "o"), Outcome("O", "o", "", "O/o", False, False), "a target that cuts text is no change for ever"),
    (
        at("O/o", "O", "t"),
        Outcome("t", "t", "", "t/t", False, False),
        "an edit of the cut text comes in like any other",
    ),
    (at("-", "c", "t"), Outcome("c", "c", "crm", "c/c", False, False), "adopted pair: nobody knows who is newer"),
    (
        at("-", "c", "t", policy="manual"),
        Outcome("c", "t", "held", "?", False, False),
        "adopted pair, held: there is no agreed value to fall back on",
    ),
    (
        at("o/o", "o", "t", "link outbound"),
        Outcome("o", "t", "", "o/o", False, False),
        "B-2: outbound-only never writes the CRM; B-5: drift is ignored by default",
    ),
    (
        at("o/o", "o", "t", "link outbound", on_drift="revert"),
        Outcome("o", "o", "", "o/o", False, False),
        "B-5: revert writes the authority's value back",
    ),
    (
        at("o/o", "c", "t", "link inbound"),
        Outcome("t", "t", "", "t/t", False, False),
        "B-2: inbound-only, the CRM's own edit is not sent and gives way without a conflict",
    ),
    (
        at("o/o", "c", "o", denied="update target"),
        Outcome("c", "o", "", "o/o", False, False),
        "B-5: denied now, but still news when it is allowed one day",
    ),
    # One side holds it.
    (at("-", "c", "-"), Outcome("c", "c", "", "c/c", False, False), "new in the CRM: made on the target"),
    (
        at("-", "-", "t", "field outbound"),
        Outcome("()", "t", "", "()/t", False, False),
        "made in the CRM without the field that never flows there; its absence is the CRM's base, not a change",
    ),
    (at("-", "-", "t", "link outbound"), Outcome("-", "t", "", "-", False, False), "B-1: contacts added in Outlook"),
    (at("o/o", "-", "o"), Outcome("-", "-", "", "-", False, False), "B-39: deletes propagate"),
    (
        at("o/o", "-", "o", denied="delete target"),
        Outcome("-", "o", "", "o/o", True, False),
        "B-39: a denied delete detaches, the item is never re-created",
    ),
    (at("o/o", "-", "t"), Outcome("t", "t", "target", "t/t", False, False), "B-63: the edit wins and is recorded"),
    (
        at("o/o", "-", "t", edit_vs_delete="delete_wins"),
        Outcome("-", "-", "crm", "-", False, False),
        "B-63: the delete wins where the operator says so, recorded as well",
    ),
    (
        at("o/o", "c", "-", edit_vs_delete="manual"),
        Outcome("c", "-", "held", "o/o", False, False),
        "B-63: held",
    ),
    (
        at("o/o", "c", "-", "link outbound"),
        Outcome("c", "-", "", "o/o", True, False),
        "the user removed our copy: he does not get it back with the next edit",
    ),
    (
        at("o/o", "o", "-", "link outbound", on_drift="revert"),
        Outcome("o", "o", "", "o/o", False, False),
        "B-5: unless drift is to be reverted",
    ),
    (
        at("o/o", "-", "t", "link outbound"),
        Outcome("-", "-", "", "-", False, False),
        "B-2: the CRM's record is gone; edits of the copy never counted",
    ),
    (at("o/o", "-", "-"), Outcome("-", "-", "", "-", False, False), "D5: deleted on both sides, forgotten"),
]


@pytest.mark.parametrize(("row", "expected", "reason"), ANCHORS, ids=[reason for *_, reason in ANCHORS])
def test_rows_checked_by_hand(row: Situation, expected: Outcome, reason: str) -> None:
    assert derive(row) == expected, f"the specification errs: {reason}"
    assert outcome(row, decide(row)) == expected, f"the product errs: {reason}"
