"""Case files that are wrong: every finding has its code and its exact place, and nothing is played (B-100)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from runner.cli import _run
from runner.cli import test as command
from runner.cli.cases.play import STEPS
from runner.config.files import schema_texts
from runner.model.errors import UsageError
from runner.sandbox.operations.registry import OPERATIONS
from tests.cases.conftest import GIVEN, HEAD, Play

CALENDAR = "hq/ann@example.com/calendar"
EXPECT = "  expect: {conflicts: []}\n"


ATTACHED = f"  expect: {{target: {{{CALENDAR}: [fields: {{attachments: %s}}]}}}}\n"
OVERRIDES = f"  expect: {{target: {{{CALENDAR}: [fields: {{recurrence_overrides: %s}}]}}}}\n"
FAULT = "  steps: [fault: {target: hq, operation: GetItem, drop: true}]\n"


def given(old: str, new: str) -> str:
    """The case of Ann's appointment, spoilt in one place."""
    assert old in GIVEN
    return GIVEN.replace(old, new) + EXPECT


@pytest.mark.parametrize(
    ("cases", "code", "says", "hint"),
    [
        ("- name: a\n  ¶stepps: []\n", "unknown-key", "unknown key 'stepps'", "did you mean 'steps'?"),
        ("- name: a\n  steps: [{¶pas: {}}]\n", "unknown-key", "unknown key 'pas'", "did you mean 'pass'?"),
        ("- name: a\n  steps: [¶{pass: {}, clock: 1d}]\n", "bad-value", "expected at most 1 key, got 2", ""),
        ("- name: a\n  steps: [{clock: ¶soon}]\n", "bad-value", "expected a duration such as 20m or 30d, or an", ""),
        ("- ¶name: a\n  steps: [pass: {}]\n", "no-expectation", "the case expects nothing", "add expect:"),
        ("- name: a\n  clock: ¶2026-02-30T00:00:00Z\n" + EXPECT, "bad-value", "there is no such instant", ""),
        (given("what:", "¶wat:"), "unknown-field", "the CRM has no field 'wat'", "did you mean 'what'?"),
        (
            given("fields: {what: Board, ", "¶fields: {"),
            "missing-field",
            "the CRM's field 'what' is never empty",
            "name it",
        ),
        (given("ann@", "¶anne@"), "unknown-user", "no link is anne@example.com's", "did you mean 'ann@example.com'?"),
        (
            given("  given", "  users: [bob@example.com]\n  given").replace("ann@", "¶ann@"),
            "unknown-user",
            "ann@example.com is none of the case's users",
            "add him to users:",
        ),
        (
            f"- name: a\n  users: [bob@example.com]\n  expect: {{target: {{¶{CALENDAR}: []}}}}\n",
            "unknown-link",
            "ann@example.com is none of the case's users",
            "add him to users:",
        ),
        (given("2026-03-30T08:00:00Z", "¶8 o'clock"), "bad-value", "begins: ", ""),
        (
            "- name: a\n" + ATTACHED % "¶[agenda.txt]",
            "bad-value",
            "attachments: expected the files' texts by their",
            "",
        ),
        (
            "- name: a\n" + ATTACHED % "¶{a.txt: {b: c}}",
            "bad-value",
            "attachments: expected the files' texts by their",
            "",
        ),
        (given("schedule_item", "¶task"), "unknown-entity", "CRM sales describes no task", "entities: schedule_item"),
        (
            f"- name: a\n  given: {{target: {{¶{CALENDAR}s: []}}}}\n" + EXPECT,
            "unknown-link",
            f"the configuration has no link '{CALENDAR}s' to Exchange",
            f"did you mean '{CALENDAR}'?",
        ),
        (
            f"- name: a\n  given: {{target: {{{CALENDAR}: [fields: {{¶uid: x}}]}}}}\n" + EXPECT,
            "read-only-field",
            "nobody writes the record's 'uid'",
            "leave it out",
        ),
        (
            given("}]}", "}, {item: ¶board, owner: ann@example.com, fields: {what: x}}]}"),
            "duplicate-item",
            "another item is called 'board' already",
            "call it otherwise",
        ),
        (
            GIVEN + "  steps: [delete: {crm: ¶bord}]\n" + EXPECT,
            "unknown-item",
            "no item is called 'bord'",
            "mean 'board'?",
        ),
        (
            GIVEN + "  expect: {crm: {schedule_item: [{item: ¶bord}]}}\n",
            "unknown-item",
            "no item is called",
            "mean 'board'?",
        ),
        (
            GIVEN + "  steps: [delete: ¶{crm: board, target: board}]\n" + EXPECT,
            "bad-value",
            "expected crm or target with the name of an item",
            "",
        ),
        (
            GIVEN + "  steps: [pass: {links: [¶ann@example.org]}]\n" + EXPECT,
            "unknown-link",
            "no link is called",
            "did you mean",
        ),
        (
            GIVEN + FAULT.replace("hq", "¶hx") + EXPECT,
            "unknown-target",
            "there is no Exchange target 'hx'",
            "targets: hq",
        ),
        (
            GIVEN + FAULT.replace("GetItem", "¶GetItems") + EXPECT,
            "bad-value",
            "expected one of SyncF",
            "mean 'GetItem'?",
        ),
        (
            GIVEN + FAULT.replace("drop: true", "code: ¶ErrorServerBusi") + EXPECT,
            "unknown-code",
            "the sandbox does not know ErrorServerBusi",
            "did you mean 'ErrorServerBusy'?",
        ),
        (
            GIVEN + FAULT.replace(", drop: true", "").replace("{target", "¶{target") + EXPECT,
            "bad-value",
            "expected one of code, http or drop",
            "",
        ),
        (
            GIVEN + f"  expect: {{target: {{{CALENDAR}: [fields: {{privacy: ¶secrit}}]}}}}\n",
            "bad-value",
            "privacy: expected one of public, personal, private, secret",
            "",
        ),
        (
            GIVEN
            + f"  expect: {{target: {{{CALENDAR}: [fields: {{recurrence_overrides: ¶{{2026-04-06: {{start: 7}}}}}}]}}}}\n",
            "bad-value",
            "recurrence_overrides: expected a local date and time",
            "",
        ),
        (
            GIVEN
            + f"  expect: {{target: {{{CALENDAR}: [fields: {{recurrence_overrides: ¶{{monday: {{title: x}}}}}}]}}}}\n",
            "bad-value",
            "recurrence_overrides: ",
            "",
        ),
        ("- name: a\n  clock: ¶0001-01-01T00:00:00Z\n" + EXPECT, "bad-value", "expected an instant such as", ""),
        (
            GIVEN + f"  expect: {{target: {{{CALENDAR}: [fields: {{duration: ¶an hour}}]}}}}\n",
            "bad-value",
            "duration: ",
            "",
        ),
    ],
)
def test_a_spoilt_case_is_a_finding_at_its_place(
    play: Play, repository: Path, cases: str, code: str, says: str, hint: str
) -> None:
    """The mark ¶ stands before the place."""
    before = (HEAD + cases).partition("¶")[0]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    result = play(cases.replace("¶", ""))
    assert f"{repository}/tests/c.cases.yaml:{place}: error[{code}]: {says}" in result.output, result.output
    assert hint in result.output
    assert result.exit_code == 78
    assert "case(s)" not in result.output


