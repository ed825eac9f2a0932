"""``candidate:`` of a target: what holds for whom, which line says so, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config import load, load_plan
from runner.config.candidates import CandidatePlan, Ring
from runner.model.terms import ConflictPolicy, Direction, Operation
from tests.config.conftest import APPOINTMENTS, HQ, Write

ANN, BOB = "hq/ann@example.com/calendar", "hq/bob@example.com/calendar"
TRIED = """\
candidate:
  defaults:
    conflict: target_wins
    folders:
      calendar: {mapping: next, window: {past: 5d}}
  guards: {max_updates: {count: 3}}
  rings:
  - users: [Ann@example.com]
  - percent: 50
  - all: true
  ring: RING
"""
NEXT = APPOINTMENTS.replace("name: appointments", "name: next").replace("record: title", "record: location")


def tried(write: Write, ring: int = 0, *, hq: str = HQ, text: str = TRIED) -> Path:
    return write(hq=hq + text.replace("RING", str(ring)), **{"mappings/next.yaml": NEXT})


def test_without_a_live_ring_everybody_is_compared_and_nobody_runs_by_it(write: Write) -> None:
    plan, before = load_plan(tried(write)), load_plan(write(hq=HQ))
    assert {name: link.digest for name, link in plan.links.items()} == {n: k.digest for n, k in before.links.items()}
    assert set(plan.shadows) == {ANN, BOB}
    shadow = plan.shadows[ANN]
    assert shadow.mapping.name == "next"
    assert shadow.window.past is not None
    assert {unit.conflict for unit in shadow.rules.units} == {ConflictPolicy.TARGET_WINS}
    assert shadow.limits.by_operation[Operation.UPDATE].count == 3


def test_a_live_rings_users_run_by_it_with_the_candidates_lines_and_guards(write: Write) -> None:
    root = tried(write, 1)
    loaded = load(root)
    assert loaded.plan is not None
    ann, bob = loaded.plan.links[ANN], loaded.plan.links[BOB]
    assert (ann.mapping.name, bob.mapping.name) == ("next", "appointments")
    assert ann.candidate == loaded.plan.candidates["hq"]
    assert bob.candidate is None
    assert set(loaded.plan.shadows) == {BOB}
    assert re.fullmatch(r"targets.d/hq.yaml:17:\d+", loaded.settings[ANN].origins["mapping"])
    assert loaded.settings[ANN].origins["guards.max_updates"].startswith("targets.d/hq.yaml:18:")
    assert loaded.settings[BOB].origins["guards.max_updates"] == "built-in default"
    everybody = load_plan(tried(write, 3))
    assert everybody.shadows == {}
    assert {link.mapping.name for link in everybody.links.values()} == {"next"}


def test_it_does_what_its_lines_will_do_among_the_defaults(write: Write) -> None:
    """What a link says of its own goes before; so it does when the lines are moved to ``defaults``."""
    hq = HQ.replace("- user: bob@example.com", "- user: bob@example.com\n  conflict: manual")
    everybody = tried(write, 3, hq=hq, text=TRIED.replace("  guards: {max_updates: {count: 3}}\n", ""))
    by_candidate = load_plan(everybody).links
    moved = hq.replace("defaults:\n", "defaults:\n  conflict: target_wins\n").replace(
        "{mapping: appointments, direction: both}", "{mapping: next, direction: both, window: {past: 5d}}"
    )
    promoted = load_plan(write(hq=moved, **{"mappings/next.yaml": NEXT})).links
    assert {name: link.digest for name, link in by_candidate.items()} == {
        name: link.digest for name, link in promoted.items()
    }
    assert {unit.conflict for unit in promoted[BOB].rules.units} == {ConflictPolicy.MANUAL}


def test_it_can_narrow_a_direction_and_never_widen_it(write: Write) -> None:
    """B-4."""
    text = TRIED.replace("conflict: target_wins", "direction: both")
    loaded = load(tried(write, 0, hq=HQ.replace("direction: both", "direction: inbound"), text=text))
    assert loaded.plan is not None  # both, then inbound: narrowed
    wide = TRIED.replace("window: {past: 5d}", "direction: both")
    loaded = load(tried(write, 0, hq=HQ.replace("direction: both", "direction: inbound"), text=wide))
    assert [finding.code for finding in loaded.diagnostics] == ["direction-widened"]
    narrow = TRIED.replace("window: {past: 5d}", "direction: inbound")
    assert load_plan(tried(write, 3, text=narrow)).links[ANN].rules.direction is Direction.INBOUND


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("RING", "4", "unknown-ring", "there are 3"),
        ("Ann@example.com", "eve@example.com", "unknown-user", "eve@example.com has no link"),
        ("calendar: {mapping: next, window", "tasks: {mapping: next, window", "candidate-without-links", "adds none"),
        ("mapping: next", "mapping: nxt", "unknown-mapping", "nxt"),
        ("- percent: 50", "- percent: 150", "bad-value", "at most 100"),
        ("- all: true", "- all: true\n    percent: 1", "", "candidate"),
        ("  ring: RING", "  rung: 1", "unknown-key", "did you mean 'ring'"),
    ],
)
def test_mistakes_are_told_with_their_place(write: Write, old: str, new: str, code: str, words: str) -> None:
    text = TRIED.replace(old, new).replace("RING", "1")
    loaded = load(tried(write, 1, text=text))
    assert loaded.plan is None
    found = [f for f in loaded.diagnostics if not code or f.code == code]
    assert found, loaded.diagnostics
    told = " ".join(f"{f.message} {f.hint} {f.pointer}" for f in found)
    assert words in told
    assert all(f.span.file == "targets.d/hq.yaml" and f.span.line > 12 for f in found)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10**9))
def test_a_wider_ring_has_everybody_that_a_narrower_one_had(one: int, other: int, number: int) -> None:
    user, low, high = f"u{number}@example.com", min(one, other), max(one, other)
    assert Ring(points=high).has("hq", user) or not Ring(points=low).has("hq", user)


def test_percent_is_about_right_and_other_targets_try_it_on_others() -> None:
    plan = CandidatePlan("hq", "rule", (Ring(points=1000),), 1)
    users = [f"user{number}@example.com" for number in range(5000)]
    hq = {user for user in users if plan.reaches(user)}
    assert 400 < len(hq) < 600
    branch = {user for user in users if Ring(points=1000).has("branch", user)}
    assert len(hq & branch) < 150
    assert all(Ring(points=10_000).has("hq", user) for user in users)


def test_users_of_a_list_are_told_apart_when_it_is_read(write: Write) -> None:
    from runner.engine.growing import Sources, grow

    hq = HQ[: HQ.index("links:")] + "links:\n- generate: {from: {csv: users.csv}}\n"
    root = tried(write, 1, hq=hq)
    (root / "users.csv").write_text("email\nann@example.com\nbob@example.com\n", encoding="utf-8")
    sources = Sources(lambda: pytest.fail("no CRM is asked"), lambda name: pytest.fail("no target is asked"))
    grown = grow(load_plan(root), {}, sources)
    assert grown.problems == ()
    assert {name: link.mapping.name for name, link in grown.plan.links.items()} == {ANN: "next", BOB: "appointments"}
    assert set(grown.plan.shadows) == {BOB}
