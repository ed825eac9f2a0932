"""Change sets as data, text, JSON and Markdown: complete, stable, and safe to print."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from runner.model.record import Fields
from runner.model.state import Base
from runner.model.terms import ConflictPolicy, Direction, Operation, Side
from runner.reconcile.causing import caused
from runner.reconcile.changeset import ChangeSet, Clashing, LinkChanges, Noted
from runner.reconcile.decision import Change, Decision, Presented, Verdict
from runner.reconcile.figures import COLUMNS, contrasts
from runner.reconcile.guards import Limit, Limits, assess, measure
from runner.reconcile.masking import MASK, masked
from runner.reconcile.matching import Unsure
from runner.reconcile.merge import reconcile
from runner.reconcile.ordering import Label, Planned, called
from runner.reconcile.rendering import COMMENT, as_json, markdown, printable, shortened, shown, summary, text
from runner.reconcile.rules import ItemRules, Unit

RULES = ItemRules(
    units=(
        Unit("title", ("title",), Direction.BOTH, ConflictPolicy.CRM_WINS, "mappings/item.yaml:7:3"),
        Unit("when", ("start", "duration"), Direction.BOTH, ConflictPolicy.MANUAL, "mappings/item.yaml:10:3"),
    ),
    direction=Direction.BOTH,
    rule="targets.d/hq.yaml:14:13",
)
OLD = {"title": "Dentist", "start": "2026-03-29T10:00:00", "duration": "PT1H"}


def decide(crm: Fields | None, target: Fields | None, base: Fields | None = OLD) -> Decision:
    return reconcile(Base(base, base) if base else None, Presented(crm), Presented(target), RULES)


def planned(title: str, key: str, decision: Decision) -> list[Planned]:
    return [Planned(Label(title, key, f"AAMk{key}"), change) for change in decision.changes]


def a_link() -> LinkChanges:
    moved = decide(OLD, {**OLD, "title": "Dentist, 2nd floor", "start": "2026-03-29T11:00:00"})
    fought = decide({**OLD, "start": "2026-03-30T10:00:00"}, {**OLD, "start": "2026-03-31T10:00:00"})
    gone = decide(None, OLD)
    new = decide({**OLD, "title": "Board"}, None, None)
    changes = [*planned("Dentist", "1", moved), *planned("Old", "3", gone), *planned("Board", "4", new)]
    wanted = {Operation.CREATE: 1, Operation.UPDATE: 1, Operation.DELETE: 1}
    limits = Limits({Operation.DELETE: Limit(count=0, rule="targets.d/hq.yaml:9:3")})
    return LinkChanges(
        link="hq/ann.lee@example.com/calendar",
        known=1261,
        changes=tuple(changes),
        clashes=tuple(Clashing(Label("Review", "2", "AAMk2"), clash) for clash in fought.clashes),
        detached=(Noted(Label("Lunch", "5"), "the item lies outside the window"),),
        drifted=(Noted(Label("Notes", "6"), "title was edited on the target, which is read-only"),),
        quarantined=(Noted(Label("Bad", "7"), "start: unknown time zone 'Mars'"),),
        unsure=(Unsure(1, ("8", "9"), ("AAMk8",)),),
        gauges=measure(wanted, {}, 1261, limits),
        trips=assess("hq/ann.lee@example.com/calendar", wanted, {}, 1261, limits),
    )


TEXT = """\
hq/ann.lee@example.com/calendar   1,261 known items
  - target  "Old"  (crm 3, target AAMk3)  (stopped by G104)
             start "2026-03-29T10:00:00", duration "PT1H"
             because deleted in the CRM  [targets.d/hq.yaml:14:13]
  ~ crm     "Dentist"  (crm 1, target AAMk1)
             title  "Dentist" → "Dentist, 2nd floor"                changed on the target  [mappings/item.yaml:7:3]
             start  "2026-03-29T10:00:00" → "2026-03-29T11:00:00"   changed on the target  [mappings/item.yaml:10:3]
  + target  "Board"  (crm 4, target AAMk4)
             start "2026-03-29T10:00:00", duration "PT1H"
             because new in the CRM  [targets.d/hq.yaml:14:13]
  ! when  "Review"  (crm 2, target AAMk2): conflict held (manual): decide with `exsync conflicts resolve`  [mappings/item.yaml:10:3]
             base    start "2026-03-29T10:00:00", duration "PT1H"
             crm     start "2026-03-30T10:00:00", duration "PT1H"
             target  start "2026-03-31T10:00:00", duration "PT1H"
  detached: "Lunch"  (crm 5): the item lies outside the window
  drifted: "Notes"  (crm 6): title was edited on the target, which is read-only
  quarantined: "Bad"  (crm 7): start: unknown time zone 'Mars'
  unsure match (key set 2): CRM 8, 9 with target AAMk8: left alone
  guard G103: 1 to delete, limit 1260: passed  [built in: one side became empty]
  guard G104: 1 to delete, limit 0: stopped  [targets.d/hq.yaml:9:3]
  guard G105: 1 to delete, limit 200: passed  [built-in default]
  stopped: G104 hq/ann.lee@example.com/calendar: 1 of 1261 items (0 %) would be deleted; the limit is 0 (targets.d/hq.yaml:9:3). Nothing of that kind was written.
           look at `exsync plan hq/ann.lee@example.com/calendar`; then raise guards.max_deletes in YAML, or allow it once: `exsync apply hq/ann.lee@example.com/calendar --allow-deletes`