def test_without_a_sound_configuration_nothing_is_played(play: Play, repository: Path) -> None:
    (repository / "mappings/visit.yaml").write_text("version: 1\nkind: mapping\nname: visit\nentity: schedule_item\n")
    result = play(GIVEN + EXPECT)
    assert "mappings/visit.yaml:1:1: error[missing-key]" in result.output
    assert "tests/c.cases.yaml:1:1: error[configuration-invalid]" in result.output
    assert result.exit_code == 78


def test_a_case_file_is_named_by_its_path_and_validated_alone(play: Play, repository: Path) -> None:
    play(GIVEN + EXPECT)
    assert _run(["validate", str(repository / "tests/c.cases.yaml")]) == 0
    for notes in ("notes.yaml", "tests/notes.yaml"):
        (repository / notes).write_text(HEAD)
    for wrong in ("notes.yaml", "tests/notes.yaml", "tests/none.cases.yaml"):
        call = CliRunner().invoke(command.test, [str(repository / wrong)], obj=SimpleNamespace(root=repository))
        assert isinstance(call.exception, UsageError)


def test_the_schemas_words_are_the_codes() -> None:
    schema = json.loads(schema_texts()["cases"])
    step = schema["$defs"]["step"]["properties"]
    assert set(step) == set(STEPS)
    assert set(step["fault"]["properties"]["operation"]["enum"]) <= set(OPERATIONS)