Plan: 1 to create, 1 to update, 1 to delete, 1 conflict (1 held), 0 mails. 1 item quarantined. Stopped by G104.
"""  # noqa: E501


def test_text_for_terminals() -> None:
    assert text(ChangeSet((a_link(),))) == TEXT


def test_a_wide_value_leaves_the_columns_of_its_neighbours_alone() -> None:
    """A list of forty words is cut and has its reason below it; the others' reasons stay where they are seen."""
    words = tuple(f"field_{number}" for number in range(40))
    verdicts = tuple(
        Verdict(name, (name,), "changed on the target", f"item.yaml:{line}:3")
        for name, line in (("title", 7), ("keywords", 9))
    )
    before, after = {"title": "A", "keywords": None}, {"title": "B", "keywords": words}
    fields = frozenset(after)
    change = Change(
        Side.CRM, Operation.UPDATE, after, fields, before, "changed on the target", "item.yaml:7:3", verdicts
    )
    lines = text(ChangeSet((LinkChanges("l", 1, (Planned(Label("A", "1"), change),)),))).splitlines()
    assert '             title     "A" → "B"   changed on the target  [item.yaml:7:3]' in lines
    wide = next(number for number, line in enumerate(lines) if line.startswith("             keywords"))
    assert len(lines[wide]) < 140
    assert "…" in lines[wide]
    assert lines[wide + 1] == " " * 23 + "changed on the target  [item.yaml:9:3]"


def test_a_link_in_step_is_said_to_be() -> None:
    assert text(ChangeSet((LinkChanges("hq/bob/calendar", 1),))) == (
        "hq/bob/calendar   1 known item\n  nothing to do\n\nNo changes: 1 link in step.\n"
    )


def test_a_link_that_failed_is_not_in_step() -> None:
    out = text(ChangeSet((LinkChanges("hq/bob/calendar", 1, error="log-on refused"),)))
    assert "error: log-on refused" in out
    assert "nothing to do" not in out
    assert out.endswith("No changes: 0 links in step. 1 link failed.\n")


def test_json_says_before_after_and_rule_of_every_field() -> None:
    out = json.loads(as_json(ChangeSet((a_link(),))))
    (link,) = out["links"]
    update = next(change for change in link["changes"] if change["operation"] == "update")
    assert update["fields"]["title"] == {
        "before": "Dentist",
        "after": "Dentist, 2nd floor",
        "reason": "changed on the target",
        "rule": "mappings/item.yaml:7:3",
    }
    assert link["counts"] == {"crm.update": 1, "target.create": 1, "target.delete": 1}
    assert link["conflicts"][0]["held"] is True
    assert link["conflicts"][0]["crm"]["start"] == "2026-03-30T10:00:00"
    assert out["totals"] == {
        "create": 1,
        "update": 1,
        "delete": 1,
        "conflicts": 1,
        "held": 1,
        "mails": 0,
        "mails_held": 0,
    }
    assert [trip["code"] for trip in link["trips"]] == ["G104"]


def test_the_order_of_the_input_does_not_show() -> None:
    """P14: equal change sets read alike, byte for byte."""
    link, dice = a_link(), random.Random(7)
    other = replace(link, link="hq/bob/calendar")
    mixed = replace(
        link,
        changes=tuple(dice.sample(link.changes, len(link.changes))),
        counts=dict(reversed(link.counts.items())),
    )
    one, two = ChangeSet((link, other)), ChangeSet((other, mixed))
    assert one == two
    for rendering in (text, as_json, markdown):
        assert rendering(one) == rendering(two)


def test_counts_are_complete_where_the_list_is_not() -> None:
    link = replace(a_link(), counts={"target.create": 2000, "crm.update": 1, "matched": 7})
    assert link.omitted == 1998
    assert "… and 1998 more" in text(ChangeSet((link,)))
    assert "2000 to create" in summary(ChangeSet((link,)))


def test_markdown_is_a_table_and_folded_details() -> None:
    out = markdown(ChangeSet((a_link(), LinkChanges("hq/bob/calendar", 3))))
    assert "| link | create | update | delete | detach | conflicts | mail | stopped by |" in out
    assert "| `hq/ann.lee@example.com/calendar` | 1 | 1 | 1 | 1 | 1 | 0 | G104 |" in out
    assert "| `hq/bob/calendar` | 0 | 0 | 0 | 0 | 0 | 0 |  |" in out
    assert out.count("<details>") == out.count("</details>") == 1
    assert '`title: "Dentist" → "Dentist, 2nd floor"`' in out
    assert "`mappings/item.yaml:7:3, mappings/item.yaml:10:3`" in out


def test_markdown_fits_a_comment_however_much_changes() -> None:
    link = a_link()
    many = tuple(Planned(Label(f"{n} {'x' * 200}"), link.changes[0].change) for n in range(500))
    out = markdown(ChangeSet(tuple(replace(link, link=f"hq/{n}/calendar", changes=many, counts={}) for n in range(50))))
    assert len(out) < COMMENT + 200
    assert "do not fit here" in out
    everyone = ChangeSet(tuple(LinkChanges(f"hq/user{n:05}@example.com/calendar", 1) for n in range(5000)))
    assert len(markdown(everyone)) < COMMENT


def test_two_configurations_are_told_link_by_link() -> None:
    """B-100: figures before and after, mail included; links of which neither does anything are left out."""
    now = a_link()
    was = replace(now, trips=(), counts={"crm.update": 1, "detached": 1, "mail_held": 3})
    after = ChangeSet(
        (replace(now, counts={**now.counts, "detached": 1, "mail": 2}), LinkChanges("hq/bob/calendar", 3))
    )
    [row] = contrasts(ChangeSet((was, LinkChanges("hq/bob/calendar", 3))), after)
    assert (row.link, row.stopped) == (now.link, "G104")
    assert dict(zip(COLUMNS, row.cells, strict=True)) == {
        "create": "0 → 1",
        "update": "1",
        "delete": "0 → 1",
        "detach": "1",
        "conflicts": "1",
        "mail": "0 + 3 held → 2",
    }
    [gone] = contrasts(ChangeSet((now,)), ChangeSet())
    assert gone.cells[0] == "1 → 0"


def test_only_what_the_change_brings_about_is_said_to_be() -> None:
    """What is set aside, left or drifted either way is nothing that a change of the configuration does."""
    link = a_link()
    [same] = caused(ChangeSet((link,)), ChangeSet((link,))).links
    assert (same.changes, same.clashes, same.detached, same.drifted, same.quarantined, same.unsure) == ((),) * 6
    [fresh] = caused(ChangeSet(), ChangeSet((link,))).links
    assert (fresh.drifted, fresh.quarantined) == (link.drifted, link.quarantined)


def test_what_a_fault_quotes_is_masked_too() -> None:
    """A fault of an item tells the value that it cannot carry."""
    link = replace(a_link(), quarantined=(Noted(Label("Bad", "7"), "mapping: priority 'Zoe Novak' has no value"),))
    [hidden] = masked(ChangeSet((link,))).links
    assert hidden.quarantined[0].reason == f"mapping: {MASK}"
    assert "Zoe" not in text(ChangeSet((hidden,)))


def test_strangers_text_stays_text() -> None:
    """E12: a subject neither moves the cursor, nor mentions anybody, nor breaks out of its table cell."""
    evil = "\x1b[2J`@all` | <img src=x>\r\n\u202egnp.exe"
    changes = planned(evil, "1\x07", decide(OLD, {**OLD, "title": evil}))
    change_set = ChangeSet((LinkChanges("l", 1, tuple(changes)),))
    for out in (text(change_set), markdown(change_set)):
        assert all(c.isprintable() or c == "\n" for c in out)
    row = next(line for line in markdown(change_set).splitlines() if "@all" in line)
    assert row.replace("\\|", "").count("|") == 6
    assert '`` "\\u{1b}[2J`@all` \\| <img src=x>' in row


def test_values_on_one_line() -> None:
    assert shown(None) == "nothing"
    assert shown(True) == "yes"
    assert shown(5) == "5"
    assert shown(("a", "b")) == '["a", "b"]'
    assert shown('say "hi"\n') == '"say \\"hi\\"\\n"'
    assert printable("a\u200bb") == "a\\u{200b}b"
    assert shortened("x" * 10, 10) == "x" * 10
    assert len(shortened("x" * 100, 20)) == 20
    assert shortened("0123456789" * 3, 12) == "01234567…789"


def test_sides_and_outcomes_of_decided_conflicts_are_told() -> None:
    decision = decide({**OLD, "title": "A"}, {**OLD, "title": "B"})
    out = text(ChangeSet((LinkChanges("l", 1, clashes=tuple(Clashing(Label("A"), c) for c in decision.clashes)),)))
    assert '! title  "A": conflict, crm_wins: crm won  [mappings/item.yaml:7:3]' in out
    assert decision.clashes[0].winner is Side.CRM
    kept = decide(None, {**OLD, "title": "B"})
    out = text(ChangeSet((LinkChanges("l", 1, clashes=tuple(Clashing(Label("B"), c) for c in kept.clashes)),)))
    assert "! edit against delete" in out
    assert "crm     deleted" in out


def test_a_created_items_line_ends_with_a_whole_field() -> None:
    """What does not fit is counted, never cut through."""
    values = {f"field_{n}": "x" * 20 for n in range(8)} | {"title": "T", "start": "2026-03-29T10:00:00"}
    change = Change(Side.CRM, Operation.CREATE, values, frozenset(values), None, "new", "t.yaml:1:1")
    [line] = [
        line
        for line in text(ChangeSet((LinkChanges("l", changes=(Planned(Label("T"), change),)),))).splitlines()
        if "start" in line
    ]
    assert line.strip() == (
        'start "2026-03-29T10:00:00", field_0 "xxxxxxxxxxxxxxxxxxxx", field_1 "xxxxxxxxxxxxxxxxxxxx" … and 6 more'
    )
    assert len(line) <= 120


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"title": "Review", "given_name": "Nora"}, "Review"),
        ({"full_name": "Dr. Nora Winter", "surname": "Winter"}, "Dr. Nora Winter"),
        ({"given_name": "Nora", "surname": "Winter", "company": "Northwind"}, "Nora Winter"),
        ({"surname": "Winter"}, "Winter"),
        ({"company": "Northwind", "email_1": "office@northwind.example"}, "Northwind"),
        ({"title": None}, "(no subject)"),
    ],
)
def test_an_item_is_called_what_people_call_it(record: dict[str, str | None], name: str) -> None:
    assert called(record) == name
